"""What a data set is: labelled images, in one split for training and one for testing.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor

from convac_lib.errors import DataError

SPLITS = ("train", "test")
PUBLISHED = ("digits", "cifar10")  # sources whose names no folder may bear


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images for training and for testing, unscaled, as unsigned bytes.

    Args:
        source: where the images come from; every figure obtained on them says so.
        train_images: uint8, of shape (n, C, H, W), values 0..255.
        train_labels: int64, of shape (n,), the number of each image's class, 0..Y−1.
        test_images: uint8, of shape (m, C, H, W).
        test_labels: int64, of shape (m,).
        classes: the names of the Y classes, in the order of their numbers.

    Raises:
        DataError: if a split is empty, or its images or labels have another type, shape or range.

    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib.data.digits import digits
    >>> digits()
    Dataset(source='digits', 1437 train and 360 test images of shape (1, 8, 8), 10 classes)
    """

    source: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        self._require_sound("train", self.train_images, self.train_labels)
        self._require_sound("test", self.test_images, self.test_labels)
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise DataError(
                f"the train images have shape {tuple(self.train_images.shape[1:])} and the test images "
                f"{tuple(self.test_images.shape[1:])}; make them one shape"
            )

    def _require_sound(self, split: str, images: Tensor, labels: Tensor) -> None:
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

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the images, the labels and their shapes in both splits, in hexadecimal: a record states it.

        >>> from convac_lib.data.digits import digits
        >>> digits().digest[:16]
        '10b4a772c53f4577'
        """
        digest = sha256()
        for tensor in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            array = tensor.cpu().contiguous().numpy()
            digest.update(repr(array.shape).encode())
            digest.update(array.data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        return (
            f"Dataset(source={self.source!r}, {len(self.train_images)} train and {len(self.test_images)} test images "
            f"of shape {tuple(self.train_images.shape[1:])}, {len(self.classes)} classes)"
        )
