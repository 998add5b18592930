"""Exact ranks over GF(p) at the speed of float64 matrix products, for NumPy arrays and for torch tensors.

Residues are float64 and centred: |a| ≤ p/2 + 2. A product of two matrices with at most `_Field.block` terms in each sum
stays below 2⁵³, so it is exact, and one rounding reduces it. Rows are eliminated one block at a time. The host inverts
a window of `block` rows and columns, and everything else is matrix products on the device that holds the matrix. These
products begin with the rows of the next window, so that the host inverts it while the threads, or the accelerator,
still work on the other rows.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from math import ceil, isqrt
from typing import Any

import numpy as np
from array_api_compat import array_namespace, device, is_numpy_array, to_device

from convac_lib.errors import ConvacError
from convac_lib.theory.fields import pivot_columns, require_prime, to_field
from convac_lib.theory.parallel import available_threads, stage, thread_pool

Array = Any  # a NumPy array, or a torch tensor: they share no type
BLOCK, SMALL = 512, 64  # rows and columns of a window, if p allows; those of matrices up to 512
BRANCH = 8  # a window is inverted in 8 parts, each of them in 8, and so on
CACHED, BUFFERED = 2**14, 2**22  # elements rounded at once in a core's cache, and multiplied at once


def echelon(matrix: Array, prime: int, *, progress: bool = False) -> tuple[int, np.ndarray, np.ndarray]:
    """Find the rank of an integer matrix over GF(p), with rows and columns whose minor of that size is not 0 modulo p.

        matrix = [P Q; R S]  with P invertible   →   rank = |P| + rank(S − R·P⁻¹·Q)

    Args:
        matrix: integers, of shape (m, n): a NumPy array, or a torch tensor on any device.
        prime: p, below 2⁶³: fastest below 2²³, about half as fast up to 2³¹, and slow beyond, by python-flint.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The rank, and as many row numbers and column numbers, in the order in which they were pivots.

    Raises:
        ConvacError: if p is not a prime below 2⁶³, or the matrix is not a two-dimensional array of integers.

    Chapter: *The overlap theorem*.

    >>> echelon(np.array([[0, 0, 0], [0, 0, 5], [3, 0, 5]]), prime=7)
    (2, array([1, 2]), array([2, 0]))
    """
    require_prime(prime)
    xp = array_namespace(matrix)
    of_objects = is_numpy_array(matrix) and matrix.dtype == object
    if matrix.ndim != 2 or not (of_objects or xp.isdtype(matrix.dtype, "integral")):
        raise ConvacError(
            "a rank over GF(p) needs a two-dimensional array of integers, "
            f"not {matrix.ndim} dimensions of {matrix.dtype}"
        )
    if of_objects:
        matrix = to_field(matrix, prime, "the matrix")
    on_host = str(device(matrix)) == "cpu"
    if on_host:
        matrix = np.asarray(matrix)  # a tensor there shares its memory
    threads = available_threads()
    with stage("eliminating rows", min(matrix.shape), "row", shown=progress) as advance, thread_pool(threads) as pool:
        if prime > 2**31:
            return _echelon_by_flint(_on_host(matrix), prime)
        return _eliminate(matrix, _Field(prime, threads, pool) if on_host and threads > 1 else _Field(prime), advance)


def _eliminate(matrix: Array, field: "_Field", advance: Callable[[int], object]) -> tuple[int, np.ndarray, np.ndarray]:
    """`echelon` for p ≤ 2³¹, block by block."""
    xp, alone = array_namespace(matrix), _Field(field.prime)
    rest = _residues(matrix, field, xp)
    rows, columns = map(np.arange, rest.shape)
    block = min(field.block, SMALL) if min(rest.shape) <= BLOCK else field.block
    rank = 0
    others: Iterable[object] = ()  # products under way, done once they are listed
    while rank < min(len(rows), len(columns)):
        live = _nonzero_rows(rest[:block], slice(None), block)
        if len(live) < block:
            list(others)
            live = _nonzero_rows(rest, slice(None), block)
        if not len(live):
            break
        candidates = _nonzero_rows(rest.T, live, block)
        window = _on_host(rest[live[:, None], candidates])
        i, j = _exchange(window, alone)
        inverse = xp.asarray(-window[i[:, None], j], device=device(rest))
        list(others)
        _bring_to_front(live[i], rest, rows[rank:])
        _bring_to_front(candidates[j], rest.T, columns[rank:])
        r = len(i)
        eliminated = xp.zeros_like(rest[:r, r:])  # −P⁻¹·Q
        list(field.add_product(eliminated, inverse, rest[:r, r:]))
        factor, rest, rank = rest[r:, :r], rest[r:, r:], rank + r
        list(field.add_product(rest[:block], factor[:block], eliminated))
        others = field.add_product(rest[block:], factor[block:], eliminated)
        advance(r)
    return rank, rows[:rank], columns[:rank]


class _Field:
    """GF(p) for p ≤ 2³¹, on centred residues in float64; above 2²³ a left factor is split into two digits."""

    def __init__(self, prime: int, threads: int = 1, pool: Executor | None = None) -> None:
        self.prime, self.base = prime, isqrt(prime) + 1 if prime > 2**23 else 0
        largest = prime / 2 + 2  # the quotient's error, below 2⁻⁵²·(2⁵³/p), can pass p/2 by 2
        digit = self.base / 2 + 2 if self.base else largest
        self.threads, self.pool = threads, pool
        self.block = int(min(BLOCK, (2**53 - (self.base + 2) * prime) // (digit * largest)))

    def reduce(self, x: Array) -> None:
        """Reduce |x| ≤ 2⁵³ − p to |x| ≤ p/2 + 2, in place; a multiple of p becomes 0."""
        quotients = x * (1 / self.prime)
        array_namespace(x).round(quotients, out=quotients)
        quotients *= self.prime
        x -= quotients

    def add_product(self, target: Array, left: Array, right: Array) -> Iterable[object]:
        """Add left·right to the target in place: (m, n) += (m, k)·(k, n), k ≤ block. List the result to wait for it."""
        cached = CACHED if str(device(target)) == "cpu" else BUFFERED

        def add(rows: slice) -> None:
            part = target[rows]
            digits = [left[rows]]
            if self.base:
                high = (left[rows] * (1 / self.base)).round()
                digits = [high, left[rows] - self.base * high]
            total, *lower = [digit @ right for digit in digits]
            for few in _slices(part, cached):
                for product in lower:
                    self.reduce(total[few])
                    total[few] *= self.base
                    total[few] += product[few]
                part[few] += total[few]
                self.reduce(part[few])

        return self.share(add, target, BUFFERED)

    def share(self, function: Callable[[slice], object], x: Array, most: int) -> Iterable[object]:
        """Have the threads call the function on slices of x's rows, each of about `most` elements or fewer."""
        if self.pool and len(x) * x.shape[1] > CACHED:
            return self.pool.map(function, _slices(x, most, self.threads))
        return [function(rows) for rows in _slices(x, most)]


