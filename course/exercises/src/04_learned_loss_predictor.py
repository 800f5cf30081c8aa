# %% [markdown]
# # Exercises 04 · A learned loss predictor
#
# They go with [notebook 04](../../notebooks/04_learned_loss_predictor.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with fresh random numbers, so run them as often as you like. No exercise needs another one.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course import prepared
from course.checks import check

sample = prepared.load()
print(sample.about, "|", len(sample.labels), "validation images")

# %% [markdown] exercise="oracle_loss" objective="measure" step="read" minutes=4
# ## 1. What an oracle reaches
#
# The losses of three images under three views, as a loss predictor never sees them:
#
# | | as it is | smoothed | sharpened |
# |---|---|---|---|
# | image 1 | 0.2 | 0.9 | 0.4 |
# | image 2 | 1.3 | 0.3 | 0.8 |
# | image 3 | 0.6 | 0.7 | 0.1 |
#
# An oracle shows each image in its best view. What is the mean loss then? Answer with a number.
#
# <details><summary>Hint</summary>Go through the table row by row. The oracle may take another column in every row.</details>

# %% exercise="oracle_loss"
# solution
oracle_loss = 0.2
# end of solution

check("oracle_loss", oracle_loss)

# %% tags=["wrong"]
# that is the best single view for all images
oracle_loss = 1.3 / 3

# %% tags=["wrong"]
# that is the loss without any choice
oracle_loss = 0.7

# %% tags=["wrong"]
# that is the lowest loss of all
oracle_loss = 0.1

# %% tags=["wrong"]
# that is a sum over the images
oracle_loss = 0.2 + 0.3 + 0.1

# %% tags=["also-right"]
oracle_loss = np.mean([0.2, 0.3, 0.1])

# %% [markdown] exercise="oracle" objective="measure" step="complete" minutes=8
# ## 2. Each image in its best view
#
# `probs` are a network's answers (views, images, classes), `losses` what they cost (images, views). Complete the function: for each image it returns the probabilities of the view with the lowest loss, (images, classes).
#
# <details><summary>Hint</summary>Two rows of numbers pick one row of probabilities for each image: which view, and which image.</details>


# %% exercise="oracle"
def oracle(probs, losses):
    """Return, for each image, the probabilities of its view of lowest loss, (images, classes)."""
    images = np.arange(len(losses))
    # solution
    return probs[losses.argmin(axis=1), images]
    # end of solution


check("oracle", oracle)


# %% tags=["wrong"]
# one view for all images
def oracle(probs, losses):
    return probs[losses.mean(axis=0).argmin()]


# %% tags=["wrong"]
# those are the views of highest loss
def oracle(probs, losses):
    return probs[losses.argmax(axis=1), np.arange(len(losses))]


# %% tags=["wrong"]
# the surest view is not the best one
def oracle(probs, losses):
    return probs[probs.max(axis=2).argmax(axis=0), np.arange(len(losses))]


# %% tags=["wrong"]
# several views are averaged
def oracle(probs, losses):
    return probs[losses.argmin(axis=1)].mean(axis=0)


# %% tags=["also-right"]
def oracle(probs, losses):
    return np.stack([probs[np.argsort(row)[0], k] for k, row in enumerate(losses)])


# %% [markdown] exercise="lookup" objective="measure" step="write" minutes=10
# ## 3. If somebody told us the corruption
#
# `losses` (images, views) and `kinds` (images,) belong to training images: `kinds` numbers what has befallen each, from 0. Write a function that returns, for every number in `asked`, the view with the lowest *mean* loss among the training images of that kind. Every kind that is asked for occurs.
#
# <details><summary>Hint</summary>One row of mean losses for each kind; then the smallest of each row. Which views are best most often is another question.</details>


# %% exercise="lookup"
def lookup(losses, kinds, asked):
    """Return the best view on average for each kind that is asked for, whole numbers."""
    # solution
    return np.array([losses[kinds == kind].mean(axis=0).argmin() for kind in asked])
    # end of solution


check("lookup", lookup)


# %% tags=["wrong"]
# the kind has no part in it
def lookup(losses, kinds, asked):
    return np.full(len(asked), losses.mean(axis=0).argmin())


# %% tags=["wrong"]
# that is the view that is best most often
def lookup(losses, kinds, asked):
    best = losses.argmin(axis=1)
    return np.array([np.bincount(best[kinds == kind]).argmax() for kind in asked])


# %% tags=["wrong"]
# the view of the single lowest loss
def lookup(losses, kinds, asked):
    return np.array([losses[kinds == kind].min(axis=0).argmin() for kind in asked])


# %% tags=["also-right"]
def lookup(losses, kinds, asked):
    total = np.zeros((kinds.max() + 1, losses.shape[1]))
    np.add.at(total, kinds, losses)
    return total.argmin(axis=1)[asked]


# %% [markdown] exercise="mixture_loss" objective="write" step="write" minutes=10
# ## 4. What is wanted in the end
#
# Let the softmax of the *negative* scores be the chance *w* of choosing each view. The network gives the right class the probability exp(−loss) on it. Write the loss of the mixture, −log Σ *w* exp(−loss), one number for each image, with NumPy and at temperature 1. `losses` and `scores` are (images, views).
#
# <details><summary>Hint</summary>A low score stands for a good view, so it must get a high chance. And what is averaged: losses, or probabilities?</details>


# %% exercise="mixture_loss"
def mixture_loss(losses, scores):
    """Return minus the log of the right class's probability in the mixture, (images,)."""
    # solution
    weights = np.exp(-scores)
    weights = weights / weights.sum(axis=1, keepdims=True)
    return -np.log((weights * np.exp(-losses)).sum(axis=1))
    # end of solution


check("mixture_loss", mixture_loss)


