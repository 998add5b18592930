"""The explorer of published networks: its record against published figures, and its picture against its record."""

from fractions import Fraction
from xml.etree import ElementTree

import pytest
from helpers.pictures import SVG, assert_legible
from torch import nn

from convac_lib import from_torch
from convac_lib.errors import DataError
from convac_lib.visuals import overlap_by_layer
from convac_lib.visuals.overlap_by_layer import draw_overlap_by_layer, layers_in, layers_of
from convac_lib.visuals.views import real_networks as module
from convac_lib.visuals.views.real_networks import real_networks, real_networks_view

# Araujo, Norris & Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill, 2019; ResNet-50 with the
# stride in its 3×3 convolutions, as torchvision has it
PUBLISHED = {
    "AlexNet": (195, 32), "VGG-16": (212, 32), "Inception v3": (1311, 32), "MobileNetV2": (491, 32),
    "EfficientNet-B0": (851, 32), "ResNet-50": (427, 32), "BagNet-33": (33, 8),
}  # fmt: skip


@pytest.mark.parametrize("network", PUBLISHED)
def test_the_last_map_has_the_published_field(network):
    values = real_networks_view(network).values
    assert (values["T_R"], values["T_S"]) == PUBLISHED[network]


def test_the_record_holds_fifteen_networks_whose_fields_add_up():
    networks = real_networks()
    assert len(networks) == 15
    assert [name for name, each in networks.items() if each["read"] == "part"] == ["ViT-B/16", "Swin-T"]
    for network in networks.values():
        assert (network["why_part"] == "") == (network["read"] == "whole")
        fields, strides = [1, 1], [1, 1]
        for layer in network["layers"]:
            fields = [field + (R - 1) * step for field, R, step in zip(fields, layer["R"], strides)]
            strides = [step * S for step, S in zip(strides, layer["S"])]
            assert (layer["T_R"], layer["T_S"]) == (fields, strides)


@pytest.mark.parametrize("network", real_networks())
def test_every_network_is_legible_and_its_bars_are_its_layers(network):
    view = real_networks_view(network)
    assert_legible(view.picture)
    svg = ElementTree.fromstring(view.picture)
    layers = real_networks()[network]["layers"]
    colours = {"#D55E00": 0, "#7F7F7F": 0, "#009E73": 0}
    for path in svg.iter(f"{SVG}path"):
        colours[path.get("fill")] += path.get("d").count("M")
    drawn = [count - 1 for count in colours.values() if count]  # one is in the legend
    overlapping = sum(any(R > S for R, S in zip(layer["R"], layer["S"])) for layer in layers)
    assert sum(drawn) == len(layers) and view.values["layers"] == len(layers)
    assert max(colours["#D55E00"] - 1, 0) == overlapping == view.values["overlapping"]


def test_modern_networks_have_many_layers_without_overlap_but_never_only_those():
    whole = [name for name, each in real_networks().items() if each["read"] == "whole"]
    for name in whole:
        values = real_networks_view(name).values
        assert 0 < values["overlapping"] < values["layers"]


def test_a_traced_network_is_drawn_as_its_record_would_be():
    traced = from_torch(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1, 2)), 32)
    layers = layers_of(traced)
    assert [layer.kind for layer in layers] == ["overlapping", "non-overlapping", "skipping"]
    assert [layer.overlap for layer in layers] == [Fraction(3), Fraction(2), Fraction(1)]
    record = [
        {"what": layer.what, "R": layer.receptive_fields, "S": layer.strides, "T_R": layer.total_receptive_fields,
         "T_S": layer.total_strides} for layer in layers
    ]  # fmt: skip
    assert layers_in(record) == layers
    assert_legible(draw_overlap_by_layer(layers, "three layers", whole=False))
    assert overlap_by_layer.WORDS.keys() == overlap_by_layer.KINDS.keys()


def test_a_damaged_record_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "real-networks.jsonl").write_text("{")
    monkeypatch.setattr(module, "results_path", lambda name: tmp_path / name)
    with pytest.raises(DataError) as error:
        real_networks.__wrapped__()
    assert str(error.value).endswith("; write it again with python tools/real_networks.py")
