"""Pictures in class folders: listed, checked, and decoded to arrays.

People's folders hold what phones, scanners, cameras and operating systems leave there. What is
read is read as it looks on the screen; what cannot be read is named, all files in one message.
"""

import math
import os
import re
import unicodedata
import warnings
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tta_helpers.progress import progress
from tta_helpers.workbook import sample

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF")
# A file with one of these endings is taken for a picture, and opened by its content: a PNG named
# .jpg is read, and a HEIC named .heic is refused by name, because a photograph passed over without
# a word would be missed.
PICTURE_ENDINGS = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".gif", ".webp", ".bmp", ".dib"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jxl", ".svg", ".psd", ".ppm"),
    *(".pgm", ".pnm", ".tga", ".ico", ".dng", ".cr2", ".nef", ".arw"),
}
# What systems leave in folders, in lower case; names that begin with a dot go the same way.
SYSTEM_NAMES = {
    *("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx", "@eadir", "#recycle"),
    *("$recycle.bin", "system volume information", "lost+found"),
}
# EXIF orientation, tag 0x0112: how the stored picture is turned to stand upright.
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Where Linux says how much memory is there: file, what to look for, bytes a unit.
MEMORY_FILES = (
    ("/proc/meminfo", r"^MemAvailable:\s+(\d+) kB$", 1024),
    ("/sys/fs/cgroup/memory.max", r"^(\d+)$", 1),  # a container's limit
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", r"^(\d+)$", 1),  # the same, in older systems
)


class DataError(ValueError):
    """Data that is missing, damaged or not what was asked for; the message says what to do."""


class Form(NamedTuple):
    """What the pixels become; a part of the cache's key."""

    size: tuple[int, int] | None = None  # (height, width); None keeps the size
    keep_aspect_ratio: bool | str = False
    color_mode: str = "rgb"
    skip_damaged: bool = False

    @property
    def channels(self) -> int:
        """How many numbers a pixel has."""
        return 1 if self.color_mode == "grayscale" else 3


class Decoded(NamedTuple):
    """Arrays, and what the provenance says of them."""

    name: str
    title: str
    class_names: tuple[str, ...]
    arrays: tuple[np.ndarray, ...]  # training images and labels, test images and labels
    note: str = ""  # what was done to the images
    incomplete: bool = False  # a part of an official data set


def make_form(
    image_size: int | tuple[int, int] | None,
    keep_aspect_ratio: bool | str,
    color_mode: str,
    skip_damaged: bool,
) -> Form:
    """Check what a caller asks for.

    Raises
    ------
    DataError
        For a value that is none of the documented ones.
    """
    size = image_size
    if image_size is not None:
        pair = image_size if isinstance(image_size, tuple | list) else (image_size, image_size)
        whole = [isinstance(n, int | np.integer) and not isinstance(n, bool) for n in pair]
        if not (len(pair) == 2 and all(whole) and min(pair) > 0):
            raise DataError(
                "image_size must be a positive whole number of pixels, or (height, width) as two "
                f"of them, not {image_size!r}"
            )
        size = (int(pair[0]), int(pair[1]))
    if not (isinstance(keep_aspect_ratio, bool) or keep_aspect_ratio == "pad"):
        raise DataError(
            f"keep_aspect_ratio is {keep_aspect_ratio!r}: give False (stretch), True (crop the "
            "centre) or 'pad' (add black)"
        )
    if keep_aspect_ratio and size is None:
        raise DataError(
            f"keep_aspect_ratio={keep_aspect_ratio!r} says how images are resized: "
            "give image_size= too, or leave it out"
        )
    if color_mode not in ("rgb", "grayscale"):
        raise DataError(f"color_mode is {color_mode!r}: give 'rgb' or 'grayscale'")
    return Form(size, keep_aspect_ratio, color_mode, bool(skip_damaged))


def printable(name: str | os.PathLike) -> str:
    r"""Return a name from the file system as text that can be printed, compared and saved.

    Bytes that are no UTF-8 become escapes such as `\xe9`, control characters too; a letter and its
    accent become one character (NFC), because macOS stores them apart and others do not.
    """
    text = unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))
    unseen = ("Cc", "Zl", "Zp")  # control characters and line separators
    return "".join(ascii(c)[1:-1] if unicodedata.category(c) in unseen else c for c in text)


def some(items: Iterable[str], between: str = ", ", most: int = 5) -> str:
    """Return the first few of a list as text, and how many more there are."""
    items = list(items)
    more = f"{between}and {len(items) - most:,} more" if len(items) > most else ""
    return between.join(items[:most]) + more


