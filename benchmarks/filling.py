"""Filling a matricization against evaluating it pair by pair, as ratios taken in one run.

    python benchmarks/filling.py [--threads 1 2] [--repeat 3]

The plain one works through batches of rows, so one batch is timed and taken as often as there are batches. It takes one
thread. Every round times each contender once, in turn; the smallest of the rounds counts, and "spread" is the rounds'
median over it, less one. With one thread CPU time is used, with more wall-clock time, for the plain one as well.
"""

import argparse
import os
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
from timing import machine, seconds

from convac_lib.architecture import Architecture, Layer
from convac_lib.families import baseline, common_case
from convac_lib.theory.assembly import matricization
from convac_lib.theory.circuits import random_circuit
from convac_lib.theory.cuts import make_cut
from convac_lib.theory.tensors import IMAGES_AT_ONCE

K = 1024
PART = IMAGES_AT_ONCE // K  # rows in one of the plain filling's batches
PRIMES = (8388593, 2**31 - 1)
TARGETS = {False: 200, True: 4}  # times faster, by whether the network overlaps
NETWORKS = {
    "baseline M=4 size 4": baseline(4, 4),
    "baseline M=4 size 8": baseline(4, 8),
    "common B=1 M=4 size 8": common_case(1, 4, 8),
    "common B=2 M=4 size 4": common_case(2, 4, 4),
    "common B=3 M=4 size 4": common_case(3, 4, 4),
    "common B=5 M=4 size 4": common_case(5, 4, 4),
    "common B=2 M=4 C=8 size 4": common_case(2, 4, 4, 8),
    "common B=3 M=4 size 8": common_case(3, 4, 8),
    "one 3x3 layer, then 4x4, M=4": Architecture(4, 4, (Layer(3, 1, 4), Layer(4, 4, 4))),
}


def compare(architecture, prime, threads, repeat):
    """Seconds and spread of both, for the whole matrix, which must be the same."""
    circuit, cut = random_circuit(architecture, seed=1, prime=prime), make_cut("left-right", architecture.size)
    generator = np.random.default_rng(0)
    M = architecture.representation_channels
    rows, columns = (generator.integers(0, M, (K, len(part))) for part in (cut.rows, cut.columns))
    found = {}
    contenders = {
        "plain": lambda: found.update(plain=circuit.submatrix(cut, rows[:PART], columns)),
        "fast": lambda: found.update(fast=matricization(circuit, cut, rows, columns, threads=threads)),
    }
    times = seconds(contenders, repeat, time.process_time if threads == 1 else time.perf_counter)
    assert (found["fast"][:PART] == found["plain"]).all()
    (plain, plain_spread), (fast, fast_spread) = times["plain"], times["fast"]
    return plain * K / PART, plain_spread, fast, fast_spread


def table(threads, repeat):
    print(f"{machine('numpy')}; k = {K}, n = {repeat} rounds")
    print(
        f"{'network':29} {'p':>10} {'threads':>8} {'plain':>10} {'spread':>7} {'fast':>11} {'spread':>7} {'ratio':>8}"
    )
    ratios = {False: [], True: []}
    for name, architecture in NETWORKS.items():
        for prime in PRIMES:
            plain, plain_spread, fast, fast_spread = compare(architecture, prime, threads, repeat)
            ratios[architecture.is_overlapping].append(plain / fast)
            print(
                f"{name:29} {prime:10} {threads:8} {plain:8.2f} s {plain_spread:7.0%} {fast:9.4f} s {fast_spread:7.0%}"
                f" {plain / fast:7.1f}×",
                flush=True,
            )
    for overlapping, target in TARGETS.items():
        least = min(ratios[overlapping])
        print(
            f"{'overlapping' if overlapping else 'non-overlapping'}, {threads} threads: the target of ≥ {target}× "
            f"{'holds' if least >= target else 'does not hold'}, with {least:.1f}× at least"
        )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=3)
    options = parser.parse_args()
    for threads in options.threads:
        table(threads, options.repeat)


if __name__ == "__main__":
    main()
