"""Pictures drawn by hand, as SVG: a network as grids of squares, and a rank on its logarithmic scale.

A picture is 560 units wide with letters of 20, so that they stay readable on a phone, 340 pixels wide.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil, log10
from xml.etree import ElementTree

from convac_lib.architecture import Architecture
from convac_lib.errors import ArchitectureError
from convac_lib.theory.tensors import Cut, make_cut
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import (
    BOLD_LETTER,
    FONT,
    LETTER,
    LINE,
    MARGIN,
    WIDTH,
    add_line,
    add_path,
    add_text,
    outline,
    readable,
    short,
    svg_document,
)

TITLE_HEIGHT, IMAGE_SIDE, SMALLEST_GAP = 32, 136, 10
ROWS = ("receptive field R", "stride S", "channels C")


def draw_network(
    architecture: Architecture,
    *,
    cut: "str | Iterable[int] | Cut | None" = None,
    position: tuple[int, int, int] | None = None,
) -> str:
    """Draw a network as grids of squares, from the image to the dense layer, and what one unit sees of each.

    The unit is filled; every square that it depends on, layer by layer down to the image, is tinted. Two neighbouring
    units of the first layer and their windows are outlined, one solid and one dashed: the windows share patches
    exactly when the layer overlaps.

    Args:
        architecture: the network.
        cut: a partition of the patches, as `make_cut` takes it; its first part is shaded, and a line follows it.
        position: the unit to trace, as (layer, row, column), with layers counted from 1, rows and columns from 0;
            the top-left unit of the last layer above 1×1 if left out.

    Returns:
        An SVG document, 560 wide (more beyond some ten layers) and always equally high.

    Raises:
        ArchitectureError: if the position is outside the network.
        CutError: if the cut does not fit the image.

    Source: talk, slide "Overlapping vs Non-Overlapping Architectures". Chapter: *Overlaps*.

    >>> from convac_lib import common_case
    >>> picture = draw_network(common_case(B=3, M=2, size=4), cut="left-right")
    >>> "image 4×4" in picture, "receptive field R" in picture
    (True, True)
    """
    if position is None:
        wide = [layer for layer, size in enumerate(architecture.sizes, start=1) if size > 1]
        position = (max(wide, default=1), 0, 0)
    fields = _trace(architecture, position)
    colour = colour_of(max((layer.receptive_field for layer in architecture.layers if layer.is_overlapping), default=1))
    grids = _place(architecture)
    svg = svg_document(grids[-1].left + grids[-1].width + MARGIN, TITLE_HEIGHT + IMAGE_SIDE + len(ROWS) * LINE + 14)

    for below, above, seen, seeing in zip(grids, grids[1:], fields, fields[1:]):
        _funnel(svg, below, above, seen, seeing, colour)
    groups = [_group(svg, grid) for grid in grids]
    if cut is not None:
        cut = make_cut(cut, architecture.size)
        squares = (divmod(patch, architecture.size) for patch in cut.rows)
        add_path(
            groups[0], "".join(f"M{column} {row}h1v1h-1z" for row, column in squares), fill=INK, fill_opacity=".16"
        )
    for group, field in zip(groups, fields):
        add_path(group, outline(*field), fill=colour, fill_opacity="1" if field is fields[-1] else ".38")
    for group, grid in zip(groups, grids):
        steps = range(grid.count + 1)
        add_path(group, "".join(f"M0 {at}h{grid.count}M{at} 0v{grid.count}" for at in steps), stroke=MUTED)
    _neighbours(groups, architecture, colour)
    if cut is not None:
        add_path(groups[0], _border(set(cut.rows), architecture.size), stroke=INK, stroke_width="2")

    add_text(
        svg, MARGIN, FONT, f"image {architecture.size}×{architecture.size}, M={architecture.representation_channels}"
    )
    add_text(svg, grids[-1].left + grids[-1].width, grids[-1].top - grids[-1].cell / 2 - 8, "dense", anchor="end")
    for line, name in enumerate(ROWS):
        baseline = TITLE_HEIGHT + IMAGE_SIDE + 10 + (line + 0.75) * LINE
        add_text(svg, MARGIN, baseline, name, fill=MUTED)
        for grid, layer in zip(grids[1:], architecture.layers):
            number = (layer.receptive_field, layer.stride, layer.channels)[line]
            add_text(svg, grid.left + grid.width / 2, baseline, str(number), anchor="middle")
    return ElementTree.tostring(svg, encoding="unicode")


def draw_rank_scale(
    rank: int,
    *,
    colour: str,
    formula: float | None = None,
    saturation: int | None = None,
    non_overlapping: int | None = None,
) -> str:
    """Draw a rank as a bar on a logarithmic scale, with what the talk's formula asks for and the most it can be.

    Args:
        rank: the network's rank.
        colour: the network's colour, from `colour_of`.
        formula: the rank that the talk's formula asks for, a dashed blue line.
        saturation: the most that any network can have, a dotted black line.
        non_overlapping: the rank of the network without overlap, a grey bar below.

    Returns:
        An SVG document, 560 wide and always equally high.

    Source: talk, slide "Overlapping Efficiency". Chapter: *The overlap theorem*.

    >>> picture = draw_rank_scale(256, colour=colour_of(3), formula=16, saturation=256, non_overlapping=2)
    >>> "formula 16" in picture, "saturation 256" in picture
    (True, True)
    """
    left, right, bars_top, bar, between = 146, WIDTH - 116, 2 * LINE + 10, 26, 10
    bottom = bars_top + 2 * bar + between + 10
    values = [value for value in (rank, formula, saturation, non_overlapping) if value is not None]
    decades = log10(max(10, *values))

    def at(value):
        return left + (right - left) * log10(max(value, 1)) / decades

    svg = svg_document(WIDTH, bottom + LINE + 8)
    step = ceil(decades / 4)
    for power in range(0, int(decades + 1e-9) + 1, step):
        add_line(svg, at(10**power), bars_top - 8, at(10**power), bottom, RULE)
        add_text(svg, at(10**power), bottom + LINE, readable(10**power, 4), anchor="middle", fill=MUTED)
    add_text(svg, MARGIN, bottom + LINE, "rank (log)", fill=MUTED)

    lines = [(formula, "formula", BOUND_COLOUR, "7 5"), (saturation, "saturation", SATURATION_COLOUR, "1.5 5")]
    lines = sorted((line for line in lines if line[0] is not None), key=lambda line: line[0])
    bars = [(rank, "certified", colour), (non_overlapping, "no overlap", colour_of(1))]
    for number, (value, name, fill) in enumerate(bars):
        if value is None:
            continue
        top = bars_top + number * (bar + between)
        end, baseline = at(value), top + bar - 7
        label = readable(value)
        if value:
            place = {"x": short(left), "y": short(top), "width": short(max(end - left, 3)), "height": str(bar)}
            ElementTree.SubElement(svg, "rect", {**place, "fill": fill})
        add_text(svg, MARGIN, baseline, name)
        start = max(end, left + 3) + 8
        for value, *_ in lines:
            if start - 8 < at(value) < start + len(label) * BOLD_LETTER + 4:
                start = at(value) + 8  # past the line that would cross the label
        add_text(svg, start, baseline, label, weight="600")
    for height, (value, name, ink, dashes) in zip((2 * LINE, LINE), lines):
        # the line further right starts a row higher, and labels stand to the left: so no line crosses a label
        label = f"{name} {readable(value)}"
        room = at(value) - 7 - len(label) * LETTER
        add_text(svg, at(value) - 7 - min(room, 0), height - 4, label, anchor="end", fill=ink)
        add_line(
            svg, at(value), height + (6 - LINE if room > 0 else 3), at(value), bottom, ink, width=2.5, dashes=dashes
        )
    return ElementTree.tostring(svg, encoding="unicode")


def stack(*pictures: str, gap: float = 18) -> str:
    """Put pictures over one another, left edges aligned.

    Args:
        pictures: SVG documents drawn by this module.
        gap: the space between two, in the pictures' units.

    Returns:
        One SVG document.

    Chapter: *The overlap theorem*.

    >>> scale = draw_rank_scale(2, colour=colour_of(1))
    >>> stack(scale, scale).count("certified")
    2
    """
    parts = [ElementTree.fromstring(picture) for picture in pictures]
    width = max(float(part.get("width")) for part in parts)
    svg = svg_document(width, sum(float(part.get("height")) for part in parts) + gap * (len(parts) - 1))
    top = 0.0
    for part in parts:
        group = ElementTree.SubElement(svg, "g", transform=f"translate(0 {short(top)})")
        group.extend(part)
        top += float(part.get("height")) + gap
    return ElementTree.tostring(svg, encoding="unicode")


@dataclass(frozen=True)
class _Grid:
    """Where a layer stands in the picture: `count`×`count` squares of side `cell`."""

    left: float
    cell: float
    count: int

    @property
    def width(self):
        return self.cell * self.count

    @property
    def top(self):
        return TITLE_HEIGHT + (IMAGE_SIDE - self.width) / 2


def _place(architecture):
    """Set the grids side by side over the whole width: the image always as large, the layers as large as fits."""
    counts = (*architecture.sizes, 1)
    words = (*(len(str(layer.channels)) * LETTER for layer in architecture.layers), 0)
    start = MARGIN + max(IMAGE_SIDE, max(map(len, ROWS)) * LETTER * 0.82)
    cell = IMAGE_SIDE / max(4, *counts)

    def room():
        return WIDTH - MARGIN - start - sum(max(count * cell, least) for count, least in zip(counts, words))

    while cell > 2 and room() < SMALLEST_GAP * len(counts):
        cell -= 0.25
    gap = max(SMALLEST_GAP, room() / len(counts))
    grids, left = [_Grid(MARGIN, IMAGE_SIDE / architecture.size, architecture.size)], start + gap
    for count, least in zip(counts, words):
        width = max(count * cell, least)
        grids.append(_Grid(left + (width - count * cell) / 2, cell, count))
        left += width + gap
    return grids


def _trace(architecture, position):
    """The rows and columns that a unit depends on, from the image up to the unit itself: a list of pairs of ranges."""
    layer, *place = position
    sizes = (architecture.size, *architecture.sizes)
    if not 1 <= layer < len(sizes) or not all(0 <= index < sizes[layer] for index in place):
        raise ArchitectureError(
            f"there is no unit {tuple(place)} in layer {layer}; layers 1 to {len(sizes) - 1} "
            f"have {', '.join(f'{size}×{size}' for size in sizes[1:])} units"
        )
    fields = [[range(index, index + 1) for index in place]]
    for part, size in zip(reversed(architecture.layers[:layer]), reversed(sizes[:layer])):
        fields.append([_window(part, span, size) for span in fields[-1]])
    return fields[::-1]


def _window(layer, units, size):
    """The rows (or columns) of an input of a given size that a span of a layer's units sees."""
    return range(units.start * layer.stride, min((units.stop - 1) * layer.stride + layer.receptive_field, size))


