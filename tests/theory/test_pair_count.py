"""The count of pairs by arithmetic alone, against the theorem of the network and the pairs of its witness."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, common_case
from convac_lib.errors import ArchitectureError, ConvacError, CutError
from convac_lib.theory.bounds import common_case_exponents, theorem
from convac_lib.theory.pair_count import count_pairs, sizes_below_square
from convac_lib.theory.receptive_fields import minimal_total_receptive_field
from convac_lib.theory.witness import theorem_witness

SIZES = [*range(2, 131, 2), 254, 256, 258, 1000, 1024, 4094, 4096, 65534, 65536]


def network_of(B, size):
    return Architecture(size, 2, (Layer(B, 1, 4), Layer(2, 2, 4)) * (size - 1).bit_length())


def assert_counted_as_in_the_network(B, size):
    pairs, network = count_pairs(B, size), network_of(B, size)
    bound = theorem(network)
    assert (pairs.layer, pairs.exponent) == (bound.layer, bound.exponent)
    assert pairs.total_receptive_field == network.total_receptive_fields[pairs.layer - 1]
    assert pairs.total_stride == network.total_strides[pairs.layer - 1]
    assert pairs.degree == network.degrees_of_overlap[pairs.layer - 1]
    assert pairs.window == minimal_total_receptive_field(network, pairs.layer, size // 2)
    assert (pairs.exponent, pairs.square) == common_case_exponents(B, size)


@pytest.mark.parametrize("B", range(1, 13))
def test_the_count_is_the_theorems_exponent(B):
    for size in SIZES:
        assert_counted_as_in_the_network(B, size)


@given(st.integers(1, 2000), st.integers(1, 10**9))
def test_the_count_is_the_theorems_exponent_at_any_size(B, half):
    assert_counted_as_in_the_network(B, 2 * half)


@pytest.mark.parametrize(("B", "size"), [(1, 8), (2, 8), (3, 8), (3, 16), (4, 8), (5, 8)])
def test_the_witness_pairs_the_patches_that_are_counted(B, size):
    pairs, witness = count_pairs(B, size), theorem_witness(common_case(B, M=2, size=size, channels=4))
    columns = {left % size for left in witness.left}
    rows = {left // size for left in witness.left}
    assert (len(columns), len(rows), len(witness.left)) == (pairs.across, pairs.down, pairs.exponent)
    assert {right - left for left, right in zip(witness.left, witness.right)} == {pairs.window - 1}


# --- what is proved from it ---


@pytest.mark.parametrize("B", range(2, 41))
def test_at_a_power_of_two_it_is_twice_a_square_and_settles(B):
    settled = 2 ** (B - 1).bit_length()  # 2^⌈log₂ B⌉
    for power in range(1, 20):
        e = theorem(network_of(B, 2**power)).exponent
        assert e == 2 * Fraction(2**power, 2 * count_pairs(B, 2**power).total_stride) ** 2
        if 2**power >= 2 * B * settled:
            assert e == 2 * settled**2 and 2 * B**2 <= e <= 8 * (B - 1) ** 2


def test_without_overlap_it_is_not_twice_a_square():
    assert [count_pairs(1, size).exponent for size in (2, 4, 8, 64)] == [1, 1, 1, 1]
    assert 2 * Fraction(8, 2 * count_pairs(1, 8).total_stride) ** 2 == Fraction(1, 2)


@given(st.integers(1, 2000), st.integers(1, 10**9))
def test_half_the_image_in_strides_is_below_the_degree_of_overlap(B, half):
    pairs = count_pairs(B, 2 * half)
    ratio = Fraction(half, pairs.total_stride)
    below = B - 1 if pairs.layer % 2 else Fraction(1, 2)  # what layer K adds to the degree of overlap
    assert pairs.degree - below <= ratio < pairs.degree
    assert 2 * ratio**2 <= pairs.exponent <= 2 * (2 * B - 1) ** 2
    assert pairs.exponent * (1 + Fraction(2 * B - 2, pairs.size)) ** 2 >= 2 * pairs.square
    if pairs.layer > 1:
        assert pairs.degree < 3 * ratio
    if pairs.total_stride >= 4:
        assert 4 * ratio >= 3 * B - 1 and pairs.exponent >= pairs.square


@pytest.mark.parametrize("B", [*range(1, 31), 50, 99])
def test_the_sizes_below_the_square_are_all_of_them(B):
    false, short = sizes_below_square(B)
    compared = {size: common_case_exponents(B, size) for size in range(2, 20 * B + 4, 2)}
    assert [*false, *short] == [size for size, (e, square) in compared.items() if e < square]
    assert list(false) == [size for size, (_, square) in compared.items() if square > size**2 // 2]
    assert max([*false, *short], default=0) < 3 * B


@given(st.integers(1, 10**9), st.integers(1, 10**10))
def test_the_sizes_below_the_square_are_all_of_them_at_any_size(B, half):
    pairs = count_pairs(B, 2 * half)
    assert any(pairs.size in sizes for sizes in sizes_below_square(B)) == (pairs.exponent < pairs.square)


@pytest.mark.parametrize("B", range(1, 200))
def test_below_the_square_other_weights_keep_the_claim_unless_it_is_false(B):
    """Layer 1 can compare all patches that are B−1 or H/2 apart in a row: that gives the exponent H·min(B−1, H/2)."""
    false, short = sizes_below_square(B)
    assert all(size * min(B - 1, size // 2) >= Fraction((2 * B - 1) ** 2, 4) for size in short)
    assert all(size * min(B - 1, size // 2) < Fraction((2 * B - 1) ** 2, 4) for size in false)


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (lambda: count_pairs(3, 5), CutError, "halves of the image need an even size, and the size is 5; use 6"),
        (lambda: count_pairs(3, 2.0), ArchitectureError, "size must be an integer of at least 1, not 2.0"),
        (lambda: count_pairs(0, 4), ArchitectureError, "receptive field must be an integer of at least 1, not 0"),
        (lambda: sizes_below_square(True), ArchitectureError,
         "receptive field must be an integer of at least 1, not True"),
    ],
)  # fmt: skip
def test_no_common_case_gets_one_sentence(ask, kind, sentence):
    with pytest.raises(kind) as error:
        ask()
    assert str(error.value) == sentence and isinstance(error.value, ConvacError)
