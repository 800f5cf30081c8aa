"""Weights out of PyTorch's older files (before 1.6), with NumPy and no code of the file's.

Such a file is a row of pickles: a magic number, the protocol, facts of the machine, the object, the
list of its storages; then the storages, each as its length and its bytes. The object's pickle names
functions of PyTorch, for which plain ones stand in here; any other name is refused.
"""

import io
import pickle
from collections import OrderedDict
from typing import NamedTuple

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
TYPES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "LongStorage": "<i8", "IntStorage": "<i4"}


class _Tensor(NamedTuple):
    """Where a tensor lies: its storage's key and type, first element, shape and strides."""

    key: str
    dtype: str
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


def _rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks):
    return _Tensor(*storage, offset, shape, stride)


class _Unpickler(pickle.Unpickler):
    """Reads tensors' places and ordered dictionaries; a pickle can otherwise run any code."""

    def find_class(self, module: str, name: str) -> object:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild_tensor_v2
        if module == "torch" and name in TYPES:
            return TYPES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")

    def persistent_load(self, what: tuple) -> tuple[str, str]:
        """Return a storage's key and type."""
        kind, dtype, key, *_ = what
        if kind != "storage":
            raise pickle.UnpicklingError(f"it holds a {kind!r}, which is refused")
        return key, dtype


def read_weights(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a state dictionary by name, in PyTorch's order of axes.

    Parameters
    ----------
    content
        Of a file that `torch.save` wrote in its legacy format.

    Raises
    ------
    ValueError
        If it is of another format, or asks for anything but tensors.
    """
    file = io.BytesIO(content)
    try:
        magic, _, _, tensors, keys = (_Unpickler(file).load() for _ in range(5))
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError) as error:
        raise ValueError(f"no file of weights in PyTorch's older format: {error}.") from error
    if magic != MAGIC:
        raise ValueError(f"no file of weights in PyTorch's older format: it starts with {magic!r}.")
    dtypes = {tensor.key: tensor.dtype for tensor in tensors.values()}
    storages = {key: _storage(file, np.dtype(dtypes[key])) for key in keys}
    return {name: _array(storages[tensor.key], tensor) for name, tensor in tensors.items()}


def _storage(file: io.BytesIO, dtype: np.dtype) -> np.ndarray:
    """Return the next storage in a file, one axis."""
    (length,) = np.frombuffer(file.read(8), "<i8")
    return np.frombuffer(file.read(int(length) * dtype.itemsize), dtype, int(length))


def _array(storage: np.ndarray, tensor: _Tensor) -> np.ndarray:
    """Return a tensor's elements as an array of its own."""
    size = storage.dtype.itemsize
    if tensor.shape and 0 in tensor.shape:
        return np.empty(tensor.shape, storage.dtype)
    steps = zip(tensor.shape, tensor.stride, strict=True)
    last = tensor.offset + sum((n - 1) * step for n, step in steps)
    if last >= len(storage) or min((*tensor.stride, tensor.offset), default=0) < 0:
        raise ValueError(f"a tensor of shape {tensor.shape} leads out of its storage.")
    view = np.lib.stride_tricks.as_strided(
        storage[tensor.offset :], tensor.shape, [step * size for step in tensor.stride]
    )
    return view.copy()
