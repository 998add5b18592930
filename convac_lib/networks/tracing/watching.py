"""Watch a run from above: the modules that it enters, and the functions of torch that it calls.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode

from convac_lib.networks.layers import GeneralizedConv2d, Representation, Templates
from convac_lib.networks.models import ConvAC
from convac_lib.networks.tracing.calls import tensors_in
from convac_lib.networks.tracing.handlers import padded
from convac_lib.networks.tracing.tracer import Tracer
from convac_lib.networks.tracing.windows import (
    OperatorEffect,
    PathState,
    Place,
    UnsupportedOperator,
    Window,
    kept,
)

REPRESENTATIONS = (Representation, Templates)
LEAVES = (GeneralizedConv2d, ConvAC, *REPRESENTATIONS)  # recognised as modules, not by the operators that they call


class FunctionNames(TorchFunctionMode):
    """Tells a tracer the name of each function of torch that the model calls.

    Args:
        tracer: the tracer.
    """

    def __init__(self, tracer: Tracer) -> None:
        super().__init__()
        self._tracer = tracer

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        with self._tracer.calling(name_of(function)):
            if function is functional.pad and "circular" in (*args, *kwargs.values()):
                return self._circular(function, args, kwargs)
            return function(*args, **kwargs)

    def _circular(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Pad with the other side of the map, which torch does by writing into a larger one."""
        with self._tracer.ignoring():
            output = function(*args, **kwargs)
        input = args[0] if args else kwargs["input"]
        if state := self._tracer.states.get(input):
            pads = args[1] if len(args) > 1 else kwargs["pad"]
            effect = kept(state, "padding") if state.lost else padded(state, input, output, pads)
            self._tracer.states[output] = self._tracer.apply(state, effect, input)
        return output


def name_of(function: Callable[..., Any]) -> str:
    """Return the plain name of one of torch's functions.

    >>> name_of(torch.Tensor.add_), name_of(torch.Tensor.T.__get__)        # torch passes an attribute so
    ('add', 'T')
    """
    name = getattr(function, "__name__", type(function).__name__)
    if name == "__get__":
        attribute: str = getattr(getattr(function, "__self__", None), "__name__", "")
        return attribute
    return str(name).strip("_")


class ModuleWatch:
    """Follows the modules of a run: names them, reads those of this library, and keeps all in evaluation mode.

    Args:
        model: the model that runs.
        tracer: what follows the image through it.

    Attributes:
        leaves: whether a module of this library was read as a whole.
    """

    def __init__(self, model: nn.Module, tracer: Tracer) -> None:
        self._tracer = tracer
        self._names = {module: name or type(model).__name__ for name, module in model.named_modules()}
        self._root = type(model).__name__
        self._entered: list[tuple[nn.Module, bool]] = []
        self._kept: list[tuple[dict[str, Any], dict[str, Any]]] = []
        self.leaves = False
        for module in model.modules():
            self._keep(module)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every module meanwhile; afterwards, each has the attributes, modes and tensors that it had before."""
        self._tracer.where = self._root
        hooks = [register_module_forward_pre_hook(self._enter), register_module_forward_hook(self._leave)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
            for dictionary, entries in self._kept:
                dictionary.clear()
                dictionary.update(entries)

    def _keep(self, module: nn.Module) -> None:
        """Remember a module's attributes, and its tables of parameters, buffers and modules as they are."""
        own = vars(module)
        self._kept += [(each, dict(each)) for each in (own, *own.values()) if isinstance(each, dict)]

    def _enter(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if module not in self._names:
            self._names[module] = type(module).__name__
            self._keep(module)
        module.training = False
        states = [self._tracer.states[tensor] for tensor in tensors_in(args) if tensor in self._tracer.states]
        leaf = isinstance(module, LEAVES) and len(states) == 1 and not states[0].lost
        if isinstance(module, REPRESENTATIONS) and leaf and states[0].layers:
            leaf = False  # above a layer, it is a convolution like any other
        self._entered.append((module, leaf))
        self._tracer.where = self._names[module]
        self._tracer.quiet += leaf

    def _leave(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        _, leaf = self._entered.pop()
        if leaf:
            self._tracer.quiet -= 1
            if not self._tracer.quiet:
                self.leaves = True
                self._read(module, args, output)
        self._tracer.where = self._names[self._entered[-1][0]] if self._entered else self._root

    def _read(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        tracer = self._tracer
        input = next(tensor for tensor in tensors_in(args) if tensor in tracer.states)
        state, result = tracer.states[input], tensors_in(output)[0]
        try:
            if isinstance(module, GeneralizedConv2d):
                after = self._generalized_convolution(module, result, state)
            elif isinstance(module, ConvAC):
                after = self._circuit(module, state)
            else:
                after = self._representation(module, state, result.shape[1], result.shape[2])
        except UnsupportedOperator as reason:
            key = tracer.record(f"{type(module).__name__}: {reason}", "not mapped")
            after = replace(state, lost=True, unread=state.unread | {key})
        tracer.states[result] = after

    def _circuit(self, module: ConvAC, state: PathState) -> PathState:
        plan = module.architecture
        if not isinstance(module.representation, nn.Identity):
            state = self._representation(module.representation, state, plan.representation_channels, plan.size)
        self._tracer.borders.add(plan.border)
        for number, (layer, size) in enumerate(zip(plan.layers, plan.sizes), start=1):
            words = f"generalized convolution {number}, {layer.receptive_field}×{layer.receptive_field}"
            state = self._tracer.apply(state, _square(words, layer.receptive_field, layer.stride, layer.channels, size))
        places = (None, None)
        dense = OperatorEffect("linear map", (1, 1), places, (Window(), Window()), "dense", in_circuit=True)
        return self._tracer.apply(state, dense)

    def _generalized_convolution(self, module: GeneralizedConv2d, output: torch.Tensor, state: PathState) -> PathState:
        R = module.receptive_field
        if any(place not in (None, Place(axis)) for place, axis in zip(state.places, (2, 3))):
            raise UnsupportedOperator("its windows do not run over the rows and columns of the image")
        self._tracer.borders.add(module.border)
        words = f"generalized convolution {R}×{R}" + ", with bias" * (module.bias is not None)
        effect = _square(words, R, module.stride, module.out_channels, output.shape[-1])
        return self._tracer.apply(state, replace(effect, in_circuit=module.bias is None))

    def _representation(self, module: nn.Module, state: PathState, channels: int, size: int) -> PathState:
        if state.layers:
            raise UnsupportedOperator("a representation is below every layer, and this one is above some")
        words = f"{type(module).__name__}, {channels} functions of every patch; from here on, patches are counted"
        self._tracer.record(words, "representation", in_circuit=True)
        sizes = (size, size)
        return replace(
            state, sizes=sizes, places=(Place(2), Place(3)), windows=(Window(), Window()), image=(sizes, channels)
        )


def _square(words: str, field: int, stride: int, channels: int, size: int) -> OperatorEffect:
    window = Window(0, field, stride)
    return OperatorEffect(words, (size,) * 2, (Place(2), Place(3)), (window,) * 2, "layer", channels, in_circuit=True)


@contextmanager
def watched(model: nn.Module, tracer: Tracer) -> Iterator[ModuleWatch]:
    """Watch a model's modules and functions for a tracer; afterwards the model is as it was.

    Args:
        model: the model.
        tracer: the tracer.
    """
    watch = ModuleWatch(model, tracer)
    with ExitStack() as stack:
        stack.callback(tracer.restore)
        stack.enter_context(watch.watching())
        stack.enter_context(FunctionNames(tracer))
        stack.enter_context(tracer)
        yield watch
