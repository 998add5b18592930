"""The min cut of a tree of windows, against exact ranks, max flow, and every node one by one."""

from fractions import Fraction
from itertools import product
from math import log2, prod

import networkx as nx
import pytest
from helpers.strategies import architectures, cuts
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline, bounds_of, certify_rank, common_case, make_cut
from convac_lib.theory.bounds import common_case_exponents, non_overlapping_upper, saturation
from convac_lib.theory.trees import smaller, written


@given(
    architectures(max_size=3, max_layers=3, overlapping=False).filter(lambda network: network.size > 1),
    st.integers(0, 9),
    st.data(),
)
def test_no_non_overlapping_network_passes_the_upper_bound(network, seed, data):
    assume(network.representation_channels ** (network.size**2) <= 20_000)
    cut = data.draw(cuts(network.size))
    assert certify_rank(network, cut, seed=seed).rank <= non_overlapping_upper(network, cut).value


@pytest.mark.parametrize(
    ("network", "cut", "rank"),
    [
        (baseline(2, 2), "left-right", 2),
        (baseline(2, 2, channels=7), "left-right", 4),  # saturated
        (baseline(4, 2, channels=5), "checkerboard", 5),
        (baseline(2, 4), "left-right", 2),
        (baseline(2, 4, channels=3), "top-bottom", 3),
        (baseline(4, 2, channels=3), "interleaved", 3),
        (baseline(2, 4), "interleaved", 16),
        (baseline(2, 4), [0], 2),
        (baseline(2, 4, channels=3), [0, 2], 4),
        (baseline(2, 4, channels=3), [0, 1, 4, 5], 3),
        (baseline(2, 4, channels=1), [0, 1, 2, 3, 4, 5], 1),
        (common_case(1, 2, 4), "left-right", 2),
        (Architecture(2, 3, [Layer(2, 2, 2), Layer(1, 1, 5)]), "left-right", 2),  # one window of 1×1 adds no terms
        (Architecture(3, 2, [Layer(3, 3, 5)]), range(4), 5),
        (Architecture(3, 2, [Layer(2, 2, 2), Layer(2, 2, 3)]), [0, 2], 4),
        (Architecture(3, 2, [Layer(2, 2, 2), Layer(2, 2, 3)], "ones"), [2, 3, 6], 8),
    ],
)
def test_generic_non_overlapping_networks_reach_the_upper_bound(network, cut, rank):
    assert certify_rank(network, cut).rank == non_overlapping_upper(network, cut).value == rank


