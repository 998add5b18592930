"""The layer's forward and backward pass against F.conv2d's of the same shape, as ratios taken in one run.

    python benchmarks/layer.py [--threads 1 2] [--batch 128] [--repeat 7] [--border neutral] [--before COMMIT]
                               [--device cpu]

Every round times each contender once, in turn; the smallest of the rounds counts, and "spread" is the rounds' median
over it, less one, of the contender that varied most. The unit is conv2d in the faster of its two memory formats. With
one thread CPU time is used, which other work on the machine disturbs least; with more, wall-clock time. Memory is the
peak resident size over what the process held before the tensors were made, as a ratio to conv2d's, channels last.
On a GPU (--device cuda) time is wall-clock time until the GPU is idle, float32 is float32 and not TF32, and memory is
what torch allocates there.
"before" is the layer of another commit, taken from git's history.
Other instruction sets are imitated by ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 and
NUMBA_CPU_NAME=znver3.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from timing import machine, seconds

CASES = ((64, 16, 3, 1), (64, 16, 2, 2), (128, 16, 3, 1), (32, 32, 3, 1), (64, 16, 5, 1), (64, 32, 3, 2))
PEER_CASE, PEER_BATCH = (64, 16, 2, 2), 16  # stride = kernel; some peers hold a number for each pair of channels


@cache
def library_of(commit):
    """The layer's module as another commit has it, beside today's."""
    from convac_lib.networks import functional

    today = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "convac_lib"}
    with TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit, "convac_lib"], check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        kernel = Path(folder, "convac_lib/networks/window_kernel.py")  # torch knows each operator's name once
        kernel.write_text(kernel.read_text("utf-8").replace('"convac::', '"convac_before::'), "utf-8")
        for name in today:
            del sys.modules[name]
        sys.path.insert(0, folder)
        before = import_module(functional.__name__)
        sys.path.remove(folder)
    sys.modules.update(today)
    return before


def contenders(case, batch, names, device, border="neutral", before=None):
    """Each a function of (x, weight), with its own x and weight, in the memory format that suits it."""
    import torch
    from torch.nn.functional import conv2d, unfold

    from convac_lib import generalized_conv2d
    from convac_lib.networks.functional import scaled_generalized_conv2d

    C, H, K, S = case
    formats = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}

    def drawn(layout):
        options = {"memory_format": formats[layout], "device": device}
        x = torch.empty(batch, C, H, H, **options).normal_()
        weight = torch.empty(C, C, K, K, **options).normal_(std=C**-0.5)
        return x.requires_grad_(), weight.requires_grad_()

    def plain(x, weight):
        return conv2d(x, weight, stride=S, padding=0 if K == S or border == "valid" else K // 2)

    def one_liner(x, weight):  # what a user would write, of the windows that fit
        patches = unfold(x, K, stride=S).unflatten(1, (C, K * K))
        return torch.einsum("cdk,ndkp->nckp", weight.flatten(2), patches).prod(2)

    def linear(x, weight):
        return generalized_conv2d(x, weight, stride=S, border=border)

    def as_before(x, weight):
        return library_of(before).generalized_conv2d(x, weight, stride=S, border=border)

    def scaled(x, weight):
        return scaled_generalized_conv2d(x, None, weight, stride=S, border=border)[0]

    functions = {
        "conv2d nchw": (plain, "nchw"),
        "conv2d nhwc": (plain, "nhwc"),
        "eager": (linear, "nhwc"),
        "before": (as_before, "nhwc"),
        "compiled": (torch.compile(linear, dynamic=False), "nhwc"),
        "scaled": (scaled, "nhwc"),
        "one-liner": (one_liner, "nchw"),
    }
    return {name: (functions[name][0], *drawn(functions[name][1])) for name in names}


def cirkit(case, batch):
    import torch
    from cirkit.backend.torch.graph.modules import FoldIndexInfo
    from cirkit.backend.torch.layers.inner import TorchHadamardLayer, TorchSumLayer
    from cirkit.backend.torch.parameters.nodes import TorchTensorParameter
    from cirkit.backend.torch.parameters.parameter import TorchParameter

    C, H, K, _ = case
    parameter = TorchTensorParameter(C, C, num_folds=K * K)  # a fold for every offset of the window
    parameter.reset_parameters()
    folds = FoldIndexInfo([parameter], {0: [[]] * (K * K)}, [(0, offset) for offset in range(K * K)])
    weight = TorchParameter([parameter], {}, [parameter], fold_idx_info=folds)
    sums, products = TorchSumLayer(C, C, weight=weight, num_folds=K * K), TorchHadamardLayer(C, arity=K * K)
    patches = torch.randn(K * K, 1, batch * (H // K) ** 2, C, requires_grad=True)
    return lambda x, _: products(sums(x)[None]), patches, next(sums.parameters())


def spflow(case, batch):
    import numpy as np
    import torch
    from spflow.meta.data.scope import Scope
    from spflow.modules.conv.prod_conv import ProdConv
    from spflow.modules.conv.sum_conv import SumConv
    from spflow.modules.module_shape import ModuleShape

    C, H, K, _ = case

    class Given(torch.nn.Module):  # what stands below: log-likelihoods as they come
        out_shape, scope = ModuleShape(features=H * H, channels=C, repetitions=1), Scope(list(range(H * H)))
        feature_to_scope = np.array([[Scope([pixel])] for pixel in range(H * H)])

        def log_likelihood(self, data, cache=None):
            return data

    sums = SumConv(Given(), out_channels=C, kernel_size=K)
    products = ProdConv(sums, K, K)
    logarithms = torch.rand(batch, H * H, C, 1).log().requires_grad_()
    return lambda x, _: products.log_likelihood(x), logarithms, sums.logits


PEERS = {"cirkit": cirkit, "spflow": spflow}  # their packages; cirkit is handed its patches already cut


def passes(function, *inputs):
    """One forward and backward pass, to be timed."""
    import torch

    def run():
        y = function(*inputs)
        torch.autograd.grad(y, inputs, torch.ones_like(y))

    return run


def best_of(contenders, repeat, clock):
    """Each contender's smallest time, and the spread of the one that varied most."""
    runs = {name: passes(*contender) for name, contender in contenders.items()}
    seconds(runs, 2, clock)  # compiles, and fills the caches
    times = seconds(runs, repeat, clock)
    return {name: best for name, (best, _) in times.items()}, max(spread for _, spread in times.values())


