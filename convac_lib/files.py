"""Files that survive a kill, written whole or line by line, and files that may come from anyone, read up to a limit.

What goes wrong is an `OSError`, and `telling` makes it one sentence with the remedy for its cause.
"""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from convac_lib.errors import DataError

_SPACE = "free some space there, or name a place on another disk"
_PERMISSION = "ask its owner for the permission, or name another place"
_LIMIT = "close files in other programs, or raise the limit with ulimit -n"
REMEDIES = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "name a place on a disk that is not read-only",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EISDIR: "name a file, not a folder",
    errno.ENOTDIR: "a part of this path is a file, not a folder, so name another place",
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "its links lead in a circle, so name the file itself",
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.EFBIG: "raise the limit on the size of a file with ulimit -f, or name a place on another disk",
    errno.EIO: "the disk failed, so try again, or name a place on another disk",
}


def remedy_for(error: OSError, otherwise: str) -> str:
    """What a user can do about an error of the operating system.

    Args:
        error: the error.
        otherwise: the remedy for any other cause, such as a file that is missing.

    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"), otherwise="name another file")
    'free some space there, or name a place on another disk'
    """
    return REMEDIES.get(error.errno, otherwise)


@contextmanager
def telling(what: str, path: str | Path, *, missing: str = "name another file") -> Iterator[None]:
    """Raise an error of the operating system as one sentence: the cause, and the remedy for that cause.

    Args:
        what: "read" or "write".
        path: the file, as the user named it.
        missing: the remedy where there is no such file.

    Raises:
        DataError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        remedy = remedy_for(error, missing if error.errno == errno.ENOENT else "name another file")
        raise DataError(f"cannot {what} {path or repr(path)}: {error.strerror or error}; {remedy}") from None


def read(path: str | Path, most: int) -> bytes:
    """Read a plain file: a pipe could wait for ever, a device never end.

    Args:
        path: the file.
        most: the number of bytes above which it is refused.

    Raises:
        OSError: if it cannot be read, is no plain file, or is larger.
    """
    with open(_name(path), "rb", opener=_open_plain) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EINVAL, f"it is larger than {most:,} bytes")
    return data


def replace(path: str | Path, data: bytes) -> None:
    """Write a file whole: beside its place first, synced, then renamed, so that a kill leaves what was there before.

    Its folder is made if it is missing. A link is followed, and what is no plain file is left alone.

    Raises:
        OSError: if it cannot be written.
    """
    path = _place(path)
    file = tempfile.NamedTemporaryFile(dir=path.parent, delete=False)
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


def require_place(path: str | Path) -> None:
    """Raise, before long work begins, what `replace` would raise after it.

    Raises:
        DataError: if no file can be written there.
    """
    with telling("write", path), tempfile.TemporaryFile(dir=_place(path).parent):
        pass


@contextmanager
def appending(path: str | Path, *, wait: bool) -> Iterator[BinaryIO]:
    """Open a file to add lines to, while no other process that asks like this holds it; it and its folder are made.

    Args:
        path: the file.
        wait: whether to wait for another process that holds it.

    Raises:
        OSError: if it cannot be written, or is no plain file.
        DataError: if another process holds it, and this one is not to wait.
    """
    from filelock import FileLock, Timeout  # here, so that the command line can speak where a package is missing

    place = _place(path)
    try:
        lock = FileLock(f"{place}.lock").acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise DataError(f"another run is writing {path}; wait until it has ended") from None
    with lock, open(place, "a+b", opener=_open_plain) as file:
        yield file


def append(file: BinaryIO, line: str, most: int) -> None:
    """Write a line at the end, and return when it is on the disk.

    Args:
        file: from `appending`.
        line: without its end.
        most: the size that the file may reach, so that it can be read again.

    Raises:
        OSError: if it cannot be written, or the file would be larger.
    """
    data = line.encode() + b"\n"
    if file.seek(0, os.SEEK_END) + len(data) > most:
        raise OSError(errno.EINVAL, f"it would be larger than {most:,} bytes")
    file.write(data)
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


def _name(path):
    """The path as text, if the operating system can take it for the name of a file."""
    name = os.fspath(path)
    if not name:
        raise OSError(errno.EINVAL, "the name is empty")
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        encoding = sys.getfilesystemencoding()
        raise OSError(errno.EINVAL, f"this name has characters that {encoding} lacks") from None
    if "\0" in name:
        raise OSError(errno.EINVAL, "a name cannot hold a NUL character")
    if name.endswith(("/", os.sep)):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return name


def _place(path):
    """Where a file can be written, links followed: its folder is made, and what is there already is a plain file."""
    place = Path(os.path.realpath(_name(path)))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # it is a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    with suppress(FileNotFoundError):
        _require_plain(os.stat(place))
    return place


def _open_plain(path, flags):
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)  # or a pipe would wait for its other end
    try:
        _require_plain(os.fstat(handle))
    except OSError:
        os.close(handle)
        raise
    return handle


def _require_plain(status):
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")
