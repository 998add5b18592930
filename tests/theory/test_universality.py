"""Networks grown to a target: equal on the whole grid, and with no channel to spare."""

import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Circuit, Layer, baseline, common_case, random_circuit, rank_modulo
from convac_lib.errors import ConvacError, HypothesisError, WeightError
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.universality import fit_grid_tensor

P = DEFAULT_PRIME


def shallow(M, size):
    return lambda channels: Architecture(size, M, [Layer(size, size, channels)])


@st.composite
def families(draw):
    """M, the image's size, and a family of tiny networks: shallow or deep, with and without overlap."""
    M, size = draw(st.sampled_from([(1, 1), (3, 1), (1, 2), (2, 2), (1, 4)]))
    border, shared = draw(st.sampled_from(["neutral", "ones"])), draw(st.booleans())
    layers, side = [], size
    while side > 1 or not layers:
        if draw(st.booleans()):
            layers.append((draw(st.integers(1, 3)), 1))
        stride = min(2, side)
        layers.append((stride + draw(st.integers(0, 1)), stride))
        side //= stride

    def family(channels):
        return Architecture(size, M, [Layer(R, S, channels) for R, S in layers], border, shared)

    return M, size, family


def tops(circuit):
    """The grid tensor of every channel of the last layer, found one by one."""
    channels = circuit.architecture.channels[-1]
    one_hot = np.eye(channels, dtype=int)
    return [Circuit(circuit.architecture, circuit.weights, row[None], P).grid_tensor().ravel() for row in one_hot]


@settings(max_examples=80)
@given(families(), seeds)
def test_a_random_target_is_reached_exactly_with_a_channel_an_entry(case, seed):
    M, size, family = case
    target = np.random.default_rng(seed + 1).integers(0, P, (M,) * size**2)
    circuit = fit_grid_tensor(target, family, seed=seed)
    assert np.array_equal(circuit.grid_tensor(), target)
    assert circuit.architecture == family(target.size)
    drawn = random_circuit(circuit.architecture, seed=seed, prime=P)
    assert all(map(np.array_equal, circuit.weights, drawn.weights))


@settings(max_examples=40)
@given(families(), st.integers(1, 20), seeds)
def test_growth_stops_at_the_first_network_whose_channels_span_the_target(case, channels, seed):
    _, _, family = case
    target = random_circuit(family(channels), seed=seed, prime=P).grid_tensor()  # in the span of so many at the latest
    circuit = fit_grid_tensor(target, family, seed=seed)
    assert np.array_equal(circuit.grid_tensor(), target)
    reached = circuit.architecture.channels[-1]
    assert reached == min(channels, target.size)
    if reached > 1:
        fewer = tops(random_circuit(family(reached - 1), seed=seed, prime=P))
        assert rank_modulo(np.array([*fewer, target.ravel()])) > rank_modulo(np.array(fewer))


@pytest.mark.parametrize("family", [shallow(2, 2), lambda C: baseline(2, 2, C), lambda C: common_case(3, 2, 2, C)])
def test_a_target_of_one_product_takes_as_many_random_channels_as_any(family):
    vectors = np.random.default_rng(0).integers(0, P, (4, 2))
    target = 1
    for vector in vectors:
        target = np.multiply.outer(target, vector) % P
    assert rank_modulo(target.reshape(4, 4)) == 1
    assert fit_grid_tensor(target, family, seed=0).architecture.channels[-1] == 16


def test_of_three_templates_and_four_patches():
    target = np.random.default_rng(1).integers(0, P, (3, 3, 3, 3))
    for family in (shallow(3, 2), lambda channels: common_case(2, 3, 2, channels)):
        circuit = fit_grid_tensor(target, family, seed=0)
        assert circuit.architecture.channels[-1] == 81 and np.array_equal(circuit.grid_tensor(), target)


def test_the_target_is_reached_modulo_p():
    target = np.array([-3, 200, 7])
    circuit = fit_grid_tensor(target, shallow(3, 1), seed=0, prime=101)
    assert circuit.prime == 101 and circuit.grid_tensor().tolist() == [98, 99, 7]


def test_nothing_is_reached_by_a_single_channel():
    circuit = fit_grid_tensor(np.zeros((2, 2, 2, 2), int), shallow(2, 2), seed=0)
    assert circuit.architecture.channels == (2, 1) and not circuit.grid_tensor().any()


TARGET = np.random.default_rng(0).integers(0, P, (2, 2, 2, 2))
UNREACHED = (
    "no network of this family with up to 17 channels reaches the target of 16 entries: let the channels of every "
    "layer grow, let the windows see every patch, or use a larger prime"
)


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (lambda: fit_grid_tensor(TARGET, lambda C: baseline(2, 2, 15), seed=0), HypothesisError, UNREACHED),
        (lambda: fit_grid_tensor(TARGET, lambda C: Architecture(2, 2, [Layer(2, 2, 1), Layer(1, 1, C)]), seed=0),
         HypothesisError, UNREACHED),
        (lambda: fit_grid_tensor(TARGET, lambda C: Architecture(2, 2, [Layer(1, 1, C)]), seed=0),
         ConvacError, "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        (lambda: fit_grid_tensor(TARGET, lambda C: baseline(3, 2, C), seed=0), ConvacError,
         "the target has 4 modes of 2, and the family's networks read 4 patches of 3 templates; they must agree"),
        (lambda: fit_grid_tensor(TARGET, lambda C: baseline(2, 4, C), seed=0), ConvacError,
         "the target has 4 modes of 2, and the family's networks read 16 patches of 2 templates; they must agree"),
        (lambda: fit_grid_tensor(np.zeros((2, 3), int), shallow(2, 2), seed=0), ConvacError,
         "a grid tensor has M entries along each of its N modes, and the target's shape is (2, 3)"),
        (lambda: fit_grid_tensor(np.int64(3), shallow(1, 1), seed=0), ConvacError,
         "a grid tensor has M entries along each of its N modes, and the target's shape is ()"),
        (lambda: fit_grid_tensor(np.zeros((5,) * 4, int), shallow(5, 2), seed=0), ConvacError,
         "a target of 625 entries takes about as many channels, and the limit is 256; use a smaller M or N"),
        (lambda: fit_grid_tensor(TARGET / 2, shallow(2, 2), seed=0), WeightError,
         "the target must hold integers to be taken modulo 2147483647, not float64"),
        (lambda: fit_grid_tensor(TARGET, shallow(2, 2), seed=0, prime=4), ConvacError,
         "4 is not a prime below 2**63; use for example 2147483647"),
        (lambda: fit_grid_tensor(TARGET, shallow(2, 2), seed=-1), ConvacError,
         "seed must be an integer of at least 0, not -1"),
    ],
)  # fmt: skip
def test_a_target_that_is_not_reached_gets_one_sentence(ask, kind, sentence):
    with pytest.raises(kind) as error:
        ask()
    assert str(error.value) == sentence
