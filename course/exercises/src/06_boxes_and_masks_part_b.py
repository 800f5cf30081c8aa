# %% [markdown]
# # Part B: boxes
#
# A box is four numbers, *x0, y0, x1, y1*: its left, upper, right and lower edge, in pixels from the upper left corner of the picture.

# %% [markdown] exercise="mirrored_boxes" objective="say" step="write" minutes=8
# ## 5. Where is the box?
#
# A detector looked at the mirror image of a picture that is `width` pixels wide. `found` are its boxes, one a row, as they lie in what it saw. Write a function that returns where these boxes lie in the picture itself, (boxes, 4), in the same order of rows and edges.
#
# <details><summary>Hint</summary>Draw a strip 100 wide and a box from 10 to 30. Where are its two edges in the mirror, and which of them is the left one?</details>


# %% exercise="mirrored_boxes"
def mirrored_boxes(found, width):
    """Return boxes of the mirror image as boxes of the picture, (boxes, 4)."""
    # solution
    x0, y0, x1, y1 = found.T
    return np.stack([width - x1, y0, width - x0, y1], axis=1)
    # end of solution


check("mirrored_boxes", mirrored_boxes)


# %% tags=["wrong"]
# left and right must change places
def mirrored_boxes(found, width):
    x0, y0, x1, y1 = found.T
    return np.stack([width - x0, y0, width - x1, y1], axis=1)


# %% tags=["wrong"]
# edges are no pixels
def mirrored_boxes(found, width):
    x0, y0, x1, y1 = found.T
    return np.stack([width - 1 - x1, y0, width - 1 - x0, y1], axis=1)


# %% tags=["wrong"]
# the boxes are still in the mirror
def mirrored_boxes(found, width):
    return found


# %% tags=["wrong"]
# y has no part in it
def mirrored_boxes(found, width):
    return width - found[:, [2, 3, 0, 1]]


# %% tags=["also-right"]
def mirrored_boxes(found, width):
    boxes = found.copy()
    for box in boxes:
        wide = box[2] - box[0]
        box[0] = width - box[2]
        box[2] = box[0] + wide
    return boxes


# %% [markdown] exercise="nms" objective="merge" step="complete" minutes=10
# ## 6. The best box stays
#
# The boxes of all views lie in one heap. `scores` holds a score each, `overlaps[i, k]` is the IoU of the boxes *i* and *k*. Non-maximum suppression goes through them, the highest score first, and keeps a box unless its IoU with a box that was *kept* is above `threshold`. Complete the function: it returns the numbers of the boxes that stay.
#
# <details><summary>Hint</summary>`staying` holds the numbers of the boxes that were kept so far. When does box `k` join them?</details>


# %% exercise="nms"
def nms(scores, overlaps, threshold):
    """Return the numbers of the boxes that stay."""
    staying = []
    for k in np.argsort(-scores):
        # solution
        if all(overlaps[k, other] <= threshold for other in staying):
            staying.append(k)
        # end of solution
    return staying


check("nms", nms)


# %% tags=["wrong"]
# the surest box comes first
def nms(scores, overlaps, threshold):
    staying = []
    for k in range(len(scores)):
        if all(overlaps[k, other] <= threshold for other in staying):
            staying.append(k)
    return staying


# %% tags=["wrong"]
# a box that has gone drives out no other
def nms(scores, overlaps, threshold):
    order = np.argsort(-scores)
    return [
        k
        for place, k in enumerate(order)
        if all(overlaps[k, other] <= threshold for other in order[:place])
    ]


# %% tags=["wrong"]
# each box has to be held against all that stay
def nms(scores, overlaps, threshold):
    staying = []
    for k in np.argsort(-scores):
        if not staying or overlaps[k, staying[-1]] <= threshold:
            staying.append(k)
    return staying


# %% tags=["also-right"]
def nms(scores, overlaps, threshold):
    left, staying = list(range(len(scores))), []
    while left:
        best = max(left, key=lambda k: scores[k])
        staying.append(best)
        left = [k for k in left if k != best and overlaps[best, k] <= threshold]
    return staying


# %% [markdown] exercise="fused" objective="merge" step="write" minutes=10
# ## 7. Every view has a say
#
# `boxes`, (boxes, 4), and their `scores` are what some of `n_views` views answered for *one* object, each view at most once. Write a function that fuses them as weighted box fusion does and returns five numbers: *x0, y0, x1, y1* of the mean box, in which each box counts by its score, and its score, which is the mean score times the share of the views that have seen the object.
#
# <details><summary>Hint</summary>`np.average` takes weights. How many of the `n_views` views have seen the object?</details>


