"""How many terms a labelling of an unrolled network costs: equal copies are counted as multisets."""

from collections import Counter
from dataclasses import dataclass, field
from functools import reduce
from math import comb, prod

import numpy as np

from convac_lib.theory.trees import Powers, smaller
from convac_lib.theory.unrolled_cuts import Labelling

LARGEST_COUNT_BITS = 2**14  # of a number of multisets; beyond, the tuples are counted
OTHER, PURE = -1, 0  # signatures of a child on the other side, and of one without mixed instances

Class = tuple[int, int, int]  # of alike components: the layer, node and signature of the topmost instance


@dataclass
class _Components:
    """The components of the edges of one side, connected through instances; those without the top, in classes.

    Attributes:
        classes: how many alike components each class has.
        below: for each class, the product of the channels of the mixed instances below the topmost one.
        top: the product of the channels of all mixed instances in the component that contains the top.
    """

    classes: Counter[Class] = field(default_factory=Counter)
    below: dict[Class, int] = field(default_factory=dict)
    top: int = 1


def terms_of(labelling: Labelling) -> Powers:
    """Bound the rank across a cut by the number of terms into which a labelling splits the network's function.

    The function is a sum over the indices of the mixed instances and the templates of the mixed patches, and each term
    is a product of a function of each side. Alike components of one side have the same factor, so only the multiset of
    their indices matters: n alike components with D terms each cost binom(D+n−1, n) instead of Dⁿ. This may be used for
    the components of one side, or, on both sides, for those whose only mixed instance is their topmost one.

    Returns:
        The smallest of the three counts, as a product of powers ((q, e), …).
    """
    channels = labelling.unrolled.architecture.channels
    patches = Counter({channels[0]: len(labelling.mixed_patches())})
    both = [_components(labelling, side) for side in (True, False)]
    counts = [patches + _multisets(found, channels, [*found.classes]) + Counter([found.top]) for found in both]
    single = Counter(patches)
    for level in range(1, len(channels)):
        single[channels[level]] += int(labelling.mixed(level).sum())
    for found in both:
        classes = [each for each in found.classes if found.below[each] == 1]
        for each in classes:
            single[channels[each[0]]] -= found.classes[each]
        single += _multisets(found, channels, classes)
    return reduce(smaller, map(powers, [*counts, single]))


def tuples_of(labelling: Labelling) -> Powers:
    """Count the terms of a labelling without multisets: M for each mixed patch, C_l for each mixed instance."""
    channels = labelling.unrolled.architecture.channels
    counts = Counter({channels[0]: len(labelling.mixed_patches())})
    for level in range(1, len(channels)):
        counts[channels[level]] += int(labelling.mixed(level).sum())
    return powers(counts)


def _multisets(found: _Components, channels: tuple[int, ...], classes: list[Class]) -> Counter[int]:
    """Count the multisets of indices of alike components, class by class, as factors and how often each occurs."""
    factors = Counter[int]()
    for each in classes:
        factor, times = multisets(channels[each[0]] * found.below[each], found.classes[each])
        factors[factor] += times
    return factors


def multisets(D: int, n: int) -> tuple[int, int]:
    """Count the multisets of n of D things as a power, (binom(D+n−1, n), 1), or if that is too long, the tuples (D, n).

    >>> multisets(3, 2), multisets(10**5000, 2)[1]
    ((6, 1), 2)
    """
    if min(n, D) * (D + n).bit_length() <= LARGEST_COUNT_BITS:
        return comb(D + n - 1, min(n, D - 1)), 1
    return D, n


def powers(factors: Counter[int]) -> Powers:
    return tuple(sorted((base, exponent) for base, exponent in factors.items() if base > 1 and exponent))


def _components(labelling: Labelling, side: bool) -> _Components:
    """Find the classes of alike components of a side, from the patches up.

    An instance's signature says which of its descendants its component contains, and which of them are mixed.
    """
    unrolled, found = labelling.unrolled, _Components()
    numbers: dict[tuple[int, ...], int] = {}  # of signatures: level, node, and the children's signatures
    below, whole = [1], [1]  # for each signature, the product without and with the instance itself
    signatures = np.full(len(unrolled.nodes[0]), PURE)
    for level, C in enumerate(unrolled.architecture.channels[1:], start=1):
        up, nodes = unrolled.up[level - 1], unrolled.nodes[level]
        children = np.where(labelling.sides[level - 1] == side, signatures, OTHER)
        impure = np.bincount(up, weights=children != PURE, minlength=len(nodes)) > 0
        reached, top = labelling.has_child(level, side), level == len(unrolled.up)
        within = reached if top else reached | (labelling.sides[level] == side)
        order, ends = np.argsort(up, kind="stable"), np.cumsum([0, *np.bincount(up, minlength=len(nodes))])
        signatures = np.full(len(nodes), PURE)
        for v in np.flatnonzero(within & impure):
            of_children = children[order[ends[v] : ends[v + 1]]].tolist()
            signature = numbers.setdefault((level, int(nodes[v]), *of_children), len(below))
            if signature == len(below):
                below.append(prod(whole[child] for child in of_children if child != OTHER))
                whole.append(below[-1] * (C if OTHER in of_children else 1))
            signatures[v] = signature
        if top:
            found.top = whole[signatures[0]] if reached[0] else 1
        else:
            for v in np.flatnonzero(reached & (labelling.sides[level] != side)):
                each = (level, int(nodes[v]), int(signatures[v]))
                found.classes[each] += 1
                found.below[each] = below[each[2]]
    return found
