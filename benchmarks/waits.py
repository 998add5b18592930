"""Time what people wait for: the README's commands, the explorers, the chapters, the pages and the tests.

    python benchmarks/waits.py [commands explorers chapters pages tests]

Each line has the seconds on the wall, and those of the processor, which other work on the machine disturbs less. An
explorer's first card reads its record if it has one; a move is a state that a kernel computes anew, at the last value
of each axis. `make book` is three parts: a fresh kernel executes each chapter, the pages are built from what the
chapters store, and they are put into a zip. The tests are not run: the last whole `make test` that passed wrote down
the seconds of each file, which several processes took at once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from timing import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
from helpers.chapters import CHAPTERS, ROOT, explorers_in
from helpers.pages import build
from helpers.tested import SUITE
from offline import pack

from convac_lib import Explorer

COMMANDS = (
    "--help",
    "describe --B 3 --M 2 --size 8",
    "certify --B 2 --M 2 --size 4 --json",
    "certify --B 3 --M 3 --size 4 --out rank.json --rows 500",
    "verify rank.json",
    "certify --B 2 --M 2 --size 4 --seed 0 1 2 --prime 8388593 2147483647",
    "certify --B 3 --M 4 --size 4",
    "certify --B 3 --M 4 --size 4 --out large.json --rows 4096",
    "verify large.json",
)


def processor_seconds():
    """The processor's seconds of this process and of all that have ended in it."""
    usages = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@contextmanager
def timed(what):
    wall, processor = time.perf_counter(), processor_seconds()
    yield
    print(f"{time.perf_counter() - wall:8.2f} {processor_seconds() - processor:9.2f}  {what}", flush=True)


def commands(folder):
    for words in COMMANDS:
        with timed(f"convac {words}"):
            command = [sys.executable, "-m", "convac_lib", *words.split()]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def explorers(folder):
    for chapter, path in CHAPTERS.items():
        for name, axes, view, options in explorers_in(path, folder):
            with timed(f"{chapter}, {name}: first card"):
                explorer = Explorer(name, axes, view, **options)
                explorer.html(live=True)
            with timed(f"{chapter}, {name}: {len(axes)} moves"):
                for letter, values in explorer.axes.items():
                    explorer.see(tuple((explorer.start | {letter: values[-1]}).values()))


def chapters(folder):
    environment = os.environ | {"CONVAC_EXPLORERS": "page", "PYTHONPATH": str(ROOT)}
    for chapter, path in CHAPTERS.items():
        with timed(chapter):
            notebook = nbformat.read(path, as_version=4)
            here = {"metadata": {"path": str(path.parent)}}
            NotebookClient(notebook, timeout=600, kernel_name="python3", resources=here).execute(env=environment)


def pages(folder):
    with timed("the pages and their zip, from the outputs that the chapters store"):
        built = build(folder)
    with timed("of these, the zip"):
        pack(built)


def tests(folder):
    if not SUITE.exists():
        print("                    no whole `make test` has passed here")
        return
    suite = json.loads(SUITE.read_text("utf-8"))
    print(f"{suite['seconds']:8}            make test, on {suite['date']}")
    for name, seconds in list(suite["seconds by file"].items())[:40]:
        print(f"{seconds:8}            {name}")


PARTS = {"commands": commands, "explorers": explorers, "chapters": chapters, "pages": pages, "tests": tests}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    wanted = parser.parse_args().parts or PARTS
    print(machine("numpy", "torch", "jupyter-book"))
    for part in wanted:
        print(f"\n{part}\n    wall processor")
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
