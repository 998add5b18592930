"""Convolutional arithmetic circuits, evaluated exactly: short, plain, and the oracle of every test."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from convac_lib.architecture import BORDERS, Architecture
from convac_lib.errors import ArchitectureError, ConvacError, WeightError
from convac_lib.theory.fields import element_type, reduce, require_prime
from convac_lib.theory.tensors import assignments, require_composable


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
        WeightError: if the weight's shape does not fit x.
        ArchitectureError: if the border is unknown.

    Source: talk, slides "Generalized Convolutional Arithmetic Circuits". Chapter: *Convolutional arithmetic circuits*.

    >>> x = np.array([[[1, 2], [3, 4]]])                                   # (1, 2, 2)
    >>> generalized_convolution(x, np.ones((1, 1, 2, 2), int), stride=1)   # each window's product; past the border, 1
    array([[[24,  8],
            [12,  4]]])
    """
    channels, receptive_field = weight.shape[-3], weight.shape[-1]
    if border not in BORDERS:
        raise ArchitectureError(f"unknown border {border!r}; use one of {', '.join(BORDERS)}")
    if channels != x.shape[0]:
        raise WeightError(f"the weight is for {channels} input channels and x has {x.shape[0]}; they must agree")
    outputs = [
        (side - receptive_field) // stride + 1 if border == "valid" else -(-side // stride) for side in x.shape[1:3]
    ]
    if border in ("ones", "zero"):
        margins = [(0, max(0, (n - 1) * stride + receptive_field - side)) for n, side in zip(outputs, x.shape[1:3])]
        widths = [(0, 0), *margins] + [(0, 0)] * (x.ndim - 3)
        x = np.pad(x, widths, constant_values=1 if border == "ones" else 0)
    y = np.ones((weight.shape[-4], *outputs, *x.shape[3:]), np.result_type(x, weight))  # (c, H', W', …)
    for i, j in product(range(receptive_field), repeat=2):
        patches = x[:, i::stride, j::stride][:, : outputs[0], : outputs[1]]  # (d, ≤H', ≤W', …)
        height, width = patches.shape[1:3]
        factor = 0 if bias is None else bias[:, i, j].reshape(-1, *[1] * (y.ndim - 1))
        for d in range(channels):
            factor = reduce(factor + _weight_of(weight[..., d, i, j], height, width, y.ndim) * patches[d], prime)
        inside = y[:, :height, :width]  # past the border: the empty product, 1
        inside[...] = reduce(inside * factor, prime)
    return y


def _weight_of(column, height, width, ndim):
    """One input channel's weights, (c,) or (H', W', c), laid out to multiply patches: (c, H', W', 1…)."""
    if column.ndim == 3:
        column = np.moveaxis(column[:height, :width], -1, 0)
    return column.reshape(*column.shape, *[1] * (ndim - column.ndim))


