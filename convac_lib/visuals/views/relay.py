"""The explorer of the theorem's one network, layer by layer: how it hands two one-hots on and compares them."""

from collections.abc import Sequence
from xml.etree import ElementTree

import numpy as np

from convac_lib.theory.relay import Relay, Unit, relay_of
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_line,
    add_path,
    add_text,
    lattice,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

LARGEST = 8  # the side of the largest image that is drawn
SIDE, LARGEST_CELL, GRIDS_TOP = 232, 58, 142
LEFTS = MARGIN, WIDTH - MARGIN - SIDE
RAIL_TOP, RAIL_HEIGHT = MARGIN, 34
OPACITIES = {(1, True): "1", (0, True): ".15", (1, False): ".42", (0, False): ".07"}  # of a channel: (value, clear)
SQUARE, ROW, HOLDS_TOP = 26, 34, GRIDS_TOP + SIDE + 40


def relay_view(step: int, B: int, M: int, size: int = 8, templates: str = "equal") -> View | None:
    """Show one layer of the overlap theorem's one network: what it reads, and what its units hold.

    The network is the witness of the common case with C = 2M channels. A step is a layer: 0 is the image and L+1 the
    dense layer. One pair of patches is followed; of the other pairs, both patches show the same template.

    Args:
        step: 0 to L+1, where L is the number of layers.
        B: the receptive field of the stride-1 layers.
        M: representation channels, at least 2.
        size: H, the side of the image, in patches: 2, 4 or 8.
        templates: "equal" or "different": what the followed pair shows.

    Returns:
        The `View`, on whose upper line every step can be pointed at; None if there is no such step, or the image is
        larger than 8×8.

    Source: talk, slide "Overlapping Efficiency" (Theorem); the weights are ours. Chapter: *The overlap theorem*.

    >>> relay_view(step=3, B=2, M=2).reading
    'B = 2, layer 3: channel c of a unit is 1 if both one-hots are c. Here channel 1 is 1: the two patches are equal.'
    """
    if size > LARGEST or not 0 <= step <= 2 * size.bit_length() - 1:
        return None
    relay = relay_of(B, M, size, equal=templates == "equal")
    (row, column), (_, far) = relay.left[0], relay.far[0]
    held = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in relay.holds(step).items())
    count = len(relay.values[step][0])
    layer = f"The image of {count}×{count} patches, cut down the middle, each with a small square per template"
    if step:
        layer = f"Beside what it reads, its {count}×{count} units, each with its channels as small squares"
    alternative = (
        f"{_heading(relay, step)}. {layer}, dark for 1. Outlined is what holds the one-hots of the patches in row "
        f"{row + 1}, columns {column + 1} and {far + 1}: {held}."
    )
    values: dict[str, Value] = {
        "part of the proof": relay.part(step) or "–",
        "pairs, e": len(relay.witness.left),
        **{f"{name} one-hot": "–" for name in ("left", "far")},
        "channels compared": "–",
        "value": "–",
    }
    names = {"left": "left one-hot", "far": "far one-hot", "both": "channels compared", "value": "value"}
    values |= {names[name]: " ".join(map(str, channels)) for name, channels in relay.holds(step).items()}
    spots = [(_rail_box(relay, number), {"step": number}) for number in range(relay.last + 2)]
    return View(draw_relay(relay, step, colour=colour_of(B)), alternative, _reading(relay, step, B), values, spots)


def _heading(relay: Relay, step: int) -> str:
    part = relay.part(step)
    if step == 0:
        return "The image: a one-hot in every patch"
    name = "The dense layer" if step > relay.last else f"Layer {step}"
    does = {"3a": "hands two one-hots on", "3b": "compares the two", "3c": "adds the channels", "3d": "multiplies"}
    return f"{part}. {name} {does[part]}" if part else f"{name} returns the product"


def _reading(relay: Relay, step: int, B: int) -> str:
    part, e = relay.part(step), len(relay.witness.left)
    (row, column), (_, far) = relay.left[0], relay.far[0]
    above = f"B = {B}, layer {step}"
    if step == 0:
        templates = "the same template" if relay.equal else "different templates"
        return (
            f"B = {B}: the patches in row {row + 1}, columns {column + 1} and {far + 1}, make one of {e} pairs across "
            f"the cut, and show {templates}."
        ).replace("make one of 1 pairs", "are the only pair")
    if part == "3a":
        steps = (1, *relay.witness.circuit.architecture.total_strides)
        reach = sum((t - 1) * stride for t, stride in zip(relay.windows[:step], steps))
        return (
            f"{above}: a unit holds the one-hot of its top-left patch, and that of the patch {_columns(reach)} to the "
            "right of it; where that lies outside the image, ones."
        )
    if part == "3b":
        ones = [c for c, value in enumerate(relay.holds(step)["both"]) if value]
        here = f"channel {ones[0]} is 1: the two patches are equal" if ones else "no channel is 1: the patches differ"
        return f"{above}: channel c of a unit is 1 if both one-hots are c. Here {here}."
    (value,) = relay.holds(step)["value"]
    if step > relay.last:
        pairs = "the pair is equal" if e == 1 else f"all {e} pairs are equal"
        unequal = "the pair differs" if e == 1 else f"one of {e} pairs differs"
        return f"B = {B}: the output is {value}, because {pairs if value else unequal}."
    if part == "3c":
        return (
            f"{above}: the sum of a unit's channels is 1 if its two patches are equal, and 0 if not. The layer "
            f"multiplies these sums over its window: {value}."
        )
    why = "every pair below is equal" if value else "one pair below differs"
    return f"{above}: the product over the window is {value}, because {why}."


