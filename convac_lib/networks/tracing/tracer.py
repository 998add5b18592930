"""Trace the image through one run of a torch model, operator by operator.

`convac_lib.networks.tracing.network` makes an architecture of the trace. Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._ops import OpOverload
from torch.autograd.grad_mode import _unsafe_preserve_version_counter
from torch.autograd.graph import get_gradient_edge
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakIdKeyDictionary

from convac_lib.networks.tracing.aliases import after_write, storage_of
from convac_lib.networks.tracing.calls import Call, call_of, makes_constant, tensors_in, written_by
from convac_lib.networks.tracing.effects import effects_of
from convac_lib.networks.tracing.evaluation import evaluated
from convac_lib.networks.tracing.windows import (
    End,
    OperatorEffect,
    PathState,
    Place,
    Step,
    UnsupportedOperator,
    Window,
    by,
)

Layers = tuple[tuple[int, Step], ...]


class Tracer(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's base class
    """Traces the image: it sees every operator that a run calls, below torch's functions and below autograd.

    Args:
        computes: whether products and convolutions are computed; otherwise their outputs are zeros.
        hidden: the numbers of the unknown tensors that are known to depend on the image.

    Attributes:
        steps: every `Step` so far, in order, by its number.
        found: what was found out on numbers, for equal calls.
        borders: the borders of the generalized convolutions among them.
        unknown: the tensors, in order, of which torch does not say where they come from.
    """

    def __init__(self, *, computes: bool = False, hidden: frozenset[int] = frozenset()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.steps: dict[int, Step] = {}
        self.found: dict[Any, list[OperatorEffect]] = {}
        self.borders: set[str] = set()
        self.unknown: list[Tensor] = []
        self.where = "the model"
        self.function = ""
        self.quiet = 0  # how many calls around this one are read as a whole
        self.states: MutableMapping[Tensor, PathState] = WeakIdKeyDictionary()  # of tensors computed from the image
        self._computes, self._hidden = computes, hidden
        self._known: MutableMapping[Tensor, bool] = WeakIdKeyDictionary()  # tensors that hold nothing of the image
        self._writes: list[tuple[Tensor, Tensor]] = []  # the model's own tensors, and what they held
        self._own: set[int] = set()
        self._viewed: set[int] = set()  # the memory of tensors that have views
        self._count, self._last = 0, ""
        self._begun = 0  # the number of the last step before the function that is called now
        self._picks: set[int] = set()  # the layers that only leave pixels out

    def begin(self, model: nn.Module, image: Tensor, others: Sequence[Tensor]) -> None:
        """Name the tensors that are there before the run.

        Args:
            model: the model.
            image: the image, of shape (1, C, …).
            others: other inputs.
        """
        for tensor in (*model.parameters(), *model.buffers(), *others):
            self._known[tensor] = True
            self._own.add(storage_of(tensor))
        sides, places = tuple(image.shape[2:]), tuple(map(Place, range(2, image.ndim)))
        self._latest = self.states[image] = PathState((sides, image.shape[1]), sides, places, (Window(),) * len(sides))

    def restore(self) -> None:
        """Put back what the run wrote into the model's own tensors."""
        with torch.no_grad():
            for tensor, before in reversed(self._writes):
                with _unsafe_preserve_version_counter(tensor):  # the backward pass comes later
                    tensor.copy_(before)

    def __torch_dispatch__(
        self, func: OpOverload, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        call = call_of(func, args, kwargs, None, self.function)
        self._keep_what_is_written(call)
        inputs = tensors_in((args, kwargs))
        before = {id(tensor): self.states[tensor] for tensor in inputs if tensor in self.states}
        output = evaluated(func, args, kwargs, computes=self._computes)
        self._meet_unknown(inputs, call)
        before |= {id(tensor): self.states[tensor] for tensor in inputs if tensor in self.states}
        call = replace(call, output=output)
        if before and not self.quiet and tensors_in(output) and not makes_constant(call):
            self._follow(call, inputs, before)
        elif not before or self.quiet or makes_constant(call):
            for tensor in tensors_in(output):
                if tensor not in self.states:
                    self._known[tensor] = True
        return output

    def _keep_what_is_written(self, call: Call) -> None:
        written = written_by(call)
        if "batch_norm" in call.name and call.arguments.get(
            "training"
        ):  # whose declaration does not say that it writes
            written += tensors_in([call.arguments.get("running_mean"), call.arguments.get("running_var")])
        for tensor in written:
            if storage_of(tensor) in self._own:
                self._writes.append((tensor, tensor.clone()))

    def _meet_unknown(self, inputs: list[Tensor], call: Call) -> None:
        """Keep tensors that come from elsewhere: constants of the model's own, or numbers that left torch."""
        for tensor in inputs:
            if tensor in self._known or tensor in self.states:
                continue
            self._known[tensor] = True
            self._own.add(storage_of(tensor))
            if tensor.numel() > 1 and not isinstance(tensor, nn.Parameter):
                if len(self.unknown) in self._hidden:
                    words = "numbers of the image that left torch and came back"
                    key = self.record(words, "not mapped")
                    self.states[tensor] = replace(self._latest, lost=True, unread=self._latest.unread | {key})
                self.unknown.append(tensor)

    def _follow(self, call: Call, inputs: list[Tensor], before: Mapping[int, PathState]) -> None:
        """Record the steps of one operator, and give every output its state, and all that shares its memory."""
        branches = [tensor for tensor in inputs if id(tensor) in before]
        states = [before[id(tensor)] for tensor in branches]
        try:
            after = effects_of(call, branches, states, self)
        except UnsupportedOperator as reason:
            after = [self.lost(call, branches, states, str(reason))]
        except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError):  # of forms that nobody foresaw
            after = [self.lost(call, branches, states, "called in a way that is not known here")]
        outputs = tensors_in(call.output)
        if any(each.alias_info for each in call.operator._schema.returns) and not written_by(call):
            self._viewed.update(map(storage_of, outputs))
        after = after * len(outputs) if len(after) == 1 else after
        for tensor, state in zip(outputs, after):
            self.states[tensor] = state if _holds(tensor, outputs[0], state) else _pooled(state)
        self._latest = after[0]
        for tensor in written_by(call):
            self._write(tensor, self.states.get(tensor))

    def _write(self, part: Tensor, written: PathState | None) -> None:
        """Tell every tensor that shares memory with one that was written into."""
        if written is None:
            return
        memory = storage_of(part)
        if memory not in self._viewed and part._base is None:
            return
        sharing = [tensor for tensor in list(self.states) if tensor is not part and storage_of(tensor) == memory]
        base = part._base
        if base is not None and all(base is not tensor for tensor in sharing):
            sharing.append(base)
        for tensor in sharing:
            old = self.states.get(tensor)
            try:
                new = after_write(tensor, old, part, written)
            except UnsupportedOperator as reason:
                key = self.record(f"{self.function or 'write'}: {reason}", "not mapped")
                new = replace(written, lost=True, unread=written.unread | {key})
            self.states[tensor] = new

    def lost(self, call: Call, branches: list[Tensor], states: list[PathState], reason: str) -> PathState:
        """Record why the path ends at a call, and return the state above it.

        Args:
            call: the call.
            branches: its inputs that were computed from the image.
            states: theirs.
            reason: why it is not mapped.
        """
        number = max(range(len(states)), key=lambda number: (*states[number].rank[1:], states[number].lost))
        furthest, unread = states[number], frozenset[int]().union(*(state.unread for state in states))
        if not furthest.lost:
            key = self.record(f"{call.words}: {reason}", "not mapped")
            return replace(
                furthest, lost=True, unread=unread | {key}, end=furthest.end or end_of(branches[number], furthest)
            )
        if why := call.why_not():
            return replace(furthest, unread=unread | {self.record(f"{call.words}: {why}", "not mapped")})
        self.record(call.words, "above")
        return replace(furthest, unread=unread)

    def apply(self, state: PathState, effect: OperatorEffect, input: Tensor | None = None) -> PathState:
        """Record one step, and return the state above it.

        Args:
            state: the input's.
            effect: what the operator does.
            input: the tensor that it reads.
        """
        # below the first layer, every pointwise step belongs to the representation
        in_circuit = effect.in_circuit or (effect.role == "pointwise" and not state.layers)
        windows = tuple(own.above(below) for own, below in zip(effect.windows, state.windows))
        layers, end = state.layers, state.end
        is_layer = effect.role == "layer"
        if effect.picks and layers and layers[-1][0] in self._picks and {w.side for w in layers[-1][1].windows} == {1}:
            effect, layers = self._picked(effect, layers)
        key = self.record(effect.what, effect.role, in_circuit=in_circuit)
        if effect.picks:
            self._picks.add(key)
        if is_layer:
            self.steps[key] = replace(
                self.steps[key], windows=effect.windows, channels=effect.channels, sizes=effect.sizes, seen=windows
            )
            layers = (*layers, (key, self.steps[key]))
        if set(effect.sizes) == {1} and not state.is_point and input is not None:
            end = end_of(input, state)
        return replace(
            state, sizes=effect.sizes, places=effect.places, windows=windows, layers=layers, end=end,
            dense=state.dense or effect.dense,
        )  # fmt: skip

    def _picked(self, effect: OperatorEffect, layers: Layers) -> tuple[OperatorEffect, Layers]:
        """Take two layers that only leave pixels out as one: every second row, say, and then every second column."""
        key, below = layers[-1]
        if self.function and key > self._begun:
            self.steps.pop(key, None)
        windows = tuple(own.above(under) for own, under in zip(effect.windows, below.windows))
        what = f"one pixel of {by(window.stride for window in windows)}"
        return replace(effect, what=what, windows=windows), layers[:-1]

    def record(self, what: str, role: str, *, in_circuit: bool = False) -> int:
        """Record one step, and return its number.

        Args:
            what: as in `Step`.
            role: as in `Step`.
            in_circuit: as in `Step`.
        """
        self._count += 1
        self.steps[self._count] = Step(self.where, what, role, in_circuit=in_circuit)
        return self._count

    def leave_out(self, what: str, *branches: Tensor) -> int:
        """Record that the path does not hold some branches, and let no gradient through them.

        Args:
            what: the operator and the branch, in words.
            branches: their tensors.
        """
        for branch in branches:
            if branch.requires_grad:
                branch.register_hook(torch.zeros_like)  # type: ignore[no-untyped-call]  # torch's
        return self.record(what, "left out")

    @contextmanager
    def calling(self, name: str) -> Iterator[None]:
        """Give the steps of one function of torch its name, and keep one of those that leave every pixel in place.

        Args:
            name: the function's.
        """
        first, outer, begun = self._count, self.function, self._begun
        self.function, self._begun = name, first
        try:
            yield
        finally:
            self.function, self._begun, self._last = outer, begun, name
            self._shorten([key for key in range(first + 1, self._count + 1) if key in self.steps])

    def _shorten(self, keys: Sequence[int]) -> None:
        """Drop, of the steps of one function, those that say nothing more than others."""
        moves = any(not (step.role == "pointwise" and step.in_circuit) for step in map(self.steps.__getitem__, keys))
        makes = any(self.steps[key].role not in ("pointwise", "join", "above") for key in keys)
        seen: set[tuple[str, str]] = set()
        for key in keys:
            step = self.steps[key]
            again = (step.role, step.what) in seen and step.role in ("pointwise", "join", "above", "not mapped")
            if again or (
                step.role == "pointwise" and (moves if step.in_circuit else makes and step.what == self._last)
            ):
                del self.steps[key]
            else:
                seen.add((step.role, step.what))

    @contextmanager
    def ignoring(self) -> Iterator[None]:
        """Follow nothing meanwhile, since what happens is read as a whole."""
        self.quiet += 1
        try:
            yield
        finally:
            self.quiet -= 1


def _holds(tensor: Tensor, first: Tensor, state: PathState) -> bool:
    """Whether a further output of an operator has the map of the first, and not statistics of it."""
    axes = [place.axis for place in state.places if place is not None]
    return all(axis < tensor.ndim and (tensor is first or tensor.shape[axis] == first.shape[axis]) for axis in axes)


def _pooled(state: PathState) -> PathState:
    windows = tuple(Window(0, size, size).above(below) for size, below in zip(state.sizes, state.windows))
    return replace(state, sizes=(1,) * len(windows), windows=windows)


def end_of(tensor: Tensor, state: PathState) -> End | None:
    """Return the place from which a gradient can be sent back through the path; None if the map is a point.

    Args:
        tensor: a map.
        state: its state.
    """
    if state.is_point:
        return state.end
    edge = get_gradient_edge(tensor) if tensor.requires_grad else None
    return End(edge, tuple(tensor.shape), tensor.dtype, replace(state, end=None))
