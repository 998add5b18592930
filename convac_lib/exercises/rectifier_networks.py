"""The rules of the exercises in *Rectifier networks*."""

from collections.abc import Sized

import numpy as np

from convac_lib.exercises.answers import Wrong, integer, integers
from convac_lib.related.rectifier import average_rank, channel_rank, channels_needed, compose_shallow


def channels(Z: object) -> str:
    """The least number of shallow channels that the bound allows, for 16 patches and three templates."""
    Z, needed, one = integer("Z", Z), channels_needed(16, 3), channel_rank(16, 3)
    if needed > Z:
        raise Wrong(f"{Z:,} channels have at most rank {max(Z, 0) * one:,}, and the deep network has {3**8:,}")
    if needed < Z:
        raise Wrong(f"The bound does not exclude {needed:,} channels, because {needed:,} · {one} ≥ {3**8:,}")
    return f"one channel has at most rank {one}, and {needed} are the fewest that can add up to 3⁸ = {3**8:,}"


def equality(coefficients: object, vectors: object) -> str:
    """A shallow network of max-pooling with at most four channels that computes [d₁ = d₂] for three templates."""
    if isinstance(coefficients, np.ndarray):
        coefficients = coefficients.tolist()
    Z = len(coefficients) if isinstance(coefficients, Sized) else 4
    a = integers("coefficients", coefficients, (Z,), "one for each channel")
    if Z > 4:
        raise Wrong(f"Four channels are enough, and yours has {Z}")
    v = integers("vectors", vectors, (Z, 2, 3), "(channel, patch, template)")
    found = compose_shallow(a, v, "max") if Z else np.zeros((3, 3), int)
    for d, e in np.ndindex(3, 3):
        if found[d, e] != (d == e):
            raise Wrong(f"For templates {d} and {e} the network gives {found[d, e]}, and not {int(d == e)}")
    return "each channel tests one template, and a constant turns their sum, 1 or 2, into 1 or 0"


def averages(rank: object) -> str:
    """The largest rank across odd | even of a deep network of average pooling, for 16 patches and two templates."""
    rank, largest = integer("rank", rank), average_rank(16, 2)
    if rank > largest:
        raise Wrong("The last window adds two functions, and each half has 4 odd patches and 4 even ones")
    if rank < largest:
        raise Wrong("A function of one half can have as many independent rows as its odd patches have arrangements")
    return "each half adds at most 2⁴ independent functions of the odd patches, and the constant is in both"
