"""The explorer of pooling geometries: which windows a cut splits, and between which bounds the ranks are."""

from itertools import product

from convac_lib.families import baseline
from convac_lib.related.geometry import rank_bounds, split_windows, windows
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

LINES = 4  # rows, and columns, that a cut treats alike
LAST = LINES - 1
LEFT, TOP, SIDE = 92, LINE + 8, 232  # the image
BOX, GAP = 40, 4  # a box in which a side is chosen
RIGHT, ROOM = 350, 208  # the windows
NAMED = {
    "left | right": (range(0), range(2)),
    "top | bottom": (range(2), range(0)),
    "interleaved": (range(0), range(0, 4, 2)),
    "checkerboard": (range(0, 4, 2), range(0, 4, 2)),
    "outer | inner": (range(0), range(1, 3)),
    "diagonal": (range(2), range(2)),
}
BELOW = TOP + SIDE + 2 * (BOX + GAP) + 22  # the named cuts
HEIGHT = BELOW + 2 * (LINE + 18)


def number_of(rows: range, columns: range) -> int:
    """Number a cut as the explorer does: 2ʳ for each row r, and 8·2ᶜ for each column c, whose last patch is in P.

    Chapter: *Pooling geometry*.

    >>> [number_of(*cut) for cut in NAMED.values()]
    [24, 3, 40, 45, 48, 27]
    """
    return sum(1 << row for row in rows) + sum(8 << column for column in columns)


def patches_of(cut: int, size: int) -> list[int]:
    """List the patches of P of a numbered cut.

    A patch is in P if exactly one of two is: the last patch of its row, and the last patch of its column.

    Args:
        cut: 1 to 63, from `number_of`.
        size: H; each of the four lines stands for H/4 lines of patches.

    Chapter: *Pooling geometry*.

    >>> patches_of(number_of(*NAMED["checkerboard"]), 4)
    [1, 3, 4, 6, 9, 11, 12, 14]
    """
    scale = size // LINES
    return [
        size * row + column
        for row, column in product(range(size), repeat=2)
        if _row_in_first(cut, row // scale) != _column_in_first(cut, column // scale)
    ]


def _row_in_first(cut: int, row: int) -> bool:
    return row < LAST and bool(cut >> row & 1)


def _column_in_first(cut: int, column: int) -> bool:
    return column < LAST and bool(cut >> LAST + column & 1)


def geometry_view(geometry: str, cut: int, r: int, M: int = 4, size: int = 4) -> View:
    """Show which windows of a geometry a cut splits, and what this says of the rank.

    Args:
        geometry: "square", "mirror" or "far".
        cut: its number, 1 to 63, as `patches_of` reads it.
        r: the width of all layers.
        M: templates.
        size: H, 4 or 8.

    Returns:
        The `View`, on which a side can be chosen for each row and column, and every named cut.

    Source: Cohen & Shashua, ICLR 2017. Chapter: *Pooling geometry*.

    >>> print(geometry_view("mirror", number_of(*NAMED["left | right"]), r=4).reading)
    All 4 windows are split, so almost all weights have a rank of at least 4⁴ = 256. No weights have more than 256.
    """
    first = patches_of(cut, size)
    split = split_windows(first, geometry, size)
    lower, upper = rank_bounds(baseline(M, size, r), first, geometry)
    S, every = len(split), size**2 // 4
    reading = {0: f"None of the {every} windows is split", every: f"All {every} windows are split"}.get(
        S, f"{S} of the {every} windows {'is' if S == 1 else 'are'} split"
    )
    power = f"{min(r, M)}{str(S).translate(SUPERSCRIPTS)} = " * (S > 1)
    if S:
        reading += f", so almost all weights have a rank of at least {power}{lower:,}"
    reading += f". No weights have more than {upper:,}."
    alternative = (
        f"An image of {size}×{size} patches. In P, dark: {', '.join(str(patch) for patch in first)}. Beside it, its "
        f"{every} {geometry} windows, of which those that hold dark and white patches have a blue frame: {S}."
    )
    values: dict[str, Value] = {"split": S, "at least": lower, "at most": upper}
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_box(line, is_row, in_first), {"cut": moved})
        for line, is_row, in_first in product(range(LAST), (True, False), (True, False))
        if (moved := _moved(cut, line, is_row, in_first))
    ]
    spots += [(_choice(place), {"cut": number_of(*named)}) for place, named in enumerate(NAMED.values())]
    return View(draw_geometry(geometry, cut, size), alternative, reading, values, spots)


