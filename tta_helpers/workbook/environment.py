"""What results depend on beside the code: Keras' settings and backend, versions and devices."""

import functools
import importlib.util
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping, MutableMapping
from importlib.metadata import version
from typing import Any

from tta_helpers.workbook import place
from tta_helpers.workbook.data import keras_home
from tta_helpers.workbook.kernels import check_owner
from tta_helpers.workbook.parameters import inspected
from tta_helpers.workbook.place import RunError

PACKAGES = ("keras", "numpy", "scipy", "scikit-learn", "pillow")
BACKENDS = ("tensorflow", "jax", "torch")
KERAS_DEFAULTS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}
KERAS_CHOICES = {
    "floatx": ("float16", "float32", "float64"),
    "image_data_format": ("channels_last", "channels_first"),
}
_clock: dict[str, float] = {}  # when the lesson in this process began


def keras_settings() -> dict[str, Any]:
    """Return what a keras.json of the user's says; Keras passes over one that is no JSON."""
    path = keras_home() / "keras.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _backend_name() -> str:
    """Return the name of Keras' backend; whether it is installed, `backend` asks once a run."""
    name = os.environ.get("KERAS_BACKEND") or keras_settings().get("backend") or "tensorflow"
    if name not in BACKENDS:
        raise RunError(
            f"Keras has no backend {name!r}: set KERAS_BACKEND, or backend in keras.json, to one "
            f"of {', '.join(BACKENDS)}."
        )
    return name


def backend() -> str:
    """Return the name of Keras' backend, without starting it.

    Raises
    ------
    RunError
        If Keras has no such backend, or it is not installed.
    """
    name = _backend_name()
    if "keras" not in sys.modules and not importlib.util.find_spec(name):
        raise RunError(
            f"Keras' backend {name!r} is not installed: install it, or set KERAS_BACKEND to "
            "another one."
        )
    return name


def versions() -> dict[str, str]:
    """Return the versions of the packages that results depend on."""
    return {name: _version(name) for name in (*PACKAGES, _backend_name())}


@functools.cache
def _version(package: str) -> str:
    return version(package)


def changed_settings() -> list[str]:
    """Return what keras.json sets other than Keras' own defaults; `begin` sets it back.

    Raises
    ------
    RunError
        If it holds what Keras would refuse.
    """
    found = {**KERAS_DEFAULTS, **keras_settings()}
    taken = {name: found[name] in choices for name, choices in KERAS_CHOICES.items()}
    taken["epsilon"] = type(found["epsilon"]) is float
    if refused := [name for name, takes in taken.items() if not takes]:
        raise RunError(
            f"keras.json sets {refused[0]} to {found[refused[0]]!r}, which Keras refuses: correct "
            "the file or delete it."
        )
    changed = [name for name, usual in KERAS_DEFAULTS.items() if found[name] != usual]
    return [f"{name}={found[name]} in keras.json" for name in changed]


def begin(notebook: str, values: MutableMapping[str, Any]) -> str:
    """Check a lesson's kernel and parameters, and give Keras its own defaults.

    Parameters
    ----------
    notebook
        The notebook's name without its extension, such as "01_baseline_cnn".
    values
        Where the parameters' values are: `globals()` of the notebook. Papermill's `-p` makes a
        number of what looks like one; here it gets the type of the default.

    Returns
    -------
    str
        `environment_line`.

    Raises
    ------
    RunError
        If the kernel is another workbook's, or a parameter lies outside its range.
    """
    from tta_helpers.quiet import keras

    check_owner()
    for name, parameter in inspected(place.notebooks() / f"{notebook}.ipynb").parameters.items():
        values[name] = parameter.checked(values[name], notebook)
    keras.config.set_floatx(KERAS_DEFAULTS["floatx"])
    keras.config.set_epsilon(KERAS_DEFAULTS["epsilon"])
    keras.config.set_image_data_format(KERAS_DEFAULTS["image_data_format"])
    keras.config.set_dtype_policy("float32")
    _clock["begun"] = time.perf_counter()
    return environment_line()


def begun() -> float:
    """Return when the lesson began, on `time.perf_counter`; now, where `begin` was not called."""
    return _clock.get("begun", time.perf_counter())


def environment() -> dict[str, Any]:
    """Return the versions, the backend and the devices that results depend on."""
    from tta_helpers.quiet import keras
    from tta_helpers.workbook.devices import devices

    cores = f"{os.cpu_count()} cores"
    return {
        "python": platform.python_version(),
        "versions": versions(),
        "backend": keras.backend.backend(),
        "devices": devices(),
        "machine": ", ".join([f"{platform.system()} {platform.machine()}", cores, *cards()]),
    }


@functools.cache
def cards() -> list[str]:
    """Return the names of the NVIDIA cards here; none where there is no driver to ask."""
    ask = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        found = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return [name.strip() for name in found.stdout.splitlines()]


def environment_line(found: Mapping[str, Any] | None = None) -> str:
    """Return versions and devices in one line: of a record, or without one of this process."""
    found = found or environment()
    versions, backend = found["versions"], found["backend"]
    return (
        f"Python {found['python']}, Keras {versions['keras']} on {backend} {versions[backend]}, "
        f"{', '.join(found['devices'])}; {found['machine']}"
    )
