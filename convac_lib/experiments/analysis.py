"""What the records of a sweep say together: a summary of each network, and channels that reach equal accuracy.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log
from statistics import fmean

from convac_lib.architecture import Layer
from convac_lib.errors import ConvacError
from convac_lib.experiments.records import Record

_STATED_IF_DIFFERENT = ("batch_size", "learning_rate", "precision")


@dataclass(frozen=True)
class Protocol:
    """What the networks of one figure have in common.

    Args:
        source: the source of the data set.
        n: the number of training images.
        augment: how they were augmented.
        epochs: how often each was seen.
        batch_size, learning_rate, precision: each None unless the records of one file differ in it.

    Chapter: *Experiments on standard ConvNets*.

    >>> str(Protocol("digits", 1437, "spatial", 12))
    'digits, n = 1,437, spatial augmentation, 12 epochs'
    """

    source: str
    n: int
    augment: str
    epochs: int
    batch_size: int | None = None
    learning_rate: float | None = None
    precision: str | None = None

    def __str__(self) -> str:
        change = "not augmented" if self.augment == "none" else f"{self.augment} augmentation"
        parts = [self.source, f"n = {self.n:,}", change, f"{self.epochs} epochs"]
        if self.batch_size is not None:
            parts.append(f"batch size {self.batch_size:,}")
        if self.learning_rate is not None:
            parts.append(f"learning rate {self.learning_rate}")
        if self.precision is not None:
            parts.append(self.precision)
        return ", ".join(parts)


@dataclass(frozen=True)
class RunSummary:
    """The runs of one network of a sweep that differ by seed alone, together.

    Args:
        B: the receptive field of its first layer.
        channels: C, of its first layer.
        parameters: the number of its trained weights.
        accuracies: the accuracy on augmented training images after the last step, one per seed.
        curve: by epoch, the mean over seeds of the accuracy on augmented training images as they were seen.
        train_accuracy: the mean over seeds of the accuracy on the training images, not augmented.
        test_accuracy: the mean over seeds of the accuracy on the test images.
        seconds: the mean over seeds of the time that the run took.

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
        """The mean over seeds of the accuracy on augmented training images after the last step."""
        return fmean(self.accuracies)


def by_protocol(records: Iterable[Record]) -> dict[Protocol, list[Record]]:
    """Group the records that belong in one figure.

    Args:
        records: the records of one file. A protocol states the batch size, the learning rate and the precision only if
            these records differ in it.

    Chapter: *Experiments on standard ConvNets*.
    """
    records = list(records)
    differing = [name for name in _STATED_IF_DIFFERENT if len({getattr(record, name) for record in records}) > 1]
    groups: dict[Protocol, list[Record]] = {}
    for record in records:
        stated = {name: getattr(record, name) for name in differing}
        protocol = Protocol(record.source, record.n, record.augment, record.epochs, **stated)
        groups.setdefault(protocol, []).append(record)
    return groups


