"""What checking a certificate costs: the checker's tiles and limits, and an estimate of its products and memory."""

from math import prod

from convac_lib.architecture import Architecture
from convac_lib.budget import require_memory
from convac_lib.errors import DataError
from convac_lib.theory.costs import levels
from convac_lib.theory.cuts import make_cut

TILE, THREADS = (64, 256), 2  # rows and columns that a thread checks at once
LARGEST_WORK, LARGEST_HELD = 2**40, 2**28  # products modulo p, about an hour; numbers held at once, 2 GiB
CALL = 2**13  # products in the time of one call of NumPy


def require_checkable(architecture: Architecture, cut: tuple[int, ...], k: int, smaller: str) -> None:
    """Refuse a k×k minor whose check would take more than about an hour, or too much memory.

    Args:
        architecture: the network.
        cut: the patches of P.
        k: the number of rows and columns of the minor.
        smaller: the remedy, a clause that names a smaller question.

    Raises:
        DataError: if the check would pass the checker's limits.
        BudgetError: if it would take more memory than is free.
    """
    work, held = checking_cost(architecture, cut, k)
    if work > LARGEST_WORK or held > LARGEST_HELD:
        raise DataError(
            f"checking this certificate would take {work:.1e} products and {held:.1e} numbers at once; "
            f"the limits are {LARGEST_WORK:.1e} and {LARGEST_HELD:.1e}, so {smaller}"
        )
    require_memory(8 * held, "checking this certificate", "check it on a machine with more memory")


def checking_cost(architecture: Architecture, cut: tuple[int, ...], k: int) -> tuple[float, int]:
    """Estimate the products modulo p that the check of a k×k minor takes, and the numbers that it holds at once.

    Values that vary over both rows and columns are computed once per pair, and all others once per tile.
    """
    reads = sum((layer.receptive_field * size) ** 2 for layer, size in zip(architecture.layers, architecture.sizes))
    if reads * CALL > LARGEST_WORK:  # too many to count them one by one
        return float(reads * CALL), k**2
    tiles, work, most = prod(-(-k // side) for side in TILE), k**3 / 3, 0
    counted = levels(architecture, make_cut(cut, architecture.size))
    for level, C, d in zip(counted, architecture.channels[1:], architecture.channels):
        work += k**2 * C * (level.straddling_reads * (d + 1) + 2 * level.straddling)
        work += tiles * d * level.reads * (CALL + C * max(TILE))
        most = max(most, C * (level.straddling * prod(TILE) + level.positions * max(TILE)))
    return work, 2 * k**2 + 3 * THREADS * most  # the minor and FLINT's copy; the layer below, its products and this one
