"""Depth efficiency, counted: the rank of a deep tree across odd | even, and the weights for which it is smaller.

Taught in the chapter *Depth efficiency*.
"""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from convac_lib.related.row import RowTree, compose_row, minor_bound, row_matrix
from convac_lib.theory.decompositions import compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME, pivot_columns, require_prime
from convac_lib.theory.ranks import rank_modulo


def halved(levels: Sequence[np.ndarray], prime: int | None = DEFAULT_PRIME) -> np.ndarray:
    """Halve the tensor of a tree over a row: leave the leaves out, so that each lowest window is a patch.

        s_{α_1 … α_{N/2}},  where α_j numbers the channels that the lowest window j multiplies

    If every leaf matrix has rank r_0, the rank across odd | even is the number of entries of s that are not 0.

    Args:
        levels: a⁰, …, aᴸ, from `random_levels`.
        prime: p for GF(p), None for the real numbers.

    Returns:
        s, of shape (r_0,)*(N/2).

    Raises:
        ConvacError: if the levels do not fit together, or s would have more than 2²⁶ entries.

    Source: ours, after Cohen, Sharir & Shashua, COLT 2016. Chapter: *Depth efficiency*.

    >>> halved([np.stack([np.eye(2, dtype=int)] * 2), np.array([[[1, 5]]])])
    array([1, 5])
    """
    s: np.ndarray = compose_hierarchical_tucker(levels[1:], prime=prime)[0]
    return s


def odd_even_rank(levels: Sequence[np.ndarray], prime: int = DEFAULT_PRIME) -> int:
    """Find the exact rank across odd | even, over GF(p), without the whole tensor.

        rank ⟦A⟧ = #{α : s_α ≠ 0}   if every leaf matrix has rank r_0

    Where a leaf matrix has a smaller rank, min(r_0, M) templates per patch are kept, such that no rank is lost, and
    the rank of that smaller matrix is found.

    Args:
        levels: integers a⁰, …, aᴸ, from `random_levels`.
        prime: p.

    Returns:
        The rank; a shallow network with the same tensor needs at least so many channels.

    Raises:
        ConvacError: if the levels do not fit together, or a tensor would have more than 2²⁶ entries.
        BudgetError: if this takes more memory than is free, or too much time.

    Source: ours, after Cohen, Sharir & Shashua, COLT 2016. Chapter: *Depth efficiency*.

    >>> from convac_lib.related.row import random_levels
    >>> odd_even_rank(random_levels(RowTree(16, 5, (3, 2, 2, 2)), seed=0))        # of a matrix of side 390,625
    6561
    """
    leaves = np.asarray(levels[0])
    _, r_0, M = leaves.shape
    kept = [pivot_columns(leaf, prime) for leaf in leaves]
    if min(map(len, kept)) == r_0:
        return int(np.count_nonzero(halved(levels, prime)))
    fewer = min(r_0, M)
    templates = [[*columns, *sorted(set(range(M)).difference(columns))][:fewer] for columns in kept]
    few = np.stack([leaf[:, columns] for leaf, columns in zip(leaves, templates)])
    return rank_modulo(row_matrix(compose_row([few, *levels[1:]], prime), "odd-even"), prime)


def failure_probability(prime: int) -> Fraction:
    """Count the weights of a tree of four patches, M = r_0 = r_1 = 2, for which the rank is below 4.

        P(rank < 4) = 1 − ((1 − 1/p)(1 − 1/p²))⁴ · n(p) / p¹⁰
        n(p) = 2 p⁴ (p−1)⁵ + (p−1)² · (p²−1) · (p² (p−1)³ + p (p−1)⁵)

    The first factor is the share of four invertible leaf matrices; n(p) counts the weights of the upper levels whose
    halved tensor has no zero. No node shares its weights.

    Args:
        prime: p; all weights are uniform in GF(p).

    Returns:
        The exact probability.

    Raises:
        ConvacError: if p is not a prime.

    Source: ours. Chapter: *Depth efficiency*.

    >>> [f"{float(failure_probability(p)):.6f}" for p in (2, 3, 5, 7)]
    ['0.999034', '0.977947', '0.862474', '0.736610']
    """
    p = require_prime(prime)
    invertible = (1 - Fraction(1, p)) * (1 - Fraction(1, p**2))
    parallel, independent = p**2 * (p - 1) ** 3, p * (p - 1) ** 5
    without_zero = 2 * p**4 * (p - 1) ** 5 + (p - 1) ** 2 * (p**2 - 1) * (parallel + independent)
    return 1 - invertible**4 * Fraction(without_zero, p**10)


def failure_bound(tree: RowTree, prime: int) -> Fraction:
    """Bound the probability that random weights fail the depth theorem, by the degree of one minor.

        P(rank < D) ≤ (2N − 1)·D / p,   D = min(r_0, M)^(N/2)

    The minor of side D is a polynomial in the weights that is not 0. An entry of it has a factor from each of the
    2N − 1 nodes of the tree.

    Args:
        tree: the `RowTree`.
        prime: p; all weights are uniform in GF(p).

    Returns:
        The bound.

    Raises:
        ConvacError: if p is not a prime.
        HypothesisError: if the bound is 1 or more, because p is too small.

    Source: Schwartz 1980; Cohen, Sharir & Shashua, COLT 2016. Chapter: *Depth efficiency*.

    >>> failure_bound(RowTree(4, 2, (2, 2)), 101)
    Fraction(28, 101)
    """
    D = min(tree.widths[0], tree.representation_channels) ** (tree.patches // 2)
    return minor_bound(tree.patches, D, prime)
