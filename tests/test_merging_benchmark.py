"""The benchmark of merge rules: its pictures, its comparison, its words without a rival."""

import importlib.util

import numpy as np
import pytest

from benchmarks import merging
from tta_helpers.workbook.place import RunError


def test_a_picture_holds_a_hundred_boxes_a_view_inside_it():
    boxes, scores, labels, views = merging.picture(np.random.default_rng(0))
    assert boxes.shape == (800, 4) and len(scores) == len(labels) == 800
    assert np.bincount(views).tolist() == [100] * 8
    assert boxes.min() >= 0 and boxes.max() <= 1


def test_both_rules_leave_fewer_boxes_and_every_object():
    pictures = [merging.picture(np.random.default_rng(seed)) for seed in (1, 2)]
    for rule in merging.ours(pictures).values():
        for _, scores, _ in rule():
            assert merging.OBJECTS / 2 < len(scores) < 800 and (np.diff(scores) <= 0).all()


def test_what_two_programs_leave_is_compared_box_by_box_whatever_their_order():
    boxes, scores = np.array([[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.7, 0.7]]), np.array([0.9, 0.4])

    def leaves(*parts):
        return lambda: [(*parts, None)]

    mine, other = leaves(boxes, scores), leaves(boxes[::-1] + 0.02, scores[::-1])
    assert merging.largest_difference("NMS", mine, other) == pytest.approx(0.02)
    with pytest.raises(RunError, match="NMS leaves 2 boxes here and 1 there"):
        merging.largest_difference("NMS", mine, leaves(boxes[:1], scores[:1]))


@pytest.mark.skipif(importlib.util.find_spec("ensemble_boxes") is not None, reason="it is there")
def test_without_its_rival_it_says_how_to_get_it_and_writes_nothing(capsys):
    before = merging.PAGE.read_bytes()
    assert merging.main() == 1
    assert "pip install --target FOLDER ensemble-boxes==1.0.9" in capsys.readouterr().err
    assert merging.PAGE.read_bytes() == before
