"""The explorer that draws the network: how much a unit sees, and how little the network stores."""

from convac_lib.families import common_case
from convac_lib.visuals.network_drawing import draw_network
from convac_lib.visuals.network_words import network_in_words
from convac_lib.visuals.svg import readable
from convac_lib.visuals.view import Value, View


def drawing_view(B: int, M: int, image: str) -> View:
    """Show the common case with C = M as grids of squares, and compare what it stores with the table of its values.

    Args:
        B: the receptive field of the stride-1 layers.
        M: templates, and channels of every layer.
        image: its size, such as "8×8".

    Returns:
        The `View`.

    Source: talk, slide "Overlapping vs Non-Overlapping Architectures". Chapter: *Overlaps*.

    >>> print(drawing_view(B=2, M=2, image="4×4").alt)
    A network of 4 layers on 4×4 patches: the traced unit of layer 3 has T_R = 5 and T_S = 2, and sees all 4×4 \
patches. Neighbouring 2×2 windows of layer 1 share 2 of 4 patches. It stores 66 numbers, and the table of its values \
65,536.
    """
    size = int(image.partition("×")[0])
    N, network = size**2, common_case(B, M, size)
    T_R, T_S = network.total_receptive_fields[-2], network.total_strides[-2]
    entries = readable(M**N, digits=9)
    reading = (
        f"The table has {entries} entries; the network has {network.parameters:,} parameters. "
        f"The filled unit's total receptive field is {T_R}, over a total stride of {T_S}."
    )
    alternative = (
        f"{network_in_words(network)} It stores {network.parameters:,} numbers, and the table of its values {entries}."
    )
    values: dict[str, Value] = {"entries": f"{M}^{N}", "parameters": network.parameters, "T_R": T_R, "T_S": T_S}
    return View(draw_network(network), alternative, reading, values)
