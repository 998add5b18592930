"""The explorer of efficiency: its rank is the library's, of all that a reader may type, and it is legible."""

from itertools import product

import pytest
from helpers.pictures import assert_legible, boxes_of_texts, numbers_in, paths, touch

from convac_lib.families import common_case
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.style import INK
from convac_lib.visuals.views.efficiency import efficiency_view

STATES = list(product((1, 2, 3, 4, 5), (1, 2, 5, 8, 16, 33, 64), ("B = 2", "B = 3")))


@pytest.mark.parametrize(("B", "C"), [(1, 1), (1, 5), (1, 64), (2, 3), (3, 7), (4, 1), (4, 2), (5, 16)])
def test_the_rank_of_every_size_is_what_the_library_computes(B, C):
    network = common_case(B, 2, 4, C)
    view = efficiency_view(B, C, "B = 2")
    assert view.values == {"parameters": network.parameters, "rank": certify_rank(network).rank, "target rank": 64}
    assert f"{network.parameters:,}" in view.reading or (C == 1 and B > 1)


@pytest.mark.parametrize(("B", "C", "target"), STATES)
def test_every_picture_is_legible_and_its_marker_covers_no_words(B, C, target):
    svg = assert_legible(efficiency_view(B, C, target).picture)
    (marker,) = paths(svg, stroke=INK, stroke_width="3")
    numbers = numbers_in(marker.get("d"))
    if "a" in marker.get("d"):  # a disc, from its left end
        left, y, radius = numbers[:3]
        place = left, y - radius, left + 2 * radius, y + radius
    else:
        xs, ys = numbers[::2], numbers[1::2]
        place = min(xs), min(ys), max(xs), max(ys)
    place = tuple(edge + inset for edge, inset in zip(place, (4, 4, -4, -4)))  # its tips may touch a word
    for words, box in boxes_of_texts(svg):
        assert not touch(box, place), f"the marker covers {words!r}"
