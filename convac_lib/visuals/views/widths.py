"""The explorer of widths: the cheapest cut through a tree over eight patches, and the patches that it separates."""

from itertools import product

from convac_lib.related.row import RowTree, row_cut
from convac_lib.related.widths import Bond, CheapestCut, min_cut
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_letters,
    add_path,
    add_text,
    polyline,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

PATCHES, ALL = 8, 2**8 - 1
STEP, PATCH, ROW = 58, 44, 36  # from patch to patch, the width of one, and the height of a row of them
LEFT = WIDTH - PATCHES * STEP  # of the first patch's column
TOPS = 312, 222, 132, 42  # the heights of the patches' bonds and of the windows of levels 1 to 3
BOTTOM = TOPS[0] + 34
NAMED: dict[str, str | tuple[int, ...]] = {
    "halves": "left-right",
    "odd | even": "odd-even",
    "pairs": (0, 1, 4, 5),
    "one patch": (0,),
}
CHOICES = BOTTOM + 2 * ROW + 16  # the row of named cuts, by its top
HEIGHT = CHOICES + LINE + 12


def widths_view(cut: int, r0: int, r: int, r1: int | None = None, M: int = 4) -> View:
    """Show the cheapest cut of a tree over eight patches, and what it costs.

    Args:
        cut: the first side P as a number, 2ⁿ for each of its patches n; the last patch is never in P: 1 to 127.
        r0: the width of level 0.
        r: the width of levels 1 and 2.
        r1: the width of level 1, if it is another than r.
        M: templates.

    Returns:
        The `View`, on which every patch and every named cut can be pointed at.

    Source: Levine, Yakira, Cohen & Shashua, ICLR 2018. Chapter: *Widths and entanglement*.

    >>> widths_view(cut=0b01010101, r0=4, r=2).reading
    'The cheapest cut passes 4 windows of level 1: 4·4·4·4 = 256, and no rank is larger. The tree has 170 numbers.'
    """
    tree = RowTree(PATCHES, M, (r0, r1 or r, r))
    first = [patch for patch in range(PATCHES) if cut >> patch & 1]
    found = min_cut(tree, first)
    sizes = [size_of(tree, bond) for bond in sorted(found.bonds)]
    costs = "·".join(map(str, sizes)) + (f" = {found.value:,}" if len(sizes) > 1 else "")
    reading = f"The cheapest cut passes {_where(found)}: {costs}, and no rank is larger. "
    reading += f"The tree has {tree.parameters:,} numbers."
    alternative = (
        f"A tree over patches 1 to 8 of widths {tree.widths[0]}, {tree.widths[1]} and {tree.widths[2]}, whose cheapest "
        f"cut is blue. In P, dark: {', '.join(str(patch + 1) for patch in first)}."
    )
    values: dict[str, Value] = {"min cut": found.value, "bonds": " ".join(map(str, sizes)), "numbers": tree.parameters}
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_patch_box(patch, in_first), {"cut": moved})
        for patch, in_first in product(range(PATCHES - 1), (True, False))
        if (moved := cut | 1 << patch if in_first else cut & ~(1 << patch))
    ]
    spots += [(_choice_box(place), {"cut": number_of(named)}) for place, named in enumerate(NAMED.values())]
    return View(draw_widths(tree, first, found), alternative, reading, values, spots)


def number_of(cut: str | tuple[int, ...]) -> int:
    """Number a cut as the explorer does: 2ⁿ for each patch n of its side without the last patch.

    Chapter: *Widths and entanglement*.

    >>> number_of("odd-even"), number_of((0,)), number_of((7,))
    (85, 1, 127)
    """
    number = sum(1 << patch for patch in row_cut(cut, PATCHES))
    return number ^ ALL if number >> PATCHES - 1 else number


def size_of(tree: RowTree, bond: Bond) -> int:
    """Return the size of a bond: M below a leaf matrix, r_{l−1} in a window of level l."""
    return tree.widths[bond[0] - 1] if bond[0] else tree.representation_channels


def _where(found: CheapestCut) -> str:
    """Say which bonds are cut, level by level."""
    parts = []
    for level in range(len(TOPS)):
        count = sum(bond[0] == level for bond in found.bonds)
        if count and level:
            parts.append(f"{count} window{'s' * (count > 1)} of level {level}")
        elif count:
            parts.append("the bond of 1 patch" if count == 1 else f"the bonds of {count} patches")
    return " and ".join(parts)


