"""A Keras model with TTA inside, to predict with, save and load like any other."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.checks.models import image_symbol, input_struct, output_names
from tta_helpers.interface import Interface, interface
from tta_helpers.policies import normalised_weights
from tta_helpers.predict.forward import checked_endings, own
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View, check_views

SPACES = ("probabilities", "logits")
_SMALLEST = float(np.finfo(np.float32).tiny)


@keras.saving.register_keras_serializable(package="tta_helpers")
class AverageViews(keras.layers.Layer):
    """Average the predictions of several views: a list of (n, ...) to (n, ...).

    It computes in float32 whatever the global policy: rounded to half precision, averages tie. NaN,
    where a view does not show a pixel of a map, is left out of that pixel's average.

    Parameters
    ----------
    weights
        One non-negative number a view, summing to one.
    space
        "probabilities": the weighted mean. "logits": the mean of logits, turned into probabilities;
        for "softmax" that is the normalised weighted geometric mean.
    kind
        What the predictions are: "softmax", "logits", "sigmoid" or "raw". The average of logits is
        one of probabilities all the same.
    """

    def __init__(
        self,
        weights: Sequence[float],
        space: str = "probabilities",
        kind: str = "softmax",
        **options: Any,
    ):
        super().__init__(**{"dtype": "float32", **options})
        self.weights_of_views = [float(weight) for weight in weights]
        self.space, self.kind = space, kind

    def call(self, predictions: list) -> Any:
        """Return the average."""
        predictions = [self._averaged_as(ops.cast(p, "float32")) for p in predictions]
        average = self._mean(predictions)
        if self.space == "logits":
            return ops.sigmoid(average) if self.kind == "sigmoid" else ops.softmax(average)
        return average

    def _averaged_as(self, p: Any) -> Any:
        """Return predictions in the space that they are averaged in."""
        if self.kind == "raw" or (self.kind == "logits") == (self.space == "logits"):
            return p
        if self.kind == "logits":
            return ops.softmax(p)
        logs = ops.log(ops.maximum(p, _SMALLEST))
        return logs - ops.log(ops.maximum(1 - p, _SMALLEST)) if self.kind == "sigmoid" else logs

    def _mean(self, predictions: list) -> Any:
        pairs = list(zip(self.weights_of_views, predictions, strict=True))
        if len(predictions[0].shape) < 3:
            return sum(weight * p for weight, p in pairs)
        seen = [ops.logical_not(ops.isnan(p)) for p in predictions]
        known = [w * ops.where(s, p, 0.0) for s, (w, p) in zip(seen, pairs, strict=True)]
        return sum(known) / sum(
            w * ops.cast(s, "float32") for s, (w, _) in zip(seen, pairs, strict=True)
        )

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Return the shape of one prediction."""
        return input_shape[0]

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        own_config = {"weights": self.weights_of_views, "space": self.space, "kind": self.kind}
        return {**super().get_config(), **own_config}


