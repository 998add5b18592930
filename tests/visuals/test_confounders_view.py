"""The picture of the gap: bars join end to start, and the words say what the bars show."""

import re

import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.experiments.confounders import UNEXPLAINED, Stage, gap_stages
from convac_lib.experiments.records import read_records
from convac_lib.files import results_path
from convac_lib.visuals.style import INK, RULE, colour_of
from convac_lib.visuals.views.confounders import confounders_view

SWEEP, LONGER, SORTED, PHOTOGRAPHS = (
    read_records(results_path(f"{name}.jsonl"))
    for name in ("digits-sweep", "digits-longer", "digits-sorted-longer", "cifar10-jpeg")
)
DIGITS = [(SWEEP, LONGER, SORTED, B, C) for B in (2, 3) for C in (2, 4, 8, 16, 32)]
PHOTOS = [(PHOTOGRAPHS, (), (), B, C) for B in (2, 3) for C in (4, 8, 16, 32, 64)]


@pytest.mark.parametrize("records, longer, unordered, B, C", DIGITS + PHOTOS)
def test_bars_join_and_lie_where_the_accuracies_are(records, longer, unordered, B, C):
    stages = gap_stages(records, B, C, longer=longer, unordered=unordered)
    view = confounders_view(stages, B, "source")
    svg = assert_legible(view.picture)
    grid = sorted({float(line.get("x1")) for line in svg.iter(f"{SVG}line") if line.get("stroke") == RULE})
    first, *bars = [numbers_in(path.get("d")) for path in paths(svg)]

    def accuracy(x):
        return (x - grid[0]) / (grid[-1] - grid[0])

    assert accuracy(first[0] + first[2] / 2) == pytest.approx(stages[0].accuracy, abs=1e-3)
    for bar, before, after in zip(bars, stages[:-1], stages[1:], strict=True):
        ends = sorted((before.accuracy, after.accuracy))
        assert [accuracy(bar[0]), accuracy(bar[0] + bar[2])] == pytest.approx(ends, abs=1e-3)
    spans = [
        (accuracy(float(line.get("x1"))), accuracy(float(line.get("x2"))))
        for line in svg.iter(f"{SVG}line")
        if line.get("stroke") == INK
    ]
    for span, stage in zip(spans, stages, strict=True):
        assert span == pytest.approx((min(stage.accuracies), max(stage.accuracies)), abs=1e-3)
    gains = [float(view.values[stage.change].replace("\u2212", "-")) for stage in stages[1:]]
    assert sum(gains) == pytest.approx(float(view.values["gap"]), abs=0.05 * len(gains) + 0.051)
    assert f"{view.values['gap']} points" in view.reading
    for stage in stages[1:]:
        assert f"{stage.change} {view.values[stage.change]}" in view.alt
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {name for word in words if (name := word.removesuffix(": not recorded")) != word} == {
        name
        for name in ("parameters", "longer training", "order in blocks")
        if not any(name in stage.change for stage in stages)
    }


def test_colours_say_which_network_was_changed():
    stages = gap_stages(SWEEP, 3, 16, longer=LONGER, unordered=SORTED)
    svg = assert_legible(confounders_view(stages, 3, "source").picture)
    fills = [path.get("fill") for path in paths(svg)]
    assert fills == [colour_of(1)] * 3 + ["#FFFFFF", colour_of(3)]


def test_a_confounder_that_explains_more_than_the_gap_is_said_to():
    stages = [
        Stage("", "B = 1, C = 4", (0.2,)),
        Stage("as many parameters", "B = 1, C = 8", (0.5,)),
        Stage(UNEXPLAINED, "B = 2, C = 4", (0.4,)),
    ]
    view = confounders_view(stages, 2, "digits")
    assert view.reading == (
        "From B = 1, C = 4 to B = 2, C = 4: 20.0 points. As many parameters 30.0. They explain all of it, and more."
    )
    assert view.values == {"gap": "20.0", "as many parameters": "+30.0", UNEXPLAINED: "\u221210.0"}
    assert re.search("not explained \u221210.0; longer training: not recorded", view.alt)
