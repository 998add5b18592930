"""The sweep: every combination of B, channels and seed is trained once and recorded once, even after kills.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from convac_lib.data.dataset import Dataset
from convac_lib.errors import BudgetError, ConvacError
from convac_lib.experiments.configs import RunConfig
from convac_lib.experiments.estimates import require_room, shapes_of
from convac_lib.experiments.jobs import checkpoint_of, describe, jobs_of, train_job
from convac_lib.experiments.records import Record, append_records, read_records, run_key

if TYPE_CHECKING:
    from distributed import Client, Future

TOPIC = "convac sweep"


def sweep(
    configs: Iterable[RunConfig],
    dataset: Dataset,
    out: str | Path,
    *,
    client: "Client | None" = None,
    resources: dict[str, float] | None = None,
    progress: bool = True,
) -> list[Record]:
    """Train the runs that the file does not hold yet, the longest first, and append their records to it.

    Narrow networks that differ by seed alone are trained side by side. After every epoch a checkpoint is written into
    the folder `<out>.checkpoints`, so that a kill costs at most one epoch; it is removed once its records are on the
    disk. Several sweeps may write one file: each record is written once.

    Args:
        configs: the runs.
        dataset: the `Dataset`.
        out: the file of records.
        client: a Dask `Client`, each of whose workers trains one job at a time; if left out, this process trains. If a
            worker dies, another one takes over its job.
        resources: the resources that a worker must offer, such as {"GPU": 1}.
        progress: whether to draw a bar for the sweep and one for each job in training, on stderr.

    Returns:
        All the records of the runs, including those that the file held before.

    Raises:
        ConvacError: if there is no run, or a network cannot be trained.
        ArchitectureError: if the images are not square, or their side is not a power of two.
        BudgetError: if training needs more memory than is free.
        DataError: if the file of records is damaged, or cannot be written.

    Source: talk, slides "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.
    """
    configs, folder = list(configs), f"{out}.checkpoints"
    jobs = jobs_of(configs, dataset, out)
    keys = {config.key(dataset) for config in configs}
    done = len(keys) - sum(map(len, jobs))
    if client is None:
        require_room(jobs, shapes_of(dataset))
        trained = _here(jobs, dataset, folder, progress)
    else:
        trained = _on_workers(client, resources or {}, jobs, dataset, folder, progress)
    with tqdm(total=len(keys), initial=done, desc="sweep", unit="model", disable=not progress) as bar:
        for job, records in trained:
            append_records(out, records)
            checkpoint_of(job, dataset, folder).unlink(missing_ok=True)
            bar.update(len(job))
    return [record for record in read_records(out) if run_key(record) in keys]


Trained = Iterator[tuple[list[RunConfig], list[Record]]]


def _here(jobs: list[list[RunConfig]], dataset: Dataset, folder: str, progress: bool) -> Trained:
    """Train the jobs in this process, one after the other."""
    for job in jobs:
        with _bar(job, progress) as bar:
            yield job, train_job(job, dataset, folder, _shown_in(bar))


def _on_workers(
    client: "Client",
    resources: dict[str, float],
    jobs: list[list[RunConfig]],
    dataset: Dataset,
    folder: str,
    progress: bool,
) -> Trained:
    """Train the jobs on the workers of a Dask cluster, and yield each as it finishes."""
    from distributed import as_completed

    from convac_lib.experiments.dask_workers import KeepFreedMemory

    _require_resources(client, resources)
    _require_room_there(client, jobs, dataset)
    client.register_plugin(KeepFreedMemory())
    scattered = client.scatter(dataset, broadcast=True)  # type: ignore[no-untyped-call]  # distributed is typed in part
    bars: dict[int, tqdm[Any]] = {}

    def show(event: tuple[float, tuple[int, int, str]]) -> None:
        _, (number, epochs, words) = event
        if number not in bars:
            bars[number] = stack.enter_context(_bar(jobs[number], progress))
        _shown_in(bars[number])(epochs, words)

    with ExitStack() as stack:
        client.subscribe_topic(TOPIC, show)  # type: ignore[no-untyped-call]  # as above
        stack.callback(client.unsubscribe_topic, TOPIC)
        options = {"resources": resources or None, "pure": False}
        place = str(Path(folder).resolve())
        futures = {
            client.submit(_on_worker, number, job, scattered, place, priority=-number, **options): number
            for number, job in enumerate(jobs)
        }
        for future in as_completed(futures):  # type: ignore[no-untyped-call]  # as above
            number = futures[future]
            records = _records_of(future, jobs[number])
            if number in bars:
                bars.pop(number).close()
            yield jobs[number], records


def _records_of(future: "Future[list[Record]]", job: list[RunConfig]) -> list[Record]:
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except (KilledWorker, CancelledError):  # several workers died, or the last one that held the data
        raise BudgetError(
            f"every worker that trained {describe(job)} died, most likely for want of memory; "
            "use fewer channels or fewer workers, or run it again, and it resumes where it stopped"
        ) from None


def _require_resources(client: "Client", resources: dict[str, float]) -> None:
    """Refuse resources that no worker offers: the jobs would wait for ever."""
    offers = client.run(_offered).values()
    for name, amount in resources.items():
        if all(offer.get(name, 0) < amount for offer in offers):
            wanted = f"{name}={amount:g}"
            raise ConvacError(f"no worker offers {wanted}; start one by dask worker --resources {wanted}")


def _offered(dask_worker: Any) -> Any:
    return dask_worker.state.total_resources


def _require_room_there(client: "Client", jobs: list[list[RunConfig]], dataset: Dataset) -> None:
    """Compare, on the machine of every worker, the memory that the jobs need with what is free."""
    hosts: dict[str, list[str]] = defaultdict(list)
    for address in client.nthreads():  # type: ignore[no-untyped-call]  # as above
        hosts[address.rsplit(":", 1)[0]].append(address)
    for workers in hosts.values():
        client.run(require_room, jobs, shapes_of(dataset), len(workers), workers=workers[:1])


def _on_worker(number: int, job: list[RunConfig], dataset: Dataset, folder: str) -> list[Record]:
    from distributed import get_worker

    worker = get_worker()
    return train_job(job, dataset, folder, lambda *state: worker.log_event(TOPIC, (number, *state)))


def _bar(job: list[RunConfig], progress: bool) -> "tqdm[Any]":
    return tqdm(total=job[0].epochs, desc=describe(job), unit="epoch", leave=False, disable=not progress)


def _shown_in(bar: "tqdm[Any]") -> Callable[[int, str], None]:
    """A function that shows the number of finished epochs and a few words in a bar."""

    def show(epochs: int, words: str) -> None:
        bar.n = epochs
        bar.set_postfix_str(words)

    return show
