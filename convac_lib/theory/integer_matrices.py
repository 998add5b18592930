"""Matricizations with integer entries of any size, and the rank of a matrix as the number of pieces that it is made of.

Taught in the chapter *Expressive efficiency*.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
from flint import fmpz

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError
from convac_lib.theory.assembly import matricization
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.cuts import Cut
from convac_lib.theory.fields import DEFAULT_PRIME, require_prime
from convac_lib.theory.tensors import assignments
from convac_lib.theory.weights import weight_shapes

LARGEST_WEIGHT = 9


def integer_weights(architecture: Architecture, seed: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Draw a network's weights as integers from −9 to 9 without 0, each with the same probability.

    Args:
        architecture: the network.
        seed: an integer; the same seed draws the same weights.

    Returns:
        An array per layer, and the dense weight of one class, of shape (1, C_L).

    Chapter: *Expressive efficiency*.

    >>> from convac_lib import baseline
    >>> weights, dense = integer_weights(baseline(M=2, size=2), seed=0)
    >>> weights[0].shape, dense.tolist()
    ((2, 2, 2, 2), [[-1, 5]])
    """
    generator = np.random.default_rng(seed)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        signs: np.ndarray = generator.choice([-1, 1], shape)
        return signs * generator.integers(1, LARGEST_WEIGHT + 1, shape)

    return [draw(shape) for shape in weight_shapes(architecture)], draw((1, architecture.channels[-1]))


def integer_matricization(
    architecture: Architecture, weights: Sequence[np.ndarray], dense: np.ndarray, cut: Cut
) -> np.ndarray:
    """Compute the whole matricization of a network with integer weights and one-hot templates, exactly.

    Its entries are found modulo so many primes that the product of these is more than twice as large as any entry.

    Args:
        architecture: the network, ending in 1×1.
        weights: integers, an array per layer.
        dense: integers, of shape (1, C_L).
        cut: P | Q, from `make_cut`.

    Returns:
        Python's integers, of shape (M^|P|, M^|Q|).

    Source: the Chinese remainder theorem. Chapter: *Expressive efficiency*.

    >>> from convac_lib import baseline, make_cut
    >>> ones = [np.full((1, 1, 2, 2), 10**6)]
    >>> integer_matricization(baseline(M=1, size=2), ones, np.array([[-1]]), make_cut("left-right", 2))
    array([[-1000000000000000000000000]], dtype=object)
    """
    M = architecture.representation_channels
    rows, columns = (assignments(M, patches) for patches in cut.sides)
    primes = _primes_beyond(2 * _largest_entry(architecture, weights, dense))
    product = prod(primes)
    total = np.zeros((len(rows), len(columns)), object)
    for prime in primes:
        rest = product // prime
        residues = matricization(Circuit(architecture, weights, dense, prime), cut, rows, columns)
        total += residues.astype(object) * (rest * pow(rest, -1, prime))
    total %= product
    return np.where(total > product // 2, total - product, total)


def _primes_beyond(least: int) -> list[int]:
    """List primes from 2³¹ − 1 downwards until their product is more than this."""
    primes: list[int] = []
    candidate = DEFAULT_PRIME
    while prod(primes) <= least:
        if fmpz(candidate).is_prime():
            primes.append(candidate)
        candidate -= 2
    return primes


def _largest_entry(architecture: Architecture, weights: Sequence[np.ndarray], dense: np.ndarray) -> int:
    """Bound the entries: no one-hot image gives more than an image of ones gives to the weights' absolute values."""
    x = np.ones((architecture.representation_channels, architecture.size, architecture.size), object)
    for layer, weight in zip(architecture.layers, weights):
        x = generalized_convolution(x, abs(weight.astype(object)), layer.stride, border=architecture.border)
    return int((abs(dense.astype(object))[0] * x[:, 0, 0]).sum())


def peel(
    matrix: np.ndarray, pieces: int, prime: int = DEFAULT_PRIME
) -> tuple[np.ndarray, tuple[int, ...], tuple[int, ...]]:
    """Subtract pieces of rank 1 from a matrix over GF(p), one after the other, each a column times a row.

        rest ← rest − rest[:, j] · rest[i, :] / rest[i, j],    i the first row that is not 0, j its first nonzero entry

    Each piece makes row i and column j zero, and lowers the rank by 1. So the rank is the number of pieces after which
    nothing is left.

    Args:
        matrix: integers, of shape (m, n).
        pieces: how many to subtract; fewer if nothing is left before.
        prime: p, at most 2³¹.

    Returns:
        What is left, residues 0..p−1 of shape (m, n); and the rows i and the columns j of the pieces.

    Raises:
        ConvacError: if p is not a prime, or above 2³¹.

    Source: Gauss. Chapter: *Expressive efficiency*.

    >>> peel(np.array([[0, 1], [2, 3]]), pieces=1, prime=7)
    (array([[0, 0],
           [2, 0]]), (0,), (1,))
    """
    if require_prime(prime) > 2**31:
        raise ConvacError(f"pieces are subtracted modulo a prime of at most 2^31, not {prime:,}; use {DEFAULT_PRIME:,}")
    rest = (matrix % prime).astype(np.int64)
    rows: list[int] = []
    columns: list[int] = []
    while len(rows) < pieces and rest.any():
        i = int(rest.any(axis=1).argmax())
        j = int((rest[i] != 0).argmax())
        factor = rest[:, j] * pow(int(rest[i, j]), -1, prime) % prime
        rest = (rest - np.outer(factor, rest[i])) % prime  # below 2⁶³, since p is at most 2³¹
        rows.append(i)
        columns.append(j)
    return rest, tuple(rows), tuple(columns)
