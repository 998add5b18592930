"""Records of made-up runs."""

from convac_lib.experiments.records import Record
from convac_lib.families import common_case

PLANS = {(B, C): common_case(B, M=1, size=8, channels=C) for B in (1, 2) for C in (4, 8)}


def record(weights_seed=0, B=2, loss=0.1, **changes):
    """A record of made-up numbers; `changes` replaces its fields."""
    settings = {
        "model": "ConvNet", "architecture": common_case(B, M=1, size=8, channels=4), "parameters": 7,
        "source": "digits", "digest": "ab", "n": 1437, "augment": "spatial", "epochs": 2, "batch_size": 64,
        "learning_rate": 1e-3, "seed": 0, "weights_seed": weights_seed,
    }  # fmt: skip
    results = {
        "losses": (2.3, loss), "accuracies": (0.1, 0.9), "augmented_accuracy": 0.9, "train_accuracy": 0.95,
        "test_accuracy": 0.8, "precision": "float32", "side_by_side": 1, "device": "a processor", "versions": "torch 2",
        "seconds": 1.5,
    }  # fmt: skip
    return Record(**{**settings, **results, **changes})


def runs(**changes):
    """Two seeds of four networks."""
    return [
        record(
            seed, architecture=plan, parameters=plan.parameters, augmented_accuracy=0.1 * B + 0.01 * C + 0.001 * seed,
            test_accuracy=0.2 * (seed + 1), seconds=10.0 * (seed + 1), **changes,
        )
        for (B, C), plan in PLANS.items() for seed in (1, 0)
    ]  # fmt: skip
