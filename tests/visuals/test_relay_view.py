"""The explorer of the relay: each square that it draws is a channel that a torch network computes."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.families import common_case
from convac_lib.networks.models import ConvAC
from convac_lib.theory.bounds import theorem
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.witness import theorem_witness
from convac_lib.visuals.style import INK, colour_of
from convac_lib.visuals.views.relay import OPACITIES, relay_view

NETWORKS = [(1, 2, 4), (2, 3, 4), (3, 2, 4), (1, 3, 8), (2, 2, 8), (3, 3, 8), (5, 2, 8), (4, 4, 8)]  # B, M, size
VALUES = {opacity: value for (value, _), opacity in OPACITIES.items()}


def steps_of(B, M, size, templates):
    views = (relay_view(step, B, M, size, templates) for step in range(2 * size.bit_length()))
    return [view for view in views if view]


def shape_of(layer, K, M):
    """The rows and columns of channels that a unit of a layer shows."""
    return (1, M) if layer in (0, K) else (2, M) if layer < K else (1, 1)


def channels_drawn(svg, K, M, layers):
    """The channels of every unit by layer, shape (C, H, H): the small squares of the grids from left to right."""
    grids = {}
    for path in paths(svg, fill=INK):
        if path.get("transform"):
            grids.setdefault(path.get("transform"), []).append(path)
    found = {}
    for (_, marks), layer in zip(sorted(grids.items(), key=lambda grid: numbers_in(grid[0])[0]), layers, strict=True):
        rows, columns = shape_of(layer, K, M)
        side, values = max(rows, columns), {}
        for path in marks:
            for left, top, *_ in np.reshape(numbers_in(path.get("d")), (-1, 5)):
                (row, down), (column, across) = divmod(int(top), 4 * side + 1), divmod(int(left), 4 * side + 1)
                channel = (down - 1 - 2 * (side - rows)) // 4 * columns + (across - 1 - 2 * (side - columns)) // 4
                values[channel, row, column] = VALUES[path.get("fill-opacity")]
        shape = tuple(1 + max(places) for places in zip(*values))
        assert len(values) == np.prod(shape)
        found[layer] = np.array([values[place] for place in np.ndindex(shape)]).reshape(shape)
    return found


def computed(B, M, size, image):
    """What every layer of the witness computes in torch, from the image to the output."""
    circuit = theorem_witness(common_case(B, M, size, 2 * M)).circuit
    network = ConvAC.from_circuit(Circuit(circuit.architecture, circuit.weights, circuit.dense)).double()
    x = torch.tensor(image, dtype=torch.float64)[None]
    values = [x]
    for layer in network.layers:
        values.append(layer(values[-1]))
    return [value[0].numpy(force=True) for value in values] + [network(x).numpy(force=True).reshape(1, 1, 1)]


@pytest.mark.parametrize("templates", ["equal", "different"])
@pytest.mark.parametrize(("B", "M", "size"), NETWORKS)
def test_every_square_is_a_channel_of_the_network(B, M, size, templates):
    views = steps_of(B, M, size, templates)
    K = theorem(common_case(B, M, size, 2 * M)).layer
    pictures = [assert_legible(view.picture) for view in views]
    image = channels_drawn(pictures[0], K, M, [0])[0]
    values = computed(B, M, size, image)
    assert len(views) == len(values) == 2 * size.bit_length()
    for step, svg in enumerate(pictures[1:], start=1):
        for layer, drawn in channels_drawn(svg, K, M, [step - 1, step]).items():
            assert (drawn == values[layer][: len(drawn)]).all()
            assert not values[layer][len(drawn) :].any()  # the other channels are 0
    assert views[-1].values["value"] == str(int(templates == "equal")) == str(int(values[-1].item()))


@pytest.mark.parametrize(("B", "M", "size"), NETWORKS)
def test_one_pair_is_followed_and_all_others_are_equal(B, M, size):
    witness = theorem_witness(common_case(B, M, size, 2 * M))
    shown = {}
    for templates in ("equal", "different"):
        svg = assert_legible(relay_view(0, B, M, size, templates).picture)
        digits = channels_drawn(svg, size, M, [0])[0].argmax(axis=0).ravel()
        shown[templates] = [(digits[left], digits[right]) for left, right in zip(witness.left, witness.right)]
    unequal = [number for number, (left, right) in enumerate(shown["different"]) if left != right]
    assert len(unequal) == 1 and all(left == right for left, right in shown["equal"])
    assert len(set(shown["equal"])) > 1 or len(shown["equal"]) == 1


@pytest.mark.parametrize(("B", "M", "size"), NETWORKS)
def test_the_outlined_units_hold_what_the_two_patches_show(B, M, size):
    """Let the left patch of the pair show each template, and the far patch each: the outlined units follow."""
    K = theorem(common_case(B, M, size, 2 * M)).layer
    views = steps_of(B, M, size, "equal")
    image = channels_drawn(assert_legible(views[0].picture), K, M, [0])[0]
    outlined = [outlines(assert_legible(view.picture), B, layer, size, K) for layer, view in enumerate(views)]
    for left, far in product(range(M), repeat=2):
        x = image.copy()
        x[:, *outlined[0][0]], x[:, *outlined[0][1]] = np.eye(M)[left], np.eye(M)[far]
        values = computed(B, M, size, x)
        for layer in range(1, K):
            (row, column), (far_row, far_column) = outlined[layer]
            assert (values[layer][:M, row, column] == np.eye(M)[left]).all()
            assert (values[layer][M : 2 * M, far_row, far_column] == np.eye(M)[far]).all()
        (unit,) = outlined[K]
        assert (values[K][:M, *unit] == np.eye(M)[left] * (left == far)).all()
        for layer in range(K + 1, len(values)):
            assert values[layer][0, *outlined[layer][0]] == (left == far)


@pytest.mark.parametrize("templates", ["equal", "different"])
@pytest.mark.parametrize(("B", "M", "size"), NETWORKS)
def test_the_numbers_written_are_the_channels_of_the_outlined_units(B, M, size, templates):
    K = theorem(common_case(B, M, size, 2 * M)).layer
    pictures = [assert_legible(view.picture) for view in steps_of(B, M, size, templates)]
    values = computed(B, M, size, channels_drawn(pictures[0], K, M, [0])[0])
    for layer, svg in enumerate(pictures):
        units = outlines(svg, B, layer, size, K)
        parts = (
            [slice(0, M), slice(M, 2 * M) if layer else slice(0, M)] if layer < K else [slice(0, len(values[layer]))]
        )
        held = [values[layer][part, *unit] for unit, part in zip(units, parts)]
        held = np.concatenate(held)[: 2 * M if layer < K else M if layer == K else 1].astype(int)
        for picture, side in [(svg, layer > 0), *((above, False) for above in pictures[layer + 1 : layer + 2])]:
            assert written(picture, right=side) == held.tolist()


def written(svg, *, right):
    """The zeros and ones written in the squares below the left or the right grid, line by line."""
    (frames,) = {float(text.get("y")) for text in svg.iter(f"{SVG}text") if text.text == "template"} or {0.0}
    places = []
    for text in svg.iter(f"{SVG}text"):
        x, y = float(text.get("x")), float(text.get("y"))
        if text.text in ("0", "1") and y > 400 and y != frames and (x > 280) == right:
            places.append((y, x, int(text.text)))
    return [digit for _, _, digit in sorted(places)]


def outlines(svg, B, layer, size, K):
    """The units that are outlined in a layer's own grid, the right one of a picture: solid first, then dashed."""
    counts = [size, *common_case(B, 1, size).sizes, 1]
    cell = min(58, 232 / counts[layer])
    left = (1 if layer == 0 else 327) + (232 - counts[layer] * cell) / 2
    top = 142 + (232 - counts[layer] * cell) / 2
    found = []
    for dashes in ("none", "7 4"):
        for path in paths(svg, stroke=colour_of(B), stroke_width="4", stroke_dasharray=dashes):
            x, y, width, *_ = numbers_in(path.get("d"))
            place = round((y - top) / cell), round((x - left) / cell)
            if abs(width - cell) < 0.1 and abs(x - left - place[1] * cell) < 0.1 and 0 <= place[1] < counts[layer]:
                found.append(place)
    assert len(found) == (2 if layer < K else 1)
    return found


