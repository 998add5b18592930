"""The theorem's weights against the identity that they promise, and replication against the whole grid: all exact."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.strategies import architectures, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Circuit, Layer, baseline, common_case, make_cut, random_circuit
from convac_lib.errors import ArchitectureError, HypothesisError
from convac_lib.theory.bounds import theorem
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.tensors import assignments
from convac_lib.theory.witness import replicate, theorem_witness

P = DEFAULT_PRIME


# --- the theorem's weights ---


def widened(network):
    """The network with at least 2 templates and 4 channels a layer: a witness tells templates apart."""
    layers = [Layer(layer.receptive_field, layer.stride, layer.channels + 3) for layer in network.layers]
    return replace(network, representation_channels=network.representation_channels + 1, layers=layers)


def applies(network):
    try:
        return network.size % 2 == 0 and theorem(network) is not None
    except HypothesisError:
        return False


WITNESSED = architectures(max_size=8, max_layers=4, borders=("neutral",), plain=False).map(widened).filter(applies)


def check(network, prime=P, whole=1024, sampled=40, seed=0):
    """The identity and the formula of a network's witness; returns how many rows of the identity were taken."""
    witness, bound = theorem_witness(network, prime), theorem(network)
    D, e = witness.D, len(witness.left)
    assert (D, e, witness.rank) == (bound.base, bound.exponent, bound.value)
    assert len({*witness.left, *witness.right}) == 2 * e and witness.cut == make_cut("left-right", network.size)
    assert witness.circuit.architecture == network and witness.circuit.prime == prime
    assert all(set(np.unique(weight)) <= {0, 1} for weight in (*witness.circuit.weights, witness.circuit.dense))

    generator = np.random.default_rng(seed)
    if D**e <= whole:
        combinations = assignments(D, e)
        others = combinations
    else:  # columns: a third equal to rows, a third different in one place, a third drawn anew
        combinations = generator.integers(0, D, (sampled, e))
        others = combinations.copy()
        others[1::3, generator.integers(0, e)] = generator.integers(0, D, len(others[1::3]))
        others[2::3] = generator.integers(0, D, others[2::3].shape)
    (rows, _), (_, columns) = witness.assignments(combinations), witness.assignments(others)
    expected = (combinations[:, None] == others).all(axis=2)  # the identity, where both are all the combinations
    assert np.array_equal(witness.circuit.submatrix(witness.cut, rows, columns), expected)

    images = generator.integers(0, D, (40, network.size**2))  # any templates below D, on unpaired patches too
    images[::2, witness.right] = images[::2, witness.left]
    agree = (images[:, witness.left] == images[:, witness.right]).all(axis=1)
    assert np.array_equal(witness.circuit.at_templates(images)[0], agree)
    return len(rows)


def test_the_witness_holds_the_identity_in_every_architecture(record_property):
    drawn = {}

    @settings(max_examples=250)
    @given(WITNESSED, seeds)
    def draw(network, seed):
        drawn[network] = check(network, whole=64, seed=seed)

    draw()
    record_property("architectures hold the theorem's witness", len(drawn))
    record_property("rows of its identity, all exact", sum(drawn.values()))
    assert len(drawn) >= 50
    assert {network.size for network in drawn} == {2, 4, 6, 8}
    assert {theorem(network).layer for network in drawn} >= {1, 2, 3}
    assert any(theorem(network).layer == len(network.layers) for network in drawn)
    assert sum(theorem(network).exponent > 1 for network in drawn) >= 20
    assert any(theorem(network).layer < len(network.layers) for network in drawn)


@pytest.mark.parametrize(
    ("size", "M", "layers", "K", "D", "e"),
    [
        (2, 2, [(2, 2, 2)], 1, 2, 1),  # one layer, so the dense vector adds the channels
        (2, 5, [(2, 1, 3), (2, 2, 1)], 1, 3, 2),  # fewer channels than templates
        (2, 2, [(3, 1, 7), (2, 2, 5)], 1, 2, 2),  # channels to spare, and a window larger than the image
        (4, 3, [(3, 1, 3), (4, 4, 1)], 1, 3, 8),
        (4, 2, [(2, 1, 4), (2, 2, 4), (2, 1, 4), (2, 2, 4)], 2, 2, 2),
        (4, 2, [(1, 1, 4), (1, 1, 4), (3, 1, 2), (4, 4, 1)], 3, 2, 8),  # windows of one patch below
        (4, 2, [(2, 2, 4), (2, 2, 2)], 2, 2, 1),  # no overlap
        (4, 2, [(3, 2, 4), (2, 2, 4)], 1, 2, 2),  # the second window leaves the image
        (6, 2, [(3, 1, 4), (2, 2, 4), (3, 1, 4), (2, 2, 4), (3, 1, 4), (2, 2, 4)], 2, 2, 6),
        (6, 3, [(3, 2, 6), (3, 3, 6)], 2, 3, 1),
        (8, 2, [(3, 1, 4), (2, 2, 4)] * 3, 3, 2, 8),  # the common case with B = 3
        (8, 2, [(3, 1, 4), (3, 1, 4), (8, 8, 1)], 2, 2, 32),
        (8, 1, [(5, 1, 1), (8, 8, 1)], 1, 1, 32),
    ],
)
def test_the_witness_holds_the_identity_in_these(size, M, layers, K, D, e):
    network = Architecture(size, M, [Layer(*layer) for layer in layers])
    bound = theorem(network)
    assert (bound.layer, bound.base, bound.exponent) == (K, D, e)
    check(network)
    check(network, prime=2, whole=64)


