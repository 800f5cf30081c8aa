"""Predict every view once; everything after is arithmetic on the array that comes back."""

import functools
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from tta_helpers.policies import normalised_weights, softmax
from tta_helpers.progress import progress
from tta_helpers.views import View, check_views

WORTH_A_GRAPH = 4000  # images that a model predicts, in one call or in several
PRECISIONS = ("float32", "bfloat16")

_predicted: weakref.WeakKeyDictionary[keras.Model, int] = weakref.WeakKeyDictionary()


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
        A Keras classifier of images in [0, 1], output shape (n, classes).
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
        whose outputs are not probabilities although `logits` is false.
    """
    images = checked_images(images)
    views = check_views(views, images.shape[1:])
    check_batch_size(batch_size)
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}; use one of {PRECISIONS}.")
    if precision == "bfloat16":
        weights, model = model.get_weights(), _bfloat16_copy(model)
        model.set_weights(weights)  # they may have changed since the copy was made
    keep = worth_a_graph(model, len(images))
    probs = np.empty((len(views), len(images), model.output_shape[-1]), dtype=np.float32)
    for start in progress(range(0, len(images), batch_size), desc=f"predict {len(views)} views"):
        batch = checked_batch(images[start : start + batch_size])
        for row, view in zip(probs, views, strict=True):
            outputs = predict_view(model, batch, view, keep=keep)
            row[start : start + batch_size] = probabilities(outputs, logits)
    return probs


def predict_copies(
    model: keras.Model,
    copies: Iterable[np.ndarray],
    batch_size: int = 500,
    *,
    logits: bool = False,
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

    Returns
    -------
    probs : float32 array of shape (copies, n, classes)
    """
    check_batch_size(batch_size)
    keys, found, waiting = [], {}, {}

    def forward() -> None:
        outputs = model.predict_on_batch(np.stack(list(waiting.values())))
        found.update(zip(waiting, probabilities(outputs, logits), strict=True))
        waiting.clear()

    for copy in copies:
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
    """
    if isinstance(n_copies, bool) or not isinstance(n_copies, int) or n_copies < 1:
        raise ValueError(f"n_copies is {n_copies!r}; draw a whole number of copies, at least 1.")
    return _drawn_copies(datagen, images, n_copies, seed)


def _drawn_copies(datagen: Any, images: np.ndarray, n: int, seed: int) -> Iterator[np.ndarray]:
    # Stream i is seeded from (seed, i): Keras seeds batch b of a flow with seed + b, so flows with
    # neighbouring seeds would repeat each other.
    for i in progress(range(n), desc=f"draw {n} copies"):
        stream = int(np.random.SeedSequence([seed, i]).generate_state(1)[0]) >> 1
        state = np.random.get_state()  # noqa: NPY002 (it is the global state that flow() seeds)
        flow = datagen.flow(images, batch_size=len(images), shuffle=False, seed=stream)
        copy = next(flow)
        np.random.set_state(state)  # noqa: NPY002
        yield copy


@keras.saving.register_keras_serializable(package="tta_helpers")
class AverageViews(keras.layers.Layer):
    """Average the predictions of several views: a list of (n, classes) to (n, classes).

    Parameters
    ----------
    weights
        One non-negative number a view, summing to one.
    space
        "probabilities": the weighted mean. "logits": the normalised weighted geometric mean, which
        equals the softmax of the averaged logits.
    """

    def __init__(self, weights: Sequence[float], space: str = "probabilities", **options: Any):
        super().__init__(**options)
        self.weights_of_views = [float(weight) for weight in weights]
        self.space = space

    def call(self, predictions: list) -> Any:
        """Return the average."""
        smallest = np.finfo(np.float32).tiny
        if self.space == "logits":
            predictions = [ops.log(ops.maximum(p, smallest)) for p in predictions]
        pairs = zip(self.weights_of_views, predictions, strict=True)
        average = sum(weight * p for weight, p in pairs)
        return ops.softmax(average) if self.space == "logits" else average

    def compute_output_shape(self, input_shape: list) -> tuple:
        """Return (n, classes)."""
        return input_shape[0]

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "weights": self.weights_of_views, "space": self.space}


def tta_model(
    model: keras.Model,
    views: Sequence[View],
    weights: Sequence[float] | None = None,
    space: str = "probabilities",
) -> keras.Model:
    """Return a Keras model with TTA inside, to predict with, save and load like any other.

    Loading the saved `.keras` file needs `import tta_helpers.predict` first, and nothing else.

    Parameters
    ----------
    model
        A classifier of images in [0, 1] that ends in a softmax, with a fixed image size.
    views
        The view layers; two that coincide are refused.
    weights
        One non-negative number a view; all alike if left out.
    space
        Average "probabilities" or "logits"; the two differ, so it is said.

    Raises
    ------
    ValueError
        For coinciding views, weights that do not fit the views, or an unknown `space`.
    """
    if space not in ("probabilities", "logits"):
        raise ValueError(f"space is {space!r}; average 'probabilities' or 'logits'.")
    shape = tuple(model.input_shape[1:])
    if None in shape:
        raise ValueError(
            f"The model takes images of shape {shape}; views need a fixed height and width. "
            "Build it with a keras.Input of the size that it will see."
        )
    views = check_views(views, shape)
    weights = normalised_weights(weights, len(views))
    inputs = keras.Input(shape, name="images")
    predictions = [model(view(inputs)) for view in views]
    outputs = AverageViews(weights.tolist(), space, name="average_views")(predictions)
    return keras.Model(inputs, outputs, name=f"{model.name}_tta")


def checked_images(images: np.ndarray) -> np.ndarray:
    """Return `images` as an array of the form that `predict_views` takes, or say what is wrong."""
    images = np.asanyarray(images)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images has shape {images.shape}; give (n, height, width, channels), n at least 1. "
            "A single image needs images[None]."
        )
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(f"images are {images.dtype}; give uint8 in 0..255 or floats in [0, 1].")
    return images


def check_batch_size(batch_size: int) -> None:
    """Raise a ValueError unless `batch_size` is a whole number of at least 1."""
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise ValueError(f"batch_size is {batch_size!r}; give a whole number of images, 1 or more.")


def checked_batch(batch: np.ndarray) -> np.ndarray:
    """Return a batch of uint8 images as it is, any other as float32 in [0, 1]."""
    if batch.dtype == np.uint8:
        return batch
    low, high = batch.min(), batch.max()
    if not (low >= 0 and high <= 1):
        raise ValueError(
            f"images run from {low} to {high}; views work on floats in [0, 1]. Divide by 255, or "
            "pass uint8 images, which are divided here."
        )
    return batch.astype(np.float32, copy=False)


def worth_a_graph(model: keras.Model, n_images: int) -> bool:
    """Count `n_images` more that the model predicts; return whether a graph with views pays."""
    _predicted[model] = _predicted.get(model, 0) + n_images
    return _predicted[model] >= WORTH_A_GRAPH


def predict_view(model: keras.Model, batch: np.ndarray, view: View, *, keep: bool) -> np.ndarray:
    """Return the model's outputs for one view of a batch that `checked_batch` has passed.

    One by one, a view's operations cost up to half as much as the network of notebook 01, each with
    an array of its own; in one graph with the model it is about a tenth. Building a graph takes a
    tenth of a second or two, the saving on some thousand images: `keep`, from `worth_a_graph`, says
    whether that pays.
    """
    if keep:
        return _graph(model, view, batch.shape[1:], batch.dtype.name).predict_on_batch(batch)
    return model.predict_on_batch(view(_unit(ops.convert_to_tensor(batch))))


@functools.lru_cache(maxsize=64)
def _graph(model: keras.Model, view: View, shape: tuple[int, ...], dtype: str) -> keras.Model:
    """Return the model behind a view, from images of `dtype`, as one graph."""
    inputs = keras.Input(shape, dtype=dtype)
    return keras.Model(inputs, model(_own(view)(_unit(inputs))))


def predict_mixed(
    model: keras.Model, batch: np.ndarray, views: Sequence[View], choice: np.ndarray, *, keep: bool
) -> np.ndarray:
    """Return the model's outputs for one view of each image, in the order of the images.

    The images are grouped by view, every view sees its group, and the network sees all groups
    together: twelve passes over small groups would take a seventh longer than one.

    Parameters
    ----------
    model, batch, keep
        As `predict_view`'s.
    views
        The candidates.
    choice
        The number of each image's view, shape (n,).
    """
    if (choice == choice[0]).all():  # for a single image, empty groups take half a pass
        return predict_view(model, batch, views[choice[0]], keep=keep)
    order = np.argsort(choice, kind="stable")
    ends = np.cumsum(np.bincount(choice, minlength=len(views)))
    groups = np.split(batch[order], ends[:-1])
    if keep and keras.backend.backend() != "jax":  # it would compile for every mixture of sizes
        graph = _mixed_graph(model, tuple(views), batch.shape[1:], batch.dtype.name)
        outputs = graph.predict_on_batch(groups)
    else:
        pairs = [(view, group) for view, group in zip(views, groups, strict=True) if len(group)]
        seen = [view(_unit(ops.convert_to_tensor(group))) for view, group in pairs]
        outputs = model.predict_on_batch(ops.concatenate(seen))
    in_order = np.empty_like(outputs)
    in_order[order] = outputs
    return in_order


@functools.lru_cache(maxsize=8)
def _mixed_graph(
    model: keras.Model, views: tuple[View, ...], shape: tuple[int, ...], dtype: str
) -> keras.Model:
    """Return the model behind all views, from one group of images a view, as one graph."""
    inputs = [keras.Input(shape, dtype=dtype) for _ in views]
    seen = [_own(view)(_unit(group)) for view, group in zip(views, inputs, strict=True)]
    return keras.Model(inputs, model(ops.concatenate(seen)))


def _own(view: View) -> View:
    """Return a copy of a view for one graph; a shared one would remember every model."""
    return type(view).from_config(view.get_config())


@functools.lru_cache(maxsize=8)
def _bfloat16_copy(model: keras.Model) -> keras.Model:
    """Return the model with layers that compute in bfloat16, but for the last: probabilities."""

    def lowered(layer: keras.Layer) -> keras.Layer:
        dtype = {} if layer is model.layers[-1] else {"dtype": "mixed_bfloat16"}
        return type(layer).from_config({**layer.get_config(), **dtype})

    return keras.models.clone_model(model, clone_function=lowered, recursive=True)


def _unit(images: Any) -> Any:
    """Return images as float32 in [0, 1]."""
    is_8_bit = keras.backend.standardize_dtype(images.dtype) == "uint8"
    return ops.cast(images, "float32") / 255 if is_8_bit else images


def probabilities(outputs: np.ndarray, logits: bool) -> np.ndarray:
    """Return a model's outputs as probabilities, or say that they are none."""
    if logits:
        return softmax(outputs)
    sums = outputs.sum(axis=-1)
    if not (outputs.min() >= 0 and np.abs(sums - 1).max() < 1e-2):
        raise ValueError(
            f"The model's outputs run from {outputs.min():.3g} to {outputs.max():.3g} and do not "
            "sum to one. If it ends in logits, pass logits=True."
        )
    return outputs
