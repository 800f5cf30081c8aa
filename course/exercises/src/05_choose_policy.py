# %% [markdown]
# # Exercises 05 · Which policy, for what price
#
# They go with [notebook 05](../../notebooks/05_choose_policy.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with fresh random numbers, so run them as often as you like. No exercise needs another one.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check

sample = prepared.load()
print(sample.about, "|", len(sample.labels), "validation images")

# %% [markdown] exercise="pass_price" objective="spend" step="read" minutes=4
# ## 1. Ten views for a few
#
# Every image gets one pass, as it is. The fifth of the images on which the network is least sure then gets the whole ten-crop, ten views of which the first is the image as it is. How many passes is that an image, on average? No view is predicted twice. Answer with a number.
#
# <details><summary>Hint</summary>What does an image of the unsure fifth still lack when its first pass is done?</details>

# %% exercise="pass_price"
# solution
pass_price = 2.8
# end of solution

check("pass_price", pass_price)

# %% tags=["wrong"]
# the first of the ten views is there already
pass_price = 3.0

# %% tags=["wrong"]
# every image pays its first pass
pass_price = 2.0

# %% tags=["wrong"]
# that would be all ten views for all images
pass_price = 10

# %% tags=["also-right"]
pass_price = 0.8 * 1 + 0.2 * 10

# %% [markdown] exercise="with_threshold" objective="spend" step="complete" minutes=8
# ## 2. Image by image, by a threshold
#
# A fifth of *which* images? A server sees one photograph at a time. So a threshold on the confidence is taken from validation images: the confidence below which `share` of them lie. `first` are the network's answers to the new images as they are, `full` those of the full policy. Complete the function: where the confidence on the image as it is lies below the threshold, take the full policy.
#
# <details><summary>Hint</summary>Confidence is the highest probability of a row. Which array may set the threshold, and which is compared with it?</details>


# %% exercise="with_threshold"
def with_threshold(validation, first, full, share):
    """Return the answers of a selective policy, (images, classes)."""
    threshold = np.quantile(validation.max(axis=1), share)
    # solution
    unsure = first.max(axis=1) < threshold
    return np.where(unsure[:, None], full, first)
    # end of solution


check("with_threshold", with_threshold)


# %% tags=["wrong"]
# the batch itself sets the threshold here
def with_threshold(validation, first, full, share):
    unsure = first.max(axis=1) < np.quantile(first.max(axis=1), share)
    return np.where(unsure[:, None], full, first)


# %% tags=["wrong"]
# the sure images get the full policy
def with_threshold(validation, first, full, share):
    threshold = np.quantile(validation.max(axis=1), share)
    return np.where((first.max(axis=1) < threshold)[:, None], first, full)


# %% tags=["wrong"]
# the share itself is no threshold
def with_threshold(validation, first, full, share):
    return np.where((first.max(axis=1) < share)[:, None], full, first)


# %% tags=["also-right"]
def with_threshold(validation, first, full, share):
    threshold = np.quantile(validation.max(axis=1), share)
    answers = first.copy()
    for k in range(len(first)):
        if first[k].max() < threshold:
            answers[k] = full[k]
    return answers


# %% [markdown] exercise="selector_price" objective="spend" step="write" minutes=6
# ## 3. The selector wants to be paid
#
# Every image gets one pass, as it is. For the unsure `share` of the images a loss predictor then looks at the image, for `selector` passes, and chooses `k` further views, for a pass each. Write a function that returns the passes an image, on average.
#
# <details><summary>Hint</summary>Write down the price of a sure image and of an unsure one. Then take their mean.</details>


# %% exercise="selector_price"
def selector_price(share, k, selector):
    """Return the passes an image, on average."""
    # solution
    return 1 + share * (selector + k)
    # end of solution


check("selector_price", selector_price)


# %% tags=["wrong"]
# the selector is not paid
def selector_price(share, k, selector):
    return 1 + share * k


