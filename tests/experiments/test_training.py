"""Training: what the record says is so, and the same seed says it again."""

import dataclasses
import json
import math
import os
import platform
import tarfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from convac_lib import baseline, certify_rank, common_case, grid_tensor
from convac_lib.data.augmentation import AUGMENTATIONS
from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.data.folder import folder
from convac_lib.errors import ConvacError, DataError
from convac_lib.experiments.records import Record
from convac_lib.experiments.training import Training, train
from convac_lib.networks.ensemble import Ensemble
from convac_lib.networks.layers import Representation
from convac_lib.networks.models import ConvAC, ConvNet
from convac_lib.theory.convolution import generalized_convolution

CIFAR = Path(__file__).resolve().parents[3] / "shared" / "data" / "cifar10-jpeg.tar.xz"


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def dataset():
    return digits()


def convnet(seed=0, B=3, C=8):
    return ConvNet(common_case(B, M=1, size=8, channels=C), 10, 1, generator=seeded(seed))


def few(dataset, n):
    """The first n images of each split."""
    return Dataset(
        dataset.source,
        dataset.train_images[:n],
        dataset.train_labels[:n],
        dataset.test_images[:n],
        dataset.test_labels[:n],
        dataset.classes,
    )


def test_a_convnet_learns_the_digits_and_the_record_is_what_happened(dataset, capfd):
    network = convnet(C=16)
    record = train(network, dataset, epochs=3, learning_rate=0.01)
    out, err = capfd.readouterr()
    assert out == "" and "69/69" in err and f"accuracy={record.accuracies[-1]:.1%}" in err  # 69 = 3·⌈1437/64⌉
    assert record.train_accuracy > 0.8 and record.test_accuracy > 0.8
    assert record.augmented_accuracy == record.train_accuracy  # nothing was augmented
    assert record.losses[0] > record.losses[1] > record.losses[2]
    for images, labels, recorded in (
        (dataset.train_images, dataset.train_labels, record.train_accuracy),
        (dataset.test_images, dataset.test_labels, record.test_accuracy),
    ):
        with torch.no_grad():
            right = network(images / 127.5 - 1).argmax(1) == labels
        assert right.float().mean().item() == pytest.approx(recorded)
    assert record.parameters == (1 + 16 + 16) * 16 * 9 + 3 * 16 + 16 * 10 + 10
    assert (record.model, record.architecture, record.source, record.n) == (
        "ConvNet", common_case(3, M=1, size=8, channels=16), "digits", 1437,
    )  # fmt: skip
    assert (record.digest, record.augment, record.side_by_side) == (dataset.digest, "none", 1)
    assert f"torch {torch.__version__}" in record.versions and record.device and record.seconds > 0
    assert Record.from_dict(json.loads(json.dumps(record.to_dict()))) == record


def test_the_first_step_is_adams_on_the_cross_entropy(dataset):
    """One batch of all images: the loss before it is the network's own, and Adam's first step is the rate in size."""
    some, network, untrained = few(dataset, 50), convnet(), convnet()
    record = train(network, some, epochs=1, batch_size=50, learning_rate=1e-3, progress=False)
    probabilities = untrained(some.train_images / 127.5 - 1).softmax(1)[torch.arange(50), some.train_labels]
    loss = -probabilities.log().mean()
    assert record.losses[0] == pytest.approx(loss.item())
    loss.backward()
    for before, after in zip(untrained.parameters(), network.parameters()):
        moved = before.grad.abs() > 1e-4  # where the gradient is far above Adam's epsilon, 1e-8
        torch.testing.assert_close((after - before)[moved], -1e-3 * before.grad.sign()[moved], rtol=1e-2, atol=1e-6)


def test_the_same_seeds_give_the_same_record_and_leave_the_global_generator_alone(dataset):
    before = torch.get_rng_state()
    some = few(dataset, 300)

    def metrics(weights, order):
        record = train(convnet(weights), some, epochs=2, seed=order, progress=False)
        return dataclasses.replace(record, seconds=0)

    once, again = metrics(0, 0), metrics(0, 0)
    assert once == again  # bit for bit
    assert once.losses != metrics(1, 0).losses and once.losses != metrics(0, 1).losses
    assert torch.equal(before, torch.get_rng_state())


SETTINGS = {
    "epochs": 3,
    "batch_size": 50,
    "learning_rate": 1e-2,
    "augment": "spatial",
    "seed": 0,
    "precision": "float32",
}


