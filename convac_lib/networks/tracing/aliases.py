"""Tensors that share memory: what one sees after another was written into.

Taught in the chapter *The overlap theorem*.
"""

from dataclasses import replace

from torch import Tensor

from convac_lib.networks.tracing.joins import join
from convac_lib.networks.tracing.windows import PathState, Place, UnsupportedOperator


def share_memory(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors lie in the same memory.

    >>> import torch
    >>> x = torch.zeros(4)
    >>> share_memory(x, x[1:]), share_memory(x, x.clone())
    (True, False)
    """
    return storage_of(one) == storage_of(other)


def storage_of(tensor: Tensor) -> int:
    """Return a number that tells the memory of a tensor from that of others, while both live.

    Args:
        tensor: the tensor.
    """
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError, ValueError):  # of tensors without memory of the usual kind
        return -id(tensor)


def after_write(whole: Tensor, before: PathState | None, part: Tensor, written: PathState) -> PathState:
    """Return the state of a tensor after another with the same memory was written into.

    Args:
        whole: the tensor.
        before: its state until then; None if it held nothing of the image.
        part: the tensor that was written into.
        written: that tensor's state now.

    Raises:
        UnsupportedOperator: if what was written is not a map of the same grid.
    """
    state = written if part.shape == whole.shape else _in_whole(whole, part, written)
    if before is None or part.numel() >= whole.numel():
        return state
    joined = join([before, state], [whole, whole], whole)
    if any(unread for _, _, unread in joined.left_out) or (
        joined.state.windows != before.windows and joined.state.sizes != before.sizes
    ):
        raise UnsupportedOperator("it is written into a part of the map")
    state = joined.state
    return replace(state, unread=before.unread | written.unread)


def _in_whole(whole: Tensor, part: Tensor, state: PathState) -> PathState:
    """Say where a state of a part lies in the whole tensor."""
    offset = part.storage_offset() - whole.storage_offset()
    if offset < 0:
        raise UnsupportedOperator("it is written into through another view")
    begins: dict[int, int] = {}
    for axis in sorted(range(whole.ndim), key=whole.stride, reverse=True):
        if whole.shape[axis] > 1:
            begins[axis], offset = divmod(int(offset), int(whole.stride(axis)) or 1)
    places: list[Place | None] = []
    windows, sizes = [], []
    for size, place, window in zip(state.sizes, state.places, state.windows):
        if place is not None:
            if place.inner != 1:
                raise UnsupportedOperator("it is written into a flattened map")
            home = [axis for axis in begins if whole.stride(axis) == part.stride(place.axis)]
            if len(home) != 1:
                raise UnsupportedOperator("its pixels are written between others")
            places.append(Place(home[0]))
            windows.append(replace(window, start=window.start - begins[home[0]] * window.stride))
            sizes.append(whole.shape[home[0]])
        else:
            places.append(None)
            windows.append(window)
            sizes.append(size)
    return replace(state, sizes=tuple(sizes), places=tuple(places), windows=tuple(windows))
