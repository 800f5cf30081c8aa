"""Where a model, its images and its options meet at an edge: against NumPy, for an uneven model."""

import dataclasses
import functools
import gc
import json
import subprocess
import sys
import threading
import tracemalloc
import weakref

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers, ops
from scipy import special

from tta_helpers import checks, policies, predict_copies, predict_views, tta_model, views
from tta_helpers.checks.scale import leading_scale
from tta_helpers.loss_predictor import predict_scores, predict_selected
from tta_helpers.predict import every_view, forward
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


class Both(keras.Model):
    """A subclassed model of a list: an image and two numbers."""

    def __init__(self):
        super().__init__()
        self.flat, self.head = layers.Flatten(), layers.Dense(3, activation="softmax")

    def call(self, inputs):
        return self.head(layers.concatenate([self.flat(inputs[0]), inputs[1]]))


@pytest.mark.parametrize("number", [0, -2])
def test_a_subclassed_model_of_a_list(number, photos):
    model, ages = Both(), np.random.default_rng(4).random((11, 2), dtype="float32")
    model([photos / 255, ages])
    kernel = model.head.get_weights()[0]
    seen = [np.concatenate([v.reshape(11, -1), ages], 1) for v in flipped(photos / 255)]
    probs = predict_views(model, [photos, ages], FLIP, image_input=number)
    np.testing.assert_allclose(probs, special.softmax(seen @ kernel, axis=-1), atol=1e-5)
    with pytest.raises(ValueError, match="image_input"):
        predict_views(model, [photos, ages], FLIP)


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
    with pytest.raises(ValueError, match=r"another prediction \(other images"):
        predict(photos[::-1])
    with pytest.raises(ValueError, match=r"other images: from number 4 on, none came"):
        predict(photos[:4])
    wanted = [linear.probs(view) for view in flipped(photos / 255)]
    np.testing.assert_allclose(predict(photos), wanted, atol=1e-5)


def test_a_torn_note_of_a_batch_is_no_batch(linear, photos, tmp_path, monkeypatch):
    """Killed while it wrote which images a batch was of: the batch is predicted again."""
    out = tmp_path / "probs.npy"

    def predict():
        return predict_views(linear.model, photos, FLIP, 4, out=out)

    stopped(monkeypatch, 2 * 1, predict)
    with (
        open(out.with_suffix(".partial"), "ab") as rows,
        open(tmp_path / "probs.trail", "a") as trail,
    ):
        rows.write(bytes(4 * 2 * 4 * 4))
        trail.write("4 0a1b")
    wanted = [linear.probs(view) for view in flipped(photos / 255)]
    np.testing.assert_allclose(predict(), wanted, atol=1e-5)


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
    with pytest.raises(ValueError, match=r"another prediction \(other images"):
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


# ---------------------------------------------------------------- maps


def squares():
    return np.random.default_rng(5).integers(0, 256, (3, 16, 12, 3), dtype=np.uint8)


@pytest.mark.parametrize("data_format", ["channels_first", "channels_last"])
def test_maps_with_their_values_first_are_refused_and_the_advice_is_right(data_format):
    """PyTorch's networks answer so; turned about the wrong axes they would look like maps still."""
    images = squares()
    symbol = keras.Input((3, 16, 12))
    model = keras.Model(symbol, ops.sigmoid(symbol[:, :1] - 2 * symbol[:, 1:2]))
    options = {"outputs": "sigmoid", "data_format": data_format}
    given, shape = images.transpose(0, 3, 1, 2), (3, 16, 12)
    if data_format == "channels_last":
        options["preprocess"] = layers.Permute((3, 1, 2))
        given = images
    served = {"image_shape": given.shape[1:]}
    message = r"\(1, 16, 12\) an image, maps with their values first"
    with pytest.raises(ValueError, match=message) as error:
        predict_views(model, given, FLIP, **options)
    with pytest.raises(ValueError, match=message):
        tta_model(model, FLIP, **options, **served)
    code = str(error.value).split("Hand over ")[1].split("; or")[0]
    turned = eval(code, {"keras": keras, "shape": shape, "model": model})
    wanted = special.expit(images[..., :1] / 255 - 2 * (images[..., 1:2] / 255))
    probs = predict_views(turned, given, FLIP, **options)
    np.testing.assert_allclose(probs, [wanted] * 2, atol=1e-5)
    answers = tta_model(turned, FLIP, **options, **served).predict(given / 255, verbose=0)
    np.testing.assert_allclose(answers, wanted, atol=1e-5)
    left = predict_views(model, given, FLIP, **options, maps=False)
    np.testing.assert_allclose(left[1], wanted[:, :, ::-1].transpose(0, 3, 1, 2), atol=1e-5)


