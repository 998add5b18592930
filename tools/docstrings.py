"""A Sphinx extension: the library's docstrings, plain text in Google's sections, as reStructuredText."""

import re

from sphinx.ext.napoleon import Config, GoogleDocstring

NAPOLEON = Config(napoleon_use_rtype=False)


def to_restructured(lines: list[str]) -> list[str]:
    r"""Keep the lines of formulas unchanged, set `names` in code, and let |P|, x_ and the like be plain text.

    >>> to_restructured(["The size |P| of `P`."])
    ['The size \\|P\\| of ``P``.']
    >>> to_restructured(["A sum:", "", "    a|b", "    c_", "", "and so on."])
    ['A sum:', '', '::', '', '    a|b', '    c_', '', 'and so on.']
    """
    restructured, outer, formula, previous = [], "", False, ""
    for line in lines:
        indented = line.startswith(" ")
        if line and not indented:
            outer, formula = line, False
        elif indented and not previous and not formula and not re.fullmatch(r"[A-Z]\w+:", outer):
            restructured += ["::", ""]
            formula = True
        code = formula or line.lstrip().startswith((">>>", "..."))
        restructured.append(line if code else _escape(line))
        previous = line.strip()
    return restructured


def _escape(line):
    parts = re.split(r"(`+[^`]+`+)", line)
    parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    parts[1::2] = [f"``{part.strip('`')}``" for part in parts[1::2]]
    return "".join(parts)


def process(app, what, name, obj, options, lines):
    # "function" for all: of an attribute, napoleon would take the words before a colon for its type.
    lines[:] = GoogleDocstring(to_restructured(lines), NAPOLEON, app, "function", name).lines()


def setup(app):
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", process)
    return {"parallel_read_safe": True}
