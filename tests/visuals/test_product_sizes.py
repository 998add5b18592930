"""The figure of long products: its numbers are torch's and NumPy's, by other formulas."""

from math import log10

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot
from test_figures import assert_legible, words

from convac_lib.architecture import Architecture, Layer
from convac_lib.families import baseline, common_case
from convac_lib.networks.models import ConvAC
from convac_lib.visuals import style
from convac_lib.visuals.product_sizes import DERIVED, USUAL, draw_products, number_of_factors, typical_exponent

FACTORS = {1: 64, 2: 1296, 3: 3249}


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 4), st.sampled_from([2, 4, 8]), st.booleans())
def test_doubling_the_image_doubles_the_output_once_for_each_factor(B, size, overlaps):
    network = common_case(B, M=2, size=size) if overlaps else baseline(M=2, size=size)
    seeded = torch.Generator().manual_seed(B)
    circuit, image = ConvAC(network, generator=seeded), torch.rand(1, 2, size, size, generator=seeded)
    (_, before), (_, after) = circuit.scaled_scores(image), circuit.scaled_scores(2 * image)
    assert number_of_factors(network) == (after - before).item()


def test_factors_of_a_network_with_windows_of_several_kinds():
    network = Architecture(5, 1, [Layer(3, 2, 1), Layer(2, 1, 1), Layer(3, 3, 1)])
    assert number_of_factors(network) == 11**2  # by hand: 1, 1, 3, 2, 4 paths from the five patches of a line


@given(st.integers(1, 4000), st.floats(0.01, 100))
def test_a_typical_product_is_the_mean_of_the_logarithm(n, variance):
    half_chi = torch.special.digamma(torch.tensor(0.5, dtype=torch.float64)).item() + np.log(2)  # E log χ²₁
    assert typical_exponent(n, variance) == pytest.approx(n * (np.log(variance) + half_chi) / 2 / np.log(10), abs=1e-9)


def test_a_product_of_the_derived_variance_keeps_its_size():
    assert abs(typical_exponent(3249, DERIVED)) < 1e-9
    draws = np.random.default_rng(0).standard_normal((20_000, 64))
    measured = np.log10(np.abs(draws)).sum(axis=1)
    assert abs(measured.mean() - typical_exponent(64, USUAL)) < 5 * measured.std() / np.sqrt(len(draws))


@pytest.fixture
def panels():
    with pyplot.rc_context():
        style.use()
        mosaic = [["size", "size"], ["gain", "likeness"]]
        figure, panels = pyplot.subplot_mosaic(mosaic, figsize=(5.2, 4.6), height_ratios=[2.2, 1])
        yield panels
        pyplot.close(figure)


def test_every_number_of_the_figure(panels):
    draw_products(panels, FACTORS)
    points = {
        (line.get_marker(), *line.get_xydata().round(2).tolist()[0])
        for line in panels["size"].lines
        if len(line.get_xdata()) == 1
    }
    slope = -(np.euler_gamma + np.log(2)) / 2 / np.log(10)
    for B, n in FACTORS.items():
        marker = style.marker_of(B)
        assert {x for shape, x, _ in points if shape == marker} == {n}
        heights = sorted(y for shape, _, y in points if shape == marker)
        assert heights == pytest.approx([slope * n, 0], abs=0.01)
    levels = {round(line.get_ydata()[0], 1) for line in panels["size"].lines if line.get_linestyle() == ":"}
    smallest = (np.finfo(kind).smallest_subnormal for kind in (np.float32, np.float64))
    assert levels == {round(log10(each), 1) for each in smallest}
    exponents = [float(text.split("{")[1].split("}")[0]) for text in words(panels["size"]) if text.startswith("$10^{")]
    assert exponents == [-18, -358, -896]
    lengths = {name: [bar.get_width() for bar in panels[name].patches] for name in ("gain", "likeness")}
    assert lengths["gain"] == pytest.approx([log10(1.01) * n for n in FACTORS.values()])
    assert lengths["likeness"] == pytest.approx([0.999**n for n in FACTORS.values()])
    assert words(panels["gain"]) == ["1.9", "400,000", "1.1×10¹⁴"] and words(panels["likeness"]) == [
        "0.94",
        "0.27",
        "0.04",
    ]
    for axes in panels.values():
        assert_legible(axes)
