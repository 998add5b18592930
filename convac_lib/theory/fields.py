"""The two arithmetics of the theory: the real numbers, and the integers modulo a prime.

Over GF(p) every product is exact, so a rank found there is a proof; floating point is for comparison with torch.
Wherever an argument is called `prime`, None stands for the real numbers.
"""

import numpy as np
from flint import fmpz

from convac_lib.errors import ConvacError

DEFAULT_PRIME = 2**31 - 1


def require_prime(prime: int) -> int:
    """Return p if it is a prime below 2⁶³; raise `ConvacError` otherwise.

    >>> require_prime(2**31 - 1)
    2147483647
    """
    if not isinstance(prime, int) or not 2 <= prime < 2**63 or not fmpz(prime).is_prime():
        raise ConvacError(f"{prime!r} is not a prime below 2**63; use for example {DEFAULT_PRIME}")
    return prime


def element_type(prime: int | None) -> type:
    """The dtype whose product of two elements never overflows: float64, int64 up to p = 2³¹, else Python's integers."""
    if prime is None:
        return np.float64
    return np.int64 if prime <= 2**31 else object


def reduce(values: np.ndarray, prime: int | None) -> np.ndarray:
    """Bring values back to 0..p−1; the real numbers need nothing.

    >>> reduce(np.array([7, -1]), 5)
    array([2, 4])
    """
    return values if prime is None else values % prime
