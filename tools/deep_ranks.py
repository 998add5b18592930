"""Find exact ranks of deep networks on rectangular images, beside their upper bounds: results/deep-ranks.jsonl.

    python tools/deep_ranks.py

An image of 1×64 patches is as deep as one of 64×64, and its ranks are small enough to compute. The networks are the
common case on a rectangle: B×B layers of stride 1, each followed by a 2×2 layer of stride 2, with the border "neutral",
where patches outside the rectangle are absent. Rows and columns are sampled. A rank over GF(p) that equals the upper
bound is the generic rank. Each line is on the disk before the next one begins; a stopped run resumes where it stopped.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.families import common_case
from convac_lib.files import Journal
from convac_lib.theory.assembly import ONE, Arithmetic, Position, fill, multiply
from convac_lib.theory.cuts import Cut, make_cut
from convac_lib.theory.elimination import echelon
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.min_cut import search_cut
from convac_lib.theory.ranks import enough_rows, sample
from convac_lib.theory.trees import Powers
from convac_lib.theory.unrolled import Unrolled, unroll
from convac_lib.theory.weights import weight_shapes

OUT = Path(__file__).parent.parent / "results" / "deep-ranks.jsonl"
LARGEST_FILE, LARGEST_UNROLLED = 2**20, 2_000_000
DRAWS = 3
CASES = [  # height, width, M, B, C
    *((1, 16, 3, B, C) for B in (2, 3) for C in (2, 3, 4)),
    *((1, 16, 4, 2, C) for C in (2, 3, 4, 5)),
    *((1, 16, 4, 3, C) for C in (2, 3)),
    *((1, 32, 2, 2, C) for C in (2, 3, 4, 5)),
    (1, 32, 2, 3, 2),
    (1, 64, 2, 2, 2),
    *((2, 8, 3, 2, C) for C in (2, 3, 4)),
    (2, 8, 3, 3, 2),
    *((2, 16, 2, 2, C) for C in (2, 3, 4, 5)),
    *((2, 16, 2, 3, C) for C in (2, 3)),
    *((4, 8, 2, 2, C) for C in (2, 3, 4)),
    (4, 8, 2, 3, 2),
]


@dataclass(frozen=True, eq=False)
class Rectangle(Unrolled):
    """An unrolled network on the first rows of patches of its architecture's image.

    Attributes:
        along_rows: the unrolled network of an image as high as the rectangle, which has the instances along this axis.
    """

    along_rows: Unrolled

    @cached_property
    def nodes(self) -> tuple[np.ndarray, ...]:
        """The row-major number of each instance's node, level by level; at level 0, the patch of each edge."""
        sizes = (self.architecture.size, *self.architecture.sizes)
        levels = zip(self.along_rows.places, self.places, sizes, strict=True)
        return tuple(np.add.outer(rows * size, columns).ravel() for rows, columns, size in levels)

    @cached_property
    def up(self) -> tuple[np.ndarray, ...]:
        """The number of each one's parent in the next level."""
        levels = zip(self.along_rows.parents, self.parents, self.places[1:], strict=True)
        return tuple(np.add.outer(rows * len(above), columns).ravel() for rows, columns, above in levels)


def networks(height: int, width: int, M: int, B: int, C: int) -> tuple[Architecture, Architecture]:
    """Return the network as wide as the rectangle, and the one of the same layers as high as it."""
    wide = common_case(B, M, width, C)
    return wide, Architecture(height, M, wide.layers)


