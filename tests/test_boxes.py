"""Boxes against the pixels, hand counts, and figures of ensemble-boxes and pycocotools."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from keras import ops

from tta_helpers import boxes as b
from tta_helpers import views as v

EXPECTED = np.load(Path(__file__).parent / "boxes" / "expected.npz")  # by boxes/make_expected.py
SHAPE = (30, 44)  # height and width: a box whose x and y are exchanged shows
BOXES = np.array([[5, 3, 17, 9], [30, 12, 41, 26], [20, 1, 23, 29], [0, 20, 8, 30]], float)
EXACT = (
    v.Identity(),
    v.HorizontalFlip(),
    v.VerticalFlip(),
    v.Rotate(90),
    v.Rotate(180),
    v.Rotate(-90),
    v.Rotate(360),
    v.Shift(3, 0),
    v.Shift(-2, 4),
    v.Autocontrast(),
    v.Median(),
    v.Compose((v.Rotate(90), v.HorizontalFlip(), v.Shift(1, -2))),
    v.Compose((v.Compose((v.Shift(4, 0), v.Rotate(180))), v.Brightness(-0.1))),
    *v.D4,
)


def drawn(box, shape=SHAPE):
    """A bright rectangle on black, (1, h, w, 1), drawn by slices of whole pixels."""
    image = np.zeros((1, *shape, 1), "float32")
    x0, y0, x1, y1 = box.astype(int)
    image[0, y0:y1, x0:x1] = 1
    return image


def bounds(image):
    """The bounds of what is brighter than half, as edges of pixels: x0, y0, x1, y1."""
    rows, columns = np.nonzero(ops.convert_to_numpy(image)[0, ..., 0] > 0.5)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


# ---------------------------------------------------------------- views


@pytest.mark.parametrize("view", EXACT, ids=lambda view: view.name)
@pytest.mark.parametrize("box", [[9, 8, 21, 13], [12, 14, 15, 25]])
def test_a_box_lies_where_the_view_shows_its_pixels(view, box):
    """On a square, and far enough from its frame that nothing is cut or mirrored in."""
    box, shape = np.array([box], float), (36, 36)
    expected = [bounds(view(drawn(box[0], shape)))]
    np.testing.assert_array_equal(b.view_boxes(view, box, (*shape, 3)), expected)
    np.testing.assert_array_equal(b.undo_boxes(view, expected, shape), box)


@pytest.mark.parametrize(
    ("view", "seen"),
    [
        (v.HorizontalFlip(), np.s_[:, :]),
        (v.VerticalFlip(), np.s_[:, :]),
        (v.Rotate(180), np.s_[:, :]),
        (v.Rotate(90), np.s_[:, 7:37]),  # the turned picture is 30 wide; beside it, mirrored edges
        (v.Rotate(-90), np.s_[:, 7:37]),
        (v.Shift(3, 0), np.s_[:, 3:]),
        (v.Shift(-2, 4), np.s_[4:, :42]),
        (v.Compose((v.Rotate(90), v.Shift(0, 5))), np.s_[5:, 7:37]),
    ],
    ids=lambda one: getattr(one, "name", ""),
)
def test_boxes_that_are_cut_on_a_picture_that_is_not_square(view, seen):
    for box in [*BOXES, [1, 0, 44, 30], [0, 0, 43, 29]]:
        shown = np.zeros((1, *SHAPE, 1), bool)
        shown[0][seen] = True
        image = np.where(shown, ops.convert_to_numpy(view(drawn(np.array(box)))), 0)
        found = b.view_boxes(view, [box], SHAPE)
        assert b.has_size(found)[0] == image.any()
        if image.any():
            np.testing.assert_array_equal(found, [bounds(image)])


def test_flips_and_turns_by_hand():
    box = [[1, 2, 4, 7]]  # in an image 10 high and 20 wide
    found = {
        view.name: b.view_boxes(view, box, (10, 20))[0].tolist()
        for view in (v.HorizontalFlip(), v.VerticalFlip(), v.Rotate(180), v.Shift(-2.5, 5))
    }
    assert found == {
        "horizontal_flip": [16, 2, 19, 7],
        "vertical_flip": [1, 3, 4, 8],
        "rotate_180": [16, 3, 19, 8],
        "shift_-2.5_5": [0, 7, 1.5, 10],
    }
    # From the centre of a square of 10: x -4..-1, y -3..2; turned left, x -3..2 and y 1..4.
    assert b.view_boxes(v.Rotate(90), box, (10, 10)).tolist() == [[2, 6, 7, 9]]
    assert b.undo_boxes(v.Rotate(-90), box, (10, 10)).tolist() == [[2, 6, 7, 9]]


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 1.5, 2])
@pytest.mark.parametrize("box", [[12, 10, 30, 17], [15, 9, 22, 21]])
def test_zoomed_boxes_lie_within_half_a_pixel_of_the_pixels(factor, box):
    box = np.array([box], float)
    image = ops.convert_to_numpy(v.Zoom(factor)(drawn(box[0])))
    rows, columns = (int(np.ceil(max(1 - factor, 0) * side / 2)) for side in SHAPE)
    seen = np.zeros_like(image)  # around it, mirrored surroundings
    seen[:, rows : SHAPE[0] - rows, columns : SHAPE[1] - columns] = 1
    found = b.view_boxes(v.Zoom(factor), box, SHAPE)
    np.testing.assert_allclose(found, [bounds(image * seen)], atol=0.5001)
    np.testing.assert_allclose(b.undo_boxes(v.Zoom(factor), found, SHAPE), box)


def test_boxes_are_cut_at_the_frame_at_every_step():
    there_and_back = v.Compose((v.Shift(6, 0), v.Shift(-6, 0)))
    found = b.view_boxes(there_and_back, [[30, 0, 40, 5], [2, 2, 4, 4], [39, 1, 44, 3]], SHAPE)
    assert found[:2].tolist() == [[30, 0, 38, 5], [2, 2, 4, 4]]
    assert b.has_size(found).tolist() == [True, True, False]
    assert b.has_size(found, least=2).tolist() == [True, False, False]
    assert b.undo_boxes(v.Shift(0, -5), [[1, 20, 9, 28]], SHAPE).tolist() == [[1, 25, 9, 30]]
    assert b.view_boxes(v.Zoom(2), [[0, 0, 44, 30]], SHAPE).tolist() == [[0, 0, 44, 30]]


def test_mirroring_the_cells_of_a_heat_map_is_off_by_a_stride():
    """What the docstring of `undo_boxes` warns of, counted: 10 cells of 4 pixels, cell 2."""
    stride, columns = 4, 10
    decoded = [[2 * stride, 0, 2 * stride + 6, 6]]  # a box from its cell's left edge on
    right = b.undo_boxes(v.HorizontalFlip(), decoded, (20, columns * stride))
    assert right.tolist() == [[26, 0, 32, 6]]
    cell = np.flatnonzero(np.eye(columns)[2][::-1])[0]  # the mirrored map's
    assert right[0, 2] - cell * stride == stride


@pytest.mark.parametrize("degrees", [20, 45, -89.5])
@pytest.mark.parametrize("way", [b.view_boxes, b.undo_boxes])
def test_other_angles_are_refused(way, degrees):
    view = v.Compose((v.HorizontalFlip(), v.Rotate(degrees)))
    with pytest.raises(ValueError, match=f"{degrees} degrees.* no box any more"):
        way(view, BOXES, SHAPE)


def test_views_that_do_not_say_where_they_move_boxes_are_refused():
    class Swirl(v.View):
        pass

    for view in (Swirl(), "horizontal_flip"):
        with pytest.raises(NotImplementedError, match="does not say where it moves boxes"):
            b.view_boxes(view, BOXES, SHAPE)


@pytest.mark.parametrize("shape", [(30,), (0, 10), (1, 2, 3, 4), (3.5, 2), None, (None, 4)])
def test_bad_image_shapes(shape):
    with pytest.raises(ValueError, match=re.escape(f"image_shape is {shape};")):
        b.undo_boxes(v.Identity(), BOXES, shape)


# ---------------------------------------------------------------- overlap and merging


def test_iou_counts_pixels():
    """IoU as counted on masks of whole pixels."""
    rng = np.random.default_rng(3)
    corner = rng.integers(0, 20, (12, 2))
    boxes = np.hstack([corner, corner + rng.integers(1, 10, (12, 2))]).astype(float)
    masks = [drawn(box)[0, ..., 0] > 0 for box in boxes]
    expected = [[(m & n).sum() / (m | n).sum() for n in masks[:5]] for m in masks]
    np.testing.assert_allclose(b.iou(boxes, boxes[:5]), expected)
    assert b.iou([], boxes).shape == (0, 12)


def test_the_rules_by_hand():
    """Two boxes of IoU 1/3 (6 of 18 pixels), a third apart, and one of another label."""
    boxes = [[0, 0, 4, 3], [2, 0, 6, 3], [10, 10, 12, 12], [0, 0, 4, 3]]
    scores, labels, views = [0.6, 0.9, 0.3, 0.5], [1, 1, 1, 2], [0, 1, 1, 0]
    apart = [[2, 0, 6, 3], [0, 0, 4, 3], [0, 0, 4, 3], [10, 10, 12, 12]]
    kept, its_scores, its_labels = b.nms(boxes, scores, labels, 0.3)
    assert kept.tolist() == [apart[0], apart[1], apart[3]]
    assert (its_scores.tolist(), its_labels.tolist()) == ([0.9, 0.5, 0.3], [1, 2, 1])
    assert b.nms(boxes, scores, labels, 0.34)[0].tolist() == apart
    kept, lowered, _ = b.soft_nms(boxes, scores, labels, 0.3)
    np.testing.assert_allclose(lowered, [0.9, 0.5, 0.6 * 2 / 3, 0.3])
    _, lowered, _ = b.soft_nms(boxes, scores, labels, 0.3, decay="gaussian", sigma=0.25)
    np.testing.assert_allclose(lowered, [0.9, 0.5, 0.6 * np.exp(-4 / 9), 0.3])
    assert len(b.soft_nms(boxes, scores, labels, 0.3, least=0.35)[0]) == 3
    # Of three views, two saw it: x0 = (0.9 * 2 + 0.6 * 0) / 1.5 and a score of 0.75 * 2 / 3.
    fused, mean, names = b.weighted_box_fusion(boxes, scores, labels, views, 0.3, 3)
    np.testing.assert_allclose(fused[0], [1.2, 0, 5.2, 3])
    np.testing.assert_allclose(mean, [0.5, 0.5 / 3, 0.1])
    assert names.tolist() == [1, 2, 1]
    # Weights 1/4 and 3/4: 0.675 and 0.15 are added, and divided by 2 boxes, times 2 of 2 views.
    fused, mean, _ = b.weighted_box_fusion(boxes, scores, labels, views, 0.3, 2, [1, 3])
    np.testing.assert_allclose(mean, [0.675 + 0.15, 0.225, 0.125])
    np.testing.assert_allclose(fused[0, 0], 2 * 0.675 / 0.825)


def test_a_box_joins_the_fused_box_and_not_the_first():
    """0-10, then 4-14 moves the fused box to 2-12; 6.5-16.5 overlaps that by 5.5 of 14.5."""
    boxes = [[0, 0, 10, 1], [4, 0, 14, 1], [6.5, 0, 16.5, 1]]  # IoU 6/14, 3.5/16.5 and 7.5/12.5
    fused, scores, _ = b.weighted_box_fusion(boxes, [0.5] * 3, [0] * 3, [0, 1, 2], 0.35, 3)
    np.testing.assert_allclose(fused, [[3.5, 0, 13.5, 1]])
    np.testing.assert_allclose(scores, [0.5])
    assert len(b.nms(boxes, [0.5] * 3, [0] * 3, 0.35)[0]) == 2


def test_of_equal_boxes_the_first_stays():
    """Boxes 0 and 2 are one object, 1 and 3 another; all have one score, in two labels."""
    boxes = [[0, 0, 4, 3], [9, 9, 12, 12], [0, 0, 4, 2.5], [9, 9, 12, 11.5]]
    for labels in ([0, 0, 0, 0], ["b", "a", "b", "a"]):
        kept, scores, names = b.nms(boxes, [0.5] * 4, labels, 0.5)
        assert (kept.tolist(), scores.tolist()) == (boxes[:2], [0.5, 0.5])
        assert names.tolist() == labels[:2]


def test_more_boxes_than_views_do_not_raise_a_score():
    fused = b.weighted_box_fusion([[0, 0, 2, 2]] * 5, [0.8] * 5, [0] * 5, [0] * 5, 0.5, 2)
    np.testing.assert_allclose(fused[1], [0.8])
    leaning = b.weighted_box_fusion([[0, 0, 2, 2]] * 2, [1] * 2, [0] * 2, [0] * 2, 0.5, 2, [9, 1])
    assert leaning[1].tolist() == [1]


def test_boxes_without_a_score_fuse_to_their_mean():
    fused = b.weighted_box_fusion([[0, 0, 2, 2], [0, 0, 4, 2]], [0, 0], [0, 0], [0, 1], 0.4, 2)
    np.testing.assert_allclose(fused[0], [[0, 0, 3, 2]])
    assert fused[1].tolist() == [0]


RULES = {
    "nms": (b.nms, {"threshold": 0.5}),
    "linear": (b.soft_nms, {"threshold": 0.3}),
    "gaussian": (b.soft_nms, {"threshold": 0.3, "decay": "gaussian"}),
    "fused": (b.weighted_box_fusion, {"threshold": 0.55, "n_views": 5}),
    "weighted": (
        b.weighted_box_fusion,
        {"threshold": 0.4, "n_views": 5, "weights": EXPECTED["weights"]},
    ),
}


def pooled(name):
    parts = ("boxes", "scores", "labels") + ("views",) * (RULES[name][0] is b.weighted_box_fusion)
    return [EXPECTED[part] for part in parts]


@pytest.mark.parametrize("name", RULES)
def test_merge_rules_give_what_ensemble_boxes_gives(name):
    rule, settings = RULES[name]
    boxes, scores, labels = rule(*pooled(name), **settings)
    np.testing.assert_allclose(scores, EXPECTED[f"{name}_scores"], atol=1e-6)
    np.testing.assert_allclose(boxes, EXPECTED[f"{name}_boxes"], atol=1e-6)  # theirs is float32
    np.testing.assert_array_equal(labels, EXPECTED[f"{name}_labels"])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("at_once", [2, 256])
def test_pictures_at_once_are_merged_as_one_by_one(name, at_once, monkeypatch):
    monkeypatch.setattr("tta_helpers.boxes.merging.AT_ONCE", 16 * at_once)
    rule, settings = RULES[name]
    order = np.random.default_rng(1).permutation(len(EXPECTED["boxes"]))
    cuts = np.split(order, [40, 40, 43, 90])  # of 40, none, 3, 47 and 27 boxes
    names = np.array(["red", "blue", "green"])
    pictures = []
    for cut in cuts:
        boxes, scores, labels, *views = (part[cut] for part in pooled(name))
        pictures.append((boxes, scores, names[labels], *views))
    found = b.merge_pictures(rule, pictures, **settings)
    expected = [rule(*picture, **settings) for picture in pictures]
    assert [len(one[0]) for one in found][1] == 0
    for ours, theirs in zip(found, expected, strict=True):
        for part, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(part, other)


@pytest.mark.parametrize("name", RULES)
def test_nothing_found_merges_to_nothing(name):
    rule, settings = RULES[name]
    empty = [[] for _ in pooled(name)]
    for boxes, scores, labels in (
        rule(*empty, **settings),
        *b.merge_pictures(rule, [empty] * 2, **settings),
    ):
        assert (boxes.shape, scores.shape, labels.shape) == ((0, 4), (0,), (0,))
    assert b.merge_pictures(rule, [], **settings) == []


# ---------------------------------------------------------------- what is refused

GOOD = {"boxes": BOXES, "scores": [0.5, 0.4, 0.3, 0.2], "labels": [0, 1, 2, 0], "threshold": 0.5}
FUSION = {**GOOD, "views": [0, 1, 0, 1], "n_views": 2}


def with_row(row):
    return {"boxes": [*BOXES[:2], row, BOXES[3]]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_row([1, 2, 1, 5]), r"boxes[2] = [1.0, 2.0, 1.0, 5.0] has no size"),
        (with_row([9, 2, 1, 5]), r"boxes[2] = [9.0, 2.0, 1.0, 5.0] has an x1 or y1 that comes"),
        (with_row([1, 2, np.nan, 5]), r"boxes[2] = [1.0, 2.0, nan, 5.0] is not finite"),
        ({"boxes": np.zeros((3, 5))}, "boxes have shape (3, 5)"),
        ({"boxes": [1, 2, 3, 4]}, "boxes have shape (4,)"),
        ({"boxes": [[0, 1], [2]]}, "boxes are [[0, 1], [2]]"),
        ({"scores": [0.5, 1.2, 0.1, 7]}, "scores[1] = 1.2 lies outside [0, 1]. (2 of 4 are such)"),
        ({"scores": [0.5, np.nan, 0.1, 0]}, "scores[1] = nan lies outside"),
        ({"scores": [0.5]}, "scores have shape (1,) and there are 4 boxes"),
        ({"labels": [1, 2, 3]}, "labels have shape (3,) and there are 4 boxes"),
        ({"threshold": 1.5}, "threshold is 1.5"),
    ],
)
@pytest.mark.parametrize("rule", [b.nms, b.soft_nms, b.weighted_box_fusion])
def test_merge_rules_name_what_is_wrong(rule, change, message):
    good = FUSION if rule is b.weighted_box_fusion else GOOD
    with pytest.raises(ValueError, match=re.escape(message)):
        rule(**{**good, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"views": [0, 1, 2, 0]}, "views[2] = 2 is not a view in [0, 2)"),
        ({"views": [0.0, 1, 1, 0]}, "views are float64"),
        ({"views": [0]}, "views have shape (1,)"),
        ({"n_views": 0}, "n_views is 0"),
        ({"n_views": 1.5}, "n_views is 1.5"),
        ({"weights": [1]}, "weights are [1.0]; give 2 numbers"),
        ({"weights": [1, -1]}, "weights are [1.0, -1.0]"),
        ({"weights": [0, 0]}, "weights are [0.0, 0.0]"),
    ],
)
def test_fusion_names_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        b.weighted_box_fusion(**{**FUSION, **change})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decay": "cubic"}, "decay is 'cubic'; give 'linear' or 'gaussian'"),
        ({"decay": "gaussian", "sigma": 0}, "sigma is 0"),
        ({"least": -1}, "least is -1"),
    ],
)
def test_soft_nms_names_what_is_wrong(change, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        b.soft_nms(**GOOD, **change)


def test_boxes_are_checked_everywhere():
    flat = [[1, 1, 1, 4]]
    for call in (
        lambda: b.view_boxes(v.Identity(), flat, SHAPE),
        lambda: b.undo_boxes(v.Identity(), flat, SHAPE),
        lambda: b.iou(flat, BOXES),
        lambda: b.iou(BOXES, flat),
        lambda: b.average_precision([(flat, [1])], [BOXES], 0.5),
        lambda: b.average_precision([([], [])], [flat], 0.5),
        lambda: b.merge_pictures(b.nms, [(BOXES, [0.5] * 4, [0] * 4), (flat, [1], [0])], 0.5),
    ):
        with pytest.raises(ValueError, match=re.escape("= [1.0, 1.0, 1.0, 4.0] has no size")):
            call()
    whole = (BOXES, [1] * 4, [0] * 4)
    for other in ((BOXES, [1] * 4, [0]), (*whole, [0] * 4), ([], [])):
        message = f"pictures[1] holds {[len(part) for part in other]} boxes"
        with pytest.raises(ValueError, match=re.escape(message)):
            b.merge_pictures(b.nms, [whole, other], 0.5)


# ---------------------------------------------------------------- average precision


def test_average_precision_by_hand():
    """Two pictures, three true boxes; of four found ones the first and third are right."""
    true, beside = [0, 0, 10, 10], [0, 20, 10, 30]
    predictions = [([true, true], [0.9, 0.7]), ([beside, [0, 1, 10, 11]], [0.6, 0.8])]
    truths = [[true], [true, [30, 0, 40, 10]]]
    # By score: right (1/1), IoU 90 / 110 right (2/2), a second time the same: wrong, wrong.
    # Recall 2/3 at precision 1, then nothing: recalls 0, 0.01 ... 0.66 are 67 of 101.
    assert b.average_precision(predictions, truths, 0.8) == pytest.approx(67 / 101)
    # From an IoU of 0.82 on, the second is wrong: recall 1/3 at precision 1, 34 of 101.
    assert b.average_precision(predictions, truths, 0.82) == pytest.approx(34 / 101)
    assert b.average_precision([([], [])] * 2, truths, 0.5) == 0
    assert np.isnan(b.average_precision(predictions, [[], []], 0.5))


def split(name):
    ends = np.cumsum(EXPECTED[f"{name}_counts"])[:-1]
    parts = [name, *(["found_scores"] if name == "found" else []), f"{name}_labels"]
    return list(zip(*(np.split(EXPECTED[part], ends) for part in parts), strict=True))


@pytest.mark.parametrize("decimals", [1, 5])  # with one, many scores are equal
def test_precisions_are_those_of_pycocotools(decimals):
    found, true = split("found"), split("true")
    found = [(boxes, scores.round(decimals), labels) for boxes, scores, labels in found]
    expected = EXPECTED[f"precisions_{decimals}"]
    assert b.mean_average_precision(found, true) == pytest.approx(expected.mean())
    for (i, threshold), label in itertools.product(enumerate(np.linspace(0.5, 0.95, 10)), range(3)):
        ours = [(boxes[names == label], s[names == label]) for boxes, s, names in found]
        theirs = [boxes[names == label] for boxes, names in true]
        precision = b.average_precision(ours, theirs, threshold)
        assert precision == pytest.approx(expected[i, label]), (threshold, label)


def test_only_the_best_hundred_of_a_picture_count(monkeypatch):
    monkeypatch.setattr("tta_helpers.boxes.judging.MOST", 1000)
    assert b.mean_average_precision(split("found"), split("true")) != pytest.approx(
        EXPECTED["precisions_5"].mean()
    )


def test_resampled_pictures_count_as_often_as_they_are_drawn():
    found = b.mean_average_precision(split("found"), split("true"), resamples=EXPECTED["draws"])
    np.testing.assert_allclose(found, EXPECTED["draws_map"])


def test_map_of_one_class_that_is_named_and_of_none():
    found, true = [(BOXES, [0.5] * 4, ["cell"] * 4)], [(BOXES[:2], ["cell"] * 2)]
    labels = [*true[0][1], "dust"]
    # Two right, then two wrong with the same score: all found at precision 1; dust never is.
    assert b.mean_average_precision(found, true) == pytest.approx(1)
    assert b.mean_average_precision(found, [(BOXES[:3], labels)]) == pytest.approx(0.5)
    assert np.isnan(b.mean_average_precision(found, [([], [])]))
    draws = b.mean_average_precision(found * 2, [*true, ([], [])], resamples=[[0, 1], [1, 1]])
    np.testing.assert_allclose(draws, [1, np.nan])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: b.average_precision([], [BOXES], 0.5), "of 0 pictures and truths of 1"),
        (lambda: b.average_precision([(BOXES, [1])], [BOXES], 0.5), "scores of predictions[0]"),
        (lambda: b.average_precision([(BOXES,)], [BOXES], 0.5), "predictions[0] holds 1 arrays"),
        (lambda: b.average_precision([([], [])], [[]], 50), "threshold is 50"),
        (lambda: b.mean_average_precision([([], [], [])], [[]]), "truths[0] holds 0 arrays"),
        (
            lambda: b.mean_average_precision([([], [], [])], [(BOXES, [1])]),
            "labels of truths[0] have shape (1,)",
        ),
        (
            lambda: b.mean_average_precision([([], [], [])], [([], [])], resamples=[[1]]),
            "resamples run from 1 to 1",
        ),
        (
            lambda: b.mean_average_precision([([], [], [])], [([], [])], resamples=[0.5]),
            "resamples are float64 (1,)",
        ),
    ],
)
def test_precision_names_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call()
