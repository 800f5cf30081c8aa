# %% [markdown]
# # Exercises 01 · A baseline network
#
# They go with [notebook 01](../../notebooks/01_baseline_cnn.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with fresh random numbers, so run them as often as you like. No exercise needs another one.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check
from scipy import stats

sample = prepared.load()
print(sample.about, "|", len(sample.labels), "validation images")

# %% [markdown] exercise="training_or_answering" objective="explain" step="read" minutes=4
# ## 1. In training, or when answering?
#
# Some of these sentences are true of *test-time augmentation*. Name their letters in one string, such as `"AC"`.
#
# - **A** It changes the weights of the network.
# - **B** It costs a pass more for every further version of an image, each time the network answers.
# - **C** It can be added to a network that somebody else has trained.
# - **D** It needs the labels of the images that it is used on.
# - **E** It rests on the guess that a change of the image leaves its class as it is.
#
# <details><summary>Hint</summary>Ask of each sentence: is the network still learning, and does anybody know the right class at that moment?</details>

# %% exercise="training_or_answering"
# solution
training_or_answering = "BCE"
# end of solution

check("training_or_answering", training_or_answering)

# %% tags=["wrong"]
# A is true of training only
training_or_answering = "ABCE"

# %% tags=["wrong"]
# D: nobody knows the labels of new images
training_or_answering = "BCDE"

# %% tags=["wrong"]
# E is missing: if the class changed with the view
training_or_answering = "BC"

# %% tags=["also-right"]
training_or_answering = {"c", "e", "b"}

# %% [markdown] exercise="twice_the_side" objective="build" step="read" minutes=3
# ## 2. Twice the side
#
# This function counts the multiply-adds of a convolution whose output is as large as its input, with filters of 3 × 3:
#
# ```python
# def multiply_adds(height, width, channels, filters):
#     positions = height * width
#     return positions * 3 * 3 * channels * filters
# ```
#
# Images of 64 × 64 pixels take the place of images of 32 × 32. By what factor does the work grow? Answer with a number, without running the function.
#
# <details><summary>Hint</summary>Which of the five factors in the product change, and each by how much?</details>

# %% exercise="twice_the_side"
# solution
twice_the_side = 4
# end of solution

check("twice_the_side", twice_the_side)

# %% tags=["wrong"]
# an image has two sides
twice_the_side = 2

# %% tags=["wrong"]
# the number of channels stays as it is
twice_the_side = 8

# %% tags=["wrong"]
# the filters stay as large as they are
twice_the_side = 16

# %% tags=["also-right"]
twice_the_side = (64 / 32) ** 2

# %% [markdown] exercise="convolution_work" objective="build" step="complete" minutes=5
# ## 3. The work of a convolution
#
# Complete the function. At each position every filter, `area` × `area` × `channels` numbers large, is multiplied with the part of the image under it. The output is as large as the input.
#
# <details><summary>Hint</summary>Take one filter at one position first. Then count the filters, then the positions.</details>


# %% exercise="convolution_work"
def convolution_work(height, width, channels, filters, area=3):
    """Return the multiply-adds of one convolution for one image."""
    one_filter = area * area * channels
    # solution
    return height * width * one_filter * filters
    # end of solution


check("convolution_work", convolution_work)


# %% tags=["wrong"]
# those are the weights: each is used at every position
def convolution_work(height, width, channels, filters, area=3):
    return area * area * channels * filters


# %% tags=["wrong"]
# a filter reaches through all channels of its input
def convolution_work(height, width, channels, filters, area=3):
    return height * width * area * area * filters


# %% tags=["wrong"]
# that is the work of one filter
def convolution_work(height, width, channels, filters, area=3):
    return height * width * area * area * channels


# %% tags=["also-right"]
def convolution_work(height, width, channels, filters, area=3):
    total = 0
    for _ in range(filters):
        total += np.prod([height, width, area, area, channels])
    return total


# %% [markdown] exercise="network_work" objective="build" step="write" minutes=10
# ## 4. The work of a network
#
# Write the function for the tutorial's network, on images of `side` × `side` pixels with three channels: a convolution of 3 × 3 with `filters[0]` filters; pooling, which halves both sides; a second convolution with `filters[1]` filters; pooling again; a dense layer from all the numbers that are left to `hidden` numbers; a dense layer from those to `classes` numbers. Pooling, normalisation and biases are not counted. `side` is a multiple of four.
#
# <details><summary>Hint</summary>Note the side and the channels of what enters each layer. A dense layer multiplies every input with every output.</details>


