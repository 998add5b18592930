"""MEX against arithmetic of 60 digits, its identities, and a ConvAC in logarithms against the scaled one."""

from decimal import Decimal, localcontext
from math import log

import numpy as np
import pytest
import torch
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib import ConvAC, ConvacError, baseline, common_case
from convac_lib.networks.simnets import Mex, Similarity, log_convac, mex

TYPES = [(torch.float64, 1e-7), (torch.float32, 2e-3)]  # near β = 0 two terms of a series leave √precision or less
lists = st.lists(st.floats(-50, 50), min_size=1, max_size=6)
betas = st.floats(-30, 30)


def exactly(values, beta):
    with localcontext() as context:
        context.prec = 60
        if beta == 0:
            return float(sum(map(Decimal, values)) / len(values))
        b = Decimal(beta)
        return float((sum((b * Decimal(value)).exp() for value in values) / len(values)).ln() / b)


@settings(max_examples=100, deadline=None)
@given(lists, betas, st.sampled_from(TYPES))
def test_mex_is_its_definition_in_sixty_digits(values, beta, kind):
    dtype, near = kind
    found = mex(torch.tensor(values, dtype=dtype), beta).item()
    if abs(beta) > 1e-20:
        rounded = torch.tensor(values, dtype=dtype).tolist()
        assert found == pytest.approx(exactly(rounded, torch.tensor(beta, dtype=dtype).item()), abs=near)


@given(lists, betas, betas)
def test_mex_lies_between_the_extremes_and_never_falls(values, one, other):
    c = torch.tensor(values, dtype=torch.float64)
    low, high = (mex(c, beta).item() for beta in sorted((one, other)))
    assert min(values) - 1e-7 <= low <= high + 1e-6 and high <= max(values) + 1e-7
    assert mex(-c, -one).item() == pytest.approx(-mex(c, one).item(), abs=1e-9)
    if one > 0.1:
        assert mex(c, one).item() >= max(values) - log(len(values)) / one - 1e-7


@given(seeds, st.sampled_from([-5.0, 0.0, 0.5, 20.0]))
def test_mex_of_equal_groups_is_mex_of_all(seed, beta):
    c = torch.tensor(np.random.default_rng(seed).normal(size=(3, 4)))
    assert mex(mex(c, beta), beta).item() == pytest.approx(mex(c.flatten(), beta).item(), abs=1e-7)


def test_mex_does_not_overflow():
    assert mex(torch.tensor([1e4, -1e4]), 5).item() == pytest.approx(1e4 - log(2) / 5)


def test_gradients_are_those_of_differences():
    c = torch.randn(2, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    for beta in (-3.0, 0.5, 2.0):
        b = torch.tensor(beta, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(mex, (c, b))
    zero = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    mex(c[0], zero).backward()
    assert zero.grad.item() == pytest.approx(c[0].var(correction=0).item() / 2)


@given(seeds, st.floats(-5, 5))
def test_derivatives_are_a_softmax_so_mex_moves_no_further_than_a_number(seed, beta):
    c, other = torch.tensor(np.random.default_rng(seed).normal(size=(2, 5)))
    c.requires_grad_()
    mex(c, beta).backward()
    torch.testing.assert_close(c.grad, (beta * c.detach()).softmax(0), rtol=1e-5, atol=1e-5)
    assert abs(mex(c, beta) - mex(other, beta)).item() <= (c - other).abs().max().item() + 1e-6


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["inner", "l1", "l2"])
def test_layers_are_their_formulas(kind, dtype):
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(2, 2, 5, 5, dtype=dtype, generator=generator)
    similarity = Similarity(2, 3, 2, kind, generator=generator, dtype=dtype).start_from(x, generator)
    layer = Mex(3, 4, 2, 2, beta=-2.0, generator=generator, dtype=dtype)
    y, z, w = similarity(x), similarity.template, similarity.log_weight
    for n, k, u, v in np.ndindex(2, 3, 4, 4):
        window = x[n, :, u : u + 2, v : v + 2]
        apart = {"inner": -window * z[k], "l1": (window - z[k]).abs(), "l2": (window - z[k]) ** 2}[kind]
        expected = -(apart if w is None else w[k].exp() * apart).sum()
        assert y[n, k, u, v].item() == pytest.approx(expected.item(), rel=1e-4)
    found = layer(y)
    for n, k, u, v in np.ndindex(2, 4, 2, 2):
        window = y[n, :, 2 * u : 2 * u + 2, 2 * v : 2 * v + 2] + layer.offset[k]
        assert found[n, k, u, v].item() == pytest.approx(((-2 * window).exp().mean().log() / -2).item(), rel=1e-4)


@pytest.mark.parametrize("plan", [baseline(2, 4, channels=3), common_case(3, 2, 8), common_case(2, 3, 4)])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-6), (torch.float32, 0.1)])
def test_a_convac_in_logarithms_is_the_scaled_convac(plan, dtype, near):
    generator = torch.Generator().manual_seed(0)
    network = ConvAC(plan, classes=2, generator=generator).to(dtype)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.rand(parameter.shape, generator=generator) + 0.1)
        x = torch.rand(3, plan.representation_channels, plan.size, plan.size, dtype=dtype, generator=generator) + 0.01
        scores, exponents = network.scaled_scores(x)
        expected = scores.log() + exponents[:, None].to(dtype) * log(2)
        assert (log_convac(network, x.log()) - expected).abs().max() < near


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (
            lambda: mex(torch.tensor([1.0, float("nan")]), 1),
            "the values hold NaN or infinity, and every number must be finite; replace those",
        ),
        (
            lambda: mex(torch.ones(2), float("inf")),
            "beta must be one finite number, not inf; for its limits use the maximum or the minimum",
        ),
        (
            lambda: mex(torch.ones(2), -float("inf")),
            "beta must be one finite number, not -inf; for its limits use the maximum or the minimum",
        ),
        (
            lambda: Mex(1, 1, beta=float("nan")),
            "beta must be one finite number, not nan; for its limits use the maximum or the minimum",
        ),
        (
            lambda: Mex(1, 1)(torch.full((1, 1, 2, 2), torch.nan)),
            "the values hold NaN or infinity, and every number must be finite; replace those",
        ),
        (
            lambda: Similarity(1, 1)(torch.full((1, 1, 2, 2), torch.inf)),
            "the values hold NaN or infinity, and every number must be finite; replace those",
        ),
        (
            lambda: log_convac(
                ConvAC(common_case(2, 2, 4), generator=torch.Generator().manual_seed(0)), torch.zeros(1, 2, 4, 4)
            ),
            "a logarithm needs weights above 0, and this network has others; use the exponentials of some",
        ),
        (
            lambda: mex(torch.ones(2, 0), 1),
            "values of shape (2, 0) have nothing along axis -1; name an axis with values",
        ),
        (
            lambda: mex(torch.tensor([1, 2]), 1),
            "values must be floating-point numbers, not torch.int64; convert them with .float()",
        ),
        (
            lambda: Mex(2, 2)(torch.ones(1, 3, 4, 4)),
            "the layer reads images of shape (N, 2, H, W), not (1, 3, 4, 4); give it 2 channels",
        ),
        (lambda: Similarity(1, 2, kind="l3"), "unknown similarity 'l3'; use one of inner, l1, l2"),
        (
            lambda: Similarity(1, 2).start_from(torch.ones(1, 1, 3, 3)),
            "2 templates need as many different windows, not 1; give more images",
        ),
    ],
)
def test_bad_input_is_refused_in_one_sentence(call, sentence):
    with pytest.raises(ConvacError) as error:
        call()
    assert str(error.value) == sentence
