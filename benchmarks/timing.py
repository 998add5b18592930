"""What the benchmarks share: contenders timed in turn, and the machine that they ran on."""

import os
import platform
from importlib.metadata import version
from statistics import median

import psutil

from convac_lib.experiments.machine import processor


def seconds(contenders, repeat, clock):
    """Time each contender once a round, in turn: its smallest time, and by how much the median is above that."""
    taken = {name: [] for name in contenders}
    for _ in range(repeat):
        for name, run in contenders.items():
            start = clock()
            run()
            taken[name].append(clock() - start)
    return {name: (min(times), median(times) / min(times) - 1) for name, times in taken.items()}


def machine(*packages):
    """One line on what the numbers depend on: processor, cores and the other work on them, versions."""
    versions = ", ".join(f"{package} {version(package)}" for package in packages)
    return (
        f"{processor()}, {os.cpu_count()} cores, load {psutil.getloadavg()[0]:.1f} before; {platform.system()}, "
        f"Python {platform.python_version()}, {versions}"
    )
