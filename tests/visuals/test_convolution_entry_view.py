"""The explorer of one layer: what is written at an entry is what torch computes."""

import re
from itertools import product
from math import prod
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from helpers.pictures import SVG, assert_legible, numbers_in, paths

from convac_lib.errors import ConvacError
from convac_lib.networks.functional import generalized_conv2d
from convac_lib.theory.convolution import generalized_convolution
from convac_lib.visuals.views.convolution_entry import drawn_layer, entry_view


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


@pytest.mark.parametrize("border", ["ones", "zero", "valid"])
def test_an_entry_at_every_border(border):
    """What is written at the offsets multiplies to what torch computes, and what is read outside is drawn there."""
    generator = np.random.default_rng(5)
    x, weight = generator.integers(0, 3, (2, 4, 4)), generator.integers(-1, 3, (2, 3, 3))
    for S, R, size in [(1, 2, 4), (1, 3, 4), (2, 3, 4), (2, 2, 3), (3, 3, 4)]:
        image, window = torch.tensor(x[None, :, :size, :size].copy()), torch.tensor(weight[None, :, :R, :R].copy())
        expected = generalized_conv2d(image, window, stride=S, border=border)[0, 0].numpy()
        assert entry_view(x, weight, S, R, len(expected), 0, border, size) is None
        for u, v in np.ndindex(*expected.shape):
            view = entry_view(x, weight, S, R, u, v, border, size)
            svg = assert_legible(view.picture) if u == v else ElementTree.fromstring(view.picture)
            sums = [text.text.split("= ")[1] for text in svg.iter(f"{SVG}text") if " = " in text.text]
            assert len(sums) == R * R and prod(map(whole, sums)) == view.values["Y[u, v]"] == expected[u, v]
            outside = sum(max(u * S + i, v * S + j) >= size for i, j in np.ndindex(R, R))
            assert view.values["outside"] == outside == R * R - view.values["factors inside"]
            assert drawn_numbers(svg, left=300, top=300) == expected.flatten().tolist()
            told = {"ones": "read ones", "zero": "read zeros, so the entry is 0"}.get(border, "no such words")
            assert (told in view.reading) == (outside > 0)
            assert border != "valid" or not outside


def test_a_window_that_does_not_fit_is_refused():
    with pytest.raises(ConvacError) as error:
        entry_view(np.ones((2, 4, 4), int), np.ones((2, 3, 3), int), 1, 3, 0, 0, "valid", 2)
    assert str(error.value) == (
        "layer 1 has receptive field 3 on an input of size 2: with border 'valid' no window fits; use a receptive "
        "field of at most 2"
    )


def test_whatever_is_drawn_fits_its_squares():
    """Five letters fit a square of the output; every seed that the chapter offers, and every border."""
    for seed in range(500):
        x, weight = drawn_layer(seed)
        for border in ("neutral", "ones"):  # with zeros an entry is 0 or as with the neutral border
            output = generalized_convolution(x, weight[None], 1, border=border)
            assert max(len(str(number)) for number in output.flat) <= 5
    assert set(x.flat) == {0, 1} and x.any(axis=0).all() and set(weight.flat) == {-1, 1, 2}
