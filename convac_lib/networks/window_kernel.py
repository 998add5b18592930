"""The product over windows as the layer runs it: few large matrix products, and then the products over windows.

It computes what `convac_lib.networks.window_product` defines. Taught in the chapter *Overlaps*.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from inspect import signature
from itertools import pairwise, product
from math import prod
from threading import Thread, local
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.utils._python_dispatch import is_in_torch_dispatch_mode

from convac_lib.extras import command_for
from convac_lib.networks.window_product import frexp_scale, largest_exponent, window_product

_PIECE = {"cpu": 2**19}  # numbers in all factors of a piece of the batch: as many as stay in the cache
_PIECE_ELSEWHERE = 2**26  # as many as fill a GPU
_WHOLE = 16  # times that, beyond which the rows of one image are cut too
_KEPT = 2**28  # bytes of factors that one call keeps at most for its gradient
_LARGE, _ALIGNMENT = 2**22, 64  # bytes from which NumPy asks for large pages; torch's tensors begin at multiples of 64
_AGAIN = 2**24  # bytes of a thread's scratch space that its next call uses again
_scratch = local()


def blocked_window_product(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int = 0
) -> tuple[Tensor, Tensor]:
    """Compute `window_product` in pieces of the batch that fit the cache.

    Where a gradient may be asked for, it keeps the factors of the first pieces, up to 256 MiB per call. The backward
    pass computes the others again, and so does a compiled model's. The products are made by compiled loops, for which
    numba must be installed; on a GPU, in half precision and without numba, torch's own operations make them.

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
    settings = stride, height, width, every
    if torch.compiler.is_compiling():
        y, exponent = _multiply_whole(x, weight, *settings)
    else:
        keep = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
        form: Callable[..., tuple[Tensor, ...]] = _WindowProduct.apply
        y, exponent, *_ = form(x, weight, *settings, keep)
    return y, exponent


class _WindowProduct(Function):
    """`blocked_window_product` for autograd and the transforms of `torch.func`."""

    @staticmethod
    def forward(
        x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int, keep: bool
    ) -> tuple[Tensor, ...]:
        return _multiply_and_keep(x, weight, stride, height, width, every, keep)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        x, weight, *ctx.settings, _ = inputs
        ctx.pieces = _pieces(x, weight, *ctx.settings[:3])  # as the factors are kept, whatever the threads later
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(x, weight, *output[2:])
        ctx.save_for_forward(x, weight)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
        if grad is None:
            return (None,) * 7
        x, weight, kept, inputs = ctx.saved_tensors
        if torch.is_grad_enabled():  # derivatives of these derivatives may be asked for
            dx, dweight = torch.func.vjp(_without_exponent(ctx.settings), x, weight)[1](grad)
        else:
            x_too, weight_too, *_ = ctx.needs_input_grad
            stride, _, _, every = ctx.settings
            dx, dweight = _differentiate(grad, x, weight, stride, every, ctx.pieces, x_too, weight_too, kept, inputs)
        return dx, dweight, None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor | None) -> tuple[Tensor | None, ...]:
        primals = ctx.saved_tensors[:2]
        filled = tuple(torch.zeros_like(p) if t is None else t for p, t in zip(primals, tangents))
        y, pullback = torch.func.vjp(_without_exponent(ctx.settings), *primals)[:2]
        return torch.func.vjp(pullback, torch.zeros_like(y))[1](filled)[0], None, None, None  # twice transposed

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], x: Tensor, weight: Tensor, *settings: int
    ) -> tuple[tuple[Tensor, ...], tuple[int | None, ...]]:
        form = torch.vmap(lambda x, weight: window_product(x, weight, *settings[:-1]), in_dims[:2])
        return (*form(x, weight), x.new_empty(0), x.new_empty(0)), (0, 0, None, None)


# torch binds the arguments of each call to the signature, which it would otherwise find out anew each time.
_WindowProduct.forward.__signature__ = signature(_WindowProduct.forward)  # type: ignore[attr-defined]


