"""The tool that trains SimNets: its networks are the library's layers, and its record is whole."""

import importlib.util
import json

import pytest
import torch
from helpers.chapters import ROOT
from torch import nn
from torch.nn.functional import unfold

from convac_lib.files import results_path
from convac_lib.networks.layers import GeneralizedConv2d
from convac_lib.networks.simnets import Mex, Similarity

RECORD = [json.loads(line) for line in results_path("simnets.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("simnets_tool", ROOT / "tools/simnets.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def windows(flat, side):
    """Rows of R²·C numbers, as the tool keeps them, as windows of shape (K, C, R, R)."""
    return flat.unflatten(1, (side, side, -1)).permute(0, 3, 1, 2)


def generalized(x, offset, side, stride):
    """A layer of products, by the library: log of the layer at exp(x), with the weights exp(offset)/C."""
    K, C = len(offset), x.shape[1]
    layer = GeneralizedConv2d(C, K, side, stride, border="valid").double()
    with torch.no_grad():
        layer.weight.copy_(windows(offset, side).exp() / C)
    return layer(x.exp()).log()


def by_layers(kind, w, x):
    K = len(w.get("template", w.get("weight1")))
    if kind == "convnet":
        first, second = nn.Conv2d(1, K, 3).double(), nn.Conv2d(K, K, 2, stride=2).double()
        with torch.no_grad():
            first.weight.copy_(w["weight1"].view(K, 1, 3, 3)), first.bias.copy_(w["bias1"])
            second.weight.copy_(windows(w["weight2"], 2)), second.bias.copy_(w["bias2"])
        h = second(first(x).relu()).relu()
    else:
        similarity = Similarity(1, K, 3, dtype=torch.float64)
        with torch.no_grad():
            similarity.template.copy_(w["template"].view(K, 1, 3, 3))
            similarity.log_weight.copy_(w["log_weight"].view(K, 1, 3, 3))
        h = similarity(x)
        h = generalized(h, w["offset2"], 2, 2) if kind == "products" else soft(h, w["offset2"], w["beta2"], 2)
    if "weight3" in w:
        return h.permute(0, 2, 3, 1).flatten(1) @ w["weight3"].T + w["bias3"]
    return (soft(h, w["offset3"], w["beta3"], 3) if "beta3" in w else generalized(h, w["offset3"], 3, 1)).flatten(1)


def soft(x, offset, beta, side):
    layer = Mex(x.shape[1], len(offset), side, side, beta=beta.item(), dtype=torch.float64)
    with torch.no_grad():
        layer.offset.copy_(windows(offset, side))
    return layer(x)


@pytest.mark.parametrize("kind", ["convnet", "naive", "patches", "half", "products", "linear"])
def test_networks_side_by_side_are_those_of_the_library(tool, kind):
    images = torch.rand(20, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    starts = [tool.build(kind, 3, images, torch.Generator().manual_seed(seed)) for seed in (0, 1)]
    for w in starts:
        for name, value in (("beta2", -1.5), ("beta3", 0.3)):
            if name in w:
                w[name] = torch.tensor(value)
    together = {name: torch.stack([w[name] for w in starts]).double() for name in starts[0]}
    x = images[:5].double()
    found = tool.outputs(kind, together, unfold(x, 3).mT.repeat(2, 1, 1, 1))
    for scores, w in zip(found, starts):
        expected = by_layers(kind, {name: weight.double() for name, weight in w.items()}, x)
        torch.testing.assert_close(scores, expected.detach(), rtol=1e-6, atol=1e-6)


def test_pixels_become_windows_in_the_order_of_the_library(tool):
    images = torch.arange(128, dtype=torch.uint8).view(2, 1, 8, 8)
    assert torch.equal(tool.patches_of(images)[1, 7], images[1, 0, 1:4, 1:4].flatten() / 240)


def test_rates_side_by_side_do_not_disturb_each_other(tool):
    _, both = tool.train("patches", 2, [0.01, 0.1], "tuning", seeds=(0, 1), epochs=1)
    _, alone = tool.train("patches", 2, [0.1], "tuning", seeds=(0, 1), epochs=1)
    for name in ("right", "trained"):  # sums in another order differ in the last digits
        assert both[1][name] == pytest.approx(alone[0][name], abs=8)
    assert both[1]["right"] != both[0]["right"]
    assert (both[1]["of"], both[1]["train_of"]) == (tool.VALIDATION, 1437 - tool.VALIDATION)


def test_a_stopped_command_goes_on_where_it_stopped(tool):
    lines = []
    for number, (kind, K, rates, stage) in enumerate(tool.runs(lines)):
        if number == 0:
            assert (kind, rates, stage) == ("convnet", list(tool.RATES), "tuning")
            right = {0.01: 7, 0.1: 9, 0.3: 9}
            rows = [{"kind": kind, "channels": K, "rate": rate, "stage": stage} for rate in rates]
            lines += [row | {"right": [right.get(row["rate"], 0)] * 3} for row in rows]
        else:
            assert (kind, K, rates, stage) == ("convnet", tool.CHANNELS[0], [0.1], "test")
            break
    assert next(tool.runs(lines[:2]))[2] == list(tool.RATES[2:])


def test_the_record_tests_each_kind_once_at_the_rate_that_validation_chose(tool):
    channels = sorted({line["channels"] for line in RECORD})
    assert channels == sorted(tool.CHANNELS)
    for kind in tool.KINDS:
        for K in channels:
            lines = [line for line in RECORD if (line["kind"], line["channels"]) == (kind, K)]
            tuning, test = ([line for line in lines if line["stage"] == stage] for stage in ("tuning", "test"))
            assert sorted(line["rate"] for line in tuning) == list(tool.RATES)
            assert [line["rate"] for line in test] == [tool.best_rate(RECORD, kind, K)]
            for line in lines:
                assert line["seeds"] == list(tool.SEEDS) and line["epochs"] == tool.EPOCHS
                assert len(line["right"]) == 3 and 0 <= min(line["right"]) <= max(line["right"]) <= line["of"]
                assert line["weights"] == size(kind, K)


def size(kind, K):
    """The number of weights, counted layer by layer."""
    if kind == "convnet":
        return 10 * K + (4 * K + 1) * K + (9 * K + 1) * 10
    betas = {"naive": 2, "patches": 2, "half": 1, "products": 0, "linear": 1}[kind]
    return 2 * 9 * K + 4 * K * K + 9 * K * 10 + 10 * (kind == "linear") + betas
