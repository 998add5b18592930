"""The explorer of the count: T_R and T_S of each layer, layer K, and its e pairs on the image."""

from itertools import product
from xml.etree import ElementTree

from convac_lib.architecture import Architecture, Layer
from convac_lib.theory.pair_count import PairCount, count_pairs
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    add_line,
    add_path,
    add_text,
    lattice,
    outline,
    readable,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View
from convac_lib.visuals.views.receptive_fields import fields_of

SIDE, TOP = 256, 86  # of the image
ROW, BARS, BAR = 25, 326, 116  # of the layers: a row's height, the left end of the bars, and the length of H patches
COLUMNS = {"T_R": 483, "T_S": 536}  # by their middles
TILES_TOP, TILES, LARGEST = TOP + SIDE + 64, 100, 25  # the height for the tiles, and the largest side of a tile
SQUARE_LEFT = 316


def count_view(B: int, size: int) -> View:
    """Show how the theorem's exponent e is counted in the common case, and compare it with the talk's square.

    Layer K is the first that sees more than half of the image. Its windows move in steps of T_S, so that each tile of
    T_S×T_S patches in the left half gives one pair of patches.

    Args:
        B: the receptive field of the stride-1 layers.
        size: H, the side of the image in patches, an even number.

    Returns:
        The `View`.

    Source: talk, slide "Overlapping Efficiency" (Theorem). Chapter: *The overlap theorem*.

    >>> count_view(B=3, size=6).values["pairs, e"], count_view(B=3, size=8).values["pairs, e"]
    (6, 8)
    """
    pairs, network = count_pairs(B, size), _network(B, size)
    fields = ", ".join(map(str, network.total_receptive_fields[: pairs.layer]))
    step = f"{pairs.total_stride}×{pairs.total_stride}"
    beside = "larger" if pairs.square > pairs.exponent else "smaller"
    alternative = (
        f"A {size}×{size} image with a cut down the middle. Tiles of {step} patches, the step of layer {pairs.layer}, "
        f"cover its left half, {pairs.across} across and {pairs.down} down. The first patch of each tile pairs with "
        f"the one {pairs.window - 1} columns to its right: {pairs.exponent} pairs. Beside it, what each layer sees, in "
        f"patches: {fields}; the last number is the first above {size // 2}. Below, the tiles beside the talk's "
        f"square, which is {beside}: {readable(float(pairs.square))} tiles."
    )
    values: dict[str, Value] = {
        "layer K": str(pairs.layer),
        "T_R": pairs.total_receptive_field,
        "T_S": pairs.total_stride,
        "degree of overlap": str(pairs.degree),
        "T": pairs.window,
        "pairs, e": pairs.exponent,
        "talk's square": float(pairs.square),
    }
    return View(draw_count(B, size), alternative, _reading(pairs), values)


def _reading(pairs: PairCount) -> str:
    square, most = readable(float(pairs.square)), pairs.size**2 // 2
    if pairs.exponent >= pairs.square:
        verdict = "is not larger."
    elif pairs.square > most:
        verdict = f"is larger than H²/2 = {most}: the talk's claim is false at this size."
    else:
        verdict = "is larger: the theorem does not give the talk's claim at this size."
    if _is_twice_a_square(pairs):
        product = f"2·(H/(2·T_S))² = 2·{pairs.across}²"
    else:
        product = f"⌈H/(2·T_S)⌉·⌈H/T_S⌉ = {pairs.across}·{pairs.down}"
    return (
        f"B = {pairs.B}, H = {pairs.size}: layer {pairs.layer} is the first that sees more than half of the image, in "
        f"steps of T_S = {pairs.total_stride}. So e = {product} = {pairs.exponent}. The talk's square, {square}, "
        f"{verdict}"
    )


def _is_twice_a_square(pairs: PairCount) -> bool:
    return pairs.B > 1 and pairs.size & (pairs.size - 1) == 0


def _network(B: int, size: int) -> Architecture:
    """The common case at any even size, without its channels."""
    return Architecture(size, 1, (Layer(B, 1, 1), Layer(2, 2, 1)) * (size - 1).bit_length())


def draw_count(B: int, size: int, *, square: bool = True) -> str:
    """Draw the image with the tiles and the pairs of layer K, what each layer sees, and e tiles beside the square.

    Args:
        B: the receptive field of the stride-1 layers.
        size: H, the side of the image in patches, an even number.
        square: whether to draw the e tiles beside the talk's square.

    Returns:
        An SVG document, 560 wide; its height depends on `square` alone. The heavy box is one window of layer K, cut off
        at the image's border. A pair is a full square and a hollow one.

    Chapter: *The overlap theorem*.

    >>> "T = 5" in draw_count(B=3, size=8)
    True
    """
    pairs, network = count_pairs(B, size), _network(B, size)
    svg = svg_document(WIDTH, TILES_TOP + TILES + 8 if square else TOP + SIDE + 44)
    _draw_image(svg, pairs, network)
    _draw_layers(svg, pairs, network)
    if square:
        _draw_tiles(svg, pairs)
    return serialize(svg)


