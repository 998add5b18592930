"""Pictures: what is tinted is what a unit sees, and no letter touches another, whatever is drawn."""

import re
from itertools import combinations, product
from math import log10
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ImageFont

from convac_lib.architecture import Architecture, Layer, baseline, common_case
from convac_lib.errors import ArchitectureError, CutError
from convac_lib.experiments.atlas import Cell
from convac_lib.theory.tensors import CUTS, make_cut
from convac_lib.visuals.charts import draw_atlas_row, draw_placements
from convac_lib.visuals.drawings import draw_network, draw_rank_scale, stack
from convac_lib.visuals.style import BOUND_COLOUR, SATURATION_COLOUR, colour_of
from convac_lib.visuals.views import PLACES, place_overlap, storage_view

SVG = "{http://www.w3.org/2000/svg}"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"  # DejaVu Sans, wider than any system's own font

networks = st.builds(
    lambda size, M, shapes: Architecture(size, M, [Layer(S + extra, S, C) for S, extra, C in shapes]),
    st.integers(2, 8),
    st.integers(1, 16),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(1, 512)), min_size=1, max_size=8),
)


def boxes_of_texts(svg):
    """The words of a picture, each with its box (left, top, right, bottom)."""
    boxes = []
    for text in svg.iter(f"{SVG}text"):
        bold = "-Bold" if text.get("font-weight") else ""
        font = ImageFont.truetype(FONTS / f"DejaVuSans{bold}.ttf", int(svg.get("font-size")))
        places = text.get("x").split()
        for words, x in zip(text.text if len(places) > 1 else [text.text], places, strict=True):
            x, y, width = float(x), float(text.get("y")), font.getlength(words)
            left = x - {"end": width, "middle": width / 2}.get(text.get("text-anchor"), 0)
            boxes.append((words, (left, y - font.size * 0.75, left + width, y + font.size * 0.2)))
    return boxes


