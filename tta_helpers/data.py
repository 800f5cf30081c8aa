"""Data sets: found, checked and decoded once, memory-mapped after.

Every source ends as the same `Dataset`: four arrays, the class names, one sentence on where they
come from, and a fingerprint of their content. Decoded arrays are cached on disk, so a second call
opens files instead of decoding 60,000 images.
"""

import hashlib
import json
import os
import pickle
import tarfile
import tempfile
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from tta_helpers import sample
from tta_helpers.progress import progress

NAMES = ("auto", "cifar10", "cifar100", "sample", "folder")
SPLITS = {"train": "training", "test": "test"}
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
CACHE_FORMAT = 1
DEFAULT_CACHE = Path(__file__).parents[1] / "data" / "cache"
PROBE_SECONDS = 3
LAYOUTS = (
    "class folders (train/<class>/*.png or .jpg, and test/<class>/*), "
    "or the official batches (cifar-10-batches-py, cifar-100-python)"
)


class DataError(ValueError):
    """Data that is missing, damaged or not what was asked for; the message says what to do."""


class _NoDownload(DataError):
    """An official archive is neither on this machine nor to be had; `reason` says why."""

    def __init__(self, official: "_Official", reason: str):
        self.reason = reason
        super().__init__(
            f"{official.title} could not be downloaded ({reason}): connect to the network, or "
            f"unpack {official.url} elsewhere and name the folder as source= "
            "(CIFAR-10 also in CIFAR10_DIR), or use load_dataset('sample')"
        )


@dataclass(frozen=True)
class Dataset:
    """Images, labels and where they come from.

    Attributes
    ----------
    name
        Short name: "cifar10", "cifar10-batches" (a part of them), "cifar10-jpeg", "sample", or the
        name of a folder.
    train_images, test_images
        (n, height, width, 3) uint8, 0 to 255, memory-mapped read-only.
    train_labels, test_labels
        (n,) int64, read-only, indices into `class_names`.
    class_names
        One name a class.
    label
        A few words for the small print of a figure, such as "CIFAR-10, JPEG copy".
    provenance
        One sentence: which data this is, how many images, and why it was taken.
    fingerprint
        SHA-256 in hexadecimal over class names, images and labels. Equal content gives equal
        fingerprints wherever it was read from.
    """

    name: str
    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    label: str
    provenance: str
    fingerprint: str

    def take(self, n_train: int = 0, n_test: int = 0, seed: int = 0) -> "Dataset":
        """Return the data set with only so many images, drawn at random; 0 takes all.

        The rows that are taken keep their order. Provenance and fingerprint say that it is a part.

        Raises
        ------
        DataError
            If a number is negative or larger than the number of images.
        """
        arrays, taken = {}, []
        for split, n in (("train", n_train), ("test", n_test)):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            if not 0 <= n <= len(labels):
                raise DataError(
                    f"n_{split} is {n}: take 0 for all of the {len(labels):,} images, or a part"
                )
            if n:
                rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:n])
                images, labels = images[rows], labels[rows]
                taken.append(f"{n:,} {SPLITS[split]} images")
            arrays |= {f"{split}_images": images, f"{split}_labels": labels}
        if not taken:
            return self
        part = f"Of these, {' and '.join(taken)} drawn with seed {seed}."
        digest = hashlib.sha256(f"{self.fingerprint} {part}".encode()).hexdigest()
        changes = {"provenance": f"{self.provenance} {part}", "fingerprint": digest}
        return replace(self, **arrays, **changes)


