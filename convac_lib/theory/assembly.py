"""Fill a matricization fast: what depends on its rows alone, or on its columns alone, is computed once.

A window that sees patches of P only has one value per row, and a window that sees patches of Q only has one value per
column. A window that sees both *straddles* the cut. In the lowest layer with such windows each value is a product
row · column, and a linear map of such products is a matrix product:

    Z[c', r, q] = Σ_c W[c', c] · (row[c, r] · column[c, q])

In the layers above, every pair has its own value, computed in tiles of rows × columns that stay in the cache.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np

from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut
from convac_lib.theory.parallel import available_threads, poll_watcher, stage, thread_pool

TILE = 2**17  # values of one position in one tile: rows × channels × columns
TILE_COLUMNS = 256
SPLIT = 2**16  # a residue of up to 31 bits is high · 2¹⁶ + low
ONE = np.ones((1, 1), int)  # the empty product


def matricization(
    circuit: Circuit,
    cut: Cut,
    rows: np.ndarray,
    columns: np.ndarray,
    *,
    threads: int | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Fill the chosen rows and columns of the grid tensor's matricization, and compute every shared part once.

        matrix[r, q] = A(f) at (rows[r] on the patches P, columns[q] on the patches Q)

    Args:
        circuit: the network, of which the first class is taken.
        cut: P | Q, from `make_cut`.
        rows: template numbers on P, shape (m, |P|).
        columns: template numbers on Q, shape (n, |Q|).
        threads: the number of threads; by default as many as NumPy's BLAS would use.
        progress: whether to draw a progress bar on stderr.

    Returns:
        The submatrix, of shape (m, n), equal to what `Circuit.submatrix` computes pair by pair.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import baseline, make_cut, random_circuit
    >>> from convac_lib.theory.tensors import assignments
    >>> circuit, cut = random_circuit(baseline(2, 2), seed=0, prime=7), make_cut("left-right", 2)
    >>> matricization(circuit, cut, assignments(2, 2), assignments(2, 2)).shape
    (4, 4)
    """
    channels = max(circuit.architecture.channels)
    arithmetic = Arithmetic(circuit.prime, channels)
    matrix = np.empty((len(rows), len(columns)), circuit.dense.dtype)
    threads = threads or available_threads()
    with stage("filling rows", len(rows), "row", shown=progress) as advance, thread_pool(threads) as pool:
        top = separate(circuit, arithmetic, cut, rows, columns)
        fill(matrix, arithmetic, top, channels, pool.map, advance)
    return matrix


