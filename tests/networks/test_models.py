"""ConvAC against the exact circuit, and what both networks refuse."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from convac_lib import Architecture, Layer, baseline, certify_rank, common_case, grid_tensor
from convac_lib.errors import ArchitectureError, ConvacError, DataError, WeightError
from convac_lib.networks.layers import Representation, Templates
from convac_lib.networks.models import ConvAC, ConvNet
from convac_lib.theory.circuits import random_circuit


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@st.composite
def architectures(draw):
    """Up to three layers that end in 1×1, with any border and overlap."""
    size, border = draw(st.integers(1, 6)), draw(st.sampled_from(["neutral", "ones", "zero", "valid"]))
    layers, side = [], size
    for _ in range(draw(st.integers(0, 2))):
        stride = draw(st.integers(1, min(2, side)))
        receptive_field = draw(st.integers(stride, min(3, side)))
        layers.append(Layer(receptive_field, stride, draw(st.integers(1, 3))))
        side = Architecture(size, 1, layers, border).sizes[-1]
    receptive_field = side if border == "valid" else draw(st.integers(side, side + 1))
    layers.append(Layer(receptive_field, side, draw(st.integers(1, 3))))
    return Architecture(size, draw(st.integers(1, 3)), layers, border)


@pytest.mark.filterwarnings("ignore:layer . has windows that leave the image")
@settings(deadline=None, max_examples=200)
@given(architectures(), st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_convac_is_the_exact_circuit(architecture, seed, classes):
    circuit = random_circuit(architecture, seed=seed, classes=classes)
    size, M = architecture.size, architecture.representation_channels
    x = np.random.default_rng(seed).standard_normal((M, size, size, 4))
    exact = circuit(x)  # (Y, n)
    network = ConvAC.from_circuit(circuit)
    y = network(torch.tensor(x).permute(3, 0, 1, 2)).detach().numpy().T
    # relative to the largest value: single values may cancel to far below their terms
    assert np.abs(y - exact).max() <= 1e-12 * np.abs(exact).max()
    back = network.to_circuit()
    assert back.architecture == architecture
    assert np.array_equal(back.dense, circuit.dense)
    assert all(map(np.array_equal, back.weights, circuit.weights))


def test_a_trained_convac_becomes_the_circuit_above_its_representation():
    representation = Representation(3, 2, generator=seeded())
    network = ConvAC(common_case(B=2, M=2, size=4), 5, representation, generator=seeded(1)).double()
    images = torch.rand(6, 3, 4, 4, generator=seeded(2), dtype=torch.float64)
    represented = representation(images).permute(1, 2, 3, 0).numpy(force=True)
    values = network.to_circuit()(represented)
    # relative to the largest value, as above
    np.testing.assert_allclose(network(images).numpy(force=True).T, values, rtol=0, atol=1e-12 * np.abs(values).max())
    circuit = network.to_circuit()
    before = circuit.dense.copy()
    nn.init.zeros_(network.dense.weight)
    assert np.array_equal(circuit.dense, before)  # a copy, that training on does not move


def ink_network(architecture, width=None):
    """Of black and white pixels, 0 and 1; two classes."""
    ink = torch.tensor([0.0, 1.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    return ConvAC(architecture, 2, Templates(ink, width), generator=seeded()).double()


@pytest.mark.parametrize("architecture", [baseline(M=2, size=2), common_case(B=2, M=2, size=2)])
@pytest.mark.parametrize("width", [None, 0.5])
def test_the_grid_tensor_holds_a_networks_values_on_images_of_its_templates(architecture, width):
    """At all 16 images, for one-hot templates; for others, it is the grid tensor with F, one-hot or not."""
    network = ink_network(architecture, width)
    images = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 4).reshape(16, 1, 2, 2)
    values = network(images).numpy(force=True).T.reshape(2, 2, 2, 2, 2)  # (Y, d1, d2, d3, d4)
    F = network.representation(images[1:2, :, 1:])[0, :, 0].T.numpy()  # a row of pixels 0 and 1
    with_F = replace(network.to_circuit(), templates=F)
    size = np.abs(values).max()  # below, 1e-12 is thousands of roundings, and other templates change far more
    for y in (0, 1):
        np.testing.assert_allclose(grid_tensor(with_F, y), values[y], rtol=0, atol=1e-12 * size)
        difference = np.abs(grid_tensor(network, y) - values[y]).max() / size
        assert difference < 1e-12 if width is None else difference > 1e-3
    assert np.array_equal(grid_tensor(network), grid_tensor(network, 0))


def test_without_overlap_the_grid_tensor_is_the_coefficient_tensor():
    """Σ_d A_d1…d4 · f_d1(x_1) ⋯ f_d4(x_4) at any image, for templates' functions and for neurons."""
    images = torch.randn(5, 1, 2, 2, generator=seeded(1), dtype=torch.float64)
    for representation in (ink_network(baseline(2, 2), 0.5).representation, Representation(1, 2, generator=seeded(2))):
        network = ConvAC(baseline(M=2, size=2), 1, representation, generator=seeded()).double()
        f = representation(images).flatten(2).numpy(force=True)  # (n, d, N)
        expected = np.einsum("abcd,na,nb,nc,nd->n", grid_tensor(network), *f.transpose(2, 0, 1))
        np.testing.assert_allclose(network(images)[:, 0].numpy(force=True), expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("B", "rank"), [(1, 2), (2, 64), (3, 256)])
