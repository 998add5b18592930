"""Several ConvNets of one shape at work side by side. Taught in the chapter *Experiments on standard ConvNets*."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from convac_lib.errors import ArchitectureError
from convac_lib.networks.models import ConvNet


class SideBySide(nn.Module):
    """G ConvNets that read the same images at once, in grouped convolutions: one pass of a wide network for G narrow ones.

        images (N, C_in, H, H) → (N, G, Y),   output[n, g] = networks[g](images)[n]

    The networks keep their own weights, so that training this module trains each of them as if it were alone.

    Args:
        networks: G `ConvNet` modules of one architecture, with the same number of classes and channels of the images.

    Shape:
        - Input: (N, C_in, H, H)
        - Output: (N, G, Y)

    Raises:
        ArchitectureError: if there is no network, or two of them differ in shape.

    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib import common_case
    >>> both = SideBySide([ConvNet(common_case(B=3, M=1, size=8, channels=4), 10, in_channels=1) for _ in range(2)])
    >>> both(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 2, 10])
    """

    def __init__(self, networks: Sequence[ConvNet]):
        super().__init__()
        shapes = {(network.architecture, *network.dense.weight.shape, network.in_channels) for network in networks}
        if not shapes:
            raise ArchitectureError("no network was given to set side by side; give at least one")
        if len(shapes) > 1:
            raise ArchitectureError(
                f"networks side by side need one shape, and these have {len(shapes)}; "
                "give them one architecture, one number of classes and one of image channels"
            )
        self.networks = nn.ModuleList(networks)

    def forward(self, x: Tensor) -> Tensor:
        groups = 1  # the first convolution reads the same images for all
        for first, *others in zip(*(network.layers for network in self.networks)):
            if isinstance(first, nn.Conv2d):
                weight, bias = (torch.cat(parameters) for parameters in zip(*map(_weight_and_bias, (first, *others))))
                x, groups = conv2d(x, weight, bias, padding=first.padding, groups=groups), len(self.networks)
            else:
                x = first(x)  # has no weights, and treats every channel alike
        weight, bias = map(torch.stack, zip(*(_weight_and_bias(network.dense) for network in self.networks)))
        return torch.einsum("ngc,gyc->ngy", x.unflatten(1, (len(weight), -1))[..., 0, 0], weight) + bias


def _weight_and_bias(module):
    return module.weight, module.bias
