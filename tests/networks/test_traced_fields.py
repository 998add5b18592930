"""Traced networks against the support of their gradients, and the accounts of five published networks."""

from math import ceil

import pytest
import torch
from helpers.models import all_cnn_c, convmixer, mobilenet_v2, resnet18, vgg16
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from convac_lib import (
    from_torch,
)


def linear_and_positive(model):
    """Average in every convolution, so that no gradient vanishes where an output depends on a pixel."""
    for parameter in model.double().eval().parameters():
        if parameter.ndim == 4:
            nn.init.constant_(parameter, 1 / parameter[0].numel())
    for module in model.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return model


def fields_by_gradient(model, names, height, width):
    """{name: (the rows that the middle output of a module sees, and those that the next sees)}, as half-open ranges."""
    maps = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: maps.update({name: y}))
    image = torch.full((1, 3, height, width), 1e-6, dtype=torch.float64, requires_grad=True)  # in ReLU6's linear part
    model(image)

    def rows(y, row):
        (gradient,) = torch.autograd.grad(y[0, :, row].sum(), image, retain_graph=True)
        seen = gradient.abs().sum((0, 1, 3)).nonzero()
        return int(seen[0]), int(seen[-1]) + 1

    return {name: [rows(y, y.shape[2] // 2 - 1 + step) for step in (0, 1)] for name, y in maps.items()}


@pytest.mark.parametrize(
    ("features", "height", "width", "field", "stride"),
    [
        (vgg16(pool=nn.AvgPool2d).features, 256, 32, 212, 32),
        (resnet18(pool=nn.AvgPool2d).features, 512, 32, 435, 32),
        (all_cnn_c().features, 64, 32, 27, 4),
        (mobilenet_v2().features, 576, 32, 491, 32),
        (convmixer().features, 7 * 48, 7, 7 + 4 * 8 * 7, 7),
    ],
    ids=["VGG-16", "ResNet-18", "All-CNN-C", "MobileNetV2", "ConvMixer"],
)
def test_at_every_depth_a_network_sees_what_its_gradient_does(features, height, width, field, stride):
    traced = from_torch(features, height)
    architecture, layers = traced.architecture, traced.steps("layer")
    assert (architecture.total_receptive_fields[-1], architecture.total_strides[-1]) == (field, stride)
    # a narrow strip of the image is enough to see the rows
    seen = fields_by_gradient(linear_and_positive(features), [step.where for step in layers], height, width)
    assert len(seen) == len(layers)
    for step, T_R, T_S in zip(layers, architecture.total_receptive_fields, architecture.total_strides):
        (start, end), (next_start, next_end) = seen[step.where]
        assert (end - start, next_end - next_start, next_start - start) == (T_R, T_R, T_S), step


def account_of(model, size):
    """The traced network, its architecture's layers as (R, S), and its last lines as words."""
    traced = from_torch(model, size)
    assert traced.architecture.layers == tuple(step.layer for step in traced.steps("layer"))
    *_, last = str(traced).split("overlapping, border ", 1)
    assert traced.read == "whole" and traced.check.agrees
    words = [line for line in last.splitlines() if line != f"read: whole; {traced.check}"]
    return traced, [(layer.receptive_field, layer.stride) for layer in traced.architecture.layers], words


def test_the_account_of_vgg_16():
    traced, layers, words = account_of(vgg16(), 224)
    convolutions = (2, 2, 3, 3, 3)
    assert layers == [window for n in convolutions for window in [(3, 1)] * n + [(2, 2)]] + [(7, 7)]
    assert traced.architecture.total_receptive_fields[-1] == 404 and traced.architecture.sizes[-1] == 1
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.5: linear map, with bias; head.8: linear map, with bias",
        "pointwise: relu ×15, adaptive pooling that changes nothing ×1, flatten ×1",
        "not mapped: nothing",
    ]
    assert from_torch(vgg16(pool=nn.AvgPool2d), 224).architecture == traced.architecture


def test_the_account_of_resnet_18():
    traced, layers, words = account_of(resnet18(), 224)
    stages = [(3, 1)] * 4 + ([(3, 2)] + [(3, 1)] * 3) * 3
    assert layers == [(7, 2), (3, 2), *stages, (7, 7)]
    assert traced.architecture.channels == (3, 2, 2, *[2] * 4, *[4] * 4, *[8] * 4, *[16] * 4, 16)
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.2: linear map, with bias",
        (
            "off the path: features.4.shortcut.0: convolution 1×1, stride 2; features.6.shortcut.0: convolution 1×1, "
            "stride 2; features.8.shortcut.0: convolution 1×1, stride 2"
        ),
        "pointwise: batch_norm ×20, relu ×17, flatten ×1",
        "join: add ×8",
        "not mapped: nothing",
    ]


def test_the_account_of_all_cnn_c_says_where_its_padding_is_another():
    traced, layers, words = account_of(all_cnn_c(), 32)
    assert layers == [(3, 1), (3, 1), (3, 2)] * 2 + [(3, 1), (1, 1), (1, 1), (6, 6)]
    assert traced.other_sizes == {7: 6, 8: 6, 9: 6, 10: 1} and traced.architecture.sizes[6:] == (8, 8, 8, 2)
    assert words == [
        "'neutral'",
        "sizes: the model's padding gives 6×6 in layer 7, 6×6 in layer 8, 6×6 in layer 9, 1×1 in layer 10",
        "pointwise: relu ×9, flatten ×1",
        "not mapped: nothing",
    ]


def test_the_account_of_mobilenet_v2():
    _, layers, words = account_of(mobilenet_v2(), 224)
    depthwise = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    blocks = [window for stride in depthwise for window in [(1, 1), (3, stride), (1, 1)]]
    assert layers == [(3, 2), *blocks[1:], (1, 1), (7, 7)]  # the first block has no expansion
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.3: linear map, with bias",
        "pointwise: batch_norm ×52, hardtanh ×35, flatten ×1",
        "join: add ×10",
        "not mapped: nothing",
    ]


