"""What gpu_day.py compares: the layer, ranks and training on a device with the same on the CPU."""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from convac_lib import ConvAC, ConvNet, certify_rank, common_case, generalized_conv2d, rank_modulo
from convac_lib.data.dataset import Dataset
from convac_lib.experiments.training import Training
from convac_lib.networks.ensemble import Ensemble
from convac_lib.networks.functional import scaled_generalized_conv2d
from convac_lib.networks.layers import Representation

CASES = (  # C_in, C_out, H, R, S, border, bias
    (3, 8, 9, 2, 2, "neutral", False),
    (8, 5, 8, 3, 1, "neutral", True),
    (4, 4, 7, 5, 1, "ones", False),
    (5, 3, 10, 3, 2, "valid", True),
    (64, 64, 16, 3, 1, "neutral", False),
)
PRIMES = (8_388_593, 2_147_483_647)


class Check(NamedTuple):
    """What was compared, the relative difference that was found, and the largest that is allowed."""

    what: str
    difference: float
    most: float

    @property
    def passed(self) -> bool:
        return self.difference <= self.most  # false for NaN

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'WRONG':5} {self.difference:8.1e} (at most {self.most:.0e})  {self.what}"


def difference(found: Tensor, right: Tensor) -> float:
    """The largest difference, relative to the largest number."""
    found, right = found.detach().cpu().double(), right.detach().cpu().double()
    return float((found - right).abs().max() / right.abs().max())


def layer_checks(device: torch.device, compiled: bool) -> Iterator[Check]:
    """Values and gradients of the layer, in float64 and float32, against float64 on the CPU."""
    for case in CASES:
        C_in, C_out, H, R, S, border, bias = case
        generator = torch.Generator().manual_seed(0)
        shapes = [(2, C_in, H, H), (C_out, C_in, R, R), (C_out, R, R)][: 2 + bias]
        inputs = [torch.randn(shape, dtype=torch.float64, generator=generator) for shape in shapes]
        options = {"stride": S, "border": border}
        right = value_and_gradients(generalized_conv2d, inputs, options)
        forms: list[tuple[str, Callable[..., Tensor], torch.dtype, float]] = [
            ("float64", generalized_conv2d, torch.float64, 1e-10),
            ("float32", generalized_conv2d, torch.float32, 1e-3),
            ("scaled, float64", unscaled, torch.float64, 1e-10),
        ]
        if compiled:
            forms.append(("compiled, float32", torch.compile(generalized_conv2d, dynamic=False), torch.float32, 1e-3))
        for name, function, dtype, most in forms:
            there = [tensor.to(device, dtype) for tensor in inputs]
            found = value_and_gradients(function, there, options)
            yield Check(f"layer {case}, {name}", max(map(difference, found, right)), most)


def unscaled(x: Tensor, weight: Tensor, bias: Tensor | None = None, **options: Any) -> Tensor:
    """The scaled form, multiplied by its powers of two."""
    y, exponent = scaled_generalized_conv2d(x, None, weight, bias, **options)
    return y * 2.0 ** exponent[:, None]


def value_and_gradients(function: Callable[..., Tensor], inputs: list[Tensor], options: dict[str, Any]) -> list[Tensor]:
    """The layer's output, and the gradients of a weighted sum of it."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    y = function(*inputs, **options)
    direction = torch.linspace(-1, 1, y.numel(), dtype=torch.float64).reshape(y.shape).to(y.device, y.dtype)
    return [y, *torch.autograd.grad(y, inputs, direction)]


def rank_checks(device: torch.device) -> Iterator[Check]:
    """Ranks of matrices on the device, the values of a whole network there, and the rank of that network."""
    generator = np.random.default_rng(0)
    for prime in PRIMES:
        for rank in (1, 300, 600):
            left, right = (generator.integers(-1000, 1000, shape) for shape in ((700, rank), (rank, 650)))
            matrix = left @ right
            there, here = rank_modulo(torch.from_numpy(matrix).to(device), prime), rank_modulo(matrix, prime)
            what = f"rank {rank} over GF({prime:,}): {there} there, {here} here"
            yield Check(what, max(abs(there - rank), abs(here - rank)), 0)
    network = ConvAC(common_case(B=2, M=2, size=4), generator=torch.Generator().manual_seed(0)).double()
    tensor = torch.from_numpy(network.to_circuit().grid_tensor()).flatten()
    places = torch.arange(2**16)[:, None] >> torch.arange(15, -1, -1) & 1  # the templates of the 16 patches
    images = torch.nn.functional.one_hot(places, 2).double().transpose(1, 2).reshape(-1, 2, 4, 4)
    with torch.no_grad():
        values = network.to(device)(images.to(device)).flatten()
    yield Check("a ConvAC at all 65,536 images of two templates", difference(values, tensor), 1e-9)
    found = certify_rank(network).rank
    yield Check(f"rank {found} of this ConvAC, where 64 is proved", abs(found - 64), 0)


def training_checks(device: torch.device, dataset: Dataset) -> Iterator[Check]:
    """Losses over a few epochs in float64, and a training that continues from its checkpoint.

    A batch is the whole data set, because devices draw other orders of the images from the same seed.
    """
    step = max(1, len(dataset.train_images) // 256)
    few = replace(dataset, train_images=dataset.train_images[::step], train_labels=dataset.train_labels[::step])
    settings = {"batch_size": len(few.train_images), "learning_rate": 0.01, "augment": "none", "seed": 0}

    def training(kind: str, device: torch.device | str) -> Training:
        generator = torch.Generator().manual_seed(0)
        _, channels, size, _ = few.train_images.shape
        convnets = [ConvNet(common_case(3, 1, size, 8), 10, channels, generator=generator) for _ in range(3)]
        models = {
            "a ConvNet": convnets[0],
            "three ConvNets side by side": Ensemble(convnets),
            "a ConvAC": ConvAC(
                common_case(2, 4, size),
                10,
                Representation(channels, 4, generator=generator),
                normalized=True,
                generator=generator,
            ),
        }
        return Training(models[kind].double().to(device), few, epochs=4, precision="float32", **settings)

    for kind in ("a ConvNet", "three ConvNets side by side", "a ConvAC"):
        found, right = training(kind, device), training(kind, "cpu")
        for _ in range(4):
            found.run_epoch()
            right.run_epoch()
        yield Check(f"losses of {kind}", difference(torch.tensor(found.losses), torch.tensor(right.losses)), 1e-6)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "checkpoint.safetensors"
        half, rest = training("a ConvNet", device), training("a ConvNet", device)
        whole = training("a ConvNet", "cpu")
        for _ in range(2):
            half.run_epoch()
        half.save(path)
        rest.load(path)
        for each, epochs in ((rest, 2), (whole, 4)):
            for _ in range(epochs):
                each.run_epoch()
    yield Check("losses after a checkpoint", difference(torch.tensor(rest.losses), torch.tensor(whole.losses)), 1e-6)
