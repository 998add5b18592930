"""The explorer of placements: the rank and the parameters of a network by the layers in which it overlaps."""

from collections.abc import Mapping
from functools import cache
from itertools import product
from xml.etree import ElementTree

from convac_lib.families import place_overlap
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.axes import Axes, draw_marker, logarithmic
from convac_lib.visuals.style import INK, MUTED, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import (
    LETTER,
    LINE,
    MARGIN,
    WIDTH,
    Field,
    Place,
    add_line,
    add_path,
    add_text,
    lattice,
    outline,
    polyline,
    rectangle,
    serialize,
    short,
    stack,
    svg_document,
)
from convac_lib.visuals.view import View

SAMPLED = 1024  # rows and columns at most
CELL, NETWORK_TOP = 30, LINE + 6
GRIDS = ((MARGIN, 4), (152, 4), (310, 2), (432, 2), (WIDTH - MARGIN - CELL, 1))  # left edge and count: image, layers


def placement_view(B1: int, B2: int, C: int, M: int = 2, seed: int = 0, prime: int = DEFAULT_PRIME) -> View:
    """Show where overlap pays: the rank and the parameters of a network by the layers in which it overlaps.

    Args:
        B1: the receptive field of layer 1.
        B2: the receptive field of layer 3.
        C: the channels of every layer.
        M: representation channels; if more than 2, 1,024 rows and columns are sampled, and the rank is a lower bound.
        seed: draws the weights and the sample.
        prime: p, of the arithmetic.

    Returns:
        The `View`, which shows the network, and its rank among those of receptive fields 1 to 3.

    Chapter: *Is a little overlap all you need?*

    >>> placement_view(B1=1, B2=3, C=2).reading
    'Overlap in layer 3 alone, B₂ = 3: rank 4 with 74 parameters. The other way round, B₁ = 3, B₂ = 1: 256 with 74.'
    """
    fields = sorted({1, 2, 3, B1, B2})
    known = {
        (b1, b2): (place_overlap(b1, b2, C, M=M).parameters, _rank(b1, b2, C, M, seed, prime))
        for b1, b2 in product(fields, repeat=2)
    }
    parameters, rank = known[B1, B2]
    ranks = "; ".join(f"B₁ = {B}: " + ", ".join(str(known[B, later][1]) for later in fields) for B in fields)
    alternative = (
        f"The network with its {B1}×{B1} window in layer 1 and its {B2}×{B2} window in layer 3. Below it, rank against "
        f"parameters for networks with C = {C}, one line for each receptive field B₁ of layer 1. Along a line B₂, that "
        f"of layer 3, is {', '.join(map(str, fields))}, and the ranks are {ranks}. Marked: B₁ = {B1}, B₂ = {B2}."
    )
    picture = stack(draw_windows(B1, B2), draw_placements(known, (B1, B2), saturation=M**8))
    values = {"parameters": parameters, "rank": rank, "of at most": M**8}
    return View(picture, alternative, _reading(known, B1, B2, M), values)


def _reading(known: Mapping[tuple[int, int], tuple[int, int]], B1: int, B2: int, M: int) -> str:
    parameters, rank = known[B1, B2]
    least = "" if M == 2 else "at least "
    where = {
        (True, True): "No overlap",
        (False, True): f"Overlap in layer 1 alone, B₁ = {B1}",
        (True, False): f"Overlap in layer 3 alone, B₂ = {B2}",
        (False, False): f"Overlap in both layers, B₁ = {B1}, B₂ = {B2}",
    }[B1 == 1, B2 == 1]
    reading = f"{where}: rank {least}{rank:,} with {parameters:,} parameters."
    if B1 != B2:
        other = known[B2, B1]
        reading += f" The other way round, B₁ = {B2}, B₂ = {B1}: {least}{other[1]:,} with {other[0]:,}."
    elif B1 > 1:
        alone = known[B1, 1]
        reading += f" In layer 1 alone: {least}{alone[1]:,} with {alone[0]:,}."
    return reading + (f" Of {M**8:,} rows, {SAMPLED:,} were sampled." if least else "")


@cache
def _rank(B1: int, B2: int, C: int, M: int, seed: int, prime: int) -> int:
    return certify_rank(place_overlap(B1, B2, C, M=M), rows=SAMPLED, seed=seed, prime=prime).rank


def draw_windows(B1: int, B2: int) -> str:
    """Draw a 4×4 image and the four layers above it, with one window of layer 1 and one of layer 3.

    Each window is tinted, and joined to the unit that reads it. Dashes outline the part of a window outside its grid.
    A thick line is the cut left | right.

    Args:
        B1: the receptive field of layer 1, on 4×4 patches.
        B2: the receptive field of layer 3, on 2×2 units.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Is a little overlap all you need?*

    >>> "B₂ = 3" in draw_windows(2, 3)
    True
    """
    svg = svg_document(WIDTH, NETWORK_TOP + 4 * CELL + LINE + 4)
    _draw_window(svg, 0, B1, unit=1)
    _draw_window(svg, 2, B2, unit=0)
    for number, (left, count) in enumerate(GRIDS):
        side, top = CELL * count, _top(count)
        add_path(svg, lattice(left, top, side, count), fill="none", stroke=MUTED)
        if count > 1:
            add_line(svg, left + side / 2, top - 5, left + side / 2, top + side + 5, INK, width=2.5)
        add_text(
            svg, left + side / 2, NETWORK_TOP - 12, ("image", "layer 1", "2", "layer 3", "4")[number], anchor="middle"
        )
    for (left, count), words in zip(GRIDS[1:4], (f"B₁ = {B1}", "2×2", f"B₂ = {B2}")):
        add_text(svg, left + CELL * count / 2, NETWORK_TOP + 4 * CELL + LINE, words, anchor="middle", bold="B" in words)
    left, count = GRIDS[-1]
    add_text(svg, left + CELL, NETWORK_TOP + 4 * CELL + LINE, "2×2", anchor="end")
    return serialize(svg)


