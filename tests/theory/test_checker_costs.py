"""What checking a certificate costs: windows counted one by one, and limits at their exact boundaries."""

from unittest.mock import patch

import pytest
from helpers.plain import sides_seen
from helpers.strategies import architectures, cuts
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, common_case, make_cut
from convac_lib.errors import BudgetError, DataError
from convac_lib.theory import checker_costs
from convac_lib.theory.checker_costs import checking_cost, require_checkable

NETWORKS = architectures(max_size=8, plain=False).filter(lambda network: network.size > 1)


@given(NETWORKS, st.integers(1, 500), st.data())
def test_the_cost_of_a_check_is_that_of_its_windows(network, k, data):
    """Two threads hold tiles of 64×256 pairs, in each the layer below, its products and the layer above."""
    cut = make_cut(data.draw(cuts(network.size)), network.size)
    tiles, work, most = len(range(0, k, 64)) * len(range(0, k, 256)), k**3 / 3, 0
    for (layer, windows), d in zip(sides_seen(network, cut), network.channels):
        straddling = [len(set().union(*window)) == 2 for window in windows.values()]
        for window, both in zip(windows.values(), straddling):
            reads = sum(len(sides) == 2 for sides in window)
            work += k**2 * layer.channels * (reads * (d + 1) + 2 * both)
            work += tiles * d * len(window) * (8192 + layer.channels * 256)
        most = max(most, layer.channels * (sum(straddling) * 64 * 256 + len(windows) * 256))
    assert checking_cost(network, cut.rows, k) == (pytest.approx(work, rel=1e-12), 2 * k**2 + 2 * 3 * most)


@pytest.mark.parametrize(("R", "counted"), [(2**13, True), (2**13 + 1, False)])
def test_windows_are_counted_while_a_call_for_each_read_is_within_the_limit(R, counted):
    """R² + 2²⁶ reads of 2¹³ products each are 2⁴⁰ products, the limit, for R = 2¹³."""
    network = Architecture(2, 3, [Layer(R, 2, 2), Layer(2**13, 1, 5)])
    work, held = checking_cost(network, (0, 1), 5)
    if counted:  # both positions straddle the cut, the upper one reads one that does, and there is one tile
        assert work == pytest.approx(
            5**3 / 3 + 5**2 * (2 * 2 + 5 * (3 + 2)) + 2**26 * (3 * (2**13 + 2 * 256) + 2 * (2**13 + 5 * 256)), rel=1e-12
        )
        assert held == 2 * 5**2 + 6 * 5 * (64 * 256 + 256)
    else:
        assert (work, held) == ((R**2 + 2**26) * 2**13, 5**2)
    assert isinstance(work, float)


def test_all_positions_reads_count_towards_the_limit():
    network = Architecture(2, 2, [Layer(2**13, 1, 2), Layer(2, 2, 2)])
    assert checking_cost(network, (0, 1), 1) == ((4 * 2**26 + 2**2) * 2**13, 1)


@pytest.mark.parametrize("work", [2.0**40, 2.0**40 + 2**10])
@pytest.mark.parametrize("held", [2**28, 2**28 + 1])
def test_a_check_at_the_limits_is_made_and_one_beyond_is_refused(work, held):
    """About an hour's products, and 2 GiB of numbers."""
    network = common_case(2, 2, 4)
    with (
        patch.object(checker_costs, "checking_cost", lambda *asked: (work, held) if asked == (network, (0,), 7) else 0),
        patch("convac_lib.budget.free_memory", lambda: 2**31),
    ):
        if work == 2**40 and held == 2**28:
            require_checkable(network, (0,), 7, "certify fewer rows")
            return
        with pytest.raises(DataError) as error:
            require_checkable(network, (0,), 7, "certify fewer rows")
    assert str(error.value) == (
        "checking this certificate would take 1.1e+12 products and 2.7e+08 numbers at once; "
        "the limits are 1.1e+12 and 2.7e+08, so certify fewer rows"
    )


def test_a_number_takes_eight_bytes():
    network, k = common_case(3, 2, 8), 100
    needed = 8 * checking_cost(network, (0, 1), k)[1]
    with patch("convac_lib.budget.free_memory", lambda: needed):
        require_checkable(network, (0, 1), k, "certify fewer rows")
    with patch("convac_lib.budget.free_memory", lambda: needed - 1), pytest.raises(BudgetError) as error:
        require_checkable(network, (0, 1), k, "certify fewer rows")
    assert str(error.value).startswith("checking this certificate needs about ")
    assert str(error.value).endswith(" are free; check it on a machine with more memory")
