"""A sweep: every point once, whatever is killed, here and on a cluster."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import dask
import psutil
import pytest
import torch
from distributed import Client, LocalCluster

from convac_lib.__main__ import main
from convac_lib.data.dataset import Dataset
from convac_lib.errors import ArchitectureError, BudgetError, ConvacError, DataError
from convac_lib.experiments.configs import RunConfig, run_configs
from convac_lib.experiments.dask_workers import require_workers, workers
from convac_lib.experiments.estimates import memory_of, require_room, seconds_of, shapes_of
from convac_lib.experiments.jobs import TOGETHER, build, checkpoint_of, jobs_of, require_writable
from convac_lib.experiments.records import read_records, run_key
from convac_lib.experiments.sweep import sweep
from convac_lib.experiments.training import train

SHORT = {"epochs": 2, "batch_size": 20}


@pytest.fixture(scope="module")
def dataset():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (80, 1, 8, 8), dtype=torch.uint8, generator=generator)
    labels = (images.float().mean((1, 2, 3)) > 127.5).long()
    return Dataset("noise", images[:60], labels[:60], images[60:], labels[60:], ("dark", "bright"))


def timeless(record):
    return dataclasses.replace(record, seconds=0.0)


def test_each_point_is_what_train_makes_of_it(dataset, tmp_path):
    """C = 12 is trained alone, so that the numbers are the same bit for bit."""
    (record,) = sweep([RunConfig(B=2, channels=12, seed=3, **SHORT)], dataset, tmp_path / "a.jsonl", progress=False)
    network = build(RunConfig(B=2, channels=12, seed=3), dataset)
    alone = train(network, dataset, **SHORT, augment="spatial", progress=False)
    assert timeless(record) == dataclasses.replace(alone, weights_seed=3, seconds=0.0)


def test_points_that_are_there_are_not_trained_again_and_the_longest_come_first(dataset, tmp_path, monkeypatch):
    out, trained = tmp_path / "a.jsonl", []
    import convac_lib.experiments.sweep as module

    real = module.train_job
    monkeypatch.setattr(module, "train_job", lambda job, *rest: (trained.append(job), real(job, *rest))[1])
    sweep(run_configs([1], [2, 12], [0], **SHORT), dataset, out, progress=False)
    points = run_configs([3, 1], [2, 12], [0, 1], **SHORT)
    records = sweep(points, dataset, out, progress=False)
    assert [[(point.B, point.channels, point.seed) for point in job] for job in trained] == [
        [(1, 12, 0)], [(1, 2, 0)],
        [(3, 12, 0)], [(3, 12, 1)], [(3, 2, 0), (3, 2, 1)], [(1, 12, 1)], [(1, 2, 1)],
    ]  # fmt: skip
    assert {run_key(record) for record in records} == {point.key(dataset) for point in points}
    assert records == read_records(out) and len(records) == 8
    assert [record.side_by_side for record in records if record.architecture.layers[0].channels == 12] == [1] * 4
    assert not any((tmp_path / "a.jsonl.checkpoints").iterdir())


def test_every_setting_of_a_point_reaches_its_record(dataset, tmp_path):
    point = RunConfig(2, 4, 7, augment="none", epochs=1, batch_size=30, learning_rate=0.01, precision="bfloat16")
    (record,) = sweep([point], dataset, tmp_path / "a.jsonl", progress=False)
    assert run_key(record) == point.key(dataset)
    assert (record.weights_seed, record.augment, record.epochs, record.batch_size) == (7, "none", 1, 30)
    assert (record.learning_rate, record.precision, record.source) == (0.01, "bfloat16", "noise")


def test_a_bar_for_the_sweep_and_one_for_each_model(dataset, tmp_path, capfd):
    sweep(run_configs([2], [4, 12], [0, 1], **SHORT), dataset, tmp_path / "a.jsonl")
    out, err = capfd.readouterr()
    assert out == "" and "4/4" in err
    for words in ("B = 2, C = 12, seed 0:", "B = 2, C = 4, seed 0, 1:", "2/2", "accuracy "):
        assert words in err


def test_a_damaged_checkpoint_stops_in_one_sentence(dataset, tmp_path):
    point = RunConfig(2, 12, **SHORT)
    checkpoint = checkpoint_of([point], dataset, tmp_path / "a.jsonl.checkpoints")
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError) as error:
        sweep([point], dataset, tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == f"{checkpoint} is no checkpoint of this training; remove it to start again"


def test_a_point_that_cannot_be_built_is_one_sentence(dataset, tmp_path):
    with pytest.raises(ConvacError) as error:
        sweep([RunConfig(0, 4, **SHORT)], dataset, tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == "B must be an integer from 1 to 18446744073709551615, not 0"


def test_kills_at_random_moments_lose_nothing_and_double_nothing(record_property):
    script = Path(__file__).parents[1] / "stress" / "kill_sweeps.py"
    run = subprocess.run(
        [sys.executable, script, "--kills", "10"], capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    killed, _, whole, acknowledged = map(int, re.findall(r"\d+", run.stdout))
    assert killed >= 10 and 0 < acknowledged <= 12 * whole  # a kill between writing and saying so leaves one unsaid
    record_property("sweeps killed at random moments: nothing lost, nothing doubled", killed)


@pytest.mark.filterwarnings("ignore")  # of the cluster's own, as its workers die
def test_a_cluster_gives_the_points_of_a_killed_worker_to_another(dataset, tmp_path):
    points = run_configs([2], [12], range(6), epochs=30, batch_size=20)
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": {}}),  # would stay in this process's environment
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, resources={"GPU": 1}) as cluster,
        Client(cluster) as client,
    ):
        (worker, *_), folder = client.run(os.getpid).values(), tmp_path / "a.jsonl.checkpoints"

        def kill():
            while not (folder.is_dir() and any(folder.iterdir())):
                time.sleep(0.01)
            os.kill(worker, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        records = sweep(points, dataset, tmp_path / "a.jsonl", client=client, resources={"GPU": 1}, progress=False)
        killer.join()
        assert worker not in client.run(os.getpid).values()
    here = sweep(points, dataset, tmp_path / "b.jsonl", progress=False)
    assert len(records) == 6
    assert sorted(map(timeless, records), key=str) == sorted(map(timeless, here), key=str)


def test_a_cluster_leaves_the_environment_as_it_was():
    """Dask's own settings would stay, and make whatever this process starts later give all freed memory back."""
    before = dict(os.environ)
    with workers(count=1) as client:
        assert client.submit(os.getpid).result() != os.getpid()
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--epochs 0", "epochs must be an integer of at least 1, not 0"),
        ("--batch-size -3", "batch size must be an integer of at least 1, not -3"),
        ("--learning-rate nan", "learning rate must be a finite number above 0, not nan; 0.001 is usual"),
        ("--learning-rate inf", "learning rate must be a finite number above 0, not inf; 0.001 is usual"),
        ("--learning-rate 0", "learning rate must be a finite number above 0, not 0.0; 0.001 is usual"),
        ("--precision half", "unknown precision 'half'; use one of float32, bfloat16"),
        ("--augment color", "unknown augment 'color'; use one of none, spatial, colour"),
        ("--B 0", "B must be an integer from 1 to 18446744073709551615, not 0"),
        ("--channels -1", "channels must be an integer from 1 to 18446744073709551615, not -1"),
        ("--seeds -1", "seed must be an integer from 0 to 18446744073709551615, not -1"),
        ("--workers 0", "workers must be an integer of at least 1, not 0"),
        ("--workers 2 --scheduler tcp://127.0.0.1:1",
         "a scheduler has its own workers; give a scheduler or a number of workers, not both"),
        ("--scheduler somewhere",
         "a scheduler's address is tcp://HOST:PORT, as in tcp://10.0.0.1:8786, not 'somewhere'"),
        ("--scheduler tcp://here:70000",
         "a scheduler's address is tcp://HOST:PORT, as in tcp://10.0.0.1:8786, not 'tcp://here:70000'"),
    ],
)  # fmt: skip
def test_settings_are_checked_before_data_are_read_or_workers_started(capsys, tmp_path, monkeypatch, words, sentence):
    monkeypatch.setattr("convac_lib.data.load.load", None)
    monkeypatch.setattr("convac_lib.experiments.dask_workers.workers", None)
    monkeypatch.chdir(tmp_path)
    assert main(f"sweep --data cifar10 --B 1 --channels 4 --out new/a.jsonl {words}".split()) == 2
    assert capsys.readouterr() == ("", f"convac: {sentence}\n") and not any(tmp_path.iterdir())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_not_waited_for():
    with pytest.raises(ConvacError) as error:
        require_workers(None, None, gpu=True)
    assert str(error.value) == (
        "torch finds no GPU on this machine; leave out --gpu, or give a --scheduler whose workers have one"
    )


