"""What records say together: summaries, channels that reach an accuracy, tables, figures, and the commands."""

import errno
import itertools
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import pytest
from helpers.records import PLANS, record, runs
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from convac_lib.__main__ import main
from convac_lib.errors import ConvacError
from convac_lib.experiments.analysis import (
    Protocol,
    by_protocol,
    channels_to_reach,
    factor_range,
    factors_to_match,
    figure_names,
    growth_in_words,
    rows_of,
)
from convac_lib.experiments.dask_workers import workers
from convac_lib.experiments.records import append_records, read_records
from convac_lib.families import common_case

RESULTS, SVG = Path(__file__).resolve().parents[2] / "results", "{http://www.w3.org/2000/svg}"


def test_a_row_brings_the_seeds_together():
    rows = rows_of(runs())
    assert [(row.B, row.channels, row.parameters) for row in rows] == [
        (B, C, plan.parameters) for (B, C), plan in PLANS.items()
    ]
    for row in rows:
        base = 0.1 * row.B + 0.01 * row.channels
        assert row.accuracies == pytest.approx((base, base + 0.001))  # in the order of the seeds
        assert (row.test_accuracy, row.seconds) == pytest.approx((0.3, 15))


def test_records_with_equal_settings_are_grouped():
    parts = by_protocol([*runs(), *runs(augment="colour"), *runs(epochs=3)])
    assert {protocol: len(group) for protocol, group in parts.items()} == {
        Protocol("digits", 1437, "spatial", 2): 8,
        Protocol("digits", 1437, "colour", 2): 8,
        Protocol("digits", 1437, "spatial", 3): 8,
    }
    assert str(Protocol("digits", 1437, "none", 2)) == "digits, n = 1,437, not augmented, 2 epochs"


def test_a_protocol_states_a_further_setting_only_if_the_records_differ_in_it():
    parts = by_protocol([*runs(), *runs(learning_rate=0.01)])
    assert {str(protocol): len(group) for protocol, group in parts.items()} == {
        "digits, n = 1,437, spatial augmentation, 2 epochs, learning rate 0.001": 8,
        "digits, n = 1,437, spatial augmentation, 2 epochs, learning rate 0.01": 8,
    }
    assert list(figure_names(parts, "r/digits").values()) == [
        "r/digits-spatial-2-rate0.001", "r/digits-spatial-2-rate0.01",
    ]  # fmt: skip
    parts = by_protocol([*runs(), *runs(batch_size=1024, precision="bfloat16")])
    assert [str(protocol).removeprefix("digits, n = 1,437, spatial augmentation, ") for protocol in parts] == [
        "2 epochs, batch size 64, float32", "2 epochs, batch size 1,024, bfloat16",
    ]  # fmt: skip
    assert list(figure_names(parts, "r/digits").values()) == [
        "r/digits-spatial-2-batch64-float32", "r/digits-spatial-2-batch1024-bfloat16",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "protocols"),
    [
        ("cifar10-jpeg", ["cifar10-jpeg, n = 50,000, spatial augmentation, 12 epochs"]),
        ("digits-longer", [
            f"digits, n = 1,437, not augmented, 60 epochs, learning rate {rate}" for rate in ("0.003", "0.01", "0.03")
        ]),
    ],
)  # fmt: skip
def test_the_protocols_of_committed_records_mix_no_two_settings(name, protocols):
    parts = by_protocol(read_records(RESULTS / f"{name}.jsonl"))
    assert sorted(map(str, parts)) == sorted(protocols)
    for group in parts.values():
        assert len({(record.learning_rate, record.batch_size, record.precision) for record in group}) == 1


@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6, unique=True), st.floats(0, 1))
def test_channels_between_two_networks_are_on_the_line_between_them(heights, accuracy):
    curve = [(2**number, height) for number, height in enumerate(sorted(heights))]
    channels = channels_to_reach(accuracy, reversed(curve))
    if not curve[0][1] <= accuracy <= curve[-1][1]:
        assert channels is None
        return
    for (few, low), (many, high) in itertools.pairwise(curve):
        if low <= accuracy <= high:  # back again: the accuracy at those channels
            part = math.log2(channels / few) / math.log2(many / few)
            assert low + part * (high - low) == pytest.approx(accuracy, abs=1e-6)
            return


