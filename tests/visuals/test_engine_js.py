"""The page's own engine says exactly what the library says: draws, entries, ranks, bounds, verdicts on certificates."""

import json
import random
from functools import partial
from itertools import product

import numpy as np
import pytest
from helpers.chapters import ROOT
from helpers.engine import NODE, SOURCE, VERDICTS, by_node, by_page, letters, plan_of, verdict
from helpers.tampering import NETWORKS, hostile, issued, tampered

from convac_lib import Architecture, Layer, certify_rank, common_case, make_cut, random_circuit
from convac_lib.errors import HypothesisError
from convac_lib.theory.bounds import BOUNDS
from convac_lib.theory.certificates import load
from convac_lib.theory.cuts import CUTS
from convac_lib.theory.ranks import rank_modulo

ALTERED = "the certificate was altered: its digest does not match its content"
PRIMES = [2, 3, 101, 65537, 8388593, 2147483629, 2**31 - 1]


@pytest.fixture(scope="module", params=["node", "chromium"])
def run(request):
    """How to run JavaScript: with Node, and in Chromium."""
    if request.param == "chromium":
        tab = request.getfixturevalue("browser").new_page()
        yield partial(by_page, tab)
        tab.close()
    elif NODE:
        yield by_node
    else:
        pytest.skip("no Node here")


def drawn_network(draw):
    """A network that ends in 1×1: any border, shared or not, weight-free layers, overlapping or not."""
    size, border = draw.randint(2, 4), draw.choice(["neutral", "ones", "zero", "valid"])
    below = M = draw.randint(1, 5)
    layers, side = [], size
    for last in [False] * draw.randint(0, 2) + [True]:
        stride = side if last else draw.randint(1, min(side, 3))
        room = side - stride if border == "valid" else 2
        receptive_field = stride + draw.randint(0, min(room, 2))
        weight_free = draw.random() < 0.2
        below = below if weight_free else draw.randint(1, 5)
        layers.append(Layer(receptive_field, stride, below, weight_free))
        side = (side - receptive_field) // stride + 1 if border == "valid" else -(-side // stride)
    return Architecture(size, M, layers, border, shared=draw.random() < 0.7)


def drawn_cut(draw, size):
    if size % 2 == 0 and draw.random() < 0.5:
        return draw.choice(sorted(CUTS))
    return sorted(draw.sample(range(size**2), draw.randint(1, size**2 - 1)))


CERTIFY = """asked => asked.map(one => {
  const { circuit, matrix, ...found } = ranks.certifyRank(one);
  const sides = plans.sidesOf(one.cut, one.network.size);
  const [rows, columns] = plans.drawAssignments(one.network.representation_channels, sides, one.rows, one.seed);
  const [few, some] = [rows.slice(0, 6), columns.slice(0, 6)];
  const entries = ranks.matricization(circuit, sides, few, some);
  return { ...found, weights: circuit.weights, dense: circuit.dense, few, some, entries };
})"""


@pytest.mark.filterwarnings("ignore:layer")  # of zeros
def test_draws_entries_and_ranks_of_600_networks_are_the_librarys(run, record_property):
    draw, asked, networks = random.Random(0), [], []
    while len(asked) < 600:
        network = drawn_network(draw)
        cut, limit, prime = drawn_cut(draw, network.size), draw.choice([5, 20, 40]), draw.choice(PRIMES)
        networks.append(network)
        seed = draw.choice([0, 1, 2**32 + 3, draw.randrange(2**40)])
        asked.append({"network": plan_of(network), "cut": cut, "rows": limit, "seed": seed, "prime": prime})
    for network, one, found in zip(networks, asked, run(CERTIFY, asked), strict=True):
        cut, (seed, prime) = make_cut(one["cut"], network.size), (one["seed"], one["prime"])
        circuit = random_circuit(network, seed=seed, prime=prime)
        assert [weight.ravel().tolist() for weight in circuit.weights] == found["weights"]
        assert circuit.dense[0].tolist() == found["dense"]
        entries = circuit.submatrix(cut, np.array(found["few"]), np.array(found["some"]))
        assert entries.ravel().tolist() == found["entries"]
        expected = certify_rank(network, cut, rows=one["rows"], seed=seed, prime=prime)
        for name in ("rank", "rows", "columns", "full", "saturated"):
            assert getattr(expected, name) == found[name], (network, one)
        pivots = [np.array(found["pivots"][name]) for name in ("rows", "columns")]
        if found["rank"]:
            assert rank_modulo(circuit.submatrix(cut, *pivots), prime) == found["rank"]
    record_property("networks whose draws, entries and ranks JavaScript finds too", len(asked))


