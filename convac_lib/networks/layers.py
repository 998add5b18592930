"""The Generalized Convolution layer and two representation layers as torch modules.

Taught in the chapters *Overlaps* and *Training an overlapping network*.
"""

from math import exp, inf, sqrt
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, one_hot, pad

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import require_memory
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, ConvacError, DataError
from convac_lib.networks.functional import generalized_conv2d, scaled_generalized_conv2d

TorchLayer = TypeVar("TorchLayer", nn.Conv2d, nn.Linear)
EULER = 0.5772156649015329  # the Euler–Mascheroni constant, γ


class GeneralizedConv2d(nn.Module):
    """The Generalized Convolution (GC): over each window, multiply the window's own linear maps of its patches.

        y[n, c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[n, d, uS+i, vS+j]  (+ bias[c, i, j]) )

    Args:
        in_channels: channels of the input, C_in.
        out_channels: channels of the output, C_out.
        receptive_field: R, the side of the window.
        stride: S, the step between windows, 1 ≤ S ≤ R; the layer overlaps when R > S.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).
        bias: whether each channel and offset adds a learned constant.
        generator: the random generator of the initial weights; torch's default one if left out.
        device: the device of the weights; torch's default one if left out.
        dtype: the type of the weights; torch's default one if left out.

    Shape:
        - Input: (N, C_in, H, W); with exponents (N, H, W) as a second input, the layer is `scaled_generalized_conv2d`
        - Output: (N, C_out, H', W'), H' = ⌈H/S⌉, or ⌊(H−R)/S⌋+1 with border "valid", W' likewise; with exponents, also
          the output's, (N, H', W')

    Attributes:
        weight: of shape (C_out, C_in, R, R), a linear map for each window offset.
        bias: of shape (C_out, R, R), or None.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1, R < S, or a border is unknown.
        BudgetError: if the weights need more memory than is free.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits".
    Chapter: *Overlaps* and *Training an overlapping network*.

    >>> layer = GeneralizedConv2d(2, 8, receptive_field=3, stride=2)
    >>> layer(torch.randn(5, 2, 7, 7)).shape                       # 4 = ⌈7/2⌉
    torch.Size([5, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        receptive_field: int,
        stride: int,
        *,
        border: str = "neutral",
        bias: bool = False,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_integers(error=ArchitectureError, in_channels=in_channels)
        layer = Layer(receptive_field, stride, out_channels)
        require_room("GeneralizedConv2d", out_channels * (in_channels + bool(bias)) * receptive_field**2, device, dtype)
        Architecture(receptive_field, in_channels, (layer,), border).require_patches_read()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.receptive_field, self.stride, self.border = receptive_field, stride, border
        window = (receptive_field, receptive_field)
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, *window, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(out_channels, *window, device=device, dtype=dtype)) if bias else None
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw initial weights with which products neither vanish nor explode.

        With a bias: biases are 1 and weights from N(0, 1/(3·R²·C_in)), so that every factor starts near 1. The factors
        of an output are independent, with mean 1 and mean square 1 + q/(3R²), where q is the mean square of the
        factor's patch. So E y = 1 and E y² = Π_ij (1 + q_ij/(3R²)) ≤ exp(max q/3). As exp(q/3) ≤ q at q = 1.86, mean
        squares that start below 1.86 stay below it at any depth, in the limit of many channels, where q equals its
        mean. Also y ≈ 1 + Σ_ijd weight·x, so the layer passes its input on as a convolution does.

        Without a bias: weights are from N(0, 2e^γ/C_in), γ = 0.5772…. A factor is then N(0, 2e^γ·q). As log χ²₁ has
        mean −γ − log 2, E log|factor| = 0 at q = 1, and so E log|y| = 0 for any number of factors. (The variance 1/C_in
        would keep E y² instead, to which rare large values contribute most, while the typical output shrinks
        exponentially in R².) No initial weights do this for all inputs, because y(λx) = λ^(R²)·y(x);
        `scaled_generalized_conv2d` keeps the output in range where depth amplifies the scale.

        Taught in the chapter *Training an overlapping network*.

        Args:
            generator: the random generator; torch's default one if left out.
        """
        if self.bias is not None:
            nn.init.ones_(self.bias)
            variance = 1 / (3 * self.receptive_field**2 * self.in_channels)
        else:
            variance = 2 * exp(EULER) / self.in_channels
        nn.init.normal_(self.weight, std=sqrt(variance), generator=generator)

    def forward(self, x: Tensor, exponent: Tensor | None = None) -> Tensor | tuple[Tensor, Tensor]:
        if exponent is None:
            return generalized_conv2d(x, self.weight, self.bias, stride=self.stride, border=self.border)
        return scaled_generalized_conv2d(x, exponent, self.weight, self.bias, stride=self.stride, border=self.border)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, receptive_field={self.receptive_field}, "
            f"stride={self.stride}, border={self.border!r}" + (", bias=True" if self.bias is not None else "")
        )


