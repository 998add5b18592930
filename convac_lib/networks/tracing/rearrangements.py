"""Where an operator that only moves numbers sends each pixel: found by sending the pixels' positions through it.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from convac_lib.networks.tracing.windows import SAME, OperatorEffect, PathState, Place, UnsupportedOperator, Window, by


@dataclass(frozen=True)
class Line:
    """How positions run along one axis of a tensor: index i holds base + step·((i // inner) mod count)."""

    axis: int
    inner: int
    count: int
    step: int


def rearranged(state: PathState, input: Tensor, what: str, rearrange: Callable[[Tensor], Any]) -> list[OperatorEffect]:
    """Return the effect on each output of an operator that only moves numbers.

    Args:
        state: the input's.
        input: the tensor that it moves.
        what: the operator, in words.
        rearrange: the operator, as a function of that tensor alone.

    Raises:
        UnsupportedOperator: if it moves pixels as no window does.
    """
    found: list[list[tuple[int, Place | None, Window]]] = []
    for size, place in zip(state.sizes, state.places):
        if place is None:
            continue
        outputs = rearrange(_positions(input, place, size))
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        found.append([_found(output, size) for output in outputs])
    if not found:
        outputs = rearrange(input)
        return [_effect(state, what, [], input)] * (1 if isinstance(outputs, Tensor) else len(outputs))
    return [_effect(state, what, list(each), input) for each in zip(*found, strict=True)]


def _positions(input: Tensor, place: Place, size: int) -> Tensor:
    """Return a tensor of the input's shape that holds, everywhere, the position along one axis of the image."""
    line = torch.arange(input.shape[place.axis], device=input.device) // place.inner % size
    shape = [-1 if axis == place.axis else 1 for axis in range(input.ndim)]
    return line.to(torch.int32).reshape(shape).expand(input.shape).contiguous()


def _effect(
    state: PathState, what: str, found: list[tuple[int, Place | None, Window]], input: Tensor
) -> OperatorEffect:
    """Put what was found along the axes with several positions together with the axes that have one."""
    rest = iter(found)
    axes = [(1, None, SAME) if place is None else next(rest) for place in state.places]
    sizes, places, windows = zip(*axes)
    moves = any((window.side, window.stride) != (1, 1) for window in windows)
    if not moves:
        still = sizes == state.sizes
        return OperatorEffect(what, sizes, places, windows, in_circuit=still)
    skips = all(window.side == 1 for window in windows)
    words = (
        f"one pixel of {by(w.stride for w in windows)}" if skips else f"{what}, windows {by(w.side for w in windows)}"
    )
    if not skips:
        steps = {w.stride for w in windows}
        words += f", stride {steps.pop() if len(steps) == 1 else by(w.stride for w in windows)}"
    positions = 1
    for size in state.sizes:
        positions *= size
    channels = max(1, input.numel() // positions)
    return OperatorEffect(words, sizes, places, windows, "layer", channels, picks=skips)


def _found(positions: Tensor, size: int) -> tuple[int, Place | None, Window]:
    """Find along which axes of a tensor the positions run, and with which windows."""
    axes = [a for a, count in enumerate(positions.shape) if count > 1 and not _is_constant(positions, a, count)]
    if not positions.numel():
        raise UnsupportedOperator("it leaves no pixel")
    base = int(positions.flatten()[0])
    if not axes:
        return 1, None, Window(base, 1, size)
    lines = [_line(positions, axis, base) for axis in axes]
    main = max(lines, key=lambda line: (line.step, line.count))
    if len(lines) > 1:
        _require_sum(positions, lines, base)
    side = 1 + sum((line.count - 1) * line.step for line in lines if line is not main)
    return main.count, Place(main.axis, main.inner), Window(base, side, main.step)


def _is_constant(positions: Tensor, axis: int, count: int) -> bool:
    return torch.equal(positions.narrow(axis, 1, count - 1), positions.narrow(axis, 0, count - 1))


def _line(positions: Tensor, axis: int, base: int) -> Line:
    line = positions.movedim(axis, 0).flatten(1)[:, 0]
    changes = line.diff().nonzero()
    inner = int(changes[0]) + 1
    digits = line[::inner]
    step = int(digits[1]) - base
    expected = base + step * torch.arange(len(digits), device=line.device)
    wrong = (digits != expected).nonzero()
    count = int(wrong[0]) if len(wrong) else len(digits)
    index = torch.arange(len(line), device=line.device)
    if step < 1 or (line != base + step * (index // inner % count)).any():
        raise UnsupportedOperator("it moves pixels as no window does")
    return Line(axis, inner, count, step)


def _require_sum(positions: Tensor, lines: list[Line], base: int) -> None:
    """Refuse positions that are not the sum of what runs along each axis."""
    total = torch.full_like(positions, base)
    for line in lines:
        index = torch.arange(positions.shape[line.axis], device=positions.device)
        shape = [-1 if axis == line.axis else 1 for axis in range(positions.ndim)]
        total += (line.step * (index // line.inner % line.count)).to(positions.dtype).reshape(shape)
    if (total != positions).any():
        raise UnsupportedOperator("it moves pixels as no window does")
