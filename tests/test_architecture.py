"""Geometry: the formulas against pixels counted one by one, and every sentence about layers that make no network."""

import pickle
from dataclasses import replace
from itertools import repeat

import numpy as np
import pytest
from helpers.strategies import architectures
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, ConvacError, Layer, baseline, common_case, random_circuit
from convac_lib.architecture import BORDERS
from convac_lib.errors import ArchitectureError
from convac_lib.theory.convolution import generalized_convolution

STACKS = st.lists(
    st.builds(lambda stride, extra: Layer(stride + extra, stride, 1), st.integers(1, 3), st.integers(0, 3)),
    min_size=1,
    max_size=4,
)


SKIPPING_STACKS = st.lists(
    st.builds(Layer, st.integers(1, 4), st.integers(1, 4), st.just(1)), min_size=1, max_size=4
).filter(lambda layers: any(layer.is_skipping for layer in layers))


def columns_seen(layers, position):
    """The columns of an endless image below one output, window by window."""
    seen = {position}
    for layer in reversed(layers):
        seen = {column * layer.stride + i for column in seen for i in range(layer.receptive_field)}
    return seen


def count_windows(layers, size, border):
    """The side of every layer's output, window by window, or the number of the layer in which none fits."""
    sides = [size]
    for number, layer in enumerate(layers, start=1):
        starts = range(0, sides[-1], layer.stride)
        fitting = [start for start in starts if border != "valid" or start + layer.receptive_field <= sides[-1]]
        if not fitting:
            return sides, number
        sides.append(len(fitting))
    return sides, None


def pixels_changed(layers, size, border):
    """Which pixels change an output if they are 0 and not 1: (row, column of the output, row, column of the pixel)."""
    images = 1 - np.eye(size**2, dtype=np.int8).reshape(1, size, size, -1)  # the n-th has its 0 at the n-th pixel
    images = np.concatenate([np.ones((1, size, size, 1), np.int8), images], axis=-1)
    for layer in layers:
        ones = np.ones((1, 1, layer.receptive_field, layer.receptive_field), np.int8)
        images = generalized_convolution(images, ones, layer.stride, border=border)  # the product of its pixels
    before, after = images[0, ..., :1], images[0, ..., 1:]
    return (before != after).reshape(*images.shape[1:3], size, size)


def check_geometry(layers, size, border):
    """A network's geometry, or its error, against brute force."""
    sides, unfit = count_windows(layers, size, border)
    if unfit:
        with pytest.raises(ArchitectureError) as error:
            Architecture(size, 1, layers, border)
        assert str(error.value) == (
            f"layer {unfit} has receptive field {layers[unfit - 1].receptive_field} on an input of size {sides[-1]}: "
            f"with border 'valid' no window fits; use a receptive field of at most {sides[-1]}"
        )
        return None
    network = Architecture(size, 1, layers, border).require_patches_read()
    assert network.sizes == tuple(sides[1:])
    overlaps = False
    for depth, (field, step) in enumerate(zip(network.total_receptive_fields, network.total_strides), start=1):
        seen, next_seen = columns_seen(layers[:depth], 0), columns_seen(layers[:depth], 1)
        assert seen == set(range(field)) and min(next_seen) == step
        overlaps |= bool(seen & next_seen)
    assert network.is_overlapping == overlaps == any(degree > 1 for degree in network.degrees_of_overlap)
    positions, pixels = np.arange(sides[-1])[:, None] * step, np.arange(size)
    field_of = (positions <= pixels) & (pixels < positions + field)
    if border == "zero":  # where a window leaves the image, the output is 0 whatever the pixels are
        field_of &= positions + field <= size
    assert np.array_equal(pixels_changed(layers, size, border), field_of[:, None, :, None] & field_of[None, :, None, :])
    return network


