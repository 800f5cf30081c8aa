"""The networks: hand counts, published ones, their settings; that they learn, save and load."""

import keras
import numpy as np
import pytest
from keras import ops

from tta_helpers.workbook import networks
from tta_helpers.workbook.sample import make_sample


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


# Augmentation


def batches(dataset):
    """Return all images and labels of one epoch."""
    parts = zip(*(dataset[i] for i in range(len(dataset))), strict=True)
    return [np.concatenate([ops.convert_to_numpy(part) for part in side]) for side in parts]


def augmented(name, images, batch_size=4, seed=0):
    """Augmented images, of which each is a class of its own."""
    labels = np.eye(len(images), dtype="float32")
    return networks.Augmented(images, labels, name, batch_size, seed)


@pytest.fixture
def squares():
    return np.random.default_rng(0).integers(0, 256, (10, 16, 16, 3), dtype=np.uint8)


AUGMENTATIONS = ("flip_shift", "augmix", "corruptions", "cutmix")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmented_epochs_have_every_image_once_in_form_and_range(name, squares):
    dataset, orders = augmented(name, squares, batch_size=6), []
    assert len(dataset) == 2
    for _ in range(2):
        images, labels = batches(dataset)
        assert (images.shape, images.dtype) == ((10, 16, 16, 3), np.float32)
        assert 0 <= images.min() < images.max() <= 1
        assert labels.shape == (10, 10)
        assert labels.min() >= 0
        np.testing.assert_allclose(labels.sum(axis=1), 1, rtol=1e-5)
        if name != "cutmix":  # which mixes the labels of a batch
            assert set(labels.ravel()) == {0, 1}
            assert sorted(labels.argmax(axis=1)) == list(range(10))
        orders.append(labels.argmax(axis=1).tolist())
        dataset.on_epoch_end()
    assert orders[0] != orders[1]


@pytest.mark.parametrize("name", ["flip_shift", "cutmix"])
def test_order_and_augmentation_follow_the_seed(name, squares):
    first, again, other = (batches(augmented(name, squares, seed=s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert (first[1] != other[1]).any()


def test_flip_shift_mirrors_half_and_moves_by_an_eighth_at_most():
    """Two spots in row 8, a faint one left of a bright one: their mean and their skew tell."""
    images = np.zeros((400, 16, 16, 3), np.uint8)
    images[:, 8, 6], images[:, 8, 9] = 60, 240
    images, _ = batches(augmented("flip_shift", images, 100))
    weights = images[..., 0].astype(float)
    weights /= weights.sum(axis=(1, 2), keepdims=True)
    rows, columns = (np.tensordot(weights, grid) for grid in np.indices((16, 16)))
    skew = (weights.sum(axis=1) * (np.arange(16) - columns[:, None]) ** 3).sum(axis=1)
    mirrored = skew > 0
    assert 0.4 < mirrored.mean() < 0.6
    down, right = rows - 8, columns - np.where(mirrored, 15 - 8.4, 8.4)
    for shift in (down, right):
        assert -2.01 < shift.min() < -1.8
        assert 1.8 < shift.max() < 2.01


@pytest.mark.parametrize("name", ["augmix", "corruptions"])
def test_images_keep_their_labels(name):
    """Most augmented images still resemble the image that their label names."""
    keras.utils.set_random_seed(0)  # AugMix draws its operations from Python's global stream
    photos, *_ = make_sample(8, 1)
    hits = []
    for seed in range(3):
        images, labels = batches(augmented(name, photos, 2, seed))
        clean, now = (x.reshape(8, -1) for x in (photos.astype(float), images))
        likeness = np.abs(np.corrcoef(now, clean)[:8, 8:])
        hits += list(likeness.argmax(axis=1) == labels.argmax(axis=1))
    assert np.mean(hits) > 0.7  # by chance: one in eight


def test_corruptions_are_drawn_anew_every_epoch(squares, monkeypatch):
    drawn = []

    def corrupt(images, seed):
        np.testing.assert_array_equal(images, squares)  # the clean ones, every time
        drawn.append(seed)
        return images, None

    monkeypatch.setattr(networks, "corrupt_at_random", corrupt)
    dataset = augmented("corruptions", squares)
    dataset.on_epoch_end()
    assert len(set(drawn)) == 2


def test_cutmix_labels_are_the_shares_of_the_pixels():
    """Images of one grey each: what was pasted shows."""
    greys = np.arange(8) * 30 + 20
    images = np.broadcast_to(greys[:, None, None, None], (8, 32, 32, 3)).astype(np.uint8)
    images, labels = batches(augmented("cutmix", images, 8))
    found = np.rint(images[..., 0] * 255)[:, None] == greys[:, None, None]
    np.testing.assert_allclose(found.mean(axis=(2, 3)), labels, atol=2 / 32)
    assert (labels.max(axis=1) < 0.9).any()


@pytest.fixture
def dense():
    """The smallest classifier of `squares`."""
    layers = [keras.Input((16, 16, 3)), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_fit_with_every_augmentation(name, dense, squares):
    before = dense.get_weights()
    clean = (squares / np.float32(255), np.arange(10))
    history = networks.fit(
        *(dense, squares, np.arange(10)),
        epochs=2,
        batch_size=5,
        validation_data=clean,
        augmentation=name,
    )
    assert {key: len(values) for key, values in history.items()} == dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), 2
    )
    assert np.isfinite(history["loss"]).all()
    assert (before[0] != dense.get_weights()[0]).any()


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX traces the loss: it sees no values"
)
def test_fit_shows_every_image_once_an_epoch(dense, squares):
    """What reaches the loss: Keras draws batches ahead, and some twice to learn their form."""
    seen = []

    def loss(true, predicted):
        seen.extend(ops.convert_to_numpy(true).argmax(axis=1).tolist())
        return keras.losses.categorical_crossentropy(true, predicted)

    dense.compile("sgd", loss, run_eagerly=True)
    networks.fit(dense, squares, np.arange(10), epochs=3, batch_size=4, augmentation="flip_shift")
    epochs = np.reshape(seen, (3, 10))
    np.testing.assert_array_equal(np.sort(epochs, axis=1), [range(10)] * 3)
    assert len(np.unique(epochs, axis=0)) == 3


def test_an_unknown_augmentation_is_named(dense, squares):
    with pytest.raises(ValueError, match=r"augmentation is 'mixup'; use one of .*'cutmix'"):
        networks.fit(dense, squares, np.arange(10), augmentation="mixup")


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
