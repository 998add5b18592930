"""The layer on torch tensors, against its formula written out in integers."""

import os
import sys
from contextlib import nullcontext
from itertools import product
from math import prod
from shutil import which
from threading import local
from unittest.mock import patch

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck

from convac_lib.architecture import BORDERS
from convac_lib.errors import ArchitectureError, DataError, WeightError
from convac_lib.networks import window_kernel as kernel
from convac_lib.networks.functional import generalized_conv2d, scaled_generalized_conv2d
from convac_lib.networks.window_product import window_product

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch warns of itself

blocks = st.sampled_from([1, 60, 2**20]).map(lambda numbers: patch.dict(kernel._PIECE, cpu=numbers))


def scaled_back(x, weight, bias, **options):
    """The scaled form's value, as a float."""
    y, exponent = scaled_generalized_conv2d(x, None, weight, bias, **options)
    return y * torch.exp2(exponent[:, None].to(y.dtype))


both_forms = pytest.mark.parametrize("form", [generalized_conv2d, scaled_back])


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@st.composite
def cases(draw, largest, side):
    """x, weight, bias, stride and border, with integers −largest..largest held exactly in float64."""
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


@both_forms
@settings(deadline=None)
@given(cases(largest=3, side=6), blocks)
def test_it_is_the_slides_formula_however_the_batch_is_cut(form, case, block):
    x, weight, bias, stride, border = case
    with block:
        assert form(x, weight, bias, stride=stride, border=border).tolist() == by_definition(*case)


@both_forms
@settings(deadline=None, max_examples=30)
@given(cases(largest=1, side=3), blocks)
def test_gradients_are_exact_where_factors_are_0(form, case, block):
    """Y is linear in each single number, so that its derivative is the difference of two values: exact, no limit."""
    x, weight, bias, stride, border = case
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias) if tensor is not None]

    def total():
        return form(x, weight, bias, stride=stride, border=border).sum()

    with block:
        gradients = torch.autograd.grad(total(), inputs)
    with torch.no_grad():
        before = total()
        for tensor, gradient in zip(inputs, gradients):
            for index in product(*map(range, tensor.shape)):
                tensor[index] += 1
                assert gradient[index] == total() - before
                tensor[index] -= 1


loops = st.sampled_from([kernel._loops, lambda factors: None])  # compiled, or torch's operations
threads = st.sampled_from([1, 3])
kept = st.sampled_from([0, 400, 2**28])  # bytes: of no piece's factors, of the first pieces', and of all