def test_a_curve_that_never_reaches_it_says_nothing():
    assert channels_to_reach(0.9, [(4, 0.1), (8, 0.2)]) is None
    assert channels_to_reach(0.1, [(4, 0.2), (8, 0.3)]) is None
    assert channels_to_reach(0.2, [(4, 0.2)]) is None


@given(st.floats(1.2, 30), st.sampled_from([0, 1]))
def test_a_network_that_is_so_many_times_better_is_matched_by_so_many_times_the_size(factor, first_epoch):
    """With accuracy log C / 10 without overlap and log(factor · C) / 10 with it, factor · C channels match C."""

    def accuracy(B, C):
        return math.log(C if B == 1 else factor * C) / 10

    sweep = []
    for seed, B, C in itertools.product((1, 0), (1, 2), (4, 16, 64, 256)):
        plan, end = common_case(B, M=1, size=8, channels=C), accuracy(B, C)
        curve = (end if first_epoch else 0.0, end)
        plan_and_count = {"architecture": plan, "parameters": plan.parameters}
        sweep.append(record(seed, augmented_accuracy=end, accuracies=curve, **plan_and_count))
    for C in (4, 16, 64):
        found = factors_to_match(sweep, 2, C, epoch=1 if first_epoch else None)
        assert found == ([pytest.approx(factor)] * 2 if factor * C <= 256 else [None, None])
        if factor * C <= 256:
            low, high = (common_case(1, M=1, size=8, channels=count).parameters for count in (4, 256))
            own = common_case(2, M=1, size=8, channels=C).parameters
            for by_parameters in factors_to_match(sweep, 2, C, size="parameters"):
                assert low / own <= by_parameters <= high / own


def test_a_record_without_an_architecture_is_refused():
    with pytest.raises(ConvacError) as error:
        rows_of([record(architecture=None)])
    assert str(error.value) == "the record of a ConvNet has no architecture to read B from; leave it out"


