"""Image data sets: what one is, the digits embedded in scikit-learn, and folders of images.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import errno
import os
import stat
import warnings
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor
from tqdm import tqdm

from convac_lib.budget import require_memory
from convac_lib.errors import DataError

SPLITS = ("train", "test")
PUBLISHED = ("digits", "cifar10")  # sources that no folder may pass for
_ENDINGS = (".jpg", ".jpeg", ".png")
_LARGEST_IMAGE = 2**28  # bytes of a file, above what Pillow's largest image takes uncompressed


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images for training and for testing, as they are: whole bytes, unscaled.

    Args:
        source: where the images come from; every figure obtained on them says so.
        train_images: uint8, of shape (n, C, H, W), values 0..255.
        train_labels: int64, of shape (n,), the number of each image's class, 0..Y−1.
        test_images: uint8, of shape (m, C, H, W).
        test_labels: int64, of shape (m,).
        classes: the Y classes' names, in the order of their numbers.

    Raises:
        DataError: if a split is empty, or its images or labels have another type, shape or range.

    Chapter: *Experiments on standard ConvNets*.

    >>> digits()
    Dataset(source='digits', 1437 train and 360 test images of shape (1, 8, 8), 10 classes)
    """

    source: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self):
        for split in SPLITS:
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            if images.dtype != torch.uint8 or images.ndim != 4:
                raise DataError(
                    f"the {split} images must be uint8 of shape (n, C, H, W), "
                    f"not {images.dtype} of shape {tuple(images.shape)}; convert them first"
                )
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                raise DataError(
                    f"the {split} labels must be int64 of shape ({len(images)},), one for each image, "
                    f"not {labels.dtype} of shape {tuple(labels.shape)}; convert them first"
                )
            if len(images) == 0:
                raise DataError(f"the {split} split of {self.source} has no images; give it at least one")
            if labels.min() < 0 or labels.max() >= len(self.classes):
                raise DataError(
                    f"the {split} labels run from {labels.min()} to {labels.max()}, "
                    f"but {len(self.classes)} classes are numbered 0 to {len(self.classes) - 1}; renumber them"
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"the train images have shape {tuple(self.train_images.shape[1:])} and the test images "
                f"{tuple(self.test_images.shape[1:])}; make them one shape"
            )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of both splits' images and labels and their shapes, in hexadecimal; a record names its data by it.

        >>> digits().digest[:16]
        '10b4a772c53f4577'
        """
        digest = sha256()
        for name in (f"{split}_{kind}" for split in SPLITS for kind in ("images", "labels")):
            array = getattr(self, name).cpu().contiguous().numpy()
            digest.update(repr(array.shape).encode())
            digest.update(array)
        return digest.hexdigest()

    def __repr__(self):
        return (
            f"Dataset(source={self.source!r}, {len(self.train_images)} train and {len(self.test_images)} test images "
            f"of shape {tuple(self.train_images.shape[1:])}, {len(self.classes)} classes)"
        )


def digits(seed: int = 0) -> Dataset:
    """Read the 1,797 handwritten digits that come with scikit-learn: 8×8 pixels, 1,437 to train on and 360 to test on.

    Their values 0..16 are multiplied by 15, exactly, to 0..240; every class is split in the same proportion.

    Args:
        seed: which images are test images; the same seed makes the same split.

    Returns:
        The `Dataset`, source "digits".

    Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits (1998), UCI repository; the 8×8 test
    part, as in scikit-learn. Chapter: *Experiments on standard ConvNets*.

    >>> digits().train_labels.bincount()                          # 1437 images, the ten digits about equally often
    tensor([142, 146, 142, 146, 145, 145, 145, 143, 139, 144])
    """
    embedded = load_digits()
    images = torch.tensor(embedded.images * 15, dtype=torch.uint8)[:, None]  # (n, 1, 8, 8)
    labels = torch.tensor(embedded.target)
    train, test = map(
        torch.tensor, train_test_split(np.arange(len(labels)), test_size=360, stratify=labels, random_state=seed)
    )
    return Dataset("digits", images[train], labels[train], images[test], labels[test], tuple("0123456789"))


def folder(path: Path | str, *, progress: bool = True) -> Dataset:
    """Read a folder of images, laid out as `<split>/<class>/<image>` with the splits `train` and `test`.

    Images are JPEG or PNG (`.jpg`, `.jpeg`, `.png`; other files are left alone), all of one size, 8-bit grayscale or RGB.
    If all are grayscale they keep their one channel; in a mix, grayscale is repeated over three channels, which
    loses nothing. Everything is read and decoded at once, so that a truncated file, or a PNG with a wrong checksum,
    is found here; JPEG has no checksum, so that changed bytes inside one may pass.

    Args:
        path: the folder; its name becomes the data set's source.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `Dataset`, with classes and images in the order of their names.

    Raises:
        DataError: if the folder, a split or an image is missing, damaged or unlike the others, or if the folder bears
            the name of a published data set, which these images need not be.

    Chapter: *Experiments on standard ConvNets*.

    >>> folder("no/such/folder")
    Traceback (most recent call last):
    convac_lib.errors.DataError: there is no folder no/such/folder; give one with the folders train and test in it
    """
    path = Path(path)
    if not os.path.isdir(path):
        raise DataError(f"there is no folder {path}; give one with the folders train and test in it")
    source = os.fsencode(path.resolve().name).decode("utf-8", "backslashreplace")  # a name may be any bytes
    if source in PUBLISHED:
        raise DataError(f"the folder {path} would pass for the published {source}; give it another name")
    _entries(path)  # refuses a folder that cannot be read
    classes = _classes(path)
    files = {
        split: [(file, label) for label, name in enumerate(classes) for file in _image_files(path / split / name)]
        for split in SPLITS
    }
    arrays = _read_all([file for split in SPLITS for file, _ in files[split]], progress)
    if {array.ndim for array in arrays} == {2, 3}:
        arrays = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    images = torch.from_numpy(np.stack(arrays))  # (n, H, W) or (n, H, W, 3)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()  # (n, C, H, W)
    train, test = images.split([len(files[split]) for split in SPLITS])
    train_labels, test_labels = (torch.tensor([label for _, label in files[split]]) for split in SPLITS)
    return Dataset(source, train, train_labels, test, test_labels, classes)


def _classes(path):
    """The class folders' names, the same in both splits."""
    found = {}
    for split in SPLITS:
        if not os.path.isdir(path / split):
            raise DataError(f"{path} has no folder {split}; it needs the folders train and test")
        found[split] = {entry.name for entry in _entries(path / split) if os.path.isdir(entry)}
        if not found[split]:
            raise DataError(f"{path / split} has no classes; it needs a folder of images for each class")
    if found["train"] != found["test"]:
        name = min(found["train"] ^ found["test"])
        present, absent = SPLITS if name in found["train"] else SPLITS[::-1]
        raise DataError(f"class {name!r} is in {present} and not in {absent}; both splits need the same classes")
    return tuple(sorted(found["train"]))


