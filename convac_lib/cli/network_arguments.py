"""The arguments that describe a network and a cut, shared by describe and certify, and what they mean."""

import re
from argparse import ArgumentParser, Namespace

from convac_lib.architecture import BORDERS, Architecture, Layer
from convac_lib.errors import ArchitectureError, ConvacError, CutError, shown
from convac_lib.families import common_case

LARGEST_DIGITS = 40  # of a patch's number
CUTS = ("left-right", "top-bottom", "interleaved", "checkerboard")  # theory.cuts would load NumPy; a test compares


def add_network(parser: ArgumentParser, *, required: bool) -> None:
    """Add --M, --size, --B, --layers, --channels, --border, --unshared and --cut to a command.

    Args:
        parser: the command's parser.
        required: whether --M and --size must be given.
    """
    add = parser.add_argument
    add("--M", type=int, required=required, help="representation channels: how many numbers describe each patch")
    add("--size", type=int, required=required, help="side of the image, counted in patches")
    add("--B", type=int, help="build the network from B×B layers of stride 1, each followed by a 2×2 layer of stride 2")
    add(
        "--layers",
        nargs="+",
        metavar="R/S/C",
        help="or list its layers: window side/stride/channels, as in 3/1/2; "
        "R/S/pool is a layer that multiplies a window's values without weights",
    )
    add("--channels", type=int, help="channels of every layer of a network that --B describes (default: M)")
    add(
        "--border",
        default="neutral",
        metavar="RULE",
        help=f"what windows see outside the image: {', '.join(BORDERS)} (default: neutral)",
    )
    add("--unshared", action="store_true", help="give every position its own weights, instead of one set per layer")
    add(
        "--cut",
        help=f"how the patches are divided into two sides: {', '.join(CUTS)}, "
        "or the patches of one side as in 0,1,4,5 (default: left-right)",
    )


def architecture_of(arguments: Namespace) -> Architecture:
    """Build the `Architecture` that the arguments of `add_network` describe."""
    if (arguments.B is None) == (arguments.layers is None):
        raise ArchitectureError("give exactly one of --B, for the common case, and --layers")
    if arguments.layers is None:
        layers = list(common_case(arguments.B, arguments.M, arguments.size, arguments.channels).layers)
    elif arguments.channels is not None:
        raise ArchitectureError("--channels goes with --B; with --layers each layer states its own, as in 3/1/2")
    else:
        layers = []
        for word in arguments.layers:
            layers.append(_layer(word, below=layers[-1].channels if layers else arguments.M))
    return Architecture(arguments.size, arguments.M, tuple(layers), arguments.border, not arguments.unshared)


def _layer(word: str, below: int) -> Layer:
    """Read 3/1/2, or 2/2/pool for a layer without weights, which keeps the channels of the layer below."""
    try:
        window, stride, channels = word.split("/")
        if channels == "pool":
            return Layer(int(window), int(stride), below, weight_free=True)
        return Layer(int(window), int(stride), int(channels))
    except ValueError as error:
        if isinstance(error, ConvacError):
            raise
        raise ArchitectureError(
            f"{shown(word)} is not a layer; write receptive field/stride/channels, as in 3/1/2, "
            "or receptive field/stride/pool for product pooling without weights"
        ) from None


def cut_of(word: str | None) -> str | list[int]:
    """Read --cut: the name of a cut, or numbers of patches as in 0,1,4,5; left-right if it was not given."""
    if word is None or not re.fullmatch("[0-9]+(,[0-9]+)*", word):
        return "left-right" if word is None else word
    if (longest := max(map(len, word.split(",")))) > LARGEST_DIGITS:
        raise CutError(
            f"a patch's number may have {LARGEST_DIGITS} digits, and one here has {longest:,}; use smaller ones"
        )
    return [int(number) for number in word.split(",")]
