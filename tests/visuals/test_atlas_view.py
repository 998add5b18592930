"""The explorer of the atlas says of every cell what the atlas says, and draws ranks as logarithms."""

import re
from math import log10
from pathlib import Path

import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.theory.atlas import AtlasEntry, read_atlas
from convac_lib.visuals.style import INK, colour_of
from convac_lib.visuals.svg import readable
from convac_lib.visuals.views.atlas import atlas_view, draw_atlas_row

RESULTS = Path(__file__).resolve().parents[2] / "results" / "atlas.csv"
ROWS = [
    # (size, M, cut, [(B, rank, status, theorem, formula, upper)])
    (4, 2, "left-right", [(1, 2, "exact", 1, 2, 2), (2, 64, "whole", 1, 5, 128), (3, 256, "exact", 256, 77, 256)]),
    (8, 4, "left-right", [(1, 4, "exact", None, 2, 4), (3, 5793, "at least", 256, 5793, 4**32),
                          (5, 1024, "at least", 65536, 1_552_518_092_301, 4**32)]),
    (16, 3, "interleaved", [(1, 1024, "at least", None, None, 3**64), (4, 1024, "at least", None, None, 3**128)]),
]  # fmt: skip


@pytest.mark.parametrize(("size", "M", "cut", "known"), ROWS)
def test_a_row_of_the_atlas_is_legible_and_its_heights_are_logarithms(size, M, cut, known):
    cells = [
        AtlasEntry(size, M, B, M, cut, rank, status, 1, theorem, None, formula, None, upper, 7, 0, "")
        for B, rank, status, theorem, formula, upper in known
    ]
    for cell in cells:
        svg = assert_legible(draw_atlas_row(cells, cell.B))
    ticks = {text.text: float(text.get("y")) for text in svg.iter(f"{SVG}text") if text.get("text-anchor") == "end"}
    bottom, decade = ticks["1"] - 7, (ticks["1"] - ticks["10" if size == 4 else "10³"]) / (1 if size == 4 else 3)
    marks = [path for path in svg.iter(f"{SVG}path") if path.get("fill") in map(colour_of, range(1, 6))]
    for cell, mark in zip(cells, marks, strict=True):
        heights = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", mark.get("d"))]
        y = bottom - decade * log10(cell.rank)
        assert mark.get("fill") == colour_of(cell.B) and min(heights) - 0.1 <= y <= max(heights) + 0.1
        bars = [float(line.get("y1")) for line in svg.iter(f"{SVG}line") if line.get("stroke-width") == "4"]
        uppers = [float(line.get("y1")) for line in svg.iter(f"{SVG}line") if line.get("stroke") == INK]
        if cell.B > 1 and cell.upper < M ** (size**2 // 2):
            assert min(abs(bottom - bar - decade * log10(cell.upper)) for bar in uppers) < 0.1
        if (cell.theorem or 1) > 1:
            assert min(abs(bottom - bar - decade * log10(cell.theorem)) for bar in bars) < 0.1
    arrows = [path for path in svg.iter(f"{SVG}path") if path.get("d").endswith("v-18m-6 7l6-7 6 7")]
    assert len(arrows) == sum(cell.status == "at least" for cell in cells)


def test_the_explorer_says_of_every_cell_what_the_atlas_says():
    words = {
        "proved": "proved here",
        "open": "open here",
        "false": "false at",
        "vacuous": "says nothing",
        None: "claims nothing",
    }
    atlas = read_atlas(RESULTS)
    for cell in atlas:
        view = atlas_view(atlas, cell.size, cell.M, cell.B, "M" if cell.channels == cell.M else "2M", cell.cut)
        assert f"{cell.rank:,}" in view.reading and words[cell.claim] in view.reading and f"B = {cell.B}" in view.alt
        assert (view.values["rank"], view.values["is"]) == (cell.rank, cell.status)
        assert (view.values["at most"], view.values["chain"] == "does not apply") == (
            readable(cell.upper),
            cell.chain is None,
        )
        known = max(cell.rank, cell.theorem or 1, cell.chain or 1)
        assert ("no weights give more" in view.reading) == (known == cell.upper)
        assert len(view.picture) < 60_000 and cell.certificate.startswith(view.values["certificate"])