def min_cut(network, cut):
    """The min cut of the tree by max flow: a bond of M at each patch, and one of C_l through all that a node joins."""
    M, size, rows = network.representation_channels, network.size, make_cut(cut, network.size).rows
    graph, below = nx.DiGraph(), [(0, row, column) for row in range(size) for column in range(size)]
    for node in below:
        side = "P" if node[1] * size + node[2] in rows else "Q"
        graph.add_edge(side, node, capacity=log2(M))
        graph.add_edge(node, side, capacity=log2(M))
    for level, layer in enumerate(network.layers, start=1):
        parents = {node: (level, node[1] // layer.stride, node[2] // layer.stride) for node in below}
        for parent in set(parents.values()):
            graph.add_edge((parent, "in"), (parent, "out"), capacity=log2(layer.channels))
            for member in (parent, *(node for node in below if parents[node] == parent)):
                graph.add_edge(member, (parent, "in"))  # without a capacity: never cut
                graph.add_edge((parent, "out"), member)
        below = sorted(set(parents.values()))
    return round(2 ** nx.minimum_cut_value(graph, "P", "Q"))


@given(
    architectures(max_size=6, borders=("neutral",), overlapping=False).filter(lambda network: network.size > 1),
    st.data(),
)
def test_the_upper_bound_is_the_min_cut_of_the_tree(network, data):
    cut = data.draw(cuts(network.size))
    assume(saturation(network, cut).log2 < 40)  # the cut is found in floating point
    assert non_overlapping_upper(network, cut).value == min_cut(network, cut)


@pytest.mark.parametrize(("M", "size", "channels"), [(2, 2, 3), (5, 4, 2), (3, 8, 20), (2, 64, 1000)])
def test_across_halves_the_upper_bound_is_the_channels_at_the_top(M, size, channels):
    for cut in ("left-right", "top-bottom"):
        bound = non_overlapping_upper(baseline(M, size, channels), cut)
        assert bound.value == min(channels, M ** (size**2 // 2))
        assert bound.statement == (
            f"for all weights of this non-overlapping network, rank ≤ {bound.value} across the cut {cut}"
        )


def node_by_node(network, cut):
    """The bound as its definition says, over every node of the tree, in Python's integers."""
    M, size, first = network.representation_channels, network.size, set(make_cut(cut, network.size).rows)
    nodes = {divmod(patch, size): (M, 1, 1) if patch in first else (1, M, 1) for patch in range(size**2)}
    for layer, outputs in zip(network.layers, network.sizes):
        families = {place: [] for place in product(range(outputs), repeat=2)}
        for (row, column), node in nodes.items():
            if (place := (row // layer.stride, column // layer.stride)) in families:
                families[place].append(node)
        nodes = {}
        for place, children in families.items():
            a, b, s = map(prod, zip(*children))
            a, b = min(a, layer.channels * s), min(b, layer.channels * s)
            nodes[place] = a, b, s if len(children) == 1 else min(a, b)
    return nodes[0, 0][2]


@st.composite
def trees(draw):
    """A network without overlap on up to 40×40 patches: a few layers of any strides, with equal or unequal channels."""
    size, border = draw(st.integers(2, 40)), draw(st.sampled_from(["neutral", "ones", "zero", "valid"]))
    numbers = draw(st.sampled_from([st.integers(1, 9), st.sampled_from([2, 4, 8]), st.integers(10**30, 10**32)]))
    strides, side = [1] * draw(st.booleans()), size
    while side > 1:
        most = max(2, min(side, draw(st.sampled_from([3, 40]))))
        stride = draw(st.integers(2, most))
        strides += [stride] + [1] * draw(st.booleans())
        side = side // stride if border == "valid" else -(-side // stride)
    return Architecture(size, draw(numbers), [Layer(S, S, draw(numbers)) for S in strides], border)


def patches_or_names(size):
    names = [] if size % 2 else ["left-right", "top-bottom", "interleaved", "checkerboard"]
    few = st.sets(st.integers(0, size**2 - 1), min_size=1, max_size=6).filter(lambda patches: len(patches) < size**2)
    many = cuts(size) if size <= 12 else few
    return st.one_of(few, many, *([st.sampled_from(names)] * 2 if names else []))


@pytest.mark.parametrize("bits", [1024, 6])
def test_nodes_of_one_kind_give_the_bound_of_all_nodes(bits, monkeypatch, record_property):
    in_full, rounded = compared_node_by_node(400, bits, monkeypatch)
    record_property("trees whose nodes of one kind give the bound of all nodes", len(in_full | rounded))
    assert len(in_full) > 200 and len(rounded) >= 10 * (bits == 6)


@pytest.mark.parametrize("bits", [1024, 6])
def test_so_they_do_in_a_few(bits, monkeypatch):
    assert len(compared_node_by_node(40, bits, monkeypatch)[0]) > 20


def compared_node_by_node(examples, bits, monkeypatch):
    monkeypatch.setattr("convac_lib.theory.trees.WRITTEN_BITS", bits)  # beyond, numbers are compared by logarithms
    in_full, rounded = set(), set()

    @settings(max_examples=examples)
    @given(trees(), st.data())
    def check(network, data):
        cut = data.draw(patches_or_names(network.size))
        bound, exact = non_overlapping_upper(network, cut), node_by_node(network, cut)
        case = network, make_cut(cut, network.size)
        if exact.bit_length() <= bits:
            in_full.add(case)
            assert (bound.base, bound.exponent) == (exact, 1)
            assert f"rank ≤ {exact} across" in bound.statement
        elif bound.value == exact:
            in_full.add(case)
        else:  # a product of powers of several numbers: the next power of 2
            rounded.add(case)
            assert bound.base == 2 and 2 ** (bound.exponent - 1) < exact <= 2**bound.exponent

    check()
    return in_full, rounded


@pytest.mark.parametrize("listed", [[24], [0, 24], [4, 20], [0, 6, 24], [3, 23]])
def test_patches_that_no_window_reads_change_nothing(listed):
    network = Architecture(5, 3, [Layer(2, 2, 2), Layer(2, 2, 4)], "valid")
    assert non_overlapping_upper(network, listed).value == node_by_node(network, listed)


@pytest.mark.parametrize("bits", [1024, -1])
@given(*[st.dictionaries(st.sampled_from([2, 3, 5, 6, 10**6]), st.integers(1, 400), max_size=3)] * 2)
def test_the_smaller_of_two_products_is_found_from_numbers_and_from_logarithms(bits, one, other):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convac_lib.theory.trees.WRITTEN_BITS", bits)
        x, y = (tuple(sorted(powers.items())) for powers in (one, other))
        values = {powers: prod(base**exponent for base, exponent in powers) for powers in (x, y)}
        assert values[smaller(x, y)] == values[smaller(y, x)] == min(values.values())


@pytest.mark.parametrize("bits", [10**6, -1])
def test_neighbours_are_told_apart(bits, monkeypatch):
    monkeypatch.setattr("convac_lib.theory.trees.WRITTEN_BITS", bits)
    for a, b in ((1054, 665), (24727, 15601), (50508, 31867), (125743, 79335)):  # 2^a is near 3^b
        twos, threes = ((2, a),), ((3, b),)
        assert smaller(twos, threes) == smaller(threes, twos) == (twos if 2**a < 3**b else threes)
    assert smaller(((10**40 + 1, 30),), ((10**40, 30),)) == ((10**40, 30),)


@given(st.dictionaries(st.sampled_from([2, 3, 5, 12, 10**6]), st.integers(1, 900), min_size=1))
def test_a_product_is_written_in_full_or_rounded_to_the_next_power_of_2(factors):
    powers = tuple(sorted(factors.items()))
    words, base, exponent = written(powers)
    value = prod(base**exponent for base, exponent in powers)
    if value <= 2**1024:
        assert (words, base, exponent) == (str(value), value, 1)
    elif len(powers) == 1:
        assert (words, ((base, exponent),)) == (f"{base}^{exponent}", powers)
    else:
        assert (words, base) == (f"2^{exponent}", 2) and 2 ** (exponent - 1) < value <= 2**exponent


@pytest.mark.parametrize(
    ("powers", "expected"),
    [
        ((), ("1", 1, 1)),
        (((2, 1024),), (str(2**1024), 2**1024, 1)),
        (((2, 1025),), ("2^1025", 2, 1025)),
        (((16, 256),), (str(2**1024), 2**1024, 1)),
        (((16, 257),), ("16^257", 16, 257)),
        (((2**1025, 1),), ("3.60e+308", 2**1025, 1)),
        (((2**1025, 2),), ("3.60e+308^2", 2**1025, 2)),
        (((2, 1000), (4, 13)), ("2^1026", 2, 1026)),
    ],
)
def test_a_product_is_written_like_this(powers, expected):
    assert written(powers) == expected


@pytest.mark.parametrize("name", ["left-right", "top-bottom", "interleaved", "checkerboard"])
def test_a_named_cut_gives_what_its_patches_give(name):
    for size in range(2, 14, 2):
        listed = make_cut(name, size).rows
        assert make_cut(name, size).sides == make_cut(listed, size).sides
        for network in (Architecture(size, 3, [Layer(3, 3, 4), Layer(size, size, 2)]), common_case(1, 3, 8, 4)):
            if network.size == size:
                by_name, by_list = bounds_of(network, name), bounds_of(network, listed)
                assert [getattr(bound, "exponent", None) for bound in by_name.values()] == [
                    getattr(bound, "exponent", None) for bound in by_list.values()
                ]


def test_bounds_of_a_million_patches_a_side_follow_the_small_ones():
    size = 2**20
    bounds = bounds_of(common_case(B=1, M=2, size=size), "interleaved")
    assert (bounds["saturation"].base, bounds["saturation"].exponent) == (2, size**2 // 2)
    for exponent in (1, 2, 3):  # 2^(4^(k-1)) at size 2^k
        small = non_overlapping_upper(common_case(B=1, M=2, size=2**exponent), "interleaved")
        assert small.value == 2**4 ** (exponent - 1)
    upper = bounds["non_overlapping_upper"]
    assert (upper.base, upper.exponent, str(upper)) == (2, 4**19, "2^274877906944")
    assert upper.statement.endswith("rank ≤ 2^274877906944 across the cut interleaved")
    e, claimed = common_case_exponents(B=10**30, size=size)
    assert (e, claimed) == (size**2 // 2, Fraction((2 * 10**30 - 1) ** 2, 4))
