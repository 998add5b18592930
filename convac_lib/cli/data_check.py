"""convac data check: what has been downloaded, and whether it is whole."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from convac_lib.cli.command import Answer

ABOUT = "Report which data sets have been downloaded, and whether their files are undamaged."
EXAMPLES: tuple[str, ...] = ("convac data check",)
SMALLER = "close other programs"


def add_arguments(parser: ArgumentParser) -> None:
    """Add nothing: the command has no arguments of its own."""


def run(arguments: Namespace) -> Answer:
    """Report which data sets have been downloaded, and whether their files are undamaged."""
    from convac_lib.data import cifar10

    report: Mapping[str, Any] = cifar10.check(cifar10.OFFICIAL, cifar10.data_folder())
    lines = ["cifar10"]
    for what in ("archive", "arrays"):
        found = report[what]
        lines.append(f"  {what:<8} {found['state']}: {found.get('why', found['path'])}")
        if "digest" in found:
            lines.append(f"  digest   {found['digest']}")
    lines += [f"  unused   {found['why']}" for found in report.get("unused", [])]
    return Answer({"cifar10": report}, "\n".join(lines))
