"""The explorer of the theorem's witness: the patches that it pairs across the cut, and the identity that they make."""

from collections.abc import Sequence
from itertools import product
from xml.etree import ElementTree

import numpy as np

from convac_lib.families import common_case
from convac_lib.theory.bounds import theorem
from convac_lib.theory.witness import Witness, theorem_witness
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_line,
    add_path,
    add_text,
    lattice,
    readable,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

LETTERS = "abcd"
LARGEST = 27  # the side of the largest identity that is drawn
IMAGE_SIDE, MATRIX_SIDE, STRIP = 168, 288, 16
MATRIX_LEFT, TOP = WIDTH - MARGIN - MATRIX_SIDE, LINE + len(LETTERS) * STRIP + 12


def witness_view(B: int, size: int, M: int, pairs: int) -> View | None:
    """Show the proof of the overlap theorem: a network of the common case whose matricization contains an identity.

    The network compares pairs of patches across the cut left | right. Some of the pairs show all their combinations of
    templates; all other patches show template 0. The network itself computes the entries of this submatrix.

    Args:
        B: the receptive field of the stride-1 layers.
        size: H, the side of the image, in patches.
        M: representation channels; the layers have 2M.
        pairs: the number of pairs that show all combinations, 1 to 4.

    Returns:
        The `View`; None if the network compares fewer pairs, or the submatrix's side is above 27.

    Source: talk, slide "Overlapping Efficiency" (Theorem). Chapter: *The overlap theorem*.

    >>> witness_view(B=2, size=4, M=2, pairs=2).values["identity shown"]
    '4×4'
    """
    architecture = common_case(B, M, size, channels=2 * M)
    witness, bound = theorem_witness(architecture), theorem(architecture)
    e, side = len(witness.left), witness.D**pairs
    if pairs > e or side > LARGEST:
        return None
    compared, minor = witness_submatrix(witness, pairs)
    places = "; ".join(
        f"{letter}, row {patch // size + 1}, columns {patch % size + 1} and {other % size + 1}"
        for letter, (patch, other) in zip(LETTERS, compared)
    )
    alternative = (
        f"A {size}×{size} image with a cut down the middle and {e} pairs of patches joined across it. Marked: "
        f"{places}. Beside it, {side}×{side} entries of the matricization, by the templates of the marked pairs: "
        f"{np.count_nonzero(minor)} ones, on the diagonal, and zeros elsewhere."
    )
    values: dict[str, Value] = {
        "layer K": str(bound.layer),
        "pairs, e": e,
        "apart by": witness.right[0] - witness.left[0],
        "identity shown": f"{side}×{side}",
        "theorem": _power(M, e),
    }
    return View(draw_pairs(witness, pairs, colour=colour_of(B)), alternative, _reading(B, M, e, pairs), values)


def _reading(B: int, M: int, e: int, pairs: int) -> str:
    if e == 1:
        identity = f"only the last window sees both halves, so one pair: an identity of side {M}"
    elif pairs == e:
        identity = f"{e} pairs meet in a window across the cut. All of them give an identity of side {_power(M, e)}"
    else:
        few = "One of them gives" if pairs == 1 else f"{pairs} of them give"
        identity = (
            f"{e} pairs meet in a window across the cut. {few} an identity of side {_power(M, pairs)}, "
            f"all of them one of side {_power(M, e)}"
        )
    return f"B = {B}: {identity}. For almost all weights the rank is at least that."


