"""The rules of the exercises in *Missing data*."""

from convac_lib.exercises.answers import NEAR, Wrong, integer, number


def arrangements(exponent: object) -> str:
    """The power of two that is the number of arrangements of 32 components over 4×4 patches."""
    exponent = integer("exponent", exponent)
    if exponent == 5 * 4:
        raise Wrong("An image has 4 patches per side, and so 16 patches")
    if exponent != 5 * 16:
        raise Wrong("Every one of the 16 patches chooses one of 32 = 2⁵ components")
    return "32¹⁶ = 2⁸⁰ terms are in the sum, and the network adds them in one pass"


def censored(marginal: object, truth: object) -> str:
    """The probability of class 1 when a pixel is hidden because it is bright: by marginalizing, and in truth."""
    answers = number("marginal", marginal), number("truth", truth)
    if abs(float(answers[0]) - 1 / 2) > NEAR:
        raise Wrong("Nothing is seen, so a model that leaves the pixel out answers with the prior")
    if abs(float(answers[1]) - 3 / 4) > NEAR:
        raise Wrong("Bayes' rule with the event 'hidden' needs p(hidden | y), which is p(bright | y)")
    return "that the pixel is hidden says that it is bright, and leaving it out forgets this"
