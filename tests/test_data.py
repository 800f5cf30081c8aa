"""The data loader against Pillow, hand-made files and the official layout."""

import errno
import hashlib
import io
import json
import os
import pickle
import re
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Barrier, Event, Thread

import keras
import numpy as np
import opened
import pytest
from PIL import Image
from sklearn.model_selection import train_test_split

from tta_helpers.workbook import sample
from tta_helpers.workbook.data import (
    DataError,
    Dataset,
    Locked,
    cache,
    class_folders,
    decoding,
    download,
    load_dataset,
    memory,
    train_validation_split,
)
from tta_helpers.workbook.data.official import OFFICIAL, Official

REAL, REAL_CACHE = os.environ.get("CIFAR10_DIR"), os.environ.get("TTA_CACHE")
URLOPEN = urllib.request.urlopen
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
    monkeypatch.setattr(download.urllib.request, "urlopen", offline)
    monkeypatch.setattr(sample, "make_sample", small_sample)


def small_sample(n_train=30, n_test=10, progress=None):
    images = random_images(40, 32, 32, 3)
    labels = np.arange(40) % 10
    return images[:30], labels[:30], images[30:], labels[30:]


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


def official_batch(n=6, seed=0):
    labels = [(n * seed + i) % 10 for i in range(n)]
    return {b"batch_label": b"batch", b"labels": labels, b"data": random_images(n, 3072, seed=seed)}


def write_batches(folder, dumps=python2_dumps):
    folder.mkdir(parents=True)
    for seed, name in enumerate([*TRAIN_FILES, "test_batch"]):
        # Five times 6 training images and 10 test images: 3 and 1 of each class.
        (folder / name).write_bytes(dumps(official_batch(10 if seed == 5 else 6, seed)))
    meta = {b"label_names": [name.encode() for name in TEN], b"num_vis": 3072}
    (folder / "batches.meta").write_bytes(dumps(meta))
    return folder


@pytest.fixture
def batches(tmp_path):
    return write_batches(tmp_path / "cifar-10-batches-py")


def write_images(root, splits=("train", "test"), classes=("cat", "dog"), n=3, shape=(8, 8, 3)):
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
    rows = random_images(10, 3072, seed=9)
    rows[0] = 0
    rows[0, 5 * 32 + 7] = 200  # red, row 5, column 7
    rows[0, 1024 + 31] = 150  # green, top right corner
    rows[0, 2048 + 31 * 32] = 100  # blue, bottom left corner
    (folder / "test_batch").write_bytes(dumps({b"data": rows, b"labels": [8, *range(8), 9]}))

    loaded = load_dataset(source=folder)

    image = opened.images(loaded)[0]
    assert [image[5, 7, 0], image[0, 31, 1], image[31, 0, 2]] == [200, 150, 100]
    assert np.count_nonzero(image) == 3
    assert opened.labels(loaded).tolist() == [8, 0, 1, 2, 3, 4, 5, 6, 7, 9]
    assert loaded.train_labels.tolist() == [*range(10), *range(10), *range(10)]
    assert loaded.train_images.shape == (30, 32, 32, 3)
    assert loaded.class_names == tuple(TEN)
    assert loaded.name == "cifar10-batches"
    assert loaded.provenance == (
        "CIFAR-10, official batches, 30 of 50,000 training and 10 of 10,000 test images: "
        "the folder given as source."
    )


def test_batches_of_cifar100_use_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    folder.mkdir()
    names = [f"class {i}".encode() for i in range(100)]
    fine = [99 - i % 100 for i in range(300)]
    for seed, name in enumerate(("train", "test")):
        content = {b"data": random_images(300, 3072, seed=seed), b"fine_labels": fine}
        (folder / name).write_bytes(python2_dumps(content | {b"coarse_labels": [1] * 300}))
    (folder / "meta").write_bytes(
        python2_dumps({b"fine_label_names": names, b"coarse_label_names": [b"x"] * 20})
    )
    loaded = load_dataset("cifar100", source=folder)
    assert loaded.train_labels.tolist() == fine
    assert loaded.class_names[99] == "class 99"
    assert loaded.provenance.startswith("CIFAR-100, official batches, 300 of 50,000")
    with pytest.raises(DataError, match="CIFAR-10 has 10 classes, but 100 are in CIFAR-100"):
        load_dataset("cifar10", source=folder)


def test_batches_resize_as_pillow_does(batches):
    original, resized = load_dataset(source=batches), load_dataset(source=batches, image_size=12)
    for images_of in (lambda data: data.train_images, opened.images):
        expected = Image.fromarray(images_of(original)[2]).resize((12, 12), Image.BICUBIC)
        np.testing.assert_array_equal(images_of(resized)[2], np.asarray(expected))
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
        ({b"data": random_images(2, 3072), b"labels": [1, 2.0]}, "label 2.0"),
        (
            {b"data": random_images(2, 3072), b"labels": [1, [9] * 999]},
            r"label \[9[9, ]{70,80} is not",
        ),
        ({b"data": random_images(2, 3072), b"labels": [65281, 1]}, "label 65281 is not from 0"),
        ([1, 2], "TypeError"),
    ],
)
def test_tampered_batch_names_file_and_problem(batches, content, problem):
    (batches / "data_batch_2").write_bytes(python2_dumps(content))
    with pytest.raises(DataError, match=f"data_batch_2 is no official file .*{problem}"):
        load_dataset(source=batches)


def test_a_label_that_cannot_be_shown_is_refused(batches, fault):
    fault("label of 5,000 digits, and of lists in lists", 2)
    rows, told = random_images(2, 3072), "the data set cannot be read or written .*: check"
    (batches / "data_batch_2").write_bytes(python3_dumps({b"data": rows, b"labels": [1, 10**5000]}))
    with pytest.raises(DataError, match=told):
        load_dataset(source=batches)
    deep = b"]" * 100_000 + b"a" * 99_999
    labels, array = b"](K\x01" + deep + b"e", pickle.dumps(rows, 3)[2:-1]
    content = b"\x80\x03}(C\x06labels" + labels + b"C\x04data" + array + b"u."
    (batches / "data_batch_2").write_bytes(content)
    with pytest.raises(DataError, match=told.replace("written .*", "written .*recursion.*")):
        load_dataset(source=batches)


@pytest.mark.parametrize("names", [[b"cat"] * 9, ["cat"] * 10])
def test_tampered_class_names(batches, names):
    (batches / "batches.meta").write_bytes(python3_dumps({b"label_names": names}))
    with pytest.raises(DataError, match=r"batches.meta .*does not name 10 classes"):
        load_dataset(source=batches)


@pytest.mark.parametrize(
    "name",
    [
        *(
            b"",
            b" ",
            b".",
            b"..",
            b"../../x",
            b"a/b",
            b"a\\b",
            b"a\0",
            b"a\nb",
            b"truck",
            b"\xe9\0",
        ),
        *("a\x85".encode(), "a\u2028".encode(), b"n" * 61),
    ],
)
def test_class_names_that_are_no_names(batches, name):
    names = [name, *(name.encode() for name in TEN[1:])]
    (batches / "batches.meta").write_bytes(python2_dumps({b"label_names": names}))
    with pytest.raises(
        DataError, match=r"batches.meta .*(no name for a class|two classes are call)"
    ):
        load_dataset(source=batches)


def test_class_names_that_look_alike_are_refused(batches, fault):
    fault("two class names that look alike")
    names = ["caf\u00e9".encode(), "cafe\u0301".encode(), *(name.encode() for name in TEN[2:])]
    (batches / "batches.meta").write_bytes(python3_dumps({b"label_names": names}))
    with pytest.raises(DataError, match="two classes are called 'caf\u00e9'"):
        load_dataset(source=batches)


def test_class_names_that_are_no_utf8(batches):
    names = [b"caf\xe9", "犬".encode(), *(name.encode() for name in TEN[2:])]
    (batches / "batches.meta").write_bytes(python3_dumps({b"label_names": names}))
    assert load_dataset(source=batches).class_names[:3] == ("caf\ufffd", "犬", "bird")


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
        images, labels = opened.split(loaded, split)
        np.testing.assert_array_equal(images, [written[f"{split}/{path}"] for path in order])
        assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
    assert loaded.class_names == ("Ant", "cat", "dog")
    assert loaded.name == "pets"
    assert loaded.provenance == (
        "class folders pets (PNG), 9 training and 9 test images: the folder given as source."
    )