def test_a_training_that_was_saved_and_loaded_goes_on_as_if_it_had_never_stopped(dataset, tmp_path):
    some, checkpoint = few(dataset, 300), tmp_path / "a.safetensors"
    whole = Training(convnet(), some, **SETTINGS)
    while not whole.is_over:
        whole.run_epoch()
    for _ in range(3):
        part = Training(convnet(seed=5), some, **SETTINGS)  # its own weights are all overwritten
        if checkpoint.exists():
            part.load(checkpoint)
        else:
            part = Training(convnet(), some, **SETTINGS)
        part.run_epoch()
        part.save(checkpoint)
    assert part.is_over and (part.losses, part.accuracies) == (whole.losses, whole.accuracies)  # bit for bit
    (one,), (other,) = part.records(), whole.records()
    assert dataclasses.replace(one, seconds=0) == dataclasses.replace(other, seconds=0)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"", lambda data: b"\xff" * len(data)])
def test_a_damaged_checkpoint_is_refused_in_one_sentence(dataset, tmp_path, damage):
    training, checkpoint = Training(convnet(), few(dataset, 60), **SETTINGS), tmp_path / "a.safetensors"
    training.run_epoch()
    training.save(checkpoint)
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    with pytest.raises(DataError) as error:
        training.load(checkpoint)
    assert str(error.value) == f"{checkpoint} is no checkpoint of this training; remove it to start again"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library is left as it is")
def test_no_step_asks_the_kernel_for_memory_that_an_earlier_one_had(dataset):
    import resource

    generator = seeded()
    images = torch.randint(256, (256, 3, 32, 32), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (256,), generator=generator)
    noise = Dataset("noise", images, labels, images[:10], labels[:10], dataset.classes)
    network = ConvNet(common_case(1, M=1, size=32, channels=64), 10, 3, generator=generator)
    training = Training(network, noise, **SETTINGS | {"batch_size": 128})
    training.run_epoch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    training.run_epoch()
    pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert pages < 5_000  # 8 MB an output: 2,048 pages each time that one is faulted in anew, 40,000 in an epoch


def test_a_checkpoint_is_read_but_once(dataset, tmp_path, monkeypatch):
    """Between two readings another sweep may put a newer file in its place."""
    training, checkpoint, opened = Training(convnet(), few(dataset, 60), **SETTINGS), tmp_path / "a", []
    training.run_epoch()
    training.save(checkpoint)
    resumed, really = Training(convnet(seed=5), few(dataset, 60), **SETTINGS), os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: (opened.append(os.fspath(path)), really(path, *rest))[1])
    resumed.load(checkpoint)
    assert opened == [str(checkpoint)]
    training.run_epoch()
    resumed.run_epoch()
    assert resumed.losses == training.losses


def test_a_checkpoint_of_another_network_is_refused(dataset, tmp_path):
    training, checkpoint = Training(convnet(), few(dataset, 60), **SETTINGS), tmp_path / "a.safetensors"
    training.run_epoch()
    training.save(checkpoint)
    with pytest.raises(DataError, match="is no checkpoint of this training"):
        Training(convnet(C=4), few(dataset, 60), **SETTINGS).load(checkpoint)


def test_networks_side_by_side_learn_as_each_would_alone(dataset):
    some = few(dataset, 300)
    together = Training(Ensemble([convnet(seed) for seed in (0, 1, 2)]), some, **SETTINGS)
    while not together.is_over:
        together.run_epoch()
    for seed, record in enumerate(together.records([0, 1, 2])):
        alone = train(convnet(seed), some, **SETTINGS, progress=False)
        assert (record.weights_seed, record.side_by_side) == (seed, 3)
        np.testing.assert_allclose(record.losses, alone.losses, rtol=1e-3)
        np.testing.assert_allclose(record.accuracies, alone.accuracies, atol=0.02)


def test_a_batch_in_pieces_is_the_same_step(dataset, monkeypatch):
    some = few(dataset, 100)
    whole = train(convnet(), some, epochs=2, batch_size=100, progress=False)
    monkeypatch.setattr("convac_lib.experiments.machine._CACHED", 7 * 8 * 64)  # seven images at a time
    network, seen = convnet(), []
    network.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    pieces = train(network, some, epochs=2, batch_size=100, progress=False)
    np.testing.assert_allclose(pieces.losses, whole.losses, rtol=1e-5)
    assert seen[1:31] == ([7] * 14 + [2]) * 2  # and then the evaluations, which are not cut


