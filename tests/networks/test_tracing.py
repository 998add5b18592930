"""Traced networks against the support of gradients and against architectures known beforehand, and bad input."""

import json
import re
import sys
from math import ceil

import psutil
import pytest
import torch
from helpers.models import all_cnn_c, convmixer, mobilenet_v2, resnet18, vgg16
from helpers.strategies import architectures
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.parameter import UninitializedBuffer, is_lazy

from convac_lib import (
    Architecture,
    ConvAC,
    ConvNet,
    GeneralizedConv2d,
    Layer,
    baseline,
    bounds_of,
    common_case,
    from_torch,
)
from convac_lib.__main__ import main
from convac_lib.errors import ArchitectureError, BudgetError
from convac_lib.networks.layers import Representation, Templates

# --- against the gradient's support ---


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
    return traced, [(layer.receptive_field, layer.stride) for layer in traced.architecture.layers], last.splitlines()


def test_the_account_of_vgg_16():
    traced, layers, words = account_of(vgg16(), 224)
    convolutions = (2, 2, 3, 3, 3)
    assert layers == [window for n in convolutions for window in [(3, 1)] * n + [(2, 2)]] + [(7, 7)]
    assert traced.architecture.total_receptive_fields[-1] == 404 and traced.architecture.sizes[-1] == 1
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.5: linear map, with bias; head.8: linear map, with bias",
        "pointwise: relu ×15, adaptive pooling that changes nothing ×1, flatten ×1, dropout ×2",
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
        "off the path: features.4.shortcut.0: convolution 1×1, stride 2; features.6.shortcut.0: convolution 1×1, "
        "stride 2; features.8.shortcut.0: convolution 1×1, stride 2",
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
        "pointwise: dropout ×1, relu ×9, flatten ×1",
        "not mapped: nothing",
    ]


def test_the_account_of_mobilenet_v2():
    traced, layers, words = account_of(mobilenet_v2(), 224)
    depthwise = [1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 1, 2, 1, 1, 1]
    blocks = [window for stride in depthwise for window in [(1, 1), (3, stride), (1, 1)]]
    assert layers == [(3, 2), *blocks[1:], (1, 1), (7, 7)]  # the first block has no expansion
    assert words == [
        "'neutral'",
        "sizes: as the model's own",
        "dense: head.3: linear map, with bias",
        "pointwise: batch_norm ×52, hardtanh ×35, flatten ×1, dropout ×1",
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
    assert [step.size for step in from_torch(model, size).steps("layer")][-1] == y.shape[-1] == y.shape[-2]


# --- against architectures known beforehand ---


@given(architectures(), st.booleans())
def test_a_convac_is_read_as_it_was_built(architecture, with_representation):
    representation = Representation(3, architecture.representation_channels, patch=3) if with_representation else None
    traced = from_torch(ConvAC(architecture, 5, representation), architecture.size)
    assert traced.architecture == architecture
    assert traced.outside is None and not traced.other_sizes and not traced.steps("not mapped")
    assert len(traced.steps("representation")) == with_representation


@pytest.mark.parametrize("B", [1, 2, 3, 5])
def test_a_convnet_is_read_as_it_was_built(B):
    architecture = common_case(B, M=3, size=8, channels=4)
    traced = from_torch(ConvNet(architecture, classes=10, in_channels=3), 8)
    assert traced.architecture == architecture
    assert traced.outside.what.startswith("convolution")


def circuit(*above, bias=False, border="neutral"):
    layers = [GeneralizedConv2d(2, 4, 3, 1, border=border), GeneralizedConv2d(4, 4, 4, 4, bias=bias, border=border)]
    return nn.Sequential(Representation(3, 2), *layers, nn.Flatten(), *above)


def test_a_network_of_generalized_convolutions_is_a_circuit_unless_something_stands_between():
    traced = from_torch(circuit(nn.Linear(4, 10, bias=False)), 4)
    assert traced.architecture == Architecture(4, 2, [Layer(3, 1, 4), Layer(4, 4, 4)])
    assert traced.outside is None
    assert str(from_torch(circuit(nn.Linear(4, 10)), 4).outside) == "4: linear map, with bias"
    assert str(from_torch(circuit(bias=True), 4).outside) == "2: generalized convolution 4×4, with bias"
    assert str(from_torch(circuit(nn.ReLU()), 4).outside) == "4: relu"
    assert from_torch(circuit(border="zero"), 4).architecture.border == "zero"
    templates = Templates(torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0)))
    assert from_torch(nn.Sequential(templates, *circuit()[1:]), 4).architecture == traced.architecture


