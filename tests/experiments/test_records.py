"""Records in a file: what is written is read, what is torn is dropped, and what was altered is refused."""

import dataclasses
import hashlib
import json
import math
import multiprocessing

import pytest
from helpers.records import record
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convac_lib.errors import DataError
from convac_lib.experiments.records import append_records, read_records, run_key
from convac_lib.families import common_case
from convac_lib.files import results_path

numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(numbers, st.floats(0, 1), st.text(), st.integers(1, 5)), max_size=4),
    st.sampled_from([None, common_case(2, M=1, size=4)]),
)
def test_what_is_written_is_read(tmp_path_factory, values, plan):
    path = tmp_path_factory.mktemp("records") / "folder" / "a.jsonl"
    records = [
        record(seed, architecture=plan, losses=(number,) * many, accuracies=(fraction,), device=text)
        for seed, (number, fraction, text, many) in enumerate(values)
    ]
    assert append_records(path, records) == records
    assert read_records(path) == records


def test_a_record_is_never_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        record().n = 1
    assert len({record(0), record(0), record(1)}) == 2


def test_a_question_is_answered_once(tmp_path):
    path = tmp_path / "a.jsonl"
    assert append_records(path, [record(0), record(1), record(0, loss=0.2)]) == [record(0), record(1)]
    assert append_records(path, [record(1, seconds=9.0), record(2)]) == [record(2)]
    assert read_records(path) == [record(0), record(1), record(2)]


@pytest.mark.parametrize("change", [{"epochs": 3}, {"digest": "cd"}, {"weights_seed": 1}, {"augment": "colour"}])
def test_another_setting_is_another_question_and_another_outcome_is_not(change):
    assert run_key(record(**change)) != run_key(record())
    assert run_key(record(loss=9.0, seconds=3.0, device="another", test_accuracy=0.1)) == run_key(record())


def test_a_line_torn_anywhere_is_dropped_and_its_record_can_be_written_again(tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [record(0), record(1)])
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for end in range(first, len(whole)):
        path.write_bytes(whole[:end])
        assert read_records(path) == [record(0)]
    append_records(path, [record(1)])
    assert path.read_bytes() == whole


def test_any_altered_byte_is_refused(tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [record(0), record(1)])
    whole, first = path.read_bytes(), path.read_bytes().index(b"\n")
    for place in range(first):
        altered = bytearray(whole)
        altered[place] ^= 1
        path.write_bytes(altered)
        with pytest.raises(DataError, match=r"line 1 of .* (was altered|is no record)"):
            read_records(path)


def test_an_altered_number_and_a_strange_line_are_each_one_sentence(tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [record()])
    path.write_text(path.read_text().replace('"augmented_accuracy": 0.9', '"augmented_accuracy": 1.0'))
    with pytest.raises(DataError) as error:
        append_records(path, [record(1)])
    assert str(error.value) == (
        f"line 1 of {path} was altered: its SHA-256 is not the one that it states; restore the file"
    )
    for line in ("no JSON", "[]", "{}", json.dumps({"sha256": "", "record": {"model": "ConvNet"}})):
        path.write_text(line + "\n")
        with pytest.raises(DataError) as error:
            read_records(path)
        assert str(error.value) == f"line 1 of {path} is no record; restore the file, or remove the line"


def signed(values):
    """A line with the checksum of what it says, whatever it says."""
    text = values if isinstance(values, str) else json.dumps(values, ensure_ascii=False)
    return f'{{"sha256": "{hashlib.sha256(text.encode()).hexdigest()}", "record": {text}}}'.encode()


def test_a_line_holds_a_records_text_as_it_is_and_its_checksum(tmp_path):
    one = record(device="Gerät ✓", architecture=None)
    append_records(tmp_path / "a.jsonl", [one])
    assert (tmp_path / "a.jsonl").read_bytes() == signed(one.to_dict()) + b"\n"


PLAN = record().to_dict()["architecture"]
LAYERS = json.loads(json.dumps(PLAN["layers"]))


