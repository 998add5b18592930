"""The book, built without executing a chapter."""

import subprocess
import sys
from copy import deepcopy

import yaml
from helpers.chapters import ROOT

CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))


def build(folder):
    """Build the book from the outputs that its chapters store; return the folder of its pages."""
    config = deepcopy(CONFIG)
    config["execute"]["execute_notebooks"] = "off"
    extensions = config["sphinx"]["local_extensions"]
    config["sphinx"]["local_extensions"] = {name: str(ROOT / place) for name, place in extensions.items()}
    (folder / "_config.yml").write_text(yaml.safe_dump(config), "utf-8")
    command = [sys.executable, str(ROOT / "tools/build_book.py"), str(ROOT), "-W", "-n", "--keep-going"]
    command += ["--config", str(folder / "_config.yml"), "--path-output", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder / "_build/html"
