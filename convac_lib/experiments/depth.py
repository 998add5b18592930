"""Depth in practice: shallow and deep arithmetic circuits without overlap, trained on the handwritten digits.

Taught in the chapter *Convolutional arithmetic circuits*.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from tqdm.auto import tqdm

from convac_lib.architecture import Architecture, Layer
from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.errors import ConvacError, shown
from convac_lib.experiments.configs import Settings
from convac_lib.experiments.records import Record, append_records, read_records, run_key
from convac_lib.experiments.training import Training
from convac_lib.families import baseline
from convac_lib.networks.layers import Templates
from convac_lib.networks.models import ConvAC

DEPTHS = ("shallow", "deep")
SIZE, GREYS = 8, 4  # the digits' side in pixels, and M: the grey values that are the templates
CHANNELS = (4, 8, 15, 30)  # with 30 channels both kinds have 7,980 parameters
RATES = (0.001, 0.003, 0.01)


@dataclass(frozen=True)
class DepthSummary:
    """The runs of one network that differ by seed alone, at the learning rate that suits this network best.

    Args:
        kind: "shallow" or "deep".
        channels: C of every layer.
        parameters: the number of its trained weights.
        learning_rate: the one with the largest mean accuracy on the training images.
        accuracies: the accuracy on the training images after the last step, one per seed.
        test_accuracies: the accuracy on the test images, one per seed.

    Chapter: *Convolutional arithmetic circuits*.
    """

    kind: str
    channels: int
    parameters: int
    learning_rate: float
    accuracies: tuple[float, ...]
    test_accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """The mean over seeds of the accuracy on the training images."""
        return fmean(self.accuracies)

    @property
    def test_accuracy(self) -> float:
        """The mean over seeds of the accuracy on the test images."""
        return fmean(self.test_accuracies)


def depth_plan(kind: str, channels: int) -> Architecture:
    """Plan a circuit without overlap on the digits' 8×8 pixels: one window for the whole image, or windows of 2×2.

        shallow: GC(R=8, S=8), a CP decomposition;   deep: GC(R=2, S=2) × 3, a Hierarchical Tucker decomposition

    Args:
        kind: "shallow" or "deep".
        channels: C of every layer.

    Returns:
        The `Architecture`, with M = 4.

    Raises:
        ConvacError: if the kind is neither, or the channels are not an integer of at least 1.

    Source: talk, slides "CP Decomposition" and "Hierarchical Tucker Decomposition". Chapter: *Convolutional arithmetic
    circuits*.

    >>> depth_plan("shallow", 16).channels, depth_plan("deep", 16).channels
    ((4, 16), (4, 16, 16, 16))
    """
    if kind not in DEPTHS:
        raise ConvacError(f"unknown kind {shown(kind)}; use one of {', '.join(DEPTHS)}")
    return baseline(GREYS, SIZE, channels) if kind == "deep" else Architecture(SIZE, GREYS, [Layer(8, 8, channels)])


def train_depths(
    out: str | Path,
    *,
    channels: Iterable[int] = CHANNELS,
    seeds: Iterable[int] = range(5),
    rates: Iterable[float] = RATES,
    epochs: int = 15,
    progress: bool = True,
) -> list[Record]:
    """Train the shallow and the deep networks that the file does not hold yet, and append their records to it.

    The networks differ in their windows alone. Every one reads a pixel through the same four templates, four grey
    values, which are not trained. So what is trained is exactly a CP or a Hierarchical Tucker decomposition. Stopped at
    any moment, the function goes on where it was when it is called again, and a run at most is lost.

    Args:
        out: the file of records.
        channels: C of every layer, several values.
        seeds: seeds of the initial weights. All networks see the same images in the same order.
        rates: learning rates of Adam.
        epochs: how often each training image is seen.
        progress: whether to draw a progress bar on stderr.

    Returns:
        All the records of these runs, including those that the file held before.

    Raises:
        ConvacError: if a number is out of range.
        DataError: if the file of records is damaged, or cannot be written.

    Source: talk, slide "Example: Efficiency of Depth". Chapter: *Convolutional arithmetic circuits*.

    >>> records = train_depths("results/digits-depth.jsonl")           # doctest: +SKIP
    """
    torch.set_num_threads(1)  # such small networks gain nothing from more, and one thread repeats bit for bit
    dataset, seeds, rates = digits(), list(seeds), list(rates)
    recorded = {run_key(record): record for record in read_records(out)}
    runs = [(depth_plan(kind, C), seed, rate) for C in channels for kind in DEPTHS for rate in rates for seed in seeds]
    found = []
    for plan, seed, rate in tqdm(runs, desc="depths", unit="model", disable=not progress):
        settings: Settings = {
            "epochs": epochs, "batch_size": 64, "learning_rate": rate, "augment": "none", "precision": "float32",
        }  # fmt: skip
        key = ("ConvAC", plan, dataset.digest, "none", epochs, 64, rate, 0, seed, "float32")
        if key not in recorded:
            recorded[key] = _train(plan, seed, dataset, settings)
            append_records(out, [recorded[key]])
        found.append(recorded[key])
    return found


def _train(plan: Architecture, seed: int, dataset: Dataset, settings: Settings) -> Record:
    greys = torch.linspace(-1, 1, GREYS).reshape(GREYS, 1, 1, 1)
    generator = torch.Generator().manual_seed(seed)
    representation = Templates(greys, width=2 / (GREYS - 1))  # the distance between two templates
    network = ConvAC(plan, len(dataset.classes), representation, normalized=True, generator=generator)
    training = Training(network, dataset, seed=0, **settings)
    while not training.is_over:
        training.run_epoch()
    return training.records([seed])[0]


def depth_rows(records: Iterable[Record]) -> list[DepthSummary]:
    """Summarize the runs of each network at the learning rate that suits it best: shallow before deep, by channels.

    Args:
        records: those that `train_depths` wrote.

    Raises:
        ConvacError: if there is no record, or one is of another network.

    Chapter: *Convolutional arithmetic circuits*.
    """
    groups: dict[tuple[str, int], dict[float, list[Record]]] = {}
    for record in records:
        kind = _kind_of(record)
        groups.setdefault(kind, {}).setdefault(record.learning_rate, []).append(record)
    if not groups:
        raise ConvacError("there is no record of depth; run train_depths first")
    order = sorted(groups, key=lambda group: (DEPTHS.index(group[0]), group[1]))
    return [_summary(kind, C, groups[kind, C]) for kind, C in order]


def _kind_of(record: Record) -> tuple[str, int]:
    """The kind and the channels of a record's network."""
    if plan := record.architecture:
        for kind in DEPTHS:
            if plan == depth_plan(kind, plan.channels[-1]):
                return kind, plan.channels[-1]
    raise ConvacError(f"the record of a {record.model} is of no network that train_depths trains; leave it out")


def _summary(kind: str, channels: int, by_rate: dict[float, list[Record]]) -> DepthSummary:
    rate = max(by_rate, key=lambda rate: fmean(record.train_accuracy for record in by_rate[rate]))
    runs = sorted(by_rate[rate], key=lambda record: record.weights_seed or 0)
    return DepthSummary(
        kind=kind,
        channels=channels,
        parameters=runs[0].parameters,
        learning_rate=rate,
        accuracies=tuple(record.train_accuracy for record in runs),
        test_accuracies=tuple(record.test_accuracy for record in runs),
    )
