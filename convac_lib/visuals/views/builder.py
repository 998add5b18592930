"""The builder: a network of four layers, window by window, and its rank between a lower and an upper bound."""

from collections.abc import Callable
from math import prod
from xml.etree import ElementTree

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import HypothesisError
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import saturation, theorem
from convac_lib.theory.chain import chain
from convac_lib.theory.cuts import CutLike
from convac_lib.theory.min_cut import find_cut
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.axes import logarithmic
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.style import BOUND_COLOUR, MUTED, RULE, SATURATION_COLOUR
from convac_lib.visuals.svg import (
    BOLD_LETTER,
    LINE,
    MARGIN,
    WIDTH,
    add_line,
    add_text,
    readable,
    serialize,
    short,
    stack,
    svg_document,
)
from convac_lib.visuals.view import Value, View
from convac_lib.visuals.windows import overlap_colour

SIZE, STRIDES = 4, (1, 2, 1, 2)
SAMPLED = 1024  # rows and columns at most
LEFT, RIGHT = 146, WIDTH - 116
BAR, BETWEEN, TOP = 26, 10, LINE + 10
BOTTOM = TOP + 3 * BAR + 2 * BETWEEN + 10


def builder_view(
    R1: int,
    R2: int,
    R3: int,
    C: int,
    border: str = "neutral",
    cut: str = "left-right",
    R4: int = 2,
    M: int = 2,
    seed: int = 0,
) -> View:
    """Show a network of four layers on 4×4 patches, of strides 1, 2, 1, 2, and its rank between two proved bounds.

    The lower bound is the larger one of `theorem` and `chain`, where they apply. The upper bound is the smallest vertex
    cut of the unrolled network, with a factor for every copy; where copies are equal, `min_cut_upper` may be smaller.
    The rank is exact if the sample's rank or the lower bound reaches the upper bound.

    Args:
        R1: the receptive field of layer 1, at least 1.
        R2: that of layer 2, at least 2.
        R3: that of layer 3, at least 1.
        C: the channels of every layer.
        border: "neutral" or "ones".
        cut: a name that `make_cut` takes.
        R4: the receptive field of layer 4, at least 2.
        M: representation channels; if more than 2, 1,024 rows and columns are sampled, and the rank is a lower bound.
        seed: draws the weights and the sample.

    Returns:
        The `View`: the network, and the rank and its bounds as bars.

    Raises:
        ConvacError: if the numbers make no network, or the border or the cut is unknown.

    Chapter: *Is a little overlap all you need?*

    >>> builder_view(R1=2, R2=2, R3=1, C=2).reading
    'R = 2, 2, 1, 2 and C = 2: rank 32 with 54 parameters; at least 16 by the chain bound, at most 32 by the min cut.'
    >>> builder_view(R1=1, R2=2, R3=2, C=2).reading
    'R = 1, 2, 2, 2 and C = 2: rank 4 with 54 parameters; no lower bound above 1, at most 4 by the min cut.'
    """
    fields = (R1, R2, R3, R4)
    network = Architecture(SIZE, M, [Layer(R, S, C) for R, S in zip(fields, STRIDES)], border=border)
    most = saturation(network, cut).value
    upper = prod(base**times for base, times in find_cut(network, cut, reuse=(0,)).plain)
    lower, name = max((_value(theorem, network, cut), "theorem"), (_value(chain, network, cut), "chain bound"))
    certified = certify_rank(network, cut, rows=SAMPLED, seed=seed)
    rank = max(certified.rank, lower)

    is_known = rank == upper or certified.full
    words = f"{rank:,}" if is_known else f"at least {rank:,}"
    kind = "exact" if rank == upper else "of the whole table" if certified.full else f"at least, by the {name}"
    if not is_known and lower < rank:
        kind = f"at least, {certified.rows:,} rows sampled"
        words += f" ({certified.rows:,} rows sampled)"
    from_below = f"at least {lower:,} by the {name}" if lower > 1 else "no lower bound above 1"
    from_above = f"at most {upper:,}" + (", which no network exceeds" if upper == most else " by the min cut")
    listed, templates = ", ".join(map(str, fields)), "" if M == 2 else f", M = {M}"
    reading = (
        f"R = {listed} and C = {C}{templates}: rank {words} with {network.parameters:,} parameters; "
        f"{from_below}, {from_above}."
    )
    alt = (
        f"The four layers of a network with receptive fields {listed} and strides 1, 2, 1, 2 as grids, beside an image "
        f"with the cut {cut}; the border is {border}. Three bars on a logarithmic scale that ends at the saturation "
        f"{most:,}: {from_below}; the rank is {words}; {from_above}."
    )
    values: dict[str, Value] = {
        "parameters": network.parameters,
        "rank": rank,
        "is": kind,
        "lower bound": lower if lower > 1 else "none above 1",
        "upper bound": upper,
    }
    bars = draw_between(rank, lower, upper, saturation=most, colour=overlap_colour(network), known=is_known)
    return View(stack(draw_network(network, cut=cut), bars), alt, reading, values)


