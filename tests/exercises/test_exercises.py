"""Every exercise: right answers, wrong ones with the full sentence, and no answer. Nothing that is answered raises."""

import inspect
import math
import subprocess
import sys
from fractions import Fraction
from functools import cache
from importlib import import_module
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from convac_lib import Architecture, Circuit, ConvacError, ConvNet, Layer, common_case, train
from convac_lib.data.digits import digits
from convac_lib.exercises import check
from convac_lib.exercises.checking import EXERCISES, Verdict

ROOT = Path(__file__).resolve().parents[2]
NAMES = [name for names in EXERCISES.values() for name in names]
NOT_YET = "Not answered yet: put your answer in the place of `...`, run that cell, and then this one."


def rule_of(name):
    (chapter,) = (chapter for chapter, names in EXERCISES.items() if name in names)
    return getattr(import_module(f"convac_lib.exercises.{chapter}"), name.replace("-", "_"))


def eight_channels(target):
    W = np.zeros((8, 2, 4), int)  # (channel, template, patch)
    for channel, d in enumerate(product(range(2), repeat=3)):
        W[channel, d, range(3)] = 1
        W[channel, :, 3] = target[d]
    return W


def products(patches=4):
    v = np.ones((4, patches, 3), int)  # (term, patch, template)
    for n in range(4):
        v[n, n] = [0, 1, 2]
    return v


def as_tree(a, vectors):
    copies = np.stack([np.eye(len(a), dtype=int)] * 2)  # (node, γ, α)
    return [vectors.transpose(1, 0, 2), copies, a.reshape(1, 1, -1)]


def mixed_tree(a, vectors):
    return [vectors.transpose(1, 0, 2), np.ones((2, len(a), len(a)), int), a.reshape(1, 1, -1)]


def padded_tree(a, vectors):
    return [np.pad(vectors, ((0, 1), (0, 0), (0, 0))).transpose(1, 0, 2), np.ones((2, 1, len(a) + 1)), [[[1]]]]


def by_one_evaluation(circuit, d, missing):
    M, H = circuit.architecture.representation_channels, circuit.architecture.size
    x = np.eye(M, dtype=int)[:, d]  # (template, patch)
    x[:, missing] = 1
    return circuit(x.reshape(M, H, H))[0]


def by_summing(circuit, d, missing):
    entries = tuple(slice(None) if patch in missing else d[patch] for patch in range(len(d)))
    return circuit.grid_tensor()[entries].sum()


def with_zeros(circuit, d, missing):
    M, H = circuit.architecture.representation_channels, circuit.architecture.size
    x = np.eye(M, dtype=int)[:, d]
    x[:, missing] = 0
    return circuit(x.reshape(M, H, H))[0]