def test_a_networks_own_weights_are_certified(B, rank):
    network = ConvAC(common_case(B, M=2, size=4), 3, Representation(1, 2), generator=seeded())
    assert certify_rank(network).rank == rank
    nn.init.zeros_(network.dense.weight[0])
    assert certify_rank(network).rank == 0  # of the first class


def by_integers(network, x):
    """The network's exact outputs, as Python's integers of any size: x is (M, H, H) of integers."""
    x = x.long().numpy().astype(object)
    for layer in network.layers:
        weight, S = layer.weight.detach().long().numpy().astype(object), layer.stride
        size = -(-x.shape[1] // S)
        y = np.ones((len(weight), size, size), dtype=object)
        for i in range(layer.receptive_field):
            for j in range(layer.receptive_field):
                factor = np.einsum("cd,dhw->chw", weight[:, :, i, j], x[:, i::S, j::S])
                y[:, : factor.shape[1], : factor.shape[2]] *= factor
        x = y
    return network.dense.weight.detach().long().numpy().astype(object) @ x[:, 0, 0]


def test_scaled_scores_are_exact_far_beyond_the_range_of_floats():
    network = ConvAC(common_case(B=2, M=2, size=16), 3, generator=seeded()).double()
    x = torch.randint(1, 4, (2, 2, 16, 16), generator=seeded(1)).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randint(1, 4, parameter.shape, generator=seeded(2)))
    scores, exponents = network.scaled_scores(x)
    for image, score, exponent in zip(x, scores.tolist(), exponents.tolist()):
        exact = by_integers(network, image)
        assert min(exact) > 2**10000
        assert 0.5 <= max(score) < 1
        assert score == pytest.approx([float(Fraction(value, 2**exponent)) for value in exact], rel=1e-9)
    assert network(x).isinf().all()


def test_outputs_are_scores_times_their_power_of_two_and_so_are_gradients():
    network = ConvAC(common_case(B=3, M=2, size=4), 5, generator=seeded()).double()
    x = torch.rand(6, 2, 4, 4, generator=seeded(1), dtype=torch.float64) / 8
    outputs, (scores, exponents) = network(x), network.scaled_scores(x)
    power = torch.exp2(exponents.double())
    assert (exponents < 0).any()
    assert torch.equal(outputs, scores * power[:, None])
    parameters = list(network.parameters())
    by_power = torch.autograd.grad((scores.sum(1) * power).sum(), parameters)
    linear = network.dense(network.layers(x).flatten(1))  # the layers' own linear forms
    torch.testing.assert_close(outputs, linear, rtol=1e-12, atol=0)
    for gradients in (torch.autograd.grad(outputs.sum(), parameters), by_power):
        torch.testing.assert_close(gradients, torch.autograd.grad(linear.sum(), parameters, retain_graph=True))


def test_five_overlapping_layers_keep_their_scores_and_gradients_in_float32():
    network = ConvAC(common_case(B=3, M=2, size=32), 2, generator=seeded())
    x = torch.rand(4, 2, 32, 32, generator=seeded(1))
    scores, exponents = network.scaled_scores(x)
    assert (exponents.abs() > 10**4).all()
    assert scores.isfinite().all() and scores.all()
    gradients = torch.autograd.grad(scores.sum(), list(network.parameters()))
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_an_image_of_zeros_scores_0():
    network = ConvAC(common_case(B=2, M=2, size=4), 3, generator=seeded())
    x = torch.zeros(2, 2, 4, 4)
    x[1] = 1
    scores, _ = network.scaled_scores(x)
    assert not scores[0].any() and not network(x)[0].any()
    assert scores[1].all()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(scores.sum(), list(network.parameters())))


