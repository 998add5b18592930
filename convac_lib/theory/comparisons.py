"""The comparison of exact ranks with the bounds: random networks and cuts, one line of a CSV file each.

Each line is appended and synced, so that a stopped run resumes where it stopped.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from itertools import count
from math import prod
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from convac_lib.architecture import Architecture, Layer
from convac_lib.checks import require_integers
from convac_lib.errors import ConvacError, DataError, HypothesisError
from convac_lib.files import Journal
from convac_lib.theory.bound import KINDS
from convac_lib.theory.bounds import BOUNDS
from convac_lib.theory.cuts import CUTS, Cut, make_cut
from convac_lib.theory.fields import DEFAULT_PRIME, require_seed
from convac_lib.theory.gaps import REASONS, powers_of_one, reason_of
from convac_lib.theory.min_cut import find_cut
from convac_lib.theory.random_networks import draw_network
from convac_lib.theory.ranks import certify_rank, enough_rows
from convac_lib.theory.trees import Powers
from convac_lib.theory.unrolled import count_unrolled

LARGEST_CASES = 100_000
LARGEST_FILE = 2**23  # bytes
LARGEST_ROWS = 1_500  # that a case may need
LARGEST_UNROLLED = 2_000  # vertices
LARGEST_ENTRIES = 2**25  # of a whole matricization, where a sample does not decide
LONGEST_SAMPLE = 6_000  # rows, where that is larger
DRAWS = 4  # of weights, until a rank meets its upper bound
FINE = tuple(step / 20 for step in range(21))  # how strongly prices count on reuse, where the usual search leaves a gap


@dataclass(frozen=True)
class Comparison:
    """One network across one cut: its exact rank and its bounds.

    Attributes:
        seed, number: what `draw_network` drew it from.
        size, M, layers, border, shared, cut: the network and the cut, in words: layers as "R/S/C R/S/C …", and the cut
            as its name or as the patches of P.
        lower: the largest proved lower bound, or None where none applies.
        rank: the largest rank of all draws.
        upper: the upper bound, by the smallest min cut found; `plain` is the one without multisets.
        rows: how many rows or columns were taken, whichever are more.
        draws: how many draws of weights were made, by the seeds 0, 1, …; further ones follow while the rank is below
            its upper bound.
        reason: if the rank is below the bound and is that of the whole matricization, a key of `REASONS`.
        prime: p.

    Chapter: *How much overlap is enough*.
    """

    seed: int
    number: int
    size: int
    M: int
    layers: str
    border: str
    shared: bool
    cut: str
    lower: int | None
    rank: int
    upper: int
    plain: int
    rows: int
    draws: int
    reason: str
    prime: int

    @property
    def network(self) -> Architecture:
        """The network."""
        numbers = [[int(number) for number in layer.split("/")] for layer in self.layers.split(" ")]
        layers = [Layer(R, S, C) for R, S, C in numbers]
        return Architecture(self.size, self.M, layers, self.border, self.shared)

    @property
    def partition(self) -> Cut:
        """The cut."""
        return make_cut(self.cut if self.cut in CUTS else [int(patch) for patch in self.cut.split(" ")], self.size)

    @property
    def saturation(self) -> int:
        """The matricization's smaller side, M^min(|P|, |Q|)."""
        return int(self.M ** min(self.partition.sides))

    @property
    def whole(self) -> bool:
        """Whether the rank is that of the whole matricization."""
        return self.rows == int(self.M ** max(self.partition.sides))

    @property
    def status(self) -> str:
        """Whether the rank meets its upper bound: "equal", "below" if the whole matricization's does not, "undecided".

        A rank modulo p that equals the bound is the generic rank, which is proved then; so it is where the lower bound
        equals the upper one, though a sample may show less. A rank below is the generic rank unless every draw of
        weights was unlucky, which has a probability of at most degree/p each.
        """
        equal = self.upper in (self.rank, self.lower)
        return "equal" if equal else "below" if self.whole else "undecided"

    @property
    def violated(self) -> bool:
        """Whether a proved bound is false here, which would refute its proof or show a mistake in a program."""
        return max(self.rank, self.lower or 0) > self.upper or (self.whole and self.rank < (self.lower or 0))


HEADER = [field.name for field in fields(Comparison)]
NUMBER = "0|[1-9][0-9]*"
FORMS = dict.fromkeys(HEADER, NUMBER) | {
    "layers": r"\d+/\d+/\d+( \d+/\d+/\d+)*",
    "border": "neutral|ones|valid",
    "shared": "shared|unshared",
    "cut": "|".join(CUTS) + r"|\d+( \d+)*",
    "lower": f"|{NUMBER}",
    "reason": "|".join(REASONS),
}


