"""Cuts of an unrolled network, found by maximum flow, and the labellings of its edges that they stand on.

A labelling gives each edge a side of the cut: L, the side of the rows, or R, the side of the columns. A vertex is mixed
if it has edges of both sides; for a patch, its own side counts as an edge. The mixed vertices separate the two sides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from convac_lib.theory.cuts import Cut
from convac_lib.theory.unrolled import Unrolled

UNCUT = 2**30 - 1  # a capacity that no flow exhausts, in the 32-bit integers of the maximum flow
FLOW = 2**29  # about the largest flow to which capacities are scaled


@dataclass(frozen=True, eq=False)
class Labelling:
    """A side for every edge of an unrolled network.

    Attributes:
        unrolled: the unrolled network.
        cut: P | Q.
        sides: True where the edge from the parent is labelled L, for the levels 0..L−1 of `Unrolled.up`.
    """

    unrolled: Unrolled
    cut: Cut
    sides: tuple[np.ndarray, ...]

    def has_child(self, level: int, side: bool) -> np.ndarray:
        """Whether each instance of a layer has an edge of a side to a child."""
        edges = self.sides[level - 1] == side
        found: np.ndarray = np.bincount(self.unrolled.up[level - 1], edges, len(self.unrolled.nodes[level])) > 0
        return found

    def mixed(self, level: int) -> np.ndarray:
        """Whether each instance of a layer has edges of both sides."""
        left, right = self.has_child(level, True), self.has_child(level, False)
        if level < len(self.sides):
            left, right = left | self.sides[level], right | ~self.sides[level]
        both: np.ndarray = left & right
        return both

    def mixed_copies(self, level: int) -> np.ndarray:
        """Count, for each instance of a layer, the mixed instances of its node."""
        nodes = self.unrolled.nodes[level]
        copies: np.ndarray = np.bincount(nodes, self.mixed(level)).astype(int)[nodes]
        return copies

    def mixed_patches(self) -> np.ndarray:
        """Return the numbers of the patches that have an edge of the other side."""
        in_rows = _in_rows(self.cut)
        patches = self.unrolled.nodes[0]
        return np.unique(patches[self.sides[0] != in_rows[patches]])


def _in_rows(cut: Cut) -> np.ndarray:
    in_rows = np.zeros(cut.size**2, bool)
    in_rows[list(cut.rows)] = True
    return in_rows


def smallest_cuts(unrolled: Unrolled, cut: Cut, patch: float, levels: list[np.ndarray]) -> Iterator[Labelling]:
    """Find minimum cuts by maximum flow, the one nearest to P and the one nearest to Q, with two labellings each.

    Capacities are scaled and rounded to integers, so a cut is a minimum up to about 1 in 10⁷; a labelling is exact.

    Args:
        unrolled: the unrolled network.
        cut: P | Q.
        patch: the capacity of a patch.
        levels: the capacities of the instances of the layers 1..L.
    """
    ends = _ends(unrolled)
    own = _in_rows(cut)[unrolled.nodes[0]]
    graph = _graph(unrolled, cut, patch, levels, ends)
    residual = graph - maximum_flow(graph, 0, 1).flow
    residual.eliminate_zeros()
    for start, arcs in enumerate((residual, residual.T.tocsr())):
        reached = np.zeros(graph.shape[0], bool)
        reached[breadth_first_order(arcs, start, return_predecessors=False)] = True
        near_rows = ~reached if start else reached
        inside, outside = ([near_rows[numbers] for numbers in level] for level in ends)
        patches = near_rows[2 + unrolled.nodes[0]]
        # An edge between two vertices of the cut may have either label.
        upwards = [outside[level] | outside[level + 1][up] for level, up in enumerate(unrolled.up[1:])]
        yield Labelling(unrolled, cut, ((patches & own) | outside[0][unrolled.up[0]], *upwards))
        upwards = [inside[level] & inside[level + 1][up] for level, up in enumerate(unrolled.up[1:])]
        yield Labelling(unrolled, cut, ((patches | own) & inside[0][unrolled.up[0]], *upwards))


def _ends(unrolled: Unrolled) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Number the entrances and exits of all instances, layer by layer, after source, sink and patches."""
    counts = [len(nodes) for nodes in unrolled.nodes[1:]]
    starts = 2 + unrolled.architecture.size**2 + 2 * np.cumsum([0, *counts[:-1]])
    entrances = [np.arange(start, start + count) for start, count in zip(starts, counts)]
    return entrances, [numbers + len(numbers) for numbers in entrances]


def _graph(
    unrolled: Unrolled, cut: Cut, patch: float, levels: list[np.ndarray], ends: tuple[list[np.ndarray], ...]
) -> csr_array:
    """Make the graph whose minimum cut between source 0 and sink 1 is that of the vertices of the unrolled network."""
    (entrances, exits), in_rows = ends, _in_rows(cut)
    patches, edges, reads = 2 + np.arange(len(in_rows)), 2 + unrolled.nodes[0], unrolled.up[0]
    own = in_rows[unrolled.nodes[0]]
    scale = FLOW // max(1e-9, patch * min(cut.sides)) or 1  # an integer, so that integer capacities stay exact
    price = min(round(patch * scale), UNCUT)
    arcs: list[tuple[np.ndarray | int, np.ndarray | int, np.ndarray | int]] = [
        (0, patches[in_rows], price),
        (patches[~in_rows], 1, price),
        (edges[own], entrances[0][reads[own]], UNCUT),
        (exits[0][reads[~own]], edges[~own], UNCUT),
    ]
    for level, prices in enumerate(levels):
        arcs.append((entrances[level], exits[level], np.minimum(np.rint(prices * scale), UNCUT)))
    for level, up in enumerate(unrolled.up[1:]):
        arcs.append((exits[level], entrances[level + 1][up], UNCUT))
        arcs.append((exits[level + 1][up], entrances[level], UNCUT))
    tails, heads, capacities = (np.concatenate(parts) for parts in zip(*(np.broadcast_arrays(*arc) for arc in arcs)))
    vertices = int(exits[-1][-1]) + 1
    return csr_array((capacities.astype(np.int32), (tails, heads)), shape=(vertices, vertices))
