"""The shapes of a network's weights, and the memory that drawing them takes."""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import free_memory, largest, require_memory


def weight_shapes(architecture: Architecture) -> list[tuple[int, ...]]:
    """Return the shape of every layer's weight: (C_l, C_{l−1}, R_l, R_l), after (H_l, H_l) if it is unshared.

    Chapter: *Convolutional arithmetic circuits*.

    >>> from convac_lib import common_case
    >>> weight_shapes(common_case(B=3, M=2, size=2))
    [(2, 2, 3, 3), (2, 2, 2, 2)]
    """
    return [
        (size,) * (0 if architecture.shared or layer.weight_free else 2)
        + (layer.channels, channels, layer.receptive_field, layer.receptive_field)
        for layer, channels, size in zip(architecture.layers, architecture.channels, architecture.sizes)
    ]


def require_room(architecture: Architecture, prime: int | None = None) -> None:
    """Raise `BudgetError` if a network's weights and its template matrix take more memory than is free.

    >>> from convac_lib import common_case
    >>> require_room(common_case(B=3, M=10**9, size=4))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    convac_lib.errors.BudgetError: drawing this network's weights needs about ... GiB of memory, and ... GiB are free; \
use at most ... channels and templates
    """

    def fits(smaller: Architecture) -> bool:
        return weights_memory(smaller, prime) <= free

    free = free_memory()
    if not fits(architecture):
        smaller = "use smaller strides and windows" if architecture.shared else "share the weights"
        needed = weights_memory(architecture, prime)
        require_memory(needed, "drawing this network's weights", smaller_network(architecture, fits) or smaller)


def weights_memory(architecture: Architecture, prime: int | None) -> int:
    """Estimate the peak memory, in bytes, of drawing a network's weights and its template matrix."""
    sizes = [*map(prod, weight_shapes(architecture)), architecture.representation_channels**2]
    return (8 if (prime or 0) <= 2**31 else 48) * (2 * sum(sizes) + 3 * max(sizes))


def smaller_network(architecture: Architecture, fits: Callable[[Architecture], bool]) -> str | None:
    """Suggest fewer channels, or smaller windows too, for a network that is too large; None if neither helps."""

    def capped(channels: int, receptive_field: int) -> Architecture:
        layers = tuple(
            replace(
                layer,
                channels=min(channels, layer.channels),
                receptive_field=max(layer.stride, min(receptive_field, layer.receptive_field)),
            )
            for layer in architecture.layers
        )
        M = min(channels, architecture.representation_channels)
        return replace(architecture, representation_channels=M, layers=layers)

    most = min(2**40, max(architecture.channels))  # more never fits
    widest = min(2**40, max(layer.receptive_field for layer in architecture.layers))
    if few := largest(lambda channels: fits(capped(channels, widest)), most):
        return f"use at most {few:,} channels and templates"
    few = min(most, *architecture.channels)
    if field := largest(lambda receptive_field: fits(capped(few, receptive_field)), widest):
        return f"use receptive fields of at most {field:,}" + f", and at most {few:,} channels and templates" * (
            few < most
        )
    return None


def pooling_weight(layer: Layer) -> np.ndarray:
    """Return the weight that makes a layer plain product pooling: the identity at every offset, (C, C, R, R)."""
    window = (layer.receptive_field, layer.receptive_field)
    return np.multiply.outer(np.eye(layer.channels, dtype=int), np.ones(window, int))
