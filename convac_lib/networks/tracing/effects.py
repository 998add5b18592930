"""What an operator of torch does to the map of the image that it reads: the terms of a tracer's handlers.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from convac_lib.architecture import Layer


class UnsupportedOperator(Exception):
    """An operator has no windows of one receptive field and stride, and is not the same at every pixel; says why."""


@dataclass(frozen=True)
class SpatialAxes:
    """Which axes of a tensor are the image's rows and columns.

    Args:
        size: the number of positions per row.
        axes: the axes of rows and of columns; a single one if both run along it; none if the size is 1.
    """

    size: int
    axes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.size == 1:
            object.__setattr__(self, "axes", ())


@dataclass(frozen=True)
class OperatorEffect:
    """What an operator does to the `SpatialAxes` of its input.

    Args:
        what: the operator, in words.
        spatial: the `SpatialAxes` of its output.
        role: "layer", "pointwise" or "dense".
        layer: the `Layer` that it is, if it is one.
        in_circuit: whether a ConvAC, too, has such an operator between its layers.
    """

    what: str
    spatial: SpatialAxes
    role: str = "pointwise"
    layer: Layer | None = None
    in_circuit: bool = False


def require_square(numbers: int | Sequence[int], side: str) -> int:
    """Return the one number that holds for rows and columns.

    Args:
        numbers: one number, or one for rows and one for columns.
        side: what they measure, in words.

    Raises:
        UnsupportedOperator: if they differ.

    >>> require_square((3, 3), "window")
    3
    """
    numbers = (numbers,) if isinstance(numbers, int) else tuple(numbers)
    if len(set(numbers)) > 1:
        raise UnsupportedOperator(f"its {side} is {'×'.join(map(str, numbers))}, and a layer's is square")
    return numbers[0]
