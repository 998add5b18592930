"""The explorer that folds a table: what is drawn in table and matrix is the function's own definition."""

from itertools import product
from math import prod
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths, words_of

from convac_lib.theory.ranks import rank_modulo
from convac_lib.visuals.style import INK
from convac_lib.visuals.views.matricization import FOLD_CUTS, FOLD_FUNCTIONS, fold_view, table_of


def pairs(d):
    return int(d[0] == d[1] and d[2] == d[3])


def rectangles(svg, **wanted):
    """The rectangles of the paths that have these attributes: (left, top, width, height)."""
    found = [np.reshape(numbers_in(path.get("d")), (-1, 5)) for path in paths(svg, **wanted)]
    return [tuple(box[:4]) for boxes in found for box in boxes]


def outlined(svg):
    """The two places that are marked, in the table and in the matrix."""
    table, matrix = rectangles(svg, fill="none", stroke=INK, stroke_width="3")
    assert table[1] < 40 < matrix[1]
    return table, matrix


def black_cells(svg):
    """The black cells of the table by their number, and of the matrix by their row and column."""
    cells = rectangles(svg, fill=INK, fill_opacity="1", stroke="#C9C9C4")
    table = sorted(round((left - 1) / width) for left, top, width, _ in cells if top < 40)
    matrix = {(round((top - 168) / side), round((left - 262) / side)) for left, top, side, _ in cells if top > 40}
    return table, matrix


@pytest.mark.parametrize("M", [2, 3])
@pytest.mark.parametrize("cut", FOLD_CUTS)
def test_the_pairs_function_folded(M, cut):
    """The black cells of table and matrix, against the definition, assignment by assignment."""
    before = FOLD_CUTS[cut]
    behind = [patch for patch in range(4) if patch not in before]
    everything = list(product(range(M), repeat=4))
    rows, columns = (list(product(range(M), repeat=len(part))) for part in (before, behind))
    black = {
        (rows.index(tuple(d[patch] for patch in before)), columns.index(tuple(d[patch] for patch in behind)))
        for d in everything
        if pairs(d)
    }
    view = fold_view("pairs", cut, entry=1, M=M)
    table, matrix = black_cells(assert_legible(view.picture))
    assert table == [number for number, d in enumerate(everything) if pairs(d)]
    assert matrix == black
    rank = {"left | right": M**2, "top | bottom": 1, "diagonals": M**2, "one | rest": M}[cut]
    assert view.values == {"value": 1, "matrix": f"{len(rows)}×{len(columns)}", "rank": rank}
    assert f"of rank {rank}." in view.reading and f"{len(rows)}×{len(columns)}, rank {rank}" in words_of(view.picture)


@pytest.mark.parametrize(("M", "C"), [(2, 1), (2, 2), (2, 3), (3, 2), (3, 6)])
def test_the_network_is_a_sum_of_products(M, C):
    """Σ_γ Π_n W[γ, d_n, n] by hand; its rank is at most C across every cut, and a prime finds the same rank."""
    weight = np.random.default_rng(24).integers(0, 3, (C, M, 2, 2)).reshape(C, M, 4).tolist()
    table = table_of("network", M, C)
    for d in product(range(M), repeat=4):
        assert table[d] == sum(prod(weight[c][d[n]][n] for n in range(4)) for c in range(C))
    for cut, before in FOLD_CUTS.items():
        behind = tuple(patch for patch in range(4) if patch not in before)
        matrix = table.transpose(before + behind).reshape(M ** len(before), -1)
        rank = fold_view("network", cut, 1, M, C).values["rank"]
        assert rank == rank_modulo(matrix) <= min(C, *matrix.shape)


def test_the_network_of_two_channels_has_rank_2_across_every_cut():
    assert {fold_view("network", cut, 1, M).values["rank"] for cut in FOLD_CUTS for M in (2, 3)} == {2}


@pytest.mark.parametrize(("h", "M"), [("pairs", 2), ("network", 2), ("pairs", 3)])
@pytest.mark.parametrize("cut", FOLD_CUTS)
def test_a_spot_leads_to_what_it_shows(h, M, cut):
    """A template of a patch changes this patch alone; a cell of table or matrix becomes the marked one."""
    entry = M**3 + 2
    view = fold_view(h, cut, entry, M)
    everything = list(product(range(M), repeat=4))
    here = everything[entry - 1]
    for (patch, d), ((left, top, width, _), state) in zip(product(range(4), range(M)), view.spots):
        assert everything[state["entry"] - 1] == (*here[:patch], d, *here[patch + 1 :])
        after = fold_view(h, cut, state["entry"], M)
        (filled,) = (
            box
            for box in rectangles(ElementTree.fromstring(after.picture), fill=INK)
            if np.allclose(box[::2], (left, width), atol=0.01) and top < box[1] < top + width * M
        )
        assert filled
    cells = {}
    for place, state in view.spots[4 * M :]:
        cells.setdefault(state["entry"], []).append(place)
    assert sorted(cells) == list(range(1, M**4 + 1))
    for number in {1, entry, M**4 - 1}:
        marked = outlined(ElementTree.fromstring(fold_view(h, cut, number, M).picture))
        assert np.allclose(marked, cells[number], atol=0.01)


@pytest.mark.parametrize("h", FOLD_FUNCTIONS)
@pytest.mark.parametrize("cut", FOLD_CUTS)
def test_every_entry_is_where_its_templates_say(h, cut):
    """Bars are under the table's values with the same templates before the cut; digits in the cells are the values."""
    everything, table = list(product(range(2), repeat=4)), table_of(h, 2, 2)
    for entry, d in enumerate(everything, start=1):
        view = fold_view(h, cut, entry)
        svg = assert_legible(view.picture)
        bars = rectangles(svg, fill=INK)
        under = {round((left - 2) / 34.875) for left, top, _, height in bars if height == 6}
        before = FOLD_CUTS[cut]
        assert under == {n for n, other in enumerate(everything) if all(other[p] == d[p] for p in before)}
        digits = [text for text in svg.iter(f"{SVG}text") if text.get("fill") in ("#FFF", INK) and text.text.isdigit()]
        for left, top, width, height in outlined(svg):
            inside = [
                text.text
                for text in digits
                if len(text.get("x").split()) == 1
                and left < float(text.get("x")) < left + width
                and top < float(text.get("y")) < top + height
            ]
            assert inside == [str(table[d])]
        shown = [text.text for text in svg.iter(f"{SVG}text") if text.get("font-weight")][:4]
        assert shown == [str(template + 1) for template in d]
        assert view.reading.startswith("Image {} {} / {} {}: h = {}".format(*shown, table[d]))


def test_a_table_has_no_entry_behind_its_last():
    assert fold_view("pairs", "left | right", 17) is None and fold_view("pairs", "left | right", 82, M=3) is None


@pytest.mark.parametrize("C", [4, 6])
def test_what_a_reader_may_type_is_legible(C):
    for M, cut in product((2, 3), FOLD_CUTS):
        assert_legible(fold_view("network", cut, 5, M, C).picture)
