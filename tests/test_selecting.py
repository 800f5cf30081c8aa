"""One graph through selection, chosen view and target, against the steps one by one."""

import re

import keras
import numpy as np
import pytest
from keras import ops

import tta_helpers
from tta_helpers import loss_predictor as lp
from tta_helpers import policies, views
from tta_helpers.predict import folded, selecting_model
from tta_helpers.predict.folding import PositionsDense, ScaleShift
from tta_helpers.workbook import networks

VIEWS = (
    *(views.Identity(), views.Autocontrast(), views.Sharpness(4), views.Sharpness(0)),
    *(views.Color(0.2), views.Brightness(-0.2), views.Median()),
    views.Compose((views.Autocontrast(), views.Color(2))),
)
MIRRORED = (*VIEWS, *(views.Compose((view, views.HorizontalFlip())) for view in VIEWS))


@pytest.fixture
def photos():
    """Forty distinguishable images of 8 x 6 pixels; each channel has a range of its own."""
    rng = np.random.default_rng(1)
    images = 40 + rng.integers(0, 100, (40, 8, 6, 3)) * rng.uniform(0.3, 1.8, (40, 1, 1, 3))
    return images.astype(np.uint8)


@pytest.fixture
def predictor():
    """Scores that every pixel has a part in, so that images differ in the view they get."""
    inputs = keras.Input((8, 6, 3))
    head = keras.layers.Dense(len(VIEWS))
    scorer = keras.Model(inputs, head(keras.layers.Flatten()(inputs)))
    kernel = np.random.default_rng(2).normal(size=(144, len(VIEWS))) / 255
    head.set_weights([(kernel - kernel.mean(axis=0)).astype("float32"), np.zeros(len(VIEWS))])
    return scorer


def step_by_step(model, predictor, photos, k=1, margin=0.0, mirror=False, **options):
    """The same by the functions that group the images by view."""
    scores = lp.predict_scores(predictor, photos)
    choice = policies.guarded(scores, margin) if margin else policies.lowest(scores, k)
    assert len(np.unique(choice)) == len(VIEWS)  # every view is some image's
    if mirror:
        choice = np.concatenate([choice, choice + len(VIEWS)], axis=1)
    return lp.predict_selected(model, photos, MIRRORED, choice, **options)


@pytest.mark.parametrize(
    "how", [{}, {"k": 2}, {"margin": 0.3}, {"mirror": True}, {"k": 3, "mirror": True}], ids=str
)
def test_one_graph_gives_what_the_steps_give(linear, predictor, photos, how, tmp_path):
    expected = step_by_step(linear.model, predictor, photos, **how)
    whole = selecting_model(linear.model, predictor, VIEWS, **how)
    whole.save(tmp_path / "selecting.keras")
    loaded = tta_helpers.load_model(tmp_path / "selecting.keras")
    for model in (whole, loaded):
        assert model.input.dtype == "uint8"
        found = model.predict(photos, batch_size=16, verbose=0)
        np.testing.assert_allclose(found, expected, atol=1e-5)
    one = ops.convert_to_numpy(whole(photos[:1]))
    np.testing.assert_allclose(one, expected[:1], atol=1e-5)
    assert np.abs(expected - linear.probs(photos / 255)).max() > 0.1  # selection matters


def test_a_guard_keeps_the_image_itself_where_the_gain_is_small(linear, predictor, photos):
    scores = lp.predict_scores(predictor, photos)
    gain = scores[:, 0] - scores.min(axis=1)
    found = selecting_model(linear.model, predictor, VIEWS, margin=float(gain.max()) + 0.1)
    plain = linear.probs(photos / 255)
    np.testing.assert_allclose(found.predict(photos, verbose=0), plain, atol=1e-5)


