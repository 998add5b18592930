"""Random networks and cuts, on which exact ranks are compared with the bounds: each is drawn from two numbers."""

from typing import cast

import numpy as np

from convac_lib.architecture import Architecture, Layer
from convac_lib.theory.cuts import CUTS, Cut, make_cut

LARGEST_M, LARGEST_C, LARGEST_WINDOW, LARGEST_DEPTH = 6, 8, 4, 4


def draw_network(seed: int, number: int) -> tuple[Architecture, Cut]:
    """Draw a network of 2×2 to 4×4 patches, and a cut of them.

    M is 2 to 6, C 1 to 8, R 1 to 4, and S any stride. With the borders "neutral" and "ones", six of ten networks
    alternate layers of stride 1 with layers that do not overlap. The others, and those with the border "valid", have
    one to four layers of any kind. A third of the networks has weights of its own at every position. Channels are all
    equal, or powers of 2 or 3, or independent. Cuts have a name, or list their patches.

    Args:
        seed: of a whole series of draws.
        number: of this draw in the series, from 0.

    Returns:
        The `Architecture`, which ends in 1×1, and the `Cut`.

    Source: ours. Chapter: *How much overlap is enough*.

    >>> network, cut = draw_network(seed=0, number=5)
    >>> network.sizes[-1], network == draw_network(0, 5)[0]
    (1, True)
    """
    generator = np.random.default_rng([seed, number])
    size = int(generator.choice([2, 3, 4], p=[0.08, 0.27, 0.65]))
    border = str(generator.choice(["neutral", "ones", "valid"], p=[0.6, 0.1, 0.3]))
    alternate = border != "valid" and generator.random() < 0.6
    windows = _alternating(size, generator) if alternate else _any_windows(size, border, generator)
    M, *channels = _channels(len(windows), generator)
    layers = [Layer(R, S, C) for (R, S), C in zip(windows, channels)]
    network = Architecture(size, M, layers, border, shared=bool(generator.random() < 2 / 3))
    return network, _cut(size, generator)


def _alternating(size: int, generator: np.random.Generator) -> list[tuple[int, int]]:
    windows = []
    while size > 1:
        step = 2 if size % 2 == 0 else size
        windows += [(int(generator.integers(1, LARGEST_WINDOW + 1)), 1), (step, step)]
        size //= step
    return windows


def _any_windows(size: int, border: str, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Draw windows R and strides S until one position is left."""
    windows: list[tuple[int, int]] = []
    while size > 1 or not windows:
        last = len(windows) == LARGEST_DEPTH - 1
        S = size if last else int(generator.integers(1, size + 1))
        R = int(generator.integers(S, max(S, size if border == "valid" else LARGEST_WINDOW) + 1))
        windows.append((R, S))
        size = (size - R) // S + 1 if border == "valid" else -(-size // S)
    return windows


def _channels(layers: int, generator: np.random.Generator) -> list[int]:
    """Draw M and the channels of the layers."""
    M, kind = int(generator.integers(2, LARGEST_M + 1)), generator.random()
    if kind < 0.35:
        return [M, *[int(generator.integers(1, LARGEST_C + 1))] * layers]
    if kind < 0.65:
        powers = [2, 4, 8] if generator.random() < 0.75 else [3]
        M = int(generator.choice([each for each in powers if each <= LARGEST_M]))
        return [M, *map(int, generator.choice(powers, layers))]
    return [M, *map(int, generator.integers(1, LARGEST_C + 1, layers))]


def _cut(size: int, generator: np.random.Generator) -> Cut:
    """Draw a cut by its name, or a subset of the patches; of odd sizes, columns and checkerboards as subsets."""
    patches, kind = np.arange(size**2), generator.random()
    if size % 2 == 0 and kind < 0.85:
        return make_cut(str(generator.choice(list(CUTS), p=[0.55, 0.08, 0.12, 0.25])), size)
    if kind < 0.4:
        listed = patches[patches % size < generator.integers(1, size)]
    elif kind < 0.6:
        listed = patches[patches % 2 == 0]
    else:
        listed = generator.choice(patches, generator.integers(1, size**2), replace=False)
    return make_cut(cast(list[int], listed.tolist()), size)