def test_every_kind_of_image_becomes_rgb(tmp_path, recwarn):
    rgb = Image.fromarray(random_images(8, 8, 3, seed=99))
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
    write_images(tmp_path, splits=["train"], classes=("a", "b"))
    for folder in ("test/a", "test/b"):
        (tmp_path / folder).mkdir(parents=True)
        for name, image in files.items():
            image.save(tmp_path / folder / name)

    loaded = load_dataset(source=tmp_path)

    grey, pixels = np.asarray(rgb.convert("L")), np.asarray(rgb)
    images = opened.images(loaded)
    np.testing.assert_array_equal(images[0], np.stack([grey] * 3, axis=-1))
    np.testing.assert_array_equal(images[1], pixels)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    np.testing.assert_array_equal(images[2], colours[np.asarray(palette)])
    for i, name in (3, "d.JPG"), (4, "e.jpeg"):
        decoded = np.asarray(Image.open(tmp_path / "test" / "a" / name))
        np.testing.assert_array_equal(images[i], decoded if i == 3 else np.stack([decoded] * 3, -1))
    assert set(np.unique(images[5])) == {0, 255}
    assert "(JPEG and PNG)" in loaded.provenance
    assert not recwarn.list


def test_image_size_resizes_as_pillow_does(tmp_path):
    written = write_images(tmp_path / "pets", splits=["train"], shape=(40, 24, 3))
    written |= write_images(tmp_path / "pets", splits=["test"], shape=(10, 16, 3))
    loaded = load_dataset(source=tmp_path / "pets", image_size=20)
    pairs = {
        "train/cat/00.png": loaded.train_images[0],
        "test/dog/01.png": opened.images(loaded)[4],
    }
    for path, image in pairs.items():
        expected = Image.fromarray(written[path]).resize((20, 20), Image.BICUBIC)
        np.testing.assert_array_equal(image, np.asarray(expected))


@pytest.mark.parametrize(
    "image_size", [0, -3, 32.0, "32", True, (8,), (8, 0), (8, 8, 3), "ab", [8, True], ()]
)
def test_bad_image_size(folder, image_size):
    refused = re.escape(f"(height, width) as two of them, not {image_size!r}")
    with pytest.raises(DataError, match=f"image_size must be a positive whole number.*{refused}"):
        load_dataset(source=folder, image_size=image_size)


def test_pictures_of_one_pixel_load(tmp_path):
    written = write_images(tmp_path / "dots", shape=(1, 1, 3))
    loaded = load_dataset(source=tmp_path / "dots")
    expected = [pixels for path, pixels in written.items() if path.startswith("test")]
    np.testing.assert_array_equal(opened.images(loaded), expected)


def test_images_of_two_sizes_need_image_size(folder):
    Image.new("RGB", (9, 8)).save(folder / "test" / "dog" / "01.png")
    with pytest.raises(DataError, match=r"dog.01.png is 8x9 pixels \(height.*image_size="):
        load_dataset(source=folder)
    assert opened.images(load_dataset(source=folder, image_size=8)).shape == (6, 8, 8, 3)


def test_empty_class_folder(folder):
    (folder / "train" / "emu").mkdir()
    with pytest.raises(DataError, match=r"no picture in .*emu: add images or remove"):
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


SYSTEM_FILES = [
    ".DS_Store",
    "train/.DS_Store",
    "train/cat/.DS_Store",
    "train/cat/._00.png",
    "train/cat/.ipynb_checkpoints/00-checkpoint.png",
    "test/dog/Thumbs.db",
    "test/desktop.ini",
    "test/dog/Desktop.ini",
    "train/Icon\r",
    "__MACOSX/._train",
    "train/__MACOSX/._cat",
    "train/@eaDir/00.png",
    "test/cat/@eaDir/00.png@SYNO.png",
    "train/$RECYCLE.BIN/x.png",
]


@pytest.mark.parametrize("name", SYSTEM_FILES)
def test_files_of_the_system_are_passed_over(folder, name):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("x")
    loaded = load_dataset(source=folder)
    assert loaded.class_names == ("cat", "dog")
    assert (len(loaded.train_images), len(opened.images(loaded))) == (6, 6)
    assert "passed over" not in loaded.provenance


def test_other_files_are_passed_over_and_counted(folder):
    (folder / "labels.csv").touch()  # beside train and test: not looked at
    (folder / "train" / "cat" / "notes.txt").touch()
    assert "6 test images, 1 other file passed over:" in load_dataset(source=folder).provenance
    for name in ("train/labels.csv", "test/dog/README.md"):
        (folder / name).touch()
    loaded = load_dataset(source=folder)
    assert "6 test images, 3 other files passed over:" in loaded.provenance
    assert len(loaded.train_images) == 6


def test_folders_and_broken_links_in_a_class_folder_are_named(folder):
    (folder / "train" / "cat" / "more.png").mkdir()
    (folder / "train" / "dog" / "gone.png").symlink_to("nowhere")
    with pytest.raises(
        DataError, match=r"cat.more\.png, .*dog.gone\.png: no file, .* move it away"
    ):
        load_dataset(source=folder)
    (folder / "train" / "cat" / "more.png").rmdir()
    (folder / "train" / "dog" / "gone.png").unlink()
    (folder / "test" / "dog" / "ring.png").symlink_to("ring.png")
    with pytest.raises(DataError, match=r"test cannot be read .*ring\.png.*correct its perm"):
        load_dataset(source=folder)


FILE_FORMATS = {
    "a.png": {},
    "b.PNG": {},
    "c.bmp": {},
    "d.tiff": {},
    "e.webp": {"lossless": True},
    "f.gif": {},
    "g.jpg": {"format": "PNG"},
    "h.JPEG": {"format": "GIF"},
    "i.png": {"format": "WEBP", "lossless": True},
    "j.jfif": {"format": "TIFF", "compression": "tiff_lzw"},
    "k.heic": {"format": "BMP"},
}


def test_pictures_are_read_by_content_whatever_their_ending(folder):
    pixels = random_images(8, 8, 3) // 64 * 64  # at most 64 colours, which a GIF holds exactly
    for name, options in FILE_FORMATS.items():
        image = Image.fromarray(pixels)
        if "GIF" in (options.get("format"), name[2:].upper()):
            image = image.quantize(256, dither=Image.Dither.NONE)
            np.testing.assert_array_equal(image.convert("RGB"), pixels)
        image.save(folder / "test" / "cat" / name, **options)
    for name in ("l.jpg", "m.jpe", "n.jfif"):
        Image.fromarray(pixels).save(folder / "test" / "cat" / name, "JPEG")
    jpeg = np.asarray(Image.open(folder / "test" / "cat" / "l.jpg"))

    loaded = load_dataset(source=folder)

    expected = [pixels] * len(FILE_FORMATS) + [jpeg] * 3
    np.testing.assert_array_equal(opened.images(loaded)[3:17], expected)
    assert "(BMP and GIF and JPEG and PNG and TIFF and WEBP)" in loaded.provenance


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 12] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "emptied": (lambda path: path.write_bytes(b""), "it is empty"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-60]), "[Tt]runcated"),
    "without its end": (lambda path: path.write_bytes(path.read_bytes()[:-12]), "truncated"),
    "noise": (
        lambda path: path.write_bytes(bytes(random_images(99))),
        "its content is none of PNG",
    ),
    "a page": (
        lambda path: path.write_text("<html>404</html>"),
        "its content is none of PNG, JPEG",
    ),
    "another format": (lambda path: Image.open(path).save(path, "ICO"), "its content is none of"),
    "one bit": (flip_a_byte, "broken PNG file"),
    "a JPEG cut": (
        lambda path: (
            Image.fromarray(random_images(64, 64, 3)).save(path, "JPEG"),
            path.write_bytes(path.read_bytes()[:900]),
        ),
        "truncated",
    ),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_file_is_named_with_the_reason(folder, how):
    damage, reason = DAMAGE[how]
    damage(folder / "test" / "cat" / "01.png")
    expected = (
        rf"cat.01\.png cannot be decoded: [^/]*{reason}[^/]*\. Replace or remove it, or leave"
    )
    with pytest.raises(DataError, match=expected):
        load_dataset(source=folder)


