"""Views: fixed, label-preserving copies of a batch of images, each a Keras layer.

A view takes float images (n, h, w, c), channels last, with values in [0, 1], and returns as many
of the same shape and range (to float32 rounding). It has no weights and draws nothing at random:
training and prediction see the same output, and a model that contains views saves and loads as
any other. `check_views` guards a set of views against mistakes; the named sets stand at the end.

Geometric views resample bilinearly about the image centre ((h-1)/2, (w-1)/2). What lies outside
the image is its mirror image with the edge pixel not repeated: mode "reflect" of `numpy.pad`,
mode "mirror" of `scipy.ndimage`.
"""

import functools
import math
import numbers
import re
from collections.abc import Iterable
from itertools import combinations

import numpy as np

from tta_helpers.quiet import keras, ops

LARGEST_LOSS = 0.25  # of a picture, by turning it; a square one loses at most 0.17

_register = keras.saving.register_keras_serializable(package="tta_helpers")


@_register
class View(keras.layers.Layer):
    """Base class of all views. A subclass passes on its settings and overrides `transform`.

    Parameters
    ----------
    settings : dict of str to float, optional
        The numbers that define the view: checked, kept as attributes and in the config, and made
        into the default name, as in "rotate_-20".
    name : str, optional
        Replaces the default name.
    dtype : str, default "float32"
        Not the global policy: under "mixed_float16" images would lose bits before they are even
        transformed. The layers that follow cast for themselves.
    **kwargs
        For `keras.layers.Layer`.

    Raises
    ------
    TypeError
        If a setting is not a real number.
    ValueError
        If a setting is out of range; when called, if the images are not of the form above.
    """

    def __init__(
        self,
        settings: dict[str, float] | None = None,
        *,
        name: str | None = None,
        dtype: str = "float32",
        **kwargs,
    ):
        settings = {key: _number(key, value) for key, value in (settings or {}).items()}
        if name is None:
            # A name must suit Keras (no "/") and TensorFlow's scopes (letters, digits, "_.-").
            snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()
            numerals = (np.format_float_positional(float(v), trim="-") for v in settings.values())
            name = "_".join([snake_case, *numerals])
        super().__init__(name=name, dtype=dtype, **kwargs)
        self._setting_names = tuple(settings)
        for key, value in settings.items():
            setattr(self, key, value)

    def call(self, images):
        """Check the images' form, then transform them."""
        self._check(images)
        return self.transform(images)

    def compute_output_spec(self, images):
        """Check the form where a model is built: there, backends may hide an unknown size."""
        self._check(images)
        return keras.KerasTensor(images.shape, dtype=self.compute_dtype)

    def _check(self, images):
        shape = tuple(images.shape)
        if len(shape) != 4 or None in shape[1:]:
            raise ValueError(
                f"{self.name} needs images of shape (n, h, w, c) with known h, w and c, got "
                f"{shape}. Add the batch axis to a single image, or give the model's Input a shape."
            )
        dtype = keras.backend.standardize_dtype(images.dtype)
        if not keras.backend.is_float_dtype(dtype):
            raise ValueError(
                f"{self.name} needs float images in [0, 1], got {dtype}. Divide 8-bit ones by 255."
            )

    def transform(self, images):
        """Return the transformed images; `images` is (n, h, w, c) with static h, w and c."""
        raise NotImplementedError(f"{type(self).__name__} does not define transform(images).")

    def get_config(self):
        """Return what `from_config` needs to build this view again."""
        return {**super().get_config(), **{key: getattr(self, key) for key in self._setting_names}}


