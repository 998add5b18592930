"""Exact ranks against eliminations written out here, the book's tables, and what cannot change a rank."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from flint import nmod_mat
from helpers.strategies import architectures, cuts, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import (
    Architecture,
    Circuit,
    Layer,
    baseline,
    certify_rank,
    common_case,
    make_cut,
    matricize,
    random_circuit,
    rank_modulo,
)
from convac_lib.errors import ConvacError, CutError
from convac_lib.theory.costs import ELIMINATED, FLINT
from convac_lib.theory.ranks import issue_certificate, matricization, require_draws, sample
from convac_lib.theory.tensors import assignments

P = 2**31 - 1
PRIMES = [2, 7, P, 2**61 - 1, 2**63 - 25]


def rank_by_elimination(matrix, inverse, reduced):
    """Count pivots, row by row, in whatever field `inverse` and `reduced` make of Python's numbers."""
    rows, rank = [[reduced(entry) for entry in row] for row in matrix], 0
    while rows:
        pivot_row = rows.pop()
        column = next((column for column, entry in enumerate(pivot_row) if entry), None)
        if column is None:
            continue
        rank += 1
        scale = inverse(pivot_row[column])
        rows = [[reduced(entry - row[column] * scale * pivot) for entry, pivot in zip(row, pivot_row)] for row in rows]
    return rank


def rank_over_the_rationals(matrix):
    return rank_by_elimination(matrix, lambda entry: 1 / entry, Fraction)


@st.composite
def matrices(draw):
    """Small integers, of a rank that is often not full."""
    rows, columns, inner = (draw(st.integers(1, 6)) for _ in range(3))
    generator = np.random.default_rng(draw(seeds))
    return generator.integers(-3, 4, (rows, inner)) @ generator.integers(-3, 4, (inner, columns))


@given(matrices(), st.sampled_from(PRIMES))
def test_rank_modulo_counts_the_pivots_of_an_elimination_modulo_p(matrix, prime):
    plain = rank_by_elimination(matrix.tolist(), lambda entry: pow(entry, -1, prime), lambda entry: entry % prime)
    forms = (matrix, matrix.astype(np.int8), matrix.astype(object), matrix.astype(object) * (prime + 1))
    assert [rank_modulo(form, prime) for form in forms] == [plain] * 4


@given(matrices())
def test_a_rank_modulo_p_is_at_most_the_rank_over_the_rationals(matrix):
    rank = rank_over_the_rationals(matrix.tolist())
    assert all(rank_modulo(matrix, prime) <= rank for prime in PRIMES)
    # Hadamard: a minor is at most (54·√6)⁶ < 2⁴³ in magnitude, so that no nonzero one vanishes modulo these
    assert rank_modulo(matrix, 2**61 - 1) == rank_modulo(matrix, 2**63 - 25) == rank


def test_a_rank_modulo_a_small_prime_can_be_smaller():
    matrix = np.diag([1, 7, 14])
    assert [rank_modulo(matrix, prime) for prime in (2, 7, 11)] == [2, 1, 3]


@given(matrices(), st.sampled_from(PRIMES), st.randoms(use_true_random=False))
def test_order_and_transposition_change_no_rank(matrix, prime, random):
    rows, columns = (random.sample(range(side), side) for side in matrix.shape)
    rank = rank_modulo(matrix, prime)
    assert rank == rank_modulo(matrix[rows][:, columns], prime) == rank_modulo(matrix.T, prime)


# --- matricizations of networks ---


@st.composite
def cut_networks(draw):
    network = draw(architectures(max_size=3, max_channels=2, plain=False).filter(lambda network: network.size > 1))
    return network, make_cut(draw(cuts(network.size)), network.size)


