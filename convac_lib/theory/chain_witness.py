"""The network that proves the chain bound: explicit weights, whose function compares all patches of every chain."""

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.budget import require_memory
from convac_lib.errors import ConvacError
from convac_lib.theory.chain import chain
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.weights import require_room, weight_shapes
from convac_lib.theory.witness import Witness


def chain_witness(architecture: Architecture, prime: int = DEFAULT_PRIME) -> Witness:
    """Build explicit weights that attain the chain bound: one network whose rank proves it for almost all weights.

    In layer 1, channel c < D picks template c at the offsets (0, 0) and (0, t−1), with t = min(B, H/2+1), and every
    other offset sums the templates to 1. Layer 2 adds the D channels, so that its first channel tests whether the two
    patches are equal. Later layers multiply 0s and 1s. A window whose far patch lies outside the image tests nothing.
    With the border "ones", windows that leave the image multiply the function by a constant, which the dense layer
    divides out. The chains contain all patches, except that a first layer of 1×1 windows has none; where a patch shows
    another template than the first D, the function is 0.

    Args:
        architecture: a network that meets the hypotheses of `chain`.
        prime: p.

    Returns:
        The `Witness`, with the D and e of `chain`.

    Raises:
        HypothesisError: if the bound does not apply.
        CutError: if the size is odd.
        BudgetError: if the weights or the chains take more memory than is free.
        ConvacError: if p divides the constant of the border "ones".

    Source: ours. Chapter: *How much overlap is enough*.

    >>> from convac_lib import certify_rank, common_case
    >>> witness = chain_witness(common_case(B=2, M=2, size=4))
    >>> witness.chains, witness.rank, certify_rank(witness.circuit).rank
    (((0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)), 16, 16)
    """
    D, H = chain(architecture, "left-right").base, architecture.size
    apart = min(architecture.layers[0].receptive_field - 1, H // 2)  # t−1
    require_room(architecture)
    require_memory(100 * H**2, f"the chains of {H**2:,} patches", "use a smaller image")
    weights = _linking_weights(architecture, apart, D)
    dense = np.zeros((1, architecture.channels[-1]), int)
    dense[0, 0] = 1
    if architecture.border == "ones":
        constant = int(Circuit(architecture, weights, dense, prime).at_templates(np.zeros((1, H**2), int))[0, 0])
        if not constant:
            raise ConvacError(f"the border's constant is 0 modulo {prime}; use a prime above M and the channels")
        dense[0, 0] = pow(constant, -1, prime)
    return Witness(
        Circuit(architecture, weights, dense, prime),
        make_cut("left-right", H),
        tuple(tuple(range(row * H + c, row * H + H, apart)) for row in range(H) for c in range(apart)),
        D,
    )


def _linking_weights(architecture: Architecture, apart: int, D: int) -> tuple[np.ndarray, ...]:
    """The weights of `chain_witness`, whose first layer compares patches that are so far apart."""
    weights = tuple(np.zeros(shape, int) for shape in weight_shapes(architecture))
    for number, (layer, weight) in enumerate(zip(architecture.layers, weights), start=1):
        if layer.weight_free:  # it multiplies first channels, as every layer above layer 2 does
            weight[..., range(layer.channels), range(layer.channels), :, :] = 1
        elif number == 1:
            weight[..., :D, :, :, :] = 1
            for offset in {0, apart}:
                weight[..., :D, :, 0, offset] = np.eye(D, architecture.representation_channels, dtype=int)
        else:
            weight[..., 0, : D if number == 2 else 1, :, :] = 1
    return weights
