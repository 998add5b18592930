"""Run one operator without its arithmetic where only the shape of the result matters.

Taught in the chapter *The overlap theorem*.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_map_only

from convac_lib.networks.tracing.calls import CONVOLUTIONS, PRODUCTS, plain_name

BLANK = PRODUCTS | CONVOLUTIONS


def evaluated(operator: OpOverload, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, computes: bool) -> Any:
    """Return what an operator makes of its arguments; a convolution or a product makes zeros of the right shape.

    Where a pixel goes depends on no weight, and so a large network is read in a fraction of the time that it runs.

    Args:
        operator: the operator.
        args: its positional arguments.
        kwargs: its keyword arguments.
        computes: whether to compute everything.

    >>> evaluated(torch.ops.aten.mm.default, (torch.ones(300, 300), torch.ones(300, 2)), {}, computes=False)[0]
    tensor([0., 0.])
    """
    if computes or plain_name(operator) not in BLANK or operator._schema.is_mutable:
        return operator(*args, **kwargs)
    tensors = [each for each in (*args, *kwargs.values()) if isinstance(each, Tensor)]
    if any(tensor.is_quantized or tensor.device.type == "meta" for tensor in tensors):
        return operator(*args, **kwargs)
    try:
        like = operator(*tree_map_only(Tensor, _shape_of, args), **tree_map_only(Tensor, _shape_of, dict(kwargs)))
        return torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=tensors[0].device).zero_()
    except (NotImplementedError, RuntimeError):  # of operators that have no shapes without numbers
        return operator(*args, **kwargs)


def _shape_of(tensor: Tensor) -> Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")
