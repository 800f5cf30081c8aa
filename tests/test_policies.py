"""Policies against SciPy, scikit-learn and hand counts."""

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import log_loss

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


# Views chosen image by image


def test_chosen_averages_each_images_own_views(probs):
    choice = [[0, 2], [1, 0], [2, 1], [1, 2], [0, 1]]
    expected = [(probs[a, i] + probs[b, i]) / 2 for i, (a, b) in enumerate(choice)]
    np.testing.assert_allclose(policies.chosen(probs, choice), expected)
    one = policies.chosen(probs, np.array([[2], [0], [1], [1], [0]], np.uint8))
    np.testing.assert_array_equal(one, probs[[2, 0, 1, 1, 0], np.arange(5)])


def test_a_view_chosen_twice_counts_twice(probs):
    expected = (2 * probs[1] + probs[0]) / 3
    np.testing.assert_allclose(policies.chosen(probs, [[1, 0, 1]] * 5), expected)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ([[0]] * 4, r"\(4, 1\).*\(images, k\).*5 images"),
        ([0] * 5, r"choice has shape \(5,\)"),
        (np.zeros((5, 0), int), r"\(5, 0\).*k at least 1"),
        ([[1.0]] * 5, "float64; give whole view numbers"),
        ([[True]] * 5, "bool"),
        ([[0], [1], [2], [3], [0]], "from 0 to 3; the 3 views are numbered from 0 to 2"),
        ([[0], [1], [2], [-1], [0]], "from -1 to 2"),
    ],
)
def test_a_bad_choice_is_named(choice, message, probs):
    with pytest.raises(ValueError, match=message):
        policies.checked_choice(choice, 3, 5)
    with pytest.raises(ValueError, match=message):
        policies.chosen(probs, choice)


def test_a_good_choice_comes_back_as_integers():
    choice = policies.checked_choice([[0, 2], [1, 1]], 3, 2)
    assert np.issubdtype(choice.dtype, np.integer)
    assert choice.tolist() == [[0, 2], [1, 1]]


def test_lowest_by_hand_with_ties_to_the_first():
    losses = [[3.0, 1.0, 2.0, 1.0], [0.5, 0.5, 0.5, 0.5], [4, -1, -2, 9]]
    assert policies.lowest(losses).tolist() == [[1], [0], [2]]
    assert policies.lowest(losses, 3).tolist() == [[1, 3, 2], [0, 1, 2], [2, 1, 0]]


def test_ties_go_to_the_first_of_many_views():
    """So many that a sort which is not stable would mix them."""
    losses = np.tile([1.0, 0.0], (50, 100))
    expected = [*range(1, 200, 2), *range(0, 200, 2)]
    assert policies.lowest(losses, 200).tolist() == [expected] * 50


def test_lowest_names_bad_losses_and_k():
    for k in (0, 4, -1):
        with pytest.raises(ValueError, match=f"k is {k}; choose between 1 and 3"):
            policies.lowest(np.ones((2, 3)), k)
    for losses in (np.ones(3), [[1, np.nan, 2]], [[1, np.inf, 2]]):
        with pytest.raises(ValueError, match=r"losses \(.*finite numbers"):
            policies.lowest(losses)


def test_guarded_by_hand():
    losses = np.array([[1, 0.75, 2], [1, 0.5, 0.25], [1, 3, 2], [1, 1, 0.5], [2, 1, 1]])
    assert policies.guarded(losses, 0.5).tolist() == [[0], [2], [0], [0], [1]]
    assert policies.guarded(losses, 0.2).tolist() == [[1], [2], [0], [2], [1]]


def test_guard_without_margin_is_the_lowest_and_with_a_huge_one_the_identity():
    losses = np.random.default_rng(0).integers(0, 4, (200, 6)) / 4  # full of ties
    np.testing.assert_array_equal(policies.guarded(losses, 0), policies.lowest(losses))
    np.testing.assert_array_equal(policies.guarded(losses, 1e9), np.zeros((200, 1)))


