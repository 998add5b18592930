"""Data sets: the embedded digits, and folders of images written here and read back."""

import errno
import os
import socket

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from convac_lib.data import load as sources
from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.data.folder import folder
from convac_lib.errors import BudgetError, DataError


def rows(images):
    return sorted(map(tuple, images.flatten(1).tolist()))


def test_digits_are_all_there_once_and_exact():
    dataset, embedded = digits(), load_digits()
    both = torch.cat([dataset.train_images, dataset.test_images])
    assert both.dtype == torch.uint8 and both.shape == (1797, 1, 8, 8) and len(dataset.test_images) == 360
    assert rows(both / 15) == rows(torch.tensor(embedded.images))
    label_of = {image.tobytes(): label for image, label in zip(embedded.images, embedded.target)}
    for images, labels in (
        (dataset.train_images, dataset.train_labels),
        (dataset.test_images, dataset.test_labels),
    ):
        assert [label_of[image.tobytes()] for image in images[:, 0].double().numpy() / 15] == labels.tolist()


def test_every_class_is_split_in_the_same_proportion_and_by_the_seed():
    once, again, other = digits(seed=1), digits(seed=1), digits(seed=2)
    in_all = torch.cat([once.train_labels, once.test_labels]).bincount()
    assert (once.test_labels.bincount() - in_all * 360 / 1797).abs().max() < 1
    assert torch.equal(once.train_images, again.train_images) and torch.equal(once.test_labels, again.test_labels)
    assert not torch.equal(once.test_images, other.test_images)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def images(tmp_path):
    """Two classes, three RGB images each in train and one in test, 5 wide and 4 high; the pixels by path."""
    generator = np.random.default_rng(0)
    names = [f"train/{c}/{i}.png" for c in "ba" for i in (2, 0, 1)] + [f"test/{c}/0.PNG" for c in "ab"]
    pixels = {name: generator.integers(0, 256, (4, 5, 3), dtype=np.uint8) for name in names}
    for name, array in pixels.items():
        write(tmp_path / "made" / name, array)
    return tmp_path / "made", pixels


def test_a_folder_is_read_pixel_by_pixel_in_the_order_of_names(images, capfd):
    path, pixels = images
    (path / "train" / "a" / "notes.txt").write_text("not an image")
    (path / "train" / ".cache").mkdir()
    dataset = folder(path, progress=False)
    assert (dataset.source, dataset.classes) == ("made", ("a", "b"))
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1, 1] and dataset.test_labels.tolist() == [0, 1]
    for read, names in (
        (dataset.train_images, [f"train/{c}/{i}.png" for c in "ab" for i in range(3)]),
        (dataset.test_images, ["test/a/0.PNG", "test/b/0.PNG"]),
    ):
        assert np.array_equal(read.permute(0, 2, 3, 1).numpy(), np.stack([pixels[name] for name in names]))
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_is_on_stderr(images, capfd):
    folder(images[0])
    out, err = capfd.readouterr()
    assert out == "" and "8/8" in err


def test_jpeg_images_are_read_as_pillow_decodes_them(tmp_path):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8)
    for split in ("train", "test"):
        file = write(tmp_path / split / "a" / "0.jpg", smooth)
    assert np.array_equal(folder(tmp_path, progress=False).test_images[0, 0].numpy(), np.asarray(Image.open(file)))


def test_grayscale_keeps_one_channel_and_is_repeated_beside_rgb(images):
    path, pixels = images
    gray = np.arange(20, dtype=np.uint8).reshape(4, 5)
    write(path / "train" / "a" / "0.png", gray)
    mixed = folder(path, progress=False).train_images
    assert np.array_equal(mixed[0].numpy(), np.stack([gray] * 3))
    assert np.array_equal(mixed[1].permute(1, 2, 0).numpy(), pixels["train/a/1.png"])
    for name in pixels:
        write(path / name, gray)
    assert np.array_equal(folder(path, progress=False).train_images[3].numpy(), gray[None])


def sentence_of(path):
    with pytest.raises(DataError) as error:
        folder(path, progress=False)
    return str(error.value)


