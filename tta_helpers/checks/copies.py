"""Copies made elsewhere, and the generators that draw them: what would ruin images silently."""

from typing import Any

import numpy as np

from tta_helpers.checks.images import TOLERANCE
from tta_helpers.checks.scale import leading_scale, white_level
from tta_helpers.quiet import keras

STANDARDISING = (
    "featurewise_center",
    "featurewise_std_normalization",
    "samplewise_center",
    "samplewise_std_normalization",
    "zca_whitening",
    "preprocessing_function",
)


def check_generator(datagen: Any, white: float) -> None:
    """Raise a ValueError where a generator would ruin images, at most `white`, without a word."""
    if not hasattr(datagen, "flow"):
        raise ValueError(
            f"datagen is a {type(datagen).__name__}; give an ImageDataGenerator. Copies by a "
            "random Keras layer go to predict_copies as they are: "
            "(np.asarray(layer(images, training=True)) for _ in range(n_copies))."
        )
    if not white <= 1:
        return
    if getattr(datagen, "brightness_range", None) is not None:
        raise ValueError(
            "brightness_range works on images in 0..255 and cuts these, which run to "
            f"{white}, to whole numbers. Give 255 * images, and the generator "
            "rescale=1 / 255."
        )
    if 0 < (getattr(datagen, "rescale", None) or 1) <= 1 / 100 and white > 0:
        raise ValueError(
            f"rescale={datagen.rescale:.3g} on images that run to {white} already makes "
            "them nearly black. Leave rescale out, or give the images in 0..255."
        )


def check_drawn(datagen: Any, white: float, copy: np.ndarray) -> None:
    """Raise a ValueError if a copy has left the range of its originals, unless it was meant to."""
    if any(getattr(datagen, name, None) for name in STANDARDISING):
        return
    largest = np.max(copy)
    if white <= 1 and (largest > 1 + TOLERANCE or 0 < largest <= white / 200):
        raise ValueError(
            f"The images run to {white}, and their copies to {largest:.3g}: the generator works on "
            "another scale. Give it images in the range that it expects."
        )


def checked_copy(copy: Any) -> np.ndarray:
    """Return a copy of all images as an array, (n, height, width, channels)."""
    copy = np.asarray(copy)
    if copy.ndim == 4 and not len(copy):
        raise ValueError(f"A copy has shape {copy.shape}: there is no image in it.")
    if copy.ndim != 4:
        raise ValueError(
            f"A copy has shape {copy.shape}; give a sequence of arrays (n, height, width, "
            "channels). One set of images goes into a list of one: [images]."
        )
    return copy


def check_copy_range(
    model: keras.Model, copy: np.ndarray, value_range: tuple[float, float] | None
) -> None:
    """Raise a ValueError if a copy is on another scale than the network's images.

    Without `value_range` it is known only where the model's first layers tell, and 8-bit values are
    refused where they do not.
    """
    inputs = getattr(model, "inputs", None)
    if inputs and not keras.backend.is_float_dtype(inputs[0].dtype) and (copy % 1).any():
        raise ValueError(
            f"copies have fractions, and the model takes images as {inputs[0].dtype}, which cuts "
            "them off. Give whole numbers in its range: np.rint(255 * copy) of a copy in [0, 1]."
        )
    low, high = float(copy.min()), float(copy.max())
    if value_range is not None:
        if not (value_range[0] - TOLERANCE <= low and high <= value_range[1] + TOLERANCE):
            raise ValueError(f"copies run from {low:.3g} to {high:.3g}, beyond {value_range}.")
    elif low >= 0 and 0 < high <= 1 and white_level(model) > 1:
        raise ValueError(
            f"copies run to {high:.3g}, but the model's first layers rescale images from "
            f"0..{white_level(model)}: it would see them as nearly black. Make the copies in that "
            "range."
        )
    elif low >= 0 and high > 2 and leading_scale(model) is None:
        raise ValueError(
            f"copies run from {low:.3g} to {high:.3g} and are fed as they are, but the model has "
            "no layer that rescales them. For a network of images in [0, 1], give the generator "
            f"rescale=1 / 255; for one of plain bytes, pass value_range=(0, 255)."
        )
