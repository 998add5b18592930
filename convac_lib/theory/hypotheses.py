"""Hypotheses that several bounds share: each function raises `HypothesisError` where one fails."""

from convac_lib.architecture import Architecture
from convac_lib.errors import HypothesisError
from convac_lib.theory.cuts import CutLike, make_cut
from convac_lib.theory.receptive_fields import require_all_patches_read


def require_single_output(architecture: Architecture, what: str) -> None:
    """Raise `HypothesisError` unless the network reads all patches and ends in 1×1; `what` begins the sentence."""
    require_all_patches_read(architecture)
    size = architecture.sizes[-1]
    if size != 1:
        raise HypothesisError(f"{what} needs a network that ends in 1×1, and this one ends in {size}×{size}")


def require_weights(architecture: Architecture, what: str) -> None:
    """Raise `HypothesisError` unless the network ends in 1×1, with weights in every layer and no border of zeros."""
    require_single_output(architecture, what)
    if architecture.border == "zero":
        raise HypothesisError(f"{what} is for the borders 'neutral', 'ones' and 'valid', and this one is 'zero'")
    for number, layer in enumerate(architecture.layers, start=1):
        if layer.weight_free:
            raise HypothesisError(f"{what} is for layers with weights of their own, and layer {number} is weight-free")


def require_half_cut(architecture: Architecture, cut: CutLike, what: str) -> None:
    """Raise `HypothesisError` unless the network ends in 1×1 and the cut makes the left and right or top and bottom."""
    require_single_output(architecture, what)
    cut = make_cut(cut, architecture.size)
    if not any(cut.is_like(name) for name in ("left-right", "top-bottom")):
        raise HypothesisError(f"{what} is for the cuts 'left-right' and 'top-bottom', and this one is {cut.name!r}")
