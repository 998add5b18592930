"""The talk's families of networks: the baseline, the common case, and the common case with overlap in chosen layers.

Taught in the chapters *Convolutional arithmetic circuits*, *The overlap theorem* and *Is a little overlap all you
need?*
"""

from dataclasses import replace

from convac_lib.architecture import Architecture, Layer, require_size
from convac_lib.checks import powers_near, require_integers
from convac_lib.errors import ArchitectureError


def common_case(B: int, M: int, size: int, channels: int | None = None) -> Architecture:
    """Build the talk's common case: B×B layers of stride 1, each followed by a 2×2 layer of stride 2, down to 1×1.

        [GC(R=B, S=1), GC(R=2, S=2)] × log₂ H

    Args:
        B: the receptive field of the stride-1 layers; B = 1 is the non-overlapping case.
        M: the number of representation channels.
        size: H, the side of the image in patches, a power of two of at least 2.
        channels: C of every layer; if left out, M.

    Returns:
        The `Architecture`, with the neutral border.

    Raises:
        ArchitectureError: if the size is not a power of two, or a number is not an integer of at least 1.

    Source: talk, slide "Overlapping Efficiency" (Common Case). Chapter: *The overlap theorem*.

    >>> print(common_case(B=3, M=2, size=4))
    layer  receptive field  stride  channels  output  total receptive field  total stride  overlap
    image                                  2     4×4                      1             1        1
        1                3       1         2     4×4                      3             1        3
        2                2       2         2     2×2                      4             2        2
        3                3       1         2     2×2                      8             2        4
        4                2       2         2     1×1                     10             4      5/2
    overlapping, 106 parameters, border 'neutral'
    """
    require_integers(error=ArchitectureError, representation_channels=M)
    channels = M if channels is None else channels
    return Architecture(size, M, (Layer(B, 1, channels), Layer(2, 2, channels)) * _blocks(size))


def is_common_case(architecture: Architecture) -> bool:
    """Whether a network is one that `common_case` makes, with weights that may be unshared.

    >>> is_common_case(common_case(B=2, M=2, size=4)), is_common_case(baseline(M=2, size=4))
    (True, False)
    """
    B, M, C = architecture.layers[0].receptive_field, *architecture.channels[:2]
    try:
        return replace(architecture, shared=True) == common_case(B, M, architecture.size, C)
    except ArchitectureError:
        return False


def place_overlap(B1: int, B2: int, C: int, *, M: int = 2) -> Architecture:
    """Build the common case on a 4×4 image with a separate receptive field for each of its two stride-1 layers.

    Args:
        B1: the receptive field of layer 1, on 4×4 units.
        B2: the receptive field of layer 3, on 2×2 units.
        C: the channels of every layer.
        M: the number of representation channels.

    Returns:
        The `Architecture`: GC(B₁, 1), GC(2, 2), GC(B₂, 1), GC(2, 2).

    Chapter: *Is a little overlap all you need?*

    >>> place_overlap(3, 3, C=2) == common_case(B=3, M=2, size=4)
    True
    """
    return Architecture(4, M, (Layer(B1, 1, C), Layer(2, 2, C), Layer(B2, 1, C), Layer(2, 2, C)))


def baseline(M: int, size: int, channels: int | None = None) -> Architecture:
    """Build the baseline ConvAC, which has no overlap: 2×2 layers of stride 2, down to 1×1.

        GC(R=2, S=2) × log₂ H

    Args:
        M: the number of representation channels.
        size: H, the side of the image in patches, a power of two of at least 2.
        channels: C of every layer; if left out, M.

    Returns:
        The `Architecture`, with the neutral border, which its windows never reach.

    Raises:
        ArchitectureError: if the size is not a power of two, or a number is not an integer of at least 1.

    Source: talk, slide "Baseline Architecture". Chapter: *Convolutional arithmetic circuits*.

    >>> baseline(M=2, size=4).is_overlapping, baseline(M=2, size=4).parameters
    (False, 34)
    """
    require_integers(error=ArchitectureError, representation_channels=M)
    channels = M if channels is None else channels
    return Architecture(size, M, (Layer(2, 2, channels),) * _blocks(size))


def _blocks(size: int) -> int:
    """Return log₂ of a size, which is the number of layers of stride 2 down to 1×1."""
    require_size(size)
    if size < 2 or size & (size - 1):
        raise ArchitectureError(
            f"size {size} is not a power of two of at least 2: strides of 2 must end in exactly 1×1; "
            f"use {powers_near(size)}"
        )
    return size.bit_length() - 1