def _number(key, value):
    """Return `value` as an int or float that JSON can store."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{key} must be a number, got {value!r}. Pass an int or a float.")
    if not math.isfinite(value):
        raise ValueError(f"{key} must be finite, got {value!r}. Pass an ordinary number.")
    return int(value) if value == int(value) else float(value)


@_register
class Identity(View):
    """The image itself."""

    def transform(self, images):
        """Return the images."""
        return images


@_register
class HorizontalFlip(View):
    """Left and right exchanged."""

    def transform(self, images):
        """Reverse the columns."""
        return ops.flip(images, axis=2)


@_register
class VerticalFlip(View):
    """Top and bottom exchanged."""

    def transform(self, images):
        """Reverse the rows."""
        return ops.flip(images, axis=1)


class _Geometric(View):
    """A view that moves pixels: an affine map from output to source, resampled bilinearly."""

    def _source(self):
        """Return (matrix, offset): output (row, column) -> source, both from the image centre."""
        raise NotImplementedError

    def transform(self, images):
        """Gather the source pixels of every output pixel and sum them by weight."""
        height, width, channels = images.shape[1:]
        index, weight = _bilinear_table(*self._source(), height, width)
        pixels, size = height * width, height * width * channels
        if index.shape[1] == 1:  # whole pixels: nothing to interpolate
            moved = ops.take(ops.reshape(images, (-1, pixels, channels)), index[:, 0], axis=1)
        else:
            # Pixels first: each gather then copies one pixel of all images in one piece, which
            # halves the time. Zoom and shift as two matrix products would take half of that on a
            # CPU, but GPUs may round their factors to 10 bits (TensorFloat-32).
            flat = ops.reshape(ops.transpose(ops.reshape(images, (-1, size))), (pixels, -1))
            weight = ops.convert_to_tensor(weight[:, :, None], dtype=images.dtype)
            moved = ops.sum(ops.take(flat, index, axis=0) * weight, axis=1)
            moved = ops.transpose(ops.reshape(moved, (size, -1)))
        return ops.reshape(moved, (-1, height, width, channels))


@functools.lru_cache(maxsize=128)
def _bilinear_table(matrix, offset, height, width):
    """Return each output pixel's sources (h*w, k) and weights (h*w, k), k = 1, 2 or 4.

    Kept as NumPy arrays: a tensor made while one graph is traced would be invalid in the next.
    """
    centre = np.array([height - 1, width - 1]) / 2
    output = np.indices((height, width)).reshape(2, -1).T - centre
    # Rounded, so that cos(90 degrees) = 6e-17 does not turn whole pixels into fractions.
    source = np.round(output @ np.transpose(matrix) + offset + centre, 9)
    corner = np.floor(source).astype(int)
    fraction = source - corner
    indices, weights = [], []
    for step in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = np.where(step, fraction, 1 - fraction).prod(axis=1)
        if weight.any():
            row, column = (corner + step).T
            indices.append(_mirror(row, height) * width + _mirror(column, width))
            weights.append(weight)
    return np.stack(indices, axis=1).astype("int32"), np.stack(weights, axis=1).astype("float32")


def _mirror(index, size):
    """Reflect indices into 0 … size-1 without repeating the ends."""
    period = max(2 * (size - 1), 1)
    return np.minimum(index % period, -index % period)


@_register
class Rotate(_Geometric):
    """Rotation about the image centre.

    Parameters
    ----------
    degrees : float
        Positive turns the content counter-clockwise, as Pillow's ``Image.rotate`` does.
    """

    def __init__(self, degrees: float, **kwargs):
        super().__init__({"degrees": degrees}, **kwargs)

    def _source(self):
        angle = math.radians(self.degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        return ((cos, sin), (-sin, cos)), (0, 0)

    def lost(self, height: int, width: int) -> float:
        """Return which share of an image's pixels the turn leaves out of the frame."""
        seen = np.zeros(height * width, bool)
        seen[_bilinear_table(*self._source(), height, width)[0]] = True
        return 1 - seen.mean()


@_register
class Zoom(_Geometric):
    """Enlargement about the image centre.

    Parameters
    ----------
    factor : float
        Above 0. Over 1 the content grows; under 1 it shrinks and its mirrored surroundings appear.
        The ``zoom_range`` of Keras' ImageDataGenerator runs the other way: there 0.8 enlarges.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor <= 0:
            raise ValueError(f"factor must be above 0, got {factor}. 1.25 enlarges, 0.8 shrinks.")

    def _source(self):
        return ((1 / self.factor, 0), (0, 1 / self.factor)), (0, 0)


@_register
class Shift(_Geometric):
    """Translation.

    Parameters
    ----------
    dx, dy : float
        Pixels, fractions allowed. Positive `dx` moves the content right, positive `dy` down.
    """

    def __init__(self, dx: float, dy: float, **kwargs):
        super().__init__({"dx": dx, "dy": dy}, **kwargs)

    def _source(self):
        return ((1, 0), (0, 1)), (-self.dy, -self.dx)


@_register
class Brightness(View):
    """A constant added to every value, then clipped to [0, 1].

    Parameters
    ----------
    delta : float
        Between -1 (black) and 1 (white), both excluded.
    """

    def __init__(self, delta: float, **kwargs):
        super().__init__({"delta": delta}, **kwargs)
        if not -1 < delta < 1:
            raise ValueError(
                f"delta must lie between -1 and 1, got {delta}. Images are in [0, 1]: divide a "
                "change on the 0-255 scale by 255."
            )

    def transform(self, images):
        """Add and clip."""
        return ops.clip(images + self.delta, 0, 1)


@_register
class Contrast(View):
    """Distances from the mean of each image and channel multiplied, then clipped to [0, 1].

    Parameters
    ----------
    factor : float
        0 or above. Over 1 raises the contrast, under 1 lowers it, 0 leaves the mean.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(
                f"factor must be 0 or above, got {factor}. 1.2 raises contrast, 0.8 lowers it."
            )

    def transform(self, images):
        """(x - mean) * factor + mean, clipped."""
        # One axis at a time: TensorFlow takes twice as long over both.
        mean = ops.mean(ops.mean(images, axis=1, keepdims=True), axis=2, keepdims=True)
        return ops.clip(images * self.factor + mean * (1 - self.factor), 0, 1)


