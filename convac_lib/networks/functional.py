"""The slide's formula on torch tensors. Taught in the chapter *Overlaps*."""

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

from convac_lib.architecture import BORDERS, Architecture, Layer
from convac_lib.errors import DataError, WeightError
from convac_lib.networks.window_kernel import EVERY, power_of_two, renormalization, window_product

_OUTSIDE = {"ones": 1.0, "zero": 0.0}


def generalized_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, border: str = "neutral"
) -> Tensor:
    """Multiply, over each window, the window's own linear maps of its patches.

        y[n, c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[n, d, uS+i, vS+j]  (+ bias[c, i, j]) )

    The factors are multiplied one by one and never divided out, so gradients of every order are exact where a factor
    is 0. It compiles, exports, and runs under every transform of `torch.func`; the result lies channels last in memory,
    and under autocast everything is in autocast's type, as it is for `torch.nn.functional.conv2d`.

    Args:
        x: input of shape (N, C_in, H, W).
        weight: a linear map for each window offset, of shape (C_out, C_in, R, R).
        bias: a constant for each offset, of shape (C_out, R, R), or None.
        stride: S, the step between windows, 1 ≤ S ≤ R.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).

    Returns:
        y of shape (N, C_out, H', W'): H' = ⌈H/S⌉, or ⌊(H−R)/S⌋+1 with border "valid"; W' likewise.

    Raises:
        ArchitectureError: if R < S, a border is unknown, the image is empty, or a "valid" window does not fit.
        DataError: if x has not four axes.
        WeightError: if the weight's or the bias's shape does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])             # (1, 1, 2, 2)
    >>> generalized_conv2d(x, torch.ones(1, 1, 2, 2))              # each window's product; past the border, 1
    tensor([[[[24.,  8.],
              [12.,  4.]]]])
    """
    x, weight, bias = _autocast(x, weight, bias)
    height, width = _output_size(x, weight, bias, stride, border)
    x, weight = _bordered(x, len(weight[0, 0]), stride, border, height, width).permute(0, 2, 3, 1), _by_offset(weight)
    if bias is not None:
        x, weight = torch.cat([x, torch.ones_like(x[..., :1])], -1), torch.cat([weight, _by_offset(bias)], 2)
    return window_product(x, weight, stride, height, width)[0].permute(0, 3, 1, 2)


def scaled_generalized_conv2d(
    x: Tensor,
    exponent: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    border: str = "neutral",
) -> tuple[Tensor, Tensor]:
    """`generalized_conv2d` of numbers that no float holds: a mantissa each, and one power of two for every pixel.

        y · 2^exponent_y = generalized_conv2d(x · 2^exponent, weight, bias)

    Scaling by a power of two is exact, so y is, bit for bit, the linear form's times a power of two wherever that form
    stays within the range of its type. Exponents are constants to autograd: ∂y is the linear form's ∂y, scaled alike.
    Weights are first scaled so that no factor exceeds its pixel's largest channel, and products are renormalized every
    few factors. Lost to underflow is only what is smaller than its pixel's largest channel by more than the type's
    range, 2¹²⁶ in float32.

    Args:
        x: mantissas of shape (N, C_in, H, W).
        exponent: integers of shape (N, H, W), returned by this function along with x; None if x is the value.
        weight: a linear map for each window offset, of shape (C_out, C_in, R, R).
        bias: a constant for each offset, of shape (C_out, R, R), or None.
        stride: S, the step between windows, 1 ≤ S ≤ R.
        border: as in `generalized_conv2d`.

    Returns:
        y of shape (N, C_out, H', W'), the largest channel of a pixel in [½, 1) unless all are 0; and exponents of shape
        (N, H', W'), 64-bit integers.

    Raises:
        ArchitectureError: if R < S, a border is unknown, the image is empty, or a "valid" window does not fit.
        DataError: if x has not four axes.
        WeightError: if the weight's or the bias's shape does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = torch.full((1, 1, 2, 2), 2.0**-100)
    >>> scaled_generalized_conv2d(x, None, torch.ones(1, 1, 2, 2), stride=2)     # 2⁻⁴⁰⁰ = ½·2⁻³⁹⁹
    (tensor([[[[0.5000]]]]), tensor([[[-399]]]))
    """
    x, weight, bias = _autocast(x, weight, bias)
    height, width = _output_size(x, weight, bias, stride, border)
    R = weight.shape[-1]
    x, weight = _bordered(x, R, stride, border, height, width).permute(0, 2, 3, 1), _by_offset(weight)
    if exponent is None:
        scale, exponent = renormalization(x)  # (n, H, W, 1)
        x, exponent = x * scale, exponent.long()
    else:
        exponent = _bordered(exponent[:, None].long(), R, stride, border, height, width, 0).permute(0, 2, 3, 1)
    if bias is not None:
        weight = torch.cat([weight, _by_offset(bias)], 2)
        shared = torch.where(x.detach().any(-1, keepdim=True), exponent, 0).clamp(min=0)
        x = torch.cat([x * power_of_two(exponent - shared, x.dtype), power_of_two(-shared, x.dtype)], -1)
        exponent = shared
    scale, shift = renormalization(weight.abs().sum(2).amax(-1, keepdim=True))  # (R, R, 1)
    y, total = window_product(x, weight * scale[..., None], stride, height, width, EVERY)
    total = total.long()
    for i, j in product(range(R), repeat=2):
        inside = exponent[:, i::stride, j::stride, 0][:, :height, :width] + shift[i, j]
        total = total + pad(inside, (0, width - inside.shape[2], 0, height - inside.shape[1]))
    return y.permute(0, 3, 1, 2), total