@settings(deadline=None)
@given(cases(largest=2, side=7), st.sampled_from([0, 1, 3, 4]), blocks, loops, threads, kept)
def test_the_blocked_kernel_is_the_definition(case, every, block, loops, threads, kept):
    """Value, exponents and gradients, bit for bit: integers and powers of two are exact in float64."""
    x, weight, _, stride, _ = case
    x, weight = x.permute(0, 2, 3, 1).requires_grad_(), weight.permute(2, 3, 1, 0).requires_grad_()
    height, width = (-(-size // stride) for size in x.shape[1:3])
    number = patch.object(torch, "get_num_threads", lambda: threads)
    with block, number, patch.object(kernel, "_KEPT", kept), patch.object(kernel, "_loops", loops):
        y, exponent = kernel.blocked_window_product(x, weight, stride, height, width, every)
        direction = torch.randint(-3, 4, y.shape, generator=torch.Generator().manual_seed(0)).double()
        gradients, again = (torch.autograd.grad(y, (x, weight), direction, retain_graph=True) for _ in "12")
    assert all(map(torch.equal, gradients, again))
    expected, expected_exponent = window_product(x, weight, stride, height, width, every)
    assert torch.equal(y, expected) and torch.equal(exponent, expected_exponent)
    assert every or not exponent.any()
    for gradient, other in zip(gradients, torch.autograd.grad(expected, (x, weight), direction)):
        assert torch.equal(gradient, other)


def test_the_gradient_uses_the_factors_as_they_were_kept_with_any_threads():
    x, weight = normal(2, 3, 3, 2).requires_grad_(), normal(2, 2, 2, 2, seed=1).requires_grad_()
    expected = torch.autograd.grad(window_product(x, weight, 1, 3, 3)[0].sum(), (x, weight))
    with patch.dict(kernel._PIECE, cpu=60):  # 72 factors per image: two pieces with one thread, one with three
        for threads, later in ((1, 3), (3, 1)):
            with patch.object(torch, "get_num_threads", lambda threads=threads: threads):
                y, _ = kernel.blocked_window_product(x, weight, 1, 3, 3)
            with patch.object(torch, "get_num_threads", lambda later=later: later):
                torch.testing.assert_close(torch.autograd.grad(y.sum(), (x, weight)), expected)


@pytest.mark.parametrize(("R", "stride"), [(2, 1), (2, 2), (3, 2)])
def test_scratch_space_is_used_again_by_calls_of_other_modes_sizes_and_types(R, stride):
    """A tensor made in inference mode may not be written later; and what an earlier call left must not be read."""
    with patch.object(kernel, "_scratch", local()), patch.object(kernel, "_KEPT", 0):
        for size, dtype, mode in product(
            (6, 3, 8), (torch.float32, torch.float64), (torch.inference_mode, nullcontext)
        ):
            x, weight = normal(2, size, size, 2).to(dtype), normal(R, R, 2, 3, seed=1).to(dtype)
            height = -(-size // stride)
            with mode():
                y, _ = kernel.blocked_window_product(x, weight, stride, height, height)
                torch.testing.assert_close(y, window_product(x, weight, stride, height, height)[0])
        both = x.requires_grad_(), weight.requires_grad_()
        direction = torch.ones_like(y)
        for _ in "12":
            found = torch.autograd.grad(
                kernel.blocked_window_product(*both, stride, height, height)[0], both, direction
            )
            expected = torch.autograd.grad(window_product(*both, stride, height, height)[0], both, direction)
            torch.testing.assert_close(found, expected)


def test_without_numba_it_works_and_says_once_what_that_costs(monkeypatch):
    monkeypatch.setitem(sys.modules, "convac_lib.networks.window_loops", None)
    monkeypatch.delattr("convac_lib.networks.window_loops", raising=False)
    kernel._compiled_loops.cache_clear()
    x, weight = normal(3, 2, 6, 6), normal(4, 2, 3, 3, seed=1)
    with pytest.warns(UserWarning, match="numba") as warned:
        ys = [generalized_conv2d(x, weight) for _ in "12"]
    (sentence,) = (str(warning.message) for warning in warned)
    assert sentence.startswith("numba cannot be imported (")
    assert sentence.endswith('), so generalized convolutions take longer; run pip install "convac-lib[fast]"')
    monkeypatch.undo()
    kernel._compiled_loops.cache_clear()
    for y in ys:
        torch.testing.assert_close(y, generalized_conv2d(x, weight))


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize(("R", "stride"), [(R, stride) for R in range(1, 6) for stride in range(1, R + 1)])
def test_first_and_second_derivatives_of_every_shape(R, stride, border):
    """Against finite differences, with zeros in a factor, in a row and in a whole image."""
    x, weight, bias = normal(2, 2, R + 1, R), normal(1, 2, R, R, seed=1), normal(1, R, R, seed=2)
    x[0, :, 0], x[1], weight[..., 0, 0] = 0, 0, 0
    bias[0, -1, -1] = 0
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]

    def form(*inputs):
        return generalized_conv2d(*inputs, stride=stride, border=border)

    assert gradcheck(form, inputs, fast_mode=True, check_forward_ad=True)
    assert gradgradcheck(form, inputs, fast_mode=True)


def test_the_scaled_form_is_the_linear_one_bit_for_bit():
    """In float32, where no power of two leaves the range: each pixel differs by a power of two only."""
    for border, biased, R, stride in product(BORDERS, (False, True), (1, 3), (1,)):
        x, weight = normal(50, 3, 9, 9).float(), normal(4, 3, R, R, seed=1).float()
        bias = normal(4, 3, 3, seed=2).float() if biased and R == 3 else None
        y, exponent = scaled_generalized_conv2d(x, None, weight, bias, stride=stride, border=border)
        linear = generalized_conv2d(x, weight, bias, stride=stride, border=border)
        assert torch.equal(torch.ldexp(y, exponent[:, None]), linear)
        largest = y.abs().amax(1)
        assert ((largest >= 0.5) & (largest < 1)).logical_or(largest == 0).all()


def test_a_million_scaled_cases_of_every_magnitude():
    """Single channels, so that nothing cancels: y = Π w·x, whose logarithm is known whatever its size."""
    generator = torch.Generator().manual_seed(0)

    def any_magnitude(*shape):
        sign = 2 * torch.randint(2, shape, generator=generator) - 1
        return sign * torch.exp2(torch.empty(shape).uniform_(-125, 125, generator=generator))

    zeros = 0
    for R, stride, images in ((3, 1, 3000), (4, 2, 4000), (5, 5, 30000)):
        x, weight = any_magnitude(images, 1, 15, 15), any_magnitude(1, 1, R, R).requires_grad_()
        x[torch.rand(x.shape, generator=generator) < 0.01] = 0
        x.requires_grad_()
        y, exponent = scaled_generalized_conv2d(x, None, weight, stride=stride)
        side = -(-15 // stride)
        log, sign = (torch.full((images, side, side), n, dtype=torch.float64) for n in (0, 1))
        for i, j in product(range(R), repeat=2):
            factor = weight[0, 0, i, j].detach().double() * x[:, 0, i::stride, j::stride].detach().double()
            rows, columns = factor.shape[1:]
            log[:, :rows, :columns] += factor.abs().log2()
            sign[:, :rows, :columns] *= factor.sign()
        assert torch.equal(y[:, 0].sign().double(), sign)  # no silent underflow: 0 exactly where a factor is
        some = sign != 0
        torch.testing.assert_close((y[:, 0].abs().double().log2() + exponent)[some], log[some], rtol=0, atol=1e-5)
        zeros += (~some).sum()
        for gradient in torch.autograd.grad(y.sum(), (x, weight)):
            assert gradient.isfinite().all()
    assert zeros > 10**5


def test_without_overlap_it_is_a_convolution_and_a_product_pooling():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 9, generator=generator, dtype=torch.float64)
    weight = torch.randn(4, 3, 1, 1, generator=generator, dtype=torch.float64)
    convolved = torch.nn.functional.conv2d(x, weight)  # (2, 4, 6, 9)
    pooled = convolved.unfold(2, 3, 3).unfold(3, 3, 3).prod(-1).prod(-1)  # (2, 4, 2, 3)
    tied = weight.expand(4, 3, 3, 3)
    torch.testing.assert_close(generalized_conv2d(x, tied, stride=3), pooled)


@both_forms
def test_an_empty_batch_is_an_empty_batch(form):
    weight = normal(3, 2, 2, 2).requires_grad_()
    y = form(torch.empty(0, 2, 5, 4, dtype=torch.float64), weight, None, stride=2)
    assert y.shape == (0, 3, 3, 2)
    assert not torch.autograd.grad(y.sum(), weight)[0].any()


@both_forms
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-4), (torch.bfloat16, 0.2)])
def test_every_type_of_number(form, dtype, tolerance):
    x, weight, bias = normal(40, 3, 5, 5), normal(4, 3, 2, 2, seed=1), normal(4, 2, 2, seed=2)
    exact = generalized_conv2d(x, weight, bias)
    inputs = [tensor.to(dtype).requires_grad_() for tensor in (x, weight, bias)]
    y = form(*inputs)
    assert y.dtype == dtype
    assert (y - exact).norm() < tolerance * exact.norm()
    gradients = torch.autograd.grad(y.sum(), inputs)
    inputs = [tensor.requires_grad_() for tensor in (x, weight, bias)]
    for gradient, expected in zip(gradients, torch.autograd.grad(generalized_conv2d(*inputs).sum(), inputs)):
        assert gradient.dtype == dtype
        assert (gradient - expected).norm() < tolerance * expected.norm()


