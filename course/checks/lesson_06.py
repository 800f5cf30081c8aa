"""Checks of the exercises of lesson 06, on masks and boxes."""

from itertools import combinations

import numpy as np

from course.checks.judging import Hint, array, call, exercise, judge, number, same
from course.checks.scenes import draw_boxes, draw_maps, draw_masks, overlaps_of
from tta_helpers import metrics

RECALLS = np.linspace(0, 1, 101)


@exercise
def not_undone(answer, rng):
    """Check the IoU of a mask that was averaged with its mirror image as it came."""
    judge(
        number(answer),
        0.5,
        {
            "the columns of the mirror image pass too, and they are not in the true mask.": 1.0,
            "an average of one half lies above the threshold.": 0.0,
            "what both masks share counts once in the union.": 1 / 3,
            "an IoU is never above 1: what is shared stands above, what either holds below.": 2.0,
        },
        "count the columns in both masks, and those in either.",
    )


@exercise
def mean_of_turns(answer, rng):
    """Check the mean of maps that are each turned back."""
    turns = [int(k) for k in rng.permutation(4)]
    truth = draw_masks(rng, 12, 20)
    drawn = draw_maps(rng, truth, 4)
    maps = np.stack([_turned(m, k) for m, k in zip(drawn, turns, strict=True)])
    found = array(call(answer, maps, turns), truth.shape, "(pictures, rows, columns)")
    if found.min() < 0 or found.max() > 1:
        raise Hint("a mean of probabilities lies between 0 and 1; is this their sum?")
    each = list(zip(maps, turns, strict=True))
    judge(
        found,
        drawn.mean(axis=0),
        {
            "averaged as they come: each map shows the picture in its own position.": (
                maps.mean(axis=0)
            ),
            "turned on and not back: each turn has to be taken back.": np.mean(
                [_turned(*pair) for pair in each], axis=0
            ),
            "a mirror image is no turn, and takes none back.": np.mean(
                [m[:, :, ::-1] if k else m for m, k in each], axis=0
            ),
        },
        "turn each map by as many quarter turns as its view, the other way round.",
    )
    one, forgotten, averaged = (
        metrics.mask_iou(p > 0.4, truth).mean() for p in (drawn[0], maps.mean(axis=0), found)
    )
    return (
        f"On the {len(truth)} scenes drawn here the mean IoU is {averaged:.2f}, {one:.2f} with one "
        f"view and {forgotten:.2f} if nothing is turned back."
    )


def _turned(maps, quarters):
    return np.rot90(maps, quarters, axes=(1, 2))


@exercise
def mirrored_boxes(answer, rng):
    """Check where boxes of the mirror image lie in the picture."""
    width = int(rng.integers(90, 130))
    seen = draw_boxes(rng, 7, width, 60)
    x0, y0, x1, y1 = seen.T

    def box(*edges):
        return np.stack(edges, axis=1)

    found = array(call(answer, seen, width), seen.shape, "(boxes, 4)")
    judge(
        found,
        box(width - x1, y0, width - x0, y1),
        {
            "left and right must change places: these boxes have a negative width.": (
                box(width - x0, y0, width - x1, y1)
            ),
            "edges are no pixels: the edge 0 becomes the edge `width`, the last one.": (
                box(width - 1 - x1, y0, width - 1 - x0, y1)
            ),
            "the boxes are still in the mirror.": seen,
            "y has no part in it: the mirror leaves up and down.": (
                box(width - x1, width - y1, width - x0, width - y0)
            ),
            "only one of the two edges was moved.": box(width - x1, y0, x1, y1),
        },
        "what was x from the left edge is x from the right edge now.",
    )


