"""Read every classifier of torchvision, timm and pytorchcv that is installed, and compare with an oracle of its own.

    python tests/stress/read_zoo.py [--only WORD] [--limit N] [--every N] [--first N] [--parameters MILLIONS] [--out F]

The oracle shares nothing with the library: it runs the network once more on a tall image, with every weight an average,
every activation, normalization and gate an identity and every maximum an average, stops at the last map before the
global pooling, and takes the rows of the image in the support of the gradients of two neighbouring rows. It prints, for
every network, "right", "refused" with the reason, or "wrong", and counts them at the end; the exit status is 1 if any
is wrong. A network that the oracle cannot run is "unchecked".
"""

import argparse
import importlib
import json
import re
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from convac_lib import from_torch
from convac_lib.errors import ConvacError

WIDEST = 2200  # pixels of a field for which the oracle runs
NO_CONVOLUTIONS = re.compile(
    "vit|deit|beit|swin|mixer|gmlp|resmlp|cait|xcit|pit_|tnt|twins|volo|crossvit|eva|flexi|hiera|mvit|coat|convit|levit|"
    "maxvit|maxxvit|nest|pvt|sam|visformer|edgenext|efficientformer|mobilevit|nextvit|fastvit|sequencer|davit|gcvit|"
    "focalnet|tiny_vit|repvit_|halonet|lambda|botnet|lamhalobot|halo|sebot|eca_bot|lambda|xcit|samvit|naflex|"
    "aimv2|jx_|cs3|shvit|starnet_|csatv2|mambaout|swiftformer|rdnet_|vitamin|inception_next_|hgnet_|poolformer_|"
    "cpubone|efficientvim|iformer|lowformer"
)


class Found(Exception):
    """The oracle has the map that it wants."""


