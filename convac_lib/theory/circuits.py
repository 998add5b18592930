"""Convolutional arithmetic circuits, evaluated exactly: the plain definition that tests compare all else with."""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from convac_lib.architecture import Architecture
from convac_lib.budget import require_memory
from convac_lib.errors import ConvacError, DataError, WeightError, shown
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.theory.cuts import Cut
from convac_lib.theory.fields import float_to_field, reduce_modulo, require_prime, require_seed, to_field
from convac_lib.theory.tensors import IMAGES_AT_ONCE, grid_tensor, require_composable
from convac_lib.theory.weights import pooling_weight, require_room, weight_shapes


def warn_of_zeros(architecture: Architecture, stacklevel: int) -> None:
    """Warn if the border "zero" makes a network without biases 0 for every input, because a window leaves the image.

    The product over such a window is 0 in every channel, and so is every product above that contains it.

    Args:
        architecture: the network.
        stacklevel: how many calls up the warning points, as in `warnings.warn`.
    """
    sizes = (architecture.size, *architecture.sizes)
    for number, (layer, size, outputs) in enumerate(zip(architecture.layers, sizes, sizes[1:]), start=1):
        if architecture.border == "zero" and (outputs - 1) * layer.stride + layer.receptive_field > size:
            warnings.warn(
                f"layer {number} has windows that leave the image, where border 'zero' makes their products 0, so "
                "this network is 0 for every input; use border 'neutral'",
                stacklevel=stacklevel + 1,
            )
            return


