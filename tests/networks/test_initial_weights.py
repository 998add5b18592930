"""The networks' initial weights: what their formulas promise, and which generator draws them."""

import pytest
import torch
from torch import nn

from convac_lib import Architecture, Layer, baseline, common_case
from convac_lib.networks.models import ConvAC, ConvNet
from convac_lib.theory.circuits import random_circuit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def test_a_deep_network_is_drawn_so_that_images_stay_apart():
    """At 32×32 and B = 5 the values are too small for float32; normalized, it tells image from image."""
    plain, network = (
        ConvAC(common_case(B=5, M=8, size=32), 10, normalized=normalized, generator=seeded())
        for normalized in (False, True)
    )
    x = torch.rand(4, 8, 32, 32, generator=seeded(1))
    assert not plain(x).any()
    scores = network(x)
    scores.square().sum().backward()
    assert all(parameter.grad.isfinite().all() and parameter.grad.any() for parameter in network.parameters())
    error = (network.double()(x.double()) - scores).abs().amax(0)
    assert (100 * error < scores.std(0)).all()


@pytest.mark.parametrize(("R", "depth"), [(1, 1), (2, 1), (3, 4)])
def test_the_draw_spreads_the_channels_by_the_formula(R, depth):
    """The variance of y / Π x̄ over 200,000 channels, which are as many draws, against Π_ij(1 + g²v_ij/R²) − 1."""
    further = [Layer(1, 1, 1)] * (depth - 1)
    network = ConvAC(Architecture(R, 5, [Layer(R, R, 200_000), *further]), generator=seeded()).double()
    x = torch.rand(1, 5, R, R, generator=seeded(1), dtype=torch.float64)
    mean = x.mean(1)
    v = (x / mean - 1).square().mean(1)
    relative = network.layers[0](x).detach() / mean.prod()
    expected = (1 + v / (depth * R**2)).prod() - 1
    assert relative.mean().item() == pytest.approx(1, abs=0.01)
    assert relative.var().item() == pytest.approx(expected.item(), rel=0.05)
    assert (network.layers[0].weight.sum(1) - 1).abs().max() < 1e-5  # drawn in float32


@pytest.mark.parametrize(
    "build",
    [
        lambda generator: ConvAC(common_case(B=2, M=2, size=4), 3, generator=generator),
        lambda generator: ConvNet(common_case(B=2, M=2, size=4), 3, 1, generator=generator),
    ],
)
def test_the_seed_decides_the_weights_and_the_global_generator_is_left_alone(build):
    before = torch.get_rng_state()
    once, again, other = (nn.utils.parameters_to_vector(build(seeded(s)).parameters()) for s in (0, 0, 1))
    ConvAC.from_circuit(random_circuit(baseline(M=2, size=2), seed=0))
    assert torch.equal(once, again)
    assert (once != other).all()
    assert torch.equal(before, torch.get_rng_state())
