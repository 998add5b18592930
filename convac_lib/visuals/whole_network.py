"""A whole network as one picture: photograph, patches, M numbers per patch, layers, dense layer, outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

from convac_lib.architecture import Architecture
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, ConvacError, shown
from convac_lib.visuals.photograph import add_photograph
from convac_lib.visuals.sheets import SHEAR, Stack, add_funnel, add_lattice, add_stack
from convac_lib.visuals.style import INK, LIT, MUTED
from convac_lib.visuals.svg import (
    BOLD_LETTER,
    FONT,
    LINE,
    MARGIN,
    WIDTH,
    add_line,
    add_path,
    add_text,
    lattice,
    outline,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.templates import MOTIFS, add_template
from convac_lib.visuals.windows import fields_below, last_wide_unit, neighbours, overlap_colour, window_below

LETTERS, WINDOWS = ("H", "M", "B", "R", "S", "C"), ("B", "R", "S")  # all letters, and those of windows
PAPER = "#FFFFFF"
LARGEST = 8  # patches per side; with more, they are too small to be seen
HEIGHT, BASE, AXIS, WORDS = 520, 214, 238, 355  # of the picture; the sheets' width and middle; where words begin
COLUMNS = (WORDS, WORDS + 62, WORDS + 124)  # of R, S and C
PHOTOGRAPH, BAND, HEAD = 120, 88, 14  # the photograph's side, the heights below and above the stacks
DEPTHS = [depth / 100 for depth in range(50, 20, -2)]
LEAST_GAP = 20  # between two stacks
OUTPUT, MOST_OUTPUTS, TEMPLATE = 16, 10, 20


def draw_whole_network(architecture: Architecture, *, highlight: str | None = None, outputs: int = 1) -> str:
    """Draw a whole network, from the photograph at the bottom to the outputs at the top.

    The photograph is divided into H×H patches. Each patch becomes M numbers: one sheet for each of M templates. Each
    layer is a stack of C sheets of units, with R, S and C beside the windows by which it sees the layer below, and its
    shape C×H×H beside its sheets. The unit of the last layer above 1×1 that is traced, at its top left, is filled, and
    all that it depends on is tinted, down to the patches.

    Args:
        architecture: the network, of at most 8×8 patches, ending in 1×1.
        highlight: the letter that lights up, with what it counts: "H" (patches per side), "M" (templates), "R"
            (receptive field), "B" (the receptive field of the stride-1 layers), "S" (stride) or "C" (channels).
        outputs: Y, the number of outputs, each with a vector of the dense layer.

    Returns:
        An SVG document, 560 wide and 520 high (higher if there are more layers than fit).

    Raises:
        ArchitectureError: if the network is larger, does not end in 1×1, or has no integer of at least 1 as outputs.
        ConvacError: if the letter is unknown.

    Source: talk, slides "Baseline Architecture" and "Generalized Convolutional Arithmetic Circuits". Chapter:
    *Networks in pictures*.

    >>> from convac_lib import common_case
    >>> picture = draw_whole_network(common_case(B=3, M=2, size=4), highlight="B")
    >>> "2×4×4" in picture, "B=3" in picture, "M=2 templates" in picture
    (True, True, True)
    """
    _require_drawable(architecture, highlight, outputs)
    stacks = _stacks(architecture)
    svg = svg_document(WIDTH, stacks[0].bottom + BAND)
    _draw_photograph(svg, architecture, stacks[0], highlight)
    if highlight in WINDOWS:
        _draw_windows(svg, architecture, stacks, highlight)
    else:
        _draw_traced(svg, architecture, stacks, highlight)
    _draw_outputs(svg, stacks[-1], outputs)
    _write_templates(svg, architecture.representation_channels, stacks[0].bottom, highlight)
    _write_layers(svg, architecture, stacks, highlight)
    return serialize(svg)


def _require_drawable(architecture: Architecture, highlight: str | None, outputs: int) -> None:
    require_integers(error=ArchitectureError, outputs=outputs)
    architecture.require_single_output()
    if architecture.size > LARGEST:
        raise ArchitectureError(
            f"the drawing of a whole network has room for {LARGEST}×{LARGEST} patches, and the image has "
            f"{shown(architecture.size)}×{shown(architecture.size)}; draw a network on a smaller image"
        )
    if highlight is not None and highlight not in LETTERS:
        raise ConvacError(f"no letter {highlight!r} can light up; use one of {', '.join(LETTERS)}")


def _stacks(architecture: Architecture) -> list[Stack]:
    """Place the representation and the layers over one another, as deep as the picture's height allows."""
    counts, room = (architecture.size, *architecture.sizes), HEIGHT - BAND - HEAD
    cell = BASE / architecture.size / (1 + SHEAR)
    for depth in DEPTHS:
        stacks = [Stack(*numbers, cell, depth, AXIS) for numbers in zip(counts, architecture.channels)]
        heights = [stack.height for stack in stacks]
        gaps = [max(LEAST_GAP, 2 * LINE - min(pair)) for pair in pairwise(heights)]  # for words beside each
        gaps.append(2 * LINE - heights[-1] / 2)  # up to the outputs
        spare = room - sum(gaps) - sum(heights)
        if spare > 12 * len(gaps):
            break
    top, placed = float(HEAD), []
    for stack, gap in zip(reversed(stacks), reversed(gaps)):
        top += gap + max(0, spare) / len(gaps)
        placed.append(replace(stack, top=top))
        top += stack.height
    return placed[::-1]


