"""The product over windows as the layer runs it: in blocks of the batch that fit the cache.

It computes what `convac_lib.networks.window_product` defines. Taught in the chapter *Overlaps*.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import ceil, prod
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from convac_lib.networks.window_product import frexp_scale, power_of_two, window_product

_BLOCK = {"cpu": 2**20}  # numbers in all factors of a block: as many as stay in the cache
_BLOCK_ELSEWHERE = 2**26  # as many as fill a GPU


def blocked_window_product(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int = 0
) -> tuple[Tensor, Tensor]:
    """Compute `window_product` in blocks of the batch that fit the cache.

    It stores no factor; the backward pass computes them again, which needs less memory and more arithmetic.

    Args:
        x: images of shape (N, H, W, C_in), which end where the last windows end, or before.
        weight: a linear map for each window offset, of shape (R, R, C_in, C_out).
        stride: S, the step between windows.
        height: H', the number of rows of windows.
        width: W', the number of windows per row.
        every: the number of factors between two scalings by a power of two; 0 for no scaling and exponents of 0.

    Returns:
        y of shape (N, H', W', C_out), and its exponents of shape (N, H', W'), 32-bit integers.

    Chapter: *Overlaps*.

    >>> x, weight = torch.randn(2, 5, 5, 3), torch.randn(2, 2, 3, 4)
    >>> torch.allclose(blocked_window_product(x, weight, 1, 5, 5)[0], window_product(x, weight, 1, 5, 5)[0], atol=1e-5)
    True
    """
    form: Callable[..., tuple[Tensor, Tensor]] = _WindowProduct.apply
    if torch.compiler.is_compiling():
        form = _multiply_whole
    return form(x, weight, stride, height, width, every)


class _WindowProduct(Function):
    """`blocked_window_product` for autograd and the transforms of `torch.func`."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, *settings: int) -> tuple[Tensor, Tensor]:
        return _multiply(x, weight, *settings)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        x, weight, *ctx.settings = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, weight, output[1])
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, exponent = ctx.saved_tensors
        if torch.is_grad_enabled():  # derivatives of these derivatives may be asked for
            dx, dweight = torch.func.vjp(_without_exponent(ctx.settings), x, weight)[1](grad)
        else:
            stride, height, width, every = ctx.settings
            x_too = ctx.needs_input_grad[0]
            dx, dweight = _differentiate(grad, exponent, x, weight, stride, height, width, every, x_too)
        return dx, dweight, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor, None]:
        primals = ctx.saved_tensors[:2]
        filled = tuple(torch.zeros_like(p) if t is None else t for p, t in zip(primals, tangents))
        y, pullback = torch.func.vjp(_without_exponent(ctx.settings), *primals)[:2]
        return torch.func.vjp(pullback, torch.zeros_like(y))[1](filled)[0], None  # the transpose of the transpose

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, weight: Tensor, *settings: int
    ) -> tuple[tuple[Tensor, Tensor], tuple[int, int]]:
        return torch.vmap(lambda x, weight: window_product(x, weight, *settings), in_dims[:2])(x, weight), (0, 0)


