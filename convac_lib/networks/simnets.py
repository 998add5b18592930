"""SimNets: a similarity in the place of the inner product, and MEX in the place of the activation and the pooling.

Taught in the chapter *SimNets*.
"""

from math import isfinite, log
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, unfold

from convac_lib.architecture import Layer
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, ConvacError, DataError, WeightError, shown
from convac_lib.networks.layers import GeneralizedConv2d, require_room
from convac_lib.networks.models import ConvAC

Kind = Literal["inner", "l1", "l2"]
KINDS = ("inner", "l1", "l2")
STEPS = 20  # of k-means


def mex(values: Tensor, beta: float | Tensor, dim: int = -1) -> Tensor:
    """Compute MEX, which goes from the minimum by way of the mean to the maximum as β grows.

        MEX_β{c_1, …, c_n} = (1/β)·log( (1/n)·Σ_i e^(β·c_i) ),   MEX_0 = mean

    The extreme value is taken out before the exponential, so that nothing overflows. Where |β|·(max − min) is below the
    square root of the type's precision, two terms of the series are used: mean + β·variance/2.

    Args:
        values: floating-point numbers c, of any shape.
        beta: β, a finite number, or a tensor without axes, to which gradients flow.
        dim: the axis over which MEX is taken.

    Returns:
        The values' shape without that axis.

    Raises:
        ConvacError: if β is not one finite number.
        DataError: if the values hold NaN or infinity, are no floating-point numbers, or have nothing along the axis.

    Source: Cohen, Sharir & Shashua, CVPR 2016. Chapter: *SimNets*.

    >>> values = torch.tensor([1.0, 2.0, 4.0])
    >>> [round(mex(values, beta).item(), 3) for beta in (-100, 0, 1, 100)]
    [1.011, 2.333, 3.071, 3.989]
    """
    _require_values(values, dim)
    _require_beta(beta)
    b = torch.as_tensor(beta, dtype=values.dtype, device=values.device)
    high, low = values.amax(dim, keepdim=True), values.amin(dim, keepdim=True)
    extreme = torch.where(b > 0, high, low).detach()
    few = b.detach().abs() * (high - low).detach() < torch.finfo(values.dtype).eps ** 0.5
    mean = values.mean(dim, keepdim=True)
    series = mean + b * (values - mean).square().mean(dim, keepdim=True) / 2
    safe = torch.where(few, 1.0, b)  # gradients of the branch that is not taken must be finite too
    closed = extreme + torch.expm1(safe * (values - extreme).where(~few, 0)).mean(dim, keepdim=True).log1p() / safe
    return torch.where(few, series, closed).squeeze(dim)


