"""What the first explorer shows: a network of the common case, its templates, and its rank against the bounds."""

from functools import cache

from convac_lib.families import common_case
from convac_lib.files import results_path
from convac_lib.theory.atlas import AtlasEntry, read_atlas
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import bounds_of
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import stack
from convac_lib.visuals.templates import draw_templates
from convac_lib.visuals.view import View

LARGE = 2**30  # a prime below this may take a minor to 0 by chance
SAMPLED = 1024  # rows and columns at most: a second's work, where 4,096 take a quarter of a minute


def overlap_view(
    B: int,
    M: int = 2,
    C: int | None = None,
    size: int = 4,
    cut: str = "left-right",
    seed: int = 0,
    prime: int = DEFAULT_PRIME,
) -> View:
    """Show a network of the common case: its templates, its receptive fields, and its certified rank.

    The rank is read from the atlas if that certifies this network with this seed and prime. Otherwise it is computed,
    from 1,024 rows and columns at most.

    Args:
        B: the receptive field of the stride-1 layers.
        M: templates, and representation channels.
        C: channels of every layer; M if left out.
        size: H, the side of the image, in patches: a power of two.
        cut: a name that `make_cut` takes.
        seed: draws the weights and the sample.
        prime: p, of the arithmetic.

    Returns:
        The `View`: templates, network and scale of ranks.

    Raises:
        ConvacError: if the numbers make no common case, the cut is unknown, or p is no prime.

    Chapter: *The overlap theorem*.

    >>> overlap_view(B=3).reading
    'B = 3: rank 256, all that M = 2 allows; without overlap, at most 2.'
    >>> overlap_view(B=2, M=4).reading
    'B = 2: rank at least 1,024 (1,024 rows sampled), where M = 4 allows 65,536; without overlap, at most 4.'
    """
    channels = M if C is None else C
    network, plain = common_case(B, M, size, channels), common_case(1, M, size, channels)
    bounds = {name: bound.value for name, bound in bounds_of(network, cut).items() if isinstance(bound, Bound)}
    most, proved, formula = bounds["saturation"], bounds.get("theorem", 0), bounds.get("common_case")
    limit = bounds_of(plain, cut)["non_overlapping_upper"].value

    cell = _atlas().get((size, M, B, channels, cut, prime, seed))
    if cell:
        rank, rows, whole = cell.rank, cell.rows, cell.status != "at least"
    else:
        certified = certify_rank(network, cut, rows=SAMPLED, seed=seed, prime=prime)
        rank, rows, whole = certified.rank, certified.rows, certified.full
    exact = rank == min(most, bounds.get("non_overlapping_upper", most))

    words = f"{rank:,}" if exact or (whole and prime >= LARGE) else f"at least {rank:,}"
    if not (exact or whole):
        words += f" ({rows:,} rows sampled)"
    if proved > rank:
        words += f", {proved:,} by the theorem"
    allowed = f"all that M = {M} allows" if most in (rank, proved) else f"where M = {M} allows {most:,}"
    chosen = {"C": (channels, M), "H": (size, 4), "seed": (seed, 0), "p": (prime, DEFAULT_PRIME)}
    others = "".join(f", {letter} = {value:,}" for letter, (value, usual) in chosen.items() if value != usual)
    picture = stack(
        draw_templates(M, size),
        draw_network(network, cut=cut),
        draw_rank_scale(rank, colour=colour_of(B), formula=formula, saturation=most, non_overlapping=limit),
    )
    alt = (
        f"{M} templates, and tables that grow as {M}, {M**2:,}, {M**3:,}; the layers of the common-case network with "
        f"B = {B} as grids; its rank across the cut {cut} on a logarithmic scale: {words}, with saturation at {most:,} "
        f"and at most {limit:,} without overlap."
    )
    values = {
        "rank": rank,
        "is": "exact" if exact else "of the whole table" if whole else f"lower bound, {rows:,} rows sampled",
        "theorem": proved or "does not apply",
        "talk's formula": "does not apply" if formula is None else formula,
        "without overlap, at most": limit,
        "saturation": most,
    }
    reading = f"B = {B}{others}: rank {words}, {allowed}; without overlap, at most {limit:,}."
    return View(picture, alt, reading, values, source="results/atlas.csv" if cell else "")


@cache
def _atlas() -> dict[tuple, AtlasEntry]:
    """Return what the atlas certifies, by network, cut, prime and seed."""
    return {(*cell.place, cell.prime, cell.seed): cell for cell in read_atlas(results_path("atlas.csv"))}
