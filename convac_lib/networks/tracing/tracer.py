"""Trace the image through one run of a torch model, operator by operator.

`convac_lib.networks.tracing.network` makes an architecture of the trace. Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from convac_lib.architecture import Layer
from convac_lib.errors import ArchitectureError
from convac_lib.networks.layers import GeneralizedConv2d, Representation, Templates
from convac_lib.networks.models import ConvAC
from convac_lib.networks.tracing.effects import OperatorEffect, SpatialAxes, UnsupportedOperator
from convac_lib.networks.tracing.operators import JOINS, WHY_NOT, effect_of, name_of
from convac_lib.networks.tracing.running import Shape, blank_image, run_once, tensors_in

REPRESENTATIONS = (Representation, Templates)
LEAVES = (GeneralizedConv2d, ConvAC, *REPRESENTATIONS)  # recognised as modules, not by the functions that they call


@dataclass(frozen=True)
class Step:
    """One operation of a traced model on a tensor that was computed from the image.

    Attributes:
        where: the name of the module that did it, or the model's class.
        what: the operation, in words.
        role: "layer", "representation", "pointwise", "join", "dense", "off the path" (a layer of a narrower branch),
            "left out" (a branch that the path cannot hold), "not mapped", or "above" something that is not mapped.
        layer: the `Layer` that it is, if it is one.
        size: the side of the model's own output there, if it is a layer.
        in_circuit: whether a ConvAC has such a step at this place.

    Chapter: *The overlap theorem*.
    """

    where: str
    what: str
    role: str
    layer: Layer | None = None
    size: int | None = None
    in_circuit: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class PathState:
    """State of the traced path at a tensor: its layers, receptive field and stride, and the axes of rows and columns.

    Attributes:
        spatial: the tensor's `SpatialAxes`.
        start: the size and the channels of the first layer's input.
        layers: the places, in the account, of the path's layers.
        field: the total receptive field.
        stride: the total stride.
        lost: whether the path has ended, at an operator that is not mapped.

    Chapter: *The overlap theorem*.
    """

    spatial: SpatialAxes
    start: tuple[int, int]
    layers: tuple[int, ...] = ()
    field: int = 1
    stride: int = 1
    lost: bool = False


class Tracer(TorchFunctionMode):
    """Traces the image: it sees every call of torch's functions, and every module that the run enters and leaves.

    Args:
        model: the model that will run.

    Attributes:
        steps: every `Step` so far, in order.
        borders: the borders of the generalized convolutions among them.

    Chapter: *The overlap theorem*.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.steps: list[Step] = []
        self.borders: set[str] = set()
        # of every tensor that was computed from the image
        self._states: MutableMapping[Tensor, PathState] = WeakIdKeyDictionary()
        self._names = {module: name or type(model).__name__ for name, module in model.named_modules()}
        self._entered: list[tuple[nn.Module, bool]] = []  # the modules around the call, and whether each is a leaf

    def run(self, model: nn.Module, shape: Shape) -> PathState:
        """Run the model once on zeros, and return the state of its output with the largest total receptive field.

        Args:
            model: the model of this tracer.
            shape: the image's, (1, C, H, H).

        Raises:
            ArchitectureError: if the model does not run on such an image, or returns no tensor.
            BudgetError: if it needs more memory than is free.
        """
        image = blank_image(model, shape)
        self._states[image] = PathState(SpatialAxes(shape[-1], (2, 3)), start=(shape[-1], shape[1]))
        hooks = [module.register_forward_pre_hook(self._enter, with_kwargs=True) for module in self._names]
        hooks += [module.register_forward_hook(self._leave, with_kwargs=True) for module in self._names]
        try:
            outputs = run_once(model, image, self)
        finally:
            for hook in hooks:
                hook.remove()
        if not outputs:
            raise ArchitectureError(
                f"{type(model).__name__} returns no tensor, and only tensors can be followed; return one"
            )
        return max((self._states[tensor] for tensor in outputs), key=lambda state: state.field)

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        inputs = self._from_image((args, kwargs))
        if function is Tensor.__setitem__:
            output = args[0]
        if inputs and tensors_in(output) and not any(leaf for _, leaf in self._entered):
            self._trace(inputs, output, lambda: self._call(function, args, kwargs, output, inputs), name_of(function))
        return None if function is Tensor.__setitem__ else output

    def _enter(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = self._from_image((args, kwargs))
        leaf = isinstance(module, LEAVES) and len(inputs) == 1
        if isinstance(module, REPRESENTATIONS) and leaf and self._states[inputs[0]].layers:
            leaf = False  # above a layer, it is a convolution like any other
        self._entered.append((module, leaf))

    def _leave(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        name, (_, leaf) = type(module).__name__, self._entered[-1]
        inputs = self._from_image((args, kwargs))
        unseen = [tensor for tensor in tensors_in(output) if tensor not in self._states]
        if not any(outer for _, outer in self._entered[:-1]):
            if leaf:
                self._trace(inputs, output, lambda: self._leaf(module, output, self._states[inputs[0]]), name)
            elif inputs and unseen:
                self._trace(inputs, unseen, _not_followed, name)
        self._entered.pop()

    def _from_image(self, values: object) -> list[Tensor]:
        return [tensor for tensor in tensors_in(values) if tensor in self._states]

    def _trace(self, inputs: list[Tensor], output: object, follow: Callable[[], PathState], name: str) -> None:
        """Record the steps of one operator, and give every output its state."""
        widest = max((self._states[tensor] for tensor in inputs), key=lambda state: (state.lost, state.field))
        state = replace(widest, lost=True)
        if not widest.lost:
            try:
                state = follow()
            except UnsupportedOperator as reason:
                self._record(f"{name}: {reason}", "not mapped")
        elif name in WHY_NOT:
            self._record(f"{name}: {WHY_NOT[name]}", "not mapped")
        else:
            self._record(name, "above")
        for tensor in tensors_in(output):
            self._states[tensor] = state

    def _record(
        self, what: str, role: str, layer: Layer | None = None, size: int | None = None, in_circuit: bool = False
    ) -> None:
        module, _ = self._entered[-1]
        self.steps.append(Step(self._names[module], what, role, layer, size, in_circuit))

    def _apply(self, state: PathState, effect: OperatorEffect) -> PathState:
        """Record one step, and return the state above it."""
        # below the first layer, every pointwise step belongs to the representation
        in_circuit = effect.in_circuit or (effect.role == "pointwise" and not state.layers)
        size = effect.spatial.size if effect.layer else None
        if effect.layer:
            state = replace(
                state,
                layers=(*state.layers, len(self.steps)),
                field=state.field + (effect.layer.receptive_field - 1) * state.stride,
                stride=state.stride * effect.layer.stride,
            )
        self._record(effect.what, effect.role, effect.layer, size, in_circuit)
        return replace(state, spatial=effect.spatial)

    def _call(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        output: object,
        inputs: list[Tensor],
    ) -> PathState:
        first = tensors_in(output)[0]
        if len(inputs) == 1:
            state = self._states[inputs[0]]
            return self._apply(state, effect_of(function, args, kwargs, first, inputs[0], state.spatial))
        name = name_of(function)
        if name not in JOINS:
            raise UnsupportedOperator(
                WHY_NOT.get(name, "it combines several tensors that were computed from the image")
            )
        return self._join(JOINS[name], inputs, first)

    def _join(self, name: str, inputs: list[Tensor], output: Tensor) -> PathState:
        """Follow the branch with the largest total receptive field among those with the largest map."""
        states = [self._states[tensor] for tensor in inputs]
        size = max(state.spatial.size for state in states)
        largest = (number for number, state in enumerate(states) if state.spatial.size == size)
        number = max(largest, key=lambda number: states[number].field)
        widest = states[number]
        effect = effect_of(torch.add, (), {}, output, inputs[number], widest.spatial)  # checks the shape
        self._record(name, "join")
        for state in states:
            if state.stride != widest.stride:
                self._record(
                    f"{name} with a branch of size {state.spatial.size}×{state.spatial.size}, total receptive field "
                    f"{state.field} and total stride {state.stride}",
                    "left out",
                )
        return replace(widest, spatial=effect.spatial)

    def _leaf(self, module: nn.Module, output: Tensor, state: PathState) -> PathState:
        if isinstance(module, GeneralizedConv2d):
            return self._generalized_convolution(module, output, state)
        if isinstance(module, ConvAC):
            return self._circuit(module, state)
        return self._representation(module, state, output.shape[1], output.shape[2])

    def _circuit(self, module: ConvAC, state: PathState) -> PathState:
        plan = module.architecture
        if not isinstance(module.representation, nn.Identity):
            state = self._representation(module.representation, state, plan.representation_channels, plan.size)
        self.borders.add(plan.border)
        for number, (layer, size) in enumerate(zip(plan.layers, plan.sizes), start=1):
            words = f"generalized convolution {number}, {layer.receptive_field}×{layer.receptive_field}"
            state = self._apply(state, OperatorEffect(words, SpatialAxes(size, (2, 3)), "layer", layer, True))
        return self._apply(state, OperatorEffect("linear map", SpatialAxes(1), "dense", in_circuit=True))

    def _generalized_convolution(self, module: GeneralizedConv2d, output: Tensor, state: PathState) -> PathState:
        R = module.receptive_field
        if state.spatial != SpatialAxes(state.spatial.size, (2, 3)):
            raise UnsupportedOperator("its windows do not run over the rows and columns of the image")
        self.borders.add(module.border)
        words = f"generalized convolution {R}×{R}" + ", with bias" * (module.bias is not None)
        layer = Layer(R, module.stride, module.out_channels)
        spatial = SpatialAxes(output.shape[-1], (2, 3))
        return self._apply(state, OperatorEffect(words, spatial, "layer", layer, module.bias is None))

    def _representation(self, module: nn.Module, state: PathState, channels: int, size: int) -> PathState:
        if state.layers:
            raise UnsupportedOperator("a representation is below every layer, and this one is above some")
        words = f"{type(module).__name__}, {channels} functions of every patch; from here on, patches are counted"
        self._record(words, "representation", in_circuit=True)
        return replace(state, spatial=SpatialAxes(size, (2, 3)), start=(size, channels))


def _not_followed() -> PathState:
    raise UnsupportedOperator("what it does inside could not be followed")
