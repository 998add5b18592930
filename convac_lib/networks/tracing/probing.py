"""An operator that is not known by name: find out on numbers where it moves pixels.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from convac_lib.networks.tracing.calls import tensors_in
from convac_lib.networks.tracing.windows import (
    SAME,
    OperatorEffect,
    PathState,
    Place,
    UnsupportedOperator,
    Window,
    by,
)

DRAWS = 3
LARGEST = 2**22  # numbers in a tensor on which an operator is tried


def probed(state: PathState, input: Tensor, what: str, operator: Callable[[Tensor], Any]) -> OperatorEffect:
    """Return the effect of an operator, by changing single rows of random inputs.

    Args:
        state: the input's.
        input: the tensor that it reads.
        what: the operator, in words.
        operator: the operator, as a function of that tensor alone; it may write into it.

    Raises:
        UnsupportedOperator: if it is neither the same at every pixel nor makes one pixel of all, or does not run.
    """
    if input.numel() > LARGEST or input.device.type == "meta":
        raise UnsupportedOperator("not known here")
    generator = torch.Generator(input.device).manual_seed(0)
    samples = [_random(input, generator) for _ in range(DRAWS)]
    try:
        results = [_first(operator(sample.clone())) for sample in samples]
        sizes, places, windows = [], [], []
        for size, place in zip(state.sizes, state.places):
            pooled, new = False, place
            if place is not None:
                pooled, new = _along(operator, samples, results, place, size, generator)
            sizes.append(1 if pooled else size)
            places.append(new)
            windows.append(Window(0, size, size) if pooled else SAME)
    except UnsupportedOperator:
        raise
    except Exception:  # noqa: BLE001  # whatever the operator refuses
        raise UnsupportedOperator("not known here") from None
    if all(window == SAME for window in windows):
        return OperatorEffect(what, tuple(sizes), tuple(places), tuple(windows))
    positions = 1
    for size in state.sizes:
        positions *= size
    words = f"{what}, pooling {by(state.sizes)}"
    return OperatorEffect(
        words, tuple(sizes), tuple(places), tuple(windows), "layer", max(1, input.numel() // positions)
    )


def _random(input: Tensor, generator: torch.Generator) -> Tensor:
    """Return random numbers of a tensor's shape and type, positive and negative, small and large."""
    if input.dtype == torch.bool:
        return torch.rand(input.shape, generator=generator, device=input.device) < 0.5
    numbers = 3 * torch.randn(input.shape, generator=generator, device=input.device)
    return numbers.to(input.dtype)


def _first(output: Any) -> Tensor:
    found = tensors_in(output)
    if not found:
        raise UnsupportedOperator("it returns no tensor")
    return found[0]


def _along(
    operator: Callable[[Tensor], Any],
    samples: list[Tensor],
    results: list[Tensor],
    place: Place,
    size: int,
    generator: torch.Generator,
) -> tuple[bool, Place | None]:
    """Find whether an axis of the image is pooled, and otherwise where it lies in the output."""
    entries = samples[0].shape[place.axis]
    candidates = {axis for axis in range(results[0].ndim) if results[0].shape[axis] == entries}
    seen = False
    for position in sorted({0, size // 2, size - 1}):
        here = torch.arange(entries, device=samples[0].device) // place.inner % size == position
        changed = torch.zeros_like(results[0], dtype=torch.bool)
        for sample, result in zip(samples, results):
            other = sample.movedim(place.axis, 0).clone()
            other[here] = _random(other[here], generator)
            after = _first(operator(other.movedim(0, place.axis).contiguous()))
            changed |= (after != result) & ~(after.isnan() & result.isnan())
        seen |= bool(changed.any())
        candidates = {axis for axis in candidates if not changed.movedim(axis, 0)[~here].any()}
    if not seen:
        raise UnsupportedOperator("it does not depend on its input")
    if place.axis in candidates:
        return False, place
    if len(candidates) == 1:
        return False, Place(candidates.pop(), place.inner)
    if candidates or results[0].numel() * size > samples[0].numel():
        raise UnsupportedOperator("every position may read every other")
    return True, None
