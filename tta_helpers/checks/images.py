"""What images must be like, and what to do where they are not."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tta_helpers.interface import Interface

TOLERANCE = 1e-5  # how far rounding may carry a view's output beyond the range, as a share of it
_SINGLE = "A single image needs images[None]."


def check_whole_number(name: str, value: Any, of: str) -> None:
    """Raise a ValueError unless `value` is a whole number of at least 1; NumPy's count too."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}; give a whole number of {of}, 1 or more.")


def checked_images(images: Any, interface: Interface) -> np.ndarray:
    """Return `images` as one array of uint8 or floats, four axes in the declared order."""
    images = as_array(images)
    first = interface.data_format == "channels_first"
    if images.ndim == 4 and not len(images):
        raise ValueError(
            f"images has shape {images.shape}: there is no image in it; give n at least 1."
        )
    if images.ndim != 4:
        axes, grey = (
            ("(n, channels, height, width)", "images[:, None]")
            if first
            else ("(n, height, width, channels)", "images[..., None]")
        )
        raise ValueError(
            f"images has shape {images.shape}; give {axes}, n at least 1. "
            + (f"Grey images need {grey}." if _grey(images) else _SINGLE)
        )
    if not first and channels_first(images.shape[1:]):
        raise ValueError(
            f"images of shape {images.shape} have their channels first. If the model takes them "
            "so, pass data_format='channels_first'; else turn them with "
            "images.transpose(0, 2, 3, 1)."
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        low, high = interface.value_range
        raise ValueError(
            f"images are {images.dtype}; give uint8 in 0..255 or floats in "
            f"[{low:g}, {high:g}]. {_cast(images)}"
        )
    return images


def _grey(images: np.ndarray) -> bool:
    return images.ndim == 3 and images.shape[-1] > 4


def as_array(images: Any) -> np.ndarray:
    """Return what is an array, or becomes one, as a NumPy array; anything else is an error."""
    if isinstance(images, np.ndarray):
        return images
    kind = type(images).__name__
    if isinstance(images, str | os.PathLike):
        raise ValueError(
            f"images is the name {os.fspath(images)!r}; give the pictures themselves, such as "
            "keras.utils.image_dataset_from_directory(..., shuffle=False) for a folder."
        )
    if not isinstance(images, list | tuple) and not hasattr(images, "__array__"):
        raise ValueError(
            f"images is a {kind}; give an array of all images, a data set of batches, or an "
            "iterable of batches."
        )
    try:
        return np.asanyarray(images)
    except ValueError as error:
        raise ValueError(
            f"images is a {kind} of arrays of the shapes {[np.shape(i) for i in images[:3]]}; give "
            "one array of pictures of one size. Of a batch (images, labels), pass the first part; "
            "for a subclassed model of several inputs add image_input=0, or which it is."
        ) from error


def _cast(images: np.ndarray) -> str:
    """Return the cast that keeps the values of images that are neither uint8 nor floats."""
    if images.dtype == bool:
        return "images.astype('float32') makes True 1 and False 0."
    if not np.issubdtype(images.dtype, np.integer):
        return "Numbers of another type become floats by images.astype('float32')."
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        return (
            f"They run from {low} to {high}: divide them by the largest value that the camera or "
            "the format knows, such as 65535 for 16 bits."
        )
    return f"They run from {low} to {high}: if 255 is white, images.astype('uint8') keeps them."


def channels_first(shape: Sequence[int | None]) -> bool:
    """Whether a (rows, columns, channels) of an image can only be meant the other way round."""
    if len(shape) != 3 or None in shape:
        return False
    return shape[0] in (1, 3, 4) and min(shape[1:]) >= 8


def checked_batch(batch: np.ndarray, value_range: tuple[float, float] = (0, 1)) -> np.ndarray:
    """Return a batch of uint8 images as it is, any other as float32 in the declared range."""
    if batch.dtype == np.uint8:
        return batch
    black, white = value_range
    slack = TOLERANCE * (white - black)
    low, high = float(batch.min()), float(batch.max())
    if not (low >= black - slack and high <= white + slack):
        raise ValueError(
            f"images run from {low:g} to {high:g}, and value_range is ({black:g}, {white:g}). "
            + _range_advice(batch, low, high)
        )
    if black == 0 and white > 2 and 0 < high <= 1 and (batch != np.floor(batch)).any():
        raise ValueError(
            f"images run from {low:g} to {high:g} and value_range is (0, {white:g}): the model "
            f"would see them as nearly black. Multiply them by {white:g}, or pass "
            "value_range=(0, 1) if that is what the model takes."
        )
    batch = batch.astype(np.float32, copy=False)
    return batch if low >= black and high <= white else np.clip(batch, black, white)


def _range_advice(batch: np.ndarray, low: float, high: float) -> str:
    """Return what to do with floats from `low` to `high`, which lie outside the declared range."""
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = ~np.isfinite(batch).all(axis=(1, 2, 3))
        return (
            f"{broken.sum()} of these {len(batch)} hold NaN or infinity. Mend them, or drop them: "
            "images[np.isfinite(images).all(axis=(1, 2, 3))]."
        )
    if low >= -0.25 and high <= 1.25:
        return "A little beyond [0, 1] is what resizing leaves: images.clip(0, 1)."
    if low >= 0 and high <= 255:
        return (
            "If 255 is white and the model takes 0..255, pass value_range=(0, 255); if it takes "
            "[0, 1], give images / 255, or pass value_range=(0, 255) and "
            "preprocess=keras.layers.Rescaling(1 / 255)."
        )
    if low >= -1 and high <= 1:
        return (
            "If the model takes -1..1, pass value_range=(-1, 1); if it takes [0, 1], give "
            "(images + 1) / 2."
        )
    if low >= 0:
        return "Give value_range=(0, white), white being the value that stands for white."
    return (
        "These look standardised, which views cannot work on. Give the plain pixels, their range "
        "as value_range, and preprocess=keras.layers.Normalization(mean=..., variance=...)."
    )