def test_what_is_missing_is_named_in_one_sentence(images):
    path, _ = images
    assert sentence_of(path / "no") == (
        f"there is no folder {path}/no; give one with the folders train and test in it"
    )  # fmt: skip
    (path / "test" / "b" / "0.PNG").unlink()
    assert sentence_of(path) == (
        f"{path}/test/b has no images; put a .jpg or .png file in it, or remove it from both splits"
    )
    (path / "test" / "b").rmdir()
    assert sentence_of(path) == "class 'b' is in train and not in test; both splits need the same classes"
    (path / "test" / "a").rename(path / "test" / "c")
    assert sentence_of(path) == "class 'a' is in train and not in test; both splits need the same classes"
    (path / "test" / "c" / "0.PNG").unlink()
    (path / "test" / "c").rmdir()
    assert sentence_of(path) == f"{path}/test has no classes; it needs a folder of images for each class"
    (path / "test").rmdir()
    assert sentence_of(path) == f"{path} has no folder test; it needs the folders train and test"


def test_every_truncation_and_every_flipped_bit_of_a_png_is_found(images):
    path, pixels = images
    file = path / "train" / "a" / "1.png"
    whole = file.read_bytes()
    damaged = f"{file} is not a whole JPEG or PNG image; replace or remove it"
    end = whole.index(b"IEND") + 4  # the end mark's own checksum is all that may be missing
    for length in range(end):
        file.write_bytes(whole[:length])
        assert sentence_of(path) == damaged
    for position in range(whole.index(b"IDAT"), end):
        changed = bytearray(whole)
        changed[position] ^= 1
        file.write_bytes(changed)
        said = None
        try:
            read = folder(path, progress=False).train_images[1].permute(1, 2, 0).numpy()
        except DataError as error:
            said = str(error)
        assert said == damaged or (said is None and np.array_equal(read, pixels["train/a/1.png"]))


def test_a_truncated_jpeg_is_found(images):
    path, pixels = images
    file = write(path / "train" / "a" / "3.jpg", pixels["train/a/1.png"])
    whole = file.read_bytes()
    for length in [*range(0, len(whole), 16), *range(len(whole) - 16, len(whole))]:
        file.write_bytes(whole[:length])
        assert sentence_of(path) == f"{file} is not a whole JPEG or PNG image; replace or remove it"


def test_images_unlike_the_others_are_named_in_one_sentence(images):
    path, _ = images
    file = write(path / "train" / "b" / "1.png", np.zeros((7, 6, 3), np.uint8))
    assert sentence_of(path) == (
        f"{file} is 6×7 pixels and {path}/train/a/0.png is 5×4; make all images one size"
    )  # fmt: skip
    write(file, np.zeros((4, 5, 4), np.uint8))
    assert sentence_of(path) == f"{file} is in Pillow's mode 'RGBA', not 8-bit grayscale or RGB; convert it first"


