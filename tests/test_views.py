"""The views against Pillow, SciPy, NumPy's padding and hand counts."""

import json
import re
from itertools import combinations

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image, ImageEnhance, ImageOps
from scipy import ndimage

from tta_helpers import views as v

SHAPES = [(32, 32, 3), (9, 14, 3), (13, 8, 1)]
EVERY_VIEW = (
    v.Identity(),
    v.HorizontalFlip(),
    v.VerticalFlip(),
    v.Rotate(-20),
    v.Zoom(0.8),
    v.Shift(2, -1),
    v.Shift(0.25, -1.5),
    v.Brightness(0.1),
    v.Contrast(1.3),
    v.Autocontrast(),
    v.Sharpness(3),
    v.Despeckle(),
    v.Median(),
    v.Compose((v.Rotate(12.5), v.HorizontalFlip(), v.Brightness(-0.1))),
)


def noise(shape=(32, 32, 3), n=2, seed=0):
    """Random 8-bit images with a bright top-left corner: no symmetry hides a mistake."""
    images = np.random.default_rng(seed).integers(0, 200, (n, *shape), dtype=np.uint8)
    images[:, :3, :2] = 255
    return images


def unit(images):
    return images.astype("float32") / 255


def apply(view, images, **kwargs):
    return ops.convert_to_numpy(view(ops.convert_to_tensor(images), **kwargs))


def eight_bit(images):
    return np.rint(images * 255).astype(np.uint8)


# Geometry


@pytest.mark.parametrize(
    ("view", "method", "shape"),
    [
        (v.HorizontalFlip(), Image.Transpose.FLIP_LEFT_RIGHT, (9, 14, 3)),
        (v.VerticalFlip(), Image.Transpose.FLIP_TOP_BOTTOM, (9, 14, 3)),
        (v.Rotate(90), Image.Transpose.ROTATE_90, (15, 15, 3)),
        (v.Rotate(180), Image.Transpose.ROTATE_180, (9, 14, 3)),
        (v.Rotate(-90), Image.Transpose.ROTATE_270, (32, 32, 3)),
    ],
)
def test_flips_and_quarter_turns_equal_pillow(view, method, shape):
    images = noise(shape)
    expected = np.stack([Image.fromarray(image).transpose(method) for image in images])
    np.testing.assert_array_equal(eight_bit(apply(view, unit(images))), expected)
    np.testing.assert_array_equal(apply(view, unit(images)), unit(expected))


def test_rotation_turns_as_pillow_does():
    """Smooth content, the inner disc: what two different interpolations agree on."""
    image = ndimage.gaussian_filter(noise((48, 48, 3), n=1)[0].astype(float), (3, 3, 0))
    image = np.interp(image, (image.min(), image.max()), (0, 255)).astype(np.uint8)
    expected = unit(np.asarray(Image.fromarray(image).rotate(20, Image.Resampling.BILINEAR)))
    y, x = np.indices((48, 48)) - 23.5
    inside = np.hypot(y, x) < 22
    right = np.abs(apply(v.Rotate(20), unit(image)[None])[0] - expected)[inside].max()
    wrong = np.abs(apply(v.Rotate(-20), unit(image)[None])[0] - expected)[inside].max()
    assert right < 0.02 < 0.2 < wrong


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("degrees", [20, -20, 7.5, 90, 135, 400])
def test_rotation_equals_scipy(degrees, shape):
    images = unit(noise(shape))
    expected = ndimage.rotate(images, degrees, axes=(1, 2), reshape=False, order=1, mode="mirror")
    np.testing.assert_allclose(apply(v.Rotate(degrees), images), expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dx", "dy"), [(2, -1), (-3, 0), (0.25, -1.5), (0, 0.5), (40, -25.25)])
def test_shift_equals_scipy(dx, dy, shape):
    images = unit(noise(shape))
    expected = ndimage.shift(images, (0, dy, dx, 0), order=1, mode="mirror")
    np.testing.assert_allclose(apply(v.Shift(dx, dy), images), expected, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("factor", [0.8, 1.25, 0.3, 3])
def test_zoom_equals_scipy(factor, shape):
    images = unit(noise(shape))
    height, width, _ = shape
    rows = [(height - 1) / 2 + (row - (height - 1) / 2) / factor for row in range(height)]
    columns = [(width - 1) / 2 + (column - (width - 1) / 2) / factor for column in range(width)]
    grid = np.meshgrid(rows, columns, indexing="ij")
    result = apply(v.Zoom(factor), images)
    for n, channel in np.ndindex(len(images), shape[2]):
        plane = images[n, :, :, channel]
        expected = ndimage.map_coordinates(plane, grid, order=1, mode="mirror")
        np.testing.assert_allclose(result[n, :, :, channel], expected, atol=1e-5)


def test_zoom_above_one_enlarges():
    image = np.zeros((1, 32, 32, 1), "float32")
    image[:, 12:20, 12:20] = 1
    areas = [apply(v.Zoom(factor), image).sum() for factor in (0.75, 1, 2)]
    assert areas == pytest.approx([36, 64, 256], rel=0.05)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("dx", "dy"), [(1, 1), (-1, -1), (3, -2), (0, 4)])
def test_whole_pixel_shift_is_a_crop_of_the_padded_image(dx, dy, shape):
    images = unit(noise(shape))
    padded = np.pad(images, ((0, 0), (4, 4), (4, 4), (0, 0)), mode="reflect")
    height, width, _ = shape
    expected = padded[:, 4 - dy : 4 - dy + height, 4 - dx : 4 - dx + width]
    np.testing.assert_array_equal(apply(v.Shift(dx, dy), images), expected)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 6, 1), (2, 5, 2)])
