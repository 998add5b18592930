"""What an exact rank costs: windows counted one by one, what is held item by item, and refusals at exact limits."""

from collections import Counter, namedtuple
from contextlib import ExitStack, contextmanager
from math import ceil
from unittest.mock import patch

import pytest
from helpers.plain import sides_seen
from helpers.strategies import architectures, cuts
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, common_case, make_cut
from convac_lib.errors import BudgetError
from convac_lib.theory.costs import Level, levels, require_affordable, time_of
from convac_lib.theory.weights import smaller_network, weights_memory

NETWORKS = architectures(max_size=8, plain=False).filter(lambda network: network.size > 1)
WIDE = architectures(max_size=5, max_channels=200, plain=False).filter(lambda network: network.size > 1)
SIDES, THREADS = st.integers(1, 300), st.integers(1, 5)
FREE = 2**37  # bytes, more than these cases need
PRIMES = st.sampled_from([2, 2**31 - 1, 2**31, 2**31 + 1, 2**61 - 1])


# --- the counts ---


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


def test_windows_and_strides_may_be_larger_than_a_word():
    network = Architecture(2, 2, [Layer(2**70, 2**70, 2), Layer(2**70, 2**70, 2)])
    assert levels(network, make_cut("left-right", 2)) == [Level(1, 1, 2**140, 0), Level(1, 1, 2**140, 1)]


# --- the estimates, item by item ---

Case = namedtuple("Case", "network cut windows rows columns prime threads")


@st.composite
def cases(draw):
    network = draw(WIDE)
    cut = make_cut(draw(cuts(network.size)), network.size)
    windows = [
        Counter(
            (len(set().union(*window)) == 2, len(window), sum(len(sides) == 2 for sides in window)) for window in seen
        )
        for seen in (windows.values() for _, windows in sides_seen(network, cut))
    ]
    return Case(network, cut, windows, draw(SIDES), draw(SIDES), draw(PRIMES), draw(THREADS))


def tile_height(network):
    """A tile has 256 columns, and as many rows as let a position hold 2¹⁵ values, at least 1."""
    return max([1, *(height for height in range(1, 200) if height * 256 * max(network.channels) <= 2**15)])


def bytes_of(case, network, rows, columns, counted=True):
    """What is held at the peak; `counted` says whether the windows are known, and the network may be a smaller one."""
    number, entry = (48, 160) if case.prime > 2**31 else (8, 20)
    most, tile = max(rows, columns), case.threads * min(rows, tile_height(network)) * min(columns, 256)
    held = 2 * weights_memory(network, case.prime) + rows * columns * entry
    for _ in range(case.network.size**2):
        held += 600 + most * 24 + most * number * network.representation_channels
    templates = [0]  # values of one side alone: two layers of them are held at once
    for windows, C in zip(case.windows if counted else [], network.channels[1:]):
        templates.append(0)
        for (straddles, _, straddling_reads), times in windows.items():
            held += times * 600
            if straddles:
                held += times * (number * C * (rows + columns + tile) + 300 * straddling_reads)
            else:
                templates[-1] += times * number * C * most
    return held + max(below + above for below, above in zip([0, *templates], templates))


def seconds_of(case, network, rows, columns):
    """A NumPy call per read and tile, and the products; then the elimination."""
    most, tiles = max(rows, columns), ceil(rows / tile_height(network)) * ceil(columns / 256)
    alone = shared = 0
    for windows, d, C in zip(case.windows, network.channels, network.channels[1:]):
        for (_, reads, straddling_reads), times in windows.items():
            alone += times * reads * (2e-5 + C * (d + 1) * most / 1e9)
            shared += times * straddling_reads * (tiles * 2e-5 + rows * columns * C * (10 + d) / 2e9)
    elimination = rows * columns * min(rows, columns) / 1e10
    if case.prime > 2**31:
        return 150 * alone + 150 * shared / case.threads + 40 * elimination
    return alone + (shared + elimination) / case.threads


@contextmanager
def machine(free, longest, threads):
    with ExitStack() as stack:
        for module in ("convac_lib.theory.costs", "convac_lib.budget"):
            stack.enter_context(patch(f"{module}.free_memory", lambda: free))
            stack.enter_context(patch(f"{module}.LONGEST", longest))
        stack.enter_context(patch("convac_lib.theory.costs.available_threads", lambda: threads))
        yield


def refusal(case, *, free=FREE, longest=1e30, draws=1):
    """The sentence that refuses a rank on such a machine, or None."""
    with machine(free, longest, case.threads):
        try:
            require_affordable(case.network, case.cut, case.rows, case.columns, case.prime, draws)
        except BudgetError as error:
            return str(error)
    return None


