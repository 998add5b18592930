"""Shrunk windows against all that windows can add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Architecture, Layer
from convac_lib.errors import HypothesisError
from convac_lib.theory.receptive_fields import minimal_total_receptive_field, minimal_windows


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), min_size=1, max_size=6).map(
        lambda layers: [Layer(stride + extra, stride, 1) for stride, extra in layers]
    ),
    st.data(),
)
def test_windows_shrunk_from_the_top_down_are_the_least_of_all(layers, data):
    network = Architecture(1, 1, layers)
    alpha, K = data.draw(st.integers(0, network.total_receptive_fields[-1] + 1)), len(layers)
    totals = {1}
    for layer, step in zip(layers, (1, *network.total_strides)):
        totals = {total + (t - 1) * step for total in totals for t in range(layer.stride, layer.receptive_field + 1)}
    windows, fitting = minimal_windows(network, K, alpha), [total for total in totals if total > alpha]
    assert (windows is None) == (not fitting)
    if fitting:
        assert all(layer.stride <= t <= layer.receptive_field for t, layer in zip(windows, layers))
        shrunk = Architecture(1, 1, [Layer(t, layer.stride, 1) for t, layer in zip(windows, layers)])
        assert shrunk.total_receptive_fields[-1] == min(fitting) == minimal_total_receptive_field(network, K, alpha)


def test_no_window_is_found_from_the_total_receptive_field_on():
    network = Architecture(1, 1, [Layer(3, 1, 1), Layer(2, 2, 1), Layer(9, 1, 1)])  # the last is above layer K
    assert network.total_receptive_fields[1] == 4
    found = [
        (minimal_windows(network, 2, alpha), minimal_total_receptive_field(network, 2, alpha)) for alpha in range(7)
    ]
    assert found == [((1, 2), 2)] * 2 + [((2, 2), 3), ((3, 2), 4)] + [(None, None)] * 3


def test_skipped_patches_are_a_hypothesis_that_fails():
    with pytest.raises(HypothesisError) as error:
        minimal_windows(Architecture(2, 1, [Layer(1, 2, 1)]), 1, 0)
    assert str(error.value) == (
        "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"
    )
