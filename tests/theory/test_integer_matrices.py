"""Integer matricizations against Python's integers image by image, and peeling against flint's ranks and inverses."""

from itertools import product

import numpy as np
import pytest
from flint import fmpz_mat, nmod_mat
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ConvacError
from convac_lib.families import common_case
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.integer_matrices import integer_matricization, integer_weights, peel
from convac_lib.theory.tensors import assignments


def entry_by_hand(architecture, weights, dense, templates):
    """One value of the network in Python's integers: lists of channels, window by window."""
    size, M = architecture.size, architecture.representation_channels
    values = {divmod(patch, size): [int(template == d) for d in range(M)] for patch, template in enumerate(templates)}
    for layer, weight in zip(architecture.layers, weights):
        above, size = {}, -(-size // layer.stride)
        for u, v in product(range(size), repeat=2):
            above[u, v] = [1] * layer.channels
            for i, j in product(range(layer.receptive_field), repeat=2):
                below = values.get((u * layer.stride + i, v * layer.stride + j))
                if below is not None:
                    for c in range(layer.channels):
                        above[u, v][c] *= sum(int(w) * x for w, x in zip(weight[c, :, i, j], below))
        values = above
    return sum(int(a) * x for a, x in zip(dense[0], values[0, 0]))


@pytest.mark.parametrize(
    ("architecture", "cut"),
    [
        *((common_case(B, M=2, size=4), "left-right") for B in (1, 2, 3)),
        (common_case(2, M=3, size=2, channels=2), "checkerboard"),
        (Architecture(2, 4, [Layer(2, 2, 3)]), (0,)),
    ],
)
def test_entries_are_those_of_the_definition(architecture, cut):
    cut = make_cut(cut, architecture.size)
    weights, dense = integer_weights(architecture, seed=5)
    matrix = integer_matricization(architecture, weights, dense, cut)
    left, right = (assignments(architecture.representation_channels, patches) for patches in cut.sides)
    assert matrix.shape == (len(left), len(right))
    generator = np.random.default_rng(0)
    for _ in range(12):
        row, column = generator.integers(len(left)), generator.integers(len(right))
        templates = np.empty(architecture.size**2, int)
        templates[list(cut.rows)], templates[list(cut.columns)] = left[row], right[column]
        assert matrix[row, column] == entry_by_hand(architecture, weights, dense, templates)


def test_weights_are_integers_without_0_and_all_of_them_occur():
    weights, dense = integer_weights(common_case(3, M=4, size=8), seed=0)
    drawn = np.concatenate([array.ravel() for array in (*weights, dense)])
    assert set(drawn.tolist()) == {*range(-9, 0), *range(1, 10)}


small = st.sampled_from([2, 3, 7, 101, 2**31 - 1]).flatmap(
    lambda prime: st.tuples(
        st.just(prime),
        arrays(np.int64, st.tuples(st.integers(1, 7), st.integers(1, 7)), elements=st.integers(-4, 4)),
        st.integers(-1, 8),
    )
)


@given(small)
def test_every_piece_lowers_the_rank_by_one(drawn):
    """The rank of what is left, by flint, is the rank less the pieces; and what is left is a Schur complement."""
    prime, matrix, pieces = drawn
    rank = nmod_mat(*matrix.shape, (matrix % prime).ravel().tolist(), prime).rank()
    rest, rows, columns = peel(matrix, pieces, prime)
    assert len(rows) == len(columns) == max(0, min(pieces, rank))
    assert nmod_mat(*rest.shape, rest.ravel().tolist(), prime).rank() == rank - len(rows)
    assert not rest[list(rows)].any() and not rest[:, list(columns)].any()
    if rows:

        def part(block):
            return nmod_mat(*block.shape, (block % prime).ravel().tolist(), prime)

        across = part(matrix[:, columns]) * part(matrix[np.ix_(rows, columns)]).inv() * part(matrix[list(rows)])
        kept = part(matrix) - across
        assert [int(kept[i, j]) for i, j in np.ndindex(rest.shape)] == rest.ravel().tolist()


@given(arrays(np.int64, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(-9, 9)))
def test_the_number_of_pieces_is_the_rank_over_the_rationals(matrix):
    """No minor of these matrices is as large as the prime, so the ranks are the same."""
    _, rows, _ = peel(matrix, 6)
    bound = (9 * 6**0.5) ** 6  # Hadamard
    assert bound < 2**31 - 1 and len(rows) == fmpz_mat(matrix.tolist()).rank()


def test_a_prime_whose_products_overflow_is_refused():
    with pytest.raises(ConvacError) as error:
        peel(np.eye(2, dtype=int), 1, prime=2**61 - 1)
    assert str(error.value) == (
        "pieces are subtracted modulo a prime of at most 2^31, not 2,305,843,009,213,693,951; use 2,147,483,647"
    )
