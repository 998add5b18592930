"""The machine that trains: its processor, its cache and its memory.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import ctypes
import platform
import re
from contextlib import suppress
from pathlib import Path

_CACHED = 2**21  # numbers in the output of a layer that stay in the cache of a CPU
_KEEP = {-1: 2**31 - 1, -3: 2**25, -8: 1}  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD (its maximum), M_ARENA_MAX


def images_at_once(numbers: int) -> int:
    """The number of images that a CPU processes at once, so that the largest output of a layer stays in its cache.

    Args:
        numbers: the size of that output per image.

    >>> images_at_once(2**15)
    64
    """
    return max(1, _CACHED // numbers)


def keep_freed_memory() -> None:
    """Have glibc keep the memory that a step frees for the next step, until the process ends; ignore other C libraries.

    If freed memory went back to the kernel, each step would fault in its pages and clear them again, which can take as
    long as the layer that uses them. Threads that start later share the memory.

    Source: `man mallopt`.
    """
    with suppress(AttributeError, OSError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in _KEEP.items():
            mallopt(option, value)


def processor() -> str:
    """The name of the processor of this machine."""
    information = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.+)", information.read_text() if information.exists() else "")
    return model[1] if model else platform.processor() or platform.machine()
