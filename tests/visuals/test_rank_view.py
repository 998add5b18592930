"""The explorer of ranks: its rank is the library's or the atlas's, it says which, and its picture shows what M is."""

import re
from itertools import product

import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.errors import ConvacError
from convac_lib.families import common_case, place_overlap
from convac_lib.theory.ranks import certify_rank
from convac_lib.visuals.style import MUTED
from convac_lib.visuals.templates import draw_templates
from convac_lib.visuals.views import rank
from convac_lib.visuals.views.placement import placement_view
from convac_lib.visuals.views.rank import rank_view


@pytest.mark.parametrize(
    "state, reading",
    [
        ({"B": 5, "M": 3}, "B = 5: rank 6,561, all that M = 3 allows; without overlap, at most 3."),
        (
            {"B": 4, "M": 4},
            (
                "B = 4: rank at least 1,024 (1,024 rows sampled), 65,536 by the theorem, all that M = 4 allows; "
                "without overlap, at most 4."
            ),
        ),
        ({"B": 1, "C": 5}, "B = 1, C = 5: rank 5, where M = 2 allows 256; without overlap, at most 5."),
        ({"B": 1, "size": 8}, "B = 1, H = 8: rank 2, where M = 2 allows 4,294,967,296; without overlap, at most 2."),
        ({"B": 2, "seed": 7}, "B = 2, seed = 7: rank 64, where M = 2 allows 256; without overlap, at most 2."),
    ],
)
def test_the_reading_says_what_was_chosen_and_how_far_it_is_known(state, reading):
    assert rank_view(**state).reading == reading


@pytest.mark.parametrize("prime", [2, 3, 101])
def test_a_small_prime_proves_only_a_lower_bound(prime):
    rank = certify_rank(common_case(2, 2, 4), prime=prime).rank
    assert rank_view(2, prime=prime).reading.startswith(f"B = 2, p = {prime}: rank at least {rank},")


def test_what_the_atlas_certifies_is_read_and_nothing_else(monkeypatch):
    asked = []

    def certify(network, *arguments, **options):
        asked.append((network, options))
        return certify_rank(network, *arguments, **options)

    monkeypatch.setattr(rank, "certify_rank", certify)
    for B, M in product((1, 2, 3, 4, 5), (2, 3, 4)):
        assert rank_view(B, M).source == "results/atlas.csv"
    assert asked == []
    others = [{"B": 6}, {"B": 3, "C": 3}, {"B": 3, "seed": 1}, {"B": 3, "prime": 101}, {"B": 3, "cut": "checkerboard"}]
    for state in others:
        assert rank_view(**state).source == ""
    assert len(asked) == len(others) and all(options["rows"] == 1024 for _, options in asked)


def test_what_the_atlas_certifies_is_also_what_is_computed(monkeypatch):
    recorded = rank_view(3)
    monkeypatch.setattr(rank, "_atlas", dict)
    computed = rank_view(3)
    assert (computed.reading, computed.picture, computed.source) == (recorded.reading, recorded.picture, "")


@pytest.mark.parametrize("state", [{"B": 2, "prime": 4}, {"B": 2, "size": 6}, {"B": 0}, {"B": 2, "seed": -1}])
def test_bad_numbers_are_the_librarys_own_sentence(state):
    with pytest.raises(ConvacError):
        rank_view(**state)


@pytest.mark.parametrize("M", range(2, 9))
def test_the_templates_differ_and_the_tables_have_as_many_cells(M):
    svg = assert_legible(draw_templates(M, 4))
    paths = [path.get("d") for path in svg.iter(f"{SVG}path") if path.get("fill") == MUTED]
    motifs, tables = paths[:M], paths[M:]
    shapes = {tuple(float(x) % 29 for x in re.findall(r"[\d.]+", motif)) for motif in motifs}  # a patch is 29 wide
    assert len(shapes) == M
    sides = [[float(side) / 4 for side in re.fullmatch(r"M\S+ \S+h(\d+)v(\d+)h-\d+z", d).groups()] for d in tables]
    assert sorted(width * height for width, height in sides) == [M, M**2, M**3]
    for lines in (path.get("d") for path in svg.iter(f"{SVG}path") if path.get("stroke") == "#fff"):
        assert lines.count("h") == M - 1


@pytest.mark.parametrize(("B1", "B2", "C", "M"), [(3, 1, 4, 2), (1, 3, 2, 3), (1, 1, 2, 3), (2, 2, 3, 3)])
def test_a_placement_beyond_the_table(B1, B2, C, M):
    view = placement_view(B1, B2, C, M, seed=1)
    certified = certify_rank(place_overlap(B1, B2, C, M=M), rows=1024, seed=1)
    assert view.values["rank"] == certified.rank and view.values["of at most"] == M**8
    assert ("at least" in view.reading) == (M > 2) == (f"Of {M**8:,} rows, 1,024 were" in view.reading)
    assert_legible(view.picture)
