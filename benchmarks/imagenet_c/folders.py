"""ImageNet's validation photographs and ImageNet-C's copies of them: found, checked and read."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tta_helpers.progress import progress
from tta_helpers.workbook.corruptions import GROUPS, HELD_OUT, SEEN, SEVERITIES
from tta_helpers.workbook.data import DataError, some
from tta_helpers.workbook.data.class_folders import list_classes

SETS = {"seen": SEEN, "held out": HELD_OUT}
ARCHIVES = {**GROUPS, "extra": HELD_OUT}  # as the release is packed: noise.tar, extra.tar ...
CLEAN = "clean"
Cell = tuple[str, int]  # a corruption and its severity; (CLEAN, 0) are the photographs themselves


@dataclass(frozen=True)
class Photographs:
    """Some photographs, the same in every cell.

    Attributes
    ----------
    names
        "<class folder>/<file>" of each.
    labels
        The number of each one's class folder in the order of their names, which is the order of
        the classes of networks trained on ImageNet; shape (n,).
    """

    names: tuple[str, ...]
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def taken(self, rows: Sequence[int]) -> "Photographs":
        """Return some of them."""
        return Photographs(tuple(self.names[row] for row in rows), self.labels[rows])


@dataclass(frozen=True)
class Folders:
    """Where the copies of each cell lie, (CLEAN, 0) among them, and pixels a side of them all."""

    of: Mapping[Cell, Path]
    size: int

    def cells(self, part: str) -> list[Cell]:
        """Return the cells of the "seen" or the "held out" corruptions."""
        return [(name, severity) for name in SETS[part] for severity in SEVERITIES]

    def read(self, cell: Cell, name: str) -> np.ndarray:
        """Return a photograph's copy in a cell: (size, size, 3) uint8.

        Copies are as released. A photograph itself is shown as networks are usually judged: resized
        so that its shorter side is 8/7 of the size (256 for 224 pixels), and cut from the middle.

        Raises
        ------
        DataError
            For a file that cannot be decoded, and for a copy of another size.
        """
        path = self.of[cell] / name
        try:
            with Image.open(path) as file:  # not turned by its EXIF tag: nor are the copies
                picture = file.convert("RGB")
        except Exception as error:  # a damaged file can raise almost anything
            raise DataError(f"{path} cannot be decoded ({error}): unpack it again") from error
        if cell[0] == CLEAN:
            picture = middle(picture, self.size)
        elif picture.size != (self.size, self.size):
            raise DataError(
                f"{path} is {picture.width} x {picture.height} pixels, and others are "
                f"{self.size} x {self.size}: unpack it again"
            )
        return np.asarray(picture)


def middle(picture: Image.Image, size: int) -> Image.Image:
    """Return the middle of a photograph, (size, size): 7/8 of its shorter side, bilinearly."""
    scale = round(size * 8 / 7) / min(picture.size)
    width, height = (round(scale * side) for side in picture.size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    whole = picture.resize((width, height), Image.Resampling.BILINEAR)
    return whole.crop((left, top, left + size, top + size))


def listed(validation: Path) -> tuple[tuple[str, ...], Photographs]:
    """Return the class folders of the validation photographs, and the photographs.

    Raises
    ------
    DataError
        If there is no such folder, or no class folders with pictures in it.
    """
    if not validation.is_dir():
        raise DataError(
            f"{validation} is not a folder: name ImageNet's validation photographs, one folder a "
            "class"
        )
    classes, _ = list_classes(validation)
    names = [f"{folder}/{file.name}" for folder, files in classes.items() for file in files]
    labels = [label for label, files in enumerate(classes.values()) for _ in files]
    return tuple(classes), Photographs(tuple(names), np.array(labels))


def found(validation: Path, released: Path, classes: Sequence[str], known: str) -> Folders:
    """Find every cell's folder, and the size of the copies from that of the photograph `known`.

    A corruption lies in `released` itself or, as the archives hold them, in a folder of its group.

    Raises
    ------
    DataError
        For a folder that is not there, for class folders other than the validation's, and for
        copies that are not square.
    """
    if not released.is_dir():
        raise DataError(f"{released} is not a folder: name the unpacked ImageNet-C")
    names = [name for part in SETS.values() for name in part]
    places = {name: _place(released, name) for name in names}
    if missing := [name for name, place in places.items() if place is None]:
        archives = [f"{a}.tar" for a, held in ARCHIVES.items() if set(held) & set(missing)]
        raise DataError(
            f"{released} has no folder of {some(missing)}: unpack {' and '.join(archives)} of "
            "ImageNet-C there"
        )
    of = {(name, s): place / str(s) for name, place in places.items() for s in SEVERITIES}
    for cell, folder in of.items():
        _check_classes(cell, folder, classes)
    return Folders({(CLEAN, 0): validation, **of}, _size(next(iter(of.values())) / known))


def _place(released: Path, name: str) -> Path | None:
    places = [released / name, *sorted(released.glob(f"*/{name}"))]
    return next((place for place in places if place.is_dir()), None)


def _check_classes(cell: Cell, folder: Path, classes: Sequence[str]) -> None:
    if not folder.is_dir():
        raise DataError(
            f"{folder.parent} has no folder {folder.name}, severity {cell[1]} of {cell[0]}: unpack "
            "its archive again"
        )
    there = {entry.name for entry in os.scandir(folder) if entry.is_dir()}
    if lacking := sorted(set(classes) - there):
        raise DataError(
            f"{folder} has no class folder {some(lacking)}, which the validation folder has: give "
            "both the same classes"
        )
    if other := sorted(there - set(classes)):
        raise DataError(
            f"{folder} has the class folder {some(other)}, which the validation folder has not: "
            "give both the same classes"
        )


def _size(path: Path) -> int:
    try:
        with Image.open(path) as picture:
            width, height = picture.size
    except OSError as error:
        raise DataError(
            f"{path} cannot be opened ({error}): ImageNet-C holds the validation photographs by "
            "their own file names; name the folders that it was made from"
        ) from error
    if width != height:
        raise DataError(
            f"{path} is {width} x {height} pixels; the copies of ImageNet-C are square: name the "
            "folder of the release"
        )
    return width


def check_files(folders: Folders, wanted: Mapping[Cell, Sequence[str]]) -> None:
    """Check that every copy that will be read is there.

    Raises
    ------
    DataError
        If some are not; the message names them.
    """
    for cell, names in progress(wanted.items(), desc="look for the copies"):
        lacking = [name for name in names if not (folders.of[cell] / name).is_file()]
        if lacking:
            raise DataError(
                f"{folders.of[cell]} has no {some(lacking)}, which the validation folder has: "
                "ImageNet-C holds the validation photographs by their own file names; unpack it "
                "again, or name the folders that it was made from"
            )
