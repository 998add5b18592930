"""Torch's functions one by one: which keep pixels in their places, which are windows, and which are neither."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convac_lib import Architecture, Layer, from_torch


class Calls(nn.Module):
    """One function between two convolutions; the first has 4 channels, the second is 3×3."""

    def __init__(self, function):
        super().__init__()
        self.first, self.function, self.second = nn.Conv2d(3, 4, 3, padding=1), function, nn.Conv2d(4, 2, 3, padding=1)

    def forward(self, x):
        return self.second(self.function(self.first(x)))


KEPT = {
    "channels last": lambda x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "a channel shuffle": lambda x: x.view(-1, 2, 2, 8, 8).transpose(1, 2).reshape(-1, 4, 8, 8),
    "a copy and itself": lambda x: x.clone() + x,
    "split and joined": lambda x: torch.cat(x.split(2, dim=1)[::-1], 1),
    "its own gate": lambda x: x * torch.sigmoid(x),
    "a scale": lambda x: 2 * x + torch.ones(4, 1, 1),
    "softmax over channels": lambda x: x.softmax(1),
    "the mean over channels": lambda x: x.mean(1, keepdim=True).expand(-1, 4, -1, -1),
    "a crop of padding": lambda x: F.pad(x, (2, 2, 2, 2))[:, :, 2:-2, 2:-2],
    "a transposed image": lambda x: x.mT,
    "pooling to the same size": lambda x: F.adaptive_avg_pool2d(x, (8, 8)),
}


@pytest.mark.parametrize("function", KEPT.values(), ids=KEPT)
def test_what_keeps_every_pixel_in_its_place_adds_no_layer(function):
    traced = from_torch(Calls(function), 8)
    assert traced.architecture == Architecture(8, 3, [Layer(3, 1, 4), Layer(3, 1, 2)])
    assert not traced.steps("not mapped") and not traced.steps("left out")


WINDOWS = {
    "slices": (lambda x: x[..., ::2, ::2], (1, 2)),
    "adaptive pooling that divides": (lambda x: F.adaptive_max_pool2d(x, 4), (2, 2)),
    "power pooling": (lambda x: F.lp_pool2d(x, 2, 3, 2), (3, 2)),
    "pooling with indices": (lambda x: F.max_pool2d(x, 2, return_indices=True)[0], (2, 2)),
    "a linear map of channels": (lambda x: F.linear(x.movedim(1, -1), torch.ones(4, 4)).movedim(-1, 1), (1, 1)),
}


@pytest.mark.parametrize(("function", "window"), WINDOWS.values(), ids=WINDOWS)
def test_windows_have_many_forms(function, window):
    _, square, _ = from_torch(Calls(function), 8).squares
    assert square.layer == Layer(*window, channels=4)
    assert square.steps[-1].sizes == function(torch.zeros(1, 4, 8, 8)).shape[2:]


GLOBAL = {
    "mean": lambda x: x.mean((2, 3)),
    "mean, kept": lambda x: x.mean([-1, -2], keepdim=True).flatten(1),
    "sum": lambda x: torch.sum(x, dim=(3, 2)),
    "largest": lambda x: x.amax((2, 3)),
    "adaptive": lambda x: F.adaptive_max_pool2d(x, 1)[:, :, 0, 0],
    "of a flattened map": lambda x: x.flatten(2).mean(-1),
    "of transposed tokens": lambda x: x.flatten(2).transpose(1, 2).mean(1),
    "by a window": lambda x: F.avg_pool2d(x, x.shape[-1]).view(-1, 4),
}


@pytest.mark.parametrize("function", GLOBAL.values(), ids=GLOBAL)
def test_global_pooling_is_one_window_of_the_whole_map(function):
    model = Calls(function)
    model.second = nn.Linear(4, 10)
    traced = from_torch(model, 8)
    assert traced.architecture == Architecture(8, 3, [Layer(3, 1, 4), Layer(8, 8, 4)])
    assert [str(step) for step in traced.steps("dense")] == ["second: linear map, with bias"]


def test_a_branch_of_another_stride_is_left_out_and_named():
    gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4, 4, 1), nn.Sigmoid())
    traced = from_torch(Calls(lambda x: x * gate(x)), 8)
    assert traced.architecture == Architecture(8, 3, [Layer(3, 1, 4), Layer(3, 1, 2)])
    assert [str(step) for step in traced.steps("left out")] == [
        "Calls: mul with a branch of size 1×1, total receptive field 10 and total stride 8"
    ]
    assert [step.what for step in traced.steps("off the path")] == ["global pooling 8×8"]
    assert [step.what for step in traced.steps("dense")] == ["convolution of one pixel"]
    assert traced.read == "whole"


class Opaque(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return torch.from_numpy(x.numpy() + 1)


class Hidden(nn.Module):
    def forward(self, x):
        return Opaque.apply(x)


def attended(x):
    tokens = x.flatten(2).transpose(1, 2)
    return F.scaled_dot_product_attention(tokens, tokens, tokens).transpose(1, 2).reshape(x.shape)


NOT_MAPPED = {
    "transposed": (nn.ConvTranspose2d(4, 4, 3, 1, 1),
                   "function: conv_transpose2d: a transposed convolution enlarges the map, which no stride does"),
    "resampled": (nn.Upsample(scale_factor=1),
                  "function: interpolate: resampling has no one receptive field and stride"),
    "adaptive": (nn.AdaptiveAvgPool2d(3),
                 "function: adaptive_avg_pool2d: from 8×8 to 3×3 it has windows of several sizes"),
    "attention": (attended, "Calls: scaled_dot_product_attention: attention: every position may read every other"),
    "a product with itself": (lambda x: x @ x,
                              "Calls: matmul: a product of two maps: every position may read every other"),
    "a module that hides": (Hidden(), "function: numbers of the image that left torch and came back"),
    "rearranged": (lambda x: F.pixel_shuffle(x, 2).repeat(1, 4, 1, 1),
                   "Calls: pixel_shuffle: it enlarges the map, which no stride does"),
    "mirrored": (lambda x: x.flip(2), "Calls: flip: it moves pixels as no window does"),
    "softmax over pixels": (lambda x: x.softmax(-1), "Calls: softmax: it is normalized over the whole map"),
    "positions mixed": (nn.Linear(8, 8), "function: linear: it mixes positions"),
    "more rows": (lambda x: torch.cat([x, torch.zeros(1, 4, 1, 8)], 2), "Calls: cat: it changes the shape of the map"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "reason"), NOT_MAPPED.values(), ids=NOT_MAPPED)
def test_what_is_not_mapped_is_named_and_the_architecture_ends_below_it(function, reason):
    traced = from_torch(Calls(function), 8)
    assert traced.architecture == Architecture(8, 3, [Layer(3, 1, 4)])
    assert (traced.read, traced.why_part) == ("part", reason)
    assert [str(step) for step in traced.steps("not mapped")] == [reason]
    assert str(traced).splitlines()[-1].startswith(f"not mapped: {reason}; ")
    assert [step.where for step in traced.steps("above")][-1] == "second"


def test_the_path_goes_on_beside_attention_and_the_network_is_read_in_part():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.patches = nn.Conv2d(3, 8, 4, 4)
            self.blocks = nn.ModuleList(nn.MultiheadAttention(8, 2, batch_first=True) for _ in range(2))

        def forward(self, x):
            x = self.patches(x).flatten(2).transpose(1, 2)
            for block in self.blocks:
                x = x + block(x, x, x, need_weights=False)[0]
            return x.mean(1)

    traced = from_torch(Twice(), (3, 16, 16))
    assert traced.architecture == Architecture(16, 3, [Layer(4, 4, 8), Layer(4, 4, 8)])
    assert traced.read == "part"
    attention = "blocks.0: multi_head_attention_forward: attention: every position may read every other (×2)"
    assert traced.why_part == f"{attention}; Twice: add with a branch that is not mapped (×2)"


def test_normalization_by_statistics_of_the_whole_map_is_named():
    for module in (nn.GroupNorm(2, 4), nn.InstanceNorm2d(4), nn.LayerNorm([4, 8, 8])):
        traced = from_torch(Calls(module), 8)
        assert len(traced.architecture.layers) == 2
        assert [str(step) for step in traced.steps("pointwise")] == [
            "function: normalization by statistics of the whole map, which are left out"
        ]
