"""The explorer of rectifier networks: its numbers are the library's, and every picture is legible."""

from itertools import product

import pytest
from helpers.pictures import assert_legible, numbers_in, paths

from convac_lib.related.rectifier import POOLINGS, draw_tensors, exact_rank
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.views.rectifier import rectifier_view

STATES = list(product(POOLINGS, (4, 8), (1, 2, 4), (9, 1000)))


@pytest.mark.parametrize(("pooling", "N", "r", "w"), STATES)
def test_every_bar_is_the_number_of_networks_of_its_rank(pooling, N, r, w):
    view = rectifier_view(pooling, N, r, w)
    tensors = list(draw_tensors(pooling, N, r, largest_weight=w))
    ranks, full = [exact_rank(tensor) for tensor in tensors], 2 ** (N // 2)
    assert view.values == {
        "full rank": full,
        "networks of full rank": ranks.count(full),
        "least rank": min(ranks),
        "largest rank": max(ranks),
        "largest rank, left | right": max(exact_rank(tensor, "left-right") for tensor in tensors),
    }
    svg = assert_legible(view.picture)
    words = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    counts = [str(ranks.count(rank)) for rank in sorted(set(ranks))]
    assert words == [words[0], *counts, *map(str, range(full + 1)), "rank", "full rank"]
    assert all(f"rank {rank}: {ranks.count(rank)}" in view.alt for rank in set(ranks))


def test_a_bar_is_as_high_as_its_share():
    (bars,) = paths(assert_legible(rectifier_view("product", 4, 2, 9).picture), fill=colour_of(1))
    heights = [abs(height) for height in numbers_in(bars.get("d"))[3::5]]
    tensors = list(draw_tensors("product", 4, 2))
    ranks = [exact_rank(tensor) for tensor in tensors]
    counts = [ranks.count(rank) for rank in sorted(set(ranks))]
    assert len(heights) == len(counts)
    assert [round(height / heights[-1], 2) for height in heights] == [round(n / counts[-1], 2) for n in counts]


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (
            ("product", 8, 1, 9),
            "Product, r = 1: every network multiplies one number of each patch, so the rank is at most 1.",
        ),
        (("product", 8, 4, 9), "Product: 200 of 200 networks have the full rank 16."),
        (("max", 8, 2, 9), "Max: 0 of 200 networks have the full rank 16. The others have ranks from 0 to 11."),
        (("average", 8, 4, 9), "Average: the largest rank is 7, and no weights give more than 7 of 16."),
    ],
)
def test_the_reading_says_what_the_bars_show(state, reading):
    assert rectifier_view(*state).reading == reading
