"""A network as grids of squares, from the image to the dense layer, as SVG."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from convac_lib.architecture import Architecture
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.visuals.style import INK, MUTED
from convac_lib.visuals.svg import (
    FONT,
    LETTER,
    LINE,
    MARGIN,
    WIDTH,
    Field,
    add_path,
    add_text,
    lattice,
    outline,
    polyline,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.windows import fields_below, last_wide_unit, neighbours, overlap_colour, window_below

TITLE_HEIGHT, IMAGE_SIDE, SMALLEST_GAP = 32, 136, 10
ROWS = ("receptive field R", "stride S", "channels C")


def draw_network(
    architecture: Architecture,
    *,
    cut: str | Iterable[int] | Cut | None = None,
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
    fields = fields_below(architecture, position or last_wide_unit(architecture))
    part = () if cut is None else make_cut(cut, architecture.size).rows
    colour = overlap_colour(architecture)
    grids = _grids(architecture)
    svg = svg_document(grids[-1].right + MARGIN, TITLE_HEIGHT + IMAGE_SIDE + len(ROWS) * LINE + 14)
    for below, above, seen, seeing in zip(grids, grids[1:], fields, fields[1:]):
        _draw_funnel(svg, below, above, seen, seeing, colour)
    groups = [_add_group(svg, grid) for grid in grids]
    if part:
        _shade(groups[0], part, architecture.size)
    for group, field in zip(groups, fields):
        add_path(group, outline(*field), fill=colour, fill_opacity="1" if field is fields[-1] else ".38")
    for group, grid in zip(groups, grids):
        add_path(group, lattice(0, 0, grid.count, grid.count), stroke=MUTED)
    _draw_neighbours(groups, architecture, colour)
    if part:
        add_path(groups[0], _border(set(part), architecture.size), stroke=INK, stroke_width="2")
    _write_numbers(svg, architecture, grids)
    return serialize(svg)


@dataclass(frozen=True)
class _Grid:
    """The place of a layer in the picture: `count`×`count` squares of side `cell`."""

    left: float
    cell: float
    count: int

    @property
    def width(self) -> float:
        return self.cell * self.count

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def top(self) -> float:
        return TITLE_HEIGHT + (IMAGE_SIDE - self.width) / 2


def _grids(architecture: Architecture) -> list[_Grid]:
    """Set the grids side by side over the whole width: every image equally large, the layers as large as fits."""
    counts = (*architecture.sizes, 1)
    words = (*(len(str(layer.channels)) * LETTER for layer in architecture.layers), 0)
    start = MARGIN + max(IMAGE_SIDE, max(map(len, ROWS)) * LETTER * 0.82)
    cell = IMAGE_SIDE / max(4, *counts)

    def room() -> float:
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


def _draw_funnel(svg: ElementTree.Element, below: _Grid, above: _Grid, seen: Field, seeing: Field, colour: str) -> None:
    """Join what is seen in one grid, at its right edge, to what sees it in the next, at its left edge."""
    right, left = below.left + seen[1].stop * below.cell, above.left + seeing[1].start * above.cell
    corners = [
        (right, below.top + seen[0].start * below.cell),
        (left, above.top + seeing[0].start * above.cell),
        (left, above.top + seeing[0].stop * above.cell),
        (right, below.top + seen[0].stop * below.cell),
    ]
    add_path(svg, polyline(corners) + "z", fill=colour, fill_opacity=".14")


def _add_group(svg: ElementTree.Element, grid: _Grid) -> ElementTree.Element:
    """Add a group in which a square has side 1, so that the coordinates of paths are integers."""
    place = f"translate({short(grid.left)} {short(grid.top)}) scale({short(grid.cell)})"
    return ElementTree.SubElement(svg, "g", {"transform": place, "fill": "none"})


def _shade(image: ElementTree.Element, part: Sequence[int], count: int) -> None:
    """Shade the patches of a part of the image."""
    squares = (divmod(patch, count) for patch in part)
    path = "".join(rectangle(column, row, 1, 1) for row, column in squares)
    add_path(image, path, fill=INK, fill_opacity=".16")


def _border(part: set[int], count: int) -> str:
    """Write the edges between the squares in a part of the image and those outside it as a path."""
    path = ""
    for patch in range(count * count):
        row, column = divmod(patch, count)
        if column and (patch in part) != (patch - 1 in part):
            path += f"M{column} {row}v1"
        if row and (patch in part) != (patch - count in part):
            path += f"M{column} {row}h1"
    return path


def _draw_neighbours(groups: Sequence[ElementTree.Element], architecture: Architecture, colour: str) -> None:
    """Outline two neighbouring units of the first layer and their windows, and darken the patches that they share."""
    layer = architecture.layers[0]
    if architecture.sizes[0] < 2:
        return
    units = neighbours(architecture, 1)
    windows = [window_below(layer, unit, architecture.size) for unit in units]
    (rows, first_columns), (_, second_columns) = windows
    shared = range(second_columns.start, first_columns.stop)
    if shared:
        add_path(groups[0], outline(rows, shared), fill=colour, fill_opacity=".55")
    for group, (first, second) in zip(groups, (windows, units)):
        add_path(group, outline(*first, inset=0.06), stroke=INK, stroke_width="2.5")
        add_path(group, outline(*second, inset=0.18), stroke=INK, stroke_width="2.5", stroke_dasharray="5 3")


def _write_numbers(svg: ElementTree.Element, architecture: Architecture, grids: Sequence[_Grid]) -> None:
    """Name the image and the dense layer, and write R, S and C below every layer."""
    words = f"image {architecture.size}×{architecture.size}, M={architecture.representation_channels}"
    add_text(svg, MARGIN, FONT, words)
    add_text(svg, grids[-1].right, grids[-1].top - grids[-1].cell / 2 - 8, "dense", anchor="end")
    for line, name in enumerate(ROWS):
        baseline = TITLE_HEIGHT + IMAGE_SIDE + 10 + (line + 0.75) * LINE
        add_text(svg, MARGIN, baseline, name, fill=MUTED)
        for grid, layer in zip(grids[1:], architecture.layers):
            number = (layer.receptive_field, layer.stride, layer.channels)[line]
            add_text(svg, grid.left + grid.width / 2, baseline, str(number), anchor="middle")
