"""The open questions of *One picture*: each command of the page runs on a small scale, and each count can fail."""

import json
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import pytest
from helpers.chapters import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import open_questions

PAGE = json.loads((ROOT / "book/one-picture.ipynb").read_text("utf-8"))
TEXT = "\n\n".join("".join(cell["source"]) for cell in PAGE["cells"] if cell["cell_type"] == "markdown")
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
SMALL = {"--cases": "3", "--channels": "4", "--epochs": "1", "--seeds": "0", "--B": "1 2"}


def small(command):
    """The command, as this Python runs it, with little to do."""
    for option, value in SMALL.items():
        command = re.sub(rf"(?<={option})( \d+)+", f" {value}", command)
    program, *arguments = shlex.split(command)
    start = {"python": [sys.executable], "convac": [sys.executable, "-m", "convac_lib"]}[program]
    return [*start, *(str(ROOT / word) if word.startswith("tools/") else word for word in arguments)]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: " ".join(block.split()[:3]))
def test_every_command_of_the_page_runs(tmp_path, block):
    for command in block.splitlines():
        ran = subprocess.run(small(command), cwd=tmp_path, check=False, capture_output=True, text=True)
        assert ran.returncode == 0 and ran.stdout.strip(), ran.stderr


def test_the_page_asks_every_question_of_the_tool_and_each_has_a_command():
    asked = re.findall(r"tools/open_questions\.py (\S+)", TEXT)
    assert sorted(asked) == sorted(open_questions.QUESTIONS)
    assert len(re.findall(r"^\*\*\d\. ", TEXT, re.MULTILINE)) == len(BLOCKS) == 7


def test_a_rank_below_the_min_cut_would_be_seen(monkeypatch):
    assert open_questions.min_cuts(5, seed=0) == ["the rank is the min cut in 5 of 5 cases"]
    monkeypatch.setattr(open_questions, "min_cut", lambda tree, cut: SimpleNamespace(value=0))
    first, *below = open_questions.min_cuts(5, seed=0)
    assert first == "the rank is the min cut in 0 of 5 cases" and len(below) == 5


def test_mixtures_below_their_bound_are_listed(monkeypatch):
    """The case of the chapter *Mixed decompositions*: 21 across patches 2, 3, 5, where the bound is 24."""
    monkeypatch.setattr(open_questions, "MixedPlan", lambda M, r, make=open_questions.MixedPlan: make(3, 2))
    monkeypatch.setattr(open_questions, "_side", lambda generator, patches: [1, 2, 4])
    lines = open_questions.mixtures(2, seed=0)
    assert "mixture: the rank is the bound in 0 of 2 cases" in lines
    assert sum(line.endswith("rank 21, bound 24") for line in lines) == 2


def test_the_other_counts_are_those_of_the_chapters():
    assert open_questions.marginals(1, seed=0) == [
        "B₁ = 1, B₂ = 1: rank 2, one pass for 16 of 16 patches (1 of 1 draws)",
        "B₁ = 1, B₂ = 2: rank 4, one pass for 4 of 16 patches (1 of 1 draws)",
        "B₁ = 2, B₂ = 1: rank 32, one pass for 1 of 16 patches (1 of 1 draws)",
        "B₁ = 2, B₂ = 2: rank 64, one pass for 1 of 16 patches (1 of 1 draws)",
    ]
    full = [int(line.split()[-4]) for line in open_questions.max_pooling(40, seed=0)]
    assert full[:3] == sorted(full[:3]) and full[3:] == sorted(full[3:])  # wider, more often
    assert all(after < before for before, after in zip(full[:3], full[3:]))  # longer, more rarely
    shares = [int(line.split()[-8]) for line in open_questions.entropies(5, seed=0)]
    assert all(0 < share < 100 for share in shares) and all(a < b for a, b in zip(shares[::2], shares[1::2]))


@pytest.mark.parametrize("wrong", [["min-cut", "--cases", "0"], ["min-cut", "--seed", "-1"], ["none"]])
def test_a_wrong_argument_is_refused(monkeypatch, capsys, wrong):
    monkeypatch.setattr(sys, "argv", ["open_questions.py", *wrong])
    with pytest.raises(SystemExit) as stopped:
        open_questions.main()
    assert stopped.value.code == 2 and "usage" in capsys.readouterr().err
