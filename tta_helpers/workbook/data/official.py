"""The official batches of CIFAR-10 and CIFAR-100: what they hold, read as plain values only."""

import pickle
import re
import unicodedata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tta_helpers.workbook.data.decoding import Decoded, Form, to_form
from tta_helpers.workbook.data.errors import DataError, printable

# A class name in official files: none that is too long for a file's, or has what cannot be seen.
NAME = re.compile(r"[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60}")


class Official(NamedTuple):
    """One of the two official data sets: its archive, and what its folder holds."""

    name: str
    title: str
    classes: int
    folder: str
    sha256: str  # of the archive, as Keras checks it
    train_files: tuple[str, ...]
    test_file: str
    meta_file: str
    key_prefix: bytes  # CIFAR-100 has coarse labels too

    @property
    def url(self) -> str:
        """Where the archive is published."""
        return f"https://www.cs.toronto.edu/~kriz/{self.title.lower()}-python.tar.gz"


OFFICIAL = {
    "cifar10": Official(
        name="cifar10",
        title="CIFAR-10",
        classes=10,
        folder="cifar-10-batches-py",
        sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
        train_files=tuple(f"data_batch_{i}" for i in range(1, 6)),
        test_file="test_batch",
        meta_file="batches.meta",
        key_prefix=b"",
    ),
    "cifar100": Official(
        name="cifar100",
        title="CIFAR-100",
        classes=100,
        folder="cifar-100-python",
        sha256="85cd44d02ba6437773c5bbd22e183051d648de2e7d6b014e1ef29b855ba677a7",
        train_files=("train",),
        test_file="test",
        meta_file="meta",
        key_prefix=b"fine_",
    ),
}


class _PlainUnpickler(pickle.Unpickler):
    """Reads NumPy arrays and plain values; a pickle can otherwise run any code."""

    def find_class(self, module: str, name: str) -> object:
        if (module.replace("numpy._core", "numpy.core"), name) not in {
            ("numpy.core.multiarray", "_reconstruct"),
            ("numpy", "ndarray"),
            ("numpy", "dtype"),
        }:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")
        return super().find_class(module, name)


def _unpickle(path: Path, key: bytes, kind: type) -> tuple[dict, object]:
    """Return a pickled dictionary, and its value for `key`, which must be of type `kind`."""
    try:
        with path.open("rb") as file:
            content = _PlainUnpickler(file, encoding="bytes").load()
        value = content[key]
    except Exception as error:  # a damaged pickle can raise almost anything
        raise _bad_batch(path, f"{type(error).__name__}: {error}") from error
    if not isinstance(value, kind):
        raise _bad_batch(path, f"{key!r} is no {kind.__name__}")
    return content, value


def _bad_batch(path: Path, problem: str) -> DataError:
    return DataError(
        f"{printable(path)} is no official file ({problem}): unpack the official archive again"
    )


def decode_batches(folder: Path, official: Official, form: Form) -> Decoded:
    """Decode the official batches in a folder."""
    path = folder / official.meta_file
    _, names = _unpickle(path, official.key_prefix + b"label_names", list)
    names = _class_names(path, names, official.classes)
    train = [_read_batch(folder / file, official) for file in official.train_files]
    arrays = [np.concatenate(part) for part in zip(*train, strict=True)]
    arrays += _read_batch(folder / official.test_file, official)
    incomplete = (len(arrays[0]), len(arrays[2])) != (50_000, 10_000)
    arrays, note = to_form(arrays, form)
    return Decoded(
        name=f"{official.name}-batches" if incomplete else official.name,
        title=f"{official.title}, official batches",
        class_names=names,
        arrays=arrays,
        note=note,
        incomplete=incomplete,
    )


def _class_names(path: Path, names: list, n_classes: int) -> tuple[str, ...]:
    """Return class names that can be told apart, printed, and used for files and folders."""
    if len(names) != n_classes or not all(isinstance(name, bytes) for name in names):
        raise _bad_batch(path, f"it does not name {n_classes} classes")
    decoded = tuple(unicodedata.normalize("NFC", n.decode("utf-8", "replace")) for n in names)
    for name in decoded:
        if not NAME.fullmatch(name) or not name.strip() or name in (".", ".."):
            raise _bad_batch(path, f"{name!r:.80} is no name for a class")
        if decoded.count(name) > 1:
            raise _bad_batch(path, f"two classes are called {name!r}")
    return decoded


def _read_batch(path: Path, official: Official) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) uint8 and labels (n,) int64."""
    content, labels = _unpickle(path, official.key_prefix + b"labels", list)
    rows = content.get(b"data")
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (3072,):
        raise _bad_batch(path, "b'data' is no array (n, 3072) of uint8")
    if not len(rows) == len(labels) > 0:
        raise _bad_batch(path, f"it has {len(rows)} images and {len(labels)} labels")
    for label in labels:
        if type(label) is not int or not 0 <= label < official.classes:
            raise _bad_batch(path, f"label {label!r:.80} is not from 0 to {official.classes - 1}")
    # A row is the red plane, then green, then blue, each by rows of pixels.
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int64)
