"""The explorer of several outputs on one network: each has a grid tensor of its own, and they share all below."""

from collections.abc import Sequence
from functools import cache
from xml.etree import ElementTree

import numpy as np

from convac_lib.families import common_case
from convac_lib.theory.assembly import matricization
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import rank_modulo
from convac_lib.theory.tensors import assignments
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    Box,
    add_line,
    add_path,
    add_text,
    rectangle,
    serialize,
    stack,
    svg_document,
)
from convac_lib.visuals.view import Value, View

OUTPUTS, MOST_CHANNELS = 3, 4
SQUARE, ROW, TOP = 34, 46, LINE + 8
CHANNELS_LEFT, OUTPUTS_LEFT, RANKS_LEFT, BRACKET = 46, 244, 296, 412
GAP = 18  # below the network


def outputs_view(B: int, C: int, y: int, seed: int = 0, prime: int = DEFAULT_PRIME) -> View | None:
    """Show several outputs on one network, each with its dense vector and the rank of its grid tensor.

        A^y = Σ_γ a^y_γ · A(channel γ of the last layer)

    Output 1 takes channel 1, output 2 adds channels 1 and 2, and output 3 weighs all channels. All layers are shared.

    Args:
        B: the receptive field of the stride-1 layers, on a 4×4 image with M = 2.
        C: the channels of every layer, 2 to 4.
        y: the output that is marked, 1 to 3.
        seed: draws the layers' weights.
        prime: p, of the arithmetic.

    Returns:
        The `View`, on which every output can be pointed at; None if there is no such output or number of channels.

    Source: talk, slide "Computing Functions by Decomposing Coefficient Tensors". Chapter: *Convolutional arithmetic
    circuits*.

    >>> outputs_view(B=1, C=4, y=2).reading
    'B = 1, C = 4: output 2 has rank 2. All three side by side have rank 4: they are made of the same 4 channels.'
    """
    if not 1 <= y <= OUTPUTS or not 2 <= C <= MOST_CHANNELS:
        return None
    dense, ranks, together = _dense(C), *_ranks(B, C, seed, prime)
    reading = f"B = {B}, C = {C}: output {y} has rank {ranks[y - 1]}. All three side by side have rank {together}"
    reading += f": they are made of the same {C} channels." if together == C else "."
    vectors = "; ".join(
        f"output {number}, dense vector {', '.join(map(str, vector))}: rank {rank}"
        for number, (vector, rank) in enumerate(zip(dense, ranks), start=1)
    )
    alternative = (
        f"A network on a 4×4 image, and the {C} channels of its last unit, joined to three outputs. Across the cut "
        f"left | right, {vectors}. The three matrices side by side: rank {together}."
    )
    values: dict[str, Value] = {
        f"rank of A{str(number).translate(SUPERSCRIPTS)}": rank for number, rank in enumerate(ranks, start=1)
    }
    values["side by side"] = together
    network = draw_network(common_case(B, M=2, size=4, channels=C), cut="left-right")
    below = float(ElementTree.fromstring(network).attrib["height"]) + GAP
    spots = [(_spot(number, below), {"y": number}) for number in range(1, OUTPUTS + 1)]
    picture = stack(network, draw_outputs(dense, ranks, together, y, colour=colour_of(B)), gap=GAP)
    return View(picture, alternative, reading, values, spots)


def _dense(C: int) -> np.ndarray:
    """Return the dense vectors: one channel, the sum of two, and all channels with weights 1, 2, 3 and so on."""
    numbers = np.arange(1, C + 1)
    return np.stack([numbers == 1, numbers <= 2, numbers]).astype(int)


@cache
def _ranks(B: int, C: int, seed: int, prime: int) -> tuple[list[int], int]:
    """Compute the rank of each output's matricization across left | right, and that of all side by side."""
    drawn = random_circuit(common_case(B, M=2, size=4, channels=C), seed=seed, prime=prime)
    cut, every = make_cut("left-right", 4), assignments(2, 8)
    outputs = [Circuit(drawn.architecture, drawn.weights, vector[None], prime) for vector in _dense(C)]
    matrices = [matricization(circuit, cut, every, every) for circuit in outputs]
    return [rank_modulo(matrix, prime) for matrix in matrices], rank_modulo(np.hstack(matrices), prime)


