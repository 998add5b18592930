"""The package: one version, dependencies in extras, a sentence where an extra is missing, and complete sources."""

import ast
import json
import re
import subprocess
import sys
import tarfile
import tomllib
from functools import cache
from importlib.metadata import requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

import convac_lib
from convac_lib.cli import parser
from convac_lib.errors import ConvacError, MissingExtraError
from convac_lib.exercises import check
from convac_lib.extras import EXTRAS, command_for, require

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MODULE_OF = {"pillow": "PIL", "python-flint": "flint", "scikit-learn": "sklearn"}  # others differ in hyphens alone
BROUGHT_BY = {"dask": "distributed", "traitlets": "ipywidgets"}  # parts of the other's interface
CONVAC = "from convac_lib.__main__ import main; sys.exit(main())"
DESCRIBE = ("describe", "--B", "3", "--M", "2", "--size", "8", "--json")
CERTIFY = ("certify", "--B", "2", "--M", "2", "--size", "4", "--out", "rank.json")
ATLAS = ("atlas", "--sizes", "2", "--M", "2", "--B", "1", "2", "--out", "a.csv")
COMPILED = "convac_lib.networks.window_loops"  # asks for numba, which the layer does without

# A Python that lacks these modules. It imports from the checkout, and its packages are this one's.
WITHOUT = """
import sys
from importlib.machinery import PathFinder

class Others(PathFinder):
    def find_spec(name, path=None, target=None):
        return None if name.partition(".")[0] in {hidden!r} else PathFinder.find_spec(name, path, target)

sys.meta_path[:] = [Others if finder is PathFinder else finder for finder in sys.meta_path]
sys.path.insert(0, {root!r})
"""
IMPORT_ALL = """
import json
from importlib import import_module

said = {}
for name in json.loads(sys.stdin.read()):
    try:
        import_module(name)
    except ImportError as error:
        said[name] = [type(error).__name__, str(error), error.name]
print(json.dumps(said))
"""
LOAD_ALL = """
import json
import convac_lib

def said(name):
    try:
        getattr(convac_lib, name)
    except convac_lib.ConvacError as error:
        return str(error)

print(json.dumps({name: said(name) for name in convac_lib.__all__}))
"""


def modules_of(listed):
    """The modules that requirements bring, by the extra's own entries."""
    names = [Requirement(each).name for each in listed]
    return {MODULE_OF.get(name, name.replace("-", "_")) for name in names if name != PROJECT["name"]}


CORE = modules_of(PROJECT["dependencies"])
OPTIONAL = set().union(*EXTRAS.values(), {"numba", *BROUGHT_BY} - {"traitlets"})
PATHS = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "convac_lib").rglob("*.py")
}


def without(hidden, code, *words, **options):
    """Run code in a Python that lacks some modules."""
    program = WITHOUT.format(hidden=set(hidden), root=str(ROOT)) + code
    command = [sys.executable, "-c", program, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, encoding="utf-8", **options)


@cache
def statements(path, *, running):
    """The imports of a module and its calls of `require`, in order; with `running`, those in functions too."""

    def walk(nodes, inside):
        for node in nodes:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                continue
            if isinstance(node, ast.Import):
                yield from (("import", alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield "import", node.module
                yield from (("import", f"{node.module}.{alias.name}") for alias in node.names)
            elif call := re.match(rf"require\('({'|'.join(EXTRAS)})', ", ast.unparse(node)):
                yield "require", call[1]
            elif running or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from walk(ast.iter_child_nodes(node), inside)

    return list(walk(ast.parse(path.read_text("utf-8")).body, False))


def parents_of(name):
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def needed_by(name, seen):
    """The extras that importing a module asks for: its own, its packages', and those of what it imports."""
    if name in seen or name not in PATHS:
        return set()
    seen.add(name)
    own = statements(PATHS[name], running=False)
    below = [each for parent in parents_of(name) for each in needed_by(parent, seen)]
    return {what for kind, what in own if kind == "require"}.union(
        below, *(needed_by(what, seen) for kind, what in own if kind == "import")
    )


# The version


def test_the_version_stands_in_one_place():
    version = convac_lib.__version__
    assert re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version)
    assert "version" not in PROJECT and PROJECT["dynamic"] == ["version"]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))["version"] == version
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text("utf-8")
    tags = re.findall(r"\bv(\d+\.\d+\.\d+)\b", (ROOT / "README.md").read_text("utf-8"))
    assert tags and set(tags) == {version}


@pytest.mark.parametrize("lacking", [OPTIONAL, OPTIONAL | CORE], ids=["without extras", "without any package"])
def test_the_version_is_printed(lacking):
    done = without(lacking, CONVAC, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"convac {convac_lib.__version__}\n", "")


# The dependencies


def test_every_extra_brings_what_the_library_asks_of_it():
    extras = {name: modules_of(listed) for name, listed in PROJECT["optional-dependencies"].items()}
    assert {"networks", "widgets", "experiments", "fast", "book"} == set(extras)
    assert PROJECT["optional-dependencies"]["experiments"][0] == "convac-lib[networks,widgets]"
    extras["experiments"] |= extras["networks"] | extras["widgets"]
    assert {name: set(modules) for name, modules in EXTRAS.items()} == {name: extras[name] for name in EXTRAS}
    assert not CORE & OPTIONAL


