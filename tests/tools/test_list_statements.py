"""The page of statements is what the chapters say, and names code and tests that exist."""

import sys
from importlib import import_module

from helpers.chapters import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from list_statements import CODE, END, PAGE, page, statements


def test_the_page_is_as_the_tool_writes_it():
    assert PAGE.read_text("utf-8") == page(), "run python tools/list_statements.py"


def test_code_and_tests_exist_and_anchors_are_statements():
    anchors = {anchor: number for _, anchor, number, _, _ in statements()}
    assert set(CODE) <= set(anchors)
    without = {
        anchor for anchor, number in anchors.items() if number.split()[0] in ("Theorem", "Proposition", "Corollary")
    }
    assert without - set(CODE) <= {"prop-overtaken", "prop-distance"}, (
        "name the code of each statement in tools/list_statements.py"
    )
    named = [name for code, _ in CODE.values() for name in code.split(", ")]
    named += [word for word in END.split("`") if word.startswith("theory.")]
    for name in named:
        module, _, attribute = name.rpartition(".")
        assert hasattr(import_module(f"convac_lib.{module}"), attribute), name
    tests = {test for _, test in CODE.values()} | {
        word for word in END.split("`") if word.startswith(("tests/", "results/"))
    }
    assert [test for test in tests if not (ROOT / test).exists()] == []
