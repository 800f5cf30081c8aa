"""Boxes of a detector: under views and back, merged over views, and judged.

Boxes are floats, shape (n, 4): x0, y0, x1, y1 in pixels of the image. They are edges, not centres
of pixels: an image 40 pixels wide and 30 high is the box (0, 0, 40, 30), and the mirror image of x
is width - x. Boxes of several views cannot be averaged row by row, as probabilities can: rows are
neither the same objects nor as many. They are pooled, and a merge rule finds which belong together.
"""

from tta_helpers.boxes.arrays import has_size
from tta_helpers.boxes.judging import average_precision, mean_average_precision
from tta_helpers.boxes.merging import merge_pictures, nms, soft_nms, weighted_box_fusion
from tta_helpers.boxes.moving import undo_boxes, view_boxes
from tta_helpers.boxes.overlap import iou

__all__ = [
    "average_precision",
    "has_size",
    "iou",
    "mean_average_precision",
    "merge_pictures",
    "nms",
    "soft_nms",
    "undo_boxes",
    "view_boxes",
    "weighted_box_fusion",
]
