"""The explorer of receptive fields: the fields drawn are those found by asking every unit for its window."""

import re
from base64 import b64decode
from io import BytesIO
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible, paths, seen_from, squares
from PIL import Image

from convac_lib.architecture import Architecture, Layer
from convac_lib.families import common_case
from convac_lib.visuals.style import INK, colour_of
from convac_lib.visuals.views.receptive_fields import field_view, grey_gif

PIXELS = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
PICTURE = grey_gif(PIXELS)


@pytest.mark.parametrize("B", range(1, 13))
@pytest.mark.parametrize("layer", range(1, 9))
def test_the_fields_drawn_are_what_two_neighbours_see(B, layer):
    """By asking every unit on the way for its window, in the picture and in one so large that nothing is cut off."""
    view = field_view(PICTURE, B, layer)
    svg = assert_legible(view.picture)
    (group,) = svg.iter(f"{SVG}g")
    unit, other = (squares(path) for path in paths(group, stroke=INK, stroke_width="3"))
    (tinted,) = paths(group, fill=colour_of(B), fill_opacity=".5") or [None]
    network = common_case(B, 1, 32)
    sizes = (32, *network.sizes)
    candidates = {
        (row, column): seen_from(network, layer, row, column) for row, column in np.ndindex((sizes[layer],) * 2)
    }
    (found,) = [place for place, seen in candidates.items() if seen == unit and place[1] + 1 < sizes[layer]][:1]
    assert candidates[found[0], found[1] + 1] == other
    assert (squares(tinted) if tinted is not None else set()) == unit & other
    assert (unit & other == set()) == (B == 1)
    large = common_case(B, 1, 512)
    first, second = (seen_from(large, layer, 0, column) for column in (0, 1))
    T_R, T_S = max(column for _, column in first) + 1, min(column for _, column in second)
    assert (view.values["T_R"], view.values["T_S"]) == (T_R, T_S) and len(first) == T_R**2
    assert view.values["units"] == f"{sizes[layer]}×{sizes[layer]}"
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {f"T_R = {T_R}", f"T_S = {T_S}"} <= set(words)
    assert f"{T_R}×{T_R} pixels" in view.reading
    assert (f"share {T_R - T_S} of {T_R} columns" in view.reading) == (B > 1) != ("share nothing" in view.reading)
    assert ("of which the picture has" in view.reading) == (len(unit) < len(first))
    own, shared = ({column for _, column in squares} for squares in (unit, unit & other))
    told = f"{len(shared)} of the unit's {len(own)} columns" if shared else "none of the unit's columns"
    assert told in view.alt and f"T_R = {T_R} and T_S = {T_S}" in view.alt


def test_the_fields_of_the_layers_below_are_inside():
    (group,) = ElementTree.fromstring(field_view(PICTURE, 3, 5).picture).iter(f"{SVG}g")
    unit, _ = paths(group, stroke=INK, stroke_width="3")
    (below,) = paths(group, stroke=INK, stroke_width="1")
    corner = re.match(r"M\d+ \d+", unit.get("d"))[0]
    assert below.get("d") == "".join(f"{corner}h{T_R}v{T_R}h-{T_R}z" for T_R in (3, 4, 8, 10))


def test_the_picture_is_the_photograph_in_grey_and_small():
    view = field_view(PICTURE, 1, 1)
    (image,) = ElementTree.fromstring(view.picture).iter(f"{SVG}image")
    stored = Image.open(BytesIO(b64decode(image.get("href").removeprefix("data:image/gif;base64,"))))
    grey = PIXELS @ [0.299, 0.587, 0.114]
    assert stored.size == (32, 32) and np.abs(np.asarray(stored.convert("L")) - grey).max() <= 8
    assert len(view.picture) < 10_000


def test_a_row_of_the_table_leads_to_its_layer():
    spots = field_view(PICTURE, 2, 3).spots
    for (left, top, width, height), state in spots:
        svg = ElementTree.fromstring(field_view(PICTURE, 2, **state).picture)
        marked = next(path for path in paths(svg, fill_opacity=".38"))
        assert marked.get("d") == f"M{left} {top}h{width}v{height}h{-width}z"
        (number,) = (text for text in svg.iter(f"{SVG}text") if text.get("x") == "378" and text.get("font-weight"))
        assert number.text == str(state["layer"]) and top < float(number.get("y")) < top + height
    assert [state["layer"] for _, state in spots] == list(range(1, 9))


@pytest.mark.parametrize(("B", "S", "size"), [(1, 3, 16), (2, 3, 32), (3, 1, 8), (12, 3, 4)])
def test_other_strides_and_sizes(B, S, size):
    """By asking every unit on the way for its window, as above."""
    network = Architecture(size, 1, [Layer(B, 1, 1), Layer(S, S, 1)] * 4)
    for layer in range(1, 9):
        view = field_view(PICTURE, B, layer, S, size)
        svg = assert_legible(view.picture)
        (group,) = svg.iter(f"{SVG}g")
        drawn = [squares(path) for path in paths(group, stroke=INK, stroke_width="3")]
        count = network.sizes[layer - 1]
        seen = {place: seen_from(network, layer, *place) for place in np.ndindex(count, count)}
        (row, column), *_ = [place for place in seen if seen[place] == drawn[0] and place[1] + 1 < max(count, 2)]
        assert drawn[1:] == ([seen[row, column + 1]] if count > 1 else [])
        assert view.values["units"] == f"{count}×{count}" and view.values["T_S"] == S ** (layer // 2)
        assert view.values["T_R"] == 1 + sum(
            (R - 1) * S ** (below // 2) for below, R in enumerate([B, S] * 4) if below < layer
        )
        assert ("no other unit" in view.reading) == ("no neighbour" in view.alt) == (count == 1)
        assert (f"S = {S}" in view.reading) == (S != 2) and ("patches" in view.reading) == (size < 32)
