"""Predict every view once; everything after is arithmetic on the array that comes back."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tta_helpers import checks
from tta_helpers.forward import (
    WORTH_A_GRAPH,
    bfloat16_copy,
    checked_ending,
    own,
    predict_view,
    worth_a_graph,
)
from tta_helpers.policies import normalised_weights, softmax
from tta_helpers.progress import progress
from tta_helpers.quiet import keras, ops
from tta_helpers.views import View, check_views

__all__ = [
    "WORTH_A_GRAPH",
    "AverageViews",
    "generator_views",
    "predict_copies",
    "predict_views",
    "tta_model",
    "worth_a_graph",
]
PRECISIONS = ("float32", "bfloat16")
VALUE_RANGES = ((0, 1), (0, 255))


def predict_views(
    model: keras.Model,
    images: np.ndarray,
    views: Sequence[View],
    batch_size: int = 500,
    *,
    logits: bool = False,
    precision: str = "float32",
) -> np.ndarray:
    """Return the class probabilities of every view of every image.

    One batch of images is in memory at a time, and one view of it, so the memory needed beyond
    `images` and the result does not grow with either.

    Parameters
    ----------
    model
        A Keras classifier of images in [0, 1], output shape (n, classes). One that rescales images
        from 0..255 itself is refused, with how to hand it over.
    images
        Shape (n, height, width, channels): uint8 in 0..255, divided by 255 batch by batch, or
        floats in [0, 1]. A memory map is read in order.
    views
        The view layers; two that coincide are refused.
    batch_size
        Images a forward pass.
    logits
        Whether the model ends in logits, to be passed through a softmax.
    precision
        "float32" takes the model as it is. "bfloat16" runs a copy of it whose layers, but for the
        last, compute with 8 significant bits: another result, and faster only on a processor with
        instructions for it.

    Returns
    -------
    probs : float32 array of shape (views, n, classes)

    Raises
    ------
    ValueError
        For images of another shape or range, coinciding views, an unknown precision, or a model
        whose outputs are not probabilities, or no logits although `logits` is true.
    """
    last = checked_ending(model, logits)
    images = checks.checked_images(images)
    checks.check_size(model, images.shape[1:])
    views = check_views(views, images.shape[1:])
    checks.check_whole_number("batch_size", batch_size, "images")
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use one of {PRECISIONS}.")
    if precision == "bfloat16":
        weights, model = model.get_weights(), bfloat16_copy(model)
        model.set_weights(weights)  # they may have changed since the copy was made
    keep = worth_a_graph(model, len(images))
    probs = None  # how many classes there are, a subclassed model shows with its first outputs
    for start in progress(range(0, len(images), batch_size), desc=f"predict {len(views)} views"):
        batch = checks.checked_batch(images[start : start + batch_size])
        for k, view in enumerate(views):
            found = probabilities(predict_view(model, batch, view, keep=keep), logits, last)
            if probs is None:
                probs = np.empty((len(views), len(images), found.shape[1]), np.float32)
            probs[k, start : start + batch_size] = found
    return probs


def predict_copies(
    model: keras.Model,
    copies: Iterable[np.ndarray],
    batch_size: int = 500,
    *,
    logits: bool = False,
    value_range: tuple[float, float] | None = None,
) -> np.ndarray:
    """Return the class probabilities of copies made elsewhere, such as `generator_views`'.

    An image that has come before is not forwarded again: any number of random flips of an image
    cost two passes at most. Images are known again by a hash of 64 bits of their pixels.

    Parameters
    ----------
    model
        A Keras classifier, output shape (n, classes).
    copies
        Arrays of shape (n, height, width, channels), fed to the model as they are, one at a time.
    batch_size, logits
        As `predict_views`'.
    value_range
        The range of the network's images, if the first copy is to be held to it. Without it, only
        8-bit values for a network that does not rescale them, and the reverse, are refused.

    Returns
    -------
    probs : float32 array of shape (copies, n, classes)

    Raises
    ------
    ValueError
        For copies of another form or range, or outputs as `predict_views` refuses them.
    """
    last = checked_ending(model, logits, plain=False)
    checks.check_whole_number("batch_size", batch_size, "images")
    if isinstance(copies, keras.utils.PyDataset):
        raise ValueError("copies is an iterator without end; draw them with generator_views.")
    keys, found, waiting = [], {}, {}

    def forward() -> None:
        outputs = model.predict_on_batch(np.stack(list(waiting.values())))
        found.update(zip(waiting, probabilities(outputs, logits, last), strict=True))
        waiting.clear()

    for copy in map(checks.checked_copy, copies):
        if not keys:
            checks.check_size(model, copy.shape[1:])
            checks.check_copy_range(model, copy, value_range)
        keys.append([hash(image.tobytes()) for image in copy])
        for key, image in zip(keys[-1], copy, strict=True):
            if key not in found:
                waiting[key] = image.copy()  # the next copy may take its place
            if len(waiting) == batch_size:
                forward()
    if waiting:
        forward()
    if not keys:
        raise ValueError("There are no copies to predict; draw at least one.")
    return np.array([[found[key] for key in row] for row in keys], dtype=np.float32)


def generator_views(
    datagen: Any, images: np.ndarray, n_copies: int, seed: int = 0
) -> Iterator[np.ndarray]:
    """Yield random copies of the whole set, drawn by an ImageDataGenerator.

    `model.predict(datagen.flow(image), steps=7)` returns one prediction, for the iterator holds one
    batch; drawing the whole set again for every copy gives as many as were asked for. Each copy has
    a random stream of its own, so the first copies of a longer series are those of a shorter one.
    NumPy's global random state, which ImageDataGenerator seeds, is put back.

    Parameters
    ----------
    datagen
        An `ImageDataGenerator`, or anything with its `flow`. One with featurewise statistics must
        have seen `fit` on the training images.
    images
        Floats, shape (n, height, width, channels), in the range that `datagen` expects.
    n_copies
        How many copies, at least 1.
    seed
        Any non-negative integer.

    Yields
    ------
    float32 array of shape (n, height, width, channels), in the order of `images`

    Raises
    ------
    ValueError
        For a generator that works on another range than the images': brightness on [0, 1], a
        second division by 255, or copies that leave [0, 1] though nothing standardises them.
    """
    checks.check_whole_number("n_copies", n_copies, "copies")
    white = float(np.max(images))
    checks.check_generator(datagen, white)
    return _drawn_copies(datagen, images, n_copies, seed, white)


def _drawn_copies(
    datagen: Any, images: np.ndarray, n: int, seed: int, white: float
) -> Iterator[np.ndarray]:
    # Stream i is seeded from (seed, i): Keras seeds batch b of a flow with seed + b, so flows with
    # neighbouring seeds would repeat each other.
    for i in progress(range(n), desc=f"draw {n} copies"):
        stream = int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) >> 1
        state = np.random.get_state()  # noqa: NPY002 (it is the global state that flow() seeds)
        flow = datagen.flow(images, batch_size=len(images), shuffle=False, seed=stream)
        copy = next(flow)
        np.random.set_state(state)  # noqa: NPY002
        if i == 0:
            checks.check_drawn(datagen, white, copy)
        yield copy


@keras.saving.register_keras_serializable(package="tta_helpers")
class AverageViews(keras.layers.Layer):
    """Average the predictions of several views: a list of (n, classes) to (n, classes).

    It computes in float32 whatever the global policy: rounded to half precision, averages tie.

    Parameters
    ----------
    weights
        One non-negative number a view, summing to one.
    space
        "probabilities": the weighted mean. "logits": the normalised weighted geometric mean, which
        equals the softmax of the averaged logits.
    logits
        Whether the predictions are logits; the average is one of probabilities all the same.
    """

    def __init__(
        self,
        weights: Sequence[float],
        space: str = "probabilities",
        logits: bool = False,
        **options: Any,
    ):
        super().__init__(**{"dtype": "float32", **options})
        self.weights_of_views = [float(weight) for weight in weights]
        self.space, self.logits = space, logits

    def call(self, predictions: list) -> Any:
        """Return the average."""
        smallest = np.finfo(np.float32).tiny
        predictions = [ops.cast(p, "float32") for p in predictions]
        if self.space == "logits" and not self.logits:
            predictions = [ops.log(ops.maximum(p, smallest)) for p in predictions]
        elif self.space == "probabilities" and self.logits:
            predictions = [ops.softmax(p) for p in predictions]
        pairs = zip(self.weights_of_views, predictions, strict=True)
        average = sum(weight * p for weight, p in pairs)
        return ops.softmax(average) if self.space == "logits" else average

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Return (n, classes)."""
        return input_shape[0]

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        own = {"weights": self.weights_of_views, "space": self.space, "logits": self.logits}
        return {**super().get_config(), **own}


