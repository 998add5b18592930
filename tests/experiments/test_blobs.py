"""Blobs: scores pixel by pixel, labels, rearranged images against rearranged networks, and the record of the runs."""

from itertools import product

import numpy as np
import pytest
import torch
from helpers.strategies import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from convac_lib.data.dataset import Dataset
from convac_lib.errors import ConvacError, DataError
from convac_lib.experiments.blobs import (
    POOLINGS,
    TASKS,
    AverageNet,
    blob_dataset,
    blobs,
    closedness,
    pooling_network,
    rearranged,
    symmetry,
)
from convac_lib.experiments.records import read_records
from convac_lib.files import results_path
from convac_lib.related.geometry import GEOMETRIES, windows


def closing(image):
    """A pixel is in the closing if each 3×3 block that holds it meets the blob."""
    on = set(zip(*np.nonzero(image)))
    around = list(product((-1, 0, 1), repeat=2))

    def meets(r, c):
        return any((r + i, c + j) in on for i, j in around)

    size = len(image)
    return sum(all(meets(r + i, c + j) for i, j in around) for r, c in product(range(-1, size + 1), repeat=2))


@settings(max_examples=20)
@given(seeds, st.sampled_from([4, 8, 16]))
def test_the_scores_pixel_by_pixel(seed, size):
    (image,) = images = blobs(1, size=size, seed=seed)
    if image.any():
        assert closedness(images)[0] == pytest.approx(image.sum() / closing(image))
        on = set(zip(*np.nonzero(image)))
        assert symmetry(images)[0] == pytest.approx(sum((r, size - 1 - c) in on for r, c in on) / len(on))


def test_blobs_are_none_empty_have_an_empty_border_and_repeat():
    images = blobs(200, seed=0)
    assert images.dtype == np.uint8 and set(np.unique(images)) == {0, 1}
    assert (images.sum((1, 2)) > 20).all()
    assert images[:, [0, -1]].sum() == images[:, :, [0, -1]].sum() == 0
    assert (images == blobs(200, seed=0)).all() and (images != blobs(200, seed=1)).any()


@pytest.mark.parametrize(("task", "score"), [("closedness", closedness), ("symmetry", symmetry)])
def test_the_labels_are_the_two_ends_of_the_score(task, score):
    dataset = blob_dataset(task, n=80, tested=20, seed=3)
    images = torch.cat([dataset.train_images, dataset.test_images])[:, 0].numpy() // 255
    labels = torch.cat([dataset.train_labels, dataset.test_labels]).numpy()
    assert labels.sum() == 50 and score(images)[labels == 0].max() < score(images)[labels == 1].min()
    low, high = np.quantile(score(blobs(126, seed=3)), [0.4, 0.6])
    assert score(images)[labels == 0].max() <= low + 0.02 and score(images)[labels == 1].min() >= high - 0.02


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_network_of_rearranged_images_pools_the_windows_of_the_geometry(geometry):
    network = AverageNet(4, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    images = torch.arange(16).reshape(1, 1, 4, 4).to(torch.uint8)
    label = torch.zeros(1, dtype=torch.int64)
    moved = rearranged(Dataset("numbers", images, label, images, label, ("all",)), geometry).train_images.double()
    convolution = network.layers[0]
    units = torch.relu(images.double().flatten()[:, None] * convolution.weight.flatten() + convolution.bias)
    pooled = torch.stack([units[list(window)].mean(0) for window in windows(geometry, 4)])
    found = network.layers[:3](moved)[0].flatten(1).T
    assert torch.allclose(found, pooled, atol=1e-12)


def test_a_network_without_order_sees_no_difference_within_a_window():
    network = pooling_network("maximum", size=4, channels=3, seed=0).double()
    image = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    swapped = image.clone()
    swapped[..., 0, 0], swapped[..., 0, 1] = image[..., 0, 1], image[..., 0, 0]
    assert torch.equal(network(image), network(swapped))


def test_the_record_holds_each_run_and_the_claim_of_its_page():
    records = read_records(results_path("pooling-geometry.jsonl"))
    found = {(record.source, record.model, record.seed): record for record in records}
    sources = [f"blobs, {task}, {geometry} windows" for task in TASKS for geometry in GEOMETRIES]
    assert set(found) == set(product(sources, ("AverageNet", "ConvNet"), range(3))) and len(found) == len(records)
    assert {(record.n, record.epochs, record.parameters) for record in records} == {(4000, 20, 882)}
    for model, seed in product(("AverageNet", "ConvNet"), range(3)):
        for task, better, worse in (("closedness", "square", "mirror"), ("symmetry", "mirror", "square")):
            one, other = (found[f"blobs, {task}, {name} windows", model, seed] for name in (better, worse))
            assert one.test_accuracy > other.test_accuracy


def test_a_record_is_of_the_images_that_the_library_draws_now():
    dataset = rearranged(blob_dataset("symmetry", n=4000, tested=1000, seed=0), "mirror")
    records = read_records(results_path("pooling-geometry.jsonl"))
    (digest,) = {r.digest for r in records if r.source == dataset.source and r.seed == 0}
    assert dataset.digest == digest


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: blobs(0, seed=0), ConvacError, "n must be an integer of at least 1, not 0"),
        (lambda: blobs(1, size=3, seed=0), ConvacError, "size must be an integer of at least 4, not 3"),
        (
            lambda: blob_dataset("colour", n=2, tested=2, seed=0),
            ConvacError,
            "unknown task 'colour'; use one of closedness, symmetry",
        ),
        (
            lambda: pooling_network("sum", seed=0),
            ConvacError,
            f"unknown pooling 'sum'; use one of {', '.join(POOLINGS)}",
        ),
        (
            lambda: rearranged(_wide(), "mirror"),
            DataError,
            "a geometry rearranges square images, and these have 4×8 pixels; crop or resize them",
        ),
    ],
)
def test_bad_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind) as caught:
        call()
    assert str(caught.value) == sentence and type(caught.value) is kind


def _wide():
    images, label = torch.zeros(1, 1, 4, 8, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64)
    return Dataset("wide", images, label, images, label, ("all",))
