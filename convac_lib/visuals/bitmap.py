"""A matrix of two colours as an image inside an SVG picture: 256×256 entries take 11 kB, whatever they are."""

import struct
from base64 import b64encode
from xml.etree import ElementTree
from zlib import adler32, crc32

import numpy as np

from convac_lib.visuals.svg import short


def add_bitmap(svg: ElementTree.Element, left: float, top: float, side: float, bits: np.ndarray, colour: str) -> None:
    """Add a square image of a matrix: the colour where it is True, white where it is False.

    Args:
        svg: the picture.
        left: the image's left side.
        top: its top side.
        side: its width and height, in the picture's units.
        bits: Boolean, of shape (m, n).
        colour: "#RRGGBB".
    """
    address = "data:image/png;base64," + b64encode(png_of(bits, colour)).decode()
    place = {"x": short(left), "y": short(top), "width": short(side), "height": short(side)}
    pixels = {"preserveAspectRatio": "none", "style": "image-rendering:pixelated"}
    ElementTree.SubElement(svg, "image", {**place, **pixels, "href": address})


def png_of(bits: np.ndarray, colour: str) -> bytes:
    """Encode a Boolean matrix as a PNG file of one bit per entry.

    The bits are stored without compression, because another version of zlib writes other bytes.

    >>> png_of(np.array([[True]]), "#2B2B2B")[1:4]
    b'PNG'
    """
    height, width = bits.shape
    lines = b"".join(b"\0" + np.packbits(row).tobytes() for row in bits)
    blocks = [lines[start : start + 0xFFFF] for start in range(0, len(lines), 0xFFFF)]
    stored = b"".join(
        struct.pack("<BHH", block is blocks[-1], len(block), len(block) ^ 0xFFFF) + block for block in blocks
    )
    palette = bytes.fromhex("FFFFFF" + colour.removeprefix("#"))
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 1, 3, 0, 0, 0),  # one bit, with a palette
        b"PLTE": palette,
        b"IDAT": b"\x78\x01" + stored + struct.pack(">I", adler32(lines)),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc32(name + data))
        for name, data in chunks.items()
    )
