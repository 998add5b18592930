"""The explorer of depth in practice: shallow and deep arithmetic circuits that learn digits, by their size."""

from collections.abc import Sequence
from statistics import fmean

from convac_lib.errors import ConvacError, shown
from convac_lib.experiments.depth import DEPTHS, DepthSummary
from convac_lib.visuals.axes import Axes, apart, linear, logarithmic
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import LINE, WIDTH, Place, add_path, add_text, polyline, serialize, short
from convac_lib.visuals.view import Value, View

SIZES, IMAGES = ("channels", "parameters"), ("training", "test")


def depth_view(rows: Sequence[DepthSummary], against: str = "channels", images: str = "training") -> View:
    """Show how well shallow and deep networks classify the digits, against their channels or their parameters.

    Args:
        rows: the networks, as `depth_rows` summarizes them, with the same channels for both kinds.
        against: "channels" or "parameters".
        images: whose accuracy is shown, "training" or "test".

    Returns:
        The `View`.

    Raises:
        ConvacError: if a word is unknown.

    Source: talk, slide "Example: Efficiency of Depth". Chapter: *Convolutional arithmetic circuits*.
    """
    for name, word, known in (("size", against, SIZES), ("images", images, IMAGES)):
        if word not in known:
            raise ConvacError(f"unknown {name} {shown(word)}; use one of {', '.join(known)}")
    pairs = [(row, _of(rows, "deep", row.channels)) for row in rows if row.kind == "shallow"]
    reading = (
        f"{_told(pairs, images)} With C = {pairs[-1][0].channels} the shallow network has "
        f"{pairs[-1][0].parameters:,} parameters and the deep one {pairs[-1][1].parameters:,}."
    )
    each = "; ".join(
        f"{row.kind} C = {row.channels}, {row.parameters:,} parameters, {fmean(_accuracies(row, images)):.1%}"
        for row in rows
    )
    alternative = f"Accuracy on the {images} images of the digits against {against}, means of seeds: {each}."
    values: dict[str, Value] = {
        f"{row.kind}, C = {row.channels}": f"{fmean(_accuracies(row, images)):.1%}" for row in rows
    }
    return View(draw_depths(rows, against, images), alternative, reading, values)


def _told(pairs: Sequence[tuple[DepthSummary, DepthSummary]], images: str) -> str:
    """Compare the means of each pair, and say where the seeds of one lie among those of the other."""
    told = []
    for shallow, deep in pairs:
        below, above = _accuracies(shallow, images), _accuracies(deep, images)
        apart = min(above) > max(below) or max(above) < min(below)
        told.append(
            f"{fmean(above):.1%} to {fmean(below):.1%} with C = {shallow.channels}" + " (seeds overlap)" * (not apart)
        )
    return f"On {images} images, deep against shallow: {', '.join(told)}."


def _accuracies(row: DepthSummary, images: str) -> tuple[float, ...]:
    return row.accuracies if images == "training" else row.test_accuracies


def _of(rows: Sequence[DepthSummary], kind: str, channels: int) -> DepthSummary:
    found = [row for row in rows if (row.kind, row.channels) == (kind, channels)]
    if not found:
        raise ConvacError(f"there is no {kind} network with {channels} channels; train both kinds with the same ones")
    return found[0]


def draw_depths(rows: Sequence[DepthSummary], against: str, images: str) -> str:
    """Draw a line through the means of the shallow networks, dashed, and one of the deep ones; a dot is a seed.

    Args:
        rows: the networks, as for `depth_view`.
        against: "channels" or "parameters".
        images: "training" or "test".

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Convolutional arithmetic circuits*.
    """
    sizes = sorted(getattr(row, against) for row in rows)
    axes = Axes(logarithmic(sizes[0], sizes[-1]), linear(0, 1), left=76, right=WIDTH - 108, inset=8)
    axes.draw_grid({percent / 100: f"{percent} %" for percent in range(0, 101, 25)})
    ticks = (
        {size: f"{size:,}" for size in sizes} if against == "channels" else {300: "300", 1000: "1,000", 5000: "5,000"}
    )
    axes.draw_ticks({size: words for size, words in ticks.items() if sizes[0] <= size <= sizes[-1]})
    axes.draw_titles(against, f"accuracy, {images} images", y_baseline=LINE - 6)
    ends: list[Place] = []
    for kind in DEPTHS:
        curve = [(getattr(row, against), _accuracies(row, images)) for row in rows if row.kind == kind]
        places = [axes.at(size, fmean(accuracies)) for size, accuracies in curve]
        dashes = {"stroke_dasharray": "7 5"} if kind == "shallow" else {}
        add_path(axes.svg, polyline(places), fill="none", stroke=colour_of(1), stroke_width="2.5", **dashes)
        seeds = [axes.at(size, accuracy) for size, accuracies in curve for accuracy in accuracies]
        hollow = {"fill": "#FFFFFF", "stroke": colour_of(1)} if kind == "shallow" else {"fill": colour_of(1)}
        add_path(axes.svg, "".join(map(_dot, seeds)), **hollow)
        ends.append(places[-1])
    for kind, (x, _), height in zip(DEPTHS, ends, apart([y for _, y in ends], LINE)):
        add_text(axes.svg, x + 12, height + 6, kind)
    return serialize(axes.svg)


def _dot(place: Place) -> str:
    x, y = place
    return f"M{short(x - 4)} {short(y)}a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"