class Mex(nn.Module):
    """A layer of MEX: over each window and all channels, the MEX of the input plus learned offsets.

        y[n, k, u, v] = MEX_β over (c, i, j) of { x[n, c, uS+i, vS+j] + offset[k, c, i, j] }

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        receptive_field: R, the side of the window; windows stay inside the image.
        stride: S, the step between windows, from 1 to R.
        beta: the initial β, which is learned.
        spread: the standard deviation of the initial offsets, from N(0, spread²).
        generator: the random generator of the initial offsets; torch's default one if left out.
        device: the device of the weights; torch's default one if left out.
        dtype: the type of the weights; torch's default one if left out.

    Shape:
        - Input: (N, C_in, H, W)
        - Output: (N, C_out, H', W'), H' = ⌊(H−R)/S⌋+1, W' likewise

    Attributes:
        offset: of shape (C_out, C_in, R, R).
        beta: a single number.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1, R < S, or the image is smaller than a window.
        BudgetError: if the offsets need more memory than is free.
        ConvacError: if β is not finite, or the spread is not a finite number of at least 0.
        DataError: if the input has another number of channels, or holds NaN or infinity.

    Source: Cohen, Sharir & Shashua, CVPR 2016. Chapter: *SimNets*.

    >>> Mex(4, 10, receptive_field=2, stride=2)(torch.randn(5, 4, 6, 6)).shape
    torch.Size([5, 10, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        receptive_field: int = 1,
        stride: int = 1,
        *,
        beta: float = 1.0,
        spread: float = 1.0,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_integers(error=ArchitectureError, in_channels=in_channels)
        Layer(receptive_field, stride, out_channels)
        if stride > receptive_field:
            raise ArchitectureError(
                f"stride {stride} exceeds receptive field {receptive_field}, so no window reads some pixels; "
                f"use a stride of at most {receptive_field}"
            )
        _require_beta(beta)
        if not 0 <= spread < float("inf"):
            raise ConvacError(f"spread must be a finite number of at least 0, not {shown(spread)}")
        require_room("Mex", out_channels * in_channels * receptive_field**2, device, dtype)
        self.in_channels, self.receptive_field, self.stride = in_channels, receptive_field, stride
        shape = (out_channels, in_channels, receptive_field, receptive_field)
        self.offset = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.beta = nn.Parameter(torch.tensor(float(beta), device=device, dtype=dtype or torch.get_default_dtype()))
        nn.init.normal_(self.offset, std=spread, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        columns, size = _windows(x, self.in_channels, self.receptive_field, self.stride)  # (N, C·R², H'·W')
        shifted = columns[:, None] + self.offset.flatten(1)[None, :, :, None]  # (N, K, C·R², H'·W')
        return torch.unflatten(mex(shifted, self.beta, dim=2), -1, size)

    def extra_repr(self) -> str:
        out_channels, in_channels, R, _ = self.offset.shape
        return f"{in_channels}, {out_channels}, receptive_field={R}, stride={self.stride}, beta={self.beta.item():.3g}"


class Similarity(nn.Module):
    """A layer of similarities: how alike each window is to each of K templates.

        inner: Σ z·x      l1: −Σ w·|x − z|      l2: −Σ w·(x − z)²,   w = e^log_weight > 0

    The sums run over the numbers of a window, which lies inside the image, and windows have stride 1.

    Args:
        in_channels: channels of the input.
        out_channels: K, the number of templates.
        receptive_field: R, the side of a window.
        kind: "inner", "l1" or "l2".
        generator: the random generator of the initial templates, from N(0, 2/(C_in·R²)); torch's default one if left
            out. Weights w begin at 1.
        device: the device of the weights; torch's default one if left out.
        dtype: the type of the weights; torch's default one if left out.

    Shape:
        - Input: (N, C_in, H, W)
        - Output: (N, K, H−R+1, W−R+1)

    Attributes:
        template: z, of shape (K, C_in, R, R).
        log_weight: of the same shape; None for "inner", whose templates are weights already.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1, or the image is smaller than a window.
        BudgetError: if the weights need more memory than is free.
        ConvacError: if the kind is unknown.
        DataError: if the input has another number of channels, or holds NaN or infinity.

    Source: Cohen, Sharir & Shashua, CVPR 2016. Chapter: *SimNets*.

    >>> layer = Similarity(1, 4, receptive_field=3)
    >>> layer(torch.rand(5, 1, 8, 8)).shape
    torch.Size([5, 4, 6, 6])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        receptive_field: int = 1,
        kind: Kind = "l2",
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        require_integers(error=ArchitectureError, in_channels=in_channels)
        Layer(receptive_field, 1, out_channels)
        if kind not in KINDS:
            raise ConvacError(f"unknown similarity {shown(kind)}; use one of {', '.join(KINDS)}")
        require_room("Similarity", 2 * out_channels * in_channels * receptive_field**2, device, dtype)
        self.in_channels, self.receptive_field, self.kind = in_channels, receptive_field, kind
        shape = (out_channels, in_channels, receptive_field, receptive_field)
        self.template = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        nn.init.normal_(self.template, std=(2 / (in_channels * receptive_field**2)) ** 0.5, generator=generator)
        weighted = kind != "inner"
        self.log_weight = nn.Parameter(torch.zeros(shape, device=device, dtype=dtype)) if weighted else None

    def forward(self, x: Tensor) -> Tensor:
        columns, size = _windows(x, self.in_channels, self.receptive_field, 1)  # (N, C·R², H'·W')
        z = self.template.flatten(1)  # (K, C·R²)
        if self.log_weight is None:
            return torch.unflatten(z @ columns, -1, size)
        apart = columns[:, None] - z[None, :, :, None]  # (N, K, C·R², H'·W')
        apart = apart.abs() if self.kind == "l1" else apart.square()
        w = self.log_weight.exp().flatten(1)[None, :, :, None]
        return torch.unflatten(-(w * apart).sum(2), -1, size)

    @torch.no_grad()
    def start_from(self, images: Tensor, generator: torch.Generator | None = None) -> "Similarity":
        """Take the initial templates from the windows of images: centres of k-means, and weights from the spread.

        With σ² the mean square of a number's distance from its centre, l2 takes w = 1/(2σ²), so that the similarity is
        the logarithm of a Gaussian up to a constant. l1 takes w = 1/mean distance. "inner" takes the centres alone.

        Args:
            images: of shape (N, C_in, H, W), with at least K different windows.
            generator: the random generator of the first centres; torch's default one if left out.

        Returns:
            The layer itself.

        Raises:
            DataError: if the images do not fit the layer, or have fewer different windows than templates.

        >>> images = torch.tensor([[[[0.0, 1.0]]]])
        >>> Similarity(1, 2).start_from(images).template.flatten().sort().values
        tensor([0., 1.], grad_fn=<SortBackward0>)
        """
        columns, _ = _windows(images, self.in_channels, self.receptive_field, 1)
        points = columns.movedim(1, 2).flatten(0, 1).to(self.template)  # (n, C·R²)
        different: Tensor = torch.unique(points, dim=0)
        K = len(self.template)
        if len(different) < K:
            raise DataError(f"{K} templates need as many different windows, not {len(different)}; give more images")
        chosen = torch.randperm(len(different), generator=generator)[:K]
        centres = different[chosen.to(points.device)]
        for _ in range(STEPS):
            nearest = torch.cdist(points, centres).argmin(1)
            members = nn.functional.one_hot(nearest, K).to(points)  # (n, K)
            counts = members.sum(0)[:, None]
            centres = torch.where(counts > 0, members.T @ points / counts.clamp(min=1), centres)
        self.template.copy_(centres.view_as(self.template))
        if self.log_weight is not None:
            apart = points - centres[torch.cdist(points, centres).argmin(1)]
            spread = apart.abs().mean() if self.kind == "l1" else 2 * apart.square().mean()
            self.log_weight.fill_(-spread.clamp(min=torch.finfo(points.dtype).eps).log())
        return self

    def extra_repr(self) -> str:
        K, in_channels, R, _ = self.template.shape
        return f"{in_channels}, {K}, receptive_field={R}, kind={self.kind!r}"


