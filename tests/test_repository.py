"""The house in order: imports, addresses, chapters, links and pins agree with one another."""

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from itertools import chain
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_notebook, new_output
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
LIBRARY = ROOT / "convac_lib"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FLOORS = [
    "errors", "extras", "checks", "files", "budget", "architecture", "families", "theory", "related", "networks",
    "data", "experiments", "exercises", "visuals", "cli", "__main__",
]  # fmt: skip
NOTEBOOKS = sorted(BOOK.glob("*.ipynb"))
CHAPTERS = [path for path in NOTEBOOKS if '"cell_type": "code"' in path.read_text("utf-8")]
PAGES = [*sorted(BOOK.glob("*.md")), *(path for path in NOTEBOOKS if path not in CHAPTERS)]

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
        imports = set(imports_of(path))
        if "convac_lib.__version__" in imports:  # which stands at the front door
            imports -= {"convac_lib", "convac_lib.__version__"}
        for imported in imports:
            assert imported != "convac_lib", f"{name} imports the front door; name the module that it needs"
            if imported.startswith("convac_lib."):
                assert FLOORS.index(imported.split(".")[1]) <= floor, f"{name} imports {imported}, which is above it"


def test_imports_make_no_circle():
    names = modules()
    graph = {name: {imported for imported in imports_of(path) if imported in names} for name, path in names.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, and names the circle


def test_theory_imports_no_torch():
    trains = {"convac_lib.related.missing"}
    for name, path in modules().items():
        if FLOORS.index(name.split(".")[1]) <= FLOORS.index("related") and name not in trains:
            assert not {imported.split(".")[0] for imported in imports_of(path)} & {"torch"}, name


@pytest.mark.parametrize(
    "statement", ["import convac_lib", "from convac_lib import certify_rank, bounds_of, Architecture"]
)
def test_the_theory_runs_without_torch(statement):
    subprocess.run(
        [sys.executable, "-c", f"{statement}; import sys; assert 'torch' not in sys.modules"], cwd=ROOT, check=True
    )


def addresses_in(data):
    """Every host that is named in an address, with the repository behind it where the host keeps repositories."""
    hosts = r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}"
    keepers = (
        r"(?:[\w-]+\.)*(?:github|gitlab|bitbucket|codeberg|sr|colab|mybinder|huggingface)[\w-]*"
        r"(?:\.[a-z]+)*\.(?:com|org|net|io|co|ht|example)\b"
    )
    text = data.decode("utf-8", "replace").lower()
    for host in re.findall(rf"(?:\w://|git@)(?:[^\s/@]*@)?({hosts})", text):
        yield host.removeprefix("www.")
    for host, path in re.findall(rf"(?<![\w.-])({keepers})((?:[/:][\w-][\w.-]*)*)", text):
        name = "/".join(path.replace(":", "/").removeprefix("/github").split("/")[1:3])
        yield f"{host.removeprefix('www.')}/{name.removesuffix('.git')}".strip("/")


HOSTS = {
    "arxiv.org": "the papers",
    "semver.org": "how versions are numbered",
    "pytorch.org": "how to install PyTorch",
    "distributed.dask.org": "how to share a sweep",
    "cs.toronto.edu": "CIFAR-10",
    "doi.org": "where works are",
    "w3.org": "the name of SVG",
    "matplotlib.org": "what draws the figures names itself, and these formats, in them",
    "purl.org": "the same",
    "creativecommons.org": "the same",
    "github.com": "its repositories are below",
    "colab.research.google.com": "where the launch buttons lead",
    "mybinder.org": "the same",
    "mybinder.org/v2/gh": "the same",
    "github.com/googlecolab/backend-info": "which versions Colab has",
    "users.noreply.github.com": "who commits in a workflow",
    "github.com/owner": "nobody's, in tests",
    "github.com/owner/name": "the example of an address",
    "github.com/owner/book": "nobody's, in tests",
    "colab.research.google.com/owner/book": "nobody's, in tests",
    "colab.research.google.com/{name}": "the place of an address",
    "github.com/dequelabs/axe-core": "what finds the barriers of a page",
}


def published_at():
    """The address that `make address` wrote, as the repository's name and its host; nothing where it wrote none."""
    found = re.search(r"git\+https://(([^/\s]+)/\S+?)@", (ROOT / "tools/setup_cell.py").read_text("utf-8"))
    return {found[1].lower(), found[2].lower()} if found else set()


def test_no_file_names_an_address_that_is_not_ours():
    ours = published_at()
    ours |= {f"colab.research.google.com/{name.split('/', 1)[1]}" for name in ours if name.startswith("github.com/")}
    for path in tracked_files():
        found = {
            address for address in addresses_in(path.read_bytes()) if not re.search(r"\.(example|invalid)\b", address)
        }  # nobody's
        assert found <= ours | set(HOSTS), path


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("see https://github.example/some/one/blob/main/a.py", {"github.example", "github.example/some/one"}),
        ("git@gitlab.example:some/one.git", {"gitlab.example", "gitlab.example/some/one"}),
        ("www.codeberg.example/some/one", {"codeberg.example/some/one"}),
        ("https://colab.example/github/some/one", {"colab.example", "colab.example/some/one"}),
        ("https://raw.githubusercontent.example/a/b",
         {"raw.githubusercontent.example", "raw.githubusercontent.example/a/b"}),
        ("https://token@some.example/x", {"some.example"}),
        ("http://localhost:8000 and tcp://localhost", set()),
    ],
)  # fmt: skip
def test_every_address_in_a_file_is_found(text, addresses):
    assert set(addresses_in(text.encode())) == addresses