def test_bad_tensors_make_no_dataset():
    images, labels = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor([0, 1, 1])

    def sentence(**changes):
        fields = {"train_images": images, "train_labels": labels, "test_images": images, "test_labels": labels}
        with pytest.raises(DataError) as error:
            Dataset(source="made", classes=("a", "b"), **fields | changes)
        return str(error.value)

    assert sentence(train_images=images.float()) == (
        "the train images must be uint8 of shape (n, C, H, W), not torch.float32 of shape (3, 1, 2, 2); "
        "convert them first"
    )
    assert sentence(test_labels=labels[:2]) == (
        "the test labels must be int64 of shape (3,), one for each image, not torch.int64 of shape (2,); "
        "convert them first"
    )
    assert sentence(train_images=images[:0], train_labels=labels[:0]) == (
        "the train split of made has no images; give it at least one"
    )
    assert sentence(train_labels=labels + 1) == (
        "the train labels run from 1 to 2, but 2 classes are numbered 0 to 1; renumber them"
    )
    assert sentence(test_images=images.expand(3, 3, 2, 2)) == (
        "the train images have shape (1, 2, 2) and the test images (3, 2, 2); make them one shape"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_refused_at_once(images, monkeypatch):
    path, _ = images
    file = path / "train" / "a" / "0.png"
    file.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(file)
        cause = "it is no plain file" if make is os.mkfifo else "Is a directory"
        remedy = "replace or remove it" if make is os.mkfifo else "use a file, not a folder"
        assert sentence_of(path) == f"cannot read {file}: {cause}; {remedy}"
        file.unlink() if make is os.mkfifo else file.rmdir()
    monkeypatch.chdir(file.parent)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(file.name)
        assert sentence_of(path) == f"cannot read {file}: {os.strerror(errno.ENXIO)}; replace or remove it"
    file.unlink()
    file.symlink_to(file)
    assert sentence_of(path) == (
        f"cannot read {file}: Too many levels of symbolic links; its links lead in a circle, so use the file itself"
    )
    file.unlink()
    file.symlink_to("nothing")
    assert sentence_of(path) == (
        f"cannot read {file}: No such file or directory; "
        "it is a link to nothing, or was removed just now, so replace or remove it"
    )
    file.unlink()
    (path / "train" / "a" / "loop").symlink_to("..")  # a folder in a class is left alone
    assert len(folder(path, progress=False).train_images) == 5


def test_a_folder_or_an_image_that_cannot_be_read_is_named_with_the_cause(images, monkeypatch):
    path, _ = images
    file, really = path / "train" / "a" / "1.png", os.open

    def denied(path, *rest):
        if os.fspath(path) == os.fspath(file):
            raise PermissionError(13, "Permission denied", path)
        return really(path, *rest)

    remedy = "ask its owner for the permission, or use another place"
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", denied)
        assert sentence_of(path) == f"cannot read {file}: Permission denied; {remedy}"
    if hasattr(os, "geteuid") and os.geteuid():
        (path / "train").chmod(0)
        assert sentence_of(path) == f"cannot read {path}/train: Permission denied; {remedy}"
        (path / "train").chmod(0o755)


def test_bombs_and_giants_are_refused_before_they_are_decoded(images, monkeypatch):
    path, _ = images
    file = path / "train" / "a" / "0.png"
    Image.new("1", (20_000, 20_000)).save(file)  # 50 kB that decode to 400 MB
    assert sentence_of(path) == f"{file} has more than 89,478,485 pixels; make it smaller"
    Image.new("1", (10_000, 10_000)).save(file)
    assert sentence_of(path) == f"{file} has more than 89,478,485 pixels; make it smaller"
    os.truncate(file, 2**40)  # without a byte on the disk
    assert sentence_of(path) == (f"cannot read {file}: it is larger than 268,435,456 bytes; replace or remove it")
    write(file, np.zeros((4, 5, 3), np.uint8))
    monkeypatch.setattr("convac_lib.budget.psutil.virtual_memory", lambda: type("memory", (), {"available": 1000}))
    with pytest.raises(BudgetError) as error:
        folder(path, progress=False)
    assert str(error.value) == (
        "reading 8 images needs about 0.0 GiB of memory, and 0.0 GiB are free; use fewer images, or smaller ones"
    )


def test_an_animation_is_refused(images):
    path, _ = images
    file, frame = path / "train" / "a" / "0.png", Image.new("RGB", (5, 4))
    frame.save(file, save_all=True, append_images=[Image.new("RGB", (5, 4), "red")])
    assert sentence_of(path) == f"{file} is an animation of 2 images; save one of them in its place"


def test_names_that_are_not_utf_8_are_read_and_recorded_as_text(images):
    path, _ = images
    strange = os.fsencode(path.parent) + b"/m\xff\xfede"
    try:
        os.rename(path, strange)
        os.rename(strange + b"/train/a/0.png", strange + b"/train/a/\xff.png")
    except OSError:
        pytest.skip("this file system takes UTF-8 only")
    dataset = folder(os.fsdecode(strange), progress=False)
    assert dataset.source == "m\\xff\\xfede" and len(dataset.train_images) == 6


@pytest.mark.parametrize("name", ["mnist", "x" * 5000])
def test_a_word_that_names_no_data_is_one_sentence(name):
    with pytest.raises(DataError) as error:
        sources.load(name)
    assert str(error.value) == f"there are no data named {name}; use digits, cifar10, or the path of a folder of images"
    with pytest.raises(DataError) as error:
        sources.load("")
    assert str(error.value) == "there are no data named ''; use digits, cifar10, or the path of a folder of images"
