"""Metrics against SciPy, scikit-learn and hand counts."""

import re
import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy import special, stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

from tta_helpers import metrics


def scores_with(correct, labels, n_classes=4):
    """Return scores that are right exactly where `correct` says."""
    picks = np.where(correct, labels, (labels + 1) % n_classes)
    return np.eye(n_classes)[picks] * 0.6 + 0.1


@pytest.fixture
def paired():
    """400 images; `after` fixes 30 of the wrong ones and breaks 12 of the right ones."""
    labels = np.arange(400) % 4
    was = np.arange(400) >= 150
    now = was.copy()
    now[:30] = True
    now[-12:] = False
    return labels, scores_with(was, labels), scores_with(now, labels), was, now


def test_accuracy_is_scikit_learns(paired):
    labels, before, after, *_ = paired
    for scores in (before, after):
        assert metrics.accuracy(labels, scores) == accuracy_score(labels, scores.argmax(axis=1))


def test_compare_counts_by_hand(paired):
    labels, before, after, *_ = paired
    c = metrics.compare(labels, before, after)
    assert (c.n, c.fixed, c.broken) == (400, 30, 12)
    assert (c.before, c.after, c.gain) == (250 / 400, 268 / 400, 18 / 400)
    assert c.verdict == "helps"
    assert c.as_dict()["fixed"] == 30
    back = metrics.compare(labels, after, before)
    assert (back.fixed, back.broken, back.gain) == (12, 30, -18 / 400)
    assert back.verdict == "hurts"


def test_interval_is_that_of_a_mean_with_two_images_more(paired):
    """Bonett and Price 2012: one image more fixed, one more broken; then SciPy's z."""
    labels, before, after, was, now = paired
    for level in (0.95, 0.8):
        gains = np.append(now.astype(float) - was, [1, -1])
        theirs = stats.norm.interval(level, gains.mean(), gains.std() / np.sqrt(402))
        c = metrics.compare(labels, before, after, level=level)
        np.testing.assert_allclose((c.low, c.high), theirs)


def test_interval_by_hand():
    """1 and 7 of 21 change (Bentur et al. 2009): -6/23, of variance (10/23 - 36/529) / 23."""
    low, high = metrics.gain_interval(1, 7, 21)
    assert low == pytest.approx(-0.2609 - 1.96 * 0.12625, abs=1e-4)
    assert high == 0  # and not -0.0134, for the exact p is 2 * 9/256 = 0.07
    assert metrics.gain_interval(0, 3, 3)[0] == -1  # cut off where gains end
    assert metrics.gain_interval(400, 0, 400)[1] == 1


@pytest.mark.parametrize("level", [0.95, 0.8, 0.99, 0.999])
def test_verdict_interval_and_test_are_one_criterion(level):
    """Every small count of fixed and broken images, and larger ones about where p is 1 - level."""
    z, seen = stats.norm.isf((1 - level) / 2), set()
    pairs = [(f, b) for f in range(18) for b in range(f + 1)]
    for broken in (25, 60, 150, 300):
        edge = int(broken + z * np.sqrt(2 * broken))
        pairs += [(broken + d, broken) for d in (0, 9)] + [(edge + d, broken) for d in range(13)]
    for fixed, broken in pairs:
        rejects = fixed > 0 and stats.binomtest(fixed, fixed + broken).pvalue < 1 - level
        for n in (max(1, fixed + broken), 1000, 10**6):
            low, high = metrics.gain_interval(fixed, broken, n, level)
            assert low <= (fixed - broken) / n <= high
            words = "helps" if rejects else "no clear effect"
            assert metrics.verdict(low, high) == words, (fixed, broken, n)
            assert metrics.gain_interval(broken, fixed, n, level) == (-high, -low)
            seen.add(words)
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("fixed", "broken", "words"),
    [
        (4, 0, "no clear effect"),
        (5, 0, "no clear effect"),
        (6, 0, "helps"),
        (9, 2, "no clear effect"),
        (2, 9, "no clear effect"),
        (1, 9, "hurts"),
    ],
)
def test_a_handful_of_images_does_not_decide(fixed, broken, words):
    labels, was = np.zeros(1000, int), np.arange(1000) < 500
    now = was.copy()
    now[:broken], now[len(now) - fixed :] = False, True
    c = metrics.compare(labels, scores_with(was, labels), scores_with(now, labels))
    assert (c.fixed, c.broken, c.verdict) == (fixed, broken, words)
    assert (c.verdict == "no clear effect") == (c.p_value >= 0.05)
    assert metrics.significant(c) == words


@pytest.mark.parametrize(
    ("n", "fixed", "broken"),
    [(100, 0.02, 0.01), (50, 0.03, 0.01), (200, 0.01, 0), (60, 0.1, 0.1), (80, 0.2, 0.02)],
)
def test_interval_covers_the_true_gain(n, fixed, broken):
    """The chance of every outcome, summed over those whose interval holds the gain."""
    law, held = stats.multinomial(n, [fixed, broken, 1 - fixed - broken]), 0
    for f, b in np.ndindex(min(n, 40), min(n, 40)):
        chance = law.pmf([f, b, n - f - b]) if f + b <= n else 0
        if chance > 1e-9:
            low, high = metrics.gain_interval(f, b, n)
            held += chance * (low <= fixed - broken <= high)
    assert 0.94 <= held <= 1


