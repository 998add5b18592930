"""The explorer of the chain theorem: the chains that one overlapping layer links, and the rank they prove."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from string import ascii_lowercase
from xml.etree import ElementTree

from convac_lib.families import common_case
from convac_lib.theory.bounds import talk_formula
from convac_lib.theory.chain_witness import chain_witness
from convac_lib.theory.min_cut import rank_exponent
from convac_lib.visuals.style import BOUND_COLOUR, INK, MUTED, RULE, SATURATION_COLOUR, colour_of
from convac_lib.visuals.svg import (
    LETTER,
    LINE,
    MARGIN,
    SUPERSCRIPTS,
    WIDTH,
    add_letters,
    add_line,
    add_path,
    add_text,
    lattice,
    readable,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

LARGEST = 16  # the side of the largest image that is drawn
IMAGE, IMAGE_TOP, WORDS_LEFT = 240, 10, 270
ROW_TOP, LARGEST_PATCH = IMAGE_TOP + IMAGE + 82, 60
BARS_TOP, BARS_LEFT, BAR, BETWEEN = ROW_TOP + LARGEST_PATCH + 94, 152, 26, 12


def chain_view(B: int, size: int, M: int) -> View | None:
    """Show the chains of patches that the first layer of the common case links, and the rank that they prove.

    The network has C = M channels. Beside the chains stand the talk's bound, the exponent of M in the limit of large
    M = C, and the most that any network can have.

    Args:
        B: the receptive field of the stride-1 layers.
        size: H, the side of the image, in patches: a power of two.
        M: representation channels.

    Returns:
        The `View`; None if the image is larger than 16×16.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> chain_view(B=3, size=4, M=2).reading
    'B = 3: 2 chains in each of 4 rows prove rank 2⁸, the largest there is. The talk’s bound is 2^6.25.'
    """
    if size > LARGEST:
        return None
    architecture = common_case(B, M, size)
    chains, talk = chain_witness(architecture).chains, talk_formula(B, M).exponent
    e, kappa, most = len(chains), rank_exponent(architecture), size * size // 2
    values: dict[str, Value] = {
        "chains": e,
        "rank at least": _power(M, e),
        "talk's bound": f"{M}^{float(talk):g}" + (" (false)" if talk > most else ""),
        "exponent as M → ∞": kappa,
        "largest exponent": most,
    }
    rows = "; ".join(", ".join(str(patch + 1) for patch in chain) for chain in chains if chain[0] < size)
    alternative = (
        f"An image of {size}×{size} patches, cut down the middle, with {e} chains of patches. "
        + (f"The chains of the first row join the columns {rows}. " if e else "")
        + f"Below, bars for exponents of M out of {most}: the talk's bound {float(talk):g}, the chains {e}, and the "
        f"limit {kappa} for large M = C."
    )
    picture = draw_chains(chains, size, M, talk=talk, kappa=kappa, colour=colour_of(B))
    return View(picture, alternative, _reading(B, size, M, e, talk, kappa), values)


def _reading(B: int, size: int, M: int, e: int, talk: Fraction, kappa: int) -> str:
    most = size * size // 2
    if not e:
        return f"B = {B}: a window sees one patch and compares nothing. There is no chain, and the bound is 1."
    chains = f"{e // size} chain{'s' if e > size else ''} in each of {size} rows prove{'' if e > size else 's'}"
    rank = f"rank {_power(M, e)}, the largest there is" if e == most else f"a rank of at least {_power(M, e)}"
    proves = f"B = {B}: {chains} {rank}"
    if talk > most:
        return f"{proves}. The talk’s bound, {M}^{float(talk):g}, is more than any function has here."
    limit = "" if e == most else f" As M = C grows, the exponent tends to {kappa}."
    return f"{proves}. The talk’s bound is {M}^{float(talk):g}.{limit}"


def _power(base: int, exponent: int) -> str:
    return f"{base}{str(exponent).translate(SUPERSCRIPTS)}"


def draw_chains(
    chains: Sequence[tuple[int, ...]], size: int, M: int, *, talk: Fraction, kappa: int, colour: str
) -> str:
    """Draw the image with all chains, one row of it enlarged, and the exponents of M as bars.

    A line joins the patches of a chain, a dot for each. In the enlarged row, the patches of a chain bear its letter,
    and a bracket is the window of layer 1 that compares its two ends across the cut.

    Args:
        chains: the patches of each chain, by row-major numbers, from left to right; every row has as many chains.
        size: H, the side of the image, in patches.
        M: how many templates a chain tells apart.
        talk: the exponent of the talk's bound, a dashed outline.
        kappa: the exponent of M in the limit of large M = C, the pale bar.
        colour: the network's colour, from `colour_of`.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *How much overlap is enough*.

    >>> chains = chain_witness(common_case(B=3, M=2, size=4)).chains
    >>> "4 rows × 2 chains" in draw_chains(chains, 4, 2, talk=Fraction(25, 4), kappa=8, colour=colour_of(3))
    True
    """
    e = len(chains)
    svg = svg_document(WIDTH, BARS_TOP + 3 * BAR + 2 * BETWEEN + LINE + 8)
    _draw_image(svg, chains, size, colour)
    lines = [
        f"{size} rows × {e // size} chain{'' if e == size else 's'}",
        f"= {e} chains",
        "",
        "so the rank is at least",
    ]
    lines += [f"{_power(M, e)} = {readable(M**e)}"] if e else ["1"]
    for number, words in enumerate(lines):
        add_text(svg, WORDS_LEFT, IMAGE_TOP + 70 + number * LINE, words, bold=number in (1, 4))
    _draw_row(svg, [chain for chain in chains if chain[0] < size], size, colour)
    _draw_bars(
        svg, {"talk's bound": talk, "chains": Fraction(e), "as M → ∞": Fraction(kappa)}, size * size // 2, colour
    )
    return serialize(svg)


def _draw_image(svg: ElementTree.Element, chains: Sequence[tuple[int, ...]], size: int, colour: str) -> None:
    """Draw the image, and in every row its chains, at heights of their own."""
    cell, per_row = IMAGE / size, max(1, len(chains) // size)
    add_path(svg, lattice(MARGIN, IMAGE_TOP, IMAGE, size), fill="none", stroke=RULE)
    lines, dots = "", ""
    for number, chain in enumerate(chains):
        y = short(chain[0] // size + (number % per_row + 1) / (per_row + 1))
        lines += f"M{chain[0] % size + 0.5:g} {y}H{chain[-1] % size + 0.5:g}"
        dots += "".join(f"M{patch % size + 0.5:g} {y}h0" for patch in chain)
    if lines:
        place = f"translate({MARGIN} {IMAGE_TOP}) scale({short(cell)})"
        dot = max(1.8, min(9.0, 0.7 * cell / (per_row + 1)))
        add_path(svg, lines, transform=place, fill="none", stroke=colour, stroke_width=short(dot / 3))
        add_path(
            svg, dots, transform=place, fill="none", stroke=colour, stroke_width=short(dot), stroke_linecap="round"
        )
    middle = MARGIN + IMAGE / 2
    add_line(svg, middle, IMAGE_TOP - 8, middle, IMAGE_TOP + IMAGE + 8, INK, width=2.5)


def _draw_row(svg: ElementTree.Element, chains: Sequence[tuple[int, ...]], size: int, colour: str) -> None:
    """Draw the first row enlarged: each patch with its chain's letter, and the links of the first chain heavy."""
    cell = min(LARGEST_PATCH, (WIDTH - 2 * MARGIN) / size)
    add_text(svg, MARGIN, ROW_TOP - 50, "one row:")
    for number, chain in reversed([*enumerate(chains)]):
        heavy = number == 0
        for one, other in pairwise(chain):
            start, end = (MARGIN + (place + 0.5) * cell for place in (one, other))
            arc = f"M{short(start)} {ROW_TOP}Q{short((start + end) / 2)} {ROW_TOP - 64} {short(end)} {ROW_TOP}"
            add_path(svg, arc, fill="none", stroke=colour if heavy else RULE, stroke_width="4" if heavy else "1.5")
    first = chains[0] if chains else ()
    path = "".join(rectangle(MARGIN + place * cell, ROW_TOP, cell, cell) for place in first)
    if path:
        add_path(svg, path, fill=colour, fill_opacity=".38")
    boxes = "".join(rectangle(MARGIN + place * cell, ROW_TOP, cell, cell) for place in range(size))
    add_path(svg, boxes, fill="none", stroke=MUTED)
    for number, chain in enumerate(chains):
        places = [MARGIN + (place + 0.5) * cell for place in chain]
        add_letters(svg, places, ROW_TOP + cell / 2 + 7, ascii_lowercase[number] * len(chain))
    middle, bottom = MARGIN + size * cell / 2, ROW_TOP + cell
    add_line(svg, middle, ROW_TOP - 4, middle, bottom + 26, INK, width=2.5)
    if first:
        one, other = next((one, other) for one, other in pairwise(first) if one < size // 2 <= other)
        left, right = MARGIN + one * cell + 3, MARGIN + (other + 1) * cell - 3
        bracket = f"M{short(left)} {bottom + 6}v8H{short(right)}v-8"
        add_path(svg, bracket, fill="none", stroke=colour, stroke_width="3")
        words, room = "a window of layer 1", size * cell
        width = len(words) * LETTER
        start = max(MARGIN, min(middle + 8, MARGIN + max(room, width) - width))
        add_text(svg, start, bottom + 14 + LINE, words)


def _draw_bars(svg: ElementTree.Element, exponents: dict[str, Fraction], most: int, colour: str) -> None:
    """Draw the exponents as bars on an even scale, up to the largest; the talk's bound is an outline."""
    right = WIDTH - 70
    styles = [
        {"fill": "none", "stroke": BOUND_COLOUR, "stroke_width": "2.5", "stroke_dasharray": "7 5"},
        {"fill": colour},
        {"fill": colour, "fill_opacity": ".38"},
    ]
    add_text(svg, MARGIN, BARS_TOP - 12, "exponents of M")
    for number, ((name, exponent), look) in enumerate(zip(exponents.items(), styles)):
        top, length = BARS_TOP + number * (BAR + BETWEEN), (right - BARS_LEFT) * min(1.0, float(exponent / most))
        add_path(svg, rectangle(BARS_LEFT, top, max(2.0, length), BAR), **look)
        add_text(svg, MARGIN, top + 20, name)
        words = f"{float(exponent):g}"
        inside = length > len(words) * LETTER + 24
        x = BARS_LEFT + length - 8 if inside else BARS_LEFT + max(2.0, length) + 8
        add_text(svg, x, top + 20, words, anchor="end" if inside else "start", bold=True)
    bottom = BARS_TOP + 3 * BAR + 2 * BETWEEN
    add_line(svg, right, BARS_TOP - 8, right, bottom + 6, SATURATION_COLOUR, width=2.5, dashes="1.5 5")
    add_text(svg, right, bottom + LINE + 4, f"saturation {most}", anchor="end", fill=SATURATION_COLOUR)
