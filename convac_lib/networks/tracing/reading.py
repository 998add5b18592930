"""Read a torch model: run it once, follow the image through it, and check the result by one backward pass.

Taught in the chapter *The overlap theorem*.
"""

import reprlib
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from convac_lib.errors import ArchitectureError, BudgetError, ConvacError
from convac_lib.networks.tracing.calls import tensors_in
from convac_lib.networks.tracing.checking import Check, checked
from convac_lib.networks.tracing.inputs import Inputs, inputs_of
from convac_lib.networks.tracing.network import TracedNetwork
from convac_lib.networks.tracing.running import blank_image, is_large, run_once
from convac_lib.networks.tracing.tracer import Tracer, end_of
from convac_lib.networks.tracing.windows import PathState


def from_torch(
    model: nn.Module, input_size: int | Sequence[int] | None = None, *, example: Any = None
) -> TracedNetwork:
    """Read the receptive fields and strides of a torch model, by tracing the image through one run of it.

    The model runs once on zeros, in evaluation mode, and stays as it is. Convolutions, poolings and whatever else reads
    windows become layers, each with its side and stride along each axis. A dilated window of k entries counts as one of
    (k−1)·dilation + 1. A global pooling, or a linear map of a whole map, is one window over all of it. Where branches
    of equal stride meet, the output sees what they see together. What is the same at every pixel, a gate for example,
    adds no layer. Attention, transposed convolutions, resampling and what else has no windows of one stride are named
    with the reason; a network whose output depends on them is read in part, and says so.

    At the end the support of a gradient, from one pixel of the last map, is compared with the windows.

    Args:
        model: any module that maps a batch of images, of one to three axes, to tensors.
        input_size: the image's side in pixels, or (channels, height, width), or (channels, length), or
            (channels, depth, height, width). With the side alone, the channels are those that the first convolution
            reads, or 3 if it is lazy or there is none.
        example: in place of a size, an example of the inputs: a tensor, a tuple of arguments, or a dictionary of them
            by name. The first tensor is the image.

    Returns:
        The `TracedNetwork`.

    Raises:
        ArchitectureError: if the model is no module, does not run on such an image, or has no layer of windows; if the
            input size has another form.
        BudgetError: if the model needs more memory for such an image than is free.

    Chapter: *The overlap theorem*.

    >>> model = nn.Sequential(
    ...     nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3, padding=2, dilation=2)
    ... )
    >>> traced = from_torch(model, 32)
    >>> traced.architecture.total_receptive_fields, traced.architecture.total_strides
    ((3, 4, 12), (1, 2, 2))
    >>> for step in traced.account:
    ...     print(step.role, "|", step)
    layer | 0: convolution 3×3, padding 1
    pointwise | 1: relu
    layer | 2: max pooling 2×2, stride 2
    layer | 3: convolution 3×3, dilation 2, padding 2
    >>> print(traced.read, "|", traced.check)
    whole | the gradient of pixel (8, 8) of the last map reads rows 11 to 22 and columns 11 to 22, as the windows say
    """
    model = _readable(model)
    guesses = inputs_of(model, input_size, example)
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        model = _copied(model)  # the run sets the copy's sizes, and the given model stays as it is
    first: ConvacError | None = None
    for inputs in guesses:
        try:
            return _read(model, inputs)
        except BudgetError:
            raise
        except ArchitectureError as error:
            first = first or error
    assert first is not None
    raise first


def _read(model: nn.Module, inputs: Inputs) -> TracedNetwork:
    """Run a model, once more if unknown tensors might hold the image, and return what was read."""
    found = _run(model, inputs, frozenset())
    if found[1].unknown and (hidden := _hidden(model, inputs)):
        found = _run(model, inputs, hidden)
    outputs, tracer, check_of = found
    states = [(tensor, tracer.states[tensor]) for tensor in tensors_in(outputs) if tensor in tracer.states]
    if not states:
        raise ArchitectureError(_no_output(model, outputs, tracer))
    tensor, reached = max(states, key=lambda pair: (not pair[1].lost, sum(window.side for window in pair[1].windows)))
    unread = reached.unread.union(*(state.unread for _, state in states if state.lost))
    if not reached.layers:
        lost = "".join(f"; {step}" for step in tracer.steps.values() if step.role == "not mapped")
        raise ArchitectureError(
            f"{type(model).__name__} has no layer of windows from the image on, and so no architecture{lost}; "
            "give a model of convolutions or poolings"
        )
    return _network(reached, tracer, unread, check_of(tensor, reached))


