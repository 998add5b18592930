"""Nothing that is read can run: the library and the tools call no pickle, no eval and no shell."""

import ast
import importlib.util
import json
import re
import tomllib

import pytest
from helpers.chapters import ROOT

SPEC = importlib.util.spec_from_file_location("tools_tested", ROOT / "tools/tested.py")
tested = importlib.util.module_from_spec(SPEC)  # by its path: another module of the tests has this name
SPEC.loader.exec_module(tested)
FILES = sorted(path for folder in ("convac_lib", "tools") for path in (ROOT / folder).rglob("*.py"))
MODULES = {"pickle", "cPickle", "dill", "marshal", "shelve", "cloudpickle", "joblib", "commands", "pty"}
CALLS = {"eval", "exec", "compile", "__import__"}
METHODS = {"system", "popen", "getoutput", "getstatusoutput", "spawnl", "spawnv", "create_subprocess_shell"}


def dangers(source):
    """What in a module unpickles, evaluates text, or starts a shell, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from ((name, node.lineno) for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        called = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
        if (isinstance(node.func, ast.Name) and called in CALLS) or called in METHODS:
            yield called, node.lineno
        if given.get("shell") not in (None, False) or given.get("allow_pickle") not in (None, False):
            yield "shell or allow_pickle", node.lineno
        owner = getattr(getattr(node.func, "value", None), "id", "")
        if (owner, called) in (("torch", "load"), ("yaml", "load"), ("re", "template")):
            yield f"{owner}.{called}", node.lineno


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_runs_nothing_that_it_reads(path):
    assert list(dangers(path.read_text("utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from pickle import loads", "import os\nos.system('ls')", "eval('1')", "exec(text)",
     "torch.load(file)", "subprocess.run('ls', shell=True)",
     "np.load(file, allow_pickle=True)", "import joblib.memory"],
)  # fmt: skip
def test_a_danger_is_found(source):
    assert len(list(dangers(source))) == 1


def test_what_bandit_is_told_to_pass_over_has_a_reason():
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    part = text[text.index("[tool.bandit]") :].partition("\n[")[0]
    for rule in tomllib.loads(text)["tool"]["bandit"]["skips"]:
        assert re.search(rf'"{rule}",.*  # \w+', part), rule


def test_the_page_of_tests_shows_what_the_suites_wrote():
    text = tested.PAGE.read_text("utf-8")
    assert tested.page(text) == text
    for name in tested.PARTS:
        if (path := tested.RESULTS / f"{name}.json").exists():
            found = json.loads(path.read_text("utf-8"))
            assert found["date"] in text and found["hardware"] in text


def test_every_mutant_that_survived_is_listed():
    found = json.loads((tested.RESULTS / "mutants.json").read_text("utf-8"))
    survived = sum(group["tried"] - group["killed"] for group in found["groups"].values())
    assert survived == len(found["survivors"]) and all(survivor["reason"] for survivor in found["survivors"])
    assert all(0 < group["killed"] <= group["tried"] <= group["mutants"] for group in found["groups"].values())


def test_no_altered_file_was_a_fault():
    found = json.loads((tested.RESULTS / "fuzz.json").read_text("utf-8"))
    assert found["faults"] == 0 and found["inputs"] == sum(sum(kind.values()) for kind in found["kinds"].values())
