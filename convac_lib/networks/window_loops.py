"""The products over windows as loops, which numba compiles when a layer first runs and keeps on the disk.

A run is a row of neighbouring windows with all their channels, which lie one after another in memory. So every factor
of a run is one stretch of memory, and its products are made where they stay in the first caches. Only `window_kernel`
imports this, where numba is installed. Taught in the chapter *Overlaps*.
"""

from collections.abc import Callable
from math import frexp, ldexp
from typing import Any

import numpy as np
from numba import njit

_RUN = 2048  # numbers of a run


def _compiled(loops: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for the types of each first call, to run without Python's lock."""
    try:
        compiled: Callable[..., Any] = njit(nogil=True, cache=True)(loops)
    except RuntimeError:  # there is no folder to keep it in that can be written
        compiled = njit(nogil=True)(loops)
    return compiled


@_compiled
def _find_exponents(run: Any, limit: int, exponents: Any) -> None:
    """Find the exponent of each window's largest channel, as `frexp_scale` of the module `window_product` does."""
    C = run.size // exponents.size
    for window in range(exponents.size):
        largest = 0.0
        for c in range(window * C, (window + 1) * C):
            largest = max(largest, abs(float(run[c])))
        exponents[window] = 0
        if largest > 0:
            exponents[window] = frexp(min(max(largest, ldexp(1.0, -limit)), ldexp(1.0, limit - 1)))[1]


@_compiled
def _scale_down(run: Any, exponents: Any) -> None:
    """Multiply each window's channels by its 2^−exponent."""
    C = run.size // exponents.size
    for window in range(exponents.size):
        channels = run[window * C : (window + 1) * C]
        power = channels.dtype.type(ldexp(1.0, -exponents[window]))
        for c in range(C):
            channels[c] *= power


@_compiled
def _multiply_by(run: Any, factor: Any) -> None:
    for c in range(factor.size):
        run[c] *= factor[c]


@_compiled
def _fill_with_product(run: Any, one: Any, other: Any) -> None:
    """Fill a run with a product of two others: one store per loop, and none into what is read, so it is vectorized."""
    for c in range(other.size):
        run[c] = one[c] * other[c]


@_compiled
def multiply(first: int, last: int, places: Any, factors: Any, every: int, limit: int, y: Any, exponent: Any) -> None:
    """Fill rows of windows, from `first` to `last` through all images, of y (images, H', W', C) and its exponents.

    `places` has one row for each window offset: where its factors begin, the steps from image to image and from row to
    row, and how many rows and windows per row read a pixel inside the image there. The exponents begin as 0.
    """
    _, height, width, C = y.shape
    offsets, longest = len(places), max(1, min(width, _RUN // C))
    shifts = np.empty(longest, np.int32)
    for row in range(first, last):
        image, u = row // height, row % height
        for v in range(0, width, longest):
            windows = min(width - v, longest)
            run = y[image, u].reshape(-1)[v * C : (v + windows) * C]
            for c in range(run.size):
                run[c] = 1
            for k in range(offsets):
                inside = min(windows, places[k, 4] - v) * C
                if u < places[k, 3] and inside > 0:
                    start = places[k, 0] + image * places[k, 1] + u * places[k, 2] + v * C
                    _multiply_by(run, factors[start : start + inside])
                if every and ((k + 1) % every == 0 or k + 1 == offsets):
                    _find_exponents(run, limit, shifts[:windows])
                    _scale_down(run, shifts[:windows])
                    for window in range(windows):
                        exponent[image, u, v + window] += shifts[window]


@_compiled
def differentiate(
    first: int, last: int, places: Any, factors: Any, derivatives: Any, every: int, limit: int, grad: Any
) -> None:
    """Fill the derivatives by the factors of rows of windows: grad (images, H', W', C) times each window's others."""
    _, height, width, C = grad.shape
    offsets, longest = len(places), max(1, min(width, _RUN // C))
    before = np.empty((offsets + 1, longest * C), factors.dtype)  # the product of the factors before each
    after, shifts = np.empty(longest * C, factors.dtype), np.zeros((offsets, longest), np.int32)
    for row in range(first, last):
        image, u = row // height, row % height
        for v in range(0, width, longest):
            windows = min(width - v, longest)
            size = windows * C
            for c in range(size):
                before[0, c] = 1
            for k in range(offsets):
                inside = min(windows, places[k, 4] - v) * C if u < places[k, 3] else 0
                if inside > 0:
                    start = places[k, 0] + image * places[k, 1] + u * places[k, 2] + v * C
                    _fill_with_product(before[k + 1], before[k], factors[start : start + inside])
                for c in range(max(0, inside), size):
                    before[k + 1, c] = before[k, c]
                if every and ((k + 1) % every == 0 or k + 1 == offsets):
                    _find_exponents(before[k + 1, :size], limit, shifts[k, :windows])
                    _scale_down(before[k + 1, :size], shifts[k, :windows])
            own = grad[image, u].reshape(-1)[v * C : v * C + size]
            for c in range(size):
                after[c] = own[c]
            for k in range(offsets - 1, -1, -1):
                if every and ((k + 1) % every == 0 or k + 1 == offsets):
                    _scale_down(after[:size], shifts[k, :windows])
                inside = min(windows, places[k, 4] - v) * C
                if u < places[k, 3] and inside > 0:
                    start = places[k, 0] + image * places[k, 1] + u * places[k, 2] + v * C
                    _fill_with_product(derivatives[start : start + inside], before[k], after[:inside])
                    _multiply_by(after, factors[start : start + inside])