def test_maps_without_values_are_averaged_where_a_view_does_not_show_them():
    images = squares()
    symbol = keras.Input((16, 12, 3))
    model = keras.Model(symbol, ops.sigmoid(symbol[..., 0] - 2 * symbol[..., 1]))
    shifted, options = (*FLIP, views.Shift(3, -2)), {"outputs": "sigmoid", "maps": True}
    wanted = special.expit(images[..., 0] / 255 - 2 * (images[..., 1] / 255))
    probs = predict_views(model, images, shifted, **options)
    assert np.isnan(probs[2]).any()
    for space, policy in (("probabilities", policies.mean), ("logits", policies.geometric_mean)):
        answers = tta_model(model, shifted, space=space, **options)
        np.testing.assert_allclose(answers.predict(images / 255, verbose=0), wanted, atol=1e-5)
        np.testing.assert_allclose(policy(probs, outputs="sigmoid"), wanted, atol=1e-5)


# ---------------------------------------------------------------- views of one's own in graphs


class Power(views.View):
    """It keeps its setting to itself, so its config does not have it."""

    def __init__(self, power=2.0, **kwargs):
        super().__init__(**kwargs)
        self.power = power

    def transform(self, images):
        return images**self.power


class Needed(Power):
    def __init__(self, power, **kwargs):
        super().__init__(power, **kwargs)


class Told(Power):
    def __init__(self, power, **kwargs):
        views.View.__init__(self, {"power": power}, **kwargs)


@pytest.mark.parametrize("kind", [Power, Needed])
def test_a_view_whose_config_lacks_its_setting(kind, linear, photos):
    """A copy of it would be another view, or none: no graph is built of it in silence."""
    wanted = linear.probs((photos / 255) ** 3)
    probs = predict_views(linear.model, photos, [kind(3.0)])
    np.testing.assert_allclose(probs[0], wanted, atol=1e-5)
    many, choice = photos.repeat(400, axis=0), np.arange(4400)[:, None] % 2
    one, within = kind(3.0), views.Compose((views.HorizontalFlip(), kind(3.0)))
    calls = [
        lambda: predict_views(linear.model, many, [one]),
        lambda: predict_views(linear.model, many, [within]),
        lambda: tta_model(linear.model, [one]),
    ]
    if keras.backend.backend() != "jax":  # there, mixtures of views have no graph
        calls.append(lambda: predict_selected(linear.model, many, (views.Identity(), one), choice))
    for call in calls:
        with pytest.raises(ValueError, match=r"cannot be copied into a graph.*super"):
            call()


def test_a_view_whose_config_has_its_setting(linear, photos):
    many, wanted = photos.repeat(400, axis=0), linear.probs((photos / 255) ** 3)
    probs = predict_views(linear.model, many, [Told(3)])
    np.testing.assert_allclose(probs[0, ::400], wanted, atol=1e-5)
    answers = tta_model(linear.model, [Told(3)]).predict(photos / 255, verbose=0)
    np.testing.assert_allclose(answers, wanted, atol=1e-5)


# ---------------------------------------------------------------- models of whole numbers


