"""The rules of the exercise in *On the expressive efficiency of overlapping architectures*, the first page."""

from convac_lib.exercises.answers import Wrong, integer, number
from convac_lib.families import common_case
from convac_lib.theory.ranks import certify_rank


def first_move(rank: object, factor: object) -> str:
    """The rank for B = 1 and M = 4, and the factor that B = 2 gains over B = 1 at M = 2."""
    rank, factor = integer("rank", rank), number("factor", factor)
    certified = {(B, M): certify_rank(common_case(B, M, size=4), rows=256).rank for B, M in [(1, 2), (2, 2), (1, 4)]}
    if rank == certified[1, 2]:
        raise Wrong(f"{rank} is the rank for B = 1 and M = 2: leave B at 1, move M to 4 and read it again")
    if rank != certified[1, 4]:
        raise Wrong(
            f"With B = 1 and M = 4 the rank is not {rank}: it is held down by the number of channels, here C = M"
        )
    gain = certified[2, 2] // certified[1, 2]
    if factor == certified[2, 2]:
        raise Wrong(f"{factor} is the rank itself for B = 2: divide it by the rank for B = 1")
    if factor != gain:
        raise Wrong(
            f"For M = 2 the rank goes from {certified[1, 2]} to {certified[2, 2]}, which is not a factor of {factor}"
        )
    return (
        f"without overlap the rank is the number of channels, {rank} for M = 4, and 2×2 windows multiply the rank for "
        f"M = 2 by {gain}"
    )