@pytest.mark.parametrize(
    ("values", "kind", "sentence"),
    [
        (([], [4], [0]), ConvacError, "a sweep needs at least one value of B, and none was given"),
        (([1], [4], ()), ConvacError, "a sweep needs at least one value of seeds, and none was given"),
        (([1], 4, [0]), ConvacError, "channels must be a list of integers, as in [4], not 4"),
        (([10**5000], [4], [0]), ConvacError,
         "B must be an integer from 1 to 18446744073709551615, not 1.00e+5000"),
        (([1], ["4"], [0]), ConvacError, "channels must be an integer from 1 to 18446744073709551615, not '4'"),
        ((range(1, 1002), range(1, 1001), [0]), BudgetError,
         "a sweep trains at most 1,000,000 networks, and these are 1,001,000; split it"),
    ],
)  # fmt: skip
def test_points_that_make_no_sweep_are_one_sentence(values, kind, sentence):
    with pytest.raises(ConvacError) as error:
        run_configs(*values)
    assert (type(error.value), str(error.value)) == (kind, sentence)


def test_a_value_that_is_given_twice_is_one_and_many_seeds_go_in_groups(dataset, tmp_path):
    assert run_configs([1, 2, 1], [4, 4], [0]) == [RunConfig(1, 4), RunConfig(2, 4)]
    jobs = jobs_of(run_configs([1], [4], range(10**5)), dataset, tmp_path / "a.jsonl")
    assert sum(map(len, jobs)) == 10**5 and max(map(len, jobs)) == TOGETHER
    require_room(jobs, shapes_of(dataset))  # as many as go side by side, and no more


