"""Pooling geometry: windows written out, ranks by the engine and by whole tensors, and one sentence for bad input."""

import re
from fractions import Fraction
from itertools import pairwise, product

import numpy as np
import pytest
from helpers.strategies import cuts, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, CutError, HypothesisError
from convac_lib.related.geometry import (
    GEOMETRIES,
    failure_bound,
    geometry_rank,
    line_order,
    patch_order,
    rank_bounds,
    rearranged_cut,
    split_windows,
    windows,
)
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.decompositions import compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import rank_modulo

PICTURES = {  # of 4×4 patches: which are in P
    "left-right": "##.. ##.. ##.. ##..",
    "top-bottom": "#### #### .... ....",
    "interleaved": "#.#. #.#. #.#. #.#.",
    "checkerboard": "#.#. .#.# #.#. .#.#",
    "outer and inner columns": "#..# #..# #..# #..#",
    "diagonal quadrants": "##.. ##.. ..## ..##",
}
LISTED = {
    name: [n for n, letter in enumerate(picture.replace(" ", "")) if letter == "#"]
    for name, picture in PICTURES.items()
}
RANKS = {
    "square": (2, 2, 16, 16, 16, 2),
    "mirror": (16, 16, 16, 16, 2, 16),
    "far": (16, 16, 2, 2, 16, 16),
}
MEMORY = (
    r"the rank of 256×256 entries of an image of 4×4 patches needs about 29,802,325 GiB of memory, "
    r"and [\d,.]+ GiB are free; use at most [\d,]+ channels and templates"
)
geometries = st.sampled_from(sorted(GEOMETRIES))