def fill(
    matrix: np.ndarray,
    arithmetic: "Arithmetic",
    top: "Position",
    channels: int,
    apply: Callable[[Callable[[int], int], Iterable[int]], Iterable[int]] = map,
    advance: Callable[[int], object] = lambda rows: None,
) -> None:
    """Write the values of the dense layer's position into a matrix, tile by tile.

    Args:
        matrix: where they go, of shape (m, n).
        arithmetic: of the position.
        top: the position, of m rows and n columns.
        channels: the largest number of channels of a position.
        apply: `map`, or that of a pool of threads, which computes several tiles at once.
        advance: called with the number of rows that are finished.
    """
    height = max(1, TILE // (TILE_COLUMNS * channels))

    def fill_rows(start: int) -> int:
        r = slice(start, start + height)
        for left in range(0, matrix.shape[1], TILE_COLUMNS):
            q = slice(left, left + TILE_COLUMNS)
            matrix[r, q] = arithmetic.residues(combine(arithmetic, top, r, q, {})[:, 0])
        return len(matrix[r])

    for done in apply(fill_rows, range(0, len(matrix), height)):
        advance(done)


class Arithmetic:
    """Sums of products over GF(p), exact in float64 on residues centred on 0, or over the real numbers.

    Centred residues are at most p/2, so a sum of k products stays below 2⁵³ up to p ≈ 2²⁷/√k. Up to p = 2³¹ the left
    factors are split into two halves of 16 bits. For larger p the residues are Python's integers.

    Args:
        prime: p for GF(p), None for the real numbers.
        terms: k, the number of products in the longest sum.
    """

    def __init__(self, prime: int | None, terms: int) -> None:
        self.prime = prime
        p = prime or 0
        largest = p // 2 + 2  # the rounded quotient may leave up to 2 more than half of p
        self.split = terms * largest**2 + p > 2**53
        self.python = self.split and (p > 2**31 or (terms + 2) * largest * SPLIT // 2 + p > 2**53)

    def elements(self, array: np.ndarray) -> np.ndarray:
        """Convert 0..p−1 to the values of this arithmetic."""
        return array.astype(object) if self.python else self.centre(array.astype(np.float64))

    def residues(self, values: np.ndarray) -> np.ndarray:
        """Convert the values of this arithmetic to 0..p−1."""
        return values if self.prime is None else values + self.prime * (values < 0)

    def centre(self, values: np.ndarray) -> np.ndarray:
        """Reduce integers of up to 2⁵³, in place, to about −p/2..p/2."""
        if self.prime is None:
            return values
        if self.python:
            return values % self.prime
        quotient = values * (1 / self.prime)
        np.rint(quotient, out=quotient)
        quotient *= self.prime
        values -= quotient
        return values

    def apply(
        self, operation: Callable[[np.ndarray, np.ndarray], np.ndarray], left: np.ndarray, right: np.ndarray
    ) -> np.ndarray:
        """Multiply by np.multiply or np.matmul."""
        if self.python or not self.split:
            return self.centre(operation(left, right))
        high = np.rint(left * (1 / SPLIT))
        values = self.centre(operation(high, right))
        values *= SPLIT
        values += operation(left - high * SPLIT, right)
        return self.centre(values)

    def times(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Multiply entry by entry; multiplying by the empty product costs nothing."""
        if left is ONE:
            return right
        return left if right is ONE else self.apply(np.multiply, left, right)


@dataclass(frozen=True, eq=False)
class Position:
    """The C values of one window for every row r and column q: row[:, r] · column[:, q] · Π (weight @ below)[:, r, q].

    Args:
        row: (C, m), or (C, 1) if it is the same for every row.
        column: (C, n), or (C, 1) if it is the same for every column.
        maps: (weight, below) for every position below that straddles the cut.
    """

    row: np.ndarray
    column: np.ndarray
    maps: tuple[tuple[np.ndarray, "Position"], ...] = ()

    @property
    def straddles(self) -> bool:
        """Whether the window sees patches on both sides of the cut."""
        return bool(self.maps) or (self.row.shape[1] > 1 and self.column.shape[1] > 1)


def separate(circuit: Circuit, arithmetic: Arithmetic, cut: Cut, rows: np.ndarray, columns: np.ndarray) -> Position:
    """Compute what depends on the rows alone or on the columns alone, and return the dense layer's position."""
    architecture = circuit.architecture
    assert circuit.templates is not None  # a circuit fills them in
    templates = arithmetic.elements(circuit.templates.T)  # (M, M), one column per template
    patches = {patch: Position(templates[:, digits], ONE) for patch, digits in zip(cut.rows, rows.T)}
    patches |= {patch: Position(ONE, templates[:, digits]) for patch, digits in zip(cut.columns, columns.T)}
    below = {divmod(patch, architecture.size): position for patch, position in patches.items()}
    for layer, size, weight in zip(architecture.layers, architecture.sizes, map(arithmetic.elements, circuit.weights)):
        constant = np.full((weight.shape[-3], 1), int(architecture.border == "ones"))
        outside = Position(arithmetic.elements(constant), ONE) if architecture.border in ("ones", "zero") else None
        above = {}
        for u, v in product(range(size), repeat=2):
            poll_watcher()
            own = weight[u, v] if weight.ndim == 6 else weight  # (C', C, R, R)
            offsets = product(range(layer.receptive_field), repeat=2)
            places = ((i, j, below.get((u * layer.stride + i, v * layer.stride + j), outside)) for i, j in offsets)
            window = [(own[:, :, i, j], position) for i, j, position in places if position is not None]
            above[u, v] = multiply(arithmetic, window)
        below = above
    return multiply(arithmetic, [(arithmetic.elements(circuit.dense[:1]), below[0, 0])])


def multiply(arithmetic: Arithmetic, window: list[tuple[np.ndarray, Position]]) -> Position:
    """Multiply weight @ position over one window, and leave the positions that straddle the cut to `combine`."""
    row, column, maps = ONE, ONE, []
    for weight, position in window:
        if position.straddles:
            maps.append((weight, position))
            continue
        factor = arithmetic.apply(np.matmul, weight, arithmetic.times(position.row, position.column))
        if position.row.shape[1] > 1:
            row = arithmetic.times(row, factor)
        else:
            column = arithmetic.times(column, factor)
    return Position(row, column, tuple(maps))


def combine(
    arithmetic: Arithmetic, position: Position, r: slice, q: slice, known: dict[Position, np.ndarray]
) -> np.ndarray:
    """Compute a position's values on the tile of rows r and columns q, of shape (rows, C, columns).

    `known` holds the positions that are computed already for this tile.
    """
    if position in known:
        return known[position]

    def part(factor: np.ndarray, tile: slice) -> np.ndarray:
        return factor[:, tile] if factor.shape[1] > 1 else factor

    values = ONE
    if not (position.row is position.column is ONE):
        row = part(position.row, r).T.copy()  # C-contiguous, so that every array computed from it is too
        values = arithmetic.apply(np.multiply, row[:, :, None], part(position.column, q))
    for weight, below in position.maps:
        poll_watcher()
        if below.maps:
            mapped = arithmetic.apply(np.matmul, weight, combine(arithmetic, below, r, q, known))
        else:
            left = arithmetic.apply(np.multiply, part(below.row, r).T.copy()[:, None], weight)  # (rows, C', C)
            mapped = arithmetic.apply(np.matmul, left.reshape(-1, left.shape[2]), part(below.column, q))
            mapped = mapped.reshape(len(left), len(weight), -1)
        values = arithmetic.times(values, mapped)
    known[position] = values
    return values
