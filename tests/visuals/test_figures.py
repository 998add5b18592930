"""Figures say in their labels what was measured, and their letters neither touch nor shrink."""

from itertools import combinations
from types import SimpleNamespace

import pytest
from matplotlib import pyplot
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from convac_lib.errors import ConvacError
from convac_lib.families import common_case
from convac_lib.visuals import figures, style


@pytest.fixture
def panel():
    with pyplot.rc_context():
        style.use()
        figure, axes = pyplot.subplots(figsize=(3.2, 3))
        yield axes
        pyplot.close(figure)


def run(B, C, accuracy, architecture=True):
    plan = common_case(B, M=1, size=8, channels=C)
    return SimpleNamespace(
        model="ConvNet",
        architecture=plan if architecture else None,
        parameters=plan.parameters,
        augmented_accuracy=accuracy,
        accuracies=(0.1, accuracy),
        train_accuracy=accuracy,
        test_accuracy=accuracy,
        weights_seed=None,
        seconds=1.0,
    )


def words(axes):
    return [text.get_text() for text in axes.texts]


def assert_legible(axes):
    axes.figure.draw_without_rendering()
    boxes = [(text.get_text(), Text.get_window_extent(text)) for text in axes.texts]  # without its leader
    for (one, box), (other, there) in combinations(boxes, 2):
        shrunk = box.shrunk(0.99, 0.9)
        assert not shrunk.overlaps(there), f"{one!r} touches {other!r}"
    labels = [*axes.texts, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
    assert min(label.get_fontsize() for label in labels) >= 9


def test_a_bar_ends_at_its_rank(panel):
    table = {1: 2, 2: 64, 3: 256}
    assert figures.rank_against_overlap(panel, table, saturation=256, bounds={2: 16}) is panel
    assert [bar.get_x() + bar.get_width() for bar in panel.patches] == [2, 64, 256]
    assert words(panel) == ["2", "64", "256", "bound", "saturation 256"]
    assert_legible(panel)


def test_a_curve_goes_through_the_mean_of_the_seeds(panel):
    runs = [run(2, 4, 0.6), run(2, 2, 0.3), run(2, 4, 0.8), run(1, 2, 0.2), run(1, 4, 0.4)]
    assert figures.accuracy_against(panel, runs) is panel
    curves = {line.get_marker(): line.get_xydata().tolist() for line in panel.lines}
    assert curves == {"o": [[2, 0.2], [4, 0.4]], "s": [[2, 0.3], [4, pytest.approx(0.7)]]}
    (cloud,) = panel.collections
    assert cloud.get_offsets().tolist() == [[4, 0.6], [4, 0.8]]


def test_parameters_are_those_of_the_record(panel):
    runs = [run(3, C, 0.5) for C in (2, 4)]
    figures.accuracy_against(panel, runs, x="parameters")
    assert panel.lines[0].get_xdata().tolist() == [record.parameters for record in runs]


@pytest.mark.parametrize("x", figures.SIZES)
def test_labels_at_the_ends_never_touch(panel, x):
    figures.accuracy_against(panel, [run(B, C, 0.9 + C / 400) for B in (1, 2, 3, 5) for C in (2, 32)], x=x)
    assert words(panel) == ["B = 1", "B = 2", "B = 3", "B = 5"]
    assert_legible(panel)


@pytest.mark.parametrize(
    "runs, x, sentence",
    [
        ([], "depth", "unknown size 'depth'; use one of channels, parameters"),
        ([], "channels", "there is no record to draw; give at least one"),
        (
            [run(1, 2, 0.5, architecture=False)],
            "channels",
            "the record of a ConvNet has no architecture to read B from; leave it out",
        ),
    ],
)
def test_bad_input_is_one_sentence(panel, runs, x, sentence):
    with pytest.raises(ConvacError) as error:
        figures.accuracy_against(panel, runs, x=x)
    assert str(error.value) == sentence


@pytest.mark.parametrize("B", [1, 2, 3, 4])
def test_the_side_view_shows_what_the_geometry_counts(panel, B):
    network = common_case(B, M=1, size=32)
    figures.side_view(panel, network, layer=4)
    boxes = [shape for shape in panel.patches if shape.get_facecolor() == (1, 1, 1, 1)]
    fans = [shape for shape in panel.patches if shape not in boxes]
    pixels = [shape for shape in boxes if shape.get_xy()[:, 1].min() == 0]
    T_R, T_S = network.total_receptive_fields[3], network.total_strides[3]
    assert len(pixels) == T_R + T_S
    grey = [shape for shape in fans if shape.get_facecolor()[:3] == to_rgb(style.INK)]
    assert len(grey) == len(fans) / 2
    lowest = {tuple(x for x, y in shape.get_xy() if y < 0.5) for shape in fans}  # the pixels' side of a fan
    assert len({ends for ends in lowest if ends}) == len([shape for shape in boxes if shape.get_xy()[:, 1].min() == 1])


def test_lost_singular_values_are_in_the_shade(panel):
    """Of 64 values that are not 0, those below 2⁻⁵² times their number are in the region of rounding errors."""
    values = [2.0**-power for power in range(128)]
    assert figures.singular_values(panel, [values, values], rank=64, B=2) is panel
    (shade,) = panel.patches
    top = shade.get_y() + shade.get_height()
    assert top == pytest.approx(128 * 2.0**-52)
    points = [line for line in panel.lines if line.get_marker() == "."]
    assert [to_rgb(line.get_color()) for line in points] == [to_rgb(style.colour_of(2)), to_rgb(style.INK)] * 2
    assert [len(line.get_xdata()) for line in points] == [64, 64, 64, 64]
    lost = [number for number, value in points[0].get_xydata() if value < top]
    assert lost == list(range(47, 65))  # 2⁻⁴⁶ and smaller
    assert words(panel) == ["exact rank 64", "not 0", "exactly 0", "rounding errors"]
    assert_legible(panel)


@pytest.mark.parametrize(("draws", "count"), [([], 0), ([[1.0, 0.5]], 2)])
def test_fewer_values_than_the_rank(panel, draws, count):
    with pytest.raises(ConvacError) as error:
        figures.singular_values(panel, draws, rank=3, B=1)
    assert str(error.value) == f"a rank of 3 needs at least as many singular values, and {count} were given"


def test_exponents_are_drawn_with_the_largest_and_the_talks(panel):
    curves = {"no overlap": (1, {4: 1, 8: 1}), "at least: chains": (2, {4: 4, 8: 8}), "limit": (3, {4: 8, 8: 22})}
    figures.exponents_against_size(panel, curves, talk=2.25)
    lines = [([*line.get_xdata()], [*line.get_ydata()]) for line in panel.lines]
    assert lines == [([4, 8], [*points.values()]) for _, points in curves.values()] + [
        ([4, 8], [8, 32]),
        ([4, 8], [2.25] * 2),
    ]
    assert [line.get_linestyle() for line in panel.lines] == ["-", "--", "-", ":", "--"]
    assert [to_rgb(line.get_color()) for line in panel.lines] == [
        to_rgb(colour) for colour in (*map(style.colour_of, (1, 2, 3)), style.SATURATION_COLOUR, style.BOUND_COLOUR)
    ]
    heights = [text.xy[1] for text in panel.texts]
    assert [text.get_text() for text in panel.texts] == [*curves, "saturation, H²/2", "the talk’s bound"]
    assert heights == [1, 8, 22, 32, 2.25]
    with pytest.raises(ConvacError) as error:
        figures.exponents_against_size(panel, {})
    assert str(error.value) == "there is no curve to draw; give at least one"
