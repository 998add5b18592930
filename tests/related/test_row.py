"""A row of patches: its tensor against its sums written out, its cuts, and one sentence for what makes no tree."""

from itertools import product

import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, CutError
from convac_lib.related.row import RowTree, compose_row, random_levels, row_cut, row_matrix, row_rank


@st.composite
def trees(draw, most=8, largest_M=3, widest=4):
    """A tree whose tensor has at most 6,561 entries."""
    depth = draw(st.integers(1, most.bit_length() - 1))
    M = draw(st.integers(1, largest_M if depth < 3 else 2))
    widths = draw(st.lists(st.integers(1, widest), min_size=depth, max_size=depth))
    return RowTree(2**depth, M, widths, shared=draw(st.booleans()))


@given(trees(), seeds)
def test_the_parameters_are_the_numbers_that_are_drawn(tree, seed):
    levels = random_levels(tree, seed=seed)
    assert [level.shape for level in levels] == tree.shapes
    stored = [level[:1] if tree.shared else level for level in levels]
    assert tree.parameters == sum(level.size for level in stored)
    assert all((level == kept).all() for level, kept in zip(levels, stored))


@given(seeds, st.sampled_from([2, 7, 2**31 - 1]), st.booleans())
def test_the_tensor_of_four_patches_is_its_sum(seed, prime, shared):
    levels = random_levels(RowTree(4, 2, (2, 3), shared), seed=seed, prime=prime)
    a0, a1, a2 = (level.astype(object) for level in levels)
    tensor = compose_row(levels, prime)
    for d in product(range(2), repeat=4):
        pairs = [
            [
                sum(a1[j, g, a] * a0[2 * j, a, d[2 * j]] * a0[2 * j + 1, a, d[2 * j + 1]] for a in range(2))
                for g in range(3)
            ]
            for j in range(2)
        ]
        assert tensor[d] == sum(a2[0, 0, g] * pairs[0][g] * pairs[1][g] for g in range(3)) % prime


@given(st.integers(2, 6), st.data())
def test_the_matrix_holds_every_entry_once_where_the_cut_puts_it(patches, data):
    first = data.draw(st.sets(st.integers(0, patches - 1), min_size=1, max_size=patches - 1))
    tensor = np.arange(2**patches).reshape((2,) * patches)
    matrix = row_matrix(tensor, first)
    second = [patch for patch in range(patches) if patch not in first]
    for d in product(range(2), repeat=patches):
        row = int("".join(str(d[patch]) for patch in sorted(first)), 2)
        column = int("".join(str(d[patch]) for patch in second), 2)
        assert matrix[row, column] == tensor[d]


def test_the_named_cuts_are_the_lists_that_they_stand_for():
    assert row_cut("odd-even", 8) == row_cut([6, 4, 2, 0], 8) == (0, 2, 4, 6)
    assert row_cut("left-right", 8) == row_cut(range(4), 8) == (0, 1, 2, 3)


def test_shared_weights_are_drawn_once_and_real_ones_are_normal():
    levels = random_levels(RowTree(64, 4, (4,) * 6, shared=True), seed=0)
    assert all(len(np.unique(level, axis=0)) == 1 for level in levels)
    (leaves, *_) = random_levels(RowTree(64, 32, (32,) * 6), seed=0, prime=None)
    assert abs(leaves.mean()) < 0.02 and abs(leaves.std() - 1) < 0.02


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: RowTree(6, 2, (2, 2)), ArchitectureError,
         "6 patches are no power of two of at least 2: windows of two must end in one window; use 4 or 8"),
        (lambda: RowTree(1, 2, ()), ArchitectureError,
         "1 patches are no power of two of at least 2: windows of two must end in one window; use 2"),
        (lambda: RowTree(8, 2, (2, 2)), ArchitectureError,
         "a row of 8 patches has 3 levels of windows, and each needs a width; 2 were given"),
        (lambda: RowTree(8, 2, (2, 0, 2)), ArchitectureError, "width must be an integer of at least 1, not 0"),
        (lambda: RowTree(8, 0, (2, 2, 2)), ArchitectureError,
         "representation channels must be an integer of at least 1, not 0"),
        (lambda: RowTree(8.0, 2, (2, 2, 2)), ArchitectureError, "patches must be an integer of at least 1, not 8.0"),
        (lambda: row_cut("halves", 8), CutError,
         "unknown cut 'halves' of a row; use one of left-right, odd-even, or list the patches of one side"),
        (lambda: row_cut([0, 1, 1], 8), CutError,
         "a cut puts every patch on one side, and patch 1 is listed twice; list it once"),
        (lambda: row_cut([0, 8], 8), CutError, "patch 8 is not in a row of 8 patches; use numbers from 0 to 7"),
        (lambda: row_cut([0.5], 8), CutError, "patch 0.5 is not in a row of 8 patches; use numbers from 0 to 7"),
        (lambda: row_cut([], 8), CutError,
         "a cut needs patches on both sides, and this one has 0 of 8 on the first; move one of them"),
        (lambda: row_cut(range(8), 8), CutError,
         "a cut needs patches on both sides, and this one has 8 of 8 on the first; move one of them"),
        (lambda: random_levels(RowTree(4, 2, (2, 2)), seed=0, prime=9), ConvacError,
         "9 is not a prime below 2**63; use for example 2147483647"),
        (lambda: random_levels(RowTree(4, 2, (2, 2)), seed=-1), ConvacError,
         "seed must be an integer of at least 0, not -1"),
        (lambda: row_rank(random_levels(RowTree(16, 5, (1,) * 4), seed=0), "odd-even"), ConvacError,
         ("a tensor with 5^16 entries is too large to write out: the limit is 67,108,864; use a smaller M or N, or "
         "sample its matricization with certify_rank")),
    ],
)  # fmt: skip
def test_what_makes_no_tree_or_no_cut_gets_one_sentence(make, kind, sentence):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == sentence


def test_widths_that_do_not_fit_into_memory_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 2**30)
    with pytest.raises(BudgetError) as error:
        random_levels(RowTree(8, 2, (10**6, 10**6, 2)), seed=0)
    assert str(error.value) == (
        "drawing the weights of this tree needs about 59,605 GiB of memory, and 1.0 GiB are free; use smaller widths "
        "or fewer patches"
    )
    wide = random_levels(RowTree(16, 2, (1, 1, 1, 10_000)), seed=0)
    with pytest.raises(BudgetError) as error:
        row_rank(wide, "odd-even")
    assert str(error.value) == (
        "writing out this tree's tensor needs about 9.8 GiB of memory, and 1.0 GiB are free; use smaller widths, a "
        "smaller M or fewer patches"
    )
