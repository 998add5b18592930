"""Classify digits of which parts are hidden, by several methods: results/missing-data.jsonl and missing-data.npz.

    python tools/missing_data.py

First, settings are tried on 287 of the 1,437 training images, with the others to train on. The best settings of each
method, by the mean accuracy over all patterns, are then trained on all 1,437 images, with three seeds, and tested once.
Each line is on the disk before the next run begins; a stopped run resumes where it stopped. The network of seed 0 is
written to the second file. All takes about twenty minutes of one core.
"""

import json
import platform
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.experiments.machine import processor
from convac_lib.families import common_case
from convac_lib.files import Journal, results_path
from convac_lib.networks.models import ConvNet
from convac_lib.related.missing import GaussianClasses, GenerativeConvAC, fit, hide, nearest_neighbours

LARGEST_FILE = 2**20
VALIDATION = 287  # of the training images
SEEDS, DRAWS = (0, 1, 2), 5  # of training; of the hidden pixels of each test image
PATTERNS = (("pixels", 0), ("pixels", 16), ("pixels", 32), ("pixels", 48), ("pixels", 58),
            ("square", 3), ("square", 4), ("square", 5))  # fmt: skip
RATES = (0.003, 0.01)
CONVNETS: list[dict[str, float]] = [
    *({"learning_rate": rate} for rate in RATES),
    {"learning_rate": 0.003, "epochs": 300},
    *({"learning_rate": rate, "epochs": 300, "two_layers": True} for rate in RATES),
]
GRID: dict[str, list[dict[str, float]]] = {
    "generative": [
        {"components": M, "discrimination": discrimination, "noise": noise}
        for M in (32, 64)
        for discrimination in (0, 0.1, 0.3)
        for noise in (0.03, 0.1, 0.2)
    ],
    "convnet": CONVNETS,
    "convnet-zeros": CONVNETS,
    "convnet-mask-pixels": CONVNETS,
    "convnet-mask-squares": CONVNETS,
    "neighbours": [{"neighbours": 3}],
    "gaussians": [{"ridge": ridge} for ridge in (0.05, 0.1, 0.2)],
}
FIXED = ("neighbours", "gaussians")  # methods in which nothing is drawn at random

Classify = Callable[[Tensor, Tensor], Tensor]  # images and what is seen of them → classes
Method = tuple[Classify, int, GenerativeConvAC | None]  # with the number of weights, and the network to keep


def fit_generative(x: Tensor, y: Tensor, seed: int, components: int, discrimination: float, noise: float) -> Method:
    """Train a generative ConvAC for 100 epochs."""
    generator = torch.Generator().manual_seed(seed)
    model = GenerativeConvAC(8, components, (32, 64), 10, patch=2, generator=generator)
    settings = {"discrimination": discrimination, "noise": noise, "learning_rate": 0.05}
    fit(model, x, y, epochs=100, seed=seed, **settings)  # type: ignore[arg-type]  # mypy mixes the settings' types
    return lambda images, seen: model(images, seen).argmax(1), count(model), model


