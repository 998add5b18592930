"""Fill a matricization fast: what depends on its rows alone, or on its columns alone, is computed once.

A window that sees patches of P only has one value per row, and a window that sees patches of Q only has one value per
column. A window that sees both *straddles* the cut. In the lowest layer with such windows each value is a product
row · column, and a linear map of such products is a matrix product:

    Z[c', r, q] = Σ_c W[c', c] · (row[c, r] · column[c, q])

In the layers above, every pair has its own value, computed in tiles of rows × columns that stay in the cache. But two
rows that agree on the patches that a window sees are one row to it. So a window that sees few patches has few values:
they are computed once, for its distinct rows and columns, into a table.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut
from convac_lib.theory.fields import reduce_modulo
from convac_lib.theory.parallel import available_threads, poll_watcher, stage, thread_pool
from convac_lib.theory.tensors import count_assignments

TILE = 2**15  # values of one position in one tile, rows × channels × columns: a few such arrays stay in a core's cache
TILE_COLUMNS = 256
TERMS = 64  # products in one sum in float64: 2¹⁶ · 2³¹ · 64 = 2⁵³
REPEATED = 8  # a table is worth it if each of its values serves so many pairs, on average
ONE = np.ones((1, 1), int)  # the empty product
Apply = Callable[[Callable[[int], int], Iterable[int]], Iterable[int]]  # `map`, or that of a pool of threads


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
    arithmetic, channels = Arithmetic(circuit.prime), max(circuit.architecture.channels)
    matrix = np.empty((len(rows), len(columns)), circuit.dense.dtype)
    threads = threads or available_threads()
    with stage("filling rows", len(rows), "row", shown=progress) as advance, thread_pool(threads) as pool:
        apply = pool.map if threads > 1 else map
        top = separate(circuit, arithmetic, cut, rows, columns)
        top = _Tabulation(circuit, arithmetic, cut, rows, columns, apply).tabulate(top)
        fill(matrix[:, None], arithmetic, top, channels, apply, advance)
    return matrix


def fill(
    values: np.ndarray,
    arithmetic: "Arithmetic",
    position: "Position",
    channels: int,
    apply: Apply = map,
    advance: Callable[[int], object] = lambda rows: None,
    rows: np.ndarray | None = None,
    columns: np.ndarray | None = None,
) -> None:
    """Write the values of a position into an array, tile by tile.

    Args:
        values: where they go, of shape (m, C, n).
        arithmetic: of the position.
        position: the position.
        channels: the largest number of channels of a position.
        apply: `map`, or that of a pool of threads, which computes several tiles at once.
        advance: called with the number of rows that are finished.
        rows: the numbers of the m rows among those of the position; all if left out.
        columns: the numbers of the n columns.
    """
    height = max(1, TILE // (TILE_COLUMNS * channels))
    rows = np.arange(len(values)) if rows is None else rows
    columns = np.arange(values.shape[2]) if columns is None else columns

    def fill_rows(start: int) -> int:
        r = slice(start, start + height)
        for left in range(0, len(columns), TILE_COLUMNS):
            q = slice(left, left + TILE_COLUMNS)
            values[r, :, q] = combine(arithmetic, position, rows[r], columns[q], {})
        return len(values[r])

    for done in apply(fill_rows, range(0, len(values), height)):
        advance(done)


class Arithmetic:
    """Sums of products over GF(p), exact on residues 0..p−1, or over the real numbers.

    Up to p = 2³¹ residues are int64, and a product of two is below 2⁶². NumPy divides by one number with vector
    instructions, so x − ⌊x/p⌋·p takes a fraction of the time of x % p. A linear map is a product of float64 matrices:
    its left factor is split into two halves of 16 bits, and 64 products of a half and a residue stay below 2⁵³. A
    sum below 2⁶⁴, as of 4 products, is reduced once. For larger p the residues are Python's integers.

    Args:
        prime: p for GF(p), None for the real numbers.
    """

    def __init__(self, prime: int | None) -> None:
        self.prime = prime
        self.word = np.uint64(prime) if prime is not None and prime <= 2**31 else None

    def reduce(self, values: np.ndarray) -> np.ndarray:
        """Reduce integers of at least 0 to 0..p−1, in place if they are int64."""
        if self.word is None:
            return reduce_modulo(values, self.prime)
        values = values.view(np.uint64)
        quotients: np.ndarray = np.floor_divide(values, self.word)
        quotients *= self.word
        values -= quotients
        return values.view(np.int64)

    def times(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Multiply entry by entry; multiplying by the empty product costs nothing."""
        if left is ONE:
            return right
        return left if right is ONE else self.reduce(left * right)

    def apply(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Multiply matrices."""
        if self.word is None:
            return self.reduce(left @ right)
        fits = left.shape[-1] * int(self.word) ** 2 <= 2**64
        floats, total = right.astype(np.float64), np.zeros((), int)
        halves = [half.astype(np.float64) for half in (left >> 16, left & 0xFFFF)]
        for start in range(0, left.shape[-1], TERMS):
            few = slice(start, start + TERMS)
            high, low = ((half[..., few] @ floats[..., few, :]).astype(int) for half in halves)
            if not fits:
                high = self.reduce(high)
            high <<= 16
            high += low
            high += total
            total = self.reduce(high)
        return total


@dataclass(frozen=True, eq=False)
class Table:
    """C values for every distinct row and column, of which row r is number rows[r], and column q number columns[q].

    Args:
        values: (m', C, n').
        rows: (m,), numbers 0..m'−1.
        columns: (n,), numbers 0..n'−1.
    """

    values: np.ndarray
    rows: np.ndarray
    columns: np.ndarray

    def at(self, r: np.ndarray, q: np.ndarray) -> np.ndarray:
        """Look up the values of rows r and columns q, of shape (rows, C, columns)."""
        _, channels, width = self.values.shape
        places = self.rows[r][:, None] * channels + np.arange(channels)
        found: np.ndarray = self.values.ravel().take(places[:, :, None] * width + self.columns[q])
        return found


@dataclass(frozen=True, eq=False)
class Position:
    """The C values of one window for every row and column.

        row[:, r] · column[:, q] · Π (weight @ below)[:, r, q] · Π table[r, :, q]

    Args:
        row: (C, m), or (C, 1) if it is the same for every row.
        column: (C, n), or (C, 1) if it is the same for every column.
        maps: (weight, below) for every position below that straddles the cut.
        patches: those that the window sees.
        tables: the maps whose values are computed already, multiplied.
    """

    row: np.ndarray
    column: np.ndarray
    maps: tuple[tuple[np.ndarray, "Position"], ...] = ()
    patches: frozenset[int] = frozenset()
    tables: tuple[Table, ...] = ()

    @property
    def straddles(self) -> bool:
        """Whether the window sees patches on both sides of the cut."""
        return bool(self.maps or self.tables) or (self.row.shape[1] > 1 and self.column.shape[1] > 1)


def separate(circuit: Circuit, arithmetic: Arithmetic, cut: Cut, rows: np.ndarray, columns: np.ndarray) -> Position:
    """Compute what depends on the rows alone or on the columns alone, and return the dense layer's position."""
    architecture = circuit.architecture
    assert circuit.templates is not None  # a circuit fills them in
    templates = circuit.templates.T  # (M, M), one column per template
    below: dict[tuple[int, int], Position] = {}
    for patch, digits in zip(cut.rows, rows.T):
        below[divmod(patch, architecture.size)] = Position(templates[:, digits], ONE, patches=frozenset([patch]))
    for patch, digits in zip(cut.columns, columns.T):
        below[divmod(patch, architecture.size)] = Position(ONE, templates[:, digits], patches=frozenset([patch]))
    for layer, size, weight in zip(architecture.layers, architecture.sizes, circuit.weights):
        constant = np.full((weight.shape[-3], 1), int(architecture.border == "ones"), weight.dtype)
        outside = Position(constant, ONE) if architecture.border in ("ones", "zero") else None
        above = {}
        for u, v in product(range(size), repeat=2):
            poll_watcher()
            own = weight[u, v] if weight.ndim == 6 else weight  # (C', C, R, R)
            offsets = product(range(layer.receptive_field), repeat=2)
            places = ((i, j, below.get((u * layer.stride + i, v * layer.stride + j), outside)) for i, j in offsets)
            window = [(own[:, :, i, j], position) for i, j, position in places if position is not None]
            above[u, v] = multiply(arithmetic, window)
        below = above
    return multiply(arithmetic, [(circuit.dense[:1], below[0, 0])])


def multiply(arithmetic: Arithmetic, window: list[tuple[np.ndarray, Position]]) -> Position:
    """Multiply weight @ position over one window, and leave the positions that straddle the cut to `combine`."""
    row, column, maps = ONE, ONE, []
    for weight, position in window:
        if position.straddles:
            maps.append((weight, position))
            continue
        factor = arithmetic.apply(weight, arithmetic.times(position.row, position.column))
        if position.row.shape[1] > 1:
            row = arithmetic.times(row, factor)
        else:
            column = arithmetic.times(column, factor)
    patches = frozenset[int]().union(*(position.patches for _, position in window))
    return Position(row, column, tuple(maps), patches)


class _Tabulation:
    """Tables for the positions that see few patches, and so have few distinct rows and columns."""

    def __init__(
        self,
        circuit: Circuit,
        arithmetic: Arithmetic,
        cut: Cut,
        rows: np.ndarray,
        columns: np.ndarray,
        apply: Apply,
    ) -> None:
        self.arithmetic, self.apply = arithmetic, apply
        self.M, self.channels = circuit.architecture.representation_channels, max(circuit.architecture.channels)
        self.sides = dict(zip(cut.rows, rows.T)), dict(zip(cut.columns, columns.T))
        self.lengths = len(rows), len(columns)
        self.room = len(rows) * len(columns)  # the elimination, which comes later, needs as much memory again
        self.known: dict[Position, Position] = {}

    def tabulate(self, position: Position) -> Position:
        """Find the same position with tables, where maps whose product has few distinct values share one."""
        if not position.maps:
            return position
        if position not in self.known:
            groups: list[Position] = []
            for weight, below in position.maps:
                alone = Position(ONE, ONE, ((weight, self.tabulate(below)),), below.patches)
                for number, group in enumerate(groups):
                    patches = group.patches | alone.patches
                    if self._is_worth_it(patches, len(weight)):
                        groups[number] = replace(group, maps=group.maps + alone.maps, patches=patches)
                        break
                else:
                    groups.append(alone)
            maps: tuple[tuple[np.ndarray, Position], ...] = ()
            tables: tuple[Table, ...] = ()
            for group in groups:
                if self._is_worth_it(group.patches, len(group.maps[0][0])):
                    tables += (self._table(group),)
                else:
                    maps += group.maps
            self.known[position] = replace(position, maps=maps, tables=tables)
        return self.known[position]

    def _is_worth_it(self, patches: frozenset[int], channels: int) -> bool:
        """Whether a table of what sees these patches has room, and saves much work."""
        pairs = 1
        for side, length in zip(self.sides, self.lengths):
            pairs *= count_assignments(self.M, len(patches & side.keys()), length)
        return pairs * channels <= self.room and pairs * REPEATED <= self.lengths[0] * self.lengths[1]

    def _table(self, group: Position) -> Table:
        """Compute a position for its distinct rows and columns."""
        (rows, on_rows), (columns, on_columns) = (
            self._distinct(group.patches & side.keys(), side, length) for side, length in zip(self.sides, self.lengths)
        )
        values = np.empty((len(rows), len(group.maps[0][0]), len(columns)), group.maps[0][0].dtype)
        self.room -= values.size
        fill(values, self.arithmetic, group, self.channels, self.apply, rows=rows, columns=columns)
        return Table(values, on_rows, on_columns)

    def _distinct(
        self, patches: frozenset[int], side: dict[int, np.ndarray], length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """One row for each that differs on these patches, and for every row its number among them."""
        if count_assignments(self.M, len(patches), length) == length:
            return np.arange(length), np.arange(length)
        number = np.zeros(length, int)
        for patch in patches:
            number = number * self.M + side[patch]
        _, first, numbers = np.unique(number, return_index=True, return_inverse=True)
        return first, numbers


def combine(
    arithmetic: Arithmetic, position: Position, r: np.ndarray, q: np.ndarray, known: dict[Position, np.ndarray]
) -> np.ndarray:
    """Compute a position's values on the tile of rows r and columns q, of shape (rows, C, columns).

    `known` holds the positions that are computed already for this tile.
    """
    if position in known:
        return known[position]

    def part(factor: np.ndarray, tile: np.ndarray) -> np.ndarray:
        return factor[:, tile] if factor.shape[1] > 1 else factor

    values = ONE
    if not (position.row is position.column is ONE):
        row = part(position.row, r).T.copy()  # C-contiguous, so that every array computed from it is too
        values = arithmetic.times(row[:, :, None], part(position.column, q))
    for table in position.tables:
        values = arithmetic.times(values, table.at(r, q))
    for weight, below in position.maps:
        poll_watcher()
        if below.maps or below.tables:
            mapped = arithmetic.apply(weight, combine(arithmetic, below, r, q, known))
        else:
            left = arithmetic.times(part(below.row, r).T.copy()[:, None], weight)  # (rows, C', C)
            mapped = arithmetic.apply(left.reshape(-1, left.shape[2]), part(below.column, q))
            mapped = mapped.reshape(len(left), len(weight), -1)
        values = arithmetic.times(values, mapped)
    known[position] = values
    return values
