"""What each of torch's functions does to a map of the image: a window over it, the same at every pixel, or neither.

`tracing` reads networks by it. Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from convac_lib.architecture import Layer


class NotMapped(Exception):
    """Why an operation neither has windows of one receptive field and stride, nor is the same at every pixel."""


@dataclass(frozen=True)
class Map:
    """Where the image's rows and columns run in a tensor.

    Args:
        size: how many positions a row has.
        axes: the axes of rows and of columns; a single one along which both run; none if the size is 1.
    """

    size: int
    axes: tuple[int, ...] = ()

    def __post_init__(self):
        if self.size == 1:
            object.__setattr__(self, "axes", ())


@dataclass(frozen=True)
class Effect:
    """What an operation makes of a `Map`.

    Args:
        what: the operation, in words.
        map: the new map.
        role: "layer", "pointwise" or "dense".
        layer: the `Layer` that it is.
        in_circuit: whether a ConvAC, too, has such a step between its layers.
    """

    what: str
    map: Map
    role: str = "pointwise"
    layer: Layer | None = None
    in_circuit: bool = False


def effect_of(function: Callable, args: tuple, kwargs: dict, output: Tensor, input: Tensor, image: Map) -> Effect:
    """Read one call of one of torch's functions.

    Args:
        function: the function that was called.
        args, kwargs: what it was called with.
        output: the (first) tensor that it returned.
        input: the one of its arguments that was made of the image.
        image: the input's `Map`.

    Raises:
        NotMapped: if it neither has windows of one receptive field and stride nor is the same at every pixel; says why.

    >>> x = torch.zeros(1, 3, 8, 8)
    >>> effect_of(torch.max_pool2d, (x, 3, 2, 1), {}, torch.max_pool2d(x, 3, 2, 1), x, Map(8, (2, 3)))
    Effect(what='max pooling 3×3, stride 2, padding 1', map=Map(size=4, axes=(2, 3)), role='layer', \
layer=Layer(receptive_field=3, stride=2, channels=3, weight_free=False), in_circuit=False)
    """
    name = name_of(function)
    if "input" in kwargs:
        args, kwargs = (kwargs["input"], *args), {key: value for key, value in kwargs.items() if key != "input"}
    if name in READERS:
        try:
            return READERS[name](image, output, *args, **kwargs)
        except TypeError:
            raise NotMapped("called with arguments that are not known here") from None
    if name in REARRANGEMENTS:
        return _rearranged(image, input, name, lambda x: function(x, *args[1:], **kwargs))
    if name in POINTWISE or name in JOINS or name in UNCHANGED:
        return _pointwise(image, input, output, JOINS.get(name, name), name in UNCHANGED)
    raise NotMapped(WHY_NOT.get(name, "not known here"))


def name_of(function: Callable) -> str:
    """The plain name of one of torch's functions: "add" for `Tensor.add_`, "T" for the attribute `Tensor.T`."""
    return function.__self__.__name__ if function.__name__ == "__get__" else function.__name__.strip("_")


def _pointwise(image, input, output, what, in_circuit=False):
    if output.ndim != input.ndim or any(output.shape[axis] != input.shape[axis] for axis in image.axes):
        raise NotMapped("it changes the shape of the map")
    return Effect(what, image, in_circuit=in_circuit)


def _window(image, input, output, what, channels, kernel, stride, padding=0, dilation=1, note=""):
    """A layer of windows over the last two axes."""
    kernel, stride, padding, dilation = (
        _one(pair, side)
        for pair, side in ((kernel, "window"), (stride, "stride"), (padding, "padding"), (dilation, "dilation"))
    )
    over = (output.ndim - 2, output.ndim - 1)
    if sorted(image.axes or over) != list(over) or set(input.shape[-2:]) != {image.size}:
        raise NotMapped("its windows do not run over the rows and columns of the image")
    _one(output.shape[-2:], "output")
    words = [f"{what} {kernel}×{kernel}", *[f"stride {stride}"] * (stride > 1), note]
    words += [f"dilation {dilation}"] * (dilation > 1) + [f"padding {padding}"] * (padding not in (0, "valid"))
    layer = Layer((kernel - 1) * dilation + 1, stride, channels)
    return Effect(", ".join(filter(None, words)), Map(output.shape[-1], over), "layer", layer)


