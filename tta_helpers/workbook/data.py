"""Data sets: found, checked and decoded once, memory-mapped after.

Every source ends as the same `Dataset`: four arrays, the class names, one sentence on where they
come from, and a fingerprint of their content. Decoded arrays are cached on disk, so a second call
opens files instead of decoding 60,000 images.
"""

import hashlib
import json
import math
import os
import pickle
import re
import tarfile
import tempfile
import unicodedata
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.model_selection import train_test_split

from tta_helpers.progress import progress
from tta_helpers.workbook import sample
from tta_helpers.workbook.class_folders import DataError as DataError
from tta_helpers.workbook.class_folders import (
    Decoded,
    Form,
    check_room,
    decode_class_folders,
    form_note,
    list_classes,
    make_form,
    printable,
    some,
    to_pixels,
)

NAMES = ("auto", "cifar10", "cifar100", "sample", "folder")
SPLITS = {"train": "training", "test": "test"}
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
LEAST = {"train": 3, "test": 1}  # images of each class; validation is split off twice (notebook 04)
CACHE_FORMAT = 4  # part of a cache's name: raise it whenever the same files are decoded otherwise
DEFAULT_CACHE = Path(__file__).parents[2] / "data" / "cache"
PROBE_SECONDS = 3  # how long to wait for a first answer from where the archives are
DOWNLOAD_SECONDS = 30.0  # of silence, after which a download is given up; TTA_DOWNLOAD_SECONDS
MOST_SECONDS = 86_400
MEBIBYTE = 2**20
MOST_MEBIBYTES = 500  # of an archive; the official ones have 163
# A class name in official files: none that is too long for a file's, or has what cannot be seen.
NAME = re.compile(r"[^/\\\x00-\x1f\x7f-\x9f\u2028\u2029]{1,60}")
SAMPLE_SIZES = (20_000, 2_000)  # training and test images of the procedural sample
LAYOUTS = (
    "class folders (train/<class>/* and test/<class>/*, with pictures inside), "
    "or the official batches (cifar-10-batches-py, cifar-100-python)"
)


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
        (n, height, width, channels) uint8, 0 to 255, memory-mapped read-only; 3 channels, or 1
        where grayscale was asked for.
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
    whole_fingerprint
        Of a part that `take` drew: the fingerprint of the whole. Empty otherwise.
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
    whole_fingerprint: str = ""

    def take(self, n_train: int = 0, n_test: int = 0, seed: int = 0) -> "Dataset":
        """Return the data set with at most so many images, each class in proportion.

        Which images of a class are taken is drawn at random; they keep their order. A class's
        share is rounded by largest remainders and is never less than one test image and three
        training images (or all that the class has). Provenance and fingerprint say that it is a
        part; what the provenance counts is in the whole, from which the part is drawn. Where all
        are taken, nothing changes.

        Parameters
        ----------
        n_train, n_test
            The most images of each split; 0, or more than there are, takes all.
        seed
            The same seed takes the same images.

        Raises
        ------
        DataError
            If a number is negative, not whole, or too small for one test image and three training
            images of each class.
        """
        arrays, taken = {}, []
        for split, n in (("train", n_train), ("test", n_test)):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            if not isinstance(n, int | np.integer) or n < 0:
                raise DataError(
                    f"n_{split} is {n!r}: give a whole number of images, or 0 for all of the "
                    f"{len(labels):,}"
                )
            if 0 < n < len(labels):
                rows = _draw(labels, int(n), LEAST[split], seed, f"n_{split}")
                images, labels = images[rows], labels[rows]
                taken.append(f"{n:,} {SPLITS[split]} images")
            arrays |= {f"{split}_images": images, f"{split}_labels": labels}
        if not taken:
            return self
        part = f"Of these, {' and '.join(taken)} drawn with seed {seed}, each class in proportion."
        digest = hashlib.sha256(f"{self.fingerprint} {part}".encode()).hexdigest()
        changes = {
            "provenance": f"{self.provenance} {part}",
            "fingerprint": digest,
            "whole_fingerprint": self.whole_fingerprint or self.fingerprint,
        }
        return replace(self, **arrays, **changes)


