"""Widths, cut by cut: the cheapest cut through the bonds of a tree over a row, and the entropy of its tensor.

For images, `theory.bounds.non_overlapping_upper` is the same minimum. Taught in the chapter *Widths and entanglement*.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from convac_lib.related.row import RowCut, RowTree, row_cut, row_matrix

Bond = tuple[int, int]  # level and place
SIDES = (True, False)  # of a matrix: with P, or with Q


@dataclass(frozen=True)
class CheapestCut:
    """A cheapest cut through the bonds of a tree.

    Attributes:
        value: the product of the bonds' sizes, which no rank exceeds.
        bonds: the bonds that it cuts. (0, n) is the bond between patch n and its matrix, of size M; (l, j) is the bond
            in window j of level l, of size r_{l−1}.

    Chapter: *Widths and entanglement*.
    """

    value: int
    bonds: tuple[Bond, ...] = ()


def min_cut(tree: RowTree, cut: RowCut) -> CheapestCut:
    """Find the min cut of a tree over a row, which no weights' rank exceeds, and the bonds that it cuts.

    Every matrix of weights is put on one side. A patch costs M if its matrix is on the other side. A window costs its
    width, once, if the matrices that it joins are not all on one side.

        cost(window, side above) = min over the sides of its two matrices of  Π cost(matrix) · (1, or r_{l−1})

    Args:
        tree: the `RowTree`.
        cut: what `row_cut` takes.

    Returns:
        The `CheapestCut`; of several, one with the fewest bonds, and of these the one that lies highest.

    Raises:
        CutError: if the cut is none of these patches.

    Source: Levine, Yakira, Cohen & Shashua, ICLR 2018. Chapter: *Widths and entanglement*.

    >>> tree = RowTree(8, 4, (4, 2, 2))
    >>> min_cut(tree, "odd-even").value, min_cut(tree, "left-right").bonds
    (256, ((3, 0),))
    """
    first, M = set(row_cut(cut, tree.patches)), tree.representation_channels
    below = [
        {side: CheapestCut(1) if side == (patch in first) else CheapestCut(M, ((0, patch),)) for side in SIDES}
        for patch in range(tree.patches)
    ]
    for level, width in enumerate(tree.widths, start=1):
        below = [
            {side: _cheapest(left, right, side, width, (level, place)) for side in SIDES}
            for place, (left, right) in enumerate(zip(below[::2], below[1::2]))
        ]
    return min(below[0].values(), key=_preference)


def _cheapest(
    left: dict[bool, CheapestCut], right: dict[bool, CheapestCut], above: bool, width: int, window: Bond
) -> CheapestCut:
    """Choose the sides of a window's two matrices, given the side of the matrix above."""
    found = []
    for one, other in product(SIDES, repeat=2):
        whole = one == other == above
        value = left[one].value * right[other].value * (1 if whole else width)
        found.append(CheapestCut(value, left[one].bonds + right[other].bonds + (() if whole else (window,))))
    return min(found, key=_preference)


def _preference(cut: CheapestCut) -> tuple[int, int, list[int]]:
    return cut.value, len(cut.bonds), [-level for level, _ in cut.bonds]


def entropy(tensor: np.ndarray, cut: RowCut) -> float:
    """Compute the entanglement entropy of a tensor across a cut.

        S = −Σ_i p_i log p_i,   p_i = σ_i² / Σ_j σ_j²,   with the singular values σ of ⟦A⟧_{P|Q}

    S ≤ log rank, with equality if all singular values that are not 0 are equal.

    Args:
        tensor: A, real numbers of shape (M,)*N, not all 0.
        cut: what `row_cut` takes.

    Returns:
        S, in natural logarithms.

    Raises:
        CutError: if the cut is none of these patches.

    Source: Levine, Yakira, Cohen & Shashua, ICLR 2018. Chapter: *Widths and entanglement*.

    >>> f"{entropy(np.eye(4), [0]) / np.log(4):.3f}"
    '1.000'
    """
    shares = np.linalg.svd(row_matrix(np.asarray(tensor, float), cut), compute_uv=False) ** 2
    shares = shares[shares > 0] / shares.sum()
    return float(-(shares * np.log(shares)).sum())
