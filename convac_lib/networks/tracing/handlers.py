"""What single operators of torch do: each handler takes the input's state, the input, and the call.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor

from convac_lib.networks.tracing.calls import CONVOLUTIONS, Call
from convac_lib.networks.tracing.windows import (
    SAME,
    OperatorEffect,
    PathState,
    Place,
    UnsupportedOperator,
    Window,
    by,
    kept,
)

Sides = Sequence[int]


def _each(numbers: int | Sides, count: int) -> tuple[int, ...]:
    """Return one number for each axis of a window."""
    numbers = (numbers,) if isinstance(numbers, int) else tuple(map(int, numbers))
    return numbers * count if len(numbers) == 1 else numbers


def _word(what: str, numbers: Sides, plain: int) -> list[str]:
    """Return words for numbers, one if they are equal, and none if they say nothing."""
    if set(numbers) == {plain}:
        return []
    return [f"{what} {numbers[0] if len(set(numbers)) == 1 else by(numbers)}"]


def _slid(
    state: PathState,
    input: Tensor,
    output: Tensor,
    what: str,
    kernel: Sides,
    stride: Any,
    padding: Any = 0,
    dilation: Any = 1,
    *,
    mixes_channels: int = 0,
    note: str = "",
) -> OperatorEffect:
    """Return the effect of windows that run over the last axes of a tensor.

    Args:
        state: the input's.
        input: what they read.
        output: what they make.
        what: the operator, in words.
        kernel: the sides of a window, one per axis.
        stride: its steps.
        padding: how many positions come before the first axis entry.
        dilation: the distance between a window's entries.
        mixes_channels: the output channels, if all channels meet; 0 if every channel keeps to itself.
        note: words to add.
    """
    count = len(kernel)
    stride, padding, dilation = _each(stride or kernel, count), _each(padding, count), _each(dilation, count)
    first = input.ndim - count
    sizes, places, windows = [], [], []
    for size, place in zip(state.sizes, state.places):
        over = -1 if place is None else place.axis - first
        window = SAME
        if place is not None and over >= 0:
            if place.inner != 1 or input.shape[place.axis] != size:
                raise UnsupportedOperator("its windows do not run over the rows and columns of the image")
            window = Window(-padding[over], (kernel[over] - 1) * dilation[over] + 1, stride[over])
        elif over == -1 and place is not None and mixes_channels:
            raise UnsupportedOperator("it mixes positions")
        sizes.append(size if place is None or over < 0 else output.shape[place.axis])
        places.append(place)
        windows.append(window)
    words = [f"{what} {by(kernel)}", *_word("stride", stride, 1), note]
    words += _word("dilation", dilation, 1) + _word("padding", padding, 0)
    channels = mixes_channels or (input.shape[first - 1] if first else 1)
    inside = ", ".join(filter(None, words))
    if not mixes_channels and not any(place is not None and place.axis >= first for place in state.places):
        return kept(state, inside)
    return OperatorEffect(inside, tuple(sizes), tuple(places), tuple(windows), "layer", channels)


def _convolution(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    given, weight = call.arguments, call.arguments["weight"]
    if given.get("transposed"):
        raise UnsupportedOperator("a transposed convolution enlarges the map, which no stride does")
    if weight is input:
        raise UnsupportedOperator("its weights are computed from the image")
    groups = given.get("groups", 1)
    return _slid(
        state, input, call.result, "convolution", weight.shape[2:], given["stride"], given["padding"],
        given["dilation"], mixes_channels=len(weight), note=f"{groups} groups" if groups > 1 else "",
    )  # fmt: skip


def _pooling(what: str, axes: int) -> Callable[[PathState, Tensor, Call], OperatorEffect]:
    def handler(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
        given = call.arguments
        kernel = _each(given["kernel_size"], axes)
        return _slid(state, input, call.result, what, kernel, given["stride"], given["padding"],
                     given.get("dilation", 1))  # fmt: skip

    return handler


def _unfold(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    """Return the effect of `F.unfold`, whose output lists the windows of rows and columns along one axis."""
    given = call.arguments
    kernel, padding, dilation, stride = (
        _each(given[name], 2) for name in ("kernel_size", "padding", "dilation", "stride")
    )
    spans = [(kernel[a] - 1) * dilation[a] + 1 for a in (0, 1)]
    out = [(input.shape[input.ndim - 2 + a] + 2 * padding[a] - spans[a]) // stride[a] + 1 for a in (0, 1)]
    grid = input.new_empty((1, 1, *out), device="meta")
    effect = _slid(
        state, input, grid, "windows", kernel, stride, padding, dilation, mixes_channels=call.result.shape[-2]
    )
    last = call.result.ndim - 1
    first = input.ndim - 2
    places = [place and Place(last, out[1] if place.axis == first else 1) for place in effect.places]
    return OperatorEffect(effect.what, effect.sizes, tuple(places), effect.windows, "layer", effect.channels)


def _adaptive_pooling(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    asked = call.arguments["output_size"]
    before, after = input.shape[-len(asked) :], call.result.shape[-len(asked) :]
    if before == after:
        return kept(state, "adaptive pooling that changes nothing", in_circuit=True)
    if any(old % new for old, new in zip(before, after)):
        raise UnsupportedOperator(f"from {by(before)} to {by(after)} it has windows of several sizes")
    kernel = [old // new for old, new in zip(before, after)]
    what = "global pooling" if set(after) == {1} else "adaptive pooling"
    effect = _slid(state, input, call.result, what, kernel, kernel)
    words = f"{what} {by(kernel)}" if what == "global pooling" else effect.what
    return OperatorEffect(words, effect.sizes, effect.places, effect.windows, effect.role, effect.channels)


def _reduction(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    """Return the effect of a mean, a sum or a maximum along some axes."""
    given = call.arguments
    dims = given.get("dim")
    dims = range(input.ndim) if dims is None or dims == [] else [dims] if isinstance(dims, int) else dims
    return reduced(state, input, {dim % max(1, input.ndim) for dim in dims}, given.get("keepdim", False), call.words)


def reduced(state: PathState, input: Tensor, axes: set[int], keeps: bool, what: str) -> OperatorEffect:
    """Return the effect of an operator that makes one entry of all along some axes.

    Args:
        state: the input's.
        input: what it reads.
        axes: the axes that it reduces.
        keeps: whether each remains, with one entry.
        what: the operator, in words.
    """
    hit = [place is not None and place.axis in axes for place in state.places]
    shared = {place.axis for place in state.places if place is not None}
    if any(hit) and len(shared) < sum(place is not None for place in state.places) and not all(hit):
        raise UnsupportedOperator("it averages over a part of a flattened map")
    windows = tuple(Window(0, size, size) if mean else SAME for size, mean in zip(state.sizes, hit))
    sizes = tuple(1 if mean else size for size, mean in zip(state.sizes, hit))
    places = tuple(
        place if place is None or keeps else Place(place.axis - sum(axis < place.axis for axis in axes), place.inner)
        for place in state.places
    )
    if not any(hit):
        return OperatorEffect(f"{what} over channels", sizes, places, windows)
    positions = 1
    for size in state.sizes:
        positions *= size
    words = f"global pooling {by(state.sizes)}" if set(sizes) == {1} else f"pooling {by(w.side for w in windows)}"
    return OperatorEffect(words, sizes, places, windows, "layer", max(1, input.numel() // positions))


def _softmax(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    dim = call.arguments["dim"] % max(1, input.ndim)
    if any(place is not None and place.axis == dim for place in state.places):
        raise UnsupportedOperator(call.why_not() or "it is normalized over the whole map")
    return kept(state, "softmax")


def _normalization(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    given = call.arguments
    first = input.ndim - len(given.get("normalized_shape", ()))
    whole = call.name in {"native_group_norm", "group_norm"} or given.get("training", False)
    whole = whole or any(place is not None and place.axis >= first for place in state.places)
    return kept(state, "normalization by statistics of the whole map, which are left out" if whole else call.words)


def _padding(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    return padded(state, input, call.result, call.arguments["pad" if "pad" in call.arguments else "padding"])


def padded(state: PathState, input: Tensor, output: Tensor, pads: Sides) -> OperatorEffect:
    """Return the effect of padding, given as in `torch.nn.functional.pad`.

    Args:
        state: the input's.
        input: what is padded.
        output: the result.
        pads: (before, after) of the last axis, then of the one before it, and so on.
    """
    before = {input.ndim - 1 - number: pads[2 * number] for number in range(len(pads) // 2)}
    sizes, windows = [], []
    for size, place in zip(state.sizes, state.places):
        inside = place is not None and output.shape[place.axis] != input.shape[place.axis]
        if place is not None and (inside or before.get(place.axis, 0)):
            if place.inner != 1 or input.shape[place.axis] != size:
                raise UnsupportedOperator("it pads a map that was flattened")
            windows.append(Window(-before[place.axis], 1, 1))
            sizes.append(output.shape[place.axis])
        else:
            windows.append(SAME)
            sizes.append(size)
    return OperatorEffect("padding", tuple(sizes), state.places, tuple(windows))


HANDLERS: dict[str, Callable[[PathState, Tensor, Call], OperatorEffect]] = {
    **dict.fromkeys(CONVOLUTIONS, _convolution),
    **dict.fromkeys(("max_pool1d", "max_pool1d_with_indices"), _pooling("max pooling", 1)),
    **dict.fromkeys(("max_pool2d", "max_pool2d_with_indices", "mkldnn_max_pool2d"), _pooling("max pooling", 2)),
    **dict.fromkeys(("max_pool3d", "max_pool3d_with_indices"), _pooling("max pooling", 3)),
    "avg_pool1d": _pooling("average pooling", 1),
    "avg_pool2d": _pooling("average pooling", 2),
    "avg_pool3d": _pooling("average pooling", 3),
    **dict.fromkeys(
        [f"{prefix}adaptive_{kind}_pool{n}d" for prefix in ("", "_") for kind in ("avg", "max") for n in (1, 2, 3)],
        _adaptive_pooling,
    ),
    "im2col": _unfold,
    **dict.fromkeys(("mean", "sum", "amax", "amin", "max", "min"), _reduction),
    **dict.fromkeys(("_softmax", "_log_softmax", "_safe_softmax"), _softmax),
    **dict.fromkeys(
        ("native_batch_norm", "_native_batch_norm_legit", "_native_batch_norm_legit_no_training", "cudnn_batch_norm",
         "_batch_norm_with_update", "_batch_norm_no_update", "native_group_norm", "native_layer_norm",
         "_fused_rms_norm"),
        _normalization,
    ),
    **dict.fromkeys(
        ("constant_pad_nd", *[f"{kind}_pad{n}d" for kind in ("reflection", "replication") for n in (1, 2, 3)]), _padding
    ),
}  # fmt: skip
