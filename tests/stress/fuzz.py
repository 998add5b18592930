"""Feed altered bytes to every reader of files from elsewhere, and to the command line: each must answer or refuse.

    python tests/stress/fuzz.py [--inputs 100000] [--seed 0] [--only KIND[:NUMBER]]

A reader may return, or raise a `ConvacError` with one sentence; anything else is a fault: another error, a sentence of
several lines, 20 seconds of processor time, or 2 GiB of memory. An input is a whole file with a few random changes. In
two of three inputs a change is made inside, and checksums and lengths are made right again, so that it goes deep. The
input depends on the seed, its kind and its number alone. Exit status 1 if there was a fault; its line says how to
repeat it. `make test` tries a small share.
"""

import argparse
import csv
import gzip
import hashlib
import io
import json
import os
import random
import signal
import struct
import sys
import tarfile
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import psutil
import pytest
import torch
from helpers.archives import FOLDER, NAMES, TEXTS
from helpers.chapters import ROOT
from helpers.records import record, runs
from helpers.tampering import NETWORKS, issued
from helpers.tested import TESTED, provenance
from PIL import Image, PngImagePlugin
from safetensors.torch import save

from convac_lib import common_case
from convac_lib.__main__ import main as convac
from convac_lib.data import cifar10, cifar10_batches
from convac_lib.data.archive import Archive
from convac_lib.data.dataset import Dataset
from convac_lib.data.folder import folder
from convac_lib.errors import ConvacError
from convac_lib.experiments.analysis import by_protocol, rows_of
from convac_lib.experiments.checkpoints import load_checkpoint, save_checkpoint
from convac_lib.experiments.records import append_records, read_records
from convac_lib.networks.models import ConvNet
from convac_lib.related import missing
from convac_lib.theory import costs
from convac_lib.theory.atlas import read_atlas
from convac_lib.theory.certificates import digest_of, load
from convac_lib.theory.comparisons import read_comparisons
from convac_lib.visuals import records as explorers

SECONDS, MEMORY = 20, 2**31
BATCH = 10 * 3073  # bytes: ten images, in place of 10,000
ARCHIVE = Archive("https://127.0.0.1/cifar-10-binary.tar.gz", 1, "ab")
NUMBERS = [0, 1, -1, 2, 3, 255, 2**15, 2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63, -(2**63), 2**64, 10**30, 10**400]
VALUES = [None, True, False, "", "x", "0", "²", "\ud800", "\0", [], {}, [[]], [{}], 0.5, -0.0, 1e308, float("inf"),
          float("nan"), "a" * 5000, *NUMBERS]  # fmt: skip
WORDS = ["", "0", "-1", "1e9", "nan", "²", "٣", "9" * 5000, '"', "'", "\0", ",", "\t", "left-right", "0 1",
         "1/1/2", "a b", "9" * 20, "true", "null", "é", "-0", "+1", " 1", "1_0"]  # fmt: skip
BYTES = [b"", b"\0", b"\xff", b"\n", b"\r\n", b'"', b"{", b"[", b"}", b"]", b",", b"\xef\xbb\xbf", b"\0" * 512,
         b"9" * 5000, b"[" * 2000, b"\xff\xff\xff\xff",
         b"\x7f\xff\xff\xff", b"IHDR", b"\xff\xd8", b"\x1f\x8b"]  # fmt: skip


# --- changes ---


def scratched(data, draw):
    """Change bytes, cut, double, move or insert some, a few times."""
    data = bytearray(data)
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        start = draw.randrange(len(data) + 1)
        stop = min(len(data), start + draw.choice([1, 1, 2, 4, 8, 64, 1000]))
        kind = draw.randrange(8)
        if kind == 0 and start < len(data):
            data[start] ^= 1 << draw.randrange(8)
        elif kind == 1:
            data[start:stop] = draw.randbytes(stop - start)
        elif kind == 2:
            del data[start:stop]
        elif kind == 3:
            data[start:start] = data[start:stop]
        elif kind == 4:
            data[start:start] = draw.choice(BYTES)
        elif kind == 5:
            data[start:stop] = draw.choice(BYTES)
        elif kind == 6:
            del data[start:]
        else:
            other = draw.randrange(len(data) + 1)
            data[start:stop] = data[other : other + stop - start]
    return bytes(data)


