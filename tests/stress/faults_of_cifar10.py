"""Damaged archives, failing servers and full disks against CIFAR-10's reader: all refused, with the cache untouched.

    python tests/stress/faults_of_cifar10.py

tries them on an archive of exactly the official size and prints the number of each kind, in about 20 minutes of one
core. Its images are random, since the official ones are no part of this repository. test_cifar10.py tries a small one.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from helpers.archives import (
    BATCH,
    END,
    FOLDER,
    NAMES,
    assert_holds,
    batches_of,
    draw_images,
    header,
    joined,
    member,
    official_size,
    piece,
    write,
)
from helpers.servers import Server, broken_servers, send, stalled_servers
from tqdm import tqdm

from convac_lib.data import archive as archives
from convac_lib.data.archive import Archive
from convac_lib.data.cifar10 import OFFICIAL, check, read
from convac_lib.errors import DataError

TYPES = [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"Z"]  # links, devices, folder, pipe and stranger ones


def files_in(folder):
    """All that lies below a folder, and the files as they are; a lock that nobody holds says nothing."""
    found = {path: path.lstat() for path in folder.rglob("*") if path.suffix != ".lock"}
    return {path: path.is_dir() or (state.st_ino, state.st_size, state.st_mtime_ns) for path, state in found.items()}


def refusal(archive, cache):
    """The one sentence with which reading is refused; nothing in or beside the cache has changed."""
    before = files_in(cache.parent)
    with pytest.raises(DataError) as error:
        read(archive, cache)
    assert files_in(cache.parent) == before
    return str(error.value)


def cuts(path, archive, step):
    """Cut the file shorter and shorter; it is lost in the end."""
    for length in reversed(range(0, archive.size, step)):
        os.truncate(path, length)
        assert refusal(archive, path.parent) == (
            f"{path} has {length:,} bytes, not the {archive.size:,} of {archive.name}; "
            "delete it, and run convac data fetch cifar10"
        )
        yield


@contextmanager
def flipped_bit(file, place, rng):
    """A random bit of the byte at this place is changed, and mended at the end."""
    file.seek(place)
    (byte,) = file.read(1)
    for value in (byte ^ 1 << int(rng.integers(8)), byte):
        file.seek(place)
        file.write(bytes([value]))
        if value != byte:
            yield


def flips(path, archive, step, seed=0):
    """Change a random bit in every block of the file, one after the other, and mend it again."""
    rng = np.random.default_rng(seed)
    with open(path, "r+b", buffering=0) as file:
        for start in range(0, archive.size, step):
            place = int(rng.integers(start, min(start + step, archive.size)))
            with flipped_bit(file, place, rng):
                sentence = refusal(archive, path.parent)
            assert sentence.startswith(f"{path} has MD5 ") and f", not the {archive.md5} of " in sentence
            yield
    assert check(archive, path.parent)["archive"]["state"] == "whole"  # nothing else was wrong


def wrong_members(data, names=NAMES):
    """Archives whose hash is right and whose members are not: missing, renamed, of another size or type, or more."""
    whole = {name: member(data[name], name) for name in NAMES}
    for name in names:
        others = [whole[other] for other in NAMES if other != name]
        yield joined(others), f"has no {name};"
        short = name.rsplit("/", 1)[1]
        for other in (short, f"./{name}", f"/{name}", f"../{name}", f"{FOLDER}/../{short}", name.upper(), f"{name} "):
            yield joined([member(data[name], other), *others]), f"holds {other!r} of type '0' and 30,730,000 bytes,"
        for size in (0, 1, BATCH - 3073, BATCH - 1, BATCH + 1, BATCH + 3073, 8**11 - 1):
            yield joined([member(data[name], name, size), *others]), f"holds {name!r} of type '0' and {size:,} bytes,"
        for kind in TYPES:
            yield joined([member(b"", name, 0, kind), *others, whole[name]]), f"holds {name!r} of type "
            yield joined([member(b"", "../link", 0, kind), *others, whole[name]]), "holds '../link' of type "
        yield joined([whole[name], whole[name], *others]), f"holds {name!r} of type '0' and 30,730,000 bytes,"
        yield joined([member(piece(b"more"), f"{name}.orig", 4), *whole.values()]), f"holds '{name}.orig' of type '0'"


def wrong_headers(data, step=1):
    """Archives with each byte of a member's header changed in turn, which its checksum finds."""
    good, rest = header(NAMES[0], BATCH), [member(data[name], name) for name in NAMES[1:]]
    for place in [*range(0, 148, step), *range(156, 512, step)]:  # the checksum itself lies between
        changed = bytearray(good)
        changed[place] ^= 1
        yield piece(bytes(changed)) + data[NAMES[0]] + b"".join(rest) + END, ""


