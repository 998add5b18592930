"""The reference: each public name on one page, each entry with its chapter, and a first page whose examples run."""

import ast
import doctest
import json
import re
import subprocess
import sys
from importlib import import_module
from types import ModuleType

import pytest
from helpers.chapters import CHAPTERS, ROOT

import convac_lib

sys.path.insert(0, str(ROOT / "tools"))
from docstrings import CHAPTERS as NAMED
from docstrings import TITLE, chapters

LIBRARY = ROOT / "convac_lib"
PAGES = sorted((ROOT / "book").glob("api-*.md"))
FIRST = (ROOT / "book/api.md").read_text("utf-8")
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts): path
    for path in sorted(LIBRARY.rglob("*.py"))
    if path.stem not in ("__init__", "__main__")
}
DESCRIBED = [
    (module, name)
    for page in PAGES
    for module, names in re.findall(r"automodule:: (\S+)\n +:members: (.+)", page.read_text("utf-8"))
    for name in names.split(", ")
]

# A module is internal if nobody who uses the library calls it: neither `convac_lib.__all__` nor a chapter nor the first
# page of the reference imports a name of it. Each says why it is there.
INTERNAL = {
    "convac_lib.budget": "refuses what does not fit into memory or time",
    "convac_lib.checks": "refuses what is no integer in its range",
    "convac_lib.cli.atlas": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.bounds_report": "writes bounds as a table, for commands",
    "convac_lib.cli.certify": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.command": "says what a command is",
    "convac_lib.cli.compare": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.data_check": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.data_fetch": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.describe": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.model_argument": "loads a torch model that the command line names",
    "convac_lib.cli.network_arguments": "reads a network from the words of the command line",
    "convac_lib.cli.parser": "reads the words of the command line",
    "convac_lib.cli.report": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.statuses": "lists the exit statuses, which are on the page of the command line",
    "convac_lib.cli.sweep": "runs a command, whose help is on the page of the command line",
    "convac_lib.cli.terminal": "prints what a command says",
    "convac_lib.cli.verify": "runs a command, whose help is on the page of the command line",
    "convac_lib.data.archive": "downloads and verifies a published archive",
    "convac_lib.data.cifar10_batches": "reads the batches in the archive of CIFAR-10",
    "convac_lib.exercises.answers": "reads what a reader answers, for the rules",
    "convac_lib.exercises.cifar_experiments": "rules, which would give the answers away",
    "convac_lib.exercises.conjecture": "rules, which would give the answers away",
    "convac_lib.exercises.convacs": "rules, which would give the answers away",
    "convac_lib.exercises.convergence": "rules, which would give the answers away",
    "convac_lib.exercises.depth_efficiency": "rules, which would give the answers away",
    "convac_lib.exercises.expressive_efficiency": "rules, which would give the answers away",
    "convac_lib.exercises.how_much_overlap": "rules, which would give the answers away",
    "convac_lib.exercises.intro": "rules, which would give the answers away",
    "convac_lib.exercises.missing_data": "rules, which would give the answers away",
    "convac_lib.exercises.mixed_decompositions": "rules, which would give the answers away",
    "convac_lib.exercises.networks_in_pictures": "rules, which would give the answers away",
    "convac_lib.exercises.one_picture": "rules, which would give the answers away",
    "convac_lib.exercises.overlap_theorem": "rules, which would give the answers away",
    "convac_lib.exercises.overlaps": "rules, which would give the answers away",
    "convac_lib.exercises.pooling_geometry": "rules, which would give the answers away",
    "convac_lib.exercises.rectifier_networks": "rules, which would give the answers away",
    "convac_lib.exercises.simnets": "rules, which would give the answers away",
    "convac_lib.exercises.tensors": "rules, which would give the answers away",
    "convac_lib.exercises.widths_and_entanglement": "rules, which would give the answers away",
    "convac_lib.experiments.checkpoints": "keeps a training on the disk between epochs",
    "convac_lib.experiments.estimates": "estimates memory and time of a sweep before it begins",
    "convac_lib.experiments.jobs": "trains what one worker of a sweep is given",
    "convac_lib.experiments.machine": "names the processor, and tells the allocator to keep memory",
    "convac_lib.extras": "names the extra of the installation that a part of the library needs",
    "convac_lib.networks.ensemble": "trains networks side by side, for sweeps",
    "convac_lib.networks.tracing.aliases": "says what tensors see that share memory, for from_torch",
    "convac_lib.networks.tracing.calls": "names the operators of torch and their arguments, for from_torch",
    "convac_lib.networks.tracing.effects": "recognises each call of an operator, for from_torch",
    "convac_lib.networks.tracing.evaluation": "runs operators without their arithmetic, for from_torch",
    "convac_lib.networks.tracing.handlers": "says what operators with windows do, for from_torch",
    "convac_lib.networks.tracing.inputs": "makes the input of the one run, for from_torch",
    "convac_lib.networks.tracing.joins": "unites the windows of branches, for from_torch",
    "convac_lib.networks.tracing.probing": "tries operators that are not known, for from_torch",
    "convac_lib.networks.tracing.products": "says what matrix products do, for from_torch",
    "convac_lib.networks.tracing.rearrangements": "finds where numbers move, for from_torch",
    "convac_lib.networks.tracing.running": "runs the model once, for from_torch",
    "convac_lib.networks.tracing.support": "sends the support of a gradient back, for from_torch",
    "convac_lib.networks.tracing.tracer": "follows the image through one run, for from_torch",
    "convac_lib.networks.tracing.watching": "names the modules and functions of a run, for from_torch",
    "convac_lib.networks.window_kernel": "computes the layer in pieces that fit the cache",
    "convac_lib.networks.window_loops": "multiplies factors in compiled loops, for the layer",
    "convac_lib.theory.assembly": "fills the matrix whose rank is certified",
    "convac_lib.theory.certificate_rules": "lists what a certificate must hold",
    "convac_lib.theory.checker_costs": "estimates what checking a certificate costs",
    "convac_lib.theory.costs": "estimates time and memory of a rank before it is computed",
    "convac_lib.theory.elimination": "finds the rank of a matrix modulo a prime",
    "convac_lib.theory.fields": "draws and checks numbers modulo a prime",
    "convac_lib.theory.hypotheses": "refuses networks that several bounds are not about",
    "convac_lib.theory.integer_matrices": "fills matrices of exact integers, and peels pieces of rank 1 off, for views",
    "convac_lib.theory.multisets": "counts the terms of a cut, for the upper bound",
    "convac_lib.theory.parallel": "runs threads and progress bars for exact computations",
    "convac_lib.theory.trees": "finds the minimum cut of a tree of nodes, for bounds",
    "convac_lib.theory.unrolled": "lists the copies of nodes, for the upper bound",
    "convac_lib.theory.unrolled_cuts": "finds cuts of the unrolled network, for the upper bound",
    "convac_lib.visuals.axes": "draws axes in SVG, for the views",
    "convac_lib.visuals.bitmap": "puts a matrix of two colours into an SVG picture",
    "convac_lib.visuals.card": "writes the card of an explorer in HTML",
    "convac_lib.visuals.live": "answers an explorer from a kernel",
    "convac_lib.visuals.photograph": "holds the photograph of the drawings of networks",
    "convac_lib.visuals.pixels": "puts small pictures into a drawing, pixel by pixel",
    "convac_lib.visuals.records": "keeps the states of explorers on the disk",
    "convac_lib.visuals.sheets": "draws channels as sheets in perspective, for the drawing of a whole network",
    "convac_lib.visuals.windows": "says what units of a network see, for its drawings",
}


