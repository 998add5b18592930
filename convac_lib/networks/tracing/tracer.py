"""Follow the image through one run of a torch model, operation by operation.

`tracing` makes an architecture of what is found. Taught in the chapter *The overlap theorem*.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain
from math import isqrt, prod

import psutil
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakIdKeyDictionary

from convac_lib.architecture import Layer
from convac_lib.budget import require_memory
from convac_lib.errors import ArchitectureError, BudgetError
from convac_lib.networks.layers import GeneralizedConv2d, Representation, Templates
from convac_lib.networks.models import ConvAC
from convac_lib.networks.tracing.operators import JOINS, WHY_NOT, Effect, Map, NotMapped, effect_of, name_of

_LARGE = 2**24  # numbers in an image from which on memory is looked at
REPRESENTATIONS = (Representation, Templates)
LEAVES = (GeneralizedConv2d, ConvAC, *REPRESENTATIONS)  # read from what they are, not from the functions that they call


@dataclass(frozen=True)
class Step:
    """One operation of a traced model on what it had made of the image.

    Attributes:
        where: the name of the module that did it, or the model's class.
        what: the operation, in words.
        role: "layer", "representation", "pointwise", "join", "dense", "off the path" (a layer of a narrower branch),
            "left out" (a branch that the path cannot hold), "not mapped", or "above" something that is not mapped.
        layer: the `Layer` that it is, if it is one.
        size: the side of what the model itself made there, if it is a layer.
        in_circuit: whether a ConvAC has such a step at this place.

    Chapter: *The overlap theorem*.
    """

    where: str
    what: str
    role: str
    layer: Layer | None = None
    size: int | None = None
    in_circuit: bool = False

    def __str__(self):
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Reach:
    """How a tensor was made of the image: the numbers of the layers' steps, and where its rows and columns run."""

    map: Map
    start: tuple[int, int]  # size and channels of what enters the first layer
    layers: tuple[int, ...] = ()
    field: int = 1
    stride: int = 1
    lost: bool = False


