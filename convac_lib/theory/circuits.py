"""Convolutional arithmetic circuits, evaluated exactly: short, plain, and the oracle of every test."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import prod

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.budget import free_memory, largest, require_memory
from convac_lib.errors import ConvacError, DataError, WeightError, shown
from convac_lib.theory.fields import dyadic_elements, elements, reduce, require_prime, require_seed
from convac_lib.theory.tensors import IMAGES_AT_ONCE, Cut, grid_tensor, require_composable

_OUTSIDE = {"ones": 1, "zero": 0}


def generalized_convolution(
    x: np.ndarray,
    weight: np.ndarray,
    stride: int,
    *,
    bias: np.ndarray | None = None,
    border: str = "neutral",
    prime: int | None = None,
) -> np.ndarray:
    """Multiply, over each window, the window's own linear maps of its patches (talk: "Generalized Convolution").

        y[c, u, v] = Π_ij ( Σ_d weight[c, d, i, j] · x[d, uS+i, vS+j]  (+ bias[c, i, j]) )

    Args:
        x: input of shape (d, H, W) or (d, H, W, n) for a batch of n.
        weight: shape (c, d, R, R); or (H', W', c, d, R, R), a map of its own at every position (unshared).
        stride: S, 1 ≤ S ≤ R.
        bias: shape (c, R, R), or None.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).
        prime: p for GF(p), None for the real numbers.

    Returns:
        y of shape (c, H', W') or (c, H', W', n), with H' = ⌈H/S⌉, or ⌊(H−R)/S⌋+1 for "valid".

    Raises:
        ArchitectureError: if R < S, the border is unknown, or a "valid" window does not fit.
        DataError: if x has not three or four axes.
        WeightError: if the weight's or the bias's shape does not fit, or a number for GF(p) is not whole.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Overlaps*.

    >>> x = np.array([[[1, 2], [3, 4]]])                                   # (1, 2, 2)
    >>> generalized_convolution(x, np.ones((1, 1, 2, 2), int), stride=1)   # each window's product; past the border, 1
    array([[[24,  8],
            [12,  4]]])
    """
    if bias is None:
        bias = np.zeros(weight.shape[-4:-3] + weight.shape[-2:], weight.dtype)
    outputs = _output_size(x, weight, bias, stride, border)
    if prime is not None:
        x, weight, bias = (elements(array, prime) for array in (x, weight, bias))
    receptive_field = weight.shape[-1]
    if border in _OUTSIDE:
        reached = [(n - 1) * stride + receptive_field for n in outputs]
        padded = np.full((len(x), *reached, *x.shape[3:]), _OUTSIDE[border], x.dtype)
        padded[:, : x.shape[1], : x.shape[2]] = x
        x = padded
    y = np.ones((weight.shape[-4], *outputs, *x.shape[3:]), np.result_type(x, weight, bias))  # (c, H', W', …)
    for i, j in product(range(receptive_field), repeat=2):
        patches = x[:, i::stride, j::stride][:, : outputs[0], : outputs[1]]  # (d, ≤H', ≤W', …)
        height, width = patches.shape[1:3]
        factor = bias[:, i, j].reshape(-1, *[1] * (y.ndim - 1))
        for d in range(len(x)):
            factor = reduce(factor + _weight_of(weight[..., d, i, j], height, width, y.ndim) * patches[d], prime)
        inside = y[:, :height, :width]  # past the border: the empty product, 1
        inside[...] = reduce(inside * factor, prime)
    return y


def _output_size(x, weight, bias, stride, border):
    """[H', W'], once every shape has been checked; the rules and sentences of a layer are those of `Architecture`."""
    if x.ndim not in (3, 4):
        raise DataError(f"the input needs shape (d, H, W), or (d, H, W, n) for a batch, not {x.shape}")
    if weight.ndim not in (4, 6) or weight.shape[-2] != weight.shape[-1]:
        raise WeightError(f"the weight needs shape (c, d, R, R), or (H', W', c, d, R, R) unshared, not {weight.shape}")
    *positions, channels, in_channels, receptive_field, _ = weight.shape
    if in_channels != len(x):
        raise WeightError(f"the weight is for {in_channels} input channels and x has {len(x)}; they must agree")
    if bias.shape != (channels, receptive_field, receptive_field):
        raise WeightError(f"the bias needs shape {(channels, receptive_field, receptive_field)}, not {bias.shape}")
    layer = Layer(receptive_field, stride, channels)
    plans = [Architecture(size, in_channels, (layer,), border).require_patches_read() for size in x.shape[1:3]]
    outputs = [plan.sizes[0] for plan in plans]
    if positions and positions != outputs:
        raise WeightError(f"the unshared weight is for {positions} positions and the output has {outputs}")
    return outputs


def _weight_of(column, height, width, ndim):
    """One input channel's weights, (c,) or (H', W', c), laid out to multiply patches: (c, H', W', 1…)."""
    if column.ndim == 3:
        column = np.moveaxis(column[:height, :width], -1, 0)
    return column.reshape(*column.shape, *[1] * (ndim - column.ndim))


