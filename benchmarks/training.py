"""Train ConvACs of about 25,000 parameters on the digits, with and without overlap, and from other initial weights.

    python benchmarks/training.py [--seeds 5] [--epochs 40] [--learning-rate 0.002] [--batch-size 128] [--validate]

A seed draws the weights and the order of the images; the split into training and test images is always the same.
n is the number of seeds: the other initial weights take at most 3. With --validate a fifth of the training images
replace the test images; the settings were chosen on such parts. Seconds are the mean CPU time of a run on one thread,
which other work on the machine disturbs least.
"""

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import mean

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from sklearn.model_selection import train_test_split
from timing import machine

from convac_lib import Architecture, ConvAC, baseline, common_case, train
from convac_lib.data.digits import digits
from convac_lib.networks.layers import Representation


def derived(network, generator):
    """`ConvAC.reset_parameters`, as drawn."""


def plain(network, generator):
    """Normal weights of mean 0: each layer's own draw."""
    for layer in network.layers:
        layer.reset_parameters(generator)


@torch.no_grad()
def peaked(network, generator):
    """Copy one channel at one offset of the window; at the others stay within a tenth of the channels' mean."""
    for layer in network.layers:
        channels, in_channels, R, _ = layer.weight.shape
        layer.weight.normal_(1 / in_channels, 0.1 / in_channels, generator=generator)
        copied, i, j = (torch.randint(n, (channels,), generator=generator) for n in (in_channels, R, R))
        every = torch.arange(channels)
        layer.weight[every, :, i, j] = 0
        layer.weight[every, copied, i, j] = 1


@dataclass(frozen=True)
class Row:
    network: str
    architecture: Architecture
    weights: str = "mean 1/C_in"
    initialize: Callable = derived
    normalized: bool = True


NETWORKS = [
    Row("no overlap", baseline(M=45, size=8)),
    Row("B = 2", common_case(B=2, M=32, size=8)),
    Row("B = 3", common_case(B=3, M=25, size=8)),
]
OTHER_WEIGHTS = [
    replace(NETWORKS[1], weights=weights, initialize=initialize, normalized=normalized)
    for weights, initialize, normalized in [
        ("mean 1/C_in, not normalized", derived, False),
        ("mean 0", plain, True),
        ("copies of one channel", peaked, True),
        ("copies of one channel, not normalized", peaked, False),
    ]
]


def run(row, dataset, seed, settings):
    """The record of one training run, its seconds those of the processor."""
    generator = torch.Generator().manual_seed(seed)
    representation = Representation(1, row.architecture.representation_channels, generator=generator)
    network = ConvAC(row.architecture, 10, representation, normalized=row.normalized, generator=generator)
    row.initialize(network, generator)
    start = time.process_time()
    record = train(network, dataset, seed=seed, progress=False, **settings)
    return replace(record, seconds=time.process_time() - start)


def held_out(dataset):
    """The training images alone, a fifth of them in the place of the test images."""
    images, labels = dataset.train_images, dataset.train_labels
    fit, held = train_test_split(np.arange(len(images)), test_size=0.2, stratify=labels, random_state=0)
    return replace(
        dataset, train_images=images[fit], train_labels=labels[fit], test_images=images[held], test_labels=labels[held]
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--learning-rate", type=float, default=0.002)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--validate", action="store_true")
    options = vars(parser.parse_args())
    seeds, validate = options.pop("seeds"), options.pop("validate")
    torch.set_num_threads(1)
    dataset = held_out(digits()) if validate else digits()
    print(f"{machine('torch', 'scikit-learn')}, 1 thread; {dataset}, {options}\n")
    counted = "held out" if validate else "test"
    print(f"| network | initial weights | parameters | n | {counted}, mean | least | most | training, mean | seconds |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    for rows, n in ((NETWORKS, seeds), (OTHER_WEIGHTS, min(seeds, 3))):
        for row in rows:
            report(row, [run(row, dataset, seed, options) for seed in range(n)])


def report(row, records):
    found = [record.test_accuracy for record in records]
    training = mean(record.train_accuracy for record in records)
    print(
        f"| {row.network} | {row.weights} | {records[0].parameters:,} | {len(found)} | {mean(found):.1%} "
        f"| {min(found):.1%} | {max(found):.1%} | {training:.1%} | {mean(record.seconds for record in records):.0f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