@pytest.mark.parametrize(
    ("field", "values", "rule"),
    [
        ("model", [None, 3, ["ConvNet"]], "must be text"),
        ("source", [7, None], "must be text"),
        ("augment", [[], {}], "must be text"),
        ("n", [0, -5, 1.5, True, "9", 10**30, None], "must be an integer of at least 1"),
        ("epochs", [-1, 2.0], "must be an integer of at least 1"),
        ("parameters", [[1], 10**400], "must be an integer of at least 1"),
        ("seed", [0.5, None], "must be an integer"),
        ("weights_seed", ["0", False], "must be an integer or null"),
        ("seconds", [math.nan, math.inf, -1.0, 1e300, "1"], "must be a number of at least 0"),
        ("learning_rate", [-1e-3, True], "must be a number of at least 0"),
        ("test_accuracy", [1.5, -0.1, math.nan, None], "must be a number from 0 to 1"),
        ("losses", ["abc", 3, [1.0, "x"], [math.nan], [math.inf], {"a": 1}, [[1.0]], [10**400]],
         "must be a list of finite numbers"),
        ("accuracies", ["abc", [2.0], [math.nan], None], "must be a list of numbers from 0 to 1"),
        ("architecture",
         [PLAN | {"layers": LAYERS * 1000}, PLAN | {"layers": "abc"}, PLAN | {"size": 10**30}, PLAN | {"size": "8"},
          PLAN | {"shared": "yes"}, PLAN | {"layers": [LAYERS[0] | {"channels": 0}]},
          PLAN | {"layers": [LAYERS[0] | {"receptive_field": 1e9}]},
          PLAN | {"layers": [LAYERS[0] | {"weight_free": 1}]}],
         "must be null, or a network of at most 1,024 layers"),
    ],
)  # fmt: skip
def test_a_field_that_no_training_writes_is_one_sentence_whatever_the_checksum(field, values, rule, tmp_path):
    path = tmp_path / "a.jsonl"
    for value in values:
        path.write_bytes(signed(record().to_dict() | {field: value}) + b"\n")
        with pytest.raises(DataError) as error:
            read_records(path)
        assert str(error.value) == (
            f"line 1 of {path} is no record: its {field} {rule}; restore the file, or remove the line"
        )


