"""What is refused, and that the advice in each message, followed to the letter, is right."""

import gc
import re
import weakref

import keras
import ml_dtypes
import numpy as np
import pytest
from keras import layers
from PIL import Image
from scipy import special

from tta_helpers import checks, views
from tta_helpers.checks.scale import check_scale
from tta_helpers.interface import interface
from tta_helpers.loss_predictor import predict_scores, predict_selected
from tta_helpers.policies import geometric_mean, mean
from tta_helpers.predict import forward, generator_views, predict_copies, predict_views, tta_model
from tta_helpers.views import FLIP

SHAPE = (8, 6, 3)


def flipped(images):
    """Return the two views of `FLIP`, made by NumPy."""
    return np.stack([images, images[:, :, ::-1]])


def by_every_path(model, images, **options):
    """Yield each way to predict, as a function, with the images that it takes."""
    unit = (images / 255).astype("float32")
    choice = np.tile([[0, 1]], (len(images), 1))
    yield lambda: mean(predict_views(model, images, FLIP, **options))
    kind = {k: v for k, v in options.items() if k in ("outputs", "head")}
    yield lambda: mean(predict_copies(model, flipped(unit), **kind))
    yield lambda: predict_selected(model, images, FLIP, choice, **options)
    yield lambda: tta_model(model, FLIP, **options).predict(unit, verbose=0)


def refused(calls, message):
    for call in calls:
        with pytest.raises(ValueError, match=message):
            call()


ADVICE = re.compile(
    r"(value_range|preprocess|data_format|outputs|head)="
    r"('[^']*'|\([^)]*\)|keras[\w.]*\((?:[^()]|\([^()]*\))*\))"
)


def advised(error):
    """Return the keyword arguments that a message advises, one by one, as a reader would."""
    return [{word: eval(value)} for word, value in ADVICE.findall(str(error.value))]


def network(*parts, shape=SHAPE, n=3, seed=5, activation="softmax"):
    """Return a model with a dense layer on all pixels at its end, and that layer's weights."""
    head = layers.Dense(n, activation=activation)
    model = keras.Sequential([keras.Input(shape), *parts, layers.Flatten(), head])
    rng = np.random.default_rng(seed)
    kernel, bias = rng.normal(size=head.kernel.shape), rng.normal(size=n)
    head.set_weights([kernel.astype("float32"), bias.astype("float32")])
    return model, lambda images: images.reshape(len(images), -1) @ kernel + bias


# ---------------------------------------------------------------- images


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: np.full_like(x, np.nan), "11 of these 11 hold NaN"),
        (lambda x: np.where(x == x.max(), np.inf, x), "of these 11 hold NaN or infinity"),
        (lambda x: x * 1.2 - 0.1, r"resizing leaves: images.clip\(0, 1\)"),
        (lambda x: x * 255, r"255.*value_range=\(0, 255\)"),
        (lambda x: x * 2 - 1, r"\(images \+ 1\) / 2"),
        (lambda x: x * 65535, "value that stands for white"),
        (lambda x: x * 4.6 - 2.1, "look standardised"),
        (lambda x: (x * 255).astype("int64"), r"int64.*images.astype\('uint8'\) keeps"),
        (lambda x: (x * 65535).astype("uint16"), "uint16.*65535 for 16 bits"),
        (lambda x: x > 0.5, r"bool.*astype\('float32'\)"),
        (lambda x: x[..., 0].repeat(5, axis=2), r"Grey images need images\[..., None\]"),
        (lambda x: x[0], r"A single image needs images\[None\]"),
    ],
)
def test_the_message_fits_the_range(linear, photos, change, message):
    images = change((photos / 255).astype("float32"))
    with pytest.raises(ValueError, match=message):
        predict_views(linear.model, images, FLIP)


