"""The explorer of the closing picture: six features by six cuts, and the two networks of one of them side by side."""

from itertools import product
from math import log2

from convac_lib.related.summary import FEATURES, SIDE, SUMMARY_CUTS, Contestant, summary_rank
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE
from convac_lib.visuals.svg import (
    FONT,
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_path,
    add_text,
    lattice,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

LEFT, STEP, ROW = 128, 72, 36  # where the columns begin; the width of a column, and the height of a row
ICON, TOP = 48, 62  # the side of a cut's image; where the rows begin
BAR, LONGEST, MOST = 12, STEP - 10, 8  # a bar's height and its length for 2⁸ = 256, the largest rank
BELOW = TOP + ROW * len(FEATURES) + 20
WIDE, LONG = 20, WIDTH - 70  # the large bars
HEIGHT = BELOW + 2 * (LINE + WIDE + 14)

Pairs = dict[tuple[str, str], tuple[int, int]]  # the ranks without and with, by feature and cut


def summary_view(feature: str, cut: str, seed: int = 0) -> View:
    """Show the ranks without and with each feature across each cut, and one pair of networks side by side.

    Args:
        feature: a key of `FEATURES`.
        cut: a key of `SUMMARY_CUTS`.
        seed: of the weights.

    Returns:
        The `View`, on which every pair can be pointed at.

    Source: ours. Chapter: *One picture*.

    >>> summary_view("overlap", "left | right").values["rank with"]
    64
    """
    pairs: Pairs = {
        (each, name): (summary_rank(each, False, name, seed=seed), summary_rank(each, True, name, seed=seed))
        for each, name in product(FEATURES, SUMMARY_CUTS)
    }
    (without, having), (one, other) = FEATURES[feature], pairs[feature, cut]
    reading = f"Rank {'at most ' * bool(without.most)}{one} with {without.numbers} numbers ({without.name}), "
    reading += f"rank {other} with {having.numbers} numbers ({having.name}). {_verdict(one, other, without)}"
    alternative = (
        f"A table of pairs of bars, six features by six cuts of 4×4 patches; chosen: {feature}, {cut}. "
        f"Below, its two networks: {without.name}, {without.numbers} numbers, rank {one}; "
        f"{having.name}, {having.numbers} numbers, rank {other}."
    )
    values: dict[str, Value] = {
        "rank without": f"≤ {one}" if without.most else one,
        "rank with": other,
        "numbers without": without.numbers,
        "numbers with": having.numbers,
    }
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_cell(each, name), {"feature": each, "cut": name}) for each, name in pairs
    ]
    return View(draw_summary(pairs, feature, cut), alternative, reading, values, spots)


def _verdict(one: int, other: int, without: Contestant) -> str:
    if without.most and other <= one:
        return "The bound decides nothing here."
    if one == other:
        return "Here it changes nothing."
    return "Here it pays." if other > one else "Here it loses."


def _cell(feature: str, cut: str) -> Box:
    column, row = [*SUMMARY_CUTS].index(cut), [*FEATURES].index(feature)
    return LEFT + STEP * column, TOP + ROW * row, STEP, ROW


def draw_summary(pairs: Pairs, feature: str, cut: str) -> str:
    """Draw the table of pairs of bars, and below it the chosen pair, with names and sizes.

    Args:
        pairs: the ranks without and with, by feature and cut.
        feature: the chosen one.
        cut: the chosen one.

    Returns:
        An SVG document, 560 wide and always equally high. Bars are logarithmic, and hollow where they are bounds.

    Chapter: *One picture*.

    >>> pairs = {(feature, cut): (4, 64) for feature in FEATURES for cut in SUMMARY_CUTS}
    >>> ">64</text>" in draw_summary(pairs, "overlap", "rows")
    True
    """
    svg = svg_document(WIDTH, HEIGHT)
    tile, dark, lines = ICON / SIDE, "", ""
    for column, first in enumerate(SUMMARY_CUTS.values()):
        left = LEFT + STEP * column + (STEP - ICON) / 2
        dark += "".join(rectangle(left + n % SIDE * tile, 4 + n // SIDE * tile, tile, tile) for n in first)
        lines += lattice(left, 4, ICON, SIDE)
    add_path(svg, dark, fill=INK)
    add_path(svg, lines, fill="none", stroke=MUTED)
    add_path(svg, rectangle(LEFT, TOP, WIDTH - LEFT, ROW * len(FEATURES)), fill="#FFFFFF")
    rules = "".join(f"M{MARGIN} {TOP + ROW * row}h{WIDTH - 2 * MARGIN}" for row in range(len(FEATURES) + 1))
    add_path(svg, rules, fill="none", stroke=RULE)
    for name in FEATURES:
        top = _cell(name, cut)[1]
        add_text(svg, MARGIN, top + ROW / 2 + 7, name, bold=name == feature)
    computed: dict[str, str] = {MUTED: "", BOUND_COLOUR: ""}
    bounds = ""
    for (each, name), ranks in pairs.items():
        left, top, _, _ = _cell(each, name)
        for place, (rank, colour) in enumerate(zip(ranks, computed)):
            bar = rectangle(left + 5, top + 4 + place * (BAR + 4), _length(rank, LONGEST), BAR)
            if FEATURES[each][place].most:
                bounds += bar
            else:
                computed[colour] += bar
    for colour, bars in computed.items():
        add_path(svg, bars, fill=colour)
    add_path(svg, bounds, fill="none", stroke=MUTED)
    add_path(svg, rectangle(*_cell(feature, cut)), fill="none", stroke=INK, stroke_width="3")
    top = float(BELOW)
    for contestant, rank, colour in zip(FEATURES[feature], pairs[feature, cut], (MUTED, BOUND_COLOUR)):
        add_text(svg, MARGIN, top + FONT - 2, contestant.name)
        add_text(svg, WIDTH - MARGIN, top + FONT - 2, f"{contestant.numbers} numbers", anchor="end", fill=MUTED)
        length = _length(rank, LONG)
        hollow = {"fill": "none", "stroke": colour} if contestant.most else {"fill": colour}
        add_path(svg, rectangle(MARGIN, top + LINE, length, WIDE), **hollow)
        words = f"≤ {rank}" if contestant.most else str(rank)
        add_text(svg, MARGIN + length + 8, top + LINE + WIDE - 3, words, bold=True)
        top += LINE + WIDE + 14
    return serialize(svg)


def _length(rank: int, longest: float) -> float:
    """Return the length of a bar on a logarithmic scale, on which a rank of 1 can still be seen."""
    return float(short(max(2.0, longest * log2(max(rank, 1)) / MOST)))
