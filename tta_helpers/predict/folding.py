"""Batch normalisation folded into its neighbours, for a network that is only to predict."""

from collections import Counter
from typing import Any

import numpy as np

from tta_helpers.quiet import keras

_LINEAR = (keras.layers.Conv2D, keras.layers.Dense)


@keras.saving.register_keras_serializable(package="tta_helpers")
class ScaleShift(keras.layers.Layer):
    """Each channel, the last axis, multiplied by a number and shifted by another."""

    def build(self, input_shape: tuple) -> None:
        """Make the numbers, which training leaves as they are."""
        shape = (input_shape[-1],)
        self.scale = self.add_weight(shape, "ones", trainable=False, name="scale")
        self.shift = self.add_weight(shape, "zeros", trainable=False, name="shift")

    def call(self, inputs: Any) -> Any:
        """Multiply and add."""
        return inputs * self.scale + self.shift


def folded(model: keras.Model) -> keras.Model:
    """Return a copy of a network that predicts the same with less batch normalisation.

    Normalisation scales and shifts each channel, so right after a convolution or dense layer
    without activation it goes into that layer's weights. Right before a maximum pooling it commutes
    with it if all its scales are positive, and has a quarter of the values behind it. What is left
    becomes one multiplication and one addition.

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
    norms = [layer.name for layer in functional.layers if _is_norm(layer)]
    if not norms:
        return model
    into, behind = _to_fold(functional)
    gone = {norm.name for norm in into.values()} | {norm.name for norm in behind.values()}
    copies = {}

    def copy(layer: keras.Layer) -> keras.Layer:
        biased = {"use_bias": True} if layer.name in into else {}
        if layer.name in norms:
            copies[layer.name] = ScaleShift(name=layer.name)
        else:
            copies[layer.name] = type(layer).from_config({**layer.get_config(), **biased})
        return copies[layer.name]

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        if layer.name in gone:
            return arguments[0]
        if isinstance(layer, ScaleShift):
            return layer(*arguments)  # without the options of a normalisation
        found = layer(*arguments, **options)
        return copies[behind[layer.name].name](found) if layer.name in behind else found

    clone = keras.models.clone_model(functional, clone_function=copy, call_function=call)
    for layer in functional.layers:
        if layer.name in into:
            copies[layer.name].set_weights(_scaled(layer, into[layer.name]))
        elif layer.name in copies and copies[layer.name].weights:
            as_it_is = layer.name not in norms
            weights = layer.get_weights() if as_it_is else _scale_and_shift(layer)
            copies[layer.name].set_weights(weights)
    return clone


def _functional(model: keras.Model) -> keras.Model | None:
    """Return a model as a functional one of the same layers, None if it has no graph."""
    if not getattr(model, "inputs", None):
        return None
    if type(model) is keras.Sequential:
        return keras.Model(model.inputs, model.outputs, name=model.name)
    return model if type(model).__name__ == "Functional" else None


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
        if not _is_norm(norm) or calls[id(norm)] > 1:
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


def _is_norm(layer: Any) -> bool:
    """Whether a layer normalises batches, channel by channel of the last axis, in float32."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.axis in (-1, len(layer.output.shape) - 1)
        and layer.dtype_policy.name == "float32"
    )


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
