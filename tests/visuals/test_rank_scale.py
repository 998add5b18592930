"""The scale of ranks: lengths are logarithms, and no letter touches another, whatever the numbers."""

from math import log10
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import SATURATION_COLOUR, colour_of


@given(st.data())
def test_a_rank_scale_is_legible(data):
    saturation = data.draw(st.integers(2, 5)) ** data.draw(st.integers(1, 200))
    rank = data.draw(st.integers(0, saturation))
    formula = data.draw(st.none() | st.integers(1, max(rank, 1)) | st.floats(1, 1e6))
    assert_legible(
        draw_rank_scale(
            rank,
            colour=colour_of(3),
            formula=formula,
            saturation=data.draw(st.sampled_from([None, saturation])),
            non_overlapping=data.draw(st.none() | st.integers(1, max(rank, 1))),
        )
    )


def test_lengths_are_logarithms():
    svg = ElementTree.fromstring(draw_rank_scale(64, colour=colour_of(2), saturation=256, non_overlapping=2))
    bars = [float(bar.get("width")) for bar in svg.iter(f"{SVG}rect")]
    assert bars[0] / bars[1] == pytest.approx(6, rel=1e-3)  # log 64 / log 2
    (line,) = (line for line in svg.iter(f"{SVG}line") if line.get("stroke") == SATURATION_COLOUR)
    start = float(next(svg.iter(f"{SVG}rect")).get("x"))
    assert (float(line.get("x1")) - start) / bars[1] == pytest.approx(log10(256) / log10(2), rel=1e-3)


def test_a_bound_is_drawn_as_the_formula_is():
    bound, formula = (
        draw_rank_scale(5, colour=colour_of(2), saturation=9, **{name: 7}) for name in ("bound", "formula")
    )
    assert bound == formula.replace(">formula 7<", ">bound 7<")


@pytest.mark.parametrize(
    "value, words",
    [
        (7, "7"), (65536, "65,536"), (4**32, "1.8×10¹⁹"), (10**30, "10³⁰"),
        (20.25, "20.25"), (16.0, "16"), (76.1139, "76.11"),
    ],
)  # fmt: skip
def test_a_number_is_written_shortly(value, words):
    assert f">formula {words}<" in draw_rank_scale(2, colour=colour_of(1), formula=value)


def test_a_rank_of_zero_has_no_bar():
    assert list(ElementTree.fromstring(draw_rank_scale(0, colour=colour_of(2))).iter(f"{SVG}rect")) == []
