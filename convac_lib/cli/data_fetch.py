"""convac data fetch: the download of a published data set."""

import sys
from argparse import ArgumentParser, Namespace

from convac_lib.cli.command import Answer

ABOUT = "Download a published data set, verify it, and store it in the folder that CONVAC_DATA names."
EXAMPLES: tuple[str, ...] = ("convac data fetch cifar10",)
SMALLER = "close other programs"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the name of the data set."""
    parser.add_argument("name", choices=["cifar10"], help="the data set: cifar10")


def run(arguments: Namespace) -> Answer:
    """Download a published data set, verify it, and store it in the folder that CONVAC_DATA names."""
    from convac_lib.data.load import load

    dataset = load(arguments.name, progress=sys.stderr.isatty())
    return Answer({"source": dataset.source, "digest": dataset.digest}, f"{dataset}\ndigest {dataset.digest}")
