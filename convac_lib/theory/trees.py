"""The min cut of a tree: the largest rank that any weights of a non-overlapping network reach, node by node.

A rank is a product of powers, ((q, e), …) for Π q^e, since the number itself may have more digits than memory holds.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import cache
from itertools import product
from math import log2, prod

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import shown
from convac_lib.theory.bound import WRITTEN_BITS
from convac_lib.theory.cuts import CUTS, Cut

Powers = tuple[tuple[int, int], ...]
Node = tuple[Powers, Powers, Powers]  # (a, b, s): see `min_cut`
Place = tuple[int, int]  # row and column


@dataclass(frozen=True)
class _Nodes:
    """The nodes of a layer, one for each kind of row and kind of column, and each node above a listed patch.

    Along either axis the nodes of a layer are of a few kinds: the last node, which the image's border may cut short;
    the one that contains the middle; and on either side of it, in turn, the even and the odd ones. All nodes of one
    kind of row and one kind of column see equal patches, so one of them is computed.
    """

    kinds: list[range]
    of_kinds: dict[Place, Node]
    above_listed: dict[Place, Node]


def min_cut(architecture: Architecture, cut: Cut) -> Powers:
    """Find the min cut of a non-overlapping network's tree, which no rank across the cut exceeds.

    Node by node, a and b bound the dimensions of what all channels of the node span over the patches on the two sides
    of the cut, and s is the rank of one combination of the channels; see `non_overlapping_upper`.

    Args:
        architecture: the network, with R_l = S_l in every layer, ending in 1×1.
        cut: P | Q, from `make_cut`.

    Returns:
        s of the root, as a product of powers ((q, e), …).

    >>> from convac_lib import baseline, make_cut
    >>> min_cut(baseline(M=2, size=4), make_cut("interleaved", 4))
    ((2, 4),)
    """
    nodes = _leaves(architecture, cut)
    inputs = (architecture.size, *architecture.sizes)
    for number, (layer, step) in enumerate(zip(architecture.layers, architecture.total_strides)):
        kinds = _kinds(architecture.size, inputs[number + 1], step)
        nodes = _layer_above(nodes, layer, inputs[number], inputs[number + 1], kinds)
    return nodes.above_listed.get((0, 0), nodes.of_kinds[0, 0])[2]


def _leaves(architecture: Architecture, cut: Cut) -> _Nodes:
    """Return the patches as nodes: a = M and b = 1 on the first side of the cut, the reverse on the second."""
    size, M = architecture.size, _power(architecture.representation_channels)
    first: Node = (M, (), ())
    second: Node = ((), M, ())
    kinds, in_rows = _kinds(size, size, 1), CUTS[cut.name] if cut.listed is None else None
    of_kinds = {
        (i, j): first if in_rows and in_rows(size, row.start, column.start) else second
        for (i, row), (j, column) in product(enumerate(kinds), repeat=2)
    }
    return _Nodes(kinds, of_kinds, {divmod(patch, size): first for patch in cut.listed or ()})


def _layer_above(nodes: _Nodes, layer: Layer, inputs: int, outputs: int, kinds: list[range]) -> _Nodes:
    """Compute the nodes of a layer of these kinds from the nodes below it, each set of children once."""
    families: dict[Place, list[Place]] = {}
    for row, column in nodes.above_listed:
        families.setdefault((row // layer.stride, column // layer.stride), []).append((row, column))
    known: dict[frozenset[tuple[Node, int]], Node] = {}

    @cache
    def children_along(place: int) -> list[tuple[int, int]]:
        """Count the children of each kind that a place along an axis has."""
        stop = min(place * layer.stride + layer.stride, inputs)
        counts = ((kind, _count(members, place * layer.stride, stop)) for kind, members in enumerate(nodes.kinds))
        return [(kind, count) for kind, count in counts if count]

    def node(row: int, column: int, listed: Iterable[Place] = ()) -> Node:
        counts: Counter[Node] = Counter()
        for (i, rows), (j, columns) in product(children_along(row), children_along(column)):
            counts[nodes.of_kinds[i, j]] += rows * columns
        for child in listed:  # it is not what the other nodes of its kind are
            counts[nodes.of_kinds[_kind(child[0], nodes.kinds), _kind(child[1], nodes.kinds)]] -= 1
            counts[nodes.above_listed[child]] += 1
        children = frozenset((value, count) for value, count in counts.items() if count)
        if children not in known:
            known[children] = _node(children, layer.channels)
        return known[children]

    above_listed = {  # with the border "valid", some patches may be in no window
        place: node(*place, listed) for place, listed in families.items() if max(place) < outputs
    }
    numbered = product(enumerate(kinds), repeat=2)
    return _Nodes(kinds, {(i, j): node(row.start, column.start) for (i, row), (j, column) in numbered}, above_listed)


def _kinds(size: int, outputs: int, step: int) -> list[range]:
    """Group the places of an axis whose nodes see equal patches: see `_Nodes`."""
    last, middle = outputs - 1, min(size // 2 // step, outputs - 1)
    between = [(0, middle), (1, middle), (middle + 1, last), (middle + 2, last)]
    kinds = [range(last, outputs), range(middle, min(middle + 1, last)), *(range(*ends, 2) for ends in between)]
    return [kind for kind in kinds if kind]


def _kind(place: int, kinds: list[range]) -> int:
    return next(number for number, kind in enumerate(kinds) if place in kind)


def _count(kind: range, start: int, stop: int) -> int:
    """Count the places of a kind from start up to stop."""
    start = max(kind.start, start + (kind.start - start) % kind.step)
    return max(0, -(-(min(kind.stop, stop) - start) // kind.step))


def _node(children: frozenset[tuple[Node, int]], channels: int) -> Node:
    """Compute (a, b, s) of the node over these children, each given with its count: see `non_overlapping_upper`."""
    a, b, s = (_product((value[side], count) for value, count in children) for side in range(3))
    limit = _product([(_power(channels), 1), (s, 1)])
    a, b = smaller(a, limit), smaller(b, limit)
    return a, b, s if sum(count for _, count in children) == 1 else smaller(a, b)


def _power(number: int) -> Powers:
    return ((number, 1),) if number > 1 else ()


def _product(factors: Iterable[tuple[Powers, int]]) -> Powers:
    """Multiply products of powers, each as often as its count says."""
    total: Counter[int] = Counter()
    for powers, count in factors:
        for base, exponent in powers:
            total[base] += exponent * count
    return tuple(sorted(total.items()))


def smaller(x: Powers, y: Powers) -> Powers:
    """Return the smaller of two products of powers; if over 50 digits of their logarithms agree, either of them."""
    ratio = Counter(dict(x))
    ratio.subtract(dict(y))
    if sum(abs(exponent) * base.bit_length() for base, exponent in ratio.items()) <= WRITTEN_BITS:
        above, below = (prod(base ** max(0, sign * e) for base, e in ratio.items()) for sign in (1, -1))
        return x if above <= below else y
    return x if _logarithm(ratio.items()) <= 0 else y


def _logarithm(powers: Iterable[tuple[int, int]]) -> Decimal:
    """Compute log₂ of a product of powers to 50 digits after the decimal point; that of a power of 2 is exact."""
    powers = list(powers)
    with localcontext(prec=50 + sum(len(str(exponent)) for _, exponent in powers)):
        total = Decimal(0)
        for base, exponent in powers:
            twos = (base & -base).bit_length() - 1
            total += exponent * (twos + Decimal(base >> twos).ln() / Decimal(2).ln())
        return total


def written(powers: Powers) -> tuple[str, int, int]:
    """Write a product of powers in words and as one base and exponent, rounded up to a power of 2 if it must be.

    >>> written(((2, 3), (5, 1))), written(((2, 3000), (5, 1)))
    (('40', 40, 1), ('2^3003', 2, 3003))
    """
    if sum(exponent * log2(base) for base, exponent in powers) <= WRITTEN_BITS:
        value = prod(base**exponent for base, exponent in powers)
        return str(value), value, 1
    if len(powers) > 1:
        powers = ((2, int(_logarithm(powers).to_integral_value(ROUND_CEILING))),)
    ((base, exponent),) = powers
    return (shown(base) if exponent == 1 else f"{shown(base)}^{exponent}"), base, exponent
