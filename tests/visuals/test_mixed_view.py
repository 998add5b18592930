"""The explorer of mixed decompositions: its numbers are the library's, and a spot moves its patch."""

import re

import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.related.mixed import NETWORKS, MixedPlan, rank_bound
from convac_lib.visuals.views.mixed import mixed_view


@pytest.mark.parametrize("cut", [1, 15, 53, 83, 85, 127])
@pytest.mark.parametrize(("r", "M"), [(1, 4), (3, 4), (4, 2)])
def test_the_picture_shows_the_bounds(cut, r, M):
    view = mixed_view(cut, r, M)
    first = [n for n in range(8) if cut >> n & 1]
    expected = {network: rank_bound(MixedPlan(M, r), network, first) for network in NETWORKS}
    assert view.values == expected
    texts = [text.text for text in assert_legible(view.picture).iter(f"{SVG}text")]
    assert all(str(bound) in texts for bound in expected.values()) and set(NETWORKS) < set(texts)
    assert [int(number) for number in re.findall(r"\d+", view.reading)] == list(expected.values())
    assert len(view.picture) < 6_000


@pytest.mark.parametrize("cut", [1, 53, 127])
def test_a_spot_moves_its_patch(cut):
    moved = {state["cut"] for _, state in mixed_view(cut, 3).spots}
    assert moved == {cut} | {cut ^ 1 << n for n in range(7)} - {0}
