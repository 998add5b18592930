"""A rank on its logarithmic scale, beside the bounds, as SVG."""

from collections.abc import Callable, Sequence
from math import ceil, log10
from typing import NamedTuple
from xml.etree import ElementTree

from convac_lib.visuals.axes import logarithmic
from convac_lib.visuals.style import BOUND_COLOUR, MUTED, RULE, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import (
    BOLD_LETTER,
    LETTER,
    LINE,
    MARGIN,
    WIDTH,
    add_line,
    add_text,
    readable,
    serialize,
    short,
    svg_document,
)

LEFT, RIGHT = 146, WIDTH - 116
BAR, BETWEEN, TOP = 26, 10, 2 * LINE + 10
BOTTOM = TOP + 2 * BAR + BETWEEN + 10


class _Level(NamedTuple):
    """A bound, drawn as a line that crosses the bars."""

    value: float
    name: str
    colour: str
    dashes: str


def draw_rank_scale(
    rank: int,
    *,
    colour: str,
    name: str = "certified",
    formula: float | None = None,
    bound: int | None = None,
    saturation: int | None = None,
    non_overlapping: int | None = None,
    largest: int = 10,
) -> str:
    """Draw a rank as a bar on a logarithmic scale, with what a formula or a bound says, and the most it can be.

    Args:
        rank: the network's rank.
        colour: the network's colour, from `colour_of`.
        name: what the network's bar is called, in at most 11 letters.
        formula: the rank that the talk's formula asks for, a dashed blue line.
        bound: in place of the formula, a bound on the rank, drawn alike.
        saturation: the most that any network can have, a dotted black line.
        non_overlapping: the rank of the network without overlap, a grey bar below.
        largest: where the scale ends, unless one of these numbers is larger.

    Returns:
        An SVG document, 560 wide and always equally high.

    Source: talk, slide "Overlapping Efficiency". Chapter: *The overlap theorem*.

    >>> picture = draw_rank_scale(256, colour=colour_of(3), formula=16, saturation=256, non_overlapping=2)
    >>> "formula 16" in picture, "saturation 256" in picture
    (True, True)
    """
    end = max(largest, *(value for value in (rank, formula, bound, saturation, non_overlapping) if value is not None))
    scale = logarithmic(1, end)

    def x_at(value: float) -> float:
        return LEFT + (RIGHT - LEFT) * scale(max(value, 1))

    svg = svg_document(WIDTH, BOTTOM + LINE + 8)
    decades = log10(end)
    for power in range(0, int(decades + 1e-9) + 1, ceil(decades / 4)):
        x = x_at(10**power)
        add_line(svg, x, TOP - 8, x, BOTTOM, RULE)
        add_text(svg, x, BOTTOM + LINE, readable(10**power, digits=4), anchor="middle", fill=MUTED)
    add_text(svg, MARGIN, BOTTOM + LINE, "rank (log)", fill=MUTED)
    levels = []
    if formula is not None:
        levels.append(_Level(formula, "formula", BOUND_COLOUR, "7 5"))
    if bound is not None:
        levels.append(_Level(bound, "bound", BOUND_COLOUR, "7 5"))
    if saturation is not None:
        levels.append(_Level(saturation, "saturation", SATURATION_COLOUR, "1.5 5"))
    levels.sort(key=lambda level: level.value)
    crossings = [x_at(level.value) for level in levels]
    _draw_bar(svg, TOP, name, rank, colour, x_at(rank), crossings)
    if non_overlapping is not None:
        top = TOP + BAR + BETWEEN
        _draw_bar(svg, top, "no overlap", non_overlapping, colour_of(1), x_at(non_overlapping), crossings)
    _draw_levels(svg, levels, x_at)
    return serialize(svg)


def _draw_bar(
    svg: ElementTree.Element, top: float, name: str, value: int, fill: str, end: float, crossings: Sequence[float]
) -> None:
    """Draw a bar with its name before and its value behind, past every line that would cross the value."""
    baseline, label = top + BAR - 7, readable(value)
    if value:
        place = {"x": short(LEFT), "y": short(top), "width": short(max(end - LEFT, 3)), "height": str(BAR)}
        ElementTree.SubElement(svg, "rect", {**place, "fill": fill})
    add_text(svg, MARGIN, baseline, name)
    start = max(end, LEFT + 3) + 8
    for crossing in crossings:
        if start - 8 < crossing < start + len(label) * BOLD_LETTER + 4:
            start = crossing + 8
    add_text(svg, start, baseline, label, bold=True)


def _draw_levels(svg: ElementTree.Element, levels: Sequence[_Level], x_at: Callable[[float], float]) -> None:
    """Draw the lines, from left to right.

    The line further right starts a row higher, and labels are left of their lines, so no line crosses a label.
    """
    for height, level in zip((2 * LINE, LINE), levels):
        x, label = x_at(level.value), f"{level.name} {readable(level.value)}"
        room = x - 7 - len(label) * LETTER
        add_text(svg, x - 7 - min(room, 0), height - 4, label, anchor="end", fill=level.colour)
        start = height + (6 - LINE if room > 0 else 3)
        add_line(svg, x, start, x, BOTTOM, level.colour, width=2.5, dashes=level.dashes)
