"""Six features at equal size: their ranks against the bounds and the ranks of the chapters that know each of them."""

from itertools import product

import numpy as np
import pytest
from flint import fmpz_mat
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ConvacError, CutError
from convac_lib.families import baseline, common_case, place_overlap
from convac_lib.related.geometry import geometry_rank
from convac_lib.related.mixed import opposite_cut, opposite_plan, rank_bound
from convac_lib.related.rectifier import compose_shallow
from convac_lib.related.row import RowTree, row_matrix
from convac_lib.related.summary import FEATURES, SUMMARY_CUTS, one_pass_patches, summary_rank
from convac_lib.related.widths import min_cut
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.decompositions import tree_order
from convac_lib.theory.ranks import certify_rank

Z_ORDER = tree_order(2).tolist()
DRAWN = {
    "left | right": "##.. ##.. ##.. ##..",
    "top | bottom": "#### #### .... ....",
    "columns": "#.#. #.#. #.#. #.#.",
    "rows": "#### .... #### ....",
    "outer | inner": "#..# #..# #..# #..#",
    "near and far": "#.#. #.#. ##.. ##..",
}
each_cut = pytest.mark.parametrize("cut", SUMMARY_CUTS)
halves = st.permutations(range(16)).map(lambda patches: sorted(patches[:8]))


def in_row(cut):
    """The first side of a cut, as places in the row that a tree reads."""
    first = SUMMARY_CUTS[cut] if isinstance(cut, str) else cut
    return [place for place, patch in enumerate(Z_ORDER) if patch in first]


def ranks(feature, cut, **options):
    return tuple(summary_rank(feature, having, cut, **options) for having in (False, True))


def test_the_cuts_are_as_drawn():
    for name, drawn in DRAWN.items():
        assert SUMMARY_CUTS[name] == tuple(n for n, mark in enumerate(drawn.replace(" ", "")) if mark == "#")
    assert [*DRAWN] == [*SUMMARY_CUTS]


def test_the_network_without_a_feature_is_the_smallest_of_its_kind_that_is_no_smaller():
    sizes = {feature: (without.numbers, having.numbers) for feature, (without, having) in FEATURES.items()}
    assert sizes == {
        "overlap": (4 * 2 * 4 + 4 * 4 * 4 + 4, common_case(2, 2, 4).parameters),
        "depth": (4 * 33, 16 * 4 + 8 * 4 + 4 * 4 + 2 * 4 + 2),
        "depth, max": (3 * 33, 16 * 4 + 8 * 2 + 4 + 2 + 1),
        "geometry": (34, 34),
        "mixing": (opposite_plan(16, 2, 3).parameters("sum"), opposite_plan(16, 2, 2).parameters("mixture")),
        "widths": (RowTree(16, 2, (4, 4, 2, 2)).parameters, RowTree(16, 2, (2, 3, 6, 6)).parameters),
    }
    assert all(without >= having for without, having in sizes.values())
    smaller = {  # one channel less, or one in width
        "overlap": baseline(2, 4, 3).parameters,
        "depth": 3 * 33,
        "depth, max": 2 * 33,
        "mixing": opposite_plan(16, 2, 2).parameters("sum"),
    }
    assert all(size < sizes[feature][1] for feature, size in smaller.items())


@each_cut
def test_the_ranks_are_those_of_other_ways(cut):
    """The engine of certificates for layers, the min cut for trees, the bounds of mixtures, and a moved cut."""
    first = make_cut(SUMMARY_CUTS[cut], 4)
    networks = baseline(2, 4, 4), common_case(2, 2, 4)
    assert ranks("overlap", cut) == tuple(certify_rank(network, first, seed=5).rank for network in networks)
    shallow, deep = Architecture(4, 2, [Layer(4, 4, 4)]), RowTree(16, 2, (2, 2, 2, 2))
    assert ranks("depth", cut) == (certify_rank(shallow, first, seed=5).rank, min_cut(deep, in_row(cut)).value)
    assert ranks("geometry", cut) == tuple(geometry_rank(baseline(2, 4), first, name) for name in ("square", "mirror"))
    plans = ((opposite_plan(16, 2, 3), "sum"), (opposite_plan(16, 2, 2), "mixture"))
    assert ranks("mixing", cut) == tuple(rank_bound(plan, network, in_row(cut)) for plan, network in plans)
    trees = (RowTree(16, 2, widths) for widths in ((4, 4, 2, 2), (2, 3, 6, 6)))
    assert ranks("widths", cut) == tuple(min_cut(tree, in_row(cut)).value for tree in trees)


