"""Images in whatever form: ranges, preprocessing, several inputs, streams, files that go on."""

import json

import keras
import numpy as np
import pytest
from keras import layers
from scipy import special

from tta_helpers import predict_views, tta_model, views
from tta_helpers.predict import every_view, results
from tta_helpers.views import FLIP

SHAPE = (8, 6, 3)
SET = (*FLIP, views.Brightness(0.1))
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the stream is TensorFlow's"
)


def shown(images):
    return [images, images[:, :, ::-1], np.clip(images + 0.1, 0, 1)]


@pytest.fixture
def expected(linear, photos):
    return np.stack([linear.probs(view) for view in shown(photos / 255)])


# ---------------------------------------------------------------- ranges and preprocessing


@pytest.mark.parametrize("value_range", [(0, 255), (-1, 1), (-2, 6), (0, 65535)])
@pytest.mark.parametrize("given", ["bytes", "floats"])
def test_any_declared_range(value_range, given, linear, photos, expected):
    low, high = value_range
    back = layers.Rescaling(1 / (high - low), offset=-low / (high - low))
    model = keras.Sequential([keras.Input(SHAPE), back, linear.model])
    images = photos if given == "bytes" else np.float32(low + (high - low) * (photos / 255))
    probs = predict_views(model, images, SET, value_range=value_range)
    np.testing.assert_allclose(probs, expected, atol=1e-4)
    many = predict_views(model, images.repeat(400, axis=0), SET, value_range=value_range)
    np.testing.assert_allclose(many[:, ::400], expected, atol=1e-4)  # in a graph


def test_images_divided_once_too_often_are_refused(linear, photos):
    model = keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 255), linear.model])
    with pytest.raises(ValueError, match=r"run from .* to 1 and value_range is \(0, 255\)"):
        predict_views(model, np.float32(photos / 255), FLIP, value_range=(0, 255))
    black = np.zeros((2, *SHAPE), np.float32)
    probs = predict_views(model, black, [views.Identity()], value_range=(0, 255))
    np.testing.assert_allclose(probs[0], linear.probs(black), atol=1e-5)


def test_what_keras_applications_ask_for(photos, tmp_path):
    """Their own `preprocess_input`, on the view: caffe style is blue, green, red minus the mean."""
    preprocess = keras.applications.resnet.preprocess_input
    body = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), layers.Dense(3, "softmax")])
    kernel = np.random.default_rng(2).normal(size=(144, 3)).astype("float32") / 100
    body.set_weights([kernel, np.zeros(3)])
    means = np.array([103.939, 116.779, 123.68])
    by_hand = [255 * view[..., ::-1] - means for view in shown(photos / 255)]
    logits = [view.reshape(len(photos), -1) @ kernel for view in by_hand]
    expected = special.softmax(logits, axis=-1)
    options = {"value_range": (0, 255), "preprocess": preprocess}
    np.testing.assert_allclose(predict_views(body, photos, SET, **options), expected, atol=1e-4)
    many = predict_views(body, photos.repeat(400, axis=0), SET, **options)
    np.testing.assert_allclose(many[:, ::400], expected, atol=1e-4)
    tta_model(body, SET, **options).save(tmp_path / "served.keras")
    served = keras.saving.load_model(tmp_path / "served.keras", safe_mode=True)
    answers = served.predict(photos, verbose=0)
    np.testing.assert_allclose(answers, expected.mean(axis=0), atol=1e-4)


def test_a_function_for_arrays_alone_predicts_but_cannot_be_saved(linear, photos, expected):
    def preprocess(images):
        return np.asarray(images, np.float32) / 255

    options = {"value_range": (0, 255), "preprocess": preprocess}
    many = predict_views(linear.model, photos.repeat(400, axis=0), SET, **options)
    np.testing.assert_allclose(many[:, ::400], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"preprocess, .* keras\.ops"):
        tta_model(linear.model, SET, **options)
    with pytest.raises(ValueError, match="preprocess is 3"):
        predict_views(linear.model, photos, SET, preprocess=3)


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_any_number_of_channels(channels):
    images = np.random.default_rng(1).integers(0, 256, (5, 9, 7, channels), dtype=np.uint8)
    model = keras.Sequential([keras.Input((9, 7, channels)), layers.Flatten(), layers.Dense(3)])
    kernel = np.random.default_rng(2).normal(size=(63 * channels, 3)).astype("float32")
    model.set_weights([kernel, np.zeros(3)])
    probs = predict_views(model, images, SET, outputs="logits")
    logits = [view.reshape(5, -1) @ kernel for view in shown(images / 255)]
    np.testing.assert_allclose(probs, special.softmax(logits, axis=-1), atol=1e-5)
    with pytest.raises(ValueError, match="color_2 needs images of 3 channels"):
        predict_views(model, images, [views.Color(2)], outputs="logits")


