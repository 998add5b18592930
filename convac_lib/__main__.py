"""The command line: `convac` and `python -m convac_lib` are the same program.

Exit status:
    0    done; the answer is yes
    1    the answer is no: a certificate is false or was altered
    2    bad input, or not enough memory, disk space or permission; one sentence
         on stderr says which
    70   an unexpected error, which is our fault; --debug prints its traceback
    74   the answer, or one of its figures, could not be written
    130  interrupted by Ctrl-C
"""

import signal
import sys
from typing import TYPE_CHECKING

from convac_lib.cli.statuses import BAD_INPUT, INTERRUPTED, NO, OUR_FAULT, UNWRITTEN, YES
from convac_lib.errors import CertificateError, ConvacError

if TYPE_CHECKING:
    from argparse import Namespace

    from convac_lib.cli.command import Answer


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        words: the command line's words; those of the process if left out.
    """
    try:
        return _run(words)
    except KeyboardInterrupt:
        from convac_lib.cli.terminal import discard, say

        discard(sys.stdout)  # a reader that has stopped reading would block the flush at exit
        say("convac: interrupted; results already written are kept")
        return INTERRUPTED
    finally:
        if words is None and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # nothing is left to interrupt while Python exits


def _run(words: list[str] | None) -> int:
    from convac_lib.cli.terminal import answer, prepare, say  # here, so that Ctrl-C finds `main` ready for it

    prepare()
    debug, smaller = "--debug" in (sys.argv if words is None else words), "close other programs"
    try:
        import json
        import warnings

        from convac_lib.cli.parser import parser

        arguments = parser().parse_args(words)
        debug, smaller = "debug" in arguments, arguments.smaller
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: say(f"convac: {message}")
            report, text, unwritten = _finished(arguments)
        written = answer(json.dumps(report, indent=2) if arguments.json else text)
    except (ConvacError, UserWarning) as error:  # a warning is raised where Python was told to raise it
        say(f"convac: {error}")
        return NO if isinstance(error, CertificateError) else BAD_INPUT
    except Exception as error:  # noqa: BLE001 (no error may escape as a traceback)
        if debug:
            _print_traceback()
        status, sentence = _account_of(error, smaller)
        say(f"convac: {sentence}")
        return status
    for sentence in unwritten:
        say(f"convac: {sentence}")
    return YES if written and not unwritten else UNWRITTEN


def _finished(arguments: "Namespace") -> "Answer":
    """Run the command; it must not choose the exit status itself."""
    try:
        answer: Answer = arguments.run(arguments)
    except SystemExit as error:
        raise RuntimeError(f"{arguments.command} asked to exit with {error.code!r}") from error
    return answer


def _account_of(error: Exception, smaller: str) -> tuple[int, str]:
    """Choose the exit status and the sentence for an error that no command foresaw."""
    from convac_lib.files import REMEDIES, remedy_for

    message = str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError" or "allocate memory" in message:
        return BAD_INPUT, f"this needs more memory than there is; {smaller}"
    if isinstance(error, ModuleNotFoundError) and not (error.name or "convac_lib").startswith("convac_lib"):
        return (
            BAD_INPUT,
            f"this installation lacks the module {error.name}; install convac-lib again, with all it needs",
        )
    if isinstance(error, OSError) and error.errno in REMEDIES:
        place = f"cannot use {error.filename}: " if error.filename else ""
        return BAD_INPUT, f"{place}{error.strerror}; {remedy_for(error, '')}"
    what = f"{type(error).__name__}: {message}"[:300] if message else type(error).__name__
    return OUR_FAULT, (
        f"an unexpected error stopped this command, which is our fault ({what}); "
        f"please report it {_where_to_report()}, with the command and what --debug prints"
    )


def _where_to_report() -> str:
    """Find the page of issues of the repository that this package names, if it names one."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        entries = metadata("convac-lib").get_all("Project-URL") or []
    except PackageNotFoundError:
        entries = []
    addresses = dict(entry.split(", ", 1) for entry in entries)
    if "Issues" in addresses:
        return f"at {addresses['Issues']}"
    if "Repository" in addresses:
        return f"at {addresses['Repository'].removesuffix('/').removesuffix('.git')}/issues"
    return "to whoever gave you this copy"


def _print_traceback() -> None:
    import traceback
    from contextlib import suppress

    with suppress(OSError, ValueError):
        traceback.print_exc()


if __name__ == "__main__":
    sys.exit(main())
