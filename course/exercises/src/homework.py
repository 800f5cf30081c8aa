# %% [markdown]
# # Homework · Numbers of your own
#
# Everybody gets other images: `seed` chooses half of the sample's, so your numbers are yours. Write the code that finds each of them; it runs again when the homework is graded, with your seed. Checks compare with what is right for your images. The exercises of lessons 02 to 04 show every step that is needed.

# %% tags=["parameters"]
seed = 0  # yours; leave it as it came

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check

sample = prepared.load(seed)
print(len(sample.labels), "validation and", len(sample.test_labels), "test images of yours")

# %% [markdown] exercise="own_gain" objective="gain" step="write" minutes=8
# ## 1. What does the flip give you?
#
# `sample.settled` holds the settled network's probabilities, (2, images, classes): first of each image, then of its mirror image. By how many percentage points does the mean of both raise the accuracy on your validation images, whose classes are `sample.labels`?
#
# <details><summary>Hint</summary>Two accuracies, after and before, both on the same images. A gain is above zero, and 0.01 is one point.</details>

# %% exercise="own_gain"
# solution
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
own_gain = 100 * (after.mean() - before.mean())
# end of solution

check("own_gain", own_gain, seed)

# %% tags=["wrong"]
# that is a share; a hundredth is one point
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
own_gain = after.mean() - before.mean()

# %% tags=["wrong"]
# after less before: a gain is above zero
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
own_gain = 100 * (before.mean() - after.mean())

# %% tags=["wrong"]
# that is the accuracy with the flip; less what
own_gain = 100 * (sample.settled.mean(axis=0).argmax(axis=1) == sample.labels).mean()

# %% tags=["also-right"]
named = [
    probs.argmax(axis=1) == sample.labels for probs in (sample.settled[0], sample.settled.sum(0))
]
own_gain = 100 * np.mean(named[1] * 1.0 - named[0])

# %% [markdown] exercise="own_error" objective="error" step="write" minutes=8
# ## 2. And how sure is that?
#
# Give the standard error of that gain, in percentage points. Both predictions are about the same images.
#
# <details><summary>Hint</summary>One number an image: +1 if the flip fixes it, −1 if it breaks it, 0 otherwise. How far does their mean stray?</details>

# %% exercise="own_error"
# solution
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
change = after.astype(float) - before
own_error = 100 * change.std(ddof=1) / np.sqrt(len(change))
# end of solution

check("own_error", own_error, seed)

# %% tags=["wrong"]
# the two squares add up for images of their own
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
own_error = 100 * np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / len(before))

# %% tags=["wrong"]
# that is how far single images spread
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
own_error = 100 * (after.astype(float) - before).std(ddof=1)

# %% tags=["also-right"]
before = sample.settled[0].argmax(axis=1) == sample.labels
after = sample.settled.mean(axis=0).argmax(axis=1) == sample.labels
fixed, broken, n = np.sum(after & ~before), np.sum(before & ~after), len(before)
own_error = 100 * np.sqrt((fixed + broken - (fixed - broken) ** 2 / n) / n / (n - 1))

# %% [markdown] exercise="own_view" objective="choose" step="write" minutes=12
# ## 3. Choose here, report there
#
# `sample.ten_crop` and `sample.test_ten_crop`, (10, images, classes), hold the settled network's answers to ten views of your validation images and of your test images. Choose the single view that is most accurate on the validation images, and give its number, from 0, and its accuracy on the test images in percent: `(number, accuracy)`.
#
# <details><summary>Hint</summary>`sample.labels` go with the validation images, `sample.test_labels` with the test images. Which of them may the choice see?</details>

# %% exercise="own_view"
# solution
accuracy = (sample.ten_crop.argmax(axis=2) == sample.labels).mean(axis=1)
chosen = int(accuracy.argmax())
test = sample.test_ten_crop[chosen].argmax(axis=1) == sample.test_labels
own_view = chosen, 100 * test.mean()
# end of solution

check("own_view", own_view, seed)

# %% tags=["wrong"]
# it was chosen on the test images
accuracy = (sample.test_ten_crop.argmax(axis=2) == sample.test_labels).mean(axis=1)
own_view = int(accuracy.argmax()), 100 * accuracy.max()

# %% tags=["wrong"]
# that is its accuracy on the images that chose it
accuracy = (sample.ten_crop.argmax(axis=2) == sample.labels).mean(axis=1)
own_view = int(accuracy.argmax()), 100 * accuracy.max()

# %% tags=["wrong"]
# the mean of all ten views is no single view
accuracy = (sample.ten_crop.argmax(axis=2) == sample.labels).mean(axis=1)
test = sample.test_ten_crop.mean(axis=0).argmax(axis=1) == sample.test_labels
own_view = int(accuracy.argmax()), 100 * test.mean()

# %% tags=["also-right"]
rights = [np.sum(view.argmax(axis=1) == sample.labels) for view in sample.ten_crop]
best = rights.index(max(rights))
own_view = [best, 100 * np.mean(np.argmax(sample.test_ten_crop[best], 1) == sample.test_labels)]

# %% [markdown] exercise="own_headroom" objective="oracle" step="write" minutes=10
# ## 4. What could a choice win?
#
# `sample.noisy`, (views, images, classes), holds the mirrored network's answers to repairs of corrupted images; the loss of an answer is −log of the probability of the right class, `sample.labels`. By how much lies the mean loss of an oracle, which takes the best view of each image, below that of the best single view for all images?
#
# <details><summary>Hint</summary>A table of losses, (views, images). The best single view has the lowest mean over the images; the oracle takes the lowest number of each column.</details>

# %% exercise="own_headroom"
# solution
right = sample.noisy[:, np.arange(len(sample.labels)), sample.labels]
losses = -np.log(np.maximum(right, 1e-7))
own_headroom = losses.mean(axis=1).min() - losses.min(axis=0).mean()
# end of solution

check("own_headroom", own_headroom, seed)

# %% tags=["wrong"]
# the image as it is was taken for the best single view
right = sample.noisy[:, np.arange(len(sample.labels)), sample.labels]
losses = -np.log(np.maximum(right, 1e-7))
own_headroom = losses[0].mean() - losses.min(axis=0).mean()

# %% tags=["wrong"]
# that is the oracle's loss itself
right = sample.noisy[:, np.arange(len(sample.labels)), sample.labels]
own_headroom = (-np.log(np.maximum(right, 1e-7))).min(axis=0).mean()

# %% tags=["wrong"]
# an oracle is never worse: the other way round
right = sample.noisy[:, np.arange(len(sample.labels)), sample.labels]
losses = -np.log(np.maximum(right, 1e-7))
own_headroom = losses.min(axis=0).mean() - losses.mean(axis=1).min()

# %% tags=["also-right"]
rows = np.arange(len(sample.labels))
tables = [-np.log(np.clip(view[rows, sample.labels], 1e-7, 1)) for view in sample.noisy]
own_headroom = min(t.mean() for t in tables) - np.min(tables, axis=0).mean()
