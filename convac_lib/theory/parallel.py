"""Long work: what a stage of it shows while it runs, and how its threads stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context

import numpy as np
import psutil
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

BLAS = ThreadpoolController().select(user_api="blas")
Watcher = Callable[[tuple[str, int, int] | None], object]
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Tell a function of every step of the long work that this thread does in the body.

    Args:
        watcher: called after every step with the stage's name, the units done and the units in all; and with None amid
            a step, also from other threads. An error that it raises ends the work, as Ctrl-C does.

    Returns:
        A context manager.

    >>> with watched(print), stage("adding", 3, "number", shown=False) as advance:
    ...     advance(2)
    ('adding', 2, 3)
    """
    token = _WATCHER.set(watcher)
    try:
        yield
    finally:
        _WATCHER.reset(token)


def look_up() -> None:
    """Let the watcher end the work here, amid a step.

    >>> with watched(print):
    ...     look_up()
    None
    """
    if watcher := _WATCHER.get():
        watcher(None)


class _Bar(tqdm):
    """A progress bar that also shows the memory in which the whole process resides."""

    @property
    def format_dict(self):
        return super().format_dict | {"memory": f"{psutil.Process().memory_info().rss / 2**30:.2f} GiB"}


@contextmanager
def stage(name: str, total: int, unit: str, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Show one stage of long work on stderr: its name, how much is done, the time it takes and the process's memory.

    Args:
        name: of the stage.
        total: units to be done; all count as done at the end, unless an error ends the stage.
        unit: what is counted.
        shown: whether to show anything.

    Returns:
        A context manager of a function, to be told how many units more are done.

    >>> with stage("adding", 3, "number", shown=False) as advance:
    ...     for number in range(3):
    ...         advance(1)
    """
    form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {unit}s [{elapsed}<{remaining}, {memory}]"
    watcher, done = _WATCHER.get(), 0
    with _Bar(total=total, desc=name, unit=unit, bar_format=form, disable=not shown) as bar:

        def advance(units: int) -> None:
            nonlocal done
            bar.update(units)
            done += units
            if watcher:
                watcher((name, done, total))

        yield advance
        bar.update(bar.total - bar.n)


def available_threads() -> int:
    """Count the threads that NumPy's BLAS would take: one a core, or what OMP_NUM_THREADS or threadpoolctl allow.

    >>> available_threads() >= 1
    True
    """
    return max((library["num_threads"] for library in BLAS.info()), default=os.cpu_count())


class _OneThreadOfBlas:
    """Limit BLAS to one thread while any thread asks for it: the first to come sets the limit, the last restores it."""

    def __init__(self) -> None:
        self.lock, self.holders = threading.Lock(), 0

    def __enter__(self) -> None:
        with self.lock:
            if not self.holders:
                self.limit = BLAS.limit(limits=1)
            self.holders += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.holders -= 1
            if not self.holders:
                self.limit.restore_original_limits()


ONE_THREAD_OF_BLAS = _OneThreadOfBlas()


class _Pool(ThreadPoolExecutor):
    """Hands its work out uninterrupted: Ctrl-C amid one of the executor's locks would leave it shut, and hang the end."""

    def submit(self, function, /, *arguments, **options):
        return super().submit(copy_context().run, function, *arguments, **options)  # the watcher goes along

    def map(self, *arguments, **options):
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
            return super().map(*arguments, **options)
        held = []
        before = signal.signal(signal.SIGINT, lambda *interrupt: held.append(interrupt))
        try:
            return super().map(*arguments, **options)
        finally:
            signal.signal(signal.SIGINT, before)
            if held:
                signal.raise_signal(signal.SIGINT)


@contextmanager
def workers(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that take whole parts of the work each; BLAS's own would only wait for one another.

    An error or Ctrl-C in the body waits for the parts in hand, and drops those in the queue.

    Args:
        threads: how many.

    Returns:
        A context manager of a `ThreadPoolExecutor`.

    >>> with workers(2) as pool:
    ...     sum(pool.map(abs, [3, -4]))
    7
    """
    np.empty(2**25 - 2**13, np.int8)  # freed at once: glibc then keeps the memory that parts free, thrice as fast
    with ONE_THREAD_OF_BLAS:
        pool = _Pool(threads)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
