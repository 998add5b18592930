"""Windows side by side: what two neighbouring windows of a layer share, for several layers, as SVG."""

from collections.abc import Sequence
from xml.etree import ElementTree

from convac_lib.architecture import Layer
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    FONT,
    LINE,
    MARGIN,
    WIDTH,
    add_path,
    add_text,
    lattice,
    outline,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.windows import unit_field, window_below

IN_ROW, SIDE = 3, 172  # panels in a row, and the side of each one
TOP, BELOW, BETWEEN = LINE + 4, 2 * LINE + 6, 14


def draw_window_panels(panels: Sequence[tuple[str, int, Layer]]) -> str:
    """Draw, for several layers, two neighbouring windows on an image, solid and dashed, and tint what they share.

    Lines mark where windows begin, S apart. What the two windows share is darker; without overlap it is nothing.

    Args:
        panels: for each layer its name, the side of its image, and the layer.

    Returns:
        An SVG document, 560 wide, with three panels in a row.

    Source: talk, slide "Overlapping vs Non-Overlapping Architectures". Chapter: *Networks in pictures*.

    >>> picture = draw_window_panels([("patchify", 8, Layer(4, 4, 1)), ("3×3", 8, Layer(3, 1, 1))])
    >>> "R=4, S=4" in picture, "shares 0 of 4" in picture, "shares 2 of 3" in picture
    (True, True, True)
    """
    height = TOP + SIDE + BELOW
    rows = -(-len(panels) // IN_ROW)
    svg = svg_document(WIDTH, rows * height + (rows - 1) * BETWEEN)
    for number, (name, size, layer) in enumerate(panels):
        row, column = divmod(number, IN_ROW)
        left = MARGIN + column * (WIDTH - 2 * MARGIN - SIDE) / (IN_ROW - 1)
        _draw_panel(svg, left, row * (height + BETWEEN), name, size, layer)
    return serialize(svg)


def _draw_panel(svg: ElementTree.Element, left: float, top: float, name: str, size: int, layer: Layer) -> None:
    R, S = layer.receptive_field, layer.stride
    colour = colour_of(R if layer.is_overlapping else 1)
    fitting = max(0, size - R) // S  # the last window that is all inside
    row, column = fitting // 2, max(0, fitting - 1) // 2
    windows = [window_below(layer, unit_field(row, at), size) for at in (column, column + 1)]
    transform = f"translate({short(left)} {short(top + TOP)}) scale({short(SIDE / size)})"
    group = ElementTree.SubElement(svg, "g", {"transform": transform, "fill": "none"})
    add_path(group, lattice(0, 0, size, size), stroke=RULE, stroke_width=".8")
    begins = "".join(f"M{at} 0v{size}M0 {at}h{size}" for at in range(0, size, S))
    add_path(group, begins + outline(range(size), range(size)), stroke=MUTED, stroke_width="1")
    for window in windows:
        add_path(group, outline(*window), fill=colour, fill_opacity=".3")
    (rows, first), (_, second) = windows
    if shared := range(second.start, first.stop):
        add_path(group, outline(rows, shared), fill=colour, fill_opacity=".6")
    for window, dashes in zip(windows, ("none", "5 3")):
        add_path(group, outline(*window), stroke=INK, stroke_width="2.5", stroke_dasharray=dashes)
    add_text(svg, left, top + FONT, name, bold=True)
    add_text(svg, left, top + TOP + SIDE + LINE, f"R={R}, S={S}")
    add_text(svg, left, top + TOP + SIDE + 2 * LINE, f"shares {len(shared)} of {R}")
