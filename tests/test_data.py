"""The data loader against Pillow, hand-made files and the official layout."""

import hashlib
import io
import json
import os
import pickle
import re
import shutil
import struct
import tarfile
import urllib.error
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from PIL import Image

from tta_helpers import data
from tta_helpers.data import DataError, load_dataset, train_validation_split

REAL, REAL_CACHE = os.environ.get("CIFAR10_DIR"), os.environ.get("TTA_CACHE")
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
TRAIN_FILES = [f"data_batch_{i}" for i in (1, 2, 3, 4, 5)]


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No network, no reader's folders: caches land in a temporary folder."""

    def offline(request, timeout):
        assert timeout <= 5
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    monkeypatch.setenv("TTA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(data.urllib.request, "urlopen", offline)
    monkeypatch.setattr(data.sample, "make_sample", small_sample)


def small_sample(progress=None):
    images = random_images(30, 32, 32, 3)
    labels = np.arange(30) % 10
    return images[:20], labels[:20], images[20:], labels[20:]


class Python2Pickler(pickle._Pickler):
    """Writes strings as Python 2 did, which is how the official files hold them."""

    def save_string(self, value):
        raw = value if isinstance(value, bytes) else value.encode("ascii")
        self.write(pickle.BINSTRING + struct.pack("<i", len(raw)) + raw)

    dispatch = pickle._Pickler.dispatch | {bytes: save_string, str: save_string}


def python2_dumps(value):
    file = io.BytesIO()
    Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue().replace(b"numpy._core", b"numpy.core")  # the name in NumPy 1


def python3_dumps(value):
    return pickle.dumps(value, protocol=4)


def official_batch(n=3, seed=0):
    labels = [(i + seed) % 10 for i in range(n)]
    return {b"batch_label": b"batch", b"labels": labels, b"data": random_images(n, 3072, seed=seed)}


def write_batches(folder, dumps=python2_dumps):
    folder.mkdir(parents=True)
    for seed, name in enumerate([*TRAIN_FILES, "test_batch"]):
        (folder / name).write_bytes(dumps(official_batch(seed=seed)))
    meta = {b"label_names": [name.encode() for name in TEN], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(dumps(meta))
    return folder


@pytest.fixture
def batches(tmp_path):
    return write_batches(tmp_path / "cifar-10-batches-py")


def write_images(root, splits=("train", "test"), classes=("cat", "dog"), n=2, shape=(8, 8, 3)):
    """Write distinct PNG files and return their pixels by path inside `root`."""
    written = {}
    for split in splits:
        for name in classes:
            (root / split / name).mkdir(parents=True)
            for i in range(n):
                path = f"{split}/{name}/{i:02}.png"
                written[path] = random_images(*shape, seed=len(written))
                Image.fromarray(written[path]).save(root / path)
    return written


@pytest.fixture
def folder(tmp_path):
    write_images(tmp_path / "pets")
    return tmp_path / "pets"


def caches(tmp_path):
    return sorted((tmp_path / "cache").glob("*"))


# Official batches.


@pytest.mark.parametrize("dumps", [python2_dumps, python3_dumps])
def test_batches_keep_rows_columns_and_channels_apart(tmp_path, dumps):
    folder = write_batches(tmp_path / "b", dumps)
    rows = np.zeros((1, 3072), np.uint8)
    rows[0, 5 * 32 + 7] = 200  # red, row 5, column 7
    rows[0, 1024 + 31] = 150  # green, top right corner
    rows[0, 2048 + 31 * 32] = 100  # blue, bottom left corner
    (folder / "test_batch").write_bytes(dumps({b"data": rows, b"labels": [8]}))

    loaded = load_dataset(source=folder)

    image = loaded.test_images[0]
    assert [image[5, 7, 0], image[0, 31, 1], image[31, 0, 2]] == [200, 150, 100]
    assert np.count_nonzero(image) == 3
    assert loaded.test_labels.tolist() == [8]
    assert loaded.train_labels.tolist() == [0, 1, 2, 1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6]
    assert loaded.train_images.shape == (15, 32, 32, 3)
    assert loaded.class_names == tuple(TEN)
    assert loaded.name == "cifar10-batches"
    assert loaded.provenance == (
        "CIFAR-10, official batches, 15 of 50,000 training and 1 of 10,000 test images: "
        "the folder given as source."
    )


def test_batches_of_cifar100_use_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    names = [f"class {i}".encode() for i in range(100)]
    content = {b"data": random_images(2, 3072), b"fine_labels": [99, 0], b"coarse_labels": [1, 2]}
    for name in ("train", "test"):
        (folder / name).write_bytes(python2_dumps(content))
    (folder / "meta").write_bytes(
        python2_dumps({b"fine_label_names": names, b"coarse_label_names": [b"x"] * 20})
    )
    loaded = load_dataset("cifar100", source=folder)
    assert loaded.train_labels.tolist() == [99, 0]
    assert loaded.class_names[99] == "class 99"
    assert loaded.provenance.startswith("CIFAR-100, official batches, 2 of 50,000")
    with pytest.raises(DataError, match="CIFAR-10 has 10 classes, but 100 are in CIFAR-100"):
        load_dataset("cifar10", source=folder)


def test_batches_resize_as_pillow_does(batches):
    original, resized = load_dataset(source=batches), load_dataset(source=batches, image_size=12)
    for name in ("train_images", "test_images"):
        expected = Image.fromarray(getattr(original, name)[2]).resize((12, 12), Image.BICUBIC)
        np.testing.assert_array_equal(getattr(resized, name)[2], np.asarray(expected))
    assert "resized to 12x12 (bicubic)" in resized.provenance


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_truncated_batch_names_the_file(batches, name):
    path = batches / name
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=f"{name} is no official file .* unpack"):
        load_dataset(source=batches)


def test_missing_batch_names_the_file(batches):
    (batches / "data_batch_4").unlink()
    with pytest.raises(DataError, match="data_batch_4 missing: unpack"):
        load_dataset(source=batches)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({b"data": random_images(3, 3072), b"labels": [1, 2]}, "3 images and 2 labels"),
        ({b"data": random_images(0, 3072), b"labels": []}, "0 images"),
        ({b"data": random_images(2, 3071), b"labels": [1, 2]}, "no array"),
        ({b"data": np.zeros((2, 3072), np.float32), b"labels": [1, 2]}, "no array"),
        ({b"data": [0] * 3072, b"labels": [1]}, "no array"),
        ({b"labels": [1]}, "no array"),
        ({b"data": random_images(2, 3072)}, "labels"),
        ({b"data": random_images(1, 3072), b"labels": 3}, "no list"),
        ({b"data": random_images(2, 3072), b"labels": [1, 10]}, "label 10 is not from 0 to 9"),
        ({b"data": random_images(2, 3072), b"labels": [-1, 1]}, "label -1 is not from 0 to 9"),
        ({b"data": random_images(2, 3072), b"labels": [1, 2.5]}, "label 2.5"),
        ([1, 2], "TypeError"),
    ],
)
def test_tampered_batch_names_file_and_problem(batches, content, problem):
    (batches / "data_batch_2").write_bytes(python2_dumps(content))
    with pytest.raises(DataError, match=f"data_batch_2 is no official file .*{problem}"):
        load_dataset(source=batches)