def test_images_from_minus_one_to_one(photos):
    """For a model that takes them, by the advice; for one of [0, 1], by the other."""
    model, logits = network()
    images = (photos / 127.5 - 1).astype("float32")
    with pytest.raises(ValueError, match=r"\(-1, 1\).*\(images \+ 1\) / 2") as error:
        predict_views(model, images, FLIP)
    for seen, given, options in (
        (photos / 127.5 - 1, images, advised(error)[0]),
        (photos / 255, (images + 1) / 2, {}),
    ):
        expected = [special.softmax(logits(view), axis=-1) for view in flipped(seen)]
        np.testing.assert_allclose(
            predict_views(model, given, FLIP, **options), expected, atol=1e-5
        )


def test_rounding_beyond_the_range_is_taken_and_cut(linear):
    white = np.asarray(views.Rotate(20)(np.ones((2, *SHAPE), "float32")))
    expected = linear.probs(np.ones((2, *SHAPE)))
    np.testing.assert_allclose(predict_views(linear.model, white, FLIP)[0], expected, atol=1e-5)
    beyond = np.array([-5e-6, 0.5, 1 + 5e-6])
    np.testing.assert_array_equal(checks.checked_batch(beyond), np.float32([0, 0.5, 1]))


def test_channels_first_images_and_models(tmp_path):
    """Refused with advice, and right when it is followed: both first, or the model alone."""
    first = np.random.default_rng(2).integers(0, 256, (4, 3, 10, 12), dtype=np.uint8)
    last = first.transpose(0, 2, 3, 1)
    model, logits = network(shape=(3, 10, 12))
    with pytest.raises(ValueError, match="channels first"):
        predict_views(model, first, FLIP)
    calls = list(by_every_path(network(shape=(10, 12, 3))[0], first))
    refused([calls[0], calls[2]], r"images.transpose\(0, 2, 3, 1\)")
    seen = [view.transpose(0, 3, 1, 2) for view in flipped(last / 255)]
    expected = [special.softmax(logits(view), axis=-1) for view in seen]
    for images, options in (
        (first, {"data_format": "channels_first"}),
        (last, {"preprocess": layers.Permute((3, 1, 2))}),
    ):
        probs = predict_views(model, images, FLIP, **options)
        np.testing.assert_allclose(probs, expected, atol=1e-5)
        served = tta_model(model, FLIP, **options, image_shape=images.shape[1:])
        served.save(tmp_path / "served.keras")
        served = keras.saving.load_model(tmp_path / "served.keras", safe_mode=True)
        answers = served.predict(images / 255, verbose=0)
        np.testing.assert_allclose(answers, np.mean(expected, axis=0), atol=1e-5)


def test_a_layer_that_takes_channels_first_is_refused():
    pool = layers.GlobalAveragePooling2D(data_format="channels_first")
    model = keras.Sequential([keras.Input((8, 6, 3)), pool, layers.Dense(3, "softmax")])
    images = np.random.default_rng(6).integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    refused([lambda: predict_views(model, images, FLIP)], "data_format='channels_first'")
    small = keras.Sequential(
        [keras.Input((3, 8, 6)), layers.Conv2D(2, 1, data_format="channels_first", name="first")]
    )
    grey = keras.Sequential([keras.Input((3, None, 6)), pool, layers.Dense(3, "softmax")])
    for one in (small, grey):
        with pytest.raises(ValueError, match="channels first"):
            checks.check_model(one, interface())
    turned = {"preprocess": layers.Permute((3, 1, 2))}
    means = (images / 255).mean(axis=(1, 2))
    expected = special.softmax(means @ np.asarray(grey.layers[-1].kernel), axis=-1)
    probs = predict_views(grey, images, FLIP, **turned)
    np.testing.assert_allclose(probs[1], expected, atol=1e-5)


