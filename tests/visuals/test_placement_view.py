"""The explorer of placements: what it says of a state is what the theory says of it, by another way."""

import re
from itertools import product
from math import log10
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible, paths, seen_from, squares

from convac_lib.architecture import Architecture
from convac_lib.families import place_overlap
from convac_lib.theory.bounds import saturation
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.style import INK, MUTED, colour_of
from convac_lib.visuals.views.placement import draw_placements, draw_windows, placement_view

PLACES = list(product((1, 2, 3), repeat=2))


def most(B1, B2, C, M=2):
    """The bound of the chapter: what can pass the cut of a 4×4 image, by where the two layers overlap."""
    return min(M**8, M ** (4 * (B1 - 1)) * C ** min(B2, 2))


@pytest.mark.parametrize(("C", "place"), list(product((2, 3, 4), PLACES)))
def test_the_placement_shown_has_the_rank_that_the_bound_allows(C, place):
    view = placement_view(*place, C)
    parameters = C * (2 * place[0] ** 2 + C * place[1] ** 2 + 8 * C + 1)  # counted by hand
    assert view.values == {"parameters": parameters, "rank": most(*place, C), "of at most": 256}
    assert f"rank {most(*place, C)} with {parameters} parameters." in view.reading
    assert f"Marked: B₁ = {place[0]}, B₂ = {place[1]}." in view.alt
    assert len(view.picture) < 60_000
    ElementTree.fromstring(view.picture)


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        ((1, 1, 3), "No overlap: rank 3 with 90 parameters."),
        (
            (2, 1, 3),
            (
                "Overlap in layer 1 alone, B₁ = 2: rank 48 with 108 parameters. "
                "The other way round, B₁ = 1, B₂ = 2: 9 with 117."
            ),
        ),
        (
            (2, 2, 4),
            "Overlap in both layers, B₁ = 2, B₂ = 2: rank 256 with 228 parameters. In layer 1 alone: 64 with 180.",
        ),
    ],
)
def test_a_placement_is_compared_with_another(state, reading):
    assert placement_view(*state).reading == reading


@pytest.mark.parametrize(("B1", "B2"), [(1, 1), (1, 2), (2, 1)])
def test_three_templates_obey_the_same_bound(B1, B2):
    assert certify_rank(place_overlap(B1, B2, C=3, M=3), rows=1024).rank <= most(B1, B2, C=3, M=3)
    assert saturation(place_overlap(B1, B2, C=3, M=3)).value == 3**8


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


@pytest.mark.parametrize(("B1", "B2"), [*PLACES, (5, 4)])
def test_the_windows_drawn_are_what_the_two_units_read(B1, B2):
    network, svg = place_overlap(B1, B2, C=2), assert_legible(draw_windows(B1, B2))
    first, later = paths(svg, stroke=INK, stroke_width="2")
    assert (first.get("fill"), later.get("fill")) == (colour_of(B1), colour_of(B2))
    assert squares(first) == seen_from(network, 1, 1, 1)
    above = Architecture(2, 2, network.layers[2:])  # layers 3 and 4, over the 2×2 units of layer 2
    assert squares(later) == seen_from(above, 1, 0, 0)
    outside = len(paths(svg, stroke=MUTED, stroke_dasharray="4 4"))
    assert outside == (1 + B1 > 4) + (B2 > 2)
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert words == ["image", "layer 1", "2", "layer 3", "4", f"B₁ = {B1}", "2×2", f"B₂ = {B2}", "2×2"]


def test_the_view_shows_the_windows_over_the_plot():
    picture = placement_view(2, 3, 2).picture
    words = [text.text for text in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert words.index("B₁ = 2") < words.index("saturation") and "B₂ = 3" in words
    assert_legible(picture)
