"""The explorer of MEX: three numbers, and the curve from their minimum by way of their mean to their maximum."""

from math import asinh, sinh
from xml.etree import ElementTree

from convac_lib.extras import require

require("networks", __name__)

import torch

from convac_lib.checks import require_integers
from convac_lib.networks.simnets import mex
from convac_lib.visuals.axes import BOTTOM, Axes, Scale, linear
from convac_lib.visuals.style import INK, MUTED, OTHER_COLOUR, colour_of
from convac_lib.visuals.svg import LINE, add_line, add_path, add_text, polyline, rectangle, serialize, short
from convac_lib.visuals.view import View

LARGEST = 40  # |β| at both ends of the chart
HIGHEST = 20  # of the numbers, so that their labels fit
STEPS = 30  # of the curve on each side of 0
TICKS = (-40, -10, -1, 0, 1, 10, 40)
LEFT, RIGHT, BAR = 148, 558, 28


def mex_view(beta: int, c3: int, c1: int = 1, c2: int = 2) -> View:
    """Show MEX of three numbers as a curve over β, with the chosen β on it.

    Args:
        beta: β, from −40 to 40.
        c3: the third number, from −20 to 20.
        c1: the first number, likewise.
        c2: the second number, likewise.

    Returns:
        The `View`.

    Raises:
        ConvacError: if β is out of range, or a number is no integer.

    Source: Cohen, Sharir & Shashua, CVPR 2016. Chapter: *SimNets*.

    >>> mex_view(1, c3=4).reading
    'MEX is 3.07. Since β > 0, it lies between the mean 2.33 and the maximum 4.'
    """
    require_integers(least=-LARGEST, most=LARGEST, beta=beta)
    require_integers(least=-HIGHEST, most=HIGHEST, c1=c1, c2=c2, c3=c3)
    numbers = (c1, c2, c3)
    values = torch.tensor(numbers, dtype=torch.float64)
    found, mean = mex(values, beta).item(), values.mean().item()
    least, most = min(numbers), max(numbers)
    words = f"MEX is {_rounded(found)}."
    if least == most:
        reading = f"{words} All three numbers are equal, so β changes nothing."
    elif beta == 0:
        reading = f"{words} This is the mean, because β = 0."
    elif beta > 0:
        reading = f"{words} Since β > 0, it lies between the mean {_rounded(mean)} and the maximum {most}."
    else:
        reading = f"{words} Since β < 0, it lies between the minimum {least} and the mean {_rounded(mean)}."
    alternative = (
        f"Three bars, {c1}, {c2} and {c3}, beside a curve that rises from their minimum at β = −{LARGEST} by way of "
        f"their mean at β = 0 to their maximum at β = {LARGEST}. A dot: MEX is {_rounded(found)} at β = {beta}."
    )
    listed = {"minimum": least, "mean": round(mean, 2), "maximum": most, "MEX": round(found, 2)}
    return View(draw_mex(numbers, beta), alternative, reading, listed)


def _rounded(number: float) -> str:
    return f"{number:.2f}".rstrip("0").rstrip(".").replace("-", "−")


def draw_mex(numbers: tuple[int, int, int], beta: int) -> str:
    """Draw three numbers as bars, and their MEX over β: the scale of β is even near 0, and logarithmic far from it.

    Args:
        numbers: c₁, c₂ and c₃.
        beta: β, which a dot marks on the curve.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *SimNets*.

    >>> "maximum" in draw_mex((1, 2, 4), beta=1)
    True
    """
    values = torch.tensor(numbers, dtype=torch.float64)
    low, high = min(*numbers, 0), max(*numbers, 0)
    room = 0.1 * ((high - low) or 1)
    axes = Axes(_wide(LARGEST), linear(low - room, high + room), LEFT, RIGHT, inset=26)
    svg, zero = axes.svg, axes.y_at(0)
    for place, number in enumerate(numbers):
        left, y = 9 + place * (BAR + 16), axes.y_at(number)
        add_path(svg, rectangle(left, min(y, zero), BAR, max(abs(y - zero), 1)), fill=colour_of(1))
        add_text(svg, left + BAR / 2, BOTTOM + LINE, _rounded(number), anchor="middle")
    add_line(svg, 2, zero, LEFT - 14, zero, MUTED)
    for level in {min(numbers), values.mean().item(), max(numbers)}:
        axes.draw_level(level, MUTED, dashes="3 4")
    if len(set(numbers)) > 1:
        add_text(svg, LEFT + 4, axes.y_at(max(numbers)) - 7, "maximum", fill=MUTED)
        add_text(svg, RIGHT, axes.y_at(min(numbers)) + 21, "minimum", anchor="end", fill=MUTED)
    ends = asinh(LARGEST)
    betas = [sinh(ends * step / STEPS) for step in range(-STEPS, STEPS + 1)]
    curve = [axes.at(each, mex(values, each).item()) for each in betas]
    add_path(svg, polyline(curve), fill="none", stroke=OTHER_COLOUR, stroke_width="3")
    found = mex(values, beta).item()
    x, y = axes.at(beta, found)
    add_line(svg, x, y, x, BOTTOM, INK, dashes="3 4")
    ElementTree.SubElement(svg, "circle", {"cx": short(x), "cy": short(y), "r": "7", "fill": INK})
    axes.draw_ticks({tick: _rounded(tick) for tick in TICKS}, marked=beta)
    axes.draw_titles("β", f"three numbers, and their MEX: {_rounded(found)} at β = {_rounded(beta)}")
    return serialize(svg)


def _wide(largest: float) -> Scale:
    return lambda value: 0.5 + asinh(value) / (2 * asinh(largest))
