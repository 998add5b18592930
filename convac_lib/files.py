"""Write files that survive a kill, whole or line by line, and read files of unknown origin up to a limit.

Failures are `OSError`s. `telling` turns one into a sentence with the remedy for its cause.
"""

import errno
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from convac_lib.errors import DataError

_SPACE = "free some space there, or {name} a place on another disk"
_PERMISSION = "ask its owner for the permission, or {name} another place"
_PART = "a part of this path is a file, not a folder, so {name} another place"
_LIMIT = "close files in other programs, or raise the limit with ulimit -n"
REMEDIES: dict[int | None, str] = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EROFS: "{name} a place on a disk that is not read-only",
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EISDIR: "{name} a file, not a folder",
    errno.ENOTDIR: _PART,
    errno.EEXIST: _PART,
    errno.ENAMETOOLONG: "use a shorter name",
    errno.ELOOP: "its links lead in a circle, so {name} the file itself",
    errno.EMFILE: _LIMIT,
    errno.ENFILE: _LIMIT,
    errno.EFBIG: "raise the limit on the size of a file with ulimit -f, or {name} a place on another disk",
    errno.EIO: "the disk failed, so try again, or {name} a place on another disk",
}


def remedy_for(error: OSError, otherwise: str, name: str = "name") -> str:
    """What a user can do about an error of the operating system.

    Args:
        error: the error.
        otherwise: the remedy for any other cause, such as a file that is missing.
        name: how the user chooses another place, as in "set CONVAC_DATA to".

    >>> remedy_for(OSError(errno.ENOSPC, "No space left on device"), otherwise="name another file")
    'free some space there, or name a place on another disk'
    """
    return REMEDIES.get(error.errno, otherwise).format(name=name)


@contextmanager
def telling(
    what: str,
    path: str | Path,
    *,
    missing: str | None = None,
    otherwise: str = "name another file",
    name: str = "name",
) -> Iterator[None]:
    """Raise an error of the operating system as one sentence: the cause, and the remedy for that cause.

    Args:
        what: the verb, such as "read" or "write".
        path: the file, as the user named it.
        missing: the remedy where there is no such file; if left out, the one for any other cause.
        otherwise: the remedy for a cause that has none of its own.
        name: how the user chooses another place, as for `remedy_for`.

    Raises:
        DataError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        remedy = remedy_for(error, missing or otherwise if error.errno == errno.ENOENT else otherwise, name)
        raise DataError(f"cannot {what} {path or repr(path)}: {error.strerror or error}; {remedy}") from None


def read(path: str | Path, most: int) -> bytes:
    """Read a plain file; refuse a pipe, which could block for ever, and a device, which may have no end.

    Args:
        path: the file.
        most: the number of bytes above which it is refused.

    Raises:
        OSError: if it cannot be read, is no plain file, or is larger.
    """
    with open(_name(path), "rb", opener=_open_plain) as file:
        data: bytes = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EINVAL, f"it is larger than {most:,} bytes")
    return data


def replace(path: str | Path, data: bytes) -> None:
    """Write a whole file. A temporary file is synced and then renamed, so that a kill leaves what was there before.

    A missing folder is made and a link is followed. Only a plain file is replaced.

    Raises:
        OSError: if it cannot be written.
    """
    place = _place(path)
    with ExitStack() as undo:
        with tempfile.NamedTemporaryFile(dir=place.parent, delete=False) as file:
            undo.callback(os.unlink, file.name)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(file.name, 0o644)  # only its owner may read a temporary file
        os.replace(file.name, place)  # after it is closed, as Windows requires
        undo.pop_all()


def require_place(path: str | Path) -> None:
    """Raise, before long work begins, the error that `replace` would raise after it.

    Raises:
        DataError: if no file can be written there.
    """
    with telling("write", path), tempfile.TemporaryFile(dir=_place(path).parent):
        pass


@contextmanager
def appending(path: str | Path, *, wait: bool) -> Iterator[BinaryIO]:
    """Open a file to append to, and lock it against other processes that open it here; make it if it is missing.

    Args:
        path: the file.
        wait: whether to wait for another process that holds it.

    Raises:
        OSError: if it cannot be written, or is no plain file.
        DataError: if another process holds it, and this one is not to wait.
    """
    from filelock import FileLock, Timeout  # here, so that the command line can report a missing package

    place = _place(path)
    try:
        lock = FileLock(f"{place}.lock").acquire(blocking=wait)
    except Timeout:
        raise DataError(f"another run is writing {path}; wait until it has ended") from None
    with lock, open(place, "a+b", opener=_open_plain) as file:
        yield file


def append(file: BinaryIO, line: str, most: int) -> None:
    """Write a line at the end of a file, and return when it is on the disk.

    Args:
        file: from `appending`.
        line: the line without its line break.
        most: the largest size in bytes that the file may reach, so that `read` accepts it.

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
    """Remove a last line that a killed run left unfinished; return the number of bytes that remain."""
    file.seek(0)
    return file.truncate(file.read().rfind(b"\n") + 1)