def _patch_box(patch: int, in_first: bool) -> Box:
    """Find the place of a patch: in the upper row if it is in P, in the lower one if not."""
    return LEFT + patch * STEP + (STEP - PATCH) / 2, BOTTOM + (0 if in_first else ROW), PATCH, ROW


def _choice_box(place: int) -> Box:
    width = (WIDTH - 2 * MARGIN) / len(NAMED)
    return MARGIN + place * width, CHOICES, width, LINE + 10


def _middle(bond: Bond) -> float:
    """Find where a window stands, or the bond of a patch, between left and right."""
    level, place = bond
    return LEFT + (place + 0.5) * STEP * (1 << level)


def draw_widths(tree: RowTree, first: list[int], found: CheapestCut) -> str:
    """Draw the tree with its widths at the left, the bonds of the cut in blue, and the first side dark.

    Args:
        tree: a `RowTree` over eight patches.
        first: the patches of the first side.
        found: the cut to mark.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Widths and entanglement*.

    >>> tree = RowTree(8, 4, (4, 2, 2))
    >>> "r₀ = 4" in draw_widths(tree, [0], min_cut(tree, [0]))
    True
    """
    svg = svg_document(WIDTH, HEIGHT)
    lines = ""
    for level in range(1, len(TOPS)):
        for place in range(PATCHES >> level):
            x, y = _middle((level, place)), TOPS[level]
            for child in (2 * place, 2 * place + 1):
                lines += polyline([(_middle((level - 1, child)), TOPS[level - 1]), (x, y)])
    lines += "".join(polyline([(_middle((0, n)), TOPS[0]), (_middle((0, n)), BOTTOM)]) for n in range(PATCHES))
    lines += polyline([(_middle((3, 0)), TOPS[3]), (_middle((3, 0)), TOPS[3] - 36)])
    add_path(svg, lines, fill="none", stroke=MUTED, stroke_width="2")
    boxes = {(level, place): _window(level, place) for level in range(len(TOPS)) for place in range(PATCHES >> level)}
    add_path(svg, "".join(boxes.values()), fill="#FFFFFF", stroke=MUTED, stroke_width="2")
    add_path(svg, "".join(boxes[bond] for bond in found.bonds), fill=BOUND_COLOUR)
    for level in range(len(TOPS)):
        cut = [bond for bond in found.bonds if bond[0] == level]
        for bond in cut:
            size = str(size_of(tree, bond))
            add_text(svg, _middle(bond), TOPS[level] + 7, size, anchor="middle", fill="#FFFFFF", bold=True)
        name = f"{'r' + '₀₁₂'[level - 1] if level else 'M'} = {size_of(tree, (level, 0))}"
        add_text(svg, MARGIN, TOPS[level] + 7, name, fill=BOUND_COLOUR if cut else MUTED, bold=bool(cut))
    every = [_patch_box(patch, in_first) for patch in range(PATCHES) for in_first in (True, False)]
    add_path(svg, "".join(rectangle(*box) for box in every), fill="#FFFFFF", stroke=MUTED)
    add_path(svg, "".join(rectangle(*_patch_box(patch, True)) for patch in first), fill=INK)
    second = [patch for patch in range(PATCHES) if patch not in first]
    for patches, name, row, fill in ((first, "P", BOTTOM, "#FFFFFF"), (second, "Q", BOTTOM + ROW, INK)):
        letters = "".join(str(patch + 1) for patch in patches)
        add_letters(svg, [_middle((0, patch)) for patch in patches], row + 25, letters, fill=fill)
        add_text(svg, MARGIN, row + 25, name, fill=MUTED)
    for place, name in enumerate(NAMED):
        left, top, width, height = _choice_box(place)
        add_path(svg, rectangle(left + 4, top, width - 8, height), fill="none", stroke=RULE)
        add_text(svg, left + width / 2, top + LINE, name, anchor="middle")
    return serialize(svg)


def _window(level: int, place: int) -> str:
    width, height = (44, 34) if level else (30, 28)
    return rectangle(_middle((level, place)) - width / 2, TOPS[level] - height / 2, width, height)