@settings(max_examples=40)
@given(cut_networks(), seeds, st.sampled_from([7, P, 2**61 - 1]))
def test_a_matricization_is_that_of_the_grid_tensor(case, seed, prime):
    network, cut = case
    circuit = random_circuit(network, seed=seed, prime=prime)
    whole = matricize(circuit.grid_tensor(), cut)
    M = network.representation_channels
    rows, columns = assignments(M, len(cut.rows)), assignments(M, len(cut.columns))
    assert np.array_equal(matricization(circuit, cut, rows, columns), whole)
    assert np.array_equal(circuit.submatrix(cut, rows, columns), whole)
    generator = np.random.default_rng(seed)
    some, others = (generator.integers(0, len(part), 3) for part in (rows, columns))
    assert np.array_equal(matricization(circuit, cut, rows[some], columns[others]), whole[np.ix_(some, others)])


def test_the_reference_and_the_fast_engine_agree_modulo_two_primes(record_property):
    ranks_of = {}
    networks = st.one_of(architectures(4, 4), architectures(4, 4, plain=False))

    @settings(max_examples=500)
    @given(networks.filter(lambda network: network.size > 1 < network.representation_channels), seeds)
    def check(network, seed):
        generator, M, patches = np.random.default_rng(seed), network.representation_channels, network.size**2
        cut = make_cut(generator.permutation(patches)[: patches // 2], network.size)
        sides = [generator.integers(0, M, (min(20, M ** len(part)), len(part))) for part in (cut.rows, cut.columns)]
        ranks = []
        for prime in (8388593, P):
            circuit = random_circuit(network, seed=seed, prime=prime)
            matrix = matricization(circuit, cut, *sides, threads=1)
            assert np.array_equal(matrix, circuit.submatrix(cut, *sides))
            by_flint = nmod_mat(*matrix.shape, matrix.ravel().tolist(), prime).rank()
            ranks += [rank_modulo(matrix, prime), by_flint]
        assert len(set(ranks)) == 1
        ranks_of[network, cut, seed] = ranks[0]

    check()
    record_property("networks' matrices: two fillings, two rank engines and two primes agree", len(ranks_of))
    assert len(ranks_of) >= 400 and len(set(ranks_of.values())) >= 10


@settings(max_examples=40)
@given(cut_networks(), st.integers(0, 9))
def test_a_certified_rank_is_the_rank_of_the_whole_matrix(case, seed):
    network, cut = case
    whole = matricize(random_circuit(network, seed=seed, prime=P).grid_tensor(), cut)
    certified = certify_rank(network, cut, seed=seed)
    rank = rank_by_elimination(whole.tolist(), lambda entry: pow(entry, -1, P), lambda entry: entry % P)
    assert (certified.rank, certified.rows, certified.columns) == (rank, *whole.shape)
    assert certified.full and certified.saturated == (rank == min(whole.shape))
    given_back = (certified.prime, certified.seed, certified.cut, certified.border)
    assert given_back == (P, seed, cut.name, network.border)


def test_a_matricization_of_several_batches_stays_in_order(monkeypatch):
    circuit, cut = random_circuit(common_case(2, 2, 2), seed=0, prime=P), make_cut("left-right", 2)
    monkeypatch.setattr("convac_lib.theory.circuits.IMAGES_AT_ONCE", 12)  # three rows of four columns, then one
    matrix = circuit.submatrix(cut, assignments(2, 2), assignments(2, 2))
    assert np.array_equal(matrix, matricize(circuit.grid_tensor(), cut))


# --- what the book says ---


@pytest.mark.parametrize(("B", "rank"), [(1, 2), (2, 64), (3, 256)])
def test_overlap_raises_the_rank_at_two_channels_and_four_by_four_patches(B, rank):
    network = common_case(B, M=2, size=4)
    certified = certify_rank(network)
    assert (certified.rank, certified.rows, certified.columns, certified.full) == (rank, 256, 256, True)
    assert certified.saturated == (rank == 256)
    for seed, prime in [(1, P), (2, 1_000_003)]:
        assert certify_rank(network, seed=seed, prime=prime).rank == rank


@pytest.mark.parametrize(
    ("network", "rank"), [(common_case(1, 2, 4, channels=3), 3), (baseline(2, 4, channels=5), 5), (baseline(3, 2), 3)]
)
def test_without_overlap_the_rank_is_the_number_of_channels_at_the_top(network, rank):
    assert network.channels[-1] == rank
    assert [certify_rank(network, cut).rank for cut in ("left-right", "top-bottom")] == [rank, rank]


def test_weight_free_pooling_breaks_the_claim():
    pooling = Layer(2, 2, 2, weight_free=True)
    network = Architecture(4, 2, [Layer(3, 1, 2), pooling, Layer(3, 1, 2), pooling])
    copy = np.broadcast_to(np.eye(2, dtype=int)[:, :, None, None], (2, 2, 2, 2))
    for seed in (0, 1):
        circuit = random_circuit(common_case(B=3, M=2, size=4), seed=seed, prime=P)
        weights = [circuit.weights[0], copy, circuit.weights[2], copy]
        assert certify_rank(Circuit(common_case(B=3, M=2, size=4), weights, circuit.dense, P)).rank == 6
        assert certify_rank(network, seed=seed).rank == 6


@pytest.mark.parametrize(
    ("layers", "M", "size"),
    [
        ([Layer(2, 1, 2), Layer(2, 2, 2)], 2, 2),
        ([Layer(2, 1, 1), Layer(4, 4, 2)], 2, 4),
        ([Layer(3, 2, 2), Layer(2, 2, 2)], 2, 4),
        ([Layer(3, 2, 3), Layer(3, 2, 2)], 2, 4),
        ([Layer(2, 1, 2), Layer(2, 2, 2), Layer(2, 1, 2), Layer(2, 2, 2)], 2, 4),
        ([Layer(3, 1, 3), Layer(2, 2, 3)], 3, 2),
    ],
)
def test_neutral_and_ones_outside_the_image_give_equal_generic_ranks(layers, M, size):
    neutral, ones = (certify_rank(Architecture(size, M, layers, border)).rank for border in ("neutral", "ones"))
    assert neutral == ones > 0


def test_a_network_of_zeros_has_rank_0():
    with pytest.warns(UserWarning, match="this network is 0 for every input"):
        certified = certify_rank(Architecture(2, 2, [Layer(2, 1, 2), Layer(2, 2, 2)], "zero"))
    assert (certified.rank, certified.saturated, certified.full) == (0, False, True)


@given(seeds, st.sampled_from(["neutral", "ones"]), st.integers(1, 3))
def test_a_network_on_its_side_has_its_rank_across_the_other_half_cut(seed, border, R):
    network = Architecture(2, 2, [Layer(R, 1, 1), Layer(2, 2, 1)], border)
    circuit = random_circuit(network, seed=seed, prime=P)
    on_its_side = Circuit(network, [weight.swapaxes(2, 3) for weight in circuit.weights], circuit.dense, P)
    assert certify_rank(circuit, "left-right").rank == certify_rank(on_its_side, "top-bottom").rank


def test_nonsingular_templates_keep_the_generic_rank():
    for B in (1, 2):
        circuit = random_circuit(common_case(B, M=2, size=4), seed=0, prime=P)
        F = np.random.default_rng(0).integers(0, P, (2, 2))
        with_F = Circuit(circuit.architecture, circuit.weights, circuit.dense, P, F)
        assert certify_rank(with_F).rank == certify_rank(circuit).rank


@given(seeds, st.sampled_from([3, 101, P]))
def test_real_weights_are_certified_modulo_the_prime(seed, prime):
    circuit = random_circuit(common_case(B=2, M=2, size=2), seed=seed)
    assert certify_rank(circuit, prime=prime) == certify_rank(circuit.modulo(prime))


# --- samples ---


def test_a_sample_has_at_most_the_whole_rank():
    network = common_case(B=2, M=2, size=4)
    samples = [certify_rank(network, rows=k) for k in (1, 16, 64, 200, 255, 256)]
    assert [(sample.rows, sample.columns) for sample in samples] == [(k, k) for k in (1, 16, 64, 200, 255, 256)]
    assert all(sample.rank <= min(64, sample.rows) for sample in samples) and samples[-1].rank == 64
    assert [sample.full for sample in samples] == [False] * 5 + [True]


def test_a_sample_repeats_no_row_and_no_column():
    certified = certify_rank(common_case(B=3, M=2, size=4), rows=200)  # of a matrix of full rank: twins would show
    assert (certified.rank, certified.rows, certified.columns, certified.saturated) == (200, 200, 200, True)


def test_a_sample_takes_a_small_side_whole():
    certified = certify_rank(common_case(B=2, M=2, size=4), [0, 5], rows=30)
    assert (certified.rows, certified.columns, certified.full, certified.rank) == (4, 30, False, 4)


@pytest.mark.parametrize(
    ("patches", "rows", "shape", "full"),
    [
        (12, None, (4096, 16), True),
        (13, None, (1024, 8), False),
        (3, None, (8, 1024), False),
        (12, 4095, (4095, 16), False),
        (6, 7, (7, 7), False),
    ],
)
def test_a_matrix_is_taken_whole_up_to_4096_rows_and_sampled_beyond(patches, rows, shape, full):
    certified = certify_rank(Architecture(4, 2, [Layer(4, 4, 3)]), range(patches), rows=rows)  # CP of 3 terms
    assert (certified.rows, certified.columns, certified.full) == (*shape, full)
    assert (certified.rank, certified.saturated) == (3, False)


def test_more_templates_than_a_byte_counts_and_images_of_more_axes_than_an_array_has():
    assert certify_rank(common_case(B=1, M=200, size=2, channels=1), rows=5).rank == 1
    assert certify_rank(common_case(B=2, M=1, size=16)).rank == 1


def test_the_seed_draws_the_weights_and_the_sample():
    network = common_case(B=2, M=2, size=2)
    assert certify_rank(network, seed=3) == certify_rank(network, seed=3)
    circuit = random_circuit(network, seed=3, prime=P)
    assert certify_rank(circuit, seed=3) == certify_rank(network, seed=3)


def test_progress_is_drawn_only_when_asked(capsys):
    network = common_case(B=2, M=2, size=2)
    quiet = certify_rank(network)
    assert tuple(capsys.readouterr()) == ("", "")
    assert certify_rank(network, progress=True) == quiet
    out, err = capsys.readouterr()
    assert out == "" and "filling rows: 100%" in err


@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 90), seeds)
def test_a_sample_is_all_assignments_or_as_many_different_ones_as_the_limit(base, length, limit, seed):
    drawn = sample(base, length, limit, np.random.default_rng(seed))
    if base**length <= limit:
        assert np.array_equal(drawn, assignments(base, length))
    else:
        assert drawn.shape == (limit, length) and len({*map(tuple, drawn.tolist())}) == limit
        assert drawn.min() >= 0 and drawn.max() < base
        first = np.random.default_rng(seed).integers(0, base, (limit, length))
        fresh = [*dict.fromkeys(map(tuple, first.tolist()))]
        assert [*map(tuple, drawn.tolist())][: len(fresh)] == fresh  # in the order in which they were drawn