def _value(bound: Callable[[Architecture, CutLike], Bound], network: Architecture, cut: str) -> int:
    """Return a bound's value, or 0 if the network lacks one of its hypotheses."""
    try:
        return bound(network, cut).value
    except HypothesisError:
        return 0


def draw_between(rank: int, lower: int, upper: int, *, saturation: int, colour: str, known: bool = True) -> str:
    """Draw a rank as a bar between those of its two bounds, on a logarithmic scale that ends at the saturation.

    Args:
        rank: the network's rank.
        lower: the lower bound; 0 or 1 if none says anything.
        upper: the upper bound.
        saturation: the most that any network can have, a dotted black line.
        colour: the network's colour.
        known: whether the rank is this number, and not at least this number.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Is a little overlap all you need?*

    >>> "saturation 256" in draw_between(32, 16, 32, saturation=256, colour="#000")
    True
    """
    scale = logarithmic(1, saturation)
    svg = svg_document(WIDTH, BOTTOM + LINE + 8)
    for power in range(len(str(saturation))):
        x = LEFT + (RIGHT - LEFT) * scale(10**power)
        add_line(svg, x, TOP - 8, x, BOTTOM, RULE)
        add_text(svg, x, BOTTOM + LINE, readable(10**power, digits=4), anchor="middle", fill=MUTED)
    add_text(svg, MARGIN, BOTTOM + LINE, "rank (log)", fill=MUTED)
    least = "" if known else "≥ "
    bars = (
        ("lower bound", lower, readable(lower), BOUND_COLOUR),
        ("rank", rank, least + readable(rank), colour),
        ("upper bound", upper, readable(upper), BOUND_COLOUR),
    )
    for number, (name, value, label, fill) in enumerate(bars):
        top = TOP + number * (BAR + BETWEEN)
        add_text(svg, MARGIN, top + BAR - 7, name)
        if number == 0 and value <= 1:
            add_text(svg, LEFT + 8, top + BAR - 7, "none above 1", fill=MUTED)
            continue
        width = max((RIGHT - LEFT) * scale(value), 3)
        place = {"x": short(LEFT), "y": short(top), "width": short(width), "height": str(BAR)}
        ElementTree.SubElement(svg, "rect", {**place, "fill": fill})
        start = LEFT + width + 8
        is_crossed = start + len(label) * BOLD_LETTER + 4 > RIGHT
        add_text(svg, RIGHT + 8 if is_crossed else start, top + BAR - 7, label, bold=True)
    add_text(svg, RIGHT, LINE - 8, f"saturation {readable(saturation)}", anchor="end", fill=SATURATION_COLOUR)
    add_line(svg, RIGHT, TOP - 8, RIGHT, BOTTOM, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    return serialize(svg)
