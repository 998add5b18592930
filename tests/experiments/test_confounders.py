"""The gap between two networks, split: the stages are records, and their gains add up to the gap."""

import pytest
from helpers.records import record

from convac_lib.errors import ConvacError
from convac_lib.experiments.confounders import UNEXPLAINED, gap_stages
from convac_lib.experiments.records import read_records
from convac_lib.families import common_case
from convac_lib.files import results_path

SWEEP, LONGER, SORTED, SORTED_LONGER, PHOTOGRAPHS = (
    read_records(results_path(f"{name}.jsonl"))
    for name in ("digits-sweep", "digits-longer", "digits-sorted", "digits-sorted-longer", "cifar10-jpeg")
)


def mean_of(records, B, C, rate=None):
    """By a plain loop over the records."""
    found = [
        record.augmented_accuracy
        for record in records
        if record.architecture.layers[0].receptive_field == B
        and record.architecture.layers[0].channels == C
        and rate in (None, record.learning_rate)
    ]
    assert found
    return sum(found) / len(found)


@pytest.mark.parametrize("B", [2, 3])
@pytest.mark.parametrize("C", [2, 4, 8, 16, 32])
def test_the_gains_add_up_to_the_gap(B, C):
    stages = gap_stages(SWEEP, B, C, longer=LONGER, unordered=SORTED)
    whole = mean_of(SWEEP, B, C) - mean_of(SWEEP, 1, C)
    assert stages[0].accuracy == pytest.approx(mean_of(SWEEP, 1, C))
    assert stages[-1].accuracy - stages[0].accuracy == pytest.approx(whole)
    assert [stage.change for stage in stages].count(UNEXPLAINED) == 1 and stages[0].change == ""


def test_every_stage_of_the_digits_is_the_mean_of_its_records():
    stages = gap_stages(SWEEP, 2, 16, longer=LONGER, unordered=SORTED)
    assert [stage.change for stage in stages] == [
        "", "as many parameters", "longer training", UNEXPLAINED, "order in blocks",
    ]  # fmt: skip
    best = max((0.003, 0.01, 0.03), key=lambda rate: mean_of(LONGER, 1, 32, rate))
    means = mean_of(SWEEP, 1, 16), mean_of(SWEEP, 1, 32), mean_of(LONGER, 1, 32, best), mean_of(SORTED, 2, 16)
    assert [stage.accuracy for stage in stages] == pytest.approx([*means, mean_of(SWEEP, 2, 16)])
    assert stages[2].network == f"60 epochs, rate {best:g}"
    assert all(len(stage.accuracies) == 5 for stage in stages)


@pytest.mark.parametrize("B", [2, 3])
def test_sorted_images_are_trained_on_as_long_as_the_network_without_overlap(B):
    """Then the part that is not explained compares two networks of equally long training."""
    stages = gap_stages(SWEEP, B, 16, longer=LONGER, unordered=SORTED_LONGER)
    rates = sorted({record.learning_rate for record in SORTED_LONGER})
    assert rates == [0.003, 0.01, 0.03] and {record.epochs for record in [*LONGER, *SORTED_LONGER]} == {60}
    assert {record.digest for record in SORTED_LONGER} == {record.digest for record in SORTED}
    assert stages[3].change == UNEXPLAINED and stages[3].network == f"B = {B}, sorted, 60 epochs"
    assert stages[3].accuracy == pytest.approx(max(mean_of(SORTED_LONGER, B, 16, rate) for rate in rates))
    assert stages[3].accuracy > mean_of(SORTED, B, 16)


@pytest.mark.parametrize("C", [4, 8, 16, 32, 64])
def test_twice_the_channels_of_B_1_are_as_many_parameters_as_B_2(C):
    bottom, wide, top = gap_stages(PHOTOGRAPHS, 2, C)
    assert (bottom.network, wide.network, top.network) == (f"B = 1, C = {C}", f"B = 1, C = {2 * C}", f"B = 2, C = {C}")
    counts = {
        (each.architecture.layers[0].receptive_field, each.architecture.layers[0].channels): each.parameters
        for each in PHOTOGRAPHS
    }
    assert counts[1, C] < counts[2, C] <= counts[1, 2 * C]


def test_on_photographs_the_part_of_the_parameters_falls_and_the_rest_grows():
    """What the chapter says of B = 2: of more channels, parameters explain less."""
    shares, rest = [], []
    for C in (4, 8, 16, 32, 64):
        bottom, wide, top = (stage.accuracy for stage in gap_stages(PHOTOGRAPHS, 2, C))
        shares.append((wide - bottom) / (top - bottom))
        rest.append(top - wide)
    assert shares == sorted(shares, reverse=True) and rest == sorted(rest)


def test_where_no_network_has_as_many_parameters_the_largest_is_taken():
    stages = gap_stages(SWEEP, 3, 16, longer=LONGER)
    assert (stages[1].change, stages[1].network) == ("more parameters", "B = 1, C = 32")
    assert [stage.change for stage in gap_stages(SWEEP, 3, 32)] == ["", UNEXPLAINED]


def test_bad_input_is_one_sentence():
    with pytest.raises(ConvacError) as error:
        gap_stages(SWEEP, 2, 5)
    assert str(error.value) == "the records have no network with B = 1 and C = 5; choose one that they have"
    with pytest.raises(ConvacError) as error:
        gap_stages(SWEEP, 5, 4)
    assert str(error.value) == "the records have no network with B = 5 and C = 4; choose one that they have"
    mixed = [record(architecture=common_case(1, 1, 8, 4)), record(epochs=3)]
    for records in (mixed, []):
        with pytest.raises(ConvacError) as error:
            gap_stages(records, 2, 4)
        assert str(error.value) == "a gap is measured within one protocol; give the records of one sweep"
