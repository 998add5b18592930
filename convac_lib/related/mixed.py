"""Mixed decompositions: two dilated networks over the same patches, their sum, a hybrid of them, and their mixture.

Taught in the chapter *Mixed decompositions*.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Literal, NamedTuple

import numpy as np

from convac_lib.budget import require_memory
from convac_lib.checks import powers_near, require_integers
from convac_lib.errors import ArchitectureError, ConvacError, shown
from convac_lib.related.row import RowCut, RowTree, random_levels, row_cut, row_matrix
from convac_lib.theory.decompositions import compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME, reduce_modulo, require_seed
from convac_lib.theory.ranks import rank_modulo
from convac_lib.theory.tensors import require_composable

NetworkName = Literal["first", "second", "sum", "hybrid", "mixture"]
NETWORKS: tuple[NetworkName, ...] = ("first", "second", "sum", "hybrid", "mixture")


def leaf_order(dilations: Sequence[int]) -> tuple[int, ...]:
    """List the patches in the order of the leaves of a dilated tree, whose level l joins what is δ_l apart.

    Args:
        dilations: δ_1, …, δ_L, the powers of two below N in any order.

    Returns:
        The N patches; each run of 2^l of them that begins at a multiple of 2^l is a node of level l.

    Chapter: *Mixed decompositions*.

    >>> leaf_order((1, 2, 4)), leaf_order((2, 1, 4))
    ((0, 1, 2, 3, 4, 5, 6, 7), (0, 2, 1, 3, 4, 6, 5, 7))
    """
    patches = [0]
    for dilation in dilations:
        patches += [patch + dilation for patch in patches]
    return tuple(patches)


@dataclass(frozen=True)
class MixedPlan:
    """Two dilated networks over a row of patches, and the level at which their mixture exchanges channels.

    Below that level both networks join the same patches, in another order. Its nodes are the mixture nodes, or blocks.
    In the mixture, each network weighs the products of both in every block: 2r of them, where it had r alone.

    Args:
        representation_channels: M.
        width: r, of every level of both networks.
        dilations: of the first network, from the lowest level up: the powers of two below N in any order.
        permuted: those of the second network.
        level: of the mixture nodes, from 1 to L−1.

    Raises:
        ArchitectureError: if the dilations are no order of 1, 2, 4, …, if the two networks do not join the same patches
            below this level, or if a number is not an integer of at least 1.

    Source: Cohen, Tamari & Shashua, ICLR 2018, as we understand it. Chapter: *Mixed decompositions*.

    >>> plan = MixedPlan(representation_channels=4, width=3)
    >>> plan.patches, plan.blocks, [plan.parameters(network) for network in NETWORKS]
    (8, ((0, 1, 2, 3), (4, 5, 6, 7)), [153, 153, 306, 153, 342])
    """

    representation_channels: int
    width: int
    dilations: tuple[int, ...] = (1, 2, 4)
    permuted: tuple[int, ...] = (2, 1, 4)
    level: int = 2

    def __post_init__(self) -> None:
        for name in ("dilations", "permuted"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        levels = len(self.dilations)
        for dilations in (self.dilations, self.permuted):
            wanted = [1 << power for power in range(levels)]
            if levels < 2 or len(dilations) != levels or set(dilations) != set(wanted):
                example = ", ".join(map(str, wanted if levels > 1 else (1, 2)))
                raise ArchitectureError(
                    f"dilations {shown(dilations)} do not join a row of patches in pairs, level by level; "
                    f"use {example} in any order, as many for both networks"
                )
        require_integers(
            error=ArchitectureError,
            representation_channels=self.representation_channels,
            width=self.width,
            level=self.level,
        )
        common = [level for level in range(1, levels) if set(self.dilations[:level]) == set(self.permuted[:level])]
        if self.level not in common:
            raise ArchitectureError(
                f"at level {self.level} the networks with dilations {self.dilations} and {self.permuted} have no nodes "
                "over the same patches, "
                + (
                    f"and a mixture needs some; use level {' or '.join(map(str, common))}"
                    if common
                    else "nor at another level below the top; use another order of the dilations"
                )
            )

    @property
    def patches(self) -> int:
        """N, which is 2^L for L dilations."""
        return 1 << len(self.dilations)

    @property
    def blocks(self) -> tuple[tuple[int, ...], ...]:
        """The patches of each mixture node, increasing, in the order of the first network's nodes."""
        return tuple(tuple(sorted(run)) for run in _runs(self, self.dilations))

    @property
    def tree(self) -> RowTree:
        """The plan of one network alone, its patches in the order of its leaves."""
        return RowTree(self.patches, self.representation_channels, (self.width,) * len(self.dilations))

    def parameters(self, network: NetworkName) -> int:
        """How many numbers a network stores; no two nodes share a matrix."""
        _require_network(network)
        crossing = 2 * len(self.blocks) * self.width**2 if network == "mixture" else 0
        return self.tree.parameters * (2 if network in ("sum", "mixture") else 1) + crossing


