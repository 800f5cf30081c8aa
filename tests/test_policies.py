"""Policies against SciPy, scikit-learn and hand counts."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn.ensemble import VotingClassifier

from tta_helpers import policies


@pytest.fixture
def probs():
    """Three distinguishable views of five images and four classes."""
    return special.softmax(np.random.default_rng(3).normal(size=(3, 5, 4)) * 2, axis=-1)


def test_mean_and_weights_by_hand():
    probs = np.array([[[0.9, 0.1]], [[0.2, 0.8]]])
    np.testing.assert_allclose(policies.mean(probs), [[0.55, 0.45]])
    np.testing.assert_allclose(policies.mean(probs, [3, 1]), [[0.725, 0.275]])
    np.testing.assert_allclose(policies.mean(probs, [0, 2]), [[0.2, 0.8]])


def test_geometric_mean_is_scipys_gmean_normalised(probs):
    expected = stats.gmean(probs, axis=0, weights=np.array([0.5, 0.3, 0.2])[:, None, None])
    expected /= expected.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(policies.geometric_mean(probs, [5, 3, 2]), expected)


def test_geometric_mean_is_the_softmax_of_averaged_logits():
    logits = np.random.default_rng(4).normal(size=(6, 7, 10)) * 5
    expected = special.softmax(logits.mean(axis=0), axis=-1)
    np.testing.assert_allclose(policies.geometric_mean(special.softmax(logits, -1)), expected)


def test_geometric_mean_does_not_underflow():
    """A plain product of 40 of these leaves the range of float32 and would give 0/0."""
    probs = np.tile(np.float32([[[1e-9, 2e-9, 1 - 3e-9]]]), (40, 1, 1))
    np.testing.assert_allclose(policies.geometric_mean(probs), probs[0], rtol=1e-5)
    certain = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    np.testing.assert_allclose(policies.geometric_mean(certain), [[0.5, 0.5]])


def test_probabilities_and_logits_are_different_choices():
    """One sure view and two mildly contrary ones: the two averages decide differently."""
    probs = np.array([[[0.999, 0.001]], [[0.2, 0.8]], [[0.2, 0.8]]])
    assert policies.mean(probs, [1, 2, 2]).argmax() == 1
    assert policies.geometric_mean(probs, [1, 2, 2]).argmax() == 0


def test_vote_is_scikit_learns_hard_voting(probs):
    class Fixed:
        def __init__(self, row):
            self.row = row

        def predict(self, images):
            return self.row[images]

    voting = VotingClassifier([("a", 0), ("b", 1), ("c", 2)], weights=[0.5, 0.2, 0.3])
    voting.estimators_ = [Fixed(view.argmax(axis=1)) for view in probs]
    voting.le_ = type("Identity", (), {"inverse_transform": staticmethod(lambda x: x)})
    expected = voting.predict(np.arange(5))
    shares = policies.vote(probs, [0.5, 0.2, 0.3])
    np.testing.assert_array_equal(shares.argmax(axis=1), expected)
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_running_mean_of_the_first_views(probs):
    running = policies.running_mean(probs)
    np.testing.assert_allclose(running[0], probs[0])
    np.testing.assert_allclose(running[1], (probs[0] + probs[1]) / 2)
    np.testing.assert_allclose(running[2], probs.mean(axis=0))


def test_softmax_is_scipys_and_does_not_overflow():
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(policies.softmax(logits), special.softmax(logits, axis=-1))


@pytest.mark.parametrize("policy", [policies.mean, policies.geometric_mean, policies.vote])
def test_bad_input_names_the_value(policy, probs):
    with pytest.raises(ValueError, match=r"\(5, 4\).*views, images, classes"):
        policy(probs[0])
    with pytest.raises(ValueError, match="softmax"):
        policy(probs * 30 - 4)
    with pytest.raises(ValueError, match="probabilities lie"):
        policy(probs * np.nan)
    with pytest.raises(ValueError, match=r"\(2,\).*3 views"):
        policy(probs, [1, 2])
    for weights in ([1, -1, 1], [0, 0, 0], [1, np.inf, 1]):
        with pytest.raises(ValueError, match="finite, not negative"):
            policy(probs, weights)
