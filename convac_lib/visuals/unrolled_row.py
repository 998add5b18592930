"""One row of an unrolled network: every copy of every node, above one square for each patch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from convac_lib.theory.unrolled import unroll
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE

if TYPE_CHECKING:  # a figure needs no matplotlib before it is drawn
    from matplotlib.axes import Axes

    from convac_lib.architecture import Architecture

LARGEST = 1000  # vertices of the whole unrolled network; a row of more does not fit


def unrolled_row(axes: Axes, architecture: Architecture, prices: Mapping[tuple[int, int], str]) -> Axes:
    """Draw one row of the unrolled network as a tree, with the nodes of a cut in blue.

    Windows are products of an interval of rows and one of columns. So the whole unrolled network is this row times
    itself: a pair of a vertex for the row and one for the column is an instance.

    Args:
        axes: where to draw.
        architecture: the network, of at most 1,000 vertices when unrolled.
        prices: what each node of the cut costs, by layer (0 for the patches) and column; all its copies are marked.

    Returns:
        The same axes.

    Raises:
        BudgetError: if the unrolled network is larger.

    Chapter: *How much overlap is enough*.

    >>> from matplotlib.figure import Figure
    >>> from convac_lib import common_case
    >>> axes = unrolled_row(Figure().subplots(), common_case(B=2, M=2, size=4), {(1, 1): "C"})
    >>> [text.get_text() for text in axes.texts][:4]
    ['image', '1', '2', '3']
    """
    unrolled = unroll(architecture, LARGEST)
    patches, count = architecture.size, len(unrolled.places[1])
    across = [np.arange(patches) * (count - 1) / max(1, patches - 1), np.arange(count, dtype=float)]
    for places, parents in zip(unrolled.places[2:], unrolled.parents[1:]):  # each over the middle of its children
        sums = np.bincount(parents, across[-1], len(places))
        across.append(sums / np.bincount(parents, minlength=len(places)))
    for child, parent in zip(unrolled.places[0], unrolled.parents[0]):
        axes.plot([across[0][child], across[1][parent]], [0, 1], color=RULE, linewidth=1, zorder=0)
    for level, parents in enumerate(unrolled.parents[1:], start=1):
        for child, parent in enumerate(parents):
            ends = [across[level][child], across[level + 1][parent]]
            axes.plot(ends, [level, level + 1], color=MUTED, linewidth=1, zorder=0)
    for level, xs in enumerate(across):
        nodes = range(patches) if level == 0 else unrolled.places[level].tolist()
        name = f"layer {level}" if level else "image"
        axes.annotate(name, (-1.1, level), va="center", ha="right")
        for x, node in zip(xs, nodes):
            price = prices.get((level, node))
            face, letter = (BOUND_COLOUR, "white") if price else ("white", INK)
            shape = {"boxstyle": "square,pad=.35" if level == 0 else "circle,pad=.3", "fc": face, "ec": MUTED}
            axes.annotate(str(node + 1), (x, level), va="center", ha="center", color=letter, bbox=shape)
            if price:
                axes.annotate(
                    price, (x, level), (13, -3), textcoords="offset points", color=BOUND_COLOUR, weight="bold"
                )
    axes.set(xlim=(-2.2, count - 0.3), ylim=(-0.4, len(across) - 0.6))
    axes.axis("off")
    return axes