# ---------------------------------------------------------------- several inputs


def with_age(form):
    """Return a model of an image and a number, and the same in NumPy."""
    rng = np.random.default_rng(8)
    kernel = rng.normal(size=(146, 4)).astype("float32")
    age, image = keras.Input((2,), name="age"), keras.Input(SHAPE, name="image")
    head = layers.Dense(4, activation="softmax")
    joined = head(layers.Concatenate()([layers.Flatten()(image), age]))
    inputs = {"age": age, "image": image} if form == "dict" else [age, image]
    model = keras.Model(inputs, joined)
    head.set_weights([kernel, np.zeros(4)])

    def by_hand(images, ages):
        rows = np.concatenate([images.reshape(len(images), -1), ages], axis=1)
        return special.softmax(rows @ kernel, axis=-1)

    return model, by_hand


@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("times", [1, 400])
def test_a_model_of_an_image_and_more(form, times, photos, tmp_path):
    model, by_hand = with_age(form)
    ages = np.random.default_rng(4).random((11, 2), dtype="float32")
    expected = [by_hand(view, ages) for view in shown(photos / 255)]
    images, many = photos.repeat(times, axis=0), ages.repeat(times, axis=0)
    given = {"age": many, "image": images} if form == "dict" else [many, images]
    probs = predict_views(model, given, SET, 1000)
    np.testing.assert_allclose(probs[:, ::times], expected, atol=1e-5)
    with pytest.raises(ValueError, match=r"2 inputs; give images as a dictionary.*'age'"):
        predict_views(model, photos, SET)
    with pytest.raises(ValueError, match=r"hold \[11, 10\]|hold \[10, 11\]"):
        short = {"age": ages[:10], "image": photos} if form == "dict" else [ages[:10], photos]
        predict_views(model, short, SET)
    tta_model(model, SET).save(tmp_path / "served.keras")
    served = keras.saving.load_model(tmp_path / "served.keras", safe_mode=True)
    unit = (photos / 255).astype("float32")
    given = {"age": ages, "image": unit} if form == "dict" else [ages, unit]
    answers = served.predict(given, verbose=0)
    np.testing.assert_allclose(answers, np.mean(expected, axis=0), atol=1e-5)


def test_two_images_need_a_word(photos):
    """The second picture goes along as it is: the views are of the one that is named."""
    left, right = keras.Input(SHAPE, name="left"), keras.Input(SHAPE, name="right")
    rows = layers.Concatenate()([layers.Flatten()(left), layers.Flatten()(right)])
    model = keras.Model({"left": left, "right": right}, layers.Dense(3)(rows))
    unit = np.float32(photos / 255)
    given = {"left": unit, "right": unit[::-1].copy()}
    with pytest.raises(ValueError, match=r"'left', 'right'.*image_input='left'"):
        predict_views(model, given, FLIP, outputs="logits")
    probs = predict_views(model, given, FLIP, outputs="logits", image_input="right")
    kernel = model.layers[-1].get_weights()[0]
    seen = [
        np.concatenate([unit.reshape(11, -1), v.reshape(11, -1)], 1)
        for v in shown(given["right"])[:2]
    ]
    np.testing.assert_allclose(probs, special.softmax(seen @ kernel, axis=-1), atol=1e-5)


# ---------------------------------------------------------------- streams


