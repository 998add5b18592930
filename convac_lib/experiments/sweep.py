"""The sweep: every B, number of channels and seed, trained once and recorded once, whatever stops it.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import errno
import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from functools import cache
from heapq import nlargest
from itertools import groupby, product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch
from tqdm.auto import tqdm

from convac_lib.architecture import Architecture, common_case
from convac_lib.budget import require_memory
from convac_lib.checks import require_integers
from convac_lib.data.dataset import Dataset, remedy_of
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, DataError
from convac_lib.experiments.records import Record, append_records, question_of, read_records
from convac_lib.experiments.training import (
    EVALUATION_BATCH,
    INTO,
    LARGEST,
    Training,
    piece_of,
    require_settings,
)
from convac_lib.networks.ensemble import SideBySide
from convac_lib.networks.models import ConvNet

if TYPE_CHECKING:
    from distributed import Client

NARROW = 8  # channels up to which networks that differ by seed alone are trained side by side: wider ones gain nothing
TOGETHER = 32  # the most networks that are
MOST = 10**6  # points in a sweep
PROCESS = 400 * 2**20  # bytes of one that has loaded torch
_TRIAL = 5 * 10**8  # products, which take well under a second


@dataclass(frozen=True, order=True)
class Point:
    """One network to train: the experiments' ConvNet with B×B convolutions.

    Args:
        B: the convolutions' receptive field.
        channels: C, of every layer.
        seed: of the initial weights. All networks see the same images, augmented alike, in the same order.
        augment: "none", "spatial" or "colour".
        epochs: how often each training image is seen.
        batch_size: images per step.
        learning_rate: Adam's.
        precision: "float32" or "bfloat16".

    Raises:
        ConvacError: if a number or a word is out of range.

    Chapter: *Experiments on standard ConvNets*.

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

    def __post_init__(self):
        require_integers(most=LARGEST, B=self.B, channels=self.channels)
        require_integers(least=0, most=LARGEST, seed=self.seed)
        require_settings(**self.settings)

    @property
    def settings(self) -> dict[str, int | float | str]:
        """How it is trained, as `Training` takes it."""
        return {name: getattr(self, name) for name in SETTINGS}

    def architecture(self, size: int) -> Architecture:
        """The common case with this B and C, for images of size×size pixels."""
        return _architecture(self.B, self.channels, size)

    def question(self, dataset: Dataset) -> tuple:
        """What a record that answers this point says it was asked, as `records.question_of` does."""
        asked = self.augment, self.epochs, self.batch_size, self.learning_rate, 0, self.seed, self.precision
        return "ConvNet", self.architecture(dataset.train_images.shape[-1]), dataset.digest, *asked


SETTINGS = ("epochs", "batch_size", "learning_rate", "augment", "precision")


@cache
def _architecture(B, channels, size):
    return common_case(B, M=1, size=size, channels=channels)


