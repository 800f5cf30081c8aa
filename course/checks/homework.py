"""Checks of the homework: numbers of one's own images, each found again from the same images."""

import numpy as np

from course.checks.judging import array, homework, judge, number, same
from tta_helpers import metrics, policies


@homework
def own_gain(answer, sample):
    """Check the gain of the flip, in points."""
    c = metrics.compare(sample.labels, sample.settled[0], policies.mean(sample.settled))
    judge(
        number(answer),
        100 * c.gain,
        {
            "that is a share; a hundredth is one point.": c.gain,
            "after less before: a gain is above zero.": -100 * c.gain,
            "that is the accuracy with the flip; less what?": 100 * c.after,
        },
        "print both accuracies.",
    )


@homework
def own_error(answer, sample):
    """Check the standard error of the gain of the flip."""
    answers = sample.settled[0], policies.mean(sample.settled)
    before, after = (metrics.correct(sample.labels, probs).astype(float) for probs in answers)
    spread, n = 100 * np.std(after - before, ddof=1), len(before)
    found, right = number(answer), spread / np.sqrt(n)
    if same(found, right * np.sqrt(1 - 1 / n)):
        found = right  # dividing by n is as good
    judge(
        found,
        right,
        {
            "the two squares add up for images of their own; here both answered the same.": (
                100 * np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / n)
            ),
            "that is how far single images spread, not how far their mean does.": spread,
            "give it in points: a hundredth is one point.": right / 100,
        },
        "take the deviation (ddof=1) of the change, image by image, and divide by √n.",
    )


@homework
def own_view(answer, sample):
    """Check a view chosen on validation images and reported on test images."""
    found = array(answer, (2,), "two numbers, (number of the view, percent)")
    here = np.array([metrics.accuracy(sample.labels, view) for view in sample.ten_crop])
    there = np.array([metrics.accuracy(sample.test_labels, v) for v in sample.test_ten_crop])
    chosen, all_ten = here.argmax(), policies.mean(sample.test_ten_crop)
    judge(
        found,
        [chosen, 100 * there[chosen]],
        {
            "it was chosen on the test images, which a report must not have seen.": [
                there.argmax(),
                100 * there.max(),
            ],
            "that is its accuracy on the images that chose it.": [chosen, 100 * here.max()],
            "the mean of all ten views is no single view.": [
                chosen,
                100 * metrics.accuracy(sample.test_labels, all_ten),
            ],
        },
        "ten accuracies on the validation images, then one on the test images.",
    )


@homework
def own_headroom(answer, sample):
    """Check how far an oracle's loss lies below the best single view's."""
    losses = policies.cross_entropy(sample.labels, sample.noisy)
    means, oracle = losses.mean(axis=0), losses.min(axis=1).mean()
    judge(
        number(answer),
        means.min() - oracle,
        {
            "the image as it is was taken for the best single view.": means[0] - oracle,
            "that is the oracle's loss itself.": oracle,
            "an oracle is never worse: the other way round.": oracle - means.min(),
        },
        "two means of one table: over images first, or over the lowest of each image.",
    )
