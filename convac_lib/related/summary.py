"""One picture: six features of architectures over the same sixteen patches, each with and without, at equal size.

Taught in the chapter *One picture*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ConvacError, CutError, shown
from convac_lib.families import baseline, common_case
from convac_lib.related.geometry import patch_order
from convac_lib.related.mixed import MixedPlan, NetworkName, compose_mixed, draw_mixed, opposite_plan
from convac_lib.related.rectifier import channel_rank, compose, witness
from convac_lib.related.row import RowCut, RowTree, compose_row, random_levels, row_cut, row_matrix
from convac_lib.theory.circuits import random_circuit
from convac_lib.theory.decompositions import tree_order
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import rank_modulo

SIDE, PATCHES, M = 4, 16, 2

_ROW, _COLUMN = np.divmod(np.arange(PATCHES), SIDE)
_SIDES = {
    "left | right": _COLUMN < 2,
    "top | bottom": _ROW < 2,
    "columns": _COLUMN % 2 == 0,
    "rows": _ROW % 2 == 0,
    "outer | inner": (_COLUMN == 0) | (_COLUMN == 3),
    "near and far": np.where(_ROW < 2, _COLUMN % 2 == 0, _COLUMN < 2),
}
SUMMARY_CUTS = {name: tuple(np.flatnonzero(side).tolist()) for name, side in _SIDES.items()}
"""Six cuts of 4×4 patches into eight and eight. The last one separates neighbours above, and halves below."""


@dataclass(frozen=True)
class Contestant:
    """A network over 4×4 patches with M = 2, which is compared with another one.

    Args:
        name: what it is, in a few words.
        numbers: how many weights it stores.
        values: from a seed to its values at all images of templates, modulo 2³¹ − 1, of shape (2,)*16.
        most: a number that no weights' rank exceeds across a cut into eight and eight patches, where this stands for
            the rank; 0 if the rank is computed.

    Chapter: *One picture*.
    """

    name: str
    numbers: int
    values: Callable[[int], np.ndarray] | None
    most: int = 0


def _circuit(name: str, architecture: Architecture, geometry: str = "square") -> Contestant:
    places = np.argsort(patch_order(geometry, SIDE).ravel())  # of each patch, in the rearranged image

    def values(seed: int) -> np.ndarray:
        circuit = random_circuit(architecture, seed=seed, prime=DEFAULT_PRIME)
        return circuit.grid_tensor().transpose(places)

    return Contestant(name, architecture.parameters, values)


def _in_image(tensor: np.ndarray) -> np.ndarray:
    """Order the modes of a row's tensor as the patches of the image, whose Z-order the row is."""
    return tensor.transpose(np.argsort(tree_order(2)))


def _tree(name: str, widths: tuple[int, ...]) -> Contestant:
    tree = RowTree(PATCHES, M, widths)
    return Contestant(name, tree.parameters, lambda seed: _in_image(compose_row(random_levels(tree, seed=seed))))


def _mixed(name: str, plan: MixedPlan, network: NetworkName) -> Contestant:
    def values(seed: int) -> np.ndarray:
        return _in_image(compose_mixed(plan, draw_mixed(plan, seed=seed), network, DEFAULT_PRIME))

    return Contestant(name, plan.parameters(network), values)


def _shallow(channels: int) -> Architecture:
    return Architecture(SIDE, M, [Layer(SIDE, SIDE, channels)])


FEATURES: dict[str, tuple[Contestant, Contestant]] = {
    "overlap": (
        _circuit("no overlap, C = 4", baseline(M, SIDE, 4)),
        _circuit("overlap, B = 2, C = 2", common_case(2, M, SIDE)),
    ),
    "depth": (
        _circuit("shallow, 4 channels", _shallow(4)),
        _tree("deep, all widths 2", (2, 2, 2, 2)),
    ),
    "depth, max": (
        Contestant("shallow, max, 3 channels", _shallow(3).parameters, None, 3 * channel_rank(PATCHES, M)),
        Contestant(
            "deep, max, one function",
            sum(level.size for level in witness(PATCHES, M)),
            lambda seed: _in_image(compose(witness(PATCHES, M), "max")),
        ),
    ),
    "geometry": (
        _circuit("square windows, C = 2", baseline(M, SIDE)),
        _circuit("mirror windows, C = 2", baseline(M, SIDE), "mirror"),
    ),
    "mixing": (
        _mixed("two networks added, r = 3", opposite_plan(PATCHES, M, 3), "sum"),
        _mixed("two networks mixed, r = 2", opposite_plan(PATCHES, M, 2), "mixture"),
    ),
    "widths": (
        _tree("wide below: 4, 4, 2, 2", (4, 4, 2, 2)),
        _tree("wide above: 2, 3, 6, 6", (2, 3, 6, 6)),
    ),
}
"""For each feature a network without it and one with it. The one without stores at least as many numbers."""