def points_of(B: Iterable[int], channels: Iterable[int], seeds: Iterable[int], **settings) -> list[Point]:
    """Every combination of B, channels and seed, once, with the same settings.

    Raises:
        ConvacError: if there is none, there are too many, or a number or a word is out of range.

    Chapter: *Experiments on standard ConvNets*.

    >>> len(points_of(B=[1, 2], channels=[8, 16, 32], seeds=[0, 1], epochs=12))
    12
    """
    values = {"B": B, "channels": channels, "seeds": seeds}
    for name, given in values.items():
        if not isinstance(given, Iterable):
            raise ConvacError(f"{name} must be a list of integers, as in [{given!r}], not {given!r}")
        values[name] = list(dict.fromkeys(given))
        if not values[name]:
            raise ConvacError(f"a sweep needs at least one value of {name}, and none was given")
    if (count := prod(map(len, values.values()))) > MOST:
        raise BudgetError(f"a sweep trains at most {MOST:,} networks, and these are {count:,}; split it")
    return [Point(b, C, seed, **settings) for b, C, seed in product(*values.values())]


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
        ConvacError: if there is no point, or a network cannot be trained.
        ArchitectureError: if the images are not square, or their side is not a power of two.
        BudgetError: if training needs more memory than is free.
        DataError: if the file of records is damaged, or cannot be written.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.
    """
    points = list(points)
    jobs = jobs_of(points, dataset, out)
    if client is None:
        require_room(jobs, shapes_of(dataset))
    questions = {point.question(dataset) for point in points}
    done = len(questions) - sum(map(len, jobs))
    with tqdm(total=len(questions), initial=done, desc="sweep", unit="model", disable=not progress) as bar:
        run = _here if client is None else _on_workers(client, resources)
        for job, records in run(jobs, dataset, f"{out}.checkpoints", progress):
            append_records(out, records)
            checkpoint_of(job, dataset, f"{out}.checkpoints").unlink(missing_ok=True)
            bar.update(len(job))
    return [record for record in read_records(out) if question_of(record) in questions]


def shapes_of(dataset: Dataset) -> tuple[torch.Size, torch.Size]:
    """Of the training and the test images, which is all that the memory for training depends on."""
    return dataset.train_images.shape, dataset.test_images.shape


def require_writable(out: str | Path) -> None:
    """Refuse a file of records that cannot be written, itself or its checkpoints; nothing is made.

    Raises:
        DataError: if it cannot.
    """
    checkpoints, another = Path(f"{out}.checkpoints"), "name another file of records"
    if os.path.lexists(out) and not os.path.isfile(out):
        raise DataError(f"cannot write {out}: it is not a regular file; {another}")
    if os.path.lexists(checkpoints) and not os.path.isdir(checkpoints):
        raise DataError(f"cannot write into {checkpoints}: it is not a folder; remove it, or {another}")
    try:
        with suppress(FileNotFoundError):
            checkpoints.lstat()  # finds a name that is too long, or a file among the folders
        for path in (Path(out), checkpoints):
            there = next(place for place in (path, *path.absolute().parents) if place.exists())
            if not os.access(there, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}; {remedy_of(error, INTO)}") from None


def jobs_of(points: list[Point], dataset: Dataset, out: str | Path) -> list[list[Point]]:
    """What the file does not answer yet, grouped into what is trained in one pass, the longest first.

    Raises:
        ConvacError: if there is no point.
        ArchitectureError: if the images are not square, or their side is not a power of two.
        DataError: if the file of records is damaged, or cannot be written.
    """
    if not points:
        raise ConvacError("a sweep needs at least one point, and none was given")
    _require_common_case(dataset)
    require_writable(out)
    answered = {question_of(record) for record in read_records(out)}
    missing = {question: point for point in points if (question := point.question(dataset)) not in answered}
    jobs = []
    for (alone, _), group in groupby(sorted(missing.values(), key=_unseeded), key=_unseeded):
        together, step = list(group), 1 if alone else TOGETHER
        jobs += [together[start : start + step] for start in range(0, len(together), step)]
    return sorted(jobs, key=lambda job: -len(job) * _cost(job[0], dataset))


def _require_common_case(dataset):
    """The networks halve square images down to one pixel."""
    height, width = dataset.train_images.shape[2:]
    side = 1 << min(height, width).bit_length() - 1 if min(height, width) else 0
    if height != width or side != height or side < 2:
        remedy = f"crop or resize them to {side}×{side}" if side > 1 else "use larger ones"
        raise ArchitectureError(
            f"the images of {dataset.source} are {width}×{height} pixels, and these networks read square images "
            f"whose side is a power of two of at least 2; {remedy}"
        )


def require_room(
    jobs: list[list[Point]], shapes: tuple[torch.Size, torch.Size], workers: int = 1, *, start: bool = False
) -> None:
    """Refuse jobs that need more memory than is free on this machine.

    Args:
        jobs: as `jobs_of` makes them.
        shapes: of the training and the test images.
        workers: how many jobs are trained here at once.
        start: whether each is given a process of its own, with the data set.

    Raises:
        BudgetError: if the largest of them need more.
    """
    alike = defaultdict(list)
    for job in jobs:
        alike[_unseeded(job[0]), len(job)].append(job[0])
    counts = {(points[0], together): len(points) for (_, together), points in alike.items()}
    process = start * (PROCESS + 2 * sum(map(prod, shapes)))

    def needed(workers=workers, **least):
        """By so many workers, no number of a point being larger than the least that is given for it."""
        largest = []
        for (point, together), count in counts.items():
            point = replace(point, **{name: min(getattr(point, name), value) for name, value in least.items()})
            largest += [memory_of(point, together, shapes)] * min(count, workers)
        return workers * process + sum(nlargest(workers, largest))

    if not jobs:
        return
    free = psutil.virtual_memory().available
    widest = max(counts, key=lambda kind: memory_of(*kind, shapes))[0]
    smaller = []
    if count := _most(lambda count: needed(count) <= free, workers - 1):
        smaller.append(f"use {count} workers" if count > 1 else "use 1 worker")
    if channels := _most(lambda channels: needed(channels=channels) <= free, widest.channels):
        smaller.append(f"use at most {channels:,} channels")
    elif B := _most(lambda B: needed(B=B) <= free, widest.B):
        smaller.append(f"use B = {B:,} or less")
    require_memory(
        needed(),
        f"training B = {widest.B:,} and C = {widest.channels:,}" + f" on {workers:,} workers" * (workers > 1),
        ", or ".join(smaller) or "use smaller images, or fewer",
    )


def memory_of(point: Point, together: int, shapes: tuple[torch.Size, torch.Size]) -> int:
    """About how many bytes training takes, beyond the process itself and the data set.

    That is 40 for every weight (itself, Adam's two moments, and both again in other forms as a checkpoint is written),
    20 for every number in the largest output as a piece of a batch goes through, 8 as the images are evaluated, and what
    augmentation takes. On a CPU it is within a factor of 2 of what was measured.

    Args:
        point: the network.
        together: how many such networks are trained side by side.
        shapes: of the training and the test images.
    """
    (n, in_channels, size, _), (m, *_) = shapes
    blocks = size.bit_length() - 1  # a convolution each
    weights = together * point.B**2 * point.channels * (in_channels + (blocks - 1) * point.channels)
    numbers = together * point.channels * size**2  # in the largest output, for each image
    piece, tested = min(piece_of(numbers), point.batch_size, n), min(EVALUATION_BATCH, max(n, m))
    drawn = (50 if point.augment == "colour" else 8) * tested * in_channels * size**2
    return 2**27 + 40 * weights + (20 * piece + 8 * tested) * numbers + drawn + n * in_channels * size**2


def _most(fits, limit):
    """The largest number up to the limit that fits, if every smaller one does; 0 if none does."""
    low, high = 0, limit + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def seconds_of(jobs: list[list[Point]], dataset: Dataset, workers: int = 1) -> float:
    """About how long jobs take on this machine's CPUs, from a few steps of a small network like the longest."""
    if not jobs:
        return 0.0
    threads, longest = torch.get_num_threads(), jobs[0][0]
    point = replace(longest, B=min(longest.B, 5), channels=min(longest.channels, 32), epochs=2)
    while (per_image := _cost(point, dataset) // 2) > _TRIAL and point.channels > 1:
        point = replace(point, channels=point.channels // 2)
    some = slice(min(point.batch_size, max(1, _TRIAL // per_image)))
    images, labels = dataset.train_images[some], dataset.train_labels[some]
    few = replace(dataset, train_images=images, train_labels=labels, test_images=images[:1], test_labels=labels[:1])
    try:
        torch.set_num_threads(1)
        training = Training(build(point, few), few, seed=0, **point.settings)
        training.run_epoch()
        warm_up = training.seconds
        training.run_epoch()
    finally:
        torch.set_num_threads(threads)
    rate = (training.seconds - warm_up) / (per_image * len(images))
    costs = [len(job) * _cost(job[0], dataset) * len(dataset.train_images) for job in jobs]
    return rate * max(costs[0], sum(costs) / workers)


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
    checkpoint = checkpoint_of(job, dataset, folder)
    try:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make {folder}: {error.strerror}; {remedy_of(error, INTO)}") from None
    with _memory_told(job):
        networks = [build(point, dataset).to(device) for point in job]
        model = networks[0] if len(job) == 1 else SideBySide(networks)
        training = Training(model, dataset, seed=0, **job[0].settings)
        with suppress(FileNotFoundError):  # none yet; or another sweep has just finished this job
            training.load(checkpoint)
        report(len(training.losses), "")
        while not training.is_over:
            training.run_epoch(_steps_told(training, report))
            training.save(checkpoint)
            report(len(training.losses), f"accuracy {max(training.accuracies[-1]):.1%}")
        return training.records([point.seed for point in job])


def _steps_told(training, report):
    """Called after every step, reports at most once a second."""
    step, steps, told = 0, training.steps // training.epochs, time.monotonic()

    def advance():
        nonlocal step, told
        step += 1
        if time.monotonic() - told > 1:
            told = time.monotonic()
            report(len(training.losses), f"step {step} of {steps}")

    return advance


@contextmanager
def _memory_told(job):
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)  # torch has none for a CPU's memory
        if not known and "allocate memory" not in str(error):
            raise
        raise BudgetError(
            f"there was not enough memory to train {_words(job)}; use fewer channels, a smaller batch size or fewer workers"
        ) from None


def build(point: Point, dataset: Dataset) -> ConvNet:
    """The point's network, its weights drawn by its seed.

    >>> from convac_lib.data.dataset import digits
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


def _unseeded(point):
    return point.channels > NARROW, (point.B, point.channels, *point.settings.values())


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
    from distributed import CancelledError, KilledWorker, as_completed

    from convac_lib.experiments.dask_workers import KeepFreedMemory

    def run(jobs, dataset, folder, progress) -> Iterator[tuple[list[Point], list[Record]]]:
        _require_resources(client, resources)
        _require_room_there(client, jobs, dataset)
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
            bars.callback(client.unsubscribe_topic, TOPIC)
            for future in as_completed(futures):
                number = futures[future]
                try:
                    records = future.result()
                except (KilledWorker, CancelledError):  # several have died at it, or the last one that had the data
                    raise BudgetError(
                        f"every worker that trained {_words(jobs[number])} died, most likely for want of memory; "
                        "use fewer channels or fewer workers, or run it again, and it goes on where it was"
                    ) from None
                if number in shown:
                    shown.pop(number).close()
                yield jobs[number], records

    return run


def _require_resources(client, resources):
    """Jobs that no worker may take would wait for ever."""
    offered = client.run(_offered).values()
    for name, amount in (resources or {}).items():
        if all(offer.get(name, 0) < amount for offer in offered):
            wanted = f"{name}={amount:g}"
            raise ConvacError(f"no worker offers {wanted}; start one by dask worker --resources {wanted}")


def _offered(dask_worker):
    return dask_worker.state.total_resources


def _require_room_there(client, jobs, dataset):
    """Ask the machine of every worker whether the jobs fit."""
    hosts = defaultdict(list)
    for address in client.nthreads():
        hosts[address.rsplit(":", 1)[0]].append(address)
    for workers in hosts.values():
        client.run(require_room, jobs, shapes_of(dataset), len(workers), workers=workers[:1])


TOPIC = "convac sweep"


def _on_worker(number, job, dataset, folder):
    from distributed import get_worker

    worker = get_worker()
    return train_points(job, dataset, folder, lambda *state: worker.log_event(TOPIC, (number, *state)))


def _bar(job, progress):
    return tqdm(total=job[0].epochs, desc=_words(job), unit="epoch", leave=False, disable=not progress)


def _words(job):
    return f"B = {job[0].B}, C = {job[0].channels}, seed " + ", ".join(str(point.seed) for point in job)


def _show(bar, epoch, words):
    bar.n = epoch
    bar.set_postfix_str(words)
