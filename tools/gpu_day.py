"""Use a GPU for a few minutes: check the library on it, time the layer, and train as much of the protocol as fits.

    python tools/gpu_day.py --images path/to/cifar10-jpeg.tar.xz --minutes 12 --out gpu-day

It needs no network, one GPU, the folder or archive of images, and of the library's packages only torch, numpy, pillow,
scipy, psutil, filelock, safetensors, threadpoolctl, tqdm, python-flint and array-api-compat. Its parts, in this order:

- checks: the layer, ranks and training on the GPU against the same on the CPU, into <out>/checks.txt;
- layer: the table of benchmarks/layer.py, eager and compiled, into <out>/layer.txt, for at most a quarter of the time;
- training: the protocol of *Experiments on standard ConvNets*, the longest networks first, into a file of records like
  any other, <out>/<source>-gpu.jsonl.

Every epoch leaves a checkpoint in the folder <out>.checkpoints. Run it again with the same --out, and it continues. A
network that cannot end in time makes room for a shorter one. At the end it prints what it did not reach. The exit
status is 1 if a check fails. Where the library is not installed, set PYTHONPATH to the folder of this repository.
"""

import argparse
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import fields
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_checks import layer_checks, rank_checks, training_checks
from torch import Tensor

from convac_lib.data.augmentation import AUGMENTATIONS
from convac_lib.data.dataset import Dataset
from convac_lib.data.folder import folder
from convac_lib.errors import ConvacError
from convac_lib.experiments.configs import RunConfig, run_configs
from convac_lib.experiments.jobs import checkpoint_of, describe, jobs_of, train_job
from convac_lib.experiments.machine import processor
from convac_lib.experiments.records import append_records

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("checks", "layer", "training")
WIDE = (512, 1024, 2048)  # further channels of B = 1, which the protocol asks for
MARGIN = 10  # seconds kept for ending


def check(device: torch.device, dataset: Dataset, out: Path) -> bool:
    """Run all checks, write them into a file, and return whether they passed."""
    passed, compiled = True, device.type == "cuda"  # on the CPU it only takes time
    with (out / "checks.txt").open("w", encoding="utf-8") as file:
        for part in (layer_checks(device, compiled), rank_checks(device), training_checks(device, dataset)):
            try:
                for one in part:
                    print(one, flush=True)
                    print(one, file=file, flush=True)
                    passed &= one.passed
            except (
                ArithmeticError,
                LookupError,
                RuntimeError,
                TypeError,
                ValueError,
            ):  # training has its own processes
                passed = False
                traceback.print_exc(file=file)
                print(f"WRONG {part.__name__} stopped at an error: see checks.txt", flush=True)
    return passed


def time_layer(device: torch.device, out: Path, seconds: float) -> None:
    """Print the layer's table, as far as it goes in this time."""
    command = [sys.executable, str(ROOT / "benchmarks/layer.py"), "--device", device.type, "--threads", "1"]
    with (out / "layer.txt").open("w", encoding="utf-8") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            told = f"benchmarks/layer.py ended with status {status}\n" if (status := process.wait(seconds)) else ""
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the processes that it started, too
            process.wait()
            told = f"not reached: the rest of the layer's table, after {seconds:.0f} s\n"
    print((out / "layer.txt").read_text("utf-8"), told, sep="", end="", flush=True)


class OutOfTimeError(Exception):
    """A training that cannot end in time."""


def watch(deadline: float, epochs: int) -> Callable[[int, str], None]:
    """A function for `train_job` that raises `OutOfTimeError` once the rest of the epochs would last too long."""
    began, before, each = time.time(), -1, 0.0

    def progress(done: int, _: str) -> None:
        nonlocal began, before, each
        now = time.time()
        if before < 0:
            began, before = now, done  # it may continue from a checkpoint
        elif done > before:
            each = (now - began) / (done - before)
        if done < epochs and now + each * (epochs - done) > deadline:
            raise OutOfTimeError(f"{done} of {epochs} epochs are in the checkpoint")

    return progress


DATA: list[Dataset] = []  # of a process that trains


def receive(contents: dict[str, Any]) -> None:
    """Keep the data set of a new process; NumPy arrays pass from process to process where shared memory is short."""
    torch.backends.cudnn.allow_tf32 = False  # or a convolution in float32 would round its factors to 11 bits
    tensors = {name: torch.from_numpy(v) if isinstance(v, np.ndarray) else v for name, v in contents.items()}
    DATA[:] = [Dataset(**tensors)]