@pytest.mark.parametrize("shape", [(3, 20, 3), (1, 9, 1), (4, 4, 3), (3, 3, 40), (28, 28, 1)])
def test_small_images_with_channels_last_are_not_mistaken(shape):
    model, logits = network(shape=shape)
    images = np.random.default_rng(3).random((2, *shape), dtype="float32")
    expected = special.softmax(logits(images), axis=-1)
    probs = predict_views(model, images, [views.Identity()])
    np.testing.assert_allclose(probs[0], expected, atol=1e-5)


def test_other_containers_name_the_way_to_an_array(linear, photos):
    model = linear.model
    expected = predict_views(model, photos, FLIP)
    pictures = [Image.fromarray(photo) for photo in photos]
    np.testing.assert_array_equal(predict_views(model, pictures, FLIP), expected)
    pictures[1] = pictures[1].resize((5, 9))
    refused([lambda: predict_views(model, pictures, FLIP)], "pictures of one size")
    refused([lambda: predict_views(model, (photos, np.eye(11)), FLIP)], "pass the first part")
    refused([lambda: predict_views(model, "cat.jpg", FLIP)], "the name 'cat.jpg'")
    refused([lambda: predict_views(model, photos[:, :, :5], FLIP)], r"\(8, 5, 3\).*\(8, 6, 3\)")


def test_turns_that_lose_the_picture_are_refused_wherever_views_are_taken(linear, photos):
    """A quarter turn of 8 x 6 pixels loses two rows of the eight."""
    turned = (views.Identity(), views.Rotate(90))
    choice = np.ones((11, 1), int)
    calls = [
        lambda: predict_views(linear.model, photos, turned),
        lambda: predict_selected(linear.model, photos, turned, choice),
        lambda: tta_model(linear.model, turned),
    ]
    refused(calls, "rotate_90 turns 25% of an image of 8 x 6 pixels")


# ---------------------------------------------------------------- models that scale themselves


def preprocessed(how, body):
    """Return a functional model that begins with arithmetic instead of a layer."""
    images = keras.Input(SHAPE)
    return keras.Model(images, body(how(images)))


SELF_SCALING = {
    "rescaling": lambda body: keras.Sequential(
        [keras.Input(SHAPE), layers.Rescaling(1 / 255), body]
    ),
    "to -1..1": lambda body: preprocessed(lambda x: x / 127.5 - 1, body),
    "nested": lambda body: keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.RandomFlip("horizontal"),
            keras.Sequential([keras.Input(SHAPE), layers.Rescaling(1 / 127.5, -1), body]),
        ]
    ),
    "statistics": lambda body: preprocessed(
        layers.Normalization(mean=[120.0, 110, 100], variance=[3600.0, 3600, 3600]), body
    ),
    "scale, then statistics": lambda body: preprocessed(
        lambda x: layers.Normalization(mean=[0.5, 0.4, 0.4], variance=[0.05, 0.05, 0.05])(
            layers.Rescaling(1 / 255)(x)
        ),
        body,
    ),
    "mean alone": lambda body: preprocessed(
        lambda x: (x[..., ::-1] - np.float32([104, 117, 124])) * 0.1, body
    ),
}


@pytest.mark.parametrize("kind", SELF_SCALING)
def test_a_model_that_scales_itself_is_refused_and_the_advice_is_right(kind, photos):
    body, _ = network()
    model = SELF_SCALING[kind](body)
    raw = photos.astype("float32")
    expected = np.stack([model.predict(view, verbose=0) for view in flipped(raw)])
    calls = list(by_every_path(model, photos))
    refused([calls[0], calls[2], calls[3]], "nearly black")
    refused([calls[1]], "nearly black")  # copies in [0, 1]
    np.testing.assert_allclose(predict_copies(model, flipped(photos)), expected, atol=1e-5)
    with pytest.raises(ValueError) as error:
        predict_views(model, photos, FLIP)
    (options,) = advised(error)
    choice = np.tile([[0, 1]], (len(photos), 1))
    for images in (photos, raw):
        probs = predict_views(model, images, FLIP, **options)
        np.testing.assert_allclose(probs, expected, atol=1e-4)
        selected = predict_selected(model, images, FLIP, choice, **options)
        np.testing.assert_allclose(selected, expected.mean(0), atol=1e-4)
        served = tta_model(model, FLIP, **options)
        np.testing.assert_allclose(served.predict(images, verbose=0), expected.mean(0), atol=1e-4)


