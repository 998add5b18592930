"""The fast engine against python-flint, on shapes, ranks, primes and structures of every kind."""

import numpy as np
import pytest
import torch
from flint import nmod_mat
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.errors import ConvacError
from convac_lib.theory import elimination

PRIMES = [2, 3, 5, 251, 65537, 2**22 - 3, 2**23 - 15, 2**23 + 9, 2**26 - 5, 2**31 - 1, 2**61 - 1]


def flint_rank(matrix, prime):
    return nmod_mat(*map(int, matrix.shape), (matrix.astype(object) % prime).ravel().tolist(), prime).rank()


def check(matrix, prime):
    rank, rows, columns = elimination.echelon(matrix, prime)
    if torch.is_tensor(matrix) and prime < 2**31:  # as on an accelerator
        found = elimination._eliminate(matrix, elimination._Field(prime), lambda rows: None)
        assert (found[0], *map(list, found[1:])) == (rank, list(rows), list(columns))
    matrix = np.asarray(matrix)
    assert rank == flint_rank(matrix, prime) == len(set(rows)) == len(set(columns))
    assert flint_rank(matrix[np.ix_(rows, columns)], prime) == rank


def product(m, n, r, prime, rng):
    """A random matrix of rank at most r."""
    left, right = (rng.integers(0, min(prime, 2**62), shape).astype(object) for shape in ((m, r), (r, n)))
    matrix = left @ right % prime if r else np.zeros((m, n), object)
    return matrix.astype(np.int64)


@pytest.fixture(autouse=True)
def threads(monkeypatch):
    monkeypatch.setattr(elimination, "available_threads", lambda: 3)


@pytest.fixture(params=[(512, 8), (24, 3), (5, 2), (1, 2)])
def blocks(request, monkeypatch):
    monkeypatch.setattr(elimination, "BLOCK", request.param[0])
    monkeypatch.setattr(elimination, "BRANCH", request.param[1])
    monkeypatch.setattr(elimination, "CACHED", 2 ** request.param[1])
    monkeypatch.setattr(elimination, "BUFFERED", 2 ** (request.param[1] + 3))


@pytest.mark.parametrize("prime", PRIMES)
def test_random_matrices_agree_with_flint(prime, blocks):
    rng = np.random.default_rng(prime % 1000)
    for number in range(20):
        m, n = rng.integers(0, 70, 2)
        matrix = product(m, n, rng.integers(0, min(m, n) + 1), prime, rng)
        matrix *= rng.random((m, 1)) < 0.8
        matrix *= rng.random((1, n)) < 0.8
        check(torch.from_numpy(matrix) if number % 2 else matrix, prime)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_small_entries_agree_with_flint(data):
    m, n = data.draw(st.tuples(st.integers(0, 20), st.integers(0, 20)))
    entries = data.draw(st.lists(st.integers(-3, 3), min_size=m * n, max_size=m * n))
    check(np.array(entries, np.int64).reshape(m, n), data.draw(st.sampled_from(PRIMES)))


