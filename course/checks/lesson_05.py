"""Checks of the exercises of lesson 05, on choosing a policy."""

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
    number,
    probabilities,
)
from tta_helpers import metrics, policies


@exercise
def pass_price(answer, rng):
    """Check the price of ten views for a fifth of the images."""
    judge(
        number(answer),
        2.8,
        {
            "the first of the ten views is there already.": 3.0,
            "every image pays its first pass, the unsure ones too.": 2.0,
            "the first pass of the unsure images is part of the ten views, but not of nine.": 1.8,
            "that would be all ten views for all images.": 10.0,
        },
        "take the mean of a sure image's price and of an unsure one's.",
    )


@exercise
def with_threshold(answer, rng):
    """Check a selective policy whose threshold comes from validation images."""
    validation = draw_probs(rng, 400, 4)
    first, full = draw_probs(rng, 120, 4, spread=0.9), draw_probs(rng, 120, 4, spread=0.6)
    share = float(rng.uniform(0.15, 0.24))
    threshold = np.quantile(validation.max(axis=1), share)
    found = probabilities(call(answer, validation, first, full, share), first.shape)

    def where(unsure):
        return np.where(unsure[:, None], full, first)

    confidence = first.max(axis=1)
    judge(
        found,
        where(confidence < threshold),
        {
            "the batch itself sets the threshold here: an answer hangs on an image's neighbours.": (
                where(confidence < np.quantile(confidence, share))
            ),
            "the sure images get the full policy; they need it least.": where(
                confidence >= threshold
            ),
            "the share itself is no threshold: take the confidence below which that share lies.": (
                where(confidence < share)
            ),
            "the confidence of the full policy is known only after its passes are paid.": where(
                full.max(axis=1) < threshold
            ),
        },
        "compare the confidence of each row of `first` with the threshold.",
    )
    sample = prepared.load()
    pairs = sample.settled[0], sample.test_settled[0], policies.mean(sample.test_settled)
    selected = call(answer, *pairs, 0.4)
    unsure = np.mean(sample.test_settled[0].max(1) < np.quantile(sample.settled[0].max(1), 0.4))
    c, whole = (metrics.compare(sample.test_labels, pairs[1], p) for p in (selected, pairs[2]))
    return (
        f"On test images of the sample {unsure:.0%} get the flip, and {100 * c.gain:+.1f} points; "
        f"the flip for all brings {100 * whole.gain:+.1f}."
    )


@exercise
def selector_price(answer, rng):
    """Check the price of a policy with a selector."""
    share, selector = float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.05, 0.4))
    k = int(rng.integers(2, 5))
    judge(
        number(call(answer, share, k, selector)),
        1 + share * (selector + k),
        {
            "the selector is not paid: its look is part of the price.": 1 + share * k,
            "the selector looks at unsure images only.": 1 + selector + share * k,
            "every image has had a pass of its own, the unsure ones too.": (
                1 - share + share * (selector + k)
            ),
            "the selector looks once, however many views it chooses.": (
                1 + share * k * (1 + selector)
            ),
            "the first pass, which every image gets, is missing.": share * (selector + k),
        },
        "write down the price of a sure image and of an unsure one, and take their mean.",
    )


@exercise
def out_of_fold(answer, rng):
    """Check the accuracy of a best single view that was chosen on the other half."""
    fair = own = both = even = 0.0
    for _ in range(200):  # until the wrong ways lead elsewhere, and each choice is clear
        labels, probs = draw_views(rng, 120, 4, np.full(6, 1.0))
        right = probs.argmax(axis=2) == labels
        halves = right[:, ::2], right[:, 1::2]
        scores = [half.sum(axis=1) for half in halves]
        best = [score.argmax() for score in scores]
        fair = (halves[1][best[0]].sum() + halves[0][best[1]].sum()) / 120
        own, both = sum(score.max() for score in scores) / 120, right.mean(axis=1).max()
        even = halves[1][best[0]].mean()
        clear = all(np.sum(score == score.max()) == 1 for score in scores)
        if clear and len({round(value, 6) for value in (fair, own, both, even)}) == 4:
            break
    judge(
        number(call(answer, labels, probs)),
        fair,
        {
            "chosen and judged on the same images.": both,
            "each half has chosen for itself: judge on the other one.": own,
            "only one of the halves is judged; every image should be, once.": even,
        },
        "choose on the even places and count on the odd ones; then the other way round.",
    )
    sample = prepared.load()
    accuracy = number(call(answer, sample.labels, sample.noisy))
    best = max(metrics.accuracy(sample.labels, view) for view in sample.noisy)
    return (
        f"On corrupted images of the sample: {accuracy:.1%} out of fold; chosen and judged on "
        f"the same images it would be {best:.1%}."
    )


