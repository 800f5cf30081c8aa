"""Every backend shows the same views and averages."""

import importlib.util
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

BACKENDS = ("tensorflow", "jax", "torch")
VIEWS = """
import sys
import numpy as np
from tta_helpers import views
images = np.random.default_rng(3).random((5, 32, 24, 3), dtype="float32")
sets = {name: getattr(views, name) for name in ("FLIP", "SHIFT_SIX", "FIVE_CROP", "TEN_CROP", "TWELVE")}
found = {
    f"{name}_{k}": np.asarray(view(images))
    for name, chosen in sets.items()
    for k, view in enumerate(chosen)
}
np.savez(sys.argv[1], **found)
"""  # noqa: E501


@pytest.mark.parametrize("backend", BACKENDS)
def test_views_are_equal_across_backends(tmp_path, backend):
    if backend == keras.backend.backend():
        pytest.skip("the backend of this process")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed; see the README on backends")
    found = {}
    for name in (backend, keras.backend.backend()):
        path = tmp_path / f"{name}.npz"
        subprocess.run(
            [sys.executable, "-c", VIEWS, path],
            env={**os.environ, "KERAS_BACKEND": name},
            check=True,
        )
        with np.load(path) as file:
            found[name] = dict(file)
    one, other = found.values()
    assert len(one) == 2 + 6 + 5 + 10 + 12
    for name in one:
        np.testing.assert_allclose(one[name], other[name], atol=1e-5, err_msg=name)