@given(SKIPPING_STACKS, st.integers(1, 12), st.sampled_from(BORDERS))
def test_where_patches_are_skipped_the_extent_the_step_and_the_sizes_hold_still(layers, size, border):
    sides, unfit = count_windows(layers, size, border)
    layers = layers[: unfit - 1] if unfit else layers
    assume(any(layer.is_skipping for layer in layers))
    network = Architecture(size, 1, layers, border)
    seen, next_seen = columns_seen(layers, 0), columns_seen(layers, 1)
    assert (min(seen), max(seen) + 1) == (0, network.total_receptive_fields[-1])
    assert min(next_seen) == network.total_strides[-1] and network.sizes == tuple(sides[1:])
    first = next(layer for layer in layers if layer.is_skipping)
    with pytest.raises(ArchitectureError) as error:
        network.require_patches_read()
    assert str(error.value) == (
        f"receptive field {first.receptive_field} is smaller than stride {first.stride}: "
        f"patches would be skipped; use a receptive field of at least {first.stride}"
    )


def test_layers_may_come_from_any_iterable():
    layers = [Layer(3, 1, 2), Layer(2, 2, 2)]
    network = Architecture(2, 2, (layer for layer in layers))
    assert network.layers == tuple(layers)
    assert network == Architecture(2, 2, layers) == replace(Architecture(2, 2, layers[1:]), layers=layers)
    assert hash(network) == hash(Architecture(2, 2, tuple(layers)))
    assert pickle.loads(pickle.dumps(network)) == network  # noqa: S301  (our own)


@pytest.mark.parametrize("B", range(1, 8))
def test_the_common_case_sees_what_the_closed_forms_say(B):
    network = common_case(B, M=2, size=64)
    fields, strides = network.total_receptive_fields, network.total_strides
    for k in range(6):
        assert fields[2 * k] == (2 * B - 1) * 2**k - (B - 1) and strides[2 * k] == 2**k
        assert fields[2 * k + 1] == 1 + B * (2 ** (k + 1) - 1) and strides[2 * k + 1] == 2 ** (k + 1)
    assert 2 * B - 1 - network.degrees_of_overlap[-2] == (B - 1) / 2**5  # it tends to 2B−1


@pytest.mark.parametrize(
    ("B", "table"),
    [
        (3, [(3, 1), (4, 2), (8, 2), (10, 4), (18, 4)]),
        (2, [(2, 1), (3, 2), (5, 2), (7, 4), (11, 4)]),
        (1, [(1, 1), (2, 2), (2, 2), (4, 4), (4, 4)]),
    ],
)
def test_the_common_case_has_the_tables_of_the_book(B, table):
    network = common_case(B, M=2, size=8)
    assert list(zip(network.total_receptive_fields, network.total_strides))[:5] == table


def test_the_common_case_and_the_baseline_are_their_layers_written_out():
    assert common_case(B=3, M=2, size=4, channels=5) == Architecture(
        4, 2, [Layer(3, 1, 5), Layer(2, 2, 5), Layer(3, 1, 5), Layer(2, 2, 5)]
    )
    assert baseline(M=3, size=8) == Architecture(8, 3, (Layer(2, 2, 3), Layer(2, 2, 3), Layer(2, 2, 3)), "neutral")
    assert common_case(B=2, M=3, size=2).channels == (3, 3, 3)


@given(architectures())
def test_parameters_count_the_numbers_that_are_drawn(network):
    circuit = random_circuit(network, seed=0)
    assert network.parameters == sum(weight.size for weight in (*circuit.weights, circuit.dense))


@given(architectures(max_size=5, plain=False))
def test_parameters_count_one_number_per_window_that_has_its_own(network):
    count, below = network.channels[-1], network.channels[0]
    for layer, size in zip(network.layers, network.sizes):
        windows = 1 if network.shared else len([(row, column) for row in range(size) for column in range(size)])
        matrix = np.empty((windows, layer.channels, below, layer.receptive_field, layer.receptive_field))
        count += 0 if layer.weight_free else matrix.size
        below = layer.channels
    assert network.parameters == count


