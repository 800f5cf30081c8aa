"""Files of boxes: Pascal VOC's XML and COCO's JSON."""

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from tta_helpers.workbook.data.annotated import Annotated
from tta_helpers.workbook.data.errors import DataError, printable, some
from tta_helpers.workbook.data.marking import (
    Faults,
    Marked,
    assembled,
    check_numbers,
    named_classes,
    pictures_in,
)
from tta_helpers.workbook.data.paths import given_path

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(
    folder: str | os.PathLike,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    *,
    first_pixel: int = 1,
    faults: str = "refuse",
    shrink: int = 1,
    doubled: float = 1.0,
) -> Annotated:
    """Read a folder as Pascal VOC has it: `JPEGImages/`, `Annotations/` and `ImageSets/Main/`.

    A picture and its XML file have one name; what the XML says of folder and file is passed over.

    Parameters
    ----------
    folder
        Where the three lie.
    split
        Name of a list in `ImageSets/Main/` without `.txt`, one picture a line; None takes all
        pictures.
    classes
        Names in the order of their labels; None takes those found, sorted.
    first_pixel
        Number of the first pixel: 1 by VOC's rule, 0 where a tool counted from 0. Corners are
        numbers of pixels that lie in the box, so x0 = xmin - first_pixel and
        x1 = xmax - first_pixel + 1. A box with xmax = xmin has no size all the same: tools write a
        slip of the mouse so.
    faults
        "refuse": an error names all that is faulty. "drop" leaves faulty boxes and pictures out and
        lists them in `dropped`.
    shrink
        Whole factor by which pictures and boxes are made smaller, by averages of blocks.
    doubled
        Two boxes of one class with this IoU or more are one object that was marked twice, and the
        later one is a fault. 1: the same box.

    Raises
    ------
    DataError
        For a missing folder, list, picture or XML file; broken XML, and one that declares entities;
        a box that is not four numbers, has no size, lies outside the picture or is there twice; an
        unknown class; a picture of another size than its XML says or of more than 8 bits a channel;
        a name that a list holds twice; a bad value of an argument.

    Notes
    -----
    Source: Everingham et al., *The Pascal Visual Object Classes (VOC) Challenge*, IJCV 2010, and
    its development kit.
    """
    root = given_path(folder, "folder=")
    gathered = Faults(faults, root)
    check_numbers(shrink, doubled)
    if first_pixel not in (0, 1):
        raise DataError(f"first_pixel is {first_pixel!r}: give 1 (VOC's rule) or 0")
    pictures = pictures_in(root / "JPEGImages")
    marked = []
    for name in _listed(root, split, pictures, gathered):
        path = root / "Annotations" / f"{name}.xml"
        if name not in pictures:
            gathered.add(f"{printable(root / 'JPEGImages')} holds no picture {name!r}")
        elif one := gathered.tried(_voc_picture, path, pictures[name], first_pixel, gathered):
            marked.append(one)
    names = classes or sorted({kind for one in marked for _, kind, _ in one.objects})
    title = printable(root.name) + (f" ({split})" if split else "")
    return assembled(marked, named_classes(names), gathered, shrink, doubled, title)


def _listed(root: Path, split: str | None, pictures: Iterable[str], faults: Faults) -> list[str]:
    """Return the names in a list, or of all pictures and XML files."""
    if split is None:
        found = {printable(path.stem) for path in (root / "Annotations").glob("*.xml")}
        if not found:
            raise DataError(f"{printable(root / 'Annotations')} holds no XML files: add them")
        return sorted(found.union(pictures))
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise DataError(
            f"{printable(path)} cannot be read ({_reason(error)}): correct split={split!r}"
        ) from error
    # The list of a class says behind each name whether it is there: 1, 0 or -1.
    names = Counter(re.sub(r"\s+(1|0|-1)$", "", line.strip()) for line in lines if line.strip())
    for name, times in names.items():
        if times > 1:
            faults.add(f"{printable(path)} names {name!r} {times} times")
    return list(names)


def _voc_picture(path: Path, picture: Path, first_pixel: int, faults: Faults) -> Marked:
    root = _xml(path)
    sides = [root.findtext(f"size/{side}") for side in ("width", "height")]
    where, objects = printable(path), []
    size = None if None in sides else tuple(_whole(side, f"{where}: the size") for side in sides)
    for number, element in enumerate(root.findall("object"), 1):
        name = " ".join((element.findtext("name") or "").split())
        place = f"{where}: object {number} ({name})"
        box = faults.tried(_voc_box, element, first_pixel, place)
        if box is not None:
            objects.append((place, name, box))
    return Marked(path.stem, picture, size, objects)


def _voc_box(element: ElementTree.Element, first_pixel: int, place: str) -> list[float]:
    texts = [element.findtext(f"bndbox/{corner}") for corner in CORNERS]
    if None in texts:
        missing = some(c for c, text in zip(CORNERS, texts, strict=True) if text is None)
        raise DataError(f"{place}: its box has no {missing}")
    xmin, ymin, xmax, ymax = (_number(text, f"{place}: its box") for text in texts)
    if xmax <= xmin or ymax <= ymin:
        raise DataError(f"{place}: the box {', '.join(texts)} has no size")
    return [xmin - first_pixel, ymin - first_pixel, xmax - first_pixel + 1, ymax - first_pixel + 1]


def _xml(path: Path) -> ElementTree.Element:
    """Read an XML file; entities, which a few lines can make to fill the memory, are refused."""

    def refuse(name: str, *_: Any) -> None:
        raise ValueError(f"it declares an entity, {name!r}, which labels do not need")

    try:
        content = path.read_bytes()
        first = expat.ParserCreate()
        first.EntityDeclHandler = refuse
        first.Parse(content, True)
        return ElementTree.fromstring(content)
    except FileNotFoundError as error:
        raise DataError(f"{printable(path)} is missing") from error
    except (OSError, ValueError, LookupError, SyntaxError, expat.ExpatError) as error:
        raise DataError(f"{printable(path)} cannot be read as XML: {_reason(error)}") from error


