"""The explorer of replication: the squares drawn, multiplied as they are read, are what both layers compute."""

from itertools import product
from math import prod

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.networks.functional import generalized_conv2d
from convac_lib.visuals.style import INK, colour_of
from convac_lib.visuals.views.replication import replica_of, replication_view

STATES = [(R, S, u, v) for S in (2, 3) for R in range(S, 6) for u, v in product(range(6 // S), repeat=2)]


def texts_in(svg, left, top, side, count):
    """The words in a grid of squares, row by row; "" for a square without."""
    words = np.full((count, count), "", object)
    for text in svg.iter(f"{SVG}text"):
        letters, xs = text.text, text.get("x").split()
        for letter, x in zip(letters if len(xs) > 1 else [letters], xs, strict=True):
            column, row = (float(x) - left) / side, (float(text.get("y")) - 7 - top) / side
            if 0 < column < count and 0 < row < count:
                words[int(row), int(column)] = letter
    return words


def outputs_drawn(svg, S):
    """Both outputs, by the lattices that hold them."""
    return [texts_in(svg, left, top, 56, 6 // S).astype(int) for left, top in ((186, 323), (391, 323))]


@pytest.mark.parametrize("M", [2, 3, 5])
@pytest.mark.parametrize(("R", "S", "u", "v"), STATES)
def test_the_factors_multiply_to_the_entry_of_both_outputs(R, S, u, v, M):
    view = replication_view(R, S, u, v, M)
    svg = assert_legible(view.picture)
    digits = texts_in(svg, 1, 33, 38, 6).astype(int)
    names = texts_in(svg, 330, 33, 44, R)
    factors = texts_in(svg, 1, 323, 30, R)
    without, replica = outputs_drawn(svg, S)
    assert (without == replica).all()
    own = [f"W{i}{j}".translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")) for i, j in product(range(S), repeat=2)]
    assert names[:S, :S].ravel().tolist() == own
    assert set(names.ravel()) - set(own) == ({"1"} if R > S else set())
    inside = np.add.outer(np.arange(R) + u * S >= 6, np.arange(R) + v * S >= 6) == 0
    assert ((factors != "") == inside).all() and set(factors[S:].ravel()) | set(factors[:, S:].ravel()) <= {"", "1"}
    assert prod(int(factor) for factor in factors.ravel() if factor) == without[u, v]
    # the same by torch, on the image as it is drawn
    x = torch.eye(M, dtype=torch.float64)[torch.tensor(digits)].movedim(-1, 0)[None]
    for weight, output in zip(replica_of(R, S, M).weights, (without, replica)):
        y = generalized_conv2d(x, torch.tensor(weight[None], dtype=torch.float64), stride=S)
        assert (y[0, 0].numpy() == output).all()
    assert view.values == {
        "weights W": S * S,
        "factors of 1": R * R - S * S,
        "Y[u, v] without overlap": without[u, v],
        "with overlap": without[u, v],
    }
    assert f"agree in {(6 // S) ** 2} of {(6 // S) ** 2} entries" in view.alt
    assert f"Y[{u}, {v}] = {' · '.join(factors[:S, :S].ravel())} = {without[u, v]}." in view.reading


@pytest.mark.parametrize("M", [2, 3])
@pytest.mark.parametrize(("R", "S"), sorted({state[:2] for state in STATES}))
def test_the_layers_agree_at_every_image_of_templates(R, S, M):
    images = np.random.default_rng(1).integers(0, M, (200, 6, 6))
    x = torch.eye(M, dtype=torch.float64)[torch.tensor(images)].movedim(-1, 1)
    first, second = (
        generalized_conv2d(x, torch.tensor(weight[None], dtype=torch.float64), stride=S)
        for weight in replica_of(R, S, M).weights
    )
    assert first.unique().numel() > 1 and torch.equal(first, second)


@pytest.mark.parametrize(("R", "S", "u", "v"), STATES)
def test_the_windows_lie_where_the_entry_reads(R, S, u, v):
    svg = assert_legible(replication_view(R, S, u, v).picture)
    small = paths(svg, stroke=INK, stroke_width="3")[0]
    assert numbers_in(small.get("d"))[:4] == [1 + 38 * v * S, 33 + 38 * u * S, 38 * S, 38 * S]
    large = paths(svg, stroke=colour_of(R), stroke_width="4")
    assert len(large) == (R > S)
    if large:
        sides = [38 * min(R, 6 - start * S) for start in (v, u)]
        assert numbers_in(large[0].get("d"))[:4] == [1 + 38 * v * S, 33 + 38 * u * S, *sides]


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        ((2, 2, 2, 2), "Without overlap Y[2, 2] = 2 · 2 · 1 · 1 = 4."),
        (
            (3, 2, 2, 2),
            (
                "Without overlap Y[2, 2] = 2 · 2 · 1 · 1 = 4. The 3×3 window multiplies no more factors: again 4. "
                "Its other 5 offsets lie outside the image, the factor 1 as well."
            ),
        ),
    ],
)
def test_a_reading_counts_what_lies_outside(state, reading):
    assert replication_view(*state).reading == reading


def test_every_entry_of_both_outputs_can_be_pointed_at_and_there_is_no_other():
    assert [values for _, values in replication_view(3, 3, 0, 0).spots] == [
        {"u": u, "v": v} for _ in range(2) for u, v in product(range(2), repeat=2)
    ]
    assert replication_view(2, 3, 0, 0) is replication_view(3, 3, 2, 0) is replication_view(3, 2, 0, 3) is None
