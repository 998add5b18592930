"""The explorer of pooling geometries: what it marks and says is what the library finds."""

import re
from itertools import product

import pytest
from helpers.pictures import SVG, assert_legible, paths

from convac_lib import baseline
from convac_lib.exercises.pooling_geometry import SIX
from convac_lib.related.geometry import GEOMETRIES, rank_bounds, split_windows, windows
from convac_lib.visuals.style import BOUND_COLOUR, INK
from convac_lib.visuals.views.geometry import NAMED, geometry_view, number_of, patches_of

ALMOST = ", so almost all weights have a rank of at least "
STATES = list(product(GEOMETRIES, sorted({*range(1, 64, 7), *(number_of(*cut) for cut in NAMED.values())}), (4, 8)))


def boxes(path):
    return [tuple(map(float, box)) for box in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", path.get("d"))]


@pytest.mark.parametrize(("geometry", "cut", "size"), STATES)
def test_the_picture_shows_the_cut_and_frames_the_split_windows(geometry, cut, size):
    view = geometry_view(geometry, cut, 2, size=size)
    svg = assert_legible(view.picture)
    (blue,), (dark,) = paths(svg, stroke=BOUND_COLOUR), paths(svg, fill=INK)
    first = set(patches_of(cut, size))
    drawn = sorted((y, x) for x, y, _, _ in boxes(dark) if x < 330)
    side = 232 / size
    assert {round((y - 33) / side) * size + round((x - 92) / side) for y, x in drawn} == first
    assert len([box for box in boxes(dark) if box[0] > 330]) == len(first)
    framed = [box for box in boxes(blue) if box[0] > 330]
    split = split_windows(first, geometry, size)
    assert len(framed) == len(split) == view.values["split"]
    assert len(boxes(blue)) == len(split) + 6
    lower, upper = rank_bounds(baseline(4, size, 2), first, geometry)
    assert (view.values["at least"], view.values["at most"]) == (lower, upper)
    assert view.reading.endswith(f"No weights have more than {upper:,}.")


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_each_patch_bears_the_letter_of_its_window(geometry):
    svg = assert_legible(geometry_view(geometry, 24, 2).picture)
    found = {}
    for text in svg.iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        if text.text in set("ABCD") and 92 < x < 324 and 33 < y < 265:
            found.setdefault(text.text, set()).add(int((y - 33) // 58 * 4 + (x - 92) // 58))
    assert [found[letter] for letter in "ABCD"] == [set(window) for window in windows(geometry, 4)]


def test_the_named_cuts_are_those_of_the_exercise():
    assert list(NAMED) == list(SIX)
    for name, cut in NAMED.items():
        dark = {patch for patch, letter in enumerate(SIX[name].replace(" ", "")) if letter == "#"}
        assert set(patches_of(number_of(*cut), 4)) in (dark, set(range(16)) - dark)


def test_all_numbers_are_different_cuts():
    sides = [frozenset(patches_of(cut, 4)) for cut in range(1, 64)]
    assert len({min(side, frozenset(range(16)) - side, key=sorted) for side in sides}) == 63


@pytest.mark.parametrize("cut", range(1, 64, 5))
def test_pointing_twice_at_one_spot_changes_nothing_more(cut):
    for box, state in geometry_view("far", cut, 4).spots:
        assert dict(geometry_view("far", state["cut"], 4).spots)[box] == state


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (("square", 24, 4), "None of the 4 windows is split. No weights have more than 4."),
        (("mirror", 24, 2), f"All 4 windows are split{ALMOST}2⁴ = 16. No weights have more than 16."),
        (("square", 4, 4), f"2 of the 4 windows are split{ALMOST}4² = 16. No weights have more than 16."),
    ],
)
def test_a_sentence_says_what_follows(state, reading):
    assert geometry_view(*state).reading == reading


def test_all_pictures_have_one_size_and_are_small():
    pictures = [geometry_view(*state[:2], 2, size=state[2]).picture for state in STATES]
    assert len({re.match(r"<svg[^>]*>", picture)[0] for picture in pictures}) == 1
    assert max(map(len, pictures)) < 20_000
