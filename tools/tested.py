"""Write what the suites checked into the page "How this book is tested", from the files that they wrote.

    python tools/tested.py

A whole `make test` that passes writes _build/tested.json. This copies it to results/tested/suite.json, if it is there,
and writes the tables of book/testing.md from results/tested: the suite, the mutants and the altered files.
"""

import json
import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE, RESULTS, SUITE = ROOT / "book/testing.md", ROOT / "results/tested", ROOT / "_build/tested.json"
BLOCK = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)


def where(found: dict) -> str:
    """Say when, with what and on what a suite ran."""
    versions = ", ".join(f"`{name} {version}`" for name, version in found["versions"].items())
    return f"{found['date']}, {versions}, {found['hardware']}"


def suite(found: dict) -> str:
    """Return the table of `make test`."""
    rows = [("tests, examples and cells passed", found["tests"]["passed"]), ("skipped", found["tests"]["skipped"])]
    rows += sorted(found["checked"].items())
    table = "\n".join(f"| {what} | {number:,} |" for what, number in rows)
    minutes = found["seconds"] / 60
    return f"`make test` took {minutes:.0f} minutes ({where(found)}).\n\n| checked | number |\n|---|---:|\n{table}\n"


def mutants(found: dict) -> str:
    """Return the table of `make mutants`."""
    rows = "\n".join(
        f"| {name} | {group['mutants']:,} | {group['tried']:,} | {group['killed']:,} | "
        f"{group['killed'] / group['tried']:.0%} | "
        for name, group in found["groups"].items() if group["tried"]
    )  # fmt: skip
    unread = sum(survivor["reason"] == "not looked at" for survivor in found["survivors"])
    return (
        "`make mutants` breaks the library in one place at a time, and runs the examples of that module and up to "
        f"seven test files until one fails or takes too long. Where it tried a part of the mutants, that part is a "
        f"random sample, seed {found['seed']} ({where(found)}).\n\n"
        f"| part | mutants | tried | killed | share |\n|---|---:|---:|---:|---:|\n{rows}\n\n"
        "Some tests that take more than a second did not run. "
        f"The {len(found['survivors'])} survivors are listed in `results/tested/mutants.json`. "
        f"Nobody has looked at {unread} of them yet.\n"
    )


def fuzz(found: dict) -> str:
    """Return the table of `make fuzz`."""
    rows = "\n".join(
        f"| {kind} | {counts['read']:,} | {counts['refused']:,} | {counts['fault']:,} |"
        for kind, counts in found["kinds"].items()
    )
    return (
        f"`make fuzz` altered {found['inputs']:,} files and command lines, seed {found['seed']}. A fault is any answer "
        f"but a result or one sentence, 20 seconds of processor time, or 2 GiB of memory. There were "
        f"{found['faults']}, and the process took at most {found['peak memory in MiB']:,} MiB ({where(found)}).\n\n"
        f"| kind | read | refused | faults |\n|---|---:|---:|---:|\n{rows}\n"
    )


PARTS = {"suite": suite, "mutants": mutants, "fuzz": fuzz}


def page(text: str) -> str:
    """Return the page with the figures of the files."""
    files = {name: RESULTS / f"{name}.json" for name in PARTS}
    parts = [PARTS[name](json.loads(path.read_text("utf-8"))) for name, path in files.items() if path.exists()]
    return BLOCK.sub(lambda _: "\n".join(parts), text)


if __name__ == "__main__":
    if SUITE.exists():
        shutil.copy(SUITE, RESULTS / "suite.json")
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8", newline="\n")