def changed(value, draw):  # noqa: C901  # one case for each type of JSON
    """Change something in a value of JSON: a number, a text, an entry, its order or its type."""
    if draw.random() < 0.1:
        return draw.choice(VALUES)
    if isinstance(value, dict) and value:
        key = draw.choice(sorted(value))
        kind = draw.randrange(10)
        if kind == 0:
            return {name: inner for name, inner in value.items() if name != key}
        if kind == 1:
            return value | {draw.choice(["more", "", key + " ", key.upper()]): draw.choice(VALUES)}
        return value | {key: changed(value[key], draw)}
    if isinstance(value, list) and value:
        place = draw.randrange(len(value))
        kind = draw.randrange(8)
        if kind == 0:
            return value[:place]
        if kind == 1:
            return value[:place] + value[place + 1 :]
        if kind == 2:
            return [*value, value[place]]
        if kind == 3:
            return value * draw.choice([2, 3, 50])
        return [*value[:place], changed(value[place], draw), *value[place + 1 :]]
    if isinstance(value, bool) or value is None:
        return draw.choice(VALUES)
    if isinstance(value, int | float):
        return draw.choice(
            [value + 1, value - 1, -value, float(max(-(2**63), min(value, 2**63))), str(value), draw.choice(NUMBERS)]
        )
    if isinstance(value, str):
        return draw.choice(
            [value[:-1], value + "0", value[::-1], value.upper(), draw.choice(WORDS), draw.choice(VALUES)]
        )
    return draw.choice(VALUES)


def several(value, draw):
    for _ in range(draw.choice([1, 1, 1, 2, 3])):
        value = changed(value, draw)
    return value


def written(value, draw):
    """JSON in one of its spellings."""
    with unlimited_digits():
        return json.dumps(value, ensure_ascii=draw.random() < 0.5, separators=draw.choice([None, (",", ":")])).encode(
            "utf-8", "surrogatepass"
        )


@contextmanager
def unlimited_digits():
    most = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(most)


# --- images ---


@cache
def images():
    """PNG and JPEG files of many kinds, the first of them plain."""
    noise, files = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8), []

    def add(mode, form, **options):
        file = io.BytesIO()
        picture = Image.fromarray(noise[:, :, :3]).convert(mode) if mode != "RGBA" else Image.fromarray(noise)
        picture.save(file, form, **options)
        files.append(file.getvalue())

    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "noise", zip=True)
    text.add_itxt("Title", "noise", "en", "noise", zip=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode in ("L", "RGB", "P", "1", "RGBA", "I;16"):
        add(mode, "PNG")
    add("L", "PNG", pnginfo=text, exif=exif, dpi=(72, 72), icc_profile=b"profile")
    add("P", "PNG", transparency=0)
    add("L", "PNG", save_all=True, append_images=[Image.new("L", (8, 8), shade) for shade in (10, 20)])
    for mode in ("L", "RGB", "CMYK"):
        add(mode, "JPEG")
    add("RGB", "JPEG", progressive=True, exif=exif, comment="noise", dpi=(72, 72), icc_profile=b"profile")
    return files


def altered_image(draw):
    data = draw.choice(images())
    if data.startswith(b"\x89PNG") and draw.random() < 2 / 3:
        return rechunked(data, draw)
    return scratched(data, draw)


def rechunked(data, draw):
    """A PNG with a chunk changed, left out, doubled or moved, and with its checksums right."""
    chunks, place = [], 8
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    number = draw.randrange(len(chunks))
    name, body = chunks[number]
    kind = draw.randrange(8)
    if kind == 0:
        del chunks[number]
    elif kind == 1:
        chunks.insert(draw.randrange(len(chunks) + 1), (name, body))
    elif kind == 2:
        chunks[number] = (
            draw.choice([b"acTL", b"fcTL", b"fdAT", b"tRNS", b"PLTE", b"iCCP", b"zTXt", b"eXIf", b"cHRM"]),
            body,
        )
    elif kind == 3 and name == b"IDAT":
        chunks[number] = name, zlib.compress(scratched(zlib.decompress(body), draw))
    elif kind == 4:
        fields = bytearray(chunks[0][1])
        at = draw.choice([0, 4])
        fields[at : at + 4] = struct.pack(">I", draw.choice([0, 1, 7, 9, 4000, 2**16, 2**31 - 1, 2**32 - 1]))
        chunks[0] = chunks[0][0], bytes(fields)
    else:
        chunks[number] = name, scratched(body, draw)
    return data[:8] + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )


