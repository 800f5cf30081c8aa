"""Batch normalisation folded into its neighbours, for a network that is only to predict."""

from collections import Counter
from typing import Any

import numpy as np

from tta_helpers.quiet import keras

_LINEAR = (keras.layers.Conv2D, keras.layers.Dense)


def folded(model: keras.Model) -> keras.Model:
    """Return a copy of a network that predicts the same with less batch normalisation.

    Normalisation scales and shifts each channel, so right after a convolution or dense layer
    without activation it goes into that layer's weights. Right before a maximum pooling it commutes
    with it if all its scales are positive, and has a quarter of the values behind it.

    Parameters
    ----------
    model
        A functional or sequential model. Of any other the model itself is returned, and so it is if
        there is nothing to fold.

    Returns
    -------
    keras.Model
        With weights of its own, as they are now: further training of `model` does not reach it.
    """
    functional = _functional(model)
    if functional is None:
        return model
    into, behind = _to_fold(functional)
    if not into and not behind:
        return model
    gone = {norm.name for norm in into.values()} | {norm.name for norm in behind.values()}
    copies = {}

    def copy(layer: keras.Layer) -> keras.Layer:
        biased = {"use_bias": True} if layer.name in into else {}
        copies[layer.name] = type(layer).from_config({**layer.get_config(), **biased})
        return copies[layer.name]

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        if layer.name in gone:
            return arguments[0]
        found = layer(*arguments, **options)
        return copies[behind[layer.name].name](found) if layer.name in behind else found

    clone = keras.models.clone_model(functional, clone_function=copy, call_function=call)
    for layer in functional.layers:
        if layer.name in into:
            copies[layer.name].set_weights(_scaled(layer, into[layer.name]))
        elif layer.name in copies and copies[layer.name].weights:
            copies[layer.name].set_weights(layer.get_weights())
    return clone


def _functional(model: keras.Model) -> keras.Model | None:
    """Return a model as a functional one of the same layers, None if it has no graph."""
    if type(model) not in (keras.Model, keras.Sequential) and not _is_functional(model):
        return None
    if not getattr(model, "inputs", None):
        return None
    if isinstance(model, keras.Sequential):
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model


def _is_functional(model: keras.Model) -> bool:
    return type(model).__name__ == "Functional"


def _to_fold(model: keras.Model) -> tuple[dict, dict]:
    """Return the normalisations to fold: by the layer before them, and by the pooling after."""
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    uses.update(id(tensor) for tensor in model.outputs)
    calls = Counter(id(node.operation) for node in nodes)
    followers = {id(tensor): node.operation for node in nodes for tensor in node.input_tensors}
    into, behind = {}, {}
    for node in nodes:
        norm = node.operation
        if not isinstance(norm, keras.layers.BatchNormalization) or calls[id(norm)] > 1:
            continue
        if norm.axis not in (-1, len(node.outputs[0].shape) - 1):
            continue
        (given,), (result,) = node.input_tensors, node.outputs
        before, after = given._keras_history.operation, followers.get(id(result))
        if _is_linear(before) and uses[id(given)] == 1 and calls[id(before)] == 1:
            into[before.name] = norm
        elif (
            isinstance(after, keras.layers.MaxPooling2D)
            and after.data_format == "channels_last"
            and uses[id(result)] == 1
            and calls[id(after)] == 1
            and (_scale_and_shift(norm)[0] > 0).all()
        ):
            behind[after.name] = norm
    return into, behind


def _is_linear(layer: Any) -> bool:
    """Whether a layer ends in a weighted sum, channels last, in float32 and not quantized."""
    return (
        type(layer) in _LINEAR
        and layer.activation is keras.activations.linear
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and layer.dtype_policy.name == "float32"
    )


def _scale_and_shift(norm: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return what a trained normalisation multiplies each channel by, and what it then adds."""
    values = {weight.name: keras.ops.convert_to_numpy(weight) for weight in norm.weights}
    deviation = np.sqrt(values["moving_variance"] + norm.epsilon)
    scale = values.get("gamma", 1) / deviation
    return scale, values.get("beta", 0) - scale * values["moving_mean"]


def _scaled(layer: keras.Layer, norm: keras.Layer) -> list[np.ndarray]:
    """Return a layer's kernel and bias with the normalisation after it inside."""
    scale, shift = _scale_and_shift(norm)
    kernel, *bias = layer.get_weights()
    return [kernel * scale, (bias[0] if bias else 0) * scale + shift]
