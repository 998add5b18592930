"""The script for a GPU, on the CPU and with tiny sizes: its checks can fail, and its training stops and continues."""

import sys
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from convac_lib.data.folder import folder
from convac_lib.experiments.analysis import by_protocol, rows_of
from convac_lib.experiments.configs import run_configs
from convac_lib.experiments.records import read_records
from convac_lib.experiments.sweep import sweep
from convac_lib.visuals.views.accuracy import accuracy_view

CPU = torch.device("cpu")
sys.path.append(str(Path(__file__).resolve().parents[2] / "tools"))

import gpu_checks  # noqa: E402
import gpu_day  # noqa: E402


@pytest.fixture
def images(tmp_path):
    """A folder of eight pictures of 8×8 pixels in each split, of two classes."""
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        for name, brightness in (("dark", 0), ("light", 128)):
            place = tmp_path / "pictures" / split / name
            place.mkdir(parents=True)
            for number in range(4):
                pixels = generator.integers(brightness, brightness + 128, (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")
    return tmp_path / "pictures"


def without_seconds(records):
    return sorted((replace(record, seconds=0.0) for record in records), key=repr)


def test_the_checks_of_the_layer_and_of_ranks_find_what_is_wrong(monkeypatch):
    assert all(check.passed for check in (*gpu_checks.layer_checks(CPU, False), *gpu_checks.rank_checks(CPU)))
    layer, rank = gpu_checks.generalized_conv2d, gpu_checks.rank_modulo

    def wrong_in_float32(x, *others, **options):
        return layer(x, *others, **options) * (1.01 if x.dtype == torch.float32 else 1)

    monkeypatch.setattr(gpu_checks, "generalized_conv2d", wrong_in_float32)
    monkeypatch.setattr(gpu_checks, "rank_modulo", lambda matrix, p: rank(matrix, p) + torch.is_tensor(matrix))
    for check in (*gpu_checks.layer_checks(CPU, False), *gpu_checks.rank_checks(CPU)):
        assert check.passed == (check.what.endswith("float64") or "ConvAC" in check.what), check
    assert not gpu_checks.Check("NaN", float("nan"), 1.0).passed
    assert str(gpu_checks.Check("a rank", 1, 0)) == "WRONG  1.0e+00 (at most 0e+00)  a rank"


def test_the_checks_of_training_find_what_is_wrong(monkeypatch, images):
    dataset = folder(images, progress=False)
    assert all(check.passed for check in gpu_checks.training_checks(CPU, dataset))
    made = []

    def every_second_is_faster(*arguments, learning_rate, **options):
        made.append(None)
        return training(*arguments, learning_rate=learning_rate * (1 + len(made) % 2 / 100), **options)

    training = gpu_checks.Training
    monkeypatch.setattr(gpu_checks, "Training", every_second_is_faster)
    *pairs, checkpoint = gpu_checks.training_checks(CPU, dataset)
    assert not any(check.passed for check in pairs) and not checkpoint.passed


def test_an_error_in_a_check_is_told_and_the_others_go_on(monkeypatch, tmp_path, images, capsys):
    def broken(*_):
        raise RuntimeError("no kernel image")
        yield

    right = gpu_checks.Check("a loss", 0.0, 1e-6)
    monkeypatch.setattr(gpu_day, "layer_checks", broken)
    monkeypatch.setattr(gpu_day, "rank_checks", lambda *_: iter(()))
    monkeypatch.setattr(gpu_day, "training_checks", lambda *_: iter([right]))
    assert not gpu_day.check(CPU, folder(images, progress=False), tmp_path)
    assert capsys.readouterr().out == f"WRONG broken stopped at an error: see checks.txt\n{right}\n"
    assert "RuntimeError: no kernel image" in (tmp_path / "checks.txt").read_text("utf-8")


def test_a_training_that_cannot_end_in_time_leaves_a_checkpoint_and_continues(monkeypatch, tmp_path, images):
    dataset, settings = folder(images, progress=False), {"augment": "colour", "epochs": 4}
    job = run_configs([2], [2], [0, 1], **settings)
    now = iter(range(0, 10**6, 10))  # each look at the clock is ten seconds later
    monkeypatch.setattr(gpu_day, "time", SimpleNamespace(time=lambda: next(now)))
    monkeypatch.setattr(gpu_day, "DATA", [dataset])
    out, checkpoints = tmp_path / "records.jsonl", tmp_path / "checkpoints"
    assert gpu_day.work(job, out, checkpoints, -1) == "not begun in this run"
    told = gpu_day.work(job, out, checkpoints, 45)
    assert told == "1 of 4 epochs are in the checkpoint"  # at 30 s; three more, of 10 s each, end after 45 s
    assert not out.exists() and len(list(checkpoints.iterdir())) == 1
    assert gpu_day.work(job, out, checkpoints, 10**6) == ""
    assert not list(checkpoints.iterdir())
    once = sweep(job, dataset, tmp_path / "at once.jsonl", progress=False)
    assert without_seconds(read_records(out)) == without_seconds(once)


def test_it_trains_what_fits_and_says_what_does_not(monkeypatch, tmp_path, images, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    words = ["gpu_day.py", "--cpu", "--images", str(images), "--out", str(tmp_path / "day"), "--parts", "training"]
    words += ["--B", "1", "2", "--channels", "2", "--wide", "9", "--epochs", "2", "--seeds", "0", "1", "--workers", "1"]
    monkeypatch.setattr(sys, "argv", [*words, "--minutes", "0"])
    with monkeypatch.context() as patched:  # new processes take seconds, and here they would do nothing
        patched.setattr(
            gpu_day, "ProcessPoolExecutor", lambda workers, _, *rest: ThreadPoolExecutor(workers, "", *rest)
        )
        assert gpu_day.main() == 0
    told = capsys.readouterr().out
    assert "not reached: 8 jobs\n" in told
    assert "B = 2, C = 2, seed 0, 1, spatial, 2 epochs: not begun in this run\n" in told
    monkeypatch.setattr(sys, "argv", words)
    assert gpu_day.main() == 0
    assert "not reached: 0 jobs\n" in capsys.readouterr().out
    records = read_records(tmp_path / "day/pictures-gpu.jsonl")
    groups = {str(one): rows_of(alike) for one, alike in by_protocol(records).items()}
    assert set(groups) == {f"pictures, n = 8, {kind} augmentation, 2 epochs" for kind in ("spatial", "colour")}
    for protocol, alike in by_protocol(records).items():  # the chapter's table and explorer read it as they are
        rows = rows_of(alike)
        assert [(row.B, row.channels, len(row.accuracies)) for row in rows] == [(1, 2, 2), (1, 9, 2), (2, 2, 2)]
        assert f"{rows[2].accuracy:.1%}" in str(accuracy_view(rows, protocol, 2, 2, "channels").values)


def test_the_layers_table_is_kept_as_far_as_it_went_in_time(monkeypatch, tmp_path, capsys):
    slow = "import subprocess, sys, time\nprint('one row', flush=True)\n"
    slow += "subprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks/layer.py").write_text(slow, "utf-8")
    monkeypatch.setattr(gpu_day, "ROOT", tmp_path)
    gpu_day.time_layer(CPU, tmp_path, 3)
    assert capsys.readouterr().out == "one row\nnot reached: the rest of the layer's table, after 3 s\n"
    (tmp_path / "benchmarks/layer.py").write_text("import sys\nprint(*sys.argv[1:])\nsys.exit(3)", "utf-8")
    gpu_day.time_layer(CPU, tmp_path, 30)
    assert capsys.readouterr().out == "--device cpu --threads 1\nbenchmarks/layer.py ended with status 3\n"


def test_an_archive_is_read_as_the_folder_of_its_name(tmp_path, images):
    with tarfile.open(tmp_path / "few.tar.xz", "w:xz") as archive:
        for split in ("train", "test"):
            archive.add(images / split, split)
    dataset = gpu_day.images_of(tmp_path / "few.tar.xz")
    assert (dataset.source, dataset.digest) == ("few", gpu_day.images_of(images).digest)


def test_it_asks_for_a_gpu(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_day.py", "--images", "none"])
    with pytest.raises(SystemExit):
        gpu_day.main()
    assert "torch finds no GPU on this machine; use --cpu to try the script without one" in capsys.readouterr().err