def summary_rank(feature: str, having: bool, cut: RowCut, *, seed: int = 0) -> int:
    """Find the rank of the network with or without a feature across a cut of 4×4 patches, over GF(2³¹ − 1).

    Where the network has no values, a bound stands for the rank: that of shallow max-pooling, across eight | eight.

    Args:
        feature: a key of `FEATURES`.
        having: whether the network has the feature.
        cut: a name in `SUMMARY_CUTS`, or the patches of one side, numbered row by row from 0.
        seed: of the weights.

    Returns:
        The rank, or the bound.

    Raises:
        ConvacError: if the feature is unknown, or the bound is asked across another cut than into eight and eight.
        CutError: if the cut has another name, or is none of these patches.

    Source: ours. Chapter: *One picture*.

    >>> [summary_rank("overlap", having, "left | right") for having in (False, True)]
    [4, 64]
    """
    if feature not in FEATURES:
        raise ConvacError(f"unknown feature {shown(feature)}; use one of {'; '.join(FEATURES)}")
    if isinstance(cut, str) and cut not in SUMMARY_CUTS:
        raise CutError(
            f"unknown cut {shown(cut)}; use one of {'; '.join(SUMMARY_CUTS)}; or list the patches of one side"
        )
    first = row_cut(SUMMARY_CUTS[cut] if isinstance(cut, str) else cut, PATCHES)
    most = FEATURES[feature][having].most
    if most and len(first) != PATCHES // 2:
        raise ConvacError(
            f"the bound for shallow max-pooling is about eight patches on either side, and this cut has {len(first)}; "
            "list eight"
        )
    return most or _rank(feature, having, first, seed)


@lru_cache(maxsize=4096)
def _rank(feature: str, having: bool, first: tuple[int, ...], seed: int) -> int:
    return rank_modulo(row_matrix(_values(feature, having, seed), first), DEFAULT_PRIME)


@lru_cache(maxsize=32)  # of half a megabyte each
def _values(feature: str, having: bool, seed: int) -> np.ndarray:
    values = FEATURES[feature][having].values
    assert values is not None  # such a network has a bound
    return values(seed)


def one_pass_patches(architecture: Architecture, *, seed: int = 0) -> list[int]:
    """List the patches that may be missing alone, such that one pass sums over all that they could have shown.

    One pass puts 1 for every template of the missing patch. The sum takes a pass for each template. Both are compared
    exactly, for random weights and random representations of the other patches.

    Args:
        architecture: the `Architecture`, ending in 1×1.
        seed: of the weights and the representations.

    Returns:
        The patches, numbered row by row from 0.

    Raises:
        ConvacError: as `random_circuit`.

    Source: ours, after Sharir et al., 2017. Chapter: *One picture*.

    >>> len(one_pass_patches(baseline(M=2, size=4))), one_pass_patches(common_case(B=2, M=2, size=4))
    (16, [0])
    """
    circuit = random_circuit(architecture, seed=seed, prime=DEFAULT_PRIME)
    templates, size = architecture.representation_channels, architecture.size
    x = np.random.default_rng([seed, 1]).integers(0, DEFAULT_PRIME, (templates, size * size))

    def output(patch: int, representation: np.ndarray) -> int:
        changed = x.copy()
        changed[:, patch] = representation
        return int(circuit(changed.reshape(templates, size, size))[0])

    return [
        patch
        for patch in range(size * size)
        if output(patch, np.ones(templates, int))
        == sum(output(patch, shows) for shows in np.eye(templates, dtype=int)) % DEFAULT_PRIME
    ]
