"""The record of a training run, and files of records: one line per record, with its checksum.

Taught in the chapter *Experiments on standard ConvNets*.
"""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from convac_lib.architecture import Architecture, Layer
from convac_lib.errors import ConvacError, DataError
from convac_lib.files import Journal

KEY_FIELDS = (
    "model", "architecture", "digest", "augment", "epochs", "batch_size", "learning_rate", "seed", "weights_seed",
    "precision",
)  # fmt: skip
LARGEST_FILE = 2**25  # bytes
LARGEST_NUMBER, MOST_LAYERS = 2**62, 1024


@dataclass(frozen=True)
class Record:
    """One training run: its settings, its results, and the machine that it ran on.

    Args:
        model: the network's class.
        architecture: its `Architecture`, or None where it has none.
        parameters: the number of its trained weights.
        source: the data set's source.
        digest: the data set's SHA-256.
        n: the number of training images.
        augment: how they were augmented, a key of `AUGMENTATIONS`.
        epochs: how often each training image was seen.
        batch_size: images per step.
        learning_rate: the learning rate of Adam.
        seed: the seed of the order and the augmentation of the images.
        weights_seed: the seed of the initial weights, or None where the caller drew them.
        losses: the mean training cross-entropy of each epoch, in nats, measured during the epoch.
        accuracies: the fraction of the augmented training images classified correctly in each epoch, as they were seen.
        augmented_accuracy: the same fraction after the last step, with fixed weights: the talk's measure.
        train_accuracy: the fraction of the training images, not augmented, classified correctly after the last step.
        test_accuracy: the fraction of the test images classified correctly after the last step.
        precision: the type in which the convolutions were computed.
        side_by_side: the number of networks that were trained in one pass, including this one.
        device: the GPU or processor that it ran on.
        versions: the versions of the software.
        seconds: the wall-clock time of the epochs and the evaluation, divided by the number of networks in the pass.

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

    def to_dict(self) -> dict[str, Any]:
        """Return the record as dictionaries, tuples, strings and numbers, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Record":
        """The inverse of `to_dict`.

        Raises:
            TypeError, KeyError: if a field is missing or unknown.
        """
        plan = values["architecture"]
        if plan is not None:
            plan = Architecture(**{**plan, "layers": tuple(Layer(**layer) for layer in plan["layers"])})
        curves = {name: tuple(values[name]) for name in ("losses", "accuracies")}
        return cls(**{**values, **curves, "architecture": plan})


def run_key(record: Record) -> tuple[object, ...]:
    """The settings that identify a run: two records with equal keys repeat one run."""
    return tuple(getattr(record, name) for name in KEY_FIELDS)


def read_records(path: str | Path) -> list[Record]:
    """Read the records of a file, except a last line that a killed run left unfinished.

    Args:
        path: a file of records; a missing file has no record.

    Returns:
        The records, in the order in which they were written.

    Raises:
        DataError: if the file cannot be read, or a line was altered.

    Chapter: *Experiments on standard ConvNets*.

    >>> read_records("none/yet.jsonl")
    []
    """
    lines = Journal(path, LARGEST_FILE).lines()
    return [_record(line, f"line {number} of {path}") for number, line in enumerate(lines, start=1)]


def append_records(path: str | Path, records: Iterable[Record]) -> list[Record]:
    """Append the records of runs that the file does not hold yet; sync each before the next.

    Args:
        path: the file of records; it is made if it is missing.
        records: the records.

    Returns:
        The records that were written. The others repeat runs that the file holds, perhaps from another writer.

    Raises:
        DataError: if the file cannot be read or written, or a line of it was altered.

    Chapter: *Experiments on standard ConvNets*.
    """
    written = []
    with Journal(path, LARGEST_FILE).appending(wait=True) as append_line:
        recorded = {run_key(record) for record in read_records(path)}
        for record in records:
            if run_key(record) not in recorded:
                append_line(_line(record))
                recorded.add(run_key(record))
                written.append(record)
    return written


def _line(record: Record) -> str:
    text = json.dumps(record.to_dict(), ensure_ascii=False)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest()})[:-1] + f', "record": {text}}}'


def _record(line: bytes, where: str) -> Record:
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


def _require_sound(values: dict[str, Any]) -> None:
    """Raise `DataError` unless every field has a value that a training can have."""
    for rule in _rules():
        for name in rule.fields:
            if not rule.holds(values[name]):
                raise DataError(f"its {name} {rule.words}")


class _Rule(NamedTuple):
    words: str
    holds: Callable[[object], bool]
    fields: tuple[str, ...]


def _rules() -> list[_Rule]:
    return [
        _Rule("must be text", _is_text, ("model", "source", "digest", "augment", "precision", "device", "versions")),
        _Rule(
            "must be an integer of at least 1",
            _is_count,
            ("parameters", "n", "epochs", "batch_size", "side_by_side"),
        ),
        _Rule("must be an integer", _is_integer, ("seed",)),
        _Rule("must be an integer or null", lambda value: value is None or _is_integer(value), ("weights_seed",)),
        _Rule("must be a number of at least 0", _is_amount, ("learning_rate", "seconds")),
        _Rule("must be a number from 0 to 1", _is_fraction, ("augmented_accuracy", "train_accuracy", "test_accuracy")),
        _Rule("must be a list of finite numbers", lambda value: _are(_is_finite, value), ("losses",)),
        _Rule("must be a list of numbers from 0 to 1", lambda value: _are(_is_fraction, value), ("accuracies",)),
        _Rule("must be null, or a network of at most 1,024 layers", _is_plan, ("architecture",)),
    ]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


def _is_count(value: object) -> bool:
    return _is_integer(value) and value >= 1


def _is_finite(value: object) -> TypeGuard[float]:
    return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))


def _is_amount(value: object) -> bool:
    return _is_finite(value) and 0 <= value <= LARGEST_NUMBER


def _is_fraction(value: object) -> bool:
    return _is_finite(value) and 0 <= value <= 1


def _are(rule: Callable[[object], bool], values: object) -> bool:
    return isinstance(values, list) and all(map(rule, values))


def _is_plan(plan: Any) -> bool:
    """Whether `Architecture` accepts the types of this JSON value; it checks the rest itself."""
    if plan is None:
        return True
    layers = plan["layers"]
    return (
        isinstance(layers, list)
        and len(layers) <= MOST_LAYERS
        and all(_is_count(layer[name]) for layer in layers for name in ("receptive_field", "stride", "channels"))
        and all(isinstance(layer["weight_free"], bool) for layer in layers)
        and _is_count(plan["size"])
        and _is_count(plan["representation_channels"])
        and isinstance(plan["shared"], bool)
    )
