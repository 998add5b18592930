"""What the chapters' explorers show of each state: one function a question, from the reader's choices to a `View`."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

from convac_lib.architecture import Architecture, Layer, baseline, common_case
from convac_lib.theory.bounds import Bound, bounds_of
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.charts import (
    draw_atlas_row,
    draw_curves,
    draw_placements,
    draw_rank_against_size,
    draw_storage,
)
from convac_lib.visuals.drawings import draw_network, draw_rank_scale, stack
from convac_lib.visuals.explorer import View
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import readable

if TYPE_CHECKING:  # the theory's views load no torch
    from convac_lib.experiments.atlas import Cell
    from convac_lib.experiments.report import Protocol, Row


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
    bounds = bounds_of(network, cut)
    most, limit = bounds["saturation"].value, bounds_of(plain, cut)["non_overlapping_upper"].value
    claimed, proved = (
        bounds[name].value if isinstance(bounds[name], Bound) else None for name in ("common_case", "theorem")
    )
    certified = certify_rank(network, cut, rows=max(2048, claimed or 0))
    rank = f"{certified.rank:,}" if certified.full else f"at least {certified.rank:,}"
    if proved and proved > certified.rank:
        rank += f" in the sample, {proved:,} by the theorem"
    if most in (certified.rank, proved):
        reading = f"rank {rank}, all that M = {M} allows"
    else:
        reading = f"rank {rank}, where M = {M} allows {most:,}"
    picture = stack(
        draw_network(network, cut=cut),
        draw_rank_scale(certified.rank, colour=colour_of(B), formula=claimed, saturation=most, non_overlapping=limit),
    )
    alternative = (
        f"The layers of the common-case network with B = {B} as grids, and its rank across the cut {cut} on a "
        f"logarithmic scale: {rank}, with saturation at {most:,} and at most {limit:,} without overlap."
    )
    values = {
        "rank": certified.rank,
        "exact": "whole matricization" if certified.full else f"lower bound, {certified.rows:,} rows sampled",
        "talk's formula": claimed if claimed is not None else "does not apply",
        "without overlap, at most": limit,
        "saturation": most,
    }
    return View(picture, alternative, f"B = {B}: {reading}; without overlap, at most {limit:,}.", values)


def atlas_view(atlas: "Sequence[Cell]", size: int, M: int, B: int, C: str, cut: str) -> View:
    """Show one cell of the atlas among those of the other B: what is certified, and what becomes of the talk's formula.

    Args:
        atlas: its cells, from `read_atlas`.
        size: H, the side of the image, in patches.
        M: representation channels.
        B: the receptive field of the stride-1 layers.
        C: the channels of every layer, "M" or "2M".
        cut: "left-right" or "interleaved".

    Returns:
        The `View`.

    Chapter: *The overlap theorem*.
    """
    channels = {"M": M, "2M": 2 * M}[C]
    row = [cell for cell in atlas if (cell.size, cell.M, cell.channels, cell.cut) == (size, M, channels, cut)]
    row.sort(key=lambda cell: cell.B)
    cell = next(cell for cell in row if cell.B == B)
    rank = f"rank {'≥ ' if cell.status == 'at least' else ''}{cell.rank:,}"
    if (cell.theorem or 0) > cell.rank:
        rank += f" by certificate, ≥ {readable(cell.theorem)} by the theorem"
    limit = f"without overlap, at most {readable(row[0].upper)}"
    asked = readable(cell.formula) if cell.formula else None
    verdict = {
        "proved": f"The talk's formula asks for {asked}, which is proved here.",
        "open": f"The talk's formula asks for {asked}, more than was sampled: open here.",
        "false": f"The talk's formula asks for {asked}, more than the matricization has rows: false at this size.",
        "vacuous": f"The talk's formula asks for {asked}, which networks without overlap reach too: it says nothing here.",
        None: "The talk claims nothing for this cut.",
    }[cell.claim]
    values = {
        "rank": cell.rank,
        "is": cell.status,
        "theorem": readable(cell.theorem) if cell.theorem else "does not apply",
        "talk's formula": asked or "does not apply",
        "formula is": cell.claim or "not claimed",
        "without overlap, at most": readable(row[0].upper),
        "certificate": cell.certificate[:16],
    }
    alternative = (
        f"Ranks of the common case over B = {', '.join(str(cell.B) for cell in row)}, on a logarithmic scale, for a "
        f"{size}×{size} image, M = {M}, C = {channels}, across the cut {cut}: "
        + ", ".join(f"{'at least ' if cell.status == 'at least' else ''}{cell.rank:,}" for cell in row)
        + f". Marked: B = {B}."
    )
    return View(draw_atlas_row(row, B), alternative, f"B = {B}: {rank}; {limit}. {verdict}", values)


def accuracy_view(rows: "Sequence[Row]", protocol: "Protocol", B: int, C: int, against: str = "channels") -> View:
    """Show one ConvNet of a sweep among the others: its training accuracy against its size, or epoch by epoch.

    Args:
        rows: the networks of one sweep, as `rows_of` brings them together.
        protocol: what they have in common.
        B: the receptive field of the stride-1 layers.
        C: channels of every layer.
        against: "channels" or "parameters", for the accuracy at the end; or "epochs", beside the other B with as many
            channels.

    Returns:
        The `View`: a curve for each B, with the network of B and C marked.

    Chapter: *The CIFAR-10 experiments*.
    """
    row = next(row for row in rows if (row.B, row.channels) == (B, C))
    curves = {}
    for other in rows:
        if against != "epochs":
            curves.setdefault(other.B, []).append((getattr(other, against), other.accuracy))
        elif other.channels == C:
            curves[other.B] = list(enumerate(other.curve, start=1))
    sizes = [size for size, _ in curves[B]]
    place = protocol.epochs - 1 if against == "epochs" else sizes.index(getattr(row, against))
    smaller = min((other for other in rows if other.accuracy >= row.accuracy), key=lambda other: other.parameters)
    reading = f"B = {B}, C = {C}: {row.accuracy:.0%} of the training images, with {row.parameters:,} parameters"
    if smaller.B != B:
        reading += f"; B = {smaller.B} does as well with C = {smaller.channels} and {smaller.parameters:,} parameters"
    along = f"epochs for C = {C}" if against == "epochs" else against
    alternative = (
        f"Training accuracy against {along}, a curve for each B; marked: B = {B}, C = {C}, {row.accuracy:.0%} "
        f"after {protocol.epochs} epochs; {protocol}."
    )
    values = {
        "training accuracy": f"{row.accuracy:.1%}",
        "test accuracy": f"{row.test_accuracy:.1%}",
        "parameters": row.parameters,
    }
    x_label = {"channels": "channels C", "parameters": "parameters", "epochs": f"epochs, C = {C}"}[against]
    picture = draw_curves(curves, (B, place), x_label=x_label, y_label="training accuracy")
    return View(picture, alternative, f"{reading}.", values)


EFFICIENCY_CHANNELS = (1, 2, 3, 4, 6, 8)


def efficiency_view(B: int, C: int, target: str) -> View:
    """See the rank that a size buys: each network of the common case with M = 2 on a 4×4 image, against a target.

    Args:
        B: the receptive field of the stride-1 layers, 1 to 3.
        C: the channels of every layer, one of `EFFICIENCY_CHANNELS`.
        target: the network whose functions are to be replicated, "B = 2" or "B = 3", with two channels.

    Returns:
        The `View`.

    Chapter: *Expressive efficiency*.

    >>> efficiency_view(B=3, C=2, target="B = 2").reading
    'B = 3, C = 2: rank 256 with 106 parameters. Without overlap, rank 64 needs C = 64: 37,056 parameters.'
    """
    rank, goal = _common_rank(B, C), _common_rank(int(target[-1]), 2)
    parameters, needed = _common_parameters(B, C), _common_parameters(1, goal)
    if B == 1 and rank < goal:
        reading = (
            f"Without overlap, C = {C} channels: rank {rank} of the {goal} that almost every function of {target} has; "
            f"it needs {goal}. At C = {goal} the network has {needed:,} parameters instead of {parameters:,}."
        )
    elif C == 1:
        reading = f"B = {B} with a single channel: rank 1. It only multiplies functions of single patches."
    elif rank < goal:
        reading = f"B = {B}, C = {C}: rank {rank} of {goal}, with {parameters:,} parameters."
    else:
        reading = (
            f"B = {B}, C = {C}: rank {rank} with {parameters:,} parameters. "
            f"Without overlap, rank {goal} needs C = {goal}: {needed:,} parameters."
        )
    alt = (
        f"The rank of networks with 1 to 8 channels against their parameters, both logarithmic: B = 1 climbs slowly, "
        f"B = 2 and B = 3 steeply to 256. Marked: B = {B}, C = {C}, {parameters} parameters, rank {rank}; target {goal}."
    )
    curves = {
        field: [
            (_common_parameters(field, channels), _common_rank(field, channels)) for channels in EFFICIENCY_CHANNELS
        ]
        for field in (1, 2, 3)
    }
    proved = [(_common_parameters(1, channels), channels) for channels in (8, 256)]
    picture = draw_rank_against_size(curves, (B, EFFICIENCY_CHANNELS.index(C)), goal=goal, proved=proved)
    return View(picture, alt, reading, {"parameters": parameters, "rank": rank, "target rank": goal})


@cache
def _common_rank(B, C):
    """The exact rank; a wider network contains the narrower, so it is saturated where the narrower one is."""
    narrower = max((channels for channels in EFFICIENCY_CHANNELS if channels < C), default=None)
    if narrower and _common_rank(B, narrower) == 256:
        return 256
    return certify_rank(common_case(B, 2, 4, C)).rank


def _common_parameters(B, C):
    return common_case(B, 2, 4, C).parameters


PLACES = tuple(product((1, 2, 3), repeat=2))


def place_overlap(B1: int, B2: int, C: int, *, M: int = 2) -> Architecture:
    """Build the common case on a 4×4 image with a receptive field of its own for each of its two stride-1 layers.

    Args:
        B1: the receptive field of layer 1, on 4×4 units.
        B2: the receptive field of layer 3, on 2×2 units.
        C: the channels of every layer.
        M: representation channels.

    Returns:
        The `Architecture`: GC(B₁, 1), GC(2, 2), GC(B₂, 1), GC(2, 2).

    Chapter: *Is a little overlap all you need?*

    >>> place_overlap(3, 3, C=2) == common_case(B=3, M=2, size=4)
    True
    """
    return Architecture(4, M, [Layer(B1, 1, C), Layer(2, 2, C), Layer(B2, 1, C), Layer(2, 2, C)])


def placement_view(B1: int, B2: int, C: int, M: int = 2, seed: int = 0, prime: int = DEFAULT_PRIME) -> View:
    """See where overlap pays: the rank and the parameters of a network by the places of its overlap.

    Args:
        B1: the receptive field of layer 1.
        B2: the receptive field of layer 3.
        C: the channels of every layer.
        M: representation channels; beyond 2, 1,024 rows and columns are sampled, and a rank is a lower bound.
        seed: draws the weights and the sample.
        prime: p, of the arithmetic.

    Returns:
        The `View`, in which the network is seen among those of receptive fields 1 to 3.

    Chapter: *Is a little overlap all you need?*

    >>> placement_view(B1=1, B2=3, C=2).reading
    'Overlap in layer 3 alone, B₂ = 3: rank 4 with 74 parameters. The other way round, B₁ = 3, B₂ = 1: 256 with 74.'
    """
    places = list(product(sorted({1, 2, 3, B1, B2}), repeat=2))
    known = {
        place: (place_overlap(*place, C, M=M).parameters, _placed_rank(*place, C, M, seed, prime)) for place in places
    }
    parameters, rank = known[B1, B2]
    least = "" if M == 2 else "at least "
    where = {
        (True, True): "No overlap",
        (False, True): f"Overlap in layer 1 alone, B₁ = {B1}",
        (True, False): f"Overlap in layer 3 alone, B₂ = {B2}",
        (False, False): f"Overlap in both layers, B₁ = {B1}, B₂ = {B2}",
    }[B1 == 1, B2 == 1]
    reading = f"{where}: rank {least}{rank:,} with {parameters:,} parameters."
    if B1 != B2:
        other = known[B2, B1]
        reading += f" The other way round, B₁ = {B2}, B₂ = {B1}: {least}{other[1]:,} with {other[0]:,}."
    elif B1 > 1:
        alone = known[B1, 1]
        reading += f" In layer 1 alone: {least}{alone[1]:,} with {alone[0]:,}."
    if least:
        reading += f" Of {M**8:,} rows, {PLACED_ROWS:,} were sampled."
    fields = sorted({first for first, _ in places})
    ranks = "; ".join(f"B₁ = {B}: " + ", ".join(str(known[B, later][1]) for later in fields) for B in fields)
    alt = (
        f"Rank against parameters for networks with C = {C}, one line for each receptive field B₁ of layer 1. Along a "
        f"line B₂, that of layer 3, is {', '.join(map(str, fields))}, and the ranks are {ranks}. Marked: B₁ = {B1}, "
        f"B₂ = {B2}."
    )
    values = {"parameters": parameters, "rank": rank, "of at most": M**8}
    return View(draw_placements(known, (B1, B2), saturation=M**8), alt, reading, values)


PLACED_ROWS = 1024


@cache
def _placed_rank(B1, B2, C, M, seed, prime):
    return certify_rank(place_overlap(B1, B2, C, M=M), rows=PLACED_ROWS, seed=seed, prime=prime).rank


STORAGE_SIDES = (2, 4, 8, 16, 32)


def storage_view(N: int, M: int, C: int) -> View:
    """Compare what is stored for a function of N patches: its table of values, a shallow network, a deep network.

    The shallow network has one window, the whole image: a CP decomposition of C terms. The deep one has 2×2 windows
    whose weights are shared over positions: a Hierarchical Tucker decomposition. Neither overlaps.

    Args:
        N: the number of patches, a square of one of `STORAGE_SIDES`.
        M: templates, and representation channels.
        C: the channels of every layer.

    Returns:
        The `View`.

    Chapter: *Tensors and function spaces*.

    >>> storage_view(N=16, M=4, C=8).reading
    'N = 16: the table has 4.3×10⁹ entries; the shallow network stores 520 numbers, the deep one 392.'
    """
    sizes = [(H, H**2) for H in STORAGE_SIDES]
    shallow = [(patches, Architecture(H, M, [Layer(H, H, C)]).parameters) for H, patches in sizes]
    deep = [(patches, baseline(M, H, C).parameters) for H, patches in sizes]
    table = [(patches, M**patches) for patches in range(4, 41)]
    entries, cp, tucker = M**N, dict(shallow)[N], dict(deep)[N]
    reading = (
        f"N = {N:,}: the table has {readable(entries)} entries; the shallow network stores {cp:,} numbers, "
        f"the deep one {tucker:,}."
    )
    if entries <= min(cp, tucker):
        reading += " Here the table is the smallest."
    alternative = (
        f"Numbers to store against patches, both logarithmic, for M = {M} and C = {C}. The table leaves the picture; "
        f"the shallow network grows in proportion to N, the deep one far more slowly. Marked: N = {N:,}."
    )
    values = {"table": f"{M}^{N:,}", "shallow (CP)": cp, "deep (HT)": tucker}
    return View(draw_storage(table, {"deep": deep, "shallow": shallow}, N), alternative, reading, values)
