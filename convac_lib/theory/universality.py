"""Universality in practice: a network gets more channels until it equals a given grid tensor exactly.

Taught in the chapter *Tensors and function spaces*.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.errors import ConvacError, HypothesisError
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.fields import DEFAULT_PRIME, require_prime, solve, to_field
from convac_lib.theory.tensors import assignments

LARGEST_TARGET = 256  # entries; about as many channels are tried one by one, which takes under a minute


def fit_grid_tensor(
    target: np.ndarray, family: Callable[[int], Architecture], *, seed: int, prime: int = DEFAULT_PRIME
) -> Circuit:
    """Add channels to a network one by one until it equals a given grid tensor at every entry.

        Σ_c a_c · A(top channel c) = target,   solved for the dense vector a over GF(p); C = 1, 2, …

    The layers below the dense vector are drawn at random. This shows that the family is universal on the grid: with M^N
    channels in every layer, or one more where windows overlap, the top channels span every tensor for almost all
    weights. It does not show the least size. C random channels span C of the M^N dimensions, and a target that was not
    made from them lies in their span only when they span everything. Even a target of rank 1, for which one well-chosen
    channel is enough, takes M^N random channels.

    Args:
        target: at most 256 integers, of shape (M,)*N.
        family: a function from a number of channels C to an architecture that has C channels and ends in 1×1.
        seed: the seed of the weights.
        prime: p.

    Returns:
        The first `Circuit` whose grid tensor is the target modulo p.

    Raises:
        ConvacError: if the target has another shape, more entries or other values, or does not match the family's
            patches and templates; if p is not a prime below 2⁶³, or the seed is not an integer of at least 0.
        HypothesisError: if no network with up to M^N + 1 channels reaches the target.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors" (Universality of ConvACs).
    Chapter: *Tensors and function spaces*.

    >>> from convac_lib import common_case
    >>> target = np.random.default_rng(0).integers(0, 101, (2, 2, 2, 2))
    >>> circuit = fit_grid_tensor(target, lambda channels: common_case(B=2, M=2, size=2, channels=channels), seed=0)
    >>> circuit.architecture.channels, bool((circuit.grid_tensor() == target).all())
    ((2, 16, 16), True)
    """
    target = to_field(target, require_prime(prime), "the target")
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
        dense = solve(_top_channels(circuit, target.shape).T, target.ravel(), prime)
        if dense is not None:
            return replace(circuit, dense=dense[None])
    raise HypothesisError(
        f"no network of this family with up to {target.size + 1} channels reaches the target of {target.size} "
        "entries: let the channels of every layer grow, let the windows see every patch, or use a larger prime"
    )


def _top_channels(circuit: Circuit, shape: tuple[int, ...]) -> np.ndarray:
    """The grid tensors of the last layer's channels, one per row: (C_L, M^N)."""
    M, patches = circuit.architecture.representation_channels, circuit.architecture.size**2
    if (M,) * patches != shape:
        raise ConvacError(
            f"the target has {len(shape)} modes of {shape[0]}, and the family's networks read {patches} patches of "
            f"{M} templates; they must agree"
        )
    channels = circuit.architecture.channels[-1]
    return replace(circuit, dense=np.eye(channels, dtype=int)).at_templates(assignments(M, patches))
