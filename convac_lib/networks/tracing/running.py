"""Run a model once on a blank image, within the memory that is free, and leave it as it was.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from itertools import chain
from math import isqrt, prod
from typing import Any

import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from convac_lib.budget import require_memory
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError

Shape = tuple[int, int, int, int]
_LARGE = 2**24  # numbers in an image from which on the memory that the model needs is estimated


def blank_image(model: nn.Module, shape: Shape) -> Tensor:
    """Return zeros of the model's type, on the model's device.

    Args:
        model: the model that will read them.
        shape: (1, C, H, W).

    Raises:
        BudgetError: if the model needs more memory for them than is free.
    """
    parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    _require_room(model, shape, parameter)
    return torch.zeros(shape, dtype=parameter.dtype, device=parameter.device)


def run_once(model: nn.Module, image: Tensor, mode: TorchFunctionMode) -> list[Tensor]:
    """Return the tensors that a model makes of an image in evaluation mode, without gradients.

    Args:
        model: the model; it, and torch's random state, stay as they are.
        image: what it reads.
        mode: what watches torch's functions meanwhile.

    Raises:
        ArchitectureError: if the model does not run.
        BudgetError: if it needs more memory than is free.
    """
    training = {module: module.training for module in model.modules()}
    gpus = {p.device.index for p in model.parameters() if p.device.type == "cuda"}
    try:
        model.eval()
        with torch.random.fork_rng(gpus), torch.no_grad(), mode:  # a lazy module draws its weights
            return tensors_in(model(image))
    except Exception as error:  # whatever the model's own parts raise
        raise _reason_for(error, model, tuple(image.shape)) from error
    finally:
        for module, was_training in training.items():
            module.training = was_training


def _reason_for(error: Exception, model: nn.Module, shape: tuple[int, ...]) -> ConvacError:
    reason = str(error).partition("\n")[0] or type(error).__name__
    too_much = "allocate memory" in reason or "size calculation overflowed" in reason
    if too_much or isinstance(error, MemoryError | torch.OutOfMemoryError):
        return BudgetError(
            f"the model needs more memory than is free on a batch of shape {shape}; give a smaller input size"
        )
    if lazy := _first_lazy(model):
        return ArchitectureError(
            f"the model does not run on a batch of shape {shape}, with {lazy} not initialized: {reason}; "
            "give the input size as (channels, height, width), or run the model once on a batch, and then give it"
        )
    return ArchitectureError(
        f"the model does not run on a batch of shape {shape}: {reason}; give the input size that it is made for"
    )


def tensors_in(values: object) -> list[Tensor]:
    """Return the tensors in nested lists, tuples and dictionaries, in order.

    >>> tensors_in({"x": torch.tensor(1), "rest": (2, [torch.tensor(3)])})
    [tensor(1), tensor(3)]
    """
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (tuple, list)):
        return []
    return [tensor for value in values for tensor in tensors_in(value)]


def _first_lazy(model: nn.Module) -> str | None:
    """Return the name of the first parameter or buffer that has no size yet."""
    named = chain(model.named_parameters(), model.named_buffers())
    return next((name for name, tensor in named if is_lazy(tensor)), None)


def _require_room(model: nn.Module, shape: Shape, parameter: Tensor) -> None:
    """Refuse an image for which 1.5 times the model's largest operation needs more memory than is free."""
    if parameter.device.type != "cpu" or prod(shape) < _LARGE:
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