def tta_model(
    model: keras.Model,
    views: Sequence[View],
    weights: Sequence[float] | None = None,
    space: str = "probabilities",
    *,
    logits: bool = False,
    value_range: tuple[int, int] = (0, 1),
) -> keras.Model:
    """Return a Keras model with TTA inside, to predict with, save and load like any other.

    An image that leaves the declared range by more than rounding is answered with a row of NaN: a
    model that is served cannot raise an error, and would otherwise answer wrongly without a word.
    Loading the saved `.keras` file needs `import tta_helpers.predict` first, and nothing else.

    Parameters
    ----------
    model
        A classifier of images in [0, 1] with a fixed image size. One that rescales images from
        0..255 itself is refused, with how to hand it over.
    views
        The view layers; two that coincide are refused.
    weights
        One non-negative number a view; all alike if left out.
    space
        Average "probabilities" or "logits"; the two differ, so it is said.
    logits
        Whether `model` ends in logits. The model returned gives probabilities either way.
    value_range
        The images that the model returned will be given: (0, 1), or (0, 255) to have them divided
        by 255 inside, in front of the views.

    Raises
    ------
    ValueError
        For coinciding views, weights that do not fit the views, an unknown `space` or range, or a
        model whose outputs are not what `logits` says.
    """
    if space not in ("probabilities", "logits"):
        raise ValueError(f"space is {space!r}; average 'probabilities' or 'logits'.")
    if tuple(value_range) not in VALUE_RANGES:
        raise ValueError(f"value_range is {value_range}; declare one of {VALUE_RANGES}.")
    last = checked_ending(model, logits)
    shape = _fixed_shape(model)
    views = check_views(views, shape)
    weights = normalised_weights(weights, len(views))
    if last != "softmax":
        probe = np.random.default_rng(0).random((4, *shape), dtype="float32")
        probabilities(model.predict_on_batch(probe), logits, last)
    inputs = keras.Input(shape, name="images")
    images = inputs
    if value_range[1] == 255:
        images = keras.layers.Rescaling(1 / 255, dtype="float32", name="from_0_255")(inputs)
    predictions = [checks.one_output(model(own(view)(images))) for view in views]
    average = AverageViews(weights.tolist(), space, logits, name="average_views")(predictions)
    fits = checks.InRange(value_range, name="zero_in_range_else_nan")(inputs)
    outputs = keras.layers.Add(dtype="float32", name="checked_average")([average, fits])
    return keras.Model(inputs, outputs, name=f"{model.name}_tta")


def _fixed_shape(model: keras.Model) -> tuple[int, int, int]:
    """Return height, width and channels of a model's images, if it was built for one size."""
    if not getattr(model, "inputs", None):
        raise ValueError(
            "The model is subclassed and does not tell the size of its images. Hand over "
            "keras.Sequential([keras.Input((height, width, channels)), model])."
        )
    shape = tuple(model.inputs[0].shape[1:])
    if None in shape:
        raise ValueError(
            f"The model takes images of shape {shape}; views need a fixed height and width. "
            "Build it with a keras.Input of the size that it will see."
        )
    return shape


def probabilities(outputs: Any, logits: bool, last: str = "") -> np.ndarray:
    """Return a model's outputs as probabilities, float32, or say that they are none."""
    outputs = checks.checked_outputs(outputs, logits, last)
    return softmax(outputs) if logits else outputs