def _one(pair, side):
    numbers = (pair,) if isinstance(pair, (int, str)) else tuple(pair)
    if len(set(numbers)) > 1:
        raise NotMapped(f"its {side} is {'×'.join(map(str, numbers))}, and a layer's is square")
    return numbers[0]


def _convolution(image, output, input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    note = f"{groups} groups" if groups > 1 else ""
    return _window(image, input, output, "convolution", len(weight), weight.shape[2:], stride, padding, dilation, note)


def _max_pooling(image, output, input, kernel_size, stride=None, padding=0, dilation=1, *_, **__):
    channels = input.shape[-3]
    return _window(image, input, output, "max pooling", channels, kernel_size, stride or kernel_size, padding, dilation)


def _average_pooling(image, output, input, kernel_size, stride=None, padding=0, *_, **__):
    return _window(
        image, input, output, "average pooling", input.shape[-3], kernel_size, stride or kernel_size, padding
    )


def _power_pooling(image, output, input, norm_type, kernel_size, stride=None, *_, **__):
    return _window(image, input, output, "power pooling", input.shape[-3], kernel_size, stride or kernel_size)


def _adaptive_pooling(image, output, input, output_size, *_, **__):
    size = _one(output.shape[-2:], "output")
    if size == image.size:
        return Effect("adaptive pooling that changes nothing", image, in_circuit=True)
    if size == 1:
        return _global_pooling(image, input)
    if image.size % size:
        raise NotMapped(f"from {image.size}×{image.size} to {size}×{size} it has windows of several sizes")
    return _window(image, input, output, "adaptive pooling", input.shape[-3], image.size // size, image.size // size)


def _global_pooling(image, input):
    """One window of the whole map."""
    size = image.size
    layer = Layer(size, size, input[0].numel() // size**2)
    return Effect(f"global pooling {size}×{size}", Map(1), "layer", layer)


def _mean(image, output, input, dim=None, keepdim=False, *, dtype=None):
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = {axis % input.ndim for axis in axes}
    hit = axes & set(image.axes)
    if not image.axes:
        return Effect("mean", image)
    if hit == set(image.axes):
        return _global_pooling(image, input)
    if hit:
        raise NotMapped("it averages over one side of the map only")
    kept = image.axes if keepdim else tuple(axis - sum(gone < axis for gone in axes) for axis in image.axes)
    return Effect("mean over channels", Map(image.size, kept))


def _linear(image, output, input, weight, bias=None):
    words = "" if bias is None else ", with bias"
    if not image.axes:
        return Effect(f"linear map{words}", image, "dense", in_circuit=bias is None)
    size, channels = image.size, len(weight)
    if input.ndim - 1 not in image.axes:
        return Effect(f"convolution 1×1, as a linear map of channels{words}", image, "layer", Layer(1, 1, channels))
    if input.ndim == 2:
        return Effect(f"linear map of the whole {size}×{size}{words}", Map(1), "layer", Layer(size, size, channels))
    raise NotMapped("it mixes positions")


def _softmax(image, output, input, dim=None, *_, **__):
    if image.axes and (dim is None or dim % input.ndim in image.axes):
        raise NotMapped("it is normalized over the whole map")
    return _pointwise(image, input, output, "softmax")


def _statistics(image, output, input, *_, **__):
    return _pointwise(image, input, output, "normalization by statistics of the whole map, which are left out")


def _layer_norm(image, output, input, normalized_shape, *_, **__):
    over_pixels = any(axis >= input.ndim - len(normalized_shape) for axis in image.axes)
    return _statistics(image, output, input) if over_pixels else _pointwise(image, input, output, "layer_norm")


def _batch_norm(image, output, input, running_mean=None, *_, **__):
    return (
        _pointwise(image, input, output, "batch_norm")
        if running_mean is not None
        else _statistics(image, output, input)
    )


def _pad(image, output, input, *_, **__):
    sides = {output.shape[axis] for axis in image.axes}
    if len(image.axes) != 2 or len(sides) > 1:
        raise NotMapped("it pads a map that is no longer one, or not on both sides alike")
    return Effect("padding", Map(sides.pop(), image.axes))


def _rearranged(image, input, name, rearrange):
    """Read where pixels go by sending their coordinates through the function."""
    if not image.axes:
        return Effect(name, image, in_circuit=True)
    seen = []
    for axis in image.axes:
        shape = [-1 if a == axis else 1 for a in range(input.ndim)]
        coordinates = torch.arange(input.shape[axis], device=input.device).reshape(shape).expand(input.shape)
        moved = rearrange(coordinates.contiguous())
        seen.append(moved if isinstance(moved, Tensor) else moved[0])
    return _moved(image, input, name, *seen)


def _moved(image, input, name, rows, columns=None):
    """What coordinates say that were sent through a rearrangement: of rows and of columns, or of both in one."""
    row_axes, row_step = _runs(rows)
    if columns is None:
        if row_step == 1 and rows.shape[row_axes[0]] == input.shape[image.axes[0]]:
            return Effect(name, Map(image.size, row_axes), in_circuit=True)
        raise NotMapped("it takes a flattened map apart")
    column_axes, column_step = _runs(columns)
    channels = input[0].numel() // image.size**2
    if len(row_axes) == len(column_axes) == 1 and row_axes != column_axes and row_step == column_step:
        axes = row_axes + column_axes
        new = Map(_one([rows.shape[axis] for axis in axes], "output"), axes)
        if row_step == 1:
            return Effect(name, new, in_circuit=new.size == image.size)
        if row_step and row_step > 1:
            return Effect(f"one pixel of {row_step}×{row_step}", new, "layer", Layer(1, row_step, channels))
    whole = image.size**2 * (channels if rows.ndim == 2 else 1)
    if row_axes == column_axes and len(row_axes) == 1 and rows.shape[row_axes[0]] == whole:
        return Effect(name, Map(image.size, row_axes), in_circuit=True)
    raise NotMapped("it moves pixels as no window does")


def _runs(coordinates):
    """The axes along which coordinates change, and their step if it is one and the same."""
    axes = tuple(a for a in range(coordinates.ndim) if (coordinates != coordinates.narrow(a, 0, 1)).any())
    if len(axes) != 1:
        return axes, None
    line = coordinates.movedim(axes[0], 0).flatten(1)[:, 0]
    steps = set(line.diff().tolist())
    return axes, steps.pop() if len(steps) == 1 else None


READERS = {
    "conv2d": _convolution,
    "max_pool2d": _max_pooling,
    "max_pool2d_with_indices": _max_pooling,
    "avg_pool2d": _average_pooling,
    "lp_pool2d": _power_pooling,
    "adaptive_avg_pool2d": _adaptive_pooling,
    "adaptive_max_pool2d": _adaptive_pooling,
    "mean": _mean,
    "sum": _mean,
    "amax": _mean,
    "linear": _linear,
    "softmax": _softmax,
    "log_softmax": _softmax,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _statistics,
    "instance_norm": _statistics,
    "pad": _pad,
}
UNCHANGED = set("alpha_dropout clone contiguous data detach double dropout dropout1d dropout2d float to".split())
REARRANGEMENTS = set(
    "chunk expand expand_as flatten getitem movedim moveaxis mT narrow permute reshape select split squeeze swapaxes T "
    "tensor_split transpose unbind unflatten unsqueeze view".split()
)
POINTWISE = set(
    "abs celu clamp elu exp gelu hardshrink hardsigmoid hardswish hardtanh leaky_relu local_response_norm log "
    "logsigmoid mish neg pow prelu relu relu6 rrelu rsqrt selu sigmoid silu softplus softshrink "
    "softsign sqrt square tanh tanhshrink threshold".split()
)
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