def list_classes(folder: Path) -> tuple[dict[str, list[os.DirEntry]], int]:
    """List the class folders in a folder, and the pictures in each.

    Returns
    -------
    classes
        The pictures of each class, both sorted by name; classes by their printable name.
    others
        How many files are no pictures by their ending and are passed over, such as `notes.txt`.
        Files of the system are not counted.

    Raises
    ------
    DataError
        For a folder that cannot be read, no class folder, one without pictures, two of one name,
        and a folder or a broken link in place of a picture.
    """
    classes, others, refused, where = {}, 0, [], printable(folder)
    try:
        for entry in _visible(folder):
            if not entry.is_dir():
                others += 1
                continue
            name = printable(entry.name)
            if name in classes:
                raise DataError(f"{where} holds two class folders called {name!r}: rename one")
            pictures = classes[name] = []
            for file in _visible(entry):
                if not file.is_file():
                    refused.append(printable(file.path))
                elif Path(file.name).suffix.lower() in PICTURE_ENDINGS:
                    pictures.append(file)
                else:
                    others += 1
    except OSError as error:
        raise DataError(
            f"{where} cannot be read ({printable(str(error))}): correct its permissions or links"
        ) from error
    if refused:
        raise DataError(
            f"{some(refused)}: no file, but a folder or a broken link in a class folder; move it "
            "away"
        )
    if not classes:
        raise DataError(f"{where} holds no class folders: give it one folder a class")
    if empty := [f"{where}/{name}" for name, files in classes.items() if not files]:
        raise DataError(f"no picture in {some(empty)}: add images or remove the folder")
    return dict(sorted(classes.items())), others


def _visible(folder: str | os.PathLike) -> list[os.DirEntry]:
    entries = (
        entry
        for entry in os.scandir(folder)
        if not entry.name.startswith(".") and entry.name.lower() not in SYSTEM_NAMES
    )
    return sorted(entries, key=lambda entry: entry.name)


def decode_class_folders(
    folder: Path, splits: dict[str, dict[str, list[os.DirEntry]]], others: int, form: Form
) -> Decoded:
    """Decode the pictures of both splits, which hold the same classes.

    Raises
    ------
    DataError
        For files that cannot be decoded, all in one message (unless `form` says to skip them),
        images of several sizes without `form.size`, and more than the memory holds.
    """
    names = tuple(splits["train"])
    files = [
        (split, label, file.path)
        for split, classes in splits.items()
        for label, name in enumerate(names)
        for file in classes[name]
    ]
    images, labels = {}, {split: [] for split in splits}
    formats, sizes, damaged = set(), set(), []
    if form.size:
        check_room(len(files), form.size, form.channels)
    # One thread: Pillow spends its time on small images in Python, where threads wait in turn.
    for split, label, path in progress(files, desc="decoding images"):
        try:
            pixels, image_format, size = decode_image(path, form)
        except DataError as error:
            damaged.append(str(error))
            continue
        if not images:
            check_room(len(files), pixels.shape[:2], form.channels)
            counts = {s: sum(map(len, classes.values())) for s, classes in splits.items()}
            images = {s: np.empty((n, *pixels.shape), np.uint8) for s, n in counts.items()}
        if pixels.shape != images[split].shape[1:]:
            raise DataError(
                f"{printable(path)} is {size[1]}x{size[0]} pixels (height x width), other than the "
                "images before it: choose one size with image_size="
            )
        images[split][len(labels[split])] = pixels
        labels[split].append(label)
        formats.add(image_format)
        sizes.add(size)
    if damaged and not (form.skip_damaged and images):
        them = "it" if len(damaged) == 1 else "them"
        raise DataError(
            f"{some(damaged, '; ')}. Replace or remove {them}, or leave {them} out with "
            "skip_damaged=True"
        )
    arrays = []
    for split, taken in labels.items():
        arrays += [images[split][: len(taken)], np.array(taken, np.int64)]
    note = form_note(form, sizes)
    if damaged:
        note += f", {len(damaged):,} unreadable file{'s'[: len(damaged) > 1]} left out"
    if others:
        note += f", {others:,} other file{'s'[: others > 1]} passed over"
    kinds = " and ".join(sorted(formats))
    found = names, tuple(map(len, labels.values())), sizes
    # The sample has CIFAR-10's class names, in CIFAR-10's order, which is alphabetical.
    if found == (sample.CLASS_NAMES, (50_000, 10_000), {(32, 32)}):
        name, title = f"cifar10-{kinds.lower()}", f"CIFAR-10, {kinds} copy"
    else:
        name = printable(folder.name)
        title = f"class folders {name} ({kinds})"
    return Decoded(name, title, names, tuple(arrays), note)


