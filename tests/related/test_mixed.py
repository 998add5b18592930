"""Two dilated networks mixed: their tensors against a forward pass, their ranks against another elimination."""

from functools import partial
from itertools import product
from math import prod

import numpy as np
import pytest
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, CutError, HypothesisError
from convac_lib.related.mixed import (
    NETWORKS,
    MixedPlan,
    MixedWeights,
    compose_mixed,
    draw_mixed,
    leaf_order,
    mixed_rank,
    opposite_cut,
    opposite_plan,
    rank_bound,
)
from convac_lib.related.row import RowTree, compose_row, minor_bound, row_matrix
from convac_lib.related.widths import min_cut

HARD = (0, 2, 4, 5)
PRIMES = (2, 5, 2**31 - 1)
ORDERS = [
    ((1, 2, 4), (2, 1, 4), 2),
    ((1, 2, 4), (1, 4, 2), 1),
    ((4, 1, 2), (1, 4, 2), 2),
    ((2, 4, 1), (4, 2, 1), 2),
    ((1, 2, 4), (1, 2, 4), 1),
    ((1, 2), (1, 2), 1),
]
cuts = st.sets(st.integers(0, 7), min_size=1, max_size=7)


@st.composite
def plans(draw, most=3):
    M = draw(st.integers(1, 3))
    return MixedPlan(M, draw(st.integers(1, most if M < 3 else 2)), *draw(st.sampled_from(ORDERS)))


def nodes(dilations, level):
    """The nodes of a level as sets: what is connected by steps of the dilations below."""
    patches = range(2 ** len(dilations))
    step = sum(dilations[:level])
    return sorted({frozenset(n for n in patches if n & ~step == m & ~step) for m in patches}, key=min)


def forward(plan, weights, network, d, prime):
    """The output for the templates d, by a pass through both networks with Python's integers."""
    r, levels = plan.width, len(plan.dilations)
    trees = [(plan.dilations, weights.first), (plan.permuted, weights.second)]
    places = []  # where a node's matrix stands in its level, by its patches
    for dilations, _ in trees:
        order = leaf_order(dilations)
        places.append(
            {
                (level, frozenset(order[j << level : j + 1 << level])): j
                for level in range(levels + 1)
                for j in range(plan.patches >> level)
            }
        )
    made = [
        {frozenset({n}): [int(v) for v in tree[0][place[0, frozenset({n})], :, d[n]]] for n in range(plan.patches)}
        for (_, tree), place in zip(trees, places)
    ]
    for level in range(1, levels + 1):
        products = []
        for (dilations, _), values in zip(trees, made):
            below = nodes(dilations, level - 1)
            products.append(
                {
                    node: [prod(pair) for pair in zip(*(values[child] for child in below if child <= node))]
                    for node in nodes(dilations, level)
                }
            )
        if level == plan.level:
            products = [{node: products[0][node] + products[1][node] for node in products[0]}] * 2
        made = [{}, {}]
        for number, (_, tree) in enumerate(trees):
            for node, values in products[number].items():
                place = places[number][level, node]
                matrix = [[int(w) for w in row] for row in tree[level][place]]
                if level == plan.level:
                    first_half = place < len(products[0]) / 2
                    own = {
                        "first": (number == 0, False), "second": (False, number == 1), "mixture": (True, True),
                        "sum": (number == 0, number == 1), "hybrid": (first_half, not first_half),
                    }[network]  # fmt: skip
                    keep = [own[0]] * r + [own[1]] * r
                    matrix = [[w * kept for w, kept in zip(row, keep)] for row in matrix]
                made[number][node] = [sum(w * v for w, v in zip(row, values)) % prime for row in matrix]
    outputs = [values[frozenset(range(plan.patches))][0] for values in made]
    return (outputs[0] + (outputs[1] if network != "hybrid" else 0)) % prime


def eliminate(matrix, prime):
    """The rank over GF(p), row by row, without a library."""
    left, rank = matrix.astype(np.int64) % prime, 0
    for column in range(left.shape[1]):
        rows = np.flatnonzero(left[rank:, column])
        if len(rows):
            left[[rank, rank + rows[0]]] = left[[rank + rows[0], rank]]
            pivot = left[rank] * pow(int(left[rank, column]), -1, prime) % prime
            left[rank + 1 :] = (left[rank + 1 :] - left[rank + 1 :, column, None] * pivot) % prime
            rank += 1
    return rank