def load_dataset(
    name: str = "auto",
    source: str | os.PathLike | None = None,
    image_size: int | None = None,
    cache: str | os.PathLike | None = None,
) -> Dataset:
    """Load a data set by name, or from a folder.

    Parameters
    ----------
    name
        "auto": the first that is there of the folder named by the environment variable
        `CIFAR10_DIR`, the Keras download of CIFAR-10, the procedural sample. A `CIFAR10_DIR` that
        is set but unusable is an error. "cifar10": the same without the sample. "cifar100": the
        Keras download, with fine labels. "sample": the procedural sample. "folder": `source`.
        The path of a folder stands for that folder as `source`.
    source
        A folder to read instead. `source` and `CIFAR10_DIR` take the first layout found in the
        folder itself, then in its `images/`, then in its `cifar-10-batches-py/` or
        `cifar-100-python/`. A layout is either the official batches or class folders
        `train/<class>/*` and `test/<class>/*` of PNG or JPEG files, in 8 bits a channel; classes
        and files are sorted by name, grayscale and palette become RGB, alpha is dropped, and
        EXIF orientation is not applied.
    image_size
        Resize to this height and width in pixels with Pillow's bicubic filter, whatever the
        aspect ratio. Without it all images must have one size.
    cache
        Folder for decoded arrays; without it the environment variable `TTA_CACHE`, or `data/cache`
        beside the package.

    Raises
    ------
    DataError
        For an unknown name, a bad `image_size`, a missing or unusable folder or file, a download
        that fails, and a cache that is damaged or of another version.
    """
    if name not in NAMES and source is None and Path(name).is_dir():
        source = name
    elif name not in NAMES:
        raise DataError(
            f"unknown data set {name!r}: use one of {', '.join(NAMES)}, or name a folder as source="
        )
    if image_size is not None and (type(image_size) is not int or image_size < 1):
        raise DataError(f"image_size must be a positive whole number of pixels, not {image_size!r}")
    cache = Path(cache or os.environ.get("TTA_CACHE") or DEFAULT_CACHE).expanduser()

    def load(origin: _Origin, why: str) -> Dataset:
        dataset = _load(origin, why, image_size, cache)
        official = OFFICIAL.get(name)
        if official and len(dataset.class_names) != official.classes:
            raise DataError(
                f"{official.title} has {official.classes} classes, but {len(dataset.class_names)} "
                f"are in {dataset.provenance} Name another folder, or load it as 'folder'"
            )
        return dataset

    if name == "sample":
        if source is not None:
            raise DataError(f"'sample' is drawn by code: leave out source={os.fspath(source)!r}")
        return load(_from_sample(), "asked for by name")
    if source is not None:
        return load(_from_folder(source), "the folder given as source")
    if name == "folder":
        raise DataError(f"'folder' needs source=, a folder that holds {LAYOUTS}")
    if name == "cifar100":
        return load(_from_download(OFFICIAL["cifar100"]), "downloaded by Keras")
    if folder := os.environ.get("CIFAR10_DIR"):
        return load(_from_folder(folder), "the folder named by CIFAR10_DIR")
    try:
        why = "downloaded by Keras, as CIFAR10_DIR is not set"
        return load(_from_download(OFFICIAL["cifar10"]), why)
    except _NoDownload as error:
        if name == "cifar10":
            raise
        why = (
            f"CIFAR10_DIR is not set and CIFAR-10 could not be downloaded ({error.reason}), "
            "so the procedural sample stands in"
        )
        return load(_from_sample(), why)