@pytest.mark.filterwarnings("ignore:layer . has windows that leave the image")
@settings(deadline=None, max_examples=100)
@given(architectures(), st.integers(0, 2**32 - 1))
def test_normalized_values_are_the_values_over_the_size_of_the_last_channels(architecture, seed):
    plain, network = (
        ConvAC(architecture, 3, normalized=normalized, generator=seeded(seed)).double() for normalized in (False, True)
    )
    size, M = architecture.size, architecture.representation_channels
    x = torch.randn(4, M, size, size, generator=seeded(seed), dtype=torch.float64)
    x[0, :, 0, 0] = 0  # its pixel makes many products 0
    top = plain.layers(x).flatten(1)
    sizes = top.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(network(x), plain.dense(top) / sizes.where(sizes > 0, 1))
    network(x).sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_a_border_of_zeros_warns_that_nothing_is_left():
    architecture = Architecture(2, 2, [Layer(2, 1, 2), Layer(2, 2, 2)], "zero")
    with pytest.warns(UserWarning, match="border 'zero'") as warned:
        network = ConvAC(architecture, generator=seeded())
    (warning,) = warned
    assert warning.filename == __file__
    assert str(warning.message) == (
        "layer 1 has windows that leave the image, where border 'zero' makes their products 0, so this network is 0 "
        "for every input; use border 'neutral'"
    )
    assert not network(torch.rand(5, 2, 2, 2, generator=seeded())).any()


@pytest.mark.parametrize(
    ("build", "kind", "sentence"),
    [
        (
            lambda: ConvAC(Architecture(4, 2, [Layer(2, 2, 2)])),
            ArchitectureError,
            "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2",
        ),
        (
            lambda: ConvAC(baseline(M=2, size=2), classes=0),
            ArchitectureError,
            "classes must be an integer of at least 1, not 0",
        ),
        (
            lambda: ConvAC(baseline(M=2, size=4))(torch.ones(5, 2, 8, 8)),
            DataError,
            "the network reads a batch of shape (N, 2, 4, 4), not (5, 2, 8, 8); change the images or the architecture",
        ),
        (
            lambda: ConvAC.from_circuit(random_circuit(baseline(M=2, size=2), seed=0, prime=7)),
            ConvacError,
            "a circuit over GF(7) has no torch form; draw it over the real numbers, with prime=None",
        ),
        (
            lambda: ConvAC.from_circuit(random_circuit(replace(baseline(M=2, size=2), shared=False), seed=0)),
            ArchitectureError,
            (
                "a ConvAC has weights in every layer and shares them across positions; "
                "give it layers that are not weight-free and shared=True"
            ),
        ),
        (
            lambda: ConvAC(Architecture(2, 2, [Layer(2, 2, 2, weight_free=True)])),
            ArchitectureError,
            (
                "a ConvAC has weights in every layer and shares them across positions; "
                "give it layers that are not weight-free and shared=True"
            ),
        ),
        (
            lambda: ConvNet(Architecture(2, 2, [Layer(1, 1, 3), Layer(2, 2, 2)]), 10, 1),
            ArchitectureError,
            (
                "layer 2 has stride 2, which in a ConvNet is max pooling: it keeps the number of channels at 3 and "
                "cannot make it 2; give the layer channels=3"
            ),
        ),
        (
            lambda: ConvNet(Architecture(2, 1, [Layer(1, 2, 1)]), 10, 1),
            ArchitectureError,
            "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2",
        ),
        (
            lambda: ConvNet(Architecture(2, 1, [Layer(2, 1, 2), Layer(1, 1, 2)]), 10, 1),
            ArchitectureError,
            "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2",
        ),
        (
            lambda: ConvNet(Architecture(2, 1, [Layer(2, 1, 2)], "valid"), 10, 1),
            ArchitectureError,
            "a ConvNet pads its convolutions itself and has no border 'valid'; use 'neutral'",
        ),
        (
            lambda: ConvNet(common_case(B=2, M=1, size=8), 10, 3)(torch.ones(5, 1, 8, 8)),
            DataError,
            "the network reads a batch of shape (N, 3, 8, 8), not (5, 1, 8, 8); change the images or the architecture",
        ),
    ],
)
def test_bad_input_is_one_sentence(build, kind, sentence):
    with pytest.raises(ConvacError) as error:
        build()
    assert (type(error.value), str(error.value)) == (kind, sentence)


def test_nan_weights_make_no_circuit():
    network = ConvAC(baseline(M=2, size=2), generator=seeded())
    nn.init.constant_(network.layers[0].weight, torch.nan)
    with pytest.raises(WeightError) as error:
        network.to_circuit()
    assert str(error.value) == "layer 1's weight holds NaN or infinity; every number must be finite"