@settings(max_examples=60)
@given(plans(), seeds, st.sampled_from(PRIMES), st.sampled_from(NETWORKS), st.data())
def test_the_tensor_holds_what_a_forward_pass_computes(plan, seed, prime, network, data):
    weights = draw_mixed(plan, seed=seed, prime=prime)
    tensor = compose_mixed(plan, weights, network, prime)
    assert tensor.shape == (plan.representation_channels,) * plan.patches
    template = st.integers(0, plan.representation_channels - 1)
    for d in data.draw(st.lists(st.tuples(*[template] * plan.patches), min_size=3, max_size=3)):
        assert tensor[d] == forward(plan, weights, network, d, prime)


@given(plans(), seeds, st.sampled_from(PRIMES))
def test_without_crossing_weights_the_mixture_is_the_sum_of_two_trees(plan, seed, prime):
    weights = draw_mixed(plan, seed=seed, prime=prime)
    r, level = plan.width, plan.level
    alone = []
    for levels, dilations, own in (
        (weights.first, plan.dilations, slice(0, r)), (weights.second, plan.permuted, slice(r, 2 * r)),
    ):  # fmt: skip
        tree = [*levels[:level], levels[level][:, :, own], *levels[level + 1 :]]
        alone.append(compose_row(tree, prime).transpose(np.argsort(leaf_order(dilations))))
    one, two, added = (compose_mixed(plan, weights, network, prime) for network in ("first", "second", "sum"))
    assert (one == alone[0]).all() and (two == alone[1]).all()
    assert (added == (one + two) % prime).all()
    closed = MixedWeights(*([level.copy() for level in levels] for levels in weights))
    closed.first[level][:, :, r:] = 0
    closed.second[level][:, :, :r] = 0
    assert (compose_mixed(plan, closed, "mixture", prime) == added).all()


