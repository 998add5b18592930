"""The layers as torch modules: what they compute, their initial weights, and how they print."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convac_lib import ConvAC, ConvNet, common_case
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, DataError
from convac_lib.networks.functional import generalized_conv2d
from convac_lib.networks.layers import GeneralizedConv2d, Representation, Templates


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_is_its_function(bias):
    layer = GeneralizedConv2d(2, 3, 3, 2, border="ones", bias=bias, generator=seeded(), dtype=torch.float64)
    x = torch.randn(4, 2, 5, 6, generator=seeded(1), dtype=torch.float64)
    assert list(layer.state_dict()) == (["weight", "bias"] if bias else ["weight"])
    assert layer(x).shape == (4, 3, 3, 3)
    assert torch.equal(layer(x), generalized_conv2d(x, layer.weight, layer.bias, stride=2, border="ones"))


@pytest.mark.parametrize("R", [1, 2, 3])
def test_without_a_bias_the_draw_keeps_the_typical_size(R):
    """Over a million channels, which are a million draws, at an input of mean square 1: E log|y| = 0."""
    x = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).expand(1, 2, R, R)
    y = GeneralizedConv2d(2, 10**6, R, R, generator=seeded(), dtype=torch.float64)(x.double())
    log = y.detach().abs().log()
    # the variance of log|factor| is π²/8: that of the mean is R²·π²/8·10⁻⁶
    assert abs(log.mean()) < 4 * R * (torch.pi**2 / 8 * 1e-6) ** 0.5
    assert abs(log.var() / (R**2 * torch.pi**2 / 8) - 1) < 0.02


@pytest.mark.parametrize("R", [1, 2, 3])
def test_with_a_bias_the_draw_starts_near_one(R):
    """Over a million draws, at patches of mean square 1 and 3: E y = 1 and E y² = Π_ij (1 + q_ij/(3R²))."""
    x = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1).repeat(1, 1, R, R).double()
    x[..., 0, 0] *= 3**0.5
    y = GeneralizedConv2d(2, 10**6, R, R, bias=True, generator=seeded(), dtype=torch.float64)(x).detach()
    mean_square = (1 + 1 / R**2) * (1 + 1 / (3 * R**2)) ** (R**2 - 1)
    assert abs(y.mean() - 1) < 0.005
    assert abs(y.square().mean() / mean_square - 1) < 0.01


def test_five_overlapping_layers_neither_vanish_nor_explode():
    """At 32×32, where without a bias the same five leave even float64's range."""
    for bias, bounded in ((True, True), (False, False)):
        for seed in range(3):
            generator = seeded(seed)
            x = torch.randn(4, 64, 32, 32, generator=generator, dtype=torch.float64)
            for _ in range(5):
                layer = GeneralizedConv2d(64, 64, 3, 1, bias=bias, generator=generator, dtype=torch.float64)
                x = layer(x).detach()
            assert bounded == bool((x.abs() < 100).all() and (x.abs() > 1e-8).all() and 0.5 < x.square().mean() < 4)


@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_is_a_module_like_torchs_own(bias):
    layer = GeneralizedConv2d(2, 3, 2, 1, bias=bias, generator=seeded())
    x = torch.randn(4, 2, 5, 6, generator=seeded(1))
    copied = deepcopy(layer)
    nn.init.zeros_(layer.weight)
    assert copied(x).any() and bool(layer(x).any()) == bias
    layer.load_state_dict(copied.state_dict())
    assert torch.equal(layer(x), copied(x))
    parameters = {name: parameter * 2 for name, parameter in layer.named_parameters()}
    factor = 2.0 ** torch.tensor([[4, 2], [2, 1]])  # how many of the window's factors lie inside
    called = torch.func.functional_call(layer, parameters, (x,))
    torch.testing.assert_close(called[:, :, -2:, -2:], layer(x)[:, :, -2:, -2:] * factor)
    assert copied.double()(x.double()).dtype == torch.float64
    assert torch.equal(layer.double()(x.double()), copied(x.double()))
    y, exponent = layer(x.double(), torch.zeros(4, 5, 6, dtype=torch.long))
    torch.testing.assert_close(y * torch.exp2(exponent[:, None].double()), layer(x.double()))
    exported = torch.export.export(layer, (x.double(),), dynamic_shapes=({0: torch.export.Dim("N", min=2)},)).module()
    torch.testing.assert_close(exported(x[:3].double()), layer(x[:3].double()))  # by other operations


def test_a_layer_without_memory_has_shapes():
    layer = GeneralizedConv2d(2, 3, 3, 2, bias=True, device="meta")
    y = layer(torch.empty(4, 2, 5, 6, device="meta"))
    assert (y.shape, y.device.type) == ((4, 3, 3, 3), "meta")
    y.sum().backward()
    assert layer.bias.grad.shape == (3, 3, 3)
    layer = layer.to_empty(device="cpu")
    layer.reset_parameters(seeded())
    assert torch.equal(layer.weight, GeneralizedConv2d(2, 3, 3, 2, bias=True, generator=seeded()).weight)


