"""A whole network drawn: what is tinted is seen, what is lit is counted, shapes are torch's, and nothing touches."""

import re
from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, paths, seen_from, squares, words_of
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from convac_lib import ConvAC
from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError, ConvacError
from convac_lib.families import baseline, common_case
from convac_lib.visuals.photograph import pixels
from convac_lib.visuals.sheets import Stack, add_funnel
from convac_lib.visuals.style import INK, LIT
from convac_lib.visuals.svg import svg_document
from convac_lib.visuals.whole_network import LETTERS, draw_whole_network


@st.composite
def networks(draw):
    """A network on at most 8×8 patches that ends in 1×1, overlapping or not."""
    size, M = draw(st.integers(1, 8)), draw(st.integers(1, 16))
    layers, side = [], size
    for last in [False] * draw(st.integers(0, 5)) + [True]:
        S = side if last else draw(st.integers(1, min(side, 3)))
        layers.append(Layer(S + draw(st.integers(0, 3)), S, draw(st.integers(1, 512))))
        side = -(-side // S)
    return Architecture(size, M, layers)


def grids(picture):
    """The photograph's group, then one for each stack, from the representation up."""
    return ElementTree.fromstring(picture).findall(f"{SVG}g")


def inside(grid, **wanted):
    """The squares (row, column) that the filled paths of a group cover."""
    wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
    found = [squares(path) for path in grid if wanted.items() <= path.attrib.items()]
    return set().union(*found)


@given(networks(), st.sampled_from([None, "H"]))
def test_the_tint_is_what_the_unit_sees(network, highlight):
    photograph, *stacks = grids(draw_whole_network(network, highlight=highlight))
    wide = [layer for layer, size in enumerate(network.sizes, start=1) if size > 1]
    layer = max(wide, default=1)
    assert inside(stacks[layer], fill_opacity="1") == {(0, 0)}
    seen = seen_from(network, layer, 0, 0)
    assert inside(stacks[0], fill_opacity=".38") == seen
    whole = set(product(range(network.size), repeat=2))
    assert inside(photograph, fill_opacity=".38") == (seen if highlight is None else set())
    assert inside(photograph, fill=LIT) == (whole if highlight == "H" else set())


@given(networks(), st.sampled_from("BR"))
def test_a_lit_window_is_what_the_filled_unit_sees(network, letter):
    _, *stacks = grids(draw_whole_network(network, highlight=letter))
    sizes = (network.size, *network.sizes)
    for number, layer in enumerate(network.layers, start=1):
        lit, units = inside(stacks[number - 1], fill=LIT), inside(stacks[number], fill=INK)
        if letter == "B" and layer.stride > 1:
            assert not lit and not units
            continue
        ((row, column),) = units
        starts, window = (row * layer.stride, column * layer.stride), range(layer.receptive_field)
        every = {(starts[0] + i, starts[1] + j) for i, j in product(window, repeat=2)}
        assert lit == {place for place in every if max(place) < sizes[number - 1]}


@given(networks())
def test_a_lit_step_is_one_stride_wide(network):
    _, *stacks = grids(draw_whole_network(network, highlight="S"))
    for number, layer in enumerate(network.layers):
        columns = {column for _, column in inside(stacks[number], fill=LIT)}
        assert len(columns) == (layer.stride if network.sizes[number] > 1 else 0)


@given(networks(), st.sampled_from("MC"))
def test_lit_sheets_are_counted(network, letter):
    picture = ElementTree.fromstring(draw_whole_network(network, highlight=letter))
    sheets = [path for path in paths(picture, fill=LIT) if path.get("stroke")]
    counts = network.channels[:1] if letter == "M" else network.channels[1:]
    assert len(sheets) == sum(min(count, 4) for count in counts)


@pytest.mark.parametrize(
    "network", [baseline(3, 4), common_case(2, 2, 8, 5), Architecture(6, 4, [Layer(4, 3, 7), Layer(3, 2, 2)])]
)
def test_the_shapes_are_those_of_the_tensors(network):
    shapes = [(network.representation_channels, network.size, network.size)]
    model = ConvAC(network, generator=torch.Generator().manual_seed(0))
    for layer in model.layers:
        layer.register_forward_hook(lambda module, x, y: shapes.append(y[0].shape[1:]))
    model(torch.ones(1, network.representation_channels, network.size, network.size))
    known = {"×".join(map(str, shape)) for shape in shapes}
    drawn = [words for words in words_of(draw_whole_network(network)) if re.fullmatch(r"\d+×\d+×\d+", words)]
    assert set(drawn) == known and len(drawn) == len(network.layers) + 1


@given(networks())
def test_every_layer_says_its_numbers(network):
    words = [word for word in words_of(draw_whole_network(network)) if re.fullmatch(r"[RSC]=\d+", word)]
    numbers = [(f"R={layer.receptive_field}", f"S={layer.stride}", f"C={layer.channels}") for layer in network.layers]
    assert words == [word for three in numbers for word in three]


@given(networks(), st.sampled_from([None, *LETTERS]), st.integers(1, 1000))
def test_a_network_is_legible(network, highlight, outputs):
    picture = draw_whole_network(network, highlight=highlight, outputs=outputs)
    assert_legible(picture)
    assert len(picture) < 20_000


@pytest.mark.parametrize("size", [2, 4, 8])
def test_pictures_of_the_common_case_never_jump(size):
    networks = [common_case(B, M, size, C) for B, M, C in product((1, 2, 3), (1, 2, 8), (1, 3, 16))]
    pictures = [draw_whole_network(network) for network in (*networks, baseline(2, size))]
    assert {re.search(r'viewBox="([^"]*)"', picture)[1] for picture in pictures} == {"0 0 560 520"}


def test_each_output_is_a_square():
    for outputs in (1, 3, 10):
        svg = ElementTree.fromstring(draw_whole_network(baseline(2, 4), outputs=outputs))
        assert sum("h16v16h-16z" in path.get("d") for path in svg.iter(f"{SVG}path")) == outputs


def test_the_photograph_is_a_digit_of_the_data():
    digit = load_digits().images[13]
    for size, kept in {1: 8, 2: 8, 3: 6, 4: 8, 5: 5, 6: 6, 7: 7, 8: 8}.items():
        first = (8 - kept) // 2
        assert np.array_equal(pixels(size), digit[first : first + kept, first : first + kept])
        assert kept % size == 0


@given(st.integers(2, 8), st.integers(1, 8), st.data())
def test_a_funnel_is_convex_and_around_both_fields(below, above, data):
    lower, upper = Stack(below, 2, 20, 0.3, 100, top=90), Stack(above, 3, 20, 0.3, 100, top=10)

    def field(count):
        spans = [sorted(data.draw(st.lists(st.integers(0, count), min_size=2, max_size=2, unique=True))) for _ in "rc"]
        return tuple(range(*span) for span in spans)

    seen, seeing = field(below), field(above)
    svg = svg_document(200, 200)
    add_funnel(svg, lower, seen, upper, seeing, fill=INK, opacity=".2")
    (path,) = svg
    corners = [tuple(map(float, place.split())) for place in path.get("d")[1:-1].split("L")]
    places = [*lower.corners(seen), *upper.corners(seeing, 2)]
    assert all(any(np.allclose(corner, place, atol=0.02) for place in places) for corner in corners)
    for (x, y), (x2, y2) in zip(corners, corners[1:] + corners[:1]):
        assert all((x2 - x) * (py - y) - (y2 - y) * (px - x) > -3 for px, py in places)  # rounded to 0.01 of some 200


@pytest.mark.parametrize(
    "network, options, sentence",
    [
        (
            common_case(2, 2, 16),
            {},
            (
                "the drawing of a whole network has room for 8×8 patches, and the image has 16×16; "
                "draw a network on a smaller image"
            ),
        ),
        (
            Architecture(4, 2, [Layer(2, 2, 2)]),
            {},
            "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2",
        ),
        (baseline(2, 4), {"outputs": 0}, "outputs must be an integer of at least 1, not 0"),
    ],
)
def test_a_network_that_cannot_be_drawn_is_refused(network, options, sentence):
    with pytest.raises(ArchitectureError) as error:
        draw_whole_network(network, **options)
    assert str(error.value) == sentence


def test_an_unknown_letter_is_refused():
    with pytest.raises(ConvacError) as error:
        draw_whole_network(baseline(2, 4), highlight="T")
    assert str(error.value) == "no letter 'T' can light up; use one of H, M, B, R, S, C"