def asked(monkeypatch, ask):
    """What `require_affordable` is asked of a question: rows, columns, p and draws."""
    found = []
    monkeypatch.setattr(
        "convac_lib.theory.ranks.require_affordable",
        lambda architecture, cut, rows, columns, prime, draws=1: found.append((rows, columns, prime, draws)),
    )
    ask()
    return found


SIX = Architecture(6, 2, [Layer(3, 1, 2), Layer(6, 6, 2)])


@pytest.mark.parametrize(
    ("network", "cut", "rows"),
    [
        (common_case(2, 2, 4), "left-right", 256),  # all
        (Architecture(2, 64, [Layer(2, 2, 2)]), "left-right", 4096),
        (Architecture(2, 65, [Layer(2, 2, 2)]), "left-right", 1024),
        (replace(common_case(2, 3, 4), border="ones"), "left-right", 2 * 729 + 200),  # above an upper bound of 729
        (common_case(2, 3, 8), "left-right", 3**8),  # the chain bound
        (SIX, "top-bottom", 2**12),
        (replace(SIX, representation_channels=3, layers=[Layer(3, 1, 3), *SIX.layers[1:]]), "left-right", 1024),
        (Architecture(2, 8192, [Layer(2, 2, 8192)]), "left-right", 8192),  # the theorem
        (Architecture(2, 8193, [Layer(2, 2, 8193)]), "left-right", 1024),
        (common_case(3, 5, 4, 5), "checkerboard", 1024),
    ],
)
def test_as_many_rows_are_taken_as_a_bound_needs(network, cut, rows, monkeypatch):
    cut = make_cut(cut, network.size)
    assert asked(monkeypatch, lambda: require_draws(network, cut, None, [0], [P])) == [(rows, rows, P, 1)]


