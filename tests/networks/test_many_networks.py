"""Networks of every kind that people write, from torch alone: fields known by hand, and gradients inside them."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convac_lib import from_torch


class Net(nn.Module):
    """A function of the image and of some modules."""

    def __init__(self, function, *modules):
        super().__init__()
        self.function, self.parts = function, nn.ModuleList(modules)

    def forward(self, x):
        return self.function(x, *self.parts)


def conv(below=3, channels=8, kernel=3, **given):
    return nn.Conv2d(below, channels, kernel, **{"padding": kernel // 2 if isinstance(kernel, int) else 0, **given})


def far(x, w):
    return torch.conv2d(x, w, None, [1, 1], [3, 3])


with warnings.catch_warnings():  # torch's own, that scripting is old
    warnings.simplefilter("ignore", DeprecationWarning)
    scripted, scripted_convolution = torch.jit.script(far), torch.jit.script(conv())

WIDE = torch.full((3, 3, 7, 7), 1 / 147)


def focus(x, c):
    return c(torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1))


def shifted_sum(x, c):
    y = c(x)
    return y[..., 2:, 2:] + y[..., :-2, :-2]


def squeeze(x, c, f, d):
    x = c(x)
    return d(x * torch.sigmoid(f(x.mean((2, 3))))[:, :, None, None].expand_as(x))


def written_through_a_view(x, c):
    x = c(x)
    y = F.conv2d(x, WIDE, padding=3)
    x = x.clone()
    x[:, :1].add_(y[:, :1])
    return x


def channels_exchanged(x, c):
    y = c(x)
    z = torch.zeros_like(y)
    z[:, :4], z[:, 4:] = y[:, 4:], y[:, :4]
    return z


def padded_by_hand(x, c):
    wide = x.new_zeros(1, 3, 34, 34)
    wide[:, :, 1:-1, 1:-1] = x
    return c(wide)


def mapped_over(x, c):
    x = c(x)
    return x + torch.vmap(lambda each: F.conv2d(each[None], WIDE, padding=3)[0])(x)


def tokens(x, c, line):
    return line(c(x).flatten(2).transpose(1, 2)).transpose(1, 2).reshape(1, 5, 32, 32)


def efficient_attention(x, c, d):
    y = c(x)
    return y * d(y.mean((2, 3))[:, None]).transpose(1, 2).unsqueeze(-1).sigmoid()


def pyramid(x, c, d):
    y = c(x)
    pooled = F.interpolate(F.adaptive_avg_pool2d(y, 1), size=(32, 32), mode="bilinear")
    return d(torch.cat([y, pooled], 1))


def coordinates(x, c):
    y = c(x)
    return y * y.mean(2, keepdim=True).sigmoid() * y.mean(3, keepdim=True).sigmoid()


def odd_functions(x, c):
    y = torch.reciprocal(c(x)).round().sign().erf().floor().sin().cos()
    return torch.nan_to_num(torch.logit(y)).fmod(2) * (c(x) > 0)


def selective(x, a, b):
    both = torch.stack([a(x), b(x)], 1)
    weights = both.sum(1).mean((2, 3)).softmax(1)[:, None, :, None, None]
    return (both * weights).sum(1)


def space_to_depth(x, c):
    return c(x.view(1, 3, 8, 4, 8, 4).permute(0, 3, 5, 1, 2, 4).reshape(1, 48, 8, 8))


FIELDS = {
    "focus": (focus, [conv(12)], (6, 2)),
    "factorized reduction": (lambda x, a, b: torch.cat([a(x), b(x[:, :, 1:, 1:])], 1),
                             [conv(3, 4, 1, stride=2), conv(3, 4, 1, stride=2)], (2, 2)),
    "a shifted sum": (shifted_sum, [conv()], (5, 1)),
    "causal up and down": (lambda x, c: c(F.pad(x, (1, 1, 2, 0))) + c(F.pad(x, (1, 1, 0, 2))), [conv(padding=0)],
                           ((5, 1), (3, 1))),
    "squeeze and excitation": (squeeze, [conv(), nn.Linear(8, 8), conv(8)], (5, 1)),
    "efficient channel attention": (efficient_attention, [conv(), nn.Conv1d(1, 1, 3, padding=1)], (3, 1)),
    "coordinate attention": (coordinates, [conv()], (3, 1)),
    "pyramid pooling": (pyramid, [conv(), conv(16)], (5, 1)),
    "selective kernels": (selective, [conv(), conv(kernel=5)], (5, 1)),
    "a scripted function": (lambda x, c: c(x) + scripted(c(x), WIDE), [conv(3, 3)], (9, 1)),
    "a scripted module": (lambda x, c: c(x), [scripted_convolution], (3, 1)),
    "vmap": (mapped_over, [conv(3, 3)], (9, 1)),
    "written through a view": (written_through_a_view, [conv(3, 3)], (9, 1)),
    "channels exchanged in place": (channels_exchanged, [conv()], (3, 1)),
    "padded by hand": (padded_by_hand, [conv(padding=0)], (3, 1)),
    "circular padding": (lambda x, c, d: d(c(x)), [conv(3, 3, padding_mode="circular") for _ in "ab"], (5, 1)),
    "reflected padding": (lambda x, c, d: d(c(x)), [conv(3, 3, padding_mode="reflect") for _ in "ab"], (5, 1)),
    "1×7 and 7×1": (lambda x, c, d: d(c(x)), [conv(3, 3, (1, 7), padding=(0, 3)), conv(3, 3, (7, 1), padding=(3, 0))],
                    (7, 1)),
    "1×3 beside 3×1": (lambda x, c, d: torch.cat([c(x), d(x)], 1),
                       [conv(3, 3, (1, 3), padding=(0, 1)), conv(3, 3, (3, 1), padding=(1, 0))], (3, 1)),
    "1×7 alone": (lambda x, c: c(x), [conv(3, 3, (1, 7), padding=(0, 3))], ((1, 1), (7, 1))),
    "stride 1×2": (lambda x, c: F.max_pool2d(c(x), 1, (1, 2)), [conv()], ((3, 1), (3, 2))),
    "dilation 1×2": (lambda x, c: c(x), [conv(dilation=(1, 2), padding=(1, 2))], ((3, 1), (5, 1))),
    "stack": (lambda x, c, d: torch.stack([c(x), d(x)]).sum(0), [conv(), conv(kernel=5)], (5, 1)),
    "the larger of two": (lambda x, c, d: torch.max(c(x), d(x)), [conv(), conv(kernel=5)], (5, 1)),
    "where": (lambda x, c, d: torch.where(c(x) > 0, d(x), x[:, :1]), [conv(), conv(kernel=5)], (5, 1)),
    "addcdiv": (lambda x, c: torch.addcdiv(c(x), c(x), c(x) + 9), [conv()], (3, 1)),
    "clip in front": (lambda x, c: c((x / 255).clip(0, 1)), [conv()], (3, 1)),
    "the largest channel": (lambda x, c: c(x).max(1, keepdim=True)[0], [conv()], (3, 1)),
    "the largest channels": (lambda x, c: c(x).topk(3, 1)[0], [conv()], (3, 1)),
    "gated linear units": (lambda x, c: F.glu(c(x), 1), [conv()], (3, 1)),
    "normalized": (lambda x, c: F.normalize(c(x), dim=1), [conv()], (3, 1)),
    "odd functions": (odd_functions, [conv()], (3, 1)),
    "einsum": (lambda x, c: torch.einsum("bchw,oc->bohw", c(x), torch.ones(5, 8)), [conv()], (3, 1)),
    "matmul": (lambda x, c: (torch.ones(5, 8) @ c(x).flatten(2)).unflatten(2, (32, 32)), [conv()], (3, 1)),
    "index_select": (lambda x, c: c(x).index_select(1, torch.tensor([1, 0])), [conv()], (3, 1)),
    "tokens": (tokens, [conv(), nn.Linear(8, 5)], (3, 1)),
    "F.unfold": (lambda x, line: line(F.unfold(x, 3, padding=1).transpose(1, 2)).transpose(1, 2).reshape(1, 8, 32, 32),
                 [nn.Linear(27, 8)], (3, 1)),
    "Tensor.unfold": (lambda x, c: c(x.unfold(2, 3, 1).unfold(3, 3, 1).movedim((2, 3), (4, 5)).reshape(1, 27, 30, 30)),
                      [conv(27, 8, 1)], (3, 1)),
    "pixel unshuffle": (lambda x, c: c(F.pixel_unshuffle(x, 2)), [conv(12)], (6, 2)),
    "space to depth by view": (space_to_depth, [conv(48)], (12, 4)),
    "group normalization": (lambda x, c, n: n(c(x)), [conv(), nn.GroupNorm(2, 8)], (3, 1)),
    "layer normalization": (lambda x, c, n: n(c(x)), [conv(), nn.LayerNorm([8, 32, 32])], (3, 1)),
    "response normalization": (lambda x, c, n: n(c(x)), [conv(), nn.LocalResponseNorm(3)], (3, 1)),
    "power pooling": (lambda x, c: F.lp_pool2d(c(x), 2, 3, 2), [conv()], (5, 2)),
    "pooling with indices": (lambda x, c: F.max_pool2d(c(x), 2, return_indices=True)[0], [conv()], (4, 2)),
    "its deviation": (lambda x, c: c(x).std((2, 3)), [conv()], (34, 32)),
    "its norm": (lambda x, c: c(x).norm(dim=(2, 3)), [conv()], (34, 32)),
    "its smooth maximum": (lambda x, c: c(x).flatten(2).logsumexp(2), [conv()], (34, 32)),
    "a number of its own": (lambda x, c: c(x) * c(x).mean().item(), [conv()], (3, 1)),
}  # fmt: skip


@pytest.mark.parametrize(("function", "modules", "field"), FIELDS.values(), ids=FIELDS)
def test_a_network_is_read_whole_and_its_gradient_stays_inside_its_windows(function, modules, field):
    model = Net(function, *modules)
    traced = from_torch(model, (3, 32, 32))
    axes = field if isinstance(field[0], tuple) else (field, field)
    assert (traced.read, traced.why_part) == ("whole", "")
    assert tuple((window.side, window.stride) for window in traced.windows[-1]) == axes
    # odd functions, such as round, have no gradient
    assert traced.check.agrees is (None if function is odd_functions else True)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0), requires_grad=True)
    y = model(image)
    if y.ndim < 4 or function in (squeeze, efficient_attention, coordinates, pyramid, selective, odd_functions):
        return  # gates depend on every pixel
    if any(isinstance(module, (nn.GroupNorm, nn.LayerNorm)) for module in modules):
        return  # and so do statistics
    row, column = y.shape[2] // 2, y.shape[3] // 2
    (gradient,) = torch.autograd.grad(y[0, :, row, column].sum(), image)
    for position, window, others in zip((row, column), traced.windows[-1], ((0, 1, 3), (0, 1, 2))):
        seen = gradient.abs().sum(others).nonzero()
        start = window.start + position * window.stride
        assert start <= int(seen[0]) and int(seen[-1]) < start + window.side


def through_numpy(x, c):
    y = F.conv2d(c(x).detach(), WIDE, padding=3)
    return c(x) + torch.from_numpy(y.detach().numpy())


def token_mixing(x, c, line):
    y = c(x).flatten(2)
    return y + line(y)


def spatial_gate(x, c):
    y = c(x)
    return y * F.interpolate(F.max_pool2d(y, 2), scale_factor=2).sigmoid()


PARTS = {
    "numbers through NumPy": (through_numpy, [conv(3, 3)], "numbers of the image that left torch and came back"),
    "token mixing": (token_mixing, [conv(), nn.Linear(1024, 1024)], "linear: it mixes positions"),
    "a gate that is resampled": (spatial_gate, [conv()], "resampling has no one receptive field and stride"),
    "attention beside": (lambda x, c, a: (lambda t: t + a(t, t, t)[0])(c(x).flatten(2).transpose(1, 2)),
                         [conv(3, 8, 4, stride=4, padding=0), nn.MultiheadAttention(8, 2, batch_first=True)],
                         "attention: every position may read every other"),
    "rolled": (lambda x, c: c(x).roll(1, 2), [conv()], "it moves pixels as no window does"),
    "sorted": (lambda x, c: c(x).flatten(2).sort(2)[0], [conv()], "every position may read every other"),
    "summed along": (lambda x, c: c(x).cumsum(2), [conv()], "every position may read every other"),
    "Fourier": (lambda x, c: torch.fft.fft2(c(x)).real, [conv()], "every position may read every other"),
}  # fmt: skip


@pytest.mark.parametrize(("function", "modules", "reason"), PARTS.values(), ids=PARTS)
def test_a_network_that_is_read_in_part_says_so_and_why(function, modules, reason):
    traced = from_torch(Net(function, *modules), (3, 32, 32))
    assert traced.read == "part" and reason in traced.why_part
    assert f"read: in part; {traced.why_part}" in str(traced).splitlines()
    assert len(traced.path) >= 1


def test_what_hides_from_torch_is_found_only_where_it_depends_on_the_image():
    anchors = torch.rand(8, 1, 1, generator=torch.Generator().manual_seed(0))
    assert from_torch(Net(lambda x, c: c(x) * anchors, conv()), 32).read == "whole"
    assert from_torch(Net(lambda x, c: c(x) + torch.tensor([[1.0, 2.0]]).sum(), conv()), 32).read == "whole"


class Signal(nn.Module):
    def __init__(self, axes):
        super().__init__()
        made = getattr(nn, f"Conv{axes}d")
        self.first, self.second = made(2, 4, 5, 2, 2), made(4, 4, 3, padding=1)

    def forward(self, x):
        return self.second(self.first(x).relu())


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_networks_of_one_to_three_axes_are_read(axes):
    traced = from_torch(Signal(axes), (2, *[32] * axes))
    assert traced.read == "whole" and traced.check.agrees
    assert [[(w.side, w.stride, w.start) for w in seen] for seen in traced.windows] == [
        [(5, 2, -2)] * axes, [(9, 2, -4)] * axes
    ]  # fmt: skip
    assert traced == from_torch(Signal(axes), 32)


def test_an_image_need_not_be_square():
    traced = from_torch(Signal(2), (2, 32, 48))
    assert traced.read == "whole" and traced.path[-1].sizes == (16, 24)
    assert "not square: an architecture's image is square, and this one is 32×48" in str(traced)
