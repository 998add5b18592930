"""Budgets: what a question needs is compared with what this machine has, before any work begins."""

from collections.abc import Callable

import psutil

from convac_lib.errors import BudgetError, shown

LONGEST = 6 * 3600  # seconds that one question may take by its estimate


def require_memory(needed: float, what: str, smaller: str) -> None:
    """Refuse a question that needs more memory than is free.

    Args:
        needed: the memory at the peak, in bytes.
        what: what needs it, the subject of the sentence.
        smaller: the remedy, a clause that names a smaller question.

    Raises:
        BudgetError: if less than that is free.

    >>> require_memory(1e18, "a table of 10^17 numbers", "use a smaller M")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    convac_lib.errors.BudgetError: a table of 10^17 numbers needs about 931,322,575 GiB of memory, and ... GiB are free; \
use a smaller M
    """
    free = free_memory()
    if needed > free:
        raise BudgetError(
            f"{what} needs about {_gibibytes(needed)} of memory, and {_gibibytes(free)} are free; {smaller}"
        )


def require_time(seconds: float, what: str, smaller: str) -> None:
    """Refuse a question that would take more than 6 hours.

    Args:
        seconds: an estimate.
        what: what takes them, the subject of the sentence.
        smaller: the remedy, a clause that names a smaller question.

    Raises:
        BudgetError: if the estimate is longer.

    >>> require_time(3e6, "a sum of 10^15 numbers", "use a smaller M")
    Traceback (most recent call last):
    convac_lib.errors.BudgetError: a sum of 10^15 numbers would take about 833 hours, and the limit is 6; use a smaller M
    """
    if seconds > LONGEST:
        raise BudgetError(
            f"{what} would take about {written(int(seconds // 3600))} hours, and the limit is {LONGEST // 3600}; {smaller}"
        )


def free_memory() -> int:
    """The bytes of memory that this machine could give now."""
    return psutil.virtual_memory().available


def largest(fits: Callable[[int], bool], limit: int) -> int:
    """Find the largest number up to a limit that fits, where all smaller ones fit too; 0 if none does.

    >>> largest(lambda number: number**2 < 50, 1000)
    7
    """
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _gibibytes(count: float) -> str:
    """Bytes in GiB: one decimal below 10, none above."""
    return f"{count / 2**30:,.1f} GiB" if count < 10 * 2**30 else f"{written(int(count) + 2**29 >> 30)} GiB"


def written(number: int) -> str:
    """A count in a sentence: 1,024 in full, 1.10e+12 beyond.

    >>> written(1024), written(2**40)
    ('1,024', '1.10e+12')
    """
    return f"{number:,}" if number < 10**12 else shown(number) if number >= 10**30 else f"{number:.2e}"
