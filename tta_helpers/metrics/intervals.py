"""Means with their uncertainty, over fits, over images, and over both."""

from collections.abc import Sequence

import numpy as np
from scipy import stats


def mean_errors(values: np.ndarray) -> dict[str, float]:
    """Return the standard error of a mean over fits and images, by its source.

    An image's gains under several fits go together, and so do a fit's gains on all images. "fits"
    is the error if the images were all that there are, "images" the error if the fits were, "both"
    that of new fits and new images (a two-way layout with random rows and columns and one value a
    cell; the variance components by analysis of variance, none below zero).

    Parameters
    ----------
    values
        Shape (fits, images), two of each or more: for a gain +1 (fixed), -1 (broken) or 0.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or min(values.shape) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"values have shape {values.shape}; give finite numbers (fits, images), two or more "
            "each."
        )
    fits, images = values.shape
    rows, columns = values.mean(axis=1), values.mean(axis=0)
    rest = values - rows[:, None] - columns + values.mean()
    noise = (rest**2).sum() / ((fits - 1) * (images - 1))
    of_fits = max(rows.var(ddof=1) - noise / images, 0)
    of_images = max(columns.var(ddof=1) - noise / fits, 0)
    left = noise / (fits * images)
    parts = {"fits": of_fits / fits + left, "images": of_images / images + left}
    parts["both"] = of_fits / fits + of_images / images + left
    return {name: float(np.sqrt(variance)) for name, variance in parts.items()}


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of independent fits' values and its Student t interval: mean, low, high.

    Raises
    ------
    ValueError
        If there are fewer than two values (one fit has no spread), or some are not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2 or not np.isfinite(values).all():
        raise ValueError(
            f"An interval over fits needs two or more finite values; there are {values.size}, "
            f"{int((~np.isfinite(values)).sum())} of them not finite."
        )
    centre, error = float(values.mean()), float(stats.sem(values))
    half_width = float(stats.t.ppf((1 + level) / 2, len(values) - 1)) * error
    return centre, centre - half_width, centre + half_width


def image_interval(
    values: np.ndarray,
    baseline: np.ndarray | None = None,
    *,
    level: float = 0.95,
    n_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Return a mean over images with its bootstrap interval: mean, low, high.

    For many measurements of the same images, such as an image's right and wrong answers under every
    corruption: average them to one value an image first, because images are what is resampled, not
    cells (CIFAR-10-C's cells all show the same images).

    Parameters
    ----------
    values
        One value an image, shape (images,), such as its share of wrong answers.
    baseline
        The same images' values before a change. With it the result is the relative reduction of
        the mean, 1 - mean(values) / mean(baseline), and both are resampled together.
    level, n_resamples, seed
        Coverage of the percentile interval, bootstrap resamples, and the seed that draws them.

    Raises
    ------
    ValueError
        If the shapes do not fit, there is one image alone or a value that is not finite, or the
        baseline's mean is zero.
    """
    columns = [np.asarray(v, dtype=np.float64) for v in (values, baseline) if v is not None]
    if columns[0].ndim != 1 or columns[0].size < 2 or columns[0].shape != columns[-1].shape:
        shapes = " and ".join(str(column.shape) for column in columns)
        raise ValueError(
            f"values have shape {shapes}; give one value for each of two or more images."
        )
    if bad := int((~np.isfinite(columns)).any(axis=0).sum()):
        raise ValueError(f"{bad} of {len(columns[0])} images have a value that is not finite.")
    if baseline is not None and not columns[1].mean():
        raise ValueError("The baseline makes no errors; there is nothing to reduce.")

    def statistic(after: np.ndarray, before: np.ndarray | None = None, *, axis: int = -1):
        mean = after.mean(axis=axis)
        if before is None:
            return mean
        rate = before.mean(axis=axis)
        return 1 - np.divide(mean, rate, out=np.ones_like(mean), where=rate > 0)

    found = stats.bootstrap(
        columns,
        statistic,
        paired=baseline is not None,
        method="percentile",
        confidence_level=level,
        n_resamples=n_resamples,
        batch=max(1, 500_000 // len(columns[0])),  # resamples at a time: memory stays flat
        rng=np.random.default_rng(seed),
    )
    low, high = found.confidence_interval
    return float(statistic(*columns)), float(low), float(high)
