"""The one run that tracing makes: lazy modules, which it leaves as they are, and the memory that it needs."""

import re

import psutil
import pytest
import torch
from torch import nn
from torch.nn.parameter import UninitializedBuffer, is_lazy

from convac_lib import from_torch
from convac_lib.errors import ArchitectureError, BudgetError
from convac_lib.networks.tracing.windows import Window


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
         lazy(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True, track_running_stats=True),
              nn.ConvTranspose2d(4, 4, 3)), 16),
    ],
)  # fmt: skip
def test_a_lazy_model_is_read_as_the_eager_one_and_stays_as_it_is(model, eager, size):
    before, generator = state_of(model), torch.get_rng_state()
    assert str(from_torch(model, size)) == str(from_torch(eager, size))
    assert state_of(model) == before and torch.equal(torch.get_rng_state(), generator)


def test_a_lazy_convolution_over_one_or_three_axes_is_read():
    for module, axes in ((nn.LazyConv1d(4, 3), 1), (nn.LazyConv3d(4, 3), 3)):
        assert from_torch(lazy(module), 8).windows[0] == (Window(0, 3, 1),) * axes


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
        (Uncopied(),
         "Uncopied has lazy modules, and cannot be copied to find their sizes: Only Tensors created explicitly"),
        (Unfilled(), ("the model does not run on a batch of shape (1, 3, 8, 8) (3 channels, as the first convolution "
         "reads), with scale not initialized: ")),
    ],
)  # fmt: skip
def test_a_lazy_model_whose_sizes_cannot_be_known_gets_one_sentence(model, words):
    before = state_of(model)
    with pytest.raises(ArchitectureError) as error:
        from_torch(model, 8)
    assert str(error.value).startswith(words) and "\n" not in str(error.value)
    assert str(error.value).endswith("and then give it") and state_of(model) == before


@pytest.mark.parametrize("size", [10**5, 10**9, 10**30])
def test_an_image_too_large_for_the_memory_names_one_that_fits(size):
    with pytest.raises(BudgetError) as error:
        from_torch(nn.Sequential(nn.Conv2d(3, 64, 3), nn.ReLU()), size)
    image = f"Sequential on an image of {size:,}×{size:,} pixels"
    words = rf"{image} needs about [\d,.e+]+ GiB of memory, and [\d,.]+ GiB are free; "
    found = re.fullmatch(words + r"give an input size of at most ([\d,]+)", str(error.value))
    fitting = int(found[1].replace(",", ""))
    assert 2 * 64 * 4 * fitting**2 < 2 * psutil.virtual_memory().available


def test_a_weight_too_large_for_the_memory_is_one_sentence():
    with pytest.raises(BudgetError) as error:
        from_torch(nn.Sequential(nn.Flatten(), nn.LazyLinear(2**40)), 1024)
    assert str(error.value) == (
        "the model needs more memory than is free on a batch of shape (1, 3, 1024, 1024); give a smaller input size"
    )
