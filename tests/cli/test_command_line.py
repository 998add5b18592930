"""The command line: what it prints, for people and for machines, and its exit statuses."""

import argparse
import contextlib
import email
import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from helpers.records import record

from convac_lib import Architecture, Layer, __main__, certify_rank, common_case
from convac_lib.__main__ import main
from convac_lib.cli import certify, describe, network_arguments, statuses
from convac_lib.cli.parser import COMMANDS, DATA_COMMANDS, EXPERIMENTS, parser
from convac_lib.experiments.records import append_records
from convac_lib.theory import bounds, cuts, fields, ranks

NO_LAYER = (
    "; write receptive field/stride/channels, as in 3/1/2, or receptive field/stride/pool for product pooling "
    "without weights"
)


CONVAC = [sys.executable, "-m", "convac_lib"]
DESCRIBE = "describe --B 2 --M 2 --size 4"
EVERY_COMMAND = COMMANDS | EXPERIMENTS | {f"data {name}": command for name, command in DATA_COMMANDS.items()}
GROUPS = ("command", "data_command")  # what follows lists the commands
needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")


def run(capsys, words):
    status = main(words.split())
    return status, *capsys.readouterr()


def shell(words, redirected="", **environment):
    """Run a command as a shell would; its status, and what came on its two streams, as bytes."""
    command = f"{shlex.join(CONVAC)} {words} {redirected}"
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, env=os.environ | environment, timeout=120
    )
    return done.returncode, done.stdout, done.stderr.decode()


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


