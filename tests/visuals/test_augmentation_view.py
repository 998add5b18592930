"""The pictures of what is done to images: versions that an augmentation makes, and what JPEG changes."""

from io import BytesIO
from itertools import product

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible
from PIL import Image

from convac_lib.errors import ConvacError, DataError
from convac_lib.visuals.pixels import pixels_in
from convac_lib.visuals.views.augmentation import augmentation_view, jpeg_view

PICTURE = np.random.default_rng(0).integers(1, 256, (16, 16, 3), dtype=np.uint8)
SMOOTH = np.linspace(0, 255, 32 * 32 * 3).reshape(32, 32, 3).astype(np.uint8)


def drawn(view):
    return [pixels_in(image).astype(int) for image in assert_legible(view.picture).iter(f"{SVG}image")]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_spatial_version_is_the_picture_moved_and_perhaps_mirrored(seed):
    original, *versions = drawn(augmentation_view(PICTURE, "spatial", seed))
    assert np.array_equal(original, PICTURE) and len(versions) == 7
    padded = np.pad(PICTURE, ((3, 3), (3, 3), (0, 0)))
    moved = {}
    for (down, right), mirrored in product(product(range(7), repeat=2), (False, True)):
        window = padded[down : down + 16, right : right + 16]
        moved[window[:, ::-1].tobytes() if mirrored else window.tobytes()] = mirrored
    kinds = [moved[version.astype(np.uint8).tobytes()] for version in versions]
    assert len({version.tobytes() for version in versions}) > 1 and {True, False} >= set(kinds)


def test_a_colour_version_keeps_every_pixel_in_its_place():
    """Two pixels of one colour have one colour afterwards too, and the versions differ."""
    flat = np.zeros((8, 8, 3), np.uint8)
    flat[:4], flat[4:] = (200, 40, 90), (20, 160, 90)
    original, *versions = drawn(augmentation_view(flat, "colour", seed=3))
    for version in versions:
        assert (
            len(np.unique(version[:4].reshape(-1, 3), axis=0))
            == 1
            == len(np.unique(version[4:].reshape(-1, 3), axis=0))
        )
    assert len({version.tobytes() for version in versions}) == 7 and np.array_equal(original, flat)


@pytest.mark.parametrize("augmentation", ["spatial", "colour"])
def test_the_mean_difference_is_that_of_the_drawn_pixels(augmentation):
    view = augmentation_view(PICTURE, augmentation, seed=1)
    original, *versions = drawn(view)
    change = np.mean([abs(version - original).mean() for version in versions])
    assert view.values == {"mean difference": f"{change:.0f}"} and f"by {change:.0f} of 255" in view.alt


@pytest.mark.parametrize("quality", [25, 75, 95])
@pytest.mark.parametrize("picture", [PICTURE, SMOOTH], ids=["noise", "ramp"])
def test_what_jpeg_changes(picture, quality):
    view = jpeg_view(picture, quality)
    original, compressed, difference = drawn(view)
    brightness = np.array(Image.fromarray(picture).convert("YCbCr")).astype(int)
    after = np.array(Image.fromarray(compressed.astype(np.uint8)).convert("YCbCr")).astype(int)
    apart = abs(brightness - after)
    assert np.array_equal(original, picture) and difference.shape == picture.shape[:2]
    assert abs(difference - np.minimum(8 * apart[..., 0], 255)).max() <= 8 * 2  # YCbCr rounds twice
    assert abs(float(view.values["brightness changes by"]) - apart[..., 0].mean()) <= 1
    assert abs(float(view.values["colour changes by"]) - apart[..., 1:].mean()) <= 1
    assert f"JPEG of quality {quality}" in view.reading and view.values["bytes before"] == picture.size
    assert len(view.picture) < 60_000


def test_the_record_s_quality_has_its_tables_and_its_half_resolution_of_colour():
    """The first numbers of the table that all 60,000 files of cifar10-jpeg have, and their sampling of colour."""
    file = BytesIO()
    Image.fromarray(PICTURE).save(file, "JPEG", quality=75, subsampling="4:2:0")
    with Image.open(file) as read:
        assert read.quantization[0][:8] == [8, 6, 5, 8, 12, 20, 26, 31]
        assert [layer[1:3] for layer in read.layer] == [(2, 2), (1, 1), (1, 1)]
        expected = np.asarray(read.convert("RGB"))
    _, compressed, _ = drawn(jpeg_view(PICTURE))
    assert np.array_equal(compressed, expected)


@pytest.mark.parametrize(
    "call, kind, sentence",
    [
        (
            lambda: augmentation_view(np.zeros((4, 4), np.uint8)),
            DataError,
            "a picture needs shape (H, W, 3) and type uint8, not (4, 4) and uint8; convert it first",
        ),
        (
            lambda: jpeg_view(np.zeros((4, 4, 3))),
            DataError,
            "a picture needs shape (H, W, 3) and type uint8, not (4, 4, 3) and float64; convert it first",
        ),
        (
            lambda: augmentation_view(PICTURE, "none"),
            ConvacError,
            "unknown augmentation 'none'; use one of spatial, colour",
        ),
        (lambda: jpeg_view(PICTURE, 96), ConvacError, "quality must be an integer from 1 to 95, not 96; 75 is usual"),
    ],
)
def test_bad_input_is_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == sentence
