"""The tutorial's network: hand counts, its settings, and that it learns, saves and loads."""

import keras
import numpy as np
import pytest

from tta_helpers import models


def test_baseline_is_the_tutorials_network():
    model = models.baseline_cnn()
    kinds = [type(layer).__name__ for layer in model.layers]
    block = ["Conv2D", "BatchNormalization", "MaxPooling2D"]
    assert kinds == [*block, *block, "Flatten", "Dense", "BatchNormalization", "Dense"]
    first, second, hidden, head = (model.layers[k] for k in (0, 3, 7, 9))
    for conv, filters in ((first, 32), (second, 64)):
        assert (conv.filters, conv.kernel_size, conv.padding) == (filters, (3, 3), "same")
    for layer in (first, second, hidden):
        assert layer.activation is keras.activations.relu
        assert isinstance(layer.kernel_initializer, keras.initializers.HeUniform)
    assert (hidden.units, head.units) == (128, 10)
    assert head.activation is keras.activations.softmax
    assert isinstance(model.optimizer, keras.optimizers.Adam)
    assert model.loss == "categorical_crossentropy"
    assert models.FIT == {"epochs": 3, "batch_size": 128}


def test_multiply_adds_and_parameters_by_hand():
    rows = models.multiply_adds(models.baseline_cnn())
    work = [row[3] for row in rows if row[3]]
    assert work == [1024 * 27 * 32, 256 * 288 * 64, 4096 * 128, 128 * 10]
    assert sum(work) == 6_128_896  # the 6.1 million of the tutorial's network
    weights = 896 + 18_496 + 524_416 + 1_290
    assert sum(row[2] for row in rows) == weights + 4 * (32 + 64 + 128)
    assert rows[3][1] == (16, 16, 64)


def test_fit_is_keras_fit_with_one_hot_labels():
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 8, 8, 3), dtype="float32"), np.arange(60) % 3
    keras.utils.set_random_seed(1)
    ours = models.baseline_cnn((8, 8, 3), 3)
    history = models.fit(
        ours, images, labels, epochs=2, batch_size=20, validation_data=(images, labels)
    )
    assert {key: len(values) for key, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), 2
    )
    keras.utils.set_random_seed(1)
    plain = models.baseline_cnn((8, 8, 3), 3)
    plain.fit(images, np.eye(3)[labels], epochs=2, batch_size=20, verbose=0)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_model_predicts_the_same(tmp_path):
    model = models.baseline_cnn((8, 8, 3), 3)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((5, 8, 8, 3), dtype="float32")
    loaded = models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_bad_input_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run it first"):
        models.load_model(tmp_path / "baseline_0.keras")
    with pytest.raises(ValueError, match="n_classes is 1"):
        models.baseline_cnn(n_classes=1)
    for shape in ((3, 32, 3), (32, 32)):
        with pytest.raises(ValueError, match="input_shape is"):
            models.baseline_cnn(shape)


def test_code_in_a_model_file_is_refused(tmp_path):
    """Safe mode: a Lambda layer could run anything when it is loaded."""
    layers = [keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]
    keras.Sequential(layers).save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        models.load_model(tmp_path / "lambda.keras")
