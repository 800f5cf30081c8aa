"""Photometric views as one operation: against the views themselves, which are tested by Pillow."""

import json

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from tta_helpers import views as v

STRETCHED = [v.Sharpness(3), v.Color(0.5), v.Brightness(-0.2)]
REPAIRED = [*STRETCHED, v.Autocontrast(), v.Contrast(1.5)]
FAMILY = (
    *(v.Identity(), v.Autocontrast(), v.Brightness(0.15)),
    *(v.Sharpness(f) for f in (0, 0.2, 1, 4)),
    *(v.Color(f) for f in (0, 0.5, 2)),
    *(v.Contrast(f) for f in (0.1, 1.5)),
    *(v.Despeckle(), v.Median()),
    *(v.Compose((v.Autocontrast(), view)) for view in STRETCHED),
    *(v.Compose((repair, view)) for repair in (v.Despeckle(), v.Median()) for view in REPAIRED),
    v.Compose((v.Despeckle(), v.Autocontrast(), v.Sharpness(0.5))),
    v.Compose((v.Identity(), v.Color(3), v.Identity())),
)
OTHERS = (
    *(v.HorizontalFlip(), v.Rotate(20), v.Contrast(0)),
    v.Compose((v.Autocontrast(), v.Contrast(2))),
    v.Compose((v.Contrast(1.5), v.Sharpness(0.5))),  # it clips, too
    v.Compose((v.Sharpness(3), v.Color(2))),  # the first clips before the second sees it
    v.Compose((v.Color(2), v.Autocontrast())),
    v.Compose((v.Autocontrast(), v.Shift(1, 0))),
    v.Compose((v.Autocontrast(), v.Sharpness(3), v.Color(2))),
    v.Compose((v.Autocontrast(), v.Despeckle())),
    v.Compose((v.Despeckle(), v.Median())),
)
SHAPES = [(32, 32, 3), (9, 14, 3), (5, 3, 3), (2, 7, 3)]


