"""Folders of images, with one folder per split and one per class.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import os
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from convac_lib.budget import require_memory
from convac_lib.data.dataset import PUBLISHED, SPLITS, Dataset
from convac_lib.errors import MALFORMED, DataError
from convac_lib.files import read, telling

Image8 = NDArray[np.uint8]
_ENDINGS = (".jpg", ".jpeg", ".png")
_LARGEST_IMAGE = 2**28  # bytes of a file: more than Pillow's largest image takes uncompressed
_REPLACE = "replace or remove it"


def folder(path: Path | str, *, progress: bool = True) -> Dataset:
    """Read a folder of images, laid out as `<split>/<class>/<image>` with the splits `train` and `test`.

    Images are JPEG or PNG (`.jpg`, `.jpeg`, `.png`), all of one size, 8-bit grayscale or RGB. Other files are ignored.
    If all images are grayscale, they keep their one channel; in a mix, grayscale is repeated over three channels, which
    loses nothing. Every image is decoded, which finds truncated files and PNGs with a wrong checksum. JPEG has no
    checksum, so that changed bytes inside one may go unnoticed.

    Args:
        path: the folder; its name becomes the source of the data set.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `Dataset`, with classes and images in the order of their names.

    Raises:
        DataError: if the folder, a split or an image is missing or damaged, if the images differ in size, or if the
            folder has the name of a published data set, which these images need not be.
        BudgetError: if the images need more memory than is free.

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
    files = {split: [_image_files(path / split / name) for name in classes] for split in SPLITS}
    images = _as_tensor(_read_all([file for split in SPLITS for part in files[split] for file in part], progress))
    train_labels, test_labels = (
        torch.tensor([label for label, part in enumerate(files[split]) for _ in part]) for split in SPLITS
    )
    train, test = images[: len(train_labels)], images[len(train_labels) :]
    return Dataset(source, train, train_labels, test, test_labels, classes)


def _as_tensor(arrays: list[Image8]) -> torch.Tensor:
    """The images, of shape (n, C, H, W); in a mix of grayscale and RGB, grayscale is repeated over three channels."""
    if {array.ndim for array in arrays} == {2, 3}:
        arrays = [array if array.ndim == 3 else np.repeat(array[:, :, None], 3, axis=2) for array in arrays]
    images = torch.from_numpy(np.stack(arrays))  # (n, H, W) or (n, H, W, 3)
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()


def _classes(path: Path) -> tuple[str, ...]:
    """The names of the class folders, which are the same in both splits."""
    found: dict[str, set[str]] = {}
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


def _entries(directory: Path) -> list[Path]:
    """The entries of a folder that are not hidden, in the order of their names."""
    with telling("read", directory, name="use"):
        return sorted(entry for entry in directory.iterdir() if entry.name[0] != ".")


def _image_files(directory: Path) -> list[Path]:
    files = [file for file in _entries(directory) if file.suffix.lower() in _ENDINGS]
    if not files:
        raise DataError(f"{directory} has no images; put a .jpg or .png file in it, or remove it from both splits")
    return files


def _read_all(files: list[Path], progress: bool) -> list[Image8]:
    arrays: list[Image8] = []
    for file in tqdm(files, desc="reading images", unit="image", disable=not progress):
        array = _read_image(file)
        if not arrays:  # three copies: single images, all of them stacked, and channels first
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


def _read_image(file: Path) -> Image8:
    """The image as bytes, of shape (H, W) or (H, W, 3)."""
    missing = f"it is a link to nothing, or was removed just now, so {_REPLACE}"
    with telling("read", file, missing=missing, otherwise=_REPLACE, name="use"):
        data = read(file, _LARGEST_IMAGE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
                image.verify()  # the checksums of a PNG, which decoding skips; Pillow must then open the image again
            with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as image:
                frames = getattr(image, "n_frames", 1) if image.format == "PNG" else 1
                image.load()
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise DataError(f"{file} has more than {Image.MAX_IMAGE_PIXELS:,} pixels; make it smaller") from None
    except MALFORMED as error:
        raise DataError(f"{file} is not a whole JPEG or PNG image; {_REPLACE}") from error
    if frames > 1:
        raise DataError(f"{file} is an animation of {frames} images; save one of them in its place")
    if image.mode not in ("L", "RGB"):
        raise DataError(f"{file} is in Pillow's mode {image.mode!r}, not 8-bit grayscale or RGB; convert it first")
    return np.asarray(image)
