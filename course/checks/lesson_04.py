"""Checks of the exercises of lesson 04, on a learned loss predictor."""

import numpy as np

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


@exercise
def oracle_loss(answer, rng):
    """Check the mean loss of an oracle in a table of three images."""
    table = np.array([[0.2, 0.9, 0.4], [1.3, 0.3, 0.8], [0.6, 0.7, 0.1]])
    found = number(answer)
    judge(
        round(found, 2),
        table.min(axis=1).mean(),
        {
            "that is the best single view for all images; an oracle chooses for each.": round(
                table.mean(axis=0).min(), 2
            ),
            "that is the loss without any choice.": round(table[:, 0].mean(), 2),
            "that is the lowest loss of all; the others have one too.": table.min(),
            "that is a sum over the images, not a mean.": table.min(axis=1).sum(),
            "that is the mean of all views.": round(table.mean(), 2),
        },
        "take the lowest number of each row, and their mean.",
    )


@exercise
def oracle(answer, rng):
    """Check the answers of each image's best view."""
    labels, probs = draw_views(rng, int(rng.integers(60, 90)), 4, (1, 1, 1, 1))
    losses = policies.cross_entropy(labels, probs)
    found = array(call(answer, probs, losses), probs.shape[1:], "(images, classes)")
    images = np.arange(len(labels))
    judge(
        found,
        probs[losses.argmin(axis=1), images],
        {
            "one view for all images; an oracle chooses for each.": probs[losses.mean(0).argmin()],
            "those are the views of highest loss.": probs[losses.argmax(axis=1), images],
            "the surest view is not the best one: it may be sure of a wrong class.": probs[
                probs.max(axis=2).argmax(axis=0), images
            ],
            "several views are averaged: pick the row of the image itself.": probs[
                losses.argmin(axis=1)
            ].mean(axis=0),
        },
        "pick one view's row for each image: two rows of numbers, views and images.",
    )
    sample = prepared.load()
    known = call(answer, sample.noisy, policies.cross_entropy(sample.labels, sample.noisy))
    c = metrics.compare(sample.labels, sample.noisy[0], known)
    return (
        f"On corrupted images of the sample: {100 * c.before:.1f} % right as they are, "
        f"{100 * c.after:.1f} % with an oracle's choice."
    )


@exercise
def lookup(answer, rng):
    """Check the best view on average of each kind."""
    for _ in range(100):  # until the wrong ways lead elsewhere
        kinds = rng.permutation(np.repeat(np.arange(4), 40))
        losses = rng.exponential(size=(160, 5)) * rng.uniform(0.6, 1.4, (4, 5))[kinds]
        groups = [losses[kinds == kind] for kind in range(4)]
        asked = np.concatenate([rng.permutation(4), rng.integers(0, 4, 3)])
        right = np.array([some.mean(axis=0).argmin() for some in groups])[asked]
        often = np.array([np.bincount(some.argmin(axis=1)).argmax() for some in groups])[asked]
        lowest = np.array([some.min(axis=0).argmin() for some in groups])[asked]
        one = np.full(len(asked), losses.mean(axis=0).argmin())
        if len({tuple(way) for way in (right, often, lowest, one)}) == 4:
            break
    judge(
        array(call(answer, losses, kinds, asked), asked.shape, "one view for each kind asked for"),
        right,
        {
            "the kind has no part in it: one view for all.": one,
            "that is the view that is best most often; how much it loses elsewhere counts.": often,
            "the view of the single lowest loss: one image is no mean.": lowest,
        },
        "take the training images of one kind, the mean of each view, and the lowest of these.",
    )


@exercise
def mixture_loss(answer, rng):
    """Check the loss of a mixture of views."""
    losses, scores = rng.exponential(size=(30, 6)), rng.normal(size=(30, 6))
    found = array(call(answer, losses, scores), (30,), "one number an image")

    def mixed(weights, normalise=True):
        weights = weights / weights.sum(axis=1, keepdims=True) if normalise else weights
        return -np.log((weights * np.exp(-losses)).sum(axis=1))

    chances = np.exp(-scores) / np.exp(-scores).sum(axis=1, keepdims=True)
    judge(
        found,
        mixed(np.exp(-scores)),
        {
            "a low score must get a high chance: mind the sign.": mixed(np.exp(scores)),
            "that is the mean of the losses; what is mixed are probabilities.": (
                (chances * losses).sum(axis=1)
            ),
            "the chances of an image must sum to one.": mixed(np.exp(-scores), normalise=False),
            "the minus before the logarithm is missing.": -mixed(np.exp(-scores)),
        },
        "print the chances of one image, their sum, and exp(-loss) beside them.",
    )


