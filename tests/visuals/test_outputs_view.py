"""The explorer of several outputs: ranks by whole grid tensors, and by counting channels; weights as drawn."""

from functools import cache
from itertools import product

import numpy as np
import pytest
from helpers.pictures import SVG, assert_legible

from convac_lib.families import common_case
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import rank_modulo
from convac_lib.theory.tensors import matricize
from convac_lib.visuals.views.outputs import outputs_view

STATES = list(product((1, 2), (2, 3, 4), (1, 2, 3)))


def ranks_of(view):
    return [int(value) for value in view.values.values()]


@cache
def channels(B, C):
    """The matricizations of the last layer's channels, each an output of its own, from their whole grid tensors."""
    drawn = random_circuit(common_case(B, M=2, size=4, channels=C), seed=0, prime=DEFAULT_PRIME)
    circuit = Circuit(drawn.architecture, drawn.weights, np.eye(C, dtype=int), DEFAULT_PRIME)
    cut = make_cut("left-right", 4)
    return np.stack([matricize(circuit.grid_tensor(number), cut) for number in range(C)])


def weights_drawn(svg, C):
    """The weights left of the channels, from the top down."""
    texts = [(float(text.get("y")), text.text) for text in svg.iter(f"{SVG}text") if text.text.endswith(" ·")]
    assert len(texts) == C
    return [int(words.removesuffix(" ·")) for _, words in sorted(texts)]


@pytest.mark.parametrize(("B", "C", "y"), STATES)
def test_the_outputs_have_the_ranks_of_their_grid_tensors(B, C, y):
    """Compose each output's grid tensor from the channels' own, with the weights as they are drawn."""
    views = [outputs_view(B, C, output) for output in (1, 2, 3)]
    dense = [weights_drawn(assert_legible(view.picture), C) for view in views]
    outputs = [np.tensordot(vector, channels(B, C), 1) % DEFAULT_PRIME for vector in dense]
    expected = [rank_modulo(output) for output in (*outputs, np.hstack(outputs))]
    view = views[y - 1]
    assert ranks_of(view) == expected
    texts = [text.text for text in assert_legible(view.picture).iter(f"{SVG}text")]
    assert [word for word in texts if word.startswith("rank ")] == [f"rank {rank}" for rank in expected]
    assert view.reading.startswith(f"B = {B}, C = {C}: output {y} has rank {expected[y - 1]}. ")
    assert f"All three side by side have rank {expected[3]}" in view.reading
    assert f"output {y}, dense vector {', '.join(map(str, dense[y - 1]))}: rank {expected[y - 1]}" in view.alt


@pytest.mark.parametrize("C", [2, 3, 4])
def test_without_overlap_a_rank_is_the_number_of_channels_that_an_output_takes(C):
    for seed in (0, 1):
        view = outputs_view(1, C, 1, seed=seed)
        assert ranks_of(view) == [1, 2, C, C] and f"the same {C} channels" in view.reading


@pytest.mark.parametrize("C", [2, 3, 4])
def test_with_overlap_one_channel_has_more(C):
    first, *_, together = ranks_of(outputs_view(2, C, 1))
    assert first > C and together > C and "the same" not in outputs_view(2, C, 1).reading


def test_the_marked_output_can_be_pointed_at_and_there_is_no_fourth():
    view = outputs_view(1, 4, 3)
    assert [values for _, values in view.spots] == [{"y": 1}, {"y": 2}, {"y": 3}]
    (*_, text) = (each for each in assert_legible(view.picture).iter(f"{SVG}text") if each.text == "A³")
    (left, top, width, height), _ = view.spots[2]
    down = top - float(text.get("y"))
    assert left < float(text.get("x")) < left + width and 200 < down + height < 300
    assert outputs_view(1, 4, 4) is outputs_view(1, 5, 1) is outputs_view(1, 1, 1) is None