def train_validation_split(
    labels: np.ndarray, validation_fraction: float = 0.1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows into a training and a validation part, each class in proportion.

    Returns indices rather than copies, sorted so that a memory map is read in order.

    Parameters
    ----------
    labels
        (n,) integers, at least two of each class.
    validation_fraction
        Share of rows for validation, above 0 and below 1.
    seed
        The same seed gives the same split.

    Returns
    -------
    train_index, validation_index
        Sorted int64 arrays that together hold each row once.

    Raises
    ------
    DataError
        For a fraction outside (0, 1), a class with fewer than two images, or a fraction that
        leaves either part with fewer rows than there are classes.
    """
    labels = np.asarray(labels)
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"validation_fraction must lie above 0 and below 1, not {validation_fraction}"
        )
    try:
        train, validation = train_test_split(
            np.arange(len(labels)),
            test_size=validation_fraction,
            stratify=labels,
            random_state=seed,
        )
    except ValueError as error:
        raise DataError(
            f"{len(labels)} labels cannot be split with validation_fraction={validation_fraction}: "
            f"{error} Each class needs two images, and each part as many images as classes"
        ) from error
    return np.sort(train), np.sort(validation)


class _Decoded(NamedTuple):
    name: str
    title: str
    class_names: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]  # in the order of ARRAYS
    incomplete: bool = False  # a part of an official data set


class _Origin(NamedTuple):
    kind: str
    signature: list  # changes when the content does; cheap enough to compute on every call
    decode: Callable[[int | None], _Decoded]  # takes image_size


class _Official(NamedTuple):
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
        return f"https://www.cs.toronto.edu/~kriz/{self.title.lower()}-python.tar.gz"


OFFICIAL = {
    "cifar10": _Official(
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
    "cifar100": _Official(
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


def _from_sample() -> _Origin:
    def decode(image_size: int | None) -> _Decoded:
        arrays = _resize(sample.make_sample(progress=partial(progress, desc="drawing")), image_size)
        return _Decoded("sample", "procedural sample", sample.CLASS_NAMES, arrays)

    # The images follow from the code that draws them (and its default seed), so the code's hash
    # stands for their content.
    code = Path(sample.__file__).read_bytes()
    return _Origin("sample", [hashlib.sha256(code).hexdigest()], decode)


def _from_download(official: _Official) -> _Origin:
    def decode(image_size: int | None) -> _Decoded:
        # Unpacked aside, because what stands in Keras' cache is the reader's.
        with tempfile.TemporaryDirectory() as aside, tarfile.open(_archive(official)) as archive:
            try:
                archive.extractall(aside, filter="data")
            except tarfile.TarError as error:  # such as a path that leads out of the folder
                raise DataError(f"{archive.name} is refused ({error}): delete the file") from error
            return _decode_batches(Path(aside) / official.folder, official, image_size)

    return _Origin(official.name, [official.sha256], decode)


def _from_folder(path: str | os.PathLike) -> _Origin:
    root = Path(path).expanduser().resolve()
    if not root.is_dir():
        raise DataError(f"{path} is not a folder: correct source= or CIFAR10_DIR")
    for folder in (root, root / "images", *(root / o.folder for o in OFFICIAL.values())):
        for official in OFFICIAL.values():
            if (folder / official.train_files[0]).is_file():
                return _from_batches(folder, official)
        if all((folder / split).is_dir() for split in SPLITS):
            return _from_class_folders(folder)
    raise DataError(f"{path} holds no data set: give it {LAYOUTS}")


def _from_batches(folder: Path, official: _Official) -> _Origin:
    files = [folder / f for f in (*official.train_files, official.test_file, official.meta_file)]
    if missing := [str(file) for file in files if not file.is_file()]:
        raise DataError(f"{', '.join(missing)} missing: unpack {official.url} again")
    decode = partial(_decode_batches, folder, official)
    return _Origin(f"{official.name}-batches", [_stamp(file) for file in files], decode)


def _from_class_folders(folder: Path) -> _Origin:
    splits = {split: _list_classes(folder / split) for split in SPLITS}
    if differing := sorted(splits["train"].keys() ^ splits["test"].keys()):
        raise DataError(
            f"train and test in {folder} hold different classes: "
            f"give both a folder for {', '.join(differing)}, or neither"
        )
    signature = [_stamp(f) for named in splits.values() for files in named.values() for f in files]
    return _Origin("folder", signature, partial(_decode_class_folders, folder, splits))


def _stamp(file: Path | os.DirEntry) -> tuple[str, int, int]:
    status = file.stat()
    return os.fspath(file), status.st_size, status.st_mtime_ns


def _archive(official: _Official) -> Path:
    """Return the official archive in Keras' cache, fetched if need be and checked.

    An archive that is there never reaches Keras, which would delete a damaged one.
    """
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    archive = home / "datasets" / f"{official.folder}-target_archive"
    if not archive.exists():
        archive = _download(official, archive.name)
    with archive.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != official.sha256:
        raise DataError(
            f"{archive} is damaged or still being downloaded (its SHA-256 is {digest}, not "
            f"{official.sha256}): wait for the download, or delete the file"
        )
    return archive


def _download(official: _Official, file_name: str) -> Path:
    try:
        # Keras sets no time limit, so ask first whether anyone answers.
        request = urllib.request.Request(official.url, method="HEAD")
        urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
        return Path(keras.utils.get_file(file_name, origin=official.url, file_hash=official.sha256))
    except Exception as error:  # Keras raises bare Exceptions
        cause = getattr(error, "reason", error)
        raise _NoDownload(official, getattr(cause, "strerror", None) or str(cause)) from error


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
    return DataError(f"{path} is no official file ({problem}): unpack the official archive again")


def _decode_batches(folder: Path, official: _Official, image_size: int | None) -> _Decoded:
    path = folder / official.meta_file
    _, names = _unpickle(path, official.key_prefix + b"label_names", list)
    if len(names) != official.classes or not all(isinstance(name, bytes) for name in names):
        raise _bad_batch(path, f"it does not name {official.classes} classes")
    train = [_read_batch(folder / file, official) for file in official.train_files]
    arrays = [np.concatenate(part) for part in zip(*train, strict=True)]
    arrays += _read_batch(folder / official.test_file, official)
    incomplete = (len(arrays[0]), len(arrays[2])) != (50_000, 10_000)
    return _Decoded(
        name=f"{official.name}-batches" if incomplete else official.name,
        title=f"{official.title}, official batches",
        class_names=tuple(name.decode() for name in names),
        arrays=_resize(arrays, image_size),
        incomplete=incomplete,
    )


def _read_batch(path: Path, official: _Official) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) uint8 and labels (n,) int64."""
    content, labels = _unpickle(path, official.key_prefix + b"labels", list)
    rows = content.get(b"data")
    if not isinstance(rows, np.ndarray) or rows.dtype != np.uint8 or rows.shape[1:] != (3072,):
        raise _bad_batch(path, "b'data' is no array (n, 3072) of uint8")
    if not len(rows) == len(labels) > 0:
        raise _bad_batch(path, f"it has {len(rows)} images and {len(labels)} labels")
    for label in labels:
        if type(label) is not int or not 0 <= label < official.classes:
            raise _bad_batch(path, f"label {label!r} is not from 0 to {official.classes - 1}")
    # A row is the red plane, then green, then blue, each by rows of pixels.
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int64)