def test_hundreds_of_rows_hold_the_identity_whole():
    assert check(Architecture(6, 3, [Layer(4, 2, 3), Layer(3, 3, 1)])) == 3**6


def test_without_a_theorem_there_is_no_witness():
    with pytest.raises(HypothesisError) as error:
        theorem_witness(Architecture(4, 2, [Layer(3, 1, 4), Layer(4, 4, 4)], "ones"))
    assert str(error.value) == "the theorem is proved for the border 'neutral', and this network's is 'ones'"


def test_a_witness_needs_400_bytes_a_pair(monkeypatch):
    asked = []
    monkeypatch.setattr("convac_lib.theory.witness.require_memory", lambda *words: asked.append(words))
    assert len(theorem_witness(common_case(3, 2, 8, 4)).chains) == 8
    assert asked == [(3200, "a witness of 8 pairs of patches", "use a smaller image")]


# --- replication ---


def with_templates(circuit, seed):
    """The circuit over a random template matrix F, which is nonsingular but in about one draw of p."""
    M = circuit.architecture.representation_channels
    templates = np.random.default_rng(seed).integers(0, circuit.prime, (M, M))
    return Circuit(circuit.architecture, circuit.weights, circuit.dense, circuit.prime, templates)


def check_replica(network, extra, seed, prime=P):
    original = with_templates(random_circuit(network, seed=seed, prime=prime, classes=2), seed)
    replica = replicate(original, tuple(layer.stride + more for layer, more in zip(network.layers, extra)))
    for mine, theirs, more in zip(replica.architecture.layers, network.layers, extra):
        assert mine == Layer(theirs.stride + more, theirs.stride, theirs.channels + 1)
    for class_index in range(2):
        assert np.array_equal(replica.grid_tensor(class_index), original.grid_tensor(class_index))
    assert np.array_equal(replica.templates, original.templates)


PLAIN = architectures(max_size=3, borders=("neutral",), overlapping=False)


@given(
    PLAIN.filter(lambda network: network.representation_channels ** (network.size**2) <= 600),
    st.lists(st.integers(0, 3), min_size=3, max_size=3),
    seeds,
)
def test_overlapping_networks_replicate_any_without_overlap(network, extra, seed):
    check_replica(network, extra, seed)


@pytest.mark.parametrize(
    ("network", "extra", "prime"),
    [
        (baseline(2, 4), (1, 1), P),
        (baseline(2, 4, channels=3), (2, 0), P),
        (baseline(2, 4), (0, 3), P),
        (common_case(1, 2, 4), (2, 0, 2, 0), P),  # B = 1 replicated with B = 3
        (Architecture(3, 3, [Layer(2, 2, 2), Layer(2, 2, 3)]), (1, 2), P),
        (baseline(4, 2), (3,), 2**61 - 1),
    ],
)
def test_overlapping_networks_replicate_these(network, extra, prime):
    check_replica(network, extra, seed=1, prime=prime)


def test_off_the_grid_a_replica_is_another_function():
    original = random_circuit(baseline(M=2, size=4), seed=0, prime=P)
    x = np.random.default_rng(0).integers(0, P, (2, 4, 4))
    assert not np.array_equal(replicate(original, (3, 2))(x), original(x))


NOT_PLAIN = "replication starts from a non-overlapping circuit over GF(p) with the border 'neutral' and shared weights"
PLAIN_CIRCUIT = random_circuit(baseline(M=2, size=4), seed=0, prime=P)


@pytest.mark.parametrize(
    ("circuit", "receptive_fields", "kind", "sentence"),
    [
        (random_circuit(common_case(2, 2, 2), seed=0, prime=P), (3, 3), HypothesisError, NOT_PLAIN),
        (random_circuit(baseline(2, 2), seed=0), (3,), HypothesisError, NOT_PLAIN),
        (random_circuit(replace(baseline(2, 2), shared=False), seed=0, prime=P), (3,), HypothesisError, NOT_PLAIN),
        (random_circuit(Architecture(2, 2, [Layer(2, 2, 2)], "ones"), seed=0, prime=P), (3,),
         HypothesisError, NOT_PLAIN),
        (PLAIN_CIRCUIT, (3,), HypothesisError, "1 receptive fields for 2 layers; give one per layer"),
        (Circuit(baseline(2, 4), PLAIN_CIRCUIT.weights, PLAIN_CIRCUIT.dense, P, np.ones((2, 2), int)), (3, 3),
         HypothesisError, "the template matrix F is singular modulo p; replication needs a nonsingular one"),
        (PLAIN_CIRCUIT, (3, 1), ArchitectureError,
         "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"),
    ],
)  # fmt: skip
def test_what_cannot_be_replicated_gets_one_sentence(circuit, receptive_fields, kind, sentence):
    with pytest.raises(kind) as error:
        replicate(circuit, receptive_fields)
    assert str(error.value) == sentence
