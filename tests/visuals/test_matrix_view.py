"""The explorer of a whole matrix: its pixels are read back, and compared with flint's ranks and the theory."""

import io
import re
from base64 import b64decode
from fractions import Fraction
from itertools import pairwise
from math import atan2, inf, tau

import numpy as np
import pytest
from flint import nmod_mat
from helpers.pictures import SVG, assert_legible, words_of
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convac_lib.families import common_case
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.integer_matrices import integer_matricization, integer_weights
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.views.matrix import BANDS, PIECES, by_angle, matrix_view, sign_changes

PRIME = 2**31 - 1


def panels(view):
    """Which pixels of the two images are coloured, and the colour of the second one."""
    svg = assert_legible(view.picture)
    images = []
    for image in svg.iter(f"{SVG}image"):
        png = Image.open(io.BytesIO(b64decode(image.get("href").partition(",")[2])))
        images.append(np.asarray(png.convert("RGB")))
    signs, left = ((image != 255).any(axis=2) for image in images)
    inks = {tuple(map(int, pixel)) for pixel in images[1][left]}
    return signs, left, inks


def integers(B, C=2, seed=BANDS):
    network = common_case(B, 2, 4, C)
    return integer_matricization(network, *integer_weights(network, seed), make_cut("left-right", 4))


def sorted_by_hand(matrix):
    """The matrix with rows and columns sorted by angle, where rows and columns 0, j decide; j is the next pivot."""

    def pivots(vectors):  # the first of them, and the first that is no multiple of it
        first = vectors[0]
        return [0, next(k for k, vector in enumerate(vectors) if (first[0] * vector != vector[0] * first).any())]

    rows, columns = pivots(matrix), pivots(matrix.T)

    def turned(points):
        def place(at):
            x, y = map(int, points[at])
            lower = y < 0 or (y == 0 and x < 0)
            return lower, Fraction(-x, y) if y else -inf  # in either half of the plane, −x/y grows with the angle

        return sorted(range(len(points)), key=place)

    return turned(matrix[:, columns]), turned(matrix[rows].T)


@pytest.mark.parametrize(("B", "rank"), [(1, 2), (2, 64), (3, 256)])
def test_the_picture_is_the_matrix_and_what_is_left_of_it(B, rank):
    matrix = integers(B)
    assert certify_rank(common_case(B, 2, 4)).rank == rank  # of other weights: the rank of almost all
    previous = None
    for pieces in PIECES:
        view = matrix_view(B, pieces)
        signs, left, inks = panels(view)
        used = min(pieces, rank)
        assert view.values["rank"] == rank and view.values["rank left"] == rank - used
        assert view.values["entries left"] == left.sum() and left.any() == (used < rank)
        assert inks <= {tuple(bytes.fromhex(colour_of(B)[1:]))}
        assert previous is None or (signs == previous).all()
        assert (~left.any(axis=1)).sum() >= used and (~left.any(axis=0)).sum() >= used
        assert "nothing left" in words_of(view.picture) or f"rank {rank - used} left" in words_of(view.picture)
        assert f"{left.sum() / 65_536:.0%} of the entries" in view.alt or not left.any()
        assert len(view.picture) < 25_000
        previous = signs
    down, across = sorted_by_hand(matrix)
    assert (signs == (matrix[np.ix_(down, across)] > 0)).all()


@pytest.mark.parametrize("pieces", [1, 2, 32, 63])
def test_what_is_left_has_the_rank_that_is_left(pieces):
    """The entries left are those of a Schur complement, by flint's inverse; it begins with the sorted first row."""
    matrix = integers(2)
    down, across = sorted_by_hand(matrix)
    residues = (matrix[np.ix_(down, across)] % PRIME).astype(np.int64)
    _, left, _ = panels(matrix_view(2, pieces))
    rows = [row for row in range(256) if not left[row].any()]
    columns = [column for column in range(256) if not left[:, column].any()]

    def part(block):
        return nmod_mat(*block.shape, block.ravel().tolist(), PRIME)

    # all rows that are 0 depend on the pivots among them, and so do the columns
    assert part(residues[rows]).rank() == part(residues[:, columns]).rank() == pieces
    assert part(residues[np.ix_(rows, columns)]).rank() == pieces


@pytest.mark.parametrize("seed", range(6))
def test_signs_of_a_matrix_of_rank_2_change_twice_around_the_circle(seed):
    """Entry ⟨x_r, y_c⟩ has the sign of a cosine, so in a row sorted by angle the positive ones are neighbours."""
    signs, *_ = panels(matrix_view(1, 0, seed=seed))
    for lines in (signs, signs.T):
        assert max((line != np.roll(line, 1)).sum() for line in lines) <= 2
    rich, *_ = panels(matrix_view(2, 0, seed=seed))
    assert max((line != np.roll(line, 1)).sum() for line in rich) > 20


def test_the_share_of_changes_is_counted():
    for B in (1, 2, 3):
        view = matrix_view(B, 0)
        signs, *_ = panels(view)
        counted = sum(a != b for line in signs.tolist() for a, b in pairwise(line)) / (256 * 255)
        assert view.values["neighbours of different sign"] == f"{counted:.0%}" in view.alt
        assert sign_changes(signs) == pytest.approx(counted)


def test_one_channel_is_one_piece():
    view = matrix_view(1, 4, C=1)
    assert view.reading == "B = 1: 1 piece of rank 1 makes up all 65,536 entries, so the rank is 1."


@pytest.mark.parametrize(
    ("pieces", "sentence"),
    [
        (0, "B = 2: 65,536 entries. How many pieces of rank 1 must be subtracted until nothing is left?"),
        (63, r"B = 2: after 63 pieces of rank 1, 1,488 of 65,536 .* 1 more is needed, since the rank is 64."),
        (256, "B = 2: 64 pieces of rank 1 make up all 65,536 entries, so the rank is 64."),
    ],
)
def test_the_reading(pieces, sentence):
    assert re.fullmatch(sentence.replace("?", r"\?"), matrix_view(2, pieces).reading)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=1, max_size=12))
def test_points_are_sorted_by_angle(points):
    order = by_angle(np.array(points, object))
    assert sorted(order) == list(range(len(points)))
    angles = [atan2(points[at][1], points[at][0]) % tau for at in order if any(points[at])]
    assert angles == sorted(angles) and not any(any(points[at]) for at in order[len(angles) :])
