"""What an exact rank costs, estimated before it is computed: the windows that straddle the cut, memory and time."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import LONGEST, free_memory, largest, require_memory, require_time, written
from convac_lib.theory.cuts import CUTS, Cut
from convac_lib.theory.parallel import available_threads
from convac_lib.theory.weights import smaller_network, weights_memory

TILE, TILE_COLUMNS = 2**15, 256  # as in `assembly`
POSITION, READ = 600, 300  # bytes that Python needs for a position, and for a weight at an offset of its window
READS = 50_000  # calls of NumPy per second, one for each read of a position
PRODUCTS = 2e8  # products modulo p, entry by entry, per second and thread
ELIMINATED = 1e10  # multiplications and additions of the elimination, per second and thread
PYTHON, FLINT = 150, 40  # factors by which filling and eliminating take longer with p above 2³¹


@dataclass(frozen=True)
class Level:
    """The positions of a layer and the offsets that its windows read, in all and straddling the cut."""

    positions: int
    straddling: int
    reads: int
    straddling_reads: int


def levels(architecture: Architecture, cut: Cut) -> list[Level]:
    """Count, layer by layer, the positions that see patches on both sides of a cut, and how often windows read them.

    >>> from convac_lib import baseline, make_cut
    >>> levels(baseline(M=2, size=4), make_cut("left-right", 4))[0]
    Level(positions=4, straddling=0, reads=16, straddling_reads=0)
    """
    size, found = architecture.size, []
    first = np.zeros((size, size), bool)
    if cut.listed is None:
        first |= CUTS[cut.name](size, *np.ogrid[:size, :size])
    else:
        first.flat[list(cut.listed)] = True
    sides = [first, ~first]
    for layer, outputs in zip(architecture.layers, architecture.sizes):
        straddling_reads = int(_windows(sides[0] & sides[1], layer, outputs).sum())
        sides = [_windows(side, layer, outputs) > 0 for side in sides]
        straddling = int((sides[0] & sides[1]).sum())
        found.append(Level(outputs**2, straddling, (layer.receptive_field * outputs) ** 2, straddling_reads))
    return found


def _windows(marked: np.ndarray, layer: Layer, outputs: int) -> np.ndarray:
    """Count the marked places that each window reads: (H', H')."""
    size = len(marked)
    sums = np.zeros((size + 1, size + 1), np.int64)
    np.cumsum(np.cumsum(marked, axis=0), axis=1, out=sums[1:, 1:])
    start = np.arange(outputs) * min(layer.stride, size)
    stop = np.minimum(start + min(layer.receptive_field, size), size)
    counts: np.ndarray = sums[stop][:, stop] - sums[stop][:, start] - sums[start][:, stop] + sums[start][:, start]
    return counts


def require_affordable(
    architecture: Architecture, cut: Cut, rows: int, columns: int, prime: int, draws: int = 1
) -> None:
    """Refuse an exact rank that would take more memory than is free, or too much time, before computing any of it.

    Args:
        architecture: the network.
        cut: P | Q, from `make_cut`.
        rows: how many rows of the matricization are taken.
        columns: how many columns are taken.
        prime: p.
        draws: the number of times that weights are drawn.

    Raises:
        BudgetError: if a draw needs more memory than is free, or all draws take too long.
    """
    size = architecture.size
    what = f"the rank of {written(rows)}×{written(columns)} entries of an image of {size}×{size} patches"
    free = free_memory()

    def smaller(fits: Callable[[Architecture, int, int], bool]) -> str:
        return _remedy(architecture, rows, columns, free, fits)

    def is_cheap(network: Architecture, m: int, n: int) -> bool:
        needed, seconds = _least_cost(network, m, n, prime)
        return needed <= free and seconds * draws <= LONGEST

    if not is_cheap(architecture, rows, columns):
        (least_memory, least_time), remedy = _least_cost(architecture, rows, columns, prime), smaller(is_cheap)
        require_memory(least_memory, what, remedy)
        require_time(least_time * draws, what, remedy)
    seen = levels(architecture, cut)
    needed = _memory(architecture, seen, rows, columns, prime)
    if needed > free:
        remedy = smaller(lambda network, m, n: _memory(network, seen, m, n, prime) <= free)
        require_memory(needed, what, remedy)
    seconds = time_of(architecture, seen, rows, columns, prime)
    if seconds <= LONGEST < seconds * draws:
        require_time(seconds * draws, f"{draws:,} draws of {what}", f"take at most {int(LONGEST // seconds):,} draws")
    if seconds > LONGEST:
        require_time(seconds, what, smaller(lambda network, m, n: time_of(network, seen, m, n, prime) <= LONGEST))


def _remedy(
    architecture: Architecture, rows: int, columns: int, free: int, fits: Callable[[Architecture, int, int], bool]
) -> str:
    """Suggest fewer rows, else fewer channels and smaller windows, else a smaller image."""
    most = min(max(rows, columns), free)
    if few := largest(lambda k: fits(architecture, min(rows, k), min(columns, k)), most):
        return f"take at most {few:,} rows"
    patches = free // (POSITION + 8 * (min(rows, columns) + 4))
    return (
        smaller_network(architecture, lambda network: fits(network, rows, columns))
        or f"use a smaller image, of at most {isqrt(patches):,} patches per side, and smaller windows"
    )


def _least_cost(architecture: Architecture, rows: int, columns: int, prime: int) -> tuple[int, int]:
    """Estimate the bytes and seconds without counting what straddles the cut, which itself takes both."""
    layers = zip(architecture.layers, architecture.sizes)
    reads = sum((layer.receptive_field * outputs) ** 2 for layer, outputs in layers)
    return _memory(architecture, [], rows, columns, prime), reads // READS


def _memory(architecture: Architecture, seen: list[Level], rows: int, columns: int, prime: int) -> int:
    """Estimate the bytes at the peak: weights, templates, patches, positions, a tile per thread, and the matrix."""
    python = prime > 2**31
    word, most, (M, *channels) = 48 if python else 8, max(rows, columns), architecture.channels
    held = 2 * weights_memory(architecture, prime)
    held += architecture.size**2 * (POSITION + most * (word * M + 24))
    held += rows * columns * (160 if python else 20)
    height = min(rows, max(1, TILE // (TILE_COLUMNS * max(M, *channels))))
    tile, one_sided = available_threads() * height * min(columns, TILE_COLUMNS), [0]
    for level, C in zip(seen, channels):
        one_sided.append(C * most * (level.positions - level.straddling))
        held += word * level.straddling * C * (rows + columns + tile)
        held += level.positions * POSITION + level.straddling_reads * READ
    return held + word * max(map(sum, pairwise(one_sided)), default=0)


def time_of(architecture: Architecture, seen: list[Level], rows: int, columns: int, prime: int) -> float:
    """Estimate the seconds that an exact rank takes on this machine, from what `levels` counted in its layers."""
    threads, most = available_threads(), max(rows, columns)
    height = max(1, TILE // (TILE_COLUMNS * max(architecture.channels)))
    tiles = -(-rows // height) * -(-columns // TILE_COLUMNS)
    alone = shared = 0.0
    for level, below, C in zip(seen, architecture.channels, architecture.channels[1:]):
        alone += level.reads * (1 / READS + C * (below + 1) * most / PRODUCTS / 5)
        shared += level.straddling_reads * (tiles / READS + rows * columns * C * (1 + below / 10) / PRODUCTS)
    filled, eliminated = alone + shared / threads, rows * columns * min(rows, columns) / ELIMINATED
    return filled * PYTHON + eliminated * FLINT if prime > 2**31 else filled + eliminated / threads
