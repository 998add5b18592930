"""Time what people wait for: the README's commands, the explorers, the chapters, the pages and the tests.

    python benchmarks/waits.py [commands explorers chapters pages tests]

Without a name it times all but the tests, which take as long as `make test`. Each line has the seconds on the wall, and
those of the processor, which other work on the machine disturbs less. An explorer's first card reads its record if it
has one; a move is a state that a kernel computes anew, at the last value of each axis. A chapter is executed by a
fresh kernel, as `make book` does, and the pages are then built from what the chapters store.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import nbformat
from nbclient import NotebookClient
from timing import machine

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from helpers.chapters import CHAPTERS, ROOT, explorers_in
from helpers.pages import build

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
    with timed("the pages, from the outputs that the chapters store"):
        build(folder)


def tests(folder):
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "--numprocesses=auto", "--maxprocesses=4"]
    with timed("make test"):
        subprocess.run([*command, "-q", f"--junitxml={report}"], cwd=ROOT, check=False, capture_output=True)
    seconds = Counter()
    for case in ElementTree.parse(report).iter("testcase"):
        seconds[case.get("classname")] += float(case.get("time"))
    for name, total in seconds.most_common(40):
        print(f"{total:8.2f}            {name}")


PARTS = {"commands": commands, "explorers": explorers, "chapters": chapters, "pages": pages, "tests": tests}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    wanted = parser.parse_args().parts or [part for part in PARTS if part != "tests"]
    print(machine("numpy", "torch", "jupyter-book"))
    for part in wanted:
        print(f"\n{part}\n    wall processor")
        with tempfile.TemporaryDirectory() as folder:
            PARTS[part](Path(folder))


if __name__ == "__main__":
    main()
