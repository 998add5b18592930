"""Read the layers of a path as square ones, which an `Architecture` has: 1×7 and 7×1 together are one window of 7×7.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError
from convac_lib.networks.tracing.windows import SAME, Step, by


@dataclass(frozen=True)
class SquareLayer:
    """One layer of an architecture, and the steps of the model that it was read from.

    Attributes:
        layer: the `Layer`.
        steps: the steps, from the image up.

    Chapter: *The overlap theorem*.
    """

    layer: Layer
    steps: tuple[Step, ...]

    @property
    def side(self) -> int:
        """The side of the model's own output there."""
        return self.steps[-1].sizes[0]

    def __str__(self) -> str:
        return " + ".join(map(str, self.steps))


def square_layers(path: Sequence[Step], sides: tuple[int, ...]) -> list[SquareLayer]:
    """Return a path's layers as square ones; neighbours whose windows are not are taken together until they are.

    Args:
        path: the path's layers.
        sides: the image's.

    Raises:
        ArchitectureError: if the image is not square, or no square comes of the last layers.
    """
    if len(sides) != 2:
        axes = {1: "one axis", 3: "three axes"}.get(len(sides), f"{len(sides)} axes")
        raise ArchitectureError(
            f"the network reads an image of {axes}, and an architecture's has rows and columns; "
            "the network's `windows` hold what every layer sees"
        )
    if sides[0] != sides[1]:
        raise ArchitectureError(
            f"an architecture's image is square, and this one is {by(sides)}; "
            "make its sides equal, or use the network's `windows`, which hold what every layer sees"
        )
    found, group, over = [], [], (SAME, SAME)
    for step in path:
        group.append(step)
        over = (step.windows[0].above(over[0]), step.windows[1].above(over[1]))
        if (over[0].side, over[0].stride, step.sizes[0]) == (over[1].side, over[1].stride, step.sizes[-1]):
            found.append(SquareLayer(Layer(over[0].side, over[0].stride, step.channels), tuple(group)))
            group, over = [], (SAME, SAME)
    if group:
        raise ArchitectureError(
            f"from {group[0]} on, windows stay {over[0].side}×{over[1].side} with stride "
            f"{over[0].stride}×{over[1].stride}, and an architecture's are square; "
            "the network's `windows` hold both sides"
        )
    return found


def architecture_of(side: int, channels: int, layers: Sequence[SquareLayer], borders: frozenset[str]) -> Architecture:
    """Return the architecture, with the border under which the sizes are the model's own, if there is one.

    Args:
        side: the image's.
        channels: the image's, or those of the representation.
        layers: from the image up.
        borders: the borders of the generalized convolutions among the layers.
    """
    plain, own = tuple(each.layer for each in layers), tuple(each.side for each in layers)
    for border in sorted(borders - {"neutral"}) or ("neutral", "valid"):
        try:
            architecture = Architecture(side, channels, plain, border)
        except ArchitectureError:  # a window that does not fit
            continue
        if architecture.sizes == own:
            return architecture
    return Architecture(side, channels, plain)