def test_every_import_is_declared_by_the_core_or_by_the_extra_that_its_package_asks_for():
    used = set()
    for name, path in PATHS.items():
        asked = [each for parent in parents_of(name) for each in statements(PATHS[parent], running=False)]
        allowed = CORE | ({"numba"} if name == COMPILED else set())
        for kind, what in [*asked, *statements(path, running=True)]:
            if kind == "require":
                allowed |= set(EXTRAS[what])
                continue
            top = what.partition(".")[0]
            if top not in sys.stdlib_module_names and top not in ("convac_lib", "_typeshed"):
                used.add(top)
                assert BROUGHT_BY.get(top, top) in allowed, f"{name} imports {top} before it asks for an extra"
    assert {BROUGHT_BY.get(name, name) for name in used} == CORE | OPTIONAL - set(BROUGHT_BY), "and none in vain"


@pytest.mark.parametrize(("part", "whole"), BROUGHT_BY.items())
def test_what_is_not_declared_comes_with_what_is(part, whole):
    assert part in {Requirement(each).name for each in requires(whole)}


# What is missing


@pytest.mark.parametrize("installed", [None, "networks", "widgets", "experiments"])
def test_every_module_imports_or_names_the_extra_that_it_needs(installed):
    """The core alone, and one extra at a time, as pip would install them."""
    lacking = OPTIONAL - set(EXTRAS.get(installed, ())) - (set(BROUGHT_BY) if installed == "experiments" else set())
    names = sorted(PATHS.keys() - {COMPILED, "convac_lib.__main__"})
    done = without(lacking, IMPORT_ALL, input=json.dumps(names))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    for name in names:
        refused = {extra for extra in needed_by(name, set()) if set(EXTRAS[extra]) & lacking}
        assert (name in said) == bool(refused), (name, refused, said.get(name))
        if refused:
            kind, sentence, missing = said[name]
            ending = [f" needs {missing}, which is not installed; run {command_for(extra)}" for extra in refused]
            assert kind == "MissingExtraError" and sentence.endswith(tuple(ending)), sentence
            assert missing in lacking
    theory = [name for name in names if re.match(r"convac_lib\.(theory|exercises|cli|related)\b", name)]
    assert {*theory} & {*said} == ({"convac_lib.related.missing"} if installed in (None, "widgets") else set())


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ConvAC", 'convac_lib.networks needs torch, which is not installed; run pip install "convac-lib[networks]"'),
        ("from_torch",
         'convac_lib.networks needs torch, which is not installed; run pip install "convac-lib[networks]"'),
        ("train",
         'convac_lib.experiments needs torch, which is not installed; run pip install "convac-lib[experiments]"'),
        ("Explorer",
         'convac_lib.visuals needs matplotlib, which is not installed; run pip install "convac-lib[widgets]"'),
    ],
)  # fmt: skip
def test_the_front_door_names_the_missing_extra(name, sentence):
    done = without(OPTIONAL, f"from convac_lib import {name}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"convac_lib.errors.MissingExtraError: {sentence}"


@pytest.mark.parametrize(
    ("words", "lacking", "sentence"),
    [
        ("describe --model timm:resnet50", OPTIONAL,
         'convac_lib.networks needs torch, which is not installed; run pip install "convac-lib[networks]"'),
        ("describe --model torch.nn:Conv2d(3,4,3) --input-size 3 8 8 --figure n.svg", {"matplotlib"},
         'convac_lib.visuals needs matplotlib, which is not installed; run pip install "convac-lib[widgets]"'),
        ("sweep --data digits --B 1 --channels 4 --out a.jsonl", OPTIONAL,
         'convac sweep needs torch, which is not installed; run pip install "convac-lib[experiments]"'),
        ("report a.jsonl", {"matplotlib"},
         'convac_lib.experiments needs matplotlib, which is not installed; run pip install "convac-lib[experiments]"'),
        ("data check", {"pooch"},
         'convac_lib.data needs pooch, which is not installed; run pip install "convac-lib[experiments]"'),
        ("data fetch cifar10", {"sklearn"},
         'convac_lib.data needs sklearn, which is not installed; run pip install "convac-lib[experiments]"'),
    ],
)  # fmt: skip
def test_a_command_names_the_missing_extra(tmp_path, words, lacking, sentence):
    done = without(lacking, CONVAC, *words.split(), cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"convac: {sentence}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("installed", [None, "networks", "widgets", "experiments"])
def test_every_name_of_the_front_door_loads_or_names_its_extra(installed):
    lacking = OPTIONAL - set(EXTRAS.get(installed, ())) - (set(BROUGHT_BY) if installed == "experiments" else set())
    done = without(lacking, LOAD_ALL)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert set(said) == set(convac_lib.__all__)
    for name, sentence in said.items():
        home = f"convac_lib.{convac_lib._HOME_OF[name]}"
        refused = {extra for extra in needed_by(home, set()) if set(EXTRAS[extra]) & lacking}
        assert bool(sentence) == bool(refused), (name, sentence)
        assert not refused or sentence.endswith(tuple(f"; run {command_for(extra)}" for extra in refused)), sentence


# A command's words, and whether it needs what the experiments bring. The first three leave a file each.
COMMANDS = {
    "certify": (CERTIFY[1:], False),
    "atlas": (ATLAS[1:], False),
    "compare": (("--cases", "2", "--out", "b.csv"), False),
    "describe": (DESCRIBE[1:], False),
    "verify": (("rank.json",), False),
    "data fetch": (("cifar10",), True),
    "data check": ((), True),
    "sweep": (("--data", "digits", "--B", "1", "--channels", "4", "--out", "a.jsonl"), True),
    "report": (("a.jsonl",), True),
}


def test_with_the_core_every_command_runs_or_names_the_experiments(tmp_path):
    nested = {f"data {name}" for name in parser.DATA_COMMANDS}
    assert set(COMMANDS) == {*parser.COMMANDS, *parser.EXPERIMENTS} | nested
    for name, (words, needs) in COMMANDS.items():
        helped = without(OPTIONAL, CONVAC, *name.split(), "--help", cwd=tmp_path)
        assert (helped.returncode, helped.stderr) == (0, ""), name
        done = without(OPTIONAL, CONVAC, *name.split(), *words, cwd=tmp_path)
        if needs:
            assert (done.returncode, done.stdout) == (2, ""), name
            assert re.fullmatch(r"convac: .+ needs \w+, which is not installed; run (.+)\n", done.stderr)[1] == (
                command_for("experiments")
            )
        else:
            assert done.returncode == 0 and done.stdout, done.stderr
    assert {path.name for path in tmp_path.iterdir()} >= {"rank.json", "a.csv", "b.csv"}
    assert not (tmp_path / "a.jsonl").exists()


def test_the_core_describes_certifies_and_verifies(tmp_path):
    described = without(OPTIONAL, CONVAC, *DESCRIBE, cwd=tmp_path)
    assert json.loads(described.stdout)["bounds"]["min_cut"] == 2_359_296 and described.stderr == ""
    certified = without(OPTIONAL, CONVAC, *CERTIFY, cwd=tmp_path)
    assert certified.stdout.startswith("rank 64 of 256×256") and certified.stderr == ""
    verified = without(OPTIONAL, CONVAC, "verify", "rank.json", "--json", cwd=tmp_path)
    assert json.loads(verified.stdout)["rank"] == 64 and verified.stderr == ""
    altered, count = re.subn(r'("rank":\s*)64', r"\g<1>65", (tmp_path / "rank.json").read_text())
    (tmp_path / "rank.json").write_text(altered)
    assert count == 1
    assert without(OPTIONAL, CONVAC, "verify", "rank.json", cwd=tmp_path).returncode == 1
    atlas = without(OPTIONAL, CONVAC, *ATLAS, cwd=tmp_path)
    assert atlas.returncode == 0 and atlas.stderr == ""


def test_an_exercise_whose_packages_are_missing_is_not_answered_wrongly(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(MissingExtraError) as error:
        check("convolution", lambda x, weight, S: x)
    assert str(error.value) == (
        'convac_lib.exercises.overlaps needs torch, which is not installed; run pip install "convac-lib[networks]"'
    )


def test_a_missing_extra_is_bad_input_and_a_failed_import(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    require("networks", "this test")
    with pytest.raises(MissingExtraError) as error:
        require("experiments", "this test")
    assert isinstance(error.value, ConvacError) and isinstance(error.value, ImportError)
    assert error.value.name == "distributed"
    assert str(error.value) == (
        'this test needs distributed, which is not installed; run pip install "convac-lib[experiments]"'
    )


# The distributions


def test_the_sources_are_complete(tmp_path):
    """The source distribution has every tracked file, and adds only what setuptools writes about it."""
    listing = subprocess.run(["git", "ls-files", "-z"], check=False, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    names = {name for name in listing.stdout.split("\0") if name and (ROOT / name).is_file()}
    for name in names:
        copy = tmp_path / "copy" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())
    for left in ("book/.ipynb_checkpoints/intro-checkpoint.ipynb", "results/a.jsonl.lock", "_build/html/index.html"):
        (tmp_path / "copy" / left).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "copy" / left).write_text("of one machine")
    build = "from setuptools.build_meta import build_sdist; print(build_sdist('..'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path / "copy", capture_output=True, text=True, check=True
    )
    name = done.stdout.splitlines()[-1]
    assert name == f"convac_lib-{convac_lib.__version__}.tar.gz"
    with tarfile.open(tmp_path / name) as archive:
        packed = {each.name.partition("/")[2] for each in archive.getmembers() if each.isfile()}
    assert names <= packed
    written = {each for each in packed - names if not each.startswith("convac_lib.egg-info/")}
    assert written == {"PKG-INFO", "setup.cfg"}
