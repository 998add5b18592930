"""Jobs: runs that differ by seed alone, trained side by side in one pass from one checkpoint.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import errno
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import astuple
from itertools import groupby
from pathlib import Path

import torch

from convac_lib.data.dataset import Dataset
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, DataError
from convac_lib.experiments.checkpoints import ELSEWHERE
from convac_lib.experiments.configs import RunConfig
from convac_lib.experiments.records import Record, read_records, run_key
from convac_lib.experiments.training import Training
from convac_lib.files import require_plain, telling
from convac_lib.networks.ensemble import Ensemble
from convac_lib.networks.models import ConvNet

NARROW = 8  # the most channels with which runs that differ by seed alone are trained side by side: wider gain nothing
TOGETHER = 32  # the most networks that are trained side by side


def jobs_of(configs: list[RunConfig], dataset: Dataset, out: str | Path) -> list[list[RunConfig]]:
    """Group the runs that the file does not hold yet into jobs, the longest first.

    Args:
        configs: the runs.
        dataset: the `Dataset`.
        out: the file of records.

    Raises:
        ConvacError: if there is no run.
        ArchitectureError: if the images are not square, or their side is not a power of two.
        DataError: if the file of records is damaged, or cannot be written.

    Chapter: *Experiments on standard ConvNets*.
    """
    if not configs:
        raise ConvacError("a sweep needs at least one run, and none was given")
    _require_common_case(dataset)
    require_writable(out)
    recorded = {run_key(record) for record in read_records(out)}
    missing = {key: config for config in configs if (key := config.key(dataset)) not in recorded}
    jobs = []
    for (wide, _), group in groupby(sorted(missing.values(), key=unseeded), key=unseeded):
        together, step = list(group), 1 if wide else TOGETHER
        jobs += [together[start : start + step] for start in range(0, len(together), step)]
    return sorted(jobs, key=lambda job: -len(job) * products_of(job[0], dataset))


def _require_common_case(dataset: Dataset) -> None:
    """Refuse images that are not halved down to one pixel."""
    height, width = dataset.train_images.shape[2:]
    side = 1 << min(height, width).bit_length() - 1 if min(height, width) else 0
    if height != width or side != height or side < 2:
        remedy = f"crop or resize them to {side}×{side}" if side > 1 else "use larger ones"
        raise ArchitectureError(
            f"the images of {dataset.source} are {width}×{height} pixels, and these networks read square images "
            f"whose side is a power of two of at least 2; {remedy}"
        )


def require_writable(out: str | Path) -> None:
    """Refuse a file of records that cannot be written, itself or its checkpoints; make nothing.

    Raises:
        DataError: if it cannot.
    """
    checkpoints = Path(f"{out}.checkpoints")
    if os.path.lexists(checkpoints) and not os.path.isdir(checkpoints):
        raise DataError(
            f"cannot write into {checkpoints}: it is not a folder; remove it, or name another file of records"
        )
    with telling("write", out):
        with suppress(FileNotFoundError):
            require_plain(os.stat(out))
        with suppress(FileNotFoundError):
            checkpoints.lstat()  # finds a name that is too long
        for path in (Path(out), checkpoints):
            existing = next(place for place in (path, *path.absolute().parents) if place.exists())
            if not os.access(existing, os.W_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def unseeded(config: RunConfig) -> tuple[bool, tuple[object, ...]]:
    """Whether a network is trained alone, and all of its configuration except the seed."""
    return config.channels > NARROW, (config.B, config.channels, *config.settings.values())


def products_of(config: RunConfig, dataset: Dataset) -> int:
    """The number of products that training takes per image, up to a factor common to all runs."""
    plan = config.architecture(dataset.train_images.shape[-1])
    products = sum(
        size**2 * layer.receptive_field**2 * layer.channels * channels
        for size, layer, channels in zip(plan.sizes, plan.layers, plan.channels)
        if layer.stride == 1
    )
    return config.epochs * products


def describe(job: list[RunConfig]) -> str:
    """A job in words.

    >>> describe([RunConfig(B=2, channels=4, seed=0), RunConfig(B=2, channels=4, seed=1)])
    'B = 2, C = 4, seed 0, 1'
    """
    return f"B = {job[0].B}, C = {job[0].channels}, seed " + ", ".join(str(config.seed) for config in job)


def build(config: RunConfig, dataset: Dataset) -> ConvNet:
    """Build the network of a run, with initial weights drawn from its seed.

    Chapter: *Experiments on standard ConvNets*.

    >>> from convac_lib.data.digits import digits
    >>> build(RunConfig(B=2, channels=4), digits()).in_channels
    1
    """
    _, in_channels, size, _ = dataset.train_images.shape
    generator = torch.Generator().manual_seed(config.seed)
    return ConvNet(config.architecture(size), len(dataset.classes), in_channels, generator=generator)


def checkpoint_of(job: list[RunConfig], dataset: Dataset, folder: str | Path) -> Path:
    """The checkpoint of a job, named by its runs and its data, so that no other job reads it."""
    words = repr([astuple(config) for config in job]) + dataset.digest
    return Path(folder) / f"{hashlib.sha256(words.encode()).hexdigest()[:16]}.safetensors"


def train_job(
    job: list[RunConfig],
    dataset: Dataset,
    folder: str | Path,
    on_progress: Callable[[int, str], object] = lambda epochs, words: None,
) -> list[Record]:
    """Train runs that differ by seed alone, side by side; resume from their checkpoint if there is one.

    Args:
        job: the runs.
        dataset: the `Dataset`.
        folder: the folder of the checkpoint.
        on_progress: called at the start, after every epoch, and at most once per second in between, with the number of
            finished epochs and a few words on the state.

    Returns:
        A `Record` of each run.

    Raises:
        BudgetError: if there is not enough memory.
        DataError: if the checkpoint is damaged, or cannot be read or written.

    Chapter: *Experiments on standard ConvNets*.
    """
    torch.set_num_threads(1)  # such small networks gain nothing from more, and one thread repeats bit for bit
    device = "cuda" if torch.cuda.is_available() else "cpu"
    checkpoint = checkpoint_of(job, dataset, folder)
    with telling("make", folder, otherwise=f"{ELSEWHERE} another folder", name=ELSEWHERE):
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    with _memory_errors_explained(job):
        networks = [build(config, dataset).to(device) for config in job]
        model = networks[0] if len(job) == 1 else Ensemble(networks)
        training = Training(model, dataset, seed=0, **job[0].settings)
        training.load(checkpoint)
        on_progress(len(training.losses), "")
        while not training.is_over:
            training.run_epoch(_every_second(training, on_progress))
            training.save(checkpoint)
            on_progress(len(training.losses), f"accuracy {max(training.accuracies[-1]):.1%}")
        return training.records([config.seed for config in job])


def _every_second(training: Training, on_progress: Callable[[int, str], object]) -> Callable[[], None]:
    """A function to be called after each step, which reports at most once per second."""
    step, steps, reported = 0, training.steps // training.epochs, time.monotonic()

    def advance() -> None:
        nonlocal step, reported
        step += 1
        if time.monotonic() - reported > 1:
            reported = time.monotonic()
            on_progress(len(training.losses), f"step {step} of {steps}")

    return advance


@contextmanager
def _memory_errors_explained(job: list[RunConfig]) -> Iterator[None]:
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        known = isinstance(error, MemoryError | torch.OutOfMemoryError)
        if not known and "allocate memory" not in str(error):  # torch raises a RuntimeError for the memory of a CPU
            raise
        raise BudgetError(
            f"there was not enough memory to train {describe(job)}; "
            "use fewer channels, a smaller batch size or fewer workers"
        ) from None
