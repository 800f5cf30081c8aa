"""Checks of the exercises of lesson 03, on tuning."""

from functools import cache

import numpy as np

from course import prepared
from course.checks.judging import (
    Hint,
    array,
    call,
    draw_probs,
    draw_views,
    exercise,
    judge,
    probabilities,
)
from tta_helpers import metrics, policies


@exercise
def equally_good(answer, rng):
    """Check which of five policies the one-standard-error rule chooses."""
    letter = str(answer).strip().upper()
    if letter not in set("ABCDE"):
        raise Hint("answer with one letter from A to E, as text.")
    judge(
        letter,
        "C",
        {
            "A is the most accurate; the rule asks who is as good for less.": "A",
            "B is close, but not the cheapest of those that are.": "B",
            "D lies behind by more than its error.": "D",
            "E is the cheapest of all, but far behind.": "E",
        },
        "strike out all that lie too far behind.",
    )


def _candidates(rng):
    """Return answers of five policies to the same images, and prices, in no order.

    One is the best. The second lies behind by half a standard error, the third, cheaper, by less
    than one, the fourth by more than one of its own and less than one of images of their own, the
    last, the cheapest, by far.
    """
    n = 900
    base = rng.permutation(np.arange(n) < 600)  # the best

    def changed(lost, won):
        new = base.copy()
        new[rng.choice(np.flatnonzero(base), lost, replace=False)] = False
        new[rng.choice(np.flatnonzero(~base), won, replace=False)] = True
        return new

    answers = [base, changed(24, 20), changed(36, 30), changed(20, 8), changed(140, 20)]
    names = [str(name) for name in rng.permutation(["ash", "birch", "cedar", "fir", "oak"])]
    order = rng.permutation(5)
    right = {names[k]: answers[k] for k in order}
    prices = np.sort(rng.choice(np.arange(2, 30), 5, replace=False))[::-1]
    return right, {names[k]: int(prices[k]) for k in order}, names


@exercise
def close_ones(answer, rng):
    """Check who lies within one standard error of the best."""
    right, _, names = _candidates(rng)
    found = call(answer, right)
    if isinstance(found, str) or not all(isinstance(name, str) for name in found):
        raise Hint("the result should be a set of names.")
    found = set(found)
    if not found <= set(names):
        raise Hint(f"{sorted(found - set(names))} are none of the policies' names.")
    judge(
        sorted(found),
        sorted(names[:3]),
        {
            "a mean strays less than single images do: divide by the root of their number.": sorted(
                names
            ),
            "all answered the same images: take the error of the differences.": sorted(names[:4]),
            "the best itself is missing: it lies zero points behind itself.": sorted(names[1:3]),
        },
        "print distance and error of each policy beside its name.",
    )


@exercise
def choose(answer, rng):
    """Check what the one-standard-error rule chooses."""
    right, passes, names = _candidates(rng)
    found = call(answer, right, passes)
    if found not in names:
        raise Hint("the result should be the name of one policy.")
    judge(
        found,
        names[2],
        {
            "that is the most accurate one, whatever it costs.": names[0],
            "that one is close, but another close one is cheaper.": names[1],
            "that one lies behind by more than the error of the differences, image by image.": (
                names[3]
            ),
            "that is the cheapest of all, however bad.": names[4],
        },
        "three steps: the best, those close to it, the cheapest of these.",
    )


@exercise
def report(answer, rng):
    """Check a winner's accuracy on images that chose it and on fresh ones."""
    _judge_report(answer, rng)
    outcomes, told = _weightings(), []
    for _ in range(100):
        dealt = rng.permutation(outcomes.shape[1])
        told.append(call(answer, outcomes, dealt[:50], dealt[50:500]))
    here, fresh = 100 * np.mean(told, axis=0)
    return (
        f"On the sample the best of 100 weightings, chosen on 50 images, shows {here:.1f} % on "
        f"them and {fresh:.1f} % on fresh ones, the mean of 100 deals."
    )


@cache
def _weightings():
    """Return which answers of 100 random weightings of the sample's ten-crop are right."""
    sample = prepared.load()
    weights = np.random.default_rng(0).dirichlet(np.full(10, 0.3), size=100)
    averages = (policies.mean(sample.ten_crop, some) for some in weights)
    return np.array([metrics.correct(sample.labels, average) for average in averages])