# %% tags=["wrong"]
# the selector looks at unsure images only
def selector_price(share, k, selector):
    return 1 + selector + share * k


# %% tags=["wrong"]
# every image has had a pass of its own
def selector_price(share, k, selector):
    return (1 - share) + share * (selector + k)


# %% tags=["also-right"]
def selector_price(share, k, selector):
    sure, unsure = 1, 1 + selector + k
    return (1 - share) * sure + share * unsure


# %% [markdown] exercise="out_of_fold" objective="choose" step="write" minutes=12
# ## 4. Judged on images that it has not learned from
#
# The policy "the best single view" learns from validation images which view that is. Write a function that judges it fairly: cut the images into those at even places (0, 2, 4 …) and those at odd places; choose the most accurate view on one half and count its right answers on the *other*; do the same the other way round; return the share of right answers over all images.
#
# <details><summary>Hint</summary>Two halves, two choices, perhaps two different views. Every image is judged once.</details>


# %% exercise="out_of_fold"
def out_of_fold(labels, probs):
    """Return the accuracy of the best single view, chosen on one half, judged on the other."""
    # solution
    right = probs.argmax(axis=2) == labels  # (views, images)
    halves = right[:, ::2], right[:, 1::2]
    count = 0
    for learned_on, judged_on in (halves, halves[::-1]):
        best = learned_on.mean(axis=1).argmax()
        count += judged_on[best].sum()
    return count / len(labels)
    # end of solution


check("out_of_fold", out_of_fold)


# %% tags=["wrong"]
# chosen and judged on the same images
def out_of_fold(labels, probs):
    return (probs.argmax(axis=2) == labels).mean(axis=1).max()


# %% tags=["wrong"]
# each half has chosen for itself
def out_of_fold(labels, probs):
    right = probs.argmax(axis=2) == labels
    return (right[:, ::2].sum(axis=1).max() + right[:, 1::2].sum(axis=1).max()) / len(labels)


# %% tags=["wrong"]
# only one of the halves is judged
def out_of_fold(labels, probs):
    right = probs.argmax(axis=2) == labels
    return right[right[:, ::2].mean(axis=1).argmax(), 1::2].mean()


# %% tags=["also-right"]
def out_of_fold(labels, probs):
    place = np.arange(len(labels)) % 2
    right = np.empty(len(labels), dtype=bool)
    for half in (0, 1):
        some = place != half
        scores = [np.sum(view[some].argmax(axis=1) == labels[some]) for view in probs]
        view = probs[int(np.argmax(scores))]
        right[place == half] = view[place == half].argmax(axis=1) == labels[place == half]
    return right.mean()


# %% [markdown] exercise="images_for" objective="say" step="write" minutes=10
# ## 5. How many images does a claim need?
#
# A policy changes the outcome of a share `changed` of the images (fixed and broken together) and gains `gain` (fixed less broken, as a share). For one image the change is +1, −1 or 0, so its variance is `changed` − `gain`². Write a function that returns the smallest whole number of images with which the gain is at least two standard errors.
#
# <details><summary>Hint</summary>The standard error is √(variance / n). Set two of them equal to the gain and solve for n; then round up.</details>


# %% exercise="images_for"
def images_for(changed, gain):
    """Return the smallest number of images with which a gain is two standard errors."""
    # solution
    return int(np.ceil(4 * (changed - gain**2) / gain**2))
    # end of solution


check("images_for", images_for)


# %% tags=["wrong"]
# that is one standard error
def images_for(changed, gain):
    return int(np.ceil((changed - gain**2) / gain**2))


# %% tags=["wrong"]
# the factor of two must be squared
def images_for(changed, gain):
    return int(np.ceil(2 * (changed - gain**2) / gain**2))


# %% tags=["wrong"]
# half the gain does not take twice the images
def images_for(changed, gain):
    return int(np.ceil(4 * (changed - gain**2) / gain))


