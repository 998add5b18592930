"""What the experiments do to a picture before a network sees it: the two augmentations, and compression as JPEG."""

from io import BytesIO

from convac_lib.extras import require

require("experiments", __name__)

import numpy as np
import torch
from PIL import Image

from convac_lib.data.augmentation import AUGMENTATIONS, REACH
from convac_lib.errors import ConvacError, DataError, shown
from convac_lib.visuals.pixels import add_pixels
from convac_lib.visuals.style import INK
from convac_lib.visuals.svg import LINE, WIDTH, add_path, add_text, rectangle, serialize, svg_document
from convac_lib.visuals.view import Value, View

COLUMNS, ROWS, GAP = 4, 2, 10
SIDE = (WIDTH - 2 - (COLUMNS - 1) * GAP) / COLUMNS
WIDE = (WIDTH - 2 - 2 * GAP) / 3  # the side of one of three pictures
QUALITY = 75  # of the record's images: read from the files of cifar10-jpeg
STRENGTH = 8  # by which a difference is multiplied, to be seen
KINDS = {
    "spatial": f"moved by up to {REACH} pixels each way, the rest black, and mirrored or not",
    "colour": "changed in hue, saturation and luminance",
}


def augmentation_view(picture: np.ndarray, augmentation: str = "spatial", seed: int = 0) -> View:
    """Show a picture and seven random versions of it, as a network sees it in seven epochs.

    Args:
        picture: its pixels, of shape (H, W, 3), bytes 0..255.
        augmentation: "spatial" or "colour".
        seed: of the draws.

    Returns:
        The `View`.

    Raises:
        DataError: if the picture has another shape or type.
        ConvacError: if there is no such augmentation.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.

    >>> augmentation_view(np.zeros((32, 32, 3), np.uint8), "spatial").reading
    'Spatial augmentation: in each epoch the picture is moved by up to 3 pixels each way, the rest black, and mirrored \
or not.'
    """
    _require_picture(picture)
    if augmentation not in KINDS:
        raise ConvacError(f"unknown augmentation {shown(augmentation)}; use one of {', '.join(KINDS)}")
    versions = augmented(picture, augmentation, seed, COLUMNS * ROWS - 1)
    change = np.abs(versions.astype(int) - picture).mean()
    reading = f"{augmentation.capitalize()} augmentation: in each epoch the picture is {KINDS[augmentation]}."
    alternative = (
        f"A picture of {picture.shape[1]}×{picture.shape[0]} pixels and {len(versions)} random versions of it, "
        f"{KINDS[augmentation]}. On average a version differs from the picture by {change:.0f} of 255 at each number."
    )
    return View(draw_augmentations(picture, versions), alternative, reading, {"mean difference": f"{change:.0f}"})


def augmented(picture: np.ndarray, augmentation: str, seed: int, count: int) -> np.ndarray:
    """Return random versions of a picture, of shape (count, H, W, 3), drawn as a training draws them.

    Chapter: *Experiments on standard ConvNets*.
    """
    copies = torch.from_numpy(picture.copy()).permute(2, 0, 1).expand(count, -1, -1, -1)
    versions = AUGMENTATIONS[augmentation](copies, torch.Generator().manual_seed(seed))
    array: np.ndarray = versions.permute(0, 2, 3, 1).numpy()
    return array


def draw_augmentations(picture: np.ndarray, versions: np.ndarray) -> str:
    """Draw a picture, in a thick frame, and its versions, four in a row.

    Args:
        picture: its pixels, of shape (H, W, 3).
        versions: those of seven versions, of shape (7, H, W, 3).

    Returns:
        An SVG document, 560 wide.

    Chapter: *Experiments on standard ConvNets*.
    """
    svg = svg_document(WIDTH, LINE + ROWS * (SIDE + GAP) - GAP + 4)
    add_text(svg, 1, LINE - 8, f"original, in a thick frame, and {len(versions)} versions")
    for number, pixels in enumerate((picture, *versions)):
        row, column = divmod(number, COLUMNS)
        box = 1 + column * (SIDE + GAP), LINE + 2 + row * (SIDE + GAP), SIDE, SIDE
        add_pixels(svg, pixels, box)
        add_path(svg, rectangle(*box), fill="none", stroke=INK, stroke_width="1" if number else "4")
    return serialize(svg)


