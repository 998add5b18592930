"""The explorer of an exception: polynomials against networks, zeros against Sturm, ranks against fractions."""

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from flint import fmpq_poly, fmpz_mat, fmpz_poly
from helpers.pictures import SVG, assert_legible, numbers_in, paths, words_of
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.families import common_case
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.integer_matrices import integer_weights
from convac_lib.theory.tensors import matricize
from convac_lib.theory.witness import replicate
from convac_lib.visuals.style import MUTED, colour_of
from convac_lib.visuals.views.exception import SEED, STEPS, exception_line, exception_view, minors_of, real_zeros

PRIME = 2**31 - 1
CUT = make_cut("left-right", 2)


def ends(C):
    """The line's two networks: the replicating one, and the one at t = 1."""
    plain, rich = common_case(1, 2, 2, C), common_case(2, 2, 2, C + 1)
    start = Circuit(plain, *integer_weights(plain, SEED), PRIME)
    return start, replicate(start, (2, 2)), Circuit(rich, *integer_weights(rich, SEED + 1), PRIME)


@pytest.mark.parametrize("C", [1, 2, 3])
def test_the_polynomials_are_the_networks_on_the_line(C):
    plain, first, last = ends(C)
    matrix = exception_line(C).matrix
    for t in (-5, -1, 0, 1, 2, 7):
        weights = [(1 - t) * one + t * other for one, other in zip(first.weights, last.weights)]
        network = Circuit(last.architecture, weights, (1 - t) * first.dense + t * last.dense, PRIME)
        expected = matricize(network.grid_tensor(), CUT)
        assert [int(entry(t)) % PRIME for entry in matrix.ravel()] == expected.ravel().tolist()
    assert [int(entry(0)) % PRIME for entry in matrix.ravel()] == matricize(plain.grid_tensor(), CUT).ravel().tolist()
    assert exception_line(C).marked.degree() <= 14 * (C + 1)  # an entry multiplies 9 + 4 + 1 weights


@given(st.integers(1, 4), st.data())
def test_minors_are_determinants(side, data):
    rows = st.lists(st.integers(-9, 9), min_size=4, max_size=4)
    matrix = np.array(data.draw(st.lists(rows, min_size=4, max_size=4)), object)
    minors = minors_of(matrix, side)
    assert len(minors) == {1: 16, 2: 36, 3: 16, 4: 1}[side]
    for (r, q), minor in minors.items():
        assert minor == fmpz_mat(matrix[np.ix_(r, q)].tolist()).det()


def sturm(polynomial):
    """The number of different real zeros, by the sign changes of Sturm's chain at both ends of the line."""
    chain = [fmpq_poly(polynomial), fmpq_poly(polynomial).derivative()]
    while chain[-1].degree() > 0 and (rest := -(chain[-2] % chain[-1])).degree() >= 0:
        numerator = rest.numer()  # a positive multiple, of small coefficients
        chain.append(fmpq_poly(numerator) / numerator.content())
    counts = []
    for end in (-1, 1):
        signs = [(1 if p[p.degree()] > 0 else -1) * (end if p.degree() % 2 else 1) for p in chain if p.degree() >= 0]
        counts.append(sum(a != b for a, b in pairwise(signs)))
    return counts[0] - counts[1]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=5), st.integers(1, 4))
def test_zeros_are_counted(roots, definite):
    polynomial = fmpz_poly([definite, 0, 1])  # without a real zero
    for root in roots:
        polynomial *= fmpz_poly([-root, 1])
    assert real_zeros(polynomial) == tuple(sorted(set(roots)))
    assert sturm(polynomial) == len(set(roots))


@pytest.mark.parametrize("C", [1, 2, 3])
def test_the_zeros_said_are_those_of_sturm(C):
    line, values = exception_line(C), exception_view(0.0, C).values
    shared = fmpz_poly([0])
    for minor in line.minors.values():
        shared = minor.gcd(shared)
    assert values["its zeros on the whole line"] == sturm(line.marked) == len(line.zeros)
    assert values["zeros that all minors share"] == sturm(shared)
    assert shared(0) == 0 and 0 in line.zeros


def rank_by_fractions(rows):
    rank = 0
    for column in range(4):
        pivot = next((row for row in range(rank, 4) if rows[row][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        for row in range(rank + 1, 4):
            factor = rows[row][column] / rows[rank][column]
            rows[row] = [a - factor * b for a, b in zip(rows[row], rows[rank])]
        rank += 1
    return rank


def at(polynomial, t):
    return sum(int(coefficient) * Fraction(t) ** power for power, coefficient in enumerate(polynomial.coeffs()))


@pytest.mark.parametrize("C", [1, 2, 3])
def test_every_state_says_its_exact_rank(C):
    line = exception_line(C)
    for t in STEPS:
        view = exception_view(t, C)
        rank = rank_by_fractions([[at(entry, t) for entry in row] for row in line.matrix])
        nonzero = sum(at(minor, t) != 0 for minor in line.minors.values())
        assert view.values["rank"] == rank and (rank > C) == bool(nonzero) == (t != 0)
        assert view.values["minors that are not 0"] == f"{nonzero} of {len(line.minors)}"
        assert f"the rank is {rank}." in view.reading if t == 0 else f"it is {rank}." in view.reading
        svg = assert_legible(view.picture)
        assert f"rank {rank}" in words_of(view.picture)
        assert f"a square per minor, {nonzero} of {len(line.minors)} not 0" in words_of(view.picture)
        squares = [path for path in paths(svg, fill=colour_of(2)) if path.get("stroke") is None]
        assert sum(path.get("d").count("M") for path in squares) == nonzero
        curves = [path for path in paths(svg, fill="none", stroke=MUTED) if path.get("stroke-opacity")]
        assert len(curves) == len(line.minors) - 1
        assert len(view.picture) < 60_000


@pytest.mark.parametrize("C", [1, 2, 3])
def test_the_marked_curve_is_above_0_where_the_minor_is(C):
    line = exception_line(C)
    svg = assert_legible(exception_view(1 / 32, C).picture)
    (curve,) = paths(svg, fill="none", stroke=colour_of(2))
    points = np.reshape(numbers_in(curve.get("d")), (-1, 2))
    middle = next(float(each.get("y1")) for each in svg.iter(f"{SVG}line") if each.get("stroke-width") == "1.5")
    for (_, y), t in zip(points, np.linspace(-0.25, 0.25, len(points)), strict=True):
        value = at(line.marked, Fraction(t))
        assert np.sign(round(middle - y, 2)) in (np.sign(value), 0)
    dots = [path for path in paths(svg, fill=colour_of(1)) if path.get("stroke") is None]
    assert len(dots) == sum(abs(zero) <= 0.25 for zero in line.zeros)


def test_the_readings():
    assert exception_view(0.0, 1).reading == (
        "t = 0: all 36 minors of side 2 are 0, so the rank is 1. They are not all 0 at any other t."
    )
    assert exception_view(0.0, 3).reading == (
        "t = 0: the only minor of side 4 is 0, so the rank is 3. "
        f"{sturm(exception_line(3).marked) - 1} other places on the line are exceptions too."
    )
    assert exception_view(-0.125, 1).reading == (
        "t = −1/8: 26 of 36 minors of side 2 are not 0, so the rank is above 1: it is 3."
    )