@pytest.mark.parametrize(
    ("shape", "words", "remedy"),
    [
        ((4, 8), "8×4", "crop or resize them to 4×4"),
        ((6, 6), "6×6", "crop or resize them to 4×4"),
        ((1, 1), "1×1", "use larger ones"),
    ],
)
def test_images_that_are_not_halved_to_one_pixel_are_one_sentence(dataset, tmp_path, shape, words, remedy):
    height, width = shape
    cut = {f"{split}_images": getattr(dataset, f"{split}_images")[:, :, :height, :width] for split in ("train", "test")}
    with pytest.raises(ArchitectureError) as error:
        sweep([RunConfig(1, 4)], dataclasses.replace(dataset, **cut), tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == (
        f"the images of noise are {words} pixels, and these networks read square images whose side is a power of two "
        f"of at least 2; {remedy}"
    )


def test_a_file_of_records_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "b.jsonl.checkpoints").write_text("")
    os.mkfifo(tmp_path / "pipe")
    another = "name another file of records"
    for out, sentence in (
        (tmp_path, f"cannot write {tmp_path}: Is a directory; name a file, not a folder"),
        (tmp_path / "pipe", f"cannot write {tmp_path}/pipe: it is no plain file; name another file"),
        (tmp_path / "b.jsonl",
         f"cannot write into {tmp_path}/b.jsonl.checkpoints: it is not a folder; remove it, or {another}"),
        (tmp_path / "file" / "a", (
            f"cannot write {tmp_path}/file/a: Not a directory; "
            "a part of this path is a file, not a folder, so name another place")),
        (tmp_path / ("x" * 300), f"cannot write {tmp_path}/{'x' * 300}: File name too long; use a shorter name"),
    ):  # fmt: skip
        with pytest.raises(DataError) as error:
            require_writable(out)
        assert str(error.value) == sentence
    require_writable(tmp_path / "new" / "folder" / "a.jsonl")
    assert not (tmp_path / "new").exists()


def test_a_checkpoint_that_is_a_pipe_is_refused_at_once(dataset, tmp_path):
    point = RunConfig(2, 12, **SHORT)
    checkpoint = checkpoint_of([point], dataset, tmp_path / "a.jsonl.checkpoints")
    checkpoint.parent.mkdir()
    os.mkfifo(checkpoint)
    with pytest.raises(DataError) as error:
        sweep([point], dataset, tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == (
        f"cannot read the checkpoint {checkpoint}: it is no plain file; remove it to start again"
    )


def test_a_sweep_too_large_for_the_memory_names_one_that_fits(dataset, monkeypatch):
    shapes = shapes_of(dataset)

    def sentence(free, points, workers=1):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": free}))
        with pytest.raises(BudgetError) as error:
            require_room([[point] for point in points], shapes, workers, start=workers > 1)
        return str(error.value)

    one = memory_of(RunConfig(3, 1000), 1, shapes)
    assert sentence(one - 1, [RunConfig(3, 1000), RunConfig(3, 12)]) == (
        "training B = 3 and C = 1,000 needs about 0.9 GiB of memory, and 0.9 GiB are free; use at most 999 channels"
    )
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("memory", (), {"available": one}))
    require_room([[RunConfig(3, 1000)], [RunConfig(3, 12)]], shapes)
    assert sentence(2 * 10**9, [RunConfig(3, 1000), RunConfig(3, 1000, 1)], 2) == (
        "training B = 3 and C = 1,000 on 2 workers needs about 2.5 GiB of memory, and 1.9 GiB are free; "
        "use 1 worker, or use at most 728 channels"
    )
    assert sentence(10**9, [RunConfig(9999, 1)]) == (
        "training B = 9,999 and C = 1 needs about 11 GiB of memory, and 0.9 GiB are free; use B = 2,685 or less"
    )
    assert sentence(10**3, [RunConfig(1, 1)]) == (
        "training B = 1 and C = 1 needs about 0.1 GiB of memory, and 0.0 GiB are free; use smaller images, or fewer"
    )


