"""Read your own network: the path of receptive fields and strides of any torch model, and what has none.

Taught in the chapter *The overlap theorem*.
"""

import reprlib
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from convac_lib.architecture import Architecture
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError
from convac_lib.networks.tracing.tracer import Follower, Step


@dataclass(frozen=True)
class TracedNetwork:
    """What `from_torch` reads off a model: its widest path as an `Architecture`, and an account of every operation.

    Printed, it is a table of the path's layers, and what was made of everything else.

    Attributes:
        architecture: the layers of windows on the widest path, up to the first operation that is not mapped.
        account: every `Step`, in the order in which the model took them.

    Chapter: *The overlap theorem*.
    """

    architecture: Architecture
    account: tuple[Step, ...]

    def steps(self, role: str) -> tuple[Step, ...]:
        """The account's steps of one role."""
        return tuple(step for step in self.account if step.role == role)

    @property
    def outside(self) -> Step | None:
        """The first step that no ConvAC has, for which the theory is not about this network; None for a ConvAC."""
        return next((step for step in self.account if not step.in_circuit), None)

    @property
    def other_sizes(self) -> dict[int, int]:
        """{l: the side of layer l's output in the model} where its padding gives another than the architecture's."""
        sizes = zip(self.steps("layer"), self.architecture.sizes)
        return {number: step.size for number, (step, size) in enumerate(sizes, start=1) if step.size != size}

    def __str__(self):
        *table, _ = str(self.architecture).splitlines()
        read_from = ["read from", "", *map(str, self.steps("layer"))]
        lines = [f"{row}  {words}".rstrip() for row, words in zip(table, read_from, strict=True)]
        sizes = ", ".join(f"{size}×{size} in layer {number}" for number, size in self.other_sizes.items())
        lines += [
            f"{self.architecture.kind}, border {self.architecture.border!r}",
            f"sizes: the model's padding gives {sizes}" if sizes else "sizes: as the model's own",
        ]
        for role in ("representation", "dense", "off the path", "left out"):
            if steps := self.steps(role):
                lines.append(f"{role}: {'; '.join(map(str, steps))}")
        for role in ("pointwise", "join"):
            if steps := Counter(step.what for step in self.steps(role)):
                lines.append(f"{role}: {', '.join(f'{what} ×{count}' for what, count in steps.items())}")
        unmapped = Counter(step.what for step in self.steps("not mapped"))
        first = {step.what: step for step in reversed(self.steps("not mapped"))}
        words = [f"{first[what]}" + f" (×{count})" * (count > 1) for what, count in unmapped.items()]
        words += [f"{len(self.steps('above'))} more operations above"] * bool(self.steps("above"))
        return "\n".join([*lines, f"not mapped: {'; '.join(words) or 'nothing'}"])


def from_torch(model: nn.Module, input_size: int | tuple[int, int, int]) -> TracedNetwork:
    """Read the receptive fields and strides of a torch model, by following the image through one run of it.

    The model runs once on zeros, in evaluation mode; if it is lazy, a copy of it does. Convolutions and poolings become layers; a dilated window of k×k
    counts as (k−1)·dilation + 1; a global pooling, or a linear map of a whole map, is one window of all of it. Where
    branches meet, the path goes on along the one with the largest total receptive field at equal stride. What acts on
    every pixel alike changes nothing. Attention, transposed convolutions, resampling, windows that are not square, and
    all that is not known here are named with the reason, and the architecture ends below the first of them that the
    output depends on.

    M is the number of channels that enter the first layer; ConvNets, which have no representation, enter the image's.
    The border is the one under which the architecture's sizes are the model's own, if there is one; otherwise the
    account says where they differ.

    Args:
        model: any module that maps a batch of square images to a tensor.
        input_size: the image's side in pixels, or (channels, height, width); with the side alone, the channels are those
            that the first convolution reads, or 3 where it is lazy or there is none.

    Returns:
        The `TracedNetwork`.

    Raises:
        ArchitectureError: if it is no module, cannot run on such an image, or has no layer of windows; if the input
            size is none, or not square.

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
    """
    if not isinstance(model, nn.Module):
        raise ArchitectureError(
            f"from_torch reads a torch.nn.Module, and this is {reprlib.repr(model)}; give it a network"
        )
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ArchitectureError("a scripted module hides what it does; give the module that it was scripted from")
    model = getattr(model, "_orig_mod", model)  # within what torch.compile returns
    shape = _shape(model, input_size)
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        model = _copied(model)  # the run gives it its sizes, and the given one stays as it is
    follower = Follower(model)
    reached = follower.run(model, shape)
    account = tuple(
        replace(step, role="off the path") if step.role == "layer" and number not in reached.layers else step
        for number, step in enumerate(follower.steps)
    )
    traced = [step for step in account if step.role == "layer"]
    if not traced:
        lost = "".join(f"; {step}" for step in account if step.role == "not mapped")
        raise ArchitectureError(
            f"{type(model).__name__} has no layer of windows from the image on, and so no architecture{lost}; "
            "give a model of convolutions or poolings"
        )
    return TracedNetwork(_architecture(reached.start, traced, follower.borders), account)


def _copied(model):
    lazy = [buffer for buffer in model.buffers() if is_lazy(buffer)]  # torch copies a lazy parameter, not a buffer
    try:
        return deepcopy(model, {id(b): UninitializedBuffer(device=b.device, dtype=b.dtype) for b in lazy})
    except Exception as error:  # whatever the model's own parts raise
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise ArchitectureError(
            f"{type(model).__name__} has lazy modules, and cannot be copied to find their sizes: {reason}; "
            "run it once on a batch, and then give it"
        ) from error


def _shape(model, input_size):
    """(1, C, H, H); an image's channels are those that the first convolution asks for, unless it is lazy and has 0."""
    if isinstance(input_size, int):
        asked = next((m.in_channels for m in model.modules() if hasattr(m, "in_channels")), 0)
        input_size = (asked if isinstance(asked, int) and asked > 0 else 3, input_size, input_size)
    if not isinstance(input_size, (tuple, list)) or len(input_size) != 3:
        raise ArchitectureError(
            f"an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), "
            f"not {reprlib.repr(input_size)}"
        )
    channels, height, width = input_size
    require_integers(error=ArchitectureError, channels=channels, height=height, width=width)
    if height != width:
        raise ArchitectureError(f"an architecture's image is square, and this one is {height}×{width}; make them equal")
    return 1, channels, height, width


def _architecture(start, traced, borders):
    """With the border under which the sizes are the model's own, if there is one."""
    size, channels = start
    layers = [step.layer for step in traced]
    for border in sorted(borders - {"neutral"}) or ("neutral", "valid"):
        try:
            architecture = Architecture(size, channels, layers, border)
        except ArchitectureError:  # a window that does not fit
            continue
        if architecture.sizes == tuple(step.size for step in traced):
            return architecture
    return Architecture(size, channels, layers)
