"""Masks against what is marked: overlap, border, and objects found, one number a picture.

Masks are bool, shape (pictures, height, width). Objects are whole numbers of that shape: 0
background, else the number of an object, which may hold any of them.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage, optimize

IOU_THRESHOLDS = (0.5, 0.6, 0.7, 0.8, 0.9)
AROUND = np.ones((3, 3), bool)


def mask_iou(masks: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Return each picture's intersection over union, in [0, 1]; 1 where both are empty."""
    both, either = _pixels(masks, truths)
    return np.divide(both, either, out=np.ones(len(both)), where=either > 0)


def mask_dice(masks: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Return each picture's Dice coefficient, in [0, 1]; 1 where both masks are empty.

    Twice the intersection over the sum of both areas: 2 IoU / (1 + IoU), and the pixels' F1.
    """
    both, either = _pixels(masks, truths)
    areas = both + either
    return np.divide(2 * both, areas, out=np.ones(len(both)), where=areas > 0)


def boundary_f1(masks: np.ndarray, truths: np.ndarray, tolerance: float = 1) -> np.ndarray:
    """Return how well the borders of two masks meet, in [0, 1], one number a picture.

    The harmonic mean of the share of the mask's border that lies near the truth's border, and of
    the share of the truth's that lies near the mask's (Csurka et al., BMVC 2013). The border is the
    pixels of a mask that have one beside them, of eight, that is none of the mask's; the frame of
    the picture is no border.

    Parameters
    ----------
    masks, truths
        Bool, shape (pictures, height, width).
    tolerance
        Pixels, at least 0; Euclidean distance that still counts as near.

    Returns
    -------
    (pictures,) floats; 1 where neither has a border, 0 where only one has.
    """
    masks, truths = _checked(masks, truths)
    if not tolerance >= 0:
        raise ValueError(f"tolerance is {tolerance}; give a number of pixels of at least 0.")
    return np.array(
        [_border_f1(_border(a), _border(b), tolerance) for a, b in zip(masks, truths, strict=True)]
    )


def connected_components(masks: np.ndarray, least: int = 1) -> np.ndarray:
    """Return the connected pieces of masks as numbered objects, but for the smallest ones.

    Pixels that share a side are connected, pixels that share a corner alone are not.

    Parameters
    ----------
    masks
        Bool, shape (pictures, height, width).
    least
        Pixels that a piece must have to count, at least 1.

    Returns
    -------
    (pictures, height, width) int32; numbered from 1 without gaps in each picture.
    """
    masks = np.asarray(masks, bool)
    found = np.zeros(masks.shape, np.int32)
    for picture, mask in zip(found, masks, strict=True):
        numbers, count = ndimage.label(mask)
        large = np.bincount(numbers.ravel(), minlength=count + 1) >= least
        large[0] = False
        picture[:] = np.where(large, np.cumsum(large), 0)[numbers]
    return found


class Matched(NamedTuple):
    """Objects that were matched, missed and found in excess, each (pictures, IoU thresholds)."""

    matched: np.ndarray
    missed: np.ndarray
    false: np.ndarray


def match_objects(
    objects: np.ndarray, truths: np.ndarray, thresholds: Sequence[float] = IOU_THRESHOLDS
) -> Matched:
    """Pair found objects with marked ones, each at most once, and count what is left over.

    Of all ways to pair them the one with the most pairs whose IoU passes the threshold. From a
    threshold of 0.5 up, no object can have two partners, and there is no choice.

    Parameters
    ----------
    objects, truths
        Whole numbers of at least 0, shape (pictures, height, width).
    thresholds
        IoU that a pair must pass, each in [0, 1).
    """
    objects, truths = np.asarray(objects), np.asarray(truths)
    _same_shape(objects, truths)
    limits = np.asarray(thresholds, float)
    if limits.ndim != 1 or not len(limits) or not ((limits >= 0) & (limits < 1)).all():
        raise ValueError(f"thresholds are {thresholds}; give numbers of at least 0 and below 1.")
    counts = np.array(
        [_counts(_overlaps(a, b), limits) for a, b in zip(objects, truths, strict=True)], int
    ).reshape(-1, 3, len(limits))
    return Matched(*counts.swapaxes(0, 1))


def object_ap(
    objects: np.ndarray, truths: np.ndarray, thresholds: Sequence[float] = IOU_THRESHOLDS
) -> np.ndarray:
    """Return matched / (matched + missed + false), the mean over IoU thresholds, by picture.

    The score of the 2018 Data Science Bowl (Caicedo et al., *Nature Methods* 2019), over fewer
    thresholds. 1 where nothing is marked and nothing found. `match_objects` says what is a match.
    """
    matched, missed, false = match_objects(objects, truths, thresholds)
    total = matched + missed + false
    return np.divide(matched, total, out=np.ones(total.shape), where=total > 0).mean(axis=1)


def _pixels(masks: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many pixels two masks share, and how many are in either, as floats."""
    masks, truths = _checked(masks, truths)
    both, either = ((masks & truths).sum(axis=(1, 2)), (masks | truths).sum(axis=(1, 2)))
    return both.astype(float), either.astype(float)


def _checked(masks: np.ndarray, truths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    masks, truths = np.asarray(masks), np.asarray(truths)
    for name, some in (("masks", masks), ("truths", truths)):
        if some.dtype != bool:
            raise ValueError(f"{name} are {some.dtype}; give truth values, such as probs > 0.5.")
    _same_shape(masks, truths)
    return masks, truths


def _same_shape(masks: np.ndarray, truths: np.ndarray) -> None:
    if masks.ndim != 3 or masks.shape != truths.shape:
        raise ValueError(
            f"shapes {masks.shape} and {truths.shape} must be one (pictures, height, width)."
        )


def _border(mask: np.ndarray) -> np.ndarray:
    return mask & ~ndimage.binary_erosion(mask, AROUND, border_value=1)


def _border_f1(first: np.ndarray, second: np.ndarray, tolerance: float) -> float:
    if not first.any() or not second.any():
        return float(first.any() == second.any())
    precision, recall = (
        (ndimage.distance_transform_edt(~other)[own] <= tolerance).mean()
        for own, other in ((first, second), (second, first))
    )
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _overlaps(objects: np.ndarray, truths: np.ndarray) -> np.ndarray:
    """Return the IoU of every found object with every marked one, (found, marked)."""
    (_, found), (_, marked) = (np.unique(x, return_inverse=True) for x in (objects, truths))
    found, marked = (
        inverse.reshape(x.shape) + (0 if (x == 0).any() else 1)  # number 0 is the background
        for inverse, x in ((found, objects), (marked, truths))
    )
    shape = int(found.max()) + 1, int(marked.max()) + 1
    both = np.bincount((found * shape[1] + marked).ravel(), minlength=shape[0] * shape[1])
    both = both.reshape(shape)
    either = both.sum(axis=1)[:, None] + both.sum(axis=0) - both
    return both[1:, 1:] / np.maximum(either[1:, 1:], 1)


def _counts(overlaps: np.ndarray, thresholds: np.ndarray) -> list[list[int]]:
    """Return matched, missed and false of one picture, each a number a threshold."""
    matched = []
    for threshold in thresholds:
        passes = overlaps > threshold
        matched.append(int(passes[optimize.linear_sum_assignment(passes, maximize=True)].sum()))
    found, marked = overlaps.shape
    return [matched, [marked - k for k in matched], [found - k for k in matched]]
