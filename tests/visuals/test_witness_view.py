"""The explorer of the witness: the pairs and the identity drawn are what a torch network computes."""

import re
from itertools import product

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.families import common_case
from convac_lib.networks.models import ConvAC
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.witness import theorem_witness
from convac_lib.visuals.style import INK, MUTED, colour_of
from convac_lib.visuals.views.witness import witness_view

WITNESSES = [(1, 4, 3), (1, 8, 2), (2, 4, 2), (2, 8, 3), (3, 4, 2), (3, 8, 2), (5, 4, 3), (5, 8, 2)]


def network_in_torch(B, size, M):
    """The witness's function of template numbers, shape (n, H²), as a torch network computes it."""
    circuit = theorem_witness(common_case(B, M, size, 2 * M)).circuit
    network = ConvAC.from_circuit(Circuit(circuit.architecture, circuit.weights, circuit.dense))

    def values(digits):
        x = torch.eye(M, dtype=torch.float64)[torch.tensor(digits)]  # (n, H², M)
        return network(x.movedim(-1, 1).unflatten(-1, (size, size))).numpy(force=True)[:, 0]

    return values


@pytest.mark.parametrize(("B", "size", "M"), WITNESSES)
def test_the_pairs_drawn_are_those_that_the_network_compares(B, size, M):
    """Change a patch on the left: the function falls to 0, until its partner on the right changes too."""
    svg = assert_legible(witness_view(B, size, M, pairs=1).picture)
    (bars,) = (path for path in paths(svg, fill="none", stroke=MUTED) if path.get("stroke-linecap") is None)
    cell = 168 / size
    top = min(float(line.get("y1")) for line in svg.iter(f"{SVG}line") if line.get("stroke") == INK) + 6
    drawn = set()
    for x, y, length in np.reshape(numbers_in(bars.get("d")), (-1, 3)):
        row, column = int((y - top) // cell), int((x - 1) // cell)
        drawn.add((row * size + column, row * size + column + round(length / cell)))
    pairs = [(a, b) for a, b in product(range(size**2), repeat=2) if a % size < size // 2 <= b % size]
    digits = np.zeros((2, len(pairs), size**2), int)
    for number, (left, right) in enumerate(pairs):
        digits[:, number, left], digits[1, number, right] = 1, 1
    alone, both = network_in_torch(B, size, M)(digits.reshape(-1, size**2)).reshape(2, -1)
    found = {pair for pair, *found in zip(pairs, alone, both) if found == [0, 1]}
    assert drawn == found


@pytest.mark.parametrize(("B", "size", "M"), WITNESSES)
def test_the_identity_drawn_is_what_the_network_computes(B, size, M):
    e, values = len(theorem_witness(common_case(B, M, size, 2 * M)).left), network_in_torch(B, size, M)
    for pairs in range(1, 5):
        view = witness_view(B, size, M, pairs)
        if pairs > e or M**pairs > 27:
            assert view is None
            continue
        svg, side = assert_legible(view.picture), M**pairs
        # the pairs by the words for those who do not see them, the entries by their black squares
        ends = re.findall(r"row (\d+), columns (\d+) and (\d+)", view.alt)
        digits = np.zeros((side, side, size**2), int)
        for (row, *columns), chosen in zip(ends, zip(*product(range(M), repeat=pairs)), strict=True):
            left, right = ((int(row) - 1) * size + int(column) - 1 for column in columns)
            digits[:, :, left], digits[:, :, right] = np.array(chosen)[:, None], chosen
        (black,) = (path for path in paths(svg, fill=INK) if path.get("fill-opacity") is None)
        squares = np.reshape(numbers_in(black.get("d")), (-1, 5))
        cell = 288 / side
        entries = np.zeros((side, side), int)
        for x, y, *_ in squares:
            entries[round((y - squares[0][1]) / cell), round((x - squares[0][0]) / cell)] = 1
        computed = values(digits.reshape(-1, size**2)).reshape(side, side)
        assert (entries == computed).all() and (computed == np.eye(side)).all()
        assert view.values["pairs, e"] == e and f"{side:,}" in view.reading
        assert {2**32: "2³² ≈ 4.3×10⁹", 3**32: "3³² ≈ 1.9×10¹⁵"}.get(M**e, f"{M**e:,}") in view.reading
        assert colour_of(B) in view.picture and len(view.picture) < 60_000


@pytest.mark.parametrize(
    ("B", "size", "M", "pairs"), [(1, 4, 5, 1), (4, 8, 2, 4), (6, 8, 3, 3), (7, 4, 4, 2), (8, 8, 5, 2)]
)
def test_what_a_reader_may_type_is_legible(B, size, M, pairs):
    view = witness_view(B, size, M, pairs)
    assert_legible(view.picture)
    assert view.values["identity shown"] == f"{M**pairs}×{M**pairs}"
    assert f"{M**pairs} ones, on the diagonal" in view.alt
