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
import pytest
import torch
from distributed import Client, LocalCluster

from convac_lib.errors import ConvacError, DataError
from convac_lib.experiments.cluster import workers
from convac_lib.experiments.data import Dataset
from convac_lib.experiments.records import question_of, read_records
from convac_lib.experiments.sweep import Point, build, checkpoint_of, points_of, sweep
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
    (record,) = sweep([Point(B=2, channels=12, seed=3, **SHORT)], dataset, tmp_path / "a.jsonl", progress=False)
    network = build(Point(B=2, channels=12, seed=3), dataset)
    alone = train(network, dataset, **SHORT, augment="spatial", progress=False)
    assert timeless(record) == dataclasses.replace(alone, weights_seed=3, seconds=0.0)


def test_points_that_are_there_are_not_trained_again_and_the_longest_come_first(dataset, tmp_path, monkeypatch):
    out, trained = tmp_path / "a.jsonl", []
    import convac_lib.experiments.sweep as module

    real = module.train_points
    monkeypatch.setattr(module, "train_points", lambda job, *rest: (trained.append(job), real(job, *rest))[1])
    sweep(points_of([1], [2, 12], [0], **SHORT), dataset, out, progress=False)
    points = points_of([3, 1], [2, 12], [0, 1], **SHORT)
    records = sweep(points, dataset, out, progress=False)
    assert [[(point.B, point.channels, point.seed) for point in job] for job in trained] == [
        [(1, 12, 0)], [(1, 2, 0)],
        [(3, 12, 0)], [(3, 12, 1)], [(3, 2, 0), (3, 2, 1)], [(1, 12, 1)], [(1, 2, 1)],
    ]  # fmt: skip
    assert {question_of(record) for record in records} == {point.question(dataset) for point in points}
    assert records == read_records(out) and len(records) == 8
    assert [record.side_by_side for record in records if record.architecture.layers[0].channels == 12] == [1] * 4
    assert not any((tmp_path / "a.jsonl.checkpoints").iterdir())


def test_every_setting_of_a_point_reaches_its_record(dataset, tmp_path):
    point = Point(2, 4, 7, augment="none", epochs=1, batch_size=30, learning_rate=0.01, precision="bfloat16")
    (record,) = sweep([point], dataset, tmp_path / "a.jsonl", progress=False)
    assert question_of(record) == point.question(dataset)
    assert (record.weights_seed, record.augment, record.epochs, record.batch_size) == (7, "none", 1, 30)
    assert (record.learning_rate, record.precision, record.source) == (0.01, "bfloat16", "noise")


def test_a_bar_for_the_sweep_and_one_for_each_model(dataset, tmp_path, capfd):
    sweep(points_of([2], [4, 12], [0, 1], **SHORT), dataset, tmp_path / "a.jsonl")
    out, err = capfd.readouterr()
    assert out == "" and "4/4" in err
    for words in ("B = 2, C = 12, seed 0:", "B = 2, C = 4, seed 0, 1:", "2/2", "accuracy "):
        assert words in err


def test_a_damaged_checkpoint_stops_in_one_sentence(dataset, tmp_path):
    point = Point(2, 12, **SHORT)
    checkpoint = checkpoint_of([point], dataset, tmp_path / "a.jsonl.checkpoints")
    checkpoint.parent.mkdir()
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(DataError) as error:
        sweep([point], dataset, tmp_path / "a.jsonl", progress=False)
    assert str(error.value) == f"{checkpoint} is no checkpoint of this training; remove it to start again"


def test_a_point_that_cannot_be_built_is_one_sentence(dataset, tmp_path):
    with pytest.raises(ConvacError) as error:
        sweep([Point(0, 4, **SHORT)], dataset, tmp_path / "a.jsonl", progress=False)
    assert "must be a whole number of at least 1, not 0" in str(error.value)


def test_kills_at_random_moments_lose_nothing_and_double_nothing(record_property):
    script = Path(__file__).parent / "kill_sweeps.py"
    run = subprocess.run(
        [sys.executable, script, "--kills", "10"], capture_output=True, text=True, check=False, timeout=300
    )
    assert run.returncode == 0, run.stdout + run.stderr
    killed, torn, whole, acknowledged = map(int, re.findall(r"\d+", run.stdout))
    assert killed >= 10 and 0 < acknowledged <= 12 * whole  # a kill between writing and saying so leaves one unsaid
    record_property("sweeps killed at random moments: nothing lost, nothing doubled", killed)


@pytest.mark.filterwarnings("ignore")  # of the cluster's own, as its workers die
def test_a_cluster_gives_the_points_of_a_killed_worker_to_another(dataset, tmp_path):
    points = points_of([2], [12], range(6), epochs=30, batch_size=20)
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
