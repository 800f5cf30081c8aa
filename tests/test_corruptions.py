"""The corruptions against Pillow, SciPy, colorsys, theory and hand counts."""

import colorsys
import io
import math
import re

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage, stats

from tta_helpers.workbook import corruptions as c
from tta_helpers.workbook.corruptions.blur import defocus_kernel, glass_blur
from tta_helpers.workbook.corruptions.digital import elastic_transform
from tta_helpers.workbook.corruptions.randomness import plasma
from tta_helpers.workbook.corruptions.resampling import smear
from tta_helpers.workbook.corruptions.weather import snow
from tta_helpers.workbook.data import DataError
from tta_helpers.workbook.sample import make_sample

SEEN = (
    *("gaussian_noise", "shot_noise", "impulse_noise"),
    *("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness"),
    *("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
HELD_OUT = ("speckle_noise", "gaussian_blur", "spatter", "saturate")
ALL = SEEN + HELD_OUT
WITHOUT_CHANCE = {
    *("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate", "jpeg_compression"),
    *("gaussian_blur", "saturate"),
}
# Severities along which the mean absolute change rises, where it is not 1, 2, 3, 4, 5.
RISES = {
    # 3 and 5 blur more than 2 and 4, which smooths the jitter again; 4 and 5 jitter twice.
    "glass_blur": [(1, 4), (2, 4), (3, 4), (2, 5), (3, 5)],
    # 3 and 4 differ in radius only, and the line's weights are spent before radius 6.
    "motion_blur": [(1, 2), (2, 3), (3, 5), (4, 5)],
    # 3 has flakes that are larger but rarer than those of 2.
    "snow": [(1, 2), (2, 4), (3, 4), (4, 5)],
    # From 3 on the image fades while frost is added, so that brightness falls back.
    "frost": [(1, 2)],
    # From severity to severity the affine jitter falls, which counts for more than the warp.
    "elastic_transform": [(5, 4), (4, 3), (3, 2), (2, 1)],
    # 1 to 3 are water, 4 and 5 mud.
    "spatter": [(1, 2), (2, 3), (4, 5)],
    # 1 and 2 fade colours, 3 to 5 strengthen them.
    "saturate": [(1, 2), (3, 4), (4, 5)],
}


@pytest.fixture(scope="module")
def photos():
    return make_sample(40, 1)[0].astype("float32") / 255


def noise(shape=(2, 32, 32, 3), seed=0):
    """Random images with a bright top-left corner: no symmetry hides a mistake."""
    images = np.random.default_rng(seed).integers(0, 200, shape, dtype=np.uint8)
    images[:, :3, :2] = 255
    return images.astype("float32") / 255


def flat(value, n=100):
    return np.full((n, 32, 32, 3), value, "float32")


def eight_bit(images):
    """As the release: what is behind the point is lost."""
    return np.floor(images * 255).astype(np.uint8)


def each(*constants):
    """Pair severities 1 to 5 with their constants."""
    return list(zip(range(1, 6), constants, strict=True))


def streams(n):
    return [np.random.default_rng((5, i)) for i in range(n)]


# All of them


def test_names_are_those_of_the_release():
    assert c.SEEN == SEEN
    assert c.HELD_OUT == HELD_OUT
    assert c.SEVERITIES == (1, 2, 3, 4, 5)


def test_every_corruption_is_either_seen_or_held_out():
    with pytest.raises(ValueError, match="unknown corruption") as caught:
        c.corrupt(flat(0.5, 1), "rain", 1)
    accepted = str(caught.value).split("use one of ")[1].split(", ")
    assert (len(c.SEEN), len(c.HELD_OUT), len(accepted)) == (15, 4, 19)
    assert sorted(c.SEEN + c.HELD_OUT) == sorted(accepted)
    assert list(c.GROUPS) == ["noise", "blur", "weather", "digital"]
    assert [len(names) for names in c.GROUPS.values()] == [3, 4, 4, 4]
    assert sum(c.GROUPS.values(), ()) == SEEN


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("fog", ["fog"]),
        (" spatter  noise ", ["spatter", "gaussian_noise", "shot_noise", "impulse_noise"]),
        ("fog weather fog", ["fog", "snow", "frost", "brightness"]),
        ("noise blur weather digital", list(SEEN)),
        (" ".join(HELD_OUT), list(HELD_OUT)),
    ],
)
def test_a_text_names_corruptions_and_groups_each_once(words, names):
    assert c.named(words) == tuple(names)


@pytest.mark.parametrize("words", ["fog rain", "", "  ", "fog,frost", "Fog"])
def test_a_text_that_names_no_corruption_is_named(words):
    message = re.escape(f"corruptions are {words!r}: name one or more, with spaces, of noise, blur")
    with pytest.raises(ValueError, match=message):
        c.named(words)