@pytest.mark.parametrize("scale", [(2, -1), (4, -2)])
def test_a_model_of_unit_images_is_not_fed_bytes(scale, photos):
    model, _ = network(layers.Rescaling(*scale))
    refused([lambda: predict_views(model, photos, FLIP, value_range=(0, 255))], "nearly white")
    for first in (
        layers.Rescaling(1, -117),
        layers.Rescaling(0.5),
        layers.Rescaling(1 / 127.5, -1),
    ):
        check_scale(network(first)[0], (0, 255))
    check_scale(network(layers.Rescaling(0.5, 0.5))[0], (-1, 1))


@pytest.mark.parametrize(
    "first",
    [
        layers.Rescaling(2, -1),
        layers.Rescaling(4, -2),
        layers.Rescaling(0.5),
        layers.Normalization(mean=[0.5, 0.4, 0.4], variance=[0.06, 0.06, 0.06]),
        layers.Normalization(mean=0.1, variance=1e-4),
        layers.Normalization(),
        layers.Dropout(0.5),
    ],
    ids=lambda layer: f"{layer.name}",
)
def test_layers_for_images_in_zero_to_one_are_taken(first, photos):
    model, _ = network(first)
    probs = predict_views(model, photos, FLIP)
    expected = [model.predict(view, verbose=0) for view in flipped(photos / 255)]
    np.testing.assert_allclose(probs, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("build", "shape"), [("EfficientNetB0", (32, 32, 3)), ("MobileNetV3Small", (32, 32, 3))]
)
def test_application_networks_that_rescale_are_recognised(build, shape):
    images = keras.Input(shape)
    body = getattr(keras.applications, build)(
        include_top=False, weights=None, input_shape=shape, pooling="avg"
    )
    model = keras.Model(images, layers.Dense(3, activation="softmax")(body(images)))
    with pytest.raises(ValueError, match=r"in 0\.\.255") as error:
        checks.check_model(model, interface())
    checks.check_model(model, interface(**advised(error)[0]))


def test_sixteen_bits_are_told_apart():
    model, _ = network(layers.Rescaling(1 / 65535))
    with pytest.raises(ValueError, match=r"value_range=\(0, 65535\)"):
        checks.check_model(model, interface())


def test_a_served_model_is_given_its_own_range(linear, photos):
    served = tta_model(linear.model, FLIP, **BYTES)
    with pytest.raises(ValueError, match="has TTA inside") as error:
        predict_views(served, photos, [views.Identity()])
    probs = predict_views(served, photos, [views.Identity()], **advised(error)[0])
    expected = np.mean([linear.probs(view) for view in flipped(photos / 255)], axis=0)
    np.testing.assert_allclose(probs[0], expected, atol=1e-5)


# ---------------------------------------------------------------- tta_model's declared range

BYTES = {"value_range": (0, 255), "preprocess": layers.Rescaling(1 / 255)}


