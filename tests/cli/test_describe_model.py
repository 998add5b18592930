"""`convac describe --model`: what it prints of a torch model, and its refusals."""

import json
import sys

import pytest
from torch import nn

from convac_lib import bounds_of, common_case, from_torch
from convac_lib.__main__ import main

MODELS = """
from torch import nn
from convac_lib import ConvAC, common_case

def plain():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))

def circuit():
    return ConvAC(common_case(B=3, M=2, size=4))

def skipping():
    return nn.Sequential(nn.Conv2d(3, 4, 1, stride=2), nn.AdaptiveAvgPool2d(1))

def broken():
    raise RuntimeError("no weights")

def leaving():
    raise SystemExit(7)

number = int
"""


@pytest.fixture
def described(tmp_path, monkeypatch, capsys):
    """Run `convac describe --model` in a folder that holds models_of_mine.py: (status, standard output, error)."""
    (tmp_path / "models_of_mine.py").write_text(MODELS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "models_of_mine", raising=False)
    return lambda words: (main(["describe", "--model", *words.split()]), *capsys.readouterr())


def test_describe_prints_the_account_of_a_model_and_where_the_theory_stands(described):
    status, out, err = described("models_of_mine:plain --input-size 8")
    account, standing, bounds = out.split("\n\n")
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10))
    assert (status, err, account) == (0, "", str(from_torch(model, 8)))
    assert standing == (
        "this network lies outside the theory, which is about products of linear maps (0: convolution 3×3, padding 1);"
        "\nthe bounds are about a ConvAC of the same geometry, with weights in every window and M = 3:"
    )
    assert bounds.startswith("theorem                rank ≥ 2  [proved]\n")


def test_describe_says_when_a_model_is_a_circuit(described):
    status, out, _ = described("models_of_mine:circuit --input-size 2 4 4 --json --cut top-bottom")
    report, bounds = json.loads(out), bounds_of(common_case(B=3, M=2, size=4), "top-bottom")
    assert status == 0 and report["about_this_network"]
    assert report["standing"] == "this network is a ConvAC, and the bounds are about it"
    assert [layer["total_receptive_field"] for layer in report["layers"]] == [3, 4, 8, 10]
    assert report["bounds"]["theorem"] == bounds["theorem"].value == 256
    assert [step["role"] for step in report["account"]] == ["layer"] * 4 + ["dense"]


def test_describe_gives_a_models_geometry_where_patches_are_skipped(described):
    _, out, _ = described("models_of_mine:skipping --input-size 8")
    assert "non-overlapping, skipping patches, border 'neutral'\n" in out
    sentence = (
        "receptive field 1 is smaller than stride 2: patches would be skipped; use a receptive field of at least 2"
    )
    assert f"theorem                does not apply: {sentence}\n" in out


NAME_ONE = (
    "; name a module that can be imported from here, and in it a function without arguments that returns a "
    "torch.nn.Module"
)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("models_of_mine", "'models_of_mine' names no factory; write package.module:factory"),
        (":plain", "':plain' names no factory; write package.module:factory"),
        ("models_of_yours:plain",
         "models_of_yours:plain gave no model (ModuleNotFoundError: No module named 'models_of_yours')" + NAME_ONE),
        ("models_of_mine:complex",
         ("models_of_mine:complex gave no model (AttributeError: module 'models_of_mine' has no attribute 'complex')"
          + NAME_ONE)),
        ("models_of_mine:broken", "models_of_mine:broken gave no model (RuntimeError: no weights)" + NAME_ONE),
        ("models_of_mine:leaving", "models_of_mine:leaving gave no model (SystemExit: 7)" + NAME_ONE),
        ("models_of_mine:number", "from_torch reads a torch.nn.Module, and this is 0; give it a network"),
        ("models_of_mine:plain --input-size 3 8",
         "an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), not [3, 8]"),
        ("models_of_mine:plain --M 2",
         "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"),
        ("models_of_mine:plain --border ones",
         "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"),
        ("models_of_mine:plain --input-size 8 --cut diagonal",
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, "
          "or list the patches of one side")),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_described_gets_one_sentence(described, words, sentence):
    assert described(words) == (2, "", f"convac: {sentence}\n")


def test_describe_needs_an_architecture_or_a_model(capsys):
    assert main(["describe", "--B", "2"]) == 2
    assert capsys.readouterr().err == (
        "convac: give --M and --size with --B or --layers, or --model for a torch model\n"
    )