def test_a_model_of_bytes_is_refused_and_the_advice_is_right(linear, photos, expected):
    """Keras cuts a view's fractions off: all of [0, 1] would be black."""
    parts = [keras.Input(SHAPE, dtype="uint8"), layers.Rescaling(1 / 255), linear.model]
    model = keras.Sequential(parts)
    dim = views.Brightness(-0.1)  # 25.5 of 255: fractions everywhere
    message = r"images as uint8.*value_range=\(0, 255\) and preprocess=keras\.ops\.round"
    for call in (predict_views, tta_model):
        with pytest.raises(ValueError, match=message):
            call(model, *([photos] if call is predict_views else []), FLIP)
    options = {"value_range": (0, 255), "preprocess": keras.ops.round}
    dimmed = np.float32(photos / np.float32(255)) - np.float32(0.1)
    dimmed = linear.probs(np.round(np.clip(dimmed, 0, 1) * np.float32(255)) / 255)
    for times in (1, 400):
        many = photos.repeat(times, axis=0)
        probs = predict_views(model, many, (*FLIP, dim), **options)[:, ::times]
        np.testing.assert_allclose(probs[:2], expected, atol=1e-5)
        np.testing.assert_allclose(probs[2], dimmed, atol=2e-2)  # a half may round either way
    answers = tta_model(model, FLIP, **options).predict(photos, verbose=0)
    np.testing.assert_allclose(answers, expected.mean(axis=0), atol=1e-5)
    copy = np.float32(photos / 255)
    with pytest.raises(ValueError, match=r"copies have fractions.*np\.rint\(255 \* copy\)"):
        predict_copies(model, [copy])
    probs = predict_copies(model, [np.rint(255 * copy)])
    np.testing.assert_allclose(probs, expected[:1], atol=1e-5)


# ---------------------------------------------------------------- what a model keeps, and what not


@pytest.mark.parametrize("times", [1, 400])
def test_a_normalization_that_is_adapted_after_it_predicted(times, linear, photos):
    first = layers.Normalization()
    model = keras.Sequential([keras.Input(SHAPE), first, linear.model])
    many = photos.repeat(times, axis=0)
    predict_views(model, many, FLIP)
    unit = photos / 255
    first.adapt(np.float32(unit))
    mean, deviation = unit.mean(axis=(0, 1, 2)), unit.std(axis=(0, 1, 2))
    wanted = [linear.probs((view - mean) / deviation) for view in flipped(unit)]
    np.testing.assert_allclose(predict_views(model, many, FLIP)[:, ::times], wanted, atol=1e-4)


@dataclasses.dataclass
class Scaled:
    """A function that can be compared, and so has no hash."""

    factor: float

    def __call__(self, images):
        return images * self.factor


@pytest.mark.parametrize("times", [1, 400])
def test_a_preprocess_without_a_hash(times, linear, photos):
    """It may change between two calls, which shows."""
    function, many = Scaled(0.5), photos.repeat(times, axis=0)
    for factor in (0.5, 0.7):
        function.factor = factor
        probs = predict_views(linear.model, many, FLIP, preprocess=function)
        wanted = [linear.probs(view * factor) for view in flipped(photos / 255)]
        np.testing.assert_allclose(probs[:, ::times], wanted, atol=1e-5)


FACTOR = 0.5


def by_global(images):
    return images * FACTOR


class Reader:
    factor = 0.5

    def read(self, images):
        return images * self.factor


def test_no_old_graph_answers_for_what_has_changed(linear, photos, monkeypatch):
    """A function that reads a global or its object; a layer that is adapted; a view's setting."""
    reader, layer, many = Reader(), layers.Normalization(), photos.repeat(400, axis=0)
    choice = np.arange(4400)[:, None] % 2

    def predict(function):
        probs = predict_views(linear.model, many, FLIP, preprocess=function)[:, ::400]
        mixed = predict_selected(linear.model, many, FLIP, choice, preprocess=function)
        return [*probs, mixed[::400], mixed[1::400]]

    for function in (by_global, reader.read, layer):
        predict(function)
    monkeypatch.setitem(globals(), "FACTOR", 0.7)
    reader.factor = 0.7
    unit = photos / 255
    layer.adapt(np.float32(unit))
    mean, deviation = unit.mean(axis=(0, 1, 2)), unit.std(axis=(0, 1, 2))
    for function, changed in (
        (by_global, unit * 0.7),
        (reader.read, unit * 0.7),
        (layer, (unit - mean) / deviation),
    ):
        wanted = [linear.probs(view) for view in flipped(changed)]
        np.testing.assert_allclose(predict(function), [*wanted, *wanted], atol=1e-4)
    view = views.Brightness(0.1)
    for delta in (0.1, 0.3):
        view.delta = delta
        probs = predict_views(linear.model, many, [view])[0, ::400]
        wanted = linear.probs(np.clip(unit + delta, 0, 1))
        np.testing.assert_allclose(probs, wanted, atol=1e-5)