def test_images_outside_the_declared_range_get_no_answer(linear, photos, tmp_path):
    unit = (photos / 255).astype("float32")
    right = np.mean([linear.probs(view) for view in flipped(unit)], axis=0)
    black, dim = np.zeros_like(unit[:1]), np.ones_like(unit[:1])
    signed = {"value_range": (-1, 1), "preprocess": layers.Rescaling(0.5, offset=0.5)}
    cases = [
        ({}, [(unit, True), (photos, False), (2 * unit - 1, False), (unit * np.nan, False)]),
        (BYTES, [(photos, True), (np.float32(photos), True), (unit, False), (-1 * unit, False)]),
        (signed, [(2 * unit - 1, True), (photos, False), (3 * unit - 2, False)]),
    ]
    for options, tried in cases:
        served = tta_model(linear.model, FLIP, **options)
        served.save(tmp_path / "served.keras")
        loaded = keras.saving.load_model(tmp_path / "served.keras", safe_mode=True)
        for (images, fits), model in ((case, m) for case in tried for m in (served, loaded)):
            answers = model.predict(images, verbose=0)
            if fits:
                np.testing.assert_allclose(answers, right, atol=1e-5)
            else:
                assert np.isnan(answers).any(axis=1).all()
    served = tta_model(linear.model, FLIP, **BYTES)
    np.testing.assert_allclose(served.predict(black, verbose=0), linear.probs(black), atol=1e-5)
    answers = served.predict(np.concatenate([255 * dim, 256 * dim, dim]), verbose=0)
    assert np.isnan(answers).all(axis=1).tolist() == [False, True, False]  # image by image
    for wrong in ((1, 0), (0, np.inf), "bytes", (0, 1, 2)):
        with pytest.raises(ValueError, match="value_range is"):
            tta_model(linear.model, FLIP, value_range=wrong)


# ---------------------------------------------------------------- outputs


@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_tta_model_of_logits_is_right_in_both_spaces(linear_logits, photos, space):
    logits = np.stack([linear_logits.logits(view) for view in flipped(photos / 255)])
    expected = special.softmax(logits, axis=-1).mean(axis=0)
    if space == "logits":
        expected = special.softmax(logits.mean(axis=0), axis=-1)
    refused([lambda: tta_model(linear_logits.model, FLIP, space=space)], "pass outputs='logits'")
    served = tta_model(linear_logits.model, FLIP, space=space, outputs="logits")
    copy = type(served).from_config(served.get_config())
    copy.set_weights(served.get_weights())
    for model in (served, copy):
        np.testing.assert_allclose(model.predict(photos / 255, verbose=0), expected, atol=1e-5)


def test_probabilities_are_no_logits(linear, photos):
    refused(
        by_every_path(linear.model, photos, outputs="logits"),
        "ends in a softmax.*outputs='softmax'",
    )
    hidden = keras.Model(linear.model.inputs, keras.ops.abs(linear.model.outputs[0]))
    refused(by_every_path(hidden, photos, outputs="logits"), "hardly logits")


def test_one_number_an_image_is_refused_and_the_advice_is_right(photos):
    model, logit = network(n=1, activation="sigmoid")
    for options in ({}, {"outputs": "logits"}):
        for one in (model, network(n=1, activation=None)[0]):
            refused(by_every_path(one, photos, **options), "one number an image.*'sigmoid'.*'raw'")
    with pytest.raises(ValueError) as error:
        predict_views(model, photos, FLIP)
    sigmoid, raw, *_ = advised(error)
    values = np.stack([logit(view) for view in flipped(photos / 255)])
    np.testing.assert_allclose(
        predict_views(model, photos, FLIP, **sigmoid), special.expit(values), atol=1e-5
    )
    bare, _ = network(n=1, activation=None)  # the same weights: one logit, or a regression
    np.testing.assert_allclose(predict_views(bare, photos, FLIP, **raw), values, atol=1e-4)
    code = re.search(r"keras\.Sequential\(.*?\]\)", str(error.value))[0]
    whole = eval(code, {"keras": keras, "shape": SHAPE, "model": bare})
    np.testing.assert_allclose(
        predict_views(whole, photos, FLIP, outputs="sigmoid"), special.expit(values), atol=1e-5
    )