@exercise
def gain_in_iou(answer, rng):
    """Check a gain in mean IoU over pictures."""
    truth = draw_masks(rng, 12, 24)
    before, after = (rng.random((3, *truth.shape)) < rate for rate in (0.08, 0.03))
    before, after = truth ^ before[0], truth ^ after[0]
    truth[:2], after[0] = False, False  # nothing is there; after says so of one
    found = number(call(answer, before, after, truth))
    if abs(found) > 1:
        raise Hint("an IoU lies between 0 and 1, so no gain is above 1: not in points here.")
    scores = {name: (_scores(before, truth, name), _scores(after, truth, name)) for name in AREAS}
    zeros = [metrics.mask_iou(m, truth) * (m | truth).any(axis=(1, 2)) for m in (before, after)]
    judge(
        found,
        np.mean(scores["union"][1] - scores["union"][0]),
        {
            "all pictures are thrown in one heap: then large objects count for more.": (
                _heaped(after, truth) - _heaped(before, truth)
            ),
            "two empty masks agree: such a picture has an IoU of 1.": np.mean(zeros[1] - zeros[0]),
            "that is the share of right pixels; the background is no part of an IoU.": (
                np.mean(after == truth) - np.mean(before == truth)
            ),
            "the sum of both areas is no union: shared pixels stand in it twice.": (
                np.mean(scores["sum"][1] - scores["sum"][0])
            ),
            "the gain is after less before.": np.mean(scores["union"][0] - scores["union"][1]),
        },
        "one IoU a picture, before and after; then the mean of the differences.",
    )
    change = metrics.compare_values(*scores["union"])
    return (
        f"On the {len(truth)} scenes drawn here: {100 * change.gain:+.1f} points of IoU, 95 % "
        f"interval {100 * change.low:+.1f} to {100 * change.high:+.1f}."
    )


AREAS = {
    "union": lambda masks, truth: (masks | truth).sum(axis=(1, 2)),
    "sum": lambda masks, truth: masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2)),
}


def _scores(masks, truth, area):
    """Return what is shared as a share of an area of each picture, 1 where both are empty."""
    below = AREAS[area](masks, truth)
    return np.where(below > 0, (masks & truth).sum(axis=(1, 2)) / np.maximum(below, 1), 1)


def _heaped(masks, truth):
    return (masks & truth).sum() / (masks | truth).sum()


@exercise
def wrong_among_surest(answer, rng):
    """Check the share of errors among the pixels on which the views agree most."""
    truth = draw_masks(rng, 8, 24)
    threshold, kept = float(rng.uniform(0.4, 0.6)), float(rng.uniform(0.6, 0.8))
    while True:  # until each wrong way leads elsewhere
        maps = draw_maps(rng, truth, 4)
        spread, mean = maps.std(axis=0), maps.mean(axis=0)
        wrong, of_one = (mean > threshold) != truth, (maps[0] > threshold) != truth
        inside = _least(spread, kept)
        ways = [
            wrong[inside].mean(),
            wrong[_least(-spread, kept)].mean(),
            wrong[inside].sum() / wrong.size,
            of_one[inside].mean(),
            wrong[_least(-np.abs(mean - threshold), kept)].mean(),
        ]
        if _differ(ways):
            break
    found = number(call(answer, maps, truth, threshold, kept))
    if not 0 <= found <= 1:
        raise Hint("a share lies between 0 and 1.")
    judge(
        found,
        ways[0],
        {
            "those are the pixels on which the views disagree most.": ways[1],
            "divided by all pixels, not by those that are kept.": ways[2],
            "the mask comes from the average of the views, not from one of them.": ways[3],
            "that is the confidence of the average; how far do the views disagree?": ways[4],
            "that is the share of right pixels.": 1 - ways[0],
        },
        "order all pixels by the deviation over the views, and judge those that come first.",
    )
    return (
        f"Of all pixels drawn here {wrong.mean():.1%} are wrong; of the {kept:.0%} on which the "
        f"views agree most, {found:.1%}."
    )


def _differ(ways):
    """Return whether no two of some results are the same number."""
    return not any(same(one, other) for one, other in combinations(ways, 2))


def _least(values, share):
    """Return where the least of some values are, as many as the share asks for."""
    rank = values.ravel().argsort().argsort().reshape(values.shape)
    return rank < int(share * values.size)


def _kept(order, overlaps, threshold, against):
    """Return which boxes stay; `against` picks from (staying, seen so far) what drives one out."""
    staying, seen = [], []
    for k in order:
        if all(overlaps[k, other] <= threshold for other in against(staying, seen)):
            staying.append(k)
        seen.append(k)
    return np.sort(staying)


