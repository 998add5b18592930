"""The explorer of storage: what is drawn is what is stored, and what is stored is counted in another way."""

from itertools import product
from xml.etree import ElementTree

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.visuals.views.storage import storage_view


@pytest.mark.parametrize("N, M, C", list(product((4, 64, 1024), (2, 16, 32), (2, 32, 64))))
def test_storage_is_legible_and_its_heights_are_logarithms(N, M, C):
    view = storage_view(N, M, C)
    assert_legible(view.picture)
    assert len(view.picture) < 60_000
    svg = ElementTree.fromstring(view.picture)
    lines = [path for path in svg.iter(f"{SVG}path") if path.get("fill") == "none"]
    table, *networks = ([tuple(map(float, at.split())) for at in line.get("d")[1:].split("L")] for line in lines)
    bottom, top = (float(line.get("y1")) for line in list(svg.iter(f"{SVG}line"))[:5:4])

    def stored(y):
        return 10 ** (12 * (bottom - y) / (bottom - top))

    assert stored(table[0][1]) == pytest.approx(M**4, rel=0.01)
    assert stored(table[-1][1]) == pytest.approx(10**12, rel=0.01)
    for places, name in zip(networks, ("deep (HT)", "shallow (CP)"), strict=True):
        at = (4, 16, 64, 256, 1024).index(N)
        assert stored(places[at][1]) == pytest.approx(view.values[name], rel=0.01)


def test_what_is_stored_is_what_the_decompositions_hold():
    """By the shapes of the weights: CP, a vector a patch and term; Hierarchical Tucker, four matrices a level."""
    for N, M, C in product((4, 16, 64), (2, 3), (1, 5)):
        values = storage_view(N, M, C).values
        assert values["shallow (CP)"] == np.zeros((C, N, M)).size + C
        levels = [np.zeros((4, C, M))] + [np.zeros((4, C, C))] * (N.bit_length() // 2 - 1) + [np.zeros(C)]
        assert values["deep (HT)"] == sum(level.size for level in levels)
