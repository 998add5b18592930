"""The theorem's exponent in the common case by arithmetic alone: layer K, the pairs it compares, the talk's square.

    e = ⌈H/(2·T_S⁽ᴷ⁾)⌉ · ⌈H/T_S⁽ᴷ⁾⌉,   and   e = 2·(H/(2·T_S⁽ᴷ⁾))²   if B ≥ 2 and H is a power of two

Let h = H/2, s = T_S⁽ᴷ⁾, and B ≥ 2. Growing the window of the stride-1 layer 2j+1 by one patch adds 2ʲ to T, for each of
B−1 ≥ 1 patches. So T takes every value from s, where no stride-1 window is larger than 1, up to T_R⁽ᴷ⁾. Layer K−1 sees
at least s patches, and at most h. So T = h+1, and ⌊(H−T)/s⌋ + 1 = ⌊(h−1)/s⌋ + 1 = ⌈h/s⌉. If H is a power of two, s
divides h. If B = 1, T = s lies above h and is at most H, so one window fits across, and ⌈h/s⌉ = 1 as well.

    e ≥ (2B−1)²/2 / (1 + (2B−2)/H)²   and   e ≤ 2·(2B−1)²

Layer K−1 sees at most h patches. So h ≥ B·s − (B−1) if layer K has stride 1, and h ≥ (B−½)·s − (B−1) if it has stride
2. Both give h/s ≥ (B−½)/(1 + (B−1)/h), and e ≥ 2·(h/s)². Layer K sees more than h, so h/s < 2B−1.
"""

from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from math import isqrt

from convac_lib.architecture import require_size
from convac_lib.checks import require_integers
from convac_lib.errors import ArchitectureError, CutError


@dataclass(frozen=True)
class PairCount:
    """The pairs of patches that layer K of the common case compares across the middle of the image.

    Attributes:
        B: the receptive field of the stride-1 layers.
        size: H, the side of the image in patches.
        layer: K, the first layer that sees more than half of the image.
        total_receptive_field: T_R⁽ᴷ⁾, in patches.
        total_stride: T_S⁽ᴷ⁾, in patches.

    Chapter: *The overlap theorem*.
    """

    B: int
    size: int
    layer: int
    total_receptive_field: int
    total_stride: int

    @property
    def window(self) -> int:
        """T, the side of the shrunk window: one patch more than half of the image; T_S if nothing overlaps."""
        return max(self.size // 2 + 1, self.total_stride)

    @property
    def across(self) -> int:
        """⌈H/(2·T_S)⌉, the pairs in one row of windows."""
        return -(-self.size // (2 * self.total_stride))

    @property
    def down(self) -> int:
        """⌈H/T_S⌉, the rows of windows."""
        return -(-self.size // self.total_stride)

    @property
    def exponent(self) -> int:
        """The exponent e of the theorem, the number of pairs."""
        return self.across * self.down

    @property
    def degree(self) -> Fraction:
        """The degree of overlap of layer K, T_R⁽ᴷ⁾/T_S⁽ᴷ⁾, which is larger than H/(2·T_S⁽ᴷ⁾)."""
        return Fraction(self.total_receptive_field, self.total_stride)

    @property
    def square(self) -> Fraction:
        """The talk's exponent, (2B−1)²/4."""
        return Fraction((2 * self.B - 1) ** 2, 4)


def count_pairs(B: int, size: int) -> PairCount:
    """Find layer K of the common case and count the pairs of patches that it compares across the middle.

        T_R⁽²ᵏ⁾ = 1 + B·(2ᵏ − 1),   T_R⁽²ᵏ⁺¹⁾ = (2B−1)·2ᵏ − (B−1),   T_S⁽²ᵏ⁾ = T_S⁽²ᵏ⁺¹⁾ = 2ᵏ

    K is the first layer with T_R⁽ᴷ⁾ > H/2. The count is the exponent e of `theorem`: with C ≥ 2M channels, the rank is
    at least M^e for almost all weights.

    Args:
        B: the receptive field of the stride-1 layers, each followed by a 2×2 layer of stride 2, down to 1×1.
        size: H, the side of the image in patches, an even number.

    Returns:
        The `PairCount`.

    Raises:
        ArchitectureError: if a number is not an integer of at least 1.
        CutError: if the size is odd.

    Source: talk, slide "Overlapping Efficiency" (Theorem); the closed form is ours. Chapter: *The overlap theorem*.

    >>> pairs = count_pairs(B=3, size=8)
    >>> pairs.layer, pairs.total_receptive_field, pairs.total_stride
    (3, 8, 2)
    >>> pairs.across, pairs.down, pairs.exponent, str(pairs.square)
    (2, 4, 8, '25/4')
    """
    require_integers(error=ArchitectureError, receptive_field=B)
    require_size(size)
    if size % 2:
        raise CutError(f"halves of the image need an even size, and the size is {size}; use {size + 1}")
    for K in count(1):
        k, stride_1 = divmod(K, 2)
        field = (2 * B - 1) * 2**k - (B - 1) if stride_1 else 1 + B * (2**k - 1)
        if field > size // 2:
            break
    return PairCount(B, size, K, field, 2**k)


def sizes_below_square(B: int) -> tuple[range, range]:
    """List every even size at which the theorem's exponent is below the talk's square.

        e < (2B−1)²/4   ⇔   2H² < (2B−1)²,   or   H ≥ 2B and 2H·⌈H/4⌉ < (2B−1)²

    H < 2B means K = 1 and e = H²/2. The matricization has M^(H²/2) rows, so the talk's claim is itself false where its
    square is above e. From H = 2B to 6B−4, K is 2 or 3, T_S = 2 and e = H/2·⌈H/4⌉: at the second list of sizes, e is
    too small, although the claim holds. From H = 6B−2 on, T_S is 4 or more, H/(2·T_S) ≥ (3B−1)/4, and
    e ≥ (3B−1)²/8 ≥ (2B−1)²/4.

    Args:
        B: the receptive field of the stride-1 layers.

    Returns:
        The sizes at which the claim is false, and those at which it holds, but the theorem does not give it. All of
        them are below 3B. Either list is empty for B = 1.

    Raises:
        ArchitectureError: if B is not an integer of at least 1.

    Source: ours. Chapter: *The overlap theorem*.

    >>> [list(sizes) for sizes in sizes_below_square(5)]
    [[2, 4, 6], [10, 12]]
    """
    require_integers(error=ArchitectureError, receptive_field=B)
    square = (2 * B - 1) ** 2
    last = isqrt(2 * square) // 2 * 2  # H² < 2·(2B−1)², which is no square, is enough if 4 divides H
    if last % 4 and last * (last + 2) >= 2 * square:
        last -= 2
    return range(2, isqrt((square - 1) // 2) + 1, 2), range(2 * B, last + 1, 2)
