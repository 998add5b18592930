"""Stacks of sheets in perspective: how a drawing shows C channels of H×H units, and windows between two layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree

from convac_lib.visuals.style import MUTED
from convac_lib.visuals.svg import Field, Place, add_path, lattice, polyline, short

SHEAR, STEP, SHEETS = 0.3, 4, 4  # of a row, in cells; between two sheets; drawn at most


@dataclass(frozen=True)
class Stack:
    """The sheets of one layer: `count`×`count` units each, one sheet per channel, of which at most four are drawn.

    Args:
        count: the units per side.
        channels: the sheets.
        cell: the width of a unit.
        depth: how deep a unit looks, in units of `cell`.
        axis: the x of the middle.
        top: the y of the upper edge.
    """

    count: int
    channels: int
    cell: float
    depth: float
    axis: float
    top: float = 0.0

    @property
    def sheets(self) -> int:
        return min(self.channels, SHEETS)

    @property
    def height(self) -> float:
        return self.count * self.cell * self.depth + (self.sheets - 1) * STEP

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> float:
        return self.top + self.height / 2

    @property
    def left(self) -> float:
        return self.axis - self.count * self.cell * (1 + SHEAR) / 2

    @property
    def whole(self) -> Field:
        """The field of all units."""
        return range(self.count), range(self.count)

    def place(self, row: float, column: float, sheet: int = 0) -> Place:
        """Find a place on a sheet; sheet 0 is on top."""
        across = column + (self.count - row) * SHEAR
        return self.left + across * self.cell, self.top + row * self.cell * self.depth + sheet * STEP

    def corners(self, field: Field, sheet: int = 0) -> list[Place]:
        """Find the four corners of a field of units, in order around it."""
        (up, down), (left, right) = ((span.start, span.stop) for span in field)
        return [self.place(*corner, sheet) for corner in ((up, left), (up, right), (down, right), (down, left))]

    def middle_of(self, field: Field) -> Place:
        """Find the middle of a field of units on the top sheet."""
        rows, columns = field
        return self.place((rows.start + rows.stop) / 2, (columns.start + columns.stop) / 2)


def add_stack(svg: ElementTree.Element, stack: Stack, *, fill: str = "#FFFFFF") -> ElementTree.Element:
    """Add the sheets of a layer, and return a group over the top sheet in which a unit has side 1."""
    for sheet in reversed(range(stack.sheets)):
        add_path(svg, polyline(stack.corners(stack.whole, sheet)) + "z", fill=fill, stroke=MUTED)
    x, y = stack.place(0, 0)
    numbers = stack.cell, 0, -stack.cell * SHEAR, stack.cell * stack.depth, x, y
    transform = f"matrix({' '.join(map(short, numbers))})"
    return ElementTree.SubElement(svg, "g", {"transform": transform, "fill": "none"})


def add_lattice(group: ElementTree.Element, stack: Stack) -> None:
    """Add the lines between the units, in the group of a stack."""
    add_path(group, lattice(0, 0, stack.count, stack.count), stroke=MUTED)


def add_funnel(
    svg: ElementTree.Element, below: Stack, seen: Field, above: Stack, seeing: Field, *, fill: str, opacity: str
) -> None:
    """Join units, under their lowest sheet, to the field of units that they see on the top sheet of the layer below."""
    places = [*below.corners(seen), *above.corners(seeing, above.sheets - 1)]
    add_path(svg, polyline(_hull(places)) + "z", fill=fill, fill_opacity=opacity)


def _hull(places: Sequence[Place]) -> list[Place]:
    """List the corners of the smallest convex polygon around the places, in order around it."""

    def half(ordered: Sequence[Place]) -> list[Place]:
        chain: list[Place] = []
        for place in ordered:
            while len(chain) > 1 and not _turns(chain[-2], chain[-1], place):
                chain.pop()
            chain.append(place)
        return chain[:-1]

    ordered = sorted({(round(x, 2), round(y, 2)) for x, y in places})
    return half(ordered) + half(ordered[::-1])


def _turns(first: Place, second: Place, third: Place) -> bool:
    """Whether the way over three places turns to one side, and not to the other or straight on."""
    (x, y), (x2, y2), (x3, y3) = first, second, third
    return (x2 - x) * (y3 - y) - (y2 - y) * (x3 - x) > 1e-6