def test_all_damaged_files_are_named_in_one_message(tmp_path):
    write_images(tmp_path / "pets", n=4)
    files = sorted((tmp_path / "pets").glob("t*/*/0[13].png"))
    for path in files[:3]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_dataset(source=tmp_path / "pets")
    assert all(str(path) in str(caught.value) for path in files[:3])
    assert "Replace or remove them, or leave them out with skip_damaged=True" in str(caught.value)
    for path in files[3:]:
        path.write_bytes(b"")
    with pytest.raises(DataError) as caught:
        load_dataset(source=tmp_path / "pets")
    assert sum(str(path) in str(caught.value) for path in files) == 5
    assert "; and 3 more. Replace or remove them" in str(caught.value)


def test_damaged_files_are_left_out_on_request_and_counted(tmp_path):
    written = write_images(tmp_path / "pets", n=4)
    for name in ("train/cat/01.png", "test/dog/03.png"):
        (tmp_path / "pets" / name).write_bytes(b"no picture")
        del written[name]
    loaded = load_dataset(source=tmp_path / "pets", skip_damaged=True)
    for split in ("train", "test"):
        expected = [pixels for name, pixels in written.items() if name.startswith(split)]
        np.testing.assert_array_equal(opened.split(loaded, split)[0], expected)
    assert loaded.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert opened.labels(loaded).tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert "7 training and 7 test images, 2 unreadable files left out:" in loaded.provenance
    with pytest.raises(DataError, match="skip_damaged=True"):  # the cache does not stand in
        load_dataset(source=tmp_path / "pets")


def test_what_is_left_without_damaged_files_must_still_do(folder):
    (folder / "train" / "dog" / "02.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"needs 3 or more images to train, and 'dog' has 2; add"):
        load_dataset(source=folder, skip_damaged=True)
    for path in folder.glob("*/*/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be decoded: it is empty.*and 7 more"):
        load_dataset(source=folder, skip_damaged=True)


@pytest.mark.parametrize("image_format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_a_file_of_several_pictures_is_refused(folder, image_format):
    pages = [Image.fromarray(random_images(8, 8, 3, seed=seed)) for seed in range(3)]
    path = folder / "train" / "cat" / "01.png"
    pages[0].save(path, image_format, save_all=True, append_images=pages[1:])
    with pytest.raises(DataError, match=r"cat.01\.png cannot be decoded: it holds 3 pictures"):
        load_dataset(source=folder)


def test_of_a_telephones_mpo_the_photograph_is_read(folder):
    photo, preview = (Image.fromarray(random_images(8, 8, 3, seed=seed)) for seed in (1, 2))
    path = folder / "train" / "cat" / "00.jpg"
    photo.save(path, "MPO", save_all=True, append_images=[preview])
    photo.save(folder / "alone.jpg")
    loaded = load_dataset(source=folder)
    np.testing.assert_array_equal(loaded.train_images[0], Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(loaded.train_images[0], Image.open(folder / "alone.jpg"))
    assert "(JPEG and PNG)" in loaded.provenance


def png_of_16_bits(path, array):
    """Write uint16 (h, w) or (h, w, 3): Pillow cannot write colours of 16 bits."""

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    height, width = array.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 16, 2 if array.ndim == 3 else 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def tiff_of_16_bits(path, array):
    """Write uint16 (h, w, 3) as an uncompressed little-endian TIFF."""
    height, width, _ = array.shape
    pixels = array.astype("<u2").tobytes()
    bits, strip = 8 + 2 + 9 * 12 + 4, 8 + 2 + 9 * 12 + 4 + 6
    tags = [(256, 3, 1, width), (257, 3, 1, height), (258, 3, 3, bits), (259, 3, 1, 1)]
    tags += [(262, 3, 1, 2), (273, 4, 1, strip), (277, 3, 1, 3), (278, 3, 1, height)]
    tags += [(279, 4, 1, len(pixels))]
    directory = struct.pack("<H", 9) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    start = b"II*\0" + struct.pack("<I", 8) + directory + bytes(4)
    path.write_bytes(start + struct.pack("<HHH", 16, 16, 16) + pixels)


@pytest.mark.parametrize("kind", ["grey PNG", "PNG", "grey TIFF", "TIFF", "float TIFF"])
def test_16_bits_are_refused_by_name_and_never_cut(folder, kind):
    path = folder / "train" / "cat" / "01.png"
    deep = np.random.default_rng(0).integers(0, 256, (8, 8, 3)).astype(np.uint16)
    if kind.startswith("grey"):
        deep = deep[..., 0]
    if kind == "TIFF":
        tiff_of_16_bits(path, deep)
        assert np.asarray(Image.open(path)).max() == 0  # Pillow does read it, and cuts it
    elif "PNG" in kind:
        png_of_16_bits(path, deep)
        assert np.asarray(Image.open(path)).max() in (0, deep.max())
    else:
        dtype = "float32" if kind.startswith("float") else "uint16"
        Image.fromarray(deep[..., 0].astype(dtype) if deep.ndim == 3 else deep).save(path, "TIFF")
    with pytest.raises(DataError, match=r"cat.01\.png cannot be .* more than 8 bits a channel"):
        load_dataset(source=folder)


# Where the first row and the first column of the stored picture are seen: the table under
# "Orientation" in the EXIF standard (CIPA DC-008).
SEEN = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def stood_upright(stored, orientation):
    row, column = SEEN[orientation]
    if row in ("left", "right"):  # rows are seen as columns
        stored = stored.transpose(1, 0, 2)
    if "bottom" in (row, column):
        stored = stored[::-1]
    return stored[:, ::-1] if "right" in (row, column) else stored


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "TIFF", "WEBP", "MPO"])
def test_photographs_are_turned_upright(tmp_path, image_format):
    write_images(tmp_path / "pets", classes=("cat", "dog"), shape=(16, 24, 3))
    expected = []
    for orientation, (row, _) in SEEN.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        shape = (24, 16, 3) if row in ("left", "right") else (16, 24, 3)
        stored = random_images(*shape, seed=orientation)
        path = tmp_path / "pets" / "test" / "cat" / f"1{orientation}.jpg"
        options = {"WEBP": {"lossless": True}, "MPO": {"save_all": True}}.get(image_format, {})
        image = Image.fromarray(stored)
        if image_format == "MPO":
            options["append_images"] = [image]
        image.save(path, image_format, exif=exif, **options)
        if image_format in ("JPEG", "MPO"):
            stored = np.asarray(Image.open(path))  # as it is stored: Pillow does not turn a JPEG
            assert stored.shape == shape
        expected.append(stood_upright(stored, orientation))
    # They have one size once they are upright, so no image_size is needed.
    loaded = load_dataset(source=tmp_path / "pets")
    np.testing.assert_array_equal(opened.images(loaded)[3:11], expected)


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\0\0\0"])
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP"])
def test_damaged_metadata_do_not_stop_a_good_picture(folder, exif, image_format, recwarn):
    path = folder / "test" / "cat" / "00.jpg"
    Image.fromarray(random_images(8, 8, 3, seed=99)).save(path, image_format, exif=exif)
    recwarn.clear()  # Pillow warned when it wrote the file
    loaded = load_dataset(source=folder)
    assert not recwarn.list
    np.testing.assert_array_equal(opened.images(loaded)[0], Image.open(path))


def test_a_size_that_is_not_square(folder):
    original = load_dataset(source=folder)
    for size in ((12, 20), [12, 20], (np.int64(12), np.uint8(20))):
        loaded = load_dataset(source=folder, image_size=size)
        expected = Image.fromarray(opened.images(original)[4]).resize((20, 12), Image.BICUBIC)
        np.testing.assert_array_equal(opened.images(loaded)[4], expected)
        assert "resized to 12x20 (height x width, bicubic, stretched):" in loaded.provenance
    whole = load_dataset(source=folder, image_size=np.int64(12))
    assert opened.images(whole).shape == (6, 12, 12, 3)
    assert "resized to 12x12 (bicubic):" in whole.provenance  # from 8x8: nothing is stretched


@pytest.mark.parametrize("shape", [(20, 40), (40, 20), (33, 47), (16, 16), (200, 2)])
@pytest.mark.parametrize("size", [(32, 32), (12, 20)])
def test_cropping_keeps_the_proportions_as_keras_does(tmp_path, shape, size):
    write_images(tmp_path / "pets", shape=(*shape, 3))
    loaded = load_dataset(source=tmp_path / "pets", image_size=size, keep_aspect_ratio=True)
    path = tmp_path / "pets" / "test" / "cat" / "01.png"
    expected = keras.utils.load_img(
        path, target_size=size, interpolation="bicubic", keep_aspect_ratio=True
    )
    np.testing.assert_array_equal(opened.images(loaded)[1], expected)
    cropped = shape[0] * size[1] != shape[1] * size[0]
    assert ("cropped at the centre" in loaded.provenance) == cropped


def test_a_crop_has_one_pixel_at_least(tmp_path):
    written = write_images(tmp_path / "pets", shape=(1, 50, 3))
    loaded = load_dataset(source=tmp_path / "pets", image_size=(60, 2), keep_aspect_ratio=True)
    image = Image.fromarray(written["test/cat/01.png"])  # its share is a thirtieth of a pixel
    expected = image.resize((2, 60), Image.BICUBIC, box=(24, 0, 25, 1))
    np.testing.assert_array_equal(opened.images(loaded)[1], expected)


def test_padding_keeps_the_proportions_and_every_pixel(tmp_path):
    written = write_images(tmp_path / "pets", shape=(20, 40, 3))
    loaded = load_dataset(source=tmp_path / "pets", image_size=32, keep_aspect_ratio="pad")
    whole = Image.fromarray(written["test/dog/02.png"]).resize((32, 16), Image.BICUBIC)
    np.testing.assert_array_equal(opened.images(loaded)[5, 8:24], whole)
    assert not opened.images(loaded)[:, :8].any()
    assert not opened.images(loaded)[:, 24:].any()
    assert "resized to 32x32 (bicubic, padded with black):" in loaded.provenance
    stretched = load_dataset(source=tmp_path / "pets", image_size=32)
    assert "resized to 32x32 (bicubic, stretched):" in stretched.provenance


def test_the_sample_and_batches_keep_their_proportions_too(batches):
    for name, source in (("sample", None), ("folder", batches)):
        whole = load_dataset(name, source)
        loaded = load_dataset(name, source, image_size=(16, 32), keep_aspect_ratio=True)
        np.testing.assert_array_equal(opened.images(loaded), opened.images(whole)[:, 8:24])
        assert "resized to 16x32 (height x width, bicubic, cropped" in loaded.provenance


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 8, "keep_aspect_ratio": "crop"}, "keep_aspect_ratio is 'crop': give False"),
        ({"image_size": 8, "keep_aspect_ratio": 1}, "keep_aspect_ratio is 1: give False"),
        ({"keep_aspect_ratio": True}, "keep_aspect_ratio=True says how .* give image_size= too"),
        ({"color_mode": "grey"}, "color_mode is 'grey': give 'rgb' or 'grayscale'"),
    ],
)
def test_bad_options_are_refused(folder, options, message):
    with pytest.raises(DataError, match=message):
        load_dataset(source=folder, **options)


