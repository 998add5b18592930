"""Reproduce the evidence for an open question of the chapter *One picture*.

    python tools/open_questions.py min-cut --cases 1000

Each question draws so many cases from a seed and prints what it counted. Nothing is written to a file.
"""

import argparse
from collections.abc import Callable

import numpy as np

from convac_lib.families import place_overlap
from convac_lib.related.mixed import MixedPlan, NetworkName, draw_mixed, mixed_rank, rank_bound
from convac_lib.related.rectifier import draw_tensors, exact_rank
from convac_lib.related.row import RowTree, compose_row, random_levels, row_rank
from convac_lib.related.summary import one_pass_patches
from convac_lib.related.widths import entropy, min_cut
from convac_lib.theory.ranks import certify_rank


def min_cuts(cases: int, seed: int) -> list[str]:
    """Compare the rank of random trees over a row with their min cut, across random cuts."""
    generator, below = np.random.default_rng(seed), []
    for number in range(cases):
        N = int(generator.choice([4, 8]))
        M = int(generator.integers(2, 5 if N == 8 else 7))
        tree = RowTree(N, M, tuple(generator.integers(1, 6, N.bit_length() - 1).tolist()))
        first = _side(generator, N)
        rank = row_rank(random_levels(tree, seed=seed + number), first)
        bound = min_cut(tree, first).value
        if rank != bound:
            below.append(f"N = {N}, M = {M}, widths {tree.widths}, patches {first}: rank {rank}, min cut {bound}")
    return [f"the rank is the min cut in {cases - len(below)} of {cases} cases", *below]


def mixtures(cases: int, seed: int) -> list[str]:
    """Compare the ranks of sums and mixtures with their bounds, across random cuts of eight patches."""
    generator = np.random.default_rng(seed)
    networks: tuple[NetworkName, ...] = ("sum", "mixture")
    below: dict[str, list[str]] = {network: [] for network in networks}
    for number in range(cases):
        M, r = (int(each) for each in generator.integers((2, 1), (5, 5)))
        plan, first = MixedPlan(M, r), _side(generator, 8)
        weights = draw_mixed(plan, seed=seed + number)
        for network in networks:
            rank, bound = mixed_rank(plan, weights, network, first), rank_bound(plan, network, first)
            if rank != bound:
                below[network].append(f"M = {M}, r = {r}, patches {first}: rank {rank}, bound {bound}")
    lines = []
    for network, found in below.items():
        lines.append(f"{network}: the rank is the bound in {cases - len(found)} of {cases} cases")
        lines += found[:5]
    return lines


def max_pooling(cases: int, seed: int) -> list[str]:
    """Count how many deep networks of max-pooling with random weights have full rank across odd | even."""
    lines = []
    for patches in (4, 8):
        for width in (2, 4, 8):
            drawn = draw_tensors("max", patches, width, largest_weight=1000, draws=cases, seed=seed)
            full = sum(exact_rank(tensor) == 2 ** (patches // 2) for tensor in drawn)
            lines.append(f"N = {patches}, r = {width}: full rank in {full} of {cases} draws")
    return lines


def marginals(cases: int, seed: int) -> list[str]:
    """List the patches that may be missing alone in one pass, and the rank, by the place of overlap."""
    lines = []
    for B1, B2 in ((1, 1), (1, 2), (2, 1), (2, 2)):
        network = place_overlap(B1, B2, C=2)
        found = [one_pass_patches(network, seed=seed + number) for number in range(cases)]
        same = f"{found.count(found[0])} of {cases} draws"
        rank = certify_rank(network, seed=seed).rank
        lines.append(f"B₁ = {B1}, B₂ = {B2}: rank {rank}, one pass for {len(found[0])} of 16 patches ({same})")
    return lines


def entropies(cases: int, seed: int) -> list[str]:
    """Compare the entropy of random real weights with the logarithm of the rank, over eight patches."""
    lines = []
    for widths in ((2, 2, 2), (2, 4, 4), (4, 2, 2)):
        tree = RowTree(8, 4, widths)
        for cut in ("left-right", "odd-even"):
            most = np.log(min_cut(tree, cut).value)
            used = [
                entropy(compose_row(random_levels(tree, seed=seed + n, prime=None), None), cut) for n in range(cases)
            ]
            lines.append(f"widths {widths}, {cut}: {100 * np.mean(used) / most:.0f} % of log min cut, on average")
    return lines


def _side(generator: np.random.Generator, patches: int) -> list[int]:
    number = int(generator.integers(1, 2**patches - 1))
    return [patch for patch in range(patches) if number >> patch & 1]


QUESTIONS: dict[str, Callable[[int, int], list[str]]] = {
    "min-cut": min_cuts,
    "mixture": mixtures,
    "max-pooling": max_pooling,
    "marginals": marginals,
    "entropy": entropies,
}


def main() -> None:
    """Print the evidence for one question."""
    parser = argparse.ArgumentParser(description="Reproduce the evidence for an open question.")
    parser.add_argument("question", choices=QUESTIONS)
    parser.add_argument("--cases", type=int, default=100, help="how many draws (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (default: 0)")
    options = parser.parse_args()
    if options.cases < 1 or options.seed < 0:
        parser.error("--cases must be at least 1, and --seed at least 0")
    print(*QUESTIONS[options.question](options.cases, options.seed), sep="\n")


if __name__ == "__main__":
    main()
