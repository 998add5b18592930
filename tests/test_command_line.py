"""The command line: what it prints, for people and for machines, and its exit statuses."""

import json
import shlex
import subprocess
import sys

import pytest

from convac_lib import Architecture, Layer, certify_rank, common_case
from convac_lib.__main__ import main

NO_LAYER = (
    "; write receptive field/stride/channels, as in 3/1/2, or receptive field/stride/pool for product pooling "
    "without weights"
)


def run(capsys, words):
    status = main(words.split())
    return status, *capsys.readouterr()


def test_certify_finds_the_talks_table(capsys):
    for B, rank in ((1, 2), (2, 64), (3, 256)):
        status, out, err = run(capsys, f"certify --B {B} --M 2 --size 4 --json")
        report = json.loads(out)
        assert (status, err, report["rank"]) == (0, "", rank)
        assert report["saturated"] == (B == 3) and report["full"]


def test_certify_says_what_the_library_says(capsys):
    words = "certify --layers 2/1/3 2/2/3 --M 3 --size 2 --cut 0,3 --rows 5 --seed 7 --border ones --json"
    _, out, _ = run(capsys, words)
    report = json.loads(out)
    bounds = report.pop("bounds")
    architecture = Architecture(2, 3, [Layer(2, 1, 3), Layer(2, 2, 3)], "ones")
    certified = certify_rank(architecture, [0, 3], rows=5, seed=7)
    draws, agree = report.pop("draws"), report.pop("agree")
    assert (draws, agree) == ([{"seed": 7, "prime": certified.prime, "rank": certified.rank}], True)
    assert report == {key: getattr(certified, key) for key in report}
    assert set(report) == {"rank", "rows", "columns", "saturated", "full", "prime", "seed", "cut", "border"}
    assert bounds["saturation"] == 9 and bounds["theorem"] is None
    assert bounds["why"]["theorem"].startswith("the theorem is for the cuts 'left-right' and 'top-bottom'")


def test_several_seeds_and_primes_agree_or_the_largest_rank_counts(capsys):
    words = "certify --B 2 --M 2 --size 4 --seed 0 1 2 --prime 8388593 2147483647"
    report = json.loads(run(capsys, f"{words} --json")[1])
    assert report["rank"] == 64 and report["agree"]
    assert report["draws"] == [
        {"seed": seed, "prime": prime, "rank": 64} for seed in (0, 1, 2) for prime in (8388593, 2147483647)
    ]
    assert "all 6 draws agree\n" in run(capsys, words)[1]

    ranks = [certify_rank(common_case(2, 2, 2), seed=seed, prime=5).rank for seed in range(6)]
    assert len(set(ranks)) > 1  # over so small a field a minor often vanishes by chance
    words = "certify --B 2 --M 2 --size 2 --seed 0 1 2 3 4 5 --prime 5"
    report = json.loads(run(capsys, f"{words} --json")[1])
    assert [draw["rank"] for draw in report["draws"]] == ranks and report["rank"] == max(ranks) and not report["agree"]
    sentence = f"the 6 draws differ: ranks from {min(ranks)} to {max(ranks)}, and the largest is proved\n"
    assert sentence in run(capsys, words)[1]


def test_weight_free_pooling_and_unshared_weights_have_words(capsys, tmp_path):
    words = "certify --layers 3/1/2 2/2/pool 3/1/2 2/2/pool --M 2 --size 4 --json"
    assert json.loads(run(capsys, words)[1])["rank"] == 6
    path = tmp_path / "rank.json"
    unshared = json.loads(run(capsys, f"{words} --unshared --out {path}")[1])
    layers = [Layer(3, 1, 2), Layer(2, 2, 2, weight_free=True)] * 2
    network = Architecture(4, 2, layers, shared=False)
    assert unshared["rank"] == certify_rank(network).rank > 0
    status, out, _ = run(capsys, f"verify {path}")
    assert status == 0 and out.startswith(str(network))


