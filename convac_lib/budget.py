"""Budgets: what a question needs is compared with what this machine has, before any work begins."""

import math

import psutil

from convac_lib.errors import BudgetError


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
    free = psutil.virtual_memory().available
    if needed > free:
        raise BudgetError(f"{what} needs about {_gibibytes(needed)} of memory, and {_gibibytes(free)} are free; {smaller}")


def _gibibytes(count: float) -> str:
    """Bytes in GiB: one decimal below 10, none above, and a power of ten where no float holds them."""
    if count >= 2**1000:
        return f"10^{int(math.log10(count // 2**30))} GiB"
    size = count / 2**30
    return f"{size:,.1f} GiB" if size < 10 else f"{size:,.0f} GiB"
