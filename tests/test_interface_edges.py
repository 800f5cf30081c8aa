"""Where a model, its images and its options meet at an edge: against NumPy, for an uneven model."""

import functools
import json
import threading

import keras
import numpy as np
import pytest
from keras import layers
from scipy import special

from tta_helpers import predict_views
from tta_helpers.predict import every_view
from tta_helpers.views import FLIP

SHAPE = (8, 6, 3)


def flipped(images):
    """Return the two views of `FLIP`, made by NumPy."""
    return np.stack([images, images[:, :, ::-1]])


@pytest.fixture
def expected(linear, photos):
    return np.stack([linear.probs(view) for view in flipped(photos / 255)])


def parts(array, size):
    return [array[row : row + size] for row in range(0, len(array), size)]


# ---------------------------------------------------------------- streams and their labels


def test_labels_in_an_array_that_the_stream_fills_again(linear, photos, expected):
    def stream():
        images, labels = np.empty((4, *SHAPE), np.uint8), np.empty(4, int)
        for row in (0, 4):
            images[:], labels[:] = photos[row : row + 4], np.arange(row, row + 4)
            yield images, labels

    probs, labels = predict_views(linear.model, stream(), FLIP, 3, return_labels=True)
    np.testing.assert_array_equal(labels, np.arange(8))
    np.testing.assert_allclose(probs, expected[:, :8], atol=1e-5)


def test_labels_of_two_outputs_come_as_two_arrays(linear, photos, expected):
    """Also where their shapes differ, and whether they are asked for or not."""
    classes, places = np.arange(11), np.arange(22).reshape(11, 2)

    def stream():
        both = zip(parts(classes, 4), parts(places, 4), strict=True)
        return zip(parts(photos, 4), both, strict=True)

    np.testing.assert_allclose(predict_views(linear.model, stream(), FLIP), expected, atol=1e-5)
    _, labels = predict_views(linear.model, stream(), FLIP, 3, return_labels=True)
    assert isinstance(labels, tuple)
    np.testing.assert_array_equal(labels[0], classes)
    np.testing.assert_array_equal(labels[1], places)
    lists = ((x, y.tolist()) for x, y in zip(parts(photos, 4), parts(classes, 4), strict=True))
    _, labels = predict_views(linear.model, lists, FLIP, 3, return_labels=True)
    np.testing.assert_array_equal(labels, classes)


@pytest.mark.parametrize("labels", [np.arange(3), np.arange(5), np.int64(3), {"kind": [1, 2]}])
def test_labels_that_are_not_one_an_image_are_refused(labels, linear, photos):
    with pytest.raises(ValueError, match="A batch holds 4 images and labels of shape"):
        predict_views(linear.model, iter([(photos[:4], labels)]), FLIP, return_labels=True)


def test_a_batch_without_images(linear, photos, expected):
    stream = iter([photos[:4], photos[:0], photos[4:5], photos[:0]])
    np.testing.assert_allclose(
        predict_views(linear.model, stream, FLIP), expected[:, :5], atol=1e-5
    )
    for nothing in (photos[:0], iter([photos[:0]])):
        with pytest.raises(ValueError, match=r"\(0, 8, 6, 3\): there is no image in it"):
            predict_views(linear.model, nothing, FLIP)


def test_a_loader_that_does_not_know_its_length(linear, photos, expected):
    """PyTorch's of an iterable data set has `__len__`, which raises a TypeError."""

    class Loader:
        def __iter__(self):
            return iter(parts(photos, 4))

        def __len__(self):
            raise TypeError("object of type 'IterableDataset' has no len()")

    np.testing.assert_allclose(predict_views(linear.model, Loader(), FLIP), expected, atol=1e-5)


# ---------------------------------------------------------------- dictionaries and lists of inputs


def test_a_dictionary_with_more_than_the_model_takes(linear, photos):
    """As TensorFlow Datasets gives them."""
    given = {"image": photos, "label": np.arange(11)}
    for images in (given, iter([given])):
        with pytest.raises(ValueError, match=r"'image', 'label', and the model takes one array"):
            predict_views(linear.model, images, FLIP)


class ByName(keras.Model):
    """A subclassed model of a dictionary of one array."""

    def __init__(self):
        super().__init__()
        self.flat, self.head = layers.Flatten(), layers.Dense(4, activation="softmax")

    def call(self, inputs):
        return self.head(self.flat(inputs["image"]))


