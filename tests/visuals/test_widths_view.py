"""The explorer of widths: the blue bonds separate the dark patches from the white ones, and cost what is written."""

import re
from itertools import product
from math import prod

import networkx as nx
import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.related.row import RowTree
from convac_lib.related.widths import min_cut
from convac_lib.visuals.style import BOUND_COLOUR, INK
from convac_lib.visuals.views.widths import NAMED, number_of, widths_view

CUTS = sorted({*range(1, 128, 9), *map(number_of, NAMED.values())})


def rectangles(path):
    """The middles of the rectangles of a path."""
    found = re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", path.get("d"))
    return [(float(x) + float(w) / 2, float(y) + float(h) / 2) for x, y, w, h in found]


def drawn_graph(svg):
    """The tree as it is drawn: its windows and patches by their middles, joined by its lines."""
    (lines,) = (path for path in paths(svg, stroke_width="2", fill="none"))
    graph = nx.Graph()
    for piece in re.findall(r"M[^M]+", lines.get("d")):
        x1, y1, x2, y2 = numbers_in(piece)
        graph.add_edge((x1, y1), (x2, y2))
    return graph


@pytest.mark.parametrize(("cut", "r0", "r"), list(product(CUTS, (2, 4), (2, 4))))
def test_without_the_blue_bonds_no_way_leads_from_dark_to_white(cut, r0, r):
    view = widths_view(cut, r0, r)
    svg = assert_legible(view.picture)
    (blue,) = paths(svg, fill=BOUND_COLOUR)
    (dark,) = paths(svg, fill=INK)
    graph, marked = drawn_graph(svg), rectangles(blue)
    assert set(marked) <= set(graph)
    patches = sorted(node for node in graph if graph.degree(node) == 1 and node[1] > 300)
    assert len(patches) == 8
    first = {round(x) for x, _ in rectangles(dark)}
    assert sum(1 << n for n, (x, _) in enumerate(patches) if round(x) in first) == cut
    graph.remove_nodes_from(marked)
    for one, other in product(patches, repeat=2):
        if (round(one[0]) in first) != (round(other[0]) in first):
            assert not nx.has_path(graph, one, other)
    sizes = [
        int(text.text) for text in svg.iter(f"{SVG}text") if text.get("fill") == "#FFFFFF" and text.get("font-weight")
    ]
    tree = RowTree(8, 4, (r0, r, r))
    first_patches = [patch for patch in range(8) if cut >> patch & 1]
    assert prod(sizes) == view.values["min cut"] == min_cut(tree, first_patches).value
    assert len(sizes) == len(marked) and view.values["numbers"] == tree.parameters


@pytest.mark.parametrize("cut", CUTS)
def test_a_spot_moves_its_patch_to_its_row_and_a_name_chooses_its_cut(cut):
    view = widths_view(cut, 4, 2)
    svg = assert_legible(view.picture)
    places = {text.text: numbers_in(f"{text.get('x')} {text.get('y')}") for text in svg.iter(f"{SVG}text")}
    rows = {name: places[name][1] for name in "PQ"}
    moved = {}
    for (left, top, width, height), state in view.spots:
        named = [
            name for name in NAMED if left < places[name][0] < left + width and top < places[name][1] < top + height
        ]
        if named:
            assert state["cut"] == number_of(NAMED[named[0]])
            continue
        (row,) = (name for name in "PQ" if top < rows[name] < top + height)
        moved[int((left + width / 2 - 96) // 58), row] = state["cut"]
    for patch, row in product(range(7), "PQ"):
        first = {n for n in range(8) if cut >> n & 1} - {patch} | ({patch} if row == "P" else set())
        assert moved.pop((patch, row), 0) == sum(1 << n for n in first)
    assert moved == {}


@pytest.mark.parametrize("cut", CUTS)
def test_pointing_twice_at_one_spot_changes_nothing_more(cut):
    for box, state in widths_view(cut, 4, 2).spots:
        assert dict(widths_view(state["cut"], 4, 2).spots)[box] == state


@pytest.mark.parametrize(
    ("state", "where", "cost", "numbers"),
    [
        ((85, 4, 2), "4 windows of level 1", "4·4·4·4 = 256", 170),
        ((85, 2, 4), "4 windows of level 1", "2·2·2·2 = 16", 132),
        ((15, 4, 2), "1 window of level 3", "2", 170),
        ((15, 3, 8, 5), "1 window of level 2", "5", 244),
        ((1, 8, 4), "the bond of 1 patch", "4", 420),
        ((5, 8, 8), "the bonds of 2 patches", "4·4 = 16", 648),
        ((7, 8, 2), "the bond of 1 patch and 1 window of level 3", "4·2 = 8", 330),
        ((19, 8, 2), "the bond of 1 patch and 1 window of level 2", "4·2 = 8", 330),
    ],
)
def test_a_sentence_says_where_the_cut_lies(state, where, cost, numbers):
    reading = f"The cheapest cut passes {where}: {cost}, and no rank is larger. The tree has {numbers} numbers."
    assert widths_view(*state).reading == reading


def test_all_pictures_have_one_size_and_are_small():
    pictures = [widths_view(cut, 4, 2).picture for cut in CUTS]
    assert len({re.match(r"<svg[^>]*>", picture)[0] for picture in pictures}) == 1
    assert max(map(len, pictures)) < 8_000
