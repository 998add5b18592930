"""Filling a matricization against evaluating it pair by pair, as ratios taken in one run: python benchmarks/filling.py

The plain one works through batches of rows, so one batch is timed and taken as often as there are batches.
"""

import os
import platform
import time

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

from convac_lib.architecture import Architecture, Layer, baseline, common_case
from convac_lib.theory.circuits import random_circuit
from convac_lib.theory.filling import matricization
from convac_lib.theory.tensors import IMAGES_AT_ONCE, make_cut

K = 1024
PART = IMAGES_AT_ONCE // K  # rows in one of the plain filling's batches
REPEATS = 3
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


def seconds(function, *args, **options):
    wall, cpu = time.perf_counter(), time.process_time()
    matrix = function(*args, **options)
    return matrix, np.array([time.perf_counter() - wall, time.process_time() - cpu])


def row(architecture, prime, cut="left-right"):
    circuit, cut = random_circuit(architecture, seed=1, prime=prime), make_cut(cut, architecture.size)
    generator = np.random.default_rng(0)
    M = architecture.representation_channels
    rows, columns = (generator.integers(0, M, (K, len(part))) for part in (cut.rows, cut.columns))
    part = min(PART, len(rows))
    best = np.full((3, 2), np.inf)
    for _ in range(REPEATS):
        plain, t0 = seconds(circuit.submatrix, cut, rows[:part], columns)
        one, t1 = seconds(matricization, circuit, cut, rows, columns, threads=1)
        two, t2 = seconds(matricization, circuit, cut, rows, columns, threads=2)
        assert (one[:part] == plain).all() and (one == two).all()
        best = np.minimum(best, [t0 * len(rows) / part, t1, t2])
    return best


print(
    f"{platform.processor() or platform.machine()}, numpy {np.__version__}, k = {K}, best of {REPEATS}; wall s (CPU s)"
)
for name, architecture in NETWORKS.items():
    for prime in (8388593, 2**31 - 1):
        (plain, plain_cpu), (one, one_cpu), (two, two_cpu) = row(architecture, prime)
        print(
            f"{name:29} p={prime:<10} plain {plain:7.2f} ({plain_cpu:7.2f})  one {one:.4f} ({one_cpu:.4f})  two {two:.4f}"
            f"  ratio one {plain / one:6.0f}x (CPU {plain_cpu / one_cpu:6.0f}x)  two {plain / two:6.0f}x",
            flush=True,
        )
