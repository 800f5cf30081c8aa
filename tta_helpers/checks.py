"""What views, models and images must be like, and what to do where they are not.

Every function here returns something usable or raises an error that names the value and the way
out. They stand in the order of a prediction: images, model, outputs, copies made elsewhere.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tta_helpers.quiet import keras, ops
from tta_helpers.views import View

TOLERANCE = 1e-5  # how far rounding may carry a view's output beyond [0, 1]
PROBABILITIES_SUM = 1e-2  # how far a row may sum from one: sums of bfloat16 are 0.4 % out
STANDARDISING = (
    "featurewise_center",
    "featurewise_std_normalization",
    "samplewise_center",
    "samplewise_std_normalization",
    "zca_whitening",
    "preprocessing_function",
)


def check_whole_number(name: str, value: Any, of: str) -> None:
    """Raise a ValueError unless `value` is a whole number of at least 1; NumPy's count too."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} is {value!r}; give a whole number of {of}, 1 or more.")


# ---------------------------------------------------------------- images


def checked_images(images: Any) -> np.ndarray:
    """Return `images` as one array of uint8 or floats, (n, height, width, channels)."""
    images = _as_array(images)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images has shape {images.shape}; give (n, height, width, channels), n at least 1. "
            + ("Grey images need images[..., None]." if _grey(images) else _SINGLE)
        )
    if _channels_first(images.shape[1:]):
        raise ValueError(f"images of shape {images.shape} {_turn(images.shape[1:])}")
    if images.dtype != np.uint8 and not np.issubdtype(images.dtype, np.floating):
        raise ValueError(
            f"images are {images.dtype}; give uint8 in 0..255 or floats in [0, 1]. {_cast(images)}"
        )
    return images


_SINGLE = "A single image needs images[None]."


def _grey(images: np.ndarray) -> bool:
    return images.ndim == 3 and images.shape[-1] > 4


def _as_array(images: Any) -> np.ndarray:
    if isinstance(images, np.ndarray):
        return images
    kind = type(images).__name__
    if isinstance(images, str | os.PathLike):
        raise ValueError(
            f"images is the name {os.fspath(images)!r}; give the pictures themselves. "
            "data.load_dataset reads a folder with one folder a class."
        )
    if not isinstance(images, list | tuple) and not hasattr(images, "__array__"):
        raise ValueError(f"images is a {kind}; give one array of all images: {_batches(images)}")
    try:
        return np.asanyarray(images)
    except ValueError as error:
        raise ValueError(
            f"images is a {kind} of arrays of the shapes {[np.shape(i) for i in images[:3]]}; give "
            "one array of pictures of one size. Of a batch (images, labels), pass the first part."
        ) from error


def _batches(images: Any) -> str:
    """Return how to get arrays out of a stream of batches, images and labels in one order."""
    if isinstance(images, keras.utils.PyDataset):
        name, batches = "iterator", "(iterator[i] for i in range(len(iterator)))"
    else:
        name, batches = "dataset", "dataset.as_numpy_iterator()"
    alone = name == "dataset" and not isinstance(getattr(images, "element_spec", ()), tuple)
    if alone:
        return f"np.concatenate(list({batches}))."
    return f"images, labels = map(np.concatenate, zip(*{batches})), with your {name}."


def _cast(images: np.ndarray) -> str:
    """Return the cast that keeps the values of images that are neither uint8 nor floats."""
    if images.dtype == bool or not np.issubdtype(images.dtype, np.integer):
        return "images.astype('float32') makes True 1 and False 0."
    low, high = images.min(), images.max()
    if low < 0 or high > 255:
        return (
            f"They run from {low} to {high}: divide them by the largest value that the camera or "
            "the format knows, such as 65535 for 16 bits."
        )
    return f"They run from {low} to {high}: if 255 is white, images.astype('uint8') keeps them."


def _channels_first(shape: Sequence[int | None]) -> bool:
    """Whether a (rows, columns, channels) of an image can only be meant the other way round."""
    if len(shape) != 3 or None in shape:
        return False
    return shape[0] in (1, 3, 4) and min(shape[1:]) >= 8


