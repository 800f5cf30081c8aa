"""The network that is judged: Keras' ResNet50, or any other from a file."""

from pathlib import Path

import keras
import numpy as np

from tta_helpers import load_model, views
from tta_helpers.predict import predict_views
from tta_helpers.workbook.place import RunError

SIDE = 224  # pixels that ResNet50 takes


def resnet50(size: int, weights: str | None = "imagenet") -> keras.Model:
    """Return Keras' ResNet50 for images in [0, 1]: what it expects, its own function makes of them.

    Raises
    ------
    RunError
        For images of another size, and if its weights cannot be had.
    """
    if size != SIDE:
        raise RunError(
            f"ResNet50 takes {SIDE} x {SIDE} pixels, and the copies are {size} x {size}: name a "
            "network for them with --model."
        )
    inputs = keras.Input((SIDE, SIDE, 3))
    shown = keras.applications.resnet.preprocess_input(keras.layers.Rescaling(255.0)(inputs))
    try:
        body = keras.applications.ResNet50(weights=weights)
    except Exception as error:  # what a download raises depends on where it fails
        raise RunError(
            f"The weights of Keras' ResNet50 cannot be had ({error}): connect this machine once, "
            "or name a network with --model."
        ) from error
    return keras.Model(inputs, body(shown), name="resnet50_of_unit_range")


def named_network(path: str, size: int, n_classes: int) -> tuple[keras.Model, str]:
    """Return a network and what to call it; without a path, Keras' ResNet50.

    Raises
    ------
    RunError
        For a file that cannot be loaded, and for a network that takes other images or names
        another number of classes.
    """
    if path:
        try:
            network = load_model(path)
        except (OSError, ValueError) as error:
            raise RunError(f"--model {path}: {error}") from error
        about = Path(path).name
    else:
        network, about = resnet50(size), "Keras' ResNet50, weights imagenet"
    try:
        found = predict_views(network, np.zeros((1, size, size, 3), np.uint8), (views.Identity(),))
    except ValueError as error:
        raise RunError(
            f"{about} cannot be shown copies of {size} x {size} pixels: {error}"
        ) from error
    if found.shape[2:] != (n_classes,):
        raise RunError(
            f"{about} names {found.shape[-1]:,} classes, and there are {n_classes:,} class "
            "folders: give it the folders of its own classes."
        )
    return network, about