LAYER = {"receptive_field": 1, "stride": 1, "channels": 1, "weight_free": False}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("seed", [2**62, -(2**62)], [2**62 + 1, -(2**62) - 1]),
        ("weights_seed", [None, 2**62], [2**62 + 1]),
        ("n", [1, 2**62], [0, 2**62 + 1]),
        ("learning_rate", [0, 0.0, 5e-324, 2.0**62, 2**62], [-5e-324, math.nextafter(2.0**62, math.inf), 2**62 + 1]),
        ("test_accuracy", [0, 1, 0.0, 1.0], [-5e-324, math.nextafter(1.0, 2.0), -1, 2]),
        ("losses", [[], [-(2**62), 2**62, -1.5, 1.7e308]], [[-(2**62) - 1], [0.5, 2**62 + 1]]),
        ("accuracies", [[], [0.0, 1.0]], [[0.5, -5e-324], [math.nextafter(1.0, 2.0)]]),
        ("architecture", [None, PLAN | {"size": 1, "representation_channels": 1, "layers": [LAYER] * 1024}],
         [PLAN | {"size": 1, "representation_channels": 1, "layers": [LAYER] * 1025}]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_the_last_value_that_a_field_may_have_is_read_and_the_next_is_refused(field, good, bad, tmp_path):
    path = tmp_path / "a.jsonl"
    for value in good:
        path.write_bytes(signed(record().to_dict() | {field: value}) + b"\n")
        assert json.loads(json.dumps(read_records(path)[0].to_dict()[field])) == value
    for value in bad:
        path.write_bytes(signed(record().to_dict() | {field: value}) + b"\n")
        with pytest.raises(DataError, match=f"line 1 of .* is no record: its {field} must be "):
            read_records(path)


def test_a_file_has_at_most_32_mebibytes(tmp_path):
    path, most = tmp_path / "a.jsonl", 32 * 1024 * 1024
    append_records(path, [record()])
    with open(path, "r+b") as file:
        file.truncate(most)
    assert read_records(path) == [record()]  # and one long line that is not finished
    with open(path, "r+b") as file:
        file.truncate(most + 1)
    with pytest.raises(DataError) as error:
        read_records(path)
    assert str(error.value) == f"cannot read {path}: it is larger than 33,554,432 bytes; name another file"


def hostile():
    yield "an empty line", b""
    yield "no object", signed("[]")
    yield "a fieldless record", signed("{}")
    yield "an unknown field", signed(record().to_dict() | {"more": 1})
    yield "no fields of a layer", signed(record().to_dict() | {"architecture": PLAN | {"layers": [{}]}})
    yield "an architecture without layers", signed(record().to_dict() | {"architecture": {}})
    yield "layers that are lists", signed(record().to_dict() | {"architecture": PLAN | {"layers": [[1, 1, 1, False]]}})
    yield "half a character", signed(record().to_dict()).replace(b"digits", b"\\ud800")
    yield "another encoding", signed(record().to_dict()).decode().encode("utf-16")
    yield "no encoding", b"\xff\xfe"
    yield "NUL", b"\x00" * 1000
    yield "deep lists", b"[" * 10**6
    yield "deep lists inside", b'{"record": ' + b"[" * 10**5 + b"]" * 10**5 + b"}"
    yield "deep objects", b'{"record":' * 10**5
    yield "endless digits", signed(record().to_dict()).replace(b"1437", b"9" * 10**5)


@pytest.mark.parametrize(("name", "line"), list(hostile()), ids=[name for name, _ in hostile()])
def test_a_hostile_line_is_one_sentence(name, line, tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [record()])
    path.write_bytes(path.read_bytes() + line + b"\n" + b"\n" * 1000)
    for use in (read_records, lambda path: append_records(path, [record(1)])):
        with pytest.raises(DataError) as error:
            use(path)
        assert str(error.value) == f"line 2 of {path} is no record; restore the file, or remove the line"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_json_leaves_open_is_refused(constant, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(signed(json.dumps(record().to_dict()).replace("[2.3,", f"[{constant},")) + b"\n")
    with pytest.raises(DataError, match="its losses must be a list of finite numbers"):
        read_records(path)


def test_a_field_given_twice_is_an_alteration(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(signed(json.dumps(record().to_dict())[:-1] + ', "n": 1437}') + b"\n")
    with pytest.raises(DataError, match=r"line 1 of .* was altered"):
        read_records(path)


def test_lines_that_windows_ends_are_read(tmp_path):
    path = tmp_path / "a.jsonl"
    append_records(path, [record(0), record(1)])
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_records(path) == [record(0), record(1)]


def test_a_file_that_is_too_large_is_neither_read_nor_made(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    append_records(path, [record(0)])
    size = path.stat().st_size
    monkeypatch.setattr("convac_lib.experiments.records.LARGEST_FILE", size + 10)
    with pytest.raises(DataError) as error:
        append_records(path, [record(1)])
    assert str(error.value) == f"cannot write {path}: it would be larger than {size + 10:,} bytes; name another file"
    assert read_records(path) == [record(0)]
    monkeypatch.setattr("convac_lib.experiments.records.LARGEST_FILE", size - 1)
    with pytest.raises(DataError) as error:
        read_records(path)
    assert str(error.value) == f"cannot read {path}: it is larger than {size - 1:,} bytes; name another file"


def test_a_place_that_cannot_be_written_or_read_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    path, in_the_way = (
        tmp_path / "file" / "a.jsonl",
        "a part of this path is a file, not a folder, so name another place",
    )
    with pytest.raises(DataError) as error:
        append_records(path, [record()])
    assert str(error.value) == f"cannot write {path}: Not a directory; {in_the_way}"
    with pytest.raises(DataError) as error:
        read_records(path)
    assert str(error.value) == f"cannot read {path}: Not a directory; {in_the_way}"
    for use, what in ((read_records, "read"), (lambda path: append_records(path, [record()]), "write")):
        with pytest.raises(DataError) as error:
            use(tmp_path)
        assert str(error.value) == f"cannot {what} {tmp_path}: Is a directory; name a file, not a folder"


def write(path, seeds):
    for seed in seeds:
        append_records(path, [record(seed)])


def test_writers_at_once_lose_nothing_and_double_nothing(tmp_path):
    path = tmp_path / "a.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(path, range(start, start + 30))) for start in (0, 10, 20)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert sorted(dataclasses.astuple(one)[11] for one in read_records(path)) == list(range(50))


CONVNETS = [
    path
    for path in sorted(results_path("").glob("*.jsonl"))
    if path.stem
    not in ("digits-depth", "real-networks", "deep-ranks", "pooling-geometry", "missing-data", "simnets", "convergence")
]  # the others have tests of their own: ConvACs, networks that others published, ranks, and blobs


@pytest.mark.parametrize("path", CONVNETS, ids=lambda path: path.name)
def test_the_committed_records_are_of_networks_as_they_say(path):
    """Weights are counted by building the network, accuracies are whole images, and no question is answered twice."""
    from convac_lib.networks.models import ConvNet  # here, so that the writers at once need not load PyTorch

    records, digits = read_records(path), path.name.startswith("digits")
    in_channels, test_images = (1, 360) if digits else (3, 10_000)
    assert len({run_key(one) for one in records}) == len(records) > 0
    for one in records:
        network = ConvNet(one.architecture, classes=10, in_channels=in_channels)
        assert one.parameters == sum(weights.numel() for weights in network.parameters())
        assert len(one.losses) == len(one.accuracies) == one.epochs
        assert all(math.isfinite(loss) for loss in one.losses) and one.losses[-1] < one.losses[0]
        ends = one.augmented_accuracy, one.train_accuracy, one.test_accuracy
        for accuracy, of in zip(ends, (one.n, one.n, test_images)):
            assert accuracy * of == pytest.approx(round(accuracy * of), abs=0.01)