def _visible(folder: str | os.PathLike) -> list[os.DirEntry]:
    entries = (entry for entry in os.scandir(folder) if not entry.name.startswith("."))
    return sorted(entries, key=lambda entry: entry.name)


def _list_classes(folder: Path) -> dict[str, list[os.DirEntry]]:
    classes = {entry.name: _visible(entry) for entry in _visible(folder) if entry.is_dir()}
    if not classes:
        raise DataError(f"{folder} holds no class folders: give it one folder a class")
    for name, files in classes.items():
        if not files:
            raise DataError(f"{folder / name} is empty: add images or remove the folder")
        for file in files:
            if not (file.name.lower().endswith((".png", ".jpg", ".jpeg")) and file.is_file()):
                raise DataError(f"{file.path} is no PNG or JPEG file: convert it or move it away")
    return classes


def _decode_class_folders(
    folder: Path, splits: dict[str, dict[str, list[os.DirEntry]]], image_size: int | None
) -> _Decoded:
    names = tuple(splits["train"])
    arrays, formats, sizes = [], set(), set()
    for split, classes in splits.items():
        files = [(label, file) for label, name in enumerate(names) for file in classes[name]]
        images = []
        # One thread: Pillow spends its time on small images in Python, where threads wait in turn.
        for _, file in progress(files, desc=f"decoding {split} images"):
            pixels, image_format, size = _decode_image(file.path, image_size)
            images.append(pixels)
            formats.add(image_format)
            sizes.add(size)
            if image_size is None and len(sizes) > 1:
                raise DataError(
                    f"{file.path} is {size[0]}x{size[1]} pixels, other than the images before it: "
                    "choose one size with image_size="
                )
        arrays += [np.stack(images), np.array([label for label, _ in files], np.int64)]
    form = " and ".join(sorted(formats))
    counts = len(arrays[0]), len(arrays[2])
    # The sample has CIFAR-10's class names, in CIFAR-10's order, which is alphabetical.
    if (names, counts, sizes) == (sample.CLASS_NAMES, (50_000, 10_000), {(32, 32)}):
        return _Decoded(f"cifar10-{form.lower()}", f"CIFAR-10, {form} copy", names, tuple(arrays))
    return _Decoded(folder.name, f"class folders {folder.name} ({form})", names, tuple(arrays))


