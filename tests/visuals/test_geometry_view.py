"""The explorer of pooling geometries: what it marks and says is what the library finds."""

import random
import re
from itertools import product

import pytest
from helpers.pictures import SVG, assert_legible, paths

from convac_lib import baseline
from convac_lib.exercises.pooling_geometry import SIX
from convac_lib.related.geometry import GEOMETRIES, rank_bounds, split_windows, windows
from convac_lib.visuals.style import BOUND_COLOUR, INK
from convac_lib.visuals.views.geometry import NAMED, geometry_view, number_of

ALMOST = ", so almost all weights have a rank of at least "
CUTS = [*map(number_of, NAMED.values()), 1, 2**14, 2**15 - 1, *random.Random(0).sample(range(1, 2**15), 12)]
STATES = list(product(GEOMETRIES, CUTS))


def boxes(path):
    return [tuple(map(float, box)) for box in re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", path.get("d"))]


@pytest.mark.parametrize(("geometry", "cut"), STATES)
def test_the_picture_shows_the_cut_and_frames_the_split_windows(geometry, cut):
    view = geometry_view(geometry, 2, cut)
    svg = assert_legible(view.picture)
    (dark,), first = paths(svg, fill=INK), {patch for patch in range(16) if cut >> patch & 1}
    places = {round((y - 33) / 58) * 4 + round((x - 30) / 58) for x, y, _, _ in boxes(dark) if y < 300}
    assert places == first
    split = split_windows(first, geometry, 4)
    framed = [round((x - 30) / 140) for path in paths(svg, stroke=BOUND_COLOUR) for x, _, _, _ in boxes(path)]
    assert framed == split and len(split) == view.values["split"]
    for number, window in enumerate(windows(geometry, 4)):
        inside = [(x, y) for x, y, _, _ in boxes(dark) if y > 300 and 0 <= x - 30 - 140 * number < 80]
        assert [window[int((y - 323) // 40 * 2 + (x - 30 - 140 * number) // 40)] for x, y in inside] == [
            patch for patch in window if patch in first
        ]
    lower, upper = rank_bounds(baseline(4, 4, 2), first, geometry)
    assert (view.values["at least"], view.values["at most"]) == (lower, upper)
    assert view.reading.endswith(f"No weights have more than {upper:,}.")


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_each_patch_bears_the_letter_of_its_window(geometry):
    svg = assert_legible(geometry_view(geometry, 2).picture)
    found = {}
    for text in svg.iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        if text.text in set("ABCD") and y < 265:
            found.setdefault(text.text, set()).add(int((y - 33) // 58 * 4 + (x - 30) % 268 // 58))
    assert [found[letter] for letter in "ABCD"] == [set(window) for window in windows(geometry, 4)]


def test_the_named_cuts_are_those_of_the_exercise():
    assert list(NAMED) == list(SIX)
    for name, cut in NAMED.items():
        dark = sum(1 << patch for patch, letter in enumerate(SIX[name].replace(" ", "")) if letter == "#")
        assert number_of(cut) in (dark, 2**16 - 1 - dark)


def test_every_cut_can_be_reached_by_moving_single_patches():
    for cut in CUTS:
        moved = {state["cut"] for _, state in geometry_view("far", 4, cut).spots[: -len(NAMED)]}
        assert moved == {cut} | {cut ^ 1 << patch for patch in range(15)} - {0}


@pytest.mark.parametrize("cut", CUTS)
def test_pointing_twice_at_one_spot_changes_nothing_more(cut):
    for box, state in geometry_view("far", 4, cut).spots:
        assert dict(geometry_view("far", 4, **state).spots)[box] == state


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (("square", 4), "None of the 4 windows is split. No weights have more than 4."),
        (("mirror", 2), f"All 4 windows are split{ALMOST}2⁴ = 16. No weights have more than 16."),
        (("square", 4, 0b10001), f"1 of the 4 windows is split{ALMOST}4. No weights have more than 4."),
        (("square", 4, 0b1001), f"2 of the 4 windows are split{ALMOST}4² = 16. No weights have more than 16."),
    ],
)
def test_a_sentence_says_what_follows(state, reading):
    assert geometry_view(*state).reading == reading


def test_all_pictures_have_one_size_and_are_small():
    pictures = [geometry_view(geometry, 2, cut).picture for geometry, cut in STATES]
    assert len({re.match(r"<svg[^>]*>", picture)[0] for picture in pictures}) == 1
    assert max(map(len, pictures)) < 20_000