@pytest.mark.parametrize("size", [3200, 1_000_000])
def test_what_no_memory_holds_is_refused_before_decoding(
    monkeypatch, folder, batches, archive, tmp_path, size, fault
):
    fault("image_size that no memory holds", 5)
    monkeypatch.setattr(memory, "available_memory", lambda: 100 * 2**20)
    monkeypatch.setattr(class_folders, "decode_image", lambda *_: pytest.fail("decoded"))
    monkeypatch.setattr(decoding, "to_pixels", lambda *_: pytest.fail("resized"))
    monkeypatch.setattr(sample, "make_sample", lambda *_, **__: pytest.fail("drawn"))
    shutil.copy(archive, in_keras_cache(tmp_path))
    # The largest squares of three bytes a pixel: 12, 40, 60,000 and 22,000 of them in 100 MiB.
    cases = {"12": (folder, 1706), "40": (batches, 934), "60,000": ("cifar10", 24)}
    for n, (source, fits) in (cases | {"22,000": ("sample", 39)}).items():
        advice = rf"available: choose image_size={fits} or smaller"
        with pytest.raises(
            DataError, match=rf"^{n} images of {size}x{size} pixels .* and 0\.1 GiB.*{advice}"
        ):
            load_dataset(str(source), image_size=size)
    grey = "image_size=2956 or smaller"  # the square root of 2**20 * 100 / 12
    with pytest.raises(DataError, match=grey):
        load_dataset(source=folder, image_size=size, color_mode="grayscale")


def test_the_memory_is_what_linux_says(monkeypatch, tmp_path):
    paths = [tmp_path / name for name in ("meminfo", "memory.max", "memory.limit_in_bytes")]
    files = [(str(p), *rest) for p, (_, *rest) in zip(paths, memory.MEMORY_FILES, strict=True)]
    monkeypatch.setattr(memory, "MEMORY_FILES", files)
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert memory.available_memory() == whole
    paths[0].write_text("MemTotal: 900 kB\nMemAvailable:      300 kB\nBuffers: 5 kB\n")
    paths[1].write_text("max\n")
    assert memory.available_memory() == 300 * 1024
    paths[1].write_text("200000\n")
    assert memory.available_memory() == 200_000
    paths[2].write_text("9223372036854771712\n")  # no limit
    assert memory.available_memory() == 200_000
    monkeypatch.setattr(memory, "MEMORY_FILES", ())
    monkeypatch.delattr(os, "sysconf")
    assert memory.available_memory() is None
    memory.check_room(10**9, (10**6, 10**6))


def test_a_full_memory_is_no_damage_to_be_skipped(monkeypatch, folder):
    def full(image, form):
        raise MemoryError("Unable to allocate")

    monkeypatch.setattr(decoding, "to_pixels", full)
    with pytest.raises(DataError, match=r"do not fit in memory \(Unable to allocate\): choose"):
        load_dataset(source=folder, skip_damaged=True)


def test_grey_pictures_stay_grey_on_request(tmp_path):
    written = write_images(tmp_path / "scans", shape=(6, 9))
    loaded = load_dataset(source=tmp_path / "scans", color_mode="grayscale")
    expected = [pixels[..., None] for name, pixels in written.items() if name.startswith("test")]
    np.testing.assert_array_equal(opened.images(loaded), expected)
    assert opened.images(loaded).shape == (6, 6, 9, 1)
    assert "6 test images, in grayscale:" in loaded.provenance
    colours = load_dataset(source=tmp_path / "scans")  # and is not taken from the grey cache
    np.testing.assert_array_equal(opened.images(colours), np.repeat(expected, 3, axis=-1))
    small = load_dataset(source=tmp_path / "scans", color_mode="grayscale", image_size=4)
    resized = Image.fromarray(written["test/cat/01.png"]).resize((4, 4), Image.BICUBIC)
    np.testing.assert_array_equal(opened.images(small)[1, ..., 0], resized)


def test_colours_become_grey_by_the_luma_formula(folder, batches):
    for name, source in (("folder", folder), ("folder", batches), ("sample", None)):
        colours = opened.images(load_dataset(name, source))
        grey = opened.images(load_dataset(name, source, color_mode="grayscale"))
        luma = colours @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
        assert grey.shape == (*colours.shape[:3], 1)
        assert np.abs(grey[..., 0] - luma).max() < 0.51  # rounded to whole numbers


def test_names_in_any_script_are_kept(tmp_path):
    root = tmp_path / "naïve фото $1 | <b>"
    classes = ("chat noir", "犬", "$5|<i>", "🐱 ñ #1", "x:y", "CON", "end.", 'a*b?"')
    write_images(root, classes=classes)
    (root / "train" / "犬" / "00.png").rename(root / "train" / "犬" / "사진 – 1.PNG")
    loaded = load_dataset(source=root)
    assert sorted(loaded.class_names) == sorted(classes)
    assert loaded.name == root.name
    assert f"class folders {root.name} (PNG)" in loaded.provenance


