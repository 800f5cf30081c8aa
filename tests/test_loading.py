"""Files of models: what is read, and what is said of the others."""

import keras
import numpy as np
import pytest
from keras import layers

from tta_helpers import load_model


class Squash(layers.Layer):
    def call(self, images):
        return images * 0.5


def own_model():
    flat, head = layers.Flatten(), layers.Dense(3, "softmax")
    return keras.Sequential([keras.Input((6, 5, 3)), Squash(), flat, head])


@pytest.mark.parametrize("name", ["own.keras", "own.h5"])
def test_a_layer_of_ones_own_is_handed_over(name, tmp_path):
    model = own_model()
    model.save(tmp_path / name)
    with pytest.raises(ValueError, match=r"needs Squash.*custom_objects=\{'Squash': Squash\}"):
        load_model(tmp_path / name)
    loaded = load_model(tmp_path / name, custom_objects={"Squash": Squash})
    images = np.random.default_rng(0).random((4, 6, 5, 3), dtype="float32")
    np.testing.assert_allclose(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6
    )


def test_other_formats_are_told_by_name(tmp_path):
    model = own_model()
    model.save_weights(tmp_path / "own.weights.h5")
    with pytest.raises(ValueError, match=r"weights without a model.*load_weights"):
        load_model(tmp_path / "own.weights.h5")
    (tmp_path / "own.pt").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"own\.pt is none of \.keras, \.h5"):
        load_model(tmp_path / "own.pt")
    (tmp_path / "own.keras").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="no zip archive"):
        load_model(tmp_path / "own.keras")
    with pytest.raises(FileNotFoundError, match=r"no file .*elsewhere\.keras"):
        load_model(tmp_path / "elsewhere.keras")


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow exports them")
def test_an_exported_model_is_read_as_the_message_says(tmp_path):
    model = own_model()
    model.export(tmp_path / "exported", verbose=False)
    with pytest.raises(ValueError, match="SavedModel") as error:
        load_model(tmp_path / "exported")
    code = str(error.value).split("it is a layer: ")[1].rstrip(".")
    exported = eval(code, {"keras": keras, "shape": (6, 5, 3)})
    images = np.random.default_rng(0).random((4, 6, 5, 3), dtype="float32")
    np.testing.assert_allclose(
        exported.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-6
    )
