"""How much memory and time a sweep takes, before it begins.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from heapq import nlargest
from math import prod

import torch

from convac_lib.budget import free_memory, largest, require_memory
from convac_lib.data.dataset import Dataset
from convac_lib.experiments.configs import RunConfig
from convac_lib.experiments.jobs import build, products_of
from convac_lib.experiments.machine import images_at_once
from convac_lib.experiments.training import EVALUATION_BATCH, Training

PROCESS = 400 * 2**20  # bytes of a process that has loaded torch
_TRIAL = 5 * 10**8  # products, which take well under a second

Shapes = tuple[torch.Size, torch.Size]


def shapes_of(dataset: Dataset) -> Shapes:
    """The shapes of the training and the test images, on which the memory for training depends."""
    return dataset.train_images.shape, dataset.test_images.shape


def require_room(jobs: list[list[RunConfig]], shapes: Shapes, workers: int = 1, *, start: bool = False) -> None:
    """Refuse jobs that need more memory than is free on this machine.

    Args:
        jobs: the jobs, as `jobs_of` makes them.
        shapes: the shapes of the training and the test images.
        workers: the number of jobs that are trained here at once.
        start: whether each worker is a new process, with its own copy of the data set.

    Raises:
        BudgetError: if the largest of them need more.

    Chapter: *Experiments on standard ConvNets*.
    """
    if not jobs:
        return
    counts = Counter((replace(job[0], seed=0), len(job)) for job in jobs)  # the seed needs no memory
    process = start * (PROCESS + 2 * sum(map(prod, shapes)))

    def needed(workers: int, shrink: Callable[[RunConfig], RunConfig] = lambda config: config) -> int:
        """The memory that this number of workers need for the largest jobs, each made smaller."""
        sizes: list[int] = []
        for (config, together), count in counts.items():
            sizes += [memory_of(shrink(config), together, shapes)] * min(count, workers)
        return workers * process + sum(nlargest(workers, sizes))

    def fits(workers: int, shrink: Callable[[RunConfig], RunConfig] = lambda config: config) -> bool:
        return needed(workers, shrink) <= free

    free = free_memory()
    widest, _ = max(counts, key=lambda kind: memory_of(kind[0], kind[1], shapes))
    smaller = []
    if count := largest(fits, workers - 1):
        smaller.append(f"use {count} workers" if count > 1 else "use 1 worker")
    if channels := largest(lambda most: fits(workers, lambda config: _at_most(config, channels=most)), widest.channels):
        smaller.append(f"use at most {channels:,} channels")
    elif B := largest(lambda most: fits(workers, lambda config: _at_most(config, B=most)), widest.B):
        smaller.append(f"use B = {B:,} or less")
    require_memory(
        needed(workers),
        f"training B = {widest.B:,} and C = {widest.channels:,}" + f" on {workers:,} workers" * (workers > 1),
        ", or ".join(smaller) or "use smaller images, or fewer",
    )


def _at_most(config: RunConfig, **limits: int) -> RunConfig:
    numbers = {name: min(getattr(config, name), limit) for name, limit in limits.items()}
    return replace(config, **numbers)


def memory_of(config: RunConfig, together: int, shapes: Shapes) -> int:
    """About how many bytes training takes, besides the process itself and the data set.

    That is 40 per weight (the weight, the two moments of Adam, and copies of all three while a checkpoint is written),
    20 per number in the largest output while a part of a batch is processed, 8 while the images are evaluated, and the
    memory of the augmentation. On a CPU it is within a factor of 2 of the measured memory.

    Args:
        config: the run.
        together: the number of such networks that are trained side by side.
        shapes: the shapes of the training and the test images.

    Chapter: *Experiments on standard ConvNets*.
    """
    (n, in_channels, size, _), (m, *_) = shapes
    blocks = size.bit_length() - 1  # with one convolution each
    weights = together * config.B**2 * config.channels * (in_channels + (blocks - 1) * config.channels)
    numbers = together * config.channels * size**2  # in the largest output, per image
    part, tested = min(images_at_once(numbers), config.batch_size, n), min(EVALUATION_BATCH, max(n, m))
    augmented = (50 if config.augment == "colour" else 8) * tested * in_channels * size**2
    return 2**27 + 40 * weights + (20 * part + 8 * tested) * numbers + augmented + n * in_channels * size**2


def seconds_of(jobs: list[list[RunConfig]], dataset: Dataset, workers: int = 1) -> float:
    """About how long jobs take on the CPUs of this machine, from a few steps of a smaller network like the longest.

    Args:
        jobs: the jobs, as `jobs_of` makes them, the longest first.
        dataset: the `Dataset`.
        workers: the number of jobs that are trained at once.

    Chapter: *Experiments on standard ConvNets*.
    """
    if not jobs:
        return 0.0
    longest = jobs[0][0]
    config = replace(longest, B=min(longest.B, 5), channels=min(longest.channels, 32), epochs=2)
    while (per_image := products_of(config, dataset) // 2) > _TRIAL and config.channels > 1:
        config = replace(config, channels=config.channels // 2)
    count = min(config.batch_size, max(1, _TRIAL // per_image), len(dataset.train_images))
    rate = _seconds_of_an_epoch(config, dataset, count) / (per_image * count)
    costs = [len(job) * products_of(job[0], dataset) * len(dataset.train_images) for job in jobs]
    return rate * max(costs[0], sum(costs) / workers)


def _seconds_of_an_epoch(config: RunConfig, dataset: Dataset, count: int) -> float:
    """The time of the second epoch, on the first images alone; the first one warms up."""
    images, labels, threads = dataset.train_images[:count], dataset.train_labels[:count], torch.get_num_threads()
    few = replace(dataset, train_images=images, train_labels=labels, test_images=images[:1], test_labels=labels[:1])
    try:
        torch.set_num_threads(1)
        training = Training(build(config, few), few, seed=0, **config.settings)
        training.run_epoch()
        warm_up = training.seconds
        training.run_epoch()
    finally:
        torch.set_num_threads(threads)
    return training.seconds - warm_up
