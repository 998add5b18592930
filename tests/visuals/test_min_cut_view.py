"""The explorer of the cheapest cut: the blue squares separate the two sides, and their prices make the bound."""

from itertools import product
from math import prod

import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths, seen_from, words_of

from convac_lib import certify_rank, make_cut
from convac_lib.families import place_overlap
from convac_lib.theory.min_cut import find_cut, min_cut_upper
from convac_lib.visuals.style import BOUND_COLOUR, INK
from convac_lib.visuals.svg import readable
from convac_lib.visuals.views.min_cut import CELL, GRIDS, GRIDS_TOP, draw_cut, min_cut_view

SMALL = list(product((1, 2, 3), (1, 2), (2, 3), (2,), (1, 2, 3)))
STATES = [*SMALL, *product((1, 2, 3), (2,), (2,), (4,), (1, 2)), (2, 2, 3, 4, 2)]


def cut_of(left):
    return make_cut([row * 4 + column for row in range(4) for column in range(left)], 4)


def squares_of(path):
    """The (layer, row, column) of every square in a path; 0 is the image."""
    found = set()
    corners = numbers_in(path.get("d"))
    for x, y, *_ in zip(*[iter(corners)] * 5):
        ((number, left, count),) = (
            (number, left, count) for number, (left, count) in enumerate(GRIDS) if left <= x < left + count * CELL
        )
        found.add((number, round((y - GRIDS_TOP - CELL * (4 - count) / 2) / CELL), round((x - left) / CELL)))
    return found


def grids_of(state):
    """The picture of the network, which is the upper part of the view's."""
    B1, B2, C, M, left = state
    network, cut = place_overlap(B1, B2, C, M=M), cut_of(left)
    return assert_legible(draw_cut(find_cut(network, cut), network, cut))


def drawn_cut(svg):
    """The squares in the cut with their prices, and those with an inner outline."""
    bought = set().union(*map(squares_of, paths(svg, fill=BOUND_COLOUR)))
    centres = {}
    for text in svg.iter(f"{SVG}text"):
        if text.get("fill") == "#FFFFFF":
            centres[float(text.get("x")), float(text.get("y"))] = int(text.text)
    prices = {}
    for number, row, column in bought:
        left, count = GRIDS[number]
        place = left + CELL * (column + 0.5), GRIDS_TOP + CELL * (4 - count) / 2 + CELL * row + 26
        (prices[number, row, column],) = (
            price for (x, y), price in centres.items() if abs(x - place[0]) < 0.1 and abs(y - place[1]) < 0.1
        )
    return prices, len(paths(svg, stroke="#FFFFFF"))


@pytest.mark.parametrize("state", STATES)
def test_the_prices_multiply_to_the_bound(state):
    B1, B2, C, M, left = state
    view, network, cut = min_cut_view(*state), place_overlap(B1, B2, C, M=M), cut_of(left)
    svg = grids_of(state)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert words_of(view.picture)[: len(words)] == words
    prices, repeated = drawn_cut(svg)
    assert prod(prices.values()) == view.values["bound"] == min_cut_upper(network, cut).value
    assert {price for (number, *_), price in prices.items() if number == 0} <= {M}
    assert view.values["patches cut"] == sum(number == 0 for number, *_ in prices)
    assert view.values["units cut"] == sum(number > 0 for number, *_ in prices)
    assert repeated == sum(price > C for (number, *_), price in prices.items() if number)
    copies = {1: C, 2: C * (C + 1) // 2, 4: C * (C + 1) * (C + 2) * (C + 3) // 24}
    assert {price for (number, *_), price in prices.items() if number} <= set(copies.values())
    without = min_cut_upper(place_overlap(1, 1, C, M=M), cut).value
    assert view.values["without overlap, at most"] == without
    assert f"bound {readable(view.values['bound'])}" in words_of(view.picture)
    assert view.values["of at most"] == M ** min(4 * left, 16 - 4 * left)


@pytest.mark.parametrize("state", STATES)
def test_the_tinted_units_see_both_sides(state):
    B1, B2, C, M, left = state
    network, svg = place_overlap(B1, B2, C, M=M), grids_of(state)
    tinted = set().union(*map(squares_of, (path for path in paths(svg, fill=INK, fill_opacity=".13") if path.get("d"))))
    both = set()
    for number, size in enumerate(network.sizes, start=1):
        for row, column in product(range(size), repeat=2):
            sides = {c < left for _, c in seen_from(network, number, row, column)}
            both |= {(number, row, column)} if len(sides) == 2 else set()
    assert tinted == both
    (border,) = (line for line in svg.iter(f"{SVG}line") if line.get("stroke") == INK)
    assert (float(border.get("x1")) - 1) / CELL == left


@pytest.mark.parametrize("state", SMALL)
def test_bound_and_rank_meet_for_two_templates(state):
    B1, B2, C, M, left = state
    view = min_cut_view(*state)
    rank = certify_rank(place_overlap(B1, B2, C, M=M), cut_of(left), seed=1).rank
    assert view.values["rank"] == view.values["bound"] == rank
    assert view.reading.endswith(f"The rank is {rank:,}, the same.")
    assert f"the bound {rank:,} and the rank {rank:,}" in view.alt


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        ((1, 1, 2, 2, 2), "The cheapest cut: 1 unit at 2 costs 2. The rank is 2, the same."),
        (
            (2, 2, 2, 4, 2),
            "The cheapest cut: 4 units at 2 and 2 units at 3 make 144. The rank is 144, the same.",
        ),
        (
            (2, 2, 4, 4, 2),
            (
                "The cheapest cut: 4 patches at 4 and 2 units at 4 make 4,096. "
                "The rank is at least 1,024, by a sample of 1,024 rows."
            ),
        ),
        ((2, 2, 2, 2, 3), "The cheapest cut: 4 patches at 2 make 16. The rank is 16, the same."),
    ],
)
def test_a_sentence_per_state(state, reading):
    assert min_cut_view(*state).reading == reading


@pytest.mark.parametrize("left", [0, 4])
def test_there_is_no_border_outside_of_the_image(left):
    assert min_cut_view(2, 2, 2, 2, left) is None