@dataclass(frozen=True)
class Journal:
    """A file of lines that only grows: each line is on the disk before the next, and several processes may write it.

    Args:
        path: the file.
        most: the largest size in bytes that the file may have.

    >>> Journal("no/such/file", 2**20).lines()
    []
    """

    path: str | Path
    most: int

    def lines(self, missing: str | None = None) -> list[bytes]:
        """Read the finished lines, without their line breaks; leave out a last line that a killed run left unfinished.

        Args:
            missing: the remedy where there is no such file; if left out, a missing file has no lines.

        Raises:
            DataError: if the file cannot be read.
        """
        with telling("read", self.path, missing=missing):
            try:
                data = read(self.path, self.most)
            except FileNotFoundError:
                if missing is not None:
                    raise
                return []
        return [line.rstrip(b"\r") for line in data.split(b"\n")[:-1]]

    @contextmanager
    def appending(self, *, wait: bool) -> Iterator[Callable[[str], None]]:
        """Lock the file, and yield a function that appends one line; the first call removes an unfinished last line.

        Args:
            wait: whether to wait for another process that holds the file.

        Raises:
            DataError: if the file cannot be written, or another process holds it and this one is not to wait.
        """
        with ExitStack() as lock:
            with telling("write", self.path):
                file = lock.enter_context(appending(self.path, wait=wait))

            def append_line(line: str) -> None:
                with telling("write", self.path):
                    if not _ends_whole(file):
                        drop_torn_line(file)
                    append(file, line, self.most)

            yield append_line


def _ends_whole(file: BinaryIO) -> bool:
    """Whether a file is empty, or its last line is finished."""
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read() == b"\n"


def require_plain(status: os.stat_result) -> None:
    """Refuse a folder, a pipe, a socket or a device by its status.

    Raises:
        OSError: if it is no plain file.
    """
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is no plain file")


def results_path(name: str) -> Path:
    """Return where a measured record is: in the installed package, or in the folder `results/` of a checkout.

    Args:
        name: the name of the file, as in "atlas.csv", or "certificates" for their folder.

    Chapter: *Is a little overlap all you need?*.

    >>> results_path("atlas.csv").is_file()
    True
    """
    package = Path(__file__).resolve().parent
    installed = package / "results"
    return (installed if installed.is_dir() else package.parent / "results") / name


def _name(path: str | Path) -> str:
    """The path as text, if the operating system accepts it as the name of a file."""
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


def _place(path: str | Path) -> Path:
    """Where a file can be written once links are followed; its folder is made, and only a plain file may be there."""
    place = Path(os.path.realpath(_name(path)))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # it is a file
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
    with suppress(FileNotFoundError):
        require_plain(os.stat(place))
    return place


def _open_plain(path: str, flags: int) -> int:
    handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0), 0o666)  # a pipe would block until its other end opens
    try:
        require_plain(os.fstat(handle))
    except OSError:
        os.close(handle)
        raise
    return handle
