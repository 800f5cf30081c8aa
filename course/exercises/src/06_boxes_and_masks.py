# %% [markdown]
# # Exercises 06 · Boxes and masks
#
# They go with [notebook 06](../../notebooks/06_boxes_and_masks.ipynb). Run the first cell, then fill the holes marked `# your answer` and run their cells: a check tells whether an answer is right and, if not, what to think about. Checks call your functions with scenes that are drawn anew each time, so run them as often as you like. No exercise needs another one, and none needs a network: the scenes are a few masks and boxes. Exercises 1 to 4 go with part A of the notebook, 5 to 8 with part B.

# %%
import sys

sys.path.insert(0, "../..")  # the workbook's folder, in which course/ lies

import numpy as np
from course.checks import check

# %% [markdown] exercise="not_undone" objective="undo" step="read" minutes=4
# ## 1. Averaged as they come
#
# In a picture 32 columns wide an object fills the columns 4 to 7, from top to bottom. A network that makes no mistake answers 1 there and 0 elsewhere, and it draws the mirror image's mask as faultlessly. Somebody averages both maps *as they come*, without mirroring the second one back, and lets a pixel pass where the average is above 0.4. How large is the IoU of what passes with the true mask? Answer with a number.
#
# <details><summary>Hint</summary>Where does the object lie in the mirror image? Write the average of both maps, column by column. Then count the columns in both masks, and those in either.</details>

# %% exercise="not_undone"
# solution
not_undone = 0.5
# end of solution

check("not_undone", not_undone)

# %% tags=["wrong"]
# the columns of the mirror image pass too
not_undone = 1.0

# %% tags=["wrong"]
# an average of one half lies above the threshold
not_undone = 0

# %% tags=["wrong"]
# what both masks share counts once in the union
not_undone = 4 / 12

# %% tags=["also-right"]
true, passes = {4, 5, 6, 7}, {4, 5, 6, 7, 24, 25, 26, 27}
not_undone = len(true & passes) / len(true | passes)

# %% [markdown] exercise="mean_of_turns" objective="undo" step="complete" minutes=8
# ## 2. Turn back, then average
#
# A network was shown square pictures in several views: view *v* was `np.rot90(pictures, turns[v], axes=(1, 2))`, so turned by `turns[v]` quarter turns. `maps` are its answers, (views, pictures, rows, columns), each as the view shows it. Complete the function: it returns the average map of the pictures as they were, (pictures, rows, columns).
#
# <details><summary>Hint</summary>A half turn is its own way back. Which is the way back from one quarter turn?</details>


# %% exercise="mean_of_turns"
def mean_of_turns(maps, turns):
    """Return the mean of the maps, each turned back, (pictures, rows, columns)."""
    undone = []
    for view_maps, turn in zip(maps, turns, strict=True):
        # solution
        undone.append(np.rot90(view_maps, -turn, axes=(1, 2)))
        # end of solution
    return np.mean(undone, axis=0)


check("mean_of_turns", mean_of_turns)


# %% tags=["wrong"]
# averaged as they come
def mean_of_turns(maps, turns):
    return maps.mean(axis=0)


# %% tags=["wrong"]
# turned on and not back
def mean_of_turns(maps, turns):
    return np.mean([np.rot90(m, k, axes=(1, 2)) for m, k in zip(maps, turns, strict=True)], axis=0)


# %% tags=["wrong"]
# a mirror image is no turn
def mean_of_turns(maps, turns):
    return np.mean([m[:, :, ::-1] if k else m for m, k in zip(maps, turns, strict=True)], axis=0)


# %% tags=["also-right"]
def mean_of_turns(maps, turns):
    total = np.zeros(maps.shape[1:])
    for view_maps, turn in zip(maps, turns, strict=True):
        for _ in range(turn):  # a quarter turn back: rows and columns change places, then mirrored
            view_maps = view_maps.transpose(0, 2, 1)[:, :, ::-1]
        total += view_maps / len(maps)
    return total


# %% [markdown] exercise="gain_in_iou" objective="measure" step="write" minutes=10
# ## 3. What do views gain?
#
# `before` and `after` are a network's masks of the same pictures from one view and from eight, `truth` the true ones; all true or false, (pictures, rows, columns). Write a function that returns the gain in mean IoU: the IoU of each picture after less before, averaged over the pictures. Two empty masks agree, so their IoU is 1.
#
# <details><summary>Hint</summary>`&` and `|` of two masks, then sums over rows and columns: two numbers a picture. Divide before you average.</details>