def _draw_image(svg: ElementTree.Element, pairs: PairCount, network: Architecture) -> None:
    """Draw the patches, the tiles of the left half, the pairs, one window, and the lengths T_S and T."""
    H, s, colour, patch = pairs.size, pairs.total_stride, colour_of(pairs.B), SIDE / pairs.size
    middle = MARGIN + SIDE / 2
    add_text(svg, MARGIN, 18, f"image, H = {H}")
    add_text(svg, middle, TOP - 12, "cut", anchor="middle")
    place = f"translate({MARGIN} {TOP})"
    add_path(svg, lattice(0, 0, SIDE, H), fill="none", stroke=RULE, transform=place)
    group = ElementTree.SubElement(svg, "g", {"transform": f"{place} scale({short(patch)})", "fill": "none"})
    corners = list(product(range(0, H, s), range(0, H // 2, s)))
    tiles = "".join(outline(range(row, min(row + s, H)), range(left, min(left + s, H // 2))) for row, left in corners)
    add_path(group, tiles, fill=colour, fill_opacity=".16", stroke=colour, stroke_width="1.5")
    far = pairs.window - 1
    ends = [(range(row, row + 1), range(left, left + 1)) for row, left in corners]
    add_path(group, "".join(outline(*end, inset=0.15) for end in ends), fill=colour)
    partners = (outline(rows, range(columns.start + far, columns.stop + far), inset=0.2) for rows, columns in ends)
    add_path(group, "".join(partners), stroke=colour, stroke_width="2.5")
    add_line(svg, middle, TOP - 6, middle, TOP + SIDE + 4, INK, width=2.5)
    rows, columns = fields_of(network, pairs.layer)[0]
    y, left = TOP + patch * (rows.start + 0.5), MARGIN + patch * (columns.start + 0.5)
    add_line(svg, left, y, left + patch * far, y, INK, width=2.5)
    for stroke, width in (("#FFFFFF", "5"), (INK, "3")):
        add_path(group, outline(rows, columns), stroke=stroke, stroke_width=width)
    _measure(svg, f"T_S = {s}", range(min(s, H)), patch, above=True)
    _measure(svg, f"T = {pairs.window}", range(columns.start, columns.start + pairs.window), patch, above=False)


def _measure(svg: ElementTree.Element, words: str, columns: range, patch: float, *, above: bool) -> None:
    """Mark some columns above or below the image."""
    left, right = (MARGIN + patch * at for at in (columns.start, columns.stop))
    y, baseline = (TOP - 32, TOP - 42) if above else (TOP + SIDE + 12, TOP + SIDE + 35)
    add_line(svg, left, y, right, y, INK, width=2)
    for x in (left, right):
        add_line(svg, x, y - 5, x, y + 5, INK, width=2)
    if above:
        add_text(svg, left, baseline, words, bold=True)
    else:
        add_text(svg, (left + right) / 2, baseline, words, anchor="middle", bold=True)


def _draw_layers(svg: ElementTree.Element, pairs: PairCount, network: Architecture) -> None:
    """Draw T_R of the layers up to K as bars against half of the image, and T_R and T_S as numbers."""
    left, half, right = BARS, BARS + BAR / 2, BARS + BAR
    add_text(svg, left - 40, 18, "what each layer sees")
    add_text(svg, left - 40, TOP - 30, "layer", fill=MUTED)
    for words, x in {"H/2": half, "H": right, **COLUMNS}.items():
        add_text(svg, x, TOP - 8 if x <= right else TOP - 30, words, anchor="middle", fill=MUTED)
    numbers = zip(network.total_receptive_fields[: pairs.layer], network.total_strides)
    for number, (T_R, T_S) in enumerate(numbers, start=1):
        y, chosen = TOP + ROW * number - ROW, number == pairs.layer
        colour = colour_of(pairs.B) if chosen else MUTED
        seen = rectangle(left, y + 6, BAR * min(1, T_R / pairs.size), ROW - 10)
        add_path(svg, seen, fill=colour, fill_opacity="1" if chosen else ".45")
        name = f"K={number}" if chosen else str(number)
        add_text(svg, left - 6, y + 20, name, anchor="end", bold=chosen)
        for x, word in zip(COLUMNS.values(), (T_R, T_S)):
            add_text(svg, x, y + 20, str(word), anchor="middle", bold=chosen)
    for x in (half, right):
        add_line(svg, x, TOP - 2, x, TOP + ROW * pairs.layer + 2, INK, width=1.5 if x == half else 1)


def _draw_tiles(svg: ElementTree.Element, pairs: PairCount) -> None:
    """Draw e tiles, as the left half has them, and on the same scale a square with the area (2B−1)²/4."""
    side = pairs.B - 0.5
    unit = min(LARGEST, TILES / max(pairs.down, side))
    tiles = "".join(
        rectangle(MARGIN + column * unit, TILES_TOP + row * unit, unit, unit)
        for row, column in product(range(pairs.down), range(pairs.across))
    )
    colour = colour_of(pairs.B)
    add_path(svg, tiles, fill=colour, fill_opacity=".16", stroke=colour, stroke_width="1.5")
    x = MARGIN + max(40.0, pairs.across * unit) + 12
    add_text(svg, x, TILES_TOP + 18, f"e = {pairs.across}·{pairs.down} = {pairs.exponent}", bold=True)
    if _is_twice_a_square(pairs):
        add_text(svg, x, TILES_TOP + 18 + LINE, f"= 2·({pairs.size}/{2 * pairs.total_stride})²")
    square = rectangle(SQUARE_LEFT, TILES_TOP, side * unit, side * unit)
    add_path(svg, square, fill="none", stroke=BOUND_COLOUR, stroke_width="2.5", stroke_dasharray="4 3")
    x = SQUARE_LEFT + max(40.0, side * unit) + 12
    lines = "the talk:", "((2B−1)/2)²", f"= {readable(float(pairs.square))}"
    for number, words in enumerate(lines):
        add_text(svg, x, TILES_TOP + 18 + LINE * number, words, fill=BOUND_COLOUR)