ELIMINATE = "asked => asked.map(([matrix, m, n, p]) => ranks.echelon(Int32Array.from(matrix), m, n, p))"


def test_ranks_of_matrices_are_the_librarys(run):
    """Long enough for every sum that is reduced late; the last rows depend on the others."""
    generator, asked, matrices = np.random.default_rng(0), [], []
    for prime in PRIMES:
        for m, n, rank in [(1, 1, 1), (7, 3, 2), (40, 70, 40), (150, 140, 130), (9, 9, 0)]:
            left, right = (generator.integers(0, prime, shape).astype(object) for shape in ((m, rank), (rank, n)))
            matrix = (left @ right % prime).astype(np.int64) if rank else np.zeros((m, n), int)
            matrices.append(matrix)
            asked.append([matrix.ravel().tolist(), m, n, prime])
    for matrix, (*_, prime), found in zip(matrices, asked, run(ELIMINATE, asked), strict=True):
        assert found["rank"] == rank_modulo(matrix, prime) == len(found["rows"]) == len(found["columns"])
        assert rank_modulo(matrix[np.ix_(found["rows"], found["columns"])], prime) == found["rank"]


RESIDUES = """asked => asked.map(([p, a, b]) => {
  const { times, inverse, addMultiples, collect } = ranks.field(p);
  const [high, low, values] = [new Float64Array(1), Float64Array.of(p - 1), Int32Array.of(p - 1, b, p - 1, p - 1)];
  const { FOURS } = ranks;
  const factors = [p - 1, a, p - 1, p - 1];
  for (let fours = 0; fours < FOURS; fours++) addMultiples(high, low, 0, factors, values, [0, 1, 2, 3]);
  return [times(a, b), times(p - 1, p - 1), inverse(a), collect(high[0], low[0]), FOURS];
})"""


def test_products_and_the_longest_sums_of_products_are_exact(run):
    draw = random.Random(0)
    asked = [(p, draw.randrange(1, p), draw.randrange(p)) for p in PRIMES for _ in range(500)]
    asked += [(2**31 - 1, a, b) for a in (1, 65535, 2**30, 2**31 - 2) for b in (0, 1, 65535, 2**31 - 2)]
    for (p, a, b), (*found, fours) in zip(asked, run(RESIDUES, asked), strict=True):
        longest = p - 1 + fours * (3 * (p - 1) ** 2 + a * b)
        assert found == [a * b % p, (p - 1) ** 2 % p, pow(a, -1, p), longest % p]


BOUND = """asked => asked.map(({ network, cut }) => {
  const told = plans.bounds(network, plans.sidesOf(cut, network.size));
  return { ...told, ...plans.geometry(network) };
})"""


def value_of(bound, network, cut):
    try:
        return bound(network, cut).value
    except HypothesisError:
        return None


def test_sizes_receptive_fields_and_bounds_are_the_librarys(run):
    draw, networks = random.Random(1), []
    for _ in range(200):
        network = drawn_network(draw)
        networks.append((network, drawn_cut(draw, network.size)))
    networks += [
        (common_case(B, M, size, M * draw.randint(1, 2)), draw.choice(sorted(CUTS)))
        for B, M, size in product(range(1, 6), (2, 3), (2, 4, 8, 16))
    ]
    found = run(BOUND, [{"network": plan_of(network), "cut": cut} for network, cut in networks])
    for (network, cut), told in zip(networks, found, strict=True):
        assert tuple(told["sizes"][1:]) == network.sizes and tuple(told["strides"][1:]) == network.total_strides
        assert tuple(told["fields"][1:]) == network.total_receptive_fields
        for name in ("theorem", "common_case", "chain", "non_overlapping_upper", "saturation"):
            assert (told[name] and int(told[name]["value"])) == value_of(BOUNDS[name], network, cut), name


# --- certificates ---

LOADED = """asked => asked.map(given => told(() => checker.load(bytesOf(given)).rank))"""


def test_every_certificate_of_the_results_has_its_form_and_its_digest(run, record_property):
    paths = sorted((ROOT / "results/certificates").glob("*.json"))
    ranks = run(LOADED, [letters(path.read_bytes()) for path in paths])
    assert ranks == [load(path).rank for path in paths]
    record_property("certificates that JavaScript reads", len(paths))


