"""The binary format in which CIFAR-10 is published, read without unpickling or extracting anything.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import gzip
import tarfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from convac_lib.data.archive import AGAIN
from convac_lib.data.dataset import Dataset
from convac_lib.errors import MALFORMED, DataError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FOLDER = "cifar-10-batches-bin"
_BATCHES = {
    "train": [f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)],
    "test": [f"{_FOLDER}/test_batch.bin"],
}
_TEXTS = (f"{_FOLDER}/batches.meta.txt", f"{_FOLDER}/readme.html")
_RECORD = 1 + 3 * 32 * 32
BATCH = 10_000 * _RECORD  # bytes
_LARGEST_TEXT = 2**16  # bytes; tarfile would skip a text of 8 EiB for years, though the archive ends before


def read_archive(path: Path) -> Dataset:
    """Read the images of an archive: one byte for the class, then the red, green and blue bytes of each image, by rows.

    Raises:
        DataError: if the archive is damaged, or holds anything but six batches with equally many images of each class.

    Chapter: *Experiments on standard ConvNets*.
    """
    batches = _read_batches(path)
    train_images, train_labels = _parsed(batches, "train", path)
    test_images, test_labels = _parsed(batches, "test", path)
    return Dataset("cifar10", train_images, train_labels, test_images, test_labels, CLASSES)


def _parsed(batches: dict[str, bytes], split: str, path: Path) -> tuple[Tensor, Tensor]:
    """The images and labels of one split."""
    records = np.frombuffer(b"".join(batches[name] for name in _BATCHES[split]), np.uint8).reshape(-1, _RECORD)
    labels = records[:, 0].astype(np.int64)
    _check_labels(labels, split, path)
    return torch.tensor(records[:, 1:]).reshape(-1, 3, 32, 32), torch.tensor(labels)


def _check_labels(labels: NDArray[np.int64], split: str, path: Path) -> None:
    if labels.max() >= len(CLASSES):
        raise DataError(f"{path} has the label {labels.max()} in {split}, and labels are 0 to 9; {AGAIN}")
    expected = len(labels) // len(CLASSES)
    for label, count in enumerate(np.bincount(labels, minlength=len(CLASSES))):
        if count != expected:
            raise DataError(f"{path} has {count:,} images of class {label} in {split}, not {expected:,}; {AGAIN}")


def _read_batches(path: Path) -> dict[str, bytes]:
    """The bytes of the six batches, read from the stream."""
    batches: dict[str, bytes] = {}
    wanted = {name for names in _BATCHES.values() for name in names}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                _refuse_unknown(member, wanted - set(batches), path)
                if member.name in wanted and (content := members.extractfile(member)):
                    batches[member.name] = content.read()
            stream.read()  # to the end, where gzip compares its checksum
    except DataError:
        raise
    except (tarfile.TarError, *MALFORMED) as error:
        raise DataError(f"{path} is no whole tar.gz file: {error}; {AGAIN}") from None
    if missing := sorted(wanted - set(batches)):
        raise DataError(f"{path} has no {missing[0]}; {AGAIN}")
    return batches


def _refuse_unknown(member: tarfile.TarInfo, awaited: set[str], path: Path) -> None:
    """Accept only the folder, the two texts and batches not yet read; refuse links and other special members."""
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    text = member.name in _TEXTS and member.size <= _LARGEST_TEXT
    if plain and (text or (member.name in awaited and member.size == BATCH)):
        return
    if member.isdir() and member.name == _FOLDER:
        return
    raise DataError(
        f"{path} holds {member.name!r} of type {member.type.decode('latin-1')!r} and {member.size:,} bytes, "
        f"and should hold six batches of {BATCH:,} bytes, once each, beside two texts; {AGAIN}"
    )
