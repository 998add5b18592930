"""Every bound on the rank across a cut, as exact powers, each naming its statement and checking its hypotheses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

from convac_lib.architecture import Architecture, Layer, require_size
from convac_lib.errors import BudgetError, HypothesisError, shown
from convac_lib.families import is_common_case
from convac_lib.theory.bound import Bound
from convac_lib.theory.chain import chain
from convac_lib.theory.cuts import CutLike, make_cut
from convac_lib.theory.hypotheses import require_half_cut, require_single_output
from convac_lib.theory.min_cut import min_cut_upper
from convac_lib.theory.receptive_fields import minimal_total_receptive_field
from convac_lib.theory.trees import min_cut, written


@dataclass(frozen=True)
class TheoremBound(Bound):
    """The theorem's bound.

    Attributes:
        layer: K, the layer whose windows compare patches across the cut, 1..L.

    Chapter: *The overlap theorem*.
    """

    layer: int


def theorem(architecture: Architecture, cut: CutLike = "left-right") -> TheoremBound:
    """Bound the rank from below, for almost all weights: the talk's theorem, in the form that we prove.

        rank ≥ D^e,   e = (⌊(H−T)/T_S⁽ᴷ⁾⌋ + 1) · ⌈H/T_S⁽ᴷ⁾⌉,   T = T_R⁽ᴷ'⌊ᴴ/²⌋⁾,
        D = min(M, ⌊C_l/2⌋ for l < K, C_K)

    K is the first layer with T_R⁽ᴷ⁾ > H/2. A later layer gives no larger bound, since T and T_S only grow, and D only
    falls.

    Args:
        architecture: the network; layers with R_l ≥ S_l, neutral border, no bias.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The `TheoremBound`.

    Raises:
        HypothesisError: if the border is not neutral, the cut is another one, the network does not end in 1×1, R < S in
            a layer, a layer is weight-free, T > H, or D < 1.
        CutError: if the cut does not fit the image.

    Source: talk, slide "Overlapping Efficiency" (Theorem). Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> theorem(common_case(B=2, M=2, size=4, channels=4)).value, theorem(common_case(B=3, M=2, size=4)).value
    (4, 256)
    """
    require_half_cut(architecture, cut, "the theorem")
    if architecture.border != "neutral":
        raise HypothesisError(
            f"the theorem is proved for the border 'neutral', and this network's is {architecture.border!r}"
        )
    for number, layer in enumerate(architecture.layers, start=1):
        if layer.weight_free:
            raise HypothesisError(
                f"the theorem is for layers with weights of their own, and layer {number} is weight-free"
            )
    H, M = architecture.size, architecture.representation_channels
    K = next(K for K, field in enumerate(architecture.total_receptive_fields, start=1) if field > H // 2)
    T, step = minimal_total_receptive_field(architecture, K, H // 2), architecture.total_strides[K - 1]
    below, at = architecture.channels[1:K], architecture.channels[K]
    D = min([M, at, *(channels // 2 for channels in below)])
    if T is None or T > H or D < 1:
        raise HypothesisError(
            f"the theorem needs a layer whose total receptive field is larger than half the image, {H // 2}, can be "
            f"shrunk to at most {H}, and has at least 2 channels in every layer below; this network has none"
        )
    exponent = ((H - T) // step + 1) * -(-H // step)
    statement = f"for almost all weights, rank ≥ D^e with K = {K}, T = {T}, D = {shown(D)}, e = {exponent}"
    return TheoremBound("theorem", statement, "proved", D, Fraction(exponent), K)


def talk_formula(B: int, M: int) -> Bound:
    """Return the talk's formula for the common case, whether or not it holds at a size: see `talk_bound`.

        M^((2B−1)²/4)

    Chapter: *The overlap theorem*.

    >>> print(talk_formula(B=3, M=4))
    ⌈4^(25/4)⌉ = 5,793
    """
    statement = f"for almost all weights, rank ≥ M^((2B−1)²/4) with M = {shown(M)}, B = {shown(B)}"
    return Bound("common_case", statement, "claimed in the talk", M, Fraction((2 * B - 1) ** 2, 4))


def talk_bound(architecture: Architecture, cut: CutLike = "left-right") -> Bound:
    """Bound the common case's rank from below by the talk's formula, where the image has room for it.

        rank ≥ M^((2B−1)²/4)

    The chain bound proves it: H·(B−1) ≥ (2B−1)²/4 for 2 ≤ B ≤ H/2, and above that the chain bound is saturation, which
    the formula may not exceed. For B = 1 the rank is at least M.

    Args:
        architecture: a network that `common_case` makes, with at least M channels in every layer.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The `Bound`.

    Raises:
        HypothesisError: if it is not the common case, the cut is another one, or the matricization's side M^(H²/2) is
            smaller than the formula, which is then false.
        CutError: if the cut does not fit the image.

    Source: talk, slide "Overlapping Efficiency" (Common Case, Claim). Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> talk_bound(common_case(B=3, M=4, size=4)).value
    5793
    """
    require_half_cut(architecture, cut, "the talk's formula")
    H, M, B = architecture.size, architecture.representation_channels, architecture.layers[0].receptive_field
    C = architecture.channels[1]
    if not is_common_case(architecture):
        raise HypothesisError(
            "the talk's formula is for the common case: B×B layers of stride 1, each followed by a 2×2 layer of stride "
            "2, down to 1×1, all with weights, the same channels and the border 'neutral'"
        )
    if C < M:
        raise HypothesisError(
            f"the talk's formula needs at least M = {shown(M)} channels in every layer, and they have {shown(C)}"
        )
    bound = talk_formula(B, M)
    if bound.exponent > H**2 // 2:
        exponent = f"{float(bound.exponent):g}" if bound.exponent < 10**30 else shown(int(bound.exponent))
        raise HypothesisError(
            f"the talk's formula asks for {shown(M)}^{exponent}, more than the matricization's side "
            f"{shown(M)}^{H**2 // 2}: at size {H} and B = {shown(B)} it is false; use a larger size"
        )
    return replace(bound, status="proved")


def common_case_exponents(B: int, size: int) -> tuple[Fraction, Fraction]:
    """Compare the theorem with the talk's formula in the common case, at any even size, by the exponents of M.

        rank ≥ M^e  by the theorem, with C ≥ 2M;   rank ≥ M^((2B−1)²/4)  by the talk's claim

    Where e is larger, the theorem says more than the claim. Where e is smaller, the theorem does not prove the claim.

    Args:
        B: the receptive field of the stride-1 layers, each followed by a 2×2 layer of stride 2, down to 1×1.
        size: H, the side of the image in patches, an even number.

    Returns:
        e, and (2B−1)²/4.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1.
        CutError: if the size is odd.

    Source: talk, slide "Overlapping Efficiency" (Theorem; Common Case, Claim). Chapter: *The overlap theorem*.

    >>> [tuple(map(str, common_case_exponents(B=3, size=size))) for size in (4, 6)]
    [('8', '25/4'), ('6', '25/4')]
    """
    require_size(size)
    layers = (Layer(B, 1, 2), Layer(2, 2, 2)) * size.bit_length()  # at least down to 1×1
    return theorem(Architecture(size, 1, layers)).exponent, talk_formula(B, M=1).exponent


def non_overlapping_upper(architecture: Architecture, cut: CutLike = "left-right") -> Bound:
    """Bound from above the rank that any weights of a non-overlapping network can reach.

    Node by node of the tree: a and b bound the dimensions of what all its channels span over the patches on the two
    sides of the cut, and s the rank of one combination of the channels.

        a = min( Π a(child),  C_l · Π s(child) ),   b likewise,   s = min(a, b);   rank ≤ s(root)

    A patch has a = M and b = 1, or the reverse. A node with a single child combines only that child's channels, so its
    s is the child's. This is the min cut of the tree, where the C_l terms of a node are one bond. For halves that are
    aligned with the windows it is C_L: a rank r needs r channels. Nodes that see equal patches are computed once, so an
    image may have any size. A product of powers of several numbers is rounded up to a power of 2 if it exceeds 2^1024.

    Args:
        architecture: the network; R_l = S_l in every layer.
        cut: what `make_cut` takes.

    Returns:
        The `Bound`.

    Raises:
        HypothesisError: if a layer overlaps or skips patches, or the network does not end in 1×1.
        CutError: if the cut does not fit the image.

    Source: Sharir & Shashua 2017; Cohen & Shashua, ICLR 2017; Levine et al. 2017 (min cut).
    Chapter: *The overlap theorem*.

    >>> from convac_lib import baseline
    >>> non_overlapping_upper(baseline(M=2, size=4)).value, non_overlapping_upper(baseline(2, 4), "interleaved").value
    (2, 16)
    """
    require_single_output(architecture, "the bound for non-overlapping networks")
    for number, layer in enumerate(architecture.layers, start=1):
        if layer.is_overlapping:
            raise HypothesisError(
                f"the bound is for non-overlapping networks, and layer {number} has receptive field "
                f"{shown(layer.receptive_field)} over stride {shown(layer.stride)}"
            )
    cut = make_cut(cut, architecture.size)
    words, base, exponent = written(min_cut(architecture, cut))
    statement = f"for all weights of this non-overlapping network, rank ≤ {words} across the cut {cut.name}"
    return Bound("non_overlapping_upper", statement, "proved", base, Fraction(exponent))


def saturation(architecture: Architecture, cut: CutLike = "left-right") -> Bound:
    """Bound the rank from above by the matricization's smaller side, which no network exceeds.

        rank ≤ M^min(|P|, |Q|)

    Args:
        architecture: the network.
        cut: what `make_cut` takes.

    Returns:
        The `Bound`.

    Raises:
        CutError: if the cut does not fit the image.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> saturation(common_case(B=3, M=2, size=4)).value
    256
    """
    cut = make_cut(cut, architecture.size)
    M, patches = architecture.representation_channels, min(cut.sides)
    statement = f"no network's rank passes M^{patches} with M = {shown(M)}"
    return Bound("saturation", statement, "proved", M, Fraction(patches))


BOUNDS: dict[str, Callable[[Architecture, CutLike], Bound]] = {
    "theorem": theorem,
    "common_case": talk_bound,
    "chain": chain,
    "non_overlapping_upper": non_overlapping_upper,
    "min_cut": min_cut_upper,
    "saturation": saturation,
}


def bounds_of(
    architecture: Architecture, cut: CutLike = "left-right"
) -> dict[str, Bound | HypothesisError | BudgetError]:
    """Apply every bound to a network: a `Bound` each, or the error that says why it does not apply.

    Args:
        architecture: the network.
        cut: what `make_cut` takes.

    Returns:
        The keys "theorem", "common_case", "chain", "non_overlapping_upper", "min_cut", "saturation". A
        `HypothesisError` names the hypothesis that fails, and a `BudgetError` says that the network is too large.

    Raises:
        CutError: if the cut does not fit the image.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> {name: getattr(bound, "value", None) for name, bound in bounds_of(common_case(B=3, M=2, size=4)).items()}
    {'theorem': 256, 'common_case': 77, 'chain': 256, 'non_overlapping_upper': None, 'min_cut': 256, 'saturation': 256}
    """
    cut = make_cut(cut, architecture.size)
    found: dict[str, Bound | HypothesisError | BudgetError] = {}
    for name, bound in BOUNDS.items():
        try:
            found[name] = bound(architecture, cut)
        except (HypothesisError, BudgetError) as error:
            found[name] = error
    return found
