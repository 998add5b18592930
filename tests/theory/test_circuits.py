"""Circuits, layer by layer and at every template; their borders, their weights, and what makes no circuit."""

import warnings
from dataclasses import replace
from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest
from helpers.plain import one_scalar_at_a_time
from helpers.strategies import architectures, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import (
    Architecture,
    Circuit,
    Layer,
    baseline,
    certify_rank,
    common_case,
    grid_tensor,
    make_cut,
    matricize,
    random_circuit,
)
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, DataError, WeightError
from convac_lib.theory.circuits import one_hot
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.tensors import assignments
from convac_lib.theory.weights import weight_shapes

P = 2**31 - 1
PRIMES = [2, 7, P, 2**32 - 5, 2**63 - 25]
BORDERS = ["neutral", "ones", "zero", "valid"]


# --- whole networks ---


def layer_by_layer(circuit, x):
    """The circuit's values by the scalar formula."""
    for layer, weight in zip(circuit.architecture.layers, circuit.weights):
        w, no_bias = weight.astype(object), np.zeros(weight.shape[-4:-3] + weight.shape[-2:], object)
        weight_at = (lambda u, v, w=w: w[u, v]) if w.ndim == 6 else (lambda u, v, w=w: w)
        x = one_scalar_at_a_time(x, weight_at, layer.stride, no_bias, circuit.architecture.border) % circuit.prime
    return [sum(a * top for a, top in zip(row, x[:, 0, 0])) % circuit.prime for row in circuit.dense.astype(object)]


@given(architectures(plain=False), seeds, st.sampled_from(PRIMES))
def test_a_circuit_is_its_layers_and_its_dense_vectors(network, seed, prime):
    circuit = random_circuit(network, seed=seed, prime=prime, classes=2)
    generator = np.random.default_rng(seed + 1)
    x = generator.integers(0, prime, (network.representation_channels, network.size, network.size, 2))
    for image in range(2):
        expected = layer_by_layer(circuit, x[..., image].astype(object))
        assert circuit(x[..., image]).tolist() == circuit(x)[:, image].tolist() == expected


def test_weights_may_come_from_any_iterable():
    circuit = random_circuit(baseline(2, 4), seed=0, prime=P)
    same = Circuit(circuit.architecture, iter(circuit.weights), circuit.dense.tolist(), P)
    assert type(same.weights) is tuple and same.dense.shape == (1, 2)
    assert np.array_equal(same.grid_tensor(), circuit.grid_tensor())


def with_templates(circuit, seed):
    M = circuit.architecture.representation_channels
    templates = np.random.default_rng(seed).integers(0, circuit.prime, (M, M))
    return Circuit(circuit.architecture, circuit.weights, circuit.dense, circuit.prime, templates)


@given(architectures(max_size=2, max_channels=2), seeds, st.sampled_from(PRIMES))
def test_a_grid_tensor_is_the_circuit_at_each_combination_of_templates(network, seed, prime):
    M, H = network.representation_channels, network.size
    circuit = with_templates(random_circuit(network, seed=seed, prime=prime, classes=2), seed)
    for y in range(2):
        tensor = circuit.grid_tensor(y)
        assert tensor.shape == (M,) * H**2
        for digits in product(range(M), repeat=H**2):
            x = np.array([circuit.templates[digit] for digit in digits]).T.reshape(M, H, H)  # (N, M) -> (M, H, H)
            assert tensor[digits] == layer_by_layer(circuit, x.astype(object))[y]


@given(architectures(max_size=3, max_channels=2), seeds, st.sampled_from(PRIMES))
def test_a_grid_tensor_is_that_of_the_circuit_as_a_function_of_patches(network, seed, prime):
    M, H = network.representation_channels, network.size
    circuit = with_templates(random_circuit(network, seed=seed, prime=prime), seed)

    def value(images):  # (n, N, M) -> (n,)
        return circuit(images.transpose(2, 1, 0).reshape(M, H, H, -1))[0]

    assert np.array_equal(circuit.grid_tensor(), grid_tensor(value, circuit.templates, H**2))


