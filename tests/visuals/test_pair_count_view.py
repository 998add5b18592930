"""The explorer of the count: pairs, window and layers drawn are those of the witness, and of units asked one by one."""

import re
from fractions import Fraction

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths, seen_from, squares

from convac_lib import Architecture, Layer
from convac_lib.theory.bounds import common_case_exponents, theorem
from convac_lib.theory.witness import theorem_witness
from convac_lib.visuals.style import BOUND_COLOUR, INK, colour_of
from convac_lib.visuals.views.pair_count import count_view, draw_count

STATES = [*((B, size) for B in range(1, 7) for size in (2, 4, 6, 8, 10, 12, 14, 16, 32)), (9, 22), (12, 12), (12, 32)]


def network_of(B, size):
    return Architecture(size, 2, (Layer(B, 1, 4), Layer(2, 2, 4)) * (size - 1).bit_length())


def drawn(B, size):
    svg = assert_legible(count_view(B, size).picture)
    (group,) = svg.iter(f"{SVG}g")
    return svg, group


def patches_of(path, size, inset):
    """The patches (row · H + column) of small squares that are drawn inside them."""
    boxes = np.reshape(numbers_in(path.get("d")), (-1, 5))
    return [round((top - inset) * size + (left - inset)) for left, top, *_ in boxes]


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_pairs_drawn_are_those_of_the_witness(B, size):
    _, group = drawn(B, size)
    (left,) = (path for path in paths(group, fill=colour_of(B)) if path.get("fill-opacity") is None)
    (right,) = paths(group, stroke=colour_of(B), stroke_width="2.5")
    witness = theorem_witness(network_of(B, size))
    assert patches_of(left, size, 0.15) == list(witness.left)
    assert patches_of(right, size, 0.2) == list(witness.right)


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_tiles_cover_the_left_half_once_and_each_begins_at_a_pair(B, size):
    _, group = drawn(B, size)
    (tiles,) = paths(group, fill_opacity=".16")
    covered = [squares({"d": f"M{tile}z"}) for tile in tiles.get("d").strip("Mz").split("zM")]
    assert sum(map(len, covered)) == size * size // 2
    assert set().union(*covered) == {(row, column) for row in range(size) for column in range(size // 2)}
    corners = [min(tile) for tile in covered]
    assert [row * size + column for row, column in corners] == list(theorem_witness(network_of(B, size)).left)


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_window_drawn_is_what_a_unit_of_layer_K_sees_on_both_sides(B, size):
    _, group = drawn(B, size)
    (window,) = paths(group, stroke=INK)
    inside, network = squares(window), network_of(B, size)
    K = theorem(network).layer
    units = [divmod(unit, network.sizes[K - 1]) for unit in range(network.sizes[K - 1] ** 2)]
    assert inside in [seen_from(network, K, row, column) for row, column in units]
    assert min(column for _, column in inside) < size // 2 <= max(column for _, column in inside)


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_layers_drawn_are_those_up_to_the_first_that_sees_more_than_half(B, size):
    svg, _ = drawn(B, size)
    K, large = theorem(network_of(B, size)).layer, network_of(B, 1024)

    def columns(layer, unit):
        seen = {column for _, column in seen_from(large, layer, 0, unit)}
        return min(seen), len(seen)

    expected = [(columns(layer, 0)[1], columns(layer, 1)[0]) for layer in range(1, K + 1)]  # T_R, T_S
    texts = {(text.get("x"), text.get("y")): text.text for text in svg.iter(f"{SVG}text")}
    ys = sorted((y for x, y in texts if x == "483"), key=float)[1:]
    assert [(int(texts["483", y]), int(texts["536", y])) for y in ys] == expected
    assert [T_R > size // 2 for T_R, _ in expected] == [False] * (K - 1) + [True]
    bars = [numbers_in(path.get("d"))[2] for path in svg.iter(f"{SVG}path") if path.get("d").startswith("M326 ")]
    assert bars == pytest.approx([116 * min(1, T_R / size) for T_R, _ in expected], abs=0.01)


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_tiles_and_the_square_have_the_areas_that_are_compared(B, size):
    view = count_view(B, size)
    svg, _ = drawn(B, size)
    e, square = common_case_exponents(B, size)
    *_, tiles = paths(svg, fill=colour_of(B), fill_opacity=".16", stroke_width="1.5")
    boxes = np.reshape(numbers_in(tiles.get("d")), (-1, 5))
    assert len(boxes) == len({tuple(box[:2]) for box in boxes}) == e == view.values["pairs, e"]
    (talk,) = paths(svg, stroke=BOUND_COLOUR)
    side = numbers_in(talk.get("d"))[2]
    assert side / boxes[0][2] == pytest.approx(B - 0.5, abs=0.02)
    assert (B - Fraction(1, 2)) ** 2 == square == Fraction(view.values["talk's square"])


@pytest.mark.parametrize(("B", "size"), STATES)
def test_the_reading_counts_and_compares_as_the_theorem_does(B, size):
    view, (e, square) = count_view(B, size), common_case_exponents(B, size)
    bound = theorem(network_of(B, size))
    assert f"layer {bound.layer} is the first" in view.reading and view.values["layer K"] == str(bound.layer)
    assert f" = {e}. The talk's square, {float(square):g}, " in view.reading
    assert ("is not larger" in view.reading) == (e >= square)
    assert ("claim is false" in view.reading) == (square > size**2 // 2)
    twice = re.search(r"2·\(H/\(2·T_S\)\)² = 2·(\d+)²", view.reading)
    assert bool(twice) == (B > 1 and size in (2, 4, 8, 16, 32))
    if twice:
        assert 2 * int(twice[1]) ** 2 == e and Fraction(size, 2 * view.values["T_S"]) == int(twice[1])
    assert (f"which is {'larger' if square > e else 'smaller'}" in view.alt) and f"{e} pairs" in view.alt
    assert len(view.picture) < 16_000


def test_the_picture_without_the_square_keeps_the_rest():
    whole, part = assert_legible(draw_count(3, 8)), assert_legible(draw_count(3, 8, square=False))
    height = float(part.get("height"))
    kept = [text for text in whole.iter(f"{SVG}text") if float(text.get("y")) < height]
    assert [text.attrib for text in part.iter(f"{SVG}text")] == [text.attrib for text in kept]
    assert height < float(whole.get("height")) and not paths(part, stroke=BOUND_COLOUR)