def test_a_network_prints_as_a_table():
    network = Architecture(6, 3, [Layer(5, 1, 12), Layer(2, 2, 4), Layer(3, 3, 1024)], "ones")
    assert str(network) == (
        "layer  receptive field  stride  channels  output  total receptive field  total stride  overlap\n"
        "image                                  3     6×6                      1             1        1\n"
        "    1                5       1        12     6×6                      5             1        5\n"
        "    2                2       2         4     3×3                      6             2        3\n"
        "    3                3       3      1024     1×1                     10             6      5/3\n"
        "overlapping, 38,980 parameters, border 'ones'"
    )
    assert str(baseline(M=2, size=2)).splitlines()[-1] == "non-overlapping, 18 parameters, border 'neutral'"
    pooled = Architecture(4, 3, [Layer(2, 1, 2), Layer(4, 4, 2, weight_free=True)], shared=False)
    assert str(pooled).splitlines()[-2:] == [
        "    2                4       4  2, weight-free     1×1                      5             4      5/4",
        "overlapping, 386 parameters, unshared, border 'neutral'",
    ]
    skipping = Architecture(4, 1, [Layer(1, 2, 1)])
    assert str(skipping).splitlines()[-1] == "non-overlapping, skipping patches, 2 parameters, border 'neutral'"


def test_layers_of_any_sequence_make_equal_networks():
    layers = [Layer(2, 1, 3), Layer(4, 4, 2)]
    networks = {Architecture(4, 2, given) for given in (layers, tuple(layers), iter(layers))}
    assert len(networks) == 1 and networks.pop().require_single_output().layers == tuple(layers)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Architecture(6, 2, [Layer(3, 1, 4), Layer(2, 3, 4)]).require_patches_read(),
         "receptive field 2 is smaller than stride 3: patches would be skipped; use a receptive field of at least 3"),
        (lambda: Layer(3, 1, 0), "channels must be an integer of at least 1, not 0"),
        (lambda: Layer(3, 1, -4), "channels must be an integer of at least 1, not -4"),
        (lambda: Layer(3.0, 1, 4), "receptive field must be an integer of at least 1, not 3.0"),
        (lambda: Layer(3, True, 4), "stride must be an integer of at least 1, not True"),
        (lambda: Architecture(0, 2, [Layer(1, 1, 1)]), "size must be an integer of at least 1, not 0"),
        (lambda: Architecture(4, -2, [Layer(1, 1, 1)]),
         "representation channels must be an integer of at least 1, not -2"),
        (lambda: Architecture(2**64 + 1, 2, [Layer(1, 1, 1)]),
         "size must be at most 2^64 patches per side, not 18446744073709551617; use a smaller image"),
        (lambda: Architecture(4, 2, repeat(Layer(1, 1, 1))),
         "a network may have at most 4,096 layers; more were given"),
        (lambda: Architecture(4, 2, [Layer(1, 1, 1)] * 4097),
         "a network may have at most 4,096 layers; more were given"),
        (lambda: Architecture(4, 2, [Layer(1, 1, 1), Layer(2 ** (2**20 - 5), 1, 1)]),
         ("the layers' receptive fields, strides and channels may have 1,048,576 bits together, and these have "
          "1,048,577; use smaller numbers or fewer layers")),
        (lambda: Architecture(4, 2, [Layer(1, 1, 3), Layer(1, 1, 5), Layer(2, 2, 4, weight_free=True)]),
         "layer 3 is weight-free, so that it keeps the 5 channels of its input, and it was given 4; give it 5"),
        (lambda: Architecture(4, 2, [Layer(2, 2, 3, weight_free=True), Layer(2, 2, 3)]),
         "layer 1 is weight-free, so that it keeps the 2 channels of its input, and it was given 3; give it 2"),
        (lambda: Architecture(4, 2, [Layer(3, 1, 1), Layer(3, 1, 1)], "valid"),
         ("layer 2 has receptive field 3 on an input of size 2: with border 'valid' no window fits; "
          "use a receptive field of at most 2")),
        (lambda: Architecture(4, 2, 7), "layers must be a sequence of Layer, not 7"),
        (lambda: Architecture(4, 2, [(3, 1, 2)]), "layers must be a sequence of Layer, but one is (3, 1, 2)"),
        (lambda: Architecture(4, 2, []), "a network needs at least one layer; none was given"),
        (lambda: Architecture(4, 2, [Layer(1, 1, 1)], "wrap"),
         "unknown border 'wrap'; use one of neutral, ones, zero, valid"),
        (lambda: Architecture(6, 2, [Layer(1, 1, 1), Layer(3, 3, 1)]).require_single_output(),
         "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        (lambda: common_case(B=2, M=2, size=6),
         "size 6 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 4 or 8"),
        (lambda: baseline(M=2, size=1),
         "size 1 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 2"),
        (lambda: baseline(M=2, size=3),
         "size 3 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 2 or 4"),
        (lambda: common_case(B=2, M=2, size=0), "size must be an integer of at least 1, not 0"),
        (lambda: common_case(B=0, M=2, size=4), "receptive field must be an integer of at least 1, not 0"),
        (lambda: common_case(B=2, M=0, size=4), "representation channels must be an integer of at least 1, not 0"),
        (lambda: baseline(M=-1, size=4), "representation channels must be an integer of at least 1, not -1"),
        (lambda: baseline(M=2, size=4, channels=0), "channels must be an integer of at least 1, not 0"),
    ],
)  # fmt: skip
def test_layers_that_make_no_network_get_one_sentence(make, sentence):
    with pytest.raises(ArchitectureError) as error:
        make()
    assert str(error.value) == sentence
    assert isinstance(error.value, ConvacError) and isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("field", "step", "degree"),
    [
        (2**70, 2**69, "2"), (3 * 2**70, 2**71, "1.5"), (999 * 2**70, 2**70, "999"), (1000 * 2**70, 2**70, "1000"),
        (1999 * 2**70, 2**71, "1e+03"), (2001 * 2**70, 2**71, "1000"),
        (3 * 2**80, 2**20, str(3 * 2**60)), (2**64, 2**64 - 1, "1"), (2**64 - 1, 2**64 - 2, f"{2**64 - 1}/{2**64 - 2}"),
    ],
)  # fmt: skip
def test_a_long_degree_of_overlap_is_written_with_three_digits(field, step, degree):
    _, _, row, _ = str(Architecture(1, 2, [Layer(field, step, 2)])).splitlines()
    assert row.split()[-1] == degree


