"""Charts as SVG, for explorers: one curve a receptive field B, in its colour and with its marker."""

from collections.abc import Mapping, Sequence
from math import log2
from xml.etree import ElementTree

from convac_lib.visuals.drawings import LINE, WIDTH, _document, _line, _path, _short, _text
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of

HEIGHT = 330


def draw_curves(
    curves: Mapping[int, Sequence[tuple[float, float]]], marked: tuple[int, int], *, x_label: str, y_label: str
) -> str:
    """Draw fractions against a size on a logarithmic axis, a curve for each B, with one point marked.

    Args:
        curves: for each B, its points (size, fraction 0..1), sizes increasing.
        marked: the B and the index of the marked point on its curve.
        x_label: what the sizes are.
        y_label: what the fractions are.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *The CIFAR-10 experiments*.

    >>> picture = draw_curves({1: [(2, 0.5), (4, 0.7)]}, (1, 0), x_label="channels C", y_label="accuracy")
    >>> "B=1" in picture, "100 %" in picture
    (True, True)
    """
    left, right, top, bottom = 76, WIDTH - 64, 2 * LINE, HEIGHT
    sizes = sorted({size for points in curves.values() for size, _ in points})
    span = log2(sizes[-1] / sizes[0]) or 1

    def at(size, fraction):
        return left + (right - left) * log2(size / sizes[0]) / span, bottom - (bottom - top) * fraction

    svg = _document(WIDTH, bottom + 2 * LINE + 4)
    for percent in range(0, 101, 25):
        y = at(sizes[0], percent / 100)[1]
        _line(svg, left, y, right, y, RULE)
        _text(svg, left - 10, y + 7, f"{percent} %", anchor="end", fill=MUTED)
    for size in sizes:
        _text(svg, at(size, 0)[0], bottom + LINE, f"{size:,}", anchor="middle", fill=MUTED)
    _text(svg, 2, LINE - 6, y_label)
    _text(svg, right, bottom + 2 * LINE, x_label, anchor="end")
    ends = [at(*points[-1])[1] for points in curves.values()]
    for (B, points), label in zip(curves.items(), _apart(ends, LINE)):
        places = [at(*point) for point in points]
        path = "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in places)
        heavy = B == marked[0]
        _path(svg, path, fill="none", stroke=colour_of(B), stroke_width="4" if heavy else "2.5")
        for number, place in enumerate(places):
            draw_marker(svg, B, *place, size=9 if (B, number) == marked else 4.5, chosen=(B, number) == marked)
        _text(svg, places[-1][0] + 14, label + 6, f"B={B}", weight="600" if heavy else "400")
    return ElementTree.tostring(svg, encoding="unicode")


def draw_marker(svg: ElementTree.Element, B: int, x: float, y: float, *, size: float, chosen: bool = False) -> None:
    """Draw the marker of B around a point: a disc, a square or a triangle; outlined when it is the chosen one."""
    at = f"M{_short(x)} {_short(y)}"
    disc = f"{at}m-{size} 0a{size} {size} 0 1 0 {2 * size} 0a{size} {size} 0 1 0-{2 * size} 0z"
    shapes = {
        2: f"{at}m-{size}-{size}h{2 * size}v{2 * size}h-{2 * size}z",
        3: f"{at}m0-{1.2 * size}l{1.2 * size} {2.1 * size}h-{2.4 * size}z",
    }
    outline = {"stroke": INK, "stroke_width": "3"} if chosen else {}
    _path(svg, shapes.get(B, disc), fill=colour_of(B), **outline)


def _apart(heights, least):
    """The same heights in the same order, moved up where two are closer than the least distance."""
    moved = {}
    lowest = float("inf")
    for number in sorted(range(len(heights)), key=lambda number: -heights[number]):
        lowest = moved[number] = min(heights[number], lowest - least)
    return [moved[number] for number in range(len(heights))]
