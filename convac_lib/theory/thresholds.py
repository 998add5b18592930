"""How many channels full rank takes: the least power of M, found by maximum flow."""

from fractions import Fraction

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import HypothesisError
from convac_lib.theory.cuts import CutLike, make_cut
from convac_lib.theory.hypotheses import require_weights
from convac_lib.theory.min_cut import LARGEST_EXPONENT
from convac_lib.theory.unrolled import unroll
from convac_lib.theory.unrolled_cuts import smallest_cuts


def full_rank_threshold(architecture: Architecture, cut: CutLike = "left-right") -> Fraction:
    """Find the least power of M that gives the channels for full rank, as M grows and the windows stay.

        C_1 = … = C_L = Mᵗ:   log_M rank → min(|P|, |Q|)  exactly for t ≥ t*

    With capacity 1 for a patch and t for an instance of a node, the min cut of the unrolled network is the smallest of
    a + b·t over all cuts of a patches and b instances. It is found for t = 0. Then t is raised until the cut found is
    no smaller than the side, and so on. The channels of the network itself do not matter. For C below a constant times
    M^t*, which depends on the geometry only, the rank is not full, whatever the weights.

    Args:
        architecture: the network; border "neutral", "ones" or "valid", weights of its own in every layer.
        cut: what `make_cut` takes.

    Returns:
        t*, a fraction of at least 0.

    Raises:
        HypothesisError: if the network does not end in 1×1, R < S in a layer, the border is "zero", a layer is
            weight-free, or windows leave patches out so that no rank is full.
        CutError: if the cut does not fit the image.
        BudgetError: if the network has over 64 layers, or its unrolled form over 2,000,000 vertices or 100,000,000
            edges to patches.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> [str(full_rank_threshold(common_case(B, M=2, size=8))) for B in (1, 2, 3, 4, 5)]
    ['32', '4', '4', '2', '1']
    """
    require_weights(architecture, "the threshold")
    cut = make_cut(cut, architecture.size)
    unrolled, side = unroll(architecture, LARGEST_EXPONENT), min(cut.sides)
    t = Fraction(0)
    while True:
        prices = [np.full(len(nodes), float(t.numerator)) for nodes in unrolled.nodes[1:]]
        cuts = []
        for labelling in smallest_cuts(unrolled, cut, t.denominator, prices):
            instances = sum(int(labelling.mixed(level).sum()) for level in range(1, len(unrolled.nodes)))
            cuts.append((len(labelling.mixed_patches()), instances))
        patches, instances = min(cuts, key=lambda found: found[0] + found[1] * t)
        if patches + instances * t >= side:
            return t
        if not instances:
            raise HypothesisError(
                f"no number of channels gives full rank: the windows leave patches out, so that {patches} patches "
                f"separate the sides, of which the smaller has {side}; use windows that read every patch"
            )
        t = Fraction(side - patches, instances)
