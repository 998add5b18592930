"""A view: what an explorer shows of one state, and how its values are written."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")

Value = str | int | float
State = tuple[Value | None, ...]  # a value of every axis, then of every other letter that a reader may type


@dataclass(frozen=True)
class View:
    """What an explorer shows of one state.

    Args:
        picture: an SVG document; give the pictures of all states one size, so that nothing jumps.
        alt: what the picture shows, for readers who do not see it.
        reading: one sentence that says what the picture tells.
        values: the state's numbers by name, a row of the table of all values.
        spots: parts of the picture, (left, top, width, height) in its own units, each with values on axes. Pointing at
            a part shows the state with these values, and a click or a tap chooses it.
        source: the file from which the state's numbers were read; empty if they were computed.

    Chapter: *The overlap theorem*.

    >>> View(picture="<svg/>", alt="A line.", reading="The rank is 2.", values={"rank": 2}).reading
    'The rank is 2.'
    """

    picture: str
    alt: str
    reading: str
    values: Mapping[str, Value] = field(default_factory=dict)
    spots: Sequence[tuple[tuple[float, float, float, float], Mapping[str, Value]]] = ()
    source: str = ""

    @property
    def sentence(self) -> str:
        """The reading, in which "B = 3" never breaks over two lines."""
        return self.reading.replace(" = ", "\u00a0=\u00a0")


def is_slider(values: Sequence[Value]) -> bool:
    """Whether the values of an axis make a slider, and not a row of buttons.

    >>> is_slider([1, 2]), is_slider(["left", "right"])
    (True, False)
    """
    return not any(isinstance(value, str) for value in values)


def label_of(letter: str) -> str:
    """Write an argument's name for the page: a capital letter's number is a subscript.

    >>> label_of("B1"), label_of("B1, window of layer 1"), label_of("step2")
    ('B₁', 'B₁, window of layer 1', 'step2')
    """
    return re.sub(r"^[A-Z]\d+", lambda found: found[0].translate(SUBSCRIPTS), letter)


def words_of(value: Value | None) -> str:
    """Write a value for the page; None is an empty field.

    >>> words_of(1024), words_of(1 / 7), words_of("left"), words_of(None)
    ('1,024', '0.1429', 'left', '')
    """
    if isinstance(value, float):
        return f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else value or ""


def bounds_in_words(values: Sequence[Value]) -> str:
    """Say which values may be chosen.

    >>> bounds_in_words(range(1, 8)), bounds_in_words((4, 8, 16))
    ('an integer from 1 to 7', '4, 8 or 16')
    """
    if isinstance(values, range) and values.step == 1:
        return f"an integer from {words_of(values[0])} to {words_of(values[-1])}"
    *others, last = map(words_of, values)
    return f"{', '.join(others)} or {last}" if others else last
