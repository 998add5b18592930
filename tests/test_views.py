"""What a view says is so, in its picture, its sentence and its values: read off, and computed in another way."""

import re
from base64 import b64decode
from io import BytesIO
from itertools import product
from math import prod
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from PIL import Image
from test_drawings import SVG, assert_legible, seen_from, squares
from test_report import PLANS, runs

from convac_lib.architecture import common_case
from convac_lib.experiments.report import by_protocol, rows_of
from convac_lib.networks.functional import generalized_conv2d
from convac_lib.networks.models import ConvAC
from convac_lib.theory.circuits import Circuit
from convac_lib.theory.witness import theorem_witness
from convac_lib.visuals.charts import draw_curves
from convac_lib.visuals.entries import entry_view
from convac_lib.visuals.geometry import field_view
from convac_lib.visuals.pairs import witness_view
from convac_lib.visuals.style import INK, MUTED, colour_of
from convac_lib.visuals.views import accuracy_view

((PROTOCOL, ALIKE),) = by_protocol(runs()).items()
ROWS = rows_of(ALIKE)


def words_of(picture):
    return [text.text for text in ElementTree.fromstring(picture).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize(("B", "C"), PLANS)
@pytest.mark.parametrize("against", ["channels", "parameters", "epochs"])
def test_a_network_among_the_others(B, C, against):
    view = accuracy_view(ROWS, PROTOCOL, B, C, against)
    accuracy, parameters = 0.1 * B + 0.01 * C + 0.0005, PLANS[B, C].parameters
    assert view.values == {"training accuracy": f"{accuracy:.1%}", "test accuracy": "30.0%", "parameters": parameters}
    assert view.reading.startswith(
        f"B = {B}, C = {C}: {accuracy:.0%} of the training images, with {parameters:,} param"
    )
    assert f"marked: B = {B}, C = {C}, {accuracy:.0%} after 2 epochs; digits, n = 1,437" in view.alt
    assert ("4" in words_of(view.picture)) == (against == "channels")
    label = {"channels": "channels C", "parameters": "parameters", "epochs": f"epochs, C = {C}"}[against]
    assert {"B=1", "B=2", label} <= set(words_of(view.picture))


def test_it_names_the_smaller_network_of_another_B_that_does_as_well():
    smaller = PLANS[2, 4].parameters
    assert accuracy_view(ROWS, PROTOCOL, 1, 8).reading.endswith(
        f"; B = 2 does as well with C = 4 and {smaller:,} parameters."
    ) == (smaller < PLANS[1, 8].parameters)


def test_numbers_under_the_axis_never_touch():
    curve = [(epoch, 0.5) for epoch in range(1, 301)]
    svg = ElementTree.fromstring(draw_curves({1: curve}, (1, 0), x_label="epochs", y_label="accuracy"))
    ticks = [
        (float(text.get("x")), text.text)
        for text in svg.iter("{http://www.w3.org/2000/svg}text")
        if text.get("text-anchor") == "middle"
    ]
    assert ticks[0][1] == "300" and len(ticks) > 5
    for (x, text), (before, other) in zip(ticks, ticks[1:]):
        assert x - 6 * len(text) >= before + 6 * len(other)


def numbers_in(text):
    return [float(number) for number in re.findall(r"-?[\d.]+", text)]


def paths(svg, **wanted):
    """The paths of a picture that have these attributes."""
    wanted = {name.replace("_", "-"): value for name, value in wanted.items()}
    return [path for path in svg.iter(f"{SVG}path") if wanted.items() <= path.attrib.items()]


def network_in_torch(B, size, M):
    """The witness's function of template numbers, shape (n, H²), as a torch network computes it."""
    circuit = theorem_witness(common_case(B, M, size, 2 * M)).circuit
    network = ConvAC.from_circuit(Circuit(circuit.architecture, circuit.weights, circuit.dense))

    def values(digits):
        x = torch.eye(M, dtype=torch.float64)[torch.tensor(digits)]  # (n, H², M)
        return network(x.movedim(-1, 1).unflatten(-1, (size, size))).numpy(force=True)[:, 0]

    return values


WITNESSES = [(1, 4, 3), (1, 8, 2), (2, 4, 2), (2, 8, 3), (3, 4, 2), (3, 8, 2), (5, 4, 3), (5, 8, 2)]


@pytest.mark.parametrize(("B", "size", "M"), WITNESSES)
def test_the_pairs_drawn_are_those_that_the_network_compares(B, size, M):
    """Change a patch on the left: the function falls to 0, until its partner on the right changes too."""
    svg = assert_legible(witness_view(B, size, M, pairs=1).picture)
    (bars,) = (path for path in paths(svg, fill="none", stroke=MUTED) if path.get("stroke-linecap") is None)
    cell = 168 / size
    top = min(float(line.get("y1")) for line in svg.iter(f"{SVG}line") if line.get("stroke") == INK) + 6
    drawn = set()
    for x, y, length in np.reshape(numbers_in(bars.get("d")), (-1, 3)):
        row, column = int((y - top) // cell), int((x - 1) // cell)
        drawn.add((row * size + column, row * size + column + round(length / cell)))
    pairs = [(a, b) for a, b in product(range(size**2), repeat=2) if a % size < size // 2 <= b % size]
    digits = np.zeros((2, len(pairs), size**2), int)
    for number, (left, right) in enumerate(pairs):
        digits[:, number, left], digits[1, number, right] = 1, 1
    alone, both = network_in_torch(B, size, M)(digits.reshape(-1, size**2)).reshape(2, -1)
    found = {pair for pair, *found in zip(pairs, alone, both) if found == [0, 1]}
    assert drawn == found


@pytest.mark.parametrize(("B", "size", "M"), WITNESSES)
def test_the_identity_drawn_is_what_the_network_computes(B, size, M):
    e, values = len(theorem_witness(common_case(B, M, size, 2 * M)).left), network_in_torch(B, size, M)
    for pairs in range(1, 5):
        view = witness_view(B, size, M, pairs)
        if pairs > e or M**pairs > 27:
            assert view is None
            continue
        svg, side = assert_legible(view.picture), M**pairs
        # the pairs by the words for those who do not see them, the entries by their black squares
        ends = re.findall(r"row (\d+), columns (\d+) and (\d+)", view.alt)
        digits = np.zeros((side, side, size**2), int)
        for (row, *columns), chosen in zip(ends, zip(*product(range(M), repeat=pairs)), strict=True):
            left, right = ((int(row) - 1) * size + int(column) - 1 for column in columns)
            digits[:, :, left], digits[:, :, right] = np.array(chosen)[:, None], chosen
        (black,) = (path for path in paths(svg, fill=INK) if path.get("fill-opacity") is None)
        squares = np.reshape(numbers_in(black.get("d")), (-1, 5))
        cell = 288 / side
        entries = np.zeros((side, side), int)
        for x, y, *_ in squares:
            entries[round((y - squares[0][1]) / cell), round((x - squares[0][0]) / cell)] = 1
        computed = values(digits.reshape(-1, size**2)).reshape(side, side)
        assert (entries == computed).all() and (computed == np.eye(side)).all()
        assert view.values["pairs, e"] == e and f"{side:,}" in view.reading
        assert {2**32: "2³² ≈ 4.3×10⁹", 3**32: "3³² ≈ 1.9×10¹⁵"}.get(M**e, f"{M**e:,}") in view.reading
        assert colour_of(B) in view.picture and len(view.picture) < 60_000


def whole(text):
    return int(text.replace("−", "-").strip("()"))


def drawn_numbers(svg, left, top):
    """The numbers in the middle of squares, by row and column: rows of digits are one element each."""
    found = {}
    for text in svg.iter(f"{SVG}text"):
        places = text.get("x").split()
        for words, x in zip(text.text if len(places) > 1 else [text.text], places):
            if re.fullmatch(r"−?\d+", words):
                found[float(text.get("y")), float(x)] = whole(words)
    return [found[place] for place in sorted(found) if place[1] > left and place[0] < top]


@pytest.mark.parametrize(("S", "R"), [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_an_entry_by_hand(S, R, seed):
    """Read the picture: the window's squares, what is written at its offsets, and the output, against torch."""
    generator = np.random.default_rng(seed)
    x, weight = generator.integers(0, 10, (2, 4, 4)), generator.integers(-3, 3, (2, 3, 3))
    weight = np.where(weight == 0, 1, weight) if seed else weight.clip(0, 1)
    expected = generalized_conv2d(torch.tensor(x)[None], torch.tensor(weight[None, :, :R, :R].copy()), stride=S)[0, 0]
    assert entry_view(x, weight, S, R, len(expected), 0) is None
    for u, v in np.ndindex(*expected.shape):
        view = entry_view(x, weight, S, R, u, v)
        svg = assert_legible(view.picture) if seed == 0 else ElementTree.fromstring(view.picture)
        window = [(u * S + i, v * S + j) for i, j in np.ndindex(R, R)]
        inside = [at for at in window if max(at) < 4]
        tinted = np.reshape(numbers_in(paths(svg, **{"fill-opacity": ".38"})[0].get("d")), (-1, 5))
        assert {(int(top) // 46, int(left) // 46) for left, top, *_ in tinted} == set(inside)
        products = [text.text for text in svg.iter(f"{SVG}text") if "=" in text.text or text.text == "outside: 1"]
        for (r, s), words in zip(window, products, strict=True):
            if (r, s) not in inside:
                assert words == "outside: 1"
                continue
            terms = re.findall(r"(^|[+−] ?|^−)(\d+)·(\d)", words)
            signed = [(-1 if "−" in sign else 1) * int(number) for sign, number, _ in terms]
            assert signed == weight[:, r - u * S, s - v * S].tolist()
            assert [int(number) for *_, number in terms] == x[:, r, s].tolist()
            assert whole(words.split("= ")[1]) == int(np.dot(signed, x[:, r, s]))
        factors = [whole(words.split("= ")[1]) for words in products if "=" in words]
        assert prod(factors) == view.values["Y[u, v]"] == expected[u, v]
        assert drawn_numbers(svg, left=300, top=300) == expected.flatten().tolist()
        assert str(abs(prod(factors))) in view.reading and ("outside" in view.reading) == (len(factors) < R * R)


def test_a_spot_of_the_output_leads_to_its_entry():
    x = weight = np.ones((2, 4, 4), int)
    view = entry_view(x, weight[:, :3, :3], 1, 2, 0, 0)
    for (left, top, width, height), state in view.spots:
        svg = ElementTree.fromstring(entry_view(x, weight[:, :3, :3], 1, 2, **state).picture)
        filled = np.reshape(numbers_in(paths(svg, **{"fill-opacity": ".38"})[1].get("d")), 5)
        assert filled.tolist() == [left, top, width, height, -width]
    assert len(view.spots) == 16 and len({tuple(state.items()) for _, state in view.spots}) == 16


def test_a_stride_of_2_keeps_every_other_entry():
    """With the same weights and input, a stride of 2 takes the entries of stride 1 in even rows and columns."""
    generator = np.random.default_rng(0)
    x, weight = generator.integers(0, 3, (2, 4, 4)), generator.integers(-1, 3, (2, 3, 3))
    for R, u, v in product((2, 3), (0, 1), (0, 1)):
        assert entry_view(x, weight, 2, R, u, v).values == entry_view(x, weight, 1, R, 2 * u, 2 * v).values


PICTURE = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)


@pytest.mark.parametrize("B", range(1, 6))
@pytest.mark.parametrize("layer", range(1, 9))
def test_the_fields_drawn_are_what_two_neighbours_see(B, layer):
    """By asking every unit on the way for its window, in the picture and in one so large that nothing is cut off."""
    view = field_view(PICTURE, B, layer)
    svg = assert_legible(view.picture)
    (group,) = svg.iter(f"{SVG}g")
    unit, other = (squares(path) for path in paths(group, stroke=INK, stroke_width="3"))
    (tinted,) = paths(group, fill=colour_of(B), fill_opacity=".5") or [None]
    network = common_case(B, 1, 32)
    sizes = (32, *network.sizes)
    candidates = {
        (row, column): seen_from(network, layer, row, column) for row, column in np.ndindex((sizes[layer],) * 2)
    }
    (found,) = [place for place, seen in candidates.items() if seen == unit and place[1] + 1 < sizes[layer]][:1]
    assert candidates[found[0], found[1] + 1] == other
    assert (squares(tinted) if tinted is not None else set()) == unit & other
    assert (unit & other == set()) == (B == 1)
    large = common_case(B, 1, 512)
    first, second = (seen_from(large, layer, 0, column) for column in (0, 1))
    T_R, T_S = max(column for _, column in first) + 1, min(column for _, column in second)
    assert (view.values["T_R"], view.values["T_S"]) == (T_R, T_S) and len(first) == T_R**2
    assert view.values["units"] == f"{sizes[layer]}×{sizes[layer]}"
    words = [text.text for text in svg.iter(f"{SVG}text")]
    assert {f"T_R = {T_R}", f"T_S = {T_S}"} <= set(words)
    assert f"{T_R}×{T_R} pixels" in view.reading
    assert (f"share {T_R - T_S} of {T_R} columns" in view.reading) == (B > 1) != ("share nothing" in view.reading)
    assert ("of which the picture has" in view.reading) == (len(unit) < len(first))


def test_the_fields_of_the_layers_below_are_inside():
    (group,) = ElementTree.fromstring(field_view(PICTURE, 3, 5).picture).iter(f"{SVG}g")
    unit, _ = paths(group, stroke=INK, stroke_width="3")
    (below,) = paths(group, stroke=INK, stroke_width="1")
    corner = re.match(r"M\d+ \d+", unit.get("d"))[0]
    assert below.get("d") == "".join(f"{corner}h{T_R}v{T_R}h-{T_R}z" for T_R in (3, 4, 8, 10))


def test_the_picture_is_the_photograph_in_grey_and_small():
    view = field_view(PICTURE, 1, 1)
    (image,) = ElementTree.fromstring(view.picture).iter(f"{SVG}image")
    stored = Image.open(BytesIO(b64decode(image.get("href").removeprefix("data:image/gif;base64,"))))
    grey = PICTURE @ [0.299, 0.587, 0.114]
    assert stored.size == (32, 32) and np.abs(np.asarray(stored.convert("L")) - grey).max() <= 8
    assert len(view.picture) < 10_000


def test_a_row_of_the_table_leads_to_its_layer():
    spots = field_view(PICTURE, 2, 3).spots
    for (left, top, width, height), state in spots:
        svg = ElementTree.fromstring(field_view(PICTURE, 2, **state).picture)
        marked = next(path for path in paths(svg, fill_opacity=".38"))
        assert marked.get("d") == f"M{left} {top}h{width}v{height}h{-width}z"
        (number,) = (text for text in svg.iter(f"{SVG}text") if text.get("x") == "378" and text.get("font-weight"))
        assert number.text == str(state["layer"]) and top < float(number.get("y")) < top + height
    assert [state["layer"] for _, state in spots] == list(range(1, 9))
