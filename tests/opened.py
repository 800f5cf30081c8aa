"""A data set's test images and labels, as the tests look at them."""

import numpy as np

from tta_helpers.workbook.data import Dataset


def images(data: Dataset) -> np.ndarray:
    """Open the test set for its images."""
    return data.test.open("a test")[0]


def labels(data: Dataset) -> np.ndarray:
    """Open the test set for its labels."""
    return data.test.open("a test")[1]


def split(data: Dataset, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels of "train" or "test"."""
    if name == "test":
        return data.test.open("a test")
    return data.train_images, data.train_labels