@pytest.mark.parametrize("wrong", [(-1, 2, 9, 0.9), (5, 5, 9, 0.9), (0, 0, 0, 0.9), (1, 2, 9, 1)])
def test_interval_names_impossible_counts(wrong):
    with pytest.raises(
        ValueError, match="fixed is {}, broken {}, n {} and level {}".format(*wrong)
    ):
        metrics.gain_interval(*wrong)


def test_mcnemar_is_the_exact_binomial_test():
    assert metrics.mcnemar(30, 12) == pytest.approx(2 * stats.binom.cdf(12, 42, 0.5))
    assert metrics.mcnemar(1, 0) == 1.0
    assert metrics.mcnemar(5, 0) == pytest.approx(2 / 2**5)
    assert metrics.mcnemar(0, 0) == 1.0
    with pytest.raises(ValueError, match="fixed is -1"):
        metrics.mcnemar(-1, 3)


def test_no_change_is_no_clear_effect(paired):
    labels, before, *_ = paired
    c = metrics.compare(labels, before, before)
    assert (c.gain, c.p_value, c.verdict) == (0, 1.0, "no clear effect")
    assert (-c.low, c.high) == pytest.approx([1.96 * np.sqrt(2) / 402] * 2, rel=1e-3)


def test_compare_by_class(paired):
    labels, before, after, was, now = paired
    by_class = metrics.compare_by_class(labels, before, after)
    assert list(by_class) == [0, 1, 2, 3]
    for k, c in by_class.items():
        assert c.n == 100
        assert c.gain == pytest.approx(now[labels == k].mean() - was[labels == k].mean())
    assert sum(c.fixed for c in by_class.values()) == 30


def test_mean_interval_is_the_t_test_interval_of_the_tutorials_ten_fits():
    published = [0.690, 0.662, 0.698, 0.681, 0.686, 0.680, 0.697, 0.696, 0.689, 0.679]
    mean, low, high = metrics.mean_interval(published)
    expected = stats.ttest_1samp(published, 0).confidence_interval(0.95)
    assert round(mean, 3) == 0.686
    np.testing.assert_allclose([low, high], expected)
    with pytest.raises(ValueError, match="there are 1"):
        metrics.mean_interval([0.5])
    with pytest.raises(ValueError, match="there are 3, 2 of them not finite"):
        metrics.mean_interval([0.5, np.nan, np.inf])
    assert metrics.mean_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.1, 0.2, "helps"),
        (-0.2, -0.1, "hurts"),
        (-0.1, 0.1, "no clear effect"),
        (0, 1, "no clear effect"),
    ],
)
def test_verdict(low, high, words):
    assert metrics.verdict(low, high) == words


def test_labels_and_scores_must_belong_together():
    with pytest.raises(ValueError, match=r"\(3,\).*\(4, 2\)"):
        metrics.accuracy(np.zeros(3, int), np.ones((4, 2)))
    with pytest.raises(ValueError, match="at least one image"):
        metrics.accuracy(np.zeros(0, int), np.ones((0, 2)))


@pytest.mark.parametrize(
    "function",
    [
        metrics.correct,
        metrics.accuracy,
        metrics.brier_score,
        metrics.calibration_error,
        lambda labels, scores: metrics.compare(labels, scores, scores),
        lambda labels, scores: metrics.conformal_sets(labels, scores, scores),
    ],
)
def test_scores_that_are_nan_are_no_answers(function):
    """The highest of NaN scores would be class 0, and right where that is the label."""
    scores = np.tile([0.7, 0.3], (5, 1))
    scores[1], scores[3, 1] = np.nan, np.nan
    with pytest.raises(ValueError, match="2 of 5 rows of scores hold NaN"):
        function(np.zeros(5, int), scores)


def test_nan_among_views_and_new_images_is_named():
    scores = np.tile([0.7, 0.3], (5, 1))
    lost = np.where(np.arange(5)[:, None] == 2, np.nan, scores)
    with pytest.raises(ValueError, match=r"1 of 10 predictions .* hold NaN"):
        metrics.disagreement([scores, lost])
    with pytest.raises(ValueError, match=r"1 of 5 predictions .* hold NaN"):
        metrics.conformal_sets(np.zeros(5, int), scores, lost)


def test_calibration_takes_probabilities_alone():
    for function in (metrics.reliability, metrics.calibration_error, metrics.brier_score):
        with pytest.raises(ValueError, match=r"softmax"):
            function([0, 1], np.array([[3.0, -2.0], [0.1, 0.9]]))


# Images measured many times


def test_image_interval_by_hand():
    mean, low, high = metrics.image_interval([0.2, 0.4, 0.6, 0.0])
    assert mean == pytest.approx(0.3)
    assert 0.0 <= low < 0.3 < high <= 0.6
    reduction, *_ = metrics.image_interval([0.2, 0.0, 0.4, 0.0], [0.4, 0.2, 0.4, 0.2])
    assert reduction == pytest.approx(1 - 0.6 / 1.2)
    worse, *_ = metrics.image_interval([3, 1], [1, 1])
    assert worse == pytest.approx(-1)


@pytest.fixture
def errors():
    """Shares of wrong answers of 300 images, before and after a change that helps most."""
    rng = np.random.default_rng(0)
    before = rng.beta(0.6, 1.2, 300)
    return before, np.clip(before - rng.normal(0.05, 0.1, 300), 0, 1)


