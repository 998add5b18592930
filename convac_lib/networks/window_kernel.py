"""Products over windows and their derivatives, channels last: once in plain torch, once a piece of the batch at a time.

`window_product` is the core of both forms of the layer. Taught in the chapter *Overlaps*.
"""

from collections import namedtuple
from itertools import product
from math import ceil, frexp

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn.functional import pad

EVERY = 4  # factors between two renormalizations of the scaled form
_PIECE = {"cpu": 2**20}  # numbers in all factors of a piece: what stays in the cache
_PIECE_ELSEWHERE = 2**26  # what fills a GPU


def window_product(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int = 0
) -> tuple[Tensor, Tensor]:
    """Multiply, over each window, the window's own linear maps of those of its pixels that lie inside the image.

        y[n, u, v, :] · 2^exponent[n, u, v] = Π_ij ( x[n, uS+i, vS+j, :] @ weight[i, j] )

    Args:
        x: images of shape (N, H, W, C_in), no larger than the windows reach.
        weight: of shape (R, R, C_in, C_out).
        stride: S, the step between windows.
        height: H', the windows in a column.
        width: W', the windows in a row.
        every: after how many factors to renormalize by a power of two; 0 for never, and then every exponent is 0.

    Returns:
        y of shape (N, H', W', C_out), and its exponents of shape (N, H', W'), 32-bit integers.
    """
    form = _multiply_whole if torch.compiler.is_compiling() else _WindowProduct.apply
    return form(x, weight, stride, height, width, every)


def renormalization(y: Tensor) -> tuple[Tensor, Tensor]:
    """(2^−e, e), constant to autograd: e brings the largest channel, the last axis, of every pixel into [½, 1).

    A pixel of zeros has e = 0, and no |e| is so large that 2^e or 2^−e would leave the normal numbers of the type.
    """
    y, limit = y.detach(), _largest_exponent(y.dtype)
    largest = torch.maximum(y.amax(-1, keepdim=True), -y.amin(-1, keepdim=True))  # without a copy of |y|
    within = torch.where(largest > 0, largest, 0.5).clamp(2.0**-limit, 2.0 ** (limit - 1))
    bits = within.double().view(torch.int64)  # torch.frexp says the same, but does not compile in float64
    exponent = ((bits >> 52) - 1022).int()
    return power_of_two(-exponent, y.dtype), exponent


def power_of_two(exponent: Tensor, dtype: torch.dtype) -> Tensor:
    """2^exponent, exactly, or the largest that is finite: no 0 becomes NaN by it.

    (Multiply by it: the derivative of torch.ldexp is 0 where the exponent is negative.)
    """
    return torch.ldexp(torch.ones_like(exponent, dtype=dtype), exponent.clamp(max=_largest_exponent(dtype)))


def _largest_exponent(dtype):
    """e such that 2^e and 2^−e are normal numbers: 126 in float32."""
    return 1 - frexp(torch.finfo(dtype).smallest_normal)[1]


def _plain(x, weight, stride, height, width, every):
    """The definition, which torch differentiates, compiles and transforms at will; it keeps every factor."""
    y, exponent = None, x.new_zeros((len(x), height, width), dtype=torch.int32)
    for count, (i, j) in enumerate(product(range(len(weight)), repeat=2), start=1):
        factor = x[:, i::stride, j::stride][:, :height, :width] @ weight[i, j]
        outside = (0, 0, 0, width - factor.shape[2], 0, height - factor.shape[1])
        factor = pad(factor, outside, value=1.0)  # past the border: the empty product, 1
        y = factor if y is None else y * factor
        if every and (count % every == 0 or count == len(weight) ** 2):
            scale, shift = renormalization(y)
            y, exponent = y * scale, exponent + shift[..., 0]
    return y, exponent


class _WindowProduct(Function):
    """`_plain`, in pieces that fit the cache and keep no factor: less memory, for factors computed a second time."""

    @staticmethod
    def forward(x, weight, *settings):
        return _multiply(x, weight, *settings)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, weight, *ctx.settings = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, output[1])
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx, grad, _):
        x, weight, exponent = ctx.saved_tensors
        if torch.is_grad_enabled():  # derivatives of these derivatives may be asked for
            gradients = torch.func.vjp(_without_exponent(ctx.settings), x, weight)[1](grad)
        else:
            gradients = _differentiate(grad, exponent, x, weight, *ctx.settings, ctx.needs_input_grad[0])
        return *gradients, None, None, None, None

    @staticmethod
    def jvp(ctx, *tangents):
        primals, plain = ctx.saved_tensors[:2], _without_exponent(ctx.settings)
        tangents = tuple(torch.zeros_like(p) if t is None else t for p, t in zip(primals, tangents))
        y, pullback = torch.func.vjp(plain, *primals)
        return torch.func.vjp(pullback, torch.zeros_like(y))[1](tangents)[0], None  # what is linear, transposed twice

    @staticmethod
    def vmap(info, in_dims, x, weight, *settings):
        return torch.vmap(lambda x, weight: _plain(x, weight, *settings), in_dims[:2])(x, weight), (0, 0)


