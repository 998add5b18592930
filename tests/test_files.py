"""Files: hostile names, special files, full disks, and the sentence for each."""

import dataclasses
import errno
import os
import re
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convac_lib.errors import DataError
from convac_lib.files import (
    Journal,
    append,
    appending,
    drop_torn_line,
    read,
    remedy_for,
    replace,
    require_place,
    telling,
)

PART = "a part of this path is a file, not a folder, so name another place"
SPACE = "free some space there, or name a place on another disk"


def sentence(what, use, path):
    with pytest.raises(DataError) as error, telling(what, path, missing="make it first"):
        use(path)
    return str(error.value)


def adding(path):
    with appending(path, wait=False) as file:
        append(file, "line", 100)


def writing(path):
    replace(path, b"data")


def reading(path):
    return read(path, 100)


USES = [("read", reading), ("write", writing), ("write", adding), ("write", require_place)]
each_use = pytest.mark.parametrize(("what", "use"), USES, ids=["read", "replace", "append", "require_place"])


def test_what_is_written_is_read_and_missing_folders_are_made(tmp_path):
    writing(tmp_path / "a" / "b" / "c.json")
    assert reading(tmp_path / "a" / "b" / "c.json") == b"data"
    adding(tmp_path / "d" / "e.jsonl")
    adding(tmp_path / "d" / "e.jsonl")
    assert reading(str(tmp_path / "d" / "e.jsonl")) == b"line\nline\n"
    require_place(tmp_path / "f" / "g.json")
    assert list((tmp_path / "f").iterdir()) == []


