"""The table of exponents: bars and words say what the atlas and the theory know, by integer arithmetic."""

from dataclasses import replace
from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot
from matplotlib.colors import to_hex
from test_figures import assert_legible

from convac_lib.files import results_path
from convac_lib.theory.atlas import read_atlas
from convac_lib.visuals import style
from convac_lib.visuals.exponents import KnownExponent, exponent_table, known_exponent

ATLAS = {cell.place: cell for cell in read_atlas(results_path("atlas.csv"))}
PLACES = list(product((4, 8, 16), (2, 3, 4)))


def known(size, M, B):
    """As the chapter asks: on 4×4 patches with the bound of its proposition, M^(4(B−1))·C^s with C = M."""
    upper = min(M**8, M ** (4 * (B - 1) + (1 if B == 1 else 2))) if size == 4 else None
    return known_exponent(ATLAS[size, M, B, M, "left-right"], upper)


@pytest.fixture(scope="module")
def table():
    return {(size, M): {B: known(size, M, B) for B in (1, 2, 3, 5)} for size, M in PLACES}


def test_the_kinds_of_evidence(table):
    kinds = {(size, M, B): cell.evidence for (size, M), cells in table.items() for B, cell in cells.items()}
    exact = {place for place, kind in kinds.items() if kind == "exact"}
    assert exact == {
        *((size, M, 1) for size, M in PLACES),
        *((4, M, B) for M in (2, 3) for B in (2, 3, 5)),
        *((4, 4, B) for B in (3, 5)),
        *((8, M, 5) for M in (2, 3, 4)),
    }
    for (size, M, B), kind in kinds.items():
        if (size, M, B) not in exact:
            sampled = ATLAS[size, M, B, M, "left-right"].rank
            assert kind == ("chain" if M ** (size * (B - 1)) > sampled else "sample")


@given(st.integers(2, 5), *[st.integers(1, 10**30)] * 2, *[st.integers(1, 10**12)] * 2)
def test_bounds_are_rounded_away_from_each_other(M, one, other, theorem, chain):
    rank, upper = min(one, other), max(one, other)
    cell = ATLAS[8, 2, 2, 2, "left-right"]
    cell = replace(cell, M=M, rank=rank, rows=rank + 1, upper=upper, theorem=theorem, chain=chain)
    found = known_exponent(cell)
    least = 10 * found.least
    best = max(rank, theorem, chain)
    assert M**least <= best**10 < M ** (least + 1)
    most = 10 * found.most
    assert M ** (most - 1) < upper**10 <= M**most or upper == 1
    of_bounds = "theorem" if theorem >= chain else "chain"
    assert found.evidence == ("exact" if best == upper else of_bounds if best > rank else "certified")


def test_the_bars_and_words_are_what_is_known(table):
    with pyplot.rc_context():
        style.use()
        figure, axes = pyplot.subplots(figsize=(5.2, 5.4))
        exponent_table(axes, table)
        assert_legible(axes)
        cells = [(size, B, cell) for (size, _), row in table.items() for B, cell in row.items()]
        words = [text.get_text() for text in axes.texts]
        assert words[:4] == ["B = 1", "B = 2", "B = 3", "B = 5"]
        assert [word for word in words if word.startswith("of ")] == [f"of {size**2 // 2}" for size, _ in PLACES]
        assert [word for word in words if "M = " in word] == [f"{size}×{size}, M = {M}" for size, M in PLACES]
        evidence = [word.strip() for word in words if word.startswith(" ")]
        numbers = [words[at - 1] for at, word in enumerate(words) if word.startswith(" ")]
        for at, (size, B, cell) in enumerate(cells):
            possible, proved, whole = axes.patches[3 * at : 3 * at + 3]
            assert evidence[at] == cell.evidence and whole.get_width() == pytest.approx(0.88)
            for bar, exponent in ((possible, cell.most), (proved, cell.least)):
                assert bar.get_width() / 0.88 == pytest.approx(float(exponent / (size**2 // 2)))
            assert to_hex(proved.get_facecolor()).upper() == style.colour_of(B)
            assert bool(possible.get_hatch()) == (cell.evidence != "exact") == numbers[at].startswith("≥ ")
            assert Fraction(numbers[at].removeprefix("≥ ")) == cell.least
        pyplot.close(figure)


def test_a_bound_that_the_atlas_does_not_know_makes_a_cell_exact():
    cell = replace(ATLAS[4, 2, 2, 2, "left-right"], upper=2**8)
    assert known_exponent(cell) == KnownExponent(Fraction(6), Fraction(8), "certified")
    assert known_exponent(cell, upper=2**6) == KnownExponent(Fraction(6), Fraction(6), "exact")
