"""The explorer of the first page: a network, and its rank across left | right beside the rank without overlap."""

from convac_lib.families import common_case
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import LINE, stack
from convac_lib.visuals.view import Value, View
from convac_lib.visuals.views.rank import rank_view

CUT, UNUSED = "left-right", LINE  # the scale keeps room for the names of bounds, and none is drawn here


def rank_alone_view(
    B: int, M: int = 2, C: int | None = None, size: int = 4, seed: int = 0, prime: int = DEFAULT_PRIME
) -> View:
    """Show a network of the common case and its rank across left | right, without bounds and formulas.

    The numbers are those of `rank_view`, which also shows the templates, the talk's formula and the saturation. Where
    the theorem proves more than the sampled rows show, the bar has the theorem's length.

    Args:
        B: the receptive field of the stride-1 layers.
        M: templates, and representation channels.
        C: channels of every layer; M if left out.
        size: H, the side of the image in patches, a power of two.
        seed: the seed of the weights and of the sampled rows and columns.
        prime: p; the rank is computed modulo p.

    Returns:
        The `View`: the network, and its rank and the rank without overlap as bars on one logarithmic scale.

    Raises:
        ConvacError: if the numbers make no common case, or p is no prime.

    Chapter: *On the expressive efficiency of overlapping architectures*.

    >>> view = rank_alone_view(B=3)
    >>> view.reading
    'B = 3: rank 256, all that M = 2 allows; without overlap, at most 2.'
    >>> view.values
    {'rank': 256, 'is': 'exact', 'without overlap, at most': 2}
    """
    seen = rank_view(B, M, C, size, CUT, seed, prime)
    known = [(int(seen.values["rank"]), seen.values["is"])]
    if isinstance(theorem := seen.values["theorem"], int):
        known.append((theorem, "by the theorem"))
    rank, source = max(known, key=lambda each: each[0])
    limit, most = int(seen.values["without overlap, at most"]), int(seen.values["saturation"])
    scale = draw_rank_scale(rank, name=f"B = {B}", colour=colour_of(B), non_overlapping=limit, largest=most)
    network = draw_network(common_case(B, M, size, M if C is None else C), cut=CUT)
    words = f"at least {rank:,}" if "at least" in seen.reading and rank < most else f"{rank:,}"
    alt = (
        f"The layers of a network with B = {B} as grids, beside an image cut into a left and a right half. Two bars on "
        f"a logarithmic scale: the network's rank is {words}, and without overlap it is at most {limit:,}."
    )
    values: dict[str, Value] = {"rank": rank, "is": source, "without overlap, at most": limit}
    return View(stack(network, scale, gap=-UNUSED), alt, seen.reading, values, source=seen.source)
