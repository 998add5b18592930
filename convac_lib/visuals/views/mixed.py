"""The explorer of mixed decompositions: the bounds of five networks across a cut that the reader chooses."""

from itertools import product
from math import log

from convac_lib.related.mixed import NETWORKS, MixedPlan, rank_bound
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED
from convac_lib.visuals.svg import (
    MARGIN,
    WIDTH,
    Box,
    add_letters,
    add_path,
    add_text,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

PATCHES, STEP, PATCH, ROW = 8, 58, 44, 36
LEFT = WIDTH - PATCHES * STEP  # of the first patch's column
BAR, BARS = 40, 2 * ROW + 24  # the height of a bar's row, and where they begin
LONGEST = WIDTH - LEFT - 70  # of a bar
HEIGHT = BARS + BAR * len(NETWORKS) + 8


def mixed_view(cut: int, r: int, M: int = 4) -> View:
    """Show the proved bounds of the five networks with dilations 1, 2, 4 and 2, 1, 4 across a cut.

    Args:
        cut: the first side P as a number, 2ⁿ for each of its patches n; the last patch is never in P: 1 to 127.
        r: the width of both networks.
        M: templates.

    Returns:
        The `View`, on which every patch can be pointed at.

    Source: Cohen, Tamari & Shashua, ICLR 2018. Chapter: *Mixed decompositions*.

    >>> mixed_view(cut=0b110101, r=3).reading
    'No rank exceeds 27 and 27 for the two networks, 54 for their sum, 81 for the hybrid and 144 for the mixture.'
    """
    plan = MixedPlan(M, r)
    first = [patch for patch in range(PATCHES) if cut >> patch & 1]
    bounds = [rank_bound(plan, network, first) for network in NETWORKS]
    one, two, added, hybrid, mixture = bounds
    reading = f"No rank exceeds {one} and {two} for the two networks, {added} for their sum, "
    reading += f"{hybrid} for the hybrid and {mixture} for the mixture."
    listed = ", ".join(str(patch + 1) for patch in first)
    alternative = f"Patches 1 to 8, of which {listed} are in P, above a bar for each network. {reading}"
    values: dict[str, Value] = dict(zip(NETWORKS, bounds))
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_patch_box(patch, in_first), {"cut": moved})
        for patch, in_first in product(range(PATCHES - 1), (True, False))
        if (moved := cut | 1 << patch if in_first else cut & ~(1 << patch))
    ]
    return View(draw_mixed_bounds(first, bounds, M**4), alternative, reading, values, spots)


def _patch_box(patch: int, in_first: bool) -> Box:
    """Find the place of a patch: in the upper row if it is in P, in the lower one if not."""
    return LEFT + patch * STEP + (STEP - PATCH) / 2, 8 + (0 if in_first else ROW), PATCH, ROW


def draw_mixed_bounds(first: list[int], bounds: list[int], most: int) -> str:
    """Draw the patches in two rows, and below them the bounds as bars on a logarithmic scale.

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
    every = [_patch_box(patch, in_first) for patch in range(PATCHES) for in_first in (True, False)]
    add_path(svg, "".join(rectangle(*box) for box in every), fill="#FFFFFF", stroke=MUTED)
    add_path(svg, "".join(rectangle(*_patch_box(patch, True)) for patch in first), fill=INK)
    second = [patch for patch in range(PATCHES) if patch not in first]
    for patches, name, top, fill in ((first, "P", 8, "#FFFFFF"), (second, "Q", 8 + ROW, INK)):
        letters = "".join(str(patch + 1) for patch in patches)
        add_letters(svg, [LEFT + (patch + 0.5) * STEP for patch in patches], top + 25, letters, fill=fill)
        add_text(svg, MARGIN, top + 25, name, fill=MUTED)
    lengths = [max(2.0, LONGEST * log(bound) / log(max(most, 2))) for bound in bounds]
    tops = [BARS + BAR * place for place in range(len(bounds))]
    add_path(
        svg,
        "".join(rectangle(LEFT, top + 4, round(length, 1), BAR - 12) for top, length in zip(tops, lengths)),
        fill=BOUND_COLOUR,
    )
    for name, bound, top, length in zip(NETWORKS, bounds, tops, lengths):
        add_text(svg, MARGIN, top + 25, name)
        add_text(svg, LEFT + length + 8, top + 25, str(bound), bold=True)
    return serialize(svg)
