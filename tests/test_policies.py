"""Policies against SciPy, scikit-learn and hand counts."""

import re

import numpy as np
import pytest
from scipy import optimize, special, stats
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold

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


def test_maximum_by_hand():
    probs = [[[0.6, 0.3, 0.1], [0.1, 0.1, 0.8]], [[0.2, 0.5, 0.3], [0.3, 0.5, 0.2]]]
    expected = [[6 / 14, 5 / 14, 3 / 14], [3 / 16, 5 / 16, 8 / 16]]
    np.testing.assert_allclose(policies.maximum(probs), expected)


def test_entropy_is_scipys_zeros_included(probs):
    np.testing.assert_allclose(policies.entropy(probs), stats.entropy(probs, axis=-1))
    np.testing.assert_allclose(policies.entropy(probs[1, 2]), stats.entropy(probs[1, 2]))
    assert policies.entropy(np.eye(4)).tolist() == [0, 0, 0, 0]


def test_one_class_is_always_certain():
    probs = np.ones((3, 4, 1))
    for policy in (policies.mean, policies.geometric_mean, policies.entropy_weighted):
        np.testing.assert_allclose(policy(probs), np.ones((4, 1)))


def test_entropy_weights_are_the_uncertainty_removed(probs):
    expected = [
        np.average(views, axis=0, weights=1 - stats.entropy(views, axis=-1, base=4))
        for views in probs.transpose(1, 0, 2)
    ]
    np.testing.assert_allclose(policies.entropy_weighted(probs), expected)


def test_a_uniform_view_has_no_weight_unless_all_are_uniform():
    uniform, certain = [[0.25] * 4], [[0.0, 0.0, 1.0, 0.0]]
    result = policies.entropy_weighted([uniform, certain])
    np.testing.assert_allclose(result, certain, atol=1e-30)
    np.testing.assert_allclose(policies.entropy_weighted([uniform] * 3), uniform)


@pytest.mark.parametrize("temperature", [0.3, 1, 2.5])
def test_tempered_divides_the_logits(temperature):
    logits = np.random.default_rng(6).normal(size=(2, 5, 4)) * 3
    expected = special.softmax(logits / temperature, axis=-1)
    result = policies.tempered(special.softmax(logits, axis=-1), temperature)
    np.testing.assert_allclose(result, expected)


def test_tempered_by_hand():
    sharp = policies.tempered([0.6, 0.3, 0.1, 0.0], 0.5)
    np.testing.assert_allclose(sharp, np.array([36, 9, 1, 0]) / 46, atol=1e-30)
    for temperature in (0, -1, np.nan):
        with pytest.raises(ValueError, match=f"temperature is {temperature}"):
            policies.tempered([0.6, 0.4], temperature)


def test_running_mean_of_the_first_views(probs):
    running = policies.running_mean(probs)
    np.testing.assert_allclose(running[0], probs[0])
    np.testing.assert_allclose(running[1], (probs[0] + probs[1]) / 2)
    np.testing.assert_allclose(running[2], probs.mean(axis=0))


