"""A network drawn: what is tinted is what a unit sees, and no letter touches another, whatever the network."""

import re
from itertools import combinations, product
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible, seen_from, squares
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError, CutError
from convac_lib.families import baseline, common_case
from convac_lib.theory.cuts import CUTS, make_cut
from convac_lib.visuals.network_drawing import draw_network

networks = st.builds(
    lambda size, M, shapes: Architecture(size, M, [Layer(S + extra, S, C) for S, extra, C in shapes]),
    st.integers(2, 8),
    st.integers(1, 16),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(1, 512)), min_size=1, max_size=8),
)


def grids(picture):
    return ElementTree.fromstring(picture).findall(f"{SVG}g")


def filled(grid, opacity):
    return [squares(path) for path in grid if path.get("fill-opacity") == opacity]


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
    pairs = combinations(product(range(4), repeat=2), 2)
    neighbours = [(a, b) for a, b in pairs if abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1]
    edges = sum((a in part) != (b in part) for a, b in neighbours)
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
