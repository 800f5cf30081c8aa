"""Where a data set comes from: its name or folder, and what is found there."""

import hashlib
import os
import tarfile
import tempfile
from functools import partial
from pathlib import Path

from tta_helpers.progress import progress
from tta_helpers.workbook import sample
from tta_helpers.workbook.data.cache import Origin, load_through_cache
from tta_helpers.workbook.data.class_folders import decode_class_folders, list_classes
from tta_helpers.workbook.data.dataset import SPLITS, Dataset
from tta_helpers.workbook.data.decoding import Decoded, Form, make_form, to_form
from tta_helpers.workbook.data.download import NoDownload, fetched_archive
from tta_helpers.workbook.data.errors import DataError, printable, some
from tta_helpers.workbook.data.memory import check_room
from tta_helpers.workbook.data.official import OFFICIAL, Official, decode_batches
from tta_helpers.workbook.data.paths import DEFAULT_CACHE, given_path

NAMES = ("auto", "cifar10", "cifar100", "sample", "folder")
SAMPLE_SIZES = (20_000, 2_000)  # training and test images of the procedural sample
LAYOUTS = (
    "class folders (train/<class>/* and test/<class>/*, with pictures inside), "
    "or the official batches (cifar-10-batches-py, cifar-100-python)"
)


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
    cache = given_path(cache or os.environ.get("TTA_CACHE") or DEFAULT_CACHE, "cache= or TTA_CACHE")
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


def _load_named(name: str, source: str | os.PathLike | None, form: Form, cache: Path) -> Dataset:
    folder = os.path.expanduser(name) if isinstance(name, str | os.PathLike) else ""
    if name not in NAMES and source is None and os.path.isdir(folder):
        source = folder
    elif name not in NAMES:
        raise DataError(
            f"unknown data set {name!r}: use one of {', '.join(NAMES)}, or name a folder as source="
        )

    def load(origin: Origin, why: str) -> Dataset:
        dataset = load_through_cache(origin, why, form, cache)
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
    except NoDownload as error:
        if name == "cifar10":
            raise
        why = (
            f"CIFAR10_DIR is not set and CIFAR-10 could not be downloaded ({error.reason}), "
            "so the procedural sample stands in"
        )
        return load(_from_sample(), why)


def _from_sample() -> Origin:
    def decode(form: Form) -> Decoded:
        if form.size:
            check_room(sum(SAMPLE_SIZES), form.size, form.channels)
        arrays = sample.make_sample(*SAMPLE_SIZES, progress=partial(progress, desc="drawing"))
        arrays, note = to_form(arrays, form)
        return Decoded("sample", "procedural sample", sample.CLASS_NAMES, arrays, note)

    # The images follow from the code that draws them (and its default seed), so the code's hash
    # stands for their content.
    files = sorted(Path(sample.__file__).parent.glob("*.py"))
    code = b"".join(path.read_bytes() for path in files)
    return Origin("sample", [hashlib.sha256(code).hexdigest(), *SAMPLE_SIZES], decode)


def _from_download(official: Official) -> Origin:
    def decode(form: Form) -> Decoded:
        # Unpacked aside, because what stands in Keras' cache is the reader's.
        path = fetched_archive(official)
        if form.size:
            check_room(60_000, form.size, form.channels)
        with tempfile.TemporaryDirectory() as aside, tarfile.open(path) as archive:
            try:
                archive.extractall(aside, filter="data")
            except tarfile.TarError as error:  # such as a path that leads out of the folder
                where = printable(path)
                raise DataError(f"{where} is refused ({error}): delete the file") from error
            return decode_batches(Path(aside) / official.folder, official, form)

    return Origin(official.name, [official.sha256], decode)


def _from_folder(path: str | os.PathLike) -> Origin:
    root, where = given_path(path, "source= or CIFAR10_DIR"), printable(path)
    if not root.is_dir():
        raise DataError(f"{where} is not a folder: correct source= or CIFAR10_DIR")
    for folder in (root, root / "images", *(root / o.folder for o in OFFICIAL.values())):
        for official in OFFICIAL.values():
            if (folder / official.train_files[0]).is_file():
                return _from_batches(folder, official)
        if all((folder / split).is_dir() for split in SPLITS):
            return _from_class_folders(folder)
    raise DataError(f"{where} holds no data set: give it {LAYOUTS}")


def _from_batches(folder: Path, official: Official) -> Origin:
    files = [folder / f for f in (*official.train_files, official.test_file, official.meta_file)]
    if missing := [printable(file) for file in files if not file.is_file()]:
        raise DataError(f"{', '.join(missing)} missing: unpack {official.url} again")
    decode = partial(decode_batches, folder, official)
    return Origin(f"{official.name}-batches", [_stamp(file) for file in files], decode)


def _from_class_folders(folder: Path) -> Origin:
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
    return Origin("folder", [*files, others], decode)


def _stamp(file: Path | os.DirEntry) -> tuple[str, int, int, int]:
    """Return what changes with a file's content; ctime also when size and mtime were put back."""
    status = file.stat()
    return os.fspath(file), status.st_size, status.st_mtime_ns, status.st_ctime_ns
