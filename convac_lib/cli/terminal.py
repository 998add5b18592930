"""What the command line prints, whatever characters the terminal can show, and whether it can be written at all."""

import errno
import io
import os
import re
import sys
import unicodedata
from codecs import register_error
from contextlib import suppress
from typing import TextIO

from convac_lib.files import remedy_for

READABLE = {
    "×": "x", "·": "*", "≥": ">=", "≤": "<=", "≠": "!=", "→": "->", "⌈": "ceil(", "⌉": ")", "⌊": "floor(", "⌋": ")",
    "∞": "inf", "⟦": "[[", "⟧": "]]", "−": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
LONG_WORD = re.compile(r"\S{1000,}")
PROBE = "".join(map(chr, range(32, 127))) * 4 + "".join(READABLE) + "\n"


def prepare() -> None:
    """Make stdout and stderr exist and accept any text: a similar character replaces one that they cannot encode."""
    register_error("convac", _replace)
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed: a file that we open must not take its place
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(handle)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (open until the process ends)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="convac")
            try:
                PROBE.encode(stream.encoding, "convac")
            except (LookupError, UnicodeError):  # not an encoding of text
                stream.reconfigure(encoding="ascii", errors="convac")


def say(sentence: str) -> None:
    """Print one sentence on stderr, if that can be written; a word that no terminal shows at once is cut off."""
    short = LONG_WORD.sub(lambda word: f"{word[0][:200]}…", _printable(sentence).replace("\n", " "))
    try:
        print(short, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


def answer(text: str) -> bool:
    """Print the answer on stdout; return False if it could not be written.

    A reader that stops early, as `head` does, is no error.
    """
    try:
        if sys.stdout is None:
            raise OSError(errno.EBADF, "standard output is closed")
        print(_printable(text), flush=True)
    except BrokenPipeError:
        discard(sys.stdout)
    except (OSError, ValueError) as error:  # ValueError: Python has closed the stream
        discard(sys.stdout)
        cause, remedy = str(error), "send it to a terminal, a file or a pipe"
        if isinstance(error, OSError):
            cause, remedy = error.strerror or cause, remedy_for(error, remedy)
        say(f"convac: cannot print the answer: {cause}; {remedy}")
        return False
    return True


def discard(stream: TextIO | None) -> None:
    """Drop what a stream's buffer holds, and all later output: Python would flush it at exit, and fail again."""
    with suppress(AttributeError, OSError, ValueError):  # a stream that the operating system does not know
        if stream is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_readable, error.object[error.start : error.end])), error.end


def _readable(character: str) -> str:
    """Spell a character in ASCII: é becomes e, and a character without a similar one becomes a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return READABLE.get(character) or plain or "?"


def _printable(text: str) -> str:
    """Escape control characters, which names of files and fields of records may contain and a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