def test_the_certificates_of_the_results_hold(run, record_property):
    """Those of small ranks, as the others take seconds each; benchmarks/engine_js.py checks all that fit the budget."""
    paths = [path for path in sorted((ROOT / "results/certificates").glob("*.json")) if load(path).rank <= 300]
    found = run(VERDICTS, [letters(path.read_bytes()) for path in paths])
    assert found == [verdict(path) for path in paths] and len(paths) > 15
    record_property("certificates that JavaScript verifies", len(paths))


def test_what_is_issued_is_accepted_and_1000_tampered_certificates_get_the_same_sentence(run, tmp_path):
    draw, documents = random.Random(0), [issued(number)[1].document() for number in range(len(NETWORKS))]
    texts = [json.dumps(document) for document in documents] + [*tampered(documents, draw, 1000)]
    expected = []
    for text in texts:
        (tmp_path / "file.json").write_text(text)
        expected.append(verdict(tmp_path / "file.json"))
    found = run(VERDICTS, [letters(text.encode()) for text in texts])
    assert ["rank" in each for each in found[: len(documents)]] == [True] * len(documents)
    assert found == expected


def test_hostile_files_are_refused_in_the_same_words(run, tmp_path):
    files = [(name, text if isinstance(text, bytes) else text.encode()) for name, text in hostile()]
    files = [(name, data) for name, data in files if name != "a large file"]
    found = run(VERDICTS, [letters(data) for _, data in files])
    for (name, data), told in zip(files, found, strict=True):
        (tmp_path / "file.json").write_bytes(data)
        expected = verdict(tmp_path / "file.json")
        assert told.keys() == expected.keys() and (told == expected or name == "deep lists inside"), name
    (refused,) = run(VERDICTS, [letters(b" " * (2**24 + 1))])
    assert refused == {"refusal": "this file is larger than 16,777,216 bytes; name another file"}


# --- refusals ---

REFUSED = "asked => asked.map(one => told(() => ranks.certifyRank(one).rank))"


def test_what_no_network_can_be_gets_the_librarys_sentence(run):
    good = {"network": plan_of(common_case(2, 2, 4)), "cut": "left-right", "rows": 9, "seed": 0, "prime": 7}
    network, cases = good["network"], []
    for changes, sentence in [
        ({"seed": -1}, "seed must be an integer of at least 0, not -1"),
        ({"rows": 0}, "rows must be an integer of at least 1, not 0"),
        ({"prime": 9}, "9 is not a prime below 2^31; use for example 2147483647"),
        ({"cut": "diagonal"},
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches "
          "of one side")),
        ({"cut": [0, 16]}, "patch 16 is not in a 4×4 image; use numbers from 0 to 15"),
        ({"cut": []}, "a cut needs patches on both sides, and this one has 0 of 16 on the first; move one of them"),
        ({"network": network | {"size": 65}}, "size must be an integer from 1 to 64, not 65"),
        ({"network": network | {"border": "wrap"}}, "unknown border 'wrap'; use one of neutral, ones, zero, valid"),
        ({"network": network | {"layers": [[2, 2, 2, False]]}},
         "the network ends in 2×2, and the dense layer needs 1×1: add layers whose strides multiply to 2"),
        ({"network": network | {"layers": [[3, 4, 2, False]]}},
         "receptive field 3 is smaller than stride 4: patches would be skipped; use a receptive field of at least 4"),
        ({"network": network | {"layers": [[5, 1, 2, False]], "border": "valid"}},
         ("layer 1 has receptive field 5 on an input of size 4: with border 'valid' no window fits; use a receptive "
          "field of at most 4")),
        ({"network": network | {"layers": [[4, 4, 3, True]]}},
         "layer 1 is weight-free, so that it keeps the 2 channels of its input, and it was given 3; give it 2"),
        ({"network": plan_of(common_case(3, 2, 64)), "rows": 1024},
         ("the rank of 1,024×1,024 entries of an image of 64×64 patches would take about 46 seconds in this browser, "
          "and the limit is 10; run: convac certify --M 2 --size 64 --layers 3/1/2 2/2/2 3/1/2 2/2/2 3/1/2 2/2/2 3/1/2 "
          "2/2/2 3/1/2 2/2/2 3/1/2 2/2/2 --cut left-right --rows 1024 --seed 0 --prime 7")),
    ]:  # fmt: skip
        cases.append((good | changes, sentence))
    told = run(REFUSED, [one for one, _ in cases])
    assert told == [{"refusal": sentence} for _, sentence in cases]


# --- the worker ---

