"""The rules of the exercises in *Convergence*."""

import numpy as np

from convac_lib.exercises.answers import Wrong, integer, number, numbers
from convac_lib.related.convergence import Teacher, descend, draw_starts, population_loss

STARTS = 200


def flipped(loss: object) -> str:
    """The loss of −w* for w* = (1, −2, 1) and ten windows with stride 1."""
    loss = float(number("loss", loss))
    teacher = Teacher((1, -2, 1), windows=10, stride=1)
    if abs(loss - 6 / 10) < 1e-6:
        raise Wrong("6/10 is the loss without overlap: with stride 1, sum the ten windows first, and most terms cancel")
    if abs(loss - float(population_loss((-1, 2, -1), teacher))) > 1e-6:
        raise Wrong("The outputs differ by a tenth of the sum of all w* · window, and the loss is this sum's variance")
    return "the sum of all ten is x₁ − x₂ − x₁₁ + x₁₂, of variance 4, so the loss is 4/100"


def shifted(k: object) -> str:
    """The least number of windows for which the shifted filter of (1, 0) has a loss below 1/1000."""
    k = integer("k", k)
    if not 1 <= k <= 10_000:
        raise Wrong(f"k should be between 1 and 10,000, and yours is {k}")
    here, before = (
        float(population_loss((0, 1), Teacher((1, 0), windows=each, stride=1))) for each in (k, max(1, k - 1))
    )
    if here >= 1e-3:
        raise Wrong(f"With {k} windows the loss is {here:.3g}, which is not below 1/1000")
    if before < 1e-3:
        raise Wrong(f"With {k} windows the loss is below 1/1000, and so it is with {k - 1}")
    return "(1 − 1/π)/k² is below 1/1000 from k = 27 on"


def harmless(target: object) -> str:
    """A filter of two numbers of different signs that every descent finds with two overlapping windows."""
    a, b = (float(each) for each in numbers("target", target, (2,), "(w₁, w₂)"))
    if not a * b < 0:
        raise Wrong(f"Both numbers should be different from 0 and have different signs, and yours are {a:g} and {b:g}")
    largest = max(abs(a), abs(b))
    if min(abs(a), abs(b)) < largest / 1000:
        raise Wrong("One of your numbers is almost 0; keep it above a thousandth of the other")
    teacher = Teacher((a / largest, b / largest), windows=2, stride=1)
    found = descend(draw_starts(teacher, STARTS, seed=0), teacher)
    away = np.linalg.norm(found.ends - np.array(teacher.target), axis=1) > 0.01
    if away.any():
        raise Wrong(f"From {away.sum()} of {STARTS} starts, descent does not reach your filter")
    return f"descent reaches your filter from all of {STARTS} starts, although windows overlap"