@keras.saving.register_keras_serializable(package="tta_helpers")
class UndoView(keras.layers.Layer):
    """Turn maps that a model made of a view back onto the image: `view.undo` as a layer.

    Parameters
    ----------
    view
        The view.
    image_shape
        (height, width) of its images.
    """

    def __init__(self, view: View, image_shape: Sequence[int], **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.view, self.image_shape = view, tuple(image_shape)

    def call(self, maps: Any) -> Any:
        """Return the maps, turned back."""
        return self.view.undo(maps, self.image_shape)

    def get_config(self) -> dict:
        """Return what `from_config` needs."""
        view = keras.saving.serialize_keras_object(self.view)
        return {**super().get_config(), "view": view, "image_shape": self.image_shape}

    @classmethod
    def from_config(cls, config: dict) -> "UndoView":
        """Rebuild the view first."""
        view = keras.saving.deserialize_keras_object(config["view"])
        return cls(**{**config, "view": view})


@keras.saving.register_keras_serializable(package="tta_helpers")
class InRange(keras.layers.Layer):
    """Return predictions as they are, and NaN for images outside the declared range.

    A model that is served cannot raise an error, and would otherwise answer wrongly without a word.

    Parameters
    ----------
    value_range
        Black and white. From (0, 3) on, floats that never exceed 1 and are no whole numbers are
        outside: an image that was divided once too often.
    """

    def __init__(self, value_range: Sequence[float], **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.value_range = tuple(value_range)

    def call(self, images_and_predictions: list) -> Any:
        """Look at every value of an image."""
        images, predictions = images_and_predictions
        images = ops.cast(images, "float32")
        low, high = self.value_range
        slack = checks.TOLERANCE * (high - low)
        fits = ops.logical_and(images >= low - slack, images <= high + slack)  # not so for NaN
        fits = ops.all(fits, axis=(1, 2, 3))
        if low == 0 and high > 2:
            bright = ops.any(images > 1, axis=(1, 2, 3))
            whole = ops.all(images == ops.floor(images), axis=(1, 2, 3))
            fits = ops.logical_and(fits, ops.logical_or(bright, whole))
        fits = ops.reshape(fits, (-1, *(1 for _ in predictions.shape[1:])))
        return ops.where(fits, predictions, float("nan"))

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Return the predictions' shape."""
        return input_shape[1]

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "value_range": self.value_range}


def tta_model(
    model: keras.Model,
    views: Sequence[View],
    weights: Sequence[float] | None = None,
    space: str = "probabilities",
    *,
    outputs: str | Mapping[str | int, str] = "softmax",
    head: str | int | None = None,
    value_range: tuple[float, float] = (0, 1),
    preprocess: Callable | None = None,
    data_format: str = "channels_last",
    image_input: str | int | None = None,
    maps: bool | None = None,
    image_shape: tuple[int, int, int] | None = None,
) -> keras.Model:
    """Return a Keras model with TTA inside, to predict with, save and load like any other.

    It takes what `model` takes, behind `preprocess`, so it may stand in its place. An image that
    leaves the declared range by more than rounding is answered with NaN: a model that is served
    cannot raise an error. Loading the saved `.keras` file needs `import tta_helpers.predict` first,
    and nothing else.

    Parameters
    ----------
    model
        A model with a fixed image size.
    views
        The view layers; two that coincide are refused.
    weights
        One non-negative number a view; all alike if left out.
    space
        Average "probabilities" or "logits"; the two differ, so it is said. "raw" outputs have no
        logits.
    outputs, head, data_format, image_input, maps
        As `predict_views`' options. With a dictionary `outputs`, the model returned answers with a
        dictionary of heads.
    value_range
        The images that the model returned will be given, which is the range that `preprocess`, or
        else `model`, takes. For a model of [0, 1] that is to be served bytes:
        `value_range=(0, 255), preprocess=keras.layers.Rescaling(1 / 255)`.
    preprocess
        As `predict_views`'; it becomes a part of the model returned, so a function must be written
        with `keras.ops`.
    image_shape
        The shape of the images that the model returned will be given, axes in the declared order,
        where `preprocess` changes it; the model's own if left out.

    Raises
    ------
    ValueError
        For coinciding views, weights that do not fit the views, an unknown option, a function that
        no graph can hold, or a model whose outputs are not of their kind.
    """
    how = interface(outputs, head, value_range, preprocess, data_format, image_input, maps)
    if space not in SPACES:
        raise ValueError(f"space is {space!r}; average 'probabilities' or 'logits'.")
    if space == "logits" and any(kind == "raw" for _, kind in how.heads):
        raise ValueError("space is 'logits', and raw outputs have none; average them as they are.")
    endings = checked_endings(model, how)
    given = fixed_shape(model, how, image_shape)
    shape = how.image_shape(given)
    views = check_views(views, shape)
    weights = normalised_weights(weights, len(views))
    inputs, images = _new_inputs(model, how, given)
    seen = [_heads(model, how, own(view, shape), inputs, images, shape[:2]) for view in views]
    if "softmax" not in endings or len(endings) > 1:
        _check_kinds(model, how, endings, given)
    averages = {}
    for (name, kind), predictions in zip(how.heads, zip(*seen, strict=True), strict=True):
        if how.is_map(predictions[0].shape) and kind == "logits":
            kind = "softmax"  # before a map is turned back
        suffix = "views" if how.single else name
        average = AverageViews(weights.tolist(), space, kind, name=f"average_{suffix}")
        in_range = InRange(how.value_range, name=f"in_range_{suffix}")
        averages[name] = in_range([images, average(list(predictions))])
    answer = next(iter(averages.values())) if how.single else averages
    return keras.Model(inputs, answer, name=f"{model.name}_tta")


def _new_inputs(model: keras.Model, how: Interface, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """Return new inputs in a model's structure, and the images among them, of the given shape."""
    struct, images = input_struct(model), image_symbol(model, how)
    names = ["images"] if len(model.inputs) == 1 else [old.name for old in model.inputs]
    fresh = [
        keras.Input(shape if old is images else old.shape[1:], dtype=old.dtype, name=name)
        for old, name in zip(keras.tree.flatten(struct), names, strict=True)
    ]
    place = next(k for k, old in enumerate(keras.tree.flatten(struct)) if old is images)
    return keras.tree.pack_sequence_as(struct, fresh), fresh[place]


def _heads(
    model: keras.Model, how: Interface, view: View, inputs: Any, images: Any, size: Sequence[int]
) -> list:
    """Return the wanted outputs of the model behind a view, maps turned back, as symbols."""
    try:
        shown = how.shown(view(how.unit(images)))
    except Exception as error:
        if how.preprocess is None:
            raise
        raise ValueError(
            f"preprocess, {how.preprocess!r}, does not take the symbols that a model is built from "
            f"({type(error).__name__}). Write it with keras.ops, or give a layer such as "
            "keras.layers.Rescaling."
        ) from error
    flat = [shown if symbol is images else symbol for symbol in keras.tree.flatten(inputs)]
    found = how.selected(model(keras.tree.pack_sequence_as(inputs, flat)), output_names(model))
    return [
        _turned_back(output, kind, view, size) if how.is_map(output.shape, size) else output
        for output, (_, kind) in zip(found, how.heads, strict=True)
    ]


def _turned_back(output: Any, kind: str, view: View, size: Sequence[int]) -> Any:
    """Return maps as probabilities, turned back; maps of one value may come without their axis."""
    if kind == "logits":
        output = keras.layers.Softmax(dtype="float32")(output)
    if len(output.shape) == 3:
        flat = keras.layers.Reshape((*output.shape[1:], 1))(output)
        return keras.layers.Reshape(output.shape[1:])(UndoView(view, size)(flat))
    return UndoView(view, size)(output)


def _check_kinds(
    model: keras.Model, how: Interface, endings: Sequence[str], shape: tuple[int, ...]
) -> None:
    """Raise a ValueError if the outputs for random images are not of their kind."""
    if len(model.inputs) > 1:  # what else it takes is not known
        return
    low, high = how.value_range
    rng = np.random.default_rng(0)
    probe = low + (high - low) * rng.random((4, *shape), dtype="float32")
    try:
        probe = probe if how.preprocess is None else how.preprocess(ops.convert_to_tensor(probe))
        found = how.selected(model.predict_on_batch(probe), output_names(model))
    except Exception as error:
        raise ValueError(f"The model cannot be tried on random images: {error}") from error
    for output, (_, kind), last in zip(found, how.heads, endings, strict=True):
        checks.checked_outputs(ops.convert_to_numpy(output), kind, last)


def fixed_shape(
    model: keras.Model, how: Interface, image_shape: tuple[int, int, int] | None
) -> tuple[int, ...]:
    """Return the shape of the images to come, if it is known."""
    if not getattr(model, "inputs", None):
        raise ValueError(
            "The model is subclassed and does not tell the size of its images. Hand over "
            "keras.Sequential([keras.Input((height, width, channels)), model])."
        )
    if not isinstance(image_shape, list | tuple | None):
        raise ValueError(f"image_shape is {image_shape!r}; give three numbers, as (224, 224, 3).")
    shape = tuple(image_shape or image_symbol(model, how).shape[1:])
    if None in shape or len(shape) != 3:
        raise ValueError(
            f"The model takes images of shape {shape}; views need a fixed height and width. "
            "Build it with a keras.Input of the size that it will see."
        )
    return shape
