"""What a model's first layers do to its images, read from the graph: the scale that they expect."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tta_helpers.quiet import keras, ops
from tta_helpers.views import View


def check_scale(model: keras.Model, value_range: tuple[float, float], images: Any = None) -> None:
    """Raise a ValueError if a model's first layers cannot be meant for images of this range.

    Through them, black and white come out gain * (white - black) apart, and gain * x + offset is
    zero at the mean of the images. Apart by almost nothing, or a mean far beyond white, are images
    of another scale; so is a mean within a fiftieth of black, as [0, 1] has beside 255.

    Parameters
    ----------
    model, value_range
        The model, and black and white as it will get them.
    images
        The symbol of the images among several inputs; the first input if left out.
    """
    _check_served(model, value_range)
    found = leading_scale(model, images)
    if found is None:
        return
    (gain, offset), (black, white) = found, value_range
    spread, mean = abs(gain) * (white - black), (-offset / gain - black) / (white - black)
    if spread >= 1 / 20 and mean <= 2 and not (offset and 0 < mean < 1 / 50):
        return
    wanted = white_level(model, images)
    raise ValueError(
        f"The model's first layers are for images in 0..{wanted}, and value_range is ({black:g}, "
        f"{white:g}): it would see views as nearly {'black' if spread < 1 else 'white'}. Pass "
        f"value_range=(0, {wanted}); 8-bit images are brought to it, floats must lie in it."
    )


def _check_served(model: keras.Model, value_range: tuple[float, float]) -> None:
    """Raise a ValueError for a `tta_model` of another range, which would answer with NaN."""
    for layer in model.layers:
        if type(layer).__name__ == "InRange" and tuple(layer.value_range) != tuple(value_range):
            low, high = layer.value_range
            raise ValueError(
                f"The model has TTA inside, for images in ({low:g}, {high:g}). Pass "
                f"value_range=({low:g}, {high:g})."
            )


def white_level(model: keras.Model, images: Any = None) -> int:
    """Return which value is white for the layers that a model begins with: 1, 255 or 65535.

    Rescaling, Normalization and arithmetic with constants, one after the other, are x -> gain * x +
    offset. Networks want numbers around one: a gain well below that undoes a larger scale, and so
    does a mean beyond [0, 1]. A model that begins with none of these is taken to want [0, 1].
    """
    found = leading_scale(model, images)
    if found is None:
        return 1
    gain, offset = found
    if abs(gain) >= 1 / 20 and -offset / gain <= 2:
        return 1
    return 255 if abs(gain) > 1 / 1000 else 65535


def leading_scale(model: keras.Model, images: Any = None) -> tuple[float, float] | None:
    """Return gain and offset of what a model does to its images first; None if it does nothing.

    `images` is their symbol among several inputs.
    """
    gain, offset, found = 1.0, 0.0, False
    for operation, arguments in _first_operations(model, images):
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


def _first_operations(model: Any, tensor: Any = None) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Yield a model's operations and their arguments from the images on, nested models opened."""
    if isinstance(model, keras.Sequential):
        for layer in model.layers:
            yield from _opened(layer, ())
    elif getattr(model, "inputs", None):
        tensor = model.inputs[0] if tensor is None else tensor
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
        if type(operation).__name__ != "InRange":
            for node in operation._inbound_nodes:
                if any(taken is tensor for taken in node.input_tensors):
                    return operation, node
    return None, None
