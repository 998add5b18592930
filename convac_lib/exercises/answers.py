"""Read a reader's answers: integers, arrays, functions and words; a bad answer is refused in one sentence."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

NEAR = 1e-9  # a floating-point number this close to an integer is read as the integer


class Wrong(Exception):
    """Raised for a wrong answer, with one sentence that says why, without its full stop."""


class Unanswered(Exception):
    """Raised if a reader's function still returns `...`."""


def is_open(answer: object) -> bool:
    """Whether an answer contains `...` anywhere.

    >>> is_open([1, ...]), is_open({1: (2, ...)}), is_open([1, 2])
    (True, True, False)
    """
    if isinstance(answer, Mapping):
        return any(map(is_open, answer.values()))
    if isinstance(answer, list | tuple | set):
        return any(map(is_open, answer))
    if isinstance(answer, np.ndarray) and answer.dtype == object:
        return any(map(is_open, answer.ravel().tolist()))
    return answer is ...


def shown(value: object) -> str:
    """Write a value on one short line.

    >>> shown(np.zeros((2, 2), int)), len(shown("x" * 100))
    ('array([[0, 0], [0, 0]])', 60)
    """
    words = " ".join(repr(value).split())
    return words if len(words) <= 60 else f"{words[:59]}…"


def number(name: str, value: Any) -> int | float | Fraction:
    """Read a finite number of Python, NumPy or torch; a bool is not a number."""
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    endless = isinstance(plain, float) and not isfinite(plain)
    if isinstance(plain, bool) or not isinstance(plain, int | float | Fraction) or endless:
        raise Wrong(f"{name} should be a number, and {shown(value)} is not one")
    return plain


def integer(name: str, value: object) -> int:
    """Read an integer, or a floating-point number that is one.

    >>> integer("C", np.int64(3)), integer("C", 64.0)
    (3, 64)
    >>> integer("r", 5.5)
    Traceback (most recent call last):
    convac_lib.exercises.answers.Wrong: r should be an integer, and 5.5 is not one
    """
    try:
        exact = Fraction(number(name, value))
    except Wrong:
        exact = Fraction(1, 2)
    if abs(exact - round(exact)) > NEAR:
        raise Wrong(f"{name} should be an integer, and {shown(value)} is not one")
    return round(exact)


def numbers(name: str, value: object, shape: tuple[int, ...], axes: str) -> np.ndarray:
    """Read an array of exact numbers, of dtype object, from a list, a tuple or an array of any kind.

    Args:
        name: what a sentence calls the answer.
        value: the answer.
        shape: the shape that it must have.
        axes: the shape in words.
    """
    if isinstance(value, str | Mapping | set) or not isinstance(value, Iterable):
        raise Wrong(f"{name} should be a list or an array of shape {shape}, {axes}, and {shown(value)} is neither")
    try:
        array = np.asarray(value)
    except ValueError:
        raise Wrong(f"{name} should have shape {shape}, {axes}, and its rows differ in length") from None
    if array.shape != shape:
        raise Wrong(f"{name} should have shape {shape}, {axes}, not {array.shape}")
    entries = [number(f"every entry of {name}", entry) for entry in array.ravel().tolist()]
    exact = np.empty(len(entries), object)
    exact[:] = entries
    return exact.reshape(shape)


def integers(name: str, value: object, shape: tuple[int, ...], axes: str) -> np.ndarray:
    """Read an array of Python's integers, as `numbers` does.

    >>> integers("u", [1, 2.0], (2,), "one for each patch").tolist()
    [1, 2]
    """
    array = numbers(name, value, shape, axes)
    array.ravel()[:] = [integer(f"every entry of {name}", entry) for entry in array.ravel()]
    return array


def integer_for_each(name: str, value: object, keys: Iterable[int], letter: str) -> dict[int, int]:
    """Read an integer for each of these keys from a dictionary that has them all.

    >>> integer_for_each("channels", {1: 64, 2: 3}, (1, 2), letter="B")
    {1: 64, 2: 3}
    """
    return {key: integer(f"{name}[{key}]", each) for key, each in entries_of(name, value, keys, letter).items()}


def entries_of(name: str, value: object, keys: Iterable[int], letter: str) -> dict[int, object]:
    """Read the entries of a dictionary at these keys, none of which may be missing."""
    if not isinstance(value, Mapping):
        raise Wrong(
            f"{name} should be a dictionary such as {{{', '.join(f'{key}: …' for key in keys)}}}, not {shown(value)}"
        )
    for key in keys:
        if key not in value:
            raise Wrong(f"{name} has no entry for {letter} = {key}")
    return {key: value[key] for key in keys}


def word(name: str, value: object, choices: Iterable[str]) -> str:
    """Read one of these words, in upper or lower case."""
    if not isinstance(value, str) or value.strip().lower() not in choices:
        options = " or ".join(repr(choice) for choice in choices)
        raise Wrong(f"{name} should be {options}, not {shown(value)}")
    return value.strip().lower()


def call(name: str, function: object, *arguments: object) -> object:
    """Call a reader's function and return its result.

    >>> call("law", 16, 2)
    Traceback (most recent call last):
    convac_lib.exercises.answers.Wrong: law should be a function, and 16 is not one
    """
    if not callable(function):
        raise Wrong(f"{name} should be a function, and {shown(function)} is not one")
    result = function(*arguments)
    if is_open(result):
        raise Unanswered
    if result is None:
        raise Wrong(f"{name} returns None: a function passes its result on with `return`")
    return result
