"""The networks: hand counts, published ones, their settings; that they learn, save and load."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tta_helpers.workbook import devices, networks


def test_baseline_is_the_tutorials_network():
    model = networks.baseline_cnn()
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
    assert networks.FIT == {"epochs": 3, "batch_size": 128}


@pytest.mark.parametrize(("cards", "expected"), [(0, ["cpu:0"]), (2, ["cuda:0", "cuda:1"])])
def test_on_pytorch_devices_are_pytorchs(cards, expected, monkeypatch):
    """Keras has no list of them there: asking it stops every network, and every record."""
    torch = SimpleNamespace(cuda=SimpleNamespace(device_count=lambda: cards))
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setattr(keras.backend, "backend", lambda: "torch")
    monkeypatch.setattr(keras.distribution, "list_devices", None)
    assert devices.devices() == expected
    assert devices.on_processor() == (cards == 0)
    assert networks.jit_compile() == "auto"


def test_multiply_adds_and_parameters_by_hand():
    rows = networks.multiply_adds(networks.baseline_cnn())
    work = [row[3] for row in rows if row[3]]
    assert work == [1024 * 27 * 32, 256 * 288 * 64, 4096 * 128, 128 * 10]
    assert sum(work) == 6_128_896  # the 6.1 million of the tutorial's network
    weights = 896 + 18_496 + 524_416 + 1_290
    assert sum(row[2] for row in rows) == weights + 4 * (32 + 64 + 128)
    assert rows[3][1] == (16, 16, 64)


def test_a_rate_that_falls_to_zero():
    """Half of a cosine from 0.002, in as many steps as are told; without, Adam's own rate."""
    rate = networks.baseline_cnn((8, 8, 3), 3, steps=40).optimizer._learning_rate
    np.testing.assert_allclose([rate(k) for k in (0, 20, 40)], [0.002, 0.001, 0], atol=1e-9)
    assert float(networks.baseline_cnn((8, 8, 3), 3).optimizer.learning_rate) == np.float32(0.001)


