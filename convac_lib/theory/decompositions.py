"""The two decompositions behind the networks: CP for the shallow network, Hierarchical Tucker for the deep one.

Taught in the chapter *Convolutional arithmetic circuits*.
"""

from collections.abc import Callable, Iterable
from functools import reduce as fold
from itertools import product

import numpy as np

from convac_lib.errors import ConvacError
from convac_lib.theory.fields import reduce_modulo, to_field
from convac_lib.theory.tensors import require_composable

Pooling = Callable[[np.ndarray, np.ndarray], np.ndarray]  # of two arrays that broadcast; associative


def compose_cp(
    coefficients: np.ndarray, vectors: np.ndarray, prime: int | None = None, pooling: Pooling = np.multiply
) -> np.ndarray:
    """Write out a CP decomposition: the coefficient tensor of a shallow network.

        A = Σ_γ a_γ · v^{1,γ} ⊗ v^{2,γ} ⊗ … ⊗ v^{N,γ}

    Args:
        coefficients: a, of shape (r,).
        vectors: v, of shape (r, N, M).
        prime: p for GF(p), None for the real numbers.
        pooling: g, which takes the place of the product: (v ⊗ w)_{d,e} = g(v_d, w_e).

    Returns:
        A, of shape (M,)*N.

    Raises:
        ConvacError: if there is not one coefficient per term, or the tensor would have more than 2²⁶ entries.

    Source: talk, slide "CP Decomposition ↔ Shallow Convolutional Arithmetic Circuit".
    Chapter: *Convolutional arithmetic circuits*.

    >>> compose_cp(np.array([1, 10]), np.array([[[1, 2], [3, 4]], [[1, 0], [0, 1]]]))
    array([[ 3, 14],
           [ 6,  8]])
    """
    terms, order, base = vectors.shape
    if coefficients.shape != (terms,):
        raise ConvacError(f"{terms} terms need coefficients of shape {(terms,)}, not {coefficients.shape}")
    require_composable(base, order)
    if prime is not None:
        coefficients, vectors = to_field(coefficients, prime), to_field(vectors, prime)
    return _sum((a * _outer(rank_one, prime, pooling) for a, rank_one in zip(coefficients, vectors)), prime)


def compose_hierarchical_tucker(
    levels: Iterable[np.ndarray], branches: int = 2, prime: int | None = None, pooling: Pooling = np.multiply
) -> np.ndarray:
    """Write out a Hierarchical Tucker decomposition: the coefficient tensor of a deep network without overlap.

        φ⁰_{j,γ} = a⁰_{j,γ}        φˡ_{j,γ} = Σ_α aˡ_{j,γ,α} · φˡ⁻¹_{bj,α} ⊗ … ⊗ φˡ⁻¹_{bj+b−1,α}

    Args:
        levels: a⁰, …, aᴸ; a⁰ of shape (N, r_0, M), aˡ of shape (N/bˡ, r_l, r_{l−1}); the last has one node.
            Weights that are shared over positions are equal for every j.
        branches: b, the number of children of a node; the talk draws 2, and a 2×2 window has 4.
        prime: p for GF(p), None for the real numbers.
        pooling: g, which takes the place of the product: (v ⊗ w)_{d,e} = g(v_d, w_e).

    Returns:
        Aʸ = φᴸ_{0,y} for every y, of shape (r_L,) + (M,)*N, its modes in the order of the tree's leaves.

    Raises:
        ConvacError: if the nodes of a level are not 1/b of those below it, a vector does not have r_{l−1} weights, or
            the tensor would have more than 2²⁶ entries.

    Source: talk, slide "Hierarchical Tucker Decomposition ↔ Deep Convolutional Arithmetic Circuit".
    Chapter: *Convolutional arithmetic circuits*.

    >>> identity = np.eye(2, dtype=int)
    >>> compose_hierarchical_tucker([np.stack([identity] * 2), np.array([[[1, 5]]])])[0]
    array([[1, 0],
           [0, 5]])
    """
    leaves, *inner = levels if prime is None else (to_field(weights, prime) for weights in levels)
    require_composable(leaves.shape[2], leaves.shape[0])
    nodes: list[np.ndarray] = list(leaves)  # per node: (γ, d, …)
    for number, weights in enumerate(inner, start=1):
        if len(weights) * branches != len(nodes):
            raise ConvacError(
                f"level {number} has {len(weights)} nodes over {len(nodes)} below it: "
                f"with {branches} branches it needs {len(nodes) / branches:g}"
            )
        if weights.shape[2] != len(nodes[0]):
            raise ConvacError(
                f"level {number} weighs {weights.shape[2]} tensors per node and level {number - 1} makes "
                f"{len(nodes[0])}; they must agree"
            )
        children = [nodes[start : start + branches] for start in range(0, len(nodes), branches)]
        products = [np.stack([_outer(group, prime, pooling) for group in zip(*family)]) for family in children]
        nodes = [_combine(weight, values, prime) for weight, values in zip(weights, products)]
    if len(nodes) != 1:
        raise ConvacError(f"the last level has {len(nodes)} nodes and needs exactly 1, the root")
    return nodes[0]


def tree_order(depth: int) -> np.ndarray:
    """List the patches of a 2ᴸ×2ᴸ image in the order of the leaves of the tree of 2×2 windows (the Z-order).

    Args:
        depth: L.

    Returns:
        Row-major patch numbers, of shape (4ᴸ,).

    Chapter: *Tensors and function spaces*.

    >>> tree_order(2).reshape(4, 4)
    array([[ 0,  1,  4,  5],
           [ 2,  3,  6,  7],
           [ 8,  9, 12, 13],
           [10, 11, 14, 15]])
    """
    patches = np.zeros((1, 2), dtype=int)
    for _ in range(depth):
        offsets = np.array(list(product(range(2), repeat=2)))
        patches = (2 * patches[:, None] + offsets).reshape(-1, 2)
    rows, columns = patches.T
    order: np.ndarray = rows * 2**depth + columns
    return order


def _outer(vectors: Iterable[np.ndarray], prime: int | None, pooling: Pooling) -> np.ndarray:
    """Compute v ⊗ w ⊗ …, reduced after every product."""

    def times(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        return reduce_modulo(pooling(left[(..., *[None] * right.ndim)], right), prime)

    return fold(times, vectors)


def _combine(weight: np.ndarray, values: np.ndarray, prime: int | None) -> np.ndarray:
    """Compute Σ_α weight[γ, α] · values[α, …], reduced after every term."""
    return _sum((np.multiply.outer(weight[:, alpha], values[alpha]) for alpha in range(weight.shape[1])), prime)


def _sum(terms: Iterable[np.ndarray], prime: int | None) -> np.ndarray:
    """Add terms, and reduce after each."""
    nothing = np.zeros((), np.int8)  # a sum with it keeps the dtype of the terms
    return fold(lambda total, term: reduce_modulo(total + term, prime), terms, nothing)