@pytest.mark.parametrize("name", ALL)
def test_form_range_and_repeatability(name, photos):
    images = photos[:6].astype("float64")
    before = images.copy()
    for severity in c.SEVERITIES:
        result = c.corrupt(images, name, severity)
        assert result.shape == images.shape
        assert result.dtype == np.float32
        assert 0 <= result.min() < result.max() <= 1
        np.testing.assert_array_equal(result, c.corrupt(images, name, severity))
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("name", ALL)
def test_seed_row_and_severity_choose_the_random_numbers(name, photos):
    images = np.repeat(photos[:1], 3, axis=0)
    result = c.corrupt(images, name, 1)
    if name in WITHOUT_CHANCE:
        np.testing.assert_array_equal(result, c.corrupt(images, name, 1, seed=1))
        np.testing.assert_array_equal(result[0], result[1])
    else:
        assert (result != c.corrupt(images, name, 1, seed=1)).any()
        assert (result[0] != result[1]).any()


def test_severities_and_names_do_not_share_random_numbers():
    dark = flat(0.5, n=1)
    mild, strong = (c.corrupt(dark, "gaussian_noise", s).ravel() - 0.5 for s in (1, 5))
    speckled = c.corrupt(dark, "speckle_noise", 5).ravel() - 0.5
    assert abs(np.corrcoef([mild, strong, speckled])[np.triu_indices(3, 1)]).max() < 0.1


@pytest.mark.parametrize("name", ALL)
def test_an_image_does_not_depend_on_its_batch(name, photos):
    whole = c.corrupt(photos[:6], name, 3)
    np.testing.assert_array_equal(c.corrupt(photos[:2], name, 3), whole[:2])
    part = c.corrupt(photos[[4, 1]], name, 3, rows=[4, 1])
    np.testing.assert_array_equal(part, whole[[4, 1]])


@pytest.mark.parametrize("name", ALL)
def test_change_rises_with_severity(name, photos):
    change = [np.abs(c.corrupt(photos, name, s) - photos).mean() for s in c.SEVERITIES]
    assert min(change) > 0.003
    for less, more in RISES.get(name, [(1, 2), (2, 3), (3, 4), (4, 5)]):
        assert change[less - 1] < change[more - 1], change


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shape", [(2, 48, 48, 3), (1, 20, 27, 3), (0, 32, 32, 3)])
def test_other_sizes_and_no_images(name, shape):
    assert c.corrupt(np.ones(shape) / 2, name, 5).shape == shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((flat(0.5, 1), "rain", 1), "unknown corruption 'rain': use one of gaussian_noise, shot_"),
        ((flat(0.5, 1), "fog", 6), "severity is 6: use 1 (mild), 2, 3, 4 or 5"),
        ((flat(0.5, 1), "fog", 0), "severity is 0"),
        ((flat(0.5, 1), "fog", 1.5), "severity is 1.5"),
        ((flat(0.5, 1), "fog", 1, -1), "seed is -1: pass an integer of at least 0"),
        ((flat(0.5, 1), "fog", 1, 0.5), "seed is 0.5"),
        ((flat(0.5, 2), "fog", 1, 0, [3]), "1 rows are named for 2 images: name one for each"),
        ((flat(0.5, 1)[0], "fog", 1), "images have shape (32, 32, 3): pass (n, h, w, 3)"),
        ((flat(0.5, 1)[..., :1], "fog", 1), "images have shape (1, 32, 32, 1)"),
        ((flat(0.5, 1).astype("uint8"), "fog", 1), "uint8: divide 8-bit values by 255"),
        ((flat(255.0, 1), "fog", 1), "images range from 255 to 255: pass values in [0, 1]"),
        ((flat(-0.1, 1), "fog", 1), "images range from -0.1 to -0.1"),
        ((flat(np.nan, 1), "fog", 1), "images range from nan to nan"),
    ],
)
def test_errors_name_the_value(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        c.corrupt(*arguments)


# Noise: moments against theory, on images of one grey. 307,200 values give two digits.


@pytest.mark.parametrize(("severity", "scale"), each(0.04, 0.06, 0.08, 0.09, 0.1))
def test_gaussian_noise_has_its_standard_deviation(severity, scale):
    result = c.corrupt(flat(0.5), "gaussian_noise", severity).astype(float)
    assert result.mean() == pytest.approx(0.5, abs=0.001)
    assert result.std() == pytest.approx(scale, rel=0.01)


@pytest.mark.parametrize(("severity", "photons"), each(500, 250, 100, 75, 50))
@pytest.mark.parametrize("value", [0.2, 0.5])
def test_shot_noise_has_the_variance_of_counting(severity, photons, value):
    result = c.corrupt(flat(value), "shot_noise", severity).astype(float)
    assert result.mean() == pytest.approx(value, abs=0.001)
    assert result.var() == pytest.approx(value / photons, rel=0.02)
    counts = result * photons
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)


@pytest.mark.parametrize(("severity", "share"), each(0.01, 0.02, 0.03, 0.05, 0.07))
def test_impulse_noise_hits_its_share_of_values(severity, share):
    result = c.corrupt(flat(0.5), "impulse_noise", severity)
    assert set(np.unique(result)) == {0, 0.5, 1}
    assert (result == 0).mean() == pytest.approx(share / 2, rel=0.1)
    assert (result == 1).mean() == pytest.approx(share / 2, rel=0.1)
    red, green, _ = np.moveaxis(result != 0.5, -1, 0)
    assert (red & green).mean() < 2 * share**2, "the channels are hit together"


