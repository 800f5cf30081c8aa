"""What TTA changes, with the uncertainty beside it: accuracy, paired tests and intervals.

Labels are integers, shape (images,); predictions are scores, shape (images, classes), and the
highest score is the prediction. Two policies are always compared on the same images.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from scipy import stats


def correct(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return for each image whether its highest score is at its label, shape (images,) bool."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    if scores.ndim != 2 or labels.shape != scores.shape[:1] or not len(labels):
        raise ValueError(
            f"labels {labels.shape} and scores {scores.shape} do not belong together; "
            "give labels (images,) and scores (images, classes) for at least one image."
        )
    return scores.argmax(axis=1) == labels


def accuracy(labels: np.ndarray, scores: np.ndarray) -> float:
    """Return the share of images that are right, between 0 and 1."""
    return float(correct(labels, scores).mean())


@dataclass(frozen=True)
class PairedComparison:
    """Two predictions of the same images, before and after a change.

    Attributes
    ----------
    n
        Number of images.
    before, after
        Accuracies, in [0, 1].
    gain, low, high
        after - before, and its bootstrap interval over images.
    fixed, broken
        Images that only `after` gets right, and images that only `before` gets right.
    p_value
        Exact McNemar test of fixed against broken, two-sided.
    """

    n: int
    before: float
    after: float
    gain: float
    low: float
    high: float
    fixed: int
    broken: int
    p_value: float

    @property
    def verdict(self) -> str:
        """What the interval allows one to say: helps, hurts or no clear effect."""
        return verdict(self.low, self.high)

    def as_dict(self) -> dict[str, float]:
        """Return the numbers for a result record."""
        return asdict(self)


def compare(
    labels: np.ndarray,
    before: np.ndarray,
    after: np.ndarray,
    *,
    level: float = 0.95,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> PairedComparison:
    """Compare two sets of scores for the same images.

    An image adds +1 (fixed), -1 (broken) or 0 to the gain, so drawing images with replacement is
    drawing those three counts from a multinomial distribution: the paired bootstrap of the gain in
    one call, whatever the number of images.

    Parameters
    ----------
    labels
        Integers, shape (images,).
    before, after
        Scores, shape (images, classes).
    level
        Coverage of the percentile interval, between 0 and 1.
    n_resamples, seed
        Bootstrap resamples and the seed that draws them.
    """
    was, now = correct(labels, before), correct(labels, after)
    n, fixed, broken = len(was), int((now & ~was).sum()), int((was & ~now).sum())
    shares = np.array([fixed, broken, n - fixed - broken]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, size=n_resamples)
    gains = (draws[:, 0] - draws[:, 1]) / n
    low, high = np.quantile(gains, [(1 - level) / 2, (1 + level) / 2])
    return PairedComparison(
        n=n,
        before=float(was.mean()),
        after=float(now.mean()),
        gain=(fixed - broken) / n,
        low=float(low),
        high=float(high),
        fixed=fixed,
        broken=broken,
        p_value=mcnemar(fixed, broken),
    )


def compare_by_class(
    labels: np.ndarray, before: np.ndarray, after: np.ndarray, **options: float
) -> dict[int, PairedComparison]:
    """Return one comparison for each class that occurs in `labels`; options as `compare`'s."""
    labels, before, after = np.asarray(labels), np.asarray(before), np.asarray(after)
    return {
        int(k): compare(labels[labels == k], before[labels == k], after[labels == k], **options)
        for k in np.unique(labels)
    }


def mcnemar(fixed: int, broken: int) -> float:
    """Return the two-sided p-value of the exact McNemar test.

    If a change did nothing, each image whose outcome it flips is as likely fixed as broken, so
    `fixed` is binomial with probability one half (McNemar 1947, in its exact form).
    """
    if fixed < 0 or broken < 0:
        raise ValueError(f"fixed is {fixed} and broken is {broken}; counts cannot be negative.")
    if fixed + broken == 0:
        return 1.0
    return float(stats.binomtest(int(fixed), int(fixed + broken)).pvalue)


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float, float]:
    """Return the mean of independent fits' values and its Student t interval: mean, low, high.

    Raises
    ------
    ValueError
        If there are fewer than two values: one fit has no spread.
    """
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(
            f"An interval over fits needs two or more values; there are {values.size}."
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
        If the shapes do not fit, or the baseline's mean is zero.
    """
    columns = [np.asarray(v, dtype=np.float64) for v in (values, baseline) if v is not None]
    if columns[0].ndim != 1 or not columns[0].size or columns[0].shape != columns[-1].shape:
        shapes = " and ".join(str(column.shape) for column in columns)
        raise ValueError(f"values have shape {shapes}; give one value for each image.")
    pair = np.stack(columns)
    if baseline is not None and not pair[1].mean():
        raise ValueError("The baseline makes no errors; there is nothing to reduce.")

    def statistic(means: np.ndarray) -> np.ndarray:
        if baseline is None:
            return means[0]
        return 1 - np.divide(means[0], means[1], out=np.ones_like(means[0]), where=means[1] > 0)

    n, rng = pair.shape[1], np.random.default_rng(seed)
    block = max(1, 500_000 // n)  # resamples at a time, so that memory stays flat
    sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
    means = [pair[:, rng.integers(0, n, (size, n))].mean(axis=2) for size in sizes]
    resampled = statistic(np.concatenate(means, axis=1))
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    return float(statistic(pair.mean(axis=1))), float(low), float(high)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of each row of two arrays (images, views): (images,).

    Ties get their mean rank. A row in which all values are equal has no order: its correlation
    is 0.
    """
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape or first.ndim != 2 or first.shape[1] < 2:
        raise ValueError(
            f"shapes {first.shape} and {second.shape} must be one (images, views), 2 views or more."
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("Values that are not finite have no rank; has the training diverged?")
    a, b = (stats.rankdata(x, axis=1) - (x.shape[1] + 1) / 2 for x in (first, second))
    scale = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def verdict(low: float, high: float) -> str:
    """Return what an interval of a gain allows one to say: helps, hurts or no clear effect."""
    if low > 0:
        return "helps"
    return "hurts" if high < 0 else "no clear effect"
