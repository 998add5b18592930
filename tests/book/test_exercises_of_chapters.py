"""The exercises in the chapters: every rule is asked once, in order, and waits for an answer."""

import inspect
import json
import os
import re
from importlib import import_module

import nbformat
import pytest
from helpers.chapters import CHAPTERS, explorers_in
from nbclient import NotebookClient

from convac_lib.exercises import check
from convac_lib.exercises.checking import EXERCISES

PAGES = {chapter: CHAPTERS[f"book/{chapter.replace('_', '-')}"] for chapter in EXERCISES}
NOT_YET = repr(check("fair", ...))
KINDS = "★", "★★", "★★★"


def asked_in(page):
    """Each exercise of a page: its question, the cell to answer in, the check's cell, and the solution."""
    cells = json.loads(page.read_text("utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    starts = [place for place, source in enumerate(sources) if source.startswith('> <a id="ex-')]
    return [(*sources[place : place + 4], cells[place + 1 : place + 3]) for place in starts]


@pytest.mark.parametrize("chapter", EXERCISES)
def test_every_rule_is_asked_in_order_and_waits_for_an_answer(chapter):
    asked = asked_in(PAGES[chapter])
    names = []
    for number, (question, answer, checked, solution, (cell, verdict)) in enumerate(asked, start=1):
        name, arguments = re.search(r'^check\("([\w-]+)", (.+)\)$', checked, re.MULTILINE).groups()
        names.append(name)
        title = re.match(rf'> <a id="ex-{name}"></a>\*\*Exercise {number} \([^)]+\)\.\*\* (★+) ', question)
        assert title and title[1] in KINDS, question
        rule = getattr(import_module(f"convac_lib.exercises.{chapter}"), name.replace("-", "_"))
        assert len(arguments.split(", ")) == len(inspect.signature(rule).parameters)
        assert "..." in answer and cell["metadata"] == verdict["metadata"] == {}
        assert ["".join(output["data"]["text/plain"]) for output in verdict["outputs"]] == [NOT_YET]
        assert solution.startswith("<details>\n<summary>Solution</summary>\n\n")
    assert tuple(names) == EXERCISES[chapter]


def test_six_exercises_ask_the_reader_to_move_an_explorer_that_is_there(tmp_path):
    called = []
    for page in PAGES.values():
        titles = {made.options["title"] for made in explorers_in(page, tmp_path)}
        for question, *_ in asked_in(page):
            for title in re.findall(r"figure \*([^*]+)\*", question):
                called.append(title)
                assert title in titles
    assert len(called) >= 6


@pytest.mark.parametrize("chapter", EXERCISES)
def test_the_solutions_that_are_printed_are_right(chapter):
    notebook = nbformat.read(PAGES[chapter], as_version=4)
    places = [place for place, cell in enumerate(notebook.cells) if cell.source.startswith('> <a id="ex-')]
    solved = []
    for place in places:
        code = re.findall(r"^```python\n(.*?)^```$", notebook.cells[place + 3].source, re.MULTILINE | re.DOTALL)
        if code:
            answer, checked = notebook.cells[place + 1 : place + 3]
            imports = [line for line in answer.source.splitlines() if line.startswith("from convac_lib")]
            answer.source = "\n".join([*imports, *code])
            solved.append(checked)
    if solved:
        client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(PAGES[chapter].parent)}})
        client.execute(env=os.environ | {"CONVAC_EXPLORERS": "page"})
    for checked in solved:
        assert checked.outputs[0].data["text/plain"].startswith("✓ "), checked
