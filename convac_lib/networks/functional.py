"""The Generalized Convolution as a function of torch tensors: the slide's formula.

    y[n, c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[n, d, uS+i, vS+j]  (+ bias[c, i, j]) )

`convac_lib.networks.window_product.window_product` is its core. Taught in the chapter *Overlaps*.
"""

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

from convac_lib.architecture import BORDERS, Architecture, Layer
from convac_lib.errors import DataError, WeightError
from convac_lib.networks.window_kernel import blocked_window_product
from convac_lib.networks.window_product import frexp_scale, power_of_two

_OUTSIDE = {"ones": 1.0, "zero": 0.0}
_EVERY = 4  # factors between two scalings of the scaled form


def generalized_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, border: str = "neutral"
) -> Tensor:
    """Multiply, over each window, the window's own linear maps of its patches.

        y[n, c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[n, d, uS+i, vS+j]  (+ bias[c, i, j]) )

    The factors are multiplied one by one and never divided out, so gradients of every order are exact where a factor
    is 0. It compiles, exports, and runs under every transform of `torch.func`. The result is channels last in memory.
    Under autocast everything is in autocast's type, as with `torch.nn.functional.conv2d`. On a CPU it takes least time
    where numba is installed: `pip install "convac-lib[fast]"`.

    Args:
        x: input of shape (N, C_in, H, W).
        weight: a linear map for each window offset, of shape (C_out, C_in, R, R).
        bias: a constant for each output channel and window offset, of shape (C_out, R, R), or None.
        stride: S, the step between windows, 1 ≤ S ≤ R.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).

    Returns:
        y of shape (N, C_out, H', W'): H' = ⌈H/S⌉, or ⌊(H−R)/S⌋+1 with border "valid"; W' likewise.

    Raises:
        ArchitectureError: if R < S, a border is unknown, the image is empty, or a "valid" window does not fit.
        DataError: if x does not have four axes.
        WeightError: if the weight's or the bias's shape does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])             # (1, 1, 2, 2)
    >>> generalized_conv2d(x, torch.ones(1, 1, 2, 2))              # each window's product; past the border, 1
    tensor([[[[24.,  8.],
              [12.,  4.]]]])
    """
    x, weight, bias = _autocast(x, weight, bias)
    height, width = _output_size(x, weight, bias, stride, border)
    x = _bordered(x, weight.shape[-1], stride, border, height, width).permute(0, 2, 3, 1)  # (N, H, W, C_in)
    weight = _by_offset(weight)  # (R, R, C_in, C_out)
    if bias is not None:  # the weight of one more channel, which is 1 everywhere
        x = torch.cat([x, torch.ones_like(x[..., :1])], -1)  # (N, H, W, C_in+1)
        weight = torch.cat([weight, _by_offset(bias)], 2)  # (R, R, C_in+1, C_out)
    y, _ = blocked_window_product(x, weight, stride, height, width)  # (N, H', W', C_out)
    return y.permute(0, 3, 1, 2)  # (N, C_out, H', W')


