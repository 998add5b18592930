"""The picture of U·Vᵀ: shades are read back as numbers, which multiply and add up."""

from itertools import product

import numpy as np
import pytest
from flint import fmpz_mat
from helpers.pictures import SVG, assert_legible, words_of

from convac_lib.errors import ConvacError
from convac_lib.visuals.views.low_rank import LARGEST, draw_factors, factors_view, power_factors

SIZES = [(M, rank) for M in range(1, LARGEST + 1) for rank in range(1, M + 1)]


@pytest.mark.parametrize(("M", "rank"), SIZES)
def test_the_factors_make_a_power_of_the_sum(M, rank):
    U, V = power_factors(M, rank)
    assert U.shape == V.shape == (M, rank)
    table = [[(d1 + d2) ** (rank - 1) for d2 in range(M)] for d1 in range(M)]
    assert (U @ V.T).tolist() == table and fmpz_mat(table).rank() == rank


def shades(group):
    """The shades of a block of cells, by row and column."""
    found = {}
    for path in group:
        if path.get("fill-opacity"):
            for cell in path.get("d").split("z")[:-1]:
                column, row = map(int, cell[1:].split("h")[0].split())
                found[row, column] = float(path.get("fill-opacity"))
    height, width = (1 + max(place[axis] for place in found) for axis in (0, 1))
    return np.array([[found[row, column] for column in range(width)] for row in range(height)])


@pytest.mark.parametrize("M", range(2, 9))
def test_shades_of_rank_2_are_the_numbers(M):
    """Of rank 2 a shade is a number divided by the largest, so that the picture can be added up."""
    A, U, V, *pieces = (shades(group) for group in assert_legible(draw_factors(M, 2)).iter(f"{SVG}g"))
    largest = 2 * (M - 1)
    A = np.rint(A * largest)
    assert (A == np.add.outer(range(M), range(M))).all()
    U, V = (np.rint(factor * (M - 1)) for factor in (U, V))
    assert (U @ V == A).all()
    products = [np.rint(piece * largest) for piece in pieces[2::3]]
    assert len(products) == 2 and (sum(products) == A).all()
    for column, row, piece in zip(pieces[::3], pieces[1::3], products):
        assert (np.rint(column * (M - 1)) @ np.rint(row * (M - 1)) == piece).all()


@pytest.mark.parametrize(("M", "rank"), [(M, rank) for M, rank in SIZES if M % 3 == 0 or M == rank or rank < 3])
def test_every_picture_is_legible_and_has_all_pieces(M, rank):
    view = factors_view(M, rank)
    blocks = [shades(group).shape for group in assert_legible(view.picture).iter(f"{SVG}g")]
    assert blocks == [(M, M), (M, rank), (rank, M)] + [(M, 1), (1, M), (M, M)] * rank
    drawn = [height * width for height, width in blocks]
    assert view.values == {"table": drawn[0], "factors": drawn[1] + drawn[2]}
    assert {f"{drawn[0]} numbers", f"2·{M}·{rank} = {drawn[1] + drawn[2]} numbers"} <= set(words_of(view.picture))
    compared = "fewer than" if 2 * rank < M else "more than" if 2 * rank > M else "as many as"
    assert f"{drawn[1] + drawn[2]} numbers, {compared} the table's {drawn[0]}." in view.reading


def test_no_table_has_a_rank_above_its_side():
    assert factors_view(3, 4) is None


@pytest.mark.parametrize(
    ("M", "rank", "sentence"),
    [
        (3, 4, "a table of 3×3 numbers has no rank above 3, and 4 was asked for; use rank 3"),
        (13, 2, "the cells of 13 templates are too small to be seen; use at most 12"),
        (3, 0, "rank must be an integer of at least 1, not 0"),
    ],
)
def test_bad_input_is_one_sentence(M, rank, sentence):
    with pytest.raises(ConvacError) as error:
        draw_factors(M, rank)
    assert str(error.value) == sentence


def test_darker_is_larger():
    for M, rank in product((5, 8), (3, 4)):
        A = shades(next(assert_legible(draw_factors(M, rank)).iter(f"{SVG}g")))
        assert (np.diff(A, axis=0) > 0).all() and (np.diff(A, axis=1) > 0).all()
