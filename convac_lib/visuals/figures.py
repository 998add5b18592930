"""Figures for the page, by matplotlib: data and an Axes in, the same Axes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from statistics import fmean
from typing import TYPE_CHECKING

from convac_lib.errors import ConvacError
from convac_lib.experiments.analysis import rows_of
from convac_lib.visuals.axes import apart
from convac_lib.visuals.style import BOUND_COLOUR, INK, SATURATION_COLOUR, colour_of, marker_of

if TYPE_CHECKING:  # a figure needs neither torch nor matplotlib before it is drawn
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from convac_lib.architecture import Architecture
    from convac_lib.experiments.records import Record

SIZES = ("channels", "parameters")


def rank_against_overlap(
    axes: Axes,
    table: Mapping[int, int],
    *,
    bounds: Mapping[int, float] | None = None,
    saturation: int | None = None,
) -> Axes:
    """Draw the rank of every receptive field B as a bar on a logarithmic scale.

    Args:
        axes: where to draw.
        table: the rank of every B, at least 1.
        bounds: the proved lower bound of some B, dashed blue lines.
        saturation: the most that any network can have, a dotted black line.

    Returns:
        The same axes.

    Source: talk, slide "Overlapping Efficiency". Chapter: *The overlap theorem*.

    >>> from matplotlib.figure import Figure
    >>> axes = rank_against_overlap(Figure().subplots(), {1: 2, 2: 64, 3: 256}, saturation=256)
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['B = 1', 'B = 2', 'B = 3']
    """
    for row, (B, rank) in enumerate(table.items()):
        axes.barh(row, rank - 1, left=1, height=0.6, color=colour_of(B))
        crossed = saturation is not None and rank < saturation < rank * saturation**0.15  # by its dotted line
        start = saturation if crossed else rank
        axes.annotate(f"{rank:,}", (start, row), (6, 0), textcoords="offset points", va="center", weight="bold")
    rows = {B: row for row, B in enumerate(table)}
    for number, (B, bound) in enumerate((bounds or {}).items()):
        axes.plot([bound, bound], [rows[B] - 0.42, rows[B] + 0.42], color=BOUND_COLOUR, linestyle="--")
        if number == 0:
            place = (bound, rows[B] - 0.42)
            axes.annotate("bound", place, (0, 2), textcoords="offset points", ha="center", color=BOUND_COLOUR)
    if saturation is not None:
        axes.axvline(saturation, color=SATURATION_COLOUR, linestyle=":")
        place = (saturation, 1.0)
        words = f"saturation {saturation:,}"
        axes.annotate(words, place, (-5, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="right")
    axes.set(xscale="log", xlim=(1, None), xlabel="rank", yticks=range(len(table)), ylim=(len(table) - 0.4, -0.6))
    axes.set_yticklabels([f"B = {B}" for B in table])
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    return axes


def accuracy_against(axes: Axes, records: Iterable[Record], *, x: str = "channels") -> Axes:
    """Draw the training accuracy at the end of every run against the network's size, a curve for each B.

    Runs that differ only by seed are points of their own, and the curve goes through their mean.

    Args:
        axes: where to draw.
        records: the runs, each of a network built from an `Architecture`; B is its first layer's receptive field.
        x: the size, "channels" (of the first layer) or "parameters".

    Returns:
        The same axes.

    Raises:
        ConvacError: if the size is unknown, there is no record, or one has no architecture.

    Source: talk, slide "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.
    """
    from matplotlib.ticker import EngFormatter

    if x not in SIZES:
        raise ConvacError(f"unknown size {x!r}; use one of {', '.join(SIZES)}")
    curves: dict[int, dict[int, list[float]]] = {}
    for row in rows_of(records):
        curves.setdefault(row.B, {}).setdefault(getattr(row, x), []).extend(row.accuracies)
    if not curves:
        raise ConvacError("there is no record to draw; give at least one")
    ends = {B: _draw_curve(axes, B, points) for B, points in sorted(curves.items())}
    axes.set(xscale="log", xlabel=x, ylim=(0, 1))
    if axes.yaxis.get_tick_params().get("labelleft", True):  # panels that share it say it once
        axes.set_ylabel("training accuracy")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    if x == "parameters":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # 10k: numbers in full would touch
    else:
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xticks(sorted({size for points in curves.values() for size in points}))
        axes.xaxis.minorticks_off()
    for (B, end), height in zip(ends.items(), apart([height for _, height in ends.values()], least=0.08)):
        leader = {"arrowstyle": "-", "color": colour_of(B), "linewidth": 0.8, "shrinkA": 0, "shrinkB": 6}
        beside = axes.get_yaxis_transform()
        axes.annotate(f"B = {B}", end, (1.06, height), textcoords=beside, va="center", color=INK, arrowprops=leader)
    return axes


def _draw_curve(axes: Axes, B: int, points: Mapping[int, Sequence[float]]) -> tuple[int, float]:
    """Draw the mean accuracies of every size as a curve, and single runs as points; return the curve's end."""
    sizes = sorted(points)
    means = [fmean(points[size]) for size in sizes]
    axes.plot(sizes, means, color=colour_of(B), marker=marker_of(B), clip_on=False)
    runs = [(size, accuracy) for size in sizes for accuracy in points[size] if len(points[size]) > 1]
    if runs:
        across, up = zip(*runs)
        axes.scatter(across, up, s=12, color=colour_of(B), alpha=0.6, linewidths=0, clip_on=False)
    return sizes[-1], means[-1]


