"""convac describe: what a network looks like, and what its bounds are."""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import asdict
from importlib import import_module
from typing import TYPE_CHECKING, Any

from convac_lib.architecture import Architecture
from convac_lib.cli.command import Answer
from convac_lib.cli.network_arguments import add_network, architecture_of, cut_of
from convac_lib.errors import ArchitectureError, ConvacError, CutError

if TYPE_CHECKING:
    from convac_lib.theory.bound import Bound

ABOUT = "Print a network's layers, receptive fields and strides, and every bound on its rank."
EXAMPLES: tuple[str, ...] = (
    "convac describe --B 3 --M 2 --size 8",
    "convac describe --layers 3/1/2 4/4/2 --M 2 --size 4 --json",
    "convac describe --model package.module:factory --input-size 3 224 224",
)
SMALLER = "use a smaller --size, --M or --B"


def add_arguments(parser: ArgumentParser) -> None:
    """Add the network's arguments, and those of a torch model."""
    add_network(parser, required=False)
    parser.add_argument(
        "--model",
        metavar="package.module:factory",
        help="describe a torch model instead, along the path with the largest receptive field; "
        "factory is a function without arguments that returns it",
    )
    parser.add_argument(
        "--input-size",
        type=int,
        nargs="+",
        default=[224],
        metavar="N",
        help="size of the torch model's images in pixels: the side, or channels, height and width (default: 224)",
    )


def run(arguments: Namespace) -> Answer:
    """Print a network's layers, receptive fields and strides, and every bound on its rank."""
    if arguments.model:
        return _describe_model(arguments)
    if arguments.M is None or arguments.size is None:
        raise ArchitectureError("give --M and --size with --B or --layers, or --model for a torch model")
    architecture = architecture_of(arguments)
    report, table = _geometry(architecture, arguments.cut)
    return Answer(report, f"{architecture}\n\n{table}")


def _describe_model(arguments: Namespace) -> Answer:
    from convac_lib.networks.tracing.reading import from_torch  # here, since torch takes seconds to load

    own = arguments.B, arguments.layers, arguments.M, arguments.size, arguments.channels
    if any(word is not None for word in own) or arguments.unshared or arguments.border != "neutral":
        raise ArchitectureError(
            "a --model states its own layers, channels and border; give it with --input-size, --cut and --json only"
        )
    one_number = len(arguments.input_size) == 1
    traced = from_torch(_model(arguments.model), arguments.input_size[0] if one_number else arguments.input_size)
    report, table = _geometry(traced.architecture, arguments.cut)
    standing = "this network is a ConvAC, and the bounds are about it"
    if traced.outside:
        standing = (
            f"this network lies outside the theory, which is about products of linear maps ({traced.outside});\n"
            f"the bounds are about a ConvAC of the same geometry, with weights in every window and "
            f"M = {traced.architecture.representation_channels}:"
        )
    account = [{"where": step.where, "what": step.what, "role": step.role} for step in traced.account]
    report |= {"about_this_network": not traced.outside, "standing": standing, "account": account}
    return Answer(report, f"{traced}\n\n{standing}\n\n{table}")


def _model(word: str) -> Any:  # whatever the factory returns; `from_torch` refuses what is no model
    """Call package.module:factory for its torch model; modules of the current directory come first."""
    module, _, factory = word.partition(":")
    if not module or not factory:
        raise ArchitectureError(f"{word!r} names no factory; write package.module:factory")
    sys.path.insert(0, os.getcwd())
    try:
        return getattr(import_module(module), factory)()
    except (Exception, SystemExit) as error:  # whatever the factory's own code raises
        reason = str(error).partition("\n")[0]
        raise ArchitectureError(
            f"{word} gave no model ({type(error).__name__}: {reason}); name a module that can be imported from here, "
            "and in it a function without arguments that returns a torch.nn.Module"
        ) from error


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
