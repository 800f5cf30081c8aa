"""The solutions of lesson 06's exercises do what the package does, on scenes drawn here."""

import numpy as np
import pytest
from PIL import Image

from course import sources
from course.checks import scenes
from course.proving import answer_in
from tta_helpers import boxes, metrics
from tta_helpers.views import FLIP

LESSON = "06_boxes_and_masks"
SOLUTIONS = {e.name: sources.solution_of(e.answer) for e in sources.exercises(LESSON)}


def solution(name):
    return answer_in(SOLUTIONS[name], name, LESSON)


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


def test_scenes_are_what_they_say(rng):
    masks = scenes.draw_masks(rng, 30, 20)
    assert masks.shape == (30, 20, 20) and masks.any(axis=(1, 2)).all()
    assert all((masks != np.rot90(masks, k, axes=(1, 2))).any(axis=(1, 2)).all() for k in (1, 2, 3))
    maps = scenes.draw_maps(rng, masks, 4)
    assert maps.shape == (4, 30, 20, 20) and 0 < maps.min() < maps.max() < 1
    some = scenes.draw_boxes(rng, 30, 50, 40)
    assert (some >= 0).all() and (some <= [50, 40, 50, 40]).all() and boxes.has_size(some).all()
    np.testing.assert_allclose(scenes.overlaps_of(some), boxes.iou(some, some), atol=1e-12)


def test_the_mirror_and_the_turns_are_those_of_others(rng):
    seen = scenes.draw_boxes(rng, 9, 90, 60)
    expected = boxes.undo_boxes(FLIP[1], seen, (60, 90))
    np.testing.assert_allclose(solution("mirrored_boxes")(seen, 90), expected, atol=1e-9)
    truth = rng.random((3, 8, 8))
    turn = {1: Image.Transpose.ROTATE_90, 3: Image.Transpose.ROTATE_270}
    maps = np.stack(
        [
            [np.array(Image.fromarray(p.astype("f4")).transpose(turn[k])) for p in truth]
            for k in turn
        ]
    )
    np.testing.assert_allclose(solution("mean_of_turns")(maps, [1, 3]), truth, atol=1e-6)


def test_masks_are_measured_as_the_package_does(rng):
    truth, before, after = rng.random((3, 9, 6, 6)) < 0.4
    before[0] = truth[0] = False
    expected = metrics.compare_values(*(metrics.mask_iou(m, truth) for m in (before, after))).gain
    assert solution("gain_in_iou")(before, after, truth) == pytest.approx(expected)


def test_boxes_are_merged_as_the_package_does(rng):
    some, scores, labels = scenes.draw_boxes(rng, 20, 50, 40), rng.random(20), np.zeros(20, int)
    staying = solution("nms")(scores, boxes.iou(some, some), 0.2)
    np.testing.assert_array_equal(some[staying], boxes.nms(some, scores, labels, 0.2)[0])
    near = some[0] + rng.uniform(-0.1, 0.1, (4, 4))
    expected = boxes.weighted_box_fusion(near, scores[:4], labels[:4], np.arange(4), 0.55, 7)
    found = solution("fused")(near, scores[:4], 7)
    np.testing.assert_allclose(found, np.append(*(part[0] for part in expected[:2])), atol=1e-9)


def test_boxes_are_judged_as_the_package_does(rng):
    true = np.arange(17)[:, None] * 20.0 + np.array([0, 0, 10, 10])
    right = rng.random(17) < 0.7
    found = np.where(right[:, None], true, true + 300)
    scores = rng.random(17)
    expected = boxes.average_precision([(found, scores)], [true], 0.5)
    assert solution("average_precision")(scores, right, 17) == pytest.approx(expected)