def test_the_final_accuracy_is_on_images_augmented_anew(dataset, monkeypatch):
    """With an augmentation that blackens every image, the network calls them all the same."""
    monkeypatch.setitem(AUGMENTATIONS, "spatial", lambda images, generator: images * 0)
    record = train(convnet(), few(dataset, 300), epochs=5, augment="spatial", learning_rate=0.01, progress=False)
    counts = few(dataset, 300).train_labels.bincount() / 300
    assert any(record.augmented_accuracy == pytest.approx(count.item()) for count in counts)


def test_bfloat16_is_said_and_learns(dataset):
    record = train(convnet(C=16), dataset, epochs=2, learning_rate=0.01, precision="bfloat16", progress=False)
    assert record.precision == "bfloat16" and record.train_accuracy > 0.5


def test_a_convac_learns_parity_which_is_a_product():
    """All 16 images of 2×2 black or white pixels, told apart by the product of their signs."""
    bits = torch.cartesian_prod(*[torch.tensor([0, 1])] * 4)
    images, labels = (255 * bits).to(torch.uint8).reshape(16, 1, 2, 2), bits.sum(1) % 2
    parity = Dataset("parity", images, labels, images, labels, ("even", "odd"))
    network = ConvAC(baseline(M=8, size=2), 2, Representation(1, 8, generator=seeded(1)), generator=seeded(2)).double()
    record = train(network, parity, epochs=60, learning_rate=0.03, progress=False)
    assert (record.model, record.architecture, record.test_accuracy) == ("ConvAC", baseline(M=8, size=2), 1)
    assert record.parameters == (8 + 8) + 8 * 8 * 4 + 8 * 2


def test_an_overlapping_convac_learns_the_digits_and_is_still_a_circuit(dataset):
    """Plain Adam, B = 2; the trained network's scores are its circuit's values over one positive number an image."""
    representation = Representation(1, 32, generator=seeded())
    network = ConvAC(common_case(B=2, M=32, size=8), 10, representation, normalized=True, generator=seeded(1))
    record = train(network, dataset, epochs=8, learning_rate=2e-3, progress=False)
    assert record.parameters == 2 * 32 + 3 * 2 * 4 * 32**2 + 32 * 10
    assert record.train_accuracy > 0.95 and record.test_accuracy > 0.9
    images = (dataset.test_images[:50] / 127.5 - 1).double()
    scores = network.double()(images).numpy(force=True).T  # (Y, n)
    values = in_range(network.to_circuit(), representation(images).permute(1, 2, 3, 0).numpy(force=True))
    sizes = np.linalg.norm(values, axis=0) / np.linalg.norm(scores, axis=0)
    assert sizes.max() > 1e6 * sizes.min()  # what the normalization takes away
    np.testing.assert_allclose(values / sizes, scores, rtol=1e-6, atol=1e-9)


def in_range(circuit, x):
    """A circuit's values over one positive number for all images, since float64 is too small for the values themselves.

    A positive factor on a layer's weights, here what brings the layer's median to 1, is a factor on all values.
    """
    for layer, weight in zip(circuit.architecture.layers, circuit.weights):
        median = np.median(np.abs(generalized_convolution(x, weight, layer.stride)))
        x = generalized_convolution(x, weight / median ** (layer.receptive_field**-2), layer.stride)
    return circuit.dense @ x[:, 0, 0]


class Ink(nn.Conv2d):
    """How white and how black a pixel is: on black and white images, one-hot."""

    def __init__(self):
        super().__init__(1, 2, 1)
        self.weight.data[:], self.bias.data[:] = torch.tensor([0.5, -0.5]).reshape(2, 1, 1, 1), 0.5
        self.requires_grad_(False)


