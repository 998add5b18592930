"""The explorer of confounders: the gap between two networks as steps, each as long as what it explains."""

from collections.abc import Sequence
from itertools import pairwise
from xml.etree.ElementTree import Element

from convac_lib.experiments.confounders import UNEXPLAINED, Stage
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import LINE, WIDTH, add_line, add_path, add_text, rectangle, serialize, svg_document
from convac_lib.visuals.view import Value, View

LEFT, RIGHT, ROWS = 12, WIDTH - 32, 5
BAR, ROW = 20, LINE + 38
BOTTOM = ROWS * ROW
CONFOUNDERS = ("parameters", "longer training", "order in blocks")


def confounders_view(stages: Sequence[Stage], B: int, source: str) -> View:
    """Show the gap between a network without overlap and one with overlap, split by what explains its parts.

    Args:
        stages: from the one network to the other, as `gap_stages` finds them.
        B: the receptive field of the overlapping network.
        source: what all trainings have in common, for the alternative text.

    Returns:
        The `View`: a bar for each change, from the mean accuracy before it to the mean accuracy after it.

    Source: none; ours. Chapter: *Experiments on standard ConvNets*.

    >>> stages = [Stage("", "B = 1, C = 4", (0.2, 0.4)), Stage(UNEXPLAINED, "B = 2, C = 4", (0.9,))]
    >>> confounders_view(stages, 2, "digits").reading
    'From B = 1, C = 4 to B = 2, C = 4: 60.0 points. Not explained: all of them.'
    """
    first, last = stages[0], stages[-1]
    gains = [(after.change, 100 * (after.accuracy - before.accuracy)) for before, after in pairwise(stages)]
    whole = 100 * (last.accuracy - first.accuracy)
    reading = f"From {first.network} to {last.network}: {whole:.1f} points. {_told(gains)}"
    parts = "; ".join(f"{change} {_signed(gain)}" for change, gain in gains)
    ends = ", ".join(f"{100 * stage.accuracy:.0f} % for {stage.network}" for stage in (first, last))
    seeds = len(first.accuracies)
    missing = "".join(f"; {name}: not recorded" for name in _missing(stages))
    alternative = f"Training accuracy in steps, {ends}; in points: {parts}{missing}. Means of {seeds} seeds; {source}."
    values: dict[str, Value] = {"gap": f"{whole:.1f}", **{change: _signed(gain) for change, gain in gains}}
    return View(draw_confounders(stages, B), alternative, reading, values)


def _told(gains: Sequence[tuple[str, float]]) -> str:
    """Say what explains how much, and what is left."""
    explained = [f"{change} {gain:.1f}" for change, gain in gains if change != UNEXPLAINED]
    left = next(gain for change, gain in gains if change == UNEXPLAINED)
    if not explained:
        return "Not explained: all of them."
    words = f"{', '.join(explained)}.".capitalize()
    return f"{words} Not explained: {left:.1f}." if left > 0 else f"{words} They explain all of it, and more."


def draw_confounders(stages: Sequence[Stage], B: int) -> str:
    """Draw a row for every stage: what was changed, and a bar from the accuracy before to the accuracy after.

    Grey is what helps the network without overlap, the colour of B what is taken from the overlapping one, and an empty
    frame what is not explained. A thin line goes from the worst to the best seed.

    Args:
        stages: two to five, as for `confounders_view`.
        B: the receptive field of the overlapping network.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Experiments on standard ConvNets*.
    """
    svg = svg_document(WIDTH, BOTTOM + LINE + 4)
    before = None
    for row, stage in enumerate(stages):
        top = row * ROW + LINE + 6
        words = f"{stage.change}: {stage.network}" if stage.change else stage.network
        add_text(svg, LEFT, top - 8, words, bold=stage.change == UNEXPLAINED)
        for share in range(5):
            add_line(svg, _x(share / 4), top, _x(share / 4), top + BAR, RULE)
        start, end = _x(stage.accuracy if before is None else before), _x(stage.accuracy)
        if before is None:
            add_path(svg, rectangle(end - 3, top - 1, 6, BAR + 2), fill=colour_of(1))
        else:
            add_path(svg, rectangle(min(start, end), top, abs(end - start), BAR), **_style(stage.change, B))
        least, most = _x(min(stage.accuracies)), _x(max(stage.accuracies))
        add_line(svg, least, top + BAR / 2, most, top + BAR / 2, INK, width=2)
        number = f"{100 * stage.accuracy:.0f} %" if before is None else _signed(100 * (stage.accuracy - before))
        _write_beside(svg, number, (min(start, least), max(end, start, most)), top + BAR - 3)
        before = stage.accuracy
    for row, name in enumerate(_missing(stages), start=len(stages)):
        add_text(svg, LEFT, row * ROW + LINE - 2, f"{name}: not recorded", fill=MUTED)
    for share in range(5):
        add_text(svg, _x(share / 4), BOTTOM + LINE - 2, f"{25 * share} %", anchor="middle", fill=MUTED)
    return serialize(svg)


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")


def _missing(stages: Sequence[Stage]) -> list[str]:
    """List the confounders that no stage names."""
    changes = " ".join(stage.change for stage in stages)
    return [name for name in CONFOUNDERS if name not in changes]


def _x(accuracy: float) -> float:
    return LEFT + 18 + (RIGHT - LEFT - 18) * accuracy


def _style(change: str, B: int) -> dict[str, str]:
    if change == UNEXPLAINED:
        return {"fill": "#FFFFFF", "stroke": INK, "stroke_width": "2"}
    return {"fill": colour_of(B if change == "order in blocks" else 1)}


def _write_beside(svg: Element, number: str, span: tuple[float, float], baseline: float) -> None:
    """Write a number right of a bar, or left of it where there is no room."""
    left, right = span
    if right + 12 * len(number) + 10 < WIDTH:
        add_text(svg, right + 8, baseline, number, bold=True)
    else:
        add_text(svg, left - 8, baseline, number, anchor="end", bold=True)