def question(case):
    size = case.network.size
    return f"the rank of {case.rows:,}×{case.columns:,} entries of an image of {size}×{size} patches"


def remedy(case, fits, free=FREE):
    """Fewer rows, tried one by one; else a smaller network; else a smaller image."""
    for k in range(max(case.rows, case.columns), 0, -1):
        if fits(case.network, min(case.rows, k), min(case.columns, k)):
            return f"take at most {k:,} rows"
    patches = free / (600 + 8 * min(case.rows, case.columns) + 32)
    side = max(side for side in range(20_000) if side**2 <= patches)
    return smaller_network(case.network, lambda network: fits(network, case.rows, case.columns)) or (
        f"use a smaller image, of at most {side:,} patches per side, and smaller windows"
    )


@settings(max_examples=80)
@given(cases())
def test_the_time_is_that_of_its_calls_products_and_eliminations(case):
    with machine(FREE, 1e30, case.threads):
        found = time_of(case.network, levels(case.network, case.cut), case.rows, case.columns, case.prime)
    assert found == pytest.approx(seconds_of(case, case.network, case.rows, case.columns), rel=1e-12)


@settings(max_examples=100)
@given(cases(), st.one_of(st.just(1), st.floats(0, 1)))
def test_a_rank_is_refused_exactly_if_what_it_holds_is_more_than_is_free(case, share):
    needed = bytes_of(case, case.network, case.rows, case.columns)
    assert refusal(case, free=needed) is None
    free = int(share * (needed - 1))
    counted = bytes_of(case, case.network, case.rows, case.columns, counted=False) <= free
    help = remedy(case, lambda network, m, n: bytes_of(case, network, m, n, counted) <= free, free)
    sentence = refusal(case, free=free)
    assert sentence.startswith(f"{question(case)} needs about ") and sentence.endswith(f" are free; {help}")


@settings(max_examples=60)
@given(cases(), st.one_of(st.just(1), st.floats(0.01, 1)))
def test_a_rank_is_refused_exactly_if_it_takes_longer_than_the_limit(case, share):
    needed = seconds_of(case, case.network, case.rows, case.columns)
    assert refusal(case, longest=needed * (1 + 1e-9)) is None
    limit = share * needed * (1 - 1e-9)
    help = remedy(case, lambda network, m, n: seconds_of(case, network, m, n) <= limit)
    sentence = refusal(case, longest=limit)
    assert sentence.startswith(f"{question(case)} would take about ") and sentence.endswith(f"; {help}")


# --- refusals ---

SMALL = common_case(3, 2, 8)
PLAIN = Case(SMALL, make_cut("left-right", 8), None, 256, 300, 2**31 - 1, 2)


def seconds(case):
    with machine(FREE, 1e30, case.threads):
        return time_of(case.network, levels(case.network, case.cut), case.rows, case.columns, case.prime)


@pytest.mark.parametrize(
    ("limit", "draws", "allowed"),
    [(1, 1, None), (1, 2, 1), (1.5, 2, 1), (2, 2, None), (2, 3, 2), (7.5, 1000, 7), (1234.5, 2000, 1234)],
)
def test_draws_are_refused_exactly_if_together_they_take_longer_than_the_limit(limit, draws, allowed):
    """The limit is in draws: one that alone takes the whole limit is made, a second is not."""
    sentence = refusal(PLAIN, longest=limit * seconds(PLAIN), draws=draws)
    if allowed is None:
        assert sentence is None
    else:
        assert sentence == (
            f"{draws:,} draws of {question(PLAIN)} would take about 0 hours, and the limit is 0.0; "
            f"take at most {allowed:,} draws"
        )


@pytest.mark.parametrize("draws", [1, 3])
def test_what_straddles_the_cut_is_not_counted_where_the_reads_alone_take_too_long(draws):
    """(3·128)² + 128² reads are 163,840, and 50,000 take a second: every draw takes 3 whole seconds at least."""
    network = Architecture(128, 2, [Layer(3, 1, 2), Layer(128, 128, 2)])
    case = Case(network, make_cut("left-right", 128), None, 16, 16, 2**31 - 1, 1)
    with patch("convac_lib.theory.costs.levels", side_effect=InterruptedError) as counted:
        assert refusal(case, longest=3 * draws - 1, draws=draws) == (
            f"{question(case)} would take about 0 hours, and the limit is 0; use receptive fields of at most 2"
        )
        assert not counted.called
        with pytest.raises(InterruptedError):
            refusal(case, longest=3 * draws, draws=draws)
