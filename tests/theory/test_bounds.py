"""Every bound against exact ranks, against brute force, and against the table of where the talk's form is loose."""

from itertools import product

import pytest
from helpers.strategies import architectures, cuts
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline, bounds_of, certify_rank, common_case, make_cut
from convac_lib.errors import ArchitectureError, ConvacError, CutError, HypothesisError
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import common_case_exponents, non_overlapping_upper, saturation, talk_bound, theorem
from convac_lib.theory.chain import chain
from convac_lib.theory.min_cut import min_cut_upper
from convac_lib.theory.receptive_fields import minimal_total_receptive_field

# --- the theorem ---

OVERLAPPING = architectures(max_size=12, max_layers=4, borders=("neutral",))


def shrunk_fields(network, K):
    """T_R at layer K for every way to shrink the windows as far as their strides."""
    layers = network.layers[:K]
    for windows in product(*(range(layer.stride, layer.receptive_field + 1) for layer in layers)):
        shrunk = [Layer(t, layer.stride, 1) for t, layer in zip(windows, layers)]
        yield Architecture(network.size, 1, shrunk).total_receptive_fields[-1]


@given(OVERLAPPING, st.integers(0, 14), st.data())
def test_the_minimal_total_receptive_field_is_the_least_over_all_windows(network, alpha, data):
    K = data.draw(st.integers(1, len(network.layers)))
    fitting = [field for field in shrunk_fields(network, K) if field > alpha]
    assert minimal_total_receptive_field(network, K, alpha) == (min(fitting) if fitting else None)


