# %% [markdown]
# # Exercises 02 · Flip TTA
#
# They go with [notebook 02](../../notebooks/02_flip_tta.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with fresh random numbers, so run them as often as you like. No exercise needs another one.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check
from scipy import stats

sample = prepared.load()
print(sample.about, "|", len(sample.labels), "validation images")

# %% [markdown] exercise="mirror_axis" objective="write" step="read" minutes=3
# ## 1. Which axis is the mirror?
#
# `images` has the shape (images, rows, columns, channels). A mirror image has left and right exchanged. Along which axis must the array be reversed? Answer with the number of the axis.
#
# <details><summary>Hint</summary>The axes are numbered from 0. What changes from left to right in a picture: the row or the column?</details>

# %% exercise="mirror_axis"
# solution
mirror_axis = 2
# end of solution

check("mirror_axis", mirror_axis)

# %% tags=["wrong"]
# that turns every picture upside down
mirror_axis = 1

# %% tags=["wrong"]
# that exchanges red and blue
mirror_axis = 3

# %% tags=["wrong"]
# that puts the pictures in another order
mirror_axis = 0

# %% tags=["also-right"]
mirror_axis = -2

# %% [markdown] exercise="flip_tta" objective="write" step="complete" minutes=6
# ## 2. Two looks at one image
#
# `predict` takes images and returns probabilities (images, classes). Complete the function: it returns the average of what the network says of the images and of their mirror images.
#
# <details><summary>Hint</summary>What is averaged are answers, not pictures. So `predict` is called twice.</details>


# %% exercise="flip_tta"
def flip_tta(predict, images):
    """Return the mean probabilities of images and their mirror images, (images, classes)."""
    original = predict(images)
    # solution
    mirror = predict(images[:, :, ::-1])
    return (original + mirror) / 2
    # end of solution


check("flip_tta", flip_tta)


# %% tags=["wrong"]
# the second view is upside down
def flip_tta(predict, images):
    return (predict(images) + predict(images[:, ::-1])) / 2


# %% tags=["wrong"]
# pictures are averaged here, not answers
def flip_tta(predict, images):
    return predict((images + images[:, :, ::-1]) / 2)


# %% tags=["wrong"]
# that is a sum, not a mean
def flip_tta(predict, images):
    return predict(images) + predict(images[:, :, ::-1])


# %% tags=["wrong"]
# only the mirror images were asked about
def flip_tta(predict, images):
    return predict(images[:, :, ::-1])


# %% tags=["wrong"]
# the mirror exchanges red and blue
def flip_tta(predict, images):
    return (predict(images) + predict(images[..., ::-1])) / 2


# %% tags=["also-right"]
def flip_tta(predict, images):
    both = np.concatenate([images, np.flip(images, axis=2)])
    return predict(both).reshape(2, len(images), -1).mean(axis=0)


# %% [markdown] exercise="random_tta" objective="write" step="write" minutes=10
# ## 3. Seven random copies, and not one
#
# `draw(images)` returns one random copy of every image, another one at each call. Write a function that returns the average of the network's answers to `n` such copies. Notebook 02, section 4, shows how a well-known program asked for seven and got one.
#
# <details><summary>Hint</summary>Count the calls of `draw`. Collect the answers in an array (copies, images, classes) and look at its shape before you average.</details>


# %% exercise="random_tta"
def random_tta(predict, draw, images, n):
    """Return the mean probabilities of n random copies of each image, (images, classes)."""
    # solution
    answers = np.stack([predict(draw(images)) for _ in range(n)])
    return answers.mean(axis=0)
    # end of solution


check("random_tta", random_tta)


# %% tags=["wrong"]
# one copy was drawn
def random_tta(predict, draw, images, n):
    return predict(draw(images))


# %% tags=["wrong"]
# averaged over the images
def random_tta(predict, draw, images, n):
    answers = np.stack([predict(draw(images)) for _ in range(n)])
    return answers.mean(axis=1)


# %% tags=["wrong"]
# those are votes
def random_tta(predict, draw, images, n):
    answers = np.stack([predict(draw(images)) for _ in range(n)])
    return np.eye(answers.shape[2])[answers.argmax(axis=2)].mean(axis=0)


# %% tags=["also-right"]
def random_tta(predict, draw, images, n):
    total = 0
    for _ in range(n):
        total = total + predict(draw(images)) / n
    return total


# %% [markdown] exercise="same_view" objective="predict" step="write" minutes=5
# ## 4. How often is nothing averaged?
#
# Each of `k` copies of an image is the original or the mirror image, by the toss of a coin. Write a function that returns the probability that all `k` copies show the *same* view.
#
# <details><summary>Hint</summary>Write down all cases for k = 2. In how many of them do both copies agree?</details>


# %% exercise="same_view"
def same_view(k):
    """Return the probability that k random flips all show the same view."""
    # solution
    return 2 * 0.5**k
    # end of solution


check("same_view", same_view)


# %% tags=["wrong"]
# that is the probability of one of the two views
def same_view(k):
    return 0.5**k


# %% tags=["wrong"]
# that is the probability of the opposite
def same_view(k):
    return 1 - 2 * 0.5**k


# %% tags=["wrong"]
# probabilities of tosses are multiplied
def same_view(k):
    return 1 / k


# %% tags=["also-right"]
def same_view(k):
    return stats.binom.pmf(0, k, 0.5) + stats.binom.pmf(k, k, 0.5)


# %% [markdown] exercise="expected_accuracy" objective="predict" step="write" minutes=12
# ## 5. What are k random flips worth?
#
# With `h` of `k` copies showing the original, the average is `h / k` of the original's probabilities and the rest of the mirror image's. `h` is binomial. Write a function that returns the *expected* accuracy of `k` random flips, without drawing any.
#
# <details><summary>Hint</summary>One accuracy for each h from 0 to k; then their mean, each weighted by `stats.binom.pmf(h, k, 0.5)`.</details>


