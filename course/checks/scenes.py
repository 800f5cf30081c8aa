"""Small scenes of masks and boxes, drawn for the checks of lesson 06."""

import numpy as np


def draw_masks(rng: np.random.Generator, n: int, side: int) -> np.ndarray:
    """Return masks of one ellipse each, off the middle, bool (n, side, side)."""
    rows, columns = np.mgrid[:side, :side]
    centre = rng.uniform(0.15, 0.4, (2, n, 1, 1)) * side
    radius = rng.uniform(0.12, 0.3, (2, n, 1, 1)) * side
    down, across = (rows - centre[0]) / radius[0], (columns - centre[1]) / radius[1]
    return down**2 + across**2 < 1


def draw_maps(rng: np.random.Generator, truth: np.ndarray, n_views: int) -> np.ndarray:
    """Return probabilities (views, *truth.shape) of views that err on the same, unsure pixels."""
    unsure = rng.uniform(0.1, 2, truth.shape)
    of_all, of_each = rng.normal(size=truth.shape), rng.normal(size=(n_views, *truth.shape))
    logits = np.where(truth, 1.5, -1.5) + unsure * (0.5 * of_all + of_each)
    return 1 / (1 + np.exp(-logits))


def draw_boxes(rng: np.random.Generator, n: int, width: float, height: float) -> np.ndarray:
    """Return boxes inside a picture, floats (n, 4): x0, y0, x1, y1."""
    size = rng.uniform(0.1, 0.4, (n, 2)) * (width, height)
    corner = rng.uniform(0, 1, (n, 2)) * ((width, height) - size)
    return np.hstack([corner, corner + size])


def overlaps_of(boxes: np.ndarray) -> np.ndarray:
    """Return the IoU of every two of some boxes, (n, 4) -> (n, n)."""
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return shared / (area[:, None] + area - shared)