def test_the_last_cut_is_that_of_the_mixed_networks():
    assert tuple(in_row("near and far")) == opposite_cut(16)


@each_cut
def test_the_function_of_maxima_asks_whether_pairs_of_neighbours_are_equal(cut):
    """Its values by definition, and their rank over the rational numbers."""
    d = np.indices((2,) * 16)
    values = 1 + (d[0::2] != d[1::2]).any(axis=0)
    rank = fmpz_mat(row_matrix(values, SUMMARY_CUTS[cut]).tolist()).rank()
    assert ranks("depth, max", cut) == (27, rank)


@given(first=halves, seed=seeds)
@settings(max_examples=20)
def test_no_shallow_network_of_maxima_passes_its_bound(first, seed):
    generator = np.random.default_rng(seed)
    tensor = compose_shallow(generator.integers(-9, 10, 3), generator.integers(-9, 10, (3, 16, 2)), "max")
    assert fmpz_mat(row_matrix(tensor, first).tolist()).rank() <= summary_rank("depth, max", False, first) == 27


@given(first=st.sets(st.integers(0, 15), min_size=1, max_size=15), seed=st.integers(0, 1))
@settings(max_examples=10)
def test_a_cut_may_be_any_list_of_patches(first, seed):
    """And its other side says the same; no tree passes its min cut."""
    rest = set(range(16)) - first
    for feature, having in product(("overlap", "widths"), (False, True)):
        rank = summary_rank(feature, having, first, seed=seed)
        assert rank == summary_rank(feature, having, rest, seed=seed) <= 2 ** min(len(first), len(rest))
    assert summary_rank("widths", True, first) <= min_cut(RowTree(16, 2, (2, 3, 6, 6)), in_row(first)).value


def paths(architecture):
    """In how many ways each patch reaches the top, with windows to the right and below, cut off at the border."""
    count = np.ones((1, 1), int)
    for layer, size in reversed([*zip(architecture.layers, (architecture.size, *architecture.sizes))]):
        below = np.zeros((size, size), int)
        R, S = layer.receptive_field, layer.stride
        for (u, v), ways in np.ndenumerate(count):
            below[u * S : u * S + R, v * S : v * S + R] += ways
        count = below
    return count.ravel()


@pytest.mark.parametrize("B1", [1, 2, 3])
@pytest.mark.parametrize("B2", [1, 2, 3])
@pytest.mark.parametrize("M", [2, 3])
def test_one_pass_sums_over_a_patch_exactly_if_one_path_leads_to_the_top(B1, B2, M):
    network = place_overlap(B1, B2, C=2, M=M)
    assert one_pass_patches(network, seed=3) == np.flatnonzero(paths(network) == 1).tolist()


REFUSED = [
    (("attention", True, "rows"), f"unknown feature 'attention'; use one of {'; '.join(FEATURES)}"),
    (
        ("depth", True, "odd-even"),
        f"unknown cut 'odd-even'; use one of {'; '.join(SUMMARY_CUTS)}; or list the patches of one side",
    ),
    (("depth", True, [16]), "patch 16 is not in a row of 16 patches; use numbers from 0 to 15"),
    (
        ("depth, max", False, [0, 1, 2]),
        "the bound for shallow max-pooling is about eight patches on either side, and this cut has 3; list eight",
    ),
]


@pytest.mark.parametrize(("arguments", "sentence"), REFUSED)
def test_what_is_not_there_is_refused_in_one_sentence(arguments, sentence):
    with pytest.raises(CutError if "cut '" in sentence or "16 is" in sentence else ConvacError) as raised:
        summary_rank(*arguments)
    assert str(raised.value) == sentence
