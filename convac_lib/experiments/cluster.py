"""Workers for a sweep: those of a Dask scheduler, or processes on this machine.

Taught in the chapter *The CIFAR-10 experiments*.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import psutil
import torch
from distributed import Client, LocalCluster, WorkerPlugin

from convac_lib.architecture import require_positive_integers
from convac_lib.errors import ConvacError
from convac_lib.experiments.training import keep_freed_memory

PATIENCE = 30  # seconds until a scheduler must have answered


@contextmanager
def workers(scheduler: str | None = None, count: int | None = None) -> Iterator[Client]:
    """Yield a Dask client, and let go of what was started when it is done with.

    Args:
        scheduler: the address of a Dask scheduler, such as "tcp://10.0.0.1:8786", whose workers are used.
        count: without a scheduler, the number of processes on this machine, each with one thread; if left out, one for
            each core, or one in all where a GPU is to be shared.

    Raises:
        ConvacError: if both are given, the count is out of range, or no scheduler answers.

    Source: Dask's `distributed`. Chapter: *The CIFAR-10 experiments*.
    """
    if scheduler is not None and count is not None:
        raise ConvacError("a scheduler has its own workers; give a scheduler or a number of workers, not both")
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE)
        except (OSError, ValueError) as error:
            raise ConvacError(
                f"no Dask scheduler answers at {scheduler}; start one by dask scheduler, and workers by dask worker"
            ) from error
        with client:
            yield client
        return
    if count is None:
        count = 1 if torch.cuda.is_available() else psutil.cpu_count(logical=False) or 1
    require_positive_integers(workers=count)
    resources = {"GPU": 1} if torch.cuda.is_available() else {}
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):  # it would stay in this process's environment
        local = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            resources=resources,
            dashboard_address=None,
            silence_logs=logging.ERROR,  # a worker that is slow to leave is nobody's concern
        )
    with local as cluster, Client(cluster) as client:
        yield client


class KeepFreedMemory(WorkerPlugin):
    """Has every worker keep freed memory, before it starts the thread that trains; Dask's own setting gives all back."""

    def setup(self, worker) -> None:
        keep_freed_memory()
