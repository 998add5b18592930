"""The bounds on a network's rank, as JSON and as a table."""

from collections.abc import Mapping

from convac_lib.errors import ConvacError
from convac_lib.theory.bound import KINDS, Bound

LARGEST_LOG2 = 1024  # most readers of JSON store numbers as floats, which hold nothing larger


def bounds_report(bounds: Mapping[str, Bound | ConvacError]) -> dict[str, object]:
    """List bounds for JSON: exact integers, their logarithms, their statements, and the reason where one is null."""
    values: dict[str, int | None] = dict.fromkeys(bounds)
    logarithms, statements, why = {}, {}, {}
    for name, bound in bounds.items():
        if not isinstance(bound, Bound):
            why[name] = str(bound)
            continue
        logarithms[name], statements[name] = bound.log2, bound.statement
        if bound.log2 < LARGEST_LOG2:
            values[name] = bound.value
        else:
            why[name] = f"{bound.power} is too large to write out; its log2 is given"
    return {**values, "log2": logarithms, "statements": statements, "why": why}


def bounds_table(bounds: Mapping[str, Bound | ConvacError]) -> str:
    """Write one line per bound: its name, and what it claims or why it does not apply."""
    lines = []
    for name, bound in bounds.items():
        if isinstance(bound, Bound):
            claim = f"rank {bound.relation} {bound}  [{bound.status}]"
        else:
            claim = f"does not apply: {bound}"
        lines.append(f"{KINDS[name].title:<22} {claim}")
    return "\n".join(lines)


def number(value: int) -> int | None:
    """Return an integer for JSON, or None if it is larger than most readers of JSON take."""
    return value if value.bit_length() <= LARGEST_LOG2 else None