@pytest.mark.parametrize(("B", "M", "size"), NETWORKS)
def test_the_parts_of_the_proof_follow_layer_K(B, M, size):
    K, last = theorem(common_case(B, M, size, 2 * M)).layer, 2 * size.bit_length() - 2
    parts = [view.values["part of the proof"] for view in steps_of(B, M, size, "equal")]
    assert parts[1 : K + 2] == ["3a"] * (K - 1) + ["3b", "3c"]
    assert parts[K + 2 : last + 1] == ["3d"] * (last - K - 1)
    assert parts[0] == "–" and (parts[-1] == "–") == (K < last)


@pytest.mark.parametrize(
    ("state", "reading"),
    [
        (
            (0, 2, 2, 8, "different"),
            (
                "B = 2: the patches in row 3, columns 3 and 7, make one of 8 pairs across the cut, and show different "
                "templates."
            ),
        ),
        (
            (0, 1, 2, 8, "equal"),
            (
                "B = 1: the patches in row 1, columns 1 and 8, are the only pair across the cut, and show the same "
                "template."
            ),
        ),
        (
            (2, 2, 2, 8, "equal"),
            (
                "B = 2, layer 2: a unit holds the one-hot of its top-left patch, and that of the patch 2 columns to "
                "the right of it; where that lies outside the image, ones."
            ),
        ),
        (
            (3, 2, 3, 8, "different"),
            (
                "B = 2, layer 3: channel c of a unit is 1 if both one-hots are c. "
                "Here no channel is 1: the patches differ."
            ),
        ),
        (
            (4, 2, 3, 8, "different"),
            (
                "B = 2, layer 4: the sum of a unit's channels is 1 if its two patches are equal, and 0 if not. The "
                "layer multiplies these sums over its window: 0."
            ),
        ),
        ((6, 2, 3, 8, "equal"), "B = 2, layer 6: the product over the window is 1, because every pair below is equal."),
        ((7, 3, 2, 8, "different"), "B = 3: the output is 0, because one of 8 pairs differs."),
        ((5, 1, 2, 4, "equal"), "B = 1: the output is 1, because the pair is equal."),
    ],
)
def test_a_sentence_per_step(state, reading):
    assert relay_view(*state).reading == reading


def test_there_is_no_step_beyond_the_dense_layer_and_no_larger_image():
    assert relay_view(5, 2, 2, 4) and not relay_view(6, 2, 2, 4) and not relay_view(0, 2, 2, 16)


def test_every_step_can_be_pointed_at():
    view = relay_view(3, 2, 2)
    assert [values for _, values in view.spots] == [{"step": step} for step in range(8)]
    assert [round(left - 1) for (left, *_), _ in view.spots] == [round(558 / 8 * step) for step in range(8)]