@pytest.mark.parametrize(("severity", "scale"), each(0.06, 0.1, 0.12, 0.16, 0.2))
@pytest.mark.parametrize("value", [0.1, 0.4])
def test_speckle_noise_grows_with_the_value(severity, scale, value):
    result = c.corrupt(flat(value), "speckle_noise", severity).astype(float)
    assert result.std() == pytest.approx(scale * value, rel=0.01)
    assert result.mean() == pytest.approx(value, rel=0.01)


# Blur


@pytest.mark.parametrize(("severity", "sigma"), each(0.4, 0.6, 0.7, 0.8, 1))
def test_gaussian_blur_equals_scipy(severity, sigma):
    images = noise()
    result = c.corrupt(images, "gaussian_blur", severity)
    for n, channel in np.ndindex(2, 3):
        expected = ndimage.gaussian_filter(images[n, ..., channel], sigma, mode="nearest")
        np.testing.assert_allclose(result[n, ..., channel], expected, atol=1e-6)


@pytest.mark.parametrize("radius", [0.3, 1, 1.5, 2.7])
def test_defocus_kernel_is_a_symmetric_share(radius):
    kernel = defocus_kernel(radius, 0.5)
    assert kernel.sum() == pytest.approx(1)
    for twin in (kernel.T, kernel[::-1], kernel[:, ::-1]):
        np.testing.assert_allclose(kernel, twin)


def test_defocus_kernels_by_hand():
    # A disk of less than a pixel leaves the 3x3 Gaussian itself.
    side = np.exp(-1 / (2 * 0.4**2))
    expected = np.outer([side, 1, side], [side, 1, side]) / (1 + 2 * side) ** 2
    np.testing.assert_allclose(defocus_kernel(0.3, 0.4), expected)
    # Too narrow a Gaussian leaves the disk: five pixels at radius 1, nine at 1.5.
    plus = np.pad([[0, 1, 0], [1, 1, 1], [0, 1, 0]], 1) / 5
    np.testing.assert_allclose(defocus_kernel(1, 0.1), plus, atol=1e-6)
    np.testing.assert_allclose(defocus_kernel(1.5, 0.1), np.pad(np.ones((3, 3)), 1) / 9)


def test_defocus_blur_spreads_over_its_kernel():
    images = noise()
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    kernel = defocus_kernel(1, 0.2)
    windows = [padded[:, i : i + 32, j : j + 32] * kernel[i, j] for i, j in np.ndindex(5, 5)]
    result = c.corrupt(images, "defocus_blur", 4)
    np.testing.assert_allclose(result, np.sum(windows, axis=0), atol=1e-6)


@pytest.mark.parametrize(("severity", "times"), [(1, 1), (4, 2)])
def test_glass_blur_moves_pixels_by_one_a_time(severity, times):
    """Sigma 0.05 leaves values alone, so that they tell the row and column they come from."""
    rows, columns = np.indices((32, 32))
    places = np.stack([rows, columns, rows], axis=-1)[None] / np.float32(255)
    moved = np.rint(glass_blur(places, streams(1), 0.05, 1, times) * 255).astype(int)
    steps = np.moveaxis(moved[0, :, :, :2], -1, 0) - np.indices((32, 32))
    assert steps.min() == -times
    assert steps.max() == 0
    np.testing.assert_array_equal(moved[..., 0], moved[..., 2])  # channels stay together
    np.testing.assert_array_equal(steps[:, :2], 0)  # a border is left out
    if times == 1:
        assert abs((steps[:, 2:, 2:] == 0).mean() - 0.5) < 0.05


def test_glass_blur_equals_a_loop_over_pixels():
    images, expected = noise(), []
    for image, stream in zip(images, streams(2), strict=True):
        image = ndimage.gaussian_filter(image, (0.4, 0.4, 0), mode="nearest")
        image = eight_bit(image) / np.float32(255)
        for _ in range(2):
            steps = np.floor(2 * stream.random((32, 32, 2), np.float32) - 1).astype(int)
            for row in range(31, 1, -1):
                for column in range(31, 1, -1):
                    down, right = steps[row, column]
                    image[row, column] = image[row + down, column + right]
        expected.append(ndimage.gaussian_filter(image, (0.4, 0.4, 0), mode="nearest"))
    np.testing.assert_allclose(glass_blur(images, streams(2), 0.4, 1, 2), expected, atol=1e-6)


def test_glass_blur_keeps_range_and_mean(photos):
    result = c.corrupt(photos, "glass_blur", 5)
    low, high = photos.min(axis=(1, 2)), photos.max(axis=(1, 2))
    assert (result.min(axis=(1, 2)) >= low - 1e-6).all()
    assert (result.max(axis=(1, 2)) <= high + 1e-6).all()
    assert np.abs(result.mean(axis=(1, 2)) - photos.mean(axis=(1, 2))).max() < 0.03