# ---------------------------------------------------------------- COCO


def read_coco(
    path: str | os.PathLike,
    pictures: str | os.PathLike,
    classes: Sequence[str] | None = None,
    *,
    faults: str = "refuse",
    shrink: int = 1,
    doubled: float = 1.0,
) -> Annotated:
    """Read boxes from a JSON file as COCO has it, and the pictures that it names.

    Outlines (`segmentation`) are not read, and regions of many objects (`iscrowd`) are passed over.

    Parameters
    ----------
    path
        The JSON file, with "images", "annotations" and "categories". A box is x, y, width and
        height in pixels, edges counted from 0.
    pictures
        The folder in which each image's "file_name" lies.
    classes
        Names in the order of their labels; None takes the categories in the order of their ids.
    faults, shrink, doubled
        As for `read_voc`.

    Raises
    ------
    DataError
        For a missing file or folder, broken JSON or one of another form, an id that is there twice,
        a label of an unknown image or class, a "file_name" that leads out of the folder, and what
        `read_voc` refuses in boxes and pictures.

    Notes
    -----
    Source: Lin et al., *Microsoft COCO: Common Objects in Context*, ECCV 2014, and the data format
    on cocodataset.org.
    """
    path, folder = given_path(path, "path="), given_path(pictures, "pictures=")
    gathered, where = Faults(faults, path.parent), printable(path)
    check_numbers(shrink, doubled)
    if not folder.is_dir():
        raise DataError(f"{printable(folder)} is no folder: correct pictures=")
    lists = _json_lists(path)
    categories, images = (
        _by_id(lists[key], f"{where}: {key}", gathered) for key in ("categories", "images")
    )
    kinds = {id_: entry.get("name") for id_, entry in categories.items()}
    if classes is None:
        classes = [kinds[id_] for id_ in sorted(kinds, key=lambda id_: (isinstance(id_, str), id_))]
    objects: dict[Any, list] = {id_: [] for id_ in images}
    for id_, entry in _by_id(lists["annotations"], f"{where}: annotations", gathered).items():
        place = f"{where}: annotation {id_}"
        if entry.get("iscrowd"):
            continue
        if box := gathered.tried(_coco_box, entry, images, kinds, place):
            objects[entry["image_id"]].append((place, kinds[entry["category_id"]], box))
    marked: dict[Path, Marked] = {}
    for id_, entry in images.items():
        place = f"{where}: image {id_}"
        one = gathered.tried(_coco_picture, entry, folder, objects[id_], place)
        if one and one.path in marked:
            gathered.add(f"{place}: the file_name {entry['file_name']!r} is there twice")
        elif one:
            marked[one.path] = one
    title = printable(path.name)
    return assembled(marked.values(), named_classes(classes), gathered, shrink, doubled, title)


def _json_lists(path: Path) -> dict[str, list]:
    where = printable(path)
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DataError(f"{where} is missing: correct path=") from error
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(
            f"{where} cannot be read as JSON ({_reason(error)}): correct or replace it"
        ) from error
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"{where} has no list {key!r}: give a JSON file as COCO has it")
    return content


def _by_id(entries: list, where: str, faults: Faults) -> dict[Any, dict]:
    found: dict[Any, dict] = {}
    for number, entry in enumerate(entries, 1):
        id_ = entry.get("id") if isinstance(entry, dict) else None
        if not isinstance(id_, int | str) or isinstance(id_, bool):
            faults.add(f"{where}: entry {number} has no id that is a whole number or text")
        elif id_ in found:
            faults.add(f"{where}: the id {id_!r} is there twice")
        else:
            found[id_] = entry
    return found


def _coco_box(entry: dict, images: dict, kinds: dict, place: str) -> list[float]:
    for key, known in (("image_id", images), ("category_id", kinds)):
        if not isinstance(entry.get(key), int | str) or entry[key] not in known:
            raise DataError(f"{place}: its {key} is {entry.get(key)!r}, which is not in the file")
    box = entry.get("bbox")
    if not isinstance(box, list) or len(box) != 4:
        raise DataError(f"{place}: its bbox is {box!r}, not x, y, width and height")
    x, y, width, height = (_number(value, f"{place}: its bbox") for value in box)
    if width <= 0 or height <= 0:
        raise DataError(f"{place}: the box {', '.join(map(str, box))} has no size")
    return [x, y, x + width, y + height]


def _coco_picture(entry: dict, folder: Path, objects: list, place: str) -> Marked:
    name = entry.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"{place}: its file_name is {name!r}")
    path = given_path(folder / name, f"the file_name of {place}")
    if not path.is_relative_to(folder):
        raise DataError(f"{place}: its file_name {name!r} leads out of {printable(folder)}")
    sides = entry.get("width"), entry.get("height")
    size = None if None in sides else tuple(_whole(side, f"{place}: its size") for side in sides)
    return Marked(os.path.splitext(name)[0], path, size, objects)


# ---------------------------------------------------------------- values


def _number(value: Any, what: str) -> float:
    """Return a number, from text too."""
    try:
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            return float(value)
    except (ValueError, OverflowError):
        pass
    raise DataError(f"{what} holds {value!r}, which is no number")


def _whole(value: Any, what: str) -> int:
    number = _number(value, what)
    if not number.is_integer():
        raise DataError(f"{what} holds {value!r}, which is no whole number")
    return int(number)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