@each_use
def test_a_name_that_names_no_file_is_one_sentence(what, use, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    cases = {
        tmp_path: (errno.EISDIR, "name a file, not a folder"),
        f"{tmp_path}/file/": (errno.EISDIR, "name a file, not a folder"),
        tmp_path / "file" / "inside": (errno.ENOTDIR, PART),
        tmp_path / ("x" * 300): (errno.ENAMETOOLONG, "use a shorter name"),
    }
    if use is reading:
        cases[tmp_path / "none"] = (errno.ENOENT, "make it first")
        cases[tmp_path / "none" / "none"] = (errno.ENOENT, "make it first")
    for path, (number, remedy) in cases.items():
        assert sentence(what, use, path) == f"cannot {what} {path}: {os.strerror(number)}; {remedy}"
    assert sentence(what, use, tmp_path / "circle") == (
        f"cannot {what} {tmp_path / 'circle'}: {os.strerror(errno.ELOOP)}; "
        "its links lead in a circle, so name the file itself"
    )
    assert sentence(what, use, "a\0b") == (f"cannot {what} a\0b: a name cannot hold a NUL character; name another file")
    assert sentence(what, use, "") == f"cannot {what} '': the name is empty; name another file"
    assert (tmp_path / "file").read_text() == ""


@each_use
def test_a_name_that_the_system_cannot_write_is_one_sentence(what, use, monkeypatch):
    monkeypatch.setattr("sys.getfilesystemencoding", lambda: "ascii")
    monkeypatch.setattr("os.fsencode", lambda name: name.encode("ascii"))
    assert sentence(what, use, "é") == (
        f"cannot {what} é: this name has characters that ascii lacks; name another file"
    )


@pytest.mark.skipif(not hasattr(os, "O_NONBLOCK"), reason="no such flag here")
def test_a_file_is_opened_as_asked_and_without_waiting_for_a_pipes_other_end(tmp_path, monkeypatch):
    seen, system = [], os.open
    monkeypatch.setattr("os.open", lambda path, flags, *mode: seen.append((path, flags)) or system(path, flags, *mode))
    adding(tmp_path / "a")
    reading(str(tmp_path / "a"))
    asked = {flags for path, flags in seen if Path(path) == tmp_path / "a"}
    close = os.O_CLOEXEC | os.O_NONBLOCK
    assert asked == {close | os.O_RDWR | os.O_CREAT | os.O_APPEND, close | os.O_RDONLY}


@each_use
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_plain_file_is_left_alone_and_nothing_waits(what, use, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # a socket's name is short
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        before = {path.name: os.stat(path).st_mode for path in tmp_path.iterdir()}
        places = [tmp_path / "pipe", tmp_path / "socket", "/dev/zero", "/dev/null", "/dev/full"]
        for path in filter(os.path.exists, places):
            said = sentence(what, use, path)
            assert said.startswith(f"cannot {what} {path}: ") and said.endswith("; name another file")
            cause = said.removeprefix(f"cannot {what} {path}: ").removesuffix("; name another file")
            assert cause == "it is no plain file" or (path == tmp_path / "socket" and cause == os.strerror(errno.ENXIO))
        assert {path.name: os.stat(path).st_mode for path in tmp_path.iterdir()} == before


def test_a_file_that_is_too_large_or_grows_is_read_up_to_the_limit(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"x" * 101)
    assert sentence("read", reading, path) == f"cannot read {path}: it is larger than 100 bytes; name another file"
    with open(path, "wb") as file:
        file.truncate(2**40)  # sparse: a read of it all would end in the memory's end
    assert "larger than 100 bytes" in sentence("read", reading, path)
    path.write_bytes(b"x" * 96)
    assert (
        sentence("write", adding, path) == f"cannot write {path}: it would be larger than 100 bytes; name another file"
    )
    assert path.read_bytes() == b"x" * 96
    path.write_bytes(b"x" * 95)
    adding(path)  # "line" and its break fill the file
    assert reading(path) == b"x" * 95 + b"line\n"


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, SPACE),
        (errno.EDQUOT, SPACE),
        (errno.EROFS, "name a place on a disk that is not read-only"),
        (errno.EACCES, "ask its owner for the permission, or name another place"),
        (errno.EMFILE, "close files in other programs, or raise the limit with ulimit -n"),
        (errno.EIO, "the disk failed, so try again, or name a place on another disk"),
        (errno.EXDEV, "name another file"),
    ],
)
def test_a_failing_disk_leaves_what_was_there_and_is_one_sentence(number, remedy, tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("before")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    for place in ("os.fsync", "os.replace", "tempfile.NamedTemporaryFile"):
        with monkeypatch.context() as patch:
            patch.setattr(place, fail)
            assert sentence("write", writing, path) == f"cannot write {path}: {os.strerror(number)}; {remedy}"
        assert path.read_text() == "before" and [file.name for file in tmp_path.iterdir()] == ["a"]
    monkeypatch.setattr("os.open", fail)
    assert sentence("read", reading, path) == f"cannot read {path}: {os.strerror(number)}; {remedy}"


def test_a_limit_on_the_size_of_files_is_one_sentence(tmp_path):
    """The system's own refusal amid a write, as a full disk's."""
    resource = pytest.importorskip("resource")
    path = tmp_path / "rank.json"
    command = [sys.executable, "-m", "convac_lib", "certify", "--B", "3", "--M", "2", "--size", "4", "--out", str(path)]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        2,
        "",
        (
            f"convac: cannot write {path}: {os.strerror(errno.EFBIG)}; raise the limit on the size of a file with "
            "ulimit -f, or name a place on another disk\n"
        ),
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="no permissions of owners, groups and others here")
@pytest.mark.parametrize(("mask", "added"), [(0o000, 0o666), (0o022, 0o644), (0o077, 0o600)])
def test_everyone_may_read_a_file_that_is_written_whole_and_the_mask_rules_one_that_grows(mask, added, tmp_path):
    before = os.umask(mask)
    try:
        writing(tmp_path / "whole")
        adding(tmp_path / "lines")
    finally:
        os.umask(before)
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("whole", "lines")}
    assert modes == {"whole": 0o644, "lines": added}


def test_a_system_whose_pipes_always_block_reads_files(tmp_path, monkeypatch):
    """As Windows, which has no flag O_NONBLOCK."""
    adding(tmp_path / "a")
    monkeypatch.delattr("os.O_NONBLOCK", raising=False)
    assert reading(tmp_path / "a") == b"line\n"


def test_a_link_is_followed(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "far" / "file")
    writing(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "far" / "file").read_bytes() == b"data"


def test_only_one_process_adds_at_a_time(tmp_path):
    path, entered = tmp_path / "a", threading.Event()
    with appending(path, wait=False):
        assert sentence("write", adding, path) == f"another run is writing {path}; wait until it has ended"

        def wait():
            with appending(path, wait=True):
                entered.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not entered.is_set()
    waiting.join(60)
    assert entered.is_set()


