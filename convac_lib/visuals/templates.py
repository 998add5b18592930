"""What M is, as a picture: the templates that a patch can show, and the table of values that grows as M^N."""

from xml.etree import ElementTree

from convac_lib.visuals.style import INK, MUTED
from convac_lib.visuals.svg import (
    FONT,
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_path,
    add_text,
    readable,
    rectangle,
    serialize,
    short,
    svg_document,
)

MOTIFS = (0b000010000, 0b010111010, 0b111000000, 0b100100100, 0b100010001, 0b001010100, 0b111101111, 0b101010101)
PATCH, GAP, CELL, NUMBERS = 24, 5, 4, (1, 2, 3)
ROW = 32  # the height of 8 entries


def draw_templates(M: int, size: int) -> str:
    """Draw M templates as patches, and the tables of all values of a function of 1, 2 and 3 patches.

    A function of N patches has M^N values, one for each choice of templates.

    Args:
        M: templates, 2 to 8.
        size: H, the side of the image, whose H² patches make the last table.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Tensors and function spaces*.

    >>> picture = draw_templates(M=3, size=4)
    >>> "M = 3 templates" in picture, "3¹⁶ = 4.3×10⁷ values" in picture, "3, 9 and 27 values" in picture
    (True, True, True)
    """
    svg = svg_document(WIDTH, 2 * LINE + ROW + 12)
    top = LINE + 6
    add_text(svg, MARGIN, FONT, f"M = {M} templates")
    for number in range(M):
        add_template(svg, number, MARGIN + number * (PATCH + GAP), top, PATCH)

    right = WIDTH - MARGIN
    patches = str(size * size).translate(SUPERSCRIPTS)
    add_text(svg, right, FONT, f"{M}{patches} = {readable(M ** (size * size))} values", anchor="end")
    for N in reversed(NUMBERS):
        rows, columns = M, M ** (N - 1)
        right -= columns * CELL
        add_table(svg, right, top, rows, columns, CELL)
        right -= 2 * GAP
    *few, last = (readable(M**N) for N in NUMBERS)
    words = f"1, 2 and 3 patches: {', '.join(few)} and {last} values"
    add_text(svg, WIDTH - MARGIN, top + ROW + LINE - 4, words, anchor="end", fill=MUTED)
    return serialize(svg)


def add_template(svg: ElementTree.Element, number: int, left: float, top: float, side: float) -> None:
    """Add a template, counted from 0, as a patch of 3×3 pixels that is `side` wide."""
    dots = [divmod(at, 3) for at in range(9) if MOTIFS[number] >> (8 - at) & 1]
    pixel = side / 3
    path = "".join(rectangle(left + column * pixel, top + row * pixel, pixel, pixel) for row, column in dots)
    add_path(svg, path, fill=MUTED)
    add_path(svg, rectangle(left, top, side, side), fill="none", stroke=INK)


def add_table(svg: ElementTree.Element, left: float, top: float, rows: int, columns: int, cell: float) -> None:
    """Add a table of rows×columns cells."""
    width, height = columns * cell, rows * cell
    add_path(svg, rectangle(left, top, width, height), fill=MUTED)
    lines = [f"M{short(left)} {short(top + cell * at)}h{short(width)}" for at in range(1, rows)]
    lines += [f"M{short(left + cell * at)} {short(top)}v{short(height)}" for at in range(1, columns)]
    if lines:
        add_path(svg, "".join(lines), stroke="#fff", stroke_width=".8")