def test_all_draws_are_counted_and_each_side_by_itself(monkeypatch):
    network, cut = common_case(2, 2, 4), make_cut([0, 5], 4)
    found = asked(monkeypatch, lambda: require_draws(network, cut, 30, [0, 1, 2], [7, P]))
    assert found == [(4, 30, P, 6)]
    assert asked(monkeypatch, lambda: certify_rank(network, cut, rows=30, prime=101)) == [(4, 30, 101, 1)]


def test_what_is_left_out_is_seed_0_the_largest_prime_and_no_progress(capsys):
    network = common_case(B=2, M=2, size=2)
    certified, certificate = issue_certificate(network=network, cut="left-right")
    assert certified == certify_rank(network=network, cut="left-right") == certify_rank(network, seed=0, prime=P)
    assert certificate == issue_certificate(network, rows=4, seed=0, prime=P, progress=False)[1]
    assert tuple(capsys.readouterr()) == ("", "")
    issue_certificate(network, progress=True)
    assert "filling rows: 100%" in capsys.readouterr().err


def test_a_certificate_holds_what_it_certifies():
    circuit = random_circuit(common_case(2, 2, 4), seed=5, prime=101)
    certified, certificate = issue_certificate(circuit, "top-bottom", rows=20, seed=3)
    assert (
        certified == certify_rank(circuit, "top-bottom", rows=20, seed=3) and certified.rank == certificate.rank == 20
    )
    assert certificate.cut == tuple(range(8)) and (certificate.prime, certificate.sampled) == (101, (20, 20))
    for mine, theirs in zip(
        (*certificate.circuit().weights, certificate.circuit().dense), (*circuit.weights, circuit.dense)
    ):
        assert np.array_equal(mine, theirs)
    minor = circuit.submatrix(*certificate.parts()[:1], *map(np.array, certificate.parts()[1:]))
    assert rank_modulo(minor, 101) == 20


