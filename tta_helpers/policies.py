"""Policies: arithmetic that turns the probabilities of many views into one prediction an image.

A policy takes `probs`, shape (views, images, classes), and returns (images, classes), rows summing
to one. None of them calls a model. `weights` holds one non-negative number a view; it is normalised
to sum to one, and leaving it out weighs all views alike.

A policy that picks views image by image has two steps: a rule makes a `choice`, shape (images, k),
the numbers of the views that each image gets, and `chosen` averages those.
"""

import numpy as np

_SMALLEST = np.finfo(np.float32).tiny


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
    logs = np.log(np.maximum(probs, _SMALLEST))
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


def chosen(probs: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Average, for each image, the probabilities of the views that `choice` names.

    Kim, Kim and Kim 2020, equation 2. A view that is named twice counts twice.

    Raises
    ------
    ValueError
        If `choice` does not hold k view numbers for each image.
    """
    probs = _checked(probs)
    choice = checked_choice(choice, *probs.shape[:2])
    return np.take_along_axis(probs, choice.T[..., None], axis=0).mean(axis=0)


def checked_choice(choice: np.ndarray, n_views: int, n_images: int) -> np.ndarray:
    """Return `choice` as an array of integers (images, k), or say what is wrong with it."""
    choice = np.asarray(choice)
    if choice.ndim != 2 or len(choice) != n_images or not choice.shape[1]:
        raise ValueError(
            f"choice has shape {choice.shape}; give (images, k) view numbers, k at least 1, for "
            f"the {n_images} images."
        )
    if not np.issubdtype(choice.dtype, np.integer):
        raise ValueError(f"choice holds {choice.dtype}; give whole view numbers.")
    if choice.min() < 0 or choice.max() >= n_views:
        raise ValueError(
            f"choice runs from {choice.min()} to {choice.max()}; the {n_views} views are numbered "
            f"from 0 to {n_views - 1}."
        )
    return choice


def lowest(losses: np.ndarray, k: int = 1) -> np.ndarray:
    """Choose the k views with the lowest losses, the lowest first; ties go to the first view.

    With predicted losses this is the selection of Kim, Kim and Kim 2020, section 3.1; with true
    ones it is their oracle (appendix A.4), which no policy can use.

    Parameters
    ----------
    losses
        Shape (images, views), as a loss predictor returns them.
    k
        Between 1 and the number of views.

    Returns
    -------
    choice : integer array of shape (images, k)
    """
    losses = np.asarray(losses)
    if losses.ndim != 2 or not np.isfinite(losses).all():
        raise ValueError(f"losses {losses.shape} must be finite numbers (images, views).")
    if not 1 <= k <= losses.shape[1]:
        raise ValueError(f"k is {k}; choose between 1 and {losses.shape[1]} views an image.")
    return np.argsort(losses, axis=1, kind="stable")[:, :k]


def guarded(losses: np.ndarray, margin: float) -> np.ndarray:
    """Choose one view an image: view 0, unless another's loss is lower by more than `margin`.

    View 0 should be the identity. A margin, chosen on validation images, keeps a predictor from
    acting on gains that lie within its error.

    Parameters
    ----------
    losses
        Shape (images, views), as a loss predictor returns them.
    margin
        At least 0, in the unit of the losses; 0 is `lowest(losses)`.

    Returns
    -------
    choice : integer array of shape (images, 1)
    """
    if not margin >= 0:
        raise ValueError(f"margin is {margin}; give a number of at least 0.")
    losses, best = np.asarray(losses), lowest(losses)
    gain = losses[:, :1] - np.take_along_axis(losses, best, axis=1)
    return np.where(gain > margin, best, 0)


def at_random(n_images: int, n_views: int, k: int = 1, seed: int = 0) -> np.ndarray:
    """Choose k different views for each image by lot: the paper's random baseline.

    Returns
    -------
    choice : integer array of shape (images, k)
    """
    return lowest(np.random.default_rng(seed).random((n_images, n_views)), k)


def most_confident(probs: np.ndarray) -> np.ndarray:
    """Choose for each image the view with the highest probability for any class: (images, 1)."""
    return lowest(-_checked(probs).max(axis=-1).T)


def least_entropy(probs: np.ndarray) -> np.ndarray:
    """Choose for each image the view whose prediction has the least entropy: (images, 1)."""
    probs = _checked(probs)
    return lowest(-(probs * np.log(np.maximum(probs, _SMALLEST))).sum(axis=-1).T)


def cross_entropy(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return the loss of every view of every image, in nats, shape (images, views).

    A probability below 1e-7 counts as 1e-7, as in Keras, so that a loss is at most 16.1.
    """
    probs = _checked(probs)
    labels = _checked_labels(labels, probs)
    return -np.log(np.maximum(_at_labels(probs, labels), 1e-7)).T


def greedy_search(
    labels: np.ndarray, probs: np.ndarray, size: int
) -> tuple[list[int], list[float]]:
    """Build a policy view by view, each the one that most raises the calibrated log-likelihood.

    Greedy policy search (Molchanov et al. 2020, arXiv 2002.09103): views may repeat, and their
    predictions are averaged. The log-likelihood is taken at the temperature that suits the average
    best, so that a view is not chosen merely for making predictions less sure.

    Parameters
    ----------
    labels
        Integers, shape (images,), of validation images.
    probs
        Shape (views, images, classes).
    size
        How many views to choose, at least 1.

    Returns
    -------
    views : list of int
        The view numbers in the order of choice; the first k of them are the policy of size k.
    scores : list of float
        The calibrated log-likelihood an image, in nats, with the first 1, 2, ... of them.
    """
    probs = _checked(probs)
    labels = _checked_labels(labels, probs)
    if size < 1:
        raise ValueError(f"size is {size}; choose at least 1 view.")
    total, views, scores = np.zeros(probs.shape[1:]), [], []
    for count in range(1, size + 1):
        candidates = calibrated_log_likelihood(labels, (total + probs) / count)
        views.append(int(candidates.argmax()))
        scores.append(float(candidates[views[-1]]))
        total += probs[views[-1]]
    return views, scores


def calibrated_log_likelihood(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each view's log-likelihood an image at its best temperature, shape (views,).

    Probabilities are raised to a power, the inverse temperature, and normalised again. The
    log-likelihood is concave in that power, which Newton's method finds between 1/20 and 20, for
    all views at once.
    """
    probs = _checked(probs)
    labels = _checked_labels(labels, probs)
    logs = np.log(np.maximum(probs, _SMALLEST))
    true = _at_labels(logs, labels).mean(axis=1)
    power = np.ones(len(probs))
    for _ in range(12):
        scaled = softmax(power[:, None, None] * logs)
        mean = (scaled * logs).sum(axis=-1)
        slope = true - mean.mean(axis=1)
        curvature = ((scaled * logs**2).sum(axis=-1) - mean**2).mean(axis=1)
        step = power + slope / np.maximum(curvature, 1e-12)
        power = np.clip(step, np.maximum(power / 2, 0.05), np.minimum(power * 2, 20))
    scaled = power[:, None, None] * logs
    largest = scaled.max(axis=-1)
    normaliser = largest + np.log(np.exp(scaled - largest[..., None]).sum(axis=-1))
    return power * true - normaliser.mean(axis=1)


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


def _checked_labels(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return `labels` as an array of class numbers, or say what is wrong with them."""
    labels, (_, n_images, n_classes) = np.asarray(labels), probs.shape
    if labels.shape != (n_images,) or labels.min() < 0 or labels.max() >= n_classes:
        raise ValueError(
            f"labels {labels.shape} do not belong to probs {probs.shape}; give one number in "
            f"[0, {n_classes}) for each of the {n_images} images."
        )
    return labels


def _at_labels(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return each view's value for each image's own class, shape (views, images)."""
    return np.take_along_axis(values, labels[None, :, None], axis=-1)[..., 0]


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
