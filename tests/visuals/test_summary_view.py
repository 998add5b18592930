"""The explorer of the closing picture: its numbers are the library's, and every pair can be chosen."""

import re
from itertools import product

import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.related.summary import FEATURES, SUMMARY_CUTS, summary_rank
from convac_lib.visuals.views.summary import draw_summary, summary_view

EVERY = [*product(FEATURES, SUMMARY_CUTS)]


def paths_of(picture):
    return [path.get("d") for path in assert_legible(picture).iter(f"{SVG}path")]


@pytest.mark.parametrize(("feature", "cut"), EVERY)
def test_the_picture_shows_both_ranks_and_both_sizes(feature, cut):
    view = summary_view(feature, cut)
    one, other = (summary_rank(feature, having, cut) for having in (False, True))
    without, having = FEATURES[feature]
    at_most = "≤ " if feature == "depth, max" else ""
    texts = [text.text for text in assert_legible(view.picture).iter(f"{SVG}text")]
    below = texts[len(FEATURES) :]
    assert below == [
        without.name, f"{without.numbers} numbers", f"{at_most}{one}",
        having.name, f"{having.numbers} numbers", str(other),
    ]  # fmt: skip
    assert view.values == {
        "rank without": f"≤ {one}" if at_most else one,
        "rank with": other,
        "numbers without": without.numbers,
        "numbers with": having.numbers,
    }
    assert len(view.picture) < 6_000


@pytest.mark.parametrize(
    ("feature", "cut", "verdict"),
    [
        ("overlap", "left | right", "Here it pays."),
        ("overlap", "rows", "Here it changes nothing."),
        ("geometry", "outer | inner", "Here it loses."),
        ("depth, max", "rows", "The bound decides nothing here."),
        ("depth, max", "columns", "Here it pays."),
    ],
)
def test_the_reading_says_whether_it_pays(feature, cut, verdict):
    assert summary_view(feature, cut).reading.endswith(verdict)


def test_the_reading_in_full():
    assert summary_view("depth, max", "columns").reading == (
        "Rank at most 27 with 99 numbers (shallow, max, 3 channels), rank 256 with 87 numbers "
        "(deep, max, one function). Here it pays."
    )


def test_every_pair_can_be_pointed_at_and_no_two_places_overlap():
    spots = summary_view("depth", "rows").spots
    assert [tuple(state.values()) for _, state in spots] == EVERY
    assert len({place for place, _ in spots}) == len(EVERY)


def test_a_bar_is_as_long_as_the_logarithm_of_its_rank():
    """Of ranks 2, 16 and 256 in place of all: the lengths go as 1, 4 and 8; a rank of 1 can still be seen."""
    lengths = []
    for rank in (1, 2, 16, 256):
        picture = draw_summary(dict.fromkeys(EVERY, (rank, rank)), "overlap", "rows")
        boxes = [box for path in paths_of(picture) for box in re.findall(r"h([\d.]+)v([\d.]+)h", path)]
        bars = [float(width) for width, height in boxes if height == "12" != width]  # a cut is made of squares
        assert len(bars) == 2 * len(EVERY) and len({*bars}) == 1
        lengths.append(bars[0])
    one, two, sixteen, most = lengths
    assert 0 < one < two and sixteen == pytest.approx(4 * two) and most == pytest.approx(8 * two)
