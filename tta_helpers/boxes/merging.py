"""Merge rules: from the pooled boxes of several views to one box an object."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tta_helpers.boxes.arrays import checked, checked_decay, checked_views
from tta_helpers.boxes.overlap import areas, overlap_of, pairwise_iou

Merged = tuple[np.ndarray, np.ndarray, np.ndarray]  # boxes (m, 4), scores (m,), labels (m,)
AT_ONCE = 256  # groups: what a step reads then stays in the processor's cache
TINY = 1e-12  # in place of a score of 0, so that boxes of no score have a mean too


def nms(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray, threshold: float) -> Merged:
    """Keep the best of the boxes that overlap: greedy non-maximum suppression.

    Parameters
    ----------
    boxes, scores, labels
        Pooled over the views: floats (n, 4), floats in [0, 1] (n,), any labels (n,). Boxes of
        different labels never meet.
    threshold
        In [0, 1]. A box goes whose IoU with a better one that stays is higher.

    Returns
    -------
    Boxes (m, 4), scores (m,) and labels (m,), the highest score first; equal ones as given.

    Raises
    ------
    ValueError
        If boxes, scores, labels or the threshold are not of the form above.
    """
    boxes, scores, labels = checked(boxes, scores, labels, threshold)
    cluster, n_clusters = _clustered(boxes, scores, labels, threshold, fused=False)
    order = np.argsort(scores[::-1], kind="stable")  # the worst first, equal ones from the end
    best = np.zeros(n_clusters, int)
    best[cluster[::-1][order]] = np.arange(len(boxes))[::-1][order]  # the last to come stays
    best.sort()
    return _in_order(boxes[best], scores[best], labels[best])


def soft_nms(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    threshold: float = 0.5,
    *,
    decay: str = "linear",
    sigma: float = 0.5,
    least: float = 0.001,
) -> Merged:
    """Lower the scores of the boxes that overlap better ones: Bodla et al., ICCV 2017.

    Parameters
    ----------
    boxes, scores, labels
        As for `nms`.
    threshold
        In [0, 1]; "linear" lowers a score only where the IoU is higher.
    decay
        "linear": times 1 - IoU; "gaussian": times exp(-IoU² / sigma).
    sigma
        Above 0; "gaussian" alone takes it.
    least
        Boxes whose score does not stay above this go.

    Returns and errors are those of `nms`; scores are the lowered ones.
    """
    boxes, scores, labels = checked(boxes, scores, labels, threshold)
    checked_decay(decay, sigma, least)

    def kept(overlap):
        if decay == "gaussian":
            return np.exp(-np.square(overlap) / sigma)
        return np.where(overlap > threshold, 1 - overlap, 1)

    scores = scores.copy()
    for rows, sizes in _groups(scores, labels, AT_ONCE // 16):
        inside = np.arange(rows.shape[1]) < sizes[:, None]
        numbered = np.where(inside, [scores[rows], rows], -1)
        state = np.concatenate([boxes.T[:, rows], numbered])
        _lower(state, kept, least)
        *_, lowered, rows = state[:, state[5] >= 0]
        scores[rows.astype(int)] = lowered
    stays = scores > least
    return _in_order(boxes[stays], scores[stays], labels[stays])


def _lower(state, kept, least):
    """Lower scores in place: state is x0, y0, x1, y1, score and number of boxes (6, labels, n).

    Step k brings the best of what is left to place k, and lowers what follows it. Places that only
    fill a label up have scores below 0 and are never the best before all others are done.
    """
    every = np.arange(state.shape[1])
    for k in range(state.shape[2] - 1):
        best = k + state[4, :, k:].argmax(axis=1)
        state[:, every, best], state[:, :, k] = state[:, :, k], state[:, every, best]
        if state[4, :, k].max() <= least:
            break
        rest = state[:, :, k + 1 :]
        rest[4] *= kept(pairwise_iou(state[:4, :, k : k + 1], rest[:4]))


def weighted_box_fusion(
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    views: np.ndarray,
    threshold: float,
    n_views: int,
    weights: np.ndarray | None = None,
) -> Merged:
    """Average the boxes that overlap: Solovyev, Wang and Gabruseva 2021.

    In order of score, a box joins the cluster of its label whose fused box it overlaps most, if by
    more than the threshold, or starts one. A fused box is the mean of its members by score. Its
    score is their mean, times min(members, n_views) / n_views: what few views saw counts less.

    Parameters
    ----------
    boxes, scores, labels, threshold
        As for `nms`; for detectors 0.55 is usual.
    views
        Which view each box is from, integers from 0, shape (n,).
    n_views
        How many views there are, those without a box included.
    weights
        One number a view, not negative; scores are multiplied by them. Default: all alike.

    Returns and errors are those of `nms`. With unequal weights a view that shows an object twice
    could take a score above 1, where it is cut.
    """
    boxes, scores, labels = checked(boxes, scores, labels, threshold)
    views, weights = checked_views(boxes, views, n_views, weights)
    weighted = scores * weights[views]
    cluster, n_clusters = _clustered(boxes, weighted, labels, threshold, fused=True)
    count = np.bincount(cluster, minlength=n_clusters)
    share = np.maximum(weighted, TINY)
    total = np.bincount(cluster, share, n_clusters)
    fused = [np.bincount(cluster, share * x, n_clusters) / total for x in boxes.T]
    found = np.bincount(cluster, weighted, n_clusters) / count * np.minimum(count, n_views)
    names = np.zeros(n_clusters, labels.dtype)
    names[cluster] = labels
    return _in_order(np.stack(fused, axis=1), np.minimum(found, 1), names)


def merge_pictures(
    rule: Callable[..., Merged], pictures: Sequence[Sequence[np.ndarray]], *args: Any, **kwargs: Any
) -> list[Merged]:
    """Apply a merge rule to many pictures side by side, which is many times as fast.

    Parameters
    ----------
    rule
        `nms`, `soft_nms` or `weighted_box_fusion`.
    pictures
        For each, what the rule takes of every box: (boxes, scores, labels), or (boxes, scores,
        labels, views) for fusion.
    *args, **kwargs
        What else the rule takes, such as the threshold.

    Returns
    -------
    list of (boxes, scores, labels), one a picture.

    Raises
    ------
    ValueError
        As the rule does, with boxes numbered through all pictures; if a picture's parts are not
        equally long.
    """
    if not len(pictures):
        return []
    counts = _counts(pictures)
    boxes, scores, labels, *views = map(_joined, zip(*pictures, strict=True))
    # Boxes of different labels never meet: a label of its own keeps every picture apart.
    names, code = np.unique(labels, return_inverse=True)
    own = np.repeat(np.arange(len(pictures)), counts) * max(len(names), 1) + code
    boxes, scores, own = rule(boxes, scores, own, *views, *args, **kwargs)
    picture, code = np.divmod(own, max(len(names), 1))
    order = np.argsort(picture, kind="stable")
    ends = np.cumsum(np.bincount(picture, minlength=len(pictures)))[:-1]
    columns = (np.split(part[order], ends) for part in (boxes, scores, names[code]))
    return list(zip(*columns, strict=True))


def _counts(pictures):
    """Return how many boxes each picture has, or say which one's parts do not fit."""
    for i, picture in enumerate(pictures):
        lengths = [len(part) for part in picture]
        if len(lengths) != len(pictures[0]) or len(lengths) < 3 or len({*lengths}) > 1:
            raise ValueError(
                f"pictures[{i}] holds {lengths} boxes, scores, labels ...; give as many of each, "
                "and of the views too if the rule takes them."
            )
    return [len(picture[0]) for picture in pictures]


