"""Digits before and after the parts of their blocks are sorted: other pictures, and the same to a ConvNet of B = 1."""

from collections.abc import Sequence

from convac_lib.extras import require

require("experiments", __name__)

import numpy as np
import torch
from torch import Tensor

from convac_lib.data.sorting import sorted_blocks
from convac_lib.errors import DataError
from convac_lib.visuals.pixels import add_pixels
from convac_lib.visuals.style import INK, RULE
from convac_lib.visuals.svg import LINE, WIDTH, add_path, add_text, lattice, rectangle, serialize, svg_document
from convac_lib.visuals.view import Value, View

SIDE, GAP, TOP = 126, 18, 2 * LINE + 8
STEPS = (1, 2, 4, 8)  # the sides of the largest blocks that are sorted, one in each column
Corner = tuple[int, int]


def sorting_view(images: Tensor) -> View:
    """Show digits as they are, and after the quarters of their 2×2, 4×4 and 8×8 blocks are sorted.

    Args:
        images: uint8, of shape (N, 1, 8, 8), one to four of them, each a row of the picture.

    Returns:
        The `View`. In each row the 2×2 block with the most ink is outlined, wherever it goes.

    Raises:
        DataError: if there are none or more than four, or they have another shape or type.

    Source: none; ours. Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib.data.digits import digits
    >>> dict(sorting_view(digits().train_images[[33, 0, 17]]).values)
    {'adjacent pairs': 336, 'still adjacent': 154}
    """
    if images.dtype != torch.uint8 or images.shape[1:] != (1, 8, 8) or not 1 <= len(images) <= 4:
        raise DataError(
            f"the picture shows one to four images, uint8 of shape (N, 1, 8, 8), not {images.dtype} of shape "
            f"{tuple(images.shape)}; choose some of them"
        )
    pairs, kept = 112 * len(images), sum(map(_still_adjacent, _places(images, STEPS[-1])))
    reading = (
        f"Of {pairs} pairs of adjacent pixels, {kept} are still adjacent after sorting. A ConvNet of B = 1 gives each "
        "digit and its sorted version the same outputs."
    )
    alternative = (
        f"Handwritten digits of 8×8 pixels, {len(images)} of them, as they are and after three steps of sorting: the "
        "pixels of each 2×2 block, the 2×2 blocks of each 4×4 block, and the 4×4 blocks. The digits cannot be read any "
        f"more after the first two steps, and of {pairs} pairs of adjacent pixels {kept} are still adjacent at the end."
    )
    values: dict[str, Value] = {"adjacent pairs": pairs, "still adjacent": kept}
    return View(draw_sorting(images), alternative, reading, values)


def draw_sorting(images: Tensor) -> str:
    """Draw a row for every image: as it is, and with its 2×2, 4×4 and 8×8 blocks sorted, the blocks outlined.

    Args:
        images: as for `sorting_view`.

    Returns:
        An SVG document, 560 wide.

    Chapter: *Experiments on standard ConvNets*.
    """
    svg = svg_document(WIDTH, TOP + len(images) * (SIDE + GAP) - GAP + 2)
    cell = SIDE / 8
    for column, step in enumerate(STEPS):
        left = 1 + column * (WIDTH - 2 - SIDE) / (len(STEPS) - 1)
        heads = ("as it is",) if step == 1 else (f"{step}×{step} blocks", "sorted")
        for line, words in enumerate(heads):
            add_text(svg, left + SIDE / 2, (line + 1) * LINE - 8, words, anchor="middle")
        shown = sorted_blocks(images, step)[:, 0].numpy(force=True)
        for row, (pixels, places) in enumerate(zip(shown, _places(images, step))):
            top = TOP + row * (SIDE + GAP)
            add_pixels(svg, 255 - pixels, (left, top, SIDE, SIDE))
            add_path(svg, lattice(left, top, SIDE, 8 // max(step, 2)), fill="none", stroke=RULE)
            add_path(svg, rectangle(left, top, SIDE, SIDE), fill="none", stroke=INK)
            r, c = _corner_of(places, _darkest(images[row, 0]))
            block = rectangle(left + c * cell, top + r * cell, 2 * cell, 2 * cell)
            add_path(svg, block, fill="none", stroke="#FFFFFF", stroke_width="4.5")
            add_path(svg, block, fill="none", stroke=INK, stroke_width="2.5")
    return serialize(svg)


def _places(images: Tensor, step: int) -> Sequence[np.ndarray]:
    """For every image, the number 0..63 of the pixel that is now at each place; equal parts keep their order."""
    numbers = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8).expand(len(images), -1, -1, -1)
    arrays: np.ndarray = sorted_blocks(torch.cat([images, numbers], 1), step)[:, 1].numpy(force=True)
    return list(arrays.astype(int))


def _still_adjacent(places: np.ndarray) -> int:
    """Count the pairs of adjacent places whose pixels were adjacent before."""
    rows, columns = np.divmod(places, 8)
    across = abs(np.diff(rows, axis=1)) + abs(np.diff(columns, axis=1))
    down = abs(np.diff(rows, axis=0)) + abs(np.diff(columns, axis=0))
    return int((across == 1).sum() + (down == 1).sum())


def _darkest(image: Tensor) -> Corner:
    """Find the upper left pixel of the 2×2 block with the most ink, the first of several."""
    ink = image.reshape(4, 2, 4, 2).long().sum((1, 3))
    row, column = divmod(int(ink.argmax()), 4)
    return 2 * row, 2 * column


def _corner_of(places: np.ndarray, block: Corner) -> Corner:
    """Find where the pixels of a 2×2 block are now: their upper left place."""
    first = 8 * block[0] + block[1]
    rows, columns = np.nonzero(np.isin(places, (first, first + 1, first + 8, first + 9)))
    return int(rows.min()), int(columns.min())
