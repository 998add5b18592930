"""Time the experiments' training against a plain loop, in images per second.

    python benchmarks/images.py

The plain loop is the one that a user writes first: convolution, ReLU and pooling, channels first, float32, one network
at a time, each image moved and mirrored by the same augmentation. It runs in a process of its own, since training as
it is done here also changes how its process keeps freed memory. Clock: each process's CPU time at one thread.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from timing import machine, seconds
from torch import nn
from torch.nn.functional import cross_entropy

from convac_lib.data.augmentation import spatial
from convac_lib.data.dataset import Dataset
from convac_lib.experiments.configs import RunConfig
from convac_lib.experiments.jobs import build
from convac_lib.experiments.training import Training
from convac_lib.networks.ensemble import Ensemble

CASES = ((3, 16, 1), (3, 64, 1), (2, 32, 1), (1, 64, 1), (3, 4, 8), (2, 4, 8), (1, 4, 8), (3, 8, 3))  # B, C, networks


def random_images(n):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (n,), generator=generator)
    return Dataset("random", images, labels, images[:10], labels[:10], tuple("0123456789"))


def plain_loop(B, C, dataset, batch_size):
    """An epoch of the network as textbooks write it."""
    layers, channels = [], 3
    for _ in range(5):
        pad = nn.ZeroPad2d(((B - 1) // 2, B // 2, (B - 1) // 2, B // 2))
        layers += [pad, nn.Conv2d(channels, C, B), nn.ReLU(), nn.MaxPool2d(2)]
        channels = C
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(C, 10))
    optimizer, generator = torch.optim.Adam(network.parameters()), torch.Generator().manual_seed(0)

    def run():
        for batch in torch.randperm(len(dataset.train_labels), generator=generator).split(batch_size):
            images = spatial(dataset.train_images[batch], generator).contiguous() / 127.5 - 1
            optimizer.zero_grad()
            cross_entropy(network(images), dataset.train_labels[batch]).backward()
            optimizer.step()

    return run


def measure(runs, repeat):
    """The best CPU time of each run and its spread, after one run that fills the caches."""
    seconds(runs, 1, time.process_time)
    return seconds(runs, repeat, time.process_time)


def measure_plain(B, C, n, batch_size, repeat):
    return measure({"plain": plain_loop(B, C, random_images(n), batch_size)}, repeat)


def ours(B, C, networks, dataset, batch_size, precision):
    """An epoch of as many networks side by side."""
    nets = [build(RunConfig(B, C, seed), dataset) for seed in range(networks)]
    model = nets[0] if networks == 1 else Ensemble(nets)
    settings = {"learning_rate": 1e-3, "augment": "spatial", "seed": 0, "precision": precision}
    return Training(model, dataset, epochs=10**6, batch_size=batch_size, **settings).run_epoch


def matrix_products():
    """The machine's rate at float32 matrix products, in multiplications a second."""
    a = torch.rand(1024, 1024)
    best, _ = seconds({"mm": lambda: a @ a}, 5, time.process_time)["mm"]
    return 1024**3 / best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=640, help="images in an epoch")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    apart = ProcessPoolExecutor(1, get_context("spawn"), torch.set_num_threads, (1,))
    torch.set_num_threads(1)
    print(machine("torch"))
    peak, dataset = matrix_products(), random_images(options.n)
    print(f"one thread, n = {options.n}, batch {options.batch_size}, best of {options.repeat}; "
          f"matrix products: {peak / 1e9:.1f} billion multiplications a second")  # fmt: skip
    print(
        "  B    C  side by side   plain loop        ours  ratio   of one alone   bfloat16   of matrix products  spread"
    )
    for B, C, networks in CASES:
        settings = options.n, options.batch_size, options.repeat
        times = apart.submit(measure_plain, B, C, *settings).result()
        runs = {
            "ours": ours(B, C, networks, dataset, options.batch_size, "float32"),
            "alone": ours(B, C, 1, dataset, options.batch_size, "float32"),
            "bfloat16": ours(B, C, networks, dataset, options.batch_size, "bfloat16"),
        }
        times |= measure(runs, options.repeat)
        rate = {name: options.n / best for name, (best, _) in times.items()}
        rate["ours"] *= networks
        rate["bfloat16"] *= networks
        sizes = [(32, 3), (16, C), (8, C), (4, C), (2, C)]
        products = 3 * sum(size**2 * B**2 * below * C for size, below in sizes) - 32**2 * B**2 * 3 * C
        print(
            f"{B:3} {C:4} {networks:13} {rate['plain']:10,.0f}/s {rate['ours']:9,.0f}/s"
            f" {rate['ours'] / rate['plain']:6.2f} {rate['ours'] / rate['alone']:14.2f}"
            f" {rate['bfloat16'] / rate['plain']:10.2f} {rate['ours'] * products / peak:20.0%}"
            f" {max(spread for _, spread in times.values()):7.0%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