def warn_of_zeros(architecture: Architecture, stacklevel: int) -> None:
    """Warn if border "zero" makes every function of a network without biases 0: a window leaves the image.

    A product over such a window is 0 in every channel, and so is every product that meets it above.
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


@dataclass(frozen=True, eq=False)
class Circuit:
    """A convolutional arithmetic circuit: an architecture with numbers in it, over the reals or over GF(p).

        representation (M, H, W) → GC layers → (C_L, 1, 1) → dense: one value a class

    Args:
        architecture: the `Architecture`, ending in 1×1.
        weights: of every layer l, (C_l, C_{l−1}, R_l, R_l), or with a leading (H_l, H_l) when unshared; the identity
            at every offset, (C_l, C_l, R_l, R_l), when weight-free.
        dense: a, of shape (Y, C_L): one vector a class.
        prime: p for GF(p), None for the real numbers.
        templates: F[d, j] = f_j(v⁽ᵈ⁾), of shape (M, M): row d is what the representation gives at template d.
            Left out: the identity, one-hot inputs.

    Raises:
        ArchitectureError: if the network does not end in 1×1, or R < S in a layer.
        WeightError: if a weight has the wrong shape, holds NaN or infinity, or is not whole over GF(p).

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
    prime: int | None = None
    templates: np.ndarray | None = None

    def __post_init__(self):
        self.architecture.require_patches_read().require_single_output()
        if self.prime is not None:
            require_prime(self.prime)
        warn_of_zeros(self.architecture, stacklevel=3)
        M = self.architecture.representation_channels
        if self.templates is None:
            require_memory(
                24 * M**2, f"a template matrix of {shown(M)}×{shown(M)}", "use fewer representation channels"
            )
        templates = np.eye(M, dtype=int) if self.templates is None else self.templates
        weights = [
            elements(weight, self.prime, f"layer {number}'s weight")
            for number, weight in enumerate(self.weights, start=1)
        ]
        object.__setattr__(self, "weights", tuple(weights))
        object.__setattr__(self, "dense", elements(self.dense, self.prime, "the dense weight"))
        object.__setattr__(self, "templates", elements(templates, self.prime, "the template matrix"))
        if len(self.weights) != len(self.architecture.layers):
            raise WeightError(
                f"{len(self.weights)} weights for {len(self.architecture.layers)} layers; give one a layer"
            )
        layers = zip(self.architecture.layers, self.weights, weight_shapes(self.architecture))
        for number, (layer, weight, shape) in enumerate(layers, start=1):
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
            DataError: if x has not the architecture's M and H.
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
        total = 0
        for c in range(len(top)):
            total = reduce(total + np.multiply.outer(self.dense[:, c], top[c]), self.prime)
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
        """Entries of the grid tensor's matricization, pair by pair: the plain form of `filling.matricization`.

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
        """Return this circuit over the real numbers, such as a trained network's, as one over GF(p).

        Its floating-point weights are integers times powers of 2, and are taken modulo p exactly: the rank over
        GF(p) is at most the rank of these very weights, without rounding.

        Args:
            prime: p, odd.

        Raises:
            ConvacError: if the circuit is over GF(p) already, or p is no odd prime.

        >>> from convac_lib import baseline
        >>> Circuit(baseline(M=1, size=2), [np.full((1, 1, 2, 2), 0.5)], [[-3.0]]).modulo(7).weights[0].ravel()
        array([4, 4, 4, 4])
        """
        if self.prime is not None:
            raise ConvacError(f"the circuit is over GF({self.prime}) already; take one over the real numbers")
        *weights, dense, templates = (
            dyadic_elements(array, require_prime(prime)) for array in (*self.weights, self.dense, self.templates)
        )
        return Circuit(self.architecture, tuple(weights), dense, prime, templates)

    def grid_tensor(self, class_index: int = 0) -> np.ndarray:
        """A(f), of shape (M,)*N, for one class; `ConvacError` beyond 2²⁶ entries, or where memory is short."""
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


def weight_shapes(architecture: Architecture) -> list[tuple[int, ...]]:
    """The shape (C_l, C_{l−1}, R_l, R_l) of every layer's weight, after (H_l, H_l) where it is unshared.

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

    def fits(smaller):
        return weights_memory(smaller, prime) <= free

    free = free_memory()
    if not fits(architecture):
        smaller = "use smaller strides and windows" if architecture.shared else "share the weights"
        needed = weights_memory(architecture, prime)
        require_memory(needed, "drawing this network's weights", smaller_network(architecture, fits) or smaller)