@both_forms
def test_autocast_casts_as_it_does_for_conv2d(form):
    x, weight = normal(2, 3, 5, 5).float(), normal(4, 3, 2, 2, seed=1).float().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        y = form(x, weight, None)
        assert y.dtype == torch.nn.functional.conv2d(x, weight).dtype == torch.bfloat16
    assert torch.equal(y, form(x.bfloat16(), weight.bfloat16(), None))
    assert torch.autograd.grad(y.sum(), weight)[0].dtype == torch.float32


@both_forms
def test_functional_transforms_are_those_of_single_images(form):
    x, weight = normal(3, 2, 3, 3), normal(2, 2, 2, 2, seed=1)

    def of_one(image, weight):
        return form(image[None], weight, None, stride=1, border="ones")[0]

    def loss(image, weight):
        return of_one(image, weight).square().sum()

    apart = torch.stack([of_one(image, weight) for image in x])
    torch.testing.assert_close(torch.func.vmap(of_one, (0, None))(x, weight), apart)
    torch.testing.assert_close(torch.func.vmap(of_one)(x, weight.expand(3, 2, 2, 2, 2)), apart)
    jacobian = torch.autograd.functional.jacobian(of_one, (x[0], weight))
    torch.testing.assert_close(torch.func.jacrev(of_one, (0, 1))(x[0], weight), jacobian)
    torch.testing.assert_close(torch.func.jacfwd(of_one, (0, 1))(x[0], weight), jacobian)
    hessian = torch.autograd.functional.hessian(loss, (x[0], weight))
    torch.testing.assert_close(torch.func.hessian(loss, (0, 1))(x[0], weight), hessian)
    gradients = torch.func.vmap(torch.func.grad(loss, (0, 1)), (0, None))(x, weight)
    for image, *expected in zip(x, *gradients):
        torch.testing.assert_close(list(torch.func.grad(loss, (0, 1))(image, weight)), expected)