def spot():
    image = np.zeros((1, 41, 41, 3), "float32")
    image[:, 20, 20] = 1
    return image


@pytest.mark.parametrize("degrees", [0, 30, -45, 90, -135, 200])
def test_smear_draws_a_one_sided_line_at_the_angle(degrees):
    line = smear(spot(), np.array([degrees]), 6, 3)[0, ..., 0]
    y, x = np.nonzero(line)
    # The sources lie in the direction of the angle, so the spot is drawn out the other way.
    back = np.radians(degrees + 180)
    along = (x - 20) * np.cos(back) + (y - 20) * np.sin(back)
    across = (y - 20) * np.cos(back) - (x - 20) * np.sin(back)
    assert np.abs(across).max() <= np.sqrt(0.5), "off the line by more than rounding"
    assert along.min() == pytest.approx(0, abs=1e-9)
    assert along.max() == pytest.approx(12, abs=np.sqrt(0.5))
    weights = np.exp(-(np.arange(13) ** 2) / 18)
    weights /= weights.sum()
    assert line.sum() == pytest.approx(1)
    assert line[y, x] @ along == pytest.approx(weights @ np.arange(13), abs=0.2)
    if degrees % 90 == 0:  # no two steps round to one pixel
        np.testing.assert_allclose(line[y, x][np.argsort(along)], weights, rtol=1e-4)


def test_motion_blur_lies_within_45_degrees_of_the_horizontal():
    result = c.corrupt(np.repeat(spot(), 200, axis=0), "motion_blur", 5)[..., 0]
    y, x = np.indices((41, 41)) - 20
    angle = np.degrees(np.arctan2((result * y).sum((1, 2)), (result * x).sum((1, 2)) * -1))
    assert np.abs(angle).max() < 45 + 5
    assert angle.min() < -35
    assert angle.max() > 35
    assert abs(angle.mean()) < 6


@pytest.mark.parametrize(("severity", "last"), each(106, 111, 115, 120, 125))
def test_zoom_blur_equals_scipy(severity, last):
    images = noise()
    total, count = images.copy(), 1
    for factor in np.arange(1, last / 100 + 0.005, 0.01):  # 26 · 1.25 rounds up, as in the release
        cut = math.ceil(32 / factor)
        top = (32 - cut) // 2
        part = images[:, top : top + cut, top : top + cut]
        grown = ndimage.zoom(part, (1, factor, factor, 1), order=1)
        trim = (grown.shape[1] - 32) // 2
        total, count = total + grown[:, trim : trim + 32, trim : trim + 32], count + 1
    np.testing.assert_allclose(c.corrupt(images, "zoom_blur", severity), total / count, atol=1e-5)


@pytest.mark.parametrize("name", ["zoom_blur", "motion_blur", "glass_blur", "defocus_blur"])
def test_blur_leaves_a_constant_image(name):
    np.testing.assert_allclose(c.corrupt(flat(0.4, 2), name, 5), 0.4, atol=1e-6)


# Weather


def test_snow_without_flakes_mixes_in_a_brightened_grey_copy():
    images = noise()
    grey = images @ [0.299, 0.587, 0.114]
    white = np.maximum(images, grey[..., None] * 1.5 + 0.5)
    result = snow(images, streams(2), -9, 0.1, 1, 0.6, 8, 3, 0.8)
    np.testing.assert_allclose(result, 0.8 * images + 0.2 * white, atol=1e-6)


def test_snow_falls_twice_once_upside_down():
    result = c.corrupt(flat(0, 20), "snow", 2)
    np.testing.assert_allclose(result, result[:, ::-1, ::-1], atol=1e-6)
    ground = 0.1 * 0.5  # black, whitened
    assert result.min() == pytest.approx(ground)
    assert (result > ground + 0.05).any(axis=(1, 2, 3)).all()
    # Streaks fall: neighbours above each other are more alike than those side by side.
    assert np.abs(np.diff(result, axis=1)).mean() < 0.8 * np.abs(np.diff(result, axis=2)).mean()


@pytest.mark.parametrize(
    ("severity", "constants"), each((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45))
)
def test_frost_adds_a_bluish_texture_of_its_strength(severity, constants):
    keep, strength = constants
    ice = c.corrupt(flat(0, 100), "frost", severity) / strength
    assert 0.05 <= ice.min() < 0.2 < 0.9 < ice.max() <= 1
    np.testing.assert_allclose(ice[..., 0], 0.86 * ice[..., 2], rtol=1e-5)
    np.testing.assert_allclose(ice[..., 1], 0.94 * ice[..., 2], rtol=1e-5)
    assert ice.std(axis=(1, 2)).max() > 0.1
    thickness = ice.mean(axis=(1, 2, 3))  # thin in some images, closed in others
    assert thickness.min() < 0.45
    assert thickness.max() > 0.85
    grey = c.corrupt(flat(0.4, 100), "frost", severity)
    np.testing.assert_allclose(grey, np.minimum(strength * ice + keep * 0.4, 1), atol=1e-6)


