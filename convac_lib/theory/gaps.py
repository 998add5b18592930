"""Why a generic rank is below its upper bound: which freedom a network lacks that would close the gap."""

from collections import Counter

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.theory.assembly import ONE, Arithmetic, Position, fill, multiply
from convac_lib.theory.cuts import Cut, CutLike, make_cut
from convac_lib.theory.elimination import echelon
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.hypotheses import require_single_output
from convac_lib.theory.min_cut import LARGEST_BOUND
from convac_lib.theory.ranks import certify_rank, sample
from convac_lib.theory.unrolled import Unrolled, unroll

REASONS = {
    "shared weights": "with weights of its own at every position, the network reaches the bound",
    "reuse": "the tree of all copies reaches the bound, with weights of its own for every copy",
    "widths": "the tree is below the bound too, since M and the channels are not powers of one integer",
    "": "the program does not decide",
}
"""Why a rank is below its bound, by a short name: what `reason_of` finds. Chapter: *How much overlap is enough*."""


def reason_of(architecture: Architecture, cut: CutLike, rank: int, upper: int, rows: int, draws: int = 2) -> str:
    """Say why a network's generic rank is below the min cut of its unrolled network, where a program can tell.

    Two freedoms are given to the network in turn: weights of its own at every position, and then for every copy of a
    node in the unrolled network. The first that closes the gap is the reason.

    Args:
        architecture: the network; border "neutral", "ones" or "valid", weights of its own in every layer.
        cut: what `make_cut` takes.
        rank: the generic rank.
        upper: the bound, which is larger.
        rows: how many rows and columns to take.
        draws: how many draws of weights may try to close the gap.

    Returns:
        A key of `REASONS`.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import Layer
    >>> squares = Architecture(3, 2, [Layer(2, 1, 3), Layer(2, 2, 4)], "valid")
    >>> reason_of(squares, [0, 3, 6], rank=7, upper=8, rows=64)
    'widths'
    """
    cut = make_cut(cut, architecture.size)
    own = Architecture(
        architecture.size, architecture.representation_channels, architecture.layers, architecture.border, False
    )
    if architecture.shared and any(certify_rank(own, cut, rows=rows, seed=seed).rank == upper for seed in range(draws)):
        return "shared weights"
    trees = [tree_rank(architecture, cut, rows, seed) for seed in range(draws)]
    if max(trees) < upper:
        return "" if powers_of_one(architecture.channels) else "widths"
    return "reuse"


def tree_rank(architecture: Architecture, cut: CutLike, rows: int, seed: int = 0, prime: int = DEFAULT_PRIME) -> int:
    """Find the rank of the unrolled network, with weights of its own on every edge, drawn in GF(p).

    If M and all channels are powers of one integer, it is the plain min cut for almost all weights.

    Args:
        architecture: the network; the border may be any but "zero".
        cut: what `make_cut` takes.
        rows: how many rows and columns to sample.
        seed: draws the weights and the sample.
        prime: p.

    Returns:
        The rank over GF(p) of these rows and columns.

    Raises:
        HypothesisError: if the network does not end in 1×1, or R < S in a layer.
        BudgetError: if the unrolled network is too large.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import common_case
    >>> tree_rank(common_case(B=2, M=4, size=4, channels=2), "left-right", rows=600)
    256
    """
    require_single_output(architecture, "the rank of the unrolled network")
    unrolled, cut = unroll(architecture, LARGEST_BOUND), make_cut(cut, architecture.size)
    generator, M = np.random.default_rng([seed, 2]), architecture.representation_channels
    on_rows, on_columns = (sample(M, len(part), rows, generator) for part in (cut.rows, cut.columns))
    arithmetic = Arithmetic(prime)
    top = _top(unrolled, cut, on_rows, on_columns, arithmetic, generator)
    matrix = np.empty((len(on_rows), len(on_columns)), np.int64)
    fill(matrix[:, None], arithmetic, top, max(architecture.channels))
    return echelon(matrix, prime)[0]


def _top(
    unrolled: Unrolled,
    cut: Cut,
    rows: np.ndarray,
    columns: np.ndarray,
    arithmetic: Arithmetic,
    generator: np.random.Generator,
) -> Position:
    """Draw a matrix for every edge of an unrolled network, and return the position of the dense layer."""
    M, *channels = unrolled.architecture.channels
    one_hot = np.eye(M, dtype=int)
    patches = {patch: Position(one_hot[:, digits], ONE) for patch, digits in zip(cut.rows, rows.T)}
    patches |= {patch: Position(ONE, one_hot[:, digits]) for patch, digits in zip(cut.columns, columns.T)}
    below, width = [patches[patch] for patch in unrolled.nodes[0].tolist()], M
    for C, up, nodes in zip(channels, unrolled.up, unrolled.nodes[1:]):
        windows: list[list[tuple[np.ndarray, Position]]] = [[] for _ in nodes]
        for parent, position in zip(up.tolist(), below):
            weight = generator.integers(0, arithmetic.prime, (C, width))
            windows[parent].append((weight, position))
        below, width = [multiply(arithmetic, window) for window in windows], C
    dense = generator.integers(0, arithmetic.prime, (1, width))
    return multiply(arithmetic, [(dense, below[0])])


def powers_of_one(numbers: tuple[int, ...]) -> bool:
    """Whether all numbers are powers of one integer; 1 is a power of each.

    >>> powers_of_one((2, 8, 1, 4)), powers_of_one((2, 6))
    (True, False)
    """
    roots = Counter[int]()
    for number in {*numbers} - {1}:
        roots[next(root for root in range(2, number + 1) if _is_power(number, root))] += 1
    return len(roots) <= 1


def _is_power(number: int, root: int) -> bool:
    while number % root == 0:
        number //= root
    return number == 1