@pytest.mark.parametrize(
    ("words", "rank", "meets"),
    [
        ("--B 2 --M 2 --size 4", 64, True),
        ("--B 3 --M 2 --size 4", 256, True),
        ("--B 1 --M 2 --size 4", 2, True),
        ("--B 2 --M 2 --size 4 --rows 50", 45, False),
        ("--layers 2/1/3 2/2/4 --M 2 --size 3 --border valid --cut 0,3,6", 7, False),
    ],
)
def test_certify_says_when_the_rank_meets_an_upper_bound(words, rank, meets, capsys):
    status, out, _ = run(capsys, f"certify {words}")
    sentence = f"\nno weights give a larger rank: for almost all weights, rank = {rank}, proved\n"
    assert status == 0 and out.startswith(f"rank {rank} of") and (sentence in out) == meets


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
        "common case            rank ≥ ⌈2^(1/4)⌉ = 2  [proved]\n"
        "chain                  rank ≥ 2^0 = 1  [proved]\n"
        "non-overlapping upper  rank ≤ 2  [proved]\n"
        "min cut                rank ≤ 2  [proved]\n"
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
        1, "", "convac: the certificate was altered: its digest does not match its content\n",
    )  # fmt: skip
    path.write_text("{")
    assert run(capsys, f"verify {path}") == (
        2, "", ("convac: this is not a certificate: it is not JSON, or is nested too deeply, "
                "or holds a number that is too long\n"),
    )  # fmt: skip
    path.unlink()
    assert run(capsys, f"verify {path}") == (
        2, "", f"convac: cannot read {path}: No such file or directory; write it with convac certify --out\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--B 2 --M 2 --size 6",
         "size 6 is not a power of two of at least 2: strides of 2 must end in exactly 1×1; use 4 or 8"),
        ("--B 0 --M 2 --size 4", "receptive field must be an integer of at least 1, not 0"),
        ("--B 2 --M 2 --size 4 --channels 0", "channels must be an integer of at least 1, not 0"),
        ("--B 2 --M -2 --size 4 --channels 2", "representation channels must be an integer of at least 1, not -2"),
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
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, "
          "or list the patches of one side")),
        ("--B 2 --M 2 --size 4 --cut 0,16", "patch 16 is not in a 4×4 image; use numbers from 0 to 15"),
        ("--layers 3/3/2 --M 2 --size 3",
         ("the cut 'left-right' needs an even size to make two equal halves, and the size is 3; "
          "use 4, or list the patches of one side")),
        ("--B 2 --M 2 --size 4 --border wrap", "unknown border 'wrap'; use one of neutral, ones, zero, valid"),
        ("--B 2 --M 2 --size 4 --rows 0", "rows must be an integer of at least 1, not 0"),
        ("--B 2 --M 2 --size 4 --seed -1", "seed must be an integer of at least 0, not -1"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_sentence_and_status_2(capsys, words, sentence):
    assert run(capsys, f"certify {words}") == (2, "", f"convac: {sentence}\n")


def test_a_missing_folder_is_made_and_what_cannot_be_written_is_one_sentence_before_the_work(
    capsys, tmp_path, monkeypatch
):
    words = "certify --B 1 --M 2 --size 2 --out"
    assert run(capsys, f"{words} {tmp_path}/a/b/rank.json")[0] == 0
    assert run(capsys, f"verify {tmp_path}/a/b/rank.json")[0] == 0
    monkeypatch.setattr(ranks, "issue_certificate", lambda *_, **__: pytest.fail("work began"))
    assert main([*words.split(), ""]) == 2
    assert capsys.readouterr().err == "convac: cannot write '': the name is empty; name another file\n"
    path = tmp_path / "a" / "b" / "rank.json" / "c.json"
    assert run(capsys, f"{words} {path}") == (
        2, "",
        (f"convac: cannot write {path}: Not a directory; "
         "a part of this path is a file, not a folder, so name another place\n"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["certify", "--B", "2"], "convac certify: the following arguments are required: --M, --size\n"),
        (["describe", "--M", "x"], "convac describe: argument --M: invalid int value: 'x'\n"),
    ],
)
def test_missing_words_are_one_sentence_without_a_traceback(words, sentence):
    done = subprocess.run([*CONVAC, *words], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


def test_a_warning_is_one_sentence():
    words = ["certify", "--B", "2", "--M", "2", "--size", "2", "--border", "zero", "--json"]
    done = subprocess.run([*CONVAC, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0 and json.loads(done.stdout)["rank"] == 0
    assert done.stderr == (
        "convac: layer 1 has windows that leave the image, where border 'zero' makes their products 0, so this network "
        "is 0 for every input; use border 'neutral'\n"
    )


def test_a_warning_that_python_is_told_to_raise_is_bad_input():
    status, out, err = shell("certify --B 2 --M 2 --size 2 --border zero", PYTHONWARNINGS="error")
    assert (status, out) == (2, b"") and err.startswith("convac: layer 1 has windows") and err.count("\n") == 1


@pytest.mark.parametrize("words", [DESCRIBE, "--help", "certify --help"])
def test_a_reader_that_stops_reading_is_no_error(words):
    assert shell(words, "| true; exit ${PIPESTATUS[0]}") == (0, b"", "")


# --- on any terminal ---


def readable(text):
    for character, word in {"×": "x", "≥": ">=", "≤": "<=", "⌈": "ceil(", "⌉": ")"}.items():
        text = text.replace(character, word)
    return text


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-16", "ascii", "latin-1", "cp1252", "cp437", "ascii:nonsense", "idna", "undefined", "cp864"],
)
def test_every_encoding_shows_the_answer(encoding, capsys):
    _, out, _ = run(capsys, DESCRIBE)
    status, shown, err = shell(DESCRIBE, PYTHONIOENCODING=encoding)
    assert (status, err) == (0, "")
    if encoding.startswith("utf"):
        assert shown.decode(encoding) == out
    elif encoding in ("latin-1", "cp1252"):
        assert shown.decode(encoding) == readable(out.replace("×", "$")).replace("$", "×")
    elif encoding == "cp437":
        assert shown.decode(encoding) == out.replace("⌈", "ceil(").replace("⌉", ")").replace("×", "x")
    else:
        assert shown.decode("ascii") == readable(out)


def test_a_certificate_is_valid_on_any_terminal(tmp_path):
    path = shlex.quote(str(tmp_path / "rank é.json"))
    for encoding in ("ascii", "cp1252"):
        certified = shell(f"certify --B 1 --M 2 --size 2 --out {path}", PYTHONIOENCODING=encoding)
        assert certified[0] == 0 and certified[1].startswith(b"rank 2 of 4")
        status, out, err = shell(f"verify {path}", PYTHONIOENCODING=encoding)
        assert (status, err) == (0, "") and b"valid: rank >= 2 for almost all weights" in out


def test_help_errors_and_strange_names_are_shown_on_any_terminal():
    status, out, err = shell("certify --help", PYTHONIOENCODING="ascii")
    assert (status, err) == (0, "") and b"BxB layers" in out
    assert shell("describe --B é", PYTHONIOENCODING="ascii") == (
        2, b"", "convac describe: argument --B: invalid int value: 'e'\n",
    )  # fmt: skip
    sentence = "cannot read {}: No such file or directory; write it with convac certify --out\n"
    assert shell("verify $'x\\e[31m\\ny\\xff'", PYTHONIOENCODING="utf-8") == (
        2, b"", "convac: " + sentence.format("x\\x1b[31m y\\udcff"),
    )  # fmt: skip


@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_files_are_utf_8_in_any_locale(locale, tmp_path):
    """Python then takes ASCII for the encoding of files, unless it is told."""
    plain = {"LC_ALL": locale, "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    path = shlex.quote(str(tmp_path / "rank.json"))
    assert shell(f"certify --B 1 --M 2 --size 2 --out {path}", **plain)[0] == 0
    assert shell(f"verify {path}", **plain)[0] == 0
    assert shell(f"atlas --sizes 2 --M 2 --B 1 --out {path}.csv", **plain)[0] == 0
    append_records(tmp_path / "a.jsonl", [record(device="é ×")])
    status, out, err = shell(f"report {shlex.quote(str(tmp_path / 'a.jsonl'))}", **plain)
    assert (status, err) == (0, "") and ("é ×" if "UTF" in locale else "e x").encode() in out


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "cp437"])
def test_progress_bars_are_drawn_on_any_terminal(encoding):
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    pytest.importorskip("termios").tcsetwinsize(theirs, (24, 80))
    command = [*CONVAC, "certify", "--B", "3", "--M", "2", "--size", "4"]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=120)
    os.close(theirs)
    drawn = b""
    with open(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # Linux: EIO at the end
        while part := terminal.read(2**16):
            drawn += part
    assert done.returncode == 0 and b"100%|" in drawn and b"Traceback" not in drawn
    assert ("█" in drawn.decode(encoding)) == (encoding == "utf-8")


# --- what cannot be printed ---

LOST = "convac: cannot print the answer: {}; {}\n"
NO_SPACE = LOST.format(os.strerror(errno.ENOSPC), "free some space there, or name a place on another disk")
SEND = "send it to a terminal, a file or a pipe"


@needs_full
@pytest.mark.parametrize(
    ("words", "redirected", "status", "sentence"),
    [
        (DESCRIBE, ">/dev/full", 74, NO_SPACE),
        (f"{DESCRIBE} --json", ">/dev/full", 74, NO_SPACE),
        ("--help", ">/dev/full", 74, NO_SPACE),
        ("data fetch --help", ">&-", 74, LOST.format("standard output is closed", SEND)),
        (DESCRIBE, ">&-", 74, LOST.format("standard output is closed", SEND)),
        (DESCRIBE, "<&- >&- 2>&-", 74, ""),
        (DESCRIBE, ">/dev/full 2>/dev/full", 74, ""),
        (DESCRIBE, "1</dev/null", 74, LOST.format(os.strerror(errno.EBADF), SEND)),
        (DESCRIBE, "2>&- | cat >/dev/null; exit ${PIPESTATUS[0]}", 0, ""),
        ("certify --B 2 --M 2 --size 2 --border zero", "2>/dev/full | cat >/dev/null; exit ${PIPESTATUS[0]}", 0, ""),
        ("describe --B 0 --M 2 --size 4", "2>/dev/full", 2, ""),
        ("describe --B 0 --M 2 --size 4", "2>&-", 2, ""),
        ("bogus", "2>/dev/full", 2, ""),
        ("bogus", ">&- 2>&-", 2, ""),
    ],
)
def test_an_answer_that_cannot_be_printed_is_one_sentence_and_status_74(words, redirected, status, sentence):
    assert shell(words, redirected) == (status, b"", sentence)


@needs_full
def test_no_stays_no_and_a_written_certificate_stays_written(tmp_path):
    path = tmp_path / "rank.json"
    quoted = shlex.quote(str(path))
    assert shell(f"certify --B 1 --M 2 --size 2 --out {quoted}", ">/dev/full") == (74, b"", NO_SPACE)
    assert shell(f"verify {quoted}", ">/dev/full") == (74, b"", NO_SPACE)
    path.write_text(path.read_text().replace('"rank":2', '"rank":1'))
    assert shell(f"verify {quoted}", ">/dev/full 2>&-") == (1, b"", "")
    assert path.read_text().startswith('{"format"')  # no other file took the place of a closed stream


# --- nothing escapes ---


def issues(*entries):
    message = email.message_from_string("".join(f"Project-URL: {entry}\n" for entry in entries))
    return lambda name: message


def absent(name):
    raise PackageNotFoundError(name)


FAULT = (
    "an unexpected error stopped this command, which is our fault ({}); "
    "please report it {}, with the command and what --debug prints"
)
REPOSITORY = issues("Homepage, https://a.example", "Repository, https://code.example/o/r.git")


@pytest.mark.parametrize(
    ("error", "package", "status", "sentence"),
    [
        (RuntimeError("two\nlines"), REPOSITORY, 70,
         FAULT.format("RuntimeError: two lines", "at https://code.example/o/r/issues")),
        (KeyError("x"), issues("Issues, https://b.example/bugs", "Repository, https://a.example"), 70,
         FAULT.format("KeyError: 'x'", "at https://b.example/bugs")),
        (RecursionError(), issues(), 70, FAULT.format("RecursionError", "to whoever gave you this copy")),
        (SystemExit(1), absent, 70,
         FAULT.format("RuntimeError: describe asked to exit with 1", "to whoever gave you this copy")),
        (OSError("odd"), absent, 70, FAULT.format("OSError: odd", "to whoever gave you this copy")),
        (ValueError("x" * 5000), absent, 70,
         FAULT.format("ValueError: " + "x" * 288, "to whoever gave you this copy")),
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), absent, 2,
         "cannot use a/b: No space left on device; free some space there, or name a place on another disk"),
        (OSError(errno.EMFILE, "Too many open files"), absent, 2,
         "Too many open files; close files in other programs, or raise the limit with ulimit -n"),
        (MemoryError(), absent, 2, "this needs more memory than there is; use a smaller --size, --M or --B"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), absent, 2,
         "this needs more memory than there is; use a smaller --size, --M or --B"),
        (KeyboardInterrupt(), absent, 130, "interrupted; results already written are kept"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)  # fmt: skip
