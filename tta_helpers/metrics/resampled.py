"""Scores of a whole set, such as mAP, compared over resampled images."""

import numpy as np

from tta_helpers.metrics.paired import PairedComparison


def compare_resamples(
    before: np.ndarray, after: np.ndarray, n: int, level: float = 0.95
) -> PairedComparison:
    """Compare a score that is no mean over images, such as mAP, before and after a change.

    Parameters
    ----------
    before, after
        Scores in [0, 1], shape (1 + draws,): first that of the images themselves, then those of
        the same images drawn anew with replacement. Row k of both is of the same draw.
    n
        How many images there are.
    level
        Coverage of the percentile interval, between 0 and 1.

    Returns
    -------
    PairedComparison
        `fixed` and `broken` count the draws in which the score rose and fell. The p-value is twice
        the share of draws on the rarer side, equal ones on both; with the images themselves counted
        on it too it is never 0, so 1,000 draws tell 0.002 at best.

    Raises
    ------
    ValueError
        If the shapes differ, there are fewer than two draws, or a score of the images themselves is
        not finite. Draws without a score, for want of objects, are left out.
    """
    before, after = np.asarray(before, np.float64), np.asarray(after, np.float64)
    if before.ndim != 1 or before.shape != after.shape or len(before) < 3:
        raise ValueError(
            f"scores have shape {before.shape} and {after.shape}; give one shape (1 + draws,), "
            "with two draws or more."
        )
    gain, *drawn = after - before
    drawn = np.array(drawn)[np.isfinite(drawn)]
    if not np.isfinite(gain) or len(drawn) < 2:
        raise ValueError(
            f"The scores are {before[0]} and {after[0]}, with {len(drawn)} draws that have both; "
            "has the set no objects?"
        )
    fixed, broken = int((drawn > 0).sum()), int((drawn < 0).sum())
    rarer = len(drawn) - max(fixed, broken)
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return PairedComparison(
        n=n,
        before=float(before[0]),
        after=float(after[0]),
        gain=float(gain),
        low=float(low),
        high=float(high),
        fixed=fixed,
        broken=broken,
        p_value=min(1.0, 2 * (1 + rarer) / (1 + len(drawn))),
    )