@pytest.mark.parametrize(("prime", "entry", "slower"), [(2**30 - 35, 12, 1), (P, 12, 1), (2**31 + 11, 160, FLINT)])
def test_a_rank_needs_memory_and_time_by_its_sides(prime, entry, slower, monkeypatch):
    needed, took = [], []
    monkeypatch.setattr("convac_lib.theory.ranks.require_memory", lambda *words: needed.append(words))
    monkeypatch.setattr("convac_lib.theory.ranks.require_time", lambda *words: took.append(words))
    assert rank_modulo(np.eye(3, 5, dtype=int), prime) == 3
    words = "the rank of a 3×5 matrix", "take some of its rows and columns"
    assert needed == [(15 * entry, *words)] and took == [(45 * slower / ELIMINATED, *words)]


# --- bad input ---

NETWORK = common_case(B=2, M=2, size=2)


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: rank_modulo(np.eye(2)),
         "a rank over GF(p) needs a two-dimensional array of integers, not 2 dimensions of float64"),
        (lambda: rank_modulo(np.arange(3)),
         "a rank over GF(p) needs a two-dimensional array of integers, not 1 dimensions of int64"),
        (lambda: rank_modulo(np.full((2, 2), Fraction(1, 2))),
         "the matrix must hold integers to be taken modulo 2147483647, not object"),
        (lambda: rank_modulo(np.eye(2, dtype=int), 2**31),
         "2147483648 is not a prime below 2**63; use for example 2147483647"),
        (lambda: rank_modulo(np.eye(2, dtype=int), 1), "1 is not a prime below 2**63; use for example 2147483647"),
        (lambda: certify_rank(NETWORK, prime=2**89 - 1),
         "618970019642690137449562111 is not a prime below 2**63; use for example 2147483647"),
        (lambda: certify_rank(NETWORK, prime=None), "None is not a prime below 2**63; use for example 2147483647"),
        (lambda: certify_rank(NETWORK, rows=0), "rows must be an integer of at least 1, not 0"),
        (lambda: certify_rank(NETWORK, rows=2.5), "rows must be an integer of at least 1, not 2.5"),
        (lambda: certify_rank(NETWORK, seed=-1), "seed must be an integer of at least 0, not -1"),
        (lambda: certify_rank(random_circuit(NETWORK, seed=0, prime=P), seed=-1),
         "seed must be an integer of at least 0, not -1"),
        (lambda: certify_rank(random_circuit(NETWORK, seed=0), prime=2),
         "a half has no value modulo 2; use an odd prime"),
        (lambda: certify_rank(Architecture(4, 2, [Layer(2, 2, 2)])),
         "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        (lambda: require_draws(NETWORK, make_cut([0], 2), 0, [0], [P]), "rows must be an integer of at least 1, not 0"),
        (lambda: require_draws(NETWORK, make_cut([0], 2), 1, [0, -1], [P]),
         "seed must be an integer of at least 0, not -1"),
        (lambda: require_draws(NETWORK, make_cut([0], 2), 1, [0], [P, 4]),
         "4 is not a prime below 2**63; use for example 2147483647"),
        (lambda: require_draws(Architecture(4, 2, [Layer(2, 2, 2)]), make_cut([0], 4), 1, [0], [P]),
         "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        (lambda: require_draws(Architecture(2, 2, [Layer(1, 2, 2)]), make_cut([0], 2), 1, [0], [P]),
         "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"),
        (lambda: issue_certificate(Architecture(2, 2, [Layer(1, 2, 2)])),
         "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"),
        (lambda: issue_certificate(NETWORK, prime=2**61 - 1),
         "a certificate holds one-hot templates and a prime of at most 2^31; use those"),
        (lambda: issue_certificate(Circuit(baseline(2, 2), [np.zeros((2, 2, 2, 2), int)], np.ones((1, 2), int), P)),
         "the rank is 0, which leaves nothing to certify; use another border, or a larger prime"),
    ],
)  # fmt: skip
def test_what_has_no_exact_rank_or_certificate_gets_one_sentence(ask, sentence):
    with pytest.raises(ConvacError) as error:
        ask()
    assert str(error.value) == sentence


def test_a_cut_that_does_not_fit_is_a_cut_error():
    with pytest.raises(CutError):
        certify_rank(NETWORK, "diagonal")
    with pytest.raises(CutError):
        certify_rank(NETWORK, [4])


def test_a_certificate_holds_a_rank_up_to_its_limit(monkeypatch):
    monkeypatch.setattr("convac_lib.theory.ranks.LARGEST_RANK", 4)
    assert issue_certificate(NETWORK)[0].rank == 4
    monkeypatch.setattr("convac_lib.theory.ranks.LARGEST_RANK", 3)
    with pytest.raises(ConvacError) as error:
        issue_certificate(NETWORK)
    assert str(error.value) == "a certificate holds a rank of at most 3, and this one is 4; certify fewer rows"