def jpeg_view(picture: np.ndarray, quality: int = QUALITY) -> View:
    """Show what compression as JPEG does to a picture: the picture, the compressed one, and where they differ.

    Args:
        picture: its pixels, of shape (H, W, 3), bytes 0..255.
        quality: of the compression, 1 to 95; the images of the record have 75, with colour at half the resolution.

    Returns:
        The `View`.

    Raises:
        DataError: if the picture has another shape or type.
        ConvacError: if the quality is out of range.

    Source: none; ours. Chapter: *Experiments on standard ConvNets*.

    >>> jpeg_view(np.zeros((32, 32, 3), np.uint8)).values["brightness changes by"]
    '0'
    """
    _require_picture(picture)
    if not isinstance(quality, int) or not 1 <= quality <= 95:
        raise ConvacError(f"quality must be an integer from 1 to 95, not {shown(quality)}; 75 is usual")
    file = BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(file) as read:
        compressed = np.asarray(read.convert("RGB"))
    brightness, *colours = np.moveaxis(np.abs(_luminance(picture) - _luminance(compressed)), -1, 0)
    light, colour = brightness.mean(), np.mean(colours)
    size = len(file.getvalue())
    reading = (
        f"JPEG of quality {quality} changes a pixel's brightness by {light:.0f} of 255 on average, and its colour by "
        f"{colour:.0f}: one value of colour is kept for each 2×2 pixels."
    )
    alternative = (
        f"A picture of {picture.shape[1]}×{picture.shape[0]} pixels, the same after compression as JPEG of quality "
        f"{quality}, and the difference of the brightnesses, {STRENGTH} times enlarged. The brightness changes by "
        f"{light:.0f} of 255 on average, and the colour by {colour:.0f}."
    )
    values: dict[str, Value] = {
        "brightness changes by": f"{light:.0f}", "colour changes by": f"{colour:.0f}",
        "bytes": size, "bytes before": picture.size,
    }  # fmt: skip
    return View(draw_jpeg(picture, compressed, brightness, quality), alternative, reading, values)


def draw_jpeg(picture: np.ndarray, compressed: np.ndarray, difference: np.ndarray, quality: int) -> str:
    """Draw a picture, the compressed one, and their difference in grey, where black is no difference.

    Args:
        picture: its pixels, of shape (H, W, 3).
        compressed: those of the other.
        difference: of the brightnesses, of shape (H, W); it is drawn eight times as large.
        quality: of the compression.

    Returns:
        An SVG document, 560 wide.

    Chapter: *Experiments on standard ConvNets*.
    """
    svg = svg_document(WIDTH, LINE + WIDE + 4)
    enlarged = np.clip(STRENGTH * difference, 0, 255).astype(np.uint8)
    panels = {"original": picture, f"JPEG, quality {quality}": compressed, f"difference ×{STRENGTH}": enlarged}
    for column, (name, pixels) in enumerate(panels.items()):
        box = 1 + column * (WIDE + GAP), LINE + 2, WIDE, WIDE
        add_text(svg, box[0], LINE - 8, name)
        add_pixels(svg, pixels, box)
        add_path(svg, rectangle(*box), fill="none", stroke=INK)
    return serialize(svg)


def _luminance(picture: np.ndarray) -> np.ndarray:
    """Return brightness, blueness and redness, as JPEG computes them, of shape (H, W, 3)."""
    rows = [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]]
    parts: np.ndarray = picture @ np.array(rows).T
    return parts


def _require_picture(picture: np.ndarray) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise DataError(
            f"a picture needs shape (H, W, 3) and type uint8, not {picture.shape} and {picture.dtype}; convert it first"
        )
