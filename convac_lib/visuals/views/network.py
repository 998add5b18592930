"""The explorer of a whole network: what B, M, C, S and H are, and what the layers see and cost."""

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError
from convac_lib.families import common_case
from convac_lib.visuals.letters import draw_letters
from convac_lib.visuals.svg import stack
from convac_lib.visuals.view import Value, View
from convac_lib.visuals.whole_network import draw_whole_network
from convac_lib.visuals.windows import fields_below, last_wide_unit

MEANINGS = {
    "B": "B = {B}: a unit of a stride-1 layer sees {B}×{B} units of the layer below.",
    "S": "S = 1 or 2: each window begins S units of the layer below after its neighbour.",
    "M": "M = {M}: each patch becomes {M} numbers.",
    "C": "C = {C}: each layer computes {C} numbers at each of its places.",
    "H": "H = {H}: the photograph is divided into {H}×{H} patches.",
}


def network_view(B: int, M: int, size: int, C: int, letter: str) -> View:
    """Show a whole network of the common case, from the photograph to the output, with one letter lit up.

    The letter is also lit in a layer's formula and in the network's code, below the picture.

    Args:
        B: the receptive field of the stride-1 layers.
        M: templates, and representation channels.
        size: H, the side of the image in patches: 2, 4 or 8.
        C: the channels of every layer.
        letter: what lights up, "B", "S", "M", "C" or "H".

    Returns:
        The `View`: its values are T_R and T_S of every layer, from the first to the last, and the parameters.

    Raises:
        ArchitectureError: if the numbers make no common case, or the image is larger.
        ConvacError: if the letter is unknown.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits" and "Degree of Overlapping". Chapter:
    *Networks in pictures*.

    >>> view = network_view(B=3, M=2, size=4, C=2, letter="M")
    >>> view.reading
    'M = 2: each patch becomes 2 numbers. Layer by layer, T_R = 3, 4, 8, 10 and T_S = 1, 2, 2, 4; 106 parameters.'
    >>> view.values
    {'T_R': '3, 4, 8, 10', 'T_S': '1, 2, 2, 4', 'parameters': 106}
    """
    if letter not in MEANINGS:
        raise ConvacError(f"no letter {letter!r} can light up; use one of {', '.join(MEANINGS)}")
    network = common_case(B, M, size, C)
    picture = stack(draw_whole_network(network, highlight=letter), draw_letters(network, letter))
    meaning = MEANINGS[letter].format(B=B, M=M, C=C, H=size)
    T_R, T_S = (", ".join(map(str, each)) for each in (network.total_receptive_fields, network.total_strides))
    alternative = (
        f"A photograph of {size}×{size} patches; above it a stack of {M} sheets, the representation; then "
        f"{len(network.layers)} layers of {C} channels, with {', '.join(f'{n}×{n}' for n in network.sizes)} units, the "
        f"dense layer and one output. {_seen(network)} The letter {letter} is lit, also in the formula and in the "
        "code below."
    )
    values: dict[str, Value] = {"T_R": T_R, "T_S": T_S, "parameters": network.parameters}
    reading = f"{meaning} Layer by layer, T_R = {T_R} and T_S = {T_S}; {network.parameters:,} parameters."
    return View(picture, alternative, reading, values)


def _seen(network: Architecture) -> str:
    """Say how much of the image the units of the last layer above 1×1 see."""
    layer, row, column = last_wide_unit(network)
    rows, columns = fields_below(network, (layer, row, column))[0]
    return f"The top-left unit of layer {layer} sees {len(rows)}×{len(columns)} patches."