def test_names_that_are_no_utf8_load_and_print(tmp_path):
    root = os.fsencode(tmp_path / "pets")
    write_images(tmp_path / "pets")
    for split in (b"/train", b"/test"):
        os.rename(root + split + b"/cat", root + split + b"/caf\xe9")
    os.rename(root + b"/train/dog/00.png", root + b"/train/dog/caf\xe9.png")
    os.rename(root, root := os.fsencode(tmp_path) + b"/m\xfcll")
    loaded = load_dataset(source=os.fsdecode(root))
    assert loaded.class_names == ("caf\\xe9", "dog")
    assert loaded.name == "m\\xfcll"
    "".join([*loaded.class_names, loaded.provenance, loaded.label]).encode()
    with open(root + b"/train/dog/caf\xe9.png", "wb"):
        pass
    with pytest.raises(DataError, match=r"dog.caf\\xe9\.png cannot be decoded: it is empty") as bad:
        load_dataset(source=os.fsdecode(root))
    str(bad.value).encode()


def test_names_that_look_alike_are_one_or_refused(tmp_path):
    composed, apart = "caf\u00e9", "cafe\u0301"  # macOS stores the second for the first
    write_images(tmp_path / "pets", classes=(apart, "dog"))
    (tmp_path / "pets" / "test" / apart).rename(tmp_path / "pets" / "test" / composed)
    assert load_dataset(source=tmp_path / "pets").class_names == (composed, "dog")
    write_images(tmp_path / "pets", splits=["train"], classes=(composed,))
    with pytest.raises(DataError, match=r"two class folders called 'café': rename one"):
        load_dataset(source=tmp_path / "pets")


def test_control_characters_in_names_are_escaped(tmp_path):
    write_images(tmp_path / "pets", classes=("a\nb", "c\x1b[31m"))
    assert load_dataset(source=tmp_path / "pets").class_names == ("a\\nb", "c\\x1b[31m")


def test_data_that_cannot_work_are_refused_in_one_sentence(tmp_path, batches):
    write_images(tmp_path / "one", classes=("cat",))
    with pytest.raises(DataError, match=r"one \(PNG\): 'cat' is the only class, .*; add a folder"):
        load_dataset(source=tmp_path / "one")
    write_images(tmp_path / "few", n=2)
    few = r"needs 3 or more images to train, and 'cat' has 2, 'dog' has 2; add images, or leave"
    with pytest.raises(DataError, match=few):
        load_dataset(source=tmp_path / "few")
    write_images(tmp_path / "many", classes=[f"{i:03}" for i in range(100)], n=1, shape=(2, 2))
    with pytest.raises(DataError, match=r"'004' has 1, and 95 more; add images"):
        load_dataset(source=tmp_path / "many")
    content = {b"data": random_images(9, 3072), b"labels": list(range(9))}
    (batches / "test_batch").write_bytes(python2_dumps(content))
    with pytest.raises(DataError, match=r"needs 1 or more images to test, and 'truck' has 0"):
        load_dataset(source=batches)
    assert not caches(tmp_path)


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


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_folders_path_as_a_name_may_begin_with_a_tilde(monkeypatch, tmp_path, name):
    write_images(tmp_path / name)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_dataset(f"~/{name}").name == name
    monkeypatch.setenv("CIFAR10_DIR", f"~/{name}")
    assert load_dataset("auto").name == name


NO_FOLDERS = {
    "ring": "ring",
    "below a ring": "ring/more",
    "long name": "n" * 256,
    "long path": "d/" * 3000,
    "null byte": "a\0b",
    "no text": "a\ud800",
    "no home": "~nobody-of-this-name/x",
    "empty": "",
    "number": 5,
}


@pytest.mark.parametrize("kind", NO_FOLDERS)
def test_what_is_no_folder_is_refused_in_one_sentence(monkeypatch, tmp_path, kind, fault):
    fault(f"folder of data: {kind}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ring").symlink_to("ring")
    path = NO_FOLDERS[kind]
    told = r"is no path \(.+\): correct|is not a folder: correct|or written \(File name too long\)"
    with pytest.raises(DataError, match=told) as caught:
        load_dataset(source=path)
    str(caught.value).encode()
    if kind in ("ring", "long name", "no home"):
        monkeypatch.setenv("CIFAR10_DIR", str(path))
        with pytest.raises(DataError, match=told):
            load_dataset("auto")
    if isinstance(path, str):
        with pytest.raises(DataError, match="unknown data set"):
            load_dataset(path)


@pytest.mark.parametrize("name", [None, 0, ["sample"], b"sample"])
def test_a_name_that_is_no_text(name):
    with pytest.raises(DataError, match=r"unknown data set .*: use one of auto"):
        load_dataset(name)


@pytest.mark.parametrize("where", ["is_dir", "is_file", "stat"])
@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_disk_that_fails_is_named(monkeypatch, batches, where, number, fault):
    fault("folder that the system refuses to read")

    def refused(path, **_):
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, where, refused)
    told = rf"cifar-10-batches-py.* cannot be read or written \({os.strerror(number)}\): check"
    with pytest.raises(DataError, match=told):
        load_dataset(source=batches)


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
        "procedural sample, 30 training and 10 test images: CIFAR10_DIR is not set and CIFAR-10 "
        "could not be downloaded (Name or service not known), so the procedural sample stands in."
    )
    np.testing.assert_array_equal(opened.images(loaded), small_sample()[2])
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


# The archive in Keras' folder.


@pytest.fixture
def archive(monkeypatch, batches, tmp_path):
    """Return a small archive in the official layout, whose hash stands in for the official one."""
    path = tmp_path / "cifar-10-python.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        tar.add(batches, batches.name)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(OFFICIAL, "cifar10", OFFICIAL["cifar10"]._replace(sha256=digest))
    return path


def in_keras_cache(tmp_path):
    path = tmp_path / "keras" / "datasets" / "cifar-10-batches-py-target_archive"
    path.parent.mkdir(parents=True)
    return path


def online(monkeypatch, answer):
    """Let every request be answered: those for the head with nothing, the others by `answer`."""

    def urlopen(request, timeout):
        if getattr(request, "method", "GET") == "HEAD":
            return io.BytesIO()
        return answer(request, timeout)

    monkeypatch.setattr(download.urllib.request, "urlopen", urlopen)


def answer_of(content):
    """Return what `urlopen` gives for a file."""
    body = io.BytesIO(content)
    body.headers = {"Content-Length": str(len(content))}
    return body


@pytest.mark.parametrize("name", ["auto", "cifar10"])
def test_archive_in_keras_cache_is_read_offline_and_left_alone(archive, batches, tmp_path, name):
    cached = in_keras_cache(tmp_path)
    shutil.copy(archive, cached)
    loaded = load_dataset(name)
    assert loaded.provenance.endswith("the archive in Keras' folder, as CIFAR10_DIR is not set.")
    assert loaded.fingerprint == load_dataset(source=batches).fingerprint
    assert list(cached.parent.iterdir()) == [cached]
    assert cached.read_bytes() == archive.read_bytes()
    cached.unlink()
    load_dataset(name)  # decoded once: the archive is not needed again


def test_damaged_archive_in_keras_cache_is_reported_and_kept(monkeypatch, archive, tmp_path):
    online(monkeypatch, lambda *_: pytest.fail("asked for another"))
    cached = in_keras_cache(tmp_path)
    cached.write_bytes(archive.read_bytes()[:-1])
    for _ in range(2):
        with pytest.raises(DataError, match=r"target_archive is damaged or still being downloaded"):
            load_dataset()
    assert cached.read_bytes() == archive.read_bytes()[:-1]


def test_a_download_lands_where_keras_keeps_it(monkeypatch, archive, tmp_path):
    def answer(url, timeout):
        assert url == "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
        assert timeout == 30
        return answer_of(archive.read_bytes())

    online(monkeypatch, answer)
    assert load_dataset().name == "cifar10-batches"
    [cached] = (tmp_path / "keras" / "datasets").iterdir()
    assert cached.name == "cifar-10-batches-py-target_archive"
    assert cached.read_bytes() == archive.read_bytes()
    assert keras.utils.get_file(cached.name, "https://nowhere", cache_dir=tmp_path / "keras")
    assert cached.stat().st_mode & 0o777 == archive.stat().st_mode & 0o777


