"""What a network is: layers of receptive fields, strides and channels, in pure integers.

Taught in the chapters *Convolutional arithmetic circuits*, *Overlaps* and *The overlap theorem*.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import islice

from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, shown

BORDERS = ("neutral", "ones", "zero", "valid")
LARGEST_SIZE = 2**64  # of an image's side, in patches
LARGEST_LAYERS = 2**12
LARGEST_BITS = 2**20  # of all layers' numbers together; with more, multiplying the strides takes seconds


def require_size(size: int) -> None:
    """Raise `ArchitectureError` unless the side of an image is an integer from 1 to 2⁶⁴."""
    require_integers(error=ArchitectureError, size=size)
    if size > LARGEST_SIZE:
        raise ArchitectureError(f"size must be at most 2^64 patches per side, not {shown(size)}; use a smaller image")


@dataclass(frozen=True)
class Layer:
    """One layer of R×R windows that move by S and have C output channels: a Generalized Convolution (GC), if S ≤ R.

    It overlaps when its receptive field R is larger than its stride S: neighbouring windows then share patches. When R
    is smaller, it skips patches, as the 1×1 convolutions of stride 2 in many ConvNets do. Its sizes and receptive
    fields follow the same formulas, but a circuit cannot contain it.

    Args:
        receptive_field: R, the side of the window, in units of the layer below.
        stride: S, the step between windows.
        channels: C, the number of output channels.
        weight_free: whether the layer is plain product pooling: it multiplies a window's patches channel by channel,
            without linear maps, and so keeps its input's channels.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1.

    Source: talk, slides "Overlapping vs Non-Overlapping Architectures" and "Generalized Convolutional Arithmetic
    Circuits". Chapter: *Overlaps*.

    >>> Layer(receptive_field=3, stride=1, channels=2).is_overlapping
    True
    """

    receptive_field: int
    stride: int
    channels: int
    weight_free: bool = False

    def __post_init__(self) -> None:
        require_integers(
            error=ArchitectureError, receptive_field=self.receptive_field, stride=self.stride, channels=self.channels
        )

    @property
    def is_overlapping(self) -> bool:
        """Whether neighbouring windows share patches: R > S."""
        return self.receptive_field > self.stride

    @property
    def is_skipping(self) -> bool:
        """Whether patches between neighbouring windows go unread: R < S."""
        return self.receptive_field < self.stride


@dataclass(frozen=True)
class Architecture:
    """The plan of a network: an H×H image of patches, M representation channels, then layers of windows.

    With T_S⁽⁰⁾ = T_R⁽⁰⁾ = 1, layer l covers the following part of the image:

        T_R⁽ˡ⁾ = T_R⁽ˡ⁻¹⁾ + (R_l − 1)·T_S⁽ˡ⁻¹⁾   (total receptive field)
        T_S⁽ˡ⁾ = S_l·T_S⁽ˡ⁻¹⁾                     (total stride)

    A network that skips no patches is non-overlapping exactly when the two are equal at every layer.

    Args:
        size: H, the side of the image, in patches.
        representation_channels: M, the number of functions f_1..f_M that are applied to every patch.
        layers: the layers from the image up, in any iterable; they are stored as a tuple.
        border: what a window meets outside the image: "neutral" (the factor 1), "ones" (a vector of ones), "zero"
            (a vector of zeros), or "valid" (windows stay inside).
        shared: whether a layer's weights are the same at every position.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1, the border is unknown, there is no layer, a
            "valid" window does not fit, or a weight-free layer changes the number of channels; also if the size is
            larger than 2⁶⁴, there are over 4,096 layers, or their numbers have over 2²⁰ bits together.

    Source: talk, slide "Degree of Overlapping". Chapter: *Overlaps*.

    >>> network = Architecture(size=4, representation_channels=2, layers=[Layer(3, 1, 2), Layer(4, 4, 2)])
    >>> network.total_receptive_fields, network.total_strides, network.sizes
    ((3, 6), (1, 4), (4, 1))
    """

    size: int
    representation_channels: int
    layers: tuple[Layer, ...]
    border: str
    shared: bool

    def __init__(
        self,
        size: int,
        representation_channels: int,
        layers: Iterable[Layer],
        border: str = "neutral",
        shared: bool = True,
    ) -> None:
        require_size(size)
        require_integers(error=ArchitectureError, representation_channels=representation_channels)
        if border not in BORDERS:
            raise ArchitectureError(f"unknown border {shown(border)}; use one of {', '.join(BORDERS)}")
        vars(self).update(
            size=size,
            representation_channels=representation_channels,
            layers=_tuple_of_layers(layers),
            border=border,
            shared=shared,
        )
        self._require_fitting_layers()

    def _require_fitting_layers(self) -> None:
        """Refuse a window that does not fit its input, and a weight-free layer that changes the channels."""
        geometry = zip(self.layers, (self.size, *self.sizes), self.sizes, self.channels)
        for number, (layer, size, output, channels) in enumerate(geometry, start=1):
            if output < 1:
                raise ArchitectureError(
                    f"layer {number} has receptive field {shown(layer.receptive_field)} on an input of size {size}: "
                    f"with border 'valid' no window fits; use a receptive field of at most {size}"
                )
            if layer.weight_free and layer.channels != channels:
                raise ArchitectureError(
                    f"layer {number} is weight-free, so that it keeps the {shown(channels)} channels of its "
                    f"input, and it was given {shown(layer.channels)}; give it {shown(channels)}"
                )

    @cached_property
    def channels(self) -> tuple[int, ...]:
        """(M, C_1, …, C_L): the channels of the representation and of every layer."""
        return (self.representation_channels, *(layer.channels for layer in self.layers))

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """(H_1, …, H_L): the side of every layer's output; ⌈H/S⌉, or ⌊(H−R)/S⌋+1 with border "valid"."""
        sizes, size = [], self.size
        for layer in self.layers:
            if self.border == "valid":
                size = (size - layer.receptive_field) // layer.stride + 1
            else:
                size = -(-size // layer.stride)
            sizes.append(size)
        return tuple(sizes)

    @cached_property
    def total_strides(self) -> tuple[int, ...]:
        """(T_S⁽¹⁾, …, T_S⁽ᴸ⁾): how far one step of each layer moves over the image, in patches."""
        total, totals = 1, []
        for layer in self.layers:
            total *= layer.stride
            totals.append(total)
        return tuple(totals)

    @cached_property
    def total_receptive_fields(self) -> tuple[int, ...]:
        """(T_R⁽¹⁾, …, T_R⁽ᴸ⁾): the side of the part of the image that each layer sees, in patches."""
        total, totals = 1, []
        for layer, step in zip(self.layers, (1, *self.total_strides)):
            total += (layer.receptive_field - 1) * step
            totals.append(total)
        return tuple(totals)

    @property
    def degrees_of_overlap(self) -> tuple[Fraction, ...]:
        """(T_R⁽¹⁾/T_S⁽¹⁾, …): 1 without overlap, towards 2B−1 in the common case, below 1 with skipped patches."""
        return tuple(map(Fraction, self.total_receptive_fields, self.total_strides))

    @property
    def is_overlapping(self) -> bool:
        """Whether some layer's receptive field is larger than its stride."""
        return any(layer.is_overlapping for layer in self.layers)

    @property
    def kind(self) -> str:
        """In words: overlapping or not, and whether patches are skipped."""
        skipping = ", skipping patches" if any(layer.is_skipping for layer in self.layers) else ""
        return ("overlapping" if self.is_overlapping else "non-overlapping") + skipping

    @property
    def parameters(self) -> int:
        """Σ_l C_l·C_{l−1}·R_l² + C_L: the weights of all layers (H_l² times as many if unshared) and a dense vector."""
        weights = (
            layer.channels * channels * layer.receptive_field**2 * (1 if self.shared else size**2)
            for layer, channels, size in zip(self.layers, self.channels, self.sizes)
            if not layer.weight_free
        )
        return sum(weights) + self.layers[-1].channels

    def require_patches_read(self) -> "Architecture":
        """Return self; raise `ArchitectureError` if a layer skips patches, which a GC layer never does.

        >>> Architecture(6, 2, [Layer(2, 3, 4)]).require_patches_read()
        Traceback (most recent call last):
        convac_lib.errors.ArchitectureError: receptive field 2 is smaller than stride 3: \
patches would be skipped; use a receptive field of at least 3
        """
        for layer in self.layers:
            if layer.is_skipping:
                raise ArchitectureError(
                    f"receptive field {shown(layer.receptive_field)} is smaller than stride {shown(layer.stride)}: "
                    f"patches would be skipped; use a receptive field of at least {shown(layer.stride)}"
                )
        return self

    def require_single_output(self) -> "Architecture":
        """Return self; raise `ArchitectureError` unless the last layer's output is 1×1, as the dense layer needs."""
        if (size := self.sizes[-1]) != 1:
            raise ArchitectureError(
                f"the network ends in {size}×{size}, and the dense layer needs 1×1: "
                f"add layers whose strides multiply to {size}"
            )
        return self

    def __str__(self) -> str:
        header = (
            "layer", "receptive field", "stride", "channels", "output",
            "total receptive field", "total stride", "overlap",
        )  # fmt: skip
        rows = [("image", "", "", shown(self.channels[0]), f"{self.size}×{self.size}", "1", "1", "1")]
        geometry = zip(self.layers, self.sizes, self.total_receptive_fields, self.total_strides)
        for number, (layer, size, field, step) in enumerate(geometry, start=1):
            overlap = str(Fraction(field, step)) if field.bit_length() <= 64 else _ratio(field, step)
            channels = shown(layer.channels) + ", weight-free" * layer.weight_free
            window, stride = shown(layer.receptive_field), shown(layer.stride)
            rows.append((str(number), window, stride, channels, f"{size}×{size}", shown(field), shown(step), overlap))
        widths = [max(map(len, column)) for column in zip(header, *rows)]
        lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths)) for row in (header, *rows)]
        unshared = "" if self.shared else ", unshared"
        parameters = f"{number:,}" if (number := self.parameters) < 10**30 else shown(number)
        return "\n".join([*lines, f"{self.kind}, {parameters} parameters{unshared}, border {self.border!r}"])


