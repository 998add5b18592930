"""The explorer of mixed decompositions: two trees over eight patches, a cut, and the bounds of five networks."""

from itertools import product
from math import log

from convac_lib.related.mixed import NETWORKS, MixedPlan, leaf_order, rank_bound
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED
from convac_lib.visuals.svg import (
    MARGIN,
    WIDTH,
    Box,
    Place,
    add_line,
    add_path,
    add_text,
    polyline,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

DILATIONS = (1, 2, 4), (2, 1, 4)
PATCHES, STEP, PATCH, ROW = 8, 58, 44, 32
LEFT = WIDTH - PATCHES * STEP  # of the first patch's column
TOP = 128  # of the patches in P, below the first tree
TREES = (100, 58, 16), (TOP + 2 * ROW + 28, TOP + 2 * ROW + 70, TOP + 2 * ROW + 112)  # the heights of both, by level
NODE_WIDTH, NODE_HEIGHT = 26, 20
BAR, BARS = 34, TREES[1][2] + 30  # the height of a bar's row, and where they begin
LONGEST = WIDTH - LEFT - 72  # of a bar
HEIGHT = BARS + BAR * len(NETWORKS)


def mixed_view(r: int, cut: int = 0b110101, M: int = 4) -> View:
    """Show two networks with dilations 1, 2, 4 and 2, 1, 4, a cut, and the proved bounds of the five networks.

    Args:
        r: the width of both networks.
        cut: the first side P as a number, 2ⁿ for each of its patches n; the last patch is never in P: 1 to 127.
        M: templates.

    Returns:
        The `View`, on which every patch can be pointed at.

    Source: Cohen, Tamari & Shashua, ICLR 2018. Chapter: *Mixed decompositions*.

    >>> mixed_view(r=3).reading
    'No rank exceeds 27 and 27 for the two networks, 54 for their sum, 81 for the hybrid and 144 for the mixture.'
    """
    plan = MixedPlan(M, r, *DILATIONS)
    first = [patch for patch in range(PATCHES) if cut >> patch & 1]
    bounds = [rank_bound(plan, network, first) for network in NETWORKS]
    one, two, added, hybrid, mixture = (f"{bound:,}" for bound in bounds)
    reading = f"No rank exceeds {one} and {two} for the two networks, {added} for their sum, "
    reading += f"{hybrid} for the hybrid and {mixture} for the mixture."
    listed = ", ".join(str(patch + 1) for patch in first)
    alternative = (
        f"Patches 1 to 8, of which {listed} are in P, between two trees. The first joins 1 and 2, and so on, the "
        f"second 1 and 3, and 2 and 4. Blue lines join the nodes of each half. Below, a bar for each network. {reading}"
    )
    values: dict[str, Value] = dict(zip(NETWORKS, bounds))
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_patch_box(patch, in_first), {"cut": moved})
        for patch, in_first in product(range(PATCHES - 1), (True, False))
        if (moved := cut | 1 << patch if in_first else cut & ~(1 << patch))
    ]
    return View(draw_mixed_bounds(first, bounds, M**4), alternative, reading, values, spots)


def _patch_box(patch: int, in_first: bool) -> Box:
    """Find the place of a patch: in the upper row if it is in P, in the lower one if not."""
    return LEFT + patch * STEP + (STEP - PATCH) / 2, TOP + (0 if in_first else ROW), PATCH, ROW


def draw_mixed_bounds(first: list[int], bounds: list[int], most: int) -> str:
    """Draw the patches in two rows between both trees, and below them the bounds as bars on a logarithmic scale.

    A node whose patches are on both sides is grey. The lines of the mixture, between nodes over the same patches, are
    blue.

    Args:
        first: the patches of the first side, from 0.
        bounds: one for each of `NETWORKS`.
        most: the bound that fills the width.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Mixed decompositions*.

    >>> "hybrid" in draw_mixed_bounds([0], [3, 3, 4, 3, 4], 256)
    True
    """
    svg = svg_document(WIDTH, HEIGHT)
    leaves = [LEFT + (patch + 0.5) * STEP for patch in range(PATCHES)]
    for half in (2, 6):
        middle = LEFT + half * STEP
        add_line(svg, middle, TREES[0][1], middle, TREES[1][1], BOUND_COLOUR, width=4, dashes="6 4")
    wires = ""
    nodes: dict[str, list[Box]] = {"#FFFFFF": [], MUTED: [], INK: []}
    for dilations, heights, start in zip(DILATIONS, TREES, (TOP, TOP + 2 * ROW)):
        order = leaf_order(dilations)
        places: list[Place] = [(leaves[patch], start) for patch in order]
        for level, height in enumerate(heights, start=1):
            above = [((one[0] + other[0]) / 2, float(height)) for one, other in zip(places[::2], places[1::2])]
            wires += "".join(polyline([places[2 * j + side], above[j]]) for j in range(len(above)) for side in (0, 1))
            places = above
            for j, (x, y) in enumerate(places):
                inside = len(set(first).intersection(order[j << level : j + 1 << level]))
                fill = {0: "#FFFFFF", 1 << level: INK}.get(inside, MUTED)
                nodes[fill].append((x - NODE_WIDTH / 2, y - NODE_HEIGHT / 2, NODE_WIDTH, NODE_HEIGHT))
    add_path(svg, wires, fill="none", stroke=MUTED, stroke_width="2")
    for fill, boxes in nodes.items():
        add_path(svg, "".join(rectangle(*box) for box in boxes), fill=fill, stroke=MUTED, stroke_width="2")
    every = [_patch_box(patch, in_first) for patch in range(PATCHES) for in_first in (True, False)]
    add_path(svg, "".join(rectangle(*box) for box in every), fill="#FFFFFF", stroke=MUTED)
    add_path(svg, "".join(rectangle(*_patch_box(patch, True)) for patch in first), fill=INK)
    for patch in range(PATCHES):
        _, top, _, _ = _patch_box(patch, patch in first)
        fill = "#FFFFFF" if patch in first else INK
        add_text(svg, leaves[patch], top + 23, str(patch + 1), anchor="middle", fill=fill)
    names = {"P": TOP + 23, "Q": TOP + ROW + 23, "first": TREES[0][1] + 7, "second": TREES[1][1] + 7}
    for name, y in names.items():
        add_text(svg, MARGIN, y, name, fill=MUTED)
    lengths = [int(max(2, LONGEST * log(bound) / log(max(most, 2))) + 0.5) for bound in bounds]
    tops = [BARS + BAR * place for place in range(len(bounds))]
    bars = "".join(rectangle(LEFT, top + 2, length, BAR - 10) for top, length in zip(tops, lengths))
    add_path(svg, bars, fill=BOUND_COLOUR)
    for network, bound, top, length in zip(NETWORKS, bounds, tops, lengths):
        add_text(svg, MARGIN, top + 21, network)
        add_text(svg, LEFT + length + 8, top + 21, f"{bound:,}", bold=True)
    return serialize(svg)
