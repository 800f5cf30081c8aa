"""Pictures with boxes and masks: one form for all sources, split by name, the test part locked."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from tta_helpers.workbook.data.errors import DataError
from tta_helpers.workbook.data.locked import Locked


@dataclass(frozen=True, eq=False)
class Annotated:
    """Pictures and what is marked on them.

    Attributes
    ----------
    names
        One name a picture: its file's, without the ending.
    images
        (n, height, width, 3) uint8, 0 to 255; an object array (n,) of such pictures where they
        differ in size.
    boxes
        One (k, 4) float32 a picture: x0, y0, x1, y1 in pixels, edges (x1 and y1 exclusive), within
        the picture and of some size.
    labels
        One (k,) int64 a picture, indices into `class_names`.
    masks
        (n, height, width) uint16, or an object array (n,) as `images`. Of instances: 0 background,
        number i + 1 the object of box i. Of classes: indices into `class_names`, and no boxes.
        None where the source has no masks.
    class_names
        One name a class.
    provenance
        A few words: which pictures these are, and how many.
    dropped
        One sentence for each faulty label or picture that was left out.
    """

    names: tuple[str, ...]
    images: np.ndarray = field(repr=False)
    boxes: tuple[np.ndarray, ...] = field(repr=False)
    labels: tuple[np.ndarray, ...] = field(repr=False)
    masks: np.ndarray | None = field(repr=False)
    class_names: tuple[str, ...]
    provenance: str
    dropped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.names)

    def take(self, index: np.ndarray | slice) -> "Annotated":
        """Return a part: `index` is a slice, or whole numbers or truth values as NumPy takes."""
        rows = np.arange(len(self))[index]
        names, boxes, labels = (
            tuple(items[i] for i in rows) for items in (self.names, self.boxes, self.labels)
        )
        return replace(
            self,
            names=names,
            images=self.images[rows],
            boxes=boxes,
            labels=labels,
            masks=None if self.masks is None else self.masks[rows],
            provenance=f"{len(rows):,} of {self.provenance}",
        )


class LockedPictures(Locked):
    """Test pictures with their labels that only `open` hands out, every opening counted.

    Attributes
    ----------
    openings
        One dictionary an opening, with "purpose" and "at" (UTC, ISO 8601).
    """

    def __init__(self, pictures: Annotated, openings: list[dict[str, str]] | None = None):
        super().__init__(pictures.images, pictures, [] if openings is None else openings)

    def open(self, purpose: str) -> Annotated:
        """Return the pictures with their labels, and note the opening.

        Raises
        ------
        DataError
            If no purpose is given.
        """
        return super().open(purpose)[1]

    def rows(self, index: np.ndarray) -> "LockedPictures":
        """Return a part, locked as well, whose openings count with the whole's."""
        return LockedPictures(self._labels.take(index), self.openings)


@dataclass(frozen=True, eq=False)
class AnnotatedSplits:
    """The three parts of a set, and where it comes from.

    Attributes
    ----------
    name
        Short name, such as "nuclei".
    train, validation
        What networks learn from, and what policies are chosen on.
    test
        Under lock: `test.open("what for")` returns an `Annotated`.
    class_names
        One name a class.
    label
        A few words for the small print of a figure.
    provenance
        One sentence: which data this is, how many pictures, what was left out, why it was taken.
    fingerprint
        SHA-256 in hexadecimal over class names, pictures, boxes, labels and masks of all parts.
    dropped
        One sentence for each faulty label or picture that was left out.
    """

    name: str
    train: Annotated
    validation: Annotated
    test: LockedPictures
    class_names: tuple[str, ...]
    label: str
    provenance: str
    fingerprint: str
    dropped: tuple[str, ...] = field(repr=False)


def make_splits(
    name: str, label: str, why: str, train: Annotated, validation: Annotated, test: Annotated
) -> AnnotatedSplits:
    """Put three parts together, the test part under lock; `why` these data were taken."""
    parts = train, validation, test
    dropped = tuple(dict.fromkeys(fault for part in parts for fault in part.dropped))
    counts = f"{len(train):,} training, {len(validation):,} validation and {len(test):,} test"
    faults = f"fault{'s'[: len(dropped) != 1]} of the labels"
    note = f", {len(dropped):,} {faults} left out" if dropped else ""
    provenance = f"{label}, {counts} pictures{note}: {why}."
    digest = _digest(parts)
    lock = LockedPictures(test)
    classes = train.class_names
    return AnnotatedSplits(
        name, train, validation, lock, classes, label, provenance, digest, dropped
    )


def _digest(parts: Iterable[Annotated]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(repr((part.class_names, part.names)).encode())
        masks = [] if part.masks is None else part.masks
        for array in (*part.images, *part.boxes, *part.labels, *masks):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array, array.dtype.newbyteorder("<")))
    return digest.hexdigest()


def split_by_name(pictures: Annotated, share: float) -> tuple[Annotated, Annotated]:
    """Split a share of the pictures off, by a digest of their names: the same ones every time.

    Parameters
    ----------
    pictures
        Two at least.
    share
        Of the second part, above 0 and below 1, rounded to whole pictures, one at least each.

    Returns
    -------
    most, others
        Each in the order of `pictures`.

    Raises
    ------
    DataError
        If there is no such share, or fewer than two pictures.
    """
    n = len(pictures)
    if not 0 < share < 1:
        raise DataError(f"share is {share!r}: give a number above 0 and below 1")
    if n < 2:
        raise DataError(f"{pictures.provenance}: two pictures or more can be split, not {n}")
    order = sorted(range(n), key=lambda i: hashlib.sha256(pictures.names[i].encode()).digest())
    chosen = np.zeros(n, bool)
    chosen[order[: min(max(round(share * n), 1), n - 1)]] = True
    return pictures.take(~chosen), pictures.take(chosen)