@pytest.mark.parametrize("level", [0.95, 0.8])
@pytest.mark.parametrize("relative", [False, True])
def test_image_interval_is_scipys_bootstrap(errors, relative, level):
    before, after = errors

    def statistic(a, b, axis):
        return 1 - a.mean(axis=axis) / b.mean(axis=axis) if relative else a.mean(axis=axis)

    _, low, high = metrics.image_interval(
        after, before if relative else None, level=level, n_resamples=20_000
    )
    theirs = stats.bootstrap(
        (after, before),
        statistic,
        paired=True,
        method="percentile",
        confidence_level=level,
        n_resamples=20_000,
        batch=2000,
        rng=1,
    ).confidence_interval
    sampling_error = 0.03 * (theirs.high - theirs.low)
    np.testing.assert_allclose([low, high], theirs, atol=sampling_error)


def test_image_interval_keeps_pairs_together(errors):
    """The same reduction of every image is certain, however much the images differ."""
    before, _ = errors
    np.testing.assert_allclose(metrics.image_interval(0.7 * before, before), [0.3] * 3)


def test_image_interval_is_drawn_from_its_seed(errors):
    first, again, other = (metrics.image_interval(*errors, seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert first[0] == other[0]
    assert first[1:] != other[1:]


def test_image_interval_names_what_does_not_fit():
    for values in ([], np.ones((3, 2)), 0.5, [0.5]):
        message = re.escape(f"values have shape {np.shape(values)}")
        with pytest.raises(ValueError, match=message):
            metrics.image_interval(values)
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        metrics.image_interval([0.1, 0.2, 0.3], [0.1, 0.2])
    with pytest.raises(ValueError, match="2 of 3 images have a value that is not finite"):
        metrics.image_interval([0.1, np.nan, 0.2], [np.inf, 0.3, 0.2])
    with pytest.raises(ValueError, match="makes no errors"):
        metrics.image_interval([0.1, 0.2], [0.0, 0.0])


def test_resamples_without_a_baseline_error_leave_the_interval_finite():
    """Of two images one errs: a quarter of the resamples hold no error at all."""
    assert metrics.image_interval([0.0, 0.5], [0.0, 1.0]) == (0.5, 0.0, 0.5)


def test_rank_correlation_is_scipys_row_by_row():
    rng = np.random.default_rng(0)
    first = rng.normal(size=(40, 12))
    second = first + rng.normal(size=(40, 12))
    tied = rng.integers(0, 4, (40, 12))
    for a, b in ((first, second), (first, tied), (tied, np.roll(tied, 1, axis=0))):
        expected = [stats.spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
        np.testing.assert_allclose(metrics.rank_correlation(a, b), expected)


def test_rank_correlation_of_equal_values_is_nothing():
    flat, rising = [[5, 5, 5]], [[1, 2, 9]]
    rows = metrics.rank_correlation(flat + flat + rising + rising, rising + flat + flat + rising)
    np.testing.assert_allclose(rows, [0, 0, 0, 1])


def test_rank_correlation_names_shapes_that_do_not_fit():
    for first, second in (((3, 4), (3, 5)), ((4,), (4,)), ((3, 1), (3, 1))):
        message = re.escape(f"shapes {first} and {second} must be one")
        with pytest.raises(ValueError, match=message):
            metrics.rank_correlation(np.ones(first), np.ones(second))


def test_rank_correlation_refuses_what_has_no_rank():
    with pytest.raises(ValueError, match="diverged"):
        metrics.rank_correlation([[1.0, np.nan]], [[1.0, 2.0]])


# Many comparisons, several fits, several copies


def test_holm_is_the_textbooks():
    """R's p.adjust(p, "holm"), in R's help and on Wikipedia; then ties and the cap at one."""
    adjusted = metrics.holm([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(metrics.holm([0.2, 0.01, 0.2]), [0.4, 0.03, 0.4])
    np.testing.assert_allclose(metrics.holm([0.9, 0.4, 0.8]), [1, 1, 1])
    np.testing.assert_allclose(metrics.holm([0.03]), [0.03])


@pytest.mark.parametrize("p_values", [[0.1, 1.1], [-0.1, 0.5], [0.5, np.nan], [[0.1, 0.2]], 0.3])
def test_holm_names_what_is_no_p_value(p_values):
    with pytest.raises(ValueError, match=r"p_values are .* from 0 to 1"):
        metrics.holm(p_values)


def test_compare_all_adjusts_the_p_values_only(paired):
    labels, before, after, was, _ = paired
    less = was.copy()
    less[:9] = True
    others = {"much": after, "none": before, "little": scores_with(less, labels)}
    found = metrics.compare_all(labels, before, others)
    assert list(found) == list(others)
    p_values = [2 * stats.binom.cdf(12, 42, 0.5) * 2, 1.0, 2 / 2**9 * 3]  # little's is smallest
    for (name, change), p_value in zip(found.items(), p_values, strict=True):
        single = metrics.compare(labels, before, others[name])
        assert change.p_value == pytest.approx(p_value)
        assert replace(change, p_value=single.p_value) == single


@pytest.fixture
def copies():
    """Whether each of 3 copies of 40 photographs is right, before and after."""
    rng = np.random.default_rng(4)
    ease = rng.random(40)
    return rng.random((3, 40)) < ease, rng.random((3, 40)) < ease + 0.15


def test_compare_copies_counts_copies_and_tests_photographs(copies):
    """SciPy's mean and standard deviation of the photographs' gains and two more."""
    before, after = copies
    after = np.append(after[:2], before[2:], axis=0)  # no photograph gains or loses all copies
    gains = after.mean(axis=0) - before.mean(axis=0)
    most = np.abs(gains).max()
    assert most == pytest.approx(2 / 3)
    more = np.append(gains, [most, -most])
    law = stats.t(39, more.mean(), stats.sem(more, ddof=0))
    for level in (0.95, 0.8):
        c = metrics.compare_copies(before, after, level)
        assert (c.n, c.before, c.after) == (40, before.mean(), after.mean())
        assert c.fixed == np.sum(~before & after) != c.broken == np.sum(before & ~after)
        assert c.gain == pytest.approx(gains.mean())
        np.testing.assert_allclose((c.low, c.high), law.interval(level))
        assert c.p_value == pytest.approx(2 * min(law.cdf(0), law.sf(0)))


@pytest.mark.parametrize("n", [2, 5, 6, 12, 40, 300])
def test_copies_are_judged_by_one_criterion(n):
    """And a handful of photographs does not decide: the sign test must be able to reject too."""
    seen = set()
    for fixed, broken in np.ndindex(min(n, 14) + 1, min(n, 4) + 1):
        if fixed + broken <= n:
            before, after = np.zeros((2, 3, n), bool)
            after[:, :fixed], before[:, n - broken :] = True, True
            c = metrics.compare_copies(before, after)
            assert c.low <= c.gain <= c.high
            assert (c.verdict != "no clear effect") == (c.p_value < 0.05)
            if 2.0 ** (1 - fixed - broken) >= 0.05:
                assert c.verdict == "no clear effect"
            seen.add(c.verdict)
    assert (len(seen) > 1) == (n > 5)


def test_more_copies_of_the_same_answers_say_nothing_new(copies):
    one = metrics.compare_copies(*copies)
    ten = metrics.compare_copies(*(np.tile(answers, (10, 1)) for answers in copies))
    assert (ten.fixed, ten.broken) == (10 * one.fixed, 10 * one.broken)
    for name in ("n", "gain", "low", "high", "p_value"):
        assert getattr(ten, name) == pytest.approx(getattr(one, name))


def test_compare_copies_without_scatter(copies):
    before, _ = copies
    c = metrics.compare_copies(before, before)
    assert (c.gain, c.p_value, c.verdict) == (0, 1, "no clear effect")
    assert c.low < 0 < c.high
    c = metrics.compare_copies(np.zeros((2, 5)), np.ones((2, 5)))
    assert (c.gain, c.high, c.verdict) == (1, 1, "no clear effect")  # five photographs
    c = metrics.compare_copies(np.zeros((2, 9)), np.ones((2, 9)))
    assert (c.gain, c.high, c.verdict) == (1, 1, "helps")


def test_compare_copies_names_what_does_not_fit():
    for before, after in (((3, 5), (3, 4)), ((5,), (5,)), ((3, 1), (3, 1))):
        with pytest.raises(ValueError, match=re.escape(f"shapes {before} and {after} must be one")):
            metrics.compare_copies(np.ones(before), np.ones(after))


@pytest.mark.parametrize(
    ("n", "discordance", "gain", "level"),
    [(14, 0.7, 0.4, 0.05), (11, 0.9, -0.6, 0.2), (20, 0.5, 0.3, 0.01), (9, 1, 0, 0.3)],
)
def test_power_is_that_of_all_outcomes(n, discordance, gain, level):
    """SciPy's binomial test of every possible count of fixed and broken images."""
    shares = [(discordance + gain) / 2, (discordance - gain) / 2, 1 - discordance]
    expected = 0
    for fixed, broken in np.ndindex(n + 1, n + 1):
        if 0 < fixed + broken <= n and stats.binomtest(fixed, fixed + broken).pvalue <= level:
            expected += stats.multinomial.pmf([fixed, broken, n - fixed - broken], n, shares)
    found = metrics.mcnemar_power(n, discordance, gain, level)
    assert found == pytest.approx(expected, abs=1e-8)


def test_power_is_the_published():
    """G*Power 3.1 manual, chapter 5 (O'Brien 2002), one-sided at 5 %: two-sided at 10 %."""
    assert metrics.mcnemar_power(50, 0.4, 0.24, level=0.1) == pytest.approx(0.839343, abs=2e-5)
    assert metrics.mcnemar_power(5, 1, 1) == 0  # 2 / 2**5 is above 0.05, 2 / 2**6 below
    assert metrics.mcnemar_power(6, 1, 1) == pytest.approx(1)


def test_images_needed_by_hand():
    assert metrics.images_needed(1, 1) == 6
    assert metrics.images_needed(1, -1, level=0.01) == 8  # 2 / 2**8
    at_least_six = stats.binom.sf(5, np.arange(100), 0.5)  # half of the images are fixed
    for power in (0.5, 0.95):
        expected = np.flatnonzero(at_least_six >= power)[0]
        assert metrics.images_needed(0.5, 0.5, power) == expected


def test_images_needed_are_those_of_connors_approximation():
    """Connor 1987, and the power just below and at the answer."""
    for discordance, gain, power, level in ((0.1, 0.02, 0.8, 0.05), (0.3, -0.05, 0.9, 0.01)):
        z = stats.norm.isf(level / 2), stats.norm.isf(1 - power)
        root = z[0] * np.sqrt(discordance) + z[1] * np.sqrt(discordance - gain**2)
        n = metrics.images_needed(discordance, gain, power, level)
        assert n == pytest.approx((root / gain) ** 2, rel=0.06)  # it lacks exactness
        below = metrics.mcnemar_power(int(0.985 * n), discordance, gain, level)
        assert below < power <= metrics.mcnemar_power(n, discordance, gain, level)


def test_power_names_what_is_impossible():
    for n, discordance, gain in ((0, 0.1, 0.05), (9, 0, 0), (9, 1.2, 0.1), (9, 0.1, -0.2)):
        with pytest.raises(ValueError, match=f"n is {n}, discordance {discordance}, gain {gain}"):
            metrics.mcnemar_power(n, discordance, gain)
    for level in (0, 1, np.nan):
        with pytest.raises(ValueError, match=f"level {level}"):
            metrics.mcnemar_power(9, 0.2, 0.1, level)
    with pytest.raises(ValueError, match="A gain of 1e-06 takes more than 134,217,728 images"):
        metrics.images_needed(0.2, 1e-6)
    for gain, power in ((0, 0.8), (0.1, 0.05), (0.1, 1)):
        with pytest.raises(ValueError, match=rf"gain is {gain}, power {power}; .*\(0.05, 1\)"):
            metrics.images_needed(0.2, gain, power)
    with pytest.raises(ValueError, match=r"gain 0\.3"):
        metrics.images_needed(0.2, 0.3)


def test_mean_errors_are_those_of_simulated_fits_and_images():
    """Effects with known spread: 0.5 of a fit, 0.8 of an image, 1.5 of what is left."""
    rng, (fits, images) = np.random.default_rng(0), (6, 25)
    values = 0.5 * rng.normal(size=(500, fits, 1)) + 0.8 * rng.normal(size=(500, 1, images))
    values += 1.5 * rng.normal(size=(500, fits, images))
    left = 1.5**2 / (fits * images)
    truth = {"fits": 0.5**2 / fits + left, "images": 0.8**2 / images + left}
    truth["both"] = truth["fits"] + truth["images"] - left
    found = [metrics.mean_errors(v) for v in values]
    for name, variance in truth.items():
        estimates = [f[name] ** 2 for f in found]
        assert np.mean(estimates) == pytest.approx(variance, abs=3.5 * stats.sem(estimates))
        assert stats.sem(estimates) < 0.04 * variance
    spread = values.mean(axis=(1, 2)).var()
    assert spread == pytest.approx(truth["both"], rel=0.2)


def test_mean_errors_of_one_source_are_scipys():
    effects, noise = [3.0, 1.0, 4.0, 1.5, 9.0], [[0.1, -0.3], [0.7, 0.2], [-0.2, 0.6]]
    only_images = metrics.mean_errors([effects] * 3)
    expected = {"fits": 0, "images": stats.sem(effects), "both": stats.sem(effects)}
    assert only_images == pytest.approx(expected)
    only_fits = metrics.mean_errors(np.transpose([effects] * 3))
    expected = {"fits": stats.sem(effects), "images": 0, "both": stats.sem(effects)}
    assert only_fits == pytest.approx(expected)
    mixed = np.add.outer([1.0, 5.0, 2.0], [0.0, 3.0]) + noise  # no component is cut off at zero
    found = metrics.mean_errors(mixed)
    assert found["fits"] == pytest.approx(stats.sem(mixed.mean(axis=1)))
    assert found["images"] == pytest.approx(stats.sem(mixed.mean(axis=0)))


def test_mean_errors_by_hand_where_no_effect_is_seen():
    """Row and column means are all 1/2: noise 4 * 1/4 with one degree of freedom, over 4 cells."""
    expected = {"fits": 0.5, "images": 0.5, "both": 0.5}
    assert metrics.mean_errors([[1, 0], [0, 1]]) == pytest.approx(expected)
    for shape in ((5,), (1, 5), (5, 1)):
        with pytest.raises(ValueError, match=re.escape(f"values have shape {shape}")):
            metrics.mean_errors(np.ones(shape))
    with pytest.raises(ValueError, match="finite"):
        metrics.mean_errors([[1, 0], [0, np.nan]])
    assert set(metrics.mean_errors(np.ones((3, 4))).values()) == {0}


@pytest.mark.parametrize(
    ("gain", "p_value", "words"),
    [
        (0.1, 0.049, "helps"),
        (-0.1, 0.049, "hurts"),
        (0.1, 0.05, "helps"),
        (0.1, 0.051, "no clear effect"),
        (0.1, 0.3, "no clear effect"),
    ],
)
def test_significant(gain, p_value, words, paired):
    labels, before, *_ = paired
    change = metrics.compare(labels, before, before)
    change = replace(change, gain=gain, low=-1, high=1, p_value=p_value)
    assert metrics.significant(change) == words
    assert metrics.significant(change, level=0.001) == "no clear effect"
    duels = {"helps": "better", "hurts": "worse", "no clear effect": "no clear difference"}
    assert metrics.duel(change) == duels[words]
    assert metrics.duel(change, level=0.001) == "no clear difference"


# Probabilities: their loss, calibration and sets


@pytest.fixture
def scored():
    """120 images of four classes, and probabilities that are too sure."""
    rng = np.random.default_rng(9)
    probs = rng.dirichlet([0.6] * 4, size=120)
    labels = (rng.random((120, 1)) > probs.cumsum(axis=1)).sum(axis=1)
    return labels, special.softmax(1.6 * np.log(probs), axis=-1)


def test_likelihood_and_brier_score_are_scikit_learns(scored):
    labels, probs = scored
    labels, probs = labels[:30], probs[:30]
    pairs = list(zip(labels, probs, strict=True))
    expected = [log_loss([k], row[None], labels=range(4)) for k, row in pairs]
    np.testing.assert_allclose(metrics.negative_log_likelihood(labels, probs), expected)
    expected = [brier_score_loss([k], row[None], labels=range(4)) for k, row in pairs]
    np.testing.assert_allclose(metrics.brier_score(labels, probs), expected)


def test_likelihood_and_brier_score_at_their_ends():
    probs = [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    np.testing.assert_allclose(metrics.negative_log_likelihood([0, 2], probs), [0, 7 * np.log(10)])
    np.testing.assert_allclose(metrics.brier_score([0, 2], np.array(probs)), [0, 2])


def right_and_confidence(labels, probs):
    return probs.argmax(axis=1) == labels, probs.max(axis=1)


@pytest.mark.parametrize(
    ("equal", "strategy", "n_bins"), [("width", "uniform", 8), ("mass", "quantile", 6)]
)
def test_reliability_is_scikit_learns_calibration_curve(scored, equal, strategy, n_bins):
    right, confidence = right_and_confidence(*scored)
    accuracy, mean = calibration_curve(right, confidence, n_bins=n_bins, strategy=strategy)
    found = metrics.reliability(*scored, n_bins, equal)
    np.testing.assert_allclose(found["accuracy"], accuracy)
    np.testing.assert_allclose(found["confidence"], mean)
    counts = np.histogram(confidence, n_bins, (0, 1))[0] if equal == "width" else [20] * 6
    np.testing.assert_array_equal(found["count"], np.compress(np.array(counts) > 0, counts))
    expected = np.average(np.abs(accuracy - mean), weights=found["count"])
    assert metrics.calibration_error(*scored, n_bins, equal)[0] == pytest.approx(expected)


def test_bins_by_hand():
    """Confidences 1, 0.6, 0.75, 0.6, 0.9, of which the first, second and last are right."""
    confidence, labels = np.array([1.0, 0.6, 0.75, 0.6, 0.9]), [0, 0, 1, 1, 0]
    probs = np.stack([confidence, 1 - confidence], axis=1)
    found = metrics.reliability(labels, probs, 4, "width")  # 0.75 and 1 are at edges
    assert found["count"].tolist() == [2, 3]
    np.testing.assert_allclose(found["confidence"], [0.6, 2.65 / 3])
    np.testing.assert_allclose(found["accuracy"], [1 / 2, 2 / 3])
    error = metrics.calibration_error(labels, probs, 4, "width")[0]
    assert error == pytest.approx((2 * 0.1 + 3 * (2.65 - 2) / 3) / 5)
    found = metrics.reliability(labels, probs, 2)  # equal mass: three and two
    assert found["count"].tolist() == [3, 2]
    np.testing.assert_allclose(found["confidence"], [1.95 / 3, 0.95])
    np.testing.assert_allclose(found["accuracy"], [1 / 3, 1])
    error = metrics.calibration_error(labels, probs, 2)[0]  # too sure below, not enough above
    assert error == pytest.approx((3 * (1.95 - 1) / 3 + 2 * 0.05) / 5)
    one_each = metrics.reliability(labels, probs, 99)
    np.testing.assert_allclose(one_each["confidence"], [0.6, 0.75, 0.9, 1])  # equals share a bin
    np.testing.assert_allclose(one_each["accuracy"], [1 / 2, 0, 1, 1])


def test_the_order_of_the_images_does_not_matter_where_confidences_tie():
    probs, labels = np.tile([0.75, 0.25], (20, 1)), np.repeat([0, 1], [15, 5])
    shuffled = np.random.default_rng(0).permutation(labels)
    for some in (labels, shuffled):
        assert metrics.calibration_error(some, probs, 2)[0] == pytest.approx(0)


def test_a_calibrated_model_is_seldom_called_uncalibrated():
    rng, accused = np.random.default_rng(5), 0
    for seed in range(60):
        confidence = rng.uniform(0.5, 1, 500)
        labels = (rng.random(500) > confidence).astype(int)
        probs = np.stack([confidence, 1 - confidence], axis=1)
        error, low, high = metrics.calibration_error(labels, probs, n_resamples=200, seed=seed)
        assert low <= error < high
        accused += low > 0
    assert accused <= stats.binom.ppf(0.999, 60, 0.05)


def test_interval_of_the_calibration_error_is_scipys_basic_bootstrap(scored):
    right, confidence = right_and_confidence(*scored)
    gaps = (confidence - right)[:, None] * np.eye(5)[np.digitize(confidence, [0.2, 0.4, 0.6, 0.8])]
    theirs = stats.bootstrap(
        (np.arange(120),),
        lambda rows, axis: np.abs(gaps[rows].mean(axis=-2)).sum(axis=-1),
        method="basic",
        confidence_level=0.8,
        n_resamples=6000,
        batch=1000,
        rng=1,
    ).confidence_interval
    options = {"level": 0.8, "n_resamples": 6000}
    error, low, high = metrics.calibration_error(*scored, 5, "width", **options)
    assert 0 < theirs.low < error < theirs.high  # nothing is cut off
    np.testing.assert_allclose([low, high], theirs, atol=0.04 * (theirs.high - theirs.low))


def test_calibration_error_is_cut_off_at_zero_and_drawn_from_its_seed(scored):
    few = np.arange(20) < 6, np.tile([0.75, 0.25], (20, 1))  # 14 right, 15 expected
    error, low, high = metrics.calibration_error(*few, n_bins=1)
    assert error == pytest.approx(0.05) and low == 0 and 0.1 < high <= 0.3  # sd 0.1
    assert metrics.calibration_error([1, 1], np.eye(2)[[1, 1]]) == (0, 0, 0)
    confidence = np.repeat([0.6, 0.7, 0.8, 0.9], 10)  # of which 6, 7, 8 and 9 are right
    wrong, probs = np.tile(np.arange(10), 4) / 10 >= confidence, np.c_[confidence, 1 - confidence]
    ends = metrics.calibration_error(wrong, probs, 10, "width")
    assert ends[0] == pytest.approx(0) and min(ends) >= 0
    first, again, other = (metrics.calibration_error(*scored, seed=seed) for seed in (1, 1, 2))
    assert first == again
    more = metrics.calibration_error(*scored, seed=1, n_resamples=1100)
    for changed in (other, more):
        assert first[0] == changed[0] and first[1:] != changed[1:]


def test_probabilities_rounded_above_one_are_calibrated():
    """Sums in float32 may end just above 1; chance then has no negative spread."""
    probs = np.tile(np.float32([1 + 2e-7, 0]), (30, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = metrics.calibration_error(np.zeros(30, int), probs)
        np.testing.assert_allclose(ends, 0, atol=1e-6)
        assert metrics.calibration_error([0], probs[:1]) == pytest.approx((0, 0, 0), abs=1e-6)


def test_interval_covers_a_calibration_error_far_from_zero():
    """Where each bin's gap is clear; near zero the interval covers less than it promises."""
    rng, held = np.random.default_rng(0), 0
    confidence, accuracy = np.array([0.55, 0.75, 0.95]), np.array([0.25, 0.55, 0.8])
    truth = np.dot([0.3, 0.3, 0.4], confidence - accuracy)
    for trial in range(300):
        kind = rng.choice(3, size=300, p=[0.3, 0.3, 0.4])
        probs = np.stack([confidence[kind], 1 - confidence[kind]], axis=1)
        labels = (rng.random(300) > accuracy[kind]).astype(int)
        options = {"n_resamples": 150, "seed": trial}
        _, low, high = metrics.calibration_error(labels, probs, 10, "width", **options)
        held += low <= truth <= high
    assert 0.91 <= held / 300 <= 0.98


def test_calibration_names_what_does_not_fit(scored):
    labels, probs = scored
    for function in (metrics.reliability, metrics.calibration_error):
        for n_bins, equal in ((0, "mass"), (5, "size")):
            with pytest.raises(ValueError, match=f"n_bins is {n_bins} and equal is '{equal}'"):
                function(labels, probs, n_bins, equal)
    for function in (metrics.reliability, metrics.calibration_error, metrics.brier_score):
        with pytest.raises(ValueError, match=r"\(119,\).*\(120, 4\)"):
            function(labels[1:], probs)
    for wrong in (labels[1:], labels + 1):
        with pytest.raises(ValueError, match="do not belong to probs"):
            metrics.negative_log_likelihood(wrong, probs)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize(("n", "alpha"), [(14, 0.1), (60, 0.3)])
def test_conformal_sets_hold_the_right_class_as_often_as_promised(method, n, alpha):
    """Over many validation sets exactly ceil((n + 1)(1 - alpha)) / (n + 1), whatever the model."""
    rng, held = np.random.default_rng(0), []
    for trial in range(500):
        truth = rng.dirichlet([0.5, 1, 2, 0.3], size=n + 40)
        labels = (rng.random((n + 40, 1)) > truth.cumsum(axis=1)).sum(axis=1)
        probs = special.softmax(2.5 * np.log(truth + 0.02) + [0, 1, 0, 0.5], axis=-1)
        given = labels[:n], probs[:n], probs[n:]
        sets = metrics.conformal_sets(*given, alpha=alpha, method=method, seed=trial)
        held.append(sets[np.arange(40), labels[n:]].mean())
    expected = np.ceil((n + 1) * (1 - alpha)) / (n + 1)
    assert np.mean(held) == pytest.approx(expected, abs=3 * stats.sem(held))
    assert stats.sem(held) < 0.006


def test_lac_sets_by_hand():
    """Four images: the third of their scores 1/8, 1/4, 5/8 and 1/8, so classes from 3/4 on."""
    validation = np.array([[1, 7, 0], [6, 1, 1], [2, 3, 3], [1, 0, 7]]) / 8
    probs = np.array([[6, 2, 0], [3, 5, 0], [0, 1, 7], [1, 1, 6]]) / 8
    sets = metrics.conformal_sets([1, 0, 2, 2], validation, probs, alpha=0.4)
    assert sets.tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1], [0, 0, 1]]
    for method in ("lac", "aps"):  # four images cannot promise 81 %
        options = {"alpha": 0.19, "method": method}
        assert metrics.conformal_sets([1, 0, 2, 2], validation, probs, **options).all()


def test_aps_takes_classes_in_by_rank_and_the_last_by_lot():
    """With true probabilities 0.5, 0.3, 0.15 and 0.05 the lot takes the third in 2 of 3 times."""
    rng, row = np.random.default_rng(7), np.array([0.15, 0.5, 0.05, 0.3])
    labels, probs = rng.choice(4, size=20_000, p=row), np.tile(row, (20_000, 1))
    sets = metrics.conformal_sets(labels, probs, probs[:9000], method="aps")
    np.testing.assert_allclose(sets.mean(axis=0), [2 / 3, 1, 0, 1], atol=0.06)
    again, other = (
        metrics.conformal_sets(labels, probs, probs[:9000], method="aps", seed=seed)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(sets, again)
    assert (sets != other).any()
    lac = metrics.conformal_sets(labels, probs, probs[:1])  # without lots: the third always
    assert lac.tolist() == [[True, True, False, True]]


def test_conformal_sets_name_what_does_not_fit(scored):
    labels, probs = scored
    for method, alpha in (("raps", 0.1), ("lac", 0), ("aps", 1), ("lac", np.nan)):
        with pytest.raises(ValueError, match=f"method is '{method}' and alpha {alpha}"):
            metrics.conformal_sets(labels, probs, probs, method=method, alpha=alpha)
    with pytest.raises(ValueError, match=r"\(119,\).*\(120, 4\)"):
        metrics.conformal_sets(labels[1:], probs, probs)


def test_disagreement_by_hand():
    """The means name classes 1, 0 and 2; of the views one, none and two name another."""
    first = [[0.5, 0.4, 0.1], [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]]
    second = [[0.1, 0.8, 0.1], [0.6, 0.1, 0.3], [0.1, 0.5, 0.4]]
    third = [[0.2, 0.5, 0.3], [0.5, 0.4, 0.1], [0.0, 0.2, 0.8]]
    found = metrics.disagreement([first, second, third])
    np.testing.assert_allclose(found, [1 / 3, 0, 2 / 3])


def test_one_column_is_no_choice():
    """A sigmoid alone would be right for every image of class 0; as two classes it can be wrong."""
    p, labels = np.array([[0.9], [0.2], [0.7]]), np.array([1, 1, 0])
    with pytest.raises(ValueError, match=r"one column, shape \(3, 1\)"):
        metrics.accuracy(np.zeros(3, int), p)
    assert metrics.accuracy(labels, np.concatenate([1 - p, p], axis=1)) == pytest.approx(1 / 3)


def test_resampled_scores_by_hand():
    """Nine draws: seven rise, one falls, one stays; the interval is NumPy's percentiles."""
    before = np.array([0.5, 0.4, 0.5, 0.6, 0.5, 0.4, 0.5, 0.6, 0.5, 0.5])
    change = np.array([0.1, 0.2, 0.1, 0.05, 0.15, 0.1, -0.02, 0.0, 0.12, 0.08])
    found = metrics.compare_resamples(before, before + change, 40)
    assert (found.n, found.fixed, found.broken) == (40, 7, 1)
    assert (found.before, found.after, found.gain) == pytest.approx((0.5, 0.6, 0.1))
    low, high = np.percentile(change[1:], [2.5, 97.5])
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.p_value == pytest.approx(2 * (1 + 2) / (1 + 9))
    back = metrics.compare_resamples(before + change, before, 40)
    assert (back.gain, back.fixed, back.p_value) == pytest.approx((-0.1, 1, found.p_value))
    same = metrics.compare_resamples(before, before, 40)
    assert (same.gain, same.p_value, metrics.significant(same)) == (0, 1, "no clear effect")


def test_resampled_scores_agree_with_the_bootstrap_of_a_mean():
    """For a mean, whose interval is known, on many draws."""
    rng = np.random.default_rng(0)
    before, after = rng.random((2, 60))
    after += 0.1
    rows = np.concatenate([[np.arange(60)], rng.integers(60, size=(4000, 60))])
    found = metrics.compare_resamples(before[rows].mean(axis=1), after[rows].mean(axis=1), 60)
    expected = metrics.image_interval(after - before, n_resamples=4000)
    assert (found.gain, found.low, found.high) == pytest.approx(expected, abs=0.01)


def test_draws_without_a_score_are_left_out_and_a_set_without_one_is_refused():
    before, after = np.array([0.5, np.nan, 0.4, 0.6]), np.array([0.6, 0.7, 0.5, 0.7])
    found = metrics.compare_resamples(before, after, 3)
    assert (found.fixed, found.p_value) == (2, pytest.approx(2 / 3))
    for first, other, words in (
        (before[:2], after[:2], "shape"),
        (before, after[:3], "shape"),
        (before[1:], after[1:], "nan"),
    ):
        with pytest.raises(ValueError, match=words):
            metrics.compare_resamples(first, other, 3)