def work(job: list[RunConfig], out: Path, checkpoints: Path, deadline: float) -> str:
    """Train a job and record it; return why it was not reached, or nothing."""
    if time.time() > deadline:
        return "not begun in this run"
    (dataset,) = DATA
    try:
        append_records(out, train_job(job, dataset, checkpoints, watch(deadline, job[0].epochs)))
    except (OutOfTimeError, ConvacError) as error:
        return str(error)
    checkpoint_of(job, dataset, checkpoints).unlink(missing_ok=True)
    return ""


def protocol(options: argparse.Namespace) -> list[RunConfig]:
    """The runs that were asked for, and the wider ones of B = 1."""
    configs = []
    for augment in options.augment:
        settings = {"augment": augment, "epochs": options.epochs}
        configs += run_configs(options.B, options.channels, options.seeds, **settings)
        if options.wide:
            configs += run_configs([1], options.wide, options.seeds, **settings)
    return configs


def train_protocol(options: argparse.Namespace, dataset: Dataset, deadline: float) -> list[str]:
    """Train what fits before the deadline; return what was not reached."""
    out = options.out / f"{dataset.source}-gpu.jsonl"
    checkpoints = options.out.with_name(f"{options.out.name}.checkpoints")
    jobs = jobs_of(protocol(options), dataset, out)
    tensors = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    contents = {name: v.numpy() if isinstance(v, Tensor) else v for name, v in tensors.items()}
    missing = []
    print(f"training {sum(map(len, jobs))} networks in {len(jobs)} jobs, {options.workers} at once", flush=True)
    with ProcessPoolExecutor(options.workers, get_context("spawn"), receive, (contents,)) as pool:
        futures = {pool.submit(work, job, out, checkpoints, deadline): job for job in jobs}
        for future in as_completed(futures):
            job = futures[future]
            name = f"{describe(job)}, {job[0].augment}, {job[0].epochs} epochs"
            if why := future.result():
                missing.append(f"{name}: {why}")
            else:
                print(f"{time.strftime('%H:%M:%S')} trained {name}", flush=True)
    return missing


def images_of(path: Path) -> Dataset:
    """The images of a folder, or of an archive of its contents, whose name is the source."""
    if path.is_dir():
        return folder(path, progress=False)
    with tempfile.TemporaryDirectory() as place, tarfile.open(path) as archive:
        target = Path(place) / path.name.split(".")[0]
        archive.extractall(target, filter="data")
        return folder(target, progress=False)


def main() -> int:
    """Run the parts that were asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--images", type=Path, required=True, help="a folder of images, or a tar archive of its contents")
    add("--minutes", type=float, default=12, help="when to end, from the start (default: 12)")
    add("--out", type=Path, default=Path("gpu-day"), help="the folder of the results (default: gpu-day)")
    add("--parts", nargs="+", choices=PARTS, default=PARTS, help="these alone")
    add("--B", type=int, nargs="+", default=[1, 2, 3, 5], help="sides of the convolution windows")
    add("--channels", type=int, nargs="+", default=[4, 8, 16, 32, 64, 128, 256], metavar="C", help="of every layer")
    add("--wide", type=int, nargs="*", default=WIDE, metavar="C", help="further channels, of B = 1 alone")
    add("--augment", nargs="+", choices=AUGMENTATIONS, default=["spatial", "colour"], help="augmentations")
    add("--epochs", type=int, default=12, help="of each network; the whole protocol has 300 (default: 12)")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="seeds of the initial weights")
    add("--workers", type=int, default=4, help="networks that train at once, each in a process (default: 4)")
    add("--cpu", action="store_true", help="try the script on the processor, with a few small networks")
    options = parser.parse_args()
    deadline = time.time() + 60 * options.minutes - MARGIN
    if options.cpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # for the processes that it starts, too
    elif not torch.cuda.is_available():
        parser.error("torch finds no GPU on this machine; use --cpu to try the script without one")
    device = torch.device("cpu" if options.cpu else "cuda")
    torch.backends.cudnn.allow_tf32 = False
    options.out.mkdir(parents=True, exist_ok=True)
    print(f"{processor() if options.cpu else torch.cuda.get_device_name()}, torch {torch.__version__}", flush=True)
    passed = True
    dataset = images_of(options.images)
    print(f"{dataset}, digest {dataset.digest[:16]}", flush=True)
    if "checks" in options.parts:
        passed = check(device, dataset, options.out)
        print("all checks passed" if passed else "A CHECK FAILED", flush=True)
    if "layer" in options.parts:
        time_layer(device, options.out, min(15 * options.minutes, max(0.0, deadline - time.time())))
    if "training" in options.parts:
        missing = train_protocol(options, dataset, deadline)
        print(f"not reached: {len(missing)} jobs", *missing, sep="\n", flush=True)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