def read_images(data, place):
    for split in ("train", "test"):
        (place / split / "noise").mkdir(parents=True, exist_ok=True)
        (place / split / "noise" / "image.png").write_bytes(data if split == "train" else images()[0])
    folder(place, progress=False)


# --- archives, and what is made of them ---


@cache
def archives():
    """Tar files as the official one, in three formats, with ten images a batch."""
    rng, files = np.random.default_rng(0), []
    records = rng.integers(0, 256, (6, 10, 3073), dtype=np.uint8)
    records[:, :, 0] = np.arange(10)
    contents = {name: part.tobytes() for name, part in zip(NAMES, records)} | dict.fromkeys(TEXTS, b"text\n")
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as tar:
            top = tarfile.TarInfo(FOLDER)
            top.type = tarfile.DIRTYPE
            tar.addfile(top)
            for name, content in contents.items():
                one = tarfile.TarInfo(name)
                one.size = len(content)
                if form == tarfile.PAX_FORMAT:
                    one.pax_headers = {"comment": "noise", "mtime": "1.5", "path": name}
                tar.addfile(one, io.BytesIO(content))
        files.append(file.getvalue())
    return files


def altered_archive(draw):
    data = draw.choice(archives())
    kind = draw.randrange(3)
    if kind == 0:
        return scratched(gzip.compress(data, 1), draw)
    if kind == 1:
        return gzip.compress(scratched(data, draw), 1)
    data = bytearray(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        starts = [one.offset for one in tar] + [one.offset_data - 512 for one in tar]
    start = draw.choice(starts)
    for _ in range(draw.choice([1, 1, 2])):
        at, length = draw.choice([(0, 100), (100, 8), (124, 12), (136, 12), (156, 1), (157, 100), (257, 8), (345, 155)])
        field = draw.choice([b"\0", b"S", b"x", b"g", b"L", b"K", b"5", b"7" * 11, b"\x80" + b"\xff" * 11, b"\xff" * 12,
                             b"-1", NAMES[0].encode(), b"../x", b"a" * 100, draw.randbytes(length)])  # fmt: skip
        data[start + at : start + at + length] = field[:length].ljust(length, b"\0")
    if draw.random() < 0.5:  # the body of an extended header
        body = draw.randrange(start + 512, min(start + 1024, len(data)))
        data[body : body + 8] = draw.choice([b"9" * 8, b"12 size=", b"0 path=a", draw.randbytes(8)])
    data[start + 148 : start + 156] = b" " * 8
    data[start + 148 : start + 156] = b"%06o\0 " % sum(data[start : start + 512])
    return gzip.compress(bytes(data), 1)


def read_archive(data, place):
    file = place / "archive.tar.gz"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cifar10_batches, "BATCH", BATCH)
        cifar10_batches.read_archive(file)


@cache
def arrays():
    generator = torch.Generator().manual_seed(0)
    parts = {}
    for split, count in (("train", 20), ("test", 10)):
        parts[f"{split}_images"] = torch.randint(256, (count, 3, 4, 4), dtype=torch.uint8, generator=generator)
        parts[f"{split}_labels"] = torch.arange(count) % 10
    digest = Dataset("cifar10", **parts, classes=cifar10_batches.CLASSES).digest
    return save(parts, {"source": "cifar10", "archive": ARCHIVE.md5, "digest": digest})


def altered_arrays(data, draw):
    """An array file with a change in its header, whose length is made right, or anywhere."""
    if draw.random() < 1 / 3:
        return scratched(data, draw)
    length = int.from_bytes(data[:8], "little")
    header, rest = data[8 : 8 + length], data[8 + length :]
    inside = draw.random() < 0.7
    header = written(several(json.loads(header), draw), draw) if inside else scratched(header, draw)
    return len(header).to_bytes(8, "little") + header + rest


def read_arrays(data, place):
    file = place / "cifar10.safetensors"
    file.write_bytes(data)
    cifar10._read_arrays(file, ARCHIVE)


