"""One call of an operator of torch, with its arguments by name, and the classes of operators that torch itself names.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload

UNCHANGED = {
    "_conj", "_to_copy", "_to_dense", "alias", "clone", "contiguous", "detach", "lift", "lift_fresh", "native_dropout",
    "to",
}  # fmt: skip
REARRANGEMENTS = {
    "_reshape_alias", "_unsafe_view", "channel_shuffle", "diagonal", "expand", "flip", "gather", "index",
    "index_select", "movedim", "narrow", "native_channel_shuffle", "permute", "pixel_unshuffle", "repeat", "reshape",
    "roll", "select", "slice", "split", "split_with_sizes", "squeeze", "t", "tile", "transpose", "unbind", "unfold",
    "unsqueeze", "view",
}  # fmt: skip
PRODUCTS = {"mm", "bmm", "addmm", "baddbmm", "mv", "addmv", "dot", "linear"}
CONVOLUTIONS = {"convolution", "_convolution", "convolution_overrideable", "mkldnn_convolution", "cudnn_convolution"}
WHY_NOT = {
    "pixel_shuffle": "it enlarges the map, which no stride does",
    "col2im": "it adds windows up into a larger map, which no stride does",
    "grid_sampler_2d": "it reads pixels that other pixels choose",
    "fft": "every position may read every other",
    "bmm": "a product of two maps: every position may read every other",
    "mm": "a product of two maps: every position may read every other",
}
RESAMPLING = "resampling has no one receptive field and stride"
ATTENTION = "attention: every position may read every other"


@dataclass(frozen=True)
class Call:
    """One call of an operator.

    Args:
        operator: the operator.
        name: its plain name, without the underscore of one that writes into its input.
        function: the name of the function of torch that the model called.
        arguments: what it was given, by the names in the operator's own declaration.
        output: what it returned.
    """

    operator: OpOverload
    name: str
    function: str
    arguments: Mapping[str, Any]
    output: Any

    @property
    def result(self) -> Tensor:
        """The first tensor that it returned."""
        return tensors_in(self.output)[0]

    @property
    def is_pointwise(self) -> bool:
        """Whether torch declares that the operator does the same to every entry, or it does not change its input."""
        return torch.Tag.pointwise in self.operator.tags or self.name in UNCHANGED or self.name == "copy"

    @property
    def words(self) -> str:
        """The name of the function that the model called, or of the operator if it called none."""
        return self.function or self.name

    def why_not(self) -> str | None:
        """Return why an operator of this name has no windows, if that is known."""
        names = f"{self.function} {self.name}"
        if "attention" in names or "transformer" in names:
            return ATTENTION
        if "upsample" in names or "interpolate" in names:
            return RESAMPLING
        if "transpose" in self.function and self.name in CONVOLUTIONS:
            return "a transposed convolution enlarges the map, which no stride does"
        return WHY_NOT.get(self.name) or (WHY_NOT["fft"] if "fft" in self.name else None)


def call_of(operator: OpOverload, args: Iterable[Any], kwargs: Mapping[str, Any], output: Any, function: str) -> Call:
    """Name the arguments of one call.

    Args:
        operator: the operator that was called.
        args: its positional arguments.
        kwargs: its keyword arguments.
        output: what it returned.
        function: the name of the function of torch that the model called, or "".

    >>> x = torch.zeros(1, 3)
    >>> call_of(torch.ops.aten.add_.Tensor, (x, 2), {}, x, "add_").arguments["other"]
    2
    """
    names, defaults, _ = _declared(operator)
    arguments = {**defaults, **dict(zip(names, args)), **kwargs}
    return Call(operator, plain_name(operator), function, arguments, output)


@cache
def _declared(operator: OpOverload) -> tuple[tuple[str, ...], dict[str, Any], tuple[str, ...]]:
    """Return the names of an operator's arguments, their defaults, and the names of those that it writes into."""
    declared = operator._schema.arguments
    defaults = {each.name: each.default_value for each in declared if each.has_default_value()}
    written = tuple(each.name for each in declared if each.alias_info is not None and each.alias_info.is_write)
    return tuple(each.name for each in declared), defaults, written


@cache
def plain_name(operator: OpOverload) -> str:
    """Return an operator's name, without the underscore of one that writes into its input.

    >>> plain_name(torch.ops.aten.add_.Tensor), plain_name(torch.ops.aten._softmax.default)
    ('add', '_softmax')
    """
    return operator._schema.name.partition("::")[2].rstrip("_")


def written_by(call: Call) -> list[Tensor]:
    """Return the tensors into which a call writes."""
    _, _, written = _declared(call.operator)
    return tensors_in([call.arguments.get(name) for name in written])


def makes_constant(call: Call) -> bool:
    """Whether a call uses its input for its shape and type only, and so returns nothing of the image."""
    return call.name.startswith("new_") or call.name.endswith("_like") or call.name in {"zero", "fill", "empty"}


def tensors_in(values: object) -> list[Tensor]:
    """Return the tensors in nested lists, tuples, dictionaries and dataclasses, in order.

    >>> tensors_in({"x": torch.tensor(1), "rest": (2, [torch.tensor(3)])})
    [tensor(1), tensor(3)]
    """
    if isinstance(values, Tensor):
        return [values]
    if values is None or isinstance(values, (int, float, str)):  # the most frequent, for speed
        return []
    if not isinstance(values, (tuple, list)):
        if isinstance(values, Mapping):
            values = list(values.values())
        elif is_dataclass(values) and not isinstance(values, type):
            values = [getattr(values, each.name) for each in fields(values)]
        else:
            return []
    return [tensor for value in values for tensor in tensors_in(value)]
