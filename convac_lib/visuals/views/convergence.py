"""The explorer of convergence: the loss over all filters of two numbers, and the way of a descent from each start."""

from functools import cache
from itertools import product

import numpy as np

from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError
from convac_lib.related.convergence import (
    Descents,
    Teacher,
    descend,
    descent_path,
    population_hessian,
    population_loss,
)
from convac_lib.visuals.pixels import add_pixels
from convac_lib.visuals.style import BOUND_COLOUR, INK, RULE
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    Place,
    add_path,
    add_text,
    polyline,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

CASES = {
    "(1, −1), no overlap": ((1.0, -1.0), 2),
    "(1, −1), overlap": ((1.0, -1.0), 1),
    "(1, 0), overlap": ((1.0, 0.0), 1),
    "(1, 1), overlap": ((1.0, 1.0), 1),
}
"""The cases of the explorer: the teacher's filter w* and the stride, by name. Chapter: *Convergence*."""

COLUMNS, ROWS = range(-15, 16, 6), range(-14, 17, 6)  # none of the starts is on a diagonal
STARTS = list(product(COLUMNS, ROWS))
"""The marked starts, in tenths of |w*|. Chapter: *Convergence*."""

EDGE = 19  # of the picture, in tenths of |w*|
TOP, SIDE = LINE + 6, WIDTH - 2 * MARGIN
PIXELS, BANDS = 52, 13


def teacher_of(case: str, k: int, turn: int = 0) -> Teacher:
    """Return the teacher that a state of the explorer speaks of.

    Args:
        case: a name of `CASES`.
        k: windows, 1 to 64.
        turn: degrees by which w* is turned against the clock, −180 to 180.

    Raises:
        ConvacError: if there is no such case, or a number is out of range.

    Chapter: *Convergence*.

    >>> teacher_of("(1, −1), no overlap", k=8).overlaps
    False
    """
    if case not in CASES:
        raise ConvacError(f"there is no case {case!r}; use one of {'; '.join(CASES)}")
    require_integers(most=64, k=k)
    require_integers(least=-180, most=180, turn=turn)
    ((x, y), stride), angle = CASES[case], np.radians(turn)
    turned = (x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)) if turn else (x, y)
    return Teacher(turned, windows=k, stride=stride)


def convergence_view(case: str, k: int, x: int, y: int, turn: int = 0) -> View | None:
    """Show the loss of every filter of two numbers, and the descent from one start.

    Args:
        case: the teacher's filter w* and whether windows overlap, a name of `CASES`.
        k: windows, 1 to 64.
        x: the first number of the start, in tenths of |w*|, −19 to 19.
        y: its second number.
        turn: degrees by which w* is turned against the clock.

    Returns:
        The `View`, on which 36 starts can be chosen; None at 0, where no descent starts.

    Raises:
        ConvacError: if there is no such case, or a number is out of range.

    Source: Brutzkus & Globerson, ICML 2017. Chapter: *Convergence*.

    >>> convergence_view("(1, −1), overlap", k=2, x=-9, y=10).reading
    'This descent ends in another minimum, (−0.55, 0.55), with loss 0.387. Of the 36 marked starts, 23 reach w*.'
    """
    require_integers(least=-EDGE, most=EDGE, x=x, y=y)
    if x == y == 0:
        return None
    teacher = teacher_of(case, k, turn)
    path = descent_path(_start(teacher, x, y), teacher, steps=20_000, tolerance=1e-7)
    end, marked = path[-1], _marked(teacher)
    reach = int(_at_target(marked.ends, teacher).sum())
    kind, loss = kind_of(end, teacher), float(population_loss(end, teacher))
    place = f"({_number(end[0])}, {_number(end[1])})"
    reading = {
        "w*": "This descent reaches w*.",
        "minimum": f"This descent ends in another minimum, {place}, with loss {loss:.3f}.",
        "saddle": f"On this ray, and on no other, descent stops at a saddle, {place}, with loss {loss:.3f}.",
        "none": "This descent is still on its way after 20,000 steps.",
    }[kind]
    values: dict[str, Value] = {
        "ends at": {"w*": "w*", "none": "–"}.get(kind, f"{kind} {place}"),
        "loss there": f"{loss:.3f}",
        "of 36 starts at w*": reach,
    }
    turned = f", w* turned by {turn}°" if turn else ""
    alternative = (
        f"The plane of all filters, darker where the loss is larger, in the case {case}{turned}; 0 and w* are marked. "
        f"A blue path leads from ({x / 10:g}, {y / 10:g}), in units of |w*|, to {values['ends at']}. Of 36 marked "
        f"starts, {reach} are filled, because their descents reach w*, and the others are hollow."
    )
    spots: list[tuple[Box, dict[str, Value]]] = [
        (_field(column, row), {"x": column, "y": row}) for column, row in STARTS
    ]
    reading += f" Of the 36 marked starts, {reach if reach < 36 else 'all'} reach w*."
    return View(draw_landscape(teacher, path), alternative, reading.replace("-", "−"), values, spots)


def kind_of(end: np.ndarray, teacher: Teacher) -> str:
    """Say what the last filter of a descent is: "w*", another "minimum", a "saddle", or "none" of them yet.

    Chapter: *Convergence*.

    >>> kind_of(np.array([1.0, -1.0]), Teacher((1, -1), windows=2, stride=1))
    'w*'
    """
    if _at_target(end[None], teacher)[0]:
        return "w*"
    if not descend(end[None], teacher, steps=1, tolerance=1e-6).finished[0]:
        return "none"
    return "minimum" if np.linalg.eigvalsh(population_hessian(end, teacher))[0] > 1e-6 else "saddle"


