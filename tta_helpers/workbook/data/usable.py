"""What the workbook can work with: enough images of each class, and few of them twice."""

import numpy as np

from tta_helpers.workbook.data.dataset import LEAST, SPLITS
from tta_helpers.workbook.data.decoding import Decoded, Form
from tta_helpers.workbook.data.errors import DataError, some


def check_enough(decoded: Decoded) -> None:
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


def repeats(decoded: Decoded, form: Form) -> str:
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
