"""Recognise one call of an operator: windows, a join, the same at every pixel, or neither.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from convac_lib.networks.tracing.calls import PRODUCTS, REARRANGEMENTS, Call, tensors_in
from convac_lib.networks.tracing.handlers import HANDLERS
from convac_lib.networks.tracing.joins import Joined, join, widened
from convac_lib.networks.tracing.probing import probed
from convac_lib.networks.tracing.products import of_two_maps, product
from convac_lib.networks.tracing.rearrangements import rearranged
from convac_lib.networks.tracing.windows import OperatorEffect, PathState, Place, UnsupportedOperator, Window, kept

CONCATENATIONS = {"cat", "stack"}
JOINS = {"add", "sub", "rsub", "mul", "div", "addcmul", "addcdiv", "lerp", "maximum", "minimum", "where", "copy"}


class Recorder(Protocol):
    """What records steps: a `Tracer`.

    Attributes:
        found: what was found out on numbers, for equal calls.
    """

    found: dict[Any, list[OperatorEffect]]

    def apply(self, state: PathState, effect: OperatorEffect, input: Tensor | None = None) -> PathState:
        """Record one step, and return the state above it."""

    def record(self, what: str, role: str) -> int:
        """Record a step that is no layer, and return its number."""

    def leave_out(self, what: str, *branches: Tensor) -> int:
        """Record that branches are left out, and return the step's number."""


def effects_of(call: Call, branches: list[Tensor], states: list[PathState], recorder: Recorder) -> list[PathState]:
    """Return the state of each output of a call, or one for all.

    Args:
        call: the call.
        branches: its inputs that were computed from the image.
        states: theirs.
        recorder: records the steps.

    Raises:
        UnsupportedOperator: if the call has no windows of one receptive field and stride.
    """
    if call.name == "copy":
        source = [number for number, branch in enumerate(branches) if branch is call.arguments["src"]][:1]
        if not source:
            return states[:1]
        return [_joined(call, [branches[source[0]]], [states[source[0]]], recorder)]
    if call.name in CONCATENATIONS:
        return [_concatenated(call, branches, states, recorder)]
    if call.is_pointwise:
        return [_joined(call, branches, states, recorder)]
    main, gates = _main_and_gates(branches, states)
    if main is None:
        return [_of_several(call, branches, states, recorder)]
    state, input = states[main], branches[main]
    if state.lost:
        raise UnsupportedOperator("it reads what is not mapped")
    if gates:
        recorder.leave_out(
            f"{call.words} with numbers that were computed from the whole map", *map(branches.__getitem__, gates)
        )
    unread = frozenset[int]().union(*(each.unread for each in states))
    return [
        replace(recorder.apply(state, effect, input), unread=unread) for effect in _single(call, state, input, recorder)
    ]


def _single(call: Call, state: PathState, input: Tensor, recorder: Recorder) -> list[OperatorEffect]:
    """Return the effects of a call that reads one map."""
    if state.is_point:
        return [_of_a_point(call, state)]
    if call.name in HANDLERS:
        return [HANDLERS[call.name](state, input, call)]
    if call.name in PRODUCTS:
        return [product(state, input, call)]
    key = call.operator, call.words, input.shape, state.sizes, state.places, repr(_but(call, input))
    if key not in recorder.found:  # equal blocks ask the same
        effects = _found(call, state, input)
        if len(tensors_in(call.arguments)) > 1:
            return effects
        recorder.found[key] = effects
    return recorder.found[key]


def _but(call: Call, input: Tensor) -> dict[str, Any]:
    return {name: value for name, value in call.arguments.items() if value is not input}


def _found(call: Call, state: PathState, input: Tensor) -> list[OperatorEffect]:
    """Find out on numbers what a call does that reads one map."""
    if call.name in REARRANGEMENTS:
        if call.operator._schema.is_mutable:
            raise UnsupportedOperator("it changes the shape of its input in place")
        return rearranged(state, input, call.words, _of_input(call, input))
    if reason := call.why_not():
        raise UnsupportedOperator(reason)
    return [probed(state, input, call.words, _of_input(call, input))]


def _of_a_point(call: Call, state: PathState) -> OperatorEffect:
    """Return the effect of a call on a map of one pixel, which moves none."""
    if call.name in PRODUCTS:
        bias = ", with bias" * (call.name.startswith("add") or call.name == "baddbmm")
        return kept(state, f"linear map{bias}", "dense", in_circuit=not bias)
    if call.name in HANDLERS and "conv" in call.name:
        return kept(state, "convolution of one pixel", "dense")
    return kept(state, call.words, in_circuit=call.name in REARRANGEMENTS)


def _of_input(call: Call, input: Tensor) -> Callable[[Tensor], Any]:
    """Return a call as a function of one of its inputs."""

    def function(other: Tensor) -> Any:
        given = tree_map(lambda value: other if value is input else value, dict(call.arguments))
        with torch.no_grad():
            return call.operator(**given)

    return function