def _draw(labels: np.ndarray, n: int, least: int, seed: int, name: str) -> np.ndarray:
    """Draw `n` rows, each class in proportion and with `least` rows or all it has, in order."""
    counts = np.bincount(labels)
    needed = np.minimum(counts, least)
    if n < needed.sum():
        raise DataError(
            f"{name} is {n}, too few for {np.count_nonzero(counts)} classes with at least {least} "
            f"of each: give {needed.sum():,} or more, or 0 for all of the {len(labels):,}"
        )
    rng = np.random.default_rng(seed)
    shares = _in_proportion(n, counts, needed)
    drawn = [rng.permutation(np.flatnonzero(labels == c))[:k] for c, k in enumerate(shares)]
    return np.sort(np.concatenate(drawn))


def _in_proportion(n: int, counts: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Share out `n` by Hamilton's method (largest remainders), no class below its `least`.

    `n` must lie between the sums of `least` and `counts`, each class's `least` within its count.
    All in whole numbers, and of equal remainders the first class goes first, so that every machine
    shares alike.
    """
    shares, free = least.astype(np.int64), np.ones(len(counts), bool)
    while True:  # a class below its least is given that, and the others share what is left
        rest, total = n - shares[~free].sum(), counts[free].sum()
        low = free & (rest * counts < least * total)
        if not low.any():
            break
        free &= ~low
    shares[free], remainders = np.divmod(rest * counts[free], total)
    first = np.argsort(-remainders, kind="stable")[: n - shares.sum()]
    shares[np.flatnonzero(free)[first]] += 1
    return shares


def load_dataset(
    name: str = "auto",
    source: str | os.PathLike | None = None,
    image_size: int | tuple[int, int] | None = None,
    cache: str | os.PathLike | None = None,
    *,
    keep_aspect_ratio: bool | str = False,
    color_mode: str = "rgb",
    skip_damaged: bool = False,
) -> Dataset:
    """Load a data set by name, or from a folder.

    Parameters
    ----------
    name
        "auto": the first that is there of the folder named by the environment variable
        `CIFAR10_DIR`, CIFAR-10's archive in Keras' folder (`~/.keras/datasets`, or in `KERAS_HOME`;
        downloaded if need be), the procedural sample. A `CIFAR10_DIR` that is set but unusable is
        an error. "cifar10": the same without the sample. "cifar100": the archive in Keras' folder,
        with fine labels. "sample": the procedural sample. "folder": `source`. The path of a folder
        stands for that folder as `source`. A download is given up after 30 seconds without a byte;
        the environment variable `TTA_DOWNLOAD_SECONDS` sets another limit.
    source
        A folder to read instead. `source` and `CIFAR10_DIR` take the first layout found in the
        folder itself, then in its `images/`, then in its `cifar-10-batches-py/` or
        `cifar-100-python/`. A layout is either the official batches or class folders
        `train/<class>/*` and `test/<class>/*` of PNG, JPEG, GIF, WebP, BMP or TIFF files, of at
        most 8 bits a channel and one picture each. The content counts, not the ending. Classes and
        files are sorted by name; files of the system are passed over, and others that are no
        pictures too, counted in the provenance. Photographs are turned upright as EXIF says.
        Alpha is dropped: a transparent pixel shows the colour that is stored in it.
    image_size
        Resize to this many pixels, one number for both or (height, width), with Pillow's bicubic
        filter. Without it all images must have one size.
    cache
        Folder for decoded arrays; without it the environment variable `TTA_CACHE`, or `data/cache`
        beside the package.
    keep_aspect_ratio
        What `image_size` does to images of other proportions. False stretches them; True cuts out
        the largest part in the middle, as Keras' `load_img` does; "pad" adds black at two sides.
    color_mode
        "rgb": three channels, whatever the file has. "grayscale": one channel, by the luma formula
        of ITU-R 601.
    skip_damaged
        Leave out the files in class folders that cannot be read, and count them in the
        provenance, instead of naming them in an error.

    Raises
    ------
    DataError
        For an unknown name, a bad value of an argument, a missing or unusable folder or file, a
        download that fails, data that the workbook cannot work with (one class; fewer than three
        training images or no test image of a class; a tenth or more of the test images that are
        training images too), images that do not fit in memory, and a cache that is damaged or of
        another version.
    """
    form = make_form(image_size, keep_aspect_ratio, color_mode, skip_damaged)
    cache = _path(cache or os.environ.get("TTA_CACHE") or DEFAULT_CACHE, "cache= or TTA_CACHE")
    try:
        return _load_named(name, source, form, cache)
    except DataError:
        raise
    except (OSError, ValueError, RecursionError) as error:  # files and their names hold anything
        where = printable(getattr(error, "filename", None) or "the data set")
        raise DataError(
            f"{where} cannot be read or written ({getattr(error, 'strerror', None) or error}): "
            "check its name, links and permissions, and the space on the disk"
        ) from error


def _path(value: str | os.PathLike, argument: str) -> Path:
    """Return a path that a reader gave, absolute and with its links followed."""
    try:
        if not os.fsdecode(value):
            raise ValueError("it is empty")
        return Path(os.fsdecode(value)).expanduser().resolve()
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # links in a ring, null bytes
        raise DataError(f"{str(value)!r} is no path ({error}): correct {argument}") from error


def _load_named(name: str, source: str | os.PathLike | None, form: Form, cache: Path) -> Dataset:
    folder = os.path.expanduser(name) if isinstance(name, str | os.PathLike) else ""
    if name not in NAMES and source is None and os.path.isdir(folder):
        source = folder
    elif name not in NAMES:
        raise DataError(
            f"unknown data set {name!r}: use one of {', '.join(NAMES)}, or name a folder as source="
        )

    def load(origin: _Origin, why: str) -> Dataset:
        dataset = _load(origin, why, form, cache)
        official = OFFICIAL.get(name)
        if official and len(dataset.class_names) != official.classes:
            raise DataError(
                f"{official.title} has {official.classes} classes, but {len(dataset.class_names)} "
                f"are in {dataset.provenance} Name another folder, or load it as 'folder'"
            )
        return dataset

    if name == "sample":
        if source is not None:
            raise DataError(f"'sample' is drawn by code: leave out source={source!r}")
        return load(_from_sample(), "asked for by name")
    if source is not None:
        return load(_from_folder(source), "the folder given as source")
    if name == "folder":
        raise DataError(f"'folder' needs source=, a folder that holds {LAYOUTS}")
    if name == "cifar100":
        return load(_from_download(OFFICIAL["cifar100"]), "the archive in Keras' folder")
    if named := os.environ.get("CIFAR10_DIR"):
        return load(_from_folder(named), "the folder named by CIFAR10_DIR")
    try:
        why = "the archive in Keras' folder, as CIFAR10_DIR is not set"
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
        Share of rows for validation, above 0 and below 1. Both parts get at least one row of each
        class, so with few rows the share can be another.
    seed
        The same seed gives the same split.

    Returns
    -------
    train_index, validation_index
        Sorted int64 arrays that together hold each row once.

    Raises
    ------
    DataError
        For a fraction outside (0, 1), no labels, or a class with fewer than two images.
    """
    labels = np.asarray(labels)
    if not 0 < validation_fraction < 1:
        raise DataError(
            f"validation_fraction must lie above 0 and below 1, not {validation_fraction}"
        )
    classes, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(labels) == 0 or counts.min() < 2:
        single = some(map(str, classes[counts < 2]))
        problem = f"only one image has label {single}" if single else "there are none"
        raise DataError(
            f"{len(labels)} labels cannot be split with validation_fraction={validation_fraction}: "
            f"{problem}, and each class needs two images"
        )
    try:
        train, validation = train_test_split(
            np.arange(len(labels)),
            test_size=validation_fraction,
            stratify=labels,
            random_state=seed,
        )
    except ValueError:  # a part would be smaller than the number of classes
        train = validation = np.array([], np.int64)
    if any(len(np.unique(places[part])) < len(classes) for part in (train, validation)):
        train, validation = _split_each_class(places, counts, validation_fraction, seed)
    return np.sort(train), np.sort(validation)


def _split_each_class(
    places: np.ndarray, counts: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Split rows so that each class, of two rows at least, has one or more on both sides."""
    n, least = len(places), np.ones_like(counts)
    n_validation = int(np.clip(np.ceil(fraction * n), len(counts), n - len(counts)))
    # Shares of the smaller side, so that none is a whole class.
    shares = _in_proportion(min(n_validation, n - n_validation), counts, least)
    if 2 * n_validation > n:
        shares = counts - shares
    rng = np.random.default_rng(seed)
    rows = [rng.permutation(np.flatnonzero(places == c)) for c in range(len(counts))]
    validation = np.concatenate([part[:k] for part, k in zip(rows, shares, strict=True)])
    return np.setdiff1d(np.arange(n), validation), validation


class _Origin(NamedTuple):
    kind: str
    signature: list  # changes when the content does; cheap enough to compute on every call
    decode: Callable[[Form], Decoded]


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
    def decode(form: Form) -> Decoded:
        if form.size:
            check_room(sum(SAMPLE_SIZES), form.size, form.channels)
        arrays = sample.make_sample(*SAMPLE_SIZES, progress=partial(progress, desc="drawing"))
        arrays, note = _to_form(arrays, form)
        return Decoded("sample", "procedural sample", sample.CLASS_NAMES, arrays, note)

    # The images follow from the code that draws them (and its default seed), so the code's hash
    # stands for their content.
    code = Path(sample.__file__).read_bytes()
    return _Origin("sample", [hashlib.sha256(code).hexdigest(), *SAMPLE_SIZES], decode)


def _from_download(official: _Official) -> _Origin:
    def decode(form: Form) -> Decoded:
        # Unpacked aside, because what stands in Keras' cache is the reader's.
        path = _archive(official)
        if form.size:
            check_room(60_000, form.size, form.channels)
        with tempfile.TemporaryDirectory() as aside, tarfile.open(path) as archive:
            try:
                archive.extractall(aside, filter="data")
            except tarfile.TarError as error:  # such as a path that leads out of the folder
                where = printable(path)
                raise DataError(f"{where} is refused ({error}): delete the file") from error
            return _decode_batches(Path(aside) / official.folder, official, form)

    return _Origin(official.name, [official.sha256], decode)


def _from_folder(path: str | os.PathLike) -> _Origin:
    root, where = _path(path, "source= or CIFAR10_DIR"), printable(path)
    if not root.is_dir():
        raise DataError(f"{where} is not a folder: correct source= or CIFAR10_DIR")
    for folder in (root, root / "images", *(root / o.folder for o in OFFICIAL.values())):
        for official in OFFICIAL.values():
            if (folder / official.train_files[0]).is_file():
                return _from_batches(folder, official)
        if all((folder / split).is_dir() for split in SPLITS):
            return _from_class_folders(folder)
    raise DataError(f"{where} holds no data set: give it {LAYOUTS}")


def _from_batches(folder: Path, official: _Official) -> _Origin:
    files = [folder / f for f in (*official.train_files, official.test_file, official.meta_file)]
    if missing := [printable(file) for file in files if not file.is_file()]:
        raise DataError(f"{', '.join(missing)} missing: unpack {official.url} again")
    decode = partial(_decode_batches, folder, official)
    return _Origin(f"{official.name}-batches", [_stamp(file) for file in files], decode)


def _from_class_folders(folder: Path) -> _Origin:
    listed = {split: list_classes(folder / split) for split in SPLITS}
    splits = {split: classes for split, (classes, _) in listed.items()}
    others = sum(n for _, n in listed.values())
    if differing := sorted(splits["train"].keys() ^ splits["test"].keys()):
        raise DataError(
            f"train and test in {printable(folder)} hold different classes: "
            f"give both a folder for {some(differing)}, or neither"
        )
    files = [_stamp(f) for named in splits.values() for files in named.values() for f in files]
    decode = partial(decode_class_folders, folder, splits, others)
    return _Origin("folder", [*files, others], decode)


def _stamp(file: Path | os.DirEntry) -> tuple[str, int, int, int]:
    """Return what changes with a file's content; ctime also when size and mtime were put back."""
    status = file.stat()
    return os.fspath(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def keras_home() -> Path:
    """Return Keras' folder, with its settings and downloads.

    Raises
    ------
    DataError
        If `KERAS_HOME` is no path.
    """
    return _path(os.environ.get("KERAS_HOME") or "~/.keras", "KERAS_HOME")


def _archive(official: _Official) -> Path:
    """Return the official archive in Keras' folder, fetched if need be and checked.

    An archive that is there stays as it is: Keras would delete a damaged one.
    """
    archive = keras_home() / "datasets" / f"{official.folder}-target_archive"
    if not archive.exists():
        _download(official, archive)
    elif (digest := file_sha256(archive)) != official.sha256:
        raise DataError(
            f"{printable(archive)} is damaged or still being downloaded (its SHA-256 is {digest}, "
            f"not {official.sha256}): wait for the download, or delete the file"
        )
    return archive


def _download(official: _Official, archive: Path) -> None:
    """Fetch an archive into a folder aside; it takes its place when it is whole and the right one.

    Keras' own `get_file` leaves what is wrong in its place, and waits without limit.
    """
    seconds = _seconds_of_silence()
    try:
        # A machine without a network is not to wait as long as a download may.
        probe = urllib.request.Request(official.url, method="HEAD")
        urllib.request.urlopen(probe, timeout=PROBE_SECONDS).close()
        archive.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=archive.parent, prefix=".downloading-") as aside:
            new = Path(aside) / archive.name
            _fetch(official, new, seconds)
            if file_sha256(new) != official.sha256:
                raise ValueError("what came is not the archive; a login page, or a broken download")
            os.replace(new, archive)
    except Exception as error:  # servers, proxies and disks fail in many ways
        raise _NoDownload(official, _reason(error, seconds)) from error


def _fetch(official: _Official, path: Path, seconds: float) -> None:
    with urllib.request.urlopen(official.url, timeout=seconds) as answer, path.open("wb") as file:
        parts = math.ceil(int(answer.headers.get("Content-Length") or 0) / MEBIBYTE)
        read = iter(partial(answer.read, MEBIBYTE), b"")
        most = islice(read, MOST_MEBIBYTES)  # a server need not come to an end
        for part in progress(most, f"downloading {official.title}", parts or None):
            file.write(part)


def _reason(error: Exception, seconds: float) -> str:
    """Say in a few words why a download failed."""
    if isinstance(error, TimeoutError):
        return f"nothing came for {seconds:g} seconds; TTA_DOWNLOAD_SECONDS sets how long to wait"
    cause = getattr(error, "reason", error)
    reason = getattr(cause, "strerror", None) or str(cause)
    if getattr(error, "filename", None) and not isinstance(error, urllib.error.URLError):
        reason = f"Keras' folder cannot be written: {reason}; KERAS_HOME names another"
    return reason


def _seconds_of_silence() -> float:
    text = os.environ.get("TTA_DOWNLOAD_SECONDS") or DOWNLOAD_SECONDS
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= MOST_SECONDS:
        raise DataError(
            f"TTA_DOWNLOAD_SECONDS is {text!r}: give the seconds without a byte after which a "
            f"download is given up, above 0 and at most {MOST_SECONDS:,}"
        )
    return seconds


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _decode_batches(folder: Path, official: _Official, form: Form) -> Decoded:
    path = folder / official.meta_file
    _, names = _unpickle(path, official.key_prefix + b"label_names", list)
    names = _class_names(path, names, official.classes)
    train = [_read_batch(folder / file, official) for file in official.train_files]
    arrays = [np.concatenate(part) for part in zip(*train, strict=True)]
    arrays += _read_batch(folder / official.test_file, official)
    incomplete = (len(arrays[0]), len(arrays[2])) != (50_000, 10_000)
    arrays, note = _to_form(arrays, form)
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
            raise _bad_batch(path, f"label {label!r:.80} is not from 0 to {official.classes - 1}")
    # A row is the red plane, then green, then blue, each by rows of pixels.
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), np.array(labels, np.int64)


def _to_form(arrays: Sequence[np.ndarray], form: Form) -> tuple[tuple[np.ndarray, ...], str]:
    """Resize the images among four arrays (in the order of `ARRAYS`) or take their colour away.

    Returns
    -------
    arrays, note
        The four arrays, and what was done, as a part of a sentence.
    """
    size = arrays[0].shape[1:3]
    note = form_note(form, [size[::-1]])
    if not note:
        return tuple(arrays), note
    shape = (*(form.size or size), form.channels)
    check_room(len(arrays[0]) + len(arrays[2]), shape[:2], form.channels)
    train_images, train_labels, test_images, test_labels = arrays
    train_images, test_images = (
        np.fromiter(
            (to_pixels(Image.fromarray(image), form) for image in progress(images, "converting")),
            np.dtype((np.uint8, shape)),
            len(images),
        )
        for images in (train_images, test_images)
    )
    return (train_images, train_labels, test_images, test_labels), note


def _load(origin: _Origin, why: str, form: Form, cache: Path) -> Dataset:
    key = json.dumps([CACHE_FORMAT, origin.signature, form])
    folder = cache / f"{origin.kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    if not folder.exists():
        try:
            decoded = origin.decode(form)
            _check_enough(decoded)
            note = decoded.note + _repeats(decoded, form)
            _write_cache(folder, decoded._replace(note=note))
        except MemoryError as error:
            raise DataError(
                f"the images do not fit in memory ({error}): choose a smaller image_size=, or "
                "fewer images"
            ) from error
    return _open_cache(folder, why)


def _check_enough(decoded: Decoded) -> None:
    """Refuse data on which a later notebook would stop.

    The workbook splits a validation part off the training images, and notebook 04 another one off
    the rest, each with one image or more of every class: hence three training images.
    """
    names = decoded.class_names
    if len(names) < 2:
        raise DataError(
            f"{decoded.title}: {names[0]!r} is the only class, and a classifier needs two; add a "
            "folder for another class to train and test"
        )
    for split, labels in zip(SPLITS, decoded.arrays[1::2], strict=True):
        least, counts = LEAST[split], np.bincount(labels, minlength=len(names))
        if few := [f"{names[c]!r} has {counts[c]}" for c in np.flatnonzero(counts < least)]:
            raise DataError(
                f"{decoded.title}: each class needs {least} or more images to {split}, and "
                f"{some(few)}; add images, or leave the class out"
            )


def _repeats(decoded: Decoded, form: Form) -> str:
    """Count the images that occur more than once, pixel by pixel, as a part of a sentence.

    Raises
    ------
    DataError
        If a tenth or more of the test images are training images too.
    """
    train_images, train_labels, test_images, test_labels = decoded.arrays
    train, test = _hashes(train_images), _hashes(test_images)
    leaked = int(np.isin(test, train).sum())
    if 10 * leaked >= len(test):
        height, width = test_images.shape[1:3]
        larger = ", or choose a larger image_size= if they differ in the files" if form.size else ""
        raise DataError(
            f"{decoded.title}: {leaked:,} of {len(test):,} test images are training images too, "
            f"compared at {height}x{width} pixels; give test pictures of its own{larger}"
        )
    hashes, labels = np.concatenate([train, test]), np.concatenate([train_labels, test_labels])
    _, n_labels = np.unique(np.unique([hashes, labels], axis=1)[0], return_counts=True)
    doubled = sum(len(split) - len(np.unique(split)) for split in (train, test))
    counts = (
        (leaked, "test image is a training image too", "test images are training images too"),
        (
            (n_labels > 1).sum(),
            "picture has two labels or more",
            "pictures have two labels or more",
        ),
        (doubled, "image repeats another of its split", "images repeat others of their split"),
    )
    return "".join(f", {n:,} {one if n == 1 else more}" for n, one, more in counts if n)


def _hashes(images: np.ndarray) -> np.ndarray:
    """Return 64 bits for each image: equal for equal pixels, and by chance for hardly any others.

    Python's own hash of bytes: it differs from process to process, so none can be made to collide.
    """
    return np.fromiter((hash(image.tobytes()) for image in images), np.int64, len(images))


def _write_cache(folder: Path, decoded: Decoded) -> None:
    """Write whole or not at all: into a folder aside, which then takes the final name."""
    arrays = dict(zip(ARRAYS, map(np.ascontiguousarray, decoded.arrays), strict=True))
    n_train, n_test = f"{len(arrays['train_labels']):,}", f"{len(arrays['test_labels']):,}"
    if decoded.incomplete:
        n_train, n_test = f"{n_train} of 50,000", f"{n_test} of 10,000"
    images = f"{n_train} training and {n_test} test images"
    meta = {
        "format": CACHE_FORMAT,
        "name": decoded.name,
        "label": decoded.title,
        "description": f"{decoded.title}, {images}{decoded.note}",
        "class_names": decoded.class_names,
        "fingerprint": _fingerprint(decoded.class_names, arrays),
        "shapes": {name: array.shape for name, array in arrays.items()},
        "sha256": {name: _sha256(arrays[name]) for name in ARRAYS if name.endswith("labels")},
    }
    meta["check"] = _check(meta)
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
            f"the cache {printable(folder)} cannot be written ({error}): free the disk, or name "
            "another place in TTA_CACHE or cache="
        ) from error


