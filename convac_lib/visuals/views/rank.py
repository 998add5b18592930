"""The explorer of ranks: a network of the common case, its templates, and its certified rank against the bounds."""

from functools import cache
from typing import NamedTuple

from convac_lib.families import common_case
from convac_lib.files import results_path
from convac_lib.theory.atlas import AtlasEntry, read_atlas
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import bounds_of, non_overlapping_upper
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import stack
from convac_lib.visuals.templates import draw_templates
from convac_lib.visuals.view import Value, View

LARGE = 2**30  # modulo a smaller prime, a minor may be 0 by chance
Place = tuple[int, int, int, int, str, int, int]  # size, M, B, channels, cut, prime, seed
SAMPLED = 1024  # rows and columns at most: they take a second, 4,096 take a quarter of a minute


class _Rank(NamedTuple):
    """A certified rank and how far it is known, "exact", "whole" or "at least", as a cell of the atlas says it."""

    value: int
    rows: int
    status: str
    source: str

    @property
    def kind(self) -> str:
        sampled = f"lower bound, {self.rows:,} rows sampled"
        return {"exact": "exact", "whole": "of the whole table", "at least": sampled}[self.status]


def rank_view(
    B: int,
    M: int = 2,
    C: int | None = None,
    size: int = 4,
    cut: str = "left-right",
    seed: int = 0,
    prime: int = DEFAULT_PRIME,
) -> View:
    """Show a network of the common case: its templates, its receptive fields, and its certified rank.

    The rank is read from the atlas if the atlas has this network, cut, seed and prime. Otherwise it is computed, from
    at most 1,024 rows and columns.

    Args:
        B: the receptive field of the stride-1 layers.
        M: templates, and representation channels.
        C: channels of every layer; M if left out.
        size: H, the side of the image in patches, a power of two.
        cut: a name that `make_cut` takes.
        seed: the seed of the weights and of the sampled rows and columns.
        prime: p; the rank is computed modulo p.

    Returns:
        The `View`: templates, network and scale of ranks.

    Raises:
        ConvacError: if the numbers make no common case, the cut is unknown, or p is no prime.

    Chapter: *The overlap theorem*.

    >>> rank_view(B=3).reading
    'B = 3: rank 256, all that M = 2 allows; without overlap, at most 2.'
    >>> rank_view(B=2, M=4).reading
    'B = 2: rank at least 1,024 (1,024 rows sampled), where M = 4 allows 65,536; without overlap, at most 4.'
    """
    channels = M if C is None else C
    network, plain = common_case(B, M, size, channels), common_case(1, M, size, channels)
    bounds = {name: bound.value for name, bound in bounds_of(network, cut).items() if isinstance(bound, Bound)}
    most, proved, formula = bounds["saturation"], bounds.get("theorem", 0), bounds.get("common_case")
    limit = non_overlapping_upper(plain, cut).value
    upper = min(bounds.get(name, most) for name in ("non_overlapping_upper", "min_cut", "saturation"))
    rank = _certified((size, M, B, channels, cut, prime, seed), upper)

    words = _in_words(rank, proved, prime)
    allowed = f"all that M = {M} allows" if most in (rank.value, proved) else f"where M = {M} allows {most:,}"
    others = _unusual(C=(channels, M), H=(size, 4), seed=(seed, 0), p=(prime, DEFAULT_PRIME))
    picture = stack(
        draw_templates(M, size),
        draw_network(network, cut=cut),
        draw_rank_scale(rank.value, colour=colour_of(B), formula=formula, saturation=most, non_overlapping=limit),
    )
    alt = (
        f"{M} templates, and tables that grow as {M}, {M**2:,}, {M**3:,}; the layers of the common-case network with "
        f"B = {B} as grids; its rank across the cut {cut} on a logarithmic scale: {words}, with saturation at {most:,} "
        f"and at most {limit:,} without overlap."
    )
    values: dict[str, Value] = {
        "rank": rank.value,
        "is": rank.kind,
        "theorem": proved or "does not apply",
        "talk's formula": "does not apply" if formula is None else formula,
        "without overlap, at most": limit,
        "saturation": most,
    }
    reading = f"B = {B}{others}: rank {words}, {allowed}; without overlap, at most {limit:,}."
    return View(picture, alt, reading, values, source=rank.source)


def _certified(place: Place, upper: int) -> _Rank:
    """Read a rank from the atlas, or compute it; it is exact if it reaches a proved upper bound."""
    cell = _atlas().get(place)
    if cell:
        return _Rank(cell.rank, cell.rows, cell.status, "results/atlas.csv")
    size, M, B, channels, cut, prime, seed = place
    certified = certify_rank(common_case(B, M, size, channels), cut, rows=SAMPLED, seed=seed, prime=prime)
    status = "exact" if certified.rank == upper else "whole" if certified.full else "at least"
    return _Rank(certified.rank, certified.rows, status, "")


def _unusual(**chosen: tuple[int, int]) -> str:
    """Write the numbers that differ from their usual values, each given with that value."""
    return "".join(f", {letter} = {value:,}" for letter, (value, usual) in chosen.items() if value != usual)


def _in_words(rank: _Rank, proved: int, prime: int) -> str:
    sure = rank.status == "exact" or (rank.status == "whole" and prime >= LARGE)
    words = f"{rank.value:,}" if sure else f"at least {rank.value:,}"
    if rank.status == "at least":
        words += f" ({rank.rows:,} rows sampled)"
    return words + (f", {proved:,} by the theorem" if proved > rank.value else "")


@cache
def _atlas() -> dict[Place, AtlasEntry]:
    """Return the cells of the atlas by place."""
    return {(*cell.place, cell.prime, cell.seed): cell for cell in read_atlas(results_path("atlas.csv"))}