def exponents_against_size(
    axes: Axes, curves: Mapping[str, tuple[int, Mapping[int, float]]], *, talk: float | None = None
) -> Axes:
    """Draw the exponents of ranks as powers of M against the side of the image, both logarithmic.

    Args:
        axes: where to draw.
        curves: for each label, the receptive field B of the networks, and their exponents by H.
        talk: the exponent of the talk's bound, a dashed blue line; it is the same for all H.

    Returns:
        The same axes. A dotted black line is the most that any network can have, H²/2.

    Raises:
        ConvacError: if there is no curve.

    Chapter: *How much overlap is enough*.

    >>> from matplotlib.figure import Figure
    >>> axes = exponents_against_size(Figure().subplots(), {"B = 2": (2, {4: 6, 8: 16, 16: 52})}, talk=2.25)
    >>> [text.get_text() for text in axes.texts]
    ['B = 2', 'saturation, H²/2', 'the talk’s bound']
    """
    if not curves:
        raise ConvacError("there is no curve to draw; give at least one")
    sizes = sorted({size for _, points in curves.values() for size in points})
    ends = {}
    for label, (B, points) in curves.items():
        line = "--" if label.startswith("at least") else "-"
        axes.plot([*points], [*points.values()], marker_of(B) + line, color=colour_of(B), clip_on=False)
        ends[label] = points[max(points)], INK
    axes.plot(sizes, [size**2 / 2 for size in sizes], ":", color=SATURATION_COLOUR)
    ends["saturation, H²/2"] = sizes[-1] ** 2 / 2, SATURATION_COLOUR
    if talk is not None:
        axes.plot(sizes, [talk] * len(sizes), "--", color=BOUND_COLOUR)
        ends["the talk’s bound"] = talk, BOUND_COLOUR
    axes.set(xscale="log", yscale="log", xlabel="H, the side of the image in patches", ylabel="exponent of M")
    axes.set(xticks=sizes, xlim=(sizes[0], sizes[-1]), yticks=[4**power for power in range(6)])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    axes.minorticks_off()
    for label, (height, colour) in ends.items():
        place = (sizes[-1], height)
        axes.annotate(
            label, place, (9, 0), textcoords="offset points", va="center", color=colour, annotation_clip=False
        )
    return axes


def side_view(axes: Axes, network: Architecture, layer: int) -> Axes:
    """Draw one row of the image from the side: what two neighbouring units of a layer read, layer by layer.

    A unit is drawn over the middle of its total receptive field, with a fan onto the units that it reads. The fans of
    the first unit are in its network's colour, those of its neighbour in grey; where fans overlap, they are darker.

    Args:
        axes: where to draw.
        network: the network; B is its first layer's receptive field.
        layer: the layer of the two units, counted from 1; the pixels are at height 0.

    Returns:
        The same axes.

    Source: talk, slide "Degree of Overlapping". Chapter: *Overlaps*.
    """
    totals = [(1, 1), *zip(network.total_receptive_fields, network.total_strides)]

    def edges(height: int, unit: int) -> tuple[float, float]:
        T_R, T_S = totals[height]
        middle = unit * T_S + T_R / 2
        return middle - 0.4 * T_S, middle + 0.4 * T_S

    boxes = set()
    for top, colour in enumerate((colour_of(network.layers[0].receptive_field), INK)):
        units = {top}
        for height in range(layer, 0, -1):
            R, S = network.layers[height - 1].receptive_field, network.layers[height - 1].stride
            for unit in units:
                left, right = edges(height, unit)
                start, stop = edges(height - 1, unit * S)[0], edges(height - 1, unit * S + R - 1)[1]
                floor = height - 0.82
                axes.fill([left, right, stop, start], [height, height, floor, floor], color=colour, alpha=0.22, lw=0)
            boxes |= {(height, unit) for unit in units}
            units = {unit * S + i for unit in units for i in range(R)}
        boxes |= {(0, unit) for unit in units}
    for height, unit in sorted(boxes):
        left, right = edges(height, unit)
        axes.fill(
            [left, right, right, left], [height] * 2 + [height + 0.18] * 2, facecolor="white", edgecolor=INK, lw=0.8
        )
    axes.axis("off")
    return axes


