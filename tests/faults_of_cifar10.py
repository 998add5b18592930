"""Damaged archives, failing servers and full disks against CIFAR-10's reader: all refused, with the cache untouched.

    python tests/faults_of_cifar10.py

tries them on an archive of the official one's exact size and prints how many of each kind, in about 20 minutes; its
images are random, since the official ones are no part of this repository. test_cifar10.py tries them on a small one.
"""

import gzip
import os
import signal
import subprocess
import tarfile
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch

from convac_lib.errors import DataError
from convac_lib.experiments import cifar10
from convac_lib.experiments.cifar10 import OFFICIAL, Archive, check, read

FOLDER = "cifar-10-batches-bin"
NAMES = [f"{FOLDER}/{name}.bin" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")]
TEXTS = [f"{FOLDER}/batches.meta.txt", f"{FOLDER}/readme.html"]
BATCH = 30_730_000
TYPES = [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"Z"]  # links, devices, folder, pipe and stranger ones
NOWHERE = "http://127.0.0.1:9/cifar-10-binary.tar.gz"  # nothing listens there


def draw_images(levels=256, distinct=60_000, seed=0):
    """60,000 images of random pixels, each with its number in its first bytes, and labels in a random order."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([rng.permutation(np.repeat(np.arange(10, dtype=np.uint8), n)) for n in (5000, 1000)])
    images = rng.integers(0, levels, (distinct, 3072), dtype=np.uint8)[np.arange(60_000) % distinct]
    images[:, :2] = np.arange(60_000, dtype=">u2").view(np.uint8).reshape(-1, 2)
    return images, labels


def batches_of(images, labels):
    records = np.concatenate([labels[:, None], images], axis=1)
    return {name: part.tobytes() for name, part in zip(NAMES, np.split(records, 6))}


def header(name, size, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
        member.linkname = NAMES[0]
    return member.tobuf(tarfile.GNU_FORMAT)


def piece(content):
    """Whole blocks of a tar file, compressed; pieces joined end to end are a gzip file."""
    return gzip.compress(content + bytes(-len(content) % 512), 1)


END = piece(bytes(1024))
MARGINS = (
    piece(header(FOLDER, 0, tarfile.DIRTYPE)),
    b"".join(piece(header(name, 5) + b"text\n") for name in TEXTS) + END,
)


def joined(members):
    return MARGINS[0] + b"".join(members) + MARGINS[1]


def member(data, name, size=BATCH, kind=tarfile.REGTYPE):
    return piece(header(name, size, kind)) + data


def write(path, content, url=NOWHERE):
    """Write an archive and describe it as it is, so that only what it holds can be wrong."""
    path.write_bytes(content)
    return Archive(url, len(content), md5(content).hexdigest())


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
    for length in range(0, len(content), step):
        yield content[:length], ""


def refuse_each(contents, cache):
    """Try archives whose hash is right one by one; yield the sentences."""
    for content, words in contents:
        path = cache / OFFICIAL.name
        sentence = refusal(write(path, content), cache)
        assert sentence.startswith(f"{path} ") and words in sentence, (sentence, words)
        assert sentence.endswith("; delete it, and run convac data fetch cifar10")
        yield sentence


class Server(ThreadingHTTPServer):
    """A web server on this machine that answers requests with the given answers in turn, the last one for good."""

    daemon_threads = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.answers, self.asked = answers, 0
        self.url = f"http://127.0.0.1:{self.server_port}/{OFFICIAL.name}"

    def __enter__(self):
        Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()

    def handle_error(self, request, client_address):
        """Say nothing: clients here hang up on purpose."""


class _Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        answer = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        answer(self)

    def log_message(self, *words):
        """Say nothing."""


def send(body, length=None, status=200, stall=0.0, **headers):
    """An answer: this body after its length, or another length; then nothing for so many seconds, and the line is cut."""

    def answer(handler):
        handler.send_response(status)
        for name, value in ({"Content-Length": len(body) if length is None else length} | headers).items():
            handler.send_header(name.replace("_", "-"), str(value))
        handler.end_headers()
        handler.wfile.write(body)
        time.sleep(stall)

    return answer


def silent(seconds):
    """An answer that never comes."""
    return lambda handler: time.sleep(seconds)


def garbage(handler):
    """An answer that is not of the protocol."""
    handler.wfile.write(b"\x00" * 100)


def hung_up(handler):
    """No answer: the line is cut at once."""
    handler.connection.close()


def broken_servers(body, step):
    """Answers that are wrong, and the reason that is told."""
    lost, other = "no connection that lasts", "what came is not that file"
    size, rng = len(body), np.random.default_rng(0)
    for length in range(0, size, step):
        yield send(body[:length], size), lost  # closes in the middle
        yield send(body[:length]), other  # sends less, and says so
        yield send(body, length), other  # says less than it sends
        changed = bytearray(body)
        changed[int(rng.integers(length, min(length + step, size)))] ^= 1 << int(rng.integers(8))
        yield send(bytes(changed)), other
    for status in (400, 401, 403, 404, 410, 429, 500, 502, 503, 504):
        yield send(b"no", status=status), f"the server answers {status}"
    yield send(body, size + 1), lost
    yield send(body + b"\0"), other
    yield send(b"<html>Please log in</html>", Content_Type="text/html"), other
    yield send(b"not gzip", Content_Encoding="gzip"), lost
    yield send(body, length="many"), ""
    yield send(b"", status=302, Location="/round/and/round"), ""
    yield garbage, lost
    yield hung_up, lost
    yield silent(1.0), lost
    for length in (0, 1, size // 2, size - 1):
        yield send(body[:length], size, stall=1.0), lost  # stalls in the middle


def refuse_each_answer(answers, archive, cache):
    """Ask one broken server after the other, without patience and once each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10, "_RETRIES", 0)
        patch.setattr(cifar10, "_PATIENCE", 0.3)
        for answer, reason in answers:
            with Server(answer) as server:
                asked = Archive(server.url, archive.size, archive.md5)
                sentence = refusal(asked, cache)
            assert server.asked, sentence
            assert sentence.startswith(f"cannot fetch {server.url}: {reason}"), (sentence, reason)
            assert sentence.endswith(f"; get {asked} elsewhere and put it at {cache / OFFICIAL.name}")
            yield


