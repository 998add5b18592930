"""What single operators of torch do: each handler takes the input's axes, the output, and the call's arguments.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from convac_lib.architecture import Layer
from convac_lib.networks.tracing.effects import OperatorEffect, SpatialAxes, UnsupportedOperator, require_square

Side = int | Sequence[int]  # of a window, a stride, a dilation: for rows and columns, or for both


def pointwise(
    spatial: SpatialAxes, input: Tensor, output: Tensor, what: str, *, in_circuit: bool = False
) -> OperatorEffect:
    """Return the effect of an operator that does the same at every pixel.

    Args:
        spatial: the input's `SpatialAxes`.
        input: the tensor that was computed from the image.
        output: what the operator returned.
        what: the operator, in words.
        in_circuit: whether a ConvAC, too, has such an operator between its layers.

    Raises:
        UnsupportedOperator: if the output's rows and columns differ from the input's.
    """
    if output.ndim != input.ndim or any(output.shape[axis] != input.shape[axis] for axis in spatial.axes):
        raise UnsupportedOperator("it changes the shape of the map")
    return OperatorEffect(what, spatial, in_circuit=in_circuit)


def _window(
    spatial: SpatialAxes,
    input: Tensor,
    output: Tensor,
    what: str,
    channels: int,
    kernel: Side,
    stride: Side,
    padding: Side | str = 0,
    dilation: Side = 1,
    note: str = "",
) -> OperatorEffect:
    """Return the effect of a layer of windows over the last two axes."""
    kernel, stride = require_square(kernel, "window"), require_square(stride, "stride")
    padding = padding if isinstance(padding, str) else require_square(padding, "padding")
    dilation = require_square(dilation, "dilation")
    over = (output.ndim - 2, output.ndim - 1)
    if sorted(spatial.axes or over) != list(over) or set(input.shape[-2:]) != {spatial.size}:
        raise UnsupportedOperator("its windows do not run over the rows and columns of the image")
    require_square(output.shape[-2:], "output")
    words = [f"{what} {kernel}×{kernel}", *[f"stride {stride}"] * (stride > 1), note]
    words += [f"dilation {dilation}"] * (dilation > 1) + [f"padding {padding}"] * (padding not in (0, "valid"))
    layer = Layer((kernel - 1) * dilation + 1, stride, channels)
    return OperatorEffect(", ".join(filter(None, words)), SpatialAxes(output.shape[-1], over), "layer", layer)


def _convolution(
    spatial: SpatialAxes,
    output: Tensor,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Side = 1,
    padding: Side | str = 0,
    dilation: Side = 1,
    groups: int = 1,
) -> OperatorEffect:
    note = f"{groups} groups" if groups > 1 else ""
    kernel = weight.shape[2:]
    return _window(spatial, input, output, "convolution", len(weight), kernel, stride, padding, dilation, note)


def _max_pooling(
    spatial: SpatialAxes,
    output: Tensor,
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    dilation: Side = 1,
    *_: Any,
    **__: Any,
) -> OperatorEffect:
    channels = input.shape[-3]
    return _window(
        spatial, input, output, "max pooling", channels, kernel_size, stride or kernel_size, padding, dilation
    )


def _average_pooling(
    spatial: SpatialAxes,
    output: Tensor,
    input: Tensor,
    kernel_size: Side,
    stride: Side | None = None,
    padding: Side = 0,
    *_: Any,
    **__: Any,
) -> OperatorEffect:
    channels = input.shape[-3]
    return _window(spatial, input, output, "average pooling", channels, kernel_size, stride or kernel_size, padding)


def _power_pooling(
    spatial: SpatialAxes,
    output: Tensor,
    input: Tensor,
    norm_type: float,
    kernel_size: Side,
    stride: Side | None = None,
    *_: Any,
    **__: Any,
) -> OperatorEffect:
    return _window(spatial, input, output, "power pooling", input.shape[-3], kernel_size, stride or kernel_size)


def _adaptive_pooling(
    spatial: SpatialAxes, output: Tensor, input: Tensor, output_size: Any, *_: Any, **__: Any
) -> OperatorEffect:
    size = require_square(output.shape[-2:], "output")
    if size == spatial.size:
        return OperatorEffect("adaptive pooling that changes nothing", spatial, in_circuit=True)
    if size == 1:
        return _global_pooling(spatial, input)
    if spatial.size % size:
        raise UnsupportedOperator(
            f"from {spatial.size}×{spatial.size} to {size}×{size} it has windows of several sizes"
        )
    window = spatial.size // size
    return _window(spatial, input, output, "adaptive pooling", input.shape[-3], window, window)


def _global_pooling(spatial: SpatialAxes, input: Tensor) -> OperatorEffect:
    """Return the effect of one window over the whole map."""
    size = spatial.size
    layer = Layer(size, size, input[0].numel() // size**2)
    return OperatorEffect(f"global pooling {size}×{size}", SpatialAxes(1), "layer", layer)


def _reduction(
    spatial: SpatialAxes,
    output: Tensor,
    input: Tensor,
    dim: Side | None = None,
    keepdim: bool = False,
    *,
    dtype: Any = None,
) -> OperatorEffect:
    dims = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    reduced = {axis % input.ndim for axis in dims}
    hit = reduced & set(spatial.axes)
    if not spatial.axes:
        return OperatorEffect("mean", spatial)
    if hit == set(spatial.axes):
        return _global_pooling(spatial, input)
    if hit:
        raise UnsupportedOperator("it averages over one side of the map only")
    kept = spatial.axes if keepdim else tuple(axis - sum(gone < axis for gone in reduced) for axis in spatial.axes)
    return OperatorEffect("mean over channels", SpatialAxes(spatial.size, kept))


def _linear(
    spatial: SpatialAxes, output: Tensor, input: Tensor, weight: Tensor, bias: Tensor | None = None
) -> OperatorEffect:
    words = "" if bias is None else ", with bias"
    if not spatial.axes:
        return OperatorEffect(f"linear map{words}", spatial, "dense", in_circuit=bias is None)
    size, channels = spatial.size, len(weight)
    if input.ndim - 1 not in spatial.axes:
        what = f"convolution 1×1, as a linear map of channels{words}"
        return OperatorEffect(what, spatial, "layer", Layer(1, 1, channels))
    if input.ndim == 2:
        what = f"linear map of the whole {size}×{size}{words}"
        return OperatorEffect(what, SpatialAxes(1), "layer", Layer(size, size, channels))
    raise UnsupportedOperator("it mixes positions")


def _softmax(
    spatial: SpatialAxes, output: Tensor, input: Tensor, dim: int | None = None, *_: Any, **__: Any
) -> OperatorEffect:
    if spatial.axes and (dim is None or dim % input.ndim in spatial.axes):
        raise UnsupportedOperator("it is normalized over the whole map")
    return pointwise(spatial, input, output, "softmax")


def _statistics(spatial: SpatialAxes, output: Tensor, input: Tensor, *_: Any, **__: Any) -> OperatorEffect:
    what = "normalization by statistics of the whole map, which are left out"
    return pointwise(spatial, input, output, what)


def _layer_norm(
    spatial: SpatialAxes, output: Tensor, input: Tensor, normalized_shape: Sequence[int], *_: Any, **__: Any
) -> OperatorEffect:
    if any(axis >= input.ndim - len(normalized_shape) for axis in spatial.axes):
        return _statistics(spatial, output, input)
    return pointwise(spatial, input, output, "layer_norm")


def _batch_norm(
    spatial: SpatialAxes, output: Tensor, input: Tensor, running_mean: Tensor | None = None, *_: Any, **__: Any
) -> OperatorEffect:
    if running_mean is None:
        return _statistics(spatial, output, input)
    return pointwise(spatial, input, output, "batch_norm")


def _pad(spatial: SpatialAxes, output: Tensor, input: Tensor, *_: Any, **__: Any) -> OperatorEffect:
    sides = {output.shape[axis] for axis in spatial.axes}
    if len(spatial.axes) != 2 or len(sides) > 1:
        raise UnsupportedOperator("it pads a map that is no longer one, or pads rows and columns differently")
    return OperatorEffect("padding", SpatialAxes(sides.pop(), spatial.axes))


HANDLERS: dict[str, Callable[..., OperatorEffect]] = {
    "conv2d": _convolution,
    "max_pool2d": _max_pooling,
    "max_pool2d_with_indices": _max_pooling,
    "avg_pool2d": _average_pooling,
    "lp_pool2d": _power_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling,
    "mean": _reduction,
    "sum": _reduction,
    "amax": _reduction,
    "linear": _linear,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _statistics,
    "instance_norm": _statistics,
    "pad": _pad,
}
