"""The α-minimal total receptive field: how far a network's windows can shrink while a layer still sees more than α."""

from convac_lib.architecture import Architecture
from convac_lib.errors import ArchitectureError, HypothesisError


def minimal_windows(architecture: Architecture, K: int, alpha: int) -> tuple[int, ...] | None:
    """Shrink windows, at most to their strides, until the total receptive field at layer K is just larger than α.

        min { T = 1 + Σ_l (t_l − 1)·T_S⁽ˡ⁻¹⁾ :  S_l ≤ t_l ≤ R_l,  T > α }

    Each total stride divides the next. So if the windows of lower layers grow by at least one step of a higher layer,
    they can shrink again by exactly that step. From the top down, each layer therefore grows by as many steps as still
    fit, and by one more only if the layers below it cannot provide the rest.

    Args:
        architecture: the network.
        K: a layer, 1..L.
        alpha: α, in patches.

    Returns:
        (t_1, …, t_K), in pixels of each layer's input, or None if T_R⁽ᴷ⁾ ≤ α.

    Raises:
        HypothesisError: if R < S in a layer.

    Source: Sharir & Shashua 2017, "α-minimal total receptive field". Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> minimal_windows(common_case(B=3, M=2, size=8), K=3, alpha=4)
    (2, 2, 2)
    """
    require_all_patches_read(architecture)
    if architecture.total_receptive_fields[K - 1] <= alpha:
        return None
    layers, steps = architecture.layers[:K], (1, *architecture.total_strides)
    missing = alpha + 1 - steps[K]  # with t_l = S_l in every layer, T is T_S
    below = architecture.total_receptive_fields[K - 1] - steps[K]  # the most that the layers below can add
    windows = []
    for layer, step in zip(layers[::-1], steps[K - 1 :: -1]):
        most = layer.receptive_field - layer.stride
        below -= most * step
        grown = min(most, max(0, missing) // step)
        if missing - grown * step > below:
            grown += 1
        missing -= grown * step
        windows.append(layer.stride + grown)
    return tuple(windows[::-1])


def minimal_total_receptive_field(architecture: Architecture, K: int, alpha: int) -> int | None:
    """Find the least total receptive field larger than α that layer K can have, as `minimal_windows` shrinks it.

        T_R⁽ᴷ'ᵅ⁾ = min { 1 + Σ_l (t_l − 1)·T_S⁽ˡ⁻¹⁾ :  S_l ≤ t_l ≤ R_l,  the sum is > α }

    Args:
        architecture: the network.
        K: a layer, 1..L.
        alpha: α, in patches.

    Returns:
        The α-minimal total receptive field in patches, or None if T_R⁽ᴷ⁾ ≤ α.

    Raises:
        HypothesisError: if R < S in a layer.

    Source: Sharir & Shashua 2017, "α-minimal total receptive field". Chapter: *The overlap theorem*.

    >>> from convac_lib import common_case
    >>> minimal_total_receptive_field(common_case(B=3, M=2, size=8), K=3, alpha=4)
    5
    """
    windows = minimal_windows(architecture, K, alpha)
    if windows is None:
        return None
    return 1 + sum((t - 1) * step for t, step in zip(windows, (1, *architecture.total_strides)))


def require_all_patches_read(architecture: Architecture) -> None:
    """Raise `HypothesisError` if a layer skips patches: no statement of the theory is about such a network."""
    try:
        architecture.require_patches_read()
    except ArchitectureError as error:
        raise HypothesisError(str(error)) from None