@cache
def trained():
    """A small network, its Adam after a step, and their checkpoint."""
    model = ConvNet(common_case(B=2, M=1, size=4, channels=2), 2, 1, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.zeros(1, 1, 4, 4)).sum().backward()
    optimizer.step()
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "checkpoint"
        save_checkpoint(file, model, optimizer, ([[1.0]], [[0.5]], 1.0))
        return model, optimizer, file.read_bytes()


def read_checkpoint(data, place):
    model, optimizer, _ = trained()
    file = place / "checkpoint"
    file.write_bytes(data)
    load_checkpoint(file, model, optimizer, (2, 1))


# --- records ---


def altered_certificate(draw):
    document = draw.choice([issued(number)[1].document() for number in range(len(NETWORKS))])
    if draw.random() < 1 / 3:
        return scratched(written(document, draw), draw)
    document = several(document, draw)
    if isinstance(document, dict) and draw.random() < 0.9:
        with unlimited_digits():
            document = document | {"digest": digest_of(document)}
    return written(document, draw)


def read_certificate(data, place):
    file = place / "certificate.json"
    file.write_bytes(data)
    load(file)


@cache
def recorded():
    with tempfile.TemporaryDirectory() as place:
        append_records(Path(place) / "runs.jsonl", [*runs(), record(architecture=None, model="other")])
        return (Path(place) / "runs.jsonl").read_bytes()


def altered_records(draw):
    lines = recorded().splitlines(keepends=True)
    if draw.random() < 1 / 3:
        return scratched(b"".join(draw.sample(lines, 3)), draw)
    number = draw.randrange(len(lines))
    text = written(several(json.loads(lines[number])["record"], draw), draw)
    lines[number] = b'{"sha256": "%s", "record": %s}\n' % (hashlib.sha256(text).hexdigest().encode(), text)
    return b"".join(lines)


def read_runs(data, place):
    file = place / "runs.jsonl"
    file.write_bytes(data)
    for comparable in by_protocol(read_records(file)).values():
        rows_of(comparable)


def altered_table(name, draw):
    """A CSV file with another word in some place, or scratched."""
    lines = (ROOT / "results" / name).read_bytes().splitlines(keepends=True)
    lines = [lines[0], *draw.sample(lines[1:], 3)]
    if draw.random() < 1 / 3:
        return scratched(b"".join(lines), draw)
    rows = list(csv.reader(line.decode() for line in lines))
    for _ in range(draw.choice([1, 1, 2])):
        row = draw.choice(rows[1:])
        place = draw.randrange(len(row))
        row[place] = draw.choice([*WORDS, row[place] + "0", "-" + row[place], draw.choice(row)])
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


def read_table(read, data, place):
    file = place / "table.csv"
    file.write_bytes(data)
    read(file)


def altered_states(draw):
    data = (ROOT / "results/explorers/intro-overlap.json.gz").read_bytes()
    if draw.random() < 1 / 3:
        return scratched(data, draw)
    record = json.loads(gzip.decompress(data)) | {"code": "abc", "letters": ["B"]}
    record["states"] = record["states"][:2]
    return gzip.compress(written(several(record, draw), draw), 1)


def read_states(data, place):
    (place / "explorer.json.gz").write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorers, "RECORDS", place)
        patch.setattr(explorers, "code_of", lambda view: "abc")
        explorers.read_record("explorer", ("B",), lambda B: None)


@cache
def model_arrays():
    """A small generative network in the form of results/missing-data.npz: the bytes of its arrays by name."""
    rng = np.random.default_rng(0)
    shapes = {"means": (3, 4), "spreads": (3, 4), "logits.0": (2, 2, 4, 3), "logits.1": (1, 1, 2, 4), "floor": ()}
    files = {}
    for name, shape in shapes.items():
        file = io.BytesIO()
        np.save(file, rng.random(shape).astype(np.float16) + np.float16(0.1))
        files[f"{name}.npy"] = file.getvalue()
    return files


def altered_model(draw):
    files = dict(model_arrays())
    if inside := draw.random() < 2 / 3:
        name, kind = draw.choice(sorted(files)), draw.randrange(4)
        if kind == 0:
            del files[name]
        elif kind == 1:
            files[draw.choice(["x.npy", "x", "logits.2.npy", name + ".npy"])] = files[name]
        else:
            length = draw.choice([128, len(files[name])])
            files[name] = scratched(files[name][:length], draw) + files[name][length:]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue() if inside else scratched(file.getvalue(), draw)