class Representation(nn.Sequential):
    """The representation layer: M neurons f_1..f_M, each applied to the square patch around every pixel.

        f_d(x) = σ(⟨w_d, x⟩ + b_d),   σ(z) = max(z, 0)

    A patch is centred on its pixel; if P is even, it reaches one pixel further to the right and down. Outside the image
    are zeros.

    Args:
        in_channels: channels of the image.
        M: the number of neurons.
        patch: P, the side of a patch in pixels.
        generator: the random generator of the initial weights; torch's default one if left out.

    Shape:
        - Input: (N, C_in, H, W)
        - Output: (N, M, H, W)

    Raises:
        ArchitectureError: if a number is not an integer of at least 1.
        BudgetError: if the weights need more memory than is free.
        DataError: if the input has another number of channels.

    Source: talk, slide "Baseline Architecture" (the first conv). Chapter: *Convolutional arithmetic circuits*.

    >>> Representation(3, M=4, patch=2)(torch.randn(5, 3, 8, 8)).shape
    torch.Size([5, 4, 8, 8])
    """

    def __init__(self, in_channels: int, M: int, patch: int = 1, *, generator: torch.Generator | None = None) -> None:
        require_integers(error=ArchitectureError, in_channels=in_channels, M=M, patch=patch)
        require_room("Representation", M * (in_channels * patch**2 + 1))
        neurons = he_initialized(
            nn.Conv2d, in_channels, M, patch, padding=(patch - 1) // 2, nonlinearity="relu", generator=generator
        )
        # padding="same" would do this too, but warns about even windows
        further = [nn.ZeroPad2d((0, 1, 0, 1))] if patch % 2 == 0 else []
        super().__init__(*further, neurons, nn.ReLU())
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        _require_channels(x, self.in_channels)
        y: Tensor = super().forward(x)  # type: ignore[no-untyped-call]  # torch does not annotate it
        return y