# %% exercise="gain_in_iou"
def gain_in_iou(before, after, truth):
    """Return how much the mean IoU over the pictures rises."""
    # solution
    scores = []
    for masks in (before, after):
        both = (masks & truth).sum(axis=(1, 2))
        either = (masks | truth).sum(axis=(1, 2))
        scores.append(np.where(either > 0, both / np.maximum(either, 1), 1))
    return np.mean(scores[1] - scores[0])
    # end of solution


check("gain_in_iou", gain_in_iou)


# %% tags=["wrong"]
# all pictures are thrown in one heap
def gain_in_iou(before, after, truth):
    old, new = ((m & truth).sum() / (m | truth).sum() for m in (before, after))
    return new - old


# %% tags=["wrong"]
# two empty masks agree
def gain_in_iou(before, after, truth):
    old, new = (
        (m & truth).sum(axis=(1, 2)) / np.maximum((m | truth).sum(axis=(1, 2)), 1)
        for m in (before, after)
    )
    return np.mean(new - old)


# %% tags=["wrong"]
# that is the share of right pixels
def gain_in_iou(before, after, truth):
    return np.mean(after == truth) - np.mean(before == truth)


# %% tags=["wrong"]
# the sum of both areas is no union
def gain_in_iou(before, after, truth):
    scores = []
    for masks in (before, after):
        areas = masks.sum(axis=(1, 2)) + truth.sum(axis=(1, 2))
        both = (masks & truth).sum(axis=(1, 2))
        scores.append(np.where(areas > 0, both / np.maximum(areas, 1), 1))
    return np.mean(scores[1] - scores[0])


# %% tags=["also-right"]
def gain_in_iou(before, after, truth):
    change = 0
    for old, new, true in zip(before, after, truth, strict=True):
        for masks, sign in ((new, 1), (old, -1)):
            wrong = np.sum(masks != true)
            either = np.sum(masks | true)
            change += sign * (1 - wrong / either if either else 1)
    return change / len(truth)


# %% [markdown] exercise="wrong_among_surest" objective="find" step="write" minutes=8
# ## 4. Do the views know where they are wrong?
#
# `maps` are the answers of several views, turned back, (views, pictures, rows, columns). The mask is where their average is above `threshold`. How far the views disagree on a pixel is the standard deviation of their answers there. Write a function that keeps the share `kept` of all pixels, those with the least disagreement, and returns which share *of them* is wrong. Of *n* pixels `int(kept * n)` are kept; no two pixels are tied.
#
# <details><summary>Hint</summary>Two arrays of the same shape: the disagreement, and where mask and `truth` differ. `np.argsort(…, axis=None)` numbers all pixels, the smallest first.</details>


# %% exercise="wrong_among_surest"
def wrong_among_surest(maps, truth, threshold, kept):
    """Return the share of wrong pixels among those on which the views agree most."""
    # solution
    wrong = (maps.mean(axis=0) > threshold) != truth
    surest_first = np.argsort(maps.std(axis=0), axis=None)
    return wrong.ravel()[surest_first[: int(kept * wrong.size)]].mean()
    # end of solution


check("wrong_among_surest", wrong_among_surest)


# %% tags=["wrong"]
# those are the pixels on which the views disagree most
def wrong_among_surest(maps, truth, threshold, kept):
    wrong = (maps.mean(axis=0) > threshold) != truth
    order = np.argsort(-maps.std(axis=0), axis=None)
    return wrong.ravel()[order[: int(kept * wrong.size)]].mean()


# %% tags=["wrong"]
# divided by all pixels
def wrong_among_surest(maps, truth, threshold, kept):
    wrong = (maps.mean(axis=0) > threshold) != truth
    order = np.argsort(maps.std(axis=0), axis=None)
    return wrong.ravel()[order[: int(kept * wrong.size)]].sum() / wrong.size


# %% tags=["wrong"]
# the mask comes from the average of the views
def wrong_among_surest(maps, truth, threshold, kept):
    wrong = (maps[0] > threshold) != truth
    order = np.argsort(maps.std(axis=0), axis=None)
    return wrong.ravel()[order[: int(kept * wrong.size)]].mean()


# %% tags=["wrong"]
# that is the confidence of the average
def wrong_among_surest(maps, truth, threshold, kept):
    mean = maps.mean(axis=0)
    wrong = (mean > threshold) != truth
    order = np.argsort(-np.abs(mean - threshold), axis=None)
    return wrong.ravel()[order[: int(kept * wrong.size)]].mean()


# %% tags=["also-right"]
def wrong_among_surest(maps, truth, threshold, kept):
    spread = maps.var(axis=0)
    limit = np.sort(spread.ravel())[int(kept * spread.size)]
    inside = spread < limit
    return np.mean((maps.mean(axis=0) > threshold)[inside] != truth[inside])
