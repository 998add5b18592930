"""Certificates: what is issued is accepted, by a checker that stands alone; what was altered or is false is rejected.

A certificate whose digest was not recomputed is rejected whatever was changed. One with a new digest is judged by its
own claim: it is accepted if, and only if, its minor is not 0 modulo p, which another engine decides here.
"""

import errno
import json
import os
import random
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.strategies import architectures, cuts, seeds
from helpers.tampering import NETWORKS, alter, falsify, hostile, issued
from hypothesis import assume, given
from hypothesis import strategies as st

from convac_lib import Architecture, Circuit, Layer, baseline, certify_rank, make_cut, random_circuit
from convac_lib.errors import CertificateError, ConvacError
from convac_lib.theory import checker
from convac_lib.theory.assembly import matricization
from convac_lib.theory.certificate_rules import _are_packed
from convac_lib.theory.certificates import RankCertificate, digest_of, load
from convac_lib.theory.checker import entries, is_nonsingular, linear, verify
from convac_lib.theory.ranks import issue_certificate, rank_modulo

ALTERED = "the certificate was altered: its digest does not match its content"


def written(path, document):
    path.write_text(json.dumps(document))
    return path


def redigested(path, document):
    return written(path, document | {"digest": digest_of(document)})


def refusal(path):
    with pytest.raises(ConvacError) as error:
        verify(path)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    return str(error.value)


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_what_is_issued_is_accepted(number, tmp_path):
    certified, certificate = issued(number)
    network, cut, prime = NETWORKS[number]
    certificate.save(tmp_path / "rank.json")
    assert load(tmp_path / "rank.json") == certificate == verify(tmp_path / "rank.json")
    assert certified == certify_rank(network, cut, rows=60, seed=3, prime=prime)
    assert certificate.rank == certified.rank > 0
    assert [path.name for path in tmp_path.iterdir()] == ["rank.json"]


def test_the_checker_imports_nothing_of_the_fast_engine():
    engine = [f"convac_lib.theory.{name}" for name in ("elimination", "assembly", "ranks")]
    command = f"import sys, convac_lib.theory.checker; assert not set({engine}) & set(sys.modules)"
    root = Path(__file__).resolve().parents[2]
    subprocess.run([sys.executable, "-c", command], cwd=root, check=True)
    assert len(Path(checker.__file__).read_text("utf-8").splitlines()) < 110


@pytest.mark.parametrize("number", range(len(NETWORKS)))
def test_the_checkers_entries_are_the_reference_circuits(number):
    circuit, (cut, rows, columns) = issued(number)[1].circuit(), issued(number)[1].parts()
    minor = np.broadcast_to(entries(circuit, cut, rows, columns), (len(rows), len(columns)))
    assert np.array_equal(minor, circuit.submatrix(cut, rows, columns))


@given(architectures(max_size=3, plain=False), st.sampled_from([2, 101, 2**31 - 1]), seeds, st.data())
def test_entries_of_any_network_are_the_reference_circuits(network, prime, seed, data):
    assume(network.size > 1)
    cut, M = make_cut(data.draw(cuts(network.size)), network.size), network.representation_channels
    circuit, generator = random_circuit(network, seed=seed, prime=prime), np.random.default_rng(seed)
    rows, columns = (generator.integers(0, M, (count, len(side))) for count, side in ((4, cut.rows), (5, cut.columns)))
    minor = np.broadcast_to(entries(circuit, cut, rows, columns), (4, 5))
    assert np.array_equal(minor, circuit.submatrix(cut, rows, columns))


@pytest.mark.parametrize("terms", range(1, 14))
def test_the_checkers_sums_of_the_largest_residues_are_exact(terms):
    prime = 2**31 - 1
    weight, values = (np.full(shape, prime - 1, np.uint64) for shape in ((2, terms), (terms, 3, 4)))
    weight[1, -1], values[0, 1, 2] = 1, 5
    expected = np.tensordot(weight.astype(object), values.astype(object), 1) % prime
    assert (linear(weight, values, prime) == expected).all()
    assert values[0, 0, 0] == prime - 1  # what it reads stays as it was


@pytest.mark.parametrize("prime", [2, 3, 101, 2**31 - 1])
def test_the_determinant_agrees_with_the_fast_elimination(prime):
    generator = np.random.default_rng(0)
    answers = set()
    for k in [1, 2, 3, 5, 8, 40] * 10:
        matrix = generator.integers(0, prime, (k, k))
        if k > 1 and generator.integers(2):
            matrix[-1] = matrix[0] * 1
        expected = rank_modulo(matrix, prime) == k
        answers.add(expected)
        assert is_nonsingular(matrix.copy(), prime) == expected
    assert answers == {True, False}


def test_1000_tampered_certificates_are_rejected(tmp_path, record_property):
    draw = random.Random(0)
    for _ in range(500):
        document = issued(draw.randrange(len(NETWORKS)))[1].document()
        altered = alter(document, draw)
        assert altered != document or repr(altered) != repr(document)
        reason = refusal(written(tmp_path / "altered.json", altered))
        assert reason == ALTERED or "its format must be" in reason or "is not an integer" in reason
    for _ in range(500):
        document = falsify(issued(draw.randrange(len(NETWORKS)))[1].document(), draw)
        refusal(redigested(tmp_path / "false.json", document))
    record_property("altered and false certificates rejected", 1000)