@exercise
def images_for(answer, rng):
    """Check the number of images that a claim needs."""
    changed, gain = float(rng.uniform(0.03, 0.12)), float(rng.uniform(0.011, 0.02))
    found, exact = number(call(answer, changed, gain)), (changed - gain**2) / gain**2
    judge(
        found,
        np.ceil(4 * exact),
        {
            "that is one standard error, and the task asks for two.": np.ceil(exact),
            "the factor of two must be squared, for n stands under a root.": np.ceil(2 * exact),
            "half the gain does not take twice the images, but four times.": np.ceil(
                4 * exact * gain
            ),
            "round up to a whole number of images.": 4 * exact,
        },
        "set two standard errors equal to the gain and solve for n.",
    )
    if found != np.ceil(4 * exact):
        raise Hint("round up to a whole number of images.")
    told = [f"{call(answer, share, 0.005):,}" for share in (0.03, 0.12)]
    return (
        f"Half a point takes {told[0]} images where 3 % of the outcomes change, and {told[1]} "
        "where 12 % do."
    )


@exercise
def scaled_mean(answer, rng):
    """Check a mean that is scaled after averaging."""
    probs = draw_probs(rng, 5, 40, 4)
    temperature = float(rng.uniform(0.5, 0.8))
    found = probabilities(call(answer, probs, temperature), (40, 4))
    mean = probs.mean(axis=0)
    judge(
        found,
        policies.tempered(mean, temperature),
        {
            "scaled before averaging: the temperature was fitted to the average.": policies.mean(
                policies.tempered(probs, temperature)
            ),
            "scaled the wrong way round: below 1 a temperature makes surer.": policies.tempered(
                mean, 1 / temperature
            ),
            "nothing is scaled.": mean,
        },
        "average first, then raise to the power 1 / T, then make the rows sum to one.",
    )
    sample = prepared.load()
    own = policies.fit_temperature(sample.labels, policies.mean(sample.ten_crop))
    after = call(answer, sample.test_ten_crop, own)
    before = policies.mean(policies.tempered(sample.test_ten_crop, own))
    losses = [
        metrics.negative_log_likelihood(sample.test_labels, p).mean()
        for p in (policies.mean(sample.test_ten_crop), before, after)
    ]
    return (
        f"On the sample's ten-crop, temperature {own:.2f}: log loss {losses[0]:.3f} as it is, "
        f"{losses[2]:.3f} scaled after averaging, {losses[1]:.3f} scaled before."
    )


@exercise
def gain_by_class(answer, rng):
    """Check the gain of each class."""
    labels, (before, after) = draw_views(rng, 400, 4, (1, 1.5))
    labels[:4] = range(4)
    found = array(call(answer, labels, before, after), (4,), "one number a class")
    old, new = (metrics.correct(labels, p) for p in (before, after))
    change = 100.0 * (new.astype(int) - old)
    of_class = [labels == k for k in range(4)]

    def named(p, k):
        return 100 * (labels[p.argmax(axis=1) == k] == k).mean()

    judge(
        found,
        [change[some].mean() for some in of_class],
        {
            "those are the images that are named so; take those that bear the label.": [
                named(after, k) - named(before, k) for k in range(4)
            ],
            "divided by all images, not by those of the class.": [
                change[some].sum() / 400 for some in of_class
            ],
            "that is how often the class is right after; less what it was before?": [
                100 * new[some].mean() for some in of_class
            ],
            "the change is after less before: a gain is above zero.": [
                -change[some].mean() for some in of_class
            ],
        },
        "for each class: its images, how often right after, less how often right before.",
    )
    sample = prepared.load()
    gains = call(answer, sample.labels, sample.mirrored[0], policies.mean(sample.mirrored))
    least = int(np.argmin(gains))
    return (
        f"On the sample the flip gives {sample.class_names[least]} {gains[least]:+.1f} points, "
        f"the least of all classes, and {np.mean(gains):+.1f} on average."
    )