def _columns(number: int) -> str:
    return "one column" if number == 1 else f"{number} columns"


def draw_relay(relay: Relay, step: int, *, colour: str) -> str:
    """Draw a layer beside what it reads, each unit divided into its channels, black where a channel is 1.

    A patch has one stripe per template. Below layer K a unit has two rows of stripes: the one-hot of its left patch
    above, and that of its far patch below. Outlined are the units that hold the followed pair's one-hots: solid for
    the left patch, dashed for the far one; tinted is what they read. Their channels are written below the grids.

    Args:
        relay: the values of all layers.
        step: the layer; 0 is the image, L+1 the dense layer.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *The overlap theorem*.

    >>> "layer 3" in draw_relay(relay_of(2, 2, 8, equal=True), 3, colour=colour_of(2))
    True
    """
    svg = svg_document(WIDTH, HOLDS_TOP + 2 * ROW + LINE)
    _draw_rail(svg, relay, step, colour)
    add_text(svg, MARGIN, RAIL_TOP + RAIL_HEIGHT + 2 * LINE + 8, _heading(relay, step), bold=True)
    panels = [(LEFTS[0], 0)] if step == 0 else [(LEFTS[0], step - 1), (LEFTS[1], step)]
    for left, layer in panels:
        _draw_grid(svg, relay, layer, left, colour, read_by=step if layer < step else None)
        _draw_holds(svg, relay, layer, left)
    if step == 0:
        _draw_legend(svg, colour)
    else:
        _join(svg, relay, step, colour)
    return serialize(svg)


def _rail_box(relay: Relay, step: int) -> Box:
    """Find the place of a step in the line of all steps."""
    width = (WIDTH - 2 * MARGIN) / (relay.last + 2)
    return MARGIN + step * width, RAIL_TOP, width, RAIL_HEIGHT + LINE


def _draw_rail(svg: ElementTree.Element, relay: Relay, step: int, colour: str) -> None:
    """Draw the line of all steps, with the part of the proof under each."""
    for number in range(relay.last + 2):
        left, top, width, _ = _rail_box(relay, number)
        fill = {"fill": colour, "fill_opacity": ".38"} if number == step else {"fill": "none"}
        add_path(svg, rectangle(left, top, width, RAIL_HEIGHT), stroke=MUTED, **fill)
        name = "image" if number == 0 else "dense" if number > relay.last else str(number)
        add_text(svg, left + width / 2, top + 24, name, anchor="middle", bold=number == step)
        if part := relay.part(number):
            baseline = top + RAIL_HEIGHT + 22
            add_text(svg, left + width / 2, baseline, part, anchor="middle", fill=INK if number == step else MUTED)


def _grid(relay: Relay, layer: int, left: float) -> tuple[float, float, float, int]:
    """Find the left, the top, the cell and the count of a layer's grid, in the middle of its square."""
    count = len(relay.values[layer][0])
    cell = min(LARGEST_CELL, SIDE / count)
    inset = (SIDE - count * cell) / 2
    return left + inset, GRIDS_TOP + inset, cell, count


def _draw_grid(
    svg: ElementTree.Element, relay: Relay, layer: int, left: float, colour: str, *, read_by: int | None
) -> None:
    """Draw a layer's units by their channels, what the followed units of the next layer read, and those of its own."""
    x, y, cell, count = _grid(relay, layer, left)
    name = "image" if layer == 0 else "output" if layer > relay.last else f"layer {layer}"
    add_text(svg, left + SIDE / 2, GRIDS_TOP - 10, name, anchor="middle")
    if read_by is not None:
        tinted = {box for unit in (relay.left[read_by], relay.far[read_by]) for box in _window(relay, read_by, unit)}
        path = "".join(rectangle(x + cell * column, y + cell * row, cell, cell) for row, column in sorted(tinted))
        add_path(svg, path, fill=colour, fill_opacity=".3")
    _draw_channels(svg, relay, layer, (x, y, cell))
    add_path(svg, lattice(x, y, cell * count, count), fill="none", stroke=RULE)
    if layer == 0:
        add_line(svg, x + SIDE / 2, y - 6, x + SIDE / 2, y + SIDE + 6, INK, width=2.5)
    for (row, column), dashes in ((relay.left[layer], "none"), (relay.far[layer], "7 4")):
        box = rectangle(x + cell * column, y + cell * row, cell, cell)
        add_path(svg, box, fill="none", stroke=colour, stroke_width="4", stroke_dasharray=dashes)
        if layer >= relay.K:
            break  # one unit


