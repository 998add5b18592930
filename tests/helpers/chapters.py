"""The explorers of a chapter as its cells make them, without running the chapter."""

import ast
import json
import runpy
from pathlib import Path
from typing import NamedTuple

from convac_lib.experiments.analysis import by_protocol, rows_of
from convac_lib.experiments.records import read_records
from convac_lib.files import results_path
from convac_lib.theory.atlas import read_atlas

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = {f"book/{path.stem}": path for path in sorted(ROOT.glob("book/*.ipynb"))}


class Made(NamedTuple):
    """What a cell hands to `Explorer`."""

    name: str
    axes: dict
    view: object
    options: dict


def explorers_in(chapter, folder):
    """Every explorer of a chapter, in order: of its imports, functions and what its own cell assigns."""
    cells = json.loads(chapter.read_text("utf-8"))["cells"]
    code = [ast.parse("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    kinds = ast.Import | ast.ImportFrom | ast.FunctionDef
    lines = []
    for tree in code:
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "Explorer"]
        own = kinds | ast.Assign | ast.AugAssign if calls else kinds
        lines += [ast.unparse(node) for node in tree.body if isinstance(node, own)]
        lines += [f"MADE.append(note{ast.unparse(call).removeprefix('Explorer')})" for call in calls]
    module = folder / "explorers.py"
    module.write_text("\n".join(lines), "utf-8")
    read = {"atlas": read_atlas(results_path("atlas.csv"))}
    for name, prefix in (("cifar10-jpeg", ""), ("digits-sweep", "digits_")):
        ((protocol, records),) = by_protocol(read_records(results_path(f"{name}.jsonl"))).items()
        read |= {f"{prefix}protocol": protocol, f"{prefix}rows": rows_of(records)}
    made = []
    tools = {"MADE": made, "note": lambda name, axes, view, **options: Made(name, axes, view, options)}
    runpy.run_path(str(module), read | tools)
    return made