def test_describe_says_what_the_architecture_says(capsys):
    _, out, _ = run(capsys, "describe --B 3 --M 2 --size 8 --channels 4 --json")
    report, architecture = json.loads(out), common_case(B=3, M=2, size=8, channels=4)
    assert [layer["total_receptive_field"] for layer in report["layers"]] == list(architecture.total_receptive_fields)
    assert [layer["total_stride"] for layer in report["layers"]] == list(architecture.total_strides)
    assert [layer["output_size"] for layer in report["layers"]] == list(architecture.sizes)
    assert set(report["layers"][0]) == {
        "receptive_field", "stride", "channels", "weight_free", "total_receptive_field", "total_stride", "output_size",
    }  # fmt: skip
    assert report["parameters"] == architecture.parameters and report["overlapping"]
    assert report["bounds"]["saturation"] == 2**32
    assert report["bounds"]["non_overlapping_upper"] is None


def test_describe_prints_a_table_for_people(capsys):
    _, out, _ = run(capsys, "describe --B 1 --M 2 --size 2")
    assert out == (
        "layer  receptive field  stride  channels  output  total receptive field  total stride  overlap\n"
        "image                                  2     2×2                      1             1        1\n"
        "    1                1       1         2     2×2                      1             1        1\n"
        "    2                2       2         2     1×1                      2             2        1\n"
        "non-overlapping, 22 parameters, border 'neutral'\n"
        "\n"
        "theorem                rank ≥ 1  [proved]\n"
        "common case            rank ≥ ⌈2^(1/4)⌉ = 2  [claimed in the talk]\n"
        "non-overlapping upper  rank ≤ 2  [proved]\n"
        "saturation             rank ≤ 2^2 = 4  [proved]\n"
    )


def test_describe_gives_geometry_where_no_half_cut_exists(capsys):
    status, out, _ = run(capsys, "describe --layers 3/3/2 --M 2 --size 3 --json")
    report = json.loads(out)
    assert status == 0 and report["layers"][0]["output_size"] == 1
    assert report["bounds"]["saturation"] is None and "even size" in report["bounds"]["why"]["saturation"]


def test_a_huge_bound_is_given_by_its_logarithm(capsys):
    _, out, _ = run(capsys, "describe --B 2 --M 64 --size 32 --json")
    bounds = json.loads(out)["bounds"]
    assert bounds["saturation"] is None and bounds["log2"]["saturation"] == 6 * 512
    assert bounds["why"]["saturation"] == "64^512 is too large to write out; its log2 is given"


def test_out_holds_a_certificate_that_verify_accepts(capsys, tmp_path):
    words = "certify --B 2 --M 2 --size 4 --json"
    path = tmp_path / "rank.json"
    assert run(capsys, f"{words} --out {path}") == run(capsys, words)
    assert [file.name for file in tmp_path.iterdir()] == ["rank.json"]
    status, out, err = run(capsys, f"verify {path}")
    assert (status, err) == (0, "") and out.endswith(
        "valid: rank ≥ 64 for almost all weights, across the cut of patches 0,1,4,5,8,9,12,13 from the rest\n"
        "(exact modulo 2147483647)\n"
    )
    assert json.loads(run(capsys, f"verify {path} --json")[1]) == {
        "valid": True, "rank": 64, "cut": "0,1,4,5,8,9,12,13", "prime": 2**31 - 1, "border": "neutral",
    }  # fmt: skip


