"""Masks judged: against scikit-learn, SciPy and hand counts; what the small U-Net learns from."""

import numpy as np
import pytest
from scipy import ndimage, stats
from sklearn.metrics import f1_score, jaccard_score

from tta_helpers import metrics, predict_views, views
from tta_helpers.workbook import unet

RNG = np.random.default_rng(0)
NOTHING = np.zeros((1, 4, 4), bool)


def drawn(*rows):
    """Return one picture of objects: a digit a pixel, a dot for the background."""
    return np.array([[[0 if sign == "." else int(sign) for sign in row] for row in rows]])


@pytest.fixture
def random_masks():
    return RNG.random((5, 12, 9)) < 0.4, RNG.random((5, 12, 9)) < 0.6


def test_overlap_is_scikit_learns(random_masks):
    for ours, theirs in ((metrics.mask_iou, jaccard_score), (metrics.mask_dice, f1_score)):
        expected = [theirs(b.ravel(), a.ravel()) for a, b in zip(*random_masks, strict=True)]
        np.testing.assert_allclose(ours(*random_masks), expected)


def test_empty_masks_are_right_where_nothing_is():
    something = NOTHING.copy()
    something[0, 1, 1] = True
    for score in (metrics.mask_iou, metrics.mask_dice, metrics.boundary_f1):
        assert score(NOTHING, NOTHING) == 1
        assert score(something, NOTHING) == score(NOTHING, something) == 0


def test_borders_by_hand():
    truth = np.zeros((1, 20, 20), bool)
    truth[0, 5:12, 5:12] = True  # 7 x 7: a border of 24 pixels
    moved = np.roll(truth, 2, axis=2)
    assert metrics.boundary_f1(truth, truth) == 1
    # Two columns to the right: within 0 pixels lie 5 of the upper and 5 of the lower row, and
    # none of the sides; within 1 pixel 6 and 6, and both ends of a side; within 2 pixels all.
    near = [metrics.boundary_f1(moved, truth, tolerance)[0] for tolerance in (0, 1, 2)]
    np.testing.assert_allclose(near, [10 / 24, 14 / 24, 1])
    thin = truth.copy()
    thin[0, 6:11, 6:11] = False  # the same border from without, and one more within it
    assert metrics.boundary_f1(thin, truth, 0) == 1


def test_the_frame_is_no_border():
    half = np.zeros((1, 6, 6), bool)
    half[0, :, :3] = True
    other = np.zeros((1, 6, 6), bool)
    other[0, :3] = True
    # Borders: column 2 and row 2; they share one pixel of six.
    np.testing.assert_allclose(metrics.boundary_f1(half, other, 0), 1 / 6)


def test_pieces_are_scipys_and_small_ones_go():
    mask = drawn("11.1", "....", "1..1", ".111") > 0
    pieces = metrics.connected_components(mask)
    assert pieces[0].tolist() == ndimage.label(mask[0])[0].tolist()
    assert pieces.max() == 4
    large = metrics.connected_components(mask, least=2)
    assert large.tolist() == drawn("11..", "....", "...2", ".222").tolist()
    assert metrics.connected_components(NOTHING).max() == 0


def test_objects_matched_missed_and_false_by_hand():
    truths = drawn("11.22", "11.22", ".....", "33333")
    objects = drawn("77..5", "77..5", "9....", "3334.")  # IoU 1, 2/4, none, 3/5
    found = metrics.match_objects(objects, truths, (0.4, 0.5, 0.7))
    assert found.matched.tolist() == [[3, 2, 1]]
    assert found.missed.tolist() == [[0, 1, 2]]
    assert found.false.tolist() == [[2, 3, 4]]
    np.testing.assert_allclose(
        metrics.object_ap(objects, truths, (0.4, 0.5, 0.7)), np.mean([3 / 5, 2 / 6, 1 / 7])
    )
    assert metrics.object_ap(truths, truths) == 1
    assert metrics.object_ap(0 * truths, 0 * truths) == 1
    assert metrics.object_ap(0 * truths, truths) == metrics.object_ap(truths, 0 * truths) == 0


