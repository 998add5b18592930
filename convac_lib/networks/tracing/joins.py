"""Where branches meet: the windows of all that are maps of equal stride, and what the path cannot hold.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from convac_lib.networks.tracing.windows import PathState, Step, UnsupportedOperator, Window, by


@dataclass(frozen=True)
class Joined:
    """What a join makes of its branches.

    Args:
        state: of its output, before a step of its own.
        wider: by how much all branches together see more than the main one; None if they do not.
        left_out: every branch that the path does not hold: its number, words, and whether it is a map of its own, so
            that the network is not read whole.
    """

    state: PathState
    wider: tuple[Window, ...] | None
    left_out: tuple[tuple[int, str, bool], ...]


def join(states: Sequence[PathState], branches: Sequence[Tensor], output: Tensor) -> Joined:
    """Find what the output of a pointwise operator, or of a concatenation, sees.

    Args:
        states: of the branches, with places as in the output.
        branches: their tensors, or tensors of the same shape as broadcast.
        output: the result.

    Raises:
        UnsupportedOperator: if it does not keep the main branch's map, or the main branch is lost.
    """
    main = max(range(len(states)), key=lambda number: states[number].rank)
    first = states[main]
    if first.lost or _is_smaller_than_a_lost_one(main, states, branches):
        raise UnsupportedOperator("it joins what is not mapped")
    for place in first.places:
        if (
            place is not None
            and output.shape[place.axis] != branches[main].shape[_own(place.axis, branches[main], output)]
        ):
            raise UnsupportedOperator("it changes the shape of the map")
    windows, left_out, unread = list(first.windows), [], first.unread
    for number, state in enumerate(states):
        if number == main:
            continue
        if _fits(first, state):
            windows = [_union(one, other) for one, other in zip(windows, state.windows)]
            unread |= state.unread
        else:
            is_gate = _is_same_everywhere(first, state, branches[number], output)
            left_out.append((number, _left_out(state, is_gate), not is_gate))
            unread |= frozenset() if is_gate else state.unread
    dense = first.dense or any(state.dense for state in states if _fits(first, state))
    wider = None if tuple(windows) == first.windows else tuple(_over(w, b) for w, b in zip(windows, first.windows))
    state = replace(first, windows=tuple(windows), dense=dense, unread=unread)
    return Joined(state, wider, tuple(left_out))


def widened(layers: tuple[tuple[int, Step], ...], wider: tuple[Window, ...]) -> tuple[tuple[int, Step], ...] | None:
    """Return a path with its last layer wide enough for what its last map and branches beside it see together.

    Args:
        layers: the path's.
        wider: what all see together, in pixels of the image: `side` more of them, from `start` on.

    Returns:
        The layers; None if no layer's window can be widened by a whole number of its steps.
    """
    for number in reversed(range(len(layers))):
        steps = _strides_before(layers, number)
        if all(window.side % step == 0 for window, step in zip(wider, steps)):
            key, layer = layers[number]
            windows = tuple(
                replace(own, side=own.side + more.side // step, start=own.start + more.start // step)
                for own, more, step in zip(layer.windows, wider, steps)
            )
            what = f"{layer.what}, with branches that are shifted against it"
            wide = [(key, replace(layer, windows=windows, what=what)), *layers[number + 1 :]]
            return (*layers[:number], *((key, _seeing(layer, wider)) for key, layer in wide))
    return None


def _seeing(layer: Step, wider: tuple[Window, ...]) -> Step:
    """Return a layer that sees so much more of the image."""
    pairs = zip(layer.seen, wider)
    return replace(
        layer, seen=tuple(replace(w, start=w.start + more.start, side=w.side + more.side) for w, more in pairs)
    )


def _strides_before(layers: tuple[tuple[int, Step], ...], number: int) -> tuple[int, ...]:
    strides = [1] * len(layers[0][1].windows)
    for _, step in layers[:number]:
        strides = [old * window.stride for old, window in zip(strides, step.windows)]
    return tuple(strides)


def _own(axis: int, branch: Tensor, output: Tensor) -> int:
    return axis - (output.ndim - branch.ndim)


def _is_smaller_than_a_lost_one(main: int, states: Sequence[PathState], branches: Sequence[Tensor]) -> bool:
    return any(
        state.lost and branch.numel() > branches[main].numel() and states[main].is_point
        for state, branch in zip(states, branches)
    )


def _fits(first: PathState, other: PathState) -> bool:
    """Whether two branches are maps of the same grid."""
    if other.lost or (first.sizes, first.places) != (other.sizes, other.places):
        return False
    strides = zip(first.sizes, first.windows, other.windows)
    return all(size == 1 or one.stride == two.stride for size, one, two in strides)


def _union(one: Window, other: Window) -> Window:
    start = min(one.start, other.start)
    return Window(start, max(one.end, other.end) - start, one.stride)


def _over(union: Window, below: Window) -> Window:
    """Return by how much a union is wider, in pixels, and where it begins relative to the window."""
    return Window(union.start - below.start, union.side - below.side, 1)


def _is_same_everywhere(first: PathState, other: PathState, branch: Tensor, output: Tensor) -> bool:
    """Whether a branch is the same along an axis of the map (a gate), and along the others a map of the same grid."""
    if first.is_point and other.lost:
        return False
    along = [_is_broadcast(place.axis, branch, output) for place in first.places if place is not None]
    if all(along):
        return True
    if other.lost:
        return False
    if other.is_point:
        return not other.dense
    return any(along) and all(
        size == 1 or (place, window.stride) == (own, mine.stride)
        for size, place, window, own, mine in zip(other.sizes, other.places, other.windows, first.places, first.windows)
    )


def _is_broadcast(axis: int, branch: Tensor, output: Tensor) -> bool:
    own = _own(axis, branch, output)
    return own < 0 or branch.shape[own] == 1 or branch.stride(own) == 0


def _left_out(state: PathState, is_gate: bool) -> str:
    if state.lost:
        return "a branch that is not mapped" + ", and is the same at every pixel" * is_gate
    if state.is_point and state.dense and not is_gate:
        return "a branch that mixes all positions"
    fields, strides = by(w.side for w in state.windows), by(w.stride for w in state.windows)
    if len({(w.side, w.stride) for w in state.windows}) == 1:
        fields, strides = str(state.windows[0].side), str(state.windows[0].stride)
    return f"a branch of size {by(state.sizes)}, total receptive field {fields} and total stride {strides}"