def _neighbours(groups, architecture, colour):
    """Outline two neighbouring units of the first layer and their windows, and deepen the patches that they share."""
    layer, count = architecture.layers[0], architecture.sizes[0]
    if count < 2:
        return
    fitting = (architecture.size - layer.receptive_field) // layer.stride  # the last unit whose window is all inside
    row = max(0, min(count - 1, fitting))
    column = max(0, min(count // 2 - 1, fitting - 1))
    units = [[range(row, row + 1), range(at, at + 1)] for at in (column, column + 1)]
    windows = [[_window(layer, span, architecture.size) for span in unit] for unit in units]
    shared = [windows[0][0], range(windows[1][1].start, windows[0][1].stop)]
    if shared[1]:
        add_path(groups[0], outline(*shared), fill=colour, fill_opacity=".55")
    for group, (first, second) in zip(groups, (windows, units)):
        add_path(group, outline(*first, inset=0.06), stroke=INK, stroke_width="2.5")
        add_path(group, outline(*second, inset=0.18), stroke=INK, stroke_width="2.5", stroke_dasharray="5 3")


def _funnel(svg, below, above, seen, seeing, colour):
    """Join what is seen in one grid, at its right edge, to what sees it in the next, at its left edge."""
    right, left = below.left + seen[1].stop * below.cell, above.left + seeing[1].start * above.cell
    points = (
        (right, below.top + seen[0].start * below.cell),
        (left, above.top + seeing[0].start * above.cell),
        (left, above.top + seeing[0].stop * above.cell),
        (right, below.top + seen[0].stop * below.cell),
    )
    corners = "L".join(f"{short(x)} {short(y)}" for x, y in points)
    ElementTree.SubElement(svg, "path", {"d": f"M{corners}z", "fill": colour, "fill-opacity": ".14"})


def _border(part, count):
    """The edges between the squares in a part of the image and those outside it, as a path."""
    path = ""
    for patch in range(count * count):
        row, column = divmod(patch, count)
        if column and (patch in part) != (patch - 1 in part):
            path += f"M{column} {row}v1"
        if row and (patch in part) != (patch - count in part):
            path += f"M{column} {row}h1"
    return path


def _group(svg, grid):
    """A group in which a square has side 1, so that coordinates in paths are integers."""
    place = f"translate({short(grid.left)} {short(grid.top)}) scale({short(grid.cell)})"
    return ElementTree.SubElement(svg, "g", {"transform": place, "fill": "none"})