@pytest.mark.parametrize(("severity", "strength"), each(0.2, 0.5, 0.75, 1, 1.5))
def test_fog_spans_its_range(severity, strength):
    """On grey x, clouds of 0 and 1 give x²/(x + c) and x: brightest · (x + c · cloud) / (x + c)."""
    result = c.corrupt(flat(0.6, 5), "fog", severity)
    thinnest = 0.6**2 / (0.6 + strength)
    np.testing.assert_allclose(result.min(axis=(1, 2, 3)), thinnest, rtol=1e-5)
    np.testing.assert_allclose(result.max(axis=(1, 2, 3)), 0.6, rtol=1e-5)
    np.testing.assert_array_equal(result[..., 0], result[..., 2])


def test_fog_brightens_what_is_dark_and_flattens():
    images = noise((40, 32, 32, 3)) * 0.3
    images[:, 0, 0] = 1
    result = c.corrupt(images, "fog", 4)
    assert (result.mean(axis=(1, 2, 3)) > images.mean(axis=(1, 2, 3)) + 0.05).all()
    fine = np.abs(np.diff(images, axis=2)).mean()
    assert np.abs(np.diff(result, axis=2)).mean() < 0.7 * fine


def test_plasma_equals_a_loop_over_points():
    jitter = 2 * np.random.default_rng((5, 0)).random((32, 32), np.float32) - 1
    field, wibble = np.zeros((32, 32)), 100

    def refine(half, corners, start):
        for row in range(start[0], 32, 2 * half):
            for column in range(start[1], 32, 2 * half):
                around = [
                    field[(row + i * half) % 32, (column + j * half) % 32] for i, j in corners
                ]
                field[row, column] = np.mean(around) + wibble * wibble * jitter[row, column]

    for half in (16, 8, 4, 2, 1):
        refine(half, [(-1, -1), (-1, 1), (1, -1), (1, 1)], (half, half))
        for start in ((half, 0), (0, half)):
            refine(half, [(-1, 0), (1, 0), (0, -1), (0, 1)], start)
        wibble /= 1.75
    expected = (field - field.min()) / (field.max() - field.min())
    result = plasma(streams(1), 20, 30, 1.75)
    np.testing.assert_allclose(result[0], expected[:20, :30], atol=1e-5)


def test_plasma_is_smoother_with_more_decay_and_joins_its_edges():
    smooth, rough = (plasma(streams(50), 32, 32, decay) for decay in (3, 1.2))
    steps = [np.abs(np.diff(field, axis=1)).mean() for field in (smooth, rough)]
    assert 3 * steps[0] < steps[1]
    seam = np.abs(smooth[:, 0] - smooth[:, -1]).mean()
    assert seam == pytest.approx(steps[0], rel=0.5)


# Colour: one pixel at a time, through colorsys


def through_hsv(images, change):
    pixels = images.reshape(-1, 3).astype(float)
    changed = [colorsys.hsv_to_rgb(*change(*colorsys.rgb_to_hsv(*pixel))) for pixel in pixels]
    return np.reshape(changed, images.shape)


def colours():
    images = noise((1, 16, 16, 3))
    images[0, 5, :, :] = np.linspace(0, 1, 16)[:, None]  # greys, black and white included
    images[0, 6, :, :2] = 0
    return images


@pytest.mark.parametrize(("severity", "amount"), each(0.05, 0.1, 0.15, 0.2, 0.3))
def test_brightness_adds_to_v(severity, amount):
    expected = through_hsv(colours(), lambda h, s, v: (h, s, min(v + amount, 1)))
    result = c.corrupt(colours(), "brightness", severity)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize(
    ("severity", "constants"), each((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2))
)
def test_saturate_scales_and_shifts_s(severity, constants):
    factor, shift = constants
    expected = through_hsv(colours(), lambda h, s, v: (h, min(s * factor + shift, 1), v))
    result = c.corrupt(colours(), "saturate", severity)
    np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize(("severity", "factor"), each(0.75, 0.5, 0.4, 0.3, 0.15))
def test_contrast_by_hand(severity, factor):
    """Two pixels: the channels' means are 0.4, 0.5 and 0.5, their distances 0.2, 0 and 0.5."""
    image = np.array([[[[0.2, 0.5, 0.0]], [[0.6, 0.5, 1.0]]]])
    down, up = 0.4 - 0.2 * factor, 0.4 + 0.2 * factor
    expected = [[[[down, 0.5, 0.5 - 0.5 * factor]], [[up, 0.5, 0.5 + 0.5 * factor]]]]
    np.testing.assert_allclose(c.corrupt(image, "contrast", severity), expected, atol=1e-6)


# Geometry and compression


def test_elastic_transform_shears_a_ramp_into_a_ramp():
    """Severity 1 is affine: a plane of values stays one, at another slope."""
    ramp = np.broadcast_to(np.indices((32, 32)).sum(0)[None, :, :, None] / 62, (20, 32, 32, 3))
    result = c.corrupt(ramp, "elastic_transform", 1)[:, 8:24, 8:24]
    for axis in (1, 2):
        np.testing.assert_allclose(np.diff(result, 2, axis=axis), 0, atol=1e-5)
    slopes = np.diff(result, axis=1).mean(axis=(1, 2, 3)) * 62
    assert 0.02 < slopes.std() < 0.3
    assert slopes.mean() == pytest.approx(1, abs=0.1)


