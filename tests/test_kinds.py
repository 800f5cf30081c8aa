"""Kinds of outputs, against NumPy and SciPy: labels, regressions, heads, maps."""

import keras
import numpy as np
import pytest
from keras import layers
from scipy import ndimage, special

from tta_helpers import policies, predict_copies, predict_views, tta_model, views
from tta_helpers.loss_predictor import predict_selected
from tta_helpers.views import D4, FLIP

SHAPE = (8, 6, 3)
SET = (*FLIP, views.VerticalFlip(), views.Brightness(0.1))


def shown(images):
    """Return the four views of `SET`, made by NumPy."""
    return [images, images[:, :, ::-1], images[:, ::-1], np.clip(images + 0.1, 0, 1)]


class Head:
    """A dense layer on all pixels, with the same in NumPy."""

    def __init__(self, n, activation=None, seed=3, name=None):
        rng = np.random.default_rng(seed)
        self.kernel = rng.normal(size=(144, n)).astype("float32")
        self.layer = layers.Dense(n, activation=activation, name=name)

    def on(self, images):
        symbol = self.layer(layers.Flatten()(images))
        self.layer.set_weights([self.kernel, np.zeros(self.layer.units)])
        return symbol

    def values(self, images):
        return images.reshape(len(images), -1).astype("float64") @ self.kernel


def saved(model, folder):
    model.save(folder / "served.keras")
    return keras.saving.load_model(folder / "served.keras", safe_mode=True)


@pytest.mark.parametrize("n", [1, 5])
@pytest.mark.parametrize("space", ["probabilities", "logits"])
def test_labels_that_do_not_exclude_each_other(n, space, photos, tmp_path):
    head, images = Head(n, "sigmoid"), keras.Input(SHAPE)
    model = keras.Model(images, head.on(images))
    logits = np.stack([head.values(view) for view in shown(photos / 255)])
    probs = predict_views(model, photos, SET, outputs="sigmoid")
    np.testing.assert_allclose(probs, special.expit(logits), atol=1e-5)
    policy = policies.mean if space == "probabilities" else policies.geometric_mean
    expected = special.expit(logits).mean(axis=0)
    if space == "logits":
        expected = special.expit(logits.mean(axis=0))
    np.testing.assert_allclose(policy(probs, outputs="sigmoid"), expected, atol=1e-4)
    served = saved(tta_model(model, SET, space=space, outputs="sigmoid"), tmp_path)
    np.testing.assert_allclose(served.predict(photos / 255, verbose=0), expected, atol=1e-4)
    copies = predict_copies(model, shown((photos / 255).astype("float32")), outputs="sigmoid")
    np.testing.assert_allclose(copies, special.expit(logits), atol=1e-5)
    choice = np.tile([[1, 3]], (len(photos), 1))
    selected = predict_selected(model, photos, SET, choice, outputs="sigmoid")
    np.testing.assert_allclose(selected, special.expit(logits)[[1, 3]].mean(axis=0), atol=1e-5)


def test_a_regression(photos, tmp_path):
    head, images = Head(2), keras.Input(SHAPE)
    model = keras.Model(images, head.on(images))
    values = np.stack([head.values(view) for view in shown(photos / 255)])
    found = predict_views(model, photos, SET, outputs="raw")
    np.testing.assert_allclose(found, values, atol=1e-4)
    weights = [1, 2, 3, 4]
    expected = np.average(values, axis=0, weights=weights)
    np.testing.assert_allclose(policies.mean(found, weights, outputs="raw"), expected, atol=1e-4)
    served = saved(tta_model(model, SET, weights, outputs="raw"), tmp_path)
    np.testing.assert_allclose(served.predict(photos / 255, verbose=0), expected, atol=1e-4)
    with pytest.raises(ValueError, match="raw outputs have none"):
        tta_model(model, SET, space="logits", outputs="raw")
    with pytest.raises(ValueError, match="have no logits"):
        policies.geometric_mean(found, outputs="raw")
    with pytest.raises(ValueError, match="outputs='raw'"):
        policies.mean(found, outputs="sigmoid")


