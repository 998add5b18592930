"""The rules of the exercises in *Convolutional arithmetic circuits*."""

import numpy as np

from convac_lib.exercises.answers import Wrong, call, integer, integers
from convac_lib.families import baseline
from convac_lib.theory.bounds import non_overlapping_upper
from convac_lib.theory.circuits import random_circuit
from convac_lib.theory.decompositions import compose_cp, compose_hierarchical_tucker
from convac_lib.theory.fields import DEFAULT_PRIME
from convac_lib.theory.ranks import certify_rank, rank_modulo


def parity(scores: object) -> str:
    """Scores of two channels, the same at every patch, that make 2 for an even number of ones and 0 for an odd."""
    scores = integers("scores", scores, (2, 2), "[template 0, template 1] for each of two channels")
    for ones in range(5):
        terms = [zero ** (4 - ones) * one**ones for zero, one in scores.tolist()]
        wanted = 0 if ones % 2 else 2
        if sum(terms) != wanted:
            raise Wrong(f"With template 1 in {ones} of 4 patches the sum is {terms[0]} + {terms[1]}, and not {wanted}")
    return "one channel is always 1, and the other is −1 to the number of patches that show template 1"


def saturate(deep: object, halves: object) -> str:
    """The least C with which the deep network has rank 256 across the interleaved cut, and across left | right."""
    deep, halves, most = integer("deep", deep), integer("halves", halves), 2**8
    for name, C in (("deep", deep), ("halves", halves)):
        if not 1 <= C <= most:
            raise Wrong(f"{name} lies between 1 and the matrix's {most} rows, and yours is {C}")
    rank = non_overlapping_upper(baseline(2, 4, deep), "interleaved").value
    if rank < most:
        raise Wrong(
            f"With C = {deep} the rank across the interleaved cut is at most {rank}, and the matrix has {most} rows"
        )
    fewer = min(deep - 1, 16)
    if fewer and certify_rank(baseline(2, 4, fewer), "interleaved").rank == most:
        raise Wrong(f"With C = {deep} the rank is {most}, and so it is with C = {fewer}")
    limit = non_overlapping_upper(baseline(2, 4, halves)).value
    if limit < most:
        raise Wrong(f"Across left | right, C = {halves} gives at most rank {limit}: no small window straddles this cut")
    if halves > most:
        raise Wrong(f"Across left | right the rank is the number of channels, so fewer than {halves} are enough")
    return "every 2×2 window has patches on both sides of the interleaved cut, and left | right is bounded by C"


def inside(levels: object) -> str:
    """A function from a CP decomposition to a Hierarchical Tucker decomposition with as many channels."""
    for seed, (M, C) in enumerate([(2, 3), (3, 2), (2, 5)]):
        generator = np.random.default_rng(seed)
        a, vectors = generator.integers(0, DEFAULT_PRIME, C), generator.integers(0, DEFAULT_PRIME, (C, 4, M))
        given = call("levels", levels, a.copy(), vectors.copy())
        if not isinstance(given, list | tuple) or len(given) != 3:
            raise Wrong(
                "levels should return a list of three arrays, a⁰ of the leaves, a¹ of the pairs and a² of the top"
            )
        widths = [np.shape(level)[1] if np.ndim(level) == 3 else C + 1 for level in given]
        if max(widths) > C:
            raise Wrong(
                f"Every level needs three axes, (node, channel, channel below), and for {C} terms at most {C} channels"
            )
        shapes = [(4, widths[0], M), (2, widths[1], widths[0]), (1, 1, widths[1])]
        exact = [
            (integers(f"level {number}", level, shape, "(node, channel, channel below)") % DEFAULT_PRIME).astype(int)
            for number, (level, shape) in enumerate(zip(given, shapes))
        ]
        off = int(
            (compose_hierarchical_tucker(exact, prime=DEFAULT_PRIME)[0] != compose_cp(a, vectors, DEFAULT_PRIME)).sum()
        )
        if off:
            raise Wrong(
                f"For {C} random terms and M = {M} your tree differs from the sum of products in {off} of "
                f"{M**4} entries"
            )
    return "the terms stay apart up to the top, whatever C and M are, so a deep network does what a shallow one does"


def missing(marginal: object) -> str:
    """A function that sums a network without overlap over the patches that are missing, by one evaluation or many."""
    for M, size, gone in [(2, 2, []), (2, 2, [1]), (3, 2, [0, 3]), (3, 2, [0, 1, 2, 3]), (2, 4, [5, 6, 9])]:
        circuit = random_circuit(baseline(M, size), seed=M + len(gone), prime=DEFAULT_PRIME)
        digits = np.random.default_rng(len(gone)).integers(0, M, size**2)
        entries = tuple(slice(None) if patch in gone else digits[patch] for patch in range(size**2))
        total = int(circuit.grid_tensor()[entries].sum() % DEFAULT_PRIME)
        said = integer("what marginal returns", call("marginal", marginal, circuit, digits.copy(), list(gone)))
        if said % DEFAULT_PRIME != total:
            which = f"patches {gone} missing" if gone else "no patch missing"
            raise Wrong(
                f"With M = {M}, a {size}×{size} image and {which}, marginal gives {said:,}, and the sum is {total:,}"
            )
    return "without overlap the network is linear in every patch, so a missing patch enters as the sum of its templates"


def cuts(halves: object, other: object) -> str:
    """The rank of a deep network over eight patches across two cuts."""
    shapes = [(count, 2 if count > 1 else 1, 2) for count in (8, 4, 2, 1)]
    generator = np.random.default_rng(3)
    tensor = compose_hierarchical_tucker(
        [generator.integers(0, DEFAULT_PRIME, shape) for shape in shapes], prime=DEFAULT_PRIME
    )
    questions = {
        "halves": (halves, range(8), "first half | second half", "the cut runs through the root alone"),
        "other": (other, [0, 1, 4, 5, 2, 3, 6, 7], "1, 2, 5, 6 | 3, 4, 7, 8", "the cut leaves the lowest pairs whole"),
    }
    for name, (answer, order, cut, hint) in questions.items():
        rank = rank_modulo(tensor[0].transpose(order).reshape(16, 16))
        if (said := integer(name, answer)) != rank:
            raise Wrong(f"Across {cut} the rank is {'less' if said > rank else 'more'} than {said}: {hint}")
    return "a cut costs what the lowest windows that it runs through hand on, two channels for each of them"
