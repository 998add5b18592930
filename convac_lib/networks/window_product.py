"""The generalized convolution's product over windows, as it is defined. Taught in the chapter *Overlaps*.

The layer runs `blocked_window_product` of the module `window_kernel`, which computes the same in blocks.
"""

from itertools import product
from math import frexp

import torch
from torch import Tensor
from torch.nn.functional import pad


def window_product(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int = 0
) -> tuple[Tensor, Tensor]:
    """Multiply, over each window, the window's own linear maps of those of its pixels that lie inside the image.

        y[n, u, v, :] · 2^exponent[n, u, v] = Π_ij ( x[n, uS+i, vS+j, :] @ weight[i, j] )

    This is the definition: torch differentiates, compiles and transforms it. Its gradient keeps every factor in memory.

    Args:
        x: images of shape (N, H, W, C_in), which end where the last windows end, or before.
        weight: a linear map for each window offset, of shape (R, R, C_in, C_out).
        stride: S, the step between windows.
        height: H', the number of rows of windows.
        width: W', the number of windows per row.
        every: the number of factors between two scalings by a power of two; 0 for no scaling and exponents of 0.

    Returns:
        y of shape (N, H', W', C_out), and its exponents of shape (N, H', W'), 32-bit integers.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).reshape(1, 2, 2, 1)
    >>> y, exponent = window_product(x, torch.ones(2, 2, 1, 1), stride=2, height=1, width=1)
    >>> y.item(), exponent.item()                                  # 1 · 2 · 3 · 4
    (24.0, 0)
    """
    R, _, _, channels = weight.shape
    y = x.new_ones((len(x), height, width, channels))  # the empty product
    exponent = x.new_zeros((len(x), height, width), dtype=torch.int32)
    for count, (i, j) in enumerate(product(range(R), repeat=2), start=1):
        pixels = x[:, i::stride, j::stride][:, :height, :width]  # (N, ≤ H', ≤ W', C_in): x[n, uS+i, vS+j]
        factor = pixels @ weight[i, j]  # (N, ≤ H', ≤ W', C_out)
        outside = (0, 0, 0, width - factor.shape[2], 0, height - factor.shape[1])
        y = y * pad(factor, outside, value=1.0)  # (N, H', W', C_out): outside the image the factor is 1
        if every and (count % every == 0 or count == R * R):
            scale, shift = frexp_scale(y)  # (N, H', W', 1) each
            y, exponent = y * scale, exponent + shift[..., 0]
    return y, exponent


def frexp_scale(y: Tensor) -> tuple[Tensor, Tensor]:
    """Return (2^−e, e), where e is the exponent that `torch.frexp` gives the largest of a pixel's channels.

    The channels are y's last axis, so y · 2^−e has its largest channel in [½, 1). A pixel of zeros has e = 0, and e is
    limited so that 2^e and 2^−e stay normal numbers of the type. Both results are constants to autograd.
    """
    y, limit = y.detach(), largest_exponent(y.dtype)
    largest = torch.maximum(y.amax(-1, keepdim=True), -y.amin(-1, keepdim=True))  # without a copy of |y|
    within = torch.where(largest > 0, largest, 0.5).clamp(2.0**-limit, 2.0 ** (limit - 1))
    bits = within.double().view(torch.int64)  # torch.frexp gives the same, but does not compile in float64
    exponent = ((bits >> 52) - 1022).int()
    return power_of_two(-exponent, y.dtype), exponent


def power_of_two(exponent: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 2^exponent exactly, or the largest finite power of two, so that a product with 0 is never NaN.

    Multiply by it instead of calling `torch.ldexp`, whose derivative is 0 where the exponent is negative.
    """
    return torch.ldexp(torch.ones_like(exponent, dtype=dtype), exponent.clamp(max=largest_exponent(dtype)))


def largest_exponent(dtype: torch.dtype) -> int:
    """Return the largest e for which 2^e and 2^−e are normal numbers: 126 in float32."""
    return 1 - frexp(torch.finfo(dtype).smallest_normal)[1]
