"""The exercises in the chapters: every rule is asked once, in order, and waits for an answer."""

import ast
import inspect
import json
import re
import runpy
from importlib import import_module

import pytest
from helpers.chapters import CHAPTERS, explorers_in

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


def needed(statements, code):
    """Those of a chapter's statements that bind what the code uses, or what one of them uses, in order."""
    names, kept = used(code), []
    for statement in reversed(statements):
        if bound(statement) & names:
            names |= used(statement)
            kept.insert(0, statement)
    return kept


def used(code):
    """The names that code uses and does not bind."""
    inner = {node.arg for node in ast.walk(code) if isinstance(node, ast.arg)}
    return {node.id for node in ast.walk(code) if isinstance(node, ast.Name)} - bound(code) - inner


def bound(code):
    """The names that code binds, in itself or in its functions and comprehensions."""
    names = set()
    for node in ast.walk(code):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


@pytest.mark.parametrize("chapter", EXERCISES)
def test_the_solutions_that_are_printed_are_right(chapter, tmp_path):
    """A solution takes the place of its cell, after all of the chapter that it uses; `--nbval` runs the whole."""
    before = []
    cells = iter(json.loads(PAGES[chapter].read_text("utf-8"))["cells"])
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code":
            before += ast.parse(source).body
        elif source.startswith('> <a id="ex-'):
            answer, checked, solution = ("".join(next(cells)["source"]) for _ in range(3))
            before += [each for each in ast.parse(answer).body if isinstance(each, ast.ImportFrom)]
            code = re.findall(r"^```python\n(.*?)^```$", solution, re.MULTILINE | re.DOTALL)
            if code:
                asked = ast.parse("\n".join([*code, checked]))
                *solving, verdict = [*needed(before, asked), *asked.body]
                module = tmp_path / "solved.py"
                module.write_text("\n".join([*map(ast.unparse, solving), f"VERDICT = {ast.unparse(verdict)}"]), "utf-8")
                assert repr(runpy.run_path(str(module))["VERDICT"]).startswith("✓ "), checked
