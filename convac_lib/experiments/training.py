"""Training networks on a data set, an epoch at a time.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import ctypes
import math
import platform
import re
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from numbers import Real
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from convac_lib.checks import require_integers
from convac_lib.data.augmentation import AUGMENTATIONS
from convac_lib.data.dataset import Dataset, contents_of, remedy_of
from convac_lib.errors import ConvacError, DataError, shown
from convac_lib.experiments.records import Record
from convac_lib.files import replace
from convac_lib.networks.ensemble import SideBySide

PRECISIONS = ("float32", "bfloat16")
INTO = "name a file of records in"  # whose checkpoints lie beside it
LARGEST = 2**64 - 1  # seed that torch's generators take, and more than any size of a network
CURVES = ("losses", "accuracies", "seconds")  # of a training so far
EVALUATION_BATCH = 1000
_KEEP = {-1: 2**31 - 1, -3: 2**25, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD (the most there is), M_ARENA_MAX
_PIECE = 2**21  # numbers in a layer's output that stay in a CPU's cache; there a step's batch goes in pieces of so many


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
    """Train a network in place by Adam on the cross-entropy, and leave it ready to classify.

    Pixels go in scaled from 0..255 to −1..1. The seed draws the order and the augmentation of the images; the initial
    weights are drawn by the generator that the model was built with. With both given, a run repeats bit for bit on the
    same machine's CPU.

    Args:
        model: maps images of shape (N, C, H, W) to (N, Y), on any device.
        dataset: the `Dataset`, with at most Y classes.
        epochs: how often each training image is seen.
        batch_size: images per step.
        learning_rate: Adam's.
        augment: "none", "spatial" or "colour"; drawn anew for each image in each epoch.
        seed: of the order and the augmentation of the images.
        precision: "float32", the model's own; or "bfloat16", for matrix products and convolutions only (autocast).
        progress: whether to draw a progress bar on stderr.

    Returns:
        The `Record`.

    Raises:
        ConvacError: if a number or a word is out of range, the model has too few outputs, or the loss is no longer
            finite.
        DataError: if the model reads images of another shape.

    Source: talk, slides "Experiments on Standard ConvNets"; D. Kingma and J. Ba, Adam (2015).
    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib import ConvNet, common_case
    >>> from convac_lib.data.dataset import digits
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
    """A training under way: of one network, or of several side by side, which may be saved and loaded between epochs.

    The images stay on the model's device as whole bytes, and are augmented and scaled there. What an epoch does depends
    on the seed, the epoch's number and the weights alone, so that a training that was saved and loaded goes on as if it
    had never stopped, bit for bit on the same machine's CPU.

    Args:
        model: a network, or a `SideBySide`.
        dataset, epochs, batch_size, learning_rate, augment, seed, precision: as for `train`.

    Attributes:
        losses: of every epoch so far, the mean cross-entropy of each network.
        accuracies: of every epoch so far, the fraction classified rightly by each network, when seen.
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
    ):
        require_settings(
            epochs=epochs, batch_size=batch_size, learning_rate=learning_rate, augment=augment, precision=precision
        )
        require_integers(least=0, most=LARGEST, seed=seed)
        self.model = model.to(memory_format=torch.channels_last)
        self.networks = list(model.networks) if isinstance(model, SideBySide) else [model]
        self.dataset, self.epochs, self.batch_size, self.learning_rate = dataset, epochs, batch_size, learning_rate
        self.augment, self.seed, self.precision = augment, seed, precision
        self.device = next(model.parameters()).device
        if self.device.type == "cpu":
            keep_freed_memory()
        self.images = dataset.train_images.to(self.device).contiguous(memory_format=torch.channels_last)
        self.labels = dataset.train_labels.to(self.device)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate, fused=True)
        self.losses, self.accuracies, self.seconds = [], [], 0.0
        self.steps = epochs * math.ceil(len(self.images) / batch_size)
        self._require_outputs()

    @property
    def is_over(self) -> bool:
        """Whether all epochs have been run."""
        return len(self.losses) == self.epochs

    def run_epoch(self, advance: Callable[[], object] = lambda: None) -> None:
        """Show every training image to the networks once, and step after every batch; call `advance` after each step.

        Raises:
            ConvacError: if the loss of a network is no longer finite.
        """
        start, epoch = time.perf_counter(), len(self.losses) + 1
        generator = self._generator(epoch)
        order = torch.randperm(len(self.images), generator=generator, device=self.device)
        totals = torch.zeros(2, len(self.networks), device=self.device)
        self.model.train()
        for batch in order.split(min(self.batch_size, len(order))):
            for piece in batch.split(min(self._piece(), len(batch))):
                images = AUGMENTATIONS[self.augment](self.images[piece], generator)
                losses, right = self._losses(images, self.labels[piece])
                (losses.sum() / len(batch)).backward()
                totals += torch.stack((losses.detach(), right))
            self.optimizer.step()
            self.optimizer.zero_grad()
            advance()
        losses, accuracies = (totals / len(self.images)).tolist()
        for loss in losses:
            if not math.isfinite(loss):
                raise ConvacError(
                    f"the loss is {loss} in epoch {epoch} so that training cannot go on; "
                    f"use a learning rate below {self.learning_rate:g}, or fewer layers"
                )
        self.losses.append(losses)
        self.accuracies.append(accuracies)
        self.seconds += time.perf_counter() - start

    def records(self, weights_seeds: list[int] | None = None) -> list[Record]:
        """Evaluate the networks as they are now; return a `Record` of each.

        Args:
            weights_seeds: of each network's initial weights, where the caller knows them.
        """
        start = time.perf_counter()
        test = self.dataset.test_images.to(self.device), self.dataset.test_labels.to(self.device)
        generator = self._generator(self.epochs + 1)
        final = zip(
            self._accuracies(self.images, self.labels, lambda images: AUGMENTATIONS[self.augment](images, generator)),
            self._accuracies(self.images, self.labels),
            self._accuracies(*test),
        )
        seconds = self.seconds + time.perf_counter() - start
        return [
            Record(
                model=type(network).__name__,
                architecture=getattr(network, "architecture", None),
                parameters=sum(parameter.numel() for parameter in network.parameters()),
                source=self.dataset.source,
                digest=self.dataset.digest,
                n=len(self.images),
                augment=self.augment,
                epochs=len(self.losses),
                batch_size=self.batch_size,
                learning_rate=self.learning_rate,
                seed=self.seed,
                weights_seed=weights_seed,
                losses=losses,
                accuracies=accuracies,
                augmented_accuracy=augmented,
                train_accuracy=plain,
                test_accuracy=tested,
                precision=self.precision,
                side_by_side=len(self.networks),
                device=torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else processor(),
                versions=f"torch {torch.__version__}, Python {platform.python_version()}",
                seconds=seconds / len(self.networks),
            )
            for network, weights_seed, losses, accuracies, (augmented, plain, tested) in zip(
                self.networks,
                weights_seeds or [None] * len(self.networks),
                zip(*self.losses),
                zip(*self.accuracies),
                final,
            )
        ]

    def save(self, path: Path) -> None:
        """Write the weights, Adam's state and the curves so far; a kill leaves the file that was there before.

        Raises:
            DataError: if it cannot be written.
        """
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for number, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{number}.{name}": tensor for name, tensor in state.items()}
        for name in CURVES:
            tensors[f"curves.{name}"] = torch.tensor(getattr(self, name), dtype=torch.float64)
        try:
            replace(path, save({name: tensor.contiguous() for name, tensor in tensors.items()}))
        except OSError as error:
            raise DataError(f"cannot write the checkpoint {path}: {error.strerror}; {remedy_of(error, INTO)}") from None

    def load(self, path: Path) -> None:
        """Take up the training where `save` left it.

        Raises:
            DataError: if the file cannot be read, is damaged, or was saved by another training.
            FileNotFoundError: if there is none.
        """
        wrong = f"{path} is no checkpoint of this training; remove it to start again"
        most = 2**20 + 4 * sum(tensor.nbytes for tensor in self.model.state_dict().values())
        content = contents_of(path, most, wrong)  # read once, as another sweep may put a newer file in its place
        try:
            tensors = load(content)
            of_model = {name.removeprefix("model."): tensors[name] for name in tensors if name.startswith("model.")}
            self.model.load_state_dict(of_model)
            states = {}
            for number, parameter in enumerate(self.model.parameters()):
                state = {kind: tensors[f"adam.{number}.{kind}"] for kind in ("step", "exp_avg", "exp_avg_sq")}
                for kind in ("exp_avg", "exp_avg_sq"):  # Adam goes through memory: laid out as the parameter is
                    state[kind] = torch.empty_like(parameter).copy_(state[kind].view(parameter.shape))
                states[number] = state
            self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": states})
            curves = [tensors[f"curves.{name}"] for name in CURVES]
        except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
            raise DataError(wrong) from error
        losses, accuracies, seconds = (curve.shape for curve in curves)
        if losses != accuracies or losses[1:] != (len(self.networks),) or losses[0] > self.epochs or seconds:
            raise DataError(wrong)
        for name, curve in zip(CURVES, curves):
            setattr(self, name, curve.tolist())

    def _generator(self, epoch):
        """Of what is drawn in one epoch, and in no other."""
        (state,) = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        return torch.Generator(self.device).manual_seed(int(state))

    def _piece(self):
        plan = getattr(self.networks[0], "architecture", None)
        if self.device.type != "cpu" or plan is None:
            return self.batch_size
        return piece_of(len(self.networks) * max(plan.channels) * plan.size**2)

    def _outputs(self, images):
        """(n, G, Y): what each network says of each image."""
        scaled = images.to(next(self.model.parameters()).dtype) / 127.5 - 1  # bytes 0..255 as −1..1
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            outputs = self.model(scaled)
        return outputs.reshape(len(images), len(self.networks), -1)

    def _losses(self, images, labels):
        """Each network's cross-entropy, added up over the images; and how many it classified rightly."""
        outputs = self._outputs(images).transpose(1, 2)  # (n, Y, G)
        truth = labels[:, None].expand(-1, len(self.networks))
        return cross_entropy(outputs, truth, reduction="none").sum(0), (outputs.argmax(1) == truth).sum(0)

    @torch.no_grad()
    def _accuracies(self, images, labels, change=lambda images: images):
        """The fraction of the images, once changed, that each network classifies rightly."""
        self.model.eval()
        right = 0
        for batch, truth in zip(images.split(EVALUATION_BATCH), labels.split(EVALUATION_BATCH)):
            right = right + self._losses(change(batch), truth)[1]
        return (right / len(images)).tolist()

    @torch.no_grad()
    def _require_outputs(self):
        self.model.eval()
        outputs, classes = self._outputs(self.images[:1]).shape[2], len(self.dataset.classes)
        if outputs < classes:
            raise ConvacError(
                f"{self.dataset.source} has {classes} classes, and the network has {outputs} outputs; "
                f"build it with classes={classes}"
            )


