"""Archives of random images in the format of CIFAR-10's official one, whole and in pieces."""

import gzip
import tarfile
from hashlib import md5
from io import BytesIO

import numpy as np
import torch

from convac_lib.data.cifar10 import OFFICIAL, Archive

FOLDER = "cifar-10-batches-bin"
NAMES = [f"{FOLDER}/{name}.bin" for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch")]
TEXTS = [f"{FOLDER}/batches.meta.txt", f"{FOLDER}/readme.html"]
BATCH = 30_730_000
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


END = piece(bytes(20480))  # as tar fills its last record: two blocks end the file, and some follow
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
    return Archive(url, len(content), md5(content, usedforsecurity=False).hexdigest())


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
