"""Cuts of the common case in closed form, for images whose unrolled network is too large for a search."""

from collections import Counter
from itertools import accumulate
from math import log2

from convac_lib.architecture import Architecture
from convac_lib.errors import BudgetError, HypothesisError, shown
from convac_lib.families import is_common_case
from convac_lib.theory.cuts import CutLike
from convac_lib.theory.hypotheses import require_half_cut
from convac_lib.theory.multisets import multisets, powers
from convac_lib.theory.trees import Powers

LARGEST = 1024


def strips(architecture: Architecture, cut: CutLike = "left-right") -> Powers:
    """Bound the common case's rank from above by the smallest of log₂ H + 1 cuts, each of a strip beside the middle.

        rank ≤ M^(H·w_k) · Π_{j ≥ k} Π_{u,v} binom(C + n_j(u)·n_j(v) − 1, C − 1),   w_k = (B−1)(2ᵏ−1)

    The cut goes through the w_k columns of patches beside the middle, and above them through the nodes of the layers
    2j+1 that read both halves, row u and column v of H/2ʲ. Such a node has n_j(u)·n_j(v) copies, which are counted as
    multisets. The last cut is all patches of a half.

    Args:
        architecture: a network that `common_case` makes, with B ≥ 2; the weights may be unshared.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The bound as a product of powers ((q, e), …).

    Raises:
        HypothesisError: if it is not the common case, B = 1, or the cut is another one.
        CutError: if the cut does not fit the image.
        BudgetError: if the image has more than 1,024 patches along a side.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> strips(common_case(B=2, M=2, size=4)), strips(common_case(B=2, M=2, size=8))
    (((2, 6),), ((2, 12), (3, 2)))
    """
    require_half_cut(architecture, cut, "the closed form of the min cut")
    if not is_common_case(architecture) or not architecture.layers[0].is_overlapping:
        raise HypothesisError("the closed form of the min cut is for the common case with B ≥ 2")
    H, B = architecture.size, architecture.layers[0].receptive_field
    if H > LARGEST:
        raise BudgetError(
            f"the closed form of the min cut is computed up to {LARGEST:,} patches along a side, and this image has "
            f"{shown(H)}; use a smaller image"
        )
    M, C = architecture.channels[:2]
    above, found = Counter[int](), list[Powers]([((M, H * H // 2),) if M > 1 else ()])
    copies, side = [1, 1], 2  # along an axis, of the nodes of layer 2j+1, from the uppermost j down
    while side <= H:
        below_middle = Counter(copies[max(0, side // 2 - B + 1) : side // 2])
        for row, rows in Counter(copies).items():
            for column, columns in below_middle.items():
                factor, times = multisets(C, row * column)
                above[factor] += times * rows * columns
        found.append(powers(above + Counter({M: H * (B - 1) * (H // side - 1)})))
        sums, side = [0, *accumulate(copies)], 2 * side
        copies = [sums[v // 2 + 1] - sums[max(0, v // 2 - B + 1)] for v in range(side)]
    return min(found, key=lambda each: sum(exponent * log2(base) for base, exponent in each))
