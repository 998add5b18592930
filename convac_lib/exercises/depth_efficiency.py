"""The rules of the exercises in *Depth efficiency*."""

import numpy as np

from convac_lib.errors import ConvacError
from convac_lib.exercises.answers import Wrong, integer, integers
from convac_lib.related.depth import failure_bound, odd_even_rank
from convac_lib.related.row import RowTree, random_levels
from convac_lib.theory.fields import DEFAULT_PRIME


def three(pairs: object, top: object) -> str:
    """Weights of the upper levels of a tree over four patches, of width 2, for which the rank is exactly 3."""
    a1 = integers("pairs", pairs, (2, 2, 2), "(window, channel, channel below)")
    a2 = integers("top", top, (1, 1, 2), "(1, 1, channel below)")
    leaves = np.stack([np.eye(2, dtype=int)] * 4)
    rank = odd_even_rank([leaves, *((level % DEFAULT_PRIME).astype(int) for level in (a1, a2))])
    if rank != 3:
        entries = "1 entry that is" if rank == 1 else f"{rank} entries that are"
        raise Wrong(f"Your halved tensor has {entries} not 0, so the rank is {rank}, and not 3")
    return "one of the four entries of the halved tensor is 0, and the other three are not"


def limit(r0: object, rank: object) -> str:
    """The least r_0 with the largest rank for eight patches and three templates, and this rank."""
    r0, rank = integer("r0", r0), integer("rank", rank)
    if not 1 <= r0 <= 4:
        raise Wrong(f"r0 lies between 1 and 4 in the figure, and yours is {r0}")
    ranks = {width: odd_even_rank(random_levels(RowTree(8, 3, (width, 2, 2)), seed=0)) for width in range(1, 5)}
    if ranks[r0] < max(ranks.values()):
        raise Wrong(f"With r0 = {r0} the rank is {ranks[r0]}, and a larger r0 gives more")
    if ranks.get(r0 - 1) == ranks[r0]:
        raise Wrong(f"With r0 = {r0} the rank is no larger than with r0 = {r0 - 1}")
    if rank != ranks[r0]:
        raise Wrong(f"r0 is right, but the rank with r0 = {r0} is not {rank}")
    return "from r0 = M on, the templates limit the rank to 3⁴, and wider leaves add nothing"


def prime(degree: object, prime: object) -> str:
    """The degree of the minor for N = 8 and width 2, and the least prime that promises full rank in 99 of 100 draws."""
    degree, prime, tree = integer("degree", degree), integer("prime", prime), RowTree(8, 2, (2, 2, 2))
    true = failure_bound(tree, DEFAULT_PRIME).numerator
    if degree != true:
        raise Wrong(
            f"The degree is not {degree}: count the nodes of the tree, each a factor of an entry, and the rows of the "
            "minor"
        )
    if prime < 2:
        raise Wrong(f"A prime is at least 2, and yours is {prime}")
    if prime < 100 * true:
        raise Wrong(f"Modulo {prime} the bound is {degree}/{prime}, more than 1/100")
    try:
        failure_bound(tree, prime)
    except ConvacError as error:
        raise Wrong(f"{error}") from None
    for smaller in range(100 * true, min(prime, 200 * true)):
        if pow(2, smaller - 1, smaller) == 1 and _fits(tree, smaller):
            raise Wrong(f"{prime} is enough, but so is the smaller prime {smaller}")
    return "an entry has a factor from each of 15 nodes, the minor has 16 rows, and 240/24,001 is below 1/100"


def _fits(tree: RowTree, number: int) -> bool:
    """Whether the bound can be stated modulo this number, which is so for large primes."""
    try:
        return bool(failure_bound(tree, number))
    except ConvacError:
        return False