def test_sigmoids_for_several_labels_are_refused_as_classes(photos):
    for options in ({}, {"outputs": "logits"}):
        model, _ = network(n=4, activation="sigmoid")
        refused(by_every_path(model, photos, **options), "4 sigmoids, one for each label")
        body, _ = network(n=4, activation=None)
        hidden = keras.Model(body.inputs, 1 / (1 + keras.ops.exp(-body.outputs[0])))
        refused(by_every_path(hidden, photos, **options), "outputs='sigmoid'")
    softmax, _ = network()
    refused(by_every_path(softmax, photos, outputs="sigmoid"), "ends in a softmax")
    logits, _ = network(n=4, activation=None)
    refused(by_every_path(logits, photos, outputs="sigmoid"), "sigmoids lie in")


def test_a_last_cast_does_not_hide_the_ending(photos):
    model, _ = network(n=4, activation="softmax")
    cast = keras.Sequential(
        [keras.Input(SHAPE), model, layers.Activation("linear", dtype="float32")]
    )
    assert checks.ending(cast.outputs[0]) == "softmax"
    refused(by_every_path(cast, photos, outputs="logits"), "ends in a softmax")


def test_maps_are_refused_where_they_cannot_be_turned_back(photos):
    model = keras.Sequential([keras.Input(SHAPE), layers.Conv2D(2, 1, activation="softmax")])
    _, copies, selected, _ = by_every_path(model, photos)
    refused([copies, selected], r"\(8, 6, 2\) an image.*turned back")


def test_several_inputs_or_outputs_must_be_told(linear, photos):
    images = linear.model.inputs[0]
    two = keras.Model(images, [linear.model.outputs[0], layers.Dense(2)(linear.model.outputs[0])])
    refused(by_every_path(two, photos), "2 outputs.*head=")
    other = keras.Input((2,))
    joined = layers.Concatenate()([linear.model.outputs[0], other])
    joined = keras.Model([images, other], layers.Softmax()(joined))
    refused(list(by_every_path(joined, photos))[:3], "2 inputs")
    refused([lambda: predict_views(linear.model, photos, FLIP, outputs="no")], "outputs is 'no'")
    refused([lambda: predict_views(linear.model, photos, FLIP, data_format="no")], "is 'no'")
    refused([lambda: predict_views("model.keras", photos, FLIP)], "model is a str")


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_a_list_of_one_output_is_one_output(linear, photos, kind):
    images, outputs = linear.model.inputs[0], linear.model.outputs[0]
    model = keras.Model([images], [outputs] if kind == "list" else {"kind": outputs})
    expected = np.mean([linear.probs(view) for view in flipped(photos / 255)], axis=0)
    for call in by_every_path(model, photos):
        np.testing.assert_allclose(call(), expected, atol=1e-5)


class Subclassed(keras.Model):
    def __init__(self, activation="softmax"):
        super().__init__()
        self.flat, self.head = layers.Flatten(), layers.Dense(4, activation=activation)

    def call(self, images):
        return self.head(self.flat(images))


def test_a_subclassed_model_works(photos):
    model = Subclassed()
    expected = np.mean([model.predict(v, verbose=0) for v in flipped(photos / 255)], axis=0)
    calls = list(by_every_path(model, photos))
    for call in calls[:3]:
        np.testing.assert_allclose(call(), expected, atol=1e-5)
    refused(calls[3:], r"subclassed.*keras.Sequential\(\[keras.Input")
    wrapped = keras.Sequential([keras.Input(SHAPE), model])
    served = tta_model(wrapped, FLIP)
    np.testing.assert_allclose(served.predict(photos / 255, verbose=0), expected, atol=1e-5)
    for options in ({}, {"outputs": "logits"}):
        other = list(by_every_path(Subclassed("sigmoid"), photos, **options))[:3]
        refused(other, "sigmoid")


def test_nan_is_no_answer(photos):
    for activation, options in (("softmax", {}), (None, {"outputs": "logits"})):
        model, _ = network(activation=activation)
        kernel, bias = model.layers[-1].get_weights()
        kernel[0, 0] = np.nan  # the pixel in the corner
        model.layers[-1].set_weights([kernel, bias])
        message = r"NaN or infinity for \d+ of \d+ images"
        calls = list(by_every_path(model, photos, **options))
        refused(calls[:3] if activation else calls, message)  # a softmax is not tried when built