def test_a_trained_networks_own_weights_have_the_generic_rank(dataset):
    """Zeros against ones at 4×4 pixels; its grid tensor holds its values on the 65,536 black-and-white images."""
    few_pixels = [
        (nn.functional.avg_pool2d(images[labels < 2].float(), 2).to(torch.uint8), labels[labels < 2])
        for images, labels in (
            (dataset.train_images, dataset.train_labels), (dataset.test_images, dataset.test_labels),
        )
    ]  # fmt: skip
    zeros_and_ones = Dataset("digits, 4×4", *few_pixels[0], *few_pixels[1], dataset.classes[:2])
    network = ConvAC(common_case(B=2, M=2, size=4), 2, Ink(), normalized=True, generator=seeded())
    record = train(network, zeros_and_ones, epochs=15, learning_rate=0.01, progress=False)
    assert record.test_accuracy > 0.9
    assert certify_rank(network).rank == 64
    black_and_white = torch.randint(2, (20, 1, 4, 4), generator=seeded(1)).double()  # 1 for black, template 1
    values = np.stack([grid_tensor(network, y)[tuple(black_and_white.flatten(1).T.long())] for y in (0, 1)])
    scores = network.double()(1 - 2 * black_and_white).numpy(force=True).T
    np.testing.assert_allclose(values / np.linalg.norm(values, axis=0), scores / np.linalg.norm(scores, axis=0))


@pytest.mark.skipif(not CIFAR.exists(), reason="the CIFAR-10 images are not beside this checkout")
def test_a_convnet_trains_on_a_folder_of_photographs(tmp_path):
    root = tmp_path / "cifar10-jpeg"
    with tarfile.open(CIFAR, "r|xz") as archive:
        for member in archive:
            if member.isfile() and int(Path(member.name).stem) < 20:
                target = root / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())
    photographs = folder(root, progress=False)
    assert photographs.train_images.shape == photographs.test_images.shape == (200, 3, 32, 32)
    assert photographs.train_labels.bincount().tolist() == [20] * 10 and "ship" in photographs.classes
    network = ConvNet(common_case(B=2, M=1, size=32, channels=8), 10, 3, generator=seeded())
    record = train(network, photographs, epochs=1, progress=False)
    assert (record.source, record.n, len(record.losses)) == ("cifar10-jpeg", 200, 1)
    assert 0 <= record.accuracies[0] <= 1 and abs(record.losses[0] - math.log(10)) < 1


