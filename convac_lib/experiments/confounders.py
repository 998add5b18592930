"""The gap between networks with overlap and without, split by what else changes with B, as far as records tell.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from convac_lib.errors import ConvacError
from convac_lib.experiments.analysis import RunSummary, by_protocol, rows_of
from convac_lib.experiments.records import Record

UNEXPLAINED = "not explained"


@dataclass(frozen=True)
class Stage:
    """One network on the way from a network without overlap to one with overlap.

    Args:
        change: what was changed since the stage before; `UNEXPLAINED` for what no record explains, and empty for the
            first.
        network: the network in words, or how its training differs from that of the stage before.
        accuracies: the accuracy on augmented training images after the last step, one per seed.

    Chapter: *Experiments on standard ConvNets*.
    """

    change: str
    network: str
    accuracies: tuple[float, ...]

    @property
    def accuracy(self) -> float:
        """The mean over seeds."""
        return fmean(self.accuracies)


def gap_stages(
    records: Iterable[Record],
    B: int,
    C: int,
    *,
    longer: Iterable[Record] = (),
    unordered: Iterable[Record] = (),
) -> list[Stage]:
    """Go from the network of B = 1 and C channels to that of B and C, one confounder at a time.

    The way begins below: the network without overlap gets at least as many parameters, or as many as the sweep has, and
    then more epochs and its best learning rate. The way ends above: the overlapping network reads images without the
    order in their blocks, and then the images as they are. In between is the part of the gap that these records do not
    explain.

    Args:
        records: one sweep, in which both networks are.
        B: the receptive field of the overlapping network.
        C: the channels of both.
        longer: longer trainings of networks without overlap on the same images, at several learning rates.
        unordered: trainings of overlapping networks on images whose blocks are sorted; of several learning rates or
            numbers of epochs, the best counts.

    Returns:
        The stages, of which two neighbours differ by the change that the second names. A stage for which there is no
        record is left out.

    Raises:
        ConvacError: if the sweep lacks one of the two networks, or mixes protocols.

    Source: none; ours. Chapter: *Experiments on standard ConvNets*.
    """
    records = list(records)
    if len(by_protocol(records)) != 1:
        raise ConvacError("a gap is measured within one protocol; give the records of one sweep")
    rows = {(row.B, row.channels): row for row in rows_of(records)}
    for field in (1, B):
        if (field, C) not in rows:
            raise ConvacError(f"the records have no network with B = {field} and C = {C}; choose one that they have")
    top, bottom = rows[B, C], rows[1, C]
    stages = [Stage("", f"B = 1, C = {C}", bottom.accuracies)]
    wider = _large(rows.values(), top.parameters)
    if wider.channels > C:
        enough = "as many parameters" if wider.parameters >= top.parameters else "more parameters"
        stages.append(Stage(enough, f"B = 1, C = {wider.channels}", wider.accuracies))
    if best := _best_of(longer, 1, wider.channels):
        rate, row, epochs = best
        stages.append(Stage("longer training", f"{epochs} epochs, rate {rate:g}", row.accuracies))
    if blind := _best_of(unordered, B, C):
        _, row, epochs = blind
        stages.append(Stage(UNEXPLAINED, f"B = {B}, sorted, {epochs} epochs", row.accuracies))
    last = "order in blocks" if blind else UNEXPLAINED
    return [*stages, Stage(last, f"B = {B}, C = {C}", top.accuracies)]


def _large(rows: Iterable[RunSummary], parameters: int) -> RunSummary:
    """The smallest network without overlap that has at least this many parameters, or else the largest."""
    without = sorted((row for row in rows if row.B == 1), key=lambda row: row.parameters)
    return next((row for row in without if row.parameters >= parameters), without[-1])


def _best_of(records: Iterable[Record], B: int, C: int) -> tuple[float, RunSummary, int] | None:
    """The runs of a network with the largest mean accuracy: their learning rate, what they say, and their epochs."""
    by_rate: dict[tuple[float, int], list[Record]] = {}
    for record in records:
        by_rate.setdefault((record.learning_rate, record.epochs), []).append(record)
    found = [
        (rate, row, epochs)
        for (rate, epochs), runs in by_rate.items()
        for row in rows_of(runs)
        if (row.B, row.channels) == (B, C)
    ]
    return max(found, key=lambda each: each[1].accuracy, default=None)