def scaled_generalized_conv2d(
    x: Tensor,
    exponent: Tensor | None,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: int = 1,
    border: str = "neutral",
) -> tuple[Tensor, Tensor]:
    """Compute `generalized_conv2d` beyond the range of floats: every pixel has its own power of two.

        y · 2^exponent_y = generalized_conv2d(x · 2^exponent, weight, bias)

    Scaling by a power of two is exact. So y is bit for bit the result of `generalized_conv2d` times a power of two,
    wherever that result stays within the range of its type. Exponents are constants to autograd, so gradients differ
    by the same power of two. Weights are first scaled so that no factor exceeds its pixel's largest channel, and
    products are scaled again every few factors. A value underflows only if it is smaller than its pixel's largest
    channel by more than the type's range, 2¹²⁶ in float32. On a CPU it takes least time where numba is installed.

    Args:
        x: mantissas of shape (N, C_in, H, W).
        exponent: integers of shape (N, H, W), returned by this function along with x; None if they are all 0.
        weight: a linear map for each window offset, of shape (C_out, C_in, R, R).
        bias: a constant for each output channel and window offset, of shape (C_out, R, R), or None.
        stride: S, the step between windows, 1 ≤ S ≤ R.
        border: as in `generalized_conv2d`.

    Returns:
        y of shape (N, C_out, H', W'), with the largest channel of every pixel in [½, 1) unless all are 0; and exponents
        of shape (N, H', W'), 64-bit integers.

    Raises:
        ArchitectureError: if R < S, a border is unknown, the image is empty, or a "valid" window does not fit.
        DataError: if x does not have four axes.
        WeightError: if the weight's or the bias's shape does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Training an overlapping network*.

    >>> x = torch.full((1, 1, 2, 2), 2.0**-100)
    >>> scaled_generalized_conv2d(x, None, torch.ones(1, 1, 2, 2), stride=2)     # 2⁻⁴⁰⁰ = ½·2⁻³⁹⁹
    (tensor([[[[0.5000]]]]), tensor([[[-399]]]))
    """
    x, weight, bias = _autocast(x, weight, bias)
    height, width = _output_size(x, weight, bias, stride, border)
    R = weight.shape[-1]
    x = _bordered(x, R, stride, border, height, width).permute(0, 2, 3, 1)  # (N, H, W, C_in)
    weight = _by_offset(weight)  # (R, R, C_in, C_out)
    if exponent is None:
        scale, exponent = frexp_scale(x)  # (N, H, W, 1)
        x, exponent = x * scale, exponent.long()
    else:
        exponent = _bordered(exponent[:, None].long(), R, stride, border, height, width, 0).permute(0, 2, 3, 1)
    if bias is not None:  # the weight of one more channel, which is 1 everywhere: scaled, as x is
        weight = torch.cat([weight, _by_offset(bias)], 2)
        shared = torch.where(x.detach().any(-1, keepdim=True), exponent, 0).clamp(min=0)
        x = torch.cat([x * power_of_two(exponent - shared, x.dtype), power_of_two(-shared, x.dtype)], -1)
        exponent = shared
    scale, shift = frexp_scale(weight.abs().sum(2).amax(-1, keepdim=True))  # (R, R, 1)
    y, product_exponent = blocked_window_product(x, weight * scale[..., None], stride, height, width, _EVERY)
    total = product_exponent.long()  # (N, H', W'), to which the window's pixels and weights add theirs
    for i, j in product(range(R), repeat=2):
        inside = exponent[:, i::stride, j::stride, 0][:, :height, :width] + shift[i, j]
        total = total + pad(inside, (0, width - inside.shape[2], 0, height - inside.shape[1]))
    return y.permute(0, 3, 1, 2), total


def _by_offset(weight: Tensor) -> Tensor:
    """(C_out, C_in, R, R) -> (R, R, C_in, C_out), and a bias (C_out, R, R) -> (R, R, 1, C_out)."""
    weight = weight if weight.ndim == 4 else weight[:, None]
    return weight.permute(2, 3, 1, 0).contiguous()


def _bordered(
    x: Tensor, R: int, stride: int, border: str, height: int, width: int, value: float | None = None
) -> Tensor:
    """Return x as the windows read it: cut where no window reads it, or padded with what the border puts outside."""
    if border == "neutral":
        return x
    rows, columns = ((n - 1) * stride + R for n in (height, width))
    if border == "valid":
        return x[:, :, :rows, :columns]
    value = _OUTSIDE[border] if value is None else value
    return pad(x, (0, max(0, columns - x.shape[3]), 0, max(0, rows - x.shape[2])), value=value)


def _autocast(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """Return the tensors in autocast's type, where it is on."""
    device = x.device.type
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return x, weight, bias
    dtype = torch.get_autocast_dtype(device)
    return x.to(dtype), weight.to(dtype), None if bias is None else bias.to(dtype)


def _output_size(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, border: str) -> tuple[int, int]:
    """Return (H', W') once every shape has been checked; a layer's rules and sentences are those of `Architecture`."""
    _require_shapes(x, weight, bias)
    out_channels, in_channels, receptive_field, _ = weight.shape
    if type(stride) is int and 1 <= stride <= receptive_field and border in BORDERS:
        last = receptive_field if border == "valid" else 1  # pixels of the last window that lie inside
        height, width = ((size - last) // stride + 1 for size in x.shape[2:])
        if min(height, width) >= 1:
            return height, width  # checked here so that sizes unknown to the compiler pass too
    layer = Layer(receptive_field, stride, out_channels)
    plans = [Architecture(size, in_channels, (layer,), border).require_patches_read() for size in x.shape[2:]]
    return plans[0].sizes[0], plans[1].sizes[0]


def _require_shapes(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if x.ndim != 4:
        raise DataError(f"the input needs shape (N, C_in, H, W), not {tuple(x.shape)}; give it four axes")
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        raise WeightError(f"the weight needs shape (C_out, C_in, R, R), not {tuple(weight.shape)}; reshape it")
    if weight.shape[1] != x.shape[1]:
        raise WeightError(
            f"the weight is for {weight.shape[1]} input channels and x has {x.shape[1]}; give both the same number"
        )
    window = (len(weight), *weight.shape[2:])
    if bias is not None and bias.shape != window:
        raise WeightError(f"the bias needs shape {window}, not {tuple(bias.shape)}; reshape it")
