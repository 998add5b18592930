"""What long work shows while it runs, and how its threads stop."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from convac_lib.families import common_case
from convac_lib.theory.parallel import available_threads, stage, thread_pool, watched
from convac_lib.theory.ranks import certify_rank

STAGE = """
import numpy as np
from convac_lib.theory.parallel import stage
with stage("adding numbers", 3, "number", shown=True) as advance:
    taken = np.ones(2**25)
    advance(1)
"""


def test_a_stage_shows_its_name_its_time_and_the_memory_that_is_taken():
    """In a process of its own, where nothing else takes memory or gives it back in the meantime."""
    done = subprocess.run([sys.executable, "-c", STAGE], capture_output=True, text=True, check=True, timeout=100)
    assert not done.stdout
    pattern = r"adding numbers: +(\d+)%\|.*?\| (\d)/3 numbers \[(\d\d:\d\d)<.*?, ([0-9.]+) GiB\]"
    drawn = re.findall(pattern, done.stderr)
    (first, *_, started, before), (last, *_, after) = drawn[0], drawn[-1]
    assert (first, last, started) == ("0", "100", "00:00")
    assert float(before) > 0.01
    assert float(after) - float(before) == pytest.approx(2**25 * 8 / 2**30, abs=0.05)


def test_a_stage_that_fails_does_not_end_full(capsys):
    with pytest.raises(KeyboardInterrupt), stage("adding", 3, "number", shown=True) as advance:  # noqa: PT012
        advance(1)
        raise KeyboardInterrupt
    err = capsys.readouterr().err
    assert "1/3 numbers" in err
    assert "3/3" not in err


def test_a_stage_is_silent_unless_asked(capfd):
    with stage("adding", 3, "number", shown=False) as advance:
        advance(3)
    assert capfd.readouterr() == ("", "")


def test_a_watcher_hears_every_step_of_its_own_thread_and_can_end_the_work():
    heard, elsewhere = [], []

    def work():
        with stage("adding", 3, "number", shown=False) as advance:
            for _ in range(3):
                advance(1)

    def enough(step):
        heard.append(step)
        if step[1] == 2:
            raise InterruptedError

    with watched(enough):
        other = threading.Thread(target=lambda: elsewhere.append(work()))
        other.start()
        other.join()
        with pytest.raises(InterruptedError):
            work()
    work()
    assert heard == [("adding", 1, 3), ("adding", 2, 3)] and elsewhere == [None]


def test_a_watcher_hears_of_both_stages_of_a_rank():
    heard = []
    with watched(heard.append):
        certify_rank(common_case(B=2, M=2, size=4))
    steps = [step for step in heard if step]
    assert {name for name, *_ in steps} == {"filling rows", "eliminating rows"}
    assert all(0 < done <= total for _, done, total in steps)
    assert len(heard) > 5 * len(steps), "it is asked amid a step, too"


def test_a_watcher_ends_a_step_in_a_thread_of_the_work():
    asked = []

    def stop_in_the_pool(step):
        asked.append(threading.current_thread().name)
        if step is None and "Pool" in asked[-1]:
            raise InterruptedError

    with threadpool_limits(2, user_api="blas"), watched(stop_in_the_pool), pytest.raises(InterruptedError):
        certify_rank(common_case(B=2, M=2, size=4))
    assert 1 <= sum("Pool" in name for name in asked) <= 2  # each thread ends at its next step


def test_work_in_two_threads_leaves_blas_as_it_was():
    with threadpool_limits(2, user_api="blas"):
        before = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
        with thread_pool(1):
            second = thread_pool(1)
            second.__enter__()
        assert available_threads() == 1  # the second is not done
        second.__exit__(None, None, None)
        after = [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]
    assert before == after and max(after) == 2


@pytest.mark.parametrize("threads", [1, 3])
def test_an_interrupt_drops_what_no_thread_has_begun(threads):
    """Parts in hand last until the last part in the queue is dropped, so no other can begin before."""
    begun, parts = [], []

    def part(number):
        begun.append(number)
        patience = time.monotonic() + 60
        while not (len(parts) == 100 and parts[-1].cancelled()) and time.monotonic() < patience:
            time.sleep(0.001)

    with pytest.raises(KeyboardInterrupt), thread_pool(threads) as pool:  # noqa: PT012  the body of the pool fails
        parts.extend(pool.submit(part, number) for number in range(100))
        raise KeyboardInterrupt
    assert begun == sorted(begun)
    assert len(begun) <= threads
    assert [part.cancelled() for part in parts] == [number not in begun for number in range(100)]


def blas_threads():
    numpys = [library for library in threadpool_info() if "numpy" in Path(library["filepath"]).parent.name]
    return {library["num_threads"] for library in numpys}


def test_the_workers_share_the_threads_of_blas():
    if not blas_threads():
        pytest.skip("this NumPy's BLAS is one whose threads threadpoolctl does not know")
    with threadpool_limits(2, user_api="blas"):
        assert blas_threads() == {2} == {available_threads()}
        with thread_pool(available_threads()):
            assert blas_threads() == {1}
        assert blas_threads() == {2}


LONG_FILLING = """
import os, signal, time
import numpy as np
from convac_lib import baseline, make_cut, random_circuit
from convac_lib.theory import assembly as filling

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have been started deaf to it
tiles, combine = [], filling.combine

def slow(*words):
    tiles.append(words)
    if len(tiles) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)
    return combine(*words)

filling.combine = slow
filling.TILE = filling.TILE_COLUMNS = 1
circuit, side = random_circuit(baseline(2, 4), seed=0, prime=7), np.zeros((1, 8), int)
try:
    filling.matricization(circuit, make_cut("left-right", 4), side.repeat(2000, 0), side, threads=2)
except KeyboardInterrupt:
    print(len(tiles))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process alone")
def test_an_interrupted_filling_leaves_out_most_tiles():
    child = subprocess.run(
        [sys.executable, "-c", LONG_FILLING], capture_output=True, text=True, check=True, timeout=100
    )
    assert 3 <= int(child.stdout) < 1000  # of 2000
    assert not child.stderr
