"""Long computations: what a stage shows while it runs, and how its threads stop."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import Any, TypeVar

import numpy as np
import psutil
from threadpoolctl import ThreadpoolController
from tqdm.auto import tqdm

T = TypeVar("T")
BLAS = ThreadpoolController().select(user_api="blas")
Watcher = Callable[[tuple[str, int, int] | None], object]
_WATCHER: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watched(watcher: Watcher) -> Iterator[None]:
    """Report every step of the long computations that this thread runs in the body to a function.

    Args:
        watcher: called after every step with the stage's name, the units done and all units, and called with None
            during a step, possibly from other threads. An error that it raises ends the computation, as Ctrl-C does.

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


def poll_watcher() -> None:
    """Let the watcher end the computation here, during a step.

    >>> with watched(print):
    ...     poll_watcher()
    None
    """
    if watcher := _WATCHER.get():
        watcher(None)


class _Bar(tqdm):  # type: ignore[type-arg]  # tqdm is generic in its stubs alone, not when the program runs
    """A progress bar that also shows the resident memory of the process."""

    @property
    def format_dict(self) -> dict[str, Any]:
        """What `bar_format` may name."""
        return {**super().format_dict, "memory": f"{psutil.Process().memory_info().rss / 2**30:.2f} GiB"}


@contextmanager
def stage(name: str, total: int, unit: str, *, shown: bool) -> Iterator[Callable[[int], object]]:
    """Show one stage of a long computation on stderr: its name, its progress, its time and the process's memory.

    Args:
        name: the stage's name.
        total: the number of units to do; at the end all count as done, unless an error ends the stage.
        unit: what one unit is called.
        shown: whether to show anything.

    Returns:
        A context manager that gives a function; call it with the number of units done since the last call.

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
        bar.update(total - done)


def available_threads() -> int:
    """Count the threads that NumPy's BLAS would use: one per core, or what OMP_NUM_THREADS or threadpoolctl allow.

    >>> available_threads() >= 1
    True
    """
    return max((int(library["num_threads"]) for library in BLAS.info()), default=os.cpu_count() or 1)


class _OneThreadOfBlas:
    """Limit BLAS to one thread while any thread is in the body: the first sets the limit, the last lifts it."""

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
    """An executor that submits its work uninterrupted: Ctrl-C while it holds a lock would make its shutdown hang."""

    def submit(self, fn: Callable[..., T], /, *arguments: Any, **options: Any) -> Future[T]:
        return super().submit(copy_context().run, fn, *arguments, **options)  # the watcher goes along

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **options: Any) -> Iterator[T]:
        if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) is None:
            return super().map(fn, *iterables, **options)
        held = []
        before = signal.signal(signal.SIGINT, lambda *interrupt: held.append(interrupt))
        try:
            return super().map(fn, *iterables, **options)
        finally:
            signal.signal(signal.SIGINT, before)
            if held:
                signal.raise_signal(signal.SIGINT)


@contextmanager
def thread_pool(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Start threads that each compute whole parts, with BLAS limited to one thread, whose own threads would only wait.

    After an error or Ctrl-C in the body, the parts that have begun are finished and those in the queue are dropped.

    Args:
        threads: the number of threads.

    Returns:
        A context manager that gives a `ThreadPoolExecutor`.

    >>> with thread_pool(2) as pool:
    ...     sum(pool.map(abs, [3, -4]))
    7
    """
    # Freed at once: glibc then keeps the memory that parts free instead of returning it, which is three times as fast.
    np.empty(2**25 - 2**13, np.int8)
    with ONE_THREAD_OF_BLAS:
        pool = _Pool(threads)
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)