def _by_offset(weight):
    """(C_out, C_in, R, R) -> (R, R, C_in, C_out), and a bias (C_out, R, R) -> (R, R, 1, C_out)."""
    weight = weight if weight.ndim == 4 else weight[:, None]  # the bias is the weight of one more channel, a constant 1
    return weight.permute(2, 3, 1, 0).contiguous()


def _bordered(x, R, stride, border, height, width, value=None):
    """x as the windows read it: without what they leave out, and with what the border puts outside."""
    if border == "neutral":
        return x
    rows, columns = ((n - 1) * stride + R for n in (height, width))
    if border == "valid":
        return x[:, :, :rows, :columns]
    value = _OUTSIDE[border] if value is None else value
    return pad(x, (0, max(0, columns - x.shape[3]), 0, max(0, rows - x.shape[2])), value=value)


def _autocast(*tensors):
    """The tensors in autocast's type, where it is on."""
    kind = tensors[0].device.type
    if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return [tensor.to(dtype) if tensor is not None else None for tensor in tensors]


def _output_size(x, weight, bias, stride, border):
    """[H', W'], once every shape has been checked; the rules and sentences of a layer are those of `Architecture`."""
    if x.ndim != 4:
        raise DataError(f"the input needs shape (N, C_in, H, W), not {tuple(x.shape)}; give it four axes")
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        raise WeightError(f"the weight needs shape (C_out, C_in, R, R), not {tuple(weight.shape)}; reshape it")
    out_channels, in_channels, receptive_field, _ = weight.shape
    if in_channels != x.shape[1]:
        raise WeightError(
            f"the weight is for {in_channels} input channels and x has {x.shape[1]}; give both the same number"
        )
    window = (out_channels, receptive_field, receptive_field)
    if bias is not None and bias.shape != window:
        raise WeightError(f"the bias needs shape {window}, not {tuple(bias.shape)}; reshape it")
    if type(stride) is int and 1 <= stride <= receptive_field and border in BORDERS:
        last = receptive_field if border == "valid" else 1  # pixels of the last window that lie inside
        sizes = [(size - last) // stride + 1 for size in x.shape[2:]]
        if min(sizes) >= 1:
            return sizes  # checked here so that sizes unknown to the compiler pass too
    layer = Layer(receptive_field, stride, out_channels)
    plans = [Architecture(size, in_channels, (layer,), border).require_patches_read() for size in x.shape[2:]]
    return [plan.sizes[0] for plan in plans]
