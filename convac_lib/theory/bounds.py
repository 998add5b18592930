"""Every bound on the rank across a cut, as exact powers, each naming its statement and checking its hypotheses."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from math import isqrt, log2, prod

from convac_lib.architecture import Architecture, Layer, common_case, require_positive_integers
from convac_lib.errors import ArchitectureError, HypothesisError
from convac_lib.theory.tensors import Cut, make_cut


@dataclass(frozen=True)
class Bound:
    """A bound base^exponent on the rank of the grid tensor's matricization.

    Attributes:
        statement: what is claimed, in a sentence.
        status: "proved", or "claimed in the talk".
        base: a whole number.
        exponent: a fraction whose denominator is 1, 2 or 4.
        layer: the theorem's K; None for the other bounds.

    >>> print(Bound("an example", "proved", base=2, exponent=Fraction(25, 4)))
    ⌈2^(25/4)⌉ = 77
    """

    statement: str
    status: str
    base: int
    exponent: Fraction
    layer: int | None = None

    @property
    def value(self) -> int:
        """⌈base^exponent⌉ exactly: a rank is a whole number, so a lower bound rounds up."""
        power = self.base**self.exponent.numerator
        root = isqrt(power) if self.exponent.denominator == 2 else power
        root = isqrt(isqrt(power)) if self.exponent.denominator == 4 else root
        return root + (root**self.exponent.denominator < power)

    @property
    def log2(self) -> float:
        """log₂ of the bound, for when it is huge."""
        return float(self.exponent) * log2(self.base)

    def __str__(self):
        if self.base == 1 or self.exponent == 1:
            return f"{self.value:,}"
        whole = self.exponent.denominator == 1
        power = f"{self.base}^{self.exponent}" if whole else f"⌈{self.base}^({self.exponent})⌉"
        return f"{power} = {self.value:,}" if self.log2 < 64 else power


def shrunk_windows(architecture: Architecture, K: int) -> dict[int, tuple[int, ...]]:
    """Shrink windows as far as their strides: every total receptive field that layer K can have, and windows for it.

        T = 1 + Σ_l (t_l − 1)·T_S⁽ˡ⁻¹⁾,   S_l ≤ t_l ≤ R_l

    Args:
        architecture: the network.
        K: a layer, 1..L.

    Returns:
        {T: (t_1, …, t_K)}, in patches and in pixels of each layer's input.

    Raises:
        HypothesisError: if R < S in a layer.

    Source: Sharir & Shashua 2017, "α-minimal total receptive field". Chapter: *The overlap theorem*.

    >>> shrunk_windows(common_case(B=2, M=2, size=4), K=2)
    {2: (1, 2), 3: (2, 2)}
    """
    _require_patches_read(architecture)
    reachable = {1: ()}
    for layer, step in zip(architecture.layers[:K], (1, *architecture.total_strides)):
        windows = range(layer.stride, layer.receptive_field + 1)
        reachable = {total + (t - 1) * step: (*sides, t) for total, sides in reachable.items() for t in windows}
    return reachable


def minimal_total_receptive_field(architecture: Architecture, K: int, alpha: int) -> int | None:
    """Shrink windows as far as their strides to make the total receptive field at layer K just larger than α.

        T_R⁽ᴷ'ᵅ⁾ = min { 1 + Σ_l (t_l − 1)·T_S⁽ˡ⁻¹⁾ :  S_l ≤ t_l ≤ R_l,  the sum is > α }

    Args:
        architecture: the network.
        K: a layer, 1..L.
        alpha: α, in patches.

    Returns:
        The α-minimal total receptive field in patches, or None if T_R⁽ᴷ⁾ ≤ α.

    Raises:
        HypothesisError: if R < S in a layer.

    Source: Sharir & Shashua 2017, "α-minimal total receptive field". Chapter: *The overlap theorem*.

    >>> minimal_total_receptive_field(common_case(B=3, M=2, size=8), K=3, alpha=4)
    5
    """
    return min((total for total in shrunk_windows(architecture, K) if total > alpha), default=None)


def theorem(architecture: Architecture, cut: "str | Cut" = "left-right") -> Bound:
    """Bound the rank from below, for almost all weights: the talk's theorem, in the form that we prove.

        rank ≥ D^e,   e = (⌊(H−T)/T_S⁽ᴷ⁾⌋ + 1) · ⌈H/T_S⁽ᴷ⁾⌉,   T = T_R⁽ᴷ'⌊ᴴ/²⌋⁾,
        D = min(M, ⌊C_l/2⌋ for l < K, C_K)

    K is the first layer with T_R⁽ᴷ⁾ > H/2; a later one gives no more, since T and T_S only grow and D only falls.

    Args:
        architecture: the network; layers with R_l ≥ S_l, neutral border, no bias.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The `Bound`.

    Raises:
        HypothesisError: if the border is not neutral, the cut is another, the network does not end in 1×1, R < S in a
            layer, a layer is weight-free, T > H, or D < 1.
        CutError: if the cut does not fit the image.

    Source: talk, slide "Overlapping Efficiency" (Theorem). Chapter: *The overlap theorem*.

    >>> theorem(common_case(B=2, M=2, size=4, channels=4)).value, theorem(common_case(B=3, M=2, size=4)).value
    (4, 256)
    """
    _require_half_cut(architecture, cut, "the theorem")
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
    if T > H or D < 1:
        raise HypothesisError(
            f"the theorem needs a layer whose total receptive field is larger than half the image, {H // 2}, can be "
            f"shrunk to at most {H}, and has at least 2 channels in every layer below; this network has none"
        )
    exponent = ((H - T) // step + 1) * -(-H // step)
    statement = f"for almost all weights, rank ≥ D^e with K = {K}, T = {T}, D = {D}, e = {exponent}"
    return Bound(statement, "proved", D, Fraction(exponent), K)


def talk_formula(B: int, M: int) -> Bound:
    """The talk's formula for the common case, whether it holds at a size or not: see `talk_bound`.

        M^((2B−1)²/4)

    >>> print(talk_formula(B=3, M=4))
    ⌈4^(25/4)⌉ = 5,793
    """
    statement = f"for almost all weights, rank ≥ M^((2B−1)²/4) with M = {M}, B = {B}"
    return Bound(statement, "claimed in the talk", M, Fraction((2 * B - 1) ** 2, 4))


def talk_bound(architecture: Architecture, cut: "str | Cut" = "left-right") -> Bound:
    """Bound the common case's rank from below by the talk's formula, where the image has room for it.

        rank ≥ M^((2B−1)²/4)

    Args:
        architecture: a network that `common_case` makes, with at least M channels in every layer.
        cut: "left-right", or by symmetry "top-bottom".

    Returns:
        The `Bound`.

    Raises:
        HypothesisError: if it is not the common case, the cut is another, or the matricization's side M^(H²/2) is
            smaller than the formula, which is then false.
        CutError: if the cut does not fit the image.

    Source: talk, slide "Overlapping Efficiency" (Common Case, Claim). Chapter: *The overlap theorem*.

    >>> talk_bound(common_case(B=3, M=4, size=4)).value
    5793
    """
    _require_half_cut(architecture, cut, "the talk's formula")
    H, M, B = architecture.size, architecture.representation_channels, architecture.layers[0].receptive_field
    C = architecture.channels[1]
    try:
        expected = common_case(B, M, H, C)
    except ArchitectureError:
        expected = None
    if replace(architecture, shared=True) != expected:
        raise HypothesisError(
            "the talk's formula is for the common case: B×B layers of stride 1, each followed by a 2×2 layer of stride "
            "2, down to 1×1, all with weights, the same channels and the border 'neutral'"
        )
    if C < M:
        raise HypothesisError(f"the talk's formula needs at least M = {M} channels in every layer, and they have {C}")
    bound = talk_formula(B, M)
    if bound.exponent > H**2 // 2:
        raise HypothesisError(
            f"the talk's formula asks for {M}^{float(bound.exponent):g}, more than the matricization's side "
            f"{M}^{H**2 // 2}: at size {H} and B = {B} it is false; use a larger size"
        )
    return bound


def common_case_exponents(B: int, size: int) -> tuple[Fraction, Fraction]:
    """Compare the theorem with the talk's formula in the common case, at any even size, by their exponents of M.

        rank ≥ M^e  by the theorem, with C ≥ 2M;   rank ≥ M^((2B−1)²/4)  by the talk's claim

    Where e is the larger, the theorem says more than the claim; where it is the smaller, it does not prove the claim.

    Args:
        B: the receptive field of the stride-1 layers, each followed by a 2×2 layer of stride 2, down to 1×1.
        size: H, the side of the image in patches, an even number.

    Returns:
        e, and (2B−1)²/4.

    Raises:
        ArchitectureError: if a number is not a whole one of at least 1.
        CutError: if the size is odd.

    Source: talk, slide "Overlapping Efficiency" (Theorem; Common Case, Claim). Chapter: *The overlap theorem*.

    >>> [tuple(map(str, common_case_exponents(B=3, size=size))) for size in (4, 6)]
    [('8', '25/4'), ('6', '25/4')]
    """
    require_positive_integers(size=size)
    layers = (Layer(B, 1, 2), Layer(2, 2, 2)) * max(1, (size - 1).bit_length())
    return theorem(Architecture(size, 1, layers)).exponent, talk_formula(B, M=1).exponent


def non_overlapping_upper(architecture: Architecture, cut: "str | Cut" = "left-right") -> Bound:
    """Bound from above the rank that any weights of a non-overlapping network can reach.

    Node by node of the tree: a and b bound the dimensions of what all its channels span over the patches on the two
    sides of the cut, and s the rank of one combination of the channels.

        a = min( Π a(child),  C_l · Π s(child) ),   b likewise,   s = min(a, b);   rank ≤ s(root)

    A patch has a = M and b = 1, or the reverse; a node with a single child combines only that child's channels, so its
    s is the child's. This is the min cut of the tree, a node's C_l terms being one bond. For halves aligned with the
    windows it is C_L: a rank r needs r channels.

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
    _require_single_output(architecture, "the bound for non-overlapping networks")
    for number, layer in enumerate(architecture.layers, start=1):
        if layer.is_overlapping:
            raise HypothesisError(
                f"the bound is for non-overlapping networks, and layer {number} has receptive field "
                f"{layer.receptive_field} over stride {layer.stride}"
            )
    M, size = architecture.representation_channels, architecture.size
    cut = make_cut(cut, size)
    first = set(cut.rows)
    nodes = {divmod(patch, size): (M, 1, 1) if patch in first else (1, M, 1) for patch in range(size**2)}
    for layer, output_size in zip(architecture.layers, architecture.sizes):
        families = {position: [] for position in product(range(output_size), repeat=2)}
        for (row, column), node in nodes.items():
            position = row // layer.stride, column // layer.stride
            if position in families:  # a "valid" border may leave pixels to no window
                families[position].append(node)
        nodes = {position: _node(children, layer.channels) for position, children in families.items()}
    _, _, bound = nodes[0, 0]
    statement = f"for all weights of this non-overlapping network, rank ≤ {bound} across the cut {cut.name}"
    return Bound(statement, "proved", bound, Fraction(1))