@pytest.mark.parametrize("names", [[b"cat"] * 9, ["cat"] * 10])
def test_tampered_class_names(batches, names):
    (batches / "batches.meta").write_bytes(python3_dumps({b"label_names": names}))
    with pytest.raises(DataError, match=r"batches.meta .*does not name 10 classes"):
        load_dataset(source=batches)


class Hostile:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_hostile_pickle_is_refused_and_does_not_run(batches, tmp_path, name):
    marker = tmp_path / "ran"
    hostile = python2_dumps({b"data": Hostile(os.system, f"echo > {marker}")})
    (batches / name).write_bytes(hostile)
    with pytest.raises(DataError, match=f"{name} .*asks for {os.name}.system, which is refused"):
        load_dataset(source=batches)
    assert not marker.exists()
    pickle.loads(hostile)  # it does run where nothing refuses it
    assert marker.exists()


@pytest.mark.parametrize("function", [eval, getattr, np.load, np.save])
def test_pickle_may_ask_for_nothing_but_plain_arrays(batches, function):
    (batches / "test_batch").write_bytes(python3_dumps(Hostile(function, "1")))
    with pytest.raises(DataError, match=f"{function.__name__}, which is refused"):
        load_dataset(source=batches)


# Class folders.


def test_class_folders_are_read_in_order_of_class_and_file(tmp_path):
    written = write_images(tmp_path / "pets", classes=("dog", "Ant", "cat"), n=3, shape=(6, 9, 3))
    (tmp_path / "pets" / "train" / ".ipynb_checkpoints").mkdir()  # hidden: not a class
    (tmp_path / "pets" / "test" / "cat" / ".DS_Store").touch()
    loaded = load_dataset("folder", source=str(tmp_path / "pets"))
    order = [f"{name}/{i:02}.png" for name in ("Ant", "cat", "dog") for i in range(3)]
    for split in ("train", "test"):
        images, labels = getattr(loaded, f"{split}_images"), getattr(loaded, f"{split}_labels")
        np.testing.assert_array_equal(images, [written[f"{split}/{path}"] for path in order])
        assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert loaded.class_names == ("Ant", "cat", "dog")
    assert loaded.name == "pets"
    assert loaded.provenance == (
        "class folders pets (PNG), 9 training and 9 test images: the folder given as source."
    )


