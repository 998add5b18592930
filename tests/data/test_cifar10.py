"""CIFAR-10: an archive in the official format, made here, is read back byte by byte, and a faulty one is refused.

The official archive itself is no part of this repository: where `CONVAC_DATA` holds it, the last test reads it.
"""

import ast
import gc
import json
import os
import ssl
from hashlib import sha256
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import torch
from helpers.archives import NAMES, NOWHERE, assert_holds, batches_of, draw_images, joined, member, piece, write
from helpers.servers import Server, broken_servers, hung_up, send, silent, slowly, stalled_servers
from PIL import Image
from requests import exceptions
from stress.faults_of_cifar10 import (
    cut_inside,
    cuts,
    damaged_arrays,
    flips,
    full_disk,
    refusal,
    refuse_each,
    refuse_each_answer,
    wrong_headers,
    wrong_labels,
    wrong_members,
)

from convac_lib.__main__ import main
from convac_lib.data import archive as archives
from convac_lib.data import cifar10, cifar10_batches, dataset, folder
from convac_lib.data import digits as digits_module
from convac_lib.data import load as sources
from convac_lib.data.archive import Archive, fetch
from convac_lib.data.cifar10 import OFFICIAL, check, pickled, read
from convac_lib.data.dataset import Dataset
from convac_lib.data.digits import digits
from convac_lib.errors import DataError

pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # pooch leaves them to Python
DAMAGED = "{} is damaged, or not made from {}; delete it, and it is made again"


@pytest.fixture(scope="module")
def made():
    """Images and labels, the compressed batches, and the whole archive that holds them."""
    images, labels = draw_images(distinct=10)
    pieces = {name: piece(content) for name, content in batches_of(images, labels).items()}
    return images, labels, pieces, joined(member(pieces[name], name) for name in NAMES)


@pytest.fixture(scope="module")
def converted(made, tmp_path_factory):
    """A cache with the archive and its arrays; tests leave it as it is."""
    cache = tmp_path_factory.mktemp("converted") / "cache"
    cache.mkdir()
    archive = write(cache / OFFICIAL.name, made[-1])
    read(archive, cache)
    return archive, cache


@pytest.fixture(autouse=True)
def collected():
    """What pooch left open is closed before other tests run, where a warning is an error."""
    yield
    gc.collect()


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)


def copied(converted, cache):
    """Another cache with the same arrays."""
    archive, place = converted
    (cache / "cifar10.safetensors").write_bytes((place / "cifar10.safetensors").read_bytes())
    return archive


def test_every_byte_is_read_in_the_published_order(made, converted, cache):
    images, labels, *_ = made
    archive = copied(converted, cache)  # without the archive: the arrays are enough
    dataset = read(archive, cache)
    assert_holds(dataset, images, labels)
    assert dataset.source == "cifar10" and dataset.train_images.shape == (50000, 3, 32, 32)
    assert dataset.classes[3:6] == ("cat", "deer", "dog")
    red, green, blue = dataset.test_images[7].flatten(1)
    assert bytes([*red, *green, *blue]) == batches_of(images, labels)[NAMES[5]][7 * 3073 + 1 : 8 * 3073]
    assert {path.name for path in converted[1].iterdir()} == {OFFICIAL.name, "cifar10.safetensors", "cifar10.lock"}


def test_images_that_were_read_may_be_changed_and_the_file_stays(converted):
    archive, cache = converted
    dataset = read(archive, cache)
    dataset.train_images.fill_(0)
    assert read(archive, cache).digest == dataset.digest  # of the images as they were read


