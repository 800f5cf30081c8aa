"""What every reader of boxes and masks does: faults gathered, boxes held to their pictures."""

import math
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from PIL import Image

from tta_helpers.workbook.data.annotated import Annotated
from tta_helpers.workbook.data.class_folders import PICTURE_ENDINGS
from tta_helpers.workbook.data.decoding import Form, decode_image
from tta_helpers.workbook.data.errors import DataError, printable, some

SLACK = 0.5  # pixels that a box may stand out of its picture by rounding; it is cut at the frame
LEAST = 0.01  # pixels a side; a box with less has no size
Box = Sequence[float]  # x0, y0, x1, y1 in pixel edges
Result = TypeVar("Result")


class Faults:
    """What is wrong with labels and pictures: gathered, then refused in one message or left out."""

    def __init__(self, faults: str, root: Path):
        if faults not in ("refuse", "drop"):
            raise DataError(f"faults is {faults!r}: give 'refuse' or 'drop'")
        self.drop, self.root, self.found = faults == "drop", root, []

    def add(self, fault: str) -> None:
        """Note a fault, in one sentence without a full stop."""
        self.found.append(fault)

    def tried(self, step: Callable[..., Result], *args) -> Result | None:
        """Return what a step returns, or None and a fault more where it raises a DataError."""
        try:
            return step(*args)
        except DataError as error:
            self.add(str(error))
            return None

    def settle(self) -> tuple[str, ...]:
        """Return what was found, with paths as they are in the set's folder.

        Raises
        ------
        DataError
            If there are faults, and they are not to be dropped.
        """
        if self.found and not self.drop:
            raise DataError(
                f"{some(self.found, '; ')}. Correct the labels or files, or leave out what is "
                "faulty with faults='drop'"
            )
        return tuple(fault.replace(f"{printable(self.root)}{os.sep}", "") for fault in self.found)


class Marked(NamedTuple):
    """A picture's file and the boxes that a file of labels has for it."""

    name: str
    path: Path
    size: tuple[int, int] | None  # (width, height), where the labels tell it
    objects: list[tuple[str, str, Box]]  # where it stands, its class, its box


def assembled(
    marked: Iterable[Marked],
    classes: Sequence[str],
    faults: Faults,
    shrink: int,
    doubled: float,
    title: str,
) -> Annotated:
    """Decode the pictures and hold their boxes to them."""
    names, images, boxes, labels = [], [], [], []
    for one in marked:
        pixels = faults.tried(decoded, one.path, one.size)
        if pixels is None:
            continue
        kept = sound(one.objects, classes, pixels.shape[1::-1], doubled, faults)
        names.append(one.name)
        images.append(shrunk(pixels, shrink))
        edges = np.array([box for _, box in kept], np.float32).reshape(-1, 4)
        boxes.append(edges / np.float32(shrink))
        labels.append(np.array([classes.index(kind) for kind, _ in kept], np.int64))
    return finished((names, images, boxes, labels, None), classes, faults, title)


def sound(
    objects: Iterable[tuple[str, str, Box]],
    classes: Sequence[str],
    size: tuple[int, int],
    doubled: float,
    faults: Faults,
) -> list[tuple[str, Box]]:
    """Return class and box, cut at the frame, of the objects without a fault."""
    kept: list[tuple[str, Box]] = []
    for where, kind, box in objects:
        cut = at_the_frame(box, size)
        if kind not in classes:
            fault = f"the class {kind!r} is none of {some(map(repr, classes))}"
        elif fault := box_fault(box, size):
            pass
        elif any(kind == other and _iou(cut, its) >= doubled for other, its in kept):
            fault = f"the box {shown(box)} is there twice"
        else:
            kept.append((kind, cut))
            continue
        faults.add(f"{where}: {fault}")
    return kept


def box_fault(box: Box, size: tuple[int, int]) -> str:
    """Say what is wrong with a box in a picture of this size (width, height), or nothing."""
    width, height = size
    x0, y0, x1, y1 = box
    if not all(map(math.isfinite, box)):
        return f"the box {shown(box)} is not finite"
    if x1 <= x0 or y1 <= y0:
        return f"the box {shown(box)} has no size"
    if min(x0, y0) < -SLACK or x1 > width + SLACK or y1 > height + SLACK:
        return f"the box {shown(box)} lies outside the picture, {width}x{height} (width x height)"
    x0, y0, x1, y1 = at_the_frame(box, size)
    if min(x1 - x0, y1 - y0) < LEAST:
        return f"the box {shown(box)} has no size within the picture"
    return ""


