"""Grid tensors, cuts, matricization, and the two decompositions behind the networks: CP and Hierarchical Tucker.

Taught in the chapters *Tensors and function spaces* and *Convolutional arithmetic circuits*.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, singledispatch
from functools import reduce as fold
from itertools import islice, product

import numpy as np

from convac_lib.architecture import require_size
from convac_lib.budget import require_memory
from convac_lib.errors import ConvacError, CutError, shown
from convac_lib.theory.fields import elements, reduce

LARGEST_TENSOR = 2**26
LARGEST_AXES = 64  # of a NumPy array
LARGEST_LIST, NAMED = 2**20, 128  # patches that a cut may list, and that its name spells out
LISTED = 80  # bytes that a patch takes in a list while it is made
IMAGES_AT_ONCE = 2**16  # evaluated in one batch: what stays near the cache


CUTS = {
    "left-right": lambda size, row, column: column < size // 2,
    "top-bottom": lambda size, row, column: row < size // 2,
    "interleaved": lambda size, row, column: column % 2 == 0,
    "checkerboard": lambda size, row, column: (row + column) % 2 == 0,
}


@dataclass(frozen=True, repr=False)
class Cut:
    """A partition P | Q of the N = H² patches, numbered row by row from 0; made by `make_cut`.

    Args:
        name: of the rule in `CUTS` that says which patches are in P; or, of a list of patches, what to call it.
        size: H, the side of the image in patches.
        listed: the patches of P, increasing; None for a rule.

    Chapter: *Tensors and function spaces*.

    >>> make_cut("checkerboard", 2**20).sides
    (549755813888, 549755813888)
    """

    name: str
    size: int
    listed: tuple[int, ...] | None = None

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """P, the patches that index the rows of a matricization, increasing."""
        return self._patches(True) if self.listed is None else self.listed

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Q, the other patches, increasing."""
        return self._patches(False)

    @property
    def sides(self) -> tuple[int, int]:
        """(|P|, |Q|), counted without a list: every rule makes two equal halves."""
        first = self.size**2 // 2 if self.listed is None else len(self.listed)
        return first, self.size**2 - first

    def is_like(self, name: str) -> bool:
        """Whether this cut parts the patches as the rule of this name does, whichever part comes first."""
        if self.listed is None and self.size > 2:
            return self.name == name
        first, second = self.sides
        return first == second and len({CUTS[name](self.size, *divmod(patch, self.size)) for patch in self.rows}) == 1

    def _patches(self, in_rows):
        require_memory(
            LISTED * self.size**2,
            f"a list of the {self.size}×{self.size} patches of an image",
            "use a smaller size, or a bound, which needs no list",
        )
        patches = range(self.size**2)
        if self.listed is None:
            return tuple(patch for patch in patches if CUTS[self.name](self.size, *divmod(patch, self.size)) == in_rows)
        return tuple(sorted(set(patches).difference(self.listed)))

    def __repr__(self):
        if self.size > 64:
            return f"<Cut {self.name!r} of {self.size}×{self.size} patches>"
        return f"Cut(name={self.name!r}, rows={self.rows}, columns={self.columns})"


def make_cut(cut: "str | Iterable[int] | Cut", size: int) -> Cut:
    """Split the patches of an H×H image in two: by a name, or by the patches of the first part.

    Args:
        cut: "left-right", "top-bottom", "interleaved" (even columns | odd columns), "checkerboard", the patches of P
            as numbers 0..H²−1 in row-major order, or a `Cut`.
        size: H, the side of the image in patches.

    Returns:
        The `Cut`.

    Raises:
        ArchitectureError: if the size is no integer from 1 to 2⁶⁴.
        CutError: if the name is unknown, a named cut meets an odd size, a patch is not in the image, over 2²⁰ patches
            are listed, a part is empty, or a `Cut` is of another image.

    Source: Cohen & Shashua, ICLR 2017 (partitions as pooling geometry). Chapter: *The overlap theorem*.

    >>> make_cut("left-right", 2)
    Cut(name='left-right', rows=(0, 2), columns=(1, 3))
    >>> make_cut([0, 3], 2).columns
    (1, 2)
    """
    require_size(size)
    if isinstance(cut, Cut):
        if cut.size != size:
            raise CutError(
                f"the cut {cut.name!r} is of {cut.size**2} patches and a {size}×{size} image has {size**2}; "
                "make a cut of this size"
            )
        return cut
    if isinstance(cut, str) or not isinstance(cut, Iterable):
        if not isinstance(cut, str) or cut not in CUTS:
            raise CutError(f"unknown cut {shown(cut)}; use one of {', '.join(CUTS)}, or list the patches of one side")
        if size % 2:
            raise CutError(
                f"the cut {cut!r} needs an even size to make two equal halves, and the size is {size}; "
                f"use {size + 1}, or list the patches of one side"
            )
        return Cut(cut, size)
    listed = list(islice(cut, LARGEST_LIST + 1))
    if len(listed) > LARGEST_LIST:
        raise CutError(f"a cut may list at most {LARGEST_LIST:,} patches, and more were given; list the other side")
    for patch in listed:
        if not isinstance(patch, int | np.integer) or not 0 <= patch < size**2:
            raise CutError(f"patch {shown(patch)} is not in a {size}×{size} image; use numbers from 0 to {size**2 - 1}")
    rows = tuple(sorted(set(map(int, listed))))
    if len(rows) in (0, size**2):
        raise CutError(f"a cut needs patches on both sides, and this one has {len(rows)} of {size**2} on the first")
    name = ",".join(map(str, rows[:NAMED])) + f",… ({len(rows):,} patches)" * (len(rows) > NAMED)
    return Cut(name, size, rows)


