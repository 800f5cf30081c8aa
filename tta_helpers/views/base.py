"""What every view is: a Keras layer without weights that checks its images."""

import math
import numbers
import re

import numpy as np

from tta_helpers.quiet import keras

register = keras.saving.register_keras_serializable(package="tta_helpers")


@register
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

    def inverse(self) -> "View":
        """Return the view that moves every pixel back."""
        raise NotImplementedError(f"{type(self).__name__} does not define inverse().")

    def undo(self, maps, image_shape=None):
        """Turn what a model answered for this view's pixels back onto the image itself.

        Parameters
        ----------
        maps
            Floats, shape (n, rows, columns, values), such as class probabilities of every pixel.
        image_shape
            (height, width) of the images that the view took, where the maps have another size: a
            map of half the size is shifted by half as many pixels.

        Returns
        -------
        Tensor of the maps' shape. Where this view left a pixel out of its frame, all its values are
        NaN, for the view says nothing of it.

        Raises
        ------
        NotImplementedError
            If the view does not say: left as they are, maps of a view that moves pixels are wrong.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not say where it moves pixels, so maps that a model made "
            "of it cannot be turned back. If it moves none, derive it from views.Photometric; else "
            "define undo(maps, image_shape)."
        )

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


class Photometric(View):
    """Base class of views that change values and leave every pixel where it is."""

    def inverse(self):
        """Return the identity: no pixel was moved."""
        return Identity()

    def undo(self, maps, image_shape=None):
        """Return the maps, which lie on the image as they are."""
        return maps


@register
class Identity(Photometric):
    """The image itself."""

    def transform(self, images):
        """Return the images."""
        return images
