"""What a bound is: its value rounded up, its words, and its relation to the rank."""

from fractions import Fraction
from math import inf, isclose, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, bounds_of, certify_rank, common_case
from convac_lib.errors import BudgetError
from convac_lib.theory.bound import KINDS, Bound
from convac_lib.theory.bounds import BOUNDS, saturation


@given(st.integers(1, 60), st.integers(1, 61), st.sampled_from([1, 2, 4]))
def test_a_bounds_value_is_the_power_rounded_up(base, numerator, denominator):
    bound = Bound("saturation", "a bound", "proved", base, Fraction(numerator, denominator))
    n, d = bound.exponent.as_integer_ratio()
    assert (bound.value - 1) ** d < base**n <= bound.value**d
    assert isclose(2**bound.log2, base ** (n / d), rel_tol=1e-9)


def test_a_bounds_logarithm_needs_no_value():
    assert saturation(common_case(B=2, M=64, size=128)).log2 == 6 * 2**13


@pytest.mark.parametrize(("base", "exponent"), [(2, 2**20), (16, 2**18), (3, 661_577), (2, 2**20 + Fraction(1, 4))])
def test_a_bound_is_written_out_up_to_a_million_bits(base, exponent):
    bound = Bound("chain", "a bound", "proved", base, Fraction(exponent))
    if bound.exponent.denominator == 1:
        assert bound.value == base**exponent
    larger = Bound("chain", "a bound", "proved", base, bound.exponent + 1)
    with pytest.raises(BudgetError) as error:
        _ = larger.value
    assert str(error.value) == f"{larger.power} is too large to write out; its log2 is 1.05e+06"
    assert larger.log2 == float(exponent + 1) * log2(base)


@pytest.mark.parametrize(("base", "log"), [(1, 0), (2, inf), (3, inf)])
def test_a_logarithm_beyond_all_floats_is_infinite(base, log):
    assert Bound("chain", "a bound", "proved", base, Fraction(10**400)).log2 == log
    assert Bound("chain", "a bound", "proved", 1, Fraction(10**400)).value == 1


def test_a_huge_base_is_shown_by_its_magnitude():
    for base, text in ((2**1024 - 1, f"{2**1024 - 1:,}"), (2**1024, "1.80e+308")):
        assert str(Bound("chain", "a bound", "proved", base, Fraction(1))) == text
    assert str(Bound("chain", "a bound", "proved", 10**40, Fraction(3, 2))) == "⌈1.00e+40^(3/2)⌉"


@pytest.mark.parametrize(
    ("base", "exponent", "text"),
    [
        (2, Fraction(8), "2^8 = 256"),
        (10, Fraction(5, 2), "⌈10^(5/2)⌉ = 317"),
        (4, Fraction(25, 4), "⌈4^(25/4)⌉ = 5,793"),
        (5793, Fraction(1), "5,793"),
        (1, Fraction(9), "1"),
        (2, Fraction(64), "2^64"),
        (2, Fraction(257, 4), "⌈2^(257/4)⌉"),
    ],
)
def test_a_bound_prints_its_power_and_its_value_while_it_is_readable(base, exponent, text):
    assert str(Bound("saturation", "a bound", "proved", base, exponent)) == text


@pytest.mark.parametrize(
    ("network", "cut"),
    [
        (common_case(1, 2, 4), "left-right"),
        (common_case(1, 2, 4, channels=4), "interleaved"),
        (common_case(2, 2, 4, channels=4), "left-right"),
        (common_case(3, 2, 4), "top-bottom"),
        (Architecture(3, 2, [Layer(3, 3, 2)]), [0, 4]),
    ],
)
def test_a_rank_relates_to_each_bound_as_the_bound_says(network, cut):
    rank = certify_rank(network, cut).rank
    bounds = [bound for bound in bounds_of(network, cut).values() if isinstance(bound, Bound)]
    for bound in bounds:
        assert rank >= bound.value if bound.relation == "≥" else rank <= bound.value
    assert [bound for bound in bounds if bound.relation == "≤"]


def test_every_bound_has_its_title_and_its_relation():
    assert {name: (kind.title, kind.relation) for name, kind in KINDS.items()} == {
        "theorem": ("theorem", "≥"),
        "common_case": ("common case", "≥"),
        "chain": ("chain", "≥"),
        "non_overlapping_upper": ("non-overlapping upper", "≤"),
        "min_cut": ("min cut", "≤"),
        "saturation": ("saturation", "≤"),
    }
    assert list(KINDS) == list(BOUNDS)
    found = bounds_of(common_case(2, 2, 4, channels=4)) | bounds_of(common_case(1, 2, 4))
    assert all(found[name].name == name for name in BOUNDS if isinstance(found[name], Bound))
