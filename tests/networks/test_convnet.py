"""ConvNet against convolution and max pooling written out."""

import pytest
import torch

from convac_lib import Architecture, ConvNet, Layer, common_case


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def same_convolution(x, weight, bias):
    """Each output pixel's window, centred (an even one reaching further right and down), zeros outside."""
    side, size = weight.shape[-1], x.shape[-1]
    padded = torch.zeros(*x.shape[:2], size + side, size + side, dtype=x.dtype)
    first = (side - 1) // 2
    padded[:, :, first : first + size, first : first + size] = x
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)[:, :, :size, :size]  # (n, d, H, W, R, R)
    return torch.einsum("cdij,ndhwij->nchw", weight, windows) + bias[:, None, None]


def max_pooling(x, side, stride):
    """Each window's largest pixel; slices end at the image's edge, so that outside counts nothing."""
    corners = range(0, x.shape[-1], stride)
    rows = [torch.stack([x[:, :, u : u + side, v : v + side].amax((2, 3)) for v in corners], -1) for u in corners]
    return torch.stack(rows, -2)


@pytest.mark.parametrize(
    "architecture",
    [
        common_case(B=1, M=1, size=4, channels=3),
        common_case(B=2, M=1, size=8, channels=3),
        common_case(B=3, M=1, size=8, channels=3),
        common_case(B=4, M=1, size=4, channels=3),
        Architecture(5, 1, [Layer(3, 1, 3), Layer(3, 2, 3), Layer(2, 1, 4), Layer(5, 3, 4)]),
        Architecture(7, 1, [Layer(3, 2, 2), Layer(2, 2, 2), Layer(2, 2, 2)]),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_convnet_is_convolutions_and_max_pooling(architecture, sign):
    network = ConvNet(architecture, classes=4, in_channels=2, generator=seeded()).double()
    images = torch.rand(3, 2, architecture.size, architecture.size, generator=seeded(1), dtype=torch.float64) * sign
    parameters = iter(network.parameters())
    x = images
    for layer, size in zip(architecture.layers, architecture.sizes):
        if layer.stride == 1:
            x = same_convolution(x, next(parameters), next(parameters)).clamp(min=0)
        else:
            x = max_pooling(x, layer.receptive_field, layer.stride)
        assert x.shape[2:] == (size, size)
    weight, bias = parameters
    torch.testing.assert_close(network(images), x[:, :, 0, 0] @ weight.T + bias)


@pytest.mark.parametrize(("size", "in_channels"), [(8, 1), (32, 3)])
def test_pooling_has_no_weights_and_m_is_not_used(size, in_channels):
    B, C, blocks = 3, 4, size.bit_length() - 1
    network = ConvNet(common_case(B, 7, size, channels=C), 10, in_channels, generator=seeded())
    convolutions = (in_channels + C * (blocks - 1)) * C * B**2 + C * blocks
    assert sum(parameter.numel() for parameter in network.parameters()) == convolutions + 10 * C + 10
    assert network(torch.rand(2, in_channels, size, size, generator=seeded())).shape == (2, 10)