class Batches(keras.utils.PyDataset):
    """Batches of 4, 4 and 3, with labels where they are given."""

    def __init__(self, images, labels=None):
        super().__init__()
        self.images, self.labels = images, labels

    def __len__(self):
        return -(-len(self.images) // 4)

    def __getitem__(self, index):
        rows = slice(4 * index, 4 * index + 4)
        return self.images[rows] if self.labels is None else (self.images[rows], self.labels[rows])


def parts(images, size=4):
    return [images[row : row + size] for row in range(0, len(images), size)]


STREAMS = {
    "PyDataset": lambda x, y: Batches(x, y),
    "PyDataset of images": lambda x, y: Batches(x),
    "generator": lambda x, y: (part for part in parts(x)),
    "generator of pairs": lambda x, y: zip(parts(x), parts(y), strict=True),
    "weights too": lambda x, y: zip(parts(x), parts(y), parts(y), strict=True),
}


@pytest.mark.parametrize("kind", STREAMS)
@pytest.mark.parametrize("batch_size", [3, 500])
def test_streams(kind, batch_size, linear, photos, expected):
    stream = STREAMS[kind](photos, np.arange(11))
    probs = predict_views(linear.model, stream, SET, batch_size)
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_labels_come_in_the_order_of_the_images(linear, photos, expected):
    order = np.random.default_rng(3).permutation(11)
    pairs = zip(parts(photos[order]), parts(order), strict=True)
    probs, labels = predict_views(linear.model, pairs, SET, 3, return_labels=True)
    np.testing.assert_array_equal(labels, order)
    np.testing.assert_allclose(probs, expected[:, labels], atol=1e-5)
    named = ((x, {"kind": y, "age": -y}) for x, y in zip(parts(photos), parts(order), strict=True))
    _, labels = predict_views(linear.model, named, SET, 3, return_labels=True)
    np.testing.assert_array_equal(labels["age"], -order)
    with pytest.raises(ValueError, match="the batches hold no labels"):
        predict_views(linear.model, iter(parts(photos)), SET, return_labels=True)


@tensorflow_only
@pytest.mark.parametrize("labelled", [True, False])
def test_tensorflows_data_sets(labelled, linear, photos, expected):
    data = pytest.importorskip("tensorflow").data.Dataset
    given = (photos, np.arange(11)) if labelled else photos
    dataset = data.from_tensor_slices(given)
    probs = predict_views(linear.model, dataset.batch(4), SET)
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    if labelled:
        mixed = dataset.shuffle(11).batch(4)
        probs, labels = predict_views(linear.model, mixed, SET, return_labels=True)
        np.testing.assert_allclose(probs, expected[:, labels], atol=1e-5)
    with pytest.raises(ValueError, match=r"endless .*take\(n_batches\)"):
        predict_views(linear.model, dataset.repeat().batch(4), SET)
    with pytest.raises(ValueError, match=r"n at least 1. A single image"):
        predict_views(linear.model, dataset, SET)  # not batched


def test_an_image_generators_iterator(linear, photos, expected):
    """It never ends by itself, but tells how many batches a pass has."""
    image = pytest.importorskip("tensorflow.keras.preprocessing.image")
    iterator = image.ImageDataGenerator(rescale=1 / 255).flow(photos, np.arange(11), batch_size=4)
    probs, labels = predict_views(linear.model, iterator, SET, return_labels=True)
    np.testing.assert_allclose(probs, expected[:, labels], atol=1e-5)


def test_pytorchs_loader(linear, photos, expected):
    torch = pytest.importorskip("torch")
    first = torch.from_numpy(photos.transpose(0, 3, 1, 2).astype("float32") / 255)
    pairs = torch.utils.data.TensorDataset(first, torch.arange(11))
    loader = torch.utils.data.DataLoader(pairs, batch_size=4, shuffle=True)
    model = keras.Sequential([keras.Input((3, 8, 6)), layers.Permute((2, 3, 1)), linear.model])
    probs, labels = predict_views(
        model, loader, SET, data_format="channels_first", return_labels=True
    )
    np.testing.assert_allclose(probs, expected[:, labels], atol=1e-5)


def test_streams_that_fail_say_so(linear, photos):
    with pytest.raises(ValueError, match=r"empty list_iterator.*made again"):
        predict_views(linear.model, iter([]), SET)
    with pytest.raises(ValueError, match=r"shape \(8, 5, 3\), the first one of \(8, 6, 3\)"):
        predict_views(linear.model, iter([photos, photos[:, :, :5]]), SET)
    late = np.float32(photos / 255) * 3
    with pytest.raises(ValueError, match="images run from"):
        predict_views(linear.model, iter([np.float32(photos / 255), late]), SET)
    with pytest.raises(ValueError, match=r"images is the name 'cat.jpg'"):
        predict_views(linear.model, "cat.jpg", SET)


def test_a_dictionary_in_a_stream(photos):
    model, by_hand = with_age("dict")
    ages = np.random.default_rng(4).random((11, 2), dtype="float32")
    pairs = (
        ({"image": x, "age": a}, y)
        for x, a, y in zip(parts(photos), parts(ages), parts(np.arange(11)), strict=True)
    )
    probs, labels = predict_views(model, pairs, SET, 3, return_labels=True)
    expected = [by_hand(view, ages) for view in shown(photos / 255)]
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    np.testing.assert_array_equal(labels, np.arange(11))


# ---------------------------------------------------------------- models with a life of their own


class AlwaysDrop(layers.Layer):
    """Monte Carlo dropout: it drops in prediction too."""

    def __init__(self):
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(1)

    def call(self, images):
        return keras.random.dropout(images, 0.5, seed=self.seed_generator)


def test_a_model_that_changes_while_it_predicts_is_told_of(photos, recwarn):
    parts = [AlwaysDrop(), layers.Flatten(), layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input(SHAPE), *parts])
    with pytest.warns(UserWarning, match=r"changes the model's .*seed.*training=True"):
        first = predict_views(model, photos, FLIP)
    recwarn.clear()
    assert np.abs(predict_views(model, photos, FLIP) - first).max() > 0.01
    assert not [w for w in recwarn if "changes the model's" in str(w.message)]  # said once


