"""Conformal prediction: sets of classes that hold the right one as often as promised."""

import numpy as np

from tta_helpers.metrics.per_image import correct
from tta_helpers.policies import checked_probs


def conformal_sets(
    labels: np.ndarray,
    validation: np.ndarray,
    probs: np.ndarray,
    *,
    alpha: float = 0.1,
    method: str = "lac",
    seed: int = 0,
) -> np.ndarray:
    """Return sets of classes that hold the right one with a chance of 1 - alpha.

    Split-conformal prediction: a threshold on a score, taken from validation images that the model
    was not fitted to, holds for new images from the same source, whatever the model.

    Parameters
    ----------
    labels
        Of the validation images, integers, shape (validation images,).
    validation
        Their probabilities, shape (validation images, classes).
    probs
        Probabilities of the images to judge, shape (images, classes).
    alpha
        Share of sets that may miss, in (0, 1).
    method
        "lac": one minus the probability of a class (Sadinle, Lei and Wasserman 2019): the smallest
        sets on average, sometimes empty. "aps": the probability of all likelier classes and, in
        part by lot, of the class itself (Romano, Sesia and Candès 2020): adapts to hard images.
    seed
        Of the lots.

    Returns
    -------
    sets : bool array of shape (images, classes)
    """
    if method not in ("lac", "aps") or not 0 < alpha < 1:
        raise ValueError(
            f"method is {method!r} and alpha {alpha}; give 'lac' or 'aps', and alpha in (0, 1)."
        )
    correct(labels, validation)
    probs = checked_probs(np.asarray(probs)[None])[0]
    rng = np.random.default_rng(seed)
    scores = _conformity(validation, method, rng)[np.arange(len(labels)), labels]
    rank = int(np.ceil((len(scores) + 1) * (1 - alpha)))  # with few images it takes every class in
    threshold = np.sort(scores)[rank - 1] if rank <= len(scores) else np.inf
    return _conformity(probs, method, rng) <= threshold


def _conformity(probs: np.ndarray, method: str, rng: np.random.Generator) -> np.ndarray:
    """Return how ill each class fits, shape (images, classes)."""
    probs = np.asarray(probs, dtype=np.float64)
    if method == "lac":
        return 1 - probs
    order = np.argsort(-probs, axis=1)
    down = np.take_along_axis(probs, order, axis=1)
    upto = np.empty_like(probs)
    np.put_along_axis(upto, order, np.cumsum(down, axis=1), axis=1)
    return upto - rng.random((len(probs), 1)) * probs
