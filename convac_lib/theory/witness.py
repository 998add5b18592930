"""The networks that the proofs are made of: the theorem's explicit weights, and replication by an overlapping network."""

from dataclasses import dataclass
from itertools import product

import numpy as np
from flint import nmod_mat

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import require_memory
from convac_lib.errors import HypothesisError
from convac_lib.theory.bounds import minimal_windows, theorem
from convac_lib.theory.circuits import Circuit, require_room, weight_shapes
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.tensors import Cut, make_cut


@dataclass(frozen=True, eq=False)
class Witness:
    """A circuit whose function compares e pairs of patches across the cut left | right.

        A(f) at d = Π_k [ d_{left_k} = d_{right_k} ],   d_n < D

    so the rows and columns that give all D^e combinations to the paired patches hold the D^e × D^e identity.

    Attributes:
        circuit: the network, its weights zeros and ones.
        cut: left | right.
        left, right: the e paired patches, row-major numbers.
        D: how many templates the circuit tells apart.

    Chapter: *The overlap theorem*.
    """

    circuit: Circuit
    cut: Cut
    left: tuple[int, ...]
    right: tuple[int, ...]
    D: int

    @property
    def rank(self) -> int:
        """D^e, the side of the identity."""
        return self.D ** len(self.left)

    def assignments(self, templates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Place templates on the left ends of the pairs, and the same ones on the right ends; template 0 elsewhere.

        Args:
            templates: numbers 0..D−1, shape (n, e): one combination a row.

        Returns:
            The identity's rows and columns of these combinations, as template numbers on P and on Q, of shapes
            (n, |P|) and (n, |Q|), as `Circuit.submatrix` takes them.
        """
        sides = []
        for part, paired in ((self.cut.rows, self.left), (self.cut.columns, self.right)):
            side = np.zeros((len(templates), len(part)), int)
            side[:, [part.index(patch) for patch in paired]] = templates
            sides.append(side)
        return tuple(sides)


def theorem_witness(architecture: Architecture, prime: int = DEFAULT_PRIME) -> Witness:
    """Build the theorem's explicit weights: one network that proves its bound for almost all.

    Windows are shrunk to the t_1, …, t_K that give T. Layers below K carry two one-hots of a window: of its top-left
    patch (channels 0..D−1, picked at offset (0, 0)) and of its far-right patch (channels D..2D−1, picked at offset
    (0, t_l−1)); every other offset sums to 1. Layer K asks, in channel c, whether both are c (t_K ≥ 2, since T_R⁽ᴷ⁻¹⁾ is
    at most H/2); layer K+1, or the dense layer, adds the channels; later layers multiply 0s and 1s. Past the image's
    right border the neutral 1 stands in for the far one-hot, and the comparison with it gives 1.

    Args:
        architecture: a network that meets the hypotheses of `theorem`.
        prime: p.

    Returns:
        The `Witness`, with D and e as `theorem` gives them.

    Raises:
        HypothesisError: if the theorem does not apply.
        BudgetError: if its weights or its pairs take more memory than is free.

    Source: talk, slide "Overlapping Efficiency" (Theorem); the weights are ours. Chapter: *The overlap theorem*.

    >>> from convac_lib import certify_rank, common_case
    >>> witness = theorem_witness(common_case(B=2, M=2, size=4, channels=4))
    >>> witness.left, witness.right, witness.rank, certify_rank(witness.circuit).rank
    ((0, 8), (2, 10), 4, 4)
    """
    bound = theorem(architecture)
    D, K = bound.base, bound.layer
    H, step = architecture.size, architecture.total_strides[K - 1]
    windows = minimal_windows(architecture, K, H // 2)  # t_1..t_K
    T = 1 + sum((t - 1) * step for t, step in zip(windows, (1, *architecture.total_strides)))
    require_room(architecture)
    require_memory(
        400 * bound.exponent, f"a witness of {int(bound.exponent):,} pairs of patches", "use a smaller image"
    )
    weights = [np.zeros(shape, int) for shape in weight_shapes(architecture)]
    M = architecture.representation_channels
    for number, weight in enumerate(weights, start=1):
        ones = M if number == 1 else D if number <= K + 1 else 1  # the first channels below, whose sum is 1
        if number > K:
            weight[..., 0, :ones, :, :] = 1
            continue
        weight[..., : D if number == K else 2 * D, :ones, :, :] = 1
        far, shift = windows[number - 1] - 1, 0 if number == 1 else D  # below layer 1 there is one one-hot, not two
        for c in range(D):
            for channel, offset, picked in ((c, 0, c), (c if number == K else D + c, far, shift + c)):
                weight[..., channel, :, 0, offset] = 0
                weight[..., channel, picked, 0, offset] = 1
    dense = np.zeros((1, architecture.channels[-1]), int)
    dense[0, : D if len(weights) == K else 1] = 1
    corners = [row * H + column for row, column in product(range(0, H, step), range(0, H - T + 1, step))]
    return Witness(
        Circuit(architecture, weights, dense, prime),
        make_cut("left-right", H),
        left=tuple(corners),
        right=tuple(corner + T - 1 for corner in corners),
        D=D,
    )


def replicate(circuit: Circuit, receptive_fields: tuple[int, ...]) -> Circuit:
    """Build an overlapping network that equals a non-overlapping one at every combination of templates.

    The original weights stand in the first S×S offsets of every window; every extra offset is a row w with ⟨w, X⟩ = 1:
    in layer 1 the u with F·u = 1, later a channel that is constantly 1. That is one channel more in every layer.

    Args:
        circuit: a non-overlapping network over GF(p), neutral border, shared weights.
        receptive_fields: R_l of the overlapping network's layers, at least the strides.

    Returns:
        The overlapping `Circuit`: same strides, same grid tensor.

    Raises:
        HypothesisError: if the circuit overlaps, is over the reals, unshared, or has another border, or F is singular.
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
            f"{len(receptive_fields)} receptive fields for {len(architecture.layers)} layers; give one a layer"
        )
    layers = [Layer(R, layer.stride, layer.channels + 1) for R, layer in zip(receptive_fields, architecture.layers)]
    plan = Architecture(architecture.size, architecture.representation_channels, layers).require_patches_read()
    one = _row_of_ones(circuit)
    weights = []
    for layer, original in zip(layers, circuit.weights):
        C, below, S, _ = original.shape
        R = layer.receptive_field
        weight = np.broadcast_to(one[:, None, None], (C + 1, len(one), R, R)).copy()  # ⟨w, X⟩ = 1 at every offset ...
        weight[:C, :, :S, :S] = 0  # ... but where the original looks
        weight[:C, :below, :S, :S] = original
        weights.append(weight)
        one = np.zeros(C + 1, original.dtype)
        one[C] = 1
    dense = np.hstack([circuit.dense, np.zeros((len(circuit.dense), 1), circuit.dense.dtype)])
    return Circuit(plan, weights, dense, p, circuit.templates)


def _row_of_ones(circuit):
    """The u with F·u = 1: a combination of the representation that is 1 at every template."""
    F, p = circuit.templates, circuit.prime
    M = len(F)
    try:
        solved = nmod_mat(M, M, F.ravel().tolist(), p).solve(nmod_mat(M, 1, [1] * M, p))
    except ZeroDivisionError:
        raise HypothesisError(
            "the template matrix F is singular modulo p; replication needs a nonsingular one"
        ) from None
    return np.array([int(entry) for entry in solved.entries()], F.dtype)
