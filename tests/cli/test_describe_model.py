"""`convac describe --model`: what it prints of a torch model, and its refusals."""

import json
import sys

import pytest
from torch import nn

from convac_lib import bounds_of, common_case, from_torch
from convac_lib.__main__ import main
from convac_lib.visuals.overlap_by_layer import draw_overlap_by_layer, layers_of

MODELS = """
import torch
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

def deep(depth, width=2):
    layers = [nn.Conv2d(3 if not n else width, width, 3, padding=1) for n in range(depth)]
    return nn.Sequential(*layers)

ready = plain()

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x, scale):
        return self.layer(x) * scale

def inputs():
    return torch.zeros(1, 3, 8, 8), 2.0

def upsampled():
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Upsample(scale_factor=2), nn.Conv2d(4, 4, 3))

def oblong():
    return nn.Sequential(nn.Conv2d(3, 4, (1, 7), padding=(0, 3)))

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


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ("models_of_mine:ready", 10),
        ("models_of_mine.py:plain", 10),
        ("./models_of_mine.py:ready", 10),
        ("models_of_mine.py:deep(2)", 5),
        ("models_of_mine:deep(3,width=4)", 7),
        ("models_of_mine:Two --example models_of_mine.py:inputs", 3),
    ],
)
def test_a_model_is_named_in_many_ways(described, words, field):
    size = "" if "--example" in words else " --input-size 8"
    status, out, err = described(f"{words}{size} --json")
    report = json.loads(out)
    assert (status, err, report["read"], report["unread"]) == (0, "", "whole", [])
    assert report["windows"][-1]["total_receptive_fields"] == [field, field]
    assert report["check"]["agrees"]


def test_a_network_read_in_part_gets_no_bound(described):
    _, out, _ = described("models_of_mine:upsampled --input-size 8")
    sentence = (
        "this network was read in part, and no bound is given, since none would be about it: "
        "1: interpolate: resampling has no one receptive field and stride"
    )
    assert out.split("\n\n")[1:] == [sentence + "\n"]
    assert "rank" not in out and "proved" not in out
    report = json.loads(described("models_of_mine:upsampled --input-size 8 --json")[1])
    assert (report["read"], report["bounds"], report["standing"]) == ("part", None, sentence)
    assert report["unread"] == [{"where": "1", "what": "interpolate: resampling has no one receptive field and stride"}]
    assert not report["about_this_network"]


def test_a_network_whose_windows_stay_oblong_gets_both_sides_and_no_bound(described):
    status, out, _ = described("models_of_mine:oblong --input-size 8")
    assert status == 0 and "no bound is given: from 0: convolution 1×7, padding 0×3 on, windows stay 1×7" in out
    assert "proved" not in out


def test_the_overlap_by_layer_is_drawn(described, tmp_path):
    status, out, _ = described("models_of_mine:plain --input-size 8 --figure overlap.svg --json")
    assert status == 0 and json.loads(out)["figure"] == "overlap.svg"
    traced = from_torch(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 10)
        ), 8,
    )  # fmt: skip
    drawn = draw_overlap_by_layer(layers_of(traced), "models_of_mine:plain")
    assert (tmp_path / "overlap.svg").read_text() == drawn


FORMS = "write mynet.py:net, package.module:factory, 'package.module:factory(18, width=2)' or timm:resnet50"
NAME_ONE = (
    "; write mynet.py:net, package.module:factory, 'package.module:factory(18, width=2)' or timm:resnet50, where the "
    "name is a model, or a function that returns one"
)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("models_of_mine", "'models_of_mine' names no model; " + FORMS),
        (":plain", "':plain' names no model; " + FORMS),
        ("models_of_yours:plain",
         "models_of_yours:plain gave no model (ModuleNotFoundError: No module named 'models_of_yours')" + NAME_ONE),
        ("models_of_mine:complex",
         ("models_of_mine:complex gave no model (AttributeError: module 'models_of_mine' has no attribute 'complex')"
          + NAME_ONE)),
        ("models_of_yours.py:plain",
         "models_of_yours.py:plain gave no model (FileNotFoundError: there is no file models_of_yours.py)" + NAME_ONE),
        ("models_of_mine:deep",
         ("models_of_mine:deep gave no model (TypeError: deep() missing 1 required positional argument: 'depth'); "
          "write its arguments after it, as in 'package.module:factory(18, width=2)'")),
        ("models_of_mine:Two --input-size 8",
         ("the model does not run on a batch of shape (1, 3, 8, 8) (3 channels, as the first convolution reads): "
          "Two.forward() missing 1 required positional argument: 'scale'; it has several inputs: give an example of "
          "them, as in from_torch(model, example=(image, other))")),
        ("models_of_mine:Two --input-size 8 --example models_of_mine:inputs",
         "an --example has a size of its own; leave out --input-size"),
        ("models_of_mine:broken", "models_of_mine:broken gave no model (RuntimeError: no weights)" + NAME_ONE),
        ("models_of_mine:leaving", "models_of_mine:leaving gave no model (SystemExit: 7)" + NAME_ONE),
        ("models_of_mine:number", "from_torch reads a torch.nn.Module, and this is 0; give it a network"),
        ("models_of_mine:plain --input-size 3 8 8 8 8",
         "an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), not [3, 8, 8, 8, 8]"),
        ("models_of_mine:plain --M 2",
         ("a --model states its own layers, channels and border; give it with --input-size, --example, "
         "--figure, --cut and --json only")),
        ("models_of_mine:plain --border ones",
         ("a --model states its own layers, channels and border; give it with --input-size, --example, "
         "--figure, --cut and --json only")),
        ("models_of_mine:plain --input-size 8 --cut diagonal",
         ("unknown cut 'diagonal'; use one of left-right, top-bottom, interleaved, checkerboard, "
          "or list the patches of one side")),
    ],
)  # fmt: skip
def test_a_model_that_cannot_be_described_gets_one_sentence(described, words, sentence):
    assert described(words) == (2, "", f"convac: {sentence}\n")


COLLECTION = """
import torch
from torch import nn

