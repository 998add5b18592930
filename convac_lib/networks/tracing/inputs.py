"""The input of the one run: an image of zeros, whose shape is given or guessed, or an example of the model's inputs.

Taught in the chapter *The overlap theorem*.
"""

import reprlib
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError
from convac_lib.networks.tracing.calls import tensors_in

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Inputs:
    """What a model is called with.

    Args:
        shape: the image's, (1, C, …).
        guess: words on what was not given but guessed, or on what it does not fit, or "".
        args: an example of the model's arguments, of which the first tensor is the image; None for an image alone.
        kwargs: an example of its arguments by name.
    """

    shape: Shape
    guess: str = ""
    args: tuple[Any, ...] | None = None
    kwargs: dict[str, Any] | None = None


def inputs_of(model: nn.Module, input_size: object, example: object) -> list[Inputs]:
    """Return what to call a model with, best guess first.

    Args:
        model: the model.
        input_size: a side, or (channels, …); None with an example.
        example: a tensor, a tuple of arguments, or a dictionary of arguments by name; or None.

    Raises:
        ArchitectureError: if neither or both are given, or one has another form.
    """
    if (input_size is None) == (example is None):
        raise ArchitectureError("give an input size, or an example of the model's inputs, and not both")
    if example is not None:
        return [_of_example(example)]
    axes, channels = _first_reads(model)
    if isinstance(input_size, int):
        require_integers(error=ArchitectureError, side=input_size)
        why = "as the first convolution reads" if channels else "as photographs have"
        guesses = [Inputs((1, channels or 3, *[input_size] * axes), f"{channels or 3} channels, {why}")]
        return guesses + [Inputs((1, 3, input_size, input_size), "3 channels, as photographs have")] * bool(channels)
    if not isinstance(input_size, (tuple, list)) or len(input_size) not in (2, 3, 4):
        raise ArchitectureError(
            f"an input size is a side, as in 224, or (channels, height, width), as in (3, 224, 224), "
            f"not {reprlib.repr(input_size)}"
        )
    names = ("channels", *{2: ("length",), 3: ("height", "width"), 4: ("depth", "height", "width")}[len(input_size)])
    require_integers(error=ArchitectureError, **dict(zip(names, input_size)))
    over = f"a first convolution over {axes} axes" if channels and axes != len(input_size) - 1 else ""
    return [Inputs((1, *input_size), over)]


def _of_example(example: object) -> Inputs:
    args = () if isinstance(example, dict) else example if isinstance(example, tuple) else (example,)
    kwargs = example if isinstance(example, dict) else {}
    tensors = tensors_in((args, kwargs))
    if not tensors or not 3 <= tensors[0].ndim <= 5 or len(tensors[0]) != 1:
        raise ArchitectureError(
            "an example is a tensor of shape (1, channels, height, width), a tuple of arguments or a dictionary of "
            f"arguments by name, whose first tensor is such an image, not {reprlib.repr(example)}"
        )
    return Inputs(tuple(tensors[0].shape), "", args, kwargs)


def _first_reads(model: nn.Module) -> tuple[int, int | None]:
    """Return over how many axes the first convolution runs, and how many channels it reads, if it says."""
    for module in model.modules():
        asked = getattr(module, "in_channels", None)
        kernel = getattr(module, "kernel_size", None)
        if isinstance(asked, int):
            axes = len(kernel) if isinstance(kernel, tuple) and 1 <= len(kernel) <= 3 else 2
            return axes, asked if asked > 0 else None
    return 2, None


def arguments_with(inputs: Inputs, image: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the run, with an image in the place of the example's own.

    Args:
        inputs: what the model is called with.
        image: the image.
    """
    if inputs.args is None or inputs.kwargs is None:
        return (image,), {}
    own = tensors_in((inputs.args, inputs.kwargs))[0]
    return torch.utils._pytree.tree_map(lambda value: image if value is own else value, (inputs.args, inputs.kwargs))  # type: ignore[no-any-return]
