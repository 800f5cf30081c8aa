"""Batch normalisation folded into its neighbours, for a network that is only to predict."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tta_helpers.quiet import keras, ops


@keras.saving.register_keras_serializable(package="tta_helpers")
class ScaleShift(keras.layers.Layer):
    """Each channel, the last axis, multiplied by a number if `scaled`, and shifted by another."""

    def __init__(self, scaled: bool = True, **options: Any):
        super().__init__(**options)
        self.scaled = scaled

    def build(self, input_shape: tuple) -> None:
        """Make the numbers, which training leaves as they are."""
        shape = (input_shape[-1],)
        if self.scaled:
            self.scale = self.add_weight(shape, "ones", trainable=False, name="scale")
        self.shift = self.add_weight(shape, "zeros", trainable=False, name="shift")

    def call(self, inputs: Any) -> Any:
        """Multiply and add."""
        return (inputs * self.scale if self.scaled else inputs) + self.shift

    def get_config(self) -> dict:
        """Return what `__init__` needs."""
        return {**super().get_config(), "scaled": self.scaled}


@keras.saving.register_keras_serializable(package="tta_helpers")
class PositionsDense(keras.layers.Dense):
    """A dense layer over the last of several axes, as one matrix product.

    `Dense` finds out at every call which axes to bring together: on a small batch of images that
    takes as long as the product.
    """

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        """Bring all positions of all images together, and apart again."""
        rows = super().call(ops.reshape(inputs, (-1, inputs.shape[-1])), training=training)
        return ops.reshape(rows, (-1, *inputs.shape[1:-1], self.units))


def folded(model: keras.Model) -> keras.Model:
    """Return a copy of a network that predicts the same with less batch normalisation.

    Normalisation scales and shifts each channel. So right after a convolution or dense layer
    without activation it goes into that layer's weights, and so it does right before a dense layer,
    flattened or not. Right before a maximum pooling it commutes with it if all its scales are
    positive, and has a quarter of the values behind it; and positive scales right behind a ReLU go
    through it, into the weights before it. What is left becomes one multiplication, or none, and
    one addition. Dense layers that are applied at many positions become one matrix product.

    Parameters
    ----------
    model
        A functional or sequential model of one input of fixed size. Of any other the model itself
        is returned, and so it is if there is nothing to fold, or a layer cannot be copied.

    Returns
    -------
    keras.Model
        With weights of its own, as they are now: further training of `model` does not reach it.
    """
    functional = _functional(model)
    if functional is None or not any(_is_norm(x) or _at_positions(x) for x in functional.layers):
        return model
    try:
        copy = _copied(functional, _plan(functional))
        return copy if _agree(model, copy) else model
    except (TypeError, ValueError, NotImplementedError):  # a layer that its config does not build
        return model


def _functional(model: keras.Model) -> keras.Model | None:
    """Return a model as a functional one of the same layers, None if it has no such graph."""
    inputs = getattr(model, "inputs", None) or ()
    if len(inputs) != 1 or None in inputs[0].shape[1:]:
        return None
    if type(model) is keras.Sequential:
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    return model if type(model).__name__ == "Functional" else None


@dataclass
class _Plan:
    """Which normalisations go where, by the names of the layers that take them."""

    after: dict[str, keras.Layer] = field(default_factory=dict)  # into the layer before
    before: dict[str, keras.Layer] = field(default_factory=dict)  # into the dense layer after
    behind: dict[str, keras.Layer] = field(default_factory=dict)  # from before a pooling
    scale: dict[str, keras.Layer] = field(default_factory=dict)  # its scale alone, through a ReLU

    @property
    def gone(self) -> set[str]:
        """Return the names of the normalisations that leave their place."""
        return {n.name for part in (self.after, self.before, self.behind) for n in part.values()}

    @property
    def changed(self) -> set[str]:
        """Return the names of the layers whose weights change."""
        return self.after.keys() | self.before.keys() | self.scale.keys()


def _plan(model: keras.Model) -> _Plan:
    """Return what to fold in a functional model."""
    nodes = [node for level in model._nodes_by_depth.values() for node in level]
    uses = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    uses.update(id(tensor) for tensor in model.outputs)
    calls = Counter(id(node.operation) for node in nodes)
    followers = {id(tensor): node for node in nodes for tensor in node.input_tensors}

    def only_follower(node: Any) -> Any:
        """Return the node of the one layer, called once, that takes what this one gives."""
        after = followers.get(id(node.outputs[0]))
        alone = after and uses[id(node.outputs[0])] == 1 and calls[id(after.operation)] == 1
        return after if alone else None

    plan = _Plan()
    for node in nodes:
        norm = node.operation
        if not _is_norm(norm) or calls[id(norm)] > 1:
            continue
        (given,) = node.input_tensors
        before = given._keras_history.operation
        alone = uses[id(given)] == 1 and calls[id(before)] == 1
        activation = before.activation if alone and _is_weighted_sum(before) else None
        if activation is keras.activations.linear:
            plan.after[before.name] = norm
            continue
        place, after = node, only_follower(node)
        positive = (_scale_and_shift(norm)[0] > 0).all()
        if after and _is_pooling(after.operation) and positive:
            plan.behind[after.operation.name] = norm
            place, after = after, only_follower(after)
        if after and isinstance(after.operation, keras.layers.Flatten):
            after = only_follower(after)
        if after and _is_weighted_sum(after.operation) and len(after.outputs[0].shape) == 2:
            plan.before[after.operation.name] = norm
            plan.behind.pop(place.operation.name, None)
        elif activation is keras.activations.relu and positive:
            plan.scale[before.name] = norm
    return plan


def _copied(model: keras.Model, plan: _Plan) -> keras.Model:
    """Return a copy of a functional model, folded as planned."""
    copies, gone = {}, plan.gone

    def copy(layer: keras.Layer) -> keras.Layer:
        if _is_norm(layer):
            copies[layer.name] = ScaleShift(layer not in plan.scale.values(), name=layer.name)
        else:
            config = layer.get_config()
            if layer.name in plan.changed:
                config["use_bias"] = True
            kind = PositionsDense if _at_positions(layer) else type(layer)
            copies[layer.name] = kind.from_config(config)
        return copies[layer.name]

    def call(layer: keras.Layer, *arguments: Any, **options: Any) -> Any:
        if layer.name in gone:
            return arguments[0]
        if isinstance(layer, ScaleShift):
            return layer(*arguments)  # without the options of a normalisation
        found = layer(*arguments, **options)
        moved = plan.behind.get(layer.name)
        return copies[moved.name](found) if moved else found

    clone = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        if layer.name in copies and copies[layer.name].weights:
            copies[layer.name].set_weights(_weights(layer, plan))
    return clone


def _weights(layer: keras.Layer, plan: _Plan) -> list[np.ndarray]:
    """Return the weights of a layer's copy."""
    if _is_norm(layer):
        scale, shift = _scale_and_shift(layer)
        return [shift] if layer in plan.scale.values() else [scale, shift]
    if layer.name not in plan.changed:
        return layer.get_weights()
    kernel, *bias = layer.get_weights()
    bias = bias[0] if bias else np.zeros(kernel.shape[-1])
    if norm := plan.before.get(layer.name):  # flattened, the channels come again at every position
        scale, shift = (np.resize(part, len(kernel)) for part in _scale_and_shift(norm))
        kernel, bias = scale[:, None] * kernel, bias + shift @ kernel
    if norm := plan.after.get(layer.name):
        scale, shift = _scale_and_shift(norm)
        kernel, bias = kernel * scale, bias * scale + shift
    if norm := plan.scale.get(layer.name):
        kernel, bias = (part * _scale_and_shift(norm)[0] for part in (kernel, bias))
    return [kernel, bias]


