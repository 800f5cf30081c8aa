"""Average precision of boxes, as COCO counts it (Lin et al., ECCV 2014)."""

from collections.abc import Sequence

import numpy as np

from tta_helpers.boxes.arrays import (
    checked_boxes,
    checked_labels,
    checked_scores,
    checked_threshold,
)
from tta_helpers.boxes.overlap import pairwise_iou

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the IoU
RECALLS = np.linspace(0, 1, 101)
MOST = 100  # boxes of a picture and class that are judged, the best by score


def average_precision(
    predictions: Sequence[tuple[np.ndarray, np.ndarray]],
    truths: Sequence[np.ndarray],
    iou_threshold: float,
) -> float:
    """Return the average precision of one class, between 0 and 1.

    In order of score over all pictures, a box is right if, of the true boxes of its picture that no
    better box has taken, the one that it overlaps most has an IoU of at least the threshold. The
    precision at each recall is the best at that recall or a higher one, and its mean over 101
    recalls from 0 to 1 is the average precision.

    Parameters
    ----------
    predictions
        For each picture (boxes, scores): floats (n, 4) and floats in [0, 1] (n,). The 100 best of a
        picture count.
    truths
        For each picture its boxes, floats (m, 4).
    iou_threshold
        In [0, 1].

    Returns
    -------
    float; NaN if there is no true box.

    Raises
    ------
    ValueError
        If boxes, scores or the threshold are not of the form above, or the pictures not as many.
    """
    thresholds = np.array([checked_threshold(iou_threshold)])
    predictions, truths = _checked(predictions, truths, ("boxes", "scores"), ("boxes",))
    found = [boxes_scores for *boxes_scores, _ in predictions]
    hits = _Hits(found, [boxes for boxes, _ in truths], thresholds)
    return float(hits.precisions(np.ones(len(truths)))[0])


def mean_average_precision(
    predictions: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]],
    truths: Sequence[tuple[np.ndarray, np.ndarray]],
    resamples: np.ndarray | None = None,
) -> float | np.ndarray:
    """Return COCO's mAP: the mean over IoU thresholds 0.5, 0.55 ... 0.95 and the classes.

    Parameters
    ----------
    predictions
        For each picture (boxes, scores, labels), as a merge rule returns them. The 100 best of a
        picture and class count.
    truths
        For each picture (boxes, labels).
    resamples
        Integers (k, n): numbers of pictures, each row one draw with replacement, for an interval.
        Boxes are matched only once for all of them.

    Returns
    -------
    float, or with `resamples` floats (k,). Classes without a true box do not count; where no class
    has one, NaN.

    Raises
    ------
    ValueError
        As for `average_precision`; if a row of `resamples` names no picture.
    """
    predictions, truths = _checked(
        predictions, truths, ("boxes", "scores", "labels"), ("boxes", "labels")
    )
    times = _times(resamples, len(truths))
    found = []
    for label in sorted({label for _, labels in truths for label in labels.tolist()}):
        ours = [(b[own == label], s[own == label]) for b, s, own in predictions]
        hits = _Hits(ours, [b[own == label] for b, own in truths], THRESHOLDS)
        found.append([hits.precisions(row).mean() for row in times])
    found = np.array(found or [[np.nan] * len(times)])
    known = ~np.isnan(found)
    with np.errstate(invalid="ignore"):  # 0 / 0: no true box in any picture that was drawn
        means = np.where(known, found, 0).sum(axis=0) / known.sum(axis=0)
    return float(means[0]) if resamples is None else means


def _checked(predictions, truths, of_predictions, of_truths):
    """Return predictions (boxes, scores, labels) and truths (boxes, labels) of every picture.

    Where no labels belong to a picture, they are zeros.
    """
    if len(predictions) != len(truths):
        raise ValueError(
            f"There are predictions of {len(predictions)} pictures and truths of {len(truths)}; "
            "give both for every picture, empty ones too."
        )
    ours, theirs = [], []
    for i, (found, true) in enumerate(zip(predictions, truths, strict=True)):
        found = _parts(found, of_predictions, f"predictions[{i}]")
        true = _parts(true if len(of_truths) > 1 else (true,), of_truths, f"truths[{i}]")
        ours.append((found["boxes"], found["scores"], found["labels"]))
        theirs.append((true["boxes"], true["labels"]))
    return ours, theirs