def test_no_error_escapes(capsys, monkeypatch, error, package, status, sentence):
    def fail(*_):
        raise error

    monkeypatch.setattr(bounds, "bounds_of", fail)
    monkeypatch.setattr("importlib.metadata.metadata", package)
    assert run(capsys, DESCRIBE) == (status, "", f"convac: {sentence}\n")
    if status != 130:
        for words in (f"--debug {DESCRIBE}", f"{DESCRIBE} --debug"):
            given, out, err = run(capsys, words)
            assert (
                (given, out) == (status, "") and err.startswith("Traceback ") and err.endswith(f"convac: {sentence}\n")
            )


def test_every_command_takes_debug_before_and_after_its_name(capsys):
    for words in ("--debug data check", "data --debug check", "data check --debug"):
        assert run(capsys, words)[0] == 0
    assert run(capsys, "--debug verify nowhere.json")[0] == 2


@pytest.mark.parametrize("module", ["argparse", "psutil", "convac_lib.theory.bounds"])
def test_an_interrupt_amid_an_import_is_one_sentence(module):
    program = f"""
import signal, sys
class Interrupt:
    def find_spec(self, name, *_):
        if name == {module!r}:
            signal.raise_signal(signal.SIGINT)
sys.argv = ["convac", "describe", "--B", "2", "--M", "2", "--size", "4"]
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Interrupt())
from convac_lib.__main__ import main
sys.exit(main())
"""
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (
        130, "", "convac: interrupted; results already written are kept\n",
    )  # fmt: skip


