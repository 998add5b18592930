"""The explorer of receptive fields: what two neighbouring units of a layer see of a picture."""

from base64 import b64encode
from io import BytesIO
from itertools import starmap
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from convac_lib.architecture import Architecture, Layer
from convac_lib.visuals.style import INK, MUTED, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    Field,
    add_line,
    add_path,
    add_text,
    outline,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

LAYERS, PIXELS = 8, 32  # the layers that are shown, and the side of the picture
SIDE, TOP, ROW = 320, 2 * LINE - 8, 34
COLUMNS = {"layer": 378, "R, S": 438, "T_R": 492, "T_S": 540}  # of the table, by their middles


def field_view(picture: str, B: int, layer: int, S: int = 2, size: int = 32) -> View:
    """Show what a unit of a layer sees of a picture, and what its right neighbour sees.

        [GC(R=B, S=1), GC(R=S, S=S)] × 4,   the common case for S = 2

    Args:
        picture: from `grey_gif`, a square of 32×32 pixels.
        B: the receptive field of the stride-1 layers.
        layer: l, 1 to 8.
        S: the side and the stride of the windows of every other layer, which do not overlap.
        size: H, the side of the picture in patches, which divides 32; a patch is a pixel for 32.

    Returns:
        The `View`, on whose table every layer can be pointed at.

    Source: talk, slide "Degree of Overlapping". Chapter: *Overlaps*.

    >>> field_view(grey_gif(np.zeros((32, 32, 3), np.uint8)), B=2, layer=3).reading
    'B = 2, layer 3: a unit sees 5×5 pixels; its neighbour begins 2 further on, and they share 3 of 5 columns.'
    """
    network = Architecture(size, 1, (Layer(B, 1, 1), Layer(S, S, 1)) * (LAYERS // 2))
    T_R, T_S = network.total_receptive_fields[layer - 1], network.total_strides[layer - 1]
    (rows, columns), *others = fields_of(network, layer)
    seen = f"rows {rows.start + 1} to {rows.stop}, columns {columns.start + 1} to {columns.stop}"
    beside = "".join(_beside(columns, other) for _, other in others) or "; it has no neighbour"
    patches = "pixels" if size == PIXELS else "patches"
    alternative = (
        f"A picture of {size}×{size} {patches}. A unit of layer {layer} sees {seen}{beside}. T_R = {T_R} and "
        f"T_S = {T_S}; beside the picture R, S, T_R and T_S of every layer."
    )
    values: dict[str, Value] = {
        "units": f"{network.sizes[layer - 1]}×{network.sizes[layer - 1]}",
        "T_R": T_R,
        "T_S": T_S,
        "degree of overlap": str(network.degrees_of_overlap[layer - 1]),
    }
    spots = [(_row(number), {"layer": number}) for number in range(1, LAYERS + 1)]
    which = f"B = {B}{f', S = {S}' if S != 2 else ''}, layer {layer}"
    reading = f"{which}: a unit sees {T_R}×{T_R} {patches}"
    if len(columns) < T_R:
        reading += f", of which the picture has {len(columns)}×{len(columns)}"
    reading += _neighbour(T_R, T_S) if others else "; the layer has no other unit."
    return View(draw_fields(picture, network, layer, colour=colour_of(B)), alternative, reading, values, spots)


def _beside(columns: range, other: range) -> str:
    """Say which columns the right neighbour of a unit sees, and how many of its own."""
    shared = len(range(other.start, columns.stop))
    words = f"{shared} of the unit's {len(columns)} columns" if shared else "none of the unit's columns"
    return f"; its neighbour sees columns {other.start + 1} to {other.stop}, {words}"


def _neighbour(T_R: int, T_S: int) -> str:
    """Say where the neighbour of a unit begins, and what they share."""
    if T_R > T_S:
        return f"; its neighbour begins {T_S} further on, and they share {T_R - T_S} of {T_R} columns."
    return f"; its neighbour begins where it ends, {T_S} further on: they share nothing."


def fields_of(network: Architecture, layer: int) -> list[Field]:
    """Find what a unit in the middle of a layer sees of the image, and what its right neighbour sees.

    Args:
        network: the network.
        layer: l, counted from 1.

    Returns:
        The rows and the columns of each, cut off at the image's border; only one field if the layer has one column.

    Chapter: *Overlaps*.

    >>> from convac_lib import common_case
    >>> fields_of(common_case(B=3, M=2, size=8), layer=1)
    [(range(2, 5), range(2, 5)), (range(2, 5), range(3, 6))]
    """
    T_R, T_S = network.total_receptive_fields[layer - 1], network.total_strides[layer - 1]
    count, H = network.sizes[layer - 1], network.size

    def seen(unit: int) -> range:
        return range(unit * T_S, min(unit * T_S + T_R, H))

    row = max(0, H - T_R) // 2 // T_S
    column = max(0, H - T_R - T_S) // 2 // T_S
    return [(seen(row), seen(at)) for at in (column, column + 1) if at < count]


def draw_fields(picture: str, network: Architecture, layer: int, *, colour: str) -> str:
    """Draw a picture, in grey, under the fields of two neighbouring units, solid and dashed, and the layers in a table.

    What both see is tinted, what neither sees is pale; inside the first unit's field are those of the layers below it.
    T_R is marked above the picture, T_S below it.

    Args:
        picture: from `grey_gif`.
        network: the network, of at most eight layers.
        layer: l, counted from 1.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Overlaps*.

    >>> from convac_lib import common_case
    >>> picture = grey_gif(np.zeros((8, 8, 3), np.uint8))
    >>> "T_R = 5" in draw_fields(picture, common_case(2, 2, 8), layer=3, colour=colour_of(2))
    True
    """
    svg = svg_document(WIDTH, TOP + SIDE + 2 * LINE - 8)
    place = {"x": str(MARGIN), "y": str(TOP), "width": str(SIDE), "height": str(SIDE)}
    source = {"href": f"data:image/gif;base64,{picture}", "style": "image-rendering: pixelated"}
    ElementTree.SubElement(svg, "image", place | source)
    pixel = SIDE / network.size
    transform = f"translate({MARGIN} {TOP}) scale({short(pixel)})"
    group = ElementTree.SubElement(svg, "g", {"transform": transform, "fill": "none"})
    fields = fields_of(network, layer)
    (rows, columns), (_, last) = fields[0], fields[-1]
    together, shared = range(columns.start, last.stop), range(last.start, columns.stop)
    around = outline(range(network.size), range(network.size))
    add_path(group, around + outline(rows, together), fill="#FFFFFF", fill_opacity=".62", fill_rule="evenodd")
    if len(fields) > 1 and shared:
        add_path(group, outline(rows, shared), fill=colour, fill_opacity=".5")
    below = [outline(rows[:T_R], columns[:T_R]) for T_R in network.total_receptive_fields[: layer - 1]]
    for path, dashes, width in [("".join(below), "none", 1), *zip(starmap(outline, fields), ("none", "6 4"), (3, 3))]:
        add_path(group, path, stroke="#FFFFFF", stroke_width=short(width + 2))
        add_path(group, path, stroke=INK, stroke_width=short(width), stroke_dasharray=dashes)
    T_R, T_S = network.total_receptive_fields[layer - 1], network.total_strides[layer - 1]
    _measure(svg, "T_R", T_R, columns, pixel, above=True)
    if len(fields) > 1:
        _measure(svg, "T_S", T_S, range(columns.start, last.start), pixel, above=False)
    _draw_table(svg, network, layer, colour)
    return serialize(svg)


def grey_gif(pixels: np.ndarray) -> str:
    """Encode a picture in 32 greys: a small file, the same on every machine, so that only fields have colour.

    Args:
        pixels: of shape (H, H, 3), numbers 0..255.

    Returns:
        A GIF, encoded in base64.

    Chapter: *Overlaps*.

    >>> grey_gif(np.zeros((8, 8, 3), np.uint8))[:8]
    'R0lGODdh'
    """
    file = BytesIO()
    Image.fromarray(pixels).convert("L").quantize(32).save(file, "GIF")
    return b64encode(file.getvalue()).decode()


def _measure(svg: ElementTree.Element, name: str, number: int, columns: range, pixel: float, *, above: bool) -> None:
    """Mark a number of columns above or below the picture; the mark has no right end if the picture is narrower."""
    left, right = (MARGIN + pixel * at for at in (columns.start, columns.stop))
    y, baseline = (TOP - 8, TOP - 18) if above else (TOP + SIDE + 8, TOP + SIDE + 32)
    add_line(svg, left, y, right, y, INK, width=2)
    for x in (left, right) if len(columns) == number else (left,):
        add_line(svg, x, y - 5, x, y + 5, INK, width=2)
    words = f"{name} = {number}"
    add_text(svg, max((left + right) / 2, MARGIN + 60), baseline, words, anchor="middle", bold=True)


def _draw_table(svg: ElementTree.Element, network: Architecture, layer: int, colour: str) -> None:
    """Draw a table of R, S, T_R and T_S of every layer, with one layer marked; those above it are grey."""
    for name, x in COLUMNS.items():
        add_text(svg, x, TOP + 14, name, anchor="middle", fill=MUTED)
    add_path(svg, rectangle(*_row(layer)), fill=colour, fill_opacity=".38")
    numbers = zip(network.layers, network.total_receptive_fields, network.total_strides)
    for number, (each, T_R, T_S) in enumerate(numbers, start=1):
        top = _row(number)[1]
        fill = MUTED if number > layer else INK
        words = str(number), f"{each.receptive_field}, {each.stride}", str(T_R), str(T_S)
        for x, word in zip(COLUMNS.values(), words):
            add_text(svg, x, top + 24, word, anchor="middle", fill=fill, bold=number == layer)


def _row(layer: int) -> Box:
    """Find the place of a layer's row of the table."""
    return MARGIN + SIDE + 26, TOP + ROW * layer - 6, WIDTH - 2 * MARGIN - SIDE - 26, ROW
