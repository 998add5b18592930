"""The arithmetic modulo p, against Python's own integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from convac_lib.errors import ConvacError, HypothesisError, WeightError
from convac_lib.theory.fields import (
    float_to_field,
    pivot_columns,
    reduce_modulo,
    require_prime,
    require_seed,
    schwartz_zippel,
    solve,
    to_field,
)

PRIMES = [2, 3, 251, 65537, 2**31 - 1, 2**31 + 11, 2**32 - 5, 2**32 + 15, 2**61 - 1, 2**63 - 25]
primes = st.sampled_from(PRIMES)
TYPES = [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
words = st.sampled_from(TYPES).flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(max_dims=2, max_side=4)))
large = st.lists(st.integers(-(10**30), 10**30), max_size=4).map(lambda values: np.array(values, object))


@given(words | large, primes)
def test_integers_of_every_type_are_reduced_as_python_reduces_them(values, prime):
    found = to_field(values, prime)
    assert found.shape == values.shape
    assert found.ravel().tolist() == [int(value) % prime for value in values.ravel().tolist()]
    assert found.dtype == (np.int64 if prime <= 2**31 else object)
    assert (found * found).ravel().tolist() == [(int(value) % prime) ** 2 for value in values.ravel().tolist()]


@given(arrays.arrays(np.int64, 3), large, primes)
def test_a_product_is_reduced_and_a_real_number_is_left_alone(values, others, prime):
    for integers in (values, others):
        assert reduce_modulo(integers, prime).tolist() == [value % prime for value in integers.tolist()]
        assert reduce_modulo(integers, None) is integers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4), primes)
def test_a_floating_point_number_is_the_fraction_that_it_is(values, prime):
    if prime == 2:
        with pytest.raises(ConvacError, match=r"^a half has no value modulo 2; use an odd prime$"):
            float_to_field(values, prime)
        return
    ratios = [value.as_integer_ratio() for value in values]
    assert float_to_field(values, prime).tolist() == [top * pow(bottom, -1, prime) % prime for top, bottom in ratios]


@pytest.mark.parametrize("strange", [np.nan, np.inf, -np.inf])
def test_a_number_without_a_value_is_one_sentence(strange):
    assert to_field([1, 2.5], None).tolist() == [1.0, 2.5] and to_field([1], None).dtype == np.float64
    with pytest.raises(WeightError, match=r"^the weights holds NaN or infinity; every number must be finite$"):
        to_field([[1.0, strange]], None, "the weights")
    for values, kind in (([0.5, strange], "float64"), (["1"], "<U1"), ([True], "bool"), ([1, 0.5], "float64")):
        with pytest.raises(WeightError) as error:
            to_field(values, 7)
        assert str(error.value) == f"the array must hold integers to be taken modulo 7, not {kind}"


def test_a_prime_is_a_prime_below_2_to_the_63():
    assert [number for number in range(-9, 30) if accepts(number)] == [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    assert all(map(accepts, PRIMES))  # 2**63 - 25 is the largest
    for wrong in (2**63 + 29, 2**64 + 13, 10**400, 2**61, 7.0, "7", None):  # the first two are primes
        assert not accepts(wrong)
    with pytest.raises(ConvacError, match=r"^9 is not a prime below 2\*\*63; use for example 2147483647$"):
        require_prime(9)


def accepts(number):
    try:
        return require_prime(number) == number
    except ConvacError:
        return False


def test_a_seed_is_an_integer_of_at_least_0():
    assert require_seed(0) == 0
    with pytest.raises(ConvacError, match="seed must be an integer of at least 0"):
        require_seed(-1)


def test_the_chance_of_a_zero_is_below_1_or_nothing_is_said():
    assert [schwartz_zippel(degree, 5) for degree in range(5)] == [Fraction(degree, 5) for degree in range(5)]
    for degree in (5, 6):
        with pytest.raises(HypothesisError) as error:
            schwartz_zippel(degree, 5)
        assert str(error.value) == (
            f"the minor has degree {degree}, so Schwartz–Zippel says nothing modulo 5; use a prime above {degree}"
        )


def combinations(matrix, prime):
    """Every vector of residues x, as a column, and matrix · x."""
    columns = matrix.shape[1]
    vectors = np.indices((prime,) * columns).reshape(columns, prime**columns)
    return vectors, matrix @ vectors % prime


sides = st.tuples(st.integers(1, 3), st.integers(1, 3))
matrices = arrays.arrays(np.int64, sides, elements=st.integers(-4, 4))


@given(matrices, st.sampled_from([2, 3, 5]), st.data())
def test_the_columns_and_the_solution_are_those_that_trying_all_vectors_finds(matrix, prime, data):
    new = []
    for j, column in enumerate(matrix.T % prime):
        spanned = combinations(matrix[:, :j], prime)[1].T.tolist()
        new += [j] if column.tolist() not in spanned else []
    assert pivot_columns(matrix, prime).tolist() == new

    target = data.draw(arrays.arrays(np.int64, len(matrix), elements=st.integers(-4, 4)))
    vectors, products = combinations(matrix, prime)
    solutions = [
        x for x, product in zip(vectors.T.tolist(), products.T.tolist()) if product == (target % prime).tolist()
    ]
    free = set(range(matrix.shape[1])) - set(new)
    found = solve(matrix, target, prime)
    assert ([] if found is None else [found.tolist()]) == [x for x in solutions if not any(x[j] for j in free)]