def _decode_image(path: str, image_size: int | None) -> tuple[np.ndarray, str, tuple[int, int]]:
    """Return RGB pixels, the format and the size (width, height) in the file."""
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.mode.startswith(("I", "F")):  # Pillow would clip these to white
                raise ValueError(f"its pixels are of mode {image.mode}, not of 8 bits a channel")
            image.info.pop("transparency", None)  # Pillow would warn that alpha is dropped
            return _to_pixels(image.convert("RGB"), image_size), image.format, image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be decoded: {error}. Replace or remove it") from error


def _to_pixels(image: Image.Image, image_size: int | None) -> np.ndarray:
    if image_size is not None:
        image = image.resize((image_size, image_size), Image.Resampling.BICUBIC)
    return np.asarray(image)


def _resize(arrays: tuple[np.ndarray, ...], image_size: int | None) -> tuple[np.ndarray, ...]:
    """Resize the two arrays of images among four, in the order of `ARRAYS`."""
    if image_size is None:
        return tuple(arrays)
    train_images, train_labels, test_images, test_labels = arrays
    train_images, test_images = (
        np.stack([_to_pixels(Image.fromarray(i), image_size) for i in progress(images, "resizing")])
        for images in (train_images, test_images)
    )
    return train_images, train_labels, test_images, test_labels


def _load(origin: _Origin, why: str, image_size: int | None, cache: Path) -> Dataset:
    key = hashlib.sha256(json.dumps([origin.signature, image_size]).encode()).hexdigest()[:16]
    folder = cache / f"{origin.kind}-{key}"
    if not folder.exists():
        _write_cache(folder, origin.decode(image_size), image_size)
    return _open_cache(folder, why)


def _write_cache(folder: Path, decoded: _Decoded, image_size: int | None) -> None:
    """Write whole or not at all: into a folder aside, which then takes the final name."""
    arrays = dict(zip(ARRAYS, map(np.ascontiguousarray, decoded.arrays), strict=True))
    n_train, n_test = f"{len(arrays['train_labels']):,}", f"{len(arrays['test_labels']):,}"
    if decoded.incomplete:
        n_train, n_test = f"{n_train} of 50,000", f"{n_test} of 10,000"
    resized = f", resized to {image_size}x{image_size} (bicubic)" if image_size else ""
    meta = {
        "format": CACHE_FORMAT,
        "name": decoded.name,
        "label": decoded.title,
        "description": f"{decoded.title}, {n_train} training and {n_test} test images{resized}",
        "class_names": decoded.class_names,
        "fingerprint": _fingerprint(decoded.class_names, arrays),
        "shapes": {name: array.shape for name, array in arrays.items()},
    }
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".writing-") as aside:
            new = Path(aside) / folder.name
            new.mkdir()
            for name, array in arrays.items():
                np.save(new / f"{name}.npy", array)
            (new / "meta.json").write_text(json.dumps(meta, indent=2), encoding="utf-8")
            try:
                new.rename(folder)
            except OSError:
                if not folder.is_dir():  # if it is one, another process was first, with the same
                    raise
    except OSError as error:
        raise DataError(
            f"the cache {folder} cannot be written ({error}): free the disk, or name another place "
            "in TTA_CACHE or cache="
        ) from error


def _fingerprint(class_names: tuple[str, ...], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(class_names).encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


def _open_cache(folder: Path, why: str) -> Dataset:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] == CACHE_FORMAT:
            return Dataset(
                name=meta["name"],
                class_names=tuple(meta["class_names"]),
                label=meta["label"],
                provenance=f"{meta['description']}: {why}.",
                fingerprint=meta["fingerprint"],
                **{name: _open_array(folder, name, meta["shapes"][name]) for name in ARRAYS},
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(
            f"the cache {folder} is damaged ({type(error).__name__}: {error}): "
            "delete that folder, and it is made again"
        ) from error
    raise DataError(
        f"the cache {folder} has format {meta['format']}, and this version reads {CACHE_FORMAT}: "
        "delete that folder, or use the version of tta_helpers that wrote it"
    )


def _open_array(folder: Path, name: str, shape: list[int]) -> np.ndarray:
    array = np.load(folder / f"{name}.npy", mmap_mode="r")
    if list(array.shape) != shape:
        raise ValueError(f"{name} has shape {array.shape}, not {tuple(shape)}")
    # Labels as a plain array, because NumPy shows a memory map as one; still read-only.
    return array if name.endswith("images") else np.asarray(array)