def _agree(model: keras.Model, copy: keras.Model) -> bool:
    """Return whether two networks say the same of two random images."""
    images = np.random.default_rng(0).random((2, *model.inputs[0].shape[1:]), np.float32)
    for found, expected in zip(
        *(keras.tree.flatten(network(images, training=False)) for network in (copy, model)),
        strict=True,
    ):
        found, expected = map(ops.convert_to_numpy, (found, expected))
        if not np.allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()):
            return False
    return True


def _is_norm(layer: Any) -> bool:
    """Whether a layer normalises batches, channel by channel of the last axis, in float32."""
    return (
        type(layer) is keras.layers.BatchNormalization
        and layer.axis in (-1, layer.input_spec.ndim - 1)
        and layer.dtype_policy.name == "float32"
    )


def _is_weighted_sum(layer: Any) -> bool:
    """Whether a layer multiplies by a kernel, channels last, in float32 and not quantized."""
    return (
        type(layer) in (keras.layers.Conv2D, keras.layers.Dense)
        and getattr(layer, "data_format", "channels_last") == "channels_last"
        and layer.dtype_policy.name == "float32"
    )


def _at_positions(layer: Any) -> bool:
    """Whether a dense layer has axes between the first and the last, all of known size."""
    if type(layer) is not keras.layers.Dense or not _is_weighted_sum(layer):
        return False
    shapes = [node.input_tensors[0].shape for node in layer._inbound_nodes]
    return all(len(shape) > 2 and None not in shape[1:] for shape in shapes)


def _is_pooling(layer: Any) -> bool:
    return isinstance(layer, keras.layers.MaxPooling2D) and layer.data_format == "channels_last"


def _scale_and_shift(norm: keras.Layer) -> tuple[np.ndarray, np.ndarray]:
    """Return what a trained normalisation multiplies each channel by, and what it then adds."""
    values = {weight.name: ops.convert_to_numpy(weight) for weight in norm.weights}
    deviation = np.sqrt(values["moving_variance"] + norm.epsilon)
    scale = values.get("gamma", 1) / deviation
    return scale, values.get("beta", 0) - scale * values["moving_mean"]
