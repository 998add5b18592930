"""The overlap of a network's layers, from the image up, as one picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from convac_lib.visuals.axes import BOTTOM, TOP, Axes, linear, logarithmic
from convac_lib.visuals.style import INK, MUTED, OTHER_COLOUR, colour_of
from convac_lib.visuals.svg import LETTER, WIDTH, add_path, add_text, rectangle, serialize

if TYPE_CHECKING:  # a picture of a record needs no torch
    from convac_lib.networks.tracing.network import TracedNetwork

KINDS = {"overlapping": colour_of(3), "non-overlapping": colour_of(1), "skipping": OTHER_COLOUR}
WORDS = {"overlapping": "R > S: overlap", "non-overlapping": "R = S: none", "skipping": "R < S: skips"}
LEAST, LARGEST = 0.5, 100  # of the overlap that the picture's scale holds


@dataclass(frozen=True)
class LayerGeometry:
    """What one layer of a network reads, along each axis of the image.

    Args:
        what: the layer, in words.
        receptive_fields: R.
        strides: S.
        total_receptive_fields: T_R.
        total_strides: T_S.

    Chapter: *The overlap theorem*.

    >>> layer = LayerGeometry("convolution", (3, 3), (2, 2), (7, 7), (4, 4))
    >>> layer.kind, layer.overlap
    ('overlapping', Fraction(7, 4))
    """

    what: str
    receptive_fields: tuple[int, ...]
    strides: tuple[int, ...]
    total_receptive_fields: tuple[int, ...]
    total_strides: tuple[int, ...]

    @property
    def kind(self) -> str:
        """Whether neighbouring windows share positions along some axis, along none, or leave some out."""
        pairs = list(zip(self.receptive_fields, self.strides))
        if any(R > S for R, S in pairs):
            return "overlapping"
        return "skipping" if any(R < S for R, S in pairs) else "non-overlapping"

    @property
    def overlap(self) -> Fraction:
        """T_R/T_S, along the axis where it is largest."""
        return max(map(Fraction, self.total_receptive_fields, self.total_strides))


def layers_of(traced: TracedNetwork) -> list[LayerGeometry]:
    """Return the geometry of a traced network's layers.

    Args:
        traced: what `from_torch` returned.

    Chapter: *The overlap theorem*.
    """
    return [
        LayerGeometry(
            str(step),
            tuple(window.side for window in step.windows),
            tuple(window.stride for window in step.windows),
            tuple(window.side for window in seen),
            tuple(window.stride for window in seen),
        )
        for step, seen in zip(traced.path, traced.windows)
    ]


def layers_in(record: Sequence[Mapping[str, Any]]) -> list[LayerGeometry]:
    """Return the geometry of a record's layers.

    Args:
        record: for each layer, its `what` and, for each axis, its `R`, `S`, `T_R` and `T_S`.

    Chapter: *The overlap theorem*.

    >>> layers_in([{"what": "patches", "R": [16], "S": [16], "T_R": [16], "T_S": [16]}])[0].kind
    'non-overlapping'
    """
    return [LayerGeometry(each["what"], *(tuple(each[name]) for name in ("R", "S", "T_R", "T_S"))) for each in record]


def draw_overlap_by_layer(layers: Sequence[LayerGeometry], name: str, *, whole: bool = True) -> str:
    """Draw the degree of overlap T_R/T_S of every layer, a bar for each, in the colour of what its own window does.

    Args:
        layers: from the image up.
        name: the network's.
        whole: whether the network was read whole; otherwise the picture says that it was not.

    Returns:
        An SVG document, 560 wide and always equally high; the scale of the overlap is logarithmic and ends at 100.

    Chapter: *The overlap theorem*.

    >>> layer = LayerGeometry("convolution", (3, 3), (1, 1), (3, 3), (1, 1))
    >>> "T_R / T_S of one layer" in draw_overlap_by_layer([layer], "one layer")
    True
    """
    axes = Axes(linear(0.5, len(layers) + 0.5), logarithmic(LEAST, LARGEST), left=58, right=WIDTH - 18)
    title = name if whole else f"{name}: read in part"
    axes.draw_grid({value: str(value) for value in (1, 3, 10, 30, 100)})
    axes.draw_ticks(_ticks(len(layers)))
    axes.draw_titles("layer, from the image up", f"T_R / T_S of {title}"[: WIDTH // LETTER + 4])
    step = axes.x_at(2) - axes.x_at(1)
    for kind, colour in KINDS.items():
        bars = "".join(
            _bar(axes, number, layer, (0.72 if len(layers) <= 60 else 1) * step)
            for number, layer in enumerate(layers, start=1)
            if layer.kind == kind
        )
        if bars:
            add_path(axes.svg, bars, fill=colour)
    axes.draw_level(1, INK, width=1.5)
    _draw_legend(axes.svg, {layer.kind for layer in layers})
    return serialize(axes.svg)


def _bar(axes: Axes, number: int, layer: LayerGeometry, width: float) -> str:
    """Write the bar of a layer as a path."""
    top = axes.y_at(max(float(layer.overlap), LEAST))
    return rectangle(axes.x_at(number) - width / 2, top, width, BOTTOM - top)


def _ticks(count: int) -> dict[float, str]:
    """Choose the numbers of layers that are written below the picture: the first, the last, and round ones between."""
    step = next(size for size in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if count / size <= 9)
    between = [number for number in range(step, count, step) if count - number > 0.6 * step and number > 0.6 * step]
    return {float(number): str(number) for number in sorted({1, *between, count}) if number in (1, count) or number > 1}


def _draw_legend(svg: ElementTree.Element, kinds: set[str]) -> None:
    x = 66.0
    for kind in (kind for kind in KINDS if kind in kinds):
        add_path(svg, rectangle(x, TOP - 14, 14, 14), fill=KINDS[kind])
        add_text(svg, x + 20, TOP - 1, WORDS[kind], fill=MUTED)
        x += 20 + 10.4 * len(WORDS[kind]) + 12