def test_an_interrupt_amid_the_output_is_one_sentence(capsys, monkeypatch):
    class Stuck:
        """A pipe whose reader has stopped, and a user who has waited enough."""

        def write(self, text):
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(sys, "stdout", Stuck())
    assert main(DESCRIBE.split()) == 130
    assert capsys.readouterr().err == "convac: interrupted; results already written are kept\n"


@pytest.mark.parametrize("module", ["numpy", "flint", "filelock", "tqdm"])
def test_a_half_finished_installation_is_one_sentence(module):
    program = f"import sys; sys.modules[{module!r}] = None; from convac_lib.__main__ import main; sys.exit(main())"
    command = [sys.executable, "-c", program, "atlas", "--sizes", "2", "--M", "2", "--B", "1", "--out", "a.csv"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(
        rf"convac: this installation lacks the module {module}[.\w]*; install convac-lib again, with all it needs\n",
        done.stderr,
    )


def test_an_answer_that_python_refuses_to_write_out_is_no_traceback(capsys, monkeypatch):
    monkeypatch.setattr(describe, "_geometry", lambda *_: ({"rank": 10**5000}, ""))
    status, out, err = run(capsys, f"{DESCRIBE} --json")
    assert (status, out) == (70, "") and "Exceeds the limit" in err and err.count("\n") == 1


def test_a_model_that_exits_is_bad_input(capsys, tmp_path, monkeypatch):
    (tmp_path / "leaving.py").write_text("import sys\nsys.exit(1)\n")
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "describe --model leaving:net")
    assert (status, out) == (2, "") and err.startswith("convac: leaving:net gave no model (SystemExit: 1); ")


