"""Checks of the exercises of lesson 02, on flip TTA."""

import numpy as np
from scipy import stats

from course import prepared
from course.checks.judging import (
    Hint,
    array,
    call,
    draw_views,
    exercise,
    judge,
    number,
)
from tta_helpers import metrics, policies


def asymmetric_network(rng, n_classes=4, shape=(5, 6, 3)):
    """Return a network that answers every version of an image differently, as a function."""
    kernel = rng.normal(size=(int(np.prod(shape)), n_classes))

    def predict(images):
        """Return probabilities (images, classes)."""
        images = np.asarray(images, dtype=float)
        if images.ndim != 4 or images.shape[1:] != shape:
            raise Hint(f"`predict` got {images.shape}; it takes (images, {shape}).")
        logits = np.tanh(images.reshape(len(images), -1) @ kernel) * 3
        weights = np.exp(logits)
        return weights / weights.sum(axis=1, keepdims=True)

    return predict, rng.random((int(rng.integers(7, 12)), *shape))


@exercise
def mirror_axis(answer, rng):
    """Check the axis along which an array of images is mirrored."""
    axis = number(answer)
    if axis not in range(-4, 4):
        raise Hint("the array has four axes, numbered from 0.")
    judge(
        axis % 4,
        2,
        {
            "that puts the pictures in another order.": 0,
            "that turns every picture upside down.": 1,
            "that exchanges red and blue.": 3,
        },
        "what changes from left to right: the row or the column?",
    )


@exercise
def flip_tta(answer, rng):
    """Check the mean over images and mirror images."""
    predict, images = asymmetric_network(rng)
    original, mirror = predict(images), predict(images[:, :, ::-1])
    turned, swapped = predict(images[:, ::-1]), predict(images[..., ::-1])
    found = array(call(answer, predict, images), original.shape, "(images, classes)")
    wrong_ways = {
        "that is a sum, not a mean: its rows sum to two.": original + mirror,
        "the second view is upside down.": (original + turned) / 2,
        "the mirror exchanges red and blue.": (original + swapped) / 2,
        "pictures are averaged here, not answers.": predict((images + images[:, :, ::-1]) / 2),
        "only the mirror images were asked about.": mirror,
        "only the originals were asked about.": original,
        "those are votes: each view's probabilities are thrown away.": _votes(original, mirror),
    }
    otherwise = "print both answers for one image, and their mean."
    judge(found, (original + mirror) / 2, wrong_ways, otherwise)
    sample = prepared.load()
    c = metrics.compare(sample.labels, sample.settled[0], policies.mean(sample.settled))
    return (
        f"On {c.n:,} validation images of the sample the settled network goes from "
        f"{100 * c.before:.1f} to {100 * c.after:.1f} % right with the flip."
    )


def _votes(*views):
    """Return the mean of one vote a view."""
    return np.mean([np.eye(p.shape[1])[p.argmax(axis=1)] for p in views], axis=0)


@exercise
def random_tta(answer, rng):
    """Check the mean over n random copies."""
    predict, images = asymmetric_network(rng)
    n, copies = int(rng.integers(3, 7)), []

    def draw(of):
        """Return one random copy of every image."""
        copies.append(np.clip(of + rng.normal(scale=0.3, size=np.shape(of)), 0, 1))
        return copies[-1]

    found = call(answer, predict, draw, images, n)
    if len(copies) != n:
        raise Hint(
            f"{'one copy was' if len(copies) == 1 else f'{len(copies)} copies were'} drawn, where "
            f"{n} were asked for: count the calls of `draw`."
        )
    answers = np.stack([predict(copy) for copy in copies])
    if np.shape(found) == answers.mean(axis=1).shape:
        raise Hint("averaged over the images: the result has one row a copy, not one an image.")
    with_original = np.concatenate([answers, predict(images)[None]])
    judge(
        array(found, answers.shape[1:], "(images, classes)"),
        answers.mean(axis=0),
        {
            "those are votes: each copy's probabilities are thrown away.": _votes(*answers),
            "the original is no random copy; leave it out here.": with_original.mean(axis=0),
            "that is a sum, not a mean.": answers.sum(axis=0),
            "only the last copy is left.": answers[-1],
        },
        "the mean should run over the copies, and over nothing else.",
    )


@exercise
def same_view(answer, rng):
    """Check the probability that k random flips show one view."""
    k = int(rng.integers(3, 10))
    judge(
        number(call(answer, k)),
        2 * 0.5**k,
        {
            "that is the probability of one of the two views; there are two ways.": 0.5**k,
            "that is the probability of the opposite.": 1 - 2 * 0.5**k,
            "probabilities of tosses are multiplied.": 1 / k,
        },
        f"count the cases for k = {k}.",
    )
    judge(number(call(answer, 1)), 1.0, {}, "one copy is always one view only.")
    return f"So with seven copies two images in 128 get no average at all: {2 / 128:.2%}."