def figure_names(protocols: Iterable[Protocol], stem: str) -> dict[Protocol, str]:
    """Name the figure of each protocol, without its ending, beside the file of records.

    Args:
        protocols: the protocols of one file of records.
        stem: the path of the file without its ending; if its name begins with the only source, the figure does not
            repeat it.

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
        if any(replace(other, n=one.n) == one for other in protocols if other != one):
            words.append(f"n{one.n}")
        if one.batch_size is not None:
            words.append(f"batch{one.batch_size}")
        if one.learning_rate is not None:
            words.append(f"rate{one.learning_rate}")
        if one.precision is not None:
            words.append(one.precision)
        names[one] = "-".join([stem, *(re.sub(r"[^\w.]+", "-", word) for word in words)])  # the source may be any text
    return names


def rows_of(records: Iterable[Record]) -> list[RunSummary]:
    """Summarize the runs of each network over its seeds, in the order of B and channels: the rows of a table.

    Raises:
        ConvacError: if a record has no architecture to read B from.

    Chapter: *Experiments on standard ConvNets*.
    """
    groups: dict[tuple[int, int, int], list[Record]] = {}
    for record in records:
        layer = _first_layer(record)
        groups.setdefault((layer.receptive_field, layer.channels, record.parameters), []).append(record)
    return [
        RunSummary(
            B=B,
            channels=channels,
            parameters=parameters,
            accuracies=tuple(run.augmented_accuracy for run in sorted(runs, key=lambda run: run.weights_seed or 0)),
            curve=tuple(map(fmean, zip(*(run.accuracies for run in runs)))),
            train_accuracy=fmean(run.train_accuracy for run in runs),
            test_accuracy=fmean(run.test_accuracy for run in runs),
            seconds=fmean(run.seconds for run in runs),
        )
        for (B, channels, parameters), runs in sorted(groups.items())
    ]


def channels_to_reach(accuracy: float, curve: Iterable[tuple[int, float]]) -> float | None:
    """The number of channels at which a curve first reaches an accuracy, between its points on a logarithmic scale.

    Args:
        accuracy: between 0 and 1.
        curve: (channels, accuracy) of networks that differ only in their channels.

    Returns:
        The channels; None if the whole curve lies above or below the accuracy.

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
        records: the records of one sweep.
        B: the receptive field of the network.
        C: its channels.
        by: the receptive field of the networks that are to match it.
        size: what is counted, "channels" or "parameters".
        epoch: the epoch whose accuracy is compared, as the augmented images were seen; if left out, the accuracy on
            augmented images after the last step.

    Returns:
        One factor per seed, from networks of that seed alone; None as for `channels_to_reach`.

    Raises:
        ConvacError: if a record has no architecture to read B from.

    Chapter: *Experiments on standard ConvNets*.
    """
    curves = _curves(records, size, epoch)
    factors: list[float | None] = []
    for seed in _seeds_of(curves, B):
        count, accuracy = curves[seed, B][C]
        needed = channels_to_reach(accuracy, curves[seed, by].values())
        factors.append(needed and needed / count)
    return factors


def factor_range(records: Iterable[Record], B: int, C: int, *, by: int = 1) -> tuple[float, float | None]:
    """The least and the largest factor over the seeds by which networks with another B need more channels.

    Args:
        records: the records of one sweep.
        B: the receptive field of the network.
        C: its channels.
        by: the receptive field of the networks that are to match it.

    Returns:
        The two factors. Where the widest recorded network of `by` is less accurate than the network for some seed, that
        seed's factor is only known to be larger than the widest channels divided by C, and the largest is None. Where
        even the narrowest is more accurate, the seed's factor is only known to lie between 0 and the narrowest / C.

    Raises:
        ConvacError: if a record has no architecture to read B from.

    Chapter: *Experiments on standard ConvNets*.
    """
    curves = _curves(records, "channels", None)
    least: list[float] = []
    most: list[float | None] = []
    for seed in _seeds_of(curves, B):
        _, accuracy = curves[seed, B][C]
        curve = sorted(curves[seed, by].values())
        needed = channels_to_reach(accuracy, curve)
        if needed is None and accuracy > max(reached for _, reached in curve):
            least, most = [*least, curve[-1][0] / C], [*most, None]
        else:
            least, most = [*least, (needed or 0) / C], [*most, (needed or curve[0][0]) / C]
    known = [factor for factor in most if factor is not None]
    return min(least), max(known) if len(known) == len(most) else None


def growth_in_words(records: Iterable[Record], B: int, channels: Iterable[int], *, by: int = 1) -> str:
    """Say how the factor in channels grows with C, as far as the records show it.

    It is shown to grow from C to the next C' if every seed's factor at C' is larger than every seed's factor at C.

    Args:
        records: the records of one sweep.
        B: the receptive field of the networks to match.
        channels: the C to look at, increasing.
        by: the receptive field of the networks that are to match them.

    Returns:
        A sentence.

    Raises:
        ConvacError: if a record has no architecture to read B from.

    Chapter: *Experiments on standard ConvNets*.
    """
    records = list(records)
    ranges = {C: factor_range(records, B, C, by=by) for C in channels}
    told = [
        f"more than {least:.2g} at C = {C}" if most is None else f"{least:.2g} to {most:.2g} at C = {C}"
        for C, (least, most) in ranges.items()
    ]
    steps: list[tuple[int, int]] = []
    for (C, (_, most)), (wider, (least, _)) in pairwise(ranges.items()):
        if most is not None and least > most:
            joined = bool(steps) and steps[-1][1] == C
            steps = [*steps[:-1], (steps[-1][0], wider)] if joined else [*steps, (C, wider)]
    growth = ", and ".join(f"from C = {C} to {wider}" for C, wider in steps)
    shown = f"the records show that it grows {growth}" if steps else "the records do not show that it grows"
    return f"B = {B}: {', '.join(told)}; {shown}."


Curves = dict[tuple[int | None, int], dict[int, tuple[int, float]]]


def _curves(records: Iterable[Record], size: str, epoch: int | None) -> Curves:
    """For every seed and B, the size and the accuracy of the networks by their channels."""
    curves: Curves = {}
    for record in records:
        first = _first_layer(record)
        count = first.channels if size == "channels" else record.parameters
        accuracy = record.augmented_accuracy if epoch is None else record.accuracies[epoch - 1]
        curves.setdefault((record.weights_seed, first.receptive_field), {})[first.channels] = count, accuracy
    return curves


def _seeds_of(curves: Curves, B: int) -> list[int | None]:
    return sorted((seed for seed, field in curves if field == B), key=lambda seed: seed or 0)


def _first_layer(record: Record) -> Layer:
    if record.architecture is None:
        raise ConvacError(f"the record of a {record.model} has no architecture to read B from; leave it out")
    return record.architecture.layers[0]
