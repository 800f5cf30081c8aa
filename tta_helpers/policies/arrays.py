"""What policies take: the array of probabilities, labels and weights, checked."""

import numpy as np

SMALLEST = np.finfo(np.float32).tiny
AVERAGED = ("softmax", "sigmoid", "raw")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis, without overflow."""
    exponentials = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def checked_values(values: np.ndarray, outputs: str) -> np.ndarray:
    """Return predictions of any kind, (views, images, ...), as an array, or say what is wrong.

    Parameters
    ----------
    values
        As `predict_views` returns them. Maps, (views, images, rows, columns, values), may hold NaN
        where a view does not show a pixel.
    outputs
        "softmax", "sigmoid" or "raw"; logits are returned as probabilities, so they are "softmax".
    """
    if outputs not in AVERAGED:
        raise ValueError(f"outputs is {outputs!r}; an average is of one of {AVERAGED}.")
    values = np.asarray(values)
    if outputs == "softmax" and values.ndim == 3:
        return checked_probs(values)
    axes = "(views, images, ...)" if outputs != "softmax" else "(views, images, classes), or maps,"
    if values.ndim < (5 if outputs == "softmax" else 2) or 0 in values.shape:
        raise ValueError(f"values have shape {values.shape}; averages take {axes} none empty.")
    missing = np.isnan(values)
    if values.ndim < 4 and missing.any():
        bad = missing.reshape(*values.shape[:2], -1).any(axis=-1)
        raise ValueError(
            f"{int(bad.sum())} of {bad.size} predictions (views x images) hold NaN. Has the "
            "training diverged?"
        )
    low, high = np.nanmin(values), np.nanmax(values)
    if outputs != "raw" and not (low >= 0 and high <= 1 + 1e-4):
        raise ValueError(
            f"values run from {low} to {high}; probabilities lie in [0, 1]. Pass outputs='raw' for "
            "other numbers, such as a regression."
        )
    return values


def weighted_mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over the first axis by normalised weights, NaN left out pixel by pixel."""
    if values.ndim < 4 or not np.isnan(values).any():
        return np.tensordot(weights, values, axes=1)
    seen = np.tensordot(weights, ~np.isnan(values), axes=1)
    with np.errstate(invalid="ignore"):  # 0 / 0: no view shows the pixel, and NaN says so
        return np.tensordot(weights, np.nan_to_num(values), axes=1) / seen


def checked_probs(probs: np.ndarray) -> np.ndarray:
    """Return `probs` as an array, or say what is wrong with it."""
    probs = np.asarray(probs)
    if probs.ndim != 3 or 0 in probs.shape:
        raise ValueError(
            f"probs has shape {probs.shape}; policies take (views, images, classes), none empty. "
            "Add the views axis with probs[None] if there is one view."
        )
    low, high = probs.min(), probs.max()
    if np.isnan(low):
        bad = np.isnan(probs).any(axis=-1)
        raise ValueError(
            f"{int(bad.sum())} of {bad.size} predictions (views x images) hold NaN; probabilities "
            "lie in [0, 1]. Has the training diverged?"
        )
    if not (low >= 0 and high <= 1 + 1e-4):
        raise ValueError(
            f"probs runs from {low} to {high}; probabilities lie in [0, 1]. "
            "If these are logits, pass them through policies.softmax first."
        )
    if not (some := probs.any(axis=-1)).all():
        raise ValueError(
            f"{int((~some).sum())} of {some.size} predictions (views x images) are zero for every "
            "class; probabilities sum to one."
        )
    return probs


def checked_labels(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return `labels` as an array of class numbers, or say what is wrong with them."""
    labels, (_, n_images, n_classes) = np.asarray(labels), probs.shape
    if labels.shape != (n_images,) or labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"labels {labels.shape} do not belong to probs {probs.shape}; give one number in "
            f"[0, {n_classes}) for each of the {n_images} images."
        )
    return labels


def at_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each view's value for each image's own class, shape (views, images)."""
    return np.take_along_axis(values, labels[None, :, None], axis=-1)[..., 0]


def normalised_weights(weights: np.ndarray | None, n_views: int) -> np.ndarray:
    """Return one weight a view, summing to one."""
    try:
        weights = np.ones(n_views) if weights is None else np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"weights are {weights!r}; give one number a view.") from None
    if weights.shape != (n_views,):
        raise ValueError(
            f"weights has shape {weights.shape}; give one number for each of the {n_views} views."
        )
    if not np.isfinite(weights).all() or weights.min() < 0 or weights.sum() == 0:
        raise ValueError(
            f"weights are {weights.tolist()}; they must be finite, not negative, not all zero."
        )
    return weights / weights.sum()