def _draw_photograph(svg: ElementTree.Element, architecture: Architecture, first: Stack, highlight: str | None) -> None:
    """Draw the photograph with its patches and what the traced unit sees of it, and lines to its M sheets."""
    size, top, lit = architecture.size, first.bottom + BAND - LINE - 6 - PHOTOGRAPH, highlight == "H"
    group = add_photograph(svg, MARGIN, top, PHOTOGRAPH, size)
    if lit:
        add_path(group, outline(range(size), range(size)), fill=LIT, fill_opacity=".5")
    elif highlight not in WINDOWS:
        field = fields_below(architecture, last_wide_unit(architecture))[0]
        add_path(group, outline(*field), fill=overlap_colour(architecture), fill_opacity=".38")
    add_path(group, lattice(0, 0, size, size), stroke=INK if lit else MUTED, stroke_width="2" if lit else "1")
    for corner, (row, column) in ((MARGIN, (0, 0)), (MARGIN + PHOTOGRAPH, (size, 0))):
        add_line(svg, corner, top, *first.place(row, column), MUTED, dashes="3 4")
    _write(svg, MARGIN + PHOTOGRAPH / 2, top + PHOTOGRAPH + LINE - 2, f"H={size}", lit=lit, anchor="middle")


def _draw_traced(
    svg: ElementTree.Element, architecture: Architecture, stacks: Sequence[Stack], highlight: str | None
) -> None:
    """Draw the stacks, and tint all that the traced unit depends on; M or C lights the sheets that it counts."""
    colour, fields = overlap_colour(architecture), fields_below(architecture, last_wide_unit(architecture))
    for number, stack in enumerate(stacks):
        lit = highlight == ("C" if number else "M")
        group = add_stack(svg, stack, fill=LIT if lit else PAPER)
        if number < len(fields) and not lit:
            last = number == len(fields) - 1
            add_path(group, outline(*fields[number]), fill=colour, fill_opacity="1" if last else ".38")
        add_lattice(group, stack)
        if number + 1 < len(fields):
            seen, seeing = fields[number : number + 2]
            add_funnel(svg, stack, seen, stacks[number + 1], seeing, fill=colour, opacity=".2")