@settings(max_examples=30)
@given(architectures(3, 2, borders=("neutral", "ones"), overlapping=False), seeds, st.sampled_from(PRIMES))
def test_without_overlap_the_grid_tensor_is_the_coefficient_tensor_with_F_on_each_mode(network, seed, prime):
    circuit = random_circuit(network, seed=seed, prime=prime)
    with_F = with_templates(circuit, seed)
    tensor = circuit.grid_tensor().astype(object)  # at the one-hot templates: the coefficients
    for mode in range(tensor.ndim):
        applied = np.tensordot(with_F.templates.astype(object), tensor, axes=(1, mode)) % prime
        tensor = np.moveaxis(applied, 0, mode)
    assert np.array_equal(with_F.grid_tensor(), tensor)


def test_with_overlap_the_grid_tensor_is_not_the_coefficient_tensor_with_F_on_each_mode():
    circuit = random_circuit(common_case(B=2, M=2, size=2), seed=0, prime=P)
    F = [[1, 1], [0, 1]]
    tensor = circuit.grid_tensor().astype(object)
    for mode in range(4):
        tensor = np.moveaxis(np.tensordot(F, tensor, axes=(1, mode)) % P, 0, mode)
    with_F = Circuit(circuit.architecture, circuit.weights, circuit.dense, P, F).grid_tensor()
    # F's second row is one-hot, and patch 0 enters one window only: there, and only there, the two agree
    assert {tuple(map(int, digits)) for digits in np.argwhere(with_F == tensor)} == {(1, 1, 1, 1), (0, 1, 1, 1)}


def degree_in_a_patch(layers, size, patch):
    """How often the patch enters the product, counted window by window."""
    degree = {position: int(position == patch) for position in product(range(size), repeat=2)}
    for layer in layers:
        starts = [start for start in range(max(degree)[0] + 1) if start % layer.stride == 0]
        degree = {
            (u // layer.stride, v // layer.stride): sum(
                degree.get((u + i, v + j), 0) for i, j in product(range(layer.receptive_field), repeat=2)
            )
            for u, v in product(starts, repeat=2)
        }
    return degree[0, 0]


@settings(max_examples=30)
@given(architectures(max_size=3, max_layers=2, borders=("neutral",)), seeds, st.data())
def test_the_degree_in_a_patch_is_the_number_of_windows_that_reuse_it(network, seed, data):
    H, M = network.size, network.representation_channels
    row, column = (data.draw(st.integers(0, H - 1)) for _ in range(2))
    degree = degree_in_a_patch(network.layers, H, (row, column))
    generator = np.random.default_rng(seed)
    x = np.repeat(generator.integers(0, P, (M, H, H, 1)), degree + 2, axis=3)
    x[:, row, column] += np.outer(generator.integers(0, P, M), np.arange(degree + 2))  # a line in one patch
    values = random_circuit(network, seed=seed, prime=P)(x)[0].astype(object)
    differences = [values := np.diff(values) for _ in range(degree + 1)]
    assert differences[-1] % P == 0  # of the order degree + 1
    assert all(differences[degree - 1] % P)  # of the order degree
    assert degree == 1 or network.is_overlapping


