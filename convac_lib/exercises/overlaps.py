"""The rules of the exercises in *Overlaps*."""

from fractions import Fraction

import numpy as np

from convac_lib.exercises.answers import NEAR, Wrong, call, integer, integers, numbers
from convac_lib.extras import require
from convac_lib.families import baseline, common_case
from convac_lib.theory.circuits import Circuit, random_circuit
from convac_lib.theory.weights import weight_shapes
from convac_lib.theory.witness import replicate

F, PRIME = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 2]]), 101  # of "ones"


def totals(pairs: object) -> str:
    """T_R and T_S of the layers 1 to 5 of the common case with B = 4."""
    pairs = integers("pairs", pairs, (5, 2), "(T_R, T_S) for each of five layers")
    network = common_case(B=4, M=2, size=16)
    before = (1, 1)
    for layer, T_R, T_S, said in zip(
        range(1, 6), network.total_receptive_fields, network.total_strides, pairs.tolist()
    ):
        R, S = network.layers[layer - 1].receptive_field, network.layers[layer - 1].stride
        if said[0] != T_R:
            raise Wrong(
                f"Layer {layer} does not see {said[0]}: to the {before[0]} below it adds (R − 1)·T_S = "
                f"{R - 1}·{before[1]}"
            )
        if said[1] != T_S:
            raise Wrong(
                f"Layer {layer} does not step by {said[1]}: it has stride {S} over a total stride of {before[1]}"
            )
        before = (T_R, T_S)
    return "a layer of stride 1 adds 3·T_S, and a 2×2 layer adds T_S and doubles it"


def neighbours(B: object, layer: object) -> str:
    """The least B whose neighbours in layer 5 share over 3/4, and the first layer of B = 2 that sees over 1/2."""
    B, layer, size = integer("B", B), integer("layer", layer), 32

    def shared(B: int) -> tuple[int, int]:
        """How many columns two neighbours of layer 5 share, and how many each sees."""
        network = common_case(B, M=1, size=size)
        return network.total_receptive_fields[4] - network.total_strides[4], network.total_receptive_fields[4]

    if not 1 <= B <= 5:
        raise Wrong(f"B should be a value of the slider, 1 to 5, and it is {B}")
    if Fraction(*shared(B)) <= Fraction(3, 4):
        raise Wrong(
            f"With B = {B} two neighbours of layer 5 share {shared(B)[0]} of {shared(B)[1]} columns, not over 3/4"
        )
    if Fraction(*shared(B - 1)) > Fraction(3, 4):
        raise Wrong(
            f"With B = {B - 1} two neighbours already share {shared(B - 1)[0]} of {shared(B - 1)[1]} columns, over 3/4"
        )
    fields = common_case(2, M=1, size=size).total_receptive_fields
    if not 1 <= layer <= 8:
        raise Wrong(f"layer should be a value of the slider, 1 to 8, and it is {layer}")
    if 2 * fields[layer - 1] <= size:
        raise Wrong(f"With B = 2 a unit of layer {layer} sees {fields[layer - 1]} of {size} columns, no more than half")
    if layer > 1 and 2 * fields[layer - 2] > size:
        raise Wrong(f"With B = 2 a unit of layer {layer - 1} already sees {fields[layer - 2]} of {size} columns")
    return (
        f"with B = {B} two neighbours share {shared(B)[0]} of {shared(B)[1]} columns, and with B = 2 layer {layer} "
        f"is the first to see past the middle, {fields[layer - 1]} columns"
    )


def paths(power: object) -> str:
    """The degree of the output in the lower right patch, for B = 4 on a 4×4 image."""
    network = common_case(B=4, M=1, size=4)
    ones = tuple(np.ones(shape) for shape in weight_shapes(network))
    doubled = np.ones((1, 4, 4))
    doubled[0, 3, 3] = 2
    degree = round(np.log2(Circuit(network, ones, dense=np.ones((1, 1)))(doubled)[0]))
    power = integer("power", power)
    if power**2 == degree:
        raise Wrong(f"{power} paths is the count in one dimension: rows and columns are chosen independently")
    if power == 16:
        raise Wrong("16 windows of layer 1 hold the patch, and layer 3 reads what they hand on more than once")
    if power != degree:
        raise Wrong(
            f"Doubling the patch does not multiply the output by 2^{power}: count the windows of layers 1 and 3 again"
        )
    return f"there are {round(degree**0.5)} paths in each dimension, and {round(degree**0.5)}² = {degree}"


def convolution(summed: object) -> str:
    """A function that computes torch's convolution with stride, padded on the right and at the bottom."""
    require("networks", __name__)
    import torch
    from torch.nn.functional import conv2d, pad

    generator = np.random.default_rng(1)
    for size, R, S in [(6, 3, 1), (6, 3, 2), (6, 3, 3), (5, 2, 2), (4, 1, 1)]:
        x = generator.integers(-2, 3, (2, size, size)).astype(float)
        weight = generator.integers(-2, 3, (3, 2, R, R)).astype(float)
        right = conv2d(pad(torch.tensor(x), (0, R - 1, 0, R - 1)), torch.tensor(weight), stride=S).numpy()
        y = call("summed", summed, x.copy(), weight.copy(), S)
        y = numbers("what summed returns", y, right.shape, "(c, H′, H′)")
        if off := int((np.abs((y - right).astype(float)) > NEAR).sum()):
            raise Wrong(
                f"For {R}×{R} windows of stride {S} on a {size}×{size} image {off} of {right.size} entries "
                "differ from torch's"
            )
    return "it agrees with torch.nn.functional.conv2d for five sizes of windows, strides and images"


def ones(u: object) -> str:
    """The row u with F u = 1, in the real numbers or modulo 101."""
    u = [Fraction(entry) for entry in numbers("u", u, (3,), "one for each function")]
    if all(abs(entry - round(entry)) <= NEAR for entry in u):
        _require_ones_modulo([round(entry) for entry in u])
    else:
        _require_ones(u)
    exact = [entry.limit_denominator(100) for entry in u]
    row = [entry.numerator * pow(entry.denominator, -1, PRIME) % PRIME for entry in exact]
    plain = random_circuit(baseline(M=3, size=2), seed=0, prime=PRIME)
    plain = Circuit(plain.architecture, plain.weights, plain.dense, PRIME, templates=F)
    if row != replicate(plain, receptive_fields=(3,)).weights[0][0, :, 2, 2].tolist():
        raise ArithmeticError("replicate takes another row")
    return (
        f"F u = (1, 1, 1), and modulo {PRIME} it is the row ({', '.join(map(str, row))}) that replicate puts at "
        "every offset"
    )


def _require_ones_modulo(u: list[int]) -> None:
    residues = [int(value) for value in F @ [entry % PRIME for entry in u] % PRIME]
    if residues != [1, 1, 1]:
        sentence = f"F u is ({', '.join(map(str, residues))}) modulo {PRIME}, not (1, 1, 1)"
        if len(set(residues)) == 1 and residues[0]:
            inverse = pow(residues[0], -1, PRIME)
            sentence += f": divide u by {residues[0]}, which is to multiply it by {inverse} modulo {PRIME}"
        raise Wrong(sentence)


def _require_ones(u: list[Fraction]) -> None:
    values = [sum((int(f) * entry for f, entry in zip(row, u)), Fraction()) for row in F]
    if any(abs(value - 1) > NEAR for value in values):
        raise Wrong(f"F u is ({', '.join(f'{float(value):.4g}' for value in values)}), not (1, 1, 1)")
