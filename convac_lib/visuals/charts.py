"""Charts as SVG, for explorers: one curve a receptive field B, in its colour and with its marker."""

from collections.abc import Mapping, Sequence
from math import log2, log10
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import LETTER, LINE, WIDTH, add_line, add_path, add_text, readable, short, svg_document

if TYPE_CHECKING:
    from convac_lib.experiments.atlas import Cell

HEIGHT = 330


def draw_curves(
    curves: Mapping[int, Sequence[tuple[float, float]]], marked: tuple[int, int], *, x_label: str, y_label: str
) -> str:
    """Draw fractions against a size on a logarithmic axis, a curve for each B, with one point marked.

    Args:
        curves: for each B, its points (size, fraction 0..1), sizes increasing.
        marked: the B and the index of the marked point on its curve.
        x_label: what the sizes are.
        y_label: what the fractions are.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *The CIFAR-10 experiments*.

    >>> picture = draw_curves({1: [(2, 0.5), (4, 0.7)]}, (1, 0), x_label="channels C", y_label="accuracy")
    >>> "B=1" in picture, "100 %" in picture
    (True, True)
    """
    left, right, top, bottom = 76, WIDTH - 64, 2 * LINE, HEIGHT
    sizes = sorted({size for points in curves.values() for size, _ in points})
    span = log2(sizes[-1] / sizes[0]) or 1

    def at(size, fraction):
        return left + (right - left) * log2(size / sizes[0]) / span, bottom - (bottom - top) * fraction

    svg = svg_document(WIDTH, bottom + 2 * LINE + 4)
    for percent in range(0, 101, 25):
        y = at(sizes[0], percent / 100)[1]
        add_line(svg, left, y, right, y, RULE)
        add_text(svg, left - 10, y + 7, f"{percent} %", anchor="end", fill=MUTED)
    beside = WIDTH
    for size in reversed(sizes):  # the last has its number, and every other that has room
        x, room = at(size, 0)[0], LETTER * len(f"{size:,}") + 8
        if x + room / 2 <= beside:
            add_text(svg, x, bottom + LINE, f"{size:,}", anchor="middle", fill=MUTED)
            beside = x - room / 2
    add_text(svg, 2, LINE - 6, y_label)
    add_text(svg, right, bottom + 2 * LINE, x_label, anchor="end")
    ends = [at(*points[-1])[1] for points in curves.values()]
    for (B, points), label in zip(curves.items(), _apart(ends, LINE)):
        places, heavy = [at(*point) for point in points], B == marked[0]
        _draw_curve(svg, B, places, heavy=heavy)
        if heavy:
            _draw_marker(svg, B, *places[marked[1]], size=9, chosen=True)
        add_text(svg, places[-1][0] + 14, label + 6, f"B={B}", weight="600" if heavy else "400")
    return ElementTree.tostring(svg, encoding="unicode")


