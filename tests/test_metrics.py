"""Metrics against SciPy, scikit-learn and hand counts."""

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
