"""A row of N patches under windows of two: the plan of such a tree, its random weights, its cuts and its exact ranks.

Taught in the chapters *Depth efficiency*, *Widths and entanglement* and *Mixed decompositions*.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from numbers import Integral

import numpy as np

from convac_lib.budget import require_memory
from convac_lib.checks import powers_near, require_integers
from convac_lib.errors import ArchitectureError, CutError, shown
from convac_lib.theory.decompositions import compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME, require_prime, require_seed, schwartz_zippel
from convac_lib.theory.ranks import rank_modulo
from convac_lib.theory.tensors import require_composable

# Whether patch n of N is on the first side of the cut.
ROW_CUTS: dict[str, Callable[[int, int], bool]] = {
    "left-right": lambda patch, patches: patch < patches // 2,
    "odd-even": lambda patch, patches: patch % 2 == 0,
}

RowCut = str | Iterable[int]  # what `row_cut` takes


@dataclass(frozen=True)
class RowTree:
    """A network without overlap over a row of patches: windows of two, level by level, and a dense vector on top.

    Args:
        patches: N, a power of two of at least 2.
        representation_channels: M.
        widths: r_0, …, r_{L−1} with L = log₂ N; r_l is the number of channels of the nodes of level l, C_{l+1} of an
            `Architecture`.
        shared: whether all nodes of a level have one matrix; otherwise each node has its own.

    Raises:
        ArchitectureError: if N is no power of two, there is not one width per level, or a number is not an integer of
            at least 1.

    Source: talk, slide "Hierarchical Tucker Decomposition ↔ Deep Convolutional Arithmetic Circuit".
    Chapter: *Depth efficiency*.

    >>> RowTree(patches=16, representation_channels=2, widths=(2, 2, 2, 2)).parameters
    122
    """

    patches: int
    representation_channels: int
    widths: Sequence[int]
    shared: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "widths", tuple(self.widths))
        N, levels = self.patches, len(self.widths)
        require_integers(error=ArchitectureError, patches=N, representation_channels=self.representation_channels)
        if N < 2 or N & (N - 1):
            raise ArchitectureError(
                f"{shown(N)} patches are no power of two of at least 2: windows of two must end in one window; "
                f"use {powers_near(N)}"
            )
        if levels != N.bit_length() - 1:
            raise ArchitectureError(
                f"a row of {shown(N)} patches has {N.bit_length() - 1} levels of windows, and each needs a width; "
                f"{levels} were given"
            )
        for width in self.widths:
            require_integers(error=ArchitectureError, width=width)

    @property
    def shapes(self) -> list[tuple[int, int, int]]:
        """The shapes of a⁰, …, aᴸ as `compose_hierarchical_tucker` reads them: nodes, channels, channels below."""
        nodes = [self.patches >> level for level in range(len(self.widths) + 1)]
        return list(zip(nodes, [*self.widths, 1], [self.representation_channels, *self.widths]))

    @property
    def parameters(self) -> int:
        """How many numbers the tree stores; a shared matrix counts once."""
        return sum(prod(shape[1:]) if self.shared else prod(shape) for shape in self.shapes)


def random_levels(tree: RowTree, *, seed: int, prime: int | None = DEFAULT_PRIME) -> list[np.ndarray]:
    """Draw the weights of a tree: uniform over GF(p), or standard normal over the real numbers.

    Args:
        tree: the `RowTree`.
        seed: an integer; the same seed draws the same weights.
        prime: p for GF(p), None for the real numbers.

    Returns:
        a⁰, …, aᴸ of the shapes `tree.shapes`; a shared matrix is repeated for every node.

    Raises:
        ConvacError: if the seed is not an integer of at least 0, or p is not a prime.
        BudgetError: if the weights take more memory than is free.

    Chapter: *Depth efficiency*.

    >>> [level.shape for level in random_levels(RowTree(4, 3, (2, 5)), seed=0)]
    [(4, 2, 3), (2, 5, 2), (1, 1, 5)]
    """
    generator = np.random.default_rng(require_seed(seed))
    if prime is not None:
        require_prime(prime)
    require_memory(
        16 * sum(map(prod, tree.shapes)), "drawing the weights of this tree", "use smaller widths or fewer patches"
    )

    def draw(shape: tuple[int, ...]) -> np.ndarray:
        return generator.standard_normal(shape) if prime is None else generator.integers(0, prime, shape)

    if tree.shared:
        return [np.broadcast_to(draw(shape[1:]), shape) for shape in tree.shapes]
    return [draw(shape) for shape in tree.shapes]


def row_cut(cut: RowCut, patches: int) -> tuple[int, ...]:
    """Split a row of patches in two: by a name, or by the patches of the first side.

    Args:
        cut: "left-right", "odd-even", or the numbers of the patches of P, from 0 to N−1.
        patches: N.

    Returns:
        P, increasing; Q is the rest.

    Raises:
        CutError: if the name is unknown, a patch is not in the row or is listed twice, or a side is empty.

    Chapter: *Depth efficiency*.

    >>> row_cut("odd-even", 8), row_cut("left-right", 8)
    ((0, 2, 4, 6), (0, 1, 2, 3))
    """
    if isinstance(cut, str):
        if cut not in ROW_CUTS:
            names = ", ".join(ROW_CUTS)
            raise CutError(f"unknown cut {shown(cut)} of a row; use one of {names}, or list the patches of one side")
        return tuple(patch for patch in range(patches) if ROW_CUTS[cut](patch, patches))
    listed = list(cut)
    for patch in listed:
        if not isinstance(patch, Integral) or not 0 <= patch < patches:
            raise CutError(
                f"patch {shown(patch)} is not in a row of {patches} patches; use numbers from 0 to {patches - 1}"
            )
    twice = next((patch for patch in listed if listed.count(patch) > 1), None)
    if twice is not None:
        raise CutError(f"a cut puts every patch on one side, and patch {twice} is listed twice; list it once")
    if len(listed) in (0, patches):
        raise CutError(
            f"a cut needs patches on both sides, and this one has {len(listed)} of {patches} on the first; "
            "move one of them"
        )
    return tuple(sorted(map(int, listed)))


def row_matrix(tensor: np.ndarray, cut: RowCut) -> np.ndarray:
    """Arrange the tensor of a row as a matrix: the modes in P index its rows, the others its columns.

    Args:
        tensor: A, of shape (M,)*N.
        cut: what `row_cut` takes.

    Returns:
        ⟦A⟧_{P|Q}, of shape (M^|P|, M^|Q|).

    Raises:
        CutError: if the cut is none of these patches.

    Chapter: *Depth efficiency*.

    >>> row_matrix(np.arange(4).reshape(2, 2), [1])
    array([[0, 2],
           [1, 3]])
    """
    first = row_cut(cut, tensor.ndim)
    second = sorted(set(range(tensor.ndim)).difference(first))
    rows = prod(tensor.shape[mode] for mode in first)
    return tensor.transpose(*first, *second).reshape(rows, -1)


def compose_row(levels: Sequence[np.ndarray], prime: int | None = DEFAULT_PRIME) -> np.ndarray:
    """Write out the tensor of a tree over a row, after a look at the memory that its nodes take.

    Args:
        levels: a⁰, …, aᴸ, from `random_levels`; aᴸ has one vector.
        prime: p for GF(p), None for the real numbers.

    Returns:
        A, of shape (M,)*N.

    Raises:
        ConvacError: if the levels do not fit together, or the tensor would have more than 2²⁶ entries.
        BudgetError: if the tensors of the nodes take more memory than is free.

    Chapter: *Depth efficiency*.

    >>> compose_row([np.stack([np.eye(2, dtype=int)] * 2), np.array([[[1, 5]]])])
    array([[1, 0],
           [0, 5]])
    """
    patches, _, M = levels[0].shape
    require_composable(M, patches)
    entries = [level.shape[0] * sum(level.shape[1:]) * M ** (patches // level.shape[0]) for level in levels[1:]]
    require_memory(
        16 * max(entries, default=0),
        "writing out this tree's tensor",
        "use smaller widths, a smaller M or fewer patches",
    )
    tensor: np.ndarray = compose_hierarchical_tucker(levels, prime=prime)[0]
    return tensor


def row_rank(levels: Sequence[np.ndarray], cut: RowCut, prime: int = DEFAULT_PRIME) -> int:
    """Find the exact rank across a cut of a row, over GF(p), from the whole tensor.

    Args:
        levels: integers a⁰, …, aᴸ, from `random_levels`.
        cut: what `row_cut` takes.
        prime: p.

    Returns:
        The rank of ⟦A⟧_{P|Q}.

    Raises:
        CutError: if the cut is none of these patches.
        ConvacError: if the tensor would have more than 2²⁶ entries.
        BudgetError: if this takes more memory than is free, or too much time.

    Chapter: *Depth efficiency*.

    >>> levels = random_levels(RowTree(8, 2, (2, 2, 2)), seed=0)
    >>> row_rank(levels, "odd-even"), row_rank(levels, "left-right")
    (16, 2)
    """
    row_cut(cut, len(levels[0]))
    return rank_modulo(row_matrix(compose_row(levels, prime), cut), prime)


def minor_bound(patches: int, rank: int, prime: int) -> Fraction:
    """Bound the probability that random weights miss a rank that some weights reach, by the degree of one minor.

        P(rank < D) ≤ (2N − 1)·D / p

    The minor of side D is a polynomial in the weights that is not 0 over GF(p). Each entry of it has a factor from
    each of the 2N − 1 nodes of the tree.

    Args:
        patches: N.
        rank: D, which some weights of the network reach over GF(p).
        prime: p; all weights are uniform in GF(p).

    Returns:
        The bound.

    Raises:
        ConvacError: if p is not a prime.
        HypothesisError: if the bound is 1 or more, because p is too small.

    Source: Schwartz 1980. Chapter: *Mixed decompositions*.

    >>> minor_bound(8, 144, 10_007)
    Fraction(2160, 10007)
    """
    return schwartz_zippel((2 * patches - 1) * rank, prime)