@exercise
def expected_accuracy(answer, rng):
    """Check the expected accuracy of k random flips."""
    n, k = int(rng.integers(500, 700)), int(rng.integers(3, 7))
    labels, (original, mirror) = draw_views(rng, n, 4, (2.5, 1))
    shares = np.arange(k + 1) / k
    accuracy = np.array(
        [np.mean((s * original + (1 - s) * mirror).argmax(axis=1) == labels) for s in shares]
    )
    weights = stats.binom.pmf(range(k + 1), k, 0.5)
    found = number(call(answer, labels, original, mirror, k))
    judge(
        found,
        weights @ accuracy,
        {
            "that is the accuracy of the expected average: the two views shown exactly.": np.mean(
                (original + mirror).argmax(axis=1) == labels
            ),
            "the numbers of originals are not equally likely.": accuracy.mean(),
            "the case of no original at all is missing.": weights[1:] @ accuracy[1:],
            "the case of no mirror image at all is missing.": weights[:-1] @ accuracy[:-1],
        },
        "print one accuracy for each h, and the weights' sum.",
    )
    sample = prepared.load()
    worth = number(call(answer, sample.labels, *sample.settled, 7))
    exact = metrics.accuracy(sample.labels, policies.mean(sample.settled))
    return f"On the sample seven random flips: {worth:.2%} expected; the two views: {exact:.2%}."


@exercise
def mcnemar(answer, rng):
    """Check the exact p-value of a paired change."""
    n = 400
    before = rng.random(n) < 0.6
    change = rng.random(n)
    after = np.where(change < 0.2, True, np.where(change > 0.95, False, before))
    fixed, broken = int(np.sum(after & ~before)), int(np.sum(before & ~after))
    found = number(call(answer, before, after))
    if not 0 <= found <= 1:
        raise Hint("a p-value is a probability, between 0 and 1.")
    more = stats.binomtest(fixed, fixed + broken, alternative="greater").pvalue
    judge(
        found,
        metrics.mcnemar(fixed, broken),
        {
            "the coins are the images whose outcome changes, not all images.": stats.binomtest(
                fixed, n
            ).pvalue,
            "that is one side only; a loss would be as striking as a gain.": more,
            "that is one side only, and the other one.": stats.binomtest(
                fixed, fixed + broken, alternative="less"
            ).pvalue,
            "that test takes the two for answers to images of their own.": stats.ttest_ind(
                after, before
            ).pvalue,
        },
        "heads are the fixed images; which are the tosses?",
    )
    sample = prepared.load()
    right = [metrics.correct(sample.labels, p) for p in (sample.settled[0], sample.settled.mean(0))]
    return (
        f"For the flip on the sample's validation images it gives p = {call(answer, *right):.2g}."
    )


@exercise
def where_gained(answer, rng):
    """Check how often the views disagree, and what the average gains there."""
    labels, (original, mirror) = draw_views(rng, int(rng.integers(500, 700)), 5, (2, 1))
    found = array(call(answer, labels, original, mirror), (2,), "two numbers")
    share, better = _product(labels, original, mirror)
    by_label = np.mean((original.argmax(axis=1) == labels) != (mirror.argmax(axis=1) == labels))
    judge(
        found[0],
        share,
        {
            "views disagree where they name different classes, whichever is right.": by_label,
            "that is the share on which they agree.": 1 - share,
        },
        "count the images whose two highest probabilities belong to two classes.",
    )
    differ = original.argmax(axis=1) != mirror.argmax(axis=1)
    right = (original + mirror).argmax(axis=1) == labels
    against = (right.astype(int) - (mirror.argmax(axis=1) == labels))[differ].mean()
    judge(
        found[1],
        better,
        {
            "the second number is about the images on which the views disagree, not about all.": (
                share * better
            ),
            "not against the mirror image: the original alone is what TTA replaces.": against,
            "that is how often the average is right there; less what?": right[differ].mean(),
        },
        "on those images, take the average's accuracy less the original's.",
    )
    sample = prepared.load()
    share, better = _product(sample.labels, *sample.settled)
    return (
        f"On the sample: {share:.1%} of the images times {100 * better:+.1f} points = "
        f"{100 * share * better:+.2f} points."
    )


def _product(labels, original, mirror):
    differ = original.argmax(axis=1) != mirror.argmax(axis=1)
    after = metrics.correct(labels, (original + mirror) / 2)
    before = metrics.correct(labels, original)
    return differ.mean(), after[differ].mean() - before[differ].mean()