class Templates(nn.Module):
    """A representation layer of given templates: how near the patch around every pixel is to each of M templates.

        f_d(x) = exp(−‖x − v_d‖² / 2σ²) / Σ_e exp(−‖x − v_e‖² / 2σ²);   without σ its limit 0: [v_d is nearest to x]

    Without σ every patch becomes one-hot, so F = I: the network's grid tensor is that of the circuit above and, without
    overlap, its coefficient tensor. With σ, F is nonsingular too, because its rows are multiples of the rows of a
    Gaussian kernel's positive definite matrix; and 1 = Σ_d f_d is in the span. Patches are centred as those of
    `Representation`.

    Args:
        templates: v_1..v_M, of shape (M, C_in, P, P); for example, (M, 1, 1, 1) for M values of a grey pixel.
        width: σ, or None for the one-hot form, in which the first of equally near templates counts and gradients are 0.

    Shape:
        - Input: (N, C_in, H, W)
        - Output: (N, M, H, W): at every pixel M numbers, each at least 0, whose sum is 1

    Attributes:
        templates: a buffer, so training does not change it.

    Raises:
        DataError: if the templates have another shape, hold NaN or infinity, or two are equal; or if the input has
            another number of channels.
        ConvacError: if the width is not above 0.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors"; the width: Cohen, Sharir & Shashua, CVPR 2016.
    Chapter: *Convolutional arithmetic circuits*.

    >>> black_and_white = torch.tensor([-1.0, 1.0]).reshape(2, 1, 1, 1)
    >>> Templates(black_and_white)(torch.tensor([[[[-0.9, 0.2]]]]))
    tensor([[[[1., 0.]],
    <BLANKLINE>
             [[0., 1.]]]])
    """

    templates: Tensor

    def __init__(self, templates: Tensor, width: float | None = None) -> None:
        super().__init__()
        if templates.ndim != 4 or 0 in templates.shape or templates.shape[2] != templates.shape[3]:
            shape = tuple(templates.shape)
            raise DataError(f"templates need shape (M, C, P, P), not {shape}; give at least one square patch")
        if not templates.isfinite().all():
            raise DataError("the templates hold NaN or infinity, and every number must be finite; replace those")
        if len(torch.unique(templates, dim=0)) < len(templates):
            raise DataError("two templates are equal, and nothing could tell them apart; give different ones")
        if width is not None and not 0 < width < inf:
            raise ConvacError(f"width must be a finite number above 0, not {width!r}; None is for one-hot")
        self.in_channels, self.width = templates.shape[1], width
        self.register_buffer("templates", templates.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        _require_channels(x, self.in_channels)
        M, _, patch, _ = self.templates.shape
        before, after = (patch - 1) // 2, patch // 2
        # −½‖x − v‖² without its term −½‖x‖², which is the same for every template
        bias = -self.templates.square().sum((1, 2, 3)) / 2
        padded = pad(x, (before, after, before, after))
        nearness = conv2d(padded, self.templates, bias)  # (N, C_in, H, W) -> (N, M, H, W)
        if self.width is not None:
            return (nearness / self.width**2).softmax(1)
        return one_hot(nearness.argmax(1), M).movedim(-1, 1).to(x.dtype)

    def extra_repr(self) -> str:
        M, in_channels, patch, _ = self.templates.shape
        return f"M={M}, in_channels={in_channels}, patch={patch}, width={self.width}"


def _require_channels(x: Tensor, channels: int) -> None:
    if x.ndim != 4 or x.shape[1] != channels:
        raise DataError(
            f"the representation layer reads images of shape (N, {channels}, H, W), "
            f"not {tuple(x.shape)}; give it {channels} channels"
        )


def require_room(
    what: str, weights: int, device: torch.device | str | None = None, dtype: torch.dtype | None = None
) -> None:
    """Refuse a module whose weights need more memory than is free, before they are made.

    Args:
        what: the module's class.
        weights: their number.
        device: their device; torch's default one if left out. Memory other than the processor's is left to torch.
        dtype: their type; torch's default one if left out.

    Raises:
        BudgetError: if they need more.
    """
    sample = torch.empty(0, device=device, dtype=dtype)
    if sample.device.type == "cpu":
        smaller = "use fewer channels or a smaller receptive field"
        count = f"{weights:,}" if weights < 2**64 else "more than 2^64"
        require_memory(weights * sample.element_size(), f"a {what} with {count} weights", smaller)


def he_initialized(
    kind: type[TorchLayer],
    *sizes: int,
    nonlinearity: Literal["linear", "relu"],
    generator: torch.Generator | None,
    **options: Any,
) -> TorchLayer:
    """Build a torch layer with He et al.'s uniform initial weights, and torch's usual biases, from a random generator.

    torch's own layers take no generator and would advance the global one, so their own initialisation is skipped.

    Args:
        kind: the layer's class.
        sizes: its positional arguments.
        nonlinearity: what follows the layer, which sets the range of the weights.
        generator: the random generator; torch's default one if left out.
        options: the layer's keyword arguments.
    """
    module: TorchLayer = nn.utils.skip_init(kind, *sizes, **options)  # type: ignore[no-untyped-call]  # torch's
    nn.init.kaiming_uniform_(module.weight, nonlinearity=nonlinearity, generator=generator)
    if module.bias is not None:
        bound = module.weight[0].numel() ** -0.5
        nn.init.uniform_(module.bias, -bound, bound, generator=generator)
    return module