def test_one_number_an_image_without_an_axis(photos):
    """A model may end in (n,): it comes back as (views, n)."""
    images = keras.Input(SHAPE)
    model = keras.Model(images, keras.ops.mean(images[..., 0] * images[..., 1], axis=(1, 2)))
    found = predict_views(model, photos, SET, outputs="raw")
    expected = [(v[..., 0] * v[..., 1]).mean(axis=(1, 2)) for v in shown(photos / 255)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("form", ["list", "dict"])
def test_several_heads(form, photos, tmp_path):
    kind, size = Head(4, "softmax", 1, "kind"), Head(2, None, 2, "size")
    images = keras.Input(SHAPE)
    parts = {"kind": kind.on(images), "size": size.on(images)}
    model = keras.Model(images, parts if form == "dict" else list(parts.values()))
    seen = shown(photos / 255)
    probs = np.stack([special.softmax(kind.values(view), axis=-1) for view in seen])
    values = np.stack([size.values(view) for view in seen])
    with pytest.raises(ValueError, match=r"2 outputs: 'kind', 'size'.*head='kind'"):
        predict_views(model, photos, SET)
    for head in ("kind", 0):
        found = predict_views(model, photos, SET, head=head)
        np.testing.assert_allclose(found, probs, atol=1e-5)
    for head in ("size", 1, -1):
        found = predict_views(model, photos, SET, head=head, outputs="raw")
        np.testing.assert_allclose(found, values, atol=1e-4)
    both = {"size": "raw", "kind": "softmax"}
    found = predict_views(model, photos, SET, outputs=both)
    assert list(found) == ["size", "kind"]
    np.testing.assert_allclose(found["kind"], probs, atol=1e-5)
    np.testing.assert_allclose(found["size"], values, atol=1e-4)
    answers = saved(tta_model(model, SET, outputs=both), tmp_path).predict(photos / 255, verbose=0)
    np.testing.assert_allclose(answers["kind"], probs.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(answers["size"], values.mean(axis=0), atol=1e-4)
    with pytest.raises(ValueError, match="no output 'sise'; it has 'kind', 'size'"):
        predict_views(model, photos, SET, head="sise")
    with pytest.raises(ValueError, match="of head 'size' is 'ray'"):
        predict_views(model, photos, SET, outputs={"size": "ray"})
    with pytest.raises(ValueError, match="leave one out"):
        predict_views(model, photos, SET, outputs=both, head="kind")


# ---------------------------------------------------------------- maps


def per_pixel(shape=(16, 16, 3), activation="softmax", stride=1, seed=4):
    """Return a model whose answer at a pixel is that of the pixel alone, and the same in NumPy.

    It does not commute with any view but through `undo`: it sees its place as well.
    """
    rng = np.random.default_rng(seed)
    kernel = rng.normal(size=(3, 2)).astype("float32")
    conv = layers.Conv2D(2, 1, strides=stride, activation=activation)
    model = keras.Sequential([keras.Input(shape), conv])
    conv.set_weights([kernel.reshape(1, 1, 3, 2), np.zeros(2)])
    return model, lambda images: special.softmax(images[:, ::stride, ::stride] @ kernel, axis=-1)


@pytest.fixture
def squares():
    return np.random.default_rng(5).integers(0, 256, (3, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("number", range(8))
def test_a_map_of_a_symmetry_lies_on_the_image_again(number, squares):
    """A pixel's own class does not depend on where it lies, so all views must agree."""
    model, by_hand = per_pixel()
    probs = predict_views(model, squares, D4[number : number + 1])
    np.testing.assert_allclose(probs[0], by_hand(squares / 255), atol=1e-5)


def test_without_undoing_the_views_would_disagree(squares):
    model, by_hand = per_pixel()
    seen = np.stack([model.predict(view(squares / np.float32(255)), verbose=0) for view in D4])
    assert (np.abs(seen - by_hand(squares / 255)).max(axis=(1, 2, 3, 4)) > 0.1).sum() == 7


def test_d4_has_eight_members_none_twice(squares):
    turned = [np.rot90(squares, k, axes=(1, 2)) for k in range(4)]
    expected = {image.tobytes() for t in turned for image in (t, t[:, :, ::-1])}
    seen = [np.rint(255 * np.asarray(view(squares / np.float32(255)))) for view in D4]
    assert {view.astype("uint8").tobytes() for view in seen} == expected
    assert len(expected) == 8


@pytest.mark.parametrize("view", [views.Shift(3, -2), views.Shift(-1, 4)])
def test_pixels_that_left_the_frame_are_nan(view, squares):
    model, by_hand = per_pixel()
    (probs,) = predict_views(model, squares, [view])
    row, column = np.indices((16, 16))
    row, column = row + view.dy, column + view.dx
    seen = (row >= 0) & (row < 16) & (column >= 0) & (column < 16)
    np.testing.assert_allclose(probs[:, seen], by_hand(squares / 255)[:, seen], atol=1e-5)
    assert np.isnan(probs[:, ~seen]).all()
    assert seen.sum() == (16 - abs(view.dx)) * (16 - abs(view.dy))


def test_averages_of_maps_leave_out_what_a_view_does_not_show(squares, tmp_path):
    model, by_hand = per_pixel()
    chosen, weights = (*FLIP, views.Shift(3, -2)), [1, 1, 2]
    probs = predict_views(model, squares, chosen)
    expected = by_hand(squares / 255)
    for policy, space in ((policies.mean, "probabilities"), (policies.geometric_mean, "logits")):
        np.testing.assert_allclose(policy(probs, weights), expected, atol=1e-5)
        served = saved(tta_model(model, chosen, weights, space), tmp_path)
        np.testing.assert_allclose(served.predict(squares / 255, verbose=0), expected, atol=1e-5)
    alone = policies.mean(probs[2:])
    assert np.isnan(alone[:, :2]).all() and np.isnan(alone[:, :, 13:]).all()
    assert not np.isnan(alone[:, 2:, :13]).any()


def test_rotations_and_zooms_are_undone_as_scipy_does(squares):
    """Smooth maps, the inner disc: what interpolating there and back leaves nearly as it was."""
    smooth = ndimage.gaussian_filter(squares / 255, (0, 3, 3, 0)).astype("float32")
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    model, by_hand = per_pixel(activation=None)
    row, column = np.indices((16, 16)) - 7.5
    inside = np.hypot(row, column) < 6
    for view in (views.Rotate(20), views.Zoom(1.25), views.Zoom(0.8)):
        (probs,) = predict_views(model, smooth, [view], outputs="logits")
        there = np.abs(probs - by_hand(smooth))[:, inside].max()
        not_undone = special.softmax(model.predict(view(smooth), verbose=0), axis=-1)
        astray = np.abs(not_undone - by_hand(smooth))[:, inside].max()
        assert there < 0.02 < astray
        assert view.inverse().inverse().get_config() == view.get_config()
    assert np.isnan(
        predict_views(model, smooth, [views.Zoom(1.25)], outputs="logits")[0, :, 0]
    ).all()
    assert not np.isnan(predict_views(model, smooth, [views.Zoom(0.8)], outputs="logits")).any()


@pytest.mark.parametrize("number", range(8))
def test_smaller_maps_turn_about_the_same_centre(number):
    """Blocks of 2 x 2 pixels: a map of half the size knows each of them."""
    rng = np.random.default_rng(6)
    blocks = rng.random((2, 8, 8, 3), dtype="float32")
    images = blocks.repeat(2, axis=1).repeat(2, axis=2)
    model, by_hand = per_pixel(stride=2)
    probs = predict_views(model, images, D4[number : number + 1])
    np.testing.assert_allclose(probs[0], by_hand(images), atol=1e-5)
    (moved,) = predict_views(model, images, [views.Shift(4, -2)])  # two and one of the map's
    np.testing.assert_allclose(moved[:, 1:, :-2], by_hand(images)[:, 1:, :-2], atol=1e-5)
    assert np.isnan(moved[:, 0]).all() and np.isnan(moved[:, :, -2:]).all()


def test_a_composed_view_is_undone_step_by_step(squares):
    """What the first step lost does not come back with the second."""
    model, by_hand = per_pixel()
    there_and_back = views.Compose((views.Shift(4, 0), views.HorizontalFlip(), views.Shift(4, 0)))
    (probs,) = predict_views(model, squares, [there_and_back])
    seen = np.zeros((16, 16), bool)
    seen[:, :12] = True  # the last four leave with the first step; mirrored, the others move inward
    np.testing.assert_allclose(probs[:, seen], by_hand(squares / 255)[:, seen], atol=1e-5)
    assert np.isnan(probs[:, ~seen]).all()


class Roll(views.View):
    """Somebody's own view, which moves pixels and does not say where to."""

    def transform(self, images):
        return keras.ops.roll(images, 3, axis=2)


class Gamma(views.Photometric):
    def transform(self, images):
        return images**2


def test_maps_of_ones_own_views(squares):
    """A view that does not know its way back is refused; one that moves nothing needs none."""
    model, by_hand = per_pixel()
    for view in (Roll(), views.Compose((views.HorizontalFlip(), Roll()))):
        for call in (predict_views, tta_model):
            with pytest.raises((ValueError, NotImplementedError), match="Roll does not say where"):
                call(model, *([squares] if call is predict_views else []), (*FLIP, view))
    probs = predict_views(model, squares, [Gamma()])
    np.testing.assert_allclose(probs[0], by_hand((squares / 255) ** 2), atol=1e-5)


def test_maps_without_an_axis_of_values(squares, tmp_path):
    """(n, rows, columns) must be told to be maps; then they are turned back as well."""
    images = keras.Input((16, 16, 3))
    model = keras.Model(images, keras.ops.sigmoid(images[..., 0] - 2 * images[..., 1]))
    with pytest.raises(ValueError, match=r"\(16, 16\) an image.*maps=True.*maps=False"):
        predict_views(model, squares, FLIP, outputs="sigmoid")
    probs = predict_views(model, squares, FLIP, outputs="sigmoid", maps=True)
    expected = special.expit(squares[..., 0] / 255 - 2 * (squares[..., 1] / 255))
    np.testing.assert_allclose(probs, [expected] * 2, atol=1e-5)
    served = saved(tta_model(model, FLIP, outputs="sigmoid", maps=True), tmp_path)
    np.testing.assert_allclose(served.predict(squares / 255, verbose=0), expected, atol=1e-5)
    left = predict_views(model, squares, FLIP, outputs="sigmoid", maps=False)
    np.testing.assert_allclose(left[1], expected[:, :, ::-1], atol=1e-5)


def test_policies_of_one_class_refuse_maps(squares):
    model, _ = per_pixel()
    probs = predict_views(model, squares, FLIP)
    for policy in (policies.vote, policies.maximum, policies.entropy_weighted):
        with pytest.raises(ValueError, match=r"\(views, images, classes\)"):
            policy(probs)
