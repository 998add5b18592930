"""Records in a file: what is written is read, what is torn is dropped, and what was altered is refused."""

import dataclasses
import json
import math
import multiprocessing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from convac_lib.architecture import common_case
from convac_lib.errors import DataError
from convac_lib.experiments.records import Record, append_records, question_of, read_records
from convac_lib.files import results_path
from convac_lib.networks.models import ConvNet


def record(weights_seed=0, B=2, loss=0.1, **changes):
    asked = {
        "model": "ConvNet", "architecture": common_case(B, M=1, size=8, channels=4), "parameters": 7, "source": "digits",
        "digest": "ab", "n": 1437, "augment": "spatial", "epochs": 2, "batch_size": 64, "learning_rate": 1e-3, "seed": 0,
        "weights_seed": weights_seed,
    }  # fmt: skip
    came = {
        "losses": (2.3, loss), "accuracies": (0.1, 0.9), "augmented_accuracy": 0.9, "train_accuracy": 0.95,
        "test_accuracy": 0.8, "precision": "float32", "side_by_side": 1, "device": "a processor", "versions": "torch 2",
        "seconds": 1.5,
    }  # fmt: skip
    return Record(**{**asked, **came, **changes})


numbers = st.floats(allow_nan=False, allow_infinity=False)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(numbers, st.text(), st.integers(1, 5)), max_size=4),
    st.sampled_from([None, common_case(2, M=1, size=4)]),
)
def test_what_is_written_is_read(tmp_path_factory, values, plan):
    path = tmp_path_factory.mktemp("records") / "folder" / "a.jsonl"
    records = [
        record(seed, architecture=plan, losses=(number,) * many, accuracies=(number,), device=text)
        for seed, (number, text, many) in enumerate(values)
    ]
    assert append_records(path, records) == records
    assert read_records(path) == records


def test_a_question_is_answered_once(tmp_path):
    path = tmp_path / "a.jsonl"
    assert append_records(path, [record(0), record(1), record(0, loss=0.2)]) == [record(0), record(1)]
    assert append_records(path, [record(1, seconds=9.0), record(2)]) == [record(2)]
    assert read_records(path) == [record(0), record(1), record(2)]


@pytest.mark.parametrize("change", [{"epochs": 3}, {"digest": "cd"}, {"weights_seed": 1}, {"augment": "colour"}])
def test_another_setting_is_another_question_and_another_outcome_is_not(change):
    assert question_of(record(**change)) != question_of(record())
    assert question_of(record(loss=9.0, seconds=3.0, device="another", test_accuracy=0.1)) == question_of(record())


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
        with pytest.raises(DataError, match="line 1 of .* (was altered|is no record)"):
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


def test_a_place_that_cannot_be_written_or_read_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "a.jsonl"
    with pytest.raises(DataError) as error:
        append_records(path, [record()])
    assert str(error.value) == f"cannot write {path}: File exists; name a file in a folder that can be written"
    with pytest.raises(DataError) as error:
        read_records(tmp_path)
    assert str(error.value) == f"cannot read {tmp_path}: Is a directory; write it with convac sweep"


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


@pytest.mark.parametrize("path", sorted(results_path("").glob("*.jsonl")), ids=lambda path: path.name)
def test_the_committed_records_are_of_networks_as_they_say(path):
    """Weights are counted by building the network, accuracies are whole images, and no question is answered twice."""
    records = read_records(path)
    assert len({question_of(record) for record in records}) == len(records) > 0
    for record in records:
        network = ConvNet(record.architecture, classes=10, in_channels=3)
        assert record.parameters == sum(weights.numel() for weights in network.parameters())
        assert len(record.losses) == len(record.accuracies) == record.epochs
        assert all(math.isfinite(loss) for loss in record.losses) and record.losses[-1] < record.losses[0]
        ends = record.augmented_accuracy, record.train_accuracy, record.test_accuracy
        for accuracy, of in zip(ends, (record.n, record.n, 10_000)):
            assert accuracy * of == pytest.approx(round(accuracy * of), abs=0.01)
