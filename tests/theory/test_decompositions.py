"""CP and Hierarchical Tucker against their sums written out, and against networks with the same numbers."""

from itertools import product

import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Circuit, Layer, random_circuit
from convac_lib.theory.decompositions import compose_cp, compose_hierarchical_tucker, tree_order
from convac_lib.theory.tensors import assignments

PRIMES = st.sampled_from([None, 2, 7, 2**31 - 1, 2**32 - 5, 2**63 - 25])


def draw(seed, prime, *shapes):
    """Whole numbers: any of GF(p), or small ones (as Python's, so that no sum overflows) for the real numbers."""
    generator = np.random.default_rng(seed)
    limits = (-9, 10) if prime is None else (0, prime)
    return [generator.integers(*limits, shape).astype(object) for shape in shapes]


# --- CP and Hierarchical Tucker: the sums written out ---


@given(seeds, PRIMES, st.integers(1, 4), st.integers(1, 3))
def test_cp_is_its_sum_of_products(seed, prime, rank, M):
    a, v = draw(seed, prime, rank, (rank, 3, M))
    written_out = np.einsum("g,ga,gb,gc->abc", a, v[:, 0], v[:, 1], v[:, 2])
    assert np.array_equal(compose_cp(a, v, prime), written_out if prime is None else written_out % prime)