def _without_exponent(settings):
    return lambda x, weight: _plain(x, weight, *settings)[0]


def _multiply(x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int) -> tuple[Tensor, Tensor]:
    y = x.new_empty(len(x), height, width, weight.shape[3])
    exponent = x.new_zeros((len(x), height, width), dtype=torch.int32)
    for piece, images, rows, pixels in _pieces(x, weight, stride, height, width):
        shift = piece.multiply(x[images, pixels], every)
        y[images, rows] = piece.windows(piece.product)
        if every:
            exponent[images, rows] = piece.windows(shift)[..., 0]
    return y, exponent


def _differentiate(
    grad: Tensor,
    exponent: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    height: int,
    width: int,
    every: int,
    x_too: bool,
) -> tuple[Tensor, Tensor]:
    dx = torch.zeros_like(x)
    # summed over the pieces, so not in half precision
    dweight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
    dweights = dweight.flatten(0, 1).unbind()
    for piece, images, rows, pixels in _pieces(x, weight, stride, height, width, keep=True):
        piece.multiply_keeping(x[images, pixels], every)
        piece.differentiate(grad[images, rows], exponent[images, rows], every, dweights, x_too)
        if x_too:
            piece.add_input_gradient(dx[images, pixels])
    return dx, dweight.to(weight.dtype)


# A compiler sees each as one operation, with the shapes below, and differentiates the first by the second.
_multiply_whole = torch.library.custom_op("convac::window_product", _multiply, mutates_args=())
_differentiate_whole = torch.library.custom_op("convac::window_product_backward", _differentiate, mutates_args=())


@_multiply_whole.register_fake
def _(x, weight, stride, height, width, every):
    sizes = (x.shape[0], height, width)
    return x.new_empty(*sizes, weight.shape[3]), x.new_empty(sizes, dtype=torch.int32)


@_differentiate_whole.register_fake
def _(grad, exponent, x, weight, *settings):
    return torch.empty_like(x), torch.empty_like(weight)


def _whole_backward(ctx, grad, _):
    gradients = _differentiate_whole(grad, *ctx.saved_tensors, *ctx.settings, ctx.needs_input_grad[0])
    return *gradients, None, None, None, None


def _whole_setup(ctx, inputs, output):
    x, weight, *ctx.settings = inputs
    ctx.save_for_backward(output[1], x, weight)


_multiply_whole.register_autograd(_whole_backward, setup_context=_whole_setup)


