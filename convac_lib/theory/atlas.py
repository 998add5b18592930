"""The atlas: exact ranks of the common case over a grid of sizes, M, B, channels and cuts, each with its certificate.

Each cell of the grid is one line of a CSV file, appended and synced, so that a stopped run resumes where it stopped.
"""

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from itertools import islice, product
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from convac_lib.architecture import Architecture
from convac_lib.errors import BudgetError, ConvacError, DataError
from convac_lib.families import common_case
from convac_lib.files import Journal
from convac_lib.theory.bound import Bound
from convac_lib.theory.bounds import bounds_of, saturation, talk_formula
from convac_lib.theory.certificates import require_statable
from convac_lib.theory.checker_costs import LARGEST_HELD, LARGEST_WORK, checking_cost, require_checkable
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import LARGEST_SAMPLE, SAMPLED, issue_certificate, require_draws

HALVES = "left-right"  # the cut that the talk's formula is about
CUTS = (HALVES, "interleaved")
BOUNDS_OF_A_CELL = ("theorem", "chain", "non_overlapping_upper", "min_cut", "saturation")
LARGEST_CELLS = 10_000  # that one call adds
LARGEST_BITS = 2**13  # of a number in a line
LARGEST_FILE = 2**24  # bytes

Place = tuple[int, int, int, int, str]  # (size, M, B, channels, cut)


@dataclass(frozen=True)
class AtlasEntry:
    """One cell of the grid, a network of the common case across one cut: what is certified, and what the theory says.

    Attributes:
        size, M, B, channels, cut: the network, as for `common_case`, and the cut.
        rank: the rank that the certificate proves for almost all weights.
        status: "exact" if the rank meets a proved upper bound, "whole" if it is that of the whole matricization modulo
            p, which the generic rank exceeds with a probability of at most degree/p, "at least" if rows were sampled.
        rows: the number of rows or of columns taken, whichever is larger.
        theorem: the bound of `theorem`, or None where it does not apply.
        chain: the bound of `chain`, or None where it does not apply.
        formula: the talk's ⌈M^((2B−1)²/4)⌉, whether it holds or not; None for a cut that is not into halves.
        claim: of the formula: "false" if the matricization is smaller, "vacuous" if it is at most the channels, which
            networks without overlap reach too, "proved" if the rank, the theorem or the chain bound attains it, "open"
            otherwise.
        upper: the smallest proved upper bound: the min cut, saturation, and without overlap the tree's.
        prime, seed: p and the seed of the draw.
        certificate: the digest, whose first 16 digits name the file.

    Chapter: *The overlap theorem*.
    """

    size: int
    M: int
    B: int
    channels: int
    cut: str
    rank: int
    status: str
    rows: int
    theorem: int | None
    chain: int | None
    formula: int | None
    claim: str | None
    upper: int
    prime: int
    seed: int
    certificate: str

    @property
    def place(self) -> Place:
        """(size, M, B, channels, cut), which identify a cell."""
        return self.size, self.M, self.B, self.channels, self.cut


HEADER = [field.name for field in fields(AtlasEntry)]
OPTIONAL = ("theorem", "chain", "formula", "claim")
WORDS = {
    "cut": "|".join(CUTS),
    "status": "exact|whole|at least",
    "claim": "false|vacuous|proved|open",
    "certificate": "[0-9a-f]{64}",  # a part of it names a file
}


def read_atlas(path: str | Path) -> list[AtlasEntry]:
    """Read the entries of an atlas, without a last line that was never finished.

    Args:
        path: a CSV file that `extend_atlas` wrote.

    Returns:
        The entries, in the order in which they were computed.

    Raises:
        DataError: if the file cannot be read, or a line is not an entry.

    Chapter: *The overlap theorem*.
    """
    lines = Journal(path, LARGEST_FILE).lines(missing="write it with convac atlas")
    if lines and lines[0] != _line(HEADER).encode():
        raise DataError(f"{path} is no atlas: its first line must be {_line(HEADER)}")
    return [_entry(line, f"line {number} of {path}") for number, line in enumerate(lines[1:], start=2)]


