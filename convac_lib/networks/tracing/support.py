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

from convac_lib.networks.tracing.calls import PRODUCTS, Call, call_of, tensors_in
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


class Support(TorchDispatchMode):
    """Replaces, in a backward pass, every operator by what it does to the support of the gradient.

    Args:
        seed: the gradient that is sent back: ones where it is not zero.
    """

    def __init__(self, seed: Tensor) -> None:
        super().__init__()
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
            output = _pointwise(lambda: func(*args, **(kwargs or {})), gradients)
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
        found = torch.zeros(shape, dtype=torch.bool, device=left.device)
        if left in self._gradients:
            found |= left.ne(0).any(-1, keepdim=True)
        if right in self._gradients:
            found |= right.ne(0).any(-2, keepdim=True)
        return found.to(left.dtype)


def _as_support(output: Any) -> None:
    for tensor in tensors_in(output):
        if tensor.is_floating_point():
            tensor.copy_(tensor.ne(0))


def _pointwise(run: Callable[[], Any], gradients: list[Tensor]) -> Any:
    """Return the output of a pointwise operator, holding the support of all gradients among its inputs."""
    before = [gradient.ne(0) for gradient in gradients]
    output = run()
    for result in tensors_in(output):
        found = torch.zeros(result.shape, dtype=torch.bool, device=result.device)
        for gradient in before:
            found |= gradient
        result.copy_(found)
    return output


def _same(given: Mapping[str, Any]) -> Any:
    gradient = next(value for key, value in given.items() if key.startswith("grad"))
    return gradient.ne(0).to(gradient.dtype)


def _first_of(count: int) -> Callable[[Mapping[str, Any]], Any]:
    return lambda given: (_same(given), *[None] * (count - 1))


def _prelu(given: Mapping[str, Any]) -> Any:
    return _same(given), torch.zeros_like(given["self"])


def _along(gradient: Tensor, dims: Sequence[int]) -> Tensor:
    found = gradient.ne(0)
    for dim in dims:
        found = found.any(dim, keepdim=True)
    return found.expand(gradient.shape).to(gradient.dtype).contiguous()


def _softmax(given: Mapping[str, Any]) -> Any:
    return _along(given["grad_output"], [given["dim"]])


def _layer_norm(given: Mapping[str, Any]) -> Any:
    gradient, shape = given["grad_out"], given["normalized_shape"]
    return (_along(gradient, [-1]) if len(shape) == 1 else _same(given)), None, None


def _glu(given: Mapping[str, Any]) -> Any:
    half = _same(given)
    return torch.cat([half, half], given["dim"])


def _selected(given: Mapping[str, Any]) -> Any:
    gradient, dim, sizes = _same({"grad": given["grad"]}), given["dim"], given["sizes"]
    if not sizes:
        return gradient
    gradient = gradient if given["keepdim"] else gradient.unsqueeze(dim)
    if gradient.shape[dim] != 1:  # the largest few, or all in order
        gradient = gradient.ne(0).any(dim, keepdim=True).to(gradient.dtype)
    return gradient.expand(sizes).contiguous()


def _convolution(given: Mapping[str, Any]) -> Any:
    gradient, input, weight = given["grad_output"], given["input"], given["weight"]
    if given["transposed"]:
        return torch.ops.aten.convolution_backward(**given)
    groups, count = given["groups"], weight.ndim - 2
    outputs = gradient.ne(0).reshape(len(gradient), groups, -1, *gradient.shape[2:]).any(2)
    found = spread(outputs, input.shape[2:], weight.shape[2:], *(_each(given[n], count) for n in ("stride", "padding", "dilation")))
    found = found.unsqueeze(2).expand(-1, -1, input.shape[1] // groups, *found.shape[2:]).reshape(input.shape)
    empty = [torch.zeros_like(weight) if given["output_mask"][1] else None]
    empty += [weight.new_zeros(len(weight)) if given["output_mask"][2] else None]
    return found.to(gradient.dtype), *empty


def _max_pooling(given: Mapping[str, Any]) -> Any:
    gradient, input, count = given["grad_output"], given["self"], len(given["padding"])
    sides = [_each(given[name] or given["kernel_size"], count) for name in ("kernel_size", "stride", "padding", "dilation")]
    found = spread(gradient.ne(0).reshape(1, -1, *gradient.shape[-count:]), input.shape[-count:], *sides)
    return found.reshape(input.shape).to(gradient.dtype)


def _adaptive_max(given: Mapping[str, Any]) -> Any:
    gradient, input = given["grad_output"], given["self"]
    count = input.ndim - 2
    found = functional.interpolate(
        gradient.ne(0).to(torch.float32).reshape(1, -1, *gradient.shape[-count:]), size=input.shape[-count:]
    )
    return found.reshape(input.shape).to(gradient.dtype)


def _each(numbers: Any, count: int) -> tuple[int, ...]:
    numbers = tuple(numbers)
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
        outputs: true at these outputs, of shape (N, C, …).
        size: the sides of the input.
        kernel: the sides of a window.
        stride: its steps.
        padding: how many positions come before the input.
        dilation: the distance between a window's entries.

    >>> spread(torch.tensor([[[False, True, False]]]), [6], [3], [2], [1], [1]).int()
    tensor([[[0, 1, 1, 1, 0, 0]]], dtype=torch.int32)
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
                result[first : end : stride[number]] |= line[skipped : skipped + count]
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
