"""The explorer of missing data: erase pixels of a digit, and see what the posterior and the filled image become."""

from collections.abc import Sequence
from functools import cache

from convac_lib.extras import require

require("experiments", __name__)

import numpy as np
from torch import Tensor

from convac_lib.checks import require_integers
from convac_lib.data.digits import digits
from convac_lib.related.missing import GenerativeConvAC, hide, recorded_model
from convac_lib.visuals.pixels import add_pixels
from convac_lib.visuals.style import INK, MUTED, OTHER_COLOUR, RULE, colour_of
from convac_lib.visuals.svg import LINE, MARGIN, WIDTH, add_path, add_text, rectangle, serialize, short, svg_document
from convac_lib.visuals.view import View

SIDE, GAP, TOP = 240, 60, LINE + 6
BARS, TALLEST = TOP + SIDE + 3 * LINE, 110
HIDDEN = (153, 204, 230)  # a light blue, which no grey can be taken for


@cache
def _model() -> GenerativeConvAC:
    return recorded_model()


@cache
def _digit(number: int, image: int) -> Tensor:
    data = digits()
    return (data.test_images[data.test_labels == number][image : image + 1] / 240).double()


def missing_view(
    digit: int, hidden: int, top: int = 0, left: int = 0, height: int = 0, width: int = 0, image: int = 0, seed: int = 0
) -> View:
    """Show a test digit with erased pixels, the image that the recorded network fills in, and the ten probabilities.

    Args:
        digit: the class, 0 to 9.
        hidden: how many pixels are erased at random places, 0 to 64.
        top: the first row of a rectangle that is erased too.
        left: its first column.
        height: its rows; 0 erases none. What lies outside the image does not count.
        width: its columns.
        image: which test image of the class, 0 to 29.
        seed: the seed of the random places.

    Returns:
        The `View`.

    Raises:
        ConvacError: if a number is out of range.

    Source: Sharir, Tamari, Cohen & Shashua (2017). Chapter: *Missing data*.

    >>> missing_view(3, hidden=64).reading
    'Nothing is seen, so every class has its prior probability, 10 %.'
    """
    require_integers(least=0, most=9, digit=digit)
    require_integers(least=0, most=29, image=image)
    require_integers(least=0, most=8, top=top, left=left, height=height, width=width)
    seen = hide("pixels", hidden, 1, 8, seed)
    seen[:, top : top + height, left : left + width] = False
    pixels = _digit(digit, image)
    posterior = _model().posterior(pixels, seen)[0].numpy()
    filled = _model().inpaint(pixels, seen)[0, 0].numpy()
    percents = [round(100 * share) for share in posterior]
    erased, best = int((~seen).sum()), int(posterior.argmax())
    picture = draw_missing(pixels[0, 0].numpy(), seen[0].numpy(), filled, posterior, digit)
    listed = ", ".join(f"{number}: {percent} %" for number, percent in enumerate(percents))
    alternative = (
        f"A digit {digit} with {erased} of 64 pixels hidden, the same with its hidden pixels filled, and a bar for "
        f"each class. Probabilities: {listed}."
    )
    values = {"pixels hidden": erased, "of the true class, %": percents[digit], "largest, %": percents[best]}
    if erased == 64:
        reading = "Nothing is seen, so every class has its prior probability, 10 %."
    elif best == digit:
        reading = f"With {erased} of 64 pixels hidden, the network gives the true class {digit} {percents[digit]} %."
    else:
        reading = (
            f"With {erased} of 64 pixels hidden, the network prefers {best}, by {percents[best]} % "
            f"against {percents[digit]} % for the true class {digit}."
        )
    return View(picture, alternative, reading, values)


def draw_missing(
    pixels: np.ndarray, seen: np.ndarray, filled: np.ndarray, posterior: Sequence[float] | np.ndarray, digit: int
) -> str:
    """Draw an image with its hidden pixels in blue, the filled image, and a bar for the probability of each class.

    Args:
        pixels: numbers from 0, white, to 1, black, of shape (8, 8).
        seen: Boolean, of shape (8, 8).
        filled: numbers, of shape (8, 8).
        posterior: ten probabilities.
        digit: the true class, whose bar is green.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Missing data*.

    >>> blank = np.zeros((8, 8))
    >>> draw_missing(blank, blank == 0, blank, [0.1] * 10, digit=3).count("10")  > 0
    True
    """
    svg = svg_document(WIDTH, BARS + TALLEST + 2 * LINE + 6)
    for x, words, values in ((MARGIN, "seen, hidden in blue", pixels), (SIDE + GAP, "filled by its mean", filled)):
        add_text(svg, x, LINE - 6, words)
        greys = np.rint(255 * (1 - values.clip(0, 1))).astype(np.uint8)[:, :, None].repeat(3, 2)
        if values is pixels:
            greys[~seen] = HIDDEN
        add_pixels(svg, greys, (x, TOP, SIDE, SIDE))
        add_path(svg, rectangle(x, TOP, SIDE, SIDE), fill="none", stroke=RULE)
    add_text(svg, MARGIN, TOP + SIDE + LINE + 4, "probability of each class, %, the true one in green")
    step = WIDTH / 10
    for number, share in enumerate(posterior):
        tall, place = TALLEST * float(share), number * step
        colour = OTHER_COLOUR if number == digit else colour_of(1)
        add_path(svg, rectangle(place + 8, BARS + TALLEST - tall, step - 16, max(tall, 1)), fill=colour)
        add_text(svg, place + step / 2, BARS + TALLEST - tall - 6, str(round(100 * share)), anchor="middle")
        bold = number == digit
        add_text(
            svg,
            place + step / 2,
            BARS + TALLEST + LINE,
            short(number),
            anchor="middle",
            fill=INK if bold else MUTED,
            bold=bold,
        )
    return serialize(svg)
