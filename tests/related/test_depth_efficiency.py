"""Depth, counted: the number of entries against elimination, and the exceptional weights against enumeration."""

from fractions import Fraction
from functools import reduce
from itertools import product

import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.errors import ConvacError, HypothesisError
from convac_lib.related.depth import failure_bound, failure_probability, halved, odd_even_rank
from convac_lib.related.row import RowTree, compose_row, random_levels, row_matrix, row_rank
from convac_lib.theory.decompositions import compose_cp
from convac_lib.theory.ranks import rank_modulo

PRIMES = st.sampled_from([2, 3, 5, 7, 31, 2**31 - 1])
SIZES = st.sampled_from([(2, 3), (4, 3), (8, 2)])  # N, and the largest M


@given(
    SIZES,
    st.integers(1, 4),
    st.lists(st.integers(1, 3), min_size=2, max_size=2),
    st.booleans(),
    seeds,
    PRIMES,
    st.data(),
)
def test_the_rank_is_the_number_of_entries_or_that_of_fewer_templates(size, r_0, above, shared, seed, prime, data):
    N, M = size[0], data.draw(st.integers(1, size[1]))
    levels = random_levels(RowTree(N, M, (r_0, *above[: N.bit_length() - 2]), shared), seed=seed, prime=prime)
    rank = row_rank(levels, "odd-even", prime)
    assert odd_even_rank(levels, prime) == rank
    if all(rank_modulo(leaf, prime) == r_0 for leaf in levels[0]):
        assert rank == np.count_nonzero(halved(levels, prime))


@given(seeds, st.sampled_from([3, 5, 101]))
def test_the_matrix_is_the_product_of_the_proposition(seed, prime):
    levels = [level.astype(object) for level in random_levels(RowTree(8, 2, (3, 2, 2)), seed=seed, prime=prime)]
    U, V = (reduce(np.kron, levels[0][start::2]) for start in (0, 1))
    s = halved(levels, prime)
    assert (U.T @ np.diag(s.ravel()) @ V % prime == row_matrix(compose_row(levels, prime), "odd-even")).all()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(
    ("N", "M", "widths", "rank"),
    [
        (4, 2, (2, 2), 4), (4, 3, (3, 3), 9), (4, 3, (4, 4), 9), (8, 2, (1, 1, 1), 1), (8, 2, (2, 2, 2), 16),
        (8, 3, (2, 2, 2), 16), (8, 3, (3, 3, 3), 81), (16, 2, (2,) * 4, 256), (8, 2, (2, 1, 1), 16),
        (8, 2, (1, 2, 2), 1), (4, 4, (5, 1), 16), (4, 4, (3, 2), 9),
    ],
)  # fmt: skip
def test_generic_ranks_are_those_of_the_theorem(N, M, widths, rank, shared):
    levels = random_levels(RowTree(N, M, widths, shared), seed=0)
    assert odd_even_rank(levels) == row_rank(levels, "odd-even") == min(widths[0], M) ** (N // 2) == rank


@pytest.mark.parametrize("Z", [1, 2, 5, 15, 16, 17])
def test_a_shallow_network_has_at_most_as_many_pieces_as_channels(Z):
    generator, p = np.random.default_rng(Z), 2**31 - 1
    tensor = compose_cp(generator.integers(0, p, Z), generator.integers(0, p, (Z, 8, 2)), p)
    assert rank_modulo(row_matrix(tensor, "odd-even")) == min(Z, 16)


def test_a_tree_without_sums_of_zero_reaches_the_rank():
    leaves = np.stack([np.eye(3, dtype=int)[:2]] * 8)
    levels = [leaves, np.ones((4, 2, 2), int), np.ones((2, 1, 2), int), np.ones((1, 1, 1), int)]
    assert (halved(levels, None) == 4).all() and odd_even_rank(levels) == 16


def without_zero(p):
    """The weights of the upper levels without a zero in the halved tensor, counted one by one."""
    return sum(
        all(sum(a[g] * x[g][i] * y[g][j] for g in range(2)) % p for i, j in product(range(2), repeat=2))
        for x in product(product(range(p), repeat=2), repeat=2)
        for y in product(product(range(p), repeat=2), repeat=2)
        for a in product(range(p), repeat=2)
    )


@pytest.mark.parametrize("p", [2, 3])
def test_the_exceptional_weights_are_counted_one_by_one(p):
    matrices = product(range(p), repeat=4)
    invertible = sum((a * d - b * c) % p != 0 for a, b, c, d in matrices)
    assert failure_probability(p) == 1 - Fraction(invertible**4 * without_zero(p), p**26)


@pytest.mark.parametrize("p", [3, 5, 31])
def test_draws_fail_as_often_as_counted(p):
    n, exact = 300, float(failure_probability(p))
    failed = sum(
        row_rank(random_levels(RowTree(4, 2, (2, 2)), seed=seed, prime=p), "odd-even", p) < 4 for seed in range(n)
    )
    assert abs(failed / n - exact) < 4 * (exact * (1 - exact) / n) ** 0.5


def test_the_bound_is_above_the_count_and_eight_factors_matter():
    tree = RowTree(4, 2, (2, 2))
    for p in (29, 31, 101, 1009, 10007):
        assert failure_probability(p) < failure_bound(tree, p) == Fraction(28, p)
    assert abs(10007 * failure_probability(10007) - 8) < 0.01
    assert failure_bound(RowTree(8, 3, (2, 5, 5)), 24001) == Fraction(240, 24001)


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: failure_bound(RowTree(4, 2, (2, 2)), 5), HypothesisError,
         "the minor has degree 28, so Schwartz–Zippel says nothing modulo 5; use a prime above 28"),
        (lambda: failure_bound(RowTree(16, 2, (2,) * 4), 1009), HypothesisError,
         "the minor has degree 7,936, so Schwartz–Zippel says nothing modulo 1,009; use a prime above 7,936"),
        (lambda: failure_probability(4), ConvacError, "4 is not a prime below 2**63; use for example 2147483647"),
    ],
)  # fmt: skip
def test_a_prime_that_is_too_small_or_none_gets_one_sentence(make, kind, sentence):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == sentence
