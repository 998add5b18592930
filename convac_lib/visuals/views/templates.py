"""The explorer of templates: what M is, and how a table of one value for each choice of templates grows as M^N."""

from collections.abc import Sequence
from xml.etree import ElementTree

from convac_lib.checks import require_integers
from convac_lib.visuals.style import INK, LIT
from convac_lib.visuals.svg import (
    FONT,
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_path,
    add_text,
    rectangle,
    serialize,
    svg_document,
)
from convac_lib.visuals.templates import MOTIFS, add_table, add_template
from convac_lib.visuals.view import View

LARGEST_N = 16
PATCH, GAP = 34, 10  # of the row of templates
TITLES = 3 * LINE + PATCH  # the baseline of the titles of the image and of the table
TOP = TITLES + 12  # of the image and of the table
IMAGE, LARGEST_PATCH = 216, 72  # the sides of the image and of its patches, at most
TABLE, LEAST_CELL, LARGEST_CELL = 272, 4, 34  # the sides of the table and of its cells
HEIGHT = TOP + TABLE + 2 * LINE + 14


def templates_view(M: int, N: int) -> View:
    """Show M templates, an image of N patches that each show one of them, and a table with one cell per such image.

    The table has M^N cells: its rows number the choices for the first half of the patches, its columns those for the
    second half. Patch n, counted from 1, shows template 1 + (n(n+1)/2 mod M). A table with more than 68 columns does
    not fit: the picture then shows the table for as many first patches as fit, and says how many such tables it takes.

    Args:
        M: templates, 2 to 8.
        N: patches, 1 to 16.

    Returns:
        The `View`.

    Raises:
        ConvacError: if M or N is out of these bounds.

    Source: talk, slide "Measure Efficiency via Grid Tensors". Chapter: *Tensors and function spaces*.

    >>> templates_view(M=3, N=4).reading
    'M = 3, N = 4: each of 4 patches shows one of 3 templates, so there are 3·3·3·3 = 81 images, each with a value.'
    """
    require_integers(least=2, most=len(MOTIFS), M=M)
    require_integers(most=LARGEST_N, N=N)
    shows = [n * (n + 1) // 2 % M for n in range(1, N + 1)]
    factors = "·".join([str(M)] * N) if N <= 4 else f"{M}{_raised(N)}"
    every, equal = (f"each of {N} patches", f" = {M**N:,}") if N > 1 else ("the one patch", "")
    reading = (
        f"M = {M}, N = {N}: {every} shows one of {M} templates, so there are {factors}{equal} images, "
        "each with a value."
    )
    return View(_draw(M, shows), _alternative(M, shows), reading, {"M^N": M**N})


def _alternative(M: int, shows: Sequence[int]) -> str:
    N, fitting = len(shows), _fitting(M, len(shows))
    chosen = ", ".join(str(template + 1) for template in shows)
    image = f"{N} patches, which show the templates" if N > 1 else "one patch, which shows template"
    if fitting == N:
        table = f"A table of {M**N:,} cells, one per image; the cell of this image is marked."
    else:
        table = (
            f"A table of {M**fitting:,} cells for patches 1 to {fitting}; the whole table of {M**N:,} cells, one per "
            f"image, takes {M ** (N - fitting):,} such tables."
        )
    return f"{M} templates. An image of {image} {chosen}. {table}"


def _draw(M: int, shows: Sequence[int]) -> str:
    N, svg = len(shows), svg_document(WIDTH, HEIGHT)
    add_text(svg, MARGIN, FONT, f"M = {M} templates")
    for number in range(M):
        left = MARGIN + number * (PATCH + GAP)
        add_template(svg, number, left, LINE + 4, PATCH)
    add_text(svg, MARGIN, TITLES, f"image of N = {N} {'patches' if N > 1 else 'patch'}")
    down = max(divisor for divisor in range(1, N + 1) if N % divisor == 0 and divisor**2 <= N)
    side = min(LARGEST_PATCH, IMAGE * down // N)
    for patch, template in enumerate(shows):
        row, column = divmod(patch, N // down)
        add_template(svg, template, MARGIN + column * side, TOP + row * side, side)
    _draw_table(svg, M, shows)
    words = f"{M}{_raised(N)} = {M**N:,} values" if N > 1 else f"{M} values"
    add_text(svg, WIDTH - MARGIN, HEIGHT - 8, words, anchor="end", bold=True)
    fitting = _fitting(M, N)
    if fitting < N:
        words = f"{M ** (N - fitting):,} tables like this one:"
        add_text(svg, WIDTH - MARGIN, HEIGHT - 8 - LINE, words, anchor="end")
    return serialize(svg)


def _draw_table(svg: ElementTree.Element, M: int, shows: Sequence[int]) -> None:
    """Draw the table of all images, or of as many first patches as fit, and mark the image that is shown."""
    fitting = _fitting(M, len(shows))
    rows, columns = _sides(M, fitting)
    cell = min(LARGEST_CELL, TABLE // max(rows, columns))
    left = WIDTH - MARGIN - TABLE
    title = "one cell per image" if fitting == len(shows) else f"patches 1 to {fitting} only"
    add_text(svg, left, TITLES, title)
    add_table(svg, left, TOP, rows, columns, cell)
    row, column = (_number(M, part) for part in (shows[: fitting // 2], shows[fitting // 2 : fitting]))
    around = max(0, 10 - cell) / 2  # so that a small cell is seen
    place = left + column * cell - around, TOP + row * cell - around, cell + 2 * around, cell + 2 * around
    add_path(svg, rectangle(*place), fill=LIT, stroke=INK, stroke_width="2")


def _fitting(M: int, N: int) -> int:
    """Count the first patches whose table fits."""
    return next(n for n in range(N, 0, -1) if max(_sides(M, n)) <= TABLE // LEAST_CELL)


def _sides(M: int, N: int) -> tuple[int, int]:
    """Return the rows and columns of the table: the choices for the first half of the patches, and for the rest."""
    return M ** (N // 2), M ** (N - N // 2)


def _number(M: int, choices: Sequence[int]) -> int:
    """Number the choices of templates in lexicographic order, from 0."""
    number = 0
    for choice in choices:
        number = number * M + choice
    return number


def _raised(N: int) -> str:
    return str(N).translate(SUPERSCRIPTS)
