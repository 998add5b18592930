"""convac report: what the records of a sweep say, as a table and as figures."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING

from convac_lib.cli.command import Answer
from convac_lib.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convac_lib.experiments.analysis import RunSummary

ABOUT = "Print a table of the results of convac sweep, and draw accuracy against channels and parameters (PNG, SVG)."
EXAMPLES: tuple[str, ...] = ("convac report results/cifar10.jsonl",)
SMALLER = "report on fewer records"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the file of records."""
    parser.add_argument("records", metavar="FILE", help="the file that convac sweep --out wrote")


def run(arguments: Namespace) -> Answer:
    """Print a table of the results of convac sweep, and draw accuracy against channels and parameters (PNG, SVG)."""
    from convac_lib.experiments.analysis import by_protocol, figure_names, rows_of
    from convac_lib.experiments.records import read_records
    from convac_lib.visuals import style
    from convac_lib.visuals.figures import sweep_figure

    records = read_records(arguments.records)
    if not records:
        raise DataError(f"{arguments.records} holds no record yet; write some with convac sweep")
    style.use()
    parts, texts, unwritten = [], [], []
    protocols, stem = by_protocol(records), os.path.splitext(arguments.records)[0]
    for protocol, name in figure_names(protocols, stem).items():
        comparable = protocols[protocol]
        rows = rows_of(comparable)
        figures, refusals = _save(sweep_figure(comparable), name)
        unwritten += refusals
        parts.append(asdict(protocol) | {"networks": [asdict(row) for row in rows], "figures": figures})
        devices = ", ".join(sorted({record.device for record in comparable}))
        where = f"drawn in {' and '.join(figures)}" if figures else "not drawn"
        texts.append("\n".join([f"{protocol}, on {devices}", _table(rows), where]))
    return Answer({"protocols": parts}, "\n\n".join(texts), tuple(unwritten))


def _save(figure: "Figure", name: str) -> tuple[list[str], list[str]]:
    """Write a figure as PNG and SVG; return the files, and a sentence for each file that could not be written."""
    from convac_lib.files import replace, telling
    from convac_lib.visuals.figures import encoded

    files, refusals = [], []
    for ending in ("png", "svg"):
        file = f"{name}.{ending}"
        try:
            with telling("write", file):
                replace(file, encoded(figure, ending))
            files.append(file)
        except DataError as error:  # the table is worth printing without its figures
            refusals.append(str(error))
    return files, refusals


def _table(rows: "Iterable[RunSummary]") -> str:
    lines = ["  B     C  parameters  seeds  accuracy (lowest to highest)   plain   test  seconds"]
    for row in rows:
        spread = f"{min(row.accuracies):6.1%} to {max(row.accuracies):6.1%}"
        lines.append(
            f"{row.B:3}  {row.channels:4}  {row.parameters:10,}  {len(row.accuracies):5}  {row.accuracy:8.1%} "
            f"({spread})  {row.train_accuracy:6.1%} {row.test_accuracy:6.1%}  {row.seconds:7,.0f}"
        )
    return "\n".join(lines)
