"""Shared by the tests: an asymmetric model whose predictions NumPy can repeat."""

import keras
import numpy as np
import pytest
from scipy import special


class LinearModel:
    """A softmax regression on pixels: every pixel of every channel has a weight of its own.

    Nothing about it is symmetric, so a dropped, doubled, mirrored or transposed view shows.
    """

    def __init__(self, shape=(8, 6, 3), n_classes=4, softmax=True):
        rng = np.random.default_rng(7)
        self.kernel = rng.normal(size=(int(np.prod(shape)), n_classes)).astype("float32")
        self.bias = rng.normal(size=n_classes).astype("float32")
        head = keras.layers.Dense(n_classes, activation="softmax" if softmax else None)
        self.model = keras.Sequential([keras.Input(shape), keras.layers.Flatten(), head])
        head.set_weights([self.kernel, self.bias])

    def logits(self, images):
        return images.reshape(len(images), -1).astype("float64") @ self.kernel + self.bias

    def probs(self, images):
        return special.softmax(self.logits(images), axis=-1)


@pytest.fixture
def linear():
    return LinearModel()


@pytest.fixture
def linear_logits():
    return LinearModel(softmax=False)


@pytest.fixture
def photos():
    """Eleven distinguishable 8 x 6 images, uint8."""
    return np.random.default_rng(1).integers(0, 256, size=(11, 8, 6, 3), dtype=np.uint8)
