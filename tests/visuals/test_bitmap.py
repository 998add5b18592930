"""A bitmap is read back by another decoder."""

import io
from base64 import b64decode

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from convac_lib.visuals.bitmap import add_bitmap, png_of
from convac_lib.visuals.svg import svg_document


def decoded(png):
    """The image as colours, shape (m, n, 3)."""
    image = Image.open(io.BytesIO(png))
    image.verify()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_every_entry_is_a_pixel(bits):
    expected = np.where(bits[..., None], (0xD5, 0x5E, 0x00), 255)
    assert (decoded(png_of(bits, "#D55E00")) == expected).all()


def test_an_image_of_several_blocks():
    bits = np.random.default_rng(0).random((900, 901)) < 0.5
    assert ((decoded(png_of(bits, "#000000")) == 0).all(axis=2) == bits).all()


def test_the_image_is_part_of_the_picture():
    svg, bits = svg_document(10, 10), np.array([[True, False]])
    add_bitmap(svg, 1, 2, 8, bits, "#123456")
    (image,) = svg
    kind, letters = image.get("href").split(",")
    assert kind == "data:image/png;base64" and b64decode(letters) == png_of(bits, "#123456")
    assert [image.get(name) for name in ("x", "y", "width", "height")] == ["1", "2", "8", "8"]