def test_images_of_one_or_two_pixels_are_mirrored_as_scipy_does(shape):
    images = unit(noise(shape))
    expected = ndimage.shift(images, (0, 1, -2.5, 0), order=1, mode="mirror")
    np.testing.assert_allclose(apply(v.Shift(-2.5, 1), images), expected, atol=1e-5)


# Colour

PIXELS = np.array([[[[0.1, 0.9]], [[0.3, 0.5]]]], "float32")  # two rows, one column, two channels


def test_brightness_by_hand():
    expected = [[[[0.3, 1.0]], [[0.5, 0.7]]]]
    np.testing.assert_allclose(apply(v.Brightness(0.2), PIXELS), expected, atol=1e-6)
    expected = [[[[0.0, 0.7]], [[0.1, 0.3]]]]
    np.testing.assert_allclose(apply(v.Brightness(-0.2), PIXELS), expected, atol=1e-6)


def test_contrast_by_hand():
    """The channels' means are 0.2 and 0.7."""
    expected = [[[[0.15, 0.8]], [[0.25, 0.6]]]]
    np.testing.assert_allclose(apply(v.Contrast(0.5), PIXELS), expected, atol=1e-6)
    expected = [[[[0.0, 1.0]], [[0.5, 0.1]]]]
    np.testing.assert_allclose(apply(v.Contrast(3), PIXELS), expected, atol=1e-6)
    np.testing.assert_array_equal(apply(v.Contrast(1), PIXELS), PIXELS)


def test_contrast_takes_each_image_by_itself():
    images = unit(noise()) * np.array([0.3, 1], "float32")[:, None, None, None]
    together = apply(v.Contrast(1.5), images)
    alone = [apply(v.Contrast(1.5), images[i : i + 1])[0] for i in range(2)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


PILLOW = {
    "autocontrast": (v.Autocontrast(), ImageOps.autocontrast),
    **{
        f"sharpness {f}": (
            v.Sharpness(f),
            lambda image, f=f: ImageEnhance.Sharpness(image).enhance(f),
        )
        for f in (0, 0.2, 0.5, 1, 3, 4)
    },
    **{
        f"color {f}": (v.Color(f), lambda image, f=f: ImageEnhance.Color(image).enhance(f))
        for f in (0, 0.5, 1, 2)
    },
}


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("shape", [(32, 32, 3), (9, 14, 3)])
def test_photographic_views_are_pillows(name, shape):
    """Pillow works on 8 bits and drops fractions, hence a difference of at most 2 in 255."""
    view, by_pillow = PILLOW[name]
    images = noise(shape, n=3)
    images[1] = images[1] // 3 + [[20, 60, 110]]  # each channel with a range of its own
    images[2] = ndimage.gaussian_filter(images[2], (2, 2, 0))  # smooth, as photographs are
    expected = np.stack([np.asarray(by_pillow(Image.fromarray(image))) for image in images])
    difference = 255 * apply(view, unit(images)) - expected
    assert np.abs(difference).max() <= 2
    assert np.abs(difference).mean() <= 0.6


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 32, 3), (32, 1, 3), (2, 2, 3), (2, 9, 3)])
def test_sharpness_of_an_image_without_an_inside_is_pillows(shape):
    images = noise(shape)
    by_pillow = [np.asarray(ImageEnhance.Sharpness(Image.fromarray(i)).enhance(3)) for i in images]
    np.testing.assert_array_equal(by_pillow, images)
    np.testing.assert_array_equal(apply(v.Sharpness(3), unit(images)), unit(np.stack(by_pillow)))


