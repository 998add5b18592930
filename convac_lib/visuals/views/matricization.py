"""The explorer that folds a table of values into a matrix: a cut says which patches index the rows."""

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from flint import fmpz_mat

from convac_lib.families import baseline
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.tensors import matricize
from convac_lib.visuals.style import INK, MUTED, RULE
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_letters,
    add_path,
    add_text,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

FOLD_CUTS = {"left | right": (0, 2), "top | bottom": (0, 1), "diagonals": (0, 3), "one | rest": (0,)}
FOLD_FUNCTIONS = ("pairs", "network")
SUBSCRIPTS = "₁₂₃₄"
TABLE_TOP, TABLE_HEIGHT = LINE + 6, 34
PATCH, IMAGE_TOP = 68, 132
MATRIX_LEFT, MATRIX_TOP, MATRIX_SIDE = 262, 168, 264
LARGEST, FITS = 66, 20  # sides of a cell: of the largest, and of the smallest that has room for a digit
DIGIT = 22  # the room of a digit beside the matrix
SHADE, BAND = ".16", ".13"
GENTLE = 24  # a seed whose network has small values and, across every cut, the largest rank that C = 2 allows


class _Fold(NamedTuple):
    """A table of shape (M,)*4, the cut that folds it, its matrix, and the chosen assignment of templates 0..M−1."""

    table: np.ndarray
    cut: Cut
    matrix: np.ndarray
    chosen: tuple[int, ...]

    @property
    def M(self) -> int:
        return len(self.table)

    @property
    def rank(self) -> int:
        return int(fmpz_mat(self.matrix.tolist()).rank())

    def entry(self, templates: Sequence[int]) -> tuple[int, int]:
        """Return the row and the column of an assignment."""
        row, column = (
            int(np.ravel_multi_index([templates[patch] for patch in part], (self.M,) * len(part)))
            for part in (self.cut.rows, self.cut.columns)
        )
        return row, column


def fold_view(h: str, cut: str, entry: int, M: int = 2, C: int = 2) -> View | None:
    """Fold the table of a function's values on a 2×2 image into a matrix, by a cut, and follow one entry.

    The templates on the patches before the cut number the rows, those on the patches behind it the columns.

    Args:
        h: "pairs", which is 1 where both rows of the image show equal templates and 0 elsewhere; or "network", a
            network without overlap, of one 2×2 window, with weights 0, 1 and 2.
        cut: one of `FOLD_CUTS`.
        entry: the place of the assignment that is followed, counted from 1 in the table.
        M: templates, 2 or 3.
        C: channels of the network.

    Returns:
        The `View`, on which patches, table and matrix can be pointed at; None if the table has no such entry.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors". Chapter: *Expressive efficiency*.

    >>> fold_view("pairs", "left | right", entry=6).reading
    'Image 1 2 / 1 2: h = 0, in row 1 1 and column 2 2. Across left | right, the table is a 4×4 matrix of rank 4.'
    >>> fold_view("pairs", "top | bottom", entry=6).values["rank"]
    1
    """
    if entry > M**4:
        return None
    table = table_of(h, M, C)
    split = make_cut(FOLD_CUTS[cut], 2)
    chosen = tuple(int(d) for d in np.unravel_index(entry - 1, table.shape))
    fold = _Fold(table, split, matricize(table, split), chosen)
    m, n = fold.matrix.shape
    value = int(table[chosen])
    d = [str(template + 1) for template in chosen]
    row, column = (" ".join(d[patch] for patch in part) for part in (split.rows, split.columns))
    reading = (
        f"Image {d[0]} {d[1]} / {d[2]} {d[3]}: h = {value}, in row {row} and column {column}. "
        f"Across {cut}, the table is a {m}×{n} matrix of rank {fold.rank}."
    )
    ones = f", with {np.count_nonzero(fold.matrix)} ones" if h == "pairs" else ""
    alternative = (
        f"The {M**4} values of {_formula(h, C)} in a row, and folded across {cut} into a {m}×{n} matrix of rank "
        f"{fold.rank}{ones}. Marked in both: templates {', '.join(d)}, value {value}."
    )
    values: dict[str, Value] = {"value": value, "matrix": f"{m}×{n}", "rank": fold.rank}
    return View(draw_fold(table, split, chosen, _formula(h, C)), alternative, reading, values, _spots(fold))


@cache
def table_of(h: str, M: int, C: int) -> np.ndarray:
    """Compute the table of a function of four patches.

    Args:
        h: "pairs" or "network", as for `fold_view`.
        M: templates.
        C: channels of the network.

    Returns:
        Integers of shape (M, M, M, M).

    Chapter: *Expressive efficiency*.

    >>> int(table_of("pairs", M=2, C=2)[0, 0, 1, 1])
    1
    """
    if h == "pairs":
        d1, d2, d3, d4 = np.indices((M,) * 4)
        pairs: np.ndarray = (d1 == d2) & (d3 == d4)
        return pairs.astype(int)
    network = baseline(M, 2, C)
    weight = np.random.default_rng(GENTLE).integers(0, 3, (C, M, 2, 2))
    values = Circuit(network, [weight], np.ones((1, C))).grid_tensor()
    return values.astype(int)  # small integers, which float64 holds exactly


