"""The comparison of ranks with bounds: its draws, its file, its reasons, and the book's record."""

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import product
from math import prod

import numpy as np
import pytest
from filelock import FileLock

from convac_lib import Architecture, ConvacError, Layer, certify_rank, random_circuit
from convac_lib.__main__ import main
from convac_lib.files import results_path
from convac_lib.theory import comparisons
from convac_lib.theory.comparisons import (
    HEADER,
    SETS,
    Comparison,
    Count,
    compare,
    count_comparisons,
    extend_comparisons,
    read_comparisons,
)
from convac_lib.theory.cuts import CUTS
from convac_lib.theory.gaps import REASONS, powers_of_one, reason_of, tree_rank
from convac_lib.theory.min_cut import find_cut, min_cut_upper
from convac_lib.theory.random_networks import draw_network
from convac_lib.theory.tensors import assignments
from convac_lib.theory.unrolled import count_unrolled

RESULTS = results_path("bounds.csv")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    path = tmp_path_factory.mktemp("bounds") / "bounds.csv"
    extend_comparisons(path, 12)
    return path


def plain_rank(matrix, p):
    """The rank modulo p by elimination in Python's integers."""
    rows, rank = [[int(entry) % p for entry in row] for row in matrix], 0
    for column in range(len(rows[0])):
        pivot = next((row for row in range(rank, len(rows)) if rows[row][column]), None)
        if pivot is None:
            continue
        rows[rank], rows[pivot] = rows[pivot], rows[rank]
        inverse = pow(rows[rank][column], -1, p)
        for row in range(rank + 1, len(rows)):
            if factor := rows[row][column] * inverse % p:
                rows[row] = [(a - factor * b) % p for a, b in zip(rows[row], rows[rank])]
        rank += 1
    return rank


# --- draws ---


def test_draws_repeat_and_are_of_every_kind():
    drawn = [draw_network(0, number) for number in range(300)]
    assert drawn == [draw_network(0, number) for number in range(300)] != [draw_network(1, n) for n in range(300)]
    networks = [network for network, _ in drawn]
    assert {network.size for network in networks} == {2, 3, 4} and {network.sizes[-1] for network in networks} == {1}
    assert {network.border for network in networks} == {"neutral", "ones", "valid"}
    assert {network.shared for network in networks} == {True, False}
    assert {network.representation_channels for network in networks} == set(range(2, 7))
    assert {layer.channels for network in networks for layer in network.layers} == set(range(1, 9))
    assert {layer.receptive_field for network in networks for layer in network.layers} == {1, 2, 3, 4}
    assert {layer.stride for network in networks for layer in network.layers} == {1, 2, 3, 4}
    assert {cut.name for _, cut in drawn} >= {"left-right", "top-bottom", "interleaved", "checkerboard"}
    for network, cut in drawn:
        network.require_patches_read().require_single_output()
        assert cut.size == network.size


# --- the file ---


def test_a_file_is_made_resumed_and_never_holds_a_case_twice(compared, tmp_path):
    whole, path = compared.read_bytes(), tmp_path / "new" / "bounds.csv"
    cases = read_comparisons(compared)
    assert len(cases) == 12 == len({(case.network, case.cut) for case in cases})
    assert [case.number for case in cases] == sorted({case.number for case in cases})
    assert cases == [compare(case.seed, case.number) for case in cases]
    extend_comparisons(path, 5)
    assert whole.startswith(path.read_bytes())
    extend_comparisons(path, 12)
    assert path.read_bytes() == whole
    for end in (10, len(whole) - 1, len(whole) - 40):  # a kill may leave any beginning
        path.write_bytes(whole[:end])
        extend_comparisons(path, 12)
        assert path.read_bytes() == whole
    extend_comparisons(path, 3)  # it holds more already
    assert path.read_bytes() == whole
    extend_comparisons(path, 14, seed=1)
    further = [number for number in range(20) if compare(1, number)][:2]  # of the other seed, from its first draw on
    assert [(case.seed, case.number) for case in read_comparisons(path)[12:]] == [(1, number) for number in further]


