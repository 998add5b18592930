"""The explorer of pooling geometries: which windows a cut splits, and between which bounds the ranks are."""

from collections.abc import Iterable
from itertools import product

from convac_lib.families import baseline
from convac_lib.related.geometry import rank_bounds, split_windows, windows
from convac_lib.theory.cuts import make_cut
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE
from convac_lib.visuals.svg import (
    FONT,
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    Box,
    add_path,
    add_text,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

SIZE, PATCHES = 4, 16
CELL, TOP = 58, LINE + 8  # of the two images, of the patches in P and of those in Q
LEFTS = 30, 298
PART, STEP = 40, 140  # of a window: the side of a patch, and from window to window
WINDOWS = TOP + SIZE * CELL + 2 * LINE + 8  # the windows' top
NAMED: dict[str, str | list[int]] = {
    "left | right": "left-right",
    "top | bottom": "top-bottom",
    "interleaved": "interleaved",
    "checkerboard": "checkerboard",
    "outer | inner": [patch for patch in range(PATCHES) if patch % SIZE in (1, 2)],
    "diagonal": [2, 3, 6, 7, 8, 9, 12, 13],
}
CHOICES, CHOICE = WINDOWS + 2 * PART + LINE, LINE + 10  # the named cuts, by their top, and the height of one
HEIGHT = CHOICES + 2 * (CHOICE + 8) - 6


def number_of(cut: str | Iterable[int]) -> int:
    """Number a cut of 4×4 patches as the explorer does: 2ⁿ for each patch n of its side without the last patch.

    Chapter: *Pooling geometry*.

    >>> number_of("left-right"), number_of([0]), number_of([15])
    (13107, 1, 32767)
    """
    number = sum(1 << patch for patch in make_cut(cut, SIZE).rows)
    return number ^ 2**PATCHES - 1 if number >> PATCHES - 1 else number


def geometry_view(geometry: str, r: int, cut: int = 0x3333, M: int = 4) -> View:
    """Show which windows of a geometry a cut of 4×4 patches splits, and what this says of the rank.

    Args:
        geometry: "square", "mirror" or "far".
        r: the width of both layers.
        cut: the first side P as a number, 2ⁿ for each of its patches n; the last patch is never in P: 1 to 32,767.
        M: templates.

    Returns:
        The `View`, on which every patch and every named cut can be pointed at.

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> print(geometry_view("mirror", r=4).reading)
    All 4 windows are split, so almost all weights have a rank of at least 4⁴ = 256. No weights have more than 256.
    """
    first = [patch for patch in range(PATCHES) if cut >> patch & 1]
    split = split_windows(first, geometry, SIZE)
    lower, upper = rank_bounds(baseline(M, SIZE, r), first, geometry)
    w = len(split)
    reading = {0: "None of the 4 windows is split", 4: "All 4 windows are split"}.get(
        w, f"{w} of the 4 windows {'is' if w == 1 else 'are'} split"
    )
    power = f"{min(r, M)}{str(w).translate(SUPERSCRIPTS)} = " * (w > 1)
    if w:
        reading += f", so almost all weights have a rank of at least {power}{lower:,}"
    reading += f". No weights have more than {upper:,}."
    alternative = (
        f"An image of 4×4 patches. In P, dark: {', '.join(map(str, first))}. Below, its 4 {geometry} windows, of which "
        f"those that hold dark and white patches have a blue frame: {w}."
    )
    values: dict[str, Value] = {"split": w, "at least": lower, "at most": upper}
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_patch_box(patch, in_first), {"cut": moved})
        for patch, in_first in product(range(PATCHES - 1), (True, False))
        if (moved := cut | 1 << patch if in_first else cut & ~(1 << patch))
    ]
    spots += [(_choice_box(place), {"cut": number_of(named)}) for place, named in enumerate(NAMED.values())]
    return View(draw_geometry(geometry, first), alternative, reading, values, spots)


def _patch_box(patch: int, in_first: bool) -> Box:
    """Find the place of a patch: in the left image if it is in P, in the right one if not."""
    return LEFTS[0 if in_first else 1] + patch % SIZE * CELL, TOP + patch // SIZE * CELL, CELL, CELL


def _choice_box(place: int) -> Box:
    width = (WIDTH - 2 * MARGIN) / 3
    return MARGIN + place % 3 * width, CHOICES + place // 3 * (CHOICE + 8), width, CHOICE


def draw_geometry(geometry: str, first: list[int]) -> str:
    """Draw the patches of P in one image and the others in a second one, and the windows below.

    Args:
        geometry: "square", "mirror" or "far".
        first: the patches of P.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Pooling geometry*.

    >>> "checkerboard" in draw_geometry("far", [0, 5])
    True
    """
    svg = svg_document(WIDTH, HEIGHT)
    pooled, split = windows(geometry, SIZE), split_windows(first, geometry, SIZE)
    letters = {patch: "ABCD"[number] for number, window in enumerate(pooled) for patch in window}
    inside = [_patch_box(patch, True) for patch in first]
    others = [_patch_box(patch, False) for patch in range(PATCHES) if patch not in first]
    empty = [_patch_box(patch, patch not in first) for patch in range(PATCHES)]
    frames: list[Box] = []
    parts: list[tuple[Box, int]] = []
    for number, window in enumerate(pooled):
        left = (STEP - 2 * PART) / 2 + number * STEP
        frames.append((left, WINDOWS, 2 * PART, 2 * PART))
        parts += [
            ((left + place % 2 * PART, WINDOWS + place // 2 * PART, PART, PART), patch)
            for place, patch in enumerate(window)
        ]
    dark = inside + [box for box, patch in parts if patch in first]
    white = others + [box for box, patch in parts if patch not in first]
    add_path(svg, "".join(rectangle(*box) for box in empty), fill="none", stroke=RULE)
    add_path(svg, "".join(rectangle(*box) for box in dark), fill=INK, stroke="#FFFFFF")
    add_path(svg, "".join(rectangle(*box) for box in white), fill="none", stroke=MUTED)
    blue = "".join(rectangle(*frames[number]) for number in split)
    if blue:
        add_path(svg, blue, fill="none", stroke=BOUND_COLOUR, stroke_width="4")
    for box, patch in [(_patch_box(patch, patch in first), patch) for patch in range(PATCHES)] + parts:
        left, top, width, height = box
        fill = "#FFFFFF" if patch in first else INK
        add_text(svg, left + width / 2, top + height / 2 + 7, letters[patch], anchor="middle", fill=fill)
    for left, name in zip(LEFTS, ("patches in P", "patches in Q")):
        add_text(svg, left, FONT, name)
    add_text(svg, LEFTS[0], WINDOWS - 14, f"{geometry} windows: {len(split)} split")
    for place, name in enumerate(NAMED):
        left, top, width, height = _choice_box(place)
        add_path(svg, rectangle(left + 4, top, width - 8, height), fill="none", stroke=RULE)
        add_text(svg, left + width / 2, top + LINE, name, anchor="middle")
    return serialize(svg)
