"""Loading other people's models: in safe mode, with what to do where a file cannot be read."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tta_helpers.quiet import keras

FORMATS = (".keras", ".h5", ".hdf5")


def load_model(
    path: str | Path,
    custom_objects: Mapping[str, Any] | None = None,
    *,
    compile: bool = False,
) -> keras.Model:
    """Load a model in Keras' safe mode, which runs no code that is stored in the file.

    Parameters
    ----------
    path
        A `.keras` file, or an `.h5` one of Keras 2 and 3.
    custom_objects
        Layers, losses and functions of one's own that the model was built from, by the names that
        the file has for them: `{"MyLayer": MyLayer}`. What was registered with
        `keras.saving.register_keras_serializable` is found once its module is imported.
    compile
        Whether to restore its optimizer and losses as well, which predicting does not need.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is of another format, damaged, holds code (a Lambda layer), or needs an object that
        was not handed over. The message names the layer and says what to do.
    """
    import tta_helpers.predict  # noqa: F401 (the layers of a `tta_model` are registered there)

    path = Path(path)
    _check_format(path)
    try:
        return keras.saving.load_model(
            path, custom_objects=dict(custom_objects or {}), compile=compile, safe_mode=True
        )
    except Exception as error:  # a damaged file can raise almost anything
        raise ValueError(f"{path.name} {_problem(error)}") from error


def _check_format(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"There is no file {path}.")
    if path.is_dir() and (path / "saved_model.pb").is_file():
        raise ValueError(
            f"{path.name} is a SavedModel. With TensorFlow under Keras, it is a layer: "
            "keras.Sequential([keras.Input(shape), "
            f"keras.layers.TFSMLayer({str(path)!r}, call_endpoint='serve')])."
        )
    if path.suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path.name} is none of {', '.join(FORMATS)}, the formats that Keras loads. Save the "
            "model with model.save('name.keras'); of weights alone (.weights.h5), build the model "
            "first and use model.load_weights."
        )
    if path.name.endswith(".weights.h5"):
        raise ValueError(
            f"{path.name} holds weights without a model: build the model and use "
            "model.load_weights."
        )
    if path.suffix.lower() == ".keras" and not zipfile.is_zipfile(path):
        raise ValueError(
            f"{path.name} cannot be loaded: it is no zip archive, as a whole .keras file is."
        )


def _problem(error: Exception) -> str:
    """Return what is wrong with a file that Keras does not load, and what to do."""
    text = str(error)
    if "Lambda" in text and "safe_mode" in text:
        return (
            "holds a Lambda layer, whose stored code could do anything here, so it is refused. Ask "
            "for the model without Lambda layers, with Keras layers or a registered layer in their "
            "place."
        )
    if unknown := re.search(r"(?:Could not locate|Unknown) \w+:? '([^']+)'", text):
        name = unknown[1].split(">")[-1]
        return (
            f"needs {name}, which Keras does not know. Hand it over: load_model(path, "
            f"custom_objects={{{name!r}: {name}}}), or import the module that registers it first."
        )
    return f"cannot be loaded ({type(error).__name__}: {text}). It may be damaged."