def witness_submatrix(witness: Witness, pairs: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Let some of a witness's pairs show all combinations of templates, if possible in different rows of the image.

    Args:
        witness: the network and its pairs.
        pairs: the number of these pairs, 1 to e; the others show template 0.

    Returns:
        These pairs, as patch numbers; and the entries, shape (D^pairs, D^pairs), that the network computes for every
        combination on the left ends (the rows) with every combination on the right ends (the columns).

    Chapter: *The overlap theorem*.

    >>> pairs, minor = witness_submatrix(theorem_witness(common_case(B=2, M=2, size=4, channels=4)), pairs=1)
    >>> pairs, minor.tolist()
    ([(0, 2)], [[1, 0], [0, 1]])
    """
    size = witness.circuit.architecture.size
    order = sorted(range(len(witness.left)), key=lambda pair: (witness.left[pair] % size, pair))[:pairs]
    combinations = np.array(list(product(range(witness.D), repeat=pairs)))
    templates = np.zeros((len(combinations), len(witness.left)), int)
    templates[:, order] = combinations
    minor = witness.circuit.submatrix(witness.cut, *witness.assignments(templates))
    return [(witness.left[pair], witness.right[pair]) for pair in order], minor


def draw_pairs(witness: Witness, pairs: int, *, colour: str) -> str:
    """Draw the image with its cut and its pairs, and beside it the submatrix by the templates of some of them.

    Rows and columns are labelled by strips, one per pair: empty for template 0, full for the last. Entries that are 1
    are black.

    Args:
        witness: the network and its pairs.
        pairs: the number of marked pairs, 1 to 4, as `witness_submatrix` picks them.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *The overlap theorem*.

    >>> witness = theorem_witness(common_case(B=2, M=2, size=4, channels=4))
    >>> "right ends" in draw_pairs(witness, 1, colour=colour_of(2))
    True
    """
    compared, minor = witness_submatrix(witness, pairs)
    svg = svg_document(WIDTH, TOP + MATRIX_SIDE + 2 * LINE + 6)
    _draw_image(svg, witness, compared, colour)
    _draw_labels(svg, pairs, witness.D, colour)
    _draw_entries(svg, minor)
    return serialize(svg)


def _draw_image(svg: ElementTree.Element, witness: Witness, compared: Sequence[tuple[int, int]], colour: str) -> None:
    """Draw the patches, with the left half shaded, and a bar for every pair; bars in one row have different heights."""
    size = witness.circuit.architecture.size
    cell, half = IMAGE_SIDE / size, IMAGE_SIDE / 2
    add_text(svg, MARGIN, TOP - 10 - LINE, f"image {size}×{size}")
    add_text(svg, MARGIN + half, TOP - 10, "cut", anchor="middle")
    add_path(svg, rectangle(MARGIN, TOP, half, IMAGE_SIDE), fill=INK, fill_opacity=".12")
    lines, place = lattice(0, 0, IMAGE_SIDE, size), f"translate({MARGIN} {TOP})"
    add_path(svg, lines, fill="none", stroke=RULE, transform=place)
    add_line(svg, MARGIN + half, TOP - 6, MARGIN + half, TOP + IMAGE_SIDE + 6, INK, width=2.5)
    starts = sorted({patch % size for patch in witness.left})
    bars = {}
    for patch, other in zip(witness.left, witness.right):
        row, start = divmod(patch, size)
        y = TOP + cell * (row + (starts.index(start) + 1) / (len(starts) + 1))
        bars[patch, other] = MARGIN + cell * (start + 0.5), y, cell * (other - patch)
    thin = "".join(f"M{short(x)} {short(y)}h{short(length)}" for x, y, length in bars.values())
    add_path(svg, thin, fill="none", stroke=MUTED)
    ends = "".join(f"M{short(x)} {short(y)}h0m{short(length)} 0h0" for x, y, length in bars.values())
    add_path(svg, ends, fill="none", stroke=MUTED, stroke_width="4", stroke_linecap="round")
    for letter, pair in zip(LETTERS, compared):
        x, y, length = bars[pair]
        add_line(svg, x, y, x + length, y, colour, width=4)
        add_path(svg, _dot(x, y, 6) + _dot(x + length, y, 6), fill=colour)
        add_text(svg, MARGIN + IMAGE_SIDE + 8, TOP + cell * (pair[0] // size + 0.5) + 7, letter, bold=True)
    add_text(svg, MARGIN, TOP + IMAGE_SIDE + LINE + 6, f"{len(witness.left)} pair{'s' * (len(witness.left) > 1)},")
    add_text(svg, MARGIN, TOP + IMAGE_SIDE + 2 * LINE + 6, f"{witness.right[0] - witness.left[0]} columns apart")


def _draw_labels(svg: ElementTree.Element, pairs: int, D: int, colour: str) -> None:
    """Draw the templates of every row, left of the matrix, and of every column, above it: one strip per pair."""
    left, top = MATRIX_LEFT - 6 - pairs * STRIP, TOP - 6 - pairs * STRIP
    for template in range(D):
        path = ""
        for pair in range(pairs):
            length = MATRIX_SIDE / D ** (pair + 1)  # the last pair's template changes from row to row
            for start in range(template, D ** (pair + 1), D):
                path += rectangle(left + pair * STRIP, TOP + start * length, STRIP, length)
                path += rectangle(MATRIX_LEFT + start * length, top + pair * STRIP, length, STRIP)
        add_path(svg, path, fill=colour, fill_opacity=short(template / (D - 1)), stroke=MUTED, stroke_width=".75")
    for pair, letter in enumerate(LETTERS[:pairs]):
        middle = (pair + 0.5) * STRIP
        add_text(svg, left + middle, TOP + MATRIX_SIDE + 18, letter, anchor="middle", bold=True)
    add_text(svg, MATRIX_LEFT - 6, TOP + MATRIX_SIDE + 18 + LINE, "left ends", anchor="end")
    add_text(svg, MATRIX_LEFT, top - 8, "right ends")


def _draw_entries(svg: ElementTree.Element, minor: np.ndarray) -> None:
    """Draw the matrix, black where an entry is 1; if it has at most 4 rows, the entries are also written."""
    cell = MATRIX_SIDE / len(minor)
    ones = "".join(rectangle(MATRIX_LEFT + s * cell, TOP + r * cell, cell, cell) for r, s in np.argwhere(minor == 1))
    add_path(svg, ones, fill=INK)
    lines = lattice(0, 0, MATRIX_SIDE, len(minor))
    add_path(svg, lines, fill="none", stroke=RULE, transform=f"translate({MATRIX_LEFT} {TOP})")
    if len(minor) <= 4:
        for r, s in np.ndindex(*minor.shape):
            x, y, entry = MATRIX_LEFT + (s + 0.5) * cell, TOP + (r + 0.5) * cell + 7, minor[r, s]
            add_text(svg, x, y, str(entry), anchor="middle", fill="#FFFFFF" if entry == 1 else MUTED)


def _dot(x: float, y: float, radius: float) -> str:
    """Write a disc as a path."""
    half = f"a{radius} {radius} 0 1 0 "
    return f"M{short(x - radius)} {short(y)}{half}{2 * radius} 0{half}-{2 * radius} 0"


def _power(base: int, exponent: int) -> str:
    """Write a power and its value, 2³ = 8, which is rounded if it has more than nine digits, 3³² ≈ 1.9×10¹⁵."""
    power, sign = readable(base**exponent, digits=9), "=" if base**exponent < 10**9 else "≈"
    return power if exponent == 1 else f"{base}{str(exponent).translate(SUPERSCRIPTS)} {sign} {power}"
