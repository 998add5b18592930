"""The atlas: exact ranks of the common case over a grid of sizes, M, B, channels and cuts, each with its certificate.

One line a cell, appended and synced, so that a run that was stopped goes on where it was.
"""

import re
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from itertools import islice, product
from pathlib import Path

from tqdm.auto import tqdm

from convac_lib.architecture import common_case
from convac_lib.errors import BudgetError, ConvacError, DataError
from convac_lib.files import append, appending, drop_torn_line, read, telling
from convac_lib.theory.bounds import Bound, bounds_of, saturation, talk_formula
from convac_lib.theory.certificates import LARGEST_HELD, LARGEST_WORK, cost_of, require_statable, require_work
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import LARGEST_SAMPLE, SAMPLED, issue, require_draws

HALVES = "left-right"  # the cut of which the talk claims something
CUTS = (HALVES, "interleaved")
LARGEST_CELLS = 10_000
LARGEST_BITS = 2**13  # of a number in a line
LARGEST_FILE = 2**24  # bytes


@dataclass(frozen=True)
class Cell:
    """One network of the common case across one cut: what was certified, and what the theory says beside it.

    Attributes:
        size, M, B, channels, cut: the network, as for `common_case`, and the cut.
        rank: that the certificate proves for almost all weights.
        status: "exact" if the rank meets a proved upper bound, "whole" if it is that of the whole matricization modulo
            p, which the generic rank passes with a probability of at most degree/p, "at least" if rows were sampled.
        rows: how many rows and columns were taken, at most.
        theorem: the bound of `theorem`, or None where it does not apply.
        formula: the talk's ⌈M^((2B−1)²/4)⌉, whether it holds or not; None for a cut that is no half.
        claim: of the formula: "false" if the matricization is smaller, "vacuous" if it is at most the channels, which
            networks without overlap reach too, "proved" if the rank or the theorem attains it, "open" otherwise.
        upper: the smallest proved upper bound: saturation, and without overlap the tree's.
        prime, seed: of the draw.
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
    formula: int | None
    claim: str | None
    upper: int
    prime: int
    seed: int
    certificate: str

    @property
    def place(self) -> tuple[int, int, int, int, str]:
        """(size, M, B, channels, cut): where in the atlas this cell stands."""
        return self.size, self.M, self.B, self.channels, self.cut


HEADER = [field.name for field in fields(Cell)]
OPTIONAL = ("theorem", "formula", "claim")
WORDS = {
    "cut": "|".join(CUTS),
    "status": "exact|whole|at least",
    "claim": "false|vacuous|proved|open",
    "certificate": "[0-9a-f]{64}",  # a part of it names a file
}


def read_atlas(path: str | Path) -> list[Cell]:
    """Read the cells of an atlas; a last line that was never finished is not there.

    Args:
        path: a CSV file that `chart` wrote.

    Returns:
        The cells, in the order in which they were computed.

    Raises:
        DataError: if the file cannot be read, or a line is no cell.

    Chapter: *The overlap theorem*.
    """
    with telling("read", path, missing="write it with convac atlas"):
        data = read(path, LARGEST_FILE)
    lines = [line.rstrip(b"\r") for line in data.split(b"\n")[:-1]]
    if lines and lines[0] != _line(HEADER).encode():
        raise DataError(f"{path} is no atlas: its first line must be {_line(HEADER)}")
    return [_cell(line, f"line {number} of {path}") for number, line in enumerate(lines[1:], start=2)]


def chart(
    path: str | Path,
    sizes: Iterable[int],
    M: Iterable[int],
    B: Iterable[int],
    *,
    progress: bool = False,
) -> None:
    """Certify every cell that the atlas does not hold yet: C = M and C = 2M, left | right and interleaved columns.

    A certificate is written before its line, and a line is synced before the next cell begins; whatever stops a run,
    the lines that are there are true.

    Args:
        path: the CSV file; certificates go into the folder `certificates` beside it.
        sizes: H, sides of the image, powers of two.
        M: numbers of representation channels.
        B: receptive fields of the layers of stride 1; 1 is the network without overlap.
        progress: whether to draw progress bars on stderr.

    Raises:
        ArchitectureError: if a number makes no common case.
        ConvacError: if no certificate can state a network, or there are over 10,000 cells.
        BudgetError: if a cell takes more memory than is free, or too much time, before any is certified.
        DataError: if the file is no atlas, cannot be written, or another run is writing it.

    Chapter: *The overlap theorem*.
    """
    path = Path(path)
    sizes, M, B = (list(islice(numbers, LARGEST_CELLS + 1)) for numbers in (sizes, M, B))
    if (count := 4 * len(sizes) * len(M) * len(B)) > LARGEST_CELLS:
        raise ConvacError(
            f"an atlas may chart {LARGEST_CELLS:,} cells at once, and this grid has {count:,}; chart parts of it"
        )
    plans = {
        (H, m, b, C, cut): common_case(b, m, H, C)
        for H, m, b in product(sizes, M, B)
        for C in (m, 2 * m)
        for cut in CUTS
    }
    for plan in plans.values():
        require_statable(plan, DEFAULT_PRIME)
    done = {cell.place for cell in read_atlas(path)} if path.is_file() else set()
    for place, plan in plans.items():
        if place not in done:
            _require_affordable(plan, place)
    with telling("write", path), appending(path, wait=False) as file:
        done = {cell.place for cell in read_atlas(path)}
        missing = [place for place in plans if place not in done]
        if not drop_torn_line(file):
            append(file, _line(HEADER), LARGEST_FILE)
        for place in tqdm(missing, desc="atlas", disable=not progress):
            append(file, _line(astuple(_certify(plans[place], place, path, progress))), LARGEST_FILE)


def certificate_path(atlas: str | Path, cell: Cell) -> Path:
    """Where the certificate of a cell of this atlas lies."""
    return Path(atlas).parent / "certificates" / f"{cell.certificate[:16]}.json"


def _require_affordable(architecture, place):
    """Refuse a cell that its certificate could not hold, or that takes too much."""
    _, M, B, _, cut = place
    rows = _asked(architecture, B, M, cut)[-1]
    cut = make_cut(cut, architecture.size)
    require_work(architecture, cut.rows, 1, "use smaller windows or a smaller image")
    require_draws(architecture, cut, rows, [0], [DEFAULT_PRIME])


def _asked(architecture, B, M, cut):
    """The bounds' values, the talk's formula, what the theorem proves, and how many rows to take."""
    bounds = {name: bound.value for name, bound in bounds_of(architecture, cut).items() if isinstance(bound, Bound)}
    formula, proved = talk_formula(B, M) if cut == HALVES else None, bounds.get("theorem", 0)
    if formula and formula.log2 > LARGEST_BITS:
        raise BudgetError(
            f"an atlas writes the talk's formula out, and {formula.power} is too long; use a smaller B or M"
        )
    formula = formula and formula.value
    return bounds, formula, proved, _rows(architecture, cut, formula, proved)


def _certify(architecture, place, atlas, progress):
    """Certify one cell, and leave its certificate beside the atlas."""
    _, M, B, channels, cut = place
    bounds, formula, proved, rows = _asked(architecture, B, M, cut)
    certified, certificate = issue(architecture, cut, rows=rows, progress=progress)
    upper = min(bounds["saturation"], bounds.get("non_overlapping_upper", bounds["saturation"]))
    cell = Cell(
        *place,
        rank=certified.rank,
        status="exact" if certified.rank == upper else "whole" if certified.full else "at least",
        rows=max(certified.rows, certified.columns),
        theorem=bounds.get("theorem"),
        formula=formula,
        claim=_claim(formula, channels, max(certified.rank, proved), bounds["saturation"]),
        upper=upper,
        prime=certified.prime,
        seed=certified.seed,
        certificate=certificate.document()["digest"],
    )
    certificate.save(certificate_path(atlas, cell))
    return cell


def _claim(formula, channels, proved, side):
    if formula is None:
        return None
    if formula > side:
        return "false"
    if formula <= channels:
        return "vacuous"
    return "proved" if formula <= proved else "open"


def _rows(architecture, cut, formula, proved):
    """The whole matricization if it is small; else enough for the talk's formula, where that is not proved already.

    Fewer, if checking so many would take more than a quarter of an hour or so.
    """
    side, patches = saturation(architecture, cut).value, make_cut(cut, architecture.size).rows
    wanted = SAMPLED
    if side <= LARGEST_SAMPLE:
        wanted = side
    elif formula and proved < formula <= LARGEST_SAMPLE:
        wanted = formula
    for rows in (max(wanted, SAMPLED), *(SAMPLED >> halvings for halvings in range(10))):
        work, held = cost_of(architecture, patches, min(rows, side))
        if work <= LARGEST_WORK // 4 and held <= LARGEST_HELD:
            return rows
    return 1


def _line(words):
    return ",".join("" if word is None else str(word) for word in words)


def _cell(line, where):
    try:
        words = zip(HEADER, line.decode().split(","), strict=True)
        return Cell(**{name: _value(name, word) for name, word in words})
    except ValueError:
        start = line[:100].decode(errors="replace")
        raise DataError(f"{where} is no cell of an atlas: {start}; restore the file, or remove the line") from None


def _value(name, word):
    """The value of a field; raises ValueError if it can have no such value."""
    if word == "" and name in OPTIONAL:
        return None
    if not re.fullmatch(WORDS.get(name, "0|[1-9][0-9]*"), word):
        raise ValueError
    return word if name in WORDS else int(word)