def test_verify_says_no_with_status_1_and_refuses_what_is_no_certificate_with_2(capsys, tmp_path):
    path = tmp_path / "rank.json"
    run(capsys, f"certify --B 1 --M 2 --size 2 --out {path}")
    path.write_text(path.read_text().replace('"rank":2', '"rank":1'))
    assert run(capsys, f"verify {path}") == (
        1, "", "convac: the certificate was altered: its digest is not that of the rest\n",
    )  # fmt: skip
    path.write_text("{")
    assert run(capsys, f"verify {path}") == (
        2, "", "convac: this is not a certificate: it is not JSON, or too deep, or holds a number too long\n",
    )  # fmt: skip
    path.unlink()
    assert run(capsys, f"verify {path}") == (
        2, "", f"convac: cannot read {path}: No such file or directory; name a file that can be read\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--B 2 --M 2 --size 6", "size 6 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 4 or 8"),
        ("--B 0 --M 2 --size 4", "receptive field must be a whole number of at least 1, not 0"),
        ("--B 2 --M 2 --size 4 --channels 0", "channels must be a whole number of at least 1, not 0"),
        ("--B 2 --M -2 --size 4 --channels 2", "representation channels must be a whole number of at least 1, not -2"),
        ("--layers 2/3/1 --M 2 --size 4",
         "receptive field 2 is smaller than stride 3: patches would be skipped; use a receptive field of at least 3"),
        ("--layers 3/1 --M 2 --size 4", "'3/1' is not a layer" + NO_LAYER),
        ("--layers 3/1/2/1 --M 2 --size 4", "'3/1/2/1' is not a layer" + NO_LAYER),
        ("--layers 3/1/2 --M 2 --size 4",
         "the network ends in 4×4, and the dense layer needs 1×1: add layers whose strides multiply to 4"),
        ("--layers 4/4/2 --M 2 --size 4 --channels 2",
         "--channels goes with --B; with --layers each layer states its own, as in 3/1/2"),
        ("--M 2 --size 4", "give exactly one of --B, for the common case, and --layers"),
        ("--B 2 --layers 4/4/2 --M 2 --size 4", "give exactly one of --B, for the common case, and --layers"),
        ("--B 2 --M 2 --size 4 --cut diagonal",
         "unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, or list the patches of one side"),
        ("--B 2 --M 2 --size 4 --cut 0,16", "patch 16 is not in a 4×4 image; use numbers from 0 to 15"),
        ("--layers 3/3/2 --M 2 --size 3",
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 3; "
          "use 4, or list the patches of one side")),
        ("--B 2 --M 2 --size 4 --border wrap", "unknown border 'wrap'; use one of neutral, ones, zero, valid"),
        ("--B 2 --M 2 --size 4 --rows 0", "rows must be a whole number of at least 1, not 0"),
        ("--B 2 --M 2 --size 4 --seed -1", "seed must be a whole number of at least 0, not -1"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence_and_status_2(capsys, words, sentence):
    assert run(capsys, f"certify {words}") == (2, "", f"convac: {sentence}\n")


def test_a_file_that_cannot_be_written_is_one_sentence(capsys, tmp_path):
    path = tmp_path / "missing" / "rank.json"
    assert run(capsys, f"certify --B 1 --M 2 --size 2 --out {path}") == (
        2, "", f"convac: cannot write {path}: No such file or directory; name a file in a folder that can be written\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["certify", "--B", "2"], "convac certify: the following arguments are required: --M, --size\n"),
        (["describe", "--M", "x"], "convac describe: argument --M: invalid int value: 'x'\n"),
    ],
)
def test_missing_words_are_one_sentence_without_a_traceback(words, sentence):
    done = subprocess.run([sys.executable, "-m", "convac_lib", *words], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_a_warning_is_one_sentence():
    words = ["certify", "--B", "2", "--M", "2", "--size", "2", "--border", "zero", "--json"]
    done = subprocess.run([sys.executable, "-m", "convac_lib", *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["rank"] == 0
    assert done.stderr == (
        "convac: layer 1 has windows that leave the image, where border 'zero' makes their products 0, so this network "
        "is 0 for every input; use border 'neutral'\n"
    )


def test_a_reader_that_stops_reading_is_no_error():
    python = shlex.quote(sys.executable)
    command = f"{python} -m convac_lib describe --B 2 --M 2 --size 4 | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_every_command_has_help_with_an_example(capsys):
    for command in ("describe", "certify", "verify", "data fetch", "data check"):
        with pytest.raises(SystemExit) as exit:
            main([*command.split(), "--help"])
        assert exit.value.code == 0
        assert f"example:\n  convac {command}" in capsys.readouterr().out
