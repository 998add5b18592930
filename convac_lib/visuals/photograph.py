"""The photograph that drawings of networks start from: a handwritten digit of 8×8 grey pixels."""

from base64 import b64encode
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from convac_lib.visuals.svg import short

DIGIT = "029fe930 04d89g80 0006ef30 000be200 0002fb00 00002f40 0156dg60 02ccdb00"  # rows of values 0..16, in base 17
WHITE, DARKER = 255, 13  # the grey of the value 0, and how much darker one more is


def pixels(size: int) -> np.ndarray:
    """Cut the photograph so that it divides into size×size equal patches.

    Args:
        size: H, the patches per side, 1 to 8.

    Returns:
        Values 0 (white) to 16 (black), of shape (n, n): the middle of image 13 of scikit-learn's digits, as much as
        divides.

    >>> pixels(4).shape, pixels(3).shape                # 4 patches of 2×2 pixels per side, 3 patches of 2×2
    ((8, 8), (6, 6))
    """
    values = np.array([[int(value, 17) for value in row] for row in DIGIT.split()], np.uint8)
    kept = len(values) // size * size
    first = (len(values) - kept) // 2
    return values[first : first + kept, first : first + kept]


def add_photograph(svg: ElementTree.Element, left: float, top: float, side: float, size: int) -> ElementTree.Element:
    """Add the photograph, `side` wide, and return a group over it in which a patch has side 1."""
    place = {"x": short(left), "y": short(top), "width": short(side), "height": short(side)}
    file = BytesIO()
    Image.fromarray(WHITE - DARKER * pixels(size)).save(file, "GIF")
    source = f"data:image/gif;base64,{b64encode(file.getvalue()).decode()}"
    ElementTree.SubElement(svg, "image", {**place, "href": source, "style": "image-rendering: pixelated"})
    transform = f"translate({short(left)} {short(top)}) scale({short(side / size)})"
    return ElementTree.SubElement(svg, "g", {"transform": transform, "fill": "none"})
