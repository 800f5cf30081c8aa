"""Photometric views as one operation, with a row of coefficients for each image.

Every view of the family is

    clip(y + sum over the bases of coefficient * (base(y) - y), 0, 1)

where y is the image, repaired as `Despeckle` or `Median` does, and then with its range stretched as
`Autocontrast` does, multiplied as `Contrast` does or moved as `Brightness` does, each where that is
asked; the bases are versions of y: smoothed and grey. So images that are to see different views are
neither grouped nor gathered: they differ in some numbers only. Repairs come first for two reasons:
on 8-bit values they take less than half the time, and a single wrong value leaves nothing to
stretch.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from tta_helpers.quiet import keras, ops
from tta_helpers.views.base import Identity, View, register
from tta_helpers.views.compose import Compose, as_views
from tta_helpers.views.photometric import LUMA, Autocontrast, Brightness, Color, Contrast, Sharpness
from tta_helpers.views.repair import Despeckle, Median

_STAGES = ({"despeckled", "median"}, {"stretch"}, {"contrast", "offset", "smoothed", "grey"})
COEFFICIENTS = ("stretch", "contrast", "offset", "smoothed", "grey", "despeckled", "median")
_LEVELS = {"stretch", "contrast", "offset"}
_ALONE = {
    Identity: lambda view: {},
    Autocontrast: lambda view: {"stretch": 1},
    Brightness: lambda view: {"offset": view.delta},
    Contrast: lambda view: {"contrast": view.factor - 1} if view.factor else None,
    Sharpness: lambda view: {"smoothed": 1 - view.factor},
    Color: lambda view: {"grey": 1 - view.factor},
    Despeckle: lambda view: {"despeckled": 1},
    Median: lambda view: {"median": 1},
}


def coefficients(view: View) -> dict[str, float] | None:
    """Return a view's coefficients by name, those that are 0 left out; None if it has none.

    The family holds `Identity`, `Despeckle`, `Median`, `Autocontrast`, `Contrast` (above 0),
    `Brightness`, `Sharpness` and `Color`, and `Compose` of one of the repairs, `Autocontrast` and
    one of the others, any of which may be missing, in this order; `Contrast` not after
    `Autocontrast`.
    """
    if type(view) in _ALONE:
        return _ALONE[type(view)](view)
    if type(view) is not Compose:
        return None
    parts = [coefficients(part) for part in view.views]
    if None in parts:
        return None
    places = [place for part in parts for place in _stages(part)]
    if any(one >= other for one, other in pairwise(places)):
        return None
    row = {key: value for part in parts for key, value in part.items()}
    return None if {"stretch", "contrast"} <= row.keys() else row


def _stages(row: Mapping[str, float]) -> list[int]:
    """Return the stages that a row of coefficients has, in their order."""
    return [place for place, stage in enumerate(_STAGES) if stage & row.keys()]


def coefficient_table(views: Iterable[View]) -> list[dict[str, float]]:
    """Return the coefficients of several views, in their order.

    Raises
    ------
    ValueError
        Naming the views that are not of the family.
    """
    views = as_views(views)
    table = [coefficients(view) for view in views]
    others = [view.name for view, row in zip(views, table, strict=True) if row is None]
    if others:
        raise ValueError(
            f"{', '.join(others)}: no photometric view that one operation can apply. It can apply "
            "Identity; Despeckle or Median, then Autocontrast, then one of Brightness, Sharpness "
            "and Color, each alone or composed in this order; and Contrast, alone or after "
            "Despeckle or Median. For other views call loss_predictor.predict_selected, which "
            "groups the images by view."
        )
    return table


@register
class PhotometricChoice(keras.layers.Layer):
    """Apply to each image the view that was chosen for it.

    Called with images (n, h, w, c) on the scale 0 to 255 and the numbers of their views (n,), it
    returns float32 images in [0, 1]. What no view in the table needs is not computed.

    Parameters
    ----------
    table
        A dictionary of coefficients for each view, as `coefficient_table` returns them.

    Raises
    ------
    ValueError
        For a coefficient that there is not.

    Notes
    -----
    A row of pixels is taken as one axis of w * c values: operations over long axes take a third of
    the time, and neighbours in a row lie c values apart.
    """

    def __init__(self, table: Sequence[Mapping[str, float]], **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.table = [dict(row) for row in table]
        if unknown := {name for row in self.table for name in row} - {*COEFFICIENTS}:
            raise ValueError(f"table has {sorted(unknown)}; use {', '.join(COEFFICIENTS)}.")

    def call(self, images: Any, choice: Any) -> Any:
        """Repair, move the levels, mix with the bases, clip."""
        weights, source = self._weights(choice), _flat(images)
        for name in _REPAIRS.keys() & weights.keys():
            asked = weights.pop(name)[:, 0] > 0
            source = ops.where(asked, _flat(_REPAIRS[name].transform(images)), source)
        levels = {name: weights.pop(name)[:, :, 0] for name in _LEVELS & weights.keys()}
        y = mixed = _levelled(source, images.shape[1:], **levels)
        for name, weight in weights.items():
            mixed = mixed + _BASES[name](y, weight, images.shape[1:])
        return ops.reshape(ops.clip(mixed, 0, 1), (-1, *images.shape[1:]))

    def _weights(self, choice: Any) -> dict[str, Any]:
        """Return each image's coefficients by name, (n, 1, 1), of those that any view has."""
        names = [name for name in COEFFICIENTS if any(row.get(name) for row in self.table)]
        if not names:
            return {}
        table = np.array([[row.get(name, 0) for name in names] for row in self.table], np.float32)
        rows = ops.take(ops.convert_to_tensor(table), choice, axis=0)
        return {name: rows[:, k : k + 1, None] for k, name in enumerate(names)}

    def compute_output_spec(self, images: Any, choice: Any) -> Any:
        """Return the images' shape."""
        return keras.KerasTensor(images.shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "table": self.table}


