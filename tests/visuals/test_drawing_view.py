"""The drawing of a network in words: the words count what the drawing tints."""

from itertools import product
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible, paths, seen_from, squares
from hypothesis import given
from hypothesis import strategies as st

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError
from convac_lib.families import common_case
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.network_words import network_in_words
from convac_lib.visuals.views.drawing import drawing_view

networks = st.builds(
    lambda size, shapes: Architecture(size, 2, [Layer(S + extra, S, 2) for S, extra in shapes]),
    st.integers(2, 8),
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=6),
)


@given(networks, st.data())
def test_the_words_count_what_the_unit_sees(network, data):
    layer = data.draw(st.integers(1, len(network.layers)))
    row, column = (data.draw(st.integers(0, network.sizes[layer - 1] - 1)) for _ in "rc")
    said = network_in_words(network, (layer, row, column))
    seen = seen_from(network, layer, row, column)
    height, width = (len({place[axis] for place in seen}) for axis in (0, 1))
    H = network.size
    assert (f"sees all {H}×{H} patches" in said) == (len(seen) == H * H)
    assert (f"sees {height}×{width} of the {H}×{H} patches" in said) == (len(seen) < H * H)
    T_R, T_S = network.total_receptive_fields[layer - 1], network.total_strides[layer - 1]
    assert f"layer {layer} has T_R = {T_R} and T_S = {T_S}" in said


@given(networks)
def test_the_words_count_what_two_windows_share(network):
    R, S = network.layers[0].receptive_field, network.layers[0].stride
    shared = len(set(range(R)) & set(range(S, S + R))) * R
    said = network_in_words(network)
    assert (f"share {shared} of {R * R} patches" in said) != ("share no patch" in said) == (shared == 0)


@pytest.mark.parametrize("B, M, image", list(product((1, 2, 3, 4), (2, 3), ("4×4", "8×8"))))
def test_the_view_says_what_the_drawing_tints(B, M, image):
    view, size = drawing_view(B, M, image), int(image[0])
    network = common_case(B, M, size)
    svg = assert_legible(view.picture)
    assert view.picture == draw_network(network)
    picture, *_ = svg.iter(f"{SVG}g")
    (tinted,) = (squares(path) for path in paths(picture, fill_opacity=".38"))
    side = round(len(tinted) ** 0.5)
    seen = f"all {size}×{size} patches" if side == size else f"{side}×{side} of the {size}×{size} patches"
    assert seen in view.alt and f"T_R = {view.values['T_R']} and T_S = {view.values['T_S']}" in view.alt
    assert view.values["parameters"] == network.parameters and f"stores {network.parameters:,} numbers" in view.alt
    assert view.values["entries"] == f"{M}^{size * size}"
    assert ("65,536" in view.reading) == (M**size**2 == 65_536)


def test_the_unit_that_is_drawn_first_is_the_one_that_is_told_first():
    for B in (1, 2, 3):
        network = common_case(B, 2, 16)
        picture = next(ElementTree.fromstring(draw_network(network)).iter(f"{SVG}g"))
        (tinted,) = (squares(path) for path in paths(picture, fill_opacity=".38"))
        assert (f"sees {8}×{8} of" in network_in_words(network)) == (len(tinted) == 64) == (B == 1)


def test_a_unit_outside_is_one_sentence():
    with pytest.raises(ArchitectureError) as error:
        network_in_words(common_case(2, 2, 4), (2, 2, 0))
    assert (
        str(error.value) == "there is no unit 2, 0 in layer 2; choose one of the 4 layers, whose sides are 4, 2, 2, 1"
    )
