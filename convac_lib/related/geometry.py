"""Pooling geometry: which patches share a window, how many windows a cut splits, and the ranks that follow.

A geometry rearranges the patches of an image, and contiguous 2×2 windows of the rearranged image do the rest. Taught in
the chapter *Pooling geometry*.
"""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from convac_lib.architecture import Architecture, require_size
from convac_lib.checks import powers_near
from convac_lib.errors import ArchitectureError, ConvacError, HypothesisError, shown
from convac_lib.theory.bounds import non_overlapping_upper
from convac_lib.theory.cuts import Cut, CutLike, make_cut
from convac_lib.theory.fields import DEFAULT_PRIME, schwartz_zippel
from convac_lib.theory.ranks import certify_rank

# From n lines of patches to those that stand next to each other before 2×2 windows of stride 2 pool them.
GEOMETRIES: dict[str, Callable[[int], list[int]]] = {
    "square": lambda n: list(range(n)),
    "mirror": lambda n: [line // 2 if line % 2 == 0 else n - line // 2 - 1 for line in range(n)],
    "far": lambda n: [line // 2 + line % 2 * (n // 2) for line in range(n)],
}


def line_order(geometry: str, size: int) -> list[int]:
    """Rearrange the rows, or the columns, of an image such that all windows of a geometry are contiguous.

    square: a line and its neighbour share a window; mirror: a line and its reflection, of number n − 1 − i; far: a
    line and the one n/2 away. The same rule holds for the n/2 lines that one pooling leaves, down to one.

    Args:
        geometry: "square", "mirror" or "far".
        size: H, the side of the image in patches, a power of two of at least 2.

    Returns:
        For each line of the rearranged image, the line of the image that stands there.

    Raises:
        ConvacError: if there is no such geometry.
        ArchitectureError: if the size is no power of two of at least 2.

    Source: Cohen & Shashua, ICLR 2017, and its authors' code (mirror); far is ours. Chapter: *Pooling geometry*.

    >>> line_order("mirror", 4), line_order("far", 8)
    ([0, 3, 1, 2], [0, 4, 2, 6, 1, 5, 3, 7])
    """
    if geometry not in GEOMETRIES:
        raise ConvacError(f"unknown geometry {shown(geometry)}; use one of {', '.join(GEOMETRIES)}")
    require_size(size)
    if size < 2 or size & (size - 1):
        raise ArchitectureError(
            f"size {shown(size)} is no power of two of at least 2: pooling by windows of 2×2 must end in one; "
            f"use {powers_near(size)}"
        )
    groups, lines = [[line] for line in range(size)], size
    while lines > 1:
        order = GEOMETRIES[geometry](lines)
        groups = [groups[one] + groups[other] for one, other in zip(order[::2], order[1::2])]
        lines //= 2
    return groups[0]


def patch_order(geometry: str, size: int) -> np.ndarray:
    """Rearrange the patches of an image such that all windows of a geometry are contiguous squares.

    Args:
        geometry: "square", "mirror" or "far".
        size: H, a power of two of at least 2.

    Returns:
        For each place of the rearranged image, the number of the patch that stands there, of shape (H, H).

    Raises:
        ConvacError: as `line_order`.

    Chapter: *Pooling geometry*.

    >>> patch_order("mirror", 4)
    array([[ 0,  3,  1,  2],
           [12, 15, 13, 14],
           [ 4,  7,  5,  6],
           [ 8, 11,  9, 10]])
    """
    lines = np.array(line_order(geometry, size))
    order: np.ndarray = size * lines[:, None] + lines
    return order


def windows(geometry: str, size: int) -> list[tuple[int, ...]]:
    """List the patches of each first window.

    Args:
        geometry: "square", "mirror" or "far".
        size: H, a power of two of at least 2.

    Returns:
        For each of the H²/4 windows, its four patches.

    Raises:
        ConvacError: as `line_order`.

    Chapter: *Pooling geometry*.

    >>> windows("mirror", 4)[0], windows("far", 4)[0]
    ((0, 3, 12, 15), (0, 2, 8, 10))
    """
    order, starts = patch_order(geometry, size), range(0, size, 2)
    return [tuple(order[r : r + 2, c : c + 2].ravel().tolist()) for r in starts for c in starts]


def rearranged_cut(cut: CutLike, geometry: str, size: int) -> Cut:
    """Find the cut of the rearranged image that separates the same patches.

    Args:
        cut: what `make_cut` takes, a cut of the image.
        geometry: "square", "mirror" or "far".
        size: H, a power of two of at least 2.

    Returns:
        The `Cut` of the rearranged image, for which the network's windows are contiguous.

    Raises:
        ConvacError: as `line_order`.
        CutError: if the cut does not fit the image.

    Chapter: *Pooling geometry*.

    >>> rearranged_cut("left-right", "far", 4).rows == make_cut("interleaved", 4).rows
    True
    """
    order, first = patch_order(geometry, size), make_cut(cut, size).rows
    return make_cut(np.flatnonzero(np.isin(order, first)).tolist(), size)


def split_windows(cut: CutLike, geometry: str, size: int) -> list[int]:
    """List the first windows that have patches on both sides of a cut.

    Args:
        cut: what `make_cut` takes.
        geometry: "square", "mirror" or "far".
        size: H, a power of two of at least 2.

    Returns:
        Their places in `windows`; w is how many they are.

    Raises:
        ConvacError: as `line_order`.
        CutError: if the cut does not fit the image.

    Chapter: *Pooling geometry*.

    >>> [len(split_windows("left-right", geometry, 4)) for geometry in GEOMETRIES]
    [0, 4, 4]
    """
    first = set(make_cut(cut, size).rows)
    shares = [len(first.intersection(window)) for window in windows(geometry, size)]
    return [place for place, share in enumerate(shares) if 0 < share < 4]


def rank_bounds(architecture: Architecture, cut: CutLike, geometry: str) -> tuple[int, int]:
    """Bound the rank of a network whose windows follow a geometry, for almost all of its weights.

        min(C_1, M)^w  ≤  rank  ≤  min cut

    Args:
        architecture: what `baseline` makes: layers of 2×2 windows and stride 2, of any widths.
        cut: what `make_cut` takes.
        geometry: "square", "mirror" or "far".

    Returns:
        The lower bound, which almost all weights pass, and the upper one, which no weights pass.

    Raises:
        ConvacError: as `line_order`.
        CutError: if the cut does not fit the image.
        HypothesisError: if the windows are not of 2×2 and stride 2.

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> from convac_lib import baseline
    >>> [rank_bounds(baseline(M=2, size=4), "left-right", geometry) for geometry in GEOMETRIES]
    [(1, 2), (16, 16), (16, 16)]
    """
    _require_windows(architecture)
    size = architecture.size
    w = len(split_windows(cut, geometry, size))
    upper = non_overlapping_upper(architecture, rearranged_cut(cut, geometry, size)).value
    return _dimension(architecture) ** w, upper


def geometry_rank(
    architecture: Architecture, cut: CutLike, geometry: str, *, seed: int = 0, prime: int = DEFAULT_PRIME
) -> int:
    """Find the exact rank over GF(p) of a network with random weights, whose windows follow a geometry.

    Args:
        architecture: what `baseline` makes: layers of 2×2 windows and stride 2, of any widths.
        cut: what `make_cut` takes.
        geometry: "square", "mirror" or "far".
        seed: draws the weights.
        prime: p.

    Returns:
        The rank of the whole matrix up to 4,096 rows, and of sampled rows and columns beyond.

    Raises:
        ConvacError: as `line_order`, or if p is not a prime.
        CutError: if the cut does not fit the image.
        BudgetError: if this takes more memory than is free, or too much time.

    Chapter: *Pooling geometry*.

    >>> from convac_lib import baseline
    >>> [geometry_rank(baseline(M=2, size=4), "left-right", geometry) for geometry in GEOMETRIES]
    [2, 16, 16]
    """
    _require_windows(architecture)
    return certify_rank(architecture, rearranged_cut(cut, geometry, architecture.size), seed=seed, prime=prime).rank


def failure_bound(architecture: Architecture, cut: CutLike, geometry: str, prime: int) -> Fraction:
    """Bound the probability that random weights in GF(p) have a rank below min(C_1, M)^w.

        P(rank < D) ≤ (4·(N − 1)/3 + 1)·D / p,   D = min(C_1, M)^w

    A minor of side D is a polynomial in the weights that is not 0. An entry of it has one weight from each offset of
    each window, and one of the dense vector.

    Args:
        architecture: what `baseline` makes: layers of 2×2 windows and stride 2, of any widths.
        cut: what `make_cut` takes.
        geometry: "square", "mirror" or "far".
        prime: p.

    Returns:
        The bound.

    Raises:
        ConvacError: as `line_order`, or if p is not a prime.
        CutError: if the cut does not fit the image.
        HypothesisError: if the bound is 1 or more, because p is too small.

    Source: Schwartz 1980; Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> from convac_lib import baseline
    >>> failure_bound(baseline(M=2, size=4), "left-right", "mirror", 101_117)
    Fraction(336, 101117)
    """
    _require_windows(architecture)
    size = architecture.size
    D = _dimension(architecture) ** len(split_windows(cut, geometry, size))
    degree = ((size**2 - 1) // 3 * 4 + 1) * D
    return schwartz_zippel(degree, prime)


def _dimension(architecture: Architecture) -> int:
    """Return min(C_1, M), the rank of one split window."""
    return min(architecture.channels[1], architecture.representation_channels)


def _require_windows(architecture: Architecture) -> None:
    for number, layer in enumerate(architecture.layers, start=1):
        if (layer.receptive_field, layer.stride, layer.weight_free) != (2, 2, False):
            raise HypothesisError(
                f"a geometry needs layers with weights, of 2×2 windows and stride 2, and layer {number} is another; "
                "use baseline"
            )