def draw_fold(table: np.ndarray, cut: Cut, chosen: tuple[int, ...], name: str) -> str:
    """Draw a table of values in one row, the image that it is about, and the matrix into which a cut folds it.

    One entry is outlined in table and matrix. Its row and its column of the matrix are shaded, and bars under the table
    show where the entries of its row come from.

    Args:
        table: integers, of shape (M, M, M, M).
        cut: P | Q of a 2×2 image, from `make_cut`.
        chosen: the templates of the outlined entry, counted from 0.
        name: what the function is called.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Expressive efficiency*.

    >>> "16 values of h" in draw_fold(table_of("pairs", 2, 2), make_cut([0, 2], 2), (0, 1, 0, 1), "h")
    True
    """
    fold = _Fold(table, cut, matricize(table, cut), chosen)
    svg = svg_document(WIDTH, MATRIX_TOP + MATRIX_SIDE + MARGIN + 2)
    _draw_table(svg, fold, name)
    _draw_image(svg, fold)
    _draw_bands(svg, fold)
    m, n = fold.matrix.shape
    _draw_cells(svg, fold.matrix, [_entry(fold, r, q) for r, q in np.ndindex(m, n)])
    _draw_digits(svg, fold)
    _outline(svg, _entry(fold, *fold.entry(chosen)))
    return serialize(svg)


def _draw_table(svg: ElementTree.Element, fold: _Fold, name: str) -> None:
    """Draw all values in a row, in lexicographic order, with bars under those of the chosen row of the matrix."""
    places = list(np.ndindex(fold.table.shape))
    boxes = [_cell(fold.M, number) for number in range(len(places))]
    add_text(svg, MARGIN, LINE - 6, f"{fold.table.size} values of {name}")
    _draw_cells(svg, fold.table, boxes)
    row, below = fold.entry(fold.chosen)[0], TABLE_TOP + TABLE_HEIGHT + 5
    mates = [box for box, place in zip(boxes, places) if fold.entry(place)[0] == row]
    add_path(svg, "".join(rectangle(left + 1, below, width - 2, 6) for left, _, width, _ in mates), fill=INK)
    add_text(svg, MARGIN, below + LINE + 2, "bars: the values of one row", fill=MUTED)
    _outline(svg, boxes[places.index(fold.chosen)])


def _draw_image(svg: ElementTree.Element, fold: _Fold) -> None:
    """Draw the image, with the templates of every patch and the chosen one; patches that number the rows are shaded."""
    add_path(svg, "".join(rectangle(*_patch(patch)) for patch in fold.cut.rows), fill=INK, fill_opacity=SHADE)
    add_path(svg, "".join(rectangle(*_patch(patch)) for patch in range(4)), fill="none", stroke=MUTED)
    for patch, template in enumerate(fold.chosen):
        left, top, side, _ = _patch(patch)
        add_text(svg, left + side / 2, top + 24, _letter(patch), anchor="middle", fill=MUTED)
        width = side / fold.M
        add_path(svg, rectangle(left + template * width, top + side / 2, width, side / 2), fill=INK)
        for d in range(fold.M):
            middle, fill = left + (d + 0.5) * width, "#FFF" if d == template else MUTED
            add_text(svg, middle, top + side - 10, str(d + 1), anchor="middle", fill=fill, bold=d == template)
    parts = {"rows": (fold.cut.rows, SHADE), "columns": (fold.cut.columns, "0")}
    for number, (words, (part, opacity)) in enumerate(parts.items()):
        y = IMAGE_TOP + 2 * PATCH + (number + 1) * (LINE + 7)
        add_path(svg, rectangle(MARGIN, y - 17, 18, 18), fill=INK, fill_opacity=opacity, stroke=MUTED)
        add_text(svg, MARGIN + 26, y, f"{words} {' '.join(map(_letter, part))}")
    m, n = fold.matrix.shape
    add_text(svg, MARGIN, IMAGE_TOP + 2 * PATCH + 3 * (LINE + 9), f"{m}×{n}, rank {fold.rank}", bold=True)


def _draw_bands(svg: ElementTree.Element, fold: _Fold) -> None:
    """Shade the digits of the chosen row and of the chosen column."""
    left, top, side, _ = _entry(fold, *fold.entry(fold.chosen))
    wide, high = (len(part) * DIGIT + 4 for part in (fold.cut.rows, fold.cut.columns))
    across = rectangle(MATRIX_LEFT - wide, top, wide, side)
    down = rectangle(left, MATRIX_TOP - high, side, high)
    add_path(svg, across + down, fill=INK, fill_opacity=BAND)


