"""The record of a training run; and records in a file: a line each, with its checksum, on the disk before it counts.

Taught in the chapter *The CIFAR-10 experiments*.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from filelock import FileLock

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import DataError
from convac_lib.files import append, drop_torn_line

ASKED = (
    "model", "architecture", "digest", "augment", "epochs", "batch_size", "learning_rate", "seed", "weights_seed",
    "precision",
)  # fmt: skip


@dataclass(frozen=True)
class Record:
    """One training run: what was asked for, what came of it, and where.

    Args:
        model: the network's class.
        architecture: its `Architecture`, or None where it has none.
        parameters: the number of its trained weights.
        source: the data set's source.
        digest: the data set's SHA-256.
        n: the number of training images.
        augment: how they were augmented, a key of `AUGMENTATIONS`.
        epochs: how often each was seen.
        batch_size: images a step.
        learning_rate: Adam's.
        seed: of the order and the augmentation of the images.
        weights_seed: of the first weights, or None where the caller drew them.
        losses: the mean training cross-entropy of every epoch, in nats, measured while the weights moved.
        accuracies: the fraction of the training images, augmented, that were classified rightly when seen, by epoch.
        augmented_accuracy: the same at the end, the weights at rest: the talk's measure.
        train_accuracy: the fraction of the training images, as they are, classified rightly at the end.
        test_accuracy: the fraction of the test images classified rightly at the end.
        precision: the type in which the convolutions were computed.
        side_by_side: how many networks were trained in one pass, this one among them.
        device: the GPU or processor that it ran on.
        versions: of the software that it ran with.
        seconds: the wall-clock time of its epochs and its evaluation, over the networks side by side.

    Chapter: *The CIFAR-10 experiments*.
    """

    model: str
    architecture: Architecture | None
    parameters: int
    source: str
    digest: str
    n: int
    augment: str
    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    weights_seed: int | None
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]
    augmented_accuracy: float
    train_accuracy: float
    test_accuracy: float
    precision: str
    side_by_side: int
    device: str
    versions: str
    seconds: float

    def to_dict(self) -> dict:
        """Return the record as dictionaries, tuples, strings and numbers, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> "Record":
        """The inverse of `to_dict`.

        Raises:
            TypeError, KeyError: if a field is missing or unknown.
        """
        plan = values["architecture"]
        if plan is not None:
            plan = Architecture(**{**plan, "layers": tuple(Layer(**layer) for layer in plan["layers"])})
        curves = {name: tuple(values[name]) for name in ("losses", "accuracies")}
        return cls(**{**values, **curves, "architecture": plan})


def question_of(record: Record) -> tuple:
    """What was asked for: two records with one question are one run, done twice."""
    return tuple(getattr(record, name) for name in ASKED)


def read_records(path: str | Path) -> list[Record]:
    """Read the records of a file; a last line that was never finished is not there.

    Args:
        path: a file of records; where there is none, there is no record yet.

    Returns:
        The records, in the order in which they were written.

    Raises:
        DataError: if the file cannot be read, or a line was altered.

    Chapter: *The CIFAR-10 experiments*.

    >>> read_records("none/yet.jsonl")
    []
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; write it with convac sweep") from None
    lines = data[: data.rfind(b"\n") + 1].splitlines()
    return [_record(line, f"line {number} of {path}") for number, line in enumerate(lines, start=1)]


def append_records(path: str | Path, records: Iterable[Record]) -> list[Record]:
    """Append the records whose question the file does not answer yet, each synced before the next.

    Args:
        path: the file of records, made if it is not there.
        records: the records.

    Returns:
        Those that were written. Another writer may have answered the others in the meantime: nothing is doubled.

    Raises:
        DataError: if the file cannot be read or written, or a line of it was altered.

    Chapter: *The CIFAR-10 experiments*.
    """
    path, written = Path(path), []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock"), open(path, "a+b") as file:
            answered = {question_of(record) for record in read_records(path)}
            drop_torn_line(file)
            for record in records:
                if question_of(record) not in answered:
                    append(file, _line(record))
                    answered.add(question_of(record))
                    written.append(record)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}; name a file in a folder that can be written") from None
    return written


def _line(record):
    text = json.dumps(record.to_dict(), ensure_ascii=False)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})[:-1] + f', "record": {text}}}'


def _record(line, where):
    try:
        values = json.loads(line)
        record = Record.from_dict(values["record"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is no record; restore the file, or remove the line") from error
    if line.decode() != _line(record):
        raise DataError(f"{where} was altered: its SHA-256 is not the one that it states; restore the file")
    return record
