"""Budgets: the memory and time that a question needs are compared with the limits before any work begins."""

from collections.abc import Callable

import psutil

from convac_lib.errors import BudgetError, shown

LONGEST = 6 * 3600  # seconds that one question may take by its estimate


def require_memory(needed: float, what: str, smaller: str) -> None:
    """Refuse a question that needs more memory than is free.

    Args:
        needed: the memory at the peak, in bytes.
        what: what needs the memory, as the subject of the sentence.
        smaller: the remedy, a clause that names a smaller question.

    Raises:
        BudgetError: if less memory is free.

    >>> require_memory(1e18, "a table of 10^17 numbers", "use a smaller M")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    convac_lib.errors.BudgetError: a table of 10^17 numbers needs about 931,322,575 GiB of memory, and ... GiB are \
free; use a smaller M
    """
    free = free_memory()
    if needed > free:
        raise BudgetError(
            f"{what} needs about {_gibibytes(needed)} of memory, and {_gibibytes(free)} are free; {smaller}"
        )


def require_time(seconds: float, what: str, smaller: str) -> None:
    """Refuse a question that would take more than 6 hours.

    Args:
        seconds: the estimated time.
        what: what takes the time, as the subject of the sentence.
        smaller: the remedy, a clause that names a smaller question.

    Raises:
        BudgetError: if the estimate is over 6 hours.

    >>> require_time(3e6, "a sum of 10^15 numbers", "use a smaller M")
    Traceback (most recent call last):
    convac_lib.errors.BudgetError: a sum of 10^15 numbers would take about 833 hours, and the limit is 6; \
use a smaller M
    """
    if seconds > LONGEST:
        raise BudgetError(
            f"{what} would take about {written(int(seconds // 3600))} hours, "
            f"and the limit is {LONGEST // 3600}; {smaller}"
        )


def free_memory() -> int:
    """Return the bytes of memory that are free now."""
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
    """Write a number of bytes in GiB, with one decimal below 10 GiB."""
    return f"{count / 2**30:,.1f} GiB" if count < 10 * 2**30 else f"{written(int(count) + 2**29 >> 30)} GiB"


def written(number: int) -> str:
    """Write a count for a sentence: in full below 10¹², rounded above.

    >>> written(1024), written(2**40)
    ('1,024', '1.10e+12')
    """
    return f"{number:,}" if number < 10**12 else shown(number) if number >= 10**30 else f"{number:.2e}"