def _parts(picture, names, where):
    """Return what belongs to one picture, by name and checked."""
    if len(picture) != len(names):
        raise ValueError(f"{where} holds {len(picture)} arrays; give ({', '.join(names)}).")
    given = dict(zip(names, picture, strict=True))
    boxes = checked_boxes(given["boxes"], f"boxes of {where}")
    scores = checked_scores(boxes, given.get("scores", np.ones(len(boxes))), f"scores of {where}")
    labels = checked_labels(boxes, given.get("labels", np.zeros(len(boxes))), f"labels of {where}")
    return {"boxes": boxes, "scores": scores, "labels": labels}


def _times(resamples, n_pictures):
    """Return how often each draw holds each picture, (k, pictures); without draws, once."""
    if resamples is None:
        return np.ones((1, n_pictures))
    resamples = np.asarray(resamples)
    if resamples.ndim != 2 or resamples.dtype.kind not in "iu":
        raise ValueError(
            f"resamples are {resamples.dtype} {resamples.shape}; give integers (k, n)."
        )
    if resamples.size and not 0 <= resamples.min() <= resamples.max() < n_pictures:
        raise ValueError(
            f"resamples run from {resamples.min()} to {resamples.max()}; pictures are numbered "
            f"from 0 to {n_pictures - 1}."
        )
    return np.array([np.bincount(row, minlength=n_pictures) for row in resamples], dtype=float)


class _Hits:
    """The boxes of one class over all pictures, by score, and which of them are right.

    hits (thresholds, n) bool, picture (n,) the number of each box's, n_true (pictures,).
    """

    def __init__(self, predictions, truths, thresholds):
        scores, hits = [np.zeros(0)], [np.zeros((len(thresholds), 0), bool)]
        for (boxes, score), true in zip(predictions, truths, strict=True):
            best = np.argsort(-score, kind="stable")[:MOST]
            scores.append(score[best])
            overlap = pairwise_iou(boxes[best].T[:, :, None], true.T[:, None])
            hits.append(_matched(overlap, thresholds))
        order = np.argsort(-np.concatenate(scores), kind="stable")
        self.hits = np.concatenate(hits, axis=1)[:, order]
        self.picture = np.repeat(np.arange(len(truths)), [len(score) for score in scores[1:]])
        self.picture = self.picture[order]
        self.n_true = np.array([len(true) for true in truths], dtype=int)

    def precisions(self, times):
        """Return the average precision at each threshold if picture i counts times[i] times."""
        n_true = times @ self.n_true
        if not n_true:
            return np.full(len(self.hits), np.nan)
        weight = times[self.picture]
        right = np.cumsum(self.hits * weight, axis=1)
        judged = np.maximum(np.cumsum(weight), 1)
        best = np.maximum.accumulate((right / judged)[:, ::-1], axis=1)[:, ::-1]
        best = np.concatenate([best, np.zeros((len(best), 1))], axis=1)  # recalls never reached
        rows = zip(best, right / n_true, strict=True)
        return np.array([b[np.searchsorted(recall, RECALLS)].mean() for b, recall in rows])


def _matched(overlap, thresholds):
    """Return which boxes, best first, take a true box, (thresholds, n); overlap is (n, m)."""
    hits = np.zeros((len(thresholds), len(overlap)), bool)
    every, free = np.arange(len(thresholds)), np.ones((len(thresholds), overlap.shape[1]), bool)
    for row in np.flatnonzero((overlap >= thresholds.min()).any(axis=1)):
        left = np.where(free, overlap[row], -1)
        best = left.argmax(axis=1)
        hits[:, row] = left[every, best] >= thresholds
        free[every, best] &= ~hits[:, row]
    return hits