@pytest.mark.parametrize("times", [1, 400])
def test_a_subclassed_model_of_a_dictionary(times, linear, photos, expected):
    model = ByName()
    model({"image": photos / 255})
    model.set_weights([linear.kernel, linear.bias])
    probs = predict_views(model, {"image": photos.repeat(times, axis=0)}, FLIP)
    np.testing.assert_allclose(probs[:, ::times], expected, atol=1e-5)


def test_inputs_whose_names_in_a_dictionary_are_not_their_symbols(photos):
    image, age = keras.Input(SHAPE, name="x"), keras.Input((2,), name="y")
    rows = layers.Concatenate()([layers.Flatten()(image), age])
    model = keras.Model({"image": image, "age": age}, layers.Dense(3)(rows))
    ages = np.random.default_rng(4).random((11, 2), dtype="float32")
    kernel = model.layers[-1].get_weights()[0]
    seen = [np.concatenate([v.reshape(11, -1), ages], 1) for v in flipped(photos / 255)]
    wanted = special.softmax(seen @ kernel, axis=-1)
    for given in (photos, [photos, ages]):
        with pytest.raises(
            ValueError, match=r"dictionary of arrays, \{'image': ..., 'age': ...\}."
        ):
            predict_views(model, given, FLIP, outputs="logits")
    given = {"age": ages, "image": photos}
    for options in ({}, {"image_input": "image"}, {"image_input": 0}, {"image_input": -2}):
        probs = predict_views(model, given, FLIP, outputs="logits", **options)
        np.testing.assert_allclose(probs, wanted, atol=1e-5)
    with pytest.raises(ValueError, match="lacks one of the inputs 'age', 'image'"):
        predict_views(model, iter([given, {"image": photos}]), FLIP, outputs="logits")


# ---------------------------------------------------------------- files that go on


def stopped(monkeypatch, after, call):
    """Make a call that is interrupted after so many views of batches."""
    whole, calls = every_view.predict_view, []

    def predict_view(*args, **options):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return whole(*args, **options)

    monkeypatch.setattr(every_view, "predict_view", predict_view)
    with pytest.raises(KeyboardInterrupt):
        call()
    monkeypatch.undo()


@pytest.mark.parametrize(("size", "batch_size"), [(6, 4), (3, 4), (5, 3), (4, 500)])
def test_a_stream_whose_batches_do_not_divide_goes_on(
    size, batch_size, linear, photos, tmp_path, monkeypatch
):
    """No image twice, none left out."""
    images = np.concatenate([photos, photos[:, ::-1], photos[::-1, ::-1]])

    def predict():
        stream = iter(parts(images, size))
        return predict_views(linear.model, stream, FLIP, batch_size, out=tmp_path / "probs.npy")

    stopped(monkeypatch, 2 * 4 + 1, predict)
    wanted = [linear.probs(view) for view in flipped(images / 255)]
    np.testing.assert_allclose(predict(), wanted, atol=1e-5)


def test_another_stream_does_not_go_on(linear, photos, tmp_path, monkeypatch):
    """One that shuffles; and one that ends before the images that were done."""

    def predict(images):
        stream = iter(parts(images, 2))
        return predict_views(linear.model, stream, FLIP, 2, out=tmp_path / "probs.npy")

    stopped(monkeypatch, 2 * 3, lambda: predict(photos))
    with pytest.raises(ValueError, match=r"another prediction \(other images\)"):
        predict(photos[::-1])
    with pytest.raises(ValueError, match="gave 4 images, and 6 were predicted before"):
        predict(photos[:4])
    wanted = [linear.probs(view) for view in flipped(photos / 255)]
    np.testing.assert_allclose(predict(photos), wanted, atol=1e-5)


def scaled(images, factor):
    return images * factor