def _without_exponent(settings: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, weight: window_product(x, weight, *settings)[0]


def _multiply(x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int) -> tuple[Tensor, Tensor]:
    """Compute y and its exponents, block by block."""
    y = x.new_empty(len(x), height, width, weight.shape[3])
    exponent = x.new_zeros((len(x), height, width), dtype=torch.int32)
    for block, images, rows, pixels in _blocks(x, weight, stride, height, width):
        block.multiply(x[images, pixels], every)
        y[images, rows] = block.windows(block.product)
        exponent[images, rows] = block.windows(block.exponent)[..., 0]
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
    """Compute the gradients of x, or zeros if it needs none, and of the weight, block by block."""
    dx = torch.zeros_like(x)
    # summed over the blocks, so not in half precision
    dweight = torch.zeros_like(weight, dtype=torch.promote_types(weight.dtype, torch.float32))
    dweights = dweight.flatten(0, 1).unbind()
    for block, images, rows, pixels in _blocks(x, weight, stride, height, width, keep=True):
        block.multiply_keeping(x[images, pixels], every)
        block.differentiate(grad[images, rows], exponent[images, rows], every, dweights, x_too)
        if x_too:
            block.add_input_gradient(dx[images, pixels])
    return dx, dweight.to(weight.dtype)


# A compiler sees each as one operation with the shapes given below, and the second is the derivative of the first.
_multiply_whole = torch.library.custom_op("convac::window_product", _multiply, mutates_args=())
_differentiate_whole = torch.library.custom_op("convac::window_product_backward", _differentiate, mutates_args=())


@_multiply_whole.register_fake
def _(x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int) -> tuple[Tensor, Tensor]:
    sizes = (x.shape[0], height, width)
    return x.new_empty(*sizes, weight.shape[3]), x.new_empty(sizes, dtype=torch.int32)


@_differentiate_whole.register_fake
def _(grad: Tensor, exponent: Tensor, x: Tensor, weight: Tensor, *settings: bool | int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x), torch.empty_like(weight)


def _whole_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    dx, dweight = _differentiate_whole(grad, *ctx.saved_tensors, *ctx.settings, ctx.needs_input_grad[0])
    return dx, dweight, None, None, None, None


def _whole_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, *ctx.settings = inputs
    ctx.save_for_backward(output[1], x, weight)


_multiply_whole.register_autograd(_whole_backward, setup_context=_whole_setup)


def _blocks(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, keep: bool = False
) -> "Iterator[tuple[_Block, slice, slice, slice]]":
    """Cut the batch: yield a block, its images, its rows of windows and its rows of pixels, which overlap if R > S."""
    numbers = _BLOCK.get(x.device.type, _BLOCK_ELSEWHERE) * torch.get_num_threads()
    windows = numbers // (len(weight) ** 2 * max(weight.shape[2:]))
    rows = max(1, min(height, windows // width))
    images = max(1, windows // (rows * width)) if rows == height else 1
    made: dict[tuple[int, int, int], _Block] = {}  # blocks of one shape share their buffers
    for n, u in product(range(0, len(x), images), range(0, height, rows)):
        below = min(u + rows, height)
        pixels = slice(u * stride, min((below - 1) * stride + len(weight), x.shape[1]))
        shape = (min(images, len(x) - n), below - u, pixels.stop - pixels.start)
        if shape not in made:
            made[shape] = _Block(x, weight, stride, *shape, width, keep)
        yield made[shape], slice(n, n + images), slice(u, below), pixels


class _Offset(NamedTuple):
    """The views of a block's buffers, and of the weight, that the factor of one window offset uses."""

    inputs: Tensor  # the pixels that the windows read at this offset
    inputs_transposed: Tensor
    input_gradient: Tensor  # the derivatives of those pixels
    weight: Tensor
    weight_transposed: Tensor
    factor: Tensor
    factor_inside: Tensor  # up to the last window whose pixel lies inside the image
    factor_outside: list[Tensor]  # at the windows whose pixel lies outside
    prefix: Tensor  # the product of the factors before this one; later, this factor's derivative
    prefix_inside: Tensor
    prefix_outside: list[Tensor]


class _Block:
    """Buffers for some images and rows of windows, and the views of them that each window offset uses.

    A phase holds every S-th row and column of the images, pixel after pixel. In it, the pixel at offset (i, j) of a
    window lies (i//S)·columns + j//S places after the window's first pixel. So a factor of all windows is one matrix
    product, and no patch is copied. A window at an edge then reads from the next row or image: there, factors are set
    to 1 and derivatives to 0.
    """

    def __init__(
        self, x: Tensor, weight: Tensor, stride: int, images: int, rows: int, pixel_rows: int, width: int, keep: bool
    ) -> None:
        R, _, in_channels, out_channels = weight.shape
        self.stride, self.rows, self.width = stride, rows, width
        self.grid = (images, ceil(pixel_rows / stride), ceil(x.shape[2] / stride))  # each phase's shape
        size = prod(self.grid)
        self.inputs = x.new_zeros(stride, stride, size + (R - 1) // stride, in_channels)
        self.input_gradient = torch.zeros_like(self.inputs) if keep else self.inputs
        self.product = x.new_zeros(size, out_channels)
        self.exponent, self.scales = x.new_zeros(size, 1, dtype=torch.int32), dict[int, Tensor]()
        if keep:  # prefix k is the product of the factors before k, so factor 0 is prefix 1; prefix 0 holds ∂y
            factors = list(x.new_empty(R * R, size, out_channels))
            prefixes = [self.product, factors[0], *x.new_empty(max(0, R * R - 2), size, out_channels)]
        else:  # factor 0 becomes the product, and one buffer serves every other factor
            factors = [self.product, *[x.new_empty(size, out_channels)] * (R * R - 1)]
            prefixes = factors
        self.offsets = [
            self._offset(i, j, x.shape[2], pixel_rows, weight[i, j], factor, prefix)
            for (i, j), factor, prefix in zip(product(range(R), repeat=2), factors, prefixes)
        ]

    def _offset(
        self, i: int, j: int, columns: int, pixel_rows: int, weight: Tensor, factor: Tensor, prefix: Tensor
    ) -> _Offset:
        images, grid_rows, grid_columns = self.grid
        height_inside = max(0, min(self.rows, ceil((pixel_rows - i) / self.stride)))
        width_inside = max(0, min(self.width, ceil((columns - j) / self.stride)))
        end = ((images - 1) * grid_rows + height_inside) * grid_columns if height_inside else 0
        start = i // self.stride * grid_columns + j // self.stride
        inputs, gradient = (
            flat[i % self.stride, j % self.stride, start : start + end] for flat in (self.inputs, self.input_gradient)
        )
        factor_outside, prefix_outside = (
            [part for part in (grid[:, height_inside:], grid[:, :, width_inside:]) if part.numel()]
            for grid in (flat.view(*self.grid, flat.shape[1]) for flat in (factor, prefix))
        )
        return _Offset(
            inputs, inputs.T, gradient, weight, weight.T,
            factor, factor[:end], factor_outside, prefix, prefix[:end], prefix_outside,
        )  # fmt: skip

    def windows(self, flat: Tensor) -> Tensor:
        """(size, c) -> (n, rows, width, c), without what lies between the windows."""
        return flat.view(*self.grid, flat.shape[1])[:, : self.rows, : self.width]

    def _phases(self, flat: Tensor, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield each phase of x, after its place in the buffer."""
        images = torch.unflatten(flat[:, :, : prod(self.grid)], 2, self.grid)
        for i, j in product(range(self.stride), repeat=2):
            phase = x[:, i :: self.stride, j :: self.stride]
            yield images[i, j, :, : phase.shape[1], : phase.shape[2]], phase

    def _factors(self, x: Tensor) -> Iterator[_Offset]:
        """Yield each offset, once its factor is computed."""
        for place, phase in self._phases(self.inputs, x):
            place.copy_(phase)
        self.exponent.zero_()
        for offset in self.offsets:
            torch.mm(offset.inputs, offset.weight, out=offset.factor_inside)
            for part in offset.factor_outside:
                part.fill_(1)
            yield offset

    def multiply(self, x: Tensor, every: int) -> None:
        """Fill `product`, and `exponent` with its exponents."""
        for count, offset in enumerate(self._factors(x), start=1):
            if count > 1:
                self.product.mul_(offset.factor)
            if every and (count % every == 0 or count == len(self.offsets)):
                scale, shift = frexp_scale(self.product)
                self.product.mul_(scale)
                self.exponent += shift

    def multiply_keeping(self, x: Tensor, every: int) -> None:
        """Fill every factor, every prefix and their `scales`, and `exponent` with the exponent of those."""
        self.scales = {}
        for count, offset in enumerate(self._factors(x), start=1):
            if count == len(self.offsets):
                break
            after = self.offsets[count].prefix
            if count > 1:
                torch.mul(offset.prefix, offset.factor, out=after)
            if every and count % every == 0:
                self.scales[count], shift = frexp_scale(after)
                after.mul_(self.scales[count])
                self.exponent += shift

    def differentiate(
        self, grad: Tensor, exponent: Tensor, every: int, dweights: Sequence[Tensor], x_too: bool
    ) -> None:
        """Turn every prefix into its factor's derivative, and add up those of the weight and the inputs.

        Going back, `suffix` is ∂y times the factors already passed. Nothing is divided, so factors may be 0.
        """
        suffix = self.product
        self.windows(suffix).copy_(grad)
        if every:  # the scale that was taken out after the last factor
            rest = exponent[..., None] - self.windows(self.exponent)
            self.windows(suffix).mul_(power_of_two(-rest, suffix.dtype))
        self.input_gradient.zero_()
        for number in range(len(self.offsets) - 1, -1, -1):
            offset = self.offsets[number]
            if number:
                offset.prefix.mul_(suffix)
                suffix.mul_(offset.factor)
                if number in self.scales:
                    suffix.mul_(self.scales[number])
                for part in offset.prefix_outside:
                    part.zero_()
            if x_too:
                offset.input_gradient.addmm_(offset.prefix_inside, offset.weight_transposed)
            dweights[number].add_(torch.mm(offset.inputs_transposed, offset.prefix_inside))

    def add_input_gradient(self, dx: Tensor) -> None:
        """Add the derivatives of the block's pixels to dx."""
        for place, phase in self._phases(self.input_gradient, dx):
            phase.add_(place)
