"""Grid tensors, and their matricization across a cut.

Taught in the chapters *Tensors and function spaces* and *Expressive efficiency*.
"""

from collections.abc import Callable
from functools import singledispatch

import numpy as np

from convac_lib.errors import ConvacError, CutError
from convac_lib.theory.cuts import Cut

LARGEST_TENSOR = 2**26
LARGEST_AXES = 64  # of a NumPy array
IMAGES_AT_ONCE = 2**12  # evaluated in one batch: what stays near the cache


def assignments(base: int, length: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """List the ways to assign one of M templates to each of n patches, in lexicographic order.

    Args:
        base: M.
        length: n.
        start: the place of the first assignment to list.
        stop: the place after the last one; Mⁿ if left out.

    Returns:
        Integers of shape (stop − start, n).

    >>> assignments(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    places = np.arange(start, base**length if stop is None else stop)
    digits: np.ndarray = places[:, None] // base ** np.arange(length)[::-1] % base
    return digits


def count_assignments(base: int, length: int, limit: int) -> int:
    """Return min(Mⁿ, limit), where Mⁿ may be astronomically large.

    >>> count_assignments(2, 3, limit=100), count_assignments(4, 10**9, limit=100)
    (8, 100)
    """
    return limit if base > 1 and length > limit.bit_length() else min(base**length, limit)


@singledispatch
def grid_tensor(function: Callable[[np.ndarray], np.ndarray], templates: np.ndarray, patches: int) -> np.ndarray:
    """Evaluate a function of N patches at every combination of M templates.

        A(f)_{d1…dN} = f(v⁽ᵈ¹⁾, …, v⁽ᵈᴺ⁾)

    A network (a `Circuit`, or a `ConvAC` above its representation) has its own templates and patches, so it is given
    without them, and optionally with the class to take: `grid_tensor(network, class_index=0)`.

    Args:
        function: f, from a batch of images of shape (n, N, s) to values of shape (n,).
        templates: v⁽¹⁾..v⁽ᴹ⁾, of shape (M, s).
        patches: N.

    Returns:
        A(f), of shape (M,)*N.

    Raises:
        ConvacError: if the tensor would have more than 2²⁶ entries.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors". Chapter: *Tensors and function spaces*.

    >>> grid_tensor(lambda images: images[:, 0, 0] * images[:, 1, 0], np.array([[2], [3]]), patches=2)
    array([[4, 6],
           [6, 9]])
    """
    templates = np.asarray(templates)
    require_composable(len(templates), patches)
    M, entries = len(templates), len(templates) ** patches
    blocks = [
        function(templates[assignments(M, patches, start, min(start + IMAGES_AT_ONCE, entries))])
        for start in range(0, entries, IMAGES_AT_ONCE)
    ]
    return np.concatenate(blocks).reshape((M,) * patches)


def require_composable(base: int, order: int) -> None:
    """Raise `ConvacError` if a tensor of shape (M,)*N has over 2²⁶ entries, or more axes than NumPy's arrays."""
    if base > 1 and (order > LARGEST_TENSOR.bit_length() or base**order > LARGEST_TENSOR):
        raise ConvacError(
            f"a tensor with {base}^{order} entries is too large to write out: the limit is {LARGEST_TENSOR:,}; "
            "use a smaller M or N, or sample its matricization with certify_rank"
        )
    if order > LARGEST_AXES:
        raise ConvacError(
            f"a tensor of {order:,} modes has more axes than NumPy's {LARGEST_AXES}; use a smaller N, or sample its "
            "matricization with certify_rank"
        )


def matricize(tensor: np.ndarray, cut: Cut) -> np.ndarray:
    """Arrange a tensor as a matrix: modes in P index the rows, modes in Q the columns, both lexicographically.

    Args:
        tensor: A, of shape (M,)*N.
        cut: P | Q, from `make_cut`.

    Returns:
        ⟦A⟧_{P|Q}, of shape (M^|P|, M^|Q|).

    Raises:
        CutError: if the cut is of another number of patches.

    Source: Cohen, Sharir & Shashua, COLT 2016. Chapter: *Expressive efficiency*.

    >>> from convac_lib import make_cut
    >>> matricize(np.arange(16).reshape(2, 2, 2, 2), make_cut("left-right", 2))
    array([[ 0,  1,  4,  5],
           [ 2,  3,  6,  7],
           [ 8,  9, 12, 13],
           [10, 11, 14, 15]])
    """
    modes = cut.rows + cut.columns
    if tensor.ndim != len(modes):
        raise CutError(f"the cut is of {len(modes)} patches and the tensor has {tensor.ndim} modes; they must agree")
    sides = [int(np.prod([tensor.shape[mode] for mode in part])) for part in (cut.rows, cut.columns)]
    return tensor.transpose(modes).reshape(sides)
