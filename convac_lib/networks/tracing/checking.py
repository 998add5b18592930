"""Check a path that was read against the support of a gradient: one backward pass from one pixel of its last map.

Taught in the chapter *The overlap theorem*.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from convac_lib.networks.tracing.support import Support
from convac_lib.networks.tracing.windows import End, Window

AXES = {1: ("positions",), 2: ("rows", "columns"), 3: ("slices", "rows", "columns")}


@dataclass(frozen=True)
class Check:
    """What one backward pass says of the windows that were read.

    Attributes:
        agrees: whether the gradient's support is what the windows say; None if there was no such pass.
        words: what was compared, or why nothing was.

    Chapter: *The overlap theorem*.
    """

    agrees: bool | None
    words: str

    def __str__(self) -> str:
        return self.words


def checked(end: End | None, image: Tensor, leaf: Tensor) -> Check:
    """Compare the windows of a path's last map with the support of the gradient of one of its pixels.

    Args:
        end: the path's last map.
        image: the image as the model read it.
        leaf: the tensor, in front of it, for which the gradient is computed.
    """
    if end is None:
        return Check(None, "not checked: no map has more than one pixel")
    if image.device.type == "meta":
        return Check(None, "not checked: a model on the meta device has no gradients")
    if end.edge is None:
        return Check(None, "not checked: no gradient leads from the last map to the image")
    pixel = _pixel(end, image.shape[2:])
    seed = _seed(end, pixel, image)
    try:
        with Support(seed):
            (gradient,) = torch.autograd.grad([end.edge], [leaf], [seed], allow_unused=True)
    except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return Check(None, f"not checked: the backward pass does not run: {reason}")
    if gradient is None or not gradient.any():
        return Check(None, "not checked: no gradient leads from the last map to the image")
    return _compared(end, pixel, gradient)


def _compared(end: End, pixel: tuple[int, ...], gradient: Tensor) -> Check:
    names = AXES.get(len(pixel), ("positions",) * len(pixel))
    seen, said, agrees, cut = [], [], True, False
    for axis, (name, position, window) in enumerate(zip(names, pixel, end.state.windows)):
        size = gradient.shape[axis + 2]
        others = [other for other in range(gradient.ndim) if other != axis + 2]
        found = gradient.ne(0).sum(others).nonzero()
        low, high = int(found[0]), int(found[-1]) + 1
        start, stop = _span(window, position)
        # at the border the window may end between the pixels that it reads
        agrees &= low >= start and high <= stop and (start < 0 or low == start) and (stop > size or high == stop)
        cut |= start < 0 or stop > size
        seen.append(f"{name} {low} to {high - 1}")
        said.append(f"{start} to {stop - 1}")
    where = f"pixel {pixel} of the last map" if len(pixel) > 1 else f"position {pixel[0]} of the last map"
    if not agrees:
        return Check(
            False,
            f"the gradient of {where} reads {' and '.join(seen)} of the image, and the windows say "
            + " and ".join(said),
        )
    inside = ", inside the image" if cut else ""
    return Check(True, f"the gradient of {where} reads {' and '.join(seen)}{inside}, as the windows say")


def _span(window: Window, position: int) -> tuple[int, int]:
    start = window.start + position * window.stride
    return start, start + window.side


def _pixel(end: End, image: tuple[int, ...]) -> tuple[int, ...]:
    """Choose a pixel whose window lies inside the image; where there is none, at one end of each axis."""
    chosen = []
    for number, (size, window, side) in enumerate(zip(end.state.sizes, end.state.windows, image)):
        inside = [
            i for i in range(size) if window.start + i * window.stride >= 0 and window.end + i * window.stride <= side
        ]
        chosen.append(inside[len(inside) // 2] if inside else 0 if number % 2 == 0 else size - 1)
    return tuple(chosen)


def _seed(end: End, pixel: tuple[int, ...], image: Tensor) -> Tensor:
    """Return ones at one pixel of a map, in every channel."""
    here = torch.ones(end.shape, dtype=torch.bool, device=image.device)
    for place, size, position in zip(end.state.places, end.state.sizes, pixel):
        if place is not None:
            index = torch.arange(end.shape[place.axis], device=image.device) // place.inner % size
            shape = [-1 if axis == place.axis else 1 for axis in range(here.ndim)]
            here &= (index == position).reshape(shape)
    return here.to(end.dtype)  # autograd asks for the map's own type