def assignments(base: int, length: int, start: int = 0, stop: int | None = None) -> np.ndarray:
    """List the ways to assign one of M templates to each of n patches, in lexicographic order.

    Args:
        base: M.
        length: n.
        start, stop: which of them, by place; all Mⁿ if left out.

    Returns:
        Integers of shape (stop − start, n).

    >>> assignments(2, 2).tolist()
    [[0, 0], [0, 1], [1, 0], [1, 1]]
    """
    places = np.arange(start, base**length if stop is None else stop)
    return places[:, None] // base ** np.arange(length)[::-1] % base


@singledispatch
def grid_tensor(function: Callable[[np.ndarray], np.ndarray], templates: np.ndarray, patches: int) -> np.ndarray:
    """Evaluate a function of N patches at every combination of M templates.

        A(f)_{d1…dN} = f(v⁽ᵈ¹⁾, …, v⁽ᵈᴺ⁾)

    A network, a `Circuit` or a `ConvAC` above its representation, has its own templates and patches and is given
    without them, or with the number of the class to take: `grid_tensor(network, class_index=0)`.

    Args:
        function: f, from a batch of images of shape (n, N, s) to values of shape (n,).
        templates: v⁽¹⁾..v⁽ᴹ⁾, of shape (M, s).
        patches: N.

    Returns:
        A(f), of shape (M,)*N.

    Raises:
        ConvacError: if the tensor would have more than 2²⁶ entries.

    Source: talk, backup slide "Measure Efficiency via Grid Tensors". Chapter: *Tensors and function spaces*.

    >>> grid_tensor(lambda images: images[:, 0, 0] * images[:, 1, 0], np.array([[2], [3]]), patches=2)
    array([[4, 6],
           [6, 9]])
    """
    templates = np.asarray(templates)
    require_composable(len(templates), patches)
    M, entries = len(templates), len(templates) ** patches
    blocks = [
        function(templates[assignments(M, patches, start, min(start + IMAGES_AT_ONCE, entries))])
        for start in range(0, entries, IMAGES_AT_ONCE)
    ]
    return np.concatenate(blocks).reshape((M,) * patches)


def require_composable(base: int, order: int) -> None:
    """Raise `ConvacError` if a tensor of shape (M,)*N has over 2²⁶ entries, or more axes than NumPy's arrays."""
    if base > 1 and (order > LARGEST_TENSOR.bit_length() or base**order > LARGEST_TENSOR):
        raise ConvacError(
            f"a tensor with {base}^{order} entries is too large to write out: the limit is {LARGEST_TENSOR:,}; "
            "use a smaller M or N, or sample its matricization with certify_rank"
        )
    if order > LARGEST_AXES:
        raise ConvacError(
            f"a tensor of {order:,} modes has more axes than NumPy's {LARGEST_AXES}; use a smaller N, or sample its "
            "matricization with certify_rank"
        )


def matricize(tensor: np.ndarray, cut: Cut) -> np.ndarray:
    """Arrange a tensor as a matrix: modes in P index the rows, modes in Q the columns, both lexicographically.

    Args:
        tensor: A, of shape (M,)*N.
        cut: P | Q, from `make_cut`.

    Returns:
        ⟦A⟧_{P|Q}, of shape (M^|P|, M^|Q|).

    Raises:
        CutError: if the cut is of another number of patches.

    Source: Cohen, Sharir & Shashua, COLT 2016. Chapter: *Expressive efficiency*.

    >>> matricize(np.arange(16).reshape(2, 2, 2, 2), make_cut("left-right", 2))
    array([[ 0,  1,  4,  5],
           [ 2,  3,  6,  7],
           [ 8,  9, 12, 13],
           [10, 11, 14, 15]])
    """
    modes = cut.rows + cut.columns
    if tensor.ndim != len(modes):
        raise CutError(f"the cut is of {len(modes)} patches and the tensor has {tensor.ndim} modes; they must agree")
    sides = [int(np.prod([tensor.shape[mode] for mode in part])) for part in (cut.rows, cut.columns)]
    return tensor.transpose(modes).reshape(sides)