def halves(height: int, width: int) -> Cut:
    """Cut the rectangle's left half from the rest of a square image; absent patches are in no window."""
    return make_cut([row * width + column for row in range(height) for column in range(width // 2)], width)


def upper_bounds(height: int, width: int, M: int, B: int, C: int) -> tuple[int, int]:
    """Return the min cut across left | right, with equal copies as multisets and without."""
    wide, high = networks(height, width, M, B, C)
    columns, rows = (unroll(network, LARGEST_UNROLLED) for network in (wide, high))
    unrolled = Rectangle(wide, columns.vertices, columns.places, columns.parents, rows)
    found = search_cut(unrolled, halves(height, width))
    return value_of(found.terms), value_of(found.plain)


def value_of(powers: Powers) -> int:
    """Multiply powers out."""
    return prod(base**exponent for base, exponent in powers)


def draw_weights(network: Architecture, seed: int) -> list[np.ndarray]:
    """Draw the weights of all layers and the dense layer, uniformly in GF(p)."""
    generator = np.random.default_rng([seed, 0])
    shapes = [*weight_shapes(network), (1, network.channels[-1])]
    return [generator.integers(0, DEFAULT_PRIME, shape) for shape in shapes]


def matrix_of(
    height: int, width: int, network: Architecture, weights: list[np.ndarray], rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """Fill rows and columns of the matricization across left | right.

    Args:
        height: of the rectangle, in patches.
        width: of the rectangle.
        network: the one as wide as it.
        weights: from `draw_weights`.
        rows: template numbers on the left half, shape (m, height·width/2).
        columns: those on the right half, shape (n, height·width/2).
    """
    arithmetic = Arithmetic(DEFAULT_PRIME)
    one_hot = np.eye(network.representation_channels, dtype=int)
    left = [(row, column) for row in range(height) for column in range(width // 2)]
    below = {place: Position(one_hot[:, digits], ONE) for place, digits in zip(left, rows.T)}
    below |= {(row, c + width // 2): Position(ONE, one_hot[:, digits]) for (row, c), digits in zip(left, columns.T)}
    *weights, dense = weights
    for layer, weight in zip(network.layers, weights):
        S, offsets = layer.stride, list(product(range(layer.receptive_field), repeat=2))
        starts = sorted({(row // S, column // S) for row, column in below})
        below = {
            (u, v): multiply(
                arithmetic,
                [(weight[:, :, i, j], below[p]) for i, j in offsets if (p := (u * S + i, v * S + j)) in below],
            )
            for u, v in starts
        }
    matrix = np.empty((len(rows), len(columns)), np.int64)
    fill(matrix[:, None], arithmetic, multiply(arithmetic, [(dense, below[0, 0])]), max(network.channels))
    return matrix


def rank_of(height: int, width: int, M: int, B: int, C: int, limit: int, seed: int) -> tuple[int, int]:
    """Return the rank over GF(p) of sampled rows and columns, and how many were taken of each."""
    network, generator = networks(height, width, M, B, C)[0], np.random.default_rng([seed, 1])
    rows, columns = (sample(M, height * width // 2, limit, generator) for _ in range(2))
    matrix = matrix_of(height, width, network, draw_weights(network, seed), rows, columns)
    return echelon(matrix, DEFAULT_PRIME)[0], len(rows)


def main() -> None:
    """Append a line of JSON for every case that the file does not hold yet."""
    journal = Journal(OUT, LARGEST_FILE)
    with journal.appending(wait=False) as append_line:
        letters = ("height", "width", "M", "B", "C")
        done = {tuple(json.loads(line)[letter] for letter in letters) for line in journal.lines()}
        for case in CASES:
            if case in done:
                continue
            upper, plain = upper_bounds(*case)
            ranks = []
            while not ranks or (max(ranks) < upper and len(ranks) < DRAWS):
                rank, rows = rank_of(*case, limit=enough_rows(upper) << len(ranks), seed=len(ranks))
                ranks.append(rank)
            found = {"rank": max(ranks), "upper": upper, "plain": plain, "rows": rows}
            given = {"seed": len(ranks) - 1, "prime": DEFAULT_PRIME}
            line = json.dumps(dict(zip(letters, case)) | found | given)
            append_line(line)
            print(line, flush=True)


if __name__ == "__main__":
    main()
