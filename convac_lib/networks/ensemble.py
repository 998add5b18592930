"""Several ConvNets of one shape as one module. Taught in the chapter *Experiments on standard ConvNets*."""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from convac_lib.errors import ArchitectureError
from convac_lib.networks.models import ConvNet


class Ensemble(nn.Module):
    """Run G ConvNets on the same images at once: grouped convolutions make one wide network of G narrow ones.

        images (N, C_in, H, H) → (N, G, Y),   output[n, g] = networks[g](images)[n]

    The networks keep their own weights, so training this module trains each of them as if it were alone.

    Args:
        networks: G `ConvNet` modules with one architecture, number of classes and number of image channels.

    Shape:
        - Input: (N, C_in, H, H)
        - Output: (N, G, Y)

    Raises:
        ArchitectureError: if there is no network, or two of them differ in shape.

    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib import common_case
    >>> both = Ensemble([ConvNet(common_case(B=3, M=1, size=8, channels=4), 10, in_channels=1) for _ in range(2)])
    >>> both(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 2, 10])
    """

    def __init__(self, networks: Sequence[ConvNet]) -> None:
        super().__init__()
        shapes = {(network.architecture, *network.dense.weight.shape, network.in_channels) for network in networks}
        if not shapes:
            raise ArchitectureError("an ensemble needs at least one network, and none was given; give one")
        if len(shapes) > 1:
            raise ArchitectureError(
                f"the networks of an ensemble need one shape, and these have {len(shapes)}; "
                "give them one architecture, one number of classes and one number of image channels"
            )
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        networks = cast(Sequence[ConvNet], self.networks)  # torch's ModuleList does not tell the class of its modules
        groups = 1  # the first convolution reads the same images for all
        for first, *others in zip(*(network.layers for network in networks)):
            if isinstance(first, nn.Conv2d):
                weight = torch.cat([layer.weight for layer in (first, *others)])  # (G·C_out, C_in, R, R)
                bias = torch.cat([layer.bias for layer in (first, *others)])
                x, groups = conv2d(x, weight, bias, padding=first.padding, groups=groups), len(networks)
            else:
                x = first(x)  # has no weights, and is the same for every channel
        weight = torch.stack([network.dense.weight for network in networks])  # (G, Y, C_L)
        bias = torch.stack([network.dense.bias for network in networks])  # (G, Y)
        tops = torch.unflatten(x[..., 0, 0], 1, (len(networks), -1))  # (N, G·C_L, 1, 1) -> (N, G, C_L)
        return torch.einsum("ngc,gyc->ngy", tops, weight) + bias
