"""The rules of the exercises in *Expressive efficiency*."""

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, call, integer, integer_for_each, integers
from convac_lib.families import baseline, common_case
from convac_lib.theory.bounds import non_overlapping_upper
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.decompositions import compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank, rank_modulo

SIZES = (4, 8, 16)  # N of "depth"


def universal(weights: object) -> str:
    """A function from any tensor to weights with which eight channels represent it, tried on random tensors."""
    network = baseline(M=2, size=2, channels=8)
    for seed in range(3):
        target = np.random.default_rng(seed).integers(0, DEFAULT_PRIME, (2, 2, 2, 2))
        W = call("weights", weights, target.copy())
        W = integers("what weights returns", W, (8, 2, 4), "(channel, template, patch)") % DEFAULT_PRIME
        circuit = Circuit(network, (W.astype(int).reshape(8, 2, 2, 2),), np.ones((1, 8), int), prime=DEFAULT_PRIME)
        equal = int((circuit.grid_tensor() == target).sum())
        if equal < 16:
            raise Wrong(
                f"For a random tensor the eight channels give {equal} of its 16 entries, and the others are off"
            )
    return "the eight channels give all 16 entries of three random tensors, so M^(N−1) channels represent any"


def depth(ranks: object, sizes: object) -> str:
    """The tree's ranks across odd | even patches, and how many numbers describe it, for N = 4, 8 and 16."""
    ranks = integers("ranks", ranks, (3,), "one for each of N = 4, 8 and 16")
    sizes = integers("sizes", sizes, (3,), "one for each of N = 4, 8 and 16")
    for N, rank, size in zip(SIZES, ranks, sizes):
        nodes = [N // 2**level for level in range(N.bit_length())]  # N, N/2, …, 1
        shapes = [(count, 2 if count > 1 else 1, 2) for count in nodes]
        generator = np.random.default_rng(0)
        levels = [generator.integers(0, DEFAULT_PRIME, shape) for shape in shapes]
        tensor = compose_hierarchical_tucker(levels, prime=DEFAULT_PRIME)[0]
        odd_even = tensor.transpose(*range(0, N, 2), *range(1, N, 2)).reshape(2 ** (N // 2), -1)
        if rank != rank_modulo(odd_even):
            raise Wrong(
                f"For N = {N} the rank is not {rank}: each of the {N // 2} lowest windows has rank 2, and the ranks of "
                "their product multiply"
            )
        if size != sum(map(np.size, levels)):
            raise Wrong(
                f"For N = {N} it is not {size} numbers: {N} patches and {sum(nodes[1:-1])} windows below the top have "
                "four numbers each, and the top has two"
            )
    return "the rank 2^(N/2) grows exponentially, and the tree's 8N − 6 numbers only in proportion to N"


def target(channels: object) -> str:
    """The least number of channels with which B = 1, 2 and 3 reach rank 64 on a 4×4 image, with M = 2."""
    channels = integer_for_each("channels", channels, (1, 2, 3), letter="B")
    goal = certify_rank(common_case(2, 2, 4)).rank
    for B, C in channels.items():
        if C < 1:
            raise Wrong(f"With B = {B} a network has at least one channel, and your answer is {C}")
        fewer = min(C - 1, goal)
        if fewer and (rank := certify_rank(common_case(B, 2, 4, fewer), rows=256).rank) >= goal:
            raise Wrong(f"With B = {B} and C = {C} the rank is enough, but C = {fewer} already gives {rank}")
        if (rank := certify_rank(common_case(B, 2, 4, C), rows=256).rank) < goal:
            raise Wrong(f"With B = {B} and C = {C} the rank is {rank}, and the target has {goal}")
    sizes = [common_case(B, 2, 4, C).parameters for B, C in channels.items()]
    return (
        f"these networks have {sizes[0]:,}, {sizes[1]:,} and {sizes[2]:,} parameters, so B = 2 is the cheapest, and "
        f"B = 1 pays {goal} channels because its rank is at most their number"
    )


def growth(law: object) -> str:
    """How many channels a network without overlap needs for almost every function with B = 2 and C = M, for any M."""
    ranks = []
    for M in (1, 2, 3):
        said = integer(f"law({M})", call("law", law, M))
        ranks.append(certify_rank(common_case(2, M, 4), rows=2048).rank)  # attains the count from above
        if said != ranks[-1]:
            raise Wrong(f"With M = {M} the law gives {said:,}, and the certified rank is {ranks[-1]}")
    most = 4**4 * 4**2  # of M⁴ states next to the cut, and C² products for each
    if (said := integer("law(4)", call("law", law, 4))) != most:
        raise Wrong(f"With M = 4 the law gives {said:,}, and 4⁴ states times 4² products make {most:,}")
    return f"the rank is M⁶, certified for M = 1, 2 and 3 as {ranks}, and each unit of rank asks for one channel"


def fair(first: object) -> str:
    """The narrowest first layer with which two layers of 2×2 windows without overlap can have rank 64."""

    def opponent(channels: int) -> Architecture:
        return Architecture(4, 2, (Layer(2, 2, channels), Layer(2, 2, 64)))

    first = integer("first", first)
    if not 1 <= first <= 64:
        raise Wrong(f"The first layer has between 1 channel and the 64 of the last, and yours has {first}")
    most = non_overlapping_upper(opponent(first)).value
    if most < 64:
        raise Wrong(f"With {first} channels rank 64 is out of reach: the left half spans at most {most}")
    below = non_overlapping_upper(opponent(first - 1)).value
    if below >= 64:
        raise Wrong(f"With {first} channels rank 64 is possible, but {first - 1} are enough for it too")
    if certify_rank(opponent(first), rows=128).rank != 64:
        raise ArithmeticError("the certificate fell short of the bound")
    size = opponent(first).parameters
    return (
        f"{first} channels make {first}² = {first**2} products on the left and {first - 1} only {below}, and the "
        f"network has {size:,} parameters"
    )
