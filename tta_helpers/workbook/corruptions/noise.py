"""Noise: Gaussian, shot and impulse noise; held out: speckle noise."""

import numpy as np

from tta_helpers.workbook.corruptions.randomness import normal, uniform


def gaussian_noise(images, streams, scale):
    """Add N(0, scale²) to every value."""
    return images + scale * normal(streams, images.shape[1:])


def shot_noise(images, streams, photons):
    """Count light: a value x becomes Poisson(x · photons) / photons."""
    rates = images.astype(np.float64) * photons
    return np.stack([s.poisson(rate) for s, rate in zip(streams, rates, strict=True)]) / photons


def impulse_noise(images, streams, share):
    """Set this share of the values to 0 or 1, with equal chance; channels are hit separately."""
    dice = uniform(streams, images.shape[1:])
    return np.where(dice < share, dice < share / 2, images)


def speckle_noise(images, streams, scale):
    """Add noise in proportion to the value: x + x · N(0, scale²)."""
    return images + images * scale * normal(streams, images.shape[1:])