def test_a_journal_keeps_each_finished_line_and_removes_a_torn_one_before_it_adds(tmp_path):
    path = tmp_path / "folder" / "a"
    journal = Journal(path, 100)
    assert journal.lines() == []
    with journal.appending(wait=False) as append_line:
        append_line("one")
        append_line("two")
    path.write_bytes(path.read_bytes() + b"thr")
    assert journal.lines() == [b"one", b"two"]
    with journal.appending(wait=False):
        pass
    assert path.read_bytes() == b"one\ntwo\nthr"  # whoever adds nothing changes nothing
    with journal.appending(wait=False) as append_line:
        append_line("three")
    assert path.read_bytes() == b"one\ntwo\nthree\n"
    path.write_bytes(b"one\r\ntwo\r\n")
    assert journal.lines() == [b"one", b"two"]


torn = st.text("a\n\r\t\0\xff").map(lambda text: text.encode("latin-1"))


@given(torn, st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8")), min_size=1, max_size=3))
@example(b"whole\ntorn\t", ["line"])
@example(b"torn", [""])
def test_after_a_kill_anywhere_the_whole_lines_remain_and_new_ones_follow(tmp_path_factory, before, lines):
    path = tmp_path_factory.mktemp("journal") / "a"
    path.write_bytes(before)
    whole = re.match(rb"(.*\n)?", before, re.DOTALL)[0]
    with Journal(path, 1000).appending(wait=False) as append_line:
        for number, line in enumerate(lines):
            append_line(line)
            assert path.read_bytes() == whole + "".join(f"{line}\n" for line in lines[: number + 1]).encode()
    assert Journal(path, 1000).lines()[-len(lines) :] == [line.encode() for line in lines]


def test_a_journal_reads_itself_again_only_to_remove_a_torn_line(tmp_path, monkeypatch):
    """A long sweep would otherwise read the whole file for each line that it adds."""
    path, removed = tmp_path / "a", []
    monkeypatch.setattr("convac_lib.files.drop_torn_line", lambda file: removed.append(drop_torn_line(file)))
    with Journal(path, 100).appending(wait=False) as append_line:
        append_line("one")
        append_line("two")
        assert removed == []
        path.write_bytes(b"one\ntw")  # as a write that failed halfway
        append_line("two")
        append_line("three")
    assert path.read_bytes() == b"one\ntwo\nthree\n" and removed == [len(b"one\n")]


@pytest.mark.parametrize(
    "unnamed",
    [
        lambda path: telling("read", path, "make it first"),
        lambda path: appending(path, False),
        lambda path: Journal(path, 100).appending(False),
    ],
)
def test_a_flag_and_a_remedy_are_given_by_name(unnamed, tmp_path):
    with pytest.raises(TypeError, match="positional argument"):
        unnamed(tmp_path / "a")


def test_a_journal_is_the_same_file_for_ever(tmp_path):
    journal = Journal(tmp_path / "a", 100)
    with pytest.raises(dataclasses.FrozenInstanceError):
        journal.path = tmp_path / "b"
    assert {journal: "a"}[Journal(tmp_path / "a", 100)] == "a"


def test_a_journal_that_cannot_be_read_or_written_is_one_sentence(tmp_path):
    path = tmp_path / "a"

    def said(use):
        with pytest.raises(DataError) as error:
            use()
        return str(error.value)

    def add(line, most=100):
        with Journal(path, most).appending(wait=False) as append_line:
            append_line(line)

    assert said(lambda: Journal(path, 100).lines(missing="make it first")) == (
        f"cannot read {path}: {os.strerror(errno.ENOENT)}; make it first"
    )
    assert said(lambda: add("line", 4)) == f"cannot write {path}: it would be larger than 4 bytes; name another file"
    with Journal(path, 100).appending(wait=False):
        assert said(lambda: add("line")) == f"another run is writing {path}; wait until it has ended"
    add("line")
    assert said(Journal(path, 4).lines) == f"cannot read {path}: it is larger than 4 bytes; name another file"
    path.unlink()
    path.mkdir()
    assert said(Journal(path, 100).lines) == f"cannot read {path}: Is a directory; name a file, not a folder"
    assert said(lambda: add("line")) == f"cannot write {path}: Is a directory; name a file, not a folder"


def test_a_remedy_says_how_another_place_is_chosen():
    full, strange = OSError(errno.EROFS, ""), OSError("no number")
    assert remedy_for(full, "", "set CONVAC_DATA to") == "set CONVAC_DATA to a place on a disk that is not read-only"
    assert remedy_for(strange, "name another file") == "name another file"
    with pytest.raises(DataError) as error, telling("read", "a", missing="make it first"):
        raise strange
    assert str(error.value) == "cannot read a: no number; name another file"