def leaves(geometry, size):
    """The patches of a tree of windows, from left to right, by the pixels that each window pools, one by one."""

    def partner(line, lines):
        return {"square": line ^ 1, "mirror": lines - 1 - line, "far": (line + lines // 2) % lines}[geometry]

    groups, lines = [[line] for line in range(size)], size
    while lines > 1:
        pairs = []
        for line in range(lines):
            pair = [line, partner(line, lines)]
            if pair[::-1] not in pairs:
                pairs.append(pair)
        groups, lines = [[groups[one], groups[other]] for one, other in pairs], lines // 2

    def walk(rows, columns):
        if not isinstance(rows, list) or len(rows) == 1:
            row, column = (each[0] if isinstance(each, list) else each for each in (rows, columns))
            return [size * row + column]
        return [patch for half in rows for other in columns for patch in walk(half, other)]

    return walk(groups[0], groups[0])


def rank_of_the_whole_tensor(size, M, widths, geometry, cut, seed):
    """The second way: compose the tree over the geometry's own leaves, and cut its modes there."""
    generator, order = np.random.default_rng(seed), leaves(geometry, size)
    channels = [M, *widths]
    levels = [
        np.broadcast_to(
            np.tile(generator.integers(0, DEFAULT_PRIME, (4, above, below)), (len(order) // 4 ** (level + 1), 1, 1)),
            (len(order) // 4**level, above, below),
        )
        for level, (below, above) in enumerate(pairwise(channels))
    ]
    levels.append(generator.integers(0, DEFAULT_PRIME, (1, 1, channels[-1])))
    tensor = compose_hierarchical_tucker(levels, branches=4, prime=DEFAULT_PRIME)[0]
    first = [place for place, patch in enumerate(order) if patch in set(cut)]
    second = [place for place, patch in enumerate(order) if patch not in set(cut)]
    return rank_modulo(tensor.transpose(*first, *second).reshape(M ** len(first), -1))


def test_the_mirror_of_the_authors_code_written_out():
    assert windows("mirror", 4) == [(0, 3, 12, 15), (1, 2, 13, 14), (4, 7, 8, 11), (5, 6, 9, 10)]
    assert windows("square", 4) == [(0, 1, 4, 5), (2, 3, 6, 7), (8, 9, 12, 13), (10, 11, 14, 15)]
    assert windows("far", 4) == [(0, 2, 8, 10), (1, 3, 9, 11), (4, 6, 12, 14), (5, 7, 13, 15)]
    assert line_order("mirror", 8) == [0, 7, 3, 4, 1, 6, 2, 5]  # 0 7 | 1 6 | 2 5 | 3 4, and these in pairs 0 3 | 1 2
    assert line_order("square", 8) == list(range(8))


@given(geometries, st.sampled_from([2, 4, 8, 16]))
def test_a_geometry_is_a_permutation_whose_blocks_are_its_windows(geometry, size):
    order = patch_order(geometry, size)
    assert sorted(order.ravel()) == list(range(size**2))
    half = size // 2
    expected = {
        frozenset(size * r + c for r, c in product(rows, columns))
        for rows, columns in product(
            [
                {"square": (2 * i, 2 * i + 1), "mirror": (i, size - 1 - i), "far": (i, i + half)}[geometry]
                for i in range(half)
            ],
            repeat=2,
        )
    }
    assert {frozenset(window) for window in windows(geometry, size)} == expected


@given(geometries, cuts(4))
def test_a_cut_moves_with_its_patches(geometry, cut):
    moved, order = rearranged_cut(cut, geometry, 4), patch_order(geometry, 4).ravel()
    assert {int(order[place]) for place in moved.rows} == cut
    assert split_windows(cut, geometry, 4) == [
        place for place, window in enumerate(windows(geometry, 4)) if set(window) & cut and set(window) - cut
    ]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_the_table_of_the_chapter(geometry):
    assert LISTED["left-right"] == list(make_cut("left-right", 4).rows)
    assert LISTED["checkerboard"] == list(make_cut("checkerboard", 4).rows)
    found = []
    for cut in LISTED.values():
        rank = geometry_rank(baseline(2, 4), cut, geometry)
        assert rank == rank_of_the_whole_tensor(4, 2, (2, 2), geometry, cut, seed=1)
        assert rank == rank_bounds(baseline(2, 4), cut, geometry)[1]
        found.append(rank)
    assert tuple(found) == RANKS[geometry]


@settings(max_examples=40)
@given(geometries, cuts(4), st.integers(1, 3), st.integers(1, 3), seeds)
def test_both_ways_give_one_rank_between_the_bounds(geometry, cut, C1, C2, seed):
    plan = Architecture(4, 2, (Layer(2, 2, C1), Layer(2, 2, C2)))
    rank = geometry_rank(plan, cut, geometry, seed=seed)
    assert rank == rank_of_the_whole_tensor(4, 2, (C1, C2), geometry, cut, seed)
    lower, upper = rank_bounds(plan, cut, geometry)
    assert lower <= rank <= upper
    assert lower == min(C1, 2) ** len(split_windows(cut, geometry, 4))


@given(geometries, cuts(4), st.sampled_from([3, 5]), seeds)
def test_no_weights_pass_the_upper_bound(geometry, cut, prime, seed):
    plan = baseline(2, 4)
    assert geometry_rank(plan, cut, geometry, seed=seed, prime=prime) <= rank_bounds(plan, cut, geometry)[1]


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_wider_layers_reach_the_whole_matrix(geometry):
    plan = baseline(2, 4, channels=4)
    ranks = [geometry_rank(plan, cut, geometry) for cut in LISTED.values()]
    assert ranks == [{2: 4, 16: 256}[rank] for rank in RANKS[geometry]]


def test_the_witness_of_the_proof_has_the_rank():
    M, tensor = 2, 1
    window = sum(prod_of([np.eye(M, dtype=int)[a]] * 4) for a in range(M))
    for _ in range(4):
        tensor = np.multiply.outer(tensor, window)
    first, second = range(0, 16, 2), range(1, 16, 2)  # two leaves of each window on either side
    assert rank_modulo(tensor.transpose(*first, *second).reshape(256, 256)) == M**4


def prod_of(vectors):
    product_of_all = np.array(1)
    for vector in vectors:
        product_of_all = np.multiply.outer(product_of_all, vector)
    return product_of_all


def test_the_bound_of_the_probability_counts_the_weights_of_one_entry():
    assert failure_bound(baseline(2, 4), "left-right", "mirror", DEFAULT_PRIME) == Fraction(21 * 16, DEFAULT_PRIME)
    assert failure_bound(baseline(3, 2), [0], "square", 101) == Fraction((4 + 1) * 3, 101)
    assert failure_bound(baseline(2, 8), "left-right", "square", 103) == Fraction(64 + 16 + 4 + 1, 103)


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (
            lambda: windows("round", 4),
            ConvacError,
            "unknown geometry 'round'; use one of square, mirror, far",
        ),
        (
            lambda: windows("square", 6),
            ArchitectureError,
            "size 6 is no power of two of at least 2: pooling by windows of 2×2 must end in one; use 4 or 8",
        ),
        (
            lambda: windows("square", 1),
            ArchitectureError,
            "size 1 is no power of two of at least 2: pooling by windows of 2×2 must end in one; use 2",
        ),
        (
            lambda: split_windows(range(16), "mirror", 4),
            CutError,
            "a cut needs patches on both sides, and this one has 16 of 16 on the first; move one of them",
        ),
        (
            lambda: rearranged_cut([16], "mirror", 4),
            CutError,
            "patch 16 is not in a 4×4 image; use numbers from 0 to 15",
        ),
        (
            lambda: failure_bound(baseline(2, 4), "left-right", "mirror", 331),
            HypothesisError,
            "the minor has degree 336, so Schwartz–Zippel says nothing modulo 331; use a prime above 336",
        ),
        (
            lambda: rank_bounds(Architecture(4, 2, (Layer(3, 2, 2), Layer(2, 2, 2))), "left-right", "mirror"),
            HypothesisError,
            "a geometry needs layers with weights, of 2×2 windows and stride 2, and layer 1 is another; use baseline",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence and type(caught.value) is kind


def test_widths_beyond_the_memory_are_refused_before_they_are_drawn():
    with pytest.raises(BudgetError) as caught:
        geometry_rank(baseline(2, 4, channels=10**7), "left-right", "mirror")
    assert re.fullmatch(MEMORY, str(caught.value))
