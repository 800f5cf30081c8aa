"""Policies: arithmetic that turns the probabilities of many views into one prediction an image.

A policy takes `probs`, shape (views, images, classes), and returns (images, classes), rows summing
to one. None of them calls a model. `weights` holds one non-negative number a view; it is normalised
to sum to one, and leaving it out weighs all views alike.

A policy that picks views image by image has two steps: a rule makes a `choice`, shape (images, k),
the numbers of the views that each image gets, and `chosen` averages those. A policy that learns has
two steps as well: `fit_weights`, `greedy_search` and `fit_temperature` look at validation images.
"""

from collections.abc import Sequence

import numpy as np
from scipy import optimize
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

_SMALLEST = np.finfo(np.float32).tiny
_LEAST = 1e-7  # a probability below this counts as this in a loss, as in Keras


def mean(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Average the probabilities over the views (soft voting).

    This is what the VGG paper does with an image and its mirror (Simonyan and Zisserman 2015,
    section 3.2).
    """
    probs = checked_probs(probs)
    return np.tensordot(normalised_weights(weights, len(probs)), probs, axes=1)


def geometric_mean(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Multiply the probabilities over the views and take the root, then normalise each row.

    The same as averaging logits: a softmax's logits are its log-probabilities plus a constant that
    the final normalisation removes. It is computed with logarithms, where products of many small
    probabilities cannot underflow. A probability of exactly zero counts as the smallest positive
    float32, so that one view cannot rule a class out for ever.
    """
    probs = checked_probs(probs)
    logs = np.log(np.maximum(probs, _SMALLEST))
    return softmax(np.tensordot(normalised_weights(weights, len(probs)), logs, axes=1))


def vote(probs: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Return the share of the views, by weight, that put each class first (hard voting).

    A tie between classes is left in the shares; `argmax` then takes the lower class number.
    """
    probs = checked_probs(probs)
    votes = np.eye(probs.shape[-1])[probs.argmax(axis=-1)]
    return np.tensordot(normalised_weights(weights, len(probs)), votes, axes=1)


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
    weights = np.maximum(weights, _SMALLEST)[..., None]
    return (weights * probs).sum(axis=0) / weights.sum(axis=0)


def entropy(probs: np.ndarray) -> np.ndarray:
    """Return the entropy of each prediction in nats, shape (...), from probs (..., classes)."""
    return -(probs * np.log(np.maximum(probs, _SMALLEST))).sum(axis=-1)


def tempered(probs: np.ndarray, temperature: float) -> np.ndarray:
    """Divide the logits of probs (..., classes) by a temperature; below 1 sharpens.

    `mean(tempered(probs, 0.5))` is sharpened averaging (sharpening as in MixMatch, Berthelot et al.
    2019, equation 7); with a temperature from `fit_temperature` it is temperature scaling (Guo et
    al. 2017).
    """
    if not temperature > 0:
        raise ValueError(f"temperature is {temperature}; give a number above 0.")
    return softmax(np.log(np.maximum(probs, _SMALLEST)) / temperature)


def running_mean(probs: np.ndarray) -> np.ndarray:
    """Return the mean of the first 1, 2, ... views, shape (views, images, classes)."""
    probs = checked_probs(probs)
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
    probs = checked_probs(probs)
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
    return lowest(-checked_probs(probs).max(axis=-1).T)


def least_entropy(probs: np.ndarray) -> np.ndarray:
    """Choose for each image the view whose prediction has the least entropy: (images, 1)."""
    return lowest(entropy(checked_probs(probs)).T)


def selective(first: np.ndarray, full: np.ndarray, fraction: float) -> np.ndarray:
    """Take the full policy where the first view is least sure, and the first view elsewhere.

    Parameters
    ----------
    first
        Probabilities of the first view, shape (images, classes).
    full
        Those of a policy over more views, same shape.
    fraction
        Share of the images, from 0 to 1, that get the full policy. If it has as many passes as
        views, selection costs 1 + fraction * (views - 1) passes an image.
    """
    first, full = np.asarray(first), np.asarray(full)
    if first.ndim != 2 or first.shape != full.shape:
        raise ValueError(
            f"first {first.shape} and full {full.shape} must be one (images, classes)."
        )
    return np.where(least_confident(first, fraction)[:, None], full, first)


def least_confident(probs: np.ndarray, fraction: float) -> np.ndarray:
    """Return which images have the lowest highest probability, shape (images,) bool.

    Parameters
    ----------
    probs
        Shape (images, classes).
    fraction
        Share of the images, from 0 to 1, rounded to whole images; ties go to the first.
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction is {fraction}; give a share of the images, from 0 to 1.")
    chosen_first = np.argsort(np.max(probs, axis=1), kind="stable")
    mask = np.zeros(len(chosen_first), dtype=bool)
    mask[chosen_first[: round(fraction * len(mask))]] = True
    return mask


def cross_entropy(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return the loss of every view of every image, in nats, shape (images, views).

    A probability below 1e-7 counts as 1e-7, as in Keras, so that a loss is at most 16.1.
    """
    probs = checked_probs(probs)
    labels = _checked_labels(labels, probs)
    return -np.log(np.maximum(_at_labels(probs, labels), _LEAST)).T


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
    sums = np.maximum(np.einsum("vnc,vc->nc", probs, weights), _SMALLEST)
    return sums / sums.sum(axis=-1, keepdims=True)


def fit_weights(
    labels: np.ndarray,
    probs: np.ndarray,
    *,
    by_class: bool = False,
    strengths: Sequence[float] = (0.001, 0.01, 0.1, 1.0, 10.0),
    folds: int = 5,
    seed: int = 0,
) -> tuple[np.ndarray, float]:
    """Learn one weight a view (AugTTA), or one a view and class (ClassTTA), on validation images.

    Shanmugam et al. 2021 (arXiv 2011.11156), section 3: non-negative weights that minimise the
    cross-entropy of the weighted average. Here a penalty pulls the weights towards equal ones; its
    strength is the one with the lowest cross-entropy in cross-validation.

    Parameters
    ----------
    labels
        Integers, shape (images,).
    probs
        Shape (views, images, classes).
    by_class
        Whether each class has weights of its own.
    strengths
        Candidates for the strength of the penalty, strength * sum over views of (weight * views -
        1)² / views, averaged over the classes; above 0.
    folds, seed
        Parts of the cross-validation, at most as many as images, and the seed that deals the images
        out.

    Returns
    -------
    weights : array of shape (views,) or (views, classes)
        With mean 1 / views. A class that no view ever gives a probability above 1e-7 has nothing
        to be weighed: it keeps equal weights, and the others are learned without it.
    strength : float
        The strength that was chosen.
    """
    probs = checked_probs(probs)
    labels = _checked_labels(labels, probs)
    if not len(strengths) or not min(strengths) > 0:
        raise ValueError(f"strengths are {list(strengths)}; give numbers above 0.")
    if len(labels) < 2:
        raise ValueError("There is one image; learning weights takes two or more.")
    named = (probs > _LEAST).any(axis=(0, 1))
    if by_class and not named.all():
        weights, strength = np.full(probs[:, 0].shape, 1 / len(probs)), float(strengths[0])
        if (rows := named[labels]).sum() >= 2:
            some, known = np.cumsum(named)[labels[rows]] - 1, probs[:, rows][..., named]
            options = {"by_class": True, "strengths": strengths, "folds": folds, "seed": seed}
            weights[:, named], strength = fit_weights(some, known, **options)
        return weights, strength
    by_image = np.maximum(probs.transpose(1, 0, 2), _LEAST).astype(np.float64)
    columns = probs.shape[-1] if by_class else 1
    parts = list(KFold(min(folds, len(labels)), shuffle=True, random_state=seed).split(by_image))
    losses = np.zeros(len(strengths))
    with threadpool_limits(1):  # matrices this small wait for threads longer than they compute
        for fitted, left_out in parts:
            data = _WeightLoss(labels[fitted], by_image[fitted])
            check = _WeightLoss(labels[left_out], by_image[left_out])
            for k, strength in enumerate(strengths):
                losses[k] += check(data.fit(strength, columns))[0]
        strength = float(strengths[losses.argmin()])
        weights = _WeightLoss(labels, by_image).fit(strength, columns)
    weights /= weights.mean() * len(weights)
    return (weights if by_class else weights[:, 0]), strength


class _WeightLoss:
    """The cross-entropy of a weighted average of views, as a function of the weights."""

    def __init__(self, labels: np.ndarray, by_image: np.ndarray) -> None:
        n, _, n_classes = by_image.shape
        self.by_class = np.ascontiguousarray(by_image.transpose(2, 1, 0))  # (classes, views, n)
        self.true = np.eye(n_classes)[labels].T.astype(bool)  # (classes, n)
        self.n = n

    def __call__(self, weights: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the loss an image in nats, and its slope in the weights (views, 1 or classes)."""
        full = np.broadcast_to(weights.T, (len(self.by_class), len(weights)))
        sums = np.maximum((full[:, None] @ self.by_class)[:, 0], _SMALLEST)  # (classes, n)
        total = sums.sum(axis=0)
        loss = np.log(total).mean() - np.log(sums[self.true]).mean()
        slopes = self.by_class @ (1 / total - self.true / sums)[..., None]
        slope = slopes[..., 0].T / self.n
        return loss, slope if weights.shape[1] > 1 else slope.sum(axis=1, keepdims=True)

    def fit(self, strength: float, columns: int) -> np.ndarray:
        """Return the weights, shape (views, columns), that minimise the loss and the penalty."""
        shape = self.by_class.shape[1], columns

        def penalised(flat: np.ndarray) -> tuple[float, np.ndarray]:
            weights = flat.reshape(shape)
            loss, slope = self(weights)
            distance = weights * shape[0] - 1
            loss += strength * (distance**2).mean()
            return loss, (slope + 2 * strength * distance / columns).ravel()

        start = np.full(shape, 1 / shape[0]).ravel()
        # Above zero, so that scaling all weights down never turns the average into a uniform guess.
        bounds = [(1e-9, None)] * start.size
        how = {"jac": True, "bounds": bounds, "method": "L-BFGS-B", "options": {"ftol": 1e-8}}
        found = optimize.minimize(penalised, start, **how)
        return np.where(found.x > 1e-8 * found.x.max(), found.x, 0).reshape(shape)


def greedy_search(
    labels: np.ndarray, probs: np.ndarray, size: int, costs: np.ndarray | None = None
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
    costs
        The passes that each view costs, above 0. With them the next view is the one that gains
        most *a pass*, the first against a uniform guess. A view that is in already costs nothing
        more, so it goes first if it gains anything; a search that no view improves ends before
        `size`.

    Returns
    -------
    views : list of int
        The view numbers in the order of choice; the first k of them are the policy of size k.
    scores : list of float
        The calibrated log-likelihood an image, in nats, with the first 1, 2, ... of them.
    """
    probs = checked_probs(probs)
    labels = _checked_labels(labels, probs)
    if size < 1:
        raise ValueError(f"size is {size}; choose at least 1 view.")
    prices = np.ones(len(probs)) if costs is None else np.array(costs, dtype=np.float64)
    if prices.shape != (len(probs),) or not (np.isfinite(prices) & (prices > 0)).all():
        raise ValueError(f"costs are {costs}; give {len(probs)} numbers of passes above 0.")
    total, views, scores = np.zeros(probs.shape[1:]), [], [-np.log(probs.shape[-1])]
    for count in range(1, size + 1):
        candidates = calibrated_log_likelihood(labels, (total + probs) / count)
        gains = candidates - scores[-1]
        if costs is not None and views and gains.max() <= 0:
            break
        best = int((gains / prices).argmax()) if costs is not None else int(candidates.argmax())
        views.append(best)
        scores.append(float(candidates[best]))
        total += probs[best]
        prices[best] = _SMALLEST
    return views, scores[1:]


def calibrated_log_likelihood(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each view's log-likelihood an image at its best temperature, shape (views,)."""
    probs = checked_probs(probs)
    labels = _checked_labels(labels, probs)
    logs = np.log(np.maximum(probs, _SMALLEST), dtype=np.float64)
    power = _best_power(labels, logs)
    scaled = power[:, None, None] * logs
    largest = scaled.max(axis=-1)
    normaliser = largest + np.log(np.exp(scaled - largest[..., None]).sum(axis=-1))
    return power * _at_labels(logs, labels).mean(axis=1) - normaliser.mean(axis=1)


def fit_temperature(labels: np.ndarray, probs: np.ndarray) -> float:
    """Return the temperature, between 1/20 and 20, at which predictions are likeliest.

    Temperature scaling (Guo et al. 2017): above 1 the predictions were too sure, below 1 not sure
    enough. Fitted on validation images and applied with `tempered`.

    Parameters
    ----------
    labels
        Integers, shape (images,).
    probs
        Shape (images, classes).
    """
    probs = checked_probs(np.asarray(probs)[None])
    labels = _checked_labels(labels, probs)
    return float(1 / _best_power(labels, np.log(np.maximum(probs, _SMALLEST), dtype=np.float64))[0])


def _best_power(labels: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return the inverse temperature that suits each view best, shape (views,).

    The log-likelihood is concave in it; Newton's method finds it between 1/20 and 20, for all views
    at once.
    """
    true = _at_labels(logs, labels).mean(axis=1)
    power = np.ones(len(logs))
    for _ in range(50):
        scaled = softmax(power[:, None, None] * logs)
        mean = (scaled * logs).sum(axis=-1)
        slope = true - mean.mean(axis=1)
        slope[np.abs(slope) < 1e-12] = 0  # rounding, where all classes are equal
        curvature = ((scaled * logs**2).sum(axis=-1) - mean**2).mean(axis=1)
        step = power + slope / np.maximum(curvature, 1e-12)
        previous = power
        power = np.clip(step, np.maximum(power / 2, 0.05), np.minimum(power * 2, 20))
        if np.abs(power - previous).max() < 1e-5:
            break
    return power


def softmax(logits: np.ndarray) -> np.ndarray:
    """Turn logits into probabilities along the last axis, without overflow."""
    exponentials = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


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
