"""Checks of the exercises of lesson 01, on a baseline network."""

import numpy as np

from course import prepared
from course.checks.judging import (
    Hint,
    array,
    call,
    draw_probs,
    exercise,
    judge,
    number,
    same,
)


@exercise
def training_or_answering(answer, rng):
    """Check letters of the sentences that are true of test-time augmentation."""
    letters = {str(letter).upper() for letter in answer} - set(" ,")
    if not letters <= set("ABCDE"):
        raise Hint(f"name letters from A to E, not {sorted(letters - set('ABCDE'))}.")
    for letter, why in {
        "A": "A is true of training only: a network that answers keeps its weights.",
        "D": "D: nobody knows the labels of new images; what would one average them with?",
    }.items():
        if letter in letters:
            raise Hint(why)
    for letter, why in {
        "B": "B is missing: what does the network do with each further version?",
        "C": "C is missing: which part of the network would have to be changed for it?",
        "E": "E is missing: if the class changed with the view, what would the average mean?",
    }.items():
        if letter not in letters:
            raise Hint(why)


@exercise
def twice_the_side(answer, rng):
    """Check the factor by which a convolution's work grows with twice the side."""
    found = number(answer)
    judge(
        found,
        4.0,
        {
            "an image has two sides, and both are twice as long.": 2.0,
            "the number of channels stays as it is.": 8.0,
            "the filters stay as large as they are; only the positions are more.": 16.0,
            "the work does change: count the positions.": 1.0,
        },
        "write the product for both sizes and divide one by the other.",
    )


@exercise
def convolution_work(answer, rng):
    """Check multiply-adds of one convolution."""
    height, width, channels, filters, area = (int(n) for n in rng.permutation([9, 14, 4, 11, 5]))
    found = number(call(answer, height, width, channels, filters, area))
    one_filter = area * area * channels
    judge(
        found,
        height * width * one_filter * filters,
        {
            "those are the weights: each is used at every position.": one_filter * filters,
            "a filter reaches through all channels of its input.": (
                height * width * area * area * filters
            ),
            "that is the work of one filter; there are several.": height * width * one_filter,
            "that is the work at one position of one filter.": one_filter,
        },
        "one of the factors is missing or double.",
    )


@exercise
def network_work(answer, rng):
    """Check multiply-adds of the tutorial's network."""
    side, a, b = 4 * int(rng.integers(3, 12)), *(int(n) for n in rng.integers(5, 70, 2))
    hidden, classes = (int(n) for n in rng.integers(20, 200, 2))
    found = number(call(answer, side, (a, b), hidden, classes))

    def total(second=(side // 2) ** 2 * 9 * a * b, flat=(side // 4) ** 2 * b, last=classes):
        return side**2 * 27 * a + second + flat * hidden + hidden * last

    judge(
        found,
        total(),
        {
            "the first pooling has halved both sides before the second convolution.": total(
                second=side**2 * 9 * a * b
            ),
            "the dense layer comes after two poolings.": total(flat=(side // 2) ** 2 * b),
            "the second convolution sees the first one's filters as its channels.": total(
                second=(side // 2) ** 2 * 27 * b
            ),
            "a side of the last picture is not yet its number of values.": total(
                flat=side // 4 * b
            ),
            "the last dense layer is missing.": total(last=0),
        },
        "count the layers one by one, and print each count.",
    )
    real = int(call(answer, 32, (32, 64), 128, 10))
    return f"For the network of notebook 01 it gives {real:,}: compare its table."


@exercise
def lean(answer, rng):
    """Check how many times as often the favourite class is named as the least favourite."""
    n, k = int(rng.integers(150, 200)), 6
    probs = draw_probs(rng, n, k) * np.array([3, 1, 1, 1, 1, 0.8])
    probs /= probs.sum(axis=1, keepdims=True)
    _judge_lean(answer, probs)
    probs[:, 4] = 0  # a class that is never named
    _judge_lean(answer, probs / probs.sum(axis=1, keepdims=True))
    ratio = number(call(answer, sample_of("tutorial")))
    calm = number(call(answer, sample_of("settled")))
    return f"On the sample the tutorial's network gives {ratio:.1f}, the settled one {calm:.1f}."


def sample_of(name: str) -> np.ndarray:
    """Return what a network says of the sample's validation images, without their mirror images."""
    return getattr(prepared.load(), name)[0]


def _judge_lean(answer, probs):
    found = number(call(answer, probs))
    sums, named = probs.sum(axis=0), probs.argmax(axis=1)
    counts = np.bincount(named, minlength=probs.shape[1])
    seen = counts[counts > 0]
    over_images = np.bincount(probs.argmax(axis=0), minlength=len(probs))
    wrong_ways = {
        "a network names one class an image, that with the highest probability; the sum of all "
        "probabilities is no count.": sums.max() / max(sums.min(), 1e-12),
        "the highest entry of a column says which image, not which class.": over_images.max(),
        "a class that is never named is left out of the counts.": seen.max() / seen.min(),
    }
    right = counts.max() / max(counts.min(), 1)
    judge(found, right, wrong_ways, "count how often each class is named first.")


@exercise
def standard_error(answer, rng):
    """Check the standard error of an accuracy."""
    n = int(rng.integers(300, 900))
    right = rng.random(n) < rng.uniform(0.6, 0.85)
    found, p = number(call(answer, right)), right.mean()
    expected = np.sqrt(p * (1 - p) / n)
    if same(found, right.std(ddof=1) / np.sqrt(n)):
        found = expected  # dividing by n - 1 is as good
    judge(
        found,
        expected,
        {
            "that is the variance: take its root.": p * (1 - p) / n,
            "that is how far single answers spread, not how far their mean does.": right.std(),
            "n belongs under the root.": np.sqrt(p * (1 - p)) / n,
            "give a share, not points: the hundred is too much.": 100 * np.sqrt(p * (1 - p) / n),
        },
        "compare with the formula in notebook 01, section 4.",
    )
    right = sample_of("settled").argmax(axis=1) == prepared.load().labels
    error = number(call(answer, right))
    return (
        f"On the sample the settled network is right on {100 * right.mean():.1f} ± "
        f"{100 * error:.1f} % of {len(right):,} validation images."
    )


@exercise
def paired_error(answer, rng):
    """Check mean and standard error of a change on the same images."""
    n = int(rng.integers(300, 900))
    before = rng.random(n) < 0.65
    after = np.where(rng.random(n) < 0.3, rng.random(n) < 0.95, before)
    mean, error = array(call(answer, before, after), (2,), "two numbers, (mean, error)")
    difference = 100.0 * (after.astype(int) - before)
    right = difference.mean(), difference.std(ddof=1) / np.sqrt(n)
    judge(
        mean,
        right[0],
        {
            "the change is after less before: a gain is above zero.": -right[0],
            "in percentage points, please: 0.01 is one point.": right[0] / 100,
        },
        "the mean is not that of the differences, image by image.",
    )
    apart = 100 * np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / n)
    judge(
        error,
        right[1],
        {
            "the two squares add up for images of their own; here both answered the same.": apart,
            "that is the spread of single images; a mean strays less.": difference.std(ddof=1),
        },
        "the error should be the differences' deviation (ddof=1) by √n.",
    )
    return f"For images of their own it would have been {apart / right[1]:.1f} times as large here."