def _flat(images: Any) -> Any:
    """Return images as (n, h * w * c): TensorFlow takes a fifth of the time to choose rows."""
    return ops.reshape(images, (-1, math.prod(images.shape[1:])))


def _levelled(source: Any, shape: Sequence[int], **levels: Any) -> Any:
    """Return a source in [0, 1] as (n, h, w * c), its levels as the columns (n, 1) ask.

    Stretched by its range where "stretch" is 1, multiplied by 1 + "contrast", and moved by
    "offset", which changes no difference of a base and y.
    """
    height, width, channels = shape
    rows = ops.cast(ops.reshape(source, (-1, height, width * channels)), "float32")
    if not levels:
        return rows / 255
    images = ops.reshape(source, (-1, *shape))
    low, scale = ops.zeros((1, channels)), ops.full((1, channels), 1 / 255)
    if "stretch" in levels:
        darkest, brightest = (
            ops.cast(extreme(images, axis=(1, 2)), "float32") for extreme in (ops.min, ops.max)
        )
        stretched = ops.logical_and(levels["stretch"] > 0, brightest > darkest)
        scale = 1 / ops.where(stretched, brightest - darkest, 255.0)
        low = ops.where(stretched, darkest, 0.0)
    if "contrast" in levels:  # (x - mean) f + mean = (x - mean (1 - 1 / f)) f
        mean = ops.mean(ops.mean(ops.cast(images, "float32"), axis=1), axis=1)
        factor = 1 + levels["contrast"]
        low, scale = low + mean * (1 - 1 / factor), scale * factor
    if "offset" in levels:  # x / 255 + offset = (x + 255 offset) / 255
        low = low - levels["offset"] / scale
    # Subtracted before it is scaled: where it is stretched, whole numbers, so nothing is lost.
    low, scale = (ops.tile(part, (1, width))[:, None, :] for part in (low, scale))
    return (rows - low) * scale


def _smoothed(y: Any, weight: Any, shape: Sequence[int]) -> Any:
    """Return weight * (smoothed - y), 0 on the edge; `Sharpness` says how an image is smoothed."""
    height, width, channels = shape
    inner = np.zeros(shape, np.float32)
    inner[1:-1, 1:-1] = 9 / 13
    means = ops.average_pool(ops.reshape(y, (-1, *shape)), 3, 1, padding="same")
    means = ops.reshape(means, (-1, height, width * channels))
    return weight * inner.reshape(height, -1) * (means - y)


def _grey(y: Any, weight: Any, shape: Sequence[int]) -> Any:
    """Return weight * (grey - y): a matrix product over a few pixels at a time."""
    height, width, channels = shape
    if channels != 3:
        raise ValueError(f"Color needs images of 3 channels (red, green, blue), got {channels}.")
    together = next(k for k in (4, 2, 1) if width % k == 0)
    difference = np.repeat(LUMA, 3).reshape(3, 3) - np.eye(3)
    matrix = np.kron(np.eye(together), difference).astype(np.float32)
    found = ops.matmul(ops.reshape(y, (-1, 3 * together)), ops.convert_to_tensor(matrix))
    return weight * ops.reshape(found, (-1, height, width * channels))


_BASES = {"smoothed": _smoothed, "grey": _grey}
_REPAIRS = {"despeckled": Despeckle(), "median": Median()}
