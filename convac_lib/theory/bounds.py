"""Every bound on the rank across a cut, as exact powers, each naming its statement and checking its hypotheses."""

from collections import Counter
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, Decimal, localcontext
from fractions import Fraction
from functools import cache
from itertools import product
from math import inf, isqrt, log2, prod

from convac_lib.architecture import Architecture, Layer, common_case, require_size
from convac_lib.errors import ArchitectureError, BudgetError, HypothesisError, shown
from convac_lib.theory.tensors import CUTS, Cut, make_cut

LARGEST_BITS = 2**20  # of a power that is written out; its roots take under a second
WRITTEN_BITS = 2**10  # of a number that is printed, or written as a bound's base, in full


@dataclass(frozen=True)
class Bound:
    """A bound base^exponent on the rank of the grid tensor's matricization.

    Attributes:
        statement: what is claimed, in a sentence.
        status: "proved", or "claimed in the talk".
        base: an integer.
        exponent: a fraction whose denominator is 1, 2 or 4.
        layer: the theorem's K; None for the other bounds.

    Chapter: *The overlap theorem*.

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
        """⌈base^exponent⌉ exactly: a rank is an integer, so a lower bound rounds up.

        Raises:
            BudgetError: if base^(the exponent's numerator) has over 2²⁰ bits; `log2` says how large it is.
        """
        exponent, root = self.exponent.numerator, self.exponent.denominator
        if self.base > 1 and exponent * log2(self.base) > LARGEST_BITS:
            raise BudgetError(f"{self.power} is too large to write out; its log2 is {self.log2:.3g}")
        power = self.base**exponent if self.base > 1 else 1
        lower = isqrt(power) if root == 2 else isqrt(isqrt(power)) if root == 4 else power
        return lower + (lower**root < power)

    @property
    def log2(self) -> float:
        """log₂ of the bound, for when it is huge; infinite where that passes the largest float too."""
        try:
            return float(self.exponent) * log2(self.base)
        except OverflowError:
            return inf if self.base > 1 else 0.0

    @property
    def power(self) -> str:
        """The bound as a power, in a few characters however large it is."""
        if self.exponent.denominator == 1:
            return f"{shown(self.base)}^{shown(self.exponent.numerator)}"
        return f"⌈{shown(self.base)}^({shown(self.exponent.numerator)}/{self.exponent.denominator})⌉"

    def __str__(self):
        if self.base == 1 or self.exponent == 1:
            return f"{self.value:,}" if self.base.bit_length() <= WRITTEN_BITS else shown(self.base)
        return f"{self.power} = {self.value:,}" if self.log2 < 64 else self.power


def minimal_windows(architecture: Architecture, K: int, alpha: int) -> tuple[int, ...] | None:
    """Shrink windows as far as their strides to make the total receptive field at layer K just larger than α.

        min { T = 1 + Σ_l (t_l − 1)·T_S⁽ˡ⁻¹⁾ :  S_l ≤ t_l ≤ R_l,  T > α }

    Each total stride divides the next, so windows that grow in lower layers by one step of a higher layer or more can
    give exactly that step back. From the top down, a layer therefore grows as often as fits below the least T, and once
    more only if the layers below cannot make up the rest.

    Args:
        architecture: the network.
        K: a layer, 1..L.
        alpha: α, in patches.

    Returns:
        (t_1, …, t_K), in pixels of each layer's input, or None if T_R⁽ᴷ⁾ ≤ α.

    Raises:
        HypothesisError: if R < S in a layer.

    Source: Sharir & Shashua 2017, "α-minimal total receptive field". Chapter: *The overlap theorem*.

    >>> minimal_windows(common_case(B=3, M=2, size=8), K=3, alpha=4)
    (2, 2, 2)
    """
    _require_patches_read(architecture)
    if architecture.total_receptive_fields[K - 1] <= alpha:
        return None
    layers, steps = architecture.layers[:K], (1, *architecture.total_strides)
    missing = alpha + 1 - steps[K]  # with t_l = S_l in every layer, T is T_S
    below = architecture.total_receptive_fields[K - 1] - steps[K]  # what the layers still to come can add
    windows = []
    for layer, step in zip(layers[::-1], steps[K - 1 :: -1]):
        most = layer.receptive_field - layer.stride
        below -= most * step
        grown = min(most, max(0, missing) // step)
        if missing - grown * step > below:
            grown += 1
        missing -= grown * step
        windows.append(layer.stride + grown)
    return tuple(windows[::-1])


def minimal_total_receptive_field(architecture: Architecture, K: int, alpha: int) -> int | None:
    """Find the least total receptive field larger than α that layer K can have, as `minimal_windows` shrinks it.

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
    windows = minimal_windows(architecture, K, alpha)
    if windows is None:
        return None
    return 1 + sum((t - 1) * step for t, step in zip(windows, (1, *architecture.total_strides)))


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
    statement = f"for almost all weights, rank ≥ D^e with K = {K}, T = {T}, D = {shown(D)}, e = {exponent}"
    return Bound(statement, "proved", D, Fraction(exponent), K)


def talk_formula(B: int, M: int) -> Bound:
    """The talk's formula for the common case, whether it holds at a size or not: see `talk_bound`.

        M^((2B−1)²/4)

    Chapter: *The overlap theorem*.

    >>> print(talk_formula(B=3, M=4))
    ⌈4^(25/4)⌉ = 5,793
    """
    statement = f"for almost all weights, rank ≥ M^((2B−1)²/4) with M = {shown(M)}, B = {shown(B)}"
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
        ArchitectureError: if a number is not an integer of at least 1.
        CutError: if the size is odd.

    Source: talk, slide "Overlapping Efficiency" (Theorem; Common Case, Claim). Chapter: *The overlap theorem*.

    >>> [tuple(map(str, common_case_exponents(B=3, size=size))) for size in (4, 6)]
    [('8', '25/4'), ('6', '25/4')]
    """
    require_size(size)
    layers = (Layer(B, 1, 2), Layer(2, 2, 2)) * max(1, (size - 1).bit_length())
    return theorem(Architecture(size, 1, layers)).exponent, talk_formula(B, M=1).exponent


def non_overlapping_upper(architecture: Architecture, cut: "str | Cut" = "left-right") -> Bound:
    """Bound from above the rank that any weights of a non-overlapping network can reach.

    Node by node of the tree: a and b bound the dimensions of what all its channels span over the patches on the two
    sides of the cut, and s the rank of one combination of the channels.

        a = min( Π a(child),  C_l · Π s(child) ),   b likewise,   s = min(a, b);   rank ≤ s(root)

    A patch has a = M and b = 1, or the reverse; a node with a single child combines only that child's channels, so its
    s is the child's. This is the min cut of the tree, a node's C_l terms being one bond. For halves aligned with the
    windows it is C_L: a rank r needs r channels. Nodes that see the same are computed once, whatever the image's size. A
    product of powers of several numbers that is beyond 2^1024 is rounded up to a power of 2.

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
                f"{shown(layer.receptive_field)} over stride {shown(layer.stride)}"
            )
    cut = make_cut(cut, architecture.size)
    words, base, exponent = _written(_root(architecture, cut))
    statement = f"for all weights of this non-overlapping network, rank ≤ {words} across the cut {cut.name}"
    return Bound(statement, "proved", base, Fraction(exponent))


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
    M, patches = architecture.representation_channels, min(cut.sides)
    return Bound(f"no network's rank passes M^{patches} with M = {shown(M)}", "proved", M, Fraction(patches))


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
    cut = make_cut(cut, architecture.size)
    if not any(cut.is_like(name) for name in ("left-right", "top-bottom")):
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


