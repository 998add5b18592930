"""The sweep: every B, number of channels and seed, trained once and recorded once, whatever stops it.

Taught in the chapter *The CIFAR-10 experiments*.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import astuple, dataclass, replace
from itertools import groupby, product
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tqdm.auto import tqdm

from convac_lib.architecture import Architecture, common_case
from convac_lib.experiments.data import Dataset
from convac_lib.experiments.records import Record, append_records, question_of, read_records
from convac_lib.experiments.training import Training
from convac_lib.networks.models import ConvNet
from convac_lib.networks.side_by_side import SideBySide

if TYPE_CHECKING:
    from distributed import Client

NARROW = 8  # channels up to which networks that differ by seed alone are trained side by side: wider ones gain nothing


@dataclass(frozen=True, order=True)
class Point:
    """One network to train: the experiments' ConvNet with B×B convolutions.

    Args:
        B: the convolutions' receptive field.
        channels: C, of every layer.
        seed: of the first weights. All networks see the same images, augmented alike, in the same order.
        augment: "none", "spatial" or "colour".
        epochs: how often each training image is seen.
        batch_size: images a step.
        learning_rate: Adam's.
        precision: "float32" or "bfloat16".

    Chapter: *The CIFAR-10 experiments*.

    >>> Point(B=3, channels=64).architecture(size=32).parameters
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

    def architecture(self, size: int) -> Architecture:
        """The common case with this B and C, for images of size×size pixels."""
        return common_case(self.B, M=1, size=size, channels=self.channels)

    def question(self, dataset: Dataset) -> tuple:
        """What a record that answers this point says it was asked, as `records.question_of` does."""
        asked = self.augment, self.epochs, self.batch_size, self.learning_rate, 0, self.seed, self.precision
        return "ConvNet", self.architecture(dataset.train_images.shape[-1]), dataset.digest, *asked


def points_of(B: Iterable[int], channels: Iterable[int], seeds: Iterable[int], **settings) -> list[Point]:
    """Every combination of B, channels and seed, with the same settings.

    >>> len(points_of(B=[1, 2], channels=[8, 16, 32], seeds=[0, 1], epochs=12))
    12
    """
    return [Point(b, C, seed, **settings) for b, C, seed in product(B, channels, seeds)]


def sweep(
    points: Iterable[Point],
    dataset: Dataset,
    out: str | Path,
    *,
    client: "Client | None" = None,
    resources: dict[str, float] | None = None,
    progress: bool = True,
) -> list[Record]:
    """Train the points that the file does not answer yet, the longest first, and append their records to it.

    Narrow networks that differ by seed alone are trained side by side. After every epoch a checkpoint is written into
    the folder `<out>.checkpoints`, so that a kill costs at most an epoch; it is removed once its record is on the disk.
    Several sweeps may write one file: nothing is lost, and nothing doubled.

    Args:
        points: what to train.
        dataset: the `Dataset`.
        out: the file of records.
        client: a Dask `Client` whose workers train, each a point at a time; if left out, this process does. A point whose
            worker dies is given to another.
        resources: what a worker must offer, such as {"GPU": 1}.
        progress: whether to draw a bar for the sweep and one for each model that is being trained, on stderr.

    Returns:
        All the records that answer the points, also those that were there.

    Raises:
        ConvacError: if a point cannot be built or trained.
        DataError: if the file of records is damaged or cannot be written.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *The CIFAR-10 experiments*.
    """
    questions = {point.question(dataset): point for point in points}
    answered = {question_of(record) for record in read_records(out)}
    missing = [point for question, point in questions.items() if question not in answered]
    jobs, done = _jobs(missing, dataset), len(questions) - len(missing)
    with tqdm(total=len(questions), initial=done, desc="sweep", unit="model", disable=not progress) as bar:
        run = _here if client is None else _on_workers(client, resources)
        for job, records in run(jobs, dataset, f"{out}.checkpoints", progress):
            append_records(out, records)
            checkpoint_of(job, dataset, f"{out}.checkpoints").unlink(missing_ok=True)
            bar.update(len(job))
    return [record for record in read_records(out) if question_of(record) in questions]


