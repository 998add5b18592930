"""The explorer of accuracy: the ConvNets of one sweep, by their size or epoch by epoch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from convac_lib.visuals.axes import Axes, apart, draw_marker, linear, logarithmic
from convac_lib.visuals.svg import LETTER, LINE, WIDTH, add_text, serialize
from convac_lib.visuals.view import Value, View

if TYPE_CHECKING:  # rows are only read here
    from convac_lib.experiments.analysis import Protocol, RunSummary

Points = Sequence[tuple[float, float]]


def accuracy_view(rows: Sequence[RunSummary], protocol: Protocol, B: int, C: int, against: str = "channels") -> View:
    """Show one ConvNet of a sweep among the others: its training accuracy against its size, or epoch by epoch.

    Args:
        rows: the networks of one sweep, as `rows_of` brings them together.
        protocol: what they have in common.
        B: the receptive field of the stride-1 layers.
        C: channels of every layer.
        against: "channels" or "parameters", for the accuracy at the end; or "epochs", beside the other B with as many
            channels.

    Returns:
        The `View`: a curve for each B, with the network of B and C marked.

    Chapter: *Experiments on standard ConvNets*.
    """
    row = next(row for row in rows if (row.B, row.channels) == (B, C))
    curves = _curves(rows, C, against)
    size = protocol.epochs if against == "epochs" else getattr(row, against)
    place = [size for size, _ in curves[B]].index(size)
    smaller = min((other for other in rows if other.accuracy >= row.accuracy), key=lambda other: other.parameters)
    reading = f"B = {B}, C = {C}: {row.accuracy:.0%} of the training images, with {row.parameters:,} parameters"
    if smaller.B != B:
        reading += f"; B = {smaller.B} does as well with C = {smaller.channels} and {smaller.parameters:,} parameters"
    along = f"epochs for C = {C}" if against == "epochs" else against
    alternative = (
        f"Training accuracy against {along}: {_curves_told(curves)}. Marked: B = {B}, C = {C}, {row.accuracy:.0%} "
        f"after {protocol.epochs} epochs; {protocol}."
    )
    values: dict[str, Value] = {
        "training accuracy": f"{row.accuracy:.1%}",
        "test accuracy": f"{row.test_accuracy:.1%}",
        "parameters": row.parameters,
    }
    x_label = {"channels": "channels C", "parameters": "parameters", "epochs": f"epochs, C = {C}"}[against]
    picture = draw_curves(curves, (B, place), x_label=x_label, y_label="training accuracy")
    return View(picture, alternative, f"{reading}.", values)


def _curves(rows: Iterable[RunSummary], C: int, against: str) -> dict[int, Points]:
    """List for each B the accuracies: at the end by size, or those of the network of C channels by epoch."""
    if against == "epochs":
        return {row.B: list(enumerate(row.curve, start=1)) for row in rows if row.channels == C}
    curves: dict[int, list[tuple[float, float]]] = {}
    for row in rows:
        curves.setdefault(row.B, []).append((getattr(row, against), row.accuracy))
    return dict(curves)


def _curves_told(curves: Mapping[int, Points]) -> str:
    """Say where every curve begins and ends, and which is the highest if one is at each size that they share."""
    told = [
        f"B = {B} goes from {points[0][1]:.0%} at {points[0][0]:,} to {points[-1][1]:.0%} at {points[-1][0]:,}"
        for B, points in curves.items()
    ]
    shared = set.intersection(*({size for size, _ in points} for points in curves.values()))
    heights = {B: [accuracy for size, accuracy in points if size in shared] for B, points in curves.items()}
    for B, own in heights.items():
        if shared and all(min(map(float.__sub__, own, other)) > 0 for A, other in heights.items() if A != B):
            return f"{', '.join(told)}. B = {B} is the highest throughout"
    return ", ".join(told)


def draw_curves(curves: Mapping[int, Points], marked: tuple[int, int], *, x_label: str, y_label: str) -> str:
    """Draw fractions against a size on a logarithmic axis, a curve for each B, with one point marked.

    Args:
        curves: for each B, its points (size, fraction 0..1), sizes increasing.
        marked: the B and the index of the marked point on its curve.
        x_label: what the sizes are.
        y_label: what the fractions are.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Experiments on standard ConvNets*.

    >>> picture = draw_curves({1: [(2, 0.5), (4, 0.7)]}, (1, 0), x_label="channels C", y_label="accuracy")
    >>> "B=1" in picture, "100 %" in picture
    (True, True)
    """
    sizes = sorted({size for points in curves.values() for size, _ in points})
    axes = Axes(logarithmic(sizes[0], sizes[-1]), linear(0, 1), left=76, right=WIDTH - 64)
    axes.draw_grid({percent / 100: f"{percent} %" for percent in range(0, 101, 25)})
    axes.draw_ticks(_fitting_ticks(axes, sizes))
    axes.draw_titles(x_label, y_label, y_baseline=LINE - 6)
    heights = apart([axes.y_at(points[-1][1]) for points in curves.values()], LINE)
    for (B, points), height in zip(curves.items(), heights):
        heavy = B == marked[0]
        axes.draw_curve(B, points, heavy=heavy)
        if heavy:
            draw_marker(axes.svg, B, axes.at(*points[marked[1]]), size=9, chosen=True)
        add_text(axes.svg, axes.x_at(points[-1][0]) + 14, height + 6, f"B={B}", bold=heavy)
    return serialize(axes.svg)


def _fitting_ticks(axes: Axes, sizes: Sequence[float]) -> dict[float, str]:
    """Choose the labels of the x axis from right to left: that of the last size, and every other that has room."""
    labels, free = {}, float(WIDTH)
    for size in reversed(sizes):
        x, label = axes.x_at(size), f"{size:,}"
        room = LETTER * len(label) + 8
        if x + room / 2 <= free:
            labels[size] = label
            free = x - room / 2
    return labels
