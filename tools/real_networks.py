"""Read fifteen published networks, and write what their layers read into results/real-networks.jsonl.

    python tools/real_networks.py

It needs torchvision and pytorchcv, which the library itself does not; weights are not downloaded.
"""

import json
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import torch

from convac_lib import from_torch
from convac_lib.networks.tracing.network import TracedNetwork

OUT = Path(__file__).parent.parent / "results" / "real-networks.jsonl"
NETWORKS = (
    ("AlexNet", 2012, "torchvision", "alexnet", 224),
    ("VGG-16", 2014, "torchvision", "vgg16", 224),
    ("GoogLeNet", 2014, "torchvision", "googlenet", 224),
    ("Inception v3", 2015, "torchvision", "inception_v3", 299),
    ("ResNet-50", 2015, "torchvision", "resnet50", 224),
    ("SqueezeNet", 2016, "torchvision", "squeezenet1_0", 224),
    ("DenseNet-121", 2016, "torchvision", "densenet121", 224),
    ("MobileNetV2", 2018, "torchvision", "mobilenet_v2", 224),
    ("ShuffleNetV2", 2018, "torchvision", "shufflenet_v2_x1_0", 224),
    ("BagNet-33", 2019, "pytorchcv", "bagnet33", 224),
    ("EfficientNet-B0", 2019, "torchvision", "efficientnet_b0", 224),
    ("RegNetY-400MF", 2020, "torchvision", "regnet_y_400mf", 224),
    ("ViT-B/16", 2020, "torchvision", "vit_b_16", 224),
    ("Swin-T", 2021, "torchvision", "swin_t", 224),
    ("ConvNeXt-T", 2022, "torchvision", "convnext_tiny", 224),
)


def torchvision_models():
    """Import torchvision.models; where it was built for another torch, without its operators for detection."""
    try:
        return import_module("torchvision.models")
    except RuntimeError:
        for name in [each for each in sys.modules if each.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        torchvision_models.library = library  # torch drops what a library defines together with it
        return import_module("torchvision.models")


def made(source: str, name: str) -> torch.nn.Module:
    """Make a network with random weights."""
    if source == "torchvision":
        given = {"init_weights": False} if name in ("googlenet", "inception_v3") else {}
        return torchvision_models().get_model(name, weights=None, **given)
    return import_module("pytorchcv.model_provider").get_model(name, pretrained=False)


def record_of(traced: TracedNetwork) -> list[dict[str, object]]:
    """List what each layer of a network reads."""
    return [
        {
            "what": str(step),
            "R": [window.side for window in step.windows],
            "S": [window.stride for window in step.windows],
            "T_R": [window.side for window in seen],
            "T_S": [window.stride for window in seen],
            "size": list(step.sizes),
            "channels": step.channels,
        }
        for step, seen in zip(traced.path, traced.windows)
    ]


def main() -> None:
    """Write a line of JSON for every network."""
    lines = []
    for name, year, source, key, size in NETWORKS:
        traced = from_torch(made(source, key).eval(), (3, size, size))
        own = {
            "name": name, "year": year, "source": f"{source} {version(source)}: {key}",
            "torch": version("torch").partition("+")[0], "image": [size, size], "read": traced.read,
            "why_part": traced.why_part, "check": str(traced.check), "layers": record_of(traced),
        }  # fmt: skip
        lines.append(json.dumps(own, ensure_ascii=False))
        print(f"{name}: {len(traced.path)} layers, read {traced.read}", flush=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