# %% exercise="fused"
def fused(boxes, scores, n_views):
    """Return x0, y0, x1, y1 and the score of the fused box."""
    # solution
    box = np.average(boxes, axis=0, weights=scores)
    return np.append(box, scores.mean() * len(boxes) / n_views)
    # end of solution


check("fused", fused)


# %% tags=["wrong"]
# views that saw nothing lower the score
def fused(boxes, scores, n_views):
    return np.append(np.average(boxes, axis=0, weights=scores), scores.mean())


# %% tags=["wrong"]
# in the mean box all count the same
def fused(boxes, scores, n_views):
    return np.append(boxes.mean(axis=0), scores.mean() * len(boxes) / n_views)


# %% tags=["wrong"]
# that is the best box alone
def fused(boxes, scores, n_views):
    return np.append(boxes[scores.argmax()], scores.max())


# %% tags=["wrong"]
# the score is the highest one
def fused(boxes, scores, n_views):
    box = np.average(boxes, axis=0, weights=scores)
    return np.append(box, scores.max() * len(boxes) / n_views)


# %% tags=["also-right"]
def fused(boxes, scores, n_views):
    box = scores @ boxes / scores.sum()
    return [*box, scores.sum() / n_views]


# %% [markdown] exercise="average_precision" objective="compute" step="write" minutes=12
# ## 8. A detector in one number
#
# `scores` and `right` tell of every box of one class how sure the detector was and whether the box is right; `n_true` objects are there. Put the boxes in order, the highest score first. After each box, *precision* is the share of the boxes so far that are right, *recall* the share of the true objects that have been found. Write a function that returns the average precision: the mean over the recalls 0, 0.01, 0.02 … 1 of the best precision that is reached at that recall or a higher one, and 0 where no threshold gets that far.
#
# <details><summary>Hint</summary>`np.cumsum` counts what was right so far. For each of the 101 recalls: which boxes have at least this recall, and what is the best precision among them?</details>


# %% exercise="average_precision"
def average_precision(scores, right, n_true):
    """Return the average precision of one class, from 0 to 1."""
    # solution
    found = np.cumsum(right[np.argsort(-scores)])
    precision, recall = found / np.arange(1, len(found) + 1), found / n_true
    heights = [precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)]
    return np.mean(heights)
    # end of solution


check("average_precision", average_precision)


# %% tags=["wrong"]
# the boxes are not in order
def average_precision(scores, right, n_true):
    found = np.cumsum(right)
    precision, recall = found / np.arange(1, len(found) + 1), found / n_true
    return np.mean([precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)])


# %% tags=["wrong"]
# recall is a share of the true objects
def average_precision(scores, right, n_true):
    found = np.cumsum(right[np.argsort(-scores)])
    precision, recall = found / np.arange(1, len(found) + 1), found / right.sum()
    return np.mean([precision[recall >= r].max(initial=0) for r in np.linspace(0, 1, 101)])


# %% tags=["wrong"]
# the best precision counts
def average_precision(scores, right, n_true):
    found = np.cumsum(right[np.argsort(-scores)])
    precision, recall = found / np.arange(1, len(found) + 1), found / n_true
    first = np.searchsorted(recall, np.linspace(0, 1, 101))
    return np.mean(np.append(precision, 0)[first])


# %% tags=["wrong"]
# recalls that are never reached count as 0
def average_precision(scores, right, n_true):
    found = np.cumsum(right[np.argsort(-scores)])
    precision, recall = found / np.arange(1, len(found) + 1), found / n_true
    reached = [r for r in np.linspace(0, 1, 101) if r <= recall[-1]]
    return np.mean([precision[recall >= r].max() for r in reached])


# %% tags=["also-right"]
def average_precision(scores, right, n_true):
    best_first = sorted(zip(scores, right, strict=True), key=lambda pair: pair[0], reverse=True)
    found, steps = 0, []
    for place, (_, is_right) in enumerate(best_first, 1):
        found += is_right
        steps.append((found / n_true, found / place))
    total = 0
    for r in range(101):
        total += max([p for recall, p in steps if recall >= r / 100], default=0)
    return total / 101
