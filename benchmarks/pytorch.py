"""The same network, weights, images and views in PyTorch with ttach, driven through a pipe.

PyTorch lives in an environment of its own, `.venv-bench`; `pytorch_side.py` runs there.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.timing import threads
from tta_helpers.workbook.place import ROOT
from tta_helpers.workbook.records import save_arrays

PYTHON = ROOT / ".venv-bench" / "bin" / "python"


class PyTorchMissing(Exception):
    """PyTorch could not be measured; the message says why."""


def exported(model: keras.Model) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """Return a network as steps that PyTorch can follow, and its arrays in PyTorch's order.

    Step k computes value k + 1 from the values numbered `inputs`; value 0 is the images. Arrays are
    named "k.weight" and so on.

    Raises
    ------
    ValueError
        For a layer that has no counterpart here.
    """
    numbers, steps, arrays = {id(model.inputs[0]): 0}, [], {}
    flattened = {}  # the shapes before Flatten, by the tensor after it
    for layer in (one for one in model.layers if not isinstance(one, keras.layers.InputLayer)):
        inputs = layer.input if isinstance(layer.input, list) else [layer.input]
        step = _step(layer) | {"inputs": [numbers[id(tensor)] for tensor in inputs]}
        if isinstance(layer, keras.layers.Flatten):
            flattened[id(layer.output)] = inputs[0].shape[1:]
        mine = _arrays(layer, flattened.get(id(inputs[0])))
        arrays |= {f"{len(steps)}.{name}": array for name, array in mine.items()}
        steps.append(step)
        numbers[id(layer.output)] = len(steps)
    return steps, arrays


def _step(layer: keras.Layer) -> dict[str, Any]:
    layers, kind = keras.layers, type(layer).__name__
    match layer:
        case layers.Conv2D() if layer.padding == "same":
            height, width = layer.input.shape[1:3]
            sides = zip((height, width), layer.kernel_size, layer.strides, strict=True)
            settings = {
                "strides": list(layer.strides),
                "padding": [same_padding(*side) for side in sides],
                "relu": keras.activations.serialize(layer.activation) == "relu",
            }
        case layers.Dense():
            settings = {"activation": keras.activations.serialize(layer.activation)}
        case layers.BatchNormalization():
            settings = {"epsilon": layer.epsilon}
        case layers.MaxPooling2D():
            settings = {"size": list(layer.pool_size)}
        case layers.Rescaling():
            settings = {"scale": layer.scale, "offset": layer.offset}
        case layers.Flatten() | layers.GlobalAveragePooling2D() | layers.ReLU() | layers.Add():
            settings = {}
        case _:
            raise ValueError(f"{layer.name} ({kind}) has no counterpart in the PyTorch benchmark.")
    return {"kind": kind, **settings}


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return how many zeros padding "same" puts before and after: the odd one goes after."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def _arrays(layer: keras.Layer, flattened: tuple[int, ...] | None) -> dict[str, np.ndarray]:
    names = ("weight", "bias", "mean", "variance")
    arrays = dict(zip(names, layer.get_weights(), strict=False))
    if isinstance(layer, keras.layers.Conv2D):  # (height, width, in, out)
        arrays["weight"] = arrays["weight"].transpose(3, 2, 0, 1)
    elif isinstance(layer, keras.layers.Dense):
        kernel = arrays["weight"]
        if flattened:  # Keras flattens channels last, PyTorch channels first
            kernel = kernel.reshape(*flattened, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        arrays["weight"] = kernel.T
    return arrays


class PyTorch:
    """The process that runs PyTorch, for one network; a context manager, so that it always ends.

    Attributes
    ----------
    ways
        What `run` takes: "eager" and, where there is a C++ compiler, "torch.compile".
    outputs
        ttach's mean of both views, (images, classes).
    versions
        Of torch and ttach.
    missing
        Why torch.compile is not among the ways, or None.
    """

    def __init__(self, model: keras.Model, floats: np.ndarray, batch: int, folder: Path) -> None:
        if not PYTHON.is_file():
            raise PyTorchMissing("there is no .venv-bench; `make bench` builds it.")
        steps, arrays = exported(model)
        save_arrays(folder / "weights.npz", **arrays)
        np.save(folder / "images.npy", floats)
        (folder / "steps.json").write_text(json.dumps(steps))
        script = Path(__file__).with_name("pytorch_side.py")
        self._log = (folder / "stderr.txt").open("w+")
        self._process = self._start([PYTHON, script, folder, threads(), batch])
        started = json.loads(self._answer())
        self.ways: Sequence[str] = started["ways"]
        self.versions, self.missing = started["versions"], started["missing"]
        self.outputs = np.load(folder / "outputs.npy")

    def _start(self, command: Sequence[object]) -> subprocess.Popen:
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._log}
        return subprocess.Popen([str(part) for part in command], text=True, cwd=ROOT, **pipes)

    def _answer(self) -> str:
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            last = (self._log.read().strip().splitlines() or ["no message"])[-1]
            self.close()
            raise PyTorchMissing(f"its process ended: {last}")
        return line

    def run(self, way: str) -> None:
        """Predict both views of all images in one of the `ways`, and return when it is done."""
        print(way, file=self._process.stdin, flush=True)
        self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
        self._log.close()

    def __enter__(self) -> "PyTorch":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