def log_convac(network: ConvAC, log_x: Tensor) -> Tensor:
    """Compute the logarithms of a ConvAC's outputs, from the logarithms of its inputs, as a SimNet.

        log Σ_d w_d·x_d = log n + MEX_1{ log w_d + log x_d },   log Π = Σ log

    Every linear map becomes MEX with β = 1, every product a sum.

    Args:
        network: a `ConvAC` whose weights are all above 0, with border "neutral" or "valid", neither normalized nor with
            a representation of its own.
        log_x: the logarithms of the represented input, of shape (N, M, H, H).

    Returns:
        The logarithms of `network(log_x.exp())`, of shape (N, Y), which neither underflow nor overflow.

    Raises:
        ArchitectureError: if the network has another border, is normalized, or has a representation.
        WeightError: if a weight is not above 0.
        DataError: if the input has another shape, or holds NaN or infinity.

    Source: Cohen, Sharir & Shashua, CVPR 2016, as we understand it. Chapter: *SimNets*.

    >>> from convac_lib import common_case
    >>> network = ConvAC(common_case(B=2, M=3, size=4))
    >>> for parameter in network.parameters(): _ = nn.init.constant_(parameter, 1 / 3)
    >>> log_convac(network, torch.zeros(1, 3, 4, 4))                     # every factor is 1
    tensor([[0.]], grad_fn=<SelectBackward0>)
    """
    plan = network.architecture
    if plan.border not in ("neutral", "valid") or network.normalized:
        raise ArchitectureError(
            "logarithms need a ConvAC with border 'neutral' or 'valid' that is not normalized; build it so"
        )
    if not isinstance(network.representation, nn.Identity):
        raise ArchitectureError("logarithms need a ConvAC without a representation; give them the represented input")
    if any(bool((parameter <= 0).any()) for parameter in network.parameters()):
        raise WeightError(
            "a logarithm needs weights above 0, and this network has others; use the exponentials of some"
        )
    expected = (plan.representation_channels, plan.size, plan.size)
    if log_x.ndim != 4 or log_x.shape[1:] != expected:
        raise DataError(
            f"this network reads logarithms of shape (N, {', '.join(map(str, expected))}), not {tuple(log_x.shape)}"
        )
    x = log_x
    for layer, size in zip(network.layers, plan.sizes):
        assert isinstance(layer, GeneralizedConv2d)
        x = _log_layer(x, layer.weight.log(), layer.stride, size)
    return _log_map(x, network.dense.weight.log())[:, :, 0, 0]