@settings(max_examples=50)
@given(architectures(max_size=2, max_channels=2, max_layers=2), seeds, st.sampled_from(PRIMES[1:]))
def test_a_circuit_modulo_p_is_the_circuit_of_the_same_fractions(network, seed, prime):
    generator = np.random.default_rng(seed)
    exact = np.vectorize(Fraction, otypes=[object])
    weights = [
        np.ldexp(generator.standard_normal(shape, np.float32), generator.integers(-30, 30, shape)).astype(float)
        for shape in (*weight_shapes(network), (1, network.channels[-1]), (network.representation_channels,) * 2)
    ]
    *layers, dense, templates = weights
    circuit = Circuit(network, layers, dense, templates=templates).modulo(prime)
    digits = generator.integers(0, len(templates), (3, network.size**2))
    x = exact(templates).T[:, digits.T].reshape(len(templates), network.size, network.size, -1)
    for layer, weight in zip(network.layers, layers):
        x = generalized_convolution(x, exact(weight), layer.stride, border=network.border)
    values = np.tensordot(exact(dense), x[:, 0, 0], axes=1)[0]
    expected = [value.numerator * pow(value.denominator, -1, prime) % prime for value in values]
    assert circuit.prime == prime and circuit.at_templates(digits)[0].tolist() == expected


def test_floating_point_weights_have_the_generic_rank_and_with_F_too():
    circuit = random_circuit(common_case(B=2, M=2, size=4), seed=0)
    for templates in (np.eye(2), np.array([[0.3, 1.7], [1.1, 0.0]])):
        assert certify_rank(replace(circuit, templates=templates)).rank == 64
    assert certify_rank(random_circuit(baseline(M=2, size=4), seed=0)).rank == 2


# --- borders ---


def test_windows_of_zeros_make_the_network_zero_and_warn_of_it():
    network = Architecture(3, 2, [Layer(2, 2, 2), Layer(2, 2, 2)], "zero")
    with pytest.warns(UserWarning, match="border 'zero'") as caught:
        circuit = Circuit(network, [np.ones((2, 2, 2, 2))] * 2, np.ones((1, 2)))
    (warning,) = caught
    assert str(warning.message) == (
        "layer 1 has windows that leave the image, where border 'zero' makes their products 0, so "
        "this network is 0 for every input; use border 'neutral'"
    )
    assert warning.filename == __file__
    assert not circuit.grid_tensor().any()


@given(architectures(borders=("zero",)), seeds)
def test_border_zero_warns_exactly_where_the_network_is_zero(network, seed):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        circuit = random_circuit(network, seed=seed, prime=P)
    x = np.random.default_rng(seed).integers(1, P, (network.representation_channels, network.size, network.size))
    assert bool(caught) == (not circuit(x).any())


@given(st.lists(st.integers(1, 3), min_size=1, max_size=2), seeds)
def test_every_border_is_the_same_where_no_window_leaves_the_image(strides, seed):
    layers, size = [Layer(stride, stride, 2) for stride in strides], prod(strides)
    x = np.random.default_rng(seed).integers(0, P, (2, size, size))
    with warnings.catch_warnings(action="error"):
        values = [random_circuit(Architecture(size, 2, layers, b), seed=seed, prime=P)(x).tolist() for b in BORDERS]
    assert values == [values[0]] * 4


# --- drawing weights ---


def test_a_seed_draws_the_same_weights_and_another_draws_others():
    for prime, shared in product([None, 7, 2**61 - 1], [True, False]):
        network = replace(common_case(B=2, M=2, size=4), shared=shared)
        first, again, other = (random_circuit(network, seed=s, prime=prime) for s in (3, 3, 4))
        for one, same, different in zip(first.weights, again.weights, other.weights):
            assert np.array_equal(one, same) and not np.array_equal(one, different)


def test_weights_over_a_field_are_spread_over_all_of_it():
    weight = random_circuit(common_case(B=5, M=4, size=2), seed=0, prime=7).weights[0]
    assert sorted(set(weight.ravel().tolist())) == list(range(7))
    large = random_circuit(common_case(B=5, M=4, size=2), seed=0, prime=2**61 - 1).weights[0]
    assert large.max() > 2**60 and large.min() < 2**58 and len(set(large.ravel())) == large.size


