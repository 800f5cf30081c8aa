"""Folders of masks: a number for every pixel, or one picture an object."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tta_helpers.workbook.data.annotated import Annotated
from tta_helpers.workbook.data.errors import DataError, printable, some
from tta_helpers.workbook.data.marking import (
    Faults,
    check_numbers,
    decoded,
    finished,
    named_classes,
    pictures_in,
    shrunk,
)
from tta_helpers.workbook.data.paths import given_path
from tta_helpers.workbook.sample.scenes import numbered, visible_boxes

KINDS = ("instances", "classes")
LARGEST = np.iinfo(np.uint16).max


def read_masks(
    images: str | os.PathLike,
    masks: str | os.PathLike,
    classes: Sequence[str] = ("object",),
    kind: str = "instances",
    *,
    faults: str = "refuse",
    shrink: int = 1,
) -> Annotated:
    """Read a folder of pictures and a folder of masks of the same names.

    Parameters
    ----------
    images
        Folder of pictures.
    masks
        Folder with, for each picture, either one PNG of one number a pixel (8 or 16 bits), or a
        folder of PNGs, one an object (any number above 0 is the object; a later name lies in
        front).
    classes
        For "instances" the one name of all objects; for "classes" the name of each number from 0,
        the background's first.
    kind
        "instances": a number is an object, 0 the background; the result numbers them 1 to k, and
        boxes hold what is seen of each. "classes": a number is a class; there are no boxes.
    faults
        "refuse": an error names all that is faulty. "drop" leaves faulty pictures and objects out
        and lists them in `dropped`.
    shrink
        Whole factor by which pictures (averages of blocks) and masks (a block's most frequent
        number) are made smaller; an object that is the most frequent one of no block is gone.

    Raises
    ------
    DataError
        For a missing folder or file, a picture or mask without the other, one of another size than
        the other, a mask that is no PNG or has several numbers a pixel, an object without a pixel,
        a number that is no class, a picture of more than 8 bits a channel, and a bad value of an
        argument.
    """
    classes = named_classes(classes)
    if kind not in KINDS or (kind == "instances" and len(classes) != 1):
        raise DataError(
            f"kind is {kind!r} and classes {classes!r}: give 'instances' and one name, or "
            "'classes' and a name for each number"
        )
    images, masks = given_path(images, "images="), given_path(masks, "masks=")
    gathered, columns = Faults(faults, images.parent), ([], [], [], [], [])
    check_numbers(shrink)
    for name, picture, path in _pairs(images, masks, gathered):
        pixels = gathered.tried(decoded, picture)
        if pixels is None:
            continue
        size = pixels.shape[:2]
        if path.is_dir():
            mask = gathered.tried(_stack_of_objects, path, size, gathered)
        else:
            mask = gathered.tried(_sized_mask, path, size)
        if kind == "classes" and mask is not None:
            mask = gathered.tried(_known, mask, classes, path)
        if mask is None:
            continue
        mask, boxes = _marked(_shrunk_mask(mask, shrink), kind)
        labels = np.zeros(len(boxes), np.int64)
        row = name, shrunk(pixels, shrink), boxes, labels, mask
        for column, value in zip(columns, row, strict=True):
            column.append(value)
    title = f"{printable(images.parent.name)}/{printable(images.name)}"
    return finished(columns, classes, gathered, title)


def _marked(mask: np.ndarray, kind: str) -> tuple[np.ndarray, np.ndarray]:
    if kind == "classes":
        return mask, np.empty((0, 4), np.float32)
    mask, _ = numbered(mask)
    return mask, visible_boxes(mask)


def _pairs(images: Path, masks: Path, faults: Faults) -> list[tuple[str, Path, Path]]:
    """Return name, picture and mask (a file or folder) of what has both."""
    pictures = pictures_in(images)
    if not masks.is_dir():
        raise DataError(f"{printable(masks)} is no folder: correct masks=")
    drawn: dict[str, Path] = {}
    for path in sorted(masks.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or path.suffix.lower() == ".png"):
            continue
        name = printable(path.name if path.is_dir() else path.stem)
        if name in drawn:
            raise DataError(f"{printable(masks)} holds two masks for {name!r}: keep one")
        drawn[name] = path
    for name in sorted(pictures.keys() - drawn.keys()):
        faults.add(f"{printable(pictures[name])} has no mask in {printable(masks)}")
    for name in sorted(drawn.keys() - pictures.keys()):
        faults.add(f"{printable(drawn[name])} has no picture in {printable(images)}")
    return [(name, pictures[name], drawn[name]) for name in pictures if name in drawn]


def _read_mask(path: Path) -> np.ndarray:
    """Return the numbers of a PNG, (height, width) uint16."""
    try:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="PIL")
            Image.open(file, formats=("PNG",)).verify()  # the checksums, which decoding leaves out
            image = Image.open(file, formats=("PNG",))
            if len(image.getbands()) > 1:
                raise ValueError(f"it has {len(image.getbands())} channels, and a mask has one")
            numbers = np.asarray(image)
        return numbers.astype(np.uint16)
    except MemoryError:
        raise
    except Exception as error:  # a damaged file can raise almost anything
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        if isinstance(error, UnidentifiedImageError):
            reason = "its content is no PNG"
        raise DataError(f"the mask {printable(path)} cannot be read: {reason}") from error


def _sized_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    mask = _read_mask(path)
    if mask.shape != size:
        (height, width), (rows, columns) = size, mask.shape
        raise DataError(
            f"the mask {printable(path)} is {columns}x{rows} pixels (width x height), and its "
            f"picture {width}x{height}"
        )
    return mask


def _stack_of_objects(folder: Path, size: tuple[int, int], faults: Faults) -> np.ndarray:
    """Return one mask of all objects in a folder; those without a pixel that shows are faults."""
    files = sorted(path for path in folder.glob("*.png") if not path.name.startswith("."))
    if len(files) > LARGEST:
        raise DataError(f"{printable(folder)} holds {len(files):,} objects: {LARGEST:,} at most")
    mask, drawn = np.zeros(size, np.uint16), {}
    for number, path in enumerate(files, 1):
        one = faults.tried(_sized_mask, path, size)
        if one is None:
            continue
        if one.any():
            mask[one > 0], drawn[number] = number, path
        else:
            faults.add(f"the mask {printable(path)} has no pixel above 0")
    for number in sorted(drawn.keys() - set(np.unique(mask).tolist())):
        faults.add(f"the mask {printable(drawn[number])} lies wholly behind others")
    return mask


def _known(mask: np.ndarray, classes: Sequence[str], path: Path) -> np.ndarray:
    if unknown := [str(number) for number in np.unique(mask) if number >= len(classes)]:
        raise DataError(
            f"the mask {printable(path)} holds the class {some(unknown)}, and {len(classes)} "
            f"are named, 0 to {len(classes) - 1}"
        )
    return mask


def _shrunk_mask(mask: np.ndarray, shrink: int) -> np.ndarray:
    """Return the number that most pixels of each block have; blocks at an edge may be smaller.

    Of several as frequent ones the lowest above 0. The place within a block does not matter, so
    that mirrored masks shrink to mirrored ones: a pixel picked from blocks of 2 x 2 would move the
    mask against the picture.
    """
    if shrink == 1:
        return mask
    height, width = (-(-side // shrink) for side in mask.shape)
    whole = [(0, n * shrink - side) for n, side in zip((height, width), mask.shape, strict=True)]
    padded = np.pad(mask.astype(np.int64), whole, constant_values=-1)  # no number has -1
    blocks = padded.reshape(height, shrink, width, shrink).swapaxes(1, 2)
    blocks = blocks.reshape(height, width, -1)
    votes = np.stack(
        [(blocks == part[..., None]).sum(axis=-1) for part in np.moveaxis(blocks, -1, 0)], -1
    )
    rank = np.where(blocks < 0, -1, 2 * votes + (blocks > 0))
    best = rank == rank.max(axis=-1, keepdims=True)
    return np.where(best, blocks, blocks.max(initial=0)).min(axis=-1).astype(mask.dtype)
