"""What functions on boxes take: boxes, scores, labels and views, checked."""

import numpy as np


def has_size(boxes: np.ndarray, least: float = 0) -> np.ndarray:
    """Return which boxes are wider and higher than `least` pixels, shape (n,) bool."""
    boxes = checked_boxes(boxes, sized=False)
    return ((boxes[:, 2:] - boxes[:, :2]) > least).all(axis=1)


def checked_boxes(boxes, name="boxes", sized=True):
    """Return boxes as floats (n, 4), or say which of them is wrong; [] holds none."""
    try:
        boxes = np.asarray(boxes, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} are {boxes!r}; give floats of shape (n, 4).") from None
    if boxes.shape == (0,):
        boxes = boxes.reshape(0, 4)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(
            f"{name} have shape {boxes.shape}; give (n, 4): x0, y0, x1, y1 of each. A single box "
            "is box[None]."
        )
    if not np.isfinite(boxes).all():
        bad = ~np.isfinite(boxes).all(axis=1)
        _refuse(boxes, bad, name, "is not finite. Has the fit diverged?")
    x0, y0, x1, y1 = boxes.T
    order = "comes before x0 or y0; give x0, y0, x1, y1, not a width and height"
    _refuse(boxes, (x1 < x0) | (y1 < y0), name, f"has an x1 or y1 that {order}.")
    if sized:
        bad = (x1 == x0) | (y1 == y0)
        _refuse(boxes, bad, name, "has no size. Leave such rows out by boxes.has_size.")
    return boxes


def _refuse(values, bad, name, why):
    """Raise a ValueError that names the first bad row, if there is one."""
    if bad.any():
        first = int(bad.argmax())
        others = f" ({int(bad.sum())} of {len(bad)} are such)" if bad.sum() > 1 else ""
        raise ValueError(f"{name}[{first}] = {values[first].tolist()} {why}{others}")


def checked_scores(boxes, scores, name="scores"):
    """Return scores as floats (n,) in [0, 1], one a box, or say what is wrong."""
    scores = _one_a_box(boxes, np.asarray(scores, dtype=float), name)
    _refuse(scores, ~((scores >= 0) & (scores <= 1)), name, "lies outside [0, 1].")
    return scores


def checked_labels(boxes, labels, name="labels"):
    """Return labels (n,), one a box, or say what is wrong."""
    return _one_a_box(boxes, np.asarray(labels), name)


def _one_a_box(boxes, values, name):
    if values.shape != (len(boxes),):
        raise ValueError(
            f"{name} have shape {values.shape} and there are {len(boxes)} boxes; give one each, "
            f"shape ({len(boxes)},)."
        )
    return values


def checked_threshold(threshold):
    """Return an IoU, or say that it is none."""
    if not 0 <= threshold <= 1:
        raise ValueError(f"The threshold is {threshold}; it is an IoU, in [0, 1].")
    return threshold


def checked(boxes, scores, labels, threshold):
    """Return what every merge rule takes, or say what is wrong with it."""
    checked_threshold(threshold)
    boxes = checked_boxes(boxes)
    return boxes, checked_scores(boxes, scores), checked_labels(boxes, labels)


def checked_decay(decay, sigma, least):
    """Say what is wrong with how soft-NMS lowers scores, if anything is."""
    if decay not in ("linear", "gaussian"):
        raise ValueError(f"decay is {decay!r}; give 'linear' or 'gaussian'.")
    if not sigma > 0:
        raise ValueError(f"sigma is {sigma}; give a number above 0.")
    if not 0 <= least < 1:
        raise ValueError(f"least is {least}; it is a score, in [0, 1).")


def checked_views(boxes, views, n_views, weights):
    """Return (views, weights): each box's view as an integer, weights of views that sum to one."""
    views = np.asarray(views)
    if views.size == 0:
        views = views.astype(int)
    views = _one_a_box(boxes, views, "views")
    if isinstance(n_views, bool) or n_views != int(n_views) or n_views < 1:
        raise ValueError(f"n_views is {n_views}; give the number of views, 1 or more.")
    if views.dtype.kind not in "iu":
        raise ValueError(f"views are {views.dtype}; give the number of each box's view, integers.")
    _refuse(views, (views < 0) | (views >= n_views), "views", f"is not a view in [0, {n_views}).")
    weights = np.ones(int(n_views)) if weights is None else np.asarray(weights, dtype=float)
    if weights.shape != (n_views,) or not (weights >= 0).all() or not 0 < weights.sum() < np.inf:
        raise ValueError(
            f"weights are {weights.tolist()}; give {n_views} numbers, one a view, finite, not "
            "negative, not all zero."
        )
    return views, weights / weights.sum()


def checked_size(image_shape):
    """Return (height, width) of an image's shape, or say what is wrong with it."""
    shape = np.asarray(image_shape)
    if shape.shape not in ((2,), (3,)) or shape.dtype.kind not in "iu" or shape.min() < 1:
        raise ValueError(f"image_shape is {image_shape}; give (height, width) in pixels.")
    return int(shape[0]), int(shape[1])
