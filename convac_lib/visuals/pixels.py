"""Small pictures inside an SVG document, pixel by pixel, the same bytes on every machine."""

from base64 import b64decode, b64encode
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from convac_lib.visuals.svg import Box, short


def add_pixels(svg: ElementTree.Element, pixels: np.ndarray, box: Box) -> None:
    """Add a picture whose pixels stay sharp squares at any size.

    Args:
        svg: the document.
        pixels: bytes 0..255, of shape (H, W) for grey or (H, W, 3) for red, green and blue.
        box: left, top, width and height in the document's units.
    """
    left, top, width, height = map(short, box)
    place = {"x": left, "y": top, "width": width, "height": height, "preserveAspectRatio": "none"}
    kind = "gif" if pixels.ndim == 2 else "bmp"  # a GIF holds 256 greys; neither form depends on a version of zlib
    file = BytesIO()
    Image.fromarray(pixels).save(file, kind.upper())
    source = f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"
    ElementTree.SubElement(svg, "image", place | {"href": source, "style": "image-rendering: pixelated"})


def pixels_in(image: ElementTree.Element) -> np.ndarray:
    """Read the pixels of a picture that `add_pixels` added.

    >>> svg = ElementTree.Element("svg")
    >>> add_pixels(svg, np.array([[0, 255]], np.uint8), (0, 0, 20, 10))
    >>> pixels_in(svg[0])
    array([[  0, 255]], dtype=uint8)
    """
    with Image.open(BytesIO(b64decode(image.attrib["href"].partition(",")[2]))) as picture:
        return np.asarray(picture.convert("L" if picture.format == "GIF" else "RGB"))