@given(seeds, PRIMES, st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
def test_hierarchical_tucker_is_the_slides_recursion(seed, prime, M, r0, r1):
    a0, a1, a2 = draw(seed, prime, (4, r0, M), (2, r1, r0), (1, 2, r1))
    tensor = compose_hierarchical_tucker([a0, a1, a2], branches=2, prime=prime)
    assert tensor.shape == (2, M, M, M, M)
    for y, *d in product(range(2), *[range(M)] * 4):
        entry = sum(
            a2[0, y, beta]
            * sum(a1[0, beta, alpha] * a0[0, alpha, d[0]] * a0[1, alpha, d[1]] for alpha in range(r0))
            * sum(a1[1, beta, alpha] * a0[2, alpha, d[2]] * a0[3, alpha, d[3]] for alpha in range(r0))
            for beta in range(r1)
        )
        assert tensor[y, *d] == (entry if prime is None else entry % prime)


def test_hierarchical_tucker_of_two_patches_is_a_low_rank_matrix():
    (u, v, a) = draw(5, None, (2, 4), (2, 4), (1, 1, 2))
    tensor = compose_hierarchical_tucker([np.stack([u, v]), a])[0]
    assert np.array_equal(tensor, u.T @ np.diag(a[0, 0]) @ v)


# --- CP and Hierarchical Tucker: the networks ---


def leaves(stride, depth):
    """The pixels in the order of the leaves of the tree of windows, which nowhere overlap."""
    if not depth:
        return [(0, 0)]
    offsets = list(product(range(stride), repeat=2))
    return [(stride * row + i, stride * column + j) for row, column in leaves(stride, depth - 1) for i, j in offsets]


def map_at(weight, layer, row, column):
    """The linear map that a layer without overlap applies to the pixel (row, column) of its input, (C', C)."""
    S = layer.stride
    window = weight[row // S, column // S] if weight.ndim == 6 else weight
    return window[:, :, row % S, column % S]


def by_the_baseline(circuit, digits):
    """The talk's baseline: representation, then 1×1 convolutions and product pooling, then dense."""
    p, size = circuit.prime, circuit.architecture.size
    y = circuit.templates.T[:, digits.T].reshape(-1, size, size, len(digits))  # one-hot: (M, H, H, n)
    for layer, weight, side in zip(circuit.architecture.layers, circuit.weights, circuit.architecture.sizes):
        z = np.empty((layer.channels, *y.shape[1:]), y.dtype)
        for row, column in product(range(y.shape[1]), repeat=2):
            terms = map_at(weight, layer, row, column)[..., None] * y[:, row, column] % p
            z[:, row, column] = terms.sum(axis=1) % p
        windows = z.reshape(layer.channels, side, layer.stride, side, layer.stride, -1)
        y = np.ones_like(windows[:, :, 0, :, 0])
        for i, j in product(range(layer.stride), repeat=2):
            y = y * windows[:, :, i, :, j] % p
    return (circuit.dense[:, :, None] * y[:, 0, 0] % p).sum(axis=1) % p


def by_hierarchical_tucker(circuit):
    """The composed tensor of every class, its modes in the order of the image's rows."""
    (stride, *_), depth = [layer.stride for layer in circuit.architecture.layers], len(circuit.architecture.layers)
    levels = [
        np.array([map_at(weight, layer, *node) for node in leaves(stride, depth - level)])
        for level, (layer, weight) in enumerate(zip(circuit.architecture.layers, circuit.weights))
    ]
    composed = compose_hierarchical_tucker([*levels, circuit.dense[None]], stride**2, circuit.prime)
    order = [row * stride**depth + column for row, column in leaves(stride, depth)]
    return composed.transpose(0, *1 + np.argsort(order))


@st.composite
def circuits_without_overlap(draw):
    """Of equal windows that tile the image; weights tied over a window's offsets, shared over positions, or neither."""
    stride, depth = draw(st.sampled_from([(2, 1), (2, 2), (3, 1)]))
    M = draw(st.integers(1, 2 if stride**depth > 2 else 3))
    layers, below = [], M
    for _ in range(depth):
        weight_free = draw(st.integers(0, 3)) == 0
        below = below if weight_free else draw(st.integers(1, 4))
        layers.append(Layer(stride, stride, below, weight_free))
    weights = draw(st.sampled_from(["tied", "shared", "unshared"]))
    network = Architecture(stride**depth, M, layers, shared=weights != "unshared")
    fast = st.sampled_from([2, 7, 2**31 - 1])  # in int64: deep networks have 65,536 entries
    seed, prime = draw(seeds), draw(PRIMES.filter(bool) if depth == 1 else fast)
    circuit = random_circuit(network, seed=seed, prime=prime, classes=2)
    if weights == "tied":
        tied = [np.broadcast_to(weight[..., :1, :1], weight.shape) for weight in circuit.weights]
        circuit = Circuit(network, tied, circuit.dense, prime)
    return circuit, (network, weights, seed, prime)


def test_without_overlap_a_network_is_the_baseline_and_its_decomposition(record_property):
    checked = set()

    @settings(max_examples=1400)
    @given(circuits_without_overlap())
    def check(circuit_and_case):
        circuit, case = circuit_and_case
        M, patches = circuit.architecture.representation_channels, circuit.architecture.size**2
        if M**patches <= 1000:
            digits = assignments(M, patches)
        else:
            digits = np.random.default_rng(case[2]).integers(0, M, (100, patches))
        values = circuit.at_templates(digits)
        assert np.array_equal(values, by_the_baseline(circuit, digits))
        assert np.array_equal(values, by_hierarchical_tucker(circuit)[:, *digits.T])
        if len(circuit.weights) == 1:
            (layer,), (weight,) = circuit.architecture.layers, circuit.weights
            vectors = np.array([map_at(weight, layer, *pixel) for pixel in leaves(layer.stride, 1)])  # (N, γ, d)
            for a, value in zip(circuit.dense, values):
                assert np.array_equal(value, compose_cp(a, vectors.swapaxes(0, 1), circuit.prime)[*digits.T])
        checked.add(case)

    check()
    record_property("networks of GC layers = baseline = CP or Hierarchical Tucker, over GF(p)", len(checked))
    assert len(checked) >= 1000


@pytest.mark.parametrize("depth", range(4))
def test_tree_order_interleaves_the_bits_of_row_and_column(depth):
    places = {}
    for row, column in product(range(2**depth), repeat=2):
        pairs = [(row >> bit & 1, column >> bit & 1) for bit in reversed(range(depth))]
        places[int("0" + "".join(f"{r}{c}" for r, c in pairs), 2)] = row * 2**depth + column
    assert tree_order(depth).tolist() == [places[leaf] for leaf in range(4**depth)]
