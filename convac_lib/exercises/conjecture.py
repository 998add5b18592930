"""The rules of the exercises in *Is a little overlap all you need?*."""

from itertools import product

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, call, integer, integers, shown
from convac_lib.theory.ranks import certify_rank


def _placed(B1: int, B2: int, C: int, M: int = 2) -> Architecture:
    """The chapter's network: windows of B₁ in layer 1 and of B₂ in layer 3, on 4×4 patches."""
    return Architecture(4, M, (Layer(B1, 1, C), Layer(2, 2, C), Layer(B2, 1, C), Layer(2, 2, C)))


def _most(B1: int, B2: int, C: int, M: int = 2) -> int:
    """The bound of the proposition "The place of overlap"."""
    return min(M**8, int(M ** (4 * (B1 - 1)) * C ** (1 if B2 == 1 else 2)))


def square(both: object, alone: object) -> str:
    """The channels that full rank M⁸ takes with 2×2 windows in layers 1 and 3, and in layer 1 alone, for any M."""
    for M in (2, 3, 4, 5, 7, 1):
        for name, law, B2, power in (("both", both, 2, "²"), ("alone", alone, 1, "")):
            if not callable(law):
                raise Wrong(
                    f"{name} should be a function of M, such as lambda M: 8 * M, and {shown(law)} answers one M alone"
                )
            C = integer(f"{name}({M})", call(name, law, M))
            if C < 1:
                raise Wrong(f"With M = {M} {name} gives C = {C}, and a layer has at least one channel")
            if _most(2, B2, C, M) < M**8:
                products = _most(2, B2, C, M)
                raise Wrong(
                    f"With M = {M} {name} gives C = {C}, and {M}⁴·{C}{power} = {products:,} products fall "
                    f"short of {M}⁸ = {M**8:,}"
                )
            if C > 1 and _most(2, B2, C - 1, M) == M**8:
                raise Wrong(
                    f"With M = {M} {name} gives C = {C}, and the count from above allows rank {M}⁸ already with {C - 1}"
                )
            if M == 2 and certify_rank(_placed(2, B2, C)).rank != 2**8:
                raise ArithmeticError("the certificate fell short of the count")
    return "M⁴·C² ≥ M⁸ asks for C = M², and M⁴·C ≥ M⁸ for C = M⁴, and for M = 2 certificates show that 4 and 16 suffice"


def bargain(at_64: object, at_256: object) -> str:
    """The networks of the explorer with the fewest parameters that reach rank 64, and rank 256."""
    least = {}
    for name, answer, goal in (("at_64", at_64, 64), ("at_256", at_256, 256)):
        B1, B2, C = place = tuple(integers(name, answer, (3,), "(B₁, B₂, C)").tolist())
        if not (1 <= B1 <= 3 and 1 <= B2 <= 3 and 2 <= C <= 4):
            raise Wrong(
                f"{name} should be a state of the explorer, B₁ and B₂ from 1 to 3 and C from 2 to 4, not {place}"
            )
        if (rank := certify_rank(_placed(*place)).rank) < goal:
            raise Wrong(f"The network {place} of {name} has rank {rank}, and the exercise asks for {goal}")
        reached = [
            _placed(*other).parameters
            for other in product((1, 2, 3), (1, 2, 3), (2, 3, 4))
            if _most(*other) >= goal and certify_rank(_placed(*other)).rank >= goal
        ]
        size, least[goal] = _placed(*place).parameters, min(reached)
        if size > least[goal]:
            raise Wrong(
                f"The network {place} reaches rank {goal} with {size} parameters, and one with {min(reached)} does too"
            )
    return (
        f"2×2 windows in both layers are the cheapest for 64, with {least[64]} parameters, and 3×3 windows in layer 1 "
        f"alone for 256, with {least[256]}"
    )


def first_layer(bound: object, with_2048: object, with_1024: object) -> str:
    """The proposition's bound for B = 2 in the first layer on 8×8 patches, and the ranks of two samples."""
    network = Architecture(8, 2, (Layer(2, 1, 2), *[Layer(2, 2, 2)] * 3))
    bound, most = integer("bound", bound), 2 * 2 ** (8 * (2 - 1))  # C·M^(H(B−1))
    if bound != most:
        raise Wrong(f"The bound is C·M^(H(B−1)) with C = M = B = 2 and H = 8, which is not {bound:,}")
    for name, answer, rows in (("with_2048", with_2048, 2048), ("with_1024", with_1024, 1024)):
        rank = certify_rank(network, rows=rows).rank
        if (said := integer(name, answer)) > most:
            raise Wrong(f"{name} is {said:,}, and no sample has a rank above the bound {most}")
        if said != rank:
            raise Wrong(f"With rows={rows} certify_rank does not give {said:,} for this network")
    return (
        "2,048 rows meet the bound, so the rank is 512 for almost all weights, and the smaller rank of 1,024 "
        "rows says nothing about it"
    )


def pooling(rank: object) -> str:
    """The rank of a network with 2×2 windows in layer 1 and 3×3 windows of stride 2 in layer 2."""
    network = Architecture(4, 2, (Layer(2, 1, 2), Layer(3, 2, 2), Layer(1, 1, 2), Layer(2, 2, 2)))
    certified, rank = certify_rank(network).rank, integer("rank", rank)
    if rank > certified:
        raise Wrong(
            f"{rank:,} is too many: 16 states of the next column, times 2·2 channels of the two units that "
            "cross, bound it"
        )
    if rank < certified:
        raise Wrong(
            f"{rank} is too few: the certified rank is larger, so count the states and the units that cross "
            "the cut again"
        )
    return (
        f"16 states of the column next to the cut times 2·2 choices of channels are {certified} products, and it "
        "is attained"
    )
