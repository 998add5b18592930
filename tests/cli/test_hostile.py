"""Large and hostile questions: each ends in an answer or in one sentence, at once and in little memory."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convac_lib import Architecture, Layer, baseline, certify_rank, common_case, grid_tensor, make_cut, rank_modulo
from convac_lib.__main__ import main
from convac_lib.architecture import LARGEST_LAYERS, LARGEST_SIZE
from convac_lib.errors import ConvacError
from convac_lib.theory import circuits, costs, ranks
from convac_lib.theory.atlas import extend_atlas
from convac_lib.theory.bounds import talk_formula
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
        words += ["--B", draw(SMALL), *draw(st.sampled_from([[], ["--channels", draw(SMALL)]]))]
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
with open("/proc/self/status") as file:  # what getrusage says counts the parent's memory before exec too
    peak = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
print(status, peak, file=sys.stderr)
"""


def measured(words, limit=0):
    """Exit status, peak memory in bytes, what was printed and the sentence, of a command that may take a minute."""
    if not Path("/proc/self/status").exists():
        pytest.skip("no Linux, whose processes tell their own peak of memory")
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


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda: certify_rank(common_case(B=3, M=100_000, size=16)),
         ("the rank of 1,024×1,024 entries of an image of 16×16 patches needs about 20,014 GiB of memory, and 1.0 "
          "GiB are free; use at most 364 channels and templates")),
        (lambda: certify_rank(common_case(B=3, M=2, size=2**20)),
         ("the rank of 1,024×1,024 entries of an image of 1048576×1048576 patches needs about 42,557,440 GiB of "
          "memory, and 1.0 GiB are free; use a smaller image, of at most 348 patches per side, and smaller windows")),
        (lambda: certify_rank(common_case(B=10**20, M=2, size=8)),
         ("the rank of 1,024×1,024 entries of an image of 8×8 patches needs about 5.36e+33 GiB of memory, and 1.0 "
          "GiB are free; use receptive fields of at most 1,350")),
        (lambda: certify_rank(common_case(B=3, M=2, size=8), rows=10**6),
         ("the rank of 1,000,000×1,000,000 entries of an image of 8×8 patches needs about 18,629 GiB of memory, and"
          " 1.0 GiB are free; take at most 7,263 rows")),
        (lambda: certify_rank(Architecture(2**11, 1, [Layer(2**11, 1, 1), Layer(2**11, 2**11, 1)])),
         ("the rank of 1×1 entries of an image of 2048×2048 patches needs about 2.9 GiB of memory, and 1.0 GiB are "
          "free; use a smaller image, of at most 1,295 patches per side, and smaller windows")),
        (lambda: certify_rank(common_case(B=3, M=2, size=64), rows=4096),
         ("the rank of 4,096×4,096 entries of an image of 64×64 patches needs about 1.5 GiB of memory, and 1.0 GiB "
          "are free; take at most 2,720 rows")),
        (lambda: certify_rank(Architecture(64, 1, [Layer(3000, 1, 1), Layer(64, 64, 1)])),
         ("the rank of 1×1 entries of an image of 64×64 patches would take about 204 hours, and the limit is 6; use"
          " receptive fields of at most 513")),
        (lambda: ranks.require_draws(common_case(3, 2, 8), make_cut("left-right", 8), 4096, list(range(9000)), [7]),
         ("9,000 draws of the rank of 4,096×4,096 entries of an image of 8×8 patches would take about 21 hours, and"
          " the limit is 6; take at most 2,486 draws")),
        (lambda: rank_modulo(np.broadcast_to(np.int8(1), (10**6, 10**6))),
         ("the rank of a 1,000,000×1,000,000 matrix needs about 11,176 GiB of memory, and 1.0 GiB are free; take "
          "some of its rows and columns")),
        (lambda: circuits.random_circuit(common_case(B=3, M=10**5, size=4), seed=0),
         ("drawing this network's weights needs about 6,035 GiB of memory, and 1.0 GiB are free; use at most 1,287 "
          "channels and templates")),
        (lambda: circuits.random_circuit(
            Architecture(2**10, 2, [Layer(2, 1, 9), Layer(2**10, 2**10, 2)], shared=False), seed=0),
         ("drawing this network's weights needs about 3.1 GiB of memory, and 1.0 GiB are free; use at most 2 "
          "channels and templates")),
        (lambda: circuits.Circuit(Architecture(2, 10**5, [Layer(2, 2, 1)]), [], []),
         ("a template matrix of 100000×100000 needs about 224 GiB of memory, and 1.0 GiB are free; use fewer "
          "representation channels")),
        (lambda: theorem_witness(common_case(B=3, M=2**12, size=4, channels=2**13)),
         ("drawing this network's weights needs about 35 GiB of memory, and 1.0 GiB are free; use at most 1,287 "
          "channels and templates")),
        (lambda: theorem_witness(Architecture(2**14, 1, [Layer(2**13 + 1, 1, 1), Layer(2**14, 2**14, 1)])),
         ("drawing this network's weights needs about 11 GiB of memory, and 1.0 GiB are free; use smaller strides "
          "and windows")),
        (lambda: make_cut("left-right", 2**20).rows,
         ("a list of the 1048576×1048576 patches of an image needs about 81,920 GiB of memory, and 1.0 GiB are "
          "free; use a smaller size, or a bound, which needs no list")),
        (lambda: make_cut(range(2**30), 2**20),
         "a cut may list at most 1,048,576 patches, and more were given; list the other side"),
        (lambda: make_cut([0], 2**65),
         "size must be at most 2^64 patches per side, not 36893488147419103232; use a smaller image"),
        (lambda: make_cut([[1]], 4), "patch [1] is not in a 4×4 image; use numbers from 0 to 15"),
        (lambda: talk_formula(10**10, 2).value,
         "⌈2^(399999999960000000001/4)⌉ is too large to write out; its log2 is 1e+20"),
        (lambda: talk_formula(10**10, 10**5000).value,
         "⌈1.00e+5000^(399999999960000000001/4)⌉ is too large to write out; its log2 is 1.66e+24"),
        (lambda: common_case(2, 2, 2**70),
         "size must be at most 2^64 patches per side, not 1180591620717411303424; use a smaller image"),
        (lambda: Architecture(4, 2, [Layer(1, 1, 2)] * 5000),
         "a network may have at most 4,096 layers; more were given"),
        (lambda: Architecture(4, 2, [Layer(10**200_000, 10**200_000, 2)]),
         ("the layers' receptive fields, strides and channels may have 1,048,576 bits together, and these have "
          "1,328,774; use smaller numbers or fewer layers")),
        (lambda: Layer(-(10**5000), 1, 1), "receptive field must be an integer of at least 1, not -1.00e+5000"),
        (lambda: certify_rank(common_case(2, 2, 4), seed=-(10**5000)),
         "seed must be an integer of at least 0, not -1.00e+5000"),
        (lambda: certify_rank(common_case(2, 2, 4), prime=10**5000),
         "1.00e+5000 is not a prime below 2**63; use for example 2147483647"),
        (lambda: certify_rank(common_case(2, 2, 4), rows=-(10**5000)),
         "rows must be an integer of at least 1, not -1.00e+5000"),
        (lambda: grid_tensor(circuits.random_circuit(baseline(1, 16), seed=0)),
         ("a tensor of 256 modes has more axes than NumPy's 64; use a smaller N, or sample its matricization with "
          "certify_rank")),
        (lambda: grid_tensor(circuits.random_circuit(baseline(10**3, 2**5), seed=0)),
         ("a tensor with 1000^1024 entries is too large to write out: the limit is 67,108,864; use a smaller M or "
          "N, or sample its matricization with certify_rank")),
        (lambda: grid_tensor(circuits.random_circuit(baseline(2, 4, channels=2000), seed=0)),
         ("a grid tensor of 65,536 entries, 4,096 at a time, needs about 1.2 GiB of memory, and 1.0 GiB are free; "
          "use fewer channels or a smaller image")),
        (lambda: extend_atlas("never.csv", [2**20], [2], [3]),
         ("a certificate holds at most 64 representation channels and size 64, and this network has 2 and 1048576; "
          "use a smaller network, or certify without a certificate")),
        (lambda: extend_atlas("never.csv", [64], [64], [3000]),
         ("a certificate holds all 221,184,098,304 weights in at most 16,777,216 bytes; use a smaller network, or "
          "certify without a certificate")),
        (lambda: extend_atlas("never.csv", [4], [2], [200]),
         "an atlas writes the talk's formula out, and ⌈2^(159201/4)⌉ is too long; use a smaller B or M"),
        (lambda: extend_atlas("never.csv", [4], range(1, 10**6), [2]),
         "an atlas may chart 10,000 cells at once, and this grid has 40,004; chart parts of it"),
        (lambda: extend_atlas("never.csv", [4, 6], [2], [2]),
         "size 6 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 4 or 8"),
    ],
)  # fmt: skip
def test_what_is_too_much_gets_one_sentence(ask, sentence, small_machine, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(costs, "available_threads", lambda: 2)
    with pytest.raises(ConvacError) as error:
        ask()
    assert str(error.value) == sentence
    assert not list(tmp_path.iterdir())
