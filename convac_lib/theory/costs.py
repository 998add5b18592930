"""What an exact rank costs, estimated before it is computed: the windows that straddle the cut, memory and time."""

from dataclasses import dataclass
from itertools import pairwise
from math import isqrt

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.budget import LONGEST, free_memory, largest, require_memory, require_time, written
from convac_lib.theory.cuts import CUTS, Cut
from convac_lib.theory.parallel import available_threads
from convac_lib.theory.weights import smaller_network, weights_memory

TILE, TILE_COLUMNS = 2**17, 256  # as `filling` takes them
POSITION, READ = 600, 300  # bytes that Python takes for a position, and for a weight at an offset of its window
READS = 50_000  # that NumPy is called for, a second
PRODUCTS = 2e8  # entry by entry modulo p, a second and thread
ELIMINATED = 1e10  # multiplications and additions of the elimination, a second and thread
PYTHON, FLINT = 150, 40  # how much longer filling and eliminating take with p beyond 2³¹


@dataclass(frozen=True)
class Level:
    """How many positions a layer has, and how many offsets its windows read; and how many of both straddle the cut."""

    positions: int
    straddling: int
    reads: int
    straddling_reads: int


def levels(architecture: Architecture, cut: Cut) -> list[Level]:
    """Count, layer by layer, the positions that see patches of both sides of a cut, and the windows that read them.

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


def _windows(marked, layer, outputs):
    """How many marked places each window reads: (H', H')."""
    size = len(marked)
    sums = np.zeros((size + 1, size + 1), np.int64)
    np.cumsum(np.cumsum(marked, axis=0), axis=1, out=sums[1:, 1:])
    start = np.arange(outputs) * min(layer.stride, size)
    stop = np.minimum(start + min(layer.receptive_field, size), size)
    return sums[stop][:, stop] - sums[stop][:, start] - sums[start][:, stop] + sums[start][:, start]


def require_affordable(
    architecture: Architecture, cut: Cut, rows: int, columns: int, prime: int, draws: int = 1
) -> None:
    """Refuse an exact rank that would take more memory than is free, or too much time, before any of it is computed.

    Args:
        architecture: the network.
        cut: P | Q, from `make_cut`.
        rows, columns: how many of the matricization are taken.
        prime: p.
        draws: how often weights are drawn.

    Raises:
        BudgetError: with the numbers, and a smaller question.
    """
    size = architecture.size
    what = f"the rank of {written(rows)}×{written(columns)} entries of an image of {size}×{size} patches"
    free, most = free_memory(), max(rows, columns)

    def fitting(fits):
        """The remedy: fewer rows, else fewer channels and smaller windows, else a smaller image."""
        if few := largest(lambda k: fits(architecture, min(rows, k), min(columns, k)), min(most, free)):
            return f"take at most {few:,} rows"
        patches = free // (POSITION + 8 * (min(rows, columns) + 4))
        return (
            smaller_network(architecture, lambda network: fits(network, rows, columns))
            or f"use a smaller image, of at most {isqrt(patches):,} patches per side, and smaller windows"
        )

    def first_look(network, m, n):  # before every position is looked at
        reads = sum((layer.receptive_field * size) ** 2 for layer, size in zip(network.layers, network.sizes))
        return _memory(network, [], m, n, prime), reads // READS

    def cheap(network, m, n):
        needed, seconds = first_look(network, m, n)
        return needed <= free and seconds * draws <= LONGEST

    if not cheap(architecture, rows, columns):
        (needed, seconds), smaller = first_look(architecture, rows, columns), fitting(cheap)
        require_memory(needed, what, smaller)
        require_time(seconds * draws, what, smaller)
    seen = levels(architecture, cut)
    needed = _memory(architecture, seen, rows, columns, prime)
    if needed > free:
        require_memory(needed, what, fitting(lambda network, m, n: _memory(network, seen, m, n, prime) <= free))
    seconds = time_of(architecture, seen, rows, columns, prime)
    if seconds <= LONGEST < seconds * draws:
        require_time(seconds * draws, f"{draws:,} draws of {what}", f"take at most {int(LONGEST // seconds):,} draws")
    if seconds > LONGEST:
        smaller = fitting(lambda network, m, n: time_of(network, seen, m, n, prime) <= LONGEST)
        require_time(seconds, what, smaller)


def _memory(architecture, seen, rows, columns, prime):
    """Bytes at the peak: weights, templates, the image's patches, positions above them, one tile a thread, the matrix."""
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
    """Estimate the seconds that an exact rank takes on this machine, of whose layers `levels` has counted the windows."""
    threads, most = available_threads(), max(rows, columns)
    height = max(1, TILE // (TILE_COLUMNS * max(architecture.channels)))
    tiles = -(-rows // height) * -(-columns // TILE_COLUMNS)
    alone = shared = 0
    for level, below, C in zip(seen, architecture.channels, architecture.channels[1:]):
        alone += level.reads * (1 / READS + C * (below + 1) * most / PRODUCTS / 5)
        shared += level.straddling_reads * (tiles / READS + rows * columns * C * (1 + below / 10) / PRODUCTS)
    filled, eliminated = alone + shared / threads, rows * columns * min(rows, columns) / ELIMINATED
    return filled * PYTHON + eliminated * FLINT if prime > 2**31 else filled + eliminated / threads
