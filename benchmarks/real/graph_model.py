"""TensorFlow.js graph models of a few kinds of operations as Keras models.

Such a model is a JSON file and files of weights. The JSON holds a TensorFlow graph, whose constants
are named but not filled, and a list of where each constant lies in the weights, mostly in fewer
bits than it had. Names of operations and of their attributes are TensorFlow's.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from graphlib import TopologicalSorter
from typing import Any

import numpy as np

from tta_helpers.quiet import keras, ops

STORED = ("float16", "float32", "int32", "uint8", "uint16")  # how numbers may lie in the weights


def read_model(description: bytes, weights: bytes, outputs: Sequence[str]) -> keras.Model:
    """Return the model of a graph with one input, as Keras builds it for any number of images.

    Parameters
    ----------
    description
        The JSON file.
    weights
        The files of weights that it names, one behind the other.
    outputs
        Names of nodes whose values the model is to return; what only others need is left out.

    Raises
    ------
    ValueError
        If it is no graph model, has operations that are not known here, or the weights are not as
        long as they should be.
    """
    held = json.loads(description)
    if held.get("format") != "graph-model":
        raise ValueError(f"no TensorFlow.js graph model: its format is {held.get('format')!r}.")
    nodes = {node["name"]: node for node in held["modelTopology"]["node"]}
    constants = read_weights(held["weightsManifest"], weights)
    values, images = {}, None
    for name in _in_order(nodes, outputs):
        node = nodes[name]
        if node["op"] == "Const":
            values[name] = constants[name]
        elif node["op"] == "Placeholder":
            images = values[name] = keras.Input(_shape(node)[1:])
        else:
            given = [values[other] for other in node["input"]]
            values[name] = _operation(node)(node, *given)
    return keras.Model(images, [values[name] for name in outputs], name="graph_model")


def read_weights(manifest: Sequence[Mapping[str, Any]], content: bytes) -> dict[str, np.ndarray]:
    """Return the constants by name, in the precision that they are computed with.

    Raises
    ------
    ValueError
        If the content is not as long as the manifest says, or holds numbers of another kind.
    """
    found, start = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        packed = entry.get("quantization", {})
        kind = packed.get("dtype", entry["dtype"])
        if kind not in STORED:
            raise ValueError(f"{entry['name']} is stored as {kind}, which is none of {STORED}.")
        stored, n = np.dtype(kind).newbyteorder("<"), int(np.prod(entry["shape"]))
        end = start + n * stored.itemsize
        if end > len(content):
            raise ValueError(f"the weights end within {entry['name']}: {len(content):,} bytes.")
        numbers = np.frombuffer(content, stored, n, start).astype(entry["dtype"])
        if "scale" in packed:
            numbers = numbers * np.float32(packed["scale"]) + np.float32(packed["min"])
        found[entry["name"]] = numbers.reshape(entry["shape"])
        start = end
    if start != len(content):
        raise ValueError(f"the weights hold {len(content):,} bytes, and {start:,} are described.")
    return found


def _in_order(nodes: Mapping[str, Mapping], outputs: Sequence[str]) -> list[str]:
    """Return the nodes that some outputs need, each behind those that it needs itself."""
    needed, left = {}, list(outputs)
    while left:
        name = left.pop()
        if name not in nodes:
            raise ValueError(f"the graph has no node {name!r}.")
        if name not in needed:
            needed[name] = nodes[name].get("input", [])
            left += needed[name]
    return list(TopologicalSorter(needed).static_order())


def _operation(node: Mapping) -> Callable:
    if node["op"] not in OPERATIONS:
        known = ", ".join(OPERATIONS)
        raise ValueError(f"{node['name']} is a {node['op']}, which is none of {known}.")
    return OPERATIONS[node["op"]]


def _shape(node: Mapping) -> tuple[int, ...]:
    return tuple(int(axis["size"]) for axis in node["attr"]["shape"]["shape"]["dim"])


def _text(coded: str) -> str:
    return base64.b64decode(coded).decode()


def _numbers(node: Mapping, name: str, default: Sequence[int]) -> tuple[int, ...]:
    held = node["attr"].get(name, {}).get("list", {})
    return tuple(int(number) for number in held.get("i", default))


def _set(layer: keras.Layer, x, *weights: np.ndarray):
    """Call a layer and give it its weights."""
    result = layer(x)
    layer.set_weights(list(weights))
    return result


def _strides(node: Mapping) -> tuple[int, int]:
    """Return the strides of a convolution; one of another kind than is known here is refused."""
    order = node["attr"].get("data_format", {}).get("s")
    _, *strides, _ = _numbers(node, "strides", ())
    plain = _numbers(node, "dilations", (1,) * 4) == (1,) * 4
    if not plain or (order and _text(order) != "NHWC"):
        raise ValueError(f"{node['name']} is dilated, or has its channels first.")
    return tuple(strides)


def _conv(node: Mapping, x, kernel: np.ndarray, *bias: np.ndarray):
    """Convolve; the kernel is (rows, columns, inputs, outputs)."""
    padding = _text(node["attr"]["padding"]["s"]).lower()
    *size, _, filters = kernel.shape
    how = {"padding": padding, "use_bias": bool(bias)}
    layer = keras.layers.Conv2D(filters, size, _strides(node), **how)
    return _fused(node, _set(layer, x, kernel, *bias))


def _depthwise(node: Mapping, x, kernel: np.ndarray, *bias: np.ndarray):
    """Convolve each channel; the kernel is (rows, columns, channels, outputs a channel)."""
    padding = _text(node["attr"]["padding"]["s"]).lower()
    *size, _, each = kernel.shape
    how = {"padding": padding, "depth_multiplier": each, "use_bias": bool(bias)}
    layer = keras.layers.DepthwiseConv2D(size, _strides(node), **how)
    return _fused(node, _set(layer, x, kernel, *bias))


def _fused(node: Mapping, x):
    """Apply what a convolution was joined with; its bias comes first and is applied already."""
    joined = node["attr"].get("fused_ops", {}).get("list", {}).get("s", [])
    for name in map(_text, joined):
        if name not in FUSED:
            raise ValueError(f"{node['name']} is joined with {name}, none of {list(FUSED)}.")
        x = FUSED[name](x)
    return x


def _mean(node: Mapping, x, axes: np.ndarray):
    keep = node["attr"].get("keep_dims", {}).get("b", False)
    return ops.mean(x, tuple(axes.tolist()), keepdims=keep)


def _resized(node: Mapping, x, size: np.ndarray):
    """Double both sides; a pixel stays at the even one of its two places.

    What lies between is the mean of its neighbours, and the last one is repeated.
    """
    for axis, side in zip((1, 2), size.tolist(), strict=True):
        n = x.shape[axis]
        if side != 2 * n or any(
            node["attr"][k]["b"] for k in ("align_corners", "half_pixel_centers")
        ):
            raise ValueError(f"{node['name']} resizes {n} to {side} in a way not known here.")
        following = ops.take(x, np.minimum(np.arange(n) + 1, n - 1), axis)
        both = ops.stack([x, (x + following) / 2], axis + 1)
        x = ops.reshape(both, (-1, *x.shape[1:axis], side, *x.shape[axis + 1 :]))
    return x


def _joined(node: Mapping, *given):
    *parts, axis = given
    return ops.concatenate(parts, int(axis))


def _plain(function: Callable) -> Callable:
    """Return an operation without attributes that count."""
    return lambda node, *given: function(*given)


FUSED = {"BiasAdd": lambda x: x, "Relu": ops.relu, "Relu6": ops.relu6}
OPERATIONS: dict[str, Callable] = {
    "Add": _plain(ops.add),
    "AddV2": _plain(ops.add),
    "ConcatV2": _joined,
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise,
    "FusedDepthwiseConv2dNative": _depthwise,
    "Identity": _plain(lambda x: x),
    "Mean": _mean,
    "Mul": _plain(ops.multiply),
    "Relu": _plain(ops.relu),
    "Relu6": _plain(ops.relu6),
    "ResizeBilinear": _resized,
    "Sigmoid": _plain(ops.sigmoid),
    "_FusedConv2D": _conv,
}
