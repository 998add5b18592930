"""Random blobs, how closed and how symmetric they are, and networks that pool them by windows of a geometry.

A geometry is a rearrangement of the pixels, so an ordinary network learns from rearranged images. Taught in the chapter
*Pooling geometry*.
"""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import torch
from scipy.ndimage import binary_closing
from torch import Tensor, nn

from convac_lib.checks import require_integers
from convac_lib.data.dataset import Dataset
from convac_lib.errors import ConvacError, DataError
from convac_lib.families import common_case
from convac_lib.networks.layers import he_initialized
from convac_lib.networks.models import ConvNet
from convac_lib.related.geometry import patch_order
from convac_lib.theory.fields import require_seed

TASKS = {"closedness": ("open", "closed"), "symmetry": ("lopsided", "symmetric")}
POOLINGS = ("average", "maximum")
LABELLED = 0.4  # the share of the blobs at either end of a score


def blobs(n: int, *, size: int = 16, seed: int) -> np.ndarray:
    """Draw blobs: bent ellipses, turned and scaled to the image, from which pixels are missing.

    The missing pixels are chosen at random with a rate from 0.1 to 0.33. In half of the images the choice is symmetric.

    Args:
        n: how many.
        size: H, the side of an image in pixels; a border of one pixel stays empty.
        seed: the same seed draws the same blobs.

    Returns:
        1 in a blob and 0 outside, uint8 of shape (n, H, H).

    Raises:
        ConvacError: if n or the size is not an integer of at least 1 or 4, or the seed is not one of at least 0.

    Source: Cohen & Shashua, ICLR 2017, from the description of its authors' code. Chapter: *Pooling geometry*.

    >>> blobs(3, seed=0).shape
    (3, 16, 16)
    """
    require_integers(n=n)
    require_integers(least=4, size=size)
    generator = np.random.default_rng(require_seed(seed))
    return np.stack([_blob(size, generator) for _ in range(n)])


def _blob(size: int, generator: np.random.Generator) -> np.ndarray:
    fine = np.linspace(-1.5, 1.5, 6 * size)
    y, x = np.meshgrid(fine, fine, indexing="ij")
    angle = generator.uniform(0, np.pi)
    x, y = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    bend, waves, phase = generator.uniform(0, 0.25), generator.uniform(1, 4), generator.uniform(0, 2 * np.pi)
    inside = x**2 + ((y + bend * np.sin(waves * x + phase)) / generator.uniform(0.4, 1)) ** 2 <= 1
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    side = size - 2
    blob = np.zeros((size, size), np.uint8)
    blob[1:-1, 1:-1] = inside[np.ix_(_spread(rows, side), _spread(columns, side))]
    missing = generator.random((size, size)) < generator.uniform(0.1, 0.33)
    if generator.random() < 0.5:
        missing[:, size // 2 :] = missing[:, (size - 1) // 2 :: -1][:, : size - size // 2]
    return blob * ~missing


def _spread(lines: np.ndarray, count: int) -> np.ndarray:
    """Choose lines evenly from the first to the last."""
    chosen: np.ndarray = np.linspace(lines[0], lines[-1], count).round().astype(int)
    return chosen


def closedness(images: np.ndarray) -> np.ndarray:
    """Measure how few holes and notches a blob has.

        area / area of the closing by 3×3 pixels

    Args:
        images: 0 and 1, of shape (n, H, H); none is empty.

    Returns:
        Numbers from 0 to 1, of shape (n,).

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> ring = np.ones((1, 3, 3), int)
    >>> ring[0, 1, 1] = 0
    >>> closedness(ring) == 8 / 9
    array([ True])
    """
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2)))  # the closing must not end at the border
    closed = binary_closing(padded, np.ones((1, 3, 3)))
    share: np.ndarray = images.sum((1, 2)) / closed.sum((1, 2))
    return share


def symmetry(images: np.ndarray) -> np.ndarray:
    """Measure how much of a blob is its own reflection from left to right.

        |I ∧ reflected I| / |I|

    Args:
        images: 0 and 1, of shape (n, H, H); none is empty.

    Returns:
        Numbers from 0 to 1, of shape (n,).

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> symmetry(np.array([[[1, 1], [0, 1]]])) == 2 / 3
    array([ True])
    """
    share: np.ndarray = (images & images[:, :, ::-1]).sum((1, 2)) / images.sum((1, 2))
    return share


