"""Rectifier networks: every value against a second way to compute it, and the statements R1 to R5 of the chapter."""

from fractions import Fraction
from itertools import combinations, product
from math import prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convac_lib.errors import ArchitectureError, ConvacError, CutError
from convac_lib.related.rectifier import (
    POOLINGS,
    average_rank,
    channel_rank,
    channels_needed,
    compose,
    compose_shallow,
    draw_tensors,
    exact_rank,
    universal,
    witness,
)
from convac_lib.theory.ranks import rank_modulo

SMALL = st.integers(-3, 3)
POOL = {  # of numbers, as the chapter defines them
    "product": prod,
    "max": lambda values: max(0, *values),
    "average": lambda values: sum(max(value, 0) for value in values),
}


def value(levels, pooling, image, level=None, node=0):
    """The numbers of a node for one image, from the definition alone: lists of Python's integers."""
    level = len(levels) - 1 if level is None else level
    weights = levels[level][node].tolist()
    if level == 0:
        return [row[image[node]] for row in weights]
    children = [value(levels, pooling, image, level - 1, child) for child in (2 * node, 2 * node + 1)]
    pooled = [POOL[pooling](pair) for pair in zip(*children)]
    return [sum(w * x for w, x in zip(row, pooled)) for row in weights]


def rank_by_fractions(matrix):
    """The rank by elimination in exact fractions."""
    rows, rank = [[Fraction(int(entry)) for entry in row] for row in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((i for i in range(rank, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for i in range(rank + 1, len(rows)):
            factor = rows[i][column] / rows[rank][column]
            rows[i] = [x - factor * y for x, y in zip(rows[i], rows[rank])]
        rank += 1
    return rank


def matricized(tensor, rows):
    columns = [patch for patch in range(tensor.ndim) if patch not in rows]
    return tensor.transpose(*rows, *columns).reshape(len(tensor) ** len(rows), -1)


def images(patches, templates):
    return list(product(range(templates), repeat=patches))


@st.composite
def trees(draw, most=8):
    """The levels of a deep network with small weights."""
    depth, M = draw(st.sampled_from([level for level in (1, 2, 3) if 2**level <= most])), draw(st.integers(2, 3))
    widths = [M, *(draw(st.integers(1, 3)) for _ in range(depth)), 1]
    return [draw(arrays(int, (2 ** (depth - n), widths[n + 1], widths[n]), elements=SMALL)) for n in range(depth + 1)]


@settings(max_examples=60, deadline=None)
@given(trees(most=4), st.sampled_from(sorted(POOLINGS)))
def test_a_deep_network_has_the_values_that_the_definition_gives(levels, pooling):
    tensor = compose(levels, pooling)
    for image in images(len(levels[0]), levels[0].shape[2]):
        assert value(levels, pooling, image) == [tensor[image]]
    assert exact_rank(tensor) == rank_by_fractions(matricized(tensor, range(0, tensor.ndim, 2)))
    assert exact_rank(tensor, "left-right") == rank_by_fractions(matricized(tensor, range(tensor.ndim // 2)))


@settings(max_examples=60, deadline=None)
@given(st.data(), st.integers(1, 3), st.integers(2, 4), st.integers(2, 3), st.sampled_from(sorted(POOLINGS)))
def test_a_shallow_network_has_the_values_that_the_definition_gives(data, Z, N, M, pooling):
    a, v = data.draw(arrays(int, Z, elements=SMALL)), data.draw(arrays(int, (Z, N, M), elements=SMALL))
    tensor = compose_shallow(a, v, pooling)
    for image in images(N, M):
        pooled = [POOL[pooling](v[z, range(N), image].tolist()) for z in range(Z)]
        assert tensor[image] == sum(int(x) * y for x, y in zip(a, pooled))


@pytest.mark.parametrize("pooling", ["max", "average"])
def test_a_network_with_shared_weights_is_torchs_convolutions_relu_and_pooling(pooling):
    generator = np.random.default_rng(0)
    shapes = [(3, 2), (4, 3), (2, 4), (1, 2)]  # 8 patches, two templates
    shared = [generator.integers(-5, 6, shape) for shape in shapes]
    tensor = compose([np.stack([weight] * (8 >> level)) for level, weight in enumerate(shared)], pooling)
    one_hot = torch.eye(2, dtype=torch.float64)[torch.tensor(images(8, 2))].transpose(1, 2)  # (256, M, N)
    x = torch.nn.functional.conv1d(one_hot, torch.from_numpy(shared[0]).double()[:, :, None])
    for weight in shared[1:]:
        x = torch.nn.functional.relu(x)
        x = torch.nn.functional.max_pool1d(x, 2) if pooling == "max" else 2 * torch.nn.functional.avg_pool1d(x, 2)
        x = torch.nn.functional.conv1d(x, torch.from_numpy(weight).double()[:, :, None])
    assert (x.flatten().numpy() == tensor.ravel()).all()  # integers, exact in float64


def test_values_beyond_64_bits_stay_exact():
    levels = [np.full((2, 1, 2), 2**40), np.array([[[2**40]]])]
    assert compose(levels, "product").tolist() == [[2**120] * 2] * 2
    assert compose_shallow(np.array([2**40]), np.full((1, 2, 2), 2**40), "average")[0, 0] == 2**81


@pytest.mark.parametrize(
    ("N", "M", "weights"), [(2, 2, 10), (4, 2, 21), (4, 4, 73), (8, 2, 43), (8, 3, 87), (16, 2, 87)]
)
def test_R1_the_witness_says_whether_a_pair_differs_and_has_full_rank(N, M, weights):
    levels = witness(N, M)
    tensor = compose(levels, "max")
    d = np.indices((M,) * N)
    assert (tensor == 1 + (d[::2] != d[1::2]).any(0)).all()
    side = M ** (N // 2)
    assert (matricized(tensor, range(0, N, 2)) == 2 - np.eye(side, dtype=int)).all()
    assert exact_rank(tensor) == side == rank_modulo(matricized(tensor, range(0, N, 2)))
    assert sum(level.size for level in levels) == weights


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from([(2, 2), (4, 2), (4, 3), (6, 2), (6, 3), (8, 2)]))
def test_R2_no_shallow_channel_exceeds_its_bound(data, case):
    N, M = case
    v = data.draw(arrays(int, (1, N, M), elements=st.integers(-9, 9)))
    tensor = compose_shallow(np.array([1]), v, "max")
    matrix = matricized(tensor, range(0, N, 2))
    rows = [tuple(max(v[0, range(0, N, 2), row]) for row in images(N // 2, M))]
    assert exact_rank(tensor) == rank_by_fractions(matrix) <= len({*rows[0]}) <= channel_rank(N, M)


@pytest.mark.parametrize(("N", "M"), [(2, 3), (4, 2), (4, 3), (6, 3), (8, 2), (8, 3)])
def test_R2_the_bound_of_a_channel_is_attained(N, M):
    half = np.zeros((N // 2, M), int)
    half[:, 1:] = 1 + np.arange(N // 2 * (M - 1)).reshape(N // 2, M - 1)  # all different, and 0 for template 0
    v = half.repeat(2, axis=0)[None]  # odd and even patches alike
    tensor = compose_shallow(np.array([1]), v, "max")
    assert exact_rank(tensor) == channel_rank(N, M) == N // 2 * (M - 1) + 1
    Z = channels_needed(N, M)
    assert Z * channel_rank(N, M) >= M ** (N // 2) > (Z - 1) * channel_rank(N, M)


def test_R3_full_rank_survives_small_changes_and_so_does_rank_0():
    generator, levels = np.random.default_rng(0), witness(8, 2)
    for _ in range(50):
        near = [1000 * level + generator.integers(-1, 2, level.shape) for level in levels]
        assert exact_rank(compose(near, "max")) == 16
        negative = [generator.integers(-9, 10, level.shape) for level in levels]
        negative[0] = -np.abs(negative[0]) - 1
        assert not compose(negative, "max").any()


def test_R3_random_weights_give_every_rank_and_products_only_by_coincidence():
    ranks = {pooling: [exact_rank(t) for t in draw_tensors(pooling, 4, 2, draws=300)] for pooling in POOLINGS}
    assert set(ranks["max"]) == {0, 1, 2, 3, 4}
    large = [exact_rank(t) for t in draw_tensors("product", 4, 2, largest_weight=10**6, draws=300)]
    assert set(large) == {4} and min(ranks["product"]) < 4
    large = [exact_rank(t) for t in draw_tensors("max", 4, 2, largest_weight=10**6, draws=300)]
    assert set(large) == {0, 1, 2, 3, 4}


@settings(max_examples=60, deadline=None)
@given(trees())
def test_R4_average_pooling_adds_a_function_of_each_half(levels):
    tensor = compose(levels, "average")
    N, M = tensor.ndim, len(tensor)
    half = matricized(tensor, range(N // 2))
    assert (half == half[:, :1] + half[:1] - half[0, 0]).all()
    assert exact_rank(tensor, "left-right") <= 2
    if N >= 4:
        assert exact_rank(tensor) <= average_rank(N, M)


@pytest.mark.parametrize(("N", "M", "width"), [(4, 2, 4), (4, 3, 8), (8, 2, 12)])
def test_R4_the_bound_across_odd_and_even_is_attained(N, M, width):
    ranks = [exact_rank(tensor) for tensor in draw_tensors("average", N, width, templates=M, draws=10)]
    assert max(ranks) == average_rank(N, M) == 2 * M ** (N // 4) - 1


@settings(max_examples=20, deadline=None)
@given(arrays(int, (3, 4, 2), elements=SMALL), arrays(int, 3, elements=SMALL))
def test_R4_a_shallow_average_has_rank_2_or_less_across_every_cut(v, a):
    tensor = compose_shallow(a, v, "average")
    for count in (1, 2):
        for rows in combinations(range(4), count):
            assert rank_by_fractions(matricized(tensor, rows)) <= 2


@pytest.mark.parametrize(("N", "M"), [(2, 2), (3, 2), (4, 2), (3, 3)])
def test_R5_max_pooling_reproduces_any_tensor(N, M):
    tensor = np.random.default_rng(N).integers(-99, 100, (M,) * N)
    a, v = universal(tensor)
    assert a.shape == (M**N + 1,) and v.shape == (M**N + 1, N, M)
    assert (compose_shallow(a, v, "max") == tensor).all()
    for image in images(N, M):
        assert sum(int(x) * max(0, *w[range(N), image].tolist()) for x, w in zip(a, v)) == tensor[image]


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (
            lambda: compose(witness(2, 2), "min"),
            ConvacError,
            "unknown pooling 'min'; use one of product, max, average",
        ),
        (
            lambda: compose_shallow(np.ones(1, int), np.ones((1, 2, 2), int), "sum"),
            ConvacError,
            "unknown pooling 'sum'; use one of product, max, average",
        ),
        (
            lambda: compose([np.ones((2, 2, 2), int), np.ones((1, 1, 3), int)], "max"),
            ConvacError,
            "level 1 weighs 3 tensors per node and level 0 makes 2; they must agree",
        ),
        (
            lambda: exact_rank(np.ones((2, 2), int), "checkerboard"),
            CutError,
            "unknown cut 'checkerboard' of a row; use one of odd-even, left-right",
        ),
        (
            lambda: witness(6, 2),
            ArchitectureError,
            "windows of two need a row of 2, 4, 8, … patches, not 6; use a power of two",
        ),
        (
            lambda: list(draw_tensors("max", 4, 0)),
            ArchitectureError,
            "width must be an integer of at least 1, not 0",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(ask, kind, sentence):
    with pytest.raises(kind) as refusal:
        ask()
    assert str(refusal.value) == sentence
