"""A Sphinx extension: the library's docstrings, plain text in Google's sections, as reStructuredText.

Their line "Chapter: *Overlaps*." becomes a link to the chapter, and says how the entry is imported.
"Chapter: all." leads to the first page of the book, which lists the chapters.
"""

import json
import re
from functools import cache
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.util import logging

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = re.compile(r"\b(Chapter:|chapters?)((?:\s(?:and\s)?\*[^*]+\*,?)+|\sall\b)\.?")
TITLE = re.compile(r"\*([^*]+)\*")
NAPOLEON = Config(napoleon_use_rtype=False)
LOGGER = logging.getLogger(__name__)


@cache
def chapters() -> dict[str, str]:
    """List the page of every chapter by its title, the first heading of its notebook."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    pages = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    notebooks = {page: ROOT / f"{page}.ipynb" for page in pages if (ROOT / f"{page}.ipynb").is_file()}
    return {_title(notebook): page for page, notebook in notebooks.items()}


def _title(notebook: Path) -> str:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return next("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown").splitlines()[0][2:]


def to_restructured(lines: list[str]) -> list[str]:
    r"""Keep the lines of formulas as they are, set `names` in code, and let |P|, x_ and the like be plain text.

    A description that is a letter, as "p.", would begin a list.

    >>> to_restructured(["The size |P| of `P`."])
    ['The size \\|P\\| of ``P``.']
    >>> to_restructured(["Args:", "    prime: p."])
    ['Args:', '    prime: \\p.']
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


def _escape(line: str) -> str:
    parts = re.split(r"(`+[^`]+`+)", line)
    parts[::2] = [re.sub(r"\||(?<=\w)_(?!\w)", r"\\\g<0>", part) for part in parts[::2]]
    parts[0] = re.sub(r"(^\s*(?:\w+: )?)(?=[A-Za-z]\.(?: |$))", r"\1\\", parts[0])
    parts[1::2] = [f"``{part.strip('`')}``" for part in parts[1::2]]
    return "".join(parts)


def with_links(lines: list[str], name: str) -> list[str]:
    """Link the chapter that an entry names, and say after it how the entry is imported.

    >>> with_links(["Chapter: *Overlaps*."], "convac_lib.architecture.Layer")
    ['Chapter: :doc:`Overlaps </book/overlaps>`. Import: ``from convac_lib import Layer``.']
    """

    def link(title: re.Match[str]) -> str:
        words = " ".join(title[1].split())
        if words not in chapters():
            LOGGER.warning("the docstring of %s names the chapter %r, which the book does not have", name, words)
            return title[0]
        return f":doc:`{words} </{chapters()[words]}>`"

    def mend(named: re.Match[str]) -> str:
        every = f" :doc:`all </{next(iter(chapters().values()))}>`"
        linked = named[1] + (every if named[2].strip() == "all" else TITLE.sub(link, named[2])) + "."
        return f"{linked} Import: ``{_import_of(name)}``." if named[1] == "Chapter:" else linked

    return CHAPTERS.sub(mend, "\n".join(lines)).split("\n")


def _import_of(name: str) -> str:
    """Write the shortest import of a name: from the first package on its way that exports it, or else its module."""
    module, _, own = name.rpartition(".")
    homes = accumulate(module.split("."), "{}.{}".format)
    home = next((home for home in homes if own in getattr(import_module(home), "__all__", ())), module)
    return f"from {home} import {own}"


def process(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Rewrite the lines of a docstring in place, as autodoc asks."""
    restructured = with_links(to_restructured(lines), name)
    # "function" for all: of an attribute, napoleon would take the words before a colon for its type.
    lines[:] = GoogleDocstring(restructured, NAPOLEON, app, "function", name).lines()


def mend_signature(
    app: Sphinx, what: str, name: str, obj: object, options: object, arguments: str | None, result: str | None
) -> tuple[str | None, str | None]:
    """Give a protocol, which nobody calls, no arguments, and write a factory's default as Python reads it."""
    if getattr(obj, "_is_protocol", False):
        return "", None
    return arguments and arguments.replace("<factory>", "..."), result


def setup(app: Sphinx) -> dict[str, Any]:
    app.setup_extension("sphinx.ext.autodoc")
    app.setup_extension("sphinx.ext.viewcode")
    app.connect("autodoc-process-docstring", process)
    app.connect("autodoc-process-signature", mend_signature)
    return {"parallel_read_safe": True}
