"""A Sphinx extension: without scripts, a page says what needs them, and shows no control that would do nothing."""

CONTROLS = ".sidebar-toggle, .btn-fullscreen-button, .dropdown-toggle, form.bd-search"
FORMULAS = "This browser runs no scripts, and formulas need them: each is shown as it is written in LaTeX."


def mend(app, page, template, context, doctree):
    body = context.get("body", "")
    if 'class="math' in body:
        context["body"] = f'<noscript><p class="without-scripts">{FORMULAS}</p></noscript>\n{body}'
    hidden = f"<noscript><style>{CONTROLS} {{ display: none !important }}</style></noscript>"
    context["metatags"] = f"{context.get('metatags', '')}\n{hidden}"


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
