"""What the command line prints: on any terminal, whatever it can show, and whether it can be written at all."""

import errno
import io
import os
import sys
import unicodedata
from codecs import register_error

from convac_lib.files import remedy_for

READABLE = {
    "×": "x", "·": "*", "≥": ">=", "≤": "<=", "≠": "!=", "→": "->", "⌈": "ceil(", "⌉": ")", "⌊": "floor(", "⌋": ")",
    "∞": "inf", "⟦": "[[", "⟧": "]]", "−": "-", "–": "-", "—": "-", "‘": "'", "’": "'", "“": '"', "”": '"',
}  # fmt: skip
PROBE = "".join(map(chr, range(32, 127))) * 4 + "".join(READABLE) + "\n"


def prepare() -> None:
    """Let stdout and stderr take any text, and be there: what a terminal cannot show is replaced by what is like it."""
    register_error("convac", _replace)
    if None in (sys.stdin, sys.stdout, sys.stderr):  # closed; no file of ours may take their places
        while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(handle)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="convac")
            try:
                PROBE.encode(stream.encoding, "convac")
            except (LookupError, UnicodeError):  # an encoding that is not for text
                stream.reconfigure(encoding="ascii", errors="convac")


def say(sentence: str) -> None:
    """Print one sentence on stderr, if that can be written."""
    try:
        print(_printable(sentence).replace("\n", " "), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        discard(sys.stderr)


def answer(text: str) -> bool:
    """Print the answer on stdout; return whether it was written, or its reader, `head` for one, has seen enough."""
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


def discard(stream: io.TextIOBase | None) -> None:
    """Drop what a stream still holds, and all that comes: Python writes it when it ends, and would complain again."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (AttributeError, OSError, ValueError):  # no stream, or none of the operating system's
        return


def _replace(error):
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_readable, error.object[error.start : error.end])), error.end


def _readable(character):
    """What is like a character, in ASCII: é is like e, and what is like nothing is a question mark."""
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return READABLE.get(character) or plain or "?"


def _printable(text):
    """Text without what would steer the terminal: names of files and fields of records may hold anything."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