def _moved(cut: int, line: int, is_row: bool, in_first: bool) -> int:
    bit = 1 << line + (0 if is_row else LAST)
    return cut | bit if in_first else cut & ~bit


def _box(line: int, is_row: bool, in_first: bool) -> Box:
    """Find the box that chooses a side for a row, left of the image, or for a column, below it."""
    along = (line + 0.5) * SIDE / LINES - BOX / 2
    across = 0 if in_first else BOX + GAP
    return (MARGIN + across, TOP + along, BOX, BOX) if is_row else (LEFT + along, TOP + SIDE + 8 + across, BOX, BOX)


def _choice(place: int) -> Box:
    width = (WIDTH - 2 * MARGIN) / 3
    return MARGIN + place % 3 * width, BELOW + place // 3 * (LINE + 18), width, LINE + 10


def draw_geometry(geometry: str, cut: int, size: int) -> str:
    """Draw the image with a cut, each patch with its window's letter, and the windows beside it.

    Args:
        geometry: "square", "mirror" or "far".
        cut: its number, 1 to 63.
        size: H, 4 or 8.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Pooling geometry*.

    >>> "checkerboard" in draw_geometry("far", 45, 4)
    True
    """
    svg = svg_document(WIDTH, HEIGHT)
    first, split = set(patches_of(cut, size)), split_windows(patches_of(cut, size), geometry, size)
    cell, pooled = SIDE / size, windows(geometry, size)
    add_text(svg, LEFT, FONT, "image")
    add_text(svg, RIGHT, FONT, f"{geometry} windows")
    places = {patch: (LEFT + patch % size * cell, TOP + patch // size * cell) for patch in range(size**2)}
    dark = [(*places[patch], cell, cell) for patch in sorted(first)]
    frames: list[Box] = [(LEFT, TOP, SIDE, SIDE)]
    lines = [(*place, cell, cell) for place in places.values()]
    letters = [
        (x + cell / 2, y + cell / 2, chr(ord("A") + number), patch in first)
        for number, window in enumerate(pooled)
        for patch in window
        for x, y in [places[patch]]
    ]
    across = size // 2  # windows in a row
    step, part = ROOM / across, (ROOM / across - 14) / 2
    blue: list[Box] = []
    for number, window in enumerate(pooled):
        x, y = RIGHT + number % across * step, TOP + 6 + number // across * step
        for place, patch in enumerate(window):
            box = (x + place % 2 * part, y + place // 2 * part, part, part)
            lines.append(box)
            if patch in first:
                dark.append(box)
        (blue if number in split else frames).append((x, y, 2 * part, 2 * part))
        if size == LINES:  # the parts of smaller windows have no room for letters
            letter = chr(ord("A") + number)
            letters += [
                (x + (place % 2 + 0.5) * part, y + (place // 2 + 0.5) * part, letter, patch in first)
                for place, patch in enumerate(window)
            ]
    for line, is_row in product(range(LAST), (True, False)):
        chosen = _row_in_first(cut, line) if is_row else _column_in_first(cut, line)
        for in_first in (True, False):
            left, top, width, height = box = _box(line, is_row, in_first)
            lines.append(box)
            if chosen == in_first:
                blue.append(box)
            name, x, y = "P" if in_first else "Q", left + width / 2, top + height / 2 + 7
            add_text(svg, x, y, name, anchor="middle", bold=chosen == in_first)
    add_path(svg, "".join(rectangle(*box) for box in dark), fill=INK)
    add_path(svg, "".join(rectangle(*box) for box in lines), fill="none", stroke=RULE)
    add_path(svg, "".join(rectangle(*box) for box in frames), fill="none", stroke=MUTED, stroke_width="2")
    add_path(svg, "".join(rectangle(*box) for box in blue), fill="none", stroke=BOUND_COLOUR, stroke_width="4")
    for x, y, letter, is_dark in letters:
        add_text(svg, x, y + 7, letter, anchor="middle", fill="#FFFFFF" if is_dark else INK)
    for place, name in enumerate(NAMED):
        left, top, width, height = _choice(place)
        add_path(svg, rectangle(left + 4, top, width - 8, height), fill="none", stroke=RULE)
        add_text(svg, left + width / 2, top + LINE, name, anchor="middle")
    return serialize(svg)
