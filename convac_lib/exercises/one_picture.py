"""The rules of the exercises in *One picture*."""

from convac_lib.exercises.answers import Wrong, integer, shown
from convac_lib.families import baseline
from convac_lib.related.summary import FEATURES, summary_rank


def which_pay(features: object) -> str:
    """The features that raise the rank across top | bottom, of the five whose ranks are computed on both sides."""
    computed = [name for name, (without, _) in FEATURES.items() if not without.most]
    if not isinstance(features, list | tuple | set):
        raise Wrong(f"features should be a list of names such as ['overlap'], not {shown(features)}")
    for name in features:
        if name not in computed:
            raise Wrong(f"{shown(name)} is none of {', '.join(computed)}")
    ranks = {name: [summary_rank(name, having, "top | bottom") for having in (False, True)] for name in computed}
    for name, (without, having) in ranks.items():
        if name in features and having <= without:
            raise Wrong(f"{name} does not pay here: the rank is {having} with it, and {without} without")
    paying = [name for name, (without, having) in ranks.items() if having > without]
    if left := len(paying) - len({*features}):
        raise Wrong(f"What you list pays, and {left} more {'does' if left == 1 else 'do'}")
    words = ", ".join(f"{name} ({ranks[name][1]} against {ranks[name][0]})" for name in paying)
    return f"the halves meet late, and these compare them there or before: {words}"


def without_overlap(C: object, size: object) -> str:
    """The channels and the numbers of a network without overlap, for the rank of 66 numbers with overlap."""
    least = summary_rank("overlap", True, "left | right")
    if (said := integer("C", C)) != least:
        side = "less" if said > least else "more"
        raise Wrong(f"C is {side} than {said}: without overlap the rank across these halves is at most C")
    numbers = baseline(2, 4, least).parameters
    if (said := integer("size", size)) != numbers:
        raise Wrong(f"size is not {said:,}: add 4·M·C and 4·C·C for the two layers, and C for the dense vector")
    return f"{numbers:,} numbers without overlap, where 66 are enough with it"