def _turn(shape: Sequence[int]) -> str:
    channels, height, width = shape
    return (
        "have their channels first; views take (n, height, width, channels). Turn the images with "
        "images.transpose(0, 2, 3, 1), and a network that takes channels first with "
        f"keras.Sequential([keras.Input(({height}, {width}, {channels})), "
        "keras.layers.Permute((3, 1, 2)), model])."
    )


def checked_batch(batch: np.ndarray) -> np.ndarray:
    """Return a batch of uint8 images as it is, any other as float32 in [0, 1]."""
    if batch.dtype == np.uint8:
        return batch
    low, high = batch.min(), batch.max()
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise ValueError(f"images run from {low} to {high}; {_range_advice(batch, low, high)}")
    batch = batch.astype(np.float32, copy=False)
    return batch if low >= 0 and high <= 1 else np.clip(batch, 0, 1)


def _range_advice(batch: np.ndarray, low: float, high: float) -> str:
    """Return what to do with floats from `low` to `high`, which do not lie in [0, 1]."""
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = ~np.isfinite(batch).all(axis=(1, 2, 3))
        return (
            f"{broken.sum()} of these {len(batch)} hold NaN or infinity. Mend them, or drop them: "
            "images[np.isfinite(images).all(axis=(1, 2, 3))]."
        )
    if low >= -0.25 and high <= 1.25:
        return (
            "views work on floats in [0, 1]. A little beyond is what resizing leaves: "
            "images.clip(0, 1)."
        )
    if low >= 0 and high <= 255:
        return (
            "views work on floats in [0, 1]. If 255 is white: Divide by 255, or pass uint8 images, "
            "which are divided here."
        )
    shape = tuple(batch.shape[1:])
    if low >= -1 and high <= 1:
        return (
            "views work on floats in [0, 1]. For a network that takes -1..1, give "
            f"(images + 1) / 2 and keras.Sequential([keras.Input({shape}), "
            "keras.layers.Rescaling(2, offset=-1), model])."
        )
    if low >= 0:
        return "views work on floats in [0, 1]. Divide by the value that stands for white."
    return (
        "views work on plain pixels, floats in [0, 1]; these look standardised. Give the plain "
        f"ones, and the network as keras.Sequential([keras.Input({shape}), "
        "keras.layers.Normalization(mean=..., variance=...), model]), with the statistics of "
        "pixels in [0, 1]."
    )


@keras.saving.register_keras_serializable(package="tta_helpers")
class InRange(keras.layers.Layer):
    """Return 0 for an image in the declared range and NaN for any other: (n, h, w, c) to (n, 1).

    Added to a prediction, it leaves the answers to images in range alone and makes every other
    answer NaN: a model that is served cannot raise an error.

    Parameters
    ----------
    value_range
        Black and white, (0, 1) or (0, 255). With (0, 255), floats that never exceed 1 and are no
        whole numbers are outside: an image that was divided by 255 once too often.
    """

    def __init__(self, value_range: Sequence[float], **options: Any):
        super().__init__(**{"dtype": "float32", **options})
        self.value_range = tuple(value_range)

    def call(self, images: Any) -> Any:
        """Look at every value of an image."""
        low, high = self.value_range
        slack = TOLERANCE * (high - low)
        fits = ops.logical_and(images >= low - slack, images <= high + slack)  # not so for NaN
        fits = ops.all(fits, axis=(1, 2, 3))
        if high > 1:
            bright = ops.any(images > 1, axis=(1, 2, 3))
            whole = ops.all(images == ops.floor(images), axis=(1, 2, 3))
            fits = ops.logical_and(fits, ops.logical_or(bright, whole))
        return ops.where(fits, 0.0, float("nan"))[:, None]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        """Return (n, 1)."""
        return (input_shape[0], 1)

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "value_range": self.value_range}


# ---------------------------------------------------------------- model


