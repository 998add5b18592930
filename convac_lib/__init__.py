"""Judge an architecture by what it can represent compactly: exact ranks, bounds and networks.

The live library of the book *On the expressive efficiency of overlapping architectures*, after the talk by Or Sharir
and Amnon Shashua. Names are loaded when first used, so that the theory runs without importing torch.

>>> from convac_lib import certify_rank, common_case
>>> [certify_rank(common_case(B, M=2, size=4)).rank for B in (1, 2, 3)]
[2, 64, 256]
"""

from importlib import import_module
from typing import Any

# __init__.pyi says the same to type checkers; a test compares the two.
_HOMES = {
    "errors": ["ConvacError"],
    "architecture": ["Architecture", "Layer"],
    "families": ["baseline", "common_case"],
    "theory.cuts": ["make_cut"],
    "theory.tensors": ["grid_tensor", "matricize"],
    "theory.circuits": ["Circuit", "random_circuit"],
    "theory.ranks": ["certify_rank", "rank_modulo"],
    "theory.bounds": ["bounds_of"],
    "networks.functional": ["generalized_conv2d"],
    "networks.layers": ["GeneralizedConv2d"],
    "networks.models": ["ConvAC", "ConvNet"],
    "networks.tracing.reading": ["from_torch"],
    "experiments.training": ["train"],
    "visuals.explorer": ["Explorer"],
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
__all__ = list(_HOME_OF)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
