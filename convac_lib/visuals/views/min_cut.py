"""The explorer of the min-cut bound: the cheapest cut through a network, the price of each unit in it, and the rank."""

from collections.abc import Iterable
from functools import cache
from math import comb, prod
from xml.etree import ElementTree

from convac_lib.architecture import Architecture
from convac_lib.families import place_overlap
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.min_cut import UnrolledCut, find_cut
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    BOLD_LETTER,
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_line,
    add_path,
    add_text,
    lattice,
    rectangle,
    serialize,
    short,
    stack,
    svg_document,
)
from convac_lib.visuals.view import Value, View

SIZE, SAMPLED = 4, 1024  # patches along a side; rows and columns at most
CELL, GRIDS_TOP = 38, 2 * LINE
GRIDS = ((MARGIN, 4), (170, 4), (339, 2), (432, 2), (WIDTH - MARGIN - CELL, 1))  # left edge and count: image, layers

Node = tuple[int, int, int]  # layer, row and column


def min_cut_view(B1: int, B2: int, C: int, M: int, left: int, seed: int = 0, prime: int = DEFAULT_PRIME) -> View | None:
    """Show the cut that bounds the rank of a network of four layers on 4×4 patches, and the rank itself.

    Args:
        B1: the receptive field of layer 1.
        B2: the receptive field of layer 3.
        C: the channels of every layer.
        M: representation channels.
        left: how many columns of patches are left of the border between the two sides, 1 to 3.
        seed: draws the weights, and the rows and columns if there are more than 1,024.
        prime: p, of the arithmetic.

    Returns:
        The `View`, with the price of every patch and unit that the cut contains; None if there is no such border.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> min_cut_view(B1=2, B2=2, C=2, M=2, left=2).reading
    'The cheapest cut: 4 patches at 2 and 2 units at 2 make 64. The rank is 64, the same.'
    """
    if not 1 <= left < SIZE:
        return None
    architecture, cut = place_overlap(B1, B2, C, M=M), _cut(left)
    found, rank = find_cut(architecture, cut), _rank(B1, B2, C, M, left, seed, prime)
    most, prices = M ** min(cut.sides), prices_of(found, architecture)
    bound, limit = _product(found), _product(find_cut(place_overlap(1, 1, C, M=M), cut))
    values: dict[str, Value] = {
        "patches cut": len(found.patches),
        "units cut": len(found.nodes),
        "instances cut": sum(found.nodes.values()),
        "bound": bound,
        "rank": rank if rank == bound else f"≥ {rank:,}",
        "without overlap, at most": limit,
        "of at most": most,
    }
    where = "; ".join(
        f"layer {layer}, row {row + 1}, column {column + 1}: {price}" for (layer, row, column), price in prices.items()
    )
    alternative = (
        f"The image and the four layers as grids, the image cut after column {left}. In the cut, with their prices: "
        f"{len(found.patches)} patches at {M}" + (f"; {where}" if where else "") + ". Below, on a logarithmic scale up "
        f"to {most:,}, the bound {bound:,} and the rank {rank:,}; without overlap the rank is at most {limit:,}."
    )
    name, colour = "rank" if rank == bound else "rank ≥", colour_of(max(B1, B2))
    scale = draw_rank_scale(rank, name=name, colour=colour, bound=bound, saturation=most, non_overlapping=limit)
    picture = stack(draw_cut(found, architecture, cut), scale, gap=0)
    return View(picture, alternative, _reading(found, prices, M, bound, rank), values)


def _cut(left: int) -> Cut:
    return make_cut([row * SIZE + column for row in range(SIZE) for column in range(left)], SIZE)


def _product(found: UnrolledCut) -> int:
    return prod(base**exponent for base, exponent in found.terms)


@cache
def _rank(B1: int, B2: int, C: int, M: int, left: int, seed: int, prime: int) -> int:
    network = place_overlap(B1, B2, C, M=M)
    return certify_rank(network, _cut(left), rows=SAMPLED, seed=seed, prime=prime).rank


def prices_of(found: UnrolledCut, architecture: Architecture) -> dict[Node, int]:
    """Return the price of every unit of a cut: n copies with C channels cost binom(C+n−1, n), as multisets.

    In the networks of this explorer, the bound is the product of these prices and of M for each patch.

    Args:
        found: the cut.
        architecture: the network.

    Returns:
        The prices by layer, row and column.

    Chapter: *How much overlap is enough*.

    >>> network = place_overlap(2, 2, C=2, M=4)
    >>> prices_of(find_cut(network), network)[1, 2, 1]
    3
    """
    channels = architecture.channels
    return {node: comb(channels[node[0]] + n - 1, n) for node, n in found.nodes.items()}


