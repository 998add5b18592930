"""The explorer of replication: a layer without overlap inside one with overlap, entry by entry."""

from dataclasses import dataclass
from functools import cache
from xml.etree import ElementTree

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.witness import replicate
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    Place,
    add_letters,
    add_path,
    add_text,
    lattice,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.view import Value, View

SIZE, SEED = 6, 5  # of the image, and of the weights, whose products then have at most three digits
PATCH, WEIGHT, FACTOR, ENTRY = 38, 44, 30, 56  # the sides of the squares
TOP, WEIGHTS_LEFT = LINE + 8, 330
BELOW = TOP + SIZE * PATCH + 2 * LINE + 12
OUTPUTS_LEFT = 186, WIDTH - MARGIN - 3 * ENTRY
DIGITS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


@dataclass(frozen=True, eq=False)
class Replica:
    """A layer without overlap and its replica, on one image of templates.

    Attributes:
        S, R: the stride, and the receptive field of the replica.
        digits: the templates of the patches, of shape (6, 6).
        weights: one channel's weights in both layers, of shapes (M, S, S) and (M, R, R).
        outputs: that channel's outputs, of equal shape.

    Chapter: *Overlaps*.
    """

    S: int
    R: int
    digits: np.ndarray
    weights: tuple[np.ndarray, np.ndarray]
    outputs: tuple[np.ndarray, np.ndarray]

    def factors(self, u: int, v: int) -> dict[tuple[int, int], int]:
        """Return what each offset of the replica's window multiplies in, without those outside the image."""
        digits = self.digits[u * self.S :, v * self.S :][: self.R, : self.R]
        return {(i, j): int(self.weights[1][digits[i, j], i, j]) for i, j in np.ndindex(digits.shape)}


def replication_view(R: int, S: int, u: int, v: int, M: int = 2) -> View | None:
    """Show how a layer with overlap replicates one without: its own weights, and factors of 1.

    The image has 6×6 patches, and each shows one of M templates as a one-hot. The first S×S offsets of the larger
    window hold the weights of the layer without overlap; at all others a row of ones gives the factor 1.

    Args:
        R: the receptive field of the replica, S to 5.
        S: the stride of both layers, and the receptive field of the layer without overlap: 2 or 3.
        u: the row of an entry of the outputs.
        v: its column.
        M: the number of templates.

    Returns:
        The `View`, on whose outputs every entry can be pointed at; None if R < S, or there is no such entry.

    Source: talk, slide "Overlapping Architectures Are Just As Expressive" (Claim). Chapter: *Overlaps*.

    >>> replication_view(R=3, S=2, u=0, v=0).reading
    'Without overlap Y[0, 0] = 2 · 2 · 1 · 3 = 12. The 3×3 window multiplies 5 more factors, each 1: again 12.'
    """
    if R < S or max(u, v) >= SIZE // S:
        return None
    replica = replica_of(R, S, M)
    own, entry = [replica.factors(u, v)[place] for place in np.ndindex(S, S)], int(replica.outputs[1][u, v])
    written, equal = " · ".join(map(str, own)), (replica.outputs[0] == replica.outputs[1]).sum()
    reading = f"Without overlap Y[{u}, {v}] = {written} = {replica.outputs[0][u, v]}."
    if R > S:
        inside = len(replica.factors(u, v)) - S * S
        outside = R * R - S * S - inside
        more = {0: "no more factors", 1: "one more factor, 1"}.get(inside, f"{inside} more factors, each 1")
        reading += f" The {R}×{R} window multiplies {more}: again {entry}."
        if outside:
            reading += f" Its other {outside} offsets lie outside the image, the factor 1 as well."
    alternative = (
        f"A 6×6 image of templates with a {S}×{S} window inside a {R}×{R} one. Beside it the weights of the larger "
        f"window: W at the first {S}×{S} offsets, 1 at the other {R * R - S * S}. Below it the factors, and the "
        f"outputs of both layers, which agree in {equal} of {len(replica.outputs[0]) ** 2} entries."
    )
    values: dict[str, Value] = {
        "weights W": S * S,
        "factors of 1": R * R - S * S,
        "Y[u, v] without overlap": int(replica.outputs[0][u, v]),
        "with overlap": entry,
    }
    count = SIZE // S
    spots = [
        (_entry(left, *place), {"u": place[0], "v": place[1]})
        for left in OUTPUTS_LEFT
        for place in np.ndindex(count, count)
    ]
    return View(draw_replica(replica, (u, v)), alternative, reading, values, spots)


@cache
def replica_of(R: int, S: int, M: int) -> Replica:
    """Replicate a network whose first layer has S×S windows by one whose first layer has R×R windows.

    Args:
        R: the receptive field of the replica's first layer.
        S: the stride, a divisor of 6.
        M: the number of templates.

    Returns:
        The first layers of both, as a `Replica`.

    Chapter: *Overlaps*.

    >>> replica = replica_of(R=3, S=2, M=2)
    >>> replica.weights[1][0].tolist()
    [[3, 3, 1], [1, 3, 1], [1, 1, 1]]
    """
    weight = np.random.default_rng(SEED).integers(1, 4, (M, S, S))
    top = SIZE // S
    plain = Architecture(SIZE, M, [Layer(S, S, 1), Layer(top, top, 1)])
    original = Circuit(plain, [weight[None], np.ones((1, 1, top, top), int)], [[1]], DEFAULT_PRIME)
    copy = replicate(original, (R, top))
    digits = np.random.default_rng(0).integers(0, M, (SIZE, SIZE))
    x = np.eye(M, dtype=int)[digits].transpose(2, 0, 1)  # (M, 6, 6)
    first, second = (
        generalized_convolution(x, circuit.weights[0], S, prime=DEFAULT_PRIME)[0] for circuit in (original, copy)
    )
    return Replica(S, R, digits, (original.weights[0][0], copy.weights[0][0]), (first, second))


