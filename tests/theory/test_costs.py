"""What an exact rank costs: windows counted one by one, and estimates against what is measured."""

from itertools import product
from math import prod

import pytest
from helpers.strategies import architectures, cuts
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import common_case, make_cut
from convac_lib.theory.checker_costs import CALL, THREADS, TILE, checking_cost
from convac_lib.theory.costs import Level, levels, time_of


def sides_seen(network, cut):
    """Layer by layer, by plain loops: every position's window, as what its offsets see of the two sides of the cut."""
    below = {divmod(patch, network.size): {patch in cut.rows} for patch in range(network.size**2)}
    for layer, size in zip(network.layers, network.sizes):
        offsets = list(product(range(layer.receptive_field), repeat=2))
        windows = {
            (u, v): [below.get((u * layer.stride + i, v * layer.stride + j), set()) for i, j in offsets]
            for u, v in product(range(size), repeat=2)
        }
        yield layer, windows
        below = {place: set().union(*window) for place, window in windows.items()}


NETWORKS = architectures(max_size=8, plain=False).filter(lambda network: network.size > 1)


@given(NETWORKS, st.data())
def test_windows_that_straddle_the_cut_are_those_counted_one_by_one(network, data):
    names = ["left-right", "top-bottom", "interleaved", "checkerboard"] * (network.size % 2 == 0)
    cut = make_cut(data.draw(st.one_of(cuts(network.size), *map(st.just, names))), network.size)
    counted = []
    for _, windows in sides_seen(network, cut):
        both = [len(set().union(*window)) == 2 for window in windows.values()]
        reads = [len(sides) == 2 for window in windows.values() for sides in window]
        counted.append(Level(len(windows), sum(both), len(reads), sum(reads)))
    assert levels(network, cut) == counted


@given(NETWORKS, st.integers(1, 500), st.data())
def test_the_cost_of_a_check_is_that_of_its_windows(network, k, data):
    cut = make_cut(data.draw(cuts(network.size)), network.size)
    tiles, work, most = prod(-(-k // side) for side in TILE), k**3 / 3, 0
    for (layer, windows), d in zip(sides_seen(network, cut), network.channels):
        straddling = [len(set().union(*window)) == 2 for window in windows.values()]
        for window, both in zip(windows.values(), straddling):
            reads = sum(len(sides) == 2 for sides in window)
            work += k**2 * layer.channels * (reads * (d + 1) + 2 * both)
            work += tiles * d * len(window) * (CALL + layer.channels * max(TILE))
        most = max(most, layer.channels * (sum(straddling) * prod(TILE) + len(windows) * max(TILE)))
    assert checking_cost(network, cut.rows, k) == (pytest.approx(work), 2 * k**2 + 3 * THREADS * most)


def test_more_rows_more_channels_and_larger_primes_take_longer():
    def seconds(channels=2, k=256, prime=2**31 - 1):
        network = common_case(3, 2, 8, channels)
        return time_of(network, levels(network, make_cut("left-right", 8)), k, k, prime)

    assert seconds() < seconds(k=512) < seconds(k=1024)
    assert seconds() < seconds(channels=4)
    assert seconds() < seconds(prime=2**61 - 1)
