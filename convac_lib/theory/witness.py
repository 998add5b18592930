"""The networks of the proofs: the theorem's explicit weights, and replication by an overlapping network."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import require_memory
from convac_lib.errors import HypothesisError
from convac_lib.theory.bounds import theorem
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.fields import DEFAULT_PRIME, pivot_columns, solve
from convac_lib.theory.receptive_fields import minimal_windows
from convac_lib.theory.weights import require_room, weight_shapes


@dataclass(frozen=True, eq=False)
class Witness:
    """A circuit whose function compares patches across the cut left | right, in e chains; a pair is a chain of two.

        A(f) at d = Π_chains [ d is equal on all patches of the chain ],   d_n < D

    Each chain has patches on both sides of the cut, and no patch is in two chains. So the rows and columns that give
    all D^e combinations of templates to the e chains hold the D^e × D^e identity.

    Attributes:
        circuit: the network.
        cut: left | right.
        chains: the row-major numbers of the patches of each of the e chains, from left to right.
        D: the number of templates that the circuit tells apart.

    Chapter: *The overlap theorem*.
    """

    circuit: Circuit
    cut: Cut
    chains: tuple[tuple[int, ...], ...]
    D: int

    @property
    def left(self) -> tuple[int, ...]:
        """The first patch of each chain."""
        return tuple(chain[0] for chain in self.chains)

    @property
    def right(self) -> tuple[int, ...]:
        """The last patch of each chain."""
        return tuple(chain[-1] for chain in self.chains)

    @property
    def rank(self) -> int:
        """D^e, the side of the identity."""
        return int(self.D ** len(self.chains))

    def assignments(self, templates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Give all patches of a chain the chain's template, and all other patches template 0.

        Args:
            templates: numbers 0..D−1, of shape (n, e): one combination per row.

        Returns:
            The identity's rows and columns of these combinations, as template numbers on P and on Q, of shapes
            (n, |P|) and (n, |Q|), for `Circuit.submatrix`.
        """
        images = np.zeros((len(templates), self.cut.size**2), int)
        for number, patches in enumerate(self.chains):
            images[:, list(patches)] = templates[:, [number]]
        return images[:, list(self.cut.rows)], images[:, list(self.cut.columns)]