def _judge_report(answer, rng):
    dealt = rng.permutation(200)
    choosing, fresh = dealt[:50], dealt[50:130]
    winners, alone = set(), False
    # until one policy alone wins on either part, and another on both together
    while len(winners) < 3 or not alone:
        outcomes = rng.random((12, 200)) < 0.6
        here, there = (outcomes[:, some].mean(axis=1) for some in (choosing, fresh))
        pooled = outcomes[:, dealt[:130]].mean(axis=1)
        winners = {some.argmax() for some in (here, there, pooled)}
        alone = np.sum(here == max(here)) == 1
    found = array(call(answer, outcomes, choosing, fresh), (2,), "two numbers")

    def of(winner):
        return here[winner], there[winner]

    judge(
        found,
        of(here.argmax()),
        {
            "the fresh images have chosen a winner of their own; report on the first one.": (
                here.max(),
                there.max(),
            ),
            "chosen on the fresh images: that is choosing on the test set.": of(there.argmax()),
            "the fresh images took part in the choice.": of(pooled.argmax()),
            "the order should be: images that chose, then fresh ones.": of(here.argmax())[::-1],
        },
        "one winner, chosen on the choosing images, and its accuracy on both.",
    )


@exercise
def by_copies(answer, rng):
    """Check accuracies with the first k copies."""
    labels, series = draw_views(rng, 300, 5, (1, 0.2, 1.5, 0.4, 1, 0.7))
    alone = np.array([metrics.accuracy(labels, one) for one in series])
    right = np.array([metrics.accuracy(labels, some) for some in policies.running_mean(series)])
    judge(
        array(call(answer, labels, series), (len(series),), "one number for each k"),
        right,
        {
            "that is the accuracy of copy number k alone.": alone,
            "accuracies are averaged, not probabilities.": np.cumsum(alone) / np.arange(1, 7),
            "one copy too few: `series[:k]` holds copies 0 to k - 1.": right[[0, 0, 1, 2, 3, 4]],
        },
        "average the probabilities of the first k copies, then count.",
    )


@exercise
def geometric_mean(answer, rng):
    """Check the geometric mean of several views."""
    probs = draw_probs(rng, 4, int(rng.integers(20, 40)), 5)
    found = probabilities(call(answer, probs), probs.shape[1:])
    product = probs.prod(axis=0)
    judge(
        found,
        policies.geometric_mean(probs),
        {
            "that is the mean of the probabilities.": probs.mean(axis=0),
            "a product without the root: with many views it is far too sure.": (
                product / product.sum(axis=1, keepdims=True)
            ),
        },
        "is the mean taken of the logarithms, over the views?",
    )
    sample = prepared.load()
    log_mean = call(answer, np.maximum(sample.ten_crop, 1e-8))
    c = metrics.compare(sample.labels, policies.mean(sample.ten_crop), log_mean)
    return (
        f"On the sample's ten-crop it gives {100 * c.after:.1f} %, the mean of probabilities "
        f"{100 * c.before:.1f} %: {c.verdict} in its place."
    )


@exercise
def in_folder_order(answer, rng):
    """Check columns put in the order of folders."""
    words = ["ant", "bee", "cat", "dog", "elk", "fox"]
    turned = list(rng.permutation(words))
    k = int(rng.integers(1, 3))
    network = [str(name) for name in turned]
    folders = network[k:] + network[:k]  # turning by one or two is never its own inverse
    probs = draw_probs(rng, 30, len(words))
    found = array(call(answer, probs, network, folders), probs.shape, "(images, classes)")
    judge(
        found,
        probs[:, [network.index(name) for name in folders]],
        {
            "the other way round: column k of the result belongs to the folder number k.": probs[
                :, [folders.index(name) for name in network]
            ],
            "the columns stand as they did: that reads one class for another.": probs,
            "by the alphabet, which neither the network nor the folders need to follow.": probs[
                :, np.argsort(network)
            ],
        },
        "find each of the folders' names among the network's.",
    )
