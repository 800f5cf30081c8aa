"""The blocks of docs/models.md, run, each on the kind of model that its section is about."""

import re

import keras
import numpy as np
import pytest
from keras import layers
from scipy import special

from tta_helpers.workbook import place

PAGE = (place.ROOT / "docs" / "models.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S))
SHAPE = (8, 6, 3)


def block(section, number=0):
    return re.findall(r"```python\n(.*?)```", SECTIONS[section], re.S)[number]


def run(code, **names):
    names = {"keras": keras, "np": np, **names}
    exec(code, names)
    return names


def dense(n, activation, scale=1.0):
    rng = np.random.default_rng(2)
    head = layers.Dense(n, activation=activation)
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), head])
    head.set_weights([scale * rng.normal(size=(144, n)), np.zeros(n)])
    return model, lambda x: x.reshape(len(x), -1) @ head.get_weights()[0]


def test_every_block_is_run_here():
    assert PAGE.count("```python") == 7


def test_preprocessing(photos):
    model, logits = dense(4, "softmax", 0.01)
    found = run(block("How it takes images"), model=model, images=photos)["probs"]
    means = [103.939, 116.779, 123.68]  # of blue, green and red, as ResNet50's authors had them
    seen = [view[..., ::-1] - np.array(means) for view in (photos, photos[:, :, ::-1])]
    expected = [special.softmax(logits(view), axis=-1) for view in seen]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_serving_bytes(linear, photos, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(block("How it takes images", 1), model=linear.model)
    loaded = keras.saving.load_model("with_tta.keras", safe_mode=True)
    expected = np.mean([linear.probs(v / 255) for v in (photos, photos[:, :, ::-1])], axis=0)
    np.testing.assert_allclose(loaded.predict(photos, verbose=0), expected, atol=1e-5)


def test_heads(photos):
    images = keras.Input(SHAPE)
    kind, by_kind = dense(4, "softmax")
    age, by_age = dense(1, None)
    model = keras.Model(images, {"kind": kind(images), "age": age(images)})
    found = run(block("What its outputs mean"), model=model, images=photos)
    views = [photos / 255, photos[:, :, ::-1] / 255]
    expected = [special.softmax(by_kind(view), axis=-1) for view in views]
    np.testing.assert_allclose(found["kind"], expected, atol=1e-5)
    np.testing.assert_allclose(found["both"]["kind"], expected, atol=1e-5)
    np.testing.assert_allclose(found["age"], np.mean([by_age(v) for v in views], axis=0), atol=1e-4)


def test_maps():
    images = np.random.default_rng(3).integers(0, 256, (2, 12, 12, 3), dtype=np.uint8)
    model = keras.Sequential([keras.Input((12, 12, 3)), layers.Conv2D(2, 1, activation="softmax")])
    masks = run(block("Maps: masks, depth, heat"), model=model, images=images)["masks"]
    expected = special.softmax(images / 255 @ model.get_weights()[0][0, 0], axis=-1)
    np.testing.assert_allclose(masks, expected, atol=1e-5)


def test_streams_and_files(linear, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    labels = np.arange(11) % 4
    batches = iter([(photos[:6], labels[:6]), (photos[6:], labels[6:])])
    section = "More images than the memory holds"
    run(block(section), model=linear.model, batches=batches)
    probs = [linear.probs(view / 255) for view in (photos, photos[:, :, ::-1])]
    right = (np.mean(probs, axis=0).argmax(axis=1) == labels).mean()
    assert float(capsys.readouterr().out) == pytest.approx(right)
    found = run(block(section, 1), model=linear.model, images=photos)["probs"]
    np.testing.assert_allclose(found, probs, atol=1e-5)
    assert np.load("probs.npy").shape == (11, 2, 4)


class Squash(layers.Layer):
    def call(self, images):
        return images / 2


def test_files_of_models(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    keras.Sequential([keras.Input(SHAPE), Squash()]).save("own.keras")
    model = run(block("Files of models"), Squash=Squash)["model"]
    assert model.input_shape == (None, *SHAPE)
