"""Run the explorers' kernel tests, then every chapter, with the versions of Jupyter that Colab has.

    python tests/helpers/hosted.py                                   # minutes
    python tests/helpers/hosted.py --with numpy==2.0.2 torch==2.11.0  # with its PyTorch, too: a large download

The packages go into a folder of their own, and only the kernels see them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
HOSTED = ("ipython==7.34.0", "ipykernel==6.17.1", "ipywidgets==7.7.1", "anywidget")
WIDGET = "application/vnd.jupyter.widget-view+json"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--with", dest="more", nargs="+", default=[], help="further requirements, as pip takes them")
    parser.add_argument("--packages", help="a folder that already has them")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        packages = wanted.packages or folder
        if not wanted.packages:
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, *HOSTED, *wanted.more]
            subprocess.run(install, check=True)
        environment = os.environ | {"CONVAC_KERNEL_PACKAGES": packages}
        tests = [sys.executable, "-m", "pytest", "-q", "tests/book/test_live.py"]
        subprocess.run(tests, cwd=ROOT, env=environment, check=True)
        environment["PYTHONPATH"] = os.pathsep.join([packages, str(ROOT)])
        for path in sorted(ROOT.glob("book/*.ipynb")):
            notebook = nbformat.read(path, as_version=4)
            here = {"metadata": {"path": str(path.parent)}}
            NotebookClient(notebook, timeout=600, kernel_name="python3", resources=here).execute(env=environment)
            outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
            cards = sum(WIDGET in output.get("data", ()) for output in outputs)
            assert cards == sum("convac-explorer" in output.get("data", {}).get("text/html", "") for output in outputs)
            print(f"{path.name}: runs, with {cards} live explorers", flush=True)


if __name__ == "__main__":
    main()