def _root(architecture, cut):
    """s of the tree's root: see `non_overlapping_upper`.

    Nodes of a layer that see like patches are computed once. Along either axis they are of few kinds: the last, which
    the image's border may cut short, the one that holds the middle, and on either side of it by turns the even and the
    odd ones. Nodes above patches that a cut lists are told apart one by one.

    A bound is a product of powers, ((q, e), …) for Π q^e, since the number itself may have more digits than there is
    memory.
    """
    size, M, listed = architecture.size, _power(architecture.representation_channels), cut.listed or ()
    first, second = (M, (), ()), ((), M, ())
    rule = (lambda *patch: False) if cut.listed else CUTS[cut.name]
    marked, kinds = dict.fromkeys((divmod(patch, size) for patch in listed), first), _kinds(size, size, 1)
    numbered = list(product(enumerate(kinds), repeat=2))
    alike = {(i, j): first if rule(size, row.start, column.start) else second for (i, row), (j, column) in numbered}
    for layer, below, outputs, step in zip(
        architecture.layers, (size, *architecture.sizes), architecture.sizes, architecture.total_strides
    ):
        known, families = {}, {}
        for row, column in marked:
            families.setdefault((row // layer.stride, column // layer.stride), []).append((row, column))

        @cache
        def along(place, kinds=kinds, stride=layer.stride, below=below):
            """How many children of each kind a place along an axis has."""
            stop = min(place * stride + stride, below)
            counts = ((kind, _count(members, place * stride, stop)) for kind, members in enumerate(kinds))
            return [(kind, count) for kind, count in counts if count]

        def node(row, column, own=(), kinds=kinds, alike=alike, marked=marked, known=known, layer=layer, along=along):
            counts = Counter()
            for (i, rows), (j, columns) in product(along(row), along(column)):
                counts[alike[i, j]] += rows * columns
            for child in own:
                counts[alike[_kind(child[0], kinds), _kind(child[1], kinds)]] -= 1
                counts[marked[child]] += 1
            children = frozenset((value, count) for value, count in counts.items() if count)
            if children not in known:
                known[children] = _node(children, layer.channels)
            return known[children]

        marked = {  # a "valid" border may leave patches to no window
            place: node(*place, own) for place, own in families.items() if max(place) < outputs
        }
        kinds = _kinds(size, outputs, step)
        numbered = product(enumerate(kinds), repeat=2)
        alike = {(i, j): node(row.start, column.start) for (i, row), (j, column) in numbered}
    return marked.get((0, 0), alike[0, 0])[2]


def _kinds(size, outputs, step):
    """Which of an axis's places see alike, up to where the image ends, its middle lies and the even patches are."""
    last, middle = outputs - 1, min(size // 2 // step, outputs - 1)
    between = [(0, middle), (1, middle), (middle + 1, last), (middle + 2, last)]
    kinds = [range(last, outputs), range(middle, min(middle + 1, last)), *(range(*ends, 2) for ends in between)]
    return [kind for kind in kinds if kind]


def _kind(place, kinds):
    return next(number for number, kind in enumerate(kinds) if place in kind)


def _count(kind, start, stop):
    """How many places from start to stop are of a kind."""
    start = max(kind.start, start + (kind.start - start) % kind.step)
    return max(0, -(-(min(kind.stop, stop) - start) // kind.step))


def _node(children, channels):
    """(a, b, s) of the node over these children, given with how many of each: see `non_overlapping_upper`."""
    a, b, s = (_product((value[side], count) for value, count in children) for side in range(3))
    limit = _product([(_power(channels), 1), (s, 1)])
    a, b = _smaller(a, limit), _smaller(b, limit)
    return a, b, s if sum(count for _, count in children) == 1 else _smaller(a, b)


def _power(number):
    return ((number, 1),) if number > 1 else ()


def _product(factors):
    """Π of products of powers, each so many times."""
    total = Counter()
    for powers, count in factors:
        for base, exponent in powers:
            total[base] += exponent * count
    return tuple(sorted(total.items()))


def _smaller(x, y):
    """The smaller of two products of powers; of two that agree in over 50 digits of their logarithms, either."""
    ratio = Counter(dict(x))
    ratio.subtract(dict(y))
    if sum(abs(exponent) * base.bit_length() for base, exponent in ratio.items()) <= WRITTEN_BITS:
        above, below = (prod(base ** max(0, sign * e) for base, e in ratio.items()) for sign in (1, -1))
        return x if above <= below else y
    return x if _logarithm(ratio.items()) <= 0 else y


def _logarithm(powers):
    """log₂ of a product of powers, to 50 digits behind the point; that of a power of 2 is exact."""
    with localcontext(prec=50 + sum(len(str(exponent)) for _, exponent in powers)):
        total = Decimal(0)
        for base, exponent in powers:
            twos = (base & -base).bit_length() - 1
            total += exponent * (twos + Decimal(base >> twos).ln() / Decimal(2).ln())
        return total


def _written(powers):
    """A product of powers in words, and as base^exponent; one of several bases that is too long is rounded up."""
    if sum(exponent * log2(base) for base, exponent in powers) <= WRITTEN_BITS:
        value = prod(base**exponent for base, exponent in powers)
        return str(value), value, 1
    if len(powers) > 1:
        powers = ((2, int(_logarithm(powers).to_integral_value(ROUND_CEILING))),)
    ((base, exponent),) = powers
    return (shown(base) if exponent == 1 else f"{shown(base)}^{exponent}"), base, exponent