def test_a_convac_above_other_layers_adds_its_own_unless_it_represents_the_image():
    below, plan = nn.Conv2d(3, 2, 3, padding=1), baseline(M=2, size=4)
    traced = from_torch(nn.Sequential(below, ConvAC(plan)), 4)
    assert traced.architecture == Architecture(4, 3, [Layer(3, 1, 2), *plan.layers])
    represented = from_torch(nn.Sequential(below, ConvAC(plan, representation=Representation(2, 2))), 4)
    assert represented.architecture == Architecture(4, 3, [Layer(3, 1, 2)])
    assert [str(step) for step in represented.steps("not mapped")] == [
        "1: ConvAC: a representation is below every layer, and this one is above some"
    ]
    convolutions = from_torch(nn.Sequential(below, Representation(2, 2, patch=3)), 4)
    assert convolutions.architecture == Architecture(4, 3, [Layer(3, 1, 2), Layer(3, 1, 2)])


class Functional(nn.Module):
    """Written with functions only: the same windows as `MODULES`, one of them in a branch."""

    def __init__(self):
        super().__init__()
        self.weights = nn.ParameterList([torch.ones(4, 3, 5, 5), torch.ones(4, 1, 3, 3), torch.ones(8, 4, 1, 1)])

    def forward(self, x):
        first, second, third = self.weights
        if x.mean() > 1:  # what a symbolic trace could not decide
            x = x / 255
        x = F.relu(F.conv2d(input=x, weight=first, padding=2))
        x = F.max_pool2d(x, kernel_size=2)
        x = torch.cat([x, F.conv2d(x, second, None, 1, 2, 2, 4)], dim=1)
        left, right = x.chunk(2, dim=1)
        x = F.gelu(torch.add(left, right)).mul_(2)
        x = F.conv2d(x, third, stride=2) - 1
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return F.log_softmax(x, dim=-1)


MODULES = nn.Sequential(
    nn.Conv2d(3, 4, 5, padding=2), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4),
    nn.Conv2d(4, 8, 1, stride=2), nn.AvgPool2d(4),
)  # fmt: skip


def test_functions_are_read_as_modules_are():
    traced = from_torch(Functional(), (3, 16, 16))
    assert traced.architecture == from_torch(MODULES, 16).architecture
    assert traced.architecture.layers == (
        Layer(5, 1, 4), Layer(2, 2, 4), Layer(5, 1, 4), Layer(1, 2, 8), Layer(4, 4, 8),
    )  # fmt: skip
    assert {step.where for step in traced.account} == {"Functional"}
    assert "\noverlapping, skipping patches, border 'neutral'\n" in str(traced)
    # the decision is named, and the output does not depend on it
    assert [str(step) for step in traced.steps("not mapped")] == ["Functional: gt: not known here"]