def test_softmax_is_scipys_and_does_not_overflow():
    logits = np.array([[1000.0, 999.0, -1000.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(policies.softmax(logits), special.softmax(logits, axis=-1))


@pytest.mark.parametrize(("small", "other", "large"), [(1, 2, 3), (2, 4, 6), (1, 3, 4), (3, 5, 8)])
def test_a_tie_of_unequal_weights_goes_to_the_lower_class(small, other, large):
    """In tenths: as whole numbers the sums are equal, as floats some are not."""
    weights = np.array([small, other, large]) / 10
    for together in (0, 1):  # the class that the two smaller weights put first
        probs = np.full((3, 1, 2), 0.2)
        probs[:2, :, together] = probs[2, :, 1 - together] = 0.8
        shares = policies.vote(probs, weights)
        np.testing.assert_array_equal(shares, [[0.5, 0.5]])
        assert shares.argmax() == 0


@pytest.mark.parametrize("policy", [policies.mean, policies.geometric_mean, policies.vote])
def test_bad_input_names_the_value(policy, probs):
    with pytest.raises(ValueError, match=r"\(5, 4\).*views, images, classes"):
        policy(probs[0])
    with pytest.raises(ValueError, match="softmax"):
        policy(probs * 30 - 4)
    lost = probs.copy()
    lost[1, 2:4, 0] = np.nan
    with pytest.raises(ValueError, match=r"2 of 15 predictions \(views x images\) hold NaN"):
        policy(lost)
    lost[1, 2:4] = 0
    with pytest.raises(ValueError, match=r"2 of 15 predictions .* zero for every class"):
        policy(lost)
    with pytest.raises(ValueError, match=r"\(2,\).*3 views"):
        policy(probs, [1, 2])
    for weights in ([1, -1, 1], [0, 0, 0], [1, np.inf, 1]):
        with pytest.raises(ValueError, match="finite, not negative"):
            policy(probs, weights)


@pytest.mark.parametrize("policy", [policies.maximum, policies.entropy_weighted])
def test_policies_without_weights_name_bad_input_too(policy, probs):
    with pytest.raises(ValueError, match=r"\(5, 4\).*views, images, classes"):
        policy(probs[0])
    with pytest.raises(ValueError, match="softmax"):
        policy(probs * 30 - 4)


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


def with_confidence(*highest):
    """One row of three classes for each highest probability."""
    return np.array([[(1 - p) / 3, p, 2 * (1 - p) / 3] for p in highest])


def test_least_confident_by_hand_with_ties_to_the_first():
    probs = with_confidence(0.6, 0.9, 0.5, 0.7, 0.5)
    for fraction, expected in ((0, []), (0.2, [2]), (0.45, [2, 4]), (0.55, [0, 2, 4])):
        assert np.flatnonzero(policies.least_confident(probs, fraction)).tolist() == expected
    assert policies.least_confident(probs, 1).all()
    many = policies.least_confident(with_confidence(*[0.9, 0.8] * 100), 0.25)
    assert np.flatnonzero(many).tolist() == list(range(1, 100, 2))


def test_selective_takes_the_full_policy_where_the_first_view_is_unsure():
    first, full = with_confidence(0.6, 0.9, 0.5, 0.7), with_confidence(0.95, 0.45, 0.8, 0.55)
    expected = [full[0], first[1], full[2], first[3]]
    np.testing.assert_array_equal(policies.selective(first, full, 0.5), expected)
    np.testing.assert_array_equal(policies.selective(first, full, 0), first)
    np.testing.assert_array_equal(policies.selective(first, full, 1), full)


def test_selection_names_what_does_not_fit():
    probs = with_confidence(0.6, 0.9)
    for fraction in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"fraction is {fraction}"):
            policies.least_confident(probs, fraction)
    with pytest.raises(ValueError, match=r"first \(2, 3\) and full \(2, 2\)"):
        policies.selective(probs, probs[:, :2], 0.5)
    with pytest.raises(ValueError, match=r"first \(1, 2, 3\)"):
        policies.selective(probs[None], probs[None], 0.5)


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
    before, costs = probs.copy(), np.array([2.0, 1, 1, 1])
    policies.greedy_search(labels, probs, 3, costs)
    np.testing.assert_array_equal(probs, before)
    assert costs.tolist() == [2, 1, 1, 1]


@pytest.mark.parametrize(
    ("costs", "used", "ends_early"),
    [([30, 1, 3, 1], {1, 0, 2}, False), ([1, 5, 2, 1], {0, 2}, True)],
)
def test_greedy_search_by_pass_is_a_brute_force_loop(scene, costs, used, ends_early):
    labels, probs = scene
    views, scores = [], [-np.log(3)]  # before any view: a uniform guess
    while True:
        gains = [
            likelihood_at_the_best_temperature(labels, probs[[*views, new]].mean(axis=0))
            - scores[-1]
            for new in range(len(probs))
        ]
        free = [view for view in set(views) if gains[view] > 0]
        if max(gains) <= 0 or len(views) == 12:
            break
        if free:
            views.append(max(free, key=lambda view: gains[view]))
        else:
            views.append(max(range(4), key=lambda view: gains[view] / costs[view]))
        scores.append(scores[-1] + gains[views[-1]])
    found, likelihoods = policies.greedy_search(labels, probs, 12, costs)
    assert found == views
    np.testing.assert_allclose(likelihoods, scores[1:], rtol=1e-7)
    assert policies.greedy_search(labels, probs, 2, costs)[0] == views[:2]
    assert set(views) == used and (len(views) < 12) == ends_early


@pytest.mark.parametrize("costs", [[1, 2, 3], 5, [1, 2, 0, 1], [1, 2, -1, 1], [1, 2, np.inf, 1]])
def test_greedy_search_names_bad_costs(scene, costs):
    with pytest.raises(ValueError, match=f"costs are {re.escape(str(costs))}; give 4"):
        policies.greedy_search(*scene, 2, costs)


@pytest.mark.parametrize(
    "policy",
    [
        policies.cross_entropy,
        policies.calibrated_log_likelihood,
        lambda labels, probs: policies.greedy_search(labels, probs, 1),
        policies.fit_weights,
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


# Temperatures and weights learned on validation images


def test_fitted_temperature_is_scipys_search(scene):
    """The sharp view is too sure of itself, the blunt one not sure enough."""
    labels, probs = scene
    temperatures = [policies.fit_temperature(labels, view) for view in probs[:3]]
    assert temperatures[1] > 1.5 > 1 > temperatures[2]
    for view, temperature in zip(probs, temperatures, strict=False):
        logits = np.log(view) / temperature
        found = -log_loss(labels, special.softmax(logits, axis=-1))
        best = likelihood_at_the_best_temperature(labels, view)
        assert found == pytest.approx(best, abs=1e-9)


def test_temperature_scaling_is_scikit_learns():
    rng = np.random.default_rng(0)
    labels = np.arange(300) % 3
    images = np.eye(5)[labels] + rng.normal(size=(300, 5))
    model = LogisticRegression(C=100).fit(images[:60], labels[:60])  # few images: too sure
    probs = model.predict_proba(images)
    calibrated = CalibratedClassifierCV(FrozenEstimator(model), method="temperature")
    expected = calibrated.fit(images[60:200], labels[60:200]).predict_proba(images[200:])
    temperature = policies.fit_temperature(labels[60:200], probs[60:200])
    assert temperature > 1.2
    np.testing.assert_allclose(policies.tempered(probs[200:], temperature), expected, rtol=1e-5)


def test_temperature_stays_within_its_bounds():
    probs = np.tile([0.6, 0.4], (5, 1))
    assert policies.fit_temperature([0] * 5, probs) == pytest.approx(1 / 20)
    assert policies.fit_temperature([1] * 5, probs) == pytest.approx(20)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("n_classes", [2, 3, 7, 100])
def test_no_temperature_changes_a_network_that_knows_nothing(n_classes, dtype):
    probs = np.full((2, 5, n_classes), 1 / n_classes, dtype)
    labels = np.arange(5) % n_classes
    assert policies.fit_temperature(labels, probs[0]) == 1
    likelihoods = policies.calibrated_log_likelihood(labels, probs)
    np.testing.assert_allclose(likelihoods, -np.log(n_classes))
    views, scores = policies.greedy_search(labels, probs, 2)
    assert views == [0, 0]
    np.testing.assert_allclose(scores, -np.log(n_classes))


def test_temperature_names_what_does_not_fit(probs):
    with pytest.raises(ValueError, match=r"labels \(4,\)"):
        policies.fit_temperature([0, 1, 2, 3], probs[0])
    with pytest.raises(ValueError, match=r"one number in \[0, 4\)"):
        policies.fit_temperature([0, 1, 2, 3, 4], probs[0])
    with pytest.raises(ValueError, match="views, images, classes"):
        policies.fit_temperature([0] * 5, probs)


def test_class_weighted_mean_is_a_loop(probs):
    weights = np.array([[3, 0, 1, 2], [1, 0, 5, 0.5], [0, 0, 2, 4]])
    expected = np.zeros((5, 4))
    for view, image, k in np.ndindex(3, 5, 4):
        expected[image, k] += probs[view, image, k] * weights[view, k]
    expected /= expected.sum(axis=1, keepdims=True)
    result = policies.class_weighted_mean(probs, weights)
    np.testing.assert_allclose(result, expected, atol=1e-30)
    assert np.isfinite(policies.class_weighted_mean(np.eye(4)[None], [[0, 1, 1, 1]])).all()


def test_class_weights_that_do_not_differ_are_view_weights(probs):
    weights = np.array([5, 3, 2])
    result = policies.class_weighted_mean(probs, np.tile(weights[:, None], 4))
    np.testing.assert_allclose(result, policies.mean(probs, weights))


def test_class_weighted_mean_names_bad_weights(probs):
    unusable = (np.full((3, 4), np.inf), np.zeros((3, 4)), -np.ones((3, 4)))
    for weights in ([1, 2, 3], np.ones((4, 3)), np.ones((3, 1)), *unusable):
        with pytest.raises(ValueError, match=r"weights \(.*3 views x 4 classes"):
            policies.class_weighted_mean(probs, weights)
    for bad in (-1, np.nan):
        weights = np.ones((3, 4))
        weights[1, 2] = bad
        with pytest.raises(ValueError, match="not negative"):
            policies.class_weighted_mean(probs, weights)
    with pytest.raises(ValueError, match="views, images, classes"):
        policies.class_weighted_mean(probs[0], np.ones((3, 4)))


def loss_of_weights(weights, labels, probs):
    """The cross-entropy of views averaged with weights (views, 1 or classes)."""
    averaged = (probs * weights[:, None]).sum(axis=0)
    return -np.log(averaged[np.arange(len(labels)), labels] / averaged.sum(axis=1)).mean()


def weights_of_slsqp(labels, probs, strength, columns):
    shape = len(probs), columns

    def loss(flat):
        weights = flat.reshape(shape)
        penalty = ((weights * len(probs) - 1) ** 2).sum(axis=0) / len(probs)
        return loss_of_weights(weights, labels, probs) + strength * penalty.mean()

    start, bounds = np.full(shape, 1 / shape[0]).ravel(), [(1e-9, None)] * (shape[0] * columns)
    options = {"ftol": 1e-10, "maxiter": 300}
    found = optimize.minimize(loss, start, bounds=bounds, method="SLSQP", options=options)
    return found.x.reshape(shape)


@pytest.mark.parametrize("strength", [0.1, 1])
@pytest.mark.parametrize("by_class", [False, True])
def test_weights_are_a_general_optimisers(scene, by_class, strength):
    weights, chosen = policies.fit_weights(*scene, by_class=by_class, strengths=[strength])
    expected = weights_of_slsqp(*scene, strength, 3 if by_class else 1)
    expected = expected / expected.mean() / 4
    assert chosen == strength
    assert weights.shape == ((4, 3) if by_class else (4,))
    assert weights.mean() == pytest.approx(1 / 4)
    np.testing.assert_allclose(weights, expected if by_class else expected[:, 0], atol=2e-4)


def test_the_strength_is_that_of_scikit_learns_cross_validation():
    rng, strengths, choices = np.random.default_rng(3), [0.03, 0.3, 3], set()
    labels = np.arange(24) % 3
    signal = np.array([0.9, 0.7, 0.5])[:, None, None] * np.eye(3)[labels]
    probs = special.softmax(2 * (signal + rng.normal(size=(3, 24, 3))), axis=-1)
    for seed in range(4):
        losses = np.zeros(3)
        for fitted, left_out in KFold(2, shuffle=True, random_state=seed).split(labels):
            for k, strength in enumerate(strengths):
                weights = weights_of_slsqp(labels[fitted], probs[:, fitted], strength, 1)
                losses[k] += loss_of_weights(weights, labels[left_out], probs[:, left_out])
        choices.add(expected := strengths[losses.argmin()])
        found = policies.fit_weights(labels, probs, strengths=strengths, folds=2, seed=seed)
        assert found[1] == expected
        refit = policies.fit_weights(labels, probs, strengths=[expected])[0]
        np.testing.assert_allclose(found[0], refit)
    assert choices == set(strengths)


@pytest.mark.parametrize("by_class", [False, True])
def test_weights_find_those_that_the_labels_were_drawn_with(by_class):
    rng = np.random.default_rng(1)
    truth = np.array([[6, 6, 6], [3, 3, 3], [1, 1, 1], [0, 0, 0]], dtype=float)
    if by_class:
        truth = np.array([[6, 1, 2], [1, 5, 2], [3, 1, 4], [0, 3, 0]], dtype=float)
    truth *= 3 / truth.sum()
    probs = rng.dirichlet([0.3] * 3, size=(4, 20_000))
    mixed = (probs * truth[:, None]).sum(axis=0)
    mixed /= mixed.sum(axis=1, keepdims=True)
    labels = (rng.random((20_000, 1)) > mixed.cumsum(axis=1)).sum(axis=1)
    weights, _ = policies.fit_weights(labels, probs, by_class=by_class, strengths=[1e-6])
    np.testing.assert_allclose(weights, truth if by_class else truth[:, 0], atol=0.04)


def test_weights_survive_views_that_are_certain_and_mistaken():
    labels = np.arange(30) % 3
    probs = np.stack([np.eye(3)[(labels + 1) % 3], np.eye(3)[labels]])
    for by_class in (False, True):
        weights, _ = policies.fit_weights(labels, probs, by_class=by_class, folds=2)
        assert (weights[0] < 0.01).all() and (weights[1] > 0.9).all()


@pytest.mark.parametrize("by_class", [False, True])
def test_one_sure_mistake_of_a_left_out_image_costs_what_it_costs_in_keras(by_class):
    """16.1 nats, shared by 100 images, are less than the 0.27 nats that equal weights cost."""
    labels = np.arange(100) % 3
    sure, blunt = np.eye(3)[labels], 0.25 + 0.25 * np.eye(3)[labels]
    sure[7] = np.roll(sure[7], 1)
    probs, options = np.stack([sure, blunt]), {"by_class": by_class, "strengths": [1e-4, 10]}
    assert policies.fit_weights(labels, probs, **options)[1] == 1e-4


def test_a_class_that_no_view_names_keeps_equal_class_weights(scene):
    """As if its images and its column were not there; it once took all weight, or made NaN."""
    labels, probs = scene
    stuck = np.insert(probs, 1, 0, axis=2)  # classes 0, 2 and 3 are the scene's, 1 is never named
    shifted = np.array([0, 2, 3])[labels]
    options = {"by_class": True, "strengths": [0.1]}
    expected = policies.fit_weights(labels, probs, **options)[0]
    shifted, stuck = np.append(shifted, [1] * 9), np.append(stuck, stuck[:, :9], axis=1)
    weights, strength = policies.fit_weights(shifted, stuck, **options)
    assert strength == 0.1
    np.testing.assert_allclose(weights[:, [0, 2, 3]], expected)
    np.testing.assert_array_equal(weights[:, 1], [0.25] * 4)
    assert (policies.class_weighted_mean(stuck, weights)[:, 1] < 1e-6).all()


@pytest.mark.parametrize("named", [0, 2])
@pytest.mark.parametrize("confidence", [1.0, 0.7])
def test_weights_of_a_constant_network_are_finite_and_alike_for_all_views(named, confidence):
    probs = np.full((4, 30, 3), (1 - confidence) / 2, "float32")
    probs[..., named] = confidence
    for labels in (np.arange(30) % 3, np.zeros(30, int)):
        for by_class in (False, True):
            weights, _ = policies.fit_weights(labels, probs, by_class=by_class)
            assert weights.mean() == pytest.approx(1 / 4)
            np.testing.assert_allclose(weights, weights[[0]].repeat(4, axis=0), rtol=1e-4)


@pytest.mark.parametrize("seed", [14, 20, 33, 36, 42])
def test_views_that_are_always_wrong_do_not_lose_all_weight(seed):
    """No weight at all would be a uniform guess, and cost less than being sure and wrong."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 5, 18)
    probs = np.eye(5)[(labels + rng.integers(1, 5, (5, 18))) % 5]
    weights, _ = policies.fit_weights(labels, probs, by_class=True, strengths=[1e-3])
    assert (weights >= 0).all() and weights.mean() == pytest.approx(1 / 5)


@pytest.mark.parametrize(("n_images", "n_classes"), [(2, 2), (3, 2), (5, 2), (5, 100), (101, 100)])
@pytest.mark.parametrize("by_class", [False, True])
def test_weights_are_learned_from_few_images_and_many_classes(n_images, n_classes, by_class):
    rng = np.random.default_rng(0)
    probs = rng.dirichlet([0.1] * n_classes, size=(3, n_images)).astype("float32")
    labels = np.arange(n_images) % n_classes
    weights, _ = policies.fit_weights(labels, probs, by_class=by_class, strengths=[0.1, 1])
    assert weights.shape == ((3, n_classes) if by_class else (3,))
    assert (weights >= 0).all() and weights.mean() == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match="one image; learning weights takes two"):
        policies.fit_weights(labels[:1], probs[:, :1], by_class=by_class)


@pytest.mark.parametrize("strengths", [[], [0.1, 0], [-1], [np.nan]])
def test_weights_name_bad_strengths(scene, strengths):
    with pytest.raises(ValueError, match=re.escape(f"strengths are {strengths}")):
        policies.fit_weights(*scene, strengths=strengths)