def extend_atlas(
    path: str | Path,
    sizes: Iterable[int],
    M: Iterable[int],
    B: Iterable[int],
    *,
    progress: bool = False,
) -> None:
    """Certify every cell that the atlas does not hold yet: C = M and C = 2M, left | right and interleaved columns.

    A certificate is written before its line, and a line is synced before the next cell begins. Whatever stops a run,
    the lines in the file are true.

    Args:
        path: the CSV file; certificates go into the folder `certificates` beside it.
        sizes: H, sides of the image, powers of two.
        M: numbers of representation channels.
        B: receptive fields of the layers of stride 1; 1 is the network without overlap.
        progress: whether to draw progress bars on stderr.

    Raises:
        ArchitectureError: if a number makes no common case.
        ConvacError: if no certificate can state a network, or there are over 10,000 cells.
        BudgetError: before any cell is certified, if one takes more memory than is free, or too much time.
        DataError: if the file is not an atlas, cannot be written, or another run is writing it.

    Chapter: *The overlap theorem*.
    """
    path = Path(path)
    plans = _plans(*(list(islice(numbers, LARGEST_CELLS + 1)) for numbers in (sizes, M, B)))
    for plan in plans.values():
        require_statable(plan, DEFAULT_PRIME)
    done = {entry.place for entry in read_atlas(path)} if path.is_file() else set()
    for place, plan in plans.items():
        if place not in done:
            _require_affordable(plan, place)
    journal = Journal(path, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        done = {entry.place for entry in read_atlas(path)}
        missing = [place for place in plans if place not in done]
        if not journal.lines():
            append_line(_line(HEADER))
        for place in tqdm(missing, desc="atlas", disable=not progress):
            entry = _certify(plans[place], place, path, progress)
            append_line(_line(astuple(entry)))


def _plans(sizes: list[int], M: list[int], B: list[int]) -> dict[Place, Architecture]:
    """Build the network of every cell of a grid; refuse a grid of too many cells."""
    if (count := 4 * len(sizes) * len(M) * len(B)) > LARGEST_CELLS:
        raise ConvacError(
            f"an atlas may chart {LARGEST_CELLS:,} cells at once, and this grid has {count:,}; chart parts of it"
        )
    return {
        (H, m, b, C, cut): common_case(b, m, H, C)
        for H, m, b in product(sizes, M, B)
        for C in (m, 2 * m)
        for cut in CUTS
    }


def certificate_path(atlas: str | Path, entry: AtlasEntry) -> Path:
    """Return the path of an entry's certificate, in the folder beside the atlas."""
    return Path(atlas).parent / "certificates" / f"{entry.certificate[:16]}.json"


def _require_affordable(architecture: Architecture, place: Place) -> None:
    """Refuse a cell whose certificate cannot be written, or that takes too much memory or time."""
    cut = make_cut(place[-1], architecture.size)
    rows = _ask(architecture, place).rows
    require_checkable(architecture, cut.rows, 1, "use smaller windows or a smaller image")
    require_draws(architecture, cut, rows, [0], [DEFAULT_PRIME])


@dataclass(frozen=True)
class _Question:
    """What the theory says of a cell before its rank is known, and how many rows to take.

    Attributes:
        theorem: the theorem's bound, or None where it does not apply.
        chain: the chain bound, or None where it does not apply.
        formula: the talk's formula; None for a cut that is not into halves.
        saturation: the matricization's smaller side.
        upper: the smallest upper bound.
        rows: how many rows and columns to take.
    """

    theorem: int | None
    chain: int | None
    formula: int | None
    saturation: int
    upper: int
    rows: int


def _ask(architecture: Architecture, place: Place) -> _Question:
    _, M, B, _, cut = place
    found = bounds_of(architecture, cut)
    bounds = [bound for name in BOUNDS_OF_A_CELL if isinstance(bound := found[name], Bound)]
    values = {bound.name: bound.value for bound in bounds}
    formula, proved = talk_formula(B, M) if cut == HALVES else None, values.get("theorem")
    if formula and formula.log2 > LARGEST_BITS:
        raise BudgetError(
            f"an atlas writes the talk's formula out, and {formula.power} is too long; use a smaller B or M"
        )
    claimed = formula.value if formula else None
    return _Question(
        theorem=proved,
        chain=values.get("chain"),
        formula=claimed,
        saturation=values["saturation"],
        upper=min(values[bound.name] for bound in bounds if bound.relation == "≤"),
        rows=_rows(architecture, cut, claimed, proved or 0),
    )


def _certify(architecture: Architecture, place: Place, atlas: Path, progress: bool) -> AtlasEntry:
    """Certify one cell, and write its certificate beside the atlas."""
    size, M, B, channels, cut = place
    question = _ask(architecture, place)
    certified, certificate = issue_certificate(architecture, cut, rows=question.rows, progress=progress)
    proved = max(certified.rank, question.theorem or 0, question.chain or 0)
    entry = AtlasEntry(
        size=size,
        M=M,
        B=B,
        channels=channels,
        cut=cut,
        rank=certified.rank,
        status="exact" if certified.rank == question.upper else "whole" if certified.full else "at least",
        rows=max(certified.rows, certified.columns),
        theorem=question.theorem,
        chain=question.chain,
        formula=question.formula,
        claim=_claim(question.formula, channels, proved, question.saturation),
        upper=question.upper,
        prime=certified.prime,
        seed=certified.seed,
        certificate=certificate.document()["digest"],
    )
    certificate.save(certificate_path(atlas, entry))
    return entry


def _claim(formula: int | None, channels: int, proved: int, side: int) -> str | None:
    if formula is None:
        return None
    if formula > side:
        return "false"
    if formula <= channels:
        return "vacuous"
    return "proved" if formula <= proved else "open"


def _rows(architecture: Architecture, cut: str, formula: int | None, proved: int) -> int:
    """Take the whole matricization if it is small; else enough for the talk's formula, unless the theorem proves it.

    The chain bound proves it wherever it is not false. A certificate bears this out where it can.

    Take fewer rows if checking the certificate would take more than about a quarter of an hour.
    """
    side, patches = saturation(architecture, cut).value, make_cut(cut, architecture.size).rows
    wanted = SAMPLED
    if side <= LARGEST_SAMPLE:
        wanted = side
    elif formula and proved < formula <= LARGEST_SAMPLE:
        wanted = formula
    for rows in (max(wanted, SAMPLED), *(SAMPLED >> halvings for halvings in range(10))):
        work, held = checking_cost(architecture, patches, min(rows, side))
        if work <= LARGEST_WORK // 4 and held <= LARGEST_HELD:
            return rows
    return 1


def _line(words: Iterable[object]) -> str:
    return ",".join("" if word is None else str(word) for word in words)


def _entry(line: bytes, where: str) -> AtlasEntry:
    try:
        words = zip(HEADER, line.decode().split(","), strict=True)
        return AtlasEntry(**{name: _value(name, word) for name, word in words})
    except ValueError:
        start = line[:100].decode(errors="replace")
        raise DataError(f"{where} is no cell of an atlas: {start}; restore the file, or remove the line") from None


def _value(name: str, word: str) -> Any:  # the type is the field's
    """Read the value of a field; raise ValueError if it can have no such value."""
    if word == "" and name in OPTIONAL:
        return None
    if not re.fullmatch(WORDS.get(name, "0|[1-9][0-9]*"), word):
        raise ValueError
    return word if name in WORDS else int(word)