def test_autocontrast_leaves_a_flat_channel_alone():
    images = unit(noise())
    images[..., 1] = 0.25
    result = apply(v.Autocontrast(), images)
    np.testing.assert_array_equal(result[..., 1], images[..., 1])
    np.testing.assert_allclose([result[..., 0].min(), result[..., 0].max()], [0, 1], atol=1e-6)


def test_color_needs_three_channels():
    with pytest.raises(ValueError, match=r"color_2 needs images of 3 channels.*got 1"):
        apply(v.Color(2), unit(noise((9, 14, 1))))


# What every view promises


@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.name)
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_range_and_determinism(view, shape):
    images = unit(noise(shape, n=1))
    result = apply(view, images)
    assert result.shape == images.shape
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1 + 1e-6
    np.testing.assert_array_equal(apply(view, images, training=True), result)
    np.testing.assert_array_equal(apply(view, images, training=False), result)


@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.name)
def test_config_round_trip(view):
    config = json.dumps(view.get_config())
    copy = type(view).from_config(json.loads(config))
    assert json.dumps(copy.get_config()) == config
    images = unit(noise())
    np.testing.assert_array_equal(apply(copy, images), apply(view, images))
    assert not view.weights


def model_of(views, shape=(32, 32, 3)):
    image = keras.Input(shape)
    return keras.Model(image, [view(image) for view in views])


