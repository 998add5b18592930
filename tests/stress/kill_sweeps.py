"""Kill sweeps at random moments, two at once on one file, and tear the file's tail: is anything lost, or doubled?

    python tests/stress/kill_sweeps.py --kills 1000

Prints the counts; exit status 1, and what went wrong, if any promise was broken. `make test` runs a shorter one.
"""

import argparse
import dataclasses
import json
import os
import random
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is loaded: OpenMP's threads do not survive a fork

import torch

from convac_lib.data.dataset import Dataset
from convac_lib.experiments import sweep as sweeps
from convac_lib.experiments import training
from convac_lib.experiments.configs import run_configs
from convac_lib.experiments.records import read_records, run_key


def tiny_dataset():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (80, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = (images.float().mean((1, 2, 3)) > 127.5).long()
    return Dataset("noise", images[:60], labels[:60], images[60:], labels[60:], ("dark", "bright"))


DATA = tiny_dataset()
CONFIGS = run_configs([1, 2], [2, 12], [0, 1, 2], epochs=4, batch_size=20)


def acknowledge(pipe):
    """Make a sweep in this process say into the pipe what it has on the disk: records, and epochs of checkpoints."""

    def say(*words):
        os.write(pipe, (json.dumps(words) + "\n").encode())

    def after_append(append):
        def appended(path, records):
            written = append(path, records)
            for record in written:
                say("record", repr(run_key(record)))
            return written

        return appended

    def saved(self, path):
        save(self, path)
        say("saved", str(path), len(self.losses))

    def loaded(self, path):
        found = load(self, path)
        if found:
            say("loaded", str(path), len(self.losses))
        return found

    save, load = training.Training.save, training.Training.load
    training.Training.save, training.Training.load = saved, loaded
    sweeps.append_records = after_append(sweeps.append_records)


def start(out):
    """Fork a sweep of all points; return its process number and the end of the pipe that it speaks into."""
    ear, mouth = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(ear)
            for bars in (sweeps.tqdm, training.tqdm):  # their own lock is shared by all forks; a killed one may hold it
                bars.set_lock(threading.RLock())
            acknowledge(mouth)
            sweeps.sweep(CONFIGS, DATA, out, progress=False)
            status = 0
        except BaseException:  # noqa: BLE001  # a child reports whatever happens to it
            traceback.print_exc()
        finally:  # a child never goes on as its parent
            os._exit(status)
    os.close(mouth)
    return child, ear


def ended(child):
    """Whether a process is over by itself, and well."""
    done, status = os.waitpid(child, os.WNOHANG)
    return bool(done), status


def run_and_kill(out, writers, seconds, chance):
    """Run that many sweeps on one file and kill each at a moment of its own; return what they said, and how many died.

    `seconds` is about the time that a whole sweep takes.
    """
    running = [
        (*start(out), time.monotonic() + seconds * chance.expovariate(1 / chance.choice([0.02, 0.1, 0.4])))
        for _ in range(writers)
    ]
    said, killed = [], 0
    for child, ear, moment in sorted(running, key=lambda sweep: sweep[2]):
        while not (over := ended(child))[0] and time.monotonic() < moment:
            time.sleep(0.001)
        if over[0]:
            assert over[1] == 0, f"a sweep that nobody killed ended with status {over[1]}"
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            killed += 1
        words = b""
        while select.select([ear], [], [], 0)[0] and (part := os.read(ear, 2**16)):
            words += part
        os.close(ear)
        said.append([json.loads(line) for line in words.decode().splitlines()])
    return said, killed


def tear(out, chance):
    """Leave at the end of the file what a power cut may leave, a part of a line, unless it was left there before."""
    content = out.read_bytes() if out.exists() else b""
    if content.endswith(b"\n"):
        line = chance.choice(content.splitlines())
        with open(out, "ab") as file:
            file.write(line[: chance.randrange(1, len(line))])


def check(out, acknowledged):
    found = [repr(run_key(record)) for record in read_records(out)]
    assert len(found) == len(set(found)), "a record is doubled"
    assert acknowledged <= set(found), f"lost: {acknowledged - set(found)}"


def metrics(record):
    return dataclasses.replace(record, seconds=0.0, side_by_side=0)


def same(record, other):
    """Bit for bit, unless trained in other company, which rounds otherwise."""
    if record.side_by_side == other.side_by_side:
        return metrics(record) == metrics(other)
    return max(abs(one - two) for one, two in zip(record.losses, other.losses)) < 1e-3


def survive(kills, seed, folder):
    """Kill that many sweeps; return the counts."""
    chance, counts = random.Random(seed), dict.fromkeys(("killed", "torn tails", "sweeps whole", "acknowledged"), 0)
    start = time.monotonic()
    whole = sweeps.sweep(
        CONFIGS, DATA, folder / "never-killed.jsonl", progress=False
    )  # loads, too, what forks then have
    seconds = time.monotonic() - start
    reference = {run_key(record): record for record in whole}
    while counts["killed"] < kills:
        out = folder / f"{counts['sweeps whole']}.jsonl"
        acknowledged, saved = set(), {}
        while len(read_records(out)) < len(CONFIGS):
            writers = chance.choice([1, 1, 2])
            said, killed = run_and_kill(out, writers, seconds, chance)
            counts["killed"] += killed
            for word, what, *epochs in (words for words_of_one in said for words in words_of_one):
                if word == "record":
                    acknowledged.add(what)
                elif word == "saved":
                    saved[what] = epochs[0]
                elif writers == 1:
                    assert epochs[0] >= saved.get(what, 0), f"epochs lost: {what} went on from {epochs[0]}"
            check(out, acknowledged)
            if chance.random() < 0.3:
                tear(out, chance)
                counts["torn tails"] += 1
                check(out, acknowledged)
        for record in read_records(out):
            assert same(record, reference[run_key(record)]), "a record is not what it would have been"
        counts["sweeps whole"] += 1
        counts["acknowledged"] += len(acknowledged)
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            counts = survive(options.kills, options.seed, Path(folder))
        except AssertionError as error:
            sys.exit(f"broken: {error}")
    print(", ".join(f"{count:,} {what}" for what, count in counts.items()) + "; nothing lost, nothing doubled")