def test_the_seed_decides_the_draw_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    for build in (
        lambda generator: GeneralizedConv2d(2, 3, 2, 1, generator=generator),
        lambda generator: Representation(3, 4, 3, generator=generator),
    ):
        once, again, other = (nn.utils.parameters_to_vector(build(seeded(s)).parameters()) for s in (0, 0, 1))
        assert torch.equal(once, again)
        assert (once != other).all()
    assert torch.equal(before, torch.get_rng_state())


def test_layers_print_what_they_are():
    assert repr(GeneralizedConv2d(2, 8, 3, 1)) == (
        "GeneralizedConv2d(2, 8, receptive_field=3, stride=1, border='neutral')"
    )
    assert repr(GeneralizedConv2d(2, 8, 3, 1, border="valid", bias=True)) == (
        "GeneralizedConv2d(2, 8, receptive_field=3, stride=1, border='valid', bias=True)"
    )


@pytest.mark.parametrize("patch", [1, 2, 3, 4])
def test_every_neuron_reads_the_patch_around_every_pixel(patch):
    layer = Representation(2, 3, patch, generator=seeded()).double()
    images = torch.randn(2, 2, 4, 5, generator=seeded(1), dtype=torch.float64)
    weight, bias = layer.parameters()
    expected = torch.zeros(2, 3, 4, 5, dtype=torch.float64)
    for n in range(2):
        for r in range(4):
            for s in range(5):
                for d in range(3):
                    z = bias[d]
                    for i in range(patch):
                        for j in range(patch):
                            row, column = r + i - (patch - 1) // 2, s + j - (patch - 1) // 2
                            if 0 <= row < 4 and 0 <= column < 5:
                                z = z + weight[d, :, i, j] @ images[n, :, row, column]
                    expected[n, d, r, s] = max(z.item(), 0)
    torch.testing.assert_close(layer(images).detach(), expected)


def by_distances(images, templates, width):
    """exp(−‖x − v_d‖²/2σ²) over their sum, patch by patch; without σ, 1 for the smallest distance."""
    (n, channels, height, width_), (M, _, patch, _) = images.shape, templates.shape
    before = (patch - 1) // 2
    padded = torch.zeros(n, channels, height + patch, width_ + patch, dtype=images.dtype)
    padded[:, :, before : before + height, before : before + width_] = images
    y = torch.zeros(n, M, height, width_, dtype=images.dtype)
    for r in range(height):
        for s in range(width_):
            x = padded[:, None, :, r : r + patch, s : s + patch]
            squares = (x - templates).square().sum((2, 3, 4))  # (n, M)
            if width is None:
                y[torch.arange(n), squares.argmin(1), r, s] = 1
            else:
                powers = torch.exp(-squares / (2 * width**2))
                y[:, :, r, s] = powers / powers.sum(1, keepdim=True)
    return y


@pytest.mark.parametrize("patch", [1, 2, 3, 4])
@pytest.mark.parametrize("width", [None, 0.5, 2])
def test_templates_tell_how_near_the_patch_around_every_pixel_is(patch, width):
    templates = torch.randn(4, 2, patch, patch, generator=seeded(), dtype=torch.float64)
    images = torch.randn(3, 2, 4, 5, generator=seeded(1), dtype=torch.float64)
    torch.testing.assert_close(Templates(templates, width)(images), by_distances(images, templates, width))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8, unique=True))
def test_at_the_templates_f_is_the_identity_and_with_a_width_nonsingular(values):
    templates = torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1)
    image = templates.reshape(1, 1, 1, -1)  # pixel d is template d
    F = Templates(templates)(image)[0, :, 0].T
    assert torch.equal(F, torch.eye(len(values), dtype=torch.float64))
    F = Templates(templates, width=0.5)(image)[0, :, 0].T
    torch.testing.assert_close(F.sum(1), torch.ones(len(values), dtype=torch.float64))
    assert np.linalg.matrix_rank(F.numpy()) == len(values)


def test_a_small_width_is_one_hot():
    templates = torch.randn(5, 1, 2, 2, generator=seeded())
    images = torch.randn(2, 1, 6, 6, generator=seeded(1))
    torch.testing.assert_close(Templates(templates, 1e-3)(images), Templates(templates)(images))


def test_templates_are_kept_and_do_not_train():
    given = torch.randn(3, 2, 1, 1, generator=seeded())
    layer = Templates(given, width=1)
    assert list(layer.state_dict()) == ["templates"] and not list(layer.parameters())
    given.zero_()
    assert layer.templates.all()  # a copy
    assert repr(layer) == "Templates(M=3, in_channels=2, patch=1, width=1)"
    images = torch.randn(1, 2, 2, 2, generator=seeded(1), requires_grad=True)
    layer(images).square().sum().backward()
    assert images.grad.all()


