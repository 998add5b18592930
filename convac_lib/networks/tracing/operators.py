"""Recognise torch's functions: a window over the map of the image, the same at every pixel, or neither.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from convac_lib.architecture import Layer
from convac_lib.networks.tracing.effects import OperatorEffect, SpatialAxes, UnsupportedOperator, require_square
from convac_lib.networks.tracing.handlers import HANDLERS, pointwise

UNCHANGED = {
    "alpha_dropout", "clone", "contiguous", "data", "detach", "double", "dropout", "dropout1d", "dropout2d", "float",
    "to",
}  # fmt: skip
REARRANGEMENTS = {
    "T", "chunk", "expand", "expand_as", "flatten", "getitem", "mT", "movedim", "moveaxis", "narrow", "permute",
    "reshape", "select", "split", "squeeze", "swapaxes", "tensor_split", "transpose", "unbind", "unflatten",
    "unsqueeze", "view",
}  # fmt: skip
POINTWISE = {
    "abs", "celu", "clamp", "elu", "exp", "gelu", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu",
    "local_response_norm", "log", "logsigmoid", "mish", "neg", "pow", "prelu", "relu", "relu6", "rrelu", "rsqrt",
    "selu", "sigmoid", "silu", "softplus", "softshrink", "softsign", "sqrt", "square", "tanh", "tanhshrink",
    "threshold",
}  # fmt: skip
JOINS = {f"{prefix}{name}": name for name in ("add", "sub", "mul", "div", "truediv") for prefix in ("", "i", "r")}
JOINS |= {name: name for name in ("cat", "concat", "concatenate", "maximum", "minimum", "addcmul", "lerp")}
WHY_NOT = {
    "conv_transpose2d": "a transposed convolution enlarges the map, which no stride does",
    "interpolate": "resampling has no one receptive field and stride",
    "upsample": "resampling has no one receptive field and stride",
    "scaled_dot_product_attention": "attention: every position may read every other",
    "multi_head_attention_forward": "attention: every position may read every other",
    "transformer_encoder_layer_fwd": "attention: every position may read every other",
    "native_multi_head_attention": "attention: every position may read every other",
}


def effect_of(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    output: Tensor,
    input: Tensor,
    spatial: SpatialAxes,
) -> OperatorEffect:
    """Recognise one call of one of torch's functions.

    Args:
        function: the function that was called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        output: the (first) tensor that it returned.
        input: the one of its arguments that was computed from the image.
        spatial: the input's `SpatialAxes`.

    Returns:
        The `OperatorEffect`.

    Raises:
        UnsupportedOperator: if it has no windows of one receptive field and stride and is not the same at every pixel.

    >>> x = torch.zeros(1, 3, 8, 8)
    >>> effect_of(torch.max_pool2d, (x, 3, 2, 1), {}, torch.max_pool2d(x, 3, 2, 1), x, SpatialAxes(8, (2, 3)))
    OperatorEffect(what='max pooling 3×3, stride 2, padding 1', spatial=SpatialAxes(size=4, axes=(2, 3)), \
role='layer', layer=Layer(receptive_field=3, stride=2, channels=3, weight_free=False), in_circuit=False)
    """
    name = name_of(function)
    if "input" in kwargs:
        args, kwargs = (kwargs["input"], *args), {key: value for key, value in kwargs.items() if key != "input"}
    if name in HANDLERS:
        try:
            return HANDLERS[name](spatial, output, *args, **kwargs)
        except TypeError:
            raise UnsupportedOperator("called with arguments that are not known here") from None
    if name in REARRANGEMENTS:
        return _rearranged(spatial, input, name, lambda x: function(x, *args[1:], **kwargs))
    if name in POINTWISE or name in JOINS or name in UNCHANGED:
        return pointwise(spatial, input, output, JOINS.get(name, name), in_circuit=name in UNCHANGED)
    raise UnsupportedOperator(WHY_NOT.get(name, "not known here"))


def name_of(function: Callable[..., Any]) -> str:
    """Return the plain name of one of torch's functions.

    >>> name_of(Tensor.add_), name_of(Tensor.T.__get__)            # torch passes an attribute as its __get__
    ('add', 'T')
    """
    if function.__name__ == "__get__":
        attribute: str = function.__self__.__name__  # type: ignore[attr-defined]  # a bound method of the attribute
        return attribute
    return function.__name__.strip("_")


def _rearranged(spatial: SpatialAxes, input: Tensor, name: str, rearrange: Callable[[Tensor], Any]) -> OperatorEffect:
    """Find where pixels go by sending their coordinates through the function."""
    if not spatial.axes:
        return OperatorEffect(name, spatial, in_circuit=True)
    moved = []
    for axis in spatial.axes:
        shape = [-1 if a == axis else 1 for a in range(input.ndim)]
        coordinates = torch.arange(input.shape[axis], device=input.device).reshape(shape).expand(input.shape)
        outputs = rearrange(coordinates.contiguous())
        moved.append(outputs if isinstance(outputs, Tensor) else outputs[0])
    return (_moved_map if len(moved) == 2 else _moved_line)(spatial, input, name, *moved)


def _moved_line(spatial: SpatialAxes, input: Tensor, name: str, positions: Tensor) -> OperatorEffect:
    """Return the effect on a map whose rows and columns run along one axis."""
    axes, step = _changing_axes(positions)
    if step == 1 and positions.shape[axes[0]] == input.shape[spatial.axes[0]]:
        return OperatorEffect(name, SpatialAxes(spatial.size, axes), in_circuit=True)
    raise UnsupportedOperator("it takes a flattened map apart")


def _moved_map(spatial: SpatialAxes, input: Tensor, name: str, rows: Tensor, columns: Tensor) -> OperatorEffect:
    """Return the effect on a map with an axis of rows and one of columns."""
    row_axes, row_step = _changing_axes(rows)
    column_axes, column_step = _changing_axes(columns)
    channels = input[0].numel() // spatial.size**2
    if len(row_axes) == len(column_axes) == 1 and row_axes == column_axes:
        whole = spatial.size**2 * (channels if rows.ndim == 2 else 1)
        if rows.shape[row_axes[0]] == whole:
            return OperatorEffect(name, SpatialAxes(spatial.size, row_axes), in_circuit=True)
    elif len(row_axes) == len(column_axes) == 1 and row_step == column_step:
        axes = row_axes + column_axes
        new = SpatialAxes(require_square([rows.shape[axis] for axis in axes], "output"), axes)
        if row_step == 1:
            return OperatorEffect(name, new, in_circuit=new.size == spatial.size)
        if row_step and row_step > 1:
            return OperatorEffect(f"one pixel of {row_step}×{row_step}", new, "layer", Layer(1, row_step, channels))
    raise UnsupportedOperator("it moves pixels as no window does")


def _changing_axes(coordinates: Tensor) -> tuple[tuple[int, ...], int | None]:
    """Return the axes along which coordinates change, and the step between neighbours if it is always the same."""
    axes = tuple(a for a in range(coordinates.ndim) if (coordinates != coordinates.narrow(a, 0, 1)).any())
    if len(axes) != 1:
        return axes, None
    line = coordinates.movedim(axes[0], 0).flatten(1)[:, 0]
    steps = set(line.diff().tolist())
    return axes, steps.pop() if len(steps) == 1 else None