def test_new_lambdas_do_not_pile_up(linear, photos):
    held = []
    for factor in np.linspace(0.1, 1, 80):
        array = np.full(1000, factor, np.float32)  # what it closes over
        held.append(weakref.ref(array))
        predict_views(linear.model, photos, FLIP, preprocess=lambda x, a=array: x * a[0])
    del array
    gc.collect()
    assert sum(reference() is not None for reference in held) <= 1
    assert len(forward.memory_of(linear.model).sound) == 1


def test_a_layer_before_many_models_keeps_none_of_them(photos):
    first, many = layers.Rescaling(0.5), photos.repeat(400, axis=0)
    held = []
    for _ in range(2):
        parts = [layers.Flatten(), layers.Dense(4, "softmax")]
        model = keras.Sequential([keras.Input(SHAPE), *parts])
        probs = predict_views(model, many, FLIP, preprocess=first)[:, ::400]
        wanted = [model(view / np.float32(510)) for view in flipped(photos)]
        np.testing.assert_allclose(probs, wanted, atol=1e-5)
        predict_selected(model, many, FLIP, np.arange(4400)[:, None] % 2, preprocess=first)
        assert forward.memory_of(model).graphs
        held.append(weakref.ref(model))
    del model
    keras.backend.clear_session()
    gc.collect()
    assert [reference() for reference in held] == [None, None]


