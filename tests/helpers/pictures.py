"""Read an SVG picture: its words, paths and squares, and whether every letter is clear of the others."""

import re
from itertools import combinations, product
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
from PIL import ImageFont

from convac_lib.visuals.style import BOUND_COLOUR, SATURATION_COLOUR

SVG = "{http://www.w3.org/2000/svg}"

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans, wider than any system's own font


def boxes_of_texts(svg):
    """The words of a picture, each with its box (left, top, right, bottom)."""
    boxes = []
    for text, down in texts_of(svg):
        bold = "-Bold" if text.get("font-weight") else ""
        font = ImageFont.truetype(FONTS / f"DejaVuSans{bold}.ttf", int(svg.get("font-size")))
        places = text.get("x").split()
        whole = "".join(text.itertext())
        for words, x in zip(whole if len(places) > 1 else [whole], map(float, places), strict=True):
            y, width = float(text.get("y")) + down, font.getlength(words)
            left = x - {"end": width, "middle": width / 2}.get(text.get("text-anchor"), 0)
            boxes.append((words, (left, y - font.size * 0.75, left + width, y + font.size * 0.2)))
    return boxes


def texts_of(group, down=0):
    """The text elements of a picture, and how far `stack` has moved each of them down."""
    for each in group:
        moved = re.fullmatch(r"translate\(0 ([\d.]+)\)", each.get("transform", ""))
        if each.tag == f"{SVG}text":
            yield each, down
        yield from texts_of(each, down + float(moved[1]) if moved else down)


def touch(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def assert_legible(picture):
    svg = ElementTree.fromstring(picture)
    boxes = boxes_of_texts(svg)
    width, height = float(svg.get("width")), float(svg.get("height"))
    for words, (left, top, right, bottom) in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, f"{words!r} leaves the picture"
    for (words, box), (others, other) in combinations(boxes, 2):
        assert not touch(box, other), f"{words!r} touches {others!r}"
    for line in svg.iter(f"{SVG}line"):
        if line.get("stroke") in (BOUND_COLOUR, SATURATION_COLOUR):
            x, *span = (float(line.get(name)) for name in ("x1", "y1", "y2"))
            for words, box in boxes:
                assert not touch(box, (x - 1, span[0], x + 1, span[1])), f"a line crosses {words!r}"
    return svg


def squares(path):
    """The squares (row, column) inside a path of rectangles, in a group's own units."""
    inside = set()
    for left, top, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", path.get("d")):
        rows, columns = range(int(top), int(top) + int(height)), range(int(left), int(left) + int(width))
        inside |= set(product(rows, columns))
    return inside


def words_of(picture):
    return [text.text for text in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


def numbers_in(text):
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]


def paths(svg, **wanted):
    """The paths of a picture that have these attributes."""
    wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
    return [path for path in svg.iter(f"{SVG}path") if wanted.items() <= path.attrib.items()]


def seen_from(network, layer, row, column):
    """The image's patches that a unit depends on, found by asking every unit on the way for its window."""
    sizes = (network.size, *network.sizes)
    units = {(row, column)}
    for number in range(layer, 0, -1):
        R, S, size = network.layers[number - 1].receptive_field, network.layers[number - 1].stride, sizes[number - 1]
        below = {(r * S + i, c * S + j) for r, c in units for i, j in product(range(R), repeat=2)}
        units = {(r, c) for r, c in below if r < size and c < size}
    return units
