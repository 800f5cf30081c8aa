"""The networks, as Keras 3 models, and what `predict_views` must be told of each."""

import re
import tempfile
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.real import artefacts, centernet
from benchmarks.real.artefacts import Artefact
from benchmarks.real.efficientnet import efficientnet_lite0
from benchmarks.real.fetch import member
from benchmarks.real.graph_model import read_model as read_graph_model
from benchmarks.real.tflite import read_model
from benchmarks.real.torch_file import read_weights
from tta_helpers import load_model
from tta_helpers.quiet import keras


@dataclass(frozen=True)
class Network:
    """A network that somebody else trained.

    Attributes
    ----------
    name
        Short.
    what
        What it is, for a reader.
    artefact
        The package that it comes from.
    scale
        What its inputs are, of 8-bit values x.
    options
        For `predict_views` and `tta_model`: what its outputs are, and how its inputs are scaled.
    task
        "cifar10", "imagenet", "mask" or "boxes".
    build
        From the content of its files to the model.
    step
        By how many pixels shifted views are moved: one in 32.
    files
        Which members of the package `build` takes.
    """

    name: str
    what: str
    artefact: Artefact
    scale: str
    options: Mapping[str, Any]
    task: str
    build: Callable[..., keras.Model]
    step: int
    files: tuple[str, ...] = ("model",)

    def load(self, folder: Path | None = None) -> keras.Model:
        """Return the model, from the package in the cache or on its index.

        Raises
        ------
        FetchError
            If the package cannot be had.
        """
        return self.build(*(member(self.artefact, name, folder) for name in self.files))


def less_127(images: Any) -> Any:
    """Bring 0..255 to what the EfficientNet-lite networks take: (x - 127) / 128."""
    return (images - 127) / 128


def less_128(images: Any) -> Any:
    """Bring 0..255 to signed bytes as fractions: (x - 128) / 128."""
    return (images - 128) / 128


def from_h5(content: bytes) -> keras.Model:
    """Return the model of an HDF5 file of Keras 2."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of input_shape, as Keras 2 had it
        path = Path(folder) / "model.h5"
        path.write_bytes(content)
        return load_model(path)


def from_torch(content: bytes) -> keras.Model:
    """Return EfficientNet-lite0 with the weights of a file of PyTorch's."""
    return efficientnet_lite0(read_weights(content))


def from_graph(description: bytes, weights: bytes) -> keras.Model:
    """Return the detector of a TensorFlow.js graph, its maps as one: `centernet` tells which."""
    model = read_graph_model(description, weights, centernet.OUTPUTS)
    return keras.Model(model.inputs, keras.layers.Concatenate()(model.outputs))


NETWORKS = (
    Network(
        name="mltk ResNet",
        what="ResNet of 79,000 parameters for microcontrollers, trained with mirrored, turned and "
        "shifted CIFAR-10 images (Silicon Labs)",
        artefact=artefacts.SILABS,
        scale="(x - 128) / 128",
        options={"value_range": (0, 255), "preprocess": less_128},
        task="cifar10",
        build=from_h5,
        step=1,
    ),
    Network(
        name="cifar-10-model",
        what="plain CNN of 969,000 parameters, trained on CIFAR-10 images mirrored at random; its "
        "logits end in a ReLU, so that none is below zero",
        artefact=artefacts.CIFAR_10_MODEL,
        scale="x, 0 to 255",
        options={"value_range": (0, 255), "outputs": "logits"},
        task="cifar10",
        build=from_h5,
        step=1,
    ),
    Network(
        name="EfficientNet-lite0",
        what="ImageNet classifier of 4.7 million parameters (Google's weights by way of PyTorch)",
        artefact=artefacts.EFFICIENTNET,
        scale="(x - 127) / 128",
        options={"value_range": (0, 255), "preprocess": less_127, "outputs": "logits"},
        task="imagenet",
        build=from_torch,
        step=7,
    ),
    Network(
        name="selfie segmentation",
        what="segmenter of 106,000 parameters: which pixels of a picture show a person (MediaPipe)",
        artefact=artefacts.SELFIE,
        scale="x / 255",
        options={"outputs": "sigmoid"},
        task="mask",
        build=read_model,
        step=8,
    ),
    Network(
        name="CenterNet",
        what="detector of 2.0 million parameters, 80 classes of COCO (610265158's "
        "mobilenetv3_centernet, converted by vladmandic)",
        artefact=artefacts.HUMAN_MODELS,
        scale="x, 0 to 255",
        options={"value_range": (0, 255), "outputs": "raw"},
        task="boxes",
        build=from_graph,
        step=16,
        files=("model", "weights"),
    ),
)


def own_accuracy(folder: Path | None = None) -> float:
    """Return the accuracy that the mltk package records of its network, as a share."""
    text = member(artefacts.SILABS, "evaluation", folder).decode()
    return float(re.search(r"Overall accuracy: ([\d.]+)%", text)[1]) / 100