WRONG = {
    "login page": lambda content: b"<html>Please log in</html>",
    "download that broke off": lambda content: content[:-1],
    "empty answer": lambda content: b"",
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_not_the_archive_never_lands_in_keras_folder(
    monkeypatch, archive, tmp_path, what, fault
):
    fault(f"{what} in place of the archive")
    online(monkeypatch, lambda *_: answer_of(WRONG[what](archive.read_bytes())))
    first, second = load_dataset(), load_dataset()
    assert first.name == second.name == "sample"
    assert first.provenance == second.provenance
    assert "(what came is not the archive; a login page, or a broken" in first.provenance
    with pytest.raises(DataError, match=r"is not the archive; a login page.*: connect to"):
        load_dataset("cifar10")
    assert list((tmp_path / "keras").rglob("*")) == [tmp_path / "keras" / "datasets"]


def test_a_download_without_end_is_cut(monkeypatch, archive, fault):
    fault("download without end")

    class Endless(io.RawIOBase):
        headers, n_read = {}, 0

        def read(self, n):
            self.n_read += n
            return b"x" * n

    endless = Endless()
    monkeypatch.setattr(download, "MOST_MEBIBYTES", 3)
    online(monkeypatch, lambda *_: endless)
    assert "(what came is not the archive" in load_dataset().provenance
    assert endless.n_read == 3 * 2**20


def test_download_that_fails_says_why(monkeypatch, tmp_path):
    def answer(url, timeout):
        raise urllib.error.HTTPError(url, 503, "Service Unavailable", {}, None)

    online(monkeypatch, answer)
    with pytest.raises(DataError, match=r"could not be downloaded \(Service Unavailable\)"):
        load_dataset("cifar10")
    assert "(Service Unavailable)" in load_dataset().provenance
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "file"))
    reason = r"\(Keras' folder cannot be written: Not a directory; KERAS_HOME names another\)"
    with pytest.raises(DataError, match=reason):
        load_dataset("cifar10")


