"""The explorer of a whole matricization: its signs, sorted, and what is left of it after so many pieces of rank 1."""

from collections.abc import Sequence
from functools import cache, cmp_to_key

import numpy as np

from convac_lib.families import common_case
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.integer_matrices import integer_matricization, integer_weights, peel
from convac_lib.visuals.bitmap import add_bitmap
from convac_lib.visuals.style import INK, RULE, colour_of
from convac_lib.visuals.svg import LINE, MARGIN, WIDTH, add_path, add_text, rectangle, serialize, svg_document
from convac_lib.visuals.view import Value, View

SIDE, TOP = 256, LINE + 8  # a unit of the picture for each of the 256 rows
PIECES = (0, 1, 2, 4, 8, 16, 32, 63, 64, 128, 192, 256)
M, SIZE, BANDS = 2, 4, 12  # the network of the first page, and weights that show all three cases well


def matrix_view(B: int, pieces: int, C: int = 2, seed: int = BANDS) -> View:
    """Show the whole matricization of a network of the common case, M = 2 on a 4×4 image, across left | right.

    On the left are the signs of its integer entries. Rows are sorted by their entries in two columns, columns by their
    entries in two rows. A matrix of rank 2 is determined by these, so its signs make connected areas. On the right is
    what is not yet 0, modulo 2³¹ − 1, when so many pieces of rank 1 are subtracted.

    Args:
        B: the receptive field of the stride-1 layers.
        pieces: how many pieces of rank 1 are subtracted.
        C: channels of every layer.
        seed: the seed of the weights, integers from −9 to 9.

    Returns:
        The `View`.

    Source: talk, slide "Overlapping Efficiency". Chapter: *Expressive efficiency*.

    >>> matrix_view(B=1, pieces=2).reading
    'B = 1: 2 pieces of rank 1 make up all 65,536 entries, so the rank is 2.'
    >>> matrix_view(B=2, pieces=63).values["rank left"]
    1
    """
    residues, signs, rank = _matrix(B, C, seed)
    rest, rows, _ = peel(residues, pieces)
    left, entries, more = int(np.count_nonzero(rest)), rest.size, rank - len(rows)
    changes = sign_changes(signs)
    used = f"{len(rows)} piece{'s' * (len(rows) != 1)} of rank 1"
    if not left:
        reading = f"B = {B}: {used} make{'s' * (rank == 1)} up all {entries:,} entries, so the rank is {rank}."
    elif rows:
        reading = (
            f"B = {B}: after {used}, {left:,} of {entries:,} entries are not yet 0. "
            f"{more} more {'is' if more == 1 else 'are'} needed, since the rank is {rank}."
        )
    else:
        reading = f"B = {B}: {entries:,} entries. How many pieces of rank 1 must be subtracted until nothing is left?"
    alternative = (
        f"Two squares of 256×256 entries. Left: the signs of the matrix for B = {B}, sorted; {changes:.0%} of "
        f"neighbours in a row have different signs. Right: after {used}, "
        + (f"{left / entries:.0%} of the entries are not 0." if left else "every entry is 0.")
    )
    values: dict[str, Value] = {
        "rank": rank,
        "rank left": more,
        "entries left": left,
        "neighbours of different sign": f"{changes:.0%}",
    }
    return View(draw_matrix(signs, rest != 0, len(rows), rank, colour=colour_of(B)), alternative, reading, values)


@cache
def _matrix(B: int, C: int, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Return the matrix modulo 2³¹ − 1 and the signs of its entries, both sorted, and the rank."""
    network = common_case(B, M, SIZE, C)
    matrix = integer_matricization(network, *integer_weights(network, seed), make_cut("left-right", SIZE))
    residues = (matrix % DEFAULT_PRIME).astype(np.int64)
    _, rows, columns = peel(residues, 2)
    down, across = by_angle(matrix[:, columns]), by_angle(matrix[rows, :].T)
    order = np.ix_(down, across)
    return residues[order], matrix[order] > 0, len(peel(residues, len(residues))[1])


def by_angle(points: np.ndarray) -> list[int]:
    """Sort points of the plane by their angle, from 0 up to a full turn, exactly; points of one angle keep their order.

    Args:
        points: integers, of shape (n, 2); of shape (n, 1) they are numbers, positive before negative.

    Returns:
        The numbers of the points.

    Chapter: *Expressive efficiency*.

    >>> by_angle(np.array([[1, -1], [0, 2], [3, 3], [-1, 0]]))
    [2, 1, 3, 0]
    """
    plane = [(int(point[0]), int(point[-1]) if len(point) > 1 else 0) for point in points]

    def half(x: int, y: int) -> int:
        return 2 if x == y == 0 else int(y < 0 or (y == 0 and x < 0))

    def compare(one: int, other: int) -> int:
        (x, y), (u, v) = plane[one], plane[other]
        return half(x, y) - half(u, v) or (y * u > x * v) - (y * u < x * v)

    return sorted(range(len(plane)), key=cmp_to_key(compare))


def sign_changes(signs: np.ndarray) -> float:
    """Return the share of pairs of neighbours in a row that differ.

    Chapter: *Expressive efficiency*.

    >>> sign_changes(np.array([[True, True, False], [True, False, False]]))
    0.5
    """
    return float(np.mean(signs[:, 1:] != signs[:, :-1]))


def draw_matrix(signs: np.ndarray, left: np.ndarray, pieces: int, rank: int, *, colour: str) -> str:
    """Draw the signs of a matrix, and which of its entries are left after some pieces of rank 1.

    Args:
        signs: whether each entry is positive, drawn in ink.
        left: whether it is not yet 0, drawn in the colour.
        pieces: how many pieces were subtracted.
        rank: of the matrix.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Expressive efficiency*.

    >>> bits = np.eye(2, dtype=bool)
    >>> "after 1 piece" in draw_matrix(bits, bits, 1, 2, colour=colour_of(1))
    True
    """
    svg = svg_document(WIDTH, TOP + SIDE + LINE + 10)
    lefts = MARGIN, WIDTH - MARGIN - SIDE
    titles = "black: entries > 0", f"not 0 after {pieces} piece{'s' * (pieces != 1)}"
    feet = f"rank {rank}", f"rank {rank - pieces} left" if rank > pieces else "nothing left"
    panels: Sequence[tuple[np.ndarray, str]] = (signs, INK), (left, colour)
    for at, title, foot, (bits, ink) in zip(lefts, titles, feet, panels):
        add_text(svg, at, LINE - 6, title)
        add_bitmap(svg, at, TOP, SIDE, bits, ink)
        add_path(svg, rectangle(at, TOP, SIDE, SIDE), fill="none", stroke=RULE)
        add_text(svg, at, TOP + SIDE + LINE, foot, bold=True)
    return serialize(svg)