def draw_replica(replica: Replica, entry: tuple[int, int]) -> str:
    """Draw the image under both windows, the larger one's weights and factors, and both outputs.

    Args:
        replica: both layers.
        entry: the row and the column of an entry of the outputs, which is marked.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Overlaps*.

    >>> picture = draw_replica(replica_of(3, 2, 2), (0, 0))
    >>> "W₀₁" in picture, "W₀₂" in picture
    (True, False)
    """
    svg = svg_document(WIDTH, BELOW + 3 * ENTRY + LINE + 6)
    R, S = replica.R, replica.S
    colour = colour_of(R if R > S else 1)
    _draw_image(svg, replica, entry, colour)
    add_text(svg, WEIGHTS_LEFT, LINE - 6, f"weights, R = {R}")
    names = {(i, j): f"W{i}{j}".translate(DIGITS) if max(i, j) < S else "1" for i, j in np.ndindex(R, R)}
    _draw_squares(svg, (WEIGHTS_LEFT, TOP), WEIGHT, S, names, colour)
    factors = {place: str(value) for place, value in replica.factors(*entry).items()}
    add_text(svg, MARGIN, BELOW - 10, "factors")
    _draw_squares(svg, (MARGIN, BELOW), FACTOR, S, factors, colour)
    for left, output, words in zip(OUTPUTS_LEFT, replica.outputs, (f"output, R = {S}", f"R = {R}")):
        add_text(svg, left, BELOW - 10, words)
        _draw_output(svg, left, output, entry)
    middle = (OUTPUTS_LEFT[0] + ENTRY * len(replica.outputs[0]) + OUTPUTS_LEFT[1]) / 2
    add_text(svg, middle, BELOW + ENTRY * len(replica.outputs[0]) / 2 + 7, "=", anchor="middle", bold=True)
    return serialize(svg)


def _draw_image(svg: ElementTree.Element, replica: Replica, entry: tuple[int, int], colour: str) -> None:
    """Draw the templates of the patches under both windows; of the large one, the part inside the image."""
    add_text(svg, MARGIN, LINE - 6, "image of templates")
    left, top = MARGIN + entry[1] * replica.S * PATCH, TOP + entry[0] * replica.S * PATCH
    edge = MARGIN + SIZE * PATCH, TOP + SIZE * PATCH
    width, height = min(replica.R * PATCH, edge[0] - left), min(replica.R * PATCH, edge[1] - top)
    add_path(svg, rectangle(left, top, width, height), fill=colour, fill_opacity=".22")
    side = replica.S * PATCH
    add_path(svg, rectangle(left, top, side, side), fill=colour_of(1), fill_opacity=".45")
    add_path(svg, lattice(MARGIN, TOP, SIZE * PATCH, SIZE), fill="none", stroke=RULE)
    middles = [MARGIN + PATCH * (column + 0.5) for column in range(SIZE)]
    for row, digits in enumerate(replica.digits):
        add_letters(svg, middles, TOP + PATCH * row + 26, "".join(map(str, digits)))
    add_path(svg, rectangle(left, top, side, side), fill="none", stroke=INK, stroke_width="3")
    if replica.R > replica.S:
        add_path(
            svg,
            rectangle(left, top, width, height),
            fill="none", stroke=colour, stroke_width="4", stroke_dasharray="9 5",
        )  # fmt: skip


def _draw_squares(
    svg: ElementTree.Element, corner: Place, side: float, S: int, names: dict[tuple[int, int], str], colour: str
) -> None:
    """Draw a square for each offset, with its name: the first S×S in the tint of the small window."""
    boxes = {(i, j): rectangle(corner[0] + j * side, corner[1] + i * side, side, side) for i, j in names}
    add_path(svg, "".join(box for at, box in boxes.items() if max(at) < S), fill=colour_of(1), fill_opacity=".45")
    if others := "".join(box for at, box in boxes.items() if max(at) >= S):
        add_path(svg, others, fill=colour, fill_opacity=".22")
    add_path(svg, "".join(boxes.values()), fill="none", stroke=MUTED)
    for (i, j), name in names.items():
        x, y = corner[0] + (j + 0.5) * side, corner[1] + (i + 0.5) * side + 7
        add_text(svg, x, y, name, anchor="middle", fill=INK if max(i, j) < S else MUTED)


def _draw_output(svg: ElementTree.Element, left: float, output: np.ndarray, entry: tuple[int, int]) -> None:
    """Draw an output, with one entry outlined."""
    add_path(svg, lattice(left, BELOW, ENTRY * len(output), len(output)), fill="none", stroke=RULE)
    for row, column in np.ndindex(*output.shape):
        x, y, *_ = _entry(left, row, column)
        chosen = (row, column) == entry
        add_text(svg, x + ENTRY / 2, y + ENTRY / 2 + 7, str(output[row, column]), anchor="middle", bold=chosen)
    add_path(svg, rectangle(*_entry(left, *entry)), fill="none", stroke=INK, stroke_width="3")


def _entry(left: float, row: int, column: int) -> Box:
    """Find the place of an entry of an output."""
    return left + ENTRY * column, BELOW + ENTRY * row, ENTRY, ENTRY
