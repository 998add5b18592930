"""The explorer of depth, counted: each black square is an entry that is not 0, and the rank is that of the matrix."""

import re
from base64 import b64decode
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible
from PIL import Image

from convac_lib.related.depth import halved
from convac_lib.related.row import RowTree, random_levels, row_rank
from convac_lib.visuals.views.halved import PRIMES, draw_halved, halved_view

STATES = [
    (N, M, r0, p) for N in (2, 4, 8, 16) for M in (2, 3) for r0 in (1, 2, 3, 4) for p in PRIMES if r0 ** (N // 2) <= 256
]


def squares_drawn(svg, shape):
    """Which squares are black, from the pixels of the picture's image."""
    (image,) = svg.iter(f"{SVG}image")
    pixels = Image.open(BytesIO(b64decode(image.get("href").partition(",")[2]))).convert("L")
    rows, columns = shape
    return np.asarray(pixels)[:rows, :columns] < 128


@pytest.mark.parametrize(("N", "M", "r0", "p"), STATES)
def test_the_squares_are_the_entries_and_the_rank_is_the_matrixs(N, M, r0, p):
    view, tree = halved_view(N, M, r0, p), RowTree(N, M, (r0, *[2] * (N.bit_length() - 2)))
    levels = random_levels(tree, seed=0, prime=PRIMES[p])
    entries = halved(levels, PRIMES[p])
    shape = r0 ** (entries.ndim // 2), r0 ** (entries.ndim - entries.ndim // 2)
    assert_legible(draw_halved(entries, view.values["rank"]))  # the scale below has tests of its own
    svg = ElementTree.fromstring(view.picture)
    assert (squares_drawn(svg, shape) == (entries != 0).reshape(shape)).all()
    assert view.values["entries"] == entries.size and view.values["not 0"] == np.count_nonzero(entries)
    assert view.values["numbers"] == sum(level.size for level in levels)
    if M**N <= 2**16:
        assert view.values["rank"] == row_rank(levels, "odd-even", PRIMES[p])
    assert view.values["numbers, shallow"] == view.values["rank"] * (N * M + 1)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert f"rank, odd | even: {view.values['rank']}" in words
    assert {int(each) for each in re.findall(r"(?:Rank|rank) (\d+)", view.reading + view.alt)} == {view.values["rank"]}


def test_all_pictures_have_one_size():
    assert len({re.match(r"<svg[^>]*>", halved_view(*state).picture)[0] for state in STATES}) == 1


LEAF = "48 entries are not 0, and the rank is less, because a leaf matrix has a smaller rank than r₀."


@pytest.mark.parametrize(
    ("state", "rank", "numbers", "own", "more"),
    [
        ((16, 2, 2, "mod 2³¹ − 1"), "256", "8,448", 122, ""),
        (
            (8, 2, 4, "mod 5"),
            "16",
            "272",
            106,
            " 196 entries are not 0, and the rank is less, because r₀ is larger than M = 2.",
        ),
        ((8, 3, 3, "mod 5"), "24", "600", 106, f" {LEAF}"),
        ((8, 2, 2, "mod 5", 2, 39), "12", "204", 58, " Modulo 5, 4 of the 16 entries are 0."),
    ],
)
def test_a_sentence_for_every_case(state, rank, numbers, own, more):
    reading = f"Rank {rank}: a shallow network needs {rank} channels or more, so {numbers} numbers. "
    assert halved_view(*state).reading == reading + f"This deep one has {own}.{more}"


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (
            (8, 2, 1, "mod 2³¹ − 1"),
            "Rank 1: a shallow network needs 1 channel or more, so 17 numbers. This deep one has 34.",
        ),
        ((2, 2, 2, "mod 5"), "Rank 0: these weights make the function 0 on all images of templates."),
    ],
)
def test_a_sentence_for_the_smallest_ranks(state, reading):
    assert halved_view(*state).reading == reading


def test_a_halved_tensor_that_is_too_large_to_draw_has_no_state():
    assert halved_view(16, 2, 3, "mod 5") is None and halved_view(8, 2, 5, "mod 5") is None
