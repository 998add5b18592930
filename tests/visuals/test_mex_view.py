"""The explorer of MEX: its numbers are the definition's, and every picture is legible."""

from decimal import Decimal
from itertools import product
from math import asinh

import pytest
from helpers.pictures import assert_legible, numbers_in, paths

from convac_lib.errors import ConvacError
from convac_lib.visuals.style import OTHER_COLOUR, colour_of
from convac_lib.visuals.views.mex import mex_view

SVG = "{http://www.w3.org/2000/svg}"
BETAS, THIRDS = (-40, -20, -10, -5, -2, -1, 0, 1, 2, 5, 10, 20, 40), (-4, -2, 0, 1, 2, 4, 6, 8)


def by_definition(beta, numbers):
    exponentials = sum(Decimal(beta * c).exp() for c in numbers)  # which floats could not hold
    return float((exponentials / len(numbers)).ln() / beta) if beta else sum(numbers) / len(numbers)


@pytest.mark.parametrize(("beta", "c3"), list(product(BETAS[::2], THIRDS)))
def test_the_values_are_those_of_the_definition(beta, c3):
    view, found = mex_view(beta, c3), by_definition(beta, (1, 2, c3))
    assert view.values["MEX"] == pytest.approx(found, abs=0.005 + 1e-9)
    assert (view.values["minimum"], view.values["maximum"]) == (min(1, c3), max(2, c3))
    svg = assert_legible(view.picture)
    (dot,) = svg.iter(f"{SVG}circle")
    (curve,) = paths(svg, stroke=OTHER_COLOUR)
    drawn = numbers_in(curve.get("d"))
    left, right = drawn[0], drawn[-2]
    assert float(dot.get("cx")) == pytest.approx(
        left + (right - left) * (0.5 + asinh(beta) / (2 * asinh(40))), abs=0.02
    )
    heights = drawn[1::2]
    assert heights == sorted(heights, reverse=True)  # MEX never falls, and y grows downwards
    low, high = by_definition(-40, (1, 2, c3)), by_definition(40, (1, 2, c3))
    share = (found - low) / (high - low)
    assert float(dot.get("cy")) == pytest.approx(heights[0] + share * (heights[-1] - heights[0]), abs=0.05)


def test_no_stored_value_is_near_a_tie():
    for beta, c3 in product(BETAS, THIRDS):
        cents = 100 * by_definition(beta, (1, 2, c3))
        assert abs(cents % 1 - 0.5) > 1e-6


def test_typed_numbers_are_bars_from_zero():
    view = mex_view(1, c3=0, c1=-20, c2=20)
    assert view.reading == "MEX is 18.9. Since β > 0, it lies between the mean 0 and the maximum 20."
    svg = assert_legible(view.picture)
    assert [text.text for text in svg.iter(f"{SVG}text")][:3] == ["−20", "20", "0"]
    bars = [numbers_in(bar.get("d")) for bar in paths(svg, fill=colour_of(1))]  # left, top, width, height, −width
    (zero,) = {bars[0][1], bars[1][1] + bars[1][3]}
    assert bars[0][3] == bars[1][3] > 0
    assert bars[2][1] == zero


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        ((-1, 4), "MEX is 1.75. Since β < 0, it lies between the minimum 1 and the mean 2.33."),
        ((0, 4), "MEX is 2.33. This is the mean, because β = 0."),
        ((5, 2, 2), "MEX is 2. All three numbers are equal, so β changes nothing."),
    ],
)
def test_the_reading_says_where_mex_lies(state, reading):
    assert mex_view(*state).reading == reading


def test_a_number_out_of_range_is_refused():
    with pytest.raises(ConvacError) as raised:
        mex_view(41, c3=4)
    assert str(raised.value) == "beta must be an integer from -40 to 40, not 41"
