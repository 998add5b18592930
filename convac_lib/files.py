"""Files that survive a kill: written whole or not at all, or line by line, each on the disk before it counts."""

import os
import tempfile
from pathlib import Path
from typing import BinaryIO


def replace(path: str | Path, data: bytes) -> None:
    """Write a file whole: beside its place first, synced, then renamed, so that a kill leaves what was there before.

    Raises:
        OSError: if it cannot be written.
    """
    folder = Path(path).resolve().parent
    file = tempfile.NamedTemporaryFile(dir=folder, delete=False)
    try:
        with file:  # closed before it is renamed, as Windows asks
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)  # a temporary file is for its maker alone
        os.replace(file.name, path)
    except BaseException:
        os.unlink(file.name)
        raise


def append(file: BinaryIO, line: str) -> None:
    """Write a line at the end, and return when it is on the disk."""
    file.write(line.encode() + b"\n")
    file.flush()
    os.fsync(file.fileno())


def drop_torn_line(file: BinaryIO) -> int:
    """Take away a last line that a killed run never finished; return the number of bytes that are left."""
    file.seek(0)
    return file.truncate(file.read().rfind(b"\n") + 1)


def results_path(name: str) -> Path:
    """Return where a file of the measured records is: in the installed package, or in `results/` of a checkout.

    Args:
        name: the file's, as in "atlas.csv", or "certificates" for their folder.

    Chapter: *Is a little overlap all you need?*.

    >>> results_path("atlas.csv").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    installed = package / "results"
    return (installed if installed.is_dir() else package.parent / "results") / name
