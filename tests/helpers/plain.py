"""Definitions as plain loops, which tests compare the library with."""

from itertools import product

import numpy as np


def one_scalar_at_a_time(x, weight_at, stride, bias, border):
    """Y[c,u,v] = Π_ij (Σ_d W[c,d,i,j]·X[d, uS+i, vS+j] + b[c,i,j]) of lists of numbers; weight_at(u, v) is W."""
    channels, in_channels, R, _ = weight_at(0, 0).shape
    _, height, width = x.shape
    rows = [u for u in range(height) if u * stride < height and (border != "valid" or u * stride + R <= height)]
    columns = [v for v in range(width) if v * stride < width and (border != "valid" or v * stride + R <= width)]
    y = np.empty((channels, len(rows), len(columns)), object)
    for c, u, v in product(range(channels), rows, columns):
        value = 1
        for i, j in product(range(R), repeat=2):
            row, column = u * stride + i, v * stride + j
            inside = row < height and column < width
            if not inside and border == "neutral":
                continue
            vector = [x[d, row, column] if inside else {"ones": 1, "zero": 0}[border] for d in range(in_channels)]
            value *= sum(weight_at(u, v)[c, d, i, j] * vector[d] for d in range(in_channels)) + bias[c, i, j]
        y[c, u, v] = value
    return y


def sides_seen(network, cut):
    """Layer by layer, by plain loops: every position's window, as what its offsets see of the two sides of the cut."""
    below = {divmod(patch, network.size): {patch in cut.rows} for patch in range(network.size**2)}
    for layer, size in zip(network.layers, network.sizes):
        offsets = list(product(range(layer.receptive_field), repeat=2))
        windows = {
            (u, v): [below.get((u * layer.stride + i, v * layer.stride + j), set()) for i, j in offsets]
            for u, v in product(range(size), repeat=2)
        }
        yield layer, windows
        below = {place: set().union(*window) for place, window in windows.items()}
