"""The explorer of one layer, entry by entry: the window on the input, its inner products, and their product."""

from xml.etree import ElementTree

import numpy as np
from numpy.typing import ArrayLike

from convac_lib.theory.convolution import generalized_convolution
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_letters,
    add_path,
    add_text,
    lattice,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

CELL, ENTRY, TOP = 46, 62, LINE + 8
BOX_WIDTH, BOX_HEIGHT, BOX_TOP = 186, 38, TOP + 6 * CELL + LINE + 12
PATCHES, WEIGHTS = ((1, 0, 1), (0, 1, 1)), (-1, 1, 2)  # that are drawn: the patches' two channels, and the weights
READ_OUTSIDE = {"ones": 1, "zero": 0}  # at the neutral border, nothing is read
OUTSIDE = {
    "neutral": "count 1 each; zeros there would make the entry 0",
    "ones": "read ones",
    "zero": "read zeros, so the entry is 0",
}


def entry_view(
    x: ArrayLike,
    weight: ArrayLike,
    S: int,
    R: int,
    u: int,
    v: int,
    border: str = "neutral",
    size: int = 4,
    seed: int | None = None,
) -> View | None:
    """Compute one entry of a layer's output by hand: an inner product at every offset of its window, and their product.

        Y[u, v] = Π_ij Σ_d weight[d, i, j] · x[d, uS+i, vS+j]

    Args:
        x: the input, digits of shape (2, 4, 4).
        weight: of one output channel, integers of shape (2, 3, 3); a smaller window takes the upper left.
        S: the stride, 1 to 3.
        R: the receptive field, 1 to 3.
        u: the entry's row.
        v: the entry's column.
        border: what the window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero" (a
            vector of zeros), or "valid" (windows stay inside).
        size: the side of the image, up to 4; a smaller image is the upper left part.
        seed: of an input and weights that take the place of those given, drawn by `drawn_layer`; None for those given.

    Returns:
        The `View`, on whose output every entry can be pointed at; None if patches would be skipped (R < S), or the
        output has no such entry.

    Raises:
        ArchitectureError: if the border is unknown, or a "valid" window does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x, weight = np.arange(32).reshape(2, 4, 4) % 3, np.ones((2, 3, 3), int)
    >>> entry_view(x, weight, S=2, R=2, u=0, v=1).reading
    'Y[0, 1] = 2 · 1 · 1 · 3 = 6.'
    """
    if R < S:
        return None
    x, weight = (np.asarray(x), np.asarray(weight)) if seed is None else drawn_layer(seed)
    x, weight = x[:, :size, :size], weight[:, :R, :R]
    output = generalized_convolution(x, weight[None], S, border=border)[0]
    if max(u, v) >= len(output):
        return None
    factors = window_factors(x, weight, (u * S, v * S), border)
    inside = min(R, size - u * S) * min(R, size - v * S)
    written = " · ".join(f"({_signed(factor)})" if factor < 0 else str(factor) for factor in factors.values())
    outside = R**2 - inside
    reading = f"Y[{u}, {v}] = {written}" + (f" = {_signed(output[u, v])}." if len(factors) > 1 else ".")
    if R == 1:
        reading += " There is a single offset, so nothing is multiplied: this is a 1×1 convolution."
    where = "inside the image"
    if outside:
        reading += f" {outside} of {R**2} offsets are outside the image and {OUTSIDE[border]}."
        where = where if border == "neutral" else f"({outside} of them outside the image)"
    alternative = (
        f"A {size}×{size} input of two channels, and the {R}×{R} window whose upper left patch is in row {u * S}, "
        f"column {v * S}; the {len(factors)} inner products {where}, {', '.join(map(_signed, factors.values()))}; and "
        f"the {len(output)}×{len(output)} output, row by row: "
        f"{'; '.join(', '.join(map(_signed, row)) for row in output)}."
    )
    values: dict[str, Value] = {"factors inside": inside, "outside": outside, "Y[u, v]": int(output[u, v])}
    spots = [(_entry(*place), {"u": place[0], "v": place[1]}) for place in np.ndindex(*output.shape)]
    return View(draw_entry(x, weight, output, (u, v), S, border), alternative, reading, values, spots)