def singular_values(axes: Axes, draws: Sequence[Sequence[float]], *, rank: int, B: int) -> Axes:
    """Draw the singular values of matrices in floating point, against the exact rank that all these matrices have.

    The values are divided by the largest. Below n·2⁻⁵² (n is the number of values) they are rounding errors, a shaded
    region. Left of the exact rank the true values are not 0, right of it they are 0.

    Args:
        axes: where to draw.
        draws: the singular values of each matrix, decreasing, equally many.
        rank: the exact rank.
        B: the receptive field of the matrices' networks, for the colour.

    Returns:
        The same axes.

    Raises:
        ConvacError: if there are no values, or fewer than the rank.

    Chapter: *Expressive efficiency*.

    >>> from matplotlib.figure import Figure
    >>> axes = singular_values(Figure().subplots(), [[4.0, 1.0, 1e-17, 1e-18]], rank=3, B=2)
    >>> [text.get_text() for text in axes.texts]
    ['exact rank 3', 'not 0', 'exactly 0', 'rounding errors']
    """
    count = min(map(len, draws), default=0)
    if count < max(rank, 1):
        raise ConvacError(f"a rank of {rank} needs at least as many singular values, and {count} were given")
    rounding, numbers = count * 2.0**-52, range(1, count + 1)
    floor = rounding / 10**8
    axes.axhspan(floor, rounding, color=INK, alpha=0.1, lw=0)
    for values in draws:
        shares = [value / values[0] for value in values]
        for part, colour in ((slice(0, rank), colour_of(B)), (slice(rank, None), INK)):
            axes.plot(numbers[part], shares[part], ".", color=colour, markersize=4)
    axes.axvline(rank + 0.5, color=SATURATION_COLOUR, linestyle=":")
    over = axes.get_xaxis_transform()
    axes.annotate(
        f"exact rank {rank}", (rank + 0.5, 1), xycoords=over, xytext=(0, 16), textcoords="offset points", ha="center"
    )
    for side, words in (("right", "not 0"), ("left", "exactly 0")):
        away = (-5 if side == "right" else 5, 3)
        axes.annotate(words, (rank + 0.5, 1), xycoords=over, xytext=away, textcoords="offset points", ha=side)
    across = axes.get_yaxis_transform()
    axes.annotate(
        "rounding errors", (1, rounding), xycoords=across, xytext=(-4, 3), textcoords="offset points", ha="right"
    )
    axes.set(
        yscale="log",
        xlim=(0, count + 1),
        ylim=(floor, 3),
        xlabel="number of the singular value",
        ylabel="value / largest",
    )
    return axes


def sweep_figure(records: Iterable[Record]) -> Figure:
    """Draw a sweep: training accuracy against channels, and against parameters.

    Args:
        records: the runs, as for `accuracy_against`.

    Returns:
        The figure, of two panels.

    Source: talk, slide "Experiments on Standard ConvNets". Chapter: *Experiments on standard ConvNets*.
    """
    from matplotlib.figure import Figure

    records, figure = list(records), Figure(figsize=(6.5, 3), layout="constrained")
    for axes, size in zip(figure.subplots(1, 2, sharey=True), SIZES):
        accuracy_against(axes, records, x=size)
    return figure


def encoded(figure: Figure, ending: str) -> bytes:
    """Encode a figure as "png" or "svg", without date or version: the same figure is the same bytes.

    Chapter: *Experiments on standard ConvNets*.

    >>> from matplotlib.figure import Figure
    >>> encoded(Figure(), "png")[1:4], b"<dc:date>" in encoded(Figure(), "svg")
    (b'PNG', False)
    """
    from matplotlib import rc_context

    file, unsaid = BytesIO(), {"png": ["Software"], "svg": ["Creator", "Date"]}
    with rc_context({"svg.hashsalt": "convac"}):  # without it, ids in an SVG are random
        figure.savefig(file, format=ending, dpi=200, metadata=dict.fromkeys(unsaid[ending]))
    return file.getvalue()