@pytest.mark.parametrize("margin", [-0.1, np.nan])
def test_guard_names_a_bad_margin(margin):
    with pytest.raises(ValueError, match=f"margin is {margin}"):
        policies.guarded(np.ones((2, 3)), margin)


def test_at_random_draws_k_different_views_evenly():
    choice = policies.at_random(6000, 4, 2, seed=3)
    assert choice.shape == (6000, 2)
    assert (choice[:, 0] != choice[:, 1]).all()
    pairs = np.bincount(choice @ [4, 1], minlength=16)[~np.eye(4, dtype=bool).ravel()]
    assert stats.chisquare(pairs).pvalue > 0.01  # the 12 ordered pairs, 500 times each
    np.testing.assert_array_equal(choice, policies.at_random(6000, 4, 2, seed=3))
    assert (choice != policies.at_random(6000, 4, 2, seed=4)).any()
    with pytest.raises(ValueError, match="k is 5; choose between 1 and 4"):
        policies.at_random(10, 4, 5)


def test_most_confident_by_hand():
    one = [[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.4, 0.4, 0.2]]
    other = [[0.2, 0.2, 0.6], [0.7, 0.3, 0.0], [0.3, 0.3, 0.4]]
    assert policies.most_confident([one, other]).tolist() == [[1], [0], [0]]


def test_least_entropy_is_scipys():
    probs = np.random.default_rng(5).dirichlet([0.5] * 6, size=(7, 90))
    probs[3, 0] = np.eye(6)[2]  # nothing is more certain, zeros included
    expected = stats.entropy(probs, axis=-1).argmin(axis=0)
    assert len(np.unique(expected)) == 7
    assert policies.least_entropy(probs)[0] == 3
    np.testing.assert_array_equal(policies.least_entropy(probs), expected[:, None])


def test_entropy_and_confidence_are_different_choices():
    probs = [[[0.6, 0.2, 0.2]], [[0.59, 0.41, 0.0]]]
    assert policies.most_confident(probs) == 0
    assert policies.least_entropy(probs) == 1


def test_cross_entropy_is_scikit_learns_log_loss(probs):
    labels = [3, 0, 0, 2, 1]
    expected = [
        [log_loss([label], row[None], labels=range(4)) for row in probs[:, i]]
        for i, label in enumerate(labels)
    ]
    np.testing.assert_allclose(policies.cross_entropy(labels, probs), expected)


def test_cross_entropy_of_an_impossible_class_is_that_of_keras():
    certain = np.array([[[1.0, 0.0], [0.0, 1.0]]])
    np.testing.assert_allclose(policies.cross_entropy([1, 1], certain), [[7 * np.log(10)], [0]])


# Views chosen for the whole set


def likelihood_at_the_best_temperature(labels, probs):
    """One view: bounded search over the logarithm of the temperature."""

    def loss(log_temperature):
        logits = np.log(probs) / np.exp(log_temperature)
        return -special.log_softmax(logits, axis=-1)[np.arange(len(labels)), labels].mean()

    bounds = (-np.log(20), np.log(20))
    found = optimize.minimize_scalar(loss, bounds=bounds, options={"xatol": 1e-9})
    return -min(found.fun, loss(bounds[0]), loss(bounds[1]))


def sharpened(probs, power):
    return special.softmax(power * np.log(probs), axis=-1)


@pytest.fixture
def scene():
    """Four views of 60 images and three classes: fair, sharp, blunt and misleading ones."""
    rng = np.random.default_rng(8)
    labels = np.arange(60) % 3
    signal = np.array([2.0, 1.6, 1.8, -0.4])[:, None, None] * np.eye(3)[labels]
    logits = (signal + rng.normal(size=(4, 60, 3))) * np.array([1, 6, 0.2, 1])[:, None, None]
    return labels, special.softmax(logits, axis=-1)


