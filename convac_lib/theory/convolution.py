"""The generalized convolution: the operation that every layer of these networks computes, exactly and plainly."""

from itertools import product

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import DataError, WeightError
from convac_lib.theory.fields import reduce_modulo, to_field

_OUTSIDE = {"ones": 1, "zero": 0}


def generalized_convolution(
    x: np.ndarray,
    weight: np.ndarray,
    stride: int,
    *,
    bias: np.ndarray | None = None,
    border: str = "neutral",
    prime: int | None = None,
) -> np.ndarray:
    """Compute, over each window, the product of linear maps of its patches (talk: "Generalized Convolution").

        y[c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[d, uS+i, vS+j]  (+ bias[c, i, j]) )

    Args:
        x: input of shape (d, H, W) or (d, H, W, n) for a batch of n.
        weight: shape (c, d, R, R); or (H', W', c, d, R, R), a separate map at every position (unshared).
        stride: S, 1 ≤ S ≤ R.
        bias: shape (c, R, R), or None.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).
        prime: p for GF(p), None for the real numbers.

    Returns:
        y of shape (c, H', W') or (c, H', W', n), with H' = ⌈H/S⌉, or ⌊(H−R)/S⌋+1 for "valid".

    Raises:
        ArchitectureError: if R < S, the border is unknown, or a "valid" window does not fit.
        DataError: if x does not have three or four axes.
        WeightError: if the shape of the weight or the bias does not fit, or a number for GF(p) is not an integer.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = np.array([[[1, 2], [3, 4]]])                                   # (1, 2, 2)
    >>> generalized_convolution(x, np.ones((1, 1, 2, 2), int), stride=1)   # each window's product; past the border, 1
    array([[[24,  8],
            [12,  4]]])
    """
    if bias is None:
        bias = np.zeros(weight.shape[-4:-3] + weight.shape[-2:], weight.dtype)
    outputs = _output_size(x, weight, bias, stride, border)
    if prime is not None:
        x, weight, bias = (to_field(array, prime) for array in (x, weight, bias))
    receptive_field = weight.shape[-1]
    if border in _OUTSIDE:
        reached = [(n - 1) * stride + receptive_field for n in outputs]
        padded = np.full((len(x), *reached, *x.shape[3:]), _OUTSIDE[border], x.dtype)
        padded[:, : x.shape[1], : x.shape[2]] = x
        x = padded
    y = np.ones((weight.shape[-4], *outputs, *x.shape[3:]), np.result_type(x, weight, bias))  # (c, H', W', …)
    for i, j in product(range(receptive_field), repeat=2):
        patches = x[:, i::stride, j::stride][:, : outputs[0], : outputs[1]]  # (d, ≤H', ≤W', …)
        height, width = patches.shape[1:3]
        factor = bias[:, i, j].reshape(-1, *[1] * (y.ndim - 1))
        for d in range(len(x)):
            factor = reduce_modulo(factor + _weight_of(weight[..., d, i, j], height, width, y.ndim) * patches[d], prime)
        inside = y[:, :height, :width]  # past the border: the empty product, 1
        inside[...] = reduce_modulo(inside * factor, prime)
    return y


def _output_size(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, border: str) -> list[int]:
    """Check every shape and return [H', W']; a layer's own rules are those of `Architecture`."""
    if x.ndim not in (3, 4):
        raise DataError(f"the input needs shape (d, H, W), or (d, H, W, n) for a batch, not {x.shape}")
    if weight.ndim not in (4, 6) or weight.shape[-2] != weight.shape[-1]:
        raise WeightError(f"the weight needs shape (c, d, R, R), or (H', W', c, d, R, R) unshared, not {weight.shape}")
    *positions, channels, in_channels, receptive_field, _ = weight.shape
    if in_channels != len(x):
        raise WeightError(f"the weight is for {in_channels} input channels and x has {len(x)}; they must agree")
    if bias.shape != (channels, receptive_field, receptive_field):
        raise WeightError(f"the bias needs shape {(channels, receptive_field, receptive_field)}, not {bias.shape}")
    layer = Layer(receptive_field, stride, channels)
    plans = [Architecture(size, in_channels, (layer,), border).require_patches_read() for size in x.shape[1:3]]
    outputs = [plan.sizes[0] for plan in plans]
    if positions and positions != outputs:
        raise WeightError(f"the unshared weight is for {positions} positions and the output has {outputs}")
    return outputs


def _weight_of(column: np.ndarray, height: int, width: int, ndim: int) -> np.ndarray:
    """Shape one input channel's weights, (c,) or (H', W', c), to multiply patches: (c, H', W', 1…)."""
    if column.ndim == 3:
        column = np.moveaxis(column[:height, :width], -1, 0)
    return column.reshape(*column.shape, *[1] * (ndim - column.ndim))
