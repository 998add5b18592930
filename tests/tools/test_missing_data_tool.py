"""The tool that hides pixels, at tiny size: its methods run, the best settings are tested, and its record is whole."""

import importlib.util
import json

import pytest
import torch
from helpers.chapters import ROOT

from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.files import results_path

RECORD = [json.loads(line) for line in results_path("missing-data.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("missing_data_tool", ROOT / "tools/missing_data.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def few(train=60, test=20):
    data = digits()
    return Dataset(
        "digits", data.train_images[:train], data.train_labels[:train],
        data.test_images[:test], data.test_labels[:test], data.classes,
    )  # fmt: skip


TINY = {
    "generative": {"components": 4, "discrimination": 0.1, "noise": 0.1},
    "convnet": {"learning_rate": 0.01, "epochs": 1},
    "convnet-zeros": {"learning_rate": 0.01, "epochs": 1, "two_layers": True},
    "convnet-mask-pixels": {"learning_rate": 0.01, "epochs": 1, "two_layers": True},
    "convnet-mask-squares": {"learning_rate": 0.01, "epochs": 1},
    "neighbours": {"neighbours": 3},
    "gaussians": {"ridge": 0.1},
}


@pytest.mark.parametrize("method", TINY)
def test_every_method_runs_and_repeats(tool, monkeypatch, method):
    monkeypatch.setattr(tool, "VALIDATION", 15)
    lines = [tool.run(few(), "tuning", method, TINY[method], seed=0) for _ in range(2)]
    assert lines[0]["accuracies"] == lines[1]["accuracies"]
    assert (lines[0]["trained on"], lines[0]["tested on"]) == (45, 15)
    for accuracy in lines[0]["accuracies"].values():  # whole images over one draw or two
        assert accuracy * 2 * 15 / 100 == pytest.approx(round(accuracy * 2 * 15 / 100), abs=0.002)
    assert ("accuracies, means" in lines[0]) == (method == "convnet")


def test_the_network_of_the_first_seed_is_kept(tool, monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "results_path", lambda name: tmp_path / name)
    for seed in (1, 0):
        assert not (tmp_path / "missing-data.npz").exists()
        line = tool.run(few(40, 10), "test", "generative", TINY["generative"], seed)
    assert (tmp_path / "missing-data.npz").exists()
    assert (line["trained on"], line["tested on"], line["draws"]) == (40, 10, tool.DRAWS)


def test_means_fill_what_is_hidden(tool):
    given = []
    classify = tool.means_filled(
        lambda images, seen: given.extend([images, seen]) or images, torch.full((1, 2, 2), 0.5)
    )
    classify(torch.zeros(1, 1, 2, 2), torch.tensor([[[True, False], [False, True]]]))
    assert given[0].tolist() == [[[[0, 0.5], [0.5, 0]]]]
    assert given[1].all() and given[1].dtype == torch.bool


def test_the_best_settings_of_validation_are_tested_with_every_seed(tool):
    lines = []
    for stage, method, settings, seed in tool.runs(lines):
        score = 50 + settings.get("learning_rate", 0) - settings.get("epochs", 100)
        lines.append(
            {"stage": stage, "method": method, "settings": settings, "seed": seed, "accuracies": {"pixels 0": score}}
        )
    assert len([line for line in lines if line["stage"] == "tuning"]) == sum(map(len, tool.GRID.values()))
    tests = [line for line in lines if (line["stage"], line["method"]) == ("test", "convnet")]
    assert [line["seed"] for line in tests] == list(tool.SEEDS)
    assert all(line["settings"] == {"learning_rate": 0.01} for line in tests)
    assert len([line for line in lines if line["method"] == "gaussians" and line["stage"] == "test"]) == 1
    assert list(tool.runs(lines)) == []


def test_the_record_is_what_the_command_writes(tool):
    assert list(tool.runs(RECORD)) == []
    for line in RECORD:
        assert list(line["accuracies"]) == [f"{pattern} {amount}" for pattern, amount in tool.PATTERNS]
        if line["stage"] == "tuning":
            assert line["settings"] in tool.GRID[line["method"]]
        else:
            assert line["settings"] == tool.best_settings(RECORD, line["method"])
        for name, accuracy in line["accuracies"].items():
            right = accuracy / 100 * line["tested on"] * (line["draws"] if not name.endswith(" 0") else 1)
            assert right == pytest.approx(round(right), abs=0.1)


def test_a_network_of_two_layers_has_the_weights_of_its_formula(tool):
    model = tool.two_convolutions(2, torch.Generator().manual_seed(0))
    assert tool.count(model) == (2 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + (256 + 1) * 10 == 21_674
