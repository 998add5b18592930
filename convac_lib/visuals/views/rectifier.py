"""The explorer of rectifier networks: how often random weights give each rank, for three ways of pooling."""

from collections import Counter

from convac_lib.related.rectifier import average_rank, draw_tensors, exact_rank
from convac_lib.visuals.style import INK, MUTED, RULE, colour_of
from convac_lib.visuals.svg import (
    LINE,
    MARGIN,
    WIDTH,
    Box,
    add_line,
    add_path,
    add_text,
    rectangle,
    serialize,
    short,
    svg_document,
)
from convac_lib.visuals.view import Value, View

DRAWS = 200
TOP, BOTTOM, INSET = 2 * LINE, 230, 6


def rectifier_view(pooling: str, N: int, r: int, w: int, seed: int = 0) -> View:
    """Show how many of 200 random deep networks with two templates have each rank across odd | even.

    Args:
        pooling: "product", "max" or "average".
        N: patches, 4 or 8.
        r: the width of every level.
        w: the largest weight; the weights are integers from −w to w, equally likely.
        seed: the seed of the weights.

    Returns:
        The `View`.

    Raises:
        ConvacError: if the pooling is unknown, or a number is out of range.

    Source: Cohen & Shashua, ICML 2016. Chapter: *Rectifier networks*.

    >>> rectifier_view("product", N=4, r=2, w=9).reading
    'Product: 169 of 200 networks have the full rank 4. The others met a coincidence, such as a determinant of 0.'
    """
    tensors = list(draw_tensors(pooling, N, r, largest_weight=w, draws=DRAWS, seed=seed))
    ranks = Counter(map(exact_rank, tensors))
    halves = max(exact_rank(tensor, "left-right") for tensor in tensors)
    full = 2 ** (N // 2)
    listed = ", ".join(f"rank {rank}: {ranks[rank]}" for rank in sorted(ranks))
    alternative = f"A bar for each rank from 0 to {full}, and on it the number of networks that have it. {listed}."
    values: dict[str, Value] = {
        "full rank": full,
        "networks of full rank": ranks[full],
        "least rank": min(ranks),
        "largest rank": max(ranks),
        "largest rank, left | right": halves,
    }
    return View(draw_ranks(ranks, full), alternative, _reading(pooling, N, r, ranks), values)


def _reading(pooling: str, N: int, r: int, ranks: Counter[int]) -> str:
    full = 2 ** (N // 2)
    if pooling == "average":
        most = average_rank(N, 2)
        return f"Average: the largest rank is {max(ranks)}, and no weights give more than {most} of {full}."
    if pooling == "product" and r == 1:
        return "Product, r = 1: every network multiplies one number of each patch, so the rank is at most 1."
    found = f"{pooling.capitalize()}: {ranks[full]} of {DRAWS} networks have the full rank {full}."
    if others := sorted(rank for rank in ranks if rank < full):
        why = f"have ranks from {others[0]} to {others[-1]}" if pooling == "max" else "met a coincidence"
        found += f" The others {why}{', such as a determinant of 0' * (pooling == 'product')}."
    return found


def draw_ranks(ranks: Counter[int], full: int) -> str:
    """Draw a bar for each rank with the number of networks that have it; the most frequent rank's is always as high.

    Args:
        ranks: how many networks have each rank.
        full: the largest rank, 4 or 16.

    Returns:
        An SVG document, 560 wide and always equally high.

    Chapter: *Rectifier networks*.

    >>> draw_ranks(Counter({4: 150, 2: 50}), full=4).count("150")
    1
    """
    svg = svg_document(WIDTH, BOTTOM + 2 * LINE + 6)
    add_text(svg, MARGIN, LINE - 6, f"{ranks.total()} random networks by their rank, odd | even")
    step = (WIDTH - 2 * INSET) / (full + 1)
    boxes: dict[int, Box] = {}
    for rank, count in ranks.items():
        height = (BOTTOM - TOP - LINE) * count / max(ranks.values())
        boxes[rank] = INSET + rank * step + 2, BOTTOM - height, step - 4, height
    add_path(svg, "".join(rectangle(*boxes[rank]) for rank in sorted(boxes)), fill=colour_of(1))
    add_line(svg, MARGIN, BOTTOM, WIDTH - MARGIN, BOTTOM, RULE)
    for rank, (left, top, width, _) in sorted(boxes.items()):
        add_text(svg, left + width / 2, top - 6, str(ranks[rank]), anchor="middle")
    for rank in range(full + 1):
        x = INSET + (rank + 0.5) * step
        add_text(svg, x, BOTTOM + LINE - 2, short(rank), anchor="middle", fill=INK if rank in ranks else MUTED)
    add_text(svg, MARGIN, BOTTOM + 2 * LINE, "rank", fill=MUTED)
    add_text(svg, WIDTH - MARGIN, BOTTOM + 2 * LINE, "full rank", anchor="end", fill=MUTED)
    return serialize(svg)