def blob_dataset(task: str, *, n: int, tested: int, size: int = 16, seed: int) -> Dataset:
    """Label blobs by a score: the top 40 per cent and the bottom 40 per cent; the rest is left out.

    Args:
        task: "closedness" or "symmetry".
        n: how many images to train on.
        tested: how many images to test on.
        size: H.
        seed: draws the blobs.

    Returns:
        The `Dataset`, of two classes.

    Raises:
        ConvacError: if there is no such task, or a number is not an integer of at least 1.

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> blob_dataset("symmetry", n=60, tested=20, seed=0)
    Dataset(source='blobs, symmetry', 60 train and 20 test images of shape (1, 16, 16), 2 classes)
    """
    if task not in TASKS:
        raise ConvacError(f"unknown task {task!r}; use one of {', '.join(TASKS)}")
    require_integers(n=n, tested=tested)
    images = blobs(round((n + tested) / (2 * LABELLED)) + 1, size=size, seed=seed)
    score = closedness(images) if task == "closedness" else symmetry(images)
    order = np.argsort(score, kind="stable")
    half = (n + tested + 1) // 2
    chosen = np.concatenate([order[:half], order[-half:]])
    shuffled = np.random.default_rng([seed, 1]).permutation(2 * half)
    pixels = torch.from_numpy(255 * images[chosen][shuffled])[:, None]
    labels = torch.from_numpy(np.repeat([0, 1], half)[shuffled])
    test = slice(n, n + tested)
    return Dataset(f"blobs, {task}", pixels[:n], labels[:n], pixels[test], labels[test], TASKS[task])


def rearranged(dataset: Dataset, geometry: str) -> Dataset:
    """Rearrange the pixels of all images such that contiguous windows hold what a geometry pools, and say so.

    A network of 1×1 convolutions and 2×2 pooling that reads these images is the network of that geometry.

    Args:
        dataset: images whose side is a power of two.
        geometry: "square", "mirror" or "far".

    Returns:
        The `Dataset`, whose source names the geometry.

    Raises:
        ConvacError: as `line_order`.
        DataError: if the images are not square.

    Chapter: *Pooling geometry*.

    >>> rearranged(blob_dataset("symmetry", n=6, tested=2, seed=0), "mirror").source
    'blobs, symmetry, mirror windows'
    """
    H, W = dataset.train_images.shape[-2:]
    if H != W:
        raise DataError(f"a geometry rearranges square images, and these have {H}×{W} pixels; crop or resize them")
    order = torch.from_numpy(patch_order(geometry, W)).flatten()

    def move(images: Tensor) -> Tensor:
        return images.flatten(2)[..., order].reshape(images.shape)

    return replace(
        dataset,
        source=f"{dataset.source}, {geometry} windows",
        train_images=move(dataset.train_images),
        test_images=move(dataset.test_images),
    )


class AverageNet(nn.Module):
    """A network of 1×1 convolutions with ReLU, each followed by the average of 2×2 units, and a dense layer.

    Args:
        size: H, a power of two of at least 2.
        channels: of every convolution.
        classes: Y.
        generator: the random generator of the initial weights.

    Shape:
        - Input: (N, 1, H, H)
        - Output: (N, Y).

    Chapter: *Pooling geometry*.

    >>> AverageNet(16, 8, 2, generator=torch.Generator())(torch.zeros(3, 1, 16, 16)).shape
    torch.Size([3, 2])
    """

    def __init__(self, size: int, channels: int, classes: int, *, generator: torch.Generator) -> None:
        super().__init__()
        widths = [1] + [channels] * (size.bit_length() - 1)
        modules: list[nn.Module] = []
        for below, above in pairwise(widths):
            convolution = he_initialized(nn.Conv2d, below, above, 1, nonlinearity="relu", generator=generator)
            modules += [convolution, nn.ReLU(), nn.AvgPool2d(2)]
        self.layers = nn.Sequential(*modules)
        self.dense = he_initialized(nn.Linear, channels, classes, nonlinearity="linear", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.dense(self.layers(x).flatten(1))  # (N, 1, H, H) -> (N, C) -> (N, Y)
        return scores


def pooling_network(pooling: str, *, size: int = 16, channels: int = 16, seed: int) -> nn.Module:
    """Build a network of two classes that reads one pixel at a time and pools windows of 2×2.

    Args:
        pooling: "average", an `AverageNet`, or "maximum", a `ConvNet`.
        size: H, a power of two of at least 2.
        channels: of every convolution.
        seed: of the initial weights.

    Returns:
        The network.

    Raises:
        ConvacError: if there is no such pooling, or a number does not fit.

    Chapter: *Pooling geometry*.

    >>> [sum(w.numel() for w in pooling_network(name, seed=0).parameters()) for name in POOLINGS]
    [882, 882]
    """
    if pooling not in POOLINGS:
        raise ConvacError(f"unknown pooling {pooling!r}; use one of {', '.join(POOLINGS)}")
    generator = torch.Generator().manual_seed(require_seed(seed))
    plan = common_case(B=1, M=1, size=size, channels=channels)
    if pooling == "maximum":
        return ConvNet(plan, classes=2, in_channels=1, generator=generator)
    return AverageNet(size, channels, 2, generator=generator)
