"""convac describe: what a network looks like, and what its bounds are."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from convac_lib.architecture import Architecture
from convac_lib.cli.command import Answer
from convac_lib.cli.network_arguments import add_network, architecture_of, cut_of
from convac_lib.errors import ArchitectureError, ConvacError, CutError, DataError

if TYPE_CHECKING:
    from convac_lib.networks.tracing.network import TracedNetwork
    from convac_lib.theory.bound import Bound

ABOUT = "Print a network's layers, receptive fields and strides, and every bound on its rank."
EXAMPLES: tuple[str, ...] = (
    "convac describe --B 3 --M 2 --size 8",
    "convac describe --layers 3/1/2 4/4/2 --M 2 --size 4 --json",
    "convac describe --model mynet.py:net --input-size 3 224 224",
    "convac describe --model timm:resnet50 --figure resnet50.svg",
)
SMALLER = "use a smaller --size, --M or --B"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the network's arguments, and those of a torch model."""
    add_network(parser, required=False)
    parser.add_argument(
        "--model",
        metavar="FILE:NAME",
        help="describe a torch model instead, along the path with the largest receptive field: mynet.py:net or "
        "package.module:net, a model or a function that returns one, which may have arguments as in "
        "'mynet.py:net(18, width=2)'; or timm:resnet50, also with torchvision and pytorchcv, where they are installed",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        nargs="+",
        metavar="N",
        help="size of the torch model's images in pixels: the side, or channels, height and width (default: 224)",
    )
    parser.add_argument(
        "--example",
        metavar="FILE:NAME",
        help="for a torch model with several inputs: a tuple of them, or a function that returns one; the first tensor "
        "is the image",
    )
    parser.add_argument(
        "--figure", metavar="FILE.svg", help="also draw the overlap of the torch model's layers, from the image up"
    )


def run(arguments: Namespace) -> Answer:
    """Print a network's layers, receptive fields and strides, and every bound on its rank."""
    if arguments.model:
        return _describe_model(arguments)
    if arguments.M is None or arguments.size is None:
        raise ArchitectureError("give --M and --size with --B or --layers, or --model for a torch model")
    if arguments.input_size or arguments.example or arguments.figure:
        raise ArchitectureError("--input-size, --example and --figure belong to a torch model; give --model")
    architecture = architecture_of(arguments)
    report, table = _geometry(architecture, arguments.cut)
    return Answer(report, f"{architecture}\n\n{table}")


def _describe_model(arguments: Namespace) -> Answer:
    own = arguments.B, arguments.layers, arguments.M, arguments.size, arguments.channels
    if any(word is not None for word in own) or arguments.unshared or arguments.border != "neutral":
        raise ArchitectureError(
            "a --model states its own layers, channels and border; give it with --input-size, --example, --figure, "
            "--cut and --json only"
        )
    traced = _traced(arguments)
    report, table = _bounds_of_model(traced, arguments.cut)
    standing = _standing(traced)
    account = [{"where": step.where, "what": step.what, "role": step.role} for step in traced.account]
    report |= {
        "read": traced.read,
        "unread": [{"where": step.where, "what": step.what} for step in traced.unread],
        "check": {"agrees": traced.check.agrees, "words": traced.check.words},
        "about_this_network": traced.read == "whole" and not traced.outside,
        "standing": standing,
        "windows": _windows(traced),
        "account": account,
    }
    text = "\n\n".join(filter(None, [str(traced), standing, table]))
    if not arguments.figure:
        return Answer(report, text)
    unwritten = _draw(traced, arguments.figure, arguments.model)
    return Answer(report | {"figure": None if unwritten else arguments.figure}, text, unwritten)


def _traced(arguments: Namespace) -> "TracedNetwork":
    from convac_lib.cli.model_argument import load
    from convac_lib.networks.tracing.reading import from_torch  # here, since torch takes seconds to load

    if arguments.example and arguments.input_size:
        raise ArchitectureError("an --example has a size of its own; leave out --input-size")
    model = load(arguments.model)
    if arguments.example:
        return from_torch(model, example=load(arguments.example, "example"))
    size = arguments.input_size or [224]
    return from_torch(model, size[0] if len(size) == 1 else size)


def _standing(traced: "TracedNetwork") -> str:
    """Say what the bounds are about, or why there is none."""
    if traced.read == "part":
        return f"this network was read in part, and no bound is given, since none would be about it: {traced.why_part}"
    try:
        channels = traced.architecture.representation_channels
    except ArchitectureError as reason:
        return f"no bound is given: {reason}"
    if not traced.outside:
        return "this network is a ConvAC, and the bounds are about it"
    return (
        f"this network lies outside the theory, which is about products of linear maps ({traced.outside});\n"
        f"the bounds are about a ConvAC of the same geometry, with weights in every window and M = {channels}:"
    )


def _bounds_of_model(traced: "TracedNetwork", cut: str | None) -> tuple[dict[str, Any], str]:
    """Make the report on a model, with bounds if it was read whole and has square windows, and their table."""
    try:
        report, table = _geometry(traced.architecture, cut)
    except CutError:
        raise
    except ArchitectureError:
        report, table = {"layers": None, "overlapping": None, "parameters": None, "bounds": None}, ""
    if traced.read == "part":
        report, table = report | {"parameters": None, "bounds": None}, ""
    return report, table


def _windows(traced: "TracedNetwork") -> list[dict[str, Any]]:
    """List for JSON what each layer reads along each axis."""
    return [
        {
            "where": step.where,
            "what": step.what,
            "channels": step.channels,
            "output_sizes": step.sizes,
            "receptive_fields": [window.side for window in step.windows],
            "strides": [window.stride for window in step.windows],
            "total_receptive_fields": [window.side for window in seen],
            "total_strides": [window.stride for window in seen],
            "starts": [window.start for window in seen],
        }
        for step, seen in zip(traced.path, traced.windows)
    ]


def _draw(traced: "TracedNetwork", file: str, name: str) -> tuple[str, ...]:
    """Draw the overlap by layer into a file; return a sentence if it could not be written."""
    from convac_lib.files import replace, telling
    from convac_lib.visuals.overlap_by_layer import draw_overlap_by_layer, layers_of

    try:
        with telling("write", file):
            replace(file, draw_overlap_by_layer(layers_of(traced), name, whole=traced.read == "whole").encode())
    except DataError as error:
        return (str(error),)
    return ()


def _geometry(architecture: Architecture, cut: str | None) -> tuple[dict[str, object], str]:
    """Make the report on an architecture, and the table of its bounds."""
    from convac_lib.cli.bounds_report import bounds_report, bounds_table, number
    from convac_lib.theory.bounds import BOUNDS, bounds_of
    from convac_lib.theory.cuts import make_cut

    bounds: Mapping[str, Bound | ConvacError]
    try:
        bounds = bounds_of(architecture, make_cut(cut_of(cut), architecture.size))
    except CutError as error:
        if cut:
            raise
        bounds = dict.fromkeys(BOUNDS, error)
    layers = [
        {key: number(value) for key, value in asdict(layer).items()}
        | {"total_receptive_field": number(field), "total_stride": number(stride), "output_size": size}
        for layer, field, stride, size in zip(
            architecture.layers, architecture.total_receptive_fields, architecture.total_strides, architecture.sizes
        )
    ]
    report = {
        "layers": layers,
        "overlapping": architecture.is_overlapping,
        "parameters": number(architecture.parameters),
        "bounds": bounds_report(bounds),
    }
    return report, bounds_table(bounds)
