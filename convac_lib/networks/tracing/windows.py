"""What a tensor sees of the image: along each axis of the image, one interval, and where it lies in the tensor.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from convac_lib.architecture import Layer


class UnsupportedOperator(Exception):
    """An operator has no windows of one receptive field and stride, and is not the same at every pixel; says why."""


@dataclass(frozen=True)
class Window:
    """The windows of a map along one axis: position i sees start + i·stride, …, start + i·stride + side − 1.

    Args:
        start: where the first window begins; negative if padding comes before the image.
        side: the length of a window.
        stride: the step between windows; 0 if all positions have the same one.

    Chapter: *The overlap theorem*.
    """

    start: int = 0
    side: int = 1
    stride: int = 1

    def above(self, below: "Window") -> "Window":
        """Return the windows over the image of a map that has these windows over another map.

        Args:
            below: that map's own windows over the image.

        >>> Window(-1, 3, 2).above(Window(-3, 7, 2))        # padding 1, 3 wide, stride 2, above padding 3, 7 wide
        Window(start=-5, side=11, stride=4)
        """
        start, side = below.start + self.start * below.stride, below.side + (self.side - 1) * below.stride
        return Window(start, side, self.stride * below.stride)

    @property
    def end(self) -> int:
        """The first position after the first window."""
        return self.start + self.side


SAME = Window()


@dataclass(frozen=True)
class Step:
    """One operation of a traced model on a tensor that was computed from the image.

    Attributes:
        where: the name of the module that did it, or the model's class.
        what: the operation, in words.
        role: "layer", "representation", "pointwise", "join", "dense", "off the path" (a layer of another branch),
            "left out" (what the path cannot hold, and what is the same at every pixel), "not mapped", or "above"
            something that is not mapped.
        windows: of a layer, its windows over its input, one `Window` per axis of the image.
        channels: of a layer, its output channels.
        sizes: of a layer, the sides of its output.
        seen: of a layer, the windows of its output over the image.
        in_circuit: whether a ConvAC has such a step at this place.

    Chapter: *The overlap theorem*.
    """

    where: str
    what: str
    role: str
    windows: tuple[Window, ...] = ()
    channels: int = 1
    sizes: tuple[int, ...] = ()
    seen: tuple[Window, ...] = ()
    in_circuit: bool = False

    @property
    def layer(self) -> Layer | None:
        """The `Layer` that it is, if it is a layer whose windows have equal sides and equal strides; None otherwise."""
        if len({(window.side, window.stride) for window in self.windows}) != 1:
            return None
        return Layer(self.windows[0].side, self.windows[0].stride, self.channels)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Place:
    """Where one axis of the image lies in a tensor: an index i along `axis` is the position (i // inner) mod size.

    Args:
        axis: the tensor's axis.
        inner: how many entries of that axis belong to one position before the next begins.
    """

    axis: int
    inner: int = 1


@dataclass(frozen=True)
class End:
    """The last map of a path with more than one pixel: where a gradient is sent back to check the path.

    Args:
        edge: autograd's edge of that map; None if it has no gradient.
        shape: the map's.
        dtype: its type of numbers.
        state: the map's `PathState`.
    """

    edge: Any
    shape: tuple[int, ...]
    dtype: Any
    state: "PathState"


@dataclass(frozen=True)
class PathState:
    """What is known of a tensor that was computed from the image: its windows, and the layers that made them.

    Args:
        image: the sides of the image that the path starts from, and its channels.
        sizes: how many positions the tensor has along each axis of the image.
        places: where they lie in it; None along an axis with one position.
        windows: what they see of the image.
        layers: the path's layers, by the numbers of their steps.
        unread: the numbers of the steps on which it depends and which are not mapped.
        lost: whether the path ended, so that windows and sizes are those of the tensor at which it did.
        dense: whether a linear map has mixed all positions.
        end: the last map with more than one pixel, once there is a step above it.
    """

    image: tuple[tuple[int, ...], int]
    sizes: tuple[int, ...]
    places: tuple[Place | None, ...]
    windows: tuple[Window, ...]
    layers: tuple[tuple[int, Step], ...] = ()
    unread: frozenset[int] = frozenset()
    lost: bool = False
    dense: bool = False
    end: End | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        places = tuple(place if size > 1 else None for place, size in zip(self.places, self.sizes))
        object.__setattr__(self, "places", places)

    @property
    def is_point(self) -> bool:
        """Whether it has one position only, so that whatever reads it moves no pixel."""
        return set(self.sizes) == {1}

    @property
    def rank(self) -> tuple[bool, int, int]:
        """What the path prefers where it may choose: maps over points, larger maps, and wider fields."""
        return not self.lost, prod(self.sizes), sum(window.side for window in self.windows)

    def moved(self, by: int) -> "PathState":
        """Return the state of the same tensor with `by` axes more in front."""
        places = tuple(place and replace(place, axis=place.axis + by) for place in self.places)
        return replace(self, places=places)


@dataclass(frozen=True)
class OperatorEffect:
    """What an operator does to the `PathState` of its input.

    Args:
        what: the operator, in words.
        sizes: the positions of its output along each axis of the image.
        places: where they lie.
        windows: its windows over its input.
        role: "layer", "pointwise" or "dense".
        channels: of a layer, its output channels.
        in_circuit: whether a ConvAC, too, has such an operator between its layers.
        dense: whether it is a linear map of all positions.
        picks: whether it only leaves pixels out.
    """

    what: str
    sizes: tuple[int, ...]
    places: tuple[Place | None, ...]
    windows: tuple[Window, ...]
    role: str = "pointwise"
    channels: int = 1
    in_circuit: bool = False
    dense: bool = False
    picks: bool = False


def kept(state: PathState, what: str, role: str = "pointwise", *, in_circuit: bool = False) -> OperatorEffect:
    """Return the effect of an operator that leaves every pixel where it is.

    Args:
        state: the input's.
        what: the operator, in words.
        role: as in `OperatorEffect`.
        in_circuit: as in `OperatorEffect`.
    """
    return OperatorEffect(what, state.sizes, state.places, (SAME,) * len(state.sizes), role, in_circuit=in_circuit)


def by(numbers: Iterable[int]) -> str:
    """Write sides as in 3×3.

    >>> by((1, 7)), by([5])
    ('1×7', '5')
    """
    return "×".join(map(str, numbers))