def structured(k, prime):
    rng = np.random.default_rng(k)
    dense = rng.integers(0, prime, (k, k))
    blocks = np.zeros((k, k), np.int64)
    blocks[: k // 3, k // 2 :] = dense[: k // 3, k // 2 :]
    blocks[k // 2 :, : k // 4] = dense[k // 2 :, : k // 4]
    powers = np.array([[pow(int(x), e, prime) for e in range(k)] for x in range(k)])
    small = product(7, 5, 3, prime, rng)
    return {
        "permutation": np.eye(k, dtype=np.int64)[rng.permutation(k)],
        "antidiagonal": np.eye(k, dtype=np.int64)[::-1],
        "blocks of zeros": blocks,
        "zero leading columns": np.where(np.arange(k) < k // 2, 0, dense),
        "zero leading rows": np.where(np.arange(k)[:, None] < k // 2, 0, dense),
        "every other row zero": np.where(np.arange(k)[:, None] % 2, 0, dense),
        "duplicate rows": dense[rng.integers(0, k // 2, k)],
        "duplicate columns": dense[:, rng.integers(0, k // 2, k)],
        "repeated blocks of rank 1": np.kron(small, np.ones((k // 7, k // 5), np.int64)),
        "Vandermonde": powers,
        "upper triangular": np.triu(dense),
        "strictly lower": np.tril(dense, -1),
        "sparse": np.where(rng.random((k, k)) < 1.5 / k, dense, 0),
        "all largest": np.full((k, k), prime // 2),
        "almost singular": np.vstack([dense[:-1], dense[:-1].sum(0) % prime]),
        "multiples of p": prime * rng.integers(-(2**62) // prime, 2**62 // prime, (k, k)),
        "tall": dense[:, : k // 9],
        "wide": dense[: k // 9],
        "zero": 0 * dense,
    }


@pytest.mark.parametrize("prime", [2, 3, 2**23 - 15, 2**31 - 1])
def test_structured_matrices_agree_with_flint(prime, blocks):
    for matrix in structured(61, prime).values():
        check(matrix, prime)


@pytest.mark.parametrize("prime", [3, 2**23 - 15, 2**31 - 1])
def test_structures_larger_than_a_block_agree_with_flint(prime):
    for matrix in structured(600, prime).values():
        check(torch.from_numpy(np.ascontiguousarray(matrix)), prime)  # by NumPy's products and by torch's


@pytest.mark.parametrize("prime", [2**23 - 15, 2**24 - 3, 2**26 - 5, 2**31 - 1])
def test_the_largest_sums_stay_exact(prime):
    field = elimination._Field(prime)
    largest = int(prime / 2 + 2)
    rng = np.random.default_rng(0)
    signs = rng.choice([-1, 1], (4, field.block))
    left, right, target = largest * signs, largest * signs.T, np.full((4, 4), largest)
    exact = (left.astype(object) @ right.astype(object) + target) % prime
    result = target.astype(float)
    field.add_product(result, left.astype(float), right.astype(float))
    assert (result.astype(np.int64) % prime == exact).all()
    assert abs(result).max() <= largest


@pytest.mark.parametrize("prime", [2, 3, 5, 2**23 - 15, 2**31 - 1])
def test_reduce_is_centred_and_exact(prime):
    field = elimination._Field(prime)
    rng = np.random.default_rng(0)
    largest = 2**53 - 2 * prime if prime > 5 else 2**44
    values = rng.integers(-largest, largest, 10_000)
    values[:100] -= values[:100] % prime
    reduced = values.astype(float)
    field.reduce(reduced)
    assert ((reduced.astype(np.int64) - values) % prime == 0).all()
    assert abs(reduced).max() <= prime / 2 + 2
    assert (reduced[:100] == 0).all()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.int32, np.uint32, np.int64, np.uint64, object])
def test_every_integer_type(dtype):
    rng = np.random.default_rng(0)
    top = 2**63 if dtype is object else np.iinfo(dtype).max
    matrix = np.array([[int(x) for x in row] for row in rng.integers(0, 2**62, (30, 20))], object) % top
    matrix[5:] = matrix[rng.integers(0, 5, 25)]
    for prime in (3, 2**23 - 15, 2**31 - 1, 2**61 - 1):
        check(matrix.astype(dtype), prime)


def test_bad_input_is_refused_in_one_sentence():
    with pytest.raises(ConvacError) as error:
        elimination.echelon(np.ones((2, 2)), 7)
    assert str(error.value) == (
        "a rank over GF(p) needs a two-dimensional array of integers, not 2 dimensions of float64"
    )
    with pytest.raises(ConvacError) as error:
        elimination.echelon(np.ones(2, int), 8)
    assert str(error.value) == "8 is not a prime below 2**63; use for example 2147483647"


@pytest.mark.parametrize("prime", [7, 2**61 - 1])
@pytest.mark.parametrize("k", [0, 1, 40])
def test_the_bar_ends_full_whatever_the_rank_and_is_drawn_only_when_asked(capsys, prime, k):
    matrix = np.outer(np.arange(60), np.arange(k))
    quiet = elimination.echelon(matrix, prime)
    assert capsys.readouterr() == ("", "")
    assert elimination.echelon(matrix, prime, progress=True)[0] == quiet[0] == (k > 1)
    out, err = capsys.readouterr()
    assert not out
    assert f"| {k}/{k} rows [" in err.split("eliminating rows: ")[-1]
