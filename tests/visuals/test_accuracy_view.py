"""The explorer of accuracy says of a network what its records say."""

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from helpers.pictures import words_of
from helpers.records import PLANS, runs

from convac_lib.experiments.analysis import by_protocol, rows_of
from convac_lib.visuals.views.accuracy import accuracy_view, draw_curves

((PROTOCOL, ALIKE),) = by_protocol(runs()).items()

ROWS = rows_of(ALIKE)


@pytest.mark.parametrize(("B", "C"), PLANS)
@pytest.mark.parametrize("against", ["channels", "parameters", "epochs"])
def test_a_network_among_the_others(B, C, against):
    view = accuracy_view(ROWS, PROTOCOL, B, C, against)
    accuracy, parameters = 0.1 * B + 0.01 * C + 0.0005, PLANS[B, C].parameters
    assert view.values == {"training accuracy": f"{accuracy:.1%}", "test accuracy": "30.0%", "parameters": parameters}
    assert view.reading.startswith(
        f"B = {B}, C = {C}: {accuracy:.0%} of the training images, with {parameters:,} param"
    )
    assert f"Marked: B = {B}, C = {C}, {accuracy:.0%} after 2 epochs; digits, n = 1,437" in view.alt
    assert ("4" in words_of(view.picture)) == (against == "channels")
    label = {"channels": "channels C", "parameters": "parameters", "epochs": f"epochs, C = {C}"}[against]
    assert {"B=1", "B=2", label} <= set(words_of(view.picture))


def test_it_names_the_smaller_network_of_another_B_that_does_as_well():
    smaller = PLANS[2, 4].parameters
    assert accuracy_view(ROWS, PROTOCOL, 1, 8).reading.endswith(
        f"; B = 2 does as well with C = 4 and {smaller:,} parameters."
    ) == (smaller < PLANS[1, 8].parameters)


def test_numbers_under_the_axis_never_touch():
    curve = [(epoch, 0.5) for epoch in range(1, 301)]
    svg = ElementTree.fromstring(draw_curves({1: curve}, (1, 0), x_label="epochs", y_label="accuracy"))
    ticks = [
        (float(text.get("x")), text.text)
        for text in svg.iter("{http://www.w3.org/2000/svg}text")
        if text.get("text-anchor") == "middle"
    ]
    assert ticks[0][1] == "300" and len(ticks) > 5
    for (x, text), (before, other) in pairwise(ticks):
        assert x - 6 * len(text) >= before + 6 * len(other)


@pytest.mark.parametrize("against", ["channels", "parameters", "epochs"])
def test_the_alternative_says_where_every_curve_begins_and_ends(against):
    view = accuracy_view(ROWS, PROTOCOL, 1, 4, against)
    for B in (1, 2):
        networks = sorted((row for row in ROWS if row.B == B), key=lambda row: row.channels)
        if against == "epochs":
            (row,) = (row for row in networks if row.channels == 4)
            ends = [(row.curve[0], 1), (row.curve[-1], PROTOCOL.epochs)]
        else:
            ends = [(row.accuracy, getattr(row, against)) for row in (networks[0], networks[-1])]
        (first, start), (last, end) = ends
        assert f"B = {B} goes from {first:.0%} at {start:,} to {last:.0%} at {end:,}" in view.alt
    assert ("B = 2 is the highest throughout" in view.alt) == (
        against == "channels"
    )  # by 0.1, as helpers.records has it


def test_no_curve_is_called_the_highest_where_two_cross():
    changed = [replace(row, accuracies=(0.9,)) if (row.B, row.channels) == (1, 8) else row for row in ROWS]
    assert "the highest" not in accuracy_view(changed, PROTOCOL, 1, 4).alt
