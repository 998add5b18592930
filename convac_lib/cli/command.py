"""What every command is: a module with its help, its arguments and the function that runs it."""

from argparse import ArgumentParser, Namespace
from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What a command returns.

    Attributes:
        report: what --json prints.
        text: what is printed for people.
        unwritten: a sentence for each file that could not be written; any makes the exit status 74.
    """

    report: dict[str, object]
    text: str
    unwritten: tuple[str, ...] = ()


class Command(Protocol):
    """A module of `convac_lib.cli` that is a command.

    It imports what computes inside `run`, so that `convac --help` loads neither NumPy nor torch.

    Attributes:
        ABOUT: what the command does, in one sentence: the docstring of `run`, which `python -OO` would drop.
        EXAMPLES: command lines that work.
        SMALLER: what to do where there is too little memory, a clause.
    """

    ABOUT: str
    EXAMPLES: tuple[str, ...]
    SMALLER: str

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add the arguments that belong to this command alone, or that it shares with others by a function."""

    def run(self, arguments: Namespace) -> Answer:
        """Do what `ABOUT` says."""
