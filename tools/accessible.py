"""A Sphinx extension: mend roles that the theme writes and screen readers cannot use."""


def mend(app, page, template, context, doctree):
    """Call the bibliography's entries items of a list: its role is a list, and their own role is deprecated."""
    context["body"] = context.get("body", "").replace('role="doc-biblioentry"', 'role="listitem"')


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
