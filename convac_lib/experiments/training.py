"""Train networks on a data set, one epoch after the other.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import math
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from convac_lib.architecture import Architecture
from convac_lib.checks import require_integers
from convac_lib.data.augmentation import AUGMENTATIONS
from convac_lib.data.dataset import Dataset
from convac_lib.errors import ConvacError
from convac_lib.experiments.checkpoints import load_checkpoint, save_checkpoint
from convac_lib.experiments.configs import LARGEST, require_settings
from convac_lib.experiments.machine import images_at_once, keep_freed_memory, processor
from convac_lib.experiments.records import Record
from convac_lib.networks.ensemble import Ensemble

EVALUATION_BATCH = 1000


def train(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    augment: str = "none",
    seed: int = 0,
    precision: str = "float32",
    progress: bool = True,
) -> Record:
    """Train a network in place with Adam on the cross-entropy, and leave it ready to classify.

    Pixels are scaled from 0..255 to −1..1. The seed determines the order and the augmentation of the images. The model
    brings its initial weights. With the same seed and the same initial weights, a run repeats bit for bit on the CPU of
    the same machine.

    Args:
        model: maps images of shape (N, C, H, W) to (N, Y), on any device.
        dataset: the `Dataset`, with at most Y classes.
        epochs: how often each training image is seen.
        batch_size: images per step.
        learning_rate: the learning rate of Adam.
        augment: "none", "spatial" or "colour"; each image is augmented anew in each epoch.
        seed: the seed of the order and the augmentation of the images.
        precision: "float32", or "bfloat16" for matrix products and convolutions (autocast).
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `Record`.

    Raises:
        ConvacError: if a number or a word is out of range, the model has too few outputs, or the loss becomes infinite
            or NaN.
        DataError: if the model reads images of another shape.

    Source: talk, slides "Experiments on Standard ConvNets"; D. Kingma and J. Ba, Adam (2015).
    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib import ConvNet, common_case
    >>> from convac_lib.data.digits import digits
    >>> generator = torch.Generator().manual_seed(0)
    >>> network = ConvNet(common_case(B=3, M=1, size=8, channels=16), classes=10, in_channels=1, generator=generator)
    >>> record = train(network, digits(), epochs=3, learning_rate=0.01, progress=False)
    >>> record.parameters, record.train_accuracy > 0.8
    (4970, True)
    """
    training = Training(
        model,
        dataset,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        augment=augment,
        seed=seed,
        precision=precision,
    )
    with tqdm(total=training.steps, desc="training", unit="step", disable=not progress) as bar:
        while not training.is_over:
            training.run_epoch(bar.update)
            bar.set_postfix(loss=f"{training.losses[-1][0]:.3f}", accuracy=f"{training.accuracies[-1][0]:.1%}")
    return training.records()[0]


class Training:
    """The training of one network, or of several side by side, which can be saved and loaded between epochs.

    The images stay on the device of the model as bytes, and are augmented and scaled there. An epoch depends only on
    the seed, the number of the epoch, the weights and the state of Adam. A training that was saved and loaded thus
    continues as if it had never stopped, bit for bit on the CPU of the same machine.

    Args:
        model: a network, or an `Ensemble`.
        dataset, epochs, batch_size, learning_rate, augment, seed, precision: as for `train`.

    Attributes:
        losses: for every epoch so far, the mean cross-entropy of each network.
        accuracies: for every epoch so far, the fraction of the images that each network classified correctly.
        steps: the number of steps in all epochs together.

    Raises:
        ConvacError, DataError: as for `train`.

    Chapter: *Experiments on standard ConvNets*.
    """

    def __init__(
        self,
        model: nn.Module,
        dataset: Dataset,
        *,
        epochs: int,
        batch_size: int,
        learning_rate: float,
        augment: str,
        seed: int,
        precision: str,
    ) -> None:
        require_settings(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, augment=augment, precision=precision
        )
        require_integers(least=0, most=LARGEST, seed=seed)
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.networks: list[nn.Module] = list(model.networks) if isinstance(model, Ensemble) else [model]
        self.dataset, self.epochs, self.batch_size, self.learning_rate = dataset, epochs, batch_size, learning_rate
        self.augment, self.seed, self.precision = augment, seed, precision
        self.device = next(model.parameters()).device
        if self.device.type == "cpu":
            keep_freed_memory()
        self.images = dataset.train_images.to(self.device).contiguous(memory_format=torch.channels_last)
        self.labels = dataset.train_labels.to(self.device)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        self.losses: list[list[float]] = []
        self.accuracies: list[list[float]] = []
        self.seconds = 0.0
        self.steps = epochs * math.ceil(len(self.images) / batch_size)
        self._require_outputs()

    @property
    def is_over(self) -> bool:
        """Whether all epochs have been run."""
        return len(self.losses) == self.epochs

    def run_epoch(self, advance: Callable[[], object] = lambda: None) -> None:
        """Show every training image to the networks once, and make one step of Adam per batch.

        Args:
            advance: called after each step.

        Raises:
            ConvacError: if the loss of a network becomes infinite or NaN.
        """
        start, epoch = time.perf_counter(), len(self.losses) + 1
        generator = self._generator(epoch)
        order = torch.randperm(len(self.images), generator=generator, device=self.device)
        totals = torch.zeros(2, len(self.networks), device=self.device)
        self.model.train()
        for batch in torch.split(order, min(self.batch_size, len(order))):
            for part in torch.split(batch, min(self._images_at_once(), len(batch))):  # gradients accumulate
                images = AUGMENTATIONS[self.augment](self.images[part], generator)
                losses, correct = self._losses(images, self.labels[part])
                (losses.sum() / len(batch)).backward()  # type: ignore[no-untyped-call]  # torch's own
                totals += torch.stack((losses.detach(), correct))
            self.optimizer.step()
            self.optimizer.zero_grad()
            advance()
        mean_losses, accuracies = (totals / len(self.images)).tolist()
        for loss in mean_losses:
            if not math.isfinite(loss):
                raise ConvacError(
                    f"the loss is {loss} in epoch {epoch} so that training cannot go on; "
                    f"use a learning rate below {self.learning_rate:g}, or fewer layers"
                )
        self.losses.append(mean_losses)
        self.accuracies.append(accuracies)
        self.seconds += time.perf_counter() - start

    def records(self, weights_seeds: Sequence[int | None] | None = None) -> list[Record]:
        """Evaluate the networks with their present weights; return a `Record` of each.

        Args:
            weights_seeds: the seed of the initial weights of each network, if the caller knows them.
        """
        start = time.perf_counter()
        generator = self._generator(self.epochs + 1)
        augmented = self._accuracies(
            self.images, self.labels, lambda images: AUGMENTATIONS[self.augment](images, generator)
        )
        plain = self._accuracies(self.images, self.labels)
        tested = self._accuracies(self.dataset.test_images.to(self.device), self.dataset.test_labels.to(self.device))
        seconds = (self.seconds + time.perf_counter() - start) / len(self.networks)
        seeds = weights_seeds or [None] * len(self.networks)
        return [
            Record(
                model=type(network).__name__,
                architecture=_architecture_of(network),
                parameters=sum(parameter.numel() for parameter in network.parameters()),
                source=self.dataset.source,
                digest=self.dataset.digest,
                n=len(self.images),
                augment=self.augment,
                epochs=len(self.losses),
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                seed=self.seed,
                weights_seed=seeds[number],
                losses=tuple(losses[number] for losses in self.losses),
                accuracies=tuple(accuracies[number] for accuracies in self.accuracies),
                augmented_accuracy=augmented[number],
                train_accuracy=plain[number],
                test_accuracy=tested[number],
                precision=self.precision,
                side_by_side=len(self.networks),
                device=torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else processor(),
                versions=f"torch {torch.__version__}, Python {platform.python_version()}",
                seconds=seconds,
            )
            for number, network in enumerate(self.networks)
        ]

    def save(self, path: Path) -> None:
        """Write a checkpoint; a kill leaves the file that was there before.

        Raises:
            DataError: if it cannot be written.
        """
        save_checkpoint(path, self.model, self.optimizer, (self.losses, self.accuracies, self.seconds))

    def load(self, path: Path) -> bool:
        """Continue from the checkpoint that `save` wrote; return whether there was one.

        Raises:
            DataError: if the file cannot be read, is damaged, or was saved by another training.
        """
        curves = load_checkpoint(path, self.model, self.optimizer, (self.epochs, len(self.networks)))
        if curves is None:
            return False
        self.losses, self.accuracies, self.seconds = curves
        return True

    def _generator(self, epoch: int) -> torch.Generator:
        """A generator for one epoch alone."""
        (state,) = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        return torch.Generator(self.device).manual_seed(int(state))

    def _images_at_once(self) -> int:
        plan = _architecture_of(self.networks[0])
        if self.device.type != "cpu" or plan is None:
            return self.batch_size
        return images_at_once(len(self.networks) * max(plan.channels) * plan.size**2)

    def _outputs(self, images: Tensor) -> Tensor:
        """The outputs of each network for each image, of shape (n, G, Y)."""
        scaled = images.to(next(self.model.parameters()).dtype) / 127.5 - 1  # bytes 0..255 as −1..1
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            outputs: Tensor = self.model(scaled)
        return outputs.reshape(len(images), len(self.networks), -1)

    def _losses(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """For each network, the sum of the cross-entropies, and the number of images that it classifies correctly."""
        outputs = self._outputs(images).transpose(1, 2)  # (n, Y, G)
        truth = labels[:, None].expand(-1, len(self.networks))
        return cross_entropy(outputs, truth, reduction="none").sum(0), (outputs.argmax(1) == truth).sum(0)

    @torch.no_grad()
    def _accuracies(
        self, images: Tensor, labels: Tensor, change: Callable[[Tensor], Tensor] = lambda images: images
    ) -> list[float]:
        """The fraction of the changed images that each network classifies correctly."""
        self.model.eval()
        correct = torch.zeros(len(self.networks), dtype=torch.int64, device=self.device)
        for batch, truth in zip(torch.split(images, EVALUATION_BATCH), torch.split(labels, EVALUATION_BATCH)):
            correct += self._losses(change(batch), truth)[1]
        fractions: list[float] = (correct / len(images)).tolist()
        return fractions

    @torch.no_grad()
    def _require_outputs(self) -> None:
        self.model.eval()
        outputs, classes = self._outputs(self.images[:1]).shape[2], len(self.dataset.classes)
        if outputs < classes:
            raise ConvacError(
                f"{self.dataset.source} has {classes} classes, and the network has {outputs} outputs; "
                f"build it with classes={classes}"
            )


def _architecture_of(network: nn.Module) -> Architecture | None:
    plan = getattr(network, "architecture", None)
    return plan if isinstance(plan, Architecture) else None