def eight_bit(shape, n=6, seed=0):
    """Distinguishable images: a range of its own in each channel, and one flat channel."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (n, *shape)) * rng.uniform(0.2, 0.9, (n, 1, 1, shape[-1]))
    images = (images + rng.uniform(0, 25, (n, 1, 1, shape[-1]))).astype(np.uint8)
    images[1, ..., -1] = 77
    images[2] = 200 + images[2] % 2  # a narrow range, far from black
    return images


def apply(view, images):
    return ops.convert_to_numpy(view(ops.convert_to_tensor(images.astype("float32") / 255)))


def chosen(views, images, choice):
    layer = v.PhotometricChoice(v.coefficient_table(views))
    return ops.convert_to_numpy(layer(ops.convert_to_tensor(images), ops.convert_to_tensor(choice)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("view", FAMILY, ids=lambda view: view.name)
def test_every_view_of_the_family_is_the_view_itself(view, shape):
    """Alone in the table, and beside all others: then every base is computed.

    Brightness is moved on the scale of bytes: a narrow range, stretched, keeps five digits.
    """
    images = eight_bit(shape)
    least = 2e-5 if "brightness" in view.name else 1e-6
    expected = apply(view, images)
    for views in ((view,), FAMILY):
        choice = np.full(len(images), views.index(view))
        np.testing.assert_allclose(chosen(views, images, choice), expected, atol=least)


def test_each_image_gets_its_own_view():
    """Neighbours in a batch see different views, so nothing may run over from one to the next."""
    images = eight_bit((7, 10, 3), n=len(FAMILY))
    choice = np.random.default_rng(3).permutation(len(FAMILY))
    found = chosen(FAMILY, images, choice)
    for k, number in enumerate(choice):
        np.testing.assert_allclose(found[k], apply(FAMILY[number], images[[k]])[0], atol=1e-6)


def test_floats_on_the_scale_of_bytes_and_images_of_one_channel():
    images = eight_bit((8, 6, 1), n=3)
    some = (v.Autocontrast(), v.Sharpness(2), v.Median())
    expected = np.concatenate([apply(view, images[[k]]) for k, view in enumerate(some)])
    for given in (images, images.astype("float32")):
        np.testing.assert_allclose(chosen(some, given, np.arange(3)), expected, atol=1e-6)
    with pytest.raises(ValueError, match=r"Color needs images of 3 channels .* got 1"):
        chosen((v.Color(2),), images, np.zeros(3, int))


@pytest.mark.parametrize("view", OTHERS, ids=lambda view: view.name)
def test_other_views_are_named_with_the_way_out(view):
    assert v.coefficients(view) is None
    with pytest.raises(ValueError, match=rf"^{view.name}: no photometric .*predict_selected"):
        v.coefficient_table((v.Identity(), view, v.Median()))


def test_coefficients_by_hand():
    assert v.coefficients(v.Identity()) == {}
    assert v.coefficients(v.Sharpness(3)) == {"smoothed": -2}
    assert v.coefficients(v.Contrast(1.5)) == {"contrast": 0.5}
    both = v.Compose((v.Autocontrast(), v.Color(0.5)))
    assert v.coefficients(both) == {"stretch": 1, "grey": 0.5}
    table = v.coefficient_table((both, v.Brightness(0.1)))
    layer = v.PhotometricChoice(table)
    copy = v.PhotometricChoice.from_config(json.loads(json.dumps(layer.get_config())))
    assert copy.table == [{"stretch": 1, "grey": 0.5}, {"offset": 0.1}]
    with pytest.raises(
        ValueError, match=r"table has \['gray'\]; use stretch, contrast, offset, smoothed, grey"
    ):
        v.PhotometricChoice([{"gray": 1}])


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="compiles without XLA")
def test_xla_compiles_the_family():
    images, choice = eight_bit((7, 10, 3), n=len(FAMILY)), np.arange(len(FAMILY))
    inputs = keras.Input((7, 10, 3), dtype="uint8"), keras.Input((), dtype="int32")
    layer = v.PhotometricChoice(v.coefficient_table(FAMILY))
    model = keras.Model(inputs, layer(*inputs))
    model.compile(jit_compile=True)
    found = model.predict([images, choice], verbose=0)
    np.testing.assert_allclose(found, chosen(FAMILY, images, choice), atol=1e-6)


# Repairs


def by_scipy(function, images, **how):
    """A filter of SciPy's over 3x3 values of each channel by itself."""
    planes = np.moveaxis(images, -1, 1)
    found = [[function(p, mode="mirror", **how) for p in image] for image in planes]
    return np.moveaxis(np.array(found), 1, -1)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 3), (1, 6, 1), (4, 1, 2)], ids=str)
def test_median_is_scipys(shape):
    images = eight_bit(shape)
    expected = by_scipy(ndimage.median_filter, images, size=3)
    np.testing.assert_allclose(255 * apply(v.Median(), images), expected, atol=1e-4)


@pytest.mark.parametrize("shape", [*SHAPES, (1, 1, 3), (1, 6, 1), (4, 1, 2)], ids=str)
def test_despeckle_clamps_to_the_range_of_scipys_eight_neighbours(shape):
    images = eight_bit(shape)
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    low = by_scipy(ndimage.minimum_filter, images, footprint=ring)
    high = by_scipy(ndimage.maximum_filter, images, footprint=ring)
    np.testing.assert_allclose(
        255 * apply(v.Despeckle(), images), np.clip(images, low, high), atol=1e-4
    )


@pytest.mark.parametrize(("view", "left"), [(v.Despeckle(), 100), (v.Median(), 80)])
def test_repairs_take_out_a_single_wrong_value_and_leave_a_slope(view, left):
    """Away from the edges. Its neighbours lie between 60 and 100: 20 more with each row."""
    slope = np.tile(np.arange(9, dtype=np.uint8)[:, None, None] * 20, (1, 9, 3))[None]
    broken = slope.copy()
    broken[0, 4, 5, 1] = 255
    whole, repaired = (255 * apply(view, images)[:, 1:-1, 1:-1] for images in (slope, broken))
    np.testing.assert_allclose(whole, slope[:, 1:-1, 1:-1], atol=1e-4)
    assert repaired[0, 3, 4, 1] == pytest.approx(left, abs=1e-4)
    assert np.abs(repaired - whole).max() <= 20 + 1e-4