def opposite_plan(patches: int, representation_channels: int, width: int) -> MixedPlan:
    """Plan two networks of which one joins neighbours first and the other far patches first, in each half of a row.

    Args:
        patches: N, a power of two of at least 8.
        representation_channels: M.
        width: r.

    Returns:
        The `MixedPlan` with the dilations 1, 2, …, N/4, N/2 and N/4, …, 2, 1, N/2; the halves are its blocks.

    Raises:
        ArchitectureError: if N is no power of two of at least 8, or a number is not an integer of at least 1.

    Source: ours, after Cohen, Tamari & Shashua, ICLR 2018. Chapter: *Mixed decompositions*.

    >>> opposite_plan(16, 2, 2).permuted
    (4, 2, 1, 8)
    """
    require_integers(error=ArchitectureError, patches=patches)
    if patches < 8 or patches & (patches - 1):
        raise ArchitectureError(
            f"{shown(patches)} patches are no power of two of at least 8, whose halves two networks can join in two "
            f"orders; use {powers_near(patches, least=8)}"
        )
    *below, top = (1 << power for power in range(patches.bit_length() - 1))
    return MixedPlan(representation_channels, width, (*below, top), (*below[::-1], top), len(below))


def opposite_cut(patches: int) -> tuple[int, ...]:
    """List the first side of the cut that is hard for each network of `opposite_plan` in one half only.

    Args:
        patches: N, a power of two of at least 8.

    Returns:
        Every other patch of the first half, and the first half of the second.

    Chapter: *Mixed decompositions*.

    >>> opposite_cut(8)
    (0, 2, 4, 5)
    """
    half = patches // 2
    return (*range(0, half, 2), *range(half, half + half // 2))


class MixedWeights(NamedTuple):
    """The weights of the mixture, of which those of the other networks are a part.

    `first` holds a⁰, …, aᴸ of the first network, as `random_levels` draws them, `second` those of the second. At the
    level of the mixture nodes a vector has 2r weights: r for the products of the first network, and then r for those of
    the second.

    Chapter: *Mixed decompositions*.
    """

    first: list[np.ndarray]
    second: list[np.ndarray]


def draw_mixed(plan: MixedPlan, *, seed: int, prime: int | None = DEFAULT_PRIME) -> MixedWeights:
    """Draw the weights of a mixture: uniform over GF(p), or standard normal over the real numbers.

    Args:
        plan: the `MixedPlan`.
        seed: an integer; the same seed draws the same weights.
        prime: p for GF(p), None for the real numbers.

    Returns:
        The `MixedWeights`.

    Raises:
        ConvacError: if the seed is not an integer of at least 0, or p is not a prime.
        BudgetError: if the weights take more memory than is free.

    Chapter: *Mixed decompositions*.

    >>> [level.shape for level in draw_mixed(MixedPlan(4, 3), seed=0).first]
    [(8, 3, 4), (4, 3, 3), (2, 3, 6), (1, 1, 3)]
    """
    require_seed(seed)
    first, second, *crossing = (random_levels(plan.tree, seed=4 * seed + number, prime=prime) for number in range(4))
    for levels, sources in ((first, (first, crossing[0])), (second, (crossing[1], second))):
        levels[plan.level] = np.concatenate([source[plan.level] for source in sources], axis=2)
    return MixedWeights(first, second)


def compose_mixed(
    plan: MixedPlan, weights: MixedWeights, network: NetworkName = "mixture", prime: int | None = DEFAULT_PRIME
) -> np.ndarray:
    """Write out the tensor of one of the five networks, with the weights of the mixture that it has.

        A = Σ_α (s + s̄)_{α_1 … α_B} · ⊗_b φ_{b,α_b}

    φ_{b,α}, α ≤ 2r, are the products that both networks make in block b; s and s̄ are the tensors of the levels above.
    The first network alone has s̄ = 0 and no weights for the products of the second; the sum has only no crossing
    weights. The hybrid has s̄ = 0; it weighs the products of the first network in the first half of the blocks, and
    those of the second network in the others.

    Args:
        plan: the `MixedPlan`.
        weights: the `MixedWeights` of its mixture.
        network: "first", "second", "sum", "hybrid" or "mixture".
        prime: p for GF(p), None for the real numbers.

    Returns:
        A, of shape (M,)*N.

    Raises:
        ConvacError: if the network has another name, or the tensor would have more than 2²⁶ entries.
        BudgetError: if the tensors of the levels take more memory than is free.

    Source: Cohen, Tamari & Shashua, ICLR 2018, as we understand it. Chapter: *Mixed decompositions*.

    >>> plan = MixedPlan(2, 1)
    >>> ones = MixedWeights(*([np.ones_like(level) for level in tree] for tree in draw_mixed(plan, seed=0)))
    >>> [int(compose_mixed(plan, ones, network)[(0,) * 8]) for network in NETWORKS]
    [1, 1, 2, 1, 8]
    """
    _require_network(network)
    M, N, r, blocks = plan.representation_channels, plan.patches, plan.width, plan.blocks
    require_composable(M, N)
    entries = max(2 * (2 * r) ** len(blocks), 2 * r * M ** len(blocks[0]) * (2 * r) ** (len(blocks) - 1), 2 * M**N)
    require_memory(16 * entries, "writing out this tensor", "use a smaller width, a smaller M or fewer patches")
    trees = list(zip(weights, (plan.dilations, plan.permuted)))

    tensor: np.ndarray = np.zeros((), np.int8)  # a sum with it keeps the dtype of the terms
    for (levels, dilations), kept in zip(trees, _kept(network, len(blocks))):
        nodes = [tuple(sorted(run)) for run in _runs(plan, dilations)]
        matrices = np.asarray(levels[plan.level]) * np.repeat(kept, r, axis=1)[:, None]
        s = compose_hierarchical_tucker([matrices, *levels[plan.level + 1 :]], prime=prime)[0]
        tensor = reduce_modulo(tensor + s.transpose([nodes.index(block) for block in blocks]), prime)
    first, second = (_products(plan, *tree, prime) for tree in trees)
    for block in blocks:
        total: np.ndarray = np.zeros((), np.int8)
        for part, values in zip(tensor, np.concatenate([first[block], second[block]])):
            total = reduce_modulo(total + reduce_modulo(np.multiply.outer(part, values), prime), prime)
        tensor = total
    return tensor.transpose(np.argsort([patch for block in blocks for patch in block]))


def _runs(plan: MixedPlan, dilations: tuple[int, ...]) -> list[tuple[int, ...]]:
    """List the patches of each mixture node of one network, in the order of its leaves."""
    order, size = leaf_order(dilations), 1 << plan.level
    return [order[start : start + size] for start in range(0, len(order), size)]


def _kept(network: NetworkName, blocks: int) -> np.ndarray:
    """Which weights of the mixture a network has: for each of the two, and each block, of which products."""
    kept = np.zeros((2, blocks, 2), int)
    if network == "mixture":
        kept[:] = 1
    elif network == "hybrid":
        kept[0, : blocks // 2, 0] = kept[0, blocks // 2 :, 1] = 1
    for number, name in enumerate(("first", "second")):
        kept[number, :, number] |= network in (name, "sum")
    return kept


def _products(
    plan: MixedPlan, levels: list[np.ndarray], dilations: tuple[int, ...], prime: int | None
) -> dict[tuple[int, ...], np.ndarray]:
    """Write out the r products that a network makes in each block, their modes in the order of its patches."""
    found, size = {}, 1 << plan.level
    for node, run in enumerate(_runs(plan, dilations)):
        below = [levels[level][node * (size >> level) : (node + 1) * (size >> level)] for level in range(plan.level)]
        identity = np.eye(plan.width, dtype=below[0].dtype)[None]
        made = compose_hierarchical_tucker([*below, identity], prime=prime)
        found[tuple(sorted(run))] = made.transpose(0, *(np.argsort(run) + 1))
    return found


def mixed_rank(
    plan: MixedPlan, weights: MixedWeights, network: NetworkName, cut: RowCut, prime: int = DEFAULT_PRIME
) -> int:
    """Find the exact rank of one of the five networks across a cut, over GF(p), from the whole tensor.

    Args:
        plan: the `MixedPlan`.
        weights: integers, from `draw_mixed`.
        network: "first", "second", "sum", "hybrid" or "mixture".
        cut: what `row_cut` takes.
        prime: p.

    Returns:
        The rank of ⟦A⟧_{P|Q}.

    Raises:
        CutError: if the cut is none of these patches.
        ConvacError: if the network has another name, or the tensor would have more than 2²⁶ entries.
        BudgetError: if this takes more memory than is free, or too much time.

    Chapter: *Mixed decompositions*.

    >>> plan = MixedPlan(4, 3)
    >>> weights = draw_mixed(plan, seed=0)
    >>> [mixed_rank(plan, weights, network, [0, 2, 4, 5]) for network in NETWORKS]
    [27, 27, 54, 81, 144]
    """
    row_cut(cut, plan.patches)
    return rank_modulo(row_matrix(compose_mixed(plan, weights, network, prime), cut), prime)


def rank_bound(plan: MixedPlan, network: NetworkName, cut: RowCut) -> int:
    """Bound the rank of one of the five networks across a cut, for all weights.

    A single network or the hybrid is a tree, and has its min cut. In the mixture, the products of both networks in a
    block span at most the sum of both networks' dimensions on a side. In the sum, what both networks have in common
    counts once: spaces of a and b dimensions within c have at least a + b − c in common.

    Args:
        plan: the `MixedPlan`.
        network: "first", "second", "sum", "hybrid" or "mixture".
        cut: what `row_cut` takes.

    Returns:
        An integer that no weights' rank exceeds.

    Raises:
        CutError: if the cut is none of these patches.
        ConvacError: if the network has another name.

    Source: ours, with the min cut of Levine, Yakira, Cohen & Shashua, ICLR 2018. Chapter: *Mixed decompositions*.

    >>> [rank_bound(MixedPlan(4, 3), network, [0, 2, 4, 5]) for network in NETWORKS]
    [27, 27, 54, 81, 144]
    """
    _require_network(network)
    M, blocks, trees = plan.representation_channels, plan.blocks, (plan.dilations, plan.permuted)
    first = set(row_cut(cut, plan.patches))
    whole = [(M ** len(first.intersection(block)), M ** len(set(block) - first)) for block in blocks]
    costs: list[dict[tuple[int, ...], Cost]] = [{}, {}]  # of each network's blocks
    for cost, dilations in zip(costs, trees):
        for run in _runs(plan, dilations):
            leaves = [(M, 1) if patch in first else (1, M) for patch in run]
            cost[tuple(sorted(run))] = _climb(leaves, (plan.width,) * plan.level)

    def least(dilations: tuple[int, ...], below: dict[tuple[int, ...], Cost]) -> int:
        """Find the min cut of a network whose blocks have these costs."""
        nodes = [below[tuple(sorted(run))] for run in _runs(plan, dilations)]
        return min(_climb(nodes, (plan.width,) * (len(dilations) - plan.level)))

    if network == "hybrid":
        return least(trees[0], {block: costs[2 * j >= len(blocks)][block] for j, block in enumerate(blocks)})
    alone = [least(dilations, cost) for dilations, cost in zip(trees, costs)]
    if network in ("first", "second"):
        return alone[network == "second"]
    sides = [list(zip(*each)) for each in zip(*([cost[block] for block in blocks] for cost in costs), whole)]
    if network == "sum":
        joint: list[int] = [
            prod(a for a, _, _ in side) + prod(b for _, b, _ in side) - prod(max(0, a + b - c) for a, b, c in side)
            for side in zip(*sides)
        ]
        return min(sum(alone), *joint)
    both = {block: (min(sum(p[:2]), p[2]), min(sum(q[:2]), q[2])) for block, (p, q) in zip(blocks, sides)}
    joint = [prod(side) for side in zip(*both.values())]
    return min(*joint, sum(least(dilations, both) for dilations in trees))


Cost = tuple[int, int]  # the least product of bonds, if the matrix above is with Q, and with P


def _climb(costs: list[Cost], widths: Sequence[int]) -> Cost:
    """Find the least cost of a tree over nodes of these costs."""
    for width in widths:
        pairs = zip(costs[::2], costs[1::2])
        costs = [(_join(left, right, 0, width), _join(left, right, 1, width)) for left, right in pairs]
    return costs[0]


def _join(left: Cost, right: Cost, above: int, width: int) -> int:
    """Choose the sides of a window's two matrices, given the side of the matrix above."""
    return min(left[a] * right[b] * (1 if a == b == above else width) for a, b in product((0, 1), repeat=2))


def _require_network(network: str) -> None:
    if network not in NETWORKS:
        raise ConvacError(f"unknown network {shown(network)}; use one of {', '.join(NETWORKS)}")