def test_tracing_leaves_the_model_as_it_was():
    model = resnet18().train()
    model.features[2].eval()
    modes, state = [module.training for module in model.modules()], model.state_dict()
    before = {name: tensor.clone() for name, tensor in state.items()}
    generator = torch.get_rng_state()
    from_torch(model, 32)
    assert modes == [module.training for module in model.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert torch.equal(generator, torch.get_rng_state())


def test_a_model_may_have_any_type_of_numbers_and_several_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(1, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            return {"early": self.first(x), "late": (self.second(self.first(x)), 7)}

    assert from_torch(Two().bfloat16(), 8).architecture.total_receptive_fields == (3, 5)
    assert from_torch(nn.Sequential(nn.Conv2d(1, 4, 3)).double(), (1, 8, 8)).architecture.border == "valid"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch's own, as it compiles and scripts
def test_a_compiled_model_is_read_and_a_scripted_one_is_not():
    assert from_torch(torch.compile(MODULES), 16) == from_torch(MODULES, 16)
    with pytest.raises(ArchitectureError) as error:
        from_torch(nn.Sequential(MODULES, torch.jit.script(nn.Conv2d(8, 4, 1))), 16)
    assert str(error.value) == "a scripted module hides what it does; give the module that it was scripted from"


class Silent(nn.Module):
    def forward(self, x):
        return None


@pytest.mark.parametrize(
    ("model", "size", "sentence"),
    [
        (3, 8, "from_torch reads a torch.nn.Module, and this is 3; give it a network"),
        (MODULES, (3, 8), "an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), not (3, 8)"),
        (MODULES, (3, 8, 6), "an architecture's image is square, and this one is 8×6; make them equal"),
        (MODULES, 0, "height must be an integer of at least 1, not 0"),
        (MODULES, (2, 8, 8),
         ("the model does not run on a batch of shape (1, 2, 8, 8): Given groups=1, weight of size [4, 3, 5, 5], expected "
          "input[1, 2, 8, 8] to have 3 channels, but got 2 channels instead; give the input size that it is made for")),
        (nn.ReLU(), 8, "ReLU has no layer of windows from the image on, and so no architecture; give a model of convolutions or poolings"),
        (nn.Upsample(16), 8,
         ("Upsample has no layer of windows from the image on, and so no architecture; "
          "Upsample: interpolate: resampling has no one receptive field and stride; give a model of convolutions or poolings")),
        (Silent(), 8, "Silent returns no tensor, and only tensors can be followed; return one"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_gets_one_sentence(model, size, sentence):
    with pytest.raises(ArchitectureError) as error:
        from_torch(model, size)
    assert str(error.value) == sentence


# --- the command line ---

MODELS = """
from torch import nn
from convac_lib import ConvAC, common_case

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))

def circuit():
    return ConvAC(common_case(B=3, M=2, size=4))

def skipping():
    return nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.AdaptiveAvgPool2d(1))

def broken():
    raise RuntimeError("no weights")

def leaving():
    raise SystemExit(7)

number = int
"""


@pytest.fixture
def described(tmp_path, monkeypatch, capsys):
    """Run `convac describe --model` in a folder that holds models_of_mine.py: (status, standard output, error)."""
    (tmp_path / "models_of_mine.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "models_of_mine", raising=False)
    return lambda words: (main(["describe", "--model", *words.split()]), *capsys.readouterr())


def test_describe_prints_the_account_of_a_model_and_where_the_theory_stands(described):
    status, out, err = described("models_of_mine:plain --input-size 8")
    account, standing, bounds = out.split("\n\n")
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    assert (status, err, account) == (0, "", str(from_torch(model, 8)))
    assert standing == (
        "this network lies outside the theory, which is about products of linear maps (0: convolution 3×3, padding 1);\n"
        "the bounds are about a ConvAC of the same geometry, with weights in every window and M = 3:"
    )
    assert bounds.startswith("theorem                rank ≥ 2  [proved]\n")


def test_describe_says_when_a_model_is_a_circuit(described):
    status, out, _ = described("models_of_mine:circuit --input-size 2 4 4 --json --cut top-bottom")
    report, bounds = json.loads(out), bounds_of(common_case(B=3, M=2, size=4), "top-bottom")
    assert status == 0 and report["about_this_network"]
    assert report["standing"] == "this network is a ConvAC, and the bounds are about it"
    assert [layer["total_receptive_field"] for layer in report["layers"]] == [3, 4, 8, 10]
    assert report["bounds"]["theorem"] == bounds["theorem"].value == 256
    assert [step["role"] for step in report["account"]] == ["layer"] * 4 + ["dense"]


def test_describe_gives_a_models_geometry_where_patches_are_skipped(described):
    _, out, _ = described("models_of_mine:skipping --input-size 8")
    assert "non-overlapping, skipping patches, border 'neutral'\n" in out
    sentence = (
        "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"
    )
    assert f"theorem                does not apply: {sentence}\n" in out


NAME_ONE = "; name a module that can be imported from here, and in it a function without arguments that returns a torch.nn.Module"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("models_of_mine", "'models_of_mine' names no factory; write package.module:factory"),
        (":plain", "':plain' names no factory; write package.module:factory"),
        ("models_of_yours:plain", "models_of_yours:plain gave no model (ModuleNotFoundError: No module named 'models_of_yours')"
         + NAME_ONE),
        ("models_of_mine:complex", "models_of_mine:complex gave no model (AttributeError: module 'models_of_mine' has no "
         "attribute 'complex')" + NAME_ONE),
        ("models_of_mine:broken", "models_of_mine:broken gave no model (RuntimeError: no weights)" + NAME_ONE),
        ("models_of_mine:leaving", "models_of_mine:leaving gave no model (SystemExit: 7)" + NAME_ONE),
        ("models_of_mine:number", "from_torch reads a torch.nn.Module, and this is 0; give it a network"),
        ("models_of_mine:plain --input-size 3 8",
         "an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), not [3, 8]"),
        ("models_of_mine:plain --M 2",
         "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"),
        ("models_of_mine:plain --border ones",
         "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"),
        ("models_of_mine:plain --input-size 8 --cut diagonal",
         "unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches of one side"),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_described_gets_one_sentence(described, words, sentence):
    assert described(words) == (2, "", f"convac: {sentence}\n")


def test_describe_needs_an_architecture_or_a_model(capsys):
    assert main(["describe", "--B", "2"]) == 2
    assert capsys.readouterr().err == (
        "convac: give --M and --size with --B or --layers, or --model for a torch model\n"
    )


# --- lazy modules, and memory ---


def state_of(model):
    """All that a run might change: the modules' classes, settings, hooks and tensors."""
    modules = [
        (name, type(module), module.training, len(module._forward_pre_hooks)) for name, module in model.named_modules()
    ]
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return (
        repr(model),
        modules,
        [(name, type(tensor), None if is_lazy(tensor) else tensor.tolist()) for name, tensor in tensors],
    )


def lazy(*modules):
    return nn.Sequential(*modules)


@pytest.mark.parametrize(
    ("model", "eager", "size"),
    [
        (lazy(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10)),
         lazy(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(3600, 10)), 32),
        (lazy(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(10)),
         lazy(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(3600, 10)), (1, 32, 32)),
        (lazy(nn.Conv2d(1, 4, 3), nn.LazyBatchNorm2d(), nn.LazyConv2d(8, 3)),
         lazy(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3)), 32),
        (lazy(nn.LazyBatchNorm2d(), lazy(nn.Conv2d(1, 4, 3), lazy(nn.ReLU(), nn.LazyConv2d(2, 5)))),
         lazy(nn.BatchNorm2d(1), lazy(nn.Conv2d(1, 4, 3), lazy(nn.ReLU(), nn.Conv2d(4, 2, 5)))), 16),
        (lazy(nn.Conv2d(3, 4, 3), nn.LazyInstanceNorm2d(affine=True), nn.LazyConvTranspose2d(4, 3)),
         lazy(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True), nn.ConvTranspose2d(4, 4, 3)), 16),
    ],
)  # fmt: skip
def test_a_lazy_model_is_read_as_the_eager_one_and_stays_as_it_is(model, eager, size):
    before, generator = state_of(model), torch.get_rng_state()
    assert str(from_torch(model, size)) == str(from_torch(eager, size))
    assert state_of(model) == before and torch.equal(torch.get_rng_state(), generator)


class Unfilled(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.Conv2d(3, 4, 3), UninitializedBuffer()

    def forward(self, x):
        return self.layer(x) * self.scale


class Uncopied(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.scale = nn.LazyConv2d(4, 3), torch.ones(1, requires_grad=True) * 2

    def forward(self, x):
        return self.layer(x)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (lazy(nn.LazyConv1d(4, 3)),
         ("the model does not run on a batch of shape (1, 3, 8, 8), with 0.weight not initialized: Expected 2D (unbatched) "
          "or 3D (batched) input to LazyConv1d, but got input of size: torch.Size([1, 3, 8, 8]); give the input size as "
          "(channels, height, width), or run the model once on a batch, and then give it")),
        (lazy(nn.LazyConv3d(4, 3)),
         ("Sequential has no layer of windows from the image on, and so no architecture; 0: conv3d: not known here; "
          "give a model of convolutions or poolings")),
        (Uncopied(), "Uncopied has lazy modules, and cannot be copied to find their sizes: Only Tensors created explicitly"),
        (Unfilled(), "the model does not run on a batch of shape (1, 3, 8, 8), with scale not initialized: "),
    ],
)  # fmt: skip
def test_a_lazy_model_whose_sizes_cannot_be_known_gets_one_sentence(model, words):
    before = state_of(model)
    with pytest.raises(ArchitectureError) as error:
        from_torch(model, 8)
    assert str(error.value).startswith(words) and "\n" not in str(error.value)
    assert str(error.value).endswith(("and then give it", "or poolings")) and state_of(model) == before


@pytest.mark.parametrize("size", [10**5, 10**9, 10**30])
def test_an_image_too_large_for_the_memory_names_one_that_fits(size):
    with pytest.raises(BudgetError) as error:
        from_torch(nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU()), size)
    words = rf"Sequential on an image of {size:,}×{size:,} pixels needs about [\d,.e+]+ GiB of memory, and [\d,.]+ GiB are free; "
    found = re.fullmatch(words + r"give an input size of at most ([\d,]+)", str(error.value))
    fitting = int(found[1].replace(",", ""))
    assert 2 * 64 * 4 * fitting**2 < 2 * psutil.virtual_memory().available


def test_a_weight_too_large_for_the_memory_is_one_sentence():
    with pytest.raises(BudgetError) as error:
        from_torch(nn.Sequential(nn.Flatten(), nn.LazyLinear(2**40)), 1024)
    assert str(error.value) == (
        "the model needs more memory than is free on a batch of shape (1, 3, 1024, 1024); give a smaller input size"
    )
