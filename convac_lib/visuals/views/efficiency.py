"""The explorer of expressive efficiency: the rank that a number of parameters buys, with overlap and without."""

from collections.abc import Mapping, Sequence
from functools import cache

from convac_lib.families import common_case
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.axes import BOTTOM, Axes, draw_marker, logarithmic
from convac_lib.visuals.style import BOUND_COLOUR, INK, SATURATION_COLOUR
from convac_lib.visuals.svg import WIDTH, Place, add_line, add_text, serialize
from convac_lib.visuals.view import View

EFFICIENCY_CHANNELS = (1, 2, 3, 4, 6, 8)
SATURATION = 2**8  # of M = 2 on a 4×4 image
ABOVE_MARKERS = 33  # the height of words over the level of saturation, where all large networks are
# The place of a curve's name where no curve crosses it, and the end of the name that is there.
NAMES: Mapping[int, tuple[Place, str]] = {
    1: ((240, 252), "start"),
    2: ((173.41, 30), "start"),
    3: ((163.02, 30), "end"),
}


def efficiency_view(B: int, C: int, target: str) -> View:
    """Show the rank that a size buys: each network of the common case with M = 2 on a 4×4 image, against a target.

    Args:
        B: the receptive field of the stride-1 layers, 1 to 5; beyond 3 it adds a curve.
        C: the channels of every layer, 1 to 256.
        target: the network whose functions are to be replicated, "B = 2" or "B = 3", with two channels.

    Returns:
        The `View`.

    Chapter: *Expressive efficiency*.

    >>> efficiency_view(B=3, C=2, target="B = 2").reading
    'B = 3, C = 2: rank 256 with 106 parameters. Without overlap, rank 64 needs C = 64: 37,056 parameters.'
    """
    rank, goal = _rank(B, C), _rank(int(target[-1]), 2)
    parameters, needed = _parameters(B, C), _parameters(1, goal)
    if B == 1 and rank < goal:
        reading = (
            f"Without overlap, C = {C}: rank {rank}. Almost every function of {target} has rank {goal} and needs "
            f"C = {goal}: {needed:,} parameters instead of {parameters:,}."
        )
    elif C == 1:
        reading = f"B = {B}, C = 1: rank 1. A single channel only multiplies functions of single patches."
    elif rank < goal:
        reading = f"B = {B}, C = {C}: rank {rank} of {goal}, with {parameters:,} parameters."
    else:
        reading = (
            f"B = {B}, C = {C}: rank {rank} with {parameters:,} parameters. "
            f"Without overlap, rank {goal} needs C = {goal}: {needed:,} parameters."
        )
    alternative = (
        "The rank of networks with 1 to 8 channels against their parameters, both logarithmic: B = 1 climbs slowly, "
        f"B = 2 and B = 3 steeply to 256. Marked: B = {B}, C = {C}, {parameters} parameters, rank {rank}; "
        f"target {goal}."
    )
    sizes = {**dict.fromkeys((1, 2, 3), EFFICIENCY_CHANNELS), B: sorted({*EFFICIENCY_CHANNELS, C})}
    curves = {
        field: [(_parameters(field, channels), _rank(field, channels)) for channels in sizes[field]] for field in sizes
    }
    proved = [(_parameters(1, channels), channels) for channels in (8, SATURATION)]
    picture = draw_rank_against_size(curves, (B, sizes[B].index(C)), goal=goal, proved=proved)
    return View(picture, alternative, reading, {"parameters": parameters, "rank": rank, "target rank": goal})


@cache
def _rank(B: int, C: int) -> int:
    """Compute the exact rank; a network is saturated if a narrower one is, since it contains the narrower one."""
    narrower = max((channels for channels in EFFICIENCY_CHANNELS if channels < C), default=None)
    if narrower and _rank(B, narrower) == SATURATION:
        return SATURATION
    return certify_rank(common_case(B, 2, 4, C)).rank


def _parameters(B: int, C: int) -> int:
    return common_case(B, 2, 4, C).parameters


def draw_rank_against_size(
    curves: Mapping[int, Sequence[tuple[int, int]]],
    marked: tuple[int, int],
    *,
    goal: int,
    proved: Sequence[tuple[int, int]],
) -> str:
    """Draw the rank that a number of parameters buys, both logarithmic, with a target rank and one network marked.

    Args:
        curves: for B = 1, 2, 3 and maybe another, points (parameters, rank), of ranks from 1 to the saturation 256.
        marked: the B and the index of the marked point on its curve.
        goal: the target, a rank.
        proved: the two ends, (parameters, rank), of the line that no network without overlap passes.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Expressive efficiency*.

    >>> curves = {B: [(20 * B, 1), (100, B)] for B in (1, 2, 3)}
    >>> "target: rank 64" in draw_rank_against_size(curves, (2, 1), goal=64, proved=[(300, 8), (9000, 256)])
    True
    """
    axes = Axes(logarithmic(10, 10**6), logarithmic(1, SATURATION), left=48, right=WIDTH - 10, inset=12)
    axes.draw_grid({rank: str(rank) for rank in (1, 4, 16, 64)}, gap=8)
    axes.draw_ticks({10**power: f"{10**power:,}" for power in range(1, 6)})
    axes.draw_y_label(SATURATION, str(SATURATION), gap=8)
    axes.draw_titles("parameters", "rank")
    axes.draw_level(SATURATION, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    if goal < SATURATION:
        add_text(
            axes.svg,
            axes.right,
            axes.y_at(SATURATION) - ABOVE_MARKERS,
            "saturation",
            anchor="end",
            fill=SATURATION_COLOUR,
        )
    axes.draw_level(goal, INK, width=1.5)
    above = 9 if goal < SATURATION else ABOVE_MARKERS
    add_text(axes.svg, axes.x_at(500), axes.y_at(goal) - above, f"target: rank {goal}")
    start, end = proved
    add_line(axes.svg, *axes.at(*start), *axes.at(*end), BOUND_COLOUR, width=2.5, dashes="7 5")
    add_text(axes.svg, *axes.at(8_000, 18), "B=1: rank ≤ C", fill=BOUND_COLOUR)
    B, index = marked
    for curve, points in curves.items():
        axes.draw_curve(curve, points, heavy=curve == B)
        (x, y), (x_next, y_next) = (axes.at(*point) for point in points[:2])
        # other names are right of the middle of their curve's first piece
        beside: tuple[Place, str] = ((x + x_next) / 2 + 14, (y + y_next) / 2 + 7), "start"
        place, anchor = NAMES.get(curve, beside)
        add_text(axes.svg, *place, f"B={curve}", anchor=anchor, bold=curve == B)
    _mark(axes, B, curves[B][index], goal)
    return serialize(axes.svg)


def _mark(axes: Axes, B: int, point: tuple[int, int], goal: int) -> None:
    """Draw the marker of the chosen network, with lines down to its parameters and up to the target."""
    x, y = axes.at(*point)
    add_line(axes.svg, x, y, x, BOTTOM, INK, width=1.5, dashes="2 4")
    if point[1] < goal:
        add_line(axes.svg, x, y, x, axes.y_at(goal), INK, width=1.5, dashes="2 4")
    draw_marker(axes.svg, B, (x, y), size=10, chosen=True)
