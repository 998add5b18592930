"""The upper bound for every network, overlapping or not: a minimum cut of the unrolled network."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import log2

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import BudgetError, HypothesisError
from convac_lib.theory.bound import Bound
from convac_lib.theory.cuts import Cut, CutLike, make_cut
from convac_lib.theory.hypotheses import require_single_output, require_weights
from convac_lib.theory.multisets import terms_of, tuples_of
from convac_lib.theory.strips import strips
from convac_lib.theory.trees import Powers, smaller, written
from convac_lib.theory.unrolled import Unrolled, unroll
from convac_lib.theory.unrolled_cuts import Labelling, smallest_cuts

LARGEST_BOUND = 40_000  # vertices; the common case of 16×16 patches has at most 35,596, and takes a few seconds
LARGEST_EXPONENT = 2_000_000  # the common case of 64×64 patches with B = 2 has 1,497,526, and takes ten seconds
REUSE, ROUNDS = (0, 0.5, 1), 4  # how strongly prices count on reuse at first, and how often they are revised


@dataclass(frozen=True, eq=False)
class UnrolledCut:
    """A vertex cut of the unrolled network, and the bound that follows from it.

    Attributes:
        vertices: how many vertices the unrolled network has.
        patches: the row-major numbers of the patches in the cut; each costs a factor M.
        nodes: {(layer, row, column): copies} of the nodes in the cut; each copy costs at most a factor C_l.
        terms: the bound on the rank, as a product of powers ((q, e), …).
        plain: the bound without multisets, of the smallest cut for it, which may be another one.

    Chapter: *How much overlap is enough*.
    """

    vertices: int
    patches: tuple[int, ...]
    nodes: dict[tuple[int, int, int], int]
    terms: Powers
    plain: Powers


def min_cut_upper(architecture: Architecture, cut: CutLike = "left-right") -> Bound:
    """Bound from above the rank that any weights of a network can reach, whether its layers overlap or not.

        rank ≤ Π_{patches in Z} M · Π_{instances in Z} C_l,   for every vertex cut Z of the unrolled network

    Equal copies of a node are counted as multisets where the cut allows it: n copies of a node with C channels cost
    binom(C+n−1, n) and not Cⁿ. See `find_cut`. Where the unrolled network is too large to search it, the cut of a
    common case is one of the `strips`.

    Args:
        architecture: the network; any layers and border, weights shared or not.
        cut: what `make_cut` takes.

    Returns:
        The `Bound`; a product of powers of several numbers is rounded up to a power of 2 if it exceeds 2^1024.

    Raises:
        HypothesisError: if the network does not end in 1×1, or R < S in a layer.
        CutError: if the cut does not fit the image.
        BudgetError: if the network has over 64 layers, or its unrolled form over 40,000 vertices or 2,000,000 edges to
            patches, and it is no common case of up to 1,024 patches along a side.

    Source: ours, after Levine et al. 2017, 2019 (min cut). Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> [min_cut_upper(common_case(B, M=2, size=4)).value for B in (1, 2, 3)]
    [2, 64, 256]
    """
    try:
        found = find_cut(architecture, cut)
        patches, instances = len(found.patches), sum(found.nodes.values())
        terms, where = found.terms, f"a cut of the unrolled network through {patches:,} patches and {instances:,} "
        where += "instances of nodes"
    except BudgetError as too_large:
        try:
            terms, where = strips(architecture, cut), "the closed form of the min cut, for a strip beside the middle"
        except (HypothesisError, BudgetError):
            raise too_large from None
    words, base, exponent = written(terms)
    statement = f"for all weights, rank ≤ {words}, by {where}"
    return Bound("min_cut", statement, "proved", base, Fraction(exponent))


def find_cut(architecture: Architecture, cut: CutLike = "left-right", reuse: tuple[float, ...] = REUSE) -> UnrolledCut:
    """Search the vertex cut of the unrolled network that gives the smallest bound on the rank.

    The first cut is a minimum for the prices M and C_l, by maximum flow. Where nodes are used several times, more
    searches follow with the lower prices that equal copies may have. Every cut gives a valid bound, and the smallest
    one found is returned; another cut with a smaller multiset count may exist.

    Args:
        architecture: the network.
        cut: what `make_cut` takes.
        reuse: from 0 to 1, how strongly the first prices of each search count on equal copies; more of them take
            longer, and may find a smaller bound.

    Returns:
        The `UnrolledCut`.

    Raises:
        HypothesisError, CutError, BudgetError: as `min_cut_upper` does.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> find_cut(common_case(B=2, M=4, size=4, channels=2)).nodes[1, 2, 1]
    2
    """
    require_single_output(architecture, "the min cut")
    return search_cut(unroll(architecture, LARGEST_BOUND), make_cut(cut, architecture.size), reuse)


def search_cut(unrolled: Unrolled, cut: Cut, reuse: tuple[float, ...] = REUSE) -> UnrolledCut:
    """Search an unrolled network for what `find_cut` finds.

    Chapter: *How much overlap is enough*.
    """
    best: tuple[Powers, Labelling] | None = None
    plain: Powers | None = None
    for labelling, terms in _candidates(unrolled, cut, reuse):
        if best is None or (terms != best[0] and smaller(terms, best[0]) == terms):
            best = terms, labelling
        tuples = tuples_of(labelling)
        plain = tuples if plain is None else smaller(plain, tuples)
    assert best is not None and plain is not None  # the first prices always give cuts
    terms, labelling = best
    nodes = Counter[tuple[int, int, int]]()
    for level, size in enumerate(unrolled.architecture.sizes, start=1):
        for node in unrolled.nodes[level][labelling.mixed(level)].tolist():
            nodes[level, *divmod(node, size)] += 1
    patches = tuple(labelling.mixed_patches().tolist())
    return UnrolledCut(unrolled.vertices, patches, dict(sorted(nodes.items())), terms, plain)


def rank_exponent(architecture: Architecture, cut: CutLike = "left-right") -> int:
    """Find the exponent κ of M in the rank of almost all weights, as M = C grows and the windows stay.

        log_M rank → κ   as   M = C_1 = … = C_L → ∞

    κ is the smallest number of vertices that separates P from Q in the unrolled network, and the largest number of
    paths between P and Q without common vertices. The network's own channels do not matter.

    Args:
        architecture: the network; border "neutral", "ones" or "valid", weights of its own in every layer.
        cut: what `make_cut` takes.

    Returns:
        κ, from 1 to the smaller side of the cut.

    Raises:
        HypothesisError: if the network does not end in 1×1, R < S in a layer, the border is "zero", or a layer is
            weight-free.
        CutError: if the cut does not fit the image.
        BudgetError: if the network has over 64 layers, or its unrolled form over 2,000,000 vertices or 100,000,000
            edges to patches.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> [rank_exponent(common_case(B, M=2, size=8)) for B in (1, 2, 3, 4, 5)]
    [1, 16, 22, 30, 32]
    """
    require_weights(architecture, "the exponent")
    unrolled, cut = unroll(architecture, LARGEST_EXPONENT), make_cut(cut, architecture.size)
    labelling = next(smallest_cuts(unrolled, cut, 1, [np.ones(len(nodes)) for nodes in unrolled.nodes[1:]]))
    instances = sum(int(labelling.mixed(level).sum()) for level in range(1, len(unrolled.nodes)))
    return len(labelling.mixed_patches()) + instances


def _candidates(unrolled: Unrolled, cut: Cut, reuse: tuple[float, ...]) -> Iterator[tuple[Labelling, Powers]]:
    """Find labellings with few terms: minimum cuts for prices that count on reuse to some degree, then revised."""
    M, *channels = unrolled.architecture.channels
    copies = [np.bincount(nodes)[nodes] for nodes in unrolled.nodes[1:]]
    reused = any((counts > 1).any() for counts in copies)
    for share in reuse if reused else (0,):
        prices = [(1 - share) * log2(C) + share * _price_per_copy(C, counts) for C, counts in zip(channels, copies)]
        for _ in range(ROUNDS if reused else 1):
            found = [(each, terms_of(each)) for each in smallest_cuts(unrolled, cut, log2(M), prices)]
            yield from found
            best, least = found[0]
            for labelling, terms in found[1:]:
                if smaller(least, terms) != least:
                    best, least = labelling, terms
            prices = []
            for level, (C, counts) in enumerate(zip(channels, copies), start=1):
                used = best.mixed_copies(level)
                prices.append(_price_per_copy(C, np.where(used > 0, used, counts)))


def _price_per_copy(C: int, copies: np.ndarray) -> np.ndarray:
    """Compute log₂ binom(C+n−1, n) / n for each number n of copies."""
    numbers = np.arange(copies.max())
    factors = np.log2(C + numbers) if C < 2**50 else np.full(len(numbers), log2(C))
    prices: np.ndarray = np.cumsum(factors - np.log2(1 + numbers))[copies - 1] / copies
    return prices
