"""Networks without overlap whose pooling is a product, a maximum or an average, over a row of patches, exactly.

Taught in the chapter *Rectifier networks*.
"""

from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from flint import fmpz_mat

from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, ConvacError, CutError, shown
from convac_lib.related.row import row_matrix
from convac_lib.theory.decompositions import Pooling, compose_cp, compose_hierarchical_tucker
from convac_lib.theory.fields import require_seed

LARGEST_INTEGER = 2**63 - 1


def _maximum(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    highest: np.ndarray = np.maximum(np.maximum(a, b), 0)
    return highest


def _average(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    total: np.ndarray = np.maximum(a, 0) + np.maximum(b, 0)
    return total


POOLINGS: dict[str, Pooling] = {"product": np.multiply, "max": _maximum, "average": _average}
"""What a window does with two values a and b: a·b, max(a, b, 0), and max(a, 0) + max(b, 0), twice their average."""


def compose(levels: Sequence[np.ndarray], pooling: str) -> np.ndarray:
    """Write out the grid tensor of a deep network over a row of N = 2ᴸ patches, one-hot, with windows of two.

        φˡ_{j,γ} = Σ_α aˡ_{j,γ,α} · g(φˡ⁻¹_{2j,α}, φˡ⁻¹_{2j+1,α}),   φ⁰_{j,γ} = a⁰_{j,γ}

    Args:
        levels: integers a⁰, …, aᴸ of shapes (N, r_0, M), (N/2, r_1, r_0), …, (1, 1, r_{L−1}).
        pooling: "product", "max" or "average", which says what g is.

    Returns:
        The values at all images of templates, of shape (M,)*N: 64-bit integers, or Python's where those might not do.

    Raises:
        ConvacError: if the pooling is unknown, the levels do not fit together, or the tensor would have more than 2²⁶
            entries.

    Source: Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> compose([np.stack([np.eye(2, dtype=int)] * 2), np.array([[[1, 1]]])], "max")
    array([[1, 2],
           [2, 1]])
    """
    largest = _largest(levels[0])
    for level in levels[1:]:
        largest = level.shape[-1] * _largest(level) * _pooled(largest, 2, pooling)
    exact = [_wide(level, largest) for level in levels]
    tensor: np.ndarray = compose_hierarchical_tucker(exact, pooling=POOLINGS[pooling])[0]
    return tensor


def compose_shallow(coefficients: np.ndarray, vectors: np.ndarray, pooling: str) -> np.ndarray:
    """Write out the grid tensor of a shallow network, whose one window is the whole row.

        A = Σ_γ a_γ · g(v^{1,γ}_{d_1}, …, v^{N,γ}_{d_N})

    Args:
        coefficients: integers a, of shape (Z,).
        vectors: integers v, of shape (Z, N, M).
        pooling: "product", "max" or "average", which says what g is.

    Returns:
        The values at all images of templates, of shape (M,)*N: 64-bit integers, or Python's where those might not do.

    Raises:
        ConvacError: as for `compose`.

    Source: Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> compose_shallow(np.array([1]), np.array([[[0, 3], [2, 5]]]), "max")
    array([[2, 5],
           [3, 5]])
    """
    terms, order, _ = vectors.shape
    largest = terms * _largest(coefficients) * _pooled(_largest(vectors), order, pooling)
    return compose_cp(_wide(coefficients, largest), _wide(vectors, largest), pooling=POOLINGS[pooling])


def exact_rank(tensor: np.ndarray, cut: str = "odd-even") -> int:
    """Find the rank of the matricization of a row's tensor, over the rational numbers.

    Args:
        tensor: integers, of shape (M,)*N.
        cut: "odd-even", every second patch against the others, or "left-right", the first half against the second.

    Returns:
        The rank of ⟦A⟧_{P|Q}.

    Raises:
        CutError: if the cut is unknown.

    Chapter: *Rectifier networks*.

    >>> exact_rank(np.array([[1, 2], [2, 1]]))
    2
    """
    if cut not in ("odd-even", "left-right"):
        raise CutError(f"unknown cut {shown(cut)} of a row; use one of odd-even, left-right")
    return int(fmpz_mat(row_matrix(tensor, cut).tolist()).rank())


def witness(patches: int, templates: int) -> list[np.ndarray]:
    """Build a deep network of max-pooling that asks whether all lowest windows show equal templates.

        f = 1 + [some pair d_{2j}, d_{2j+1} differs],   ⟦A⟧_{odd|even} = 2J − I,   of rank M^{N/2}

    Leaf channel α says whether the patch shows template α. A pair's maxima then add up to the number of its different
    templates, and the windows above keep the larger number.

    Args:
        patches: N, a power of two of at least 2.
        templates: M.

    Returns:
        a⁰, …, aᴸ, as `compose` takes them.

    Raises:
        ArchitectureError: if N is no power of two of at least 2, or M is not an integer of at least 1.

    Source: ours, after Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> exact_rank(compose(witness(8, 2), "max")), sum(level.size for level in witness(8, 2))
    (16, 43)
    """
    _require_row(patches)
    require_integers(error=ArchitectureError, templates=templates)
    leaves, pairs = np.stack([np.eye(templates, dtype=int)] * patches), np.ones((patches // 2, 1, templates), int)
    above = [np.ones((patches >> level, 1, 1), int) for level in range(2, patches.bit_length())]
    return [leaves, pairs, *above]


def universal(tensor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Build a shallow network of max-pooling with any given values, from Mᴺ + 1 channels.

        A_d = Σ_t A_t − Σ_t A_t · max_n [d_n ≠ t_n]

    Args:
        tensor: integers, of shape (M,)*N.

    Returns:
        The coefficients, of shape (Mᴺ + 1,), and the vectors, of shape (Mᴺ + 1, N, M), as `compose_shallow` takes them.

    Source: ours, after Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> compose_shallow(*universal(np.array([[4, -7], [0, 1]])), "max")
    array([[ 4, -7],
           [ 0,  1]])
    """
    M = len(tensor)
    images = np.array(list(product(range(M), repeat=tensor.ndim)))  # (Mᴺ, N)
    differs = (images[:, :, None] != np.arange(M)).astype(int)  # (Mᴺ, N, M)
    always = np.ones((1, *differs.shape[1:]), int)
    values = tensor.ravel()
    return np.concatenate([values.sum(keepdims=True), -values]), np.concatenate([always, differs])


def channel_rank(patches: int, templates: int) -> int:
    """Bound the rank of one shallow channel of max-pooling across odd | even.

        max(x_row, y_column, 0)  →  rank ≤ (N/2)·(M − 1) + 1,   the number of values that x can have

    Source: ours, after Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> channel_rank(8, 2)
    5
    """
    return patches // 2 * (templates - 1) + 1


def channels_needed(patches: int, templates: int) -> int:
    """Bound the channels of a shallow network of max-pooling that has the values of the deep `witness`.

        Z ≥ M^{N/2} / ((N/2)·(M − 1) + 1)

    Source: ours, after Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> [channels_needed(N, M) for N, M in [(4, 4), (8, 2), (8, 3), (16, 2)]]
    [3, 4, 9, 29]
    """
    side = int(templates ** (patches // 2))
    return -(-side // channel_rank(patches, templates))


def average_rank(patches: int, templates: int) -> int:
    """Bound the rank of a deep network of average pooling across odd | even, for four patches or more.

        the last window adds a function of each half   →   rank ≤ 2·M^{N/4} − 1

    Source: ours. Chapter: *Rectifier networks*.

    >>> average_rank(4, 2), average_rank(8, 2)
    (3, 7)
    """
    return int(2 * templates ** (patches // 4) - 1)


def draw_tensors(
    pooling: str,
    patches: int,
    width: int,
    *,
    templates: int = 2,
    largest_weight: int = 9,
    draws: int = 200,
    seed: int = 0,
) -> Iterator[np.ndarray]:
    """Draw deep networks whose weights are integers, equally likely within limits, and compose each.

    Args:
        pooling: "product", "max" or "average".
        patches: N, a power of two of at least 2.
        width: r, of every level.
        templates: M.
        largest_weight: w; the weights are from −w to w.
        draws: how many networks.
        seed: the seed of the weights; all poolings have the same ones.

    Yields:
        The values of each network at all images of templates, as `compose` returns them.

    Raises:
        ConvacError: as for `compose`; and if a number is out of range.

    Chapter: *Rectifier networks*.

    >>> [exact_rank(tensor) for tensor in draw_tensors("max", 4, 2, draws=8)]
    [2, 1, 3, 3, 2, 2, 2, 3]
    """
    _require_row(patches)
    require_integers(
        error=ArchitectureError, width=width, templates=templates, largest_weight=largest_weight, draws=draws
    )
    generator = np.random.default_rng(require_seed(seed))
    inner = [(patches >> level, width, width) for level in range(1, patches.bit_length() - 1)]
    shapes = [(patches, width, templates), *inner, (1, 1, width)]
    for _ in range(draws):
        yield compose([generator.integers(-largest_weight, largest_weight + 1, shape) for shape in shapes], pooling)


def _largest(array: np.ndarray) -> int:
    return int(np.abs(array).max(initial=0))


def _pooled(largest: int, count: int, pooling: str) -> int:
    """The largest result of pooling `count` values that are at most `largest`."""
    if pooling not in POOLINGS:
        raise ConvacError(f"unknown pooling {shown(pooling)}; use one of {', '.join(POOLINGS)}")
    return {"product": int(largest**count), "max": largest, "average": count * largest}[pooling]


def _wide(array: np.ndarray, largest: int) -> np.ndarray:
    """The same integers, as Python's if a result may be too large for 64 bits."""
    return array.astype(object) if largest > LARGEST_INTEGER else array


def _require_row(patches: int) -> None:
    require_integers(error=ArchitectureError, patches=patches)
    if patches < 2 or patches & (patches - 1):
        raise ArchitectureError(
            f"windows of two need a row of 2, 4, 8, … patches, not {shown(patches)}; use a power of two"
        )
