"""The tool for deep networks on rectangles: its matrix against the definition, and its bounds against the library's."""

import importlib.util
import json
import sys
from itertools import product
from math import prod

import numpy as np
import pytest
from helpers.chapters import ROOT

from convac_lib import certify_rank, common_case
from convac_lib.files import results_path
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.min_cut import find_cut

RECORD = [json.loads(line) for line in results_path("deep-ranks.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("deep_ranks", ROOT / "tools/deep_ranks.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["deep_ranks"] = module  # a dataclass asks for it
    spec.loader.exec_module(module)
    return module


def value(network, weights, patches):
    """The function at one assignment of templates to patches, by the definition, in Python's integers."""
    p, M = DEFAULT_PRIME, network.representation_channels
    below = {place: [int(d == digit) for d in range(M)] for place, digit in patches.items()}
    for layer, weight in zip(network.layers, weights):
        above, S = {}, layer.stride
        for u, v in {(row // S, column // S) for row, column in below}:
            read = [
                (weight[:, :, i, j].tolist(), below[u * S + i, v * S + j])
                for i, j in product(range(layer.receptive_field), repeat=2)
                if (u * S + i, v * S + j) in below
            ]
            above[u, v] = [
                prod(sum(w * x for w, x in zip(own[c], child)) % p for own, child in read) % p
                for c in range(layer.channels)
            ]
        below = above
    return sum(a * x for a, x in zip(weights[-1][0].tolist(), below[0, 0])) % p


@pytest.mark.parametrize(("height", "width", "M", "B", "C"), [(1, 4, 3, 2, 2), (2, 4, 2, 3, 2), (1, 8, 2, 2, 3)])
def test_the_matrix_is_the_definition(tool, height, width, M, B, C):
    network, _ = tool.networks(height, width, M, B, C)
    weights, half = tool.draw_weights(network, 5), width // 2
    generator = np.random.default_rng(1)
    rows, columns = (generator.integers(0, M, (6, height * half)) for _ in range(2))
    matrix = tool.matrix_of(height, width, network, weights, rows, columns)
    left = list(product(range(height), range(half)))
    for r, q in product(range(6), repeat=2):
        patches = dict(zip(left, rows[r].tolist()))
        patches |= {(row, column + half): digit for (row, column), digit in zip(left, columns[q].tolist())}
        assert matrix[r, q] == value(network, weights, patches)


def test_on_a_square_it_is_the_library(tool):
    network = common_case(2, 2, 4)
    found = find_cut(network)
    assert tool.upper_bounds(4, 4, 2, 2, 2) == (tool.value_of(found.terms), tool.value_of(found.plain))
    assert tool.rank_of(4, 4, 2, 2, 2, 256, 0) == (certify_rank(network).rank, 256)


def test_the_record_has_every_case_and_each_rank_is_its_bound(tool):
    assert [tuple(line[letter] for letter in ("height", "width", "M", "B", "C")) for line in RECORD] == tool.CASES
    for line in RECORD:
        assert line["rank"] == line["upper"] <= line["plain"] and line["prime"] == DEFAULT_PRIME
        assert tool.upper_bounds(*(line[letter] for letter in ("height", "width", "M", "B", "C"))) == (
            line["upper"], line["plain"]
        )  # fmt: skip


def test_cheap_lines_of_the_record_are_found_again(tool):
    cheap = [line for line in RECORD if line["rows"] < 400]
    assert cheap
    for line in cheap[:3]:
        case = [line[letter] for letter in ("height", "width", "M", "B", "C")]
        assert tool.rank_of(*case, line["rows"], line["seed"])[0] == line["rank"]
