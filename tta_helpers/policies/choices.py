"""Choices of views, image by image, and the average over the chosen ones."""

import numpy as np

from tta_helpers.policies.arrays import checked_probs
from tta_helpers.policies.averages import entropy


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