@_register
class Autocontrast(View):
    """Each channel of each image stretched so that its darkest value is 0 and its brightest 1.

    A channel of one value stays as it is. The same as Pillow's ``ImageOps.autocontrast``, without
    its rounding to 8 bits.
    """

    def transform(self, images):
        """Subtract the minimum and divide by the range."""
        low = ops.min(images, axis=(1, 2), keepdims=True)
        spread = ops.max(images, axis=(1, 2), keepdims=True) - low
        flat = spread <= 0
        return (images - ops.where(flat, 0.0, low)) / ops.where(flat, 1.0, spread)


@_register
class Sharpness(View):
    """Detail weakened or exaggerated, then clipped to [0, 1].

    Detail is the difference between a pixel and its smoothed version, by a 3x3 filter of weights 1
    around a 5. Pixels on the image's edge are not smoothed, so they stay as they are. The same as
    Pillow's ``ImageEnhance.Sharpness``, without its rounding to 8 bits. An image of fewer than 3
    pixels a side is all edge, and stays as it is.

    Parameters
    ----------
    factor : float
        0 or above. 0 gives the smoothed image, 1 the image itself, more than 1 sharpens.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(f"factor must be 0 or above, got {factor}. 3 sharpens, 0.5 blurs.")

    def transform(self, images):
        """Add (factor - 1) times the detail, and clip."""
        if min(images.shape[1:3]) < 3:
            return images
        rows = images[:, :-2] + images[:, 1:-1] + images[:, 2:]
        block = rows[:, :, :-2] + rows[:, :, 1:-1] + rows[:, :, 2:]
        inner = images[:, 1:-1, 1:-1]
        detail = inner - (block + 4 * inner) / 13
        detail = ops.pad(detail, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return ops.clip(images + (self.factor - 1) * detail, 0, 1)


@_register
class Color(View):
    """Distances from grey multiplied, then clipped to [0, 1].

    The grey of a pixel is its luma, 0.299 red + 0.587 green + 0.114 blue. The same as Pillow's
    ``ImageEnhance.Color``, without its rounding to 8 bits. Images must have three channels.

    Parameters
    ----------
    factor : float
        0 or above. 0 gives a grey image, 1 the image itself, more than 1 stronger colours.
    """

    def __init__(self, factor: float, **kwargs):
        super().__init__({"factor": factor}, **kwargs)
        if factor < 0:
            raise ValueError(f"factor must be 0 or above, got {factor}. 2 colours more, 0.5 less.")

    def transform(self, images):
        """(x - grey) * factor + grey, clipped."""
        if images.shape[-1] != 3:
            raise ValueError(
                f"{self.name} needs images of 3 channels (red, green, blue), got "
                f"{images.shape[-1]}. Leave it out for other images."
            )
        red, green, blue = images[..., :1], images[..., 1:2], images[..., 2:]
        grey = 0.299 * red + 0.587 * green + 0.114 * blue
        return ops.clip(images * self.factor + grey * (1 - self.factor), 0, 1)


@_register
class Compose(View):
    """Views applied one after the other.

    Parameters
    ----------
    views : iterable of View
        At least one; the first is applied first. The default name joins theirs with dots:
        "shift_1_1.horizontal_flip".
    """

    def __init__(self, views: Iterable[View], *, name: str | None = None, **kwargs):
        views = _as_views(views)
        super().__init__(name=name or ".".join(view.name for view in views), **kwargs)
        self.views = views

    def transform(self, images):
        """Apply the views, left to right."""
        for view in self.views:
            images = view(images)
        return images

    def get_config(self):
        """Return what `from_config` needs, the views included."""
        views = [keras.saving.serialize_keras_object(view) for view in self.views]
        return {**super().get_config(), "views": views}

    @classmethod
    def from_config(cls, config):
        """Rebuild the views, then their composition."""
        views = [keras.saving.deserialize_keras_object(view) for view in config["views"]]
        return super().from_config({**config, "views": views})


def _as_views(views):
    if isinstance(views, View) or not isinstance(views, Iterable):
        raise ValueError(f"Expected a sequence of views, got {views!r}. Write (view,) for one.")
    views = tuple(views)
    if not views:
        raise ValueError("The set of views is empty. Name at least one, for example Identity().")
    for view in views:
        if not isinstance(view, View):
            hint = "Add () to build it." if isinstance(view, type) else "Use a View, or write one."
            raise ValueError(f"{view!r} is not a view. {hint}")
    return views


def check_views(
    views: Iterable[View], image_shape: tuple[int, int, int] = (32, 32, 3)
) -> tuple[View, ...]:
    """Return `views` as a tuple, or say what is wrong with them.

    Two views that coincide would silently count twice in every average: flips combined with
    quarter turns, for instance, name 16 views of which 8 are distinct. Hence every view is tried
    on one random image. On images that are not square, turns that leave much of the picture out are
    refused as well.

    Parameters
    ----------
    views : iterable of View
        The set.
    image_shape : tuple of int, default (32, 32, 3)
        Height, width and channels of the images to come.

    Returns
    -------
    tuple of View

    Raises
    ------
    ValueError
        If the set is empty, holds something that is not a `View`, uses a name twice, holds two
        views whose outputs differ nowhere by 1e-6 or more, or one that `check_turns` refuses.
    """
    views = _as_views(views)
    check_turns(views, image_shape)
    # Between 0.2 and 0.8: on an image that fills the range, stretching its contrast does nothing.
    probe = 0.2 + 0.6 * np.random.default_rng(0).random((1, *image_shape), dtype="float32")
    outputs = [ops.convert_to_numpy(view(probe)) for view in views]
    for (one, a), (other, b) in combinations(zip(views, outputs, strict=True), 2):
        if one.name == other.name:
            raise ValueError(f"Two views are called {one.name!r}. Drop one, or give it a name.")
        if np.abs(a - b).max() < 1e-6:
            raise ValueError(
                f"{one.name} and {other.name} give the same image at shape {image_shape}. "
                "Keep one of them: twins count twice in every average."
            )
    return views


def check_turns(views: Iterable[View], image_shape: tuple[int, int, int]) -> None:
    """Raise a ValueError for a rotation that turns a quarter or more of an image out of its frame.

    A quarter turn of a picture of 64 x 40 pixels shows 40 x 40 of them, and mirrored edges in place
    of the others. Square images lose at most their corners and are not looked at.
    """
    height, width = image_shape[:2]
    for view in views if height != width else ():
        if isinstance(view, Compose):
            check_turns(view.views, image_shape)
        if isinstance(view, Rotate) and (lost := view.lost(height, width)) >= LARGEST_LOSS:
            raise ValueError(
                f"{view.name} turns {lost:.0%} of an image of {height} x {width} pixels out of the "
                "frame. Leave it out, turn by less, or bring the images to a square first, by "
                "padding or cropping."
            )


_IDENTITY, _MIRROR = Identity(), HorizontalFlip()


def _mirrored(views):
    return tuple(Compose((view, _MIRROR)) for view in views)


FLIP = (_IDENTITY, _MIRROR)

# The six views of cifar10-airbench's `infer` at tta_level 2 (github.com/KellerJordan), which
# averages logits with these weights.
_DIAGONAL = (Shift(-1, -1), Shift(1, 1))
SHIFT_SIX = (*FLIP, *_DIAGONAL, *_mirrored(_DIAGONAL))
SHIFT_SIX_WEIGHTS = (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)

# Centre and corners of the image padded by 2 pixels a side, which suits 32 x 32.
FIVE_CROP = (_IDENTITY, *(Shift(dx, dy) for dy in (2, -2) for dx in (2, -2)))
TEN_CROP = (*FIVE_CROP, _MIRROR, *_mirrored(FIVE_CROP[1:]))

# The candidates of Kim, Kim and Kim, NeurIPS 2020 (arXiv 2010.11422), section 4: each alone.
TWELVE = (
    _IDENTITY,
    *(Rotate(-20), Rotate(20), Zoom(0.8), Zoom(1.2), Autocontrast()),
    *(Sharpness(0.2), Sharpness(0.5), Sharpness(3), Sharpness(4)),
    *(Color(0.5), Color(2)),
)
TWELVE_FLIP = (*TWELVE, *_mirrored(TWELVE))  # view k + 12 is view k, mirrored
