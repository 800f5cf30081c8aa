"""Boxes under views: where they lie in a view, and the way back."""

from collections.abc import Sequence

import numpy as np

from tta_helpers import views as v
from tta_helpers.boxes.arrays import checked_boxes, checked_size


def view_boxes(view: v.View, boxes: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Return where boxes of an image lie in a view of it.

    Parameters
    ----------
    view
        A flip, a rotation by quarter turns, a shift, a zoom, a photometric view, or several of
        them in a `Compose`.
    boxes
        Floats (n, 4).
    image_shape
        (height, width), and channels or not, of the image; the view has the same.

    Returns
    -------
    Floats (n, 4), the rows in order, cut at the frame. What left it has no size; `has_size` finds
    these rows.

    Raises
    ------
    ValueError
        If a rotation is not by quarter turns, for a box that is turned by another angle is none any
        more; if the boxes are not of the form above.
    NotImplementedError
        If the view does not say where it moves pixels.
    """
    height, width = checked_size(image_shape)
    boxes = checked_boxes(boxes)
    for step in _steps(view):
        boxes = _moved(boxes, *_motion(step), height, width)
    return boxes


def undo_boxes(view: v.View, boxes: np.ndarray, image_shape: Sequence[int]) -> np.ndarray:
    """Return where boxes that a detector found in a view lie on the image itself.

    Decode the boxes in the view first, then undo them here. Mirroring a heat map of one cell every
    `stride` pixels instead, and decoding after, is a common mistake: column c becomes column
    columns - 1 - c, whose left edge is not the mirror image of c's left edge, width - c * stride,
    but lies one stride left of it. Offsets within a cell point the other way as well. Every box
    then lies up to a stride beside its object.

    What a detector finds in the mirrored edges that a shift or a smaller zoom shows lies outside
    the image, and has no size then. A box that the view's frame had cut comes back as it was cut.

    Parameters, result and errors are those of `view_boxes`.
    """
    height, width = checked_size(image_shape)
    boxes = checked_boxes(boxes)
    for step in reversed(_steps(view)):
        matrix, offset = _motion(step)
        back = np.linalg.inv(matrix)
        boxes = _moved(boxes, back, -back @ offset, height, width)
    return boxes


def _steps(view):
    """Return the simple views that a view applies, in order."""
    if isinstance(view, v.Compose):
        return [step for one in view.views for step in _steps(one)]
    return [view]


def _motion(view):
    """Return (matrix, offset): (x, y) of a point of the image -> of the view, from the centre."""
    still, none = np.eye(2), np.zeros(2)
    if isinstance(view, v.Photometric):
        return still, none
    if isinstance(view, v.HorizontalFlip):
        return np.diag([-1.0, 1.0]), none
    if isinstance(view, v.VerticalFlip):
        return np.diag([1.0, -1.0]), none
    if isinstance(view, v.Shift):
        return still, np.array([view.dx, view.dy], dtype=float)
    if isinstance(view, v.Zoom):
        return view.factor * still, none
    if isinstance(view, v.Rotate):
        turns, rest = divmod(view.degrees, 90)
        if rest:
            raise ValueError(
                f"{view.name} turns by {view.degrees} degrees: a box that is turned by anything "
                "but quarter turns is no box any more. Use multiples of 90, or a mask."
            )
        # A quarter turn counter-clockwise takes what is right of the centre above it; y runs down.
        return np.linalg.matrix_power([[0.0, 1.0], [-1.0, 0.0]], int(turns) % 4), none
    raise NotImplementedError(
        f"{view!r} does not say where it moves boxes. Use flips, quarter turns, shifts, zooms and "
        "photometric views, or derive it from one of them."
    )


def _moved(boxes, matrix, offset, height, width):
    """Return boxes whose corners were moved about the centre, then cut at the frame."""
    size = np.array([width, height])
    corners = (boxes.reshape(-1, 2, 2) - size / 2) @ matrix.T + offset + size / 2
    corners = np.clip(corners, 0, size)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
