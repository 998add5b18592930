"""The explorer of placements: the rank and the parameters of a network by the layers in which it overlaps."""

from collections.abc import Mapping
from functools import cache
from itertools import product

from convac_lib.families import place_overlap
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.axes import Axes, draw_marker, logarithmic
from convac_lib.visuals.style import INK, MUTED, SATURATION_COLOUR
from convac_lib.visuals.svg import LETTER, WIDTH, add_path, add_text, polyline, serialize
from convac_lib.visuals.view import View

SAMPLED = 1024  # rows and columns at most


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
        The `View`, which shows the network among those of receptive fields 1 to 3.

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
        f"Rank against parameters for networks with C = {C}, one line for each receptive field B₁ of layer 1. Along a "
        f"line B₂, that of layer 3, is {', '.join(map(str, fields))}, and the ranks are {ranks}. Marked: B₁ = {B1}, "
        f"B₂ = {B2}."
    )
    picture = draw_placements(known, (B1, B2), saturation=M**8)
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
