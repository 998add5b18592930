"""A layer's formula and a network's code, with one letter lit wherever it occurs."""

from collections.abc import Sequence
from xml.etree import ElementTree

from convac_lib.architecture import Architecture
from convac_lib.visuals.style import INK, LIT, MUTED
from convac_lib.visuals.svg import MARGIN, WIDTH, serialize, svg_document

STEP, GLOW = 30, "7"  # between two lines; the width of the light around a letter
FORMULA = [("Y[c,u,v] = Πᵢⱼ Σ W[c,d,i,j]·X[d, u", ""), ("S", "S"), ("+i, v", ""), ("S", "S"), ("+j]", "")]
RANGES = [
    ("i,j < ", ""), ("R", "R"), (" = ", ""), ("B", "BR"), (" or 2   c < ", ""), ("C", "C"), ("   d < ", ""),
    ("M", "M"), (" or ", ""), ("C", "C"), ("   u,v < ", ""), ("H", "H"), (", …", ""),
]  # fmt: skip


def draw_letters(network: Architecture, letter: str) -> str:
    """Write the generalized convolution, the ranges of its indices, and the code of a network of the common case.

        Y[c, u, v] = Π_ij Σ_d W[c, d, i, j] · X[d, u·S + i, v·S + j]

    Args:
        network: a network of the common case; the code shows its first two layers.
        letter: what lights up in the three lines: "H", "M", "B", "R", "S" or "C".

    Returns:
        An SVG document, 560 wide.

    Source: talk, slide "Generalized Convolutional Arithmetic Circuits". Chapter: *Networks in pictures*.

    >>> from convac_lib import common_case
    >>> "Architecture(" in draw_letters(common_case(B=3, M=2, size=4), "B")
    True
    """
    lines = [FORMULA, RANGES, _code(network)]
    svg = svg_document(WIDTH, STEP * len(lines))
    for number, tokens in enumerate(lines, start=1):
        _write(svg, STEP * number - 10, tokens, letter)
    return serialize(svg)


def _code(network: Architecture) -> list[tuple[str, str]]:
    """Return the call that makes a network, as words and the letters that each of them is."""
    tokens = [("Architecture(", ""), (str(network.size), "H"), (", ", "")]
    tokens += [(str(network.representation_channels), "M"), (", [", "")]
    for place, layer in enumerate(network.layers[:2]):
        window = "R" if layer.stride > 1 else "BR"
        tokens += [("Layer(" if place == 0 else ", Layer(", ""), (str(layer.receptive_field), window), (",", "")]
        tokens += [(str(layer.stride), "S"), (",", ""), (str(layer.channels), "C"), (")", "")]
    return [*tokens, (", …])" if len(network.layers) > 2 else "])", "")]


def _write(svg: ElementTree.Element, y: float, tokens: Sequence[tuple[str, str]], letter: str) -> None:
    """Write a line of words; those that are the letter are bold, in a light of their own."""
    attributes = {"x": str(MARGIN), "y": str(y), "fill": MUTED}
    line = ElementTree.SubElement(svg, "text", attributes | {"{http://www.w3.org/XML/1998/namespace}space": "preserve"})
    for words, letters in tokens:
        lit = {"fill": INK, "font-weight": "600", "stroke": LIT, "stroke-width": GLOW, "paint-order": "stroke"}
        ElementTree.SubElement(line, "tspan", lit if letter in letters else {}).text = words