def drawn_layer(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw the input and the weights of a layer, small enough that every entry of its output is a short number.

    Args:
        seed: of the draw.

    Returns:
        The input of shape (2, 4, 4), whose patches are (1, 0), (0, 1) and (1, 1), and the weights of one output channel
        of shape (2, 3, 3), which are −1, 1 and 2.

    Chapter: *Overlaps*.

    >>> x, weight = drawn_layer(0)
    >>> x[:, 0].tolist(), weight[:, 0].tolist()
    ([[1, 0, 0, 1], [1, 1, 1, 0]], [[1, 1, 1], [2, 1, -1]])
    """
    generator = np.random.default_rng(seed)
    x = np.array(PATCHES)[:, generator.integers(3, size=(4, 4))]
    return x, np.array(WEIGHTS)[generator.integers(3, size=(2, 3, 3))]


def window_factors(
    x: np.ndarray, weight: np.ndarray, corner: tuple[int, int], border: str = "neutral"
) -> dict[tuple[int, int], int]:
    """Take the inner product of each patch of a window with the weights of its offset.

    Args:
        x: the input, of shape (d, H, H).
        weight: of one output channel, of shape (d, R, R).
        corner: the row and column of the window's upper left patch.
        border: what the window reads outside the image, as in `entry_view`.

    Returns:
        {(i, j): Σ_d weight[d, i, j] · x[d, row + i, column + j]}; with the neutral border, without the offsets outside
        the image, where nothing is read.

    Chapter: *Overlaps*.

    >>> x, weight = np.array([[[2, 3], [5, 7]]]), np.ones((1, 2, 2), int)
    >>> window_factors(x, weight, corner=(0, 1)), window_factors(x, weight, corner=(0, 1), border="zero")
    ({(0, 0): 3, (1, 0): 7}, {(0, 0): 3, (0, 1): 0, (1, 0): 7, (1, 1): 0})
    """
    patches = _window(x, corner, weight.shape[-1], border)
    return {(i, j): int(weight[:, i, j] @ patches[:, i, j]) for i, j in np.ndindex(patches.shape[1:])}


def _window(x: np.ndarray, corner: tuple[int, int], R: int, border: str) -> np.ndarray:
    """Return what a window reads, of shape (d, ≤R, ≤R): with the neutral border only what is inside."""
    if border in READ_OUTSIDE:
        x = np.pad(x, ((0, 0), (0, R), (0, R)), constant_values=READ_OUTSIDE[border])
    return x[:, corner[0] :, corner[1] :][:, :R, :R]


def draw_entry(
    x: np.ndarray, weight: np.ndarray, output: np.ndarray, place: tuple[int, int], S: int, border: str = "neutral"
) -> str:
    """Draw the input with a window on it, the output with the window's entry, and the inner products between them.

    Args:
        x: the input, digits of shape (2, H, H), with H up to 4.
        weight: of one output channel, of shape (2, R, R), with R up to 3.
        output: of that channel, of shape (H', H').
        place: the entry's row and column.
        S: the stride.
        border: what the window meets outside the image, as in `entry_view`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Overlaps*.

    >>> x, weight = np.ones((2, 4, 4), int), np.ones((2, 1, 1), int)
    >>> "1·1 + 1·1 = 2" in draw_entry(x, weight, 2 * x[0], (0, 0), S=1)
    True
    """
    R, corner = weight.shape[-1], (place[0] * S, place[1] * S)
    inside = min(R, len(x[0]) - corner[0]), min(R, len(x[0]) - corner[1])
    colour = colour_of(R if R > S else 1)
    svg = svg_document(WIDTH, BOX_TOP + 3 * BOX_HEIGHT + MARGIN)
    add_text(svg, MARGIN, LINE - 6, "input X, 2 channels")
    add_text(svg, _entry(0, 0)[0], LINE - 6, f"output Y, {len(output)}×{len(output)}")
    _draw_window(svg, x, corner, R, colour, READ_OUTSIDE.get(border))
    _draw_output(svg, output, place, colour)
    _draw_factors(svg, _window(x, corner, R, border), weight, inside, colour)
    return serialize(svg)


def _draw_window(
    svg: ElementTree.Element, x: np.ndarray, corner: tuple[int, int], R: int, colour: str, read: int | None
) -> None:
    """Draw the input, a patch's two numbers one above the other, and the window, with dashes where it is outside.

    There it reads a number for each channel, or nothing, and then counts 1.
    """
    size = x.shape[-1]
    patches = [(corner[0] + i, corner[1] + j) for i, j in np.ndindex(R, R)]
    inside = [_patch(*at) for at in patches if max(at) < size]
    outside = [_patch(*at) for at in patches if max(at) >= size]
    add_path(svg, "".join(rectangle(*box) for box in inside), fill=colour, fill_opacity=".38")
    add_path(svg, lattice(MARGIN, TOP, size * CELL, size), fill="none", stroke=MUTED)
    if outside:
        path = "".join(rectangle(*box) for box in outside)
        add_path(svg, path, fill="none", stroke=MUTED, stroke_dasharray="4 4")
    for left, top, side, _ in outside:
        for baseline in (30,) if read is None else (20, 41):
            words = "1" if read is None else str(read)
            add_text(svg, left + side / 2, top + baseline, words, anchor="middle", fill=MUTED)
    for row, channel in np.ndindex(size, len(x)):
        middles = [MARGIN + CELL * (column + 0.5) for column in range(size)]
        digits = "".join(map(str, x[channel, row]))
        add_letters(svg, middles, TOP + CELL * row + 20 + 21 * channel, digits)
    left, top, *_ = _patch(*corner)
    add_path(svg, rectangle(left, top, R * CELL, R * CELL), fill="none", stroke=INK, stroke_width="3")


def _draw_output(svg: ElementTree.Element, output: np.ndarray, place: tuple[int, int], colour: str) -> None:
    """Draw the output, with the window's entry filled."""
    add_path(svg, rectangle(*_entry(*place)), fill=colour, fill_opacity=".38")
    left, top, *_ = _entry(0, 0)
    add_path(svg, lattice(left, top, ENTRY * len(output), len(output)), fill="none", stroke=MUTED)
    for row, column in np.ndindex(*output.shape):
        left, top, side, _ = _entry(row, column)
        words, chosen = _signed(int(output[row, column])), (row, column) == place
        add_text(svg, left + side / 2, top + side / 2 + 7, words, anchor="middle", bold=chosen)
    add_path(svg, rectangle(*_entry(*place)), fill="none", stroke=INK, stroke_width="3")


def _draw_factors(
    svg: ElementTree.Element, patches: np.ndarray, weight: np.ndarray, inside: tuple[int, int], colour: str
) -> None:
    """Draw a box for every offset of the window, in the window's order: weight times patch, channel by channel."""
    add_text(svg, MARGIN, BOX_TOP - 10, "weights · patch, and the sum, at each offset")
    offsets = list(np.ndindex(weight.shape[1:]))
    filled = "".join(rectangle(*_box(i, j)) for i, j in offsets if i < inside[0] and j < inside[1])
    dashed = "".join(rectangle(*_box(i, j)) for i, j in offsets if i >= inside[0] or j >= inside[1])
    add_path(svg, filled, fill=colour, fill_opacity=".14", stroke=RULE)
    if dashed:
        add_path(svg, dashed, fill="none", stroke=RULE, stroke_dasharray="4 4")
    for i, j in offsets:
        words, ink = "outside: 1", INK if i < inside[0] and j < inside[1] else MUTED
        if i < patches.shape[1] and j < patches.shape[2]:
            product = int(weight[:, i, j] @ patches[:, i, j])
            words = f"{_sum(weight[:, i, j], patches[:, i, j])} = {_signed(product)}"
        left, top, width, _ = _box(i, j)
        add_text(svg, left + width / 2, top + 26, words, anchor="middle", fill=ink)


def _sum(weights: np.ndarray, numbers: np.ndarray) -> str:
    """Write an inner product out: −1·2 + 2·1."""
    terms = (f" {'−' if w < 0 else '+'} {abs(w)}·{n}" for w, n in zip(weights[1:], numbers[1:]))
    return f"{_signed(weights[0])}·{numbers[0]}" + "".join(terms)


def _patch(row: int, column: int) -> Box:
    """Find the place of a patch of the input."""
    return MARGIN + CELL * column, TOP + CELL * row, CELL, CELL


def _entry(row: int, column: int) -> Box:
    """Find the place of an entry of the output."""
    return WIDTH - MARGIN - ENTRY * (4 - column), TOP + ENTRY * row, ENTRY, ENTRY


def _box(i: int, j: int) -> Box:
    """Find the place of an offset's inner product."""
    return MARGIN + j * BOX_WIDTH, BOX_TOP + i * BOX_HEIGHT, BOX_WIDTH, BOX_HEIGHT


def _signed(number: int) -> str:
    """Write an integer with a true minus sign."""
    return str(number).replace("-", "−")
