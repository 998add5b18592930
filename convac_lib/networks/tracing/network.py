"""Read your own network: the receptive fields and strides on the widest path of any torch model.

Taught in the chapter *The overlap theorem*.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from convac_lib.architecture import Architecture
from convac_lib.errors import ArchitectureError
from convac_lib.networks.tracing.checking import Check
from convac_lib.networks.tracing.square import SquareLayer, architecture_of, square_layers
from convac_lib.networks.tracing.windows import Step, Window, by


@dataclass(frozen=True)
class TracedNetwork:
    """What `from_torch` finds in a model: the layers of windows on its widest path, and an account of every operation.

    Printed, it is a table of the path's layers, followed by how every other operation was read.

    Attributes:
        image: the sides of the image, or of the map of patches above a representation.
        channels: its channels.
        account: every `Step`, in the order in which the model took them.
        path: the steps that are the path's layers.
        unread: the steps on which the output depends and which are not mapped; none if the network was read whole.
        check: what a gradient says of the windows of the last map.
        borders: the borders of the generalized convolutions among the layers.

    Chapter: *The overlap theorem*.
    """

    image: tuple[int, ...]
    channels: int
    account: tuple[Step, ...]
    path: tuple[Step, ...]
    unread: tuple[Step, ...]
    check: Check
    borders: frozenset[str] = frozenset()

    @property
    def read(self) -> str:
        """How much was read: "whole", or "part" if the output depends on what is not mapped, or the check fails."""
        return "part" if self.unread or self.check.agrees is False else "whole"

    @property
    def why_part(self) -> str:
        """Why the network was read in part, in words; "" if it was read whole."""
        if self.unread:
            return "; ".join(_counted(self.unread))
        return self.check.words if self.check.agrees is False else ""

    @property
    def windows(self) -> tuple[tuple[Window, ...], ...]:
        """What each layer of the path sees of the image: for each axis, its start, total field and total stride."""
        return tuple(step.seen for step in self.path)

    @cached_property
    def squares(self) -> tuple[SquareLayer, ...]:
        """The path's layers as square ones: neighbours whose windows are not square are taken together until they are.

        Raises:
            ArchitectureError: if the image is not square, or no square comes of the last layers.
        """
        return tuple(square_layers(self.path, self.image))

    @cached_property
    def architecture(self) -> Architecture:
        """The path as an `Architecture`, whose windows are square.

        Raises:
            ArchitectureError: if the image is not square, or no square comes of the last layers.
        """
        return architecture_of(self.image[0], self.channels, self.squares, self.borders)

    def steps(self, role: str) -> tuple[Step, ...]:
        """Return the account's steps of one role.

        Args:
            role: the role, as in `Step`.
        """
        return tuple(step for step in self.account if step.role == role)

    @property
    def outside(self) -> Step | None:
        """The first step that no ConvAC has, so that the theory is not about this network; None for a ConvAC."""
        return next((step for step in self.account if not step.in_circuit), None)

    @property
    def other_sizes(self) -> dict[int, int]:
        """{l: the side of layer l's output in the model} where it differs from the architecture's, due to padding."""
        sizes = zip((each.side for each in self.squares), self.architecture.sizes)
        return {number: own for number, (own, size) in enumerate(sizes, start=1) if own != size}

    def __str__(self) -> str:
        try:
            lines = self._square_table()
        except ArchitectureError as reason:
            lines = [*self._table(), f"not square: {reason}"]
        lines.append(f"read: whole; {self.check}" if self.read == "whole" else f"read: in part; {self.why_part}")
        for role in ("representation", "dense", "off the path", "left out"):
            if steps := self.steps(role):
                lines.append(f"{role}: {'; '.join(_counted(steps) if role == 'left out' else map(str, steps))}")
        for role in ("pointwise", "join"):
            if counts := Counter(step.what for step in self.steps(role)):
                lines.append(f"{role}: {', '.join(f'{what} ×{count}' for what, count in counts.items())}")
        not_mapped = _counted(self.steps("not mapped"))
        not_mapped += [f"{len(self.steps('above'))} more operations above"] * bool(self.steps("above"))
        return "\n".join([*lines, f"not mapped: {'; '.join(not_mapped) or 'nothing'}"])

    def _square_table(self) -> list[str]:
        *table, _ = str(self.architecture).splitlines()
        read_from = ["read from", "", *map(str, self.squares)]
        sizes = ", ".join(f"{size}×{size} in layer {number}" for number, size in self.other_sizes.items())
        return [
            *(f"{row}  {words}".rstrip() for row, words in zip(table, read_from, strict=True)),
            f"{self.architecture.kind}, border {self.architecture.border!r}",
            f"sizes: the model's padding gives {sizes}" if sizes else "sizes: as the model's own",
        ]

    def _table(self) -> list[str]:
        """Return a table with the sides of every window along each axis."""
        header = (
            "layer", "receptive field", "stride", "channels", "output", "total receptive field", "total stride",
            "read from",
        )  # fmt: skip
        ones = (1,) * len(self.image)
        rows: list[tuple[str, ...]] = [("image", "", "", str(self.channels), by(self.image), by(ones), by(ones), "")]
        for number, (step, seen) in enumerate(zip(self.path, self.windows), start=1):
            sides = ([w.side for w in step.windows], [w.stride for w in step.windows])
            totals = ([w.side for w in seen], [w.stride for w in seen])
            cells = (*map(by, sides), str(step.channels), by(step.sizes), *map(by, totals), str(step))
            rows.append((str(number), *cells))
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        cut = [[cell.rjust(width) for cell, width in zip(row[:-1], widths)] + [row[-1]] for row in (header, *rows)]
        return ["  ".join(row).rstrip() for row in cut]


def _counted(steps: Sequence[Step]) -> list[str]:
    """Return the first of every kind of step in words, and how many there are."""
    counts, first = Counter(step.what for step in steps), {step.what: step for step in reversed(steps)}
    return [f"{first[what]}" + f" (×{count})" * (count > 1) for what, count in counts.items()]