def fit_convnet(
    x: Tensor,
    y: Tensor,
    seed: int,
    learning_rate: float,
    epochs: int = 100,
    two_layers: bool = False,
    *,
    hidden: str = "",
    mask: bool = False,
) -> Method:
    """Train a ConvNet of 3×3 windows, on images of which each batch hides another amount.

    It has three convolutions of 32 channels, each followed by a 2×2 maximum, down to one place. With two layers, it has
    convolutions of 32 and 64 channels, and the linear layer reads the 2×2 places that are left.

    Args:
        x: the images.
        y: the classes.
        seed: the seed of the weights, the order and what is hidden.
        learning_rate: the learning rate of Adam.
        epochs: how often each image is seen.
        two_layers: whether the network has two convolutions.
        hidden: the pattern of what is hidden in training; nothing, if empty.
        mask: whether what is seen is a second channel.
    """
    generator = torch.Generator().manual_seed(seed)
    model = (
        two_convolutions(1 + mask, generator)
        if two_layers
        else ConvNet(common_case(B=3, M=1, size=8, channels=32), classes=10, in_channels=1 + mask, generator=generator)
    )

    def filled(images: Tensor, seen: Tensor) -> Tensor:
        zeros = images * seen[:, None]
        return torch.cat([zeros, seen[:, None].to(images.dtype)], 1) if mask else zeros

    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    amounts = np.random.default_rng(seed)
    most = {"pixels": 60, "square": 5, "": 0}[hidden]
    for _ in range(epochs):
        for batch in torch.split(torch.randperm(len(x), generator=generator), 128):
            amount, draw = int(amounts.integers(0, most + 1)), int(amounts.integers(2**31))
            seen = hide(hidden or "pixels", amount, len(batch), 8, draw)
            loss = cross_entropy(model(filled(x[batch], seen)), y[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
    return lambda images, seen: model(filled(images, seen)).argmax(1), count(model), None


def two_convolutions(in_channels: int, generator: torch.Generator) -> nn.Sequential:
    """Build a ConvNet of 32 and 64 channels, whose linear layer reads 2×2 places; it begins as torch's layers do."""
    first, second = nn.Conv2d(in_channels, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
    linear = nn.Linear(4 * 64, 10)
    for layer in (first, second, linear):
        bound = layer.weight[0].numel() ** -0.5
        nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
        assert layer.bias is not None
        nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    halves = nn.ReLU(), nn.MaxPool2d(2)
    return nn.Sequential(first, *halves, second, *halves, nn.Flatten(), linear)


def fit_neighbours(x: Tensor, y: Tensor, seed: int, neighbours: int) -> Method:
    """Keep the training images."""
    return lambda images, seen: nearest_neighbours(images, seen, x, y, neighbours), x.numel(), None


def fit_gaussians(x: Tensor, y: Tensor, seed: int, ridge: float) -> Method:
    """Estimate a Gaussian for each class."""
    classes = GaussianClasses(x, y, ridge)
    return classes.classify, classes.means.numel() + 10 * (64 * 65 // 2), None


METHODS: dict[str, Callable[..., Method]] = {
    "generative": fit_generative,
    "convnet": fit_convnet,
    "convnet-zeros": partial(fit_convnet, hidden="pixels"),
    "convnet-mask-pixels": partial(fit_convnet, hidden="pixels", mask=True),
    "convnet-mask-squares": partial(fit_convnet, hidden="square", mask=True),
    "neighbours": fit_neighbours,
    "gaussians": fit_gaussians,
}


def count(model: nn.Module) -> int:
    """The number of a network's weights."""
    return sum(weights.numel() for weights in model.parameters())


@torch.no_grad()
def accuracies(classify: Classify, x: Tensor, y: Tensor, draws: int) -> dict[str, float]:
    """The accuracy for each pattern, in percent: the mean over draws of what is hidden."""
    found = {}
    for pattern, amount in PATTERNS:
        rights = [
            (classify(x, hide(pattern, amount, len(x), 8, draw)) == y).double().mean().item()
            for draw in range(draws if amount else 1)
        ]
        found[f"{pattern} {amount}"] = round(100 * sum(rights) / len(rights), 2)
    return found


def best_settings(lines: list[dict[str, Any]], method: str) -> dict[str, float]:
    """The settings of a method that classify best on the validation images; of equal ones the first."""
    tried = [line for line in lines if line["stage"] == "tuning" and line["method"] == method]
    settings: dict[str, float] = max(tried, key=lambda line: sum(line["accuracies"].values()))["settings"]
    return settings


def runs(lines: list[dict[str, Any]]) -> Iterator[tuple[str, str, dict[str, float], int]]:
    """List the runs that `lines` lack: the stage, the method, its settings and the seed. The list grows meanwhile."""

    def recorded(stage: str, method: str, settings: dict[str, float], seed: int) -> bool:
        key = {"stage": stage, "method": method, "settings": settings, "seed": seed}
        return any(key.items() <= line.items() for line in lines)

    for method, grid in GRID.items():
        yield from (("tuning", method, each, 0) for each in grid if not recorded("tuning", method, each, 0))
    for method in GRID:
        best = best_settings(lines, method)
        for seed in SEEDS[:1] if method in FIXED else SEEDS:
            if not recorded("test", method, best, seed):
                yield "test", method, best, seed


def means_filled(classify: Classify, means: Tensor) -> Classify:
    """Fill hidden pixels with their means over the training images, before a network that sees everything."""
    everything = partial(torch.ones_like, dtype=torch.bool)
    return lambda images, seen: classify(torch.where(seen[:, None], images, means), everything(seen))


def run(data: Dataset, stage: str, method: str, settings: dict[str, float], seed: int) -> dict[str, Any]:
    """Train one method and measure it; keep the generative network of seed 0."""
    begun = time.process_time()
    x, y = data.train_images.float() / 240, data.train_labels
    x_test, y_test = data.test_images.float() / 240, data.test_labels
    if stage == "tuning":
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        kept, held = order[VALIDATION:], order[:VALIDATION]
        x, y, x_test, y_test = x[kept], y[kept], x[held], y[held]
    classify, weights, model = METHODS[method](x, y, seed, **settings)
    draws = DRAWS if stage == "test" else 2
    line: dict[str, Any] = {
        "stage": stage, "method": method, "settings": settings, "seed": seed,
        "accuracies": accuracies(classify, x_test, y_test, draws),
    }  # fmt: skip
    if method == "convnet":
        line["accuracies, means"] = accuracies(means_filled(classify, x.mean(0)), x_test, y_test, draws)
    if model is not None and stage == "test" and seed == 0:
        arrays = {name: tensor.numpy().astype(np.float16) for name, tensor in model.state_dict().items()}
        np.savez_compressed(results_path("missing-data.npz"), floor=np.array(model.floor), **arrays)
    return line | {
        "weights": weights, "trained on": len(x), "tested on": len(x_test), "draws": draws, "digest": data.digest,
        "device": processor(), "versions": f"torch {torch.__version__}, Python {platform.python_version()}",
        "seconds": round(time.process_time() - begun, 1),
    }  # fmt: skip


def main() -> None:
    """Append a line of JSON for every run that the file does not hold yet."""
    torch.set_num_threads(1)
    data, journal = digits(), Journal(results_path("missing-data.jsonl"), LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        lines = [json.loads(line) for line in journal.lines()]
        for each in runs(lines):
            lines.append(run(data, *each))
            append_line(json.dumps(lines[-1]))
            print(*each, lines[-1]["accuracies"], flush=True)


if __name__ == "__main__":
    main()