def test_a_long_stream_into_a_file_needs_no_memory_of_its_own(tmp_path):
    """Five times as many images, the same peak."""
    model = keras.Sequential([keras.Input((4, 4, 1)), layers.Flatten(), layers.Dense(2, "softmax")])
    batch = np.random.default_rng(0).integers(0, 256, (500, 4, 4, 1), dtype=np.uint8)

    def peak(n, name):
        tracemalloc.start()
        stream = (batch for _ in range(n // len(batch)))
        probs = predict_views(model, stream, FLIP, out=tmp_path / name)
        assert probs.shape == (2, n, 2)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    peak(5000, "warm.npy")
    assert peak(100_000, "long.npy") < peak(20_000, "short.npy") + 1_000_000


# ---------------------------------------------------------------- plain errors


def test_what_bfloat16_cannot_copy(photos):
    class Factor(layers.Layer):
        def __init__(self, factor):
            super().__init__()
            self.factor = factor

        def call(self, images):
            return images * self.factor

    parts = [layers.Flatten(), layers.Dense(3, "softmax")]
    for model in (keras.Sequential([keras.Input(SHAPE), Factor(0.5), *parts]), ByName()):
        given = {"image": photos} if isinstance(model, ByName) else photos
        with pytest.raises(ValueError, match=r"Leave precision out"):
            predict_views(model, given, FLIP, precision="bfloat16")


def test_bfloat16_of_a_network_with_arithmetic_in_it(linear, photos):
    """Operations such as x * 2 are copied as they are: they have no type of their own."""
    symbol = keras.Input(SHAPE)
    model = keras.Model(symbol, linear.model((symbol * 2.0)[:, ::-1]))
    probs = predict_views(model, photos, FLIP, precision="bfloat16")
    wanted = [linear.probs(2 * view[:, ::-1]) for view in flipped(photos / 255)]
    np.testing.assert_allclose(probs, wanted, atol=0.15)
    assert 0 < np.abs(probs - wanted).mean() < 0.02
    np.testing.assert_allclose(probs.sum(axis=-1), 1, atol=1e-6)  # the last layer is as it was


def test_copies_of_other_shapes(linear, photos):
    unit = np.float32(photos / 255)
    for other in (unit[:5], unit[:, :, :5]):
        with pytest.raises(ValueError, match=r"the first one \(11, 8, 6, 3\)"):
            predict_copies(linear.model, [unit, other])
    with pytest.raises(ValueError, match="there is no image in it"):
        predict_copies(linear.model, [unit[:0]])


def test_a_selection_of_what_are_no_views(linear, photos):
    choice = np.zeros((11, 1), int)
    for wrong in (views.Identity(), [], [views.Identity], ["flip"]):
        with pytest.raises(ValueError, match=r"view"):
            predict_selected(linear.model, photos, wrong, choice)
    for size in (0, 2.5):
        with pytest.raises(ValueError, match="batch_size is"):
            predict_selected(linear.model, photos, FLIP, choice, size)


def test_words_of_another_type(linear, photos):
    for option in ({"head": ["a"]}, {"image_input": [0]}, {"outputs": {("a",): "raw"}}):
        with pytest.raises(ValueError, match="give a name or a number"):
            predict_views(linear.model, photos, FLIP, **option)
    with pytest.raises(ValueError, match="maps is 'no'"):
        predict_views(linear.model, photos, FLIP, maps="no")
    with pytest.raises(ValueError, match="image_shape is 5"):
        tta_model(linear.model, FLIP, image_shape=5)
    for weights in ("ab", [[1], [1, 2]]):
        with pytest.raises(ValueError, match="one number a view"):
            tta_model(linear.model, FLIP, weights)
    with pytest.raises(ValueError, match="predictor is a str"):
        predict_scores("predictor.keras", photos)
    symbol = keras.Input(SHAPE)
    first = layers.Dense(2)(layers.Flatten()(symbol))
    nested = keras.Model(symbol, {"a": {"b": first}, "c": first})
    with pytest.raises(ValueError, match=r"output 'a' is a dict of outputs") as error:
        predict_views(nested, photos, FLIP, head="a")
    code = str(error.value).split("dictionary: ")[1].rstrip(".")
    flat = eval(code, {"keras": keras, "model": nested})
    probs = predict_views(flat, photos, FLIP, head=0, outputs="logits")
    np.testing.assert_allclose(
        probs[1],
        special.softmax(np.asarray(first_of(nested)(photos[:, :, ::-1] / np.float32(255))), -1),
        atol=1e-5,
    )


def first_of(model):
    return keras.Model(model.inputs, model.outputs[0])


def test_a_served_model_is_loaded_by_name_in_a_fresh_process(linear, photos, expected, tmp_path):
    tta_model(linear.model, FLIP).save(tmp_path / "served.keras")
    np.save(tmp_path / "images.npy", np.float32(photos / 255))
    program = (
        "from tta_helpers import load_model\nimport numpy as np\n"
        "model = load_model('served.keras')\n"
        "np.save('probs.npy', model.predict(np.load('images.npy'), verbose=0))\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_allclose(np.load(tmp_path / "probs.npy"), expected.mean(axis=0), atol=1e-5)


# ---------------------------------------------------------------- what was held by no test before


def test_a_model_keeps_so_many_graphs_and_no_more(linear, photos, monkeypatch):
    """More views than graphs: the oldest go, and every view is right."""
    monkeypatch.setattr(forward, "KEPT_GRAPHS", 3)
    deltas = np.linspace(-0.5, 0.5, 5)
    chosen = [views.Brightness(delta) for delta in deltas]
    probs = predict_views(linear.model, photos.repeat(400, axis=0), chosen)[:, ::400]
    wanted = [linear.probs(np.clip(photos / 255 + delta, 0, 1)) for delta in deltas]
    np.testing.assert_allclose(probs, wanted, atol=1e-5)
    assert len(forward.memory_of(linear.model).graphs) == 3


def test_a_graph_does_not_outlive_its_variables(linear, photos):
    """Quantized, a layer is the same and its weights are others."""
    many = photos.repeat(400, axis=0)
    exact = predict_views(linear.model, many, FLIP)[:, ::400]
    linear.model.quantize("int8")
    wanted = [linear.model.predict(v, verbose=0) for v in flipped(np.float32(photos / 255))]
    probs = predict_views(linear.model, many, FLIP)[:, ::400]
    np.testing.assert_allclose(probs, wanted, atol=1e-5)
    assert np.abs(probs - exact).max() > 1e-5


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"precision": "bfloat16"}, "precision"),
        ({"value_range": (0, 2)}, "interface"),
        ({"batch_size": 3}, "batch_size"),
        ({"maps": False}, "interface"),
        ({"outputs": "raw"}, "interface"),
    ],
)
def test_a_file_tells_what_it_was_made_with(changed, message, linear, photos, tmp_path):
    out = tmp_path / "probs.npy"
    predict_views(linear.model, photos, FLIP, out=out)
    with pytest.raises(ValueError, match=rf"another prediction \(other [^)]*{message}"):
        predict_views(linear.model, photos, FLIP, out=out, **changed)


