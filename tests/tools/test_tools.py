"""The set-up cell finds the library, the address is written everywhere, and stored chapters are the same everywhere."""

import ast
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import tomllib
from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[2]
SETUP = (ROOT / "tools/setup_cell.py").read_text("utf-8")
UNSET = re.sub(r"PUBLISHED = .*?  #", "PUBLISHED = None  #", SETUP)
ADDRESS = "convac-lib[experiments] @ git+https://forge.example/owner/name@v1"
PIP = ["-m", "pip", "install", "--quiet", ADDRESS]
UNPUBLISHED = "this copy of the book is not published yet, so run `make lab` in its folder on your own computer"
BY_HAND = f"run %pip install '{ADDRESS}' and then this cell again"
# A Python without packages. Its pip brings what `brought` names, and returns `status`.
WORLD = """
import subprocess, sys
from pathlib import Path
from types import SimpleNamespace

def give(folder, names):
    for name in names:
        file = folder / ("convac_lib/__main__.py" if name == "convac_lib" else f"{name}.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text("import flint" if name == "convac_lib" else "")
        if name == "convac_lib":
            file.with_name("__init__.py").write_text("")

def pip(words, **options):
    calls.append(words[1:])
    give(site, brought)
    return SimpleNamespace(returncode=status, stderr="ERROR: no route to host\\n" * status)

def run():
    try:
        exec(cell, {})
    except ImportError as error:
        print(error)

needed = "array_api_compat anywidget distributed filelock flint ipywidgets matplotlib numpy PIL".split()
needed += "pooch psutil requests safetensors scipy sklearn threadpoolctl torch tqdm".split()
site, calls, brought, status = Path("site").resolve(), [], [], 0
site.mkdir(exist_ok=True)
sys.path.append(str(site))
sys.dont_write_bytecode = True
subprocess.run = pip
"""
IN_COLAB = 'sys.modules["google.colab"] = sys\n'


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def in_world(code, folder, address=ADDRESS):
    """The lines that the set-up cell prints in the course of this code, and the words of every call of pip."""
    cell = UNSET.replace("PUBLISHED = None", f"PUBLISHED = {address!r}")
    words = [sys.executable, "-I", "-S", "-c", f"{WORLD}\ncell = {cell!r}\n{code}\nprint(calls)"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
    *lines, calls = done.stdout.splitlines()
    return lines, ast.literal_eval(calls)


def executed(widget_model="3f2a", seconds="2026-01-01T00:00:00"):
    shown = {
        "text/plain": "Rank",
        "text/html": "<p>Rank</p>",
        "application/vnd.jupyter.widget-view+json": {"model_id": widget_model},
    }
    cell = new_code_cell("1 + 1", execution_count=1, metadata={"tags": ["hide-input"], "execution": {"idle": seconds}})
    cell.outputs = [new_output("execute_result", data=shown, execution_count=1, metadata={"at": seconds})]
    state = {"kernelspec": {"name": "mine", "display_name": "Mine"}, "widgets": {"state": {widget_model: {}}}}
    return new_notebook(cells=[cell, new_markdown_cell("Words."), new_markdown_cell("Words.")], metadata=state)


def test_the_set_up_cell_finds_the_checkout_around_a_chapter_and_is_silent(tmp_path):
    (tmp_path / "book").mkdir()
    code = "give(site, needed); give(Path('..'), ['convac_lib']); run(); import convac_lib; print(convac_lib.__file__)"
    (found,), calls = in_world(code, tmp_path / "book", address=None)
    assert Path(found).resolve() == tmp_path.resolve() / "convac_lib" / "__init__.py" and calls == []


def test_the_set_up_cell_is_silent_where_the_library_is_installed(tmp_path):
    assert in_world(IN_COLAB + "give(site, [*needed, 'convac_lib']); run()", tmp_path) == ([], [])


def test_the_set_up_cell_installs_once_in_colab(tmp_path):
    code = "brought = ['convac_lib', *needed]; run(); run(); import convac_lib; print(convac_lib.__file__)"
    assert in_world(IN_COLAB + code, tmp_path) == ([str(tmp_path.resolve() / "site/convac_lib/__init__.py")], [PIP])


@pytest.mark.parametrize(
    ("half", "missing"),
    [
        ([], "convac_lib"),
        (["convac_lib"], "flint"),
        (["convac_lib", "flint"], "array_api_compat"),
        (["torch"], "convac_lib"),
    ],
)
def test_the_set_up_cell_repairs_a_failed_install_when_run_again(tmp_path, half, missing):
    code = f"brought, status = {half}, 1; run(); run(); brought, status = ['convac_lib', *needed], 0; run(); run()"
    said = ["ERROR: no route to host", f"convac_lib cannot be imported (No module named '{missing}'): {BY_HAND}"]
    assert in_world(IN_COLAB + code, tmp_path) == (said * 2, [PIP] * 3)


@pytest.mark.parametrize("left", ["convac-book", "convac_lib", "convac-book/.git", "convac-book/convac_lib"])
def test_the_set_up_cell_is_not_misled_by_what_is_left_of_a_clone(tmp_path, left):
    (tmp_path / left).mkdir(parents=True)
    code = "run(); brought = [*needed, 'convac_lib']; run(); import convac_lib; print(convac_lib.__file__)"
    said = f"convac_lib cannot be imported (No module named 'convac_lib'): {BY_HAND}"
    found = str(tmp_path.resolve() / "site/convac_lib/__init__.py")
    assert in_world(IN_COLAB + code, tmp_path) == ([said, found], [PIP, PIP])


def test_a_library_without_its_files_is_not_taken_for_one(tmp_path):
    code = "give(site, needed); (site / 'convac_lib').mkdir(); run(); brought = ['convac_lib']; run()"
    said = f"convac_lib cannot be imported (No module named 'convac_lib.__main__'): {BY_HAND}"
    assert in_world(IN_COLAB + code, tmp_path) == ([said], [PIP, PIP])


@pytest.mark.parametrize("lost", ["flint", "torch", "sklearn"])
def test_the_set_up_cell_asks_for_every_package_that_the_library_needs(tmp_path, lost):
    code = f"give(site, ['convac_lib', *needed]); (site / '{lost}.py').unlink(); run(); "
    said = f"convac_lib cannot be imported (No module named '{lost}'): "
    assert in_world(code, tmp_path) == ([said + BY_HAND], [])
    assert in_world(code, tmp_path, address=None) == ([said + UNPUBLISHED], [])
    assert in_world(f"{IN_COLAB}{code}brought = ['{lost}']; run(); run()", tmp_path) == ([said + BY_HAND], [PIP, PIP])


def test_the_set_up_cell_names_every_package_that_loads_later():
    """What the library needs is loaded with its command line, or named in the cell."""
    code = "import convac_lib.__main__, json, sys; print(json.dumps([name.split('.')[0] for name in sys.modules]))"
    loaded = set(json.loads(subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True)))
    (named,) = re.findall(r'"""([\w\s]+)"""\.split\(\)', SETUP)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    modules = {"pillow": "PIL", "python-flint": "flint", "scikit-learn": "sklearn"}
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *extras["networks"], *extras["widgets"], *extras["experiments"][1:]]
    needed = {re.match(r"[\w-]+", each)[0] for each in listed}
    needed = {modules.get(name, name.replace("-", "_")) for name in needed}
    assert set(named.split()) <= needed <= set(named.split()) | loaded


