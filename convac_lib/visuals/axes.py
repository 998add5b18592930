"""What the charts share: two scales with their grid, ticks and titles, and the curves and markers drawn on them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log10
from xml.etree import ElementTree

from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import LINE, WIDTH, Place, add_line, add_path, add_text, polyline, short, svg_document

TOP, BOTTOM = 2 * LINE, 330
HEIGHT = BOTTOM + 2 * LINE + 4
Scale = Callable[[float], float]


def linear(first: float, last: float) -> Scale:
    """Map numbers from `first` to `last` evenly to 0..1.

    >>> linear(1, 5)(2)
    0.25
    """
    return lambda value: (value - first) / ((last - first) or 1)


def logarithmic(first: float, last: float) -> Scale:
    """Map numbers from `first` to `last` by their logarithms to 0..1.

    >>> logarithmic(1, 256)(16)
    0.5
    """
    return lambda value: (log10(value) - log10(first)) / ((log10(last) - log10(first)) or 1)


@dataclass(frozen=True)
class Axes:
    """The rectangle of a chart and the scale of each direction; all charts are 560 wide and equally high.

    Args:
        x_scale: maps values to 0 at the left, 1 at the right.
        y_scale: maps values to 0 at the bottom, 1 at the top; larger values are drawn at the top.
        left: the rectangle's left side, in the picture's units.
        right: its right side.
        inset: the distance of the x scale's ends from both sides.

    Attributes:
        svg: the picture, which every method adds to.

    >>> axes = Axes(linear(0, 10), logarithmic(1, 100), left=50, right=550)
    >>> axes.at(5, 10)
    (300.0, 190.0)
    """

    x_scale: Scale
    y_scale: Scale
    left: float
    right: float
    inset: float = 0.0
    svg: ElementTree.Element = field(default_factory=lambda: svg_document(WIDTH, HEIGHT), init=False)

    def x_at(self, value: float) -> float:
        """Return the x of a value in the picture."""
        return self.left + self.inset + (self.right - self.left - 2 * self.inset) * self.x_scale(value)

    def y_at(self, value: float) -> float:
        """Return the y of a value in the picture, which grows downwards."""
        return BOTTOM - (BOTTOM - TOP) * min(self.y_scale(value), 1)

    def at(self, x: float, y: float) -> Place:
        """Return the place of a pair of values in the picture."""
        return self.x_at(x), self.y_at(y)

    def draw_grid(self, labels: Mapping[float, str], *, gap: float = 10) -> None:
        """Draw a line across the rectangle at every value, with its label on the left."""
        for value, label in labels.items():
            self.draw_level(value, RULE)
            self.draw_y_label(value, label, gap=gap)

    def draw_y_label(self, value: float, label: str, *, gap: float = 10) -> None:
        """Write a label left of the rectangle, at the height of a value."""
        add_text(self.svg, self.left - gap, self.y_at(value) + 7, label, anchor="end", fill=MUTED)

    def draw_ticks(self, labels: Mapping[float, str], *, marked: float | None = None) -> None:
        """Write the labels of values below the rectangle: in grey, or in ink with the marked one in bold."""
        fill = MUTED if marked is None else INK
        for value, label in labels.items():
            x = self.x_at(value)
            add_text(self.svg, x, BOTTOM + LINE, label, anchor="middle", fill=fill, bold=value == marked)

    def draw_titles(self, x_title: str, y_title: str, *, y_baseline: float = LINE - 8) -> None:
        """Write the title of x below on the right, and that of y above on the left."""
        add_text(self.svg, 2, y_baseline, y_title)
        add_text(self.svg, self.right, BOTTOM + 2 * LINE, x_title, anchor="end")

    def draw_level(self, value: float, stroke: str, *, width: float = 1.0, dashes: str | None = None) -> None:
        """Draw a line across the rectangle, at the height of a value."""
        y = self.y_at(value)
        add_line(self.svg, self.left, y, self.right, y, stroke, width=width, dashes=dashes)

    def draw_curve(self, B: int, points: Sequence[tuple[float, float]], *, heavy: bool) -> None:
        """Draw a line through points in the colour of B, with a marker at each; it is heavier if the reader chose B."""
        places = [self.at(*point) for point in points]
        add_path(self.svg, polyline(places), fill="none", stroke=colour_of(B), stroke_width="4" if heavy else "2.5")
        for place in places:
            draw_marker(self.svg, B, place, size=4.5)

    def clipped(self, points: Iterable[tuple[float, float]]) -> list[Place]:
        """List the places of points until one is above the top, and then where the line to it leaves the rectangle.

        >>> Axes(linear(0, 4), linear(0, 10), left=0, right=400).clipped([(1, 0), (3, 20), (4, 40)])
        [(100.0, 330.0), (200.0, 50)]
        """
        places: list[Place] = []
        before: tuple[float, float] | None = None
        for x, y in points:
            share = self.y_scale(y)
            if share > 1 and before is not None:
                crossing = (1 - before[1]) / (share - before[1])
                return [*places, (self.x_at(before[0] + crossing * (x - before[0])), TOP)]
            places.append(self.at(x, y))
            before = x, share
        return places


def draw_marker(svg: ElementTree.Element, B: int, place: Place, *, size: float, chosen: bool = False) -> None:
    """Draw the marker of B around a place, of the shape that `marker_of` names; outlined if it is the chosen one."""
    x, y = place
    corners: dict[int, list[Place]] = {
        2: [(-1, -1), (1, -1), (1, 1), (-1, 1)],
        3: [(0, -1.2), (1.2, 0.9), (-1.2, 0.9)],
        4: [(0, 1.2), (1.2, -0.9), (-1.2, -0.9)],
        5: [(0, -1.3), (1.3, 0), (0, 1.3), (-1.3, 0)],
    }
    if B in corners:
        path = polyline((x + size * dx, y + size * dy) for dx, dy in corners[B]) + "z"
    else:
        arc, width = f"a{size} {size} 0 1 0", short(2 * size)
        path = f"M{short(x - size)} {short(y)}{arc} {width} 0{arc}-{width} 0z"
    outline = {"stroke": INK, "stroke_width": "3"} if chosen else {}
    add_path(svg, path, fill=colour_of(B), **outline)


def apart(heights: Sequence[float], least: float) -> list[float]:
    """Lower heights until any two are at least `least` apart; their order stays, and so does the largest.

    >>> apart([100, 101, 50], least=25)
    [76, 101, 50]
    """
    moved: dict[int, float] = {}
    last = float("inf")
    for number in sorted(range(len(heights)), key=lambda number: -heights[number]):
        last = moved[number] = min(heights[number], last - least)
    return [moved[number] for number in range(len(heights))]
