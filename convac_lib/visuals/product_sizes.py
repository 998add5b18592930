"""Why products of many factors leave the range of floating point, and what they do to the likeness of two images."""

from __future__ import annotations

from collections.abc import Mapping
from math import e, log, log10
from typing import TYPE_CHECKING, Any

import numpy as np

from convac_lib.architecture import Architecture
from convac_lib.visuals.style import INK, MUTED, colour_of, marker_of
from convac_lib.visuals.svg import readable

if TYPE_CHECKING:  # drawn by whoever has matplotlib
    from matplotlib.axes import Axes

USUAL, DERIVED = 1.0, 2 * e**np.euler_gamma  # the variance of initial weights, times C_in
SMALLEST = {"single": -149, "double": -1074}  # the smallest positive number, as a power of 2
GAIN, COSINE = 1.01, 0.999


def number_of_factors(architecture: Architecture) -> int:
    """Count the factors of an output: the paths from all patches to the output, window by window.

    Each factor is linear in the representation of one patch, so the number is the degree of the output in all of them.

    Args:
        architecture: a network with the neutral border that ends in 1×1.

    Returns:
        The number.

    Chapter: *Overlaps*.

    >>> from convac_lib import common_case
    >>> [number_of_factors(common_case(B, M=2, size=8)) for B in (1, 2, 3)]
    [64, 1296, 3249]
    """
    paths = [1]  # in one direction: from a unit to the output, from the top layer down
    sizes = (architecture.size, *architecture.sizes)
    for layer, size in zip(architecture.layers[::-1], sizes[-2::-1]):
        below = [0] * size
        for unit, count in enumerate(paths):
            for patch in range(unit * layer.stride, min(unit * layer.stride + layer.receptive_field, size)):
                below[patch] += count
        paths = below
    return sum(paths) ** 2


def typical_exponent(factors: int, variance: float) -> float:
    """Return the power of ten of a typical product of independent normal factors.

        E log₁₀ |Π_k z_k| = n/2 · (log variance − γ − log 2) / log 10,   z_k ~ N(0, variance)

    With weights of variance σ², a factor of the generalized convolution has the variance σ²·C_in if its patch has mean
    square 1. It is 1 for the usual weights, and 2e^γ for those that a `GeneralizedConv2d` draws.

    Args:
        factors: n.
        variance: that of a factor.

    Returns:
        The mean of the logarithm of the product's size, to base 10.

    Source: E log χ²₁ = −γ − log 2. Chapter: *Overlaps*.

    >>> [round(typical_exponent(1296, variance)) for variance in (USUAL, DERIVED)]
    [-358, 0]
    """
    return factors / 2 * (log(variance) - np.euler_gamma - log(2)) / log(10)


def draw_products(panels: Mapping[str, Axes], factors: Mapping[int, int]) -> None:
    """Draw what the number of factors does to a product: to its size, to a gain of 1 %, and to likeness.

    Args:
        panels: where to draw. On "size" the power of ten of a typical product of normal factors, with the usual
            variance and with that of `GeneralizedConv2d`, and where floating point rounds to 0. On "gain" 1.01ⁿ, by
            which the output grows if each factor grows by 1 %. On "likeness" 0.999ⁿ, the cosine of the outputs at two
            images whose patches have the cosine 0.999.
        factors: the number n of factors, by the receptive field B of a network.

    Source: the paragraphs on initial weights. Chapter: *Overlaps*.
    """
    _draw_sizes(panels["size"], factors)
    gains = {B: (n * log10(GAIN), _short(GAIN**n)) for B, n in factors.items()}
    _draw_bars(panels["gain"], gains, "1.01ⁿ, as a power of ten")
    _draw_bars(panels["likeness"], {B: (COSINE**n, f"{COSINE**n:.2f}") for B, n in factors.items()}, "0.999ⁿ")


def _draw_sizes(axes: Axes, factors: Mapping[int, int]) -> None:
    most = max(factors.values())
    for name, power in SMALLEST.items():
        lowest = power * log10(2)
        axes.axhline(lowest, color=MUTED, lw=1, ls=":")
        words = f"below, 0 in {name} precision"
        axes.annotate(words, (most, lowest), (0, -3), textcoords="offset points", ha="right", va="top", color=MUTED)
    for variance in (USUAL, DERIVED):
        ends = [typical_exponent(n, variance) for n in (0, most)]
        axes.plot([0, most], ends, color=INK, lw=1.5, ls="-" if variance == DERIVED else "--", zorder=1)
        for B, n in factors.items():
            axes.plot(n, typical_exponent(n, variance), marker_of(B), color=colour_of(B), ms=8)
    for n in factors.values():
        typical = typical_exponent(n, USUAL)
        words = f"$10^{{{typical:.0f}}}$"
        axes.annotate(words, (n, typical), (-10, -2), textcoords="offset points", ha="right", va="top")
    beside: dict[str, Any] = {"textcoords": "offset points", "color": INK}
    axes.annotate("variance $2e^γ$/C, of GeneralizedConv2d: $10^0$", (most, 0), (0, 8), ha="right", **beside)
    axes.annotate("variance 1/C", (0.7 * most, typical_exponent(round(0.7 * most), USUAL)), (8, 2), **beside)
    axes.set(
        xlim=(-0.14 * most, 1.03 * most),
        ylim=(1.1 * typical_exponent(most, USUAL), 60),
        ylabel="typical product, power of ten",
        xticks=list(factors.values()),
    )
    axes.set_xticklabels([f"n = {n:,}\nB = {B}" for B, n in factors.items()])


def _short(value: float) -> str:
    """Write a number with two digits that count."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:g}" if rounded < 1000 else readable(rounded)


def _draw_bars(axes: Axes, bars: Mapping[int, tuple[float, str]], title: str) -> None:
    """Draw a bar for each B, with its number at its end."""
    for row, (B, (length, words)) in enumerate(bars.items()):
        axes.barh(row, length, height=0.6, color=colour_of(B))
        axes.annotate(words, (length, row), (5, 0), textcoords="offset points", va="center", weight="bold")
    axes.set(title=title, yticks=range(len(bars)), ylim=(len(bars) - 0.5, -0.5))
    axes.set_xlim(0, 1.6 * max(length for length, _ in bars.values()))
    axes.set_yticklabels([f"B = {B}" for B in bars])
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