def test_a_digest_is_that_of_images_and_labels_and_their_shapes():
    dataset = digits()
    by_hand = sha256()
    for split, n in (("train", 1437), ("test", 360)):
        images, labels = getattr(dataset, f"{split}_images"), getattr(dataset, f"{split}_labels")
        by_hand.update(f"({n}, 1, 8, 8)".encode() + bytes(images.flatten().tolist()))
        by_hand.update(f"({n},)".encode() + b"".join(label.to_bytes(8, "little") for label in labels.tolist()))
    assert dataset.digest == by_hand.hexdigest()
    names = [f"{split}_{kind}" for split in ("train", "test") for kind in ("images", "labels")]
    tensors = {name: getattr(dataset, name) for name in names}

    def digest(**changes):
        return Dataset(source="other", classes=dataset.classes, **tensors | changes).digest

    assert (
        digest()
        == dataset.digest
        == digest(train_images=dataset.train_images.contiguous(memory_format=torch.channels_last))
    )
    for name in names:
        changed = tensors[name].clone()
        changed[-1] = (changed[-1] + 1) % 10
        assert digest(**{name: changed}) != dataset.digest


def test_an_archive_is_fetched_once_and_again_after_a_failure(made, impatient, cache, capfd):
    *_, content = made
    path, asked = cache / OFFICIAL.name, write(cache / OFFICIAL.name, content)
    path.unlink()
    for before in ([], [send(b"no", status=500), send(content[:-1], len(content)), send(content[:-1] + b"\1")]):
        with Server(*before, send(content)) as server:
            archive = Archive(server.url, asked.size, asked.md5)
            assert fetch(archive, cache, progress=False) == path
            assert server.asked == 1 + len(before)
            assert fetch(archive, cache, progress=False) == path and server.asked == 1 + len(before)
        assert [file.read_bytes() == content for file in cache.iterdir()] == [True]
        path.unlink()
    assert capfd.readouterr() == ("", "")


def test_the_progress_bar_is_on_stderr(made, impatient, cache, capfd):
    *_, content = made
    archive = write(cache / OFFICIAL.name, content)
    (cache / OFFICIAL.name).unlink()
    with Server(send(b"no", status=503), send(content)) as server:
        fetch(Archive(server.url, archive.size, archive.md5), cache, progress=True)
    out, err = capfd.readouterr()
    assert out == "" and "100%" in err


