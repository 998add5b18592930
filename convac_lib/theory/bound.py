"""What a bound on a rank is: a power, written exactly however large it is, from below or from above."""

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isqrt, log2
from typing import Literal

from convac_lib.errors import BudgetError, shown

LARGEST_BITS = 2**20  # of a power that is written out; computing its roots takes less than a second
WRITTEN_BITS = 2**10  # of a number that is printed, or that is the base of a bound, in full


@dataclass(frozen=True)
class Kind:
    """What all bounds of one name have in common.

    Attributes:
        title: the name in tables.
        relation: how the rank relates to the bound: "≥" for a lower bound, "≤" for an upper one.
    """

    title: str
    relation: Literal["≥", "≤"]


KINDS = {
    "theorem": Kind("theorem", "≥"),
    "common_case": Kind("common case", "≥"),
    "chain": Kind("chain", "≥"),
    "non_overlapping_upper": Kind("non-overlapping upper", "≤"),
    "min_cut": Kind("min cut", "≤"),
    "saturation": Kind("saturation", "≤"),
}


@dataclass(frozen=True)
class Bound:
    """A bound on the rank of the grid tensor's matricization: the rank is at least, or at most, base^exponent.

    Attributes:
        name: which bound it is, a key of `KINDS` and of `bounds.BOUNDS`.
        statement: the claim, in a sentence.
        status: "proved", or "claimed in the talk".
        base: an integer.
        exponent: a fraction whose denominator is 1, 2 or 4.

    Chapter: *The overlap theorem*.

    >>> bound = Bound("common_case", "an example", "claimed in the talk", base=2, exponent=Fraction(25, 4))
    >>> print(bound.title, bound.relation, bound)
    common case ≥ ⌈2^(25/4)⌉ = 77
    """

    name: str
    statement: str
    status: str
    base: int
    exponent: Fraction

    @property
    def title(self) -> str:
        """The bound's name in tables."""
        return KINDS[self.name].title

    @property
    def relation(self) -> Literal["≥", "≤"]:
        """How the rank relates to the bound: "≥" for a lower bound, "≤" for an upper one."""
        return KINDS[self.name].relation

    @property
    def value(self) -> int:
        """⌈base^exponent⌉ exactly; a rank is an integer, so a lower bound rounds up.

        Raises:
            BudgetError: if base^(the exponent's numerator) has over 2²⁰ bits; `log2` says how large it is.
        """
        exponent, root = self.exponent.numerator, self.exponent.denominator
        if self.base > 1 and exponent * log2(self.base) > LARGEST_BITS:
            raise BudgetError(f"{self.power} is too large to write out; its log2 is {self.log2:.3g}")
        power: int = self.base**exponent if self.base > 1 else 1
        lower = isqrt(power) if root == 2 else isqrt(isqrt(power)) if root == 4 else power
        return lower if lower**root == power else lower + 1

    @property
    def log2(self) -> float:
        """log₂ of the bound, for huge bounds; infinite if the logarithm exceeds the largest float too."""
        try:
            return float(self.exponent) * log2(self.base)
        except OverflowError:
            return inf if self.base > 1 else 0.0

    @property
    def power(self) -> str:
        """The bound as a power, in a few characters even if it is huge."""
        if self.exponent.denominator == 1:
            return f"{shown(self.base)}^{shown(self.exponent.numerator)}"
        return f"⌈{shown(self.base)}^({shown(self.exponent.numerator)}/{self.exponent.denominator})⌉"

    def __str__(self) -> str:
        if self.base == 1 or self.exponent == 1:
            return f"{self.value:,}" if self.base.bit_length() <= WRITTEN_BITS else shown(self.base)
        return f"{self.power} = {self.value:,}" if self.log2 < 64 else self.power
