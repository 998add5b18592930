"""Traced networks against architectures known beforehand, and bad input."""

import random
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from helpers.models import resnet18
from helpers.strategies import architectures
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from convac_lib import (
    Architecture,
    ConvAC,
    ConvNet,
    GeneralizedConv2d,
    Layer,
    baseline,
    common_case,
    from_torch,
)
from convac_lib.errors import ArchitectureError
from convac_lib.networks.layers import Representation, Templates


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
    assert traced.read == "whole" and not traced.steps("not mapped")


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
def test_a_compiled_model_and_a_scripted_one_are_read():
    assert from_torch(torch.compile(MODULES), 16) == from_torch(MODULES, 16)
    scripted = from_torch(nn.Sequential(MODULES, torch.jit.script(nn.Conv2d(8, 4, 1))), 16)
    assert scripted.architecture.layers == from_torch(MODULES, 16).architecture.layers
    assert scripted.read == "whole"


@dataclass
class Output:
    map: torch.Tensor
    anchors: torch.Tensor


class Detector(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x, scale):
        return Output(self.layer(x) * scale, torch.ones(3))


def test_a_model_may_have_several_inputs_and_return_a_dataclass_and_constants():
    traced = from_torch(Detector(), example=(torch.zeros(1, 3, 8, 8), torch.ones(1)))
    assert traced.architecture == Architecture(8, 3, [Layer(3, 1, 4)]) and traced.read == "whole"
    assert traced == from_torch(Detector(), example={"scale": 2.0, "x": torch.zeros(1, 3, 8, 8)})


class Restless(nn.Module):
    """Changes whatever a model may change as it runs."""

    def __init__(self):
        super().__init__()
        self.first, self.norm, self.dropout = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout()
        self.hidden = [nn.BatchNorm2d(4)]  # in a plain list, where eval() does not reach
        self.register_buffer("calls", torch.zeros(()))
        self.cache = None

    def forward(self, x):
        self.norm.train()
        self.calls += 1
        self.cache = self.first(x)
        self.first.weight.data.mul_(2)
        random.random()
        np.random.rand()  # the state that older models share
        noise = torch.rand(4, 1, 1)
        y = F.batch_norm(self.norm(self.cache), self.norm.running_mean, self.norm.running_var, training=True)
        return self.dropout(self.hidden[0](y)) + noise


def digest_of(model):
    modules = [*model.modules(), *model.hidden]
    return (
        [{name: tensor.tolist() for name, tensor in module.state_dict().items()} for module in modules],
        [module.training for module in modules], [sorted(vars(module)) for module in modules],
        [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules], model.cache,
        torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist(),
        [parameter.grad for parameter in model.parameters()],
        [parameter.requires_grad for parameter in model.parameters()],
    )  # fmt: skip


def test_nothing_of_a_model_changes_that_changes_itself_as_it_runs():
    model = Restless().train()
    before = digest_of(model)
    assert from_torch(model, 8).architecture.total_receptive_fields == (3,)
    assert digest_of(model) == before


class Silent(nn.Module):
    def forward(self, x):
        return None


@pytest.mark.parametrize(
    ("model", "size", "sentence"),
    [
        (3, 8, "from_torch reads a torch.nn.Module, and this is 3; give it a network"),
        (MODULES, (3,),
         "an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), not (3,)"),
        (MODULES, None, "give an input size, or an example of the model's inputs, and not both"),
        (MODULES, 0, "side must be an integer of at least 1, not 0"),
        (MODULES, (3, 0, 8), "height must be an integer of at least 1, not 0"),
        (MODULES, (3, 8),
         ("the model does not run on a batch of shape (1, 3, 8) (a first convolution over 2 axes): Given groups=1, "
          "weight of size [4, 3, 5, 5], expected input[1, 1, 3, 8] to have 3 channels, but got 1 channels instead; "
          "give the input size that it is made for as (channels, height, width), or (channels, length) for signals")),
        (MODULES, (2, 8, 8),
         ("the model does not run on a batch of shape (1, 2, 8, 8): Given groups=1, weight of size [4, 3, 5, 5], "
          "expected input[1, 2, 8, 8] to have 3 channels, but got 2 channels instead; "
          "give the input size that it is made for")),
        (Detector(), 8,
         ("the model does not run on a batch of shape (1, 3, 8, 8) (3 channels, as the first convolution reads): "
          "Detector.forward() missing 1 required positional argument: 'scale'; it has several inputs: give an example "
          "of them, as in from_torch(model, example=(image, other))")),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), 8,
         ("the model does not run on a batch of shape (1, 3, 8, 8) (3 channels, as photographs have): "
          "mat1 and mat2 shapes cannot be multiplied (1x192 and 7x2); give the input size that it is made for as "
          "(channels, height, width), or (channels, length) for signals")),
        (nn.ReLU(), 8,
         ("ReLU has no layer of windows from the image on, and so no architecture; "
          "give a model of convolutions or poolings")),
        (nn.Upsample(16), 8,
         ("Upsample has no layer of windows from the image on, and so no architecture; "
          "Upsample: interpolate: resampling has no one receptive field and stride; "
          "give a model of convolutions or poolings")),
        (Silent(), 8,
         "Silent returns NoneType, in which no tensor can be found; return a tensor, or tensors in a tuple or dict"),
    ],
)  # fmt: skip
def test_what_cannot_be_traced_gets_one_sentence(model, size, sentence):
    with pytest.raises(ArchitectureError) as error:
        from_torch(model, size)
    assert str(error.value) == sentence
