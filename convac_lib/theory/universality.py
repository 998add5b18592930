"""Universality made concrete: channels grow until a network reaches a given grid tensor exactly.

Taught in the chapter *Tensors and function spaces*.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from flint import nmod_mat

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError, HypothesisError
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.fields import DEFAULT_PRIME, elements, require_prime
from convac_lib.theory.tensors import assignments

LARGEST_TARGET = 256  # entries, and so about as many channels, tried one by one: under a minute


def reach(
    target: np.ndarray, family: Callable[[int], Architecture], *, seed: int, prime: int = DEFAULT_PRIME
) -> Circuit:
    """Grow a network, channel by channel, until it equals a given grid tensor at every entry.

        Σ_c a_c · A(top channel c) = target,   solved for the dense vector a over GF(p); C = 1, 2, …

    The layers below the dense vector are drawn at random. This shows that the family is universal on the grid: with M^N
    channels in every layer, or one more where windows overlap, the top channels span every tensor for almost all
    weights. It does not show the least size. C random channels span C of the M^N dimensions, and a target that was not
    made from them lies in no such span before it is the whole: even one of rank 1, for which a single well-chosen
    channel is enough, takes M^N.

    Args:
        target: integers, of shape (M,)*N, at most 256 of them.
        family: from a number of channels C to the architecture that has it, ending in 1×1.
        seed: draws the weights.
        prime: p.

    Returns:
        The first `Circuit` whose grid tensor is the target modulo p.

    Raises:
        ConvacError: if the target has another shape or more entries, is not whole, or is not of the family's images; if
            p is no prime, or the seed is not an integer of at least 0.
        HypothesisError: if no network with up to M^N + 1 channels reaches the target.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors" (Universality of ConvACs).
    Chapter: *Tensors and function spaces*.

    >>> from convac_lib import common_case
    >>> target = np.random.default_rng(0).integers(0, 101, (2, 2, 2, 2))
    >>> circuit = reach(target, lambda channels: common_case(B=2, M=2, size=2, channels=channels), seed=0)
    >>> circuit.architecture.channels, bool((circuit.grid_tensor() == target).all())
    ((2, 16, 16), True)
    """
    target = elements(target, require_prime(prime), "the target")
    if len(set(target.shape)) != 1:
        raise ConvacError(
            f"a grid tensor has M entries along each of its N modes, and the target's shape is {target.shape}"
        )
    if target.size > LARGEST_TARGET:
        raise ConvacError(
            f"a target of {target.size:,} entries takes about as many channels, and the limit is {LARGEST_TARGET}; "
            "use a smaller M or N"
        )
    for channels in range(1, target.size + 2):
        circuit = random_circuit(family(channels), seed=seed, prime=prime)
        dense = _solve(_top_channels(circuit, target.shape), target.ravel(), prime)
        if dense is not None:
            return replace(circuit, dense=dense[None])
    raise HypothesisError(
        f"no network of this family with up to {target.size + 1} channels reaches the target of {target.size} "
        "entries: let the channels of every layer grow, let the windows see every patch, or use a larger prime"
    )


def _top_channels(circuit, shape):
    """The last layer's channels as grid tensors, one a row: (C_L, M^N)."""
    M, patches = circuit.architecture.representation_channels, circuit.architecture.size**2
    if (M,) * patches != shape:
        raise ConvacError(
            f"the target has {len(shape)} modes of {shape[0]}, and the family's networks read {patches} patches of "
            f"{M} templates; they must agree"
        )
    channels = circuit.architecture.channels[-1]
    return replace(circuit, dense=np.eye(channels, dtype=int)).at_templates(assignments(M, patches))


def _solve(vectors, target, prime):
    """The a with a · vectors = target over GF(p), or None if the target is not in their span."""
    augmented = np.vstack([vectors, target]).T  # (entries, vectors + 1)
    reduced, rank = nmod_mat(*augmented.shape, augmented.ravel().tolist(), prime).rref()
    solution = np.zeros_like(target, shape=len(vectors))
    for i in range(rank):
        pivot = next(j for j in range(len(vectors) + 1) if reduced[i, j])
        if pivot == len(vectors):
            return None
        solution[pivot] = int(reduced[i, len(vectors)])
    return solution
