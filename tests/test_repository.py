"""The house in order: imports, addresses, chapters, links and pins agree with one another."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
LIBRARY = ROOT / "convac_lib"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ADDRESS = CONFIG["repository"]["url"]
FLOORS = [
    "errors", "files", "budget", "architecture", "theory", "networks", "experiments", "visuals", "commands", "__main__",
]  # fmt: skip
CHAPTERS = sorted(BOOK.glob("*.ipynb"))
PAGES = sorted(BOOK.glob("*.md"))

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)


def imports_of(path):
    """Every module named in an import statement of a file, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: an import is relative; name it from convac_lib"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def modules():
    """Every module of the library below its front door, by name."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in LIBRARY.rglob("*.py")}
    return {
        name.removesuffix(".__init__"): path
        for name, path in names.items()
        if path.parent != LIBRARY or path.stem != "__init__"
    }


def cells_of(chapter, kind):
    return [cell for cell in json.loads(chapter.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def text_of(page):
    if page.suffix == ".md":
        return page.read_text("utf-8")
    return "\n\n".join("".join(cell["source"]) for cell in cells_of(page, "markdown"))


def tracked_files():
    listing = subprocess.run(["git", "ls-files", "-z"], check=False, cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    return [path for name in listing.stdout.split("\0") if name and (path := ROOT / name).is_file()]


def test_imports_climb_no_stairs():
    for name, path in modules().items():
        floor = FLOORS.index(name.split(".")[1])
        for imported in imports_of(path):
            assert imported != "convac_lib", f"{name} imports the front door; name the module that it needs"
            if imported.startswith("convac_lib."):
                assert FLOORS.index(imported.split(".")[1]) <= floor, f"{name} imports {imported}, which is above it"


def test_imports_make_no_circle():
    names = modules()
    graph = {name: {imported for imported in imports_of(path) if imported in names} for name, path in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, and names the circle


def test_theory_imports_no_torch():
    for name, path in modules().items():
        if FLOORS.index(name.split(".")[1]) <= FLOORS.index("theory"):
            assert not {imported.split(".")[0] for imported in imports_of(path)} & {"torch"}, name


@pytest.mark.parametrize(
    "statement", ["import convac_lib", "from convac_lib import certify_rank, bounds_of, Architecture"]
)
def test_the_theory_runs_without_torch(statement):
    subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; assert 'torch' not in sys.modules"], cwd=ROOT, check=True
    )


def test_every_module_is_in_the_reference():
    described = re.findall(r"automodule:: (\S+)", (BOOK / "api.md").read_text("utf-8"))
    with_names = {name for name, path in modules().items() if path.stem not in ("__init__", "__main__")}
    assert len(described) == len(set(described))
    assert set(described) == with_names, "book/api.md lists every module once"


@pytest.mark.parametrize("holder", ["README.md", "CITATION.cff", "pyproject.toml", "tools/setup_cell.py"])
def test_the_repository_has_one_address(holder):
    addresses = re.findall(r"(?:github\.com|/github)/[\w.-]+/[\w-]+", (ROOT / holder).read_text("utf-8"))
    owner_and_name = ADDRESS.removeprefix("https://github.com/")
    assert addresses and {address.split("/", 1)[1].removeprefix("github/") for address in addresses} == {owner_and_name}


def test_the_table_of_contents_lists_every_page():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    listed = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    pages = [page.relative_to(ROOT).with_suffix("").as_posix() for page in CHAPTERS + PAGES]
    assert sorted(listed) == sorted(pages)


@each_chapter
def test_a_chapter_begins_by_finding_the_library(chapter):
    first = cells_of(chapter, "code")[0]
    assert "".join(first["source"]) == (ROOT / "tools/setup_cell.py").read_text("utf-8").rstrip("\n")
    assert first["metadata"]["tags"] == ["remove-input"] and first["outputs"] == []


@each_chapter
def test_a_chapter_is_stored_as_it_ran(chapter):
    metadata = json.loads(chapter.read_text("utf-8"))["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert "widgets" not in metadata, "GitHub refuses the state of widgets as Colab stores it"
    code = [cell for cell in cells_of(chapter, "code") if "skip-execution" not in cell["metadata"].get("tags", [])]
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1)), "run `make notebooks`"
    outputs = [output for cell in code for output in cell["outputs"]]
    assert outputs, "no cell shows anything"
    assert all(output.get("name") != "stderr" for output in outputs), "a cell writes to standard error"
    assert all(
        not mime.startswith("application/vnd.jupyter.widget") for output in outputs for mime in output.get("data", ())
    )
    shown = [output["data"] for output in outputs if "data" in output]
    figures = [data for data in shown if "<Figure" in "".join(data.get("text/plain", ""))]
    assert all("image/png" in data for data in figures), "a figure is shown as its name; end its cell with plt.show()"


@each_chapter
def test_the_title_of_a_box_keeps_its_fence(chapter):
    lines = [line for cell in cells_of(chapter, "markdown") for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if line.startswith("```{") and "`" in line[3:]] == [], "a backtick ends the fence"


@pytest.mark.parametrize("page", [*CHAPTERS, *PAGES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(<?([^)\s>]+)>?\)", text_of(page)):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


def test_no_file_names_a_place_of_one_machine():
    places = re.compile(rb"(?<![\w./~])/(?:work|root|tmp|home|Users)/\w")
    for path in tracked_files():
        assert not places.search(path.read_bytes()), path


def test_no_file_is_large():
    assert [path for path in tracked_files() if path.stat().st_size > 1_500_000] == []


def test_the_pins_are_exact_and_satisfy_the_library():
    lines = (line.split(" #")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines())
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
    versions = {pin.name: next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins), "a package is pinned twice"
    for wanted in map(Requirement, PYPROJECT["project"]["dependencies"]):
        assert wanted.specifier.contains(versions[wanted.name]), wanted


@pytest.mark.parametrize("package, version", [("torch", "2.11.0"), ("numpy", "2.1.0"), ("ipywidgets", "7.7.1")])
def test_a_hosted_notebook_keeps_its_packages(package, version):
    """The versions that Colab had in August 2026."""
    (wanted,) = (wanted for wanted in map(Requirement, PYPROJECT["project"]["dependencies"]) if wanted.name == package)
    assert wanted.specifier.contains(version)