@exercise
def teaches(answer, rng):
    """Check that a loss table is split by photographs."""
    n, copies = int(rng.integers(30, 50)), int(rng.integers(3, 6))
    photographs = rng.permutation(np.tile(rng.permutation(500)[:n], copies))
    share = 0.8
    given = call(answer, photographs, share, rng)
    found = array(given, photographs.shape, "one bool a row")
    if not np.isin(found, (0, 1)).all():
        raise Hint("the result should hold True and False.")
    teaching = found == 1
    if teaching.all() or not teaching.any():
        raise Hint(f"no row is left to {'check' if teaching.all() else 'teach'}.")
    both = np.intersect1d(photographs[teaching], photographs[~teaching])
    if len(both):
        raise Hint(
            f"copies of one photograph stand on both sides, of {len(both)} of {n}: what was "
            "learned by heart would look well foretold."
        )
    counted = len(np.unique(photographs[teaching]))
    if counted == n - round(share * n):
        raise Hint("those that check are many and those that teach few: it is the wrong way round.")
    if counted != round(share * n):
        raise Hint(f"{counted} of {n} photographs teach; {round(share * n)} should.")


@exercise
def guarded(answer, rng):
    """Check a guarded choice of one view."""
    scores = rng.normal(size=(200, 5))
    scores[:, 0] -= 0.6
    margin = float(rng.uniform(0.3, 0.6))
    found = array(call(answer, scores, margin), (200,), "one view an image")
    best, two = scores.argmin(axis=1), np.sort(scores, axis=1)
    lead = scores[:, 0] - scores.min(axis=1)
    judge(
        found,
        policies.guarded(scores, margin)[:, 0],
        {
            "nothing is guarded: the margin plays no part.": best,
            "the lead counts from view 0, not from the second best.": np.where(
                two[:, 1] - two[:, 0] > margin, best, 0
            ),
            "that lets through what the guard should stop: a small lead.": np.where(
                lead < margin, best, 0
            ),
        },
        "compare the lowest score of each image with its score of view 0.",
    )
    told = [_told_of_guard(answer, margin) for margin in (0, 1.5)]
    return (
        f"Points gained on clean and on corrupted images of the sample: {told[0]} without a "
        f"guard, {told[1]} with a margin of 1.5."
    )


def _told_of_guard(answer, margin):
    """Return what a guarded choice gains on the sample's clean and corrupted images, as text."""
    sample, gains = prepared.load(), []
    for scores, probs in ((sample.scores, sample.repairs), (sample.noisy_scores, sample.noisy)):
        choice = np.asarray(call(answer, scores, margin)).astype(int)[:, None]
        change = metrics.compare(sample.labels, probs[0], policies.chosen(probs, choice))
        gains.append(f"{100 * change.gain:+.1f}")
    return " and ".join(gains)


@exercise
def gain_of_copies(answer, rng):
    """Check gain and error over photographs that have several copies."""
    copies, n = int(rng.integers(3, 6)), int(rng.integers(60, 90))
    hard = rng.random(n) < 0.4
    before = rng.random((copies, n)) < np.where(hard, 0.2, 0.9)
    helped = rng.random(n) < 0.3
    after = before | (helped & (rng.random((copies, n)) < 0.8))
    mean, error = array(call(answer, before, after), (2,), "two numbers, (gain, error)")
    each = 100 * (after.astype(float) - before)
    by_photo = each.mean(axis=0)
    judge(
        mean,
        by_photo.mean(),
        {
            "the mean over a photograph's copies counts once, not their sum.": by_photo.mean()
            * copies,
            "in points, please: 0.01 is one point.": by_photo.mean() / 100,
        },
        "take the mean over all copies and photographs.",
    )
    judge(
        error,
        by_photo.std(ddof=1) / np.sqrt(n),
        {
            "the copies of a photograph are no images of their own: a photograph that is hard is "
            "hard in all of them.": each.std(ddof=1) / np.sqrt(each.size),
            "the unit should be the photograph, not the row of copies.": (
                each.mean(axis=1).std(ddof=1) / np.sqrt(copies)
            ),
            "that is the spread of single photographs.": by_photo.std(ddof=1),
        },
        "one number a photograph, then the error of their mean.",
    )
    return _told_of_copies(answer)


def _told_of_copies(answer):
    """Return what the error over photographs is on the sample, and over copies."""
    sample = prepared.load()
    rows = sample.row_groups == "seen"
    after = policies.chosen(sample.copies, policies.lowest(sample.copy_scores))
    before, after = (
        metrics.correct(sample.copy_labels, p).reshape(len(rows), -1)[rows]
        for p in (sample.copies[0], after)
    )
    gain, error = call(answer, before, after)
    each = 100 * (after.astype(float) - before)
    return (
        f"The predictor's one view on corrupted copies of {before.shape[1]} photographs: "
        f"{gain:+.1f} ± {error:.1f} points; taken for images of their own, "
        f"± {each.std(ddof=1) / np.sqrt(each.size):.1f}."
    )