def wrong_labels(images, labels, data, values, names=NAMES):
    """Archives with one label changed in each batch: to none of the ten, or to another of them."""
    for number, name in ((NAMES.index(name), name) for name in names):
        split = "test" if number == 5 else "train"
        for value in values:
            changed = labels.copy()
            place = 10_000 * number + value
            changed[place] = value if value > 9 else (labels[place] + 1 + value) % 10
            new = data | {name: piece(batches_of(images, changed)[name])}
            words = f"has the label {value} in {split}, and labels are 0 to 9;" if value > 9 else f" in {split}, not "
            yield joined([member(new[other], other) for other in NAMES]), words


def cut_inside(content, step):
    """Archives that end too early, and have the hash of such."""
    for length in (*range(0, len(content), step), len(content) - 1):
        yield content[:length], ""


def refuse_each(contents, cache):
    """Try archives whose hash is right one by one; yield the sentences."""
    for content, words in contents:
        path = cache / OFFICIAL.name
        sentence = refusal(write(path, content), cache)
        assert sentence.startswith(f"{path} ") and words in sentence, (sentence, words)
        assert sentence.endswith("; delete it, and run convac data fetch cifar10")
        yield sentence


def refuse_each_answer(answers, archive, cache, patience=60):
    """Ask one broken server after the other, once each; only one that stalls needs little patience."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(archives, "_RETRIES", 0)
        patch.setattr(archives, "_PATIENCE", patience)
        for answer, reason in answers:
            with Server(answer) as server:
                asked = Archive(server.url, archive.size, archive.md5)
                sentence = refusal(asked, cache)
            assert sentence.startswith(f"cannot fetch {server.url}: {reason}"), (sentence, reason)
            assert sentence.endswith(f"get {asked} elsewhere and put it at {cache / OFFICIAL.name}")
            yield


@contextmanager
def largest_file(size):
    """Limit the size of files, which a program that writes one file cannot tell from a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_disk(archive, cache, sizes, reason="File too large"):
    """Stop writing after each number of bytes, of the download if the archive is missing, else of the arrays."""
    for size in sizes:
        with largest_file(size):
            sentence = refusal(archive, cache)
            assert sentence.startswith("cannot keep the ") and f" MB of CIFAR-10 in {cache}: {reason}; " in sentence
            assert sentence.endswith(", or set CONVAC_DATA to a place on another disk")
        yield


def damaged_arrays(archive, cache, header_step, step, seed=0):
    """Change a bit at every step of the array file's header and of what follows, then cut it; it is lost in the end."""
    path, rng = cache / "cifar10.safetensors", np.random.default_rng(seed)
    digest, size = read(archive, cache).digest, path.stat().st_size
    sentence = f"{path} is damaged, or not made from {archive}; delete it, and it is made again"
    with open(path, "r+b", buffering=0) as file:
        head = 8 + int.from_bytes(file.read(8), "little")
        places = [int(rng.integers(start, min(start + step, size))) for start in range(head, size, step)]
        for place in [*range(0, head, header_step), *places, size - 1]:
            with flipped_bit(file, place, rng):
                assert refusal(archive, cache) == sentence
            yield
    assert read(archive, cache).digest == digest
    for length in reversed(range(0, size, step)):
        os.truncate(path, length)
        assert refusal(archive, cache) == sentence
        yield
    path.unlink()