def exponents_by_counting(network):
    """{K: (T, e)}: windows of layer K, shrunk to T, with their left and right ends in the image, pair patches."""
    H, found = network.size, {}
    for K, step in enumerate(network.total_strides, start=1):
        T = min((field for field in shrunk_fields(network, K) if field > H // 2), default=None)
        if T is None or T > H:
            continue
        pairs = [(row, left, left + T - 1) for row in range(0, H, step) for left in range(0, H, step) if left + T <= H]
        ends = [(row, left) for row, left, _ in pairs] + [(row, right) for row, _, right in pairs]
        assert len(set(ends)) == 2 * len(pairs)  # no patch is in two pairs
        assert all(left < H // 2 <= right for _, left, right in pairs)  # and the cut parts each pair
        found[K] = (T, len(pairs))
    return found


@settings(max_examples=200)
@given(OVERLAPPING.filter(lambda network: network.size % 2 == 0))
def test_the_theorem_pairs_the_ends_of_its_windows(network):
    M, C = network.representation_channels, network.channels
    best = 0  # over every layer that qualifies, not the first alone
    for K, (_, e) in exponents_by_counting(network).items():
        D = min([M, C[K]] + [C[lower] // 2 for lower in range(1, K)])
        best = max(best, D**e if D else 0)
    if best:
        assert theorem(network).layer == min(exponents_by_counting(network))
        assert theorem(network).value == theorem(network, "top-bottom").value == best
    else:
        with pytest.raises(HypothesisError):
            theorem(network)


CERTIFIED = [  # layers with twice the representation's channels below K, M, size, and how many rows to sample
    ([(2, 1, 4), (2, 2, 4)], 2, 2, None),
    ([(3, 1, 4), (2, 2, 4)], 2, 2, None),
    ([(2, 1, 6), (2, 2, 6)], 3, 2, None),
    ([(2, 2, 4)], 2, 2, None),
    ([(2, 2, 4), (2, 2, 4)], 2, 4, None),
    ([(2, 1, 4), (2, 2, 4), (2, 1, 4), (2, 2, 4)], 2, 4, None),
    ([(3, 1, 4), (2, 2, 4), (3, 1, 4), (2, 2, 4)], 2, 4, None),
    ([(3, 1, 4), (4, 4, 4)], 2, 4, None),
    ([(4, 1, 4), (4, 4, 4)], 2, 4, None),
    ([(3, 2, 4), (2, 2, 4)], 2, 4, None),
    ([(2, 2, 4), (2, 1, 4), (2, 2, 4)], 2, 4, None),
    ([(3, 2, 4), (3, 2, 4)], 2, 4, None),
    ([(3, 1, 4), (2, 2, 4), (3, 1, 4), (2, 2, 4), (3, 1, 4), (2, 2, 4)], 2, 6, 100),
    ([(3, 2, 6), (3, 3, 6)], 3, 6, 50),
]


@pytest.mark.parametrize(("layers", "M", "size", "rows"), CERTIFIED)
def test_random_weights_reach_the_theorems_rank(layers, M, size, rows):
    network = Architecture(size, M, [Layer(*layer) for layer in layers])
    certified, bound = certify_rank(network, rows=rows), theorem(network)
    assert bound.value <= certified.rank <= saturation(network).value
    assert bound.status == "proved"


def test_the_theorem_says_which_layer_it_used():
    assert theorem(common_case(B=3, M=2, size=8, channels=4)).statement == (
        "for almost all weights, rank ≥ D^e with K = 3, T = 5, D = 2, e = 8"
    )


def exponents_by_hand(B, size):
    """E of every layer that qualifies, in the common case: its windows shrunk in every way, then counted one by one."""
    found, steps = [], [1]
    while steps[-1] < size:
        steps += [steps[-1], 2 * steps[-1]]  # a layer's step over the image is also its input's, one further
    for K in range(1, len(steps)):
        sides = [range(1, B + 1) if number % 2 == 0 else (2,) for number in range(K)]
        totals = [1 + sum((t - 1) * step for t, step in zip(windows, steps)) for windows in product(*sides)]
        fitting = [total for total in totals if size / 2 < total <= size]
        if fitting:
            starts = [start for start in range(0, size, steps[K]) if start + min(fitting) <= size]
            found.append(len(starts) * len(range(0, size, steps[K])))
    return found


@pytest.mark.parametrize("B", range(1, 6))
def test_the_theorems_exponent_in_the_common_case_is_that_of_windows_counted(B):
    for size in range(2, 41, 2):
        e, claimed = common_case_exponents(B, size)
        assert e == max(exponents_by_hand(B, size)) and 4 * claimed == (2 * B - 1) ** 2
        if size & (size - 1) == 0:
            bound = theorem(common_case(B, M=2, size=size, channels=4))
            assert (bound.base, bound.exponent) == (2, e)


@pytest.mark.parametrize(("B", "sizes"), [(2, [2, 4]), (3, [2, 6]), (5, [2, 4, 6, 10, 12])])
def test_the_theorem_passes_the_talks_form_but_at_these_sizes(B, sizes):
    compared = {size: common_case_exponents(B, size) for size in range(2, 66, 2)}
    assert [size for size, (e, claimed) in compared.items() if e < claimed] == sizes


@pytest.mark.parametrize(
    ("B", "size", "kind", "sentence"),
    [
        (3, 5, CutError,
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 5; "
          "use 6, or list the patches of one side")),
        (3, 1, CutError,
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 1; "
          "use 2, or list the patches of one side")),
        (3, 2.0, ArchitectureError, "size must be an integer of at least 1, not 2.0"),
        (0, 4, ArchitectureError, "receptive field must be an integer of at least 1, not 0"),
    ],
)  # fmt: skip
def test_exponents_of_no_common_case_get_one_sentence(B, size, kind, sentence):
    with pytest.raises(kind) as error:
        common_case_exponents(B, size)
    assert str(error.value) == sentence


# --- the talk's formula ---


@pytest.mark.parametrize(("B", "M", "size", "value"), [(1, 2, 4, 2), (2, 2, 4, 5), (3, 2, 4, 77), (2, 16, 8, 512)])
def test_the_talks_bound_is_a_root_rounded_up(B, M, size, value):
    bound = talk_bound(common_case(B, M, size))
    assert (value - 1) ** 4 < M ** ((2 * B - 1) ** 2) <= value**4 and bound.value == value
    assert bound.status == "proved"
    assert talk_bound(common_case(B, M, size), "top-bottom") == bound


@pytest.mark.parametrize("B", [1, 2, 3])
def test_the_talks_bound_holds_with_as_many_channels_as_templates(B):
    network = common_case(B, M=2, size=4)
    assert talk_bound(network).value <= certify_rank(network).rank


@pytest.mark.parametrize(("B", "size"), [(2, 2), (3, 2), (4, 4), (5, 4), (9, 8), (11, 8), (10, 8)])
def test_the_talks_bound_is_refused_exactly_where_no_matrix_is_that_large(B, size):
    network, numerator = common_case(B, M=2, size=size), (2 * B - 1) ** 2
    if 2**numerator > 2 ** (4 * (size**2 // 2)):
        with pytest.raises(HypothesisError):
            talk_bound(network)
    else:
        assert talk_bound(network).value <= saturation(network).value


# --- saturation, and all together ---


@given(architectures(max_size=6).filter(lambda network: network.size > 1), st.data())
def test_saturation_is_the_smaller_side(network, data):
    cut = make_cut(data.draw(cuts(network.size)), network.size)
    M = network.representation_channels
    assert saturation(network, cut).value == min(M ** len(cut.rows), M ** len(cut.columns))


@given(
    architectures(max_size=8).filter(lambda network: network.size % 2 == 0),
    st.sampled_from(["left-right", "top-bottom", "interleaved", "checkerboard"]),
)
def test_bounds_of_holds_each_bound_or_why_it_does_not_apply(network, cut):
    found = bounds_of(network, cut)
    functions = {
        "theorem": theorem,
        "common_case": talk_bound,
        "chain": chain,
        "non_overlapping_upper": non_overlapping_upper,
        "min_cut": min_cut_upper,
        "saturation": saturation,
    }
    assert list(found) == list(functions)
    for name, function in functions.items():
        if isinstance(found[name], Bound):
            assert found[name] == function(network, cut)
            continue
        with pytest.raises(HypothesisError) as error:
            function(network, cut)
        assert isinstance(found[name], HypothesisError) and str(found[name]) == str(error.value)
    assert isinstance(found["non_overlapping_upper"], Bound) == (not network.is_overlapping)


def test_the_patches_of_a_half_are_that_half():
    network = common_case(B=3, M=2, size=4)
    left, top = [0, 1, 4, 5, 8, 9, 12, 13], list(range(8))
    right = [patch for patch in range(16) if patch not in left]
    for half in (left, right, top, make_cut("left-right", 4)):
        assert theorem(network, half) == theorem(network) and talk_bound(network, half) == talk_bound(network)


# --- outside the hypotheses ---


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: theorem(Architecture(4, 2, [Layer(3, 1, 4), Layer(4, 4, 4)], "ones")),
         "the theorem is proved for the border 'neutral', and this network's is 'ones'"),
        (lambda: theorem(common_case(3, 2, 4), "interleaved"),
         "the theorem is for the cuts 'left-right' and 'top-bottom', and this one is 'interleaved'"),
        (lambda: theorem(Architecture(3, 2, [Layer(3, 3, 4)]), [0, 1]),
         "the theorem is for the cuts 'left-right' and 'top-bottom', and this one is '0,1'"),
        (lambda: theorem(Architecture(4, 2, [Layer(2, 2, 4)])),
         "the theorem needs a network that ends in 1×1, and this one ends in 2×2"),
        (lambda: theorem(Architecture(6, 2, [Layer(2, 2, 4), Layer(4, 4, 4)])),
         ("the theorem needs a layer whose total receptive field is larger than half the image, 3, can be shrunk to at "
          "most 6, and has at least 2 channels in every layer below; this network has none")),
        (lambda: theorem(Architecture(4, 2, [Layer(2, 1, 1), Layer(4, 4, 4)])),
         ("the theorem needs a layer whose total receptive field is larger than half the image, 2, can be shrunk to at "
          "most 4, and has at least 2 channels in every layer below; this network has none")),
        (lambda: theorem(Architecture(4, 2, [Layer(3, 1, 4), Layer(2, 2, 4, weight_free=True), Layer(2, 2, 4)])),
         "the theorem is for layers with weights of their own, and layer 2 is weight-free"),
        (lambda: talk_bound(common_case(5, 2, 4)),
         ("the talk's formula asks for 2^20.25, more than the matricization's side 2^8: at size 4 and B = 5 it is "
          "false; use a larger size")),
        (lambda: talk_bound(common_case(3, 4, 4, channels=3)),
         "the talk's formula needs at least M = 4 channels in every layer, and they have 3"),
        (lambda: talk_bound(baseline(2, 4)),
         ("the talk's formula is for the common case: B×B layers of stride 1, each followed by a 2×2 layer of stride "
          "2, down to 1×1, all with weights, the same channels and the border 'neutral'")),
        (lambda: talk_bound(Architecture(6, 2, [Layer(6, 6, 2)])),
         ("the talk's formula is for the common case: B×B layers of stride 1, each followed by a 2×2 layer of stride "
          "2, down to 1×1, all with weights, the same channels and the border 'neutral'")),
        (lambda: talk_bound(common_case(3, 2, 4), "checkerboard"),
         "the talk's formula is for the cuts 'left-right' and 'top-bottom', and this one is 'checkerboard'"),
        (lambda: talk_bound(Architecture(4, 2, [Layer(3, 1, 2)])),
         "the talk's formula needs a network that ends in 1×1, and this one ends in 4×4"),
        (lambda: non_overlapping_upper(common_case(3, 2, 4)),
         "the bound is for non-overlapping networks, and layer 1 has receptive field 3 over stride 1"),
        (lambda: non_overlapping_upper(Architecture(4, 2, [Layer(2, 2, 4)])),
         "the bound for non-overlapping networks needs a network that ends in 1×1, and this one ends in 2×2"),
    ],
)  # fmt: skip
def test_outside_its_hypotheses_a_bound_says_why(ask, sentence):
    with pytest.raises(HypothesisError) as error:
        ask()
    assert str(error.value) == sentence and isinstance(error.value, ConvacError)


@pytest.mark.parametrize(
    "bound", [theorem, talk_bound, chain, non_overlapping_upper, min_cut_upper, saturation, bounds_of]
)
def test_a_cut_that_does_not_fit_is_an_error_of_every_bound(bound):
    for cut in ("diagonal", [], [16]):
        with pytest.raises(CutError):
            bound(common_case(B=1, M=2, size=4), cut)


def test_every_bound_but_the_matricizations_side_needs_windows_that_read_every_patch():
    network = Architecture(4, 2, [Layer(1, 2, 2), Layer(2, 2, 2)])
    sentence = (
        "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"
    )
    bounds = bounds_of(network)
    assert bounds.pop("saturation").value == 2**8
    assert {name: (type(bound), str(bound)) for name, bound in bounds.items()} == dict.fromkeys(
        ["theorem", "common_case", "chain", "non_overlapping_upper", "min_cut"], (HypothesisError, sentence)
    )
    with pytest.raises(HypothesisError) as error:
        minimal_total_receptive_field(network, K=2, alpha=1)
    assert str(error.value) == sentence