def test_the_report_prints_its_table_and_draws_both_figures(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    append_records(path, runs())
    assert main(["report", str(path)]) == 0
    out, err = capsys.readouterr()
    stem = f"{tmp_path / 'a'}-digits-spatial-2"  # the records' own name does not tell the source
    assert err == "" and out.splitlines()[0] == "digits, n = 1,437, spatial augmentation, 2 epochs, on a processor"
    cells = [line.split() for line in out.splitlines()[2:-1]]
    assert [row[:4] for row in cells] == [
        [str(B), str(C), f"{plan.parameters:,}", "2"] for (B, C), plan in PLANS.items()
    ]
    assert cells[3][4:] == ["28.1%", "(", "28.0%", "to", "28.1%)", "95.0%", "30.0%", "15"]
    assert out.splitlines()[-1] == f"drawn in {stem}.png and {stem}.svg"
    with Image.open(f"{stem}.png") as picture:
        assert picture.width > 1000
    assert ElementTree.parse(f"{stem}.svg").getroot().tag.endswith("svg")
    assert main(["report", str(path), "--json"]) == 0
    (protocol,) = json.loads(capsys.readouterr().out)["protocols"]
    assert [row["channels"] for row in protocol["networks"]] == [4, 8, 4, 8] and protocol["epochs"] == 2


def test_a_figures_name_says_the_source_once_and_no_two_figures_share_one():
    one, coloured, fewer = (
        Protocol("cifar10-jpeg", 50_000, "spatial", 12),
        Protocol("cifar10-jpeg", 50_000, "colour", 12),
        Protocol("cifar10-jpeg", 1_000, "spatial", 12),
    )
    other, strange = Protocol("cifar10", 50_000, "spatial", 12), Protocol("../../x y/\0", 9, "a/b", 1)
    assert figure_names([one, coloured], "r/cifar10-jpeg") == {
        one: "r/cifar10-jpeg-spatial-12", coloured: "r/cifar10-jpeg-colour-12",
    }  # fmt: skip
    assert figure_names([one], "r/cifar10-jpeg-more") == {one: "r/cifar10-jpeg-more-spatial-12"}
    assert figure_names([one], "r/cifar10-jpegs") == {one: "r/cifar10-jpegs-cifar10-jpeg-spatial-12"}
    assert figure_names([one, other], "r/cifar10-jpeg") == {
        one: "r/cifar10-jpeg-cifar10-jpeg-spatial-12", other: "r/cifar10-jpeg-cifar10-spatial-12",
    }  # fmt: skip
    assert figure_names([one, fewer], "cifar10-jpeg") == {
        one: "cifar10-jpeg-spatial-12-n50000", fewer: "cifar10-jpeg-spatial-12-n1000",
    }  # fmt: skip
    assert figure_names([strange], "r/a") == {strange: "r/a-..-..-x-y--a-b-1"}


def test_a_report_again_gives_the_same_bytes(tmp_path, capsys):
    """Also in another process, whose hashes are drawn anew, and in another minute of the clock."""
    path, written = tmp_path / "digits.jsonl", []
    append_records(path, runs())
    for seed, epoch in (("1", "0"), ("2", "1000000000")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": epoch}
        command = [sys.executable, "-m", "convac_lib", "report", str(path)]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        written.append([(tmp_path / f"digits-spatial-2.{ending}").read_bytes() for ending in ("png", "svg")])
    assert written[0] == written[1]
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".jsonl", ".lock", ".png", ".svg"]
    assert b"Software" not in written[0][0] and b"<dc:date>" not in written[0][1]


def test_the_committed_figures_are_those_of_the_committed_records(tmp_path, capsys):
    """Their lines and markers, to half a point: last digits are of one machine, and layouts of one matplotlib."""
    assert sorted(file.name for file in RESULTS.glob("*.[ps][nv]g")) == [
        "cifar10-jpeg-spatial-12.png", "cifar10-jpeg-spatial-12.svg",
    ]  # fmt: skip
    pins = (RESULTS.parent / "requirements.txt").read_text("utf-8")
    if f"matplotlib=={matplotlib.__version__} " not in pins:
        pytest.skip("another matplotlib than the one that drew them")
    path = tmp_path / "cifar10-jpeg.jsonl"
    path.write_bytes((RESULTS / path.name).read_bytes())
    assert main(["report", str(path)]) == 0
    drawn, committed = (
        [
            (element.get("id"), [float(number) for number in re.findall(r"-?\d+\.?\d*", path.get("d", ""))])
            for element in ElementTree.parse(folder / "cifar10-jpeg-spatial-12.svg").iter(f"{SVG}g")
            if (element.get("id") or "").startswith("line2d")
            for path in element.iter(f"{SVG}path")
        ]
        for folder in (tmp_path, RESULTS)
    )
    assert len(drawn) == len(committed) > 10
    for one, other in zip(drawn, committed, strict=True):
        assert one[0] == other[0] and one[1] == pytest.approx(other[1], abs=0.5)


def test_a_table_is_printed_even_if_no_figure_can_be_written(tmp_path, capsys, monkeypatch):
    path = tmp_path / "digits.jsonl"
    append_records(path, runs())
    assert main(["report", str(path)]) == 0
    table = capsys.readouterr().out.splitlines()[:-1]
    png, svg = (tmp_path / f"digits-spatial-2.{ending}" for ending in ("png", "svg"))
    png.unlink()
    png.mkdir()  # in the way
    assert main(["report", str(path)]) == 74
    out, err = capsys.readouterr()
    assert out.splitlines() == [*table, f"drawn in {svg}"]
    assert err == f"convac: cannot write {png}: Is a directory; name a file, not a folder\n"

    def fail(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    before = svg.read_bytes()
    monkeypatch.setattr("tempfile.NamedTemporaryFile", fail)
    png.rmdir()
    assert main(["report", str(path)]) == 74
    out, err = capsys.readouterr()
    assert out.splitlines() == [*table, "not drawn"]
    assert err == "".join(
        f"convac: cannot write {file}: Permission denied; ask its owner for the permission, or name another place\n"
        for file in (png, svg)
    )
    assert main(["report", str(path), "--json"]) == 74
    (protocol,) = json.loads(capsys.readouterr().out)["protocols"]
    assert protocol["figures"] == [] and len(protocol["networks"]) == 4
    assert svg.read_bytes() == before


@pytest.mark.parametrize("name", ["/dev/zero", "/dev/null"])
@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such devices here")
def test_records_that_are_no_plain_file_are_one_sentence(name, capsys):
    assert main(["report", name]) == 2
    assert capsys.readouterr() == ("", f"convac: cannot read {name}: it is no plain file; name another file\n")


@pytest.mark.filterwarnings("ignore")  # of the cluster's own
def test_a_sweep_from_the_command_line_is_what_it_was_asked_for(tmp_path, capsys):
    out = tmp_path / "results" / "a.jsonl"
    words = f"sweep --data digits --B 2 --channels 4 --seeds 3 5 --epochs 1 --batch-size 64 --augment none --out {out}"
    assert main([*words.split(), "--workers", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    records = read_records(out)
    assert (report["records"], report["source"], report["digest"]) == (2, "digits", records[0].digest)
    assert [one.weights_seed for one in records] == [3, 5]
    assert {(one.epochs, one.batch_size, one.augment, one.learning_rate) for one in records} == {(1, 64, "none", 1e-3)}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("report none/yet.jsonl", "none/yet.jsonl holds no record yet; write some with convac sweep"),
        (
            "sweep --data digits --B 2 --channels 4 --out a --workers 2 --scheduler tcp://127.0.0.1:1",
            "a scheduler has its own workers; give a scheduler or a number of workers, not both",
        ),
        (
            "sweep --data digits --B 2 --channels 4 --out a --workers 0",
            "workers must be an integer of at least 1, not 0",
        ),
        (
            "sweep --data nowhere --B 2 --channels 4 --out a",
            "there are no data named nowhere; use digits, cifar10, or the path of a folder of images",
        ),
    ],
)
def test_bad_input_is_one_sentence(capsys, words, sentence):
    assert main(words.split()) == 2
    assert capsys.readouterr() == ("", f"convac: {sentence}\n")


@pytest.mark.filterwarnings("ignore")
def test_a_scheduler_that_does_not_answer_is_one_sentence(monkeypatch):
    monkeypatch.setattr("convac_lib.experiments.dask_workers.PATIENCE", 1)
    with pytest.raises(ConvacError) as error, workers("tcp://127.0.0.1:1"):
        pass
    assert str(error.value) == (
        "no Dask scheduler answers at tcp://127.0.0.1:1; start one by dask scheduler, and workers by dask worker"
    )


PHOTOGRAPHS = read_records(RESULTS / "cifar10-jpeg.jsonl")


@pytest.mark.parametrize("B", [2, 3])
@pytest.mark.parametrize("C", [4, 8, 16, 32, 64])
def test_the_range_of_a_factor_holds_every_seed(B, C):
    """Seed by seed, with the accuracies on both sides of the factor; beyond the widest network a bound is known."""
    accuracy = {
        (run.weights_seed, run.architecture.layers[0].receptive_field, run.architecture.channels[-1]): (
            run.augmented_accuracy
        )
        for run in PHOTOGRAPHS
    }
    least, most = factor_range(PHOTOGRAPHS, B, C)
    exact = factors_to_match(PHOTOGRAPHS, B, C)
    for seed, factor in enumerate(exact):
        goal, widest = accuracy[seed, B, C], accuracy[seed, 1, 128]
        assert (factor is None) == (goal > widest)
        assert least <= (128 / C if factor is None else factor) and (most is None or factor <= most)
    assert (most is None) == (None in exact)
    assert most is None or (least, most) == (min(exact), max(exact))


@pytest.mark.parametrize("B, last", [(2, 16), (3, 8)])
def test_the_factor_is_shown_to_grow_only_as_far_as_the_records_go(B, last):
    said = growth_in_words(PHOTOGRAPHS, B, (4, 8, 16, 32, 64))
    assert said.endswith(f"; the records show that it grows from C = 4 to {last}.")
    ranges = [factor_range(PHOTOGRAPHS, B, C) for C in (4, 8, 16, 32, 64)]
    grows = [most is not None and least > most for (_, most), (least, _) in itertools.pairwise(ranges)]
    assert grows == [C * 2 <= last for C in (4, 8, 16, 32)]
    assert "more than 8 at C = 16, more than 4 at C = 32, more than 2 at C = 64" in said


def test_a_factor_below_the_narrowest_network_is_bounded_from_above():
    accuracies = {(1, 4): 0.5, (1, 8): 0.6, (2, 4): 0.3, (2, 8): 0.7, (2, 16): 0.55}
    sweep = [
        record(architecture=common_case(B, M=1, size=8, channels=C), parameters=B * C, augmented_accuracy=accuracy)
        for (B, C), accuracy in accuracies.items()
    ]
    assert factor_range(sweep, 2, 4) == (0, 1)
    assert factor_range(sweep, 2, 8) == (1, None)
    assert factor_range(sweep, 2, 16) == pytest.approx((math.sqrt(32) / 16,) * 2)
    assert growth_in_words(sweep, 2, (4, 16)) == (
        "B = 2: 0 to 1 at C = 4, 0.35 to 0.35 at C = 16; the records do not show that it grows."
    )