def set_up(threads, device):
    """Prepare the process, and return its clock."""
    import torch

    torch.set_num_threads(threads)
    torch.backends.cudnn.allow_tf32 = False

    def finished():
        torch.cuda.synchronize()
        return time.perf_counter()

    return finished if device == "cuda" else time.process_time if threads == 1 else time.perf_counter


def speed(threads, batch, repeat, device, border, before):
    import torch

    clock = set_up(threads, device)
    names = ("eager", "compiled", "scaled", "one-liner", *["before"] * bool(before))
    where = torch.cuda.get_device_name() if device == "cuda" else f"{threads} thread{'s' * (threads > 1)}"
    print(f"\n{where}, border {border!r}, N = {batch}, best of {repeat}")
    print(f"{'(C, H, K, S)':18} {'conv2d':>9} " + " ".join(f"{name:>10}" for name in names) + f" {'spread':>7}")
    ratios = {name: [] for name in names}
    for case in CASES:
        timed = contenders(case, batch, ("conv2d nchw", "conv2d nhwc", *names), device, border, before)
        best, spread = best_of(timed, repeat, clock)
        unit = min(best["conv2d nchw"], best["conv2d nhwc"])
        for name in names:
            ratios[name].append(best[name] / unit)
        row = " ".join(f"{ratios[name][-1]:10.2f}" for name in names)
        print(f"{case!s:18} {unit * 1e3:6.2f} ms {row} {spread:7.0%}", flush=True)
    print(f"{'median':28} " + " ".join(f"{median(ratios[name]):10.2f}" for name in names))
    print(f"{'largest':28} " + " ".join(f"{max(ratios[name]):10.2f}" for name in names))
    overhead = [scaled / eager for scaled, eager in zip(ratios["scaled"], ratios["eager"])]
    print(f"scaled over eager: median {median(overhead):.2f}, largest {max(overhead):.2f}")
    if device == "cpu":
        compare_peers(repeat, clock)


def compare_peers(repeat, clock):
    found = contenders(PEER_CASE, PEER_BATCH, ("conv2d nhwc", "eager", "one-liner"), "cpu")
    for name, peer in PEERS.items():
        if find_spec(name):
            found[name] = peer(PEER_CASE, PEER_BATCH)
        else:
            print(f"{name} is not installed: skipped")
    best, spread = best_of(found, repeat, clock)
    unit = best.pop("conv2d nhwc")
    row = ", ".join(f"{name} {t / unit:.2f}" for name, t in best.items())
    print(f"peers at {PEER_CASE}, N = {PEER_BATCH}, over conv2d ({unit * 1e3:.1f} ms, spread {spread:.0%}): {row}")


def peak(name, case, batch, device):
    """KiB of the process, or of the GPU, over those it held before the tensors were made."""
    import torch

    set_up(1, device)
    C, H, K, S = case

    def run(batch, H):
        passes(*contenders((C, H, K, S), batch, [name], device)[name])()

    def held():
        if device == "cuda":
            return torch.cuda.max_memory_allocated() // 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    run(1, 2 * K * S)  # what loads once
    before = held()
    run(batch, H)
    print(held() - before)


def memory(batch, device):
    print(f"\npeak memory over conv2d's, N = {batch}")
    for case in CASES:
        peaks = {}
        for name in ("conv2d nhwc", "eager", "scaled"):
            command = [sys.executable, __file__, "--child", name, "--case", *map(str, case), "--batch", str(batch)]
            command += ["--device", device]
            peaks[name] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        unit = peaks.pop("conv2d nhwc")
        row = ", ".join(f"{name} {size / unit:.2f}" for name, size in peaks.items())
        print(f"{case!s:18} {unit / 2**10:6.1f} MiB: {row}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--border", choices=("neutral", "valid"), default="neutral")
    parser.add_argument("--before", metavar="COMMIT")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--case", type=int, nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        peak(options.child, options.case, options.batch, options.device)
    elif options.child:
        speed(options.threads[0], options.batch, options.repeat, options.device, options.border, options.before)
    else:
        print(machine("torch", "numba"), flush=True)
        for threads in options.threads:
            command = [sys.executable, __file__, "--child", "speed", "--threads", str(threads)]
            command += ["--batch", str(options.batch), "--repeat", str(options.repeat), "--device", options.device]
            command += ["--border", options.border]
            command += ["--before", options.before] if options.before else []
            subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": str(threads)}, check=True)
        memory(options.batch, options.device)


if __name__ == "__main__":
    main()
