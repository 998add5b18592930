"""An ensemble is its networks: values and gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError
from convac_lib.families import common_case
from convac_lib.networks.ensemble import Ensemble
from convac_lib.networks.models import ConvNet


def networks_of(plan, count, in_channels, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [ConvNet(plan, 3, in_channels, generator=generator).double() for _ in range(count)]


PLANS = [common_case(B, M=1, size=8, channels=C) for B in (1, 2, 3) for C in (1, 4)] + [
    Architecture(8, 1, [Layer(3, 1, 2), Layer(5, 1, 4), Layer(3, 2, 4), Layer(4, 4, 4)])
]


@given(st.sampled_from(PLANS), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
def test_outputs_and_gradients_are_each_networks_own(plan, count, in_channels, seed):
    networks = networks_of(plan, count, in_channels, seed)
    x = torch.randn(4, in_channels, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    together = Ensemble(networks)
    parameters = list(together.parameters())
    outputs, alone = together(x), torch.stack([network(x) for network in networks], 1)
    torch.testing.assert_close(outputs, alone)
    direction = torch.randn_like(outputs)
    for one, other in zip(*(torch.autograd.grad(y, parameters, direction) for y in (outputs, alone))):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("networks", "count"),
    [
        (networks_of(PLANS[0], 1, 3) + networks_of(PLANS[1], 1, 3), 2),
        (networks_of(PLANS[0], 1, 3) + networks_of(PLANS[0], 1, 1), 2),
    ],
)
def test_networks_of_several_shapes_are_refused_in_one_sentence(networks, count):
    with pytest.raises(ArchitectureError) as error:
        Ensemble(networks)
    assert str(error.value) == (
        f"the networks of an ensemble need one shape, and these have {count}; "
        "give them one architecture, one number of classes and one number of image channels"
    )


def test_no_network_is_refused_in_one_sentence():
    with pytest.raises(ArchitectureError) as error:
        Ensemble([])
    assert str(error.value) == "an ensemble needs at least one network, and none was given; give one"
