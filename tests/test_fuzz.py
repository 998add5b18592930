"""A small share of what tests/stress/fuzz.py tries, and what it found."""

import gzip
import random
import struct
import tarfile
import zlib

import pytest
from helpers.archives import TEXTS
from stress.fuzz import KINDS, altered_arrays, arrays, attempt, fuzz, images, numbers_of

from convac_lib.__main__ import main
from convac_lib.data.cifar10_batches import read_archive
from convac_lib.data.folder import folder
from convac_lib.errors import DataError
from convac_lib.related import missing
from convac_lib.visuals import records


@pytest.mark.parametrize("kind", KINDS)
def test_altered_bytes_are_read_or_refused_in_one_sentence(kind, tmp_path, record_property):
    outcomes, faults = fuzz(kind, range(numbers_of(kind, 2000)), 0, tmp_path)
    assert not faults, "\n".join(f"--only '{kind}:{number}'\n{trace}" for number, _, trace in faults)
    assert outcomes["refused"] > outcomes.total() / 2
    record_property("altered files and command lines: each read, or refused in one sentence", outcomes.total())


def test_what_is_not_altered_is_read(tmp_path, monkeypatch):
    draw = random.Random(0)
    monkeypatch.setitem(KINDS, "array files", (1, lambda _: arrays(), KINDS["array files"][2]))
    assert attempt("array files", 0, 0, tmp_path) == "read"
    assert altered_arrays(arrays(), draw) != arrays()


def test_another_error_is_a_fault(tmp_path, monkeypatch):
    def fail(data, place):
        raise KeyError(data)

    monkeypatch.setitem(KINDS, "images", (1, lambda draw: b"", fail))
    outcomes, [(number, where, trace)] = fuzz("images", [7], 0, tmp_path)
    assert outcomes == {"fault": 1} and number == 7 and "KeyError" in where and "KeyError" in trace


# --- what it found ---


def test_a_png_without_pixels_is_refused(tmp_path):  # Pillow raised an IndexError
    for split in ("train", "test"):
        (tmp_path / split / "noise").mkdir(parents=True)
        (tmp_path / split / "noise/image.png").write_bytes(images()[0])
    file = tmp_path / "train/noise/image.png"
    end = struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    file.write_bytes(images()[0][:33] + end)
    with pytest.raises(DataError) as error:
        folder(tmp_path, progress=False)
    assert str(error.value) == f"{file} is not a whole JPEG or PNG image; replace or remove it"


def test_a_text_of_8_EiB_in_an_archive_is_refused_at_once(tmp_path):  # tarfile skipped it for years
    text = tarfile.TarInfo(TEXTS[1])
    text.size = 2**63 - 1
    file = tmp_path / "archive.tar.gz"
    file.write_bytes(gzip.compress(text.tobuf(tarfile.GNU_FORMAT) + bytes(20480)))
    with pytest.raises(DataError) as error:
        read_archive(file)
    assert str(error.value) == (
        f"{file} holds 'cifar-10-batches-bin/readme.html' of type '0' and 9,223,372,036,854,775,807 bytes, and should "
        "hold six batches of 30,730,000 bytes, once each, beside two texts; delete it, and run convac data "
        "fetch cifar10"
    )


@pytest.mark.parametrize(
    "damage", [lambda data: data[:100], lambda data: b"no file", lambda data: data[:-50] + b"9" * 50]
)
def test_a_damaged_model_is_named(damage, tmp_path, monkeypatch):  # NumPy raised errors of eight kinds
    file = tmp_path / "missing-data.npz"
    file.write_bytes(damage(missing.results_path("missing-data.npz").read_bytes()))
    monkeypatch.setattr(missing, "results_path", lambda name: file)
    with pytest.raises(DataError) as error:
        missing.recorded_model()
    assert str(error.value) == (f"{file} is damaged; restore it, or write it again with python tools/missing_data.py")


def test_states_that_no_longer_inflate_are_named(tmp_path, monkeypatch):  # zlib's error is of no other kind
    file = tmp_path / "explorer.json.gz"
    file.write_bytes(gzip.compress(b"{}")[:10] + b"\xff" * 20)
    monkeypatch.setattr(records, "RECORDS", tmp_path)
    with pytest.raises(
        DataError, match=r"explorer.json.gz is damaged \(.+\); restore it, or write it again with make not"
    ):
        records.read_record("explorer", ("B",), lambda B: None)


def test_a_word_of_5000_digits_is_cut_off_in_the_sentence(capsys):  # argparse repeats it whole
    with pytest.raises(SystemExit):
        main(["describe", "--size", "9" * 5000 + "x"])
    digits = "'" + "9" * 199
    assert capsys.readouterr().err == f"convac describe: argument --size: invalid int value: {digits}…\n"