def test_other_weights_with_a_new_digest_stand_or_fall_by_their_own_claim(tmp_path):
    draw, verdicts = random.Random(0), []
    network = Architecture(2, 2, [Layer(2, 1, 3), Layer(2, 2, 3)])
    for seed in range(100):
        prime = draw.choice([3, 5, 7])
        circuit = random_circuit(network, seed=seed, prime=prime)
        if not certify_rank(circuit).rank:
            continue
        _, certificate = issue_certificate(circuit)
        layers = [list(numbers) for numbers in certificate.weights]
        for numbers in layers:
            numbers[draw.randrange(len(numbers))] = draw.randrange(prime)
        other = replace(certificate, weights=tuple(map(tuple, layers)))
        cut, rows, columns = other.parts()
        minor = matricization(other.circuit(), cut, np.array(rows), np.array(columns))
        other.save(tmp_path / "other.json")
        verdicts.append(rank_modulo(minor, prime) == other.rank)
        if verdicts[-1]:
            assert verify(tmp_path / "other.json") == other
        else:
            with pytest.raises(CertificateError, match=f"is 0 modulo {prime}$"):
                verify(tmp_path / "other.json")
    assert min(verdicts.count(True), verdicts.count(False)) > 10


@pytest.mark.parametrize("name, text", list(hostile()), ids=lambda value: value if len(value) < 40 else "")
def test_a_hostile_file_is_refused_in_one_sentence_and_little_memory(name, text, tmp_path):
    path = tmp_path / "hostile.json"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    del text
    tracemalloc.start()
    refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * 2**20


@pytest.mark.parametrize(
    ("layers", "k", "cost"),
    [
        ([Layer(33, 1, 1), Layer(64, 64, 1)], 500, "1.2e+12 products and 4.0e+08"),
        ([Layer(1000, 1, 1), Layer(64, 64, 1)], 2, "3.4e+13 products and 4.0e+00"),
    ],
)
def test_a_check_that_would_take_too_long_is_refused_before_it_begins(layers, k, cost, tmp_path):
    network, cut = Architecture(64, 2, layers), make_cut("interleaved", 64)
    weights = tuple((1,) * weight.size for weight in random_circuit(network, seed=0, prime=7).weights)
    words = ("0" * 512,) * k
    RankCertificate(network, cut.rows, 7, weights, (1,), k, words, words, (k, k)).save(tmp_path / "large.json")
    assert refusal(tmp_path / "large.json") == (
        f"checking this certificate would take {cost} numbers at once; "
        "the limits are 1.1e+12 and 2.7e+08, so certify fewer rows"
    )


def test_windows_that_skip_patches_are_refused(tmp_path):
    document = issued(0)[1].document()
    document["layers"][0][:2] = 1, 2
    assert refusal(redigested(tmp_path / "skipping.json", document)) == (
        "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"
    )


def test_what_is_no_file_is_refused(tmp_path):
    assert refusal(tmp_path) == f"cannot read {tmp_path}: {os.strerror(errno.EISDIR)}; name a file, not a folder"


def test_a_certificate_states_only_what_it_can():
    network = baseline(M=2, size=2)
    plain = "a certificate holds one-hot templates and a prime of at most 2^31; use those"
    circuit = random_circuit(network, seed=0, prime=7)
    for other, sentence in [
        (random_circuit(network, seed=0, prime=2**61 - 1), plain),
        (Circuit(network, circuit.weights, circuit.dense, 7, np.array([[1, 1], [0, 1]])), plain),
        (Circuit(network, circuit.weights, 0 * circuit.dense, 7),
         "the rank is 0, which leaves nothing to certify; use another border, or a larger prime"),
        (Architecture(2, 65, [Layer(2, 2, 2)]),
         ("a certificate holds at most 64 representation channels and size 64, and this network has 65 and 2; use a "
          "smaller network, or certify without a certificate")),
        (Architecture(2, 2, [Layer(2, 2, 5000)]),
         ("a certificate holds receptive fields and channels of at most 4,096, and this network has 5000; use a "
          "smaller network, or certify without a certificate")),
        (Architecture(64, 64, [Layer(64, 64, 4000)]),
         ("a certificate holds all 1,048,576,000 weights in at most 16,777,216 bytes; use a smaller network, or "
          "certify without a certificate")),
    ]:  # fmt: skip
        with pytest.raises(ConvacError) as error:
            issue_certificate(other, [0], rows=10)
        assert str(error.value) == sentence


def test_a_key_that_is_given_twice_is_refused(tmp_path):
    path = tmp_path / "rank.json"
    issued(0)[1].save(path)
    load(path)
    key, value = next(iter(json.loads(path.read_text()).items()))
    path.write_text(path.read_text().replace("{", f"{{{json.dumps(key)}: {json.dumps(value)},", 1))
    with pytest.raises(ConvacError, match="it gives a key twice"):
        load(path)


@pytest.mark.parametrize(
    ("words", "fit"),
    [(["fe", "00"], True), (["ff", "00"], False), (["fe"], False), (["fe", "0"], False), (["fe", 0], False),
     (["fe", "0g"], False), (["fe", "FE"], False), (("fe", "00"), False), (["fe", None], False)],
)  # fmt: skip
def test_packed_numbers_have_one_form_and_are_not_above_the_largest(words, fit):
    assert bool(_are_packed(words, 2, 0xFE)) == fit