# %% exercise="network_work"
def network_work(side, filters, hidden, classes):
    """Return the multiply-adds of the tutorial's network for one image."""
    # solution
    first = side**2 * 3 * 3 * 3 * filters[0]
    second = (side // 2) ** 2 * 3 * 3 * filters[0] * filters[1]
    flat = (side // 4) ** 2 * filters[1]
    return first + second + flat * hidden + hidden * classes
    # end of solution


check("network_work", network_work)


# %% tags=["wrong"]
# the first pooling has halved both sides before the second convolution
def network_work(side, filters, hidden, classes):
    first = side**2 * 27 * filters[0]
    second = side**2 * 9 * filters[0] * filters[1]
    return first + second + (side // 4) ** 2 * filters[1] * hidden + hidden * classes


# %% tags=["wrong"]
# the dense layer comes after two poolings
def network_work(side, filters, hidden, classes):
    first = side**2 * 27 * filters[0]
    second = (side // 2) ** 2 * 9 * filters[0] * filters[1]
    return first + second + (side // 2) ** 2 * filters[1] * hidden + hidden * classes


# %% tags=["wrong"]
# the second convolution sees the first one's filters as its channels
def network_work(side, filters, hidden, classes):
    first = side**2 * 27 * filters[0]
    second = (side // 2) ** 2 * 27 * filters[1]
    return first + second + (side // 4) ** 2 * filters[1] * hidden + hidden * classes


# %% tags=["also-right"]
def network_work(side, filters, hidden, classes):
    total, channels = 0, 3
    for count in filters:
        total += side * side * 9 * channels * count
        side, channels = side / 2, count
    return total + side * side * channels * hidden + hidden * classes


# %% [markdown] exercise="lean" objective="recognise" step="write" minutes=8
# ## 5. Does it lean?
#
# Write a function that takes probabilities (images, classes) and returns how many times as often the network names its favourite class as its least favourite one. A class that is never named counts as named once, so that nothing is divided by zero.
#
# <details><summary>Hint</summary>`np.bincount` counts whole numbers. What must it be told so that a class that is never named is there too?</details>


# %% exercise="lean"
def lean(probs):
    """Return how many times as often the favourite class is named as the least favourite."""
    # solution
    counts = np.bincount(probs.argmax(axis=1), minlength=probs.shape[1])
    return counts.max() / max(counts.min(), 1)
    # end of solution


check("lean", lean)


# %% tags=["wrong"]
# a network names one class an image
def lean(probs):
    sums = probs.sum(axis=0)
    return sums.max() / sums.min()


# %% tags=["wrong"]
# a class that is never named is left out of the counts
def lean(probs):
    counts = np.unique(probs.argmax(axis=1), return_counts=True)[1]
    return counts.max() / counts.min()


# %% tags=["wrong"]
# the highest entry of a column says which image
def lean(probs):
    counts = np.bincount(probs.argmax(axis=0), minlength=len(probs))
    return counts.max() / max(counts.min(), 1)


# %% tags=["also-right"]
def lean(probs):
    named = [int(row.argmax()) for row in probs]
    counts = [max(named.count(k), 1) for k in range(probs.shape[1])]
    return max(counts) / min(counts)


# %% [markdown] exercise="standard_error" objective="say" step="complete" minutes=5
# ## 6. The standard error of an accuracy
#
# `right` says for each image whether the answer was right. Complete the function: it returns the standard error of the accuracy, as a share (not in points).
#
# <details><summary>Hint</summary>Four times as many images make it half as large. Which of your factors does that?</details>


# %% exercise="standard_error"
def standard_error(right):
    """Return the standard error of an accuracy; `right` is bool, shape (images,)."""
    p, n = right.mean(), len(right)
    # solution
    return np.sqrt(p * (1 - p) / n)
    # end of solution


check("standard_error", standard_error)


# %% tags=["wrong"]
# that is the variance: take its root
def standard_error(right):
    p, n = right.mean(), len(right)
    return p * (1 - p) / n


# %% tags=["wrong"]
# that is how far single answers spread
def standard_error(right):
    return right.std()


# %% tags=["wrong"]
# n belongs under the root
def standard_error(right):
    p, n = right.mean(), len(right)
    return np.sqrt(p * (1 - p)) / n


# %% tags=["also-right"]
def standard_error(right):
    return float(np.std(right.astype(float)) * len(right) ** -0.5)


# %% tags=["also-right"]
def standard_error(right):
    return stats.sem(right)


# %% [markdown] exercise="paired_error" objective="say" step="write" minutes=10
# ## 7. Before and after, on the same images
#
# Two networks have answered the *same* images; `before` and `after` say of each image whether the answer was right. Write a function that returns the mean change in accuracy and its standard error, both in percentage points, the error from the differences, image by image (`ddof=1`).
#
# <details><summary>Hint</summary>Every image has a difference of +1, 0 or -1. Which NumPy function gives their standard deviation, and what is divided by √n?</details>


# %% exercise="paired_error"
def paired_error(before, after):
    """Return mean and standard error, in points, of a change on the same images."""
    # solution
    difference = 100.0 * (after.astype(int) - before)
    return difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))
    # end of solution


check("paired_error", paired_error)


# %% tags=["wrong"]
# the two squares add up for images of their own
def paired_error(before, after):
    n = len(before)
    variances = before.var(ddof=1) / n + after.var(ddof=1) / n
    return 100 * (after.mean() - before.mean()), 100 * np.sqrt(variances)


# %% tags=["wrong"]
# that is the spread of single images
def paired_error(before, after):
    difference = 100.0 * (after.astype(int) - before)
    return difference.mean(), difference.std(ddof=1)


# %% tags=["wrong"]
# in percentage points
def paired_error(before, after):
    difference = after.astype(float) - before
    return difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))


# %% tags=["wrong"]
# the change is after less before
def paired_error(before, after):
    difference = 100.0 * (before.astype(int) - after)
    return difference.mean(), difference.std(ddof=1) / np.sqrt(len(difference))


# %% tags=["also-right"]
def paired_error(before, after):
    n = len(before)
    fixed, broken = np.sum(after & ~before), np.sum(before & ~after)
    gain = (fixed - broken) / n
    squares = (fixed + broken - n * gain**2) / (n - 1)
    return [100 * gain, 100 * np.sqrt(squares / n)]