def test_the_command_compares_and_counts(compared, tmp_path, capsys):
    path = tmp_path / "bounds.csv"
    assert main(["compare", "--cases", "12", "--out", str(path)]) == 0
    assert path.read_bytes() == compared.read_bytes()
    first, _, header, every, *_ = capsys.readouterr().out.splitlines()
    assert first == f"12 cases in {path}: 0 of them violate a bound"
    assert header.split() == ["cases", "equal", "below", "undecided"] and every.split() == ["all", "12", "12", "0", "0"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("size,M\n", f"{{}} holds no comparisons: its first line must be {','.join(HEADER)}"),
        ("{header}\n4,2,x\n", "line 2 of {} is no comparison: 4,2,x; restore the file, or remove the line"),
        ("{header}\n0,0,4,2,2/1/2,neutral,shared,left-right,,4,4,4,256,1,,7\n",
         ("line 2 of {} is no comparison: 0,0,4,2,2/1/2,neutral,shared,left-right,,4,4,4,256,1,,7; restore the file, "
          "or remove the line")),
        ("{header}\n0,0,4,2,4/4/2,neutral,shared,99,,2,2,2,256,1,,7\n",
         ("line 2 of {} is no comparison: 0,0,4,2,4/4/2,neutral,shared,99,,2,2,2,256,1,,7; restore the file, or remove "
          "the line")),
    ],
)  # fmt: skip
def test_what_is_no_comparison_gets_one_sentence(text, sentence, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text(text.format(header=",".join(HEADER)))
    for use in (read_comparisons, lambda path: extend_comparisons(path, 1)):
        with pytest.raises(ConvacError) as error:
            use(path)
        assert str(error.value) == sentence.format(path)


@pytest.mark.parametrize(
    ("cases", "seed", "sentence"),
    [
        (0, 0, "cases must be an integer of at least 1, not 0"),
        (10**6, 0, "a file holds at most 100,000 cases, and 1,000,000 were asked for; ask for fewer"),
        (1, -1, "seed must be an integer of at least 0, not -1"),
    ],
)
def test_numbers_that_ask_for_nothing_get_one_sentence(cases, seed, sentence, tmp_path):
    with pytest.raises(ConvacError) as error:
        extend_comparisons(tmp_path / "bounds.csv", cases, seed=seed)
    assert str(error.value) == sentence and not (tmp_path / "bounds.csv").exists()


def test_a_missing_file_and_a_second_writer_get_one_sentence(compared, tmp_path):
    with pytest.raises(ConvacError) as error:
        read_comparisons(tmp_path / "none.csv")
    assert str(error.value) == (
        f"cannot read {tmp_path / 'none.csv'}: No such file or directory; write it with convac compare"
    )
    with FileLock(f"{compared}.lock"), pytest.raises(ConvacError) as error:
        extend_comparisons(compared, 13)
    assert str(error.value) == f"another run is writing {compared}; wait until it has ended"


# --- one case ---

CASE = Comparison(
    seed=0, number=5, size=4, M=2, layers="2/1/4 2/2/4 2/1/2 2/2/2", border="neutral", shared=True, cut="left-right",
    lower=16, rank=64, upper=64, plain=64, rows=256, draws=1, reason="", prime=2**31 - 1,
)  # fmt: skip


def test_a_case_is_computed_as_it_is_written_here():
    assert compare(0, 5) == CASE


@pytest.mark.parametrize(
    ("lower", "rank", "upper", "rows", "status", "violated"),
    [
        (16, 64, 64, 256, "equal", False),
        (64, 64, 64, 256, "equal", False),
        (None, 64, 64, 255, "equal", False),
        (None, 63, 64, 256, "below", False),
        (63, 63, 64, 256, "below", False),
        (None, 63, 64, 255, "undecided", False),
        (64, 63, 64, 255, "equal", False),  # a sample may show less than the lower bound proves
        (64, 63, 64, 256, "equal", True),
        (None, 65, 64, 255, "undecided", True),
        (65, 64, 64, 255, "equal", True),
    ],
)
def test_what_a_case_says_of_its_bounds(lower, rank, upper, rows, status, violated):
    case = replace(CASE, lower=lower, rank=rank, upper=upper, rows=rows)
    assert (case.status, case.violated, case.whole) == (status, violated, rows == 256)


ALTERNATES, EQUAL = "stride 1 alternates with no overlap, across halves", "and all channels equal"


@pytest.mark.parametrize(
    ("changes", "sets"),
    [
        ({"layers": "2/1/4 2/2/4"}, {ALTERNATES, EQUAL}),
        ({"layers": "2/1/4 2/2/4 1/1/4 2/2/4", "cut": "top-bottom"}, {ALTERNATES, EQUAL}),
        ({"layers": "2/1/4 2/2/2"}, {ALTERNATES}),
        ({"layers": "2/1/4 2/2/2 1/1/3 2/2/4"}, {ALTERNATES}),
        ({"layers": "2/1/4 2/2/4", "border": "ones"}, {ALTERNATES, EQUAL}),
        ({"layers": "2/1/4 2/2/4", "border": "valid"}, set()),
        ({"layers": "2/1/4 2/2/4", "cut": "interleaved"}, set()),
        ({"layers": "2/1/4 2/2/4 2/1/4"}, set()),
        ({"layers": "2/1/4"}, set()),
        ({"layers": "2/2/4 2/2/4"}, set()),
        ({"layers": "2/1/4 2/2/4 2/2/4 1/1/4"}, set()),
        ({"layers": "2/1/4 3/2/4"}, set()),
        ({"layers": "1/1/4 2/2/4 1/1/4 2/1/4"}, set()),
        ({"plain": 65}, {"multisets matter", ALTERNATES}),
        ({"lower": 64}, {"lower bound meets upper bound", ALTERNATES}),
    ],
)
def test_cases_of_the_smaller_sets(changes, sets):
    case = replace(CASE, **changes)
    smaller = (ALTERNATES, EQUAL, "multisets matter", "lower bound meets upper bound")
    assert {name for name in smaller if SETS[name](case)} == sets


@pytest.mark.parametrize("cut", [*CUTS, "0 3"])
@pytest.mark.parametrize("border", ["neutral", "ones", "valid"])
@pytest.mark.parametrize("shared", [True, False])
def test_a_case_is_of_one_kind_of_cut_border_and_weights(cut, border, shared):
    case = replace(CASE, cut=cut, border=border, shared=shared)
    about = [name for name in SETS if name.startswith(("cut", "border")) or name.endswith(" weights")]
    weights = "shared weights" if shared else "unshared weights"
    kinds = {f"cut {cut}" if cut in CUTS else "cut listed", f"border {border}", weights}
    assert {name for name in about if SETS[name](case)} == kinds


def test_sets_of_bounds():
    decides = [upper for upper in range(1, 260) if SETS["1 < bound < saturation"](replace(CASE, upper=upper))]
    assert decides == list(range(2, 256))
    applies = SETS["lower bound applies"]
    assert [applies(replace(CASE, lower=lower)) for lower in (None, 0, 1)] == [False, True, True]


def test_counts_are_of_statuses():
    below, undecided = replace(CASE, rank=63), replace(CASE, rank=63, rows=255)
    count = count_comparisons([CASE] * 3 + [below] + [undecided] * 2)["all"]
    assert count == Count(6, 3, 1, 2) and count.share == 0.75
    assert count_comparisons([])["all"].share == 0


@pytest.mark.parametrize(("number", "limit"), [(2, 64), (19, 21), (2, None)])
def test_a_case_at_a_limit_is_computed_and_one_beyond_is_passed_over(number, limit, monkeypatch):
    """Of 202 rows on sides of 64 and 4,096, all of a side; of 206 rows on sides of 3 and 6,561, ten times the limit."""
    name = "LARGEST_UNROLLED" if limit is None else "LARGEST_ROWS"
    limit = limit or count_unrolled(draw_network(0, number)[0])[0]
    monkeypatch.setattr(comparisons, name, limit)
    assert compare(0, number) is not None
    monkeypatch.setattr(comparisons, name, limit - 1)
    assert compare(0, number) is None


def test_lines_below_their_bound_are_drawn_four_times():
    below = [case for case in book() if case.status == "below" and case.rows <= 32]
    assert below and {case.draws for case in below} == {4}
    assert [compare(case.seed, case.number) for case in below[:2]] == below[:2]


# --- reasons ---


@pytest.mark.parametrize(
    ("network", "cut", "rank", "upper", "reason"),
    [
        (Architecture(3, 2, [Layer(2, 1, 3), Layer(2, 2, 4)], "valid"), [0, 3, 6], 7, 8, "widths"),
        (Architecture(3, 2, [Layer(2, 1, 2), Layer(2, 1, 2)], "valid"), [0, 2, 4, 6, 8], 12, 16, "shared weights"),
        (
            Architecture(4, 2, [Layer(1, 1, 7), Layer(2, 2, 3), Layer(3, 1, 7), Layer(2, 2, 7)], "ones", False),
            "left-right", 18, 21, "reuse",
        ),
    ],
)  # fmt: skip
def test_a_rank_below_its_bound_has_the_reason_that_the_program_finds(network, cut, rank, upper, reason):
    assert max(certify_rank(network, cut, seed=seed).rank for seed in range(2)) == rank
    assert min_cut_upper(network, cut).value == upper
    assert reason_of(network, cut, rank, upper, rows=256) == reason
    assert reason in REASONS


def test_the_trees_rank_is_the_plain_min_cut_for_powers_of_one_integer():
    checked = 0
    for number in range(200):
        network, cut = draw_network(2, number)
        plain = prod(base**exponent for base, exponent in find_cut(network, cut).plain)
        sides = [network.representation_channels**side for side in cut.sides]
        if (
            powers_of_one(network.channels)
            and max(sides) <= 256
            and count_unrolled(network)[0] < 150
            and 1 < plain < min(sides)
        ):
            assert tree_rank(network, cut, rows=max(sides)) == plain
            checked += 1
    assert checked >= 10


@pytest.mark.parametrize(
    ("numbers", "answer"), [((2, 8, 1, 4), True), ((4, 8), True), ((9, 27), True), ((6, 2), False)]
)
def test_powers_of_one_integer(numbers, answer):
    assert powers_of_one(numbers) is answer


def test_powers_of_one_integer_by_brute_force():
    powers = {q: {q**e for e in range(8)} for q in range(2, 31)}
    for numbers in product(range(1, 31), repeat=2):
        assert powers_of_one(numbers) == any(set(numbers) <= each for each in powers.values())


# --- the record ---


@cache
def book():
    return read_comparisons(RESULTS)


def test_the_books_record_violates_no_bound():
    cases = book()
    assert len(cases) >= 5_000 and len({(case.network, case.cut) for case in cases}) == len(cases)
    assert not any(case.violated for case in cases)
    assert all(case.rank <= case.upper <= min(case.plain, case.saturation) for case in cases)
    counts = count_comparisons(cases)
    assert list(counts) == list(SETS) and counts["all"].cases == len(cases) and counts["all"].share > 0.99
    assert all(count.cases == count.equal + count.below + count.undecided for count in counts.values())
    assert {case.reason for case in cases if case.status != "below"} == {""}
    reasons = Counter(case.reason for case in cases if case.status == "below")
    assert sum(reasons.values()) == counts["all"].below and set(reasons) <= set(REASONS)


def test_lines_of_the_record_are_found_again_by_the_slides_formula():
    """The whole matrix, pair by pair, and its rank by elimination in Python's integers."""
    small = [case for case in book() if case.whole and case.rows <= 64 and 1 < case.rank][::70]
    assert len(small) >= 10
    for case in small:
        cut, M, p = case.partition, case.M, case.prime
        ranks = []
        for seed in range(case.draws):
            circuit = random_circuit(case.network, seed=seed, prime=p)
            rows, columns = (assignments(M, len(part)) for part in (cut.rows, cut.columns))
            ranks.append(plain_rank(np.array(circuit.submatrix(cut, rows, columns)), p))
        assert max(ranks) == case.rank


def test_every_line_is_of_its_draw():
    for case in book()[::97]:
        network, cut = draw_network(case.seed, case.number)
        assert (network, cut) == (case.network, case.partition)


def test_lines_below_their_bound_are_found_again():
    below = [case for case in book() if case.status == "below" and case.rows <= 256]
    assert below
    for case in below[:4]:
        ranks = {certify_rank(case.network, case.partition, rows=case.rows, seed=seed).rank for seed in range(2)}
        assert ranks == {case.rank} and case.rank < min_cut_upper(case.network, case.partition).value
