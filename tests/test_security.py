"""Files made to do harm: none runs code, leaves its folder or fills the memory."""

import hashlib
import io
import os
import pickle
import struct
import tarfile
import zlib

import keras
import numpy as np
import pytest

from tta_helpers.workbook import corruptions, networks
from tta_helpers.workbook.data import DataError, load_dataset
from tta_helpers.workbook.data.official import OFFICIAL


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_model_with_code_in_it_is_refused_with_the_reason(tmp_path, monkeypatch, fault):
    fault("model file with code")
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "it ran"
    code = keras.layers.Lambda(
        lambda x: (__import__("os").makedirs("it ran", exist_ok=True), x)[1], output_shape=(2,)
    )
    keras.Sequential([keras.Input((2,)), code]).save(tmp_path / "hostile.keras")
    with pytest.raises(ValueError, match=r"hostile\.keras holds a Lambda layer.*it is refused"):
        networks.load_model(tmp_path / "hostile.keras")
    assert not trace.exists()
    keras.saving.load_model(tmp_path / "hostile.keras", safe_mode=False)(np.zeros((1, 2)))
    assert trace.exists()  # the file is as hostile as it should be


@pytest.mark.parametrize("kind", ["up", "absolute", "link"])
def test_an_archive_that_leaves_its_folder_is_refused(tmp_path, monkeypatch, kind, fault):
    fault("archive with a path outside its folder")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setenv("TTA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    target = tmp_path / "outside"
    path = tmp_path / "keras" / "datasets" / "cifar-10-batches-py-target_archive"
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as tar:
        name = {"up": "../" * 30 + str(target), "absolute": "/../" + str(target), "link": "in"}
        entry = tarfile.TarInfo(name[kind])
        if kind == "link":
            entry.type, entry.linkname = tarfile.SYMTYPE, str(target)
        entry.size = 0 if kind == "link" else 4
        tar.addfile(entry, io.BytesIO(b"evil"))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setitem(OFFICIAL, "cifar10", OFFICIAL["cifar10"]._replace(sha256=digest))
    with pytest.raises(DataError):
        load_dataset("cifar10")
    assert not target.exists()


def array_file(path, header):
    """Write an .npy file of format 1.0 with this header and few bytes behind it."""
    text = header.encode().ljust(118) + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64))


HEADERS = {
    "more than the disk": "{'descr': '|u1', 'fortran_order': False, 'shape': (10**12,)}",
    "a huge shape": f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**13}, 32, 32, 3)}}",
    "beyond 64 bits": f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({10**30},)}}",
    "a negative shape": "{'descr': '|u1', 'fortran_order': False, 'shape': (-5,)}",
    "objects": "{'descr': '|O', 'fortran_order': False, 'shape': (5,)}",
    "code": "__import__('os').getcwd()",
    "a long header": "{'descr': '|u1', 'fortran_order': False, 'shape': (5,)}" + " " * 60_000,
}


@pytest.mark.parametrize("kind", HEADERS)
def test_array_files_with_false_headers_are_refused(tmp_path, kind, fault):
    fault(f"array file with a false header: {kind}")
    array_file(tmp_path / "labels.npy", HEADERS[kind])
    with pytest.raises(DataError, match=r"labels\.npy cannot be read"):
        corruptions.load_cifar10c(tmp_path, ())


def test_an_array_file_that_holds_a_pickle_does_not_run(tmp_path, fault):
    fault("array file with a pickle that runs code")
    trace = tmp_path / "it ran"
    np.save(tmp_path / "labels.npy", np.array([Harmful(trace)]), allow_pickle=True)
    with pytest.raises(DataError, match=r"labels\.npy cannot be read"):
        corruptions.load_cifar10c(tmp_path, ())
    (tmp_path / "labels.npy").write_bytes(pickle.dumps(Harmful(trace)))
    with pytest.raises(DataError, match=r"labels\.npy cannot be read"):
        corruptions.load_cifar10c(tmp_path, ())
    assert not trace.exists()


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch, fault):
    fault("picture of 60,000 x 60,000 pixels in a small file")
    monkeypatch.setenv("TTA_CACHE", str(tmp_path / "cache"))

    def chunk(kind, content):
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(10_000)))
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            os.makedirs(tmp_path / "photos" / part / name)
            (tmp_path / "photos" / part / name / "a.png").write_bytes(bomb + chunk(b"IEND", b""))
    with pytest.raises(DataError, match=r"a\.png cannot be decoded: Image size .* exceeds limit"):
        load_dataset(source=tmp_path / "photos")
