"""Averages over views: each turns the predictions of all views into one an image."""

import numpy as np
from scipy import special

from tta_helpers.policies.arrays import (
    SMALLEST,
    checked_probs,
    checked_values,
    normalised_weights,
    softmax,
    weighted_mean,
)


def mean(
    probs: np.ndarray, weights: np.ndarray | None = None, *, outputs: str = "softmax"
) -> np.ndarray:
    """Average the probabilities over the views (soft voting).

    This is what the VGG paper does with an image and its mirror (Simonyan and Zisserman 2015,
    section 3.2).

    Parameters
    ----------
    probs
        Shape (views, images, classes), or of any kind of outputs that is said, maps included: where
        a view does not show a pixel, the others are averaged.
    weights
        One non-negative number a view.
    outputs
        "softmax", "sigmoid" (one probability a label) or "raw" (any numbers).
    """
    probs = checked_values(probs, outputs)
    return weighted_mean(probs, normalised_weights(weights, len(probs)))


def geometric_mean(
    probs: np.ndarray, weights: np.ndarray | None = None, *, outputs: str = "softmax"
) -> np.ndarray:
    """Multiply the probabilities over the views and take the root, then normalise each row.

    The same as averaging logits: a softmax's logits are its log-probabilities plus a constant that
    the final normalisation removes. It is computed with logarithms, where products of many small
    probabilities cannot underflow. A probability of exactly zero counts as the smallest positive
    float32, so that one view cannot rule a class out for ever.

    Parameters
    ----------
    probs, weights
        As `mean`'s.
    outputs
        "softmax", or "sigmoid": there each label is normalised with its own complement.
    """
    if outputs == "raw":
        raise ValueError("outputs is 'raw'; numbers that are no probabilities have no logits.")
    probs = checked_values(probs, outputs)
    logs = np.log(np.maximum(probs, SMALLEST))
    if outputs == "sigmoid":
        logs = logs - np.log(np.maximum(1 - probs, SMALLEST))
    average = weighted_mean(logs, normalised_weights(weights, len(probs)))
    return special.expit(average) if outputs == "sigmoid" else softmax(average)


def vote(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the share of the views, by weight, that put each class first (hard voting).

    A tie between classes is left in the shares; `argmax` then takes the lower class number. Shares
    are rounded to 12 decimals: of weights 0.1, 0.2 and 0.3 the first two would lose or win against
    the third by an error of addition.
    """
    probs = checked_probs(probs)
    votes = np.eye(probs.shape[-1])[probs.argmax(axis=-1)]
    return np.round(np.tensordot(normalised_weights(weights, len(probs)), votes, axes=1), 12)


def maximum(probs: np.ndarray) -> np.ndarray:
    """Take for each class the highest probability that any view gives it, then normalise each row.

    One sure and wrong view is enough to mislead it, and the more views, the likelier is one.
    """
    highest = checked_probs(probs).max(axis=0)
    return highest / highest.sum(axis=-1, keepdims=True)


def entropy_weighted(probs: np.ndarray) -> np.ndarray:
    """Average the views of each image, the surer ones with more weight.

    The weight of a view is the share of its uncertainty that it has removed, 1 - entropy / log of
    the number of classes: 0 for a uniform prediction, 1 for a certain one. (One of several forms in
    use; there is no standard one.)
    """
    probs = checked_probs(probs)
    weights = 1 - entropy(probs) / np.log(max(probs.shape[-1], 2))  # one class: always certain
    weights = np.maximum(weights, SMALLEST)[..., None]
    return (weights * probs).sum(axis=0) / weights.sum(axis=0)


def entropy(probs: np.ndarray) -> np.ndarray:
    """Return the entropy of each prediction in nats, shape (...), from probs (..., classes)."""
    return -(probs * np.log(np.maximum(probs, SMALLEST))).sum(axis=-1)


def tempered(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of probs (..., classes) by a temperature; below 1 sharpens.

    `mean(tempered(probs, 0.5))` is sharpened averaging (sharpening as in MixMatch, Berthelot et al.
    2019, equation 7); with a temperature from `fit_temperature` it is temperature scaling (Guo et
    al. 2017).
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; give a number above 0.")
    return softmax(np.log(np.maximum(probs, SMALLEST)) / temperature)


def running_mean(probs: np.ndarray) -> np.ndarray:
    """Return the mean of the first 1, 2, ... views, shape (views, images, classes)."""
    probs = checked_probs(probs)
    counts = np.arange(1, len(probs) + 1).reshape(-1, 1, 1)
    return np.cumsum(probs, axis=0, dtype=np.float64) / counts


def class_weighted_mean(probs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average the views with one weight a view and class, then normalise each row (ClassTTA).

    Parameters
    ----------
    probs
        Shape (views, images, classes).
    weights
        Not negative, shape (views, classes), as `fit_weights` returns them with `by_class`.
    """
    probs, weights = checked_probs(probs), np.asarray(weights)
    usable = np.isfinite(weights).all() and (weights >= 0).all() and weights.any()
    if weights.shape != (len(probs), probs.shape[-1]) or not usable:
        raise ValueError(
            f"weights {weights.shape} must be {len(probs)} views x {probs.shape[-1]} classes, "
            "finite, not negative, not all zero."
        )
    sums = np.maximum(np.einsum("vnc,vc->nc", probs, weights), SMALLEST)
    return sums / sums.sum(axis=-1, keepdims=True)