def _window(relay: Relay, layer: int, unit: Unit) -> list[Unit]:
    """List the units below that a unit of a layer reads; the dense layer reads the one that is left."""
    if layer > relay.last:
        return [(0, 0)]
    architecture = relay.witness.circuit.architecture
    R, S = architecture.layers[layer - 1].receptive_field, architecture.layers[layer - 1].stride
    rows, columns = (range(index * S, min(index * S + R, len(relay.values[layer - 1][0]))) for index in unit)
    return [(row, column) for row in rows for column in columns]


def _draw_channels(svg: ElementTree.Element, relay: Relay, layer: int, grid: tuple[float, float, float]) -> None:
    """Draw the channels of every unit as small squares, dark for 1; below layer K, those not followed are pale."""
    x, y, cell = grid
    rows, D = (2 if 0 < layer < relay.K else 1), relay.witness.D if layer <= relay.K else 1
    side = max(rows, D)  # of the square that the small squares fill, with gaps of a third between them
    down, across = 1 + 2 * (side - rows), 1 + 2 * (side - D)
    followed = {
        (unit, channel) for unit, part in relay.rows(layer).values() for channel in range(part.start, part.stop)
    }
    paths = dict.fromkeys([(1, True), (0, True), (1, False), (0, False)], "")
    for channel, row, column in np.ndindex(rows * D, *relay.values[layer].shape[1:]):
        line, place = divmod(channel, D)
        left, top = (4 * side + 1) * column + across + 4 * place, (4 * side + 1) * row + down + 4 * line
        clear = layer >= relay.K or ((row, column), channel) in followed
        paths[int(relay.values[layer][channel, row, column]), clear] += rectangle(left, top, 3, 3)
    place = f"translate({short(x)} {short(y)}) scale({cell / (4 * side + 1):.4f})"
    for (value, clear), path in paths.items():
        if path:
            add_path(svg, path, fill=INK, fill_opacity=OPACITIES[value, clear], transform=place)


def _draw_holds(svg: ElementTree.Element, relay: Relay, layer: int, left: float) -> None:
    """Write the channels that matter of the followed units: a square with 0 or 1 for each, under the templates."""
    start = left + 100
    for line, (name, channels) in enumerate(relay.holds(layer).items()):
        top = HOLDS_TOP + line * ROW
        add_text(svg, left, top + 20, name)
        _draw_squares(svg, start, top, channels)
    if layer <= relay.K:
        add_text(svg, left, HOLDS_TOP - 8, "template", fill=MUTED)
        for number in range(relay.witness.D):
            add_text(svg, start + (number + 0.5) * SQUARE, HOLDS_TOP - 8, str(number), anchor="middle", fill=MUTED)


def _draw_squares(svg: ElementTree.Element, left: float, top: float, channels: Sequence[int]) -> None:
    """Draw a row of squares, each with its number, black for 1."""
    boxes = [rectangle(left + number * SQUARE, top, SQUARE, SQUARE) for number in range(len(channels))]
    add_path(svg, "".join(box for box, value in zip(boxes, channels) if value), fill=INK)
    add_path(svg, "".join(boxes), fill="none", stroke=MUTED)
    for number, value in enumerate(channels):
        middle, fill = left + (number + 0.5) * SQUARE, "#FFFFFF" if value else MUTED
        add_text(svg, middle, top + 20, str(value), anchor="middle", fill=fill)


def _draw_legend(svg: ElementTree.Element, colour: str) -> None:
    """Say how to read a patch and the two outlines, beside the image."""
    left = LEFTS[1]
    lines = ["In each patch a", "small square per", "template: dark", "if it is shown"]
    for line, words in enumerate(lines):
        add_text(svg, left, GRIDS_TOP + 20 + line * LINE, words)
    for line, (words, dashes) in enumerate((("left patch", "none"), ("far patch", "7 4"))):
        top = GRIDS_TOP + SIDE - (2 - line) * 40
        add_path(
            svg,
            rectangle(left + 2, top, SQUARE, SQUARE),
            fill="none",
            stroke=colour,
            stroke_width="4",
            stroke_dasharray=dashes,
        )
        add_text(svg, left + SQUARE + 14, top + 21, words)


def _join(svg: ElementTree.Element, relay: Relay, step: int, colour: str) -> None:
    """Join the outlined units of the layer below to those that hold their one-hots now."""
    for units, bend, dashes in ((relay.left, -60, "none"), (relay.far, 60, "7 4")):
        x, y, cell, _ = _grid(relay, step - 1, LEFTS[0])
        row, column = units[step - 1]
        start = x + cell * (column + 1), y + cell * (row + 0.5)
        x, y, cell, _ = _grid(relay, step, LEFTS[1])
        row, column = units[step]
        end = x + cell * column, y + cell * (row + 0.5)
        middle = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + bend * (step <= relay.K)
        path = (
            "M" + "Q".join(" ".join(map(short, place)) for place in (start, middle)) + " " + " ".join(map(short, end))
        )
        add_path(svg, path, fill="none", stroke=colour, stroke_width="3", stroke_dasharray=dashes)
        if step > relay.K:
            break