@contextmanager
def largest_file(size):
    """No file may grow beyond so many bytes: what a full disk is to a program that writes one file."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def full_disk(archive, cache, sizes, reason="File too large"):
    """Stop writing after so many bytes, of the download if the archive is not there, else of the arrays."""
    for size in sizes:
        with largest_file(size):
            assert refusal(archive, cache).startswith(f"cannot keep CIFAR-10 in {cache}: {reason}; make room for ")
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
    """Another file system in this folder, of so many bytes; yields False where mounting one is not allowed."""
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False, capture_output=True
    ).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", folder], check=True)


def official_size(path):
    """An archive in one piece whose images are random, filled up with zeros, as gzip allows, to the official size."""
    images, labels = draw_images(levels=128)
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name, content in batches_of(images, labels).items():
            one = tarfile.TarInfo(name)
            one.size = len(content)
            archive.addfile(one, BytesIO(content))
    content = path.read_bytes()
    return images, labels, write(path, content + bytes(OFFICIAL.size - len(content)))


def assert_holds(dataset, images, labels):
    assert np.array_equal(torch.cat([dataset.train_images, dataset.test_images]).flatten(1).numpy(), images)
    assert np.array_equal(torch.cat([dataset.train_labels, dataset.test_labels]).numpy(), labels)


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
    yield "broken or stalled servers", refuse_each_answer(broken_servers(content, 2**16), archive, cache)
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
                began, outcomes = time.process_time(), Counter(faults)
                total += outcomes.total()
                states = ", ".join(
                    f"{count} {outcome}" for outcome, count in outcomes.items() if what.startswith("kills")
                )
                print(f"{outcomes.total():6,} {what} {states} ({time.process_time() - began:.0f} s CPU)", flush=True)
    print(f"{total:6,} in all: each refused in one sentence, with the cache untouched")


if __name__ == "__main__":
    main()
