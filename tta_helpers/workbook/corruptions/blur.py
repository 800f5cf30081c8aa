"""Blur: defocus, glass, motion and zoom blur; held out: Gaussian blur."""

import numpy as np
from scipy import ndimage

from tta_helpers.workbook.corruptions.randomness import uniform
from tta_helpers.workbook.corruptions.resampling import blurred, eight_bit, smear, zoomed


def gaussian_blur(images, sigma):
    """Blur each channel with a Gaussian of `sigma` pixels, the border repeated."""
    return blurred(images, sigma)


def defocus_kernel(radius: float, alias: float) -> np.ndarray:
    """Return a disk of `radius` pixels, softened by a 3x3 Gaussian of sigma `alias`; sums to 1."""
    reach = int(radius) + 1
    offset = np.arange(-reach, reach + 1)
    disk = (offset**2 + offset[:, None] ** 2 <= radius**2).astype(float)
    bell = np.exp(-(np.arange(-1, 2) ** 2) / (2 * alias**2))
    kernel = ndimage.convolve(disk, np.outer(bell, bell), mode="constant")
    return kernel / kernel.sum()


def defocus_blur(images, radius, alias):
    """Spread each pixel over `defocus_kernel`, the surroundings mirrored."""
    return ndimage.correlate(images, defocus_kernel(radius, alias)[None, :, :, None], mode="mirror")


def glass_blur(images, streams, sigma, reach, iterations):
    """Blur, put a random neighbour in each pixel's place `iterations` times, blur again.

    Pixels are visited from the bottom right to the top left, without a border of `reach`; the
    neighbour lies -reach … reach-1 rows and columns away. The paper says that the two are
    exchanged. The release's code assigns one view of an array to another, which overwrites the
    pixel and leaves the neighbour, and so it is done here; exchanging would scatter pixels farther.
    As there, the image is cut to 8 bits after the first blur.
    """
    n, height, width, _ = images.shape
    source = np.tile(np.arange(height * width).reshape(height, width), (n, 1, 1))
    for _ in range(iterations):
        steps = np.floor(uniform(streams, (height, width, 2), -reach, reach)).astype(int)
        for row in range(height - reach, reach, -1):
            for column in range(width - reach, reach, -1):
                down, right = steps[:, row, column].T
                source[:, row, column] = source[np.arange(n), row + down, column + right]
    pixels = eight_bit(blurred(images, sigma)).reshape(n, height * width, 3) / np.float32(255)
    moved = np.take_along_axis(pixels, source.reshape(n, -1, 1), axis=1)
    return blurred(moved.reshape(images.shape), sigma)


def motion_blur(images, streams, radius, sigma):
    """`smear` along a line within 45 degrees of the horizontal."""
    return smear(images, uniform(streams, (), -45, 45), radius, sigma)


def zoom_blur(images, largest):
    """Mean of the image and its enlargements by 1, 1.01 … `largest`.

    The enlargements are those that `numpy.arange` counts, as in the release: its rounding includes
    the largest at severities 1 and 2 only. Each is `zoomed`, which shifts it by a part of a pixel.
    """
    planes = np.moveaxis(images, -1, 1)
    factors = np.arange(1, largest, 0.01)
    mean = (planes + sum(zoomed(planes, factor) for factor in factors)) / (len(factors) + 1)
    return np.moveaxis(mean, 1, -1)
