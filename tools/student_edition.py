"""Write the chapters without their solutions, for a class: a copy of the book's folder, to open in JupyterLab or Colab.

    python tools/student_edition.py                 # into _build/student
    python tools/student_edition.py handouts        # into this folder

A solution is a cell with the tag `solution`. A solution in any other cell is refused, so that none slips through.
"""

import shutil
import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
TAG = "solution"
SUMMARY = "<summary>solution"


def without_solutions(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out the cells that are tagged as solutions.

    Args:
        notebook: a chapter; it stays as it is.

    Returns:
        A new notebook.

    Raises:
        ValueError: if another cell holds a solution.
    """
    cells = [cell for cell in notebook.cells if TAG not in cell.metadata.get("tags", [])]
    for cell in cells:
        if SUMMARY in cell.source.lower():
            raise ValueError(f"cell {cell.get('id', '')} holds a solution and has no tag {TAG!r}; add the tag")
    return nbformat.from_dict({**notebook, "cells": cells})


def write_edition(book: Path, folder: Path) -> list[Path]:
    """Copy a book's folder, and its chapters without their solutions.

    Args:
        book: the folder of the chapters, with the pages and pictures that they link to.
        folder: where the copy goes; an edition that is there already is replaced.

    Returns:
        The chapters written.

    Raises:
        ValueError: if an untagged cell holds a solution, or the folder is the book's own or holds something else.
    """
    chapters = {path.name: nbformat.read(path, as_version=4) for path in sorted(book.glob("*.ipynb"))}
    editions = {}
    for name, notebook in chapters.items():
        try:
            editions[name] = without_solutions(notebook)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        nbformat.validate(editions[name])
    if folder.exists():
        strangers = sorted({path.name for path in folder.iterdir()} - {path.name for path in book.iterdir()})
        if folder.samefile(book) or strangers:
            what = f"{strangers[0]} is in it" if strangers else "it is the book's own"
            raise ValueError(f"the folder {folder} does not hold an edition, for {what}; name an empty or a new folder")
        shutil.rmtree(folder)
    shutil.copytree(book, folder, ignore=shutil.ignore_patterns("*.ipynb", ".ipynb_checkpoints"))
    for name, edition in editions.items():
        nbformat.write(edition, folder / name)
    return [folder / name for name in editions]


if __name__ == "__main__":
    place = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "_build" / "student"
    try:
        written = write_edition(ROOT / "book", place)
    except ValueError as error:
        sys.exit(str(error))
    print(f"{len(written)} chapters without solutions: {place}")
