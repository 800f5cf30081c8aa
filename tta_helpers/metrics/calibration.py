"""Calibration: whether confidence is true, bin by bin and as one error with its interval."""

import numpy as np
from scipy import stats

from tta_helpers.metrics.per_image import correct
from tta_helpers.policies import checked_probs


def reliability(
    labels: np.ndarray, probs: np.ndarray, n_bins: int = 15, equal: str = "mass"
) -> dict[str, np.ndarray]:
    """Compare confidence with accuracy, bin by bin of confidence: a reliability diagram's numbers.

    Parameters
    ----------
    labels
        Integers, shape (images,).
    probs
        Shape (images, classes).
    n_bins
        Number of bins, at least 1.
    equal
        "mass": bins of equally many images; "width": bins of equal width between 0 and 1.

    Returns
    -------
    dict
        "count", "confidence" and "accuracy", each of shape (bins,); empty bins are left out.
    """
    right, confidence, bins = _binned(labels, probs, n_bins, equal)
    count = np.bincount(bins)
    full = count > 0
    sums = {"confidence": confidence, "accuracy": right}
    means = {k: np.bincount(bins, v)[full] / count[full] for k, v in sums.items()}
    return {"count": count[full], **means}


def calibration_error(
    labels: np.ndarray,
    probs: np.ndarray,
    n_bins: int = 15,
    equal: str = "mass",
    *,
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return the expected calibration error, in [0, 1], with its bootstrap interval.

    The mean over the bins, weighted by their images, of the distance between confidence and
    accuracy (Naeini et al. 2015; bins of equal mass: Nixon et al. 2019). Chance alone makes it
    larger than zero, and resampling adds chance, so that plain percentiles would lie too high. The
    interval is the basic bootstrap's, which reflects them at the estimate, but for two ends near
    zero, where reflection fails: the lower is zero where perfect calibration could have led to the
    estimate, the upper at least as far off as the resamples reach above their mean. Bins stay as
    they are. In simulations with 500 to 10,000 images and true errors of 0 to 0.1, 95 % intervals
    held the true error in 88 to 99 of 100 cases; below 500 images in 69 to 90 only.

    Parameters
    ----------
    labels, probs, n_bins, equal
        As `reliability`'s.
    level, n_resamples, seed
        Coverage of the interval, resamples of the images, and the seed that draws them.

    Returns
    -------
    error, low, high : float
    """
    right, confidence, bins = _binned(labels, probs, n_bins, equal)
    n, rng = len(bins), np.random.default_rng(seed)
    gaps = np.zeros((n, bins.max() + 1))
    gaps[np.arange(n), bins] = (confidence - right) / n
    drawn = (np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(n_resamples))
    resampled = np.array([np.abs(counts @ gaps).sum() for counts in drawn])
    error = float(np.abs(gaps.sum(axis=0)).sum())
    first, last = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    spread = confidence * np.maximum(1 - confidence, 0)  # of an answer, if confidence is true
    chance = np.sqrt(np.bincount(bins, spread)) / n
    by_chance = np.abs(rng.normal(0, chance, (n_resamples, len(chance)))).sum(axis=1)
    low = 0.0 if error <= np.quantile(by_chance, level) else max(2 * error - last, 0.0)
    high = max(2 * error - first, error + last - resampled.mean())
    return error, float(low), float(high)


def _binned(
    labels: np.ndarray, probs: np.ndarray, n_bins: int, equal: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return whether each image is right, its confidence, and the number of its bin."""
    right = correct(labels, probs)
    confidence = checked_probs(np.asarray(probs)[None])[0].max(axis=1).astype(np.float64)
    if equal not in ("mass", "width") or n_bins < 1:
        raise ValueError(
            f"n_bins is {n_bins} and equal is {equal!r}; give at least 1 bin, of equal 'mass' or "
            "'width'."
        )
    if equal == "width":
        return right, confidence, np.minimum((confidence * n_bins).astype(int), n_bins - 1)
    below = stats.rankdata(confidence, method="min").astype(int) - 1  # equal ones share a bin
    return right, confidence, below * min(n_bins, len(below)) // len(below)
