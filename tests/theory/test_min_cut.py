"""The min cut of the unrolled network against exact ranks, brute force, the tree, closed forms and another max flow."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import combinations_with_replacement, product
from math import comb, log2, prod

import networkx as nx
import numpy as np
import pytest
from helpers.strategies import architectures, cuts, seeds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline, bounds_of, certify_rank, common_case, make_cut
from convac_lib.cli.bounds_report import bounds_table
from convac_lib.errors import BudgetError, ConvacError, HypothesisError
from convac_lib.theory.bounds import non_overlapping_upper, saturation
from convac_lib.theory.chain import chain
from convac_lib.theory.min_cut import find_cut, min_cut_upper, rank_exponent
from convac_lib.theory.multisets import multisets, terms_of
from convac_lib.theory.strips import strips
from convac_lib.theory.unrolled import count_unrolled, unroll
from convac_lib.theory.unrolled_cuts import Labelling

SMALL = architectures(max_size=4, max_channels=4, plain=False).filter(lambda network: network.size > 1)


def walk(network):
    """The unrolled network window by window: (layer, node, parent's number) of each instance, and edges to patches."""
    sizes = (network.size, *network.sizes)
    instances, patches, todo = [(len(network.layers), (0, 0), None)], [], [0]
    while todo:
        number = todo.pop()
        level, (row, column), _ = instances[number]
        layer, size = network.layers[level - 1], sizes[level - 1]
        for i, j in product(range(layer.receptive_field), repeat=2):
            child = row * layer.stride + i, column * layer.stride + j
            if max(child) >= size:
                continue
            if level == 1:
                patches.append((number, child[0] * size + child[1]))
            else:
                todo.append(len(instances))
                instances.append((level - 1, child, number))
    return instances, patches


def flow(network, cut, capacity):
    """The minimum vertex cut of the unrolled network by networkx; `capacity` is a function of the layer, 0 a patch."""
    instances, patches = walk(network)
    graph, rows = nx.DiGraph(), set(make_cut(cut, network.size).rows)
    for patch in range(network.size**2):
        ends = ("P", ("patch", patch)) if patch in rows else (("patch", patch), "Q")
        graph.add_edge(*ends, capacity=capacity(0))
    for number, (level, _, parent) in enumerate(instances):
        graph.add_edge((number, "in"), (number, "out"), capacity=capacity(level))
        if parent is not None:
            graph.add_edge((number, "out"), (parent, "in"))
            graph.add_edge((parent, "out"), (number, "in"))
    for number, patch in patches:
        if patch in rows:
            graph.add_edge(("patch", patch), (number, "in"))
        else:
            graph.add_edge((number, "out"), ("patch", patch))
    return nx.minimum_cut_value(graph, "P", "Q"), len(instances) + network.size**2, len(patches)


@settings(max_examples=200, deadline=None)
@given(SMALL, st.data())
def test_no_rank_is_above_the_min_cut(network, data):
    assume(network.representation_channels ** (network.size**2) <= 70_000)
    cut = data.draw(cuts(network.size))
    assert certify_rank(network, cut, seed=data.draw(seeds)).rank <= min_cut_upper(network, cut).value


@settings(max_examples=150, deadline=None)
@given(SMALL, st.data())
def test_the_plain_cut_is_that_of_another_flow_over_an_unrolled_network_of_windows(network, data):
    cut, channels = data.draw(cuts(network.size)), network.channels
    assume(count_unrolled(network)[0] < 700)
    ones, vertices, edges = flow(network, cut, lambda level: 1)
    assert count_unrolled(network) == (vertices, edges)
    if network.border != "zero" and not any(layer.weight_free for layer in network.layers):
        assert rank_exponent(network, cut) == ones
    plain = 2 ** flow(network, cut, lambda level: log2(channels[level]))[0]
    found = find_cut(network, cut)
    value = product_of(found.terms)
    assert log2(product_of(found.plain)) == pytest.approx(log2(plain), abs=1e-6)
    assert value <= plain * (1 + 1e-6) and value <= saturation(network, cut).value
    through = Counter()
    for (level, _, _), copies in found.nodes.items():
        through[level] += copies
    product_of_cut = channels[0] ** len(found.patches) * prod(channels[level] ** n for level, n in through.items())
    assert value <= product_of_cut  # multisets are no more than tuples
    if max(Counter(instance[:2] for instance in walk(network)[0]).values()) == 1:  # no node is used twice
        assert value == product_of_cut and abs(log2(value) - log2(plain)) < 1e-6


@settings(max_examples=60, deadline=None)
@given(architectures(max_size=8, max_channels=5, max_layers=4, overlapping=False), st.data())
def test_it_is_the_trees_bound_without_overlap(network, data):
    assume(network.size > 1)
    cut = data.draw(cuts(network.size))
    assert min_cut_upper(network, cut).value <= non_overlapping_upper(network, cut).value


# --- every labelling ---

TINY = [
    (Architecture(2, 2, [Layer(2, 1, 2), Layer(2, 2, 1)]), [0]),
    (Architecture(2, 2, [Layer(2, 1, 2), Layer(2, 1, 3), Layer(2, 2, 2)]), [0, 2]),
    (Architecture(2, 3, [Layer(2, 1, 2), Layer(2, 2, 2)], "ones", shared=False), [0, 3]),
    (Architecture(3, 2, [Layer(2, 1, 2), Layer(2, 1, 2)], "valid"), [0, 1, 2, 3]),
]


@pytest.mark.parametrize(("network", "cut"), TINY)
def test_no_labelling_of_all_falls_below_the_rank(network, cut):
    unrolled, cut = unroll(network, 1000), make_cut(cut, network.size)
    rank, generator = certify_rank(network, cut).rank, np.random.default_rng(0)
    ends = np.cumsum([len(up) for up in unrolled.up])
    every = product((False, True), repeat=int(ends[-1])) if ends[-1] <= 10 else generator.random((1500, ends[-1])) < 0.5
    least = min(
        prod(base**exponent for base, exponent in terms_of(Labelling(unrolled, cut, tuple(np.split(sides, ends[:-1])))))
        for sides in map(np.array, every)
    )
    assert rank <= min_cut_upper(network, cut).value <= least


@pytest.mark.parametrize(("D", "n"), [*product(range(1, 5), repeat=2), (2, 7), (7, 2), (9, 1), (1, 9)])
def test_multisets_are_counted(D, n):
    assert multisets(D, n) == (len([*combinations_with_replacement(range(D), n)]), 1)


@pytest.mark.parametrize(
    ("D", "n", "counted"),
    [
        (2**8191, 2, True),  # 2 · 8,192 bits
        (2**8192 - 3, 2, True),
        (2**8192 - 2, 2, False),
        (2, 2**8191, True),
        (2, 2**8192 - 3, True),
        (2, 2**8192 - 2, False),
        (1490, 1490, False),  # 1,490 · 12 bits
        (1365, 1365, True),  # 1,365 · 12 bits
        (1366, 1366, False),
    ],
)
def test_multisets_are_counted_up_to_a_length(D, n, counted):
    assert multisets(D, n) == ((comb(D + n - 1, n) if n < D else comb(D + n - 1, D - 1), 1) if counted else (D, n))


# --- numbers of the closed forms ---


@pytest.mark.parametrize("M", range(2, 8))
def test_on_4x4_patches_it_is_the_closed_form(M):
    for C in range(1, 12):
        expected = min(M**8, C**2 * min(C, M) ** 2 * min(M, comb(C + 1, 2)) ** 2)
        assert min_cut_upper(common_case(2, M, 4, C)).value == expected


def strip_labelling(unrolled, cut, k):
    """The labelling of the closed form: below layer 2k by the column of the node there, above by that of the child."""
    sides, columns = [], []
    for level, nodes in enumerate(unrolled.nodes):
        size = (unrolled.architecture.size, *unrolled.architecture.sizes)[level]
        columns.append(2 * (nodes % size) < size)
    for level in range(len(unrolled.up)):
        above = level
        ancestors = np.arange(len(unrolled.nodes[level]))
        while above < 2 * k:
            ancestors, above = unrolled.up[above][ancestors], above + 1
        sides.append(columns[above][ancestors] if level < len(unrolled.up) - 1 else np.zeros(len(ancestors), bool))
    return Labelling(unrolled, cut, tuple(sides))


@pytest.mark.parametrize(
    ("H", "B", "M", "C"),
    [(4, 2, 2, 2), (4, 2, 5, 3), (8, 2, 2, 2), (8, 2, 2, 7), (8, 3, 3, 2), (8, 4, 2, 3), (16, 2, 2, 2)],
)
def test_the_strips_are_labellings_of_the_unrolled_network(H, B, M, C):
    network, cut = common_case(B, M, H, C), make_cut("left-right", H)
    unrolled = unroll(network, 10**6)
    least = min(
        *(product_of(terms_of(strip_labelling(unrolled, cut, k))) for k in range(H.bit_length() - 1)), M ** (H * H // 2)
    )
    assert least <= product_of(strips(network)) and (least == product_of(strips(network)) or B > 2)
    assert strips(network) == strips(network, "top-bottom") == strips(replace(network, shared=False))


def product_of(powers):
    return prod(base**exponent for base, exponent in powers)


@pytest.mark.parametrize(
    ("B", "M", "C", "value"),
    [(2, 2, 2, 36_864), (2, 2, 3, 746_496), (2, 2, 4, 6_553_600), (3, 2, 2, 2_359_296), (2, 3, 3, 19_131_876)],
)
def test_on_8x8_patches_it_is_at_most_the_closed_form(B, M, C, value):
    network = common_case(B, M, 8, C)
    assert min_cut_upper(network).value == value <= product_of(strips(network))
    assert B > 2 or C > 3 or value == product_of(strips(network))


@pytest.mark.parametrize(("B", "M", "C"), [(2, 2, 2), (2, 3, 3), (3, 2, 2)])
def test_on_16x16_patches_it_is_at_most_the_closed_form_and_at_least_the_chain(B, M, C):
    network = common_case(B, M, 16, C)
    assert chain(network).value <= min_cut_upper(network).value <= product_of(strips(network))


@pytest.mark.parametrize(("H", "B"), [(32, 2), (32, 3), (64, 2), (64, 3), (1024, 2)])
def test_on_larger_images_the_bound_is_a_strip(H, B):
    network = common_case(B, 2, H)
    bound = min_cut_upper(network)
    assert H * (B - 1) <= chain(network).log2 < bound.log2 < saturation(network).log2 / 2
    assert bound.statement.endswith("by the closed form of the min cut, for a strip beside the middle")


@pytest.mark.parametrize(
    ("network", "cut"),
    [
        (common_case(2, 2, 4), "left-right"),  # 64
        (common_case(2, 2, 4, 3), "left-right"),  # 144
        (common_case(2, 3, 4, 2), "left-right"),  # 144
        (common_case(3, 2, 4), "left-right"),  # 256
        (common_case(2, 2, 4), "checkerboard"),
        (common_case(2, 3, 2, 2), "checkerboard"),  # 6
        (common_case(2, 4, 2, 3), "checkerboard"),  # 12
        (Architecture(4, 2, [Layer(2, 1, 3), Layer(2, 2, 3), Layer(1, 1, 3), Layer(2, 2, 3)]), "left-right"),  # 48
        (Architecture(4, 2, [Layer(2, 2, 3), Layer(2, 1, 3), Layer(2, 2, 3)]), "left-right"),  # 9
        (baseline(2, 4), "interleaved"),  # 16
    ],
)
def test_random_weights_meet_the_bound(network, cut):
    assert certify_rank(network, cut).rank == min_cut_upper(network, cut).value


def test_bound_and_rank_may_differ():
    """Two nodes share one patch of each side, and three of their channels are not enough to make 8 independent."""
    network = Architecture(3, 2, [Layer(2, 1, 3), Layer(2, 2, 4)], "valid")
    assert (certify_rank(network, [0, 3, 6]).rank, min_cut_upper(network, [0, 3, 6]).value) == (7, 8)


# --- exponents ---

EXPONENTS = {
    4: {1: 1, 2: 6, 3: 8},
    8: {1: 1, 2: 16, 3: 22, 4: 30, 5: 32},
    16: {1: 1, 2: 52, 3: 88, 4: 108, 5: 108, 7: 118, 8: 127, 9: 128},
}


@pytest.mark.parametrize("H", EXPONENTS)
def test_the_exponents_of_the_common_case(H):
    assert {B: rank_exponent(common_case(B, 2, H)) for B in EXPONENTS[H]} == EXPONENTS[H]


@settings(max_examples=60, deadline=None)
@given(architectures(max_size=4, max_channels=1, borders=("neutral", "ones", "valid")), st.data())
def test_the_exponent_is_that_of_the_plain_cut_at_any_base(network, data):
    assume(network.size > 1)
    cut = data.draw(cuts(network.size))
    layers = [Layer(layer.receptive_field, layer.stride, 7) for layer in network.layers]
    wide = Architecture(network.size, 7, layers, network.border)
    assert rank_exponent(wide, cut) == rank_exponent(network, cut)
    assert min_cut_upper(wide, cut).value <= 7 ** rank_exponent(wide, cut)


# --- what is refused, and what is large ---


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (lambda: find_cut(common_case(2, 2, 32)), BudgetError,
         ("a min cut is searched in unrolled networks of at most 40,000 vertices, and this one has 100,534; use a "
          "smaller image, smaller windows or fewer layers")),
        (lambda: min_cut_upper(replace(common_case(2, 2, 32), border="ones")), BudgetError,
         ("a min cut is searched in unrolled networks of at most 40,000 vertices, and this one has 100,534; use a "
          "smaller image, smaller windows or fewer layers")),
        (lambda: strips(common_case(2, 2, 2048)), BudgetError,
         ("the closed form of the min cut is computed up to 1,024 patches along a side, and this image has 2048; use "
          "a smaller image")),
        (lambda: strips(common_case(1, 2, 8)), HypothesisError,
         "the closed form of the min cut is for the common case with B ≥ 2"),
        (lambda: strips(common_case(2, 2, 8), "checkerboard"), HypothesisError,
         ("the closed form of the min cut is for the cuts 'left-right' and 'top-bottom', and this one is "
          "'checkerboard'")),
        (lambda: min_cut_upper(common_case(2, 2, 2**20)), BudgetError,
         ("a min cut is searched in unrolled networks of at most 40,000 vertices, and this one has over 1,000,000,000; "
          "use a smaller image, smaller windows or fewer layers")),
        (lambda: min_cut_upper(Architecture(64, 2, [Layer(64, 1, 2), Layer(64, 64, 2)])), BudgetError,
         ("a min cut is searched in unrolled networks of at most 2,000,000 edges to patches, and this one has "
          "4,326,400; use a smaller image, smaller windows or fewer layers")),
        (lambda: rank_exponent(common_case(3, 2, 64)), BudgetError,
         ("a min cut is searched in unrolled networks of at most 2,000,000 vertices, and this one has 14,532,756; use "
          "a smaller image, smaller windows or fewer layers")),
        (lambda: min_cut_upper(Architecture(2, 2, [Layer(1, 1, 2)] * 64 + [Layer(2, 2, 2)])), BudgetError,
         ("a min cut is searched in unrolled networks of at most 64 layers, and this one has 65; use a smaller image, "
          "smaller windows or fewer layers")),
        (lambda: min_cut_upper(Architecture(4, 2, [Layer(2, 2, 4)])), HypothesisError,
         "the min cut needs a network that ends in 1×1, and this one ends in 2×2"),
        (lambda: rank_exponent(Architecture(4, 2, [Layer(2, 2, 4)])), HypothesisError,
         "the exponent needs a network that ends in 1×1, and this one ends in 2×2"),
        (lambda: rank_exponent(Architecture(4, 2, [Layer(4, 4, 4)], "zero")), HypothesisError,
         "the exponent is for the borders 'neutral', 'ones' and 'valid', and this one is 'zero'"),
        (lambda: rank_exponent(Architecture(4, 2, [Layer(2, 2, 2), Layer(2, 2, 2, True)])), HypothesisError,
         "the exponent is for layers with weights of their own, and layer 2 is weight-free"),
    ],
)  # fmt: skip
def test_what_the_min_cut_refuses_gets_one_sentence(ask, kind, sentence):
    with pytest.raises(kind) as error:
        ask()
    assert str(error.value) == sentence


