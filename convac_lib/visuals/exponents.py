"""What is known of the rank's exponent in each cell of the atlas, and by which evidence: one figure of all of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from convac_lib.theory.atlas import AtlasEntry
from convac_lib.visuals.style import MUTED, RULE, colour_of

if TYPE_CHECKING:  # drawn by whoever has matplotlib
    from matplotlib.axes import Axes

TENTH = 10
BAR, HEIGHT, SMALL = 0.88, 0.3, 9  # the width and the height of a cell's bar, where a cell is 1×1; points


@dataclass(frozen=True)
class KnownExponent:
    """What is known of the exponent e of a rank M^e: that it lies between two numbers, and by which evidence.

    Attributes:
        least: the proved lower bound, rounded down to a tenth.
        most: the proved upper bound, rounded up to a tenth.
        evidence: "exact" if the lower bound is the upper one; "theorem" or "chain" if the lower bound is that of the
            theorem or the chain bound; "sample" if all sampled rows are independent, so that the bound is the size of
            the sample; "certified" if some are dependent.

    Chapter: *Is a little overlap all you need?*
    """

    least: Fraction
    most: Fraction
    evidence: str


def known_exponent(cell: AtlasEntry, upper: int | None = None) -> KnownExponent:
    """Read from a cell of the atlas what is known of the rank's exponent.

    Args:
        cell: the cell.
        upper: a proved upper bound on its rank that the atlas does not know.

    Returns:
        The `KnownExponent`.

    Chapter: *Is a little overlap all you need?*

    >>> from convac_lib.files import results_path
    >>> from convac_lib.theory.atlas import read_atlas
    >>> cells = {cell.place: cell for cell in read_atlas(results_path("atlas.csv"))}
    >>> known_exponent(cells[16, 4, 5, 4, "left-right"])
    KnownExponent(least=Fraction(64, 1), most=Fraction(977, 10), evidence='chain')
    """
    theorem, chain, M = cell.theorem or 1, cell.chain or 1, cell.M
    least, most = max(cell.rank, theorem, chain), min(cell.upper, upper or cell.upper)
    if least == most:
        evidence = "exact"
    elif least > cell.rank:
        evidence = "theorem" if theorem == least else "chain"
    else:
        evidence = "sample" if cell.rank == cell.rows else "certified"
    tenths = _tenths(most, M)
    rounded_up = tenths + (M**tenths < most**TENTH)
    return KnownExponent(Fraction(_tenths(least, M), TENTH), Fraction(rounded_up, TENTH), evidence)


def _tenths(rank: int, M: int) -> int:
    """Find the largest integer k with M^(k/10) ≤ rank, exactly."""
    power, exponent = M, 0
    while power <= rank**TENTH:
        power, exponent = power * M, exponent + 1
    return exponent


def exponent_table(axes: Axes, known: Mapping[tuple[int, int], Mapping[int, KnownExponent]]) -> Axes:
    """Draw what is known of the exponents as a table of bars, one row per image and M, one column per B.

    A bar is as long as the largest exponent, H²/2. It is filled up to the lower bound, empty above the upper bound, and
    grey in between, where the exponent is not known. The number over it is the lower bound, with its evidence.

    Args:
        axes: where to draw.
        known: for each (size, M), what is known for each B; every row has the same B.

    Returns:
        The same axes.

    Chapter: *Is a little overlap all you need?*

    >>> from matplotlib.figure import Figure
    >>> exact = KnownExponent(Fraction(1), Fraction(1), "exact")
    >>> axes = exponent_table(Figure().subplots(), {(4, 2): {1: exact}})
    >>> [text.get_text() for text in axes.texts]
    ['B = 1', '4×4, M = 2', '1', ' exact', 'of 8']
    """
    columns = list(next(iter(known.values())))
    for column, B in enumerate(columns):
        axes.annotate(f"B = {B}", (column, -0.1), weight="bold")
    top, before = 0.0, None
    for (size, M), cells in known.items():
        top += 0.35 if before not in (None, size) else 0
        before, saturated = size, size * size // 2
        axes.annotate(f"{size}×{size}, M = {M}", (-0.08, top + 0.78), ha="right", va="center")
        for column, B in enumerate(columns):
            _draw_cell(axes, column, top, B, cells[B], saturated)
        axes.annotate(f"of {saturated}", (len(columns) - 0.06, top + 0.78), va="center", color=MUTED)
        top += 1
    axes.set(xlim=(-1.06, len(columns) + 0.42), ylim=(top, -0.5))
    axes.axis("off")
    return axes


def _draw_cell(axes: Axes, column: int, top: float, B: int, known: KnownExponent, saturated: int) -> None:
    """Draw a bar and the words over it, in the cell whose upper left corner is (column, top)."""
    exact = known.evidence == "exact"
    least, most = (BAR * float(exponent / saturated) for exponent in (known.least, known.most))
    bar: dict[str, Any] = {"y": top + 0.62, "height": HEIGHT, "left": column, "align": "edge"}
    axes.barh(width=most, color=RULE, hatch=None if exact else "////", edgecolor="white", lw=0, **bar)
    axes.barh(width=least, color=colour_of(B), **bar)
    axes.barh(width=BAR, fill=False, edgecolor=MUTED, lw=0.8, **bar)
    number = f"{float(known.least):.1f}".removesuffix(".0")
    words, weight = (number, "bold") if exact else (f"≥ {number}", "normal")
    written = axes.annotate(words, (column, top + 0.55), size=SMALL, weight=weight)
    axes.annotate(f" {known.evidence}", (1, 0), xycoords=written, va="bottom", size=SMALL, color=MUTED)
