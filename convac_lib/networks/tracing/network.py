"""Read your own network: the receptive fields and strides on the widest path of any torch model.

Taught in the chapter *The overlap theorem*.
"""

import reprlib
from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import chain

import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from convac_lib.architecture import Architecture, Layer
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError
from convac_lib.networks.tracing.running import Shape
from convac_lib.networks.tracing.tracer import Step, Tracer


@dataclass(frozen=True)
class TracedNetwork:
    """What `from_torch` finds in a model: its widest path as an `Architecture`, and an account of every operation.

    Printed, it is a table of the path's layers, followed by how every other operation was read.

    Attributes:
        architecture: the layers of windows on the widest path, up to the first operation that is not mapped.
        account: every `Step`, in the order in which the model took them.

    Chapter: *The overlap theorem*.
    """

    architecture: Architecture
    account: tuple[Step, ...]

    def steps(self, role: str) -> tuple[Step, ...]:
        """Return the account's steps of one role.

        Args:
            role: the role, as in `Step`.
        """
        return tuple(step for step in self.account if step.role == role)

    @property
    def outside(self) -> Step | None:
        """The first step that no ConvAC has, so that the theory is not about this network; None for a ConvAC."""
        return next((step for step in self.account if not step.in_circuit), None)

    @property
    def other_sizes(self) -> dict[int, int]:
        """{l: the side of layer l's output in the model} where it differs from the architecture's, due to padding."""
        sizes = zip((step.size for step in self.steps("layer")), self.architecture.sizes)
        return {number: own for number, (own, size) in enumerate(sizes, start=1) if own is not None and own != size}

    def __str__(self) -> str:
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
            if counts := Counter(step.what for step in self.steps(role)):
                lines.append(f"{role}: {', '.join(f'{what} ×{count}' for what, count in counts.items())}")
        return "\n".join([*lines, f"not mapped: {'; '.join(self._not_mapped()) or 'nothing'}"])

    def _not_mapped(self) -> list[str]:
        """Return the first of every kind of step that is not mapped, and the number of operations above them."""
        steps = self.steps("not mapped")
        counts, first = Counter(step.what for step in steps), {step.what: step for step in reversed(steps)}
        words = [f"{first[what]}" + f" (×{count})" * (count > 1) for what, count in counts.items()]
        return words + [f"{len(self.steps('above'))} more operations above"] * bool(self.steps("above"))


def from_torch(model: nn.Module, input_size: int | tuple[int, int, int]) -> TracedNetwork:
    """Read the receptive fields and strides of a torch model, by tracing the image through one run of it.

    The model runs once on zeros, in evaluation mode; if it is lazy, a copy of it runs instead. Convolutions and
    poolings become layers. A dilated window of k×k counts as one of (k−1)·dilation + 1. A global pooling, or a linear
    map of a whole map, is one window over all of it. Where branches meet, the path continues along the one with the
    largest total receptive field at equal stride. What is the same at every pixel adds no layer. Attention, transposed
    convolutions, resampling, windows that are not square, and operators that are not known here are named with the
    reason, and the architecture ends below the first of them that the output depends on.

    M is the number of channels of the first layer's input; ConvNets have no representation, so for them it is the
    image's. The border is the one under which the architecture's sizes are the model's own, if there is one; otherwise
    the account says where they differ.

    Args:
        model: any module that maps a batch of square images to a tensor.
        input_size: the image's side in pixels, or (channels, height, width). With the side alone, the channels are
            those that the first convolution reads, or 3 if it is lazy or there is none.

    Returns:
        The `TracedNetwork`.

    Raises:
        ArchitectureError: if the model is no module, does not run on such an image, or has no layer of windows; if the
            input size has another form, or is not square.
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
    """
    model = _readable(model)
    shape = _shape(model, input_size)
    if any(map(is_lazy, chain(model.parameters(), model.buffers()))):
        model = _copied(model)  # the run sets the copy's sizes, and the given model stays as it is
    tracer = Tracer(model)
    reached = tracer.run(model, shape)
    account = tuple(
        replace(step, role="off the path") if step.role == "layer" and number not in reached.layers else step
        for number, step in enumerate(tracer.steps)
    )
    path = [(step.layer, step.size) for step in account if step.role == "layer"]
    if not path:
        lost = "".join(f"; {step}" for step in account if step.role == "not mapped")
        raise ArchitectureError(
            f"{type(model).__name__} has no layer of windows from the image on, and so no architecture{lost}; "
            "give a model of convolutions or poolings"
        )
    return TracedNetwork(_architecture(reached.start, path, tracer.borders), account)


def _readable(model: nn.Module) -> nn.Module:
    """Return the module itself, taken out of what `torch.compile` returns."""
    if not isinstance(model, nn.Module):
        raise ArchitectureError(
            f"from_torch reads a torch.nn.Module, and this is {reprlib.repr(model)}; give it a network"
        )
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ArchitectureError("a scripted module hides what it does; give the module that it was scripted from")
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


def _shape(model: nn.Module, input_size: object) -> Shape:
    """Return (1, C, H, H); unless C is given, it is what the first convolution reads, or 3 where that is unknown."""
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


def _architecture(
    start: tuple[int, int], path: Sequence[tuple[Layer | None, int | None]], borders: set[str]
) -> Architecture:
    """Return the path with the border under which the sizes are the model's own, if there is one."""
    size, channels = start
    layers = tuple(layer for layer, _ in path if layer is not None)
    for border in sorted(borders - {"neutral"}) or ("neutral", "valid"):
        try:
            architecture = Architecture(size, channels, layers, border)
        except ArchitectureError:  # a window that does not fit
            continue
        if architecture.sizes == tuple(own for _, own in path):
            return architecture
    return Architecture(size, channels, layers)