def test_elastic_transform_moves_its_three_points_where_drawn():
    """The map's fixed triangle, against three corners that move by a known amount."""
    x, y = (np.indices((32, 32))[axis][None, :, :, None] / 31 for axis in (1, 0))
    image = np.concatenate([y, x, x], axis=-1)
    result = elastic_transform(image, streams(1), 0, 0, 0.08)[0]
    offsets = (2 * np.random.default_rng((5, 0)).random((3, 2), np.float32) - 1) * 0.08 * 32
    for corner, offset in zip([(26, 26), (26, 6), (6, 6)], offsets, strict=True):
        arrived = (corner + offset)[:, None]
        for channel in (0, 1):
            found = ndimage.map_coordinates(result[..., channel], arrived, order=1)
            assert found[0] * 31 == pytest.approx(corner[channel], abs=0.01)


def test_elastic_transform_warps_by_a_smooth_field():
    """Without the affine part: channels that hold their own coordinates show the displacement."""
    rows, columns = np.indices((32, 32))[:, None, :, :, None]
    image = np.concatenate([rows, columns, columns], axis=-1) / 31
    result = elastic_transform(image, streams(1), 0.1, 0.04, 0)[0, ..., :2] * 31
    stream = np.random.default_rng((5, 0))
    stream.random((3, 2), np.float32)  # the affine part's, unused at jitter 0
    field = 2 * stream.random((32, 32, 2), np.float32) - 1
    for axis in (0, 1):
        moved = 3.2 * ndimage.gaussian_filter(field[..., axis], 1.28, mode="reflect", truncate=3)
        inside = (slice(6, 26), slice(6, 26))
        expected = np.indices((32, 32))[axis] + moved
        np.testing.assert_allclose(result[..., axis][inside], expected[inside], atol=1e-4)


def test_elastic_transform_keeps_range_and_mean(photos):
    for severity in (1, 3, 5):
        result = c.corrupt(photos, "elastic_transform", severity)
        assert (result.min(axis=(1, 2)) >= photos.min(axis=(1, 2)) - 1e-6).all()
        assert (result.max(axis=(1, 2)) <= photos.max(axis=(1, 2)) + 1e-6).all()
        assert np.abs(result.mean(axis=(1, 2)) - photos.mean(axis=(1, 2))).mean() < 0.05


@pytest.mark.parametrize(("severity", "size"), each(30, 28, 27, 24, 20))
def test_pixelate_equals_pillow(severity, size, photos):
    result = eight_bit(c.corrupt(photos[:5], "pixelate", severity))
    for image, pixelated in zip(eight_bit(photos), result, strict=False):
        small = Image.fromarray(image).resize((size, size), Image.Resampling.BOX)
        np.testing.assert_array_equal(pixelated, small.resize((32, 32), Image.Resampling.BOX))


@pytest.mark.parametrize(("severity", "quality"), each(80, 65, 58, 50, 40))
def test_jpeg_equals_pillow(severity, quality, photos):
    result = eight_bit(c.corrupt(photos[:5], "jpeg_compression", severity))
    for image, compressed in zip(eight_bit(photos), result, strict=False):
        file = io.BytesIO()
        Image.fromarray(image).save(file, format="jpeg", quality=quality)
        np.testing.assert_array_equal(compressed, Image.open(file))


def test_water_brightens_and_mud_covers(photos):
    water = c.corrupt(photos, "spatter", 3)
    assert (water >= photos - 1e-6).all()
    assert 0.1 < (water > photos + 1e-3).any(axis=-1).mean() < 0.9
    gain = c.corrupt(flat(0, 20), "spatter", 3)
    peak = gain.max(axis=(1, 2))  # the mix of 0.5, in pale turquoise
    np.testing.assert_allclose(peak, np.tile([175, 238, 238], (20, 1)) / 510, rtol=1e-5)
    mud = c.corrupt(photos, "spatter", 5)
    touched = (mud != photos).any(axis=-1)
    assert 0.01 < touched.mean() < 0.3
    left = (mud - np.array([63, 42, 20]) / 255)[touched]  # at most a fifth of the image shows
    assert np.abs(left).max() <= 0.2 + 1e-6


# The released files, at a two-thousandth of their size


@pytest.fixture
def released(tmp_path):
    """Two corruptions of five images in the official layout; values name the severity block."""
    labels = np.tile([3, 1, 4, 1, 9], 5)
    np.save(tmp_path / "labels.npy", labels)
    for offset, name in ((0, "fog"), (100, "spatter")):
        images = np.empty((25, 32, 32, 3), np.uint8)
        images[:] = (np.arange(25) + offset)[:, None, None, None]
        np.save(tmp_path / f"{name}.npy", images)
    np.save(tmp_path / "rain.npy", np.zeros(3))
    (tmp_path / "README.txt").write_text("not an array")
    return tmp_path


