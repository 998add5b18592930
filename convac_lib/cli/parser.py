"""The parser of the command line: it assembles the commands, and each command adds its own arguments."""

import argparse
from typing import TYPE_CHECKING, Any, NoReturn

from convac_lib import __version__
from convac_lib.cli import atlas, certify, compare, data_check, data_fetch, describe, report, sweep, verify
from convac_lib.cli.command import Command
from convac_lib.cli.statuses import BAD_INPUT, STATUSES, UNWRITTEN, YES
from convac_lib.cli.terminal import answer, say

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

ABOUT = """\
Measure what a convolutional network can represent.

convac takes networks that multiply linear maps over windows of an image, called
convolutional arithmetic circuits. It cuts the image's patches into two sides and
computes the rank of the network's function across this cut: the higher the rank,
the richer the dependence between the sides that the network can express. Networks
whose windows overlap reach ranks that others need exponentially more channels for.
"""
ABOUT_DATA = "Download published data sets, and check the downloaded files; CONVAC_DATA names their folder."
COMMANDS: dict[str, Command] = {
    "describe": describe,
    "certify": certify,
    "atlas": atlas,
    "compare": compare,
    "verify": verify,
}
DATA_COMMANDS: dict[str, Command] = {"fetch": data_fetch, "check": data_check}
EXPERIMENTS: dict[str, Command] = {"sweep": sweep, "report": report}


class _Parser(argparse.ArgumentParser):
    """A parser that prints as every command does."""

    def error(self, message: str) -> NoReturn:
        say(f"{self.prog}: {message}")
        self.exit(BAD_INPUT)

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        if not answer(self.format_help().rstrip("\n")):
            self.exit(UNWRITTEN)


class _Version(argparse.Action):
    """Print the version as every command prints its answer."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        parser.exit(YES if answer(f"convac {__version__}") else UNWRITTEN)


def parser() -> argparse.ArgumentParser:
    """Assemble the parser of the whole command line."""
    debug = _Parser(add_help=False)
    debug.add_argument(
        "--debug", action="store_true", default=argparse.SUPPRESS, help="print the traceback of an unexpected error"
    )
    raw: dict[str, Any] = {"formatter_class": argparse.RawDescriptionHelpFormatter, "parents": [debug]}
    parser = _Parser(prog="convac", description=ABOUT, epilog=STATUSES, **raw)
    parser.add_argument("--version", action=_Version, nargs=0, default=argparse.SUPPRESS, help="print the version")
    group = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add(group, COMMANDS, raw)
    data = group.add_parser("data", help=ABOUT_DATA, description=ABOUT_DATA, parents=[debug])
    _add(data.add_subparsers(required=True, metavar="COMMAND", dest="data_command"), DATA_COMMANDS, raw)
    _add(group, EXPERIMENTS, raw)
    return parser


def _add(group: Any, commands: dict[str, Command], raw: dict[str, Any]) -> None:  # argparse's group has no public type
    for name, command in commands.items():
        epilog = "\n  ".join(["example:" if len(command.EXAMPLES) == 1 else "examples:", *command.EXAMPLES])
        one = group.add_parser(name, help=command.ABOUT, description=command.ABOUT, epilog=epilog, **raw)
        command.add_arguments(one)
        one.add_argument("--json", action="store_true", help="print the answer as JSON")
        one.set_defaults(run=command.run, smaller=command.SMALLER)
