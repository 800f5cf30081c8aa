"""Pixels blurred, enlarged, moved, dragged along a line, and cut to 8 bits."""

import math

import numpy as np
from scipy import ndimage


def blurred(images: np.ndarray, sigma: float, **options) -> np.ndarray:
    """Blur axes 1 and 2 with a Gaussian of `sigma` pixels."""
    sigmas = (0, sigma, sigma, 0)[: images.ndim]
    return ndimage.gaussian_filter(images, sigmas, **{"mode": "nearest", **options})


def _zoom_matrix(size: int, factor: float) -> np.ndarray:
    """Return the (size, size) weights that enlarge one axis bilinearly, as the release does.

    Whole pixels are cut from the middle, `size / factor` of them rounded up, and stretched to
    `factor` times as many, first on first and last on last. The middle `size` of these remain.
    Where a remainder is odd, the middle lies half a pixel too far left: the image is shifted.
    """
    cut = math.ceil(size / factor)
    stretched = round(cut * factor)
    steps = np.arange(size)[:, None] + (stretched - size) // 2
    source = (size - cut) // 2 + steps * (cut - 1) / max(stretched - 1, 1)
    return np.maximum(0, 1 - np.abs(source - np.arange(size))).astype(np.float32)


def zoomed(images: np.ndarray, factor: float) -> np.ndarray:
    """Enlarge (..., h, w) about the middle, which is uneven; what leaves the frame is cut off."""
    height, width = images.shape[-2:]
    return _zoom_matrix(height, factor) @ images @ _zoom_matrix(width, factor).T


def resampled(images: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Take each pixel, bilinearly, from `source` (n, h, w, 2) in rows and columns."""
    result = np.empty_like(images)
    for image, points, out in zip(images, np.moveaxis(source, -1, 1), result, strict=True):
        for channel in range(image.shape[-1]):
            out[..., channel] = ndimage.map_coordinates(
                image[..., channel], points, order=1, mode="mirror"
            )
    return result


def smear(images: np.ndarray, degrees: np.ndarray, radius: int, sigma: float) -> np.ndarray:
    """Drag each image along a line: the motion blur of `motion_blur` and `snow`.

    The release lets ImageMagick do this. Here the line is 2·radius + 1 whole-pixel steps, each
    rounded to the nearest pixel, with weights exp(-step²/2σ²) that sum to one. Pixels are drawn
    from one side only, and beyond the border from its nearest pixel.

    Parameters
    ----------
    images
        (n, h, w, c).
    degrees
        (n,) direction in which the line looks for its sources: 0 is right, 90 down.
    radius, sigma
        In pixels.
    """
    n, height, width, _ = images.shape
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2)).astype(np.float32)
    angle = np.radians(degrees)[:, None]
    down, right = (np.rint(steps * part).astype(int) for part in (np.sin(angle), np.cos(angle)))
    smeared = np.zeros_like(images)
    for step, weight in enumerate(weights / weights.sum()):
        row = np.clip(np.arange(height) + down[:, step, None], 0, height - 1)[:, :, None]
        column = np.clip(np.arange(width) + right[:, step, None], 0, width - 1)[:, None, :]
        smeared += weight * images[np.arange(n)[:, None, None], row, column]
    return smeared


def eight_bit(images: np.ndarray) -> np.ndarray:
    """Return floats in [0, 1] as uint8 from 0 to 255, cut to whole numbers as in the release."""
    return (images * 255).astype(np.uint8)