def theorem_witness(architecture: Architecture, prime: int = DEFAULT_PRIME) -> Witness:
    """Build the theorem's explicit weights: one network whose rank proves the bound for almost all weights.

    The windows are shrunk to the t_1, …, t_K that give T. The layers below K carry two one-hots per window: one of its
    top-left patch (channels 0..D−1, picked at offset (0, 0)) and one of its far-right patch (channels D..2D−1, picked
    at offset (0, t_l−1)). Every other offset sums to 1. In layer K, channel c tests whether both one-hots are c (t_K ≥
    2, since T_R⁽ᴷ⁻¹⁾ is at most H/2). Layer K+1, or the dense layer, adds the channels, and later layers multiply 0s
    and 1s. Beyond the image's right border the neutral 1 replaces the far one-hot, so the comparison with it gives 1.

    Args:
        architecture: a network that meets the hypotheses of `theorem`.
        prime: p.

    Returns:
        The `Witness`, with the D and e of `theorem`.

    Raises:
        HypothesisError: if the theorem does not apply.
        BudgetError: if the weights or the pairs take more memory than is free.

    Source: talk, slide "Overlapping Efficiency" (Theorem); the weights are ours. Chapter: *The overlap theorem*.

    >>> from convac_lib import certify_rank, common_case
    >>> witness = theorem_witness(common_case(B=2, M=2, size=4, channels=4))
    >>> witness.left, witness.right, witness.rank, certify_rank(witness.circuit).rank
    ((0, 8), (2, 10), 4, 4)
    """
    bound = theorem(architecture)
    D, K, H = bound.base, bound.layer, architecture.size
    assert K is not None  # the theorem names its layer
    step, windows = architecture.total_strides[K - 1], minimal_windows(architecture, K, H // 2)  # t_1..t_K
    assert windows is not None  # at layer K the total receptive field is above H/2
    T = 1 + sum((t - 1) * stride for t, stride in zip(windows, (1, *architecture.total_strides)))
    require_room(architecture)
    pairs = int(bound.exponent)
    require_memory(400 * pairs, f"a witness of {pairs:,} pairs of patches", "use a smaller image")
    dense = np.zeros((1, architecture.channels[-1]), int)
    dense[0, : D if len(architecture.layers) == K else 1] = 1
    corners = [row * H + column for row, column in product(range(0, H, step), range(0, H - T + 1, step))]
    return Witness(
        Circuit(architecture, _comparing_weights(architecture, windows, D), dense, prime),
        make_cut("left-right", H),
        chains=tuple((corner, corner + T - 1) for corner in corners),
        D=D,
    )


def _comparing_weights(architecture: Architecture, windows: tuple[int, ...], D: int) -> tuple[np.ndarray, ...]:
    """The weights of `theorem_witness`, whose windows in the layers 1..K are shrunk to these."""
    K = len(windows)
    weights = tuple(np.zeros(shape, int) for shape in weight_shapes(architecture))
    for number, weight in enumerate(weights, start=1):
        # Every offset sums the one-hot below, in the first channels, to 1; layers 1..K replace this at two offsets.
        below = architecture.representation_channels if number == 1 else D if number <= K + 1 else 1
        own = 2 * D if number < K else D if number == K else 1
        weight[..., :own, :below, :, :] = 1
        if number > K:
            continue
        far, shift = windows[number - 1] - 1, 0 if number == 1 else D  # the image has one one-hot per patch, not two
        for c in range(D):
            for channel, offset, picked in ((c, 0, c), (c if number == K else D + c, far, shift + c)):
                weight[..., channel, :, 0, offset] = 0
                weight[..., channel, picked, 0, offset] = 1
    return weights


def replicate(circuit: Circuit, receptive_fields: tuple[int, ...]) -> Circuit:
    """Build an overlapping network that equals a non-overlapping one at every combination of templates.

    The first S×S offsets of every window hold the original weights. Every other offset holds a row w with ⟨w, X⟩ = 1:
    in layer 1 the u with F·u = 1, and in later layers the one-hot of an extra channel that is 1 everywhere. Every layer
    therefore has one channel more.

    Args:
        circuit: a non-overlapping network over GF(p) with a neutral border and shared weights.
        receptive_fields: R_l of the overlapping network's layers, at least their strides.

    Returns:
        The overlapping `Circuit`, with the same strides and the same grid tensor.

    Raises:
        HypothesisError: if the circuit overlaps, is over the real numbers, is unshared or has another border, if F is
            singular, or if the number of receptive fields is not that of the layers.
        ArchitectureError: if a receptive field is smaller than its stride.

    Source: talk, slide "Overlapping Architectures Are Just As Expressive" (Claim). Chapter: *Overlaps*.

    >>> from convac_lib import baseline, random_circuit
    >>> original = random_circuit(baseline(M=2, size=2), seed=0, prime=101)
    >>> bool((replicate(original, (3,)).grid_tensor() == original.grid_tensor()).all())
    True
    """
    architecture, p = circuit.architecture, circuit.prime
    if architecture.is_overlapping or architecture.border != "neutral" or p is None or not architecture.shared:
        raise HypothesisError(
            "replication starts from a non-overlapping circuit over GF(p) with the border 'neutral' and shared weights"
        )
    if len(receptive_fields) != len(architecture.layers):
        raise HypothesisError(
            f"{len(receptive_fields)} receptive fields for {len(architecture.layers)} layers; give one per layer"
        )
    layers = tuple(
        Layer(R, layer.stride, layer.channels + 1) for R, layer in zip(receptive_fields, architecture.layers)
    )
    plan = Architecture(architecture.size, architecture.representation_channels, layers).require_patches_read()
    one = _row_of_ones(circuit.templates, p)
    weights = []
    for layer, original in zip(layers, circuit.weights):
        C, below, S, _ = original.shape
        R = layer.receptive_field
        weight = np.broadcast_to(one[:, None, None], (C + 1, len(one), R, R)).copy()  # ⟨w, X⟩ = 1
        weight[:C, :, :S, :S] = 0
        weight[:C, :below, :S, :S] = original
        weights.append(weight)
        one = np.zeros(C + 1, original.dtype)
        one[C] = 1
    dense = np.hstack([circuit.dense, np.zeros((len(circuit.dense), 1), circuit.dense.dtype)])
    return Circuit(plan, tuple(weights), dense, p, circuit.templates)


def _row_of_ones(F: np.ndarray | None, p: int) -> np.ndarray:
    """The u with F·u = 1, the combination of the representation channels that is 1 at every template."""
    assert F is not None  # a circuit fills its templates in
    u = solve(F, np.ones(len(F), F.dtype), p)
    if u is None or len(pivot_columns(F, p)) < len(F):
        raise HypothesisError("the template matrix F is singular modulo p; replication needs a nonsingular one")
    return u