MEASURE = """
import sys, threading, time
import psutil, torch
from convac_lib.data.dataset import Dataset
from convac_lib.experiments.configs import RunConfig
from convac_lib.experiments.estimates import memory_of, shapes_of
from convac_lib.experiments.jobs import train_job

B, C, together, size, n, augment, folder = [int(word) for word in sys.argv[1:6]] + sys.argv[6:]
images, labels = torch.randint(256, (n, 3, size, size), dtype=torch.uint8), torch.randint(10, (n,))
dataset = Dataset("noise", images, labels, images, labels, tuple("0123456789"))
job = [RunConfig(B, C, seed, epochs=1, augment=augment) for seed in range(together)]
process = psutil.Process()
before, peak, over = process.memory_info().rss, 0, threading.Event()

def watch():
    global peak
    while not over.wait(0.001):
        peak = max(peak, process.memory_info().rss)

watcher = threading.Thread(target=watch)
watcher.start()
train_job(job, dataset, folder)
over.set()
watcher.join()
print((peak - before) / memory_of(job[0], together, shapes_of(dataset)))
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason="the memory of a CPU is measured")
@pytest.mark.parametrize(
    "words",
    ["3 1000 1 4 64 spatial", "1 64 1 32 1000 spatial", "1 4 1 32 2000 colour", "2 8 8 16 500 none"],
)
def test_what_training_takes_was_estimated_within_a_factor_of_2(tmp_path, words):
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, *words.split(), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert 0.5 < float(run.stdout) < 2


def test_the_time_that_a_sweep_takes_grows_with_its_work(dataset):
    short = seconds_of([[RunConfig(2, 12, epochs=10)]], dataset)
    assert short > 0 and seconds_of([], dataset) == 0
    assert seconds_of([[RunConfig(2, 12, epochs=10**6)]], dataset) > 100 * short


def test_a_worker_without_memory_is_one_sentence(dataset, tmp_path, monkeypatch):
    def no_memory(*given):
        torch.empty(2**60)

    monkeypatch.setattr("convac_lib.experiments.jobs.build", no_memory)
    with pytest.raises(BudgetError) as error:
        sweep([RunConfig(2, 12, **SHORT)], dataset, tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == (
        "there was not enough memory to train B = 2, C = 12, seed 0; use fewer channels, a smaller batch size "
        "or fewer workers"
    )


@pytest.mark.filterwarnings("ignore")  # of the cluster's own, as its workers die
def test_workers_that_die_whatever_is_done_are_one_sentence(tmp_path):
    """A process that is short of memory is killed, and so is the next one in its place."""
    words = f"sweep --data digits --B 2 --channels 64 --epochs 1000 --workers 1 --out {tmp_path / 'a.jsonl'}"
    sweeping = subprocess.Popen(
        [sys.executable, "-m", "convac_lib", *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    checkpoints = tmp_path / "a.jsonl.checkpoints"
    while sweeping.poll() is None:
        time.sleep(0.1)
        if checkpoints.exists() and any(checkpoints.iterdir()):  # training
            for child in psutil.Process(sweeping.pid).children(recursive=True):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.kill()
            break
    out, err = sweeping.communicate(timeout=120)
    told, *rest = err.splitlines()
    assert re.fullmatch(r"convac: 1 to train by 1 worker on this machine(, in (about|less than) .*)?", told)
    (sentence,) = rest
    assert sentence == (
        "convac: every worker that trained B = 2, C = 64, seed 0 died, most likely for want of memory; "
        "use fewer channels or fewer workers, or run it again, and it resumes where it stopped"
    )
    assert (sweeping.returncode, out) == (2, "")


def test_a_gpu_that_no_worker_offers_is_not_waited_for(dataset, tmp_path):
    points = [RunConfig(2, 12, **SHORT)]
    with workers(count=1) as client, pytest.raises(ConvacError) as error:
        sweep(points, dataset, tmp_path / "a.jsonl", client=client, resources={"TPU": 1}, progress=False)
    assert str(error.value) == "no worker offers TPU=1; start one by dask worker --resources TPU=1"
