"""Training a network on a data set, and the record of what came of it.

Taught in the chapter *The CIFAR-10 experiments*.
"""

import math
import time
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError
from convac_lib.experiments.data import Dataset

_EVALUATION_BATCH = 1000


@dataclass(frozen=True)
class Record:
    """One training run: what was asked for, what came of it, and where.

    Args:
        model: the network's class.
        architecture: its `Architecture`, or None where it has none.
        parameters: the number of its trained weights.
        source: the data set's source.
        n: the number of training images.
        epochs: how often each was seen.
        batch_size: images a step.
        learning_rate: Adam's.
        seed: of the order of the images.
        losses: the mean training cross-entropy of every epoch, in nats, measured while the weights moved.
        accuracies: the fraction of all training images classified rightly after every epoch.
        test_accuracy: the fraction of the test images classified rightly at the end.
        device: what it ran on.
        torch_version: torch's version.
        seconds: the wall-clock time of the whole run.

    Chapter: *The CIFAR-10 experiments*.
    """

    model: str
    architecture: Architecture | None
    parameters: int
    source: str
    n: int
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    test_accuracy: float
    device: str
    torch_version: str
    seconds: float

    def to_dict(self) -> dict:
        """Return the record as dictionaries, tuples, strings and numbers, ready for `json.dumps`."""
        return asdict(self)


def train(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
    progress: bool = True,
) -> Record:
    """Train a network in place by Adam on the cross-entropy, and leave it ready to classify.

    Pixels go in scaled from 0..255 to −1..1. The seed draws the order of the images; the first weights are drawn by the
    generator that the model was built with. With both given, a run repeats bit for bit on the same machine's CPU.

    Args:
        model: maps images of shape (N, C, H, W) to (N, Y), on any device.
        dataset: the `Dataset`, with at most Y classes.
        epochs: how often each training image is seen.
        batch_size: images a step.
        learning_rate: Adam's.
        seed: of the order of the images.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `Record`.

    Raises:
        ConvacError: if a number is out of range, the model has too few outputs, or the loss is no longer finite.
        DataError: if the model reads images of another shape.

    Source: talk, slides "Experiments on Standard ConvNets"; D. Kingma and J. Ba, Adam (2015).
    Chapter: *The CIFAR-10 experiments*.

    >>> from convac_lib import ConvNet, common_case
    >>> from convac_lib.experiments.data import digits
    >>> generator = torch.Generator().manual_seed(0)
    >>> network = ConvNet(common_case(B=3, M=1, size=8, channels=16), classes=10, in_channels=1, generator=generator)
    >>> record = train(network, digits(), epochs=3, learning_rate=0.01, progress=False)
    >>> record.parameters, record.accuracies[-1] > 0.8
    (4970, True)
    """
    _require_sound(model, dataset, epochs, batch_size, learning_rate)
    start = time.perf_counter()
    device = next(model.parameters()).device
    images, labels = dataset.train_images.to(device), dataset.train_labels.to(device)
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    generator = torch.Generator().manual_seed(seed)
    losses, accuracies = [], []
    steps = epochs * math.ceil(len(images) / batch_size)
    with tqdm(total=steps, desc="training", unit="step", disable=not progress) as bar:
        for epoch in range(1, epochs + 1):
            batches = torch.randperm(len(images), generator=generator).to(device).split(batch_size)
            losses.append(_run_epoch(model, optimizer, images, labels, batches, epoch, bar))
            accuracies.append(accuracy(model, images, labels))
            bar.set_postfix(loss=f"{losses[-1]:.3f}", accuracy=f"{accuracies[-1]:.1%}")
    return Record(
        model=type(model).__name__,
        architecture=getattr(model, "architecture", None),
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        source=dataset.source,
        n=len(images),
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        losses=tuple(losses),
        accuracies=tuple(accuracies),
        test_accuracy=accuracy(model, dataset.test_images.to(device), dataset.test_labels.to(device)),
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        torch_version=torch.__version__,
        seconds=time.perf_counter() - start,
    )


@torch.no_grad()
def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Return the fraction of the images that the network, put in evaluation mode, classifies rightly.

    Args:
        model: maps images of shape (N, C, H, W) to (N, Y).
        images: uint8, of shape (n, C, H, W).
        labels: int64, of shape (n,).

    Chapter: *The CIFAR-10 experiments*.
    """
    model.eval()
    batches = zip(images.split(_EVALUATION_BATCH), labels.split(_EVALUATION_BATCH))
    right = sum((model(_scaled(batch, model)).argmax(1) == truth).sum() for batch, truth in batches)
    return right.item() / len(images)


def _run_epoch(model, optimizer, images, labels, batches, epoch, bar):
    """The mean loss over the epoch."""
    model.train()
    total = 0.0
    for batch in batches:
        loss = cross_entropy(model(_scaled(images[batch], model)), labels[batch])
        value = loss.item()
        if not math.isfinite(value):
            raise ConvacError(
                f"the loss is {value} in epoch {epoch} and can train no further; "
                f"use a learning rate below {optimizer.param_groups[0]['lr']:g}, or fewer layers"
            )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += value * len(batch)
        bar.update()
    return total / len(images)


def _scaled(images, model):
    """Bytes 0..255 as numbers −1..1 of the model's type."""
    return images.to(next(model.parameters()).dtype) / 127.5 - 1


@torch.no_grad()
def _require_sound(model, dataset, epochs, batch_size, learning_rate):
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise ConvacError(f"{name} must be a whole number of at least 1, not {value!r}")
    if not 0 < learning_rate < math.inf:
        raise ConvacError(f"learning_rate must be a finite number above 0, not {learning_rate!r}; 0.001 is usual")
    model.eval()
    outputs = model(_scaled(dataset.train_images[:1].to(next(model.parameters()).device), model)).shape[1]
    if outputs < len(dataset.classes):
        raise ConvacError(
            f"{dataset.source} has {len(dataset.classes)} classes and the network {outputs} outputs; "
            f"build it with classes={len(dataset.classes)}"
        )
