"""The explorer of a matrix of low rank: a table for two patches, its two thin factors, and its pieces of rank 1."""

from math import comb
from xml.etree import ElementTree

import numpy as np

from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError
from convac_lib.visuals.style import INK, MUTED, RULE
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Place,
    add_path,
    add_text,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

SIDE, SIGN = 160, 36  # of the table, and the room of an equals sign
TOP = LINE + 8
PIECES_TOP, LARGEST_PIECE, EQUALS, PLUS, STRIP = TOP + SIDE + LINE + 30, 116, 26, 26, 10
LARGEST = 12  # templates whose cells are still seen


def factors_view(M: int, rank: int) -> View | None:
    """Show the table A[d₁, d₂] = (d₁ + d₂)^(r−1), d = 0..M−1, as a product U·Vᵀ of two thin factors.

        (d₁ + d₂)^(r−1) = Σ_α (r−1 over α) d₁^α · d₂^(r−1−α),   a sum of r products

    Args:
        M: templates, 1 to 12.
        rank: r.

    Returns:
        The `View`; None if r is above M, where the table has no larger rank than M.

    Source: talk, backup slide "Tensor Decompositions" (N = 2). Chapter: *Tensors and function spaces*.

    >>> factors_view(M=8, rank=2).reading
    "M = 8, rank 2: the factors hold 2·8·2 = 32 numbers, fewer than the table's 64."
    """
    if rank > M:
        return None
    stored, table = 2 * M * rank, M**2
    compared = "fewer than" if stored < table else "more than" if stored > table else "as many as"
    reading = f"M = {M}, rank {rank}: the factors hold 2·{M}·{rank} = {stored} numbers, {compared} the table's {table}."
    alternative = (
        f"A table of {M}×{M} cells is a factor of {M}×{rank} cells times one of {rank}×{M}. It is also a sum of {rank} "
        f"piece{'s' * (rank > 1)}, each a column times a row. The table holds {table} numbers, the factors {stored}."
    )
    values: dict[str, Value] = {"table": table, "factors": stored}
    return View(draw_factors(M, rank), alternative, reading, values)


def power_factors(M: int, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Return U and V with (U·Vᵀ)[d₁, d₂] = (d₁ + d₂)^(r−1), a table of rank r for r ≤ M.

    Args:
        M: templates, numbered from 0.
        rank: r, 1 to M.

    Returns:
        Integers of shape (M, r) each.

    Raises:
        ConvacError: if M or r is not an integer of at least 1, r is above M, or M is above 12.

    Source: the binomial theorem. Chapter: *Tensors and function spaces*.

    >>> U, V = power_factors(M=3, rank=2)
    >>> (U @ V.T).tolist()
    [[0, 1, 2], [1, 2, 3], [2, 3, 4]]
    """
    require_integers(M=M, rank=rank)
    if M > LARGEST:
        raise ConvacError(f"the cells of {M} templates are too small to be seen; use at most {LARGEST}")
    if rank > M:
        raise ConvacError(f"a table of {M}×{M} numbers has no rank above {M}, and {rank} was asked for; use rank {M}")
    d, powers = np.arange(M)[:, None], np.arange(rank)
    binomials = np.array([comb(rank - 1, power) for power in powers])
    return binomials * d**powers, d ** powers[::-1]


def draw_factors(M: int, rank: int) -> str:
    """Draw a table of rank r as U·Vᵀ, and as a sum of r pieces, each a column times a row.

    Cells are darker for larger numbers. The table and its pieces have one scale.

    Args:
        M: templates.
        rank: r.

    Returns:
        An SVG document, 560 wide and always equally high.

    Raises:
        ConvacError: as `power_factors` does.

    Source: talk, backup slide "Tensor Decompositions" (N = 2). Chapter: *Tensors and function spaces*.

    >>> "2·8·2 = 32 numbers" in draw_factors(M=8, rank=2)
    True
    """
    U, V = power_factors(M, rank)
    A, cell = U @ V.T, SIDE / M
    svg = svg_document(WIDTH, PIECES_TOP + LARGEST_PIECE + MARGIN + 2)
    second, third = MARGIN + SIDE + SIGN, MARGIN + SIDE + SIGN + rank * cell + SIGN * 0.75
    for values, left in ((A, MARGIN), (U, second), (V.T, third)):
        _draw_cells(svg, values, (left, TOP), (cell, cell), values.max(), rank)
    middle = TOP + SIDE / 2 + 7
    add_text(svg, second - SIGN / 2, middle, "=", anchor="middle")
    add_text(svg, third - SIGN * 0.375, middle, "·", anchor="middle")
    for left, name in ((MARGIN, "A"), (second, "U"), (third, "Vᵀ")):
        add_text(svg, left, LINE - 4, name, bold=True)
    below = TOP + SIDE + LINE
    add_text(svg, MARGIN, below, f"{M**2} numbers", fill=MUTED)
    add_text(svg, second, below, f"2·{M}·{rank} = {2 * M * rank} numbers", fill=MUTED)
    _draw_pieces(svg, U, V, A.max())
    return serialize(svg)


def _draw_pieces(svg: ElementTree.Element, U: np.ndarray, V: np.ndarray, largest: int) -> None:
    """Draw the products of a column of U and a row of Vᵀ, each with both beside it."""
    M, rank = U.shape
    room = (WIDTH - 3 * MARGIN - EQUALS - (rank - 1) * PLUS) / rank
    side = min(LARGEST_PIECE, room) - STRIP - 3
    top, cell = PIECES_TOP + STRIP + 3, side / M
    for number in range(rank):
        left = MARGIN + EQUALS + number * (STRIP + 3 + side + PLUS)
        x, sign = (left - PLUS / 2, "+") if number else (MARGIN, "=")
        add_text(svg, x, top + side / 2 + 7, sign, anchor="middle" if number else "start")
        column, row = U[:, number, None], V[None, :, number]
        _draw_cells(svg, column, (left, top), (STRIP, cell), U.max(), rank)
        _draw_cells(svg, row, (left + STRIP + 3, PIECES_TOP), (cell, STRIP), V.max(), rank)
        _draw_cells(svg, column * row, (left + STRIP + 3, top), (cell, cell), largest, rank)


def _draw_cells(
    svg: ElementTree.Element, values: np.ndarray, place: Place, size: tuple[float, float], largest: int, rank: int
) -> None:
    """Draw numbers as cells of this width and height, from white for 0 to ink for the largest.

    The shade is the root of degree r − 1, so that a power r − 1 has an even scale. The tiny addend keeps a shade on the
    border of two decimals from depending on the last digit of the root.
    """
    where = f"translate({short(place[0])} {short(place[1])}) scale({short(size[0])} {short(size[1])})"
    cells = ElementTree.SubElement(svg, "g", fill=INK, transform=where)
    for value in np.unique(values):
        path = "".join(rectangle(column, row, 1, 1) for row, column in np.argwhere(values == value))
        shade = (value / largest) ** (1 / max(1, rank - 1)) + 1e-6
        add_path(cells, path, fill_opacity=short(shade))
    height, width = values.shape
    lines = [f"M0 {row}h{width}" for row in range(height + 1)]
    lines += [f"M{column} 0v{height}" for column in range(width + 1)]
    add_path(cells, "".join(lines), fill="none", stroke=RULE)
