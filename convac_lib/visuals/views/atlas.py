"""The explorer of the atlas: certified ranks of the common case over B, beside the bounds and the talk's formula."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from convac_lib.visuals.axes import TOP, Axes, apart, draw_marker, linear, logarithmic
from convac_lib.visuals.style import BOUND_COLOUR, INK, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import LINE, WIDTH, add_line, add_path, add_text, polyline, readable, serialize, short
from convac_lib.visuals.view import Value, View

if TYPE_CHECKING:  # cells are only read here
    from convac_lib.theory.atlas import AtlasEntry


def atlas_view(atlas: Sequence[AtlasEntry], size: int, M: int, B: int, C: str, cut: str) -> View:
    """Show one cell of the atlas among those of the other B: what is certified, and what becomes of the talk's formula.

    Args:
        atlas: its cells, from `read_atlas`.
        size: H, the side of the image, in patches.
        M: representation channels.
        B: the receptive field of the stride-1 layers.
        C: the channels of every layer, "M" or "2M".
        cut: "left-right" or "interleaved".

    Returns:
        The `View`.

    Chapter: *The overlap theorem*.
    """
    channels = {"M": M, "2M": 2 * M}[C]
    row = [cell for cell in atlas if (cell.size, cell.M, cell.channels, cell.cut) == (size, M, channels, cut)]
    row.sort(key=lambda cell: cell.B)
    cell = next(cell for cell in row if cell.B == B)
    rank = f"rank {'≥ ' if cell.status == 'at least' else ''}{cell.rank:,}"
    proved, by = max((cell.theorem or 1, "theorem"), (cell.chain or 1, "chain bound"))
    if proved > cell.rank:
        rank += f" by certificate, ≥ {readable(proved)} by the {by}"
    if max(cell.rank, proved) == cell.upper:
        rank += ", and no weights give more"
    else:
        rank += f", ≤ {readable(cell.upper)} by the min cut"
    limit = readable(row[0].upper)
    values: dict[str, Value] = {
        "rank": cell.rank,
        "is": cell.status,
        "theorem": readable(cell.theorem) if cell.theorem else "does not apply",
        "chain": readable(cell.chain) if cell.chain else "does not apply",
        "at most": readable(cell.upper),
        "talk's formula": readable(cell.formula) if cell.formula else "does not apply",
        "formula is": cell.claim or "not claimed",
        "without overlap, at most": limit,
        "certificate": cell.certificate[:16],
    }
    reading = f"B = {B}: {rank}; without overlap, at most {limit}. {_verdict(cell)}"
    return View(draw_atlas_row(row, B), f"{_ranks_in_words(row)} Marked: B = {B}.", reading, values)


def _ranks_in_words(row: Sequence[AtlasEntry]) -> str:
    """List the ranks of a row for readers who do not see the picture."""
    first, fields = row[0], ", ".join(str(cell.B) for cell in row)
    ranks = ", ".join(f"{'at least ' if cell.status == 'at least' else ''}{cell.rank:,}" for cell in row)
    return (
        f"Ranks of the common case over B = {fields}, on a logarithmic scale, for a {first.size}×{first.size} image, "
        f"M = {first.M}, C = {first.channels}, across the cut {first.cut}: {ranks}."
    )


def _verdict(cell: AtlasEntry) -> str:
    """Say what is known of the talk's formula at a cell."""
    if cell.formula is None or cell.claim is None:
        return "The talk claims nothing for this cut."
    verdict = {
        "proved": ", which is proved here.",
        "open": ", more than was sampled: open here.",
        "false": ", more than the matricization has rows: false at this size.",
        "vacuous": ", which networks without overlap reach too: it says nothing here.",
    }
    return f"The talk's formula asks for {readable(cell.formula)}{verdict[cell.claim]}"


def draw_atlas_row(cells: Sequence[AtlasEntry], marked: int) -> str:
    """Draw what is known of the common case at one size, M, C and cut, over B: ranks, bounds and the talk's formula.

    Args:
        cells: of the atlas, one for each B from 1, B increasing.
        marked: the B that the reader chose.

    Returns:
        An SVG document, 560 wide and always equally high; ranks on a logarithmic scale. A rank of which rows were only
        sampled points upwards.

    Chapter: *The overlap theorem*.
    """
    decades, step = (5.3, 1) if cells[0].size <= 4 else (13, 3)
    axes = Axes(linear(1, cells[-1].B), logarithmic(1, 10**decades), left=56, right=WIDTH - 118, inset=34)
    axes.draw_grid({10**power: readable(10**power, digits=3) for power in range(0, int(decades) + 1, step)})
    axes.draw_ticks({cell.B: str(cell.B) for cell in cells}, marked=marked)
    axes.draw_titles("B, receptive field", "rank")
    levels = _draw_upper_bounds(axes, cells) | _draw_bounds(axes, cells)
    heights = apart([height for height, _ in levels.values()], LINE)
    for (name, (_, colour)), height in zip(levels.items(), heights):
        add_text(axes.svg, axes.right + 6, height + 6, name, fill=colour)
    for cell in cells:
        x, y = axes.at(cell.B, cell.rank)
        if cell.status == "at least":
            arrow = f"M{short(x)} {short(y - 10)}v-18m-6 7l6-7 6 7"
            add_path(axes.svg, arrow, fill="none", stroke=INK, stroke_width="2")
        chosen = cell.B == marked
        draw_marker(axes.svg, cell.B, (x, y), size=9 if chosen else 6, chosen=chosen)
    return serialize(axes.svg)


def _draw_upper_bounds(axes: Axes, cells: Sequence[AtlasEntry]) -> dict[str, tuple[float, str]]:
    """Draw the saturation and the most without overlap; return the height and the colour of each by name."""
    saturation, limit = cells[0].M ** (cells[0].size ** 2 // 2), cells[0].upper
    levels = {"no overlap": (axes.y_at(limit), colour_of(1))}
    if axes.y_scale(saturation) <= 1:
        axes.draw_level(saturation, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
        levels["saturation"] = axes.y_at(saturation), SATURATION_COLOUR
    else:
        words = f"↑ saturation {readable(saturation)}"
        add_text(axes.svg, axes.right, LINE - 8, words, anchor="end", fill=SATURATION_COLOUR)
    axes.draw_level(limit, colour_of(1), width=2)
    return levels


def _draw_bounds(axes: Axes, cells: Sequence[AtlasEntry]) -> dict[str, tuple[float, str]]:
    """Draw the talk's formula and the bounds of each B; return the height and the colour of each that there is."""
    levels = {}
    formulas = [(cell.B, cell.formula) for cell in cells if cell.formula]
    if formulas:
        path = polyline(axes.clipped(formulas))
        add_path(axes.svg, path, fill="none", stroke=BOUND_COLOUR, stroke_width="2.5", stroke_dasharray="7 5")
        levels["formula"] = float(TOP), BOUND_COLOUR
    for cell in cells:
        if cell.B > 1 and cell.upper < cell.M ** (cell.size**2 // 2) and axes.y_scale(cell.upper) <= 1:
            x, y = axes.at(cell.B, cell.upper)
            add_line(axes.svg, x - 22, y, x + 22, y, INK, width=2)
            levels["at most"] = y, INK
        proved = max(cell.theorem or 1, cell.chain or 1)
        if proved > 1 and axes.y_scale(proved) <= 1:
            x, y = axes.at(cell.B, proved)
            add_line(axes.svg, x - 22, y, x + 22, y, BOUND_COLOUR, width=4)
            levels["at least"] = y, BOUND_COLOUR
    return levels