def test_every_package_and_every_record_is_installed():
    setuptools = PYPROJECT["tool"]["setuptools"]
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in LIBRARY.rglob("__init__.py")}
    assert setuptools["packages"] == sorted({*packages, "convac_lib.results"})
    data = {package: {*globs} for package, globs in setuptools["package-data"].items()}
    everywhere = data.pop("*")
    folders = {package: ROOT / package.replace(".", "/") for package in packages} | {
        "convac_lib.results": ROOT / "results"
    }
    globs = [(package, each) for package in folders for each in everywhere | data.get(package, set())]
    shipped = {path for package, each in globs for path in folders[package].glob(each)}
    needed = [path for path in tracked_files() if path.is_relative_to(LIBRARY) or path.is_relative_to(ROOT / "results")]
    left_out = {path for path in needed if path not in shipped and path.suffix != ".py"}
    left_out -= {path for path in left_out if path.parent == ROOT / "results/tested"}  # for the page of tests
    assert {path.suffix for path in left_out} == {".png", ".svg"}  # what convac report draws


def test_the_table_of_contents_lists_every_page():
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text("utf-8"))
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    sections = [section for chapter in chapters for section in chapter.get("sections", ())]
    listed = [contents["root"], *(entry["file"] for entry in chapters + sections)]
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
    code = cells_of(chapter, "code")
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


@pytest.mark.parametrize("page", [*CHAPTERS, *PAGES, ROOT / "README.md"], ids=lambda path: path.stem)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(<?([^)\s>]+)>?\)", text_of(page)):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), f"{page.name} links to {target}"


def test_the_map_in_the_readme_names_every_room_in_order():
    lines = (ROOT / "README.md").read_text("utf-8").split("## Map\n")[1].split("```")[1].splitlines()[1:]
    rooms = [re.match(r"  ((?:\w+(?:\.py|/) +)+)", line) for line in lines if line.startswith("  ")]
    named = [re.sub(r"\.py$|/$", "", name) for found in rooms if found for name in found[1].split()]
    assert None not in rooms and [*named, "__main__"] == FLOORS
    folders = [line.split("/")[0] for line in lines if re.match(r"\w+/", line)]
    tracked = {path.relative_to(ROOT).parts[0] for path in tracked_files() if path.parent != ROOT}
    assert sorted(folders) == sorted(name for name in tracked if not name.startswith("."))
    assert all((ROOT / name).exists() for name in lines[-1].split())


def test_contributing_names_real_files_and_commands():
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(r"\b(?:convac_lib|tests|tools|book|benchmarks)/[\w./-]*\w", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []
    targets = re.findall(r"^([a-z]+):.* ##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    commands = re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)
    assert "lint" in commands and set(commands) <= set(targets)


def test_the_page_of_benchmarks_names_each_that_make_bench_runs():
    page, makefile = ((ROOT / name).read_text("utf-8") for name in ("benchmarks/README.md", "Makefile"))
    named = re.findall(r"^\| `python (benchmarks/\w+\.py)` \|", page, re.MULTILINE)
    run = re.findall(r"\$\(BIN\)/python (benchmarks/\w+\.py)", makefile)
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("benchmarks/*.py")}
    assert named == run and {*named, "benchmarks/timing.py"} == there


def test_no_file_names_a_place_of_one_machine():
    places = re.compile(rb"(?<![\w./~])/(?:work|root|tmp|home|Users)/\w")
    for path in tracked_files():
        assert not places.search(path.read_bytes()), path


def test_a_chapter_is_tested_from_its_own_folder_and_by_one_worker(tmp_path):
    pytest.importorskip("xdist")
    for name in ("conftest.py", "pyproject.toml", "tests/nbval_sanitize.cfg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(ROOT / name, tmp_path / name)
    cells = [new_code_cell("x = 0")] + [new_code_cell("x += 1; print(x)") for _ in range(5)]
    for number, cell in enumerate(cells[1:], 1):
        cell.outputs = [new_output("stream", text=f"{number}\n")]
    place = new_output("execute_result", data={"text/plain": "<object at 0x7f00aa00bb00>"}, execution_count=7)
    cells.append(new_code_cell("object()", outputs=[place]))
    for number, cell in enumerate(cells, 1):
        cell.execution_count = number
    (tmp_path / "book").mkdir()
    nbformat.write(new_notebook(cells=cells), tmp_path / "book/chapter.ipynb")
    command = [sys.executable, "-m", "pytest", "--nbval", "-n", "2", "-p", "no:cacheprovider", "chapter.ipynb"]
    done = subprocess.run(command, cwd=tmp_path / "book", capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "7 passed" in done.stdout, done.stdout + done.stderr


def test_no_file_is_large():
    assert [path for path in tracked_files() if path.stat().st_size > 1_500_000] == []


def requirements():
    """What the library and its extras ask for, without the extras' references to one another."""
    project = PYPROJECT["project"]
    listed = map(Requirement, chain(project["dependencies"], *project["optional-dependencies"].values()))
    return [wanted for wanted in listed if wanted.name != project["name"]]


def test_the_pins_are_exact_and_satisfy_the_library():
    lines = (line.split(" #")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines())
    pins = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for pin in pins:
        (specifier,) = pin.specifier
        assert specifier.operator == "==" and "*" not in specifier.version, pin
    versions = {pin.name: next(iter(pin.specifier)).version for pin in pins}
    assert len(versions) == len(pins), "a package is pinned twice"
    for wanted in requirements():
        assert wanted.specifier.contains(versions[wanted.name]), wanted


@pytest.mark.parametrize("package, version", [("torch", "2.11.0"), ("numpy", "2.1.0"), ("ipywidgets", "7.7.1")])
def test_a_hosted_notebook_keeps_its_packages(package, version):
    """The versions that Colab had in August 2026."""
    (wanted,) = (wanted for wanted in requirements() if wanted.name == package)
    assert wanted.specifier.contains(version)
