"""Tensors, cuts and decompositions against plain loops, sums written out, and networks with the same numbers."""

from itertools import product

import numpy as np
import pytest
from helpers.strategies import cuts
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Circuit, baseline, grid_tensor, make_cut, matricize
from convac_lib.errors import ConvacError, CutError
from convac_lib.theory.decompositions import compose_cp, compose_hierarchical_tucker
from convac_lib.theory.tensors import assignments


@st.composite
def sizes_and_cuts(draw):
    size = draw(st.integers(2, 3))
    return size, draw(cuts(size))


# --- cuts and matricization ---


@pytest.mark.parametrize("size", [2, 4, 6, 8])
def test_named_cuts_are_what_they_draw(size):
    image = np.arange(size**2).reshape(size, size)
    checkered = [image[row, column] for row in range(size) for column in range(row % 2, size, 2)]
    drawings = {
        "left-right": image[:, : size // 2],
        "top-bottom": image[: size // 2],
        "interleaved": image[:, ::2],
        "checkerboard": np.array(checkered),
    }
    for name, drawing in drawings.items():
        cut = make_cut(name, size)
        assert (cut.name, cut.rows) == (name, tuple(drawing.ravel()))
        assert len(cut.rows) == len(cut.columns) and sorted(cut.rows + cut.columns) == list(range(size**2))


@given(sizes_and_cuts())
def test_an_explicit_cut_is_the_patches_and_the_others(size_and_patches):
    size, patches = size_and_patches
    cut = make_cut(patches, size)
    assert list(cut.rows) == sorted(patches)
    assert list(cut.columns) == [patch for patch in range(size**2) if patch not in patches]
    assert make_cut(cut, size) == cut == make_cut(np.array(cut.rows[::-1] * 2), size)
    assert cut.name == ",".join(str(patch) for patch in sorted(patches))


@given(sizes_and_cuts(), st.integers(1, 2))
def test_matricize_puts_every_entry_where_two_loops_put_it(size_and_patches, M):
    size, patches = size_and_patches
    tensor = np.arange(M**size**2).reshape((M,) * size**2)  # all entries differ
    cut = make_cut(patches, size)
    matrix = matricize(tensor, cut)
    for row, on_rows in enumerate(product(range(M), repeat=len(cut.rows))):
        for column, on_columns in enumerate(product(range(M), repeat=len(cut.columns))):
            digits = dict(zip(cut.rows, on_rows)) | dict(zip(cut.columns, on_columns))
            assert matrix[row, column] == tensor[tuple(digits[patch] for patch in range(size**2))]
    assert matrix.shape == (M ** len(cut.rows), M ** len(cut.columns))


@pytest.mark.parametrize(("M", "patches"), [(1, 3), (1, 100), (2, 1), (2, 5), (3, 4), (300, 2)])
def test_assignments_count_in_base_M(M, patches):
    listed = list(product(range(M), repeat=patches))
    assert assignments(M, patches).tolist() == list(map(list, listed))
    stop = min(5, len(listed))
    assert assignments(M, patches, start=1, stop=stop).tolist() == list(map(list, listed[1:stop]))


# --- grid tensors ---


def test_a_grid_tensor_holds_the_function_at_every_combination_of_templates():
    templates = np.array([[1, 2], [3, 5], [-7, 4]])
    values = grid_tensor(lambda images: images[:, 0, 0] ** 2 - images[:, 1, 1] * images[:, 2, 0], templates, patches=3)
    for d in product(range(3), repeat=3):
        assert values[d] == templates[d[0], 0] ** 2 - templates[d[1], 1] * templates[d[2], 0]


def test_a_grid_tensor_of_several_batches_stays_in_order():
    in_base_2 = grid_tensor(lambda images: images[:, :, 0] @ 2 ** np.arange(17)[::-1], np.array([[0], [1]]), patches=17)
    assert np.array_equal(in_base_2.ravel(), np.arange(2**17))


# --- bad input ---


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: make_cut("diagonal", 4),
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches "
          "of one side")),
        (lambda: make_cut(3, 4),
         ("unknown cut 3; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches of one "
         "side")),
        (lambda: make_cut("left-right", 5),
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 5; "
          "use 6, or list the patches of one side")),
        (lambda: make_cut("top-bottom", 3),
         ("the cut 'top-bottom' needs an even size to make two equal halves, and the size is 3; "
          "use 4, or list the patches of one side")),
        (lambda: make_cut([0, 16], 4), "patch 16 is not in a 4×4 image; use numbers from 0 to 15"),
        (lambda: make_cut([-1], 4), "patch -1 is not in a 4×4 image; use numbers from 0 to 15"),
        (lambda: make_cut([0.5], 4), "patch 0.5 is not in a 4×4 image; use numbers from 0 to 15"),
        (lambda: make_cut([], 2),
         "a cut needs patches on both sides, and this one has 0 of 4 on the first; move one of them"),
        (lambda: make_cut(range(4), 2),
         "a cut needs patches on both sides, and this one has 4 of 4 on the first; move one of them"),
        (lambda: make_cut(make_cut("left-right", 2), 4),
         "the cut 'left-right' is of 4 patches and a 4×4 image has 16; make a cut of this size"),
        (lambda: matricize(np.zeros((2, 2)), make_cut("left-right", 2)),
         "the cut is of 4 patches and the tensor has 2 modes; they must agree"),
    ],
)  # fmt: skip
def test_a_cut_that_does_not_fit_gets_one_sentence(make, sentence):
    with pytest.raises(CutError) as error:
        make()
    assert str(error.value) == sentence


TOO_LARGE = (
    "a tensor with 2^27 entries is too large to write out: the limit is 67,108,864; "
    "use a smaller M or N, or sample its matricization with certify_rank"
)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: grid_tensor(np.sum, np.eye(2), 27), TOO_LARGE),
        (lambda: compose_cp(np.ones(1), np.ones((1, 27, 2))), TOO_LARGE),
        (lambda: compose_hierarchical_tucker([np.ones((27, 1, 2))]), TOO_LARGE),
        (lambda: compose_cp(np.ones(2), np.ones((3, 4, 2))), "3 terms need coefficients of shape (3,), not (2,)"),
        (lambda: compose_hierarchical_tucker([np.ones((4, 3, 2)), np.ones((1, 1, 3))]),
         "level 1 has 1 nodes over 4 below it: with 2 branches it needs 2"),
        (lambda: compose_hierarchical_tucker([np.ones((2, 3, 2)), np.ones((1, 1, 2))]),
         "level 1 weighs 2 tensors per node and level 0 makes 3; they must agree"),
        (lambda: compose_hierarchical_tucker([np.ones((4, 3, 2)), np.ones((2, 1, 3))]),
         "the last level has 2 nodes and needs exactly 1, the root"),
        (lambda: compose_cp(np.ones(3), np.ones((3, 4, 2)), prime=7),
         "the array must hold integers to be taken modulo 7, not float64"),
    ],
)  # fmt: skip
def test_numbers_that_make_no_tensor_get_one_sentence(make, sentence):
    with pytest.raises(ConvacError) as error:
        make()
    assert str(error.value) == sentence


def test_the_largest_tensor_is_not_refused_by_its_size(monkeypatch):
    monkeypatch.setattr("convac_lib.theory.tensors.LARGEST_TENSOR", 16)
    assert grid_tensor(lambda images: images[:, 0, 0], np.eye(2), 4).size == 16
    with pytest.raises(ConvacError):
        Circuit(baseline(3, 2), [np.ones((3, 3, 2, 2))], np.ones((1, 3))).grid_tensor()