def compose_cp(coefficients: np.ndarray, vectors: np.ndarray, prime: int | None = None) -> np.ndarray:
    """Write out a CP decomposition: the coefficient tensor of a shallow network.

        A = Σ_γ a_γ · v^{1,γ} ⊗ v^{2,γ} ⊗ … ⊗ v^{N,γ}

    Args:
        coefficients: a, of shape (r,).
        vectors: v, of shape (r, N, M).
        prime: p for GF(p), None for the real numbers.

    Returns:
        A, of shape (M,)*N.

    Raises:
        ConvacError: if there is not a coefficient a term, or the tensor would have more than 2²⁶ entries.

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
        coefficients, vectors = elements(coefficients, prime), elements(vectors, prime)
    terms = (a * _outer(rank_one, prime) for a, rank_one in zip(coefficients, vectors))
    return fold(lambda total, term: reduce(total + term, prime), terms, 0)


def compose_hierarchical_tucker(
    levels: Iterable[np.ndarray], branches: int = 2, prime: int | None = None
) -> np.ndarray:
    """Write out a Hierarchical Tucker decomposition: the coefficient tensor of a deep network without overlap.

        φ⁰_{j,γ} = a⁰_{j,γ}        φˡ_{j,γ} = Σ_α aˡ_{j,γ,α} · φˡ⁻¹_{bj,α} ⊗ … ⊗ φˡ⁻¹_{bj+b−1,α}

    Args:
        levels: a⁰, …, aᴸ; a⁰ of shape (N, r_0, M), aˡ of shape (N/bˡ, r_l, r_{l−1}); the last has one node.
            Weights shared over positions are simply equal for every j.
        branches: b, the children of a node; the talk draws 2, a 2×2 window has 4.
        prime: p for GF(p), None for the real numbers.

    Returns:
        Aʸ = φᴸ_{0,y} for every y, of shape (r_L,) + (M,)*N, its modes in the order of the tree's leaves.

    Raises:
        ConvacError: if a level does not have a b-th of the nodes below it, or other than r_{l−1} weights a vector, or
            the tensor would have more than 2²⁶ entries.

    Source: talk, slide "Hierarchical Tucker Decomposition ↔ Deep Convolutional Arithmetic Circuit".
    Chapter: *Convolutional arithmetic circuits*.

    >>> identity = np.eye(2, dtype=int)
    >>> compose_hierarchical_tucker([np.stack([identity] * 2), np.array([[[1, 5]]])])[0]
    array([[1, 0],
           [0, 5]])
    """
    leaves, *inner = levels if prime is None else (elements(weights, prime) for weights in levels)
    require_composable(leaves.shape[2], leaves.shape[0])
    nodes = list(leaves)  # per node: (γ, d, …)
    for number, weights in enumerate(inner, start=1):
        if len(weights) * branches != len(nodes):
            raise ConvacError(
                f"level {number} has {len(weights)} nodes over {len(nodes)} below it: "
                f"with {branches} branches it needs {len(nodes) / branches:g}"
            )
        if weights.shape[2] != len(nodes[0]):
            raise ConvacError(
                f"level {number} weighs {weights.shape[2]} tensors a node and level {number - 1} makes {len(nodes[0])}; "
                "they must agree"
            )
        children = [nodes[start : start + branches] for start in range(0, len(nodes), branches)]
        products = [np.stack([_outer(group, prime) for group in zip(*family)]) for family in children]
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

    Chapter: *Convolutional arithmetic circuits*.

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
    return patches @ [2**depth, 1]


def _outer(vectors, prime):
    """v ⊗ w ⊗ …, reduced after every product."""
    return fold(lambda left, right: reduce(np.multiply.outer(left, right), prime), vectors)


def _combine(weight, values, prime):
    """Σ_α weight[γ, α] · values[α, …], reduced after every term."""
    terms = (np.multiply.outer(weight[:, alpha], values[alpha]) for alpha in range(weight.shape[1]))
    return fold(lambda total, term: reduce(total + term, prime), terms, 0)