# %% tags=["wrong"]
# a low score must get a high chance
def mixture_loss(losses, scores):
    weights = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return -np.log((weights * np.exp(-losses)).sum(axis=1))


# %% tags=["wrong"]
# that is the mean of the losses
def mixture_loss(losses, scores):
    weights = np.exp(-scores) / np.exp(-scores).sum(axis=1, keepdims=True)
    return (weights * losses).sum(axis=1)


# %% tags=["wrong"]
# the chances of an image must sum to one
def mixture_loss(losses, scores):
    return -np.log((np.exp(-scores) * np.exp(-losses)).sum(axis=1))


# %% tags=["also-right"]
def mixture_loss(losses, scores):
    joint = np.logaddexp.reduce(-scores - losses, axis=1)
    return np.logaddexp.reduce(-scores, axis=1) - joint


# %% [markdown] exercise="teaches" objective="train" step="write" minutes=8
# ## 5. Who teaches, and who checks?
#
# A loss table has several rows for each photograph, one a corrupted copy; `photographs` gives the number of the photograph that each row shows. Write a function that returns a bool for each row: True if it teaches, False if it checks. `rng` may draw, and of `n` photographs `round(share * n)` should teach. It should tell whether *new photographs* are served.
#
# <details><summary>Hint</summary>What is dealt out: rows, or photographs? `np.unique` and `np.isin` may help.</details>


# %% exercise="teaches"
def teaches(photographs, share, rng):
    """Return which rows of a loss table teach, bool (rows,)."""
    # solution
    numbers = rng.permutation(np.unique(photographs))
    return np.isin(photographs, numbers[: round(share * len(numbers))])
    # end of solution


check("teaches", teaches)


# %% tags=["wrong"]
# copies of one photograph stand on both sides
def teaches(photographs, share, rng):
    return rng.permutation(len(photographs)) < round(share * len(photographs))


# %% tags=["wrong"]
# no row is left to check
def teaches(photographs, share, rng):
    return np.ones(len(photographs), dtype=bool)


# %% tags=["wrong"]
# those that check are many and those that teach few
def teaches(photographs, share, rng):
    numbers = rng.permutation(np.unique(photographs))
    return ~np.isin(photographs, numbers[: round(share * len(numbers))])


# %% tags=["also-right"]
def teaches(photographs, share, rng):
    numbers = sorted(set(photographs.tolist()))
    teaching = set(numbers[: round(share * len(numbers))])
    return [number in teaching for number in photographs.tolist()]


# %% [markdown] exercise="guarded" objective="guard" step="complete" minutes=8
# ## 6. A guard
#
# View 0 is the image as it is. `scores` (images, views) foretell losses, the lower the better. Complete the function: it returns the view of the lowest score if that is lower than the score of view 0 by *more* than `margin`, and else view 0.
#
# <details><summary>Hint</summary>The lead is a difference between two scores of the same image. Which two?</details>


# %% exercise="guarded"
def guarded(scores, margin):
    """Return the number of one view an image, shape (images,)."""
    best = scores.argmin(axis=1)
    # solution
    lead = scores[:, 0] - scores.min(axis=1)
    return np.where(lead > margin, best, 0)
    # end of solution


check("guarded", guarded)


# %% tags=["wrong"]
# nothing is guarded
def guarded(scores, margin):
    return scores.argmin(axis=1)


# %% tags=["wrong"]
# the lead counts from view 0
def guarded(scores, margin):
    two = np.sort(scores, axis=1)
    return np.where(two[:, 1] - two[:, 0] > margin, scores.argmin(axis=1), 0)


# %% tags=["wrong"]
# that lets through what the guard should stop
def guarded(scores, margin):
    lead = scores[:, 0] - scores.min(axis=1)
    return np.where(lead < margin, scores.argmin(axis=1), 0)


# %% tags=["also-right"]
def guarded(scores, margin):
    favoured = scores.copy()
    favoured[:, 0] -= margin
    return [int(row.argmin()) for row in favoured]


# %% [markdown] exercise="gain_of_copies" objective="judge" step="write" minutes=10
# ## 7. Four copies of one photograph
#
# `before` and `after` say which answers are right, bool (copies, photographs): every photograph was shown in several corrupted copies. Write a function that returns the mean gain and its standard error, both in points. The photographs were drawn by chance, and their copies belong to them (`ddof=1`).
#
# <details><summary>Hint</summary>If new data were to come, what would come: single copies, or photographs with all their copies? That is the unit.</details>


# %% exercise="gain_of_copies"
def gain_of_copies(before, after):
    """Return the mean gain and its standard error over photographs, in points."""
    # solution
    gains = 100 * (after.astype(float) - before).mean(axis=0)
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))
    # end of solution


check("gain_of_copies", gain_of_copies)


# %% tags=["wrong"]
# the copies of a photograph are no images of their own
def gain_of_copies(before, after):
    gains = 100 * (after.astype(float) - before).ravel()
    return gains.mean(), gains.std(ddof=1) / np.sqrt(gains.size)


# %% tags=["wrong"]
# the unit should be the photograph, not the row of copies
def gain_of_copies(before, after):
    gains = 100 * (after.astype(float) - before).mean(axis=1)
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))


# %% tags=["wrong"]
# the mean over a photograph's copies counts once
def gain_of_copies(before, after):
    gains = 100 * (after.astype(float) - before).sum(axis=0)
    return gains.mean(), gains.std(ddof=1) / np.sqrt(len(gains))


# %% tags=["also-right"]
def gain_of_copies(before, after):
    gains = after.mean(axis=0) * 100.0 - before.mean(axis=0) * 100.0
    return [np.average(gains), np.sqrt(gains.var(ddof=1) / gains.size)]