def test_the_exit_statuses_are_documented_alike(capsys):
    lines = [line.strip() for line in statuses.STATUSES.splitlines()[1:]]
    documented = [line.strip() for line in __main__.__doc__.split("Exit status:\n")[1].splitlines()]
    assert documented == lines
    named = {value for value in vars(statuses).values() if isinstance(value, int)}
    assert {int(number[0]) for line in lines if (number := re.match(r"\d+", line))} == named
    with pytest.raises(SystemExit):
        main(["--help"])
    assert statuses.STATUSES in capsys.readouterr().out


def test_every_command_keeps_its_help_without_docstrings(capsys):
    done = subprocess.run([sys.executable, "-OO", *CONVAC[1:], "--help"], check=True, capture_output=True, text=True)
    with pytest.raises(SystemExit):
        main(["--help"])
    assert done.stdout.split() == capsys.readouterr().out.split()
    for words, command in EVERY_COMMAND.items():
        with pytest.raises(SystemExit):
            main([*words.split(), "--help"])
        assert command.ABOUT in capsys.readouterr().out
        assert command.run.__doc__ == command.ABOUT


def test_every_command_has_help_with_examples_that_parse(capsys):
    for words, command in EVERY_COMMAND.items():
        with pytest.raises(SystemExit) as exit:
            main([*words.split(), "--help"])
        assert exit.value.code == 0
        title = "example:" if len(command.EXAMPLES) == 1 else "examples:"
        assert f"{title}\n  convac {words}" in capsys.readouterr().out
        for example in command.EXAMPLES:
            assert parser().parse_args(example.split()[1:]).run == command.run


def test_every_argument_has_help():
    for words in ("", "data", *EVERY_COMMAND):
        (of_command,) = (each for each in parsers() if each.prog == f"convac {words}".strip())
        assert [action.dest for action in of_command._actions if not action.help and action.dest not in GROUPS] == []


def parsers():
    """The parser of the command line, and those of its commands."""
    waiting = [parser()]
    while waiting:
        yield (each := waiting.pop())
        for action in each._actions:
            if isinstance(action, argparse._SubParsersAction):
                waiting += action.choices.values()


@pytest.mark.parametrize("words", [["--help"], *([*words.split(), "--help"] for words in EVERY_COMMAND)], ids=" ".join)
def test_help_loads_no_engine(words):
    code = f"""
import sys
from convac_lib.__main__ import main
try:
    main({words!r})
except SystemExit:
    sys.exit(bool({{"numpy", "torch", "flint", "tqdm", "psutil"}} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_what_help_says_without_the_engine_is_what_the_engine_takes():
    assert network_arguments.CUTS == tuple(cuts.CUTS)
    assert certify.PRIME == fields.DEFAULT_PRIME