def kills(archive, cache, times, within, seed=0):
    """Kill the conversion at random moments; yield whether the arrays were there, whole, or not there."""
    arrays, rng = cache / "cifar10.safetensors", np.random.default_rng(seed)
    for _ in range(times):
        child = os.fork()
        if not child:
            read(archive, cache)
            os._exit(0)
        time.sleep(float(rng.uniform(0, within)))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        state = check(archive, cache)["arrays"]["state"]
        assert state in ("absent", "whole")
        for leftover in (arrays, *cache.glob("tmp*")):
            leftover.unlink(missing_ok=True)
        yield state


@contextmanager
def small_disk(folder, size):
    """Mount another file system of this size in this folder; yield False where that is not allowed."""
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False, capture_output=True
    ).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


def try_at_full_size(cache):
    path = cache / OFFICIAL.name
    images, labels, archive = official_size(path)
    assert_holds(read(archive, cache), images, labels)
    (cache / "cifar10.safetensors").unlink()
    yield "flipped bits, one in every 64 KiB of the archive", flips(path, archive, 2**16)
    yield "archives cut at every MiB", cuts(path, archive, 2**20)
    path.unlink()


def try_at_small_size(cache):
    images, labels = draw_images(distinct=10)
    data = {name: piece(content) for name, content in batches_of(images, labels).items()}
    content, path = joined(member(data[name], name) for name in NAMES), cache / OFFICIAL.name
    archive = write(path, content)
    assert_holds(read(archive, cache), images, labels)
    yield "array files cut or with a flipped bit", damaged_arrays(archive, cache, 1, 2**21)
    yield "kills of the conversion", kills(archive, cache, 40, 3.0)
    yield (
        "full disks while converting, as a limit on file sizes",
        full_disk(archive, cache, range(0, 180 * 10**6, 3 * 10**7)),
    )
    with small_disk(cache, "64m") as mounted:
        if mounted:
            write(path, content)
            yield "full disks while converting, of 64 MB", full_disk(archive, cache, [-1], "No space left on device")
    path.unlink()
    with Server(send(content)) as server:
        here = Archive(server.url, archive.size, archive.md5)
        yield (
            "full disks while fetching, as a limit on file sizes",
            full_disk(here, cache, range(0, len(content), 2**16)),
        )
        with small_disk(cache, "1m") as mounted:
            if mounted:
                yield "full disks while fetching, of 1 MB", full_disk(here, cache, [-1], "No space left on device")
    yield "broken servers", refuse_each_answer(broken_servers(content, 2**16), archive, cache)
    yield "stalled servers", refuse_each_answer(stalled_servers(content), archive, cache, 0.3)
    yield "wrong members under a right hash", refuse_each(wrong_members(data), cache)
    yield "wrong headers under a right hash", refuse_each(wrong_headers(data), cache)
    yield "wrong labels under a right hash", refuse_each(wrong_labels(images, labels, data, (0, 5, 10, 255)), cache)
    yield "archives cut short under a right hash", refuse_each(cut_inside(content, 2**15), cache)


def main():
    total = 0
    for trial in (try_at_full_size, try_at_small_size):
        with tempfile.TemporaryDirectory() as folder:
            cache = Path(folder) / "cache"
            cache.mkdir()
            for what, faults in trial(cache):
                began, outcomes = time.process_time(), Counter(tqdm(faults, what))
                total += outcomes.total()
                states = ", ".join(
                    f"{count} {outcome}" for outcome, count in outcomes.items() if what.startswith("kills")
                )
                print(f"{outcomes.total():6,} {what} {states} ({time.process_time() - began:.0f} s CPU)", flush=True)
    print(f"{total:6,} in all: each refused in one sentence, with the cache untouched")


if __name__ == "__main__":
    main()
