"""The memory that weights take, and the smaller networks that are suggested where they take too much."""

from math import prod
from unittest.mock import patch

import numpy as np
import pytest
from helpers.strategies import architectures
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, common_case, random_circuit
from convac_lib.errors import BudgetError
from convac_lib.theory.weights import pooling_weight, require_room, smaller_network, weight_shapes, weights_memory

SMALL = architectures(plain=False)


@given(SMALL, st.sampled_from([None, 2, 2**30 + 3, 2**31 - 1, 2**31, 2**31 + 1, 2**61 - 1]))
def test_memory_is_twice_all_weights_and_three_times_the_largest(network, prime):
    """A number takes 8 bytes, and 48 as a Python integer, which numbers modulo p above 2³¹ are."""
    counts = [
        (1 if network.shared or layer.weight_free else size**2) * layer.channels * below * layer.receptive_field**2
        for layer, below, size in zip(network.layers, network.channels, network.sizes)
    ] + [network.representation_channels**2]
    number = 48 if prime is not None and prime > 2**31 else 8
    assert weights_memory(network, prime) == sum(2 * number * count for count in counts) + 3 * number * max(counts)
    assert [prod(shape) for shape in weight_shapes(network)] == counts[:-1]


@given(SMALL)
def test_the_shapes_are_those_of_the_weights_that_are_drawn(network):
    assert [weight.shape for weight in random_circuit(network, seed=0, prime=7).weights] == weight_shapes(network)


def capped(network, channels, R):
    layers = [
        Layer(max(layer.stride, min(R, layer.receptive_field)), layer.stride, min(channels, layer.channels),
              layer.weight_free)
        for layer in network.layers
    ]  # fmt: skip
    M = min(channels, network.representation_channels)
    return Architecture(network.size, M, layers, network.border, network.shared)


@given(architectures(max_channels=9, plain=False), st.floats(0, 1))
def test_the_suggested_network_is_the_largest_that_fits(network, share):
    """Fewer channels of every layer are tried first, one by one; then smaller windows with the fewest channels."""
    room = share * weights_memory(network, 7)
    widest = max(layer.receptive_field for layer in network.layers)
    most, fewest = max(network.channels), min(network.channels)
    expected = None
    for R in range(1, widest + 1):
        if weights_memory(capped(network, fewest, R), 7) <= room:
            expected = f"use receptive fields of at most {R}"
            expected += f", and at most {fewest} channels and templates" if fewest < most else ""
    for channels in range(1, most + 1):
        if weights_memory(capped(network, channels, widest), 7) <= room:
            expected = f"use at most {channels} channels and templates"
    assert smaller_network(network, lambda smaller: weights_memory(smaller, 7) <= room) == expected


def test_at_most_2_to_the_40_channels_and_patches_are_tried():
    network = Architecture(4, 2**41, [Layer(2**41, 4, 2**41)])
    assert smaller_network(network, lambda tried: tried.layers[0].receptive_field == 2**40) == (
        "use at most 1,099,511,627,776 channels and templates"
    )
    assert smaller_network(network, lambda tried: tried.layers[0].receptive_field < 2**39) == (
        "use receptive fields of at most 549,755,813,887"
    )
    assert smaller_network(network, lambda tried: False) is None


@pytest.mark.parametrize(
    ("network", "remedy"),
    [
        (common_case(3, 5, 4), "use at most 4 channels and templates"),
        (Architecture(4, 1, [Layer(4, 4, 1)]), "use smaller strides and windows"),
        (Architecture(4, 1, [Layer(1, 1, 1), Layer(4, 4, 1)], shared=False), "share the weights"),
    ],
)
@pytest.mark.parametrize("prime", [None, 2**61 - 1])
def test_weights_are_refused_exactly_if_they_take_more_memory_than_is_free(network, remedy, prime):
    needed = weights_memory(network, prime)
    with patch("convac_lib.theory.weights.free_memory", lambda: needed):
        require_room(network, prime)
    with (
        patch("convac_lib.theory.weights.free_memory", lambda: needed - 1),
        patch("convac_lib.budget.free_memory", lambda: needed - 1),
        pytest.raises(BudgetError) as error,
    ):
        require_room(network, prime)
    assert str(error.value) == (
        f"drawing this network's weights needs about 0.0 GiB of memory, and 0.0 GiB are free; {remedy}"
    )


def test_pooling_weighs_every_channel_once_at_every_offset():
    weight = pooling_weight(Layer(3, 2, 4))
    assert weight.shape == (4, 4, 3, 3) and weight.dtype == int
    for (c, d, _, _), value in np.ndenumerate(weight):
        assert value == (c == d)