@dataclass(frozen=True, eq=False, init=False)
class Circuit:
    """A convolutional arithmetic circuit: an architecture with numbers in it, over the reals or over GF(p).

        representation (M, H, W) → GC layers → (C_L, 1, 1) → dense: one value per class

    Args:
        architecture: the `Architecture`, ending in 1×1.
        weights: an array per layer l, in any iterable; they are stored as a tuple. The shape of each is (C_l, C_{l−1},
            R_l, R_l), after (H_l, H_l) if unshared. That of a weight-free layer is the identity at every offset.
        dense: a, of shape (Y, C_L): one vector per class.
        prime: p for GF(p), None for the real numbers.
        templates: F[d, j] = f_j(v⁽ᵈ⁾), of shape (M, M): row d is what the representation gives at template d.
            If left out, the identity: one-hot inputs.

    Raises:
        ArchitectureError: if the network does not end in 1×1, or R < S in a layer.
        WeightError: if a weight has the wrong shape, holds NaN or infinity, or is over GF(p) and not of integers.

    Warns:
        UserWarning: if the border is "zero" and windows leave the image: the network is then 0 everywhere.

    Source: talk, slides "Baseline Architecture" and "Generalized Convolutional Arithmetic Circuits".
    Chapter: *Convolutional arithmetic circuits*.

    >>> from convac_lib import baseline
    >>> circuit = random_circuit(baseline(M=2, size=2), seed=0, prime=7)
    >>> circuit.grid_tensor().shape
    (2, 2, 2, 2)
    """

    architecture: Architecture
    weights: tuple[np.ndarray, ...]
    dense: np.ndarray
    prime: int | None
    templates: np.ndarray

    def __init__(
        self,
        architecture: Architecture,
        weights: Iterable[ArrayLike],
        dense: ArrayLike,
        prime: int | None = None,
        templates: ArrayLike | None = None,
    ) -> None:
        architecture.require_patches_read().require_single_output()
        if prime is not None:
            require_prime(prime)
        warn_of_zeros(architecture, stacklevel=2)
        templates = one_hot(architecture.representation_channels) if templates is None else templates
        vars(self).update(
            architecture=architecture,
            weights=tuple(
                to_field(np.asarray(weight), prime, f"layer {number}'s weight")
                for number, weight in enumerate(weights, start=1)
            ),
            dense=to_field(np.asarray(dense), prime, "the dense weight"),
            prime=prime,
            templates=to_field(np.asarray(templates), prime, "the template matrix"),
        )
        self._require_shapes()

    def _require_shapes(self) -> None:
        """Refuse weights and templates that do not fit the architecture."""
        layers, M = self.architecture.layers, self.architecture.representation_channels
        if len(self.weights) != len(layers):
            raise WeightError(f"{len(self.weights)} weights for {len(layers)} layers; give one per layer")
        shapes = weight_shapes(self.architecture)
        for number, (layer, weight, shape) in enumerate(zip(layers, self.weights, shapes), start=1):
            if weight.shape != shape:
                raise WeightError(f"layer {number} needs a weight of shape {shape}, not {weight.shape}")
            if layer.weight_free and (weight != pooling_weight(layer)).any():
                raise WeightError(f"layer {number} is weight-free: its weight must be the identity at every offset")
        channels = self.architecture.channels[-1]
        if self.dense.ndim != 2 or self.dense.shape[1] != channels:
            raise WeightError(f"the dense weight needs shape (classes, {channels}), not {self.dense.shape}")
        if self.templates.shape != (M, M):
            raise WeightError(f"the template matrix needs shape {(M, M)}, not {self.templates.shape}")

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Evaluate on represented images.

        Args:
            x: shape (M, H, H) or (M, H, H, n).

        Returns:
            Values of shape (Y,) or (Y, n).

        Raises:
            DataError: if x does not have the architecture's M and H.
        """
        needed = (self.architecture.representation_channels, self.architecture.size, self.architecture.size)
        if x.shape[:3] != needed:
            raise DataError(
                f"the circuit reads a represented image of shape {needed}, or a batch (…, n), not {x.shape}"
            )
        for layer, weight in zip(self.architecture.layers, self.weights):
            border = self.architecture.border
            x = generalized_convolution(x, weight, layer.stride, border=border, prime=self.prime)
        top = x[:, 0, 0]  # (C_L, …)
        total = np.zeros((len(self.dense), *top.shape[1:]), top.dtype)
        for c in range(len(top)):
            total = reduce_modulo(total + np.multiply.outer(self.dense[:, c], top[c]), self.prime)
        return total

    def at_templates(self, digits: np.ndarray) -> np.ndarray:
        """Evaluate where every patch is one of the M templates.

        Args:
            digits: template numbers 0..M−1, shape (n, N), patches in row-major order.

        Returns:
            Entries of the grid tensors, shape (Y, n).
        """
        size = self.architecture.size
        x = self.templates.T[:, np.asarray(digits).T]  # (M, N, n)
        return self(x.reshape(len(x), size, size, -1))

    def submatrix(self, cut: Cut, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Compute entries of the grid tensor's matricization, pair by pair: the plain form of `assembly.matricization`.

        Args:
            cut: P | Q, from `make_cut`.
            rows: template numbers on P, shape (m, |P|).
            columns: template numbers on Q, shape (n, |Q|).

        Returns:
            The chosen rows and columns for the first class, shape (m, n).
        """
        at_once = max(1, min(len(rows), IMAGES_AT_ONCE // max(1, len(columns))))
        digits = np.empty((at_once, len(columns), len(cut.rows) + len(cut.columns)), np.intp)
        digits[:, :, cut.columns] = columns
        blocks = []
        for start in range(0, len(rows), at_once):
            block = rows[start : start + at_once]
            digits[: len(block), :, cut.rows] = block[:, None]
            values = self.at_templates(digits[: len(block)].reshape(-1, digits.shape[-1]))[0]
            blocks.append(values.reshape(len(block), len(columns)))
        return np.concatenate(blocks)

    def modulo(self, prime: int) -> "Circuit":
        """Return a circuit over the real numbers, such as a trained network's, as a circuit over GF(p).

        Its floating-point weights are integers times powers of 2, so they are taken modulo p exactly. The rank over
        GF(p) is at most the rank of the unrounded weights.

        Args:
            prime: p, odd.

        Raises:
            ConvacError: if the circuit is over GF(p) already, or p is not an odd prime.

        >>> from convac_lib import baseline
        >>> Circuit(baseline(M=1, size=2), [np.full((1, 1, 2, 2), 0.5)], [[-3.0]]).modulo(7).weights[0].ravel()
        array([4, 4, 4, 4])
        """
        if self.prime is not None:
            raise ConvacError(f"the circuit is over GF({self.prime}) already; take one over the real numbers")
        *weights, dense, templates = (
            float_to_field(array, require_prime(prime)) for array in (*self.weights, self.dense, self.templates)
        )
        return Circuit(self.architecture, weights, dense, prime, templates)

    def grid_tensor(self, class_index: int = 0) -> np.ndarray:
        """Compute A(f), of shape (M,)*N, for one class.

        Raises:
            ConvacError: if it would have more than 2²⁶ entries, or memory is short.
        """
        M, patches = self.architecture.representation_channels, self.architecture.size**2
        require_composable(M, patches)
        values = [
            C * size**2
            for C, size in zip(self.architecture.channels, (self.architecture.size, *self.architecture.sizes))
        ]
        at_once = min(M**patches, IMAGES_AT_ONCE)
        require_memory(
            8 * (2 * M**patches + 4 * at_once * max(map(sum, pairwise(values)))),
            f"a grid tensor of {M**patches:,} entries, {at_once:,} at a time,",
            "use fewer channels or a smaller image",
        )
        numbers = np.arange(M)[:, None]  # of the templates: (M, 1)
        return grid_tensor(lambda digits: self.at_templates(digits[..., 0])[class_index], numbers, patches)


grid_tensor.register(Circuit, Circuit.grid_tensor)


def one_hot(M: int) -> np.ndarray:
    """Return the template matrix of one-hot inputs, the M×M identity; raise `BudgetError` if memory is short."""
    require_memory(24 * M**2, f"a template matrix of {shown(M)}×{shown(M)}", "use fewer representation channels")
    return np.eye(M, dtype=int)


def random_circuit(architecture: Architecture, *, seed: int, prime: int | None = None, classes: int = 1) -> Circuit:
    """Draw a circuit's weights: uniform over GF(p), or standard normal over the reals.

    Args:
        architecture: the `Architecture`, ending in 1×1.
        seed: an integer; the same seed draws the same weights.
        prime: p for GF(p), None for the real numbers.
        classes: Y, the number of dense vectors.

    Returns:
        The `Circuit`.

    Raises:
        ArchitectureError: if the network does not end in 1×1, or R < S in a layer.
        ConvacError: if the seed is not an integer of at least 0.
        BudgetError: if the weights take more memory than is free.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import baseline
    >>> random_circuit(baseline(M=2, size=2), seed=0, prime=7).dense.shape
    (1, 2)
    """
    generator = np.random.default_rng(require_seed(seed))
    require_room(architecture, prime)

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return generator.standard_normal(shape) if prime is None else generator.integers(0, prime, shape)

    weights = [
        pooling_weight(layer) if layer.weight_free else draw(shape)
        for layer, shape in zip(architecture.layers, weight_shapes(architecture))
    ]
    return Circuit(architecture, weights, draw((classes, architecture.channels[-1])), prime)
