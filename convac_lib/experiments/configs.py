"""The settings of training runs, and the checks of these settings.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from numbers import Real
from typing import Any, TypedDict

from convac_lib.architecture import Architecture
from convac_lib.checks import require_integers
from convac_lib.data.augmentation import AUGMENTATIONS
from convac_lib.data.dataset import Dataset
from convac_lib.errors import BudgetError, ConvacError, shown
from convac_lib.families import common_case

PRECISIONS = ("float32", "bfloat16")
LARGEST = 2**64 - 1  # the largest seed that torch accepts, and more than any size of a network
MOST = 10**6  # runs in a sweep


class Settings(TypedDict):
    """How a network is trained, as `Training` takes it.

    Chapter: *Experiments on standard ConvNets*.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    augment: str
    precision: str


SETTINGS = tuple(Settings.__annotations__)


@dataclass(frozen=True, order=True)
class RunConfig:
    """The configuration of one run: the experiments' ConvNet with B×B convolutions, and how it is trained.

    Args:
        B: the receptive field of the convolutions.
        channels: C, of every layer.
        seed: the seed of the initial weights. All networks see the same augmented images in the same order.
        augment: "none", "spatial" or "colour".
        epochs: how often each training image is seen.
        batch_size: images per step.
        learning_rate: the learning rate of Adam.
        precision: "float32" or "bfloat16".

    Raises:
        ConvacError: if a number or a word is out of range.

    Chapter: *Experiments on standard ConvNets*.

    >>> RunConfig(B=3, channels=64).architecture(size=32).parameters
    230016
    """

    B: int
    channels: int
    seed: int = 0
    augment: str = "spatial"
    epochs: int = 300
    batch_size: int = 128
    learning_rate: float = 1e-3
    precision: str = "float32"

    def __post_init__(self) -> None:
        require_integers(most=LARGEST, B=self.B, channels=self.channels)
        require_integers(least=0, most=LARGEST, seed=self.seed)
        require_settings(**self.settings)

    @property
    def settings(self) -> Settings:
        """How it is trained, as `Training` takes it."""
        return {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "augment": self.augment,
            "precision": self.precision,
        }

    def architecture(self, size: int) -> Architecture:
        """The common case with this B and C, for images of size×size pixels."""
        return _architecture(self.B, self.channels, size)

    def key(self, dataset: Dataset) -> tuple[object, ...]:
        """The key of this run's record, as `records.run_key` computes it."""
        settings = self.augment, self.epochs, self.batch_size, self.learning_rate, 0, self.seed, self.precision
        return "ConvNet", self.architecture(dataset.train_images.shape[-1]), dataset.digest, *settings


@cache
def _architecture(B: int, channels: int, size: int) -> Architecture:
    return common_case(B, M=1, size=size, channels=channels)


def run_configs(B: Iterable[int], channels: Iterable[int], seeds: Iterable[int], **settings: Any) -> list[RunConfig]:
    """Every combination of B, channels and seed, once, with the same settings.

    Args:
        B: receptive fields of the convolutions.
        channels: numbers of channels.
        seeds: seeds of the initial weights.
        settings: the other fields of `RunConfig`.

    Raises:
        ConvacError: if there is no combination, there are too many, or a number or a word is out of range.

    Chapter: *Experiments on standard ConvNets*.

    >>> len(run_configs(B=[1, 2], channels=[8, 16, 32], seeds=[0, 1], epochs=12))
    12
    """
    values = {name: _distinct(name, given) for name, given in (("B", B), ("channels", channels), ("seeds", seeds))}
    if (count := prod(len(numbers) for numbers in values.values())) > MOST:
        raise BudgetError(f"a sweep trains at most {MOST:,} networks, and these are {count:,}; split it")
    return [RunConfig(b, C, seed, **settings) for b, C, seed in product(*values.values())]


def _distinct(name: str, given: object) -> list[int]:
    if not isinstance(given, Iterable):
        raise ConvacError(f"{name} must be a list of integers, as in [{given!r}], not {given!r}")
    if not (numbers := list(dict.fromkeys(given))):
        raise ConvacError(f"a sweep needs at least one value of {name}, and none was given")
    return numbers


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