def test_numbers_of_objects_mean_nothing_and_none_may_be_missing():
    full = np.array([[[4, 4], [9, 9]]])  # no background at all
    assert metrics.object_ap(full, np.array([[[2, 2], [1, 1]]])) == 1


def test_an_object_is_matched_once_under_low_thresholds():
    truths, objects = drawn("1122"), drawn("3333")
    assert metrics.match_objects(objects, truths, (0.4,)).matched.tolist() == [[1]]


def test_objects_at_a_half_are_counted_without_a_choice():
    """Independent of the pairing: each marked object's best IoU, counted by loops."""
    truths = metrics.connected_components(RNG.random((4, 16, 16)) < 0.5)
    objects = metrics.connected_components(RNG.random((4, 16, 16)) < 0.5)
    objects[:2] = truths[:2] * (RNG.random((2, 16, 16)) < 0.8)
    for threshold in (0.5, 0.7):
        expected = [
            sum(
                max(
                    ((a == i) & (b == j)).sum() / ((a == i) | (b == j)).sum()
                    for j in range(1, b.max() + 1)
                )
                > threshold
                for i in range(1, a.max() + 1)
            )
            for a, b in zip(truths, objects, strict=True)
        ]
        found = metrics.match_objects(objects, truths, (threshold,)).matched[:, 0]
        assert found.tolist() == expected and found[:2].sum() > 0


def test_what_is_no_mask_is_refused():
    floats = np.zeros((1, 4, 4))
    for bad in ((floats, NOTHING), (NOTHING, floats)):
        with pytest.raises(ValueError, match="truth values"):
            metrics.mask_iou(*bad)
    for bad in (NOTHING[0], NOTHING[:, :3]):
        with pytest.raises(ValueError, match="must be one"):
            metrics.mask_dice(bad, NOTHING)
    with pytest.raises(ValueError, match="tolerance is -1"):
        metrics.boundary_f1(NOTHING, NOTHING, -1)
    with pytest.raises(ValueError, match="must be one"):
        metrics.object_ap(NOTHING[0], NOTHING)
    for thresholds in ((), (1.0,), 0.5):
        with pytest.raises(ValueError, match="thresholds are"):
            metrics.match_objects(NOTHING, NOTHING, thresholds)


def test_values_are_compared_as_by_scipys_paired_t_test():
    before = RNG.random(30)
    after = before + RNG.normal(0.02, 0.05, 30)
    change, theirs = metrics.compare_values(before, after), stats.ttest_rel(after, before)
    interval = theirs.confidence_interval(0.95)
    np.testing.assert_allclose(
        [change.gain, change.low, change.high, change.p_value],
        [(after - before).mean(), interval.low, interval.high, theirs.pvalue],
    )
    assert (change.before, change.after, change.n) == (before.mean(), after.mean(), 30)
    assert (change.fixed, change.broken) == ((after > before).sum(), (after < before).sum())


def test_values_without_spread():
    same = metrics.compare_values([0.5, 0.7], [0.5, 0.7])
    assert (same.gain, same.low, same.high, same.p_value) == (0, 0, 0, 1)
    assert metrics.compare_values([0.25, 0.5], [0.5, 0.75]).p_value == 0


def test_values_that_cannot_be_compared_are_refused():
    for bad in (([1.0], [1.0]), ([1.0, 2.0], [1.0, 2.0, 3.0])):
        with pytest.raises(ValueError, match="two or more images"):
            metrics.compare_values(*bad)
    with pytest.raises(ValueError, match="not finite"):
        metrics.compare_values([0.1, np.nan], [0.1, 0.2])


# ---------------------------------------------------------------- the small U-Net