def test_renewed_averages_are_those_of_whole_batches():
    """By NumPy: the mean of the batches' means and variances, whatever the averages were before."""
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.BatchNormalization(), keras.layers.Dense(1)]
    )
    norm = model.layers[0]
    norm.set_weights([w + k for k, w in enumerate(norm.get_weights(), 3)])
    before = [w.copy() for w in model.get_weights()]
    rows = np.random.default_rng(0).normal((5, -2), (1, 3), (9, 2)).astype("float32")
    scale, offset, mean, variance = networks.renewed(model, rows, 4).layers[0].get_weights()
    batches = rows[:8].reshape(2, 4, 2)
    np.testing.assert_allclose(mean, batches.mean(axis=1).mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(variance, batches.var(axis=1).mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal([scale, offset], before[:2])
    for was, now in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(was, now)
    mean = networks.renewed(model, rows[:3], 4).layers[0].get_weights()[2]  # fewer than a batch
    np.testing.assert_allclose(mean, rows[:3].mean(axis=0), rtol=1e-5)


def test_fit_is_keras_fit_with_one_hot_labels():
    rng = np.random.default_rng(0)
    images, labels = rng.random((60, 8, 8, 3), dtype="float32"), np.arange(60) % 3
    keras.utils.set_random_seed(1)
    ours = networks.baseline_cnn((8, 8, 3), 3)
    history = networks.fit(
        ours, images, labels, epochs=2, batch_size=20, validation_data=(images, labels)
    )
    assert {key: len(values) for key, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), 2
    )
    keras.utils.set_random_seed(1)
    plain = networks.baseline_cnn((8, 8, 3), 3)
    plain.fit(images, np.eye(3)[labels], epochs=2, batch_size=20, verbose=0)
    for a, b in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_multiply_adds_of_a_depthwise_convolution_by_hand():
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((9, 7, 5)),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.DepthwiseConv2D((2, 4), depth_multiplier=3, use_bias=False),
            layers.Conv2D(6, 1, strides=2, groups=3),
        ]
    )
    by_hand = [
        ((9, 7, 5), 9 * 5 + 5, 63 * 9 * 5),
        ((8, 4, 15), 8 * 15, 32 * 8 * 15),
        ((4, 2, 6), 15 // 3 * 6 + 6, 8 * 15 // 3 * 6),
    ]
    assert [row[1:] for row in networks.multiply_adds(model)] == by_hand


def test_multiply_adds_of_a_dense_layer_over_positions_by_hand():
    layers = keras.layers
    model = keras.Sequential(
        [keras.Input((6, 5, 4)), layers.Reshape((30, 4)), layers.Dense(7), layers.Dense(2)]
    )
    work = [row[3] for row in networks.multiply_adds(model)]
    assert work == [0, 30 * 4 * 7, 30 * 7 * 2]


def test_wide_resnets_have_their_published_size():
    """Zagoruyko and Komodakis, table 5: 36.5 and 2.2 million parameters."""
    small, large = networks.wide_resnet(), networks.wide_resnet(28, 10)
    assert round(large.count_params() / 1e6, 1) == 36.5
    assert round(small.count_params() / 1e6, 1) == 2.2
    work = sum(row[3] for row in networks.multiply_adds(small))
    assert work == pytest.approx(328e6, rel=0.02)


def test_wide_resnet_is_built_as_in_its_paper():
    model = networks.wide_resnet(16, 2, n_classes=7)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 16  # 13 of 3 x 3, and a shortcut of 1 x 1 a group
    assert [layer.kernel_size for layer in convolutions].count((1, 1)) == 3
    assert {tuple(layer.output.shape[1:]) for layer in convolutions} == {
        *((32, 32, 16), (32, 32, 32), (16, 16, 64), (8, 8, 128)),
    }
    sums = [layer.output.shape[1:] for layer in model.layers if layer.name.startswith("add")]
    assert sums == [(32, 32, 32)] * 2 + [(16, 16, 64)] * 2 + [(8, 8, 128)] * 2
    probs = model.predict(np.random.default_rng(0).random((3, 32, 32, 3)), verbose=0)
    assert probs.shape == (3, 7)
    np.testing.assert_allclose(probs.sum(axis=1), 1, rtol=1e-5)
    optimizer = model.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert (optimizer.nesterov, optimizer.momentum, optimizer.weight_decay) == (True, 0.9, 5e-4)
    assert float(optimizer.learning_rate) == pytest.approx(0.1)
    assert model.loss == "categorical_crossentropy"


@pytest.mark.parametrize(("depth", "width"), [(41, 2), (4, 2), (0, 2), (-2, 2), (40, 0)])
def test_wide_resnets_that_do_not_exist_are_named(depth, width):
    with pytest.raises(ValueError, match=f"depth is {depth} and width is {width}"):
        networks.wide_resnet(depth, width)


def test_resnexts_have_their_published_size():
    """Xie et al. 2017, table 7: 34.4 million parameters for 8 groups of 64."""
    large = networks.resnext(29, 8, group_width=64)
    assert large.count_params() == pytest.approx(34.4e6, rel=0.003)
    model = networks.resnext(n_classes=7)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 28 + 3  # 29 with the last layer, and a shortcut a stage
    grouped = [layer for layer in convolutions if layer.groups == 4]
    assert [layer.filters for layer in grouped] == [128] * 3 + [256] * 3 + [512] * 3
    assert [layer.strides[0] for layer in grouped] == [1] * 3 + [2, 1, 1] * 2
    by_hand = 3 * 3 * 32 * 128 * 32 * 32  # 32 of the 128 channels, at every position
    rows = {row[0]: row for row in networks.multiply_adds(model)}
    assert rows[grouped[0].name][-1] == by_hand
    assert model.output_shape == (None, 7)
    assert model.optimizer.nesterov


@pytest.mark.parametrize(("depth", "groups"), [(28, 4), (2, 4), (0, 4), (29, 0)])
def test_resnexts_that_do_not_exist_are_named(depth, groups):
    with pytest.raises(ValueError, match=f"depth is {depth} and groups are {groups}"):
        networks.resnext(depth, groups)


def test_a_saved_model_predicts_the_same(tmp_path):
    model = networks.baseline_cnn((8, 8, 3), 3)
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).random((5, 8, 8, 3), dtype="float32")
    loaded = networks.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        loaded.predict(images, verbose=0), model.predict(images, verbose=0)
    )


def test_bad_input_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="run it first"):
        networks.load_model(tmp_path / "baseline_0.keras")
    with pytest.raises(ValueError, match="n_classes is 1"):
        networks.baseline_cnn(n_classes=1)
    for shape in ((3, 32, 3), (32, 32)):
        with pytest.raises(ValueError, match="input_shape is"):
            networks.baseline_cnn(shape)


def test_code_in_a_model_file_is_refused(tmp_path):
    """Safe mode: a Lambda layer could run anything when it is loaded."""
    layers = [keras.Input((2,)), keras.layers.Lambda(lambda x: x + 1)]
    keras.Sequential(layers).save(tmp_path / "lambda.keras")
    with pytest.raises(ValueError, match=r"[Ll]ambda"):
        networks.load_model(tmp_path / "lambda.keras")
