"""Rank modulo p against the float64 matrix-product limit and python-flint, as ratios taken in one run.

    python benchmarks/rank.py [--sizes 1024 2048 4096 8192] [--threads 1 2] [--repeat 5] [--flint 4096]

The limit is (2/3)k³ operations at torch.matmul's float64 rate: a third of one k×k product. Every round times each
contender once, in turn; the smallest of the rounds counts, and "spread" is the rounds' median over it, less one.
With one thread CPU time is used, which other work on the machine disturbs least; with more, wall-clock time.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

from timing import machine, seconds

SMALL = 2**23 - 15  # the largest prime whose products need no splitting


def compare(k, threads, repeat, flint_size):
    import numpy as np
    import torch
    from flint import nmod_mat

    from convac_lib import rank_modulo

    torch.set_num_threads(threads)
    clock = time.process_time if threads == 1 else time.perf_counter
    rng = np.random.default_rng(0)
    dense = torch.from_numpy(rng.random((k, k)))
    small, large = SMALL, 2**31 - 1
    matrix = rng.integers(0, small, (k, k))

    def full(x, prime):
        assert rank_modulo(x, prime) == k

    contenders = {
        "limit": lambda: dense @ dense,
        f"numpy, p = {small}": lambda: full(matrix, small),
        f"torch, p = {small}": lambda: full(torch.from_numpy(matrix), small),
        f"numpy, p = {large}": lambda: full(matrix, large),
    }
    results = seconds(contenders, repeat, clock)
    product, _ = results.pop("limit")
    flint = None
    if k <= flint_size:
        start = clock()
        assert nmod_mat(k, k, matrix.ravel().tolist(), small).rank() == k
        flint = clock() - start
    for name, (best, spread) in results.items():
        over = f"{flint / best:8.1f}×" if flint else "       –"
        print(
            f"{k:6} {threads:8}  {name:24} {best:9.3f} s {best / product * 3:9.2f}× {over:>10} {spread:8.0%}"
            f"   (limit {product / 3:.3f} s, {2 * k**3 / product / 1e9:.0f} GFLOP/s)",
            flush=True,
        )


def memory(k):
    import numpy as np

    from convac_lib import rank_modulo

    matrix = np.random.default_rng(0).integers(0, SMALL, (k, k))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert rank_modulo(matrix, SMALL) == k
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"k = {k}: peak {after / 2**20:.2f} GiB resident, {before / 2**20:.2f} GiB of it before the rank was asked for"
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 2048, 4096, 8192])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--flint", type=int, default=4096, help="largest size that flint is timed at")
    parser.add_argument("--child", choices=["compare", "memory"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "compare":
        for k in options.sizes:
            compare(k, options.threads[0], options.repeat, options.flint)
    elif options.child == "memory":
        memory(options.sizes[0])
    else:
        command = [sys.executable, __file__, "--repeat", str(options.repeat), "--flint", str(options.flint)]
        for threads in options.threads:
            print(f"{machine('numpy', 'torch', 'python-flint')}; n = {options.repeat} rounds")
            heads = f"{'k':>6} {'threads':>8}  {'':24} {'time':>11} {'/ limit':>10} {'flint /':>10} {'spread':>8}"
            print(heads, flush=True)
            environment = os.environ | {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
            sizes = [*map(str, options.sizes)]
            run = [*command, "--child", "compare", "--threads", str(threads), "--sizes", *sizes]
            subprocess.run(run, env=environment, check=True)
        subprocess.run([*command, "--child", "memory", "--sizes", str(max(options.sizes))], check=True)


if __name__ == "__main__":
    main()
