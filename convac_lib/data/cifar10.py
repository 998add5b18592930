"""CIFAR-10 as its authors publish it: fetched once, verified before it is used, and kept as one array file.

Nothing is unpickled or extracted, so that no data can run code or leave the folder of the cache.
Taught in the chapter *Experiments on standard ConvNets*.
"""

import os
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pooch
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from convac_lib.data.archive import AGAIN, ELSEWHERE, Archive, fetch, verify
from convac_lib.data.cifar10_batches import BATCH, CLASSES, read_archive
from convac_lib.data.dataset import SPLITS, Dataset
from convac_lib.errors import DataError
from convac_lib.files import remedy_for, replace, telling

_PICKLED = ("cifar-10-python.tar.gz", "cifar-10-batches-py")  # what torchvision keeps
_ARRAYS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))

OFFICIAL = Archive(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"
)


def cifar10(*, progress: bool = True) -> Dataset:
    """Read the 60,000 colour images of CIFAR-10, 32×32 pixels in ten classes: 50,000 to train on and 10,000 to test on.

    The first call fetches the official archive, unless `data_folder()` holds it already, and converts it.

    Args:
        progress: whether to draw a progress bar of the download on stderr.

    Returns:
        The `Dataset`, source "cifar10".

    Raises:
        DataError: if the archive cannot be fetched or kept, or if a file of the cache is damaged.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009). Chapter:
    *Experiments on standard ConvNets*.

    >>> cifar10()                                                    # doctest: +SKIP
    Dataset(source='cifar10', 50000 train and 10000 test images of shape (3, 32, 32), 10 classes)
    """
    return read(OFFICIAL, data_folder(), progress=progress)


def data_folder() -> Path:
    """The cache: the folder that the environment variable `CONVAC_DATA` names, or the system's place for caches.

    Raises:
        DataError: if the path is relative to a home folder or a current folder that does not exist.

    Chapter: *Experiments on standard ConvNets*.
    """
    named = os.environ.get("CONVAC_DATA")
    try:
        return Path(named or pooch.os_cache("convac")).expanduser().absolute()
    except RuntimeError:  # ~ of nobody
        what = f"CONVAC_DATA is {named}" if named else "the cache lies in the home folder"
        raise DataError(f"{what}, and there is no such home folder; set CONVAC_DATA to an absolute path") from None
    except OSError:  # relative to a folder that is gone
        what = f"CONVAC_DATA is {named}" if named else "the cache's path is relative"
        raise DataError(
            f"{what}, and the current folder is gone; go to another, or set CONVAC_DATA to an absolute path"
        ) from None


def read(archive: Archive, cache: Path, *, progress: bool = False) -> Dataset:
    """Read CIFAR-10 from a cache, after fetching and converting an archive if the cache holds no arrays yet.

    If anything fails, no file of the cache changes, and no partial file appears. If the cache holds the pickled form of
    CIFAR-10, a warning says that it is not used.

    Args:
        archive: a file in the format of the official one.
        cache: the folder; it is made if it is missing.
        progress: whether to draw a progress bar of the download on stderr.

    Returns:
        The `Dataset`, source "cifar10".

    Raises:
        DataError: if the archive cannot be fetched or kept, or if a file of the cache is damaged.

    Chapter: *Experiments on standard ConvNets*.
    """
    arrays = _arrays_in(cache)
    if not os.path.exists(arrays):
        with _keeping(archive, cache):
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "cifar10.lock"):  # a second process finds the arrays of the first
                if not arrays.exists():
                    for unused in pickled(archive, cache):
                        warnings.warn(unused["why"], stacklevel=3)
                    _convert(fetch(archive, cache, progress=progress), arrays, archive)
    return _read_arrays(arrays, archive)


def check(archive: Archive, cache: Path) -> dict[str, Any]:
    """Tell what a cache holds, after reading and hashing all of it; nothing is fetched or written.

    Args:
        archive: a file in the format of the official one.
        cache: the folder.

    Returns:
        Under "archive" and "arrays" the path and the state of each: "absent", "damaged" with the reason under "why", or
        "whole", for the arrays with the digest of the data set. Under "unused", if there are any, other forms of
        CIFAR-10, each with the reason why it is not used.

    Raises:
        DataError: if the cache exists and is not a folder that can be read.

    Chapter: *Experiments on standard ConvNets*.

    >>> check(OFFICIAL, Path("no/such/folder"))["archive"]
    {'path': 'no/such/folder/cifar-10-binary.tar.gz', 'state': 'absent'}
    """
    if os.path.exists(cache) and not (cache.is_dir() and os.access(cache, os.R_OK | os.X_OK)):
        raise DataError(f"{cache} is not a folder that can be read; set CONVAC_DATA to one")
    report = {
        "archive": _state_of(cache / archive.name, lambda path: verify(path, archive)),
        "arrays": _state_of(_arrays_in(cache), lambda path: _read_arrays(path, archive)),
    }
    unused = pickled(archive, cache)
    return report | ({"unused": unused} if unused else {})


def pickled(archive: Archive, cache: Path) -> list[dict[str, str]]:
    """The path of every pickled form of CIFAR-10 in a cache, and the reason why it is not used.

    >>> pickled(OFFICIAL, Path("no/such/folder"))
    []
    """
    return [
        {
            "path": str(cache / name),
            "why": f"{cache / name} holds pickles, which can run any code, and nothing here unpickles, so that it is "
            f"not used; put {archive.name} at {cache / archive.name}",
        }
        for name in _PICKLED
        if os.path.exists(cache / name)
    ]


def _state_of(path: Path, read_file: Callable[[Path], Dataset | None]) -> dict[str, str]:
    state = {"path": str(path)}
    if not os.path.lexists(path):
        return state | {"state": "absent"}
    try:
        dataset = read_file(path)
    except DataError as error:
        return state | {"state": "damaged", "why": str(error)}
    return state | {"state": "whole"} | ({"digest": dataset.digest} if dataset else {})


def _arrays_in(cache: Path) -> Path:
    return cache / "cifar10.safetensors"


def _keeping(archive: Archive, cache: Path) -> AbstractContextManager[None]:
    megabytes = (archive.size + 6 * BATCH) // 10**6 + 1
    otherwise = f"{ELSEWHERE} another folder"
    return telling(f"keep the {megabytes} MB of CIFAR-10 in", cache, otherwise=otherwise, name=ELSEWHERE)


def _convert(path: Path, arrays: Path, archive: Archive) -> None:
    """Write the images of the archive as one array file, whole or not at all."""
    dataset = read_archive(path)
    replace(arrays, save({name: getattr(dataset, name) for name in _ARRAYS}, _provenance(dataset, archive)))


def _provenance(dataset: Dataset, archive: Archive) -> dict[str, str]:
    return {"source": dataset.source, "archive": archive.md5, "digest": dataset.digest}


def _read_arrays(path: Path, archive: Archive) -> Dataset:
    damaged = DataError(f"{path} is damaged, or not made from {archive}; delete it, and it is made again")
    try:
        if not path.is_file():  # a pipe would block
            raise damaged
        with safe_open(path, "pt") as file:
            provenance = file.metadata()
            dataset = Dataset("cifar10", **{name: file.get_tensor(name) for name in _ARRAYS}, classes=CLASSES)
    except PermissionError as error:
        remedy = remedy_for(error, AGAIN, ELSEWHERE)
        raise DataError(f"cannot read {path}: {error.strerror}; {remedy}") from None
    except (OSError, SafetensorError, DataError):
        raise damaged from None
    if provenance != _provenance(dataset, archive):
        raise damaged
    return dataset