def read_model(data, place):
    file = place / "missing-data.npz"
    file.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(missing, "results_path", lambda name: file)
        missing.recorded_model()


# --- the command line ---

MODULE = """from torch import nn
net = nn.Sequential(nn.Conv2d(1, 2, 2), nn.Flatten())
def make(width=2, *more): return net
"""
LINES = [
    "describe --B 2 --M 2 --size 4", "describe --layers 3/1/2 2/2/3 2/2/pool --M 2 --size 4 --border ones --json",
    "describe --B 1 --M 3 --size 8 --channels 5 --cut checkerboard --unshared",
    "certify --B 2 --M 2 --size 4 --seed 0 1",
    "certify --layers 2/2/3 2/2/2 --M 2 --size 4 --cut 0,1,2 --rows 8 --prime 101 65537 --json", "verify {certificate}",
    "verify {certificate} --json", "report {empty}", "data check", "data check --json", "verify {folder}",
    "describe --model {folder}/net.py:net --input 1,8,8", "describe --model {folder}/net.py:make(3) --input 1,8,8",
    "atlas --sizes 4 --M 2 --B 1 --out {folder}", "compare --cases 5 --out {folder}", "help", "--help",
    "certify --help",
    "sweep --data {folder}/none --B 1 --channels 2 --out {folder}/out.jsonl", "--version",
]  # fmt: skip
FLAGS = ["--B", "--M", "--size", "--channels", "--layers", "--cut", "--border", "--unshared", "--json", "--rows",
         "--seed", "--prime", "--out", "--cases", "--input", "--data",
         "--", "-h", "-", "--M=2", "--b", "--no"]  # fmt: skip


def altered_words(draw):
    """The words of a command line, some of them changed, left out, doubled or moved, as JSON."""
    words = draw.choice(LINES).split()
    for _ in range(draw.choice([0, 1, 1, 1, 2, 3])):
        place, kind = draw.randrange(len(words) + 1), draw.randrange(7)
        last = words[place : place + 1]
        if kind == 0:
            words[place:place] = [draw.choice(FLAGS)]
        elif kind == 1:
            words[place:place] = [draw.choice([*WORDS, *map(str, NUMBERS[:-1])])]
        elif kind == 2 and last:
            words[place] = draw.choice([*WORDS, *map(str, NUMBERS[:-1]), "1" + "0" * 4000])
        elif kind == 3 and place:
            del words[place:]
        elif kind == 4 and last and place:
            del words[place]
        elif kind == 5 and last:
            words[place] += draw.choice(
                ["/2", ",3", "0", "(", ")", "=1", "²", " ", "'", "(width=[[1]])", "(*make)", "é", "\n"]
            )
        elif last:
            words.insert(draw.randrange(len(words) + 1), last[0])
    return json.dumps(words).encode()


def ask_command(data, place):
    """Run a command; it must print an answer, or one sentence, with the exit status that says so."""
    (place / "net.py").write_text(MODULE)
    (place / "empty.jsonl").touch()
    (place / "certificate.json").write_text(json.dumps(issued(0)[1].document()))
    names = {"folder": place, "certificate": place / "certificate.json", "empty": place / "empty.jsonl"}
    words = json.loads(data)
    for name, path in names.items():
        words = [word.replace(f"{{{name}}}", str(path)) for word in words]
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(io.StringIO()) as out,
        redirect_stderr(io.StringIO()) as err,
    ):
        patch.chdir(place)
        patch.setenv("CONVAC_DATA", str(place / "cache"))
        patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**28, total=2**30))
        for module in (costs, sys.modules["convac_lib.budget"]):
            patch.setattr(module, "LONGEST", 1)  # second, so that what is affordable is quick
        try:
            status = convac(words)
        except SystemExit as end:
            status = end.code
    sentences = [line for line in err.getvalue().splitlines() if not line.startswith("convac: layer ")]
    assert status in (0, 2), f"status {status}: {err.getvalue()}"
    assert (bool(out.getvalue()), len(sentences)) == ((True, 0) if status == 0 else (False, 1)), (
        status,
        err.getvalue(),
    )
    if status:
        raise ConvacError(sentences[0])


# --- all of it ---