def saturation(architecture: Architecture, cut: "str | Cut" = "left-right") -> Bound:
    """Bound the rank by the matricization's smaller side, which no network passes.

        rank ≤ M^min(|P|, |Q|)

    Args:
        architecture: the network.
        cut: what `make_cut` takes.

    Returns:
        The `Bound`.

    Raises:
        CutError: if the cut does not fit the image.

    Chapter: *The overlap theorem*.

    >>> saturation(common_case(B=3, M=2, size=4)).value
    256
    """
    cut = make_cut(cut, architecture.size)
    M, patches = architecture.representation_channels, min(len(cut.rows), len(cut.columns))
    return Bound(f"no network's rank passes M^{patches} with M = {M}", "proved", M, Fraction(patches))


BOUNDS = {
    "theorem": theorem,
    "common_case": talk_bound,
    "non_overlapping_upper": non_overlapping_upper,
    "saturation": saturation,
}


def bounds_of(architecture: Architecture, cut: "str | Cut" = "left-right") -> "dict[str, Bound | HypothesisError]":
    """Apply every bound to a network: each a `Bound`, or the `HypothesisError` that says why it does not apply.

    Args:
        architecture: the network.
        cut: what `make_cut` takes.

    Returns:
        The keys "theorem", "common_case", "non_overlapping_upper", "saturation".

    Raises:
        CutError: if the cut does not fit the image.

    Chapter: *The overlap theorem*.

    >>> {name: getattr(bound, "value", None) for name, bound in bounds_of(common_case(B=3, M=2, size=4)).items()}
    {'theorem': 256, 'common_case': 77, 'non_overlapping_upper': None, 'saturation': 256}
    """
    cut = make_cut(cut, architecture.size)
    found = {}
    for name, bound in BOUNDS.items():
        try:
            found[name] = bound(architecture, cut)
        except HypothesisError as error:
            found[name] = error
    return found


def _require_half_cut(architecture, cut, what):
    _require_single_output(architecture, what)
    cut, size = make_cut(cut, architecture.size), architecture.size
    halves = [] if size % 2 else [make_cut(name, size) for name in ("left-right", "top-bottom")]
    if {cut.rows, cut.columns} not in [{half.rows, half.columns} for half in halves]:
        raise HypothesisError(f"{what} is for the cuts 'left-right' and 'top-bottom', and this one is {cut.name!r}")


def _require_patches_read(architecture):
    try:
        architecture.require_patches_read()
    except ArchitectureError as error:
        raise HypothesisError(str(error)) from None


def _require_single_output(architecture, what):
    _require_patches_read(architecture)
    if architecture.sizes[-1] != 1:
        raise HypothesisError(f"{what} needs a network that ends in 1×1, and this one ends in {architecture.sizes[-1]}×"
                              f"{architecture.sizes[-1]}")  # fmt: skip


def _node(children, channels):
    """(a, b, s) of the node over these children: see `non_overlapping_upper`."""
    a, b, s = map(prod, zip(*children))
    limit = channels * s
    a, b = min(a, limit), min(b, limit)
    return a, b, min(a, b) if len(children) > 1 else s