def _reading(found: UnrolledCut, prices: dict[Node, int], M: int, bound: int, rank: int) -> str:
    parts = [_counted(len(found.patches), "patch", "patches", M)] if found.patches else []
    parts += [_counted([*prices.values()].count(price), "unit", "units", price) for price in sorted({*prices.values()})]
    *others, last = parts
    words = f"{', '.join(others)} and {last}" if others else last
    alone = "costs" if len(found.patches) + len(prices) == 1 else "make"
    reading = f"The cheapest cut: {words} {alone} {bound:,}."
    if rank == bound:
        return f"{reading} The rank is {rank:,}, the same."
    return f"{reading} The rank is at least {rank:,}, by a sample of {SAMPLED:,} rows."


def _counted(number: int, one: str, more: str, price: int) -> str:
    return f"{number} {one if number == 1 else more} at {price:,}"


def draw_cut(found: UnrolledCut, architecture: Architecture, cut: Cut) -> str:
    """Draw a network of four layers on 4×4 patches as grids, with the price in each patch and unit of a cut.

    Blue squares are in the cut. An inner outline of a square says that the unrolled network has the unit several
    times. Tinted squares see patches of both sides, and white ones see one side only.

    Args:
        found: the cut.
        architecture: the network, from `place_overlap`.
        cut: P | Q; a thick line is the border between the two sides.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *How much overlap is enough*.

    >>> network = place_overlap(2, 2, C=2, M=4)
    >>> picture = draw_cut(find_cut(network), network, make_cut("left-right", 4))
    >>> "layer 3" in picture, ">3</text>" in picture
    (True, True)
    """
    svg = svg_document(WIDTH, GRIDS_TOP + SIZE * CELL + 2 * LINE + 6)
    prices, M = prices_of(found, architecture), architecture.representation_channels
    rows = set(cut.rows)
    for number, (left, count) in enumerate(GRIDS):
        top = GRIDS_TOP + CELL * (SIZE - count) / 2
        name = ("image", "layer 1", "2", "layer 3", "4")[number]
        add_text(svg, left + CELL * count / 2, GRIDS_TOP - 14, name, anchor="middle")
        places = [(row, column) for row in range(count) for column in range(count)]
        if number == 0:
            bought = {divmod(patch, SIZE): M for patch in found.patches}
        else:
            bought = {(row, column): price for (layer, row, column), price in prices.items() if layer == number}
            both = [place for place in places if _sees_both(architecture, number, place, rows)]
            add_path(svg, _squares(left, top, both), fill=INK, fill_opacity=".13")
        add_path(svg, _squares(left, top, bought), fill=BOUND_COLOUR)
        add_path(svg, lattice(left, top, CELL * count, count), fill="none", stroke=RULE if number else MUTED)
        for (row, column), price in bought.items():
            copies = found.nodes.get((number, row, column), 1)
            x, y = left + CELL * column, top + CELL * row
            add_text(svg, x + CELL / 2, y + 26, str(price), anchor="middle", fill="#FFFFFF", bold=True)
            if copies > 1:
                corner = f"M{short(x + 4)} {short(y + 4)}h{CELL - 8}v{CELL - 8}h-{CELL - 8}z"
                add_path(svg, corner, fill="none", stroke="#FFFFFF", stroke_width="1.5")
        _draw_product(svg, left, count, [*bought.values()])
    columns = {patch % SIZE for patch in rows}
    border = MARGIN + CELL * len(columns)
    add_line(svg, border, GRIDS_TOP - 6, border, GRIDS_TOP + SIZE * CELL + 6, INK, width=2.5)
    return serialize(svg)


def _squares(left: float, top: float, places: Iterable[tuple[int, int]]) -> str:
    return "".join(rectangle(left + CELL * column, top + CELL * row, CELL, CELL) for row, column in places)


def _draw_product(svg: ElementTree.Element, left: float, count: int, prices: list[int]) -> None:
    """Write below a grid what its part of the cut costs: the product of its prices, as powers."""
    if not prices:
        return
    powers = [(price, prices.count(price)) for price in sorted({*prices})]
    words = "·".join(f"{price}{str(n).translate(SUPERSCRIPTS) if n > 1 else ''}" for price, n in powers)
    middle = left + CELL * count / 2
    overhang = max(0.0, middle + BOLD_LETTER * len(words) / 2 - WIDTH)
    add_text(
        svg, middle - overhang, GRIDS_TOP + SIZE * CELL + LINE + 4, words, anchor="middle", bold=True, fill=BOUND_COLOUR
    )


def _sees_both(architecture: Architecture, layer: int, place: tuple[int, int], rows: set[int]) -> bool:
    """Whether a unit of a layer depends on patches of both sides."""
    ranges = []
    for first in place:
        start = stop = first
        for number in range(layer - 1, -1, -1):
            S, R = architecture.layers[number].stride, architecture.layers[number].receptive_field
            start, stop = start * S, stop * S + R - 1
            stop = min(stop, (SIZE, *architecture.sizes)[number] - 1)
        ranges.append(range(start, stop + 1))
    sides = {row * SIZE + column in rows for row in ranges[0] for column in ranges[1]}
    return len(sides) == 2