def _draw_window(svg: ElementTree.Element, grid: int, B: int, *, unit: int) -> None:
    """Draw the window of a unit of the next grid, in row and column `unit`: tinted inside its grid, dashed outside."""
    (left, count), (above, above_count) = GRIDS[grid], GRIDS[grid + 1]
    top, above_top = _top(count), _top(above_count)
    reached = min(unit + B, count + 1)  # a picture of one size has room for one square outside
    inside = range(unit, min(unit + B, count))
    place = f"translate({short(left)} {short(top)}) scale({CELL})"
    group = ElementTree.SubElement(svg, "g", {"transform": place, "fill": "none"})
    if reached > count:
        outside: Field = (range(unit, reached), range(unit, reached))
        add_path(group, outline(*outside), stroke=MUTED, stroke_dasharray="4 4")
    add_path(group, outline(inside, inside), fill=colour_of(B), fill_opacity=".45", stroke=INK, stroke_width="2")
    right, bottom = left + CELL * inside.stop, top + CELL * inside.stop
    corners: list[Place] = [
        (right, top + CELL * unit),
        (above + CELL * unit, above_top + CELL * unit),
        (above + CELL * unit, above_top + CELL * (unit + 1)),
        (right, bottom),
    ]
    add_path(svg, polyline(corners) + "z", fill=colour_of(B), fill_opacity=".18")
    add_path(svg, rectangle(above + CELL * unit, above_top + CELL * unit, CELL, CELL), fill=colour_of(B))


def _top(count: int) -> float:
    """Return the top of a grid of `count` rows, in the middle of the picture's height."""
    return NETWORK_TOP + CELL * (4 - count) / 2


def draw_placements(
    placements: Mapping[tuple[int, int], tuple[int, int]], marked: tuple[int, int], *, saturation: int
) -> str:
    """Draw what overlap in the first layer, and in a later one, buys: rank against parameters, both logarithmic.

    Args:
        placements: for each (B₁, B₂), the receptive fields of the two stride-1 layers, the (parameters, rank) of that
            network, from 20 to 500 parameters; of one B₁, B₂ increasing. The networks of one B₁ are joined.
        marked: the (B₁, B₂) that the reader chose; the networks of its B₁ are numbered by their B₂.
        saturation: the most that a rank can be.

    Returns:
        An SVG document, 560 wide and always equally high. Colour and marker tell the larger of B₁ and B₂.

    Chapter: *Is a little overlap all you need?*

    >>> picture = draw_placements({(1, 1): (42, 2), (1, 2): (54, 4), (2, 1): (54, 32)}, (1, 2), saturation=256)
    >>> "B₁=2" in picture, "saturation" in picture
    (True, True)
    """
    axes = Axes(
        logarithmic(20, 500), logarithmic(1, saturation), left=14 + LETTER * len(str(saturation)), right=WIDTH - 10
    )
    axes.draw_grid(
        {rank: str(rank) for rank in (*(4**power for power in range(8) if 2 * 4**power < saturation), saturation)},
        gap=8,
    )
    axes.draw_ticks({parameters: str(parameters) for parameters in (25, 50, 100, 200, 400)})
    axes.draw_titles("parameters", "rank")
    axes.draw_level(saturation, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    add_text(axes.svg, axes.left + 4, axes.y_at(saturation) - 9, "saturation", fill=SATURATION_COLOUR)
    rows: dict[int, dict[int, tuple[int, int]]] = {}
    for (first, later), point in placements.items():
        rows.setdefault(first, {})[later] = point
    for first in sorted(rows, key=lambda first: first == marked[0]):  # the reader's on top
        _draw_row(axes, first, rows[first], chosen=marked[1] if first == marked[0] else None)
    return serialize(axes.svg)


def _draw_row(axes: Axes, first: int, points: Mapping[int, tuple[int, int]], *, chosen: int | None) -> None:
    """Draw the networks of one B₁ by their B₂; they are numbered and in bold if one of them is chosen."""
    places = {later: axes.at(*point) for later, point in points.items()}
    heavy = chosen is not None
    path, stroke = polyline(places.values()), INK if heavy else MUTED
    add_path(axes.svg, path, fill="none", stroke=stroke, stroke_width="2.5" if heavy else "1.5")
    for later, (x, y) in places.items():
        draw_marker(axes.svg, max(first, later), (x, y), size=10 if later == chosen else 6, chosen=later == chosen)
        if heavy:
            add_text(axes.svg, x, y + 27, str(later), anchor="middle", bold=later == chosen)
    x, y = next(iter(places.values()))
    add_text(axes.svg, x - 16, y - 9, f"B₁={first}", anchor="end", bold=heavy)
    if heavy:
        add_text(axes.svg, x - 16, y + 27, "B₂=", anchor="end")
