"""TensorFlow Lite models of a few kinds of layers as Keras models.

The format is the FlatBuffer schema in TensorFlow's tensorflow/compiler/mlir/lite/schema/schema.fbs;
numbers of fields and of operators below are those there. Weights are floats of 16 or 32 bits.
"""

import struct
from collections.abc import Callable

import numpy as np

from benchmarks.real.flatbuffer import Table
from tta_helpers.quiet import keras, ops

TYPES = {0: "<f4", 1: "<f2", 2: "<i4"}
PADDING = ("same", "valid")
DEQUANTIZE = 6
ACTIVATIONS = {0: lambda x: x, 1: ops.relu, 3: ops.relu6}
TRANSPOSED = "Convolution2DTransposeBias"  # MediaPipe's own operator


def read_model(content: bytes) -> keras.Model:
    """Return a model of one input and one output, as Keras builds it for any number of images.

    Raises
    ------
    ValueError
        If it is no TensorFlow Lite file, or has operators that are not known here.
    """
    if content[4:8] != b"TFL3":
        raise ValueError(f"no TensorFlow Lite file: it is marked {content[4:8]!r}, not b'TFL3'.")
    root = Table(content)
    codes = [_code(table) for table in root.tables(1)]
    buffers, (graph,) = root.tables(4), root.tables(2)
    tensors = [_constant(tensor, buffers) for tensor in graph.tables(0)]
    (first,), (last,) = graph.array(1), graph.array(2)
    images = keras.Input(tuple(int(n) for n in graph.tables(0)[first].array(0)[1:]))
    tensors[first] = images
    for operator in graph.tables(3):
        code = codes[operator.number(0)]
        (result,) = operator.array(2)
        given = [tensors[k] for k in operator.array(1)]
        tensors[result] = _layer(code)(operator, *given)
    return keras.Model(images, tensors[last], name="tflite")


def _code(table: Table) -> int | str:
    """Return an operator's number, or its name where it is a custom one."""
    return table.text(1) or max(table.number(3), table.number(0, "<b"))


def _constant(tensor: Table, buffers: list[Table]) -> np.ndarray | None:
    """Return a tensor's values as they are stored; None if they are computed."""
    data = buffers[tensor.number(2, "<I")].array(0, "u1")
    if not len(data):
        return None
    return data.view(TYPES[tensor.number(1, "<b")]).reshape(tensor.array(0))


def _layer(code: int | str) -> Callable:
    if code not in LAYERS:
        raise ValueError(f"operator {code!r} is none of those known here: {list(LAYERS)}.")
    return LAYERS[code]


def _set(layer: keras.Layer, x, *weights: np.ndarray):
    """Call a layer and give it its weights."""
    result = layer(x)
    layer.set_weights([np.asarray(array, "float32") for array in weights])
    return result


def _conv(operator: Table, x, kernel: np.ndarray, bias: np.ndarray):
    """Convolve; the kernel is stored as (outputs, rows, columns, inputs)."""
    how = operator.table(4)
    layer = keras.layers.Conv2D(
        len(kernel), kernel.shape[1:3], _strides(how), PADDING[how.number(0, "<b")]
    )
    x = _set(layer, x, kernel.transpose(1, 2, 3, 0), bias)
    return _activated(x, how.number(3, "<b"))


def _depthwise(operator: Table, x, kernel: np.ndarray, bias: np.ndarray):
    """Convolve each channel; the kernel is stored as (1, rows, columns, channels)."""
    how = operator.table(4)
    layer = keras.layers.DepthwiseConv2D(
        kernel.shape[1:3], _strides(how), padding=PADDING[how.number(0, "<b")]
    )
    x = _set(layer, x, kernel.transpose(1, 2, 3, 0), bias)
    return _activated(x, how.number(4, "<b"))


def _strides(how: Table) -> tuple[int, int]:
    """Return a convolution's strides, rows first."""
    return how.number(2), how.number(1)


def _transposed(operator: Table, x, kernel: np.ndarray, bias: np.ndarray):
    """Convolve backwards; padding and strides lie in the operator's own options as integers."""
    _, columns, rows = struct.unpack_from("<3i", operator.array(5, "u1").tobytes())
    if (rows, columns) != kernel.shape[1:3]:
        raise ValueError(f"a kernel {kernel.shape} with strides {rows}, {columns} overlaps.")
    layer = keras.layers.Conv2DTranspose(len(kernel), kernel.shape[1:3], (rows, columns))
    return _set(layer, x, kernel.transpose(1, 2, 0, 3), bias)


def _pooled(operator: Table, x):
    """Average over the whole image, the only pooling that is known here."""
    how = operator.table(4)
    if (how.number(4), how.number(3)) != tuple(x.shape[1:3]):
        raise ValueError(f"pooling over {how.number(4)} x {how.number(3)} of {x.shape[1:3]}.")
    return keras.layers.GlobalAveragePooling2D(keepdims=True)(x)


def _resized(operator: Table, x, size: np.ndarray):
    """Enlarge bilinearly, pixels' centres at halves."""
    how = operator.table(4)
    if how.number(2, "<b") or not how.number(3, "<b"):
        raise ValueError("resizing is known with half-pixel centres only.")
    factors = size // np.array(x.shape[1:3])
    return keras.layers.UpSampling2D(tuple(map(int, factors)), interpolation="bilinear")(x)


def _activated(x, number: int):
    """Apply the activation that is a part of another operator."""
    if number not in ACTIVATIONS:
        raise ValueError(f"activation {number} within an operator is none of {list(ACTIVATIONS)}.")
    return ACTIVATIONS[number](x)


def _joined(function: Callable) -> Callable:
    """Return an operator of two arrays, with the activation that is a part of it."""

    def join(operator: Table, a, b):
        how = operator.table(4)
        return _activated(function(a, b), how.number(0, "<b") if how else 0)

    return join


def _plain(function: Callable) -> Callable:
    """Return an operator without options that count."""
    return lambda operator, *given: function(*given)


LAYERS: dict[int | str, Callable] = {
    0: _joined(lambda a, b: a + b),
    1: _pooled,
    3: _conv,
    4: _depthwise,
    DEQUANTIZE: _plain(lambda stored: stored),  # to 32 bits, which layers do by themselves
    14: _plain(ops.sigmoid),
    18: _joined(lambda a, b: a * b),
    19: _plain(ops.relu),
    23: _resized,
    117: _plain(ops.hard_swish),
    TRANSPOSED: _transposed,
}
