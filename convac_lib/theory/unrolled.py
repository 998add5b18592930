"""The unrolled network: a copy of every node for each way to reach it from the top, above one vertex per patch.

An overlapping network reads a node from several windows, so that its function contains the node's value several times.
In the unrolled network, each of these times is an instance of its own, and the instances form a tree. Windows are
products of an interval of rows and one of columns, so instances are pairs of instances along either axis.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import BudgetError

LARGEST_LAYERS = 64  # each takes its turn in a search, however few instances it has
EDGES = 50  # to patches, per vertex that is allowed
COUNTED = 10**9  # vertices beyond which nobody needs their exact number


@dataclass(frozen=True, eq=False)
class Unrolled:
    """An unrolled network, with levels 0..L: the edges to the patches, then the instances of the layers 1..L.

    Attributes:
        architecture: the network.
        vertices: how many vertices it has, patches and instances.
        places: along an axis, where the node of each instance is, level by level; at level 0, the patch of each edge.
        parents: along an axis, the number of each one's parent in the next level, for the levels 0..L−1.
    """

    architecture: Architecture
    vertices: int
    places: tuple[np.ndarray, ...]
    parents: tuple[np.ndarray, ...]

    @cached_property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """The row-major number of each instance's node, level by level; at level 0, the patch of each edge."""
        sizes = (self.architecture.size, *self.architecture.sizes)
        return tuple(
            np.add.outer(places * size, places).ravel() for places, size in zip(self.places, sizes, strict=True)
        )

    @cached_property
    def up(self) -> tuple[np.ndarray, ...]:
        """The number of each one's parent in the next level, for the levels 0..L−1."""
        return tuple(
            np.add.outer(parents * len(above), parents).ravel()
            for parents, above in zip(self.parents, self.places[1:], strict=True)
        )


def count_unrolled(architecture: Architecture) -> tuple[int, int]:
    """Count the vertices of a network's unrolled form, N patches and all instances, and its edges to patches.

    Above 10⁹ vertices the count ends, with the vertices of the upper layers and no edges.

    >>> from convac_lib import common_case
    >>> [count_unrolled(common_case(B, 2, H))[0] for H, B in ((4, 2), (8, 3), (16, 3), (64, 2))]
    [66, 834, 17271, 1497526]
    """
    total, copies, inputs = architecture.size**2, [1], (architecture.size, *architecture.sizes)
    for number in reversed(range(len(architecture.layers))):
        total += sum(copies) ** 2
        if total > COUNTED:
            return total, 0
        layer, changes = architecture.layers[number], [0] * (inputs[number] + 1)
        for place, count in enumerate(copies):
            start = place * layer.stride
            changes[start] += count
            changes[min(start + layer.receptive_field, inputs[number])] -= count
        copies = list(accumulate(changes[:-1]))
    return total, sum(copies) ** 2


def unroll(architecture: Architecture, largest: int) -> Unrolled:
    """Unroll a network that ends in 1×1.

    Raises:
        BudgetError: if the network has over 64 layers, or the unrolled one has more vertices than this, or over 50
            times as many edges to patches.
    """
    vertices, edges = count_unrolled(architecture)
    for number, limit, what in (
        (len(architecture.layers), LARGEST_LAYERS, "layers"),
        (vertices, largest, "vertices"),
        (edges, EDGES * largest, "edges to patches"),
    ):
        if number > limit:
            count = f"over {COUNTED:,}" if number > COUNTED else f"{number:,}"
            raise BudgetError(
                f"a min cut is searched in unrolled networks of at most {limit:,} {what}, and this one has {count}; "
                "use a smaller image, smaller windows or fewer layers"
            )
    places, parents = [np.zeros(1, int)], list[np.ndarray]()
    inputs = (architecture.size, *architecture.sizes)
    for layer, size in zip(reversed(architecture.layers), reversed(inputs[:-1])):
        starts = places[0] * min(layer.stride, size)
        offsets = np.arange(min(layer.receptive_field, size))
        below, parent = starts[:, None] + offsets, np.repeat(np.arange(len(starts)), len(offsets))
        inside = below.ravel() < size
        places.insert(0, below.ravel()[inside])
        parents.insert(0, parent[inside])
    return Unrolled(architecture, vertices, tuple(places), tuple(parents))