def test_the_largest_networks_are_read():
    large = Architecture(
        2**64, 2, [Layer(2 ** (2**20 - 3), 1, 1)]
    )  # 2²⁰ − 2 bits, and one each for stride and channels
    assert large.sizes == (2**64,) and large.total_receptive_fields == (2 ** (2**20 - 3),)
    deep = Architecture(1, 2, iter([Layer(2, 1, 1)] * 4096))
    assert deep.total_receptive_fields == tuple(range(2, 4098))


@pytest.mark.parametrize(
    ("M", "written"),
    [(1, "2"), (10**30 - 2, "999," * 9 + "999"), (10**30 - 1, "1.00e+30"), (10**30, "1.00e+30"), (10**31, "1.00e+31")],
)
def test_parameters_of_over_thirty_digits_are_written_by_their_magnitude(M, written):
    assert str(Architecture(1, M, [Layer(1, 1, 1)])).endswith(
        f"\nnon-overlapping, {written} parameters, border 'neutral'"
    )


def test_the_geometry_is_that_of_pixels_counted_and_perturbed(record_property):
    checked = set()

    @settings(max_examples=1750)
    @given(STACKS, st.sampled_from(BORDERS))
    def check(layers, border):
        checked.update(check_geometry(layers, size, border) for size in range(1, 9))

    check()
    checked.remove(None)
    record_property("architectures against brute force: 0 mismatches", len(checked))
    assert len(checked) >= 10_000
