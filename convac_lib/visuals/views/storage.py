"""The explorer of storage: the size of a table of values, and the sizes of networks."""

from collections.abc import Mapping, Sequence

from convac_lib.architecture import Architecture, Layer
from convac_lib.families import baseline
from convac_lib.visuals.axes import BOTTOM, TOP, Axes, apart, draw_marker, logarithmic
from convac_lib.visuals.style import INK, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import LINE, WIDTH, add_line, add_path, add_text, polyline, readable, serialize
from convac_lib.visuals.view import View

STORAGE_SIDES = (2, 4, 8, 16, 32)


def storage_view(N: int, M: int, C: int) -> View:
    """Compare what is stored for a function of N patches: its table of values, a shallow network, a deep network.

    The shallow network has one window, the whole image: a CP decomposition of C terms. The deep one has 2×2 windows
    whose weights are shared over positions: a Hierarchical Tucker decomposition. Neither overlaps.

    Args:
        N: the number of patches, a square of one of `STORAGE_SIDES`.
        M: templates, and representation channels.
        C: the channels of every layer.

    Returns:
        The `View`.

    Chapter: *Tensors and function spaces*.

    >>> storage_view(N=16, M=4, C=8).reading
    'N = 16: the table has 4.3×10⁹ entries; the shallow network stores 520 numbers, the deep one 392.'
    """
    sizes = [(H, H**2) for H in STORAGE_SIDES]
    shallow = [(patches, Architecture(H, M, (Layer(H, H, C),)).parameters) for H, patches in sizes]
    deep = [(patches, baseline(M, H, C).parameters) for H, patches in sizes]
    table = [(patches, M**patches) for patches in range(4, 41)]
    entries, cp, tucker = M**N, dict(shallow)[N], dict(deep)[N]
    reading = (
        f"N = {N:,}: the table has {readable(entries)} entries; the shallow network stores {cp:,} numbers, "
        f"the deep one {tucker:,}."
    )
    if entries <= min(cp, tucker):
        reading += " Here the table is the smallest."
    alternative = (
        f"Numbers to store against patches, both logarithmic, for M = {M} and C = {C}. The table leaves the picture; "
        f"the shallow network grows in proportion to N, the deep one far more slowly. Marked: N = {N:,}."
    )
    picture = draw_storage(table, {"deep": deep, "shallow": shallow}, N)
    return View(picture, alternative, reading, {"table": f"{M}^{N:,}", "shallow (CP)": cp, "deep (HT)": tucker})


def draw_storage(table: Sequence[tuple[int, int]], networks: Mapping[str, Sequence[tuple[int, int]]], N: int) -> str:
    """Draw what must be stored for a function of N patches: all its values, or a network's parameters.

    Args:
        table: points (N, entries of the table), N increasing from 4, until there are more than 10¹² entries.
        networks: points (N, parameters), N up to 1,024, by name; the first is drawn solid, the second dashed.
        N: the number of patches to mark.

    Returns:
        An SVG document, 560 wide and always equally high; both axes are logarithmic and end at 10¹² numbers.

    Chapter: *Tensors and function spaces*.

    >>> picture = draw_storage([(4, 16), (50, 2**50)], {"deep": [(4, 18), (16, 34)]}, N=16)
    >>> "deep" in picture, "the table" in picture
    (True, True)
    """
    axes = Axes(logarithmic(4, 1024), logarithmic(1, 10**12), left=60, right=WIDTH - 96)
    axes.draw_grid({10**power: readable(10**power, digits=3) for power in range(0, 13, 3)})
    axes.draw_ticks({patches: f"{patches:,}" for patches, _ in next(iter(networks.values()))}, marked=N)
    axes.draw_titles("patches N", "numbers to store")
    add_line(axes.svg, axes.x_at(N), TOP, axes.x_at(N), BOTTOM, INK, width=1.5, dashes="2 4")
    inside = axes.clipped(table)
    add_path(axes.svg, polyline(inside), fill="none", stroke=SATURATION_COLOUR, stroke_width="2.5")
    add_text(axes.svg, inside[-1][0], TOP - 9, "the table", anchor="middle")
    heights = apart([axes.y_at(points[-1][1]) for points in networks.values()], LINE)
    for (name, points), dashes, height in zip(networks.items(), ("none", "9 6"), heights):
        places = {patches: axes.at(patches, stored) for patches, stored in points}
        path = polyline(places.values())
        add_path(axes.svg, path, fill="none", stroke=colour_of(1), stroke_width="3", stroke_dasharray=dashes)
        for patches, place in places.items():
            draw_marker(axes.svg, 1, place, size=8 if patches == N else 4.5, chosen=patches == N)
        add_text(axes.svg, axes.right + 14, height + 6, name)
    return serialize(axes.svg)
