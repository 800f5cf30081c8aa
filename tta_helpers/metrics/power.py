"""How many images the exact McNemar test needs, and how often it sees a gain."""

import numpy as np
from scipy import stats

_MOST_IMAGES = 2**27  # that a power is computed for


def mcnemar_power(n: int, discordance: float, gain: float, level: float = 0.05) -> float:
    """Return the chance that the exact McNemar test on n images sees a gain.

    The number of images that change is binomial, and so is the share of them that are fixed; the
    power is summed over both distributions, without approximation. A rejection counts in either
    direction, p-values of exactly `level` included.

    Parameters
    ----------
    n
        Number of images.
    discordance
        Share of the images that a change fixes or breaks, in (0, 1].
    gain
        Share fixed less share broken, in absolute value at most `discordance`.
    level
        The test's level, two-sided.
    """
    possible = 0 < discordance <= 1 and abs(gain) <= discordance and 0 < level < 1
    if not 1 <= n <= _MOST_IMAGES or not possible:
        raise ValueError(
            f"n is {n}, discordance {discordance}, gain {gain}, level {level}; give n from 1 to "
            f"{_MOST_IMAGES:,}, a discordance in (0, 1], a gain no larger than it and a level in "
            "(0, 1)."
        )
    ends = stats.binom.ppf([1e-9, 1 - 1e-9], n, discordance).astype(int)
    changed = np.arange(ends[0], ends[1] + 1)
    # The largest count of the rarer outcome that the test still rejects; -1 if there is none.
    critical = stats.binom.ppf(level / 2, changed, 0.5)
    critical -= stats.binom.cdf(critical, changed, 0.5) > level / 2
    share = (discordance + gain) / (2 * discordance)
    rejects = stats.binom.cdf(critical, changed, share)
    rejects += stats.binom.cdf(critical, changed, 1 - share)
    return float((stats.binom.pmf(changed, n, discordance) * rejects).sum())


def images_needed(discordance: float, gain: float, power: float = 0.8, level: float = 0.05) -> int:
    """Return about how many images the exact McNemar test needs to see a gain with this power.

    To within one per cent where power grows steadily with n; counts being whole, it grows in teeth
    where nearly all images change. Parameters as `mcnemar_power`'s.
    """
    if not abs(gain) > 0 or not level < power < 1:
        raise ValueError(f"gain is {gain}, power {power}; give a gain and a power in ({level}, 1).")
    low, high = 1.0, 2.0
    while mcnemar_power(int(high), discordance, gain, level) < power:
        low, high = high, 2 * high
        if high > _MOST_IMAGES:
            raise ValueError(f"A gain of {gain} takes more than {low:,.0f} images to see.")
    while high - low > max(1, 0.01 * low):
        middle = (low + high) / 2
        enough = mcnemar_power(int(middle), discordance, gain, level) >= power
        low, high = (low, middle) if enough else (middle, high)
    return int(high)