def touch(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def assert_legible(picture):
    svg = ElementTree.fromstring(picture)
    boxes = boxes_of_texts(svg)
    width, height = float(svg.get("width")), float(svg.get("height"))
    for words, (left, top, right, bottom) in boxes:
        assert left >= 0 and top >= 0 and right <= width and bottom <= height, f"{words!r} leaves the picture"
    for (words, box), (others, other) in combinations(boxes, 2):
        assert not touch(box, other), f"{words!r} touches {others!r}"
    for line in svg.iter(f"{SVG}line"):
        if line.get("stroke") in (BOUND_COLOUR, SATURATION_COLOUR):
            x, *span = (float(line.get(name)) for name in ("x1", "y1", "y2"))
            for words, box in boxes:
                assert not touch(box, (x - 1, span[0], x + 1, span[1])), f"a line crosses {words!r}"
    return svg


def squares(path):
    """The squares (row, column) inside a path of rectangles, in a group's own units."""
    inside = set()
    for left, top, width, height in re.findall(r"M(\d+) (\d+)h(\d+)v(\d+)h-\d+z", path.get("d")):
        rows, columns = range(int(top), int(top) + int(height)), range(int(left), int(left) + int(width))
        inside |= set(product(rows, columns))
    return inside


def grids(picture):
    return ElementTree.fromstring(picture).findall(f"{SVG}g")


def filled(grid, opacity):
    return [squares(path) for path in grid if path.get("fill-opacity") == opacity]


def seen_from(network, layer, row, column):
    """The image's patches that a unit depends on, found by asking every unit on the way for its window."""
    sizes = (network.size, *network.sizes)
    units = {(row, column)}
    for number in range(layer, 0, -1):
        R, S, size = network.layers[number - 1].receptive_field, network.layers[number - 1].stride, sizes[number - 1]
        below = {(r * S + i, c * S + j) for r, c in units for i, j in product(range(R), repeat=2)}
        units = {(r, c) for r, c in below if r < size and c < size}
    return units


@given(networks, st.data())
def test_the_tint_is_what_the_unit_sees(network, data):
    layer = data.draw(st.integers(1, len(network.layers)))
    row, column = (data.draw(st.integers(0, network.sizes[layer - 1] - 1)) for _ in "rc")
    drawn = grids(draw_network(network, position=(layer, row, column)))
    assert filled(drawn[layer], "1") == [{(row, column)}]
    seen = seen_from(network, layer, row, column)
    assert filled(drawn[0], ".38") == [seen]
    reach = [
        min(network.size - start, network.total_receptive_fields[layer - 1])
        for start in (row * network.total_strides[layer - 1], column * network.total_strides[layer - 1])
    ]
    assert len(seen) == reach[0] * reach[1]  # the same, by T_R and T_S


@pytest.mark.parametrize("B, side", [(1, 2), (2, 4), (3, 4)])
def test_the_unit_traced_first_sees_more_with_overlap(B, side):
    (tinted,) = filled(grids(draw_network(common_case(B, 2, 4)))[0], ".38")
    assert len(tinted) == side**2


@given(networks)
def test_neighbours_share_patches_exactly_where_the_first_layer_overlaps(network):
    shared = filled(grids(draw_network(network))[0], ".55")
    first = network.layers[0]
    if network.sizes[0] == 1 or not first.is_overlapping:
        assert shared == []
    elif first.receptive_field + first.stride <= network.size:  # both windows fit
        assert len(shared[0]) == first.receptive_field * (first.receptive_field - first.stride)


@pytest.mark.parametrize("cut", [*CUTS, (0, 5, 6)])
def test_the_cut_is_shaded_and_bordered(cut):
    image = grids(draw_network(common_case(2, 2, 4), cut=cut))[0]
    part = {divmod(patch, 4) for patch in make_cut(cut, 4).rows}
    assert filled(image, ".16") == [part]
    edges = sum(
        (a in part) != (b in part) for a, b in combinations(product(range(4), repeat=2), 2) if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1
    )  # fmt: skip
    (border,) = (path for path in image if path.get("stroke-width") == "2")
    assert border.get("d").count("M") == edges


@given(networks)
def test_a_network_is_legible(network):
    picture = draw_network(network, cut=[0])
    svg = assert_legible(picture)
    ends, right = [], 0.0
    for grid in svg.iter(f"{SVG}g"):
        left, top, cell = map(float, re.findall(r"[\d.]+", grid.get("transform")))
        side = cell * max(int(count) for path in grid for count in re.findall(r"M0 \d+h(\d+)", path.get("d")))
        ends.append(left - right)
        right = left + side
        assert top >= 0 and top + side <= float(svg.get("height"))
    assert min(ends[1:]) > 1 and right <= float(svg.get("width"))


@pytest.mark.parametrize("network", [baseline(2, 4), common_case(3, 4, 8), common_case(5, 2, 16)])
def test_a_network_fits_a_phone(network):
    svg = ElementTree.fromstring(draw_network(network))
    assert svg.get("viewBox").split()[2] == "560"
    assert int(svg.get("font-size")) * 340 / 560 >= 11


def test_pictures_of_one_size_never_jump():
    pictures = [draw_network(common_case(B, M, size)) for B in (1, 2, 3) for M in (2, 16) for size in (4, 8)]
    assert len({re.search(r'viewBox="([^"]*)"', picture)[1] for picture in pictures}) == 1


def test_a_unit_outside_the_network_is_refused():
    with pytest.raises(ArchitectureError) as error:
        draw_network(common_case(2, 2, 4), position=(3, 0, 2))
    assert str(error.value) == "there is no unit (0, 2) in layer 3; layers 1 to 4 have 4×4, 2×2, 2×2, 1×1 units"


def test_a_cut_outside_the_image_is_refused():
    with pytest.raises(CutError):
        draw_network(common_case(2, 2, 4), cut=[16])


@given(st.data())
def test_a_rank_scale_is_legible(data):
    saturation = data.draw(st.integers(2, 5)) ** data.draw(st.integers(1, 200))
    rank = data.draw(st.integers(0, saturation))
    formula = data.draw(st.none() | st.integers(1, max(rank, 1)) | st.floats(1, 1e6))
    assert_legible(
        draw_rank_scale(
            rank,
            colour=colour_of(3),
            formula=formula,
            saturation=data.draw(st.sampled_from([None, saturation])),
            non_overlapping=data.draw(st.none() | st.integers(1, max(rank, 1))),
        )
    )


def test_lengths_are_logarithms():
    svg = ElementTree.fromstring(draw_rank_scale(64, colour=colour_of(2), saturation=256, non_overlapping=2))
    bars = [float(bar.get("width")) for bar in svg.iter(f"{SVG}rect")]
    assert bars[0] / bars[1] == pytest.approx(6, rel=1e-3)  # log 64 / log 2
    (line,) = (line for line in svg.iter(f"{SVG}line") if line.get("stroke") == SATURATION_COLOUR)
    start = float(next(svg.iter(f"{SVG}rect")).get("x"))
    assert (float(line.get("x1")) - start) / bars[1] == pytest.approx(log10(256) / log10(2), rel=1e-3)


ROWS = [
    # (size, M, cut, [(B, rank, status, theorem, formula, upper)])
    (4, 2, "left-right", [(1, 2, "exact", 1, 2, 2), (2, 64, "whole", 1, 5, 256), (3, 256, "exact", 256, 77, 256)]),
    (8, 4, "left-right", [(1, 4, "exact", None, 2, 4), (3, 5793, "at least", 256, 5793, 4**32),
                          (5, 1024, "at least", 65536, 1_552_518_092_301, 4**32)]),
    (16, 3, "interleaved", [(1, 1024, "at least", None, None, 3**64), (4, 1024, "at least", None, None, 3**128)]),
]  # fmt: skip


@pytest.mark.parametrize(("size", "M", "cut", "known"), ROWS)
def test_a_row_of_the_atlas_is_legible_and_its_heights_are_logarithms(size, M, cut, known):
    cells = [
        Cell(size, M, B, M, cut, rank, status, 1, theorem, formula, None, upper, 7, 0, "")
        for B, rank, status, theorem, formula, upper in known
    ]
    for cell in cells:
        svg = assert_legible(draw_atlas_row(cells, cell.B))
    ticks = {text.text: float(text.get("y")) for text in svg.iter(f"{SVG}text") if text.get("text-anchor") == "end"}
    bottom, decade = ticks["1"] - 7, (ticks["1"] - ticks["10" if size == 4 else "10³"]) / (1 if size == 4 else 3)
    marks = [path for path in svg.iter(f"{SVG}path") if path.get("fill") in map(colour_of, range(1, 6))]
    for cell, mark in zip(cells, marks, strict=True):
        heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", mark.get("d"))]
        y = bottom - decade * log10(cell.rank)
        assert mark.get("fill") == colour_of(cell.B) and min(heights) - 0.1 <= y <= max(heights) + 0.1
        bars = [float(line.get("y1")) for line in svg.iter(f"{SVG}line") if line.get("stroke-width") == "4"]
        if (cell.theorem or 1) > 1:
            assert min(abs(bottom - bar - decade * log10(cell.theorem)) for bar in bars) < 0.1
    arrows = [path for path in svg.iter(f"{SVG}path") if path.get("d").endswith("v-18m-6 7l6-7 6 7")]
    assert len(arrows) == sum(cell.status == "at least" for cell in cells)


@pytest.mark.parametrize(("C", "place"), list(product((2, 3, 4), PLACES)))
def test_placements_are_legible_and_both_axes_are_logarithms(C, place):
    known = {
        (B1, B2): (place_overlap(B1, B2, C).parameters, min(256, 16 ** (B1 - 1) * C ** min(B2, 2))) for B1, B2 in PLACES
    }
    svg = assert_legible(draw_placements(known, place, saturation=256))
    texts = {text.text: text for text in svg.iter(f"{SVG}text")}
    x = {parameters: float(texts[str(parameters)].get("x")) for parameters in (25, 400)}
    y = {rank: float(texts[str(rank)].get("y")) - 7 for rank in (64, 256)}
    marks = [path for path in svg.iter(f"{SVG}path") if path.get("fill") in map(colour_of, (1, 2, 3))]
    expected = sorted(known, key=lambda each: (each[0] == place[0], each))
    for each, mark in zip(expected, marks, strict=True):
        parameters, rank = known[each]
        ends = [tuple(map(float, point)) for point in re.findall(r"[ML]([\d.]+) ([\d.]+)", mark.get("d"))]
        across = x[25] + (x[400] - x[25]) * log10(parameters / 25) / log10(16)
        up = y[256] + (y[64] - y[256]) * (8 - log10(rank) / log10(2)) / 2
        assert mark.get("fill") == colour_of(max(each)) and (mark.get("stroke") is not None) == (each == place)
        assert min(end[0] for end in ends) - 0.1 <= across <= min(end[0] for end in ends) + 20.1
        assert min(end[1] for end in ends) - 0.1 <= up <= max(end[1] for end in ends) + 0.1


@pytest.mark.parametrize(
    "value, words",
    [(7, "7"), (65536, "65,536"), (4**32, "1.8×10¹⁹"), (10**30, "10³⁰"), (20.25, "20.25"), (16.0, "16"), (76.1139, "76.11")],
)  # fmt: skip
def test_a_number_is_written_shortly(value, words):
    assert f">formula {words}<" in draw_rank_scale(2, colour=colour_of(1), formula=value)


def test_a_rank_of_zero_has_no_bar():
    assert list(ElementTree.fromstring(draw_rank_scale(0, colour=colour_of(2))).iter(f"{SVG}rect")) == []


def test_stacked_pictures_keep_their_places():
    scale, network = draw_rank_scale(2, colour=colour_of(1)), draw_network(common_case(1, 2, 4))
    heights = [float(ElementTree.fromstring(picture).get("height")) for picture in (network, scale)]
    svg = ElementTree.fromstring(stack(network, scale, gap=10))
    assert float(svg.get("height")) == sum(heights) + 10
    assert [group.get("transform") for group in svg] == ["translate(0 0)", f"translate(0 {heights[0] + 10:g})"]


@pytest.mark.parametrize("N, M, C", list(product((4, 64, 1024), (2, 16), (2, 32))))
def test_storage_is_legible_and_its_heights_are_logarithms(N, M, C):
    view = storage_view(N, M, C)
    assert_legible(view.picture)
    assert len(view.picture) < 60_000
    svg = ElementTree.fromstring(view.picture)
    lines = [path for path in svg.iter(f"{SVG}path") if path.get("fill") == "none"]
    table, *networks = ([tuple(map(float, at.split())) for at in line.get("d")[1:].split("L")] for line in lines)
    bottom, top = (float(line.get("y1")) for line in list(svg.iter(f"{SVG}line"))[:5:4])

    def stored(y):
        return 10 ** (12 * (bottom - y) / (bottom - top))

    assert stored(table[0][1]) == pytest.approx(M**4, rel=0.01)
    assert stored(table[-1][1]) == pytest.approx(10**12, rel=0.01)
    for places, name in zip(networks, ("deep (HT)", "shallow (CP)"), strict=True):
        at = (4, 16, 64, 256, 1024).index(N)
        assert stored(places[at][1]) == pytest.approx(view.values[name], rel=0.01)


def test_what_is_stored_is_what_the_decompositions_hold():
    """By the shapes of the weights: CP, a vector a patch and term; Hierarchical Tucker, four matrices a level."""
    for N, M, C in product((4, 16, 64), (2, 3), (1, 5)):
        values = storage_view(N, M, C).values
        assert values["shallow (CP)"] == np.zeros((C, N, M)).size + C
        levels = [np.zeros((4, C, M))] + [np.zeros((4, C, C))] * (N.bit_length() // 2 - 1) + [np.zeros(C)]
        assert values["deep (HT)"] == sum(level.size for level in levels)
