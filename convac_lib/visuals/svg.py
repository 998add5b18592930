"""The few marks that the drawings and charts are made of, as SVG elements of one size and style."""

from math import log10
from xml.etree import ElementTree

from convac_lib.visuals.style import INK

WIDTH, MARGIN = 560, 1
FONT, LINE = 20, 25
LETTER, BOLD_LETTER = 12, 14  # the width that a letter takes at most
SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")

NAMESPACE = "http://www.w3.org/2000/svg"
ElementTree.register_namespace("", NAMESPACE)


def add_path(group, path, **attributes):
    """Add a path; underscores in attribute names become hyphens, and a stroke keeps its width under scaling."""
    attributes = {name.replace("_", "-"): value for name, value in attributes.items()}
    if "stroke" in attributes:
        attributes["vector-effect"] = "non-scaling-stroke"
    ElementTree.SubElement(group, "path", {"d": path, **attributes})


def rectangle(left, top, width, height):
    """A rectangle as a path."""
    return f"M{short(left)} {short(top)}h{short(width)}v{short(height)}h{short(-width)}z"


def outline(rows, columns, inset=0.0):
    """Go around a field, a range of rows and one of columns, as a path; `inset` from its edges, in the field's units."""
    sides = len(columns) - 2 * inset, len(rows) - 2 * inset
    return rectangle(columns.start + inset, rows.start + inset, *sides)


def svg_document(width: float, height: float) -> ElementTree.Element:
    """Begin an SVG document of this width and height."""
    width, height = short(width), short(height)
    return ElementTree.Element(
        f"{{{NAMESPACE}}}svg",
        {
            "width": width, "height": height, "viewBox": f"0 0 {width} {height}",
            "font-family": "system-ui, sans-serif", "font-size": str(FONT),
        },
    )  # fmt: skip


def add_text(svg, x, y, words, *, anchor="start", fill=INK, weight="400"):
    """Add words with their baseline at (x, y)."""
    attributes = {"x": short(x), "y": short(y), "fill": fill}
    if anchor != "start":
        attributes["text-anchor"] = anchor
    if weight != "400":
        attributes["font-weight"] = weight
    ElementTree.SubElement(svg, "text", attributes).text = words


def add_letters(svg, xs, y, letters, *, fill=INK):
    """Add single letters with their baselines at y, each in the middle of its x: one element for a row of digits."""
    places = " ".join(map(short, xs))
    attributes = {"x": places, "y": short(y), "fill": fill, "text-anchor": "middle"}
    ElementTree.SubElement(svg, "text", attributes).text = letters


def add_line(svg, x1, y1, x2, y2, stroke, *, width=1.0, dashes=None):
    """Add a straight line."""
    attributes = {"x1": short(x1), "y1": short(y1), "x2": short(x2), "y2": short(y2)}
    attributes |= {"stroke": stroke, "stroke-width": short(width)}
    if dashes:
        attributes["stroke-dasharray"] = dashes
    ElementTree.SubElement(svg, "line", attributes)


def short(number):
    """A coordinate in as few letters as hundredths need."""
    return f"{number:.2f}".rstrip("0").rstrip(".")


def readable(value, digits=6):
    """A value for the page: 1,024 in full, 1.8×10¹⁹ beyond so many digits, 20.25 where it is no integer."""
    if value == int(value) and value < 10**digits:
        return f"{int(value):,}"
    if value < 10**digits:
        return f"{value:,.2f}" if value < 1000 else f"{value:,.0f}"
    power = int(log10(value) + 1e-9)
    mantissa = f"{10 ** (log10(value) - power):.1f}".removesuffix(".0")
    power = str(power).translate(SUPERSCRIPTS)
    return f"10{power}" if mantissa == "1" else f"{mantissa}×10{power}"