def test_scores_that_are_nan_are_refused(photos):
    predictor, _ = network(n=2, activation=None)
    kernel, bias = predictor.layers[-1].get_weights()
    predictor.layers[-1].set_weights([kernel, bias * np.nan])
    with pytest.raises(ValueError, match="scores are NaN or infinite for 11 of 11"):
        predict_scores(predictor, photos)


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_good_probabilities_in_half_precision_are_taken(dtype):
    rows = special.softmax(np.random.default_rng(4).normal(size=(50, 100)), axis=-1)
    taken = checks.checked_outputs(rows.astype(dtype), "softmax", "softmax")
    assert taken.dtype == np.float32
    np.testing.assert_allclose(taken, rows, rtol=0.005, atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_averages_are_taken_in_float32(photos, policy):
    set_of = (*FLIP, views.Rotate(20), views.Shift(1, -2))
    keras.config.set_dtype_policy(policy)
    try:
        head = layers.Dense(5, activation="softmax", dtype="float32")
        model = keras.Sequential([keras.Input(SHAPE), layers.Flatten(dtype="float32"), head])
        images = (photos / 255).astype("float32")
        probs = predict_views(model, images, set_of)
        for space, policy_on_probs in (("probabilities", mean), ("logits", geometric_mean)):
            served = tta_model(model, set_of, space=space)
            answers = served.predict(images, verbose=0)
            assert answers.dtype == np.float32
            np.testing.assert_allclose(answers, policy_on_probs(probs), atol=1e-6)
    finally:
        keras.config.set_dtype_policy("float32")


# ---------------------------------------------------------------- copies made elsewhere


@pytest.fixture
def generator():
    return pytest.importorskip("tensorflow.keras.preprocessing.image").ImageDataGenerator


def test_generators_that_ruin_their_images_are_refused(generator, linear, photos):
    unit = (photos / 255).astype("float32")
    with pytest.raises(ValueError, match=r"brightness_range works on images in 0\.\.255"):
        generator_views(generator(brightness_range=(1.0, 1.0)), unit, 2)
    advised_copies = generator_views(
        generator(brightness_range=(1.0, 1.0), rescale=1 / 255), 255 * unit, 1
    )
    assert np.abs(next(advised_copies) - unit).max() < 1.01 / 255  # it works on whole numbers
    with pytest.raises(ValueError, match="nearly black"):
        generator_views(generator(rescale=1 / 255), unit, 2)
    with pytest.raises(ValueError, match="another scale"):
        next(generator_views(generator(rescale=255), unit, 2))
    with pytest.raises(ValueError, match="datagen is a RandomFlip"):
        generator_views(layers.RandomFlip(), unit, 2)
    flip = layers.RandomFlip("horizontal", seed=1)
    copies = (np.asarray(flip(unit, training=True)) for _ in range(2))
    either = [linear.probs(view) for view in flipped(unit)]
    for probs in predict_copies(linear.model, copies):
        near = [np.abs(probs - one).max(axis=1) < 1e-5 for one in either]
        assert (near[0] ^ near[1]).all()


def test_generators_that_standardise_are_left_alone(generator, photos):
    shifted = generator(featurewise_center=True)
    shifted.fit(photos)
    copy = next(generator_views(shifted, photos, 1))
    np.testing.assert_allclose(copy, photos - photos.mean(axis=(0, 1, 2)), atol=1e-3)
    unit = (photos / 255).astype("float32")
    scaled = generator(samplewise_std_normalization=True, samplewise_center=True)
    assert next(generator_views(scaled, unit, 1)).max() > 1
    assert len(list(generator_views(generator(), unit, np.int64(3)))) == 3


def test_copies_of_another_range_than_the_network_are_refused(linear, photos):
    raw = photos.astype("float32")
    refused([lambda: predict_copies(linear.model, [raw])], "rescale=1 / 255")
    expected = linear.probs(raw)
    probs = predict_copies(linear.model, [raw], value_range=(0, 255))
    np.testing.assert_allclose(probs[0], expected, atol=1e-4)
    refused([lambda: predict_copies(linear.model, [raw], value_range=(0, 1))], r"beyond \(0, 1\)")
    refused([lambda: predict_copies(linear.model, photos)], r"list of one: \[images\]")


def test_a_network_of_standardised_images_takes_copies_as_they_are(photos):
    """Notebook 03 feeds the copies of a generator that was never fitted: Keras warns, no more."""
    undo = layers.Normalization(mean=[0.5] * 3, variance=[0.06] * 3, invert=True)
    model, logits = network(undo)
    expected = special.softmax(logits(photos * np.sqrt(0.06) + 0.5), axis=-1)
    np.testing.assert_allclose(
        predict_copies(model, [photos.astype("float32")])[0], expected, atol=1e-4
    )


# ---------------------------------------------------------------- what a model keeps


def test_a_dropped_network_leaves_no_trace():
    images = np.zeros((4000, *SHAPE), "uint8")
    model, _ = network()
    predict_views(model, images, FLIP, 2000)
    predict_selected(model, images, FLIP, np.arange(4000)[:, None] % 2, 2000)
    predict_views(model, images[:5], FLIP, precision="bfloat16")
    served = tta_model(model, FLIP)
    graphs = [weakref.ref(graph) for graph in forward.memory_of(model).graphs.values()]
    mixed = keras.backend.backend() != "jax"  # with JAX, mixtures of views have no graph
    assert len(graphs) == 2 + mixed
    gone = [weakref.ref(model), weakref.ref(served), *graphs]
    del model, served
    keras.backend.clear_session()  # Keras' own record of names
    gc.collect()
    assert [reference() for reference in gone] == [None] * len(gone)


def test_a_model_saves_as_it_would_without_its_graphs(photos, tmp_path):
    model, logits = network()
    model.save(tmp_path / "before.keras")
    predict_views(model, np.tile(photos, (400, 1, 1, 1)), FLIP)
    assert forward.memory_of(model).graphs
    model.save(tmp_path / "after.keras")
    sizes = [(tmp_path / f"{when}.keras").stat().st_size for when in ("before", "after")]
    assert abs(sizes[0] - sizes[1]) < 200
    loaded = keras.saving.load_model(tmp_path / "after.keras", safe_mode=True)
    expected = special.softmax(logits(photos / 255), axis=-1)
    np.testing.assert_allclose(predict_views(loaded, photos, FLIP)[0], expected, atol=1e-5)


@pytest.mark.parametrize("times", [1, 400])
def test_a_network_that_was_changed_is_asked_anew(photos, times):
    """With a graph and without: Keras keeps an old one too."""
    model, _ = network()
    images = np.tile(photos, (times, 1, 1, 1))
    predict_views(model, images, FLIP)
    model.pop()
    head = layers.Dense(3, activation="softmax")
    model.add(head)
    rng = np.random.default_rng(9)
    kernel = rng.normal(size=head.kernel.shape).astype("float32")
    head.set_weights([kernel, np.zeros(3)])
    expected = special.softmax((photos / 255).reshape(11, -1) @ kernel, axis=-1)
    probs = predict_views(model, images, FLIP)
    np.testing.assert_allclose(probs[0, :11], expected, atol=1e-5)
    head.activation = keras.activations.linear
    probs = predict_views(model, images, FLIP, outputs="logits")
    np.testing.assert_allclose(probs[0, :11], expected, atol=1e-5)
    with pytest.raises(ValueError, match="outputs='logits'"):
        predict_views(model, images, FLIP)