def _tuple_of_layers(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """Return layers as a tuple; refuse what is no layer, and more layers or larger numbers than a network may have."""
    if not isinstance(layers, Iterable):
        raise ArchitectureError(f"layers must be a sequence of Layer, not {shown(layers)}")
    layers = tuple(islice(layers, LARGEST_LAYERS + 1))
    if not layers:
        raise ArchitectureError("a network needs at least one layer; none was given")
    for layer in layers:
        if not isinstance(layer, Layer):
            raise ArchitectureError(f"layers must be a sequence of Layer, but one is {shown(layer)}")
    if len(layers) > LARGEST_LAYERS:
        raise ArchitectureError(f"a network may have at most {LARGEST_LAYERS:,} layers; more were given")
    numbers = ((layer.receptive_field, layer.stride, layer.channels) for layer in layers)
    if (bits := sum(number.bit_length() for three in numbers for number in three)) > LARGEST_BITS:
        raise ArchitectureError(
            f"the layers' receptive fields, strides and channels may have {LARGEST_BITS:,} bits together, and these "
            f"have {bits:,}; use smaller numbers or fewer layers"
        )
    return layers


def _ratio(field: int, step: int) -> str:
    """Write T_R/T_S with 3 digits, where the numbers are too long to write out."""
    return shown(field // step) if field >= 1000 * step else f"{field / step:.3g}"
