"""Policies: arithmetic that turns the probabilities of many views into one prediction an image.

Every function takes `probs`, shape (views, images, classes), and returns (images, classes), rows
summing to one. None of them calls a model. `weights` holds one non-negative number a view; it is
normalised to sum to one, and leaving it out weighs all views alike.
"""

import numpy as np


def mean(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average the probabilities over the views (soft voting).

    This is what the VGG paper does with an image and its mirror (Simonyan and Zisserman 2015,
    section 3.2).
    """
    probs = _checked(probs)
    return np.tensordot(normalised_weights(weights, len(probs)), probs, axes=1)


def geometric_mean(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Multiply the probabilities over the views and take the root, then normalise each row.

    The same as averaging logits: a softmax's logits are its log-probabilities plus a constant that
    the final normalisation removes. It is computed with logarithms, where products of many small
    probabilities cannot underflow. A probability of exactly zero counts as the smallest positive
    float32, so that one view cannot rule a class out for ever.
    """
    probs = _checked(probs)
    logs = np.log(np.maximum(probs, np.finfo(np.float32).tiny))
    return softmax(np.tensordot(normalised_weights(weights, len(probs)), logs, axes=1))


def vote(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the share of the views, by weight, that put each class first (hard voting).

    A tie between classes is left in the shares; `argmax` then takes the lower class number.
    """
    probs = _checked(probs)
    votes = np.eye(probs.shape[-1])[probs.argmax(axis=-1)]
    return np.tensordot(normalised_weights(weights, len(probs)), votes, axes=1)


def running_mean(probs: np.ndarray) -> np.ndarray:
    """Return the mean of the first 1, 2, ... views, shape (views, images, classes)."""
    probs = _checked(probs)
    counts = np.arange(1, len(probs) + 1).reshape(-1, 1, 1)
    return np.cumsum(probs, axis=0, dtype=np.float64) / counts


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis, without overflow."""
    exponentials = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def _checked(probs: np.ndarray) -> np.ndarray:
    """Return `probs` as an array, or say what is wrong with it."""
    probs = np.asarray(probs)
    if probs.ndim != 3 or 0 in probs.shape:
        raise ValueError(
            f"probs has shape {probs.shape}; policies take (views, images, classes), none empty. "
            "Add the views axis with probs[None] if there is one view."
        )
    low, high = probs.min(), probs.max()
    if not (low >= 0 and high <= 1 + 1e-4):
        raise ValueError(
            f"probs runs from {low} to {high}; probabilities lie in [0, 1]. "
            "If these are logits, pass them through policies.softmax first."
        )
    return probs


def normalised_weights(weights: np.ndarray | None, n_views: int) -> np.ndarray:
    """Return one weight a view, summing to one."""
    weights = np.ones(n_views) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape != (n_views,):
        raise ValueError(
            f"weights has shape {weights.shape}; give one number for each of the {n_views} views."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"weights are {weights.tolist()}; they must be finite, not negative, not all zero."
        )
    return weights / weights.sum()
