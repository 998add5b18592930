"""Checkpoints: the weights, the state of Adam and the curves of a training, in one file.

Taught in the chapter *Experiments on standard ConvNets*.
"""

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.optim import Optimizer

from convac_lib.errors import DataError
from convac_lib.files import read, replace, telling

ELSEWHERE = "name a file of records in"  # how the user chooses another place: checkpoints lie beside the records
_CURVES = ("losses", "accuracies", "seconds")
_MOMENTS = ("exp_avg", "exp_avg_sq")
_RESTART = "remove it to start again"

Curves = tuple[list[list[float]], list[list[float]], float]


def save_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer, curves: Curves) -> None:
    """Write a checkpoint; a kill leaves the file that was there before.

    Args:
        path: the file.
        model: the network, or networks side by side.
        optimizer: its Adam.
        curves: the losses and the accuracies of every epoch so far, and the seconds that they took.

    Raises:
        DataError: if it cannot be written.
    """
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{number}.{name}": tensor for name, tensor in state.items()}
    for name, curve in zip(_CURVES, curves):
        tensors[f"curves.{name}"] = torch.tensor(curve, dtype=torch.float64)
    data = save({name: tensor.contiguous() for name, tensor in tensors.items()})
    with telling("write the checkpoint", path, otherwise=f"{ELSEWHERE} another folder", name=ELSEWHERE):
        replace(path, data)


def load_checkpoint(path: Path, model: nn.Module, optimizer: Optimizer, shape: tuple[int, int]) -> Curves | None:
    """Load the weights and the state of Adam in place, and return the curves; None if there is no such file.

    Args:
        path: the file.
        model: the network, or networks side by side.
        optimizer: its Adam.
        shape: the number of epochs that the curves have at most, and the number of networks.

    Raises:
        DataError: if the file cannot be read, is damaged, or was saved by another training.
    """
    most = 2**20 + 4 * sum(tensor.nbytes for tensor in model.state_dict().values())
    with telling("read the checkpoint", path, otherwise=_RESTART, name="use"):
        try:
            content = read(path, most)  # once: another sweep may replace the file
        except FileNotFoundError:
            return None
    foreign = f"{path} is no checkpoint of this training; {_RESTART}"
    try:
        tensors = load(content)
        of_model = {name.removeprefix("model."): tensors[name] for name in tensors if name.startswith("model.")}
        model.load_state_dict(of_model)
        states = {number: _adam_state(tensors, number, weight) for number, weight in enumerate(model.parameters())}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": states})
        losses, accuracies, seconds = (tensors[f"curves.{name}"] for name in _CURVES)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise DataError(foreign) from error
    epochs, networks = shape
    if losses.shape != accuracies.shape or losses.shape[1:] != (networks,) or len(losses) > epochs or seconds.ndim:
        raise DataError(foreign)
    return losses.tolist(), accuracies.tolist(), seconds.item()


def _adam_state(tensors: dict[str, Tensor], number: int, weight: Tensor) -> dict[str, Tensor]:
    """The state of Adam for one parameter, laid out in memory as the parameter, as the fused kernel requires."""
    state = {kind: tensors[f"adam.{number}.{kind}"] for kind in ("step", *_MOMENTS)}
    for kind in _MOMENTS:
        state[kind] = torch.empty_like(weight).copy_(state[kind].view(weight.shape))
    return state
