"""The threshold of full rank: the table of the common case, and the min cut just below and at the threshold."""

from fractions import Fraction

import pytest
from helpers.strategies import architectures, cuts
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, common_case, make_cut
from convac_lib.errors import BudgetError, HypothesisError
from convac_lib.theory.min_cut import find_cut, rank_exponent
from convac_lib.theory.thresholds import full_rank_threshold
from convac_lib.theory.unrolled import count_unrolled

TABLE = {
    4: {1: 8, 2: 2, 3: 1},
    8: {1: 32, 2: 4, 3: 4, 4: 2, 5: 1},
    16: {1: 128, 2: 16, 3: 8, 4: 4, 5: 4, 9: 1},
    32: {1: 512, 2: 64},
}


@pytest.mark.parametrize("H", TABLE)
def test_the_thresholds_of_the_common_case(H):
    assert {B: full_rank_threshold(common_case(B, 2, H)) for B in TABLE[H]} == TABLE[H]


@settings(max_examples=80, deadline=None)
@given(architectures(max_size=4, max_channels=1, borders=("neutral", "ones", "valid")), st.data())
def test_at_the_threshold_the_plain_cut_is_saturation_and_below_it_is_less(network, data):
    assume(network.size > 1 and count_unrolled(network)[0] < 700)
    cut = make_cut(data.draw(cuts(network.size)), network.size)
    side = min(cut.sides)

    def plain(t):  # with M = 2^(the denominator), C = 2^(the numerator), and no multisets
        layers = [Layer(layer.receptive_field, layer.stride, 2**t.numerator) for layer in network.layers]
        wide = Architecture(network.size, 2**t.denominator, layers, network.border)
        bits = sum((base.bit_length() - 1) * exponent for base, exponent in find_cut(wide, cut).plain)
        return Fraction(bits, t.denominator)

    try:
        t = full_rank_threshold(network, cut)
    except HypothesisError:  # windows leave patches out
        assert plain(Fraction(side + 1)) < side
        return
    assert plain(t) == side
    assert t > 0 and plain(t * Fraction(9, 10)) < side
    assert (t <= 1) == (rank_exponent(network, cut) == side)


@pytest.mark.parametrize(
    ("ask", "kind", "sentence"),
    [
        (lambda: full_rank_threshold(common_case(3, 2, 64)), BudgetError,
         ("a min cut is searched in unrolled networks of at most 2,000,000 vertices, and this one has 14,532,756; use "
          "a smaller image, smaller windows or fewer layers")),
        (lambda: full_rank_threshold(Architecture(4, 2, [Layer(4, 4, 4)], "zero")), HypothesisError,
         "the threshold is for the borders 'neutral', 'ones' and 'valid', and this one is 'zero'"),
        (lambda: full_rank_threshold(Architecture(4, 2, [Layer(2, 2, 2), Layer(2, 2, 2, True)])), HypothesisError,
         "the threshold is for layers with weights of their own, and layer 2 is weight-free"),
        (lambda: full_rank_threshold(Architecture(3, 2, [Layer(2, 2, 4)], "valid"), [0, 1, 2]), HypothesisError,
         ("no number of channels gives full rank: the windows leave patches out, so that 2 patches separate the sides, "
          "of which the smaller has 3; use windows that read every patch")),
        (lambda: full_rank_threshold(Architecture(4, 2, [Layer(2, 2, 4)])), HypothesisError,
         "the threshold needs a network that ends in 1×1, and this one ends in 2×2"),
    ],
)  # fmt: skip
def test_what_has_no_threshold_gets_one_sentence(ask, kind, sentence):
    with pytest.raises(kind) as error:
        ask()
    assert str(error.value) == sentence