def test_training_mode_changes_nothing(photos, recwarn):
    """Batch normalisation and dropout of a model in the middle of its training stay out of it."""
    parts = [layers.Dropout(0.5), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([keras.Input(SHAPE), *parts, layers.Softmax()])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(np.float32(photos / 255), np.arange(11) % 3, verbose=0)
    before = model.get_weights()
    first = predict_views(model, photos, FLIP)
    np.testing.assert_array_equal(predict_views(model, photos, FLIP), first)
    expected = [model.predict(view, verbose=0) for view in shown(np.float32(photos / 255))[:2]]
    np.testing.assert_allclose(first, expected, atol=1e-5)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert not [w for w in recwarn if "changes the model's" in str(w.message)]


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "bfloat16", "float16"])
def test_probabilities_of_half_precision(policy, photos):
    """A hundred classes, rounded: rows sum to one within the type's precision, and are taken."""
    parts = [layers.Flatten(dtype=policy), layers.Dense(100, "softmax", dtype=policy)]
    model = keras.Sequential([keras.Input(SHAPE), *parts])
    probs = predict_views(model, photos, FLIP)
    assert probs.dtype == np.float32
    assert np.abs(probs.sum(axis=-1) - 1).max() < 5e-2
    expected = [
        np.asarray(model.predict(v, verbose=0), "float32")
        for v in shown(np.float32(photos / 255))[:2]
    ]
    np.testing.assert_allclose(probs, expected, atol=2e-2)


def test_a_quantised_model(linear, photos):
    exact = predict_views(linear.model, photos, FLIP)
    linear.model.quantize("int8")
    probs = predict_views(linear.model, photos, FLIP)
    expected = [linear.model.predict(v, verbose=0) for v in shown(np.float32(photos / 255))[:2]]
    np.testing.assert_allclose(probs, expected, atol=1e-5)
    assert np.abs(probs - exact).max() > 1e-5  # and not the old graph's answer


def of(module, attribute):
    """Stands in for another package's model."""
    return type("Net", (), {attribute: None, "__module__": module})()


@pytest.mark.parametrize(
    ("thing", "message"),
    [
        ("model.keras", "is a str; give a keras.Model. A file is read by tta_helpers.load_model"),
        (lambda x: x, "is a function; give a keras.Model"),
        (
            type("Net", (), {"named_parameters": None, "__module__": "torch.nn"})(),
            "TorchModuleWrapper",
        ),
        (type("Net", (), {"signatures": None, "__module__": "tensorflow"})(), "TFSMLayer"),
        (type("Net", (), {"__module__": "tf_keras.src"})(), "Keras 2"),
    ],
)
def test_models_of_other_packages_are_told_how(thing, message, photos):
    with pytest.raises(ValueError, match=message):
        predict_views(thing, photos, FLIP)


