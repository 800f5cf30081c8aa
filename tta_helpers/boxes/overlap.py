"""How much two boxes overlap."""

import numpy as np

from tta_helpers.boxes.arrays import checked_boxes


def iou(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over union of every two boxes, (n, 4) and (m, 4) -> (n, m)."""
    boxes, others = checked_boxes(boxes), checked_boxes(others, "others")
    return pairwise_iou(boxes.T[:, :, None], others.T[:, None])


def pairwise_iou(one, other):
    """Return the IoU of boxes whose first axis is x0, y0, x1, y1; the others are broadcast."""
    return overlap_of(one, areas(one), other, areas(other))


def overlap_of(one, area, other, other_area):
    """Return the IoU, in few and, where possible, reused arrays: fusion spends its time here."""
    shared = np.minimum(one[2], other[2])
    shared -= np.maximum(one[0], other[0])
    np.maximum(shared, 0, out=shared)
    high = np.minimum(one[3], other[3])
    high -= np.maximum(one[1], other[1])
    shared *= np.maximum(high, 0, out=high)
    united = np.add(area, other_area, out=high)
    united -= shared
    shared /= united
    return shared


def areas(boxes):
    """Return the areas of boxes whose first axis is x0, y0, x1, y1."""
    return (boxes[2] - boxes[0]) * (boxes[3] - boxes[1])