def draw_outputs(dense: np.ndarray, ranks: Sequence[int], together: int, marked: int, *, colour: str) -> str:
    """Draw the channels of the last unit, the outputs that weigh them, and their ranks.

    Args:
        dense: the dense vectors, of shape (3, C), with C up to 4.
        ranks: the rank of each output's grid tensor across a cut.
        together: the rank of their matrices side by side.
        marked: the output whose weights are written, 1 to 3.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Convolutional arithmetic circuits*.

    >>> "rank 2" in draw_outputs(np.eye(3, dtype=int), [1, 2, 1], 3, marked=1, colour=colour_of(1))
    True
    """
    svg = svg_document(WIDTH, TOP + MOST_CHANNELS * ROW + LINE)
    add_text(svg, MARGIN, LINE - 8, "channels")
    add_text(svg, OUTPUTS_LEFT + SQUARE / 2, LINE - 8, "outputs", anchor="middle")
    for (y, channel), weight in np.ndenumerate(dense):
        if weight and y + 1 != marked:
            _join(svg, channel, y, len(dense[0]), RULE, 1.5)
    for channel, weight in enumerate(dense[marked - 1]):
        if weight:
            _join(svg, channel, marked - 1, len(dense[0]), colour, 3.5)
        top = _top(channel, len(dense[0]))
        filled = {"fill": colour, "fill_opacity": ".38"} if weight else {"fill": "none"}
        add_path(svg, rectangle(CHANNELS_LEFT, top, SQUARE, SQUARE), stroke=MUTED, **filled)
        add_text(svg, CHANNELS_LEFT + SQUARE / 2, top + 24, str(channel + 1), anchor="middle")
        fill = INK if weight else MUTED
        add_text(svg, CHANNELS_LEFT - 8, top + 24, f"{weight} ·", anchor="end", fill=fill, bold=bool(weight))
    for y, rank in enumerate(ranks):
        top, chosen = _top(y, OUTPUTS), y + 1 == marked
        filled = {"fill": colour, "fill_opacity": ".38"} if chosen else {"fill": "none"}
        add_path(svg, rectangle(OUTPUTS_LEFT, top, SQUARE, SQUARE), stroke=INK if chosen else MUTED, **filled)
        name = f"A{str(y + 1).translate(SUPERSCRIPTS)}"
        add_text(svg, OUTPUTS_LEFT + SQUARE / 2, top + 24, name, anchor="middle", bold=chosen)
        add_text(svg, RANKS_LEFT, top + 24, f"rank {rank}", bold=chosen)
    _draw_bracket(svg, together)
    return serialize(svg)


def _draw_bracket(svg: ElementTree.Element, together: int) -> None:
    """Write the rank of all outputs beside a line along them."""
    x, top, bottom = BRACKET, _top(0, OUTPUTS), _top(OUTPUTS - 1, OUTPUTS) + SQUARE
    add_path(svg, f"M{x} {top}h8v{bottom - top}h-8", fill="none", stroke=MUTED, stroke_width="1.5")
    middle = (top + bottom) / 2
    add_text(svg, x + 16, middle - 5, "side by side:")
    add_text(svg, x + 16, middle - 5 + LINE, f"rank {together}", bold=True)


def _join(svg: ElementTree.Element, channel: int, y: int, count: int, stroke: str, width: float) -> None:
    start, end = _top(channel, count) + SQUARE / 2, _top(y, OUTPUTS) + SQUARE / 2
    add_line(svg, CHANNELS_LEFT + SQUARE, start, OUTPUTS_LEFT, end, stroke, width=width)


def _top(number: int, count: int) -> float:
    """Return the top of one of `count` squares, which are in the middle of the picture's height."""
    return TOP + ROW * (number + (MOST_CHANNELS - count) / 2)


def _spot(y: int, below: float) -> Box:
    """Find the place of an output and its rank, below the network."""
    return OUTPUTS_LEFT, below + _top(y - 1, OUTPUTS), BRACKET - OUTPUTS_LEFT, SQUARE