def draw_rank_against_size(
    curves: Mapping[int, Sequence[tuple[int, int]]],
    marked: tuple[int, int],
    *,
    goal: int,
    proved: Sequence[tuple[int, int]],
) -> str:
    """Draw the rank that a number of parameters buys, both logarithmic, with a target rank and one network marked.

    Args:
        curves: for B = 1, 2 and 3, points (parameters, rank), of ranks from 1 to the saturation 256.
        marked: the B and the index of the marked point on its curve.
        goal: the target, a rank.
        proved: the two ends, (parameters, rank), of what no network without overlap passes.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Expressive efficiency*.

    >>> curves = {B: [(20 * B, 1), (100, B)] for B in (1, 2, 3)}
    >>> "target: rank 64" in draw_rank_against_size(curves, (2, 1), goal=64, proved=[(300, 8), (9000, 256)])
    True
    """
    left, right, top, bottom = 44, WIDTH - 10, 2 * LINE, HEIGHT

    def at(parameters, rank):
        return left + (right - left) * (log10(parameters) - 1) / 5, bottom - (bottom - top) * log2(rank) / 8

    svg = svg_document(WIDTH, bottom + 2 * LINE + 4)
    for tick in (1, 4, 16, 64):
        add_line(svg, left, at(10, tick)[1], right, at(10, tick)[1], RULE)
        add_text(svg, left - 8, at(10, tick)[1] + 7, str(tick), anchor="end", fill=MUTED)
    for power in range(1, 6):
        add_text(svg, at(10**power, 1)[0], bottom + LINE, f"{10**power:,}", anchor="middle", fill=MUTED)
    add_text(svg, left - 8, top + 7, "256", anchor="end", fill=MUTED)
    add_text(svg, 2, LINE - 8, "rank")
    add_text(svg, right, bottom + 2 * LINE, "parameters", anchor="end")
    add_line(svg, left, top, right, top, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    if goal < 256:
        add_text(svg, right, top - 9, "saturation", anchor="end", fill=SATURATION_COLOUR)
    add_line(svg, left, at(10, goal)[1], right, at(10, goal)[1], INK, width=1.5)
    add_text(svg, at(1_500, 1)[0], at(10, goal)[1] - 9, f"target: rank {goal}")

    (start, end), B = proved, marked[0]
    add_line(svg, *at(*start), *at(*end), BOUND_COLOUR, width=2.5, dashes="7 5")
    add_text(svg, at(8_000, 1)[0], at(1, 18)[1], "B=1: rank ≤ C", fill=BOUND_COLOUR)
    for curve, place, anchor in ((1, (750, 5.4), "start"), (2, (190, 345), "start"), (3, (150, 345), "end")):
        _draw_curve(svg, curve, [at(*point) for point in curves[curve]], heavy=curve == B)
        add_text(svg, *at(*place), f"B={curve}", anchor=anchor, weight="600" if curve == B else "400")

    rank = curves[B][marked[1]][1]
    x, y = at(*curves[B][marked[1]])
    add_line(svg, x, y, x, bottom, INK, width=1.5, dashes="2 4")
    if rank < goal:
        add_line(svg, x, y, x, at(10, goal)[1], INK, width=1.5, dashes="2 4")
    _draw_marker(svg, B, x, y, size=10, chosen=True)
    return ElementTree.tostring(svg, encoding="unicode")


def draw_placements(
    placements: Mapping[tuple[int, int], tuple[int, int]], marked: tuple[int, int], *, saturation: int
) -> str:
    """Draw what overlap in the first layer, and in a later one, buys: rank against parameters, both logarithmic.

    Args:
        placements: for each (B₁, B₂), the receptive fields of the two stride-1 layers, the (parameters, rank) of that
            network, from 20 to 500 parameters; of one B₁, B₂ increasing. The networks of one B₁ are joined.
        marked: the (B₁, B₂) that the reader chose; the networks of its B₁ are numbered by their B₂.
        saturation: the most that a rank can be.

    Returns:
        An SVG document, 560 wide and always equally high. Colour and marker tell the larger of B₁ and B₂.

    Chapter: *Is a little overlap all you need?*

    >>> picture = draw_placements({(1, 1): (42, 2), (1, 2): (54, 4), (2, 1): (54, 32)}, (1, 2), saturation=256)
    >>> "B₁=2" in picture, "saturation" in picture
    (True, True)
    """
    left, right, top, bottom = 14 + LETTER * len(str(saturation)), WIDTH - 10, 2 * LINE, HEIGHT

    def at(parameters, rank):
        share = log10(parameters / 20) / log10(500 / 20)
        return left + (right - left) * share, bottom - (bottom - top) * log2(rank) / log2(saturation)

    svg = svg_document(WIDTH, bottom + 2 * LINE + 4)
    for rank in (*(4**power for power in range(8) if 2 * 4**power < saturation), saturation):
        add_line(svg, left, at(20, rank)[1], right, at(20, rank)[1], RULE)
        add_text(svg, left - 8, at(20, rank)[1] + 7, str(rank), anchor="end", fill=MUTED)
    for parameters in (25, 50, 100, 200, 400):
        add_text(svg, at(parameters, 1)[0], bottom + LINE, str(parameters), anchor="middle", fill=MUTED)
    add_text(svg, 2, LINE - 8, "rank")
    add_text(svg, right, bottom + 2 * LINE, "parameters", anchor="end")
    add_line(svg, left, top, right, top, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    add_text(svg, left + 4, top - 9, "saturation", fill=SATURATION_COLOUR)

    rows = {}
    for (first, later), point in placements.items():
        rows.setdefault(first, []).append((later, *at(*point)))
    for first, row in sorted(rows.items(), key=lambda item: item[0] == marked[0]):  # the reader's on top
        heavy = first == marked[0]
        path = "M" + "L".join(f"{short(x)} {short(y)}" for _, x, y in row)
        add_path(svg, path, fill="none", stroke=INK if heavy else MUTED, stroke_width="2.5" if heavy else "1.5")
        for later, x, y in row:
            chosen = (first, later) == marked
            _draw_marker(svg, max(first, later), x, y, size=10 if chosen else 6, chosen=chosen)
            if heavy:
                add_text(svg, x, y + 27, str(later), anchor="middle", weight="600" if chosen else "400")
        x, y = row[0][1:]
        add_text(svg, x - 16, y - 9, f"B₁={first}", anchor="end", weight="600" if heavy else "400")
        if heavy:
            add_text(svg, x - 16, y + 27, "B₂=", anchor="end")
    return ElementTree.tostring(svg, encoding="unicode")


def draw_atlas_row(cells: "Sequence[Cell]", marked: int) -> str:
    """Draw what is known of the common case at one size, M, C and cut, over B: ranks, bounds and the talk's formula.

    Args:
        cells: of the atlas, one for each B from 1, B increasing.
        marked: the B that the reader chose.

    Returns:
        An SVG document, 560 wide and always equally high; ranks on a logarithmic scale. A rank of which rows were only
        sampled points upwards.

    Chapter: *The overlap theorem*.
    """
    left, right, top, bottom = 56, WIDTH - 118, 2 * LINE, HEIGHT
    most = 5.3 if cells[0].size <= 4 else 13

    def at(B, rank):
        share = min(log10(rank), most) / most
        return left + 34 + (right - left - 68) * (B - 1) / (cells[-1].B - 1), bottom - (bottom - top) * share

    svg, saturation = svg_document(WIDTH, bottom + 2 * LINE + 4), cells[0].M ** (cells[0].size ** 2 // 2)
    for power in range(0, int(most) + 1, 1 if most < 6 else 3):
        y = at(1, 10**power)[1]
        add_line(svg, left, y, right, y, RULE)
        add_text(svg, left - 10, y + 7, readable(10**power, digits=3), anchor="end", fill=MUTED)
    for cell in cells:
        weight = "600" if cell.B == marked else "400"
        add_text(svg, at(cell.B, 1)[0], bottom + LINE, str(cell.B), anchor="middle", weight=weight)
    add_text(svg, 2, LINE - 8, "rank")
    add_text(svg, right, bottom + 2 * LINE, "B, receptive field", anchor="end")
    labels = {"no overlap": (at(1, cells[0].upper)[1], colour_of(1))}
    if log10(saturation) <= most:
        y = at(1, saturation)[1]
        add_line(svg, left, y, right, y, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
        labels["saturation"] = y, SATURATION_COLOUR
    else:
        add_text(svg, right, LINE - 8, f"↑ saturation {readable(saturation)}", anchor="end", fill=SATURATION_COLOUR)

    add_line(svg, left, labels["no overlap"][0], right, labels["no overlap"][0], colour_of(1), width=2)
    formulas = [(cell.B, cell.formula) for cell in cells if cell.formula]
    if formulas:
        points = "L".join(f"{short(x)} {short(y)}" for x, y in _clipped(formulas, at, 10**most))
        add_path(svg, f"M{points}", fill="none", stroke=BOUND_COLOUR, stroke_width="2.5", stroke_dasharray="7 5")
        labels["formula"] = top, BOUND_COLOUR
    for cell in cells:
        x, y = at(cell.B, cell.theorem or 1)
        if (cell.theorem or 1) > 1:
            add_line(svg, x - 22, y, x + 22, y, BOUND_COLOUR, width=4)
            labels["theorem"] = y, BOUND_COLOUR
    for name, height in zip(labels, _apart([height for height, _ in labels.values()], LINE)):
        add_text(svg, right + 6, height + 6, name, fill=labels[name][1])
    for cell in cells:
        x, y = at(cell.B, cell.rank)
        if cell.status == "at least":
            add_path(svg, f"M{short(x)} {short(y - 10)}v-18m-6 7l6-7 6 7", fill="none", stroke=INK, stroke_width="2")
        _draw_marker(svg, cell.B, x, y, size=9 if cell.B == marked else 6, chosen=cell.B == marked)
    return ElementTree.tostring(svg, encoding="unicode")


def _clipped(points, at, most):
    """The places of points up to the one that passes the most, and where the line to that one leaves the picture."""
    places = []
    for (before, low), (B, value) in zip([points[0], *points], points):
        if value > most:
            share = (log10(most) - log10(low)) / (log10(value) - log10(low))
            return [*places, at(before + share * (B - before), most)]
        places.append(at(B, value))
    return places


def _draw_curve(svg, B, places, *, heavy):
    """A line through the places in the colour of B, a marker at each; heavier if the reader chose this B."""
    points = "M" + "L".join(f"{short(x)} {short(y)}" for x, y in places)
    add_path(svg, points, fill="none", stroke=colour_of(B), stroke_width="4" if heavy else "2.5")
    for place in places:
        _draw_marker(svg, B, *place, size=4.5)


def _draw_marker(svg, B, x, y, *, size, chosen=False):
    """The marker of B around a point, as `marker_of` names them for matplotlib; outlined when it is the chosen one."""
    corners = {
        2: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        3: [(0, -1.2), (1.2, 0.9), (-1.2, 0.9)],
        4: [(0, 1.2), (1.2, -0.9), (-1.2, -0.9)],
        5: [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }
    if B in corners:
        sides = "L".join(f"{short(x + size * dx)} {short(y + size * dy)}" for dx, dy in corners[B])
        path = f"M{sides}z"
    else:
        width = short(2 * size)
        path = f"M{short(x - size)} {short(y)}a{size} {size} 0 1 0 {width} 0a{size} {size} 0 1 0-{width} 0z"
    outline = {"stroke": INK, "stroke_width": "3"} if chosen else {}
    add_path(svg, path, fill=colour_of(B), **outline)


def _apart(heights, least):
    """The same heights in the same order, moved up where two are closer than the least distance."""
    moved = {}
    lowest = float("inf")
    for number in sorted(range(len(heights)), key=lambda number: -heights[number]):
        lowest = moved[number] = min(heights[number], lowest - least)
    return [moved[number] for number in range(len(heights))]


def draw_storage(table: Sequence[tuple[int, int]], networks: Mapping[str, Sequence[tuple[int, int]]], N: int) -> str:
    """Draw the numbers that are to be stored for a function of N patches: all its values, or a network's parameters.

    Args:
        table: points (N, entries of the table), N increasing from 4, until there are more than 10¹² entries.
        networks: points (N, parameters), N up to 1,024, by name; the first is drawn solid, the second dashed.
        N: the number of patches to mark.

    Returns:
        An SVG document, 560 wide and always equally high; both axes are logarithmic and end at 10¹² numbers.

    Chapter: *Tensors and function spaces*.

    >>> picture = draw_storage([(4, 16), (50, 2**50)], {"deep": [(4, 18), (16, 34)]}, N=16)
    >>> "deep" in picture, "the table" in picture
    (True, True)
    """
    left, right, top, bottom = 60, WIDTH - 96, 2 * LINE, HEIGHT

    def at(patches, stored):
        return left + (right - left) * (log2(patches) - 2) / 8, bottom - (bottom - top) * log10(stored) / 12

    svg = svg_document(WIDTH, bottom + 2 * LINE + 4)
    for power in range(0, 13, 3):
        y = at(4, 10**power)[1]
        add_line(svg, left, y, right, y, RULE)
        add_text(svg, left - 10, y + 7, readable(10**power, digits=3), anchor="end", fill=MUTED)
    for patches, _ in next(iter(networks.values())):
        weight = "600" if patches == N else "400"
        add_text(svg, at(patches, 1)[0], bottom + LINE, f"{patches:,}", anchor="middle", weight=weight)
    add_text(svg, 2, LINE - 8, "numbers to store")
    add_text(svg, right, bottom + 2 * LINE, "patches N", anchor="end")
    add_line(svg, at(N, 1)[0], top, at(N, 1)[0], bottom, INK, width=1.5, dashes="2 4")

    inside = _clipped(table, at, 10**12)
    points = "L".join(f"{short(x)} {short(y)}" for x, y in inside)
    add_path(svg, f"M{points}", fill="none", stroke=SATURATION_COLOUR, stroke_width="2.5")
    add_text(svg, inside[-1][0], top - 9, "the table", anchor="middle")
    ends = _apart([at(*points[-1])[1] for points in networks.values()], LINE)
    for (name, points), dashes, height in zip(networks.items(), ("none", "9 6"), ends):
        places = [at(*point) for point in points]
        line = "L".join(f"{short(x)} {short(y)}" for x, y in places)
        add_path(svg, f"M{line}", fill="none", stroke=colour_of(1), stroke_width="3", stroke_dasharray=dashes)
        for place, (patches, _) in zip(places, points):
            _draw_marker(svg, 1, *place, size=8 if patches == N else 4.5, chosen=patches == N)
        add_text(svg, right + 14, height + 6, name)
    return ElementTree.tostring(svg, encoding="unicode")
