"""The explorer of one layer, entry by entry: the window on the input, its inner products, and their product."""

from xml.etree import ElementTree

import numpy as np

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


def entry_view(x: np.ndarray, weight: np.ndarray, S: int, R: int, u: int, v: int) -> View | None:
    """Compute one entry of a layer's output by hand: an inner product at every offset of its window, and their product.

        Y[u, v] = Π_ij Σ_d weight[d, i, j] · x[d, uS+i, vS+j],   with the factor 1 outside the image

    Args:
        x: the input, digits of shape (2, 4, 4).
        weight: of one output channel, integers of shape (2, 3, 3); a smaller window takes the upper left.
        S: the stride, 1 or 2.
        R: the receptive field, 1 to 3.
        u: the entry's row.
        v: the entry's column.

    Returns:
        The `View`, on whose output every entry can be pointed at; None if patches would be skipped (R < S), or the
        output has no such entry.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x, weight = np.arange(32).reshape(2, 4, 4) % 3, np.ones((2, 3, 3), int)
    >>> entry_view(x, weight, S=2, R=2, u=0, v=1).reading
    'Y[0, 1] = 2 · 1 · 1 · 3 = 6.'
    """
    size = -(-x.shape[-1] // S)
    if R < S or max(u, v) >= size:
        return None
    weight = weight[:, :R, :R]
    output = generalized_convolution(x, weight[None], S)[0]
    factors = window_factors(x, weight, (u * S, v * S))
    written = " · ".join(f"({_signed(factor)})" if factor < 0 else str(factor) for factor in factors.values())
    outside = R**2 - len(factors)
    reading = f"Y[{u}, {v}] = {written}" + (f" = {_signed(output[u, v])}." if len(factors) > 1 else ".")
    if R == 1:
        reading += " There is a single offset, so nothing is multiplied: this is a 1×1 convolution."
    if outside:
        reading += (
            f" {outside} of {R**2} offsets are outside the image and count 1 each; zeros there would make the entry 0."
        )
    alternative = (
        f"A 4×4 input of two channels, and the {R}×{R} window whose upper left patch is in row {u * S}, column {v * S}"
        f"; the {len(factors)} inner products inside the image, {', '.join(map(_signed, factors.values()))}; and the "
        f"{size}×{size} output, row by row: {'; '.join(', '.join(map(_signed, row)) for row in output)}."
    )
    values: dict[str, Value] = {"factors inside": len(factors), "outside": outside, "Y[u, v]": int(output[u, v])}
    spots = [(_entry(*place), {"u": place[0], "v": place[1]}) for place in np.ndindex(size, size)]
    return View(draw_entry(x, weight, output, (u, v), S), alternative, reading, values, spots)


def window_factors(x: np.ndarray, weight: np.ndarray, corner: tuple[int, int]) -> dict[tuple[int, int], int]:
    """Take the inner product of each patch inside a window with the weights of its offset.

    Args:
        x: the input, of shape (d, H, H).
        weight: of one output channel, of shape (d, R, R).
        corner: the row and column of the window's upper left patch.

    Returns:
        {(i, j): Σ_d weight[d, i, j] · x[d, row + i, column + j]}, without the offsets outside the image.

    Chapter: *Overlaps*.

    >>> window_factors(np.array([[[2, 3], [5, 7]]]), np.ones((1, 2, 2), int), corner=(0, 1))
    {(0, 0): 3, (1, 0): 7}
    """
    patches = x[:, corner[0] :, corner[1] :][:, : weight.shape[-1], : weight.shape[-1]]
    return {(i, j): int(weight[:, i, j] @ patches[:, i, j]) for i, j in np.ndindex(patches.shape[1:])}


def draw_entry(x: np.ndarray, weight: np.ndarray, output: np.ndarray, place: tuple[int, int], S: int) -> str:
    """Draw the input with a window on it, the output with the window's entry, and the inner products between them.

    Args:
        x: the input, digits of shape (2, 4, 4).
        weight: of one output channel, of shape (2, R, R), with R up to 3.
        output: of that channel, of shape (H', H').
        place: the entry's row and column.
        S: the stride.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Overlaps*.

    >>> x, weight = np.ones((2, 4, 4), int), np.ones((2, 1, 1), int)
    >>> "1·1 + 1·1 = 2" in draw_entry(x, weight, 2 * x[0], (0, 0), S=1)
    True
    """
    R, corner = weight.shape[-1], (place[0] * S, place[1] * S)
    colour = colour_of(R if R > S else 1)
    svg = svg_document(WIDTH, BOX_TOP + 3 * BOX_HEIGHT + MARGIN)
    add_text(svg, MARGIN, LINE - 6, "input X, 2 channels")
    add_text(svg, _entry(0, 0)[0], LINE - 6, f"output Y, {len(output)}×{len(output)}")
    _draw_window(svg, x, corner, R, colour)
    _draw_output(svg, output, place, colour)
    _draw_factors(svg, x, weight, corner, colour)
    return serialize(svg)


def _draw_window(svg: ElementTree.Element, x: np.ndarray, corner: tuple[int, int], R: int, colour: str) -> None:
    """Draw the input, a patch's two numbers one above the other, and the window, with dashes where it is outside."""
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
        add_text(svg, left + side / 2, top + 30, "1", anchor="middle", fill=MUTED)
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
    svg: ElementTree.Element, x: np.ndarray, weight: np.ndarray, corner: tuple[int, int], colour: str
) -> None:
    """Draw a box for every offset of the window, in the window's order: weight times patch, channel by channel."""
    add_text(svg, MARGIN, BOX_TOP - 10, "weights · patch, and the sum, at each offset")
    factors = window_factors(x, weight, corner)
    inside = "".join(rectangle(*_box(*at)) for at in factors)
    outside = "".join(rectangle(*_box(*at)) for at in np.ndindex(weight.shape[1:]) if at not in factors)
    add_path(svg, inside, fill=colour, fill_opacity=".14", stroke=RULE)
    if outside:
        add_path(svg, outside, fill="none", stroke=RULE, stroke_dasharray="4 4")
    for i, j in np.ndindex(weight.shape[1:]):
        words, ink = "outside: 1", MUTED
        if (i, j) in factors:
            patch = x[:, corner[0] + i, corner[1] + j]
            words, ink = f"{_sum(weight[:, i, j], patch)} = {_signed(factors[i, j])}", INK
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