def _without_exponent(settings: Sequence[int]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda x, weight: window_product(x, weight, *settings)[0]


def _multiply(x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int) -> tuple[Tensor, Tensor]:
    """Compute y and its exponents, piece by piece."""
    return _multiply_and_keep(x, weight, stride, height, width, every, keep=False)[:2]


def _multiply_and_keep(
    x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int, keep: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute y and its exponents, piece by piece, and return factors and phases, if asked to keep them."""
    pieces = _pieces(x, weight, stride, height, width)
    y = x.new_empty(len(x), height, width, weight.shape[3])
    exponent = x.new_zeros((len(x), height, width), dtype=torch.int32)
    tiled = _is_tiled(x, weight, stride)
    flat, inputs = _phases(x, stride, tiled)
    weights = _offsets(weight, stride, tiled)
    most = _KEPT // x.element_size() if keep else 0
    kept = _new_buffer(x, max((end for *_, end in pieces if end <= most), default=0))
    recomputed = max((piece.numbers for piece, *_, end in pieces if end > len(kept)), default=0)
    scratch = _scratch_space("factors", x, recomputed)
    for piece, images, rows, end in pieces:
        factors = kept[end - piece.numbers : end] if end <= len(kept) else scratch[: piece.numbers]
        piece.fill(piece.pixels(inputs, images, rows), weights, factors)
        piece.multiply(factors, every, y[images, rows], exponent[images, rows])
    return y, exponent, kept, flat if keep else x.new_empty(0)


def _differentiate(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    every: int,
    pieces: "tuple[_Cut, ...]",
    x_too: bool,
    weight_too: bool,
    kept: Tensor,
    flat: Tensor,
) -> tuple[Tensor | None, Tensor | None]:
    """Compute the gradients of x and of the weight, of those that are asked for; `kept` and `flat` may be empty."""
    grad = grad.contiguous().resolve_neg()  # as NumPy can read it
    tiled = _is_tiled(x, weight, stride)
    inputs, weights = _phases(x, stride, tiled, flat)[1], _offsets(weight, stride, tiled)
    recomputed = max((piece.numbers for piece, *_, end in pieces if end > len(kept)), default=0)
    scratch = _scratch_space("factors", x, recomputed)
    space = _scratch_space("derivatives", x, max((piece.numbers for piece, *_ in pieces), default=0))
    cleared = None
    cut = len(pieces) > 0 and pieces[0][2].stop < grad.shape[1]  # within images, so that their pieces' pixels overlap
    dinputs = [torch.zeros_like(phase) if cut else torch.empty_like(phase) for phase in inputs] if x_too else []
    # summed over the pieces, so not in half precision
    dweights = [torch.zeros_like(w, dtype=torch.promote_types(w.dtype, torch.float32)) for w in weights]
    for piece, images, rows, end in pieces:
        pixels, derivatives = piece.pixels(inputs, images, rows), space[: piece.numbers]
        if piece is not cleared:
            piece.clear_unread(derivatives)
            cleared = piece
        if end <= len(kept):
            factors = kept[end - piece.numbers : end]
        else:
            factors = scratch[: piece.numbers]
            piece.fill(pixels, weights, factors)
        piece.differentiate(factors, derivatives, every, grad[images, rows])
        if weight_too:
            piece.add_weight_gradient(pixels, derivatives, dweights)
        if x_too:
            piece.add_input_gradient(derivatives, weights, piece.pixels(dinputs, images, rows), int(cut))
    return (
        _whole_image(dinputs, x, stride, tiled) if x_too else None,
        _whole_weight(dweights, weight, stride, tiled) if weight_too else None,
    )


# A compiler sees each as one operation with the shapes given below, and the second is the derivative of the first.
_multiply_whole = torch.library.custom_op("convac::window_product", _multiply, mutates_args=())


@torch.library.custom_op("convac::window_product_backward", mutates_args=())
def _differentiate_whole(
    grad: Tensor, x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int, x_too: bool
) -> tuple[Tensor, Tensor]:
    pieces, none = _pieces(x, weight, stride, height, width), x.new_empty(0)
    dx, dweight = _differentiate(grad, x, weight, stride, every, pieces, x_too, True, none, none)
    assert dweight is not None
    return torch.zeros_like(x, memory_format=torch.contiguous_format) if dx is None else dx, dweight


@_multiply_whole.register_fake
def _(x: Tensor, weight: Tensor, stride: int, height: int, width: int, every: int) -> tuple[Tensor, Tensor]:
    sizes = (x.shape[0], height, width)
    return x.new_empty(*sizes, weight.shape[3]), x.new_empty(sizes, dtype=torch.int32)


@_differentiate_whole.register_fake
def _(grad: Tensor, x: Tensor, weight: Tensor, *settings: bool | int) -> tuple[Tensor, Tensor]:
    return torch.empty_like(x, memory_format=torch.contiguous_format), torch.empty_like(weight)


def _whole_backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
    dx, dweight = _differentiate_whole(grad, *ctx.saved_tensors, *ctx.settings, ctx.needs_input_grad[0])
    return dx, dweight, None, None, None, None


def _whole_setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    x, weight, *ctx.settings = inputs
    ctx.save_for_backward(x, weight)


_multiply_whole.register_autograd(_whole_backward, setup_context=_whole_setup)


def _is_tiled(x: Tensor, weight: Tensor, stride: int) -> bool:
    """Return whether R = S and the windows tile the images, so that each pixel meets the weight of one offset."""
    return len(weight) == stride > 1 and not (x.shape[1] % stride or x.shape[2] % stride)


def _phases(x: Tensor, stride: int, tiled: bool, flat: Tensor | None = None) -> tuple[Tensor, list[Tensor]]:
    """(N, H, W, C_in) -> for each phase of the stride, every S-th row and column, its pixels in one stretch.

    With strides they lie in one flat tensor, from which they are read if it is given and not empty. If the windows tile
    the images, the phases are one tensor, of shape (S², N, H', W', C_in).
    """
    if stride == 1:
        return x.new_empty(0), [x.contiguous()]
    known = flat is not None and len(flat) > 0
    whole = flat if flat is not None and known else x.new_empty(x.numel())
    if tiled:
        tiles = _tiles(x, stride)
        parts = [whole.view(tiles.shape)]
        if not known:
            parts[0].copy_(tiles)
        return whole, [parts[0].flatten(0, 1)]
    phases = [x[:, a::stride, b::stride] for a, b in product(range(stride), repeat=2)]
    stretches = torch.split(whole, [phase.numel() for phase in phases])
    parts = [stretch.view(phase.shape) for stretch, phase in zip(stretches, phases)]
    if not known:
        for part, phase in zip(parts, phases):
            part.copy_(phase)
    return whole, parts


def _tiles(x: Tensor, stride: int) -> Tensor:
    """Return a view of x, (N, H, W, C), as (S, S, N, H', W', C)."""
    N, H, W, C = x.shape
    return x.view(N, H // stride, stride, W // stride, stride, C).permute(2, 4, 0, 1, 3, 5)


def _offsets(weight: Tensor, stride: int, tiled: bool) -> list[Tensor]:
    """(R, R, C_in, C_out) -> for each phase, the weights that meet its pixels, (offsets, C_in, C_out)."""
    if stride == 1 or tiled:
        return [weight.flatten(0, 1)]
    phases = product(range(stride), repeat=2)
    return [weight[a::stride, b::stride].reshape(-1, *weight.shape[2:]) for a, b in phases]


def _whole_image(phases: Sequence[Tensor], like: Tensor, stride: int, tiled: bool) -> Tensor:
    """Put the phases together in the shape and type of x, (N, H, W, C_in)."""
    if stride == 1:
        return phases[0].view(like.shape).to(like.dtype)
    whole = torch.empty_like(like, memory_format=torch.contiguous_format)
    if tiled:
        tiles = _tiles(whole, stride)
        tiles.copy_(phases[0].view(tiles.shape))
        return whole
    for (a, b), phase in zip(product(range(stride), repeat=2), phases):
        whole[:, a::stride, b::stride] = phase
    return whole


def _whole_weight(phases: Sequence[Tensor], like: Tensor, stride: int, tiled: bool) -> Tensor:
    """Put the weights of the phases together in the shape and type of the weight, (R, R, C_in, C_out)."""
    if stride == 1 or tiled:
        return phases[0].view(like.shape).to(like.dtype)
    whole = torch.empty_like(like, memory_format=torch.contiguous_format)
    for (a, b), phase in zip(product(range(stride), repeat=2), phases):
        place = whole[a::stride, b::stride]
        place.copy_(phase.view(place.shape))
    return whole


def _new_buffer(like: Tensor, numbers: int) -> Tensor:
    """Return space of the same type and device, which takes less time when first written if its pages are large."""
    size = numbers * like.element_size()
    if size < _LARGE or not _is_plain(like):
        return like.new_empty(numbers)
    return _aligned(np.empty(size + _ALIGNMENT, np.uint8), like, numbers)  # in large pages; torch does not ask for them


def _scratch_space(name: str, like: Tensor, numbers: int) -> Tensor:
    """Return space of the same type and device for use within one call; small space is the thread's last of this name.

    To write into fresh pages takes longer than to compute what is written.
    """
    size = numbers * like.element_size()
    if size > _AGAIN or not _is_plain(like):
        return _new_buffer(like, numbers)
    space = getattr(_scratch, name, None)
    if space is None or len(space) < size + _ALIGNMENT:
        space = np.empty(size + _ALIGNMENT, np.uint8)
        setattr(_scratch, name, space)
    return _aligned(space, like, numbers)


def _aligned(space: Any, like: Tensor, numbers: int) -> Tensor:
    """Return a tensor of the same type in an array of bytes, which keeps no inference mode as a tensor would."""
    first = -space.ctypes.data % _ALIGNMENT
    return torch.from_numpy(space[first : first + numbers * like.element_size()]).view(like.dtype)


def _pieces(x: Tensor, weight: Tensor, stride: int, height: int, width: int) -> "tuple[_Cut, ...]":
    numbers = _PIECE.get(x.device.type, _PIECE_ELSEWHERE) * torch.get_num_threads()
    return _cut(numbers, tuple(x.shape[:3]), tuple(weight.shape), stride, height, width, _is_tiled(x, weight, stride))


@lru_cache(maxsize=256)
def _cut(
    numbers: int,
    shape: tuple[int, ...],
    weight_shape: tuple[int, ...],
    stride: int,
    height: int,
    width: int,
    tiled: bool,
) -> "tuple[_Cut, ...]":
    """Cut the batch: for each piece its images, its rows of windows, and the numbers in all factors up to its own.

    The pixels that its windows read overlap those of others if R > S.
    """
    batch, pixel_rows, pixel_columns = shape
    R = weight_shape[0]
    per_row = width * R**2 * max(weight_shape[2:])
    rows = height if height * per_row <= _WHOLE * numbers else max(1, _WHOLE * numbers // per_row)
    images = max(1, numbers // (height * per_row)) if rows == height else 1
    made, cut, end = dict[tuple[int, ...], _Piece](), list[_Cut](), 0
    for n, u in product(range(0, batch, images), range(0, height, rows)):
        below = min(u + rows, height)
        read = min((below - 1) * stride + R, pixel_rows) - u * stride
        sizes = (min(images, batch - n), read, pixel_columns, R, weight_shape[3])
        key = (*sizes, stride, below - u, width, tiled)
        if key not in made:
            made[key] = _Piece(*key)
        end += made[key].numbers
        cut.append((made[key], slice(n, n + images), slice(u, below), end))
    return tuple(cut)


class _Piece:
    """Some images, or some rows of one, and where their factors lie in one flat buffer.

    A phase holds every S-th row and column of the images. Its pixels meet the weights of the offsets that are the phase
    modulo S: every pixel with each of these weights, in one batched matrix product that copies no patch. The factors of
    an offset lie together, pixel after pixel, so those of neighbouring windows are neighbours. At an edge, some belong
    to no window.
    """

    def __init__(
        self,
        images: int,
        pixel_rows: int,
        pixel_columns: int,
        R: int,
        C: int,
        stride: int,
        rows: int,
        width: int,
        tiled: bool,
    ) -> None:
        if tiled:  # one phase whose offsets have pixels of their own, and which all lie inside
            pixel_rows, pixel_columns, stride = rows, width, 1
        self.stride, self.windows, self.numbers = stride, images * rows, 0
        self.tiled = tiled
        self.grids, self.begins = list[tuple[int, ...]](), list[int]()
        for a, b in product(range(stride), repeat=2):
            offsets = len(range(a, R, stride)) * len(range(b, R, stride))
            sides = (len(range(a, pixel_rows, stride)), len(range(b, pixel_columns, stride)))
            self.grids.append((offsets, images, *sides, C))
            self.begins.append(self.numbers)
            self.numbers += prod(self.grids[-1])
        self.offsets = list[tuple[int, int, slice, slice]]()
        places = list[tuple[int, ...]]()
        for i, j in product(range(R), repeat=2):
            phase, p, q = i % stride * stride + j % stride, i // stride, j // stride
            _, _, grid_rows, grid_columns, _ = self.grids[phase]
            number = p * len(range(j % stride, R, stride)) + q
            p, q = (0, 0) if tiled else (p, q)
            rows_inside, columns_inside = max(0, min(rows, grid_rows - p)), max(0, min(width, grid_columns - q))
            self.offsets.append((phase, number, slice(p, p + rows_inside), slice(q, q + columns_inside)))
            start = self.begins[phase] + ((number * images * grid_rows + p) * grid_columns + q) * C
            places.append((start, grid_rows * grid_columns * C, grid_columns * C, rows_inside, columns_inside))
        self.places = np.array(places)
        self.unread = [*self._find_unread()]

    def _parts(self, flat: Tensor) -> list[Tensor]:
        """Return, for each phase, its factors or derivatives, (offsets, pixels, C)."""
        if self.stride == 1:
            return [flat.view(self.grids[0][0], -1, self.grids[0][4])]
        return [
            flat[begin : begin + prod(grid)].view(grid[0], prod(grid[1:4]), grid[4])
            for begin, grid in zip(self.begins, self.grids)
        ]

    def pixels(self, phases: Sequence[Tensor], images: slice, rows: slice) -> list[Tensor]:
        """Return, for each phase, the pixels that these rows of windows read, (pixels, C_in) or (S², pixels, C_in)."""
        if self.tiled:
            return [phases[0][:, images, rows].view(len(phases[0]), -1, phases[0].shape[4])]
        return [
            phase[images, rows.start : rows.start + grid[2]].view(-1, phase.shape[3])
            for phase, grid in zip(phases, self.grids)
        ]

    def _find_unread(self) -> Iterator[tuple[int, tuple[int | slice, ...]]]:
        """Yield where the factors lie that belong to no window: (phase, place in the phase's grid)."""
        for phase, number, rows, columns in self.offsets:
            _, _, grid_rows, grid_columns, _ = self.grids[phase]
            every = slice(None)
            for rows_there, columns_there in (
                (slice(0, rows.start), every), (slice(rows.stop, grid_rows), every),
                (rows, slice(0, columns.start)), (rows, slice(columns.stop, grid_columns)),
            ):  # fmt: skip
                if range(grid_rows)[rows_there] and range(grid_columns)[columns_there]:
                    yield phase, (number, every, rows_there, columns_there)

    def clear_unread(self, derivatives: Tensor) -> None:
        """Set the derivatives by the factors that belong to no window to 0."""
        if self.unread:
            grids = [part.view(grid) for part, grid in zip(self._parts(derivatives), self.grids)]
            for phase, place in self.unread:
                grids[phase][place] = 0

    def fill(self, pixels: Sequence[Tensor], weights: Sequence[Tensor], factors: Tensor) -> None:
        """Compute every factor."""
        for inputs, weight, part in zip(pixels, weights, self._parts(factors)):
            torch.bmm(inputs.expand(len(weight), -1, -1), weight, out=part)

    def add_weight_gradient(self, pixels: Sequence[Tensor], derivatives: Tensor, dweights: Sequence[Tensor]) -> None:
        """Add the derivatives by the weights of each phase."""
        for inputs, part, dweight in zip(pixels, self._parts(derivatives), dweights):
            transposed = inputs.mT.expand(len(dweight), -1, -1)
            if dweight.dtype == part.dtype:
                dweight.baddbmm_(transposed, part)
            else:
                dweight.add_(torch.bmm(transposed, part))

    def add_input_gradient(
        self, derivatives: Tensor, weights: Sequence[Tensor], dpixels: Sequence[Tensor], beta: int
    ) -> None:
        """Add the derivatives by the pixels of each phase to beta times what is there."""
        for place, weight, part in zip(dpixels, weights, self._parts(derivatives)):
            if self.tiled:
                torch.bmm(part, weight.mT, out=place)
            else:
                place.addbmm_(part, weight.mT, beta=beta)

    def multiply(self, factors: Tensor, every: int, y: Tensor, exponent: Tensor) -> None:
        """Fill y and its exponents, which begin as 0."""
        if loops := _loops(factors):
            limit = largest_exponent(y.dtype)
            self._run(loops.multiply, factors.numpy(), every, limit, y.numpy(), exponent.numpy())
            return
        for count, (_, inside, here) in enumerate(self._at_offsets(factors, factors), start=1):
            y[here].copy_(inside) if count == 1 else y[here].mul_(inside)
            if every and (count % every == 0 or count == len(self.offsets)):
                scale, shift = frexp_scale(y)
                y.mul_(scale)
                exponent += shift[..., 0]

    def differentiate(self, factors: Tensor, derivatives: Tensor, every: int, grad: Tensor) -> None:
        """Fill the derivative by every factor that a window reads: grad times the window's other factors.

        Nothing is divided, so factors may be 0.
        """
        if loops := _loops(factors):
            limit = largest_exponent(grad.dtype)
            self._run(loops.differentiate, factors.numpy(), derivatives.numpy(), every, limit, grad.numpy())
            return
        run, scales = torch.ones_like(grad), dict[int, Tensor]()
        offsets = list(self._at_offsets(factors, derivatives))
        for count, (derivative, factor, here) in enumerate(offsets, start=1):  # the product of the factors before
            derivative.copy_(run[here])
            run[here].mul_(factor)
            if every and (count % every == 0 or count == len(offsets)):
                scales[count] = frexp_scale(run)[0]
                run.mul_(scales[count])
        run.copy_(grad)
        for count in range(len(offsets), 0, -1):  # the gradient times the factors after
            if count in scales:
                run.mul_(scales[count])
            derivative, factor, here = offsets[count - 1]
            derivative.mul_(run[here])
            run[here].mul_(factor)

    def _at_offsets(self, factors: Tensor, derivatives: Tensor) -> Iterator[tuple[Tensor, Tensor, tuple[slice, ...]]]:
        """Yield, for each window offset, its derivatives and factors that windows read, and which windows these are."""
        parts = list(zip(self._parts(derivatives), self._parts(factors), self.grids))
        for phase, number, rows, columns in self.offsets:
            here = (slice(None), slice(0, rows.stop - rows.start), slice(0, columns.stop - columns.start))
            *both, grid = parts[phase]
            derivative, factor = (part[number].view(grid[1:])[:, rows, columns] for part in both)
            yield derivative, factor, here

    def _run(self, loop: Callable[..., None], *arguments: Any) -> None:
        """Run a compiled loop over all rows of windows, a part of them in each of torch's threads."""
        threads = min(torch.get_num_threads(), self.windows)
        if threads == 1:
            loop(0, self.windows, self.places, *arguments)
            return
        bounds = [self.windows * part // threads for part in range(threads + 1)]
        others = [Thread(target=loop, args=(*part, self.places, *arguments)) for part in pairwise(bounds)]
        for thread in others:
            thread.start()
        for thread in others:
            thread.join()


_Cut = tuple[_Piece, slice, slice, int]


def _loops(factors: Tensor) -> ModuleType | None:
    """Return the compiled loops if they can serve: not on a GPU, in half precision, or where torch is being traced."""
    fits = _is_plain(factors) and factors.dtype in (torch.float32, torch.float64)
    return _compiled_loops() if fits else None


def _is_plain(tensor: Tensor) -> bool:
    """Return whether NumPy can hold such a tensor: it is on the CPU, and torch is not being traced."""
    return type(tensor) is Tensor and tensor.device.type == "cpu" and not is_in_torch_dispatch_mode()


@cache
def _compiled_loops() -> ModuleType | None:
    try:
        from convac_lib.networks import window_loops
    except ImportError as error:
        warnings.warn(
            f"numba cannot be imported ({error}), so generalized convolutions take longer; run {command_for('fast')}",
            stacklevel=2,
        )
        return None
    return window_loops