def check_model(model: Any, *, logits: bool, plain: bool = True) -> None:
    """Raise a ValueError unless a model's build is one that views can be averaged for.

    Parameters
    ----------
    model
        A Keras model. Of a subclassed one, only its outputs can be judged, by `checked_outputs`.
    logits
        Whether its outputs are said to be logits.
    plain
        Whether it will be fed views, floats in [0, 1]; copies made elsewhere are fed as they are.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"model is a {type(model).__name__}; give a keras.Model.")
    inputs, outputs = getattr(model, "inputs", None), getattr(model, "outputs", None)
    if inputs and outputs:
        if len(inputs) > 1:
            raise ValueError(
                f"The model takes {len(inputs)} inputs; views are for models of images alone. Fix "
                "the others in a keras.Model that has only the images as its input."
            )
        one_output(outputs)
    if plain:  # first, for advice that follows is for models of images in [0, 1]
        _check_channels(model, inputs)
        _check_scale(model)
    if inputs and outputs:
        _check_width(outputs[0].shape, tuple(inputs[0].shape[1:]))
        _check_ending(ending(model), outputs[0].shape[-1], logits)


def check_size(model: keras.Model, shape: tuple[int, ...]) -> None:
    """Raise a ValueError if the model takes images of another (height, width, channels)."""
    wanted = tuple(model.inputs[0].shape[1:]) if getattr(model, "inputs", None) else shape
    fits = len(wanted) == len(shape)
    if not fits or any(w not in (None, s) for w, s in zip(wanted, shape, strict=True)):
        raise ValueError(
            f"images are of (height, width, channels) {tuple(shape)} and the model takes {wanted}. "
            "Bring the images to its size first, or fit a model on theirs."
        )


def one_output(outputs: Any) -> Any:
    """Return the one output, also out of a list or dictionary of one."""
    flat = keras.tree.flatten(outputs)
    if len(flat) != 1:
        raise ValueError(
            f"The model has {len(flat)} outputs; views are averaged for one at a time. Take one "
            "with keras.Model(model.inputs, model.outputs[0])."
        )
    return flat[0]


def _check_width(shape: Sequence[int | None], images: Any = "shape") -> None:
    if len(shape) != 2:
        raise ValueError(
            f"The model answers with arrays of shape {tuple(shape[1:])} an image; a classifier "
            "answers with one row, (n, classes). Maps, such as masks, would have to be turned back "
            "before they are averaged, which is not done here."
        )
    if shape[-1] == 1:
        raise ValueError(
            "The model answers with one number an image: a sigmoid or a regression. A sigmoid "
            f"becomes two classes, 0 and 1, with x = keras.Input({images}); p = model(x); model = "
            "keras.Model(x, keras.ops.concatenate([1 - p, p], axis=-1)); one logit with "
            "p = keras.ops.sigmoid(model(x)). A regression has no classes: average its "
            "predictions over the views yourself."
        )


def _check_ending(last: str, n_classes: int, logits: bool) -> None:
    if last in ("sigmoid", "hard_sigmoid"):
        raise ValueError(
            f"The model ends in {n_classes} sigmoids, one for each label, which need not sum to "
            "one; policies and metrics here are for one class an image. Sigmoids are no logits "
            "either. Average the predictions over the views yourself."
        )
    if logits and last == "softmax":
        raise ValueError(
            "The model ends in a softmax: its outputs are probabilities, no logits. Leave out "
            "logits=True, which would flatten them."
        )


def ending(model: Any) -> str:
    """Return the name of the activation or operation that a model ends in, "" if unknown.

    A "linear" activation that only changes the precision is passed through.
    """
    tensor = model.outputs[0] if getattr(model, "outputs", None) else None
    while tensor is not None:
        operation, index, _ = getattr(tensor, "_keras_history", (None, 0, 0))
        if isinstance(operation, keras.Model):
            return ending(operation)
        if isinstance(operation, keras.layers.Activation) and _activation(operation) == "linear":
            tensor = operation._inbound_nodes[index].input_tensors[0]
            continue
        return _activation(operation)
    return ""


def _activation(operation: Any) -> str:
    activation = getattr(operation, "activation", None)
    return getattr(activation, "__name__", None) or type(operation).__name__.lower()


def _check_channels(model: keras.Model, inputs: Any) -> None:
    shape = tuple(inputs[0].shape[1:]) if inputs else ()
    if _channels_first(shape):
        raise ValueError(f"The model's images {_turn(shape)}")
    parts = [*model._flatten_layers(include_self=False), *getattr(model, "operations", ())]
    kinds = {type(part).__name__ for part in parts}
    if kinds & {"Permute", "Transpose"}:  # it turns the images itself
        return
    for part in parts:
        if getattr(part, "data_format", None) != "channels_first" or len(shape) != 3:
            continue
        if shape[0] in (1, 3, 4):
            raise ValueError(f"The model's images {_turn(shape)}")
        raise ValueError(
            f"{part.name} of the model takes the first of {shape} for the channels; views are for "
            "channels last. Build the model with data_format='channels_last', or after "
            "keras.config.set_image_data_format('channels_last')."
        )


def _check_scale(model: keras.Model) -> None:
    white = white_level(model)
    if white == 1:
        return
    shape = tuple(model.inputs[0].shape[1:]) if getattr(model, "inputs", None) else "shape"
    raise ValueError(
        f"The model's first layers rescale images from 0..{white}, but views are floats in "
        "[0, 1], which it would see as nearly black. Hand over keras.Sequential("
        f"[keras.Input({shape}), keras.layers.Rescaling({white}), model]) instead."
    )


def white_level(model: keras.Model) -> int:
    """Return which value is white for the layers that a model begins with: 1, 255 or 65535.

    Rescaling, Normalization and arithmetic with constants, one after the other, are x -> gain * x +
    offset. Networks want numbers around one: a gain well below that undoes a larger scale, and so
    does a mean beyond [0, 1]. A model that begins with none of these is taken to want [0, 1].
    """
    found = leading_scale(model)
    if found is None:
        return 1
    gain, offset = found
    if abs(gain) >= 1 / 20 and -offset / gain <= 2:
        return 1
    return 255 if abs(gain) > 1 / 1000 else 65535


def leading_scale(model: keras.Model) -> tuple[float, float] | None:
    """Return gain and offset of what a model does to its images first; None if it does nothing."""
    gain, offset, found = 1.0, 0.0, False
    for operation, arguments in _first_operations(model):
        if _keeps_values(operation):
            continue
        step = _affine(operation, arguments)
        if step is None:
            break
        found, gain, offset = True, gain * step[0], offset * step[0] + step[1]
    return (gain, offset) if found and gain else None


def _keeps_values(operation: Any) -> bool:
    kind = type(operation).__name__
    moves = ("InputLayer", "Identity", "Dropout", "Permute", "Reshape", "Resizing", "CenterCrop")
    moves += ("ZeroPadding2D", "Cropping2D", "GetItem", "Stack", "Flip", "Transpose", "Cast")
    return isinstance(operation, View) or kind.startswith("Random") or kind in moves


def _affine(operation: Any, arguments: Sequence[Any]) -> tuple[float, float] | None:
    """Return (a, b) of an operation x -> a * x + b, over the channels' mean; None for others."""
    if isinstance(operation, keras.layers.Rescaling):
        return float(np.mean(operation.scale)), float(np.mean(operation.offset))
    if isinstance(operation, keras.layers.Normalization):
        if getattr(operation, "mean", None) is None:
            return 1.0, 0.0
        mean = ops.convert_to_numpy(operation.mean)
        deviation = np.maximum(np.sqrt(ops.convert_to_numpy(operation.variance)), 1e-7)
        if operation.invert:
            return float(deviation.mean()), float(mean.mean())
        return float((1 / deviation).mean()), float((-mean / deviation).mean())
    return _arithmetic(type(operation).__name__, arguments)


