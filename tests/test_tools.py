"""The set-up cell finds the library wherever a chapter runs, and stored chapters are the same on every machine."""

import ast
import importlib.util
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import nbformat
import yaml
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

ROOT = Path(__file__).resolve().parents[1]
SETUP = (ROOT / "tools/setup_cell.py").read_text("utf-8")
HOSTED = """
import subprocess, sys
calls = []
subprocess.run = lambda words, check: calls.append([str(word) for word in words])
sys.modules["google.colab"] = sys
"""


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_bare(code, folder):
    """What a Python without any installed package prints."""
    words = [sys.executable, "-I", "-S", "-c", code]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True).stdout


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


def test_the_set_up_cell_finds_the_checkout_around_a_chapter():
    found = run_bare(SETUP + "import convac_lib\nprint(convac_lib.__file__)", ROOT / "book")
    assert found.strip() == str(ROOT / "convac_lib" / "__init__.py")


def test_the_set_up_cell_clones_and_installs_once_when_hosted(tmp_path):
    calls = ast.literal_eval(run_bare(HOSTED + SETUP + "print(calls)", tmp_path))
    place = str(tmp_path.resolve() / "convac-book")
    assert calls[0] == ["git", "clone", "--quiet", "https://github.com/convac-book/convac-book", place]
    assert calls[1][1:] == ["-m", "pip", "install", "--quiet", "--editable", place]
    (tmp_path / "convac-book").mkdir()
    assert run_bare(HOSTED + SETUP + "print(calls)", tmp_path) == "[]\n"


def test_the_set_up_cell_is_silent_and_short():
    assert run_bare(SETUP, ROOT / "book") == ""
    assert len(SETUP.splitlines()) <= 12


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
    try:
        module.write(module.normalise(executed()), chapter)
    except OSError as error:
        assert str(error) == "full"
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
