"""The rules of the exercises in *SimNets*."""

from math import log

from convac_lib.exercises.answers import NEAR, Wrong, call, integer, numbers


def soft_maximum(beta: object) -> str:
    """The least integer β for which log(4)/β is at most 0.1."""
    beta = integer("beta", beta)
    if beta < 14:
        raise Wrong(f"With β = {beta} the bound log(4)/β is not from 0 to 0.1")
    if beta > 14:
        raise Wrong("A smaller integer is enough, because log(4) is below 1.4")
    return "log(4) is 1.386…, so log(4)/β is at most 0.1 from β = 13.86… on"


def shares(derivatives: object) -> str:
    """The derivatives of MEX with β = 1 at 0, 0 and log 2."""
    given = [float(each) for each in numbers("derivatives", derivatives, (3,), "one for each number")]
    if abs(sum(given) - 1) > NEAR:
        raise Wrong("If all three numbers grow by 1, MEX grows by 1, so the derivatives sum to 1")
    if max(abs(each - right) for each, right in zip(given, (1 / 4, 1 / 4, 1 / 2))) > NEAR:
        raise Wrong("The derivatives have the ratio of the exponentials, which are 1, 1 and 2")
    return "the derivatives are the exponentials divided by their sum, 1/4, 1/4 and 1/2"


def absorb(offsets: object) -> str:
    """The offsets with which MEX with β = 1 is the logarithm of a weighted sum: log(n·w_d)."""
    for weights in ((0.2, 0.3, 0.5), (1.0, 4.0), (2.0,)):
        n = len(weights)
        result = call("offsets", offsets, list(weights))
        given = [float(each) for each in numbers("what offsets returns", result, (n,), "one for each weight")]
        apart = [each - log(n * weight) for each, weight in zip(given, weights)]
        if max(map(abs, apart)) <= NEAR:
            continue
        if n > 1 and max(abs(each + log(n)) for each in apart) <= NEAR:
            raise Wrong("With the offsets log w, MEX is too small by log n, because it divides the sum by n")
        raise Wrong(f"For the weights {', '.join(map(str, weights))} MEX is not the logarithm of the weighted sum")
    return "MEX divides the sum by n, and the factor n in each weight undoes this"
