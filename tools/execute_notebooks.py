"""Execute the book's chapters in place and store their outputs, the same on every machine.

    python tools/execute_notebooks.py                      # every chapter
    python tools/execute_notebooks.py book/convacs.ipynb   # these

What differs from run to run is left out: timings, widget models and whatever an editor adds. The recorded explorers
compute all their states, and write them to `results/explorers`.
"""

import hashlib
import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from tqdm import tqdm

BOOK = Path(__file__).resolve().parents[1] / "book"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
STORED = {"text/plain", "text/html", "text/markdown", "text/latex", "image/png"}
CELL_METADATA = {"tags", "mystnb", "jupyter", "cellView"}  # the last two hide code in JupyterLab and in Colab


def normalise(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Keep what a reader sees, and drop what differs from run to run; cells are named after their source.

    Args:
        notebook: an executed notebook; it is changed in place.

    Returns:
        The same notebook.
    """
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    seen = {}
    for cell in notebook.cells:
        digest = hashlib.sha256(cell.source.encode()).hexdigest()[:8]
        seen[digest] = seen.get(digest, 0) + 1
        cell.id = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
        cell.metadata = {key: value for key, value in cell.metadata.items() if key in CELL_METADATA}
        for output in cell.get("outputs", []):
            if "data" in output:
                output.data = {mime: data for mime, data in output.data.items() if mime in STORED}
                output.metadata = {}
    return nbformat.from_dict(notebook)


def write(notebook: nbformat.NotebookNode, path: Path):
    """Write a notebook whole or not at all."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=".ipynb")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as file:
            nbformat.write(notebook, file)
        os.chmod(draft, path.stat().st_mode)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def execute(path: Path):
    """Execute one chapter from a fresh kernel, in its own folder, and store its outputs."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        coalesce_streams=True,  # whether two prints arrive apart is an accident
        resources={"metadata": {"path": str(path.parent)}},
    ).execute(env=os.environ | {"CONVAC_EXPLORERS": "record"})
    write(normalise(notebook), path)


if __name__ == "__main__":
    chapters = [Path(name) for name in sys.argv[1:]] or sorted(BOOK.glob("*.ipynb"))
    for chapter in (progress := tqdm(chapters, unit="chapter")):
        progress.set_postfix_str(chapter.name)
        execute(chapter)