# %% tags=["wrong"]
# round up to a whole number
def images_for(changed, gain):
    return 4 * (changed - gain**2) / gain**2


# %% tags=["also-right"]
def images_for(changed, gain):
    n = 1
    while 2 * ((changed - gain**2) / n) ** 0.5 > gain:
        n += 1
    return n


# %% [markdown] exercise="scaled_mean" objective="judge" step="complete" minutes=8
# ## 6. Temperature: before or after?
#
# A temperature *T* divides the logarithms of probabilities, and the row is made to sum to one again. `probs` (views, images, classes) are averaged; `temperature` was fitted to the *average*. Complete the function: it returns the averaged and scaled probabilities, (images, classes).
#
# <details><summary>Hint</summary>To what was the temperature fitted? Only that may be scaled by it.</details>


# %% exercise="scaled_mean"
def scaled_mean(probs, temperature):
    """Return the mean over the views, scaled by a temperature of its own."""

    def scaled(p):
        powers = p ** (1 / temperature)
        return powers / powers.sum(axis=-1, keepdims=True)

    # solution
    return scaled(probs.mean(axis=0))
    # end of solution


check("scaled_mean", scaled_mean)


# %% tags=["wrong"]
# scaled before averaging
def scaled_mean(probs, temperature):
    powers = probs ** (1 / temperature)
    return (powers / powers.sum(axis=-1, keepdims=True)).mean(axis=0)


# %% tags=["wrong"]
# scaled the wrong way round
def scaled_mean(probs, temperature):
    powers = probs.mean(axis=0) ** temperature
    return powers / powers.sum(axis=-1, keepdims=True)


# %% tags=["wrong"]
# nothing is scaled
def scaled_mean(probs, temperature):
    return probs.mean(axis=0)


# %% tags=["also-right"]
def scaled_mean(probs, temperature):
    logits = np.log(probs.mean(axis=0)) / temperature
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


# %% [markdown] exercise="gain_by_class" objective="name" step="write" minutes=8
# ## 7. Who pays?
#
# `before` and `after` are probabilities (images, classes) of the same images. Write a function that returns the gain of each class in points, one number a class: how much more often the images *of that class* are answered rightly after than before. Every class occurs among the labels.
#
# <details><summary>Hint</summary>Which images belong to a class: those that bear its label, or those that are named so?</details>


# %% exercise="gain_by_class"
def gain_by_class(labels, before, after):
    """Return the gain of each class in points, shape (classes,)."""
    # solution
    change = (after.argmax(axis=1) == labels).astype(int) - (before.argmax(axis=1) == labels)
    return np.array([100 * change[labels == k].mean() for k in range(before.shape[1])])
    # end of solution


check("gain_by_class", gain_by_class)


# %% tags=["wrong"]
# those are the images that are named so
def gain_by_class(labels, before, after):
    gains = []
    for k in range(before.shape[1]):
        new, old = after.argmax(axis=1) == k, before.argmax(axis=1) == k
        gains.append(100 * ((labels[new] == k).mean() - (labels[old] == k).mean()))
    return gains


# %% tags=["wrong"]
# divided by all images
def gain_by_class(labels, before, after):
    change = (after.argmax(axis=1) == labels).astype(int) - (before.argmax(axis=1) == labels)
    return 100 * np.bincount(labels, change, minlength=before.shape[1]) / len(labels)


# %% tags=["wrong"]
# that is how often the class is right after
def gain_by_class(labels, before, after):
    right = after.argmax(axis=1) == labels
    return [100 * right[labels == k].mean() for k in range(before.shape[1])]


# %% tags=["also-right"]
def gain_by_class(labels, before, after):
    one_hot = np.eye(before.shape[1])[labels]
    right = [(p.argmax(axis=1) == labels) @ one_hot for p in (before, after)]
    return 100 * (right[1] - right[0]) / one_hot.sum(axis=0)
