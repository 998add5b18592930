"""CIFAR-10 as its authors publish it: fetched once, verified before it is used, and kept as one array file.

Nothing is unpickled and nothing is extracted, so that no data can run code or leave the cache's folder.
Taught in the chapter *Experiments on standard ConvNets*.
"""

import gzip
import os
import tarfile
import warnings
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLCertVerificationError

import numpy as np
import pooch
import torch
from filelock import FileLock
from requests.exceptions import InvalidURL, ProxyError, RequestException, SSLError, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from convac_lib.data.dataset import SPLITS, Dataset, remedy_of
from convac_lib.errors import DataError
from convac_lib.files import replace

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_FOLDER = "cifar-10-batches-bin"
_BATCHES = {
    "train": [f"{_FOLDER}/data_batch_{number}.bin" for number in range(1, 6)],
    "test": [f"{_FOLDER}/test_batch.bin"],
}
_TEXTS = (f"{_FOLDER}/batches.meta.txt", f"{_FOLDER}/readme.html")
_PICKLED = ("cifar-10-python.tar.gz", "cifar-10-batches-py")  # what torchvision keeps
_RECORD = 1 + 3 * 32 * 32
_BATCH = 10_000 * _RECORD
_ARRAYS = tuple(f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels"))
_RETRIES = 3
_PATIENCE = 30  # seconds without a byte
_AGAIN = "delete it, and run convac data fetch cifar10"


@dataclass(frozen=True)
class Archive:
    """A published file, told apart from every other by its size and its hash.

    Args:
        url: where it is published; the last part is its name.
        size: in bytes.
        md5: the published hash, in hexadecimal.

    Chapter: *Experiments on standard ConvNets*.

    >>> OFFICIAL.name, OFFICIAL.size
    ('cifar-10-binary.tar.gz', 170052171)
    """

    url: str
    size: int
    md5: str

    @property
    def name(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]

    def __str__(self):
        return f"{self.name} ({self.size:,} bytes, MD5 {self.md5})"


OFFICIAL = Archive(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171, "c32a1d4ab5d03f1284b67883e8d87530"
)


def cifar10(*, progress: bool = True) -> Dataset:
    """Read the 60,000 colour images of CIFAR-10, 32×32 pixels in ten classes: 50,000 to train on and 10,000 to test on.

    The first time, the official archive is fetched, unless it lies in `data_folder()` already, and converted.

    Args:
        progress: whether to draw a progress bar of the download on stderr.

    Returns:
        The `Dataset`, source "cifar10".

    Raises:
        DataError: if the archive cannot be fetched or kept, or if a file of the cache is damaged.

    Source: A. Krizhevsky, Learning multiple layers of features from tiny images (2009).
    Chapter: *Experiments on standard ConvNets*.

    >>> cifar10()                                                    # doctest: +SKIP
    Dataset(source='cifar10', 50000 train and 10000 test images of shape (3, 32, 32), 10 classes)
    """
    return read(OFFICIAL, data_folder(), progress=progress)


def data_folder() -> Path:
    """The cache: the folder that the environment variable `CONVAC_DATA` names, or the system's place for caches.

    Raises:
        DataError: if its path begins in a home folder, or in a current folder, and there is none.

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

    Whatever goes wrong, no file of the cache is changed, and none appears that is not whole. Where the pickled form of
    CIFAR-10 is there and must not be used, a warning says so.

    Args:
        archive: a file in the format of the official one.
        cache: the folder; it is made if there is none.
        progress: whether to draw a progress bar of the download on stderr.

    Returns:
        The `Dataset`, source "cifar10".

    Raises:
        DataError: if the archive cannot be fetched or kept, or if a file of the cache is damaged.

    Chapter: *Experiments on standard ConvNets*.
    """
    arrays = _arrays_in(cache)
    if not os.path.exists(arrays):
        with _writing(archive, cache):
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(cache / "cifar10.lock"):  # whoever comes second finds the work done
                if not arrays.exists():
                    for unused in pickled(archive, cache):
                        warnings.warn(unused["why"], stacklevel=3)
                    _convert(_fetch(archive, cache, progress), arrays, archive)
    return _read_arrays(arrays, archive)


def check(archive: Archive, cache: Path) -> dict[str, dict[str, str]]:
    """Tell what a cache holds, after reading and hashing all of it; nothing is fetched or written.

    Args:
        archive: a file in the format of the official one.
        cache: the folder.

    Returns:
        For the archive and for the arrays made from it the path and the state: "absent", "damaged" with the reason under
        "why", or "whole", for arrays with the data set's digest. Under "unused" what else of CIFAR-10 is there, and why
        it is not used, if anything is.

    Raises:
        DataError: if the cache is there and is no folder that can be read.

    Chapter: *Experiments on standard ConvNets*.

    >>> check(OFFICIAL, Path("no/such/folder"))["archive"]
    {'path': 'no/such/folder/cifar-10-binary.tar.gz', 'state': 'absent'}
    """
    if os.path.exists(cache) and not (cache.is_dir() and os.access(cache, os.R_OK | os.X_OK)):
        raise DataError(f"{cache} is not a folder that can be read; set CONVAC_DATA to one")
    files = {"archive": (cache / archive.name, _verify), "arrays": (_arrays_in(cache), _read_arrays)}
    report = {what: {"path": str(path)} | _state(path, verify, archive) for what, (path, verify) in files.items()}
    unused = pickled(archive, cache)
    return report | ({"unused": unused} if unused else {})


def pickled(archive: Archive, cache: Path) -> list[dict[str, str]]:
    """The path of every form of CIFAR-10 in a cache that holds pickles, and why it is not used.

    >>> pickled(OFFICIAL, Path("no/such/folder"))
    []
    """
    return [
        {
            "path": str(cache / name),
            "why": f"{cache / name} holds pickles, which can run any code, and nothing here unpickles, so that it is not "
            f"used; put {archive.name} at {cache / archive.name}",
        }
        for name in _PICKLED
        if os.path.exists(cache / name)
    ]


def _state(path, verify, archive):
    if not os.path.lexists(path):
        return {"state": "absent"}
    try:
        dataset = verify(path, archive)
    except DataError as error:
        return {"state": "damaged", "why": str(error)}
    return {"state": "whole"} | ({"digest": dataset.digest} if dataset else {})


def _arrays_in(cache):
    return cache / "cifar10.safetensors"


@contextmanager
def _writing(archive, cache):
    try:
        yield
    except OSError as error:
        room = f" for {(archive.size + 6 * _BATCH) // 10**6 + 1} MB"
        remedy = remedy_of(error, "set CONVAC_DATA to", room)
        raise DataError(f"cannot keep CIFAR-10 in {cache}: {error.strerror or error}; {remedy}") from None


def _fetch(archive, cache, progress):
    """The verified archive in the cache, downloaded if it is not there; pooch verifies before it renames."""
    path = cache / archive.name
    if path.exists():
        _verify(path, archive)
        return path
    pooch.get_logger().setLevel("INFO" if progress else "WARNING")
    source = pooch.create(
        cache,
        base_url="",
        registry={archive.name: f"md5:{archive.md5}"},
        urls={archive.name: archive.url},
        retry_if_failed=_RETRIES,
    )
    downloader = pooch.HTTPDownloader(progressbar=progress, chunk_size=2**16, timeout=_PATIENCE)
    try:
        source.fetch(archive.name, downloader=downloader)
    except (RequestException, ValueError) as error:
        raise DataError(
            f"cannot fetch {archive.url}: {_diagnosis(error)}get {archive} elsewhere and put it at {path}"
        ) from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise DataError(  # requests finds no file of certificates, and says so without a number
            f"cannot fetch {archive.url}: {error}; mend or unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
        ) from None
    return path


def _diagnosis(error):
    """What kept the archive from coming; and what helps against that, if anything does."""
    again, connect = "run it again, or ", "connect this machine to the internet, or "
    if not isinstance(error, RequestException):
        return f"what came is not that file; if your network asks you to log in, do so and {again}"
    if error.response is not None:
        status = error.response.status_code
        return f"the server answers {status}; " + "run it again later, or " * (status == 429 or status >= 500)
    causes = _causes(error)
    words = "".join(map(repr, causes))
    if isinstance(error, ProxyError | InvalidURL) or "SOCKS" in words:  # the archive's own URL is valid
        return "the proxy does not work; mend or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or "
    for cause in causes:
        if isinstance(cause, SSLCertVerificationError):
            remedy = "set REQUESTS_CA_BUNDLE to the file of certificates that your network uses"
            if "expired" in cause.verify_message or "not yet valid" in cause.verify_message:
                remedy = "set this machine's clock"
            return f"its certificate cannot be verified ({cause.verify_message}); {remedy}, or "
    if isinstance(error, SSLError):
        return "no secure connection can be made; mend the proxy or firewall that is between, or "
    if isinstance(error, Timeout) or "timed out" in words:
        return f"nothing came for {_PATIENCE} s; run it again later, or "
    if "NameResolutionError" in words:
        return f"its name cannot be resolved; {connect}"
    if "unreachable" in words:
        return f"the network is unreachable; {connect}"
    if "Connection refused" in words:
        return "the connection is refused; let it through your network's firewall, or "
    return f"the connection was lost; {again}"


def _causes(error):
    """An error, and those that it was raised from or holds as arguments: requests wraps urllib3's."""
    seen = []
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "reason", None) or next((a for a in error.args if isinstance(a, BaseException)), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    return seen


def _verify(path, archive):
    """Refuse a file that is not the archive, byte by byte."""
    try:
        if not path.is_file():
            raise DataError(f"{path} is not a regular file; {_AGAIN}")
        size = path.stat().st_size
        if size != archive.size:
            raise DataError(f"{path} has {size:,} bytes, not the {archive.size:,} of {archive.name}; {_AGAIN}")
        md5 = pooch.file_hash(path, alg="md5")
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; make it readable") from None
    if md5 != archive.md5:
        raise DataError(f"{path} has MD5 {md5}, not the {archive.md5} of {archive.name}; {_AGAIN}")


def _convert(path, arrays, archive):
    """Write the archive's images as one array file, whole or not at all."""
    dataset = _parse(path)
    replace(arrays, save({name: getattr(dataset, name) for name in _ARRAYS}, _provenance(dataset, archive)))


def _provenance(dataset, archive):
    return {"source": dataset.source, "archive": archive.md5, "digest": dataset.digest}


def _read_arrays(path, archive):
    try:
        if not path.is_file():  # a pipe would be waited for
            raise DataError(f"{path} is not a regular file")
        with safe_open(path, "pt") as file:
            provenance = file.metadata()
            dataset = Dataset("cifar10", **{name: file.get_tensor(name) for name in _ARRAYS}, classes=CLASSES)
    except PermissionError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; make it readable") from None
    except (OSError, SafetensorError, DataError):
        provenance = dataset = None
    if dataset is None or provenance != _provenance(dataset, archive):
        raise DataError(f"{path} is damaged, or not made from {archive}; delete it, and it is made again")
    return dataset


def _parse(path):
    """The archive's `Dataset`: records of a byte for the class, then the red, the green and the blue bytes, row by row."""
    batches, tensors = _read_batches(path), {}
    for split, names in _BATCHES.items():
        records = np.frombuffer(b"".join(batches[name] for name in names), np.uint8).reshape(-1, _RECORD)
        labels = records[:, 0].astype(np.int64)
        _check_labels(labels, split, path)
        tensors[f"{split}_images"] = torch.tensor(records[:, 1:]).reshape(-1, 3, 32, 32)
        tensors[f"{split}_labels"] = torch.tensor(labels)
    return Dataset("cifar10", **tensors, classes=CLASSES)


def _check_labels(labels, split, path):
    if labels.max() >= len(CLASSES):
        raise DataError(f"{path} has the label {labels.max()} in {split}, and labels are 0 to 9; {_AGAIN}")
    expected = len(labels) // len(CLASSES)
    for label, count in enumerate(np.bincount(labels, minlength=len(CLASSES))):
        if count != expected:
            raise DataError(f"{path} has {count:,} images of class {label} in {split}, not {expected:,}; {_AGAIN}")


def _read_batches(path):
    """The bytes of the six batches, read from the stream."""
    batches, wanted = {}, {name for names in _BATCHES.values() for name in names}
    try:
        with gzip.open(path) as stream, tarfile.open(fileobj=stream, mode="r|") as members:
            for member in members:
                _refuse_unknown(member, wanted - set(batches), path)
                if member.name in wanted:
                    batches[member.name] = members.extractfile(member).read()
            stream.read()  # to the end, where gzip compares its checksum
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} is no whole tar.gz file: {error}; {_AGAIN}") from None
    if missing := sorted(wanted - set(batches)):
        raise DataError(f"{path} has no {missing[0]}; {_AGAIN}")
    return batches


def _refuse_unknown(member, awaited, path):
    """Let pass the folder, a text, or a batch that has not come yet; no links and the like."""
    plain = member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)
    if plain and (member.name in _TEXTS or (member.name in awaited and member.size == _BATCH)):
        return
    if member.isdir() and member.name == _FOLDER:
        return
    raise DataError(
        f"{path} holds {member.name!r} of type {member.type.decode('latin-1')!r} and {member.size:,} bytes, "
        f"and should hold six batches of {_BATCH:,} bytes, once each, beside two texts; {_AGAIN}"
    )
