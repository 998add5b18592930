"""The two arithmetics of the theory: the real numbers, and the integers modulo a prime.

Over GF(p) every product is exact, so a rank found there is a proof; floating point is for comparison with torch.
Wherever an argument is called `prime`, None stands for the real numbers.
"""

import numpy as np
from flint import fmpz

from convac_lib.errors import ConvacError, WeightError, shown

DEFAULT_PRIME = 2**31 - 1


def require_prime(prime: int) -> int:
    """Return p if it is a prime below 2⁶³; raise `ConvacError` otherwise.

    >>> require_prime(2**31 - 1)
    2147483647
    """
    if not isinstance(prime, int) or not 2 <= prime < 2**63 or not fmpz(prime).is_prime():
        raise ConvacError(f"{shown(prime)} is not a prime below 2**63; use for example {DEFAULT_PRIME}")
    return prime


def require_seed(seed: int) -> int:
    """Return a seed if it is an integer of at least 0; raise `ConvacError` otherwise."""
    if not isinstance(seed, int) or seed < 0:
        raise ConvacError(f"seed must be an integer of at least 0, not {shown(seed)}")
    return seed


def elements(values: np.ndarray, prime: int | None, name: str = "the array") -> np.ndarray:
    """Bring values into the arithmetic: float64 for the real numbers, integers 0..p−1 for GF(p).

    A product of two elements never overflows: they are int64 up to p = 2³¹, and Python's integers beyond.

    Raises:
        WeightError: if a real number is NaN or infinite, or one for GF(p) is not whole.

    >>> elements(np.array([7, -1]), 5)
    array([2, 4])
    """
    values = np.asarray(values)
    if prime is None:
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            raise WeightError(f"{name} holds NaN or infinity; every number must be finite")
        return values
    if values.dtype.kind not in "iu" and not all(isinstance(value, int) for value in values.flat):
        raise WeightError(f"{name} must hold integers to be taken modulo {prime}, not {values.dtype}")
    if values.dtype.itemsize < 8:  # p need not fit in fewer bytes
        values = values.astype(np.int64)
    return reduce(values, prime).astype(np.int64 if prime <= 2**31 else object)


def dyadic_elements(values: np.ndarray, prime: int) -> np.ndarray:
    """Bring finite floating-point numbers into GF(p), exactly: each is m·2ᵏ with whole m and k, and 2 has an inverse.

    Raises:
        ConvacError: if p is 2, where halves have no value.

    >>> dyadic_elements(np.array([0.5, -3.0]), 7)                  # 4 + 4 = 1 and 4 + 3 = 0 modulo 7
    array([4, 4])
    """
    if prime == 2:
        raise ConvacError("a half has no value modulo 2; use an odd prime")
    fractions, exponents = np.frexp(np.asarray(values, np.float64))  # fraction·2^exponent; fraction·2⁵³ is whole
    whole = elements((fractions * 2.0**53).astype(np.int64), prime)
    powers = np.vectorize(lambda exponent: pow(2, int(exponent) - 53, prime), otypes=[whole.dtype])(exponents)
    return reduce(whole * powers, prime)


def reduce(values: np.ndarray, prime: int | None) -> np.ndarray:
    """Bring values back to 0..p−1; the real numbers need nothing.

    >>> reduce(np.array([7, -1]), 5)
    array([2, 4])
    """
    return values if prime is None else values % prime
