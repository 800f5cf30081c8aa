"""Run the README's lines with what the wheel brought, and hold what they save to NumPy's average.

Started by try_out.py with the Python of an environment that has the wheel and one backend. The
README is the one in the wheel's metadata.
"""

import contextlib
import importlib.metadata
import io
import os
import re
import sys
from pathlib import Path

import tta_helpers

assert not {"keras", os.environ["KERAS_BACKEND"]} & set(sys.modules), "importing started Keras"
assert Path(sys.prefix) in Path(tta_helpers.__file__).parents, "not the wheel's package"

import keras  # noqa: E402
import numpy as np  # noqa: E402

WORKBOOK = ("IPython", "dask", "distributed", "ipykernel", "jupyterlab", "pandas", "papermill")
BACKENDS = ("jax", "tensorflow", "torch")


def softmax(logits):
    grown = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def main():
    backend = keras.backend.backend()
    metadata = importlib.metadata.metadata("tta-workbook")
    assert metadata["Version"] == tta_helpers.__version__
    (code,) = re.findall(r"```python\n(.*?)```", metadata.get_payload(), re.DOTALL)

    # No two pixels and no two images are alike, so a view dropped, doubled or transposed shows.
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, size=(11, 8, 6, 3), dtype=np.uint8)
    kernel = rng.normal(size=(8 * 6 * 3, 4)).astype("float32")
    head = keras.layers.Dense(4, activation="softmax")
    model = keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Flatten(), head])
    head.set_weights([kernel, np.zeros(4, "float32")])

    names = {"model": model, "images": images, "labels": np.arange(11) % 4}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    assert printed.getvalue().count("PairedComparison(n=11") == 3, printed.getvalue()

    scaled = images / 255.0
    each = [softmax(view.reshape(11, -1) @ kernel) for view in (scaled, scaled[:, :, ::-1])]
    assert np.abs(each[0] - each[1]).max() > 0.1
    np.testing.assert_allclose(names["probs"][:2], each, atol=1e-5)
    saved = tta_helpers.load_model("with_tta.keras")
    served = saved.predict(scaled.astype("float32"), verbose=0)
    np.testing.assert_allclose(served, np.mean(each, axis=0), atol=1e-5)

    loaded = {name for name in sys.modules if name.startswith("tta_helpers.workbook")}
    assert not loaded | set(WORKBOOK) & set(sys.modules), "the workbook was imported"
    installed = set(importlib.metadata.packages_distributions())
    assert not installed & set(WORKBOOK), "the workbook's packages were installed"
    assert installed & set(BACKENDS) == {backend}, "another backend is there too"
    print(backend, importlib.metadata.version(backend))


if __name__ == "__main__":
    main()
