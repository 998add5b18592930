"""The picture of depth: every dot is a seed of the record, and the sentence compares what the record holds."""

import re
from statistics import fmean

import pytest
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.errors import ConvacError
from convac_lib.experiments.depth import depth_plan, depth_rows
from convac_lib.experiments.records import read_records
from convac_lib.files import results_path
from convac_lib.visuals.axes import BOTTOM, TOP
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.views.depth import IMAGES, SIZES, depth_view

RECORDED = read_records(results_path("digits-depth.jsonl"))
ROWS = depth_rows(RECORDED)


def accuracies(kind, C, images):
    """By rates, from the records; the best rate is that of the largest sum on the training images."""
    name = {"training": "train_accuracy", "test": "test_accuracy"}[images]
    by_rate = {}
    for each in RECORDED:
        if each.architecture == depth_plan(kind, C):
            by_rate.setdefault(each.learning_rate, []).append(each)
    best = max(by_rate.values(), key=lambda runs: sum(run.train_accuracy for run in runs))
    return [getattr(run, name) for run in best]


@pytest.mark.parametrize("images", IMAGES)
@pytest.mark.parametrize("against", SIZES)
def test_every_dot_is_a_seed_of_the_record(against, images):
    svg = assert_legible(depth_view(ROWS, against, images).picture)
    (hollow,) = paths(svg, fill="#FFFFFF")
    (filled,) = paths(svg, fill=colour_of(1))
    for kind, path in (("shallow", hollow), ("deep", filled)):
        dots = [numbers_in(dot)[:2] for dot in re.findall(r"M[^z]*z", path.get("d"))]
        found = sorted((BOTTOM - y) / (BOTTOM - TOP) for _, y in dots)
        expected = sorted(each for row in ROWS if row.kind == kind for each in accuracies(kind, row.channels, images))
        assert found == pytest.approx(expected, abs=1e-3)
        sizes = [getattr(row, against) for row in ROWS if row.kind == kind for _ in row.accuracies]
        xs = [x for x, _ in dots]
        assert all((x < other) == (size < more) for x, size in zip(xs, sizes) for other, more in zip(xs, sizes))
    assert {"shallow", "deep"} <= {text.text for text in svg.iter(f"{SVG}text")}


@pytest.mark.parametrize("images", IMAGES)
def test_the_sentence_compares_what_the_record_holds(images):
    view = depth_view(ROWS, "channels", images)
    for C in sorted({row.channels for row in ROWS}):
        deep, shallow = (accuracies(kind, C, images) for kind in ("deep", "shallow"))
        told = f"{fmean(deep):.1%} to {fmean(shallow):.1%} with C = {C}"
        every = [one > other for one in deep for other in shallow]
        assert told in view.reading and (f"{told} (seeds overlap)" in view.reading) == (any(every) and not all(every))
        assert view.values[f"deep, C = {C}"] == f"{fmean(deep):.1%}"
        assert f"{fmean(shallow):.1%}" in view.alt
    assert f"Accuracy on the {images} images" in view.alt


@pytest.mark.parametrize(
    "against, images, sentence",
    [
        ("depth", "test", "unknown size 'depth'; use one of channels, parameters"),
        ("channels", "all", "unknown images 'all'; use one of training, test"),
    ],
)
def test_bad_input_is_one_sentence(against, images, sentence):
    with pytest.raises(ConvacError) as error:
        depth_view(ROWS, against, images)
    assert str(error.value) == sentence


def test_both_kinds_need_the_same_channels():
    lacking = [row for row in ROWS if (row.kind, row.channels) != ("deep", 8)]
    with pytest.raises(ConvacError) as error:
        depth_view(lacking)
    assert str(error.value) == "there is no deep network with 8 channels; train both kinds with the same ones"