class Linear(TorchFunctionMode):
    """Runs a network with averages for weights, and the identity for whatever is the same at every pixel."""

    IDENTITIES = frozenset(
        (
            *("relu", "relu_", "relu6", "hardtanh", "hardtanh_", "hardswish", "hardsigmoid", "silu", "gelu", "mish"),
            *(
                "leaky_relu",
                "elu",
                "selu",
                "celu",
                "sigmoid",
                "sigmoid_",
                "tanh",
                "tanh_",
                "softplus",
                "prelu",
                "rrelu",
            ),
            *("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"),
            *("dropout", "dropout2d", "softmax", "log_softmax", "normalize"),
            *("clamp", "clamp_", "sqrt", "rsqrt", "pow", "exp", "abs", "log"),
        )
    )

    def __init__(self, stop=None):
        super().__init__()
        self.calls, self.found, self.stop, self.map = 0, 0, stop, None

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        self.calls += name != "__get__"
        if self.calls == self.stop:
            self.map = args[0] if args else kwargs["input"]
            raise Found
        x = args[0] if args and isinstance(args[0], torch.Tensor) else kwargs.get("input")
        traced = isinstance(x, torch.Tensor) and x.requires_grad
        if traced and name in self.IDENTITIES and x.is_floating_point():
            return x
        if traced and name == "conv2d":
            return self._convolution(x, *args[1:], **{k: v for k, v in kwargs.items() if k != "input"})
        if traced and name in ("max_pool2d", "max_pool2d_with_indices") and not kwargs.get("return_indices"):
            return self._pooling(*args, **kwargs)
        if traced and name == "linear":
            weight = args[1] if len(args) > 1 else kwargs["weight"]
            return x.mean(-1, keepdim=True).expand(*x.shape[:-1], len(weight)).contiguous()
        if name in ("mul", "mul_", "__mul__", "__imul__", "__rmul__", "div", "true_divide", "__truediv__"):
            return self._product(function, args, kwargs)
        output = function(*args, **kwargs)
        if traced:
            self._look(name, x, output)
        return output

    def _product(self, function, args, kwargs):
        both = [each for each in args if isinstance(each, torch.Tensor)]
        live = [each for each in both if each.requires_grad]
        output = function(*args, **kwargs)
        if not live:
            return output
        largest = max(each.shape[-1] * each.shape[-2] if each.ndim > 3 else 0 for each in live)
        maps = [each for each in live if each.ndim <= 3 or each.shape[-1] * each.shape[-2] == largest]
        return sum(each.expand_as(output) for each in maps)

    @staticmethod
    def _convolution(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        # with equal weights, channels may be averaged first
        mean = x.reshape(len(x), groups, -1, *x.shape[2:]).mean(2)
        ones = torch.full((groups, 1, *weight.shape[2:]), 1 / weight[0, 0].numel(), dtype=x.dtype)
        y = F.conv2d(mean, ones, None, stride, padding, dilation, groups)
        return y.repeat_interleave(len(weight) // groups, 1)

    @staticmethod
    def _pooling(x, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        if dilation not in (1, (1, 1)):
            raise RuntimeError("a dilated maximum")
        return F.avg_pool2d(x, kernel_size, stride, padding, ceil_mode)

    def _look(self, name, x, output):
        """Keep the map in front of what makes one pixel of it, or flattens it."""
        if name in ("permute", "transpose", "movedim", "unsqueeze", "squeeze"):
            return
        if not isinstance(output, torch.Tensor) or x.ndim != 4 or min(x.shape[1:]) < 1 or x.shape[2] * x.shape[3] <= 1:
            return
        ends = output.ndim == 4 and output.shape[2] * output.shape[3] == 1
        ends |= output.ndim == 2 and output.shape[0] == 1
        if "adaptive" in name:
            ends, output.is_pooled = True, True
        if not ends or getattr(x, "is_pooled", False):
            return
        self.found, self.map = self.calls, x


def weights_of_ones(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1 / max(1, parameter[0].numel()) if parameter.ndim > 1 else 1)
            parameter.requires_grad_(False)


def oracle(model, channels, size, field, stride, columns):
    """The field and the stride of the rows of the last map, or None if it cannot be found."""
    model = model.double().eval()
    weights_of_ones(model)
    counter, image = Linear(), torch.ones(1, channels, size, size, dtype=torch.float64, requires_grad=True)
    with counter:
        model(image * 1)
    if not counter.found:
        return None
    height = -(-(field + 6 * stride) // (2 * stride)) * 2 * stride + (size % stride)
    leaf = torch.ones(1, channels, height, columns, dtype=torch.float64, requires_grad=True)
    finder = Linear(counter.found)
    try:
        with finder:
            model(leaf * 1)
    except Found:
        pass
    y = finder.map
    rows = y.shape[2]
    spans = []
    for row in (rows // 2, rows // 2 + 1):
        (gradient,) = torch.autograd.grad(y[:, :, row].sum(), leaf, retain_graph=True)
        seen = gradient.ne(0).sum((0, 1, 3)).nonzero()
        spans.append((int(seen[0]), int(seen[-1]) + 1))
    (start, end), (after, _) = spans
    if start == 0 or end == height:
        return None
    return end - start, after - start


def judge(make, size, channels=3):
    """(verdict, words, seconds) of one network."""
    model = make().eval()
    begun = time.process_time()
    try:
        traced = from_torch(model, (channels, size, size))
    except ConvacError as error:
        return "refused", str(error), time.process_time() - begun
    seconds = time.process_time() - begun
    if traced.read == "part":
        return "refused", traced.why_part, seconds
    last = [index for index, step in enumerate(traced.path) if max(step.sizes) > 1]
    if not last:
        return "unchecked", "one window reads everything", seconds
    window = traced.windows[last[-1]][0]
    if window.side > WIDEST:
        return "unchecked", f"{window.side}/{window.stride} is too wide for the oracle; {traced.check}", seconds
    try:
        truth = oracle(model, channels, size, window.side, window.stride, max(96, 2 * window.stride))
    except Exception as error:  # noqa: BLE001  # whatever a network of others raises
        return "unchecked", f"{window.side}/{window.stride}; {type(error).__name__}: {str(error)[:100]}", seconds
    if truth is None:
        return "unchecked", f"{window.side}/{window.stride}; the oracle finds no map; {traced.check}", seconds
    verdict = "right" if truth == (window.side, window.stride) else "wrong"
    return verdict, f"{window.side}/{window.stride}, the gradient {truth[0]}/{truth[1]}; {traced.check}", seconds


def torchvision_models():
    try:
        torchvision = importlib.import_module("torchvision")
    except RuntimeError:  # it was built for another torch, and misses operators that classifiers do not use
        for name in [each for each in sys.modules if each.startswith("torchvision")]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name in ("nms", "qnms"):
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        globals()["_kept"] = library
        torchvision = importlib.import_module("torchvision")
    for name in torchvision.models.list_models(torchvision.models):
        given = {"init_weights": False} if name in ("inception_v3", "googlenet") else {}
        size = 299 if name == "inception_v3" else 224
        yield name, lambda name=name, given=given: torchvision.models.get_model(name, weights=None, **given), size, 3


def timm_models():
    timm = importlib.import_module("timm")
    for name in timm.list_models():
        settings = timm.get_pretrained_cfg(name)
        channels, size, _ = (settings.input_size if settings else None) or (3, 224, 224)
        yield name, lambda name=name: timm.create_model(name, pretrained=False), size, channels


def pytorchcv_models():
    provider = importlib.import_module("pytorchcv.model_provider")
    for name in sorted(provider._models):
        if re.search("seg|_voc|_coco|_ade|_cityscapes|pose|jasper|quartz|_cub|voca|center|raft|propainter", name):
            continue
        size = (
            32
            if re.search("cifar|svhn", name)
            else 299
            if re.search("inceptionv[34]|inceptionres|xception", name)
            else 224
        )
        yield name, lambda name=name: provider.get_model(name, pretrained=False), size, 3


SOURCES = {"torchvision": torchvision_models, "timm": timm_models, "pytorchcv": pytorchcv_models}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", default="", help="networks whose source:name matches this expression")
    parser.add_argument("--limit", type=int, default=10**9, help="stop after so many")
    parser.add_argument("--every", type=int, default=1, help="try every so many-th")
    parser.add_argument("--first", type=int, default=0, help="leave out so many at first")
    parser.add_argument("--parameters", type=float, default=120, help="leave out networks with more millions of them")
    parser.add_argument("--out", type=Path, help="write a line of JSON for each")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    counts, convolutional, number = Counter(), Counter(), 0
    for source, models in SOURCES.items():
        try:
            listed = list(models())
        except ImportError as error:
            print(f"{source} is not installed: {error}")
            continue
        listed = [each for each in listed if re.search(arguments.only, f"{source}:{each[0]}")]
        for name, make, size, channels in listed[arguments.first :: arguments.every]:
            if number >= arguments.limit:
                break
            number += 1
            verdict, words, seconds = tried(make, size, channels, arguments.parameters)
            counts[verdict] += 1
            if not NO_CONVOLUTIONS.search(name):
                convolutional["whole" if verdict in ("right", "wrong", "unchecked") else verdict] += 1
            print(f"{source}:{name:40} {verdict:9} {seconds:5.2f} s  {words}", flush=True)
            if arguments.out:
                with arguments.out.open("a") as file:
                    print(json.dumps([source, name, verdict, words, seconds]), file=file)
    print(f"all: {dict(counts)}; without transformers by name: {dict(convolutional)}")
    return 1 if counts["wrong"] else 0


def tried(make, size, channels, most):
    """As `judge`, for a network that is not too large and can be built."""
    try:
        with torch.device("meta"):
            parameters = sum(p.numel() for p in make().parameters())
    except Exception:  # noqa: BLE001  # whatever a network of others raises
        parameters = 0
    if parameters > most * 1e6:
        return "skipped", f"{parameters / 1e6:.0f} million parameters", 0.0
    try:
        return judge(make, size, channels)
    except Exception as error:  # noqa: BLE001  # whatever a network of others raises
        return "error", f"{type(error).__name__}: {str(error)[:150]}", 0.0


if __name__ == "__main__":
    sys.exit(main())