@both_forms
@pytest.mark.skipif(not (which("g++") or which("clang++")), reason="no C++ compiler")
@pytest.mark.skipif(" " in torch.__file__, reason="torch's compiler links nothing from a folder with a space")
@pytest.mark.skipif(
    os.environ.get("ATEN_CPU_CAPABILITY") == "default", reason="torch's own compiler needs vector instructions"
)
@pytest.mark.filterwarnings("ignore:Guards may run slower on Python 3.13.0:RuntimeWarning")  # torch's own
def test_it_compiles_as_one_graph_with_sizes_unknown(form):
    weight, bias = normal(2, 2, 2, 2).requires_grad_(), normal(2, 2, 2, seed=1).requires_grad_()
    torch.compiler.reset()
    compiled = torch.compile(form, fullgraph=True, dynamic=True)
    for size in ((3, 2, 4, 5), (2, 2, 7, 3)):
        x = normal(*size).requires_grad_()
        y, expected = (f(x, weight, bias, border="ones") for f in (compiled, form))
        torch.testing.assert_close(y, expected)
        gradients = (torch.autograd.grad(value.square().sum(), (x, weight, bias)) for value in (y, expected))
        torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    ("x", "weight", "bias", "options", "kind", "sentence"),
    [
        (
            (2, 4, 4), (3, 2, 2, 2), None, {}, DataError,
            "the input needs shape (N, C_in, H, W), not (2, 4, 4); give it four axes",
        ),
        (
            (1, 2, 0, 4), (3, 2, 2, 2), None, {}, ArchitectureError,
            "size must be an integer of at least 1, not 0",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 1), None, {}, WeightError,
            "the weight needs shape (C_out, C_in, R, R), not (3, 2, 2, 1); reshape it",
        ),
        (
            (1, 5, 4, 4), (3, 2, 2, 2), None, {}, WeightError,
            "the weight is for 2 input channels and x has 5; give both the same number",
        ),
        (
            (1, 2, 4, 4), (3, 2, 2, 2), (3,), {}, WeightError,
            "the bias needs shape (3, 2, 2), not (3,); reshape it",
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
@both_forms
def test_bad_input_is_one_sentence(form, x, weight, bias, options, kind, sentence):
    with pytest.raises(kind) as error:
        form(torch.ones(x), torch.ones(weight), None if bias is None else torch.ones(bias), **options)
    assert str(error.value) == sentence
