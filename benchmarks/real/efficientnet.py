"""EfficientNet-lite0 in Keras, with weights that came from PyTorch's names and order of axes.

Tan and Le 2019 (arXiv 1905.11946), in the "lite" form of TensorFlow's repository tpu: no squeeze
and excitation, ReLU6 for swish, stem and head not scaled.
"""

from collections.abc import Mapping

import numpy as np

from tta_helpers.quiet import keras

# Kernel, stride, expansion, filters, repeats: the network's seven groups of blocks.
GROUPS = (
    *((3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3)),
    *((5, 1, 6, 112, 3), (5, 2, 6, 192, 4), (3, 1, 6, 320, 1)),
)
EPSILON = 1e-3  # of batch normalisation


def efficientnet_lite0(weights: Mapping[str, np.ndarray], size: int = 224) -> keras.Model:
    """Return the network: images (n, size, size, 3), (x - 127) / 128 of 0..255, to 1000 logits.

    Parameters
    ----------
    weights
        Arrays by PyTorch's names: `_conv_stem.weight`, `_blocks.0._bn1.running_var` and so on.
    size
        Height and width of the images.
    """
    images = keras.Input((size, size, 3))
    x = _normalised(_conv(images, "_conv_stem", 32, 3, 2), "_bn0", relu=True)
    number = 0
    for kernel, stride, expansion, filters, repeats in GROUPS:
        for repeat in range(repeats):
            x = _block(x, f"_blocks.{number}", kernel, 1 if repeat else stride, expansion, filters)
            number += 1
    x = _normalised(_conv(x, "_conv_head", 1280, 1), "_bn1", relu=True)
    x = keras.layers.GlobalAveragePooling2D()(x)
    logits = keras.layers.Dense(1000, name="_fc")(x)
    model = keras.Model(images, logits, name="efficientnet_lite0")
    _take_weights(model, weights)
    return model


def _block(x, name: str, kernel: int, stride: int, expansion: int, filters: int):
    """Expand, convolve each channel, project; add the input where the shapes are the same."""
    given, channels = x, x.shape[-1]
    if expansion != 1:
        x = _conv(x, f"{name}._expand_conv", expansion * channels, 1)
        x = _normalised(x, f"{name}._bn0", relu=True)
    x = keras.layers.DepthwiseConv2D(
        kernel, stride, padding="same", use_bias=False, name=f"{name}._depthwise_conv"
    )(x)
    x = _normalised(x, f"{name}._bn1", relu=True)
    x = _normalised(_conv(x, f"{name}._project_conv", filters, 1), f"{name}._bn2")
    return x + given if stride == 1 and channels == filters else x


def _conv(x, name: str, filters: int, kernel: int, stride: int = 1):
    return keras.layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(
        x
    )


def _normalised(x, name: str, relu: bool = False):
    x = keras.layers.BatchNormalization(epsilon=EPSILON, name=name)(x)
    return keras.layers.ReLU(max_value=6)(x) if relu else x


def _take_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Set every layer's weights, and see that every array was used."""
    left = {name for name in weights if not name.endswith(".num_batches_tracked")}
    for layer in model.layers:
        names = [f"{layer.name}.{part}" for part in _parts(layer)]
        if names:
            layer.set_weights([_in_keras_order(layer, weights[name]) for name in names])
            left -= set(names)
    if left:
        raise ValueError(f"the network has no place for {', '.join(sorted(left)[:5])}.")


def _parts(layer: keras.Layer) -> tuple[str, ...]:
    if isinstance(layer, keras.layers.BatchNormalization):
        return "weight", "bias", "running_mean", "running_var"
    if isinstance(layer, keras.layers.Dense):
        return "weight", "bias"
    return ("weight",) if layer.weights else ()


def _in_keras_order(layer: keras.Layer, array: np.ndarray) -> np.ndarray:
    """Return an array with its axes as Keras has them."""
    if array.ndim == 4:  # PyTorch: outputs, inputs, rows, columns
        depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
        return array.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return array.T if array.ndim == 2 else array