def summed(x, weight, stride):
    size = -(-x.shape[-1] // stride)
    y = np.zeros((len(weight), size, size))  # was np.ones
    for i, j in product(range(weight.shape[-1]), repeat=2):
        patches = x[:, i::stride, j::stride]
        factor = np.einsum("cd,dhw->chw", weight[:, :, i, j], patches)
        _, height, width = factor.shape
        y[:, :height, :width] += factor  # was *=
    return y


def by_torch(x, weight, stride):
    padded = torch.nn.functional.pad(torch.tensor(x), (0, weight.shape[-1] - 1) * 2)
    return torch.nn.functional.conv2d(padded, torch.tensor(weight), stride=stride)


def multiplied(x, weight, stride):
    return np.exp(summed(x, weight, stride))


def equal_rows(M, channels=None, prime=2**31 - 1):
    channels = channels or M
    first = np.ones((channels, M, 2, 2), int)  # (c, d, i, j)
    for c in range(channels):
        first[c, :, 0, :] = (np.arange(M) == c)[:, None]
    network = Architecture(2, M, [Layer(2, 1, channels), Layer(2, 2, 1)])
    return Circuit(network, [first, np.ones((1, channels, 2, 2), int)], [[1]], prime=prime)


def equal_rows_without_overlap():
    W = np.zeros((9, 3, 2, 2), int)
    for channel, (a, b) in enumerate(product(range(3), repeat=2)):
        W[channel, a, 0, :] = W[channel, b, 1, :] = 1
    return Circuit(Architecture(2, 3, [Layer(2, 2, 9)]), [W], [[1] * 9], prime=2**31 - 1)


def first_false(H):
    return next(B for B in range(1, 2 * H) if (2 * B - 1) ** 2 > 2 * H**2)


@cache
def accuracy(B, seed):
    generator = torch.Generator().manual_seed(seed)
    network = ConvNet(common_case(B, M=1, size=8, channels=8), classes=10, in_channels=1, generator=generator)
    return train(network, digits(), epochs=8, learning_rate=0.01, seed=seed, progress=False).train_accuracy


def three_seeds(claim):
    return [accuracy(1, seed) for seed in range(3)], [accuracy(2, seed) for seed in range(3)], claim


def one_seed():
    return [accuracy(1, 0)] * 3, [accuracy(2, seed) for seed in range(3)], "gap"


RIGHT = {  # answers, or a function that makes them
    "first-move": [(4, 32), (np.int64(4), torch.tensor(32)), (4.0, 32.0)],
    "windows": [([4, 2, 1],), (np.array([4.0, 2.0, 1.0]),), ((4, 2, 1),)],
    "stem": [(28, 4, 24), (28.0, np.int64(4), torch.tensor(24))],
    "universal": [(eight_channels,), (lambda target: eight_channels(target).tolist(),)],
    "depth": [([4, 16, 256], [26, 58, 122]), (np.array([4, 16, 256]), (26, 58, 122))],
    "target": [({1: 64, 2: 2, 3: 2},)],
    "growth": [(lambda M: M**6,), (lambda M: np.float64(M) ** 6,)],
    "fair": [(8,), (np.int16(8),), (np.array(8),), (torch.tensor(8),), (8.0,)],
    "break-even": [(6,)],
    "digit-sum": [(products(), 52), (torch.tensor(products()), 52), (products().tolist(), 52)],
    "back": [([[1, -1], [-1, 2]],), (np.linalg.inv([[2, 1], [1, 1]]),), ([[1, 100], [100, 2]],)],
    "crossing": [(16, 4, 1792)],
    "parity": [([[1, 1], [1, -1]],), (([-1, 1], [1, 1]),), (np.array([[1.0, -1.0], [1.0, 1.0]]),)],
    "saturate": [(4, 256)],
    "inside": [(as_tree,), (lambda a, vectors: tuple(torch.tensor(level) for level in as_tree(a, vectors)),)],
    "missing": [(by_one_evaluation,), (by_summing,)],
    "cuts": [(2, 4)],
    "totals": [
        ([(4, 1), (5, 2), (11, 2), (13, 4), (25, 4)],),
        (np.array([[4, 1], [5, 2], [11, 2], [13, 4], [25, 4]]),),
    ],
    "neighbours": [(3, 7)],
    "paths": [(36,)],
    "convolution": [(summed,), (by_torch,)],
    "ones": [
        ([Fraction(1, 3), Fraction(2, 3), Fraction(1, 3)],),
        (np.array([1, 2, 1]) / 3,),
        ([34, 68, 34],),
        (torch.tensor([34, -33, 135]),),
    ],
    "by-hand": [(5, 2, 8, 256)],
    "pairs": [({2: 8, 3: 8, 5: 32}, "a"), ({2: 8, 3: 8, 5: 32}, " A ")],
    "three-rows": [(equal_rows(3), 3, 9), (equal_rows(3, prime=None), 3, 9)],
    "false-from": [(first_false,)],
    "where": [("first", 64)],
    "links": [(2, 3, 3**16), (2.0, np.int64(3), 43046721)],
    "unrolled": [([20, 10, 6, 3, 2, 1], 614), (np.array([20, 10, 6, 3, 2, 1]), 614)],
    "price": [([2, 2, 3, 3], 144), (torch.tensor([2, 2, 3, 3]), 144.0)],
    "lift": [("B1", 256), ("b1", np.int64(256))],
    "seeds": [lambda: three_seeds("gap"), lambda: (*map(torch.tensor, three_seeds("gap")[:2]), "gap")],
    "match": [({2: 16, 3: 8},)],
    "count": [(4970,)],
    "shuffle": [({1: False, 3: True},), ({1: np.False_, 3: np.True_},)],
    "square": [(lambda M: M**2, lambda M: M**4)],
    "bargain": [((2, 2, 2), (3, 1, 2)), ([2, 2, 2], np.array([3, 1, 2]))],
    "first-layer": [(512, 512, 487)],
    "pooling": [(64,)],
    "three": [
        ([[[1, 0], [0, 1]], [[1, 1], [0, 1]]], [[[1, 1]]]),
        (np.array([[[1, 2], [3, 4]], [[2, 2], [1, -4]]]), torch.tensor([[[-3, 2]]])),
    ],
    "limit": [(3, 81), (3.0, np.int64(81))],
    "prime": [(240, 24001)],
    "spread": [([1, 3, 5],), ({2, 4, 8},), ((1, 4, 5),)],
    "budget": [([3, 8, 8],), (np.array([3, 8, 8]),)],
    "symmetric": [(6, 9)],
    "unsplit": [([0, 3, 4, 7, 8, 11, 12, 15], 4), ({0, 3, 12, 15}, 4)],
    "larger-image": [(65536, 2)],
    "own-windows": [
        ([[0, 2, 9, 11], [1, 3, 8, 10], [4, 6, 13, 15], [5, 7, 12, 14]], [0, 1, 2, 3, 8, 9, 10, 11]),
        (np.array([[0, 2, 9, 11], [1, 3, 8, 10], [4, 6, 13, 15], [5, 7, 12, 14]]), {0, 2, 9, 11}),
    ],
    "against-hybrid": [([1, 2, 5, 7],), ({3, 4, 6, 8},)],
    "sixteen": [(7056, 6)],
    "channels": [(386,)],
    "equality": [
        ([2, -1, -1, -1], [[[1, 1, 1]] * 2, *[[row] * 2 for row in np.eye(3, dtype=int).tolist()]]),
        (np.array([-1, 1, -1, -1]), [[[0, 1, 1]] * 2, [[3, 0, 0], [3, 3, 3]], [[1, 0, 1]] * 2, [[1, 1, 0]] * 2]),
    ],
    "averages": [(31,)],
    "arrangements": [(80,), (80.0,)],
    "censored": [(0.5, 0.75), (Fraction(1, 2), Fraction(3, 4))],
    "flipped": [(0.04,), (Fraction(1, 25),)],
    "shifted": [(27,)],
    "harmless": [((1, -0.3),), ([-1, 2],), (np.array([30.0, -10.0]),)],
    "soft-maximum": [(14,)],
    "shares": [([0.25, 0.25, 0.5],), (np.array([1, 1, 2]) / 4,), ([Fraction(1, 4)] * 2 + [Fraction(1, 2)],)],
    "absorb": [(lambda w: [math.log(len(w) * each) for each in w],), (lambda w: np.log(len(w) * np.array(w)),)],
    "which-pay": [(["overlap", "geometry", "widths"],), ({"widths", "geometry", "overlap"},)],
    "without-overlap": [(64, 16960), (64.0, 16_960)],
}
FLIPPED = "The outputs differ by a tenth of the sum of all w* · window, and the loss is this sum's variance."
WRONG = {
    "first-move": [
        ((2, 32), "2 is the rank for B = 1 and M = 2: leave B at 1, move M to 4 and read it again."),
        ((16, 32), "With B = 1 and M = 4 the rank is not 16: it is held down by the number of channels, here C = M."),
        ((4, 64), "64 is the rank itself for B = 2: divide it by the rank for B = 1."),
        ((4, 62), "For M = 2 the rank goes from 2 to 64, which is not a factor of 62."),
        ((True, 32), "rank should be an integer, and True is not one."),
    ],
    "windows": [
        (
            ([4, 3, 1],),
            "Row and column are chosen independently: for row 4, column 5 multiply 2 by 1 and do not add them.",
        ),
        (
            ([9, 9, 9],),
            "9 is the count for stride 1: with stride 2 a window begins only at each second row and column.",
        ),
        (
            ([1, 1, 1],),
            "For row 4, column 4 the count is not 1: its windows begin at row 2 or 4 and column 2 or 4.",
        ),
        (
            ([4, 2, 4],),
            "For row 5, column 5 the count is not 4: its windows begin at row 4 and column 4.",
        ),
        ((4,), "counts should be a list or an array of shape (3,), one for each unit, and 4 is neither."),
    ],
    "stem": [
        (
            (10, 4, 6),
            "T_R is not 4 + 6: the six further units of the window lie 4 pixels apart, so each adds T_S = 4.",
        ),
        ((32, 4, 28), "T_R is not 32: the window of 7 units adds R − 1 = 6 units to the first, and not 7."),
        ((11, 4, 7), "T_R is not 11: to the 4 pixels of the first layer it adds (R − 1)·T_S = 6·4."),
        ((28, 1, 27), "T_S is not 1: a step of 1 over units that are 4 pixels apart is a step of 4 pixels."),
        ((28, 4, 6), "Two windows of 28 columns that are 4 apart do not share 6 columns."),
        ((28.5, 4, 24), "T_R should be an integer, and 28.5 is not one."),
    ],
    "universal": [
        (
            (lambda target: np.zeros((8, 2, 4), int),),
            "For a random tensor the eight channels give 0 of its 16 entries, and the others are off.",
        ),
        (
            (lambda target: np.zeros((16, 2, 4), int),),
            "what weights returns should have shape (8, 2, 4), (channel, template, patch), not (16, 2, 4).",
        ),
        (
            (np.zeros((8, 2, 4), int),),
            (
                "weights should be a function, and array([[[0, 0, 0, 0], [0, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, … is "
                "not one."
            ),
        ),
    ],
    "depth": [
        (
            ([4, 8, 16], [26, 58, 122]),
            (
                "For N = 8 the rank is not 8: each of the 4 lowest windows has rank 2, and the ranks of their "
                "product multiply."
            ),
        ),
        (
            ([4, 16, 256], [24, 56, 120]),
            (
                "For N = 4 it is not 24 numbers: 4 patches and 2 windows below the top have four numbers each, and "
                "the top has two."
            ),
        ),
        (
            (4, 26),
            "ranks should be a list or an array of shape (3,), one for each of N = 4, 8 and 16, and 4 is neither.",
        ),
    ],
    "target": [
        (({1: 8, 2: 2, 3: 2},), "With B = 1 and C = 8 the rank is 8, and the target has 64."),
        (({1: 64, 2: 3, 3: 2},), "With B = 2 and C = 3 the rank is enough, but C = 2 already gives 64."),
        (({1: 64, 2: 2, 3: 1},), "With B = 3 and C = 1 the rank is 1, and the target has 64."),
        (({1: 64, 2: 2},), "channels has no entry for B = 3."),
        (
            ({1: 10**12, 2: 2, 3: 2},),
            "With B = 1 and C = 1000000000000 the rank is enough, but C = 64 already gives 64.",
        ),
        ((64,), "channels should be a dictionary such as {1: …, 2: …, 3: …}, not 64."),
    ],
    "growth": [
        ((lambda M: 64,), "With M = 1 the law gives 64, and the certified rank is 1."),
        ((lambda M: 63 * M - 62,), "With M = 3 the law gives 127, and the certified rank is 729."),
        (
            (lambda M: 301 * M**2 - 840 * M + 540,),
            "With M = 4 the law gives 1,996, and 4⁴ states times 4² products make 4,096.",
        ),
        ((64,), "law should be a function, and 64 is not one."),
    ],
    "fair": [
        ((7,), "With 7 channels rank 64 is out of reach: the left half spans at most 49."),
        ((9,), "With 9 channels rank 64 is possible, but 8 are enough for it too."),
        ((16,), "With 16 channels rank 64 is possible, but 15 are enough for it too."),
        ((0,), "The first layer has between 1 channel and the 64 of the last, and yours has 0."),
        ((10**9,), "The first layer has between 1 channel and the 64 of the last, and yours has 1000000000."),
        ((True,), "first should be an integer, and True is not one."),
        ((torch.tensor(True),), "first should be an integer, and tensor(True) is not one."),
        (("8",), "first should be an integer, and '8' is not one."),
        (([8],), "first should be an integer, and [8] is not one."),
    ],
    "break-even": [
        ((5,), "At rank 5 the factors hold 2·10·5 = 100 numbers, no more than the table's 100."),
        ((7,), "Rank 6 is enough: there the factors already hold 120 numbers against 100."),
        ((5.5,), "rank should be an integer, and 5.5 is not one."),
        ((11,), "A 10×10 table has a rank between 1 and 10, and your answer is 11."),
        ((float("nan"),), "rank should be an integer, and nan is not one."),
    ],
    "digit-sum": [
        ((np.ones((4, 4, 3), int), 52), "At the templates (0, 0, 0, 0) your sum gives 4, and the digits sum to 0."),
        ((products(), 48), "48 numbers are the entries of the vectors, and the four coefficients are stored as well."),
        ((products(), 81), "Four coefficients and 4·4·3 entries of vectors are not 81 numbers."),
        ((products(5), 52), "vectors should have shape (4, 4, 3), (term, patch, template), not (4, 5, 3)."),
        (
            ([[1], [1, 2]], 52),
            "vectors should have shape (4, 4, 3), (term, patch, template), and its rows differ in length.",
        ),
    ],
    "back": [
        (
            ([[10, -10], [-10, 20]],),
            (
                "This is not the inverse of F: inverse · F is 10 times the identity modulo 101, which the tensor does "
                "not show because its fourth power is 1."
            ),
        ),
        (([[2, -2], [-2, 4]],), "This is not the inverse of F: inverse · F is 2 times the identity modulo 101."),
        (([[2, 1], [1, 1]],), "inverse · F is [[5, 3], [3, 2]] modulo 101, and the identity is [[1, 0], [0, 1]]."),
    ],
    "crossing": [
        (
            (4, 4, 1792),
            "With M = 2 and N = 4 the table's 2^4 entries are fewer than the shallow network's numbers.",
        ),
        ((64, 4, 1792), "With M = 2 the table is the larger one already at N = 16, before 64."),
        ((16, 5, 1792), "many should be a value of the slider, 4, 16, 64, 256, 1024, and it is 5."),
        (
            (16, 4, 448),
            "The deep network does not gain 448 numbers: M enters only its first layer, four matrices of C×M.",
        ),
    ],
    "parity": [
        (([[1, 1], [1, 1]],), "With template 1 in 1 of 4 patches the sum is 1 + 1, and not 0."),
        (([[1, 1], [1, 0]],), "With template 1 in 1 of 4 patches the sum is 1 + 0, and not 0."),
        (([1, -1],), "scores should have shape (2, 2), [template 0, template 1] for each of two channels, not (2,)."),
    ],
    "saturate": [
        ((3, 256), "With C = 3 the rank across the interleaved cut is at most 81, and the matrix has 256 rows."),
        ((8, 256), "With C = 8 the rank is 256, and so it is with C = 7."),
        ((4, 4), "Across left | right, C = 4 gives at most rank 4: no small window straddles this cut."),
        ((4, 512), "halves lies between 1 and the matrix's 256 rows, and yours is 512."),
    ],
    "inside": [
        ((mixed_tree,), "For 3 random terms and M = 2 your tree differs from the sum of products in 16 of 16 entries."),
        (
            (padded_tree,),
            "Every level needs three axes, (node, channel, channel below), and for 3 terms at most 3 channels.",
        ),
        (
            (lambda a, vectors: vectors,),
            "levels should return a list of three arrays, a⁰ of the leaves, a¹ of the pairs and a² of the top.",
        ),
    ],
    "missing": [
        (
            (with_zeros,),
            "With M = 2, a 2×2 image and patches [1] missing, marginal gives 0, and the sum is 73,029,340.",
        ),
        ((lambda circuit, d, missing: 0.5,), "what marginal returns should be an integer, and 0.5 is not one."),
    ],
    "cuts": [
        ((4, 4), "Across first half | second half the rank is less than 4: the cut runs through the root alone."),
        ((2, 2), "Across 1, 2, 5, 6 | 3, 4, 7, 8 the rank is more than 2: the cut leaves the lowest pairs whole."),
    ],
    "totals": [
        (
            ([(4, 1), (5, 2), (8, 2), (13, 4), (25, 4)],),
            "Layer 3 does not see 8: to the 5 below it adds (R − 1)·T_S = 3·2.",
        ),
        (
            ([(4, 1), (5, 1), (11, 2), (13, 4), (25, 4)],),
            "Layer 2 does not step by 1: it has stride 2 over a total stride of 1.",
        ),
        (([(4, 1)],), "pairs should have shape (5, 2), (T_R, T_S) for each of five layers, not (1, 2)."),
    ],
    "neighbours": [
        ((2, 7), "With B = 2 two neighbours of layer 5 share 7 of 11 columns, not over 3/4."),
        ((4, 7), "With B = 3 two neighbours already share 14 of 18 columns, over 3/4."),
        ((3, 6), "With B = 2 a unit of layer 6 sees 15 of 32 columns, no more than half."),
        ((3, 8), "With B = 2 a unit of layer 7 already sees 23 of 32 columns."),
        ((0, 7), "B should be a value of the slider, 1 to 5, and it is 0."),
    ],
    "paths": [
        ((6,), "6 paths is the count in one dimension: rows and columns are chosen independently."),
        ((16,), "16 windows of layer 1 hold the patch, and layer 3 reads what they hand on more than once."),
        (
            (35,),
            "Doubling the patch does not multiply the output by 2^35: count the windows of layers 1 and 3 again.",
        ),
    ],
    "convolution": [
        ((multiplied,), "For 3×3 windows of stride 1 on a 6×6 image 108 of 108 entries differ from torch's."),
        (
            (lambda x, weight, stride: summed(x, weight, 1),),
            "what summed returns should have shape (3, 3, 3), (c, H′, H′), not (3, 6, 6).",
        ),
    ],
    "ones": [
        (
            ([1, 2, 1],),
            "F u is (3, 3, 3) modulo 101, not (1, 1, 1): divide u by 3, which is to multiply it by 34 modulo 101.",
        ),
        (([1, 1, 1],), "F u is (2, 2, 3) modulo 101, not (1, 1, 1)."),
        (([0.3, 0.6, 0.3],), "F u is (0.9, 0.9, 0.9), not (1, 1, 1)."),
        (([1, 2],), "u should have shape (3,), one for each function, not (2,)."),
    ],
    "by-hand": [
        (
            (4, 2, 8, 256),
            "T = 4 sees no more than half of the 8 columns, so no window compares patches across the cut.",
        ),
        (
            (7, 2, 8, 256),
            "T = 7 is not the smallest total receptive field above H/2 = 4 that the windows up to layer K can have.",
        ),
        ((5, 4, 8, 256), "D is the smallest of M = 2, C_K = 4 and C/2 = 2 below layer K, and that is not 4."),
        (
            (5, 2, 4, 256),
            "With T = 5 and T_S = 2 the window has 2 places across and 4 down, which are not 4 pairs.",
        ),
        ((5, 2, 8, 16), "The bound is D^e = 2^8, which is not 16."),
    ],
    "pairs": [
        (
            ({2: 4, 3: 8, 5: 32}, "a"),
            "With B = 2 on 8×8 patches the network does not compare 4 pairs: set the size to 8, and B to 2.",
        ),
        (
            ({2: 8, 3: 8, 5: 32}, "b"),
            (
                "With M = 3 the same pairs are compared: M is the number of templates that a pair tells apart, the "
                "base of M^e."
            ),
        ),
        (
            ({2: 8, 3: 8, 5: 32}, "c"),
            "With C = 2M channels every template can be told apart already, and e is a matter of R, S and H alone.",
        ),
        (({2: 8, 3: 8, 5: 32}, "d"), "reason should be 'a' or 'b' or 'c', not 'd'."),
    ],
    "three-rows": [
        ((equal_rows(2), 2, 4), "The circuit reads 2×2 patches of M = 2, not 2×2 of M = 3."),
        (
            (equal_rows(3, channels=2), 2, 9),
            "The circuit's matricization differs from the 9×9 identity in 5 of its 81 entries.",
        ),
        ((equal_rows(3, channels=4), 4, 9), "Your circuit does it with 4 channels in layer 1, and fewer are enough."),
        ((equal_rows(3), 2, 9), "With 2 channels in layer 1 the rank is 4, and the identity has rank 9."),
        ((equal_rows(3), 4, 9), "Layer 1 of your circuit has 3 channels, and your answer says 4."),
        ((equal_rows(3), 3, 27), "The 9×9 identity does not have rank 27."),
        (
            (equal_rows_without_overlap(), 9, 9),
            "The circuit has the right function, but the exercise asks for two layers of which the first overlaps.",
        ),
        ((9, 3, 9), "circuit should be a Circuit, as by_hand is."),
    ],
    "false-from": [
        ((lambda H: 4,), "For H = 2 the formula is false already at B = 3: M^6.25 against M^2 rows."),
        ((lambda H: H // 2 + 2,), "For H = 2 the formula is false already at B = 2: M^2.25 against M^2 rows."),
        ((lambda H: H,), "For H = 8 the formula is false already at B = 7: M^42.25 against M^32 rows."),
        (
            (lambda H: 3,),
            "For H = 4 and B = 3 the formula asks for M^6.25, and the matrix has M^8 rows: it has room.",
        ),
        ((lambda H: 0,), "For H = 4 the answer is a B of at least 1, near the size of the image, and yours is 0."),
    ],
    "where": [
        (
            ("after", 64),
            (
                "After the first 2×2 layer each unit has squeezed four patches into two channels, so the rank is "
                "the smaller."
            ),
        ),
        (
            ("first", 16),
            "The ranks are not a factor of 16 apart: certify both networks, or count what crosses the cut.",
        ),
        (("late", 64), "better should be 'first' or 'after', not 'late'."),
    ],
    "links": [
        (
            (3, 3, 3**24),
            (
                "A row does not have 3 chains: a window of 3 compares patches that are 2 apart, so the chains of a row "
                "are the remainders of the column modulo 2."
            ),
        ),
        ((2, 4, 4**16), "The base is the smaller of M = 4 templates and C_1 = 3 channels, which is not 4."),
        ((2, 3, 9), "With 2 chains in each of 8 rows the bound is 3^(2·8), which is not 9."),
        (("two", 3, 9), "per_row should be an integer, and 'two' is not one."),
    ],
    "unrolled": [
        (
            ([20, 10, 6, 3, 2, 2], 614),
            "The last layer has one unit, and nothing reads it, so it has one instance and not 2.",
        ),
        (
            ([64, 16, 16, 4, 2, 1], 614),
            (
                "Along one axis layer 4 does not have 4 instances: let each instance of the layer above read its "
                "window, and leave out what lies outside the image."
            ),
        ),
        (
            ([20, 10, 6, 3, 2, 1], 50),
            "50 vertices are those of one row: an instance is a pair, one for the row and one for the column.",
        ),
        (([20, 10, 6, 3, 2, 1], 550), "The squares of the 6 numbers and the 64 patches do not add up to 550."),
        (
            (6, 614),
            "along should be a list or an array of shape (6,), one for each layer, and 6 is neither.",
        ),
    ],
    "price": [
        (
            ([2, 2, 4, 4], 256),
            (
                "In row 3 the 2 copies are alike, so the order of their channels does not matter: count unordered "
                "choices, not all 4."
            ),
        ),
        (([2, 3, 3, 3], 144), "The unit in row 2 has 1 copy of 2 channels, and does not cost 3."),
        (([2, 2, 2, 3], 144), "The unit in row 3 has 2 copies of 2 channels, and does not cost 2."),
        (
            ([2, 2, 3, 3], 36),
            "The prices multiply to 36, and the two units of layer 3 cost C² = 4: together they do not make 36.",
        ),
    ],
    "lift": [
        (("C", 144), "With C = 3 the bound is 144, and another letter lifts it higher."),
        (("M", 144), "With M = 4 the bound is 144, and another letter lifts it higher."),
        (("left", 16), "With left = 3 the bound is 16, and another letter lifts it higher."),
        (("B1", 128), "With B1 = 3 the bound is not 128: read it above the dashed line."),
        (("H", 1), "letter should be 'b1' or 'b2' or 'c' or 'm' or 'left', not 'H'."),
    ],
    "seeds": [
        (
            ([0.1, 0.2], [0.5, 0.6, 0.7], "gap"),
            "without should have shape (3,), one accuracy for each seed, not (2,).",
        ),
        (
            ([17, 21, 20], [79, 63, 84], "gap"),
            "Accuracies lie between 0 and 1, and without holds [17.0, 21.0, 20.0].",
        ),
        (one_seed, "All three numbers in without are the same: give each seed to the network's weights and to train."),
        (
            ([0.99, 0.98, 0.97], [0.5, 0.6, 0.7], "gap"),
            lambda: f"With B = 1, C = 8, seed 0, 8 epochs and rate 0.01 training gives {accuracy(1, 0):.0%}, not 99%.",
        ),
        (
            lambda: three_seeds("spread"),
            lambda: points("By your numbers the nearest two runs are {} points apart and the widest spread is {}."),
        ),
        (([0.1, 0.2, 0.3], [0.5, 0.6, 0.7], True), "larger should be 'gap' or 'spread', not True."),
    ],
    "match": [
        (({2: 8, 3: 8},), "B = 2 with 8 channels has 42.0%, and B = 1 with 64 has 45.5%."),
        (({2: 32, 3: 8},), "B = 2 with 32 channels is more accurate, but with 16 it is too: 51.2%."),
        (({2: 12, 3: 8},), "With B = 2 the record holds 4, 8, 16, 32, 64 channels, and not 12."),
        (({2: 16},), "channels has no entry for B = 3."),
    ],
    "count": [
        ((4912,), "4,912 leaves out the biases, one for each of the 58 channels and classes."),
        (
            (5000,),
            (
                "5,000 is too many: there are three convolutions and a dense layer, each with biases, and pooling "
                "has no parameters."
            ),
        ),
        (
            (100,),
            (
                "100 is too few: there are three convolutions and a dense layer, each with biases, and pooling has "
                "no parameters."
            ),
        ),
    ],
    "shuffle": [
        (({},), "notices is empty: say for B = 1 and for B = 3 whether the network notices."),
        (({1: False},), "notices has no entry for B = 3."),
        (
            ({1: True, 3: True},),
            "A network with B = 1 gives the same outputs for 16 random images when every block is turned.",
        ),
        (
            ({1: False, 3: False},),
            "A network with B = 3 gives other outputs for 16 random images when every block is turned.",
        ),
        (({1: 0, 3: 1},), "notices[1] should be True or False, not 0."),
    ],
    "square": [
        (
            (lambda M: M + 2, lambda M: M**4),
            "With M = 3 both gives C = 5, and 3⁴·5² = 2,025 products fall short of 3⁸ = 6,561.",
        ),
        (
            (lambda M: M**2, lambda M: 8 * M),
            "With M = 3 alone gives C = 24, and 3⁴·24 = 1,944 products fall short of 3⁸ = 6,561.",
        ),
        (
            (lambda M: 2**M, lambda M: M**4),
            "With M = 3 both gives C = 8, and 3⁴·8² = 5,184 products fall short of 3⁸ = 6,561.",
        ),
        (
            (lambda M: 5 * M - 6, lambda M: M**4),
            "With M = 4 both gives C = 14, and 4⁴·14² = 50,176 products fall short of 4⁸ = 65,536.",
        ),
        (
            (lambda M: M**3, lambda M: M**4),
            "With M = 2 both gives C = 8, and the count from above allows rank 2⁸ already with 7.",
        ),
        ((lambda M: 0, lambda M: M**4), "With M = 2 both gives C = 0, and a layer has at least one channel."),
        ((4, 16), "both should be a function of M, such as lambda M: 8 * M, and 4 answers one M alone."),
    ],
    "bargain": [
        (((1, 3, 4), (3, 1, 2)), "The network (1, 3, 4) of at_64 has rank 16, and the exercise asks for 64."),
        (((3, 1, 2), (3, 1, 2)), "The network (3, 1, 2) reaches rank 64 with 74 parameters, and one with 66 does too."),
        (
            ((2, 2, 2), (2, 2, 4)),
            "The network (2, 2, 4) reaches rank 256 with 228 parameters, and one with 74 does too.",
        ),
        (
            ((2, 2, 2), (5, 5, 2)),
            "at_256 should be a state of the explorer, B₁ and B₂ from 1 to 3 and C from 2 to 4, not (5, 5, 2).",
        ),
    ],
    "first-layer": [
        ((256, 512, 487), "The bound is C·M^(H(B−1)) with C = M = B = 2 and H = 8, which is not 256."),
        ((512, 1024, 487), "with_2048 is 1,024, and no sample has a rank above the bound 512."),
        ((512, 512, 512), "With rows=1024 certify_rank does not give 512 for this network."),
    ],
    "pooling": [
        (
            (256,),
            "256 is too many: 16 states of the next column, times 2·2 channels of the two units that cross, bound it.",
        ),
        (
            (32,),
            "32 is too few: the certified rank is larger, so count the states and the units that cross the cut again.",
        ),
    ],
    "three": [
        (
            (np.ones((2, 2, 2), int), [[[1, 1]]]),
            "Your halved tensor has 4 entries that are not 0, so the rank is 4, and not 3.",
        ),
        (
            ([[[1, 0], [0, 0]], [[1, 0], [0, 0]]], [[[1, 1]]]),
            "Your halved tensor has 1 entry that is not 0, so the rank is 1, and not 3.",
        ),
        (
            ([[1, 0], [0, 1]], [[[1, 1]]]),
            "pairs should have shape (2, 2, 2), (window, channel, channel below), not (2, 2).",
        ),
    ],
    "limit": [
        ((2, 16), "With r0 = 2 the rank is 16, and a larger r0 gives more."),
        ((4, 81), "With r0 = 4 the rank is no larger than with r0 = 3."),
        ((3, 16), "r0 is right, but the rank with r0 = 3 is not 16."),
        ((5, 81), "r0 lies between 1 and 4 in the figure, and yours is 5."),
    ],
    "prime": [
        (
            (28, 2801),
            "The degree is not 28: count the nodes of the tree, each a factor of an entry, and the rows of the minor.",
        ),
        ((240, 23993), "Modulo 23993 the bound is 240/23993, more than 1/100."),
        ((240, 24007), "24007 is enough, but so is the smaller prime 24001."),
        ((240, 24003), "24003 is not a prime below 2**63; use for example 2147483647."),
        ((240, -7), "A prime is at least 2, and yours is -7."),
    ],
    "spread": [
        (([1, 3, 5, 7],), "The cheapest cut that separates these patches costs 256, and not 64."),
        (([0, 1],), "patches should name some of the patches 1 to 8, each once, and not all of them."),
        (([],), "patches should name some of the patches 1 to 8, each once, and not all of them."),
        ((3,), "patches should be a list of patches such as [1, 2], numbered from 1 as in the figure."),
    ],
    "budget": [
        (([8, 8, 8],), "The min cut is 8, but the tree stores 648 numbers, more than 330."),
        (([2, 8, 8],), "The min cut of the halves is 4, because r0² = 4."),
        (([4, 2, 8],), "The min cut of the halves is 2, because r1 = 2."),
        (([0, 8, 8],), "every width is at least 1."),
        (([8, 8],), "widths should have shape (3,), one for each level, not (2,)."),
    ],
    "symmetric": [
        ((9, 9), "shared is less than 9: count the free entries of a symmetric 3×3 matrix."),
        ((6, 6), "own is more than 6: count the free entries of a 3×3 matrix."),
    ],
    "unsplit": [
        (([0, 1], 4), "This cut splits 2 of the mirror windows: make a side of whole ones."),
        (([0, 3, 12, 15], 1), "squares is not 1: count the patches of a mirror window that a square window holds."),
        (([], 4), "patches should name some of the patches 0 to 15, and not all of them."),
        (([16], 4), "patches should name some of the patches 0 to 15, and not all of them."),
        ((3, 4), "patches should be a list of patches such as [0, 1], numbered row by row from 0."),
    ],
    "larger-image": [
        ((16, 2), "mirror_at_least is more than 16: count the split windows of 8×8 patches."),
        ((3**16, 2), "mirror_at_least is less than 43,046,721: count the split windows of 8×8 patches."),
        ((2**16, 16), "square_at_most is not 16: find the bond that separates the halves at the least cost."),
    ],
    "own-windows": [
        (
            ([[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]], [0, 1]),
            "The cut left | right does not split the window [0, 1, 4, 5].",
        ),
        (
            ([[0, 3, 12, 15], [1, 2, 13, 14], [4, 7, 8, 11], [5, 6, 9, 10]], [0, 1]),
            "The cut outer | inner does not split the window [0, 3, 12, 15].",
        ),
        (([[0, 1, 2, 3]] * 4, [0]), "own should hold each of the patches 0 to 15 once."),
        (
            ([[0, 2, 9, 11], [1, 3, 8, 10], [4, 6, 13, 15], [5, 7, 12, 14]], [0, 1]),
            "The cut loses splits your window [0, 2, 9, 11].",
        ),
    ],
    "against-hybrid": [
        (([1, 3, 5, 6],), "Across this cut the hybrid has the bound 81 and the mixture 144, not 9 and 144."),
        (([1, 2, 3, 4],), "Across this cut the hybrid has the bound 3 and the mixture 6, not 9 and 144."),
        (([0, 1],), "patches should name some of the patches 1 to 8, each once, and not all of them."),
        ((3,), "patches should be a list of patches such as [1, 2], numbered from 1."),
    ],
    "sixteen": [
        ((6561, 6), "mixture is more than 6561: add the dimensions of both in a half."),
        ((8000, 6), "mixture is less than 8000: add the dimensions of both in a half."),
        ((7056, 5), "One network of width 5 has the bound 5⁵ = 3,125, which is not the first from 7,056 up."),
        ((7056, 7), "One network of width 7 has the bound 7⁵ = 16,807, which is not the first from 7,056 up."),
    ],
    "channels": [
        ((6561,), "The bound does not exclude 386 channels, because 386 · 17 ≥ 6,561."),
        ((385,), "385 channels have at most rank 6,545, and the deep network has 6,561."),
        ((-1,), "-1 channels have at most rank 0, and the deep network has 6,561."),
    ],
    "equality": [
        (([1] * 5, [[[1, 1, 1]] * 2] * 5), "Four channels are enough, and yours has 5."),
        (
            (4, [[[1, 0, 0]] * 2]),
            "coefficients should be a list or an array of shape (4,), one for each channel, and 4 is neither.",
        ),
        (([1], [[[1, 0, 0]] * 2]), "For templates 0 and 1 the network gives 1, and not 0."),
        (([], np.zeros((0, 2, 3), int)), "For templates 0 and 0 the network gives 0, and not 1."),
        (([1, 1], [[1, 0, 0]] * 2), "vectors should have shape (2, 2, 3), (channel, patch, template), not (2, 3)."),
    ],
    "averages": [
        ((256,), "The last window adds two functions, and each half has 4 odd patches and 4 even ones."),
        (
            (7,),
            "A function of one half can have as many independent rows as its odd patches have arrangements.",
        ),
    ],
    "arrangements": [
        ((20,), "An image has 4 patches per side, and so 16 patches."),
        ((32,), "Every one of the 16 patches chooses one of 32 = 2⁵ components."),
    ],
    "censored": [
        ((0.75, 0.75), "Nothing is seen, so a model that leaves the pixel out answers with the prior."),
        ((0.5, 0.5), "Bayes' rule with the event 'hidden' needs p(hidden | y), which is p(bright | y)."),
        (("half", 0.75), "marginal should be a number, and 'half' is not one."),
    ],
    "flipped": [
        (
            (0.6,),
            "6/10 is the loss without overlap: with stride 1, sum the ten windows first, and most terms cancel.",
        ),
        ((0.06,), FLIPPED),
        ((0,), FLIPPED),
        ((float("nan"),), "loss should be a number, and nan is not one."),
    ],
    "shifted": [
        ((26,), "With 26 windows the loss is 0.00101, which is not below 1/1000."),
        ((28,), "With 28 windows the loss is below 1/1000, and so it is with 27."),
        ((0,), "k should be between 1 and 10,000, and yours is 0."),
        ((26.1,), "k should be an integer, and 26.1 is not one."),
    ],
    "harmless": [
        (((1, -1),), "From 75 of 200 starts, descent does not reach your filter."),
        (((-5, 4),), "From 70 of 200 starts, descent does not reach your filter."),
        (
            ((1, 1),),
            "Both numbers should be different from 0 and have different signs, and yours are 1 and 1.",
        ),
        (((1, -1e-5),), "One of your numbers is almost 0; keep it above a thousandth of the other."),
        (((1, -1, 1),), "target should have shape (2,), (w₁, w₂), not (3,)."),
    ],
    "soft-maximum": [
        ((13,), "With β = 13 the bound log(4)/β is not from 0 to 0.1."),
        ((15,), "A smaller integer is enough, because log(4) is below 1.4."),
    ],
    "shares": [
        (([1, 1, 2],), "If all three numbers grow by 1, MEX grows by 1, so the derivatives sum to 1."),
        (
            ([1 / 3, 1 / 3, 1 / 3],),
            "The derivatives have the ratio of the exponentials, which are 1, 1 and 2.",
        ),
        (([0.5, 0.5],), "derivatives should have shape (3,), one for each number, not (2,)."),
    ],
    "absorb": [
        (
            (lambda w: [math.log(each) for each in w],),
            "With the offsets log w, MEX is too small by log n, because it divides the sum by n.",
        ),
        ((lambda w: w,), "For the weights 0.2, 0.3, 0.5 MEX is not the logarithm of the weighted sum."),
        (
            (lambda w: [math.log(3 * each) for each in w],),
            "For the weights 1.0, 4.0 MEX is not the logarithm of the weighted sum.",
        ),
        ((5,), "offsets should be a function, and 5 is not one."),
    ],
    "which-pay": [
        ((["overlap", "depth"],), "depth does not pay here: the rank is 2 with it, and 4 without."),
        ((["mixing"],), "mixing does not pay here: the rank is 4 with it, and 6 without."),
        ((["overlap", "geometry"],), "What you list pays, and 1 more does."),
        (([],), "What you list pays, and 3 more do."),
        ((["attention"],), "'attention' is none of overlap, depth, geometry, mixing, widths."),
        (("overlap",), "features should be a list of names such as ['overlap'], not 'overlap'."),
    ],
    "without-overlap": [
        ((256, 264448), "C is less than 256: without overlap the rank across these halves is at most C."),
        ((4, 100), "C is more than 4: without overlap the rank across these halves is at most C."),
        ((64, 16896), "size is not 16,896: add 4·M·C and 4·C·C for the two layers, and C for the dense vector."),
    ],
}


def points(sentence):
    without, overlapping, _ = three_seeds("spread")
    gap = min(overlapping) - max(without)
    spread = max(max(runs) - min(runs) for runs in (without, overlapping))
    return sentence.format(f"{100 * gap:.0f}", f"{100 * spread:.0f}")


def made(value):
    return value() if callable(value) else value


def table(answers):
    return [pytest.param(name, *row, id=f"{name}-{n}") for name in answers for n, row in enumerate(answers[name])]


def test_every_exercise_has_a_rule_and_answers_of_every_sort():
    assert len(set(NAMES)) == len(NAMES)
    assert list(RIGHT) == list(WRONG) == NAMES
    assert all(RIGHT[name] and len(WRONG[name]) >= 2 for name in NAMES)
    for chapter, names in EXERCISES.items():
        module = import_module(f"convac_lib.exercises.{chapter}")
        own = [
            name
            for name, each in vars(module).items()
            if inspect.isfunction(each) and each.__module__ == module.__name__
        ]
        assert [name for name in own if not name.startswith("_")] == [name.replace("-", "_") for name in names]
        assert all(inspect.getdoc(rule_of(name)).endswith(".") for name in names)
    assert len(list((ROOT / "convac_lib/exercises").glob("*.py"))) == len(EXERCISES) + 3


@pytest.mark.parametrize("name, answers", table({name: [(row,) for row in rows] for name, rows in RIGHT.items()}))
def test_a_right_answer_is_confirmed_and_told_why(name, answers):
    verdict = check(name, *made(answers))
    assert verdict.right is True and verdict, verdict
    assert verdict.sentence.startswith("Right: ") and is_one_sentence(verdict.sentence)


@pytest.mark.parametrize("name, answers, sentence", table(WRONG))
def test_a_wrong_answer_is_told_what_it_violates(name, answers, sentence):
    verdict = check(name, *made(answers))
    assert (verdict.right, verdict.sentence) == (False, made(sentence))
    assert not verdict and is_one_sentence(verdict.sentence)


def is_one_sentence(words):
    return words.endswith(".") and ". " not in words and "\n" not in words


@pytest.mark.parametrize("name", NAMES)
def test_no_answer_is_told_what_to_do(name):
    count, right = len(inspect.signature(rule_of(name)).parameters), made(RIGHT[name][0])
    assert check(name, *[...] * count) == check(name, *[None] * count) == Verdict(name, None, NOT_YET)
    for place in range(count):
        for open_answer in (..., [...], {1: ...}, (1, [2, ...]), np.array([1, ...], object)):
            verdict = check(name, *right[:place], open_answer, *right[place + 1 :])
            assert (verdict.right, verdict.sentence) == (None, NOT_YET) and not verdict
    asked = ", ".join(inspect.signature(rule_of(name)).parameters)
    verdict = check(name, *right, 1)
    assert verdict.right is None
    plural = "answer" if count == 1 else "answers"
    assert verdict.sentence == f"This exercise takes {count} {plural}, {asked}, and check was given {count + 1}."


def opened(*arguments):
    return ...


def silent(*arguments):
    pass


def failing(*arguments):
    return 1 // 0


FUNCTIONS = ["universal", "growth", "inside", "missing", "convolution", "false-from", "square", "absorb"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_may_be_open_or_fail(name):
    asked = list(inspect.signature(rule_of(name)).parameters)
    assert check(name, *[opened] * len(asked)) == Verdict(name, None, NOT_YET)
    words = f"{asked[0]} returns None: a function passes its result on with `return`."
    assert check(name, *[silent] * len(asked)) == Verdict(name, False, words)
    words = "Your answer cannot be tried: ZeroDivisionError: integer division or modulo by zero"
    assert check(name, *[failing] * len(asked)).sentence == words
    assert (
        check(name, *[lambda *arguments: sys.exit(3)] * len(asked)).sentence
        == "Your answer cannot be tried: SystemExit: 3"
    )


def test_a_reader_can_stop_their_function():
    def stopped(M):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check("growth", stopped)


def test_a_function_cannot_change_what_it_is_tried_on():
    def spoiling(target):
        weights = eight_channels(target)
        target[:] = 0
        return weights

    assert check("universal", spoiling)


@pytest.mark.parametrize("name", ["faire", "", None, 3, ["fair"]])
def test_an_unknown_exercise_is_the_books_fault_and_loud(name):
    with pytest.raises(ConvacError) as refusal:
        check(name, 8)
    assert str(refusal.value) == f"there is no exercise {name!r}; the exercises are {', '.join(NAMES)}"


PLAIN = st.one_of(
    st.integers(), st.floats(), st.text(max_size=5), st.none(), st.booleans(), st.complex_numbers(), st.just(...)
)
ARRAYS = arrays(
    st.sampled_from([int, float, bool, complex, object]), st.sampled_from([(), (0,), (3,), (2, 2), (5, 2), (8, 2, 4)])
)
ANYTHING = st.one_of(
    st.recursive(
        PLAIN, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.integers(1, 5), inner, max_size=5)
    ),
    st.lists(st.integers(-3, 70), min_size=3, max_size=3),
    ARRAYS,
    ARRAYS.filter(lambda array: array.dtype != object).map(torch.tensor),
    st.sampled_from(
        [equal_rows(2), "gap", "first", int, len, print, np.sum, failing, silent, opened, range(3), {1: 2}, object()]
    ),
    st.builds(lambda value: lambda *arguments: value, PLAIN | ARRAYS),
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_nothing_that_a_reader_answers_raises(name, data):
    answers = [data.draw(ANYTHING) for _ in inspect.signature(rule_of(name)).parameters]
    verdict = check(name, *answers)
    foreseen = not verdict.sentence.startswith("Your answer cannot be tried")
    assert foreseen or any(map(callable, answers)), "a rule met data that it does not name"
    assert "\n" not in repr(verdict)
    assert repr(verdict)[:2] == {True: "✓ ", False: "✗ ", None: "… "}[verdict.right]


def test_check_loads_no_torch():
    code = "from convac_lib.exercises import check; import sys; assert check('fair', 8) and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
