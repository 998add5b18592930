"""The rules of the exercises in *Experiments on standard ConvNets*; those that run a network import torch."""

from collections.abc import Mapping

from convac_lib.exercises.answers import Wrong, entries_of, integer, integer_for_each, numbers, shown, word
from convac_lib.extras import require
from convac_lib.families import common_case
from convac_lib.files import results_path

RECORD = results_path("cifar10-jpeg.jsonl")


def seeds(without: object, overlapping: object, larger: object) -> str:
    """Three accuracies for B = 1 and three for B = 2, one per seed, and whether the gap or the spread is larger."""
    larger = word("larger", larger, ("gap", "spread"))
    runs = {}
    for name, B, answer in (("without", 1, without), ("overlapping", 2, overlapping)):
        runs[B] = [float(accuracy) for accuracy in numbers(name, answer, (3,), "one accuracy for each seed")]
        if not all(0 <= accuracy <= 1 for accuracy in runs[B]):
            raise Wrong(f"Accuracies lie between 0 and 1, and {name} holds {shown(runs[B])}")
        if len(set(runs[B])) == 1:
            raise Wrong(
                f"All three numbers in {name} are the same: give each seed to the network's weights and to train"
            )
        if abs((here := _accuracy(B)) - runs[B][0]) > 0.05:
            raise Wrong(
                f"With B = {B}, C = 8, seed 0, 8 epochs and rate 0.01 training gives {here:.0%}, not {runs[B][0]:.0%}"
            )
    gap, spread = min(runs[2]) - max(runs[1]), max(max(runs[B]) - min(runs[B]) for B in (1, 2))
    if (gap > spread) != (larger == "gap"):
        raise Wrong(
            f"By your numbers the nearest two runs are {100 * gap:.0f} points apart and the widest spread is "
            f"{100 * spread:.0f}"
        )
    return (
        f"the nearest two runs are {100 * gap:.0f} points apart and the widest spread over seeds is {100 * spread:.0f}"
    )


def _accuracy(B: int) -> float:
    require("experiments", __name__)
    import torch

    from convac_lib.data.digits import digits
    from convac_lib.experiments.training import train
    from convac_lib.networks.models import ConvNet

    generator = torch.Generator().manual_seed(0)
    network = ConvNet(common_case(B, M=1, size=8, channels=8), classes=10, in_channels=1, generator=generator)
    return train(network, digits(), epochs=8, learning_rate=0.01, seed=0, progress=False).train_accuracy


def match(channels: object) -> str:
    """The fewest recorded channels with which B = 2 and B = 3 are more accurate than B = 1 with 64."""
    from convac_lib.experiments.analysis import rows_of
    from convac_lib.experiments.records import read_records

    channels = integer_for_each("channels", channels, (2, 3), letter="B")
    rows = {(row.B, row.channels): row for row in rows_of(read_records(RECORD))}
    goal = rows[1, 64]
    for B, C in channels.items():
        recorded = [each for known, each in sorted(rows) if known == B]
        if C not in recorded:
            raise Wrong(f"With B = {B} the record holds {', '.join(map(str, recorded))} channels, and not {C}")
        if rows[B, C].accuracy <= goal.accuracy:
            raise Wrong(
                f"B = {B} with {C} channels has {rows[B, C].accuracy:.1%}, and B = 1 with 64 has {goal.accuracy:.1%}"
            )
        least = next(each for each in recorded if rows[B, each].accuracy > goal.accuracy)
        if C != least:
            raise Wrong(
                f"B = {B} with {C} channels is more accurate, but with {C // 2} it is too: "
                f"{rows[B, C // 2].accuracy:.1%}"
            )
    sizes = [rows[place].parameters for place in channels.items()]
    return (
        f"they have {sizes[0]:,} and {sizes[1]:,} parameters, and the network without overlap has {goal.parameters:,}"
    )


def count(parameters: object) -> str:
    """The parameters of the ConvNet with B = 3 and C = 16 on 8×8 greyscale images with 10 classes."""
    from convac_lib.networks.models import ConvNet

    parameters = integer("parameters", parameters)
    network = ConvNet(common_case(B=3, M=1, size=8, channels=16), classes=10, in_channels=1)
    sizes = {name: value.numel() for name, value in network.named_parameters()}
    biases = sum(size for name, size in sizes.items() if name.endswith("bias"))
    right = sum(sizes.values())
    if parameters == right - biases:
        raise Wrong(f"{parameters:,} leaves out the biases, one for each of the {biases} channels and classes")
    if parameters != right:
        raise Wrong(
            f"{parameters:,} is too {'many' if parameters > right else 'few'}: there are three convolutions and a "
            "dense layer, each with biases, and pooling has no parameters"
        )
    weights = right - biases
    return f"three convolutions and the dense layer have {weights:,} weights and {biases} biases, together {right:,}"


def shuffle(notices: object) -> str:
    """Which of B = 1 and B = 3 notice that every 2×2 block was turned, tried on random images."""
    require("networks", __name__)
    import torch

    from convac_lib.networks.models import ConvNet

    if isinstance(notices, Mapping) and not notices:
        raise Wrong("notices is empty: say for B = 1 and for B = 3 whether the network notices")
    for B, answer in entries_of("notices", notices, (1, 3), letter="B").items():
        if getattr(answer, "dtype", type(answer)) not in (bool, "bool"):
            raise Wrong(f"notices[{B}] should be True or False, not {shown(answer)}")
        generator = torch.Generator().manual_seed(B)
        images = torch.rand(16, 1, 8, 8, generator=generator)
        blocks = images.unfold(2, 2, 2).unfold(3, 2, 2)  # (n, 1, 4, 4, 2, 2)
        turned = torch.rot90(blocks, dims=(4, 5)).permute(0, 1, 2, 4, 3, 5).reshape(-1, 1, 8, 8)
        network = ConvNet(common_case(B, M=1, size=8, channels=4), classes=10, in_channels=1, generator=generator)
        with torch.no_grad():
            noticed = not torch.equal(network(images), network(turned))
        if bool(answer) != noticed:
            word_for = "other" if noticed else "the same"
            raise Wrong(
                f"A network with B = {B} gives {word_for} outputs for 16 random images when every block is turned"
            )
    return (
        "B = 1 reads a block only through the maximum of each channel, and windows of B = 3 cross from block to block"
    )
