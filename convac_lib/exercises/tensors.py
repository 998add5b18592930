"""The rules of the exercises in *Tensors and function spaces*."""

from math import prod

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, integer, integers
from convac_lib.families import baseline
from convac_lib.theory.decompositions import compose_cp

F, PRIME = np.array([[2, 1], [1, 1]]), 101  # of "back"
PATCHES, CHANNELS = (4, 16, 64, 256, 1024), 32  # of "crossing"


def break_even(rank: object) -> str:
    """The least rank from which two factors hold more numbers than a 10×10 table."""
    rank, M = integer("rank", rank), 10

    def factors(r: int) -> int:
        return 2 * M * r

    if not 1 <= rank <= M:
        raise Wrong(f"A {M}×{M} table has a rank between 1 and {M}, and your answer is {rank}")
    if factors(rank) <= M**2:
        raise Wrong(
            f"At rank {rank} the factors hold 2·{M}·{rank} = {factors(rank)} numbers, no more than the table's {M**2}"
        )
    if factors(rank - 1) > M**2:
        raise Wrong(
            f"Rank {rank - 1} is enough: there the factors already hold {factors(rank - 1)} numbers against {M**2}"
        )
    return (
        f"at rank {rank} the factors hold {factors(rank)} numbers and at rank {rank - 1} {factors(rank - 1)}, "
        f"against {M**2}"
    )


def digit_sum(vectors: object, stored: object) -> str:
    """Four products of vectors that sum to d₁ + d₂ + d₃ + d₄, and how many numbers they store."""
    shape = (4, 4, 3)  # (term, patch, template)
    vectors, stored = integers("vectors", vectors, shape, "(term, patch, template)"), integer("stored", stored)
    found, total = compose_cp(np.ones(4, object), vectors), np.indices((3, 3, 3, 3)).sum(axis=0)
    off = np.argwhere(found != total)
    if len(off):
        d = tuple(off[0].tolist())
        raise Wrong(f"At the templates {d} your sum gives {found[d]}, and the digits sum to {total[d]}")
    if stored == prod(shape):
        raise Wrong(f"{stored} numbers are the entries of the vectors, and the four coefficients are stored as well")
    if stored != 4 + prod(shape):
        raise Wrong(f"Four coefficients and 4·4·3 entries of vectors are not {stored} numbers")
    return f"the four products sum to the table, and {stored} numbers store its {total.size} entries"


def back(inverse: object) -> str:
    """The matrix that turns the grid tensor of `elsewhere` into its coefficient tensor, modulo 101."""
    found = integers("inverse", inverse, (2, 2), "as F has") @ F % PRIME
    multiple = found[0, 0]
    if (found == np.eye(2, dtype=int)).all():
        return "applied to every axis it undoes F, since inverse · F is the identity modulo 101"
    if (found == multiple * np.eye(2, dtype=int)).all():
        also = ", which the tensor does not show because its fourth power is 1" if multiple**4 % PRIME == 1 else ""
        raise Wrong(f"This is not the inverse of F: inverse · F is {multiple} times the identity modulo 101{also}")
    raise Wrong(f"inverse · F is {found.tolist()} modulo 101, and the identity is [[1, 0], [0, 1]]")


def crossing(few: object, many: object, added: object) -> str:
    """Where the table outgrows the shallow network for M = 2 and M = 16, and what the deep network gains by M."""

    def outgrown(M: int, N: int) -> bool:
        side = round(N**0.5)
        return bool(M**N > Architecture(side, M, (Layer(side, side, CHANNELS),)).parameters)

    for name, M, answer in (("few", 2, few), ("many", 16, many)):
        N = integer(name, answer)
        if N not in PATCHES:
            raise Wrong(f"{name} should be a value of the slider, {', '.join(map(str, PATCHES))}, and it is {N}")
        if not outgrown(M, N):
            raise Wrong(
                f"With M = {M} and N = {N} the table's {M}^{N} entries are fewer than the shallow network's numbers"
            )
        if N > PATCHES[0] and outgrown(M, N // 4):
            raise Wrong(f"With M = {M} the table is the larger one already at N = {N // 4}, before {N}")
    gains = {baseline(16, H, CHANNELS).parameters - baseline(2, H, CHANNELS).parameters for H in (2, 4, 8, 16, 32)}
    if (added := integer("added", added)) not in gains:
        raise Wrong(
            f"The deep network does not gain {added:,} numbers: M enters only its first layer, four matrices of C×M"
        )
    return f"M is the base of the table's M^N, and it adds the same {added:,} numbers to the deep network at every N"