def imported_names():
    """Each name that a chapter or the first page imports from the library, with its module."""
    sources = re.findall(r"```python\n(.*?)```", FIRST, flags=re.DOTALL)
    sources = ["".join(each.source for each in doctest.DocTestParser().get_examples(source)) for source in sources]
    for chapter in CHAPTERS.values():
        cells = json.loads(chapter.read_text("utf-8"))["cells"]
        sources += ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    nodes = (node for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom))
    found = {(node.module, alias.name) for node in nodes for alias in node.names}
    return sorted(place for place in found if place[0].split(".")[0] == "convac_lib")


def entries_of(module, name):
    """The entries of the reference that describe an imported name: its own, or those of the module that it names."""
    known = getattr(import_module(module), name, None) or import_module(f"{module}.{name}")
    if isinstance(known, ModuleType):
        return [place for place in DESCRIBED if place[0] == known.__name__]
    return [(home, own) for home, own in DESCRIBED if own == name and getattr(import_module(home), own) is known]


def test_every_public_name_is_on_exactly_one_page():
    assert len(DESCRIBED) == len(set(DESCRIBED)), "a name is on two pages"
    for name in convac_lib.__all__:
        assert len(entries_of("convac_lib", name)) == 1, name
    for module, name in imported_names():
        assert entries_of(module, name), f"{name} of {module} is on no page of the reference"


def test_every_entry_is_on_the_page_of_the_module_that_defines_it():
    for module, name in DESCRIBED:
        known = getattr(import_module(module), name)
        assert getattr(known, "__module__", module) == module, f"{module} only imports {name}"


def test_every_module_is_in_the_reference_or_internal():
    described = {module for module, _ in DESCRIBED}
    assert not described & set(INTERNAL), "an internal module has an entry"
    assert sorted(described | set(INTERNAL)) == sorted(MODULES), "book/api-*.md or INTERNAL lists each module"


def docstrings_of(path):
    tree = ast.parse(path.read_text("utf-8"))
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef
    return [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds)]


@pytest.mark.parametrize("path", MODULES.values(), ids=MODULES)
def test_every_chapter_that_a_docstring_names_is_in_the_book(path):
    for docstring in docstrings_of(path):
        named = list(NAMED.finditer(docstring))
        assert len(named) == len(re.findall(r"Chapter:|\bchapters?\s\*", docstring)), docstring
        titles = {" ".join(title.split()) for each in named for title in TITLE.findall(each[2])}
        assert titles <= set(chapters()), docstring


def test_every_entry_names_its_chapter():
    callables = [(module, name, getattr(import_module(module), name)) for module, name in DESCRIBED]
    lacking = [
        f"{module}.{name}"
        for module, name, known in callables
        if callable(known) and "Chapter:" not in (known.__doc__ or "")
    ]
    assert lacking == []


def test_the_examples_of_the_first_page_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", FIRST, flags=re.DOTALL)
    assert len(blocks) == FIRST.count("\n## ")
    for block in blocks:  # each in a namespace of its own, as a reader copies it
        told = []
        example = doctest.DocTestParser().get_doctest(block, {}, "api.md", "api.md", 0)
        doctest.DocTestRunner().run(example, out=told.append)
        assert told == [], "".join(told)


def test_every_command_is_on_its_page():
    def commands(*words):
        done = subprocess.run(
            [sys.executable, "-m", "convac_lib", *words, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        return re.findall(r"^    ([a-z]+)(?: |$)", done.stdout.split("options:")[0], flags=re.MULTILINE)

    shown = re.findall(r"```{convac-help} (.+)", (ROOT / "book/api-commands.md").read_text("utf-8"))
    awaited = [f"data {name}" for name in commands("data")] + [name for name in commands() if name != "data"]
    assert sorted(shown) == sorted(awaited)
