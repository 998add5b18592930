"""The marks that every picture is made of, as SVG elements of one size and style.

A picture is 560 units wide with letters of 20, so that they stay readable on a phone, 340 pixels wide. It is written by
hand, because a page embeds the picture of every state of its explorers, so that each must be a few kB: a chart has 3 kB
here, and 20 kB or more by matplotlib.
"""

from collections.abc import Iterable
from math import log10
from xml.etree import ElementTree

from convac_lib.visuals.style import INK

Place = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, width, height
Field = tuple[range, range]  # rows and columns

WIDTH, MARGIN = 560, 1
FONT, LINE = 20, 25
LETTER, BOLD_LETTER = 12, 14  # the largest width of a letter
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

NAMESPACE = "http://www.w3.org/2000/svg"
ElementTree.register_namespace("", NAMESPACE)


def svg_document(width: float, height: float) -> ElementTree.Element:
    """Begin an SVG document of this width and height."""
    return ElementTree.Element(
        f"{{{NAMESPACE}}}svg",
        {
            "width": short(width), "height": short(height), "viewBox": f"0 0 {short(width)} {short(height)}",
            "font-family": "system-ui, sans-serif", "font-size": str(FONT),
        },
    )  # fmt: skip


def serialize(svg: ElementTree.Element) -> str:
    """Write an SVG document as text."""
    return ElementTree.tostring(svg, encoding="unicode")


def stack(*pictures: str, gap: float = 18) -> str:
    """Put pictures over one another, left edges aligned.

    Args:
        pictures: SVG documents of this package.
        gap: the space between two, in the pictures' units.

    Returns:
        One SVG document.

    Chapter: *The overlap theorem*.

    >>> square = serialize(svg_document(20, 20))
    >>> 'height="50"' in stack(square, square, gap=10)
    True
    """
    parts = [ElementTree.fromstring(picture) for picture in pictures]
    heights = [float(part.attrib["height"]) for part in parts]
    width = max(float(part.attrib["width"]) for part in parts)
    svg = svg_document(width, sum(heights) + gap * (len(parts) - 1))
    top = 0.0
    for part, height in zip(parts, heights):
        group = ElementTree.SubElement(svg, "g", transform=f"translate(0 {short(top)})")
        group.extend(part)
        top += height + gap
    return serialize(svg)


def add_path(group: ElementTree.Element, path: str, **attributes: str) -> None:
    """Add a path; underscores in attribute names become hyphens, and a stroke keeps its width under scaling."""
    attributes = {name.replace("_", "-"): value for name, value in attributes.items()}
    if "stroke" in attributes:
        attributes["vector-effect"] = "non-scaling-stroke"
    ElementTree.SubElement(group, "path", {"d": path, **attributes})


def add_text(
    svg: ElementTree.Element,
    x: float,
    y: float,
    words: str,
    *,
    anchor: str = "start",
    fill: str = INK,
    bold: bool = False,
) -> None:
    """Add words with their baseline at (x, y)."""
    attributes = {"x": short(x), "y": short(y), "fill": fill}
    if anchor != "start":
        attributes["text-anchor"] = anchor
    if bold:
        attributes["font-weight"] = "600"
    ElementTree.SubElement(svg, "text", attributes).text = words


def add_letters(svg: ElementTree.Element, xs: Iterable[float], y: float, letters: str, *, fill: str = INK) -> None:
    """Add single letters with their baselines at y, each in the middle of its x: one element for a row of digits."""
    places = " ".join(map(short, xs))
    attributes = {"x": places, "y": short(y), "fill": fill, "text-anchor": "middle"}
    ElementTree.SubElement(svg, "text", attributes).text = letters


def add_line(
    svg: ElementTree.Element,
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    stroke: str,
    *,
    width: float = 1.0,
    dashes: str | None = None,
) -> None:
    """Add a straight line."""
    attributes = {"x1": short(x1), "y1": short(y1), "x2": short(x2), "y2": short(y2)}
    attributes |= {"stroke": stroke, "stroke-width": short(width)}
    if dashes:
        attributes["stroke-dasharray"] = dashes
    ElementTree.SubElement(svg, "line", attributes)


def polyline(places: Iterable[Place]) -> str:
    """Join places by straight lines, as a path.

    >>> polyline([(0, 0), (10, 2.5)])
    'M0 0L10 2.5'
    """
    return "M" + "L".join(f"{short(x)} {short(y)}" for x, y in places)


def rectangle(left: float, top: float, width: float, height: float) -> str:
    """Write a rectangle as a path."""
    return f"M{short(left)} {short(top)}h{short(width)}v{short(height)}h{short(-width)}z"


def outline(rows: range, columns: range, inset: float = 0.0) -> str:
    """Go around a field as a path, `inset` from its edges; a row and a column have width 1."""
    sides = len(columns) - 2 * inset, len(rows) - 2 * inset
    return rectangle(columns.start + inset, rows.start + inset, *sides)


def lattice(left: float, top: float, side: float, count: int) -> str:
    """Write the lines of a square of `count`×`count` cells as a path.

    >>> lattice(0, 0, 8, count=2)
    'M0 0h8M0 0v8M0 4h8M4 0v8M0 8h8M8 0v8'
    """
    steps = [at * side / count for at in range(count + 1)]
    return "".join(
        f"M{short(left)} {short(top + at)}h{short(side)}M{short(left + at)} {short(top)}v{short(side)}" for at in steps
    )


def short(number: float) -> str:
    """Write a coordinate with at most two decimals, without trailing zeros."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def readable(value: float, digits: int = 6) -> str:
    """Write a number for the page: in full, with two decimals if it is no integer, or as a power of ten if it is long.

    >>> readable(1024), readable(20.25), readable(4**32)
    ('1,024', '20.25', '1.8×10¹⁹')
    """
    if value == int(value) and value < 10**digits:
        return f"{int(value):,}"
    if value < 10**digits:
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    exponent = int(log10(value) + 1e-9)
    mantissa = f"{10 ** (log10(value) - exponent):.1f}".removesuffix(".0")
    power = f"10{str(exponent).translate(SUPERSCRIPTS)}"
    return power if mantissa == "1" else f"{mantissa}×{power}"