def test_ties_go_to_the_first_view(linear, photos):
    """All scores are 0: view 0, and with two views an image the first two."""
    level = keras.Sequential(
        [keras.Input((8, 6, 3)), keras.layers.Flatten(), keras.layers.Dense(8, "linear", False)]
    )
    level.set_weights([np.zeros((144, 8))])
    for k in (1, 2):
        found = selecting_model(linear.model, level, VIEWS, k=k).predict(photos, verbose=0)
        first = np.tile(np.arange(k), (len(photos), 1))
        expected = lp.predict_selected(linear.model, photos, VIEWS, first)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_logits_other_ranges_and_a_preprocess(linear_logits, predictor, photos):
    """The model sees 0 to 255 less a mean, and gives logits."""
    inner = linear_logits.model
    shifted = keras.Sequential([keras.Input((8, 6, 3)), keras.layers.Rescaling(0.01), inner])
    how = {"outputs": "logits", "value_range": (0, 255)}
    how["preprocess"] = keras.layers.Rescaling(1, offset=-100.0)
    expected = step_by_step(shifted, predictor, photos, **how)
    found = selecting_model(shifted, predictor, VIEWS, **how).predict(photos, verbose=0)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def trained_like(model, seed=0):
    """Weights and statistics as after training: no scale is 1, no mean and no bias 0."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, keras.layers.BatchNormalization):
            scale, *_, variance = (rng.uniform(0.5, 2, w.shape) for w in weights)
            weights = [scale, *(0.3 * rng.normal(size=w.shape) for w in weights[1:3]), variance]
        else:
            spread = (np.sqrt(max(np.prod(w.shape[:-1]), 9)) for w in weights)
            weights = [rng.normal(size=w.shape) / s for w, s in zip(weights, spread, strict=True)]
        layer.set_weights(weights)
    return model


def norms(model):
    """What scales and shifts channels: batch normalisation, or what is left of it."""
    return [x for x in model.layers if type(x) in (keras.layers.BatchNormalization, ScaleShift)]


def test_the_workbooks_networks_select_from_a_file(photos, tmp_path):
    keras.utils.set_random_seed(3)
    target = trained_like(networks.baseline_cnn((8, 12, 3), 4))
    compact = trained_like(lp.compact_predictor((8, 12, 3), len(VIEWS), 4))
    wide = np.concatenate([photos, photos[::-1, ::-1]], axis=2)
    scores = lp.predict_scores(compact, wide)
    expected = lp.predict_selected(target, wide, VIEWS, policies.lowest(scores))
    selecting_model(target, compact, VIEWS).save(tmp_path / "one.keras")
    loaded = tta_helpers.load_model(tmp_path / "one.keras")
    np.testing.assert_allclose(loaded.predict(wide, verbose=0), expected, atol=1e-5)


# Folding


@pytest.mark.parametrize(
    ("build", "left"),
    [
        (lambda: networks.baseline_cnn((8, 12, 3), 4), 1),  # two go into the dense layers
        (lambda: networks.wide_resnet(10, 2, (8, 12, 3), 4), 3),  # 3 of 7 follow a sum
    ],
    ids=["cnn", "wide resnet"],
)
def test_folded_networks_predict_the_same(build, left):
    model = trained_like(build())
    images = np.random.default_rng(0).random((20, 8, 12, 3), dtype=np.float32)
    before = model.predict(images, verbose=0)
    quick = folded(model)
    assert quick is not model
    assert len(norms(quick)) == left
    np.testing.assert_allclose(quick.predict(images, verbose=0), before, atol=1e-5)
    np.testing.assert_array_equal(model.predict(images, verbose=0), before)
    assert np.ptp(before, axis=0).max() > 0.05


def test_a_normalisation_before_a_pooling_is_a_quarter_of_the_work():
    [norm] = norms(folded(networks.baseline_cnn()))
    assert norm.input.shape[1:] == (16, 16, 32)
    assert [w.name for w in norm.weights] == ["shift"]  # the scale went through the ReLU


@pytest.mark.parametrize("positive", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_positive_scale_goes_through_a_relu_into_the_weights_before_it(positive, bias):
    """Into a dense layer that takes another normalisation from its other side, too."""
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 5)),
            *(layers.Conv1D(4, 2, activation="tanh"), layers.BatchNormalization(name="into")),
            *(layers.Flatten(), layers.Dense(7, activation="relu", use_bias=bias)),
            *(layers.BatchNormalization(name="through"), layers.Activation("tanh")),
        ]
    )
    trained_like(model)
    through = model.get_layer("through")
    scale, *rest = through.get_weights()
    through.set_weights([np.where(np.arange(7) == 3, 1 if positive else -1, 1) * scale, *rest])
    inputs = np.random.default_rng(0).normal(size=(40, 6, 5)).astype("float32")
    [left] = norms(quick := folded(model))
    assert left.name == "through" and len(left.weights) == (1 if positive else 2)
    expected = model.predict(inputs, verbose=0)
    np.testing.assert_allclose(quick.predict(inputs, verbose=0), expected, atol=1e-5)
    assert np.ptp(expected[:, 3]) > 0.1


STAY = keras.layers.Activation("tanh")  # nothing is folded across it


def small(*after, positive=True, share=False):
    layers = keras.layers
    inputs = keras.Input((8, 6, 3))
    convolved = layers.Conv2D(5, 3)(inputs)
    x = convolved
    for layer in after:
        x = layer(x)
    outputs = layers.Dense(4, activation="softmax")(layers.Flatten()(x))
    model = keras.Model(inputs, [outputs, convolved] if share else outputs)
    trained_like(model)
    for norm in norms(model):
        scale, *rest = norm.get_weights()
        norm.set_weights([scale if positive else -scale, *rest])
    return model


@pytest.mark.parametrize(
    ("model", "left"),
    [
        (lambda: small(keras.layers.BatchNormalization()), 0),
        (lambda: small(keras.layers.BatchNormalization(), positive=False), 0),
        (lambda: small(keras.layers.BatchNormalization(), STAY, share=True), 1),  # given and taken
        (lambda: small(keras.layers.ReLU(), keras.layers.BatchNormalization()), 0),
        (lambda: small(keras.layers.ReLU(), keras.layers.BatchNormalization(), STAY), 1),
        (lambda: small(keras.layers.BatchNormalization(axis=1)), 1),
    ],
    ids=["before", "negative", "shared", "after", "between activations", "over rows"],
)
def test_what_folds_and_what_stays(model, left):
    model = model()
    images = np.random.default_rng(0).random((9, 8, 6, 3), dtype=np.float32)
    quick = folded(model)
    assert len(norms(quick)) == left
    pairs = zip(
        *(keras.tree.flatten(m.predict(images, verbose=0)) for m in (quick, model)), strict=True
    )
    for found, expected in pairs:
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("positive", [True, False])
def test_only_positive_scales_change_places_with_a_maximum(positive):
    layers = keras.layers
    model = small(
        layers.ReLU(), layers.BatchNormalization(), layers.MaxPooling2D(2), STAY, positive=positive
    )
    images = np.random.default_rng(0).random((9, 8, 6, 3), dtype=np.float32)
    quick = folded(model)
    [norm] = norms(quick)
    assert norm.input.shape[1] == (3 if positive else 6)
    expected = model.predict(images, verbose=0)
    np.testing.assert_allclose(quick.predict(images, verbose=0), expected, atol=1e-5)


def test_a_model_without_a_graph_or_without_normalisation_is_left_alone(linear):
    class Subclassed(keras.Model):
        def call(self, images):
            return linear.model(images)

    for model in (linear.model, Subclassed()):
        assert folded(model) is model


def test_dense_layers_at_many_positions_become_one_product(tmp_path):
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 5, 3)),
            layers.Reshape((10, 9)),
            layers.Dense(7, activation="tanh"),
            layers.Dense(4, use_bias=False),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    trained_like(model)
    quick = folded(model)
    kinds = [type(layer) for layer in quick.layers if isinstance(layer, layers.Dense)]
    assert kinds == [PositionsDense, PositionsDense, layers.Dense]
    quick.save(tmp_path / "quick.keras")
    images = np.random.default_rng(0).random((9, 6, 5, 3), dtype=np.float32)
    for found in (quick, tta_helpers.load_model(tmp_path / "quick.keras")):
        expected = model.predict(images, verbose=0)
        np.testing.assert_allclose(found.predict(images, verbose=0), expected, atol=1e-5)


def test_a_layer_whose_config_leaves_a_setting_out_is_not_copied():
    class Times(keras.layers.Layer):
        factor = 1.0

        def call(self, inputs):
            return inputs * self.factor

    times = Times()
    times.factor = 3.0
    model = small(keras.layers.ReLU(), times, keras.layers.BatchNormalization())
    assert folded(model) is model


# Mistakes


def test_errors_name_the_value_and_the_way_out(linear, predictor):
    def build(some=VIEWS, model=linear.model, scorer=predictor, **how):
        return selecting_model(model, scorer, some, **how)

    turned = (*VIEWS[:6], views.Rotate(20), views.Shift(1, 0))
    for make, message in (
        (lambda: build(turned), "rotate_20, shift_1_0: no photometric .*predict_selected"),
        (lambda: build(VIEWS[:7]), r"gives scores \(8,\).*there are 7 views"),
        (lambda: build((*VIEWS[:7], views.Sharpness(1))), "identity and sharpness_1 give the same"),
        (lambda: build(VIEWS[::-1], margin=0.1), r"sees view 0, which is autocontrast\.color_2"),
        (lambda: build(margin=-1), "margin is -1"),
        (lambda: build(margin=0.1, k=2), "margin is 0.1 and k is 2"),
        (lambda: build(k=9), "k is 9; choose between 1 and 8"),
        (lambda: build(k=0), "k is 0"),
        (lambda: build(scorer=None), "predictor is a NoneType"),
        (lambda: build(outputs={"a": "softmax"}), "averaged for one head"),
        (
            lambda: build(scorer=lp.compact_predictor((32, 32, 3), 8)),
            re.escape("takes images (32, 32, 3)"),
        ),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_a_table_without_a_base_computes_none(linear, predictor, monkeypatch):
    from tta_helpers.views import family

    for name in ("smoothed", "median", "despeckled"):
        monkeypatch.setitem(family._BASES, name, None)  # whoever called it would fail
    layer = views.PhotometricChoice(views.coefficient_table((views.Identity(), views.Color(2))))
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    found = ops.convert_to_numpy(layer(ops.convert_to_tensor(images), np.array([0, 0])))
    np.testing.assert_allclose(found, images / 255, atol=1e-6)