# %% exercise="expected_accuracy"
def expected_accuracy(labels, original, mirror, k):
    """Return the expected accuracy of the mean of k random flips."""
    # solution
    expected = 0.0
    for h in range(k + 1):
        mixed = (h * original + (k - h) * mirror) / k
        expected += stats.binom.pmf(h, k, 0.5) * np.mean(mixed.argmax(axis=1) == labels)
    return expected
    # end of solution


check("expected_accuracy", expected_accuracy)


# %% tags=["wrong"]
# that is the accuracy of the expected average
def expected_accuracy(labels, original, mirror, k):
    return np.mean(((original + mirror) / 2).argmax(axis=1) == labels)


# %% tags=["wrong"]
# the numbers of originals are not equally likely
def expected_accuracy(labels, original, mirror, k):
    shares = np.arange(k + 1) / k
    mixed = [s * original + (1 - s) * mirror for s in shares]
    return np.mean([np.mean(m.argmax(axis=1) == labels) for m in mixed])


# %% tags=["wrong"]
# the case of no original at all is missing
def expected_accuracy(labels, original, mirror, k):
    expected = 0.0
    for h in range(1, k + 1):
        mixed = (h * original + (k - h) * mirror) / k
        expected += stats.binom.pmf(h, k, 0.5) * np.mean(mixed.argmax(axis=1) == labels)
    return expected


# %% tags=["also-right"]
def expected_accuracy(labels, original, mirror, k):
    heads = np.arange(k + 1)[:, None, None]
    mixed = (heads * original + (k - heads) * mirror) / k
    right = (mixed.argmax(axis=2) == labels).mean(axis=1)
    return stats.binom.pmf(range(k + 1), k, 0.5) @ right


# %% [markdown] exercise="mcnemar" objective="test" step="complete" minutes=8
# ## 6. More than chance?
#
# `before` and `after` say of the same images whether two predictions are right. Complete the function: it returns the p-value of the exact McNemar test, two-sided. `stats.binomtest(heads, tosses).pvalue` tells how likely so many heads, or a number as far from one half, are.
#
# <details><summary>Hint</summary>Which images are the coins? Those that no prediction changes cannot say which one is better.</details>


# %% exercise="mcnemar"
def mcnemar(before, after):
    """Return the two-sided p-value of the exact McNemar test."""
    fixed, broken = np.sum(after & ~before), np.sum(before & ~after)
    # solution
    return stats.binomtest(fixed, fixed + broken).pvalue
    # end of solution


check("mcnemar", mcnemar)


# %% tags=["wrong"]
# the coins are the images whose outcome changes
def mcnemar(before, after):
    return stats.binomtest(int(np.sum(after & ~before)), len(before)).pvalue


# %% tags=["wrong"]
# that is one side only
def mcnemar(before, after):
    fixed, broken = np.sum(after & ~before), np.sum(before & ~after)
    return stats.binomtest(fixed, fixed + broken, alternative="greater").pvalue


# %% tags=["wrong"]
# that test takes the two for answers to images of their own
def mcnemar(before, after):
    return stats.ttest_ind(after, before).pvalue


# %% tags=["also-right"]
def mcnemar(before, after):
    fixed, broken = int(np.sum(after & ~before)), int(np.sum(before & ~after))
    return min(1, 2 * stats.binom.cdf(min(fixed, broken), fixed + broken, 0.5))


# %% [markdown] exercise="where_gained" objective="explain" step="write" minutes=8
# ## 7. Where does the gain come from?
#
# Write a function that returns two numbers: the share of the images on which the two views name different classes, and by how much (as a share) the average is right more often than the original *on those images*. Their product is the gain.
#
# <details><summary>Hint</summary>Both views have a class with the highest probability. Where it is the same class, what can the average change?</details>


# %% exercise="where_gained"
def where_gained(labels, original, mirror):
    """Return how often two views disagree, and how much better their average is there."""
    # solution
    differ = original.argmax(axis=1) != mirror.argmax(axis=1)
    average = (original + mirror) / 2
    right = average.argmax(axis=1) == labels
    was_right = original.argmax(axis=1) == labels
    return differ.mean(), right[differ].mean() - was_right[differ].mean()
    # end of solution


check("where_gained", where_gained)


# %% tags=["wrong"]
# views disagree where they name different classes
def where_gained(labels, original, mirror):
    differ = (original.argmax(axis=1) == labels) != (mirror.argmax(axis=1) == labels)
    better = ((original + mirror).argmax(axis=1) == labels)[differ].mean()
    return differ.mean(), better - (original.argmax(axis=1) == labels)[differ].mean()


# %% tags=["wrong"]
# the second number is about the images on which the views disagree
def where_gained(labels, original, mirror):
    differ = original.argmax(axis=1) != mirror.argmax(axis=1)
    right = (original + mirror).argmax(axis=1) == labels
    return differ.mean(), right.mean() - np.mean(original.argmax(axis=1) == labels)


# %% tags=["wrong"]
# not against the mirror image
def where_gained(labels, original, mirror):
    differ = original.argmax(axis=1) != mirror.argmax(axis=1)
    right = (original + mirror).argmax(axis=1) == labels
    return differ.mean(), np.mean((right * 1.0 - (mirror.argmax(axis=1) == labels))[differ])


# %% tags=["also-right"]
def where_gained(labels, original, mirror):
    named = [p.argmax(axis=1) for p in (original, mirror, original + mirror)]
    some = np.flatnonzero(named[0] != named[1])
    change = (named[2] == labels).astype(int) - (named[0] == labels)
    return len(some) / len(labels), change.sum() / len(some)