def test_every_kind_of_image_becomes_rgb(tmp_path, recwarn):
    rgb = Image.fromarray(random_images(8, 8, 3))
    faded = rgb.copy()
    faded.putalpha(Image.fromarray(random_images(8, 8)))
    palette = rgb.quantize(16)
    palette.info["transparency"] = bytes(range(16))
    files = {
        "a.png": rgb.convert("L"),
        "b.png": faded,
        "c.png": palette,
        "d.JPG": rgb,
        "e.jpeg": rgb.convert("L"),
        "f.png": rgb.convert("1"),
    }
    for split in ("train", "test"):
        (tmp_path / split / "only").mkdir(parents=True)
        for name, image in files.items():
            image.save(tmp_path / split / "only" / name)

    loaded = load_dataset(source=tmp_path)

    grey, pixels = np.asarray(rgb.convert("L")), np.asarray(rgb)
    images = loaded.test_images
    np.testing.assert_array_equal(images[0], np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(images[1], pixels)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(images[2], colours[np.asarray(palette)])
    for i, name in (3, "d.JPG"), (4, "e.jpeg"):
        decoded = np.asarray(Image.open(tmp_path / "test" / "only" / name))
        np.testing.assert_array_equal(images[i], decoded if i == 3 else np.stack([decoded] * 3, -1))
    assert set(np.unique(images[5])) == {0, 255}
    assert "(JPEG and PNG)" in loaded.provenance
    assert not recwarn.list


def test_image_size_resizes_as_pillow_does(tmp_path):
    written = write_images(tmp_path / "pets", splits=["train"], shape=(40, 24, 3))
    written |= write_images(tmp_path / "pets", splits=["test"], shape=(10, 16, 3))
    loaded = load_dataset(source=tmp_path / "pets", image_size=20)
    pairs = {"train/cat/00.png": loaded.train_images[0], "test/dog/01.png": loaded.test_images[3]}
    for path, image in pairs.items():
        expected = Image.fromarray(written[path]).resize((20, 20), Image.BICUBIC)
        np.testing.assert_array_equal(image, np.asarray(expected))


@pytest.mark.parametrize("image_size", [0, -3, 32.0, "32", True])
def test_bad_image_size(folder, image_size):
    with pytest.raises(DataError, match=f"positive whole number of pixels, not {image_size!r}"):
        load_dataset(source=folder, image_size=image_size)


def test_images_of_two_sizes_need_image_size(folder):
    Image.new("RGB", (9, 8)).save(folder / "test" / "dog" / "01.png")
    with pytest.raises(DataError, match=r"dog.01.png is 9x8 pixels.*image_size="):
        load_dataset(source=folder)
    assert load_dataset(source=folder, image_size=8).test_images.shape == (4, 8, 8, 3)


def test_empty_class_folder(folder):
    (folder / "train" / "emu").mkdir()
    with pytest.raises(DataError, match="emu is empty: add images or remove"):
        load_dataset(source=folder)


def test_no_class_folders(tmp_path):
    (tmp_path / "d" / "train").mkdir(parents=True)
    (tmp_path / "d" / "test").mkdir()
    with pytest.raises(DataError, match="train holds no class folders: give it one"):
        load_dataset(source=tmp_path / "d")


def test_train_and_test_classes_that_differ(folder):
    shutil.copytree(folder / "train" / "cat", folder / "train" / "lynx")
    with pytest.raises(DataError, match="different classes: give both a folder for lynx"):
        load_dataset(source=folder)


@pytest.mark.parametrize("name", ["notes.txt", "photo.webp", "folder.png/x"])
def test_what_is_no_image_file_in_a_class_folder(folder, name):
    stray = folder / "train" / "cat" / name
    stray.parent.mkdir(exist_ok=True)
    stray.touch()
    name = name.removesuffix("/x")
    with pytest.raises(DataError, match=f"{name} is no PNG or JPEG file: convert it or move"):
        load_dataset(source=folder)


def break_image(path, how):
    pixels = random_images(8, 8)
    if how == "truncated":
        path.write_bytes(path.read_bytes()[:-60])
    elif how == "noise":
        path.write_bytes(pixels.tobytes())
    elif how == "other format":
        Image.fromarray(pixels).save(path, format="GIF")
    else:
        Image.fromarray(pixels.astype(np.uint16) * 256).save(path)


@pytest.mark.parametrize("how", ["truncated", "noise", "other format", "16 bits"])
def test_image_that_does_not_decode(folder, how):
    break_image(folder / "test" / "cat" / "01.png", how)
    with pytest.raises(DataError, match=r"cat.01.png cannot be decoded.*Replace or remove it"):
        load_dataset(source=folder)


# Which source is taken.


def test_parent_folders_are_searched_in_the_documented_order(tmp_path):
    write_batches(tmp_path / "all" / "cifar-10-batches-py")
    assert load_dataset(source=tmp_path / "all").name == "cifar10-batches"
    write_images(tmp_path / "all" / "images")
    assert load_dataset(source=tmp_path / "all").name == "images"
    write_images(tmp_path / "all")
    assert load_dataset(source=tmp_path / "all").name == "all"


def test_folder_of_neither_layout(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(DataError, match=r"holds no data set: give it class folders .* or the off"):
        load_dataset(source=tmp_path)


def test_missing_path(tmp_path):
    with pytest.raises(DataError, match="nowhere is not a folder: correct source= or CIFAR10_DIR"):
        load_dataset(source=tmp_path / "nowhere")


def test_unknown_name():
    with pytest.raises(DataError, match="unknown data set 'cifar': use one of auto, cifar10, "):
        load_dataset("cifar")


def test_source_and_name_must_fit(folder):
    with pytest.raises(DataError, match="'folder' needs source="):
        load_dataset("folder")
    with pytest.raises(DataError, match="leave out source="):
        load_dataset("sample", source=folder)
    with pytest.raises(DataError, match="CIFAR-10 has 10 classes, but 2 are in class folders pets"):
        load_dataset("cifar10", source=folder)


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_cifar10_dir_is_taken_first(monkeypatch, batches, name):
    monkeypatch.setenv("CIFAR10_DIR", str(batches))
    loaded = load_dataset(name)
    assert loaded.name == "cifar10-batches"
    assert loaded.provenance.endswith("test images: the folder named by CIFAR10_DIR.")
    assert str(batches.parent) not in loaded.provenance


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_bad_cifar10_dir_is_an_error_and_no_fallback(monkeypatch, tmp_path, name):
    monkeypatch.setenv("CIFAR10_DIR", str(tmp_path / "gone"))
    with pytest.raises(DataError, match="gone is not a folder"):
        load_dataset(name)


def test_auto_falls_back_to_the_sample_and_says_why():
    loaded = load_dataset()
    assert loaded.name == "sample"
    assert loaded.provenance == (
        "procedural sample, 20 training and 10 test images: CIFAR10_DIR is not set and CIFAR-10 "
        "could not be downloaded (Name or service not known), so the procedural sample stands in."
    )
    np.testing.assert_array_equal(loaded.test_images, small_sample()[2])
    by_name = load_dataset("sample")
    assert by_name.provenance.endswith("test images: asked for by name.")
    assert by_name.fingerprint == loaded.fingerprint
    assert by_name.class_names == tuple(TEN)


@pytest.mark.parametrize(("name", "archive"), [("cifar10", "10"), ("cifar100", "100")])
def test_no_network_says_what_to_do(name, archive):
    reason = rf"CIFAR-{archive} could not be downloaded \(Name or service not known\)"
    advice = rf"connect .*kriz/cifar-{archive}-python.tar.gz .*source="
    with pytest.raises(DataError, match=f"{reason}: {advice}"):
        load_dataset(name)


# The Keras download.


@pytest.fixture
def archive(monkeypatch, batches, tmp_path):
    """Return a small archive in the official layout, whose hash stands in for the official one."""
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(batches, batches.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(data.OFFICIAL, "cifar10", data.OFFICIAL["cifar10"]._replace(sha256=digest))
    return path


def in_keras_cache(tmp_path):
    path = tmp_path / "keras" / "datasets" / "cifar-10-batches-py-target_archive"
    path.parent.mkdir(parents=True)
    return path


def online(monkeypatch, get_file):
    monkeypatch.setattr(data.urllib.request, "urlopen", lambda request, timeout: io.BytesIO())
    monkeypatch.setattr(data.keras.utils, "get_file", get_file)


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_archive_in_keras_cache_is_read_offline_and_left_alone(archive, batches, tmp_path, name):
    cached = in_keras_cache(tmp_path)
    shutil.copy(archive, cached)
    loaded = load_dataset(name)
    assert loaded.provenance.endswith("downloaded by Keras, as CIFAR10_DIR is not set.")
    assert loaded.fingerprint == load_dataset(source=batches).fingerprint
    assert list(cached.parent.iterdir()) == [cached]
    assert cached.read_bytes() == archive.read_bytes()
    cached.unlink()
    load_dataset(name)  # decoded once: the archive is not needed again


def test_damaged_archive_in_keras_cache_is_reported_and_kept(monkeypatch, archive, tmp_path):
    online(monkeypatch, lambda *_, **__: pytest.fail("Keras would delete the archive"))
    cached = in_keras_cache(tmp_path)
    cached.write_bytes(archive.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"target_archive is damaged or still being downloaded"):
        load_dataset()
    assert cached.exists()


def test_download_through_keras(monkeypatch, archive, tmp_path):
    def get_file(name, origin, file_hash):
        assert origin == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
        assert file_hash == hashlib.sha256(archive.read_bytes()).hexdigest()
        return str(shutil.copy(archive, in_keras_cache(tmp_path)))

    online(monkeypatch, get_file)
    assert load_dataset().name == "cifar10-batches"


def test_download_that_breaks_off(monkeypatch):
    def get_file(*_, **__):
        raise Exception("URL fetch failure on https://x: 503 -- Unavailable")

    online(monkeypatch, get_file)
    with pytest.raises(DataError, match="URL fetch failure"):
        load_dataset("cifar10")
    assert "URL fetch failure" in load_dataset().provenance


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_archives_are_those_of_keras(name):
    source = (Path(data.keras.__file__).parent / "src" / "datasets" / f"{name}.py").read_text()
    official = data.OFFICIAL[name]
    for part in (official.url, official.sha256, f'"{official.folder}-target"'):
        assert part in source


# The cache.


def test_second_load_decodes_nothing_and_maps_read_only(monkeypatch, folder):
    first = load_dataset(source=folder)
    monkeypatch.setattr(data, "_decode_image", lambda *_: pytest.fail("decoded again"))
    second = load_dataset(source=folder)
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.train_images, np.memmap)
    for array in (getattr(second, name) for name in data.ARRAYS):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_changed_file_is_decoded_anew(folder, tmp_path):
    before = load_dataset(source=folder)
    path = folder / "test" / "cat" / "00.png"
    Image.new("RGB", (8, 8), "red").save(path)
    after = load_dataset(source=folder)
    assert after.test_images[0, 0, 0].tolist() == [255, 0, 0]
    assert after.fingerprint != before.fingerprint
    assert len(caches(tmp_path)) == 2


def test_fingerprint_is_of_content_and_not_of_place(folder, tmp_path):
    moved = tmp_path / "elsewhere" / "pets"
    shutil.copytree(folder, moved)
    prints = {load_dataset(source=s, cache=tmp_path / "c").fingerprint for s in (folder, moved)}
    assert len(prints) == 1
    assert re.fullmatch("[0-9a-f]{64}", prints.pop())
    for split in ("train", "test"):
        (moved / split / "cat").rename(moved / split / "cow")  # sorts where cat did
    assert load_dataset(source=moved).fingerprint != load_dataset(source=folder).fingerprint
    assert len(list((tmp_path / "c").iterdir())) == 2


def test_two_at_once_leave_one_whole_cache(monkeypatch, tmp_path):
    barrier = Barrier(2)

    def together(progress):
        barrier.wait(timeout=10)  # both are decoding: neither has found a cache
        return small_sample()

    monkeypatch.setattr(data.sample, "make_sample", together)
    with ThreadPoolExecutor(2) as threads:
        one, two = threads.map(load_dataset, ["sample", "sample"])
    np.testing.assert_array_equal(one.train_images, two.train_images)
    assert len(caches(tmp_path)) == 1


def test_a_write_that_fails_leaves_nothing(monkeypatch, tmp_path):
    save = np.save

    def fill_the_disk(path, array):
        if path.stem == "test_images":
            raise OSError(28, "No space left on device")
        save(path, array)

    monkeypatch.setattr(data.np, "save", fill_the_disk)
    with pytest.raises(DataError, match=r"No space left.*TTA_CACHE"):
        load_dataset("sample")
    assert caches(tmp_path) == []


def test_cache_of_another_version_is_an_error_and_stays(tmp_path, fault):
    fault("cache of another version")
    load_dataset("sample")
    [cache] = caches(tmp_path)
    meta = json.loads((cache / "meta.json").read_text())
    (cache / "meta.json").write_text(json.dumps(meta | {"format": 99}))
    expected = "has format 99, and this version reads 1: delete that folder"
    with pytest.raises(DataError, match=f"{re.escape(str(cache))} {expected}"):
        load_dataset("sample")
    assert len(list(cache.iterdir())) == 5


@pytest.mark.parametrize("name", ["meta.json", "train_images.npy", "test_labels.npy"])
@pytest.mark.parametrize("how", ["truncated", "emptied", "gone", "other"])
def test_damaged_cache_is_an_error_and_stays(tmp_path, name, how):
    load_dataset("sample")
    [cache] = caches(tmp_path)
    path = cache / name
    if how == "gone":
        path.unlink()
    elif how == "other":
        path.write_bytes((cache / "test_images.npy").read_bytes())
    else:
        path.write_bytes(path.read_bytes()[: -8 if how == "truncated" else 0])
    with pytest.raises(DataError, match=f"{re.escape(str(cache))} is damaged .*: delete that"):
        load_dataset("sample")
    assert cache.is_dir()


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written"):
        load_dataset("sample", cache=tmp_path / "file")


# Splits.


def test_split_keeps_proportions_and_every_row_once():
    labels = np.repeat([0, 1, 2], [100, 60, 40])
    train, validation = train_validation_split(labels, 0.1, seed=3)
    assert sorted([*train, *validation]) == list(range(200))
    assert np.bincount(labels[validation]).tolist() == [10, 6, 4]
    assert (np.diff(train) > 0).all()
    assert (np.diff(validation) > 0).all()


def test_split_follows_its_seed():
    labels = np.arange(100) % 4
    first, again, other = (train_validation_split(labels, 0.2, seed=s)[1] for s in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.5, float("nan"), 5])
def test_split_refuses_a_bad_fraction(fraction):
    with pytest.raises(DataError, match=f"above 0 and below 1, not {fraction}"):
        train_validation_split(np.arange(10) % 2, fraction)


@pytest.mark.parametrize("labels", [[0, 0, 0, 1], [], np.arange(20) % 10])
def test_split_refuses_too_few_images(labels):
    with pytest.raises(DataError, match=r"cannot be split with validation_fraction=0\.1"):
        train_validation_split(labels, 0.1)


# Real CIFAR-10.


@pytest.mark.skipif(not REAL, reason="CIFAR10_DIR is not set")
def test_real_cifar10(monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", REAL)
    monkeypatch.delenv("TTA_CACHE")
    loaded = load_dataset("cifar10", cache=REAL_CACHE)
    assert loaded.class_names == tuple(TEN)
    assert loaded.train_images.shape[1:] == loaded.test_images.shape[1:] == (32, 32, 3)
    assert str(Path(REAL).resolve()) not in loaded.provenance
    if loaded.name.startswith("cifar10-batches"):
        assert "of 50,000 training" in loaded.provenance
    if loaded.provenance.startswith("CIFAR-10, official batches"):
        # As printed in many a tutorial: frog, truck, truck, deer, automobile, ...; cat, ship, ...
        assert loaded.train_labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
        assert loaded.test_labels[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    else:
        assert np.bincount(loaded.train_labels).tolist() == [5000] * 10
        assert np.bincount(loaded.test_labels).tolist() == [1000] * 10
        assert loaded.provenance.startswith("CIFAR-10, JPEG copy, 50,000 training and 10,000 test")


def test_take_draws_a_part_and_says_so():
    whole = load_dataset("sample")
    part = whole.take(12, 5, seed=3)
    assert (len(part.train_images), len(part.test_labels)) == (12, 5)
    for name, n in (("train", 12), ("test", 5)):  # rows of the whole, each once, in its order
        images = getattr(whole, f"{name}_images")
        rows = [
            next(i for i, image in enumerate(images) if np.array_equal(image, taken))
            for taken in getattr(part, f"{name}_images")
        ]
        assert rows == sorted(set(rows)) and len(rows) == n
        labels = getattr(whole, f"{name}_labels")[rows]
        np.testing.assert_array_equal(getattr(part, f"{name}_labels"), labels)
    assert "12 training images and 5 test images drawn with seed 3" in part.provenance
    assert part.provenance.startswith(whole.provenance)
    assert len({whole.fingerprint, part.fingerprint, whole.take(12, 5, 4).fingerprint}) == 3
    np.testing.assert_array_equal(part.train_images, whole.take(12, 5, 3).train_images)
    assert whole.take() is whole
    tested = whole.take(0, 5)
    assert tested.train_images is whole.train_images


@pytest.mark.parametrize(("n_train", "n_test"), [(-1, 0), (21, 0), (0, 11)])
def test_take_refuses_what_is_not_there(n_train, n_test):
    with pytest.raises(DataError, match=r"n_\w+ is (-1|21|11): take 0 for all of the"):
        load_dataset("sample").take(n_train, n_test)


def test_a_folders_path_stands_for_the_folder(tmp_path):
    write_batches(tmp_path / "mine")
    by_path = load_dataset(str(tmp_path / "mine"))
    assert by_path.fingerprint == load_dataset("folder", tmp_path / "mine").fingerprint
    assert by_path.label == "CIFAR-10, official batches"