@exercise
def nms(answer, rng):
    """Check which boxes non-maximum suppression keeps."""
    while True:  # until each wrong way leads elsewhere
        scores, boxes = rng.permutation(np.linspace(0.2, 0.95, 12)), draw_boxes(rng, 12, 60, 40)
        overlaps, threshold = overlaps_of(boxes), float(rng.uniform(0.1, 0.3))
        order = np.argsort(-scores)
        ways = [
            _kept(order, overlaps, threshold, lambda staying, seen: staying),
            _kept(range(12), overlaps, threshold, lambda staying, seen: staying),
            _kept(order, overlaps, threshold, lambda staying, seen: seen),
            _kept(order, overlaps, threshold, lambda staying, seen: staying[-1:]),
        ]
        if _differ(ways):
            break
    found = call(answer, scores, overlaps, threshold)
    found = array(found, np.shape(found)[:1], "numbers of boxes, in one row")
    if not np.isin(found, np.arange(12)).all() or len(np.unique(found)) < len(found):
        raise Hint("the result should be numbers of boxes, from 0, none of them twice.")
    judge(
        np.sort(found),
        ways[0],
        {
            "the surest box comes first, not the first of the heap.": ways[1],
            "a box that has gone drives out no other.": ways[2],
            "each box has to be held against all that stay, not against the last one.": ways[3],
            "those are the boxes that go.": np.setdiff1d(order, ways[0]),
        },
        "a box joins if none of those that stay overlaps it by more than the threshold.",
    )
    return f"Of 12 boxes {len(found)} stay."


@exercise
def fused(answer, rng):
    """Check the fused box of one object."""
    n, n_views = int(rng.integers(3, 6)), int(rng.integers(6, 9))
    share, mean, scores = n / n_views, 0.0, np.zeros(n)
    while not _differ([mean, share * mean, scores.max(), share * scores.max()]):
        scores = rng.permutation(np.linspace(0.2, rng.uniform(0.7, 0.95), n))
        mean = scores.mean()
    boxes = draw_boxes(rng, 1, 80, 60) + rng.normal(scale=1.5, size=(n, 4))
    found = array(call(answer, boxes, scores, n_views), (5,), "x0, y0, x1, y1 and the score")
    box, even, best = scores @ boxes / scores.sum(), boxes.mean(axis=0), scores.argmax()
    judge(
        found,
        [*box, share * mean],
        {
            "views that saw nothing lower the score: it is multiplied by the share that saw.": (
                [*box, mean]
            ),
            "in the mean box all count the same; a box should count by its score.": (
                [*even, share * mean]
            ),
            "that is the best box alone: NMS would keep it.": [*boxes[best], scores[best]],
            "the score is the highest one, not the mean.": [*box, share * scores[best]],
        },
        "the mean box, weighted by the scores; then the mean score times the share of the views.",
    )
    off = np.abs(boxes - box).max()
    return f"The farthest edge of the {n} boxes lies {off:.1f} pixels from the fused one's."


@exercise
def average_precision(answer, rng):
    """Check the average precision of one class."""
    n_true = int(rng.choice([17, 19, 23]))  # no recall between 0 and 1 falls on one of the 101
    while True:  # until all wrong ways lead elsewhere
        scores = rng.permutation(np.linspace(0.05, 0.95, 26))
        right = rng.random(26) < scores
        if not 8 <= right.sum() < n_true:
            continue
        in_order, n = right[np.argsort(-scores)], right.sum()
        heights = _heights(in_order, n_true)
        values = [
            heights.mean(),
            _heights(right, n_true).mean(),
            _heights(in_order, n).mean(),
            _heights(in_order, n_true, first=True).mean(),
            heights[n / n_true >= RECALLS].mean(),
        ]
        if _differ(values):
            break
    found = number(call(answer, scores, right, n_true))
    if not 0 <= found <= 1:
        raise Hint("a mean of precisions lies between 0 and 1.")
    judge(
        found,
        values[0],
        {
            "the boxes are not in order: the surest one comes first.": values[1],
            "recall is a share of the true objects, those that are missed as well.": values[2],
            "the best precision counts that is reached at that recall or further on.": values[3],
            "recalls that are never reached count as 0.": values[4],
            "that is the precision of all boxes together.": right.mean(),
        },
        "precision and recall after each box; then 101 recalls, the best precision for each.",
    )
    return f"{n} of {n_true} objects are found, with {26 - n} wrong boxes among them: {found:.2f}."


def _heights(right, n_true, first=False):
    """Return the precision at 101 recalls, of boxes in order; `first` takes the first, not best."""
    found = np.cumsum(right)
    precision, recall = found / np.arange(1, len(right) + 1), found / n_true
    if not first:
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    return np.append(precision, 0)[np.searchsorted(recall, RECALLS)]
