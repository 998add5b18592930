"""Send the support of a gradient back through autograd's own graph: which pixels a number depends on, weights aside.

Every operator of a backward pass is replaced by the one that tells zero from not zero: pointwise ones keep the support,
convolutions and poolings spread it over their windows, products over everything that they sum. So neither a weight of
zero nor an activation that is off hides a pixel. Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from convac_lib.networks.tracing.calls import PRODUCTS, Call, call_of, tensors_in, written_by
from convac_lib.networks.tracing.products import FACTORS

SAME_SHAPE = {
    f"{name}_backward"
    for name in (
        "hardtanh", "hardswish", "hardsigmoid", "leaky_relu", "elu", "softplus", "mish", "log_sigmoid",
        "rrelu_with_noise", "softshrink", "hardshrink", "threshold", "_prelu_kernel", "gelu", "silu", "sigmoid", "tanh",
        "native_batch_norm", "cudnn_batch_norm", "batch_norm", "miopen_batch_norm", "native_group_norm",
        "native_dropout",
    )
}  # fmt: skip
WRITES_AS_IT_IS = {"copy", "zero", "fill", "index_put", "_index_put_impl", "scatter", "scatter_add", "index_add"}


class Support(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base class
    """Replaces, in a backward pass, every operator by what it does to the support of the gradient.

    Args:
        seed: the gradient that is sent back: ones where it is not zero.
    """

    def __init__(self, seed: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self._gradients: MutableMapping[Tensor, bool] = WeakIdKeyDictionary()
        self._gradients[seed] = True

    def __torch_dispatch__(
        self, func: OpOverload, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        call = call_of(func, args, kwargs or {}, None, "")
        gradients = [tensor for tensor in tensors_in((args, kwargs or {})) if tensor in self._gradients]
        if call.name in RULES:
            output = RULES[call.name](call.arguments)
        elif call.name in PRODUCTS:
            output = self._product(call)
        elif call.is_pointwise and gradients and call.name not in WRITES_AS_IT_IS:
            output = _pointwise(call, gradients)
        elif call.name in ("view", "_unsafe_view"):  # of a gradient whose channels are one in memory
            output = args[0].reshape(args[1])
        else:
            output = func(*args, **(kwargs or {}))
            if gradients and not any(each.alias_info for each in func._schema.returns):  # a view of a support is one
                _as_support(output)
        if gradients:
            for tensor in tensors_in(output):
                self._gradients[tensor] = True
        return output

    def _product(self, call: Call) -> Tensor:
        """Spread the support of either factor over all that a product sums."""
        left, right = (call.arguments[name] for name in FACTORS[call.name])
        if call.name == "linear":
            right = right.mT
        if left.ndim < 2 or right.ndim < 2:
            return call.operator(**call.arguments)  # type: ignore[no-any-return]
        shape = (*left.shape[:-1], right.shape[-1])
        found = []
        if left in self._gradients:
            found.append(_any(left, -1).expand(shape))
        if right in self._gradients:
            found.append(_any(right, -2).expand(shape))
        return union(found) if found else left.new_zeros(()).expand(shape)


def _as_support(output: Any) -> None:
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            tensor.copy_(tensor.ne(0))


def _pointwise(call: Call, gradients: list[Tensor]) -> Any:
    """Return the support of all gradients among the inputs of a pointwise operator."""
    written = written_by(call)
    shapes = [tensor.shape for tensor in tensors_in(call.arguments)]
    found = union(gradients).expand(_broadcast(shapes))
    if not written:
        return found
    result = written[0]
    if result.is_floating_point():
        result.copy_(found.clone())
    return result


def union(gradients: Sequence[Tensor]) -> Tensor:
    """Return where any of some supports is one.

    Along axes where all are the same, as behind a convolution that mixes its channels, they are compared once.

    Args:
        gradients: zeros and ones, of shapes that broadcast.

    >>> union([torch.tensor([0., 1., 0.]), torch.tensor([0., 0., 1.])])
    tensor([0., 1., 1.])
    """
    if len(gradients) == 1:
        return gradients[0]
    shape = _broadcast([gradient.shape for gradient in gradients])
    wide = [gradient.expand(shape) for gradient in gradients]
    narrow = [
        each[tuple(slice(0, 1) if all(w.stride(a) == 0 for w in wide) else slice(None) for a in range(len(shape)))]
        for each in wide
    ]
    found = narrow[0]
    for other in narrow[1:]:
        found = torch.maximum(found, other.to(found.dtype))
    return found.expand(shape)


def _broadcast(shapes: Sequence[torch.Size]) -> torch.Size:
    if all(shape == shapes[0] for shape in shapes):  # nearly always, and torch takes long to find out
        return shapes[0]
    return torch.broadcast_shapes(*shapes)  # type: ignore[no-untyped-call,no-any-return]  # torch's


def _same(given: Mapping[str, Any]) -> Any:
    return next(value for key, value in given.items() if key.startswith("grad"))


def _first_of(count: int) -> Callable[[Mapping[str, Any]], Any]:
    return lambda given: (_same(given), *[None] * (count - 1))


def _prelu(given: Mapping[str, Any]) -> Any:
    return _same(given), torch.zeros_like(given["self"])


def _any(gradient: Tensor, dim: int) -> Tensor:
    """Return a support with all entries along one axis taken together; the axis remains, with one entry."""
    if gradient.stride(dim) == 0:
        return gradient.narrow(dim, 0, 1)
    return gradient.amax(dim, keepdim=True)


def _along(gradient: Tensor, dim: int) -> Tensor:
    return _any(gradient, dim).expand(gradient.shape)


def _softmax(given: Mapping[str, Any]) -> Any:
    return _along(given["grad_output"], given["dim"])


def _layer_norm(given: Mapping[str, Any]) -> Any:
    gradient, shape = given["grad_out"], given["normalized_shape"]
    return (_along(gradient, -1) if len(shape) == 1 else _same(given)), None, None


def _glu(given: Mapping[str, Any]) -> Any:
    half = _same(given)
    return torch.cat([half, half], given["dim"])


def _selected(given: Mapping[str, Any]) -> Any:
    gradient, dim, sizes = given["grad"], given["dim"], given["sizes"]
    if not sizes:
        return gradient
    if gradient.ndim < len(sizes):
        gradient = gradient.unsqueeze(dim)
    return _any(gradient, dim).expand(sizes)  # one entry, the largest few, or all in order


def _convolution(given: Mapping[str, Any]) -> Any:
    gradient, input, weight = given["grad_output"], given["input"], given["weight"]
    if given["transposed"]:
        return torch.ops.aten.convolution_backward(**given)
    groups, count = given["groups"], weight.ndim - 2
    if gradient.stride(1) == 0:  # all channels are alike, and so are all groups
        groups, gradient = 1, gradient[:, :1]
    outputs = _any(gradient.unflatten(1, (groups, -1)), 2).squeeze(2)
    sides = [_each(given[name], count) for name in ("stride", "padding", "dilation")]
    found = spread(outputs, input.shape[2:], weight.shape[2:], *sides).unsqueeze(2)
    found = found.expand(-1, -1, input.shape[1] // groups, *found.shape[3:])
    return (found.squeeze(1) if groups == 1 else found.reshape(input.shape)), None, None


def _max_pooling(given: Mapping[str, Any]) -> Any:
    gradient, input, count = given["grad_output"], given["self"], len(given["padding"])
    names = "kernel_size", "stride", "padding", "dilation"
    sides = [_each(given[name] or given["kernel_size"], count) for name in names]
    alike = gradient.ndim == count + 2 and gradient.stride(1) == 0
    outputs = gradient[:, :1] if alike else gradient.reshape(1, -1, *gradient.shape[-count:])
    found = spread(outputs, input.shape[-count:], *sides)
    return found.expand(input.shape) if alike else found.reshape(input.shape)


def _adaptive_max(given: Mapping[str, Any]) -> Any:
    gradient, input = given["grad_output"], given["self"]
    count = input.ndim - 2
    found = functional.interpolate(gradient.reshape(1, -1, *gradient.shape[-count:]), size=input.shape[-count:])
    return found.reshape(input.shape)


def _each(numbers: Sequence[int], count: int) -> tuple[int, ...]:
    numbers = tuple(map(int, numbers))
    return numbers * count if len(numbers) == 1 else numbers


def spread(
    outputs: Tensor,
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Return which inputs the windows of some outputs read.

    Args:
        outputs: ones at these outputs, of shape (N, C, …).
        size: the sides of the input.
        kernel: the sides of a window.
        stride: its steps.
        padding: how many positions come before the input.
        dilation: the distance between a window's entries.

    >>> spread(torch.tensor([[[0., 1., 0.]]]), [6], [3], [2], [1], [1])
    tensor([[[0., 1., 1., 1., 0., 0.]]])
    """
    found = outputs
    for number, side in enumerate(size):
        axis = number + 2
        line = found.movedim(axis, 0)
        result = line.new_zeros((side, *line.shape[1:]))
        for offset in range(kernel[number]):
            begin = offset * dilation[number] - padding[number]
            skipped = max(0, -(begin // stride[number])) if begin < 0 else 0
            first = begin + skipped * stride[number]
            count = min(len(line) - skipped, -((first - side) // stride[number]))
            if count > 0:
                end = first + (count - 1) * stride[number] + 1
                part = result[first : end : stride[number]]
                torch.maximum(part, line[skipped : skipped + count], out=part)
        found = result.movedim(0, axis)
    return found


RULES: dict[str, Callable[[Mapping[str, Any]], Any]] = {
    **dict.fromkeys(SAME_SHAPE, _same),
    **{name: _first_of(3) for name in SAME_SHAPE if "norm" in name},
    "_prelu_kernel_backward": _prelu,
    "_softmax_backward_data": _softmax,
    "_log_softmax_backward_data": _softmax,
    "native_layer_norm_backward": _layer_norm,
    "glu_backward": _glu,
    "value_selecting_reduction_backward": _selected,
    "convolution_backward": _convolution,
    **dict.fromkeys(("max_pool2d_with_indices_backward", "max_pool3d_with_indices_backward"), _max_pooling),
    **dict.fromkeys(("adaptive_max_pool2d_backward", "adaptive_max_pool3d_backward"), _adaptive_max),
}
