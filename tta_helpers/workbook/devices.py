"""The devices that Keras' backend computes on."""

import sys

from tta_helpers.quiet import keras


def devices() -> list[str]:
    """Return their names, such as "gpu:0" or "cpu:0".

    Keras 3.15 lists none on PyTorch; there they are PyTorch's, "cuda:0" and so on, or "cpu:0".
    """
    if keras.backend.backend() != "torch":
        return keras.distribution.list_devices()
    cuda = sys.modules["torch"].cuda  # Keras has imported it; the package does not ask for it
    return [f"cuda:{k}" for k in range(cuda.device_count())] or ["cpu:0"]


def on_processor() -> bool:
    """Return whether there is no device but the processor."""
    return all("cpu" in name.lower() for name in devices())
