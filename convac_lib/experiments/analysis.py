"""What a sweep's records say together: a row for each network, and channels that reach the same accuracy.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from statistics import fmean

from convac_lib.errors import ConvacError
from convac_lib.experiments.records import Record


@dataclass(frozen=True)
class Protocol:
    """What the networks of one figure have in common.

    Chapter: *Experiments on standard ConvNets*.

    >>> str(Protocol("digits", 1437, "spatial", 12))
    'digits, n = 1,437, spatial augmentation, 12 epochs'
    """

    source: str
    n: int
    augment: str
    epochs: int

    def __str__(self):
        change = "not augmented" if self.augment == "none" else f"{self.augment} augmentation"
        return f"{self.source}, n = {self.n:,}, {change}, {self.epochs} epochs"


@dataclass(frozen=True)
class Row:
    """One network of a sweep, over its seeds.

    Args:
        B: the receptive field of its first layer.
        channels: C, of its first layer.
        parameters: its trained weights.
        accuracies: the accuracy on augmented training images at the end, of each seed in turn.
        curve: by epoch, the mean over seeds of the accuracy on augmented training images when they were seen.
        train_accuracy: the mean over seeds of the accuracy on the training images as they are.
        test_accuracy: the mean over seeds of the accuracy on the test images.
        seconds: the mean over seeds of the time that it took.

    Chapter: *Experiments on standard ConvNets*.
    """

    B: int
    channels: int
    parameters: int
    accuracies: tuple[float, ...]
    curve: tuple[float, ...]
    train_accuracy: float
    test_accuracy: float
    seconds: float

    @property
    def accuracy(self) -> float:
        """The mean over seeds of the accuracy on augmented training images at the end."""
        return fmean(self.accuracies)


def by_protocol(records: Iterable[Record]) -> dict[Protocol, list[Record]]:
    """Part records into those that may stand in one figure.

    Chapter: *Experiments on standard ConvNets*.
    """
    parts = {}
    for record in records:
        parts.setdefault(Protocol(record.source, record.n, record.augment, record.epochs), []).append(record)
    return parts


def figure_names(protocols: Iterable[Protocol], stem: str) -> dict[Protocol, str]:
    """Name the figure of each protocol, without its ending, beside the file of records.

    Args:
        protocols: those of one file of records.
        stem: the file's path without its ending; where it names the only source, the figure does not say it again.

    Chapter: *Experiments on standard ConvNets*.

    >>> list(figure_names([Protocol("digits", 1437, "spatial", 12)], "results/digits").values())
    ['results/digits-spatial-12']
    >>> list(figure_names([Protocol("digits", 1437, "spatial", 12)], "results/mine").values())
    ['results/mine-digits-spatial-12']
    """
    protocols = list(protocols)
    named = len({one.source for one in protocols}) == 1 and f"{os.path.basename(stem)}-".startswith(
        f"{protocols[0].source}-"
    )
    names = {}
    for one in protocols:
        words = [] if named else [one.source]
        words += [one.augment, str(one.epochs)]
        if any((one.source, one.augment, one.epochs) == (s.source, s.augment, s.epochs) for s in protocols if s != one):
            words.append(f"n{one.n}")
        names[one] = "-".join([stem, *(re.sub(r"[^\w.]+", "-", word) for word in words)])  # a record may say anything
    return names


def rows_of(records: Iterable[Record]) -> list[Row]:
    """Bring the seeds of each network together, in the order of B and channels.

    Raises:
        ConvacError: if a record has no architecture to read B from.

    Chapter: *Experiments on standard ConvNets*.
    """
    seeds = {}
    for record in records:
        if record.architecture is None:
            raise ConvacError(f"the record of a {record.model} has no architecture to read B from; leave it out")
        layer = record.architecture.layers[0]
        seeds.setdefault((layer.receptive_field, layer.channels, record.parameters), []).append(record)
    return [
        Row(
            *network,
            accuracies=tuple(run.augmented_accuracy for run in sorted(runs, key=lambda run: run.weights_seed or 0)),
            curve=tuple(map(fmean, zip(*(run.accuracies for run in runs)))),
            train_accuracy=fmean(run.train_accuracy for run in runs),
            test_accuracy=fmean(run.test_accuracy for run in runs),
            seconds=fmean(run.seconds for run in runs),
        )
        for network, runs in sorted(seeds.items())
    ]


def channels_to_reach(accuracy: float, curve: Iterable[tuple[int, float]]) -> float | None:
    """The number of channels at which a curve first reaches an accuracy, between its points on a logarithmic scale.

    Args:
        accuracy: between 0 and 1.
        curve: (channels, accuracy) of networks that differ in channels alone.

    Returns:
        The channels; None where the whole curve lies above or below the accuracy, which then says nothing.

    Chapter: *Experiments on standard ConvNets*.

    >>> channels_to_reach(0.5, [(4, 0.4), (16, 0.6)])
    8.0
    """
    points = sorted(curve)
    for (few, low), (many, high) in pairwise(points):
        if low <= accuracy <= high and low < high:
            part = (accuracy - low) / (high - low)
            return round(exp(log(few) + part * log(many / few)), 9)
    return None


def factors_to_match(
    records: Iterable[Record], B: int, C: int, *, by: int = 1, size: str = "channels", epoch: int | None = None
) -> list[float | None]:
    """By what factor networks with another B must be larger to be as accurate as one network, seed by seed.

        factor = size at which the curve of `by` reaches the network's accuracy / size of the network

    Args:
        records: of one sweep.
        B: the network's receptive field.
        C: its channels.
        by: the receptive field of those that are to match it.
        size: what is counted, "channels" or "parameters".
        epoch: of whose accuracy, on augmented images when they were seen; if left out, that at the end, weights at rest.

    Returns:
        A factor for each seed in turn, from networks of that seed alone; None as for `channels_to_reach`.

    Chapter: *Experiments on standard ConvNets*.
    """
    curves = {}
    for record in records:
        first = record.architecture.layers[0]
        count = first.channels if size == "channels" else record.parameters
        accuracy = record.augmented_accuracy if epoch is None else record.accuracies[epoch - 1]
        curves.setdefault((record.weights_seed, first.receptive_field), {})[first.channels] = count, accuracy
    factors = []
    for seed in sorted(seed for seed, field in curves if field == B):
        count, accuracy = curves[seed, B][C]
        needed = channels_to_reach(accuracy, curves[seed, by].values())
        factors.append(needed and needed / count)
    return factors
