"""What the drawing of a network shows, in words for readers who do not see it."""

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ArchitectureError


def network_in_words(architecture: Architecture, position: tuple[int, int, int] | None = None) -> str:
    """Say what `draw_network` shows of a network: what the traced unit sees, and what neighbouring windows share.

    Args:
        architecture: the network.
        position: the unit, as (layer, row, column), as for `draw_network`.

    Returns:
        Two sentences.

    Raises:
        ArchitectureError: if the position is outside the network.

    Source: none; ours. Chapter: *Overlaps*.

    >>> from convac_lib import common_case
    >>> print(network_in_words(common_case(B=3, M=2, size=8)))
    A network of 6 layers on 8×8 patches: the traced unit of layer 5 has T_R = 18 and T_S = 4, and sees all 8×8 \
patches. Neighbouring 3×3 windows of layer 1 share 6 of 9 patches.
    """
    layer, row, column = position or (max([n for n, side in enumerate(architecture.sizes, 1) if side > 1] or [1]), 0, 0)
    if not 1 <= layer <= len(architecture.layers) or not all(
        0 <= place < architecture.sizes[layer - 1] for place in (row, column)
    ):
        raise ArchitectureError(
            f"there is no unit {row}, {column} in layer {layer}; choose one of the {len(architecture.layers)} layers, "
            f"whose sides are {', '.join(map(str, architecture.sizes))}"
        )
    H = architecture.size
    T_R, T_S = architecture.total_receptive_fields[layer - 1], architecture.total_strides[layer - 1]
    height, width = (min(T_R, H - place * T_S) for place in (row, column))
    seen = f"all {H}×{H} patches" if height == width == H else f"{height}×{width} of the {H}×{H} patches"
    return (
        f"A network of {len(architecture.layers)} layers on {H}×{H} patches: the traced unit of layer {layer} has "
        f"T_R = {T_R} and T_S = {T_S}, and sees {seen}. {_shared(architecture.layers[0])}"
    )


def _shared(first: Layer) -> str:
    """Say how many patches two windows of the first layer share that lie side by side."""
    R, S = first.receptive_field, first.stride
    windows = f"Neighbouring {R}×{R} windows of layer 1"
    if R > S:
        return f"{windows} share {R * (R - S)} of {R**2} patches."
    return f"{windows} share no patch."