def at_the_frame(box: Box, size: tuple[int, int]) -> list[float]:
    """Return a box cut at the frame of a picture of this size (width, height)."""
    return [min(max(edge, 0), side) for edge, side in zip(box, size * 2, strict=True)]


def _iou(box: Box, other: Box) -> float:
    """Return what `boxes.iou` does of two boxes; that module starts Keras, reading must not."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(width, 0) * max(height, 0)
    both = sum((b[2] - b[0]) * (b[3] - b[1]) for b in (box, other))
    return shared / (both - shared)


def shown(box: Box) -> str:
    """Return the corners of a box, as edges of pixels, as text."""
    x0, y0, x1, y1 = (f"{edge:g}" for edge in box)
    return f"({x0}, {y0}) to ({x1}, {y1})"


def finished(
    columns: tuple[list, list, list, list, list | None],
    classes: Sequence[str],
    faults: Faults,
    title: str,
) -> Annotated:
    """Return a source's names, images, boxes, labels and masks, once its faults are settled."""
    names, images, boxes, labels, masks = columns
    dropped = faults.settle()
    if not names:
        why = f" ({some(dropped, '; ')})" if dropped else ""
        raise DataError(f"{title} holds no picture with labels{why}: give it one or more")
    return Annotated(
        names=tuple(names),
        images=stacked(images),
        boxes=tuple(boxes),
        labels=tuple(labels),
        masks=None if masks is None else stacked(masks),
        class_names=tuple(classes),
        provenance=f"{len(names):,} pictures of {title}",
        dropped=dropped,
    )


def stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return one array, of objects where the shapes differ."""
    if len({array.shape for array in arrays}) == 1:
        return np.stack(arrays)
    together = np.empty(len(arrays), object)
    for i, array in enumerate(arrays):
        together[i] = array
    return together


# ---------------------------------------------------------------- files


def pictures_in(folder: Path) -> dict[str, Path]:
    """Return the pictures in a folder by their name without the ending, sorted.

    Raises
    ------
    DataError
        If the folder is missing, holds no picture, or two of one name.
    """
    where = printable(folder)
    if not folder.is_dir():
        raise DataError(f"{where} is no folder: correct its name, or unpack the set again")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in PICTURE_ENDINGS:
            continue
        name = printable(path.stem)
        if name in found:
            both = f"{printable(found[name].name)} and {printable(path.name)}"
            raise DataError(f"{where} holds {both}, two pictures of one name: rename one")
        found[name] = path
    if not found:
        raise DataError(f"{where} holds no pictures: add them, or correct its name")
    return found


def decoded(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Return a picture (height, width, 3) uint8, of the size (width, height) by its labels.

    Raises
    ------
    DataError
        If the file is missing, no picture, of more than 8 bits a channel, or of another size.
    """
    pixels, _, there = decode_image(path, Form())
    if size is not None and tuple(size) != there:
        raise DataError(
            f"{printable(path)} is {there[0]}x{there[1]} pixels (width x height), and "
            f"{size[0]}x{size[1]} by its labels"
        )
    return pixels


def named_classes(classes: Sequence[str]) -> tuple[str, ...]:
    """Return the names of classes, or refuse what is no list of different names."""
    names = () if isinstance(classes, str) else tuple(classes)
    if not all(isinstance(name, str) and name for name in names) or len(set(names)) != len(names):
        raise DataError(f"the classes are {names!r}: give each a name of its own")
    if isinstance(classes, str):
        raise DataError(f"classes is {classes!r}: give a list of names")
    return names


def check_numbers(shrink: int, doubled: float = 1) -> None:
    """Refuse a factor that is no whole number of at least 1, and an IoU outside (0, 1]."""
    if not 0 < doubled <= 1:
        raise DataError(f"doubled is {doubled!r}: give an IoU above 0 and at most 1")
    if not isinstance(shrink, int | np.integer) or isinstance(shrink, bool) or shrink < 1:
        raise DataError(f"shrink is {shrink!r}: give a whole number of at least 1")


def shrunk(pixels: np.ndarray, shrink: int) -> np.ndarray:
    """Average blocks of pixels; those at the right and lower edge may be smaller ones."""
    return pixels if shrink == 1 else np.asarray(Image.fromarray(pixels).reduce(int(shrink)))
