"""The detector: targets and decoding by hand, the loss in NumPy, and a mirror that stays one."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from tta_helpers import boxes as b
from tta_helpers import loading
from tta_helpers import views as v
from tta_helpers.workbook import detector as d

SHAPE = (32, 48)
BOXES = np.array([[4, 5, 11, 12], [20, 2, 44, 28]], "float32")
LABELS = np.array([1, 0])


def test_targets_by_hand():
    """Centres (7.5, 8.5) and (32, 15): cells of column 1, row 2 and of column 8, row 3."""
    (maps,) = d.detector_targets([BOXES], [LABELS], SHAPE, 2)
    assert maps.shape == (8, 12, 7) and maps.dtype == np.float32
    assert np.argwhere(maps[..., -1] == 1).tolist() == [[2, 1], [3, 8]]
    np.testing.assert_allclose(maps[2, 1], [maps[2, 1, 0], 1, 0.875, 0.125, 7, 7, 1])
    np.testing.assert_allclose(maps[3, 8], [1, maps[3, 8, 1], 0, 0.75, 24, 26, 1])
    # One cell to the right of the large box's centre; a standard deviation is 0.18 * 24 / 4 cells.
    np.testing.assert_allclose(maps[3, 9, 0], np.exp(-(1 / 1.08**2) / 2), rtol=1e-5)
    assert maps[..., :2].max() == 1 and (maps[..., :2] == 1).sum() == 2


def test_a_picture_without_objects_and_a_centre_on_the_frame():
    maps = d.detector_targets([np.zeros((0, 4)), [[40, 24, 56, 40]]], [[], [0]], SHAPE, 1)
    assert not maps[0].any()
    assert np.argwhere(maps[1, ..., -1]).tolist() == [[7, 11]]
    np.testing.assert_allclose(maps[1, 7, 11, 1:5], [1, 1, 16, 16])


def test_what_is_wanted_decodes_to_the_boxes():
    (maps,) = d.detector_targets([BOXES], [LABELS], SHAPE, 2)
    some, scores, labels = d.decode(maps[..., :2], d.cell_boxes(maps[..., :6]), least=0.9)
    order = np.argsort(labels)
    np.testing.assert_allclose(some[order], BOXES[[1, 0]], atol=1e-4)
    assert scores.tolist() == [1, 1] and labels[order].tolist() == [0, 1]


@pytest.mark.parametrize("view", v.D4, ids=lambda view: view.name)
def test_heat_maps_turn_with_the_picture_and_boxes_are_moved(view):
    shape, some = (48, 48), BOXES - np.float32([0, 0, 1, 0])  # no centre between two cells
    (plain,) = d.detector_targets([some], [LABELS], shape, 2)
    (turned,) = d.detector_targets([b.view_boxes(view, some, shape)], [LABELS], shape, 2)
    back = ops.convert_to_numpy(view.undo(turned[None, ..., [0, 1, 6]]))[0]
    np.testing.assert_allclose(back, plain[..., [0, 1, 6]], atol=1e-6)
    shown, _, labels = d.decode(turned[..., :2], d.cell_boxes(turned[..., :6]), least=0.9)
    found = b.undo_boxes(view, shown, shape)[np.argsort(labels)]
    np.testing.assert_allclose(found, some[[1, 0]], atol=1e-4)


def test_peaks_are_those_of_a_maximum_filter():
    scores = np.random.default_rng(0).random((9, 7, 3)).round(1)  # with equal neighbours
    numbered = np.arange(9 * 7 * 4).reshape(9, 7, 4)
    some, found, labels = d.decode(scores, numbered, least=0.75)
    around = ndimage.maximum_filter(scores, (3, 3, 1), mode="constant")
    rows, columns, kinds = np.nonzero((scores == around) & (scores >= 0.75))
    expected = {
        (*numbered[r, c], scores[r, c, k], k) for r, c, k in zip(rows, columns, kinds, strict=True)
    }
    assert {(*one, s, k) for one, s, k in zip(some, found, labels, strict=True)} == expected
    assert len(found) == len(expected) and (np.diff(found) <= 0).all()


def test_boxes_of_cells_by_hand_and_cut_at_the_frame():
    maps = np.zeros((2, 3, 4, 5))
    maps[1, 2, 1, 1:] = 0.5, 0.25, 3, 2  # centre (6, 9)
    maps[0, 0, 3, 1:] = 1, 0, 6, 4  # centre (16, 0): only a quarter lies on the picture
    found = d.cell_boxes(maps)
    assert found.shape == (2, 3, 4, 4)
    assert found[1, 2, 1].tolist() == [4.5, 8, 7.5, 10]
    assert found[0, 0, 3].tolist() == [13, 0, 16, 2]


def test_the_loss_in_numpy():
    rng = np.random.default_rng(0)
    targets = d.detector_targets([BOXES, BOXES[:1]], [LABELS, LABELS[:1]], SHAPE, 2)
    maps = np.concatenate(
        [rng.uniform(0.05, 0.95, (2, 8, 12, 4)), rng.uniform(4, 30, (2, 8, 12, 2))], axis=-1
    )
    heat, other = targets[..., :2], maps[..., :2]
    at = heat == 1
    parts = np.where(
        at, (1 - other) ** 2 * np.log(other), (1 - heat) ** 4 * other**2 * np.log(1 - other)
    )
    total = -parts.sum()
    for i, r, c in np.argwhere(targets[..., -1]):
        total += np.abs(targets[i, r, c, 2:4] - maps[i, r, c, 2:4]).sum()
        total += np.abs(np.log(targets[i, r, c, 4:6] / maps[i, r, c, 4:6])).sum()
    found = ops.convert_to_numpy(d.detector_loss(targets, maps.astype("float32")))
    np.testing.assert_allclose(found, total / 3, rtol=1e-5)
    best = np.concatenate([targets[..., :4], np.maximum(targets[..., 4:6], 1)], axis=-1)
    assert float(d.detector_loss(targets, best)) < 0.2 * found


def test_mirrored_kernels_make_a_network_that_a_mirror_commutes_with():
    """Padding reaches as far to the left as to the right, so cells of the mirror are mirrored."""
    keras.utils.set_random_seed(0)
    model = d.small_detector((32, 48, 3), 2)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = ops.convert_to_numpy(layer.kernel)
            layer.kernel.assign((kernel + kernel[:, ::-1]) / 2)
    image = np.random.default_rng(0).random((1, 32, 48, 3)).astype("float32")
    plain, mirrored = (model.predict(x, verbose=0) for x in (image, image[:, :, ::-1]))
    assert plain.shape == (1, 8, 12, 6) and plain.std() > 0.01
    np.testing.assert_allclose(mirrored[:, :, ::-1], plain, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(30, 48, 3), (32, 50, 3), (0, 16, 3), (32, 48)])
def test_a_shape_that_does_not_fit_is_named(shape):
    with pytest.raises(ValueError, match="multiples of 16"):
        d.small_detector(shape, 2)
    with pytest.raises(ValueError, match="n_classes is 0"):
        d.small_detector((32, 32, 3), 0)


def bright(boxes):
    """A black picture with one bright box."""
    image = np.zeros((32, 32, 3), "uint8")
    for x0, y0, x1, y1 in np.asarray(boxes, int):
        image[y0:y1, x0:x1] = 255
    return image


def test_batches_show_pictures_and_boxes_in_the_same_view(monkeypatch):
    """The bright pixels' middle must lie in the cell that the target marks."""
    some = [np.array([[4 * k, 2, 4 * k + 3, 9]]) for k in range(1, 7)]
    seen = []

    def fit(self, data, **_):
        data.on_epoch_end()
        seen.extend(data[i] for i in range(len(data)))
        return SimpleNamespace(history={"loss": [1.0]})

    monkeypatch.setattr(keras.Model, "fit", fit)
    model = d.small_detector((32, 32, 3), 1)
    images = np.stack([bright(one) for one in some])
    how = {"epochs": 1, "batch_size": 2, "views": v.D4, "seed": 1}
    assert d.fit_detector(model, images, some, [np.array([0])] * 6, **how) == [1.0]
    pairs = [(x, y) for xs, ys in seen for x, y in zip(xs, ys, strict=True)]
    assert len(pairs) == 6 and len({x.tobytes() for x, _ in pairs}) == 6
    for x, y in pairs:
        rows, columns = np.nonzero(x[..., 0] > 0.5)
        ((row, column),) = np.argwhere(y[..., -1])
        assert (row, column) == (int(rows.mean() + 0.5) // 4, int(columns.mean() + 0.5) // 4)
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        np.testing.assert_allclose(y[row, column, 3:5], [width, height], atol=1e-4)


def test_a_detector_learns_and_is_saved(tmp_path):
    keras.utils.set_random_seed(0)
    some = [np.array([[8 * (k % 3), 4 + k, 8 * (k % 3) + 12, 18 + k]]) for k in range(8)]
    images = np.stack([bright(one) for one in some])
    model = d.small_detector((32, 32, 3), 1)
    losses = d.fit_detector(model, images, some, [np.array([0])] * 8, epochs=30, batch_size=4)
    assert len(losses) == 30 and losses[-1] < losses[0] / 4
    model.save(tmp_path / "detector.keras")
    again = loading.load_model(tmp_path / "detector.keras", compile=False)
    x = images.astype("float32") / 255
    maps, other = (one.predict(x, verbose=0) for one in (model, again))
    np.testing.assert_allclose(maps, other, atol=1e-5)
    for one, true in zip(maps, some, strict=True):
        found, scores, _ = d.decode(one[..., :1], d.cell_boxes(one))
        assert scores[0] > 0.3 and b.iou(found[:1], true)[0, 0] > 0.5