def test_shared_weights_are_unshared_ones_that_are_equal():
    network = common_case(B=2, M=2, size=2)
    shared = random_circuit(network, seed=0, prime=P)
    copies = [np.broadcast_to(w, (size, size, *w.shape)) for w, size in zip(shared.weights, network.sizes)]
    unshared = Circuit(replace(network, shared=False), copies, shared.dense, P)
    assert np.array_equal(unshared.grid_tensor(), shared.grid_tensor())


def test_a_weight_free_layer_multiplies_its_window_channel_by_channel():
    circuit = random_circuit(Architecture(2, 3, [Layer(2, 2, 3, weight_free=True)]), seed=0, prime=P)
    x = np.random.default_rng(0).integers(0, P, (3, 2, 2)).astype(object)
    assert circuit(x).tolist() == [sum(circuit.dense[0] * x.prod(axis=(1, 2))) % P]


def test_what_is_left_out_is_the_real_numbers_and_one_class():
    circuit = random_circuit(architecture=baseline(2, 2), seed=3)
    again = random_circuit(baseline(2, 2), seed=3, prime=None, classes=1)
    assert circuit.prime is None and circuit.dense.shape == (1, 2)
    assert np.array_equal(circuit.weights[0], again.weights[0]) and np.array_equal(circuit.dense, again.dense)


# --- submatrices, and what a grid tensor needs ---


@pytest.mark.parametrize("at_once", [1, 3, 7, 8, 9, 24, 1000])
def test_a_submatrix_in_batches_is_a_part_of_the_matricization(at_once, monkeypatch):
    circuit, cut = random_circuit(common_case(2, 2, 2), seed=0, prime=P, classes=2), make_cut([0, 3, 2], 2)
    whole = matricize(circuit.grid_tensor(), cut)
    monkeypatch.setattr("convac_lib.theory.circuits.IMAGES_AT_ONCE", at_once)
    rows, columns = [7, 0, 3, 3, 6], [1, 0, 1]
    found = circuit.submatrix(cut, assignments(2, 3)[rows], assignments(2, 1)[columns])
    assert np.array_equal(found, whole[np.ix_(rows, columns)])


def test_a_grid_tensor_and_its_templates_need_this_much_memory(monkeypatch):
    circuit = random_circuit(baseline(3, 2), seed=0, prime=P)  # 81 entries, of 4 patches and a window of 3 channels
    needed = 8 * (81 * 2 + 81 * (4 * 3 + 3) * 4)
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: needed)
    assert circuit.grid_tensor().shape == (3,) * 4
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: needed - 1)
    with pytest.raises(BudgetError, match=r"^a grid tensor of 81 entries, 81 at a time, needs about"):
        circuit.grid_tensor()
    monkeypatch.setattr("convac_lib.theory.circuits.IMAGES_AT_ONCE", 80)
    assert circuit.grid_tensor().shape == (3,) * 4
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 24 * 100**2)
    assert np.array_equal(one_hot(100), np.eye(100))
    with pytest.raises(BudgetError, match=r"^a template matrix of 101×101 needs about .*; use fewer representation"):
        one_hot(101)
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 24 * 100**2 - 1)
    with pytest.raises(BudgetError):
        one_hot(100)


# --- bad input ---


