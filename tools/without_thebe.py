"""A Sphinx extension: leave out Thebe, which Jupyter Book loads on every page and which fails when loaded twice."""


def leave_out(app, page, template, context, doctree):
    for kind in ("script_files", "css_files"):
        context[kind] = [file for file in context[kind] if "thebe" not in _words(file)]


def _words(file):
    return f"{getattr(file, 'filename', file)} {getattr(file, 'attributes', {}).get('body', '')}".lower()


def setup(app):
    app.connect("html-page-context", leave_out, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