def test_pictures_are_stretched_between_their_own_percentiles():
    images = RNG.integers(0, 60, (2, 16, 16, 3)).astype(np.uint8)
    images[1] = images[0] * 4
    bright, dim = unet.normalised(images)[::-1]
    np.testing.assert_allclose(bright, dim, atol=1e-5)
    grey = images[0].mean(axis=-1)
    assert np.isclose(dim[..., 0], 1).sum() == (grey >= np.percentile(grey, 99) - 1e-3).sum()
    assert (unet.normalised(np.full((1, 8, 8, 1), 7, np.uint8)) == 0).all()


def test_objects_that_touch_are_parted():
    inner = unet.inner_masks(drawn("1122", "1122", "....", "3..4"))
    assert inner[0].tolist() == (drawn("1..2", "1..2", "....", "3..4") > 0)[0].tolist()
    corner = unet.inner_masks(drawn("1.", ".2"))
    assert not corner.any()


def squares(n=6, side=32):
    """Bright rectangles on a dark ground."""
    images, masks = np.zeros((n, side, side, 1), np.float32), np.zeros((n, side, side), bool)
    for image, mask in zip(images, masks, strict=True):
        top, left = RNG.integers(8, 16, 2)
        mask[top : top + 8, left : left + 12] = True
        image[mask] = 1
    noise = RNG.normal(0, 0.05, images.shape).astype(np.float32)
    return np.clip(images + noise, 0, 1), masks


def test_crops_keep_pictures_and_masks_together():
    images, masks = squares()
    for augmentation in unet.AUGMENTATIONS:
        crops = unet.Crops(
            images, masks, steps=3, batch_size=4, crop=16, augmentation=augmentation, seed=1
        )
        assert len(crops) == 3
        x, y = crops[0]
        assert x.shape == y.shape == (4, 16, 16, 1)
        assert ((x > 0.5) == (y > 0.5)).all()
        assert all((a == b).all() for a, b in zip(crops[0], (x, y), strict=True))
        assert not np.array_equal(crops[1][0], x)


def test_turned_crops_show_all_eight_positions():
    image = np.arange(64, dtype=np.float32).reshape(1, 8, 8, 1) / 64
    how = {"steps": 1, "batch_size": 200, "crop": 8}
    (turned, _), (plain, _) = (
        unet.Crops(image, image[..., 0] > 0.5, **how, augmentation=name)[0]
        for name in ("d4", "none")
    )
    assert len({crop.tobytes() for crop in turned}) == 8
    assert (plain == image).all()


def test_a_short_fit_finds_squares_and_maps_are_turned_back():
    images, masks = squares(8)
    how = {"steps": 30, "crop": 32, "filters": (8, 16)}
    model = unet.fit_unet(images, masks, **how)
    again = unet.fit_unet(images, masks, **how)
    found, twice = (
        predict_views(some, images, views.D4, outputs="sigmoid")[..., 0] for some in (model, again)
    )
    assert found.shape == (8, 8, 32, 32)
    assert (metrics.mask_iou(found.mean(axis=0) > 0.5, masks) > 0.6).all()
    np.testing.assert_allclose(found, twice, atol=0.02)  # JAX's threads may add in another order


def test_what_cannot_be_fitted_is_refused():
    images, masks = squares(2)
    with pytest.raises(ValueError, match="divide by 8"):
        unet.fit_unet(images[:, :30], masks[:, :30])
    with pytest.raises(ValueError, match="one mask"):
        unet.fit_unet(images, masks[:1])
    with pytest.raises(ValueError, match="augmentation is 'flip'"):
        unet.fit_unet(images, masks, crop=16, augmentation="flip")
    with pytest.raises(ValueError, match="resolutions"):
        unet.unet(filters=(8,))


def test_the_small_network_is_as_large_as_it_says():
    model = unet.unet()
    assert 190_000 < model.count_params() < 215_000
