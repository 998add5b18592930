"""The layers as torch modules: what they compute, how they are drawn, how they print."""

import pytest
import torch
from torch import nn

from convac_lib.errors import ArchitectureError, DataError
from convac_lib.networks.functional import generalized_conv2d
from convac_lib.networks.layers import GeneralizedConv2d, Representation


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("bias", [False, True])
def test_the_layer_is_its_function(bias):
    layer = GeneralizedConv2d(2, 3, 3, 2, border="ones", bias=bias, generator=seeded(), dtype=torch.float64)
    x = torch.randn(4, 2, 5, 6, generator=seeded(1), dtype=torch.float64)
    assert list(layer.state_dict()) == (["weight", "bias"] if bias else ["weight"])
    assert layer(x).shape == (4, 3, 3, 3)
    assert torch.equal(layer(x), generalized_conv2d(x, layer.weight, layer.bias, stride=2, border="ones"))


@pytest.mark.parametrize("bias", [False, True])
def test_the_draw_keeps_the_mean_square_and_shrinks_the_typical_output(bias):
    """Over a million channels, which are a million draws of the weights, at an input of mean square 1."""
    x = torch.tensor([1.0, -1.0]).reshape(1, 2, 1, 1)
    typical = []
    for receptive_field in (1, 2):
        layer = GeneralizedConv2d(2, 10**6, receptive_field, receptive_field, bias=bias, generator=seeded())
        y = layer(x.expand(1, 2, receptive_field, receptive_field))
        # y² has variance 3^(R²) − 1, so that its mean over 10⁶ draws has standard error 0.009 at R = 2
        assert abs(y.square().mean() - 1) < 0.04
        typical.append(y.abs().median())
    assert typical[1] < typical[0] / 3


def test_the_seed_decides_the_draw_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    for build in (
        lambda generator: GeneralizedConv2d(2, 3, 2, 1, bias=True, generator=generator),
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


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: GeneralizedConv2d(0, 2, 2, 1), "in channels must be a whole number of at least 1, not 0"),
        (lambda: GeneralizedConv2d(2, 0, 2, 1), "channels must be a whole number of at least 1, not 0"),
        (
            lambda: GeneralizedConv2d(2, 2, 1, 2),
            "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2",
        ),
        (
            lambda: GeneralizedConv2d(2, 2, 2, 1, border="wrap"),
            "unknown border 'wrap'; use one of neutral, ones, zero, valid",
        ),
        (lambda: Representation(1, 2, patch=0), "patch must be a whole number of at least 1, not 0"),
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