def _arithmetic(kind: str, arguments: Sequence[Any]) -> tuple[float, float] | None:
    """Return (a, b) of `x / 127.5`, `x - 1` and their like, as functions of the kind of model."""
    tensors = [isinstance(argument, keras.KerasTensor) for argument in arguments]
    if len(tensors) != 2 or tensors != [True, False]:
        return None
    number = float(np.mean(ops.convert_to_numpy(arguments[1])))
    if kind in ("TrueDivide", "Divide"):
        return 1 / number, 0.0
    return {"Multiply": (number, 0.0), "Add": (1.0, number), "Subtract": (1.0, -number)}.get(kind)


def _first_operations(model: Any) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Yield a model's operations and their arguments from the images on, nested models opened."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _opened(layer, ())
    elif getattr(model, "inputs", None):
        tensor = model.inputs[0]
        while tensor is not None:
            operation, node = _next(model, tensor)
            if operation is not None:
                yield from _opened(operation, node.arguments.args)
            tensor = node.output_tensors[0] if node else None
    else:  # subclassed: in what order is not known, but these stand first wherever they stand
        kinds = keras.layers.Rescaling, keras.layers.Normalization
        yield from ((layer, ()) for layer in model.layers if isinstance(layer, kinds))


def _opened(operation: Any, arguments: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    if isinstance(operation, keras.Model):
        yield from _first_operations(operation)
    else:
        yield operation, arguments


def _next(model: keras.Model, tensor: Any) -> tuple[Any, Any]:
    """Return the first operation of a graph that takes a tensor, and its node."""
    for operation in model.operations:
        if not isinstance(operation, InRange):
            for node in operation._inbound_nodes:
                if any(taken is tensor for taken in node.input_tensors):
                    return operation, node
    return None, None


# ---------------------------------------------------------------- outputs


def checked_outputs(outputs: Any, logits: bool, last: str) -> np.ndarray:
    """Return a model's outputs as float32, or say that they are no probabilities or no logits.

    Parameters
    ----------
    outputs
        What the model returned for a batch, (n, classes).
    logits
        Whether they are said to be logits.
    last
        The model's `ending`, as far as it is known.
    """
    outputs = np.asarray(one_output(outputs), np.float32)
    _check_width(outputs.shape)
    low, high = outputs.min(), outputs.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        broken = ~np.isfinite(outputs).all(axis=1)
        raise ValueError(
            f"The model's outputs hold NaN or infinity for {broken.sum()} of {len(outputs)} "
            "images. Look for such values in its weights and in the images."
        )
    sums = outputs.sum(axis=-1)
    if logits:
        if low >= 0 and high <= 1 and last != "linear":
            raise ValueError(
                f"The model's outputs run from {low:.3g} to {high:.3g}: probabilities or sigmoids, "
                "hardly logits. Leave out logits=True for probabilities. If they are logits all "
                "the same, hand over keras.Sequential([keras.Input(shape), model, "
                "keras.layers.Softmax()]) without logits=True."
            )
    elif not (low >= 0 and np.abs(sums - 1).max() < PROBABILITIES_SUM):
        raise ValueError(
            f"The model's outputs run from {low:.3g} to {high:.3g} and their rows sum to "
            f"{sums.min():.3g} to {sums.max():.3g}, not to one. " + _kinds(outputs, low, high)
        )
    return outputs


def _kinds(outputs: np.ndarray, low: float, high: float) -> str:
    if low >= 0 and high <= 1:
        return (
            "They may be sigmoids, one for each label: policies and metrics here are for one class "
            "an image, and sigmoids are no logits."
        )
    return (
        f"If they are the logits of {outputs.shape[1]} classes, of which an image has one, pass "
        "logits=True. Regressions, boxes and embeddings are not for this package."
    )


def check_scores(scores: np.ndarray) -> None:
    """Raise a ValueError if a loss predictor's scores are not numbers."""
    broken = ~np.isfinite(scores.sum(axis=1))
    if broken.any():
        raise ValueError(
            f"The predictor's scores are NaN or infinite for {broken.sum()} of {len(scores)} "
            "images: they choose no view. Its fit has come apart; fit it with a lower learning "
            "rate."
        )


# ---------------------------------------------------------------- copies made elsewhere


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
