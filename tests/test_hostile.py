"""Large and hostile questions: each ends in an answer or in one sentence, at once and in little memory."""

import json
import subprocess
import sys
from types import SimpleNamespace

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline, certify_rank, common_case, grid_tensor, make_cut, rank_modulo
from convac_lib.__main__ import main
from convac_lib.architecture import LARGEST_LAYERS, LARGEST_SIZE
from convac_lib.errors import ConvacError
from convac_lib.experiments.atlas import chart
from convac_lib.theory import circuits, costs, ranks
from convac_lib.theory.bounds import Bound, bounds_of, talk_formula, theorem
from convac_lib.theory.witness import theorem_witness

GIB = 2**30


@pytest.fixture
def small_machine(monkeypatch):
    """One with 1 GiB of free memory, whatever this one has."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=GIB))


# --- command lines ---

NUMBERS = st.one_of(
    st.integers(-2, 9),
    st.sampled_from([2, 4, 8, 16, 64, 2**10, 2**20, 2**31 - 1, 2**31, 2**61 - 1, 2**63 - 25, 2**64, 2**65]),
    st.integers(0, 4000).map(lambda power: 10**power),
    st.integers(-(10**30), 10**30),
).map(str)
WORDS = st.one_of(NUMBERS, st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12))
LAYERS = st.one_of(
    st.tuples(NUMBERS, NUMBERS, st.one_of(NUMBERS, st.just("pool"))).map("/".join),
    st.sampled_from(["1/1/2", "2/2/3", "3/1/2", "2/2/pool", "64/64/4", "1048576/1048576/2"]),
    WORDS,
)
CUT_WORDS = st.one_of(
    st.sampled_from(["left-right", "top-bottom", "interleaved", "checkerboard", "1,,2", ",", "²", "٣", "0,0"]),
    st.lists(NUMBERS, max_size=5).map(",".join),
    WORDS,
)


def mostly(tame, wild):
    return st.integers(0, 3).flatmap(lambda die: wild if die == 0 else tame)


SMALL, SIZES = mostly(st.sampled_from("1234"), NUMBERS), mostly(st.sampled_from("248"), NUMBERS)


@st.composite
def command_lines(draw, command):
    words = [command, "--M", draw(SMALL), "--size", draw(SIZES)]
    if draw(st.booleans()):
        words += ["--B", draw(SMALL)] + draw(st.sampled_from([[], ["--channels", draw(SMALL)]]))
    else:
        words += ["--layers", *draw(st.lists(LAYERS, min_size=1, max_size=5))]
    words += draw(st.sampled_from([[], [], ["--cut", draw(CUT_WORDS)]]))
    words += draw(st.sampled_from([[], [], ["--border", draw(st.sampled_from(["ones", "zero", "valid", "wrap"]))]]))
    words += draw(st.sampled_from([[], [], ["--unshared"], ["--json"]]))
    if command == "certify":
        words += draw(st.sampled_from([[], ["--rows", draw(SMALL)]]))
        words += draw(st.sampled_from([[], [], ["--seed", *draw(st.lists(NUMBERS, min_size=1, max_size=3))]]))
        words += draw(st.sampled_from([[], [], ["--prime", *draw(st.lists(NUMBERS, min_size=1, max_size=3))]]))
    return words


def ask(words, capsys):
    """The exit status, once what was printed has been checked against it."""
    try:
        status = main(words)
    except SystemExit as exit:
        status = exit.code
    out, err = capsys.readouterr()
    if status == 0:
        assert out and all(line.startswith("convac: layer ") for line in err.splitlines()), words  # a warning of zeros
        assert "--json" not in words or json.loads(out)
    else:
        assert (status, out, err.count("\n"), err[-1]) == (2, "", 1, "\n"), (words, err)
    return status


@pytest.mark.filterwarnings("default")  # which the command prints
@pytest.mark.parametrize("command", ["describe", "certify"])
def test_whatever_the_words_are_a_command_answers_or_says_one_sentence(
    command, small_machine, monkeypatch, capsys, record_property
):
    for module in (costs, sys.modules["convac_lib.budget"]):
        monkeypatch.setattr(module, "LONGEST", 1)  # second, so that what is affordable is quick
    statuses = []

    @settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
    @given(command_lines(command))
    def check(words):
        statuses.append(ask(words, capsys))

    check()
    record_property(f"hostile command lines of {command}", len(statuses))
    assert min(statuses.count(0), statuses.count(2)) > 20


# --- their cost, in a process of its own ---

MEASURED = """
import resource, sys
if sys.argv[1] != "0":
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
from convac_lib.__main__ import main
status = main(sys.argv[2:])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, and on a Mac bytes
print(status, peak if sys.platform == "darwin" else peak * 1024, file=sys.stderr)
"""


def measured(words, limit=0):
    """Exit status, peak memory in bytes, what was printed and the sentence, of a command that may take a minute."""
    pytest.importorskip("resource")
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(limit), *words], capture_output=True, text=True, check=True, timeout=60
    )
    *sentences, last = done.stderr.splitlines()
    status, peak = map(int, last.split())
    return status, peak, done.stdout, sentences


SIZE = str(2**20)
BOUNDED = [
    "--B 99999999999999999999 --M 2 --size 8",
    "--B 10000000 --M 2 --size 8",
    f"--B {10**1000} --M {10**1000} --size {SIZE} --channels {10**1000} --json",
    f"--B 3 --M 2 --size {SIZE}",
    f"--B 1 --M 2 --size {SIZE} --cut interleaved",
    f"--B 1 --M 3 --size {SIZE} --channels 5 --cut checkerboard --unshared",
    f"--B 2 --M 2 --size {SIZE} --cut top-bottom --border ones",
    f"--layers 7/7/3 600000/600000/5 --M 2 --size {2**20 - 2} --cut checkerboard",
    f"--layers 1048575/1/2 2/2/2 --M 2 --size {SIZE} --border valid",
    f"--layers {SIZE}/{SIZE}/7 --M 3 --size {SIZE} --cut 0,{2**40 - 1},5,1048576",
    f"--B 3 --M 2 --size {LARGEST_SIZE}",
    "--layers " + "1/1/2 " * (LARGEST_LAYERS - 1) + "8/8/2 --M 2 --size 8 --cut interleaved",
    "--layers " + "9/2/3 " * LARGEST_LAYERS + "--M 2 --size 8 --json",
    f"--layers {'9' * 4000}/{'9' * 4000}/2 {'9' * 4000}/{'9' * 4000}/2 --M 2 --size 8 --json",
]


@pytest.mark.parametrize("words", BOUNDED, ids=range(len(BOUNDED)))
def test_bounds_of_any_size_and_any_layers_take_little_memory(words):
    status, peak, out, sentences = measured(["describe", *words.split()])
    assert (status, sentences) == (0, []) and out
    assert peak < 200 * 2**20


@pytest.mark.parametrize(
    "words",
    [
        "--B 3 --M 100000 --size 16",
        f"--B 3 --M 2 --size {SIZE}",
        "--B 99999999999999999999 --M 2 --size 8",
        f"--B 3 --M 2 --size 8 --rows {10**30}",
        f"--B 3 --M 2 --size 8 --channels {10**30}",
        f"--layers {SIZE}/{SIZE}/1 --M 1 --size {SIZE}",
        f"--layers 2/1/2 {2**14}/{2**14}/2 --M 2 --size {2**14} --unshared --rows 1",
        f"--B 1 --M 2 --size {SIZE} --cut 0,1",
        f"--B 2 --M {10**4000} --size 4",
    ],
)
def test_what_cannot_be_certified_is_refused_before_any_memory_is_taken(words):
    status, peak, out, (sentence,) = measured(["certify", *words.split()], limit=3 * GIB)
    assert (status, out) == (2, "") and sentence.startswith("convac: the rank of ")
    assert peak < 200 * 2**20


# --- the sentences ---

RANK = "the rank of 1,024×1,024 entries of a 16×16 image needs about"


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: certify_rank(common_case(B=3, M=100_000, size=16)), ""),
        (lambda: certify_rank(common_case(B=3, M=2, size=2**20)), ""),
        (lambda: certify_rank(common_case(B=10**20, M=2, size=8)), ""),
        (lambda: certify_rank(common_case(B=3, M=2, size=8), rows=10**6), ""),
        (lambda: certify_rank(Architecture(2**11, 1, [Layer(2**11, 1, 1), Layer(2**11, 2**11, 1)])), ""),
        (lambda: certify_rank(common_case(B=3, M=2, size=64), rows=4096), ""),
        (lambda: circuits.random_circuit(common_case(B=3, M=10**5, size=4), seed=0), ""),
        (lambda: circuits.random_circuit(Architecture(2**10, 2, [Layer(2, 1, 9), Layer(2**10, 2**10, 2)], shared=False), seed=0), ""),
        (lambda: circuits.Circuit(Architecture(2, 10**5, [Layer(2, 2, 1)]), [], []), ""),
        (lambda: theorem_witness(common_case(B=3, M=2**12, size=4, channels=2**13)), ""),
        (lambda: theorem_witness(Architecture(2**14, 1, [Layer(2**13 + 1, 1, 1), Layer(2**14, 2**14, 1)])), ""),
        (lambda: make_cut("left-right", 2**20).rows, ""),
        (lambda: make_cut(range(2**30), 2**20), ""),
        (lambda: make_cut([0], 2**65), ""),
        (lambda: make_cut([[1]], 4), ""),
        (lambda: talk_formula(10**10, 2).value, ""),
        (lambda: talk_formula(10**10, 10**5000).value, ""),
        (lambda: common_case(2, 2, 2**70), ""),
        (lambda: Architecture(4, 2, [Layer(1, 1, 2)] * 5000), ""),
        (lambda: Architecture(4, 2, [Layer(10**200_000, 10**200_000, 2)]), ""),
        (lambda: Layer(-(10**5000), 1, 1), ""),
        (lambda: certify_rank(common_case(2, 2, 4), seed=-(10**5000)), ""),
        (lambda: certify_rank(common_case(2, 2, 4), prime=10**5000), ""),
        (lambda: certify_rank(common_case(2, 2, 4), rows=-(10**5000)), ""),
        (lambda: grid_tensor(circuits.random_circuit(baseline(1, 16), seed=0)), ""),
        (lambda: grid_tensor(circuits.random_circuit(baseline(10**3, 2**5), seed=0)), ""),
        (lambda: grid_tensor(circuits.random_circuit(baseline(2, 4, channels=3000), seed=0)), ""),
        (lambda: chart("never.csv", [2**20], [2], [3]), ""),
        (lambda: chart("never.csv", [64], [64], [3000]), ""),
        (lambda: chart("never.csv", [4], [2], [200]), ""),
        (lambda: chart("never.csv", [4], range(1, 10**6), [2]), ""),
        (lambda: chart("never.csv", [4, 6], [2], [2]), ""),
    ],
)  # fmt: skip
def test_what_is_too_much_gets_one_sentence(ask, sentence, small_machine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(costs, "available_threads", lambda: 2)
    with pytest.raises(ConvacError) as error:
        ask()
    print(repr(str(error.value)))
    assert not list(tmp_path.iterdir())