def circuit_with(weight=None, dense=None, prime=None, templates=None):
    weight = np.ones((3, 2, 2, 2), int) if weight is None else weight
    dense = np.ones((1, 3), int) if dense is None else dense
    return Circuit(Architecture(2, 2, [Layer(2, 2, 3)]), [weight], dense, prime, templates)


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: circuit_with(weight=np.full((3, 2, 2, 2), np.nan)), WeightError,
         "layer 1's weight holds NaN or infinity; every number must be finite"),
        (lambda: circuit_with(dense=np.full((1, 3), np.inf)), WeightError,
         "the dense weight holds NaN or infinity; every number must be finite"),
        (lambda: circuit_with(templates=np.full((2, 2), -np.inf)), WeightError,
         "the template matrix holds NaN or infinity; every number must be finite"),
        (lambda: circuit_with(weight=np.full((3, 2, 2, 2), np.nan), prime=7), WeightError,
         "layer 1's weight must hold integers to be taken modulo 7, not float64"),
        (lambda: circuit_with(dense=np.full((1, 3), 0.5), prime=7), WeightError,
         "the dense weight must hold integers to be taken modulo 7, not float64"),
        (lambda: circuit_with(templates=np.full((2, 2), Fraction(1, 2)), prime=7), WeightError,
         "the template matrix must hold integers to be taken modulo 7, not object"),
        (lambda: circuit_with(weight=np.ones((3, 2, 3, 3))), WeightError,
         "layer 1 needs a weight of shape (3, 2, 2, 2), not (3, 2, 3, 3)"),
        (lambda: Circuit(Architecture(2, 2, [Layer(2, 2, 3)], shared=False), [np.ones((3, 2, 2, 2))], np.ones((1, 3))),
         WeightError, "layer 1 needs a weight of shape (1, 1, 3, 2, 2, 2), not (3, 2, 2, 2)"),
        (lambda: Circuit(
            Architecture(2, 2, [Layer(2, 2, 2, weight_free=True)]), [np.ones((2, 2, 2, 2))], np.ones((1, 2))),
         WeightError, "layer 1 is weight-free: its weight must be the identity at every offset"),
        (lambda: circuit_with(dense=np.ones(3)), WeightError, "the dense weight needs shape (classes, 3), not (3,)"),
        (lambda: circuit_with(dense=np.ones((1, 2))), WeightError,
         "the dense weight needs shape (classes, 3), not (1, 2)"),
        (lambda: circuit_with(dense=np.ones((1, 3, 1))), WeightError,
         "the dense weight needs shape (classes, 3), not (1, 3, 1)"),
        (lambda: circuit_with(templates=np.ones((3, 2))), WeightError,
         "the template matrix needs shape (2, 2), not (3, 2)"),
        (lambda: Circuit(baseline(2, 2), [], np.ones((1, 2))), WeightError,
         "0 weights for 1 layers; give one per layer"),
        (lambda: circuit_with(prime=6), ConvacError, "6 is not a prime below 2**63; use for example 2147483647"),
        (lambda: circuit_with()(np.ones((2, 4, 4))), DataError,
         "the circuit reads a represented image of shape (2, 2, 2), or a batch (…, n), not (2, 4, 4)"),
        (lambda: random_circuit(Architecture(4, 2, [Layer(2, 2, 3)]), seed=0), ArchitectureError,
         "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        (lambda: random_circuit(Architecture(2, 2, [Layer(1, 2, 3)]), seed=0), ArchitectureError,
         "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"),
        (lambda: random_circuit(baseline(2, 2), seed=-1), ConvacError,
         "seed must be an integer of at least 0, not -1"),
        (lambda: random_circuit(baseline(2, 2), seed=0.5), ConvacError,
         "seed must be an integer of at least 0, not 0.5"),
        (lambda: random_circuit(baseline(2, 2), seed=0, prime=7).modulo(P), ConvacError,
         "the circuit is over GF(7) already; take one over the real numbers"),
        (lambda: random_circuit(baseline(2, 2), seed=0).modulo(2), ConvacError,
         "a half has no value modulo 2; use an odd prime"),
        (lambda: random_circuit(baseline(2, 2), seed=0).modulo(9), ConvacError,
         f"9 is not a prime below 2**63; use for example {P}"),
        (lambda: random_circuit(baseline(2, 8), seed=0).grid_tensor(), ConvacError,
         ("a tensor with 2^64 entries is too large to write out: the limit is 67,108,864; "
          "use a smaller M or N, or sample its matricization with certify_rank")),
    ],
)  # fmt: skip
def test_numbers_that_make_no_circuit_get_one_sentence(make, kind, sentence):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == sentence