def _fingerprint(class_names: tuple[str, ...], arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(class_names).encode())
    for name, array in arrays.items():
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array)
    return digest.hexdigest()


def _check(meta: dict) -> str:
    return hashlib.sha256(json.dumps(meta, sort_keys=True).encode()).hexdigest()


def _open_cache(folder: Path, why: str) -> Dataset:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if meta["format"] == CACHE_FORMAT:
            if meta.pop("check") != _check(meta):
                raise ValueError("meta.json has changed")
            return Dataset(
                name=meta["name"],
                class_names=tuple(meta["class_names"]),
                label=meta["label"],
                provenance=f"{meta['description']}: {why}.",
                fingerprint=meta["fingerprint"],
                **{name: _open_array(folder, name, meta) for name in ARRAYS},
            )
    except Exception as error:  # a damaged file can raise almost anything
        raise DataError(
            f"the cache {printable(folder)} is damaged ({type(error).__name__}: {error}): "
            "delete that folder, and it is made again"
        ) from error
    raise DataError(
        f"the cache {printable(folder)} has format {meta['format']!r}, and this version reads "
        f"{CACHE_FORMAT}: delete that folder, or use the version of tta_helpers that wrote it"
    )


def _open_array(folder: Path, name: str, meta: dict) -> np.ndarray:
    array = np.lib.format.open_memmap(folder / f"{name}.npy", mode="r")
    images = name.endswith("images")
    found, expected = (array.dtype, list(array.shape)), meta["shapes"][name]
    if found != (np.uint8 if images else np.int64, expected):
        raise ValueError(f"{name} are {array.dtype} of shape {array.shape}, not {expected}")
    if images:  # hashing these each time would take longer than opening them
        return array
    # As a plain array, because NumPy shows a memory map as one; still read-only.
    labels = np.asarray(array)
    if _sha256(labels) != meta["sha256"][name]:
        raise ValueError(f"{name} have changed")
    return labels


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(array).hexdigest()
