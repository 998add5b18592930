"""Number the statements of the book in reading order, and every link that names one by its number.

    python tools/number_statements.py

Theorems, propositions and the others are counted apart, through all chapters. Whoever adds a statement gives it any
number, and runs this.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import nbformat
from execute_notebooks import normalise, write

ROOT = Path(__file__).resolve().parents[1]
KINDS = "Theorem|Proposition|Definition|Lemma|Corollary|Remark|Conjecture"
HEAD = re.compile(rf'(<a id="([\w-]+)"></a>\*\*)({KINDS}) \d+')
LINK = re.compile(rf"\[(?:{KINDS}) \d+(\]\((?:[\w-]+\.ipynb)?#([\w-]+)\))")
MENTION = re.compile(rf"(?:{KINDS})[ \N{{NO-BREAK SPACE}}]\d+")


def numbered(pages: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Renumber statements, and the links to them.

    Args:
        pages: the texts of every page, in reading order.

    Returns:
        The same texts with other numbers.

    Raises:
        ValueError: if a number is in no link, or in a link that leads to no statement; it could not be kept right.

    >>> numbered({"a": ['> <a id="x"></a>**Lemma 7.**', "see [Lemma 7](#x)"]})
    {'a': ['> <a id="x"></a>**Lemma 1.**', 'see [Lemma 1](#x)']}
    """
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, str] = {}
    for texts in pages.values():
        for _, anchor, kind in HEAD.findall("\n".join(texts)):
            counts[kind] += 1
            names[anchor] = f"{kind} {counts[kind]}"
    for page, texts in pages.items():
        for text in texts:
            loose = MENTION.findall(LINK.sub("", HEAD.sub("", text)))
            lost = [anchor for _, anchor in LINK.findall(text) if anchor not in names]
            if loose or lost:
                raise ValueError(f"{page}: {(loose + lost)[0]} must be a link to a statement's anchor")

    def renumbered(text: str) -> str:
        heads = HEAD.sub(lambda head: f"{head[1]}{names[head[2]]}", text)
        return LINK.sub(lambda link: f"[{names[link[2]]}{link[1]}", heads)

    return {page: [renumbered(text) for text in texts] for page, texts in pages.items()}


def texts_of(path: Path) -> list[str]:
    """Return the text of a page, or of each Markdown cell of a notebook."""
    if path.suffix == ".md":
        return [path.read_text("utf-8")]
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def in_reading_order() -> list[Path]:
    """Return the pages as the table of contents lists them, without the reference of the library."""
    contents = (ROOT / "_toc.yml").read_text("utf-8")
    names = re.findall(r"(?:file|root): (book/(?!api)[\w-]+)", contents)
    return [path for name in names for path in ROOT.glob(f"{name}.*")]


def main() -> None:
    paths = in_reading_order()
    before = {path.name: texts_of(path) for path in paths}
    try:
        after = numbered(before)
    except ValueError as error:
        sys.exit(str(error))
    for path in paths:
        if after[path.name] == before[path.name]:
            continue
        if path.suffix == ".md":
            path.write_text(after[path.name][0], "utf-8", newline="\n")
            continue
        notebook, texts = nbformat.read(path, as_version=4), iter(after[path.name])
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = next(texts)
        write(normalise(notebook), path)
    changed = [path.name for path in paths if after[path.name] != before[path.name]]
    print("Renumbered:", ", ".join(changed) or "nothing; every number is right")


if __name__ == "__main__":
    main()