def read_comparisons(path: str | Path) -> list[Comparison]:
    """Read the cases that `extend_comparisons` wrote, without a last line that was never finished.

    Args:
        path: a CSV file.

    Returns:
        The cases, in the order in which they were computed.

    Raises:
        DataError: if the file cannot be read, or a line is no case.

    Chapter: *How much overlap is enough*.
    """
    lines = Journal(path, LARGEST_FILE).lines(missing="write it with convac compare")
    if lines and lines[0] != ",".join(HEADER).encode():
        raise DataError(f"{path} holds no comparisons: its first line must be {','.join(HEADER)}")
    return [_case(line, f"line {number} of {path}") for number, line in enumerate(lines[1:], start=2)]


def extend_comparisons(path: str | Path, cases: int, *, seed: int = 0, progress: bool = False) -> None:
    """Draw networks and cuts and compare their exact ranks with both bounds, until a file holds so many cases.

    A case that the file holds already is passed over, and so is one that needs more than 1,500 rows or an unrolled
    network of over 2,000 vertices.

    Args:
        path: the CSV file; it is made if it is missing.
        cases: how many distinct cases the file is to hold in the end.
        seed: of the draws; a file may hold the cases of several seeds.
        progress: whether to draw a progress bar on stderr.

    Raises:
        ConvacError: if the number of cases is not an integer from 1 to 100,000, or the seed is no integer of at least
            0.
        DataError: if the file holds no comparisons, cannot be written, or another run is writing it.

    Chapter: *How much overlap is enough*.
    """
    require_integers(cases=cases)
    if cases > LARGEST_CASES:
        raise ConvacError(f"a file holds at most {LARGEST_CASES:,} cases, and {cases:,} were asked for; ask for fewer")
    require_seed(seed)
    journal = Journal(path, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        if not journal.lines():
            append_line(",".join(HEADER))
        found = read_comparisons(path)
        known = {(case.network, case.cut) for case in found}
        first = max((case.number + 1 for case in found if case.seed == seed), default=0)
        with tqdm(total=cases, initial=len(known), desc="comparing", unit="case", disable=not progress) as bar:
            for number in count(first):
                if len(known) >= cases:
                    break
                network, cut = draw_network(seed, number)
                place = network, _cut_in_words(cut)
                if place not in known and (case := compare(seed, number)):
                    append_line(_line(case))
                    known.add(place)
                    bar.update()


def compare(seed: int, number: int) -> Comparison | None:
    """Compare the exact rank of a drawn network with its bounds.

    Args:
        seed: what `draw_network` takes.
        number: the same.

    Returns:
        The `Comparison`, or None if it needs more than 1,500 rows or an unrolled network of over 2,000 vertices.

    Chapter: *How much overlap is enough*.

    >>> case = compare(seed=0, number=5)
    >>> case.lower, case.rank, case.upper
    (16, 64, 64)
    """
    network, cut = draw_network(seed, number)
    if count_unrolled(network)[0] > LARGEST_UNROLLED:
        return None
    found, sides = find_cut(network, cut), [network.representation_channels**side for side in cut.sides]
    upper, plain = _product(found.terms), _product(found.plain)
    rows = min(max(sides), enough_rows(upper))
    if min(rows, *sides) > LARGEST_ROWS or rows > 10 * LARGEST_ROWS:
        return None
    lower, draws = _lower(network, cut), 1
    rank = certify_rank(network, cut, rows=rows).rank
    if rank < upper:
        upper = min(upper, _product(find_cut(network, cut, FINE).terms))
    while max(rank, lower or 0) < upper and draws < DRAWS:
        rows = max(sides) if sides[0] * sides[1] <= LARGEST_ENTRIES else min(LONGEST_SAMPLE, max(sides))
        rank = max(rank, certify_rank(network, cut, rows=rows, seed=draws).rank)
        draws += 1
    below = max(rank, lower or 0) < upper and rows == max(sides)
    reason = reason_of(network, cut, rank, upper, rows) if below else ""
    return Comparison(
        seed=seed,
        number=number,
        size=network.size,
        M=network.representation_channels,
        layers=" ".join(f"{layer.receptive_field}/{layer.stride}/{layer.channels}" for layer in network.layers),
        border=network.border,
        shared=network.shared,
        cut=_cut_in_words(cut),
        lower=lower,
        rank=rank,
        upper=upper,
        plain=plain,
        rows=rows,
        draws=draws,
        reason=reason,
        prime=DEFAULT_PRIME,
    )


def _product(powers: Powers) -> int:
    return prod(base**exponent for base, exponent in powers)


def _lower(network: Architecture, cut: Cut) -> int | None:
    """Find the largest proved lower bound that applies."""
    values = []
    for name, bound in BOUNDS.items():
        if KINDS[name].relation == "≥":
            try:
                values.append(bound(network, cut).value)
            except HypothesisError:
                continue
    return max(values, default=None)


def _cut_in_words(cut: Cut) -> str:
    return cut.name if cut.listed is None else " ".join(map(str, cut.listed))


def _line(case: Comparison) -> str:
    words = {name: getattr(case, name) for name in HEADER}
    words["shared"] = "shared" if case.shared else "unshared"
    return ",".join("" if word is None else str(word) for word in words.values())


def _case(line: bytes, where: str) -> Comparison:
    try:
        words = dict(zip(HEADER, line.decode().split(","), strict=True))
        if not all(re.fullmatch(FORMS[name], word) for name, word in words.items()):
            raise ValueError
        values: dict[str, Any] = {name: int(word) if FORMS[name] == NUMBER else word for name, word in words.items()}
        values |= {"shared": words["shared"] == "shared", "lower": int(words["lower"]) if words["lower"] else None}
        case = Comparison(**values)
        case.network.require_patches_read().require_single_output()
        make_cut(case.partition, case.size)
    except (ValueError, ConvacError):
        start = line[:100].decode(errors="replace")
        raise DataError(f"{where} is no comparison: {start}; restore the file, or remove the line") from None
    return case


@dataclass(frozen=True)
class Count:
    """How many cases of a set are equal to their upper bound, below it, or undecided.

    Chapter: *How much overlap is enough*.
    """

    cases: int
    equal: int
    below: int
    undecided: int

    @property
    def share(self) -> float:
        """The share of the decided cases in which the rank is equal to the bound."""
        return self.equal / max(1, self.equal + self.below)


def count_comparisons(cases: Iterable[Comparison]) -> dict[str, Count]:
    """Count, set by set, in how many cases the rank meets its upper bound.

    Args:
        cases: from `read_comparisons`.

    Returns:
        The counts of all cases, of those in which the bound is neither 1 nor saturation, of every kind of cut, border
        and weights, of the widths for which the tree's rank is proved, and of those in which multisets matter.

    Chapter: *How much overlap is enough*.

    >>> counts = count_comparisons([compare(0, 5)])
    >>> counts["all"], counts["all"].share
    (Count(cases=1, equal=1, below=0, undecided=0), 1.0)
    """
    cases, counts = list(cases), {}
    for name, holds in SETS.items():
        statuses = [case.status for case in cases if holds(case)]
        counts[name] = Count(len(statuses), *(statuses.count(each) for each in ("equal", "below", "undecided")))
    return counts


def _decides(case: Comparison) -> bool:
    return 1 < case.upper < case.saturation


def _alternates(case: Comparison) -> bool:
    """Whether layers of stride 1 alternate with layers that do not overlap, across halves."""
    layers = case.network.layers
    return (
        case.border != "valid"
        and case.cut in ("left-right", "top-bottom")
        and len(layers) % 2 == 0
        and all(layer.stride == 1 for layer in layers[::2])
        and not any(layer.is_overlapping for layer in layers[1::2])
    )


SETS: dict[str, Callable[[Comparison], bool]] = {
    "all": lambda case: True,
    "1 < bound < saturation": _decides,
    **{f"cut {name}": lambda case, name=name: case.cut == name for name in CUTS},  # type: ignore[misc]
    "cut listed": lambda case: case.cut not in CUTS,
    **{f"border {name}": lambda case, name=name: case.border == name for name in ("neutral", "ones", "valid")},  # type: ignore[misc]
    "shared weights": lambda case: case.shared,
    "unshared weights": lambda case: not case.shared,
    "M and all channels powers of one integer": lambda case: powers_of_one(case.network.channels),
    "multisets matter": lambda case: case.upper < case.plain,
    "stride 1 alternates with no overlap, across halves": _alternates,
    "and all channels equal": lambda case: _alternates(case) and len({*case.network.channels[1:]}) == 1,
    "lower bound applies": lambda case: case.lower is not None,
    "lower bound meets upper bound": lambda case: case.lower == case.upper,
}