def test_two_that_begin_at_once_fetch_once(made, cache):
    *_, content = made
    archive, found = write(cache / OFFICIAL.name, content), []
    (cache / OFFICIAL.name).unlink()
    with Server(slowly(send(content))) as server:
        asked = Archive(server.url, archive.size, archive.md5)
        threads = [Thread(target=lambda: found.append(read(asked, cache).digest)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert server.asked == 1 and len(found) == 2 and len(set(found)) == 1


def test_without_a_network_the_sentence_names_file_size_hash_and_place(impatient, cache, monkeypatch, capsys):
    monkeypatch.setattr(cifar10, "OFFICIAL", Archive(NOWHERE, OFFICIAL.size, OFFICIAL.md5))
    monkeypatch.setenv("CONVAC_DATA", str(cache))
    sentence = (
        f"cannot fetch {NOWHERE}: the connection is refused; let it through your network's firewall, "
        "or get cifar-10-binary.tar.gz (170,052,171 bytes, MD5 c32a1d4ab5d03f1284b67883e8d87530) elsewhere "
        f"and put it at {cache}/cifar-10-binary.tar.gz"
    )
    for call in (lambda: cifar10.cifar10(progress=False), lambda: sources.load("cifar10", progress=False)):
        with pytest.raises(DataError) as error:
            call()
        assert str(error.value) == sentence
    assert main(["data", "fetch", "cifar10"]) == 2
    assert capsys.readouterr() == ("", f"convac: {sentence}\n")


def test_the_archive_is_the_published_one():
    assert OFFICIAL == Archive(
        "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170052171, "c32a1d4ab5d03f1284b67883e8d87530"
    )


def count(faults):
    return sum(1 for _ in faults)


def test_damage_is_refused_and_the_cache_untouched(made, cache, record_property):
    *_, content = made
    path = cache / OFFICIAL.name
    archive = write(path, content)
    tried = count(flips(path, archive, 2**12)) + count(cuts(path, archive, 2**12))
    assert tried == 2 * -(-len(content) // 2**12)
    record_property("cut archives of CIFAR-10 and flipped bits refused", tried)


def test_a_right_hash_does_not_excuse_wrong_members(made, cache, record_property):
    images, labels, pieces, content = made
    tried = count(refuse_each(wrong_members(pieces, NAMES[:1]), cache))
    tried += count(refuse_each(wrong_headers(pieces, 8), cache))
    tried += count(refuse_each(cut_inside(content, len(content) // 2), cache))
    tried += count(refuse_each(wrong_labels(images, labels, pieces, (0,), NAMES[:1]), cache))
    tried += count(refuse_each(wrong_labels(images, labels, pieces, (10,), NAMES[5:]), cache))
    record_property("archives of CIFAR-10 with wrong members under a right hash refused", tried)


def test_the_sentences_about_members_in_full(made, cache):
    _, labels, pieces, _ = made
    path, again = cache / OFFICIAL.name, "; delete it, and run convac data fetch cifar10"
    wrong = [member(pieces[NAMES[0]], f"../{NAMES[0]}")] + [member(pieces[name], name) for name in NAMES[1:]]
    assert refusal(write(path, joined(wrong)), cache) == (
        f"{path} holds '../cifar-10-batches-bin/data_batch_1.bin' of type '0' and 30,730,000 bytes, "
        f"and should hold six batches of 30,730,000 bytes, once each, beside two texts{again}"
    )
    assert refusal(write(path, joined(wrong[1:])), cache) == f"{path} has no {NAMES[0]}{again}"
    assert refusal(write(path, b"plain"), cache) == f"{path} is no whole tar.gz file: Not a gzipped file (b'pl'){again}"
    changed = labels.copy()
    changed[0] = (labels[0] + 1) % 10

    def check_both(values):
        for split, part in (("train", values[:50000]), ("test", values[50000:])):
            cifar10_batches._check_labels(part.astype(np.int64), split, path)

    for values, words in (
        (changed, f"has {5000 - (labels[0] < 9):,} images of class "),
        (
            np.where(np.arange(60000) == 59999, 10, labels).astype(np.uint8),
            "has the label 10 in test, and labels are 0 to 9",
        ),
    ):
        with pytest.raises(DataError) as error:
            check_both(values)
        assert str(error.value).startswith(f"{path} {words}") and str(error.value).endswith(again)


def test_broken_and_stalled_servers_are_refused(made, cache, record_property):
    *_, content = made
    archive = write(cache / OFFICIAL.name, content)
    (cache / OFFICIAL.name).unlink()
    tried = count(refuse_each_answer(broken_servers(content, 2**18), archive, cache))
    tried += count(refuse_each_answer(stalled_servers(content), archive, cache, 0.3))
    record_property("broken or stalled servers refused, with the cache untouched", tried)


def test_a_full_disk_leaves_nothing(made, cache, record_property):
    pytest.importorskip("resource")
    *_, content = made
    archive = write(cache / OFFICIAL.name, content)
    assert count(full_disk(archive, cache, [10**8])) == 1  # the arrays, half written
    (cache / OFFICIAL.name).unlink()
    with Server(send(content)) as server:
        asked = Archive(server.url, archive.size, archive.md5)
        tried = count(full_disk(asked, cache, range(0, len(content), 2**18)))
    assert not list(cache.glob("*gz")) + list(cache.glob("tmp*"))
    record_property("full disks survived, with the cache untouched", 1 + tried)


def test_the_sentence_about_a_cache_that_cannot_be_is_full(made, tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert refusal(Archive(NOWHERE, 10**6, ""), tmp_path / "file") == (
        f"cannot keep the 186 MB of CIFAR-10 in {tmp_path}/file: File exists; "
        "a part of this path is a file, not a folder, so set CONVAC_DATA to another place"
    )


def test_damaged_arrays_are_refused(converted, cache, record_property):
    archive = copied(converted, cache)
    tried = count(damaged_arrays(archive, cache, 32, 2**26))
    record_property("damaged array files of CIFAR-10 refused", tried)


def test_arrays_of_another_archive_are_refused(converted):
    archive, cache = converted
    other = Archive(archive.url, archive.size, "0" * 32)
    assert refusal(other, cache) == DAMAGED.format(cache / "cifar10.safetensors", other)


def test_arrays_are_synced_before_they_are_seen(made, cache, monkeypatch):
    *_, content = made
    archive, path, done = write(cache / OFFICIAL.name, content), cache / "cifar10.safetensors", []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (done.append(("synced", os.fstat(number).st_size)), fsync(number)))
    monkeypatch.setattr(os, "replace", lambda *names: (done.append(("seen", path.exists())), replace(*names)))
    read(archive, cache)
    size = path.stat().st_size
    assert done == [("synced", size), ("seen", False)] and size > 6 * 30_720_000
    assert path.stat().st_mode & 0o777 == 0o644


def test_check_tells_what_is_there(converted, cache, monkeypatch, capsys):
    archive, place = converted
    digest = read(archive, place).digest
    whole, arrays = str(place / OFFICIAL.name), str(place / "cifar10.safetensors")
    report = {
        "archive": {"path": whole, "state": "whole"},
        "arrays": {"path": arrays, "state": "whole", "digest": digest},
    }
    assert check(archive, place) == report
    monkeypatch.setattr(cifar10, "OFFICIAL", archive)
    monkeypatch.setenv("CONVAC_DATA", str(place))
    assert main(["data", "check", "--json"]) == 0 and json.loads(capsys.readouterr().out) == {"cifar10": report}
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out == (
        f"cifar10\n  archive  whole: {whole}\n  arrays   whole: {arrays}\n  digest   {digest}\n"
    )
    assert main(["data", "fetch", "cifar10", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"source": "cifar10", "digest": digest}
    monkeypatch.setenv("CONVAC_DATA", str(cache))
    (cache / OFFICIAL.name).write_bytes(b"short")
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out == (
        f"cifar10\n  archive  damaged: {cache}/cifar-10-binary.tar.gz has 5 bytes, not the {archive.size:,} of "
        "cifar-10-binary.tar.gz; delete it, and run convac data fetch cifar10\n"
        f"  arrays   absent: {cache}/cifar10.safetensors\n"
    )


def test_the_cache_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("CONVAC_DATA", str(tmp_path))
    assert cifar10.data_folder() == tmp_path
    monkeypatch.delenv("CONVAC_DATA")
    assert cifar10.data_folder().name == "convac" or os.name == "nt"


def test_names_and_folders_are_loaded_and_no_folder_passes_for_a_published_set(tmp_path, converted, monkeypatch):
    for name in ("mine", "cifar10"):
        for split in ("train", "test"):
            (tmp_path / name / split / "a").mkdir(parents=True)
            Image.fromarray(np.full((2, 2), 7, np.uint8)).save(tmp_path / name / split / "a" / "0.png")
    assert sources.load(str(tmp_path / "mine"), progress=False).source == "mine"
    assert sources.load("digits").digest == digits().digest
    with pytest.raises(DataError) as error:
        sources.load(str(tmp_path / "cifar10"), progress=False)
    assert str(error.value) == (
        f"the folder {tmp_path}/cifar10 would pass for the published cifar10; give it another name"
    )
    archive, cache = converted
    monkeypatch.setattr(cifar10, "OFFICIAL", archive)
    monkeypatch.setenv("CONVAC_DATA", str(cache))
    assert sources.load("cifar10").digest == read(archive, cache).digest


@pytest.mark.parametrize("module", [archives, cifar10, cifar10_batches, dataset, digits_module, folder, sources])
def test_no_module_of_the_data_unpickles_or_extracts(module):
    nodes = list(ast.walk(ast.parse(Path(module.__file__).read_text("utf-8"))))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    assert not imported & {"pickle", "marshal", "shelve", "joblib"}
    used = {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)}
    assert not used & {"torch.load", "np.load", "members.extract", "members.extractall"}


@pytest.mark.skipif(not (cifar10.data_folder() / OFFICIAL.name).exists(), reason="the official archive is not here")
def test_the_official_archive_begins_as_published():
    dataset = cifar10.cifar10(progress=False)
    assert dataset.train_labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
    assert dataset.train_images[0, 0, 0, :8].tolist() == [59, 43, 50, 68, 98, 119, 139, 145]
    assert dataset.test_labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]


PROXY = "the proxy does not work; mend or unset HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or "
NO_NAME = "its name cannot be resolved; connect this machine to the internet, or "


@pytest.mark.parametrize(
    ("url", "environment", "words"),
    [
        ("https://nowhere.invalid/", {}, NO_NAME),
        ("http://127.0.0.1:9/", {}, "the connection is refused; let it through your network's firewall, or "),
        ("https://nowhere.invalid/", {"HTTPS_PROXY": "http://127.0.0.1:9"}, PROXY),
        ("http://nowhere.invalid/", {"HTTP_PROXY": "http://nowhere.invalid:80"}, PROXY),
        ("https://nowhere.invalid/", {"HTTPS_PROXY": "http://:x"}, PROXY),
    ],
)
def test_a_network_that_fails_is_named_with_its_cause_and_remedy(
    impatient, cache, monkeypatch, url, environment, words
):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    archive = Archive(f"{url}a.tar.gz", 10, "0" * 32)
    assert refusal(archive, cache) == (
        f"cannot fetch {archive.url}: {words}get {archive} elsewhere and put it at {cache}/a.tar.gz"
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (send(b"no", status=403), "the server answers 403; "),
        (send(b"no", status=503), "the server answers 503; run it again later, or "),
        (silent(2.0), "nothing came for 0.3 s; run it again later, or "),
        (hung_up, "the connection was lost; run it again, or "),
        (send(b"<html>Please log in</html>"),
         "what came is not that file; if your network asks you to log in, do so and run it again, or "),
    ],
)  # fmt: skip
def test_a_server_that_fails_is_named_with_its_cause_and_remedy(cache, monkeypatch, answer, words):
    monkeypatch.setattr(archives, "_RETRIES", 0)
    monkeypatch.setattr(archives, "_PATIENCE", 0.3)
    with Server(answer) as server:
        archive = Archive(server.url, 10, "0" * 32)
        assert refusal(archive, cache) == (
            f"cannot fetch {archive.url}: {words}get {archive} elsewhere and put it at {cache}/{archive.name}"
        )


def test_a_certificate_that_cannot_be_verified_is_named_with_the_reason():
    def words(message):
        cause = ssl.SSLCertVerificationError(1, f"certificate verify failed: {message}")
        cause.verify_message = message
        return archives._diagnosis(exceptions.SSLError(cause))

    assert words("self-signed certificate") == (
        "its certificate cannot be verified (self-signed certificate); "
        "set REQUESTS_CA_BUNDLE to the file of certificates that your network uses, or "
    )
    assert words("certificate has expired") == (
        "its certificate cannot be verified (certificate has expired); set this machine's clock, or "
    )
    assert archives._diagnosis(exceptions.SSLError(ssl.SSLError("wrong version number"))) == (
        "no secure connection can be made; mend the proxy or firewall that is between, or "
    )


def test_certificates_that_are_not_there_are_named(impatient, cache, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere.pem")
    assert refusal(Archive("https://127.0.0.1:9/a.tar.gz", 10, "0" * 32), cache) == (
        "cannot fetch https://127.0.0.1:9/a.tar.gz: Could not find a suitable TLS CA certificate bundle, "
        "invalid path: /nowhere.pem; mend or unset REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE"
    )


@pytest.mark.filterwarnings("always:.*holds pickles")
def test_the_pickled_archive_is_named_and_not_used(cache, monkeypatch, capsys):
    (cache / "cifar-10-python.tar.gz").write_bytes(b"pickles")
    (cache / "cifar-10-batches-py").mkdir()
    sentences = [
        f"{cache}/{name} holds pickles, which can run any code, and nothing here unpickles, so that it is not used; "
        f"put cifar-10-binary.tar.gz at {cache}/cifar-10-binary.tar.gz"
        for name in ("cifar-10-python.tar.gz", "cifar-10-batches-py")
    ]
    assert [unused["why"] for unused in pickled(OFFICIAL, cache)] == sentences
    monkeypatch.setattr(cifar10, "OFFICIAL", Archive(NOWHERE, OFFICIAL.size, OFFICIAL.md5))
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setenv("CONVAC_DATA", str(cache))
    assert main(["data", "check"]) == 0
    assert capsys.readouterr().out == (
        f"cifar10\n  archive  absent: {cache}/cifar-10-binary.tar.gz\n  arrays   absent: {cache}/cifar10.safetensors\n"
        + "".join(f"  unused   {sentence}\n" for sentence in sentences)
    )
    assert main(["data", "check", "--json"]) == 0
    assert [unused["why"] for unused in json.loads(capsys.readouterr().out)["cifar10"]["unused"]] == sentences
    assert main(["data", "fetch", "cifar10"]) == 2
    *warned, _ = capsys.readouterr().err.splitlines()
    assert warned == [f"convac: {sentence}" for sentence in sentences]


def test_a_cache_that_cannot_be_is_one_sentence(monkeypatch, tmp_path):
    def sentence(call):
        with pytest.raises(DataError) as error:
            call()
        return str(error.value)

    monkeypatch.setenv("CONVAC_DATA", "~nobody-of-this-name/data")
    assert sentence(cifar10.data_folder) == (
        "CONVAC_DATA is ~nobody-of-this-name/data, and there is no such home folder; "
        "set CONVAC_DATA to an absolute path"
    )
    monkeypatch.setenv("CONVAC_DATA", "")
    monkeypatch.setattr("pooch.os_cache", lambda name: Path("~nobody-of-this-name") / name)
    assert sentence(cifar10.data_folder) == (
        "the cache lies in the home folder, and there is no such home folder; set CONVAC_DATA to an absolute path"
    )
    monkeypatch.setenv("CONVAC_DATA", "data")
    monkeypatch.chdir(tmp_path)
    assert cifar10.data_folder() == tmp_path / "data"
    (tmp_path / "file").write_text("")
    assert sentence(lambda: check(OFFICIAL, tmp_path / "file")) == (
        f"{tmp_path}/file is not a folder that can be read; set CONVAC_DATA to one"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_in_the_cache_are_refused_at_once(cache):
    os.mkfifo(cache / "cifar10.safetensors")
    os.mkfifo(cache / OFFICIAL.name)
    report = check(OFFICIAL, cache)
    assert report["archive"]["why"] == (
        f"{cache}/{OFFICIAL.name} is not a regular file; delete it, and run convac data fetch cifar10"
    )
    assert (
        report["arrays"]["why"] == refusal(OFFICIAL, cache) == DAMAGED.format(cache / "cifar10.safetensors", OFFICIAL)
    )


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (28, "No space left on device; free some space there, or set CONVAC_DATA to a place on another disk"),
        (13, "Permission denied; ask its owner for the permission, or set CONVAC_DATA to another place"),
        (30, "Read-only file system; set CONVAC_DATA to a place on a disk that is not read-only"),
        (18, "Invalid cross-device link; set CONVAC_DATA to another folder"),
    ],
)
def test_a_cache_that_cannot_be_written_is_named_with_the_cause(cache, monkeypatch, number, remedy):
    def fail(self, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", fail)
    assert refusal(Archive(NOWHERE, 10**6, ""), cache) == (f"cannot keep the 186 MB of CIFAR-10 in {cache}: {remedy}")
