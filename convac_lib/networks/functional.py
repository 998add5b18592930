"""The slide's formula on torch tensors. Taught in the chapter *Convolutional arithmetic circuits*."""

from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import pad

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import DataError, WeightError

_OUTSIDE = {"ones": 1.0, "zero": 0.0}


def generalized_conv2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, border: str = "neutral"
) -> Tensor:
    """Multiply, over each window, the window's own linear maps of its patches.

        y[n, c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[n, d, uS+i, vS+j]  (+ bias[c, i, j]) )

    The factors are multiplied one by one and never divided out, so gradients are exact where a factor is 0.

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
        ArchitectureError: if R < S, a border is unknown, or a "valid" window does not fit.
        DataError: if x has not four axes.
        WeightError: if the weight's or the bias's shape does not fit.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Convolutional arithmetic circuits*.

    >>> x = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])             # (1, 1, 2, 2)
    >>> generalized_conv2d(x, torch.ones(1, 1, 2, 2))              # each window's product; past the border, 1
    tensor([[[[24.,  8.],
              [12.,  4.]]]])
    """
    height, width = _output_size(x, weight, bias, stride, border)
    receptive_field = weight.shape[-1]
    if border in _OUTSIDE:
        rows, columns = ((n - 1) * stride + receptive_field for n in (height, width))  # that the windows reach
        x = pad(x, (0, columns - x.shape[3], 0, rows - x.shape[2]), value=_OUTSIDE[border])
    y = x.new_ones(len(x), len(weight), height, width)  # (n, c, H', W')
    for i, j in product(range(receptive_field), repeat=2):
        patches = x[:, :, i::stride, j::stride][:, :, :height, :width]  # (n, d, ≤H', ≤W')
        factor = torch.einsum("cd,ndhw->nchw", weight[:, :, i, j], patches)
        if bias is not None:
            factor = factor + bias[:, i, j, None, None]
        outside = (0, width - factor.shape[3], 0, height - factor.shape[2])
        y = y * pad(factor, outside, value=1.0)  # past the border: the empty product, 1
    return y


def _output_size(x, weight, bias, stride, border):
    """[H', W'], once every shape has been checked; the rules and sentences of a layer are those of `Architecture`."""
    if x.ndim != 4:
        raise DataError(f"the input needs shape (N, C_in, H, W), not {tuple(x.shape)}; give it four axes")
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        raise WeightError(f"the weight needs shape (C_out, C_in, R, R), not {tuple(weight.shape)}; make it square")
    out_channels, in_channels, receptive_field, _ = weight.shape
    if in_channels != x.shape[1]:
        raise WeightError(f"the weight is for {in_channels} input channels and x has {x.shape[1]}; they must agree")
    window = (out_channels, receptive_field, receptive_field)
    if bias is not None and bias.shape != window:
        raise WeightError(f"the bias needs shape {window}, not {tuple(bias.shape)}")
    layer = Layer(receptive_field, stride, out_channels)
    plans = [Architecture(size, in_channels, (layer,), border).require_patches_read() for size in x.shape[2:]]
    return [plan.sizes[0] for plan in plans]