def decode_image(path: str, form: Form) -> tuple[np.ndarray, str, tuple[int, int]]:
    """Decode one file, upright.

    Alpha is dropped, also a palette's: what shows is the colour stored in the transparent pixel,
    on no background. 16 bits a channel are refused rather than cut to 8.

    Returns
    -------
    pixels
        (height, width, 3 or 1) uint8, as `to_pixels` makes them.
    format
        One of `FORMATS`, by content.
    size
        (width, height) of the upright picture, before it is resized.

    Raises
    ------
    DataError
        For everything that Pillow notices: other formats, headers and checksums that are wrong,
        files that end too early, several pictures in one file, too many pixels. It cannot notice
        wrong pixels: the JPEG format has no checksum, and where its data break off before an end
        marker, or are overwritten in the middle, libjpeg fills the rest with grey or noise and
        tells Pillow nothing.
    """
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")  # odd metadata, dropped alpha
            image = _open(file)
            image.load()
            turn = UPRIGHT.get(_orientation(image))
            upright = image if turn is None else image.transpose(turn)
            return to_pixels(upright, form), image.format.replace("MPO", "JPEG"), upright.size
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        reason = str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = f"its content is none of {', '.join(FORMATS)}"
        elif isinstance(error, OSError):
            reason = error.strerror or reason
        raise DataError(f"{printable(path)} cannot be decoded: {reason}") from error


def _open(file: BinaryIO) -> Image.Image:
    """Open a picture of 8 bits a channel at most."""
    head = file.read(25)
    if not head:
        raise ValueError("it is empty")
    image = Image.open(file, formats=FORMATS)
    if image.format == "PNG":
        image.verify()  # the checksums, which decoding leaves out
        image = Image.open(file, formats=FORMATS)
    # Pillow would read red, green and blue of 16 bits as their upper 8, and clip grey to white.
    bits = {"PNG": head[24], "TIFF": max(getattr(image, "tag_v2", {}).get(258, [8]))}
    if bits.get(image.format, 8) > 8:
        raise ValueError("it has more than 8 bits a channel; convert it to 8")
    # A telephone's MPO holds the photograph first, and behind it a preview or the other eye's view.
    n_frames = getattr(image, "n_frames", 1)
    if n_frames > 1 and image.format != "MPO":
        raise ValueError(f"it holds {n_frames} pictures; keep one")
    return image


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(0x0112)
    except Exception:  # metadata that cannot be read say nothing, and the picture can be good
        return None


def to_pixels(image: Image.Image, form: Form) -> np.ndarray:
    """Return (height, width, 3) uint8, or (height, width, 1) for grayscale (ITU-R 601 luma)."""
    image = image.convert("RGB")
    if form.color_mode == "grayscale":
        image = image.convert("L")
    if form.size:
        image = _resized(image, form)
    pixels = np.asarray(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _resized(image: Image.Image, form: Form) -> Image.Image:
    height, width = form.size
    bicubic = Image.Resampling.BICUBIC
    if form.keep_aspect_ratio == "pad":
        return ImageOps.pad(image, (width, height), bicubic)
    if not form.keep_aspect_ratio:
        return image.resize((width, height), bicubic)
    # The largest part in the middle with the new proportions, in whole pixels as Keras' load_img.
    part_width = max(1, min(image.width, image.height * width // height))
    part_height = max(1, min(image.height, image.width * height // width))
    left, top = (image.width - part_width) // 2, (image.height - part_height) // 2
    box = (left, top, left + part_width, top + part_height)
    return image.resize((width, height), bicubic, box=box)


def form_note(form: Form, sizes: Iterable[tuple[int, int]]) -> str:
    """Say what was done to images of these sizes (width, height), as a part of a sentence."""
    note = ""
    if form.size:
        height, width = form.size
        how = ["bicubic"] if height == width else ["height x width", "bicubic"]
        if any(w * height != h * width for w, h in sizes):
            ways = {False: "stretched", True: "cropped at the centre", "pad": "padded with black"}
            how.append(ways[form.keep_aspect_ratio])
        note += f", resized to {height}x{width} ({', '.join(how)})"
    if form.color_mode == "grayscale":
        note += ", in grayscale"
    return note


def available_memory() -> int | None:
    """Return how many bytes can be filled, or None where the system does not say.

    On Linux what is available now, or a container's limit if that is less; on other systems all of
    the machine's memory.
    """
    found = []
    for path, pattern, unit in MEMORY_FILES:
        with suppress(OSError):
            lines = re.findall(pattern, Path(path).read_text(encoding="ascii"), re.MULTILINE)
            found += [int(line) * unit for line in lines]
    if not found and hasattr(os, "sysconf"):
        found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return min(found, default=None)


def check_room(n_images: int, size: tuple[int, int], channels: int = 3) -> None:
    """Refuse what cannot fit in this machine's memory, before the machine stops at it.

    Raises
    ------
    DataError
        If so many images of this size (height, width) are more than the memory that is available.
    """
    memory = available_memory()
    need = n_images * size[0] * size[1] * channels
    if memory is not None and need > memory:
        fits = math.isqrt(memory // (n_images * channels))
        raise DataError(
            f"{n_images:,} images of {size[0]}x{size[1]} pixels (height x width) take "
            f"{need / 2**30:,.1f} GiB, and {memory / 2**30:,.1f} GiB of memory are available: "
            f"choose image_size={max(1, fits)} or smaller, or fewer images"
        )
