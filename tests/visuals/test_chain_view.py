"""The explorer of the chains: dots, letters and bars are what the links of windows and the theory say."""

from fractions import Fraction
from itertools import product

import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib import Architecture, Layer, common_case
from convac_lib.theory.bounds import talk_formula
from convac_lib.theory.chain import chain
from convac_lib.theory.min_cut import min_cut_upper, rank_exponent
from convac_lib.visuals.style import BOUND_COLOUR, colour_of
from convac_lib.visuals.views.chain import BARS_LEFT, BARS_TOP, chain_view

STATES = [*product((1, 2, 3, 4, 5, 9, 11), (4, 8), (2,)), (2, 4, 3), (3, 16, 2), (7, 16, 3)]


def linked(B, size):
    """The classes of patches of an image that windows of the first layer link, across as far as half of the image."""
    apart, classes = min(B - 1, size // 2), {}
    for row, column in product(range(size), repeat=2):
        classes.setdefault((row, column % apart if apart else (row, column)), []).append((row, column))
    return sorted(classes.values()) if apart else []


def drawn_chains(svg):
    """The dots of the image by chain: those of one height."""
    (dots,) = paths(svg, stroke_linecap="round") or [None]
    chains = {}
    for x, y, *_ in zip(*[iter(numbers_in(dots.get("d")))] * 3) if dots is not None else ():
        chains.setdefault(y, []).append((int(y), int(x)))
    return sorted(chains.values())


@pytest.mark.parametrize(("B", "size", "M"), STATES)
def test_every_chain_is_drawn_with_its_patches(B, size, M):
    view = chain_view(B, size, M)
    svg = assert_legible(view.picture)
    assert drawn_chains(svg) == linked(B, size)
    rows = {
        text.text
        for text in svg.iter(f"{SVG}text")
        if text.text and set(text.text) == {text.text[0]} and text.text.islower()
    }
    assert len(rows) == len(linked(B, size)) // size  # a letter for each chain of the enlarged row
    assert view.values["chains"] == len(linked(B, size))


@pytest.mark.parametrize(("B", "size", "M"), STATES)
def test_every_number_is_what_the_theory_says(B, size, M):
    view, network = chain_view(B, size, M), common_case(B, M, size)
    bound, talk = chain(network), Fraction((2 * B - 1) ** 2, 4)
    raised = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
    assert view.values["rank at least"].translate(raised) == f"{M}{bound.exponent}" and bound.base == M
    assert talk == talk_formula(B, M).exponent
    assert view.values["talk's bound"] == f"{M}^{float(talk):g}" + " (false)" * (talk > size * size // 2)
    assert view.values["exponent as M → ∞"] == rank_exponent(network)
    assert view.values["largest exponent"] == size * size // 2
    assert f"bound {float(talk):g}, the chains {bound.exponent}, and the limit {rank_exponent(network)}" in view.alt
    svg = assert_legible(view.picture)
    lengths = [
        numbers_in(path.get("d"))[2] for path in svg.iter(f"{SVG}path") if path.get("d").startswith(f"M{BARS_LEFT} ")
    ]
    full = 560 - 70 - BARS_LEFT
    expected = [min(1, exponent / (size * size / 2)) for exponent in (talk, bound.exponent, rank_exponent(network))]
    assert lengths == pytest.approx([max(2, full * share) for share in expected], abs=0.01)
    (outlined,) = paths(svg, stroke=BOUND_COLOUR)
    assert numbers_in(outlined.get("d"))[1] == BARS_TOP


@pytest.mark.parametrize(("B", "size"), [(2, 4), (3, 4), (3, 8), (5, 16), (9, 16)])
def test_the_bracket_is_a_window_across_the_cut(B, size):
    svg = assert_legible(chain_view(B, size, 2).picture)
    (bracket,) = (path for path in paths(svg, stroke=colour_of(B), stroke_width="3") if "v8" in path.get("d"))
    left, _, _, right, _ = numbers_in(bracket.get("d"))
    cell = min(60, 558 / size)
    first, last = round((left - 4) / cell), round((right + 2) / cell) - 1
    assert last - first == B - 1 and first < size // 2 <= last


def test_one_channel_above_the_chains_meets_the_cut():
    for B, size in ((2, 4), (2, 8), (3, 8)):
        layers = [Layer(B, 1, 2), *[Layer(2, 2, 1)] * (size.bit_length() - 1)]
        bound = min_cut_upper(Architecture(size, 2, layers))
        assert bound.value == 2 ** chain_view(B, size, 2).values["chains"]


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (
            (1, 8, 2),
            "B = 1: a window sees one patch and compares nothing. There is no chain, and the bound is 1.",
        ),
        (
            (2, 8, 3),
            (
                "B = 2: 1 chain in each of 8 rows proves a rank of at least 3⁸. The talk’s bound is 3^2.25. "
                "As M = C grows, the exponent tends to 16."
            ),
        ),
        (
            (5, 8, 2),
            "B = 5: 4 chains in each of 8 rows prove rank 2³², the largest there is. The talk’s bound is 2^20.25.",
        ),
        (
            (5, 4, 2),
            (
                "B = 5: 2 chains in each of 4 rows prove rank 2⁸, the largest there is. "
                "The talk’s bound, 2^20.25, is more than any function has here."
            ),
        ),
    ],
)
def test_a_sentence_per_state(state, reading):
    assert chain_view(*state).reading == reading


def test_a_larger_image_is_not_drawn():
    assert chain_view(2, 32, 2) is None