def train_points(
    job: list[Point], dataset: Dataset, folder: str | Path, report: Callable[[int, str], object] = lambda *_: None
) -> list[Record]:
    """Train points that differ by seed alone, side by side, from their checkpoint on if there is one.

    Args:
        job: the points.
        dataset: the `Dataset`.
        folder: where the checkpoint is, or will be.
        report: called with the number of epochs done, and words on how it stands, at the start and after every epoch.

    Returns:
        A `Record` for each point.
    """
    torch.set_num_threads(1)  # networks as small as these only wait for more, and one thread repeats its digits
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = [build(point, dataset).to(device) for point in job]
    settings = {
        name: getattr(job[0], name) for name in ("epochs", "batch_size", "learning_rate", "augment", "precision")
    }
    training = Training(networks[0] if len(job) == 1 else SideBySide(networks), dataset, seed=0, **settings)
    checkpoint = checkpoint_of(job, dataset, folder)
    checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):  # none yet; or another sweep has just finished this job
        training.load(checkpoint)
    report(len(training.losses), "")
    while not training.is_over:
        training.run_epoch()
        training.save(checkpoint)
        report(len(training.losses), f"accuracy {max(training.accuracies[-1]):.1%}")
    return training.records([point.seed for point in job])


def build(point: Point, dataset: Dataset) -> ConvNet:
    """The point's network, its weights drawn by its seed.

    >>> from convac_lib.experiments.data import digits
    >>> build(Point(B=2, channels=4), digits()).in_channels
    1
    """
    _, in_channels, size, _ = dataset.train_images.shape
    generator = torch.Generator().manual_seed(point.seed)
    return ConvNet(point.architecture(size), len(dataset.classes), in_channels, generator=generator)


def checkpoint_of(job: list[Point], dataset: Dataset, folder: str | Path) -> Path:
    """Where the checkpoint of a job is kept: a name for every question, so that no other training ever reads it."""
    words = repr([astuple(point) for point in job]) + dataset.digest
    return Path(folder) / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.safetensors"


def _jobs(points, dataset):
    """Points grouped into what is trained in one pass, the longest first."""
    jobs = []
    for (alone, _), group in groupby(sorted(points, key=_unseeded), key=_unseeded):
        together = list(group)
        jobs += [[point] for point in together] if alone else [together]
    return sorted(jobs, key=lambda job: -sum(_cost(point, dataset) for point in job))


def _unseeded(point):
    return point.channels > NARROW, astuple(replace(point, seed=0))


def _cost(point, dataset):
    """Products a training takes, up to a factor common to all."""
    plan = point.architecture(dataset.train_images.shape[-1])
    products = sum(
        size**2 * layer.receptive_field**2 * layer.channels * channels
        for size, layer, channels in zip(plan.sizes, plan.layers, plan.channels)
        if layer.stride == 1
    )
    return point.epochs * products


def _here(jobs, dataset, folder, progress):
    for job in jobs:
        with _bar(job, progress) as bar:
            yield job, train_points(job, dataset, folder, lambda epoch, words: _show(bar, epoch, words))


def _on_workers(client, resources):
    """The same by a Dask cluster, as its workers finish."""
    from distributed import as_completed

    from convac_lib.experiments.cluster import KeepFreedMemory

    def run(jobs, dataset, folder, progress) -> Iterator[tuple[list[Point], list[Record]]]:
        client.register_plugin(KeepFreedMemory())
        given = client.scatter(dataset, broadcast=True)
        with ExitStack() as bars:
            shown = {}

            def show(event):
                _, (number, epoch, words) = event
                if number not in shown:
                    shown[number] = bars.enter_context(_bar(jobs[number], progress))
                _show(shown[number], epoch, words)

            client.subscribe_topic(TOPIC, show)
            futures = {
                client.submit(
                    _on_worker, number, job, given, str(Path(folder).resolve()),
                    priority=-number, resources=resources, pure=False,
                ): number
                for number, job in enumerate(jobs)
            }  # fmt: skip
            for future, records in as_completed(futures, with_results=True):
                number = futures[future]
                if number in shown:
                    shown.pop(number).close()
                yield jobs[number], records
            client.unsubscribe_topic(TOPIC)

    return run


TOPIC = "convac sweep"


def _on_worker(number, job, dataset, folder):
    from distributed import get_worker

    worker = get_worker()
    return train_points(job, dataset, folder, lambda *state: worker.log_event(TOPIC, (number, *state)))


def _bar(job, progress):
    names = f"B = {job[0].B}, C = {job[0].channels}, seed " + ", ".join(str(point.seed) for point in job)
    return tqdm(total=job[0].epochs, desc=names, unit="epoch", leave=False, disable=not progress)


def _show(bar, epoch, words):
    bar.n = epoch
    bar.set_postfix_str(words)