def _entries(directory):
    """What is in a folder and not hidden, in the order of its names."""
    try:
        return sorted(entry for entry in directory.iterdir() if entry.name[0] != ".")
    except OSError as error:
        raise DataError(f"cannot read the folder {directory}: {error.strerror}; make it readable") from None


def _image_files(directory):
    files = [file for file in _entries(directory) if file.suffix.lower() in _ENDINGS]
    if not files:
        raise DataError(f"{directory} has no images; put a .jpg or .png file in it, or remove it from both splits")
    return files


def _read_all(files, progress):
    arrays = []
    for file in tqdm(files, desc="reading images", unit="image", disable=not progress):
        array = _read_image(file)
        if not arrays:  # in memory three times: each by itself, all together, and with channels first
            needed = 3 * len(files) * array.nbytes
            require_memory(needed, f"reading {len(files):,} images", "use fewer images, or smaller ones")
        elif array.shape[:2] != arrays[0].shape[:2]:
            (height, width), (first_height, first_width) = array.shape[:2], arrays[0].shape[:2]
            raise DataError(
                f"{file} is {width}×{height} pixels and {files[0]} is {first_width}×{first_height}; "
                "make all images one size"
            )
        arrays.append(array)
    return arrays


def _read_image(file):
    """The image as bytes, (H, W) or (H, W, 3)."""
    too_long = f"{file} is longer than an image's {_LARGEST_IMAGE:,} bytes; replace it by a smaller image, or remove it"
    try:
        data = contents_of(file, _LARGEST_IMAGE, too_long)
    except FileNotFoundError:
        raise DataError(f"{file} is a link to nothing, or was removed just now; replace or remove it") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
                image.verify()  # a PNG's checksums, which decoding skips; the image must be opened again after it
            with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
                frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
                image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"{file} has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"{file} is not a whole JPEG or PNG image; replace or remove it") from error
    if frames > 1:
        raise DataError(f"{file} is an animation of {frames} images; save one of them in its place")
    if image.mode not in ("L", "RGB"):
        raise DataError(f"{file} is in Pillow's mode {image.mode!r}, not 8-bit grayscale or RGB; convert it first")
    return np.asarray(image)


def contents_of(path: Path | str, most: int, too_long: str) -> bytes:
    """Read a regular file of at most so many bytes; a pipe or a device is refused at once, not waited for.

    Args:
        path: the file.
        most: the most bytes that it may have.
        too_long: the sentence about one that has more.

    Raises:
        DataError: if it has more, is no regular file, or cannot be read.
        FileNotFoundError: if there is none.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            state = os.fstat(file.fileno())
            if not stat.S_ISREG(state.st_mode):
                raise DataError(f"{path} is not a regular file; replace or remove it")
            if state.st_size > most:
                raise DataError(too_long)
            return file.read()
    except FileNotFoundError:
        raise
    except OSError as error:
        if isinstance(error, IsADirectoryError) or error.errno == errno.ENXIO:  # a folder, a socket
            raise DataError(f"{path} is not a regular file; replace or remove it") from None
        remedy = "make it readable" if isinstance(error, PermissionError) else "replace or remove it"
        raise DataError(f"cannot read {path}: {error.strerror}; {remedy}") from None


def _open_at_once(path, flags):
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def remedy_of(error: OSError, name: str, room: str = "") -> str:
    """What helps where a file cannot be written, a clause.

    Args:
        error: why it cannot be.
        name: how another folder is named, as in "set CONVAC_DATA to".
        room: how much is needed, as in " for 186 MB".
    """
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return f"make room{room} there, or {name} another folder"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{name} a folder that can be written"
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return f"a file is in the folder's place, so {name} another folder"
    return f"{name} another folder"
