"""The explorer of ranks: the common case on a 4×4 image, and its certified rank against the bounds."""

from convac_lib.families import common_case
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import bounds_of, non_overlapping_upper, saturation
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import stack
from convac_lib.visuals.view import Value, View


def rank_view(B: int, M: int = 2, C: int | None = None, cut: str = "left-right") -> View:
    """Show the common case on a 4×4 image: its receptive fields, and its certified rank against the bounds.

    Args:
        B: the receptive field of the stride-1 layers.
        M: representation channels; beyond 2, rows and columns are sampled, enough for the talk's formula, and the rank
            is a lower bound.
        C: channels of every layer; M if left out.
        cut: a name that `make_cut` takes.

    Returns:
        The `View`, with the network above and the scale of ranks below.

    Raises:
        ConvacError: if the numbers make no common case, or the cut is unknown.

    Chapter: *The overlap theorem*.

    >>> rank_view(B=3).reading
    'B = 3: rank 256, all that M = 2 allows; without overlap, at most 2.'
    """
    network, plain = common_case(B, M, size=4, channels=C), common_case(1, M, size=4, channels=C)
    most, limit = saturation(network, cut).value, non_overlapping_upper(plain, cut).value
    bounds = bounds_of(network, cut)
    formula, proved = (
        bound.value if isinstance(bound, Bound) else None for bound in (bounds["common_case"], bounds["theorem"])
    )
    certified = certify_rank(network, cut, rows=max(2048, formula or 0))
    rank = f"{certified.rank:,}" if certified.full else f"at least {certified.rank:,}"
    if proved and proved > certified.rank:
        rank += f" in the sample, {proved:,} by the theorem"
    if most in (certified.rank, proved):
        reading = f"rank {rank}, all that M = {M} allows"
    else:
        reading = f"rank {rank}, where M = {M} allows {most:,}"
    picture = stack(
        draw_network(network, cut=cut),
        draw_rank_scale(certified.rank, colour=colour_of(B), formula=formula, saturation=most, non_overlapping=limit),
    )
    alternative = (
        f"The layers of the common-case network with B = {B} as grids, and its rank across the cut {cut} on a "
        f"logarithmic scale: {rank}, with saturation at {most:,} and at most {limit:,} without overlap."
    )
    values: dict[str, Value] = {
        "rank": certified.rank,
        "exact": "whole matricization" if certified.full else f"lower bound, {certified.rows:,} rows sampled",
        "talk's formula": "does not apply" if formula is None else formula,
        "without overlap, at most": limit,
        "saturation": most,
    }
    return View(picture, alternative, f"B = {B}: {reading}; without overlap, at most {limit:,}.", values)