def _draw_windows(svg: ElementTree.Element, architecture: Architecture, stacks: Sequence[Stack], letter: str) -> None:
    """Draw the stacks, and on each one the windows of two neighbouring units of the layer above, solid and dashed."""
    group = add_stack(svg, stacks[0])
    for number, (layer, below, above) in enumerate(zip(architecture.layers, stacks, stacks[1:]), start=1):
        units = neighbours(architecture, number)
        windows = [window_below(layer, unit, below.count) for unit in units]
        lit = letter != "B" or layer.stride == 1
        if lit and letter != "S":
            add_path(group, outline(*windows[0]), fill=LIT)
        elif lit and len(windows) > 1:
            (rows, first), (_, second) = windows
            add_path(group, outline(rows, range(first.start, second.start)), fill=LIT)
        add_lattice(group, below)
        for window, dashes in zip(windows if lit else (), ("none", "5 3")):
            add_path(group, outline(*window), stroke=INK, stroke_width="2.5", stroke_dasharray=dashes)
        if lit and letter != "S":
            add_funnel(svg, below, windows[0], above, units[0], fill=LIT, opacity=".5")
        group = add_stack(svg, above)
        if lit and letter != "S":
            add_path(group, outline(*units[0]), fill=INK)
    add_lattice(group, stacks[-1])


def _draw_outputs(svg: ElementTree.Element, last: Stack, outputs: int) -> None:
    """Draw the dense layer as lines from the last unit to the outputs, of which at most ten are drawn."""
    drawn, (x, y) = min(outputs, MOST_OUTPUTS), last.middle_of(last.whole)
    for at in range(drawn):
        middle = AXIS + (at - (drawn - 1) / 2) * (OUTPUT + 6)
        add_line(svg, x, y, middle, HEAD, MUTED)
        add_path(svg, rectangle(middle - OUTPUT / 2, HEAD - OUTPUT / 2, OUTPUT, OUTPUT), fill=PAPER, stroke=INK)
    left = AXIS - (drawn - 1) / 2 * (OUTPUT + 6)
    add_text(svg, left - OUTPUT - 4, HEAD + 7, "dense", anchor="end", fill=MUTED)
    add_text(svg, WORDS, HEAD + 7, f"{outputs:,} output" + "s" * (outputs > 1), bold=True)


def _write_templates(svg: ElementTree.Element, M: int, bottom: float, highlight: str | None) -> None:
    """Write M below the representation, and draw the templates, of which there are at most eight."""
    left, y, plural = MARGIN + PHOTOGRAPH + 18, bottom + LINE + 8, "s" if M > 1 else ""
    _write(svg, left, y, f"M={M} template{plural}", lit=highlight == "M")
    for number in range(min(M, len(MOTIFS))):
        add_template(svg, number, left + 208 + number * (TEMPLATE + 4), y - 17, TEMPLATE)
    add_text(svg, left, y + LINE + 6, f"representation: {M} number{plural} per patch", fill=MUTED)


def _write_layers(
    svg: ElementTree.Element, architecture: Architecture, stacks: Sequence[Stack], highlight: str | None
) -> None:
    """Write R, S and C beside every layer's windows, and the shape C×H×H beside its sheets."""
    for stack in stacks:
        add_text(svg, WORDS, stack.middle + 7, f"{stack.channels}×{stack.count}×{stack.count}", bold=True)
    for number, (layer, below, stack) in enumerate(zip(architecture.layers, stacks, stacks[1:]), start=1):
        add_text(svg, stack.left - 10, stack.middle + 7, f"layer {number}", anchor="end", fill=MUTED)
        first = "B" if highlight == "B" and layer.stride == 1 else "R"
        numbers = {first: layer.receptive_field, "S": layer.stride, "C": layer.channels}
        for (letter, number_), x in zip(numbers.items(), COLUMNS):
            _write(svg, x, (stack.bottom + below.top) / 2 + 7, f"{letter}={number_}", lit=letter == highlight)


def _write(svg: ElementTree.Element, x: float, y: float, words: str, *, lit: bool, anchor: str = "start") -> None:
    """Write words, on yellow and bold if they are lit."""
    if lit:
        width = len(words) * BOLD_LETTER
        left = x - (width / 2 if anchor == "middle" else 0)
        add_path(svg, rectangle(left - 4, y - FONT + 1, width + 8, LINE), fill=LIT)
    add_text(svg, x, y, words, anchor=anchor, bold=lit)