def test_a_served_model_answers_for_what_rounding_leaves(linear, photos):
    served = tta_model(linear.model, FLIP)
    unit = np.float32(photos / 255)
    beyond = unit.copy()
    beyond[0, 0, 0], beyond[1, 0, 0], beyond[2, 0, 0] = 1 + 5e-6, -5e-6, 1 + 1e-3
    answers = served.predict(beyond, verbose=0)
    assert np.isnan(answers).any(axis=1).tolist() == [False, False, True] + [False] * 8
    wanted = np.mean([linear.probs(view) for view in flipped(beyond)], axis=0)
    np.testing.assert_allclose(answers[:2], wanted[:2], atol=1e-4)


@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_maps_of_logits_are_averaged_as_probabilities_or_logits(space):
    """Both pixel by pixel, NaN left out; a mean of softmaxes is no softmax of means."""
    images = np.random.default_rng(5).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)
    conv = layers.Conv2D(16, 1)  # as many values as rows and columns, which is no reason to refuse
    model = keras.Sequential([keras.Input((16, 16, 3)), conv])
    kernel = np.random.default_rng(4).normal(size=(3, 16)).astype("float32") * 3
    conv.set_weights([kernel.reshape(1, 1, 3, 16), np.zeros(16)])
    chosen = (views.Identity(), views.Shift(3, 0), views.Brightness(0.2))
    logits = [
        images / 255 @ kernel,
        images / 255 @ kernel,
        np.clip(images / 255 + 0.2, 0, 1) @ kernel,
    ]
    shown = np.ones((3, 16, 16, 1)), np.ones((3, 16, 16, 1)), np.ones((3, 16, 16, 1))
    shown[1][:, :, 13:] = 0
    if space == "probabilities":
        logits = special.softmax(logits, axis=-1)
    average = sum(s * p for s, p in zip(shown, logits, strict=True)) / sum(shown)
    wanted = average if space == "probabilities" else special.softmax(average, axis=-1)
    served = tta_model(model, chosen, space=space, outputs="logits")
    np.testing.assert_allclose(served.predict(images / 255, verbose=0), wanted, atol=1e-5)


def test_gaps_of_a_step_do_not_darken_what_the_next_interpolates():
    """Wherever a composed view shows a pixel, the answer is the network's, which is 0.75 always."""
    conv = layers.Conv2D(1, 1)
    model = keras.Sequential([keras.Input((16, 16, 3)), conv])
    conv.set_weights([np.zeros((1, 1, 3, 1)), np.full(1, 0.75)])
    images = np.random.default_rng(5).random((1, 16, 16, 3), dtype="float32")
    for steps in ((views.Rotate(20), views.Shift(4, 0)), (views.Shift(4, 0), views.Rotate(20))):
        probs = predict_views(model, images, [views.Compose(steps)], outputs="raw")
        seen = ~np.isnan(probs)
        assert 0.3 < seen.mean() < 0.95
        np.testing.assert_allclose(probs[seen], 0.75, atol=1e-5)


def test_small_logits_of_a_linear_layer_are_logits(photos):
    """All between 0 and 1, as those of a network at its start may be."""
    head = layers.Dense(3)
    model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(), head])
    kernel = np.random.default_rng(1).random((144, 3), dtype="float32") / 144
    head.set_weights([kernel, np.zeros(3)])
    probs = predict_views(model, photos, FLIP, outputs="logits")
    logits = [view.reshape(11, -1) @ kernel for view in flipped(photos / 255)]
    assert np.min(logits) >= 0 and np.max(logits) <= 1
    np.testing.assert_allclose(probs, special.softmax(logits, axis=-1), atol=1e-5)


def test_a_normalization_that_undoes_one_is_read_as_that():
    """x -> 60 * x + 120: gain and offset, not their inverse."""
    undo = layers.Normalization(mean=[120.0] * 3, variance=[3600.0] * 3, invert=True)
    model = keras.Sequential([keras.Input(SHAPE), undo, layers.Flatten(), layers.Dense(3)])
    np.testing.assert_allclose(leading_scale(model), (60, 120), rtol=1e-5)


def test_how_far_rows_may_sum_from_one_depends_on_their_type():
    """3 %: rounding in bfloat16, and no probabilities in float32."""
    rows = np.full((2, 4), 0.2575)
    taken = checks.checked_outputs(rows.astype(ml_dtypes.bfloat16), "softmax", "softmax")
    np.testing.assert_allclose(taken, rows, rtol=0.005)
    with pytest.raises(ValueError, match=r"rows sum to 1\.03 to 1\.03, not to one"):
        checks.checked_outputs(rows.astype("float32"), "softmax", "softmax")