def test_bounds_of_says_that_a_network_is_too_large():
    found = bounds_of(replace(common_case(2, 2, 32), border="ones"))
    assert isinstance(found["min_cut"], BudgetError) and found["chain"].value == 2**32


def test_huge_widths_give_a_power():
    bound = min_cut_upper(common_case(3, 10**400, 4, 10**500))
    assert (bound.base, bound.exponent) == (10**400, 8) and "e+400^8" in bound.statement
    wide = min_cut_upper(common_case(2, 10**400, 4, 10**300))
    assert wide.base == 2 and wide.log2 == pytest.approx(2000 * log2(10), abs=1)
    assert min_cut_upper(common_case(2, 1, 4)).value == min_cut_upper(common_case(2, 4, 4, 1)).value == 1


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (common_case(2, 10**400, 64, 10**500), "2^674954"),
        (common_case(2, 10**4000, 64, 3), "2^1421"),
        (common_case(2, 2, 1024, 10**3000), "2^340847"),
    ],
)
def test_a_bound_of_millions_of_digits_is_a_power_and_a_logarithm(network, words):
    bounds = bounds_of(network)
    assert str(bounds["min_cut"]) == words and bounds["min_cut"].log2 == int(words[2:])
    assert bounds["saturation"].log2 > 1000 and len(bounds_table(bounds)) < 1500
    with pytest.raises(BudgetError, match="is too large to write out; its log2 is"):
        str(replace(bounds["saturation"], exponent=Fraction(2**40)).value)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: bounds_of(common_case(2, 2, 4), []),
         "a cut needs patches on both sides, and this one has 0 of 16 on the first; move one of them"),
        (lambda: bounds_of(common_case(2, 2, 4), range(16)),
         "a cut needs patches on both sides, and this one has 16 of 16 on the first; move one of them"),
        (lambda: bounds_of(common_case(2, 0, 4)), "representation channels must be an integer of at least 1, not 0"),
        (lambda: bounds_of(common_case(2, 2, 4, 0)), "channels must be an integer of at least 1, not 0"),
        (lambda: bounds_of(common_case(0, 2, 4)), "receptive field must be an integer of at least 1, not 0"),
    ],
)  # fmt: skip
def test_what_no_bound_is_about_gets_one_sentence(ask, sentence):
    with pytest.raises(ConvacError) as error:
        ask()
    assert str(error.value) == sentence


def test_windows_and_strides_may_be_huge():
    network = Architecture(4, 2, [Layer(10**4000, 10**4000, 3), Layer(10**4000, 1, 2)])
    assert (
        min_cut_upper(network).value
        == non_overlapping_upper(Architecture(4, 2, [Layer(4, 4, 3), Layer(1, 1, 2)])).value
    )


def test_the_statement_says_where_the_cut_is():
    bound, found = min_cut_upper(common_case(2, 2, 4)), find_cut(common_case(2, 2, 4))
    assert sum(found.nodes.values()) + len(found.patches) == 6
    assert bound.statement == (
        f"for all weights, rank ≤ 64, by a cut of the unrolled network through {len(found.patches)} patches and "
        f"{sum(found.nodes.values())} instances of nodes"
    )
