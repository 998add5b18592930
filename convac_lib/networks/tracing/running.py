"""Run a model once, within the memory that is free, and leave it as it was.

Taught in the chapter *The overlap theorem*.
"""

import random
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from itertools import chain
from math import isqrt, prod
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from convac_lib.budget import require_memory
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError
from convac_lib.networks.tracing.calls import tensors_in
from convac_lib.networks.tracing.inputs import Inputs, Shape, arguments_with
from convac_lib.networks.tracing.tracer import Tracer
from convac_lib.networks.tracing.watching import watched

_LARGE = 2**24  # numbers in an image from which on the memory that the model needs is estimated


def blank_image(model: nn.Module, inputs: Inputs) -> Tensor:
    """Return the example's image, or zeros of the model's type on the model's device.

    Args:
        model: the model that will read them.
        inputs: what it is called with.

    Raises:
        BudgetError: if the model needs more memory for them than is free.
    """
    if inputs.args is not None:
        return tensors_in((inputs.args, inputs.kwargs))[0].detach().clone()
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    _require_room(model, inputs.shape, parameter)
    return torch.zeros(inputs.shape, dtype=parameter.dtype, device=parameter.device)


def is_large(shape: Shape) -> bool:
    """Whether an image is too large for a backward pass.

    Args:
        shape: its shape.
    """
    return prod(shape) >= _LARGE


def run_once(model: nn.Module, inputs: Inputs, image: Tensor, tracer: Tracer) -> tuple[Any, bool]:
    """Return what a model makes of an image in evaluation mode, and whether modules of this library were read whole.

    Args:
        model: the model; it, and the random states, stay as they are.
        inputs: what it is called with.
        image: the image among it.
        tracer: follows the image.

    Raises:
        ArchitectureError: if the model does not run.
        BudgetError: if it needs more memory than is free.
    """
    args, kwargs = arguments_with(inputs, image)
    tracer.begin(model, image, [tensor for tensor in tensors_in((args, kwargs)) if tensor is not image])
    gpus = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    try:
        with ExitStack() as stack:
            stack.enter_context(torch.random.fork_rng(gpus))  # a lazy module draws its weights
            stack.enter_context(_kept_random_states())
            if "torch._dynamo" in sys.modules:  # else nothing was compiled, and loading it takes seconds
                stack.enter_context(torch.compiler.set_stance("force_eager"))
            watch = stack.enter_context(watched(model, tracer))
            model.eval()
            return model(*args, **kwargs), watch.leaves
    except Exception as error:  # whatever the model's own parts raise
        raise _reason_for(error, model, inputs) from error


@contextmanager
def _kept_random_states() -> Iterator[None]:
    """Put Python's and NumPy's random states back afterwards."""
    own, numpys = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(own)
        np.random.set_state(numpys)


def _reason_for(error: Exception, model: nn.Module, inputs: Inputs) -> ConvacError:
    """Say why a model does not run, with the remedy that fits."""
    reason = str(error).partition("\n")[0].rstrip(".;") or type(error).__name__
    too_much = "allocate memory" in reason or "size calculation overflowed" in reason
    if too_much or isinstance(error, MemoryError | torch.OutOfMemoryError):
        return BudgetError(
            f"the model needs more memory than is free on a batch of shape {inputs.shape}; give a smaller input size"
        )
    guess = f" ({inputs.guess})" if inputs.guess else ""
    remedy = "give the input size that it is made for"
    if lazy := _first_lazy(model):
        guess += f", with {lazy} not initialized"
        remedy = "give the input size as (channels, height, width), or run the model once on a batch, and then give it"
    elif "missing" in reason and "argument" in reason:
        remedy = "it has several inputs: give an example of them, as in from_torch(model, example=(image, other))"
    elif inputs.args is not None:
        remedy = "give an example that it is made for"
    elif "eval() is not supported" in reason:
        remedy = "give the module that it was exported from"
    elif "training" in reason:
        remedy = "it is read in evaluation mode: give a model that runs in it"
    elif inputs.guess:
        remedy = (
            "give the input size that it is made for as (channels, height, width), or (channels, length) for signals"
        )
    return ArchitectureError(f"the model does not run on a batch of shape {inputs.shape}{guess}: {reason}; {remedy}")


def _first_lazy(model: nn.Module) -> str | None:
    """Return the name of the first parameter or buffer that has no size yet."""
    named = chain(model.named_parameters(), model.named_buffers())
    return next((name for name, tensor in named if is_lazy(tensor)), None)


def _require_room(model: nn.Module, shape: Shape, parameter: Tensor) -> None:
    """Refuse an image for which 1.5 times the model's largest operation needs more memory than is free."""
    if parameter.device.type != "cpu" or not is_large(shape) or len(shape) != 4:
        return
    most = prod(shape)
    if not _first_lazy(model):
        meta = {name: tensor.to("meta") for name, tensor in chain(model.named_parameters(), model.named_buffers())}
        for side in {shape[2], min(shape[2], 4096)}:  # one may be more than torch counts, or less than the model reads
            largest = _LargestOperation()
            with suppress(Exception), torch.no_grad(), largest:  # models that read values do not run without any
                functional_call(model, meta, torch.empty(1, shape[1], side, side, dtype=parameter.dtype, device="meta"))
            most = max(most, largest.numbers * shape[2] ** 2 // side**2)
    needed = most * parameter.dtype.itemsize * 3 // 2
    side = isqrt(shape[2] ** 2 * psutil.virtual_memory().available // needed)
    what = f"{type(model).__name__} on an image of {shape[2]:,}×{shape[3]:,} pixels"
    require_memory(needed, what, f"give an input size of at most {side:,}")


class _LargestOperation(TorchFunctionMode):
    """Finds the largest count of numbers that the arguments and outputs of one function hold together."""

    numbers = 0

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Collection[type],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        self.numbers = max(self.numbers, sum(tensor.numel() for tensor in tensors_in((args, kwargs, output))))
        return output