def {factory}(name, *, {weights}, in_chans=3):
    if name not in ("resnet18", "resnet18.tag"):
        raise {error}
    assert {weights} is {none}
    return nn.Sequential(nn.Conv2d(in_chans, 4, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1))
"""
COLLECTIONS = {
    "timm": ("timm/__init__.py", "create_model", "pretrained", False, "RuntimeError(f'Unknown model ({name})')"),
    "torchvision": ("torchvision/models.py", "get_model", "weights", None, "ValueError(f'Unknown model {name}')"),
    "pytorchcv": (
        "pytorchcv/model_provider.py", "get_model", "pretrained", False, "ValueError(f'Unsupported model: {name}.')"
    ),
}  # fmt: skip


@pytest.fixture
def collection(request, tmp_path, described, monkeypatch):
    """Put a collection with one small network on the path, in place of the one that may be installed."""
    file, factory, weights, none, error = COLLECTIONS[request.param]
    for name in [each for each in sys.modules if each.partition(".")[0] == request.param]:
        monkeypatch.delitem(sys.modules, name)
    path = tmp_path / file
    path.parent.mkdir()
    (path.parent / "__init__.py").touch()
    path.write_text(COLLECTION.format(factory=factory, weights=weights, none=none, error=error))
    yield request.param, path, described
    for name in [each for each in sys.modules if each.partition(".")[0] == request.param]:
        del sys.modules[name]


@pytest.mark.parametrize("collection", COLLECTIONS, indirect=True)
@pytest.mark.parametrize(("name", "channels"), [("resnet18", 3), ("resnet18.tag", 3), ("resnet18(in_chans=1)", 1)])
def test_a_network_of_a_collection_is_named_alone(collection, name, channels):
    home, _, described = collection
    status, out, err = described(f"{home}:{name} --input-size 32 --figure overlap.svg --json")
    report = json.loads(out)
    assert (status, err, report["read"], report["check"]["agrees"]) == (0, "", "whole", True)
    seen = [(each["total_receptive_fields"], each["total_strides"]) for each in report["windows"]]
    assert seen == [([7, 7], [2, 2]), ([11, 11], [4, 4])]
    traced = from_torch(nn.Sequential(nn.Conv2d(channels, 4, 7, stride=2, padding=3), nn.MaxPool2d(3, 2, 1)), 32)
    assert report["account"][0]["what"] == traced.account[0].what


@pytest.mark.parametrize("collection", COLLECTIONS, indirect=True)
def test_a_name_that_a_collection_does_not_know_gets_its_answer(collection):
    home, _, described = collection
    answer = {
        "timm": "RuntimeError: Unknown model (resnet19)",
        "torchvision": "ValueError: Unknown model resnet19",
        "pytorchcv": "ValueError: Unsupported model: resnet19",
    }[home]
    sentence = (
        f"{home}:resnet19 gave no model ({answer}); give the name of a network in {home}, with arguments if it takes "
        f"any, as in {home}:resnet50"
    )
    assert described(f"{home}:resnet19") == (2, "", f"convac: {sentence}\n")


@pytest.mark.parametrize("collection", COLLECTIONS, indirect=True)
def test_a_collection_that_is_not_installed_is_named_with_the_command(collection, monkeypatch):
    home, path, described = collection
    path.unlink()
    (path.parent / "__init__.py").unlink(missing_ok=True)
    path.parent.rmdir()
    monkeypatch.setattr(sys, "meta_path", [Hides(home), *sys.meta_path])
    sentence = f"{home}:resnet18 needs the package {home}, which is not installed; install it with pip install {home}"
    assert described(f"{home}:resnet18") == (2, "", f"convac: {sentence}\n")


class Hides:
    """Hides a package that may be installed."""

    def __init__(self, package):
        self.package = package

    def find_spec(self, name, path=None, target=None):
        if name == self.package:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize("collection", COLLECTIONS, indirect=True)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            "RuntimeError: operator torchvision::nms does not exist",
        ),
    ],
)
def test_a_collection_that_cannot_be_imported_says_so(collection, line, reason):
    home, path, described = collection
    path.write_text(line)
    sentence = (
        f"{home}:resnet18 needs the package {home}, which is installed and cannot be imported ({reason}); install it "
        f"again with pip install --force-reinstall {home}"
    )
    assert described(f"{home}:resnet18") == (2, "", f"convac: {sentence}\n")


def test_describe_needs_an_architecture_or_a_model(capsys):
    assert main(["describe", "--B", "2"]) == 2
    assert capsys.readouterr().err == (
        "convac: give --M and --size with --B or --layers, or --model for a torch model\n"
    )