# ---------------------------------------------------------------- into a file


WHOLE = every_view.predict_view


def stopping(after):
    """Return a way to predict that is interrupted after so many calls."""
    calls = []

    def predict_view(*args, **options):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return WHOLE(*args, **options)

    return predict_view, calls


@pytest.mark.parametrize("kind", ["array", "stream"])
def test_a_file_goes_on_where_it_was_stopped(kind, linear, photos, tmp_path, monkeypatch):
    out, images = tmp_path / "probs.npy", np.concatenate([photos, photos[:, ::-1]])

    def predict():
        given = images if kind == "array" else iter(parts(images))
        return predict_views(linear.model, given, SET, 4, out=out)

    monkeypatch.setattr(every_view, "predict_view", stopping(3 * 3 + 1)[0])
    with pytest.raises(KeyboardInterrupt):
        predict()
    assert not out.exists()
    left = out.with_suffix(".partial").stat().st_size
    assert left == results.HEADER + 12 * 3 * 4 * 4
    counted, calls = stopping(10**6)
    monkeypatch.setattr(every_view, "predict_view", counted)
    with open(out.with_suffix(".partial"), "ab") as file:
        file.write(b"torn")  # as a kill leaves it
    probs = predict()
    assert len(calls) == 3 * 3  # three batches of six were left
    assert not out.with_suffix(".partial").exists()
    whole = np.stack([linear.probs(view) for view in shown(images / 255)])
    np.testing.assert_allclose(probs, whole, atol=1e-5)
    assert np.load(out).shape == (22, 3, 4)
    np.testing.assert_array_equal(predict(), probs)
    assert len(calls) == 3 * 3  # the file is the answer
    monkeypatch.undo()
    straight = predict_views(linear.model, images, SET, 4, out=tmp_path / "straight.npy")
    np.testing.assert_array_equal(straight, probs)  # to the last bit


def test_a_file_of_something_else_stays(linear, photos, tmp_path):
    out = tmp_path / "probs.npy"
    predict_views(linear.model, photos, SET, out=out)
    kept = out.read_bytes()
    for changed in (
        lambda: predict_views(linear.model, photos, SET[:2], out=out),
        lambda: predict_views(linear.model, photos[::-1], SET, out=out),
        lambda: predict_views(linear.model, photos, SET, 3, out=out),
    ):
        with pytest.raises(ValueError, match="from another prediction"):
            changed()
    linear.model.layers[-1].set_weights([linear.kernel * 2, linear.bias])
    with pytest.raises(ValueError, match=r"another prediction \(other model\)"):
        predict_views(linear.model, photos, SET, out=out)
    assert out.read_bytes() == kept
    foreign = tmp_path / "foreign.npy"
    np.save(foreign, np.arange(3))
    with pytest.raises(ValueError, match="from another prediction"):
        predict_views(linear.model, photos, SET, out=foreign)
    np.testing.assert_array_equal(np.load(foreign), np.arange(3))


def test_names_of_files_that_cannot_be(linear, photos, tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.npy"):
        predict_views(linear.model, photos, SET, out=tmp_path / "probs.csv")
    with pytest.raises(ValueError, match="no folder; make it first"):
        predict_views(linear.model, photos, SET, out=tmp_path / "none" / "probs.npy")
    with pytest.raises(ValueError, match="one head and no labels"):
        predict_views(linear.model, photos, SET, out=tmp_path / "p.npy", return_labels=True)


def test_a_note_that_is_damaged_is_another_prediction(linear, photos, tmp_path):
    out = tmp_path / "probs.npy"
    predict_views(linear.model, photos, SET, out=out)
    note = json.loads(out.with_suffix(".json").read_text())
    assert note["row"] == [3, 4]
    out.with_suffix(".json").write_text("{")
    with pytest.raises(ValueError, match="from another prediction"):
        predict_views(linear.model, photos, SET, out=out)