def test_a_file_of_another_function_is_no_answer(linear, photos, tmp_path):
    """Their names are alike: what they do to images tells them apart."""
    adapted = [layers.Normalization(), layers.Normalization()]
    adapted[0].adapt(photos / 255)
    adapted[1].adapt(photos / 510)
    pairs = [
        [lambda images: images * 0.5, lambda images: images * 0.7],
        [functools.partial(scaled, factor=f) for f in (0.5, 0.7)],
        [lambda images: images, lambda images: images[..., ::-1]],
        adapted,
    ]
    for k, (one, other) in enumerate(pairs):
        out = tmp_path / f"{k}.npy"
        probs = predict_views(linear.model, photos, FLIP, out=out, preprocess=one)
        again = predict_views(linear.model, photos, FLIP, out=out, preprocess=one)
        np.testing.assert_array_equal(probs, again)
        with pytest.raises(ValueError, match=r"another prediction \(other .*preprocess\)"):
            predict_views(linear.model, photos, FLIP, out=out, preprocess=other)


def hidden(activation):
    parts = [layers.Flatten(), layers.Dense(5, activation), layers.Dense(4, "softmax")]
    model = keras.Sequential([keras.Input(SHAPE), *parts])
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(size=weight.shape) / 5 for weight in model.get_weights()])
    return model


def test_a_file_of_another_network_with_the_same_weights_is_no_answer(photos, tmp_path):
    """Built again, with other numbers in its layers' names, it is the same one."""
    out = tmp_path / "probs.npy"
    probs = predict_views(hidden("relu"), photos, FLIP, out=out)
    np.testing.assert_array_equal(predict_views(hidden("relu"), photos, FLIP, out=out), probs)
    with pytest.raises(ValueError, match=r"another prediction \(other model\)"):
        predict_views(hidden("tanh"), photos, FLIP, out=out)
    with pytest.raises(ValueError, match=r"no weights yet.*model\(images\[:1\]\)"):
        predict_views(ByName(), {"image": photos}, FLIP, out=tmp_path / "named.npy")


def test_a_file_of_images_that_differ_late_is_no_answer(linear, photos, tmp_path):
    out = tmp_path / "probs.npy"
    predict_views(linear.model, photos, FLIP, 4, out=out)
    photos[9] = 255 - photos[9]
    with pytest.raises(ValueError, match=r"another prediction \(other images\)"):
        predict_views(linear.model, photos, FLIP, 4, out=out)


def test_a_file_of_someone_elses_beside_it_stays(linear, photos, tmp_path):
    (tmp_path / "probs.json").write_text('{"accuracy": 0.9}')
    with pytest.raises(ValueError, match=r"probs\.json is there already"):
        predict_views(linear.model, photos, FLIP, out=tmp_path / "probs.npy")
    assert json.loads((tmp_path / "probs.json").read_text()) == {"accuracy": 0.9}
    assert [path.name for path in tmp_path.iterdir()] == ["probs.json"]
    with pytest.raises(ValueError, match="out is 3; name a file"):
        predict_views(linear.model, photos, FLIP, out=3)


def test_two_predictions_into_one_file(linear, photos, expected, tmp_path):
    """The second is told to wait; once the first has ended, the file is its answer as well."""
    out, first_batch, go_on = tmp_path / "probs.npy", threading.Event(), threading.Event()

    def slow():
        yield photos[:4]
        first_batch.set()
        go_on.wait(60)
        yield photos[4:]

    found = []
    thread = threading.Thread(
        target=lambda: found.append(predict_views(linear.model, slow(), FLIP, 4, out=out))
    )
    thread.start()
    first_batch.wait(60)
    with pytest.raises(ValueError, match="is being written by another prediction"):
        predict_views(linear.model, iter([photos[:4], photos[4:]]), FLIP, 4, out=out)
    go_on.set()
    thread.join()
    again = predict_views(linear.model, iter([photos[:4], photos[4:]]), FLIP, 4, out=out)
    for probs in (found[0], again):
        np.testing.assert_allclose(probs, expected, atol=1e-5)


@pytest.mark.parametrize("left", [b"", b"\x93NUMPY"])
def test_a_prediction_killed_before_its_first_batch_was_written(left, linear, photos, tmp_path):
    out = tmp_path / "probs.npy"
    whole = predict_views(linear.model, photos, FLIP, out=out)
    expected = np.array(whole)
    del whole
    out.unlink()
    out.with_suffix(".partial").write_bytes(left)
    np.testing.assert_array_equal(predict_views(linear.model, photos, FLIP, out=out), expected)
    with pytest.raises(ValueError, match="images run from"):
        predict_views(linear.model, np.float32(photos), FLIP, out=tmp_path / "other.npy")
    assert not (tmp_path / "other.partial").exists()