@pytest.mark.parametrize(
    ("model", "options", "kind", "sentence"),
    [
        (convnet, {"epochs": 0}, ConvacError, "epochs must be an integer of at least 1, not 0"),
        (
            convnet, {"epochs": 1, "batch_size": 2.5}, ConvacError,
            "batch size must be an integer of at least 1, not 2.5",
        ),
        (
            convnet, {"epochs": 1, "learning_rate": math.nan}, ConvacError,
            "learning rate must be a finite number above 0, not nan; 0.001 is usual",
        ),
        (
            convnet, {"epochs": 1, "augment": "color"}, ConvacError,
            "unknown augment 'color'; use one of none, spatial, colour",
        ),
        (
            convnet, {"epochs": 1, "precision": "float16"}, ConvacError,
            "unknown precision 'float16'; use one of float32, bfloat16",
        ),
        (
            lambda: ConvNet(common_case(B=2, M=1, size=4), 10, 1), {"epochs": 1}, DataError,
            "the network reads a batch of shape (N, 1, 4, 4), not (1, 1, 8, 8); change the images or the architecture",
        ),
        (
            lambda: ConvNet(common_case(B=2, M=1, size=8), 9, 1), {"epochs": 1}, ConvacError,
            "digits has 10 classes, and the network has 9 outputs; build it with classes=10",
        ),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(dataset, model, options, kind, sentence):
    with pytest.raises(ConvacError) as error:
        train(model(), dataset, progress=False, **options)
    assert (type(error.value), str(error.value)) == (kind, sentence)


def test_a_loss_that_is_not_finite_stops_in_one_sentence(dataset):
    network = convnet()
    nn.init.constant_(network.dense.bias, torch.nan)
    with pytest.raises(ConvacError) as error:
        train(network, dataset, epochs=2, learning_rate=0.5, progress=False)
    assert str(error.value) == (
        "the loss is nan in epoch 1 so that training cannot go on; use a learning rate below 0.5, or fewer layers"
    )
    with pytest.raises(ConvacError) as error:
        train(convnet(), few(dataset, 64), epochs=9, learning_rate=1e30, progress=False)
    assert str(error.value) == (
        "the loss is nan in epoch 2 so that training cannot go on; use a learning rate below 1e+30, or fewer layers"
    )


def test_no_file_but_its_own_is_taken_for_a_checkpoint(dataset, tmp_path):
    """Cut short, with another shape, with more epochs than asked for, too long, a folder, a pipe: never a hang."""
    training, path = Training(convnet(), few(dataset, 60), **SETTINGS), tmp_path / "a.safetensors"
    for _ in range(2):
        training.run_epoch()
    training.save(path)
    whole = path.read_bytes()

    def sentence(**settings):
        with pytest.raises(DataError) as error:
            Training(convnet(), few(dataset, 60), **SETTINGS | settings).load(path)
        return str(error.value)

    none = f"{path} is no checkpoint of this training; remove it to start again"
    for length in (0, 7, 8, 100, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert sentence() == none
    tensors = safetensors.torch.load(whole)
    for name, other in (
        ("adam.0.exp_avg", torch.zeros(())), ("curves.losses", torch.zeros(2, 3)),
        ("curves.accuracies", torch.zeros(1, 1)),
        ("curves.seconds", torch.zeros(1)), ("model.dense.bias", torch.zeros(11)),
    ):  # fmt: skip
        path.write_bytes(safetensors.torch.save(tensors | {name: other}))
        assert sentence() == none
    path.write_bytes(whole)
    assert sentence(epochs=1) == none
    os.truncate(path, 2**40)  # without a byte on the disk
    most = 2**20 + 4 * sum(tensor.nbytes for tensor in convnet().state_dict().values())
    unread = f"cannot read the checkpoint {path}: "
    assert sentence() == f"{unread}it is larger than {most:,} bytes; remove it to start again"
    path.unlink()
    assert Training(convnet(), few(dataset, 60), **SETTINGS).load(path) is False
    path.mkdir()
    assert sentence() == f"{unread}Is a directory; use a file, not a folder"
    path.rmdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(path)
        assert sentence() == f"{unread}it is no plain file; remove it to start again"


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (28, "No space left on device; free some space there, or name a file of records in a place on another disk"),
        (13, "Permission denied; ask its owner for the permission, or name a file of records in another place"),
        (30, "Read-only file system; name a file of records in a place on a disk that is not read-only"),
        (
            20,
            "Not a directory; a part of this path is a file, not a folder, so name a file of records in another place",
        ),
        (18, "Invalid cross-device link; name a file of records in another folder"),
    ],
)
def test_a_checkpoint_that_cannot_be_written_is_named_with_the_cause(dataset, tmp_path, monkeypatch, number, sentence):
    def fail(*names):
        raise OSError(number, os.strerror(number))

    training, path = Training(convnet(), few(dataset, 60), **SETTINGS), tmp_path / "a.safetensors"
    training.run_epoch()
    monkeypatch.setattr("convac_lib.experiments.checkpoints.replace", fail)
    with pytest.raises(DataError) as error:
        training.save(path)
    assert str(error.value) == f"cannot write the checkpoint {path}: {sentence}"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"epochs": True}, "epochs must be an integer of at least 1, not True"),
        ({"batch_size": -(10**5000)}, "batch size must be an integer of at least 1, not -1.00e+5000"),
        ({"learning_rate": math.inf}, "learning rate must be a finite number above 0, not inf; 0.001 is usual"),
        ({"learning_rate": -0.1}, "learning rate must be a finite number above 0, not -0.1; 0.001 is usual"),
        ({"learning_rate": "fast"}, "learning rate must be a finite number above 0, not 'fast'; 0.001 is usual"),
        ({"learning_rate": 10**400},
         "learning rate must be a finite number above 0, not 1.00e+400; 0.001 is usual"),
        ({"augment": ["spatial"]}, "unknown augment ['spatial']; use one of none, spatial, colour"),
        ({"seed": -1}, "seed must be an integer from 0 to 18446744073709551615, not -1"),
        ({"seed": 2**64}, "seed must be an integer from 0 to 18446744073709551615, not 18446744073709551616"),
    ],
)  # fmt: skip
def test_strange_settings_are_one_sentence(dataset, options, sentence):
    with pytest.raises(ConvacError) as error:
        train(convnet(), dataset, progress=False, **{"epochs": 1} | options)
    assert (type(error.value), str(error.value)) == (ConvacError, sentence)


def test_a_batch_may_be_larger_than_any_machine_counts(dataset):
    record = train(convnet(), few(dataset, 30), epochs=1, batch_size=10**30, progress=False)
    assert len(record.losses) == 1