def piece_of(numbers: int) -> int:
    """How many images of a batch go through a CPU at once, where a layer's output holds so many numbers per image."""
    return max(1, _PIECE // numbers)


def keep_freed_memory() -> None:
    """Have glibc keep what one step frees for the next one, until the process ends; another C library is left as it is.

    Given back to the kernel, the memory of a layer's output comes again as pages that are faulted in and cleared one by
    one, which can take as long as the layer. Threads that start later share the memory.

    Source: `man mallopt`.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _KEEP.items():
            mallopt(option, value)


def processor() -> str:
    """The name of this machine's processor."""
    information = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", information.read_text() if information.exists() else "")
    return model[1] if model else platform.processor() or platform.machine()


def require_settings(*, epochs: int, batch_size: int, learning_rate: float, augment: str, precision: str) -> None:
    """Refuse settings with which nothing can be trained.

    Raises:
        ConvacError: if a number or a word is out of range.
    """
    require_integers(epochs=epochs, batch_size=batch_size)
    number = isinstance(learning_rate, Real) and not isinstance(learning_rate, bool)
    if not number or not 0 < learning_rate <= sys.float_info.max:
        raise ConvacError(f"learning rate must be a finite number above 0, not {shown(learning_rate)}; 0.001 is usual")
    for name, value, known in (("augment", augment, AUGMENTATIONS), ("precision", precision, PRECISIONS)):
        if not isinstance(value, str) or value not in known:
            raise ConvacError(f"unknown {name} {shown(value)}; use one of {', '.join(known)}")
