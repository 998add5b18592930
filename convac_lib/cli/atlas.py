"""convac atlas: a table of exact ranks over sizes, channels and windows."""

import sys
from argparse import ArgumentParser, Namespace

from convac_lib.cli.command import Answer

ABOUT = "Compute the ranks of networks of B×B layers for every size, M and B, and store them with certificates."
EXAMPLES: tuple[str, ...] = ("convac atlas --sizes 4 8 --M 2 3 --B 1 2 3 --out atlas.csv",)
SMALLER = "use smaller --sizes, --M or --B"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the axes of the table and its file."""
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", required=True, metavar="H", help="sides of the image, counted in patches")
    add("--M", type=int, nargs="+", required=True, help="representation channels: how many numbers describe each patch")
    add("--B", type=int, nargs="+", required=True, help="sides of the windows; 1 is a network without overlap")
    add(
        "--out",
        required=True,
        metavar="FILE",
        help="CSV file of the table, with its certificates in a folder beside it; "
        "running the command again resumes where it stopped",
    )


def run(arguments: Namespace) -> Answer:
    """Compute the ranks of networks of B×B layers for every size, M and B, and store them with certificates."""
    from convac_lib.theory.atlas import extend_atlas, read_atlas

    extend_atlas(arguments.out, arguments.sizes, arguments.M, arguments.B, progress=sys.stderr.isatty())
    cells = read_atlas(arguments.out)
    counts = {status: sum(cell.status == status for cell in cells) for status in ("exact", "whole", "at least")}
    words = ", ".join(f"{count} {status}" for status, count in counts.items())
    return Answer({"cells": len(cells), **counts}, f"{len(cells)} cells in {arguments.out}: {words}")
