"""The network that proves the chain bound: explicit weights, whose function compares all patches of every chain."""

from dataclasses import dataclass

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.budget import require_memory
from convac_lib.errors import ConvacError
from convac_lib.theory.chain import chain
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.weights import require_room, weight_shapes


@dataclass(frozen=True, eq=False)
class ChainWitness:
    """A circuit whose function is 1 where all patches of each chain have equal templates, and 0 elsewhere.

        A(f) at d = Π_chains [ d is equal on all patches of the chain ] · Π_patches [ d < D ]

    Each chain has patches on both sides of the cut left | right, and no patch is in two chains. So the rows and columns
    that give all D^e combinations of templates to the e chains hold the D^e × D^e identity. The chains contain all
    patches, except that a first layer of 1×1 windows has none.

    Attributes:
        circuit: the network.
        cut: left | right.
        chains: the row-major numbers of the patches of each of the e chains, from left to right.
        D: the number of templates that the circuit tells apart.

    Chapter: *How much overlap is enough*.
    """

    circuit: Circuit
    cut: Cut
    chains: tuple[tuple[int, ...], ...]
    D: int

    @property
    def rank(self) -> int:
        """D^e, the side of the identity."""
        return int(self.D ** len(self.chains))

    def assignments(self, templates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give all patches of a chain the chain's template.

        Args:
            templates: numbers 0..D−1, of shape (n, e): one combination per row.

        Returns:
            The identity's rows and columns of these combinations, as template numbers on P and on Q, of shapes
            (n, |P|) and (n, |Q|), for `Circuit.submatrix`.
        """
        images = np.zeros((len(templates), self.circuit.architecture.size**2), int)
        for number, patches in enumerate(self.chains):
            images[:, list(patches)] = templates[:, [number]]
        return images[:, list(self.cut.rows)], images[:, list(self.cut.columns)]


def chain_witness(architecture: Architecture, prime: int = DEFAULT_PRIME) -> ChainWitness:
    """Build explicit weights that attain the chain bound: one network whose rank proves it for almost all weights.

    In layer 1, channel c < D picks template c at the offsets (0, 0) and (0, t−1), with t = min(B, H/2+1), and every
    other offset sums the templates to 1. Layer 2 adds the D channels, so that its first channel tests whether the two
    patches are equal. Later layers multiply 0s and 1s. A window whose far patch lies outside the image tests nothing.
    With the border "ones", windows that leave the image multiply the function by a constant, which the dense layer
    divides out.

    Args:
        architecture: a network that meets the hypotheses of `chain`.
        prime: p.

    Returns:
        The `ChainWitness`, with the D and e of `chain`.

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
    return ChainWitness(
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