class Follower(TorchFunctionMode):
    """Follows the image: watches every call of torch's functions, and every module that is entered and left."""

    def __init__(self, model):
        super().__init__()
        self.reaches = WeakIdKeyDictionary()  # of every tensor that was made of the image
        self.steps, self.borders = [], set()
        self.names = {module: name or type(model).__name__ for name, module in model.named_modules()}
        self.entered = []  # the modules in which the run is, each with whether it is a leaf

    def run(self, model, shape):
        """The widest reach of the model's outputs."""
        parameter = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
        _require_room(model, shape, parameter)
        image = torch.zeros(shape, dtype=parameter.dtype, device=parameter.device)
        self.reaches[image] = Reach(Map(shape[-1], (2, 3)), start=(shape[-1], shape[1]))
        training = {module: module.training for module in self.names}
        hooks = [module.register_forward_pre_hook(self.enter, with_kwargs=True) for module in self.names]
        hooks += [module.register_forward_hook(self.leave, with_kwargs=True) for module in self.names]
        try:
            model.eval()
            with torch.random.fork_rng(_gpus(model)), torch.no_grad(), self:  # a lazy module draws its weights
                outputs = _tensors(model(image))
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            too_much = "allocate memory" in reason or "size calculation overflowed" in reason
            if too_much or isinstance(error, MemoryError | torch.OutOfMemoryError):
                raise BudgetError(
                    f"the model needs more memory than is free on a batch of shape {shape}; give a smaller input size"
                ) from error
            if lazy := _first_lazy(model):
                raise ArchitectureError(
                    f"the model does not run on a batch of shape {shape}, with {lazy} not initialized: {reason}; "
                    "give the input size as (channels, height, width), or run the model once on a batch, and then give it"
                ) from error
            raise ArchitectureError(
                f"the model does not run on a batch of shape {shape}: {reason}; give the input size that it is made for"
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
            for module, mode in training.items():
                module.training = mode
        if not outputs:
            raise ArchitectureError(
                f"{type(model).__name__} returns no tensor, and only tensors can be followed; return one"
            )
        return max((self.reaches[tensor] for tensor in outputs), key=lambda reach: reach.field)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        inputs = self.made_of_image((args, kwargs))
        if function is Tensor.__setitem__:
            output = args[0]
        if inputs and _tensors(output) and not any(leaf for _, leaf in self.entered):
            self.follow(inputs, output, lambda: self.read(function, args, kwargs, output, inputs), name_of(function))
        return None if function is Tensor.__setitem__ else output

    def enter(self, module, args, kwargs):
        inputs = self.made_of_image((args, kwargs))
        leaf = isinstance(module, LEAVES) and len(inputs) == 1
        if isinstance(module, REPRESENTATIONS) and leaf and self.reaches[inputs[0]].layers:
            leaf = False  # above a layer, it is a convolution like any other
        self.entered.append((module, leaf))

    def leave(self, module, args, kwargs, output):
        name, (_, leaf) = type(module).__name__, self.entered[-1]
        inputs = self.made_of_image((args, kwargs))
        unseen = [tensor for tensor in _tensors(output) if tensor not in self.reaches]
        if not any(outer for _, outer in self.entered[:-1]):
            if leaf:
                self.follow(inputs, output, lambda: self.read_leaf(module, output, self.reaches[inputs[0]]), name)
            elif inputs and unseen:
                self.follow(inputs, unseen, _not_followed, name)
        self.entered.pop()

    def made_of_image(self, values):
        return [tensor for tensor in _tensors(values) if tensor in self.reaches]

    def follow(self, inputs, output, read, name):
        """Take the steps that `read` finds, and give every output its reach."""
        widest = max((self.reaches[tensor] for tensor in inputs), key=lambda reach: (reach.lost, reach.field))
        reach = replace(widest, lost=True)
        if not widest.lost:
            try:
                reach = read()
            except NotMapped as reason:
                self.step(f"{name}: {reason}", "not mapped")
        elif name in WHY_NOT:
            self.step(f"{name}: {WHY_NOT[name]}", "not mapped")
        else:
            self.step(name, "above")
        for tensor in _tensors(output):
            self.reaches[tensor] = reach

    def step(self, what, role, **known):
        module, _ = self.entered[-1]
        self.steps.append(Step(self.names[module], what, role, **known))

    def take(self, reach, effect: Effect):
        """One step, and the reach above it; before the first layer, every pointwise step is the representation's."""
        known = {"in_circuit": effect.in_circuit or (effect.role == "pointwise" and not reach.layers)}
        if effect.layer:
            known |= {"layer": effect.layer, "size": effect.map.size}
            reach = replace(
                reach,
                layers=(*reach.layers, len(self.steps)),
                field=reach.field + (effect.layer.receptive_field - 1) * reach.stride,
                stride=reach.stride * effect.layer.stride,
            )
        self.step(effect.what, effect.role, **known)
        return replace(reach, map=effect.map)

    def read(self, function, args, kwargs, output, inputs):
        if len(inputs) == 1:
            input, reach = inputs[0], self.reaches[inputs[0]]
            return self.take(reach, effect_of(function, args, kwargs, _tensors(output)[0], input, reach.map))
        name = name_of(function)
        if name not in JOINS:
            raise NotMapped(WHY_NOT.get(name, "it combines several things that were made of the image"))
        return self.join(JOINS[name], inputs, _tensors(output)[0])

    def join(self, name, inputs, output):
        """Go on along the branch with the largest total receptive field, of those with the largest map."""
        reaches = [self.reaches[tensor] for tensor in inputs]
        size = max(reach.map.size for reach in reaches)
        number = max((n for n, reach in enumerate(reaches) if reach.map.size == size), key=lambda n: reaches[n].field)
        widest, input = reaches[number], inputs[number]
        effect = effect_of(torch.add, (), {}, output, input, widest.map)  # checks the shape
        self.step(name, "join")
        for reach in reaches:
            if reach.stride != widest.stride:
                self.step(
                    f"{name} with a branch of size {reach.map.size}×{reach.map.size}, total receptive field "
                    f"{reach.field} and total stride {reach.stride}",
                    "left out",
                )
        return replace(widest, map=effect.map)

    def read_leaf(self, module, output, reach):
        if isinstance(module, GeneralizedConv2d):
            return self.generalized_convolution(module, output, reach)
        if isinstance(module, REPRESENTATIONS):
            return self.representation(module, reach, *output.shape[1:3])
        plan = module.architecture
        if not isinstance(module.representation, nn.Identity):
            reach = self.representation(module.representation, reach, plan.representation_channels, plan.size)
        self.borders.add(plan.border)
        for number, (layer, size) in enumerate(zip(plan.layers, plan.sizes), start=1):
            words = f"generalized convolution {number}, {layer.receptive_field}×{layer.receptive_field}"
            reach = self.take(reach, Effect(words, Map(size, (2, 3)), "layer", layer, in_circuit=True))
        return self.take(reach, Effect("linear map", Map(1), "dense", in_circuit=True))

    def generalized_convolution(self, module, output, reach):
        R = module.receptive_field
        if reach.map != Map(reach.map.size, (2, 3)):
            raise NotMapped("its windows do not run over the rows and columns of the image")
        self.borders.add(module.border)
        words = f"generalized convolution {R}×{R}" + ", with bias" * (module.bias is not None)
        layer = Layer(R, module.stride, module.out_channels)
        return self.take(reach, Effect(words, Map(output.shape[-1], (2, 3)), "layer", layer, module.bias is None))

    def representation(self, module, reach, channels, size):
        if reach.layers:
            raise NotMapped("a representation is below every layer, and this one is above some")
        words = f"{type(module).__name__}, {channels} functions of every patch; from here on, patches are counted"
        self.step(words, "representation", in_circuit=True)
        return replace(reach, map=Map(size, (2, 3)), start=(size, channels))


def _first_lazy(model):
    """The name of the first parameter or buffer that has no size yet."""
    named = chain(model.named_parameters(), model.named_buffers())
    return next((name for name, tensor in named if is_lazy(tensor)), None)


def _gpus(model):
    return {p.device.index for p in model.parameters() if p.device.type == "cuda"}


def _require_room(model, shape, parameter):
    """Refuse an image with which the model needs more memory than is free: half as much again as its largest operation."""
    if parameter.device.type != "cpu" or prod(shape) < _LARGE:
        return
    most = prod(shape)
    if not _first_lazy(model):
        meta = {name: tensor.to("meta") for name, tensor in chain(model.named_parameters(), model.named_buffers())}
        for side in {shape[2], min(shape[2], 4096)}:  # one may be more than torch counts, or less than the model reads
            sizes = _Sizes()
            with suppress(Exception), torch.no_grad(), sizes:  # nor do models run so that look at values
                functional_call(model, meta, torch.empty(1, shape[1], side, side, dtype=parameter.dtype, device="meta"))
            most = max(most, sizes.most * shape[2] ** 2 // side**2)
    needed = most * parameter.dtype.itemsize * 3 // 2
    side = isqrt(shape[2] ** 2 * psutil.virtual_memory().available // needed)
    what = f"{type(model).__name__} on an image of {shape[2]:,}×{shape[3]:,} pixels"
    require_memory(needed, what, f"give an input size of at most {side:,}")


class _Sizes(TorchFunctionMode):
    """Finds how many numbers the arguments and the outputs of one function have at most."""

    most = 0

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        self.most = max(self.most, sum(tensor.numel() for tensor in _tensors((args, kwargs, output))))
        return output


def _not_followed():
    raise NotMapped("what it does inside could not be followed")


def _tensors(values):
    if isinstance(values, Tensor):
        return [values]
    if isinstance(values, dict):
        values = values.values()
    elif not isinstance(values, (tuple, list)):
        return []
    return [tensor for value in values for tensor in _tensors(value)]
