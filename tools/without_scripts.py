"""A Sphinx extension: without scripts, a page says what needs them, and shows no control that would do nothing."""

CONTROLS = ".sidebar-toggle, .btn-fullscreen-button, .dropdown-toggle, form.bd-search"
FORM = '<form autocomplete="off" hidden>'  # an explorer's controls, which its script shows


def note(sentence):
    return f'<noscript><p class="without-scripts">{sentence}</p></noscript>\n'


def mend(app, page, template, context, doctree):
    body = context.get("body", "")
    if 'class="math' in body:
        body = (
            note("This browser runs no scripts, and formulas need them: each is shown as it is written in LaTeX.")
            + body
        )
    choose = "The controls need scripts, which this browser does not run: all states are in the table below."
    context["body"] = body.replace(FORM, note(choose) + FORM)
    hidden = f"<noscript><style>{CONTROLS} {{ display: none !important }}</style></noscript>"
    context["metatags"] = f"{context.get('metatags', '')}\n{hidden}"


def setup(app):
    app.connect("html-page-context", mend)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
