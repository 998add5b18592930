"""Images without the order of the parts in their blocks: what a ConvNet of B = 1 sees of them, and no more.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from convac_lib.checks import require_integers
from convac_lib.data.dataset import Dataset
from convac_lib.errors import ConvacError, DataError


def sorted_blocks(images: Tensor, side: int | None = None) -> Tensor:
    """Sort the four quarters of every block, from the 2×2 blocks of pixels up to the blocks of a given side.

    A ConvNet with 1×1 convolutions and 2×2 max-pooling gives an image and its sorted version the same outputs, whatever
    its weights: 1×1 convolutions read one pixel at a time, and the maximum of four numbers ignores their order.

    Args:
        images: of shape (N, C, H, H), H a power of two.
        side: of the largest blocks whose quarters are sorted, a power of two up to H; H if left out, and 1 sorts
            nothing.

    Returns:
        Images of the same shape and type. Quarters are compared number by number, channel by channel and row by row.

    Raises:
        DataError: if the images are not square or H is not a power of two.
        ConvacError: if the side is not a power of two from 1 to H.

    Source: none; ours. Chapter: *Experiments on standard ConvNets*.

    >>> image = torch.tensor([[[[9, 3, 0, 0], [1, 7, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]]]])
    >>> sorted_blocks(image, side=2)[0, 0]
    tensor([[1, 3, 0, 0],
            [7, 9, 0, 0],
            [0, 0, 0, 0],
            [0, 0, 0, 5]])
    """
    H = images.shape[-1]
    if images.ndim != 4 or images.shape[-2] != H or H < 1 or H & (H - 1):
        raise DataError(
            f"blocks are sorted in images of shape (N, C, H, H) with H a power of two, not {tuple(images.shape)}; "
            "crop or resize them"
        )
    side = H if side is None else side
    require_integers(side=side)
    if side > H or side & (side - 1):
        raise ConvacError(f"side must be a power of two from 1 to {H}, not {side}; it is that of the largest blocks")
    return torch.from_numpy(np.stack([_sorted(image, side) for image in images.numpy(force=True)]))


def without_order(dataset: Dataset) -> Dataset:
    """Sort all blocks of all images, up to the whole image, and say so in the source.

    Raises:
        DataError: if the images are not square, or their side is not a power of two.

    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib.data.digits import digits
    >>> without_order(digits()).source
    'digits, blocks sorted'
    """
    return replace(
        dataset,
        source=f"{dataset.source}, blocks sorted",
        train_images=sorted_blocks(dataset.train_images),
        test_images=sorted_blocks(dataset.test_images),
    )


def _sorted(image: np.ndarray, side: int) -> np.ndarray:
    """Sort an image of shape (C, h, h) whose quarters are sorted first, as far as they are no larger than the side."""
    half = image.shape[-1] // 2
    if half == 0 or side == 1:
        return image
    top, bottom = image[:, :half], image[:, half:]
    quarters = [
        _sorted(part, side) for part in (top[..., :half], top[..., half:], bottom[..., :half], bottom[..., half:])
    ]
    if 2 * half <= side:
        quarters.sort(key=lambda part: part.tolist())
    a, b, c, d = quarters
    return np.concatenate([np.concatenate([a, b], axis=2), np.concatenate([c, d], axis=2)], axis=1)