@given(seeds, st.sampled_from(PRIMES), st.integers(1, 3))
def test_the_hybrid_is_one_tree_over_both_orders(seed, prime, r):
    plan = MixedPlan(2, r)
    first, second = draw_mixed(plan, seed=seed, prime=prime)
    below = [np.concatenate([one[: len(one) // 2], two[len(two) // 2 :]]) for one, two in zip(first[:2], second[:2])]
    matrices = np.stack([first[2][0, :, :r], first[2][1, :, r:]])
    tree = compose_row([*below, matrices, first[3]], prime).transpose(np.argsort([0, 1, 2, 3, 4, 6, 5, 7]))
    assert (compose_mixed(plan, MixedWeights(first, second), "hybrid", prime) == tree).all()


@pytest.mark.parametrize(
    ("M", "r", "ranks"),
    [
        (2, 2, [8, 8, 12, 16, 16]),
        (3, 2, [8, 8, 16, 16, 36]),
        (3, 3, [27, 27, 45, 81, 81]),
        (4, 2, [8, 8, 16, 16, 36]),
        (4, 3, [27, 27, 54, 81, 144]),
        (4, 4, [64, 64, 112, 256, 256]),
    ],
)
def test_the_ranks_of_the_chapter_in_two_fields_and_by_two_eliminations(M, r, ranks):
    plan = MixedPlan(M, r)
    assert [mixed_rank(plan, draw_mixed(plan, seed=0), network, HARD) for network in NETWORKS] == ranks
    assert [rank_bound(plan, network, HARD) for network in NETWORKS] == ranks
    p = 2**30 - 35  # another prime
    weights = draw_mixed(plan, seed=1, prime=p)
    assert [eliminate(row_matrix(compose_mixed(plan, weights, each, p), HARD), p) for each in NETWORKS] == ranks


@pytest.mark.parametrize(("M", "r"), list(product((2, 3, 4), (1, 2, 3, 4))))
def test_the_mixture_has_the_dimensions_of_both_networks_in_each_block(M, r):
    plan = MixedPlan(M, r)
    rank = mixed_rank(plan, draw_mixed(plan, seed=2), "mixture", HARD)
    leaf = min(r, M)
    assert rank == rank_bound(plan, "mixture", HARD) == min(leaf**2 + min(r, M**2), M**2) ** 2
    if r <= M:
        assert rank == min((r**2 + r) ** 2, M**4)


@pytest.mark.parametrize(
    ("cut", "ranks"),
    [
        ((0, 2, 4, 6), [81, 9, 90, 27, 144]),
        ((0, 1, 4, 5), [9, 81, 90, 27, 144]),
        ((0, 1, 4, 6), [27, 27, 54, 9, 144]),
        ((0, 1, 2, 3), [3, 3, 6, 3, 6]),
    ],
)
def test_the_other_cuts_of_the_chapter(cut, ranks):
    plan = MixedPlan(4, 3)
    weights = draw_mixed(plan, seed=0)
    assert [mixed_rank(plan, weights, network, cut) for network in NETWORKS] == ranks
    assert [rank_bound(plan, network, cut) for network in NETWORKS] == ranks


@settings(max_examples=150)
@given(plans(), seeds, st.sampled_from(PRIMES), st.sampled_from(NETWORKS), cuts)
def test_no_weights_pass_the_bound(plan, seed, prime, network, cut):
    cut = {n for n in cut if n < plan.patches}
    if 0 < len(cut) < plan.patches:
        rank = mixed_rank(plan, draw_mixed(plan, seed=seed, prime=prime), network, cut, prime)
        bound = rank_bound(plan, network, cut)
        assert rank <= bound
        if prime > 5 and network not in ("sum", "mixture"):
            assert rank == bound


def test_the_bound_of_a_mixture_need_not_be_reached():
    """Across {1, 2} both networks have products of leaf spaces, two planes in three dimensions, which meet."""
    plan = MixedPlan(3, 2)
    ranks = {mixed_rank(plan, draw_mixed(plan, seed=seed), "mixture", [1, 2, 4]) for seed in range(4)}
    assert ranks == {21} and rank_bound(plan, "mixture", [1, 2, 4]) == 24


@given(plans(most=5), cuts)
def test_the_bound_of_a_tree_is_its_min_cut(plan, cut):
    cut = {n for n in cut if n < plan.patches} or {0}
    cut -= {3} if len(cut) == plan.patches else set()
    tree = RowTree(plan.patches, plan.representation_channels, (plan.width,) * len(plan.dilations))
    for network, dilations in (("first", plan.dilations), ("second", plan.permuted)):
        positions = [leaf_order(dilations).index(patch) for patch in cut]
        assert rank_bound(plan, network, cut) == min_cut(tree, positions).value


@pytest.mark.parametrize("patches", [8, 16, 32, 64])
@pytest.mark.parametrize("r", [1, 2, 3, 10])
def test_the_exponents_of_two_opposite_networks(patches, r):
    plan, cut, b = opposite_plan(patches, 10**6, r), opposite_cut(patches), patches // 2
    one = r ** (b // 2 + 1)
    mixture = (r ** (b // 2) + r) ** 2
    assert [rank_bound(plan, network, cut) for network in NETWORKS] == [one, one, 2 * one, r**b, mixture]


@pytest.mark.parametrize(("r", "ranks"), [(2, [32, 32, 60, 256, 256]), (3, [48, 48, 87, 256, 256])])
def test_sixteen_patches_exactly(r, ranks):
    plan = opposite_plan(16, 2, r)
    weights = draw_mixed(plan, seed=0)
    assert [mixed_rank(plan, weights, network, opposite_cut(16)) for network in NETWORKS] == ranks


def test_the_numbers_that_each_network_stores():
    plan = MixedPlan(4, 3)
    weights = draw_mixed(plan, seed=0)
    assert sum(level.size for levels in weights for level in levels) == plan.parameters("mixture") == 342
    assert [plan.parameters(network) for network in NETWORKS] == [153, 153, 306, 153, 342]
    alone, added = (
        next(plan for plan in map(partial(MixedPlan, 4), range(1, 12)) if rank_bound(plan, network, HARD) >= 144)
        for network in ("first", "sum")
    )
    assert (alone.width, alone.parameters("first")) == (9, 783)
    assert (added.width, added.parameters("sum")) == (6, 828)


def test_real_weights_have_the_same_ranks():
    plan = MixedPlan(3, 2)
    weights = draw_mixed(plan, seed=0, prime=None)
    found = [np.linalg.matrix_rank(row_matrix(compose_mixed(plan, weights, each, None), HARD)) for each in NETWORKS]
    assert found == [8, 8, 16, 16, 36]


def test_one_filter_for_all_times_has_the_same_ranks():
    """As in a dilated convolution: the matrix depends on the tap, the parity of the node, and not on the time."""
    plan = MixedPlan(4, 3)
    weights = MixedWeights(
        *([level[np.arange(len(level)) % 2] for level in levels] for levels in draw_mixed(plan, seed=0))
    )
    assert [mixed_rank(plan, weights, network, HARD) for network in NETWORKS] == [27, 27, 54, 81, 144]


def test_the_probability_of_less_is_small_where_the_prime_is_large():
    assert minor_bound(8, 144, 2**31 - 1) < 2e-6
    plan = MixedPlan(4, 3)
    missed = [
        mixed_rank(plan, draw_mixed(plan, seed=s, prime=10_007), "mixture", HARD, 10_007) < 144 for s in range(20)
    ]
    assert sum(missed) <= 10  # the bound says 4.3 of 20 on average


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: MixedPlan(4, 3, (1, 2, 3), (2, 1, 4)), ArchitectureError,
         ("dilations (1, 2, 3) do not join a row of patches in pairs, level by level; use 1, 2, 4 in any order, "
          "as many for both networks")),
        (lambda: MixedPlan(4, 3, (1, 2, 4), (2, 1)), ArchitectureError,
         ("dilations (2, 1) do not join a row of patches in pairs, level by level; use 1, 2, 4 in any order, "
          "as many for both networks")),
        (lambda: MixedPlan(4, 3, (1,), (1,)), ArchitectureError,
         ("dilations (1,) do not join a row of patches in pairs, level by level; use 1, 2 in any order, as many "
          "for both networks")),
        (lambda: MixedPlan(4, 3, level=1), ArchitectureError,
         ("at level 1 the networks with dilations (1, 2, 4) and (2, 1, 4) have no nodes over the same patches, and a "
          "mixture needs some; use level 2")),
        (lambda: MixedPlan(4, 3, (1, 2, 4), (4, 2, 1)), ArchitectureError,
         ("at level 2 the networks with dilations (1, 2, 4) and (4, 2, 1) have no nodes over the same patches, nor at "
          "another level below the top; use another order of the dilations")),
        (lambda: MixedPlan(4, 0), ArchitectureError, "width must be an integer of at least 1, not 0"),
        (lambda: opposite_plan(12, 4, 3), ArchitectureError,
         ("12 patches are no power of two of at least 8, whose halves two networks can join in two orders; "
          "use 8 or 16")),
        (lambda: opposite_plan(4, 4, 3), ArchitectureError,
         "4 patches are no power of two of at least 8, whose halves two networks can join in two orders; use 8"),
        (lambda: rank_bound(MixedPlan(4, 3), "sum", [0, 8]), CutError,
         "patch 8 is not in a row of 8 patches; use numbers from 0 to 7"),
        (lambda: mixed_rank(MixedPlan(4, 3), draw_mixed(MixedPlan(4, 3), seed=0), "sum", range(8)), CutError,
         "a cut needs patches on both sides, and this one has 8 of 8 on the first; move one of them"),
        (lambda: rank_bound(MixedPlan(4, 3), "both", [0]), ConvacError,
         "unknown network 'both'; use one of first, second, sum, hybrid, mixture"),
        (lambda: compose_mixed(MixedPlan(4, 3), draw_mixed(MixedPlan(4, 3), seed=0), "T"), ConvacError,
         "unknown network 'T'; use one of first, second, sum, hybrid, mixture"),
        (lambda: MixedPlan(4, 3).parameters("T"), ConvacError,
         "unknown network 'T'; use one of first, second, sum, hybrid, mixture"),
        (lambda: draw_mixed(MixedPlan(4, 3), seed=-1), ConvacError, "seed must be an integer of at least 0, not -1"),
        (lambda: draw_mixed(MixedPlan(4, 3), seed=0, prime=9), ConvacError,
         "9 is not a prime below 2**63; use for example 2147483647"),
        (lambda: minor_bound(8, 144, 101), HypothesisError,
         "the minor has degree 2,160, so Schwartz–Zippel says nothing modulo 101; use a prime above 2,160"),
        (lambda: compose_mixed(opposite_plan(16, 5, 1), draw_mixed(opposite_plan(16, 5, 1), seed=0)), ConvacError,
         ("a tensor with 5^16 entries is too large to write out: the limit is 67,108,864; use a smaller M or N, or "
          "sample its matricization with certify_rank")),
    ],
)  # fmt: skip
def test_what_makes_no_mixture_gets_one_sentence(make, kind, sentence):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == sentence


def test_widths_that_do_not_fit_into_memory_are_refused_before_any_work(monkeypatch):
    monkeypatch.setattr("convac_lib.budget.free_memory", lambda: 2**30)
    with pytest.raises(BudgetError) as error:
        draw_mixed(MixedPlan(4, 10**6), seed=0)
    assert str(error.value) == (
        "drawing the weights of this tree needs about 89,407 GiB of memory, and 1.0 GiB are free; use smaller widths "
        "or fewer patches"
    )
    plan = MixedPlan(4, 500)
    weights = draw_mixed(plan, seed=0)
    with pytest.raises(BudgetError) as error:
        compose_mixed(plan, weights)
    assert str(error.value) == (
        "writing out this tensor needs about 3.8 GiB of memory, and 1.0 GiB are free; use a smaller width, a smaller M "
        "or fewer patches"
    )


def test_the_orders_and_the_cut_written_out():
    assert leaf_order((2, 1, 4)) == (0, 2, 1, 3, 4, 6, 5, 7) and opposite_cut(16) == (0, 2, 4, 6, 8, 9, 10, 11)
    plan = MixedPlan(2, 1, (4, 1, 2), (1, 4, 2), 2)
    assert plan.blocks == ((0, 1, 4, 5), (2, 3, 6, 7)) and opposite_plan(8, 4, 3) == MixedPlan(4, 3)