PAIR = ("fog", "spatter")


def test_released_files_are_cut_into_severities(released):
    images, labels = c.load_cifar10c(released, PAIR)
    assert labels.tolist() == [3, 1, 4, 1, 9]
    assert labels.dtype == np.int64
    assert set(images) == {(name, severity) for name in PAIR for severity in (1, 2, 3, 4, 5)}
    for (name, severity), block in images.items():
        assert block.shape == (5, 32, 32, 3)
        assert isinstance(block, np.memmap)
        assert not block.flags.writeable
        first = (severity - 1) * 5 + 100 * (name == "spatter")
        np.testing.assert_array_equal(block[:, 7, 9, 1], np.arange(first, first + 5))


def test_all_nineteen_are_asked_for_unless_named(released):
    with pytest.raises(DataError, match=r"has no gaussian_noise.npy, .*saturate.npy: unpack"):
        c.load_cifar10c(released)
    for name in ALL:
        np.save(released / f"{name}.npy", np.zeros((25, 32, 32, 3), np.uint8))
    assert len(c.load_cifar10c(str(released))[0]) == 95


def zeros(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("fog", zeros(24, 32, 32, 3), r"fog.npy holds uint8 \(24, 32, 32, 3\), not .* truncated"),
        ("fog", zeros(20, 32, 32, 3), r"\(20, 32, 32, 3\), not uint8 \(25, 32, 32, 3\)"),
        ("fog", zeros(25, 32, 32), r"\(25, 32, 32\), not uint8"),
        ("fog", zeros(25, 3, 32, 32), r"\(25, 3, 32, 32\), not uint8"),
        ("fog", zeros(25, 32, 32, 3, dtype="float32"), "fog.npy holds float32"),
        ("fog", np.array([{}]), "fog.npy cannot be read"),
        ("labels", np.zeros(24, int), "24 labels, not a multiple of 5"),
        ("labels", np.zeros(20, int), r"not uint8 \(20, 32, 32, 3\) as its labels ask for"),
        ("labels", np.zeros(0, int), "not one row of integers"),
        ("labels", np.zeros((25, 10), int), r"int64 \(25, 10\), not one row of integers"),
        ("labels", np.zeros(25), r"float64 \(25,\), not one row of integers"),
        ("labels", np.repeat([0, 1, 2, 3, 4], 5), "differs between its five blocks"),
        ("labels", np.tile([3, 1, 4, 1, 10], 5), "labels from 1 to 10, not 0 to 9"),
        ("labels", np.tile([3, 1, 4, 1, -1], 5), "labels from -1 to 4, not 0 to 9"),
    ],
)
def test_wrong_files_are_refused(released, file, content, message):
    np.save(released / f"{file}.npy", content)
    with pytest.raises(DataError, match=message):
        c.load_cifar10c(released, PAIR)


@pytest.mark.parametrize("size", [0, 50, 1000])
def test_files_cut_short_are_refused(released, size):
    path = released / "spatter.npy"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"spatter.npy cannot be read \(.*\): fetch it again"):
        c.load_cifar10c(released, PAIR)


def test_archives_and_missing_files_are_refused(released):
    with (released / "fog.npy").open("wb") as file:
        np.savez(file, zeros(25, 32, 32, 3))
    with pytest.raises(DataError, match=r"fog.npy is an archive, not one array"):
        c.load_cifar10c(released, PAIR)
    (released / "labels.npy").unlink()
    with pytest.raises(DataError, match=r"has no labels.npy: unpack"):
        c.load_cifar10c(released, PAIR)
    with pytest.raises(DataError, match="gone is not a folder: name the unpacked"):
        c.load_cifar10c(released / "gone")


# One corruption an image, and copies of all


@pytest.fixture(scope="module")
def eight_bit_photos():
    return make_sample(30, 2)[0]


def within_chance(count, n, p):
    """Whether a count is as likely as one in a million."""
    return stats.binomtest(int(count), n, p).pvalue > 1e-6


def test_each_image_gets_what_was_drawn_for_it(eight_bit_photos):
    corrupted, drawn = c.corrupt_at_random(eight_bit_photos, seed=4, clean=0.2)
    assert (corrupted.shape, corrupted.dtype) == (eight_bit_photos.shape, np.uint8)
    assert (drawn.shape, np.issubdtype(drawn.dtype, np.integer)) == ((30,), True)
    assert min(drawn) == -1
    assert len(set(drawn)) > 8
    floats = eight_bit_photos.astype("float32") / 255
    for row, k in enumerate(drawn):
        candidates = [eight_bit_photos[row]]
        if k >= 0:
            images = floats[row : row + 1]
            candidates = [c.corrupt(images, SEEN[k], s, 4, [row])[0] for s in c.SEVERITIES]
            candidates = [eight_bit(image) for image in candidates]
        assert any(np.array_equal(corrupted[row], image) for image in candidates), (row, k)


