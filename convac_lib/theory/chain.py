"""The chain bound: one overlapping first layer links the patches of every row in chains that cross the cut."""

from fractions import Fraction

from convac_lib.architecture import Architecture
from convac_lib.errors import HypothesisError, shown
from convac_lib.theory.bound import Bound
from convac_lib.theory.cuts import CutLike
from convac_lib.theory.hypotheses import require_half_cut


def chain(architecture: Architecture, cut: CutLike = "left-right") -> Bound:
    """Bound the rank from below, for almost all weights, by what one overlapping first layer achieves.

        rank ≥ D^(H·min(B−1, H/2)),   D = min(M, C_1)

    Layer 1 has B×B windows of stride 1. Each of its nodes can compare two patches of a row that are t−1 apart, with
    t = min(B, H/2+1). In every row, the patches that are a multiple of t−1 apart form a chain, and each of the t−1
    chains crosses the cut. The exponent counts the chains. The layers above may have a single channel each; if they
    all have one channel and do not overlap, the rank is equal to the bound.

    Args:
        architecture: the network; a first layer of stride 1, the border "neutral" or "ones", and weights of their own
            in layers 1 and 2.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The `Bound`.

    Raises:
        HypothesisError: if the cut is another one, the network does not end in 1×1, R < S in a layer, the border is
            another one, layer 1 has a stride above 1, or layer 1 or layer 2 is weight-free.
        CutError: if the cut does not fit the image.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> [chain(common_case(B, M=2, size=8)).value for B in (1, 2, 3)]
    [1, 256, 65536]
    """
    require_half_cut(architecture, cut, "the chain bound")
    first = architecture.layers[0]
    if architecture.border not in ("neutral", "ones"):
        raise HypothesisError(
            f"the chain bound is proved for the borders 'neutral' and 'ones', and this network's is "
            f"{architecture.border!r}"
        )
    if first.stride != 1:
        raise HypothesisError(
            f"the chain bound needs a first layer of stride 1, and this network's has stride {shown(first.stride)}"
        )
    for number, layer in enumerate(architecture.layers[:2], start=1):
        if layer.weight_free:
            raise HypothesisError(
                f"the chain bound needs weights of their own in layers 1 and 2, and layer {number} is weight-free"
            )
    H, D = architecture.size, min(architecture.channels[:2])
    exponent = H * min(first.receptive_field - 1, H // 2)
    statement = f"for almost all weights, rank ≥ D^e with D = min(M, C_1) = {shown(D)}, e = {exponent}"
    return Bound("chain", statement, "proved", D, Fraction(exponent))