def _pieces(x, weight, stride, height, width, keep=False):
    """Cut the batch: yield a piece, its images, its rows of windows and its rows of pixels, which overlap if R > S."""
    numbers = _PIECE.get(x.device.type, _PIECE_ELSEWHERE) * torch.get_num_threads()
    windows = numbers // (len(weight) ** 2 * max(weight.shape[2:]))
    rows = max(1, min(height, windows // width))
    images = max(1, windows // (rows * width)) if rows == height else 1
    made = {}  # pieces of one shape share their buffers
    for n, u in product(range(0, len(x), images), range(0, height, rows)):
        below = min(u + rows, height)
        pixels = slice(u * stride, min((below - 1) * stride + len(weight), x.shape[1]))
        shape = (min(images, len(x) - n), below - u, pixels.stop - pixels.start)
        if shape not in made:
            made[shape] = _Piece(x, weight, stride, *shape, width, keep)
        yield made[shape], slice(n, n + images), slice(u, below), pixels


_Step = namedtuple(
    "_Step", "inputs weight inside factor outside prefix prefix_inside prefix_outside input_gradient back across"
)


class _Piece:
    """Buffers for some images and rows of windows, and for each offset the views of them that its step uses.

    Each phase of the stride lies flat, pixel after pixel, so that offset (i, j) reads what the windows' first pixels
    do, (i//S)·columns + j//S pixels further on: a factor is one matrix product, and no patch is copied. A window at
    an edge then reads from the next row or image; there factors are set to 1, and derivatives to 0.
    """

    def __init__(self, x, weight, stride, images, rows, pixel_rows, width, keep):
        R, _, in_channels, out_channels = weight.shape
        self.stride, self.rows, self.width = stride, rows, width
        self.grid = (images, ceil(pixel_rows / stride), ceil(x.shape[2] / stride))  # of every phase
        size = self.grid[0] * self.grid[1] * self.grid[2]
        self.inputs = x.new_zeros(stride, stride, size + (R - 1) // stride, in_channels)
        self.input_gradient = torch.zeros_like(self.inputs) if keep else self.inputs
        self.product = x.new_zeros(size, out_channels)
        if keep:  # the product before factor k is prefix k; factor 0 is prefix 1, and prefix 0 holds ∂y
            factors = x.new_empty(R * R, size, out_channels)
            prefixes = [self.product, factors[0], *x.new_empty(max(0, R * R - 2), size, out_channels)]
        else:  # factor 0 becomes the product, and every other factor is forgotten
            factors = [self.product, *[x.new_empty(size, out_channels)] * (R * R - 1)]
            prefixes = factors
        self.steps = []
        for (i, j), factor, prefix in zip(product(range(R), repeat=2), factors, prefixes):
            height_inside = max(0, min(rows, ceil((pixel_rows - i) / stride)))
            width_inside = max(0, min(width, ceil((x.shape[2] - j) / stride)))
            end = ((images - 1) * self.grid[1] + height_inside) * self.grid[2] if height_inside else 0
            start = i // stride * self.grid[2] + j // stride
            inputs, gradient = (
                flat[i % stride, j % stride, start : start + end] for flat in (self.inputs, self.input_gradient)
            )
            outside, prefix_outside = (
                [part for part in (grid[:, height_inside:], grid[:, :, width_inside:]) if part.numel()]
                for grid in (factor.unflatten(0, self.grid), prefix.unflatten(0, self.grid))
            )
            self.steps.append(
                _Step(
                    inputs, weight[i, j], factor[:end], factor, outside, prefix, prefix[:end], prefix_outside, gradient,
                    weight[i, j].T, inputs.T,
                )
            )  # fmt: skip

    def windows(self, flat):
        """(size, c) -> (n, rows, width, c), without what lies between the windows."""
        return flat.unflatten(0, self.grid)[:, : self.rows, : self.width]

    def _phases(self, flat, x):
        """Each phase of x, with its place in the buffer."""
        images = flat[:, :, : self.grid[0] * self.grid[1] * self.grid[2]].unflatten(2, self.grid)
        for i, j in product(range(self.stride), repeat=2):
            phase = x[:, i :: self.stride, j :: self.stride]
            yield images[i, j, :, : phase.shape[1], : phase.shape[2]], phase

    def _factors(self, x):
        """Yield each step, once its factor is computed."""
        for place, phase in self._phases(self.inputs, x):
            place.copy_(phase)
        for step in self.steps:
            torch.mm(step.inputs, step.weight, out=step.inside)
            for part in step.outside:
                part.fill_(1)
            yield step

    def multiply(self, x, every):
        """Fill `product`, and return its exponents."""
        exponent = 0
        for count, step in enumerate(self._factors(x), start=1):
            if count > 1:
                self.product.mul_(step.factor)
            if every and (count % every == 0 or count == len(self.steps)):
                scale, shift = renormalization(self.product)
                self.product.mul_(scale)
                exponent = exponent + shift
        return exponent

    def multiply_keeping(self, x, every):
        """Fill every factor and every prefix; `scales` are those of the prefixes."""
        self.scales, self.exponent = {}, 0
        for count, step in enumerate(self._factors(x), start=1):
            if count == len(self.steps):
                break
            after = self.steps[count].prefix
            if count > 1:
                torch.mul(step.prefix, step.factor, out=after)
            if every and count % every == 0:
                self.scales[count], shift = renormalization(after)
                after.mul_(self.scales[count])
                self.exponent = self.exponent + shift

    def differentiate(self, grad, exponent, every, dweights, x_too):
        """Turn every prefix into its factor's derivative, and add up those of the weight and the inputs.

        Going back, `suffix` is ∂y times the factors already passed: nothing is divided, so zeros do no harm.
        """
        suffix = self.product
        self.windows(suffix).copy_(grad)
        if every:  # what the last renormalization took
            rest = exponent[..., None] - (self.windows(self.exponent) if self.scales else 0)
            self.windows(suffix).mul_(power_of_two(-rest, suffix.dtype))
        self.input_gradient.zero_()
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            if number:
                step.prefix.mul_(suffix)
                suffix.mul_(step.factor)
                if number in self.scales:
                    suffix.mul_(self.scales[number])
                for part in step.prefix_outside:
                    part.zero_()
            if x_too:
                step.input_gradient.addmm_(step.prefix_inside, step.back)
            dweights[number].add_(torch.mm(step.across, step.prefix_inside))

    def add_input_gradient(self, dx):
        for place, phase in self._phases(self.input_gradient, dx):
            phase.add_(place)
