"""What is measured image by image: right or wrong, losses, ranks, and views that disagree."""

import numpy as np
from scipy import stats

from tta_helpers.policies import checked_probs, cross_entropy


def correct(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return for each image whether its highest score is at its label, shape (images,) bool."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(
            f"labels {labels.shape} and scores {scores.shape} do not belong together; "
            "give labels (images,) and scores (images, classes) for at least one image."
        )
    if scores.shape[1] == 1:
        raise ValueError(
            f"scores have one column, shape {scores.shape}: of one class every image is right. A "
            "sigmoid p becomes two classes with np.concatenate([1 - p, p], axis=1)."
        )
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        raise ValueError(
            f"labels run from {labels.min()} to {labels.max()}; the {scores.shape[1]} classes are "
            f"numbered from 0 to {scores.shape[1] - 1}."
        )
    if no_answer := int(np.isnan(scores).any(axis=1).sum()):
        raise ValueError(
            f"{no_answer} of {len(scores)} rows of scores hold NaN, which is no answer; has the "
            "training diverged?"
        )
    return scores.argmax(axis=1) == labels


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of images that are right, between 0 and 1."""
    return float(correct(labels, scores).mean())


def negative_log_likelihood(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each image's cross-entropy in nats, at most 16.1, shape (images,)."""
    return cross_entropy(labels, np.asarray(probs)[None])[:, 0]


def brier_score(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each image's squared distance of probs and truth, from 0 to 2, shape (images,).

    Brier 1950, summed over the classes.
    """
    correct(labels, probs)
    checked_probs(np.asarray(probs)[None])
    truth = np.eye(np.shape(probs)[1])[labels]
    return ((probs - truth) ** 2).sum(axis=1)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of each row of two arrays (images, views): (images,).

    Ties get their mean rank. A row in which all values are equal has no order: its correlation
    is 0.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 2:
        raise ValueError(
            f"shapes {first.shape} and {second.shape} must be one (images, views), 2 views or more."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Values that are not finite have no rank; has the training diverged?")
    a, b = (stats.rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (first, second))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def disagreement(probs: np.ndarray) -> np.ndarray:
    """Return the share of an image's views that name another class than their mean, (images,).

    From probs of shape (views, images, classes).
    """
    probs = checked_probs(probs)
    return (probs.argmax(axis=-1) != probs.mean(axis=0).argmax(axis=-1)).mean(axis=0)