def draw_landscape(teacher: Teacher, path: np.ndarray) -> str:
    """Draw the loss over all filters of two numbers in bands of grey, the marked starts, and a descent.

    A start is filled if its descent reaches w*, and hollow if it ends elsewhere.

    Args:
        teacher: the labels.
        path: the filters of a descent, of shape (steps + 1, 2).

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Convergence*.

    >>> teacher = Teacher((1, -1), windows=2, stride=1)
    >>> "w*" in draw_landscape(teacher, descent_path((1.0, 1.0), teacher))
    True
    """
    svg = svg_document(WIDTH, TOP + SIDE + LINE + 6)
    length = float(np.linalg.norm(teacher.target))
    add_text(svg, MARGIN, LINE - 6, "w₂, up; darker is a larger loss")
    add_text(svg, WIDTH - MARGIN, TOP + SIDE + LINE, "w₁", anchor="end")
    add_text(svg, MARGIN, TOP + SIDE + LINE, "● reaches w*")
    add_text(svg, 200, TOP + SIDE + LINE, "○ ends elsewhere")
    add_pixels(svg, _bands(teacher), (MARGIN, TOP, SIDE, SIDE))
    add_path(svg, rectangle(MARGIN, TOP, SIDE, SIDE), fill="none", stroke=RULE)
    there = _at_target(_marked(teacher).ends, teacher)
    for wanted, colour in ((True, INK), (False, "#FFFFFF")):
        chosen = [_place(np.array(start) / 10) for start, at in zip(STARTS, there) if at == wanted]
        add_path(svg, "".join(_circle(place, 6) for place in chosen), fill=colour, stroke=INK, stroke_width="1.5")
    first, *between, last = _thin([_place(each) for each in path / length])
    places = [first, *((round(x), round(y)) for x, y in between), last]
    add_path(svg, polyline(places), fill="none", stroke=BOUND_COLOUR, stroke_width="3", stroke_linejoin="round")
    add_path(svg, _circle(places[0], 9), fill="none", stroke=BOUND_COLOUR, stroke_width="3")
    add_path(svg, _circle(places[-1], 8), fill=BOUND_COLOUR)
    for point, name in ((np.zeros(2), "0"), (np.array(teacher.target) / length, "w*")):
        left, top = _place(point)
        add_path(svg, f"M{short(left - 8)} {short(top)}h16M{short(left)} {short(top - 8)}v16", stroke=INK, fill="none")
        add_text(svg, left + 12, top + 7, name, bold=True)
    return serialize(svg)


@cache
def _marked(teacher: Teacher) -> Descents:
    return descend([_start(teacher, x, y) for x, y in STARTS], teacher, tolerance=1e-7)


def _start(teacher: Teacher, x: int, y: int) -> np.ndarray:
    return np.array([x, y]) / 10 * float(np.linalg.norm(teacher.target))


def _at_target(ends: np.ndarray, teacher: Teacher) -> np.ndarray:
    target = np.array(teacher.target)
    return np.asarray(np.linalg.norm(ends - target, axis=1) < 1e-2 * np.linalg.norm(target))


@cache
def _bands(teacher: Teacher) -> np.ndarray:
    """Compute the bands of the loss as greys: white at w*, dark at 1.69 times the loss at 0 and beyond."""
    along = ((np.arange(PIXELS) + 0.5) / PIXELS * 2 - 1) * EDGE / 10 * np.linalg.norm(teacher.target)
    filters = np.stack(np.meshgrid(along, along[::-1]), axis=-1)  # (row, column, 2)
    heights = population_loss(filters, teacher) / population_loss(np.zeros(2), teacher)  # 1 at the filter 0
    band = np.floor(np.sqrt(heights.clip(0, 1.69) / 1.69) * (BANDS - 0.01))
    return np.asarray(255 - 9 * band, np.uint8)


def _place(point: np.ndarray) -> Place:
    """Place a filter, in units of |w*|, on the picture."""
    x, y = (float(each) * 10 / EDGE for each in point)
    return MARGIN + (1 + x) * SIDE / 2, TOP + (1 - y) * SIDE / 2


def _field(x: int, y: int) -> Box:
    left, top = _place(np.array([x, y]) / 10)
    half = SIDE / 2 * COLUMNS.step / 2 / EDGE
    return left - half, top - half, 2 * half, 2 * half


def _circle(place: Place, radius: int) -> str:
    left, top = place
    return f"M{short(left - radius)} {short(top)}" + "".join(
        f"a{radius} {radius} 0 1 0 {across} 0" for across in (2 * radius, -2 * radius)
    )


def _thin(places: list[Place]) -> list[Place]:
    """Leave out the places of a path that lie within one unit of the line between those that stay."""
    (left, top), (right, bottom) = places[0], places[-1]
    across, down = right - left, bottom - top
    length = float(np.hypot(across, down)) or 1.0
    away = [abs((x - left) * down - (y - top) * across) / length for x, y in places]
    farthest = int(np.argmax(away))
    if away[farthest] <= 1:
        return [places[0], places[-1]]
    return _thin(places[: farthest + 1])[:-1] + _thin(places[farthest:])


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")