def weights_memory(architecture: Architecture, prime: int | None) -> int:
    """Bytes at the peak that drawing a network's weights, and its template matrix, takes."""
    sizes = [*map(prod, weight_shapes(architecture)), architecture.representation_channels**2]
    return (8 if (prime or 0) <= 2**31 else 48) * (2 * sum(sizes) + 3 * max(sizes))


def smaller_network(architecture: Architecture, fits: Callable[[Architecture], bool]) -> str | None:
    """The remedy for a network that is too large: fewer channels, or smaller windows too; None if neither helps."""

    def capped(channels, receptive_field):
        layers = [
            replace(
                layer,
                channels=min(channels, layer.channels),
                receptive_field=max(layer.stride, min(receptive_field, layer.receptive_field)),
            )
            for layer in architecture.layers
        ]
        M = min(channels, architecture.representation_channels)
        return replace(architecture, representation_channels=M, layers=layers)

    most = min(2**40, max(architecture.channels))  # beyond, nothing fits
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
    """The weight that makes a layer plain product pooling: the identity at every offset, (C, C, R, R)."""
    window = (layer.receptive_field, layer.receptive_field)
    return np.multiply.outer(np.eye(layer.channels, dtype=int), np.ones(window, int))


def random_circuit(architecture: Architecture, *, seed: int, prime: int | None = None, classes: int = 1) -> Circuit:
    """Draw a circuit's weights: uniform over GF(p), or standard normal over the reals.

    Args:
        architecture: the `Architecture`, ending in 1×1.
        seed: an integer; the same seed draws the same weights.
        prime: p for GF(p), None for the real numbers.
        classes: Y, the dense vectors.

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

    def draw(shape):
        return generator.standard_normal(shape) if prime is None else generator.integers(0, prime, shape)

    weights = tuple(
        pooling_weight(layer) if layer.weight_free else draw(shape)
        for layer, shape in zip(architecture.layers, weight_shapes(architecture))
    )
    return Circuit(architecture, weights, draw((classes, architecture.channels[-1])), prime)