def test_calibrated_likelihood_is_scipys_search(scene):
    labels, probs = scene
    expected = [likelihood_at_the_best_temperature(labels, view) for view in probs]
    result = policies.calibrated_log_likelihood(labels, probs)
    np.testing.assert_allclose(result, expected, rtol=1e-7)
    assert result[3] == pytest.approx(-np.log(3), abs=0.03)  # no temperature saves this view


def test_calibrated_likelihood_at_its_bounds():
    """All right: the sharpest power, 20, is best. All wrong: the bluntest, 1/20."""
    probs = np.tile([0.6, 0.4], (1, 5, 1))
    right = policies.calibrated_log_likelihood([0] * 5, probs)
    wrong = policies.calibrated_log_likelihood([1] * 5, probs)
    np.testing.assert_allclose(right, -np.log1p((0.4 / 0.6) ** 20), rtol=1e-9)
    np.testing.assert_allclose(wrong, -np.log1p((0.6 / 0.4) ** 0.05), rtol=1e-9)


def test_calibrated_likelihood_does_not_see_sharpness(scene):
    labels, probs = scene
    plain = policies.calibrated_log_likelihood(labels, probs[:3])
    for power in (0.5, 2.5):
        result = policies.calibrated_log_likelihood(labels, sharpened(probs[:3], power))
        np.testing.assert_allclose(result, plain, rtol=1e-7)


def test_calibrated_likelihood_of_certain_and_mistaken_views():
    """A zero counts as the smallest normal float32; one image in ten is wrong, with certainty."""
    labels = np.arange(40) % 4
    probs = np.eye(4)[None, labels]
    probs[0, :4] = np.eye(4)[[1, 2, 3, 0]]
    floor = 2.0 ** (-126 / 20)
    expected = 0.1 * np.log(floor) - np.log1p(3 * floor)
    np.testing.assert_allclose(policies.calibrated_log_likelihood(labels, probs), expected)


def test_greedy_search_is_a_brute_force_loop(scene):
    labels, probs = scene
    views, scores = [], []
    for _ in range(6):
        candidates = [
            likelihood_at_the_best_temperature(labels, probs[[*views, new]].mean(axis=0))
            for new in range(len(probs))
        ]
        views.append(int(np.argmax(candidates)))
        scores.append(max(candidates))
    assert 1 < len(set(views)) < len(views)  # the loop itself repeats views, and mixes them
    found, likelihoods = policies.greedy_search(labels, probs, 6)
    assert found == views
    np.testing.assert_allclose(likelihoods, scores, rtol=1e-7)


def test_a_smaller_greedy_policy_is_the_beginning_of_a_larger_one(scene):
    views, scores = policies.greedy_search(*scene, 5)
    for size in (1, 3):
        assert policies.greedy_search(*scene, size) == (views[:size], scores[:size])


def test_greedy_search_does_not_change_its_input(scene):
    labels, probs = scene
    before = probs.copy()
    policies.greedy_search(labels, probs, 3)
    np.testing.assert_array_equal(probs, before)


@pytest.mark.parametrize(
    "policy",
    [
        policies.cross_entropy,
        policies.calibrated_log_likelihood,
        lambda labels, probs: policies.greedy_search(labels, probs, 1),
    ],
)
def test_labels_that_do_not_fit_are_named(policy, probs):
    with pytest.raises(ValueError, match=r"labels \(4,\).*\(3, 5, 4\).*5 images"):
        policy([0, 1, 2, 3], probs)
    for labels in ([0, 1, 2, 3, 4], [0, 1, 2, 3, -1]):
        with pytest.raises(ValueError, match=r"one number in \[0, 4\)"):
            policy(labels, probs)
    with pytest.raises(ValueError, match=r"\(5, 4\).*views, images, classes"):
        policy([0] * 5, probs[0])


def test_greedy_search_names_a_bad_size(scene):
    with pytest.raises(ValueError, match="size is 0"):
        policies.greedy_search(*scene, 0)
