"""The explorer of depth efficiency: the halved tensor of a deep tree, whose entries that are not 0 make up the rank."""

import numpy as np

from convac_lib.errors import shown
from convac_lib.related.depth import halved, odd_even_rank
from convac_lib.related.row import RowTree, random_levels
from convac_lib.visuals.bitmap import add_bitmap
from convac_lib.visuals.rank_scale import draw_rank_scale
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import LINE, MARGIN, WIDTH, add_path, add_text, serialize, short, stack, svg_document
from convac_lib.visuals.view import Value, View

SIDE, LARGEST = 240, 16  # the square of the entries, and how many of them stand along a side
WORDS = MARGIN + SIDE + 30
PRIMES = {"mod 5": 5, "mod 31": 31, "mod 1009": 1009, "mod 2³¹ − 1": 2**31 - 1}


def halved_view(N: int, M: int, r0: int, p: str, r1: int = 2, seed: int = 0) -> View | None:
    """Show the halved tensor of a random deep tree over a row, and the rank across odd | even that follows.

    Args:
        N: patches, a power of two.
        M: templates.
        r0: the width of level 0.
        p: the prime, a key of `PRIMES`; weights are uniform in GF(p).
        r1: the width of every level above.
        seed: the seed of the weights.

    Returns:
        The `View`; None if the halved tensor has more than 16×16 entries.

    Source: Cohen, Sharir & Shashua, COLT 2016. Chapter: *Depth efficiency*.

    >>> halved_view(N=16, M=2, r0=2, p="mod 2³¹ − 1").reading
    'Rank 256: a shallow network needs 256 channels or more, so 8,448 numbers. This deep one has 122.'
    """
    tree = RowTree(N, M, (r0, *[r1] * (N.bit_length() - 2)))
    if r0 ** (N // 2) > LARGEST**2:
        return None
    prime = PRIMES[p]
    levels = random_levels(tree, seed=seed, prime=prime)
    entries = halved(levels, prime)
    rank, left, limit = odd_even_rank(levels, prime), int(np.count_nonzero(entries)), M ** (N // 2)
    numbers = rank * (N * M + 1)
    reading = f"Rank {rank}: a shallow network needs {rank} channel{'s' * (rank > 1)} or more, so {numbers:,} numbers. "
    reading += f"This deep one has {tree.parameters:,}."
    if not rank:
        reading = "Rank 0: these weights make the function 0 on all images of templates."
    elif rank < left:
        why = f"r₀ is larger than M = {M}" if r0 > M else "a leaf matrix has a smaller rank than r₀"
        reading += f" {left} entries are not 0, and the rank is less, because {why}."
    elif left < entries.size:
        many = entries.size - left
        reading += f" Modulo {prime:,}, {many} of the {entries.size} entries {'is' if many == 1 else 'are'} 0."
    alternative = (
        f"A square of {entries.size} entries, {left} of them black, which are not 0. Below, the rank {rank} on a scale "
        f"that ends at {shown(limit)}."
    )
    values: dict[str, Value] = {
        "entries": entries.size,
        "not 0": left,
        "rank": rank,
        "numbers": tree.parameters,
        "numbers, shallow": numbers,
    }
    scale = draw_rank_scale(rank, colour=colour_of(1), name="exact rank", saturation=limit)
    return View(stack(draw_halved(entries, rank), scale), alternative, reading, values)


def draw_halved(entries: np.ndarray, rank: int) -> str:
    """Draw the halved tensor as squares, black where it is not 0, beside their number and the rank.

    Args:
        entries: s, of shape (r_0,)*(N/2), at most 256 entries.
        rank: the rank across odd | even.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Depth efficiency*.

    >>> "3 of 4 are not 0" in draw_halved(np.array([[1, 0], [2, 5]]), rank=3)
    True
    """
    svg = svg_document(WIDTH, LINE + SIDE + 10)
    rows, across = len(entries) ** (entries.ndim // 2), len(entries) ** (entries.ndim - entries.ndim // 2)
    cell = SIDE / across
    add_text(svg, MARGIN, LINE - 8, "the halved tensor s")
    bits = np.zeros((across, across), bool)
    bits[:rows] = entries.reshape(rows, across) != 0
    add_bitmap(svg, MARGIN, LINE, SIDE, bits, INK)
    lines = "".join(f"M{MARGIN} {short(LINE + line * cell)}h{SIDE}" for line in range(rows + 1))
    lines += "".join(f"M{short(MARGIN + line * cell)} {LINE}v{short(rows * cell)}" for line in range(across + 1))
    add_path(svg, lines, fill="none", stroke=RULE)
    left = int(np.count_nonzero(entries))
    add_text(svg, WORDS, LINE + 24, f"{left} of {entries.size} are not 0", bold=True)
    add_text(svg, WORDS, LINE + 24 + 2 * LINE, f"rank, odd | even: {rank}", bold=True)
    for line, words in enumerate(("An entry per choice of", "one channel in every", "lowest window.")):
        add_text(svg, WORDS, LINE + 24 + (4 + line) * LINE, words, fill=MUTED)
    return serialize(svg)
