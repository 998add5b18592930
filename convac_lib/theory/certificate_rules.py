"""The form of a rank certificate's file: its keys, its limits, and a rule for each value with its error's sentence."""

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from math import prod
from typing import Any

from convac_lib.architecture import BORDERS, LARGEST_LAYERS, Architecture
from convac_lib.errors import DataError
from convac_lib.theory.cuts import Cut
from convac_lib.theory.weights import weight_shapes

FORMAT = "convac rank certificate 1"
LARGEST_FILE = 2**24  # bytes
LARGEST_NUMBER = 2**12  # of a receptive field, a stride or channels
LARGEST_M, LARGEST_SIZE, LARGEST_RANK, LARGEST_PRIME = 64, 64, 2**13, 2**31
KEYS = (
    "format", "size", "representation_channels", "layers", "border", "shared", "cut", "prime", "weights", "dense",
    "rank", "rows", "columns", "sampled", "digest",
)  # fmt: skip
Rule = tuple[str, Callable[[Any], bool], str]  # a key, what its value must satisfy, and the sentence if it does not


def refusal(reason: str) -> DataError:
    """The error for a file that is not a certificate."""
    return DataError(f"this is not a certificate: {reason}")


def require(document: dict[str, Any], rules: Iterable[Rule]) -> None:
    """Raise `DataError` with the sentence of the first rule that a document breaks."""
    for key, holds, sentence in rules:
        if not holds(document[key]):
            raise refusal(sentence)


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high  # a bool is an int too


def _are_integers(values: Any, low: int, high: int, count: int | None = None) -> bool:
    return (
        isinstance(values, list)
        and (count is None or len(values) == count)
        and all(_is_integer(value, low, high) for value in values)
    )


def _is_few(layers: Any) -> bool:
    return not isinstance(layers, list) or len(layers) <= LARGEST_LAYERS


def _are_layers(layers: Any) -> bool:
    return (
        isinstance(layers, list)
        and all(isinstance(layer, list) and len(layer) == 4 and type(layer[3]) is bool for layer in layers)
        and all(_are_integers(layer[:3], 1, LARGEST_NUMBER) for layer in layers)
    )


def _are_weights(weights: Any, prime: int, counts: list[int]) -> bool:
    return (
        isinstance(weights, list)
        and len(weights) == len(counts)
        and all(_are_integers(numbers, 0, prime - 1, count) for numbers, count in zip(weights, counts))
    )


def _are_packed(words: Any, count: int, most: int) -> bool:
    """Whether words are `count` numbers of at most `most`, as `certificates.packed` writes them."""
    form = re.compile(f"[0-9a-f]{{{len(f'{most:x}')}}}")
    return (
        isinstance(words, list)
        and len(words) == count
        and all(isinstance(word, str) and form.fullmatch(word) and int(word, 16) <= most for word in words)
    )


def _integer_rule(key: str, low: int, high: int, written: str = "") -> Rule:
    sentence = f"its {key.replace('_', ' ')} must be an integer from {low} to {written or high}"
    return key, partial(_is_integer, low=low, high=high), sentence


FORMAT_RULE: Rule = ("format", lambda value: value == FORMAT, f"its format must be {FORMAT!r}")
PLAN_RULES: tuple[Rule, ...] = (
    _integer_rule("size", 1, LARGEST_SIZE),
    _integer_rule("representation_channels", 1, LARGEST_M),
    _integer_rule("prime", 2, LARGEST_PRIME, "2^31"),
    _integer_rule("rank", 1, LARGEST_RANK),
    ("layers", _is_few, f"it may have at most {LARGEST_LAYERS:,} layers"),
    (
        "layers",
        _are_layers,
        f"its layers must be [receptive field, stride, channels, whether weight-free], numbers 1 to {LARGEST_NUMBER}",
    ),
    ("border", lambda border: border in BORDERS, f"its border must be one of {', '.join(BORDERS)}"),
    ("shared", lambda shared: type(shared) is bool, "whether its weights are shared must be true or false"),
)


def cut_rule(size: int) -> Rule:
    """The rule for the cut of an image of this size."""
    return (
        "cut",
        lambda patches: _are_integers(patches, 0, size**2 - 1) and patches == sorted(set(patches)),
        "its cut must be the numbers of the patches of one side, in increasing order",
    )


def claim_rules(architecture: Architecture, cut: Cut, prime: int, rank: int) -> Iterator[Rule]:
    """The rules for the weights, the rows and the columns that prove a rank of this network modulo p."""
    M, parts = architecture.representation_channels, {"rows": cut.rows, "columns": cut.columns}
    sides = [M ** len(patches) for patches in parts.values()]
    yield (
        "sampled",
        lambda two: _are_integers(two, rank, max(sides), 2) and all(count <= side for count, side in zip(two, sides)),
        "its sampled rows and columns must be two numbers, from its rank to the sides of the matricization",
    )
    yield (
        "weights",
        partial(_are_weights, prime=prime, counts=list(map(prod, weight_shapes(architecture)))),
        "its weights must be integers below its prime, as many as each layer has",
    )
    yield (
        "dense",
        partial(_are_integers, low=0, high=prime - 1, count=architecture.channels[-1]),
        "its dense weights must be integers below its prime, one per channel of the last layer",
    )
    for (key, patches), side in zip(parts.items(), sides):
        yield (
            key,
            partial(_are_packed, count=rank, most=side - 1),
            f"its {key} must be as many as its rank, each a number below {M}^{len(patches)} in hexadecimal",
        )
