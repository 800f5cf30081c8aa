"""Test-time augmentation for Keras 3: views, policies, and the measurements to choose between them.

    from tta_helpers import compare, policies, predict_views, tta_model, views

Names are fetched when they are first used, so importing the package starts no backend; Keras starts
with the first name that needs it, and quietly (see `quiet`).
"""

import importlib
from typing import Any

__version__ = "1.0.0"

_MODULES = ("boxes", "loss_predictor", "metrics", "plots", "policies", "views")
_FUNCTIONS = {
    "accuracy": "metrics",
    "compare": "metrics",
    "generator_views": "predict",
    "load_model": "loading",
    "predict_copies": "predict",
    "predict_views": "predict",
    "selecting_model": "predict",
    "tta_model": "predict",
}
__all__ = sorted([*_MODULES, *_FUNCTIONS])


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"tta_helpers.{name}")
    if name in _FUNCTIONS:
        return getattr(importlib.import_module(f"tta_helpers.{_FUNCTIONS[name]}"), name)
    raise AttributeError(f"module 'tta_helpers' has no attribute {name!r}; it has {__all__}.")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
