"""The rules of the exercises in *Mixed decompositions*."""

from convac_lib.errors import ConvacError
from convac_lib.exercises.answers import Wrong, integer
from convac_lib.related.mixed import MixedPlan, rank_bound


def against_hybrid(patches: object) -> str:
    """Four patches, numbered from 1, for which the hybrid has the bound 9 and the mixture 144."""
    if not isinstance(patches, list | tuple | set):
        raise Wrong("patches should be a list of patches such as [1, 2], numbered from 1")
    listed = [integer("every patch", patch) - 1 for patch in patches]
    try:
        hybrid, mixture = (rank_bound(MixedPlan(4, 3), name, listed) for name in ("hybrid", "mixture"))
    except ConvacError:
        raise Wrong("patches should name some of the patches 1 to 8, each once, and not all of them") from None
    if (hybrid, mixture) != (9, 144):
        raise Wrong(f"Across this cut the hybrid has the bound {hybrid} and the mixture {mixture}, not 9 and 144")
    return "each half is easy for the tree that the hybrid has there, and the mixture has the other tree too"


def sixteen(mixture: object, width: object) -> str:
    """The bound of the mixture of width 3 over sixteen patches, and the width with which one network reaches it."""
    bound, least = (3**4 + 3) ** 2, 6
    if (said := integer("mixture", mixture)) != bound:
        raise Wrong(
            f"mixture is {'less' if said > bound else 'more'} than {said}: add the dimensions of both in a half"
        )
    if (said := integer("width", width)) != least:
        raise Wrong(
            f"One network of width {said} has the bound {said}⁵ = {said**5:,}, which is not the first from 7,056 up"
        )
    return "the mixture has (81 + 3)² = 7,056, between 5⁵ = 3,125 and 6⁵ = 7,776"
