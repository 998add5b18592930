"""The generalized convolution against the slide's formula, one scalar after another, in Python's own numbers."""

from fractions import Fraction

import numpy as np
import pytest
from helpers.plain import one_scalar_at_a_time
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.errors import ArchitectureError, DataError, WeightError
from convac_lib.theory.convolution import generalized_convolution

P = 2**31 - 1
PRIMES = [2, 7, P, 2**32 - 5, 2**63 - 25]
BORDERS = ["neutral", "ones", "zero", "valid"]


fractions = np.vectorize(Fraction, otypes=[object])  # exactly the numbers that floats are


@st.composite
def convolutions(draw):
    R = draw(st.integers(1, 5))
    stride, border = draw(st.integers(1, R)), draw(st.sampled_from(BORDERS))
    smallest = R if border == "valid" else 1
    height, width = draw(st.integers(smallest, 6)), draw(st.integers(smallest, 6))
    shape = (draw(st.integers(1, 3)), draw(st.integers(1, 3)), R, R)
    return (height, width), shape, stride, border


@settings(max_examples=150)
@given(
    convolutions(),
    seeds,
    st.sampled_from([None, *PRIMES]),
    st.sampled_from([None, 1, 3]),
    st.booleans(),
    st.booleans(),
)
def test_generalized_convolution_is_the_slides_formula(case, seed, prime, batch, with_bias, shared):
    (height, width), shape, stride, border = case
    generator = np.random.default_rng(seed)

    def numbers(*shape):
        if prime is not None:
            return generator.integers(0, prime, shape)
        return fractions(generator.integers(-5, 6, shape).astype(object) / 4)

    outputs = [side - shape[2] if border == "valid" else side - 1 for side in (height, width)]
    positions = [] if shared else [output // stride + 1 for output in outputs]
    x, weight = numbers(shape[1], height, width, *([] if batch is None else [batch])), numbers(*positions, *shape)
    bias = numbers(shape[0], shape[2], shape[2]) if with_bias else None
    y = generalized_convolution(x, weight, stride, bias=bias, border=border, prime=prime)

    w, b = weight.astype(object), np.zeros((shape[0], shape[2], shape[2]), int) if bias is None else bias
    for image in [...] if batch is None else range(batch):
        one = x.astype(object) if batch is None else x[..., image].astype(object)
        found = y if batch is None else y[..., image]
        expected = one_scalar_at_a_time(
            one, (lambda u, v: w) if shared else (lambda u, v: w[u, v]), stride, b.astype(object), border
        )
        assert found.shape == expected.shape
        assert np.array_equal(found, expected if prime is None else expected % prime)


@settings(max_examples=12)
@given(convolutions(), seeds)
def test_floats_agree_with_fractions(case, seed):
    (height, width), shape, stride, border = case
    generator = np.random.default_rng(seed)
    x, weight = generator.standard_normal((shape[1], height, width)), generator.standard_normal(shape)
    bias = generator.standard_normal((shape[0], shape[2], shape[2]))
    expected = one_scalar_at_a_time(fractions(x), lambda u, v: fractions(weight), stride, fractions(bias), border)
    found = generalized_convolution(x, weight, stride, bias=bias, border=border)
    # at most 25 factors of 4 terms, some 10 roundings each: 250·2⁻⁵³ < 1e-13 of the same formula in magnitudes
    scale = one_scalar_at_a_time(abs(x), lambda u, v: abs(weight), stride, abs(bias), border).astype(float)
    assert (abs(fractions(found) - expected).astype(float) <= 1e-13 * scale).all()


@given(convolutions(), seeds, st.sampled_from(PRIMES))
def test_any_representative_modulo_p_gives_the_same_values(case, seed, prime):
    (height, width), shape, stride, border = case
    generator = np.random.default_rng(seed)
    x, weight = generator.integers(0, 2, (shape[1], height, width)), generator.integers(-3, 4, shape)
    forms = [(x, weight % prime), (x.astype(np.int8), weight.astype(np.int8)), (x, weight.astype(object) - 5 * prime)]
    first, *others = (generalized_convolution(*form, stride, border=border, prime=prime).tolist() for form in forms)
    assert others == [first, first]


def test_a_bias_of_floats_is_not_rounded_to_whole_numbers():
    ones = np.ones((1, 1, 1), int)
    half = generalized_convolution(ones, np.ones((1, 1, 1, 1), int), 1, bias=np.full((1, 1, 1), 0.5))
    assert half.tolist() == [[[1.5]]]


@pytest.mark.parametrize(
    ("make", "kind", "sentence"),
    [
        (lambda: generalized_convolution(np.ones((2, 4)), np.ones((3, 2, 2, 2)), 1), DataError,
         "the input needs shape (d, H, W), or (d, H, W, n) for a batch, not (2, 4)"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 2)), 1), WeightError,
         "the weight needs shape (c, d, R, R), or (H', W', c, d, R, R) unshared, not (3, 2, 2)"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 2, 1)), 1), WeightError,
         "the weight needs shape (c, d, R, R), or (H', W', c, d, R, R) unshared, not (3, 2, 2, 1)"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 1, 2)), 1), WeightError,
         "the weight needs shape (c, d, R, R), or (H', W', c, d, R, R) unshared, not (3, 2, 1, 2)"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 5, 2, 2)), 1), WeightError,
         "the weight is for 5 input channels and x has 2; they must agree"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 2, 2)), 1, bias=np.ones(3)), WeightError,
         "the bias needs shape (3, 2, 2), not (3,)"),
        (lambda: generalized_convolution(np.ones((2, 4, 5)), np.ones((3, 2, 3, 2, 2, 2)), 2), WeightError,
         "the unshared weight is for [3, 2] positions and the output has [2, 3]"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 2, 2)), 3), ArchitectureError,
         "receptive field 2 is smaller than stride 3: patches would be skipped; use a receptive field of at least 3"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 2, 2)), 1, border="wrap"),
         ArchitectureError,
         "unknown border 'wrap'; use one of neutral, ones, zero, valid"),
        (lambda: generalized_convolution(np.ones((2, 4, 4)), np.ones((3, 2, 5, 5)), 1, border="valid"),
         ArchitectureError,
         ("layer 1 has receptive field 5 on an input of size 4: with border 'valid' no window fits; "
          "use a receptive field of at most 4")),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_get_one_sentence(make, kind, sentence):
    with pytest.raises(kind) as error:
        make()
    assert str(error.value) == sentence
