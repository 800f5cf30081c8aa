"""A data set as the lessons have it: its arrays, and how parts of it are drawn."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from tta_helpers.workbook.data.errors import DataError, some
from tta_helpers.workbook.data.locked import Locked

SPLITS = {"train": "training", "test": "test"}
ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")
LEAST = {"train": 3, "test": 1}  # images of each class; validation is split off twice (notebook 04)


@dataclass(frozen=True)
class Dataset:
    """Images, labels and where they come from.

    Attributes
    ----------
    name
        Short name: "cifar10", "cifar10-batches" (a part of them), "cifar10-jpeg", "sample", or the
        name of a folder.
    train_images
        (n, height, width, channels) uint8, 0 to 255, memory-mapped read-only; 3 channels, or 1
        where grayscale was asked for.
    train_labels
        (n,) int64, read-only, indices into `class_names`.
    test
        The same of the test set, under lock: `test.open("what for")` returns both arrays.
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
    test: Locked
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
        labels = {"train": self.train_labels, "test": self.test._labels}
        rows, taken = {}, []
        for split, n in (("train", n_train), ("test", n_test)):
            there = len(labels[split])
            if not isinstance(n, int | np.integer) or n < 0:
                raise DataError(
                    f"n_{split} is {n!r}: give a whole number of images, or 0 for all of the "
                    f"{there:,}"
                )
            if 0 < n < there:
                rows[split] = _draw(labels[split], int(n), LEAST[split], seed, f"n_{split}")
                taken.append(f"{n:,} {SPLITS[split]} images")
        if not taken:
            return self
        part = f"Of these, {' and '.join(taken)} drawn with seed {seed}, each class in proportion."
        digest = hashlib.sha256(f"{self.fingerprint} {part}".encode()).hexdigest()
        changes = {
            "provenance": f"{self.provenance} {part}",
            "fingerprint": digest,
            "whole_fingerprint": self.whole_fingerprint or self.fingerprint,
        }
        if "train" in rows:
            changes["train_images"] = self.train_images[rows["train"]]
            changes["train_labels"] = self.train_labels[rows["train"]]
        if "test" in rows:
            changes["test"] = self.test.rows(rows["test"])
        return replace(self, **changes)


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
    from sklearn.model_selection import train_test_split  # it loads SciPy

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
