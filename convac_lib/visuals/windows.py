"""What the units of a network see, as rows and columns of the layers below."""

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError
from convac_lib.visuals.style import colour_of
from convac_lib.visuals.svg import Field


def unit_field(row: int, column: int) -> Field:
    """Return the field of one unit."""
    return range(row, row + 1), range(column, column + 1)


def window_below(layer: Layer, units: Field, size: int) -> Field:
    """Find the rows and columns that a field of a layer's units sees, on an input of size×size units.

    >>> window_below(Layer(3, 2, channels=1), unit_field(0, 1), size=8)
    (range(0, 3), range(2, 5))
    """

    def window(span: range) -> range:
        return range(span.start * layer.stride, min((span.stop - 1) * layer.stride + layer.receptive_field, size))

    return window(units[0]), window(units[1])


def fields_below(architecture: Architecture, position: tuple[int, int, int]) -> list[Field]:
    """List the rows and columns that a unit, given as (layer, row, column), depends on: from the image up to itself."""
    layer, row, column = position
    sizes = (architecture.size, *architecture.sizes)
    if not 1 <= layer < len(sizes) or not all(0 <= index < sizes[layer] for index in (row, column)):
        raise ArchitectureError(
            f"there is no unit {row, column} in layer {layer}; layers 1 to {len(sizes) - 1} "
            f"have {', '.join(f'{size}×{size}' for size in sizes[1:])} units"
        )
    fields = [unit_field(row, column)]
    for below, size in zip(reversed(architecture.layers[:layer]), reversed(sizes[:layer])):
        fields.append(window_below(below, fields[-1], size))
    return fields[::-1]


def last_wide_unit(architecture: Architecture) -> tuple[int, int, int]:
    """Find the top-left unit of the last layer above 1×1, as (layer, row, column)."""
    wide = [layer for layer, size in enumerate(architecture.sizes, start=1) if size > 1]
    return max(wide, default=1), 0, 0


def neighbours(architecture: Architecture, number: int) -> list[Field]:
    """Choose two neighbouring units of a layer, counted from 1, whose windows stay inside if any do; one if 1×1."""
    layer, count = architecture.layers[number - 1], architecture.sizes[number - 1]
    size = (architecture.size, *architecture.sizes)[number - 1]
    fitting = (size - layer.receptive_field) // layer.stride  # the last unit whose window is all inside
    row = max(0, min(count - 1, fitting))
    column = max(0, min(count // 2 - 1, fitting - 1))
    return [unit_field(row, column), unit_field(row, column + 1)][:count]


def overlap_colour(architecture: Architecture) -> str:
    """Return the colour of the largest receptive field that overlaps."""
    return colour_of(max((layer.receptive_field for layer in architecture.layers if layer.is_overlapping), default=1))
