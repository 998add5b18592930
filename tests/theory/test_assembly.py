"""The structured filling against the plain one, entry for entry, on every kind of network."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.architecture import BORDERS, Architecture, Layer
from convac_lib.families import baseline, common_case
from convac_lib.theory import assembly as filling
from convac_lib.theory.assembly import Arithmetic, matricization
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.tensors import assignments
from convac_lib.theory.weights import pooling_weight, weight_shapes

WORDS = (2, 3, 7, 8388593, 67108859, 268435399, 2**31 - 1)
PYTHON = (2**31 + 11, 2**61 - 1, 2**63 - 25)


@st.composite
def architectures(draw, border):
    size, M = draw(st.integers(2, 5)), draw(st.integers(1, 3))
    layers, side, below = [], size, M
    for _ in range(draw(st.integers(0, 3))):
        receptive_field = draw(st.integers(1, side if border == "valid" else 3))
        weight_free = draw(st.booleans())
        below = below if weight_free else draw(st.integers(1, 3))
        layers.append(Layer(receptive_field, draw(st.integers(1, receptive_field)), below, weight_free))
        side = Architecture(size, M, layers, border).sizes[-1]
    last = side if border == "valid" else side + draw(st.integers(0, 1))
    layers.append(Layer(last, side, draw(st.integers(1, 3))))
    return Architecture(size, M, layers, border, shared=draw(st.booleans()))


@st.composite
def problems(draw, primes):
    """A circuit, a cut, and the rows and columns to fill: uniform numbers, or those where a sum is largest."""
    architecture = draw(architectures(draw(st.sampled_from(BORDERS))))
    prime = draw(st.sampled_from(primes))
    generator = np.random.default_rng(draw(st.integers(0, 2**32)))
    extremes = [0, 1, prime // 2, (prime + 1) // 2, prime - 1]
    extreme = draw(st.booleans())

    def numbers(shape):
        return generator.choice(extremes, shape) if extreme else generator.integers(0, prime, shape)

    weights = [
        pooling_weight(layer) if layer.weight_free else numbers(shape)
        for layer, shape in zip(architecture.layers, weight_shapes(architecture))
    ]
    M = architecture.representation_channels
    templates = numbers((M, M)) if draw(st.booleans()) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # border "zero" may make all of it 0
        circuit = Circuit(architecture, weights, numbers((2, architecture.channels[-1])), prime, templates)
    patches = architecture.size**2
    cut = make_cut(draw(st.sets(st.integers(0, patches - 1), min_size=1, max_size=patches - 1)), architecture.size)
    sides = [generator.integers(0, M, (draw(st.integers(1, 9)), len(part))) for part in (cut.rows, cut.columns)]
    return circuit, cut, *sides


def assert_same(circuit, cut, rows, columns):
    expected = circuit.submatrix(cut, rows, columns)
    filled = matricization(circuit, cut, rows, columns, threads=2)
    assert filled.dtype == expected.dtype
    assert (filled == expected).all()


@pytest.fixture(autouse=True, params=["whole", "tiles", "tables"])
def tiles(request, monkeypatch):
    if request.param != "whole":  # 3 columns and at most 4 rows: many seams
        monkeypatch.setattr(filling, "TILE", 12)
        monkeypatch.setattr(filling, "TILE_COLUMNS", 3)
    if request.param == "tables":  # also where nothing repeats, until they hold as many numbers as the matrix
        monkeypatch.setattr(filling, "REPEATED", 0)


@settings(max_examples=300)
@given(problems(WORDS))
def test_words_are_exact(problem):
    assert_same(*problem)


@given(problems(PYTHON))
def test_python_integers_are_exact(problem):
    assert_same(*problem)


@pytest.mark.parametrize("cut", ["left-right", "top-bottom", "interleaved", "checkerboard"])
@pytest.mark.parametrize("architecture", [baseline(2, 4), common_case(2, 2, 4), common_case(3, 2, 4)])
def test_the_whole_matricization_is_the_same(architecture, cut):
    circuit, cut = random_circuit(architecture, seed=0, prime=2**31 - 1), make_cut(cut, 4)
    sides = assignments(2, 8)[::5]
    assert_same(circuit, cut, sides, sides)


def test_the_reals_agree_to_rounding():
    circuit, cut = random_circuit(common_case(3, 2, 4), seed=0), make_cut("left-right", 4)
    sides = assignments(2, 8)[::5]
    np.testing.assert_allclose(
        matricization(circuit, cut, sides, sides), circuit.submatrix(cut, sides, sides), rtol=1e-9
    )


@pytest.mark.parametrize("prime", [*WORDS, *PYTHON])
@pytest.mark.parametrize("terms", [1, 2, 4, 5, 63, 64, 65, 128, 253, 2000])
def test_the_longest_sums_of_the_largest_residues_are_exact(prime, terms):
    arithmetic = Arithmetic(prime)
    generator = np.random.default_rng(terms)
    largest = np.array([prime - 1, max(0, prime - 2**16), 2**16 * (prime // 2**16) or 1, 2**16 - 1]) % prime
    dtype = np.int64 if prime <= 2**31 else object
    left, right = (generator.choice(largest, shape).astype(dtype) for shape in ((5, terms), (terms, 5)))
    left[0], right[:, 0] = prime - 1, prime - 1
    exact = left.astype(object) @ right.astype(object) % prime
    assert (arithmetic.apply(left, right) == exact).all()
    assert (arithmetic.times(left, right.T) == left.astype(object) * right.T.astype(object) % prime).all()