def _main_and_gates(branches: list[Tensor], states: list[PathState]) -> tuple[int | None, list[int]]:
    """Return the number of the one map among the inputs, and those of points; None if there are several maps."""
    maps = [number for number, state in enumerate(states) if state.lost or not state.is_point]
    if len({id(branches[number]) for number in maps}) > 1 or (not maps and len(states) > 1):
        return None, []
    main = maps[0] if maps else 0
    return main, [number for number in range(len(states)) if number not in maps and maps]


def _of_several(call: Call, branches: list[Tensor], states: list[PathState], recorder: Recorder) -> PathState:
    """Return the state after a call that reads several maps, and is no join."""
    if any(state.lost for state in states):
        raise UnsupportedOperator("it joins what is not mapped")
    if all(state.is_point for state in states):
        return _record_join(call, join(states, [call.result] * len(states), call.result), branches, recorder)
    if len(states) == 2 and call.name in PRODUCTS:
        effect = of_two_maps(states, call)
        if effect is not None:
            joined = join(states, [branches[0]] * 2, branches[0])
            return replace(_record_join(call, joined, branches, recorder), places=effect.places)
    if reason := call.why_not():
        raise UnsupportedOperator(reason)
    raise UnsupportedOperator("it combines several tensors that were computed from the image")


def _joined(call: Call, branches: list[Tensor], states: list[PathState], recorder: Recorder) -> PathState:
    """Return the state after a pointwise operator."""
    output = call.result
    if len(states) == 1:
        state = states[0]
        if state.lost:
            raise UnsupportedOperator("it reads what is not mapped")
        _require_same_map(state, branches[0], output)
        aligned = state.moved(output.ndim - branches[0].ndim)
        unchanged = call.name in {"clone", "detach", "alias", "_to_copy", "copy"}
        name = call.words if call.name not in JOINS else call.name
        return recorder.apply(aligned, kept(aligned, name, in_circuit=unchanged), branches[0])
    moved = [state.moved(output.ndim - branch.ndim) for state, branch in zip(states, branches)]
    return _record_join(call, join(moved, branches, output), branches, recorder)


def _require_same_map(state: PathState, branch: Tensor, output: Tensor) -> None:
    for place in state.places:
        if place is not None and branch.shape[place.axis] != output.shape[place.axis + output.ndim - branch.ndim]:
            raise UnsupportedOperator("it changes the shape of the map")


def _concatenated(call: Call, branches: list[Tensor], states: list[PathState], recorder: Recorder) -> PathState:
    output = call.result
    dim = call.arguments["dim"] % output.ndim
    maps = branches
    if call.name == "stack":
        maps = [branch.unsqueeze(dim) for branch in branches]
        states = [
            replace(state, places=tuple(p and Place(p.axis + (p.axis >= dim), p.inner) for p in state.places))
            for state in states
        ]
    if len(states) == 1 and not states[0].lost:
        _require_same_map(states[0], maps[0], output)
        return recorder.apply(states[0], kept(states[0], call.words), branches[0])
    return _record_join(call, join(states, maps, output), branches, recorder)


def _record_join(call: Call, joined: Joined, branches: list[Tensor], recorder: Recorder) -> PathState:
    """Record a join, what it leaves out, and the layer that makes the path as wide as all its branches together."""
    name = call.name if call.is_pointwise else call.words
    recorder.record(name, "join")
    state = joined.state
    for number, words, is_map in joined.left_out:
        key = recorder.leave_out(f"{name} with {words}", branches[number])
        if is_map:
            state = replace(state, unread=state.unread | {key})
    return state if joined.wider is None else _widened(name, state, joined.wider, recorder)


def _widened(name: str, state: PathState, wider: tuple[Window, ...], recorder: Recorder) -> PathState:
    """Return a state whose layers see as much as its windows do, which are wider by what other branches see."""
    strides = [max(1, window.stride) for window in state.windows]
    if any(more.side % step or more.start % step for more, step in zip(wider, strides)):
        layers = widened(state.layers, wider)
        if layers is None:
            raise UnsupportedOperator("its branches are shifted against each other")
        return replace(state, layers=layers)
    windows = tuple(Window(more.start // step, 1 + more.side // step, 1) for more, step in zip(wider, strides))
    below = tuple(
        Window(union.start - more.start, union.side - more.side, union.stride)
        for union, more in zip(state.windows, wider)
    )
    channels = state.layers[-1][1].channels if state.layers else state.image[1]
    effect = OperatorEffect(
        f"{name} of branches that are shifted against each other", state.sizes, state.places, windows, "layer", channels
    )
    return recorder.apply(replace(state, windows=below), effect)