def _network(reached: PathState, tracer: Tracer, unread: frozenset[int], check: Check) -> TracedNetwork:
    path = dict(reached.layers)
    account = tuple(
        path.get(key, replace(step, role="off the path") if step.role == "layer" else step)
        for key, step in tracer.steps.items()
    )
    sides, channels = reached.image
    reasons = tuple(step for key, step in tracer.steps.items() if key in unread)
    return TracedNetwork(sides, channels, account, tuple(path.values()), reasons, check, frozenset(tracer.borders))


def _run(model: nn.Module, inputs: Inputs, hidden: frozenset[int]) -> Any:
    """Run a model with gradients, or without if that fails; return its outputs, the tracer, and the check."""
    blank = blank_image(model, inputs)
    differentiable = blank.is_floating_point() and not is_large(inputs.shape)
    if differentiable:
        leaf = blank.requires_grad_()
        tracer = Tracer(hidden=hidden)
        try:
            with torch.enable_grad():
                image = leaf.clone()
                outputs, leaves = run_once(model, inputs, image, tracer)
        except BudgetError:
            raise
        except ConvacError:
            blank = blank.detach()
        else:
            return outputs, tracer, lambda tensor, state: _check(tensor, state, leaves, image, leaf)
    tracer = Tracer(computes=True, hidden=hidden)
    with torch.no_grad():
        outputs, _ = run_once(model, inputs, blank.detach(), tracer)
    reason = (
        "the model does not run with gradients"
        if differentiable
        else "the image does not vary continuously, or is too large for a backward pass"
    )
    return outputs, tracer, lambda tensor, state: Check(None, f"not checked: {reason}")


def _check(tensor: Tensor, state: PathState, leaves: bool, image: Tensor, leaf: Tensor) -> Check:
    if leaves:
        return Check(None, "not checked: generalized convolutions are read from their modules")
    return checked(state.end if state.is_point or state.lost else end_of(tensor, state), image, leaf)


def _hidden(model: nn.Module, inputs: Inputs) -> frozenset[int]:
    """Return the numbers of the unknown tensors that differ between two images: those that are computed from it."""
    found = []
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        tracer = Tracer(computes=True)
        blank = blank_image(model, inputs)
        image = torch.rand(blank.shape, generator=generator).to(blank)
        with torch.no_grad():
            run_once(model, inputs, image, tracer)
        found.append([tensor.detach().clone() for tensor in tracer.unknown])
    if len(found[0]) != len(found[1]):
        return frozenset(range(max(map(len, found))))
    return frozenset(number for number, (one, other) in enumerate(zip(*found)) if not _are_equal(one, other))


def _are_equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one.nan_to_num(), other.nan_to_num())


def _no_output(model: nn.Module, outputs: Any, tracer: Tracer) -> str:
    name = type(model).__name__
    if not tensors_in(outputs):
        kind = type(outputs).__name__
        return f"{name} returns {kind}, in which no tensor can be found; return a tensor, or tensors in a tuple or dict"
    lost = "".join(f"; {step}" for step in tracer.steps.values() if step.role == "not mapped")
    return f"{name} returns nothing that was computed from the image{lost}; give a model whose output depends on it"


def _readable(model: nn.Module) -> nn.Module:
    """Return the module itself, taken out of what `torch.compile` returns."""
    if not isinstance(model, nn.Module):
        raise ArchitectureError(
            f"from_torch reads a torch.nn.Module, and this is {reprlib.repr(model)}; give it a network"
        )
    original = getattr(model, "_orig_mod", model)
    return original if isinstance(original, nn.Module) else model


def _copied(model: nn.Module) -> nn.Module:
    lazy = [buffer for buffer in model.buffers() if is_lazy(buffer)]  # torch copies a lazy parameter, not a buffer
    try:
        # torch's stubs do not know the arguments of UninitializedBuffer.__new__
        new = [UninitializedBuffer(device=b.device, dtype=b.dtype) for b in lazy]  # type: ignore[call-arg]
        return deepcopy(model, {id(old): buffer for old, buffer in zip(lazy, new)})
    except Exception as error:  # whatever the model's own parts raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ArchitectureError(
            f"{type(model).__name__} has lazy modules, and cannot be copied to find their sizes: {reason}; "
            "run it once on a batch, and then give it"
        ) from error
