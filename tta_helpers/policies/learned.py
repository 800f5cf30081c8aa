"""Policies that learn from validation images: weights of views, a set of views, a temperature."""

from collections.abc import Sequence

import numpy as np
from scipy import optimize
from sklearn.model_selection import KFold
from threadpoolctl import threadpool_limits

from tta_helpers.policies.arrays import SMALLEST, at_labels, checked_labels, checked_probs, softmax

_LEAST = 1e-7  # a probability below this counts as this in a loss, as in Keras


def cross_entropy(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return the loss of every view of every image, in nats, shape (images, views).

    A probability below 1e-7 counts as 1e-7, as in Keras, so that a loss is at most 16.1.
    """
    probs = checked_probs(probs)
    labels = checked_labels(labels, probs)
    return -np.log(np.maximum(at_labels(probs, labels), _LEAST)).T


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
    labels = checked_labels(labels, probs)
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
        sums = np.maximum((full[:, None] @ self.by_class)[:, 0], SMALLEST)  # (classes, n)
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
    labels = checked_labels(labels, probs)
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
        prices[best] = SMALLEST
    return views, scores[1:]


def calibrated_log_likelihood(labels: np.ndarray, probs: np.ndarray) -> np.ndarray:
    """Return each view's log-likelihood an image at its best temperature, shape (views,)."""
    probs = checked_probs(probs)
    labels = checked_labels(labels, probs)
    logs = np.log(np.maximum(probs, SMALLEST), dtype=np.float64)
    power = _best_power(labels, logs)
    scaled = power[:, None, None] * logs
    largest = scaled.max(axis=-1)
    normaliser = largest + np.log(np.exp(scaled - largest[..., None]).sum(axis=-1))
    return power * at_labels(logs, labels).mean(axis=1) - normaliser.mean(axis=1)


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
    labels = checked_labels(labels, probs)
    return float(1 / _best_power(labels, np.log(np.maximum(probs, SMALLEST), dtype=np.float64))[0])


def _best_power(labels: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """Return the inverse temperature that suits each view best, shape (views,).

    The log-likelihood is concave in it; Newton's method finds it between 1/20 and 20, for all views
    at once.
    """
    true = at_labels(logs, labels).mean(axis=1)
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