class Stalling(BaseHTTPRequestHandler):
    """Promises a thousand bytes, and is silent after the first three."""

    def do_HEAD(self):
        self.send_response(200)
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"abc")
        self.wfile.flush()
        self.server.over.wait(30)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def stalling(monkeypatch):
    """The official archives come from a server on this machine that stalls midway."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Stalling) as server:
        server.over = Event()
        thread = Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/archive"
        monkeypatch.setattr(Official, "url", url)
        monkeypatch.setattr(download.urllib.request, "urlopen", URLOPEN)
        monkeypatch.setenv("no_proxy", "*")
        yield
        server.over.set()
        server.shutdown()
        thread.join()


def test_a_download_that_stalls_is_given_up(monkeypatch, stalling, tmp_path, fault):
    fault("download that stalls midway")
    monkeypatch.setenv("TTA_DOWNLOAD_SECONDS", "0.2")
    loaded = load_dataset()
    assert loaded.name == "sample"
    assert "(nothing came for 0.2 seconds; TTA_DOWNLOAD_SECONDS sets how" in loaded.provenance
    assert socket.getdefaulttimeout() is None
    assert list((tmp_path / "keras").rglob("*")) == [tmp_path / "keras" / "datasets"]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", "1e9"])
def test_a_limit_that_is_no_time(monkeypatch, value, fault):
    fault("TTA_DOWNLOAD_SECONDS that is no number of seconds")
    monkeypatch.setenv("TTA_DOWNLOAD_SECONDS", value)
    with pytest.raises(DataError, match=f"TTA_DOWNLOAD_SECONDS is '{value}': give the seconds"):
        load_dataset()


def test_the_loader_starts_without_a_backend():
    code = "import sys, tta_helpers.workbook.data; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_archives_are_those_of_keras(name):
    source = (Path(keras.__file__).parent / "src" / "datasets" / f"{name}.py").read_text()
    official = OFFICIAL[name]
    for part in (official.url, official.sha256, f'"{official.folder}-target"'):
        assert part in source


# The cache.


def test_second_load_decodes_nothing_and_maps_read_only(monkeypatch, folder):
    first = load_dataset(source=folder)
    monkeypatch.setattr(class_folders, "decode_image", lambda *_: pytest.fail("decoded again"))
    second = load_dataset(source=folder)
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.train_images, np.memmap)
    for array in (second.train_images, second.train_labels, *second.test.open("a test")):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_changed_file_is_decoded_anew(folder, tmp_path):
    before = load_dataset(source=folder)
    path = folder / "test" / "cat" / "00.png"
    Image.new("RGB", (8, 8), "red").save(path)
    after = load_dataset(source=folder)
    assert opened.images(after)[0, 0, 0].tolist() == [255, 0, 0]
    assert after.fingerprint != before.fingerprint
    assert len(caches(tmp_path)) == 2


def test_a_changed_file_is_seen_when_its_size_and_time_are_put_back(folder):
    path = folder / "test" / "cat" / "00.png"
    load_dataset(source=folder)
    status, pixels = path.stat(), np.array(Image.open(path))
    content = path.read_bytes()
    for seed in range(1000):  # other pixels that compress to as many bytes
        other = np.random.default_rng(seed).permutation(pixels.ravel()).reshape(pixels.shape)
        Image.fromarray(other).save(path)
        if path.stat().st_size == status.st_size and path.read_bytes() != content:
            break
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    np.testing.assert_array_equal(opened.images(load_dataset(source=folder))[0], other)


def test_what_was_decoded_otherwise_is_left_and_not_taken(monkeypatch, folder, tmp_path):
    load_dataset(source=folder)
    monkeypatch.setattr(cache, "CACHE_FORMAT", cache.CACHE_FORMAT + 1)
    load_dataset(source=folder)
    assert len(caches(tmp_path)) == 2
    for options in ({"keep_aspect_ratio": True}, {"keep_aspect_ratio": "pad"}, {}):
        load_dataset(source=folder, image_size=(4, 8), **options)
    load_dataset(source=folder, image_size=(8, 4))
    load_dataset(source=folder, color_mode="grayscale")
    load_dataset(source=folder, skip_damaged=True)
    assert len(caches(tmp_path)) == 8


@pytest.mark.parametrize("label", [65281, 1, -1])
def test_labels_changed_in_the_cache_are_noticed(folder, tmp_path, label):
    load_dataset(source=folder)
    [cache] = caches(tmp_path)
    labels = np.load(cache / "train_labels.npy")
    labels[0] = label
    np.save(cache / "train_labels.npy", labels)
    with pytest.raises(DataError, match=r"is damaged .*train_labels have changed.*: delete that"):
        load_dataset(source=folder)


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


def copy_as(folder, pairs):
    """Copy pictures inside a folder."""
    for source, target in pairs.items():
        shutil.copy(folder / source, folder / target)


def test_repeated_images_are_counted_in_the_provenance(tmp_path, fault):
    fault("test images among the training images, pictures in two classes, doubles")
    write_images(tmp_path / "pets", n=20)
    assert load_dataset(source=tmp_path / "pets").provenance == (
        "class folders pets (PNG), 40 training and 40 test images: the folder given as source."
    )
    copy_as(tmp_path / "pets", {"train/cat/00.png": "test/cat/copy.png"})
    note = "41 test images, 1 test image is a training image too: the folder"
    assert note in load_dataset(source=tmp_path / "pets").provenance
    copies = {
        "train/cat/01.png": "test/cat/copy2.png",
        "train/cat/02.png": "test/dog/copy3.png",  # in two classes too
        "train/dog/03.png": "train/dog/again.png",
        "train/dog/04.png": "train/cat/other.png",  # in two classes, and twice in train
        "test/dog/05.png": "test/dog/again.png",
    }
    copy_as(tmp_path / "pets", copies)
    picture = tmp_path / "pets" / "train" / "dog" / "again.png"
    Image.open(picture).save(picture.with_suffix(".bmp"))  # other bytes, equal pixels
    picture.unlink()
    loaded = load_dataset(source=tmp_path / "pets")
    assert (
        "42 training and 44 test images, 3 test images are training images too, "
        "2 pictures have two labels or more, 3 images repeat others of their split: the folder"
    ) in loaded.provenance
    part = loaded.take(10, 10).provenance
    assert "too, 2 pictures have two labels" in part and part.endswith("each class in proportion.")


def test_a_test_set_copied_from_the_training_set_is_refused(tmp_path, batches, fault):
    fault("test set that is a copy of the training set", 3)
    write_images(tmp_path / "pets", n=10)
    copy_as(tmp_path / "pets", {"train/cat/00.png": "test/cat/00.png"})
    assert "1 test image is a" in load_dataset(source=tmp_path / "pets").provenance  # 1 of 20
    copy_as(tmp_path / "pets", {"train/cat/01.png": "test/dog/01.png"})
    refused = r"pets \(PNG\): 2 of 20 test images are training images too.*of its own$"
    with pytest.raises(DataError, match=refused):
        load_dataset(source=tmp_path / "pets")
    shutil.rmtree(tmp_path / "pets" / "test")
    (tmp_path / "pets" / "test").symlink_to("train")
    with pytest.raises(DataError, match=r"20 of 20 test .*6x6 pixels; .*, or choose a larger"):
        load_dataset(source=tmp_path / "pets", image_size=6)
    batch = official_batch(6, 0)
    batch = {key: batch[key][:] for key in (b"data", b"labels")}
    batch[b"data"] = np.concatenate([batch[b"data"], random_images(4, 3072, seed=8)])
    batch[b"labels"] = list(range(10))
    (batches / "test_batch").write_bytes(python2_dumps(batch))
    with pytest.raises(DataError, match="official batches: 6 of 10 test images are training"):
        load_dataset(source=batches)
    assert len(caches(tmp_path)) == 1  # of the first only


def test_two_at_once_leave_one_whole_cache(monkeypatch, tmp_path):
    barrier = Barrier(2)

    def together(*sizes, progress):
        barrier.wait(timeout=10)  # both are decoding: neither has found a cache
        return small_sample()

    monkeypatch.setattr(sample, "make_sample", together)
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

    monkeypatch.setattr(cache.np, "save", fill_the_disk)
    with pytest.raises(DataError, match=r"No space left.*TTA_CACHE"):
        load_dataset("sample")
    assert caches(tmp_path) == []


def test_cache_of_another_version_is_an_error_and_stays(tmp_path, fault):
    fault("cache of another version")
    load_dataset("sample")
    [cache] = caches(tmp_path)
    meta = json.loads((cache / "meta.json").read_text())
    (cache / "meta.json").write_text(json.dumps(meta | {"format": 99}))
    expected = "has format 99, and this version reads 4: delete that folder"
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


CHANGED = {
    "name": 5,
    "label": None,
    "description": ["a"],
    "fingerprint": "f00d",
    "class_names": TEN[::-1],
    "shapes": {},
    "sha256": [],
    "format": 4.0,
}


@pytest.mark.parametrize("key", CHANGED)
def test_a_changed_description_of_the_cache_is_noticed(tmp_path, key, fault):
    fault("cache whose meta.json was changed")
    load_dataset("sample")
    [cache] = caches(tmp_path)
    meta = json.loads((cache / "meta.json").read_text())
    (cache / "meta.json").write_text(json.dumps(meta | {key: CHANGED[key]}))
    with pytest.raises(
        DataError, match=r"is damaged \(ValueError: meta\.json has changed\): delete"
    ):
        load_dataset("sample")


@pytest.mark.parametrize("raw", [b"[]", b"5", b"null", b"{}", b"\xff", b"[" * 200_000])
def test_a_cache_described_by_something_else(tmp_path, raw, fault):
    fault("cache whose meta.json is something else")
    load_dataset("sample")
    [cache] = caches(tmp_path)
    (cache / "meta.json").write_bytes(raw)
    with pytest.raises(DataError, match=r"is damaged .*: delete that folder"):
        load_dataset("sample")


OTHER_ARRAYS = {
    "objects": lambda path: np.save(path, np.load(path).astype(object), allow_pickle=True),
    "float": lambda path: np.save(path, np.load(path).astype(np.float32)),
    "signed": lambda path: np.save(path, np.load(path).astype(np.int8)),
    "archive": lambda path: (
        np.savez(path.with_suffix(".npz"), images=np.load(path)),
        path.with_suffix(".npz").replace(path),
    ),
    "pickle": lambda path: path.write_bytes(pickle.dumps(Hostile(os.mkdir, str(path) + "-ran"))),
    "zip": lambda path: path.write_bytes(b"PK\x03\x04 and more"),
    "a folder": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("name", ["train_images.npy", "test_labels.npy"])
@pytest.mark.parametrize("kind", OTHER_ARRAYS)
def test_a_cache_of_other_arrays_is_refused(tmp_path, kind, name, fault):
    fault(f"cache with another array: {kind}")
    load_dataset("sample")
    [cache] = caches(tmp_path)
    OTHER_ARRAYS[kind](cache / name)
    with pytest.raises(DataError, match=r"is damaged .*: delete that folder"):
        load_dataset("sample")
    assert not list(cache.glob("*-ran"))


@pytest.mark.parametrize("kind", ["file", "ring", "below a file"])
def test_cache_that_cannot_be_written(tmp_path, kind, fault):
    fault(f"cache folder that is a {kind}")
    (tmp_path / "file").touch()
    (tmp_path / "ring").symlink_to("ring")
    where = tmp_path / {"below a file": "file/below"}.get(kind, kind)
    with pytest.raises(DataError, match=r"cannot be written|is no path .*TTA_CACHE"):
        load_dataset("sample", cache=where)


def test_a_cache_folder_may_begin_with_a_tilde(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    load_dataset("sample", cache="~/mine")
    monkeypatch.setenv("TTA_CACHE", "~/mine")
    load_dataset("sample")
    assert len(list((tmp_path / "mine").iterdir())) == 1
    monkeypatch.chdir(tmp_path)
    load_dataset("sample", cache="mine")  # relative to the current folder
    assert len(list((tmp_path / "mine").iterdir())) == 1


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


@pytest.mark.parametrize(("labels", "single"), [([0, 0, 0, 1], "1"), ([5, 3, 3, 2], "2, 5")])
def test_split_names_the_class_with_too_few_images(labels, single):
    message = rf"cannot be split with validation_fraction=0\.1: only one image has label {single}, "
    with pytest.raises(DataError, match=message):
        train_validation_split(labels, 0.1)


def test_split_of_nothing():
    with pytest.raises(DataError, match=r"0 labels cannot be split .*there are none"):
        train_validation_split([], 0.1)


@pytest.mark.parametrize("counts", [[5000] * 10, [40] * 3, [300, 200, 30], [12] * 100])
@pytest.mark.parametrize("fraction", [0.1, 0.2])
def test_split_of_enough_images_is_scikit_learns(counts, fraction):
    labels = np.random.default_rng(1).permutation(np.repeat(np.arange(len(counts)), counts))
    expected = train_test_split(
        np.arange(len(labels)), test_size=fraction, stratify=labels, random_state=4
    )
    for part, rows in zip(train_validation_split(labels, fraction, 4), expected, strict=True):
        assert part.tolist() == sorted(rows.tolist())


@pytest.mark.parametrize(
    ("counts", "fraction", "validation"),
    [
        ([2, 2], 0.1, [1, 1]),
        ([2] * 100, 0.1, [1] * 100),
        ([2] * 100, 0.99, [1] * 100),
        ([2, 3], 0.9, [1, 2]),
        ([5] * 100, 0.1, [1] * 100),  # scikit-learn: "test_size = 50 should be >= 100"
        ([100, 2], 0.1, [10, 1]),  # 10.2 rounds up to 11, of which the small class needs one
        ([300, 30, 6], 0.1, [30, 3, 1]),  # 33.6 rounds up to 34: 30.4, 3.0, 0.6
        ([300, 30, 6], 0.01, [2, 1, 1]),  # 3.36 rounds up to 4
        ([2, 100], 0.95, [1, 96]),  # 96.9 rounds up to 97
        ([12] * 100, 0.1, None),
        ([3] * 7, 0.2, [1] * 7),
    ],
)
def test_split_leaves_each_class_on_both_sides(counts, fraction, validation):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    parts = train_validation_split(labels, fraction, seed=2)
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    for part in parts:
        assert (np.diff(part) > 0).all()
        assert np.bincount(labels[part], minlength=len(counts)).min() >= 1
    if validation:
        assert np.bincount(labels[parts[1]]).tolist() == validation
    again, other = (train_validation_split(labels, fraction, seed=s)[1] for s in (2, 3))
    assert again.tolist() == parts[1].tolist()
    assert other.tolist() != parts[1].tolist()


@pytest.mark.parametrize("counts", [[3, 3], [3] * 100, [300, 30, 6], [300, 30, 3], [12] * 100])
@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.2])
def test_three_images_of_a_class_can_be_split_twice_as_notebook_04_does(counts, fraction):
    labels = np.repeat(np.arange(len(counts)), counts)
    train, _ = train_validation_split(labels, fraction)
    learn, check = train_validation_split(labels[train], 0.2)
    for part in (learn, check):
        assert np.bincount(labels[train][part]).min() >= 1


# Real CIFAR-10.


@pytest.mark.skipif(not REAL, reason="CIFAR10_DIR is not set")
def test_real_cifar10(monkeypatch):
    monkeypatch.setenv("CIFAR10_DIR", REAL)
    monkeypatch.delenv("TTA_CACHE")
    loaded = load_dataset("cifar10", cache=REAL_CACHE)
    assert loaded.class_names == tuple(TEN)
    assert loaded.train_images.shape[1:] == opened.images(loaded).shape[1:] == (32, 32, 3)
    assert str(Path(REAL).resolve()) not in loaded.provenance
    if loaded.name.startswith("cifar10-batches"):
        assert "of 50,000 training" in loaded.provenance
    if loaded.provenance.startswith("CIFAR-10, official batches"):
        # As printed in many a tutorial: frog, truck, truck, deer, automobile, ...; cat, ship, ...
        assert loaded.train_labels[:10].tolist() == [6, 9, 9, 4, 1, 1, 2, 7, 8, 3]
        assert opened.labels(loaded)[:10].tolist() == [3, 8, 8, 0, 6, 6, 1, 6, 3, 1]
    else:
        assert np.bincount(loaded.train_labels).tolist() == [5000] * 10
        assert np.bincount(opened.labels(loaded)).tolist() == [1000] * 10
        assert loaded.provenance.startswith("CIFAR-10, JPEG copy, 50,000 training and 10,000 test")


def hand_made(train, test, seed=0):
    """Make a data set with so many images of each class, mixed; each image holds its row."""
    arrays = []
    for counts in (train, test):
        labels = np.repeat(np.arange(len(counts)), counts)
        rows = np.arange(len(labels))
        images = np.stack([rows // 256, rows % 256, rows * 0], axis=-1)[:, None, None].astype(
            "uint8"
        )
        arrays += [images, np.random.default_rng(seed).permutation(labels)]
    names = tuple(f"class {i}" for i in range(len(train)))
    test = Locked(*arrays[2:])
    return Dataset("made", *arrays[:2], test, names, "made", "Made by hand.", "f00d")


def test_the_test_set_is_locked_and_every_opening_counted():
    whole = hand_made([3, 3], [4, 4])
    part = whole.take(0, 4, seed=1)
    with pytest.raises(DataError, match="purpose given is ' '"):
        part.test.open(" ")
    assert whole.test.openings == [] and not hasattr(whole, "test_images")
    images, labels = part.test.open("confirm the choice")
    assert len(part.test) == len(images) == len(labels) == 4 and part.test.shape == images.shape
    whole.test.open("compare")
    assert [one["purpose"] for one in part.test.openings] == ["confirm the choice", "compare"]
    assert "array" not in repr(whole.test)


def rows_of(images):
    return (images[:, 0, 0, 0].astype(int) * 256 + images[:, 0, 0, 1]).tolist()


def test_take_draws_a_part_and_says_so():
    whole = hand_made([60, 30, 30], [20, 20, 20])
    part = whole.take(40, 12, seed=3)
    assert np.bincount(part.train_labels).tolist() == [20, 10, 10]
    assert np.bincount(opened.labels(part)).tolist() == [4, 4, 4]
    for name, n in (("train", 40), ("test", 12)):  # rows of the whole, each once, in its order
        rows = rows_of(opened.split(part, name)[0])
        assert rows == sorted(set(rows)) and len(rows) == n
        labels = opened.split(whole, name)[1][rows]
        np.testing.assert_array_equal(opened.split(part, name)[1], labels)
    assert part.provenance == (
        "Made by hand. Of these, 40 training images and 12 test images drawn with seed 3, "
        "each class in proportion."
    )
    prints = [d.fingerprint for d in (whole, part, whole.take(40, 12, 4), whole.take(40, 13, 3))]
    assert len(set(prints)) == 4
    assert rows_of(whole.take(40, 12, 3).train_images) == rows_of(part.train_images)
    assert rows_of(whole.take(40, 12, 4).train_images) != rows_of(part.train_images)
    tested = whole.take(0, 5)
    assert tested.train_images is whole.train_images


@pytest.mark.parametrize(
    ("counts", "n", "expected"),
    [
        ([10, 10, 10], 10, [4, 3, 3]),  # 3.33 each: of equal remainders the first goes first
        ([300, 30, 6], 56, [50, 5, 1]),  # exactly a sixth
        ([300, 30, 6], 40, [35, 4, 1]),  # 0.71 is below 1; the other 39 are shared 35.45, 3.55
        ([300, 30, 6], 4, [2, 1, 1]),  # 3.57, 0.36, 0.07: two classes at their least
        ([300, 30, 6], 335, [299, 30, 6]),  # 299.1, 29.9, 5.98
        ([7, 0, 7], 2, [1, 0, 1]),  # a class that is not there is not asked for
        ([1, 1, 98], 3, [1, 1, 1]),
        ([12] * 100, 400, [4] * 100),
        ([53, 24, 23], 10, [5, 3, 2]),  # 5.3, 2.4, 2.3
    ],
)
def test_take_draws_each_class_in_proportion(counts, n, expected):
    labels = opened.labels(hand_made([3, 3, 3], counts).take(0, n, seed=1))
    assert np.bincount(labels, minlength=len(counts)).tolist() == expected


def test_take_leaves_three_training_images_of_each_class():
    labels = hand_made([300, 30, 6], [1, 1, 1]).take(20).train_labels
    assert np.bincount(labels).tolist() == [14, 3, 3]  # 17.86, 1.79, 0.36 without the least
    labels = hand_made([30, 2], [1, 1]).take(5).train_labels  # all it has
    assert np.bincount(labels).tolist() == [3, 2]


@pytest.mark.parametrize("n", [300, 301, 3000, np.int64(300)])
def test_take_of_all_or_more_changes_nothing(n):
    whole = hand_made([150, 150], [100, 50])
    assert whole.take() is whole
    assert whole.take(n, 150) is whole
    part = whole.take(n, 15)
    assert part.train_images is whole.train_images
    assert "Of these, 15 test images drawn with seed 0, each" in part.provenance


@pytest.mark.parametrize(
    ("n_train", "n_test", "message"),
    [
        (-1, 0, r"n_train is -1: give a whole number of images, or 0 for all of the 300"),
        (0, 2.5, r"n_test is 2\.5: give a whole number"),
        (0, 2, r"n_test is 2, too few for 3 classes .*: give 3 or more, or 0 for all of the 30"),
        (8, 0, r"n_train is 8, too few for 3 classes with at least 3 of each: give 9 or more"),
    ],
)
def test_take_refuses_too_few(n_train, n_test, message):
    with pytest.raises(DataError, match=message):
        hand_made([100] * 3, [10] * 3).take(n_train, n_test)


def test_a_folders_path_stands_for_the_folder(tmp_path):
    write_batches(tmp_path / "mine")
    by_path = load_dataset(str(tmp_path / "mine"))
    assert by_path.fingerprint == load_dataset("folder", tmp_path / "mine").fingerprint
    assert by_path.label == "CIFAR-10, official batches"
