"""The unrolled network against windows read one by one, and its limits, each at the last size that passes."""

from collections import Counter
from itertools import product

import numpy as np
import pytest
from helpers.strategies import architectures
from hypothesis import assume, given, settings

from convac_lib import Architecture, Layer, baseline, common_case
from convac_lib.errors import BudgetError
from convac_lib.theory.unrolled import count_unrolled, unroll


def paths_by_hand(network):
    """The paths of nodes from the top, as (row, column) pairs, level by level: to patches, then to the layers 1..L."""
    levels, sizes = [[((0, 0),)]], (network.size, *network.sizes)
    for layer, size in zip(network.layers[::-1], sizes[-2::-1]):
        below = []
        for path, i, j in product(levels[0], range(layer.receptive_field), range(layer.receptive_field)):
            row, column = path[-1]
            child = row * layer.stride + i, column * layer.stride + j
            if max(child) < size:
                below.append((*path, child))
        levels.insert(0, below)
    return levels


def paths_of(unrolled):
    sizes = (unrolled.architecture.size, *unrolled.architecture.sizes)
    levels = [[((0, 0),)]]
    for up, nodes, size in zip(unrolled.up[::-1], unrolled.nodes[-2::-1], sizes[-2::-1], strict=True):
        levels.insert(0, [(*levels[0][above], divmod(int(node), size)) for above, node in zip(up, nodes, strict=True)])
    return levels


@settings(max_examples=40)
@given(architectures(max_size=5))
def test_an_unrolled_network_holds_each_way_from_the_top(network):
    assume(count_unrolled(network)[1] <= 1000)
    expected, unrolled = paths_by_hand(network), unroll(network, 3000)
    assert [Counter(level) for level in paths_of(unrolled)] == [Counter(level) for level in expected]
    assert [len(set(level)) for level in expected] == [len(level) for level in expected]
    vertices = network.size**2 + sum(map(len, expected[1:]))
    assert count_unrolled(network) == (vertices, len(expected[0])) and unrolled.vertices == vertices
    assert [places.tolist() for places in unrolled.nodes[-1:]] == [[0]] and unrolled.architecture == network


def along_an_axis(network):
    """How many instances of each layer, and edges, there are along one axis, counted node by node from the top."""
    copies, sizes, counts = Counter([0]), (network.size, *network.sizes), [1]
    for layer, size in zip(network.layers[::-1], sizes[-2::-1]):
        below = Counter()
        for place, count in copies.items():
            for child in range(place * layer.stride, min(place * layer.stride + layer.receptive_field, size)):
                below[child] += count
        copies = below
        counts.insert(0, copies.total())
    return counts


@pytest.mark.parametrize("network", [common_case(2, 2, 64), common_case(3, 2, 128), common_case(2, 2, 256)])
def test_hundreds_of_millions_of_vertices_are_counted(network):
    edges, *instances = along_an_axis(network)
    vertices = network.size**2 + sum(count**2 for count in instances)
    assert count_unrolled(network) == (vertices, edges**2) and 10**6 < vertices < 10**9


def test_the_count_ends_above_a_thousand_million():
    network = Architecture(31622, 2, [Layer(31622, 31622, 2)])
    assert count_unrolled(network) == (31622**2 + 1, 31622**2)  # 999,950,885
    network = Architecture(31623, 2, [Layer(1, 1, 2), Layer(31623, 31623, 2)])
    assert count_unrolled(network) == (31623**2 + 1, 0)


def refusal(network, largest):
    with pytest.raises(BudgetError) as error:
        unroll(network, largest)
    return str(error.value)


REMEDY = "; use a smaller image, smaller windows or fewer layers"


def test_each_limit_is_passed_and_then_refused():
    vertices, edges = count_unrolled(common_case(2, 2, 4))
    assert unroll(common_case(2, 2, 4), vertices).vertices == vertices == 66 and edges == 100
    assert refusal(common_case(2, 2, 4), 65) == (
        f"a min cut is searched in unrolled networks of at most 65 vertices, and this one has 66{REMEDY}"
    )
    wide = Architecture(10, 2, [Layer(10, 1, 2), Layer(10, 10, 2)])  # 55² edges to patches
    assert count_unrolled(wide) == (100 + 101, 3025) and len(unroll(wide, 201).up[0]) == 3025
    flat = Architecture(20, 2, [Layer(20, 1, 2), Layer(20, 20, 2)])
    assert count_unrolled(flat) == (801, 44100) and unroll(flat, 882).vertices == 801
    assert refusal(flat, 881) == (
        f"a min cut is searched in unrolled networks of at most 44,050 edges to patches, and this one has 44,100"
        f"{REMEDY}"
    )
    tall = [Layer(1, 1, 2)] * 63
    assert len(unroll(Architecture(2, 2, [*tall, Layer(2, 2, 2)]), 1000).up) == 64
    assert refusal(Architecture(2, 2, [*tall, Layer(1, 1, 2), Layer(2, 2, 2)]), 1000) == (
        f"a min cut is searched in unrolled networks of at most 64 layers, and this one has 65{REMEDY}"
    )
    assert refusal(common_case(2, 2, 2**20), 1000) == (
        f"a min cut is searched in unrolled networks of at most 1,000 vertices, and this one has over 1,000,000,000"
        f"{REMEDY}"
    )


def test_strides_and_windows_beyond_64_bits_read_what_there_is():
    huge, small = unroll(Architecture(4, 2, [Layer(10**30, 10**30, 2)]), 100), unroll(baseline(2, 2), 100)
    assert np.array_equal(huge.nodes[0], np.arange(16)) and not huge.up[0].any()
    assert [nodes.tolist() for nodes in small.nodes] == [[0, 1, 2, 3], [0]]
