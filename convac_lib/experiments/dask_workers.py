"""Workers for a sweep: those of a Dask scheduler, or processes on this machine.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import dask
import psutil
import torch
from distributed import Client, LocalCluster, Worker, WorkerPlugin

from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError
from convac_lib.experiments.machine import keep_freed_memory

PATIENCE = 30  # seconds until a scheduler must have answered


@contextmanager
def workers(scheduler: str | None = None, count: int | None = None) -> Iterator[Client]:
    """Yield a Dask client, and close what it started on exit.

    Args:
        scheduler: the address of a Dask scheduler, such as `tcp://10.0.0.1:8786`, whose workers are used.
        count: without a scheduler, the number of processes on this machine, each with one thread; if left out, one per
            core, or one in total if there is a GPU to share.

    Raises:
        ConvacError: if both are given, one of them is malformed, no scheduler answers, or it has no workers.

    Source: Dask's `distributed`. Chapter: *Experiments on standard ConvNets*.
    """
    require_workers(scheduler, count)
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=PATIENCE)  # type: ignore[no-untyped-call]  # distributed is typed in part
        except (OSError, ValueError) as error:
            raise ConvacError(
                f"no Dask scheduler answers at {scheduler}; start one by dask scheduler, and workers by dask worker"
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=PATIENCE)
            except TimeoutError:
                raise ConvacError(
                    f"the scheduler at {scheduler} has no workers; start some by dask worker {scheduler}"
                ) from None
            yield client
        return
    resources = {"GPU": 1} if torch.cuda.is_available() else {}
    with dask.config.set({"distributed.nanny.pre-spawn-environ": {}}):  # it would stay in this process
        local = LocalCluster(  # type: ignore[no-untyped-call]  # as above
            n_workers=usual_count() if count is None else count,
            threads_per_worker=1,
            memory_limit=0,  # no limit: a sweep compares what it needs with what is free before it begins
            resources=resources,
            dashboard_address="127.0.0.1:0",  # any free port, for health checks alone
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.CRITICAL,  # an error on a worker is raised here, and reported once
        )
    with local as cluster, Client(cluster) as client:  # type: ignore[no-untyped-call]  # as above
        yield client


def require_workers(scheduler: str | None, count: int | None, gpu: bool = False) -> None:
    """Refuse impossible workers before any is started or asked.

    Args:
        scheduler: as for `workers`.
        count: as for `workers`.
        gpu: whether only workers with a GPU are to train.

    Raises:
        ConvacError: if both are given, one of them is malformed, or this machine has no GPU.
    """
    if scheduler is not None and count is not None:
        raise ConvacError("a scheduler has its own workers; give a scheduler or a number of workers, not both")
    if scheduler is not None:
        match = re.fullmatch(r"(\w+://)?([^\s:/]+|\[[\da-fA-F:]+\]):(\d{1,5})", scheduler)
        if not match or not 0 < int(match[3]) < 2**16:
            raise ConvacError(f"a scheduler's address is tcp://HOST:PORT, as in tcp://10.0.0.1:8786, not {scheduler!r}")
    elif gpu and not torch.cuda.is_available():
        raise ConvacError(
            "torch finds no GPU on this machine; leave out --gpu, or give a --scheduler whose workers have one"
        )
    if count is not None:
        require_integers(workers=count)


def usual_count() -> int:
    """The default number of processes on this machine: one per core, or one in total if there is a GPU."""
    return 1 if torch.cuda.is_available() else psutil.cpu_count(logical=False) or 1


class KeepFreedMemory(WorkerPlugin):
    """Make every worker keep freed memory before it starts the thread that trains; Dask's default returns all."""

    def setup(self, worker: Worker) -> None:
        keep_freed_memory()
