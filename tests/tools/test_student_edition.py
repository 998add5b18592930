"""The student edition: the book's folder without its solutions, and none slips through."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("student_edition", ROOT / "tools" / "student_edition.py")
TOOL = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(TOOL)
FOLDED = "<details><summary>Solution</summary>\n\nEight.\n\n</details>"
TAGGED = {"tags": ["solution"]}


def chapter(*solutions):
    asked = [new_markdown_cell("> **Exercise 1 (Fair).** How many?"), new_code_cell("first = ...")]
    return new_notebook(cells=[*asked, *solutions, new_markdown_cell("## Recap")])


def a_book(folder, *solutions):
    book = folder / "book"
    (book / "images").mkdir(parents=True)
    (book / "images/layer.png").write_bytes(b"a picture")
    (book / "slides.md").write_text("# A map", "utf-8")
    nbformat.write(chapter(*solutions), book / "fair.ipynb")
    return book


def test_an_edition_is_the_book_without_the_solutions(tmp_path):
    solutions = new_markdown_cell(FOLDED, metadata=TAGGED), new_code_cell("first = 8", metadata=TAGGED)
    book = a_book(tmp_path, *solutions)
    before = (book / "fair.ipynb").read_bytes()
    for _ in range(2):  # a second edition takes the place of the first
        (written,) = TOOL.write_edition(book, tmp_path / "build/student")
    assert written == tmp_path / "build/student/fair.ipynb"
    edition = nbformat.read(written, as_version=4)
    nbformat.validate(edition)
    assert [cell.source for cell in edition.cells] == ["> **Exercise 1 (Fair).** How many?", "first = ...", "## Recap"]
    assert (written.parent / "images/layer.png").read_bytes() == b"a picture"
    assert (written.parent / "slides.md").exists()
    assert (book / "fair.ipynb").read_bytes() == before


def test_a_solution_without_the_tag_is_refused(tmp_path):
    book = a_book(tmp_path, new_markdown_cell(FOLDED, id="abc"))
    words = "fair.ipynb: cell abc holds a solution and has no tag 'solution'; add the tag"
    with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
        TOOL.write_edition(book, tmp_path / "student")
    assert not (tmp_path / "student").exists()


def test_no_other_folder_is_replaced(tmp_path):
    book, other = a_book(tmp_path), tmp_path / "thesis"
    other.mkdir()
    (other / "thesis.tex").write_text("years of work", "utf-8")
    for folder, why in ((other, "thesis.tex is in it"), (book, "it is the book's own")):
        words = f"the folder {folder} does not hold an edition, for {why}; name an empty or a new folder"
        with pytest.raises(ValueError, match=f"^{re.escape(words)}$"):
            TOOL.write_edition(book, folder)
    assert (other / "thesis.tex").exists() and (book / "fair.ipynb").exists()


def test_the_book_has_an_edition_of_every_chapter(tmp_path):
    command = [sys.executable, str(ROOT / "tools/student_edition.py"), str(tmp_path / "student")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    chapters = sorted(path.name for path in (ROOT / "book").glob("*.ipynb"))
    assert told == f"{len(chapters)} chapters without solutions: {tmp_path / 'student'}\n"
    for name in chapters:
        edition, whole = (
            nbformat.read(folder / name, as_version=4) for folder in (tmp_path / "student", ROOT / "book")
        )
        nbformat.validate(edition)
        kept = [cell for cell in whole.cells if "solution" not in cell.metadata.get("tags", [])]
        assert [cell.source for cell in edition.cells] == [cell.source for cell in kept]