ASKED = """async ([task, argument, cancelled]) => {
  const heard = [];
  const given = task === "verify" ? Uint8Array.from(argument) : argument;
  const { answer, cancel } = ask(task, given, (done) => heard.push(done));
  if (cancelled) cancel();
  try {
    const { rank, value } = await answer;
    return { rank, value, heard };
  } catch (error) {
    return { refusal: error.message, heard };
  }
}"""
QUESTION = {"network": plan_of(common_case(3, 2, 4)), "cut": "left-right", "rows": 256, "seed": 0, "prime": 2**31 - 1}


@pytest.fixture
def tab(browser, tmp_path):
    """A page from a file, that notes what it requests."""
    (tmp_path / "page.html").write_text("<!doctype html><title>Engine</title>")
    tab = browser.new_page()
    tab.requested = []
    tab.on("request", lambda request: tab.requested.append(request.url))
    tab.goto((tmp_path / "page.html").as_uri())
    yield tab
    tab.close()


def test_a_worker_computes_tells_its_progress_and_can_be_cancelled(tab, tmp_path):
    found = by_page(tab, ASKED, ["certifyRank", QUESTION, False])
    assert found["rank"] == 256 and all(0 <= done <= 1 for done in found["heard"]) and found["heard"]
    assert found["heard"] == sorted(found["heard"])
    assert by_page(tab, ASKED, ["certifyRank", QUESTION, True]) == {"refusal": "cancelled", "heard": []}
    certificate = issued(0)[1]
    certificate.save(tmp_path / "rank.json")
    data = list((tmp_path / "rank.json").read_bytes())
    assert by_page(tab, ASKED, ["verify", data, False])["rank"] == certificate.rank
    data[data.index(ord("7"))] = ord("8")
    assert by_page(tab, ASKED, ["verify", data, False])["refusal"] == ALTERED
    wrong = by_page(tab, ASKED, ["certifyRank", QUESTION | {"rows": 0}, False])
    assert wrong == {"refusal": "rows must be an integer of at least 1, not 0", "heard": []}
    assert [url for url in tab.requested if not url.startswith(("file:", "blob:"))] == []


ADDRESSES = """async ([question, cancelled]) => {
  const [made, revoked] = [[], []];
  const { createObjectURL, revokeObjectURL } = URL;
  URL.createObjectURL = (blob) => made[made.push(createObjectURL.call(URL, blob)) - 1];
  URL.revokeObjectURL = (address) => revokeObjectURL.call(URL, revoked[revoked.push(address) - 1]);
  const { answer, cancel } = ask("certifyRank", question);
  if (cancelled) cancel();
  await answer.catch(() => {});
  Object.assign(URL, { createObjectURL, revokeObjectURL });
  return [made.length, made.join() === revoked.join()];
}"""


@pytest.mark.parametrize(
    "changes, cancelled", [({}, False), ({}, True), ({"rows": 0}, False)], ids=["answer", "cancel", "refusal"]
)
def test_the_workers_address_is_given_back_however_it_ends(tab, changes, cancelled):
    assert by_page(tab, ADDRESSES, [QUESTION | changes, cancelled]) == [1, True]


SEVERAL = (
    "the ranks of 3 networks would take about 24 seconds in this browser, and the limit is 10; run: convac certify "
    "--M 8 --size 4 --layers 7/1/8 2/2/8 7/1/8 2/2/8 --cut left-right --rows 1024 --seed 5 --prime 2147483647"
)
RANKS = "asked => told(() => ranks.certifyRanks(asked))"


def test_several_ranks_are_those_of_each_in_one_budget(run):
    few = [QUESTION | {"rows": rows, "seed": rows} for rows in (9, 20)]
    network = common_case(3, 2, 4)
    expected = [certify_rank(network, rows=one["rows"], seed=one["seed"]) for one in few]
    assert run(RANKS, few) == [{"rank": one.rank, "rows": one.rows, "full": one.full} for one in expected]
    wide = QUESTION | {"network": plan_of(common_case(7, 8, 4)), "rows": 1024}  # each takes less than ten seconds
    assert run(RANKS, [wide | {"seed": seed} for seed in (5, 6, 7)])["refusal"] == SEVERAL


def test_without_workers_the_page_says_so(tab):
    sentence = "This browser lets no page compute on its own, so only the recorded values are shown"
    without = ASKED.replace("const heard", "window.Worker = undefined; const heard", 1)
    assert by_page(tab, without, ["certifyRank", QUESTION, False])["refusal"] == sentence


def test_the_engine_is_self_contained():
    words = ["import", "eval(", "Function(", "fetch(", "XMLHttpRequest", "document.cookie", "localStorage"]
    assert [word for word in words if word in SOURCE] == []
    assert [line for line in SOURCE.splitlines() if len(line) > 120] == []
