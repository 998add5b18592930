"""The min cut of a row in five ways: the tree's program, all sides one by one, max flow, node by node, exact ranks."""

from itertools import product
from math import log, log2, prod

import networkx as nx
import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Circuit, baseline, certify_rank, random_circuit
from convac_lib.related.row import RowTree, compose_row, random_levels, row_rank
from convac_lib.related.widths import entropy, min_cut
from convac_lib.theory.bounds import non_overlapping_upper

NAMED = ["left-right", "odd-even", (0, 1, 4, 5), (0,)]


@st.composite
def cut_trees(draw, sizes=(2, 4, 8, 16), widest=8):
    N = draw(st.sampled_from(sizes))
    widths = draw(st.lists(st.integers(1, widest), min_size=N.bit_length() - 1, max_size=N.bit_length() - 1))
    cut = draw(st.sets(st.integers(0, N - 1), min_size=1, max_size=N - 1))
    return RowTree(N, draw(st.integers(1, 5)), widths), cut


def windows(tree):
    """Each window with its width and the matrices that it joins: two below, and that of its own level above."""
    for level, width in enumerate(tree.widths, start=1):
        for place in range(tree.patches >> level):
            yield (level, place), width, [(level, place), (level - 1, 2 * place), (level - 1, 2 * place + 1)]


def by_flow(tree, cut):
    graph = nx.DiGraph()
    for patch in range(tree.patches):
        side = "P" if patch in cut else "Q"
        graph.add_edge(side, (0, patch), capacity=log2(tree.representation_channels))
        graph.add_edge((0, patch), side, capacity=log2(tree.representation_channels))
    for window, width, matrices in windows(tree):
        graph.add_edge(("in", window), ("out", window), capacity=log2(width))
        for matrix in matrices:
            graph.add_edge(matrix, ("in", window))  # without a capacity: never cut
            graph.add_edge(("out", window), matrix)
    return round(2 ** nx.minimum_cut_value(graph, "P", "Q"))


def node_by_node(tree, cut):
    """The recursion of `non_overlapping_upper`: dimensions on either side, and the rank of one combination."""
    M = tree.representation_channels
    nodes = [(M, 1, 1) if patch in cut else (1, M, 1) for patch in range(tree.patches)]
    for width in tree.widths:
        above = []
        for (a, b, s), (c, d, t) in zip(nodes[::2], nodes[1::2]):
            sides = min(a * c, width * s * t), min(b * d, width * s * t)
            above.append((*sides, min(sides)))
        nodes = above
    return nodes[0][2]


def by_all_sides(tree, cut):
    """The definition itself: every way to put the matrices on two sides."""
    matrices = sorted({matrix for _, _, joined in windows(tree) for matrix in joined})
    costs = []
    for sides in product((True, False), repeat=len(matrices)):
        side = dict(zip(matrices, sides))
        cost = prod(tree.representation_channels for patch in range(tree.patches) if side[0, patch] != (patch in cut))
        cost *= prod(width for _, width, joined in windows(tree) if len({side[each] for each in joined}) == 2)
        costs.append(cost)
    return min(costs)


@settings(max_examples=150)
@given(cut_trees())
def test_the_program_the_flow_and_the_recursion_agree(case):
    tree, cut = case
    found = min_cut(tree, cut)
    assert found.value == by_flow(tree, cut) == node_by_node(tree, cut)
    M, widths = tree.representation_channels, tree.widths
    assert found.value == prod(widths[level - 1] if level else M for level, _ in found.bonds)


@settings(max_examples=60)
@given(cut_trees(sizes=(2, 4)))
def test_no_choice_of_sides_is_cheaper(case):
    assert min_cut(*case).value == by_all_sides(*case)


@settings(max_examples=150)
@given(cut_trees(sizes=(2, 4), widest=5), seeds)
def test_random_weights_reach_the_min_cut(case, seed):
    tree, cut = case
    assert row_rank(random_levels(tree, seed=seed), cut) == min_cut(tree, cut).value


@given(cut_trees(sizes=(2, 4), widest=5), seeds, st.sampled_from([2, 3, 5]), st.booleans())
def test_no_weights_pass_the_min_cut(case, seed, prime, shared):
    tree, cut = case
    tree = RowTree(tree.patches, tree.representation_channels, tree.widths, shared)
    assert row_rank(random_levels(tree, seed=seed, prime=prime), cut, prime) <= min_cut(tree, cut).value


@pytest.mark.parametrize(
    ("M", "widths", "parameters", "ranks"),
    [
        (4, (4, 2, 2), 170, (2, 256, 4, 4)),
        (4, (2, 4, 4), 132, (4, 16, 4, 2)),
        (4, (2, 8, 2), 162, (2, 16, 4, 2)),
        (4, (4, 4, 4), 228, (4, 256, 16, 4)),
        (4, (8, 8, 8), 648, (8, 256, 64, 4)),
        (4, (4, 8, 16), 528, (8, 256, 16, 4)),
        (2, (2, 1, 2), 46, (1, 16, 1, 2)),
        (2, (1, 4, 4), 68, (1, 1, 1, 1)),
    ],
)
def test_the_networks_of_the_chapter(M, widths, parameters, ranks):
    tree = RowTree(8, M, widths)
    levels = random_levels(tree, seed=0)
    assert tree.parameters == parameters
    assert tuple(row_rank(levels, cut) for cut in NAMED) == ranks
    assert tuple(min_cut(tree, cut).value for cut in NAMED) == ranks


@pytest.mark.parametrize("M", [2, 3])
def test_one_matrix_for_both_patches_of_a_window_makes_it_symmetric(M):
    widths = (M**2, M**2)
    own, tied = (row_rank(random_levels(RowTree(4, M, widths, shared), seed=0), [0, 1]) for shared in (False, True))
    assert own == min_cut(RowTree(4, M, widths), [0, 1]).value == M**2 and tied == M * (M + 1) // 2


def test_one_matrix_for_all_offsets_of_an_image_gives_81_of_256():
    plan = baseline(2, 4, channels=4)
    drawn = random_circuit(plan, seed=0, prime=2**31 - 1)
    tied = Circuit(plan, [np.broadcast_to(w[..., :1, :1], w.shape) for w in drawn.weights], drawn.dense, 2**31 - 1)
    assert [certify_rank(each, "interleaved").rank for each in (drawn, tied)] == [256, 81]
    assert non_overlapping_upper(plan, "interleaved").value == 256


@given(seeds, st.sampled_from(NAMED))
def test_the_entropy_is_at_most_the_logarithm_of_the_min_cut(seed, cut):
    tree = RowTree(8, 2, (2, 3, 2))
    tensor = compose_row(random_levels(tree, seed=seed, prime=None), None)
    assert -1e-9 <= entropy(tensor, cut) <= log(min_cut(tree, cut).value) + 1e-9


def test_the_entropy_of_known_states():
    pairs = np.einsum("ab,cd->abcd", np.eye(2), np.eye(2))
    assert entropy(pairs, "odd-even") == pytest.approx(2 * log(2)) and entropy(pairs, [0, 1]) == pytest.approx(0)
    tilted = np.diag([3.0, 4.0])  # squares 9 and 16 of 25
    assert entropy(tilted, [0]) == pytest.approx(-(0.36 * log(0.36) + 0.64 * log(0.64)))
