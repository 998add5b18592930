"""The rules of the exercises in *SimNets*."""

from convac_lib.exercises.answers import Wrong, integer


def soft_maximum(beta: object) -> str:
    """The least integer β for which log(4)/β is at most 0.1."""
    beta = integer("beta", beta)
    if beta < 14:
        raise Wrong(f"With β = {beta} the bound log(4)/β is not from 0 to 0.1")
    if beta > 14:
        raise Wrong("A smaller integer is enough, because log(4) is below 1.4")
    return "log(4) is 1.386…, so log(4)/β is at most 0.1 from β = 13.86… on"
