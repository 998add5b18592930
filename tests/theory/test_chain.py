"""The chain bound against its witness, entry by entry, against exact ranks, and without each of its hypotheses."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.strategies import architectures, seeds
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, certify_rank, common_case, rank_modulo
from convac_lib.errors import ConvacError, CutError, HypothesisError
from convac_lib.theory.bounds import talk_formula, theorem
from convac_lib.theory.chain import chain
from convac_lib.theory.chain_witness import chain_witness
from convac_lib.theory.min_cut import min_cut_upper
from convac_lib.theory.tensors import assignments


@st.composite
def chained(draw, max_size=8):
    """A network that meets the hypotheses: a first layer of stride 1 on an even size, and any layers above it."""
    H = draw(st.sampled_from(range(2, max_size + 1, 2)))
    above = draw(architectures(max_size=H, max_layers=3, borders=("neutral", "ones"), plain=False))
    assume(above.size == H and not above.layers[0].weight_free)
    channels = above.representation_channels  # of layer 1, so that weight-free layers above keep theirs
    first = Layer(draw(st.integers(1, H + 1)), 1, channels)
    M = draw(st.integers(1, 4))
    return Architecture(H, M, (first, *above.layers), above.border, above.shared)


def links(network):
    """The pairs of patches of a row that a window's first row of patches holds at its ends, as far as H/2 apart."""
    H, apart = network.size, min(network.layers[0].receptive_field - 1, network.size // 2)
    return [(row * H + c, row * H + c + apart) for row in range(H) for c in range(H - apart)] if apart else []


def components(patches, pairs):
    """The parts into which these pairs join the patches, one by one."""
    part = {patch: frozenset([patch]) for patch in range(patches)}
    for one, other in pairs:
        joined = part[one] | part[other]
        part.update(dict.fromkeys(joined, joined))
    return set(part.values())


def check(network, seed, sampled=24):
    """The witness of a network: its chains, its values as a formula, and the identity that they contain."""
    witness, bound = chain_witness(network), chain(network)
    D, e, H = witness.D, len(witness.chains), network.size
    assert (D, e, witness.rank) == (bound.base, bound.exponent, bound.value)
    assert witness.circuit.architecture == network
    if e:
        assert {frozenset(patches) for patches in witness.chains} == components(H * H, links(network))
        assert all({patch % H < H // 2 for patch in patches} == {True, False} for patches in witness.chains)
    generator = np.random.default_rng(seed)
    images = generator.integers(0, network.representation_channels, (sampled, H * H))
    for image in images[::2]:  # half of them agree on every chain, but for one patch in some
        for patches in witness.chains:
            image[list(patches)] = generator.integers(0, D)
        if e and generator.integers(0, 2):
            image[generator.integers(0, H * H)] = generator.integers(0, network.representation_channels)
    agree = [(image < D).all() and all(image[one] == image[other] for one, other in links(network)) for image in images]
    assert np.array_equal(witness.circuit.at_templates(images)[0], np.array(agree))
    templates = assignments(D, e) if D**e <= 81 else generator.integers(0, D, (sampled, e))
    (rows, _), (_, columns) = witness.assignments(templates), witness.assignments(templates)
    expected = (templates[:, None] == templates).all(axis=2)
    assert np.array_equal(witness.circuit.submatrix(witness.cut, rows, columns), expected)
    return int(any(agree)) + int(not all(agree))


def test_the_witness_compares_its_chains_in_every_network(record_property):
    drawn = {}

    @settings(max_examples=150, deadline=None)
    @given(chained(), seeds)
    def draw(network, seed):
        drawn[network] = check(network, seed)

    draw()
    record_property("networks hold the chain's witness", len(drawn))
    assert len(drawn) >= 60 and sum(kinds == 2 for kinds in drawn.values()) >= 20
    assert {network.border for network in drawn} == {"neutral", "ones"}
    assert {network.shared for network in drawn} == {True, False}
    assert any(any(layer.weight_free for layer in network.layers) for network in drawn)
    assert any(network.layers[-1].is_overlapping for network in drawn)


@pytest.mark.parametrize("border", ["neutral", "ones"])
@pytest.mark.parametrize(("B", "M", "C"), [(2, 2, 2), (2, 3, 2), (2, 2, 3), (2, 3, 3), (3, 2, 2), (5, 2, 2), (1, 2, 2)])
def test_with_one_channel_above_the_rank_is_the_chains(B, M, C, border):
    network = Architecture(4, M, [Layer(B, 1, C), Layer(2, 2, 1), Layer(2, 2, 1)], border)
    bound = chain(network)
    assert (bound.base, bound.exponent) == (min(M, C), 4 * min(B - 1, 2))
    witness = chain_witness(network)
    rows, columns = witness.assignments(assignments(witness.D, len(witness.chains)))
    assert rank_modulo(witness.circuit.submatrix(witness.cut, rows, columns)) == witness.rank == bound.value
    assert certify_rank(network).rank == bound.value
    if M == 2:  # the whole matrix of the witness
        assert certify_rank(witness.circuit).rank == bound.value
    assert bound.value == min_cut_upper(network).value  # the two sides meet


@settings(max_examples=40, deadline=None)
@given(chained(max_size=4), seeds)
def test_random_weights_reach_the_chain_bound(network, seed):
    assume(network.representation_channels ** (network.size**2) <= 70_000)
    bound = chain(network)
    assert bound.value <= certify_rank(network, seed=seed).rank
    assert bound.value == chain(network, "top-bottom").value <= certify_rank(network, "top-bottom", seed=seed).rank


@pytest.mark.parametrize("M", [2, 3])
def test_the_chain_proves_the_talks_claim_wherever_a_matrix_is_large_enough(M):
    for H in (2, 4, 8, 16, 32):
        for B in range(2, 2 * H + 3):
            formula, bound = talk_formula(B, M), chain(common_case(B, M, H))
            assert (bound.exponent >= formula.exponent) == (formula.exponent <= H * H // 2)


def test_it_is_never_below_the_theorem_in_the_common_case():
    for H, B, C in ((4, 2, 2), (4, 3, 4), (8, 2, 4), (8, 3, 4), (8, 5, 4), (16, 3, 4)):
        network = common_case(B, 2, H, C)
        assert chain(network).value >= theorem(network).value


# --- without one hypothesis ---

GENERIC = [
    # the border: windows that stay inside link fewer patches
    (Architecture(4, 2, [Layer(2, 1, 2), Layer(3, 3, 1)], "valid"),
     "the chain bound is proved for the borders 'neutral' and 'ones', and this network's is 'valid'"),
    # the stride: every second window is missing
    (Architecture(4, 2, [Layer(3, 2, 2), Layer(2, 2, 1)]),
     "the chain bound needs a first layer of stride 1, and this network's has stride 2"),
    # weights in layer 1
    (Architecture(4, 2, [Layer(3, 1, 2, weight_free=True), Layer(4, 4, 1)]),
     "the chain bound needs weights of their own in layers 1 and 2, and layer 1 is weight-free"),
    # weights in layer 2: the channels are never added before they are multiplied
    (Architecture(4, 2, [Layer(3, 1, 2), Layer(4, 4, 2, weight_free=True)]),
     "the chain bound needs weights of their own in layers 1 and 2, and layer 2 is weight-free"),
]  # fmt: skip


@pytest.mark.parametrize(("network", "sentence"), GENERIC)
def test_without_a_hypothesis_the_statement_is_false(network, sentence):
    H, D = network.size, min(network.channels[:2])
    promised = D ** (H * min(network.layers[0].receptive_field - 1, H // 2))
    assert certify_rank(network).rank < promised
    if network.border == "valid":
        assert min_cut_upper(network).value < promised  # for all weights
    for ask in (chain, chain_witness):
        with pytest.raises(HypothesisError) as error:
            ask(network)
        assert str(error.value) == sentence


def test_with_the_border_zero_the_network_is_zero():
    with pytest.raises(HypothesisError) as error:
        chain(Architecture(4, 2, [Layer(2, 1, 2), Layer(4, 4, 1)], "zero"))
    assert str(error.value) == (
        "the chain bound is proved for the borders 'neutral' and 'ones', and this network's is 'zero'"
    )


def test_across_another_cut_the_statement_is_false():
    network = Architecture(4, 2, [Layer(2, 1, 2), Layer(4, 4, 1)])
    one_patch = min_cut_upper(network, [0]).value
    assert one_patch == 2 < 2**4
    for cut, name in (([0], "0"), ("checkerboard", "checkerboard")):
        with pytest.raises(HypothesisError) as error:
            chain(network, cut)
        assert str(error.value) == (
            f"the chain bound is for the cuts 'left-right' and 'top-bottom', and this one is {name!r}"
        )


def test_an_odd_size_has_no_halves():
    network = Architecture(3, 2, [Layer(2, 1, 2), Layer(3, 3, 1)])
    for ask in (chain, chain_witness):
        with pytest.raises(CutError):
            ask(network)


def test_the_borders_constant_is_divided_out():
    circuit = chain_witness(Architecture(4, 2, [Layer(3, 1, 2), Layer(4, 4, 1)], "ones")).circuit
    assert circuit.dense[0, 0] not in (0, 1) and circuit.at_templates(np.zeros((1, 16), int)) == 1


def test_a_prime_that_divides_the_borders_constant_is_refused():
    network = Architecture(4, 2, [Layer(3, 1, 2), Layer(4, 4, 1)], "ones")
    with pytest.raises(ConvacError) as error:
        chain_witness(network, prime=2)
    assert str(error.value) == "the border's constant is 0 modulo 2; use a prime above M and the channels"
    assert chain_witness(replace(network, border="neutral"), prime=2).rank == 256


def test_a_witness_needs_100_bytes_a_patch(monkeypatch):
    asked = []
    monkeypatch.setattr("convac_lib.theory.chain_witness.require_memory", lambda *words: asked.append(words))
    assert len(chain_witness(common_case(3, 2, 8)).chains) == 16
    assert asked == [(6400, "the chains of 64 patches", "use a smaller image")]


def test_above_layer_2_a_window_multiplies_first_channels():
    network = Architecture(8, 3, [Layer(2, 1, 3), *[Layer(2, 2, 3)] * 3], "ones")
    first, second, *above = chain_witness(network).circuit.weights
    assert {*first.sum(axis=1).flat, *second[0].sum(axis=0).flat} == {1, 3} and not second[1:].any()
    for weight in above:
        assert (weight[0, 0] == 1).all() and weight.sum() == 4
