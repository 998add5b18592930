"""The builder: what it says of a network is what the theory says of it, by other ways."""

import re
from itertools import product
from math import log2
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import HypothesisError
from convac_lib.families import place_overlap
from convac_lib.theory.min_cut import min_cut_upper
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.style import BOUND_COLOUR, SATURATION_COLOUR, colour_of
from convac_lib.visuals.views.builder import builder_view, draw_between


@pytest.mark.parametrize(("B1", "B2", "C"), list(product((1, 2, 3), (1, 2, 3), (2, 3))))
def test_the_upper_bound_is_the_one_counted_by_hand_and_the_rank_meets_it(B1, B2, C):
    most = min(2**8, 2 ** (4 * (B1 - 1)) * C ** min(B2, 2))  # the proposition of the chapter
    view = builder_view(B1, 2, B2, C)
    network = place_overlap(B1, B2, C)
    assert view.values["upper bound"] == view.values["rank"] == most == certify_rank(network).rank
    assert view.values["parameters"] == network.parameters
    lower = 2 ** (4 * (B1 - 1))  # the chain, for M = 2
    assert view.values["is"] == "exact" and view.values["lower bound"] == (lower if B1 > 1 else "none above 1")
    assert_legible(view.picture)


@pytest.mark.parametrize(
    ("R1", "R3", "border", "cut"),
    list(product((1, 2), (1, 2), ("neutral", "ones"), ("left-right", "interleaved", "checkerboard"))),
)
def test_the_rank_is_between_its_bounds_and_the_multisets_are_no_larger(R1, R3, border, cut):
    view = builder_view(R1, 3, R3, 2, border, cut)
    lower, rank, upper = (view.values[name] for name in ("lower bound", "rank", "upper bound"))
    layers = builder_network(R1, 3, R3, border)
    assert (0 if isinstance(lower, str) else lower) <= rank <= min_cut_upper(layers, cut).value <= upper <= 256
    assert rank == certify_rank(layers, cut, seed=1).rank  # almost all weights have this rank
    assert f"the cut {cut}; the border is {border}." in view.alt


def builder_network(R1, R2, R3, border):
    return Architecture(4, 2, [Layer(R1, 1, 2), Layer(R2, 2, 2), Layer(R3, 1, 2), Layer(2, 2, 2)], border=border)


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (
            {"R1": 3, "R2": 2, "R3": 1, "C": 3, "M": 3},
            (
                "R = 3, 2, 1, 2 and C = 3, M = 3: rank 6,561 with 165 parameters; "
                "at least 6,561 by the theorem, at most 6,561, which no network exceeds."
            ),
        ),
        (
            {"R1": 2, "R2": 2, "R3": 1, "C": 3, "M": 3, "cut": "checkerboard"},
            (
                "R = 2, 2, 1, 2 and C = 3, M = 3: rank at least 1,024 (1,024 rows sampled) with 120 parameters; "
                "no lower bound above 1, at most 6,561, which no network exceeds."
            ),
        ),
    ],
)
def test_a_sample_is_called_one_unless_the_bounds_meet(state, reading):
    assert builder_view(**state).reading == reading


def test_bars_are_as_long_as_logarithms():
    svg = assert_legible(draw_between(32, 16, 64, saturation=256, colour=colour_of(2)))
    bars = [(bar.get("fill"), float(bar.get("width"))) for bar in svg.iter(f"{SVG}rect")]
    (line,) = (line for line in svg.iter(f"{SVG}line") if line.get("stroke") == SATURATION_COLOUR)
    whole = float(line.get("x1")) - float(next(svg.iter(f"{SVG}rect")).get("x"))
    expected = [(BOUND_COLOUR, 16), (colour_of(2), 32), (BOUND_COLOUR, 64)]
    for (fill, width), (colour, value) in zip(bars, expected, strict=True):
        assert fill == colour and width == pytest.approx(whole * log2(value) / 8, abs=0.01)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("rank", [1, 2, 30, 81, 700, 1024, 6561])
def test_every_number_is_legible(rank, known):
    svg = assert_legible(draw_between(rank, rank // 3, rank, saturation=6561, colour=colour_of(2), known=known))
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert ("" if known else "≥ ") + f"{rank:,}" in words and ("none above 1" in words) == (rank < 6)
    assert len(list(svg.iter(f"{SVG}rect"))) == (2 if rank < 6 else 3)


def test_all_pictures_have_one_size():
    pictures = [builder_view(R1, R2, R3, C).picture for R1, R2, R3, C in ((1, 2, 1, 1), (4, 4, 3, 8), (3, 2, 2, 2))]
    assert len({re.search('viewBox="[^"]*"', picture)[0] for picture in pictures}) == 1
    assert all(ElementTree.fromstring(picture) is not None for picture in pictures)


def test_a_window_smaller_than_its_stride_is_refused():
    with pytest.raises(HypothesisError, match="receptive field 1 is smaller than stride 2"):
        builder_view(1, 1, 1, 2)
