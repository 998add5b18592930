"""Matrix products with constants: linear maps of channels, or of a whole map.

Taught in the chapter *The overlap theorem*.
"""

from math import prod

from torch import Tensor

from convac_lib.networks.tracing.calls import Call
from convac_lib.networks.tracing.windows import (
    SAME,
    OperatorEffect,
    PathState,
    Place,
    UnsupportedOperator,
    Window,
    by,
    kept,
)

FACTORS = {
    "mm": ("self", "mat2"), "bmm": ("self", "mat2"), "addmm": ("mat1", "mat2"), "baddbmm": ("batch1", "batch2"),
    "mv": ("self", "vec"), "addmv": ("mat", "vec"), "dot": ("self", "tensor"), "linear": ("input", "weight"),
}  # fmt: skip


def product(state: PathState, input: Tensor, call: Call) -> OperatorEffect:
    """Return the effect of a product of the input with a constant.

    Args:
        state: the input's.
        input: one of the factors.
        call: the call.

    Raises:
        UnsupportedOperator: if it mixes positions, and is no linear map of everything.
    """
    left, right = (call.arguments[name] for name in FACTORS[call.name])
    is_left = input is left
    if not is_left and input is not right:
        return kept(state, call.words)  # what is added
    bias = ", with bias" if call.name.startswith("add") or call.name == "baddbmm" else ""
    summed = input.ndim - 1 if is_left or input.ndim == 1 else input.ndim - 2
    other = right if is_left else left
    channels = other.shape[0 if call.name == "linear" else -1 if is_left else -2] if other.ndim > 1 else 1
    if any(place is not None and place.axis == summed for place in state.places):
        return _of_everything(state, input, summed, channels, bias)
    places = tuple(_moved(place, input.ndim, call.result.ndim, is_left) for place in state.places)
    what = f"convolution {by([1] * len(state.sizes))}, as a linear map of channels{bias}"
    return OperatorEffect(what, state.sizes, places, (SAME,) * len(places), "layer", channels)


def _moved(place: Place | None, before: int, after: int, is_left: bool) -> Place | None:
    """Return where the axis of a factor lies in the product, whose last two axes are the left's and the right's."""
    if place is None or before == after or is_left:
        return place
    return Place(place.axis - (place.axis > 0), place.inner)


def _of_everything(state: PathState, input: Tensor, summed: int, channels: int, bias: str) -> OperatorEffect:
    if input.shape[summed] != input.numel():
        raise UnsupportedOperator("it mixes positions")
    windows = tuple(Window(0, size, size) for size in state.sizes)
    what = f"linear map of the whole {by(state.sizes)}{bias}"
    return OperatorEffect(what, (1,) * len(windows), (None,) * len(windows), windows, "layer", channels, dense=True)


def of_two_maps(states: list[PathState], call: Call) -> OperatorEffect | None:
    """Return the effect of a product of two maps that multiplies them position by position; None if it does not.

    Args:
        states: of the two factors.
        call: the call.
    """
    first, second = states
    if call.name not in {"bmm", "baddbmm"} or (first.sizes, first.places) != (second.sizes, second.places):
        return None
    if any(place is not None and place.axis != 0 for place in first.places) or not prod(first.sizes) > 1:
        return None
    return kept(first, call.words)
