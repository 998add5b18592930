"""The relay against the image that it says it shows, the one-hots that its units hold, and the layers' definition."""

from itertools import product

import numpy as np
import pytest
from helpers.plain import one_scalar_at_a_time

from convac_lib import common_case
from convac_lib.theory.bounds import theorem
from convac_lib.theory.receptive_fields import minimal_windows
from convac_lib.theory.relay import relay_of
from convac_lib.theory.witness import theorem_witness

CASES = [*product([(1, 2, 4), (2, 3, 4), (3, 2, 4), (2, 2, 8), (4, 3, 8), (1, 3, 8)], (True, False))]  # B, M, size


@pytest.mark.parametrize(("case", "equal"), CASES)
def test_the_image_shows_pairs_of_equal_templates_but_for_the_pair_that_is_followed(case, equal):
    _, M, size = case
    relay, network = relay_of(*case, equal=equal), common_case(*case, channels=2 * M)
    witness, K = theorem_witness(network), theorem(network).layer
    assert (relay.equal, relay.K, relay.last) == (equal, K, len(network.layers))
    assert relay.windows == minimal_windows(network, K, size // 2)
    assert relay.witness.chains == witness.chains and relay.witness.circuit.architecture == network
    image = relay.values[0]
    assert image.shape == (M, size, size) and set(image.sum(axis=0).flat) == {1} and set(image.flat) == {0, 1}
    shown, followed = image.argmax(axis=0).ravel(), (len(witness.left) - 1) // 2
    for number, (left, right) in enumerate(witness.chains):
        along = (left // size + left % size) // network.total_strides[K - 1]
        assert shown[left] == (M - 1 if number == followed else along % M)
        assert shown[right] == (0 if number == followed and not equal else shown[left])
    assert not np.delete(shown, [*witness.left, *witness.right]).any()
    assert relay.left[0] == divmod(witness.left[followed], size)
    assert relay.far[0] == divmod(witness.right[followed], size)


@pytest.mark.parametrize(("case", "equal"), CASES)
def test_each_layer_is_computed_from_the_one_below(case, equal):
    relay = relay_of(*case, equal=equal)
    circuit, layers = relay.witness.circuit, relay.witness.circuit.architecture.layers
    for layer, weight, below, above in zip(layers, circuit.weights, relay.values, relay.values[1:]):
        no_bias = np.zeros((len(weight), layer.receptive_field, layer.receptive_field), int)
        expected = one_scalar_at_a_time(below, lambda u, v, weight=weight: weight, layer.stride, no_bias, "neutral")
        assert np.array_equal(above, expected)
    assert relay.values[-1].tolist() == [[[int(equal)]]]
    assert circuit.dense[0] @ relay.values[-2][:, 0, 0] == int(equal)


@pytest.mark.parametrize(("case", "equal"), CASES)
def test_the_units_that_are_followed_hold_the_two_one_hots_then_compare_them(case, equal):
    relay, (_, M, _) = relay_of(*case, equal=equal), case
    layers, K, D = relay.witness.circuit.architecture.layers, relay.K, relay.witness.D
    one_hot = np.eye(D, dtype=int).tolist()
    left, far = one_hot[M - 1], one_hot[M - 1 if equal else 0]
    for step in range(relay.last + 2):
        here, there = relay.left[step], relay.far[step]
        if step < K:
            first = 0 if step == 0 else D
            assert relay.rows(step) == {"left": (here, slice(0, D)), "far": (there, slice(first, first + D))}
            assert relay.holds(step) == {"left": left, "far": far}
            (row, column), t = relay.far[step + 1], relay.windows[step]
            assert there == (row * layers[step].stride, column * layers[step].stride + t - 1)
        elif step == K:
            assert relay.rows(step) == {"both": (here, slice(0, D))} and here == there
            assert relay.holds(step) == {"both": [a * b for a, b in zip(left, far)]}
        else:
            assert relay.rows(step) == {"value": (here, slice(0, 1))} and here == there
            assert relay.holds(step) == {"value": [int(equal)]}
        if step < relay.last:
            assert relay.left[step + 1] == tuple(place // layers[step].stride for place in here)
    assert len(relay.left) == len(relay.far) == len(relay.values) == relay.last + 2
    assert relay.left[-2:] == ((0, 0), (0, 0))


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ((3, 2, 4), ["", "3b", "3c", "3d", "3d", ""]),
        ((2, 2, 4), ["", "3a", "3b", "3c", "3d", ""]),
        ((1, 2, 4), ["", "3a", "3a", "3a", "3b", "3c"]),
        ((2, 2, 8), ["", "3a", "3a", "3b", "3c", "3d", "3d", ""]),
        ((5, 2, 8), ["", "3b", "3c", "3d", "3d", "3d", "3d", ""]),
    ],
)
def test_the_parts_of_the_proof_go_by_the_layer_that_compares(case, parts):
    relay = relay_of(*case, equal=True)
    assert [relay.part(step) for step in range(relay.last + 2)] == parts


def test_a_relay_is_computed_once():
    assert relay_of(1, 2, 4, equal=True) is relay_of(1, 2, 4, equal=True)