def _log_map(x: Tensor, log_weight: Tensor) -> Tensor:
    """(N, C_in, H, W) -> (N, C_out, H, W): log Σ_d w_d·x_d at every pixel, from logarithms."""
    return mex(x[:, None] + log_weight[None, :, :, None, None], 1.0, dim=2) + log(x.shape[1])


def _log_layer(x: Tensor, log_weight: Tensor, stride: int, size: int) -> Tensor:
    total = x.new_zeros(())
    for i in range(log_weight.shape[2]):
        for j in range(log_weight.shape[3]):
            inside = _log_map(x[:, :, i::stride, j::stride][:, :, :size, :size], log_weight[:, :, i, j])
            down, right = size - inside.shape[2], size - inside.shape[3]
            total = total + pad(inside, (0, right, 0, down))  # outside are factors 1, whose logarithm is 0
    return total


def _windows(x: Tensor, channels: int, R: int, stride: int) -> tuple[Tensor, tuple[int, int]]:
    """(N, C, H, W) -> (N, C·R², H'·W') and (H', W')."""
    if x.ndim != 4 or x.shape[1] != channels:
        raise DataError(
            f"the layer reads images of shape (N, {channels}, H, W), not {tuple(x.shape)}; give it {channels} channels"
        )
    height, width = x.shape[2:]
    if min(height, width) < R:
        raise ArchitectureError(f"a window of side {R} does not fit into {height}×{width}; use a smaller window")
    _require_values(x, 1)
    return unfold(x, R, stride=stride), ((height - R) // stride + 1, (width - R) // stride + 1)


def _require_values(values: Tensor, dim: int) -> None:
    if not values.is_floating_point():
        raise DataError(f"values must be floating-point numbers, not {values.dtype}; convert them with .float()")
    if not -values.ndim <= dim < values.ndim or not values.shape[dim]:
        raise DataError(
            f"values of shape {tuple(values.shape)} have nothing along axis {dim}; name an axis with values"
        )
    if not values.isfinite().all():
        raise DataError("the values hold NaN or infinity, and every number must be finite; replace those")


def _require_beta(beta: float | Tensor) -> None:
    found = beta.detach().tolist() if isinstance(beta, Tensor) and beta.ndim == 0 else beta
    if not isinstance(found, int | float) or not isfinite(found):
        raise ConvacError(
            f"beta must be one finite number, not {shown(found)}; for its limits use the maximum or the minimum"
        )
