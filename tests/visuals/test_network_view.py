"""The explorer of a whole network: what it reads is what torch counts and what windows see."""

from itertools import product
from xml.etree import ElementTree

import pytest
from helpers.pictures import assert_legible, numbers_in, seen_from, words_of

from convac_lib import ConvAC
from convac_lib.errors import ConvacError
from convac_lib.families import common_case
from convac_lib.visuals.letters import draw_letters
from convac_lib.visuals.views.network import MEANINGS, network_view


@pytest.mark.parametrize("B, M, size, C", list(product((1, 2, 3), (2, 3), (2, 4, 8), (2, 5))))
def test_the_parameters_are_those_that_torch_trains(B, M, size, C):
    view = network_view(B, M, size, C, "B")
    counted = sum(weights.numel() for weights in ConvAC(common_case(B, M, size, C)).parameters())
    assert view.values["parameters"] == counted
    assert view.reading.endswith(f"; {counted:,} parameters.")


@pytest.mark.parametrize("B, size", list(product((1, 2, 3, 5), (2, 4, 8))))
def test_what_a_unit_sees_and_how_far_it_steps_is_measured_far_from_the_border(B, size):
    view = network_view(B, 2, size, 2, "S")
    assert f"Layer by layer, T_R = {view.values['T_R']} and T_S = {view.values['T_S']};" in view.reading
    large = common_case(B, 2, 128)  # the same layers on an image where no window leaves
    for number, (T_R, T_S) in enumerate(zip(numbers_in(view.values["T_R"]), numbers_in(view.values["T_S"])), start=1):
        first, second = (seen_from(large, number, 0, column) for column in (0, 1))
        assert len({row for row, _ in first}) == len({column for _, column in first}) == T_R
        assert min(column for _, column in second) == T_S


@pytest.mark.parametrize("letter", MEANINGS)
def test_a_letter_lights_up_and_the_picture_is_legible(letter):
    for B, M, size, C in product((1, 3), (2, 8), (2, 4, 8), (1, 16)):
        view = network_view(B, M, size, C, letter)
        svg = assert_legible(view.picture)
        number = {"B": B, "M": M, "C": C, "H": size, "S": 2}[letter]
        lit = {text.text for text in svg.iter() if text.get("font-weight") and "=" in (text.text or "")}
        assert any(word.split()[0] == f"{letter}={number}" for word in lit), lit
        assert {word[0] for word in lit} == {letter}
        assert (
            f"The letter {letter} is lit, also in the formula and in the code below." in view.alt
            and view.reading.startswith(letter)
        )
        assert len(view.picture) < 20_000 and "1 output" in words_of(view.picture)


def test_the_alternative_text_says_what_is_seen():
    for B in (1, 2, 3):
        seen = seen_from(common_case(B, 2, 8), 5, 0, 0)
        side = len({row for row, _ in seen})
        assert f"The top-left unit of layer 5 sees {side}×{side} patches." in network_view(B, 2, 8, 2, "H").alt


@pytest.mark.parametrize("state", [(0, 2, 4, 2, "B"), (2, 2, 6, 2, "B"), (2, 2, 16, 2, "B")])
def test_bad_numbers_are_the_librarys_own_sentence(state):
    with pytest.raises(ConvacError):
        network_view(*state)


def test_a_letter_that_does_not_move_is_refused():
    with pytest.raises(ConvacError) as error:
        network_view(2, 2, 4, 2, "R")
    assert str(error.value) == "no letter 'R' can light up; use one of B, S, M, C, H"


@pytest.mark.parametrize("letter", [*MEANINGS, "R"])
def test_formula_and_code_light_up_the_same_letter(letter):
    for B, M, size, C in product((3, 5), (4, 7), (2, 8), (9, 11)):
        network = common_case(B, M, size, C)
        lines = list(ElementTree.fromstring(draw_letters(network, letter)))
        formula, ranges, code = (
            ["".join(line.itertext()), [each.text for each in line if each.get("stroke")]] for line in lines
        )
        layers = [
            number for layer in network.layers[:2] for number in (layer.receptive_field, layer.stride, layer.channels)
        ]
        assert numbers_in(code[0]) == [size, M, *layers]
        assert ("…" in code[0]) == (len(network.layers) > 2)
        numbers = {"H": [size], "M": [M], "B": [B], "R": [B, 2], "S": [1, 2], "C": [C, C]}
        assert code[1] == list(map(str, numbers[letter]))
        assert {*formula[1], *ranges[1]} == ({"B", "R"} if letter == "R" else {letter})