@pytest.mark.parametrize(("chance", "clean"), [({}, 1 / 6), ({"clean": 0.6}, 0.6)])
def test_clean_images_and_every_name_have_their_share(chance, clean):
    images, n = np.full((3000, 4, 4, 3), 90, np.uint8), 3000
    _, drawn = c.corrupt_at_random(images, seed=2, **chance)
    assert within_chance((drawn == -1).sum(), n, clean)
    counts = np.bincount(drawn[drawn >= 0], minlength=15)
    assert len(counts) == 15
    assert all(within_chance(count, n, (1 - clean) / 15) for count in counts)


def test_every_severity_has_its_share():
    """On one grey, the five severities of brightness are five greys."""
    images = np.full((2000, 4, 4, 3), 51, np.uint8)
    corrupted, drawn = c.corrupt_at_random(images, ("fog", "brightness"), clean=0)
    assert set(drawn) == {0, 1}
    greys, counts = np.unique(corrupted[drawn == 1, 0, 0, 0], return_counts=True)
    np.testing.assert_allclose(greys / 255, 0.2 + np.array([0.05, 0.1, 0.15, 0.2, 0.3]), atol=0.003)
    assert all(within_chance(count, 2000, 0.1) for count in counts)


def test_all_or_none_of_the_images_are_clean(eight_bit_photos):
    corrupted, drawn = c.corrupt_at_random(eight_bit_photos, clean=1)
    np.testing.assert_array_equal(corrupted, eight_bit_photos)
    np.testing.assert_array_equal(drawn, np.full(30, -1))
    assert c.corrupt_at_random(eight_bit_photos, clean=0)[1].min() >= 0


def test_random_corruptions_follow_the_seed_and_leave_the_images_alone(eight_bit_photos):
    images = eight_bit_photos.copy()
    images.flags.writeable = False  # as a memory map may be
    first, again, other = (c.corrupt_at_random(images, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[1] != other[1]).any()
    np.testing.assert_array_equal(images, eight_bit_photos)


def test_cells_are_shared_out_evenly_and_differ_within_an_image(eight_bit_photos):
    copies, cells = c.corrupted_cells(eight_bit_photos, PAIR, per_image=4, seed=3)
    assert (copies.shape, copies.dtype) == ((30, 4, *eight_bit_photos.shape[1:]), np.uint8)
    assert all(len(set(row)) == 4 for row in cells)
    counts = np.bincount(cells.ravel(), minlength=10)
    assert (counts.sum(), counts.min(), counts.max()) == (120, 12, 12)
    counts = np.bincount(c.corrupted_cells(eight_bit_photos, per_image=3)[1].ravel(), minlength=75)
    assert np.ptp(counts) == 1  # 90 copies under 75 cells


def test_a_copy_is_its_image_under_its_cell(eight_bit_photos):
    images = eight_bit_photos[:6].copy()
    copies, cells = c.corrupted_cells(images, PAIR, per_image=10, seed=6)
    np.testing.assert_array_equal(images, eight_bit_photos[:6])
    for row, column in np.ndindex(*cells.shape):
        name, severity = PAIR[cells[row, column] // 5], cells[row, column] % 5 + 1
        clean = images[[row]] / np.float32(255)
        expected = eight_bit(c.corrupt(clean, name, severity, 6, [row]))[0]
        np.testing.assert_array_equal(copies[row, column], expected)
    assert (c.corrupted_cells(images, PAIR, 2, seed=7)[1] != cells[:, :2]).any()


def test_cells_are_taken_from_the_released_files(released, eight_bit_photos):
    theirs, _ = c.load_cifar10c(released, PAIR)
    copies, cells = c.corrupted_cells(eight_bit_photos[:5], PAIR, per_image=7, released=theirs)
    for row, column in np.ndindex(*cells.shape):
        cell = PAIR[cells[row, column] // 5], int(cells[row, column] % 5 + 1)
        np.testing.assert_array_equal(copies[row, column], theirs[cell][row])


@pytest.mark.parametrize("per_image", [0, 11])
def test_more_copies_than_cells_are_refused(eight_bit_photos, per_image):
    with pytest.raises(ValueError, match=f"per_image is {per_image}: 2 corruptions have 10 cells"):
        c.corrupted_cells(eight_bit_photos, PAIR, per_image)


def test_held_out_names_are_given_for_a_purpose():
    held_out = c.HeldOut(("spatter", "saturate"))
    assert "spatter" not in repr(held_out)
    with pytest.raises(DataError, match="held-out corruptions are locked"):
        held_out.open(" ")
    assert held_out.openings == []
    assert held_out.open("judge") == ("spatter", "saturate")
    assert [one["purpose"] for one in held_out.openings] == ["judge"]


def test_bad_names_and_seeds_are_named_here_too(eight_bit_photos):
    for corrupting in (c.corrupted_cells, c.corrupt_at_random):
        with pytest.raises(ValueError, match="unknown corruption 'rain'"):
            corrupting(eight_bit_photos, ("rain",))
        with pytest.raises(ValueError, match="uint8"):
            corrupting(eight_bit_photos.astype("float32"))
        with pytest.raises(ValueError, match="seed is -1"):
            corrupting(eight_bit_photos, seed=-1)