def test_saved_model_predicts_the_same(tmp_path):
    model, images = model_of(EVERY_VIEW), unit(noise(n=5))
    model.save(tmp_path / "views.keras")
    loaded = keras.models.load_model(tmp_path / "views.keras", safe_mode=True)
    names = [view.name for view in EVERY_VIEW]
    assert [layer.name for layer in loaded.layers[1:]] == names
    before, after = (m.predict(images, batch_size=2, verbose=0) for m in (model, loaded))
    for view, one, other in zip(EVERY_VIEW, before, after, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_allclose(one, apply(view, images), atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="compiles without XLA")
def test_xla_compiles_every_view():
    """Keras turns XLA on by itself wherever TensorFlow has a GPU."""
    model, images = model_of(EVERY_VIEW), unit(noise(n=3))
    model.compile(jit_compile=True)
    for view, result in zip(EVERY_VIEW, model.predict(images, verbose=0), strict=True):
        np.testing.assert_allclose(result, apply(view, images), atol=1e-6)


def test_mixed_precision_leaves_the_views_alone():
    images = unit(noise())
    keras.config.set_dtype_policy("mixed_float16")
    try:
        result = apply(v.Rotate(20), images)
        convolved = keras.layers.Conv2D(2, 3)(v.Rotate(20)(ops.convert_to_tensor(images)))
    finally:
        keras.config.set_dtype_policy("float32")
    np.testing.assert_array_equal(result, apply(v.Rotate(20), images))
    assert keras.backend.standardize_dtype(convolved.dtype) == "float16"


def test_one_view_serves_images_of_several_sizes():
    view = v.Rotate(33)
    for shape in [(8, 6, 3), (6, 8, 3), (8, 6, 1)]:
        images = unit(noise(shape))
        expected = ndimage.rotate(images, 33, axes=(1, 2), reshape=False, order=1, mode="mirror")
        np.testing.assert_allclose(apply(view, images), expected, atol=1e-5)


# Names


@pytest.mark.parametrize(
    ("view", "name"),
    [
        (v.Identity(), "identity"),
        (v.HorizontalFlip(), "horizontal_flip"),
        (v.VerticalFlip(), "vertical_flip"),
        (v.Rotate(-20.0), "rotate_-20"),
        (v.Rotate(np.float64(7.5)), "rotate_7.5"),
        (v.Zoom(0.8), "zoom_0.8"),
        (v.Shift(2, -2), "shift_2_-2"),
        (v.Shift(-0.0, 1e-5), "shift_0_0.00001"),
        (v.Brightness(0.1), "brightness_0.1"),
        (v.Contrast(1.2), "contrast_1.2"),
        (v.Compose([v.Shift(1, 1), v.HorizontalFlip()]), "shift_1_1.horizontal_flip"),
        (v.Rotate(20, name="tilt"), "tilt"),
    ],
)
def test_names(view, name):
    assert view.name == name
    # What TensorFlow takes as the name of a scope, less the path separators.
    assert re.fullmatch(r"[A-Za-z0-9.][A-Za-z0-9_.>-]*", view.name)


# Named sets


@pytest.mark.parametrize("name", ["FLIP", "SHIFT_SIX", "FIVE_CROP", "TEN_CROP", "TWELVE"])
def test_named_sets_hold_distinct_views_in_one_model(name):
    views, images = getattr(v, name), 0.2 + 0.6 * unit(noise(seed=7))
    for one, other in combinations([apply(view, images) for view in views], 2):
        assert np.abs(one - other).max() > 0.05
    assert v.check_views(views) == views
    assert len(model_of(views).outputs) == len(views)


def test_shift_six_are_airbench_crops_with_airbench_weights():
    images = unit(noise())
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    up_left, down_right = padded[:, 2:34, 2:34], padded[:, 0:32, 0:32]
    plain = [images, images[:, :, ::-1]]
    shifted = [up_left, down_right, up_left[:, :, ::-1], down_right[:, :, ::-1]]
    for view, expected in zip(v.SHIFT_SIX, plain + shifted, strict=True):
        np.testing.assert_array_equal(apply(view, images), expected)
    assert v.SHIFT_SIX_WEIGHTS == (0.25, 0.25, 0.125, 0.125, 0.125, 0.125)
    assert sum(v.SHIFT_SIX_WEIGHTS) == 1


def test_crops_are_the_padded_images_centre_and_corners():
    images = unit(noise())
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    corners = [padded[:, y : y + 32, x : x + 32] for y in (0, 4) for x in (0, 4)]
    five = [images, *corners]
    for view, expected in zip(v.FIVE_CROP, five, strict=True):
        np.testing.assert_array_equal(apply(view, images), expected)
    for view, expected in zip(v.TEN_CROP, five + [e[:, :, ::-1] for e in five], strict=True):
        np.testing.assert_array_equal(apply(view, images), expected)


def test_repairs_are_one_operation_and_all_different():
    table = v.coefficient_table(v.REPAIRS)
    assert table[0] == {}
    assert len({tuple(sorted(row.items())) for row in table}) == len(v.REPAIRS) == 13


def test_twelve_are_the_papers_candidates():
    names = "identity rotate_-20 rotate_20 zoom_0.8 zoom_1.2 autocontrast sharpness_0.2 "
    names += "sharpness_0.5 sharpness_3 sharpness_4 color_0.5 color_2"
    assert [view.name for view in v.TWELVE] == names.split()


def test_compose_applies_left_to_right():
    images = unit(noise())
    mirrored_last = apply(v.Compose((v.Shift(2, 0), v.HorizontalFlip())), images)
    mirrored_first = apply(v.Compose((v.HorizontalFlip(), v.Shift(2, 0))), images)
    np.testing.assert_array_equal(mirrored_last[:, :, :-2], images[:, :, :-2][:, :, ::-1])
    np.testing.assert_array_equal(mirrored_first[:, :, 2:], images[:, :, ::-1][:, :, :-2])


# Mistakes


@pytest.mark.parametrize(
    ("twins", "names"),
    [
        ((v.Identity(), v.Rotate(360)), ("identity", "rotate_360")),
        ((v.Identity(), v.Zoom(1.0)), ("identity", "zoom_1")),
        ((v.Identity(), v.Shift(0, 0)), ("identity", "shift_0_0")),
        ((v.Identity(), v.Brightness(0)), ("identity", "brightness_0")),
        ((v.VerticalFlip(), v.Identity(), v.Contrast(1)), ("identity", "contrast_1")),
        (
            (v.Identity(), v.Compose((v.HorizontalFlip(), v.HorizontalFlip()))),
            ("identity", "horizontal_flip.horizontal_flip"),
        ),
        (
            (v.Rotate(180), v.Compose((v.HorizontalFlip(), v.VerticalFlip()))),
            ("rotate_180", "horizontal_flip.vertical_flip"),
        ),
    ],
)
def test_twins_are_named(twins, names):
    with pytest.raises(ValueError, match=r"the same image at shape \(9, 14, 3\)") as error:
        v.check_views(twins, (9, 14, 3))
    assert str(error.value).startswith(f"{names[0]} and {names[1]} ")


def test_flips_times_quarter_turns_are_refused():
    """Sixteen names, eight distinct views."""
    both = v.Compose((v.HorizontalFlip(), v.VerticalFlip()))
    flips = (v.Identity(), v.HorizontalFlip(), v.VerticalFlip(), both)
    turns = [v.Rotate(degrees) for degrees in (0, 90, 180, 270)]
    with pytest.raises(ValueError, match="give the same image"):
        v.check_views([v.Compose((flip, turn)) for flip in flips for turn in turns])


@pytest.mark.parametrize(
    ("shape", "lost"), [((64, 40, 3), 24 / 64), ((40, 64, 1), 24 / 64), ((60, 80, 3), 20 / 80)]
)
def test_a_quarter_turn_of_a_picture_that_is_not_square_is_refused(shape, lost):
    """It shows a square of the shorter side: the rest of the longer one is lost."""
    for turned in (v.Rotate(90), v.Rotate(-90), v.Compose((v.HorizontalFlip(), v.Rotate(270)))):
        assert (turned.views[1] if isinstance(turned, v.Compose) else turned).lost(
            *shape[:2]
        ) == pytest.approx(lost)
        with pytest.raises(ValueError, match=rf"turns {lost:.0%} of an image of {shape[0]} x"):
            v.check_views((v.Identity(), turned), shape)
        v.check_views((v.Identity(), turned), (40, 40, 3))


@pytest.mark.parametrize("name", ["FLIP", "SHIFT_SIX", "FIVE_CROP", "TEN_CROP", "TWELVE_FLIP"])
@pytest.mark.parametrize("shape", [(64, 40, 3), (40, 64, 3), (31, 33, 3), (54, 96, 3)])
def test_named_sets_suit_pictures_that_are_not_square(name, shape):
    assert v.check_views(getattr(v, name), shape) == getattr(v, name)
    v.check_views((v.Identity(), v.Rotate(180), v.Rotate(5), v.Rotate(-30)), shape)


def test_near_twins_pass():
    views = (v.Identity(), v.Rotate(0.01), v.Shift(0, 0.001), v.Zoom(1.0001), v.Brightness(0.99))
    assert v.check_views(iter(views)) == views


@pytest.mark.parametrize(
    ("views", "message"),
    [
        ((), "empty"),
        (v.Identity(), r"Write \(view,\)"),
        (7, "sequence of views, got 7"),
        ((v.Identity(), keras.layers.Rescaling(2.0)), "Rescaling.* is not a view"),
        ((v.Identity, v.HorizontalFlip()), r"is not a view. Add \(\)"),
        ((v.Identity(), v.Identity()), "called 'identity'"),
        ((v.Rotate(3, name="a"), v.Rotate(9, name="a")), "called 'a'"),
    ],
)
def test_bad_sets(views, message):
    with pytest.raises(ValueError, match=message):
        v.check_views(views)


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: v.Rotate("20"), TypeError, "degrees must be a number, got '20'"),
        (lambda: v.Rotate(True), TypeError, "degrees must be a number, got True"),
        (lambda: v.Rotate(None), TypeError, "degrees must be a number, got None"),
        (lambda: v.Rotate(float("nan")), ValueError, "degrees must be finite, got nan"),
        (lambda: v.Shift(0, float("inf")), ValueError, "dy must be finite, got inf"),
        (lambda: v.Shift((1, 1), 0), TypeError, r"dx must be a number, got \(1, 1\)"),
        (lambda: v.Zoom(0), ValueError, "factor must be above 0, got 0"),
        (lambda: v.Zoom(-1.5), ValueError, "factor must be above 0, got -1.5"),
        (lambda: v.Brightness(25), ValueError, "delta must lie between -1 and 1, got 25"),
        (lambda: v.Contrast(-0.1), ValueError, "factor must be 0 or above, got -0.1"),
        (lambda: v.Compose(()), ValueError, "empty"),
        (lambda: v.Compose((v.Identity(), "flip")), ValueError, "'flip' is not a view"),
    ],
)
def test_bad_settings(build, error, message):
    with pytest.raises(error, match=message):
        build()


@pytest.mark.parametrize("view", EVERY_VIEW, ids=lambda view: view.name)
def test_bad_images(view):
    with pytest.raises(ValueError, match=r"needs images of shape \(n, h, w, c\).*\(32, 32, 3\)"):
        view(np.zeros((32, 32, 3), "float32"))
    with pytest.raises(ValueError, match=r"known h, w and c, got \(None, None, None, 3\)"):
        view(keras.Input((None, None, 3)))
    with pytest.raises(ValueError, match=r"needs float images in \[0, 1\], got uint8"):
        view(ops.convert_to_tensor(noise()))