@pytest.mark.parametrize(
    ("build", "kind", "sentence"),
    [
        (lambda: Templates(torch.ones(3, 4)), DataError,
         "templates need shape (M, C, P, P), not (3, 4); give at least one square patch"),
        (lambda: Templates(torch.ones(3, 1, 2, 1)), DataError,
         "templates need shape (M, C, P, P), not (3, 1, 2, 1); give at least one square patch"),
        (lambda: Templates(torch.ones(0, 1, 2, 2)), DataError,
         "templates need shape (M, C, P, P), not (0, 1, 2, 2); give at least one square patch"),
        (lambda: Templates(torch.full((1, 1, 1, 1), torch.nan)), DataError,
         "the templates hold NaN or infinity, and every number must be finite; replace those"),
        (lambda: Templates(torch.ones(2, 1, 1, 1)), DataError,
         "two templates are equal, and nothing could tell them apart; give different ones"),
        (lambda: Templates(torch.ones(1, 1, 1, 1), width=0), ConvacError,
         "width must be a finite number above 0, not 0; None is for one-hot"),
        (lambda: Templates(torch.ones(1, 3, 1, 1))(torch.ones(5, 1, 4, 4)), DataError,
         "the representation layer reads images of shape (N, 3, H, W), not (5, 1, 4, 4); give it 3 channels"),
    ],
)  # fmt: skip
def test_unfit_templates_are_one_sentence(build, kind, sentence):
    with pytest.raises(ConvacError) as error:
        build()
    assert (type(error.value), str(error.value)) == (kind, sentence)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GeneralizedConv2d(0, 2, 2, 1), "in channels must be an integer of at least 1, not 0"),
        (lambda: GeneralizedConv2d(2, 0, 2, 1), "channels must be an integer of at least 1, not 0"),
        (
            lambda: GeneralizedConv2d(2, 2, 1, 2),
            "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2",
        ),
        (
            lambda: GeneralizedConv2d(2, 2, 2, 1, border="wrap"),
            "unknown border 'wrap'; use one of neutral, ones, zero, valid",
        ),
        (lambda: Representation(1, 2, patch=0), "patch must be an integer of at least 1, not 0"),
    ],
)
def test_bad_numbers_are_one_sentence(build, sentence):
    with pytest.raises(ArchitectureError) as error:
        build()
    assert str(error.value) == sentence


def test_images_with_other_channels_are_one_sentence():
    with pytest.raises(DataError) as error:
        Representation(3, 2)(torch.ones(5, 1, 4, 4))
    assert str(error.value) == (
        "the representation layer reads images of shape (N, 3, H, W), not (5, 1, 4, 4); give it 3 channels"
    )


@pytest.mark.parametrize(
    ("build", "what"),
    [
        (lambda: GeneralizedConv2d(10**6, 10**6, 3, 1),
         "a GeneralizedConv2d with 9,000,000,000,000 weights needs about 33,528 GiB"),
        (lambda: GeneralizedConv2d(2, 2, 10**5000, 1),
         "a GeneralizedConv2d with more than 2^64 weights needs about 1.49e+9992 GiB"),
        (lambda: Representation(3, 10**12), "a Representation with 4,000,000,000,000 weights needs about 14,901 GiB"),
        (lambda: ConvNet(common_case(3, 1, 8, 10**5), 10, 1),
         "a ConvNet with 180,002,200,010 weights needs about 671 GiB"),
        (lambda: ConvAC(common_case(3, 10**6, 8)), "a ConvAC with 39,000,001,000,000 weights needs about 145,286 GiB"),
    ],
)  # fmt: skip
def test_weights_too_many_for_the_memory_are_one_sentence(build, what):
    with pytest.raises(BudgetError) as error:
        build()
    sentence = str(error.value)
    assert sentence.startswith(f"{what} of memory, and ")
    assert sentence.endswith(" GiB are free; use fewer channels or a smaller receptive field")


def test_weights_are_counted_before_they_are_made(monkeypatch):
    counted = []
    for module in ("layers", "models"):
        monkeypatch.setattr(
            f"convac_lib.networks.{module}.require_room", lambda what, weights, *_: counted.append((what, weights))
        )
    for kind, network in (
        ("ConvNet", ConvNet(common_case(2, 1, 8, 7), 5, 3)),
        ("ConvAC", ConvAC(common_case(2, 3, 8, 7), 5)),
        ("GeneralizedConv2d", GeneralizedConv2d(2, 3, 3, 1, bias=True)),
        ("Representation", Representation(3, 4, patch=2)),
    ):
        assert (kind, sum(parameter.numel() for parameter in network.parameters())) in counted


def test_weights_without_memory_need_none():
    assert GeneralizedConv2d(10**5, 10**5, 3, 1, device="meta").weight.numel() == 9 * 10**10