@dataclass(frozen=True, eq=False)
class Circuit:
    """A convolutional arithmetic circuit: an architecture with numbers in it, over the reals or over GF(p).

        representation (M, H, W) → GC layers → (C_L, 1, 1) → dense: one value a class

    Args:
        architecture: the `Architecture`, ending in 1×1.
        weights: of every layer l, (C_l, C_{l−1}, R_l, R_l), or with a leading (H_l, H_l) when unshared.
        dense: a, of shape (Y, C_L): one vector a class.
        prime: p for GF(p), None for the real numbers.
        templates: F[d, j] = f_j(v⁽ᵈ⁾), of shape (M, M): row d is what the representation gives at template d.
            Left out: the identity, one-hot inputs.

    Raises:
        ArchitectureError: if the network does not end in 1×1.
        WeightError: if a weight has the wrong shape or holds NaN or infinity.

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
        self.architecture.require_single_output()
        if self.prime is not None:
            require_prime(self.prime)
        M = self.architecture.representation_channels
        templates = np.eye(M, dtype=element_type(self.prime)) if self.templates is None else self.templates
        object.__setattr__(self, "weights", tuple(map(self._elements, self.weights)))
        object.__setattr__(self, "dense", self._elements(self.dense))
        object.__setattr__(self, "templates", self._elements(templates))
        if len(self.weights) != len(self.architecture.layers):
            raise WeightError(
                f"{len(self.weights)} weights for {len(self.architecture.layers)} layers; give one a layer"
            )
        for number, (weight, shape, size) in enumerate(
            zip(self.weights, weight_shapes(self.architecture), self.architecture.sizes), start=1
        ):
            if weight.shape not in (shape, (size, size, *shape)):
                raise WeightError(
                    f"layer {number} needs a weight of shape {shape}, or {(size, size, *shape)} unshared, "
                    f"not {weight.shape}"
                )
            if self.prime is None and not np.isfinite(weight).all():
                raise WeightError(f"layer {number}'s weight holds NaN or infinity; every weight must be finite")
        channels = self.architecture.channels[-1]
        if self.dense.ndim != 2 or self.dense.shape[1] != channels:
            raise WeightError(f"the dense weight needs shape (classes, {channels}), not {self.dense.shape}")
        if self.prime is None and not np.isfinite(self.dense).all():
            raise WeightError("the dense weight holds NaN or infinity; every weight must be finite")
        if self.templates.shape != (M, M):
            raise WeightError(f"the template matrix needs shape {(M, M)}, not {self.templates.shape}")

    def _elements(self, array):
        return reduce(np.asarray(array).astype(element_type(self.prime)), self.prime)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Evaluate on represented images.

        Args:
            x: shape (M, H, H) or (M, H, H, n).

        Returns:
            Values of shape (Y,) or (Y, n).
        """
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

    def grid_tensor(self, class_index: int = 0) -> np.ndarray:
        """A(f), of shape (M,)*N, for one class; `ConvacError` beyond 2²⁶ entries."""
        M, patches = self.architecture.representation_channels, self.architecture.size**2
        require_composable(M, patches)
        return self.at_templates(assignments(M, patches))[class_index].reshape((M,) * patches)


def weight_shapes(architecture: Architecture) -> list[tuple[int, int, int, int]]:
    """The shared weight's shape (C_l, C_{l−1}, R_l, R_l) of every layer.

    >>> from convac_lib import common_case
    >>> weight_shapes(common_case(B=3, M=2, size=2))
    [(2, 2, 3, 3), (2, 2, 2, 2)]
    """
    return [
        (layer.channels, channels, layer.receptive_field, layer.receptive_field)
        for layer, channels in zip(architecture.layers, architecture.channels)
    ]


def random_circuit(
    architecture: Architecture, *, seed: int, prime: int | None = None, classes: int = 1, shared: bool = True
) -> Circuit:
    """Draw a circuit's weights: uniform over GF(p), or standard normal over the reals.

    Args:
        architecture: the `Architecture`, ending in 1×1.
        seed: a whole number; the same seed draws the same weights.
        prime: p for GF(p), None for the real numbers.
        classes: Y, the dense vectors.
        shared: whether a layer's weights are the same at every position.

    Returns:
        The `Circuit`.

    Raises:
        ArchitectureError: if the network does not end in 1×1.
        ConvacError: if the seed is not a whole number of at least 0.

    Chapter: *The overlap theorem*.

    >>> from convac_lib import baseline
    >>> random_circuit(baseline(M=2, size=2), seed=0, prime=7).dense.shape
    (1, 2)
    """
    if not isinstance(seed, int) or seed < 0:
        raise ConvacError(f"seed must be a whole number of at least 0, not {seed!r}")
    generator = np.random.default_rng(seed)

    def draw(shape):
        return generator.standard_normal(shape) if prime is None else generator.integers(0, prime, shape)

    shapes = weight_shapes(architecture)
    if not shared:
        shapes = [(size, size, *shape) for size, shape in zip(architecture.sizes, shapes)]
    weights = tuple(map(draw, shapes))
    return Circuit(architecture, weights, draw((classes, architecture.channels[-1])), prime)
