"""The rules of the exercises in *The overlap theorem*."""

from fractions import Fraction

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.exercises.answers import Wrong, call, integer, integer_for_each, number, word
from convac_lib.families import common_case
from convac_lib.theory.bounds import saturation, talk_formula, theorem
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.ranks import certify_rank
from convac_lib.theory.receptive_fields import minimal_total_receptive_field
from convac_lib.theory.tensors import matricize


def by_hand(T: object, D: object, e: object, bound: object) -> str:
    """T, D, e and the theorem's bound for B = 2, M = 2, C = 4 and H = 8."""
    T, D, e, bound = integer("T", T), integer("D", D), integer("e", e), integer("bound", bound)
    network = common_case(B=2, M=2, size=8, channels=4)
    proved = theorem(network)
    assert proved.layer is not None  # the theorem names its layer
    smallest = minimal_total_receptive_field(network, proved.layer, alpha=4)
    assert smallest is not None  # at layer K the total receptive field is above H/2
    step = network.total_strides[proved.layer - 1]
    if T <= 4:
        raise Wrong(f"T = {T} sees no more than half of the 8 columns, so no window compares patches across the cut")
    if smallest != T:
        raise Wrong(
            f"T = {T} is not the smallest total receptive field above H/2 = 4 that the windows up to layer K can have"
        )
    if proved.base != D:
        raise Wrong(f"D is the smallest of M = 2, C_K = 4 and C/2 = 2 below layer K, and that is not {D}")
    across, down = (8 - smallest) // step + 1, -(-8 // step)
    if proved.exponent != e:
        raise Wrong(
            f"With T = {smallest} and T_S = {step} the window has {across} places across and {down} down, "
            f"which are not {e} pairs"
        )
    if proved.value != bound:
        raise Wrong(f"The bound is D^e = {D}^{e}, which is not {bound:,}")
    return f"{across} places across times {down} down are {e} pairs, so the rank is at least {D}^{e} = {bound}"


def pairs(compared: object, reason: object) -> str:
    """How many pairs B = 2, 3 and 5 compare on an 8×8 image, and why B = 3 compares no more than B = 2."""
    compared = integer_for_each("compared", compared, (2, 3, 5), letter="B")
    reason = word("reason", reason, ("a", "b", "c"))
    bounds = {B: theorem(common_case(B, M=2, size=8, channels=4)) for B in compared}
    for B, e in compared.items():
        if e != bounds[B].exponent:
            raise Wrong(
                f"With B = {B} on 8×8 patches the network does not compare {e} pairs: set the size to 8, and B to {B}"
            )
    if reason == "b":
        raise Wrong(
            "With M = 3 the same pairs are compared: M is the number of templates that a pair tells apart, the "
            "base of M^e"
        )
    if reason == "c":
        raise Wrong(
            "With C = 2M channels every template can be told apart already, and e is a matter of R, S and H alone"
        )
    return (
        f"B = 2 and B = 3 first see past the middle in layer {bounds[2].layer}, whose windows are two patches apart, "
        f"and B = 5 in layer {bounds[5].layer}, where they are one apart"
    )


def three_rows(circuit: object, channels: object, rank: object) -> str:
    """A circuit that compares the two rows of a 2×2 image for three templates, its channels and its rank."""
    M, cut = 3, make_cut("left-right", size=2)
    if not isinstance(circuit, Circuit):
        raise Wrong("circuit should be a Circuit, as by_hand is")
    plan = circuit.architecture
    if (plan.size, plan.representation_channels) != (2, M):
        raise Wrong(
            f"The circuit reads {plan.size}×{plan.size} patches of M = {plan.representation_channels}, not 2×2 of M = 3"
        )
    found = np.asarray(matricize(circuit.grid_tensor(), cut))
    off = int((np.abs(found - np.eye(M**2)) > 1e-9).sum())
    if off:
        raise Wrong(f"The circuit's matricization differs from the 9×9 identity in {off} of its 81 entries")
    if len(plan.layers) != 2 or not plan.layers[0].is_overlapping:
        raise Wrong(
            "The circuit has the right function, but the exercise asks for two layers of which the first overlaps"
        )
    wide, channels, rank = plan.channels[1], integer("channels", channels), integer("rank", rank)
    fewer = Architecture(2, M, (Layer(2, 1, M - 1), Layer(2, 2, 1)))
    if channels < M:
        raise Wrong(
            f"With {M - 1} channels in layer 1 the rank is {certify_rank(fewer).rank}, and the identity has rank 9"
        )
    if wide != channels:
        raise Wrong(f"Layer 1 of your circuit has {wide} channels, and your answer says {channels}")
    if channels > M:
        raise Wrong(f"Your circuit does it with {channels} channels in layer 1, and fewer are enough")
    if rank != M**2:
        raise Wrong(f"The 9×9 identity does not have rank {rank}")
    return (
        "one channel for each template makes the 9×9 identity, of rank 9, and 2 channels reach "
        f"{certify_rank(fewer).rank}"
    )


def false_from(first_false: object) -> str:
    """A function from H to the least B for which the talk's formula asks for more than any network has."""
    for H in (4, 2, 8, 16, 32, 64):
        B = integer(f"first_false({H})", call("first_false", first_false, H))
        if not 1 <= B <= 10 * H:
            raise Wrong(f"For H = {H} the answer is a B of at least 1, near the size of the image, and yours is {B}")
        most = saturation(common_case(1, 2, H)).exponent

        def asks(B: int) -> Fraction:
            return talk_formula(B, M=2).exponent

        if asks(B) <= most:
            raise Wrong(
                f"For H = {H} and B = {B} the formula asks for M^{float(asks(B)):g}, and the matrix has "
                f"M^{most} rows: it has room"
            )
        if B > 1 and asks(B - 1) > most:
            raise Wrong(
                f"For H = {H} the formula is false already at B = {B - 1}: M^{float(asks(B - 1)):g} against "
                f"M^{most} rows"
            )
    return "a rank is at most M^(H²/2), so the formula is false where (2B−1)² is more than 2H², whatever M is"


def where(better: object, factor: object) -> str:
    """Which place of one 3×3 layer gives the larger rank, and by which factor."""
    better, factor = word("better", better, ("first", "after")), number("factor", factor)
    one, two = Layer(3, 1, 2), Layer(2, 2, 2)
    ranks = {
        place: certify_rank(Architecture(4, 2, layers)).rank
        for place, layers in {"first": (one, two, two), "after": (two, one, two)}.items()
    }
    if better != max(ranks, key=ranks.__getitem__):
        raise Wrong(
            "After the first 2×2 layer each unit has squeezed four patches into two channels, so the rank "
            "is the smaller"
        )
    gain = ranks["first"] // ranks["after"]
    if factor != gain:
        raise Wrong(
            f"The ranks are not a factor of {factor} apart: certify both networks, or count what crosses the cut"
        )
    return (
        f"the ranks are {ranks['first']} and {ranks['after']}, a factor of {gain}, with the same number of parameters"
    )
