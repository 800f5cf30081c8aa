"""What the mirror does to a detector: boxes moved back, boxes fused, and maps turned instead."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.real.centernet import SIDE, cell_boxes, turned
from benchmarks.real.networks import Network
from tta_helpers import predict_views
from tta_helpers.boxes import iou, merge_pictures, nms, undo_boxes, weighted_box_fusion
from tta_helpers.boxes.merging import Merged
from tta_helpers.views import FLIP
from tta_helpers.workbook.detector import decode

LEAST = 0.25  # boxes of lower scores are left out
DOUBLED, SAME = 0.5, 0.55  # IoU of boxes of one object, in a view and of two views; the usual ones
AGREE = 0.5  # IoU of boxes that agree


@dataclass(frozen=True)
class BoxJudgement:
    """What a detector answers for some pictures and their mirror images; nobody drew true boxes.

    Attributes
    ----------
    network
        Which.
    pictures
        By name, (side, side, 3) uint8.
    answers
        By way, boxes, scores and labels of each picture: "alone"; "moved back", which is what the
        mirror image has; "fused", of both; "turned" and "averaged", the mirror image's maps turned
        round by columns, by themselves and averaged with the picture's.
    """

    network: Network
    pictures: Mapping[str, np.ndarray]
    answers: Mapping[str, list[Merged]]

    def count(self, way: str) -> int:
        """Return how many boxes there are in all pictures."""
        return sum(len(boxes) for boxes, _, _ in self.answers[way])

    def agreeing(self, way: str, other: str) -> int:
        """Return how many boxes of one way agree with one of the other."""
        both = zip(self.answers[way], self.answers[other], strict=True)
        return sum(len(agreeing(*pair)[0]) for pair in both)

    def gaps(self, way: str, other: str) -> np.ndarray:
        """Return how far right of one way's upright edges those of the other lie, in pixels."""
        both = zip(self.answers[way], self.answers[other], strict=True)
        return np.concatenate([gaps(*pair) for pair in both])


def agreeing(one: Merged, other: Merged) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the boxes in two answers that are of one class and overlap by half.

    Each is the other's best.
    """
    overlap = iou(one[0], other[0]) * (one[2][:, None] == other[2])
    if not overlap.size:
        return np.zeros(0, int), np.zeros(0, int)
    best, back = overlap.argmax(axis=1), overlap.argmax(axis=0)
    mutual = back[best] == np.arange(len(best))
    rows = np.flatnonzero(mutual & (overlap.max(axis=1) >= AGREE))
    return rows, best[rows]


def gaps(one: Merged, other: Merged) -> np.ndarray:
    """Return how far right of one answer's upright edges the other's lie, where boxes agree.

    Edges at the picture's frame are left out: they were cut there.
    """
    rows, others = agreeing(one, other)
    sides = np.array([one[0][rows], other[0][others]])[..., [0, 2]].reshape(2, -1)
    free = ((sides > 0) & (sides < SIDE)).all(axis=0)
    return (sides[1] - sides[0])[free]


def judged_boxes(network: Network, pictures: Mapping[str, np.ndarray]) -> BoxJudgement:
    """Judge a detector on pictures of `SIDE` x `SIDE` pixels."""
    images = np.stack([*pictures.values()])
    how = {"maps": False, "batch_size": 8, **network.options}
    plain, mirrored = predict_views(network.load(), images, FLIP, **how)
    back = [(undo_boxes(FLIP[1], b, (SIDE, SIDE)), *rest) for b, *rest in _boxes_of(mirrored)]
    answers = {"alone": _boxes_of(plain), "moved back": back}
    answers["fused"] = fused(answers["alone"], back)
    answers["turned"] = _boxes_of(turned(mirrored))
    answers["averaged"] = _boxes_of((plain + turned(mirrored)) / 2)
    return BoxJudgement(network, pictures, answers)


def _boxes_of(maps: np.ndarray) -> list[Merged]:
    """Return the boxes of each picture, doubled ones taken out."""
    found = [decode(one[..., :-4], cell_boxes(one), LEAST) for one in maps]
    return merge_pictures(nms, found, DOUBLED)


def fused(*views: list[Merged]) -> list[Merged]:
    """Return the fused boxes of each picture, from the answers of each view."""
    pooled = []
    for answers in zip(*views, strict=True):
        numbers = np.repeat(np.arange(len(views)), [len(boxes) for boxes, _, _ in answers])
        pooled.append((*map(np.concatenate, zip(*answers, strict=True)), numbers))
    return merge_pictures(weighted_box_fusion, pooled, SAME, len(views))