KINDS = {  # share of the inputs, the altered bytes, and their reader
    "images": (20, altered_image, read_images),
    "archives": (6, altered_archive, read_archive),
    "array files": (10, lambda draw: altered_arrays(arrays(), draw), read_arrays),
    "checkpoints": (8, lambda draw: altered_arrays(trained()[2], draw), read_checkpoint),
    "certificates": (20, altered_certificate, read_certificate),
    "records": (10, altered_records, read_runs),
    "atlases": (7, lambda draw: altered_table("atlas.csv", draw), lambda *asked: read_table(read_atlas, *asked)),
    "comparisons": (
        7,
        lambda draw: altered_table("bounds.csv", draw),
        lambda *asked: read_table(read_comparisons, *asked),
    ),
    "states of explorers": (4, altered_states, read_states),
    "recorded models": (4, altered_model, read_model),
    "command lines": (4, altered_words, ask_command),
}


class Hang(BaseException):
    """What stops a reader that takes too long; no reader may catch it."""


def hang(*_):
    raise Hang


def attempt(kind, number, seed, place):
    """Whether the reader answers this input or refuses it; a fault is raised."""
    _, make, read = KINDS[kind]
    data = make(random.Random(f"{seed} {kind} {number}"))
    if timed := hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of odd but whole images
            read(data, place)
    except ConvacError as error:
        sentence = str(error)
        assert sentence and "\n" not in sentence and len(sentence) < 2000, f"no sentence: {sentence!r}"
        return "refused"
    finally:
        if timed:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return "read"


def numbers_of(kind, inputs):
    """How many of all inputs are of this kind."""
    return inputs * KINDS[kind][0] // sum(share for share, *_ in KINDS.values())


def bound_memory():
    """Let a reader that takes more than `MEMORY` bytes fail, where the system can."""
    try:
        import resource
    except ImportError:
        return
    with open("/proc/self/statm") as file:
        taken = int(file.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))


def peak_memory():
    """The most memory that this process has had, in bytes."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def fuzz(kind, numbers, seed, place):
    """Try inputs of one kind; return the counts of outcomes, and the faults."""
    outcomes, faults = Counter(), []
    if hasattr(signal, "SIGPROF"):
        signal.signal(signal.SIGPROF, hang)
    for number in numbers:
        try:
            outcomes[attempt(kind, number, seed, place)] += 1
        except (Exception, Hang):  # noqa: BLE001  # whatever it is, it is a fault
            outcomes["fault"] += 1
            error = sys.exc_info()[1]
            frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "convac_lib" in frame.filename]
            where = f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}" if frames else repr(error)
            faults.append((number, where, traceback.format_exc()))
    return outcomes, faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="write the counts into results/tested/fuzz.json")
    parser.add_argument("--only", metavar="KIND[:NUMBER]", help="one of: " + ", ".join(KINDS))
    options = parser.parse_args()
    only, _, number = (options.only or "").partition(":")
    total, failed, counts = Counter(), 0, {}
    for kind, (_, make, _) in KINDS.items():
        if only in ("", kind):
            make(random.Random(0))  # what it caches is made before memory is bounded
    bound_memory()
    with tempfile.TemporaryDirectory() as folder:
        for kind in [only] if only else KINDS:
            began = time.process_time()
            numbers = [int(number)] if number else range(numbers_of(kind, options.inputs))
            place = Path(folder) / kind.replace(" ", "-")
            place.mkdir()
            outcomes, faults = fuzz(kind, numbers, options.seed, place)
            total += outcomes
            counts[kind] = {outcome: outcomes[outcome] for outcome in ("read", "refused", "fault")}
            failed += len(faults)
            seconds = time.process_time() - began
            print(f"{outcomes.total():7,} {kind}: {outcomes['read']:,} read, {outcomes['refused']:,} refused, "
                  f"{outcomes['fault']:,} faults ({seconds:.0f} s CPU)", flush=True)  # fmt: skip
            for first, where, trace in {
                where: (first, where, trace) for first, where, trace in reversed(faults)
            }.values():
                print(f"{where}: --only '{kind}:{first}' --seed {options.seed}\n{trace}", flush=True)
    print(f"{total.total():7,} inputs in all: {total['read']:,} read, {total['refused']:,} refused, {failed:,} faults")
    if options.record:
        found = provenance() | {"seed": options.seed, "inputs": total.total(), "faults": failed, "kinds": counts}
        found["peak memory in MiB"] = round(peak_memory() / 2**20)
        (TESTED / "fuzz.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