def _slices(x: Array, most: int, multiple: int = 1) -> list[slice]:
    """Equal slices of x's rows, each of about `most` elements or fewer; their number is a multiple of `multiple`."""
    if not (size := len(x) * x.shape[1]):
        return []
    step = ceil(len(x) / (multiple * ceil(size / (most * multiple))))
    return [slice(start, start + step) for start in range(0, len(x), step)]


def _residues(matrix: Array, field: _Field, xp: Any) -> Array:
    """The matrix as centred residues in float64."""
    residues = xp.empty(matrix.shape, dtype=xp.float64, device=device(matrix))

    def convert(rows: slice) -> None:
        part = matrix[rows]
        if not -(2**44) < int(part.min()) <= int(part.max()) < 2**44:  # float64 would round them
            part = part % field.prime
        residues[rows] = xp.asarray(part, dtype=xp.float64)
        field.reduce(residues[rows])

    list(field.share(convert, residues, CACHED if str(device(residues)) == "cpu" else BUFFERED))
    return residues


def _exchange(x: np.ndarray, field: _Field) -> np.ndarray:
    """Exchange rows of x with columns, in place: y = x·z becomes an equation for z_j and the y of the other rows.

        [P Q; R S]  →  [P⁻¹  P⁻¹·Q;  −R·P⁻¹  S − R·P⁻¹·Q]

    Args:
        x: residues, of shape (m, n), m ≤ block.
        field: GF(p).

    Returns:
        i and j, the rows and the columns of P, as many as the rank of x; P⁻¹ is then x[i][:, j].
    """
    step, free, pivots = -(-len(x) // BRANCH), np.ones(x.shape[1], bool), [np.empty((2, 0), np.intp)]
    if step == 1:
        return _exchange_few(x, field)
    for start in range(0, len(x), step):
        left = np.arange(start, min(start + step, len(x)))
        while len(candidates := np.flatnonzero((x[left] != 0).any(axis=0) & free)[:step]):
            window = x[left[:, None], candidates]
            i, j = _exchange(window, field)
            inverse = window[i[:, None], j]
            left, i, j = np.delete(left, i), left[i], candidates[j]
            factor = -x[:, j]
            factor[i] = 0
            x[:, j] = 0
            x[i, j] = 1
            exchanged = np.zeros((len(i), x.shape[1]))
            field.add_product(exchanged, inverse, x[i])
            x[i] = exchanged
            field.add_product(x, factor, exchanged)
            free[j] = False
            pivots.append(np.stack([i, j]))
    return np.concatenate(pivots, axis=1)


def _exchange_few(x: np.ndarray, field: _Field) -> np.ndarray:
    """`_exchange` for a few rows, one by one, in int64."""
    prime, free, pivots = field.prime, np.ones(x.shape[1], bool), []
    y = x.astype(np.int64) % prime
    for i in range(len(y)):
        j = ((y[i] != 0) & free).argmax()
        if free[j] and y[i, j]:
            inverse = pow(int(y[i, j]), -1, prime)
            y[i, j] = 1
            row = y[i] * inverse % prime
            factor = y[:, j, None].copy()
            y[:, j] = 0
            y -= factor * row
            y %= prime
            y[i] = row
            free[j] = False
            pivots.append((i, j))
    x[...] = y
    field.reduce(x)
    return np.array(pivots, np.intp).reshape(-1, 2).T


def _nonzero_rows(x: Array, columns: slice | np.ndarray, count: int) -> np.ndarray:
    """The numbers of the first rows, at most `count`, that are not zero in these columns."""
    found: list[int] = []
    for start in range(0, len(x), count):
        nonzero = (x[start : start + count][:, columns] != 0).any(1)
        found.extend(start + np.flatnonzero(_on_host(nonzero)))
        if len(found) >= count:
            break
    return np.array(found[:count], np.intp)


def _bring_to_front(chosen: np.ndarray, x: Array, labels: np.ndarray) -> None:
    """Move the chosen rows of x, and their labels, to the front in this order, and move few others."""
    order, front = np.arange(len(x)), np.arange(len(chosen))
    order[front] = chosen
    order[np.setdiff1d(chosen, front)] = np.setdiff1d(front, chosen)
    moved = np.flatnonzero(order != np.arange(len(x)))
    if len(moved):
        x[moved] = x[order[moved]]
        labels[moved] = labels[order[moved]]


def _on_host(x: Array) -> np.ndarray:
    return np.asarray(to_device(x, "cpu"))


def _echelon_by_flint(matrix: np.ndarray, prime: int) -> tuple[int, np.ndarray, np.ndarray]:
    columns = pivot_columns(matrix, prime)
    rows = pivot_columns(matrix[:, columns].T, prime)
    return len(rows), rows, columns
