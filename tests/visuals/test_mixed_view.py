"""The explorer of mixed decompositions: its numbers are the library's, and a spot moves its patch."""

import re

import pytest
from helpers.pictures import SVG, assert_legible, paths

from convac_lib.related.mixed import NETWORKS, MixedPlan, rank_bound
from convac_lib.visuals.style import BOUND_COLOUR, MUTED
from convac_lib.visuals.views.mixed import mixed_view


@pytest.mark.parametrize("cut", [1, 15, 53, 83, 85, 127])
@pytest.mark.parametrize(("r", "M"), [(1, 4), (3, 4), (4, 2)])
def test_the_picture_shows_the_bounds(cut, r, M):
    view = mixed_view(r, cut, M)
    first = [n for n in range(8) if cut >> n & 1]
    expected = {network: rank_bound(MixedPlan(M, r), network, first) for network in NETWORKS}
    assert view.values == expected
    texts = [text.text for text in assert_legible(view.picture).iter(f"{SVG}text")]
    assert all(f"{bound:,}" in texts for bound in expected.values()) and set(NETWORKS) < set(texts)
    assert [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", view.reading)] == list(expected.values())
    assert len(view.picture) < 8_000


@pytest.mark.parametrize("cut", [1, 53, 127])
def test_a_spot_moves_its_patch(cut):
    moved = {state["cut"] for _, state in mixed_view(3, cut).spots}
    assert moved == {cut} | {cut ^ 1 << n for n in range(7)} - {0}


def test_a_node_is_grey_if_the_cut_separates_its_patches():
    """The cut 1 3 5 6 separates the pairs of the first network in the left half, and of the second in the right."""
    svg = assert_legible(mixed_view(3).picture)
    (grey,) = paths(svg, fill=MUTED)
    places = re.findall(r"M([\d.]+) ([\d.]+)h26v20", grey.get("d"))
    by_height = {}
    for x, y in places:
        by_height.setdefault(float(y) + 10, []).append((float(x) + 13 - 96) / 58)
    assert by_height == {
        100: [1, 3], 58: [2, 6], 16: [4], 220: [5.5, 6.5], 262: [2, 6], 304: [4],
    }  # fmt: skip
    wires = [line for line in svg.iter(f"{SVG}line") if line.get("stroke") == BOUND_COLOUR]
    assert [(float(wire.get("x1")) - 96) / 58 for wire in wires] == [2, 6]