def _draw_digits(svg: ElementTree.Element, fold: _Fold) -> None:
    """Write the templates of every row left of it, and of every column above it; in narrow ones, of the chosen one."""
    rows, columns, side = fold.cut.rows, fold.cut.columns, _entry(fold, 0, 0)[2]
    chosen = fold.entry(fold.chosen)
    down, across = (range(n) if side > FITS else [at] for n, at in zip(fold.matrix.shape, chosen))
    xs = [MATRIX_LEFT - (len(rows) - at - 0.5) * DIGIT - 2 for at in range(len(rows))]
    for patch, x in zip(rows, xs):
        add_text(svg, x, MATRIX_TOP - 10, _letter(patch), anchor="middle", fill=MUTED)
    for number in down:
        add_letters(svg, xs, MATRIX_TOP + (number + 0.5) * side + 7, _digits(number, fold.M, len(rows)))
    middles = [MATRIX_LEFT + (number + 0.5) * side for number in across]
    above = [_digits(number, fold.M, len(columns)) for number in across]
    for at, patch in enumerate(columns):
        y = MATRIX_TOP - (len(columns) - 1 - at) * DIGIT - 8
        add_letters(svg, middles, y, "".join(digits[at] for digits in above))
        add_text(svg, MATRIX_LEFT + fold.matrix.shape[1] * side + 6, y, _letter(patch), fill=MUTED)


def _draw_cells(svg: ElementTree.Element, values: np.ndarray, boxes: Sequence[Box]) -> None:
    """Draw values as cells, from white for the smallest to ink for the largest; of two templates, with their digits."""
    low, high = int(values.min()), int(values.max())
    entries = values.ravel().tolist()
    for value in sorted(set(entries)):
        opacity = short((value - low) / ((high - low) or 1))
        path = "".join(rectangle(*box) for box, entry in zip(boxes, entries) if entry == value)
        add_path(svg, path, fill=INK, fill_opacity=opacity, stroke=RULE)
    for (left, top, width, height), value in zip(boxes, entries):
        if len(entries) == 16:
            dark = 2 * (value - low) > high - low
            words = str(value)
            add_text(svg, left + width / 2, top + height / 2 + 7, words, anchor="middle", fill="#FFF" if dark else INK)


def _outline(svg: ElementTree.Element, box: Box) -> None:
    """Mark a cell by a frame that is seen on white and on ink."""
    for stroke, width in (("#FFF", "6"), (INK, "3")):
        add_path(svg, rectangle(*box), fill="none", stroke=stroke, stroke_width=width)


def _spots(fold: _Fold) -> list[tuple[Box, dict[str, Value]]]:
    """List what can be pointed at: every template of every patch, and every entry of table and matrix."""
    places = list(np.ndindex(fold.table.shape))
    numbers = {place: number + 1 for number, place in enumerate(places)}
    spots: list[tuple[Box, dict[str, Value]]] = []
    for patch, d in product(range(4), range(fold.M)):
        left, top, side, _ = _patch(patch)
        turned = (*fold.chosen[:patch], d, *fold.chosen[patch + 1 :])
        spots.append(((left + d * side / fold.M, top, side / fold.M, side), {"entry": numbers[turned]}))
    for place, number in numbers.items():
        spots.append((_cell(fold.M, number - 1), {"entry": number}))
        spots.append((_entry(fold, *fold.entry(place)), {"entry": number}))
    return spots


def _formula(h: str, C: int) -> str:
    return "[d₁ = d₂]·[d₃ = d₄]" if h == "pairs" else f"a network, C = {C}"


def _digits(number: int, M: int, patches: int) -> str:
    """Write the templates of a row or a column, counted from 1."""
    return "".join(str(d + 1) for d in np.unravel_index(number, (M,) * patches))


def _letter(patch: int) -> str:
    return f"d{SUBSCRIPTS[patch]}"


def _cell(M: int, number: int) -> Box:
    """Find the place of a value in the row of all values."""
    width = (WIDTH - 2 * MARGIN) / M**4
    return MARGIN + number * width, TABLE_TOP, width, TABLE_HEIGHT


def _patch(patch: int) -> Box:
    """Find the place of a patch of the image."""
    return MARGIN + patch % 2 * PATCH, IMAGE_TOP + patch // 2 * PATCH, PATCH, PATCH


def _entry(fold: _Fold, row: int, column: int) -> Box:
    """Find the place of an entry of the matrix, whose cells are squares."""
    side = min(LARGEST, MATRIX_SIDE / max(fold.matrix.shape))
    return MATRIX_LEFT + column * side, MATRIX_TOP + row * side, side, side
