"""The layer on torch tensors, against its formula written out in whole numbers."""

from itertools import product
from math import prod

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.architecture import BORDERS
from convac_lib.errors import ArchitectureError, DataError, WeightError
from convac_lib.networks.functional import generalized_conv2d


@st.composite
def cases(draw, largest, side):
    """x, weight, bias, stride and border, with whole numbers −largest..largest held exactly in float64."""
    stride = draw(st.integers(1, 3))
    receptive_field = draw(st.integers(stride, 3))
    border = draw(st.sampled_from(BORDERS))
    smallest = receptive_field if border == "valid" else 1
    height, width = draw(st.integers(smallest, side)), draw(st.integers(smallest, side))
    n, d, c = draw(st.integers(1, 2)), draw(st.integers(1, 2)), draw(st.integers(1, 2))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))

    def whole(*shape):
        return torch.randint(-largest, largest + 1, shape, generator=generator).double()

    x, weight = whole(n, d, height, width), whole(c, d, receptive_field, receptive_field)
    bias = whole(c, receptive_field, receptive_field) if draw(st.booleans()) else None
    return x, weight, bias, stride, border


def by_definition(x, weight, bias, stride, border):
    """MATH: Y[c,u,v] = Π_ij (Σ_d W[c,d,i,j]·X[d,uS+i,vS+j] + b[c,i,j]), pixel by pixel in Python's integers."""
    (_, d, height, width), (c, _, receptive_field, _) = x.shape, weight.shape
    x, weight, bias = x.long().tolist(), weight.long().tolist(), None if bias is None else bias.long().tolist()

    def positions(size):
        return [u for u in range(0, size, stride) if border != "valid" or u + receptive_field <= size]

    def factor(image, k, row, column, i, j):
        if row < height and column < width:
            patch = [image[channel][row][column] for channel in range(d)]
        elif border == "neutral":
            return 1
        else:
            patch = [1 if border == "ones" else 0] * d
        total = sum(weight[k][channel][i][j] * patch[channel] for channel in range(d))
        return total if bias is None else total + bias[k][i][j]

    def value(image, k, row, column):
        offsets = product(range(receptive_field), repeat=2)
        return prod(factor(image, k, row + i, column + j, i, j) for i, j in offsets)

    return [
        [[[value(image, k, u, v) for v in positions(width)] for u in positions(height)] for k in range(c)]
        for image in x
    ]


@settings(deadline=None)
@given(cases(largest=3, side=6))
def test_it_is_the_slides_formula(case):
    x, weight, bias, stride, border = case
    assert generalized_conv2d(x, weight, bias, stride=stride, border=border).tolist() == by_definition(*case)


@settings(deadline=None, max_examples=30)
@given(cases(largest=1, side=3))
def test_gradients_are_exact_where_factors_are_0(case):
    """Y is linear in each single number, so that its derivative is the difference of two values: exact, no limit."""
    x, weight, bias, stride, border = case
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias) if tensor is not None]

    def total():
        return generalized_conv2d(x, weight, bias, stride=stride, border=border).sum()

    gradients = torch.autograd.grad(total(), inputs)
    with torch.no_grad():
        before = total()
        for tensor, gradient in zip(inputs, gradients):
            for index in product(*map(range, tensor.shape)):
                tensor[index] += 1
                assert gradient[index] == total() - before
                tensor[index] -= 1


def test_without_overlap_it_is_a_convolution_and_a_product_pooling():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 9, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 3, 1, 1, generator=generator, dtype=torch.float64)
    convolved = torch.nn.functional.conv2d(x, weight)  # (2, 4, 6, 9)
    pooled = convolved.unfold(2, 3, 3).unfold(3, 3, 3).prod(-1).prod(-1)  # (2, 4, 2, 3)
    tied = weight.expand(4, 3, 3, 3)
    torch.testing.assert_close(generalized_conv2d(x, tied, stride=3), pooled)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "options", "kind", "sentence"),
    [
        (
            (2, 4, 4), (3, 2, 2, 2), None, {}, DataError,
            "the input needs shape (N, C_in, H, W), not (2, 4, 4); give it four axes",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 1), None, {}, WeightError,
            "the weight needs shape (C_out, C_in, R, R), not (3, 2, 2, 1); make it square",
        ),
        (
            (1, 5, 4, 4), (3, 2, 2, 2), None, {}, WeightError,
            "the weight is for 2 input channels and x has 5; they must agree",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 2), (3,), {}, WeightError,
            "the bias needs shape (3, 2, 2), not (3,)",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 2), None, {"stride": 3}, ArchitectureError,
            "receptive field 2 is smaller than stride 3: patches would be skipped; use a receptive field of at least 3",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 2), None, {"border": "same"}, ArchitectureError,
            "unknown border 'same'; use one of neutral, ones, zero, valid",
        ),
        (
            (1, 2, 4, 2), (3, 2, 3, 3), None, {"border": "valid"}, ArchitectureError,
            ("layer 1 has receptive field 3 on an input of size 2: with border 'valid' no window fits; "
             "use a receptive field of at most 2"),
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(x, weight, bias, options, kind, sentence):
    with pytest.raises(kind) as error:
        generalized_conv2d(torch.ones(x), torch.ones(weight), None if bias is None else torch.ones(bias), **options)
    assert str(error.value) == sentence
