"""The two arithmetics of the theory: the real numbers, and the integers modulo a prime.

Over GF(p) every product is exact, so a rank found there is a proof; floating point is for comparison with torch.
Where an argument called `prime` may be None, None means the real numbers.
"""

from fractions import Fraction

import numpy as np
from flint import fmpz, nmod_mat
from numpy.typing import ArrayLike

from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError, HypothesisError, WeightError, shown

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
    require_integers(least=0, seed=seed)
    return seed


def schwartz_zippel(degree: int, prime: int) -> Fraction:
    """Bound the probability that a polynomial that is not 0 vanishes at random weights, uniform in GF(p).

    Args:
        degree: the total degree of the polynomial, a minor.
        prime: p.

    Returns:
        degree / p.

    Raises:
        ConvacError: if p is not a prime.
        HypothesisError: if the bound is 1 or more, because p is too small.

    >>> schwartz_zippel(28, 101)
    Fraction(28, 101)
    """
    if require_prime(prime) <= degree:
        raise HypothesisError(
            f"the minor has degree {degree:,}, so Schwartz–Zippel says nothing modulo {prime:,}; "
            f"use a prime above {degree:,}"
        )
    return Fraction(degree, prime)


def to_field(values: ArrayLike, prime: int | None, name: str = "the array") -> np.ndarray:
    """Convert values to this arithmetic: float64 for the real numbers, integers 0..p−1 for GF(p).

    A product of two results never overflows: they are int64 up to p = 2³¹, and Python's integers beyond.

    Args:
        values: real numbers, or integers for GF(p).
        prime: p for GF(p), None for the real numbers.
        name: what an error calls the values.

    Returns:
        An array of the same shape.

    Raises:
        WeightError: if a real number is NaN or infinite, or a value for GF(p) is not an integer.

    >>> to_field(np.array([7, -1]), 5)
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
    if values.dtype.itemsize < 8:  # p may not fit in fewer bytes
        values = values.astype(np.int64)
    return reduce_modulo(values, prime).astype(np.int64 if prime <= 2**31 else object)


def float_to_field(values: ArrayLike, prime: int) -> np.ndarray:
    """Convert finite floating-point numbers to GF(p), exactly: each is m·2ᵏ with integers m, k, and 2 has an inverse.

    Raises:
        ConvacError: if p is 2, where halves have no value.

    >>> float_to_field(np.array([0.5, -3.0]), 7)                  # 4 + 4 = 1 and 4 + 3 = 0 modulo 7
    array([4, 4])
    """
    if prime == 2:
        raise ConvacError("a half has no value modulo 2; use an odd prime")
    fractions, exponents = np.frexp(np.asarray(values, np.float64))  # fraction·2^exponent
    mantissas = to_field((fractions * 2.0**53).astype(np.int64), prime)  # fraction·2⁵³ is an integer
    powers = np.vectorize(lambda exponent: pow(2, int(exponent) - 53, prime), otypes=[mantissas.dtype])(exponents)
    return reduce_modulo(mantissas * powers, prime)


def reduce_modulo(values: np.ndarray, prime: int | None) -> np.ndarray:
    """Reduce integers to 0..p−1; real numbers are returned as they are.

    >>> reduce_modulo(np.array([7, -1]), 5)
    array([2, 4])
    """
    if prime is None:
        return values
    # NumPy divides words by one number with vector instructions, and has none for remainders.
    return values - values // prime * prime if values.dtype == np.int64 else values % prime


def pivot_columns(matrix: np.ndarray, prime: int) -> np.ndarray:
    """Find the columns of an integer matrix that are no combination over GF(p) of the columns before them.

    >>> pivot_columns(np.array([[1, 2, 0], [3, 6, 1]]), prime=7)
    array([0, 2])
    """
    return _reduced(matrix, prime)[1]


def solve(matrix: np.ndarray, target: np.ndarray, prime: int) -> np.ndarray | None:
    """Find an x with matrix · x = target over GF(p), or None if there is none.

    Args:
        matrix: integers, of shape (m, n).
        target: m integers.
        prime: p.

    Returns:
        x, of n residues 0..p−1; where several solve the equation, the free ones are 0.

    >>> solve(np.array([[1, 1], [1, 2]]), np.array([0, 3]), prime=7)
    array([4, 3])
    """
    unknowns = matrix.shape[1]
    reduced, pivots = _reduced(np.column_stack([matrix, target]), prime)
    if unknowns in pivots:
        return None
    x = np.zeros_like(target, shape=unknowns)
    x[pivots] = [int(reduced[row, unknowns]) for row in range(len(pivots))]
    return x


def _reduced(matrix: np.ndarray, prime: int) -> tuple[nmod_mat, np.ndarray]:
    """The reduced row echelon form by python-flint, and its pivot columns."""
    rows, columns = matrix.shape
    residues = (matrix.astype(object) % prime).ravel().tolist()
    reduced, rank = nmod_mat(rows, columns, residues, prime).rref()
    pivots = [next(j for j in range(columns) if reduced[i, j]) for i in range(rank)]
    return reduced, np.array(pivots, np.intp)
