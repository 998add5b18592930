"""Whole networks, built from an `Architecture`: the ConvAC of the theory and the ConvNet of the experiments.

Taught in the chapters *Convolutional arithmetic circuits*, *Training an overlapping network* and *Experiments on
standard ConvNets*.
"""

from collections.abc import Iterable
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from convac_lib.architecture import Architecture, Layer
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, ConvacError, DataError
from convac_lib.networks.layers import GeneralizedConv2d, Representation, he_initialized, require_room
from convac_lib.networks.window_product import frexp_scale, power_of_two
from convac_lib.theory.circuits import Circuit, warn_of_zeros
from convac_lib.theory.tensors import grid_tensor


class ConvAC(nn.Module):
    """A convolutional arithmetic circuit: products of linear maps, from the representation to one value per class.

        representation (N, M, H, H) → GC layers → (N, C_L, 1, 1) → dense, without bias → (N, Y)

    Args:
        architecture: the `Architecture`, ending in 1×1.
        classes: Y, the number of output values.
        representation: a module from images to (N, M, H, H), such as `Representation` or `Templates`; if left out, the
            input is already represented.
        normalized: whether an image's Y values are all divided by one positive number, the root mean square of its C_L
            last channels. That changes no sign and no argmax, and it enables overlapping networks to train.
        generator: the random generator of the initial weights, except the representation's; torch's default one if left
            out.

    Shape:
        - Input: (N, M, H, H), or whatever the representation reads.
        - Output: (N, Y). If not normalized, deep products may leave the type's range, and are then 0 or infinite;
          `scaled_scores` keeps them.

    Raises:
        ArchitectureError: if the network does not end in 1×1, is unshared, or has a layer that is weight-free or R < S.
        BudgetError: if the weights need more memory than is free.
        DataError: if the represented input does not have the architecture's M and H.

    Warns:
        UserWarning: if the border is "zero" and windows leave the image: the network is then 0 everywhere.

    Source: talk, slides "Baseline Architecture" and "Generalized Convolutional Arithmetic Circuits".
    Chapter: *Convolutional arithmetic circuits* and *Training an overlapping network*.

    >>> from convac_lib import common_case
    >>> network = ConvAC(common_case(B=3, M=2, size=4), generator=torch.Generator().manual_seed(0))
    >>> network(torch.rand(5, 2, 4, 4)).shape
    torch.Size([5, 1])
    """

    def __init__(
        self,
        architecture: Architecture,
        classes: int = 1,
        representation: nn.Module | None = None,
        *,
        normalized: bool = False,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        require_integers(error=ArchitectureError, classes=classes)
        if not architecture.shared or any(layer.weight_free for layer in architecture.layers):
            raise ArchitectureError(
                "a ConvAC has weights in every layer and shares them across positions; "
                "give it layers that are not weight-free and shared=True"
            )
        self.architecture = architecture.require_patches_read().require_single_output()
        self.normalized = normalized
        require_room("ConvAC", architecture.parameters + (classes - 1) * architecture.channels[-1])
        warn_of_zeros(architecture, stacklevel=2)
        self.representation = nn.Identity() if representation is None else representation
        self.layers = nn.Sequential(
            *(
                GeneralizedConv2d(
                    in_channels,
                    layer.channels,
                    layer.receptive_field,
                    layer.stride,
                    border=architecture.border,
                    generator=generator,
                )
                for layer, in_channels in zip(architecture.layers, architecture.channels)
            )
        )
        self.dense = he_initialized(
            nn.Linear, architecture.channels[-1], classes, bias=False, nonlinearity="linear", generator=generator
        )
        self.reset_parameters(generator)

    @torch.no_grad()
    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw every layer's weights around 1/C_in, so that differences between channels survive every layer.

            w[c, :, i, j] = 1/C_in + δ,   δ ~ N(0, g²/(R²·C_in)), less their mean;   g = L^(−1/2) in layer 1, else 1

        Write a pixel's channels as x̄·(1 + z), with mean 0 and mean square v of z. A factor is then x̄·(1 + ⟨δ, z⟩), with
        ⟨δ, z⟩ ~ N(0, g²v/R²). The product of the x̄ is common to all channels, and thus to all classes. The rest has
        mean 1 and, over the random weights, variance Π_ij(1 + g²v_ij/R²) − 1 exactly. With v_ij = v and g = 1 that lies
        between v and e^v − 1 ≤ 1/(1/v − ½). The factor g makes v ≤ 1/L after layer 1, so at the end v ≤ 2/(L+1).

        Taught in the chapter *Training an overlapping network*.

        Args:
            generator: the random generator; torch's default one if left out.
        """
        gain = len(self.layers) ** -0.5
        for layer in self._convolutions():
            std = gain / (layer.receptive_field * layer.in_channels**0.5)
            nn.init.normal_(layer.weight, std=std, generator=generator)
            layer.weight.add_(1 / layer.in_channels - layer.weight.mean(1, keepdim=True))
            gain = 1.0

    def _convolutions(self) -> Iterable[GeneralizedConv2d]:
        return cast(Iterable[GeneralizedConv2d], self.layers)  # torch's Sequential does not tell their class

    def forward(self, x: Tensor) -> Tensor:
        if self.normalized:
            top, _ = self._top(x)  # the normalization cancels the power of two
            square = top.square().mean(1, keepdim=True)
            outputs: Tensor = self.dense(top * square.where(square > 0, 1).rsqrt())
            return outputs
        scores, exponent = self.scaled_scores(x)
        half = exponent[:, None] // 2  # 2^exponent itself may leave the type's range
        return scores * power_of_two(half, scores.dtype) * power_of_two(exponent[:, None] - half, scores.dtype)

    def scaled_scores(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs in a form that neither underflows nor overflows: `forward(x)` = scores · 2^exponent.

        An image has one power of two for all its classes, so scores rank the classes as outputs do. It is a constant to
        autograd: gradients of the scores are those of the outputs, divided by it.

        Args:
            x: the images, as `forward` takes them.

        Returns:
            scores of shape (N, Y), with the largest of every image in [½, 1) unless all are 0; and integer exponents of
            shape (N,).

        >>> from convac_lib import common_case
        >>> network = ConvAC(common_case(B=3, M=2, size=32), classes=2, generator=torch.Generator().manual_seed(0))
        >>> image = torch.full((1, 2, 32, 32), 0.01)
        >>> bool(network(image).any()), bool(network.scaled_scores(image)[0].all())
        (False, True)
        """
        top, exponent = self._top(x)
        scores: Tensor = self.dense(top)  # (N, C_L) -> (N, Y)
        scale, shift = frexp_scale(scores)
        return scores * scale, exponent + shift[:, 0]

    def _top(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the last channels, (N, C_L), and exponents, (N,), of the power of two to multiply an image's by."""
        x = self.representation(x)  # (N, …) -> (N, M, H, H)
        _require_shape(x, self.architecture.representation_channels, self.architecture.size)
        scale, exponent = frexp_scale(x.movedim(1, -1))
        x, exponent = x * scale.movedim(-1, 1), exponent[..., 0]
        for layer in self.layers:
            x, exponent = layer(x, exponent)
        return x.flatten(1), exponent.flatten()  # from (N, C_L, 1, 1) and (N, 1, 1)

    @classmethod
    def from_circuit(cls, circuit: Circuit) -> "ConvAC":
        """Build the same function in float64, without a representation.

        Args:
            circuit: a `Circuit` over the real numbers; its templates are not needed.

        Raises:
            ConvacError: if the circuit is over GF(p).
            ArchitectureError: if its weights are not shared across positions, or a layer is weight-free.

        >>> from convac_lib import common_case, random_circuit
        >>> circuit = random_circuit(common_case(B=2, M=2, size=2), seed=0)
        >>> bool((ConvAC.from_circuit(circuit).dense.weight.numpy(force=True) == circuit.dense).all())
        True
        """
        if circuit.prime is not None:
            raise ConvacError(
                f"a circuit over GF({circuit.prime}) has no torch form; draw it over the real numbers, with prime=None"
            )
        # all initial weights are overwritten; a generator of their own leaves the global one as it is
        network = cls(circuit.architecture, len(circuit.dense), generator=torch.Generator()).double()
        with torch.no_grad():
            for parameter, array in zip(network.parameters(), (*circuit.weights, circuit.dense)):
                parameter.copy_(torch.tensor(array))
        return network

    def to_circuit(self) -> Circuit:
        """Return the circuit above the representation in float64: the same function of (M, H, H), not normalized.

        >>> from convac_lib import certify_rank, common_case
        >>> network = ConvAC(common_case(B=2, M=2, size=4), generator=torch.Generator().manual_seed(0))
        >>> network.to_circuit().dense.shape, certify_rank(network).rank      # certified of this very network
        ((1, 2), 64)
        """
        *weights, dense = (
            parameter.double().numpy(force=True) for parameter in (*self.layers.parameters(), self.dense.weight)
        )
        return Circuit(self.architecture, tuple(weights), dense)


@grid_tensor.register
def _(network: ConvAC, class_index: int = 0) -> np.ndarray:
    return network.to_circuit().grid_tensor(class_index)


class ConvNet(nn.Module):
    """The experiments' standard ConvNet, built from an `Architecture`: ReLU convolutions and max pooling.

        images (N, C, H, H) → layers → (N, C_L, 1, 1) → dense, with bias → (N, Y)

    A layer of stride 1 becomes an R×R convolution with "same" padding and ReLU. A layer of stride S > 1 becomes R×R max
    pooling with that stride, which has no weights. A ReLU before a pooling is computed after it: the function is the
    same, because max(0, ·) is monotone, and fewer numbers pass through it. The first convolution reads the images
    themselves, so the architecture's M is not used. The overlap theorem does not apply to such networks.

    Args:
        architecture: the `Architecture`, with border "neutral", ending in 1×1.
        classes: Y, the number of output values.
        in_channels: channels of the images.
        generator: the random generator of the initial weights; torch's default one if left out.

    Shape:
        - Input: (N, C_in, H, H)
        - Output: (N, Y), the classes' scores before softmax.

    Raises:
        ArchitectureError: if the network does not end in 1×1, a layer has R < S, a pooling layer changes the number of
            channels, or the border is not "neutral".
        BudgetError: if the weights need more memory than is free.
        DataError: if the images have another shape.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib import common_case
    >>> ConvNet(common_case(B=3, M=1, size=2, channels=8), classes=10, in_channels=3)
    ConvNet(
      (layers): Sequential(
        (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
        (1): MaxPool2d(kernel_size=2, stride=2, padding=0, dilation=1, ceil_mode=True)
        (2): ReLU()
      )
      (dense): Linear(in_features=8, out_features=10, bias=True)
    )
    """

    def __init__(
        self, architecture: Architecture, classes: int, in_channels: int, *, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        require_integers(error=ArchitectureError, classes=classes, in_channels=in_channels)
        if architecture.border != "neutral":
            raise ArchitectureError(
                f"a ConvNet pads its convolutions itself and has no border {architecture.border!r}; use 'neutral'"
            )
        self.architecture = architecture.require_patches_read().require_single_output()
        self.in_channels = in_channels
        below = (in_channels, *architecture.channels[1:])
        convolutions = [
            layer.channels * (channels * layer.receptive_field**2 + 1)
            for layer, channels in zip(architecture.layers, below)
            if layer.stride == 1
        ]
        require_room("ConvNet", sum(convolutions) + classes * (below[-1] + 1))
        modules: list[nn.Module] = []
        channels = in_channels
        for number, layer in enumerate(architecture.layers, start=1):
            if layer.stride == 1:  # a representation layer consists of a convolution and its ReLU
                modules += Representation(channels, layer.channels, layer.receptive_field, generator=generator)
            else:
                relu = modules[-1:] if modules and isinstance(modules[-1], nn.ReLU) else []
                modules[len(modules) - len(relu) :] = [*_max_pooling(number, layer, channels), *relu]
            channels = layer.channels
        self.layers = nn.Sequential(*modules)
        self.dense = he_initialized(nn.Linear, channels, classes, nonlinearity="linear", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        _require_shape(x, self.in_channels, self.architecture.size)
        scores: Tensor = self.dense(self.layers(x).flatten(1))  # (N, C_in, H, H) -> (N, C_L) -> (N, Y)
        return scores


def _max_pooling(number: int, layer: Layer, channels: int) -> list[nn.Module]:
    """Return ⌈H/S⌉ windows of R×R per row; −∞ outside the image, so that it never is the maximum."""
    if layer.channels != channels:
        raise ArchitectureError(
            f"layer {number} has stride {layer.stride}, which in a ConvNet is max pooling: "
            f"it keeps the number of channels at {channels} and cannot make it {layer.channels}; "
            f"give the layer channels={channels}"
        )
    reach = layer.receptive_field - layer.stride
    outside: list[nn.Module] = [nn.ConstantPad2d((0, reach, 0, reach), -torch.inf)] if reach else []
    return [*outside, nn.MaxPool2d(layer.receptive_field, layer.stride, ceil_mode=True)]


def _require_shape(x: Tensor, channels: int, size: int) -> None:
    if x.shape[1:] != (channels, size, size):
        raise DataError(
            f"the network reads a batch of shape (N, {channels}, {size}, {size}), not {tuple(x.shape)}; "
            "change the images or the architecture"
        )
