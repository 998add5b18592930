"""The rules of the exercises in *How much overlap is enough*."""

from math import comb, prod

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, integer, integers, word
from convac_lib.families import common_case, place_overlap
from convac_lib.theory.chain import chain
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.min_cut import find_cut, min_cut_upper
from convac_lib.theory.unrolled import count_unrolled, unroll


def links(per_row: object, base: object, channels: object) -> str:
    """The chains per row, the base and the bound for B = 3, H = 8, M = 4 and three channels in layer 1."""
    bound = chain(Architecture(8, 4, (Layer(3, 1, 3), Layer(2, 2, 1), Layer(2, 2, 1), Layer(2, 2, 1))))
    rows, proved = 8, int(bound.exponent) // 8
    per_row, base, channels = integer("per_row", per_row), integer("base", base), integer("channels", channels)
    if per_row != proved:
        raise Wrong(
            f"A row does not have {per_row} chains: a window of 3 compares patches that are 2 apart, so the chains of "
            "a row are the remainders of the column modulo 2"
        )
    if base != bound.base:
        raise Wrong(f"The base is the smaller of M = 4 templates and C_1 = 3 channels, which is not {base}")
    if channels != bound.value:
        raise Wrong(
            f"With {proved} chains in each of {rows} rows the bound is {bound.base}^({proved}·{rows}), which is not "
            f"{channels:,}"
        )
    return (
        f"{proved} chains in each of {rows} rows prove rank {bound.base}^{bound.exponent}, and without overlap each "
        "channel of the last layer adds at most 1 to the rank"
    )


def unrolled(along: object, vertices: object) -> str:
    """How many instances the layers of the common case have along one axis, for B = 2 and H = 8, and all vertices."""
    network = common_case(B=2, M=2, size=8)
    expected = [len(places) for places in unroll(network, 1000).places[1:]]
    counts = integers("along", along, (len(expected),), "one for each layer").tolist()
    total = integer("vertices", vertices)
    for number in range(len(expected), 0, -1):  # from the top, as a reader counts
        if counts[number - 1] != expected[number - 1]:
            raise Wrong(
                f"Along one axis layer {number} does not have {counts[number - 1]} instances: let each instance of the "
                "layer above read its window, and leave out what lies outside the image"
                if number < len(expected)
                else f"The last layer has one unit, and nothing reads it, so it has one instance and not {counts[-1]}"
            )
    if total == sum(expected) + 8:
        raise Wrong(
            f"{total} vertices are those of one row: an instance is a pair, one for the row and one for the column"
        )
    if total != count_unrolled(network)[0]:
        raise Wrong(f"The squares of the {len(expected)} numbers and the 64 patches do not add up to {total:,}")
    return f"{' + '.join(f'{count}²' for count in expected)} + 8² = {total}"


def price(prices: object, bound: object) -> str:
    """The prices of the four units that cross the cut in layer 1 for M = 3 and C = 2, and the bound."""
    network = place_overlap(2, 2, C=2, M=3)
    most = min_cut_upper(network).value
    copies, C = (1, 1, 2, 2), 2
    right = [comb(C + n - 1, n) for n in copies]
    given = integers("prices", prices, (4,), "one for each row").tolist()
    for row, (answer, expected, n) in enumerate(zip(given, right, copies), start=1):
        if n > 1 and answer == C**n:
            raise Wrong(
                f"In row {row} the {n} copies are alike, so the order of their channels does not matter: count "
                f"unordered choices, not all {answer}"
            )
        if answer != expected:
            words = "copy" if n == 1 else "copies"
            raise Wrong(f"The unit in row {row} has {n} {words} of {C} channels, and does not cost {answer}")
    if (said := integer("bound", bound)) != most:
        raise Wrong(
            f"The prices multiply to {prod(right)}, and the two units of layer 3 cost C² = {C**2}: together they do "
            f"not make {said:,}"
        )
    return f"the prices make {prod(right)}, times C² = {C**2} for layer 3, so the rank is at most {most}"


def lift(letter: object, bound: object) -> str:
    """The letter whose next value lifts the bound of B₁ = B₂ = C = M = 2 most, and that bound."""
    here = {"B1": 2, "B2": 2, "C": 2, "M": 2, "left": 2}
    names = {letter.lower(): letter for letter in here}
    chosen = names[word("letter", letter, names)]

    def bound_with(**changed: int) -> int:
        state = here | changed
        cut = make_cut([row * 4 + column for row in range(4) for column in range(state["left"])], 4)
        found = find_cut(place_overlap(state["B1"], state["B2"], state["C"], M=state["M"]), cut)
        return prod(q**e for q, e in found.terms)

    steps = {each: value + 1 for each, value in here.items()} | {"M": 4}  # the next value on each slider
    lifted = {each: bound_with(**{each: step}) for each, step in steps.items()}
    best, said = max(lifted, key=lifted.__getitem__), integer("bound", bound)
    if chosen != best:
        raise Wrong(
            f"With {chosen} = {steps[chosen]} the bound is {lifted[chosen]}, and another letter lifts it higher"
        )
    if said != lifted[best]:
        raise Wrong(f"With {best} = {steps[best]} the bound is not {said:,}: read it above the dashed line")
    return f"{best} = {steps[best]} lifts the bound from {bound_with()} to {lifted[best]}, which is saturation"
