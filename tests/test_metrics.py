"""Metrics against SciPy, scikit-learn and hand counts."""

import re

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score

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


def test_interval_is_scipys_paired_bootstrap(paired):
    labels, before, after, was, now = paired
    ours = metrics.compare(labels, before, after, n_resamples=50_000)
    theirs = stats.bootstrap(
        (now.astype(float), was.astype(float)),
        lambda a, b, axis: (a - b).mean(axis=axis),
        paired=True,
        method="percentile",
        n_resamples=20_000,
        batch=1000,
        rng=1,
    ).confidence_interval
    np.testing.assert_allclose([ours.low, ours.high], theirs, atol=0.0026)  # one image in 400


def test_interval_covers_the_true_gain():
    """Of 400 experiments with a known gain, about 95 % have an interval that holds it."""
    rng, labels, truth, held = np.random.default_rng(0), np.zeros(300, int), 0.10 - 0.04, 0
    for trial in range(400):
        kind = rng.choice(3, size=300, p=[0.10, 0.04, 0.86])  # fixed, broken, unchanged
        before, after = scores_with(kind != 0, labels), scores_with(kind != 1, labels)
        c = metrics.compare(labels, before, after, n_resamples=1000, seed=trial)
        held += c.low <= truth <= c.high
    assert 0.91 <= held / 400 <= 0.98


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
    assert (c.gain, c.low, c.high, c.p_value, c.verdict) == (0, 0, 0, 1.0, "no clear effect")


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
    for values in ([], np.ones((3, 2)), 0.5):
        message = re.escape(f"values have shape {np.shape(values)}")
        with pytest.raises(ValueError, match=message):
            metrics.image_interval(values)
    with pytest.raises(ValueError, match=r"\(3,\) and \(2,\)"):
        metrics.image_interval([0.1, 0.2, 0.3], [0.1, 0.2])
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
