"""Depth in practice: the networks are those of the two decompositions, and the record is what training them gives."""

from dataclasses import replace

import pytest
import torch
from helpers.records import record

from convac_lib.data.digits import digits
from convac_lib.errors import ConvacError
from convac_lib.experiments.depth import CHANNELS, RATES, depth_plan, depth_rows, train_depths
from convac_lib.experiments.records import read_records
from convac_lib.files import results_path
from convac_lib.networks.layers import Templates
from convac_lib.networks.models import ConvAC

RECORDED = read_records(results_path("digits-depth.jsonl"))


@pytest.mark.parametrize("C", CHANNELS)
def test_the_trained_weights_are_those_of_the_decompositions(C):
    """CP: a vector of M numbers for each of 64 patches and C terms; HT: a matrix for each of 4 places in 3 levels."""
    by_hand = {"shallow": 64 * 4 * C + 10 * C, "deep": 4 * 4 * C + 2 * 4 * C * C + 10 * C}
    for kind, parameters in by_hand.items():
        found = {each.parameters for each in RECORDED if each.architecture == depth_plan(kind, C)}
        assert found == {parameters}
    assert (by_hand["shallow"] == by_hand["deep"]) == (C == 30)


def test_a_shallow_network_is_one_product_over_all_patches():
    """Of one channel: the product, over the patches, of a linear map of the templates' answers."""
    network = ConvAC(depth_plan("shallow", 1), generator=torch.Generator().manual_seed(0)).double()
    x = torch.rand(3, 4, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight = network.layers[0].weight[0]  # (M, 8, 8)
    expected = (x * weight).sum(1).flatten(1).prod(1, keepdim=True) * network.dense.weight[0, 0]
    assert torch.allclose(network(x), expected, rtol=1e-9, atol=0)


def test_the_record_is_whole_and_each_run_is_there_once():
    runs = {(each.architecture, each.learning_rate, each.weights_seed) for each in RECORDED}
    plans = [depth_plan(kind, C) for kind in ("shallow", "deep") for C in CHANNELS]
    assert runs == {(plan, rate, seed) for plan in plans for rate in RATES for seed in range(5)}
    assert len(RECORDED) == len(runs)
    assert {(each.digest, each.epochs, each.batch_size, each.augment) for each in RECORDED} == {
        (digits().digest, 15, 64, "none")
    }


def test_a_recorded_run_trains_again(tmp_path):
    """To within what another processor may change; on the machine of the record, exactly."""
    (again,) = train_depths(tmp_path / "depth.jsonl", channels=[4], seeds=[0], rates=[0.01], progress=False)[1:]
    (recorded,) = (
        each
        for each in RECORDED
        if (each.architecture, each.learning_rate, each.weights_seed) == (depth_plan("deep", 4), 0.01, 0)
    )
    assert abs(again.train_accuracy - recorded.train_accuracy) <= 0.1
    assert abs(again.losses[0] - recorded.losses[0]) <= 0.05


def test_a_run_that_the_file_holds_is_not_trained_again(tmp_path):
    out = tmp_path / "depth.jsonl"
    settings = {"channels": [1], "rates": [0.01], "epochs": 1, "progress": False}
    first = train_depths(out, seeds=[3], **settings)
    both = train_depths(out, seeds=[3, 4], **settings)
    assert [each for each in both if each.weights_seed == 3] == first  # with the seconds that they took
    assert read_records(out) == [*first, *(each for each in both if each.weights_seed == 4)]


def test_a_network_is_shown_at_its_best_rate():
    plan = depth_plan("deep", 4)

    def run(seed, rate, accuracy):
        return record(
            seed, model="ConvAC", architecture=plan, learning_rate=rate, train_accuracy=accuracy, test_accuracy=0.5
        )

    runs = [run(1, 0.1, 0.9), run(0, 0.1, 0.5), run(0, 0.2, 0.75), run(1, 0.2, 0.7)]
    (row,) = depth_rows(runs)
    assert (row.kind, row.channels, row.learning_rate) == ("deep", 4, 0.2)
    assert row.accuracies == (0.75, 0.7) and row.accuracy == pytest.approx(0.725)
    assert row.test_accuracies == (0.5, 0.5) and row.test_accuracy == 0.5


def test_templates_are_four_greys_from_black_to_white():
    """Each grey is nearest to its own template: what `Templates` gives for them is largest there."""
    greys = torch.linspace(-1, 1, 4)
    seen = Templates(greys.reshape(4, 1, 1, 1), width=2 / 3)(greys.reshape(4, 1, 1, 1))[:, :, 0, 0]
    assert seen.argmax(1).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    "records, sentence",
    [
        ([], "there is no record of depth; run train_depths first"),
        ([record()], "the record of a ConvNet is of no network that train_depths trains; leave it out"),
        (
            [replace(record(), architecture=None)],
            "the record of a ConvNet is of no network that train_depths trains; leave it out",
        ),
    ],
)
def test_other_records_are_refused_in_one_sentence(records, sentence):
    with pytest.raises(ConvacError) as error:
        depth_rows(records)
    assert str(error.value) == sentence


def test_an_unknown_kind_is_one_sentence():
    with pytest.raises(ConvacError) as error:
        depth_plan("wide", 4)
    assert str(error.value) == "unknown kind 'wide'; use one of shallow, deep"
