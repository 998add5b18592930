"""The explorer of the first page: its numbers are those of `rank_view` or the theorem, and its words are few."""

from itertools import product
from math import log
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible, words_of

from convac_lib.errors import ConvacError
from convac_lib.families import common_case
from convac_lib.theory.bounds import bounds_of
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.views.rank import rank_view
from convac_lib.visuals.views.rank_alone import rank_alone_view


def bars_of(picture):
    return [float(bar.get("width")) for bar in ElementTree.fromstring(picture).iter(f"{SVG}rect")]


@pytest.mark.parametrize("B", [1, 2, 3, 5])
def test_the_rank_is_the_librarys(B):
    view, M = rank_alone_view(B, M=2), 2
    assert view.values["rank"] == certify_rank(common_case(B, M, size=4)).rank
    assert view.values["without overlap, at most"] == certify_rank(common_case(1, M, size=4)).rank == M
    assert f"rank is {view.values['rank']:,}, and without overlap it is at most {M}." in view.alt


def test_the_bar_is_as_long_as_the_theorem_proves():
    view, network = rank_alone_view(3, 4), common_case(3, 4, size=4)
    assert rank_view(3, 4).values["rank"] == 1024  # sampled
    assert view.values["rank"] == bounds_of(network)["theorem"].value == 65_536
    assert view.values["is"] == "by the theorem" and "rank is 65,536," in view.alt
    assert "rank is at least 1,024," in rank_alone_view(2, 4).alt


@pytest.mark.parametrize("B, M", list(product((1, 2, 3), (2, 3, 4))))
def test_the_bars_are_on_one_scale_that_ends_at_the_most_that_M_allows(B, M):
    view = rank_alone_view(B, M)
    whole = max(bars_of(rank_alone_view(3, M).picture))
    assert max(bars_of(view.picture)) == pytest.approx(whole * log(view.values["rank"]) / log(M**8), abs=0.1)
    assert_legible(view.picture)


@pytest.mark.parametrize("state", [{"B": 1}, {"B": 3, "M": 4}])
def test_only_words_of_the_first_page_are_drawn(state):
    words = " ".join(words_of(rank_alone_view(**state).picture))
    assert f"B = {state['B']}" in words and "no overlap" in words
    assert not any(word in words for word in ("certified", "formula", "saturation", "templates"))


def test_the_sentence_is_that_of_the_rank_explorer():
    for state in ({"B": 2}, {"B": 1, "C": 3, "seed": 7}):
        seen, full = rank_alone_view(**state), rank_view(**state)
        assert (seen.reading, seen.source) == (full.reading, full.source)


@pytest.mark.parametrize("state", [{"B": 2, "prime": 4}, {"B": 2, "size": 6}, {"B": 0}, {"B": 2, "seed": -1}])
def test_bad_numbers_are_the_librarys_own_sentence(state):
    with pytest.raises(ConvacError):
        rank_alone_view(**state)