def test_the_account_of_convmixer():
    _, layers, words = account_of(convmixer(), 224)
    assert layers == [(7, 7), *[(9, 1), (1, 1)] * 4, (32, 32)]
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.2: linear map, with bias",
        "pointwise: gelu ×9, batch_norm ×9, flatten ×1",
        "join: add ×4",
        "not mapped: nothing",
    ]


@st.composite
def stacks(draw):
    """Modules whose gradient is positive where they look, and the padding that each puts before the image."""
    modules, paddings = [], []
    for _ in range(draw(st.integers(1, 4))):
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        if draw(st.booleans()):
            dilation, padding = draw(st.integers(1, 2)), draw(st.integers(0, 2))
            modules.append(nn.Conv2d(3, 3, kernel, stride, padding, dilation, groups=draw(st.sampled_from([1, 3]))))
        else:
            padding = draw(st.integers(0, kernel // 2))
            modules.append(nn.AvgPool2d(kernel, stride, padding))
        paddings.append(padding)
        modules += draw(st.sampled_from([[], [nn.ReLU()], [nn.BatchNorm2d(3), nn.Dropout()]]))
    return nn.Sequential(*modules), paddings


@given(stacks())
def test_any_stack_sees_what_its_gradient_does(stack):
    model, paddings = stack
    plan = from_torch(model, 200).architecture
    T_R, T_S = plan.total_receptive_fields[-1], plan.total_strides[-1]
    before = sum(padding * step for padding, step in zip(paddings, (1, *plan.total_strides)))
    row = ceil(before / T_S)  # the first output whose windows all begin inside the image
    size = row * T_S - before + T_R + T_S
    image = torch.ones(1, 3, size, size, dtype=torch.float64, requires_grad=True)
    y = linear_and_positive(model)(image)
    for u, v in ((row, row), (row, row + 1), (row + 1, row)):
        (gradient,) = torch.autograd.grad(y[0, :, u, v].sum(), image, retain_graph=True)
        for position, others in ((u, (0, 1, 3)), (v, (0, 1, 2))):
            seen = gradient.abs().sum(others).nonzero()
            start = position * T_S - before
            assert (int(seen[0]), int(seen[-1]) + 1) == (start, start + T_R)
    assert from_torch(model, size).path[-1].sizes == y.shape[2:]


class Merging(nn.Module):
    """Take the pixels of every 2×2 square together as channels, by slices that are cut in one of two orders."""

    def __init__(self, in_two):
        super().__init__()
        self.in_two = in_two

    def forward(self, x):
        corners = [(u, v) for u in (0, 1) for v in (0, 1)]
        if self.in_two:
            return torch.cat([x[:, :, u::2][..., v::2] for u, v in corners], 1)
        return torch.cat([x[..., u::2, v::2] for u, v in corners], 1)


@pytest.mark.parametrize("in_two", [False, True])
def test_slices_of_rows_and_of_columns_are_one_layer_as_a_pixel_unshuffle_is(in_two):
    below, above = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(32, 8, 3, padding=1)
    sliced = from_torch(nn.Sequential(below, Merging(in_two), above), 64)
    unshuffled = from_torch(nn.Sequential(below, nn.PixelUnshuffle(2), above), 64)
    assert sliced.windows == unshuffled.windows
    assert [step.windows for step in sliced.path] == [step.windows for step in unshuffled.path]
    assert [(step.receptive_field, step.stride) for step in sliced.architecture.layers] == [(4, 4), (2, 2), (3, 1)]
    assert sliced.read == "whole" and sliced.check.agrees
