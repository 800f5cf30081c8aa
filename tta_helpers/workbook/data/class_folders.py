"""Pictures in class folders: listed, checked, and decoded to arrays.

What cannot be read is named, all files in one message.
"""

import os
from pathlib import Path

import numpy as np

from tta_helpers.progress import progress
from tta_helpers.workbook.data.decoding import Decoded, Form, decode_image, form_note
from tta_helpers.workbook.data.errors import DataError, printable, some
from tta_helpers.workbook.data.memory import check_room
from tta_helpers.workbook.sample import CLASS_NAMES

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
    if found == (CLASS_NAMES, (50_000, 10_000), {(32, 32)}):
        name, title = f"cifar10-{kinds.lower()}", f"CIFAR-10, {kinds} copy"
    else:
        name = printable(folder.name)
        title = f"class folders {name} ({kinds})"
    return Decoded(name, title, names, tuple(arrays), note)
