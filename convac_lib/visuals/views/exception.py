"""The explorer of an exception: minors along a line through a replicating network, each a polynomial in t."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cache
from itertools import combinations, product
from math import ceil, copysign, isqrt, log10
from typing import Any, NamedTuple

import numpy as np
from flint import fmpq, fmpq_mat, fmpz_poly

from convac_lib.families import common_case
from convac_lib.theory.circuits import Circuit, one_hot
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.integer_matrices import integer_weights
from convac_lib.theory.tensors import assignments, matricize
from convac_lib.theory.witness import replicate
from convac_lib.visuals.axes import BOTTOM, TOP, Axes, draw_marker, linear
from convac_lib.visuals.style import INK, MUTED, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_line,
    add_path,
    add_text,
    polyline,
    rectangle,
    serialize,
    stack,
    svg_document,
)
from convac_lib.visuals.view import Value, View

END = Fraction(1, 4)
STEPS = tuple(number / 32 for number in range(-8, 9))  # binary fractions, which a float holds exactly
COARSE, FINE = 64, 256  # pieces of a grey curve, and of the marked one
SIDE, SEED = 4, 15  # of the matrix; of a line whose curves are far apart
GRID = 120  # the side of the squares together
Minors = Mapping[tuple[tuple[int, ...], tuple[int, ...]], fmpz_poly]  # by rows and columns


class _Line(NamedTuple):
    """The minors of side C + 1 along the line, the real zeros of the marked one, and those that all share."""

    matrix: np.ndarray
    minors: Minors
    zeros: tuple[float, ...]
    shared: tuple[float, ...]

    @property
    def marked(self) -> fmpz_poly:
        return next(iter(self.minors.values()))


def exception_view(t: float, C: int = 2) -> View:
    """Walk along a line of networks through one that replicates a network without overlap, and watch its minors.

        W(t) = W₀ + t·(W₁ − W₀)

    The networks have overlap (B = 2, M = 2, C + 1 channels) on a 2×2 image. W₀ computes what a network without overlap
    and with C channels computes, so its 4×4 matricization across left | right has rank C. W₁ is random. All weights are
    integers, so each minor of side C + 1 is a polynomial in t with integer coefficients.

    Args:
        t: the place on the line, a number from −1/4 to 1/4.
        C: channels of the network without overlap, 1 to 3.

    Returns:
        The `View`.

    Source: talk, "almost all functions". Chapter: *Expressive efficiency*.

    >>> exception_view(t=0).reading
    't = 0: all 16 minors of side 3 are 0, so the rank is 2. They are not all 0 at any other t.'
    >>> exception_view(t=1 / 32).values["rank"]
    4
    """
    line = exception_line(C)
    at = _rational(t)
    rank = int(fmpq_mat(SIDE, SIDE, [polynomial(at) for polynomial in line.matrix.ravel()]).rank())
    nonzero = [key for key, minor in line.minors.items() if minor(at) != 0]
    count, others = len(line.minors), len(line.shared) - 1
    all_of_them = f"all {count} minors of side {C + 1} are" if count > 1 else f"the only minor of side {C + 1} is"
    if nonzero:
        some = all_of_them.replace("all ", f"{len(nonzero)} of ") if count > 1 else all_of_them
        reading = f"t = {_fraction(t)}: {some} not 0, so the rank is above {C}: it is {rank}."
    else:
        where = (
            f"{others} other places on the line are exceptions too" if others else "They are not all 0 at any other t"
        )
        reading = f"t = {_fraction(t)}: {all_of_them} 0, so the rank is {rank}. {where}."
    crossing = "All of them are 0 at t = 0, and nowhere else are they 0 together." if count > 1 else "It is 0 at t = 0."
    alternative = (
        f"{_minors_in_words(line.minors)} over t from −1/4 to 1/4, on a logarithmic scale with both signs. {crossing} "
        f"Marked: t = {_fraction(t)}, where {len(nonzero)} of {count} are not 0 and the rank is {rank}."
    )
    values: dict[str, Value] = {
        "rank": rank,
        "minors that are not 0": f"{len(nonzero)} of {count}",
        "degree of the marked minor": int(line.marked.degree()),
        "its zeros on the whole line": len(line.zeros),
        "zeros that all minors share": len(line.shared),
    }
    graph = draw_minors(line.minors, t, line.zeros)
    return View(stack(graph, _draw_vanishing(line.minors, nonzero, rank), gap=8), alternative, reading, values)


@cache
def exception_line(C: int) -> _Line:
    """Compute the matricization along the line as polynomials, its minors of side C + 1, and their real zeros."""
    plain, rich = common_case(1, 2, 2, C), common_case(2, 2, 2, C + 1)
    start = replicate(Circuit(plain, *integer_weights(plain, SEED), DEFAULT_PRIME), (2, 2))
    ends, dense = integer_weights(rich, SEED + 1)
    x = one_hot(2)[:, assignments(2, 4).T].reshape(2, 2, 2, -1).astype(object)
    for layer, first, last in zip(rich.layers, start.weights, ends, strict=True):
        x = generalized_convolution(x, _between(first, last), layer.stride)
    entries: np.ndarray = (_between(start.dense, dense)[0][:, None] * x[:, 0, 0]).sum(axis=0)
    matrix = matricize(entries.reshape(2, 2, 2, 2), make_cut("left-right", 2))
    minors = minors_of(matrix, C + 1)
    shared = fmpz_poly([0])
    for minor in minors.values():
        shared = shared.gcd(minor)
    return _Line(matrix, minors, real_zeros(next(iter(minors.values()))), real_zeros(shared))


def _between(first: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Return first + t·(last − first) as polynomials in t, where residues above p/2 are negative integers."""
    first = np.where(first > DEFAULT_PRIME // 2, first - DEFAULT_PRIME, first)
    pairs = zip(first.ravel().tolist(), last.ravel().tolist())
    polynomials = np.empty(first.size, object)
    polynomials[:] = [fmpz_poly([one, other - one]) for one, other in pairs]
    return polynomials.reshape(first.shape)


def minors_of(matrix: np.ndarray, side: int) -> Minors:
    """Expand all minors of one side, each along its first row.

    Args:
        matrix: numbers or polynomials, of shape (m, n).
        side: of the minors.

    Returns:
        The minors by their rows and columns, in lexicographic order.

    Chapter: *Expressive efficiency*.

    >>> minors_of(np.array([[1, 2], [3, 4]], object), 2)
    {((0, 1), (0, 1)): -2}
    """

    def expand(rows: tuple[int, ...], columns: tuple[int, ...]) -> Any:
        if len(rows) == 1:
            return matrix[rows[0], columns[0]]
        terms = (
            (-1) ** at * matrix[rows[0], column] * expand(rows[1:], columns[:at] + columns[at + 1 :])
            for at, column in enumerate(columns)
        )
        return sum(terms, start=0)

    chosen = (combinations(range(length), side) for length in matrix.shape)
    return {(rows, columns): expand(rows, columns) for rows, columns in product(*chosen)}


def real_zeros(polynomial: fmpz_poly) -> tuple[float, ...]:
    """List the different real zeros of a polynomial with integer coefficients, increasing; each is counted exactly.

    >>> real_zeros(fmpz_poly([0, 0, -1, 1]))                                     # t²·(t − 1)
    (0.0, 1.0)
    """
    zeros: Any = polynomial.complex_roots()  # pairs of a zero and its multiplicity
    return tuple(sorted(float(zero.real) for zero, _ in zeros if zero.imag == 0))


def draw_minors(minors: Minors, t: float, zeros: Sequence[float]) -> str:
    """Draw minors as curves over t from −1/4 to 1/4: the first in the colour of B = 2, with its zeros, the others grey.

    A value v is drawn at the height ±log₁₀(1 + |v|).

    Args:
        minors: polynomials, by their rows and columns.
        t: a place that is marked.
        zeros: of the first minor.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Expressive efficiency*.

    >>> "1 minor of side 1" in draw_minors({((0,), (0,)): fmpz_poly([0, 1])}, 0.125, [0.0])
    True
    """
    first, *others = minors.values()
    marked, curves = _curve(first, FINE), [_curve(minor, COARSE) for minor in others]
    limit = max(1, ceil(max(abs(_height(value)) for curve in (marked, *curves) for _, value in curve)))
    axes = Axes(
        linear(-float(END), float(END)), lambda value: (_height(value) / limit + 1) / 2, left=72, right=WIDTH - 28
    )
    power = max(1, limit // 10 * 10 or limit // 5 * 5)
    high = f"10{str(power).translate(SUPERSCRIPTS)}"
    axes.draw_grid({10.0**power: high, -(10.0**power): f"−{high}"})
    axes.draw_level(0, INK, width=1.5)
    axes.draw_y_label(0, "0")
    axes.draw_ticks({-0.25: "−1/4", -0.125: "−1/8", 0: "0", 0.125: "1/8", 0.25: "1/4"})
    axes.draw_titles("t", _minors_in_words(minors))
    for curve in curves:
        path = polyline((round(x), round(y)) for x, y in (axes.at(*point) for point in curve))
        add_path(axes.svg, path, fill="none", stroke=MUTED, stroke_width="1", stroke_opacity=".55")
    path = polyline(axes.at(*point) for point in marked)
    add_path(axes.svg, path, fill="none", stroke=colour_of(2), stroke_width="3")
    add_line(axes.svg, axes.x_at(t), TOP, axes.x_at(t), BOTTOM, INK, width=1.5, dashes="2 4")
    for zero in zeros:
        if abs(zero) <= END:
            draw_marker(axes.svg, 1, axes.at(zero, 0), size=5)
    B = 2 if any(_value(minor, t) for minor in minors.values()) else 1
    draw_marker(axes.svg, B, axes.at(t, _value(first, t)), size=8, chosen=True)
    return serialize(axes.svg)


def _curve(minor: fmpz_poly, pieces: int) -> list[tuple[float, float]]:
    places = [float(END) * (2 * number / pieces - 1) for number in range(pieces + 1)]
    return [(place, _value(minor, place)) for place in places]


def _value(minor: fmpz_poly, t: float) -> float:
    value = minor(_rational(t))
    return float(Fraction(int(value.p), int(value.q)))


def _rational(t: float) -> fmpq:
    """Return a number as the fraction that it is."""
    return fmpq(*Fraction(t).as_integer_ratio())


def _height(value: float) -> float:
    return copysign(log10(1 + abs(value)), value)


def _draw_vanishing(minors: Minors, nonzero: Sequence[object], rank: int) -> str:
    """Draw a square for every minor, filled where it is not 0, and write the rank beside them."""
    svg = svg_document(WIDTH, GRID + 2 * MARGIN)
    across = isqrt(len(minors))
    cell = GRID / across
    boxes = [(MARGIN + at % across * cell, MARGIN + at // across * cell, cell, cell) for at in range(len(minors))]
    filled = "".join(rectangle(*box) for box, key in zip(boxes, minors) if key in nonzero)
    if filled:
        add_path(svg, filled, fill=colour_of(2))
    add_path(svg, "".join(rectangle(*box) for box in boxes), fill="none", stroke=MUTED)
    if len(minors) > 1:
        add_path(svg, rectangle(*boxes[0]), fill="none", stroke=INK, stroke_width="3")
    left, middle = GRID + 24, GRID / 2
    add_text(svg, left, middle - 8, f"a square per minor, {len(nonzero)} of {len(minors)} not 0")
    add_text(svg, left, middle + LINE, f"rank {rank}", bold=True)
    return serialize(svg)


def _minors_in_words(minors: Minors) -> str:
    return f"{len(minors)} minor{'s' * (len(minors) > 1)} of side {len(next(iter(minors))[0])}"


def _fraction(t: float) -> str:
    return str(Fraction(t)).replace("-", "−")