def _joined(parts):
    """Return the arrays of all pictures end to end; those of no box have no say in the type."""
    parts = [part for part in parts if len(part)]
    return np.concatenate(parts) if parts else np.zeros(0, int)


def _in_order(boxes, scores, labels):
    """Return boxes, scores and labels, the highest score first; equal ones stay in order."""
    order = np.argsort(-scores, kind="stable")
    return boxes[order], scores[order], labels[order]


def _groups(scores, labels, at_once) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield blocks of labels, those of most boxes first, to go through side by side.

    Each is rows (labels, most boxes of one): the numbers of its boxes, best score first, padded
    with the best; and sizes (labels,): how many of them count.
    """
    order = np.lexsort((-scores, labels))
    ours = labels[order]
    starts = np.flatnonzero(np.append(True, ours[1:] != ours[:-1])[: len(ours)])
    counts = np.diff(starts, append=len(ours))
    by_size = np.argsort(-counts, kind="stable")
    for block in np.split(by_size, range(at_once, len(by_size), at_once)):
        sizes = counts[block]
        steps = np.arange(sizes.max(initial=0))
        steps = np.where(steps < sizes[:, None], steps, 0)
        yield order[starts[block][:, None] + steps], sizes


def _clustered(boxes, scores, labels, threshold, fused):
    """Return the number of each box's cluster, shape (n,), and how many clusters there are.

    In order of score, a box joins the cluster of its label that it overlaps most, if by more than
    the threshold, or starts one. What is overlapped is the cluster's first box, or the `fused` one.
    One step takes the next box of every label of a block.
    """
    cluster, n_places = np.empty(len(boxes), int), 0
    boxes, share = boxes.T, np.maximum(scores, TINY)
    for rows, sizes in _groups(scores, labels, AT_ONCE):
        rows = rows.T  # a step reads one row
        inside = np.arange(len(rows))[:, None] < sizes
        places = _places(boxes[:, rows], share[rows], inside.sum(axis=1), threshold, fused)
        places += n_places + np.arange(len(sizes)) * len(rows)
        cluster[rows[inside]] = places[inside]
        n_places += rows.size
    taken = np.zeros(n_places, bool)
    taken[cluster] = True
    return (np.cumsum(taken) - 1)[cluster], np.count_nonzero(taken)


def _places(boxes, share, active, threshold, fused):
    """Return each box's cluster among those of its label, (steps, labels).

    Boxes are (4, steps, labels), share (steps, labels): how much a box pulls at the fused one.
    Step k has a box for the first active[k] labels only.
    """
    n_steps, n_labels = share.shape
    places = np.zeros((n_steps, n_labels), int)
    held = np.zeros((4, n_labels, n_steps))  # the clusters' boxes; free places have no size
    area, weight = np.zeros((n_labels, n_steps)), np.zeros((n_labels, n_steps))
    count = np.zeros(n_labels, int)
    for k, n in enumerate(active.tolist()):
        box, used, every = boxes[:, k, :n], count.max() + 1, np.arange(n)
        size = areas(box)
        overlap = overlap_of(held[:, :n, :used], area[:n, :used], box[..., None], size[:, None])
        best = overlap.argmax(axis=1)
        new = overlap[every, best] <= threshold
        best = places[k, :n] = np.where(new, count[:n], best)
        count[:n] += new
        if fused:
            weight[every, best] += share[k, :n]
            mean = held[:, every, best]
            mean += share[k, :n] / weight[every, best] * (box - mean)
            held[:, every, best], area[every, best] = mean, areas(mean)
        else:
            at = every[new], best[new]
            held[:, *at], area[at] = box[:, new], size[new]
    return places
