"""Records of explorers: their states on the disk, so that a card is shown without computing anything."""

import gzip
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from convac_lib.errors import MALFORMED, DataError
from convac_lib.files import replace, results_path
from convac_lib.visuals.view import State, View

RECORDS = results_path("explorers")
States = dict[State, View | None]


def read_record(name: str, letters: tuple[str, ...], view: Callable[..., View | None]) -> States:
    """Read the states that an explorer's record holds.

    Args:
        name: the explorer's.
        letters: the arguments of the view, in the order of a state's values.
        view: the explorer's. States of a view whose code has changed since are not read.

    Returns:
        The views by state; none if there is no such record, or the record has other letters or another view.

    Raises:
        DataError: if the record is damaged.

    Chapter: *The overlap theorem*.
    """
    path = RECORDS / f"{name}.json.gz"
    try:
        record = json.loads(gzip.decompress(path.read_bytes()))
        if record["letters"] != list(letters) or record["code"] != code_of(view):
            return {}
        return {tuple(state): seen and _view(seen) for state, seen in record["states"]}
    except FileNotFoundError:
        return {}
    except MALFORMED as error:
        raise DataError(f"{path} is damaged ({error}); restore it, or write it again with make notebooks") from None


def write_record(name: str, letters: tuple[str, ...], view: Callable[..., View | None], states: States) -> None:
    """Write the states of an explorer, unless its record holds the same already.

    Args:
        name: the explorer's.
        letters: the arguments of the view, in the order of a state's values.
        view: the explorer's.
        states: the views by state; None for a state that does not exist.

    Chapter: *The overlap theorem*.
    """
    record = {
        "letters": letters,
        "code": code_of(view),
        "states": [[state, plain(seen)] for state, seen in states.items()],
    }
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    path = RECORDS / f"{name}.json.gz"
    if not path.exists() or gzip.decompress(path.read_bytes()).decode() != text:  # another zlib writes other bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        replace(path, gzip.compress(text.encode(), mtime=0))


def code_of(view: Callable[..., View | None]) -> str:
    """Return a digest of the source of a view; the functions that it calls do not count.

    >>> code_of(code_of) == code_of(read_record)
    False
    """
    return hashlib.sha256(inspect.getsource(view).encode()).hexdigest()[:16]


def plain(view: View | None) -> dict[str, object] | None:
    """Return a view as plain JSON values, without empty fields; None for None.

    >>> plain(View("<svg/>", "A line.", "The rank is 2."))
    {'picture': '<svg/>', 'alt': 'A line.', 'reading': 'The rank is 2.'}
    """
    if view is None:
        return None
    written: dict[str, object] = json.loads(json.dumps({name: value for name, value in asdict(view).items() if value}))
    return written


def _view(seen: Mapping[str, Any]) -> View:
    spots = tuple((tuple(place), values) for place, values in seen.get("spots", ()))
    return View(**{**seen, "spots": spots})