@pytest.mark.parametrize("where", ["", IN_COLAB], ids=["elsewhere", "Colab"])
def test_the_set_up_cell_says_what_to_do_where_nothing_is_published(tmp_path, where):
    said = f"convac_lib cannot be imported (No module named 'convac_lib'): {UNPUBLISHED}"
    assert in_world(where + "run()", tmp_path, address=None) == ([said], [])


def test_the_set_up_cell_is_short():
    assert len(SETUP.splitlines()) <= 34 and max(map(len, SETUP.splitlines())) <= 120


@pytest.mark.parametrize(
    "name", [path.stem for path in sorted(ROOT.glob("tools/*.py")) if ">>> " in path.read_text("utf-8")]
)
def test_the_examples_of_a_tool_hold(name):
    words = [sys.executable, "-m", "doctest", "--verbose", f"{name}.py"]
    done = subprocess.run(words, cwd=ROOT / "tools", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "Expecting:" in done.stdout


# The address


@pytest.fixture
def copied(tmp_path):
    """The address tool of an unpublished copy of the files that name the address, without git."""
    module = tool("address")
    names = {module.VERSIONED, *(name for name, *_ in module.PLACES + module.ON_GITHUB)}
    names |= {
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("book/*.ipynb") if '"code"' in path.read_text("utf-8")
    }
    module.ROOT = tmp_path / "around" / "copy"
    for name in names:
        (module.ROOT / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, module.ROOT / name)
    module.main("none")
    return module


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_address_is_written_everywhere_and_taken_out_again(copied):
    before = contents(copied.ROOT)
    copied.main("https://github.com/owner/book")
    once = contents(copied.ROOT)
    assert [name for name in once if b"owner/book" not in once[name]] == [copied.VERSIONED]
    copied.main("https://forge.example/group/other/book", "2.0")
    elsewhere = contents(copied.ROOT)
    assert elsewhere["_config.yml"] == before["_config.yml"]  # no button for what the theme and Colab do not know
    assert {name for name in elsewhere if b"other/book" not in elsewhere[name]} == {"_config.yml", copied.VERSIONED}
    assert [name for name in elsewhere if re.search(rb"owner/book|colab\.research|@v0", elsewhere[name])] == []
    copied.main("https://github.com/owner/book")
    assert contents(copied.ROOT) == once
    assert copied.main("https://github.com/owner/book/") == (
        "The address is https://github.com/owner/book, at the tag v0.1.0. Written: no file, for all say so already.\n"
        "Commit this, give that commit its tag, and publish both: git tag v0.1.0 && git push origin HEAD v0.1.0"
    )
    copied.main("none")
    assert contents(copied.ROOT) == before


def test_the_committed_files_are_as_the_tool_writes_them(copied):
    published = re.search(r' git\+(\S+)@(\S+)"', SETUP)
    copied.main(*published.groups()) if published else copied.main("none")
    assert {name: (ROOT / name).read_bytes() for name in contents(copied.ROOT)} == contents(copied.ROOT)


def test_what_is_written_says_where_the_book_is(copied):
    copied.main("https://github.com/owner/book", "v7")
    config = yaml.safe_load((copied.ROOT / "_config.yml").read_text("utf-8"))
    assert config["repository"] == {"url": "https://github.com/owner/book", "branch": "v7"}
    assert config["launch_buttons"] == {
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    }
    assert config["html"]["use_repository_button"] and config["html"]["use_issues_button"]
    project = tomllib.loads((copied.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["urls"] == {
        "Repository": "https://github.com/owner/book",
        "Issues": "https://github.com/owner/book/issues",
    }
    citation = yaml.safe_load((copied.ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["repository-code"] == "https://github.com/owner/book"
    colab = "(https://colab.research.google.com/github/owner/book/blob/v7/book/intro.ipynb)"
    assert colab in (copied.ROOT / "README.md").read_text("utf-8")
    cell = (copied.ROOT / "tools/setup_cell.py").read_text("utf-8")
    assert 'PUBLISHED = "convac-lib[experiments] @ git+https://github.com/owner/book@v7"' in cell
    normalise = tool("execute_notebooks").normalise
    for path in copied.ROOT.glob("book/*.ipynb"):
        chapter = nbformat.read(path, as_version=4)
        assert next(each for each in chapter.cells if each.cell_type == "code").source == cell.rstrip("\n")
        assert normalise(deepcopy(chapter)) == chapter


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("https://github.com/owner/name", "https://github.com/owner/name"),
        (" https://github.com/owner/name.git/ ", "https://github.com/owner/name"),
        ("https://user:secret@www.GitHub.com/owner/name", "https://github.com/owner/name"),
        ("git@github.com:owner/name.git", "https://github.com/owner/name"),
        ("ssh://git@forge.example:2222/owner/name.git", "https://forge.example/owner/name"),
        ("https://forge.example:8443/a/b/c-d.e", "https://forge.example:8443/a/b/c-d.e"),
    ],
)
def test_every_form_of_an_address_is_understood(given, address):
    assert tool("address").normalise(given) == address


@pytest.mark.parametrize(
    "garbage",
    [
        "http://github.com/owner/name", "github.com/owner/name", "https://github.com/owner", "https://github.com", "file:///srv/n/m",
        "https://github.com/owner/name/tree/main", "https://github.com/owner/name?tab=1", "https://github.com/owner/../name",
        "https://github.com/owner/name b", 'https://github.com/owner/name"', "https://github.com/owner/name\nx", "https://localhost/o/n",
        "https://[::1/o/n", "https://forge.example:x/owner/name", "/srv/git/n.git", "C:\\git\\n", "None", "$(id)", "'",
    ],
)  # fmt: skip
def test_what_is_no_address_gets_one_sentence(copied, garbage):
    before = contents(copied.ROOT)
    with pytest.raises(copied.AddressError) as error:
        copied.main(garbage)
    assert str(error.value) == (
        f"{garbage!r} is no address of a repository; give one like https://github.com/owner/name, or none"
    )
    assert contents(copied.ROOT) == before


def test_a_tag_that_git_would_not_take_gets_one_sentence(copied):
    with pytest.raises(copied.AddressError) as error:
        copied.main("https://github.com/owner/name", "--upload")
    assert str(error.value) == "'--upload' is no tag to publish; use letters, digits and dots, as in v0.1.0"


def test_without_words_the_address_is_that_of_git(copied):
    def git(folder, *words):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)

    def refused():
        with pytest.raises(copied.AddressError) as error:
            copied.main()
        return str(error.value) == (
            "no address was given, and git knows no remote named origin; "
            "give it, as in: make address URL=https://github.com/owner/name"
        )

    around = copied.ROOT.parent
    git(around, "init")
    git(around, "remote", "add", "origin", "https://forge.example/an/other")
    assert refused()  # that remote is of a repository around the copy
    git(copied.ROOT, "init")
    assert refused()
    git(copied.ROOT, "remote", "add", "origin", "git@github.com:owner/name.git")
    assert copied.main().startswith("The address is https://github.com/owner/name, at the tag v0.1.0. Written: ")


def test_a_file_without_its_place_gets_one_sentence(copied):
    path = copied.ROOT / "CITATION.cff"
    path.write_text(path.read_text("utf-8").replace("\nreferences:\n", "\n"), "utf-8")
    with pytest.raises(copied.AddressError) as error:
        copied.main("https://github.com/owner/name")
    assert str(error.value) == "CITATION.cff must hold 'references:' once; PLACES in tools/address.py says where"


# Stored chapters


def test_a_stored_chapter_keeps_what_a_reader_sees():
    notebook = tool("execute_notebooks").normalise(executed())
    (output,) = notebook.cells[0].outputs
    assert output.data == {"text/plain": "Rank", "text/html": "<p>Rank</p>"}
    assert notebook.cells[0].metadata == {"tags": ["hide-input"]}
    assert notebook.metadata.kernelspec.name == "python3"


def test_a_stored_chapter_does_not_depend_on_the_run():
    normalise = tool("execute_notebooks").normalise
    once = normalise(executed())
    assert once == normalise(executed(widget_model="77b1", seconds="2027-02-02T00:00:00"))
    assert once == normalise(deepcopy(once))


def test_cells_are_named_after_their_source():
    first, second, third = tool("execute_notebooks").normalise(executed()).cells
    assert third.id == f"{second.id}-2" and first.id != second.id


def test_a_chapter_that_cannot_be_written_is_left_as_it_was(tmp_path, monkeypatch):
    module, chapter = tool("execute_notebooks"), tmp_path / "chapter.ipynb"
    chapter.write_text("before")
    monkeypatch.setattr(module.os, "replace", lambda *places: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match=r"^full$"):
        module.write(module.normalise(executed()), chapter)
    assert chapter.read_text() == "before" and list(tmp_path.iterdir()) == [chapter]


def test_a_new_chapter_is_listed_and_runs(tmp_path):
    for name in ("tools/new_chapter.py", "tools/execute_notebooks.py", "tools/setup_cell.py", "_toc.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "book").mkdir()
    make = [sys.executable, "tools/new_chapter.py", "my-chapter", "My chapter"]
    subprocess.run(make, cwd=tmp_path, capture_output=True, check=True)
    contents = yaml.safe_load((tmp_path / "_toc.yml").read_text("utf-8"))
    assert contents["parts"][0]["chapters"][-1] == {"file": "book/my-chapter"}
    chapter = tmp_path / "book" / "my-chapter.ipynb"
    notebook = nbformat.read(chapter, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].source.startswith("# My chapter\n")
    tool("execute_notebooks").execute(chapter)
    assert any(cell.get("outputs") for cell in nbformat.read(chapter, as_version=4).cells)

    again = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 1 and again.stderr == "book/my-chapter.ipynb exists already; choose another name\n"
    make[2] = "My Chapter"
    again = subprocess.run(make, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.stderr == (
        "'My Chapter' is no chapter name; use lower-case letters, digits and hyphens, as in my-chapter\n"
    )


# The numbers of statements


@pytest.fixture
def numbers(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))  # it writes notebooks as execute_notebooks does
    return tool("number_statements")


def test_the_statements_are_numbered_in_reading_order(numbers):
    pages = {path.name: numbers.texts_of(path) for path in numbers.in_reading_order()}
    assert sum(len(numbers.HEAD.findall(text)) for texts in pages.values() for text in texts) > 20
    assert numbers.numbered(pages) == pages, "run tools/number_statements.py"


def test_a_statement_that_comes_between_moves_the_numbers_after_it(numbers):
    pages = {
        "one": ['> <a id="new"></a>**Theorem 9 (New).**', '> <a id="old"></a>**Theorem 1.**'],
        "two": ['> <a id="lemma"></a>**Lemma 4.**', "[Theorem 1](one.ipynb#old), [Lemma 4](#lemma), [words](#old)"],
    }
    assert numbers.numbered(pages) == {
        "one": ['> <a id="new"></a>**Theorem 1 (New).**', '> <a id="old"></a>**Theorem 2.**'],
        "two": ['> <a id="lemma"></a>**Lemma 1.**', "[Theorem 2](one.ipynb#old), [Lemma 1](#lemma), [words](#old)"],
    }


@pytest.mark.parametrize(
    ("text", "what"),
    [("by Theorem 1, it is", "Theorem 1"), ("see [Theorem 1](#section)", "section")],
)
def test_a_number_that_could_not_be_kept_is_refused(numbers, text, what):
    pages = {"one": ['> <a id="old"></a>**Theorem 1.**', text]}
    with pytest.raises(ValueError, match=f"^one: {what} must be a link to a statement's anchor$"):
        numbers.numbered(pages)
