"""The record of a training run; and records in a file: a line each, with its checksum, on the disk before it counts.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import hashlib
import io
import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ConvacError, DataError
from convac_lib.files import append, appending, drop_torn_line, read, telling

ASKED = (
    "model", "architecture", "digest", "augment", "epochs", "batch_size", "learning_rate", "seed", "weights_seed",
    "precision",
)  # fmt: skip
LARGEST_FILE = 2**25  # bytes
LARGEST_NUMBER, MOST_LAYERS = 2**62, 1024


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
        weights_seed: of the initial weights, or None where the caller drew them.
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

    Chapter: *Experiments on standard ConvNets*.
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

    Chapter: *Experiments on standard ConvNets*.

    >>> read_records("none/yet.jsonl")
    []
    """
    with telling("read", path):
        try:
            data = read(path, LARGEST_FILE)
        except FileNotFoundError:
            return []
    lines = io.BytesIO(data[: data.rfind(b"\n") + 1])
    return [_record(line.rstrip(b"\r\n"), f"line {number} of {path}") for number, line in enumerate(lines, start=1)]


def append_records(path: str | Path, records: Iterable[Record]) -> list[Record]:
    """Append the records whose question the file does not answer yet, each synced before the next.

    Args:
        path: the file of records, made if it is not there.
        records: the records.

    Returns:
        Those that were written. Another writer may have answered the others in the meantime: nothing is doubled.

    Raises:
        DataError: if the file cannot be read or written, or a line of it was altered.

    Chapter: *Experiments on standard ConvNets*.
    """
    written = []
    with telling("write", path), appending(path, wait=True) as file:
        answered = {question_of(record) for record in read_records(path)}
        drop_torn_line(file)
        for record in records:
            if question_of(record) not in answered:
                append(file, _line(record), LARGEST_FILE)
                answered.add(question_of(record))
                written.append(record)
    return written


def _line(record):
    text = json.dumps(record.to_dict(), ensure_ascii=False)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})[:-1] + f', "record": {text}}}'


def _record(line, where):
    remedy = "restore the file, or remove the line"
    try:
        values = json.loads(line.decode())["record"]
        _require_sound(values)
        record = Record.from_dict(values)
        whole = _line(record).encode()
    except ConvacError as error:
        raise DataError(f"{where} is no record: {error}; {remedy}") from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{where} is no record; {remedy}") from error
    if line != whole:
        raise DataError(f"{where} was altered: its SHA-256 is not the one that it states; restore the file")
    return record


def _require_sound(values):
    """Raise `DataError` unless every field has a value that a training can have."""
    rules = {
        "must be text": (_is_text, "model", "source", "digest", "augment", "precision", "device", "versions"),
        "must be an integer of at least 1": (_is_count, "parameters", "n", "epochs", "batch_size", "side_by_side"),
        "must be an integer": (_is_integer, "seed"),
        "must be an integer or null": (lambda value: value is None or _is_integer(value), "weights_seed"),
        "must be a number of at least 0": (_is_amount, "learning_rate", "seconds"),
        "must be a number from 0 to 1": (_is_fraction, "augmented_accuracy", "train_accuracy", "test_accuracy"),
        "must be a list of finite numbers": (lambda value: _are(_is_finite, value), "losses"),
        "must be a list of numbers from 0 to 1": (lambda value: _are(_is_fraction, value), "accuracies"),
        "must be null, or a network of at most 1,024 layers": (_is_plan, "architecture"),
    }
    for rule, (holds, *names) in rules.items():
        for name in names:
            if not holds(values[name]):
                raise DataError(f"its {name} {rule}")


def _is_text(value):
    return isinstance(value, str)


def _is_integer(value):
    return type(value) is int and abs(value) <= LARGEST_NUMBER  # True is an int too


def _is_count(value):
    return _is_integer(value) and value >= 1


def _is_finite(value):
    return _is_integer(value) or type(value) is float and math.isfinite(value)


def _is_amount(value):
    return _is_finite(value) and 0 <= value <= LARGEST_NUMBER


def _is_fraction(value):
    return _is_finite(value) and 0 <= value <= 1


def _are(rule, values):
    return isinstance(values, list) and all(map(rule, values))


def _is_plan(plan):
    """Whether it can be handed to `Architecture`, which checks the rest."""
    if plan is None:
        return True
    layers = plan["layers"]
    return (
        isinstance(layers, list)
        and len(layers) <= MOST_LAYERS
        and all(_is_count(layer[name]) for layer in layers for name in ("receptive_field", "stride", "channels"))
        and all(type(layer["weight_free"]) is bool for layer in layers)
        and _is_count(plan["size"])
        and _is_count(plan["representation_channels"])
        and type(plan["shared"]) is bool
    )
